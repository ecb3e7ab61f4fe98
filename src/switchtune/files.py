"""What is read and where a command may write: files are read that end; an output is new, empty or its own, no input."""

import errno
import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

import psutil
from pydantic import TypeAdapter, ValidationError

from switchtune.errors import SwitchtuneError, UsageError, nearest

_T = TypeVar("_T")
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)

MARK = ".switchtune"
"""File in a folder that switchtune made: by which verb of the command line, if it was one."""

LARGEST = 1 << 28
"""In bytes, of a file that is read whole: the largest tokenizers, and the curves of a million updates, have less."""
_LARGEST_NOTE = 1 << 20
_LEFT_BY_DESKTOPS = (".DS_Store", "Thumbs.db", "desktop.ini")


_OF_PARTS = re.compile(r"(?is)(.+\.(?:zip|xlsx))#(.+)")


def file_and_part(location: str) -> tuple[str, str | None]:
    """The file of a location, and behind # the part of it that is meant: a file of an archive, a sheet."""
    found = _OF_PARTS.fullmatch(location)
    return (found[1], found[2]) if found else (location, None)


def why_unreadable(path: Path | str, largest: int | None = None) -> str | None:
    """What is wrong with a path that leads, through links too, to no file (a pipe or /dev/zero is none) that can be
    read.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111 — `Path.expanduser` raises for an unknown user
    try:
        str(path).encode()
        return _instead_of_file(path, largest)
    except PermissionError:
        return "no permission to read it. Ask its owner, or change it: chmod u+r, and chmod u+rx for its folder."
    except UnicodeEncodeError:
        return "the name is not UTF-8. Rename the file."
    except (OSError, ValueError) as error:  # such as a name that is too long, or one with a zero byte in it
        return broken_link(path) or f"cannot be opened ({getattr(error, 'strerror', error)})."


def _instead_of_file(path: Path, largest: int | None) -> str | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return broken_link(path) or _not_found(path)
    if stat.S_ISDIR(status.st_mode):
        names = sorted(entry.name for entry in path.iterdir())
        listing = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        return f"a folder; a file is expected. It holds {listing or 'nothing'}."
    if stat.S_ISFIFO(status.st_mode):
        return "a pipe; a file is expected. Save it to one first."
    if not stat.S_ISREG(status.st_mode):
        return "a device or a socket; a file is expected."
    if largest is not None and status.st_size > largest:
        return f"{status.st_size:,} bytes, where at most {largest:,} are expected."
    path.open("rb").close()
    return None


def readable(path: Path | str, largest: int | None = None, *, remedy: str = "") -> Path:
    """The path of a file that can be read and has at most `largest` bytes, with its user's folder for `~`.

    Raises SwitchtuneError where there is none, as `why_unreadable` says, with the sentence `remedy`.
    """
    if (problem := why_unreadable(path, largest)) is not None:
        name = str(path).encode(errors="backslashreplace").decode()
        raise SwitchtuneError(f"{name}: {problem} {remedy}".rstrip())
    return Path(os.path.expanduser(path))  # noqa: PTH111


def content_of(path: Path, largest: int = LARGEST, *, remedy: str = "") -> bytes:
    """What is in a file. Raises as `readable`."""
    return readable(path, largest, remedy=remedy).read_bytes()


def _not_found(path: Path) -> str:
    if not path.parent.is_dir():
        return f"not found; there is no folder {path.parent} either."
    entries = [entry.name for entry in path.parent.iterdir()]
    known = [name for name in entries if not name.startswith(".") or path.name.startswith(".")]
    if not known:
        return f"not found. The folder {path.parent} {'holds nothing but hidden files' if entries else 'is empty'}."
    hint = nearest(path.name, known)
    where = "this folder" if path.parent == Path() else path.parent
    return f"not found in {where}. {hint[0].upper()}{hint[1:]}"


def broken_link(path: Path) -> str | None:
    """What is wrong with a path that is a link, or leads through one, to nothing."""
    for part in (path, *path.parents):
        if os.path.islink(part) and not os.path.exists(part):  # noqa: PTH110, PTH114 — never raise, as Path's do
            told = "a link" if part == path else f"{part} is a link"
            if os.path.islink(os.path.realpath(part)):  # noqa: PTH114 — links that lead to each other
                return f"{told} that leads back to itself. Remove or correct it."
            return f"{told} to {part.readlink()}, which cannot be found. Correct the link."
    return None


@contextmanager
def naming(path: Path, *, written: Path | None = None) -> Iterator[None]:
    """Have a write that fails name `path`: of an open file the system does not know the name. `written` is another file
    that is written in its place.
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


