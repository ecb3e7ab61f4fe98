"""Lexicons from the multilingual model that is to be trained: no other embeddings, and no sentence pairs.

A word's vector is the mean of its vectors in the sentences that it stands in, wherever those come from: this module
knows of the model only that it gives each word of a sentence a vector (`WordEncoder`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from switchtune.corpus.words import Words
from switchtune.lexicon import Encoded, Vocabulary, encode

Vectors: TypeAlias = NDArray[np.float32]  # [words, dimensions]

_SENTENCES_AT_ONCE = 1024


class WordEncoder(Protocol):
    """Gives the words of sentences their vectors, for each sentence an array of one row a word, float32.

    All rows have the same number of dimensions, in every language. A row of zeros says that the word has no vector.
    """

    def __call__(self, sentences: Sequence[Words], language: str) -> Sequence[Vectors]:
        """The vectors of the words of each sentence. [words, dimensions] each"""
        ...


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which words get a vector, and how much of the text is read for it."""

    min_count: int = 1
    """Words that are rarer get none."""
    occurrences: int = 50
    """Sentences are read until each word has been met so often, or as often as it occurs."""
    sentences: int = 20_000
    """So many are read at most."""


@dataclass(frozen=True, slots=True)
class WordMeans:
    """The mean vectors of a text's words, and what they were made from."""

    language: str
    vocabulary: Vocabulary
    vectors: Vectors  # [words, dimensions]
    occurrences: NDArray[np.int64]  # [words]
    """Vectors that each mean is of."""
    sentences_read: int
    uncovered: int
    """Words that are frequent enough, but had no vector in any sentence that was read."""


def word_means(
    sentences: Sequence[Words], language: str, encoder: WordEncoder, *, seed: int, sampling: Sampling = Sampling()
) -> WordMeans:
    text = encode((sentence.words for sentence in sentences), language)
    size = int(np.count_nonzero(text.vocabulary.counts >= sampling.min_count))
    chosen = choose_sentences(text, size, sampling, rng=np.random.default_rng(seed))
    sums: Vectors = np.zeros((size, 1), dtype=np.float32)
    occurrences = np.zeros(size, dtype=np.int64)
    for start in range(0, len(chosen), _SENTENCES_AT_ONCE):
        places = chosen[start : start + _SENTENCES_AT_ONCE]
        vectors = np.concatenate(encoder([sentences[place] for place in places], language))
        words = np.concatenate([text.words[text.starts[place] : text.starts[place + 1]] for place in places])
        kept = np.flatnonzero((words < size) & vectors.any(axis=1))
        words = words[kept]
        adding = csr_array((np.ones(len(kept), dtype=np.float32), (words, kept)), shape=(size, len(vectors)))
        sums = sums + adding @ vectors
        occurrences += np.bincount(words, minlength=size)
    covered = np.flatnonzero(occurrences)
    return WordMeans(
        language,
        _part(text.vocabulary, covered),
        sums[covered] / occurrences[covered, None].astype(np.float32),
        occurrences[covered],
        len(chosen),
        size - len(covered),
    )


def _part(vocabulary: Vocabulary, places: NDArray[np.intp]) -> Vocabulary:
    keys = list(vocabulary.index)
    return Vocabulary(
        tuple(vocabulary.words[place] for place in places),
        vocabulary.counts[places],
        {keys[place]: row for row, place in enumerate(places)},
    )


def choose_sentences(text: Encoded, size: int, sampling: Sampling, *, rng: np.random.Generator) -> list[int]:
    """The places of the sentences to read for the `size` most frequent words, the most needed first.

    In rounds: every word is to be met once, then twice, four times and so on. In each round the rare words come first,
    for their sentences hold the frequent ones too. A word's sentences come in random order.
    """
    order = rng.permutation(len(text))
    lengths = np.diff(text.starts)
    sentence_of_token = np.repeat(np.arange(len(text)), lengths)
    by_word = np.lexsort((order[sentence_of_token], text.words))
    sentences = sentence_of_token[by_word]
    bounds = np.searchsorted(text.words[by_word], np.arange(size + 1))
    following, ends = bounds[:-1].tolist(), bounds[1:].tolist()
    met = [0] * len(text.vocabulary)
    taken = [False] * len(text)
    chosen: list[int] = []
    wanted = 1
    while True:
        for word in reversed(range(size)):
            while met[word] < wanted and following[word] < ends[word]:
                sentence = int(sentences[following[word]])
                following[word] += 1
                if taken[sentence]:
                    continue
                if len(chosen) == sampling.sentences:
                    return chosen
                taken[sentence] = True
                chosen.append(sentence)
                for other in text.words[text.starts[sentence] : text.starts[sentence + 1]].tolist():
                    met[other] += 1
        if wanted == sampling.occurrences:
            return chosen
        wanted = min(2 * wanted, sampling.occurrences)
