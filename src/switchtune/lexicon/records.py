"""The bilingual lexicon as a record."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import FiniteFloat, NonNegativeInt

from switchtune.corpus.words import lower_case
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.text import (
    Vocabulary,
)

Measure: TypeAlias = Literal["probability", "similarity", "none"]
Unit: TypeAlias = Literal["word", "piece"]
Sentences: TypeAlias = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class BuildStep:
    """A step of the building of a lexicon is done: for progress bars."""

    what: str
    number: int
    """Of steps done, from 1."""
    total: int
    """0: not known."""
    objective: str = ""
    """What is made larger, with its value."""


OnStep: TypeAlias = Callable[[BuildStep], None]


UNDETERMINED = "und"
"""ISO 639-2 code of a language that neither the file nor its name tells."""


class LexiconError(SwitchtuneError):
    """A lexicon, or the text that one is to be made from, is not what it should be."""


@dataclass(frozen=True, slots=True)
class Translation:
    """One translation of a word.

    `strength` is what the lexicon's `measure` says (larger is closer; 1.0 where the measure is "none"),
    `count` how often the translation occurs in the text that the lexicon was made from (0: unknown).
    """

    word: str
    strength: FiniteFloat
    count: NonNegativeInt


@dataclass(frozen=True, slots=True)
class Entry:
    """A word in its usual casing, its count (0: unknown), and its translations, strongest first."""

    word: str
    count: int
    translations: tuple[Translation, ...]


@dataclass(frozen=True)
class Lexicon:
    """Translations of the words of one language into another; `entries` is keyed by the word in lower case."""

    source_language: str
    target_language: str
    method: str
    measure: Measure
    unit: Unit
    entries: Mapping[str, Entry]

    def find(self, word: str) -> Entry | None:
        """The entry of `word` in any casing, or None."""
        return self.entries.get(lower_case(word, self.source_language))

    def __len__(self) -> int:
        return len(self.entries)


def make_lexicon(
    languages: tuple[str, str],
    vocabularies: tuple[Vocabulary, Vocabulary],
    links: tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating]],
    *,
    method: str,
    measure: Measure,
    unit: Unit = "word",
) -> Lexicon:
    """A lexicon from links between two vocabularies: places in the source's, places in the target's, strengths.

    Strengths are rounded to six decimals, so that the file reads well and says exactly what the record holds.
    """
    source_vocabulary, target_vocabulary = vocabularies
    found: dict[int, list[Translation]] = {}
    for source, target, strength in zip(*(column.tolist() for column in links), strict=True):
        word, count = target_vocabulary.words[target], int(target_vocabulary.counts[target])
        found.setdefault(source, []).append(Translation(word, round(strength, 6), count))
    entries = {}
    for source in sorted(found):
        word, count = source_vocabulary.words[source], int(source_vocabulary.counts[source])
        entries[lower_case(word, languages[0])] = Entry(word, count, strongest_first(found[source]))
    return Lexicon(*languages, method, measure, unit, entries)


def randomised(lexicon: Lexicon, *, seed: int) -> Lexicon:
    """The `random` control: the same words with as many translations, drawn from the lexicon's target vocabulary.

    Targets are drawn uniformly and without repetition within an entry, never among the word's own translations unless
    the vocabulary holds too few others. The result depends on the lexicon and the seed alone.
    """
    rng = np.random.default_rng(seed)
    count_of = {
        translation.word: translation.count for entry in lexicon.entries.values() for translation in entry.translations
    }
    vocabulary = sorted(count_of)
    entries = {}
    for key in sorted(lexicon.entries):
        entry = lexicon.entries[key]
        real = {translation.word for translation in entry.translations}
        size = min(len(vocabulary), 2 * len(real))
        drawn = [vocabulary[place] for place in rng.choice(len(vocabulary), size=size, replace=False)]
        others = [word for word in drawn if word not in real] + [word for word in drawn if word in real]
        chosen = others[: len(real)]
        entries[key] = Entry(entry.word, entry.count, tuple(Translation(word, 1.0, count_of[word]) for word in chosen))
    return Lexicon(
        lexicon.source_language, lexicon.target_language, f"random({lexicon.method})", "none", lexicon.unit, entries
    )


def strongest_first(translations: Iterable[Translation]) -> tuple[Translation, ...]:
    """Translations by strength; where that is equal, in the order given."""
    return tuple(sorted(translations, key=lambda translation: -translation.strength))
