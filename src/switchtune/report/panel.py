"""What the parts of a run's page are made of."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchtune.results.drawing import Drawing
from switchtune.runs.run_files import RunFiles


def plain_name(text: str) -> str:
    """A text as a name of files and elements."""
    return re.sub(r"[^\w.-]", "-", text, flags=re.ASCII)


@dataclass(frozen=True)
class Panel:
    """What a part shows at a time."""

    title: str
    kind: str  # the macro of `panels.html` that shows it
    content: Mapping[str, Any]
    drawings: tuple[Drawing, ...] = ()


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    name: str
    title: str
    choice: str  # what one chooses by its tabs; empty where all panels stand below each other
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Asked:
    """What a part is made from."""

    run: RunFiles
    prefix: str = ""  # of names that no other part of the page has
    room: int = 0  # bytes of what is only as long as there is room

    def name(self, *parts: object) -> str:
        """A name for a file or an element."""
        return self.prefix + plain_name("-".join(str(part)[:60] for part in parts if part is not None))


def missing(message: str, title: str = "") -> Panel:
    return Panel(title, "missing", {"message": message})
