"""Glosses of whole sentences: phrases from alignments, and the search among their words."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.ngrams import count_ngrams, history_of, log_probability
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.lexicon.text import encode
from switchtune.switching.gloss import Glosser
from switchtune.switching.gloss_model import GlossModel, Phrases, phrases_of
from switchtune.switching.reorder import Reordering

GERMAN = ["ein alter Mann schläft", "eine alte Frau schläft", "ein alter Hund schläft", "der Mann schläft"] * 3


def alignment(*links: str) -> Alignment:
    """From lines such as "0-0 1-2"."""
    pairs = [[tuple(map(int, link.split("-"))) for link in line.split()] for line in links]
    flat = [link for pair in pairs for link in pair]
    starts = np.concatenate(([0], np.cumsum([len(pair) for pair in pairs])))
    source, target = (np.array([link[side] for link in flat], np.int16) for side in (0, 1))
    return Alignment(starts, source, target, np.ones(len(flat), np.float32), 0)


def phrases(text: Sequence[str], counterpart: Sequence[str], *links: str) -> Phrases:
    sides = (
        encode([line.split() for line in side], language) for side, language in ((text, "en"), (counterpart, "de"))
    )
    return phrases_of(*sides, alignment(*links))


def test_a_word_has_what_it_is_aligned_to_with_the_unaligned_words_beside_it_and_without() -> None:
    found = phrases(["he sleeps"], ["er hat geschlafen"], "0-0 1-2")
    assert found["he"] == {("er",): 0.5, ("er", "hat"): 0.5}
    assert found["sleeps"] == {("geschlafen",): 0.5, ("hat", "geschlafen"): 0.5}


def test_unaligned_words_of_another_sentence_are_not_beside_it() -> None:
    found = phrases(["dog", "cat"], ["Hund da", "ach Katze"], "0-0", "0-1")
    assert found == {"dog": {("Hund",): 0.5, ("Hund", "da"): 0.5}, "cat": {("Katze",): 0.5, ("ach", "Katze"): 0.5}}


def test_a_word_may_be_aligned_to_several_words_or_to_nothing_or_share_one() -> None:
    assert phrases(["leaves it"], ["reist morgen ab"], "0-0 0-2") == {
        "leaves": {("reist", "morgen", "ab"): 1.0},
        "it": {(): 1.0},
    }
    assert phrases(["in the house"], ["im Haus"], "0-0 1-0 2-1") == {
        "in": {("im",): 0.5},
        "the": {("im",): 0.5},
        "house": {("Haus",): 1.0},
    }
    crossed = phrases(["a b"], ["x y z"], "0-0 0-2 1-1")
    assert crossed == {"a": {("x",): 0.5}, "b": {("y",): 1.0}}


def test_counts_add_up_and_pairs_that_are_not_aligned_do_not_count() -> None:
    found = phrases(["dog", "", "dog", "dog", "dog"], ["Hund", "x", "", "Köter", "Katze"], "0-0", "", "", "0-0", "")
    assert found == {"dog": {("Hund",): 1.0, ("Köter",): 1.0}}


def model(known: Phrases, *, weight: float = 0.7, reordering: Reordering | None = None) -> GlossModel:
    text = encode([line.split() for line in GERMAN], "de")
    return GlossModel(word_segmenter("de"), "de", known, count_ngrams(text), text.vocabulary, weight, reordering)


def test_words_are_chosen_to_fit_each_other() -> None:
    known = {"a": {("ein",): 5.0, ("eine",): 4.0}, "old": {("alter",): 5.0, ("alte",): 4.0}}
    made = model(known)
    options = lambda words: [made.options(word, {"Frau": 1.0} if word == "woman" else {}) for word in words]  # noqa: E731
    assert made.best(options(["a", "old", "woman"])) == ["eine", "alte", "Frau"]
    assert model(known, weight=0).best(options(["a", "old", "woman"])) == ["ein", "alter", "Frau"]


def test_only_words_that_mostly_have_no_counterpart_may_be_left_out() -> None:
    made = model({"of": {(): 8.0, ("von",): 2.0}, "it": {(): 6.0, ("es",): 4.0}})
    assert "" in made.options("of", {}).texts
    assert "" not in made.options("it", {}).texts


def test_a_translation_without_any_strength_is_none() -> None:
    assert model({}).options("old", {"alter": 1.0, "Mann": 0.0}).texts == ("alter",)


def test_a_word_without_a_translation_is_told_as_such() -> None:
    made = model({})
    assert made.best([made.options("zebra", {}), made.fixed("dog")]) == [None, "dog"]


@settings(max_examples=50)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["ein", "eine", "alter", "alte", "Mann", "Frau", ""]),
            st.floats(0.1, 5),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=4,
    ),
    st.floats(0.1, 2),
)
def test_the_search_finds_what_trying_all_finds(words: list[dict[str, float]], weight: float) -> None:
    made = model({}, weight=weight)
    options = [made.options("x", translations) for translations in words]
    index, end = made.vocabulary.index, made.ngrams.end

    def score(way: Sequence[int]) -> float:
        total, two_before, before = 0.0, end + 1, end + 1
        for each, number in zip(options, way, strict=True):
            total += each.log_probabilities[number]
            for word in (each.texts[number] or "").split():
                following = index[word.lower()]
                history = history_of(made.ngrams, two_before, before)
                total += weight * (log_probability(made.ngrams, history, before, following) + 2.5)
                two_before, before = before, following
        return total + weight * log_probability(made.ngrams, history_of(made.ngrams, two_before, before), before, end)

    best = max(score(way) for way in product(*(range(len(each.texts)) for each in options)))
    chosen = made.best(options)
    found = score([each.texts.index(text) for each, text in zip(options, chosen, strict=True)])
    assert found == pytest.approx(best, abs=0.3)  # the beam holds six


def glosser(made: GlossModel, **given: object) -> Glosser:
    entries = {
        word.lower(): Entry(word, 1, (Translation(translation, 0.5, 1),))
        for word, translation in {"man": "Mann", "a": "ein", "old": "alter", "sleeps": "schläft", "I": "ich"}.items()
    }
    lexicon = Lexicon("en", "de", "align", "probability", "word", entries)
    segmenters = (word_segmenter("en"), word_segmenter("de"))
    return Glosser(segmenters, lexicon, GlossSettings.model_validate(given), "<mask>", model=made)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_gloss_begins_with_a_capital_and_keeps_its_punctuation() -> None:
    made = model({"a": {("ein",): 9.0, ("eine",): 1.0}, "does": {(): 5.0}})
    assert glosser(made)("A man sleeps, zebra!", rng()) == "Ein Mann schläft, zebra!"
    assert glosser(made)("Does a man, sleeps?", rng()) == "Ein Mann, schläft?"
    assert glosser(made, unknown="drop")("A man, zebra!", rng()) == "Ein Mann!"
    assert glosser(made, unknown="mask")("Zebra sleeps", rng()) == "<mask> schläft"
    assert glosser(made)("?!", rng()) == "?!"
    assert glosser(made)("", rng()) == ""


class Backwards(Reordering):
    def __call__(self, words: Sequence[str]) -> list[int]:
        return list(range(len(words)))[::-1]


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_words_stand_in_the_order_of_the_other_language(weight: float) -> None:
    backwards = Backwards("en", {}, np.zeros(1))
    made = glosser(model({}, weight=weight, reordering=backwards))
    assert made("A man sleeps.", rng()) == "Schläft Mann ein."
    assert made("Old man.", rng()) == "Mann alter."


def test_words_have_the_casing_that_they_have_in_the_sentence() -> None:
    made = glosser(model({"old": {("alter",): 5.0}, "a": {("ein",): 5.0}, "man": {("Mann",): 5.0}}))
    assert made("A man! AN OLD MAN! Old man?", rng()) == "Ein Mann! AN ALTER MANN! Alter Mann?"
    assert made("I sleeps, I", rng()) == "Ich schläft, ich"
    assert made("OLD", rng()) == "ALTER"


def test_a_gloss_has_the_casing_of_its_sentence() -> None:
    known = {"a": {("ein",): 9.0}, "man": {("Mann",): 8.0}, "sleeps": {("schläft",): 9.0}}
    made = glosser(model(known))
    assert made("A MAN SLEEPS!", rng()) == "EIN MANN SCHLÄFT!"
    assert made("An OLD MAN Sleeps", rng()) == "An ALTER MANN Schläft"
    last = glosser(model(known, reordering=Backwards("en", {}, np.zeros(1))))
    assert last("A man sleeps", rng()) == "Schläft Mann ein"
    assert last("A MAN SLEEPS 2", rng()) == "2 SCHLÄFT MANN EIN"


@pytest.mark.parametrize(("unknown", "expected"), [("drop", "man"), ("mask", "man <mask>"), ("keep", "man zebra")])
def test_words_without_a_translation_are_such_at_every_rate(unknown: str, expected: str) -> None:
    assert glosser(model({}), rate=0, unknown=unknown)("man zebra", rng()) == expected


def test_words_with_a_phrase_alone_and_those_left_out_are_counted_as_translated() -> None:
    made = glosser(model({"zebra": {("Zebra", "da"): 3.0}, "of": {(): 5.0}}))
    counted = made.rates(["A zebra sleeps of lions", "old", ""], rng())
    assert (counted.words, counted.replaceable, counted.replaced) == (6, 5, 5)
    assert glosser(model({}), rate=0).rates(["a zebra"], rng()).replaceable == 1


def test_at_a_lower_rate_words_stay() -> None:
    kept = glosser(model({}), rate=0.3)(" ".join(["man"] * 400), rng()).split().count("man")
    assert 220 < kept < 340


def test_probabilities_of_options_add_up_to_at_most_one() -> None:
    options = model({"a": {("ein",): 5.0, ("eine",): 4.0}}).options("a", {"der": 2.0, "ein": 2.0})
    assert options.texts == ("ein", "eine", "der")
    assert math.fsum(np.exp(options.log_probabilities)) == pytest.approx(1)


def test_a_number_stays_one_whatever_it_is_aligned_to() -> None:
    assert glosser(model({"2": {("zwei",): 9.0}}))("2 man", rng()) == "2 Mann"
