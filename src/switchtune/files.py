"""What is read and where a command may write: files are read that end; an output is new, empty or its own, no input."""

import errno
import glob
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from switchtune.errors import SwitchtuneError, UsageError, nearest

_T = TypeVar("_T")
_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)

MARK = ".switchtune"
"""File in a folder that switchtune made: by which verb of the command line, if it was one."""


LARGEST = 1 << 28
"""In bytes, of a file that is read whole: the largest tokenizers, and the curves of a million updates, have less."""


def why_unreadable(path: Path | str, largest: int | None = None) -> str | None:
    """What is wrong with a path that leads, through links too, to no file that can be read and whose reading ends.

    A pipe is no such file, nor is /dev/zero, nor one of more than `largest` bytes.
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111 — `Path.expanduser` raises for an unknown user
    try:
        str(path).encode()
        return _instead_of_file(path, largest)
    except PermissionError:
        return "no permission to read it. Ask its owner, or change it: chmod u+r, of its folder chmod u+rx."
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
    """The path of a file that can be read, with its user's folder for `~`.

    Args:
        largest: its size in bytes at most; None for any.
        remedy: what to do where there is none, a sentence.

    Raises:
        SwitchtuneError: there is none, as `why_unreadable` says.
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
    return f"not found in {path.parent}. {hint[0].upper()}{hint[1:]}"


def broken_link(path: Path) -> str | None:
    """What is wrong with a path that is a link, or leads through one, to nothing; None where nothing is."""
    for part in (path, *path.parents):
        if os.path.islink(part) and not os.path.exists(part):  # noqa: PTH110, PTH114 — never raise, as Path's do
            told = "a link" if part == path else f"{part} is a link"
            if os.path.islink(os.path.realpath(part)):  # noqa: PTH114 — links that lead to each other
                return f"{told} that leads back to itself. Remove it or mend it."
            return f"{told} to {part.readlink()}, which cannot be found. Mend the link."
    return None


@contextmanager
def naming(path: Path, *, written: Path | None = None) -> Iterator[None]:
    """Have a write that fails name its file: of an open file the system does not know the name.

    `written` is what is written in place of `path`, where that is another file.
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


def require_own(path: Path, verb: str | None = None, *, remedy: str = "Give a new folder or an empty one.") -> None:
    """Have what is about to be replaced be a folder that switchtune made, or an empty one.

    Args:
        verb: which made it; None for any, and for folders within one that switchtune made.
        remedy: what to do where it is a folder of others, a sentence.

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
    made_by = content_of(mark, 1 << 20).decode(errors="replace").strip() if mark.is_file() else None
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


def is_own(path: Path, verb: str | None = None) -> bool:
    """Whether a folder is what `require_own` asks for."""
    try:
        require_own(path, verb)
    except SwitchtuneError:
        return False
    return True


def claim_folder(
    folder: Path,
    verb: str,
    *,
    replaces: bool = False,
    inputs: Iterable[Path | str] = (),
    hosts: Sequence[Path] = (),
    force: bool = False,
    option: str = "--out",
    remedy: str = "Give a new folder or an empty one. --force takes this one; what is replaced there is lost.",
) -> Path:
    """Check that a verb may write to a folder, before any work is done; the folder that its name, or a link, leads to.

    Args:
        folder: new, empty, or one that the same verb made; with `force` any, and what is replaced there is lost.
        replaces: whether the folder is replaced as a whole; one that is written into is made and marked at once.
        inputs: what the verb reads: files, folders, corpora by the names that stand for several files. None of it may
            be in the folder, nor the folder in it, whatever is forced.
        hosts: folders that the verb reads, and in which it may make folders and files.
        option: that names the folder on the command line; empty where none does.
        remedy: what to do where something else is in the folder, a sentence or more.

    Raises:
        UsageError: the folder holds something else, is an input, holds one or is in one, or cannot be written.
    """
    named = f"{option} {folder}".lstrip()
    output = Path(os.path.realpath(folder))
    if output.exists() and not output.is_dir():
        raise UsageError(f"{named}: a file; the name of a folder is expected.")
    if replaces and Path.cwd().is_relative_to(output):
        raise UsageError(f"{named}: this is the current folder, or holds it, and would be replaced. Give a new name.")
    _spare_inputs(output, named, inputs, hosts, own=bool(hosts) and is_own(output, verb))
    _require_writable(output, named)
    if output.exists() and not force:
        try:
            require_own(output, verb, remedy=remedy)
        except UsageError as error:
            raise UsageError(f"{option} {error}".lstrip()) from None
    if not replaces:
        output.mkdir(parents=True, exist_ok=True)
        mark_folder(output, verb)
    return output


def claim_file(
    path: Path,
    *,
    inputs: Iterable[Path | str] = (),
    hosts: Sequence[Path] = (),
    force: bool = False,
    own: bool = False,
    option: str = "--out",
    remedy: str = "Give another name, or --force to replace it.",
) -> Path:
    """Check that a verb may write to a file, before any work is done, as `claim_folder` does for a folder.

    Args:
        own: whether the file that is there was written by the verb, where its format tells.

    Raises:
        UsageError: something else is there, it is an input or in one, or it cannot be written.
    """
    named = f"{option} {path}".lstrip()
    output = Path(os.path.realpath(path))
    if output.is_dir():
        raise UsageError(f"{named}: a folder; the name of a file is expected.")
    _spare_inputs(output, named, inputs, hosts, own=own)
    if output.exists():
        if not output.is_file():
            raise UsageError(f"{named}: not a regular file. Leave out --out to write to standard output.")
        if not force and not own:
            raise UsageError(f"{named}: the file already exists. {remedy}")
    _require_writable(output, named)
    return output


