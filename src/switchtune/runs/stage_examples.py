"""What a stage of a trial on pairs is trained and validated on: examples of each kind, and their mixture."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from switchtune.config.run import TaskName
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import word_segmenter
from switchtune.examples import (
    backtranslated_examples,
    denoise_examples,
    dictionary_examples,
    generator,
    gloss_examples,
    iaft_examples,
    mixed_examples,
    task_examples,
)
from switchtune.languages import find_language
from switchtune.lexicon.alignment import read_alignment
from switchtune.lexicon.build import Lexicons
from switchtune.lexicon.files import read_lexicon
from switchtune.models.layout import Layout
from switchtune.recipes import ExampleKind, Stage
from switchtune.runs.arms import Trial
from switchtune.runs.stages import StageExamples
from switchtune.runs.tasks import TASKS
from switchtune.runs.trial import Data
from switchtune.switching.gloss import Glosser, weighted
from switchtune.switching.make import RATE_SAMPLE, make_switchers, segmenters_for, switching_rates
from switchtune.switching.switcher import Rates


@dataclass(frozen=True)
class PairExamples:
    """Examples for the stages of a trial; a mixture is validated on the task."""

    task: TaskName
    trial: Trial
    data: Data[Corpus]
    layout: Layout

    def of_stage(self, stage: Stage) -> StageExamples:
        """The examples of a stage, those of its kinds mixed."""
        return self.mixed(stage, self.of_kinds(stage))

    def of_kinds(self, stage: Stage) -> dict[ExampleKind, StageExamples]:
        """The examples of each kind of a stage by itself."""
        return {kind: self._of_kind(kind) for kind in stage.mixture}

    def mixed(self, stage: Stage, kinds: Mapping[ExampleKind, StageExamples]) -> StageExamples:
        """The examples of a stage, from those of its kinds."""
        if stage.examples is not None:
            return kinds[stage.examples]
        shares = [(kinds[kind].train, share) for kind, share in stage.mixture.items()]
        rates: dict[str, Rates] = {}
        for kind, each in kinds.items():
            for language, rate in each.rates.items():
                rates[f"{language} ({kind})" if language in rates else language] = rate
        return StageExamples(mixed_examples(shares, seed=self.trial.seed), task_examples(self.data.valid), rates)

    def _of_kind(self, kind: ExampleKind) -> StageExamples:
        trial, data, layout = self.trial, self.data, self.layout
        train, seed, task = data.train, trial.seed, task_examples(data.valid)
        if kind == "task":
            return StageExamples(task_examples(train), task)
        if kind == "iaft":
            words = word_segmenter(train.source_language)
            return StageExamples(iaft_examples(train, words, mask=layout.mask_token, seed=seed), task)
        if kind == "restore":
            return self._restored()
        if kind == "dictionary":
            lexicons, settings = self._lexicons(), trial.arm.gloss
            weights = partial(weighted, settings=settings, backward=lexicons[1])
            return StageExamples(dictionary_examples(lexicons[0], weights, seed=seed), task)
        target = train.target_language
        if kind == "backtranslated":
            pairs = data.backtranslated or ()
            return StageExamples(backtranslated_examples(pairs, (train.source_language, target)), task)
        further = data.further(trial.arm).get(target)
        sentences = (*train.targets(), *(further.sentences if further else ()))
        segmenter = word_segmenter(target)
        if kind == "denoise":
            noised = denoise_examples([(target, sentences)], [segmenter], mask=layout.mask_token, seed=seed)
            return StageExamples(noised, task)
        languages = (train.source_language, target)
        segmenters, lexicons = (segmenter, word_segmenter(languages[0])), self._lexicons()[::-1]
        mask = layout.mask_token if trial.arm.gloss.unknown == "mask" else ""
        gloss = Glosser(segmenters, lexicons, trial.arm.gloss, mask, find_language(languages[0]).spaced)
        rates = {target: gloss.rates(sentences[:RATE_SAMPLE], generator(seed, 0, 0))}
        return StageExamples(gloss_examples(sentences, languages, gloss, seed=seed), task, rates)

    def _lexicons(self) -> Lexicons:
        forward, backward = map(read_lexicon, self.trial.lexicons)
        return forward, backward

    def _restored(self) -> StageExamples:
        trial, layout = self.trial, self.layout
        train, valid, seed = self.data.train, self.data.valid, trial.seed
        switching = trial.arm.switching
        segmenters = segmenters_for(train, switching.unit, layout.tokenizer.tokenize)
        mask = layout.mask_token if switching.source == "mask" else ""
        lexicons = self._lexicons() if trial.lexicons else None
        train_switchers, valid_switchers = (
            make_switchers(segmenters, lexicons, switching, alignment=alignment, mask=mask, seed=seed)
            for alignment in (map(read_alignment, trial.alignments) if trial.alignments else (None, None))
        )
        source, target = switching_rates(train, train_switchers, seed=seed)
        restore = TASKS[self.task].restore
        return StageExamples(
            restore(train, train_switchers, seed=seed),
            restore(valid, valid_switchers, seed=seed),
            {train.source_language: source, train.target_language: target},
        )
