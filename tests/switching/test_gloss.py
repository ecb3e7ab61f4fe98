"""Glosses: sentences in the words of another language."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.config.switching import GlossSettings
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.switching.gloss import Glosser, is_segmented


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
    drawn = Counter(glosser(k=3)("the dog", rng(seed)).split()[1] for seed in range(600))
    assert set(drawn) == {"Hund", "Köter", "Rüde"}
    assert min(drawn.values()) > 160


def test_what_the_other_language_mostly_does_without_is_left_out() -> None:
    probable = {"the": 0.02, "dog": 0.03, "sleeps": 0.5}
    entries = {word: Entry(word, 1, (Translation(word.upper(), each, 1),)) for word, each in probable.items()}
    aligned = Lexicon("en", "de", "align", "probability", "word", entries)
    segmenters = (word_segmenter("en"), word_segmenter("de"))
    gloss = Glosser(segmenters, aligned, GlossSettings())
    assert gloss("the dog and the cat sleeps.", rng()) == "DOG and cat SLEEPS."
    assert gloss("Big the.", rng()) == "Big."
    assert gloss("the", rng()) == "the"
    everything = replace(gloss, settings=GlossSettings(omit_below=0))
    assert everything("the dog", rng()) == "THE DOG"
    similar = replace(gloss, lexicon=replace(aligned, measure="similarity"))
    assert similar("the dog", rng()) == "THE DOG"
    switched = replace(gloss, segmenters=(segmenters[0], segmenters[0]), whole=False)
    assert switched("the dog", rng()) == "THE DOG"


def found(words: str, **settings: object) -> list[str | None]:
    segmenters = (word_segmenter("de"), word_segmenter("en"))
    entries = {"wasser": "water", "spiegel": "mirror", "straße": "street", "straßen": "streets", "hoch": "high"}
    german = lexicon("de", "en", **entries)
    frequent = replace(german.entries["straßen"], count=9)
    german = replace(german, entries={**german.entries, "straßen": frequent})
    gloss = Glosser(segmenters, german, GlossSettings.model_validate(settings))
    return gloss.translated(words.split(), rng())


def test_a_word_without_an_entry_is_looked_up_as_another_form_and_as_a_compound() -> None:
    words = "x wassers spiegelung straßes wasserspiegel Wassersspiegel hochspiegel wasserspiegelstraße"
    known = [None, "water", "mirror", "streets", "water mirror", "water mirror", "high mirror", "water mirror street"]
    assert found(words) == known
    assert found(words, stems=False, compounds=False) == [None] * len(known)
    assert found(words, compounds=False)[1:4] == known[1:4]
    assert found(words, stems=False) == [None] * 4 + known[4:]
    assert found("Wasser spiegeleiern hochs wasserspiegels") == ["Water", None, "high", None]


@given(text=st.text(alphabet="dog Zebra sleeps,!.", max_size=40), seed=st.integers(0, 9))
def test_a_tag_stands_before_the_gloss_and_changes_nothing_else(text: str, seed: int) -> None:
    plain = glosser(unknown="drop")(text, rng(seed))
    assert glosser(unknown="drop", tag=True)(text, rng(seed)) == f"== {plain}"
    assert glosser(unknown="drop", tag="[g]")(text, rng(seed)) == f"[g] {plain}"


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
    assert rates.describe().startswith("asked for 30% of the words that can be switched, switched 1")


def test_a_gloss_has_the_spacing_of_the_language_that_it_is_written_in() -> None:
    into_chinese = lexicon("en", "zh", dog="狗", sleeps="睡觉")
    segmenters = (word_segmenter("en"), word_segmenter("zh"))
    settings = GlossSettings()
    into_english = lexicon("zh", "en", 狗="dog", 睡觉="sleeps")
    chinese = Glosser(segmenters, into_chinese, settings)
    assert chinese("Dog sleeps.", rng()) == "狗睡觉。"
    assert chinese("Big dog", rng()).replace(" ", "") == "Big狗"
    glossed = Glosser(segmenters[::-1], into_english, settings)("狗睡觉。", rng())
    assert glossed == "dog sleeps."
    several = Glosser(segmenters[::-1], into_english, settings)("狗，睡觉、狗！", rng())
    assert several == "dog, sleeps, dog!"
    assert chinese("Dog, dog: sleeps?", rng()) == "狗，狗：睡觉？"
    traditional = Glosser(segmenters, lexicon("en", "zh_Hant", dog="狗"), settings)
    assert traditional("Dog, dog!", rng()) == "狗，狗！"


def test_words_stand_apart_where_the_corpus_has_them_so() -> None:
    segmenters = (word_segmenter("en"), word_segmenter("zh"))
    into_chinese = lexicon("en", "zh", dog="狗", sleeps="睡觉")
    assert is_segmented(["狗 睡觉 。", "小 狗"], segmenters[1])
    assert not is_segmented(["狗睡觉。", "我有一只小狗", "狗"], segmenters[1])
    assert not is_segmented([], segmenters[1])
    apart = Glosser(segmenters, into_chinese, GlossSettings(), segmented=True)
    assert apart("Dog, dog sleeps.", rng()) == "狗 ， 狗 睡觉 。"
    assert apart('"Dog sleeps', rng()) == '" 狗 睡觉'
    assert apart("?", rng()) == "？"


def test_a_switched_sentence_keeps_the_punctuation_and_spaces_of_its_own_language() -> None:
    into_chinese, into_english = lexicon("en", "zh", dog="狗"), lexicon("zh", "en", 狗="dog", 房子="house")
    english, chinese = ((word_segmenter(code),) * 2 for code in ("en", "zh"))
    settings = GlossSettings()
    switched = Glosser(english, into_chinese, settings, whole=False)
    assert switched("Hello, big dog. Sleep!", rng()) == "Hello, big 狗. Sleep!"
    switched = Glosser(chinese, into_english, settings, whole=False)
    assert switched("狗，猫。", rng()) == "dog，猫。"
