"""The model of a run that validates best in a direction."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from switchtune.errors import UsageError
from switchtune.languages import find_language
from switchtune.runs.folder import Run, Training, open_run


@dataclass(frozen=True)
class Best:
    """A model, and why it was chosen."""

    model: Path
    reason: str
    """For people, a sentence without its end."""


def best_model(folder: Path, source: str, target: str) -> Best:
    """The last model of the arm with the lowest validation loss (mean over its seeds), of its best seed.

    Raises UsageError where the run has no such pair, or no model of it yet.
    """
    run, (here, there) = open_run(folder), (find_language(source).code, find_language(target).code)
    losses: dict[str, dict[Path, float]] = defaultdict(dict)
    for training in _of_pair(run, here, there):
        last = training.stages[-1] if training.stages else ""
        if last and (loss := training.valid_nll(last)) is not None:
            losses[training.arm][training.model(last)] = loss
    if not losses:
        raise UsageError(
            f"{folder}: no model of {here}-{there} is finished there. The same `switchtune run` finishes what it began."
        )
    arm = min(losses, key=lambda name: mean(losses[name].values()))
    model = min(losses[arm], key=lambda path: losses[arm][path])
    told = ", ".join(f"{name} {mean(each.values()):.3f}" for name, each in losses.items())
    return Best(model, f"{model}: the best of {here}-{there} by validation loss ({told})")


def _of_pair(run: Run, source: str, target: str) -> list[Training]:
    pair = next((pair for pair in run.config.pairs if pair.languages == (source, target)), None)
    if pair is None:
        known = ", ".join(f"--from {pair.source} --to {pair.target}" for pair in run.config.pairs)
        raise UsageError(f"{run.folder}: was not trained from {source} to {target}; its models take {known}")
    return list(run.trainings(pair))
