"""Sides that drift apart: from some line on, each sentence stands beside the translation of another.

Lengths and numbers of a sentence and its translation go together. Where they do so less well than those of a sentence
and its neighbour's translation, lines are missing or doubled on one side.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from switchtune.check.records import Problem, RawCorpus, Severity

WINDOW = 100
"""Pairs over which it is judged whether the sides go together."""
_FARTHEST = 10
_CLEAR, _LOST = 0.3, 0.15
"""How much better the sides go together at another shift, from which it is taken for a drift; and the correlation below
which they do not go together at all, where elsewhere they do."""
_LEAST = 40
_GRAVE = 0.05
"""Share of the pairs that are shifted, from which that is an error. A stretch here and there is as in other noise."""


def drifts(raw: RawCorpus) -> Iterator[Problem]:
    """From which line on the sides are shifted, and where they have nothing to do with each other."""
    features = [_features(raw, side) for side in (0, 1)]
    there = features[0][0] * features[1][0] > 0
    if there.sum() < _LEAST:
        return
    sides = [_standardised(features.pop(0)) for _ in (0, 1)]
    straight = _agreement(sides[0], sides[1], 0)
    in_place = _smoothed(straight)
    shifts = _best_shifts(sides, in_place)
    found = [
        (*_edges(_agreement(sides[0], sides[1], shift) - straight, begin, end), shift)
        for begin, end, shift in _stretches(shifts)
        if end - begin >= _LEAST
    ]
    grave = sum(last - first for first, last, _ in found) >= _GRAVE * len(raw)
    for first, last, shift in found:
        yield _drift(raw, first, last, shift, "error" if grave else "warning")
    shifted = shifts != 0
    overall, rest = float(straight.mean()), ~shifted
    if overall < _LOST and not shifted.any():
        said = (
            "The sides do not seem to be translations of each other: long sentences do not stand beside long ones "
            f"(correlation {overall:.2f}; of translations usually over 0.6).",
            "Look at some pairs. If the files hold the same texts in another order, pair them again.",
        )
        yield raw.problem("unpaired", "error", np.arange(len(raw)), said)
    elif overall >= 2 * _LOST:
        lost = (in_place < _LOST / 2) & rest
        for begin, end, _ in _stretches(lost.astype(np.int8)):
            if end - begin >= WINDOW:
                said = (
                    f"From {raw.unit} {begin + 1:,} to {end:,} the sides do not go together as elsewhere (lengths and "
                    "numbers are unrelated).",
                    "Look at these pairs; lines may be in another order on one side.",
                )
                yield raw.problem("unpaired", "warning", np.arange(begin, end), said, leave_out=True)


def _best_shifts(sides: Sequence[NDArray[np.float32]], in_place: NDArray[np.float32]) -> NDArray[np.int8]:
    """For each source the shift at which the sides go together best, 0 where that is not clearly better than in place.

    One shift after the other, so that there are never more than a few numbers a pair.
    """
    best, most = np.zeros(len(in_place), np.int8), in_place.copy()
    for shift in (sign * far for far in range(1, _FARTHEST + 1) for sign in (1, -1)):
        smooth = _smoothed(_agreement(sides[0], sides[1], shift))
        better = smooth > most
        best[better], most[better] = shift, smooth[better]
    best[most <= in_place + _CLEAR] = 0
    return best


def _drift(raw: RawCorpus, first: int, last: int, shift: int, severity: Severity) -> Problem:
    missing, doubled = (raw.sides[1], raw.sides[0]) if shift < 0 else (raw.sides[0], raw.sides[1])
    until = "to the end" if last == len(raw) else f"to {raw.unit} {last:,}"
    said = (
        f"From {raw.unit} {first + 1:,} {until} the sides are shifted by {abs(shift)}: each source goes with the "
        f"target {abs(shift)} {raw.unit}{'s' * (abs(shift) > 1)} {'further on' if shift > 0 else 'before'}.",
        f"Look around {raw.unit} {first + 1:,}: {missing} lacks a {raw.unit} there, or {doubled} has one too many, "
        "perhaps a blank one.",
    )
    return raw.problem("drift", severity, np.arange(first, last), said, leave_out=True)


def _features(raw: RawCorpus, side: int) -> NDArray[np.float32]:
    """[2, rows]: the logarithm of each text's length (0 where it is blank), and how many digits it has."""
    features = np.empty((2, len(raw)), np.float32)
    for start, texts in raw.side(side):
        counts = [[*map(len, texts)], [sum(map(str.isdigit, text)) for text in texts]]
        features[:, start : start + len(texts)] = np.log1p(counts)
    return features


def _standardised(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each feature against its mean around the place, so that parts of a file in which sentences are long do not count
    as going together, and scaled to a deviation of 1.
    """
    apart = np.empty_like(features)
    for row, each in enumerate(features):
        around = each - _smoothed(each)
        apart[row] = np.clip(around / (around.std() or 1), -3, 3)
    return apart


def _agreement(source: NDArray[np.float32], target: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """For each source, how well it goes with the target `shift` rows further on: on average the mean correlation."""
    count = source.shape[1]
    begin, end = max(0, -shift), min(count, count - shift)
    products = np.zeros(count, np.float32)
    informative = max(int(source.std(axis=1).astype(bool).sum()), 1)
    products[begin:end] = (source[:, begin:end] * target[:, begin + shift : end + shift]).sum(axis=0) / informative
    return products


def _smoothed(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over a window around each place, mirrored at both ends."""
    means: NDArray[np.float32] = uniform_filter1d(values, WINDOW)
    return means


def _stretches(values: NDArray[np.int8]) -> Iterator[tuple[int, int, int]]:
    """Where a value other than 0 stands over and over: from, to, and the value."""
    borders = np.flatnonzero(np.diff(values)) + 1
    for begin, end in zip([0, *borders.tolist()], [*borders.tolist(), len(values)], strict=True):
        if end > begin and values[begin]:
            yield begin, end, int(values[begin])


def _edges(gain: NDArray[np.float32], begin: int, end: int) -> tuple[int, int]:
    """A stretch that begins and ends where the sum of its gain is largest, within a window of where it was found."""
    low, high = max(0, begin - WINDOW), min(len(gain), end + WINDOW)
    middle = (begin + end) // 2
    before = np.cumsum(gain[low:middle][::-1])
    after = np.cumsum(gain[middle:high])
    first = middle - (int(before.argmax()) + 1 if len(before) else 0)
    last = high if high == len(gain) else middle + int(after.argmax()) + 1
    return first, last
