"""The bilingual lexicon as a record."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from switchtune.corpus.words import lower_case
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.text import Vocabulary

Measure: TypeAlias = Literal["probability", "similarity", "none"]
Unit: TypeAlias = Literal["word", "piece"]


@dataclass(frozen=True, slots=True)
class BuildStep:
    """A finished step of building a lexicon."""

    what: str
    number: int  # Steps done so far, from 1
    total: int  # Steps in all; 0: not known
    objective: str = ""  # What is maximised, with its value


OnStep: TypeAlias = Callable[[BuildStep], None]

UNDETERMINED = "und"  # ISO 639-2 code of a language that neither the file nor its name tells


class LexiconError(SwitchtuneError):
    """A lexicon, or the text that one is to be made from, is not what it should be."""


@dataclass(frozen=True, slots=True)
class Translation:
    """One translation of a word."""

    word: str
    strength: float  # what the lexicon's `measure` says; larger is closer, 1.0 where the measure is "none"
    count: int  # in the text that the lexicon was made from; 0: unknown


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


# Source ids, target ids, strengths.
WordLinks: TypeAlias = tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating]]


def make_lexicon(
    languages: tuple[str, str],
    vocabularies: tuple[Vocabulary, Vocabulary],
    links: WordLinks,
    *,
    method: str,
    measure: Measure,
    unit: Unit = "word",
) -> Lexicon:
    """A lexicon from links between two vocabularies; strengths to six decimals, as its file has them."""
    sources, targets = (list(zip(side.words, side.counts.tolist(), strict=True)) for side in vocabularies)
    translations: dict[int, list[Translation]] = {}
    for source, target, strength in zip(*(column.tolist() for column in links), strict=True):
        word, count = targets[target]
        translations.setdefault(source, []).append(Translation(word, round(strength, 6), count))
    entries = {
        lower_case(sources[source][0], languages[0]): Entry(*sources[source], strongest_first(translations[source]))
        for source in sorted(translations)
    }
    return Lexicon(*languages, method, measure, unit, entries)


def entries_of(links: Iterable[tuple[str, int, Translation]], language: str) -> dict[str, Entry]:
    """Entries from words, their counts, and one translation each; a word has the casing of its most frequent form."""
    key_of: dict[str, str] = {}
    words: dict[str, tuple[str, int]] = {}
    translations: dict[str, dict[str, Translation]] = {}
    for word, count, translation in links:
        key = key_of.get(word) or key_of.setdefault(word, lower_case(word, language))
        if key not in words or words[key][1] < count:
            words[key] = word, count
        of_word = translations.setdefault(key, {})
        known = of_word.get(translation.word)
        if known is None or known.strength < translation.strength:
            of_word[translation.word] = translation
    return {key: Entry(*words[key], strongest_first(translations[key].values())) for key in words}


def randomised(lexicon: Lexicon, *, seed: int) -> Lexicon:
    """The `random` control: the same words with as many translations, drawn uniformly from the lexicon's targets.

    None is one of the word's own translations unless there are too few others.
    """
    rng = np.random.default_rng(seed)
    count_of = {link.word: link.count for entry in lexicon.entries.values() for link in entry.translations}
    vocabulary = sorted(count_of)
    entries = {}
    for key in sorted(lexicon.entries):
        entry = lexicon.entries[key]
        real = {link.word for link in entry.translations}
        size = min(len(vocabulary), 2 * len(real))
        drawn = [vocabulary[word] for word in rng.choice(len(vocabulary), size=size, replace=False)]
        wrong_first = sorted(drawn, key=lambda word: word in real)
        chosen = tuple(Translation(word, 1.0, count_of[word]) for word in wrong_first[: len(real)])
        entries[key] = replace(entry, translations=chosen)
    return replace(lexicon, method=f"random({lexicon.method})", measure="none", entries=entries)


def strongest_first(translations: Iterable[Translation]) -> tuple[Translation, ...]:
    """Translations by strength; where that is equal, in the order given."""
    return tuple(sorted(translations, key=lambda translation: -translation.strength))
