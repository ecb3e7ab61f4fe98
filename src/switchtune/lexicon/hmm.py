"""Word alignment by expectation maximisation: IBM model 1 (Brown et al., 1993), then a hidden Markov model (Vogel et
al., 1996) of which both directions must agree (Liang et al., 2006).

The table of translation probabilities is hashed without keys, so that its memory has a bound whatever the vocabularies:
two word pairs that share a slot share its probability. Nearly all pairs have next to none, so that it hardly matters.
Everything is computed in a fixed order by one thread a direction: the result does not depend on the number of cores.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.lexicon.records import BuildStep, OnStep
from switchtune.lexicon.text import Bounds, Encoded, blocks

MOST_WORDS = 200
"""Sentence pairs with more words than this on a side are not aligned: the work grows with the cube of their length."""

NULL_SHARE = 0.2  # Prior probability that a word translates none of the other sentence's words
_FAR = 60  # Jumps wider than this count as one
_PRIOR_TOKENS = 1.0  # A word counts as if seen so often untranslated, lest rare words explain all that is unexplained
_FLOOR = 1e-7  # Least translation probability
_CELLS_PER_BLOCK = 1 << 22  # Token pairs whose posteriors are held at once
_LEAST_BITS, _MOST_BITS = 22, 27  # Bounds of the logarithm of a table's slots


@njit(inline="always")
def _slot(source, target, shift):
    # Odd constants whose products spread over all bits (multiplicative hashing; Knuth, vol. 3, 6.4); without the shift
    # between the products neighbouring words would share slots.
    mixed = np.uint64(source) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(target) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64(mixed >> shift)


@njit(inline="always")
def _clipped(jump):
    return min(max(jump, -_FAR), _FAR) + _FAR


@njit(cache=True, nogil=True)
def _model1_pass(pairs, table, null, inverse, expected, null_expected, total, uniform):
    """Expectation step of model 1; returns the log likelihood. `uniform` > 0 stands for the whole table."""
    source, source_starts, target, target_starts = pairs
    shift = np.uint64(64 - int(np.round(np.log2(len(table)))))
    probability = np.empty(MOST_WORDS)
    slots = np.empty(MOST_WORDS, np.int64)
    log_likelihood = 0.0
    for pair in range(len(source_starts) - 1):
        first, length = source_starts[pair], source_starts[pair + 1] - source_starts[pair]
        if length == 0:
            continue
        share = (1 - NULL_SHARE) / length
        for token in range(target_starts[pair], target_starts[pair + 1]):
            word = target[token]
            by_null = NULL_SHARE * null[word]
            evidence = by_null
            for position in range(length):
                slots[position] = _slot(source[first + position], word, shift)
            for position in range(length):
                if uniform > 0:
                    probability[position] = share * uniform
                else:
                    believed = table[slots[position]] * inverse[source[first + position]]
                    probability[position] = share * max(believed, _FLOOR)
                evidence += probability[position]
            null_expected[word] += by_null / evidence
            for position in range(length):
                posterior = probability[position] / evidence
                expected[slots[position]] += posterior
                total[source[first + position]] += posterior
            log_likelihood += math.log(evidence)
    return log_likelihood


@njit(cache=True, nogil=True)
def _hmm_pass(pairs, block, table, null, inverse, jumps, jumps_expected, posterior):
    """Posteriors ([target, source] a pair, in a row) by forward and backward recursion; returns the log likelihood."""
    source, source_starts, target, target_starts = pairs
    shift = np.uint64(64 - int(np.round(np.log2(len(table)))))
    forward = np.empty((MOST_WORDS, MOST_WORDS))
    forward_null = np.empty((MOST_WORDS, MOST_WORDS))
    backward = np.empty((MOST_WORDS, MOST_WORDS))
    emission = np.empty((MOST_WORDS, MOST_WORDS))
    leave = np.empty(MOST_WORDS)
    log_likelihood = 0.0
    cell = 0
    for pair in range(block[0], block[1]):
        first, width = source_starts[pair], source_starts[pair + 1] - source_starts[pair]
        start, height = target_starts[pair], target_starts[pair + 1] - target_starts[pair]
        if width == 0 or height == 0:
            continue
        for position in range(width):
            mass = 0.0
            for other in range(width):
                mass += jumps[_clipped(other - position)]
            leave[position] = (1 - NULL_SHARE) / mass
        for row in range(height):
            for position in range(width):
                word = source[first + position]
                emission[row, position] = max(table[_slot(word, target[start + row], shift)] * inverse[word], _FLOOR)
        # Before the first word stands position -1.
        mass = 0.0
        for position in range(width):
            mass += jumps[_clipped(position + 1)]
        evidence = 0.0
        by_null = NULL_SHARE * max(null[target[start]], _FLOOR) / width
        for position in range(width):
            forward[0, position] = emission[0, position] * (1 - NULL_SHARE) * jumps[_clipped(position + 1)] / mass
            forward_null[0, position] = by_null
            evidence += forward[0, position] + by_null
        for position in range(width):
            forward[0, position] /= evidence
            forward_null[0, position] /= evidence
        log_likelihood += math.log(evidence)
        for row in range(1, height):
            by_null = NULL_SHARE * max(null[target[start + row]], _FLOOR)
            evidence = 0.0
            for position in range(width):
                forward[row, position] = 0.0
            for before in range(width):
                weight = forward[row - 1, before] + forward_null[row - 1, before]
                forward_null[row, before] = weight * by_null
                evidence += forward_null[row, before]
                weight *= leave[before]
                if weight > 1e-12:
                    for position in range(width):
                        forward[row, position] += weight * jumps[_clipped(position - before)]
            for position in range(width):
                forward[row, position] *= emission[row, position]
                evidence += forward[row, position]
            for position in range(width):
                forward[row, position] /= evidence
                forward_null[row, position] /= evidence
            log_likelihood += math.log(evidence)
        for position in range(width):
            backward[height - 1, position] = 1.0
        for row in range(height - 1, -1, -1):
            mass = 0.0
            for position in range(width):
                mass += (forward[row, position] + forward_null[row, position]) * backward[row, position]
            for position in range(width):
                posterior[cell + row * width + position] = forward[row, position] * backward[row, position] / mass
            if row == 0:
                break
            by_null = NULL_SHARE * max(null[target[start + row]], _FLOOR)
            for position in range(width):
                emission[row, position] *= backward[row, position]
            scale = 0.0
            for before in range(width):
                onward = 0.0
                for position in range(width):
                    onward += jumps[_clipped(position - before)] * emission[row, position]
                backward[row - 1, before] = onward * leave[before] + by_null * backward[row, before]
                scale += backward[row - 1, before]
            mass = 0.0
            for before in range(width):
                mass += (forward[row - 1, before] + forward_null[row - 1, before]) * backward[row - 1, before]
            for before in range(width):
                weight = (forward[row - 1, before] + forward_null[row - 1, before]) * leave[before] / mass
                if weight > 1e-6:
                    for position in range(width):
                        jump = _clipped(position - before)
                        jumps_expected[jump] += weight * jumps[jump] * emission[row, position]
            for before in range(width):
                backward[row - 1, before] *= width / scale
        cell += width * height
    return log_likelihood


@njit(cache=True, nogil=True)
def _agreed_counts(pairs, block, expected, null_expected, total, posterior, reverse_posterior):
    """Add the product of both directions' posteriors to the expected counts (Liang et al., 2006, eq. 6)."""
    source, source_starts, target, target_starts = pairs
    shift = np.uint64(64 - int(np.round(np.log2(len(expected)))))
    cell = 0
    for pair in range(block[0], block[1]):
        first, width = source_starts[pair], source_starts[pair + 1] - source_starts[pair]
        start, height = target_starts[pair], target_starts[pair + 1] - target_starts[pair]
        for row in range(height):
            word = target[start + row]
            explained = 0.0
            for position in range(width):
                agreed = posterior[cell + row * width + position] * reverse_posterior[cell + position * height + row]
                if agreed > 1e-5:
                    expected[_slot(source[first + position], word, shift)] += agreed
                    total[source[first + position]] += agreed
                    explained += agreed
            null_expected[word] += max(0.0, 1 - explained)
        cell += width * height


