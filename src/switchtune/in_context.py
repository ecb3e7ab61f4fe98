"""Switching in context: a word becomes the word that it is aligned to in its own sentence pair, in the right sense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from switchtune.corpus.words import Segmenter, Words, capitalised
from switchtune.lexicon import Lexicon
from switchtune.lexicon.alignment import Alignment
from switchtune.switching import Switched, initial, recased, switch


class SideSwitcher(Protocol):
    """Switches one side of sentence pairs; `row` is the pair's place in the corpus, `other` its other side."""

    def switched(self, text: str, other: str, row: int, *, rng: np.random.Generator) -> Switched:
        """The words of `text` after switching."""
        ...

    def in_pair(self, text: str, other: str, row: int, *, rng: np.random.Generator) -> str:
        """`text` after switching."""
        ...


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

    def switched(self, text: str, other: str, row: int, *, rng: np.random.Generator) -> Switched:
        """The words of `text` after switching, each in its own place; words that are aligned to none stay."""
        units, others = self.segmenters[0].split(text), self.segmenters[1].split(other)
        return self._switched(units, others, self._linked(row, units, others), rng)

    def in_pair(self, text: str, other: str, row: int, *, rng: np.random.Generator) -> str:
        """`text` after switching, phrases as phrases where `phrases` is set."""
        units, others = self.segmenters[0].split(text), self.segmenters[1].split(other)
        linked = self._linked(row, units, others)
        result = self._switched(units, others, linked, rng)
        switched = units.replace(result.words)
        if self.phrases:
            switched = self._with_phrases(switched, others, linked, result.positions)
        return self.segmenters[0].join(switched)

    def _linked(self, row: int, units: Words, others: Words) -> dict[int, list[int]]:
        """Places in the other sentence that each place is linked to, ascending."""
        linked: dict[int, list[int]] = {}
        for place, target in self.alignment.links(row):
            if place < len(units.words) and target < len(others.words):
                linked.setdefault(place, []).append(target)
        return linked

    def _switched(
        self, units: Words, others: Words, linked: Mapping[int, Sequence[int]], rng: np.random.Generator
    ) -> Switched:
        choices = [
            self._choices(word, [self._usual(others.words, target) for target in linked.get(place, ())])
            for place, word in enumerate(units.words)
        ]
        if choices:
            choices[0] = initial(units.words[0], choices[0], self.lexicons[0].target_language)
        return switch(units.words, choices, rate=self.rate, mean_span=self.mean_span, rng=rng)

    def _choices(self, word: str, translation: Sequence[str]) -> Sequence[str]:
        if not translation:
            return ()
        gaps = ("",) * (len(translation) + 1)
        text = self.segmenters[1].join(Words(gaps, tuple(translation)))
        entry = self.lexicons[0].find(word)
        cased = recased(text, word, entry.word if entry else word, self.lexicons[0].target_language)
        return () if cased == word else (cased,)

    def _usual(self, words: Sequence[str], place: int) -> str:
        """A word of the other sentence without the capital that only the sentence's start gives it."""
        entry = self.lexicons[1].find(words[place]) if place == 0 else None
        return entry.word if entry else words[place]

    def _with_phrases(
        self, switched: Words, others: Words, linked: Mapping[int, Sequence[int]], positions: Sequence[int]
    ) -> Words:
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
