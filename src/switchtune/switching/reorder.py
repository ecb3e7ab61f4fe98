"""The order of the words of one language as another has them, learned from aligned sentence pairs.

Of any two words near each other it is learned which of them comes first in the other language, from the words and
their neighbours; a sentence takes the order that agrees best with all of these (Tromble & Eisner, EMNLP 2009).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array

from switchtune.corpus.words import lower_case
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.text import Encoded

REACH = 10
"""Words further apart than this stay in their order."""
LEARNED_PAIRS = 20_000
"""Sentence pairs that are learned from, the first of the corpus."""
_BITS = 18
_LEAST = 5
"""Occurrences of a word from which on it is known by itself, and of an ending from which on it stands for its words."""
_ENDING = 3
"""Letters of the ending by which rare words are known."""
_OTHER, _BEGIN, _END = 0, 1, 2
_FEATURES = 19
_RIDGE = 3.0
_STEPS = 40
_ROUNDS = 10


@dataclass(frozen=True)
class Reordering:
    """Puts words of a language in the order that another has."""

    language: str
    classes: Mapping[str, int]  # Of frequent words, and of the endings ("~ing") of rare ones
    weights: NDArray[np.float64]  # [2^18] by the hash of a feature; above 0: the second word comes first

    def __call__(self, words: Sequence[str]) -> list[int]:
        """The positions of the words of a sentence in their new order."""
        found = [class_of(lower_case(word, self.language), self.classes) for word in words]
        order: list[int] = _ordered(_preferences(np.array(found, dtype=np.int64), self.weights)).tolist()
        return order


def class_of(key: str, classes: Mapping[str, int]) -> int:
    """What a word, in lower case, is known as."""
    return classes.get(key) or classes.get(f"~{key[-_ENDING:]}", _OTHER)


def learn_order(text: Encoded, language: str, alignment: Alignment) -> Reordering:
    """Learn from the sentences of a text the order that their counterparts have.

    Args:
        alignment: from the text to the counterparts, sentence by sentence.
    """
    sentences = min(len(text), LEARNED_PAIRS)
    classes = _classes(text)
    class_of_word = np.array([class_of(key, classes) for key in text.vocabulary.index] or [0], dtype=np.int64)
    last = int(alignment.starts[sentences])
    token = text.starts[alignment.pair_of_link[:last]] + alignment.source[:last]
    links = np.bincount(token, minlength=len(text.ids))
    sums = np.bincount(token, alignment.target[:last], minlength=len(text.ids))
    places = np.where(links > 0, sums / np.maximum(1, links), np.nan)
    rows, swapped = _examples(class_of_word[text.ids], text.starts[: sentences + 1], places)
    return Reordering(language, classes, _fitted(rows, swapped))


def _classes(text: Encoded) -> dict[str, int]:
    keys = list(text.vocabulary.index)
    frequent = [key for key, count in zip(keys, text.vocabulary.counts.tolist(), strict=True) if count >= _LEAST]
    endings = Counter[str]()
    for key, count in zip(keys[len(frequent) :], text.vocabulary.counts[len(frequent) :].tolist(), strict=True):
        endings[f"~{key[-_ENDING:]}"] += count
    names = [*frequent, *sorted(ending for ending, count in endings.items() if count >= _LEAST)]
    return {name: number for number, name in enumerate(names, start=_END + 1)}


def _fitted(rows: NDArray[np.int64], swapped: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of a logistic regression by the features of examples. rows: [examples, features]"""
    weights = np.zeros(1 << _BITS)
    if not len(rows):
        return weights
    used, columns = np.unique(rows, return_inverse=True)
    ends = np.arange(0, rows.size + 1, rows.shape[1])
    features = csr_array((np.ones(rows.size), columns.ravel(), ends), shape=(len(rows), len(used)))

    def loss(found: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.asarray(features @ found)
        slope = np.asarray(features.T @ (1 / (1 + np.exp(-logits)) - swapped)) + _RIDGE * found
        return float(np.sum(np.logaddexp(0, logits) - swapped * logits) + _RIDGE / 2 * found @ found), slope

    found = minimize(loss, np.zeros(len(used)), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    weights[used] = found.x
    return weights


@njit(inline="always")
def _slot(kind, first, second):
    mixed = np.uint64(1)
    for value in (kind, first, second):
        mixed = (mixed ^ np.uint64(value)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.int64(mixed & np.uint64((1 << _BITS) - 1))


@njit(cache=True, nogil=True)
def _features(words, i, j, row):
    """Write the features of the words at i and j, i < j."""
    first, second = words[i], words[j]
    before = words[i - 1] if i else _BEGIN
    after = words[j + 1] if j + 1 < len(words) else _END
    near, between = min(j - i, 3), j - i > 1
    inner_first, inner_last = (words[i + 1] if between else 0), (words[j - 1] if between else 0)
    left = min(len(words) - j, 4)
    pairs = (
        (j - i, 0), (first, near), (second, near), (first, 0), (second, 0), (first, second), (before, 0), (after, 0),
        (first, before), (second, after), (inner_first, 0), (inner_last, 0), (first, inner_first),
        (inner_last, second), (left, 0), (min(i, 3), 0), (j - i, left), (inner_first, second), (first, inner_last),
    )  # fmt: skip
    for kind in range(_FEATURES):
        row[kind] = _slot(kind, pairs[kind][0], pairs[kind][1])


@njit(cache=True, nogil=True)
def _examples(words, starts, places):
    """Features of pairs of words, and whether the second comes first; `places` are NaN where a word has none."""
    count = 0
    for fill in range(2):
        if fill:
            rows, swapped = np.empty((count, _FEATURES), np.int64), np.empty(count, np.bool_)
        number = 0
        for sentence in range(len(starts) - 1):
            begin, end = starts[sentence], starts[sentence + 1]
            for i in range(begin, end):
                for j in range(i + 1, min(end, i + REACH + 1)):
                    if places[i] < places[j] or places[i] > places[j]:
                        if fill:
                            _features(words[begin:end], i - begin, j - begin, rows[number])
                            swapped[number] = places[i] > places[j]
                        number += 1
        count = number
    return rows, swapped


@njit(cache=True, nogil=True)
def _preferences(words, weights):
    """How much each word is to come before each other. [words, words]"""
    size = len(words)
    matrix = np.zeros((size, size))
    row = np.empty(_FEATURES, np.int64)
    for i in range(size):
        for j in range(i + 1, size):
            gain = 1.0
            if j - i <= REACH:
                _features(words, i, j, row)
                gain = 0.0
                for slot in row:
                    gain -= weights[slot]
            matrix[i, j], matrix[j, i] = gain, -gain
    return matrix


@njit(cache=True, nogil=True)
def _ordered(matrix):
    """An order that no move of a single word makes better, found from the one given."""
    size = len(matrix)
    order = np.arange(size)
    for _ in range(_ROUNDS):
        moved = False
        for word in range(size):
            at = np.flatnonzero(order == word)[0]
            best, place = 1e-6, at
            gain = 0.0
            for other in range(at - 1, -1, -1):
                gain += matrix[word, order[other]]
                if gain > best:
                    best, place = gain, other
            gain = 0.0
            for other in range(at + 1, size):
                gain += matrix[order[other], word]
                if gain > best:
                    best, place = gain, other
            step = 1 if place > at else -1
            for other in range(at, place, step):
                order[other] = order[other + step]
            order[place] = word
            moved |= place != at
        if not moved:
            break
    return order
