"""What the demo does with a run: switch a sentence, restore it, translate it, look words up, edit the lexicon."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from switchtune.config.run import PairSettings, RunConfig, TaskName
from switchtune.corpus.documents import sentences_of
from switchtune.corpus.words import Segmenter, piece_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import translate
from switchtune.lexicon.edits import EVERY_TRANSLATION, Edit, apply_edits, edits_between
from switchtune.lexicon.files import add_edits, edits_path, read_lexicon
from switchtune.lexicon.records import Entry, Lexicon
from switchtune.models.load import Loaded, load_layout, load_model
from switchtune.report.html import language_name
from switchtune.report.sentences import lexicon_of_arm
from switchtune.runs.run_files import RunFiles, read_run
from switchtune.runs.tasks import TASKS, ready_to_translate
from switchtune.switching.preview import switched_lines, text_switcher

LONGEST_TEXT = 3000
"""Characters of a sentence, or of a document to be summarised: 220 words have about 1,500."""

SHOWN_ENTRIES = 20

_WORDING: Mapping[TaskName, Mapping[str, str]] = {
    "translation": {"Text": "Sentence", "text": "sentence", "made": "Translated", "make": "translate", "rows": "2"},
    "summarization": {"Text": "Document", "text": "document", "made": "Summarised", "make": "summarise", "rows": "8"},
}

Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Word = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(max_length=100)]


class Request(BaseModel):
    """What the page asks."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    pair: Name


class SwitchRequest(Request):
    """A sentence of one side of the pair."""

    language: Name
    text: Text
    rate: Annotated[float, Field(ge=0, le=1)]
    draw: Annotated[int, Field(ge=0, lt=2**31)]
    """Another number draws other words."""


class RestoreRequest(Request):
    """A switched sentence, and the language that it is of."""

    language: Name
    text: Text


class TranslateRequest(Request):
    """A sentence of the source language; a document where the run summarises."""

    text: Text


class EntriesRequest(Request):
    """Entries of the lexicon from a language, those that hold a text in the word or a translation."""

    language: Name
    query: Annotated[str, Field(max_length=100)]
    start: Annotated[int, Field(ge=0)]


class TranslationField(BaseModel):
    """A translation as it is edited."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    word: Word
    strength: float


class EditRequest(Request):
    """An entry's new translations; none removes it."""

    language: Name
    word: Word
    translations: Annotated[list[TranslationField], Field(max_length=20)]


