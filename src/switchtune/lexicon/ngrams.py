"""A trigram language model: how likely a word is after the two before it."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.lexicon.text import Encoded

DISCOUNT = 0.75
"""Taken from every count and given to what was not seen (absolute discounting, interpolated; Ney et al., 1994)."""
MOST_TOKENS = 10_000_000
"""Words that are counted, the first of the text: memory grows with them."""
_MOST_WORDS = (1 << 21) - 3
"""Words that are told apart, the most frequent ones: the ids of three make one key of 63 bits."""
_UNSEEN = 0.1
"""What a word that was never seen gets, as a share of what discounting leaves to each word."""


class Ngrams(NamedTuple):
    """Probabilities after discounting, and the weights of the shorter histories; ids and histories are ascending."""

    unigrams: NDArray[np.float64]  # [words + 3] probability of each word, of the end, the beginning and other words
    after_one: NDArray[np.float64]  # [words + 3] weight of `unigrams` after each word
    bigram_starts: NDArray[np.int64]  # [words + 4] where the bigrams of each first word begin
    bigram_words: NDArray[np.int64]  # [bigrams] the second word
    bigrams: NDArray[np.float64]  # [bigrams]
    histories: NDArray[np.int64]  # [histories] of two words, as one number
    after_two: NDArray[np.float64]  # [histories] weight of what the second word of the history alone says
    trigram_starts: NDArray[np.int64]  # [histories + 1] where the trigrams of each history begin
    trigram_words: NDArray[np.int64]  # [trigrams] the third word
    trigrams: NDArray[np.float64]  # [trigrams]

    @property
    def end(self) -> int:
        """The id of the end of a sentence; the next two are those of its beginning and of all other words."""
        return len(self.unigrams) - 3

    def id_of(self, word: int | None) -> int:
        """The id here of a word with this id in the text; None: it does not occur there."""
        return word if word is not None and word < self.end else self.end + 2


def count_ngrams(text: Encoded) -> Ngrams:
    """The model of the sentences of a text, in which words have the ids that the text gives them."""
    end = min(len(text.vocabulary), _MOST_WORDS)
    size = end + 3
    sentences = int(np.searchsorted(text.starts, MOST_TOKENS, side="right")) - 1
    starts = text.starts[: sentences + 1]
    ids = text.ids[: starts[-1]].astype(np.int64)
    tokens = np.insert(np.where(ids < end, ids, end + 2), starts[1:], end)
    first = starts[:-1] + np.arange(sentences)
    before = np.concatenate(([end + 1], tokens[:-1]))
    before[first] = end + 1
    within = np.ones(len(tokens), dtype=np.bool_)
    within[first] = False
    two_before = np.concatenate(([0], before[:-1]))
    counts = np.bincount(tokens, minlength=size)
    rest = DISCOUNT * np.count_nonzero(counts) / len(tokens) / size if len(tokens) else 1 / size
    unigrams = np.maximum(0, counts - DISCOUNT) / max(1, len(tokens)) + np.where(counts > 0, rest, _UNSEEN * rest)
    first_words, rests, starts_of, bigram_words, bigrams = _discounted(before, tokens, size)
    after_one = np.ones(size)
    after_one[first_words] = rests
    bigram_starts = starts_of[np.searchsorted(first_words, np.arange(size + 1))]
    trigrams = _discounted((two_before * size + before)[within], tokens[within], size)
    return Ngrams(unigrams, after_one, bigram_starts, bigram_words, bigrams, *trigrams)


def _discounted(
    histories: NDArray[np.int64], words: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Distinct histories, what each leaves to the shorter one, where its words begin; the words, and probabilities."""
    ngrams, counts = np.unique(histories * size + words, return_counts=True)
    seen, which, kinds = np.unique(ngrams // size, return_inverse=True, return_counts=True)
    totals = np.bincount(which, counts, minlength=len(seen))
    starts = np.concatenate(([0], np.cumsum(kinds)))
    return seen, DISCOUNT * kinds / totals, starts, ngrams % size, (counts - DISCOUNT) / totals[which]


@njit(inline="always")
def _place(keys, start, end, key):
    """Where a key stands between two places, or -1."""
    last = end
    while start < end:
        middle = (start + end) // 2
        if keys[middle] < key:
            start = middle + 1
        else:
            end = middle
    return start if start < last and keys[start] == key else -1


@njit(cache=True, nogil=True)
def history_of(ngrams, two_before, before):
    """Two words as a history; -1 where nothing was seen after them."""
    return _place(ngrams.histories, 0, len(ngrams.histories), two_before * len(ngrams.unigrams) + before)


@njit(cache=True, nogil=True)
def log_probability(ngrams, history, before, word):
    """Natural logarithm of the probability of a word after a history, whose second word is `before`."""
    probability = ngrams.after_one[before] * ngrams.unigrams[word]
    place = _place(ngrams.bigram_words, ngrams.bigram_starts[before], ngrams.bigram_starts[before + 1], word)
    if place >= 0:
        probability += ngrams.bigrams[place]
    if history >= 0:
        probability *= ngrams.after_two[history]
        place = _place(ngrams.trigram_words, ngrams.trigram_starts[history], ngrams.trigram_starts[history + 1], word)
        if place >= 0:
            probability += ngrams.trigrams[place]
    return np.log(probability)
