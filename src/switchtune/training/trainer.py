"""One stage of training on sources and targets, with checkpoints that survive a kill.

Where memory runs out, an update is computed anew in smaller micro-batches: its batch and its loss stay the same. An
update whose gradients are not finite is left out, and written to the stage's folder; three within a hundred end it.
Within a group (`training.distributed`) all processes share each update's batch, and end with the same weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from switchtune.config.training import TrainingSettings
from switchtune.events import Progress
from switchtune.examples import Examples
from switchtune.models.forward import Batch
from switchtune.models.layout import Layout
from switchtune.models.load import Loaded
from switchtune.training.batches import epoch_batches, measure
from switchtune.training.curve import CURVE_FILE, StageLog, of_set
from switchtune.training.distributed import on_first
from switchtune.training.job import Job, SequenceObjective, TrainingError
from switchtune.training.stage import Outcome, carry_out
from switchtune.training.trackers import Trackers


@dataclass(frozen=True)
class StageResult:
    """What a stage of training came to. Losses are means per target token, in nats."""

    updates: int
    chosen_update: int
    """The update whose weights are handed on: the last, or with `keep: best` the one that validates best."""
    seconds: float
    """Wall time of the work that counts, over all interruptions, evaluation included."""
    train_loss: float
    """Smoothed loss over the last tenth of the updates."""
    train_nll: float
    """Not smoothed, but with dropout, over the last tenth of the updates."""
    valid_nll: tuple[tuple[int, float], ...]
    """(update, loss of the validation sets together): before the first update, and at every evaluation."""
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
    valid_nll_of: Mapping[str, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    """The same of each validation set, by its name; none where there is one."""

    @property
    def chosen_nll(self) -> float:
        return dict(self.valid_nll)[self.chosen_update]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "StageResult":
        """The result that was written as JSON, which has no tuples."""
        curves = {name: tuple(map(tuple, record[name])) for name in ("valid_nll", "valid_chrf")}
        of_sets = {name: tuple(map(tuple, curve)) for name, curve in record.get("valid_nll_of", {}).items()}
        return cls(**{**record, **curves, "valid_nll_of": of_sets})


def train_stage(
    loaded: Loaded,
    examples: Examples,
    *,
    valid: Examples | Mapping[str, Examples] | None,
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
    """Train `loaded.model` in place, and leave it in evaluation mode; torch's global random state is seeded.

    Writes checkpoints into `folder`. Called again with the same arguments after an interruption, however hard, it goes
    on from the last whole checkpoint; on the same device with the same numbers of threads and processes it ends in the
    same weights, bit for bit, as a training that was not interrupted.

    Args:
        valid: for the validation loss, epoch 0 of it; several sets, by name, have a loss each too.
        seed: of the order of the batches and of dropout.
        origin: what identifies the weights that the stage begins with; a checkpoint that began with others is refused.
        log: where the curve goes; by default `folder`/metrics.jsonl.
        trackers: by default those of `settings.report_to`, with a run for this stage alone.
        validate: gives chrF++ of outputs, for `best_by: chrf`; called, as are the listeners, in process 0.
        on_progress, on_message: called about twice a second, and at the end; and with what people should know.

    Raises:
        TrainingError: an empty set; numbers that are not finite; memory too small for a single example.
        CheckpointError: checkpoints in `folder` of another training or another model, or none that is undamaged.
        NoSpaceError: the disk is full; the checkpoint before is whole.
        UsageError: something that the settings ask for cannot be had here.
        Stopped: Ctrl-C or SIGTERM came, and a checkpoint of the update in progress is written.
    """
    sets = _required_sets(settings, examples, valid, validate, folder)
    layout, max_tokens = loaded.layout, loaded.layout.fitting(settings.max_tokens)
    validated = {name: _validation(each, layout, max_tokens, settings) for name, each in sets.items()}
    job = Job(
        objective=SequenceObjective.of(examples, layout, max_tokens),
        model=loaded.model,
        family=layout.family.name,
        origin=origin,
        lengths=on_first(lambda: measure(examples, layout, max_tokens)),
        valid={name: batches for name, (batches, _) in validated.items()},
        settings=settings,
        updates=updates,
        seed=seed,
        folder=folder,
        log=log or StageLog(folder / CURVE_FILE, "training"),
        trackers=trackers or Trackers(settings.report_to, run_name=folder.name, folder=folder, updates=updates),
        chrf=partial(validate, loaded) if validate is not None and settings.best_by == "chrf" else None,
        on_progress=on_progress,
        on_message=on_message,
        used=examples.used,
    )
    return _result(carry_out(job), job, sum(truncated for _, truncated in validated.values()))


def _result(outcome: Outcome, job: Job, truncated_valid: int) -> StageResult:
    curve = outcome.curve
    return StageResult(
        updates=outcome.updates,
        chosen_update=outcome.chosen_update,
        seconds=curve.seconds,
        train_loss=curve.recent_mean("loss"),
        train_nll=curve.recent_mean("nll"),
        valid_nll=curve.measured("valid_nll"),
        valid_chrf=curve.measured("valid_chrf"),
        tokens=curve.tokens,
        epochs=job.plan.epochs * outcome.updates / job.updates,
        truncated=job.lengths.truncated,
        truncated_valid=truncated_valid,
        skipped=len(curve.skipped),
        resumed_from=outcome.resumed_from,
        valid_nll_of={name: curve.measured(of_set("valid_nll", name)) for name in job.valid if len(job.valid) > 1},
    )


def _required_sets(
    settings: TrainingSettings,
    examples: Examples,
    valid: Examples | Mapping[str, Examples] | None,
    validate: Callable[[Loaded], float] | None,
    folder: Path,
) -> Mapping[str, Examples]:
    """The validation sets by name; raises TrainingError where one that is needed is not there, or empty."""
    sets = valid if isinstance(valid, Mapping) else {} if valid is None else {"": valid}
    if examples.count == 0 or not all(each.count for each in sets.values()):
        raise TrainingError(f"{folder}: the {'validation' if examples.count else 'training'} set has no examples.")
    if settings.keep == "best" and not sets:
        raise TrainingError("training.keep: 'best' needs a validation set to tell which weights are best.")
    if settings.patience is not None and not sets:
        raise TrainingError("training.patience needs a validation set to tell when a stage stops improving.")
    if settings.best_by == "chrf" and validate is None:
        raise TrainingError("training.best_by: 'chrf' needs the argument `validate`, which translates and scores.")
    return sets


def _validation(
    valid: Examples, layout: Layout, max_tokens: int, settings: TrainingSettings
) -> tuple[list[Batch], int]:
    """A validation set in batches that all evaluations use, and how many of its examples were cut."""
    measured = measure(valid, layout, max_tokens)
    budget = settings.tokens_per_batch // settings.accumulation
    rows = epoch_batches(measured.longest, budget, seed=0, epoch=0, surplus=measured.surplus)
    objective = SequenceObjective.of(valid, layout, max_tokens)
    return [objective.batch([(0, index) for index in batch.tolist()]) for batch in rows], measured.truncated
