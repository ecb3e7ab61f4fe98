"""Terms in a source sentence: target words in place of source words, put in alike for training and for translation.

Sources: Dinu et al., Training Neural Machine Translation to Apply Terminology Constraints (ACL 2019); Song et al.,
Code-Switching for Enhancing NMT with Pre-Specified Translation (NAACL 2019); for base forms Bergmanis and Pinnis,
Facilitating Terminology Translation with Target Lemma Annotations (EACL 2021).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import log

import numpy as np

from switchtune.config.switching import TermSettings
from switchtune.corpus.words import Segmenter, Words, capitalised, is_number, lower_case, word_segmenter
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.forms import same_form
from switchtune.lexicon.glossary import Glossary
from switchtune.lexicon.records import Lexicon
from switchtune.lexicon.terms import Found, TermFinder, joins
from switchtune.lexicon.text import Vocabulary
from switchtune.switching.aligned import LinkedPair, linked_pair, translates_alone, usual_words
from switchtune.switching.switcher import WORDS_REMEMBERED, Rates, recased

LONGEST_TERM = 4
"""Words of a term at most, on either side, where it is found by alignment."""
_FREQUENT = 0.4
"""Share of the running words that are too frequent to begin or end a term: articles, prepositions and their like."""
_BY_LENGTH = (4.0, 3.0, 2.0, 1.0)
"""How often terms of one, two, … words are drawn, by the longer side, where a sentence has them all."""
_KNOWN = 3.0
"""How many times as often a term is drawn of which the lexicon knows a word with its translation."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A text that takes the place of adjacent words of a sentence."""

    begin: int
    end: int  # The word after the last
    text: str


def put_in(words: Words, places: Iterable[Placed], mark: str = "") -> Words:
    """A sentence with texts in the place of its words, one "word" each, between marks where these are not empty.

    The places do not overlap.
    """
    new, gaps, done = list[str](), [words.gaps[0]], 0
    for place in sorted(places, key=lambda place: place.begin):
        new += [*words.words[done : place.begin], f"{mark} {place.text} {mark}" if mark else place.text]
        gaps += [*words.gaps[done + 1 : place.begin + 1], words.gaps[place.end]]
        done = place.end
    return Words((*gaps, *words.gaps[done + 1 :]), (*new, *words.words[done:]))


def cased(text: str, word: str, usual: str, language: str, *, first: bool) -> str:
    """A term with the casing that the word in whose place it stands has beyond its usual one.

    Args:
        language: of the term.
        first: whether it begins the sentence, where a capital stays.
    """
    result = recased(text, word, usual, language)
    return capitalised(result, language) if first and word[:1].istitle() else result


def frequent_words(vocabulary: Vocabulary) -> frozenset[str]:
    """The most frequent words of a text, in lower case, that no term begins or ends with."""
    total = vocabulary.counts.sum()
    before = np.cumsum(vocabulary.counts) - vocabulary.counts
    return frozenset(list(vocabulary.index)[: int((before < _FREQUENT * total).sum())])


@dataclass(frozen=True, slots=True)
class _Word:
    """What is to be known of a word of the source or of the target, wherever it stands."""

    key: str  # In lower case
    at_edge: bool  # Whether a term can begin or end with it
    rarity: float  # The logarithm of the running words for each time that it is there
    translations: frozenset[str]  # In lower case, by the lexicon


@dataclass(frozen=True, slots=True)
class _Candidate:
    span: range
    targets: Sequence[int]
    weight: float

    @property
    def length(self) -> int:
        """Words of the longer side."""
        return max(len(self.span), len(self.targets))


