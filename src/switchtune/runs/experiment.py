"""A comparison of any task: pairs × arms × seeds at equal updates, every step resumable, its scores at the end."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.run import PairSettings, RunConfig
from switchtune.events import Event, OnEvent
from switchtune.files import hash_file, write_text
from switchtune.models.classifier import weight_count
from switchtune.models.licence import tell_licences
from switchtune.results.comparison import Summary, metrics_record
from switchtune.run_dir import RunDir, claim_folder, free_name, write_sealed
from switchtune.runs.arms import Part, Trial, chosen_arm, chosen_pair, require_inputs, size_of, with_kept_recipe
from switchtune.runs.card import write_cards
from switchtune.runs.inference import InferenceExperiment
from switchtune.runs.manifest import write_manifest
from switchtune.runs.paths import ANALYSIS, COMPARISON, CONFIG, CORPORA, METRICS_FILE, TRIMMED, ZEROSHOT
from switchtune.runs.prepare import with_languages
from switchtune.runs.translation import PairExperiment
from switchtune.runs.trial import Data, Experiment, finished_trial, run_trial
from switchtune.runs.workers import jobs_for, require_one_process, side_by_side


def run_experiment(
    config: RunConfig | NliConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None
) -> Summary:
    """Train every arm on every pair with every seed, have the models do the test sets, compare with the baseline.

    Each step leaves a marker in `folder`; called again, steps that are done and whose inputs are the same are skipped,
    and an interrupted training goes on from its last checkpoint. Writes `config.resolved.yaml`, `manifest.json`,
    `metrics.json` and `comparison.md`, and for each arm and seed `hypotheses.txt`, or of inference
    `predictions.LANGUAGE.txt`, a label a line.

    With several `jobs` the trainings run in processes of their own, so a script that calls this needs the usual
    `if __name__ == "__main__":`.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used; the message says which and why.
    """
    require_one_process(
        "run", "It starts its trainings itself (`jobs`); `switchtune train` trains one arm with many processes."
    )
    experiment, folder = experiment_of(config), Path(folder)
    experiment.check_arms()
    with prepared_run(experiment, folder, "run", on_event) as (_, prepared):
        write_manifest(folder, config, prepared.trials, prepared.data)
        trained = [trial for trial in prepared.trials if not trial.arm.outputs]
        models = {trial.model for trial in trained}
        jobs = jobs_for(config.jobs, len(trained), lambda: max(map(weight_count, models)))
        trials = [(experiment, trial, folder / trial.name) for trial in prepared.trials]
        # A process takes seconds to start: none does where nothing is left to do.
        data = [prepared.of(trial) for trial in prepared.trials]
        finished = [finished_trial(*each, on_event, read) for each, read in zip(trials, data, strict=True)]
        if not all(finished):
            set_results_aside(folder, on_event)
        # Given outputs are taken over first: in the hours of training their file may change.
        finished = [
            run_trial(*each, on_event) if result is None and each[1].arm.outputs else result
            for each, result in zip(trials, finished, strict=True)
        ]
        begun = [each for each, result in zip(trials, finished, strict=True) if result is None]
        results = iter(side_by_side(run_trial, begun, jobs, on_event))
        summary = experiment.summary(prepared.data, [result or next(results) for result in finished])
        write_sealed(folder / METRICS_FILE, metrics_record(summary))
        write_text(folder / COMPARISON, experiment.page(summary))
        write_cards(experiment, trained, prepared.data, summary, on_event)
        return summary


def set_results_aside(folder: Path, on_event: OnEvent) -> None:
    """Have what was made of all trainings of a run, some of which are to be made anew, not be taken for theirs."""
    results = [
        METRICS_FILE,
        COMPARISON,
        *(f"{ZEROSHOT}.{form}" for form in ("json", "md", "svg", "png")),
        ANALYSIS,
    ]
    there = [folder / name for name in results if (folder / name).exists()]
    if folder / METRICS_FILE in there:
        aside = free_name(folder / f"results.replaced-{hash_file(folder / METRICS_FILE)}")
        aside.mkdir()
        for path in there:
            path.replace(aside / path.name)
        on_event(Event("run", f"not all is finished as configured: the former comparison is now in {aside}"))


def experiment_of(config: RunConfig | NliConfig) -> Experiment[Any]:
    """The experiment of a configuration's task."""
    arms = config.arms
    return PairExperiment(config, arms) if isinstance(config, RunConfig) else InferenceExperiment(config, arms)