def mark_folder(folder: Path, verb: str, made: Iterable[str] = ()) -> None:
    """Have a folder say which verb made it and, where it is made as a whole, the names of all files in it."""
    mark = folder / MARK
    mark.unlink(missing_ok=True)  # a link to somewhere else is not written through
    with naming(mark):
        text = "\n".join([f"switchtune {verb}".rstrip(), *made]) + "\n"
        mark.write_text(text, encoding="utf-8", newline="\n")


def require_own(path: Path, verb: str | None = None, *, remedy: str = "Give a new folder or an empty one.") -> None:
    """Have what is about to be replaced be an empty folder or one that `verb` made; None: any verb.

    Raises UsageError where it is anything else, with the sentence `remedy`.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: a file; a folder is written here, and would replace it. Give another name.")
    mark = path / MARK
    if not any(entry != mark for entry in path.iterdir()):
        return
    within = any((folder / MARK).is_file() for folder in path.parents)
    if verb is None and within:
        return
    made_by = _marked_by(path)
    if made_by is None and within:
        raise UsageError(
            f"{path}: would be replaced, and nothing in it says that switchtune made it; an earlier version may have. "
            "Move it away, and run the command again."
        )
    if made_by is None:
        raise UsageError(f"{path}: holds files that switchtune did not make. {remedy}")
    if verb is not None and made_by != f"switchtune {verb}":
        maker = f"`{made_by}`" if made_by != "switchtune" else "another command"
        raise UsageError(f"{path}: was made by {maker}, not by `switchtune {verb}`. {remedy}")
    if foreign := foreign_files(path):
        named = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise UsageError(
            f"{path}: holds {named}, which switchtune did not make, and would be replaced. Move that elsewhere, or "
            "give another folder."
        )


def _marked_by(folder: Path) -> str | None:
    """`switchtune VERB`, as the mark of a folder says."""
    mark = folder / MARK
    return content_of(mark, _LARGEST_NOTE).decode(errors="replace").split("\n")[0].strip() if mark.is_file() else None


def adopt_files(folder: Path) -> None:
    """Have the mark of a folder that was made as a whole list what is in it now."""
    mark_folder(folder, (_marked_by(folder) or "").removeprefix("switchtune").strip(), _files_in(folder))


def foreign_files(folder: Path) -> list[str]:
    """Files in a folder of switchtune's that it did not make; none where the mark does not say what it made."""
    if not (folder / MARK).is_file():
        return []
    _, *made = content_of(folder / MARK, _LARGEST_NOTE).decode(errors="replace").splitlines()
    return sorted(set(_files_in(folder)) - set(made)) if made else []


def _files_in(folder: Path) -> list[str]:
    """Names of the files below a folder, without those that desktops leave in any folder."""
    files = (file for file in folder.rglob("*") if not file.is_dir() and file.name not in {MARK, *_LEFT_BY_DESKTOPS})
    return sorted(file.relative_to(folder).as_posix() for file in files)


def is_own(path: Path, verb: str | None = None) -> bool:
    """Whether a folder is what `require_own` asks for."""
    try:
        require_own(path, verb)
    except SwitchtuneError:
        return False
    return True


_TEMPORARY = "temporary"
"""What the mark of a folder says, in place of a verb, in which something is made before it gets its name."""


