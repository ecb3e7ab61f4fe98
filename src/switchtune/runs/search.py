"""Learning rate, batch and updates by the validation set: the same grid for every arm, stopped and resumed at will."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import FiniteFloat, TypeAdapter

from switchtune.config.arms import ArmSettings
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import fingerprint, readable, remove, write_json, write_text
from switchtune.recipes import RECIPES
from switchtune.results.text import markdown_table
from switchtune.run_dir import RunDir, claim_folder
from switchtune.runs.prepare import prepare_trial
from switchtune.runs.trial import train_trial
from switchtune.training.trainer import StageResult

STUDIES = "studies.log"
"""Journal of optuna within the search's folder: `optuna-dashboard` reads it."""


@dataclass(frozen=True, order=True)
class Point:
    """A point of the grid."""

    updates: int
    """Over all stages."""
    tokens_per_batch: int
    lr: float

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"updates{self.updates}-tokens{self.tokens_per_batch}-lr{self.lr:g}"


@dataclass(frozen=True)
class Tried:
    """What a point came to with one arm."""

    arm: str
    point: Point
    nll: float
    """Loss on the validation set after the last stage: nats per target token, not smoothed."""


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

    def _best(self, arm: str, updates: int) -> Tried:
        own = [each for each in self.tried if (each.arm, each.point.updates) == (arm, updates)]
        return min(own, key=lambda each: (each.nll, each.point))

    def record(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            "pair": self.pair,
            "seed": self.seed,
            "updates": self.updates,
            "best": [_record(each) for each in self.best],
            "tried": [_record(each) for each in self.tried],
        }


def _record(tried: Tried) -> dict[str, Any]:
    return {"arm": tried.arm, **asdict(tried.point), "valid_nll": tried.nll}


def search(config: RunConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None) -> SearchResult:
    """Train every arm at every point of `search`'s grid, on the first pair with the first seed (paper 5.2).

    Every arm gets the same points, so the same budget. A point that is done is not trained again; one that was stopped
    goes on. Models are removed once their loss is known. Writes `search.json`, `search.md`, and `best.yaml`: the
    configuration for `switchtune run` with each arm's best learning rate and batch at one number of updates for all.

    Raises:
        UsageError: the grid has a single point, or optuna is not installed.
        SwitchtuneError: as `run_experiment`.
    """
    folder = Path(folder)
    points = grid(config)
    claim_folder(folder, "search", inputs=config.inputs)
    result = SearchResult(
        config.pairs[0].name,
        config.seeds[0],
        tuple(each for arm in config.recipes for each in _try_all(config, arm, points, folder, on_event)),
    )
    write_json(folder / "search.json", result.record())
    write_text(folder / "search.md", search_markdown(result))
    write_text(folder / "best.yaml", yaml.safe_dump(best_config(config, result), sort_keys=False))
    return result


def grid(config: RunConfig) -> list[Point]:
    """The points of a configuration's grid; what `search` does not vary is what `training` says.

    Raises:
        UsageError: there is one point only, or a learning rate that depends on the model's family.
    """
    wanted, training = config.search, config.training
    rates = wanted.lr or (() if training.lr is None else (training.lr,))
    if not rates:
        raise UsageError("search.lr: give learning rates, as in [1.0e-5, 3.0e-5]: training.lr names none.")
    points = [
        Point(updates, tokens, lr)
        for updates, tokens, lr in product(
            wanted.updates or (training.updates,), wanted.tokens_per_batch or (training.tokens_per_batch,), rates
        )
    ]
    if len(points) < 2:
        raise UsageError(
            "search: the grid has one point; give lr, tokens_per_batch or updates more than one value, as in "
            "--set 'search.lr=[1.0e-5, 3.0e-5]'."
        )
    return points


