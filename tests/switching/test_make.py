"""Dictionaries into many languages: each sentence into one, all alike; either direction; what does not fit is said."""

from pathlib import Path

import numpy as np
import pytest

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.switching import SwitchingSettings
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.records import Lexicon, LexiconError
from switchtune.lexicon.text import MonolingualText, monolingual_text
from switchtune.switching.make import ManySwitcher, dictionary_lexicon, language_switchers
from switchtune.switching.switcher import example_keys
from tests.miniature import ENGLISH

GERMAN = {"dog": "Hund", "Hand": "Hand", "cold": "kalt", "red": "rot", "sea": "Meer", "bus": "Omnibus", "a": "ein"}
TURKISH = {"dog": "köpek", "cold": "soğuk", "red": "kırmızı", "sea": "deniz", "bus": "otobüs", "a": "bir"}


@pytest.fixture(scope="module")
def text() -> MonolingualText:
    return monolingual_text(ENGLISH, "en", word_segmenter("en"))


def lexicon_of(folder: Path, text: MonolingualText, name: str, pairs: dict[str, str], language: str) -> Lexicon:
    (folder / name).write_text("".join(f"{one}\t{other}\n" for one, other in pairs.items()), encoding="utf-8")
    settings = LexiconSettings(method="dictionary", floor=0, dictionaries=({"path": str(folder / name)},))
    return dictionary_lexicon(text, language, settings)


def test_a_dictionary_serves_in_either_direction(text: MonolingualText, tmp_path: Path) -> None:
    forward = lexicon_of(tmp_path, text, "en-de.txt", GERMAN, "de")
    turned = {german: english for english, german in GERMAN.items()}
    backward = lexicon_of(tmp_path, text, "de-en.txt", turned, "de")
    for lexicon in (forward, backward):
        assert (lexicon.source_language, lexicon.target_language) == ("en", "de")
        entry = lexicon.find("Dog")
        assert entry is not None and [each.word for each in entry.translations] == ["Hund"]
    assert forward.entries.keys() == backward.entries.keys()


def test_a_dictionary_whose_name_tells_nothing_must_stand_the_right_way_round(
    text: MonolingualText, tmp_path: Path
) -> None:
    assert lexicon_of(tmp_path, text, "words.txt", GERMAN, "de").find("sea") is not None
    turned = {german: english for english, german in GERMAN.items()}
    with pytest.raises(LexiconError, match="seems to be de-en, not en-de"):
        lexicon_of(tmp_path, text, "words.txt", turned, "de")


def test_a_dictionary_of_another_language_is_refused(text: MonolingualText, tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="a dictionary en-tr by its header or its name, but the corpus is en-de"):
        lexicon_of(tmp_path, text, "en-tr.txt", TURKISH, "de")


def many(folder: Path, text: MonolingualText, **settings: object) -> ManySwitcher:
    lexicons = {
        "de": lexicon_of(folder, text, "en-de.txt", GERMAN, "de"),
        "tr": lexicon_of(folder, text, "en-tr.txt", TURKISH, "tr"),
    }
    switchers = language_switchers("en", lexicons, SwitchingSettings(**settings), mask="<mask>", seed=1)
    return ManySwitcher(tuple(switchers.values()))


def test_each_sentence_goes_into_one_language_and_all_get_their_share(text: MonolingualText, tmp_path: Path) -> None:
    switcher = many(tmp_path, text, rate=1.0)
    sentence = "A dog in the cold red sea."
    keys = example_keys(5, [(0, index) for index in range(400)])
    made = [line for line, _ in switcher.in_pairs([sentence] * 400, [""] * 400, range(400), keys=keys)]
    german, turkish = "Ein Hund in the kalt rot Meer.", "Bir köpek in the soğuk kırmızı deniz."
    assert set(made) == {german, turkish}
    # Five standard deviations around half of them.
    assert abs(made.count(german) - 200) < 50


def test_what_a_sentence_becomes_does_not_depend_on_the_others(text: MonolingualText, tmp_path: Path) -> None:
    switcher = many(tmp_path, text)
    keys = example_keys(1, [(epoch, index) for epoch in range(2) for index in range(len(ENGLISH))])
    texts = [*ENGLISH, *ENGLISH]
    rows = list(range(len(texts)))
    together = switcher.in_pairs(texts, texts, rows, keys=keys)
    alone = [switcher.in_pairs([line], [line], [row], keys=keys[row : row + 1])[0] for row, line in enumerate(texts)]
    assert together == alone
    # Another epoch, other words.
    assert together[: len(ENGLISH)] != together[len(ENGLISH) :]
    assert [word_segmenter("en").split(line).words for line, _ in together] == [each.words for _, each in together]


def test_controls_take_other_words(text: MonolingualText, tmp_path: Path) -> None:
    keys = example_keys(1, [(0, index) for index in range(50)])
    lines = ["A dog in the cold red sea."] * 50
    rows = np.arange(50).tolist()
    masked = many(tmp_path, text, source="mask", rate=1.0).in_pairs(lines, lines, rows, keys=keys)
    assert {line for line, _ in masked} == {"<mask> <mask> <mask> <mask> <mask> <mask> <mask>."}
    shuffled = many(tmp_path, text, source="random", rate=1.0).in_pairs(lines, lines, rows, keys=keys)
    known = {word.lower() for word in (*GERMAN.values(), *TURKISH.values())}
    for line, _ in shuffled:
        words = line.lower().rstrip(".").split()
        assert {words[0], words[1], words[4], words[5]} <= known
        assert words[1] not in {"hund", "köpek"}
