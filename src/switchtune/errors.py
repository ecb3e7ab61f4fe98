"""Errors that people read: what was found, where, what was expected, what to do next."""

from collections.abc import Iterable
from difflib import get_close_matches


class SwitchtuneError(Exception):
    """Something went wrong that the user can mend; the command line prints the message and exits with 1."""


class UsageError(SwitchtuneError):
    """The request itself is wrong (an option, a configuration key); the command line exits with 2."""


class Stopped(SystemExit):
    """A training was asked to stop, and a checkpoint is written. Its code is 128 + the signal, as shells have it."""


class SaidElsewhereError(SwitchtuneError):
    """Another process of the same training raises the error itself; this one ends without a word."""


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """A clause, ended, with the known names closest to `name`, or where none is close some of those that exist."""
    names = sorted(set(known))
    by_lower = {candidate.lower(): candidate for candidate in names}
    matches = [by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=count, cutoff=0.6)]
    if matches:
        return "did you mean " + " or ".join(repr(match) for match in matches) + "?"
    shown = ", ".join(repr(candidate) for candidate in names[:12])
    return f"known: {shown}{', …' if len(names) > 12 else '.'}"
