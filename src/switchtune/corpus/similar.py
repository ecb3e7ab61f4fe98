"""Texts that say the same or nearly: compared without case and punctuation, by the n-grams that they share.

Which texts may be alike is found by MinHash (Broder 1997) in bands, in time linear in the text; whether they are is
then measured on the texts themselves.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import regex
from numpy.typing import NDArray

GRAM = 5
"""Letters in an n-gram."""
NEAR = 0.7
"""Share of all their n-grams that two texts have in common, from which they count as near duplicates: a sentence of
twelve words with one of them changed."""
_BANDS, _BAND = 8, 3
HASHES = _BANDS * _BAND
"""Of a signature."""
_LIKE_ENOUGH = 0.4
"""Share of equal hashes below which two texts are hardly near duplicates, and are not looked at."""
_MOST_IN_BUCKET = 40
TEXTS_AT_ONCE = 4096

_ASCII_APART = re.compile("[^a-z0-9]+")
_APART = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
Signatures = NDArray[np.uint16]
"""[texts, hashes]"""


def as_compared(text: str) -> str:
    """A text without what does not make it another: case, punctuation, spacing, and how its characters are encoded."""
    if text.isascii():  # the same, sooner
        folded = text.lower()
        return _ASCII_APART.sub(" ", folded).strip() or " ".join(folded.split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _APART.sub(" ", folded).strip() or " ".join(folded.split())


def similarity(text: str, other: str) -> float:
    """The n-grams that two texts have in common, as a share of all that they have (Jaccard); both as compared."""
    if text == other:
        return 1.0
    grams, others = _grams(text), _grams(other)
    common = len(grams & others)
    return common / (len(grams) + len(others) - common)


def _framed(text: str) -> str:
    return f" {text} ".ljust(GRAM)


def _grams(text: str) -> set[str]:
    framed = _framed(text)
    return {framed[start : start + GRAM] for start in range(len(framed) - GRAM + 1)}


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    numbers = (numbers ^ (numbers >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
    return numbers ^ (numbers >> np.uint64(29))


_FACTORS = _mixed(np.arange(1, HASHES + 1, dtype=np.uint64) * np.uint64(0xBF58476D1CE4E5B9)) | np.uint64(1)


def signatures(texts: Sequence[str]) -> Signatures:
    """MinHash of texts as compared: two texts have about as large a share of equal hashes as of common n-grams."""
    made = np.empty((len(texts), HASHES), np.uint16)
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        framed = [_framed(text) for text in texts[start : start + TEXTS_AT_ONCE]]
        letters = np.frombuffer("".join(framed).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        counts = np.array([len(text) - GRAM + 1 for text in framed])
        ends = np.cumsum(counts + GRAM - 1)
        grams = np.zeros(len(letters) - GRAM + 1, np.uint64)
        for place in range(GRAM):
            grams = grams * np.uint64(0x100000001B3) + letters[place : place + len(grams)]
        across = (ends[:-1, None] - np.arange(1, GRAM)).ravel()
        grams = _mixed(np.delete(grams, across))
        begins = np.cumsum(counts) - counts
        for number, factor in enumerate(_FACTORS):
            least = np.minimum.reduceat((grams * factor) >> np.uint64(32), begins)
            made[start : start + len(framed), number] = least.astype(np.uint16)
    return made


def _keys(signed: Signatures, band: int) -> NDArray[np.uint64]:
    keys = np.zeros(len(signed), np.uint64)
    for place in range(_BAND):
        keys <<= np.uint64(16)
        keys |= signed[:, band * _BAND + place]
    return keys


def likely_links(signed: Signatures) -> Iterator[NDArray[np.int64]]:
    """For each band, [pairs, 2]: a text and an earlier one that is probably like it."""
    for band in range(_BANDS):
        keys = _keys(signed, band)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        again = keys[1:] == keys[:-1]
        # Of millions of texts few share a band with another: what is made of those alone is small.
        later, begins = np.flatnonzero(again) + 1, np.flatnonzero(np.concatenate([[True], ~again]))
        firsts = begins[np.searchsorted(begins, later, "right") - 1]
        links = np.stack([order[later], order[firsts]], axis=1)
        yield links[_equal(signed[links[:, 0]], signed[links[:, 1]]) >= _LIKE_ENOUGH]


def _equal(signed: Signatures, others: Signatures) -> NDArray[np.float64]:
    share: NDArray[np.float64] = (signed == others).mean(axis=1)
    return share


def earlier_likenesses(signed: Signatures) -> NDArray[np.int64]:
    """For each text the earlier one that it is probably most like, -1 where there is none."""
    found, best = np.full(len(signed), -1, np.int64), np.zeros(len(signed))
    for links in likely_links(signed):
        share = _equal(signed[links[:, 0]], signed[links[:, 1]])
        better = share > best[links[:, 0]]
        found[links[better, 0]], best[links[better, 0]] = links[better, 1], share[better]
    return found


class Likenesses:
    """Some texts, as compared, to which others are compared."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = list(texts)
        self.row = {text: row for row, text in reversed([*enumerate(self.texts)]) if text}
        """By text, the first row that has it."""

    @cached_property
    def _signed(self) -> Signatures:
        return signatures(self.texts)

    @cached_property
    def _bands(self) -> list[tuple[NDArray[np.uint64], NDArray[np.int64]]]:
        keys = [_keys(self._signed, band) for band in range(_BANDS)]
        orders = [np.argsort(each, kind="stable") for each in keys]
        return [(each[order], order) for each, order in zip(keys, orders, strict=True)]

    def near(self, texts: Sequence[str], signed: Signatures) -> Iterator[tuple[int, int, float]]:
        """Which of other texts (as compared) are like one of these: its number, the row here, their similarity."""
        if not self.texts:
            return
        candidates: dict[int, set[int]] = {}
        for band, (keys, rows) in enumerate(self._bands):
            own = _keys(signed, band)
            starts, stops = np.searchsorted(keys, own, "left"), np.searchsorted(keys, own, "right")
            counts = np.minimum(stops - starts, _MOST_IN_BUCKET)
            numbers = np.repeat(np.arange(len(own)), counts)
            within = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
            alike = rows[starts[numbers] + within]
            likely = _equal(signed[numbers], self._signed[alike]) >= _LIKE_ENOUGH
            for number, row in zip(numbers[likely].tolist(), alike[likely].tolist(), strict=True):
                candidates.setdefault(number, set()).add(row)
        for number in sorted(candidates):
            if texts[number] in self.row:
                yield number, self.row[texts[number]], 1.0
                continue
            measured = [(similarity(texts[number], self.texts[row]), -row) for row in candidates[number]]
            most, row = max(measured)
            if most >= NEAR:
                yield number, -row, most
