"""What the trainings of all stages have in common: transformers' trainer with our schedule, checkpoints and curve."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, cast

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.errors import Stopped, SwitchtuneError
from switchtune.training.checkpoints import Checkpoint, checkpoint_folder, mark_complete, prune, sound_or_removed
from switchtune.training.curve import Curve
from switchtune.training.distributed import from_all, largest, rank, size, wait
from switchtune.training.energy import energy_meter
from switchtune.training.optimizers import OptimizerChoice, class_and_arguments
from switchtune.training.precision import compute_dtype, computing_in
from switchtune.training.schedule import scheduler
from switchtune.training.stopping import Request, heeding
from switchtune.training.watch import exhausted, peak_memory_gb

SECONDS_BETWEEN_REPORTS = 0.5


class TrainingError(SwitchtuneError):
    """The training cannot start, or cannot go on."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a checkpoint must agree with."""

    inputs: str
    model: str


class ResumableTrainer(Trainer):
    """transformers' trainer with the schedule, the checkpoints, the curve and the patience of this package.

    What computes a loss, evaluates and says how good an evaluation was is left to those that derive from it.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        family: FamilyName,
        arguments: TrainingArguments,
        *,
        train_dataset: Any,
        settings: TrainingSettings,
        choice: OptimizerChoice,
        curve: Curve,
        identity: Identity,
        evaluates: bool,
        on_message: Callable[[str], None],
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        self._settings = settings
        self._on_message = on_message
        self._request = Request()
        self._curve = curve
        self._identity = identity
        self._dtype = compute_dtype(settings, family, arguments.device)
        self._began_at = time.perf_counter() - curve.seconds
        self._energy = energy_meter(arguments.device)
        self._kilowatt_hours_before = curve.kilowatt_hours
        self._model = model
        self._folder = Path(str(arguments.output_dir))
        super().__init__(
            model=cast("Any", model),
            args=arguments,
            train_dataset=train_dataset,
            callbacks=[
                Rhythm(
                    settings,
                    evaluates=evaluates,
                    report=self.report,
                    exhausted=self.exhausted,
                    asked=lambda: self._request.signal,
                ),
                *callbacks,
            ],
            optimizer_cls_and_kwargs=class_and_arguments(choice, settings),
        )
        if self._dtype == torch.float16:
            # In place of the arguments' fp16, which like their bf16 patches the model's forward method.
            self.accelerator.scaler = torch.amp.GradScaler(arguments.device.type)
        self.remove_callback(PrinterCallback)
        # Has the trainer count the labels of an update, and not divide by its parts a second time.
        self.model_accepts_loss_kwargs = True

    def report(self, *, now: bool) -> None:
        """Tell where the training stands, at once or where the last report is a while ago."""
        raise NotImplementedError

    def sums(self) -> list[float]:
        """What this process has summed since the last training entry of the curve."""
        raise NotImplementedError

    def take_up(self, sums: Sequence[float]) -> None:
        """Go on from such sums."""
        raise NotImplementedError

    def scores(self) -> Sequence[tuple[int, float]]:
        """(update, score) of every evaluation, larger is better."""
        raise NotImplementedError

    def exhausted(self) -> bool:
        """Whether the patience has come to its end."""
        return exhausted(self.scores(), patience=self._settings.patience, least_updates=self._settings.least_updates)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        if self.lr_scheduler is None:
            self.lr_scheduler = scheduler(
                cast("torch.optim.Optimizer", optimizer or self.optimizer), self._settings, num_training_steps
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss_context_manager(self) -> ExitStack:
        stack = super().compute_loss_context_manager()
        stack.enter_context(computing_in(self._dtype, self.args.device))
        return stack

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: that walks through all modules at every update, and nothing reads it."""
        return 0

    def train_or_resume(self, checkpoint: Checkpoint | None) -> int:
        """Train to the end, from a checkpoint where there is one; returns the updates done.

        Raises:
            Stopped: a signal came, to any process of the group; all end with the same update and a checkpoint.
        """
        if checkpoint is not None and self.exhausted():
            return checkpoint.update
        own = self._curve.sums(checkpoint.update)[rank() :: size()] if checkpoint else []
        if own:
            self.take_up([sum(each) for each in zip(*own, strict=True)])
        with heeding() as self._request:
            self.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)
            update = self.state.global_step
            (number,) = largest(self._request.signal)
            if number:
                path = checkpoint_folder(self._folder, update)
                self._tell(f"stopped after update {update:,} of {self.args.max_steps:,}; a checkpoint is at {path}")
                raise Stopped(128 + number)
        return update

    def _tell(self, message: str) -> None:
        if rank() == 0:
            self._on_message(message)

    def _record(self, entry: dict[str, Any], *, update: int | None = None) -> None:
        seconds = time.perf_counter() - self._began_at
        number = self.state.global_step if update is None else update
        memory_gb = round(peak_memory_gb(self.args.device), 3)
        energy, before = self._energy.kilowatt_hours(), self._kilowatt_hours_before
        counted = {} if energy is None or before is None else {"kilowatt_hours": round(before + energy, 9)}
        self._curve.add({"update": number, **entry, "memory_gb": memory_gb, **counted, "seconds": round(seconds, 3)})

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        update = self.state.global_step
        path = checkpoint_folder(self._folder, update)
        regular = self._settings.checkpoint_every
        between = bool(update % regular) and update != self.args.max_steps and not self.exhausted()
        if between:
            self._record({"sums": from_all(self.sums())})
        with sound_or_removed(path):
            super()._save_checkpoint(model, trial)
        wait()
        if rank() == 0:
            score = None if between else dict(self.scores()).get(update)
            identity = (self._identity.inputs, self._identity.model)
            mark_complete(Checkpoint(path, update, score, *identity, processes=size(), between=between))
            newest = None if self._settings.snapshots else self._settings.average
            prune(self._folder, keep_best=self._settings.keep == "best", keep_newest=newest)
        wait()


