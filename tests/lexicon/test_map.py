"""The mapping against VecMap's own output (oracles/vecmap.npz), and by what must hold of any embeddings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from switchtune.lexicon import map as mapping
from switchtune.lexicon.map import (
    PAPER,
    Dictionary,
    MapSettings,
    SelfLearning,
    WeightedMapping,
    hubness,
    identical_numerals,
    identical_words,
    induce,
    map_embeddings,
    nearest_by_csls,
    normalise,
    rotation,
    self_learn,
    similar_profiles,
    weighted_map,
)

STILL = SelfLearning(keep_initial=1.0)
UNUSED = np.random.default_rng(0)


@pytest.fixture(scope="module")
def oracle() -> Mapping[str, NDArray[np.float32]]:
    with np.load(Path(__file__).parents[1] / "oracles" / "vecmap.npz") as arrays:
        return dict(arrays)


def same_rows(rows: range | NDArray[np.intp]) -> Dictionary:
    return Dictionary(np.asarray(rows), np.asarray(rows))


@pytest.mark.parametrize(
    ("variant", "map_settings", "start"),
    [
        ("orthogonal", replace(PAPER, learning=replace(PAPER.learning, keep_initial=1.0)), "numerals"),
        ("supervised", MapSettings(learning=None), "pairs"),
        ("reduced", MapSettings(final=WeightedMapping(dimensions=6), learning=None), "pairs"),
        ("semi_supervised", MapSettings(learning=STILL), "pairs"),
        ("unsupervised", MapSettings(learning=STILL), "profiles"),
    ],
)
def test_equals_the_reference(oracle, variant: str, map_settings: MapSettings, start: str) -> None:
    source, target = (normalise(oracle[side], map_settings.normalisation) for side in ("source", "target"))
    seed = {
        "numerals": lambda: same_rows(range(15)),
        "pairs": lambda: same_rows(oracle["seed_pairs"]),
        "profiles": lambda: similar_profiles(source, target, map_settings.normalisation),
    }[start]()
    mapped = map_embeddings(source, target, seed, map_settings, rng=UNUSED)
    expected_source, expected_target = oracle[f"{variant}_source"], oracle[f"{variant}_target"]
    # A singular vector has no sign of its own; a dimension may be turned round on both sides at once.
    sign = np.sign((mapped.source * expected_source).sum(axis=0))
    np.testing.assert_allclose(mapped.source * sign, expected_source, atol=1e-4)
    np.testing.assert_allclose(mapped.target * sign, expected_target, atol=1e-4)
    np.testing.assert_allclose(mapped.source @ mapped.target.T, expected_source @ expected_target.T, atol=1e-5)


@pytest.fixture
def spaces() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """60 vectors, the same turned, and the turn."""
    rng = np.random.default_rng(3)
    source = rng.standard_normal((60, 8)).astype(np.float32) * np.linspace(1, 0.3, 8, dtype=np.float32)
    turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    return source, (source @ turn).astype(np.float32), turn


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(st.sampled_from(["unit", "center"]), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_last_normalisation_holds(steps: list, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(1, 2, (9, 4)).astype(np.float32)
    result = normalise(vectors, steps)
    if steps[-1] == "unit":
        np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, rtol=1e-5)
    else:
        np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_array_equal(vectors, np.random.default_rng(seed).normal(1, 2, (9, 4)).astype(np.float32))


def test_a_vector_without_length_stays() -> None:
    assert normalise(np.zeros((1, 3), np.float32), ("unit",)).tolist() == [[0, 0, 0]]


def test_rotation_finds_the_turn(spaces) -> None:
    source, target, turn = spaces
    found = rotation(source, target, same_rows(range(20)))
    np.testing.assert_allclose(found, turn, atol=1e-5)
    np.testing.assert_allclose(found @ found.T, np.eye(8), atol=1e-5)


def test_weights_zero_and_no_turn_give_the_spaces_back(spaces) -> None:
    """Whitening and de-whitening undo each other, so without weights only a common turn is left."""
    source, target, _ = spaces
    mapped_source, mapped_target = weighted_map(
        source, target, same_rows(range(60)), WeightedMapping(source_weight=0, target_weight=0)
    )
    np.testing.assert_allclose(mapped_source, mapped_target, atol=1e-4)
    np.testing.assert_allclose(mapped_source @ mapped_source.T, source @ source.T, atol=1e-4)


def test_fewer_pairs_than_dimensions_map_without_infinities(spaces) -> None:
    source, target, _ = spaces
    mapped_source, mapped_target = weighted_map(source, target, same_rows(range(5)), WeightedMapping())
    assert np.isfinite(mapped_source).all() and np.isfinite(mapped_target).all()
    assert np.linalg.matrix_rank(mapped_source, tol=1e-3) == 5


def test_self_learning_recovers_what_a_small_seed_began(spaces) -> None:
    source, target, _ = spaces
    noisy = target + np.random.default_rng(4).normal(0, 0.05, target.shape).astype(np.float32)
    learning = SelfLearning(patience=5, keep_initial=0.5)
    source, noisy = normalise(source, ("unit",)), normalise(noisy, ("unit",))
    dictionary, iterations = self_learn(source, noisy, same_rows(range(10)), learning, rng=np.random.default_rng(1))
    assert (dictionary.source == dictionary.target).mean() > 0.95
    assert iterations > 2 * learning.patience  # at least one rise of the share kept, and the end
    again, _ = self_learn(source, noisy, same_rows(range(10)), learning, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(again.target, dictionary.target)


def brute_csls(source, target, neighbourhood: int):
    source, target = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target))
    similarity = source @ target.T
    near_source = np.sort(similarity, axis=1)[:, -neighbourhood:].mean(axis=1)
    near_target = np.sort(similarity, axis=0)[-neighbourhood:].mean(axis=0)
    return 2 * similarity - near_source[:, None] - near_target


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    k=st.integers(1, 14),
    neighbourhood=st.integers(1, 14),
    block=st.sampled_from([1, 20, 1 << 20]),
)
def test_neighbours_equal_brute_force(seed: int, shape, k: int, neighbourhood: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = (rng.standard_normal((size, 5)).astype(np.float32) for size in shape)
    csls = brute_csls(source, target, neighbourhood)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "_ELEMENTS_PER_BLOCK", block)
        places, scores = nearest_by_csls(source, target, k=k, neighbourhood=neighbourhood)
        far_places, far_scores = nearest_by_csls(source, target, k=k, neighbourhood=neighbourhood, farthest=True)
    k = min(k, shape[1])
    descending = -np.sort(-csls, axis=1)
    np.testing.assert_allclose(scores, descending[:, :k], atol=1e-5)
    np.testing.assert_allclose(far_scores, descending[:, -k:], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(csls, places, axis=1), scores, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(csls, far_places, axis=1), far_scores, atol=1e-5)


def test_hubs_are_passed_over() -> None:
    """A target near to everything is the nearest by similarity, but not by CSLS."""
    source = normalise(np.array([[1, 0.2], [1, -0.2], [1, 0.1], [1, -0.1]], np.float32), ("unit",))
    target = normalise(np.array([[1, 0], [1, 0.45], [1, -0.45]], np.float32), ("unit",))
    plain, _ = induce(source, target, direction="forward", neighbourhood=0)
    scaled, _ = induce(source, target, direction="forward", neighbourhood=4)
    assert plain.target.tolist() == [0, 0, 0, 0]
    assert scaled.target.tolist()[:2] == [1, 2]
    np.testing.assert_array_equal(hubness(source, target, 0), 0)


@pytest.mark.parametrize("direction", ["forward", "backward", "union"])
def test_objective_is_the_mean_similarity_of_nearest_neighbours(direction) -> None:
    source = np.array([[1, 0], [0.9, 0]], np.float32)
    target = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    dictionary, objective = induce(source, target, direction=direction, neighbourhood=0)
    backward_mean = (1 + 0 + 0.8) / 3
    assert objective == pytest.approx(
        {"forward": 0.95, "backward": backward_mean, "union": (0.95 + backward_mean) / 2}[direction]
    )
    assert len(dictionary) == {"forward": 2, "backward": 3, "union": 5}[direction]


@pytest.mark.parametrize("keep", [0.1, 0.8])
def test_share_of_scores_kept(keep: float) -> None:
    scores = mapping._drop(np.ones((300, 300), np.float32), keep=keep, rng=np.random.default_rng(1))
    assert set(np.unique(scores)) == {0, 1}
    assert abs(scores.mean() - keep) < 5 * np.sqrt(keep * (1 - keep) / scores.size)


def test_seed_dictionaries_of_like_words() -> None:
    source, target = {"ball": 0, "2": 1, "hund": 2, "٣": 3}, {"dog": 0, "٣": 1, "2": 2, "ball": 3}
    identical = identical_words(source, target)
    assert (identical.source.tolist(), identical.target.tolist()) == ([0, 1, 3], [3, 2, 1])
    numerals = identical_numerals(source, target)
    assert (numerals.source.tolist(), numerals.target.tolist()) == ([1], [2])


def test_profiles_match_words_of_spaces_that_differ_by_a_turn(spaces) -> None:
    source, target, _ = spaces
    steps = ("unit", "center", "unit")
    dictionary = similar_profiles(normalise(source, steps), normalise(target, steps), steps)
    assert (dictionary.source == dictionary.target).all()
