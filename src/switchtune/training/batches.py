"""Which examples form which batch: a plan made of lengths alone, and the data set that follows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from switchtune.examples import Examples
from switchtune.models.families import Layout, TokenIds

Key = tuple[int, int]
"""(epoch, index): which example, made how often before."""

_JITTER = 0.1
"""Lengths are stretched by up to a tenth before sorting: sentences of one length meet other sentences every epoch."""
_MEASURED_AT_ONCE = 1024


@dataclass(frozen=True)
class Lengths:
    """Tokens of the examples of epoch 0, special tokens included."""

    longest: NDArray[np.int64]
    """(examples,) tokens of the longer side."""
    truncated: int
    """Examples with a side that was cut to `max_tokens`."""


def measure(examples: Examples, layout: Layout, max_tokens: int) -> Lengths:
    """Encode the examples of epoch 0 once and count their tokens.

    Examples of later epochs may be a little longer or shorter where they are made anew (other words switched); the
    plan takes these counts as an estimate for all epochs.
    """
    longest = np.zeros(examples.count, dtype=np.int64)
    truncated = 0
    data = EncodedExamples(examples, layout, max_tokens)
    for start in range(0, examples.count, _MEASURED_AT_ONCE):
        chunk = data.__getitems__(
            [(0, index) for index in range(start, min(start + _MEASURED_AT_ONCE, examples.count))]
        )
        longest[start : start + len(chunk)] = [max(len(ids.input_ids), len(ids.labels)) for ids in chunk]
        truncated += sum(ids.truncated for ids in chunk)
    return Lengths(longest, truncated)


def epoch_batches(longest: NDArray[np.int64], tokens_per_batch: int, *, seed: int, epoch: int) -> list[list[int]]:
    """Every example of an epoch once, in batches of sentences of similar length, in random order.

    A batch costs its sentences × its longest sentence (padding counts) and stays within `tokens_per_batch`; a sentence
    longer than that makes a batch of its own. The batches of an epoch cost about the same: the remainder is spread.

    Args:
        longest: (examples,) tokens of the longer side of each example.
        tokens_per_batch: the budget.
        seed: with `epoch`, decides the order; nothing else does.
        epoch: number of the pass over the data.
    """
    rng = np.random.default_rng((seed, epoch))
    order = np.argsort(longest * (1 + _JITTER * rng.random(len(longest))))
    lengths = longest[order].tolist()
    low, high = 1, tokens_per_batch
    fewest = len(_cuts(lengths, tokens_per_batch))
    while low < high:
        middle = (low + high) // 2
        if len(_cuts(lengths, middle)) > fewest:
            low = middle + 1
        else:
            high = middle
    starts = _cuts(lengths, high)
    batches = [part.tolist() for part in np.split(order, starts[1:])]
    return [batches[position] for position in rng.permutation(len(batches))]


def _cuts(lengths: Sequence[int], tokens_per_batch: int) -> list[int]:
    """Where each batch starts when sentences are taken in this order until the budget is full."""
    starts = [0]
    longest = 0
    for position, length in enumerate(lengths):
        longest = max(longest, length)
        if position > starts[-1] and longest * (position - starts[-1] + 1) > tokens_per_batch:
            starts.append(position)
            longest = length
    return starts


@dataclass(frozen=True)
class BatchPlan:
    """The batches of a whole stage, over as many epochs as it takes; a batch sampler for torch's DataLoader.

    Of every `processes` consecutive batches each process takes one, so all of them do the same number.
    """

    longest: NDArray[np.int64]
    tokens_per_batch: int
    batches: int
    """Batches of one process."""
    seed: int
    process: int = 0
    processes: int = 1

    def __len__(self) -> int:
        return self.batches

    @property
    def epochs(self) -> float:
        """Passes over the examples that the stage makes, all processes together."""
        per_epoch = len(epoch_batches(self.longest, self.tokens_per_batch, seed=self.seed, epoch=0))
        return self.batches * self.processes / per_epoch

    def __iter__(self) -> Iterator[list[Key]]:
        wanted = self.batches * self.processes
        number = epoch = 0
        while True:
            for batch in epoch_batches(self.longest, self.tokens_per_batch, seed=self.seed, epoch=epoch):
                if number == wanted:
                    return
                if number % self.processes == self.process:
                    yield [(epoch, index) for index in batch]
                number += 1
            epoch += 1


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
        """A whole batch at once, which tokenizers do faster."""
        made = [self.examples.make(epoch, index) for epoch, index in keys]
        return self.layout.batch_encode(made, max_tokens=self.max_tokens)