@dataclass
class Workshop:
    """A run whose models are loaded when they are first needed, and whose lexicons are read as they stand."""

    run: RunFiles
    config: RunConfig
    _models: dict[Path, Loaded] = field(default_factory=dict)
    _lexicons: dict[Path, tuple[list[int], Lexicon]] = field(default_factory=dict)
    """By file, with the times at which it and its edits changed."""

    def about(self) -> list[dict[str, Any]]:
        """What the page is to know of each pair."""
        arm = self.run.switching_arm
        rate = (arm.switching if arm else self.config.switching).rate
        return [
            {
                "name": pair.name,
                "languages": [{"code": code, "name": language_name(code)} for code in (pair.source, pair.target)],
                "rate": rate,
                "files": [path.name for path in self._paths(pair)] if lexicon_of_arm(self.run, pair.name) else [],
                "missing": self._missing(pair),
            }
            for pair in self.config.pairs
        ]

    def wording(self) -> Mapping[str, str]:
        """How the page calls what it is given and what is made of it."""
        return _WORDING[self.config.task]

    def _missing(self, pair: PairSettings) -> list[str]:
        lacking = [] if lexicon_of_arm(self.run, pair.name) else ["There is no lexicon: nothing can be switched."]
        arm = self.run.switching_arm
        if arm and arm.switching.source == "aligned":
            lacking.append(
                "The run switches by alignment, each word by its counterpart in the paired sentence; here the lexicon "
                "stands in."
            )
        if self._restorer(pair) is None:
            lacking.append("There is no model of stage 1: nothing can be restored.")
        return lacking + [
            f"There is no model of {name}: it cannot {self.wording()['make']}."
            for name, path in self._translators(pair)
            if not path
        ]

    # Models

    def _model_of(self, pair: PairSettings, arm: str, stage: str) -> Path | None:
        """The model of a stage with the first seed that has one."""
        trainings = (each for each in self.run.trainings if (each.pair, each.arm) == (pair.name, arm))
        return next((path for each in trainings if (path := each.model(stage)).is_dir()), None)

    def _restorer(self, pair: PairSettings) -> Path | None:
        arm = self.run.switching_arm
        if arm is None:
            return None
        stage = next(stage.name for stage in arm.recipe.stages if stage.examples == "restore")
        return self._model_of(pair, arm.name, stage)

    def _translators(self, pair: PairSettings) -> list[tuple[str, Path | None]]:
        """The baseline and the arm of code-switching, each with its last model."""
        names = dict.fromkeys(
            [self.config.baseline, *([self.run.switching_arm.name] if self.run.switching_arm else [])]
        )
        arms = {arm.name: arm for arm in self.config.arms}
        return [(name, self._model_of(pair, name, arms[name].recipe.stages[-1].name)) for name in names]

    def _loaded(self, path: Path) -> Loaded:
        if path not in self._models:
            self._models[path] = load_model(str(path))
        return self._models[path]

    def _pair(self, name: str) -> PairSettings:
        found = next((pair for pair in self.config.pairs if pair.name == name), None)
        if found is None:
            raise UsageError(f"{name}: the run has no such pair.")
        return found

    # Lexicons

    def _paths(self, pair: PairSettings) -> tuple[Path, Path]:
        folder = lexicon_of_arm(self.run, pair.name)
        if folder is None:
            raise UsageError(f"{pair.name}: the run has no lexicon by which words are switched.")
        return folder.paths

    def _path(self, pair: PairSettings, language: str) -> Path:
        """The lexicon from a language of the pair."""
        if language not in (pair.source, pair.target):
            raise UsageError(f"{language}: {pair.name} has no such language.")
        return self._paths(pair)[language == pair.target]

    def _lexicon(self, path: Path) -> Lexicon:
        changed = [file.stat().st_mtime_ns for file in (path, edits_path(path)) if file.exists()]
        if path not in self._lexicons or self._lexicons[path][0] != changed:
            self._lexicons[path] = (changed, read_lexicon(path))
        return self._lexicons[path][1]

    # What the page asks

    def switch(self, asked: SwitchRequest) -> dict[str, Any]:
        """The sentence word by word, with what each may become and what it became.

        Raises:
            SwitchtuneError: the run has no such pair, language or lexicon.
        """
        pair = self._pair(asked.pair)
        lexicon = self._lexicon(self._path(pair, asked.language))
        arm = self.run.switching_arm
        switcher = text_switcher(
            *(lexicon, asked.language),
            pieces=self._pieces(pair) if lexicon.unit == "piece" else None,
            source="lexicon",
            rate=asked.rate,
            mean_span=(arm.switching if arm else self.config.switching).mean_span,
            seed=asked.draw,
        )
        (line,) = switched_lines([" ".join(asked.text.split())], switcher, seed=asked.draw, epoch=0)
        places = set(line.switched.positions)
        return {
            "text": line.switched_text,
            "measure": lexicon.measure,
            "words": [
                {
                    "gap": line.result.gaps[place],
                    "word": word,
                    "replacement": line.result.words[place] if place in places else None,
                    "candidates": _candidates(lexicon, word),
                }
                for place, word in enumerate(line.original.words)
            ],
            "end": line.result.gaps[-1],
        }

    def _pieces(self, pair: PairSettings) -> Segmenter:
        return piece_segmenter(load_layout(str(self._restorer(pair) or self.config.model.name)).tokenizer.tokenize)

    def restore(self, asked: RestoreRequest) -> dict[str, Any]:
        """What stage 1 makes of a switched sentence.

        Raises:
            SwitchtuneError: there is no such model.
        """
        pair = self._pair(asked.pair)
        if asked.language not in (pair.source, pair.target):
            raise UsageError(f"{asked.language}: {pair.name} has no such language.")
        path = self._restorer(pair)
        if path is None:
            raise UsageError(f"{pair.name}: there is no model of stage 1.")
        # It has learned what stage 1 restores: of documents, sentences.
        texts = [asked.text] if TASKS[self.config.task].parallel else sentences_of(asked.text, asked.language)
        loaded, languages = self._loaded(path), (asked.language, asked.language)
        return {"text": " ".join(translate(loaded, texts, *languages, self.config.generation))}

    def translate(self, asked: TranslateRequest) -> dict[str, Any]:
        """What each system makes of a sentence.

        Raises:
            SwitchtuneError: the run has no such pair.
        """
        pair = self._pair(asked.pair)
        line = " ".join(asked.text.split())
        outputs = []
        for name, path in self._translators(pair):
            if path is None:
                outputs.append({"arm": name, "text": None})
                continue
            texts, search = ready_to_translate(str(path), [line], pair.source, self.config.generation)
            made = translate(self._loaded(path), texts, pair.source, pair.target, search)
            outputs.append({"arm": name, "text": made[0]})
        return {"outputs": outputs}

    def entries(self, asked: EntriesRequest) -> dict[str, Any]:
        """Entries of a lexicon, a page of them, and how many there are.

        Raises:
            SwitchtuneError: the run has no such pair, language or lexicon.
        """
        lexicon = self._lexicon(self._path(self._pair(asked.pair), asked.language))
        wanted = asked.query.strip().casefold()
        found = [
            entry
            for entry in lexicon.entries.values()
            if any(wanted in word.casefold() for word in (entry.word, *(each.word for each in entry.translations)))
        ]
        shown = found[asked.start : asked.start + SHOWN_ENTRIES]
        return {
            "found": len(found),
            "all": len(lexicon),
            "page": SHOWN_ENTRIES,
            "measure": lexicon.measure,
            "entries": [
                {"word": entry.word, "count": entry.count, "translations": _strengths(entry)} for entry in shown
            ],
        }

    def edit(self, asked: EditRequest) -> dict[str, Any]:
        """Give a word other translations, in the file of edits beside the lexicon.

        Raises:
            LexiconError: the edited lexicon could not be read again, or would be empty; nothing was written.
            SwitchtuneError: the edits cannot be written; all is as it was.
        """
        path = self._path(self._pair(asked.pair), asked.language)
        lexicon = self._lexicon(path)
        former = lexicon.find(asked.word)
        word = former.word if former else asked.word
        wanted = [Edit(word, each.word, each.strength) for each in asked.translations]
        edits = edits_between(lexicon, apply_edits([Edit(word, EVERY_TRANSLATION, None), *wanted], lexicon))
        file = edits_path(path)
        try:
            if file.exists():
                file.open("r+b").close()  # to be replaced, a file need not be writable
            add_edits(path, edits)
        except OSError as error:
            raise SwitchtuneError(
                f"{file}: the edit was not saved, the lexicon is as it was ({error.strerror}). Make the file and its "
                "folder writable, or make room on the disk, and save again."
            ) from error
        return {"file": file.name, "all": len(self._lexicon(path))}


def _candidates(lexicon: Lexicon, word: str) -> list[dict[str, Any]]:
    entry = lexicon.find(word)
    return [] if entry is None else _strengths(entry)


def _strengths(entry: Entry) -> list[dict[str, Any]]:
    return [{"word": each.word, "strength": each.strength} for each in entry.translations]


def open_workshop(folder: Path) -> Workshop:
    """The workshop of a run's folder.

    Raises:
        UsageError: there is no run that this version knows.
    """
    run = read_run(folder)
    if run.config is None:
        found = "this one is of cross-lingual inference." if run.inference else run.missing[0]
        raise UsageError(f"{folder}: the demo is for runs of translation or summarisation; {found}")
    return Workshop(run, run.config)


Answer = Callable[[Any], dict[str, Any]]


def answers(workshop: Workshop) -> dict[str, tuple[type[Request], Answer]]:
    """What can be asked, by name: the form of the question, and who answers."""
    return {
        "switch": (SwitchRequest, workshop.switch),
        "restore": (RestoreRequest, workshop.restore),
        "translate": (TranslateRequest, workshop.translate),
        "entries": (EntriesRequest, workshop.entries),
        "edit": (EditRequest, workshop.edit),
    }
