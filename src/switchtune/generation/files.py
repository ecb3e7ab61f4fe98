"""A text that is translated line by line, onto a stream or into a file that is gone on with where it was stopped."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter

from switchtune.config.training import Engine, GenerationSettings
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import content_of, fingerprint, hash_file, naming, recover
from switchtune.generation import translate, windows
from switchtune.generation.by_ct2 import Converted
from switchtune.generation.constraints import Forms
from switchtune.generation.export import is_exported, open_model, warn_of_direction
from switchtune.generation.keeping import Keeper, require_fitting_terms
from switchtune.models.load import Loaded, load_model, model_fingerprint
from switchtune.run_dir import RunDir, RunLockedError, claim_file, is_sealed, write_sealed
from switchtune.switching.preview import read_text
from switchtune.training.distributed import launched, on_first, rank, size

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
            return TypeAdapter(_Note).validate_python(content)
        except (SwitchtuneError, ValueError) as error:
            raise UsageError(
                f"{self._note}: while {self.path} is not finished, switchtune keeps a note under this name, and what "
                "is there was not written by it. Move it elsewhere, or give another --out."
            ) from error

    def begin(self, made_of: str, *, resume: bool) -> int:
        """Prepare for lines to be added; how many lines stand.

        `made_of` is a fingerprint of all that decides what its lines are. `resume` goes on where its writing was
        stopped and raises UsageError where that is not to be done; else what is there is replaced when the first lines
        come.
        """
        self._made_of, self._replaces = made_of, os.path.lexists(self._place)
        note = self._noted() if resume else None
        if note is None or not self._place.exists():
            return 0
        if note.made_of != made_of:
            raise UsageError(
                f"--resume: the content of {self.path} was made from another text, by another model or with other "
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
                    f"--out {self.path}: somebody wrote this file in the meantime; it stays as it is. "
                    "Give another name."
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


@dataclass(frozen=True)
class TextTranslation:
    """A text, and all that decides what its translation is."""

    model: str
    text: Path
    """A file or a pipe; `-` for standard input."""
    source: str
    target: str
    beams: int | None
    engine: Engine | None
    """None for the one that the model was saved for."""
    int8: bool
    ready: Callable[[Sequence[str]], tuple[list[str], GenerationSettings]]
    """Lines as the model takes them, and how its outputs are searched."""
    keeper: Keeper | None = None
    """What is to be kept: terms, and what is copied."""
    constrained: bool = False
    """Whether translations that lack terms are searched again with these as constraints."""
    tell: Callable[[str], None] = lambda said: None
    """Hears, when all is translated, what was kept."""

    def lines(self) -> Iterator[str]:
        return read_text(self.text, sys.stdin.buffer)

    def windows(self, lines_before: int = 0) -> Iterator[list[str]]:
        """The translations in groups, as they are done, without those of the first lines; the same in every process."""
        if self.constrained and is_exported(self.model):
            raise UsageError(
                f"--constrained: {self.model} was exported for CTranslate2, which has no search under constraints. "
                "Give the model that it was made from."
            )
        noted = self.ready([])[1].engine
        model = open_model(
            self.model, self.engine or ("ct2" if noted == "ct2" else None), "int8" if self.int8 else None
        )
        if rank() == 0:
            warn_of_direction(self.model, model.layout, self.source, self.target)
        if self.keeper and self.keeper.terms:
            require_fitting_terms(self.keeper.terms, model.layout)
        itself = cache(lambda: model if isinstance(model, Loaded) else load_model(self.model))  # where it is needed
        for window in windows(islice(self.lines(), lines_before, None)):
            texts, settings = self.ready(window)
            settings = settings.model_copy(update={"engine": "transformers"})  # or what the model was opened for
            translated = partial(self._translated, lambda: model, settings, lines_before)
            constrained = partial(self._translated, itself, settings, lines_before) if self.constrained else None
            yield self.keeper.translated(texts, translated, constrained) if self.keeper else translated(texts)
            lines_before += len(window)
        if self.keeper and rank() == 0:
            for note in self.keeper.notes():
                self.tell(note)

    def _translated(
        self,
        model: Callable[[], Loaded | Converted],
        settings: GenerationSettings,
        lines_before: int,
        texts: Sequence[str],
        constraints: Sequence[Sequence[Forms]] | None = None,
    ) -> list[str]:
        made = partial(translate, model(), texts, self.source, self.target, settings)
        return made(constraints=constraints, over_ranks=True, lines_before=lines_before)

    @property
    def fingerprint(self) -> str:
        """The same for the same translation."""
        text = hash_file(self.text) if self.text.is_file() else None
        options = [self.source, self.target, self.beams, self.engine, self.int8]
        options += [self.keeper.fingerprint] if self.keeper else []
        options += ["constrained"] if self.constrained else []
        return fingerprint([text, model_fingerprint(self.model), *options])

    def require_file(self, asker: str) -> None:
        """Have the text be a file, which `asker` can read twice."""
        if not self.text.is_file():
            raise UsageError(
                f"{self.text}: can be read only once, and {asker} needs it again: give the text as a file."
            )


def translate_onto(stream: TextIO, translation: TextTranslation) -> None:
    """Write a translation to a stream, in the first process alone."""
    with launched():
        if size() > 1:
            translation.require_file("more than one process")
        for window in translation.windows():
            if rank() == 0:
                stream.write("".join(f"{line}\n" for line in window))
                stream.flush()


def translate_into(
    growing: GrowingFile, translation: TextTranslation, *, resume: bool, force: bool, tell: Callable[[str], None]
) -> None:
    """Write a translation to a file, which no other process can change meanwhile; `tell` hears how far it is.

    `resume` goes on where a translation of the same text was stopped, `force` begins anew whatever is there.
    """
    with launched():
        grow(growing, translation, resume=resume, force=force, tell=tell)


def grow(
    growing: GrowingFile, translation: TextTranslation, *, resume: bool, force: bool, tell: Callable[[str], None]
) -> None:
    """What `translate_into` does, within a group of processes that is there already."""
    with ExitStack() as stack:

        def held() -> bool:
            stack.enter_context(growing.lock())
            return _to_be_done(growing, translation, resume=resume, force=force, tell=tell)

        if not on_first(held):
            return
        if resume or size() > 1:
            translation.require_file("--resume" if resume else "more than one process")
        done = on_first(lambda: growing.begin(translation.fingerprint, resume=resume))
        first = rank() == 0
        if done and first:
            tell(f"{growing.path}: goes on after line {done:,}")
        try:
            for window in translation.windows(done):
                if first:
                    growing.append(window)
                done += len(window)
        except BaseException:
            if first and done:
                tell(f"{growing.path}: {done:,} lines are done; the same command with --resume goes on there")
            raise
        if first:
            growing.finish()


def _to_be_done(
    growing: GrowingFile, translation: TextTranslation, *, resume: bool, force: bool, tell: Callable[[str], None]
) -> bool:
    """Whether anything is to be done on an output, now that no other process can change it."""
    unfinished = growing.is_unfinished
    if unfinished and not resume and not force:
        raise UsageError(
            f"{growing.path}: holds an unfinished translation. --resume goes on with it, --force begins anew."
        )
    if resume and not unfinished and growing.path.is_file():
        translation.require_file("--resume")
        lines, expected = growing.path.read_bytes().count(b"\n"), sum(1 for _ in translation.lines())
        if lines != expected:
            raise UsageError(
                f"{growing.path}: {lines:,} lines, where the text has {expected:,}, and nothing says that a "
                "translation of it was stopped there. Give another --out, or --force to begin anew."
            )
        tell(f"{growing.path}: no unfinished translation; nothing to resume")
        return False
    claim_file(growing.path, force=force, own=unfinished)  # again: one that wrote it may have ended meanwhile
    return True
