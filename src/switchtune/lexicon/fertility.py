"""Word alignment by Gibbs sampling: a hidden Markov model with fertilities (Östling & Tiedemann, 2016).

It starts from links that are good already and mends what expectation maximisation gets wrong: rare words that explain
everything that is left. Counts are held for the links of the current sample alone, so memory follows the tokens.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.lexicon.hmm import MOST_WORDS, NULL_SHARE
from switchtune.lexicon.records import LexiconError
from switchtune.lexicon.text import Encoded

_SPARSE = 0.001  # Dirichlet prior of translations: a word has few of them
_FAR = 40  # Jumps wider than this count as one
_MOST_CHILDREN = 6  # Fertilities from this on count as one
_FERTILITY_PRIOR = 2.0  # A word's fertilities are smoothed by those of all words, as if so many tokens had been seen
_COUNT_BITS = 24
_LEAST_KEPT = 0.05  # Least probability of a link that is handed on


class TokenLinks(NamedTuple):
    """Target tokens, their positions in the source sentence, and probabilities; in the order of tokens."""

    token: NDArray[np.int32]  # [links]
    position: NDArray[np.int16]  # [links]
    probability: NDArray[np.float32]  # [links]


@njit(inline="always")
def _uniform(state):
    """The next of a sequence of numbers in [0, 1) (SplitMix64; Steele et al., 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    mixed = state[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return (mixed >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(inline="always")
def _find(counts, key, shift):
    """Slot of a word pair: where it stands, or the empty one (0) where it would. An entry is key and count in one."""
    mask = len(counts) - 1
    slot = np.int64((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> shift)
    while counts[slot] != 0 and counts[slot] >> _COUNT_BITS != key:
        slot = (slot + 1) & mask
    return slot


@njit(inline="always")
def _clipped(jump):
    return min(max(jump, -_FAR), _FAR) + _FAR


@njit(cache=True, nogil=True)
def _rehashed(counts, size):
    """The entries that have a count, in a table of `size` slots; and how many they are."""
    result = np.zeros(size, np.int64)
    shift = np.uint64(64 - int(np.round(np.log2(size))))
    used = 0
    for entry in counts:
        if entry & ((1 << _COUNT_BITS) - 1):
            result[_find(result, entry >> _COUNT_BITS, shift)] = entry
            used += 1
    return result, used


@njit(cache=True, nogil=True)
def _counted(pairs, links, words, null):
    """Counts of the links: word pairs, how many of them, source words, jumps."""
    source, source_starts, target, target_starts = pairs
    counts = np.zeros(1 << 16, np.int64)
    shift = np.uint64(48)
    total = np.zeros(null + 1)
    jumps = np.full(2 * _FAR + 1, 0.5)
    used = 0
    for pair in range(len(source_starts) - 1):
        if used * 2 > len(counts):
            counts, used = _rehashed(counts, len(counts) * 2)
            shift -= np.uint64(1)
        before = -1
        for token in range(target_starts[pair], target_starts[pair + 1]):
            position = links[token]
            word = null
            if position >= 0:
                word = source[source_starts[pair] + position]
                jumps[_clipped(position - before)] += 1
                before = position
            key = np.int64(word) * words + target[token] + 1
            slot = _find(counts, key, shift)
            if counts[slot] == 0:
                counts[slot] = key << _COUNT_BITS
                used += 1
            counts[slot] += 1
            total[word] += 1
        jumps[_clipped(source_starts[pair + 1] - source_starts[pair] - before)] += 1
    return counts, used, total, jumps


@njit(cache=True, nogil=True)
def _child_odds(pairs, links, null):
    """How the probability of a source word changes with one more child: P(n + 1) / P(n). [words, fertilities]"""
    source, source_starts, _, target_starts = pairs
    seen = np.zeros((null, _MOST_CHILDREN + 1))
    children = np.zeros(MOST_WORDS, np.int32)
    for pair in range(len(source_starts) - 1):
        first, width = source_starts[pair], source_starts[pair + 1] - source_starts[pair]
        children[:width] = 0
        for token in range(target_starts[pair], target_starts[pair + 1]):
            if links[token] >= 0:
                children[links[token]] += 1
        for position in range(width):
            seen[source[first + position], min(children[position], _MOST_CHILDREN)] += 1
    overall = seen.sum(axis=0) + 0.5
    overall *= _FERTILITY_PRIOR / overall.sum()
    odds = np.empty((null, _MOST_CHILDREN))
    for word in range(null):
        for count in range(_MOST_CHILDREN):
            odds[word, count] = (seen[word, count + 1] + overall[count + 1]) / (seen[word, count] + overall[count])
    return odds


@njit(cache=True, nogil=True)
def _sweep(pairs, links, counted, odds, words, scans, keep, state):
    """Draw every link anew, `scans` times a sentence; with `keep` the mean probabilities of all scans but the first."""
    source, source_starts, target, target_starts = pairs
    counts, used, total, jumps = counted
    null = len(odds)
    shift = np.uint64(64 - int(np.round(np.log2(len(counts)))))
    probability = np.empty(MOST_WORDS)
    slots = np.empty(MOST_WORDS, np.int64)
    children = np.zeros(MOST_WORDS, np.int32)
    mean = np.zeros((MOST_WORDS, MOST_WORDS), np.float32) if keep else np.zeros((0, 0), np.float32)
    room = len(target) + MOST_WORDS * MOST_WORDS if keep else 0
    kept_token = np.empty(room, np.int32)
    kept_position = np.empty(room, np.int16)
    kept_probability = np.empty(room, np.float32)
    kept = 0
    prior = _SPARSE * words
    inverse = 1 / (total + prior)
    all_jumps = jumps.sum()
    one = (np.int64(1) << _COUNT_BITS) - 1
    for pair in range(len(source_starts) - 1):
        first, width = source_starts[pair], source_starts[pair + 1] - source_starts[pair]
        start, height = target_starts[pair], target_starts[pair + 1] - target_starts[pair]
        if width == 0 or height == 0:
            continue
        if (used + height * scans) * 10 > len(counts) * 6:
            # Pairs that no link has any more still fill slots: perhaps dropping them is room enough.
            counts, used = _rehashed(counts, len(counts))
            while (used + height * scans) * 10 > len(counts) * 4:
                counts, used = _rehashed(counts, len(counts) * 2)
            shift = np.uint64(64 - int(np.round(np.log2(len(counts)))))
        children[:width] = 0
        for row in range(height):
            if links[start + row] >= 0:
                children[links[start + row]] += 1
        if keep:
            mean[:height, :width] = 0
        for scan in range(scans):
            before = -1
            for row in range(height):
                target_word = target[start + row]
                position = links[start + row]
                after = np.int64(width)
                for later in range(row + 1, height):
                    if links[start + later] >= 0:
                        after = links[start + later]
                        break
                word = null
                if position >= 0:
                    word = source[first + position]
                    children[position] -= 1
                    jumps[_clipped(position - before)] -= 1
                    jumps[_clipped(after - position)] -= 1
                    jumps[_clipped(after - before)] += 1
                    all_jumps -= 1
                counts[_find(counts, np.int64(word) * words + target_word + 1, shift)] -= 1
                total[word] -= 1
                inverse[word] = 1 / (total[word] + prior)
                for other in range(width):
                    slots[other] = _find(counts, np.int64(source[first + other]) * words + target_word + 1, shift)
                mass = 0.0
                for other in range(width):
                    candidate = source[first + other]
                    probability[other] = (
                        ((counts[slots[other]] & one) + _SPARSE)
                        * inverse[candidate]
                        * jumps[_clipped(other - before)]
                        * jumps[_clipped(after - other)]
                        * odds[candidate, min(children[other], _MOST_CHILDREN - 1)]
                    )
                    mass += probability[other]
                null_slot = _find(counts, np.int64(null) * words + target_word + 1, shift)
                by_null = ((counts[null_slot] & one) + _SPARSE) * inverse[null]
                by_null *= NULL_SHARE / (1 - NULL_SHARE) * jumps[_clipped(after - before)] * all_jumps
                if keep and scan > 0:
                    for other in range(width):
                        mean[row, other] += probability[other] / ((mass + by_null) * (scans - 1))
                draw = _uniform(state) * (mass + by_null)
                position = -1
                slot = null_slot
                word = null
                reached = 0.0
                for other in range(width):
                    reached += probability[other]
                    if draw < reached:
                        position = other
                        slot = slots[other]
                        word = source[first + other]
                        break
                links[start + row] = position
                if counts[slot] == 0:
                    counts[slot] = (np.int64(word) * words + target_word + 1) << _COUNT_BITS
                    used += 1
                counts[slot] += 1
                total[word] += 1
                inverse[word] = 1 / (total[word] + prior)
                if position >= 0:
                    children[position] += 1
                    jumps[_clipped(after - before)] -= 1
                    jumps[_clipped(position - before)] += 1
                    jumps[_clipped(after - position)] += 1
                    all_jumps += 1
                    before = position
        if keep:
            if kept + height * width > room:
                room *= 2
                kept_token = np.concatenate((kept_token, np.empty(room - kept_token.size, np.int32)))
                kept_position = np.concatenate((kept_position, np.empty(room - kept_position.size, np.int16)))
                more = np.empty(room - kept_probability.size, np.float32)
                kept_probability = np.concatenate((kept_probability, more))
            for row in range(height):
                for other in range(width):
                    if mean[row, other] >= _LEAST_KEPT:
                        kept_token[kept] = start + row
                        kept_position[kept] = other
                        kept_probability[kept] = mean[row, other]
                        kept += 1
    return (counts, used, total, jumps), (kept_token[:kept], kept_position[:kept], kept_probability[:kept])


def refine(
    source: Encoded, target: Encoded, links: NDArray[np.int32], *, sweeps: int, scans: int, seed: int
) -> TokenLinks:
    """Sample `sweeps` times over the corpus, then `scans` times each sentence, from which the probabilities are taken.

    `links` is the position in the source sentence that each target token comes from, -1 for none. [target tokens]

    Raises:
        LexiconError: the vocabularies are too large.
    """
    words, null = len(target.vocabulary), len(source.vocabulary)
    if (null + 1) * words >= 1 << (63 - _COUNT_BITS):
        raise LexiconError(
            f"{null:,} and {words:,} different words are too many to align (their product may be 550,000,000,000 at"
            " most): align part of the corpus, or a text with fewer numbers, names and misspellings."
        )
    if len(target.ids) >= 1 << _COUNT_BITS and int(target.vocabulary.counts.max()) >= 1 << _COUNT_BITS:
        raise LexiconError(
            f"A word occurs {int(target.vocabulary.counts.max()):,} times; {1 << _COUNT_BITS:,} is the most that can be"
            " counted. Align part of the corpus: some million pairs are enough for a lexicon."
        )
    pairs = (source.ids, source.starts, target.ids, target.starts)
    links = links.copy()
    counted = _counted(pairs, links, words, null)
    state = np.array([seed], dtype=np.uint64)
    for _ in range(sweeps):
        counted, _ = _sweep(pairs, links, counted, _child_odds(pairs, links, null), words, 1, False, state)
    _, kept = _sweep(pairs, links, counted, _child_odds(pairs, links, null), words, scans, True, state)
    return TokenLinks(*kept)
