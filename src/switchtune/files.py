"""Where a command may write: an output is new, empty or its own, and an input is never an output."""

import os
from collections.abc import Iterable
from pathlib import Path

from switchtune.errors import UsageError

MARK = ".switchtune"
"""File in a folder that switchtune made: by which verb of the command line, if it was one."""


def mark_folder(folder: Path, verb: str) -> None:
    """Have a folder say that it was made here."""
    (folder / MARK).unlink(missing_ok=True)  # a link to somewhere else is not written through
    (folder / MARK).write_text(f"switchtune {verb}".rstrip() + "\n", encoding="utf-8")


def require_own(path: Path, verb: str | None = None) -> None:
    """Have what is about to be replaced be a folder that switchtune made, or an empty one.

    Args:
        verb: which made it; None for any, and for folders within one that switchtune made.

    Raises:
        UsageError: it is anything else.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: a file; a folder is written here, and would replace it. Give another name.")
    mark = path / MARK
    if not any(entry != mark for entry in path.iterdir()):
        return
    if verb is None and any((folder / MARK).is_file() for folder in path.parents):
        return
    made_by = mark.read_text(encoding="utf-8", errors="replace").strip() if mark.is_file() else None
    if made_by is None:
        raise UsageError(f"{path}: holds files that switchtune did not make. Give a new folder or an empty one.")
    if verb is not None and made_by != f"switchtune {verb}":
        maker = f"`{made_by}`" if made_by != "switchtune" else "another command"
        raise UsageError(f"{path}: was made by {maker}, not by `switchtune {verb}`. Give a new folder or an empty one.")


def is_own(path: Path, verb: str | None = None) -> bool:
    """Whether a folder is one that switchtune made, by any verb or by this one, or an empty one."""
    try:
        require_own(path, verb)
    except UsageError:
        return False
    return True


def claim_folder(
    folder: Path, verb: str, *, replaces: bool = False, inputs: Iterable[Path | str] = (), force: bool = False
) -> Path:
    """Check that a verb may write to a folder, before any work is done.

    Args:
        folder: new, empty, or one that the same verb made; with `force` any.
        replaces: whether the folder is replaced as a whole; one that is written into is made and marked at once.
        inputs: files and folders that the verb reads.
        force: take a folder that something else is in; what is replaced there is lost.

    Returns:
        Where it stands: that which a link leads to.

    Raises:
        UsageError: the folder holds something else, is an input or holds one, or cannot be written.
    """
    place = Path(os.path.realpath(folder))
    if place.exists() and not place.is_dir():
        raise UsageError(f"--out {folder}: a file; the name of a folder is expected.")
    if replaces and Path.cwd().is_relative_to(place):
        raise UsageError(
            f"--out {folder}: this is the current folder, or holds it, and would be replaced. Give a new name."
        )
    for given in inputs:
        read = Path(os.path.realpath(given))
        if read.exists() and (read.is_relative_to(place) if replaces else read == place):
            raise UsageError(f"--out {folder}: {given} is read from there, and would be lost. Give another folder.")
    _require_writable(place, folder)
    if place.exists() and not force:
        try:
            require_own(place, verb)
        except UsageError as error:
            raise UsageError(f"--out {error} --force takes this one; what is replaced there is lost.") from None
    if not replaces:
        place.mkdir(parents=True, exist_ok=True)
        mark_folder(place, verb)
    return place


def claim_file(path: Path, *, inputs: Iterable[Path | str] = (), force: bool = False, own: bool = False) -> Path:
    """Check that a verb may write to a file, before any work is done.

    Args:
        path: new, or what the same verb wrote; with `force` any file.
        inputs: files and folders that the verb reads; they, and what is in them, are refused whatever is forced.
        force: replace a file that is there.
        own: whether the file there was written by the verb, where its format tells.

    Returns:
        Where it stands: that which a link leads to.

    Raises:
        UsageError: something else is there, it is an input, or it cannot be written.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise UsageError(f"--out {path}: a folder; the name of a file is expected.")
    for read in map(Path, inputs):
        if place.exists() and read.exists() and place.samefile(read):
            raise UsageError(f"--out {path}: this file is read, and would be lost. Give another name.")
        if place.exists() and not own and place.is_relative_to(os.path.realpath(read)):
            raise UsageError(f"--out {path}: belongs to {read}, which is read. Give another name.")
    if place.exists():
        if not place.is_file():
            raise UsageError(f"--out {path}: not a regular file. Leave out --out to write to standard output.")
        if not force and not own:
            raise UsageError(f"--out {path}: the file already exists. Give another name, or --force to replace it.")
    _require_writable(place, path)
    return place


def _require_writable(place: Path, told: Path) -> None:
    """Have the first folder that is there, of those above a place and itself, be one that can be written to."""
    there = next(each for each in (place, *place.parents) if each.exists())
    there = there.parent if place.is_file() else there
    if not there.is_dir():
        raise UsageError(f"--out {told}: {there} is a file, not a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(
            f"--out {told}: no permission to write in {there}. Choose another place, or change its permissions."
        )
