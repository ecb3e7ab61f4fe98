"""Word alignment by expectation maximisation: IBM model 1 (Brown et al., 1993), then a hidden Markov model (Vogel et
al., 1996) of which both directions must agree (Liang et al., 2006).

The table of translation probabilities is hashed without keys, so that its memory has a bound whatever the vocabularies:
two word pairs that share a slot share its probability. Nearly all pairs have next to none, so that it hardly matters.
Everything is computed in a fixed order by one thread a direction: the result does not depend on the number of cores.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.lexicon.records import BuildStep, OnStep
from switchtune.lexicon.text import Encoded

MOST_WORDS = 200
"""Sentence pairs with more words than this on a side are not aligned: the work grows with the cube of their length."""

NULL_SHARE = 0.2
"""Prior probability that a word translates none of the other sentence's words."""

_FAR = 60
"""Jumps wider than this count as one."""
_PRIOR_TOKENS = 1.0
"""A word counts as if seen so often without a translation, lest rare words explain all that is unexplained."""
_FLOOR = 1e-7
"""Least translation probability."""
_CELLS_PER_BLOCK = 1 << 22
"""Token pairs whose posteriors are held at once."""
_LEAST_BITS, _MOST_BITS = 22, 27
"""Bounds of the logarithm of a table's slots."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often the corpus is passed over."""

    model1: int
    hmm: int


@njit(inline="always")
def _slot(given, made, shift):
    # Odd constants whose products spread over all bits (multiplicative hashing; Knuth, vol. 3, 6.4); without the shift
    # between the products neighbouring words would share slots.
    mixed = np.uint64(given) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(made) * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return np.int64(mixed >> shift)


@njit(inline="always")
def _clipped(jump):
    return min(max(jump, -_FAR), _FAR) + _FAR


@njit(cache=True, nogil=True)
def _model1_pass(given, given_starts, made, made_starts, table, null, inverse, expected, null_expected, total, uniform):
    """Expectation step of model 1; returns the log likelihood. `uniform` > 0 stands for the whole table."""
    shift = np.uint64(64 - int(np.round(np.log2(len(table)))))
    probability = np.empty(MOST_WORDS)
    slots = np.empty(MOST_WORDS, np.int64)
    log_likelihood = 0.0
    for pair in range(len(given_starts) - 1):
        first, length = given_starts[pair], given_starts[pair + 1] - given_starts[pair]
        if length == 0:
            continue
        share = (1 - NULL_SHARE) / length
        for token in range(made_starts[pair], made_starts[pair + 1]):
            word = made[token]
            by_null = NULL_SHARE * null[word]
            evidence = by_null
            for place in range(length):
                slots[place] = _slot(given[first + place], word, shift)
            for place in range(length):
                if uniform > 0:
                    probability[place] = share * uniform
                else:
                    probability[place] = share * max(table[slots[place]] * inverse[given[first + place]], _FLOOR)
                evidence += probability[place]
            null_expected[word] += by_null / evidence
            for place in range(length):
                posterior = probability[place] / evidence
                expected[slots[place]] += posterior
                total[given[first + place]] += posterior
            log_likelihood += math.log(evidence)
    return log_likelihood


