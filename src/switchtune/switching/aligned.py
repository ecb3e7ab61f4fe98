"""Switching in context: a word becomes the word that it is aligned to in its own sentence pair, in the right sense."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from switchtune.corpus.words import Segmenter, Words, capitalised
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.records import Lexicon
from switchtune.switching.switcher import WORDS_REMEMBERED, Switched, initial, recased, switch_all


class SideSwitcher(Protocol):
    """Switches one side of sentence pairs: their `texts`, beside the `others` of the same pairs.

    `rows` are the pairs' places in the corpus, `keys` their sources of randomness (`example_keys`). What a sentence
    becomes depends on its own arguments alone, not on the sentences beside it.
    """

    def switched(
        self, texts: Sequence[str], others: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[Switched]:
        """The words of each of `texts` after switching."""
        ...

    def in_pairs(
        self, texts: Sequence[str], others: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[str]:
        """Each of `texts` after switching."""
        ...


@dataclass(frozen=True, slots=True)
class _Pair:
    """The words of a sentence and of its translation, and what is linked with what."""

    units: Words
    others: Words
    linked: Mapping[int, Sequence[int]]
    """Places in the other sentence that each place is linked to, ascending."""


@dataclass(frozen=True)
class AlignedSwitcher:
    """Replaces the words of one side of a corpus by the words of the other side that they are aligned to."""

    segmenters: tuple[Segmenter, Segmenter]
    """Of this side and of the other."""
    alignment: Alignment
    """From this side to the other, of the corpus that is switched."""
    lexicons: tuple[Lexicon, Lexicon]
    """From this side to the other and back: they know the usual casing of words."""
    rate: float = 0.35
    mean_span: float = 3.5
    phrases: bool = False
    """Let a span become its translation as a phrase, in the other language's order, where it has one: its words are
    linked to adjacent words that are linked with no other."""

    def switched(
        self, texts: Sequence[str], others: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[Switched]:
        """The words of `texts` after switching, each in its own place; words that are aligned to none stay."""
        return self._switched(list(map(self._pair, texts, others, rows)), keys)

    def in_pairs(
        self, texts: Sequence[str], others: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[str]:
        """`texts` after switching, phrases as phrases where `phrases` is set."""
        pairs = list(map(self._pair, texts, others, rows))
        result = []
        for pair, switched in zip(pairs, self._switched(pairs, keys), strict=True):
            units = pair.units.replace(switched.words)
            if self.phrases:
                units = self._with_phrases(units, pair, switched.positions)
            result.append(self.segmenters[0].join(units))
        return result

    def _pair(self, text: str, other: str, row: int) -> _Pair:
        units, others = self.segmenters[0].split(text), self.segmenters[1].split(other)
        linked: dict[int, list[int]] = {}
        for place, target in self.alignment.links(row):
            if place < len(units.words) and target < len(others.words):
                linked.setdefault(place, []).append(target)
        return _Pair(units, others, linked)

    def _switched(self, pairs: Sequence[_Pair], keys: NDArray[np.uint64]) -> list[Switched]:
        sentences = [pair.units.words for pair in pairs]
        choices = list(map(self._candidates, pairs))
        return switch_all(sentences, choices, rate=self.rate, mean_span=self.mean_span, keys=keys)

    def _candidates(self, pair: _Pair) -> list[tuple[str, ...]]:
        words = pair.units.words
        choices: list[tuple[str, ...]] = [()] * len(words)
        for place, targets in pair.linked.items():
            translation = tuple(self._usual(pair.others.words, target) for target in targets)
            choices[place] = self._choices(words[place], translation)
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

    def _usual(self, words: Sequence[str], place: int) -> str:
        """A word of the other sentence without the capital that only the sentence's start gives it."""
        entry = self.lexicons[1].find(words[place]) if place == 0 else None
        return entry.word if entry else words[place]

    def _with_phrases(self, switched: Words, pair: _Pair, positions: Sequence[int]) -> Words:
        others, linked = pair.others, pair.linked
        sources: dict[int, set[int]] = {}
        for place, targets in linked.items():
            for target in targets:
                sources.setdefault(target, set()).add(place)
        gaps, words = [switched.gaps[0]], list[str]()
        place = 0
        while place < len(switched.words):
            end = place
            while end in positions:
                end += 1
            run = range(place, end)
            targets = sorted({target for each in run for target in linked[each]})
            whole = len(targets) == (targets[-1] - targets[0] + 1 if targets else 0)
            if len(run) > 1 and whole and all(sources[target] <= set(run) for target in targets):
                inner = tuple(self._usual(others.words, target) for target in targets)
                phrase = Words(("", *others.gaps[targets[0] + 1 : targets[-1] + 1], ""), inner)
                text = self.segmenters[1].join(phrase)
                if place == 0 and switched.words[0][:1].istitle():
                    text = capitalised(text, self.lexicons[0].target_language)
                words.append(text)
                place = end
            else:
                words.append(switched.words[place])
                place += 1
            gaps.append(switched.gaps[place])
        return Words(tuple(gaps), tuple(words))
