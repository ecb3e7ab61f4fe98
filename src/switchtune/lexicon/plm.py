"""Lexicons from the multilingual model that is to be trained: no other embeddings, and no sentence pairs.

A word's vector is the mean of its vectors in the sentences that it stands in, wherever those come from: this module
knows of the model only that it gives each word of a sentence a vector (`WordEncoder`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from switchtune.corpus.words import Words
from switchtune.lexicon.block import NOTHING, BlockList
from switchtune.lexicon.map import (
    Dictionary,
    MapSettings,
    SelfLearning,
    map_embeddings,
    nearest_by_csls,
    normalise,
    one_thread_each,
)
from switchtune.lexicon.neighbours import neighbour_lexicons
from switchtune.lexicon.records import Lexicon, LexiconError, Unit
from switchtune.lexicon.text import Encoded, Side, Vocabulary

Vectors: TypeAlias = NDArray[np.float32]  # [words, dimensions]

REFINED = MapSettings(learning=SelfLearning(cutoff=4000, keep_initial=1.0, threshold=1e-4, patience=2, lag=True))
"""VecMap's recommendation, gently: the start is good already, so no word is left out at random to get away from it."""

_SENTENCES_AT_ONCE = 1024


class WordEncoder(Protocol):
    """Gives the words of sentences their vectors, for each sentence an array of one row a word, float32.

    All rows have the same number of dimensions, in every language. A row of zeros says that the word has no vector.
    """

    def __call__(self, sentences: Sequence[Words], language: str) -> Sequence[Vectors]:
        """The vectors of the words of each sentence. [words, dimensions] each"""
        ...


@dataclass(frozen=True, slots=True)
class PlmSettings:
    """Which words get a vector, how much of the text is read for it, and what becomes of the vectors."""

    min_count: int = 2
    """Words that are rarer have no vector."""
    occurrences: int = 50
    """Sentences are read until each word was met so often, or as often as it occurs."""
    sentences: int = 20_000
    """So many sentences of a side are read at most."""
    dropped_directions: int = 5
    """So many directions in which a side's vectors vary most are taken out, which tell little of meaning ("all-but-the-
    top", Mu and Viswanath, 2018)."""


DEFAULTS = PlmSettings()


@dataclass(frozen=True, slots=True)
class WordMeans:
    """The mean vectors of a text's words."""

    vocabulary: Vocabulary
    """The words that have a vector."""
    vectors: Vectors  # [words, dimensions]


def plm_lexicons(
    source: Side,
    target: Side,
    encoder: WordEncoder,
    *,
    k: int = 3,
    seed: int,
    settings: PlmSettings = DEFAULTS,
    farthest: bool = False,
    unit: Unit = "word",
    block: BlockList = NOTHING,
) -> tuple[Lexicon, Lexicon]:
    """Lexicons of both directions (source → target, target → source) from two texts and a model's vectors.

    The texts need not be translations of each other. Each word that has a vector gets the `k` words of the other side
    that are nearest by CSLS, which is the strength; with `farthest` (the `anti` control) the `k` least near; what is
    blocked takes no place among them. What the vectors say of the language rather than of the word is taken out before:
    each side's mean and main directions; then the sides are mapped to each other, beginning with the words that are
    each other's nearest. Everything random (which of a frequent word's sentences are read) follows from `seed`.

    Raises:
        LexiconError: a side has fewer than two words that are frequent enough and have a vector.
    """
    means = [word_means(side, encoder, seed=seed, settings=settings) for side in (source, target)]
    one, other = (
        without_main_directions(torch.from_numpy(each.vectors), settings.dropped_directions) for each in means
    )
    mapped = map_embeddings(one, other, mutually_nearest(one, other), REFINED, rng=np.random.default_rng(seed))
    return neighbour_lexicons(
        (source.language, target.language),
        (means[0].vocabulary, means[1].vocabulary),
        mapped.source,
        mapped.target,
        k=k,
        method="plm",
        farthest=farthest,
        unit=unit,
        block=block,
    )


