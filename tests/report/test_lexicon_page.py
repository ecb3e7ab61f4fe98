"""The page of a lexicon: whole, escaped, small, and without requests to anywhere."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.lexicon.records import Entry, Lexicon, Measure, Translation
from switchtune.report.lexicon_page import MOST_ENTRIES, lexicon_page

VOID = {"meta", "link", "input", "rect"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and gathers what the tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)


def lexicon_of(
    pairs: dict[str, list[str]], languages: tuple[str, str] = ("de", "en"), *, measure: Measure = "probability"
) -> Lexicon:
    entries = {
        word: Entry(word, 100 - place, tuple(Translation(other, 0.75, 3) for other in others))
        for place, (word, others) in enumerate(pairs.items())
    }
    return Lexicon(*languages, "align", measure, "word", entries)


def direction(lexicon: Lexicon, **changed: Any) -> dict[str, Any]:
    samples = [
        {
            "band": "frequent",
            "word": entry.word,
            "count": entry.count,
            "translations": [{"word": each.word, "strength": each.strength} for each in entry.translations],
            "paired": None,
        }
        for entry in list(lexicon.entries.values())[:10]
    ]
    return {
        "source": lexicon.source_language,
        "target": lexicon.target_language,
        "entries": len(lexicon),
        "verdict": "green",
        "right": 0.8,
        "lift": 0.4,
        "yardstick": 0.5,
        "paired": 0.5,
        "shuffled": 0.1,
        "deviations": 12.5,
        "coverage": 0.9,
        "stability": None,
        "samples": samples,
        **changed,
    }


def judgement(*lexicons: Lexicon, **changed: Any) -> dict[str, Any]:
    return {
        "verdict": "green",
        "right": 0.8,
        "lift": 0.4,
        "coverage": 0.9,
        "stability": None,
        "reasons": [],
        "next_steps": [],
        "method": "align",
        "chosen": "auto: the text is parallel, so align",
        "languages": [lexicons[0].source_language, lexicons[0].target_language],
        "held_out_pairs": 2000,
        "directions": [direction(lexicon) for lexicon in lexicons],
        **changed,
    }


FORWARD = lexicon_of({"Hund": ["dog", "hound"], "Katze": ["cat"]})
BACKWARD = lexicon_of({"dog": ["Hund"]}, ("en", "de"))


@pytest.mark.parametrize(("verdict", "word"), [("green", "Good"), ("amber", "Usable"), ("red", "Not good")])
def test_verdict_is_said_in_words(verdict: str, word: str) -> None:
    text = lexicon_page([FORWARD, BACKWARD], judgement(FORWARD, BACKWARD, verdict=verdict))
    assert re.search(rf"<strong>{word}[^<]*</strong> \(verdict: {verdict}\)", text)
    assert f"<title>Lexicon German–English: {verdict}</title>" in text


def test_figures_reasons_steps_and_samples_are_there() -> None:
    found = judgement(
        FORWARD,
        BACKWARD,
        reasons=["de-en: few pairs"],
        next_steps=["give more text"],
        tried=["align (red)", "mixed (amber)"],
        directions=[
            direction(FORWARD, compounds=[{"word": "Bahnhof", "phrase": "train station", "count": 1234}]),
            direction(BACKWARD, compounds=[{"word": "overtake", "phrase": "an mir vorbei", "count": 2}]),
        ],
    )
    page = Page(lexicon_page([FORWARD, BACKWARD], found))
    assert page.texts["li"] == ["de-en: few pairs", "give more text"]
    assert {"80.0%", "90.0%", "not measured"} <= set(page.texts["p"])
    assert {"0.40", "0.50", "12.5", "50.0%", "10.0%", "1,234"} <= set(page.texts["td"])
    assert {"align (red), mixed (amber)", "auto: the text is parallel, so align"} <= set(page.texts["dd"])
    assert page.texts["bdi"].count("Hund") == 4  # a sample and an entry, as word and as translation
    assert {"Bahnhof", "train station", "overtake", "an mir vorbei", "hound"} <= set(page.texts["bdi"])
    assert {"German → English: all found", "English → German: all found"} <= set(page.texts["caption"])
    assert "German → English: all 2 words" in page.texts["caption"]


def test_what_is_missing_leaves_no_empty_section() -> None:
    plain = judgement(FORWARD, lift=None, held_out_pairs=0, directions=[direction(FORWARD, samples=[], lift=None)])
    del plain["next_steps"]
    page = Page(lexicon_page([FORWARD], plain))
    assert page.texts["h2"] == ["Figures", "Why, and what next", "How it was built", "Distributions", "Entries"]
    assert "By direction, without sentence pairs" in page.texts["caption"]
    assert "not measured" in page.texts["td"]


def test_nothing_is_asked_for_from_outside() -> None:
    text = lexicon_page([FORWARD, BACKWARD], judgement(FORWARD, BACKWARD))
    page = Page(text)
    assert {value for tag, name, value in page.attributes if name in {"src", "href"} and tag != "use"} == {"data:,"}
    assert all(value.startswith("#") for tag, name, value in page.attributes if (tag, name) == ("use", "href"))
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_tables_are_marked_up_for_screen_readers() -> None:
    page = Page(lexicon_page([FORWARD, BACKWARD], judgement(FORWARD, BACKWARD)))
    scopes = [(tag, value) for tag, name, value in page.attributes if name == "scope"]
    assert {value for _, value in scopes} == {"col", "row", "rowgroup"}
    figures = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    assert figures[0].startswith("words by their number of translations: 1: 1, 2: 1; translations by strength: 0: 0")
    assert ("html", "lang", "en") in page.attributes
    assert {("th", "lang", "de"), ("td", "lang", "en")} <= set(page.attributes)


def test_strengths_that_are_not_given_are_not_shown() -> None:
    lexicon = lexicon_of({"Hund": ["dog"]}, measure="none")
    page = Page(lexicon_page([lexicon], judgement(lexicon, directions=[direction(lexicon, samples=[])])))
    assert "small" not in page.texts
    assert "words by their number of translations" in page.texts["text"]
    assert "translations by strength" not in page.texts["text"]


def test_any_range_of_similarities_can_be_drawn() -> None:
    lexicon = lexicon_of({"Hund": ["dog"], "Katze": ["cat"]}, measure="similarity")
    page = Page(lexicon_page([lexicon], judgement(lexicon)))
    assert "translations by strength" in page.texts["text"]


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=12))
def test_all_text_is_escaped(text: str) -> None:
    evil = f"<script>alert(1)</script>&amp;\"'{text}"
    lexicon = lexicon_of({evil: [evil]})
    found = judgement(
        lexicon,
        reasons=[evil],
        next_steps=[evil],
        method=evil,
        chosen=evil,
        tried=[evil, evil],
        directions=[direction(lexicon, compounds=[{"word": evil, "phrase": evil, "count": 1}])],
    )
    rendered = lexicon_page([lexicon], found)
    assert rendered.count("<script>") == 1
    page = Page(rendered)
    assert "".join(page.texts["bdi"]) == evil * 6
    assert "".join(page.texts["li"]) == re.sub("`([^`]+)`", r"\1", evil) * 2


def test_what_stands_in_backticks_is_code() -> None:
    lexicon = lexicon_of({"Hund": ["dog"]})
    page = lexicon_page([lexicon], judgement(lexicon, reasons=["set `lexicon.k` & <more>"]))
    assert "set <code>lexicon.k</code> &amp; &lt;more&gt;" in page


def test_languages_are_escaped_too() -> None:
    lexicon = lexicon_of({"Hund": ["dog"]}, ('"><script>', "en"))
    assert lexicon_page([lexicon], judgement(lexicon)).count("<script>") == 1


@pytest.mark.slow
@pytest.mark.parametrize("letters", ["w", "ด"])
def test_a_large_lexicon_makes_a_small_page(letters: str) -> None:
    pairs = {
        f"{letters * 12}{number}": [f"{letters * 9}{number}{place}" for place in range(9)] for number in range(9000)
    }
    forward, backward = lexicon_of(pairs), lexicon_of(pairs, ("en", "de"))
    text = lexicon_page([forward, backward], judgement(forward, backward))
    assert 300_000 < len(text.encode()) < 500_000
    page = Page(text)
    assert re.search(r"German → English: the [\d,]+ most frequent of 9,000 words", "\n".join(page.texts["caption"]))


@pytest.mark.slow
def test_a_large_lexicon_is_shown_up_to_a_number_of_words() -> None:
    short = lexicon_of({f"w{number}": ["x"] for number in range(9000)})
    rows = lexicon_page([short], judgement(short)).partition('id="entries"')[2].count("<tr><th")
    assert rows == MOST_ENTRIES + 1
