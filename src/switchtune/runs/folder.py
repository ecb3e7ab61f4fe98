"""What a run's folder holds: its trainings as far as they have come, their models and outputs, the data."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from switchtune.config.base import Count, Finite, list_of, object_of
from switchtune.config.inference import NliConfig
from switchtune.config.load import load_run_config, read_settings
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.together import group_name
from switchtune.corpus.read import Corpus
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import read_json
from switchtune.recipes import RECIPES, Recipe
from switchtune.run_dir import RunDir
from switchtune.runs.arms import with_known_recipe
from switchtune.runs.paths import (
    CONFIG,
    CORPORA,
    EXTENDED,
    MANIFEST,
    REVERSE,
    TRIMMED,
    hypotheses_file,
    model_folder,
    trial_name,
)
from switchtune.runs.tasks import TASKS, read_pair
from switchtune.runs.trial import read_hypotheses
from switchtune.scoring.metrics import ScoringError
from switchtune.training.curve import CURVE_FILE, of_set, read_metrics

_TRAINED = object_of(chosen_update=Count, valid_nll=list_of(tuple[Count, Finite]))
_WRITTEN_BY: TypeAdapter[Any] = TypeAdapter(object_of(versions=object_of(switchtune=str)))
_STAGE: TypeAdapter[Any] = TypeAdapter(object_of(result=object_of(training=_TRAINED)))

PRETRAINED = "pretrained"
"""The stage of the model before any training."""


@dataclass(frozen=True)
class Training:
    """One arm with one seed, and where there are pairs on one of them, as far as it has come; or outputs that are given
    for an arm, which have no stages. A model that learns several pairs is one for each of them, in one folder."""

    folder: Path
    pair: str
    """Of a task without pairs its name."""
    arm: str
    seed: int | None
    """None of outputs that are given and count beside every seed."""
    recipe: Recipe | None
    """None where this version does not know the run's configuration, or the run has not chosen one yet."""
    name: str
    """Its folder within the run's."""
    rounds: int = 1
    """`back_translation.rounds`."""
    pairs: tuple[str, ...] = ()
    """All that its model learns, where there are several."""
    given: bool = False
    """Whether its outputs are given."""
    damaged: tuple[str, ...] = ()
    """Files that are left out as if they were not there, since they cannot be read."""

    @property
    def stages(self) -> tuple[str, ...]:
        return tuple(stage.name for stage in self.recipe.stages) if self.recipe else ()

    @property
    def reverse(self) -> "Training | None":
        """The training of the model that translates monolingual text back for this one; None where it needs none."""
        if self.recipe is None or self.recipe.reverse is None:
            return None
        recipe = self.recipe if self.rounds > 1 else RECIPES[self.recipe.reverse]
        rounds, name = max(1, self.rounds - 1), f"{self.name}/{REVERSE}"
        return replace(self, folder=self.folder / REVERSE, recipe=recipe, name=name, rounds=rounds, damaged=())

    def model(self, stage: str) -> Path:
        return model_folder(self.folder, stage)

    def kept_update(self, stage: str) -> int | None:
        """The update of the stage, counted from its start, that its model is of; None where there is no model."""
        trained = self._trained(stage)
        return int(trained["chosen_update"]) if trained else None

    def valid_nll(self, stage: str) -> float | None:
        """The validation loss of the stage's model, in nats per target token; None where there is no model."""
        trained = self._trained(stage)
        return dict(trained["valid_nll"]).get(trained["chosen_update"]) if trained else None

    def _trained(self, stage: str) -> Mapping[str, Any] | None:
        run = RunDir(self.folder)
        if run.content(stage) is None or not self.model(stage).exists():
            return None
        return cast("Mapping[str, Any]", read_json(run.marker(stage), _STAGE)["result"]["training"])

    @property
    def group(self) -> str:
        """The pairs that its model learns as one."""
        return group_name(self.pairs) if self.pairs else self.pair

    @cached_property
    def curve(self) -> Sequence[Mapping[str, Any]]:
        """The entries of its `metrics.jsonl`, with the validation of its own pair; none where it has not begun."""
        entries = read_metrics(self.folder / CURVE_FILE) if self._has(CURVE_FILE) else []
        own = of_set("valid_nll", self.pair)
        return [{**entry, "valid_nll": entry[own]} if own in entry else entry for entry in entries]

    @property
    def outputs_file(self) -> str:
        """Name of the file of its outputs, in its folder."""
        return hypotheses_file(self.pair, max(1, len(self.pairs)))

    @cached_property
    def hypotheses(self) -> Sequence[str] | None:
        """Outputs for the test set; None where it has not come to them."""
        return read_hypotheses(self.folder / self.outputs_file) if self._has(self.outputs_file) else None

    def _has(self, file: str) -> bool:
        return file not in self.damaged and (self.folder / file).exists()

    def without_damage(self) -> "tuple[Training, list[str]]":
        """The training without the files that cannot be read, and what is the matter with them."""
        faults: dict[str, str] = {}
        for file, name in ((CURVE_FILE, "curve"), (self.outputs_file, "hypotheses")):
            try:
                getattr(self, name)
            except SwitchtuneError as error:
                faults[file] = str(error)
        return replace(self, damaged=tuple(faults)) if faults else self, list(faults.values())


