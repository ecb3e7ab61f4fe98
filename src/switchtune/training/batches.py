"""Which examples form which batch: a plan made of lengths alone, and the data set that follows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from switchtune.examples import Examples, Key, Used
from switchtune.models.layout import Layout, TokenIds

_MEASURED_AT_ONCE = 1024
SORTED_AT_ONCE = 1 << 17
"""Examples of an epoch that are sorted by length together: more save hardly any padding, and take memory."""


@dataclass(frozen=True)
class Lengths:
    """Tokens of the examples of epoch 0, special tokens included."""

    longest: NDArray[np.integer]
    """(examples,) tokens of the longer side."""
    surplus: NDArray[np.integer]
    """(examples,) tokens that the source has more than the target."""
    truncated: int
    """Examples with a side that was cut to `max_tokens`."""
    sides: NDArray[np.uint8] | None = None
    """(examples,) `Examples.sides`."""


def measure(examples: Examples, layout: Layout, max_tokens: int) -> Lengths:
    """Count the tokens of the examples of epoch 0: an estimate of all epochs, where other words are switched."""
    # What is kept for every example of a corpus is kept small.
    kind: type[np.integer] = np.int16 if max_tokens <= np.iinfo(np.int16).max else np.int32
    longest, surplus = np.zeros(examples.count, kind), np.zeros(examples.count, kind)
    truncated = 0
    data = EncodedExamples(examples, layout, max_tokens)
    for start in range(0, examples.count, _MEASURED_AT_ONCE):
        end = min(start + _MEASURED_AT_ONCE, examples.count)
        chunk = data.__getitems__([(0, index) for index in range(start, end)])
        source, target = np.array([[len(ids.input_ids), len(ids.labels)] for ids in chunk]).T
        longest[start:end], surplus[start:end] = np.maximum(source, target), source - target
        truncated += sum(ids.truncated for ids in chunk)
    return Lengths(longest, surplus, truncated, examples.sides)


def epoch_batches(
    longest: NDArray[np.integer],
    tokens_per_batch: int,
    *,
    seed: int,
    epoch: int,
    surplus: NDArray[np.integer] | None = None,
    sides: NDArray[np.uint8] | None = None,
    used: NDArray[np.int64] | None = None,
) -> Iterator[NDArray[np.int64]]:
    """Every example of an epoch once, in batches of sentences of similar length, in random order.

    A batch costs its sentences × its longest sentence (padding counts) and stays within `tokens_per_batch`; a sentence
    longer than that makes a batch of its own. The batches of about `SORTED_AT_ONCE` examples cost about the same.

    Args:
        longest: (examples,) tokens of the longer side of each example.
        surplus: (examples,) tokens that the source has more than the target; by default both sides are as long.
        sides: (examples,) 0 or 1. Every batch then has as large a share of both as the epoch, from the shortest of both
            on, and its cost is that of two: they are padded apart. Sorted together, the side with the shorter sentences
            would fill the batches of short ones.
        used: indices of the examples of the epoch; by default all.

    Yields:
        The indices of each batch's examples, about the shortest first, those of side 0 before those of side 1.
    """
    rng = np.random.default_rng((seed, epoch))
    for part in _at_random(np.arange(len(longest)) if used is None else used, rng):
        # Examples alike in both lengths come in random order, and so stand with others in every epoch.
        keys = [rng.random(len(part), dtype=np.float32), longest[part]]
        if surplus is not None:
            # The order of the surplus turns round at each length, so that neighbours are alike there too.
            keys.insert(1, np.where(longest[part] % 2, -surplus[part], surplus[part]))
        order = part[np.lexsort(keys)]
        side = np.zeros(len(part), dtype=np.uint8) if sides is None else sides[order]
        merged = np.argsort(_quantiles(side), kind="stable")
        order, side = order[merged], side[merged]
        lengths = longest[order]
        starts = _even_starts(lengths, side, len(_starts(lengths, side, tokens_per_batch)), tokens_per_batch)
        of_batch = np.repeat(np.arange(len(starts)), np.diff([*starts, len(order)]))
        batches = np.split(order[np.lexsort((side, of_batch))], starts[1:])
        yield from (batches[position] for position in rng.permutation(len(batches)))


def _quantiles(side: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How far each is from the first to the last of its own side, from 0 to 1."""
    quantiles = np.empty(len(side))
    for number in (0, 1):
        own = np.flatnonzero(side == number)
        quantiles[own] = (np.arange(len(own)) + 0.5) / max(1, len(own))
    return quantiles


