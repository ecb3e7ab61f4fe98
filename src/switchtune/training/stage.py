"""A stage of training carried out: what it goes on from, the loop, and the weights that are handed on."""

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import torch

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.errors import UsageError
from switchtune.models.adapters import adapted, require_peft
from switchtune.models.files import quietly
from switchtune.training.checkpoints import (
    Checkpoint,
    CheckpointError,
    Identity,
    Resumption,
    best,
    complete_checkpoints,
    find_resumption,
    mean_weights,
    remove_after,
    remove_incomplete,
    weights_of,
)
from switchtune.training.curve import Curve
from switchtune.training.distributed import on_first, rank, size, training_device
from switchtune.training.failures import less_memory
from switchtune.training.job import Job, TrainingError
from switchtune.training.loop import Loop
from switchtune.training.memory import is_out_of_memory
from switchtune.training.optimizers import choose_optimizer, require_optimizer
from switchtune.training.precision import compute_dtype, computing, is_emulated, require_attention, require_compiler
from switchtune.training.sharding import require_shardable, sharded_copy
from switchtune.training.state import set_weights
from switchtune.training.trackers import require_trackers


@dataclass(frozen=True)
class Outcome:
    updates: int
    chosen_update: int
    """The update whose weights are handed on."""
    curve: Curve
    resumed_from: int | None


def require_runnable(settings: TrainingSettings, family: FamilyName | None, device: torch.device) -> None:
    """Raise UsageError for settings that cannot be had for the family (None: an encoder alone) on the device."""
    require_trackers(settings.report_to)
    require_data_workers(settings.workers)
    require_attention(settings.attention, family, compute_dtype(settings, family, device), device)
    require_optimizer(choose_optimizer(settings, family), device)
    if settings.lora is not None:
        require_peft()
    if settings.compile:
        require_compiler(device)


def require_data_workers(workers: int) -> None:
    """Raise UsageError for processes that prepare batches where the system cannot fork them."""
    if workers and "fork" not in multiprocessing.get_all_start_methods():
        raise UsageError(
            f"training.workers: {workers} processes would be forked, which this system (Windows) cannot do. Set 0: "
            "batches are then prepared in the training process."
        )


def carry_out(job: Job) -> Outcome:
    """Train a stage, or what is left of it, and leave its model in evaluation mode with the weights that are handed on.

    Raises as `train_stage`.
    """
    device = training_device()
    require_runnable(job.settings, job.family, device)
    if is_emulated(compute_dtype(job.settings, job.family, device), device):
        job.on_message(
            "training.precision: this processor has no bf16, and emulates it far slower than fp32. Set auto."
        )
    if job.sharded:
        require_shardable(job.settings)
    checkpoint = _checkpoint(job)
    curve = Curve(job.log, until=checkpoint.update if checkpoint else None, writes=rank() == 0)
    # The shares stay in the model that is trained; the weights that are handed on come from its checkpoints.
    model = sharded_copy(job.model) if job.sharded else job.model.to(device)  # type: ignore[arg-type]
    # Each process draws its own dropout; a resumed one goes on with what its checkpoint holds.
    torch.manual_seed(job.seed + rank())
    try:
        with (
            quietly(),
            adapted(model, job.settings.lora, seed=job.seed, also=job.objective.head),
            computing(model, job.settings),
            job.objective.loss_in_forward(model),
        ):
            updates = Loop(job, model, curve, device).run(checkpoint)
            chosen = _hand_on(job, updates)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise TrainingError(
                f"{job.folder}: memory ran out beside the computing of gradients, which could have been done in "
                "smaller parts: for the optimizer's state, or the validation. "
                f"{less_memory(job.objective.block)}"
            ) from error
        raise
    finally:
        job.model.train(False)
    job.model.to(device)  # type: ignore[arg-type]
    job.trackers.end(job.log.updates_before + job.updates)
    return Outcome(updates, chosen, curve, checkpoint.update if checkpoint else None)


def _hand_on(job: Job, updates: int) -> int:
    """Give the model the weights that the stage hands on; returns their update."""
    checkpoints = [each for each in complete_checkpoints(job.folder) if not each.between]
    if job.settings.keep == "best":
        chosen = best(checkpoints)
        set_weights(job.model, weights_of(chosen.path))
        return chosen.update
    if job.settings.average > 1:
        set_weights(job.model, mean_weights([each.path for each in checkpoints[-job.settings.average :]]))
    elif job.sharded:
        set_weights(job.model, weights_of(checkpoints[-1].path))
    return updates


def _checkpoint(job: Job) -> Checkpoint | None:
    resumption = on_first(lambda: _resumption(job.folder, job.identity))
    checkpoint = resumption.checkpoint
    if rank() == 0 and checkpoint is not None:
        for fault in resumption.damaged:
            job.on_message(f"{fault}; removed")
        job.on_message(f"goes on from update {checkpoint.update:,} of {job.updates:,}")
        if checkpoint.processes != size():
            job.on_message(
                f"the checkpoint of update {checkpoint.update} was written by {checkpoint.processes} processes, and "
                f"now there are {size()}: the batches are the same, dropout is drawn differently"
            )
    return checkpoint


def _resumption(folder: Path, identity: Identity) -> Resumption:
    for path in folder.glob("checkpoint-*/trainer_state.json"):
        raise CheckpointError(
            f"{path.parent}: written by an earlier version of switchtune, from whose checkpoints this one cannot go "
            f"on. Finish the training with that version, or remove {folder} to train the stage anew."
        )
    remove_incomplete(folder)
    resumption = find_resumption(folder, inputs=identity.inputs, model=identity.model)
    # Of a training that begins anew nothing is to stay: weights alone are newer than all that it will write.
    remove_after(folder, -1 if resumption.checkpoint is None else resumption.checkpoint.update)
    return resumption
