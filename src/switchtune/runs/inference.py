"""What trials of cross-lingual inference read, train and write, and how they are compared (paper 5.5)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.inference import LABELS, NliSet, read_nli
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.examples import restore_examples
from switchtune.files import fingerprint
from switchtune.lexicon.files import hash_with_edits, read_lexicon, require_unedited, take_over_edits, write_lexicon
from switchtune.lexicon.text import monolingual_text
from switchtune.models.classifier import is_encoder, open_classifier
from switchtune.models.load import load_layout
from switchtune.recipes import Stage
from switchtune.results.accuracy import accuracy_markdown, accuracy_row, accuracy_summary
from switchtune.results.comparison import Row, Summary
from switchtune.run_dir import RunDir
from switchtune.runs.arms import Trial
from switchtune.runs.paths import lexicon_files, lexicon_folder, predictions_file, trial_name
from switchtune.runs.stages import StageExamples, StageJob, train_sequences
from switchtune.runs.trial import Data, Output, TrialResult
from switchtune.switching.make import RATE_SAMPLE, ManySwitcher, dictionary_lexicon, language_switchers
from switchtune.switching.switcher import example_keys, rates_of
from switchtune.training.classification import STAGE, classifier_settings, predict, train_classifier
from switchtune.training.distributed import default_device, on_first
from switchtune.training.stage import require_runnable


@dataclass(frozen=True)
class InferenceExperiment:
    """Arms × seeds, trained in one language and tested in many.

    A classifier's training ends sooner where its accuracy on the validation set no longer rises.
    """

    config: NliConfig
    arms: tuple[ResolvedArm, ...]

    @property
    def pairs(self) -> tuple[None]:
        return (None,)

    def check_arms(self) -> None:
        """Any are compared: that a classifier's training may end sooner is part of it."""

    def check_trials(self, pairs: Sequence[None], arms: Sequence[ResolvedArm]) -> None:
        for arm in arms:
            _check_arm(arm, self.config.tested)

    def read(self, pair: None, cache_dir: Path) -> Data[NliSet]:
        data, language = self.config.data, self.config.language
        read = partial(read_nli, columns=data.columns)
        tests = {tested: read(data.test, tested) for tested in self.config.tested}
        return Data(read(data.train, language, limit=data.limit), read(data.valid, language), tests)

    def prepare(
        self, pair: None, arms: Sequence[ResolvedArm], data: Data[NliSet], run: RunDir, on_event: OnEvent
    ) -> list[tuple[tuple[Path, ...], tuple[Path, ...]]]:
        for each in (data.train, data.valid, *data.tests.values()):
            on_event(Event(each.language, each.describe()))
        texts, source = (*data.train.premises, *data.train.hypotheses), self.config.language
        text = cache(lambda: monolingual_text(texts, source, word_segmenter(source)))

        def lexicon(arm: ResolvedArm, target: str) -> Path:
            settings, pair = arm.dictionaries.of(target), f"{source}-{target}"
            inputs = {
                "settings": settings.built_from,
                "files": [hash_with_edits(Path(path)) for path in settings.files if Path(path).is_file()],
                "text": data.train.fingerprint(),
            }
            name = f"dictionary-{fingerprint(inputs)[:8]}"
            path, _ = lexicon_files(lexicon_folder(run.path, pair, name), source, target)
            step = f"lexicon.{pair}.{name}"
            require_unedited(path)
            if run.result(step, inputs) is None or not path.exists():
                built = dictionary_lexicon(text(), target, settings)
                if not path.exists():  # else it may have been edited, and be of an earlier version
                    write_lexicon(built, path)
                take_over_edits(path)
                run.finish(step, inputs, len(built))
                on_event(Event(target, f"{path}: {len(built):,} words from {', '.join(settings.files)}"))
            return path

        targets = [self.config.languages if arm.needs_lexicons else () for arm in arms]
        return [(tuple(lexicon(arm, code) for code in codes), ()) for arm, codes in zip(arms, targets, strict=True)]

    def start_model(
        self, trials: Sequence[Trial], data: Mapping[str, Data[NliSet]], run: RunDir, on_event: OnEvent
    ) -> str | None:
        return None

    def stages(self, arm: ResolvedArm) -> Sequence[tuple[Stage, TrainingSettings]]:
        """Those of the recipe, with the classifier's in place of the task's."""
        classified = (Stage(STAGE, {"task": 1.0}), classifier_settings(arm.classification, arm.training))
        return [(stage, arm.training) if stage.examples == "restore" else classified for stage in arm.recipe.stages]

    def train(self, job: StageJob, data: Data[NliSet]) -> dict[str, Any]:
        """Have premises and hypotheses restored from their switched forms, or classified."""
        if job.name == STAGE:
            return self._classify(job, data)
        loaded, trial, language = job.load(), job.trial, self.config.language
        lexicons = dict(zip(self.config.languages, map(read_lexicon, trial.lexicons), strict=bool(trial.lexicons)))
        mask = loaded.layout.mask_token if trial.arm.switching.source == "mask" else ""
        switchers = language_switchers(language, lexicons, trial.arm.switching, mask=mask, seed=trial.seed)
        sample = data.train.premises[:RATE_SAMPLE]
        keys = example_keys(trial.seed, [(0, row) for row in range(len(sample))])
        rates = {
            code: rates_of(words for _, words in switcher.in_pairs(sample, sample, range(len(sample)), keys=keys))
            for code, switcher in switchers.items()
        }
        for code, each in rates.items():
            job.on_event(Event(trial.name, f"to {code}: {each.describe()}"))
        many = ManySwitcher(tuple(switchers.values()))
        train, valid = (
            restore_examples(part.corpus(), (many, many), seed=trial.seed) for part in (data.train, data.valid)
        )
        return train_sequences(job, loaded, StageExamples(train, valid, rates), (language, language))

    def _classify(self, job: StageJob, data: Data[NliSet]) -> dict[str, Any]:
        trial, settings, updates = job.trial, job.plan.settings, job.plan.updates
        classifier = open_classifier(
            *(job.model, self.config.language),
            max_tokens=settings.max_tokens,
            init=job.init,
            **settings.dropouts,
            seed=trial.seed,
        )
        trained = train_classifier(
            classifier,
            data.train,
            valid=data.valid,
            settings=settings,
            updates=updates,
            seed=trial.seed,
            folder=job.folder,
            origin=job.origin,
            log=job.log,
            trackers=job.trackers,
            # Its speed counts pairs, not tokens.
            on_progress=lambda step: job.on_event(Event(trial.name, STAGE, step.update, updates, step.loss)),
            on_message=job.tell,
        )
        on_first(partial(classifier.save, job.saved))
        return {"training": asdict(trained), "rates": {}}

    def outputs(self, trial: Trial, data: Data[NliSet], model: Path, on_event: OnEvent) -> list[Output]:
        max_tokens = trial.arm.classification.max_tokens
        opened = cache(lambda: open_classifier(str(model), self.config.language, max_tokens=max_tokens))

        def labels(test: NliSet) -> list[str]:
            on_event(Event(trial.name, f"classifying {len(test):,} examples in {test.language}"))
            return [LABELS[label] for label in predict(opened(), test)]

        return [
            Output(code, f"predict.{code}", predictions_file(code), {"test": test.fingerprint()}, partial(labels, test))
            for code, test in data.tests.items()
        ]

    def summary(self, data: Mapping[str, Data[NliSet]], results: Sequence[TrialResult]) -> Summary:
        (read,) = data.values()
        rows = [row for test in read.tests.values() for row in self._rows(test, results)]
        return accuracy_summary(rows, self.config.baseline, self.config.seeds)

    def page(self, summary: Summary) -> str:
        return accuracy_markdown(summary)

    def _rows(self, test: NliSet, results: Sequence[TrialResult]) -> Iterator[Row]:
        """Each arm's on the test set of a language."""
        by_arm = {arm.name: [result for result in results if result.arm == arm.name] for arm in self.arms}
        correct = {arm: [_right(result, test) for result in trials] for arm, trials in by_arm.items()}
        for arm in self.arms:
            trials, trained = by_arm[arm.name], [result.last for result in by_arm[arm.name]]
            yield accuracy_row(
                correct[arm.name],
                None if arm.name == self.config.baseline else correct[self.config.baseline],
                chance=max(Counter(test.labels).values()) / len(test),
                pair=test.language,
                arm=arm.name,
                stage_updates=trials[0].stage_updates,
                rates=trials[0].rates,
                truncated=trained[0]["truncated"],
                minutes=sum(result.seconds for result in trials) / len(trials) / 60,
                details={
                    "model": arm.model,
                    "chosen_updates": [each["chosen_update"] for each in trained],
                    "valid_accuracy": [dict(each["valid_accuracy"])[each["chosen_update"]] for each in trained],
                },
            )


