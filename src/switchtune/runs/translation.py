"""What trials on language pairs read, train and write, and how they are compared: translation and summarisation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from itertools import product, starmap
from pathlib import Path
from typing import Any

from switchtune.check.checks import FEW_PAIRS
from switchtune.config.arms import ResolvedArm
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.read import Corpus, describe
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import adopt_files, fingerprint, write_text
from switchtune.generation import translate
from switchtune.generation.keeping import write_terms_note
from switchtune.lexicon.text import monolingual_text
from switchtune.models.layout import Layout
from switchtune.models.load import Loaded, load_layout, load_model, save_generation
from switchtune.recipes import Stage
from switchtune.results.comparison import BackTranslationCost, Row, Summary, comparison_markdown, summarised
from switchtune.run_dir import RunDir
from switchtune.runs.arms import Trial, trained_arms
from switchtune.runs.back_translation import back_translations
from switchtune.runs.checking import tell_of_data
from switchtune.runs.dictionaries import DictionaryLexicons
from switchtune.runs.given import about_texts, given_file, given_output, given_row, given_texts
from switchtune.runs.paths import CORPORA, HYPOTHESES, TEST_SET, hypotheses_file, side_file
from switchtune.runs.prepare import PairPreparation, check_arm, prepare_model
from switchtune.runs.previews import sequence_lines, stage_preview
from switchtune.runs.splits import located
from switchtune.runs.stage_examples import PairExamples, TrialExamples
from switchtune.runs.stages import StageJob, train_sequences
from switchtune.runs.tasks import TASKS, note_task, read_further, read_pair, read_zeroshot_tests, require_language
from switchtune.runs.trial import Data, Output, TrialResult
from switchtune.scoring.faults import system_faults
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import Score, lacks_words
from switchtune.scoring.significance import FEW_SENTENCES, METRICS, compare_scores, few_sentences
from switchtune.training.distributed import on_first, rank

_NO_PAIRS = (
    "no pairs to train on (train: none): models learn from monolingual text and the lexicon alone. The validation "
    "pairs judge the lexicon and the weights; nothing is trained on them"
)


@dataclass(frozen=True)
class PairExperiment:
    """Pairs × arms × seeds of one of `TASKS`."""

    config: RunConfig
    arms: tuple[ResolvedArm, ...]

    @property
    def pairs(self) -> tuple[PairSettings, ...]:
        return self.config.pairs

    def check_arms(self) -> None:
        """Have arms compared at equal updates alone."""
        for arm in self.arms:
            if len(self.arms) > 1 and arm.training.patience is not None:
                raise UsageError(
                    f"arms.{arm.name}: training.patience may end its stages before those of other arms, and arms "
                    "are compared at equal updates. Leave it out (keep: best takes the best weights all the same), or "
                    "train one arm alone with `switchtune train`."
                )

    def groups(self, arm: ResolvedArm) -> Sequence[tuple[PairSettings, ...]]:
        return self.config.groups(arm)

    def check_trials(self, pairs: Sequence[PairSettings], arms: Sequence[ResolvedArm]) -> None:
        layout = load_layout(self.config.model.name)
        for pair in pairs:
            for arm in arms:
                check_arm(pair, arm, layout, self.config.zeroshot.languages)

    def about_outputs(self, pair: PairSettings, arm: ResolvedArm, data: Data[Corpus]) -> list[str]:
        about = partial(about_texts, test=data.tests[TEST_SET], parallel=TASKS[self.config.task].parallel)
        return [said for file in arm.outputs[pair.name] for said in about(file)]

    def read(self, pair: PairSettings, cache_dir: Path) -> Data[Corpus]:
        train, valid, test = read_pair(self.config, pair, cache_dir)
        return Data(train, valid, {TEST_SET: test}, read_further(self.config, pair, train, cache_dir))

    def prepare(
        self, pair: PairSettings, arms: Sequence[ResolvedArm], data: Data[Corpus], run: RunDir, on_event: OnEvent
    ) -> list[tuple[tuple[Path, ...], tuple[Path, ...]]]:
        located(pair, run.path / CORPORA, tell=lambda said: on_event(Event(pair.name, said)))
        for corpus in (data.train, data.valid, *data.tests.values()):
            on_event(Event(pair.name, describe(corpus) if len(corpus) else _NO_PAIRS))
        test, (source, target) = data.tests[TEST_SET], pair.languages
        for language, texts in ((source, test.sources()), (target, test.targets())):
            write_text(side_file(run.path, pair.name, language), "".join(f"{text}\n" for text in texts))
        tell_of_data(self.config, pair, run, run.path / CORPORA, on_event)
        trained = {pair.target: arms, pair.source: [arm.reverse for arm in arms if arm.reverse is not None]}
        for language, text in data.monolingual.items():
            require_language(text, language, data.known)
            # Without pairs the lexicon is made of it.
            used = not len(data.train) or any(arm.uses_further for arm in trained[language])
            used |= language == pair.source and any(arm.monolingual and arm.models_source for arm in arms)
            on_event(Event(pair.name, text.describe(language) + "; no arm uses them" * (not used)))
        for warning in (*_too_few(data), *_remarks(self.config, [pair])):
            on_event(Event(pair.name, warning))
        if not any(arm.needs_lexicons for arm in arms):
            return [((), ()) for _ in arms]
        layout = load_layout(self.config.model.name)
        made = PairPreparation(self.config, pair, (data.train, data.valid), data.monolingual, layout, run, on_event)
        further = data.monolingual.get(pair.target)
        sentences = (*data.train.targets(), *(further.sentences if further else ()))
        targets = cache(lambda: monolingual_text(sentences, pair.target, word_segmenter(pair.target)))
        others = DictionaryLexicons(targets, fingerprint(sentences), pair.target, run, on_event)
        glossed = [self.config.glossed_lexicons(arm).items() for arm in arms]
        lexicons = [(*made.lexicons(arm), *starmap(others.into, each)) for arm, each in zip(arms, glossed, strict=True)]
        return list(zip(lexicons, map(made.alignments, arms), strict=True))

    def start_model(
        self, trials: Sequence[Trial], data: Mapping[str, Data[Corpus]], run: RunDir, on_event: OnEvent
    ) -> str | None:
        corpora = {name: (each.train, each.valid, *each.tests.values()) for name, each in data.items()}
        lexicons = sorted({path for trial in trials for path in trial.lexicons})
        further: dict[str, Sequence[str]] = {
            f"{name}.monolingual.{language}": text.sentences
            for name, each in data.items()
            for language, text in each.monolingual.items()
        }
        marks = {trial.arm.gloss.mark for trial in trials if "gloss" in trial.arm.kinds} - {""}
        further |= {"gloss.tag": tuple(sorted(marks))} if marks else {}
        marks = {trial.arm.terms.mark for trial in trials if trial.arm.has_terms} - {""}
        further |= {"terms.tag": tuple(sorted(marks))} if marks else {}
        tests = read_zeroshot_tests(self.config, run.path / CORPORA)
        further |= {f"zeroshot.{name}": test.sources() for name, test in tests.items()}
        return prepare_model(self.config, corpora, further, lexicons, run, on_event)

    def stages(self, arm: ResolvedArm) -> Sequence[tuple[Stage, TrainingSettings]]:
        return [(stage, arm.training) for stage in arm.recipe.stages]

    def train(self, job: StageJob, data: Sequence[Data[Corpus]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if "backtranslated" in job.plan.stage.mixture:  # before the model is loaded: there is room for one
            data, made = self._with_back_translations(job, data)
        loaded = job.load()
        examples = self.examples(job.trial, data, loaded.layout).of_stage(job.plan.stage)
        for side, rates in examples.rates.items():
            job.on_event(Event(job.trial.name, f"{side}: {rates.describe()}"))
        first, *others = ((each.train.source_language, each.train.target_language) for each in data)
        report = train_sequences(job, loaded, examples, first, self.config.generation, others)
        on_first(partial(note_task, self.config, job.saved))
        if "terms" in job.plan.stage.mixture:
            on_first(partial(_note_terms, job))
        return report | made

    def _with_back_translations(
        self, job: StageJob, data: Sequence[Data[Corpus]]
    ) -> tuple[list[Data[Corpus]], dict[str, Any]]:
        """Data with the back-translations of a trial, and what the report of its stage tells of them."""
        found = back_translations(self, job.trial, data, job.folder.parent, job.on_event)
        assert found is not None
        if rank() == 0:
            job.tell(found.describe())
        return found.added_to(data), {"back_translation": asdict(found.cost)}

    def with_kept_translations(self, trial: Trial, data: Sequence[Data[Corpus]], folder: Path) -> list[Data[Corpus]]:
        """Data with the back-translations that are there in a trial's folder, if it has any."""
        if trial.reverse is None:
            return list(data)
        made = back_translations(self, trial, data, folder, lambda event: None, work=False)
        return made.added_to(data) if made else list(data)

    def examples(self, trial: Trial, data: Sequence[Data[Corpus]], layout: Layout) -> TrialExamples:
        """What the stages of a trial are trained and validated on; a mixture is validated on the task."""
        glossed, arm, seed = tuple(self.config.zeroshot.glossed), trial.arm, trial.seed
        parts = [
            PairExamples(self.config.task, part, arm, seed, each, layout, glossed)
            for part, each in zip(trial.parts, data, strict=True)
        ]
        return TrialExamples(parts, arm, seed)

    def previews(self, trial: Trial, data: Sequence[Data[Corpus]], folder: Path, *, rows: int) -> list[str]:
        """The first examples of each kind in each stage as the model is given them; `folder` is the trial's."""
        data = self.with_kept_translations(trial, data, folder)
        layout, blocks = load_layout(trial.model), []
        examples = self.examples(trial, data, layout)
        lines_of = partial(sequence_lines, layout, trial.arm.training.max_tokens)
        for number, stage in enumerate(trial.arm.recipe.stages, start=1):
            lacking = ""
            if "backtranslated" in stage.mixture and any(each.backtranslated is None for each in data):
                lacking = ", without the back-translations, which --out shows once a run has made them"
                stage = stage.without("backtranslated")
            if not stage.mixture:
                blocks.append(f"stage {number}: {stage.name} ({lacking.removeprefix(', ')})\n")
                continue
            ingredients = examples.ingredients(stage)
            size = examples.mixed(stage, ingredients).train.of_epoch(0)
            heading = f"stage {number}: {stage.name} ({size:,} examples an epoch{lacking})"
            several = len(trial.parts) > 1
            shown = [(f"{each.kind}, {each.pair}" if several else each.kind, each.made.train) for each in ingredients]
            blocks.append(stage_preview(heading, shown, lines_of, rows=rows))
        return blocks

    def outputs(self, trial: Trial, data: Sequence[Data[Corpus]], model: Path, on_event: OnEvent) -> list[Output]:
        tests = {part.name: each.tests[TEST_SET] for part, each in zip(trial.parts, data, strict=True)}
        if trial.arm.outputs:
            read = partial(given_texts, parallel=TASKS[self.config.task].parallel)
            files = ((pair, test, given_file(trial, pair, self.config.seeds)) for pair, test in tests.items())
            given = ((pair, given_output(test, TEST_SET, file, HYPOTHESES, read)) for pair, test, file in files)
            return [replace(output, test=pair) for pair, output in given]
        search, first = self.config.generation, data[0].train.target_language

        @cache
        def opened() -> Loaded:
            loaded = load_model(str(model))
            save_generation(loaded, model, first, search)
            return loaded

        def translated(pair: str, test: Corpus) -> Sequence[str]:
            what = f"translate {pair}" if len(tests) > 1 else "translate"
            told = lambda done, total: on_event(Event(trial.name, what, done, total))  # noqa: E731
            languages = (test.source_language, test.target_language)
            return translate(opened(), test.sources(), *languages, search, on_progress=told)

        return [
            Output(
                pair,
                len(test),
                f"translate.{pair}" if len(tests) > 1 else "translate",
                hypotheses_file(pair, len(tests)),
                {"test": test.fingerprint(), "generation": search.model_dump(mode="json")},
                partial(translated, pair, test),
            )
            for pair, test in tests.items()
        ]

    def summary(self, data: Mapping[str, Data[Corpus]], results: Sequence[TrialResult]) -> Summary:
        rows: list[Row] = []
        for pair in self.pairs:
            trials: dict[str, list[TrialResult]] = {arm.name: [] for arm in self.arms if arm.takes_part(pair.name)}
            for each in results:
                if pair.name in each.pairs:
                    trials[each.arm].append(each)
            rows += compared_rows(self.config, pair, data[pair.name].tests[TEST_SET], trials)
        found = summarised(rows, self.config.baseline, self.config.seeds)
        return replace(found, remarks=(*_remarks(self.config, self.pairs), *_shared(self.config)))

    def page(self, summary: Summary) -> str:
        return comparison_markdown(summary)


