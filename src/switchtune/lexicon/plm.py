"""Lexicons from the multilingual model that is to be trained: no other embeddings, and no sentence pairs.

A word's vector is the mean of its vectors in the sentences that it stands in, wherever those come from: this module
knows of the model only that it gives each word of a sentence a vector (`WordEncoder`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from switchtune.corpus.words import Words
from switchtune.lexicon.block import Limits
from switchtune.lexicon.csls import nearest_by_csls, neighbour_lexicons, normalise, one_thread_each
from switchtune.lexicon.map import Dictionary, MapSettings, SelfLearning, map_embeddings
from switchtune.lexicon.records import Lexicon, LexiconError, Unit
from switchtune.lexicon.text import Encoded, MonolingualText, Vectors, WordVectors

# VecMap's recommendation, gently: the start is good already, so no word is left out at random to get away from it.
REFINED = MapSettings(learning=SelfLearning(cutoff=4000, keep_initial=1.0, threshold=1e-4, patience=2, lag=True))

_SENTENCES_AT_ONCE = 1024


WordEncoder: TypeAlias = Callable[[Sequence[Words], str], Sequence[Vectors]]
"""From sentences and their language to a vector a word, [words, dimensions] each; zeros: the word has none."""


@dataclass(frozen=True, slots=True)
class PlmSettings:
    """Which words get a vector, how much of the text is read for it, and what becomes of the vectors."""

    min_count: int = 2  # Occurrences below which a word has no vector
    occurrences: int = 50  # Occurrences of each word to read, where there are so many
    sentences: int = 20_000  # Sentences of a side to read, at most
    dropped_directions: int = 5  # of most variation: they tell little of meaning (Mu and Viswanath, 2018)


DEFAULTS = PlmSettings()


def plm_lexicons(
    source: MonolingualText,
    target: MonolingualText,
    encoder: WordEncoder,
    limits: Limits,
    *,
    seed: int,
    settings: PlmSettings = DEFAULTS,
    farthest: bool = False,
    unit: Unit = "word",
) -> tuple[Lexicon, Lexicon]:
    """Lexicons of both directions (source → target, target → source) from two texts and a model's vectors.

    What the vectors say of the language rather than of the word is taken out: each side's mean and main directions.
    Then the sides are mapped to each other, beginning with the words that are each other's nearest. `seed` draws which
    of a frequent word's sentences are read.

    Raises:
        LexiconError: a side has fewer than two words that are frequent enough and have a vector.
    """
    sides = [word_means(text, encoder, seed=seed, settings=settings) for text in (source, target)]
    vectors = [without_main_directions(torch.from_numpy(side.vectors), settings.dropped_directions) for side in sides]
    start, rng = mutually_nearest(*vectors), np.random.default_rng(seed)
    mapped = map_embeddings(vectors[0], vectors[1], start, REFINED, rng=rng)
    languages, vocabularies = (source.language, target.language), (sides[0].vocabulary, sides[1].vocabulary)
    spaces = (mapped.source, mapped.target)
    return neighbour_lexicons(languages, vocabularies, spaces, limits, method="plm", farthest=farthest, unit=unit)


@one_thread_each()
def without_main_directions(vectors: Tensor, dropped: int) -> Tensor:
    """The vectors' directions less their mean and the `dropped` directions in which they vary most. [words, dims]"""
    directions = normalise(vectors, ("unit", "center")).double()
    dropped = min(dropped, min(directions.shape) // 2)  # else a small matrix would be left empty
    _, basis = torch.linalg.eigh(directions.T @ directions)  # [dims, dims], the largest last
    main = basis[:, directions.shape[1] - dropped :]
    return normalise(directions - directions @ main @ main.T, ("unit",))


def mutually_nearest(source: Tensor, target: Tensor) -> Dictionary:
    """The pairs of words that are each other's nearest by CSLS: the seed dictionary that the model itself gives."""
    forward, backward = (neighbours.rows[:, 0] for neighbours in nearest_by_csls(source, target, k=1))
    rows = torch.arange(len(source))
    rows = rows[backward[forward] == rows]
    return Dictionary(rows, forward[rows])


def word_means(
    text: MonolingualText, encoder: WordEncoder, *, seed: int, settings: PlmSettings = DEFAULTS
) -> WordVectors:
    """The mean vector of each word, in lower case, over the sentences that `choose_sentences` chooses.

    Raises:
        LexiconError: fewer than two words are frequent enough and have a vector.
    """
    encoded = text.encoded
    size = int(np.count_nonzero(encoded.vocabulary.counts >= settings.min_count))
    chosen = choose_sentences(encoded, size, settings, rng=np.random.default_rng(seed))
    sums: Vectors = np.zeros((size, 1), dtype=np.float32)  # of one column until the vectors' dimensions are known
    occurrences = np.zeros(size, dtype=np.int64)
    for start in range(0, len(chosen), _SENTENCES_AT_ONCE):
        rows = chosen[start : start + _SENTENCES_AT_ONCE]
        vectors = np.concatenate(encoder([text.words(row) for row in rows], text.language))
        words = np.concatenate([encoded.ids[encoded.starts[row] : encoded.starts[row + 1]] for row in rows])
        tokens = np.flatnonzero((words < size) & vectors.any(axis=1))
        ones = np.ones(len(tokens), dtype=np.float32)
        of_words: Vectors = csr_array((ones, (words[tokens], tokens)), shape=(size, len(vectors))) @ vectors
        sums = sums + of_words
        occurrences += np.bincount(words[tokens], minlength=size)
    covered = np.flatnonzero(occurrences)
    if len(covered) < 2:
        raise LexiconError(
            f"{len(encoded)} sentences of {text.language} hold {size} words that occur at least {settings.min_count}"
            f" times, and the model has vectors of {len(covered)} of them: too little for a lexicon. Give more text,"
            " or a model that knows the language."
        )
    means = (sums[covered] / occurrences[covered, None]).astype(np.float32)
    return WordVectors(encoded.vocabulary.part(covered), means)


def choose_sentences(text: Encoded, size: int, settings: PlmSettings, *, rng: np.random.Generator) -> list[int]:
    """The sentences to read for the vectors of the `size` most frequent words, the most needed first.

    In rounds: each word is to be met once, twice, four times and so on up to `settings.occurrences`, the rarest first,
    for their sentences hold frequent words too. A word's sentences come in random order.
    """
    rank = rng.permutation(len(text))
    sentence_of_token = text.sentence_of_token
    by_word = np.lexsort((rank[sentence_of_token], text.ids))
    holding = sentence_of_token[by_word]  # the sentences of word 0 in random order, those of word 1, …
    bounds = np.searchsorted(text.ids[by_word], np.arange(size + 1))
    following, ends = bounds[:-1].tolist(), bounds[1:].tolist()
    met = [0] * len(text.vocabulary)
    chosen: dict[int, None] = {}
    doublings = range((settings.occurrences - 1).bit_length() + 1)
    for wanted in (min(2**doubling, settings.occurrences) for doubling in doublings):
        for word in reversed(range(size)):
            while met[word] < wanted and following[word] < ends[word]:
                if len(chosen) >= settings.sentences:
                    return list(chosen)
                sentence = int(holding[following[word]])
                following[word] += 1
                if sentence not in chosen:
                    chosen[sentence] = None
                    for read in text.ids[text.starts[sentence] : text.starts[sentence + 1]].tolist():
                        met[read] += 1
    return list(chosen)