def _try_all(
    config: RunConfig, arm: ArmSettings, points: Sequence[Point], folder: Path, on_event: OnEvent
) -> list[Tried]:
    """What each point comes to, in the grid's order."""
    optuna = _optuna()
    own = folder / arm.name
    claim_folder(own, "run")
    with RunDir(own).lock("search"):
        study, known = _study(optuna, folder, arm, points)
        for left in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            # By a killed search. Its training goes on from the last checkpoint, as a trial of its own.
            study.tell(left.number, state=optuna.trial.TrialState.FAIL)
        for number, point in enumerate(points, start=1):
            if point in known:
                continue
            on_event(Event(f"search {arm.name}", f"point {number} of {len(points)}: {point.name}"))
            study.enqueue_trial(asdict(point))
            trial = study.ask(_distributions(optuna, points))
            nll = _valid_nll(config, arm, point, own, on_event)
            study.tell(trial, nll)
            known[point] = nll
    return [Tried(arm.name, point, known[point]) for point in points]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "The search needs optuna, which cannot be imported. Install the extra with: "
            "pip install 'switchtune[search]'."
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _study(optuna: Any, folder: Path, arm: ArmSettings, points: Sequence[Point]) -> tuple[Any, dict[Point, float]]:
    """An arm's study in the journal, and the loss of every point that was tried."""
    # A study's values cannot change, so another grid is another study; what was trained for it is found all the same.
    name = f"{arm.name}-{fingerprint([asdict(point) for point in points])[:8]}"
    if (folder / STUDIES).exists():
        readable(folder / STUDIES)
    try:
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / STUDIES)))
        study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
        tried = [(trial.params, trial.value) for trial in study.trials if trial.value is not None]
        return study, {Point(**params): _LOSS.validate_python(loss) for params, loss in tried}
    except Exception as error:  # optuna reads a damaged journal until something or other fails
        raise SwitchtuneError(
            f"{folder / STUDIES}: cannot be read as optuna's journal ({type(error).__name__}: {error}). Put back a "
            "copy, or move it away: then every point is tried again."
        ) from error


_LOSS: TypeAdapter[float] = TypeAdapter(FiniteFloat)


def _distributions(optuna: Any, points: Sequence[Point]) -> dict[str, Any]:
    values = {name: sorted({asdict(point)[name] for point in points}) for name in asdict(points[0])}
    return {name: optuna.distributions.CategoricalDistribution(each) for name, each in values.items()}


def _valid_nll(config: RunConfig, arm: ArmSettings, point: Point, folder: Path, on_event: OnEvent) -> float:
    values = {"lr": point.lr, "tokens_per_batch": point.tokens_per_batch}
    at_point = arm.model_copy(update={"training": {**arm.training, **values}})
    training = config.training.model_copy(update={"updates": point.updates})
    settings = config.model_copy(update={"training": training})
    # Corpora, lexicons and a trimmed model are prepared once for all points.
    trial = prepare_trial(settings, config.pairs[0], at_point, config.seeds[0], folder, on_event)
    trained = train_trial(settings, trial, folder / point.name, on_event)
    for stage in RECIPES[arm.recipe].stages:
        remove(folder / point.name / stage.name / "model")
    return StageResult.from_record(trained.reports[-1]["training"]).chosen_nll


def best_config(config: RunConfig, result: SearchResult) -> dict[str, Any]:
    """The configuration of a run with what was found, as YAML holds it."""
    values: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True, exclude={"search", "recipes"})
    best: Mapping[str, Tried] = {each.arm: each for each in result.best}
    values["training"] = {**values.get("training", {}), "updates": result.updates}
    values["recipes"] = [
        {
            **arm.model_dump(mode="json", exclude_defaults=True),
            "training": {
                **arm.training,
                "lr": best[arm.name].point.lr,
                "tokens_per_batch": best[arm.name].point.tokens_per_batch,
            },
        }
        for arm in config.recipes
    ]
    return values


def search_table(result: SearchResult) -> tuple[list[str], list[list[str]]]:
    """Heads and rows for people; an arm's best point is marked."""
    heads = ["recipe", "updates", "tokens per batch", "lr", "validation loss", ""]
    rows = [
        [
            each.arm,
            f"{each.point.updates:,}",
            f"{each.point.tokens_per_batch:,}",
            f"{each.point.lr:g}",
            f"{each.nll:.4f}",
            "best" if each in result.best else "",
        ]
        for each in result.tried
    ]
    return heads, rows


def search_markdown(result: SearchResult) -> str:
    """What was tried, as a Markdown page."""
    explanation = (
        f"{result.pair}, seed {result.seed}. Loss on the validation set after the last stage: nats per target token. "
        f"Every recipe was tried at the same points. Best: of each recipe at {result.updates:,} updates, where the "
        "mean of the recipes' best losses is lowest; `best.yaml` compares them so."
    )
    return f"# Search\n\n{explanation}\n\n{markdown_table(*search_table(result))}\n"
