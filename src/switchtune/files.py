"""What is read and where a command may write: files are read that end; an output is new, empty or its own, no input."""

import errno
import glob
import hashlib
import itertools
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from switchtune.errors import SwitchtuneError, UsageError, nearest

MARK = ".switchtune"
"""File in a folder that switchtune made: by which verb of the command line, if it was one."""


LARGEST = 1 << 28
"""In bytes, of a file that is read whole: the largest tokenizers, and the curves of a million updates, have less."""
_LARGEST_NOTE = 1 << 20
_LEFT_BY_DESKTOPS = (".DS_Store", "Thumbs.db", "desktop.ini")


def require_plain(path: Path, largest: int | None = None, *, remedy: str = "") -> None:
    """Have what a path leads to, through links too, be a file whose reading ends: no pipe, and no /dev/zero.

    Args:
        largest: its size in bytes at most; None for any.
        remedy: what to do where it is not, a sentence.

    Raises:
        SwitchtuneError: it is something else, or larger.
        OSError: there is nothing, or nothing that may be looked at.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise SwitchtuneError(f"{path}: {instead_of_file(path)} {remedy}".rstrip())
    if largest is not None and found.st_size > largest:
        raise SwitchtuneError(
            f"{path}: {found.st_size:,} bytes, where at most {largest:,} are expected. {remedy}".rstrip()
        )


def content_of(path: Path, largest: int = LARGEST, *, remedy: str = "") -> bytes:
    """What stands in a file, as `require_plain` asks for it.

    Raises:
        SwitchtuneError: it is no such file, or cannot be read.
    """
    try:
        require_plain(path, largest, remedy=remedy)
        return path.read_bytes()
    except OSError as error:
        unreadable = f"cannot be read ({error.strerror}); a file that you have the right to read is expected."
        raise SwitchtuneError(f"{path}: {broken_link(path) or unreadable}") from error


def instead_of_file(path: Path) -> str:
    """What there is where a file to read is expected, and what to do."""
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir())
        listing = ", ".join(names[:8]) + (", …" if len(names) > 8 else "") if names else "nothing"
        return f"a folder; a file is expected. It holds {listing}."
    if path.is_fifo():
        return "a pipe; a file is expected. Save it to one first."
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
        if os.path.islink(place) and not os.path.exists(place):  # noqa: PTH110, PTH114 — never raise, as Path's do
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


def mark_folder(folder: Path, verb: str, made: Iterable[str] = ()) -> None:
    """Have a folder say that it was made here.

    Args:
        made: names of all files in it, where it is made as a whole, so that another's are told from them later.
    """
    mark = folder / MARK
    mark.unlink(missing_ok=True)  # a link to somewhere else is not written through
    with naming(mark):
        mark.write_text("\n".join([f"switchtune {verb}".rstrip(), *made]) + "\n", encoding="utf-8")


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
    """`switchtune VERB`, as the mark of a folder says; None where there is no mark."""
    mark = folder / MARK
    return content_of(mark, _LARGEST_NOTE).decode(errors="replace").split("\n")[0].strip() if mark.is_file() else None


def adopt_files(folder: Path) -> None:
    """Have the mark of a folder list what is in it now: a file was added to what was made as a whole."""
    mark_folder(folder, (_marked_by(folder) or "").removeprefix("switchtune").strip(), _files_in(folder))


def foreign_files(folder: Path) -> list[str]:
    """Files in a folder of switchtune's that it did not make; none where the mark does not say what it made."""
    if not (folder / MARK).is_file():
        return []
    _, *made = content_of(folder / MARK, _LARGEST_NOTE).decode(errors="replace").splitlines()
    return sorted(set(_files_in(folder)) - set(made)) if made else []


def _files_in(folder: Path) -> list[str]:
    """Names of the files in a folder and those below it, without those that desktops leave in any folder."""
    files = (file for file in folder.rglob("*") if not file.is_dir() and file.name not in {MARK, *_LEFT_BY_DESKTOPS})
    return sorted(str(file.relative_to(folder)) for file in files)