def _at_random(indices: NDArray[np.int64], rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """`indices` divided at random into parts of about `SORTED_AT_ONCE`."""
    parts = -(-len(indices) // SORTED_AT_ONCE)
    if parts == 1:
        yield indices
        return
    part_of = rng.integers(parts, size=len(indices), dtype=np.uint16)
    yield from (indices[part_of == part] for part in range(parts))


def shared_out(batch: NDArray[np.int64], longest: NDArray[np.integer], parts: int) -> list[NDArray[np.int64]]:
    """A batch, at least one example, in `parts` runs of which the costliest costs the least; some may be empty."""
    lengths = longest[batch]
    starts = _even_starts(lengths, np.zeros_like(batch), parts, len(batch) * int(lengths.max()))
    runs = np.split(batch, starts[1:])
    return runs + [batch[:0]] * (parts - len(runs))


def _even_starts(lengths: NDArray[np.integer], side: NDArray[np.integer], runs: int, enough: int) -> list[int]:
    """Where at most `runs` runs start of which the costliest costs as little as may be; the budget `enough` does."""
    low, high = 1, enough
    while low < high:
        middle = (low + high) // 2
        if len(_starts(lengths, side, middle)) > runs:
            low = middle + 1
        else:
            high = middle
    return _starts(lengths, side, high)


def _starts(lengths: NDArray[np.integer], side: NDArray[np.integer], tokens_per_run: int) -> list[int]:
    """Where each run starts when sentences are taken in this order until the budget is full, each side padded apart."""
    starts, numbers = [0], range(int(side.max()) + 1)
    while True:
        first = starts[-1]
        # No more can fit: of each side, none may make a run cost less than the first alone, which are the shortest.
        shortest = int(lengths[first : first + 8].min())
        window = slice(first, first + max(1, tokens_per_run // shortest) + 1)
        costs = np.zeros(len(lengths[window]), dtype=np.int64)
        for number in numbers:
            own = side[window] == number
            costs += np.maximum.accumulate(np.where(own, lengths[window], 0)) * np.cumsum(own)
        fitting = max(1, int(np.searchsorted(costs, tokens_per_run, side="right")))
        if first + fitting >= len(lengths):
            return starts
        starts.append(first + fitting)


@dataclass(frozen=True)
class BatchPlan:
    """The batches of a whole stage, over as many epochs as it takes; a batch sampler for torch's DataLoader.

    The batch of an update is the same whatever the number of processes and of accumulated parts: it is planned as a
    whole, then shared out. Parts that are computed at the same time are of similar length; some may be empty.
    """

    longest: NDArray[np.integer]
    tokens_per_batch: int
    """Budget of an update, over all its parts."""
    updates: int
    seed: int
    accumulation: int = 1
    """Parts of an update that one process computes one after the other."""
    process: int = 0
    processes: int = 1
    surplus: NDArray[np.integer] | None = None
    sides: NDArray[np.uint8] | None = None
    used: Used | None = None
    """None: every epoch has all examples."""
    first: int = 0
    """Updates that are passed over, as they are done."""

    def __len__(self) -> int:
        return (self.updates - self.first) * self.parts

    @property
    def parts(self) -> int:
        """Parts of an update that a process computes one after the other, at least one of each side."""
        return self.accumulation if self.sides is None else max(2, self.accumulation)

    @property
    def epochs(self) -> float:
        return self.updates / sum(1 for _ in self._epoch(0, 0.0))

    def __iter__(self) -> Iterator[list[Key]]:
        for epoch, batch in islice(self._batches(), self.first, self.updates):
            for part in self._parts_of(batch)[self.process :: self.processes]:
                yield [(epoch, index) for index in part.tolist()]

    def _parts_of(self, batch: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Those of all processes that are computed at the same time, then the next; none holds both sides."""
        first = 0 if self.sides is None else np.count_nonzero(self.sides[batch] == 0)
        if first in (0, len(batch)):
            return shared_out(batch, self.longest, self.processes * self.parts)
        one, other = np.split(batch, [first])
        costs = [len(side) * int(self.longest[side].max()) for side in (one, other)]
        parts = min(self.parts - 1, max(1, round(self.parts * costs[0] / sum(costs))))
        of_one, of_other = self.processes * parts, self.processes * (self.parts - parts)
        return shared_out(one, self.longest, of_one) + shared_out(other, self.longest, of_other)

    def _batches(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        planned = 0
        for epoch in count():
            for batch in self._epoch(epoch, min(1.0, planned / self.updates)):
                planned += 1
                yield epoch, batch

    def _epoch(self, epoch: int, done: float) -> Iterator[NDArray[np.int64]]:
        used = None if self.used is None else self.used(epoch, done)
        return epoch_batches(
            self.longest,
            self.tokens_per_batch,
            seed=self.seed,
            epoch=epoch,
            surplus=self.surplus,
            sides=self.sides,
            used=used,
        )


@dataclass(frozen=True)
class EncodedExamples:
    """Examples as token ids, made and encoded when asked for; a map-style data set for torch's DataLoader."""

    examples: Examples
    layout: Layout
    max_tokens: int

    def __len__(self) -> int:
        return self.examples.count

    def __getitem__(self, key: Key) -> TokenIds:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[TokenIds]:
        if not keys:
            return []
        return self.layout.batch_encode(self.examples.made(keys), max_tokens=self.max_tokens)
