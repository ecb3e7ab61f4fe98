"""Which words stand in which sentences, and how often two stand in sentences that are paired."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from switchtune.lexicon.text import Encoded, blocks

_ENTRIES_PER_BLOCK = 1 << 22
"""Sentences, summed over the words of a block of pairs, that are looked at together."""


def incidence(text: Encoded) -> csr_array:
    """Which sentences hold which words, as a matrix of zeros and ones. [words, sentences]"""
    shape = (len(text.vocabulary), len(text))
    matrix = csr_array((np.ones(len(text.ids), dtype=np.int32), (text.ids, text.sentence_of_token)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def sentences_with_both(
    source: csr_array, target: csr_array, source_words: NDArray[np.integer], target_words: NDArray[np.integer]
) -> NDArray[np.int64]:
    """In how many sentence pairs the i-th source word and the i-th target word stand on their sides. [word pairs]

    `source` and `target` are the `incidence` of the two sides.
    """
    counts = np.zeros(len(source_words), dtype=np.int64)
    sizes = np.diff(source.indptr)[source_words] + np.diff(target.indptr)[target_words]
    for block in blocks(sizes, _ENTRIES_PER_BLOCK):
        words = slice(*block)
        counts[words] = source[source_words[words]].multiply(target[target_words[words]]).sum(axis=1)
    return counts