def _note_terms(job: StageJob) -> None:
    write_terms_note(job.saved, job.trial.arm.terms)
    adopt_files(job.saved)


def _too_few(data: Data[Corpus]) -> list[str]:
    """What is to be known before hours of training: that there is too little to learn from or to compare on."""
    pairs, sentences = len(data.train), len(data.tests[TEST_SET])
    few = f"{pairs:,} training pairs are too few to learn from: use at least {FEW_PAIRS:,}, and preferably thousands."
    return [
        *([few] if 0 < pairs < FEW_PAIRS else []),
        *([f"{few_sentences(sentences)} No verdict will be given."] if sentences < FEW_SENTENCES else []),
    ]


def _remarks(config: RunConfig, pairs: Sequence[PairSettings]) -> list[str]:
    """What is to be known before the scores."""
    languages = dict.fromkeys(pair.target for pair in pairs if "BLEU" in TASKS[config.task].metrics)
    lacking = [(arm, pair.name) for arm in config.arms for pair in pairs if not arm.takes_part(pair.name)]
    return [
        *(said for language in languages if (said := lacks_words(language))),
        *(f"{pair}: {arm.name} is not compared: no outputs were given." for arm, pair in lacking),
    ]


def _shared(config: RunConfig) -> list[str]:
    """Which models learned several pairs, and what their figures are of."""
    return [
        f"{arm.name}: one model learned {', '.join(pair.name for pair in group)}; its updates"
        f"{'' if arm.together.updates_per_pair else ', as many as a model of one pair has,'} and its minutes are those "
        "of all of them."
        for arm in trained_arms(config.arms)
        for group in config.groups(arm)
        if len(group) > 1
    ]