@dataclass(frozen=True)
class AlignedTerms:
    """Puts terms into the sources of sentence pairs: words of the target that adjacent source words are aligned to."""

    segmenters: tuple[Segmenter, Segmenter]
    alignment: Alignment  # Of the corpus that the pairs are from
    lexicons: tuple[Lexicon, Lexicon]  # Source → target and back
    vocabularies: tuple[Vocabulary, Vocabulary]  # Of a sample of both sides
    settings: TermSettings

    def source(self, source: str, target: str, row: int, rng: np.random.Generator) -> str:
        """The source of a pair, which is row `row` of the corpus, with terms; as it is where nothing can become one."""
        pair = linked_pair(self.segmenters, self.alignment, source, target, row)
        drawn = self._drawn(self._candidates(pair), len(pair.sentence.words), rng)
        if not drawn:
            return source
        in_base_form = rng.random(len(drawn)) < self.settings.base_forms
        places = [self._placed(pair, each, base=base) for each, base in zip(drawn, in_base_form.tolist(), strict=True)]
        return self.segmenters[0].join(put_in(pair.sentence, places, self.settings.mark))

    def all_terms(self, source: str, target: str, row: int, *, base: bool = False) -> list[Placed]:
        """All that may become a term in the source of a pair; some overlap. `base`: in the form of the lexicon."""
        pair = linked_pair(self.segmenters, self.alignment, source, target, row)
        return [self._placed(pair, each, base=base) for each in self._candidates(pair)]

    def rates(self, pairs: Iterable[tuple[str, str]], rng: np.random.Generator) -> Rates:
        """How many words of sources can become part of a term and how many do, over the corpus's first pairs."""
        sentences = words = replaceable = replaced = 0
        for row, (source, target) in enumerate(pairs):
            pair = linked_pair(self.segmenters, self.alignment, source, target, row)
            found = self._candidates(pair)
            sentences, words = sentences + 1, words + len(pair.sentence.words)
            replaceable += len({position for each in found for position in each.span})
            replaced += sum(len(each.span) for each in self._drawn(found, len(pair.sentence.words), rng))
        return Rates(sentences, words, replaceable, replaced, self.settings.rate)

    def _drawn(self, found: Sequence[_Candidate], words: int, rng: np.random.Generator) -> list[_Candidate]:
        """Candidates of which none overlap, until so much of the words is replaced."""
        goal = max(1, int(self.settings.rate * words + rng.random()))
        of_length = Counter(each.length for each in found)
        shares = [each.weight * _BY_LENGTH[each.length - 1] / of_length[each.length] for each in found]
        # The largest of log(u) / weight are a draw by weight without replacement (Efraimidis and Spirakis, 2006).
        ranks = np.log(1 - rng.random(len(found))) / np.array(shares)
        drawn, taken = list[_Candidate](), set[int]()
        for number in np.argsort(-ranks, kind="stable").tolist():
            span = found[number].span
            if taken.isdisjoint(span) and (not taken or len(taken) + len(span) <= goal):
                drawn.append(found[number])
                taken.update(span)
            if len(taken) >= goal:
                break
        return drawn

    def _candidates(self, pair: LinkedPair) -> list[_Candidate]:
        sources, gaps, found = pair.sources, pair.sentence.gaps, list[_Candidate]()
        words = [self._known(0, word) for word in pair.sentence.words]
        translation = [self._known(1, word) for word in pair.counterpart.words]
        for begin, word in enumerate(words):
            targets = set[int]()
            for end in range(begin + 1, min(begin + LONGEST_TERM, len(words)) + 1 if word.at_edge else 0):
                if end - 1 not in pair.linked or (end - 1 > begin and not joins(gaps[end - 1])):
                    break
                targets.update(pair.linked[end - 1])
                if len(targets) > LONGEST_TERM:
                    break
                span, ordered = range(begin, end), sorted(targets)
                if words[end - 1].at_edge and translates_alone(span, ordered, sources):
                    inner = pair.counterpart.gaps[ordered[0] + 1 : ordered[-1] + 1]
                    weight = _weight(words[begin:end], translation[ordered[0] : ordered[-1] + 1])
                    found += [_Candidate(span, ordered, weight)] if weight and all(map(joins, inner)) else []
        return found

    def _placed(self, pair: LinkedPair, found: _Candidate, *, base: bool) -> Placed:
        """The target words of a candidate in its place; in another form, if the lexicon has one, for `base`."""
        original, first = pair.sentence.words[found.span.start], found.targets[0]
        inner = pair.counterpart.gaps[first + 1 : found.targets[-1] + 1]
        words = usual_words(pair.counterpart, found.targets, self.lexicons[1])
        text = self.segmenters[1].join(Words(("", *inner, ""), words))
        if base and found.length == 1:
            text = self._base_form(original, words[0])
        entry = self.lexicons[0].find(original)
        usual, language = entry.word if entry else original, self.lexicons[0].target_language
        return Placed(
            found.span.start, found.span.stop, cased(text, original, usual, language, first=found.span.start == 0)
        )

    def _base_form(self, word: str, target: str) -> str:
        """The strongest translation of a word that is another form of the one that it has in its pair, or this one."""
        entry, language = self.lexicons[0].find(word), self.lexicons[0].target_language
        key = lower_case(target, language)
        for each in entry.translations if entry else ():
            other = lower_case(each.word, language)
            if other != key and same_form(other, key, language):
                return each.word
        return target

    @cached_property
    def _known(self) -> Callable[[int, str], _Word]:
        """What is to be known of a word, of the source (0) or of the target (1)."""
        languages = (self.lexicons[0].source_language, self.lexicons[0].target_language)
        frequent = [frequent_words(each) for each in self.vocabularies]
        totals = [int(each.counts.sum()) + 1 for each in self.vocabularies]

        @lru_cache(maxsize=WORDS_REMEMBERED)
        def known(side: int, word: str) -> _Word:
            vocabulary, key = self.vocabularies[side], lower_case(word, languages[side])
            count = int(vocabulary.counts[vocabulary.index[key]]) if key in vocabulary.index else 1
            entry = self.lexicons[side].entries.get(key)
            links = entry.translations if entry else ()
            translations = frozenset(lower_case(each.word, languages[1 - side]) for each in links)
            return _Word(key, key not in frequent[side] and not is_number(key), log(totals[side] / count), translations)

        return known


