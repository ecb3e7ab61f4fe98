"""Switching by alignment: the right sense, the right casing, phrases as phrases, and nothing else touched."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.corpus.words import word_segmenter
from switchtune.in_context import AlignedSwitcher
from switchtune.lexicon import Entry, Lexicon, Translation
from switchtune.lexicon.alignment import Alignment
from switchtune.switching import generator


def lexicon(source: str, target: str, words: str) -> Lexicon:
    entries = {word.lower(): Entry(word, 1, (Translation("x", 1.0, 1),)) for word in words.split()}
    return Lexicon(source, target, "test", "none", "word", entries)


def alignment(*pairs: str) -> Alignment:
    links = [[tuple(map(int, link.split("-"))) for link in pair.split()] for pair in pairs]
    flat = np.array([link for pair in links for link in pair], dtype=np.int16).reshape(-1, 2)
    starts = np.concatenate(([0], np.cumsum([len(pair) for pair in links])))
    return Alignment(starts, flat[:, 0], flat[:, 1], np.ones(len(flat), dtype=np.float32), 0)


def switcher(*pairs: str, rate: float = 1.0, phrases: bool = False) -> AlignedSwitcher:
    return AlignedSwitcher(
        (word_segmenter("de"), word_segmenter("en")),
        alignment(*pairs),
        (lexicon("de", "en", "die Bank der Hund bellt das Rad"), lexicon("en", "de", "the bank I dog bench")),
        rate,
        phrases=phrases,
    )


def test_each_sentence_has_its_own_sense() -> None:
    made = switcher("0-0 1-1", "0-0 1-1")
    assert made.in_pair("Die Bank.", "The bank.", 0, rng=generator(1, 0, 0)) == "The bank."
    assert made.in_pair("Die Bank.", "The bench!", 1, rng=generator(1, 0, 0)) == "The bench."


def test_casing_follows_the_place_in_the_sentence() -> None:
    made = switcher("0-1 1-0", "0-0 1-1")
    assert made.in_pair("Hund, bellt", "The dog", 0, rng=generator(1, 0, 0)) == "Dog, the"
    assert made.in_pair("die HUND", "I dog", 1, rng=generator(1, 0, 0)) == "I DOG"


def test_words_without_a_link_stay_and_the_rate_says_so() -> None:
    made = switcher("1-1")
    result = made.switched("Der Hund bellt laut", "A dog", 0, rng=generator(1, 0, 0))
    assert result.words == ("Der", "dog", "bellt", "laut")
    assert (result.positions, result.replaceable) == ((1,), 1)


def test_a_word_linked_to_several_becomes_all_of_them() -> None:
    made = switcher("1-1 1-2 1-3")
    text = made.in_pair("das Antriebsradsystem", "the drive wheel system", 0, rng=generator(1, 0, 0))
    assert text == "das drive wheel system"


def test_phrases_switch_in_the_other_language_s_order() -> None:
    pair = ("Ich habe den Hund gesehen.", "I have seen the dog.")
    links = "0-0 1-1 2-3 3-4 4-2"
    words = switcher(links).in_pair(*pair, 0, rng=generator(1, 0, 0))
    assert words == "I have the dog seen."
    assert switcher(links, phrases=True).in_pair(*pair, 0, rng=generator(1, 0, 0)) == "I have seen the dog."


def test_a_phrase_keeps_the_punctuation_inside_it_and_needs_links_of_its_own() -> None:
    pair = ("Hund und Rad", "dog, bench")
    assert switcher("0-0 1-1 2-1", phrases=True).in_pair(*pair, 0, rng=generator(1, 0, 0)) == "Dog, bench"
    apart = switcher("0-2 1-0", phrases=True)
    assert apart.in_pair("das Rad", "one two three", 0, rng=generator(1, 0, 0)) == "three one"


def test_a_phrase_at_the_start_of_the_sentence_keeps_its_capital() -> None:
    made = switcher("0-0 1-0", phrases=True)
    assert made.in_pair("Zu Hause ist es.", "home it is.", 0, rng=generator(1, 0, 0)) == "Home ist es."


def test_links_beyond_a_sentence_are_passed_over() -> None:
    """The text may have been cut into words in another way since."""
    made = switcher("0-0 5-1 1-9")
    assert made.in_pair("die Bank", "the bank", 0, rng=generator(1, 0, 0)) == "the Bank"


LINKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12, unique=True).map(sorted)


@settings(derandomize=True, deadline=None)
@given(LINKS, st.floats(0, 1), st.booleans(), st.integers(0, 1000))
def test_what_holds_of_any_alignment(links: list[tuple[int, int]], rate: float, phrases: bool, seed: int) -> None:
    made = switcher(" ".join(f"{s}-{t}" for s, t in links), rate=rate, phrases=phrases)
    pair = ("Der Hund bellt, die Bank (das Rad)!", "The dog barks: a bench, wheel.")
    result = made.switched(*pair, 0, rng=generator(seed, 0, 0))
    original = word_segmenter("de").split(pair[0]).words
    assert len(result.words) == len(original)
    linked = {source for source, _ in links}
    assert set(result.positions) <= linked
    assert all(word == original[place] for place, word in enumerate(result.words) if place not in result.positions)
    text = made.in_pair(*pair, 0, rng=generator(seed, 0, 0))
    assert text == made.in_pair(*pair, 0, rng=generator(seed, 0, 0))
    assert text.endswith(")!" if not phrases else "!")
    assert "  " not in text
    if not result.positions:
        assert text == pair[0]


@pytest.mark.parametrize("phrases", [False, True])
def test_a_sentence_without_words_stays(phrases: bool) -> None:
    made = replace(switcher(""), phrases=phrases)
    assert made.in_pair("…", "…", 0, rng=generator(1, 0, 0)) == "…"
    assert made.switched("…", "…", 0, rng=generator(1, 0, 0)).words == ()