@njit(cache=True, nogil=True)
def _best_positions(source_starts, target_starts, block, posterior, least, links):
    """The position most probable for each token, or -1 where none has a probability of `least`."""
    cell = 0
    for pair in range(block[0], block[1]):
        width = source_starts[pair + 1] - source_starts[pair]
        for token in range(target_starts[pair], target_starts[pair + 1]):
            links[token] = -1
            highest = least
            for position in range(width):
                if posterior[cell + position] >= highest:
                    highest = posterior[cell + position]
                    links[token] = position
            cell += width


class Direction:
    """One direction's model: each target word is made by a source word."""

    def __init__(self, source: Encoded, target: Encoded, bits: int) -> None:
        self.source, self.target = source, target
        self.pairs = (source.ids, source.starts, target.ids, target.starts)
        self.table = np.zeros(1 << bits, dtype=np.float32)
        self.expected = np.zeros(1 << bits, dtype=np.float32)
        self.total = np.zeros(len(source.vocabulary))
        self.inverse = np.ones(len(source.vocabulary))
        words = len(target.vocabulary)
        self.null = np.full(words, 1 / words)
        self.null_expected = np.zeros(words)
        distance = np.abs(np.arange(-_FAR, _FAR + 1) - 1)  # from the jump to the next word
        self.jumps = 1 / (1 + distance) ** 2 + 1e-3
        self.jumps_expected = np.zeros(2 * _FAR + 1)
        self.links = np.full(len(target.ids), -1, dtype=np.int32)
        """Position in the source sentence that each token comes from; -1 for none. [target tokens]"""

    def model1(self, *, first: bool) -> float:
        """One pass of model 1; the log likelihood before it. The `first` begins with uniform probabilities."""
        uniform = 1 / len(self.target.vocabulary) if first else 0.0
        likelihood: float = _model1_pass(
            self.pairs, self.table, self.null, self.inverse, self.expected, self.null_expected, self.total, uniform
        )
        self.update()
        return likelihood

    def posteriors(self, block: Bounds) -> tuple[NDArray[np.float32], float]:
        """Posteriors of some pairs, a matrix [target, source] each, flat; and their log likelihood."""
        cells = (self.source.lengths[slice(*block)] * self.target.lengths[slice(*block)]).sum()
        posterior = np.empty(cells, dtype=np.float32)
        likelihood: float = _hmm_pass(
            self.pairs, block, self.table, self.null, self.inverse, self.jumps, self.jumps_expected, posterior
        )
        return posterior, likelihood

    def count(self, block: Bounds, posterior: NDArray[np.float32], reverse_posterior: NDArray[np.float32]) -> None:
        """Add what both directions agree on to the expected counts."""
        counts = (self.expected, self.null_expected, self.total)
        _agreed_counts(self.pairs, block, *counts, posterior, reverse_posterior)

    def update(self) -> None:
        """Maximisation step: what was expected becomes what is believed."""
        self.table, self.expected = self.expected, self.table
        self.expected[:] = 0
        self.inverse = 1 / (self.total + _PRIOR_TOKENS)
        self.null = (self.null_expected + 0.01) / (self.null_expected.sum() + 0.01 * len(self.null))
        self.total[:] = 0
        self.null_expected[:] = 0
        if self.jumps_expected.any():
            self.jumps = (self.jumps_expected + 0.5) / (self.jumps_expected + 0.5).sum() + 1e-5
            self.jumps_expected[:] = 0


