"""What is watched while a training goes on: whether it still gets better, and the memory it takes."""

import resource
import sys
from collections.abc import Sequence

import torch


def exhausted(scores: Sequence[tuple[int, float]], *, patience: int | None, least_updates: int) -> bool:
    """Whether the last `patience` evaluations brought nothing better.

    Args:
        scores: (update, score) of every evaluation in order; larger is better.
        patience: None never ends.
        least_updates: the training goes on until then in any case.
    """
    if patience is None or not scores or scores[-1][0] < least_updates:
        return False
    values = [score for _, score in scores]
    return len(values) - 1 - values.index(max(values)) >= patience


def peak_memory_gb(device: torch.device) -> float:
    """The most memory that this process has held, in 10⁹ bytes: on its GPU, or on a CPU its own."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
