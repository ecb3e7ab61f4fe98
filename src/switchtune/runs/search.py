"""Learning rate, batch and updates by the validation set: the same grid for every arm, stopped and resumed at will."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from switchtune.config.arms import ResolvedArm
from switchtune.config.run import RunConfig
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import remove, write_json, write_text
from switchtune.results.text import markdown_table
from switchtune.run_dir import RunDir
from switchtune.runs.arms import Trial, trained_arms
from switchtune.runs.experiment import experiment_of, prepared_run
from switchtune.runs.manifest import write_manifest
from switchtune.runs.paths import REVERSE, model_folder
from switchtune.runs.trial import Data, Experiment, planned_stages, train_trial
from switchtune.training.trainer import StageResult


@dataclass(frozen=True, order=True)
class Point:
    """A point of the grid."""

    updates: int
    """Over all stages."""
    tokens_per_batch: int
    lr: float

    @property
    def name(self) -> str:
        return f"updates{self.updates}-tokens{self.tokens_per_batch}-lr{self.lr:g}"


@dataclass(frozen=True)
class Tried:
    """What a point came to with one arm."""

    arm: str
    point: Point
    nll: float
    """Loss on the validation set after the last stage: nats per target token, not smoothed."""

    def record(self) -> dict[str, Any]:
        return {"arm": self.arm, **asdict(self.point), "valid_nll": self.nll}


@dataclass(frozen=True)
class SearchResult:
    """All that was tried on a pair with a seed."""

    pair: str
    seed: int
    tried: tuple[Tried, ...]

    @property
    def updates(self) -> int:
        """The number of updates with which the arms' best losses have the lowest mean: one for all arms."""
        return min(
            sorted({each.point.updates for each in self.tried}),
            key=lambda updates: sum(self._best(arm, updates).nll for arm in self.arms),
        )

    @property
    def best(self) -> tuple[Tried, ...]:
        """Of every arm, its best point at that number of updates: arms are compared at equal updates."""
        return tuple(self._best(arm, self.updates) for arm in self.arms)

    @property
    def arms(self) -> tuple[str, ...]:
        """Names, in the order of the configuration."""
        return tuple(dict.fromkeys(each.arm for each in self.tried))

    @property
    def at_the_edge(self) -> str:
        """Which arms' best learning rates are the smallest or largest of several, a sentence each."""
        rates = sorted({each.point.lr for each in self.tried})
        advice = {rates[0]: "smallest that was tried: a smaller", rates[-1]: "largest that was tried: a larger"}
        return " ".join(
            f"{each.arm}: the best learning rate, {each.point.lr:g}, is the {advice[each.point.lr]} one may be better."
            for each in self.best
            if len(rates) > 1 and each.point.lr in advice
        )

    def _best(self, arm: str, updates: int) -> Tried:
        own = [each for each in self.tried if (each.arm, each.point.updates) == (arm, updates)]
        return min(own, key=lambda each: (each.nll, each.point))

    def record(self) -> dict[str, Any]:
        found = {"best": [each.record() for each in self.best], "tried": [each.record() for each in self.tried]}
        return {"pair": self.pair, "seed": self.seed, "updates": self.updates, **found}


def search(config: RunConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None) -> SearchResult:
    """Train every arm at every point of `search`'s grid, on the first pair with the first seed (paper 5.2).

    Every arm gets the same points, so the same budget. A point that is done is not trained again; one that was stopped
    goes on. Models are removed once their loss is known. Writes `search.json`, `search.md`, and `best.yaml`: the
    configuration for `switchtune run` with each arm's best learning rate and batch at one number of updates for all.

    Raises:
        SwitchtuneError: as `run_experiment`, or the grid has a single point.
    """
    folder, experiment = Path(folder), experiment_of(config)
    points, arms = grid(config), trained_arms(experiment.arms)
    some: dict[str, Any] = {"pairs": config.pairs[:1], "arms": arms, "seeds": config.seeds[:1]}
    # Corpora, lexicons and a trimmed model are prepared once for all points.
    with prepared_run(experiment, folder, "search", on_event, **some) as (run, prepared):
        write_manifest(folder, config, prepared.trials, prepared.data)
        tried = [
            _tried(experiment, trial, point, f"point {number} of {len(points)}", prepared.of(trial), run, on_event)
            for trial in prepared.trials
            for number, point in enumerate(points, start=1)
        ]
    result = SearchResult(config.pairs[0].name, config.seeds[0], tuple(tried))
    write_json(folder / "search.json", result.record())
    write_text(folder / "search.md", search_markdown(result))
    write_text(folder / "best.yaml", yaml.safe_dump(best_config(config, result), sort_keys=False))
    return result


