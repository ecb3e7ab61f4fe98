"""Glosses: sentences rendered word by word in another language with a lexicon, to be translated back."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np

from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import Segmenter, Words, is_number, lower_case
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


@dataclass(frozen=True)
class Glosser:
    """Renders sentences of one language in the words of another."""

    segmenters: tuple[Segmenter, Segmenter]  # Of the sentences, and of their glosses
    lexicons: tuple[Lexicon, Lexicon]  # From the language of the sentences to that of the glosses, and back
    settings: GlossSettings
    mask: str = ""  # What stands for a word without a translation, where these are masked
    spaced: bool = True  # Whether the language of the glosses has spaces

    @cached_property
    def _choices(self) -> Callable[[str, bool], dict[str, float]]:
        return lru_cache(maxsize=WORDS_REMEMBERED)(self._found)

    def _found(self, word: str, first: bool) -> dict[str, float]:
        lexicon, backward = self.lexicons
        entry, language, choices = lexicon.find(word), lexicon.target_language, dict[str, float]()
        if entry is None:
            return {word: 1.0} if is_number(word) else {}
        for translation, weight in weighted(entry, self.settings, backward).items():
            recast = (recased(translation, word, entry.word, language),)
            for choice in initial(word, recast, language) if first else recast:
                choices.setdefault(choice, weight)
        return choices if any(choices.values()) else {word: 1.0}

    def choices(self, word: str, *, first: bool = False) -> Mapping[str, float]:
        """The translations that a word is drawn from, strongest first, with their weights; the word may be among them.

        `first`: whether the word begins a sentence.
        """
        return self._choices(word, first)

    def translated(self, words: Sequence[str], rng: np.random.Generator) -> list[str | None]:
        """For each word one of its translations, or the word itself; None: it has none."""
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
        for word, new, gap in zip(units.words, self.translated(units.words, rng), units.gaps[1:], strict=True):
            if new is None and self.settings.unknown == "drop":
                if words:
                    gaps[-1] = gap
                continue
            words.append(new or (self.mask if self.settings.unknown == "mask" else word))
            gaps.append(gap)
        if not words:
            words, gaps = list(units.words), list(units.gaps)
        between = gaps if self.spaced else [gap.replace(" ", "") for gap in gaps]
        gloss = self.segmenters[1].join(Words(tuple(between), tuple(words)))
        return f"{self.settings.mark} {gloss}" if self.settings.mark else gloss

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
