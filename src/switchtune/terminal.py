"""What reaches the terminal: text that is shown, and never obeyed."""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

WIDTH_OFF_TERMINAL = 160
"""Columns of a table that goes to a file or a pipe."""

STANDARD_OUTPUT = "standard output"

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
    return _OBEYED.sub(lambda found: _escaped(found[0]) if found[1] else found[0], text)


def _escaped(character: str) -> str:
    return re.sub("(....)", r"\\u\1", character.encode("utf-16-be", "surrogatepass").hex())


def print_line(text: str, *, err: bool = False) -> None:
    """Print a line for people, on standard output or standard error."""
    (sys.stderr if err else sys.stdout).write(f"{printable(text)}\n")


class TextConsole(Console):
    """A console that shows strings as they are: nothing in them is markup, nothing is obeyed."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.file.isatty():
            # Nothing says how wide the reader is; a table that is cut helps nobody.
            self.width = WIDTH_OFF_TERMINAL

    def render_str(self, text: str, **options: Any) -> Text:
        """A string as it is shown."""
        return super().render_str(printable(text), **options)


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
        """Write what is held back."""
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


@contextmanager
def standard_streams() -> Iterator[None]:
    """Make terminals and standard error show everything and obey nothing; other output is exact, in UTF-8 as files are.

    A stream that is closed takes what is written and leaves it. In the end a stream that fails is not flushed again.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        if out.isatty():
            out.reconfigure(errors="backslashreplace")
        else:
            out.reconfigure(encoding="utf-8", errors="surrogateescape")
    streams = (
        StandardStream(out, STANDARD_OUTPUT, shown=out.isatty()),
        StandardStream(sys.stderr, "standard error", shown=True),
    )
    try:
        with redirect_stdout(cast(TextIO, streams[0])), redirect_stderr(cast(TextIO, streams[1])):
            yield
    finally:
        for stream in (out, sys.stderr):
            try:
                stream.flush()
            except OSError:
                with suppress(io.UnsupportedOperation):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
