"""Switching by alignment: a word becomes the word that it is aligned to in its own sentence pair, in that sense."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from switchtune.corpus.words import Segmenter, Words, capitalised
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.records import Lexicon
from switchtune.switching.switcher import WORDS_REMEMBERED, Switched, initial, recased, switch_all


@dataclass(frozen=True, slots=True)
class LinkedPair:
    """The words of a sentence and of its counterpart, and what is linked with what."""

    sentence: Words
    counterpart: Words
    linked: Mapping[int, Sequence[int]]  # Positions in the counterpart that each position is linked to, ascending

    @property
    def sources(self) -> dict[int, set[int]]:
        """The positions in the sentence that each position in the counterpart is linked to."""
        found: dict[int, set[int]] = {}
        for position, targets in self.linked.items():
            for target in targets:
                found.setdefault(target, set()).add(position)
        return found


def linked_pair(
    segmenters: tuple[Segmenter, Segmenter], alignment: Alignment, text: str, counterpart: str, row: int
) -> LinkedPair:
    """A pair with its links, those of row `row` of the alignment; links beyond its words are left out."""
    words, translation = segmenters[0].split(text), segmenters[1].split(counterpart)
    linked: dict[int, list[int]] = {}
    for position, target in alignment.links(row):
        if position < len(words.words) and target < len(translation.words):
            linked.setdefault(position, []).append(target)
    return LinkedPair(words, translation, linked)


def translates_alone(span: range, targets: Sequence[int], sources: Mapping[int, set[int]]) -> bool:
    """Whether adjacent words (`targets`, ascending) translate a span and nothing beside it: the two are a phrase."""
    whole = bool(targets) and len(targets) == targets[-1] - targets[0] + 1
    return whole and all(sources[target] <= set(span) for target in targets)


def usual_words(counterpart: Words, positions: Sequence[int], lexicon: Lexicon) -> tuple[str, ...]:
    """Words of a sentence, the first without the capital that only the sentence's start gives it.

    `lexicon`: from the language of the sentence; it knows the usual casing of words.
    """
    words = [counterpart.words[position] for position in positions]
    if positions[0] == 0:
        entry = lexicon.find(words[0])
        words[0] = entry.word if entry else words[0]
    return tuple(words)


@dataclass(frozen=True)
class AlignedSwitcher:
    """Replaces the words of one side of a corpus by the words of the other side that they are aligned to."""

    segmenters: tuple[Segmenter, Segmenter]  # For this side and for the other
    alignment: Alignment  # From this side to the other, of the corpus that is switched
    lexicons: tuple[Lexicon, Lexicon]  # From this side to the other and back: they know the usual casing of words
    rate: float = 0.35
    mean_span: float = 3.5
    phrases: bool = False
    """Let a span that is linked to adjacent words, linked with no other, become these in the other language's order."""

    def in_pairs(
        self, texts: Sequence[str], counterparts: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[tuple[str, Switched]]:
        """`texts` after switching, phrases as phrases if `phrases` is set; and their words, each in its own place."""
        link = partial(linked_pair, self.segmenters, self.alignment)
        pairs = list(map(link, texts, counterparts, rows))
        sentences = [pair.sentence.words for pair in pairs]
        choices = list(map(self._candidates, pairs))
        switched = switch_all(sentences, choices, rate=self.rate, mean_span=self.mean_span, keys=keys)
        result = []
        for pair, words in zip(pairs, switched, strict=True):
            sentence = pair.sentence.replace(words.words)
            if self.phrases:
                sentence = self._with_phrases(sentence, pair, words.positions)
            result.append((self.segmenters[0].join(sentence), words))
        return result

    def _candidates(self, pair: LinkedPair) -> list[tuple[str, ...]]:
        words = pair.sentence.words
        choices: list[tuple[str, ...]] = [()] * len(words)
        for position, targets in pair.linked.items():
            choices[position] = self._choices(words[position], usual_words(pair.counterpart, targets, self.lexicons[1]))
        if choices:
            choices[0] = initial(words[0], choices[0], self.lexicons[0].target_language)
        return choices

    @cached_property
    def _choices(self) -> Callable[[str, tuple[str, ...]], tuple[str, ...]]:
        """What a word may become that is linked to these words."""

        @lru_cache(maxsize=WORDS_REMEMBERED)
        def choices(word: str, translation: tuple[str, ...]) -> tuple[str, ...]:
            text = self.segmenters[1].join(Words(("",) * (len(translation) + 1), translation))
            entry = self.lexicons[0].find(word)
            cased = recased(text, word, entry.word if entry else word, self.lexicons[0].target_language)
            return () if cased == word else (cased,)

        return choices

    def _with_phrases(self, switched: Words, pair: LinkedPair, positions: Sequence[int]) -> Words:
        sources = pair.sources
        gaps, words = [switched.gaps[0]], list[str]()
        begin = 0
        while begin < len(switched.words):
            end = begin
            while end in positions:
                end += 1
            span = range(begin, end)
            targets = sorted({target for position in span for target in pair.linked[position]})
            if len(span) > 1 and translates_alone(span, targets, sources):
                inner = pair.counterpart.gaps[targets[0] + 1 : targets[-1] + 1]
                phrase = Words(("", *inner, ""), usual_words(pair.counterpart, targets, self.lexicons[1]))
                text = self.segmenters[1].join(phrase)
                if begin == 0 and switched.words[0][:1].istitle():
                    text = capitalised(text, self.lexicons[0].target_language)
                words.append(text)
                begin = end
            else:
                words.append(switched.words[begin])
                begin += 1
            gaps.append(switched.gaps[begin])
        return Words(tuple(gaps), tuple(words))
