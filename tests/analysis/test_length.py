"""Scores of short and long sentences: parts of the test set, scored as wholes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.analysis.length import length_bounds
from switchtune.results.figures import gains
from switchtune.scoring.metrics import corpus_values
from switchtune.scoring.significance import METRICS
from tests.miniature import ENGLISH


@given(st.lists(st.integers(0, 200), min_size=1, max_size=300))
def test_every_part_has_sentences_and_none_is_in_two(lengths: list[int]) -> None:
    edges = (0, *length_bounds(lengths), 10**9)
    counts = [sum(low <= length < high for length in lengths) for low, high in pairwise(edges)]
    assert sum(counts) == len(lengths)
    assert all(counts)


def test_parts_are_quarters_where_lengths_differ() -> None:
    assert length_bounds(list(range(1, 101))) == (26, 51, 76)
    assert length_bounds([5] * 9) == ()


@pytest.mark.parametrize("metric", ["chrF++", "ROUGE-L"])
def test_a_part_scores_as_a_test_set_of_its_own_would(metric: str) -> None:
    outputs = [line.replace("a", "the", 1) for line in ENGLISH]
    whole = METRICS[metric](outputs, ENGLISH, "en").segments
    part = METRICS[metric](outputs[3:8], ENGLISH[3:8], "en")
    assert corpus_values(metric, whole[3:8].sum(axis=0).astype(float)) == pytest.approx(part.value)


def test_gains_are_those_of_the_same_seed() -> None:
    def system(arm: str, seed: int | None, value: float | None) -> dict[str, object]:
        return {"arm": arm, "seed": seed, "score": [value]}

    systems = [system("a", 1, 10.0), system("a", 2, 20.0), system("b", 1, 11.0), system("b", 2, None)]
    pair = {"baseline": "a", "systems": [*systems, system("given", None, 30.0)]}
    assert gains(pair, "b", "score", 0) == [1.0]
    assert gains(pair, "given", "score", 0) == [20.0, 10.0]
