"""The updates of a stage: transformers' trainer with our batches, our loss, and an answer where something fails."""

import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from accelerate.utils.memory import clear_device_cache
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader
from transformers import TrainerCallback, TrainingArguments

from switchtune.config.training import TrainingSettings
from switchtune.events import (
    Progress,
)
from switchtune.files import write_json
from switchtune.models.families import IGNORED_LABEL, TokenIds
from switchtune.models.load import Loaded
from switchtune.training.batches import BatchPlan, EncodedExamples
from switchtune.training.checkpoints import (
    best,
    complete_checkpoints,
    mean_weights,
    weights_of,
)
from switchtune.training.curve import Curve
from switchtune.training.distributed import on_first, rank
from switchtune.training.finite import PATIENCE, WINDOW, FiniteWatch, readable, too_many
from switchtune.training.memory import Batch, RandomState, Room, examples_of, is_out_of_memory, padded_tokens
from switchtune.training.optimizers import OptimizerChoice, skips_by_itself
from switchtune.training.resumable import (
    SECONDS_BETWEEN_REPORTS,
    Identity,
    ResumableTrainer,
    TrainingError,
    set_weights,
)
from switchtune.training.watch import peak_memory_gb

LESS_MEMORY = (
    "Set training.gradient_checkpointing to true, lower training.max_tokens, take a smaller optimizer "
    "(training.optimizer: adafactor) or train adapters (training.lora)."
)


@dataclass
class _Update:
    """What an update needs to be begun again."""

    number: int
    random: RandomState
    sums: torch.Tensor
    batches: list[Batch]
    """Those computed so far, as they came."""


