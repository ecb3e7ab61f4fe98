"""What a run trains for: how its data is read, what stage 1 restores, what the outputs are scored by."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import contains
from pathlib import Path

import numpy as np

from switchtune.config.load import parse_config
from switchtune.config.run import NO_PAIRS, PairSettings, RunConfig, SummarizationSettings, TaskName
from switchtune.config.training import GenerationSettings
from switchtune.corpus.control import shown
from switchtune.corpus.documents import read_documents, with_end_marks
from switchtune.corpus.read import Corpus, read_corpus, read_lines, read_monolingual
from switchtune.corpus.words import capitalised, word_segmenter
from switchtune.errors import SwitchtuneError
from switchtune.examples import Examples, restore_examples, restore_passages
from switchtune.files import adopt_files, read_json, write_json
from switchtune.languages import find_language
from switchtune.models.files import SUMMARIES_NOTE
from switchtune.runs.splits import located
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import MetricName
from switchtune.switching.make import dictionary_words

IDENTIFIED = 200
"""Sentences of monolingual text whose language is looked at."""
LEAST_IN_LANGUAGE = 0.1
"""Share of them that must be in the language named, as a share of what it is among the pairs."""


@dataclass(frozen=True)
class Task:
    """One kind of pairs: what reads its corpora, as `read_corpus`, and makes stage 1's, as `restore_examples`."""

    reader: Callable[[RunConfig], Callable[..., Corpus]]
    restore: Callable[..., Examples]
    parallel: bool
    """Whether the target of a pair translates its source, so that lexicons can be aligned and judged by pairs."""
    metrics: tuple[MetricName, ...]
    """By which outputs are scored; arms are compared by the first."""


TASKS: Mapping[TaskName, Task] = {
    "translation": Task(lambda config: read_corpus, restore_examples, parallel=True, metrics=("BLEU", "chrF++")),
    "summarization": Task(
        lambda config: partial(read_documents, words=config.summarization.document_words),
        restore_passages,
        parallel=False,
        metrics=("ROUGE-1", "ROUGE-2", "ROUGE-L"),
    ),
}


def pair_reader(config: RunConfig, pair: PairSettings, cache_dir: Path) -> Callable[..., Corpus]:
    """`read_corpus`, or what the task has in its place, of a pair's languages and columns."""
    languages = {"source_language": pair.source, "target_language": pair.target}
    return partial(TASKS[config.task].reader(config), **languages, columns=pair.columns, cache_dir=cache_dir)


def read_pair(config: RunConfig, pair: PairSettings, cache_dir: Path) -> tuple[Corpus, Corpus, Corpus]:
    """The training, validation and test corpus of a pair. Every row stays in the test set.

    Where a pair has none to train on, the training corpus is empty; where models learn several pairs, it lacks what
    others are tested on.
    """
    files = located(pair, cache_dir)
    read = pair_reader(config, files, cache_dir)
    unpaired = pair.train == NO_PAIRS
    train = read(files.valid if unpaired else files.train, limit=pair.limit)
    if unpaired:
        train = replace(train.limited(0), origin=NO_PAIRS)
    elif config.shares_models:
        train = _without_held_out(config, pair, train, cache_dir)
    return train, read(files.valid), read(files.test, deduplicate=False)


def _without_held_out(config: RunConfig, pair: PairSettings, train: Corpus, cache_dir: Path) -> Corpus:
    """A training corpus without the pairs of which a side stands in a validation or test set of another pair.

    A model that learns several pairs would have seen the references of one among the targets of another. The corpus
    notes how many there were.

    Raises:
        SwitchtuneError: nothing is left to train on.
    """
    held_out = [set(map(as_compared, _held_out(config, code, cache_dir, but=pair))) for code in pair.languages]
    rows = zip(*(map(as_compared, side) for side in (train.sources(), train.targets())), strict=True)
    leaking = np.array([any(map(contains, held_out, sides)) for sides in rows], dtype=bool)
    count = int(leaking.sum())
    if not count:
        return train
    if count == len(train):
        raise SwitchtuneError(
            f"{pair.name}: all of its {count:,} training pairs ({train.origin}) stand in validation or test sets of "
            "other pairs, on which a model that learns several of them is tested (together). Give it other pairs."
        )
    note = f"{count:,} pairs left out because a side is in a validation or test set of another pair"
    reading = replace(train.reading, notes=(*train.reading.notes, note))
    return replace(train, table=train.table.filter(~leaking), reading=reading)


def read_zeroshot_tests(config: RunConfig, cache_dir: Path, limit: int | None = None) -> dict[str, Corpus]:
    """The test sets of directions that are none of the pairs, by direction: of `glossed` and of `tests`."""
    read = partial(read_corpus, limit=limit, deduplicate=False, cache_dir=cache_dir)
    target, glossed = config.pairs[0].target, config.zeroshot.glossed
    files = {f"{code}-{target}": each.test for code, each in glossed.items() if each.test is not None}
    return {name: read(file, *name.split("-")) for name, file in {**files, **config.zeroshot.tests}.items()}


@dataclass(frozen=True)
class MonolingualSentences:
    """Further sentences of one of a pair's languages."""

    origin: str
    sentences: tuple[str, ...]
    held_out: int
    """Lines of the file that were left out because they stand in a validation or test set."""
    repeated: int
    """Lines that were left out because they stand in the training pairs, or earlier in the file."""

    def describe(self, language: str) -> str:
        counts = (
            (self.held_out, "in a validation or test set"),
            (self.repeated, "repeated or in the training pairs"),
        )
        left_out = ", ".join(f"{count:,} {where}" for count, where in counts if count)
        told = f"{self.origin}: {len(self.sentences):,} further sentences in {language}"
        return f"{told} (left out: {left_out})" if left_out else told


