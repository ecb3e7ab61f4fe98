"""The plan of batches: every example once an epoch, within the budget, the same for the same numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.examples import Example, Examples, mixed_examples
from switchtune.training import batches as batches_module
from switchtune.training.batches import BatchPlan, EncodedExamples, epoch_batches, measure, shared_out
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
    batches, again = (list(epoch_batches(lengths, budget, seed=1, epoch=2)) for lengths in (longest, longest.copy()))
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]


@given(lengths, st.integers(1, 9))
def test_a_batch_is_shared_out_as_evenly_as_its_order_allows(longest: np.ndarray, parts: int) -> None:
    batch = np.random.default_rng(0).permutation(len(longest))
    shares = shared_out(batch, longest, parts)
    assert len(shares) == parts
    assert np.concatenate(shares).tolist() == batch.tolist()
    assert max(len(share) * longest[share].max() for share in shares if len(share)) == least_cost(longest[batch], parts)


def least_cost(lengths: np.ndarray, parts: int) -> int:
    """By dynamic programming over where the last run starts."""
    ends = range(len(lengths) + 1)
    costs = {0: 0} | {end: int(lengths[:end].max()) * end for end in ends if end}
    for _ in range(parts - 1):
        costs = {
            end: min(
                [max(costs[start], int(lengths[start:end].max()) * (end - start)) for start in range(end)],
                default=0,
            )
            for end in ends
        }
    return costs[len(lengths)]


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
    batches = list(epoch_batches(longest, 600, seed=1, epoch=0))
    costs = np.array([len(batch) * longest[batch].max() for batch in batches])
    assert costs.min() > 0.8 * costs.max()
    assert costs.sum() < 1.15 * longest.sum()


def test_neither_side_needs_much_padding() -> None:
    """Sides that hardly go together, as with two languages that differ in length."""
    rng = np.random.default_rng(7)
    sides = np.clip(rng.poisson([[14], [18]], (2, 20_000)), 4, 40)
    surplus = sides[0] - sides[1]

    def padding(batches: Iterable[Sequence[int]]) -> float:
        return 1 - sides.sum() / sum(len(batch) * sides[:, batch].max(axis=1).sum() for batch in batches)

    longest = sides.max(axis=0)
    assert padding(epoch_batches(longest, 2000, seed=1, epoch=0, surplus=surplus)) < 0.05
    assert padding(epoch_batches(longest, 2000, seed=1, epoch=0)) > 0.1
    batches = list(BatchPlan(longest, 2000, 30, 1, surplus=surplus))
    assert padding([[index for _, index in batch] for batch in batches]) < 0.05


def skewed_sides(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of pairs, one side after the other, where the second side is half as long again; and the sides."""
    sides = np.arange(2 * count, dtype=np.uint8) % 2
    return np.clip(np.random.default_rng(7).poisson(10 + 6 * sides), 3, 40), sides


def test_updates_hold_as_much_of_either_side_and_no_more_padding() -> None:
    longest, sides = skewed_sides(5000)

    def parts(sides: np.ndarray | None) -> list[list[int]]:
        return [[index for _, index in part] for part in BatchPlan(longest, 900, 120, 1, sides=sides)]

    def padding(parts: list[list[int]]) -> float:
        return 1 - sum(longest[part].sum() for part in parts) / sum(len(part) * longest[part].max() for part in parts)

    alone, held = parts(None), parts(sides)
    assert min(sides[batch].mean() for batch in alone) < 0.1 and max(sides[batch].mean() for batch in alone) > 0.9
    updates = [first + second for first, second in zip(held[::2], held[1::2], strict=True)]
    assert len(updates) == len(alone) == 120
    assert all(0.4 <= sides[update].mean() <= 0.6 for update in updates)
    assert padding(held) < padding(alone) + 0.01


def test_every_example_of_either_side_once_within_the_budget() -> None:
    longest, sides = skewed_sides(300)
    batches = list(epoch_batches(longest, 400, seed=1, epoch=0, sides=sides))
    assert sorted(np.concatenate(batches).tolist()) == list(range(600))
    for batch in batches:
        assert sides[batch].tolist() == sorted(sides[batch].tolist())
        own = [batch[sides[batch] == side] for side in (0, 1)]
        assert sum(len(part) * longest[part].max(initial=0) for part in own) <= 400


def test_sides_of_unlike_size_have_their_share_of_every_update() -> None:
    sides = np.repeat(np.array([0, 1], dtype=np.uint8), [4000, 1000])
    longest = np.clip(np.random.default_rng(7).poisson(10 + 10 * sides), 3, 40)
    shares = [sides[batch].mean() for batch in epoch_batches(longest, 1500, seed=1, epoch=0, sides=sides)]
    assert min(shares) >= 0.15 and max(shares) <= 0.25


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 3), (2, 1)])
def test_sides_are_held_however_an_update_is_shared_and_wherever_it_is_gone_on_with(
    processes: int, accumulation: int
) -> None:
    longest, sides = skewed_sides(200)
    whole = BatchPlan(longest, 400, 30, 1, sides=sides)
    shares = [
        BatchPlan(longest, 400, 30, 1, accumulation, process, processes, sides=sides) for process in range(processes)
    ]
    for share in shares:
        assert len(list(share)) == len(share) == 30 * share.parts
        assert list(replace(share, first=11)) == list(share)[11 * share.parts :]
    lists = [list(share) for share in shares]
    for update in range(30):
        held = [
            key
            for each, share in zip(lists, shares, strict=True)
            for part in each[update * share.parts :][: share.parts]
            for key in part
        ]
        assert sorted(held) == sorted(key for part in list(whole)[2 * update : 2 * update + 2] for key in part)


