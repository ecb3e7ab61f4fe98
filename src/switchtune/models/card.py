"""A model's card: front matter, by which the Hub finds and shows a model, and a text. One that somebody edits stays."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import metadata_load
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from switchtune.errors import SwitchtuneError
from switchtune.files import LARGEST, content_of, fingerprint, readable, write_text

CARD = "README.md"
_MARK = re.compile(r"\n<!-- switchtune ([0-9a-f]{16}) -->\n\Z")
"""The end of a card that was written here: a hash of what is before it."""


def front_matter(card: Path) -> dict[str, Any]:
    """What a card tells the Hub; nothing where there is no card, or none that can be read."""
    try:
        readable(card, LARGEST)
        return metadata_load(card) or {}
    except (SwitchtuneError, OSError, ValueError, yaml.YAMLError):
        return {}


def base_on_hub(model: str) -> str | None:
    """The name on the Hub of a model, or of what a folder's model was made from, as its card says; None: not known."""
    if Path(model).is_dir():
        base = front_matter(Path(model) / CARD).get("base_model")
        return base if isinstance(base, str) else None
    return None if why_no_hub_name(model) else model


def why_no_hub_name(name: str) -> str | None:
    """What is wrong with a name as that of a repository of the Hub, which may do without an owner."""
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        return str(error)
    return None


def put_card(folder: Path, told: Mapping[str, Any], text: str) -> bool:
    """Write a model's card, unless one is there that was not written here, or that somebody has edited since.

    Args:
        told: its front matter; what is None or empty is left out.
        text: in Markdown.

    Returns:
        Whether the card is the one that was to be written.
    """
    card = folder / CARD
    if card.exists() and not _is_own(card):
        return False
    head = {name: value for name, value in told.items() if value}
    before = f"---\n{yaml.safe_dump(head, allow_unicode=True, sort_keys=False)}---\n" if head else ""
    written = f"{before}\n{text.strip()}\n".lstrip("\n")
    written += f"\n<!-- switchtune {fingerprint(written)} -->\n"
    if not card.exists() or card.read_text(encoding="utf-8") != written:
        write_text(card, written)
    return True


def _is_own(card: Path) -> bool:
    text = content_of(card).decode(errors="replace").replace("\r\n", "\n")
    mark = _MARK.search(text)
    return mark is not None and mark[1] == fingerprint(text[: mark.start()])
