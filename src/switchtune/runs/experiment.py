"""Pairs × recipes × seeds at equal updates: every step resumable, ending in a comparison with the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from switchtune.config.run import RunConfig
from switchtune.corpus.read import Corpus, describe
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import write_text
from switchtune.models.load import load_layout, parameter_count
from switchtune.results.comparison import Row, Summary, comparison_markdown, metrics_record, summarised
from switchtune.run_dir import RunDir, claim_folder, write_sealed
from switchtune.runs.manifest import (
    manifest,
)
from switchtune.runs.prepare import (
    check_arm,
    prepare_alignments,
    prepare_lexicons,
    prepare_model,
)
from switchtune.runs.tasks import TASKS, read_pair
from switchtune.runs.trial import Trial, TrialResult, run_trial
from switchtune.runs.workers import (
    jobs_for,
    require_one_process,
    side_by_side,
)
from switchtune.scoring.metrics import Score, can_identify, in_language
from switchtune.scoring.significance import METRICS, compare_scores


def run_experiment(config: RunConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None) -> Summary:
    """Train every arm on every pair with every seed, translate the test sets, compare with the baseline.

    Each step leaves a marker in `folder`; called again, steps that are done and whose inputs are the same are skipped,
    and an interrupted training goes on from its last checkpoint. Writes `config.resolved.yaml`, `manifest.json`,
    `metrics.json` and `comparison.md`.

    With several `jobs` the trainings run in processes of their own, so a script that calls this needs the usual
    `if __name__ == "__main__":`.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used; the message says which and why.
        RunLockedError: another process is working in `folder`.
    """
    require_one_process()
    folder = Path(folder)
    claim_folder(folder, "run", inputs=config.inputs)
    run = RunDir(folder, lambda message: on_event(Event("run", message)), config.keep_changed)
    with run.lock():
        write_text(folder / "config.resolved.yaml", config.as_yaml())
        layout = load_layout(config.model.name)
        _check_equal_updates(config)
        for pair in config.pairs:
            for arm in config.recipes:
                check_arm(config, pair, arm, layout)
        corpora: dict[str, tuple[Corpus, Corpus, Corpus]] = {}
        trials: list[Trial] = []
        for pair in config.pairs:
            corpora[pair.name] = read_pair(config, pair, folder / "corpus")
            train, valid, _ = corpora[pair.name]
            on_event(Event(pair.name, describe(train)))
            for arm in config.recipes:
                lexicons = prepare_lexicons(config, pair, arm, (train, valid), layout, run, on_event)
                alignments = prepare_alignments(config, pair, arm, (train, valid), layout, run, on_event)
                prepared = (lexicons, alignments, folder / "corpus", config.model.name)
                trials += [Trial(pair, arm, seed, *prepared) for seed in config.seeds]
        start = prepare_model(config, corpora, trials, run, on_event)
        trials = [replace(trial, model=start) for trial in trials]
        write_sealed(folder / "manifest.json", manifest(config, corpora, trials))
        jobs = jobs_for(config.jobs, len(trials), partial(parameter_count, start))
        results = side_by_side(run_trial, [(config, trial, folder / trial.name) for trial in trials], jobs, on_event)
        references = {name: test.targets() for name, (_, _, test) in corpora.items()}
        summary = summarised(_rows(config, references, results), config.baseline, config.seeds)
        write_sealed(folder / "metrics.json", metrics_record(summary))
        write_text(folder / "comparison.md", comparison_markdown(summary))
        return summary


def _check_equal_updates(config: RunConfig) -> None:
    """Have arms compared at equal updates alone."""
    for arm in config.recipes:
        if len(config.recipes) > 1 and config.training_of(arm).patience is not None:
            raise UsageError(
                f"recipes.{arm.name}: training.patience may end its stages before those of other arms, and arms are "
                "compared at equal updates. Leave it out (keep: best takes the best weights all the same), or train "
                "one arm alone with `switchtune train`."
            )


def _rows(config: RunConfig, references: Mapping[str, Sequence[str]], results: Sequence[TrialResult]) -> list[Row]:
    rows = []
    metrics = TASKS[config.task].metrics
    for pair in config.pairs:
        outputs = {
            arm.name: [result for result in results if (result.pair, result.arm) == (pair.name, arm.name)]
            for arm in config.recipes
        }
        scores: dict[str, dict[str, tuple[Score, ...]]] = {
            arm: {
                name: tuple(METRICS[name](each.hypotheses, references[pair.name], pair.target) for each in trials)
                for name in metrics
            }
            for arm, trials in outputs.items()
        }
        for arm in config.recipes:
            trials = outputs[arm.name]
            comparisons = [
                compare_scores(scores[config.baseline][name], scores[arm.name][name], **config.evaluation.model_dump())
                for name in (metrics if arm.name != config.baseline else ())
            ]
            rows.append(
                Row(
                    pair=pair.name,
                    arm=arm.name,
                    stage_updates=trials[0].stage_updates,
                    valid_nll=_mean_curve([result.valid_nll for result in trials]),
                    scores=scores[arm.name],
                    in_language=tuple(in_language(each.hypotheses, pair.target) for each in trials)
                    if can_identify(pair.target)
                    else (),
                    rates=trials[0].rates,
                    truncated=trials[0].truncated,
                    minutes=sum(result.seconds for result in trials) / len(trials) / 60,
                    comparisons=tuple(comparisons),
                )
            )
    return rows


def _mean_curve(curves: Sequence[tuple[tuple[int, float], ...]]) -> tuple[tuple[int, float], ...]:
    """The mean over seeds, at the updates at which all of them were measured."""
    measured = [dict(curve) for curve in curves]
    return tuple(
        (update, sum(curve[update] for curve in measured) / len(measured))
        for update in measured[0]
        if all(update in curve for curve in measured)
    )
