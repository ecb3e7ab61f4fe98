"""Switching by alignment: the right sense, the right casing, phrases as phrases, and nothing else touched."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.switching.aligned import AlignedSwitcher
from switchtune.switching.switcher import Switched, example_keys


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


def switched(made: AlignedSwitcher, text: str, other: str, *, seed: int = 1) -> Switched:
    return made.in_pairs([text], [other], [0], keys=example_keys(seed, [(0, 0)]))[0][1]


def in_pair(made: AlignedSwitcher, text: str, other: str, row: int = 0, *, seed: int = 1) -> str:
    return made.in_pairs([text], [other], [row], keys=example_keys(seed, [(0, 0)]))[0][0]


def test_each_sentence_has_its_own_sense() -> None:
    made = switcher("0-0 1-1", "0-0 1-1")
    assert in_pair(made, "Die Bank.", "The bank.") == "The bank."
    assert in_pair(made, "Die Bank.", "The bench!", 1) == "The bench."


def test_casing_follows_the_position_in_the_sentence() -> None:
    made = switcher("0-1 1-0", "0-0 1-1")
    assert in_pair(made, "Hund, bellt", "The dog") == "Dog, the"
    assert in_pair(made, "die HUND", "I dog", 1) == "I DOG"


def test_words_without_a_link_stay_and_the_rate_says_so() -> None:
    made = switcher("1-1")
    result = switched(made, "Der Hund bellt laut", "A dog")
    assert result.words == ("Der", "dog", "bellt", "laut")
    assert (result.positions, result.replaceable) == ((1,), 1)


def test_a_word_linked_to_several_becomes_all_of_them() -> None:
    made = switcher("1-1 1-2 1-3")
    text = in_pair(made, "das Antriebsradsystem", "the drive wheel system")
    assert text == "das drive wheel system"


def test_phrases_switch_in_the_other_language_s_order() -> None:
    pair = ("Ich habe den Hund gesehen.", "I have seen the dog.")
    links = "0-0 1-1 2-3 3-4 4-2"
    words = in_pair(switcher(links), *pair)
    assert words == "I have the dog seen."
    assert in_pair(switcher(links, phrases=True), *pair) == "I have seen the dog."


def test_a_phrase_keeps_the_punctuation_inside_it_and_needs_links_of_its_own() -> None:
    pair = ("Hund und Rad", "dog, bench")
    assert in_pair(switcher("0-0 1-1 2-1", phrases=True), *pair) == "Dog, bench"
    apart = switcher("0-2 1-0", phrases=True)
    assert in_pair(apart, "das Rad", "one two three") == "three one"


def test_a_phrase_at_the_start_of_the_sentence_keeps_its_capital() -> None:
    made = switcher("0-0 1-0", phrases=True)
    assert in_pair(made, "Zu Hause ist es.", "home it is.") == "Home ist es."


def test_links_beyond_a_sentence_are_passed_over() -> None:
    """The text may have been cut into words in another way since."""
    made = switcher("0-0 5-1 1-9")
    assert in_pair(made, "die Bank", "the bank") == "the Bank"


LINKS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12, unique=True).map(sorted)


@settings(derandomize=True, deadline=None)
@given(LINKS, st.floats(0, 1), st.booleans(), st.integers(0, 1000))
def test_what_holds_of_any_alignment(links: list[tuple[int, int]], rate: float, phrases: bool, seed: int) -> None:
    made = switcher(" ".join(f"{s}-{t}" for s, t in links), rate=rate, phrases=phrases)
    pair = ("Der Hund bellt, die Bank (das Rad)!", "The dog barks: a bench, wheel.")
    result = switched(made, *pair, seed=seed)
    original = word_segmenter("de").split(pair[0]).words
    assert len(result.words) == len(original)
    linked = {source for source, _ in links}
    assert set(result.positions) <= linked
    assert all(word == original[place] for place, word in enumerate(result.words) if place not in result.positions)
    text = in_pair(made, *pair, seed=seed)
    assert text == in_pair(made, *pair, seed=seed)
    assert text.endswith(")!" if not phrases else "!")
    assert "  " not in text
    if not result.positions:
        assert text == pair[0]


@pytest.mark.parametrize("phrases", [False, True])
def test_a_sentence_is_switched_alike_alone_and_among_others(phrases: bool) -> None:
    made = switcher("0-0 1-1", "1-0", "", "0-1 1-1", rate=0.5, phrases=phrases)
    texts, others = ["Die Bank.", "Der Hund", "…", "die HUND"], ["The bank.", "dog", "!", "I dog"]
    keys = example_keys(1, [(0, row) for row in range(4)])
    together = made.in_pairs(texts, others, range(4), keys=keys)
    alone = [
        made.in_pairs([text], [other], [row], keys=keys[row : row + 1])[0]
        for row, (text, other) in enumerate(zip(texts, others, strict=True))
    ]
    assert together == alone


@pytest.mark.parametrize("phrases", [False, True])
def test_a_sentence_without_words_stays(phrases: bool) -> None:
    made = replace(switcher(""), phrases=phrases)
    assert in_pair(made, "…", "…") == "…"
    assert switched(made, "…", "…").words == ()
