"""What a stage of a trial on pairs is trained and validated on: examples of each kind, and their mixture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from switchtune.config.run import TaskName
from switchtune.corpus.documents import document_sentences
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import word_segmenter
from switchtune.examples import (
    alternating_examples,
    backtranslated_examples,
    denoise_examples,
    dictionary_examples,
    generator,
    gloss_examples,
    iaft_examples,
    mixed_examples,
    switched_examples,
    task_examples,
)
from switchtune.lexicon.alignment import read_alignment
from switchtune.lexicon.build import Lexicons
from switchtune.lexicon.files import read_lexicon
from switchtune.models.layout import Layout
from switchtune.recipes import ExampleKind, Stage
from switchtune.runs.arms import Trial
from switchtune.runs.stages import StageExamples
from switchtune.runs.tasks import TASKS
from switchtune.runs.trial import Data
from switchtune.switching.gloss import Glosser, by_dictionary, weighted
from switchtune.switching.make import RATE_SAMPLE, make_switchers, segmenters_for, switching_rates
from switchtune.switching.switcher import Rates

USUAL_TOKENS = 32
"""Tokens of the longer side of an example, roughly."""


@dataclass(frozen=True)
class PairExamples:
    """Examples for the stages of a trial; a mixture is validated on the task."""

    task: TaskName
    trial: Trial
    data: Data[Corpus]
    layout: Layout
    glossed: Sequence[str] = ()
    """Languages without pairs in which there are glosses too."""

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
        per_batch = self.trial.arm.training.tokens_per_batch / USUAL_TOKENS
        mixture = mixed_examples(shares, seed=self.trial.seed, per_batch=per_batch)
        return StageExamples(mixture, task_examples(self.data.valid), rates)

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
        if kind == "switched":
            return self._switched()
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
        by_language = {train.source_language: self._lexicons()[::-1]}
        for language, path in zip(self.glossed, trial.lexicons[2:], strict=False):  # a reverse model has none of them
            by_language[language] = by_dictionary(read_lexicon(path))
        parts, rates = [], {}
        for language, both in by_language.items():
            gloss = Glosser((segmenter, word_segmenter(language)), both, trial.arm.gloss, self._mask)
            parts.append(gloss_examples(sentences, (language, target), gloss, seed=seed))
            told = target if language == train.source_language else language
            rates[told] = gloss.rates(sentences[:RATE_SAMPLE], generator(seed, 0, 0))
        return StageExamples(alternating_examples(parts), task, rates)

    @property
    def _mask(self) -> str:
        return self.layout.mask_token if self.trial.arm.gloss.unknown == "mask" else ""

    def _lexicons(self) -> Lexicons:
        forward, backward = map(read_lexicon, self.trial.lexicons[:2])
        return forward, backward

    def _switched(self) -> StageExamples:
        """The pairs with words of their sources in the language of the targets."""
        train, seed = self.data.train, self.trial.seed
        language, segmenter = train.source_language, word_segmenter(train.source_language)
        gloss = Glosser((segmenter, segmenter), self._lexicons(), self.trial.arm.gloss, self._mask, whole=False)
        sentences = [each for source in train.limited(RATE_SAMPLE).sources() for each in document_sentences(source)]
        rates = {language: gloss.rates(sentences, generator(seed, 0, 0))}
        return StageExamples(switched_examples(train, gloss, seed=seed), task_examples(self.data.valid), rates)

    def _restored(self) -> StageExamples:
        trial, layout = self.trial, self.layout
        train, valid, seed = self.data.train, self.data.valid, trial.seed
        switching = trial.arm.switching
        segmenters = segmenters_for(train, switching.unit, layout.tokenize)
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
