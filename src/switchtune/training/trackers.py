"""Trackers of transformers (TensorBoard, W&B, MLflow, Trackio) over the stages of a training: one run, steps go on."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState
from transformers.integrations.integration_utils import (
    TensorBoardCallback,
    get_available_reporting_integrations,
    get_reporting_integration_callbacks,
)

from switchtune.errors import UsageError


def require_trackers(names: Sequence[str]) -> None:
    """Make sure that the trackers of `training.report_to` are known to transformers and installed.

    Raises:
        UsageError: one of them is not.
    """
    available = get_available_reporting_integrations()
    for name in names:
        if name not in available:
            installed = ", ".join(available) or "none"
            raise UsageError(
                f"training.report_to: {name!r} is not a tracker that is installed here (installed: {installed}). "
                f"Install it (pip install {name}), or leave it out."
            )


class Trackers:
    """The trackers of one training, shared by its stages.

    Where each of them writes is its own affair (its environment variables), but TensorBoard writes to
    `folder`/tensorboard unless TENSORBOARD_LOGGING_DIR says otherwise.
    """

    def __init__(self, names: Sequence[str], *, run_name: str, folder: Path, updates: int) -> None:
        """Make the trackers.

        Args:
            names: as in `training.report_to`.
            run_name: what the run is called in them.
            folder: of the training.
            updates: of all its stages together.

        Raises:
            UsageError: one of them is not installed.
        """
        require_trackers(names)
        self.run_name = run_name
        self.updates = updates
        self.begun = False
        self.callbacks = [kind() for kind in get_reporting_integration_callbacks(list(names))]
        for callback in self.callbacks:
            if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
                callback.logging_dir = str(folder / "tensorboard")

    def of_stage(self, updates_before: int) -> TrainerCallback:
        """What tells the trackers of a stage that comes after so many updates of other stages."""
        return _StageTrackers(self, updates_before)


class _StageTrackers(TrainerCallback):
    def __init__(self, trackers: Trackers, updates_before: int) -> None:
        self._trackers = trackers
        self._updates_before = updates_before

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if not self._trackers.begun:
            self._trackers.begun = True
            for callback in self._trackers.callbacks:
                callback.on_train_begin(args, state, control, **kwargs)

    def on_log(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        shifted = copy.copy(state)
        shifted.global_step += self._updates_before
        for callback in self._trackers.callbacks:
            callback.on_log(args, shifted, control, **kwargs)

    def on_save(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        # As the stage counts: trackers that keep checkpoints find their folders by the number.
        for callback in self._trackers.callbacks:
            callback.on_save(args, state, control, **kwargs)

    def on_train_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if self._updates_before + state.max_steps >= self._trackers.updates:
            for callback in self._trackers.callbacks:
                callback.on_train_end(args, state, control, **kwargs)
