"""Batches of sentences of similar length, for any engine."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

Outputs: TypeAlias = list[tuple[int, list[int]]]
"""What a batch came to: the place of each source and its output in ids, from after the decoder start to the end of the
sentence (where it came to one)."""


def batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Indices of sentences of similar length, the longest first, so that what does not fit in memory shows at once.

    A batch costs its sentences × its longest sentence and stays within the budget; a sentence longer than the budget
    makes a batch of its own.

    Args:
        lengths: tokens of each sentence, at least 1.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        end = start + max(1, tokens_per_batch // lengths[order[start]])
        yield order[start:end]
        start = end
