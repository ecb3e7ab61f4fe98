"""What is done, and told, where memory runs out or gradients are not finite."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from switchtune.files import write_json
from switchtune.models.forward import Batch
from switchtune.training.distributed import rank, size
from switchtune.training.job import Job, TrainingError
from switchtune.training.memory import padded_tokens
from switchtune.training.recorder import Recorder

PATIENCE = 3
"""So many left out …"""
WINDOW = 100
"""… among so many updates in a row end the training."""


def too_many(skipped: Sequence[int]) -> bool:
    """Whether the updates that were left out, in order, are so many within so few that the training is to end."""
    return len(skipped) >= PATIENCE and skipped[-1] - skipped[-PATIENCE] < WINDOW


class FiniteWatch:
    """Calls `found` for updates that were not finite, one update later: by then the answer is in the main memory."""

    def __init__(self, found: Callable[[int, Sequence[Batch]], None]) -> None:
        self._found = found
        self._awaited: tuple[int, torch.Tensor, Any, Sequence[Batch]] | None = None

    def add(self, update: int, bad: torch.Tensor, batches: Sequence[Batch]) -> None:
        """Take the verdict on an update, a boolean on the device, and tell of the update before it."""
        self.settle()
        copied = None
        if bad.is_cuda:
            bad = torch.empty((), dtype=torch.bool, pin_memory=True).copy_(bad, non_blocking=True)
            copied = torch.Event("cuda")
            copied.record()
        self._awaited = (update, bad, copied, batches)

    def settle(self) -> None:
        """Tell of the last update, waiting for its verdict where need be."""
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            update, bad, copied, batches = awaited
            if copied is not None:
                copied.synchronize()
            if bad:
                self._found(update, batches)


def less_memory(block: str) -> str:
    return (
        f"Set training.gradient_checkpointing to true, lower {block}.max_tokens, use a smaller optimizer "
        "(training.optimizer: adafactor) or train adapters (training.lora)."
    )


@dataclass(frozen=True)
class Failures:
    """Messages about a stage, and errors that end it."""

    job: Job
    recorder: Recorder

    def require_divisible(self, update: int, part: Batch, error: RuntimeError) -> None:
        """Raise TrainingError for a part too large for memory that is a single example or one process's of several."""
        where, block = f"{self.job.folder}: memory ran out in update {update}", self.job.objective.block
        if size() > 1:
            raise TrainingError(
                f"{where}, in a part of {padded_tokens(part):,} padded tokens. With several processes a part cannot be "
                f"halved on the way: raise {block}.accumulation (now {self.job.settings.accumulation}), with which "
                "the batch stays the same, and start again."
            ) from error
        if len(part["labels"]) == 1:
            source, target = part["input_ids"].numel(), part["labels"].numel()
            raise TrainingError(
                f"{where}, with a single example of {source} + {target} tokens. {less_memory(block)}"
            ) from error

    def tell_too_large(self, update: int, part: Batch) -> None:
        """Note the part of an update that did not fit into memory."""
        tokens = padded_tokens(part)
        self.recorder.add(update, {"too_large": tokens})
        self.recorder.tell(
            f"update {update}: {len(part['labels'])} sentences at once ({tokens:,} padded tokens) do not fit into "
            "memory. They and what is as large are computed in halves from now on; an update's batch stays the same."
        )

    def tell_left_out(self, update: int, batches: Sequence[Batch]) -> None:
        """Write down the batches of an update whose gradients are not finite; raises TrainingError after too many."""
        path = self.job.folder / f"skipped-{update}{f'-{rank()}' if size() > 1 else ''}.json"
        write_json(path, {"update": update, "parts": [self.job.objective.readable(batch) for batch in batches]})
        self.recorder.add(update, {"skipped": 1})
        if too_many(self.recorder.curve.skipped):
            raise TrainingError(
                f"{self.job.folder}: the gradients of update {update} are not finite, as were those of {PATIENCE - 1} "
                f"others within {WINDOW} updates, all of them left out. The batch is in {path}, as text and as ids. "
                f"If nothing is wrong with it: {self._more_stable}"
            )
        self.recorder.tell(f"update {update} is left out: its gradients are not finite. Its batch is in {path}.")

    def of_validation(self, update: int) -> TrainingError:
        return TrainingError(
            f"{self.job.folder}: the validation loss after update {update} was not finite. {self._more_stable}"
        )

    @property
    def _more_stable(self) -> str:
        block = self.job.objective.block
        lr = f"{block}.lr (now {self.job.choice.lr:g})"
        return f"Lower {lr}, lengthen {block}.warmup, or set training.precision to fp32."
