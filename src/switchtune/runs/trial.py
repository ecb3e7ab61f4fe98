"""One training of a comparison: the stages of a recipe on one pair with one seed, then the test set's translation."""

import gc
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from switchtune.config.arms import ArmSettings
from switchtune.config.run import PairSettings, RunConfig
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError
from switchtune.events import (
    Event,
    OnEvent,
    stage_event,
)
from switchtune.examples import Examples, iaft_examples, task_examples
from switchtune.files import content_of, fingerprint, hash_file, write_text
from switchtune.generation import translate
from switchtune.lexicon.alignment import read_alignment
from switchtune.lexicon.files import read_lexicon
from switchtune.models.layout import Layout
from switchtune.models.load import (
    Loaded,
    load_layout,
    load_model,
    model_fingerprint,
    save_generation,
    save_model,
    verify_saved,
)
from switchtune.recipes import RECIPES, Stage, stage_updates
from switchtune.run_dir import RunDir
from switchtune.runs.tasks import TASKS, note_task, read_pair
from switchtune.runs.validation import chrf_validation
from switchtune.switching.make import (
    make_switchers,
    segmenters_for,
    switching_rates,
)
from switchtune.switching.switcher import Rates
from switchtune.training.checkpoints import remove_but_weights, remove_checkpoints
from switchtune.training.curve import METRICS, StageLog
from switchtune.training.distributed import first_before_others, on_first
from switchtune.training.trackers import Trackers
from switchtune.training.trainer import train_stage


@dataclass(frozen=True)
class Trial:
    """One training of the comparison, and where it finds what was prepared for it."""

    pair: PairSettings
    arm: ArmSettings
    seed: int
    lexicons: tuple[Path, Path] | None
    """Source → target and target → source; None where nothing is switched by a lexicon."""
    alignments: tuple[Path, Path] | None
    """Which words are linked in the training and in the validation pairs; None where words are not switched so."""
    corpora: Path
    """Where the corpora stand once they are read."""
    model: str
    """What the first stage starts from: a folder, or a name on the Hub."""

    @property
    def name(self) -> str:
        return trial_name(self.pair, self.arm, self.seed)


def trial_name(pair: PairSettings, arm: ArmSettings, seed: int) -> str:
    """Name of a trial, and its folder within the run's."""
    return f"{pair.name}/{arm.name}/seed{seed}"


@dataclass(frozen=True)
class TrialResult:
    """A finished trial."""

    pair: str
    arm: str
    seed: int
    stage_updates: dict[str, int]
    valid_nll: tuple[tuple[int, float], ...]
    """(update, validation loss) over the last stage; updates are counted from the start of the first."""
    seconds: float
    """Training time of all stages, evaluations on the validation set included."""
    truncated: int
    """Training examples cut to `max_tokens`."""
    rates: dict[str, Rates]
    """Requested and realised rate of switching, per language; empty where nothing is switched."""
    hypotheses: list[str]


@dataclass(frozen=True)
class TrainedStages:
    """The stages of a trial, all of them finished."""

    model: Path
    """Of the last stage."""
    before: str
    """Fingerprint of all that the model came from."""
    updates: tuple[int, ...]
    """Done in each stage."""
    reports: tuple[dict[str, Any], ...]
    """Of each stage: its result, and the rates of switching."""


def run_trial(config: RunConfig, trial: Trial, folder: Path, on_event: OnEvent) -> TrialResult:
    """Train one arm on one pair with one seed and translate the test set; finished steps are skipped.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used, or the training failed; the message says why.
        RunLockedError: another process is working in `folder`.
    """
    run = _run_dir(config, trial, folder, on_event)
    with run.lock():
        train, valid, test = read_pair(config, trial.pair, trial.corpora)
        trained = _train_stages(config, trial, (train, valid), run, on_event)
        hypotheses = _translate_test(config, trial, test, trained, run, on_event)
    stages = [stage.name for stage in RECIPES[trial.arm.recipe].stages]
    updates_before = sum(trained.updates[:-1])
    return TrialResult(
        pair=trial.pair.name,
        arm=trial.arm.name,
        seed=trial.seed,
        stage_updates=dict(zip(stages, trained.updates, strict=True)),
        valid_nll=tuple((updates_before + update, nll) for update, nll in trained.reports[-1]["training"]["valid_nll"]),
        seconds=sum(report["training"]["seconds"] for report in trained.reports),
        truncated=sum(report["training"]["truncated"] for report in trained.reports),
        rates={side: Rates(**rates) for report in trained.reports for side, rates in report["rates"].items()},
        hypotheses=hypotheses,
    )


def train_trial(config: RunConfig, trial: Trial, folder: Path, on_event: OnEvent) -> TrainedStages:
    """The training of `run_trial` without the translation, which all processes of a group call alike.

    Process 0 holds the folder, and does what is to be done once.
    """
    run = _run_dir(config, trial, folder, on_event)
    with ExitStack() as stack:
        on_first(lambda: stack.enter_context(run.lock()))
        train, valid, _ = first_before_others(partial(read_pair, config, trial.pair, trial.corpora))
        return _train_stages(config, trial, (train, valid), run, on_event)


