"""The stage that trains a classifier: transformers' trainer with our batches, checkpoints and early stopping."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import set_seed

from switchtune.config.inference import ClassificationSettings
from switchtune.config.training import TrainingSettings
from switchtune.corpus.inference import NliSet
from switchtune.examples import Key
from switchtune.files import fingerprint
from switchtune.models.classifier import Batch, Classifier
from switchtune.models.families import IGNORED_LABEL
from switchtune.models.load import quietly
from switchtune.training.batches import BatchPlan
from switchtune.training.checkpoints import best, complete_checkpoints, weights_of
from switchtune.training.curve import Curve, StageLog
from switchtune.training.optimizers import OptimizerChoice
from switchtune.training.precision import computing_in
from switchtune.training.resumable import (
    SECONDS_BETWEEN_REPORTS,
    Identity,
    ResumableTrainer,
    TrainingError,
    set_weights,
)
from switchtune.training.trainer import taken_up, trainer_arguments

STAGE = "classify"
"""Name of the stage in folders and curves."""

_PAIRS_AT_ONCE = 64
"""When a set is classified."""
_MEASURED_AT_ONCE = 1024
"""Pairs, when those are counted that are cut."""


@dataclass(frozen=True)
class ClassifierResult:
    """What the training of a classifier came to."""

    updates: int
    """Updates done; fewer than asked for where the patience came to its end."""
    chosen_update: int
    """The update whose weights are handed on: that of the best accuracy, the earliest of equals."""
    seconds: float
    """Wall time over all interruptions, evaluation included."""
    train_loss: float
    """Mean cross entropy in nats, with dropout, over the last tenth of the updates."""
    valid_accuracy: tuple[tuple[int, float], ...]
    """(update, accuracy on the validation set), from 0 to 1."""
    truncated: int
    """Training pairs that were cut to `max_tokens`."""
    resumed_from: int | None
    """Update of the checkpoint that the last call went on from."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "ClassifierResult":
        """The result that was written as JSON, which has no tuples."""
        return cls(**{**record, "valid_accuracy": tuple(map(tuple, record["valid_accuracy"]))})


def predict(classifier: Classifier, data: NliSet) -> list[int]:
    """The label of every example, as a place in `LABELS`; what is put into batches together does not matter."""
    model = classifier.model
    order = sorted(range(len(data)), key=lambda place: len(data.premises[place]) + len(data.hypotheses[place]))
    labels = [0] * len(data)
    training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), _PAIRS_AT_ONCE):
            places = order[start : start + _PAIRS_AT_ONCE]
            batch, _ = _batch(classifier, data, places)
            logits = classifier.logits({name: ids.to(model.device) for name, ids in batch.items()})
            for place, label in zip(places, logits.argmax(-1).tolist(), strict=True):
                labels[place] = label
    model.train(training)
    return labels


def accuracy(predicted: Sequence[int], labels: Sequence[int]) -> float:
    """Share of the labels that were told right."""
    return sum(one == other for one, other in zip(predicted, labels, strict=True)) / len(labels)


def train_classifier(
    classifier: Classifier,
    train: NliSet,
    *,
    valid: NliSet,
    settings: ClassificationSettings,
    computing: TrainingSettings,
    updates: int,
    seed: int,
    folder: Path,
    origin: str,
    log: StageLog,
    on_progress: Callable[[int, float], None] = lambda update, loss: None,
    on_message: Callable[[str], None] = lambda message: None,
) -> ClassifierResult:
    """Train a classifier in place for `updates` updates or until the patience ends, and leave it with its best weights.

    Writes checkpoints into `folder`. Called again with the same arguments after an interruption, however hard, it goes
    on from the last whole checkpoint; on a CPU, with the same number of threads, it ends in the same weights as a
    training that was not interrupted.

    Args:
        computing: precision, Adam's numbers, clipping and `checkpoint_minutes` are used.
        origin: fingerprint of what the classifier began with.
        on_progress: update, loss of the batch.
        on_message: where the training goes on or was stopped, a damaged checkpoint.

    Raises:
        TrainingError: the loss or the gradients are not finite.
        CheckpointError: `folder` has checkpoints of another training.
        Stopped: Ctrl-C or SIGTERM came, and a checkpoint of the update in progress is written.
    """
    lengths = np.array([len(one) + len(other) for one, other in zip(train.premises, train.hypotheses, strict=True)])
    # Every example costs the same, so that batches have so many examples; the surplus puts those alike together.
    plan = BatchPlan(np.ones_like(lengths), settings.batch, updates, seed, settings.accumulation, surplus=lengths)
    used = settings.model_dump(mode="json", exclude={"patience", "evaluate_every"})
    identity = Identity(
        fingerprint([used, updates, seed, train.fingerprint(), valid.fingerprint()]),
        fingerprint([type(classifier.model).__name__, origin]),
    )
    found = taken_up(folder, identity, updates, on_message)
    curve = Curve(log, until=found.update if found else None)
    trainer = _ClassifierTrainer(
        classifier,
        data=(train, valid),
        plan=plan,
        settings=_stage_settings(settings, computing),
        curve=curve,
        identity=identity,
        folder=folder,
        on_progress=on_progress,
        on_message=on_message,
    )
    set_seed(seed)
    with quietly():
        done = trainer.train_or_resume(found)
    chosen = best(complete_checkpoints(folder))
    set_weights(classifier.model, weights_of(chosen.path))
    classifier.model.eval()
    return ClassifierResult(
        updates=done,
        chosen_update=chosen.update,
        seconds=curve.seconds,
        train_loss=curve.recent_mean("loss"),
        valid_accuracy=curve.measured("valid_accuracy"),
        truncated=_truncated(classifier, train),
        resumed_from=found.update if found else None,
    )