def _weight(words: Sequence[_Word], translation: Sequence[_Word]) -> float:
    """How often source words are drawn as a term, in proportion: more often if rare, or in the lexicon; 0: never."""
    targets = [word.key for word in translation]
    if not (translation[0].at_edge and translation[-1].at_edge) or targets == [word.key for word in words]:
        return 0.0
    rarity = sum(word.rarity for word in words) / len(words)
    return rarity * (_KNOWN if any(not word.translations.isdisjoint(targets) for word in words) else 1.0)


@dataclass(frozen=True)
class GlossaryTerms:
    """Puts the terms of a glossary into sentences of its source language."""

    glossary: Glossary
    mark: str = ""
    """Text before and behind a term."""

    def put_in(self, text: str) -> tuple[str, list[Found]]:
        """A sentence with its terms in the target language, in the form that the glossary has; and what was found.

        A sentence without a term is returned as it is.
        """
        words = self.finder.segmenter.split(text)
        found = self.finder.find(words)
        if not found:
            return text, found
        places = [Placed(each.begin, each.end, self._cased(each, words)) for each in found]
        return self.finder.segmenter.join(put_in(words, places, self.mark)), found

    def wanted(self, text: str) -> list[tuple[int, tuple[str, ...]]]:
        """What a translation of a sentence is to hold: each term by its number, in the forms that will do.

        These are that of the glossary and that which is cased as the term is. A translation that has no word, and so is
        never found, is left out.
        """
        words = self.finder.segmenter.split(text)
        return [
            (each.term, self._forms(each, words))
            for each in self.finder.find(words)
            if each.term not in self.target_finder.unfindable
        ]

    def _forms(self, found: Found, words: Words) -> tuple[str, ...]:
        term, translation = self.glossary.terms[found.term]
        as_found = cased(translation, words.words[found.begin], term, self.glossary.languages[1], first=False)
        return tuple(dict.fromkeys((translation, as_found)))

    def lacking(self, output: str, wanted: Sequence[tuple[int, tuple[str, ...]]]) -> int:
        """How many of the terms that it is to hold stand in an output in no form."""
        times = Counter(number for number, _ in wanted)
        words = self.target_finder.segmenter.split(output) if times else None
        lost = 0
        for number, count in times.items():
            assert words is not None
            lost += max(0, count - self.target_finder.count(words, number)[1])
        return lost

    def _cased(self, found: Found, words: Words) -> str:
        term, translation = self.glossary.terms[found.term]
        first = found.begin == 0
        return cased(translation, words.words[found.begin], term, self.glossary.languages[1], first=first)

    @cached_property
    def finder(self) -> TermFinder:
        """Of the terms in the source language."""
        return self._finder(0)

    @cached_property
    def target_finder(self) -> TermFinder:
        """Of their translations."""
        return self._finder(1)

    def _finder(self, side: int) -> TermFinder:
        language = self.glossary.languages[side]
        return TermFinder(language, word_segmenter(language), [term[side] for term in self.glossary.terms])
