"""One stage of training as a value: what the loop is given."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from transformers import PreTrainedModel

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.events import Progress
from switchtune.files import fingerprint
from switchtune.models.forward import Batch
from switchtune.training.batches import BatchPlan, Lengths
from switchtune.training.checkpoints import Identity
from switchtune.training.curve import StageLog
from switchtune.training.distributed import rank, size
from switchtune.training.objective import Objective
from switchtune.training.optimizers import OptimizerChoice, choose_optimizer
from switchtune.training.sharding import memory_bytes, sharding_of
from switchtune.training.trackers import Trackers


@dataclass(frozen=True)
class Job:
    """One stage of training."""

    objective: Objective
    model: PreTrainedModel
    """Whole model; it has the weights that the stage hands on when it is over."""
    family: FamilyName | None
    """None for an encoder alone."""
    origin: str
    """Fingerprint of what the model began with."""
    lengths: Lengths
    valid: Sequence[Batch]
    """Validation set of all processes; empty where there is none."""
    settings: TrainingSettings
    updates: int
    seed: int
    """Of the order of the batches and of dropout."""
    folder: Path
    log: StageLog
    trackers: Trackers
    chrf: Callable[[], float] | None
    """Gives chrF++ of outputs, where evaluations go by it; called in process 0."""
    on_progress: Callable[[Progress], None] | None
    on_message: Callable[[str], None]

    @cached_property
    def sharded(self) -> bool:
        return sharding_of(self.settings.sharding, self.model, size(), memory_bytes()) == "fsdp"

    @cached_property
    def choice(self) -> OptimizerChoice:
        return choose_optimizer(self.settings, self.family, sharded=self.sharded)

    @cached_property
    def plan(self) -> BatchPlan:
        return BatchPlan(
            self.lengths.longest,
            self.settings.tokens_per_batch,
            self.updates,
            self.seed,
            self.settings.accumulation,
            process=rank(),
            processes=size(),
            surplus=self.lengths.surplus,
        )

    @cached_property
    def identity(self) -> Identity:
        # The optimizer's state is another file where it is shared out.
        how = ["sharded"] if self.sharded else []
        data = hashlib.sha256(self.lengths.longest.tobytes() + self.lengths.surplus.tobytes()).hexdigest()
        shapes = [[name, list(weights.shape)] for name, weights in self.model.named_parameters()]
        return Identity(
            fingerprint([self.settings.course, self.updates, self.seed, *how, data, self.objective.data_fingerprint]),
            fingerprint([type(self.model).__name__, shapes, self.origin]),
        )
