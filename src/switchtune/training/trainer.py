"""One stage of training: transformers' trainer with our batches, our loss, and checkpoints that survive a kill."""

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments, set_seed

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.events import Progress
from switchtune.examples import Examples
from switchtune.files import fingerprint
from switchtune.models.adapters import adapted, require_peft
from switchtune.models.families import Layout
from switchtune.models.load import Loaded, quietly
from switchtune.training.batches import BatchPlan, EncodedExamples, Lengths, epoch_batches, measure
from switchtune.training.checkpoints import Checkpoint, Resumption, find_resumption, remove_after, remove_incomplete
from switchtune.training.curve import METRICS, Curve, StageLog
from switchtune.training.distributed import on_first, place_of, rank, size
from switchtune.training.loop import LESS_MEMORY, StageTrainer
from switchtune.training.loss import loss_from_forward
from switchtune.training.memory import is_out_of_memory
from switchtune.training.optimizers import OptimizerChoice, choose_optimizer, require_optimizer
from switchtune.training.precision import compute_dtype, computing, require_attention, require_compiler
from switchtune.training.resumable import Identity, TrainingError
from switchtune.training.sharding import fsdp_arguments, memory_bytes, sharded_copy, sharding_of
from switchtune.training.trackers import Trackers, require_trackers


def require_runnable(settings: TrainingSettings, family: FamilyName, device: torch.device) -> None:
    """Make sure that a model of the family can be trained with these settings on the device.

    Raises:
        UsageError: trackers, precision, attention, optimizer, adapters or compiler cannot be had here, and why.
    """
    require_trackers(settings.report_to)
    require_attention(settings.attention, family, compute_dtype(settings, family, device), device)
    require_optimizer(choose_optimizer(settings, family), device)
    if settings.lora is not None:
        require_peft()
    if settings.compile:
        require_compiler(device)


@dataclass(frozen=True)
class StageResult:
    """What a stage of training came to. Losses are means per target token, in nats."""

    updates: int
    """Updates done; fewer than asked for where the patience came to its end."""
    chosen_update: int
    """The update whose weights are handed on: the last, or with `keep: best` the one that validates best."""
    seconds: float
    """Wall time of the work that counts, over all interruptions, evaluation included."""
    train_loss: float
    """Smoothed loss over the last tenth of the updates."""
    train_nll: float
    """Negative log likelihood over the last tenth of the updates: not smoothed, but with dropout."""
    valid_nll: tuple[tuple[int, float], ...]
    """(update, negative log likelihood of the validation set): before the first update, and at every evaluation."""
    valid_chrf: tuple[tuple[int, float], ...]
    """(update, chrF++) likewise, where it is measured."""
    tokens: int
    """Target tokens trained on."""
    epochs: float
    """Passes over the examples."""
    truncated: int
    """Examples of the first epoch with a side that was cut to `max_tokens`."""
    truncated_valid: int
    skipped: int
    """Updates that were left out because their gradients were not finite."""
    resumed_from: int | None
    """Update of the checkpoint that the last call went on from."""

    @property
    def chosen_nll(self) -> float:
        """Loss on the validation set at the update whose weights are handed on."""
        return dict(self.valid_nll)[self.chosen_update]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "StageResult":
        """The result that was written as JSON, which has no tuples."""
        curves = {name: tuple(map(tuple, record[name])) for name in ("valid_nll", "valid_chrf")}
        return cls(**{**record, **curves})