def is_own(path: Path, verb: str | None = None) -> bool:
    """Whether a folder is one that switchtune made, by this verb where one is given, or an empty one."""
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
    """Check that a verb may write to a folder, before any work is done.

    Args:
        folder: new, empty, or one that the same verb made; with `force` any.
        replaces: whether the folder is replaced as a whole; one that is written into is made and marked at once.
        inputs: what the verb reads: files, folders, corpora by the names that stand for several files. None of it may
            be in the folder, nor the folder in it, whatever is forced.
        hosts: folders that the verb reads, and in which it may make folders.
        force: take a folder that something else is in; what is replaced there is lost.
        option: that names the folder on the command line; empty where none does.
        remedy: what to do where something else is in the folder, a sentence or more.

    Returns:
        Where it stands: that which a link leads to.

    Raises:
        UsageError: the folder holds something else, is an input, holds one or is in one, or cannot be written.
    """
    named = f"{option} {folder}".lstrip()
    place = Path(os.path.realpath(folder))
    if place.exists() and not place.is_dir():
        raise UsageError(f"{named}: a file; the name of a folder is expected.")
    if replaces and Path.cwd().is_relative_to(place):
        raise UsageError(f"{named}: this is the current folder, or holds it, and would be replaced. Give a new name.")
    _spare_inputs(place, named, inputs, hosts, own=bool(hosts) and is_own(place, verb))
    _require_writable(place, named)
    if place.exists() and not force:
        try:
            require_own(place, verb, remedy=remedy)
        except UsageError as error:
            raise UsageError(f"{option} {error}".lstrip()) from None
    if not replaces:
        place.mkdir(parents=True, exist_ok=True)
        mark_folder(place, verb)
    return place


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
    """Check that a verb may write to a file, before any work is done.

    Args:
        path: new, or what the same verb wrote; with `force` any file.
        inputs: as in `claim_folder`.
        hosts: folders that the verb reads, and in which it may make files.
        force: replace a file that is there.
        own: whether the file there was written by the verb, where its format tells.
        option: that names the file on the command line; empty where none does.
        remedy: what to do where something else is there, a sentence or more.

    Returns:
        Where it stands: that which a link leads to.

    Raises:
        UsageError: something else is there, it is an input or in one, or it cannot be written.
    """
    named = f"{option} {path}".lstrip()
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise UsageError(f"{named}: a folder; the name of a file is expected.")
    _spare_inputs(place, named, inputs, hosts, own=own)
    if place.exists():
        if not place.is_file():
            raise UsageError(f"{named}: not a regular file. Leave out --out to write to standard output.")
        if not force and not own:
            raise UsageError(f"{named}: the file already exists. {remedy}")
    _require_writable(place, named)
    return place


def claim_standard_output(inputs: Iterable[Path | str]) -> None:
    """Check that what goes to standard output is not added to an input, which would never end.

    Raises:
        UsageError: standard output is redirected to a file that is read.
    """
    written = os.fstat(1)
    for read in map(Path, inputs):
        if stat.S_ISREG(written.st_mode) and os.path.exists(read) and os.path.samestat(written, read.stat()):  # noqa: PTH110
            raise UsageError(f"{read}: standard output is redirected to this file, which is read. Write to another.")


def _spare_inputs(place: Path, named: str, inputs: Iterable[Path | str], hosts: Sequence[Path], *, own: bool) -> None:
    """Have an output be no input, hold none, and lie in none; in a host it may be new or the verb's own."""
    for given, may_hold in (*((each, False) for each in inputs), *((each, True) for each in hosts)):
        for read in _found(given):
            if place.exists() and read.exists() and place.samefile(read):
                raise UsageError(f"{named}: this is read, and would be lost. Give another name.")
            if read.is_relative_to(place):
                raise UsageError(
                    f"{named}: {given} is read from there, and might be replaced. Give another folder, or read a copy "
                    "that is elsewhere."
                )
            if place.is_relative_to(read) and not (may_hold and (own or not place.exists())):
                raise UsageError(f"{named}: lies in {given}, which is read and stays as it is. Give another place.")


def _found(given: Path | str) -> list[Path]:
    """What there is of an input: itself, or the files that `train.{de,en}`, `test.*.xz` or the prefix `train` mean."""
    # The methods of `Path` raise where a name is too long, or a user unknown; whoever reads it says so.
    name = os.path.expanduser(given)  # noqa: PTH111
    if os.path.exists(name):  # noqa: PTH110
        return [Path(os.path.realpath(name))]
    before, brace, rest = name.partition("{")
    inside, _, after = rest.partition("}")
    names = [f"{before}{part}{after}" for part in inside.split(",")] if brace else [name]
    patterns = [glob.escape(each).replace("[*]", "*") for each in names]
    found = [path for pattern in patterns for ending in ("", ".*") for path in glob.glob(pattern + ending)]  # noqa: PTH207
    return [Path(os.path.realpath(path)) for path in found]


