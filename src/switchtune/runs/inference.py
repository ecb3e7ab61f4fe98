"""Cross-lingual NLI, from end to end: recipes × seeds, trained in one language, tested in many (paper 5.5)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import torch

from switchtune.config.inference import NliArmSettings, NliConfig
from switchtune.corpus.inference import LABELS, NliSet, read_nli
from switchtune.corpus.read import read_lines
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent, stage_event
from switchtune.examples import restore_examples
from switchtune.files import fingerprint, hash_file, write_text
from switchtune.lexicon.build import side_of
from switchtune.lexicon.files import read_lexicon, write_lexicon
from switchtune.models.classifier import Classifier, is_encoder, open_classifier, weight_count
from switchtune.models.load import load_layout, load_model, model_fingerprint, save_model
from switchtune.recipes import RECIPES, RESTORE, stage_updates
from switchtune.results.accuracy import accuracy_markdown, accuracy_row, accuracy_summary
from switchtune.results.comparison import Row, Summary, metrics_record
from switchtune.run_dir import RunDir, claim_folder, write_sealed
from switchtune.runs.manifest import surroundings
from switchtune.runs.trial import finished_or_begun
from switchtune.runs.workers import jobs_for, require_one_process, side_by_side
from switchtune.switching.make import RATE_SAMPLE
from switchtune.switching.many import ManySwitcher, dictionary_lexicon, language_switchers
from switchtune.switching.switcher import Rates, example_keys, measure
from switchtune.training.checkpoints import remove_checkpoints
from switchtune.training.classification import (
    STAGE,
    ClassifierResult,
    classifier_settings,
    predict,
    train_classifier,
)
from switchtune.training.curve import METRICS, StageLog
from switchtune.training.stage import require_runnable
from switchtune.training.trackers import Trackers
from switchtune.training.trainer import train_stage


@dataclass(frozen=True)
class NliTrial:
    """One training of the comparison."""

    arm: NliArmSettings
    seed: int
    lexicons: Mapping[str, Path]
    """By language; empty where nothing is switched by a lexicon."""

    @property
    def name(self) -> str:
        """Its folder within the run's."""
        return f"{self.arm.name}/seed{self.seed}"


@dataclass(frozen=True)
class NliTrialResult:
    """A finished training, and what it tells of the test sets."""

    arm: str
    seed: int
    stage_updates: dict[str, int]
    """Done in each stage."""
    classifier: ClassifierResult
    seconds: float
    """Of training, all stages."""
    rates: dict[str, Rates]
    predictions: dict[str, list[int]]
    """By language, a place in `LABELS` for every example."""


def run_nli(config: NliConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None) -> Summary:
    """Train every arm with every seed on one language, test all languages, compare with the baseline.

    All arms may do the same total of updates; a classifier's training ends sooner where its accuracy on the validation
    set no longer rises, and its best weights are tested. Steps that are done are skipped, interrupted trainings go on.
    Writes `config.resolved.yaml`, `manifest.json`, `metrics.json`, `comparison.md`, and for every arm and seed
    `predictions.LANGUAGE.txt`, a label a line.

    Raises:
        SwitchtuneError: data, model or dictionaries cannot be used; the message says which and why.
        RunLockedError: another process is working in the folder.
    """
    require_one_process()
    folder = Path(folder)
    claim_folder(folder, "run", inputs=config.inputs)
    run = RunDir(folder, lambda message: on_event(Event("run", message)), config.keep_changed)
    with run.lock():
        write_text(folder / "config.resolved.yaml", config.as_yaml())
        for arm in config.recipes:
            _check(config, arm)
        train, valid = _read_training(config)
        tests = {language: _read_test(config, language) for language in config.tested}
        for data in (train, valid, *tests.values()):
            on_event(Event(data.language, data.describe()))
        trials = []
        for arm in config.recipes:
            lexicons = _prepare_lexicons(config, arm, train, run, on_event)
            trials += [NliTrial(arm, seed, lexicons) for seed in config.seeds]
        write_sealed(folder / "manifest.json", _manifest(config, train, valid, tests, trials))
        models = {config.model_of(arm) for arm in config.recipes}
        jobs = jobs_for(config.jobs, len(trials), lambda: max(map(weight_count, models)))
        results = side_by_side(run_trial, [(config, trial, folder / trial.name) for trial in trials], jobs, on_event)
        summary = accuracy_summary(list(_rows(config, tests, results)), config.baseline, config.seeds)
        write_sealed(folder / "metrics.json", metrics_record(summary))
        write_text(folder / "comparison.md", accuracy_markdown(summary))
        return summary


