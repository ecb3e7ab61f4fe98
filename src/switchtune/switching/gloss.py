"""Glosses: sentences rendered word by word in another language with a lexicon, to be translated back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import Segmenter, Words, is_number
from switchtune.lexicon.records import Lexicon
from switchtune.switching.switcher import Rates, initial, recased


@dataclass(frozen=True)
class Glosser:
    """Renders sentences of one language in the words of another."""

    segmenters: tuple[Segmenter, Segmenter]  # Of the sentences, and of their glosses
    lexicon: Lexicon
    settings: GlossSettings
    mask: str = ""  # What stands for a word without a translation, where these are masked
    spaced: bool = True  # Whether the language of the glosses has spaces

    def choices(self, word: str, *, first: bool = False) -> tuple[str, ...]:
        """The translations that a word is drawn from, strongest first; the word itself may be among them."""
        entry = self.lexicon.find(word)
        if entry is None:
            return (word,) if is_number(word) else ()
        found = [each.word for each in entry.translations[: self.settings.k]]
        language = self.lexicon.target_language
        recast = tuple(dict.fromkeys(recased(each, word, entry.word, language) for each in found))
        return initial(word, recast, language) or (word,) if first else recast

    def translated(self, words: Sequence[str], rng: np.random.Generator) -> list[str | None]:
        """For each word one of its translations, each equally likely, or the word itself; None: it has none."""
        drawn, picks = rng.random(len(words)) < self.settings.rate, rng.random(len(words))
        result: list[str | None] = []
        for position, word in enumerate(words):
            choices = self.choices(word, first=position == 0)
            translation = choices[int(picks[position] * len(choices))] if choices else None
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
            return text
        between = gaps if self.spaced else [gap.replace(" ", "") for gap in gaps]
        return self.segmenters[1].join(Words(tuple(between), tuple(words)))

    def rates(self, sentences: Sequence[str], rng: np.random.Generator) -> Rates:
        """How many words of sentences have a translation, and how many become one."""
        words = replaceable = replaced = 0
        for sentence in sentences:
            split = self.segmenters[0].split(sentence).words
            words += len(split)
            for word, new in zip(split, self.translated(split, rng), strict=True):
                replaceable += new is not None
                replaced += new not in {None, word}
        return Rates(len(sentences), words, replaceable, replaced, self.settings.rate)
