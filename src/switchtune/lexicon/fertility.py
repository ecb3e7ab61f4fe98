"""Word alignment by Gibbs sampling: a hidden Markov model with fertilities (Östling & Tiedemann, 2016).

It starts from links that are good already and mends what expectation maximisation gets wrong: rare words that explain
everything that is left. Counts are held for the links of the current sample alone, so memory follows the tokens.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.lexicon.hmm import MOST_WORDS, NULL_SHARE
from switchtune.lexicon.records import LexiconError
from switchtune.lexicon.text import Encoded

_SPARSE = 0.001
"""Dirichlet prior of translations: a word has few of them."""
_FAR = 40
"""Jumps wider than this count as one."""
_MOST_CHILDREN = 6
"""Fertilities from this on count as one."""
_FERTILITY_PRIOR = 2.0
"""A word's fertilities are smoothed by those of all words, as if that many of its tokens had been seen."""
_COUNT_BITS = 24
_LEAST_KEPT = 0.05
"""Least probability of a link that is handed on."""


@dataclass(frozen=True)
class Links:
    """Token of the made side, place in the given sentence, probability; in the order of tokens."""

    token: NDArray[np.int32]  # [links]
    place: NDArray[np.int16]  # [links]
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
def _counted(given, given_starts, made, made_starts, links, words, null):
    """Counts of the links: word pairs, given words, jumps."""
    counts = np.zeros(1 << 16, np.int64)
    shift = np.uint64(48)
    total = np.zeros(null + 1)
    jumps = np.full(2 * _FAR + 1, 0.5)
    used = 0
    for pair in range(len(given_starts) - 1):
        if used * 2 > len(counts):
            counts, used = _rehashed(counts, len(counts) * 2)
            shift -= np.uint64(1)
        before = -1
        for token in range(made_starts[pair], made_starts[pair + 1]):
            place = links[token]
            word = null
            if place >= 0:
                word = given[given_starts[pair] + place]
                jumps[_clipped(place - before)] += 1
                before = place
            key = np.int64(word) * words + made[token] + 1
            slot = _find(counts, key, shift)
            if counts[slot] == 0:
                counts[slot] = key << _COUNT_BITS
                used += 1
            counts[slot] += 1
            total[word] += 1
        jumps[_clipped(given_starts[pair + 1] - given_starts[pair] - before)] += 1
    return counts, used, total, jumps


@njit(cache=True, nogil=True)
def _child_odds(given, given_starts, made_starts, links, null):
    """How the probability of a given word changes with one more child: P(n + 1) / P(n). [words, fertilities]"""
    seen = np.zeros((null, _MOST_CHILDREN + 1))
    children = np.zeros(MOST_WORDS, np.int32)
    for pair in range(len(given_starts) - 1):
        first, width = given_starts[pair], given_starts[pair + 1] - given_starts[pair]
        children[:width] = 0
        for token in range(made_starts[pair], made_starts[pair + 1]):
            if links[token] >= 0:
                children[links[token]] += 1
        for place in range(width):
            seen[given[first + place], min(children[place], _MOST_CHILDREN)] += 1
    overall = seen.sum(axis=0) + 0.5
    overall *= _FERTILITY_PRIOR / overall.sum()
    odds = np.empty((null, _MOST_CHILDREN))
    for word in range(null):
        for count in range(_MOST_CHILDREN):
            odds[word, count] = (seen[word, count + 1] + overall[count + 1]) / (seen[word, count] + overall[count])
    return odds


