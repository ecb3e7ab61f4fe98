"""A text that is translated line by line, onto a stream or into a file that is gone on with where it was stopped."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from switchtune.config.training import Engine, GenerationSettings
from switchtune.errors import UsageError
from switchtune.files import fingerprint, hash_file
from switchtune.generation import translate, windows
from switchtune.generation.export import open_model
from switchtune.generation.growing import GrowingFile
from switchtune.models.load import model_fingerprint
from switchtune.run_dir import claim_file
from switchtune.switching.preview import read_text
from switchtune.training.distributed import launched, on_first, rank, size


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

    def lines(self) -> Iterator[str]:
        return read_text(self.text, sys.stdin.buffer)

    def windows(self, lines_before: int = 0) -> Iterator[list[str]]:
        """The translations in groups, as they are done, without those of the first lines; the same in every process."""
        noted = self.ready([])[1].engine
        model = open_model(
            self.model, self.engine or ("ct2" if noted == "ct2" else None), "int8" if self.int8 else None
        )
        for window in windows(islice(self.lines(), lines_before, None)):
            texts, settings = self.ready(window)
            settings = settings.model_copy(update={"engine": "transformers"})  # or what the model was opened for
            languages = (self.source, self.target)
            yield translate(model, texts, *languages, settings, over_ranks=True, lines_before=lines_before)
            lines_before += len(window)

    @property
    def fingerprint(self) -> str:
        """The same for the same translation."""
        text = hash_file(self.text) if self.text.is_file() else None
        options = (self.source, self.target, self.beams, self.engine, self.int8)
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
    with launched(), ExitStack() as stack:
        if not on_first(lambda: _hold(growing, stack, translation, resume=resume, force=force, tell=tell)):
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


def _hold(
    growing: GrowingFile,
    stack: ExitStack,
    translation: TextTranslation,
    *,
    resume: bool,
    force: bool,
    tell: Callable[[str], None],
) -> bool:
    """Have an output for this process alone; whether anything is to be done, now that none other can change it."""
    stack.enter_context(growing.lock())
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
