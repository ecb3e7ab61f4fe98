"""A model into a repository of the Hub, all of its folder in one commit; the card says under which name to load it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.models.card import CARD, why_no_hub_name
from switchtune.models.licence import licence_of
from switchtune.runs.best import best_model
from switchtune.runs.card import NAME_LINE
from switchtune.runs.folder import config_file, open_run
from switchtune.runs.paths import CONFIG

_CONFLICT, _UNAUTHORIZED, _FORBIDDEN = 409, 401, 403


@dataclass(frozen=True)
class Pushed:
    """What now lies on the Hub."""

    model: Path
    url: str
    public: bool
    files: int


def chosen_model(folder: Path, languages: tuple[str, str] | None, on_event: OnEvent) -> Path:
    """The model that a folder is, or of a run's folder the one that validates best, which is told.

    Args:
        languages: from which to which, where a run has several pairs.

    Raises UsageError where there is no model, or it is not said which.
    """
    if (folder / CONFIG).is_file():
        pairs = open_run(config_file(folder).parent).config.pairs
        if languages is None and len(pairs) > 1:
            raise UsageError(
                f"{folder}: a run of several pairs; say --langs {' or '.join(pair.name for pair in pairs)}."
            )
        best = best_model(folder, *(languages or pairs[0].languages))
        on_event(Event("push", best.reason))
        return best.model
    if languages is not None:
        raise UsageError("--langs is for the folder of a run; leave it out.")
    if not (folder / "config.json").is_file():
        below = sorted(str(path.parent) for path in folder.rglob("model/config.json"))[:4]
        found = f"In it are {', '.join(below)}." if below else "Give the folder of a model, or of `switchtune run`."
        raise UsageError(f"{folder}: no model is there (config.json is missing). {found}")
    return folder


def push(model: Path, name: str, on_event: OnEvent, *, public: bool = False, update: bool = False) -> Pushed:
    """Make a repository on the Hub, private unless `public`, and commit a model's folder to it, hidden files left out.

    Args:
        name: of the repository, with its owner: org/name.
        update: commit to a repository that is there already. Its visibility must be the one that is asked for.

    Raises:
        UsageError: the name is none, or the repository is there and is not to be updated, or is visible to others.
        SwitchtuneError: the Hub refuses the token or cannot be reached.
    """
    _require_name(name)
    if get_token() is None:
        raise SwitchtuneError("No token for the Hub: log in (`hf auth login`), or set HF_TOKEN to one that may write.")
    for said in _to_be_known(model):
        on_event(Event("push", said))
    api = HfApi()
    with _explained(api.endpoint, name):
        url = _repository(api, name, public=public, update=update)
    operations = list(_operations(model, name))
    with _explained(api.endpoint, name, made=True):
        api.create_commit(name, operations, commit_message="Add the model, as made by switchtune")
    return Pushed(model, url, public, len(operations))


def _require_name(name: str) -> None:
    if problem := why_no_hub_name(name):
        raise UsageError(f"{name}: not the name of a repository ({problem.rstrip('.')}). Expected org/name.")
    if "/" not in name:
        raise UsageError(f"{name}: the owner is missing. Expected org/name, as in {name}-team/{name}.")


def _to_be_known(model: Path) -> Iterator[str]:
    """What to know of a model before others see it."""
    if not (model / CARD).is_file():
        yield f"{model}: has no {CARD}, so the Hub will say nothing about it"
    elif (licence := licence_of(str(model))) is None:
        yield f"{model}: its {CARD} states no licence"
    elif licence.restrictions:
        yield f"{model}: {licence.describe()}"


def _repository(api: HfApi, name: str, *, public: bool, update: bool) -> str:
    """The address of the repository, which is made where it is not there."""
    try:
        return str(api.create_repo(name, private=not public))
    except HfHubHTTPError as error:
        if error.response.status_code != _CONFLICT:
            raise
    if not update:
        raise UsageError(f"{name}: is on the Hub already. Give another name, or --update to add a commit to it.")
    if bool(api.model_info(name).private) == public:
        now, wanted = (
            ("private", "--public asks for a public")
            if public
            else ("public", "without --public it would be a private")
        )
        raise UsageError(f"{name}: is {now}, and {wanted} one. Change that on the Hub, or say which you mean.")
    return f"{api.endpoint}/{name}"


def _operations(model: Path, name: str) -> Iterator[CommitOperationAdd]:
    for path in sorted(path for path in model.rglob("*") if path.is_file()):
        inside = path.relative_to(model)
        if any(part.startswith(".") for part in inside.parts):
            continue
        named = (
            path.read_text(encoding="utf-8").replace(NAME_LINE, f'name = "{name}"') if inside == Path(CARD) else None
        )
        yield CommitOperationAdd(inside.as_posix(), str(path) if named is None else named.encode())


@contextmanager
def _explained(endpoint: str, name: str, *, made: bool = False) -> Iterator[None]:
    """Say what the Hub refused, and what to do; `made`: the repository is there by now."""
    again = " The repository is there, without the model: --update goes on." if made else " Nothing was uploaded."
    try:
        yield
    except SwitchtuneError:
        raise
    except Exception as error:  # its client raises errors of several packages
        cause = error if isinstance(error, HfHubHTTPError) else error.__cause__ or error
        if isinstance(cause, HfHubHTTPError):
            said = _refusal(cause, name)
        else:
            what = "broke off" if made else "cannot be reached"
            said = f"{endpoint} {what} ({type(cause).__name__}: {cause}). Try again later, or look at the network."
        raise SwitchtuneError(f"{name}: {said}{again}") from error


def _refusal(error: HfHubHTTPError, name: str) -> str:
    status = error.response.status_code
    told = {
        _UNAUTHORIZED: "the Hub does not accept the token. Log in again (`hf auth login`), or set HF_TOKEN again.",
        _FORBIDDEN: f"the token may not write to {name.split('/')[0]}. Take one that may, or another owner.",
    }
    return told.get(status) or f"the Hub answers {status} ({error.server_message or error.response.reason_phrase})."
