"""Neighbours by CSLS against brute force; ties, words that are left out, normalisation; lexicons of neighbours."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from switchtune.lexicon.block import BlockList, Limits
from switchtune.lexicon.csls import Ranking, hubness, nearest_by_csls, neighbour_lexicons, normalise, rank_similarities
from switchtune.lexicon.text import encode


def vectors(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape).astype(np.float32))


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(st.sampled_from(["unit", "center"]), min_size=1, max_size=4), seed=st.integers(0, 99))
def test_last_normalisation_holds(steps: list, seed: int) -> None:
    given_vectors = 1 + 2 * vectors(np.random.default_rng(seed), 9, 4)
    result = normalise(given_vectors, steps)
    if steps[-1] == "unit":
        torch.testing.assert_close(result.norm(dim=1), torch.ones(9), rtol=1e-5, atol=0)
    else:
        torch.testing.assert_close(result.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-6)
    assert torch.equal(given_vectors, 1 + 2 * vectors(np.random.default_rng(seed), 9, 4))


def test_a_vector_without_length_stays() -> None:
    assert normalise(torch.zeros(1, 3), ("unit",)).tolist() == [[0, 0, 0]]


def brute_csls(source: Tensor, target: Tensor, neighbourhood: int) -> Tensor:
    source, target = (side / side.norm(dim=1, keepdim=True) for side in (source, target))
    similarity = source @ target.T
    near_source = similarity.sort(dim=1).values[:, -neighbourhood:].mean(dim=1)
    near_target = similarity.sort(dim=0).values[-neighbourhood:].mean(dim=0)
    return 2 * similarity - near_source[:, None] - near_target


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    k=st.integers(1, 14),
    neighbourhood=st.integers(1, 14),
    tile=st.sampled_from([32, 64, 2048]),
)
def test_neighbours_equal_brute_force(seed: int, shape, k: int, neighbourhood: int, tile: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = (vectors(rng, size, 5) for size in shape)
    csls = brute_csls(source, target, neighbourhood)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("switchtune.lexicon.csls._TILE", tile)
        near = nearest_by_csls(source, target, k=k, neighbourhood=neighbourhood)
        far = nearest_by_csls(source, target, k=k, neighbourhood=neighbourhood, farthest=True)
        units = [normalise(side, ("unit",)) for side in (source, target)]
        (closest,) = rank_similarities(*units, [Ranking("source", neighbourhood)])
    for expected, found, descending in (
        (csls, near[0], True),
        (csls.T, near[1], True),
        (csls, far[0], False),
        (csls.T, far[1], False),
    ):
        wanted = expected.sort(dim=1, descending=descending).values[:, :k]
        torch.testing.assert_close(found.scores, wanted, rtol=0, atol=1e-5)
        torch.testing.assert_close(expected.gather(1, found.rows), found.scores, rtol=0, atol=1e-5)
    nearest = (units[0] @ units[1].T).sort(dim=1).values[:, -neighbourhood:]
    torch.testing.assert_close(hubness(closest, neighbourhood), nearest.mean(dim=1), rtol=0, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.integers(1, 50), st.integers(1, 9), st.sampled_from([32, 2048]), st.booleans())
def test_words_that_are_left_out_take_no_place(seed: int, size: int, k: int, tile: int, farthest: bool) -> None:
    rng = np.random.default_rng(seed)
    sides = vectors(rng, size, 5), vectors(rng, 40, 5)
    left_out = rng.random(size) < 0.7, rng.random(40) < 0.7
    csls = brute_csls(*sides, 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("switchtune.lexicon.csls._TILE", tile)
        found = nearest_by_csls(*sides, k=k, farthest=farthest, left_out=left_out)
    for expected, neighbours, others in ((csls, found[0], left_out[1]), (csls.T, found[1], left_out[0])):
        standing = expected[:, torch.from_numpy(~others)]
        wanted = standing.sort(dim=1, descending=not farthest).values[:, :k]
        torch.testing.assert_close(neighbours.scores[:, : wanted.shape[1]], wanted, rtol=0, atol=1e-5)
        assert not neighbours.scores[:, wanted.shape[1] :].isfinite().any()
        rows = neighbours.rows[:, : wanted.shape[1]]
        torch.testing.assert_close(expected.gather(1, rows), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("farthest", [False, True])
def test_ties_go_to_the_more_frequent_word(farthest: bool) -> None:
    source = torch.tensor([[1.0, 0.0]]).repeat(40, 1)
    near, back = nearest_by_csls(source, source.repeat(2, 1), k=3, farthest=farthest)
    assert near.rows.tolist() == [[0, 1, 2]] * 40
    assert back.rows.tolist() == [[0, 1, 2]] * 80


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 99), k=st.integers(1, 9), tile=st.sampled_from([3, 7, 2048]))
def test_equal_scores_have_the_order_of_their_rows(seed: int, k: int, tile: int) -> None:
    rng = np.random.default_rng(seed)
    source, target = (torch.from_numpy(rng.integers(0, 2, (size, 2)).astype(np.float32)) for size in (9, 20))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("switchtune.lexicon.csls._TILE", tile)
        forward, backward = rank_similarities(source, target, [Ranking("source", k), Ranking("target", k)])
    for found, similarity in ((forward, source @ target.T), (backward, target @ source.T)):
        wanted = similarity.sort(dim=1, descending=True, stable=True)
        assert torch.equal(found.scores, wanted.values[:, :k]) and torch.equal(found.rows, wanted.indices[:, :k])


ONES = ("Park", "12", "Haus", "Baum")
OTHERS = ("park", "12", "house", "tree", "garden")
SOURCE = torch.eye(5)[:4]
TARGET = torch.eye(5) + 0.3 * torch.eye(5).roll(1, 0)


def words_of(block: BlockList, k: int, *, farthest: bool = False) -> list[dict[str, list[str]]]:
    # Each text holds its words once more than the next, so that they stand in this order.
    vocabularies = tuple(
        encode([[word] * (9 - place) for place, word in enumerate(words)], language).vocabulary
        for words, language in ((ONES, "de"), (OTHERS, "en"))
    )
    lexicons = neighbour_lexicons(
        ("de", "en"), vocabularies, (SOURCE, TARGET), Limits(k, block=block), method="m", farthest=farthest, unit="word"
    )
    return [
        {entry.word: [each.word for each in entry.translations] for entry in lexicon.entries.values()}
        for lexicon in lexicons
    ]


def test_identical_translations_make_room_for_the_next() -> None:
    every, _ = words_of(BlockList(), 2)
    assert every["Park"] == ["park", "12"] and every["Haus"] == ["house", "tree"]
    forward, backward = words_of(BlockList(identical=True), 1)
    assert forward == {"Park": ["12"], "12": ["house"], "Haus": ["house"], "Baum": ["tree"]}
    assert "Park" not in backward["park"]
    assert backward["house"] == ["Haus"]


def test_numbers_make_room_on_both_sides() -> None:
    forward, backward = words_of(BlockList(numbers=True), 2)
    assert "12" not in forward and "12" not in backward
    assert all("12" not in words and len(words) == 2 for words in [*forward.values(), *backward.values()])


@pytest.mark.parametrize("farthest", [False, True])
def test_a_word_without_a_neighbour_that_may_stand_has_no_entry(farthest: bool) -> None:
    block = BlockList(words=frozenset(["house", "tree", "garden", "12"]), identical=True)
    forward, backward = words_of(block, 3, farthest=farthest)
    assert forward == {"Haus": ["park"], "Baum": ["park"]}
    assert set(backward) == {"park"} and set(backward["park"]) == {"Haus", "Baum"}
