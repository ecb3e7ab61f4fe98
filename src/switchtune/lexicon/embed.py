"""The paper's lexicon (4.1): word embeddings of each side alone, learned here or read, then mapped into one space."""

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from switchtune.config.lexicon import MapMode
from switchtune.corpus.words import lower_case
from switchtune.lexicon.csls import normalise
from switchtune.lexicon.files import lines_of
from switchtune.lexicon.map import (
    FAST,
    PAPER,
    Dictionary,
    Mapped,
    MapSettings,
    SelfLearning,
    dictionary_of,
    identical_numerals,
    identical_words,
    map_embeddings,
    similar_profiles,
)
from switchtune.lexicon.records import LexiconError, OnStep
from switchtune.lexicon.text import Encoded, Vectors, Vocabulary, WordVectors

SeedKind: TypeAlias = Literal["pairs", "identical", "numerals", "profiles"]


class EmbeddingSettings(NamedTuple):
    """word2vec (Mikolov et al., 2013), skip-gram with negative sampling."""

    vector_size: int
    window: int  # Words on either side, at most, that a word predicts
    negative: int  # wrong words drawn for each right one
    epochs: int
    min_count: int  # Occurrences below which a word has no embedding


EMBEDDINGS = {
    "paper": EmbeddingSettings(vector_size=512, window=10, negative=10, epochs=10, min_count=5),
    "small": EmbeddingSettings(vector_size=128, window=5, negative=10, epochs=20, min_count=3),
}
"""By `lexicon.preset`."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to map: what the dictionary begins with, and the settings of the mapping."""

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
    "orthogonal": Mode(("pairs",), replace(FAST, learning=None, weighted=False)),
}
"""VecMap's own modes, and `auto`: the best seed that there is."""

SEEDS: Mapping[SeedKind, str] = {
    "pairs": "pairs of the dictionary",
    "identical": "words that both sides write alike",
    "numerals": "numerals",
    "profiles": "pairs of words with similar similarities (unsupervised)",
}
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


def map_mode(mode: MapMode, preset: Literal["small", "paper"]) -> Mode:
    """What a mode does. With preset `paper`, `auto` does as the paper's code, the others go by VecMap's schedule."""
    if preset == "small":
        return MODES[mode]
    if mode == "auto":
        return Mode(("pairs", "numerals"), PAPER)
    fast = MODES[mode].mapping
    return replace(MODES[mode], mapping=replace(fast, learning=fast.learning and SelfLearning()))


def word_vectors(text: Encoded, settings: EmbeddingSettings, *, seed: int) -> WordVectors:
    """Skip-gram embeddings of the words, in lower case, that occur at least `min_count` times; by one thread.

    Raises:
        LexiconError: fewer than two words are frequent enough.
    """
    size = int(np.count_nonzero(text.vocabulary.counts >= settings.min_count))
    if size < 2:
        raise LexiconError(
            f"{len(text)} sentences hold {size} words that occur at least {settings.min_count} times: too little"
            " text for word embeddings. Give more text, or use method align."
        )
    from gensim.models import Word2Vec  # an extra: `require_word2vec`

    keys = list(text.vocabulary.index)
    tokens = [keys[word] for word in text.ids.tolist()]
    model = Word2Vec(
        sentences=[tokens[begin:end] for begin, end in pairwise(text.starts.tolist())],
        **settings._asdict(),
        sg=1,
        seed=seed,
        workers=1,
        hashfxn=lambda word: zlib.crc32(word.encode()),  # Python's own changes from process to process
    )
    return WordVectors(text.vocabulary.part(np.arange(size)), model.wv[keys[:size]].astype(np.float32))