def _check(config: NliConfig, arm: NliArmSettings) -> None:
    """Have what an arm would stumble over known before the hours of training of the arms before it."""
    model, recipe, training = config.model_of(arm), RECIPES[arm.recipe], config.training_of(arm)
    stage_updates(recipe, training.updates, training.restore_share)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = is_encoder(model)
    family = None if encoder else load_layout(model).family.name
    require_runnable(classifier_settings(config.classification_of(arm), training), family, device)
    if encoder:
        if RESTORE in recipe.stages:
            raise UsageError(
                f"recipes.{arm.name}: {model} is an encoder alone, which cannot restore sentences in stage 1. Take "
                "recipe: standard, or a model with a decoder."
            )
        return
    layout = load_layout(model)
    for language in config.tested:
        layout.code(language)
    require_runnable(training, layout.family.name, device)
    if RESTORE in recipe.stages and config.switching_of(arm).source == "mask":
        layout.mask_token  # noqa: B018


def _read_training(config: NliConfig) -> tuple[NliSet, NliSet]:
    """The training set and the validation set."""
    data = config.data
    train = read_nli(data.train, config.language, columns=data.columns, limit=data.limit)
    return train, read_nli(data.valid, config.language, columns=data.columns)


def _read_test(config: NliConfig, language: str) -> NliSet:
    return read_nli(config.data.test, language, columns=config.data.columns)


def _prepare_lexicons(
    config: NliConfig, arm: NliArmSettings, train: NliSet, run: RunDir, on_event: OnEvent
) -> dict[str, Path]:
    """An arm's lexicons as files to be read and edited; one that is there is used as it stands."""
    if RESTORE not in RECIPES[arm.recipe].stages or config.switching_of(arm).source == "mask":
        return {}
    paths: dict[str, Path] = {}
    text = None
    for language in config.languages:
        settings = config.lexicon_of(arm).of(language)
        inputs = {
            "settings": settings.built_from,
            "files": [hash_file(Path(path)) for path in settings.files if Path(path).is_file()],
            "text": train.fingerprint(),
        }
        pair = f"{config.language}-{language}"
        name = f"dictionary-{fingerprint(inputs)[:8]}"
        path = run.path / "lexicon" / pair / name / f"lexicon.{pair}.tsv"
        step = f"lexicon.{pair}.{name}"
        if run.result(step, inputs) is None or not path.exists():
            text = text or side_of((*train.premises, *train.hypotheses), train.language, word_segmenter(train.language))
            lexicon = dictionary_lexicon(text, language, settings)
            write_lexicon(lexicon, path)
            run.finish(step, inputs, len(lexicon))
            on_event(Event(language, f"{path}: {len(lexicon):,} words from {', '.join(settings.files)}"))
        paths[language] = path
    return paths


@dataclass(frozen=True)
class _Start:
    """What a stage begins with."""

    model: str
    init: Literal["pretrained", "random"]
    fingerprint: str
    """Of all that the model came from."""


def run_trial(config: NliConfig, trial: NliTrial, folder: Path, on_event: OnEvent) -> NliTrialResult:
    """Train one arm with one seed and classify the test sets; finished steps are skipped.

    Raises:
        SwitchtuneError: data, model or lexicons cannot be used, or the training failed; the message says why.
        RunLockedError: another process is working in `folder`.
    """
    run = RunDir(folder, lambda message: on_event(Event(trial.name, message)), config.keep_changed)
    with run.lock():
        training, recipe = config.training_of(trial.arm), RECIPES[trial.arm.recipe]
        *_, updates = counts = stage_updates(recipe, training.updates, training.restore_share)
        data = _read_training(config)
        model = config.model_of(trial.arm)
        start = _Start(model, recipe.init, fingerprint([model_fingerprint(model), recipe.init]))
        trackers = Trackers(training.report_to, run_name=trial.name, folder=run.path, updates=sum(counts))
        restored: dict[str, Any] | None = None
        if RESTORE in recipe.stages:
            restored, start = _restore(config, trial, data, counts[0], start, trackers, run, on_event)
        before = restored["training"]["updates"] if restored else 0
        classified, start = _classify(config, trial, data, updates, before, start, trackers, run, on_event)
        max_tokens = config.classification_of(trial.arm).max_tokens
        opened = cache(partial(open_classifier, start.model, config.language, max_tokens=max_tokens))
        predictions = {
            language: _predict(config, trial, language, start, opened, run, on_event) for language in config.tested
        }
    result = ClassifierResult.from_record(classified)
    return NliTrialResult(
        arm=trial.arm.name,
        seed=trial.seed,
        stage_updates={**({RESTORE.name: before} if restored else {}), STAGE: result.updates},
        classifier=result,
        seconds=result.seconds + (restored["training"]["seconds"] if restored else 0.0),
        rates={code: Rates(**rates) for code, rates in (restored["rates"] if restored else {}).items()},
        predictions=predictions,
    )


