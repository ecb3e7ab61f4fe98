"""Terms in sentences, and glossaries that they come from."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.forms import same_form
from switchtune.lexicon.glossary import read_glossary
from switchtune.lexicon.records import LexiconError
from switchtune.lexicon.terms import TermFinder
from tests.corpus.test_units import TBX


def found(text: str, *terms: str, language: str = "de") -> list[tuple[str, str, bool]]:
    segmenter = word_segmenter(language)
    words = segmenter.split(text)
    places = TermFinder(language, segmenter, terms).find(words)
    return [(" ".join(words.words[each.begin : each.end]), terms[each.term], each.exact) for each in places]


def test_terms_are_found_in_any_case_and_inflected() -> None:
    assert found("HUNDE und des Hundes Hund", "Hund") == [
        ("HUNDE", "Hund", False),
        ("Hundes", "Hund", False),
        ("Hund", "Hund", True),
    ]
    assert found("Autoren im Bankett", "Auto", "Bank") == []
    assert found("the wheels of a car", "wheel", "cart", language="en") == [("wheels", "wheel", False)]
    assert found("casa e case", "casa", language="it") == [("casa", "casa", True), ("case", "casa", False)]


def test_the_longest_term_counts_and_then_the_exact_one() -> None:
    terms = ("wheel", "drive wheel", "drive wheel system", "drives")
    assert found("The drive wheel systems drive wheel drive", *terms, language="en") == [
        ("drive wheel systems", "drive wheel system", False),
        ("drive wheel", "drive wheel", True),
        ("drive", "drives", False),
    ]


def test_words_of_a_term_stand_side_by_side() -> None:
    assert found("drive, wheel", "drive wheel", language="en") == []
    assert found("the drive - wheel", "drive wheel", language="en") != []
    assert found("E. coli lebt", "E. coli") == [("E coli", "E. coli", True)]
    assert found("end of E", "E. coli") == []


def test_a_term_without_a_word_is_counted() -> None:
    segmenter = word_segmenter("en")
    finder = TermFinder("en", segmenter, ("C++", "wheel", "…"))
    assert finder.unfindable == (0, 2)
    assert finder.find(segmenter.split("C++ …")) == []


def test_forms_go_by_the_endings_of_a_language() -> None:
    assert same_form("häusern", "häuser", "de")
    assert not same_form("autor", "auto", "de")
    assert same_form("evlerimiz", "evlerim", "tr")
    assert not same_form("ab", "abs", "xx")
    assert same_form("abcde", "abcdef", "xx")


WORDS = st.lists(st.text("abes", min_size=1, max_size=6), min_size=1, max_size=8)


@given(
    sentence=WORDS, terms=st.lists(WORDS.map(lambda words: " ".join(words[:2])), min_size=1, max_size=6, unique=True)
)
def test_what_is_found_is_there_and_nothing_that_stands_alone_is_missed(sentence: list[str], terms: list[str]) -> None:
    segmenter = word_segmenter("en")
    finder, words = TermFinder("en", segmenter, terms), segmenter.split(" ".join(sentence))
    places = finder.find(words)
    covered = [position for each in places for position in range(each.begin, each.end)]
    assert len(covered) == len(set(covered))
    for each in places:
        assert finder.count(words, each.term)[1] >= 1
        text = words.words[each.begin : each.end]
        assert all(same_form(a, b, "en") for a, b in zip(text, terms[each.term].split(), strict=True))
        assert each.exact == (list(text) == terms[each.term].split())
    for position, word in enumerate(sentence):
        if position not in covered:
            assert not any(same_form(word, term, "en") for term in terms)


def test_a_count_tells_forms_from_the_term_itself() -> None:
    segmenter = word_segmenter("en")
    finder = TermFinder("en", segmenter, ["drive wheel"])
    assert finder.count(segmenter.split("Drive wheel, drive wheels, drive"), 0) == (1, 2)


def test_glossaries_in_every_form(tmp_path: Path) -> None:
    (tmp_path / "plain.tsv").write_text("Hund\tdog\ndas Haus\thouse\n")
    (tmp_path / "named.tsv").write_text("en\tde\ndog\tHund\nhouse\tdas Haus\n")
    (tmp_path / "own.tsv").write_text(
        "# switchtune lexicon de-en method=align measure=probability unit=word\nHund\tdog\t0.9\ndas Haus\thouse\t0.5\n"
    )
    (tmp_path / "terms.csv").write_text("de,en\nHund,dog\ndas Haus,house\n")
    for name in ("plain.tsv", "named.tsv", "own.tsv", "terms.csv"):
        glossary = read_glossary(str(tmp_path / name), ("de", "en"))
        assert glossary.terms == (("Hund", "dog"), ("das Haus", "house")), name
        assert glossary.languages == ("de", "en")
    (tmp_path / "a.tbx").write_text(TBX)
    assert read_glossary(str(tmp_path / "a.tbx"), ("German", "en")).terms == (("Bank", "bank"), ("Geldhaus", "bank"))


def test_a_term_with_two_translations_is_named_and_the_stronger_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("Bank\tbank\nHund\tdog\nBank\tbench\n")
    assert read_glossary(str(path), ("de", "en")).terms == (("Bank", "bank"), ("Hund", "dog"))
    assert "1 of 2 terms have more than one translation" in caplog.text
    assert "counts: 'Bank': 'bank', 'bench'." in caplog.text
    (tmp_path / "terms.edits.tsv").write_text("Bank\tbank\t-\n")
    assert read_glossary(str(path), ("de", "en")).terms == (("Bank", "bench"), ("Hund", "dog"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Hund\t\n", r"terms.tsv:1: expected source and target, .* found 'Hund\\t'"),
        ("\tdog\n", r"terms.tsv:1: expected source and target"),
        (
            "# switchtune lexicon en-de method=x\ndog\tHund\n",
            "from English into German, and German into English is asked",
        ),
        ("# switchtune lexicon fr-de method=x\nchien\tHund\n", "from French into German.* Give another file"),
        ("", "no entries|empty"),
    ],
)
def test_glossaries_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "terms.tsv").write_text(content)
    with pytest.raises(LexiconError, match=message):
        read_glossary(str(tmp_path / "terms.tsv"), ("de", "en"))


def test_rows_with_an_empty_side_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "terms.tsv").write_text("de\ten\nHund\tdog\nBank\t\n")
    assert read_glossary(str(tmp_path / "terms.tsv"), ("de", "en")).terms == (("Hund", "dog"),)
    assert "rows with only one term, left out: 1: 'Bank'" in caplog.text
