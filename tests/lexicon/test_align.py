"""Lexicons from alignments: their strengths by hand, their order, compounds, and the control of words apart."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.lexicon.align import align_lexicons, apart_lexicons, compounds, lower_share
from switchtune.lexicon.alignment import Alignment, align
from switchtune.lexicon.block import Limits
from switchtune.lexicon.records import LexiconError
from switchtune.lexicon.text import encode


def aligned(*pairs: str) -> Alignment:
    """An alignment as other tools write it: `0-0 1-2`; every link with probability 1."""
    links = [[tuple(map(int, link.split("-"))) for link in pair.split()] for pair in pairs]
    flat = [link for pair in links for link in pair]
    source, target = np.array(flat, dtype=np.int16).reshape(-1, 2).T
    starts = np.concatenate(([0], np.cumsum([len(pair) for pair in links])))
    return Alignment(starts, source, target, np.ones(len(flat), dtype=np.float32), 0)


def test_strength_by_hand() -> None:
    source = encode([["Der", "Hund"], ["Der", "Hund"], ["Ein", "Hund"]], "de")
    target = encode([["The", "dog"], ["The", "dog"], ["A", "hound"]], "en")
    alignment = aligned("0-0 1-1", "0-0 1-1", "0-0 1-1")
    forward, backward = align_lexicons(alignment, source, target, ("de", "en"), Limits(floor=0))
    hund = forward.entries["hund"]
    # Wilson's lower bound at one standard deviation: 2 of 3, and 2 of 2.
    two_of_three = (2 / 3 + 1 / 6 - math.sqrt(2 / 9 / 3 + 1 / 36)) / (1 + 1 / 3)
    two_of_two = (1 + 1 / 4 - math.sqrt(1 / 16)) / (1 + 1 / 2)
    assert hund.translations[0].word == "dog"
    assert hund.translations[0].strength == pytest.approx(two_of_three * math.sqrt(two_of_two), abs=1e-6)
    assert backward.entries["dog"].translations[0].strength == pytest.approx(
        two_of_two * math.sqrt(two_of_three), abs=1e-6
    )
    assert [translation.word for translation in hund.translations] == ["dog", "hound"]
    assert (hund.count, hund.translations[0].count) == (3, 2)
    assert (forward.source_language, forward.target_language, forward.measure) == ("de", "en", "probability")
    assert (backward.source_language, backward.target_language, backward.method) == ("en", "de", "align")


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 10**6).flatmap(lambda whole: st.tuples(st.floats(0, whole), st.just(whole))))
def test_the_lower_share_is_a_share_and_grows_with_certainty(counts: tuple[float, int]) -> None:
    part, whole = counts
    bound, surer = lower_share(np.array([part, 10 * part]), np.array([whole, 10 * whole]))
    assert 0 <= bound <= part / whole + 1e-12
    assert bound <= surer + 1e-12


def test_k_floor_and_ties() -> None:
    source = encode([["a"]] * 4, "x")
    target = encode([["u"], ["v"], ["w"], ["w"]], "y")
    alignment = aligned("0-0", "0-0", "0-0", "0-0")
    everything, _ = align_lexicons(alignment, source, target, ("x", "y"), Limits(floor=0))
    assert [translation.word for translation in everything.entries["a"].translations] == ["w", "u", "v"]
    best, _ = align_lexicons(alignment, source, target, ("x", "y"), Limits(k=1))
    assert [translation.word for translation in best.entries["a"].translations] == ["w"]
    strong, _ = align_lexicons(alignment, source, target, ("x", "y"), Limits(floor=0.9))
    assert [translation.word for translation in strong.entries["a"].translations] == ["w"]


def test_nothing_aligned_is_an_error() -> None:
    text = encode([["a"]], "x")
    with pytest.raises(LexiconError, match="No word of any sentence pair could be aligned"):
        align_lexicons(aligned(""), text, text, ("x", "y"), Limits())


def test_compounds_are_words_that_stand_for_phrases() -> None:
    german = [["das", "Antriebsradsystem"], ["ein", "Antriebsradsystem"], ["das", "Rad"]]
    english = [["the", "drive", "wheel", "system"], ["a", "drive", "wheel", "system"], ["the", "wheel"]]
    source, target = encode(german, "de"), encode(english, "en")
    links = aligned("0-0 1-1 1-2 1-3", "0-0 1-1 1-2 1-3", "0-0 1-1")
    (found,) = compounds(links, source, target)
    assert (found.word, found.phrase, found.count, found.occurrences) == (
        "Antriebsradsystem",
        "drive wheel system",
        2,
        2,
    )
    assert compounds(links.reversed(), target, source) == ()
    # Not adjacent, or linked with another word as well: no phrase.
    assert compounds(aligned("0-0 1-1 1-3", "0-0 1-1 1-3", "0-0"), source, target) == ()
    assert compounds(aligned("0-1 1-1 1-2 1-3", "0-1 1-1 1-2 1-3", "0-0"), source, target) == ()


def test_the_corpus_of_houses() -> None:
    sources = [["Das", "Haus"], ["Das", "kleine", "Haus"], ["Das", "Buch"], ["Ein", "Buch"], ["Ein", "Haus"]] * 4
    targets = [["The", "house"], ["The", "small", "house"], ["The", "book"], ["A", "book"], ["A", "house"]] * 4
    source, target = encode(sources, "de"), encode(targets, "en")
    forward, backward = align_lexicons(align(source, target, seed=1), source, target, ("de", "en"), Limits())
    best = {entry.word: entry.translations[0].word for entry in forward.entries.values()}
    assert best == {"Haus": "house", "Das": "The", "Buch": "book", "Ein": "A", "kleine": "small"}
    assert {translation: word for word, translation in best.items()} == {
        entry.word: entry.translations[0].word for entry in backward.entries.values()
    }


def test_apart_words_never_meet() -> None:
    rng = np.random.default_rng(2)
    sides = [[[str(word) for word in rng.integers(0, 40, size=4)] for _ in range(30)] for _ in range(2)]
    texts = (encode(sides[0], "x"), encode(sides[1], "y"))
    forward, backward = apart_lexicons(*texts, ("x", "y"), seed=5)
    met = {(s, t) for source, target in zip(*sides, strict=True) for s in source for t in target}
    for key, entry in forward.entries.items():
        drawn = {translation.word for translation in entry.translations}
        assert len(drawn) == 3
        assert not any((key, word) in met for word in drawn)
    assert not any((t.word, key) in met for key, entry in backward.entries.items() for t in entry.translations)
    assert forward.entries.keys() == {word for sentence in sides[0] for word in sentence}
    assert (forward, backward) == apart_lexicons(*texts, ("x", "y"), seed=5)
    assert (forward, backward) != apart_lexicons(*texts, ("x", "y"), seed=6)


def test_apart_falls_back_on_the_rarest_companions() -> None:
    source = encode([["a"], ["a"], ["a"], ["b"]], "x")
    target = encode([["u", "v"], ["u"], ["u", "w"], ["z"]], "y")
    forward, _ = apart_lexicons(source, target, ("x", "y"), k=2, seed=1)
    assert "z" in {translation.word for translation in forward.entries["a"].translations}
    assert "u" not in {translation.word for translation in forward.entries["a"].translations}


def test_apart_needs_pairs_with_words() -> None:
    with pytest.raises(LexiconError, match="1 source sentences, but 2"):
        apart_lexicons(encode([["a"]], "x"), encode([["b"], ["c"]], "y"), ("x", "y"), seed=1)
    with pytest.raises(LexiconError, match="has words on both sides"):
        apart_lexicons(encode([[]], "x"), encode([["b"]], "y"), ("x", "y"), seed=1)
