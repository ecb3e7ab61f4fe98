"""One training of a comparison, of any task: its stages one after the other, then its outputs for the test sets."""

import gc
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from switchtune.config.arms import ResolvedArm
from switchtune.config.base import Settings
from switchtune.config.inference import NliConfig
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.inference import NliSet
from switchtune.corpus.read import Corpus
from switchtune.errors import SwitchtuneError
from switchtune.events import Event, OnEvent
from switchtune.evidence import Choice
from switchtune.files import LARGEST, content_of, fingerprint, write_text
from switchtune.lexicon.files import hash_with_edits
from switchtune.models.load import model_fingerprint
from switchtune.recipes import FURTHER_KINDS, Stage
from switchtune.results.comparison import BackTranslationCost, Summary
from switchtune.run_dir import RunDir
from switchtune.runs.arms import Part, Trial
from switchtune.runs.card import Made, write_card
from switchtune.runs.paths import model_folder
from switchtune.runs.stages import PlannedStage, StageJob
from switchtune.runs.tasks import MonolingualSentences
from switchtune.switching.switcher import Rates
from switchtune.training.checkpoints import remove_but_weights, remove_checkpoints
from switchtune.training.curve import CURVE_FILE, StageLog
from switchtune.training.distributed import first_before_others, on_first
from switchtune.training.trackers import Trackers

Set = TypeVar("Set", Corpus, NliSet)
Reports: TypeAlias = dict[str, dict[str, Any]]
"""By stage, what `Experiment.train` returned."""


@dataclass(frozen=True)
class Data(Generic[Set]):
    """What a trial is trained and tested on."""

    train: Set
    valid: Set
    tests: Mapping[str, Set]
    """By a name of the task's own."""
    monolingual: Mapping[str, MonolingualSentences] = field(default_factory=dict)
    """Further text by language."""
    backtranslated: Sequence[tuple[str, str]] | None = None
    """Translations of that of the target language, and the sentences; None where they are not made yet."""

    def further(self, arm: ResolvedArm) -> Mapping[str, MonolingualSentences]:
        """The further text that an arm trains on, by language."""
        return self.monolingual if arm.monolingual else {}

    @property
    def known(self) -> Set:
        """What is known of how such data looks: that of training, or where there is none that of validation."""
        return self.train if len(self.train) else self.valid


def reversed_data(data: Data[Corpus]) -> Data[Corpus]:
    """The same for training in the other direction."""
    tests = {name: corpus.reversed() for name, corpus in data.tests.items()}
    return Data(data.train.reversed(), data.valid.reversed(), tests, data.monolingual)


@dataclass(frozen=True)
class Output:
    """What a trained model is to write for a test set, or what is given: a file with a line for each example."""

    test: str
    """Name of the test set: of a pair its own."""
    examples: int
    step: str
    file: str
    inputs: Mapping[str, Any]
    """What decides what it comes to, beside the model if there is one."""
    make: Callable[[], Sequence[str]]


class Experiment(Protocol[Set]):
    """A task with the configuration of a run: what its trials read, train and write, and what is made of that."""

    @property
    def config(self) -> RunConfig | NliConfig: ...

    @property
    def arms(self) -> tuple[ResolvedArm, ...]: ...

    @property
    def pairs(self) -> tuple[PairSettings | None, ...]:
        """None alone where the task has no pairs."""

    def check_arms(self) -> None:
        """Refuse arms that cannot be compared."""

    def groups(self, arm: ResolvedArm) -> Sequence[tuple[Any, ...]]:
        """The pairs that each model of an arm learns."""

    def check_trials(self, pairs: Sequence[Any], arms: Sequence[ResolvedArm]) -> None:
        """Have what an arm would stumble over known before the hours of training of the arms before it."""

    def read(self, pair: Any, cache_dir: Path) -> Data[Set]: ...

    def about_outputs(self, pair: Any, arm: ResolvedArm, data: Data[Set]) -> list[str]:
        """What is to be known of outputs that are given for an arm; raises SwitchtuneError where they do not fit."""

    def prepare(
        self, pair: Any, arms: Sequence[ResolvedArm], data: Data[Set], run: RunDir, on_event: OnEvent
    ) -> list[tuple[tuple[Path, ...], tuple[Path, ...]]]:
        """Tell what was read, and make the lexicons and alignments of each arm that are not there yet."""

    def start_model(
        self, trials: Sequence[Trial], data: Mapping[str, Data[Set]], run: RunDir, on_event: OnEvent
    ) -> str | None:
        """What all trials start from; None where each starts from its arm's own."""

    def stages(self, arm: ResolvedArm) -> Sequence[tuple[Stage, TrainingSettings]]: ...

    def train(self, job: StageJob, data: Sequence[Data[Set]]) -> dict[str, Any]:
        """Train a stage and save its model; returns `training`, what it came to, and `rates` of switching, as JSON.

        `data` is that of each part of the trial, as it is everywhere.
        """

    def previews(self, trial: Trial, data: Sequence[Data[Set]], folder: Path, *, rows: int) -> list[str]:
        """The first examples of each kind in each stage, as the model is given them: a block of text a stage.

        `folder` is the trial's.
        """

    def outputs(self, trial: Trial, data: Sequence[Data[Set]], model: Path, on_event: OnEvent) -> list[Output]:
        """What a trained model is to write, which is loaded once, where something of it is not there; or is given."""

    def summary(self, data: Mapping[str, Data[Set]], results: "Sequence[TrialResult]") -> Summary: ...

    def page(self, summary: Summary) -> str:
        """The comparison in Markdown."""


