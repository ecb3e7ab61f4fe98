"""Whether the Hub can be reached, which is asked once and briefly: its own client tries for minutes."""

from functools import cache

from huggingface_hub import constants, get_session

_PATIENCE_SECONDS = 5.0


@cache
def why_unreachable() -> str | None:
    """Why the Hub cannot be reached; None where it can be, or is not to be asked (`HF_HUB_OFFLINE`).

    Where it cannot be reached, this process takes from now on what was fetched before, and asks no more.
    """
    if constants.HF_HUB_OFFLINE:
        return None
    try:
        get_session().head(constants.ENDPOINT, timeout=_PATIENCE_SECONDS)
    except Exception as error:  # noqa: BLE001 - the client is of another library in each version of huggingface_hub
        constants.HF_HUB_OFFLINE = True
        return f"{constants.ENDPOINT}: {error or type(error).__name__}"
    return None