def table_bits(cells: int) -> int:
    """Logarithm of the slots of the table for a corpus of so many token pairs; at most 512 MB a table."""
    return min(_MOST_BITS, max(_LEAST_BITS, 1 + math.ceil(math.log2(max(1, cells)))))


def train_directions(
    source: Encoded,
    target: Encoded,
    passes: tuple[int, int],
    *,
    least: float,
    pool: ThreadPoolExecutor,
    on_step: OnStep,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Links of both directions by the best posterior: each target token's source position, each source token's target
    position, or -1 where none reaches `least`. No side may hold more than `MOST_WORDS` words in a sentence. `passes`
    over the corpus are of model 1 and of the hidden Markov model."""
    cells = source.lengths * target.lengths
    bits = table_bits(int(cells.sum()))
    directions = (Direction(source, target, bits), Direction(target, source, bits))
    tokens = len(source.ids) + len(target.ids)
    total = sum(passes)
    for number in range(1, passes[0] + 1):
        likelihoods = pool.map(lambda direction, first=number == 1: direction.model1(first=first), directions)
        on_step(BuildStep("model 1", number, total, f"log likelihood {sum(likelihoods) / tokens:.3f}"))
    for number in range(passes[0] + 1, total + 1):
        likelihood = 0.0
        for block in blocks(cells, _CELLS_PER_BLOCK):
            of_block = list(pool.map(lambda direction, block=block: direction.posteriors(block), directions))
            likelihood += sum(of_direction for _, of_direction in of_block)
            (forward, _), (backward, _) = of_block
            if number == total:
                for direction, posterior in zip(directions, (forward, backward), strict=True):
                    starts = (direction.source.starts, direction.target.starts)
                    _best_positions(*starts, block, posterior, least, direction.links)
            else:
                list(pool.map(Direction.count, directions, (block, block), (forward, backward), (backward, forward)))
        if number < total:
            directions[0].update()
            directions[1].update()
        on_step(BuildStep("HMM", number, total, f"log likelihood {likelihood / tokens:.3f}"))
    return directions[0].links, directions[1].links