@dataclass(frozen=True)
class TrialResult:
    """A finished trial."""

    pairs: tuple[str, ...]
    """Names of the pairs that the model learned; one, empty, where the task has no pairs."""
    arm: str
    seed: int
    reports: Reports
    outputs: Mapping[str, list[str]]
    """By test set, of pairs by pair, a line for each example."""
    choice: Choice | None = None
    """How the arm's recipe was chosen; None where it is named."""

    @property
    def stage_updates(self) -> dict[str, int]:
        return {stage: report["training"]["updates"] for stage, report in self.reports.items()}

    @property
    def last(self) -> dict[str, Any]:
        """What the training of the last stage came to; nothing where outputs were given."""
        return cast("dict[str, Any]", list(self.reports.values())[-1]["training"]) if self.reports else {}

    @property
    def seconds(self) -> float:
        """Training time of all stages, evaluations on the validation set included."""
        return float(sum(report["training"]["seconds"] for report in self.reports.values()))

    @property
    def truncated(self) -> int:
        """Training examples cut to `max_tokens`."""
        return int(sum(report["training"]["truncated"] for report in self.reports.values()))

    @property
    def rates(self) -> dict[str, Rates]:
        """Requested and realised rate of switching, by language; empty where nothing is switched."""
        return {code: Rates(**rates) for report in self.reports.values() for code, rates in report["rates"].items()}

    @property
    def back_translation(self) -> BackTranslationCost | None:
        """What its back-translations took; None where it has none."""
        return back_translation_cost(self.reports)

    @property
    def updates(self) -> int:
        """Of all its stages, and of a reverse model where they are taken out of its own."""
        cost = self.back_translation
        return sum(self.stage_updates.values()) + (cost.updates if cost is not None and cost.within else 0)

    def curve(self, name: str, pair: str = "") -> tuple[tuple[int, float], ...]:
        """(update, value) of a measure on the validation set in the last stage (`valid_nll`, …); updates are counted
        from the start of the first stage. `pair`: of which, where there are several and each has its own."""
        before = sum(list(self.stage_updates.values())[:-1])
        measured = self.last.get(f"{name}_of", {}).get(pair) or self.last.get(name, ())
        return tuple((before + update, value) for update, value in measured)


def back_translation_cost(reports: Reports) -> BackTranslationCost | None:
    """What the back-translations of a training took; None where it has none."""
    records = (report["back_translation"] for report in reports.values() if "back_translation" in report)
    record = next(records, None)
    return None if record is None else BackTranslationCost(**record)


def run_trial(experiment: Experiment[Any], trial: Trial, folder: Path, on_event: OnEvent) -> TrialResult:
    """Train one arm with one seed and have its model write its outputs; finished steps are skipped.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used, or the training failed; the message says why.
    """
    result = _result(experiment, trial, folder, on_event, work=True)
    assert result is not None
    return result


def finished_trial(
    experiment: Experiment[Any], trial: Trial, folder: Path, on_event: OnEvent, data: Sequence[Data[Any]] | None = None
) -> TrialResult | None:
    """What `run_trial` returns where all is finished; None where something is left to do.

    `data`: what the experiment reads for the trial, where it has done so.
    """
    markers = [RunDir(folder).marker(stage.name) for stage, _ in experiment.stages(trial.arm)]
    begun = all(marker.exists() for marker in markers)
    return _result(experiment, trial, folder, on_event, data, work=False) if begun else None


