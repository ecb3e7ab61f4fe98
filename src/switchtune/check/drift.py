"""Sides that drift apart: from some line on, each sentence stands beside the translation of another.

Lengths and numbers of a sentence and its translation go together. Where they do so less well than those of a sentence
and its neighbour's translation, lines are missing or doubled on one side.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from switchtune.check.records import Problem, RawCorpus

WINDOW = 100
"""Pairs over which it is judged whether the sides go together."""
_FARTHEST = 10
_CLEAR, _LOST = 0.3, 0.15
"""How much better the sides go together at another shift, from which it is taken for a drift; and the correlation below
which they do not go together at all, where elsewhere they do."""
_LEAST = 40


def drifts(raw: RawCorpus) -> Iterator[Problem]:
    """From which line on the sides are shifted, and where they have nothing to do with each other."""
    features = [_features(raw, side) for side in (0, 1)]
    there = features[0][0] * features[1][0] > 0
    if there.sum() < _LEAST:
        return
    sides = [_standardised(each) for each in features]
    shifts = [0, *(sign * far for far in range(1, _FARTHEST + 1) for sign in (1, -1))]
    agreement = np.stack([_agreement(sides[0], sides[1], shift) for shift in shifts])
    smooth = np.stack([_smoothed(each) for each in agreement])
    best = smooth.argmax(axis=0)
    shifted = (best != 0) & (smooth.max(axis=0) > smooth[0] + _CLEAR)
    for begin, end, number in _stretches(np.where(shifted, best, 0)):
        if end - begin < _LEAST:
            continue
        first, last = _edges(agreement[number] - agreement[0], begin, end)
        yield _drift(raw, first, last, shifts[number])
    overall, rest = float(agreement[0].mean()), ~shifted
    if overall < _LOST and not shifted.any():
        said = (
            "The sides do not seem to be translations of each other: long sentences do not stand beside long ones "
            f"(correlation {overall:.2f}; of translations usually over 0.6).",
            "Look at some pairs. If the files hold the same texts in another order, pair them again.",
        )
        yield raw.problem("unpaired", "error", np.arange(len(raw)), said)
    elif overall >= 2 * _LOST:
        lost = (smooth[0] < _LOST / 2) & rest
        for begin, end, _ in _stretches(lost.astype(np.int64)):
            if end - begin >= WINDOW:
                said = (
                    f"From {raw.unit} {begin + 1:,} to {end:,} the sides do not go together as elsewhere (lengths and "
                    "numbers are unrelated).",
                    "Look at these pairs; lines may be in another order on one side.",
                )
                yield raw.problem("unpaired", "warning", np.arange(begin, end), said, leave_out=True)


def _drift(raw: RawCorpus, first: int, last: int, shift: int) -> Problem:
    missing, doubled = (raw.sides[1], raw.sides[0]) if shift < 0 else (raw.sides[0], raw.sides[1])
    until = "to the end" if last == len(raw) else f"to {raw.unit} {last:,}"
    said = (
        f"From {raw.unit} {first + 1:,} {until} the sides are shifted by {abs(shift)}: each source goes with the "
        f"target {abs(shift)} {raw.unit}{'s' * (abs(shift) > 1)} {'further on' if shift > 0 else 'before'}.",
        f"Look around {raw.unit} {first + 1:,}: {missing} lacks a {raw.unit} there, or {doubled} has one too many, "
        "perhaps a blank one.",
    )
    return raw.problem("drift", "error", np.arange(first, last), said, leave_out=True)


def _features(raw: RawCorpus, side: int) -> NDArray[np.float64]:
    """[2, rows]: the logarithm of each text's length (0 where it is blank), and how many digits it has."""
    counts = [
        np.log1p([[*map(len, texts)], [sum(map(str.isdigit, text)) for text in texts]]) for _, texts in raw.side(side)
    ]
    features: NDArray[np.float64] = np.concatenate(counts, axis=1)
    return features


def _standardised(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each feature against its mean around the place, so that parts of a file in which sentences are long do not count
    as going together, and scaled to a deviation of 1.
    """
    apart = np.stack([each - _smoothed(each) for each in features])
    deviation = apart.std(axis=1, keepdims=True)
    return np.clip(apart / np.where(deviation > 0, deviation, 1), -3, 3)


def _agreement(source: NDArray[np.float64], target: NDArray[np.float64], shift: int) -> NDArray[np.float64]:
    """For each source, how well it goes with the target `shift` rows further on: on average the mean correlation."""
    count = source.shape[1]
    begin, end = max(0, -shift), min(count, count - shift)
    products = np.zeros(count)
    informative = max(int(source.std(axis=1).astype(bool).sum()), 1)
    products[begin:end] = (source[:, begin:end] * target[:, begin + shift : end + shift]).sum(axis=0) / informative
    return products


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over a window around each place."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    begins, ends = np.maximum(places - WINDOW // 2, 0), np.minimum(places + WINDOW // 2, len(values))
    means: NDArray[np.float64] = (sums[ends] - sums[begins]) / np.maximum(ends - begins, 1)
    return means


def _stretches(values: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """Where a value other than 0 stands over and over: from, to, and the value."""
    borders = np.flatnonzero(np.diff(values)) + 1
    for begin, end in zip([0, *borders.tolist()], [*borders.tolist(), len(values)], strict=True):
        if end > begin and values[begin]:
            yield begin, end, int(values[begin])


def _edges(gain: NDArray[np.float64], begin: int, end: int) -> tuple[int, int]:
    """A stretch that begins and ends where the sum of its gain is largest, within a window of where it was found."""
    low, high = max(0, begin - WINDOW), min(len(gain), end + WINDOW)
    middle = (begin + end) // 2
    before = np.cumsum(gain[low:middle][::-1])
    after = np.cumsum(gain[middle:high])
    first = middle - (int(before.argmax()) + 1 if len(before) else 0)
    last = high if high == len(gain) else middle + int(after.argmax()) + 1
    return first, last
