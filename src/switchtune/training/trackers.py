"""Trackers of accelerate (TensorBoard, W&B, MLflow, Trackio, …) over the stages of a training: one run, steps go on."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers
from accelerate.utils import clear_environment

from switchtune.errors import UsageError
from switchtune.training.distributed import rank

PROJECT = "switchtune"
"""Project that runs are filed under, where a tracker's environment variable names no other."""


def require_trackers(names: Sequence[str]) -> None:
    """Raise UsageError for trackers of `training.report_to` that accelerate does not know or that are not installed."""
    available = [str(name) for name in get_available_trackers()]
    for name in names:
        if name not in available:
            installed = ", ".join(available) or "none"
            raise UsageError(
                f"training.report_to: {name!r} is not a tracker that is installed here (installed: {installed}). "
                f"Install it (pip install {name}), or leave it out."
            )


class Trackers:
    """The trackers of one training, shared by its stages, in process 0 alone; they start with the first values.

    Where each of them writes is its own affair (its environment variables), but TensorBoard writes to
    `folder`/tensorboard unless TENSORBOARD_LOGGING_DIR says otherwise.
    """

    def __init__(self, names: Sequence[str], *, run_name: str, folder: Path, updates: int) -> None:
        """Take the updates of all stages together, after which the run is over; raises as `require_trackers`."""
        require_trackers(names)
        self._names, self._run_name, self._folder, self._updates = names, run_name, folder, updates
        self._running: list[GeneralTracker] | None = None

    def log(self, values: Mapping[str, float], update: int) -> None:
        """Pass on what was measured after so many updates of all stages."""
        if rank() > 0:
            return
        if self._running is None:
            self._running = [self._started(name) for name in self._names]
        for tracker in self._running:
            tracker.log(dict(values), step=update)

    def end(self, update: int) -> None:
        """End the run, if that was its last update."""
        if update >= self._updates:
            for tracker in self._running or ():
                tracker.finish()
            self._running = None

    def _started(self, name: str) -> GeneralTracker:
        kind: Any = LOGGER_TYPE_TO_CLASS[name]
        if name == "tensorboard":
            tracker: GeneralTracker = kind("", os.environ.get("TENSORBOARD_LOGGING_DIR", self._folder / "tensorboard"))
        elif name == "mlflow":
            tracker = kind(PROJECT, run_name=self._run_name)
        elif name in {"wandb", "trackio"}:
            tracker = kind(os.environ.get(f"{name.upper()}_PROJECT", PROJECT), name=self._run_name)
        else:
            tracker = kind(self._run_name)
        # Trackers ask accelerate which process this is: with what a launcher has set, it would wait for a group.
        with clear_environment():
            PartialState()
        tracker.start()
        return tracker