class Rhythm(TrainerCallback):
    """When to log, evaluate and save.

    A regular checkpoint comes after an entry of the curve. One that comes by the clock of process 0, or because the
    training is to stop, changes nothing about the entries.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        *,
        evaluates: bool,
        report: Callable[..., None],
        exhausted: Callable[[], bool],
        asked: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._asked = asked
        self._exhausted = exhausted
        self._evaluates = evaluates
        self._report = report

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._saved_at = monotonic()

    on_save = on_train_begin

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        update = state.global_step
        last = update == args.max_steps
        self._report(now=last)
        save = last or update % self._settings.checkpoint_every == 0
        evaluate = last or update % self._settings.evaluate_every == 0 or (save and self._settings.keep == "best")
        minutes = self._settings.checkpoint_minutes
        due = rank() == 0 and minutes is not None and monotonic() - self._saved_at >= 60 * minutes
        asked, now = largest(self._asked(), due)
        control.should_save = save or bool(asked or now)
        control.should_training_stop |= bool(asked)
        control.should_evaluate = evaluate and self._evaluates
        control.should_log = save or evaluate or update % _logging_interval(args.max_steps) == 0

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self._exhausted():
            control.should_training_stop = control.should_save = True


def _logging_interval(updates: int) -> int:
    """Updates between two training entries of the curve: some two hundred of them in a short stage."""
    return min(50, max(1, updates // 200))


def set_weights(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Give a model the weights of a checkpoint.

    Raises:
        TrainingError: the model lacks some of them.
    """
    # Weights that are shared stand in a checkpoint under one of their names.
    unknown = model.load_state_dict(weights, strict=False).unexpected_keys
    if unknown:
        raise TrainingError(f"The checkpoint has weights that the model lacks: {', '.join(unknown[:3])}.")
