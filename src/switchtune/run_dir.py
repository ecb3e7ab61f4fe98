"""What a command may write to, and one run's folder: fingerprints of inputs, and the markers of finished steps."""

import glob
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import (
    MARK,
    broken_link,
    file_and_part,
    fingerprint,
    hash_file,
    is_own,
    mark_folder,
    read_json,
    readable,
    recover,
    require_own,
    write_json,
)


def claim_folder(
    folder: Path,
    verb: str,
    *,
    replaces: bool = False,
    inputs: Iterable[Path | str] = (),
    hosts: Sequence[Path] = (),
    force: bool = False,
    option: str = "--out",
    remedy: str = "Give a new folder or an empty one. --force uses this one; replaced files are lost.",
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

    Raises UsageError where the folder is none of these or cannot be written.
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
    """Check that a verb may write to a file, as `claim_folder` does for a folder; `own`: the verb wrote it."""
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


def claim_standard_output(inputs: Iterable[Path | str]) -> None:
    """Raise UsageError where standard output is redirected to a file that is read, which would never end."""
    written = os.fstat(1)
    for read in map(Path, inputs):
        if stat.S_ISREG(written.st_mode) and os.path.exists(read) and os.path.samestat(written, read.stat()):  # noqa: PTH110
            raise UsageError(f"{read}: standard output is redirected to this file, which is read. Write to another.")


def _spare_inputs(output: Path, named: str, inputs: Iterable[Path | str], hosts: Sequence[Path], *, own: bool) -> None:
    """Have an output be no input, hold none, and lie in none; in a host it may be new or the verb's own."""
    for name, may_hold in (*((each, False) for each in inputs), *((each, True) for each in hosts)):
        for read in files_of(name):
            if output.exists() and read.exists() and output.samefile(read):
                raise UsageError(f"{named}: this is read, and would be lost. Give another name.")
            if read.is_relative_to(output):
                raise UsageError(
                    f"{named}: {name} is read from there, and might be replaced. Give another folder, or read a copy "
                    "that is elsewhere."
                )
            if output.is_relative_to(read) and not (may_hold and (own or not output.exists())):
                raise UsageError(f"{named}: lies in {name}, which is read and stays as it is. Give another place.")


def files_of(name: Path | str) -> list[Path]:
    """What there is of an input: itself, or the files that `train.{de,en}`, `test.*.xz` or the prefix `train` mean."""
    # The methods of `Path` raise where a name is too long, or a user unknown; whoever reads it says so.
    name = file_and_part(os.path.expanduser(name))[0]  # noqa: PTH111
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


class RunLockedError(SwitchtuneError):
    """Another process is working in the same folder."""


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON with a seal, by which it is noticed that somebody has changed it since."""
    write_json(path, {**content, "seal": fingerprint(content)})


def edit_warning(path: Path, verb: str) -> str | None:
    """What people are to know of a file of `write_sealed` that was changed since `verb` wrote it; None where it was
    not.

    A file without a seal is one of an earlier version: nobody can tell.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "seal" not in content or is_sealed(content):
        return None
    return (
        f"{path}: has been changed since it was written; its figures are those there now, not those that "
        f"were measured. The same `switchtune {verb}`, run again, writes it anew."
    )


def is_sealed(content: Mapping[str, Any]) -> bool:
    """Whether an object of `write_sealed` is as it was written."""
    return content.get("seal") == fingerprint({name: value for name, value in content.items() if name != "seal"})


def free_name(path: Path) -> Path:
    """A name for what is moved aside that nothing has yet."""
    while os.path.lexists(path):
        path = path.with_name(f"{path.name}-again")
    return path


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


_MARKER_REMEDY = "Remove the file to have its step done again."


@dataclass(frozen=True)
class RunDir:
    """A folder whose steps leave a marker when they are done.

    A marker holds the fingerprint of the step's inputs, what it reported, and hashes of what it made. A step whose
    marker bears the same fingerprint is skipped on the next run. A marker that was damaged raises SwitchtuneError.
    """

    path: Path
    tell: Callable[[str], None] = lambda message: None
    """Listener for messages about results that changed after they were made."""
    keep_changed: bool = False
    """Whether such results are used as they are; otherwise they are moved aside and made again."""

    def marker(self, step: str) -> Path:
        """Where the marker of `step` stands."""
        return self.path / "steps" / f"{step}.json"

    def content(self, step: str) -> dict[str, Any] | None:
        """What the marker of a step holds, that of an earlier version without `made`."""
        marker = self.marker(step)
        if not marker.exists():
            return None
        content = read_json(marker, remedy=_MARKER_REMEDY)
        if not isinstance(content, dict) or (set(content) != {"inputs", "result"} and not is_sealed(content)):
            raise SwitchtuneError(f"{marker}: not what was written here; it was damaged or edited. {_MARKER_REMEDY}")
        return content

    def result(self, step: str, inputs: Mapping[str, Any], *, made: Sequence[Path] = ()) -> Any | None:
        """What the finished step reported.

        None where it is not done, was done with other inputs, or something of what it `made` is gone or, unless it is
        to be kept, has changed since: that is moved aside.
        """
        for path in made:
            recover(path)
        content = self.content(step) if all(path.exists() for path in made) else None
        if content is None or content["inputs"] != fingerprint(inputs):
            return None
        if "made" not in content:
            return content["result"]
        hashes = {path: content_hash(path) for path in made}
        changed = [path for path, now in hashes.items() if content["made"].get(self._name(path)) != now]
        if changed and not self.keep_changed:
            for path in changed:
                aside = free_name(path.with_name(f"{path.name}.changed-{hashes[path]}"))
                path.replace(aside)
                self.tell(
                    f"{path}: has changed since it was made, and is made again; the earlier version is now {aside}"
                )
            return None
        for path in changed:
            self.tell(f"{path}: has changed since it was made; used as it is")
        return content["result"]

    def changed_files(self) -> Iterator[Path]:
        """Files, models aside, that a finished step made and that have changed since."""
        for marker in sorted((self.path / "steps").glob("*.json")):
            content = {} if marker.name.endswith(".begun.json") else self.content(marker.stem) or {}
            for name, hashed in content.get("made", {}).items():
                path = self.path / name
                if path.is_file() and content_hash(path) != hashed:
                    yield path

    def finish(self, step: str, inputs: Mapping[str, Any], result: Any, *, made: Sequence[Path] = ()) -> None:
        """Mark `step` as done with these inputs. `result` is any JSON value but null; `made` is as in `result`."""
        hashes = {self._name(path): content_hash(path) for path in made}
        write_sealed(self.marker(step), {"inputs": fingerprint(inputs), "result": result, "made": hashes})

    @staticmethod
    def _require_no_link(folder: Path) -> None:
        """Have nothing be written, moved or removed through a link in a run's folder."""
        links: list[Path] = []
        for path in (folder, *folder.parents):
            if (path / MARK).is_file():
                if links:
                    raise SwitchtuneError(f"{links[0]}: a link, where a folder of a run is expected. Move it away.")
                return
            if path.is_symlink():
                links.append(path)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def begin(self, step: str, inputs: Mapping[str, Any], folder: Path, *, made: Sequence[Path] = ()) -> Path | None:
        """Prepare `folder` for `step`: keep what an interrupted attempt with the same inputs left.

        What was made with other inputs is moved aside, with what the step `made` elsewhere; returned is where to.
        """
        self._require_no_link(folder)
        begun = self.path / "steps" / f"{step}.begun.json"
        mark = fingerprint(inputs)
        former = read_json(begun) if begun.exists() else None
        if not re.fullmatch(r"[0-9a-f]{16}", str(former)):
            former = None
        aside = None
        if former != mark:
            self.marker(step).unlink(missing_ok=True)
            for path in made:
                if path.exists():
                    folder.mkdir(parents=True, exist_ok=True)
                    path.replace(folder / path.name)
            if folder.exists() and any(folder.iterdir()):
                aside = free_name(folder.with_name(f"{folder.name}.replaced-{former or 'unknown'}"))
                folder.replace(aside)
            write_json(begun, mark)
        folder.mkdir(parents=True, exist_ok=True)
        return aside

    @contextmanager
    def lock(self, name: str = "run", *, patience_seconds: float = 30.0) -> Iterator[None]:
        """Hold the folder for this process; the system lets go of it when the process dies, however it dies.

        Raises RunLockedError where another process still holds it after `patience_seconds`.
        """
        self._require_no_link(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        path, deadline = self.path / f".{name}.lock", time.monotonic() + patience_seconds
        while (stream := _locked(path)) is None:
            if time.monotonic() > deadline:
                raise RunLockedError(
                    f"{self.path}: another process is working in this folder ({name}). "
                    "Wait for it, stop it, or give another --out."
                )
            time.sleep(0.2)
        own = False
        try:
            with stream:
                try:
                    yield
                finally:
                    own = not os.fstat(stream.fileno()).st_size  # else it is somebody's
                    if own and sys.platform != "win32":
                        path.unlink(missing_ok=True)
        finally:
            if own and sys.platform == "win32":  # which removes no file that is open
                with suppress(OSError):
                    path.unlink()


if sys.platform == "win32":
    import msvcrt

    _HELD = (PermissionError,)

    def _take(stream: BinaryIO) -> None:
        """Lock an open file, by its first byte, until it is closed; raises what `_HELD` says where another has."""
        os.lseek(stream.fileno(), 0, os.SEEK_SET)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    _HELD = (BlockingIOError,)

    def _take(stream: BinaryIO) -> None:
        """Lock an open file until it is closed; raises what `_HELD` says where another process has."""
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _locked(path: Path) -> BinaryIO | None:
    """The file, locked until it is closed; None where another process has locked it."""
    if path.is_symlink():
        raise SwitchtuneError(f"{path}: a link, where a file that nobody else needs is expected. Remove it.")
    if path.exists():
        readable(path, remedy="Remove it.")
    stream = path.open("ab")
    try:
        _take(stream)
        if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return stream
    except (*_HELD, FileNotFoundError):  # the latter where who had it has just removed it
        pass
    stream.close()
    return None