def _run_dir(config: RunConfig, trial: Trial, folder: Path, on_event: OnEvent) -> RunDir:
    return RunDir(folder, lambda message: on_event(Event(trial.name, message)), config.keep_changed)


def _train_stages(
    config: RunConfig, trial: Trial, corpora: tuple[Corpus, Corpus], run: RunDir, on_event: OnEvent
) -> TrainedStages:
    """Train the stages that are not finished. Process 0 alone looks at the folder's markers and writes them."""
    training = config.training_of(trial.arm)
    recipe = RECIPES[trial.arm.recipe]
    updates = stage_updates(recipe, training.updates, training.restore_share)
    trackers = Trackers(training.report_to, run_name=trial.name, folder=run.path, updates=sum(updates))
    model, init = trial.model, recipe.init
    before = on_first(lambda: fingerprint([model_fingerprint(trial.model), recipe.init]))
    reports: list[dict[str, Any]] = []
    done: list[int] = []
    for stage, count in zip(recipe.stages, updates, strict=True):
        inputs = on_first(partial(_stage_inputs, config, trial, stage, count, corpora, before))
        folder = run.path / stage.name
        saved = folder / "model"
        report = on_first(partial(finished_or_begun, run, trial.name, stage.name, inputs, on_event))
        if report is None:
            loaded = load_model(
                model,
                init=init,
                dropout=training.dropout,
                attention_dropout=training.attention_dropout,
                seed=trial.seed,
            )
            examples = _stage_examples(loaded.layout, stage, trial, *corpora, config)
            log = StageLog(run.path / METRICS, stage.name, sum(done))
            report = _train(loaded, count, trial, examples, config, folder, before, log, trackers, on_event)
            on_first(partial(run.finish, stage.name, inputs, report, made=[saved]))
            # Gone before the next stage's model comes; the optimizer refers to it in circles.
            del loaded
            gc.collect()
        # What the next stage and the user need is in the model's folder; the optimizer's state is twice as large.
        on_first(partial(remove_but_weights if training.snapshots else remove_checkpoints, folder))
        reports.append(report)
        done.append(report["training"]["updates"])
        model, init, before = str(saved), "pretrained", fingerprint(inputs)
    return TrainedStages(Path(model), before, tuple(done), tuple(reports))


def _stage_inputs(
    config: RunConfig, trial: Trial, stage: Stage, updates: int, corpora: tuple[Corpus, Corpus], before: str
) -> dict[str, Any]:
    """All that decides what a stage comes to."""
    training = config.training_of(trial.arm)
    train, valid = corpora
    inputs = {
        "before": before,
        "stage": stage.name,
        "examples": stage.examples,
        "updates": updates,
        "train": train.fingerprint(),
        "valid": valid.fingerprint(),
        "training": training.decisive,
        "seed": trial.seed,
    }
    if stage.examples == "restore":
        inputs["switching"] = config.switching_of(trial.arm).model_dump(mode="json")
        inputs["lexicons"] = [hash_file(path) for path in (*(trial.lexicons or ()), *(trial.alignments or ()))]
    return inputs


def finished_or_begun(
    run: RunDir, subject: str, stage: str, inputs: Mapping[str, Any], on_event: OnEvent
) -> dict[str, Any] | None:
    """What a finished stage reported; where it is not finished, its folder is made ready."""
    folder = run.path / stage
    report: dict[str, Any] | None = run.result(stage, inputs, made=[folder / "model"])
    if report is None:
        aside = run.begin(stage, inputs, folder)
        if aside is not None:
            if (run.path / METRICS).is_file():
                shutil.copy(run.path / METRICS, aside)
            on_event(Event(subject, f"{stage}: its inputs have changed; what was there is now {aside}"))
    return report


@dataclass(frozen=True)
class _StageExamples:
    train: Examples
    valid: Examples
    rates: dict[str, Rates]
    """Per language; empty where nothing is switched."""


def _stage_examples(
    layout: Layout, stage: Stage, trial: Trial, train: Corpus, valid: Corpus, config: RunConfig
) -> _StageExamples:
    if stage.examples == "task":
        return _StageExamples(task_examples(train), task_examples(valid), {})
    if stage.examples == "iaft":
        words = word_segmenter(train.source_language)
        noised = iaft_examples(train, words, mask=layout.mask_token, seed=trial.seed)
        return _StageExamples(noised, task_examples(valid), {})
    switching = config.switching_of(trial.arm)
    segmenters = segmenters_for(train, switching.unit, layout.tokenizer.tokenize)
    lexicons = None
    if trial.lexicons is not None:
        lexicons = (read_lexicon(trial.lexicons[0]), read_lexicon(trial.lexicons[1]))
    mask = layout.mask_token if switching.source == "mask" else ""
    alignments = [read_alignment(path) for path in trial.alignments] if trial.alignments else [None, None]
    train_switchers, valid_switchers = (
        make_switchers(segmenters, lexicons, switching, alignment=alignment, mask=mask, seed=trial.seed)
        for alignment in alignments
    )
    source, target = switching_rates(train, train_switchers, seed=trial.seed)
    restore = TASKS[config.task].restore
    return _StageExamples(
        restore(train, train_switchers, seed=trial.seed),
        restore(valid, valid_switchers, seed=trial.seed),
        {train.source_language: source, train.target_language: target},
    )