@dataclass(frozen=True)
class Prepared:
    """Trials that can begin, and what they are about."""

    trials: tuple[Trial, ...]
    data: Mapping[str, Data[Any]]
    """By pair; of a task without pairs by its own name."""

    def of(self, trial: Trial) -> list[Data[Any]]:
        """The data of each part of a trial."""
        return [self.data[name] for name in trial.pairs] if trial.group else list(self.data.values())


@contextmanager
def prepared_run(
    experiment: Experiment[Any],
    folder: Path,
    verb: str,
    on_event: OnEvent,
    *,
    pairs: Sequence[PairSettings | None] = (),
    arms: Sequence[ResolvedArm] = (),
    seeds: Sequence[int] = (),
) -> Iterator[tuple[RunDir, Prepared]]:
    """Within, this process alone works in a run's folder, and all that trials need is read and built there.

    Args:
        verb: the one that makes the folder.
        pairs, arms, seeds: of the trials; by default all. A model that learns a pair together with others is one.

    Raises:
        UsageError: something else is in the folder, or what the arms need cannot be had.
        SwitchtuneError: data, model or lexicon cannot be used; the message says which and why.
    """
    config, arms = experiment.config, arms or experiment.arms
    groups = _groups(experiment, pairs or experiment.pairs, arms)
    require_inputs(config, arms)
    claim_folder(folder, verb, inputs=config.inputs)
    run = RunDir(folder, lambda message: on_event(Event(verb, message)), config.keep_changed)
    with run.lock():
        write_text(folder / CONFIG, config.as_yaml())
        tell_licences({arm.model for arm in arms}, on_event)
        experiment, arms = _with_languages(experiment, arms, run, on_event)
        experiment.check_trials(_learned(experiment, groups), arms)
        read = _read(experiment, groups, arms, run, on_event)
        for each in read:
            experiment.check_trials([each.pair], [arm for arm in each.arms if arm.choice])
        prepared = _build(experiment, read, groups, seeds or config.seeds, run, on_event)
        if start := experiment.start_model(prepared.trials, prepared.data, run, on_event):
            prepared = replace(prepared, trials=tuple(replace(trial, model=start) for trial in prepared.trials))
        yield run, prepared


def _with_languages(
    experiment: Experiment[Any], arms: Sequence[ResolvedArm], run: RunDir, on_event: OnEvent
) -> tuple[Experiment[Any], Sequence[ResolvedArm]]:
    """An experiment and some of its arms with the model that has the languages which are to be added."""
    if not isinstance(experiment, PairExperiment) or not experiment.config.model.add:
        return experiment, arms
    config = with_languages(experiment.config, run, on_event)
    return PairExperiment(config, config.arms), [replace(arm, model=config.model.name) for arm in arms]


@dataclass(frozen=True)
class _Read:
    """A pair that was read, and its arms with their recipes."""

    name: str
    """Of the pair, or of a task without pairs."""
    pair: PairSettings | None
    arms: tuple[ResolvedArm, ...]
    data: Data[Any]


_Groups: TypeAlias = Mapping[str, Sequence[tuple[PairSettings | None, ...]]]
"""By arm, the pairs that each of its models learns."""


def _groups(experiment: Experiment[Any], pairs: Sequence[PairSettings | None], arms: Sequence[ResolvedArm]) -> _Groups:
    """The groups that any of these pairs is in."""
    return {
        arm.name: [group for group in experiment.groups(arm) if any(pair in group for pair in pairs)] for arm in arms
    }


def _learned(experiment: Experiment[Any], groups: _Groups) -> list[PairSettings | None]:
    """All pairs of some groups, in their order."""
    return [pair for pair in experiment.pairs if any(pair in group for each in groups.values() for group in each)]


