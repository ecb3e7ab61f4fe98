"""The paper's lexicon (4.1): word embeddings of each side alone, learned here or read, then mapped into one space."""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch
from gensim.models import Word2Vec
from numpy.typing import NDArray

from switchtune.config.lexicon import MapMode
from switchtune.corpus.words import lower_case
from switchtune.lexicon.block import NOTHING, BlockList
from switchtune.lexicon.files import lines_of
from switchtune.lexicon.map import (
    FAST,
    Dictionary,
    MapProgress,
    MapSettings,
    Normalisation,
    OrthogonalMapping,
    dictionary_of,
    identical_numerals,
    identical_words,
    map_embeddings,
    no_report,
    normalise,
    similar_profiles,
)
from switchtune.lexicon.neighbours import neighbour_lexicons
from switchtune.lexicon.records import Lexicon, LexiconError, Sentences, Unit
from switchtune.lexicon.text import Vocabulary, count_words

Vectors: TypeAlias = NDArray[np.float32]  # [words, dimensions]
SeedKind: TypeAlias = Literal["pairs", "identical", "numerals", "profiles"]


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to map: what the dictionary begins with, and the recipe."""

    seeds: tuple[SeedKind, ...]
    """Tried in this order: the first that gives at least 25 pairs, or else the last if it gives any."""
    mapping: MapSettings


MODES: Mapping[MapMode, Mode] = {
    "auto": Mode(("pairs", "identical", "profiles"), FAST),
    "unsupervised": Mode(("profiles",), FAST),
    "identical": Mode(("identical",), FAST),
    "numerals": Mode(("numerals",), FAST),
    "semi_supervised": Mode(("pairs",), FAST),
    "supervised": Mode(("pairs",), replace(FAST, learning=None)),
    "orthogonal": Mode(("pairs",), replace(FAST, learning=None, final=OrthogonalMapping())),
}
"""VecMap's own modes, and `auto`: the best seed that there is."""

_ENOUGH_PAIRS = 25
_NO_SEED: Mapping[SeedKind, str] = {
    "pairs": "none of the seed pairs has both its words among them. Give pairs of frequent words, or take mode auto,"
    " which needs none",
    "identical": "they have no word in common. Take mode unsupervised, or semi_supervised with seed pairs, or method"
    " align, which reads sentence pairs",
    "numerals": "they have no number in digits 0-9 in common. Take mode identical or unsupervised, or semi_supervised"
    " with seed pairs",
    "profiles": "they are too few to compare. Give more text, or take method align, which reads sentence pairs",
}


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """word2vec (Mikolov et al., 2013), skip-gram with negative sampling."""

    dimensions: int
    window: int
    """Words on either side, at most, that a word predicts."""
    negatives: int
    epochs: int
    min_count: int
    """Words that are rarer have no embedding."""


