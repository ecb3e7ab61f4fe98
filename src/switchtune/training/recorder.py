"""What a stage measures on its way: summed up, written into the curve, and told to trackers and people."""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from switchtune.events import Progress
from switchtune.models.forward import Batch
from switchtune.models.layout import IGNORED_LABEL
from switchtune.training.curve import Curve
from switchtune.training.distributed import rank, size, summed
from switchtune.training.energy import energy_meter
from switchtune.training.job import Job

if sys.platform == "win32":
    import psutil
else:
    import resource

SECONDS_BETWEEN_REPORTS = 0.5


def labelled(batch: Batch) -> int:
    return int((batch["labels"] != IGNORED_LABEL).sum())


@dataclass
class Tally:
    """What one process has summed since the last training entry of the curve, and the time that it has trained."""

    losses: torch.Tensor
    """(3,) smoothed loss, negative log likelihood, labels. On the device, so that reading them waits for it."""
    positions: list[int] = field(default_factory=lambda: [0, 0])
    """Positions of the batches on both sides; those of them that hold a token that counts."""
    seconds: float = 0.0
    _since: float = field(default_factory=time.perf_counter)

    def add_positions(self, batch: Batch, labels: int) -> None:
        mask = batch["attention_mask"]
        self.positions[0] += mask.numel() + batch["labels"].numel()
        self.positions[1] += labels + (int(mask.sum()) if labels else 0)

    def pause(self) -> None:
        """Count the time since training went on."""
        now = time.perf_counter()
        self.seconds += now - self._since
        self._since = now

    def resume(self) -> None:
        """Leave out the time since the last pause."""
        self._since = time.perf_counter()

    def clear(self) -> None:
        self.losses.zero_()
        self.positions, self.seconds = [0, 0], 0.0

    def numbers(self) -> list[float]:
        """All of it, for another process to go on from."""
        return [*self.losses.tolist(), *self.positions, self.seconds]

    def go_on_from(self, numbers: Sequence[float]) -> None:
        """Have what `numbers` gave, or a sum of several."""
        self.losses.copy_(torch.tensor(numbers[:3]))
        self.positions = [int(number) for number in numbers[3:5]]
        self.seconds = numbers[5]


class Recorder:
    """Keeps the curve of a stage."""

    def __init__(self, job: Job, curve: Curve, device: torch.device) -> None:
        self.curve = curve
        self.tally = Tally(torch.zeros(3, device=device))
        self._job, self._device = job, device
        self._energy, self._kilowatt_hours_before = energy_meter(device), curve.kilowatt_hours
        self._began_at = time.perf_counter() - curve.seconds
        self._reported_at, self._reported_labels = time.perf_counter(), float(curve.tokens)

    def tell(self, message: str) -> None:
        if rank() == 0:
            self._job.on_message(message)

    def add(self, update: int, entry: dict[str, Any]) -> None:
        memory_gb = round(peak_memory_gb(self._device), 3)
        energy, before = self._energy.kilowatt_hours(), self._kilowatt_hours_before
        counted = {} if energy is None or before is None else {"kilowatt_hours": round(before + energy, 9)}
        seconds = round(time.perf_counter() - self._began_at, 3)
        self.curve.add({"update": update, **entry, "memory_gb": memory_gb, **counted, "seconds": seconds})

    def add_training(self, update: int, learning_rate: float) -> None:
        """Add what all processes have summed, if anything, and begin to sum anew."""
        loss, nll, labels = summed(self.tally.losses).tolist()
        if not labels:
            return
        positions, filled = summed(torch.tensor(self.tally.positions, device=self._device)).tolist()
        self.tally.pause()
        entry = {
            **self._job.objective.figures(loss, nll, labels),
            "learning_rate": learning_rate,
            "tokens": self.curve.tokens + int(labels),
            "tokens_per_second": round(labels / self.tally.seconds, 1),
            "padding": round(1 - filled / positions, 4),
        }
        self.tally.clear()
        self.add(update, entry)
        self._track(update, {f"train/{name}": value for name, value in entry.items()})

    def add_validation(self, update: int, entry: dict[str, float]) -> None:
        self.add(update, entry)
        names = {name: name.removeprefix("valid_").replace("nll", "loss") for name in entry}
        self._track(update, {f"eval/{names[name]}": value for name, value in entry.items()})

    def _track(self, update: int, values: dict[str, float]) -> None:
        self._job.trackers.log(values, update + self._job.log.updates_before)

    def scores(self) -> Sequence[tuple[int, float]]:
        """(update, score) of every evaluation, larger is better."""
        if self._job.settings.best_by == "chrf":
            return self.curve.measured("valid_chrf")
        name = self._job.objective.validated
        return [(update, -value if name == "valid_nll" else value) for update, value in self.curve.measured(name)]

    def exhausted(self) -> bool:
        """Whether the stage's patience ends with what was measured last."""
        settings = self._job.settings
        return exhausted(self.scores(), patience=settings.patience, least_updates=settings.least_updates)

    def report(self, update: int, *, now: bool) -> None:
        """Tell how far the training is, at once or where the last report is a while ago."""
        seconds = time.perf_counter() - self._reported_at
        if not now and seconds < SECONDS_BETWEEN_REPORTS:
            return
        loss, _, labels = self.tally.losses.tolist()
        total = self.curve.tokens + labels * size()
        if self._job.on_progress is not None and rank() == 0:
            positions, filled = self.tally.positions
            self._job.on_progress(
                Progress(
                    update=update,
                    updates=self._job.updates,
                    loss=loss / labels if labels else math.nan,
                    tokens_per_second=(total - self._reported_labels) / seconds,
                    padding=1 - filled / positions,
                    memory_gb=peak_memory_gb(self._device),
                )
            )
        self._reported_at += seconds
        self._reported_labels = total


def exhausted(scores: Sequence[tuple[int, float]], *, patience: int | None, least_updates: int) -> bool:
    """Whether the last `patience` evaluations, (update, score), brought nothing better; never without patience."""
    if patience is None or not scores or scores[-1][0] < least_updates:
        return False
    values = [score for _, score in scores]
    return len(values) - 1 - values.index(max(values)) >= patience


def peak_memory_gb(device: torch.device) -> float:
    """The most memory that this process has held, in 10⁹ bytes: on its GPU, or on a CPU its own.

    On a GPU of Apple's it is what Metal holds for the process now, which it seldom gives back.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 1e9
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