def compared_rows(
    config: RunConfig, pair: PairSettings, test: Corpus, trials: Mapping[str, Sequence[TrialResult]]
) -> list[Row]:
    """A row for each arm on a pair, by its trials, one a seed."""
    _require_equal_updates(config, trials)
    metrics, references = TASKS[config.task].metrics, test.targets()
    outputs = {arm: [each.outputs[pair.name] for each in results] for arm, results in trials.items()}
    scores: dict[str, dict[str, tuple[Score, ...]]] = {arm: {} for arm in trials}
    for arm, name in product(trials, metrics):
        scores[arm][name] = tuple(METRICS[name](each, references, pair.target) for each in outputs[arm])
    faults = {
        arm: system_faults(scores[arm][metrics[0]], outputs[arm], references, pair.target, test.sources())
        for arm in trials
    }
    given = {arm.name: arm.outputs[pair.name] for arm in config.arms if pair.name in arm.outputs}
    once = {arm.name for arm in config.arms if arm.one_output}
    rows = []
    for arm, results in trials.items():
        settings = {**config.evaluation.model_dump(), "faults": (faults[config.baseline], faults[arm])}
        settings["trained"] = (config.baseline not in once, arm not in once)
        comparisons = [
            compare_scores(scores[config.baseline][name], scores[arm][name], **settings)
            for name in (metrics if arm != config.baseline else ())
        ]
        rows.append(
            Row(
                pair=pair.name,
                arm=arm,
                stage_updates=results[0].stage_updates,
                valid_nll=_mean_curve([result.curve("valid_nll", pair.name) for result in results]),
                scores=scores[arm],
                in_language=tuple(in_language(each, pair.target, references) for each in outputs[arm]),
                rates=results[0].rates,
                truncated=results[0].truncated,
                minutes=None if arm in given else sum(result.seconds for result in results) / len(results) / 60,
                comparisons=tuple(comparisons),
                back_translation=_mean_cost([result.back_translation for result in results]),
                choice=results[0].choice,
                details={"together": list(results[0].pairs)} if len(results[0].pairs) > 1 else {},
                outputs=given_row(given[arm], outputs[arm]) if arm in given else None,
            )
        )
    return rows


