"""Lexicons from a model's vectors, with toy encoders whose geometry is known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from switchtune.corpus.words import Words
from switchtune.lexicon.block import Limits
from switchtune.lexicon.plm import PlmSettings, choose_sentences, plm_lexicons, without_main_directions, word_means
from switchtune.lexicon.records import LexiconError
from switchtune.lexicon.text import MonolingualText, encode

DIMENSIONS = 32
MEANINGS = 60
EVERY = PlmSettings(min_count=1)


def sentence(*words: str) -> Words:
    return Words(("", *[" "] * (len(words) - 1), ".") if words else ("",), words)


@dataclass
class ByHand:
    """Divides line n into the words of the n-th sentence, and counts how often it was asked."""

    sentences: Sequence[Words]
    asked: int = 0

    def split(self, text: str) -> Words:
        self.asked += 1
        return self.sentences[int(text)]


def side(sentences: Sequence[Words], language: str) -> MonolingualText:
    text = encode((one.words for one in sentences), language)
    return MonolingualText(language, [str(place) for place in range(len(sentences))], ByHand(sentences), text)


@dataclass
class ToyEncoder:
    """Words named "…7" mean the seventh meaning; each language stands apart, and each occurrence a little elsewhere."""

    noise: float = 0.3
    apart: float = 5.0
    turned: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    asked: list[Words] = field(default_factory=list)

    def __call__(self, sentences: Sequence[Words], language: str) -> list[NDArray[np.float32]]:
        self.asked += sentences
        rng = np.random.default_rng(len(self.asked))
        meanings = np.random.default_rng(0).normal(size=(MEANINGS, DIMENSIONS))
        offset = np.random.default_rng(ord(language[0])).normal(size=DIMENSIONS)
        found = []
        for one in sentences:
            vectors = np.zeros((len(one.words), DIMENSIONS))
            for row, word in enumerate(one.words):
                if word[1:].isdigit():
                    vectors[row] = meanings[int(word[1:])] @ self.turned.get(language, np.eye(DIMENSIONS))
                    vectors[row] += self.apart * offset + self.noise * rng.normal(size=DIMENSIONS)
            found.append(vectors.astype(np.float32))
        return found


def text(initial: str, *, seed: int, size: int = 200) -> list[Words]:
    """Sentences of five words such as "d17", of each meaning at least one."""
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([rng.permutation(MEANINGS), rng.integers(MEANINGS, size=5 * size - MEANINGS)])
    return [sentence(*(f"{initial}{number}" for number in five)) for five in drawn.reshape(-1, 5)]


GERMAN, ENGLISH = side(text("d", seed=1), "de"), side(text("e", seed=2), "en")


def test_words_of_one_meaning_translate_each_other() -> None:
    forward, backward = plm_lexicons(GERMAN, ENGLISH, ToyEncoder(), Limits(k=3), seed=1, settings=EVERY)
    assert (forward.source_language, forward.target_language) == ("de", "en")
    assert (backward.source_language, backward.target_language) == ("en", "de")
    for lexicon in (forward, backward):
        assert (lexicon.method, lexicon.measure, lexicon.unit, len(lexicon)) == ("plm", "similarity", "word", MEANINGS)
        for entry in lexicon.entries.values():
            assert [translation.word[1:] for translation in entry.translations[:1]] == [entry.word[1:]]
            strengths = [translation.strength for translation in entry.translations]
            assert len(strengths) == 3
            assert strengths == sorted(strengths, reverse=True)
    counts = Counter(word for place in range(200) for word in GERMAN.words(place).words)
    assert {entry.word: entry.count for entry in forward.entries.values()} == counts


def test_sides_that_are_turned_against_each_other_are_turned_back() -> None:
    # So far that without the mapping a third of the words would get wrong translations.
    drawn = 0.09 * np.random.default_rng(3).normal(size=(DIMENSIONS, DIMENSIONS))
    turn = np.linalg.solve(np.eye(DIMENSIONS) - drawn + drawn.T, np.eye(DIMENSIONS) + drawn - drawn.T)
    encoder = ToyEncoder(turned={"en": turn})
    forward, _ = plm_lexicons(GERMAN, ENGLISH, encoder, Limits(k=1), seed=1, settings=EVERY)
    assert all(entry.translations[0].word[1:] == entry.word[1:] for entry in forward.entries.values())


def test_the_control_takes_the_least_near() -> None:
    forward, backward = plm_lexicons(GERMAN, ENGLISH, ToyEncoder(), Limits(k=2), seed=1, settings=EVERY, farthest=True)
    for lexicon in (forward, backward):
        assert (lexicon.method, lexicon.measure) == ("anti(plm)", "none")
        for entry in lexicon.entries.values():
            assert entry.word[1:] not in {translation.word[1:] for translation in entry.translations}
            assert {translation.strength for translation in entry.translations} == {1.0}


def test_everything_random_follows_from_the_seed() -> None:
    few = PlmSettings(min_count=1, occurrences=2)
    one, again, other = (
        plm_lexicons(GERMAN, ENGLISH, ToyEncoder(), Limits(k=3), seed=seed, settings=few) for seed in (1, 1, 2)
    )
    assert one == again != other


def test_only_the_sentences_that_are_read_are_cut_again() -> None:
    repeated = side([sentence("ein", "Hund"), sentence("eine", "Katze")] * 500, "de")
    encoder = CountingEncoder()
    word_means(repeated, encoder, seed=1, settings=PlmSettings(occurrences=3))
    assert isinstance(repeated.segmenter, ByHand)
    assert (repeated.segmenter.asked, encoder.met) == (6, 12)


def test_main_directions_do_not_depend_on_the_number_of_threads() -> None:
    vectors = torch.randn(20_000, 128, generator=torch.Generator().manual_seed(1))  # so many that the sums differ
    before, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 4):
            torch.set_num_threads(number)
            found.append(without_main_directions(vectors, 5))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0], other) for other in found[1:])


class CountingEncoder:
    """The n-th word that it ever meets has the vector (n, 1); words in brackets have none."""

    def __init__(self) -> None:
        self.met = 0

    def __call__(self, sentences: Sequence[Words], language: str) -> list[NDArray[np.float32]]:
        found = []
        for one in sentences:
            rows = []
            for word in one.words:
                self.met += 1
                rows.append([0, 0] if word.startswith("(") else [self.met, 1])
            found.append(np.array(rows, dtype=np.float32).reshape(-1, 2))
        return found


def test_means_are_of_words_in_any_casing_that_have_a_vector() -> None:
    text = [sentence("Ein", "Hund", "(x)", "ein")]
    means = word_means(side(text, "de"), CountingEncoder(), seed=1, settings=EVERY)
    assert dict(means.vocabulary.index) == {"ein": 0, "hund": 1}
    assert means.vocabulary.words == ("ein", "Hund")
    assert means.vectors.tolist() == [[2.5, 1], [2, 1]]
    assert means.vectors.dtype == np.float32


def test_rare_words_have_no_vector() -> None:
    text = [sentence("a", "b"), sentence("a", "b", "c"), sentence("a")]
    means = word_means(side(text, "de"), CountingEncoder(), seed=1, settings=PlmSettings(min_count=2))
    assert means.vocabulary.words == ("a", "b")
    assert means.vocabulary.counts.tolist() == [3, 2]
    assert len(means.vectors) == 2


def test_sums_do_not_depend_on_how_many_sentences_are_held_at_once() -> None:
    text = [sentence("ein", "Hund")] * 1500
    means = word_means(side(text, "de"), CountingEncoder(), seed=1, settings=PlmSettings(occurrences=1500))
    np.testing.assert_allclose(means.vectors, [[1500, 1], [1501, 1]], rtol=1e-4)


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ([], r"0 sentences of de hold 0 words that occur at least 2 times, and the model has vectors of 0 of them"),
        ([sentence("a", "b")], r"1 sentences of de hold 0 words .* Give more text, or a model that knows"),
        ([sentence("a", "a", "(x)", "(x)", "(y)", "(y)")], r"hold 3 words .* vectors of 1 of them: too little"),
        ([sentence()], r"1 sentences of de hold 0 words"),
    ],
)
def test_too_little_text(sentences: list[Words], message: str) -> None:
    with pytest.raises(LexiconError, match=message):
        plm_lexicons(side(sentences, "de"), ENGLISH, CountingEncoder(), Limits(), seed=1)


def chosen(sentences: Sequence[Sequence[str]], choice: PlmSettings, *, seed: int = 1) -> list[int]:
    encoded = encode(sentences, "de")
    size = int((encoded.vocabulary.counts >= choice.min_count).sum())
    return choose_sentences(encoded, size, choice, rng=np.random.default_rng(seed))


def test_frequent_words_do_not_make_more_sentences_be_read() -> None:
    frequent, rare = [["ein"]] * 1000, [["ein", f"w{number}"] for number in range(20)]
    found = chosen([*frequent, *rare], PlmSettings(min_count=1, occurrences=30))
    assert len(found) == 30
    assert set(range(1000, 1020)) == set(found[:20])


def test_each_word_is_met_once_before_any_is_read_for_twice() -> None:
    sentences = [[f"w{number}"] for number in range(50)] * 6
    found = chosen(sentences, PlmSettings(min_count=1, occurrences=4, sentences=100))
    assert len(found) == 100
    assert {place % 50 for place in found[:50]} == {place % 50 for place in found[50:]} == set(range(50))


WORDS = st.sampled_from("abcdefghij")


@settings(derandomize=True)
@given(
    sentences=st.lists(st.lists(WORDS, max_size=6), max_size=30),
    min_count=st.integers(1, 3),
    occurrences=st.integers(1, 5),
)
def test_every_word_is_met_as_often_as_wanted_or_as_it_occurs(
    sentences: list[list[str]], min_count: int, occurrences: int
) -> None:
    choice = PlmSettings(min_count, occurrences)
    found = chosen(sentences, choice)
    assert len(set(found)) == len(found)
    total = Counter(word for one in sentences for word in one)
    met = Counter(word for place in found for word in sentences[place])
    for word, count in total.items():
        if count >= min_count:
            assert met[word] >= min(count, occurrences)
    assert found == chosen(sentences, choice)
    assert chosen(sentences, PlmSettings(min_count, occurrences, sentences=2)) == found[:2]