def _result(
    experiment: Experiment[Any],
    trial: Trial,
    folder: Path,
    on_event: OnEvent,
    data: Sequence[Data[Any]] | None = None,
    *,
    work: bool,
) -> TrialResult | None:
    run, outputs = _run_dir(experiment, trial, folder, on_event), {}
    with run.lock():
        data = read_parts(experiment, trial) if data is None else data
        trained = trained_stages(experiment, trial, data, run, on_event, work=work)
        if trained is None:
            return None
        reports, model, origin = trained
        for each in experiment.outputs(trial, data, model, on_event):
            inputs, path, count = {"before": origin, **each.inputs}, run.path / each.file, each.examples
            if work:
                outputs[each.test] = kept_lines(run, each.step, inputs, path, count, each.make)
            elif run.result(each.step, inputs, made=[path]) is None:
                return None
            else:
                outputs[each.test] = read_hypotheses(path, count)
    return TrialResult(trial.pairs, trial.arm.name, trial.seed, reports, outputs, trial.arm.choice)


def read_parts(experiment: Experiment[Any], trial: Trial) -> list[Data[Any]]:
    """What an experiment reads for each part of a trial."""
    return [experiment.read(part.pair, trial.corpora) for part in trial.parts]


def train_trial(experiment: Experiment[Any], trial: Trial, folder: Path, on_event: OnEvent) -> Reports:
    """The training of `run_trial` without the outputs, which all processes of a group call alike."""
    run = _run_dir(experiment, trial, folder, on_event)
    with ExitStack() as stack:
        on_first(lambda: stack.enter_context(run.lock()))
        data = first_before_others(partial(read_parts, experiment, trial))
        trained = trained_stages(experiment, trial, data, run, on_event, work=True)
        assert trained is not None
        return trained[0]


def _run_dir(experiment: Experiment[Any], trial: Trial, folder: Path, on_event: OnEvent) -> RunDir:
    return RunDir(folder, lambda message: on_event(Event(trial.name, message)), experiment.config.keep_changed)


def planned_stages(experiment: Experiment[Any], trial: Trial, data: Sequence[Data[Any]]) -> tuple[PlannedStage, ...]:
    """The stages of a trial with all that decides what they come to: each with that of the stages before it."""
    arm, model, init = trial.arm, trial.model, trial.arm.recipe.init
    origin = fingerprint([model_fingerprint(model), init])
    planned = []
    for (stage, settings), updates in zip(experiment.stages(arm), arm.stage_updates, strict=True):
        inputs = {
            "before": origin,
            "stage": stage.name,
            "examples": stage.examples or dict(stage.mixture),
            "updates": updates,
            "train": of_parts([each.train.fingerprint() for each in data]),
            "valid": of_parts([each.valid.fingerprint() for each in data]),
            "training": settings.decisive,
            "seed": trial.seed,
        }
        if len(trial.parts) > 1:
            inputs["together"] = {"pairs": trial.pairs, "temperature": arm.together.temperature}
        blocks: dict[str, tuple[str, Settings]] = {"restore": ("switching", arm.switching)}
        blocks |= dict.fromkeys(("gloss", "switched", "dictionary"), ("gloss", arm.gloss))
        blocks["terms"] = ("terms", arm.terms)
        for name, block in (blocks[kind] for kind in blocks.keys() & stage.mixture):
            inputs[name] = block.model_dump(mode="json")
            paths = (path for part in trial.parts for path in (*part.lexicons, *part.alignments))
            inputs["lexicons"] = [hash_with_edits(path) for path in paths]
        if FURTHER_KINDS & stage.mixture.keys():
            further = [_further(*each, arm) for each in zip(trial.parts, data, strict=True)]
            inputs["monolingual"] = fingerprint(of_parts(further))
        if "backtranslated" in stage.mixture and trial.reverse is not None:
            reverse = planned_stages(experiment, trial.reverse, list(map(reversed_data, data)))[-1]
            inputs["back_translation"] = [reverse.fingerprint, arm.back_translation.decisive]
        planned.append(PlannedStage(stage, settings, updates, inputs))
        origin = planned[-1].fingerprint
    return tuple(planned)


def of_parts(values: Sequence[Any]) -> Any:
    """What the parts of a trial have as the inputs of a step tell it: a training on one pair is not told of parts."""
    return values[0] if len(values) == 1 else values


def _further(part: Part, data: Data[Any], arm: ResolvedArm) -> dict[str, Sequence[str]]:
    """The further text that takes part in the examples of a part, by language; none where there is none."""
    languages = (part.pair.target, *[part.pair.source] * arm.models_source) if part.pair else ()
    return {code: text.sentences for code, text in data.further(arm).items() if code in languages}