def test_a_large_epoch_is_divided_at_random_and_padded_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = caption_lengths(20_000)
    cost = {}
    for at_once in (4000, 20_000):
        monkeypatch.setattr(batches_module, "SORTED_AT_ONCE", at_once)
        batches = list(epoch_batches(longest, 600, seed=1, epoch=0))
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(longest)))
        cost[at_once] = sum(len(batch) * longest[batch].max() for batch in batches)
    assert cost[4000] < 1.03 * cost[20_000]


def test_batches_come_in_random_order_of_length() -> None:
    longest = caption_lengths(2000)
    means = [longest[batch].mean() for batch in epoch_batches(longest, 300, seed=1, epoch=0)]
    ranks = np.argsort(np.argsort(means))
    assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 0.3


def plan(**changes: int) -> BatchPlan:
    arguments: dict[str, int] = {"tokens_per_batch": 60, "updates": 25, "seed": 3, **changes}
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
    assert list(plan(updates=7)) == list(islice(plan(), 7))


@pytest.mark.parametrize(("processes", "accumulation"), [(1, 1), (1, 3), (2, 1), (3, 2), (8, 1)])
def test_an_update_has_the_same_sentences_however_it_is_shared(processes: int, accumulation: int) -> None:
    whole = list(plan(tokens_per_batch=100))
    shares = [
        list(plan(tokens_per_batch=100, accumulation=accumulation, process=process, processes=processes))
        for process in range(processes)
    ]
    assert {len(share) for share in shares} == {25 * accumulation} == {len(plan(accumulation=accumulation))}
    for update, batch in enumerate(whole):
        # Parts in the order of the batch: those of all processes that are computed at the same time, then the next.
        steps = range(update * accumulation, (update + 1) * accumulation)
        assert [key for step in steps for share in shares for key in share[step]] == batch
    if processes * accumulation == 8:
        assert min(len(part) for share in shares for part in share) == 0


def test_parts_that_are_computed_together_cost_about_the_same() -> None:
    longest = caption_lengths(2000)
    arguments: dict[str, int] = {"tokens_per_batch": 4000, "updates": 6, "seed": 1}
    shares = [list(BatchPlan(longest, **arguments, process=process, processes=4)) for process in range(4)]
    costs = [[len(part) * longest[[index for _, index in part]].max() for part in share] for share in shares]
    for together in zip(*costs, strict=True):
        assert max(together) < 1.1 * min(together)
        assert sum(together) <= 4000


@settings(max_examples=10)
@given(
    first=st.floats(0, 1),
    last=st.floats(0, 1),
    done=st.integers(0, 200),
    processes=st.sampled_from([1, 2]),
)
def test_shares_that_change_do_so_over_the_stage_however_often_it_is_stopped(
    first: float, last: float, done: int, processes: int
) -> None:
    longest = np.random.default_rng(1).integers(3, 40, 3000)
    kinds = [Examples(count, lambda epoch, index: Example("", "de", "", "en")) for count in (1000, 2000)]
    mixture = mixed_examples([(kinds[0], 0.5), (kinds[1], (first, last))], seed=3)
    plan = BatchPlan(longest, tokens_per_batch=1600, updates=200, seed=2, processes=processes, used=mixture.used)
    batches = list(plan)
    assert len(batches) == 200
    assert list(replace(plan, first=done)) == batches[done:]
    indices = np.array([index for batch in batches for _, index in batch])
    halves = np.split(indices >= 1000, [len(indices) // 2])
    shares = [first + (last - first) * middle for middle in (0.25, 0.75)]
    for half, share in zip(halves, shares, strict=True):
        assert half.mean() == pytest.approx(share / (0.5 + share), abs=0.12)


@pytest.mark.parametrize("tokens", [1_500, 16_384, 65_536])
def test_batches_are_as_full_where_shares_change_as_where_they_do_not(tokens: int) -> None:
    longest = np.random.default_rng(1).integers(8, 60, 200_000)
    half = Examples(100_000, lambda epoch, index: Example("", "de", "", "en"))
    mixture = mixed_examples([(half, 0.5), (half, (0.5, 0.1))], seed=1, per_batch=tokens / 32)
    plan = BatchPlan(longest, tokens, updates=40, seed=1, used=mixture.used)
    filled = [len(batch) * longest[[index for _, index in batch]].max() / tokens for batch in plan]
    assert np.mean(filled) > 0.93


def counted(epoch: int, index: int) -> Example:
    return Example(GERMAN[index] + " Ja." * epoch, "de", ENGLISH[index], "en")


def test_an_example_is_made_for_its_key_and_encoded_by_the_layout() -> None:
    layout = miniature().layout
    data = EncodedExamples(Examples(16, counted), layout, 64)
    assert data[2, 5] == layout.encode(counted(2, 5), max_tokens=64)
    assert data.__getitems__([(0, 1), (3, 2)]) == [data[0, 1], data[3, 2]]
    assert data.__getitems__([]) == []
    assert len(data) == 16


def test_lengths_are_those_of_the_longer_side_and_cut_examples_are_counted() -> None:
    layout = miniature().layout
    encoded = [layout.encode(counted(0, index), max_tokens=64) for index in range(16)]
    longest = [max(len(ids.input_ids), len(ids.labels)) for ids in encoded]
    measured = measure(Examples(16, counted), layout, 64)
    assert measured.longest.tolist() == longest
    assert measured.surplus.tolist() == [len(ids.input_ids) - len(ids.labels) for ids in encoded]
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