class StageTrainer(ResumableTrainer):
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
        choice: OptimizerChoice,
        curve: Curve,
        identity: Identity,
        tracking: TrainerCallback,
        validate: Callable[[], float] | None,
        on_progress: Callable[[Progress], None] | None,
        on_message: Callable[[str], None],
    ) -> None:
        self._layout = loaded.layout
        self._plan = plan
        self._valid_batches = valid_batches
        self._validate = validate
        self._on_progress = on_progress
        self._choice = choice
        self._room = Room(curve.too_large)
        self._watch = FiniteWatch(self._left_out)
        self._update: _Update | None = None
        self._nothing = _without_labels(loaded.layout.collate(data.__getitems__([(0, int(plan.longest.argmin()))])))
        # Since the last entry of the curve: smoothed loss, nll, tokens. On the device, and read for reports only.
        self._sums = torch.zeros(3, device=arguments.device)
        # Likewise: positions of this process's batches, and those that hold a token.
        self._positions = torch.zeros(2, dtype=torch.int64)
        self._trained_seconds = 0.0
        self._went_on_at = time.perf_counter()
        self._reported_at = time.perf_counter()
        self._reported_tokens = float(curve.tokens)
        super().__init__(
            loaded.model,
            loaded.layout.family.name,
            arguments,
            train_dataset=data,
            settings=settings,
            choice=choice,
            curve=curve,
            identity=identity,
            evaluates=bool(valid_batches),
            on_message=on_message,
            callbacks=[tracking],
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        # The plan knows which batches are this process's: accelerate must not share them out again.
        return DataLoader(
            cast("Any", self.train_dataset),
            batch_sampler=self._plan,
            collate_fn=self._collate,
            num_workers=self._settings.workers,
            # Examples are closures over memory-mapped tables: only forked workers can have them.
            multiprocessing_context=multiprocessing.get_context("fork") if self._settings.workers else None,
            worker_init_fn=_deaf,
            pin_memory=self.args.device.type == "cuda",
            # Its own, so that starting it takes nothing from the random state that dropout draws from.
            generator=torch.Generator(),
        )

    def _collate(self, part: list[TokenIds]) -> Mapping[str, torch.Tensor]:
        # A process without sentences takes part in the collectives all the same.
        return self._layout.collate(part) if part else self._nothing

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor | int | None]:
        samples, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        for batch in samples:
            self._positions += _positions(batch)
        return samples, items

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The part's share of the mean per target token of the whole update: all its parts, all processes."""
        loss, nll, tokens = model(**inputs, label_smoothing=self._settings.label_smoothing)
        self._sums += torch.stack((loss.detach(), nll, tokens))
        # Gradients are averaged over the processes, where the mean over all of their tokens needs the sum.
        return loss * self.accelerator.num_processes / num_items_in_batch

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Add a batch's gradients to its update's; where memory runs out, compute the update anew in smaller parts."""
        number = self.state.global_step + 1
        if self._update is None or self._update.number != number:
            self._update = _Update(number, RandomState.of(self.args.device), self._sums.clone(), [])
        self._update.batches.append(inputs)
        too_large = self._add_gradients(model, [inputs], num_items_in_batch)
        while too_large is not None:
            self._refuse(too_large)
            # What the part left behind cannot be told from what the parts before it gave: all of them once more.
            model.zero_grad(set_to_none=True)
            clear_device_cache(garbage_collection=True)
            self._update.random.restore(self.args.device)
            self._sums.copy_(self._update.sums)
            too_large = self._add_gradients(model, self._update.batches, num_items_in_batch)
        return self._step_loss

    def _add_gradients(
        self, model: torch.nn.Module, batches: Sequence[Batch], num_items: torch.Tensor | int | None
    ) -> Batch | None:
        """Compute batches in the largest parts that may fit; returns the part that did not."""
        for batch in batches:
            self._step_loss = torch.zeros((), device=self.args.device)
            for part in self._room.parts(batch):
                try:
                    loss = super().training_step(model, dict(part), num_items)
                except RuntimeError as error:
                    if not is_out_of_memory(error):
                        raise
                    self._require_divisible(part, error)
                    # The error holds what the failed part had computed, until this block is left.
                    return part
                self._step_loss += loss.nan_to_num(0.0, 0.0, 0.0)
        return None

    def _require_divisible(self, part: Batch, error: RuntimeError) -> None:
        update = self.state.global_step + 1
        if self.args.world_size > 1:
            raise TrainingError(
                f"{self._folder}: memory ran out in update {update}, in a part of {padded_tokens(part):,} padded "
                f"tokens. With several processes a part cannot be halved on the way: raise training.accumulation (now "
                f"{self._settings.accumulation}), with which the batch stays the same, and start again."
            ) from error
        if examples_of(part) == 1:
            raise TrainingError(
                f"{self._folder}: memory ran out in update {update}, with a single example of "
                f"{part['input_ids'].shape[1]} + {part['labels'].shape[1]} tokens. {LESS_MEMORY}"
            ) from error

    def _refuse(self, part: Batch) -> None:
        self._room.refuse(part)
        update, tokens = self.state.global_step + 1, padded_tokens(part)
        self._record({"too_large": tokens}, update=update)
        self._tell(
            f"update {update}: {examples_of(part)} sentences at once ({tokens:,} padded tokens) do not fit into "
            "memory. They and what is as large are computed in halves from now on; an update's batch stays the same."
        )

    def _clip_grad_norm(self, model: torch.nn.Module) -> torch.Tensor:
        """Clip the gradients of an update, and have it left out where they are not finite."""
        optimizer: torch.optim.Optimizer = cast("Any", self.optimizer).optimizer
        scaler = self.accelerator.scaler
        if scaler is not None:
            scaler.unscale_(optimizer)
        norm: torch.Tensor = cast("Any", super())._clip_grad_norm(model)
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        bad = ~norm.isfinite()
        update = cast("_Update", self._update)
        finite_loss = self._sums.isfinite().all()
        self._sums = torch.where(bad, update.sums, self._sums)
        if scaler is not None:
            # It leaves the update out, and tries a smaller scale: no fault while there is one, and a loss.
            bad = bad & (~finite_loss | (scaler.get_scale() <= 1))
        elif skips_by_itself(optimizer):
            setattr(optimizer, "found_inf", bad.float())  # noqa: B010 - known to the fused kernels, not to the types
        elif bad:
            # Without a gradient a weight is passed over.
            model.zero_grad(set_to_none=True)
        self._watch.add(update.number, bad, update.batches)
        return norm

    def _left_out(self, update: int, batches: Sequence[Batch]) -> None:
        """Write down the batches of an update that was not finite, and give up where it is not the first."""
        several = f"-{self.args.process_index}" if self.args.world_size > 1 else ""
        path = self._folder / f"skipped-{update}{several}.json"
        write_json(path, {"update": update, "parts": [readable(batch, self._layout) for batch in batches]})
        self._record({"skipped": 1}, update=update)
        if too_many(self._curve.skipped):
            raise TrainingError(
                f"{self._folder}: the gradients of update {update} are not finite, as were those of {PATIENCE - 1} "
                f"others within {WINDOW} updates, all of them left out. The batch is in {path}, as text and as ids. "
                f"If nothing is wrong with it: {self._more_stable}"
            )
        self._tell(f"update {update} is left out: its gradients are not finite. Its batch is in {path}.")

    @property
    def _more_stable(self) -> str:
        return (
            f"Lower training.lr (now {self._choice.lr:g}), lengthen training.warmup, or set training.precision to fp32."
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            self._watch.settle()
            loss, nll, tokens = self.accelerator.reduce(self._sums, "sum").tolist()
            if not tokens:
                return
            positions, filled = self.accelerator.reduce(self._positions.to(self.args.device), "sum").tolist()
            self._pause()
            entry = {
                "loss": loss / tokens,
                "nll": nll / tokens,
                "learning_rate": logs["learning_rate"],
                "tokens": self._curve.tokens + int(tokens),
                "tokens_per_second": round(tokens / self._trained_seconds, 1),
                "padding": round(1 - filled / positions, 4),
            }
            self._sums.zero_()
            self._positions.zero_()
            self._trained_seconds = 0.0
            self._record(entry)
            logs = {**logs, **entry}
        super().log(logs, start_time)

    def _pause(self) -> None:
        """Count the time since the last pause as time of training."""
        now = time.perf_counter()
        self._trained_seconds += now - self._went_on_at
        self._went_on_at = now

    def report(self, *, now: bool) -> None:
        seconds = time.perf_counter() - self._reported_at
        if not now and seconds < SECONDS_BETWEEN_REPORTS:
            return
        loss, _, tokens = self._sums.tolist()
        total = self._curve.tokens + tokens * self.args.world_size
        if self._on_progress is not None and rank() == 0:
            positions, filled = self._positions.tolist()
            self._on_progress(
                Progress(
                    update=self.state.global_step,
                    updates=self.args.max_steps,
                    loss=loss / tokens if tokens else math.nan,
                    tokens_per_second=(total - self._reported_tokens) / seconds,
                    padding=1 - filled / positions,
                    memory_gb=peak_memory_gb(self.args.device),
                )
            )
        self._reported_at += seconds
        self._reported_tokens = total

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Mean negative log likelihood per target token of the validation set, and chrF++ where it is wanted."""
        self._pause()
        self._model.train(False)
        sums = torch.zeros(2, device=self.args.device)
        with torch.no_grad():
            for batch in self._own_valid_batches():
                inputs = self._prepare_inputs(dict(batch))
                with self.compute_loss_context_manager():
                    _, nll, tokens = self._model(**inputs, label_smoothing=0.0)
                sums += torch.stack((nll, tokens))
        nll, tokens = self.accelerator.reduce(sums, "sum").tolist()
        if not math.isfinite(nll):
            raise TrainingError(
                f"{self._folder}: the validation loss after update {self.state.global_step} was not finite. "
                f"{self._more_stable}"
            )
        entry, metrics = {"valid_nll": nll / tokens}, {f"{metric_key_prefix}_loss": nll / tokens}
        if self._validate is not None:
            entry["valid_chrf"] = metrics[f"{metric_key_prefix}_chrf"] = on_first(self._validate)
        self._record(entry)
        self.log(metrics)
        self._went_on_at = time.perf_counter()
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _own_valid_batches(self) -> list[Mapping[str, torch.Tensor]]:
        """This process's share: as many batches in every process, as some computations are common to all."""
        rounds = math.ceil(len(self._valid_batches) / self.args.world_size)
        own = list(self._valid_batches[self.args.process_index :: self.args.world_size])
        return own + [self._nothing] * (rounds - len(own))

    def hand_on(self, done: int, model: torch.nn.Module) -> int:
        """Give the model the weights that the stage hands on; returns their update."""
        checkpoints = [each for each in complete_checkpoints(self._folder) if not each.between]
        if self._settings.keep == "best":
            chosen = best(checkpoints)
            set_weights(model, weights_of(chosen.path))
            return chosen.update
        if self._settings.average > 1:
            set_weights(model, mean_weights([each.path for each in checkpoints[-self._settings.average :]]))
        elif model is not self._model or self.state.global_step < done:
            set_weights(model, weights_of(checkpoints[-1].path))
        return done

    def sums(self) -> list[float]:
        return [*self._sums.tolist(), *self._positions.tolist(), self._trained_seconds]

    def take_up(self, sums: Sequence[float]) -> None:
        self._sums.copy_(torch.tensor(sums[:3]))
        self._positions.copy_(torch.tensor(sums[3:5]))
        self._trained_seconds = sums[5]

    def scores(self) -> Sequence[tuple[int, float]]:
        if self._settings.best_by == "chrf":
            return self._curve.measured("valid_chrf")
        return [(update, -nll) for update, nll in self._curve.measured("valid_nll")]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self._watch.settle()
        self._pause()
        super()._save_checkpoint(model, trial)
        self._went_on_at = time.perf_counter()


def _deaf(worker: int) -> None:
    """Have this process outlive a signal to the whole group: the update in progress needs its batches."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _without_labels(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {**batch, "labels": torch.full_like(batch["labels"], IGNORED_LABEL)}


def _positions(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(2,) positions of a batch, both sides; those of them that hold a token that counts."""
    labels, mask = batch["labels"], batch["attention_mask"]
    filled = (labels != IGNORED_LABEL).sum()
    return torch.stack([torch.tensor(labels.numel() + mask.numel()), filled + (mask.sum() if filled else 0)])
