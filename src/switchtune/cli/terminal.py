"""Standard streams and consoles: what reaches a terminal is shown, and never obeyed."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from switchtune.events import StandardStream, printable

WIDTH_OFF_TERMINAL = 160
"""Columns of a table that goes to a file or a pipe."""

STANDARD_OUTPUT = "standard output"


def print_line(text: str, *, err: bool = False) -> None:
    """Print a line for people."""
    (sys.stderr if err else sys.stdout).write(f"{printable(text)}\n")


class TextConsole(Console):
    """A console that shows strings as they are: nothing in them is markup, nothing is obeyed."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.file.isatty():
            # Nothing says how wide the reader is; a table that is cut helps nobody.
            self.width = WIDTH_OFF_TERMINAL

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


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
            out.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")
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
