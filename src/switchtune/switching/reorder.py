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

from switchtune.corpus.words import lower_case
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.text import Encoded

REACH = 10
"""Words further apart than this stay in their order."""
LEARNED_PAIRS = 20_000
"""Sentence pairs that are learned from, the first of the corpus."""
LONGEST_STRETCH = 200
"""Words that are put in order together; a longer sentence is divided, as time and memory grow with the square."""
_BITS = 18
_LEAST = 5
"""Occurrences that make a word a class of its own, and an ending the class of the rare words that have it."""
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
    weights: NDArray[np.float64]  # [2^18] of each feature, by its hash; above 0: the second word comes first

    def __call__(self, words: Sequence[str]) -> list[int]:
        """The positions of the words of a sentence in their new order."""
        keys = (lower_case(word, self.language) for word in words)
        found = np.array([class_of(key, self.classes) for key in keys], dtype=np.int64)
        order: list[int] = []
        for begin in range(0, len(found), LONGEST_STRETCH):
            preferences = _preferences(found[begin : begin + LONGEST_STRETCH], self.weights)
            order += (begin + _ordered(preferences)).tolist()
        return order


def class_of(key: str, classes: Mapping[str, int]) -> int:
    """The class of a word, in lower case: its own, or that of its ending."""
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


def _fitted(rows: NDArray[np.int32], swapped: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The weights of a logistic regression with a ridge penalty, by slot. rows: [examples, features], the slots"""

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = _loss(weights, rows, swapped)
        return value + _RIDGE / 2 * float(weights @ weights), slope + _RIDGE * weights

    found = minimize(loss, np.zeros(1 << _BITS), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return np.asarray(found.x)


@njit(cache=True, nogil=True)
def _loss(weights, rows, swapped):
    """Negative log likelihood of examples, and its gradient."""
    total, slope = 0.0, np.zeros_like(weights)
    for example in range(len(rows)):
        logit = 0.0
        for slot in rows[example]:
            logit += weights[slot]
        total += max(logit, 0.0) + np.log1p(np.exp(-abs(logit))) - swapped[example] * logit
        error = 1 / (1 + np.exp(-logit)) - swapped[example]
        for slot in rows[example]:
            slope[slot] += error
    return total, slope


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
            rows, swapped = np.empty((count, _FEATURES), np.int32), np.empty(count, np.bool_)
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
    """How strongly each word prefers to stand before each other one. [words, words]"""
    size = len(words)
    matrix = np.zeros((size, size))
    row = np.empty(_FEATURES, np.int32)
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
    """The order that moving single words leads to, until no such move makes it better."""
    size = len(matrix)
    order = np.arange(size)
    for _ in range(_ROUNDS):
        moved = False
        for word in range(size):
            at = 0
            while order[at] != word:
                at += 1
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
