"""What a run trains for: how its data is read, what stage 1 restores, what the outputs are scored by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from switchtune.config import PairSettings, RunConfig, TaskName
from switchtune.corpus.documents import read_documents
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.examples import Examples, restore_examples, restore_passages
from switchtune.in_context import SideSwitcher
from switchtune.scoring.metrics import MetricName


class Read(Protocol):
    """Reads a corpus of a pair as its task needs it."""

    def __call__(
        self,
        config: RunConfig,
        location: str,
        pair: PairSettings,
        *,
        limit: int | None = None,
        deduplicate: bool = True,
        cache_dir: Path,
    ) -> Corpus: ...


class Restore(Protocol):
    """Makes the examples of stage 1."""

    def __call__(self, corpus: Corpus, switchers: tuple[SideSwitcher, SideSwitcher], *, seed: int) -> Examples: ...


@dataclass(frozen=True)
class Task:
    """One kind of pairs."""

    read: Read
    restore: Restore
    parallel: bool
    """Whether the target of a pair translates its source, so that lexicons can be aligned and judged by pairs."""
    metrics: tuple[MetricName, ...]
    """By which outputs are scored; arms are compared by the first."""


def _read_sentences(
    config: RunConfig,
    location: str,
    pair: PairSettings,
    *,
    limit: int | None = None,
    deduplicate: bool = True,
    cache_dir: Path,
) -> Corpus:
    languages = (pair.source, pair.target)
    return read_corpus(
        location, *languages, columns=pair.columns, limit=limit, deduplicate=deduplicate, cache_dir=cache_dir
    )


def _read_documents(
    config: RunConfig,
    location: str,
    pair: PairSettings,
    *,
    limit: int | None = None,
    deduplicate: bool = True,
    cache_dir: Path,
) -> Corpus:
    return read_documents(
        location,
        pair.source,
        pair.target,
        words=config.summarization.document_words,
        columns=pair.columns,
        limit=limit,
        deduplicate=deduplicate,
        cache_dir=cache_dir,
    )


TASKS: Mapping[TaskName, Task] = {
    "translation": Task(_read_sentences, restore_examples, parallel=True, metrics=("BLEU", "chrF++")),
    "summarization": Task(_read_documents, restore_passages, parallel=False, metrics=("ROUGE-1", "ROUGE-2", "ROUGE-L")),
}


def read_pair(config: RunConfig, pair: PairSettings, cache_dir: Path) -> tuple[Corpus, Corpus, Corpus]:
    """The training, validation and test corpus of a pair. Repeated pairs stay in the test set."""
    read = TASKS[config.task].read
    return (
        read(config, pair.train, pair, limit=pair.limit, cache_dir=cache_dir),
        read(config, pair.valid, pair, cache_dir=cache_dir),
        read(config, pair.test, pair, deduplicate=False, cache_dir=cache_dir),
    )
