"""Updates whose gradients are not finite: left out, without the GPU waiting for the CPU to look at every one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from switchtune.models.forward import Batch

PATIENCE = 3
"""So many left out …"""
WINDOW = 100
"""… among so many updates in a row end the training."""


def too_many(skipped: Sequence[int]) -> bool:
    """Whether the updates that were left out, in order, are so many within so few that the training is to end."""
    return len(skipped) >= PATIENCE and skipped[-1] - skipped[-PATIENCE] < WINDOW


@dataclass(frozen=True)
class _Awaited:
    update: int
    bad: torch.Tensor
    """In the main memory; valid once the event has come."""
    copied: Any
    batches: Sequence[Batch]


class FiniteWatch:
    """Calls `found` for updates that were not finite, one update later: by then the answer is in the main memory."""

    def __init__(self, found: Callable[[int, Sequence[Batch]], None]) -> None:
        self._found = found
        self._awaited: _Awaited | None = None

    def add(self, update: int, bad: torch.Tensor, batches: Sequence[Batch]) -> None:
        """Take the verdict on an update, a boolean on the device, and tell of the update before it."""
        self.settle()
        copied = None
        if bad.is_cuda:
            bad = torch.empty((), dtype=torch.bool, pin_memory=True).copy_(bad, non_blocking=True)
            copied = torch.Event("cuda")
            copied.record()
        self._awaited = _Awaited(update, bad, copied, batches)

    def settle(self) -> None:
        """Tell of the last update, waiting for its verdict where need be."""
        awaited, self._awaited = self._awaited, None
        if awaited is None:
            return
        if awaited.copied is not None:
            awaited.copied.synchronize()
        if awaited.bad:
            self._found(awaited.update, awaited.batches)