@one_thread_each()
def without_main_directions(vectors: Tensor, dropped: int) -> Tensor:
    """The vectors' directions less their mean and the `dropped` directions in which they vary most. [words, dims]

    Fewer are taken out where there are not twice as many dimensions and words: a small matrix would be left empty.
    """
    directions = normalise(vectors, ("unit", "center")).double()
    dropped = min(dropped, min(directions.shape) // 2)
    _, basis = torch.linalg.eigh(directions.T @ directions)  # [dims, dims], the largest last
    main = basis[:, directions.shape[1] - dropped :]
    return normalise(directions - directions @ main @ main.T, ("unit",))


def mutually_nearest(source: Tensor, target: Tensor) -> Dictionary:
    """The pairs of words that are each other's nearest by CSLS: the seed dictionary that the model itself gives."""
    forward, backward = (neighbours.places[:, 0] for neighbours in nearest_by_csls(source, target, k=1))
    rows = torch.arange(len(source))
    rows = rows[backward[forward] == rows]
    return Dictionary(rows, forward[rows])


def word_means(side: Side, encoder: WordEncoder, *, seed: int, settings: PlmSettings = DEFAULTS) -> WordMeans:
    """The mean vector of each word, in lower case, over the sentences that `choose_sentences` chooses.

    Only these are cut into words and given to the encoder, a part at a time; of their vectors only sums are held.

    Raises:
        LexiconError: fewer than two words are frequent enough and have a vector.
    """
    text, language = side.text, side.language
    size = int(np.count_nonzero(text.vocabulary.counts >= settings.min_count))
    chosen = choose_sentences(text, size, settings, rng=np.random.default_rng(seed))
    sums: Vectors = np.zeros((size, 1), dtype=np.float32)  # of one column until the vectors' dimensions are known
    occurrences = np.zeros(size, dtype=np.int64)
    for start in range(0, len(chosen), _SENTENCES_AT_ONCE):
        places = chosen[start : start + _SENTENCES_AT_ONCE]
        vectors = np.concatenate(encoder([side.words(place) for place in places], language))
        words = np.concatenate([text.words[text.starts[place] : text.starts[place + 1]] for place in places])
        rows = np.flatnonzero((words < size) & vectors.any(axis=1))
        ones = np.ones(len(rows), dtype=np.float32)
        of_words: Vectors = csr_array((ones, (words[rows], rows)), shape=(size, len(vectors))) @ vectors
        sums = sums + of_words
        occurrences += np.bincount(words[rows], minlength=size)
    covered = np.flatnonzero(occurrences)
    if len(covered) < 2:
        raise LexiconError(
            f"{len(text)} sentences of {language} hold {size} words that occur at least {settings.min_count}"
            f" times, and the model has vectors of {len(covered)} of them: too little for a lexicon. Give more text,"
            " or a model that knows the language."
        )
    means = (sums[covered] / occurrences[covered, None]).astype(np.float32)
    return WordMeans(_part(text.vocabulary, covered), means)


def _part(vocabulary: Vocabulary, places: NDArray[np.intp]) -> Vocabulary:
    keys = list(vocabulary.index)
    return Vocabulary(
        words=tuple(vocabulary.words[place] for place in places),
        counts=vocabulary.counts[places],
        index={keys[place]: row for row, place in enumerate(places)},
    )


def choose_sentences(text: Encoded, size: int, settings: PlmSettings, *, rng: np.random.Generator) -> list[int]:
    """The places of the sentences to read for the vectors of the `size` most frequent words, the most needed first.

    In rounds: each word is to be met once, then twice, four times and so on up to `settings.occurrences`. In each round
    the rarest words come first, for their sentences hold frequent words too. A word's sentences come in random order.
    """
    rank = rng.permutation(len(text))
    sentence_of_token = np.repeat(np.arange(len(text)), np.diff(text.starts))
    by_word = np.lexsort((rank[sentence_of_token], text.words))
    holding = sentence_of_token[by_word]  # the sentences of word 0 in random order, those of word 1, …
    bounds = np.searchsorted(text.words[by_word], np.arange(size + 1))
    following, ends = bounds[:-1].tolist(), bounds[1:].tolist()
    met = [0] * len(text.vocabulary)
    chosen: dict[int, None] = {}
    for wanted in _doubled(settings.occurrences):
        for word in reversed(range(size)):
            while met[word] < wanted and following[word] < ends[word]:
                if len(chosen) >= settings.sentences:
                    return list(chosen)
                sentence = int(holding[following[word]])
                following[word] += 1
                if sentence not in chosen:
                    chosen[sentence] = None
                    for other in text.words[text.starts[sentence] : text.starts[sentence + 1]].tolist():
                        met[other] += 1
    return list(chosen)


def _doubled(last: int) -> Iterator[int]:
    """1, 2, 4, … and at the end `last`."""
    number = 1
    while number < last:
        yield number
        number *= 2
    yield last
