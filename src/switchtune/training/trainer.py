"""One stage of training: transformers' trainer with our batches, our loss, and checkpoints that survive a kill."""

import hashlib
import math
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import get_available_reporting_integrations

from switchtune.config import TrainingSettings
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.examples import Examples
from switchtune.models.families import Layout
from switchtune.models.load import Loaded, quietly
from switchtune.run_dir import fingerprint
from switchtune.training.batches import BatchPlan, EncodedExamples, Lengths, epoch_batches, measure
from switchtune.training.checkpoints import (
    Checkpoint,
    best,
    checkpoint_folder,
    complete_checkpoints,
    mark_complete,
    prune,
    remove_incomplete,
)
from switchtune.training.curve import Curve
from switchtune.training.loss import label_smoothed_nll

_SECONDS_BETWEEN_REPORTS = 0.5


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


class TrainingError(SwitchtuneError):
    """The training cannot start, or cannot go on."""


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


@dataclass(frozen=True)
class StageResult:
    """What a stage of training came to. Losses are means per target token, in nats."""

    updates: int
    chosen_update: int
    """The update whose weights are handed on: the last, or with `keep: best` that of the lowest validation loss."""
    seconds: float
    """Wall time of the work that counts, over all interruptions, evaluation included."""
    train_loss: float
    """Smoothed loss over the last tenth of the updates."""
    train_nll: float
    """Negative log likelihood over the last tenth of the updates: not smoothed, but with dropout."""
    valid_nll: tuple[tuple[int, float], ...]
    """(update, negative log likelihood of the validation set): before the first update, and at every evaluation."""
    tokens: int
    """Target tokens trained on."""
    epochs: float
    """Passes over the examples."""
    truncated: int
    """Examples of the first epoch with a side that was cut to `max_tokens`."""
    truncated_valid: int
    resumed_from: int | None
    """Update of the checkpoint that the last call went on from."""


def train_stage(
    loaded: Loaded,
    examples: Examples,
    *,
    valid: Examples | None,
    settings: TrainingSettings,
    updates: int,
    seed: int,
    folder: Path,
    on_progress: Callable[[Progress], None] | None = None,
) -> StageResult:
    """Train `loaded.model` in place for `updates` updates, and leave it in evaluation mode.

    Writes checkpoints and curve.jsonl into `folder`. Called again with the same arguments after an interruption,
    however hard, it goes on from the last complete checkpoint; on the same device with the same number of threads it
    ends in the same weights, bit for bit, as a training that was not interrupted.

    The global random states are seeded: dropout draws from torch's.

    Args:
        loaded: the model; its dropout is what it was loaded with.
        examples: made anew for each epoch.
        valid: for the validation loss; its epoch 0 is used every time.
        settings: everything but the number of updates.
        updates: updates of the optimizer in this stage.
        seed: of the order of the batches and of dropout.
        folder: of this stage alone.
        on_progress: called about twice a second, and at the end.

    Raises:
        TrainingError: no examples; a loss that is not finite; checkpoints in `folder` of another training;
            `keep: best` without a validation set.
        UsageError: a tracker of `report_to` is not installed.
    """
    require_trackers(settings.report_to)
    if examples.count == 0 or (valid is not None and valid.count == 0):
        raise TrainingError(f"{folder}: the {'validation' if examples.count else 'training'} set has no examples.")
    if settings.keep == "best" and valid is None:
        raise TrainingError("training.keep: 'best' needs a validation set to tell which weights are best.")
    arguments = _arguments(settings, updates=updates, seed=seed, folder=folder)
    max_tokens = loaded.layout.fitting(settings.max_tokens)
    lengths = measure(examples, loaded.layout, max_tokens)
    plan = BatchPlan(
        lengths.longest,
        settings.tokens_per_batch // (settings.accumulation * arguments.world_size),
        updates * settings.accumulation,
        seed,
        process=arguments.process_index,
        processes=arguments.world_size,
    )
    inputs = _inputs(settings, lengths, updates=updates, seed=seed)
    if arguments.should_save:
        remove_incomplete(folder)
    checkpoint = _last_checkpoint(folder, inputs)
    curve = Curve(
        folder / "curve.jsonl", until=checkpoint.update if checkpoint else None, writes=arguments.process_index == 0
    )
    valid_batches, truncated_valid = _valid_batches(valid, loaded.layout, max_tokens, settings)
    arguments.eval_on_start = checkpoint is None and valid is not None
    use_cache = loaded.model.config.use_cache
    trainer = _StageTrainer(
        loaded,
        arguments,
        data=EncodedExamples(examples, loaded.layout, max_tokens),
        plan=plan,
        valid_batches=valid_batches,
        settings=settings,
        curve=curve,
        inputs=inputs,
        on_progress=on_progress,
    )
    try:
        with quietly():
            trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)
            chosen = trainer.restore_best() if settings.keep == "best" else updates
    finally:
        # transformers switches it off for the training, and would save it so.
        loaded.model.config.use_cache = use_cache
        loaded.model.train(False)
    return StageResult(
        updates=updates,
        chosen_update=chosen,
        seconds=curve.seconds,
        train_loss=curve.recent_mean("loss"),
        train_nll=curve.recent_mean("nll"),
        valid_nll=curve.valid_nll,
        tokens=curve.tokens,
        epochs=plan.epochs,
        truncated=lengths.truncated,
        truncated_valid=truncated_valid,
        resumed_from=checkpoint.update if checkpoint else None,
    )


