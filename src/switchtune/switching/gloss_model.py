"""Glosses of whole sentences: the other language's word order, and words that fit each other.

The words of a sentence are put in the order of the other language, and of all ways to translate them the most probable
is taken, by the probabilities of the translations and by a language model. That is statistical machine translation
(Brown et al., Computational Linguistics 1993; Koehn et al., NAACL 2003) of single words, from counts alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.config.switching import GlossSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import Segmenter, lower_case, word_segmenter
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.ngrams import Ngrams, count_ngrams, history_of, log_probability
from switchtune.lexicon.text import Encoded, Vocabulary, monolingual_text
from switchtune.switching.reorder import Reordering, learn_order

LEFT_OUT = 0.7
"""A gloss may leave out a word of which at least this share of the occurrences is aligned to nothing."""
MOST_OPTIONS = 8
"""Ways to translate a word that are considered."""
PHRASE_PAIRS = 50_000
"""Sentence pairs from which phrases are taken, the first of the corpus."""
_WIDEST = 4  # Words from the first to the last that one word is aligned to, at most
_ATTACHED = 2  # Unaligned words on each side of these that may belong to them, at most
_BEAM = 6
_WORD_BONUS = 2.5  # Added to the logarithm of each word's probability in the language model: else fewer words win

Phrases: TypeAlias = Mapping[str, Mapping[tuple[str, ...], float]]
"""By word, in lower case: the words that it is translated by, and how often; () where it is aligned to nothing."""


class Options(NamedTuple):
    """The ways to translate one word."""

    texts: tuple[str | None, ...]  # None: the word has no translation
    words: NDArray[np.int64]  # Ids of the words of all of them, one after the other
    sizes: NDArray[np.int64]  # [options] words of each
    log_probabilities: NDArray[np.float64]  # [options]


@dataclass(frozen=True)
class GlossModel:
    """What is known of the language of glosses from its own sentences and from aligned pairs."""

    segmenter: Segmenter
    language: str
    phrases: Phrases
    ngrams: Ngrams
    vocabulary: Vocabulary  # Of `ngrams`
    weight: float  # Of the language model; that of the translations is 1
    reordering: Reordering | None = None

    def order(self, words: Sequence[str]) -> list[int]:
        """The positions of the words of a sentence in the order of their gloss."""
        return self.reordering(words) if self.reordering else list(range(len(words)))

    def options(self, key: str, translations: Mapping[str, float], space: str = " ") -> Options:
        """The ways to translate a word, in lower case.

        Args:
            translations: those of the lexicon, with their weights.
            space: what stands between two words of a gloss.
        """
        phrases = self.phrases.get(key, {})
        total, mass = sum(phrases.values()), sum(translations.values())
        found: dict[str, float] = {}
        for phrase, count in phrases.items():
            if phrase or count >= LEFT_OUT * total:
                text = space.join(phrase)
                found[text] = found.get(text, 0.0) + count / (total + 1)
        for translation, weight in translations.items():
            found[translation] = found.get(translation, 0.0) + weight / mass / (total + 1)
        possible = [item for item in found.items() if item[1] > 0]
        best = sorted(possible, key=lambda item: -item[1])[:MOST_OPTIONS]
        return self._options(best) if best else self._options([(None, 1.0)])

    def fixed(self, word: str) -> Options:
        """A word that stays as it is."""
        return self._options([(word, 1.0)])

    def _options(self, weighted: Sequence[tuple[str | None, float]]) -> Options:
        id_of, index = self.ngrams.id_of, self.vocabulary.index
        words = [
            [id_of(index.get(lower_case(word, self.language))) for word in self.segmenter.split(text).words]
            if text is not None
            else [id_of(None)]
            for text, _ in weighted
        ]
        return Options(
            tuple(text for text, _ in weighted),
            np.array([word for option in words for word in option], dtype=np.int64),
            np.array([len(option) for option in words], dtype=np.int64),
            np.log([weight for _, weight in weighted]),
        )

    def best(self, options: Sequence[Options]) -> list[str | None]:
        """An option of each word of a sentence, together the most probable ones that beam search finds."""
        if not options:
            return []
        columns = [np.concatenate([each[column] for each in options]) for column in (1, 2, 3)]
        sizes = np.array([len(each.texts) for each in options])
        chosen = _searched(sizes, *columns, self.ngrams, self.ngrams.end, self.weight)
        return [each.texts[number] for each, number in zip(options, chosen.tolist(), strict=True)]


def learn_gloss_model(
    pairs: Corpus,
    settings: GlossSettings,
    alignment: Alignment | None = None,
    *,
    edited: Iterable[str] = (),
    further: Sequence[str] = (),
) -> GlossModel:
    """What glosses of targets in the source language are made with, learned from the first pairs of a corpus.

    Args:
        alignment: of the pairs, from the source; None: neither order nor phrases are learned.
        edited: words of the target language whose translations were edited by hand, and are those of the lexicon alone.
        further: sentences of the source language for the language model.
    """
    pairs = pairs.limited(PHRASE_PAIRS)
    own, other = pairs.source_language, pairs.target_language
    source = monolingual_text((*pairs.sources(), *further), own, word_segmenter(own))
    phrases: Phrases = {}
    reordering = None
    if alignment is not None:
        target, backwards = monolingual_text(pairs.targets(), other, word_segmenter(other)), alignment.reversed()
        kept = {lower_case(word, other) for word in edited}
        found = phrases_of(target.encoded, source.encoded, backwards)
        phrases = {word: of_word for word, of_word in found.items() if word not in kept}
        reordering = learn_order(target.encoded, other, backwards) if settings.reorder else None
    ngrams, vocabulary = count_ngrams(source.encoded), source.encoded.vocabulary
    return GlossModel(source.segmenter, own, phrases, ngrams, vocabulary, settings.language_model, reordering)


def phrases_of(text: Encoded, counterpart: Encoded, alignment: Alignment) -> Phrases:
    """How the words of a text are translated in its counterpart, with the unaligned words beside them and without.

    Args:
        alignment: from the text to its counterpart, sentence by sentence.
    """
    pairs = min(len(text), PHRASE_PAIRS)
    last = int(alignment.starts[pairs])
    pair = alignment.pair_of_link[:last]
    word, other = text.starts[pair] + alignment.source[:last], counterpart.starts[pair] + alignment.target[:last]
    tokens, others = int(text.starts[pairs]), int(counterpart.starts[pairs])
    links, links_of_other = np.bincount(word, minlength=tokens), np.bincount(other, minlength=others)
    first, end = np.full(tokens, others), np.zeros(tokens, dtype=np.int64)
    np.minimum.at(first, word, other)
    np.maximum.at(end, word, other + 1)
    aligned = np.flatnonzero(links)
    before = np.concatenate(([0], np.cumsum(links_of_other > 0)))
    alone = np.bincount(word, links_of_other[other], minlength=tokens)[aligned] == links[aligned]
    alone &= before[end[aligned]] - before[first[aligned]] == links[aligned]
    shared, whole = aligned[~alone], aligned[alone & (end[aligned] - first[aligned] <= _WIDEST)]
    sentences = counterpart.sentence_of_token[:others]
    left, right = (_unaligned_beside(links_of_other, sentences, step) for step in (-1, 1))
    begins, ends = first[whole], end[whole]
    spans = [(whole, b, e, 0.25) for b in (begins, begins - left[begins]) for e in (ends, ends + right[ends - 1])]
    spans += [(shared, first[shared], first[shared] + 1, 0.5)]
    # Where a pair has no link, it was not aligned, or is none: that says nothing about its words.
    linked = np.bincount(pair, minlength=pairs) > 0
    nothing = np.flatnonzero((links == 0) & linked[text.sentence_of_token[:tokens]])
    spans += [(nothing, np.zeros_like(nothing), np.zeros_like(nothing), 1.0)]
    return _counted(text, counterpart, spans)


def _unaligned_beside(links: NDArray[np.int64], sentences: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """How many words without a link stand right before (step -1) or after (1) each, `_ATTACHED` at most. [tokens]"""
    counts, going, tokens = np.zeros_like(links), np.ones(len(links), dtype=np.bool_), np.arange(len(links))
    for distance in range(1, _ATTACHED + 1):
        place = np.clip(tokens + step * distance, 0, len(links) - 1)
        going &= (place == tokens + step * distance) & (links[place] == 0) & (sentences[place] == sentences)
        counts += going
    return counts


_Span: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], float]
"""Words of a text, where the phrase of each begins and ends in the counterpart, and how much it counts."""


def _counted(text: Encoded, counterpart: Encoded, spans: Sequence[_Span]) -> Phrases:
    """The phrases of spans of the counterpart by the word of each, the most frequent `MOST_OPTIONS` of a word."""
    width = _WIDEST + 2 * _ATTACHED
    tokens, begins, ends = (np.concatenate([span[column] for span in spans]) for column in range(3))
    weights = np.concatenate([np.full(len(span[0]), span[3]) for span in spans])
    rows = np.full((len(tokens), 1 + width), -1, dtype=np.int32)
    rows[:, 0] = text.ids[tokens]
    for column in range(width):
        inside = begins + column < ends
        rows[inside, 1 + column] = counterpart.ids[begins[inside] + column]
    kinds, which = np.unique(rows, axis=0, return_inverse=True)
    counts = np.bincount(which.ravel(), weights, minlength=len(kinds))
    order = np.lexsort((-counts, kinds[:, 0]))
    rank = np.arange(len(order)) - np.searchsorted(kinds[order, 0], kinds[order, 0])
    order = order[rank < MOST_OPTIONS]
    keys, names = list(text.vocabulary.index), counterpart.vocabulary.words
    phrases: dict[str, dict[tuple[str, ...], float]] = {}
    for row, count in zip(kinds[order].tolist(), counts[order].tolist(), strict=True):
        phrases.setdefault(keys[row[0]], {})[tuple(names[word] for word in row[1:] if word >= 0)] = count
    return phrases


@njit(cache=True, nogil=True)
def _searched(options, words, sizes, scores, ngrams, end, weight):
    """The option of each word of a sentence, by beam search; `options` says how many each has."""
    slots, bonus = len(options), weight * _WORD_BONUS
    state = np.empty((2, _BEAM, 2), np.int64)
    total = np.empty((2, _BEAM))
    parents, taken = np.empty((slots, _BEAM), np.int64), np.empty((slots, _BEAM), np.int64)
    state[0, 0], total[0, 0], kept = end + 1, 0.0, 1
    ends = np.cumsum(sizes)
    option_at = 0
    for slot in range(slots):
        old, new, count, worst, least = slot % 2, 1 - slot % 2, 0, 0, -np.inf
        for parent in range(kept):
            known_history = history_of(ngrams, state[old, parent, 0], state[old, parent, 1])
            for option in range(options[slot]):
                at = option_at + option
                two_before, before, history = state[old, parent, 0], state[old, parent, 1], known_history
                score = total[old, parent] + scores[at]
                for place in range(ends[at] - sizes[at], ends[at]):
                    if score + bonus * (ends[at] - place) < least:  # too little even if all words were certain
                        break
                    score += weight * log_probability(ngrams, history, before, words[place]) + bonus
                    two_before, before = before, words[place]
                    if place + 1 < ends[at]:
                        history = history_of(ngrams, two_before, before)
                if score <= least:
                    continue
                row = worst if count == _BEAM else count
                for other in range(count):
                    if state[new, other, 0] == two_before and state[new, other, 1] == before:
                        row = other
                if row == count:
                    count += 1
                elif score <= total[new, row]:
                    continue
                total[new, row] = score
                state[new, row, 0], state[new, row, 1] = two_before, before
                parents[slot, row], taken[slot, row] = parent, option
                if count == _BEAM:
                    worst = int(np.argmin(total[new]))
                    least = total[new, worst]
        kept = count
        option_at += options[slot]
    best, highest = 0, -np.inf
    for last in range(kept):
        two_before, before = state[slots % 2, last]
        history = history_of(ngrams, two_before, before)
        score = total[slots % 2, last] + weight * log_probability(ngrams, history, before, end)
        if score > highest:
            best, highest = last, score
    chosen = np.empty(slots, np.int64)
    for slot in range(slots - 1, -1, -1):
        chosen[slot] = taken[slot, best]
        best = parents[slot, best]
    return chosen
