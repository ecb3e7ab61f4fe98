"""The examples of an arm's stages as chats in JSONL, for tools that train decoder-only models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.run import RunConfig
from switchtune.corpus.control import shown
from switchtune.corpus.documents import document_sentences
from switchtune.corpus.lines import stripped
from switchtune.corpus.read import Corpus
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.examples import Example, Examples, Key
from switchtune.files import atomic_path, write_json
from switchtune.lexicon.files import hash_with_edits
from switchtune.models.load import load_layout
from switchtune.recipes import Stage
from switchtune.runs.arms import Trial, chosen_arm
from switchtune.runs.experiment import trial_to_look_at
from switchtune.runs.translation import PairExperiment
from switchtune.runs.trial import Data, of_parts
from switchtune.switching.chat import asked_for_task, asked_to_restore, chat_line

ABOUT = "chat.json"
"""Beside the files: what they were made of, and how many examples each has."""
_AT_ONCE = 1000


@dataclass(frozen=True)
class ChatFile:
    """A file that was written."""

    path: Path
    examples: int
    left_out: int
    """Examples whose text or answer is empty, such as glosses of which nothing is left."""

    def describe(self) -> str:
        """For people."""
        empty = f" ({self.left_out:,} with an empty side left out)" if self.left_out else ""
        return f"{self.path}: {self.examples:,} examples{empty}"


@dataclass(frozen=True)
class ChatFiles:
    """All that was written of one arm."""

    pair: str
    arm: str
    files: tuple[ChatFile, ...]


def export_chat(
    config: RunConfig | NliConfig,
    out: Path,
    *,
    arm: str | None = None,
    pair: str | None = None,
    epochs: int = 1,
    run: Path | None = None,
    force: bool = False,
    on_event: OnEvent = lambda event: None,
) -> ChatFiles:
    """Write the examples that training would see, by stage: `STAGE.train.jsonl` and `STAGE.valid.jsonl`.

    A line is {"messages": [{"role": "user", …}, {"role": "assistant", …}]}, asked as `config.chat` says. The folder
    replaces what was exported there, and appears when all is written.

    Args:
        arm: its name; by default the first that is not the baseline.
        pair: one that its model learns, as in `de-en`; by default the first. The seed is the configuration's first.
        epochs: examples of so many epochs stand behind each other, switched anew in each, in an order that is drawn.
        run: folder of a run, whose lexicon is used, or made there, and whose back-translations are.

    Raises:
        UsageError: the task is inference, or the arm's examples are no plain text.
        SwitchtuneError: data or lexicon cannot be used; the message says which and why.
    """
    if isinstance(config, NliConfig):
        raise UsageError("task: nli: labels are no text to be written; chats are of translation and summarization.")
    chosen = chosen_arm(config, arm)
    _require_text(chosen)
    with (
        atomic_path(out, verb="export", force=force) as temporary,
        trial_to_look_at(config, chosen, run, on_event, pair=pair) as (experiment, trial, data, folder),
    ):
        assert isinstance(experiment, PairExperiment)
        temporary.mkdir()
        _require_text(trial.arm)
        data = experiment.with_kept_translations(trial, data, folder)
        if any(each.backtranslated is None for each in data) and "backtranslated" in trial.arm.kinds:
            raise UsageError(
                f"arms.{trial.arm.name}: its examples are back-translations, which are made in training. Give the "
                "folder of a run that has made them, in place of the configuration."
            )
        layout, files = load_layout(trial.model), list[ChatFile]()
        for stage in trial.arm.recipe.stages:
            made = experiment.examples(trial, data, layout).of_stage(stage)
            chats = _Chats(config, trial, stage)
            for name, lines in (
                ("train", chats.of_epochs(made.train, epochs)),
                ("valid", chain.from_iterable(map(chats.of_validation, made.valid.values()))),
            ):
                file = f"{stage.name}.{name}.jsonl"
                files.append(_written(temporary / file, out / file, lines))
                on_event(Event(trial.name, files[-1].describe()))
        write_json(temporary / ABOUT, _about(config, trial, data, epochs, files))
    return ChatFiles(trial.group, trial.arm.name, tuple(files))


def _about(
    config: RunConfig, trial: Trial, data: Sequence[Data[Corpus]], epochs: int, files: Sequence[ChatFile]
) -> dict[str, Any]:
    """What the files were made of, as JSON."""
    return {
        "pair": trial.group,
        "arm": trial.arm.name,
        "seed": trial.seed,
        "epochs": epochs,
        "asked": config.chat.model_dump(),
        "examples": {file.path.name: file.examples for file in files},
        "train": of_parts([each.train.fingerprint() for each in data]),
        "valid": of_parts([each.valid.fingerprint() for each in data]),
        "lexicons": [hash_with_edits(path) for path in trial.lexicons],
    }


def _require_text(arm: ResolvedArm) -> None:
    if arm.needs_mask:
        raise UsageError(
            f"arms.{arm.name}: its examples hold the mask token of the model, which no other model has. Take an arm "
            "without it."
        )


@dataclass(frozen=True)
class _Chats:
    """Writes examples of a stage as lines; None stands for one with an empty side."""

    config: RunConfig
    trial: Trial
    stage: Stage

    def of_epochs(self, examples: Examples, epochs: int) -> Iterator[str | None]:
        """Those of the first epochs, each in an order of its own."""
        for epoch in range(epochs):
            used = np.arange(examples.count) if examples.used is None else examples.used(epoch, epoch / epochs)
            order = np.random.default_rng((self.trial.seed, epoch)).permutation(used)
            yield from self.of(examples, [(epoch, index) for index in order.tolist()])

    def of_validation(self, examples: Examples) -> Iterator[str | None]:
        """All of a validation set, as they stand."""
        return self.of(examples, [(0, index) for index in range(examples.count)])

    def of(self, examples: Examples, keys: list[Key]) -> Iterator[str | None]:
        for start in range(0, len(keys), _AT_ONCE):
            yield from map(self._line, examples.made(keys[start : start + _AT_ONCE]))

    def _line(self, example: Example) -> str | None:
        text, answer = (
            stripped(shown(" ".join(document_sentences(side)))) for side in (example.source, example.target)
        )
        if not (text and answer):
            return None
        source, target, chat = example.source_language, example.target_language, self.config.chat
        if source != target:
            template = chat.translate if self.config.task == "translation" else chat.summarize
            return chat_line(asked_for_task(template, text, source, target), answer)
        pairs = (part.pair.languages for part in self.trial.parts if part.pair)
        others = {code for languages in pairs if source in languages for code in languages} - {source}
        other = others.pop() if len(others) == 1 else ""  # which of several is not told
        return chat_line(asked_to_restore(chat.restore, text, source, other), answer)


def _written(path: Path, name: Path, lines: Iterator[str | None]) -> ChatFile:
    examples = left_out = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for line in lines:
            if line is None:
                left_out += 1
            else:
                examples += 1
                stream.write(f"{line}\n")
    return ChatFile(name, examples, left_out)