def trainings_of(folder: Path, config: RunConfig) -> Iterator[Training]:
    """Of all pairs, arms and seeds, whether they have begun or not."""
    for pair, arm in product(config.pairs, config.arms):
        known = with_known_recipe(arm, config.task, pair.name, folder)
        recipe = None if known.choices else known.recipe
        group = tuple(each.name for each in next(group for group in config.groups(arm) if pair in group))
        several = group if len(group) > 1 else ()
        for seed in ([None] if arm.one_output else config.seeds) if arm.takes_part(pair.name) else ():
            name, rounds = trial_name(group_name(group), arm.name, seed), arm.back_translation.rounds
            given = bool(arm.outputs)
            yield Training(folder / name, pair.name, arm.name, seed, recipe, name, rounds, several, given)


def with_outputs_of_both(one: Iterable[Training], other: Iterable[Training]) -> tuple[Training, Training] | None:
    """The first of two arms that both have outputs and the same seed; given outputs go with any."""
    finished = [[each for each in arm if each.hypotheses is not None] for arm in (one, other)]
    both = (pair for pair in product(*finished) if None in (pair[0].seed, pair[1].seed) or pair[0].seed == pair[1].seed)
    return next(((first, second) for first, second in both), None)


def other_trainings(folder: Path, settings: Mapping[str, Any]) -> Iterator[Training]:
    """Those of a task without pairs, whose folders are `ARM/seedN`."""
    for path in sorted(folder.glob(f"*/seed*/{CURVE_FILE}")):
        arm, seed = path.parent.parent.name, path.parent.name.removeprefix("seed")
        if seed.isdecimal():
            name = path.parent.relative_to(folder).as_posix()
            yield Training(path.parent, str(settings.get("task", folder.name)), arm, int(seed), None, name)


@dataclass(frozen=True)
class System:
    """A model of a run, with what it came from."""

    arm: str | None
    """None for the model before training."""
    seed: int | None
    stage: str
    model: str

    @property
    def name(self) -> str:
        return self.stage if self.arm is None else f"{self.arm}, seed {self.seed}, {self.stage}"


