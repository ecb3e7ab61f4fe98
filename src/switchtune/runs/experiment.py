"""A comparison of any task: pairs × arms × seeds at equal updates, every step resumable, its scores at the end."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.run import PairSettings, RunConfig
from switchtune.events import Event, OnEvent
from switchtune.files import write_text
from switchtune.models.classifier import weight_count
from switchtune.results.comparison import Summary, metrics_record
from switchtune.run_dir import RunDir, claim_folder, write_sealed
from switchtune.runs.arms import Trial, chosen_arm, require_inputs
from switchtune.runs.inference import InferenceExperiment
from switchtune.runs.manifest import manifest
from switchtune.runs.paths import COMPARISON, CONFIG, CORPORA, MANIFEST, METRICS
from switchtune.runs.translation import PairExperiment
from switchtune.runs.trial import Data, Experiment, run_trial
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
        RunLockedError: another process is working in `folder`.
    """
    require_one_process()
    experiment, folder = experiment_of(config), Path(folder)
    experiment.check_arms()
    run = claimed_run(experiment, experiment.arms, folder, "run", on_event)
    with run.lock():
        prepared = prepare(experiment, experiment.pairs, experiment.arms, config.seeds, run, on_event)
        write_sealed(folder / MANIFEST, manifest(prepared.data, prepared.trials))
        models = {trial.model for trial in prepared.trials}
        jobs = jobs_for(config.jobs, len(prepared.trials), lambda: max(map(weight_count, models)))
        trials = [(experiment, trial, folder / trial.name) for trial in prepared.trials]
        summary = experiment.summary(prepared.data, side_by_side(run_trial, trials, jobs, on_event))
        write_sealed(folder / METRICS, metrics_record(summary))
        write_text(folder / COMPARISON, experiment.page(summary))
        return summary


def experiment_of(config: RunConfig | NliConfig) -> Experiment[Any]:
    """The experiment of a configuration's task."""
    arms = config.arms
    return PairExperiment(config, arms) if isinstance(config, RunConfig) else InferenceExperiment(config, arms)


def claimed_run(
    experiment: Experiment[Any], arms: Sequence[ResolvedArm], folder: Path, verb: str, on_event: OnEvent
) -> RunDir:
    """The folder of a run of some arms, which nothing else is in.

    Raises:
        UsageError: something else is, or what the arms need cannot be had.
    """
    config = experiment.config
    require_inputs(config, arms)
    claim_folder(folder, verb, inputs=config.inputs)
    return RunDir(folder, lambda message: on_event(Event(verb, message)), config.keep_changed)


@dataclass(frozen=True)
class Prepared:
    """Trials that can begin, and what they are about."""

    trials: tuple[Trial, ...]
    data: Mapping[str, Data[Any]]
    """By pair; of a task without pairs by its own name."""


def prepare(
    experiment: Experiment[Any],
    pairs: Sequence[PairSettings | None],
    arms: Sequence[ResolvedArm],
    seeds: Sequence[int],
    run: RunDir,
    on_event: OnEvent,
) -> Prepared:
    """Check, read and build all that trials need before they begin. The folder is to be locked.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used; the message says which and why.
    """
    write_text(run.path / CONFIG, experiment.config.as_yaml())
    experiment.check_trials(pairs, arms)
    prepared = _read_and_build(experiment, pairs, arms, seeds, run, on_event)
    start = experiment.start_model(prepared.trials, prepared.data, run, on_event)
    if start is None:
        return prepared
    return replace(prepared, trials=tuple(replace(trial, model=start) for trial in prepared.trials))


def _read_and_build(
    experiment: Experiment[Any],
    pairs: Sequence[PairSettings | None],
    arms: Sequence[ResolvedArm],
    seeds: Sequence[int],
    run: RunDir,
    on_event: OnEvent,
) -> Prepared:
    """Trials that start from the configured model."""
    corpora = run.path / CORPORA
    data: dict[str, Data[Any]] = {}
    trials: list[Trial] = []
    for pair in pairs:
        read = data[pair.name if pair else experiment.config.task] = experiment.read(pair, corpora)
        built = experiment.prepare(pair, arms, read, run, on_event)
        trials += [
            Trial(pair, arm, seed, lexicons, alignments, corpora, arm.model)
            for arm, (lexicons, alignments) in zip(arms, built, strict=True)
            for seed in seeds
        ]
    return Prepared(tuple(trials), data)


def prepare_trial(
    experiment: Experiment[Any],
    pair: PairSettings | None,
    arm: ResolvedArm,
    seed: int,
    folder: Path,
    on_event: OnEvent,
) -> Trial:
    """Read and build for one trial what `run_experiment` would, in the same places.

    Writes `config.resolved.yaml` beside it, and `manifest.json` in the trial's own folder.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used; the message says which and why.
        RunLockedError: another process is preparing in `folder`.
    """
    run = claimed_run(experiment, [arm], folder, "run", on_event)
    with run.lock():
        prepared = prepare(experiment, [pair], [arm], [seed], run, on_event)
        (trial,) = prepared.trials
        write_sealed(folder / trial.name / MANIFEST, manifest(prepared.data, prepared.trials))
        return trial


def batch_preview(config: RunConfig, *, arm: str | None = None, rows: int = 2, folder: Path | None = None) -> list[str]:
    """What the model is given in each stage of an arm, on its first pair: a block of text per stage.

    Args:
        arm: its name; by default the first with a stage that restores.
        folder: of a run, whose lexicon is used, hand edits included, or made there; by default one is made for the
            occasion.
        rows: examples per stage.

    Raises:
        UsageError: no arm of that name, or a folder that is not of a run.
    """
    experiment = PairExperiment(config, config.arms)
    chosen = chosen_arm(experiment.arms, arm)
    require_inputs(config, [chosen])
    if folder is not None:
        claim_folder(folder, "run", inputs=config.inputs, remedy="Give the folder of a run.")
    with tempfile.TemporaryDirectory() as temporary:
        run, seeds = RunDir(folder or Path(temporary)), config.seeds[:1]
        prepared = _read_and_build(experiment, config.pairs[:1], [chosen], seeds, run, lambda event: None)
        (trial,), (data,) = prepared.trials, prepared.data.values()
        return experiment.previews(trial, data, rows=rows)