@njit(cache=True, nogil=True)
def _hmm_pass(
    given, given_starts, made, made_starts, table, null, inverse, jumps, jumps_expected, begin, end, posterior
):
    """Posteriors of pairs `begin` to `end`, by forward and backward recursion; returns the log likelihood.

    `posterior` takes one matrix [made, given] a pair, in a row. A null state remembers the place before it.
    """
    shift = np.uint64(64 - int(np.round(np.log2(len(table)))))
    forward = np.empty((MOST_WORDS, MOST_WORDS))
    forward_null = np.empty((MOST_WORDS, MOST_WORDS))
    backward = np.empty((MOST_WORDS, MOST_WORDS))
    emission = np.empty((MOST_WORDS, MOST_WORDS))
    leave = np.empty(MOST_WORDS)
    log_likelihood = 0.0
    cell = 0
    for pair in range(begin, end):
        first, width = given_starts[pair], given_starts[pair + 1] - given_starts[pair]
        start, height = made_starts[pair], made_starts[pair + 1] - made_starts[pair]
        if width == 0 or height == 0:
            continue
        for place in range(width):
            mass = 0.0
            for other in range(width):
                mass += jumps[_clipped(other - place)]
            leave[place] = (1 - NULL_SHARE) / mass
        for row in range(height):
            for place in range(width):
                word = given[first + place]
                emission[row, place] = max(table[_slot(word, made[start + row], shift)] * inverse[word], _FLOOR)
        # Before the first word stands place -1.
        mass = 0.0
        for place in range(width):
            mass += jumps[_clipped(place + 1)]
        evidence = 0.0
        by_null = NULL_SHARE * max(null[made[start]], _FLOOR) / width
        for place in range(width):
            forward[0, place] = emission[0, place] * (1 - NULL_SHARE) * jumps[_clipped(place + 1)] / mass
            forward_null[0, place] = by_null
            evidence += forward[0, place] + by_null
        for place in range(width):
            forward[0, place] /= evidence
            forward_null[0, place] /= evidence
        log_likelihood += math.log(evidence)
        for row in range(1, height):
            by_null = NULL_SHARE * max(null[made[start + row]], _FLOOR)
            evidence = 0.0
            for place in range(width):
                forward[row, place] = 0.0
            for before in range(width):
                weight = forward[row - 1, before] + forward_null[row - 1, before]
                forward_null[row, before] = weight * by_null
                evidence += forward_null[row, before]
                weight *= leave[before]
                if weight > 1e-12:
                    for place in range(width):
                        forward[row, place] += weight * jumps[_clipped(place - before)]
            for place in range(width):
                forward[row, place] *= emission[row, place]
                evidence += forward[row, place]
            for place in range(width):
                forward[row, place] /= evidence
                forward_null[row, place] /= evidence
            log_likelihood += math.log(evidence)
        for place in range(width):
            backward[height - 1, place] = 1.0
        for row in range(height - 1, -1, -1):
            mass = 0.0
            for place in range(width):
                mass += (forward[row, place] + forward_null[row, place]) * backward[row, place]
            for place in range(width):
                posterior[cell + row * width + place] = forward[row, place] * backward[row, place] / mass
            if row == 0:
                break
            by_null = NULL_SHARE * max(null[made[start + row]], _FLOOR)
            for place in range(width):
                emission[row, place] *= backward[row, place]
            scale = 0.0
            for before in range(width):
                onward = 0.0
                for place in range(width):
                    onward += jumps[_clipped(place - before)] * emission[row, place]
                backward[row - 1, before] = onward * leave[before] + by_null * backward[row, before]
                scale += backward[row - 1, before]
            mass = 0.0
            for before in range(width):
                mass += (forward[row - 1, before] + forward_null[row - 1, before]) * backward[row - 1, before]
            for before in range(width):
                weight = (forward[row - 1, before] + forward_null[row - 1, before]) * leave[before] / mass
                if weight > 1e-6:
                    for place in range(width):
                        jump = _clipped(place - before)
                        jumps_expected[jump] += weight * jumps[jump] * emission[row, place]
            for before in range(width):
                backward[row - 1, before] *= width / scale
        cell += width * height
    return log_likelihood


@njit(cache=True, nogil=True)
def _agreed_counts(given, given_starts, made, made_starts, expected, null_expected, total, begin, end, own, other):
    """Add the product of both directions' posteriors to the expected counts (Liang et al., 2006, eq. 6)."""
    shift = np.uint64(64 - int(np.round(np.log2(len(expected)))))
    cell = 0
    for pair in range(begin, end):
        first, width = given_starts[pair], given_starts[pair + 1] - given_starts[pair]
        start, height = made_starts[pair], made_starts[pair + 1] - made_starts[pair]
        for row in range(height):
            word = made[start + row]
            explained = 0.0
            for place in range(width):
                agreed = own[cell + row * width + place] * other[cell + place * height + row]
                if agreed > 1e-5:
                    expected[_slot(given[first + place], word, shift)] += agreed
                    total[given[first + place]] += agreed
                    explained += agreed
            null_expected[word] += max(0.0, 1 - explained)
        cell += width * height


@njit(cache=True, nogil=True)
def _best_places(given_starts, made_starts, begin, end, posterior, least, links):
    """The place most probable for each token, or -1 where none has a probability of `least`."""
    cell = 0
    for pair in range(begin, end):
        width = given_starts[pair + 1] - given_starts[pair]
        for token in range(made_starts[pair], made_starts[pair + 1]):
            links[token] = -1
            highest = least
            for place in range(width):
                if posterior[cell + place] >= highest:
                    highest = posterior[cell + place]
                    links[token] = place
            cell += width


