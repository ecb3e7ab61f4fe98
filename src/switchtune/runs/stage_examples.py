"""What a stage of a trial on pairs is trained and validated on: examples of each kind, and their mixture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from switchtune.config.arms import ResolvedArm
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
    terms_examples,
)
from switchtune.lexicon.build import Lexicons
from switchtune.lexicon.files import read_edits, read_lexicon
from switchtune.lexicon.text import monolingual_text
from switchtune.models.layout import Layout
from switchtune.recipes import PAIRED_KINDS, ExampleKind, Proportion, Stage
from switchtune.runs.arms import Part
from switchtune.runs.stages import StageExamples
from switchtune.runs.tasks import TASKS
from switchtune.runs.trial import Data
from switchtune.switching.gloss import Glosser, is_segmented
from switchtune.switching.gloss_model import GlossModel, learn_gloss_model
from switchtune.switching.make import RATE_SAMPLE, make_switchers, segmenters_for, switching_rates
from switchtune.switching.switcher import Rates
from switchtune.switching.terms import AlignedTerms

COUNTED_PAIRS = 50_000
"""Pairs in which it is counted how rare words are, where terms are drawn."""
MODELLED_SENTENCES = 500_000
"""Sentences of monolingual text in the source language of which the language model of glosses is made, at most."""
USUAL_TOKENS = 32
"""Tokens of the longer side of an example, roughly."""


@dataclass(frozen=True)
class Ingredient:
    """Examples of one kind of one part of a trial."""

    kind: ExampleKind
    pair: str
    made: StageExamples
    share: Proportion
    """Of the stage, in proportion to those of the others."""


@dataclass(frozen=True)
class TrialExamples:
    """Examples for the stages of a trial; a mixture is validated on the task."""

    parts: Sequence["PairExamples"]
    arm: ResolvedArm
    seed: int

    def of_stage(self, stage: Stage) -> StageExamples:
        """The examples of a stage, those of its kinds and of all pairs mixed."""
        return self.mixed(stage, self.ingredients(stage))

    def ingredients(self, stage: Stage) -> list[Ingredient]:
        """The examples of each kind of a stage, and of each pair, by themselves."""
        found = []
        for kind, proportion in stage.mixture.items():
            # A part without pairs learns from monolingual text alone.
            parts = [part for part in self.parts if len(part.data.train) or kind not in PAIRED_KINDS]
            made = [part.of_kind(kind) for part in parts]
            shares = tempered([each.train.count for each in made], self.arm.together.temperature)
            for part, each, share in zip(parts, made, shares, strict=True):
                if share:
                    found.append(Ingredient(kind, part.name, each, _times(proportion, share)))
        return found

    def mixed(self, stage: Stage, ingredients: Sequence[Ingredient]) -> StageExamples:
        """The examples of a stage, from those of its kinds and pairs."""
        valid = {part.name: task_examples(part.data.valid) for part in self.parts}
        for each in ingredients if stage.examples is not None else ():
            valid |= each.made.valid
        rates: dict[str, Rates] = {}
        for each in ingredients:
            for language, rate in each.made.rates.items():
                of_pair = f"{language} in {each.pair}" if len(self.parts) > 1 else language
                rates[f"{of_pair} ({each.kind})" if of_pair in rates else of_pair] = rate
        if len(ingredients) == 1:
            return replace(ingredients[0].made, rates=rates)
        per_batch = self.arm.training.tokens_per_batch / USUAL_TOKENS
        shares = [(each.made.train, each.share) for each in ingredients]
        return StageExamples(mixed_examples(shares, seed=self.seed, per_batch=per_batch), valid, rates)


def tempered(sizes: Sequence[float], temperature: float) -> list[float]:
    """Shares of corpora of these sizes, in proportion to size^(1/temperature); they add up to 1.

    Source: Arivazhagan et al., Massively Multilingual Neural Machine Translation in the Wild (2019).
    """
    weights = [size ** (1 / temperature) for size in sizes]
    return [weight / sum(weights) for weight in weights] if len(weights) > 1 else [1.0]


def _times(proportion: Proportion, share: float) -> Proportion:
    return (proportion[0] * share, proportion[1] * share) if isinstance(proportion, tuple) else proportion * share


@dataclass(frozen=True)
class PairExamples:
    """Examples of one part of a trial."""

    task: TaskName
    part: Part
    arm: ResolvedArm
    seed: int
    data: Data[Corpus]
    layout: Layout
    glossed: Sequence[str] = ()
    """Languages without pairs in which there are glosses too."""

    @property
    def name(self) -> str:
        return self.part.name

    def of_kind(self, kind: ExampleKind) -> StageExamples:
        arm, data, layout = self.arm, self.data, self.layout
        train, seed, task = data.train, self.seed, {self.name: task_examples(data.valid)}
        if kind == "task":
            return StageExamples(task_examples(train), task)
        if kind == "iaft":
            words = word_segmenter(train.source_language)
            return StageExamples(iaft_examples(train, words, mask=layout.mask_token, seed=seed), task)
        if kind == "restore":
            return self._restored()
        if kind == "switched":
            return self._switched()
        if kind == "terms":
            return self._with_terms()
        if kind == "dictionary":
            return StageExamples(dictionary_examples(self._lexicons()[0], k=arm.gloss.k, seed=seed), task)
        target = train.target_language
        if kind == "backtranslated":
            pairs = data.backtranslated or ()
            return StageExamples(backtranslated_examples(pairs, (train.source_language, target)), task)
        further = data.further(arm).get(target)
        sentences = (*train.targets(), *(further.sentences if further else ()))
        segmenter = word_segmenter(target)
        if kind == "denoise":
            noised = denoise_examples([(target, sentences)], [segmenter], mask=layout.mask_token, seed=seed)
            return StageExamples(noised, task)
        by_language = {train.source_language: self._lexicons()[1]}
        # A reverse model has none of the further ones.
        by_language |= zip(self.glossed, map(read_lexicon, self.part.lexicons[2:]), strict=False)
        parts, rates = [], {}
        for language, lexicon in by_language.items():
            segmenters, model, segmented = (segmenter, word_segmenter(language)), None, False
            if language == train.source_language:
                model = self._gloss_model()
                segmented = is_segmented(train.limited(RATE_SAMPLE).sources(), segmenters[1])
            gloss = Glosser(segmenters, lexicon, arm.gloss, self._mask, segmented=segmented, model=model)
            parts.append(gloss_examples(sentences, (language, target), gloss, seed=seed))
            told = target if language == train.source_language else language
            rates[told] = gloss.rates(sentences[:RATE_SAMPLE], generator(seed, 0, 0))
        return StageExamples(alternating_examples(parts), task, rates)

    def _gloss_model(self) -> GlossModel | None:
        """What glosses in the source language are made with, beside the lexicon; None: each word by itself."""
        arm, pairs = self.arm, self.data.train
        learned = arm.learns_glosses and bool(self.part.alignments)
        if not (arm.gloss.language_model or learned):
            return None
        further = self.data.further(arm).get(pairs.source_language) if arm.models_source else None
        sentences = further.sentences[:MODELLED_SENTENCES] if further else ()
        alignment = self.part.alignment() if learned else None
        edited = [edit.word for edit in read_edits(self.part.lexicons[1])] if learned else []
        return learn_gloss_model(pairs, arm.gloss, alignment, edited=edited, further=sentences)

    @property
    def _mask(self) -> str:
        return self.layout.mask_token if self.arm.gloss.unknown == "mask" else ""

    def _lexicons(self) -> Lexicons:
        forward, backward = map(read_lexicon, self.part.lexicons[:2])
        return forward, backward

    def _switched(self) -> StageExamples:
        """The pairs with words of their sources in the language of the targets."""
        train, seed = self.data.train, self.seed
        language, segmenter = train.source_language, word_segmenter(train.source_language)
        gloss = Glosser((segmenter, segmenter), self._lexicons()[0], self.arm.gloss, self._mask, whole=False)
        sentences = [each for source in train.limited(RATE_SAMPLE).sources() for each in document_sentences(source)]
        rates = {language: gloss.rates(sentences, generator(seed, 0, 0))}
        return StageExamples(
            switched_examples(train, gloss, seed=seed), {self.name: task_examples(self.data.valid)}, rates
        )

    def _with_terms(self) -> StageExamples:
        """The pairs with terms in their sources."""
        train, seed, settings = self.data.train, self.seed, self.arm.terms
        languages = (train.source_language, train.target_language)
        segmenters = (word_segmenter(languages[0]), word_segmenter(languages[1]))
        sample = train.limited(COUNTED_PAIRS)
        source, target = (
            monolingual_text(lines, language, segmenter).encoded.vocabulary
            for lines, language, segmenter in zip(
                (sample.sources(), sample.targets()), languages, segmenters, strict=True
            )
        )
        terms = AlignedTerms(segmenters, self.part.alignment(), self._lexicons(), (source, target), settings)
        pairs = [(pair.source, pair.target) for pair in train.limited(RATE_SAMPLE)]
        rates = {languages[0]: terms.rates(pairs, generator(seed, 0, 0))}
        return StageExamples(
            terms_examples(train, terms, seed=seed), {self.name: task_examples(self.data.valid)}, rates
        )

    def _restored(self) -> StageExamples:
        part, layout, switching = self.part, self.layout, self.arm.switching
        train, valid, seed = self.data.train, self.data.valid, self.seed
        segmenters = segmenters_for(train, switching.unit, layout.tokenize)
        mask = layout.mask_token if switching.source == "mask" else ""
        lexicons = self._lexicons() if part.lexicons else None
        train_switchers, valid_switchers = (
            make_switchers(segmenters, lexicons, switching, alignment=alignment, mask=mask, seed=seed)
            for alignment in (map(part.alignment, (0, 1)) if switching.source == "aligned" else (None, None))
        )
        source, target = switching_rates(train, train_switchers, seed=seed)
        restore = TASKS[self.task].restore
        return StageExamples(
            restore(train, train_switchers, seed=seed),
            {self.name: restore(valid, valid_switchers, seed=seed)},
            {train.source_language: source, train.target_language: target},
        )
