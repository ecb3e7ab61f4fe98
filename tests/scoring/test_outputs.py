"""What is counted in outputs, by hand."""

import pytest

from switchtune.scoring.metrics import ScoringError
from switchtune.scoring.outputs import examine

SENTENCE = "the river rises in spring and"


@pytest.mark.parametrize(
    ("text", "language", "repeats"),
    [
        (f"{SENTENCE} the river rises in", "en", True),
        (f"{SENTENCE} The river, rises: IN", "en", True),
        (f"{SENTENCE} the river rises again", "en", False),
        ("very very very very very", "en", True),
        ("very very very very", "en", False),
        ("", "en", False),
        ("我们今天去公园散步，我们今天去公园散步", "zh", True),
        ("我们今天去公园散步，我们今天去公", "zh", False),
    ],
)
def test_what_repeats_itself(text: str, language: str, repeats: bool) -> None:
    assert examine([text], ["x"], language).repeating == float(repeats)
    assert examine(["x"], [text], language).repeating_references == float(repeats)


def test_shares_lengths_and_empty_ones() -> None:
    found = examine(["a b", "", " \t\u200b", "a a a a a"], ["a b c d", "", "x", "y"], "en")
    assert (found.n, found.empty, found.empty_references) == (4, 2, 1)
    assert (found.repeating, found.repeating_references) == (0.25, 0)
    assert found.length_ratio == 7 / 6
    assert (found.unit, found.repeated) == ("words", 4)
    text = found.describe()
    assert "25.0% of the outputs say 4 words in a row twice or more (references: 0.0%)" in text
    assert "1.17 times as long as the references, in words" in text
    assert "2 of 4 outputs are empty: they count as wrong" in text
    assert "1 of 4 references are empty" in text


def test_what_there_is_none_of_is_not_told() -> None:
    text = examine(["a b"], ["..."], "en").describe()
    assert "empty" not in text
    assert "times as long" not in text


def test_length_in_characters() -> None:
    found = examine(["一二 三"], ["一二三四五六"], "zh")
    assert (found.length_ratio, found.unit, found.repeated) == (0.5, "characters", 8)


def test_unequal_counts_and_no_outputs_are_refused() -> None:
    with pytest.raises(ScoringError, match="1 hypotheses but 2 references"):
        examine(["a"], ["a", "b"], "en")
    with pytest.raises(ScoringError, match="no hypotheses"):
        examine([], [], "en")
