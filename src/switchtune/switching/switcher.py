"""Code-switching: spans of words replaced by translations (paper 4.2). The drawing, `draw`, is compiled."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain
from typing import Protocol, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import pdtr

from switchtune.config.switching import LEAST_MEAN_SPAN
from switchtune.corpus.words import Segmenter, capitalised, upper_case
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.records import UNDETERMINED, Lexicon

Replacements: TypeAlias = Callable[[str], Sequence[str]]  # What a word may become; empty where it cannot be replaced
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LONGEST_MEAN_SPAN = 10_000.0  # In words. A larger mean is taken for this one: it exceeds any sentence
WORDS_REMEMBERED = 1 << 16  # Words whose replacements are kept at hand


@dataclass(frozen=True, slots=True)
class Switched:
    """A sentence after switching."""

    words: tuple[str, ...]  # All words, replaced or not
    positions: tuple[int, ...]  # Positions of the replaced words, ascending
    replaceable: int  # Words that have a replacement
    requested_rate: float

    @property
    def realised_rate(self) -> float:
        """Share of the words that were replaced; 0 for a sentence without words."""
        return len(self.positions) / len(self.words) if self.words else 0.0


@njit(inline="always")
def _mixed(number: np.uint64) -> np.uint64:
    # splitmix64 (Steele et al., 2014, fig. 17): each step of a stream is the mixture of the next multiple of _GOLDEN.
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@njit(inline="always")
def _unit(number: np.uint64) -> float:
    return np.int64(number >> np.uint64(11)) * (1.0 / (1 << 53))


@njit(inline="always")
def _below(number: np.uint64, bound: int) -> np.int64:
    return np.int64(((number >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def _keys(seed: np.uint64, examples: NDArray[np.uint64]) -> NDArray[np.uint64]:
    keys = np.empty(len(examples), np.uint64)
    for row in range(len(examples)):
        key = _mixed(seed + _GOLDEN)
        for number in examples[row]:
            key = _mixed(key + number + _GOLDEN)
        keys[row] = key
    return keys


@njit(cache=True, nogil=True)
def _draw(
    counts: NDArray[np.int32],
    starts: NDArray[np.int64],
    keys: NDArray[np.uint64],
    rate: float,
    span_lengths: NDArray[np.float64],
) -> NDArray[np.int32]:
    drawn = np.full(len(counts), -1, np.int32)
    for sentence in range(len(keys)):
        begin, end = starts[sentence], starts[sentence + 1]
        replaceable = 0
        for position in range(begin, end):
            replaceable += int(counts[position] > 0)
        stream = keys[sentence] + _GOLDEN
        wanted = min(int(rate * (end - begin) + _unit(_mixed(stream))), replaceable)
        while wanted > 0:
            stream += _GOLDEN
            passed_over = _below(_mixed(stream), replaceable)
            position = begin
            while counts[position] == 0 or drawn[position] >= 0 or passed_over > 0:
                passed_over -= int(counts[position] > 0 and drawn[position] < 0)
                position += 1
            stream += _GOLDEN
            span_end = position + 1 + np.searchsorted(span_lengths, _unit(_mixed(stream)), side="right")
            while position < min(span_end, end) and wanted > 0:
                if counts[position] > 0 and drawn[position] < 0:
                    stream += _GOLDEN
                    drawn[position] = _below(_mixed(stream), counts[position])
                    replaceable -= 1
                    wanted -= 1
                position += 1
    return drawn


@lru_cache(maxsize=16)
def _span_lengths(mean_span: float) -> NDArray[np.float64]:
    """Probabilities that a Poisson length, not zero, is at most 1, 2, … words; the last is 1."""
    mean = min(mean_span, _LONGEST_MEAN_SPAN)
    cumulative = pdtr(np.arange(1, int(mean + 12 * np.sqrt(mean)) + 30), mean) - pdtr(0, mean)
    return np.asarray(cumulative / cumulative[-1])


def draw(
    counts: NDArray[np.int32],
    starts: NDArray[np.int64],
    keys: NDArray[np.uint64],
    *,
    rate: float = 0.35,
    mean_span: float = 3.5,
) -> NDArray[np.int32]:
    """Choose which words of sentences are replaced, span by span, and by which of its choices each (paper 4.2).

    Span lengths are Poisson(`mean_span`) words, zero-length spans drawn again. A span starts at a replaceable word and
    passes over words that cannot be replaced, so `rate` is the share of *replaced* words, as in the paper's text, and
    falls short only where too few words have a replacement. The goal `rate` × words is rounded up or down at random so
    that short sentences reach the rate on average. What a sentence draws does not depend on the others.

    Args:
        counts: (words,) how many choices each word has, 0 where it cannot be replaced; one sentence after the other.
        starts: (sentences + 1,) where each sentence begins in `counts`, and the end.
        keys: (sentences,) the source of randomness of each, by `example_keys`.

    Returns:
        (words,) the number of the choice that was drawn for each word; -1 where it stays.

    Raises:
        SwitchtuneError: `rate` is outside [0, 1] or `mean_span` below `LEAST_MEAN_SPAN`.
        ValueError: the arrays do not go together.
    """
    if len(starts) != len(keys) + 1 or starts[0] != 0 or starts[-1] != len(counts) or (np.diff(starts) < 0).any():
        raise ValueError(f"{len(keys)} keys and {len(starts)} starts do not divide {len(counts)} words into sentences")
    if not (0 <= rate <= 1 and mean_span >= LEAST_MEAN_SPAN):
        raise SwitchtuneError(
            f"rate must lie in [0, 1] and mean_span be at least {LEAST_MEAN_SPAN}; found rate={rate}, "
            f"mean_span={mean_span}."
        )
    drawn: NDArray[np.int32] = _draw(
        counts.astype(np.int32, copy=False),
        starts.astype(np.int64, copy=False),
        keys.astype(np.uint64, copy=False),
        float(rate),
        _span_lengths(float(mean_span)),
    )
    return drawn


def switch(
    words: Sequence[str], choices: Sequence[Sequence[str]], *, rate: float = 0.35, mean_span: float = 3.5, key: int
) -> Switched:
    """Replace `rate` of the words of a sentence, each by one of its choices (`candidates`), as `draw` says."""
    return switch_all([words], [choices], rate=rate, mean_span=mean_span, keys=np.array([key], np.uint64))[0]


def switch_all(
    sentences: Sequence[Sequence[str]],
    choices: Sequence[Sequence[Sequence[str]]],
    *,
    rate: float = 0.35,
    mean_span: float = 3.5,
    keys: NDArray[np.uint64],
) -> list[Switched]:
    """`switch` for many sentences at once, each with its key: the same result, much faster."""
    lengths = list(map(len, sentences))
    if lengths != list(map(len, choices)):
        raise ValueError("each word of each sentence needs its choices, an empty sequence where it has none")
    counts = np.fromiter(map(len, chain.from_iterable(choices)), np.int32)
    starts = np.append(0, np.cumsum(lengths, dtype=np.int64))
    drawn = draw(counts, starts, keys, rate=rate, mean_span=mean_span)
    replaceable = np.diff(np.append(0, np.cumsum(counts > 0))[starts]).tolist()
    replaced = np.flatnonzero(drawn >= 0)
    ends = np.searchsorted(replaced, starts[1:])
    positions = (replaced - np.repeat(starts[:-1], np.diff(np.append(0, ends)))).tolist()
    picks = drawn[replaced].tolist()
    result, begin = [], 0
    for words, possible, end, count in zip(sentences, choices, ends.tolist(), replaceable, strict=True):
        new = list(words)
        for position, pick in zip(positions[begin:end], picks[begin:end], strict=True):
            new[position] = possible[position][pick]
        result.append(Switched(tuple(new), tuple(positions[begin:end]), count, rate))
        begin = end
    return result


def candidates(
    words: Sequence[str], replacements: Replacements, *, language: str = UNDETERMINED
) -> list[Sequence[str]]:
    """What each word of a sentence may become; a capital at its start stays. `language`: of the replacements."""
    choices = list(map(replacements, words))
    if choices:
        choices[0] = initial(words[0], tuple(choices[0]), language)
    return choices


@lru_cache(maxsize=WORDS_REMEMBERED)
def initial(word: str, choices: tuple[str, ...], language: str) -> tuple[str, ...]:
    """What the first word of a sentence may become: with a capital, where it has one itself."""
    if not word[:1].istitle():
        return choices
    return tuple(choice for choice in (capitalised(choice, language) for choice in choices) if choice != word)


def example_key(seed: int, epoch: int, index: int) -> int:
    """The source of randomness of one example: 64 bits, from these three numbers alone."""
    return int(example_keys(seed, [(epoch, index)])[0])


def example_keys(seed: int, examples: Sequence[tuple[int, int]]) -> NDArray[np.uint64]:
    """`example_key` of many examples, each given by its epoch and its index."""
    numbers = np.array(examples, dtype=np.uint64).reshape(-1, 2)
    return np.asarray(_keys(np.uint64(seed % (1 << 64)), numbers))


def recased(translation: str, word: str, usual: str, language: str) -> str:
    """`translation` with the casing that `word` has beyond its usual form: HUND → DOG, Der (usually der) → The.

    `language` is that of the translation and says how its capitals are written.
    """
    # One capital alone (A, L') may just begin a sentence.
    if word.isupper() and sum(map(str.isalpha, word)) > 1 and not usual.isupper():
        return upper_case(translation, language)
    if word[:1].istitle() and usual[:1].islower():
        return capitalised(translation, language)
    return translation


def from_lexicon(lexicon: Lexicon) -> Replacements:
    """A word's translations in the lexicon, in the word's casing (a piece's as they stand); never the word itself."""

    @lru_cache(maxsize=WORDS_REMEMBERED)
    def replacements(word: str) -> tuple[str, ...]:
        entry = lexicon.find(word)
        if entry is None:
            return ()
        choices = [translation.word for translation in entry.translations]
        if lexicon.unit == "word":
            choices = [recased(choice, word, entry.word, lexicon.target_language) for choice in choices]
        return tuple(choice for choice in choices if choice != word)

    return replacements


def from_mask(mask: str) -> Replacements:
    """Every word becomes the model's mask token: the control without a lexicon."""
    choice = (mask,)
    return lambda word: choice


class SideSwitcher(Protocol):
    """Switches one side of sentence pairs."""

    def in_pairs(
        self, texts: Sequence[str], counterparts: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[tuple[str, Switched]]:
        """Each of `texts` after switching, and its words; what it becomes depends on its own arguments alone.

        `counterparts` are the other sides of the pairs, `rows` their rows in the corpus, `keys` by `example_keys`.
        """
        ...


@dataclass(frozen=True)
class Switcher:
    """`switch` with its settings: how to cut a sentence of one language into units, and what a unit may become."""

    segmenter: Segmenter
    replacements: Replacements
    rate: float = 0.35
    mean_span: float = 3.5
    language: str = UNDETERMINED  # Language of the replacements

    def __call__(self, words: Sequence[str], *, key: int) -> Switched:
        choices = candidates(words, self.replacements, language=self.language)
        return switch(words, choices, rate=self.rate, mean_span=self.mean_span, key=key)

    def sentence(self, text: str, *, key: int) -> str:
        """Switch a sentence; spaces and punctuation between the words stay as they are."""
        return self.in_pairs([text], [""], [0], keys=np.array([key], np.uint64))[0][0]

    def in_pairs(
        self, texts: Sequence[str], counterparts: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[tuple[str, Switched]]:
        """Switch sentences, whatever their counterparts and their rows in the corpus are."""
        units = [self.segmenter.split(text) for text in texts]
        sentences = [unit.words for unit in units]
        choices = [candidates(words, self.replacements, language=self.language) for words in sentences]
        switched = switch_all(sentences, choices, rate=self.rate, mean_span=self.mean_span, keys=keys)
        join = self.segmenter.join
        return [(join(unit.replace(result.words)), result) for unit, result in zip(units, switched, strict=True)]


@dataclass(frozen=True, slots=True)
class Rates:
    """What switching really does to a text, beside what was asked for."""

    sentences: int
    words: int
    replaceable: int
    replaced: int
    requested_rate: float
    of_replaceable: bool = False  # Whether that rate is a share of the words that have a replacement, as in glosses

    @property
    def coverage(self) -> float:
        """Share of the running words that have a replacement."""
        return self.replaceable / self.words if self.words else 0.0

    @property
    def realised_rate(self) -> float:
        """Share of the running words that were replaced."""
        return self.replaced / self.words if self.words else 0.0

    @property
    def falls_short(self) -> bool:
        """Whether less than half of the requested rate was reached: the lexicon does not fit the text."""
        return self.realised_rate < self.requested_rate / 2

    def record(self) -> dict[str, float]:
        """All figures, for JSON."""
        return {**asdict(self), "coverage": self.coverage, "realised_rate": self.realised_rate}

    def describe(self) -> str:
        """One line for people."""
        advice = ". Too few: build the lexicon from more text, or add entries to its file" * self.falls_short
        of, all_words = (" that can be switched", " of all") if self.of_replaceable else ("", "")
        return (
            f"asked for {self.requested_rate:.0%} of the words{of}, switched {self.realised_rate:.1%}{all_words}; "
            f"{self.coverage:.1%} of {self.words:,} running words can be switched{advice}"
        )


def rates_of(switched: Iterable[Switched]) -> Rates:
    """Sum up the rates of switched sentences, all made with the same requested rate."""
    sentences, words, replaceable, replaced, rate = 0, 0, 0, 0, 0.0
    for sentence in switched:
        sentences, words = sentences + 1, words + len(sentence.words)
        replaceable, replaced = replaceable + sentence.replaceable, replaced + len(sentence.positions)
        rate = sentence.requested_rate
    return Rates(sentences, words, replaceable, replaced, rate)