def train_stage(
    loaded: Loaded,
    examples: Examples,
    *,
    valid: Examples | None,
    settings: TrainingSettings,
    updates: int,
    seed: int,
    folder: Path,
    origin: str = "",
    log: StageLog | None = None,
    trackers: Trackers | None = None,
    validate: Callable[[Loaded], float] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] = lambda message: None,
) -> StageResult:
    """Train `loaded.model` in place for `updates` updates, and leave it in evaluation mode.

    Writes checkpoints into `folder`. Called again with the same arguments after an interruption, however hard, it goes
    on from the last whole checkpoint; on the same device with the same numbers of threads and processes it ends in the
    same weights, bit for bit, as a training that was not interrupted.

    Within a group (`training.distributed`) all processes call it alike and share each update's batch; without dropout
    the losses are those of one process but for rounding. All end with the same weights.

    The global random states are seeded: dropout draws from torch's.

    Where memory runs out, the update is computed anew in smaller parts: its batch and its loss stay the same. An update
    whose gradients are not finite is left out: weights and the optimizer's state stay as they are, and the schedule
    goes on by the number of the update. Its batch is written to `folder`. Three of them within a hundred updates end
    the training.

    Args:
        loaded: the model; its dropout is what it was loaded with.
        examples: made anew for each epoch.
        valid: for the validation loss; its epoch 0 is used every time.
        settings: everything but the number of updates.
        updates: updates of the optimizer in this stage.
        seed: of the order of the batches and of dropout.
        folder: of this stage alone.
        origin: what identifies the weights that the stage begins with; a checkpoint that began with others is refused.
        log: where the curve goes; by default `folder`/metrics.jsonl.
        trackers: by default those of `settings.report_to`, with a run for this stage alone.
        validate: gives chrF++ of outputs, for `best_by: chrf`; called in process 0.
        on_progress: called about twice a second, and at the end, in process 0.
        on_message: called in process 0 with what people should know: where the training goes on or was stopped, an
            update that is left out, parts that are halved from now on, a damaged checkpoint.

    Raises:
        TrainingError: no examples; gradients or a validation loss that are not finite; too little memory even for a
            single example; `keep: best` or `patience` without a validation set.
        CheckpointError: checkpoints in `folder` of another training or another model, or none that is undamaged.
        NoSpaceError: the disk is full; the checkpoint before is whole.
        UsageError: something that the settings ask for cannot be had here.
        Stopped: Ctrl-C or SIGTERM came, and a checkpoint of the update in progress is written.
    """
    if examples.count == 0 or (valid is not None and valid.count == 0):
        raise TrainingError(f"{folder}: the {'validation' if examples.count else 'training'} set has no examples.")
    if settings.keep == "best" and valid is None:
        raise TrainingError("training.keep: 'best' needs a validation set to tell which weights are best.")
    if settings.patience is not None and valid is None:
        raise TrainingError("training.patience needs a validation set to tell when a stage gets no better.")
    if settings.best_by == "chrf" and validate is None:
        raise TrainingError("training.best_by: 'chrf' needs the argument `validate`, which translates and scores.")
    trackers = trackers or Trackers(settings.report_to, run_name=folder.name, folder=folder, updates=updates)
    log = log or StageLog(folder / METRICS, "training")
    sharded = sharding_of(settings.sharding, loaded.model, size(), memory_bytes()) == "fsdp"
    choice = choose_optimizer(settings, loaded.layout.family.name, sharded=sharded)
    if sharded and settings.best_by == "chrf":
        raise TrainingError(
            "training.best_by: 'chrf' needs the whole model in process 0, and training.sharding is fsdp here; take "
            "best_by: loss."
        )
    if sharded and settings.lora is not None:
        raise TrainingError(
            "training.lora does not go with training.sharding: fsdp. Adapters need little memory: set ddp."
        )
    if sharded and settings.precision == "fp16":
        raise TrainingError(
            "training.precision: fp16 does not go with training.sharding: fsdp (chosen here), as its scale is found in "
            "each process by itself. Set bf16, or sharding to ddp."
        )
    arguments = trainer_arguments(settings, choice, updates=updates, seed=seed, folder=folder, sharded=sharded)
    require_runnable(settings, loaded.layout.family.name, arguments.device)
    arguments.run_name = trackers.run_name
    max_tokens = loaded.layout.fitting(settings.max_tokens)
    lengths = on_first(lambda: measure(examples, loaded.layout, max_tokens))
    plan = BatchPlan(
        lengths.longest,
        settings.tokens_per_batch,
        updates,
        seed,
        settings.accumulation,
        process=rank(),
        processes=size(),
        surplus=lengths.surplus,
    )
    # The shards stay in the model that is trained; the weights that are handed on come from its checkpoints.
    trained = Loaded(sharded_copy(loaded.model), loaded.tokenizer, loaded.layout) if sharded else loaded
    identity = Identity(
        _inputs(settings, lengths, updates=updates, seed=seed, sharded=sharded),
        _model_fingerprint(loaded.model, origin),
    )
    checkpoint = taken_up(folder, identity, updates, on_message)
    curve = Curve(log, until=checkpoint.update if checkpoint else None, writes=rank() == 0)
    valid_batches, truncated_valid = _valid_batches(valid, loaded.layout, max_tokens, settings)
    arguments.eval_on_start = checkpoint is None and valid is not None
    use_cache = loaded.model.config.use_cache
    trainer = StageTrainer(
        trained,
        arguments,
        data=EncodedExamples(examples, loaded.layout, max_tokens),
        plan=plan,
        valid_batches=valid_batches,
        settings=settings,
        choice=choice,
        curve=curve,
        identity=identity,
        tracking=trackers.of_stage(log.updates_before),
        validate=partial(validate, loaded) if validate is not None and settings.best_by == "chrf" else None,
        on_progress=on_progress,
        on_message=on_message,
    )
    # Each process draws its own dropout; a resumed one goes on with what its checkpoint holds.
    set_seed(seed + rank())
    try:
        with (
            quietly(),
            adapted(trained.model, settings.lora, seed=seed),
            computing(trained.model, settings),
            loss_from_forward(trained.model),
        ):
            done = trainer.train_or_resume(checkpoint)
            chosen = trainer.hand_on(done, loaded.model)
            if sharded:
                loaded.model.to(arguments.device)  # type: ignore[arg-type]
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise TrainingError(
                f"{folder}: memory ran out beside the computing of gradients, which could have been done in smaller "
                f"parts: for the optimizer's state, or the validation. {LESS_MEMORY}"
            ) from error
        raise
    finally:
        # transformers switches it off for the training, and would save it so.
        loaded.model.config.use_cache = use_cache
        loaded.model.train(False)
    return StageResult(
        updates=done,
        chosen_update=chosen,
        seconds=curve.seconds,
        train_loss=curve.recent_mean("loss"),
        train_nll=curve.recent_mean("nll"),
        valid_nll=curve.measured("valid_nll"),
        valid_chrf=curve.measured("valid_chrf"),
        tokens=curve.tokens,
        epochs=plan.epochs * done / updates,
        truncated=lengths.truncated,
        truncated_valid=truncated_valid,
        skipped=len(curve.skipped),
        resumed_from=checkpoint.update if checkpoint else None,
    )