class Direction:
    """One direction's model: the words of `given` make those of `made`."""

    def __init__(self, given: Encoded, made: Encoded, bits: int) -> None:
        self.given, self.made = given, made
        self.arrays = (given.words, given.starts, made.words, made.starts)
        self.table = np.zeros(1 << bits, dtype=np.float32)
        self.expected = np.zeros(1 << bits, dtype=np.float32)
        self.total = np.zeros(len(given.vocabulary))
        self.inverse = np.ones(len(given.vocabulary))
        words = len(made.vocabulary)
        self.null = np.full(words, 1 / words)
        self.null_expected = np.zeros(words)
        distance = np.abs(np.arange(-_FAR, _FAR + 1) - 1)  # from the jump to the next word
        self.jumps = 1 / (1 + distance) ** 2 + 1e-3
        self.jumps_expected = np.zeros(2 * _FAR + 1)
        self.links = np.full(len(made.words), -1, dtype=np.int32)
        """Place in the given sentence that each token comes from; -1 for none. [made tokens]"""

    def model1(self, *, first: bool) -> float:
        """One pass of model 1; the log likelihood before it. The `first` begins with uniform probabilities."""
        uniform = 1 / len(self.made.vocabulary) if first else 0.0
        likelihood: float = _model1_pass(
            *self.arrays, self.table, self.null, self.inverse, self.expected, self.null_expected, self.total, uniform
        )
        self.update()
        return likelihood

    def posteriors(self, begin: int, end: int, cells: int) -> tuple[NDArray[np.float32], float]:
        """Posteriors of some pairs, a matrix [made, given] each, flat; and their log likelihood."""
        posterior = np.empty(cells, dtype=np.float32)
        likelihood: float = _hmm_pass(
            *self.arrays, self.table, self.null, self.inverse, self.jumps, self.jumps_expected, begin, end, posterior
        )
        return posterior, likelihood

    def count(self, begin: int, end: int, own: NDArray[np.float32], other: NDArray[np.float32]) -> None:
        """Add what both directions agree on to the expected counts."""
        arrays = (*self.arrays, self.expected, self.null_expected, self.total)
        _agreed_counts(*arrays, begin, end, own, other)

    def link(self, begin: int, end: int, own: NDArray[np.float32], least: float) -> None:
        """Set the links of some pairs."""
        _best_places(self.given.starts, self.made.starts, begin, end, own, least, self.links)

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


def train(
    source: Encoded, target: Encoded, schedule: Schedule, *, least: float, pool: ThreadPoolExecutor, on_step: OnStep
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Links of both directions by the best posterior: each target token's source place, each source token's target
    place, or -1 where none reaches `least`. No side may hold more than `MOST_WORDS` words in a sentence."""
    sizes = np.diff(source.starts) * np.diff(target.starts)
    bits = table_bits(int(sizes.sum()))
    directions = (Direction(source, target, bits), Direction(target, source, bits))
    tokens = len(source.words) + len(target.words)
    passes = schedule.model1 + schedule.hmm
    for number in range(schedule.model1):
        likelihoods = pool.map(lambda direction, first=number == 0: direction.model1(first=first), directions)
        on_step(BuildStep("model 1", number + 1, passes, f"log likelihood {sum(likelihoods) / tokens:.3f}"))
    blocks = _blocks(sizes)
    for number in range(schedule.hmm):
        last = number + 1 == schedule.hmm
        likelihood = 0.0
        for begin, end, cells in blocks:
            found = list(pool.map(lambda side, block=(begin, end, cells): side.posteriors(*block), directions))
            likelihood += sum(each for _, each in found)
            own = [posterior for posterior, _ in found]
            if last:
                for direction, posterior in zip(directions, own, strict=True):
                    direction.link(begin, end, posterior, least)
            else:
                list(
                    pool.map(
                        lambda side, mine, others, block=(begin, end): side.count(*block, mine, others),
                        directions,
                        own,
                        own[::-1],
                    )
                )
        if not last:
            for direction in directions:
                direction.update()
        on_step(BuildStep("HMM", schedule.model1 + number + 1, passes, f"log likelihood {likelihood / tokens:.3f}"))
    return directions[0].links, directions[1].links


def _blocks(sizes: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Consecutive pairs, cut where their token pairs would exceed `_CELLS_PER_BLOCK`: begin, end, token pairs."""
    ends = np.cumsum(sizes)
    blocks, begin = [], 0
    while begin < len(sizes):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _CELLS_PER_BLOCK, side="right")))
        blocks.append((begin, end, int(ends[end - 1]) - done))
        begin = end
    return blocks