def read_further(
    config: RunConfig, pair: PairSettings, train: Corpus, cache_dir: Path
) -> dict[str, MonolingualSentences]:
    """The monolingual text of a pair by language, without what stands in the training pairs or is held out."""
    further = {}
    for language, path in pair.monolingual.items():
        tested = set(map(as_compared, _held_out(config, language, cache_dir)))
        seen = set(map(as_compared, _side(train, language)))
        lines, kept, held_out = read_monolingual(path, language), list[str](), 0
        if sum("\t" in line for line in lines) > len(lines) / 2:
            raise SwitchtuneError(f"{path}: most lines have tabs, as in a table; one sentence per line is expected.")
        for line in lines:
            compared = as_compared(line)
            if compared in tested:
                held_out += 1
            elif compared not in seen:
                seen.add(compared)
                kept.append(line)
        if not kept:
            raise SwitchtuneError(
                f"{path}: all of its {len(lines):,} lines appear in the training, validation or test sets; there is "
                "nothing further to train on. Give other text, or take the file out of `monolingual`."
            )
        further[language] = MonolingualSentences(path, tuple(kept), held_out, len(lines) - len(kept) - held_out)
    return further


def added_text(config: RunConfig, cache_dir: Path) -> list[str]:
    """The training text of the languages that are to be added to the model: of pairs, monolingual, and of glosses."""
    added, lines = {each.code for each in config.model.add}, list[str]()
    for pair in config.pairs:
        train, _, _ = read_pair(config, pair, cache_dir)
        for language in sorted(added & {pair.source, pair.target}):
            lines += _side(train, language)
            lines += read_monolingual(pair.monolingual[language], language) if language in pair.monolingual else []
    for language in sorted(added & config.zeroshot.glossed.keys()):
        files = (file.path for file in config.zeroshot.glossed[language].dictionaries)
        words = dictionary_words(files, language, config.pairs[0].target)
        lines += [*words, *(capitalised(word, language) for word in words)]  # as they begin a sentence
    return lines


def _held_out(config: RunConfig, language: str, cache_dir: Path, *, but: PairSettings | None = None) -> Iterator[str]:
    """All sentences of a language that models of the run are validated or tested on, those of other pairs included.

    `but`: a pair whose own sets are passed over.
    """
    for pair in config.pairs:
        if language in pair.languages and pair != but:
            pair = located(pair, cache_dir)
            read = pair_reader(config, pair, cache_dir)
            for corpus in (read(pair.valid), read(pair.test, deduplicate=False)):
                yield from _side(corpus, language)
    for corpus in read_zeroshot_tests(config, cache_dir).values():
        if language in (corpus.source_language, corpus.target_language):
            yield from _side(corpus, language)
    for pattern in config.zeroshot.multiway.values():
        yield from read_lines(Path(pattern.replace("*", language)))


def _side(corpus: Corpus, language: str) -> list[str]:
    return corpus.sources() if language == corpus.source_language else corpus.targets()


def as_compared(sentence: str) -> str:
    """A sentence without what does not make it another: case, spacing, and how its characters are encoded."""
    return " ".join(unicodedata.normalize("NFKC", sentence).casefold().split())


def require_language(further: MonolingualSentences, language: str, pairs: Corpus) -> None:
    """Refuse text that is clearly in another language than the pairs have on that side.

    Raises:
        SwitchtuneError: hardly a sentence of it is, measured by how many of the pairs' are.
    """
    share = in_language(further.sentences[:IDENTIFIED], language, _side(pairs.limited(IDENTIFIED), language))
    if share.references and share.value < LEAST_IN_LANGUAGE * share.references:
        raise SwitchtuneError(
            f"{further.origin}: {share.value:.0%} of its first {share.n:,} sentences are in "
            f"{find_language(language).name} ({language}), but {share.references:.0%} of the pairs' are. Give "
            "text in that language, or take the file out of `monolingual`."
        )


class _Summarizes(SummarizationSettings):
    """What `SUMMARIES_NOTE` holds."""

    generation: GenerationSettings


def note_task(config: RunConfig, model: Path) -> None:
    """Have a model's folder say what `ready_to_translate` is to know of its task."""
    if config.task == "summarization":
        noted = _Summarizes(**config.summarization.model_dump(), generation=config.generation)
        write_json(model / SUMMARIES_NOTE, noted.model_dump(mode="json"))
        adopt_files(model)


def summarises(model: str) -> bool:
    """Whether a model's folder says that it makes summaries."""
    return (Path(model) / SUMMARIES_NOTE).exists()


def ready_to_translate(
    model: str, lines: Sequence[str], language: str, settings: GenerationSettings | None
) -> tuple[list[str], GenerationSettings]:
    """Texts as a model takes them, and how its outputs are searched: as they stand, but for one that summarises.

    Such a model is given a document a line; of `settings` (None: what is usual) the beams alone count for it.
    """
    note = Path(model) / SUMMARIES_NOTE
    if not note.exists():
        return list(map(shown, lines)), settings or GenerationSettings()
    content = read_json(note, remedy="Copy it from where the model came from.")
    noted, segmenter = parse_config(_Summarizes, content, origin=str(note)), word_segmenter(language)
    texts = [with_end_marks(line, language, segmenter, noted.document_words)[0] for line in lines]
    search = noted.generation
    return texts, search if settings is None else search.model_copy(update={"beams": settings.beams})