def taken_up(folder: Path, identity: Identity, updates: int, on_message: Callable[[str], None]) -> Checkpoint | None:
    """What the training in a folder goes on from, where it does; what was written after it is removed, and people told.

    Raises:
        CheckpointError: checkpoints of another training or another model, or none that is undamaged.
    """
    resumption = on_first(lambda: _resumption(folder, identity))
    if rank() == 0:
        for line in _remarks(resumption, updates):
            on_message(line)
    return resumption.checkpoint


def _resumption(folder: Path, identity: Identity) -> Resumption:
    remove_incomplete(folder)
    found = find_resumption(folder, inputs=identity.inputs, model=identity.model)
    # Of a training that begins anew nothing is to stay: weights alone are newer than all that it will write.
    remove_after(folder, -1 if found.checkpoint is None else found.checkpoint.update)
    return found


def _remarks(resumption: Resumption, updates: int) -> list[str]:
    """What people should know about a resumption."""
    checkpoint = resumption.checkpoint
    if checkpoint is None:
        return []
    remarks = [f"{fault}; removed" for fault in resumption.damaged]
    remarks.append(f"goes on from update {checkpoint.update:,} of {updates:,}")
    if checkpoint.processes != size():
        remarks.append(
            f"the checkpoint of update {checkpoint.update} was written by {checkpoint.processes} processes, and now "
            f"there are {size()}: the batches are the same, dropout is drawn otherwise"
        )
    return remarks


def trainer_arguments(
    settings: TrainingSettings, choice: OptimizerChoice, *, updates: int, seed: int, folder: Path, sharded: bool
) -> TrainingArguments:
    """What transformers' trainer is told; batches, loss, rhythm and trackers are ours."""
    # transformers reads the same variables; LOCAL_RANK alone, as wrappers of srun set it, has it look for others.
    if place_of(os.environ) is None and size() == 1:
        os.environ.pop("LOCAL_RANK", None)
    arguments = TrainingArguments(
        **(fsdp_arguments() if sharded else {}),
        output_dir=str(folder),
        max_steps=updates,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=choice.lr,
        weight_decay=settings.weight_decay,
        # The norm is needed in any case, to see whether it is finite.
        max_grad_norm=settings.clip_norm or math.inf,
        seed=seed,
        # `Rhythm` decides when.
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        # It would have the CPU wait for every loss; `_clip_grad_norm` takes care of what is not finite.
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        # `Trackers` span several stages.
        report_to="none",
    )
    # Several GPUs in one process would be DataParallel; one process per GPU (torchrun) is the way that works.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _inputs(settings: TrainingSettings, lengths: Lengths, *, updates: int, seed: int, sharded: bool) -> str:
    """Fingerprint of all that decides the course of the training; which of its weights are kept is another matter."""
    choosing = {"keep", "best_by", "valid_sentences", "average", "patience", "least_updates"}
    rhythm = {"evaluate_every", "checkpoint_every"}
    without_effect = settings.without_effect | choosing | rhythm | {"updates", "restore_share"}
    decisive = settings.model_dump(mode="json", exclude=without_effect)
    # The optimizer's state is another file then.
    how = ["sharded"] if sharded else []
    measured = hashlib.sha256(lengths.longest.tobytes() + lengths.surplus.tobytes()).hexdigest()
    return fingerprint([decisive, updates, seed, *how, measured])


def _model_fingerprint(model: torch.nn.Module, origin: str) -> str:
    """What tells models apart: their weights' names and shapes, and what they began with."""
    shapes = [[name, list(weights.shape)] for name, weights in model.named_parameters()]
    return fingerprint([type(model).__name__, shapes, origin])


def _valid_batches(
    valid: Examples | None, layout: Layout, max_tokens: int, settings: TrainingSettings
) -> tuple[list[dict[str, torch.Tensor]], int]:
    """The validation set as batches that are kept for all evaluations, and how many of its examples were cut."""
    if valid is None:
        return [], 0
    lengths = measure(valid, layout, max_tokens)
    data = EncodedExamples(valid, layout, max_tokens)
    budget = settings.tokens_per_batch // settings.accumulation
    batches = epoch_batches(lengths.longest, budget, seed=0, epoch=0, surplus=lengths.surplus)
    collated = [layout.collate(data.__getitems__([(0, index) for index in batch.tolist()])) for batch in batches]
    return collated, lengths.truncated
