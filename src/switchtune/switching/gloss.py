"""Glosses: sentences rendered in the words of another language with a lexicon, to be translated back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import prod

import numpy as np

from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import Segmenter, Words, capitalised, is_number, lower_case, upper_case
from switchtune.languages import find_language
from switchtune.lexicon.forms import by_stem, parts_of, stems
from switchtune.lexicon.records import Entry, Lexicon
from switchtune.switching.gloss_model import MOST_OPTIONS, GlossModel, Options
from switchtune.switching.switcher import WORDS_REMEMBERED, Rates, initial, recased


def weighted(entry: Entry, most: int) -> dict[str, float]:
    """The strongest translations of a word, and how strong each is; where none is above 0, all are alike."""
    strengths = {each.word: max(0.0, each.strength) for each in entry.translations[:most]}
    return strengths if any(strengths.values()) else dict.fromkeys(strengths, 1.0)


_WIDE = {"。": ".", "、": ",", "，": ",", "！": "!", "？": "?", "：": ":", "；": ";"}
"""Punctuation of Chinese and Japanese, and of other languages."""


@lru_cache
def _marks(language: str, into: str) -> dict[int, str]:
    """How the punctuation of one language is written in another, for `str.translate`."""
    wide = [find_language(code).script in {"Hans", "Hant", "Jpan"} for code in (language, into)]
    if wide == [False, True]:
        return str.maketrans({mark: own for own, mark in _WIDE.items() if own != ("，" if into == "ja" else "、")})
    return str.maketrans({own: f"{mark} " for own, mark in _WIDE.items()}) if wide == [True, False] else {}


def is_segmented(sentences: Sequence[str], segmenter: Segmenter) -> bool:
    """Whether most words of sentences stand apart, as in a language without spaces they only do in prepared corpora."""
    gaps = [gap for sentence in sentences for gap in segmenter.split(sentence).gaps[1:-1]]
    return gaps.count("") < len(gaps) / 2


def _gaps_in(language: str, gaps: Sequence[str], own: str, *, segmented: bool) -> list[str]:
    """What stands between the words of a sentence of the language `own`, as it is written in another."""
    marks, spaced = _marks(own, language), find_language(language).spaced
    written = [gap.translate(marks) if spaced else gap.translate(marks).replace(" ", "") for gap in gaps]
    if segmented and not spaced:
        between = (f" {gap} ".replace("  ", " ") for gap in written[1:-1])
        return [f"{written[0]} ".lstrip(), *between, f" {written[-1]}".rstrip()] if len(written) > 1 else written
    return [*written[:-1], written[-1].rstrip() if marks else written[-1]]


@dataclass(frozen=True)
class Glosser:
    """Renders sentences of one language in the words of another."""

    segmenters: tuple[Segmenter, Segmenter]  # Of the sentences, and of their glosses
    lexicon: Lexicon  # From the language of the sentences to that of the glosses
    settings: GlossSettings
    mask: str = ""  # What stands for a word without a translation, where these are masked
    whole: bool = True  # Whether glosses are sentences of the other language, with its punctuation and spaces
    segmented: bool = False  # Whether words stand apart in them even if the language has no spaces, as in some corpora
    model: GlossModel | None = None  # None: each word is translated by itself, in the order of the sentence

    @cached_property
    def _choices(self) -> Callable[[str, bool], dict[str, float]]:
        return lru_cache(maxsize=WORDS_REMEMBERED)(self._found)

    @property
    def _most(self) -> int:
        """Translations of a word that are chosen from."""
        return MOST_OPTIONS if self._fits_words else self.settings.k

    @cached_property
    def _stems(self) -> dict[str, Entry]:
        return stems(self.lexicon) if self.settings.stems else {}

    def _found(self, word: str, first: bool) -> dict[str, float]:
        lexicon = self.lexicon
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
            weights, usual = weighted(entry, self._most), entry.word
        else:
            return {}
        for translation, weight in weights.items():
            recast = (recased(translation, word, usual, language),)
            for choice in initial(word, recast, language) if first else recast:
                choices.setdefault(choice, weight)
        return choices if any(choices.values()) else {word: 1.0}

    def _omits(self, entry: Entry) -> bool:
        if self._fits_words and self.model and self.model.phrases:  # these tell how often a word has no counterpart
            return False
        probable = self.lexicon.measure == "probability"
        return self.whole and probable and entry.translations[0].strength < self.settings.omit_below

    def _joined(self, entries: Sequence[Entry]) -> dict[str, float]:
        """The strongest ways to put translations of words side by side."""
        options = product(*(weighted(entry, self._most).items() for entry in entries))
        joint = {self._space.join(word for word, _ in way): prod(weight for _, weight in way) for way in options}
        return dict(sorted(joint.items(), key=lambda item: -item[1])[: self._most])

    def choices(self, word: str, *, first: bool = False) -> Mapping[str, float]:
        """The translations that are chosen from, strongest first, and their strengths; the word may be among them.

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
            translation = list(choices)[int(picks[position] * len(choices))] if choices else None
            result.append(translation if translation is None or drawn[position] else word)
        return result

    @property
    def _fits_words(self) -> bool:
        """Whether translations are chosen to fit each other."""
        return self.model is not None and self.model.weight > 0

    @property
    def _space(self) -> str:
        """What stands between two words of a gloss."""
        return " " * (self.segmented or find_language(self.lexicon.target_language).spaced)

    @cached_property
    def _options(self) -> Callable[[str], Options]:
        return lru_cache(maxsize=WORDS_REMEMBERED)(self._options_of)

    def _options_of(self, word: str) -> Options:
        """What the model chooses from for a word, in the word's casing."""
        assert self.model is not None
        lexicon, entry = self.lexicon, self.lexicon.find(word)
        if entry is None and is_number(word):
            return self.model.fixed(word)
        usual = entry.word if entry else word
        options = self.model.options(lower_case(word, lexicon.source_language), self.choices(usual), self._space)
        texts = [text and recased(text, word, usual, lexicon.target_language) for text in options.texts]
        return options._replace(texts=tuple(texts))

    def _rendered(self, words: Sequence[str], rng: np.random.Generator) -> list[tuple[str, str | None]]:
        """The words of a sentence in the order of their gloss, each with what `translated` says of it."""
        model = self.model
        if model is None:
            return list(zip(words, self.translated(words, rng), strict=True))
        usual = [self._usual(word) if place == 0 else word for place, word in enumerate(words)]
        ordered = [usual[place] for place in model.order(words)]
        if not self._fits_words:
            return list(zip(ordered, self.translated(ordered, rng), strict=True))
        options = [self._options(word) for word in ordered]
        for place in np.flatnonzero(rng.random(len(words)) >= self.settings.rate).tolist():
            if None not in options[place].texts:
                options[place] = model.fixed(ordered[place])
        return list(zip(ordered, model.best(options), strict=True))

    def _usual(self, word: str) -> str:
        """The first word of a sentence as it stands within one."""
        entry, capitals = self.lexicon.find(word), any(map(str.isupper, word[1:]))
        is_usual = entry is None or not entry.word[:1].islower() or capitals
        return word if is_usual else lower_case(word, self.lexicon.source_language)

    def __call__(self, text: str, rng: np.random.Generator) -> str:
        """The gloss of a sentence."""
        units, language = self.segmenters[0].split(text), self.lexicon.target_language
        capitals = [word.isupper() for word in units.words if not is_number(word)]
        shouted = len(capitals) > 1 and all(capitals)
        words: list[str] = []
        gaps = [units.gaps[0]]
        for (word, new), gap in zip(self._rendered(units.words, rng), units.gaps[1:], strict=True):
            if new == "" or (new is None and self.settings.unknown == "drop"):
                if words:
                    gaps[-1] = gap
                continue
            if new and shouted:
                new = upper_case(new, language)
            words.append(new or (self.mask if self.settings.unknown == "mask" else word))
            gaps.append(gap)
        if not words:
            words, gaps = list(units.words), list(units.gaps)
        if self.model is not None and units.words and units.words[0][:1].istitle():
            words[0] = capitalised(words[0], language)
        if self.whole:
            gaps = _gaps_in(language, gaps, self.lexicon.source_language, segmented=self.segmented)
        gloss = self.segmenters[1].join(Words(tuple(gaps), tuple(words)))
        return f"{self.settings.mark} {gloss}" if self.settings.mark else gloss

    def rates(self, sentences: Sequence[str], rng: np.random.Generator) -> Rates:
        """How many words of sentences have a translation, and how many become one."""
        words = replaceable = replaced = 0
        for sentence in sentences:
            split = self.segmenters[0].split(sentence).words
            words += len(split)
            for word, new in self._rendered(split, rng):
                replaceable += new is not None
                replaced += new not in {None, word}
        return Rates(len(sentences), words, replaceable, replaced, self.settings.rate, of_replaceable=True)
