"""Glosses: sentences rendered word by word in another language with a lexicon, to be translated back."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, product
from math import prod

import numpy as np

from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import Segmenter, Words, is_number, lower_case
from switchtune.languages import find_language
from switchtune.lexicon.forms import by_stem, parts_of, stems
from switchtune.lexicon.records import Entry, Lexicon
from switchtune.switching.switcher import WORDS_REMEMBERED, Rates, initial, recased


def weighted(entry: Entry, settings: GlossSettings, backward: Lexicon) -> dict[str, float]:
    """The translations of a word that are drawn from, strongest first, with their weights.

    Where none has a weight above 0, all are alike. `backward`: lexicon of the other direction.
    """
    strongest = entry.translations[: settings.k]
    weights = {each.word: 1.0 for each in strongest}
    if settings.draw == "probability":
        weights = {each.word: max(0.0, each.strength) for each in strongest}
    elif settings.draw == "backward":
        weights = {each.word: _strength(backward, each.word, entry.word) for each in strongest}
    return weights if any(weights.values()) else dict.fromkeys(weights, 1.0)


def _strength(lexicon: Lexicon, word: str, translation: str) -> float:
    entry, language = lexicon.find(word), lexicon.target_language
    same, links = lower_case(translation, language), entry.translations if entry else ()
    return max([each.strength for each in links if lower_case(each.word, language) == same], default=0.0)


def picked(weights: Mapping[str, float], number: float) -> str:
    """The word that a number from 0 to 1 (excluded) picks, each as likely as its weight says."""
    ends = list(accumulate(weights.values()))
    return list(weights)[min(bisect_right(ends, number * ends[-1]), len(ends) - 1)]


_WIDE = {"。": ".", "、": ",", "，": ",", "！": "!", "？": "?", "：": ":", "；": ";"}
"""Punctuation of Chinese and Japanese, and of other languages."""


@lru_cache
def _marks(language: str, into: str) -> dict[int, str]:
    """How the punctuation of one language is written in another, for `str.translate`."""
    wide = [find_language(code).script in {"Hans", "Hant", "Jpan"} for code in (language, into)]
    if wide == [False, True]:
        return str.maketrans({mark: own for own, mark in _WIDE.items() if own != ("，" if into == "ja" else "、")})
    return str.maketrans({own: f"{mark} " for own, mark in _WIDE.items()}) if wide == [True, False] else {}


def _gaps_in(language: str, gaps: Sequence[str], own: str) -> list[str]:
    """What stands between the words of a sentence of the language `own`, as it is written in another."""
    marks, spaced = _marks(own, language), find_language(language).spaced
    written = [gap.translate(marks) if spaced else gap.translate(marks).replace(" ", "") for gap in gaps]
    return [*written[:-1], written[-1].rstrip() if marks else written[-1]]


def by_dictionary(lexicon: Lexicon) -> tuple[Lexicon, Lexicon]:
    """A lexicon of dictionaries for `Glosser`, with an empty one back: a dictionary has no probabilities to draw by."""
    languages = (lexicon.target_language, lexicon.source_language)
    return lexicon, Lexicon(*languages, lexicon.method, lexicon.measure, lexicon.unit, {})


@dataclass(frozen=True)
class Glosser:
    """Renders sentences of one language in the words of another."""

    segmenters: tuple[Segmenter, Segmenter]  # Of the sentences, and of their glosses
    lexicons: tuple[Lexicon, Lexicon]  # From the language of the sentences to that of the glosses, and back
    settings: GlossSettings
    mask: str = ""  # What stands for a word without a translation, where these are masked
    whole: bool = True  # Whether glosses are sentences of the other language, with its punctuation and spaces

    @cached_property
    def _choices(self) -> Callable[[str, bool], dict[str, float]]:
        return lru_cache(maxsize=WORDS_REMEMBERED)(self._found)

    @cached_property
    def _stems(self) -> dict[str, Entry]:
        return stems(self.lexicons[0]) if self.settings.stems else {}

    def _found(self, word: str, first: bool) -> dict[str, float]:
        lexicon, backward = self.lexicons
        language, choices, key = lexicon.target_language, dict[str, float](), lower_case(word, lexicon.source_language)
        if key not in lexicon.entries and is_number(word):
            return {word: 1.0}
        parts = parts_of(key, lexicon.entries) if self.settings.compounds and key not in lexicon.entries else ()
        entry = lexicon.entries.get(key) or by_stem(key, self._stems)
        if parts:
            weights, usual = self._joined([lexicon.entries[part] for part in parts]), word
        elif entry is not None and self._omits(entry):
            return {"": 1.0}
        elif entry is not None:
            weights, usual = weighted(entry, self.settings, backward), entry.word
        else:
            return {}
        for translation, weight in weights.items():
            recast = (recased(translation, word, usual, language),)
            for choice in initial(word, recast, language) if first else recast:
                choices.setdefault(choice, weight)
        return choices if any(choices.values()) else {word: 1.0}

    def _omits(self, entry: Entry) -> bool:
        probable = self.lexicons[0].measure == "probability"
        return self.whole and probable and entry.translations[0].strength < self.settings.omit_below

    def _joined(self, entries: Sequence[Entry]) -> dict[str, float]:
        """The strongest ways to put translations of words side by side."""
        options = product(*(weighted(entry, self.settings, self.lexicons[1]).items() for entry in entries))
        space = " " * find_language(self.lexicons[0].target_language).spaced
        joint = {space.join(word for word, _ in way): prod(weight for _, weight in way) for way in options}
        return dict(sorted(joint.items(), key=lambda item: -item[1])[: self.settings.k])

    def choices(self, word: str, *, first: bool = False) -> Mapping[str, float]:
        """The translations that a word is drawn from, strongest first, with their weights; the word may be among them.

        The only one of a word that is left out of glosses is empty.

        `first`: whether the word begins a sentence.
        """
        return self._choices(word, first)

    def translated(self, words: Sequence[str], rng: np.random.Generator) -> list[str | None]:
        """For each word one of its translations, or the word itself; empty: it is left out, None: it has none."""
        drawn, picks = rng.random(len(words)) < self.settings.rate, rng.random(len(words))
        result: list[str | None] = []
        for position, word in enumerate(words):
            choices = self.choices(word, first=position == 0)
            translation = picked(choices, float(picks[position])) if choices else None
            result.append(translation if translation is None or drawn[position] else word)
        return result

    def __call__(self, text: str, rng: np.random.Generator) -> str:
        """The gloss of a sentence."""
        units = self.segmenters[0].split(text)
        words: list[str] = []
        gaps = [units.gaps[0]]
        made = self._thinned(self.translated(units.words, rng), rng)
        for word, new, gap in zip(units.words, made, units.gaps[1:], strict=True):
            if new == "" or (new is None and self.settings.unknown == "drop"):
                if words:
                    gaps[-1] = gap
                continue
            words.append(new or (self.mask if self.settings.unknown == "mask" else word))
            gaps.append(gap)
        if not words:
            words, gaps = list(units.words), list(units.gaps)
        if self.whole:
            words = self._shuffled(words, rng)
            gaps = _gaps_in(self.lexicons[0].target_language, gaps, self.lexicons[0].source_language)
        gloss = self.segmenters[1].join(Words(tuple(gaps), tuple(words)))
        return f"{self.settings.mark} {gloss}" if self.settings.mark else gloss

    def _thinned(self, words: list[str | None], rng: np.random.Generator) -> list[str | None]:
        """Words of which some are left out by chance."""
        if not (self.whole and self.settings.drop):
            return words
        gone = rng.random(len(words)) < self.settings.drop
        return ["" if gone[position] else word for position, word in enumerate(words)]

    def _shuffled(self, words: list[str], rng: np.random.Generator) -> list[str]:
        """Words that have moved by chance, none of them by more than `shuffle` places."""
        if not self.settings.shuffle:
            return words
        places = np.arange(len(words)) + rng.uniform(0, self.settings.shuffle + 1, len(words))
        return [words[place] for place in np.argsort(places)]

    def rates(self, sentences: Sequence[str], rng: np.random.Generator) -> Rates:
        """How many words of sentences have a translation, and how many become one."""
        words = replaceable = replaced = 0
        for sentence in sentences:
            split = self.segmenters[0].split(sentence).words
            words += len(split)
            for word, new in zip(split, self.translated(split, rng), strict=True):
                replaceable += new is not None
                replaced += new not in {None, word}
        return Rates(len(sentences), words, replaceable, replaced, self.settings.rate, of_replaceable=True)
