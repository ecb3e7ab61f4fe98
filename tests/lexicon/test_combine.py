"""Lexicons turned round, merged, cleaned, compared."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.corpus.words import lower_case
from switchtune.lexicon.block import BlockList, Limits, read_block_list, without_blocked
from switchtune.lexicon.combine import Weighted, combined, inverted, oriented
from switchtune.lexicon.compare import Difference, FirstTranslations, agreement, lexicon_difference
from switchtune.lexicon.records import UNDETERMINED, Entry, Lexicon, LexiconError, Measure, Translation
from switchtune.lexicon.text import Vocabulary, encode

EVERYTHING = 10**6

patient = settings(deadline=None, max_examples=60)

words = st.sampled_from("a b c d e A B 1 22 ı".split())


def lexicon_of(
    pairs: dict[str, dict[str, float]],
    *,
    measure: Measure = "probability",
    method: str = "align",
    languages: tuple[str, str] = ("de", "en"),
    count: int = 0,
) -> Lexicon:
    """A lexicon from words and their translations with strengths."""
    entries = {
        lower_case(word, languages[0]): Entry(
            word,
            count,
            tuple(
                Translation(translation, strength, count)
                for translation, strength in sorted(translations.items(), key=lambda item: -item[1])
            ),
        )
        for word, translations in pairs.items()
    }
    return Lexicon(*languages, method, measure, "word", entries)


@st.composite
def lexicons(draw: st.DrawFn, measure: Measure = "probability") -> Lexicon:
    strengths = st.sampled_from([1.0]) if measure == "none" else st.sampled_from([0.1, 0.25, 0.5, 0.5, 0.75, 1.0])
    pairs = draw(st.dictionaries(words, st.dictionaries(words, strengths, min_size=1, max_size=4), max_size=5))
    return lexicon_of(pairs, measure=measure, count=draw(st.integers(0, 3)))


def strengths_of(lexicon: Lexicon) -> dict[tuple[str, str], float]:
    return {(entry.word, each.word): each.strength for entry in lexicon.entries.values() for each in entry.translations}


def lowered(lexicon: Lexicon) -> dict[tuple[str, str], float]:
    """Strengths by the word in lower case and the translation as it stands."""
    return {(key, each.word): each.strength for key, entry in lexicon.entries.items() for each in entry.translations}


def content(lexicon: Lexicon) -> dict[str, tuple[str, list[tuple[str, float]]]]:
    """All but the counts, translations in their order."""
    return {
        key: (entry.word, [(each.word, each.strength) for each in entry.translations])
        for key, entry in lexicon.entries.items()
    }


# Turned round


def test_inverted_has_the_same_pairs() -> None:
    lexicon = lexicon_of({"Hund": {"dog": 0.75, "hound": 0.25}, "Köter": {"dog": 0.5}})
    turned = inverted(lexicon)
    assert (turned.source_language, turned.target_language) == ("en", "de")
    assert turned.entries["dog"].translations == (Translation("Hund", 0.75, 0), Translation("Köter", 0.5, 0))
    assert strengths_of(turned) == {("dog", "Hund"): 0.75, ("hound", "Hund"): 0.25, ("dog", "Köter"): 0.5}


@patient
@given(lexicon=lexicons())
def test_inverting_twice_keeps_pairs_and_keys(lexicon: Lexicon) -> None:
    turned, again = inverted(lexicon), inverted(inverted(lexicon))
    lowered = {(word.lower(), translation.lower()) for word, translation in strengths_of(lexicon)}
    assert {(word.lower(), translation.lower()) for translation, word in strengths_of(turned)} == lowered
    assert again.entries.keys() == lexicon.entries.keys()
    for key, entry in turned.entries.items():
        assert key == lower_case(entry.word, "en")
        strengths = [each.strength for each in entry.translations]
        assert strengths == sorted(strengths, reverse=True)


def test_casing_of_an_inverted_word_is_that_of_its_most_frequent_form() -> None:
    entries = {
        "a": Entry("a", 1, (Translation("turkey", 1.0, 2),)),
        "b": Entry("b", 1, (Translation("Turkey", 1.0, 7),)),
    }
    turned = inverted(Lexicon("de", "en", "file", "none", "word", entries))
    assert (turned.entries["turkey"].word, turned.entries["turkey"].count) == ("Turkey", 7)


GERMAN = encode([["Der", "Hund", "und", "die", "Katze"], ["ein", "Hund", "im", "Park"]], "de").vocabulary
ENGLISH = encode([["The", "dog", "and", "the", "cat"], ["a", "dog", "in", "the", "park"]], "en").vocabulary
DE_EN = {"hund": {"dog": 1.0}, "katze": {"cat": 1.0}, "park": {"park": 1.0}}
EN_DE = {"dog": {"hund": 1.0}, "cat": {"katze": 1.0}, "park": {"park": 1.0}}


def fit(pairs: dict[str, dict[str, float]], languages: tuple[str, str]) -> Lexicon:
    dictionary = lexicon_of(pairs, languages=languages, measure="none", method="file")
    return oriented(dictionary, GERMAN, ENGLISH, ("de", "en"), origin="mine.tsv")


@pytest.mark.parametrize(
    ("pairs", "languages"),
    [
        (DE_EN, ("de", "en")),
        (EN_DE, ("en", "de")),
        (DE_EN, (UNDETERMINED, UNDETERMINED)),
        (DE_EN, ("de", UNDETERMINED)),
        (EN_DE, (UNDETERMINED, "de")),
    ],
)
def test_a_dictionary_is_turned_to_the_corpus_and_gets_its_casing_and_counts(
    pairs: dict[str, dict[str, float]], languages: tuple[str, str]
) -> None:
    found = fit(pairs, languages)
    assert (found.source_language, found.target_language, found.method) == ("de", "en", "file")
    assert found.entries == {
        "hund": Entry("Hund", 2, (Translation("dog", 1.0, 2),)),
        "katze": Entry("Katze", 1, (Translation("cat", 1.0, 1),)),
        "park": Entry("Park", 1, (Translation("park", 1.0, 1),)),
    }


def test_words_that_the_corpus_lacks_stay_as_they_are() -> None:
    found = fit(DE_EN | {"Maus": {"mouse": 1.0}}, (UNDETERMINED, UNDETERMINED))
    assert found.entries["maus"] == Entry("Maus", 0, (Translation("mouse", 1.0, 0),))


def test_phrases_fit_where_all_their_words_are_there() -> None:
    assert fit({"Hund": {"the dog": 1.0}}, (UNDETERMINED, UNDETERMINED)).find("Hund")
    with pytest.raises(LexiconError, match="next to nothing in common"):
        fit({"Hund": {"the hound": 1.0}}, (UNDETERMINED, UNDETERMINED))


def test_casing_of_undetermined_words_follows_the_language_of_the_corpus() -> None:
    turkish, english = encode([["ISI", "arttı"]], "tr").vocabulary, encode([["heat", "rose"]], "en").vocabulary
    dictionary = lexicon_of({"ISI": {"heat": 1.0}}, languages=(UNDETERMINED, UNDETERMINED), measure="none")
    assert oriented(dictionary, turkish, english, ("tr", "en"), origin="x").entries.keys() == {"ısı"}


@pytest.mark.parametrize(
    ("pairs", "languages", "message"),
    [
        (DE_EN, ("de", "fr"), r"mine\.tsv: a dictionary de-fr by its header .* the corpus is de-en\. Give"),
        (DE_EN, ("fr", UNDETERMINED), r"a dictionary fr-und"),
        (DE_EN, ("de", "de"), r"a dictionary de-de"),
        (
            EN_DE,
            (UNDETERMINED, UNDETERMINED),
            r"seems to be en-de, not de-en: 0\.0% of its pairs .* as de-en, 100\.0% as en-de.*lexicon\.en-de\.tsv"
            r".*--langs en-de",
        ),
        (
            {"chien": {"perro": 1.0}, "chat": {"gato": 1.0}, "ours": {"oso": 1.0}, "loup": {"lobo": 1.0}},
            (UNDETERMINED, UNDETERMINED),
            r"nothing in common.*begins: chien → perro, chat → gato, ours → oso\. Check",
        ),
        (EN_DE, ("de", "en"), r"nothing in common.*Is it en-de, in spite of its header or name\? Check"),
        ({}, ("de", "en"), r"mine\.tsv: the dictionary has no entries"),
    ],
)
def test_a_dictionary_that_does_not_fit_is_refused(
    pairs: dict[str, dict[str, float]], languages: tuple[str, str], message: str
) -> None:
    with pytest.raises(LexiconError, match=message):
        fit(pairs, languages)


def test_words_that_both_sides_write_alike_do_not_hide_that_a_dictionary_is_reversed() -> None:
    names = {name: {name: 1.0} for name in ("park", "a", "in")}
    german = encode([["Hund", "park", "a", "in"]], "de").vocabulary
    dictionary = lexicon_of(names | {"dog": {"hund": 1.0}}, languages=(UNDETERMINED, UNDETERMINED))
    with pytest.raises(LexiconError, match="seems to be en-de"):
        oriented(dictionary, german, ENGLISH, ("de", "en"), origin="mine.tsv")


def test_a_large_dictionary_fits_a_small_corpus_and_a_small_one_a_large_corpus() -> None:
    numbers = [f"w{number}" for number in range(2000)]
    large = lexicon_of({number: {f"t{number}": 1.0} for number in numbers} | DE_EN, measure="none")
    assert len(oriented(large, GERMAN, ENGLISH, ("de", "en"), origin="x")) == 2003
    rare = Vocabulary(("Der", "Hund"), np.array([10**6, 1]), {"der": 0, "hund": 1})
    assert len(oriented(lexicon_of({"Hund": {"dog": 1.0}}), rare, ENGLISH, ("de", "en"), origin="x")) == 1


# Left out


def test_blocked_words_are_left_out_on_both_sides() -> None:
    lexicon = lexicon_of(
        {"Hund": {"dog": 0.9, "Hound": 0.5}, "Katze": {"cat": 1.0}, "3": {"three": 1.0}, "drei": {"3": 1.0}}
    )
    block = BlockList(numbers=True, identical=False, words=frozenset({"hound", "katze"}))
    assert strengths_of(without_blocked(lexicon, block)) == {("Hund", "dog"): 0.9}


def test_identical_translations_are_left_out_in_any_casing() -> None:
    lexicon = lexicon_of({"Park": {"park": 0.9, "parking": 0.1}, "Berlin": {"Berlin": 1.0}})
    assert strengths_of(without_blocked(lexicon, BlockList(identical=True))) == {("Park", "parking"): 0.1}


def test_blocked_says_so_of_one_word() -> None:
    block = BlockList(numbers=True, words=frozenset({"hund"}))
    assert [word for word in ("HUND", "Hunde", "3.5", "3er") if block.blocks(word)] == ["HUND", "3.5"]


@patient
@given(lexicon=lexicons())
def test_blocking_nothing_changes_nothing(lexicon: Lexicon) -> None:
    assert without_blocked(lexicon, BlockList()) == lexicon


def test_block_list_is_read(tmp_path: Path) -> None:
    path = tmp_path / "block.txt"
    path.write_text("# names\nBerlin\n\n  hund  # why\nC#\nHund\t# again\n#x\n", encoding="utf-8")
    assert read_block_list(path) == {"berlin", "hund", "c#"}


def test_block_list_with_several_words_a_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "block.txt"
    path.write_text("Berlin\nHund\tdog\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=r"block\.txt:2: 2 words in 'Hund\\tdog'; one word a line"):
        read_block_list(path)
    with pytest.raises(LexiconError, match=r"none\.txt: not found"):
        read_block_list(tmp_path / "none.txt")


# Merged


def test_combined_is_the_weighted_mean_of_shares_of_the_strongest() -> None:
    aligned = lexicon_of({"Hund": {"dog": 0.6, "hound": 0.3}, "Katze": {"cat": 0.2}}, count=5)
    own = lexicon_of({"hund": {"hound": 1.0, "cur": 1.0}}, measure="none", method="file")
    mapped = lexicon_of({"hund": {"dog": -0.1, "cat": -0.2, "cow": -0.2}}, measure="similarity", method="vecmap")
    parts = [Weighted(aligned, 2), Weighted(own, 1), Weighted(mapped, 1)]
    found = combined(parts, Limits(EVERYTHING, 0, BlockList()))
    assert (found.method, found.measure) == ("mixed(align+file+vecmap)", "probability")
    assert found.entries["katze"] == Entry("Katze", 5, (Translation("cat", 0.5, 5),))
    assert (found.entries["hund"].word, found.entries["hund"].count) == ("Hund", 5)
    assert [(each.word, each.strength) for each in found.entries["hund"].translations] == [
        ("dog", 0.75),
        ("hound", 0.5),
        ("cur", 0.25),
        ("cat", 0.125),
        ("cow", 0.125),
    ]


def test_combined_keeps_the_strongest_and_blocked_words_take_no_place() -> None:
    lexicon = lexicon_of({"a": {"b": 1.0, "c": 0.5, "d": 0.4, "e": 0.04}})
    block = BlockList(words=frozenset({"b"}))
    found = combined([Weighted(lexicon, 3)], Limits(3, 0.1, block))
    assert strengths_of(found) == {("a", "c"): 0.5, ("a", "d"): 0.4}
    assert len(strengths_of(combined([Weighted(lexicon, 3)], Limits(2, 0, BlockList())))) == 2


def test_combined_leaves_out_what_has_no_strength() -> None:
    lexicon = lexicon_of({"a": {"b": 1.0, "c": 0.0}})
    assert strengths_of(combined([Weighted(lexicon, 1)], Limits(9, 0, BlockList()))) == {("a", "b"): 1.0}
    nothing_else = lexicon_of({"a": {"b": 0.0}})
    assert strengths_of(combined([Weighted(nothing_else, 1)], Limits(9, 0, BlockList()))) == {("a", "b"): 1.0}


def test_one_lexicon_keeps_its_method() -> None:
    assert combined([Weighted(lexicon_of(DE_EN, method="file"), 1)], Limits(3, 0, BlockList())).method == "file"


@patient
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(["probability", "similarity", "none"]).flatmap(lambda measure: lexicons(measure)),
            st.sampled_from([0.5, 1.0, 3.0]),
        ),
        min_size=1,
        max_size=3,
    ),
    factor=st.sampled_from([0.25, 4.0]),
)
def test_combined_is_the_same_in_any_order_and_unit_of_weight(
    parts: list[tuple[Lexicon, float]], factor: float
) -> None:
    found = combined([Weighted(*part) for part in parts], Limits(EVERYTHING, 0, BlockList()))
    again = combined(
        [Weighted(lexicon, weight * factor) for lexicon, weight in reversed(parts)],
        Limits(EVERYTHING, 0, BlockList()),
    )

    def by_key(lexicon: Lexicon) -> dict[tuple[str, str], float]:
        return {(word.lower(), other.lower()): strength for (word, other), strength in strengths_of(lexicon).items()}

    assert by_key(found) == pytest.approx(by_key(again), abs=2e-6)
    assert all(0 < strength <= 1 for strength in strengths_of(found).values())
    assert found.entries.keys() == {key for lexicon, _ in parts for key in lexicon.entries}


def test_lexicons_of_two_kinds_are_not_merged() -> None:
    german = Weighted(lexicon_of(DE_EN), 1)
    for other in (inverted(german.lexicon), replace(german.lexicon, unit="piece")):
        with pytest.raises(LexiconError, match="found: de-en in words, "):
            combined([german, Weighted(other, 1)], Limits(3, 0, BlockList()))
    with pytest.raises(LexiconError, match="no lexicons to merge"):
        combined([], Limits(3, 0, BlockList()))


# Compared

A = lexicon_of({"Hund": {"dog": 0.9}, "Katze": {"cat": 0.9}, "Bär": {"bear": 0.9}}, count=3)
B = lexicon_of({"Hund": {"Dog": 0.5}, "Katze": {"kitten": 0.5}, "Kuh": {"cow": 0.5}, "Maus": {"mouse": 0.5}})


def test_difference_counts_and_shows() -> None:
    found = lexicon_difference(A, B, examples=1)
    assert found == Difference(
        both=2,
        only_a=1,
        only_b=2,
        same_first=1,
        other_first=1,
        examples=(FirstTranslations("Katze", 3, "cat", "kitten"),),
        examples_only_a=(FirstTranslations("Bär", 3, "bear", None),),
        examples_only_b=(FirstTranslations("Kuh", 0, None, "cow"),),
    )
    assert found.describe().splitlines() == [
        "2 words in both, 1 only in A, 2 only in B",
        "in both: 1 (50.0%) with the same first translation, 1 with another",
        "",
        "a different first translation (A | B), the most frequent:",
        "          3  Katze → cat | kitten",
        "",
        "only in A, the most frequent:",
        "          3  Bär → bear",
        "",
        "only in B, the most frequent:",
        "             Kuh → cow",
    ]
    assert json.loads(json.dumps(found.record()))["examples"][0]["first_b"] == "kitten"


@patient
@given(a=lexicons(), b=lexicons())
def test_difference_adds_up(a: Lexicon, b: Lexicon) -> None:
    found, reverse = lexicon_difference(a, b), lexicon_difference(b, a)
    assert found.both + found.only_a == len(a)
    assert found.both + found.only_b == len(b)
    assert found.same_first + found.other_first == found.both
    assert (found.only_a, found.only_b, found.same_first) == (reverse.only_b, reverse.only_a, reverse.same_first)
    assert lexicon_difference(a, a).same_first == len(a)


def test_agreement_goes_by_running_words() -> None:
    counts = {"hund": 6, "katze": 3, "bär": 1, "kuh": 2, "elch": 100}
    assert agreement(A, B, counts) == 6 / 12
    assert agreement(A, A, counts) == 1
    assert agreement(A, B, {"elch": 1}) == 0
    with pytest.raises(LexiconError, match="different directions"):
        agreement(A, inverted(A), counts)
