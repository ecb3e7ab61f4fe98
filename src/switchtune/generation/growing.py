"""A text file that is written line by line, and gone on with where its writing was stopped."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import content_of, naming, recover
from switchtune.run_dir import RunDir, RunLockedError, is_sealed, write_sealed

_BLOCK = 1 << 20


@dataclass(frozen=True)
class _Note:
    """What is known of a file that is not finished; written before the lines that it announces are."""

    made_of: str
    lines: int
    """How many lines stand."""
    bytes: int
    sha256: str
    """Of those bytes."""
    announced: Sequence[str]
    """Lines that are being added."""


class GrowingFile:
    """A text file that is written line by line, and gone on with where its writing was stopped.

    While it is not finished, a hidden note beside it says what stands in it and what is being added. So whenever the
    process is killed, what it left is told from what others changed, and is completed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = Path(os.path.realpath(path))
        self._note = self._place.with_name(f".{self._place.name}.unfinished")
        self._made_of, self._replaces = "", False
        self._lines, self._bytes, self._digest = 0, 0, hashlib.sha256()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Have the file for this process alone; raises RunLockedError where another has it."""
        with ExitStack() as stack:
            try:
                stack.enter_context(RunDir(self._place.parent).lock(self._place.name, patience_seconds=0))
            except RunLockedError as error:
                message = "another process is writing this file. Wait for it, stop it, or give another name."
                raise RunLockedError(f"--out {self.path}: {message}") from error
            yield

    @property
    def is_unfinished(self) -> bool:
        """Whether its writing was begun and not ended."""
        return self._noted() is not None and self._place.exists()

    def _noted(self) -> _Note | None:
        if not os.path.lexists(self._note):
            return None
        try:
            content = json.loads(content_of(self._note))
            if not isinstance(content, dict) or not is_sealed(content):
                raise ValueError("no seal, or changed since")
            return TypeAdapter(_Note).validate_python({name: content[name] for name in content.keys() - {"seal"}})
        except (SwitchtuneError, ValueError) as error:
            raise UsageError(
                f"{self._note}: while {self.path} is not finished, switchtune keeps a note under this name, and what "
                "is there is none that it wrote. Move it elsewhere, or give another --out."
            ) from error

    def begin(self, made_of: str, *, resume: bool) -> int:
        """Prepare for lines to be added; how many lines stand.

        `made_of` is a fingerprint of all that decides what its lines are. `resume` goes on where its writing was
        stopped
        and raises UsageError where that is not to be done; else what is there is replaced when the first lines come.
        """
        self._made_of, self._replaces = made_of, os.path.lexists(self._place)
        note = self._noted() if resume else None
        if note is None or not self._place.exists():
            return 0
        if note.made_of != made_of:
            raise UsageError(
                f"--resume: what stands in {self.path} was made of another text, by another model or with other "
                "options. Give the same ones, or --force in place of --resume to begin anew."
            )
        announced = _encoded(note.announced)
        with self._place.open("rb") as stream:
            while block := stream.read(min(note.bytes - stream.tell(), _BLOCK)):
                self._digest.update(block)
            added = stream.read(len(announced) + 1)
        if self._digest.hexdigest() != note.sha256 or not announced.startswith(added):
            raise UsageError(
                f"--resume: {self.path} was changed since it was written, by hand or by another program. Undo that, "
                "or --force in place of --resume to begin anew: what is there is then lost."
            )
        self._lines, self._bytes = note.lines, note.bytes
        self._add(note.announced, already=len(added))
        return self._lines

    def append(self, lines: Sequence[str]) -> None:
        """Add lines, which are on the disk when this returns."""
        if not self._bytes:
            if os.path.lexists(self._place) and not self._replaces:
                raise UsageError(
                    f"--out {self.path}: somebody wrote this file meanwhile; it stays as it is. Give another name."
                )
            self._place.unlink(missing_ok=True)  # before the note, which is not to vouch for what was there
        with naming(self.path, written=self._note):
            note = _Note(self._made_of, self._lines, self._bytes, self._digest.hexdigest(), lines)
            write_sealed(self._note, asdict(note))
        self._add(lines)

    def _add(self, lines: Sequence[str], already: int = 0) -> None:
        """Add lines, of which so many bytes stand already."""
        text = _encoded(lines)
        with naming(self.path, written=self._place), self._place.open("ab") as stream:
            stream.write(text[already:])
            stream.flush()
            os.fsync(stream.fileno())
        self._lines, self._bytes = self._lines + len(lines), self._bytes + len(text)
        self._digest.update(text)

    def finish(self) -> None:
        if not self._lines:
            self.append([])
        recover(self._note)
        self._note.unlink()


def _encoded(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
