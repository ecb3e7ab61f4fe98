"""Documents with their summaries: cut to so many words, the ends of their sentences marked (paper 3.3, 5.4)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from sentencex import segment

from switchtune.corpus.cache import cached_table, write_pairs
from switchtune.corpus.control import control, shown
from switchtune.corpus.read import Corpus, Location, read_corpus
from switchtune.corpus.words import Segmenter, word_segmenter
from switchtune.files import fingerprint

SENTENCE_END = control("</s>")
"""What stands between two sentences of a document: the end token of every family's tokenizer."""

_BETWEEN = f" {SENTENCE_END} "


def sentences_of(passage: str, language: str) -> list[str]:
    """The sentences of a passage by sentencex's rules for the language; a line break ends one too."""
    stripped = (sentence.strip() for line in passage.splitlines() for sentence in segment(language, line))
    return [sentence for sentence in stripped if sentence]


def document_sentences(document: str) -> list[str]:
    """The sentences of a document of `read_documents`."""
    return document.split(_BETWEEN)


def each_sentence(document: str, change: Callable[[str], str]) -> str:
    """A document of `read_documents` with each of its sentences changed."""
    return _BETWEEN.join(map(change, document_sentences(document)))


def with_end_marks(document: str, language: str, segmenter: Segmenter, words: int) -> tuple[str, bool]:
    """The first `words` words of a document, its sentences with `SENTENCE_END` between them; whether it was cut."""
    document = shown(document)
    units = segmenter.split(document)
    cut = len(units.words) > words
    if cut:
        kept = zip(units.gaps[:words], units.words[:words], strict=True)
        document = "".join(chain.from_iterable(kept))
    return _BETWEEN.join(sentences_of(document, language)), cut


def read_documents(
    location: Location,
    source_language: str,
    target_language: str,
    *,
    words: int,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    deduplicate: bool = True,
    cache_dir: Path | None = None,
) -> Corpus:
    """Read documents of one language with their summaries in another, as `read_corpus` reads pairs.

    Sources are cut to `words` words, as the language's segmenter counts them, the ends of their sentences marked. The
    corpus's origin says how many were cut.
    """
    read = read_corpus(
        location,
        source_language,
        target_language,
        columns=columns,
        limit=limit,
        deduplicate=deduplicate,
        keep_lines=True,
        cache_dir=cache_dir,
    )
    segmenter = word_segmenter(source_language)

    def write(path: Path) -> dict[str, int]:
        cut = 0

        def pairs() -> Iterator[tuple[str, str]]:
            nonlocal cut
            for pair in read:
                document, shortened = with_end_marks(pair.source, source_language, segmenter, words)
                cut += shortened
                yield document, " ".join(pair.target.split("\n"))

        write_pairs(path, pairs())
        return {"cut": cut}

    noted, table = cached_table(fingerprint(["documents", 4, read.fingerprint(), words]), write, cache_dir)
    origin = f"{read.origin} ({noted['cut']:,} of {len(read):,} documents cut to {words:,} words)"
    return replace(read, table=table, origin=origin)
