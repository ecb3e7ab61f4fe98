"""The learning rate over the updates of a stage."""

import math

from switchtune.config.training import Schedule


def learning_rate_factor(done: int, *, updates: int, warmup: int, schedule: Schedule) -> float:
    """Share of the peak learning rate for the update after `done`; `linear` would be zero one update after the last."""
    if done < warmup:
        return (done + 1) / warmup
    if schedule == "linear":
        return max(0.0, (updates - done) / (updates - warmup))
    if schedule == "inverse_sqrt":
        return math.sqrt(max(warmup, 1) / (done + 1))
    return 1.0


def warmup_updates(warmup: float, updates: int) -> int:
    """Updates of warm-up in a stage, of a number or (below 1) a share: never more than a tenth of the stage."""
    return int(min(warmup * updates if warmup < 1 else warmup, updates // 10))