def _truncated(classifier: Classifier, data: NliSet) -> int:
    """How many pairs are cut to fit."""
    parts = (
        range(start, min(start + _MEASURED_AT_ONCE, len(data))) for start in range(0, len(data), _MEASURED_AT_ONCE)
    )
    return sum(_batch(classifier, data, part)[1] for part in parts)


def _batch(classifier: Classifier, data: NliSet, rows: Iterable[int]) -> tuple[Batch, int]:
    """`Classifier.batch` of examples, given by their places."""
    pairs = [(data.premises[row], data.hypotheses[row]) for row in rows]
    premises, hypotheses = zip(*pairs, strict=True)
    return classifier.batch(premises, hypotheses, data.language)


def _stage_settings(settings: ClassificationSettings, computing: TrainingSettings) -> TrainingSettings:
    """The same as settings of any other stage."""
    own = settings.model_dump(include={"accumulation", "lr", "warmup", "weight_decay", "evaluate_every", "patience"})
    fixed = {"keep": "best", "schedule": "polynomial", "average": 1, "snapshots": False, "least_updates": 0}
    return computing.model_copy(update={**own, "checkpoint_every": settings.evaluate_every, **fixed})


class _ClassifierTrainer(ResumableTrainer):
    """The trainer of pairs with labels."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        data: tuple[NliSet, NliSet],
        plan: BatchPlan,
        settings: TrainingSettings,
        curve: Curve,
        identity: Identity,
        folder: Path,
        on_progress: Callable[[int, float], None],
        on_message: Callable[[str], None],
    ) -> None:
        self._classifier = classifier
        self._train, self._valid = data
        self._plan = plan
        self._on_progress = on_progress
        self._reported_at = time.perf_counter()
        choice = OptimizerChoice("adamw", cast("float", settings.lr))
        arguments = trainer_arguments(
            settings, choice, updates=plan.updates, seed=plan.seed, folder=folder, sharded=False
        )
        # Since the last entry of the curve: cross entropy, pairs.
        self._sums = torch.zeros(2, device=arguments.device)
        super().__init__(
            classifier.model,
            classifier.family or "mbart",
            arguments,
            train_dataset=range(len(self._train)),
            settings=settings,
            choice=choice,
            curve=curve,
            identity=identity,
            evaluates=True,
            on_message=on_message,
        )

    def get_train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(
            cast("Any", _Keys()),
            batch_sampler=self._plan,
            collate_fn=self._collate,
            # Its own, so that starting it takes nothing from the random state that dropout draws from.
            generator=torch.Generator(),
        )

    def _collate(self, keys: list[Key]) -> Batch:
        # A part without pairs, where the batch has too few for all, takes one that does not count.
        rows = [row for _, row in keys] or [0]
        labels = [self._train.labels[row] for row in rows] if keys else [IGNORED_LABEL]
        return {**_batch(self._classifier, self._train, rows)[0], "labels": torch.tensor(labels)}

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The part's share of the mean cross entropy over the pairs of the whole update."""
        labels = inputs.pop("labels")
        logits = self._classifier.logits(inputs)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum", ignore_index=IGNORED_LABEL)
        self._sums += torch.stack((loss.detach(), (labels != IGNORED_LABEL).sum()))
        return loss / cast("torch.Tensor | int", num_items_in_batch)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Accuracy on the validation set."""
        with computing_in(self._dtype, self.args.device):
            found = accuracy(predict(self._classifier, self._valid), self._valid.labels)
        self._record({"valid_accuracy": found})
        metrics = {f"{metric_key_prefix}_accuracy": found}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" not in logs:
            return
        loss, pairs = self._sums.tolist()
        if not pairs:
            return
        if not math.isfinite(loss):
            raise TrainingError(
                f"{self._folder}: the loss up to update {self.state.global_step} was not finite. Lower "
                f"classification.lr (now {self._settings.lr:g}), or set training.precision to fp32."
            )
        self._record({"loss": loss / pairs, "learning_rate": logs["learning_rate"]})
        self._sums.zero_()

    def sums(self) -> list[float]:
        return cast("list[float]", self._sums.tolist())

    def take_up(self, sums: Sequence[float]) -> None:
        self._sums.copy_(torch.tensor(sums))

    def scores(self) -> Sequence[tuple[int, float]]:
        return self._curve.measured("valid_accuracy")

    def report(self, *, now: bool) -> None:
        if not now and time.perf_counter() - self._reported_at < SECONDS_BETWEEN_REPORTS:
            return
        self._reported_at = time.perf_counter()
        loss, pairs = self._sums.tolist()
        self._on_progress(self.state.global_step, loss / pairs if pairs else math.nan)


class _Keys:
    """What the plan names an example by is all that is known of it until a batch is made."""

    def __getitem__(self, key: Key) -> Key:
        return key
