"""What is told while something goes on: how far a training is, and messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a stage stands."""

    update: int
    """Updates done, those before an interruption included."""
    updates: int
    loss: float
    """Mean smoothed loss per target token since the last entry of the curve, in nats."""
    tokens_per_second: float
    """Target tokens trained on since the last report, per second."""
    padding: float
    """Share of the positions of this process's batches that hold no token, since the last entry of the curve."""
    memory_gb: float
    """Peak of this process so far: of its GPU's memory, or on a CPU of its own."""


@dataclass(frozen=True)
class Event:
    """Something to show while a run goes on."""

    subject: str
    """A trial (`de-en/csr/seed1`), or a pair while its data is prepared."""
    what: str
    """A stage's name, or a message."""
    update: int = 0
    updates: int = 0
    """0 where the event is a message."""
    loss: float | None = None
    tokens_per_second: float | None = None
    """Target tokens trained on."""
    padding: float | None = None
    """Share of the batches' positions that hold no token."""
    memory_gb: float | None = None
    """Peak so far."""


def stage_event(subject: str, stage: str, step: Progress) -> Event:
    """How far a stage is."""
    return Event(
        *(subject, stage, step.update, step.updates, step.loss),
        tokens_per_second=step.tokens_per_second,
        padding=step.padding,
        memory_gb=step.memory_gb,
    )


OnEvent: TypeAlias = Callable[[Event], None]
