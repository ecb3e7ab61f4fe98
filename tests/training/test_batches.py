"""The plan of batches: every example once an epoch, within the budget, the same for the same numbers."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.examples import Example, Examples
from switchtune.training.batches import BatchPlan, EncodedExamples, epoch_batches, measure
from tests.miniature import ENGLISH, GERMAN, miniature

lengths = st.lists(st.integers(1, 60), min_size=1, max_size=80).map(lambda values: np.array(values, dtype=np.int64))


@given(lengths, st.integers(1, 200), st.integers(0, 5))
def test_every_example_once_within_the_budget(longest: np.ndarray, budget: int, epoch: int) -> None:
    batches = epoch_batches(longest, budget, seed=1, epoch=epoch)
    assert sorted(index for batch in batches for index in batch) == list(range(len(longest)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * longest[batch].max() <= budget


@given(lengths, st.integers(1, 200))
def test_an_epoch_depends_on_seed_and_epoch_alone(longest: np.ndarray, budget: int) -> None:
    assert epoch_batches(longest, budget, seed=1, epoch=2) == epoch_batches(longest.copy(), budget, seed=1, epoch=2)


def caption_lengths(count: int) -> np.ndarray:
    return np.clip(np.random.default_rng(7).poisson(14, count), 4, 40)


def test_epochs_and_seeds_differ_in_what_stands_together() -> None:
    longest = caption_lengths(500)
    first, second, other = (
        {frozenset(batch) for batch in epoch_batches(longest, 300, seed=seed, epoch=epoch)}
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    )
    assert len(first & second) < 0.1 * len(first)
    assert len(first & other) < 0.1 * len(first)


def test_batches_are_of_similar_cost_with_little_padding() -> None:
    longest = caption_lengths(2000)
    batches = epoch_batches(longest, 600, seed=1, epoch=0)
    costs = np.array([len(batch) * longest[batch].max() for batch in batches])
    assert costs.min() > 0.8 * costs.max()
    assert costs.sum() < 1.15 * longest.sum()


def test_batches_come_in_random_order_of_length() -> None:
    longest = caption_lengths(2000)
    means = [longest[batch].mean() for batch in epoch_batches(longest, 300, seed=1, epoch=0)]
    ranks = np.argsort(np.argsort(means))
    assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 0.3


def plan(**changes: int) -> BatchPlan:
    arguments: dict[str, int] = {"tokens_per_batch": 60, "batches": 25, "seed": 3, **changes}
    return BatchPlan(caption_lengths(30), **arguments)


def test_a_plan_spans_as_many_epochs_as_it_takes() -> None:
    batches = list(plan())
    assert len(batches) == len(plan()) == 25
    keys = [key for batch in batches for key in batch]
    assert len(set(keys)) == len(keys)
    assert {epoch for epoch, _ in keys} == set(range(int(np.ceil(plan().epochs))))
    first = [index for epoch, index in keys if epoch == 0]
    assert sorted(first) == list(range(30))


def test_a_shorter_plan_is_the_beginning_of_a_longer_one() -> None:
    assert list(plan(batches=7)) == list(islice(plan(), 7))


def test_processes_share_the_batches_in_turn() -> None:
    alone = list(plan(batches=24))
    shares = [list(plan(batches=8, process=process, processes=3)) for process in range(3)]
    assert [batch for turn in zip(*shares, strict=True) for batch in turn] == alone


def counted(epoch: int, index: int) -> Example:
    return Example(GERMAN[index] + " Ja." * epoch, "de", ENGLISH[index], "en")


def test_an_example_is_made_for_its_key_and_encoded_by_the_layout() -> None:
    layout = miniature().layout
    data = EncodedExamples(Examples(16, counted), layout, 64)
    assert data[2, 5] == layout.encode(counted(2, 5), max_tokens=64)
    assert data.__getitems__([(0, 1), (3, 2)]) == [data[0, 1], data[3, 2]]
    assert len(data) == 16


def test_lengths_are_those_of_the_longer_side_and_cut_examples_are_counted() -> None:
    layout = miniature().layout
    encoded = [layout.encode(counted(0, index), max_tokens=64) for index in range(16)]
    longest = [max(len(ids.input_ids), len(ids.labels)) for ids in encoded]
    measured = measure(Examples(16, counted), layout, 64)
    assert measured.longest.tolist() == longest
    assert measured.truncated == 0
    limit = int(np.median(longest))
    cut = measure(Examples(16, counted), layout, limit)
    assert cut.longest.tolist() == [min(length, limit) for length in longest]
    assert cut.truncated == sum(length > limit for length in longest) > 0


@pytest.mark.parametrize("count", [1, 1024, 1025])
def test_lengths_of_many_examples_come_in_order(count: int) -> None:
    layout = miniature().layout

    def make(epoch: int, index: int) -> Example:
        return Example(GERMAN[index % 16], "de", ENGLISH[index % 16], "en")

    longest = measure(Examples(count, make), layout, 64).longest
    expected = measure(Examples(16, make), layout, 64).longest
    assert longest.tolist() == [expected[index % 16] for index in range(count)]