def grid(config: RunConfig) -> list[Point]:
    """The points of a configuration's grid; what `search` does not vary is what `training` says."""
    wanted, training = config.search, config.training
    rates = wanted.lr or (() if training.lr is None else (training.lr,))
    if not rates:
        raise UsageError("search.lr: give learning rates, as in [1.0e-5, 3.0e-5]: training.lr names none.")
    updates, tokens = wanted.updates or (training.updates,), wanted.tokens_per_batch or (training.tokens_per_batch,)
    points = [Point(*values) for values in product(updates, tokens, rates)]
    if len(points) < 2:
        raise UsageError(
            "search: the grid has one point; give lr, tokens_per_batch or updates more than one value, as in "
            "--set 'search.lr=[1.0e-5, 3.0e-5]'."
        )
    return points


def _tried(
    experiment: Experiment[Any],
    trial: Trial,
    point: Point,
    number: str,
    data: Sequence[Data[Any]],
    run: RunDir,
    on_event: OnEvent,
) -> Tried:
    """What a point comes to with the arm of a trial; one that was tried before is not trained again."""
    arm = replace(trial.arm, training=trial.arm.training.model_copy(update=asdict(point)))
    trial, name = replace(trial, arm=arm.for_pairs(len(trial.parts))), f"{arm.name}/{point.name}"
    inputs = planned_stages(experiment, trial, data)[-1].inputs
    nll = run.result(name, inputs)
    if nll is None:
        on_event(Event(f"search {arm.name}", f"{number}: {point.name}"))
        *_, last = train_trial(experiment, trial, run.path / name, on_event).values()
        nll = StageResult.from_record(last["training"]).chosen_nll
        run.finish(name, inputs, nll)
    _remove_models(arm, run.path / name)
    return Tried(arm.name, point, nll)


def _remove_models(arm: ResolvedArm, folder: Path) -> None:
    for stage in arm.recipe.stages:
        remove(model_folder(folder, stage.name))
    if arm.reverse is not None:
        _remove_models(arm.reverse, folder / REVERSE)


def best_config(config: RunConfig, result: SearchResult) -> dict[str, Any]:
    """The configuration of a run with what was found, as YAML holds it."""
    # A default may be another in the task: what was given stands, be it a default or not.
    values: dict[str, Any] = config.model_dump(mode="json", exclude_unset=True, exclude={"search", "arm_settings"})
    best: Mapping[str, Tried] = {each.arm: each for each in result.best}
    values["training"] = {**values.get("training", {}), "updates": result.updates}
    values["arms"] = []
    for arm in config.arm_settings:
        given = arm.model_dump(mode="json", exclude_defaults=True)
        if not arm.outputs:
            point = best[arm.name].point
            given["training"] = {**arm.training, "lr": point.lr, "tokens_per_batch": point.tokens_per_batch}
        values["arms"].append(given)
    return values


def search_table(result: SearchResult) -> tuple[list[str], list[list[str]]]:
    """Heads and rows for people; an arm's best point is marked."""
    rows = []
    for each in result.tried:
        point, best = each.point, "best" if each in result.best else ""
        figures = [f"{point.updates:,}", f"{point.tokens_per_batch:,}", f"{point.lr:g}", f"{each.nll:.4f}"]
        rows.append([each.arm, *figures, best])
    return ["arm", "updates", "tokens per batch", "lr", "validation loss", ""], rows


def search_markdown(result: SearchResult) -> str:
    explanation = (
        f"{result.pair}, seed {result.seed}. Loss on the validation set after the last stage: nats per target token. "
        f"Every arm was tried at the same points. Best: of each arm at {result.updates:,} updates, where the "
        f"mean of the arms' best losses is lowest; `best.yaml` compares them so. {result.at_the_edge}"
    ).rstrip()
    return f"# Search\n\n{explanation}\n\n{markdown_table(*search_table(result))}\n"