def _spare_inputs(output: Path, named: str, inputs: Iterable[Path | str], hosts: Sequence[Path], *, own: bool) -> None:
    """Have an output be no input, hold none, and lie in none; in a host it may be new or the verb's own."""
    for name, may_hold in (*((each, False) for each in inputs), *((each, True) for each in hosts)):
        for read in _files_of(name):
            if output.exists() and read.exists() and output.samefile(read):
                raise UsageError(f"{named}: this is read, and would be lost. Give another name.")
            if read.is_relative_to(output):
                raise UsageError(
                    f"{named}: {name} is read from there, and might be replaced. Give another folder, or read a copy "
                    "that is elsewhere."
                )
            if output.is_relative_to(read) and not (may_hold and (own or not output.exists())):
                raise UsageError(f"{named}: lies in {name}, which is read and stays as it is. Give another place.")


def _files_of(name: Path | str) -> list[Path]:
    """What there is of an input: itself, or the files that `train.{de,en}`, `test.*.xz` or the prefix `train` mean."""
    # The methods of `Path` raise where a name is too long, or a user unknown; whoever reads it says so.
    name = os.path.expanduser(name)  # noqa: PTH111
    if os.path.exists(name):  # noqa: PTH110
        return [Path(os.path.realpath(name))]
    before, brace, rest = name.partition("{")
    inside, _, after = rest.partition("}")
    names = [f"{before}{part}{after}" for part in inside.split(",")] if brace else [name]
    patterns = [glob.escape(each).replace("[*]", "*") for each in names]
    files = [path for pattern in patterns for ending in ("", ".*") for path in glob.glob(pattern + ending)]  # noqa: PTH207
    return [Path(os.path.realpath(path)) for path in files]


def _require_writable(output: Path, named: str) -> None:
    """Have the first folder that is there, of those above an output and itself, be one that can be written to."""
    if broken := broken_link(output):
        raise UsageError(f"{named}: {broken}")
    existing = next(each for each in (output, *output.parents) if each.exists())
    folder = existing.parent if output.is_file() else existing
    if not folder.is_dir():
        raise UsageError(f"{named}: {folder} is a file, not a folder.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"{named}: no permission to write in {folder}. Choose another place, or change its permissions."
        )


_TEMPORARY = "temporary"
"""What the mark of a folder says, in place of a verb, in which something is made before it gets its name."""


@contextmanager
def atomic_path(path: Path, *, verb: str = "", force: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it becomes `path`, otherwise it is removed.

    Works for a file or for a folder. A reader sees the old content or the new, never a part; of a folder that is
    replaced there is nothing to see for the moment between two renames, and what a process that was killed in that
    moment had there is brought back by the next. What killed processes left besides is cleared away. A link is itself
    replaced, and what it leads to stays.

    Args:
        verb: of the command line that makes the folder, where one does; a folder of another is not replaced.
        force: replace any folder.

    Raises:
        UsageError: something is in the way that switchtune did not make: a folder, or a file where a folder is made,
            or whatever has the name that is needed for a moment beside `path`.
        SwitchtuneError: a pipe or a device.
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
                mark_folder(temporary, verb)
                if os.path.lexists(path):
                    if not path.is_dir() and not path.is_symlink():
                        require_own(path)
                    path.replace(around / "replaced")
            else:
                with temporary.open("rb") as stream:
                    os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        if around.is_dir():
            _undo(around, path)


def recover(path: Path) -> None:
    """Bring back what a process was replacing when it was killed, then clear away what killed processes left.

    Nothing but what bears the mark of a temporary folder is taken for theirs.
    """
    for around in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = around.name[len(f".{path.name}.") : -len(".tmp")]
        if process.isdecimal() and not _in_use(int(process)) and not around.is_symlink() and is_own(around, _TEMPORARY):
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
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OverflowError, PermissionError):
        return True
    return process != os.getpid()


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@overload
def read_json(path: Path, *, remedy: str = ...) -> Any: ...
@overload
def read_json(path: Path, kind: TypeAdapter[_T], *, remedy: str = ...) -> _T: ...
def read_json(
    path: Path, kind: TypeAdapter[Any] = _ANYTHING, *, remedy: str = "Remove the file to have it made again."
) -> Any:
    """The content of a JSON file.

    Args:
        kind: what it is to hold; what else its objects hold is left out.
        remedy: what to do where it cannot be read, a sentence.

    Raises:
        SwitchtuneError: the file cannot be read, is not valid JSON, or not of this kind.
    """
    return parse_json(content_of(path, remedy=remedy), kind, str(path), remedy=remedy)


def parse_json(content: str | bytes, kind: TypeAdapter[_T], origin: str, *, remedy: str) -> _T:
    """What `read_json` does with a file's content; `origin` names it in errors.

    Raises:
        SwitchtuneError: it is not valid JSON, or not of this kind.
    """
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