@dataclass(frozen=True)
class Run:
    """A folder of `switchtune run` or `train`."""

    folder: Path
    config: RunConfig

    @property
    def start(self) -> str:
        """The model that all trainings start from, as the run extended or trimmed it: all read the same pieces."""
        made = (self.folder / name for name in (TRIMMED, EXTENDED))
        return next((str(model) for model in made if model.exists()), self.config.model.name)

    def trainings(self, pair: PairSettings) -> Iterator[Training]:
        return (training for training in trainings_of(self.folder, self.config) if training.pair == pair.name)

    def systems(self, pair: PairSettings) -> tuple[list[System], list[str]]:
        """The models of a pair that are there, `start` first, and what is missing, a line each."""
        systems, missing = [System(None, None, PRETRAINED, self.start)], []
        for training in self.trainings(pair):
            for stage in training.stages:
                folder = training.model(stage)
                if folder.exists():
                    systems.append(System(training.arm, training.seed, stage, str(folder)))
                else:
                    missing.append(f"{training.name}: no model of the stage {stage} ({folder})")
        return systems, missing

    def over_systems(
        self, pair: PairSettings, what: str, analysis: Callable[[System], dict[str, Any]], on_event: OnEvent
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """What an analysis finds for each model of a pair, with what the model came from, and what is missing."""
        systems, missing = self.systems(pair)
        records = []
        for number, system in enumerate(systems, start=1):
            on_event(Event(pair.name, what, number, len(systems)))
            try:
                records.append({"arm": system.arm, "seed": system.seed, "stage": system.stage, **analysis(system)})
            except UsageError:
                raise
            except SwitchtuneError as error:
                missing.append(f"{pair.name}, {system.name}: {error}")
        return records, missing

    @property
    def translates(self) -> bool:
        """Whether the target of a pair translates its source."""
        return TASKS[self.config.task].parallel

    def corpora(self, pair: PairSettings) -> tuple[Corpus, Corpus, Corpus]:
        """The training, validation and test corpus, read again where the run has no copy."""
        try:
            return read_pair(self.config, pair, self.folder / CORPORA)
        except SwitchtuneError as error:
            where = "Analyse where the run was started: its paths begin there."
            raise SwitchtuneError(f"{pair.name}: {error} {where}") from error

    def over_pairs(self, analysis: Callable[[PairSettings], tuple[dict[str, Any], list[str]]]) -> dict[str, Any]:
        """What an analysis finds for each pair, and all that is missing: the content of its file.

        A pair whose data cannot be read is missing as a whole.
        """
        pairs, missing = [], []
        for pair in self.config.pairs:
            try:
                found, lacking = analysis(pair)
            except UsageError:
                raise
            except SwitchtuneError as error:
                missing.append(str(error))
                continue
            pairs.append({"pair": pair.name, **found})
            missing += lacking
        return {"pairs": pairs, "missing": missing}

    def over_translations(
        self, pair: PairSettings, measured: Callable[[Sequence[str]], dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """What is measured of the translations of each training on a pair, and what is missing.

        `measured` may raise ScoringError, which is then among what is missing.
        """
        systems, missing = list[dict[str, Any]](), list[str]()
        for training in self.trainings(pair):
            if training.hypotheses is None:
                missing.append(f"{training.name}: not finished, no translations")
                continue
            try:
                systems.append({"arm": training.arm, "seed": training.seed, **measured(training.hypotheses)})
            except ScoringError as error:
                missing.append(f"{training.name}: {error}")
        return systems, missing


_DEPTH = 3
"""How far below a folder its runs may lie."""


def runs_in(folder: Path) -> list[Path]:
    """The folders of runs that are a folder or lie in it, those within a run not counted."""
    if is_run(folder):
        return [folder]
    below = {path.parent for depth in range(1, _DEPTH + 1) for path in folder.glob(f"{'*/' * depth}{CONFIG}")}
    runs = sorted(path for path in below if is_run(path))
    return [run for run in runs if not any(other in run.parents for other in runs)]


def models_below(folder: Path) -> list[Path]:
    """The models that lie below a folder, as stages of trainings and pretrainings leave them."""
    below = (folder.glob(f"{'*/' * depth}model/config.json") for depth in range(_DEPTH))
    return sorted(path.parent for paths in below for path in paths)


def is_run(folder: Path) -> bool:
    """Whether a comparison was begun in a folder: a pretraining has a configuration too."""
    if not (folder / CONFIG).is_file():
        return False
    settings = read_settings(folder / CONFIG)
    return "pairs" in settings or settings.get("task") == "nli"


def find_run(folder: Path) -> Path:
    """The one run that is a folder or lies in it; raises UsageError where there are several, or none."""
    runs = runs_in(folder)
    if len(runs) > 1:
        raise UsageError(f"{folder}: contains {len(runs):,} runs; name one of them: {', '.join(map(str, runs))}")
    if not runs and (folder / CONFIG).is_file():
        raise UsageError(f"{folder}: no run of `switchtune run` or `switchtune train`, but of `switchtune pretrain`.")
    return runs[0] if runs else config_file(folder).parent


def config_file(folder: Path) -> Path:
    """The configuration of a run; raises UsageError where there is no run."""
    path = folder / CONFIG
    if not path.is_file():
        raise UsageError(
            f"{folder}: no run is there ({CONFIG} is missing). Give the folder that `switchtune run` or `switchtune "
            "train` wrote to (its --out)."
        )
    return path


def run_config(folder: Path) -> RunConfig | NliConfig:
    """The configuration of a run; raises UsageError where there is no run, or its settings are of another version."""
    path = config_file(folder)
    try:
        return load_run_config(path)
    except UsageError as error:
        wrote = "another version of it"
        with suppress(SwitchtuneError):
            wrote = read_json(folder / MANIFEST, _WRITTEN_BY)["versions"]["switchtune"]
        raise UsageError(
            f"{error}\nThis is switchtune {version('switchtune')}; the run was written by {wrote}, whose settings are "
            f"not all known here. Open it with the version that wrote it; or take what is named above out of {path} "
            "to look at the run, and train in a new folder."
        ) from error


def open_run(folder: Path) -> Run:
    """The run in a folder; raises UsageError where there is none, or one of cross-lingual inference."""
    config = run_config(folder)
    if isinstance(config, NliConfig):
        raise UsageError(
            f"{folder}: a run of cross-lingual inference (task: nli), which has no pairs of languages to be analysed; "
            "its accuracies are in comparison.md."
        )
    return Run(folder, config)