def read_embeddings(path: Path, language: str, *, limit: int | None = 200_000) -> WordVectors:
    """The first `limit` words of a text file of word2vec or fastText (`.vec`, plain or compressed), counts unknown (0).

    One word a line, most frequent first, then the numbers of its vector; the first line may be that of the file's
    sizes. Of words that differ only in casing the first is kept.

    Raises:
        LexiconError: the file is missing or damaged, or a line is malformed (file and line are named).
    """
    dimensions: int | None = None
    words: dict[str, str] = {}
    vectors: list[Vectors] = []
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
        if key not in words:
            words[key] = word
            vectors.append(vector)
    if len(vectors) < 2:
        raise LexiconError(
            f"{path}: {len(vectors)} word vectors found, at least 2 are expected: one word a line, then its numbers,"
            " split by spaces. The file may be cut off; fetch it again."
        )
    index = {key: row for row, key in enumerate(words)}
    vocabulary = Vocabulary(tuple(words.values()), np.zeros(len(words), dtype=np.int64), index)
    return WordVectors(vocabulary, np.stack(vectors))


def _parse_vector(fields: list[str], dimensions: int, where: str) -> tuple[str, Vectors]:
    """The word of a line and its vector. A word may hold spaces, as phrases do in some files, but no number last."""
    word, numbers = fields[:-dimensions], _numbers(fields[-dimensions:])
    with np.errstate(over="ignore"):
        vector = np.array(numbers, dtype=np.float32)
    if not any(word) or (len(word) > 1 and _numbers(word[-1:])) or not numbers or not np.isfinite(vector).all():
        raise LexiconError(
            f"{where}: a word and {dimensions or 'some'} finite numbers are expected, split by spaces; found"
            f" {len(fields)} fields in {' '.join(fields)[:80]!r}. Fix the line or remove it."
        )
    return " ".join(word), vector


def _numbers(fields: list[str]) -> list[float]:
    """The fields as numbers; none where one of them is no number."""
    try:
        return list(map(float, fields))
    except ValueError:
        return []


@dataclass(frozen=True, slots=True)
class MappedWords:
    """The word vectors of both sides in one space, and what the mapping began with."""

    mapped: Mapped
    seed_kind: SeedKind  # Given pairs, words or numerals written alike, or similarity profiles
    seed_pairs: int


def map_words(
    sides: tuple[WordVectors, WordVectors],
    languages: tuple[str, str],
    mode: Mode,
    *,
    seed: int,
    pairs: Sequence[tuple[str, str]] = (),
    on_step: OnStep = lambda step: None,
) -> MappedWords:
    """Map the word vectors of two languages into one space, on the GPU where there is one.

    `pairs` are word pairs to begin with, in any casing.

    Raises:
        LexiconError: the sides have vectors of different dimensions, or none of the mode's seeds gives a pair.
    """
    dimensions = [side.vectors.shape[1] for side in sides]
    if dimensions[0] != dimensions[1]:
        raise LexiconError(
            f"The embeddings of {languages[0]} have {dimensions[0]} dimensions, those of {languages[1]}"
            f" {dimensions[1]}; the same number is expected. Use embeddings from one source for both."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source, target = (
        normalise(torch.from_numpy(side.vectors).to(device), mode.mapping.normalisation) for side in sides
    )
    source_index, target_index = (side.vocabulary.index for side in sides)
    lower = [(lower_case(source, languages[0]), lower_case(target, languages[1])) for source, target in pairs]
    seeds: Mapping[SeedKind, Callable[[], Dictionary]] = {
        "pairs": lambda: dictionary_of(lower, source_index, target_index),
        "identical": lambda: identical_words(source_index, target_index),
        "numerals": lambda: identical_numerals(source_index, target_index),
        "profiles": lambda: similar_profiles(source, target, mode.mapping.normalisation),
    }
    for kind in mode.seeds:
        start = seeds[kind]()
        if len(start) >= (1 if kind == mode.seeds[-1] else _ENOUGH_PAIRS):
            start = Dictionary(start.source.to(device), start.target.to(device))
            rng = np.random.default_rng(seed)
            mapped = map_embeddings(source, target, start, mode.mapping, rng=rng, on_step=on_step)
            return MappedWords(mapped, kind, len(start))
    raise LexiconError(
        f"The mapping has nothing to start from: {len(source)} words of {languages[0]} and {len(target)} of"
        f" {languages[1]} have an embedding, and {_NO_SEED[mode.seeds[-1]]}."
    )
