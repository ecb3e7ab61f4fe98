"""Glosses: sentences in the words of another language."""

from collections import Counter

import numpy as np
import pytest

from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.switching.gloss import Glosser


def lexicon(source: str, target: str, **entries: str) -> Lexicon:
    made = {
        word: Entry(word, 1, tuple(Translation(each, 1.0, 1) for each in translations.split()))
        for word, translations in entries.items()
    }
    return Lexicon(source, target, "dictionary", "none", "word", made)


ENGLISH_GERMAN = lexicon("en", "de", dog="Hund Köter Rüde Wauwau", the="der die das", sleeps="schläft", berlin="Berlin")


def glosser(**settings: object) -> Glosser:
    segmenters = (word_segmenter("en"), word_segmenter("de"))
    return Glosser(segmenters, ENGLISH_GERMAN, GlossSettings.model_validate(settings), mask="<mask>")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_word_that_has_a_translation_becomes_one_and_the_rest_stands() -> None:
    gloss = glosser(k=1)
    assert gloss("The dog sleeps, quietly.", rng()) == "Der Hund schläft, quietly."


def test_the_k_strongest_translations_are_alike_likely() -> None:
    drawn = Counter(glosser()("the dog", rng(seed)).split()[1] for seed in range(600))
    assert set(drawn) == {"Hund", "Köter", "Rüde"}
    assert min(drawn.values()) > 160


def test_words_spelt_alike_are_known_and_so_are_numbers() -> None:
    gloss = glosser(unknown="drop")
    assert gloss("Berlin slept 2 times, the dog too", rng()).split(" ")[:2] == ["Berlin", "2,"]


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [("keep", "Schläft quietly, Hund!"), ("drop", "Schläft, Hund!"), ("mask", "Schläft <mask>, Hund!")],
)
def test_what_becomes_of_words_without_a_translation(unknown: str, expected: str) -> None:
    assert glosser(k=1, unknown=unknown)("Sleeps quietly, dog!", rng()) == expected


def test_a_sentence_of_unknown_words_alone_is_never_emptied() -> None:
    assert glosser(unknown="drop")("Zebras graze.", rng()) == "Zebras graze."


def test_the_rate_is_the_share_of_known_words() -> None:
    text = "dog " * 1000 + "zebra " * 1000
    switched = sum(word in {"Hund", "Köter", "Rüde"} for word in glosser(rate=0.3)(text, rng()).split())
    assert 240 < switched < 360
    rates = glosser(rate=0.3).rates([text], rng())
    assert (rates.words, rates.replaceable) == (2000, 1000)
    assert 240 < rates.replaced < 360


def test_a_gloss_has_the_spacing_of_the_language_that_it_is_written_in() -> None:
    into_chinese = lexicon("en", "zh", dog="狗", sleeps="睡觉")
    segmenters = (word_segmenter("en"), word_segmenter("zh"))
    settings = GlossSettings()
    assert Glosser(segmenters, into_chinese, settings, spaced=False)("Dog sleeps.", rng()) == "狗睡觉."
    assert Glosser(segmenters, into_chinese, settings, spaced=False)("Big dog", rng()).replace(" ", "") == "Big狗"
    into_english = lexicon("zh", "en", 狗="dog", 睡觉="sleeps")
    glossed = Glosser(segmenters[::-1], into_english, settings)("狗睡觉。", rng())
    assert glossed == "dog sleeps。"
