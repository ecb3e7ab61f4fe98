"""The licence of a model: read from its card, and carried to all that is made from it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from huggingface_hub import model_info, try_to_load_from_cache

from switchtune.events import Event, OnEvent
from switchtune.files import is_own
from switchtune.models.card import CARD, front_matter, put_card

_PATIENCE_SECONDS = 3.0
"""How long the Hub may take to tell a licence."""

_RESTRICTIONS = {
    "nc": "no commercial use",
    "nd": "nothing that is made from it may be passed on",
    "sa": "what is made from it is passed on under the same licence alone",
}
"""What the parts of the names of Creative Commons licences forbid."""


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence as a model's card tells it: `license` is "other" where `license_name` has the name."""

    license: str
    license_name: str | None = None
    license_link: str | None = None

    @property
    def name(self) -> str:
        return self.license_name or self.license

    def describe(self) -> str:
        link = f" ({self.license_link})" if self.license_link else ""
        return f"{self.name}{link}" + (f": {'; '.join(self.restrictions)}" if self.restrictions else "")

    @property
    def restrictions(self) -> list[str]:
        """What it forbids, as far as its name says."""
        kind, *parts = self.name.lower().split("-")
        own = ["it has terms of its own"] if self.license == "other" else []
        return own + [_RESTRICTIONS[part] for part in parts if kind == "cc" and part in _RESTRICTIONS]


def licence_of(path: str) -> Licence | None:
    """The licence of a model; None where its card does not tell it, or cannot be had within seconds.

    Args:
        path: a folder, or a name on the Hub, whose card is taken from the cache where it is there.
    """
    card = front_matter(Path(path) / CARD) if Path(path).is_dir() else _read_from_hub(path)
    told = {name: str(value) for name, value in card.items() if name in Licence.__slots__ and value}
    return Licence(**told) if "license" in told else None


@lru_cache
def _read_from_hub(name: str) -> dict[str, Any]:
    """What a card tells; nothing where it cannot be had, which is not tried again."""
    try:
        cached = try_to_load_from_cache(name, CARD)
        if isinstance(cached, str):
            return front_matter(Path(cached))
        card: Any = model_info(name, timeout=_PATIENCE_SECONDS).card_data
        return dict(card.to_dict()) if card else {}
    except Exception:  # noqa: BLE001 - its client raises errors of several packages
        return {}


def tell_licences(models: Iterable[str], on_event: OnEvent) -> None:
    """Say what licences restrict, and where one is not known of a model that switchtune has not made."""
    for model in sorted(models):
        licence = licence_of(model)
        if licence is not None and licence.restrictions:
            told = f"{model}: {licence.describe()}. This holds for what is trained from it, too."
            on_event(Event("licence", told))
        elif licence is None and not is_own(Path(model)):
            on_event(Event("licence", f"{model}: not known, as no {CARD} of the model states it"))


def write_card(folder: Path, licence: Licence | None, base: str | None = None) -> None:
    """Write a card into the folder of a model that was made from another, as far as anything is known of that.

    Args:
        licence: that of the other model.
        base: its name on the Hub.
    """
    if licence is None and base is None:
        return
    told = {} if licence is None else asdict(licence)
    made = f"Made by switchtune from {base or 'a model'}"
    held = "." if licence is None else f" with the licence {licence.describe()}. It holds for this one as well."
    put_card(folder, {"base_model": base, **told}, made + held)