def _check_arm(arm: ResolvedArm, languages: Sequence[str]) -> None:
    """As `Experiment.check_trials`, of one arm."""
    arm.stage_updates  # noqa: B018
    device = torch.device(default_device())
    layout = None if is_encoder(arm.model) else load_layout(arm.model)
    family = layout.family.name if layout else None
    require_runnable(classifier_settings(arm.classification, arm.training), family, device)
    if layout is None:
        if arm.restores:
            raise UsageError(
                f"arms.{arm.name}: {arm.model} is an encoder alone, which cannot restore sentences in stage 1. Take "
                "recipe: standard, or a model with a decoder."
            )
        return
    for language in languages:
        layout.code(language)
    require_runnable(arm.training, family, device)
    if arm.restores and arm.switching.source == "mask":
        layout.mask_token  # noqa: B018


def _right(result: TrialResult, test: NliSet) -> list[bool]:
    """Which labels of a test set are told right."""
    lines = result.outputs[test.language]
    if unknown := sorted(set(lines) - set(LABELS)):
        file = Path(trial_name("", result.arm, result.seed), predictions_file(test.language))
        raise SwitchtuneError(
            f"{file}: found the label {unknown[0]!r}; one of {', '.join(LABELS)} is expected in each line. Remove the "
            "file, and the same command makes it again."
        )
    return [LABELS.index(line) == label for line, label in zip(lines, test.labels, strict=True)]
