"""One run's folder: atomic writes, fingerprints of inputs, and the markers of finished steps."""

import fcntl
import glob
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchtune.errors import SwitchtuneError


class RunLockedError(SwitchtuneError):
    """Another process is working in the same folder."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path`; when the block ends well it becomes `path`, otherwise it is removed.

    Works for a file or for a folder. A reader sees the old content or the new, never a part; of a folder that is
    replaced there is nothing to see for the moment between two renames. What killed processes left is cleared away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        if not _alive(left.name.rsplit(".", 2)[1]):
            _remove(left)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    replaced = path.with_name(f".{path.name}.replaced.{os.getpid()}.tmp")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            if path.exists():
                path.replace(replaced)
        else:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        _remove(temporary)
        _remove(replaced)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
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
        remedy: what to do where it is damaged.

    Raises:
        SwitchtuneError: the file is not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SwitchtuneError(f"{path}: not valid JSON ({error}). {remedy}") from error


def fingerprint(value: Any) -> str:
    """A short hash of anything that JSON can hold (mappings in any key order)."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def hash_file(path: Path) -> str:
    """A short hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class RunDir:
    """A folder whose steps leave a marker when they are done.

    A step is named; its marker holds the fingerprint of its inputs and what it reported. A step whose marker bears
    the same fingerprint is skipped on the next run; another fingerprint means that its inputs changed.
    """

    path: Path

    def marker(self, step: str) -> Path:
        """Where the marker of `step` stands."""
        return self.path / "steps" / f"{step}.json"

    def result(self, step: str, inputs: Mapping[str, Any], *, made: Sequence[Path] = ()) -> Any | None:
        """What the finished step reported.

        None where it is not done, was done with other inputs, or something of what it `made` is gone.
        """
        marker = self.marker(step)
        if not marker.exists() or not all(path.exists() for path in made):
            return None
        content = read_json(marker)
        return content["result"] if content["inputs"] == fingerprint(inputs) else None

    def finish(self, step: str, inputs: Mapping[str, Any], result: Any) -> None:
        """Mark `step` as done with these inputs. `result` is any JSON value but null."""
        write_json(self.marker(step), {"inputs": fingerprint(inputs), "result": result})

    def begin(self, step: str, inputs: Mapping[str, Any], folder: Path, *, made: Sequence[Path] = ()) -> Path | None:
        """Prepare `folder` for `step`: keep what an interrupted attempt with the same inputs left.

        What was made with other inputs is not lost: the folder is moved aside, with what the step `made` elsewhere.

        Returns:
            Where that was moved to, or None where there was nothing of the kind.
        """
        begun = self.path / "steps" / f"{step}.begun.json"
        mark = fingerprint(inputs)
        former = read_json(begun) if begun.exists() else None
        aside = None
        if former != mark:
            self.marker(step).unlink(missing_ok=True)
            for path in made:
                if path.exists():
                    folder.mkdir(parents=True, exist_ok=True)
                    path.replace(folder / path.name)
            if folder.exists() and any(folder.iterdir()):
                aside = folder.with_name(f"{folder.name}.replaced-{former or 'unknown'}")
                _remove(aside)
                folder.replace(aside)
            write_json(begun, mark)
        folder.mkdir(parents=True, exist_ok=True)
        return aside

    @contextmanager
    def lock(self, name: str = "run", *, patience_seconds: float = 30.0) -> Iterator[None]:
        """Hold the folder for this process; the system lets go of it when the process dies, however it dies.

        Raises:
            RunLockedError: another process still held it after `patience_seconds`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + patience_seconds
        with (self.path / f".{name}.lock").open("w") as stream:
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise RunLockedError(
                            f"{self.path}: another process is working in this folder ({name}). "
                            "Wait for it, stop it, or give another --out."
                        ) from error
                    time.sleep(0.2)
            yield
