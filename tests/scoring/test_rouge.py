"""ROUGE against ROUGE-1.5.5's own figures (oracles/rouge.json), and by hand for what that script does not do."""

import json
from pathlib import Path
from typing import Any

import pytest

from switchtune.languages import UnknownLanguageError
from switchtune.scoring.metrics import ScoringError
from switchtune.scoring.rouge import ROUGE_NAMES, RougeName, rouge


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    made = json.loads((Path(__file__).parents[1] / "oracles" / "rouge.json").read_text(encoding="utf-8"))
    return made["sets"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_figures_of_rouge_155(language: str, oracle: dict[str, Any]) -> None:
    texts = oracle[language]
    found = rouge(texts["hypotheses"], texts["references"], language)
    for name in ROUGE_NAMES:
        expected = texts["scores"][name]
        assert found[name].segments[:, 0] / 100 == pytest.approx(expected["segments"], abs=1.1e-5)
        assert found[name].value == pytest.approx(100 * expected["average"], abs=0.1)


def f1(name: RougeName, hypothesis: str, reference: str, language: str) -> float:
    return rouge([hypothesis], [reference], language, names=[name])[name].value


@pytest.mark.parametrize(
    ("name", "hypothesis", "reference", "expected"),
    [
        ("ROUGE-1", "der Fluß, übel!", "Der FLUSS übel", 100 * 2 / 3),
        ("ROUGE-1", "Über die Brücke", "über der brücke", 100 * 2 / 3),
        ("ROUGE-2", "a b c", "a b d", 50),
        ("ROUGE-L", "b a", "a b", 50),
    ],
)
def test_german_keeps_its_letters(name: RougeName, hypothesis: str, reference: str, expected: float) -> None:
    assert f1(name, hypothesis, reference, "de") == pytest.approx(expected)


def test_marks_belong_to_their_letters() -> None:
    assert f1("ROUGE-1", "हिन्दी भाषा", "हिन्दी बोली", "hi") == pytest.approx(50)
    assert f1("ROUGE-1", "cafe\u0301", "café", "fr") == 100


def test_the_dotless_i_of_turkish() -> None:
    assert f1("ROUGE-1", "ILIK İZMİR", "ılık izmir", "tr") == 100


@pytest.mark.parametrize("language", ["zh", "ja", "th"])
def test_characters_where_words_have_no_spaces(language: str) -> None:
    assert f1("ROUGE-2", "一二三 x。", "一二四X。", language) == pytest.approx(100 * 2 / 4)


def test_sentences_that_change_places() -> None:
    """Between " . " each sentence is found whole; in one sentence their order counts."""
    one, other = "the river rose", "the bridge fell"
    assert f1("ROUGE-L", f"{one} . {other} .", f"{other} . {one} .", "en") == 100
    assert f1("ROUGE-L", f"{one}, {other}", f"{other}, {one}", "en") == 50


def test_nothing_shared_and_nothing_said() -> None:
    for name in ROUGE_NAMES:
        assert f1(name, "a b", "c d", "en") == f1(name, "", "c d", "en") == f1(name, "...", "...", "en") == 0


def test_a_score_tells_how_it_was_made() -> None:
    scores = rouge(["a b", "c"], ["a b", "d"], "en")
    assert list(scores) == list(ROUGE_NAMES)
    score = scores["ROUGE-L"]
    assert (score.metric, score.value, score.n) == ("ROUGE-L", 50, 2)
    assert score.signature.startswith("nrefs:1|f1|tok:rouge155|stem:no|eos:.|rouge-score:")
    assert score.segments.tolist() == [[100, 1], [0, 1]]


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ScoringError, match="1 hypotheses but 2 references"):
        rouge(["a"], ["a", "b"], "en")
    with pytest.raises(ScoringError, match="no hypotheses"):
        rouge([], [], "en")
    with pytest.raises(UnknownLanguageError):
        rouge(["a"], ["a"], "klingonese")