@njit(cache=True, nogil=True)
def _sweep(
    given, given_starts, made, made_starts, links, counts, used, total, jumps, odds, words, null, scans, keep, state
):
    """Draw every link anew, `scans` times a sentence; with `keep` the mean probabilities of all scans but the first.

    Returns the counts (the table may have grown) and the links kept.
    """
    shift = np.uint64(64 - int(np.round(np.log2(len(counts)))))
    probability = np.empty(MOST_WORDS)
    slots = np.empty(MOST_WORDS, np.int64)
    children = np.zeros(MOST_WORDS, np.int32)
    mean = np.zeros((MOST_WORDS, MOST_WORDS), np.float32) if keep else np.zeros((0, 0), np.float32)
    room = len(made) + MOST_WORDS * MOST_WORDS if keep else 0
    kept_token = np.empty(room, np.int32)
    kept_place = np.empty(room, np.int16)
    kept_probability = np.empty(room, np.float32)
    kept = 0
    prior = _SPARSE * words
    inverse = 1 / (total + prior)
    all_jumps = jumps.sum()
    one = (np.int64(1) << _COUNT_BITS) - 1
    for pair in range(len(given_starts) - 1):
        first, width = given_starts[pair], given_starts[pair + 1] - given_starts[pair]
        start, height = made_starts[pair], made_starts[pair + 1] - made_starts[pair]
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
                made_word = made[start + row]
                place = links[start + row]
                after = np.int64(width)
                for later in range(row + 1, height):
                    if links[start + later] >= 0:
                        after = links[start + later]
                        break
                word = null
                if place >= 0:
                    word = given[first + place]
                    children[place] -= 1
                    jumps[_clipped(place - before)] -= 1
                    jumps[_clipped(after - place)] -= 1
                    jumps[_clipped(after - before)] += 1
                    all_jumps -= 1
                counts[_find(counts, np.int64(word) * words + made_word + 1, shift)] -= 1
                total[word] -= 1
                inverse[word] = 1 / (total[word] + prior)
                for other in range(width):
                    slots[other] = _find(counts, np.int64(given[first + other]) * words + made_word + 1, shift)
                mass = 0.0
                for other in range(width):
                    candidate = given[first + other]
                    probability[other] = (
                        ((counts[slots[other]] & one) + _SPARSE)
                        * inverse[candidate]
                        * jumps[_clipped(other - before)]
                        * jumps[_clipped(after - other)]
                        * odds[candidate, min(children[other], _MOST_CHILDREN - 1)]
                    )
                    mass += probability[other]
                null_slot = _find(counts, np.int64(null) * words + made_word + 1, shift)
                by_null = ((counts[null_slot] & one) + _SPARSE) * inverse[null]
                by_null *= NULL_SHARE / (1 - NULL_SHARE) * jumps[_clipped(after - before)] * all_jumps
                if keep and scan > 0:
                    for other in range(width):
                        mean[row, other] += probability[other] / ((mass + by_null) * (scans - 1))
                draw = _uniform(state) * (mass + by_null)
                place = -1
                slot = null_slot
                word = null
                reached = 0.0
                for other in range(width):
                    reached += probability[other]
                    if draw < reached:
                        place = other
                        slot = slots[other]
                        word = given[first + other]
                        break
                links[start + row] = place
                if counts[slot] == 0:
                    counts[slot] = (np.int64(word) * words + made_word + 1) << _COUNT_BITS
                    used += 1
                counts[slot] += 1
                total[word] += 1
                inverse[word] = 1 / (total[word] + prior)
                if place >= 0:
                    children[place] += 1
                    jumps[_clipped(after - before)] -= 1
                    jumps[_clipped(place - before)] += 1
                    jumps[_clipped(after - place)] += 1
                    all_jumps += 1
                    before = place
        if keep:
            if kept + height * width > room:
                room *= 2
                kept_token = np.concatenate((kept_token, np.empty(room - kept_token.size, np.int32)))
                kept_place = np.concatenate((kept_place, np.empty(room - kept_place.size, np.int16)))
                kept_probability = np.concatenate(
                    (kept_probability, np.empty(room - kept_probability.size, np.float32))
                )
            for row in range(height):
                for other in range(width):
                    if mean[row, other] >= _LEAST_KEPT:
                        kept_token[kept] = start + row
                        kept_place[kept] = other
                        kept_probability[kept] = mean[row, other]
                        kept += 1
    return counts, used, kept_token[:kept], kept_place[:kept], kept_probability[:kept]


def refine(given: Encoded, made: Encoded, links: NDArray[np.int32], *, sweeps: int, scans: int, seed: int) -> Links:
    """Sample `sweeps` times over the corpus, then `scans` times each sentence, from which the probabilities are taken.

    `links` is the place in the given sentence that each token of `made` comes from, -1 for none. [made tokens]

    Raises:
        LexiconError: the vocabularies are too large.
    """
    words, null = len(made.vocabulary), len(given.vocabulary)
    if (null + 1) * words >= 1 << (63 - _COUNT_BITS):
        raise LexiconError(
            f"{null:,} and {words:,} different words are too many to align (their product may be 550,000,000,000 at"
            " most): align part of the corpus, or a text with fewer numbers, names and misspellings."
        )
    if len(made.words) >= 1 << _COUNT_BITS and int(made.vocabulary.counts.max()) >= 1 << _COUNT_BITS:
        raise LexiconError(
            f"A word occurs {int(made.vocabulary.counts.max()):,} times; {1 << _COUNT_BITS:,} is the most that can be"
            " counted. Align part of the corpus: some million pairs are enough for a lexicon."
        )
    arrays = (given.words, given.starts, made.words, made.starts)
    links = links.copy()
    counts, used, total, jumps = _counted(*arrays, links, words, null)
    state = np.array([seed], dtype=np.uint64)
    for number in range(sweeps + 1):
        last = number == sweeps
        odds = _child_odds(given.words, given.starts, made.starts, links, null)
        model = (links, counts, used, total, jumps, odds, words, null)
        counts, used, *kept = _sweep(*arrays, *model, scans if last else 1, last, state)
    return Links(*kept)