def trained_stages(
    experiment: Experiment[Any], trial: Trial, data: Sequence[Data[Any]], run: RunDir, on_event: OnEvent, *, work: bool
) -> tuple[Reports, Path, str] | None:
    """Reports of the stages, the last one's model and the fingerprint of all it came from, in all processes of a group.

    Stages that are not finished are trained, or without `work` there is None. Process 0 alone looks at the folder's
    markers and writes them.
    """
    planned = on_first(partial(planned_stages, experiment, trial, data))
    if not planned:
        return {}, Path(trial.model), ""
    updates = sum(plan.updates for plan in planned)
    trackers = Trackers(trial.arm.training.report_to, run_name=trial.name, folder=run.path, updates=updates)
    model, init = trial.model, trial.arm.recipe.init
    reports: Reports = {}
    for number, plan in enumerate(planned):
        name, saved = plan.stage.name, model_folder(run.path, plan.stage.name)
        report: dict[str, Any] | None = on_first(partial(run.result, name, plan.inputs, made=[saved]))
        if report is None and not work:
            return None
        if report is None:
            outputs = experiment.outputs(trial, data, model_folder(run.path, planned[-1].stage.name), on_event)
            on_first(partial(_begin, run, trial, planned[number:], [each.file for each in outputs], on_event))
            done = sum(each["training"]["updates"] for each in reports.values())
            log = StageLog(run.path / CURVE_FILE, name, done)
            job = StageJob(trial, plan, model, init, run.path / name, saved, log, trackers, on_event)
            report = experiment.train(job, data)
            on_first(partial(run.finish, name, plan.inputs, report, made=[saved]))
            learned = dict(zip((pair or experiment.config.task for pair in trial.pairs), data, strict=True))
            on_first(partial(write_card, Made(experiment, trial, name, learned), saved, on_event))
            # The model is gone before the next stage's comes; the optimizer refers to it in circles.
            gc.collect()
        # What the next stage and the user need is in the model's folder; the optimizer's state is twice as large.
        on_first(partial(remove_but_weights if plan.settings.snapshots else remove_checkpoints, run.path / name))
        reports[name] = report
        model, init = str(saved), "pretrained"
    return reports, Path(model), planned[-1].fingerprint


def _begin(run: RunDir, trial: Trial, plans: Sequence[PlannedStage], outputs: Sequence[str], on_event: OnEvent) -> None:
    """Make the folder of a stage ready, and move aside what was made of former inputs, outputs and later stages too.

    Args:
        plans: of the stage and of those that follow.
    """
    asides = []
    for number, plan in enumerate(plans):
        folder = run.path / plan.stage.name
        if (number == 0 or folder.exists()) and (aside := run.begin(folder.name, plan.inputs, folder)) is not None:
            on_event(Event(trial.name, f"{folder.name}: its inputs have changed; the earlier version is now {aside}"))
            asides.append(aside)
            if (run.path / CURVE_FILE).is_file():
                shutil.copy(run.path / CURVE_FILE, aside)
    for path in [run.path / file for file in outputs] if asides else []:
        if path.exists():
            path.replace(asides[-1] / path.name)


def kept_lines(
    run: RunDir, step: str, inputs: Mapping[str, Any], path: Path, count: int, make: Callable[[], Sequence[str]]
) -> list[str]:
    """So many lines of a file that a step makes, where it is not there already."""
    if run.result(step, inputs, made=[path]) is None:
        lines = make()
        write_text(path, "".join(f"{line}\n" for line in lines))
        run.finish(step, inputs, len(lines), made=[path])
    return read_hypotheses(path, count)


LONGEST_MEAN = 1 << 12
"""In bytes, of the lines of a file of outputs; those of millions of sentences make a large one."""


def read_hypotheses(path: Path, sentences: int | None = None) -> list[str]:
    """A model's outputs for a test set of so many sentences (None: not known), a line each."""
    again = "Remove the file, and the same command makes them again."
    try:
        largest = max(LARGEST, LONGEST_MEAN * (sentences or 0))
        *hypotheses, rest = content_of(path, largest).decode().split("\n")
    except UnicodeDecodeError as error:
        raise SwitchtuneError(f"{path}: not UTF-8 ({error.reason} at byte {error.start:,}). {again}") from error
    if rest:
        raise SwitchtuneError(f"{path}: ends within a line. {again}")
    if sentences is not None and len(hypotheses) != sentences:
        raise SwitchtuneError(
            f"{path}: {len(hypotheses):,} lines, where the test set has {sentences:,} sentences. {again}"
        )
    return hypotheses