def _mean_cost(costs: Sequence[BackTranslationCost | None]) -> BackTranslationCost | None:
    """The first with the mean minutes of all; None where an arm has no back-translations."""
    told = [cost for cost in costs if cost is not None]
    if not told:
        return None
    return replace(
        told[0],
        minutes=sum(cost.minutes for cost in told) / len(told),
        translating_minutes=sum(cost.translating_minutes for cost in told) / len(told),
    )


def _require_equal_updates(config: RunConfig, trials: Mapping[str, Sequence[TrialResult]]) -> None:
    """Raise SwitchtuneError where arms that are compared had other totals of updates than the configuration says."""
    arms = {arm.name: arm.together for arm in config.arms}
    totals, shares = {}, set()
    for arm, each in [(arm, each) for arm, results in trials.items() for each in results if each.reports]:
        totals[f"{arm}, seed {each.seed}"] = each.updates
        shares.add(each.updates / arms[arm].updates(1, len(each.pairs)))
    if len(trials) > 1 and len(shares) > 1:
        told = "; ".join(f"{name}: {updates:,}" for name, updates in totals.items())
        raise SwitchtuneError(
            f"Arms are compared at equal updates; these had different totals ({told}). Train them again."
        )


def _mean_curve(curves: Sequence[tuple[tuple[int, float], ...]]) -> tuple[tuple[int, float], ...]:
    """The mean over seeds, at the updates at which all of them were measured."""
    measured = [dict(curve) for curve in curves]
    return tuple(
        (update, sum(curve[update] for curve in measured) / len(measured))
        for update in measured[0]
        if all(update in curve for curve in measured)
    )
