"""The stage that trains a classifier of premises and hypotheses (paper 5.5), in the same loop as every other stage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from switchtune.config.training import ClassificationSettings, TrainingSettings
from switchtune.corpus.inference import LABELS, NliSet
from switchtune.events import Progress
from switchtune.examples import Examples, Key, task_examples
from switchtune.files import fingerprint
from switchtune.models.classifier import HEAD, Classifier
from switchtune.models.forward import Batch, evaluating, on_device_of
from switchtune.models.layout import IGNORED_LABEL
from switchtune.training.batches import Lengths
from switchtune.training.curve import StageLog
from switchtune.training.job import Job
from switchtune.training.loss import LossParts, in_forward
from switchtune.training.stage import carry_out
from switchtune.training.trackers import Trackers

STAGE = "classify"

_PAIRS_AT_ONCE = 64


@dataclass(frozen=True)
class ClassifierResult:
    """What the training of a classifier came to."""

    updates: int
    chosen_update: int
    """Update of the best accuracy, the earliest of equals, whose weights are handed on."""
    seconds: float
    """Wall time over all interruptions, evaluation included."""
    train_loss: float
    """Mean cross entropy in nats, with dropout, over the last tenth of the updates."""
    valid_accuracy: tuple[tuple[int, float], ...]
    """(update, accuracy on the validation set), from 0 to 1."""
    truncated: int
    """Training pairs that were cut to `max_tokens`."""
    resumed_from: int | None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ClassifierResult":
        """The result that was written as JSON, which has no tuples."""
        return cls(**{**record, "valid_accuracy": tuple(map(tuple, record["valid_accuracy"]))})


@dataclass(frozen=True)
class LabelledExamples:
    """Premises as sources and hypotheses as targets, both in the language of the source, with a label each."""

    examples: Examples
    labels: tuple[int, ...]
    """Places in `LABELS`."""
    fingerprint: str
    """Of the set that they are made from."""

    @classmethod
    def of(cls, data: NliSet) -> "LabelledExamples":
        """The examples of a set as they stand."""
        return cls(task_examples(data.corpus()), data.labels, data.fingerprint())

    @cached_property
    def characters(self) -> NDArray[np.int64]:
        """(examples,) the length of each, as it is in epoch 0."""
        made = self.examples.made([(0, index) for index in range(self.examples.count)])
        return np.array([len(pair.source) + len(pair.target) for pair in made])


def classifier_settings(classification: ClassificationSettings, training: TrainingSettings) -> TrainingSettings:
    """A run's training settings with the classifier's block in their place; Adam, and a batch's budget in pairs."""
    own = ("accumulation", "max_tokens", "lr", "warmup", "dropout", "weight_decay", "evaluate_every", "patience")
    return training.model_copy(
        update={
            **{name: getattr(classification, name) for name in own},
            "tokens_per_batch": classification.batch,
            "checkpoint_every": classification.evaluate_every,
            "optimizer": training.optimizer if training.optimizer.endswith("8bit") else "adamw",
            "schedule": "linear",
            "label_smoothing": 0.0,
            "keep": "best",
            "best_by": "loss",
            "average": 1,
            "snapshots": False,
            "least_updates": 0,
            "sharding": "ddp",
        }
    )


def predict(classifier: Classifier, data: NliSet) -> list[int]:
    """The label of every example, as a position in `LABELS`."""
    model, tested = classifier.model, LabelledExamples.of(data)
    labels = [0] * len(data)
    with evaluating(model):
        for keys in _by_length(tested):
            batch = on_device_of(model, classifier.batch(tested.examples.made(keys))[0])
            for (_, row), label in zip(keys, classifier.logits(batch).argmax(-1).tolist(), strict=True):
                labels[row] = label
    return labels