def _restore(
    config: NliConfig,
    trial: NliTrial,
    data: tuple[NliSet, NliSet],
    updates: int,
    start: _Start,
    trackers: Trackers,
    run: RunDir,
    on_event: OnEvent,
) -> tuple[dict[str, Any], _Start]:
    """Stage 1: restore premises and hypotheses from their switched forms. Its report, and its model."""
    training, switching = config.training_of(trial.arm), config.switching_of(trial.arm)
    train, valid = data
    inputs = {
        "before": start.fingerprint,
        "updates": updates,
        "train": train.fingerprint(),
        "valid": valid.fingerprint(),
        "training": training.decisive,
        "seed": trial.seed,
        "switching": switching.model_dump(mode="json"),
        "lexicons": {language: hash_file(path) for language, path in trial.lexicons.items()},
    }
    folder = run.path / RESTORE.name
    report = finished_or_begun(run, trial.name, RESTORE.name, inputs, on_event)
    if report is None:
        loaded = load_model(
            start.model,
            init=start.init,
            dropout=training.dropout,
            attention_dropout=training.attention_dropout,
            seed=trial.seed,
        )
        switchers = language_switchers(
            config.language,
            {language: read_lexicon(path) for language, path in trial.lexicons.items()},
            switching,
            mask=loaded.layout.mask_token if switching.source == "mask" else "",
            seed=trial.seed,
        )
        sample = train.premises[:RATE_SAMPLE]
        keys = example_keys(trial.seed, [(0, row) for row in range(len(sample))])
        rates = {
            language: measure(switcher.switched(sample, sample, range(len(sample)), keys=keys))
            for language, switcher in switchers.items()
        }
        for language, each in rates.items():
            on_event(Event(trial.name, f"to {language}: {each.describe()}"))
        many = ManySwitcher(tuple(switchers.values()))
        trained = train_stage(
            loaded,
            restore_examples(train.corpus(), (many, many), seed=trial.seed),
            valid=restore_examples(valid.corpus(), (many, many), seed=trial.seed),
            settings=training,
            updates=updates,
            seed=trial.seed,
            folder=folder,
            origin=start.fingerprint,
            log=StageLog(run.path / METRICS, RESTORE.name),
            trackers=trackers,
            on_progress=lambda step: on_event(stage_event(trial.name, RESTORE.name, step)),
            on_message=lambda message: on_event(Event(trial.name, f"{RESTORE.name}: {message}")),
        )
        save_model(loaded, folder / "model", config.language, config.language)
        report = {"training": asdict(trained), "rates": {code: asdict(each) for code, each in rates.items()}}
        run.finish(RESTORE.name, inputs, report, made=[folder / "model"])
    remove_checkpoints(folder)
    return report, _Start(str(folder / "model"), "pretrained", fingerprint(inputs))