def _train(
    loaded: Loaded,
    updates: int,
    trial: Trial,
    examples: _StageExamples,
    config: RunConfig,
    folder: Path,
    before: str,
    log: StageLog,
    trackers: Trackers,
    on_event: OnEvent,
) -> dict[str, Any]:
    training = config.training_of(trial.arm)
    for side, rates in examples.rates.items():
        on_event(Event(trial.name, f"{side}: {rates.describe()}"))
    result = train_stage(
        loaded,
        examples.train,
        valid=examples.valid,
        settings=training,
        updates=updates,
        seed=trial.seed,
        folder=folder,
        origin=before,
        log=log,
        trackers=trackers,
        # It makes its examples at once, which takes time where nothing asks for them.
        validate=chrf_validation(examples.valid, training.valid_sentences, config.generation)
        if training.best_by == "chrf"
        else None,
        on_progress=lambda step: on_event(stage_event(trial.name, log.stage, step)),
        on_message=lambda message: on_event(Event(trial.name, f"{log.stage}: {message}")),
    )
    on_first(partial(_save, loaded, trial, examples.valid, config, folder / "model"))
    return {"training": asdict(result), "rates": {side: asdict(rates) for side, rates in examples.rates.items()}}


def _save(loaded: Loaded, trial: Trial, valid: Examples, config: RunConfig, folder: Path) -> None:
    languages = (trial.pair.source, trial.pair.target)
    save_model(loaded, folder, *languages, generation=config.generation)
    note_task(config, folder)
    sample = [example.source for example in map(partial(valid.make, 0), range(min(4, valid.count)))]
    verify_saved(folder, sample, loaded, *languages, generation=config.generation)


def _translate_test(
    config: RunConfig,
    trial: Trial,
    test: Corpus,
    trained: TrainedStages,
    run: RunDir,
    on_event: OnEvent,
) -> list[str]:
    inputs = {
        "before": trained.before,
        "test": test.fingerprint(),
        "generation": config.generation.model_dump(mode="json"),
    }
    written = run.path / "hypotheses.txt"
    if run.result("translate", inputs, made=[written]) is None:
        loaded = load_model(str(trained.model))
        save_generation(loaded, trained.model, trial.pair.target, config.generation)
        hypotheses = translate(
            loaded,
            test.sources(),
            trial.pair.source,
            trial.pair.target,
            config.generation,
            on_progress=lambda done, total: on_event(Event(trial.name, "translate", done, total)),
        )
        write_text(written, "".join(f"{line}\n" for line in hypotheses))
        run.finish("translate", inputs, len(hypotheses), made=[written])
    return read_hypotheses(written, len(test))


def read_hypotheses(path: Path, sentences: int | None = None) -> list[str]:
    """The translations of a test set of so many sentences (None: not known), a line each.

    Raises:
        SwitchtuneError: the file cannot be read, is not UTF-8, ends within a line, or has another number of lines.
    """
    again = "Remove the file, and the same command translates them again."
    try:
        *hypotheses, rest = content_of(path).decode().split("\n")
    except UnicodeDecodeError as error:
        raise SwitchtuneError(f"{path}: not UTF-8 ({error.reason} at byte {error.start:,}). {again}") from error
    if rest:
        raise SwitchtuneError(f"{path}: ends within a line. {again}")
    if sentences is not None and len(hypotheses) != sentences:
        raise SwitchtuneError(
            f"{path}: {len(hypotheses):,} lines, where the test set has {sentences:,} sentences. {again}"
        )
    return hypotheses


def stage_previews(config: RunConfig, trial: Trial, train: Corpus, valid: Corpus, *, rows: int) -> list[str]:
    """The first examples of each stage as the model is given them: tokens of encoder input, labels, decoder input."""
    layout = load_layout(trial.model)
    max_tokens = layout.fitting(config.training_of(trial.arm).max_tokens)
    blocks = []
    for number, stage in enumerate(RECIPES[trial.arm.recipe].stages, start=1):
        examples = _stage_examples(layout, stage, trial, train, valid, config).train
        lines = [f"stage {number}: {stage.name} ({examples.count:,} examples an epoch)"]
        for index in range(min(rows, examples.count)):
            example = examples.make(0, index)
            ids = layout.encode(example, max_tokens=max_tokens)
            lines += [
                "",
                f"  source text     {example.source}",
                f"  target text     {example.target}",
                f"  encoder input   {' '.join(layout.tokens(ids.input_ids))}",
                f"  labels          {' '.join(layout.tokens(ids.labels))}",
                f"  decoder input   {' '.join(layout.tokens(ids.decoder_input_ids))}",
            ]
        blocks.append("\n".join(lines) + "\n")
    return blocks