def train_classifier(
    classifier: Classifier,
    train: LabelledExamples,
    *,
    valid: NliSet,
    settings: TrainingSettings,
    updates: int,
    seed: int,
    folder: Path,
    origin: str,
    log: StageLog,
    trackers: Trackers | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] = lambda message: None,
) -> ClassifierResult:
    """Train a classifier in place, in evaluation mode at the end; arguments and errors are those of `train_stage`.

    Args:
        settings: from `classifier_settings`.
        origin: fingerprint of what the classifier began with.
        on_progress: called about twice a second; `tokens_per_second` counts pairs.
    """
    objective, validation = LabelObjective(classifier, train), LabelledExamples.of(valid)
    outcome = carry_out(
        Job(
            objective=objective,
            model=classifier.model,
            family=classifier.family,
            origin=origin,
            lengths=objective.lengths,
            valid={"": list(map(LabelObjective(classifier, validation).batch, _by_length(validation)))},
            settings=settings,
            updates=updates,
            seed=seed,
            folder=folder,
            log=log,
            trackers=trackers or Trackers(settings.report_to, run_name=folder.name, folder=folder, updates=updates),
            chrf=None,
            on_progress=on_progress,
            on_message=on_message,
            used=train.examples.used,
        )
    )
    return ClassifierResult(
        updates=outcome.updates,
        chosen_update=outcome.chosen_update,
        seconds=outcome.curve.seconds,
        train_loss=outcome.curve.recent_mean("loss"),
        valid_accuracy=outcome.curve.measured("valid_accuracy"),
        truncated=objective.lengths.truncated,
        resumed_from=outcome.resumed_from,
    )


def _by_length(data: LabelledExamples) -> Iterator[list[Key]]:
    keys = [(0, row) for row in data.characters.argsort(kind="stable").tolist()]
    return (keys[start : start + _PAIRS_AT_ONCE] for start in range(0, len(keys), _PAIRS_AT_ONCE))


@dataclass(frozen=True)
class LabelObjective:
    """The label of a premise and a hypothesis."""

    classifier: Classifier
    data: LabelledExamples
    block: Literal["classification"] = "classification"
    validated: Literal["valid_accuracy"] = "valid_accuracy"

    @property
    def head(self) -> tuple[str, ...]:
        if self.classifier.family is not None:
            return (HEAD,)
        model = self.classifier.model
        return tuple(name for name, _ in model.named_children() if name != model.base_model_prefix)

    @property
    def data_fingerprint(self) -> str:
        return fingerprint(self.data.fingerprint)

    @cached_property
    def lengths(self) -> Lengths:
        """Every example costs 1; the surplus, its length in characters, puts those alike together."""
        characters, made = self.data.characters, self.data.examples.made
        truncated = sum(self.classifier.batch(made(keys))[1] for keys in _by_length(self.data))
        return Lengths(np.ones_like(characters), characters, truncated)

    def batch(self, keys: Sequence[Key]) -> Batch:
        labels = torch.tensor([self.data.labels[index] for _, index in keys])
        return {**self.classifier.batch(self.data.examples.made(keys))[0], "labels": labels}

    def loss_in_forward(self, model: PreTrainedModel) -> AbstractContextManager[None]:
        return in_forward(model, self._loss)

    def _loss(self, *, labels: torch.Tensor, label_smoothing: float, **inputs: torch.Tensor) -> LossParts:
        options: Any = {"reduction": "sum", "ignore_index": IGNORED_LABEL, "label_smoothing": label_smoothing}
        loss = cross_entropy(self.classifier.logits(inputs).float(), labels, **options)
        return LossParts(loss, loss.detach(), (labels != IGNORED_LABEL).sum())

    def measure(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        """Labels that the model tells right, and labels."""
        labels = batch["labels"]
        logits = self.classifier.logits({name: values for name, values in batch.items() if name != "labels"})
        right = (logits.argmax(-1) == labels).sum() if logits.isfinite().all() else logits.sum()
        return torch.stack((right.float(), (labels != IGNORED_LABEL).sum().float()))

    def figures(self, loss: float, nll: float, count: float) -> dict[str, float]:
        return {"loss": loss / count}

    def readable(self, batch: Batch) -> list[dict[str, Any]]:
        rows = zip(batch["input_ids"], batch["attention_mask"], batch["labels"].tolist(), strict=True)
        decode = self.classifier.tokenizer.decode
        return [
            {"source": decode(ids[mask.bool()]), "label": LABELS[label], "input_ids": ids[mask.bool()].tolist()}
            for ids, mask, label in rows
            if label != IGNORED_LABEL
        ]
