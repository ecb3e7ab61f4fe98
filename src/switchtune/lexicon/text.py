"""Texts in numbers: a vocabulary, and sentences as ids of its words."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from switchtune.corpus.words import Segmenter, Words, lower_case

_ENTRIES_PER_BLOCK = 1 << 22  # Sentences, summed over the words of a block of pairs, that are looked at together

Vectors: TypeAlias = NDArray[np.float32]  # [words, dimensions]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a text without regard to case, most frequent first (ties: by the lower-case form)."""

    words: tuple[str, ...]  # in their usual casing
    counts: NDArray[np.int64]  # [words]
    index: Mapping[str, int]  # the id of each lower-case form

    def __len__(self) -> int:
        return len(self.words)

    def part(self, ids: NDArray[np.integer]) -> "Vocabulary":
        """The vocabulary of these words alone, in this order."""
        keys = list(self.index)
        return Vocabulary(
            words=tuple(self.words[word] for word in ids.tolist()),
            counts=self.counts[ids],
            index={keys[word]: row for row, word in enumerate(ids.tolist())},
        )


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words, most frequent first, and the vector of each."""

    vocabulary: Vocabulary
    vectors: Vectors  # [words, dimensions]


@dataclass(frozen=True)
class Encoded:
    """A text in numbers."""

    vocabulary: Vocabulary
    ids: NDArray[np.int32]  # [tokens]
    starts: NDArray[np.int64]  # [sentences + 1], where each sentence begins, and the end

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each sentence. [sentences]"""
        return np.diff(self.starts)

    @property
    def sentence_of_token(self) -> NDArray[np.int64]:
        """The sentence that each token stands in. [tokens]"""
        return np.repeat(np.arange(len(self)), self.lengths)

    def selected(self, kept: NDArray[np.bool_]) -> "Encoded":
        """The sentences for which `kept` is true, and the vocabulary that they have. kept: [sentences]"""
        if kept.all():
            return self
        ids = self.ids[np.repeat(kept, self.lengths)]
        counts = np.bincount(ids, minlength=len(self.vocabulary))
        keys = list(self.vocabulary.index)
        seen = np.flatnonzero(counts).tolist()
        order = np.array(sorted(seen, key=lambda word: (-int(counts[word]), keys[word])), dtype=np.int64)
        renumbered = np.full(len(self.vocabulary), -1, dtype=np.int32)
        renumbered[order] = np.arange(len(order))
        vocabulary = replace(self.vocabulary.part(order), counts=counts[order])
        return Encoded(vocabulary, renumbered[ids], np.concatenate(([0], np.cumsum(self.lengths[kept]))))


def encode(sentences: Iterable[Sequence[str]], language: str) -> Encoded:
    """Number the words of segmented sentences in one pass, holding no more than their numbers and distinct forms."""
    number_of_form: defaultdict[str, int] = defaultdict(count().__next__)
    tokens, lengths = array("i"), array("i")
    for sentence in sentences:
        tokens.extend([number_of_form[word] for word in sentence])
        lengths.append(len(sentence))
    forms = list(number_of_form)
    form_of_token = np.frombuffer(tokens, dtype=np.int32) if tokens else np.zeros(0, np.int32)
    starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    occurrences = np.bincount(form_of_token, minlength=len(forms))
    at_start = np.bincount(form_of_token[starts[:-1][np.diff(starts) > 0]], minlength=len(forms))
    keys = [lower_case(form, language) for form in forms]
    counts: Counter[str] = Counter()
    for key, number in zip(keys, occurrences.tolist(), strict=True):
        counts[key] += number
    casing = _usual_casing(forms, keys, (occurrences - at_start).tolist(), at_start.tolist())
    ranked = sorted(counts, key=lambda key: (-counts[key], key))
    index = {key: word for word, key in enumerate(ranked)}
    ranked_counts = np.array([counts[key] for key in ranked], dtype=np.int64)
    vocabulary = Vocabulary(tuple(casing[key] for key in ranked), ranked_counts, index)
    word_of_form = np.array([index[key] for key in keys], dtype=np.int32)
    return Encoded(vocabulary, word_of_form[form_of_token], starts)


def _usual_casing(
    forms: Sequence[str], keys: Sequence[str], inside: Sequence[int], at_start: Sequence[int]
) -> dict[str, str]:
    """By lower-case form: the form most frequent away from the sentence's start, whose casing is not the word's own.

    A word that stands at the start alone has its most frequent form there. Ties go to the form with more lower case.
    """
    best: dict[str, tuple[bool, int, str]] = {}
    for form, key, within, starting in zip(forms, keys, inside, at_start, strict=True):
        rank = (within > 0, within or starting, form)
        best[key] = max(best.get(key, rank), rank)
    return {key: form for key, (_, _, form) in best.items()}


Bounds: TypeAlias = tuple[int, int]  # The first of a run of things, and the one after the last


def blocks(sizes: NDArray[np.integer], most: int) -> Iterator[Bounds]:
    """Cut a sequence of things where their sizes would add up to more than `most`: they bound the memory."""
    ends = np.cumsum(sizes, dtype=np.int64)
    begin = 0
    while begin < len(sizes):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + most, side="right")))
        yield begin, end
        begin = end


def incidence(text: Encoded) -> csr_array:
    """Which sentences hold which words, as a matrix of zeros and ones. [words, sentences]"""
    shape = (len(text.vocabulary), len(text))
    matrix = csr_array((np.ones(len(text.ids), dtype=np.int32), (text.ids, text.sentence_of_token)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def sentences_with_both(
    source: csr_array, target: csr_array, source_words: NDArray[np.integer], target_words: NDArray[np.integer]
) -> NDArray[np.int64]:
    """In how many pairs of sentences (`incidence` of each side) the i-th source and target word stand. [word pairs]"""
    counts = np.zeros(len(source_words), dtype=np.int64)
    sizes = np.diff(source.indptr)[source_words] + np.diff(target.indptr)[target_words]
    for block in blocks(sizes, _ENTRIES_PER_BLOCK):
        words = slice(*block)
        counts[words] = source[source_words[words]].multiply(target[target_words[words]]).sum(axis=1)
    return counts


@dataclass(frozen=True)
class MonolingualText:
    """Text of one language that a lexicon is made from: a side of a parallel corpus, or on its own."""

    language: str
    lines: Sequence[str]
    segmenter: Segmenter
    encoded: Encoded  # The words of the lines, as the segmenter divides them

    def words(self, row: int) -> Words:
        """The words of a line, segmented anew: only their ids are held."""
        return self.segmenter.split(self.lines[row])

    def selected(self, kept: NDArray[np.bool_]) -> "MonolingualText":
        """The lines for which `kept` is true. kept: [lines]"""
        lines = [self.lines[row] for row in np.flatnonzero(kept).tolist()]
        return replace(self, lines=lines, encoded=self.encoded.selected(kept))


def monolingual_text(lines: Sequence[str], language: str, segmenter: Segmenter) -> MonolingualText:
    """Lines of a language, segmented and counted."""
    encoded = encode((segmenter.split(line).words for line in lines), language)
    return MonolingualText(language, lines, segmenter, encoded)
