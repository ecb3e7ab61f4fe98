"""Code-switching: spans of words replaced by translations (paper 4.2), in one pure function."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np

from switchtune.config import LEAST_MEAN_SPAN
from switchtune.corpus.words import Segmenter, capitalised, upper_case
from switchtune.errors import SwitchtuneError
from switchtune.lexicon import UNDETERMINED, Lexicon

Replacements: TypeAlias = Callable[[str], Sequence[str]]
"""What a word may become; empty where it cannot be replaced."""


@dataclass(frozen=True, slots=True)
class Switched:
    """A sentence after switching."""

    words: tuple[str, ...]
    """All words of the sentence, replaced or not, in the sentence's order."""
    positions: tuple[int, ...]
    """Where the replaced words stand, ascending."""
    replaceable: int
    """Number of words that have a replacement."""
    requested_rate: float

    @property
    def realised_rate(self) -> float:
        """Share of the words that were replaced; 0 for a sentence without words."""
        return len(self.positions) / len(self.words) if self.words else 0.0


def switch(
    words: Sequence[str],
    choices: Sequence[Sequence[str]],
    *,
    rate: float = 0.35,
    mean_span: float = 3.5,
    rng: np.random.Generator,
) -> Switched:
    """Replace `rate` of the words, span by span, each by one of its choices drawn at random (paper 4.2).

    `choices` is what each word may become, empty where it cannot be replaced (`candidates`).
    Span lengths are Poisson(`mean_span`) words, zero-length spans drawn again. A span starts at a replaceable word and
    passes over words that cannot be replaced, so `rate` is the share of *replaced* words, as in the paper's text, and
    falls short only where too few words have a replacement. The goal `rate` × words is rounded up or down at random so
    that short sentences reach the rate on average.

    Raises:
        SwitchtuneError: `rate` is outside [0, 1] or `mean_span` below `LEAST_MEAN_SPAN`.
    """
    if not 0 <= rate <= 1 or mean_span < LEAST_MEAN_SPAN:
        raise SwitchtuneError(
            f"rate must lie in [0, 1] and mean_span be at least {LEAST_MEAN_SPAN}; found rate={rate}, "
            f"mean_span={mean_span}."
        )
    remaining = {position for position, possible in enumerate(choices) if possible}
    replaceable = len(remaining)
    goal = min(int(rate * len(words) + rng.random()), replaceable)
    chosen: set[int] = set()
    while len(chosen) < goal:
        starts = sorted(remaining)
        start = starts[int(rng.integers(len(starts)))]
        length = 0
        while length == 0:
            length = int(rng.poisson(mean_span))
        span = [position for position in range(start, start + length) if position in remaining]
        span = span[: goal - len(chosen)]
        chosen.update(span)
        remaining.difference_update(span)
    result = list(words)
    for position in sorted(chosen):
        possible = choices[position]
        result[position] = possible[int(rng.integers(len(possible)))]
    return Switched(tuple(result), tuple(sorted(chosen)), replaceable, rate)


def candidates(
    words: Sequence[str], replacements: Replacements, *, language: str = UNDETERMINED
) -> list[Sequence[str]]:
    """What each word of a sentence may become.

    A capital at the start of the sentence stays, written as is done in `language`, that of the replacements.
    """
    choices = [replacements(word) for word in words]
    return [initial(words[0], choices[0], language), *choices[1:]] if words else []


def initial(word: str, choices: Sequence[str], language: str) -> Sequence[str]:
    """What the first word of a sentence may become: with a capital, where it has one itself."""
    if not word[:1].istitle():
        return choices
    return [choice for choice in (capitalised(choice, language) for choice in choices) if choice != word]


def generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The source of randomness of one example: the same for the same three numbers, in any process."""
    return np.random.default_rng((seed, epoch, index))


def recased(translation: str, word: str, usual: str, language: str) -> str:
    """`translation` with the casing that `word` has beyond its usual form: HUND → DOG, Der (usually der) → The.

    `language` is that of the translation and says how its capitals are written.
    """
    if _in_capitals(word) and not usual.isupper():
        return upper_case(translation, language)
    if word[:1].istitle() and usual[:1].islower():
        return capitalised(translation, language)
    return translation


def _in_capitals(word: str) -> bool:
    """Whether all of at least two letters are capitals; one alone (A, L') may just begin a sentence."""
    return word.isupper() and sum(map(str.isalpha, word)) > 1


def from_lexicon(lexicon: Lexicon) -> Replacements:
    """A word's translations in the lexicon, in the word's casing (a piece's as they stand); never the word itself."""

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


@dataclass(frozen=True)
class Switcher:
    """`switch` with its settings: how to cut a sentence of one language into units, and what a unit may become."""

    segmenter: Segmenter
    replacements: Replacements
    rate: float = 0.35
    mean_span: float = 3.5
    language: str = UNDETERMINED
    """Of the replacements."""

    def __call__(self, words: Sequence[str], *, rng: np.random.Generator) -> Switched:
        """Switch a sentence that is already cut into words."""
        choices = candidates(words, self.replacements, language=self.language)
        return switch(words, choices, rate=self.rate, mean_span=self.mean_span, rng=rng)

    def sentence(self, text: str, *, rng: np.random.Generator) -> str:
        """Switch a sentence; spaces and punctuation between the words stay as they are."""
        units = self.segmenter.split(text)
        return self.segmenter.join(units.replace(self(units.words, rng=rng).words))

    def switched(self, text: str, other: str, row: int, *, rng: np.random.Generator) -> Switched:
        """The words of a sentence after switching, whatever its translation and its place in the corpus are."""
        return self(self.segmenter.split(text).words, rng=rng)

    def in_pair(self, text: str, other: str, row: int, *, rng: np.random.Generator) -> str:
        """Switch a sentence, whatever its translation and its place in the corpus are."""
        return self.sentence(text, rng=rng)


@dataclass(frozen=True, slots=True)
class Rates:
    """What switching really does to a text, beside what was asked for."""

    sentences: int
    words: int
    replaceable: int
    replaced: int
    requested_rate: float

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
        text = (
            f"asked for {self.requested_rate:.0%} of the words, switched {self.realised_rate:.1%}; "
            f"the lexicon covers {self.coverage:.1%} of {self.words:,} running words"
        )
        if self.falls_short:
            text += ". Too few: build the lexicon from more text, or add entries to its file"
        return text


def measure(switched: Iterable[Switched]) -> Rates:
    """Sum up the rates of switched sentences, all made with the same requested rate."""
    sentences = list(switched)
    return Rates(
        sentences=len(sentences),
        words=sum(len(sentence.words) for sentence in sentences),
        replaceable=sum(sentence.replaceable for sentence in sentences),
        replaced=sum(len(sentence.positions) for sentence in sentences),
        requested_rate=sentences[0].requested_rate if sentences else 0.0,
    )