def learning_rate_factor(
    done: int, *, updates: int, warmup: int, schedule: Literal["polynomial", "inverse_sqrt", "constant"]
) -> float:
    """Share of the peak learning rate for the update that follows `done` updates.

    The first update has 1/`warmup` of the peak and the one numbered `warmup` all of it. `polynomial` falls linearly
    and would be zero one update after the last.
    """
    if done < warmup:
        return (done + 1) / warmup
    if schedule == "polynomial":
        return max(0.0, (updates - done) / (updates - warmup))
    if schedule == "inverse_sqrt":
        return math.sqrt(max(warmup, 1) / (done + 1))
    return 1.0


def warmup_updates(warmup: float, updates: int) -> int:
    """Updates of warm-up in a stage, of a number or (below 1) a share: never more than a tenth of the stage."""
    return int(min(warmup * updates if warmup < 1 else warmup, updates // 10))


class _StageTrainer(Trainer):
    """transformers' trainer with the batches, the loss, the schedule and the checkpoints of this package."""

    def __init__(
        self,
        loaded: Loaded,
        arguments: TrainingArguments,
        *,
        data: EncodedExamples,
        plan: BatchPlan,
        valid_batches: Sequence[Mapping[str, torch.Tensor]],
        settings: TrainingSettings,
        curve: Curve,
        inputs: str,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._layout = loaded.layout
        self._plan = plan
        self._valid_batches = valid_batches
        self._settings = settings
        self._curve = curve
        self._inputs = inputs
        self._on_progress = on_progress
        # Since the last entry of the curve: smoothed loss, nll, tokens. On the device, and read for reports only.
        self._sums = torch.zeros(3, device=arguments.device)
        self._first_bad_update = torch.tensor(arguments.max_steps + 1, device=arguments.device)
        self._began_at = time.perf_counter() - curve.seconds
        self._reported_at = time.perf_counter()
        self._reported_tokens = float(curve.tokens)
        self._model = loaded.model
        self._folder = Path(str(arguments.output_dir))
        super().__init__(
            model=loaded.model,
            args=arguments,
            train_dataset=cast("Any", data),
            compute_loss_func=self._loss,
            callbacks=[_Rhythm(settings, evaluates=bool(valid_batches), report=self.report)],
        )
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Any]:
        # The plan knows which batches are this process's: accelerate must not share them out again.
        return DataLoader(
            cast("Any", self.train_dataset),
            batch_sampler=self._plan,
            collate_fn=self._layout.collate,
            num_workers=self._settings.workers,
            # Examples are closures over memory-mapped tables: only forked workers can have them.
            multiprocessing_context=multiprocessing.get_context("fork") if self._settings.workers else None,
            pin_memory=self.args.device.type == "cuda",
            # Its own, so that starting it takes nothing from the random state that dropout draws from.
            generator=torch.Generator(),
        )

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        if self.lr_scheduler is None:
            schedule = self._settings.schedule
            warmup = warmup_updates(self._settings.warmup, num_training_steps)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                cast("torch.optim.Optimizer", optimizer or self.optimizer),
                lambda done: learning_rate_factor(done, updates=num_training_steps, warmup=warmup, schedule=schedule),
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss_context_manager(self) -> ExitStack:
        # In place of the arguments' bf16, which patches the model's forward method and copies all its outputs.
        stack = super().compute_loss_context_manager()
        if uses_bf16(self._settings, self.args.device):
            stack.enter_context(torch.autocast(self.args.device.type, torch.bfloat16))
        return stack

    def _loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
        """The part's share of the mean per target token of the whole update: all its parts, all processes."""
        loss, nll, tokens = label_smoothed_nll(outputs.logits, labels, self._settings.label_smoothing)
        self._sums += torch.stack((loss.detach(), nll, tokens))
        bad = self._first_bad_update.clamp_max(self.state.global_step + 1)
        self._first_bad_update = torch.where(loss.detach().isfinite(), self._first_bad_update, bad)
        return loss / num_items_in_batch

    def floating_point_ops(self, inputs: Any) -> int:
        """Not counted: that walks through all modules at every update, and nothing reads it."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            loss, nll, tokens = self._checked(self.accelerator.reduce(self._sums, "sum"))
            self._sums.zero_()
            entry = {"loss": loss / tokens, "nll": nll / tokens, "learning_rate": logs["learning_rate"]}
            self._record({**entry, "tokens": self._curve.tokens + int(tokens)})
            logs = {**logs, **entry}
        super().log(logs, start_time)

    def report(self, *, now: bool) -> None:
        """Tell where the training stands, at once or where the last report is a while ago."""
        seconds = time.perf_counter() - self._reported_at
        if not now and seconds < _SECONDS_BETWEEN_REPORTS:
            return
        loss, _, tokens = self._checked(self._sums)
        total = self._curve.tokens + tokens * self.args.world_size
        if self._on_progress is not None and self.is_world_process_zero():
            speed = (total - self._reported_tokens) / seconds
            self._on_progress(Progress(self.state.global_step, self.args.max_steps, loss / tokens, speed))
        self._reported_at += seconds
        self._reported_tokens = total

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Mean negative log likelihood per target token of the validation set."""
        self._model.train(False)
        sums = torch.zeros(2, device=self.args.device)
        with torch.no_grad():
            for batch in self._valid_batches[self.args.process_index :: self.args.world_size]:
                inputs = self._prepare_inputs(dict(batch))
                labels = inputs.pop("labels")
                with self.compute_loss_context_manager():
                    _, nll, tokens = label_smoothed_nll(self._model(**inputs).logits, labels, 0.0)
                sums += torch.stack((nll, tokens))
        nll, tokens = self.accelerator.reduce(sums, "sum").tolist()
        if not math.isfinite(nll):
            raise self._not_finite(f"the validation loss after update {self.state.global_step}")
        self._record({"valid_nll": nll / tokens})
        metrics = {f"{metric_key_prefix}_loss": nll / tokens}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def restore_best(self) -> int:
        """Load the weights of the checkpoint with the lowest validation loss; returns its update."""
        chosen = best(complete_checkpoints(self._folder))
        self._load_from_checkpoint(str(chosen.path))
        return chosen.update

    def _record(self, entry: dict[str, float]) -> None:
        seconds = time.perf_counter() - self._began_at
        self._curve.add({"update": self.state.global_step, **entry, "seconds": round(seconds, 3)})

    def _checked(self, sums: torch.Tensor) -> tuple[float, float, float]:
        first_bad = int(self._first_bad_update)
        if first_bad <= self.args.max_steps:
            raise self._not_finite(f"the loss of update {first_bad}")
        loss, nll, tokens = sums.tolist()
        return loss, nll, tokens

    def _not_finite(self, what: str) -> TrainingError:
        return TrainingError(
            f"{self._folder}: {what} was not finite. Lower training.lr (now {self._settings.lr:g}), lengthen "
            "training.warmup, or set training.precision to fp32."
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            update = self.state.global_step
            path = checkpoint_folder(self._folder, update)
            valid_nll = dict(self._curve.valid_nll).get(update)
            mark_complete(Checkpoint(path, update, valid_nll, self._inputs))
            prune(self._folder, keep_best=self._settings.keep == "best")


class _Rhythm(TrainerCallback):
    """When to log, evaluate and save: a checkpoint comes after an entry of the curve, so that resuming loses none."""

    def __init__(self, settings: TrainingSettings, *, evaluates: bool, report: Callable[..., None]) -> None:
        self._settings = settings
        self._evaluates = evaluates
        self._report = report

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        update = state.global_step
        last = update == args.max_steps
        self._report(now=last)
        save = last or update % self._settings.checkpoint_every == 0
        evaluate = last or update % self._settings.evaluate_every == 0 or (save and self._settings.keep == "best")
        control.should_save = save
        control.should_evaluate = evaluate and self._evaluates
        control.should_log = save or evaluate or update % _logging_interval(args.max_steps) == 0


def _logging_interval(updates: int) -> int:
    """Updates between two training entries of the curve: some two hundred of them in a short stage."""
    return min(50, max(1, updates // 200))


def uses_bf16(settings: TrainingSettings, device: torch.device) -> bool:
    """Whether to compute in bfloat16: as told, or by default on a GPU that has it."""
    if settings.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return settings.precision == "bf16"


def _arguments(settings: TrainingSettings, *, updates: int, seed: int, folder: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=updates,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.lr,
        weight_decay=settings.weight_decay,
        adam_beta1=settings.adam_betas[0],
        adam_beta2=settings.adam_betas[1],
        adam_epsilon=settings.adam_epsilon,
        max_grad_norm=settings.clip_norm,
        seed=seed,
        # `_Rhythm` decides when.
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        # It would replace losses that are not finite; ours stops at the first.
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        report_to=list(settings.report_to) or "none",
    )
    # Several GPUs in one process would be DataParallel; one process per GPU (torchrun) is the way that works.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _inputs(settings: TrainingSettings, lengths: Lengths, *, updates: int, seed: int) -> str:
    """Fingerprint of all that decides the course of the training; which of its weights are kept is another matter."""
    without_effect = settings.without_effect | {"updates", "restore_share", "checkpoint_every", "keep"}
    decisive = settings.model_dump(mode="json", exclude=without_effect)
    return fingerprint([decisive, updates, seed, hashlib.sha256(lengths.longest.tobytes()).hexdigest()])


def _last_checkpoint(folder: Path, inputs: str) -> Checkpoint | None:
    checkpoints = complete_checkpoints(folder)
    if not checkpoints:
        return None
    if checkpoints[-1].inputs != inputs:
        raise TrainingError(
            f"{folder}: the checkpoint of update {checkpoints[-1].update} is of a training with other data, settings, "
            "updates or seed. Remove the folder to start anew, or give another."
        )
    return checkpoints[-1]


def _valid_batches(
    valid: Examples | None, layout: Layout, max_tokens: int, settings: TrainingSettings
) -> tuple[list[dict[str, torch.Tensor]], int]:
    """The validation set as batches that are kept for all evaluations, and how many of its examples were cut."""
    if valid is None:
        return [], 0
    lengths = measure(valid, layout, max_tokens)
    data = EncodedExamples(valid, layout, max_tokens)
    budget = settings.tokens_per_batch // settings.accumulation
    batches = epoch_batches(lengths.longest, budget, seed=0, epoch=0)
    return [layout.collate(data.__getitems__([(0, index) for index in batch])) for batch in batches], lengths.truncated
