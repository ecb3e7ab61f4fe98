"""What stands at a path, and where a command may write: to what is new, empty or its own, and never to an input."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from switchtune.errors import UsageError, nearest

MARK = ".switchtune"
"""File in a folder that switchtune made: by which verb of the command line, if it was one."""


def instead_of_file(path: Path) -> str:
    """What there is where a file to read is expected, and what to do."""
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir())
        listing = ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "nothing"
        return f"a folder; a file is expected. It holds {listing}."
    if path.is_fifo():
        return "is a pipe; save it to a file first."
    if path.exists():
        return "a device or a socket; a file is expected."
    if broken := broken_link(path):
        return broken
    if not path.parent.is_dir():
        return f"not found; there is no folder {path.parent} either."
    entries = [entry.name for entry in path.parent.iterdir()]
    known = [name for name in entries if not name.startswith(".") or path.name.startswith(".")]
    if not known:
        return f"not found. The folder {path.parent} {'holds nothing but hidden files' if entries else 'is empty'}."
    hint = nearest(path.name, known)
    return f"not found in {path.parent}. {hint[0].upper()}{hint[1:]}"


def broken_link(path: Path) -> str | None:
    """What is wrong with a path that is a link, or leads through one, to nothing; None where nothing is."""
    for place in (path, *path.parents):
        if place.is_symlink() and not place.exists():
            end = Path(os.path.realpath(place))
            told = "a link" if place == path else f"{place} is a link"
            if end.is_symlink():  # Links that lead to each other are not resolved.
                return f"{told} that leads back to itself. Remove it or mend it."
            return f"{told} to {place.readlink()}, which cannot be found. Mend the link."
    return None


@contextmanager
def naming(path: Path, *, written: Path | None = None) -> Iterator[None]:
    """Have a write that fails name its file: of an open file the system does not know the name.

    Args:
        path: the file or folder, as people know it.
        written: what is written in its place, where that is another.
    """
    try:
        yield
    except Exception as error:
        # safetensors has words of its own for it.
        full = (number for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) if f"(os error {number})" in str(error))
        number = next(full, getattr(error, "errno", None))
        written = written or path
        if number is None or not str(getattr(error, "filename", None) or written).startswith(str(written)):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def mark_folder(folder: Path, verb: str) -> None:
    """Have a folder say that it was made here."""
    mark = folder / MARK
    mark.unlink(missing_ok=True)  # a link to somewhere else is not written through
    with naming(mark):
        mark.write_text(f"switchtune {verb}".rstrip() + "\n", encoding="utf-8")


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
    within = any((folder / MARK).is_file() for folder in path.parents)
    if verb is None and within:
        return
    made_by = mark.read_text(encoding="utf-8", errors="replace").strip() if mark.is_file() else None
    if made_by is None and within:
        raise UsageError(
            f"{path}: would be replaced, and nothing in it says that switchtune made it; an earlier version may have. "
            "Move it away, and run the command again."
        )
    if made_by is None:
        raise UsageError(f"{path}: holds files that switchtune did not make. Give a new folder or an empty one.")
    if verb is not None and made_by != f"switchtune {verb}":
        maker = f"`{made_by}`" if made_by != "switchtune" else "another command"
        raise UsageError(f"{path}: was made by {maker}, not by `switchtune {verb}`. Give a new folder or an empty one.")


def is_own(path: Path) -> bool:
    """Whether a folder is one that switchtune made, or an empty one."""
    try:
        require_own(path)
    except UsageError:
        return False
    return True


def claim_folder(
    folder: Path, verb: str, *, replaces: bool = False, inputs: Iterable[Path | str] = (), force: bool = False
) -> None:
    """Check that a verb may write to a folder, before any work is done.

    Args:
        folder: new, empty, or one that the same verb made; with `force` any.
        replaces: whether the folder is replaced as a whole; one that is written into is made and marked at once.
        inputs: files and folders that the verb reads.
        force: take a folder that something else is in; what is replaced there is lost.

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


def claim_file(path: Path, *, inputs: Iterable[Path | str] = (), force: bool = False, own: bool = False) -> None:
    """Check that a verb may write to a file, before any work is done.

    Args:
        path: new, or what the same verb wrote; with `force` any file.
        inputs: files and folders that the verb reads; they, and what is in them, are refused whatever is forced.
        force: replace a file that is there.
        own: whether the file there was written by the verb, where its format tells.

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


def _require_writable(place: Path, told: Path) -> None:
    """Have the first folder that is there, of those above a place and itself, be one that can be written to."""
    if broken := broken_link(place):
        raise UsageError(f"--out {told}: {broken}")
    there = next(each for each in (place, *place.parents) if each.exists())
    there = there.parent if place.is_file() else there
    if not there.is_dir():
        raise UsageError(f"--out {told}: {there} is a file, not a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(
            f"--out {told}: no permission to write in {there}. Choose another place, or change its permissions."
        )


@dataclass(frozen=True)
class GrowingFile:
    """A text file that is written line by line, and that can be gone on with where its writing was stopped.

    While it is not finished, a hidden file beside it knows what it is made of.
    """

    path: Path
    made_of: str
    """Fingerprint of all that decides what its lines are."""

    @property
    def _note(self) -> Path:
        return self.path.with_name(f".{self.path.name}.unfinished")

    @property
    def is_unfinished(self) -> bool:
        """Whether its writing was begun and not ended."""
        return self._note.exists() and self.path.exists()

    def lines_written(self) -> int:
        """How many lines stand, what was begun of a further one being removed.

        Raises:
            UsageError: they are made of something else.
        """
        if not self.is_unfinished:
            return 0
        if self._note.read_text(encoding="utf-8") != self.made_of:
            raise UsageError(
                f"--resume: what stands in {self.path} was made of another text, by another model or with other "
                "options. Give the same ones, or --force in place of --resume to begin anew."
            )
        with self.path.open("rb+") as stream:
            whole = [len(line) for line in stream if line.endswith(b"\n")]
            stream.truncate(sum(whole))
        return len(whole)

    def append(self, lines: Iterable[str], *, begin: bool) -> None:
        """Add lines, which are on the disk when this returns; with `begin` they are the first."""
        if begin:
            self._begin()
        with naming(self.path), self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.writelines(f"{line}\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())

    def _begin(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with naming(self.path, written=self._note):
                self._note.write_text(self.made_of, encoding="utf-8")
            self.path.write_bytes(b"")
        except OSError:
            self._note.unlink(missing_ok=True)
            raise

    def finish(self, *, empty: bool) -> None:
        """Declare the file whole."""
        if empty:
            self.append([], begin=True)
        self._note.unlink()
