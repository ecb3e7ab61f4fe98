"""One stage of training as a value: what it trains for (batches, loss, validation), and all that its loop is given."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from transformers import PreTrainedModel

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.errors import SwitchtuneError
from switchtune.events import Progress
from switchtune.examples import Examples, Key, Used
from switchtune.files import fingerprint
from switchtune.models.forward import Batch
from switchtune.models.layout import Layout
from switchtune.training.batches import BatchPlan, EncodedExamples, Lengths
from switchtune.training.checkpoints import Identity
from switchtune.training.curve import StageLog
from switchtune.training.distributed import rank, size
from switchtune.training.loss import loss_from_forward
from switchtune.training.optimizers import OptimizerChoice, choose_optimizer
from switchtune.training.sharding import memory_bytes, sharding_of
from switchtune.training.trackers import Trackers


class TrainingError(SwitchtuneError):
    """The training cannot start, or cannot go on."""


class Objective(Protocol):
    """What a stage trains for. Its batches have `input_ids`, `attention_mask` and `labels`."""

    @property
    def block(self) -> Literal["training", "classification"]:
        """Block of the configuration that has the stage's learning rate, batch and warm-up."""

    @property
    def validated(self) -> Literal["valid_nll", "valid_accuracy"]:
        """Name in the curve of the mean of what `measure` gives."""

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the model's parts that are trained whole also where the rest has adapters."""

    @property
    def data_fingerprint(self) -> str:
        """Fingerprint of the examples, but for their lengths."""

    def batch(self, keys: Sequence[Key]) -> Batch:
        """The examples of these keys, padded; at least one."""

    def loss_in_forward(self, model: PreTrainedModel) -> AbstractContextManager[None]:
        """Within, `model(**batch, label_smoothing=ε)` returns `LossParts`, through whatever is wrapped around it."""

    def measure(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """(2,) how good the model is on a validation batch: a sum, and over how many."""

    def figures(self, loss: float, nll: float, count: float) -> dict[str, float]:
        """What the curve tells of the sums since its last training entry."""

    def readable(self, batch: Batch) -> list[dict[str, Any]]:
        """The examples of a batch as text and as ids, without padding."""


@dataclass(frozen=True)
class SequenceObjective:
    """Targets after sources: translation, restoring, summaries."""

    data: EncodedExamples
    block: Literal["training"] = "training"
    validated: Literal["valid_nll"] = "valid_nll"
    head: tuple[()] = ()
    data_fingerprint: str = ""
    """Empty: whoever calls tells trainings with other examples apart."""

    @classmethod
    def of(cls, examples: Examples, layout: Layout, max_tokens: int) -> "SequenceObjective":
        return cls(EncodedExamples(examples, layout, max_tokens))

    def batch(self, keys: Sequence[Key]) -> Batch:
        return self.data.layout.collate(self.data.__getitems__(keys))

    def loss_in_forward(self, model: PreTrainedModel) -> AbstractContextManager[None]:
        return loss_from_forward(model)

    def measure(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Negative log likelihood in nats, and target tokens."""
        _, nll, tokens = model(**batch, label_smoothing=0.0)
        return torch.stack((nll, tokens))

    def figures(self, loss: float, nll: float, count: float) -> dict[str, float]:
        return {"loss": loss / count, "nll": nll / count}

    def readable(self, batch: Batch) -> list[dict[str, Any]]:
        decode = self.data.layout.decode
        sources = [
            ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        ]
        targets = [ids[ids >= 0].tolist() for ids in batch["labels"]]
        return [
            {"source": decode(source), "target": decode(target), "input_ids": source, "labels": target}
            for source, target in zip(sources, targets, strict=True)
        ]


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
    valid: Mapping[str, Sequence[Batch]]
    """Validation sets of all processes, by name; empty where there is none."""
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
    used: Used | None = None
    """`Examples.used`; not among the lengths, which one process sends to the others."""

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
            sides=self.lengths.sides,
            used=self.used,
        )

    @cached_property
    def identity(self) -> Identity:
        # The optimizer's state is another file where it is shared out.
        how = ["sharded"] if self.sharded else []
        arrays = (self.lengths.longest, self.lengths.surplus, self.lengths.sides)
        data = hashlib.sha256(b"".join(array.tobytes() for array in arrays if array is not None)).hexdigest()
        shapes = [[name, list(weights.shape)] for name, weights in self.model.named_parameters()]
        return Identity(
            fingerprint([self.settings.course, self.updates, self.seed, *how, data, self.objective.data_fingerprint]),
            fingerprint([type(self.model).__name__, shapes, self.origin]),
        )