def _classify(
    config: NliConfig,
    trial: NliTrial,
    data: tuple[NliSet, NliSet],
    updates: int,
    updates_before: int,
    start: _Start,
    trackers: Trackers,
    run: RunDir,
    on_event: OnEvent,
) -> tuple[dict[str, Any], _Start]:
    """The stage that trains the classifier. Its report, and the model that was kept."""
    settings = classifier_settings(config.classification_of(trial.arm), config.training_of(trial.arm))
    train, valid = data
    inputs = {
        "before": start.fingerprint,
        "updates": updates,
        "train": train.fingerprint(),
        "valid": valid.fingerprint(),
        "training": settings.decisive,
        "seed": trial.seed,
    }
    folder = run.path / STAGE
    report = finished_or_begun(run, trial.name, STAGE, inputs, on_event)
    if report is None:
        classifier = open_classifier(
            start.model,
            config.language,
            max_tokens=settings.max_tokens,
            init=start.init,
            dropout=settings.dropout,
            attention_dropout=settings.attention_dropout,
            seed=trial.seed,
        )
        trained = train_classifier(
            classifier,
            train,
            valid=valid,
            settings=settings,
            updates=updates,
            seed=trial.seed,
            folder=folder,
            origin=start.fingerprint,
            log=StageLog(run.path / METRICS, STAGE, updates_before),
            trackers=trackers,
            on_progress=lambda step: on_event(Event(trial.name, STAGE, step.update, updates, step.loss)),
            on_message=lambda message: on_event(Event(trial.name, f"{STAGE}: {message}")),
        )
        classifier.save(folder / "model")
        report = asdict(trained)
        run.finish(STAGE, inputs, report, made=[folder / "model"])
    remove_checkpoints(folder)
    return report, _Start(str(folder / "model"), "pretrained", fingerprint(inputs))


def _predict(
    config: NliConfig,
    trial: NliTrial,
    language: str,
    start: _Start,
    opened: Callable[[], Classifier],
    run: RunDir,
    on_event: OnEvent,
) -> list[int]:
    """The labels that the classifier gives a test set; also in a file, a name a line."""
    test = _read_test(config, language)
    inputs = {"before": start.fingerprint, "test": test.fingerprint()}
    written = run.path / f"predictions.{language}.txt"
    step = f"predict.{language}"
    if run.result(step, inputs, made=[written]) is None:
        on_event(Event(trial.name, f"classifying {len(test):,} examples in {language}"))
        predicted = predict(opened(), test)
        write_text(written, "".join(f"{LABELS[label]}\n" for label in predicted))
        run.finish(step, inputs, len(predicted), made=[written])
    return _read_predictions(written, len(test))


def _read_predictions(path: Path, examples: int) -> list[int]:
    names = read_lines(path)
    unknown = sorted(set(names) - set(LABELS))
    if unknown or len(names) != examples:
        found = f"the label {unknown[0]!r}" if unknown else f"{len(names):,} lines"
        raise SwitchtuneError(
            f"{path}: found {found}; {examples:,} lines of {', '.join(LABELS)} are expected. Remove the file, and the "
            "same command makes it again."
        )
    return [LABELS.index(name) for name in names]


def _rows(config: NliConfig, tests: Mapping[str, NliSet], results: list[NliTrialResult]) -> Iterator[Row]:
    """Of every language each arm's, the training language first."""

    def correct(name: str, language: str) -> list[list[bool]]:
        labels = tests[language].labels
        return [
            [one == other for one, other in zip(result.predictions[language], labels, strict=True)]
            for result in results
            if result.arm == name
        ]

    for language, test in tests.items():
        for arm in config.recipes:
            of_arm = [result for result in results if result.arm == arm.name]
            classifiers = [result.classifier for result in of_arm]
            yield accuracy_row(
                correct(arm.name, language),
                None if arm.name == config.baseline else correct(config.baseline, language),
                chance=max(Counter(test.labels).values()) / len(test),
                pair=language,
                arm=arm.name,
                stage_updates=of_arm[0].stage_updates,
                rates=of_arm[0].rates,
                truncated=classifiers[0].truncated,
                minutes=sum(result.seconds for result in of_arm) / len(of_arm) / 60,
                details={
                    "model": config.model_of(arm),
                    "chosen_updates": [each.chosen_update for each in classifiers],
                    "valid_accuracy": [dict(each.valid_accuracy)[each.chosen_update] for each in classifiers],
                },
            )


def _manifest(
    config: NliConfig,
    train: NliSet,
    valid: NliSet,
    tests: Mapping[str, NliSet],
    trials: list[NliTrial],
) -> dict[str, Any]:
    """What a run was made of: versions, hashes of data, models and lexicons, seeds, the machine."""
    sets = {"train": train, "valid": valid, **{f"test.{language}": test for language, test in tests.items()}}
    return {
        **surroundings(),
        "models": {
            model: model_fingerprint(model) for model in dict.fromkeys(config.model_of(arm) for arm in config.recipes)
        },
        "data": {
            name: {"origin": each.origin, "examples": len(each), "fingerprint": each.fingerprint()}
            for name, each in sets.items()
        },
        "lexicons": {str(path): hash_file(path) for path in sorted({p for t in trials for p in t.lexicons.values()})},
        "seeds": list(config.seeds),
    }