PRESETS = {
    "paper": EmbeddingSettings(dimensions=512, window=10, negatives=10, epochs=10, min_count=5),
    "small": EmbeddingSettings(dimensions=128, window=5, negatives=10, epochs=20, min_count=3),
}


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words, most frequent first, and the vector of each."""

    vocabulary: Vocabulary
    vectors: Vectors  # [words, dimensions]
    duplicates: int = 0
    """Lines of the file that repeated a word, in any casing, and were left out."""


def word_vectors(sentences: Sentences, language: str, settings: EmbeddingSettings, *, seed: int) -> WordVectors:
    """Skip-gram embeddings of the words, in lower case, that occur at least `min_count` times.

    One thread and a hash that does not change from process to process: the same text, settings and seed give the same
    vectors on the same machine, however many cores it has.

    Raises:
        LexiconError: fewer than two words are frequent enough.
    """
    vocabulary = count_words(sentences, language)
    size = int(np.count_nonzero(vocabulary.counts >= settings.min_count))
    if size < 2:
        raise LexiconError(
            f"{len(sentences)} sentences hold {size} words that occur at least {settings.min_count} times: too little"
            " text for word embeddings. Give more text, or use method align."
        )
    lower = {form: lower_case(form, language) for form in set(chain.from_iterable(sentences))}
    model = Word2Vec(
        sentences=[[lower[word] for word in sentence] for sentence in sentences],
        vector_size=settings.dimensions,
        window=settings.window,
        negative=settings.negatives,
        epochs=settings.epochs,
        min_count=settings.min_count,
        sg=1,
        seed=seed,
        workers=1,
        hashfxn=_stable_hash,
    )
    index = {word: place for word, place in vocabulary.index.items() if place < size}
    frequent = Vocabulary(vocabulary.words[:size], vocabulary.counts[:size], index)
    return WordVectors(frequent, model.wv[list(index)].astype(np.float32))


def _stable_hash(text: str) -> int:
    return zlib.crc32(text.encode())


def read_embeddings(path: Path, language: str, *, limit: int | None = 200_000) -> WordVectors:
    """The first `limit` words of a text file of word2vec or fastText (`.vec`; `.gz`, `.xz` and `.zst` are unpacked).

    One word a line, most frequent first, then the numbers of its vector, split by spaces; a first line of two numbers
    (words, dimensions) is passed over where there is one. Words are found without regard to case: of those that differ
    only in casing the first is kept, the others are counted. How often a word occurs is not known (count 0).

    Raises:
        LexiconError: the file is missing, not UTF-8, damaged or empty, or a line has another number of dimensions than
            is expected or a number that is not finite (file and line are named).
    """
    dimensions: int | None = None
    words: dict[str, str] = {}
    vectors: list[Vectors] = []
    duplicates = 0
    for number, line in enumerate(lines_of(path), 1):
        fields = line.strip(" \t").split(" ")
        if number == 1 and re.fullmatch("[0-9]+ [0-9]{1,18}", " ".join(fields)):
            dimensions = int(fields[1])
            continue
        if len(vectors) == limit:
            break
        dimensions = dimensions or len(fields) - 1
        word, vector = _parse_vector(fields, dimensions, f"{path}:{number}")
        key = lower_case(word, language)
        if key in words:
            duplicates += 1
        else:
            words[key] = word
            vectors.append(vector)
    if len(vectors) < 2:
        raise LexiconError(
            f"{path}: {len(vectors)} word vectors found, at least 2 are expected: one word a line, then its numbers,"
            " split by spaces. The file may be cut off; fetch it again."
        )
    index = {key: place for place, key in enumerate(words)}
    vocabulary = Vocabulary(tuple(words.values()), np.zeros(len(words), dtype=np.int64), index)
    return WordVectors(vocabulary, np.stack(vectors), duplicates)


def _parse_vector(fields: list[str], dimensions: int, where: str) -> tuple[str, Vectors]:
    """The word of a line and its vector. A word may hold spaces, as phrases do in some files, but no number last."""
    word, numbers = " ".join(fields[:-dimensions]), fields[-dimensions:] if dimensions else []
    if not word or not numbers or (" " in word and _is_number(fields[-dimensions - 1])):
        raise LexiconError(
            f"{where}: a word and {dimensions or 'some'} numbers are expected, found {len(fields)} fields in"
            f" {' '.join(fields)[:80]!r}. Mend the line or take it out."
        )
    try:
        with np.errstate(over="ignore"):
            vector = np.array(list(map(float, numbers)), dtype=np.float32)
    except ValueError as error:
        raise LexiconError(
            f"{where}: {dimensions} numbers are expected after the word {word[:80]!r} ({error!s:.120}). Mend it or take"
            " it out."
        ) from error
    if not np.isfinite(vector).all():
        place = int(np.argmin(np.isfinite(vector)))
        raise LexiconError(
            f"{where}: number {place + 1} of the word {word[:80]!r} is {numbers[place][:80]}; finite numbers are"
            " expected. Mend the line or take it out."
        )
    return word, vector


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class VecmapResult:
    """The lexicons of both directions, and how they came about."""

    lexicons: tuple[Lexicon, Lexicon]
    seed_kind: SeedKind
    """What the dictionary began with: given pairs, words or numerals written alike, or similarity profiles."""
    seed_pairs: int
    iterations: int


def vecmap(
    sources: Sentences,
    targets: Sentences,
    languages: tuple[str, str],
    *,
    k: int = 3,
    seed: int,
    settings: EmbeddingSettings = PRESETS["small"],
    mode: MapMode = "auto",
    mapping: MapSettings | None = None,
    seed_pairs: Sequence[tuple[str, str]] | None = None,
    embeddings: tuple[WordVectors, WordVectors] | None = None,
    farthest: bool = False,
    unit: Unit = "word",
    block: BlockList = NOTHING,
    device: str | None = None,
    on_progress: Callable[[MapProgress], None] = no_report,
) -> VecmapResult:
    """Lexicons of both directions (source → target, target → source) from two segmented, cased texts (paper 4.1).

    The texts need not be translations of each other; where `embeddings` are given they are not read. Each word that is
    frequent enough gets the `k` words of the other side that are nearest in the common space by CSLS, which is the
    strength; with `farthest` (the `anti` control) the `k` least near; what is blocked takes no place among them. `mode`
    says what the mapping begins with and how it goes on, `mapping` replaces the recipe of the mode, `seed_pairs` are
    word pairs to begin with. Everything random follows from `seed`. `device` is torch's name of one; without it CUDA's
    where there is one.

    Raises:
        LexiconError: a side has fewer than two words that are frequent enough, or the mode finds nothing to begin with.
    """
    source_side, target_side = embeddings or (
        word_vectors(sources, languages[0], settings, seed=seed),
        word_vectors(targets, languages[1], settings, seed=seed),
    )
    if source_side.vectors.shape[1] != target_side.vectors.shape[1]:
        raise LexiconError(
            f"The embeddings of {languages[0]} have {source_side.vectors.shape[1]} dimensions, those of {languages[1]}"
            f" {target_side.vectors.shape[1]}; the same number is expected. Take embeddings of one make for both."
        )
    mapping = mapping or MODES[mode].mapping
    vocabularies = (source_side.vocabulary, target_side.vocabulary)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    source, target = (
        normalise(torch.from_numpy(side.vectors).to(place), mapping.normalisation)
        for side in (source_side, target_side)
    )
    kind, start = choose_seed(mode, vocabularies, languages, (source, target), mapping.normalisation, seed_pairs)
    mapped = map_embeddings(source, target, start, mapping, rng=np.random.default_rng(seed), on_progress=on_progress)
    lexicons = neighbour_lexicons(
        languages,
        vocabularies,
        mapped.source,
        mapped.target,
        k=k,
        method="vecmap",
        farthest=farthest,
        unit=unit,
        block=block,
    )
    return VecmapResult(lexicons, kind, len(start), mapped.iterations)


def choose_seed(
    mode: MapMode,
    vocabularies: tuple[Vocabulary, Vocabulary],
    languages: tuple[str, str],
    vectors: tuple[torch.Tensor, torch.Tensor],
    normalisation: tuple[Normalisation, ...],
    pairs: Sequence[tuple[str, str]] | None = None,
) -> tuple[SeedKind, Dictionary]:
    """What the mapping begins with in this mode, and its kind; from normalised vectors.

    Raises:
        LexiconError: none of the mode's seeds gives a pair, or pairs were given to a mode that takes none.
    """
    kinds = MODES[mode].seeds
    if pairs is not None and "pairs" not in kinds:
        takers = ", ".join(name for name, other in MODES.items() if "pairs" in other.seeds)
        raise LexiconError(f"Mode {mode} takes no seed pairs, but {len(pairs)} were given. Modes that do: {takers}.")
    source, target = (vocabulary.index for vocabulary in vocabularies)
    lower = [(lower_case(one, languages[0]), lower_case(other, languages[1])) for one, other in pairs or ()]
    makers: Mapping[SeedKind, Callable[[], Dictionary]] = {
        "pairs": lambda: dictionary_of(lower, source, target),
        "identical": lambda: identical_words(source, target),
        "numerals": lambda: identical_numerals(source, target),
        "profiles": lambda: similar_profiles(*vectors, normalisation),
    }
    for kind in kinds:
        seed = makers[kind]()
        if len(seed) >= (1 if kind == kinds[-1] else _ENOUGH_PAIRS):
            device = vectors[0].device
            return kind, Dictionary(seed.source.to(device), seed.target.to(device))
    raise LexiconError(
        f"Mode {mode} has nothing to begin with: {len(source)} words of {languages[0]} and {len(target)} of"
        f" {languages[1]} have an embedding, and {_NO_SEED[kinds[-1]]}."
    )