def _read(
    experiment: Experiment[Any], groups: _Groups, arms: Sequence[ResolvedArm], run: RunDir, on_event: OnEvent
) -> list[_Read]:
    """What trials are trained on, all of it before anything is built."""
    task, found = experiment.config.task, []
    for pair in _learned(experiment, groups):
        name, target = (pair.name, pair.target) if pair else (task, "")
        data = experiment.read(pair, run.path / CORPORA)
        size = size_of(task, len(data.train), data.monolingual, target)
        compared = [arm for arm in arms if any(pair in group for group in groups[arm.name])]
        compared = [arm for arm in compared if pair is None or arm.takes_part(pair.name)]
        settled = tuple(with_kept_recipe(arm, size, name, run) for arm in compared)
        for arm in settled:
            if arm.choice is not None:
                on_event(Event(name, f"{arm.name}: {arm.choice.reason}"))
            if arm.outputs:
                for said in experiment.about_outputs(pair, arm, data):
                    on_event(Event(name, f"{arm.name}: {said}"))
        found.append(_Read(name, pair, settled, data))
    return found


def _build(
    experiment: Experiment[Any],
    read: Sequence[_Read],
    groups: _Groups,
    seeds: Sequence[int],
    run: RunDir,
    on_event: OnEvent,
) -> Prepared:
    """Trials that start from the configured model."""
    parts: dict[tuple[str, str], Part] = {}
    for each in read:
        built = experiment.prepare(each.pair, each.arms, each.data, run, on_event)
        for arm, made in zip(each.arms, built, strict=True):
            part = Part(each.pair, *made)
            parts[arm.name, part.name] = part
    trials = [
        Trial(
            tuple(parts[arm.name, pair.name if pair else ""] for pair in group),
            arm.for_pairs(len(group)),
            seed,
            run.path / CORPORA,
            arm.model,
        )
        for each in read
        for arm in each.arms
        for group in groups[arm.name]
        if group[0] == each.pair
        for seed in (seeds[:1] if arm.one_output else seeds)
    ]
    return Prepared(tuple(trials), {each.name: each.data for each in read})


def batch_preview(
    config: RunConfig | NliConfig,
    *,
    arm: str | None = None,
    rows: int = 2,
    folder: Path | None = None,
    on_event: OnEvent = lambda event: None,
) -> list[str]:
    """What the first model of an arm is given in each stage, a block of text per stage.

    Args:
        arm: its name; by default the first that is not the baseline.
        folder: of a run, whose lexicon is used, or made there, and whose back-translations are shown if they are
            there; by default a lexicon is made for the occasion.
        rows: examples per stage.
    """
    chosen = chosen_arm(config, arm)
    with trial_to_look_at(config, chosen, folder, on_event) as (experiment, trial, data, trained):
        choice = trial.arm.choice
        reason = [f"{trial.arm.name}: {choice.reason}\n"] if choice else []
        return reason + experiment.previews(trial, data, trained, rows=rows)


@contextmanager
def trial_to_look_at(
    config: RunConfig | NliConfig, arm: ResolvedArm, folder: Path | None, on_event: OnEvent, *, pair: str | None = None
) -> Iterator[tuple[Experiment[Any], Trial, list[Data[Any]], Path]]:
    """Within, the experiment, a trial of an arm with the first seed, the data of its parts, and its folder; nothing is
    trained.

    Args:
        folder: of a run, where what it needs is used, or made; None: it is made for the occasion.
        pair: one that its model learns, as in `de-en`; by default the first, if there are any.
    """
    # What somebody has changed is shown, and stays where it is.
    experiment = experiment_of(config.model_copy(update={"keep_changed": True}))
    groups = _groups(experiment, [chosen_pair(experiment.pairs, pair)], [arm])
    require_inputs(config, [arm])
    if folder is not None:
        claim_folder(folder, "run", inputs=config.inputs, remedy="Give the folder of a run.")
    with tempfile.TemporaryDirectory() as temporary:
        run = RunDir(folder or Path(temporary))
        extended, arms = _with_languages(experiment, [arm], run, on_event)
        read = _read(extended, groups, arms, run, on_event)
        prepared = _build(extended, read, groups, config.seeds[:1], run, on_event)
        (trial,) = prepared.trials
        data = prepared.of(trial)
        if (run.path / TRIMMED).exists():
            trial = replace(trial, model=str(run.path / TRIMMED))
        yield experiment, trial, data, run.path / trial.name
