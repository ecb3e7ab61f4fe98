"""What the demo does with a run: switch a sentence, restore it, translate it, look words up, edit the lexicon."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, groupby
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, validate_call

from switchtune.config.run import PairSettings, RunConfig, TaskName
from switchtune.config.switching import SwitchingSettings, TermSettings
from switchtune.corpus.documents import document_sentences, sentences_of
from switchtune.corpus.words import Segmenter, piece_segmenter
from switchtune.demo.typed import likeliest_of, read_part, unread
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import translate
from switchtune.generation.keeping import term_settings_of
from switchtune.lexicon.edits import EVERY_TRANSLATION, Edit, apply_edits, edits_between
from switchtune.lexicon.files import add_edits, edits_path, read_lexicon
from switchtune.lexicon.glossary import Glossary
from switchtune.lexicon.records import Entry, Lexicon
from switchtune.lexicon.terms import TermFinder
from switchtune.models.load import Loaded, load_layout, load_model
from switchtune.report.html import language_name, text_direction
from switchtune.report.sentences import lexicon_of_arm, read_texts
from switchtune.runs.arms import trained_arms
from switchtune.runs.folder import Run
from switchtune.runs.run_files import RunFiles, read_run
from switchtune.runs.tasks import TASKS, ready_to_translate
from switchtune.switching.preview import SwitchedLine, switched_lines, text_switcher
from switchtune.switching.terms import GlossaryTerms

LONGEST_TEXT = 3000
"""Characters of what is typed: lines of sentences, or a document to be summarised (220 words have about 1,500)."""

SHOWN_ENTRIES = 20
QUESTIONS = ("detect", "switch", "restore", "translate", "entries", "edit")
"""Methods of a session that the page asks for, by name. An iterator is answers one by one, as they are found."""

_WORDING: Mapping[TaskName, Mapping[str, str]] = {
    "translation": {
        "Text": "Sentences, one a line",
        "text": "sentence",
        "made": "Translated",
        "make": "translate",
        "rows": "3",
    },
    "summarization": {"Text": "Document", "text": "document", "made": "Summarised", "make": "summarise", "rows": "8"},
}

Text = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Word = Annotated[str, Field(min_length=1, max_length=100)]
Name = Annotated[str, Field(max_length=100)]
ShareOfWords = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=0, lt=2**31)]
_CHECKED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_question = validate_call(config=_CHECKED)
"""For what the page asks: raises a ValidationError where the arguments are not of their types."""


class EditedTranslation(BaseModel):
    """A translation as it is edited."""

    model_config = _CHECKED

    word: Word
    strength: float


Translations = Annotated[list[EditedTranslation], Field(max_length=20)]


class GivenTerm(BaseModel):
    """A term that a translation is to use."""

    model_config = _CHECKED

    term: Word
    translation: Word


Terms = Annotated[list[GivenTerm], Field(max_length=200)]


@dataclass
class DemoSession:
    """A run whose models are loaded when they are first needed, and whose lexicons are read as they stand."""

    run: RunFiles
    config: RunConfig
    _load: Callable[[str], Loaded] = field(default_factory=lambda: cache(load_model))
    _lexicons: dict[Path, tuple[list[int], Lexicon]] = field(default_factory=dict)
    """By file, with the times at which it and its edits changed."""
    _examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By pair."""

    def about(self) -> list[dict[str, Any]]:
        """What the page is to know of each pair."""
        return [
            {
                "name": pair.name,
                "languages": [
                    {"code": code, "name": language_name(code), "example": example}
                    for code, example in zip((pair.source, pair.target), self._example(pair), strict=True)
                ],
                "rate": self._switching.rate,
                "files": [path.name for path in folder.paths] if folder else [],
                "missing": self._missing(pair),
            }
            for pair, folder in (
                (pair, lexicon_of_arm(self.run, pair.name, self.run.switching_arm)) for pair in self.config.pairs
            )
        ]

    def _example(self, pair: PairSettings) -> tuple[str, str]:
        """The first sentence of the test set on both sides; empty where it is no longer there."""
        if pair.name not in self._examples:
            try:
                _, test = read_texts(self.run, pair.name)
            except SwitchtuneError:
                test = []
            source, target = (" ".join(document_sentences(text)) for text in (test[0] if test else ("", "")))
            self._examples[pair.name] = source[:LONGEST_TEXT], target[:LONGEST_TEXT]
        return self._examples[pair.name]

    def wording(self) -> Mapping[str, str]:
        """How the page calls what it is given and what is made of it."""
        return _WORDING[self.config.task]

    @property
    def _switching(self) -> SwitchingSettings:
        arm = self.run.switching_arm
        return arm.switching if arm else self.config.switching

    def _missing(self, pair: PairSettings) -> list[str]:
        lacking = (
            []
            if lexicon_of_arm(self.run, pair.name, self.run.switching_arm)
            else ["There is no lexicon: nothing can be switched."]
        )
        if self.run.switching_arm and self._switching.source == "aligned":
            lacking.append(
                "The run switches by alignment, each word by its counterpart in the paired sentence; here the lexicon "
                "is used instead."
            )
        if self.run.switching_arm and not self.run.switching_arm.restores:
            lacking.append("The run has no stage that restores what was switched: nothing can be restored.")
        elif self._restorer(pair) is None:
            lacking.append("There is no model of stage 1: nothing can be restored.")
        if any(arm.outputs and arm.name == self.config.baseline for arm in self.config.arms):
            lacking.append(f"The outputs of {self.config.baseline} were given: there is no model of it to ask.")
        return lacking + [
            f"There is no model of {name}: it cannot {self.wording()['make']}."
            for name, path in self._translators(pair)
            if not path
        ]

    def _model_of(self, pair: PairSettings, arm: str, stage: str) -> Path | None:
        """The model of a stage with the first seed that has one."""
        trainings = (each for each in self.run.trainings if (each.pair, each.arm) == (pair.name, arm))
        return next((path for each in trainings if (path := each.model(stage)).is_dir()), None)

    def _restorer(self, pair: PairSettings) -> Path | None:
        arm = self.run.switching_arm
        if arm is None:
            return None
        stages = (stage.name for stage in arm.recipe.stages if "restore" in stage.mixture)
        return next((self._model_of(pair, arm.name, stage) for stage in stages), None)

    def _translators(self, pair: PairSettings) -> list[tuple[str, Path | None]]:
        """The baseline and the arm of code-switching as far as they are trained, each with its last model."""
        switching = self.run.switching_arm
        names = dict.fromkeys([self.config.baseline, *([switching.name] if switching else [])])
        arms = {arm.name: arm for arm in trained_arms(self.config.arms)}
        return [(name, self._model_of(pair, name, arms[name].recipe.stages[-1].name)) for name in names if name in arms]

    def _pair(self, name: str, language: str | None = None) -> PairSettings:
        pair = next((pair for pair in self.config.pairs if pair.name == name), None)
        if pair is None:
            raise UsageError(f"{name}: the run has no such pair.")
        if language not in (None, pair.source, pair.target):
            raise UsageError(f"{language}: {name} has no such language.")
        return pair

    def _path(self, name: str, language: str) -> Path:
        pair = self._pair(name, language)
        folder = lexicon_of_arm(self.run, name, self.run.switching_arm)
        if folder is None:
            raise UsageError(f"{name}: the run has no lexicon by which words are switched.")
        return folder.paths[language == pair.target]

    def _lexicon(self, path: Path) -> Lexicon:
        changed = [file.stat().st_mtime_ns for file in (path, edits_path(path)) if file.exists()]
        if path not in self._lexicons or self._lexicons[path][0] != changed:
            self._lexicons[path] = (changed, read_lexicon(path))
        return self._lexicons[path][1]

    def _lines(self, text: str) -> list[str]:
        """What is typed as lines that are answered one by one; a document is one."""
        lines = text.split("\n") if TASKS[self.config.task].parallel else [text]
        return [" ".join(line.split()) for line in lines]

    @_question
    def detect(self, pair: Name, text: Text) -> dict[str, Any]:
        """The likeliest of the run's languages, and whether the pair reads it; None where it cannot be told."""
        languages = self._pair(pair).languages
        of_run = dict.fromkeys(code for each in self.config.pairs for code in each.languages)
        found = likeliest_of(text, of_run)
        return {"language": found, "name": found and language_name(found), "of_pair": found in languages}

    @_question
    def switch(self, pair: Name, language: Name, text: Text, rate: ShareOfWords, draw: Number) -> dict[str, Any]:
        """Sentences of one side of the pair word by word: what each may become and became. `draw` is a seed."""
        lexicon = self._lexicon(self._path(pair, language))
        pieces: Segmenter | None = None
        if lexicon.unit == "piece":
            model = self._restorer(self._pair(pair)) or Run(self.run.folder, self.config).start
            pieces = piece_segmenter(load_layout(str(model)).tokenize)
        switcher = text_switcher(
            *(lexicon, language),
            pieces=pieces,
            source="lexicon",
            rate=rate,
            mean_span=self._switching.mean_span,
            seed=draw,
        )
        lines = switched_lines(self._lines(text), switcher, seed=draw, epoch=0)
        return {"measure": lexicon.measure, "lines": [_word_by_word(line, lexicon) for line in lines]}

    @_question
    def restore(self, pair: Name, language: Name, text: str) -> Iterator[dict[str, Any]]:
        """What stage 1 makes of switched sentences, which may be longer than what was typed, line by line."""
        path = self._restorer(self._pair(pair, language))
        if path is None:
            raise UsageError(f"{pair}: there is no model of stage 1.")
        return (self._restored(str(path), language, line) for line in self._lines(text))

    def _restored(self, path: str, language: str, line: str) -> dict[str, Any]:
        # It has learned what stage 1 restores: of documents, sentences.
        texts = [line] if TASKS[self.config.task].parallel else sentences_of(line, language)
        loaded, languages = self._load(path), (language, language)
        read = [read_part(text, loaded.layout, languages) for text in texts]
        cut = " ".join(filter(None, map(unread, texts, read)))
        return _made(" ".join(translate(loaded, read, *languages, self.config.generation)), cut)

    @_question
    def translate(
        self, pair: Name, text: Text, terms: Terms | None = None, constrained: bool = False
    ) -> Iterator[dict[str, Any]]:
        """What each system makes of sentences of the source language, line by line; of a document where the run
        summarises.

        `terms` are put into them as `switchtune translate --glossary` does, and are in what comes out as --constrained
        has them there; in that they are told.
        """
        asked = self._pair(pair)
        given = tuple((each.term.strip(), each.translation.strip()) for each in terms or ())
        glossary = Glossary("terms", (asked.source, asked.target), given)
        systems = [
            (arm, path, GlossaryTerms(glossary, (term_settings_of(str(path)) or TermSettings()).mark))
            for arm, path in self._translators(asked)
        ]
        return (
            {"arm": arm, **(self._translated(str(path), line, put, constrained) if path else {"text": None})}
            for line in self._lines(text)
            for arm, path, put in systems
        )

    def _translated(self, path: str, line: str, put: GlossaryTerms, constrained: bool) -> dict[str, Any]:
        source, target = put.glossary.languages
        asked = put.put_in(line)[0] if put.glossary.terms else line
        (given,), search = ready_to_translate(path, [asked], source, self.config.generation)
        loaded = self._load(path)
        read = read_part(given, loaded.layout, (source, target))
        made = translate(loaded, [read], source, target, search)[0]
        wanted = put.wanted(line) if constrained and put.glossary.terms else []
        if put.lacking(made, wanted):
            phrases = [[forms for _, forms in wanted]]
            (again,) = translate(loaded, [read], source, target, search, constraints=phrases)
            made = min(made, again, key=lambda each: put.lacking(each, wanted))
        parts = _with_terms(put.target_finder, made) if put.glossary.terms else [{"text": made, "term": False}]
        return {**_made(made, unread(asked, read)), "given": asked if asked != line else None, "parts": parts}

    @_question
    def entries(self, pair: Name, language: Name, query: Name, start: Number) -> dict[str, Any]:
        """Entries of the lexicon from a language that hold a text: a page of them, and how many there are."""
        lexicon = self._lexicon(self._path(pair, language))
        wanted = query.strip().casefold()
        texts = ((each, (each.word, *(to.word for to in each.translations))) for each in lexicon.entries.values())
        found = [entry for entry, words in texts if any(wanted in word.casefold() for word in words)]
        entries = [
            {"word": entry.word, "count": entry.count, "translations": _strengths(entry)}
            for entry in found[start : start + SHOWN_ENTRIES]
        ]
        counts = {"found": len(found), "all": len(lexicon), "page": SHOWN_ENTRIES}
        return {**counts, "measure": lexicon.measure, "entries": entries}

    @_question
    def edit(self, pair: Name, language: Name, word: Word, translations: Translations) -> dict[str, Any]:
        """Give a word other translations, in the edits beside the lexicon. Where that fails, all is as it was."""
        path = self._path(pair, language)
        lexicon = self._lexicon(path)
        former = lexicon.find(word)
        word = former.word if former else word
        wanted = [Edit(word, each.word, each.strength) for each in translations]
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


