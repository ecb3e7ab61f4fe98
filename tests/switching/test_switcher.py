"""Switching: rates, spans, casing, reproducibility."""

import tracemalloc
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from switchtune.corpus.words import capitalised, upper_case, word_segmenter
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.switching import switcher as switching
from switchtune.switching.switcher import (
    Replacements,
    Switched,
    Switcher,
    candidates,
    draw,
    example_key,
    example_keys,
    from_lexicon,
    from_mask,
    rates_of,
    recased,
    switch,
    switch_all,
)


def lexicon(**translations: tuple[str, ...]) -> Lexicon:
    entries = {
        word.lower(): Entry(word, 1, tuple(Translation(target, 1.0, 1) for target in targets))
        for word, targets in translations.items()
    }
    return Lexicon("de", "en", "test", "none", "word", entries)


def any_lexicon() -> st.SearchStrategy[Lexicon]:
    """A lexicon of some of the German words of `SENTENCES`, into any language that writes capitals in its own way."""
    target = st.sampled_from(["dog", "Hund", "ijs", "ısı", "iyi", "ǆep", "iPhone", "猫", "l'eau", "ძაღლი"])
    targets = st.lists(target, min_size=1, max_size=4, unique=True)
    translations = st.dictionaries(st.sampled_from("der hund läuft über schnell im regen 3.5".split()), targets)
    return st.builds(
        lambda words, language: replace(
            lexicon(**{word: tuple(found) for word, found in words.items()}), target_language=language
        ),
        translations,
        st.sampled_from(["en", "tr", "nl", "hr", "zh", "fr", "ka", "und"]),
    )


FRAGMENTS = (
    "Der der HUND Hund läuft über schnell im REGEN 3.5 , „ “ — https://a.de/der <der> {hund} @Hund 🎉 猫".split()
)
SENTENCES = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(" ".join)


def switch_by(words: Sequence[str], replacements: Replacements, *, key: int, **settings: float) -> Switched:
    return switch(words, candidates(words, replacements), key=key, **settings)


def upper_or_nothing(word: str) -> tuple[str, ...]:
    return (word.upper(), word.upper() + "!") if word.startswith("k") else ()


@settings(derandomize=True, deadline=None)
@given(SENTENCES, any_lexicon(), st.floats(0, 1), st.floats(0.5, 8), st.integers(0, 2**31))
def test_switching_changes_what_it_says_and_nothing_else(
    text: str, found: Lexicon, rate: float, mean_span: float, seed: int
) -> None:
    segmenter = word_segmenter("de")
    switcher = Switcher(segmenter, from_lexicon(found), rate, mean_span, language=found.target_language)
    units = segmenter.split(text)
    result = switcher(units.words, key=example_key(seed, 0, 0))
    assert result == switcher(units.words, key=example_key(seed, 0, 0))
    assert len(result.words) == len(units.words)
    assert list(result.positions) == sorted(set(result.positions))
    for position, (before, after) in enumerate(zip(units.words, result.words, strict=True)):
        if position in result.positions:
            entry = found.find(before)
            assert entry is not None and after != before
            forms = [translation.word for translation in entry.translations]
            casings = {cased(form, found.target_language) for form in forms for cased in (capitalised, upper_case)}
            assert after in casings | set(forms)
        else:
            assert after == before
    # The goal is rounded up or down, and met wherever enough words can be replaced.
    asked = rate * len(units.words)
    assert min(int(asked), result.replaceable) <= len(result.positions) <= min(np.ceil(asked), result.replaceable)
    # Gaps stay, but for the space that joining puts between words that touch; and so does all that is no word.
    joined = switcher.sentence(text, key=example_key(seed, 0, 0))
    assert joined == segmenter.join(units.replace(result.words))
    for protected in ("https://a.de/der", "<der>", "{hund}", "@Hund", "🎉"):
        assert joined.count(protected) == text.count(protected)


@settings(derandomize=True, deadline=None)
@given(st.one_of(st.text(), SENTENCES), st.sampled_from(["de", "fr", "zh", "ja", "hi"]), st.integers(0, 2**31))
def test_an_empty_lexicon_changes_nothing(text: str, language: str, seed: int) -> None:
    switcher = Switcher(word_segmenter(language), from_lexicon(lexicon()), 1.0)
    assert switcher.sentence(text, key=example_key(seed, 0, 0)) == text


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_decomposed_words_and_soft_hyphens_are_found(form: Literal["NFC", "NFD"]) -> None:
    found = lexicon(größe=("size",), donau=("Danube",))
    switcher = Switcher(word_segmenter("de"), from_lexicon(found), 1.0, language="en")
    text = unicodedata.normalize(form, "GRÖSSE, Größe: GRÖẞE für die Do\u00adnau")
    expected = unicodedata.normalize(form, "GRÖSSE, Size: SIZE für die Danube")
    assert switcher.sentence(text, key=example_key(1, 0, 0)) == expected