def _require_writable(place: Path, named: str) -> None:
    """Have the first folder that is there, of those above a place and itself, be one that can be written to."""
    if broken := broken_link(place):
        raise UsageError(f"{named}: {broken}")
    there = next(each for each in (place, *place.parents) if each.exists())
    there = there.parent if place.is_file() else there
    if not there.is_dir():
        raise UsageError(f"{named}: {there} is a file, not a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(
            f"{named}: no permission to write in {there}. Choose another place, or change its permissions."
        )


_TEMPORARY = "temporary"
"""What the mark of a folder says, in place of a verb, in which something is made before it gets its name."""
_REPLACED = "replaced"
"""In such a folder, what stood where the new one is about to."""


@contextmanager
def atomic_path(path: Path, *, verb: str = "", force: bool = False, replaces: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it becomes `path`, otherwise it is removed.

    Works for a file or for a folder. A reader sees the old content or the new, never a part; of a folder that is
    replaced there is nothing to see for the moment between two renames, and what a process that was killed in that
    moment had there is brought back by the next. What killed processes left besides is cleared away. A link is itself
    replaced, and what it leads to stays; the verbs follow a link that is their output (`claim_file`, `claim_folder`).

    Args:
        verb: of the command line that makes the folder, where one does; a folder of another is not replaced.
        force: replace any folder.
        replaces: whether a file that appears while this one is made may be replaced.

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
    temporary, replaced = around / "made", around / _REPLACED
    if path.exists() and not path.is_dir() and not path.is_symlink():
        require_plain(path)
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
                    path.replace(_kept(path) if not force and foreign_files(path) else replaced)
            else:
                with temporary.open("rb") as stream:
                    os.fsync(stream.fileno())
            if replaces or temporary.is_dir():
                temporary.replace(path)
            else:
                _put_in_place(temporary, path)
    finally:
        if around.is_dir():
            _undo(around, path)


def _kept(path: Path) -> Path:
    """A name for a folder that is replaced and holds files of somebody's, which are not lost with it."""
    return next(
        kept for n in itertools.count(1) if not os.path.lexists(kept := path.with_name(f"{path.name}.kept-{n}"))
    )


def _put_in_place(temporary: Path, path: Path) -> None:
    """Give a new file its name, unless somebody else has it by now."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError as error:
        raise UsageError(
            f"{path}: somebody wrote a file of this name meanwhile, which stays as it is. Give another name."
        ) from error


def recover(path: Path) -> None:
    """Bring back what a process was replacing when it was killed, then clear away what killed processes left.

    Nothing but what bears the mark of a temporary folder is taken for theirs.
    """
    for around in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        process = around.name[len(f".{path.name}.") : -len(".tmp")]
        if process.isdecimal() and not _in_use(int(process)) and not around.is_symlink() and _is_temporary(around):
            _undo(around, path)


def _is_temporary(around: Path) -> bool:
    return around.is_dir() and _marked_by(around) == f"switchtune {_TEMPORARY}"


def _undo(around: Path, path: Path) -> None:
    """Remove the temporary folder of `path`, what was replaced being put back where nothing stands in its place."""
    replaced = around / _REPLACED
    if os.path.lexists(replaced) and not os.path.lexists(path):
        replaced.replace(path)
    for inside in around.iterdir():
        if inside.name != MARK:  # it goes last: what a kill leaves is still known
            remove(inside)
    remove(around)


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
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path, *, remedy: str = "Remove the file to have it made again.") -> Any:
    """The content of a JSON file.

    Args:
        remedy: what to do where it cannot be read, a sentence.

    Raises:
        SwitchtuneError: the file cannot be read, or is not valid JSON.
    """
    content = content_of(path, remedy=remedy)
    try:
        return json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise SwitchtuneError(f"{path}: not valid JSON ({error}). {remedy}") from error


def fingerprint(value: Any) -> str:
    """A short hash of anything that JSON can hold (mappings in any key order)."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def hash_file(path: Path) -> str:
    """A short hash of a file's bytes.

    Raises:
        SwitchtuneError: it is a folder, pipe or device.
    """
    require_plain(path)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def loaded_files(folder: Path) -> list[Path]:
    """The files of a model's folder that decide what it is; others may come and go beside them."""
    return sorted(file for file in folder.iterdir() if file.suffix in {".json", ".safetensors", ".model", ".bin"})


def content_hash(path: Path) -> str | None:
    """A short hash of a file, or of what is loaded of a model's folder; None where nothing is.

    How a model is searched (`generation_config.json`) may change after it was made, and counts for nothing.
    """
    if not path.is_dir():
        return hash_file(path) if path.exists() else None
    files = (file for file in loaded_files(path) if file.name != "generation_config.json")
    return fingerprint({file.name: hash_file(file) for file in files})
