"""What a run trains for: how its data is read, what stage 1 restores, what the outputs are scored by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from switchtune.config.load import parse_config
from switchtune.config.run import PairSettings, RunConfig, SummarizationSettings, TaskName
from switchtune.config.training import GenerationSettings
from switchtune.corpus.control import shown
from switchtune.corpus.documents import marked, read_documents
from switchtune.corpus.read import Corpus, read_corpus, read_monolingual
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError
from switchtune.examples import Examples, restore_examples, restore_passages
from switchtune.files import adopt_files, read_json, write_json
from switchtune.scoring.metrics import MetricName


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
    """The training, validation and test corpus of a pair. Repeated pairs stay in the test set."""
    read = pair_reader(config, pair, cache_dir)
    return read(pair.train, limit=pair.limit), read(pair.valid), read(pair.test, deduplicate=False)


@dataclass(frozen=True)
class MonolingualSentences:
    """Further sentences of one of a pair's languages."""

    sentences: tuple[str, ...]
    held_out: int
    """Sentences of the file that were left out, as they stand in the validation or the test set."""

    def describe(self, language: str) -> str:
        left_out = f"; {self.held_out:,} of the validation or test set left out" * (self.held_out > 0)
        return f"{len(self.sentences):,} further sentences in {language}{left_out}"


def read_further(pair: PairSettings, held_out: Sequence[Corpus]) -> dict[str, MonolingualSentences]:
    """The monolingual text of a pair by language, without what stands in the validation and test corpora."""
    sides = {pair.source: Corpus.sources, pair.target: Corpus.targets}
    further = {}
    for language, path in pair.monolingual.items():
        known = {sentence.casefold() for corpus in held_out for sentence in sides[language](corpus)}
        lines = read_monolingual(path, language)
        kept = tuple(line for line in lines if line.casefold() not in known)
        if not kept:
            raise SwitchtuneError(
                f"{path}: all of its {len(lines):,} lines stand in the validation or the test set; nothing is left to "
                "train on. Give other text, or take the file out of `monolingual`."
            )
        further[language] = MonolingualSentences(kept, len(lines) - len(kept))
    return further


_SUMMARIZES = "summarization.json"


class _Summarizes(SummarizationSettings):
    """In the folder of a model that summarises: how documents are prepared for it, and how it is searched."""

    generation: GenerationSettings


def note_task(config: RunConfig, model: Path) -> None:
    """Have a model's folder say what `ready_to_translate` is to know of its task."""
    if config.task == "summarization":
        noted = _Summarizes(**config.summarization.model_dump(), generation=config.generation)
        write_json(model / _SUMMARIZES, noted.model_dump(mode="json"))
        adopt_files(model)


def ready_to_translate(
    model: str, lines: Sequence[str], language: str, settings: GenerationSettings | None
) -> tuple[list[str], GenerationSettings]:
    """Texts as a model takes them, and how its outputs are searched: as they stand, but for one that summarises.

    Such a model is given a document a line; of `settings` (None: what is usual) the beams alone count for it.
    """
    note = Path(model) / _SUMMARIZES
    if not note.exists():
        return list(map(shown, lines)), settings or GenerationSettings()
    content = read_json(note, remedy="Copy it from where the model came from.")
    noted, segmenter = parse_config(_Summarizes, content, origin=str(note)), word_segmenter(language)
    texts = [marked(line, language, segmenter, noted.document_words)[0] for line in lines]
    search = noted.generation
    return texts, search if settings is None else search.model_copy(update={"beams": settings.beams})
