"""The mapping against VecMap's own output (oracles/vecmap.npz), and by what must hold of any embeddings."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from switchtune.lexicon.csls import nearest_by_csls, normalise
from switchtune.lexicon.map import (
    FAST,
    PAPER,
    Dictionary,
    MapSettings,
    SelfLearning,
    dictionary_of,
    identical_numerals,
    identical_words,
    induce,
    induce_among_some,
    map_embeddings,
    rotation,
    self_learn,
    similar_profiles,
    weighted_map,
)
from switchtune.lexicon.records import BuildStep

STILL = SelfLearning(keep_initial=1.0)
UNUSED = np.random.default_rng(0)


def vectors(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


@pytest.fixture(scope="module")
def oracle() -> Mapping[str, Tensor]:
    with np.load(Path(__file__).parents[1] / "oracles" / "vecmap.npz") as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def same_rows(rows: range | Tensor) -> Dictionary:
    return Dictionary(torch.as_tensor(rows), torch.as_tensor(rows))


@pytest.mark.parametrize(
    ("variant", "map_settings", "start"),
    [
        ("orthogonal", replace(PAPER, learning=replace(PAPER.learning, keep_initial=1.0)), "numerals"),
        ("supervised", MapSettings(learning=None), "pairs"),
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
    sign = (mapped.source * expected_source).sum(dim=0).sign()
    torch.testing.assert_close(mapped.source * sign, expected_source, rtol=0, atol=1e-4)
    torch.testing.assert_close(mapped.target * sign, expected_target, rtol=0, atol=1e-4)
    torch.testing.assert_close(mapped.source @ mapped.target.T, expected_source @ expected_target.T, rtol=0, atol=1e-5)


@pytest.fixture
def spaces() -> tuple[Tensor, Tensor, Tensor]:
    """60 vectors, the same turned, and the turn."""
    rng = np.random.default_rng(3)
    source = vectors(rng, 60, 8) * torch.linspace(1, 0.3, 8)
    turn = torch.linalg.qr(vectors(rng, 8, 8))[0]
    return source, source @ turn, turn


def test_rotation_finds_the_turn(spaces) -> None:
    source, target, turn = spaces
    found = rotation(source, target, same_rows(range(20)))
    torch.testing.assert_close(found, turn, rtol=0, atol=1e-5)
    torch.testing.assert_close(found @ found.T, torch.eye(8), rtol=0, atol=1e-5)


def test_weights_zero_and_no_turn_give_the_spaces_back(spaces) -> None:
    """Whitening and de-whitening undo each other, so without weights only a common turn is left."""
    source, target, _ = spaces
    mapped_source, mapped_target = weighted_map(source, target, same_rows(range(60)), weight=0)
    torch.testing.assert_close(mapped_source, mapped_target, rtol=0, atol=1e-4)
    torch.testing.assert_close(mapped_source @ mapped_source.T, source @ source.T, rtol=0, atol=1e-4)


def test_fewer_pairs_than_dimensions_map_without_infinities(spaces) -> None:
    source, target, _ = spaces
    mapped_source, mapped_target = weighted_map(source, target, same_rows(range(5)))
    assert mapped_source.isfinite().all() and mapped_target.isfinite().all()
    assert np.linalg.matrix_rank(mapped_source.numpy(), tol=1e-3) == 5


def test_self_learning_recovers_what_a_small_seed_began(spaces) -> None:
    source, target, _ = spaces
    noisy = target + 0.05 * vectors(np.random.default_rng(4), *target.shape)
    learning = SelfLearning(patience=5, keep_initial=0.5)
    source, noisy = normalise(source, ("unit",)), normalise(noisy, ("unit",))
    seen: list[BuildStep] = []
    dictionary, iterations = self_learn(
        source, noisy, same_rows(range(10)), learning, rng=np.random.default_rng(1), on_step=seen.append
    )
    assert (dictionary.source == dictionary.target).float().mean() > 0.95
    assert iterations > 2 * learning.patience  # at least one rise of the share kept, and the end
    assert [step.number for step in seen] == list(range(1, iterations + 1))
    assert {step.objective.split(", ")[1] for step in seen} == {"50% of the words", "100% of the words"}
    assert seen[-1].objective > "similarity 0.9"
    again, _ = self_learn(source, noisy, same_rows(range(10)), learning, rng=np.random.default_rng(1))
    assert torch.equal(again.target, dictionary.target)


def test_the_last_dictionary_holds_more_words_than_the_early_ones(spaces) -> None:
    source, target, _ = spaces
    learning = SelfLearning(patience=2, keep_initial=0.5, early_cutoff=20, cutoff=40)
    dictionary, _ = self_learn(source, target, same_rows(range(20)), learning, rng=np.random.default_rng(1))
    assert len(dictionary) == 80
    assert int(dictionary.source.max()) == 39


@pytest.mark.parametrize("weighted", [True, False])
def test_words_beyond_the_cutoff_are_mapped_as_well(spaces, weighted) -> None:
    source, target, _ = spaces
    mapped = map_embeddings(
        source, target, same_rows(range(20)), MapSettings((), weighted, replace(STILL, cutoff=30)), rng=UNUSED
    )
    forward, backward = nearest_by_csls(mapped.source, mapped.target, k=1)
    assert forward.rows[:, 0].tolist() == backward.rows[:, 0].tolist() == list(range(60))


@pytest.mark.parametrize("keep", [0.1, 0.8, 1.0])
def test_only_a_share_of_the_words_are_candidates(keep: float) -> None:
    words = vectors(np.random.default_rng(1), 300, 5)
    dictionary, _ = induce_among_some(words, words.flip(1), 10, keep=keep, rng=np.random.default_rng(1))
    assert len(dictionary) == 600
    assert dictionary.source[:300].tolist() == dictionary.target[300:].tolist() == list(range(300))
    assert len(dictionary.target[:300].unique()) <= round(300 * keep)
    assert len(dictionary.source[300:].unique()) <= round(300 * keep)


def test_all_words_kept_induce_as_without_leaving_out(spaces) -> None:
    source, target, _ = spaces
    source, target = normalise(source, ("unit",)), normalise(target.flip(0), ("unit",))
    plain, objective, _ = induce(source, target, neighbourhood=3)
    some, same_objective = induce_among_some(source, target, neighbourhood=3, keep=1.0, rng=UNUSED)
    assert torch.equal(plain.source, some.source) and torch.equal(plain.target, some.target)
    assert objective == pytest.approx(same_objective)


def test_hubs_are_passed_over() -> None:
    """A target near to everything is the nearest by similarity, but not by CSLS."""
    source = normalise(torch.tensor([[1, 0.2], [1, -0.2], [1, 0.1], [1, -0.1]]), ("unit",))
    target = normalise(torch.tensor([[1, 0], [1, 0.45], [1, -0.45]]), ("unit",))
    plain, _, without = induce(source, target, neighbourhood=0)
    scaled, _, _ = induce(source, target, neighbourhood=4)
    assert plain.target.tolist()[:4] == [0, 0, 0, 0]
    assert scaled.target.tolist()[:2] == [1, 2]
    assert [hubs.tolist() for hubs in without] == [[0] * 4, [0] * 3]


def test_objective_is_the_mean_similarity_of_nearest_neighbours() -> None:
    source = torch.tensor([[1, 0], [0.9, 0]])
    target = torch.tensor([[1, 0], [0, 1], [0.8, 0.6]])
    dictionary, objective, _ = induce(source, target, neighbourhood=0)
    assert objective == pytest.approx(((1 + 0.9) / 2 + (1 + 0 + 0.8) / 3) / 2)
    assert len(dictionary) == 5


PROGRAM = """
import hashlib, sys
import numpy as np, torch
from switchtune.lexicon.csls import nearest_by_csls, normalise
from switchtune.lexicon.map import FAST, map_embeddings, rotation, similar_profiles, turn
torch.set_num_threads(int(sys.argv[1]))
rng = np.random.default_rng(1)
first = torch.from_numpy(rng.standard_normal((2500, 20)).astype(np.float32))
second = first[:2300] + 0.3 * torch.from_numpy(rng.standard_normal((2300, 20)).astype(np.float32))
first, second = (normalise(side, FAST.normalisation) for side in (first, second))
seed = similar_profiles(first, second, FAST.normalisation, vocabulary=500)
mapped = map_embeddings(first, second, seed, FAST, rng=np.random.default_rng(1))
turned = turn(first, rotation(first, second, mapped.dictionary))
neighbours = nearest_by_csls(mapped.source, mapped.target, k=3)
assert torch.get_num_threads() == int(sys.argv[1])
digest = hashlib.sha256()
ranked = [part for side in neighbours for part in (side.rows, side.scores)]
for tensor in (turned, mapped.source, mapped.target, *ranked):
    digest.update(tensor.contiguous().numpy().tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_number_of_threads() -> None:
    digests = {
        subprocess.run([sys.executable, "-c", PROGRAM, threads], capture_output=True, text=True, check=True).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == hashlib.sha256().digest_size * 2


def test_seed_dictionaries_of_like_words() -> None:
    source, target = {"ball": 0, "2": 1, "hund": 2, "٣": 3}, {"dog": 0, "٣": 1, "2": 2, "ball": 3}
    identical = identical_words(source, target)
    assert (identical.source.tolist(), identical.target.tolist()) == ([0, 1, 3], [3, 2, 1])
    numerals = identical_numerals(source, target)
    assert (numerals.source.tolist(), numerals.target.tolist()) == ([1], [2])
    pairs = dictionary_of([("hund", "dog"), ("hund", "cat"), ("cat", "dog")], source, target)
    assert (pairs.source.tolist(), pairs.target.tolist()) == ([2], [0])
    assert len(dictionary_of([], source, target)) == 0


def test_profiles_match_words_of_spaces_that_differ_by_a_turn(spaces) -> None:
    source, target, _ = spaces
    steps = ("unit", "center", "unit")
    dictionary = similar_profiles(normalise(source, steps), normalise(target, steps), steps)
    assert torch.equal(dictionary.source, dictionary.target)


def test_the_fast_recipe_differs_in_the_learning_alone() -> None:
    assert replace(FAST, learning=None) == MapSettings(learning=None)
