"""The distance of two sides: the formula by hand, what retrieval finds in vectors made for it, a run's models."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.analysis.distance import (
    distance_record,
    distances,
    distinct_pairs,
    language_distance,
    mean_cosine,
    retrieval_accuracy,
)
from switchtune.corpus.read import Pair
from switchtune.models.load import load_model
from switchtune.models.states import sentence_states
from switchtune.runs.folder import open_run
from tests.miniature import ENGLISH, GERMAN


def test_equation_5_by_hand() -> None:
    source = np.array([[1, 2], [0, 0], [3, 0]], np.float32)
    target = np.array([[1, 4], [3, 4], [3, 6]], np.float32)
    # Differences of length 2, 5 and 6.
    assert language_distance(source, target) == pytest.approx(math.sqrt(4 + 25 + 36))


@given(st.integers(1, 5), st.floats(0.1, 10))
def test_the_distance_grows_with_the_root_of_the_pairs_and_the_scale(times: int, scale: float) -> None:
    rng = np.random.default_rng(3)
    source, target = (rng.normal(size=(6, 4)).astype(np.float32) for _ in range(2))
    once = language_distance(source, target)
    repeated = language_distance(*(np.tile(side, (times, 1)) * np.float32(scale) for side in (source, target)))
    assert repeated == pytest.approx(once * math.sqrt(times) * scale, rel=1e-4)
    assert mean_cosine(scale * source, target) == pytest.approx(mean_cosine(source, target), rel=1e-4)
    assert retrieval_accuracy(scale * source, target) == retrieval_accuracy(source, target)


def test_cosine_of_vectors_that_are_alike_opposite_and_nothing() -> None:
    source = np.array([[2, 0], [0, 1], [1, 1], [0, 0]], np.float32)
    target = np.array([[5, 0], [0, -3], [1, -1], [1, 1]], np.float32)
    assert mean_cosine(source, target) == pytest.approx((1 - 1 + 0 + 0) / 4)


def test_retrieval_finds_what_is_strictly_nearest_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    source = rng.normal(size=(50, 20)).astype(np.float32)
    near = source + 0.01 * rng.normal(size=source.shape).astype(np.float32)
    for rows in (1024, 7):
        monkeypatch.setattr("switchtune.analysis.distance._ROWS_AT_ONCE", rows)
        assert retrieval_accuracy(source, near) == 1
        assert retrieval_accuracy(source, near[::-1]) == 0
        assert (
            retrieval_accuracy(source, np.concatenate([near[:25], near[:24:-1]])) == 26 / 50
        )  # one stays in the middle
    assert retrieval_accuracy(np.ones((5, 3), np.float32), np.ones((5, 3), np.float32)) == 0
    # The first source's translation is nearest to it; the second target is nearest to the first source as well.
    one, other = np.array([[1, 0], [0, 1]], np.float32), np.array([[1, 0], [0.9, 0.1]], np.float32)
    assert retrieval_accuracy(one, other) == (2 / 2 + 1 / 2) / 2


def test_a_sentence_that_is_empty_or_stood_before_is_left_out_on_either_side() -> None:
    pairs = [Pair(*pair) for pair in ("a1", "b2", "a3", "c2", "d3", "e4")]
    pairs.insert(0, Pair("", "5"))
    assert distinct_pairs(pairs) == [Pair("a", "1"), Pair("b", "2"), Pair("e", "4")]


def test_all_models_of_a_run_are_measured_on_both_collections(finished: Path, tmp_path: Path) -> None:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"news.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    run = open_run(finished)
    record = distance_record(run, multiway=str(tmp_path / "news.*"), limit=10)
    assert record["missing"] == []
    assert [(pair["pair"], pair["tests"], pair["sentences"]) for pair in record["pairs"]] == [
        ("de-en", "test", 8),
        ("de-en", str(tmp_path / "news.*"), 10),
    ]
    for pair in record["pairs"]:
        assert [(system["arm"], system["seed"], system["stage"]) for system in pair["systems"]] == [
            (None, None, "pretrained"),
            ("standard", 1, "task"),
            ("csr", 1, "restore"),
            ("csr", 1, "task"),
        ]
        assert len({system["layers"][-1]["distance"] for system in pair["systems"]}) == 4
    loaded = load_model(str(finished / "de-en/csr/seed1/restore/model"))
    sides = [sentence_states(loaded, lines[:10], code) for code, lines in (("de", GERMAN), ("en", ENGLISH))]
    (expected,) = distances(*sides)
    (found,) = record["pairs"][1]["systems"][2]["layers"]
    assert found == {
        "layer": 1,
        "distance": expected.distance,
        "cosine": expected.cosine,
        "retrieval": expected.retrieval,
    }
    assert expected.distance == pytest.approx(float(np.linalg.norm(sides[0] - sides[1])))
    (of_ends,) = distance_record(run, limit=10, at="end")["pairs"]
    assert (record["pairs"][0]["token"], of_ends["token"]) == ("piece", "end")
    assert of_ends["systems"][2]["layers"] != record["pairs"][0]["systems"][2]["layers"]