def _with_terms(finder: TermFinder, text: str) -> list[dict[str, Any]]:
    """A translation in parts, of which those that are terms are told."""
    words = finder.segmenter.split(text)
    tokens = [*chain.from_iterable(zip(words.gaps, words.words, strict=False)), words.gaps[-1]]
    of_terms = {place for each in finder.find(words) for place in range(2 * each.begin + 1, 2 * each.end)}
    parts = groupby(enumerate(tokens), key=lambda numbered: numbered[0] in of_terms)
    return [{"text": "".join(token for _, token in part), "term": term} for term, part in parts]


def _made(text: str, cut: str) -> dict[str, Any]:
    """What a model made of a line, and the end of the line that it did not read."""
    return {"text": text, "direction": text_direction(text), "cut": cut}


def _word_by_word(line: SwitchedLine, lexicon: Lexicon) -> dict[str, Any]:
    switched = set(line.switched.positions)
    rows = zip(line.result.gaps, line.original.words, line.result.words, strict=False)
    return {
        "text": line.switched_text,
        "direction": text_direction(line.original_text),
        "words": [
            {
                "gap": gap,
                "word": word,
                "replacement": replacement if number in switched else None,
                "candidates": _strengths(lexicon.find(word)),
            }
            for number, (gap, word, replacement) in enumerate(rows)
        ],
        "end": line.result.gaps[-1],
    }


def _strengths(entry: Entry | None) -> list[dict[str, Any]]:
    return [{"word": each.word, "strength": each.strength} for each in entry.translations] if entry else []


def open_session(folder: Path) -> DemoSession:
    """The demo of a run's folder."""
    run = read_run(folder)
    if run.config is None:
        found = "this one is of cross-lingual inference." if run.inference else run.missing[0]
        raise UsageError(f"{folder}: the demo is for runs of translation or summarisation; {found}")
    return DemoSession(run, run.config)
