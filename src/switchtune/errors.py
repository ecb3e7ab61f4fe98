"""Errors that people read: what was found, where, what was expected, what to do next."""

import errno
import os
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path


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


_SPACE = "Free some, or choose a place on another disk; files that are complete are kept"
_TEMPORARY = "Make room there, permit it (also by ulimit -f), or name another folder in the environment variable TMPDIR"
_NEXT_STEPS = {
    errno.EACCES: "Change its permissions or those of its folder (ls -ld shows them), or name another",
    errno.EPERM: "Change its permissions or those of its folder (ls -ld shows them), or name another",
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "Raise the limit on the size of files (ulimit -f), or name a place on another file system",
    errno.EROFS: "The file system is read-only: choose a writable place",
    errno.EMFILE: "Raise the limit (ulimit -n 4096)",
    errno.ENFILE: "End other programs, or raise the limit of the system",
    errno.EISDIR: "A file is expected",
    errno.ENOTDIR: "A folder is expected, but a file of that name stands there",
    errno.EEXIST: "A folder is expected, but a file of that name stands there",
    errno.ENAMETOOLONG: "Give a shorter one",
    errno.ENOENT: "Check its name",
    errno.ELOOP: "A link there leads back to itself: remove or correct it",
}


def explain_os_error(error: OSError, arguments: Sequence[str]) -> SwitchtuneError:
    """What the system refused, of which file, by which argument of the command line, and what to do next."""
    if error.errno is None:
        return SwitchtuneError(str(error))
    said, name = error.strerror or os.strerror(error.errno), error.filename
    if name is None:
        # A file that is not there has a name; tempfile asks for any place, which need not be there.
        step = _TEMPORARY if error.errno == errno.ENOENT else _NEXT_STEPS.get(error.errno, type(error).__name__)
        return SwitchtuneError(f"{said}. {step}.")
    path = Path(os.fsdecode(name))
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])]
    led = [(before, word) for before, word in pairwise(words) if word and Path(word) in (path, *path.parents)]
    option = next((f" ({before} {word})" for before, word in led if before.startswith("-")), "")
    wrong = (error.errno in {errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP} and led) or (
        error.errno in {errno.EISDIR, errno.ENOENT} and path in (Path(word) for _, word in led)
    )
    return (UsageError if wrong else SwitchtuneError)(
        f"{path}{option}: {said}. {_NEXT_STEPS.get(error.errno, type(error).__name__)}."
    )


def lack_of_working_folder() -> str:
    """What to add to any message where the folder that names are relative to was removed; elsewhere nothing."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        return " The working folder was removed. Change to another folder (cd), and run the command again."
    return ""


def log_unforeseen(error: BaseException) -> str:
    """Write the traceback of an error that nobody foresaw to a file of its own, and say what and where it is."""
    lines = traceback.format_exception(error)
    said = f"unexpected error: {lines[-1].strip().splitlines()[0]}"
    try:
        descriptor, path = tempfile.mkstemp(prefix="switchtune-", suffix=".log")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:  # noqa: PTH123
            stream.writelines(lines)
    except OSError as refused:
        return f"{said}\nIts traceback could not be written to a file ({refused})."
    return f"{said}\nThe traceback is in {path}; please attach it to a bug report."
