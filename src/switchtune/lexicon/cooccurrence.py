"""Which words stand in which sentences, and how often two stand in sentences that are paired."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from switchtune.lexicon.text import Encoded

_ENTRIES_PER_BLOCK = 1 << 22
"""Sentences, summed over the words of a block of pairs, that are looked at together: they bound the memory."""


def incidence(text: Encoded) -> csr_array:
    """Which sentences hold which words, as a matrix of zeros and ones. [words, sentences]"""
    sentence = np.repeat(np.arange(len(text)), np.diff(text.starts))
    shape = (len(text.vocabulary), len(text))
    held = csr_array((np.ones(len(sentence), dtype=np.int32), (text.words, sentence)), shape=shape)
    held.sum_duplicates()
    held.data[:] = 1
    return held


def sentences_with_both(
    source: csr_array, target: csr_array, source_words: NDArray[np.integer], target_words: NDArray[np.integer]
) -> NDArray[np.int64]:
    """In how many sentence pairs the i-th source word and the i-th target word stand on their sides. [word pairs]

    `source` and `target` are the `incidence` of the two sides.
    """
    counts = np.zeros(len(source_words), dtype=np.int64)
    sizes = np.cumsum(np.diff(source.indptr)[source_words] + np.diff(target.indptr)[target_words], dtype=np.int64)
    start = 0
    while start < len(source_words):
        done = int(sizes[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(sizes, done + _ENTRIES_PER_BLOCK, side="right")))
        block, start = slice(start, end), end
        counts[block] = source[source_words[block]].multiply(target[target_words[block]]).sum(axis=1)
    return counts
