"""What a stage trains for: how its batches are made, what its loss is, and how validation measures a model."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from transformers import PreTrainedModel

from switchtune.errors import SwitchtuneError
from switchtune.examples import Examples, Key
from switchtune.models.forward import Batch
from switchtune.models.layout import Layout
from switchtune.training.batches import EncodedExamples
from switchtune.training.loss import loss_from_forward


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
        layout = self.data.layout
        rows = zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True)
        without_padding = [
            ([number for number in source if number != layout.pad_id], [number for number in target if number >= 0])
            for source, target in rows
        ]
        return [
            {"source": layout.decode(source), "target": layout.decode(target), "input_ids": source, "labels": target}
            for source, target in without_padding
        ]