def test_capitals_are_written_as_the_other_language_does() -> None:
    found = replace(lexicon(der=("ince",), hund=("ilk",)), target_language="tr")
    switcher = Switcher(word_segmenter("de"), from_lexicon(found), 1.0, language="tr")
    assert switcher.sentence("Der HUND der Hund", key=example_key(1, 0, 0)) == "İnce İLK ince İlk"
    untold = Switcher(word_segmenter("de"), from_mask("ilk"), 1.0)
    assert untold.sentence("Hund", key=example_key(1, 0, 0)) == "Ilk"


MASK_64 = (1 << 64) - 1


def splitmix(key: int) -> Iterator[int]:
    """The stream of splitmix64, as Vigna's reference writes it."""
    state = key
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK_64
        number = state
        number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
        number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK_64
        yield number ^ (number >> 31)


def test_the_stream_of_the_reference_is_splitmix64() -> None:
    """The first numbers from the seed 1234567, as published with the generator."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert list(islice(splitmix(1234567), 4)) == published


def slowly_drawn(counts: Sequence[int], key: int, rate: float, mean_span: float) -> list[int]:
    """`draw` for one sentence, as one would say it."""
    stream = splitmix(key)

    def unit() -> float:
        return (next(stream) >> 11) / 2**53

    def below(bound: int) -> int:
        return ((next(stream) >> 32) * bound) >> 32

    # A Poisson length that is not zero is at most 1, 2, … words.
    lengths = poisson(mean_span)
    at_most = (lengths.cdf(range(1, 300)) - lengths.pmf(0)) / lengths.sf(0)

    drawn = [-1] * len(counts)
    remaining = [place for place, count in enumerate(counts) if count]
    wanted = min(int(rate * len(counts) + unit()), len(remaining))
    while wanted:
        start = remaining[below(len(remaining))]
        end = start + 1 + bisect_right(at_most.tolist(), unit())
        for place in [place for place in remaining if start <= place < end][:wanted]:
            drawn[place] = below(counts[place])
            remaining.remove(place)
            wanted -= 1
    return drawn


COUNTS = st.lists(st.integers(0, 4), max_size=40)
KEYS = st.integers(0, MASK_64)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(COUNTS, KEYS), max_size=8), st.floats(0, 1), st.floats(0.1, 60))
def test_many_sentences_at_once_are_drawn_as_one_by_one_would_say(
    sentences: list[tuple[list[int], int]], rate: float, mean_span: float
) -> None:
    counts = np.array([count for each, _ in sentences for count in each], np.int32)
    starts = np.cumsum([0, *(len(each) for each, _ in sentences)])
    keys = np.array([key for _, key in sentences], np.uint64)
    drawn = draw(counts, starts, keys, rate=rate, mean_span=mean_span)
    expected = [slowly_drawn(each, key, rate, mean_span) for each, key in sentences]
    assert drawn.tolist() == [number for each in expected for number in each]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(COUNTS, KEYS), max_size=8), st.floats(0, 1))
def test_a_sentence_is_switched_alike_alone_and_among_others(
    sentences: list[tuple[list[int], int]], rate: float
) -> None:
    words = [[f"w{place}" for place in range(len(counts))] for counts, _ in sentences]
    choices = [
        [[f"{place}.{number}" for number in range(count)] for place, count in enumerate(counts)]
        for counts, _ in sentences
    ]
    together = switch_all(words, choices, rate=rate, keys=np.array([key for _, key in sentences], np.uint64))
    alone = [switch(*each, rate=rate, key=key) for *each, (_, key) in zip(words, choices, sentences, strict=True)]
    assert together == alone


def test_a_mean_beyond_any_sentence_is_one_span() -> None:
    for mean_span in (5e3, 1e9, float("inf")):
        positions = switch_by(["k"] * 40, upper_or_nothing, rate=0.5, mean_span=mean_span, key=7).positions
        assert len(positions) == 20
        assert positions[-1] in (positions[0] + 19, 39)


def test_the_seed_is_any_number_and_all_three_numbers_count() -> None:
    numbers = (0, 1, 2, 2**32, 2**63)
    keys = {example_key(seed, epoch, index) for seed in numbers for epoch in numbers for index in numbers}
    assert len(keys) == len(numbers) ** 3
    assert example_key(2**64 + 5, 1, 2) == example_key(5, 1, 2)
    many = [(epoch, index) for epoch in range(3) for index in range(5)]
    assert example_keys(9, many).tolist() == [example_key(9, *each) for each in many]


words_strategy = st.lists(st.sampled_from(["kann", "nein", "kalt", "oben", "klein"]), max_size=60)


@settings(derandomize=True)
@given(words_strategy, st.floats(0, 1), st.integers(0, 2**31))
def test_only_replaceable_words_change_and_never_more_than_asked(words: list[str], rate: float, seed: int) -> None:
    result = switch_by(words, upper_or_nothing, rate=rate, key=seed)
    assert len(result.words) == len(words)
    assert len(result.positions) <= np.ceil(rate * len(words))
    for position, (before, after) in enumerate(zip(words, result.words, strict=True)):
        if position in result.positions:
            assert after.lower() in {choice.lower() for choice in upper_or_nothing(before)}
        else:
            assert after == before
    assert result.replaceable == sum(word.startswith("k") for word in words)


@settings(derandomize=True)
@given(words_strategy.filter(bool), st.integers(0, 2**31))
def test_full_rate_replaces_every_word_that_can_be(words: list[str], seed: int) -> None:
    result = switch_by(words, upper_or_nothing, rate=1.0, key=seed)
    assert [position for position, word in enumerate(words) if word.startswith("k")] == list(result.positions)


def test_the_mean_rate_is_the_rate_asked_for_even_in_short_sentences() -> None:
    switched = [
        switch_by(["k"] * (index % 7 + 1), upper_or_nothing, key=example_key(1, 0, index)) for index in range(4000)
    ]
    assert rates_of(switched).realised_rate == pytest.approx(0.35, abs=0.01)


def test_the_rate_counts_replaced_words_where_many_have_no_translation() -> None:
    words = ["k", "n"] * 10
    switched = [switch_by(words, upper_or_nothing, key=example_key(1, 0, index)) for index in range(300)]
    rates = rates_of(switched)
    assert rates.realised_rate == pytest.approx(0.35, abs=1e-9)
    assert rates.coverage == 0.5
    assert not rates.falls_short


def test_sentences_are_measured_without_being_held() -> None:
    whole = switch_by(["k"] * 9, upper_or_nothing, key=1)
    tracemalloc.start()
    try:
        rates = rates_of(replace(whole, words=list(whole.words)) for _ in range(5_000))
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()
    assert (rates.sentences, rates.words, rates.replaced) == (5_000, 45_000, 5_000 * len(whole.positions))


def test_a_lexicon_that_covers_too_little_is_called_out() -> None:
    rates = rates_of(
        [switch_by(["k", *["n"] * 9], upper_or_nothing, key=example_key(1, 0, index)) for index in range(10)]
    )
    assert rates.falls_short
    assert "10.0% of 100 running words" in rates.describe()
    assert "Too few" in rates.describe()


def test_spans_have_the_mean_length_of_a_poisson_without_its_zeros() -> None:
    first_spans = []
    for key in example_keys(0, [(0, index) for index in range(3000)]).tolist():
        positions = switch_by(["k"] * 400, upper_or_nothing, rate=0.02, mean_span=2.0, key=key).positions
        runs = np.split(np.array(positions), np.flatnonzero(np.diff(positions) > 1) + 1)
        first_spans += [len(run) for run in runs]
    # Spans that meet, and the last one cut to the goal, keep this from being exact.
    assert np.mean(first_spans) == pytest.approx(2.0 / (1 - np.exp(-2.0)), rel=0.12)


def test_every_translation_is_drawn_about_equally_often() -> None:
    replacements = from_lexicon(lexicon(hund=("dog", "hound", "canine")))
    drawn = [switch_by(["ein", "hund"], replacements, rate=0.5, key=example_key(3, 0, i)).words[1] for i in range(3000)]
    counts = {word: drawn.count(word) for word in ("dog", "hound", "canine")}
    assert sum(counts.values()) == 3000
    assert all(count == pytest.approx(1000, rel=0.1) for count in counts.values())


def test_reproducible_from_seed_epoch_and_index_alone() -> None:
    switcher = Switcher(word_segmenter("de"), from_mask("_"))
    text = " ".join(f"w{number}" for number in range(100))
    first = switcher.sentence(text, key=example_key(1, 2, 3))
    assert first == switcher.sentence(text, key=example_key(1, 2, 3))
    for other in [(2, 2, 3), (1, 3, 3), (1, 2, 4)]:
        assert switcher.sentence(text, key=example_key(*other)) != first


def test_a_word_never_becomes_itself() -> None:
    replacements = from_lexicon(lexicon(Hotel=("hotel", "Hotel", "inn")))
    assert replacements("Hotel") == ("hotel", "inn")
    assert replacements("HOTEL") == ("INN",)


def test_what_is_remembered_of_words_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching, "WORDS_REMEMBERED", 3)
    found = lexicon(a=("x",), b=("y",), c=("z",))
    replacements = from_lexicon(found)
    for word in "a b c d a B d A b c".split():
        assert replacements(word) == from_lexicon(found)(word)
    assert 0 < replacements.cache_info().currsize <= 3


def test_the_capital_of_a_sentence_stays_and_makes_no_word_itself() -> None:
    replacements = from_lexicon(lexicon(Hund=("dog", "hund"), läuft=("runs",)))
    switched = [
        switch_by(["Hund", "läuft"], replacements, rate=1.0, key=example_key(1, 0, index)) for index in range(20)
    ]
    assert {result.words for result in switched} == {("Dog", "runs")}
    only_itself = switch_by(
        ["Hotel", "Hotel"], from_lexicon(lexicon(Hotel=("hotel",))), rate=1.0, key=example_key(1, 0, 0)
    )
    assert (only_itself.words, only_itself.replaceable) == (("Hotel", "hotel"), 1)


def test_pieces_are_put_in_as_the_lexicon_has_them() -> None:
    pieces = replace(lexicon(**{"▁haus": ("▁house",)}), unit="piece")
    assert from_lexicon(pieces)("▁HAUS") == ("▁house",)


def test_golden_draw() -> None:
    """What (seed, epoch, index) stands for must not change from release to release: runs are resumed across them."""
    words = "der hund läuft über die wiese und der hund schläft".split()
    replacements = from_lexicon(
        lexicon(hund=("dog", "hound"), läuft=("runs", "goes", "walks"), der=("the",), und=("and",))
    )
    assert switch_by(words, replacements, key=example_key(1, 2, 3)).words == tuple(
        "der hund runs über die wiese and the hund schläft".split()
    )


def test_golden_sentence() -> None:
    switcher = Switcher(
        word_segmenter("de"), from_lexicon(lexicon(hund=("dog",), der=("the",), schläft=("sleeps",))), 1.0
    )
    assert switcher.sentence("Der Hund (ein HUND!) schläft.", key=example_key(1, 0, 0)) == "The Dog (ein DOG!) sleeps."


@pytest.mark.parametrize(
    ("translation", "word", "usual", "language", "expected"),
    [
        ("dog", "Hund", "Hund", "en", "dog"),
        ("dog", "Hund", "hund", "en", "Dog"),
        ("dog", "HUND", "Hund", "en", "DOG"),
        ("Hund", "dog", "dog", "de", "Hund"),
        ("ich", "I", "I", "de", "ich"),
        ("usa", "USA", "USA", "en", "usa"),
        ("the", "Der", "der", "en", "The"),
        ("ilk", "Erster", "erster", "tr", "İlk"),
        ("ilk", "ERSTER", "erster", "tr", "İLK"),
        ("ijs", "Ice", "ice", "nl", "IJs"),
        ("jungle", "ǅungla", "ǆungla", "en", "Jungle"),
        ("straße", "STREET", "street", "de", "STRASSE"),
        ("the", "L'", "l'", "en", "The"),
        ("a", "À", "à", "en", "A"),
        ("to", unicodedata.normalize("NFD", "À"), "à", "en", "To"),
        ("ძაღლი", "DOG", "dog", "ka", "ძაღლი"),
        ("猫", "CAT", "cat", "zh", "猫"),
        ("iPhone", "Handy", "handy", "en", "iPhone"),
    ],
)
def test_casing_beyond_the_usual_form_survives(
    translation: str, word: str, usual: str, language: str, expected: str
) -> None:
    assert recased(translation, word, usual, language) == expected


@pytest.mark.parametrize(
    ("rate", "mean_span"),
    [(-0.1, 3.5), (1.1, 3.5), (0.35, 0.0), (0.35, 1e-9), (0.35, float("nan")), (float("nan"), 3.5)],
)
def test_impossible_settings_are_refused(rate: float, mean_span: float) -> None:
    with pytest.raises(SwitchtuneError, match=r"rate must lie in \[0, 1\]"):
        switch_by(["a"], upper_or_nothing, rate=rate, mean_span=mean_span, key=example_key(1, 0, 0))
