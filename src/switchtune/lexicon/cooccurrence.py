"""Which words stand in which sentences, and how often two stand in sentences that are paired."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from switchtune.lexicon import Encoded

_PAIRS_PER_BLOCK = 4096


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
    for start in range(0, len(source_words), _PAIRS_PER_BLOCK):
        block = slice(start, start + _PAIRS_PER_BLOCK)
        counts[block] = source[source_words[block]].multiply(target[target_words[block]]).sum(axis=1)
    return counts
