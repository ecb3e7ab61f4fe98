"""Texts in numbers: a vocabulary, and sentences as places in it."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from switchtune.corpus.words import Segmenter, Words, lower_case


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a text without regard to case, most frequent first (ties: by the lower-case form).

    `words` are in their usual casing, `counts` how often each occurs, `index` the place of each lower-case form.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]  # [words]
    index: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class Encoded:
    """A text in numbers: its vocabulary, and its words as places in the vocabulary, one sentence after the other."""

    vocabulary: Vocabulary
    words: NDArray[np.int32]  # [tokens]
    starts: NDArray[np.int64]  # [sentences + 1], where each sentence begins, and the end

    def __len__(self) -> int:
        return len(self.starts) - 1


class _Places(dict[str, int]):
    """Gives each new key the next number."""

    def __missing__(self, key: str) -> int:
        self[key] = place = len(self)
        return place


def encode(sentences: Iterable[Sequence[str]], language: str) -> Encoded:
    """Number the words of segmented sentences in one pass, holding no more than their numbers and distinct forms."""
    places = _Places()
    forms, lengths = array("i"), array("i")
    for sentence in sentences:
        forms.extend([places[word] for word in sentence])
        lengths.append(len(sentence))
    form_of_token = np.frombuffer(forms, dtype=np.int32) if forms else np.zeros(0, np.int32)
    starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    count = np.bincount(form_of_token, minlength=len(places))
    first = np.bincount(form_of_token[starts[:-1][np.diff(starts) > 0]], minlength=len(places))
    keys = [lower_case(form, language) for form in places]
    counts: Counter[str] = Counter()
    for key, number in zip(keys, count.tolist(), strict=True):
        counts[key] += number
    casing = _usual_casing(list(places), keys, (count - first).tolist(), first.tolist())
    ranked = sorted(counts, key=lambda key: (-counts[key], key))
    index = {key: place for place, key in enumerate(ranked)}
    word_of_form = np.array([index[key] for key in keys], dtype=np.int32)
    vocabulary = Vocabulary(
        words=tuple(casing[key] for key in ranked),
        counts=np.array([counts[key] for key in ranked], dtype=np.int64),
        index=index,
    )
    return Encoded(vocabulary, word_of_form[form_of_token], starts)


def _usual_casing(
    forms: Sequence[str], keys: Sequence[str], inside: Sequence[int], first: Sequence[int]
) -> dict[str, str]:
    """The usual casing of each word, by its lower-case form, from how often each form stands inside and at the start.

    It is the most frequent form away from the first position of the sentence, where casing tells about the word and
    not about the sentence; for words that stand only there, their most frequent form. Ties go to the form with more
    lower case.
    """
    best: dict[str, tuple[bool, int, str]] = {}
    for form, key, within, at_start in zip(forms, keys, inside, first, strict=True):
        rank = (within > 0, within or at_start, form)
        if key not in best or best[key] < rank:
            best[key] = rank
    return {key: form for key, (_, _, form) in best.items()}


def decoded(text: Encoded) -> list[list[str]]:
    """The sentences of a text, each word in its usual casing."""
    words = text.vocabulary.words
    bounds = text.starts.tolist()
    return [[words[place] for place in text.words[begin:end].tolist()] for begin, end in pairwise(bounds)]


def selected(text: Encoded, kept: NDArray[np.bool_]) -> Encoded:
    """The sentences of a text for which `kept` is true, and the vocabulary that they have. kept: [sentences]"""
    if kept.all():
        return text
    lengths = np.diff(text.starts)
    words = text.words[np.repeat(kept, lengths)]
    counts = np.bincount(words, minlength=len(text.vocabulary))
    keys = list(text.vocabulary.index)
    seen = np.flatnonzero(counts).tolist()
    order = np.array(sorted(seen, key=lambda place: (-int(counts[place]), keys[place])), dtype=np.int64)
    renumbered = np.full(len(text.vocabulary), -1, dtype=np.int32)
    renumbered[order] = np.arange(len(order))
    vocabulary = Vocabulary(
        words=tuple(text.vocabulary.words[place] for place in order.tolist()),
        counts=counts[order],
        index={keys[place]: number for number, place in enumerate(order.tolist())},
    )
    return Encoded(vocabulary, renumbered[words], np.concatenate(([0], np.cumsum(lengths[kept]))))


@dataclass(frozen=True)
class Side:
    """One side of the text that a lexicon is made from."""

    language: str
    lines: Sequence[str]
    segmenter: Segmenter
    text: Encoded
    """The words of the lines, as the segmenter divides them."""

    def words(self, place: int) -> Words:
        """The sentence of this place, cut anew: only its words' numbers are held."""
        return self.segmenter.split(self.lines[place])

    def selected(self, kept: NDArray[np.bool_]) -> "Side":
        """The sentences for which `kept` is true. kept: [sentences]"""
        lines = [self.lines[place] for place in np.flatnonzero(kept).tolist()]
        return replace(self, lines=lines, text=selected(self.text, kept))


def count_words(sentences: Iterable[Sequence[str]], language: str) -> Vocabulary:
    """The vocabulary of segmented sentences in a language."""
    return encode(sentences, language).vocabulary
