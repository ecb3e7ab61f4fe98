"""When a stage of open length ends: once its validation loss gains too little."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from switchtune.config.arms import ResolvedArm
from switchtune.config.training import LEAST_SHARE, SPAN_SHARE
from switchtune.errors import UsageError
from switchtune.recipes import MIXTURES, Stage


@dataclass(frozen=True, slots=True)
class Plateau:
    """The rule by which a stage ends; it looks at losses alone, so a resumed training decides as one in one piece."""

    least_gain: float
    """Share of the loss; the stage ends where it gains less."""
    span: int
    """Updates in which it is to be gained."""
    least_updates: int
    """Updates of the stage before which it does not end."""

    def gain(self, losses: Sequence[tuple[int, float]]) -> float | None:
        """Share of the best loss before the last `span` updates by which the best within them is smaller.

        Args:
            losses: (update, validation loss), the oldest first.

        Returns:
            Below zero where the loss has risen; None where nothing was measured before those updates.
        """
        border = losses[-1][0] - self.span if losses else 0
        before = min((loss for update, loss in losses if update <= border), default=None)
        return None if before is None else 1 - min(loss for update, loss in losses if update > border) / before

    def reached(self, losses: Sequence[tuple[int, float]]) -> bool:
        gain = self.gain(losses)
        return gain is not None and losses[-1][0] >= self.least_updates and gain < self.least_gain

    def describe(self, losses: Sequence[tuple[int, float]]) -> str:
        """What the last measurement says, for people."""
        gain = self.gain(losses)
        if gain is None:
            return f"the validation loss was not measured over {self.span:,} updates"
        course = f"{'fell' if gain >= 0 else 'rose'} by {abs(gain):.2%}"
        return f"the validation loss {course} in {self.span:,} updates (least_gain: {self.least_gain:.2%})"


def plateau_of(stage: Stage, arm: ResolvedArm) -> Plateau | None:
    """The rule by which a stage of an arm ends; None where its length is fixed.

    Raises:
        UsageError: there are too few evaluations to go by.
    """
    settings, lengths = arm.training, arm.stage_updates
    if stage.name not in MIXTURES or stage is arm.recipe.stages[-1] or settings.mixture_share != "auto":
        return None
    span, longest = math.ceil(SPAN_SHARE * sum(lengths)), lengths[arm.recipe.stages.index(stage)]
    if settings.evaluate_every > span:
        raise UsageError(
            f"arms.{arm.name}: training.mixture_share: auto goes by what the validation loss gains in {SPAN_SHARE:.0%} "
            f"of the updates ({span:,} of {sum(lengths):,}), and training.evaluate_every is "
            f"{settings.evaluate_every:,}. Set evaluate_every to {span:,} or less, or mixture_share to a number."
        )
    return Plateau(settings.least_gain, span, math.ceil(LEAST_SHARE * longest))


def require_evaluations(arm: ResolvedArm) -> None:
    """Raise UsageError where a stage of an arm, or of its reverse model, has too few evaluations to end by itself."""
    for stage in arm.recipe.stages:
        plateau_of(stage, arm)
    if arm.reverse is not None:
        require_evaluations(arm.reverse)
