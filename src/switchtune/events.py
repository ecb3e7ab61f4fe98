"""What is told while something goes on: how far a training is, and messages, of which a terminal obeys nothing."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, TextIO, TypeAlias, cast


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a stage stands."""

    update: int
    """Updates done, those before an interruption included."""
    updates: int
    loss: float
    """Mean smoothed loss per target token since the last entry of the curve, in nats."""
    tokens_per_second: float
    """Target tokens trained on since the last report, per second."""
    padding: float
    """Share of the positions of this process's batches that hold no token, since the last entry of the curve."""
    memory_gb: float
    """Peak of this process so far: of its GPU's memory, or on a CPU of its own."""


@dataclass(frozen=True)
class Event:
    """Something to show while a run goes on."""

    subject: str
    """A trial (`de-en/csr/seed1`), or a pair while its data is prepared."""
    what: str
    """A message, or with the figures of a `Progress` a stage's name."""
    update: int = 0
    updates: int = 0
    loss: float | None = None
    tokens_per_second: float | None = None
    padding: float | None = None
    memory_gb: float | None = None


def stage_event(subject: str, stage: str, step: Progress) -> Event:
    return Event(subject, stage, **asdict(step))


OnEvent: TypeAlias = Callable[[Event], None]

# Controls, what has no width, what changes the direction, ends of lines and paragraphs, halves of surrogate pairs. A
# joiner stays where it does its work: between letters of scripts that need it, between emoji.
_OBEYED = re.compile(
    "(?<=[^\x00-\xad\u2000-\u206f])[\u200c\u200d](?=[^\x00-\xad\u2000-\u206f])|"
    "([\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f])"
)


def printable(text: str) -> str:
    r"""The text with `\u001b` and the like in place of what a terminal would obey or not show; JSON stays the same."""

    def shown(found: re.Match[str]) -> str:
        return re.sub("(....)", r"\\u\1", found[0].encode("utf-16-be", "surrogatepass").hex()) if found[1] else found[0]

    return _OBEYED.sub(shown, text)


class StandardStream:
    """A standard stream, which says that it is the one that failed; what is `shown` is not obeyed, whoever writes."""

    def __init__(self, stream: TextIO, name: str, *, shown: bool) -> None:
        self._stream, self._name, self._shown = stream, name, shown
        if shown:
            self.rich_proxied_file = stream  # Consoles show text themselves, and have colours.
            self.buffer = None  # Else click would write there.

    def write(self, text: str) -> int:
        """Write what is shown of `text`; how progress bars of libraries move is let through."""
        if self._shown:
            moved = re.match(r"\r|(\x1b\[A)+\Z", text)
            start = moved.end() if moved else 0
            text = text[:start] + printable(text[start:])
        with self._named():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._named():
            self._stream.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            error.filename = self._name
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def show_standard_error() -> None:
    """Have all that is written on standard error shown, in a process for its whole life."""
    if sys.stderr is not None:
        sys.stderr = cast(TextIO, StandardStream(sys.stderr, "standard error", shown=True))