@contextmanager
def atomic_path(path: Path, *, verb: str = "", force: bool = False, replaces: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it becomes `path`, otherwise it is removed.

    Works for a file or for a folder. A reader sees the old content or the new, never a part; of a folder that is
    replaced there is nothing to see for the moment between two renames, and what a process that was killed in that
    moment had there is brought back by the next. What killed processes left besides is cleared away. A link is itself
    replaced, and what it leads to stays.

    Args:
        verb: of the command line that makes the folder, where one does; a folder of another is not replaced.
        force: replace any folder.
        replaces: whether a file that appears while this one is made may be replaced.

    Raises UsageError where something that switchtune did not make is in the way, SwitchtuneError at a pipe or a device.
    """
    path = Path(os.path.realpath(path.parent), path.name) if path.is_symlink() else Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    recover(path)
    if path.exists() and (path.is_dir() or verb) and not (force and path.is_dir()):
        require_own(path, verb or None)
    around = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if os.path.lexists(around):
        raise UsageError(f"{around}: in the way of writing {path}, and switchtune did not make it. Move it elsewhere.")
    temporary = around / "made"
    if path.exists() and not (path.is_file() or path.is_dir() or path.is_symlink()):
        raise SwitchtuneError(f"{path}: {why_unreadable(path)}")
    try:
        with naming(path, written=around):
            around.mkdir()
            mark_folder(around, _TEMPORARY)
            yield temporary
            if temporary.is_dir():
                mark_folder(temporary, verb, _files_in(temporary))
                if os.path.lexists(path):
                    if not path.is_symlink() and not (force and path.is_dir()):
                        require_own(path, verb or None)  # again: somebody may have put something there meanwhile
                    path.replace(kept_name(path) if not force and foreign_files(path) else around / "replaced")
            else:
                put_on_disk(temporary)
            if replaces or temporary.is_dir():
                temporary.replace(path)
            else:
                try:
                    # Windows renames nothing onto a file that is there; elsewhere a link is what fails then.
                    temporary.rename(path) if sys.platform == "win32" else path.hardlink_to(temporary)
                except FileExistsError as error:
                    raise UsageError(
                        f"{path}: somebody wrote a file of this name in the meantime; it stays as it is. Give another "
                        "name."
                    ) from error
    finally:
        if around.is_dir():
            _undo(around, path)


def put_on_disk(path: Path) -> None:
    """Have what was written to a file be on the disk, where a failing machine leaves it."""
    with path.open("r+b" if sys.platform == "win32" else "rb") as stream:  # Windows wants it open for writing
        os.fsync(stream.fileno())


def kept_name(path: Path) -> Path:
    """A free name for what is replaced and holds something of somebody's, which is not lost with it."""
    return next(
        kept for n in itertools.count(1) if not os.path.lexists(kept := path.with_name(f"{path.name}.kept-{n}"))
    )


def recover(path: Path) -> None:
    """Bring back what a killed process was replacing, then clear away what killed processes left, by its mark."""
    for around in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = around.name[len(f".{path.name}.") : -len(".tmp")]
        if not process.isdecimal() or _in_use(int(process)) or around.is_symlink() or not around.is_dir():
            continue
        if _marked_by(around) == f"switchtune {_TEMPORARY}":
            _undo(around, path)


def _undo(around: Path, path: Path) -> None:
    """Remove the temporary folder of `path`, what was replaced being put back where nothing stands in its place."""
    replaced = around / "replaced"
    if os.path.lexists(replaced) and not os.path.lexists(path):
        replaced.replace(path)
    for inside in sorted(around.iterdir(), key=lambda entry: entry.name == MARK):  # what a kill leaves is still known
        remove(inside)
    around.rmdir()


def _in_use(process: int) -> bool:
    """Whether another process is at work: an earlier one may have had the number that this one has."""
    try:
        return process != os.getpid() and psutil.pid_exists(process)
    except OverflowError:  # no number of a process, and so no file of ours
        return True


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@overload
def read_json(path: Path, *, remedy: str = ...) -> Any: ...
@overload
def read_json(path: Path, kind: TypeAdapter[_T], *, remedy: str = ...) -> _T: ...
def read_json(
    path: Path, kind: TypeAdapter[Any] = _ANYTHING, *, remedy: str = "Remove the file to have it made again."
) -> Any:
    """What a JSON file holds, by `kind`; what else its objects hold is left out.

    Raises SwitchtuneError where it cannot be read or holds something else, with the sentence `remedy`.
    """
    return parse_json(content_of(path, remedy=remedy), kind, str(path), remedy=remedy)


def parse_json(content: str | bytes, kind: TypeAdapter[_T], origin: str, *, remedy: str) -> _T:
    """What `read_json` does with a file's content; `origin` names it in errors."""
    try:
        return kind.validate_json(content, strict=True)
    except ValidationError as error:
        raise SwitchtuneError(f"{origin}: {_json_problem(error)} {remedy}") from error


def _json_problem(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        return f"not valid JSON ({message.removeprefix('Invalid JSON: ')})."
    key = ".".join(map(str, first["loc"]))
    if key == "schema":
        return "written by another version of switchtune."
    more = f"; {1 + len(others):,} problems in all" if others else ""
    return f"{key + ': ' if key else ''}{message} (found {first['input']!r:.60}){more}."


def fingerprint(value: Any) -> str:
    """A short hash of anything that JSON can hold (mappings in any key order)."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def hash_file(path: Path) -> str:
    """A short hash of a file's bytes. Raises as `readable`."""
    digest = hashlib.sha256()
    with readable(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]
