"""What trials of cross-lingual inference read, train and write, and how they are compared (paper 5.5)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.inference import LABELS, NliSet, read_nli
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.examples import (
    Example,
    Examples,
    generator,
    mixed_examples,
    restore_examples,
    switched_pairs,
    task_examples,
)
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import Lexicon
from switchtune.lexicon.text import monolingual_text
from switchtune.models.classifier import as_one_text, is_encoder, open_classifier
from switchtune.models.layout import Layout
from switchtune.models.load import load_layout
from switchtune.recipes import ExampleKind, Stage
from switchtune.results.accuracy import accuracy_markdown, accuracy_row, accuracy_summary
from switchtune.results.comparison import Row, Summary
from switchtune.run_dir import RunDir
from switchtune.runs.arms import Trial
from switchtune.runs.dictionaries import DictionaryLexicons
from switchtune.runs.given import given_file, given_labels, given_output, given_row
from switchtune.runs.paths import predictions_file, trial_name
from switchtune.runs.previews import given_lines, sequence_lines, stage_preview
from switchtune.runs.stages import StageExamples, StageJob, train_sequences
from switchtune.runs.trial import Data, Output, TrialResult
from switchtune.switching.gloss import Glosser
from switchtune.switching.make import RATE_SAMPLE, ManySwitcher, language_switchers
from switchtune.switching.switcher import Rates, example_keys, rates_of
from switchtune.training.classification import STAGE, LabelledExamples, classifier_settings, predict, train_classifier
from switchtune.training.distributed import on_first, training_device
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

    def groups(self, arm: ResolvedArm) -> tuple[tuple[None]]:
        return ((None,),)

    def check_trials(self, pairs: Sequence[None], arms: Sequence[ResolvedArm]) -> None:
        for arm in arms:
            _check_arm(arm, self.config.tested)

    def about_outputs(self, pair: None, arm: ResolvedArm, data: Data[NliSet]) -> list[str]:
        return [
            f"{file}: {len(given_labels(file, data.tests[code])):,} labels"
            for code, files in arm.outputs.items()
            for file in files
        ]

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
        lexicons = DictionaryLexicons(text, data.train.fingerprint(), source, run, on_event)
        languages = self.config.languages
        return [(tuple(map(lexicons.into, languages, self.config.lexicons_of(arm))), ()) for arm in arms]

    def start_model(
        self, trials: Sequence[Trial], data: Mapping[str, Data[NliSet]], run: RunDir, on_event: OnEvent
    ) -> str | None:
        return None

    def stages(self, arm: ResolvedArm) -> Sequence[tuple[Stage, TrainingSettings]]:
        """Those of the recipe, with the classifier's in place of the last; none where labels are given."""
        settings = classifier_settings(arm.classification, arm.training)
        classified = [(replace(last, name=STAGE), settings) for last in arm.recipe.stages[-1:]]
        return [*((stage, arm.training) for stage in arm.recipe.stages[:-1]), *classified]

    def train(self, job: StageJob, data: Sequence[Data[NliSet]]) -> dict[str, Any]:
        """Have premises and hypotheses restored from their switched forms, or classified."""
        if job.plan.stage.examples != "restore":
            return self._classify(job, data[0])
        loaded, language = job.load(), self.config.language
        examples = self._restored(job.trial, data[0])
        _tell(job, examples.rates)
        return train_sequences(job, loaded, examples, (language, language))

    def _mask(self, trial: Trial) -> str:
        return load_layout(trial.model).mask_token if trial.arm.needs_mask else ""

    def _restored(self, trial: Trial, data: Data[NliSet]) -> StageExamples:
        """What stage 1 is trained and validated on."""
        lexicons, mask = self._lexicons(trial), self._mask(trial)
        switchers = language_switchers(self.config.language, lexicons, trial.arm.switching, mask=mask, seed=trial.seed)
        sample = data.train.premises[:RATE_SAMPLE]
        keys = example_keys(trial.seed, [(0, row) for row in range(len(sample))])
        rates = {
            code: rates_of(words for _, words in switcher.in_pairs(sample, sample, range(len(sample)), keys=keys))
            for code, switcher in switchers.items()
        }
        many = ManySwitcher(tuple(switchers.values()))
        train, valid = (
            restore_examples(part.corpus(), (many, many), seed=trial.seed) for part in (data.train, data.valid)
        )
        return StageExamples(train, {"": valid}, rates)

    def _lexicons(self, trial: Trial) -> dict[str, Lexicon]:
        """By the language that they translate to."""
        return dict(zip(self.config.languages, map(read_lexicon, trial.lexicons), strict=bool(trial.lexicons)))

    def _kinds(self, stage: Stage, trial: Trial, train: NliSet) -> tuple[dict[ExampleKind, Examples], dict[str, Rates]]:
        """Premises and hypotheses that a classifier is trained on, by kind, and how many words are switched in them."""
        corpus, settings, own = train.corpus(), trial.arm.gloss, word_segmenter(self.config.language)
        if stage.examples == "task":
            return {"task": task_examples(corpus)}, {}
        mask = self._mask(trial)
        glosses = {
            code: Glosser((own, word_segmenter(code)), lexicon, settings, mask)
            for code, lexicon in self._lexicons(trial).items()
        }
        sample, rng = train.premises[:RATE_SAMPLE], generator(trial.seed, 0, 0)
        rates = {code: gloss.rates(sample, rng) for code, gloss in glosses.items()}
        switched = switched_pairs(corpus, glosses, seed=trial.seed)
        made: dict[ExampleKind, Examples] = {"task": task_examples(corpus), "switched": switched}
        return {kind: made[kind] for kind in stage.mixture}, rates

    def _classify(self, job: StageJob, data: Data[NliSet]) -> dict[str, Any]:
        trial, settings, updates = job.trial, job.plan.settings, job.plan.updates
        classifier = open_classifier(
            *(job.model, self.config.language),
            max_tokens=settings.max_tokens,
            init=job.init,
            **settings.dropouts,
            seed=trial.seed,
        )
        stage = job.plan.stage
        kinds, rates = self._kinds(stage, trial, data.train)
        _tell(job, rates)
        train = LabelledExamples(_mixed(stage, kinds, trial), data.train.labels * len(kinds), data.train.fingerprint())
        trained = train_classifier(
            classifier,
            train,
            valid=data.valid,
            settings=settings,
            updates=updates,
            seed=trial.seed,
            folder=job.folder,
            origin=job.origin,
            log=job.log,
            trackers=job.trackers,
            # Its speed counts pairs, not tokens.
            on_progress=lambda step: job.on_event(Event(trial.name, job.name, step.update, updates, step.loss)),
            on_message=job.tell,
        )
        on_first(partial(classifier.save, job.saved))
        return {"training": asdict(trained), "rates": {code: asdict(each) for code, each in rates.items()}}

    def previews(self, trial: Trial, data: Sequence[Data[NliSet]], folder: Path, *, rows: int) -> list[str]:
        (read,) = data
        _check_arm(trial.arm, self.config.tested)
        layout, blocks = None if is_encoder(trial.model) else load_layout(trial.model), []
        for number, (stage, settings) in enumerate(self.stages(trial.arm), start=1):
            kinds: Mapping[ExampleKind, Examples]
            if stage.examples == "restore" and layout is not None:
                kinds = {"restore": self._restored(trial, read).train}
                lines_of = partial(sequence_lines, layout, settings.max_tokens)
            else:
                kinds, _ = self._kinds(stage, trial, read.train)
                lines_of = partial(_label_lines, layout, settings.max_tokens, read.train.labels)
            heading = f"stage {number}: {stage.name} ({_mixed(stage, kinds, trial).of_epoch(0):,} examples an epoch)"
            blocks.append(stage_preview(heading, kinds.items(), lines_of, rows=rows))
        return blocks

    def outputs(self, trial: Trial, data: Sequence[Data[NliSet]], model: Path, on_event: OnEvent) -> list[Output]:
        (read,) = data
        if trial.arm.outputs:
            files = {code: given_file(trial, code, self.config.seeds) for code in read.tests}
            return [
                given_output(test, code, files[code], predictions_file(code), given_labels)
                for code, test in read.tests.items()
            ]
        max_tokens = trial.arm.classification.max_tokens
        opened = cache(lambda: open_classifier(str(model), self.config.language, max_tokens=max_tokens))

        def labels(test: NliSet) -> list[str]:
            on_event(Event(trial.name, f"classifying {len(test):,} examples in {test.language}"))
            return [LABELS[label] for label in predict(opened(), test)]

        return [
            Output(
                *(code, len(test), f"predict.{code}", predictions_file(code), {"test": test.fingerprint()}),
                partial(labels, test),
            )
            for code, test in read.tests.items()
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
        once = {arm.name for arm in self.arms if arm.one_output}
        correct = {
            arm: [_right(result, test, None if arm in once else result.seed) for result in trials]
            for arm, trials in by_arm.items()
        }
        for arm in self.arms:
            trials, last = by_arm[arm.name], [result.last for result in by_arm[arm.name] if result.reports]
            yield accuracy_row(
                correct[arm.name],
                None if arm.name == self.config.baseline else correct[self.config.baseline],
                chance=max(Counter(test.labels).values()) / len(test),
                trained=(self.config.baseline not in once, arm.name not in once),
                pair=test.language,
                arm=arm.name,
                stage_updates=trials[0].stage_updates,
                rates=trials[0].rates,
                truncated=last[0]["truncated"] if last else 0,
                minutes=sum(result.seconds for result in trials) / len(trials) / 60 if last else None,
                choice=trials[0].choice,
                outputs=given_row(arm.outputs[test.language], ()) if arm.outputs else None,
                details={
                    "model": arm.model,
                    "chosen_updates": [each["chosen_update"] for each in last],
                    "valid_accuracy": [dict(each["valid_accuracy"])[each["chosen_update"]] for each in last],
                }
                if last
                else {},
            )


def _mixed(stage: Stage, kinds: Mapping[ExampleKind, Examples], trial: Trial) -> Examples:
    if stage.examples is not None:
        return kinds[stage.examples]
    shares = [(kinds[kind], share) for kind, share in stage.mixture.items()]
    return mixed_examples(shares, seed=trial.seed, per_batch=trial.arm.classification.batch)


def _label_lines(
    layout: Layout | None, max_tokens: int, labels: Sequence[int], example: Example, index: int
) -> list[str]:
    """An example as text and, where the model is no encoder alone, as the model takes it."""
    lines = [
        f"  premise         {example.source}",
        f"  hypothesis      {example.target}",
        f"  label           {LABELS[labels[index]]}",
    ]
    if layout is None:
        return lines
    encoder, _, decoder = given_lines(layout, max_tokens, as_one_text(example))
    return [*lines, encoder, decoder]


def _tell(job: StageJob, rates: Mapping[str, Rates]) -> None:
    """Say how many words are switched, by the language that they are switched to."""
    for code, each in rates.items():
        job.on_event(Event(job.trial.name, f"to {code}: {each.describe()}"))


def _check_arm(arm: ResolvedArm, languages: Sequence[str]) -> None:
    """As `Experiment.check_trials`, of one arm."""
    arm.stage_updates  # noqa: B018
    device = training_device()
    layout = None if is_encoder(arm.model) else load_layout(arm.model)
    family = layout.family.name if layout else None
    require_runnable(classifier_settings(arm.classification, arm.training), family, device)
    if layout is None:
        if arm.restores:
            raise UsageError(
                f"arms.{arm.name}: {arm.model} is encoder-only and cannot restore sentences in stage 1. Take "
                "recipe: standard or csr+, or a model with a decoder."
            )
        if arm.needs_mask:
            raise UsageError(
                f"arms.{arm.name}: gloss.unknown: mask is for models with a decoder, and {arm.model} is an encoder "
                "alone. Take keep or drop."
            )
        return
    for language in languages:
        layout.code(language)
    require_runnable(arm.training, family, device)
    if arm.needs_mask:
        layout.mask_token  # noqa: B018


def _right(result: TrialResult, test: NliSet, seed: int | None) -> list[bool]:
    """Which labels of a test set are told right; `seed` is that of its folder, if it has one."""
    lines = result.outputs[test.language]
    if unknown := sorted(set(lines) - set(LABELS)):
        file = Path(trial_name("", result.arm, seed), predictions_file(test.language))
        raise SwitchtuneError(
            f"{file}: found the label {unknown[0]!r}; one of {', '.join(LABELS)} is expected in each line. Remove the "
            "file, and the same command makes it again."
        )
    return [LABELS.index(line) == label for line, label in zip(lines, test.labels, strict=True)]
