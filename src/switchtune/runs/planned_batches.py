"""What the batches of a stage look like before anything is trained, by a sample of the pairs that a model learns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from switchtune.config.run import RunConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.read import Corpus
from switchtune.examples import Examples, task_examples
from switchtune.models.layout import Layout
from switchtune.recipes import Stage
from switchtune.runs.tasks import TASKS
from switchtune.switching.make import segmenters_for
from switchtune.switching.switcher import Switcher
from switchtune.training.batches import epoch_batches, measure
from switchtune.training.footprint import BatchShape

SAMPLED_PAIRS = 2000
"""Pairs of a corpus whose tokens are counted, evenly spaced."""
LONGEST_PAIRS = 64
"""Pairs counted beside them: those with the most characters, for they make the heaviest batches."""
MOST_EXAMPLES = 50_000
"""Examples that are cut into batches to see what batches look like; the sample is repeated up to here."""
ATTENTION_TOKENS = 1000
"""About how many tokens a sentence has when its attention weights take as much memory as all else."""


@dataclass(frozen=True, slots=True)
class Batches:
    """What the batches of a stage look like; each is one part of an update."""

    typical: BatchShape
    heaviest: BatchShape
    sentences: float
    """Mean of a batch, as are those below."""
    padded_tokens: float
    """Tokens of both sides, padding included."""
    target_tokens: float
    """Tokens of the target side, padding not counted."""


@dataclass(frozen=True)
class SampledPair:
    """Some training pairs of a direction, and how many there are of which they are a sample."""

    name: str
    sample: Corpus
    train: int
    valid: int

    @classmethod
    def of(cls, name: str, train: Corpus, valid: Corpus) -> "SampledPair":
        return cls(name, sampled(train), len(train), len(valid))

    def reversed(self) -> "SampledPair":
        sample = self.sample.reversed()
        return replace(self, name=f"{sample.source_language}-{sample.target_language}", sample=sample)


def sampled(corpus: Corpus) -> Corpus:
    """`SAMPLED_PAIRS` pairs of a corpus, evenly spaced, and the `LONGEST_PAIRS` with the most characters."""
    characters = np.maximum(*(pc.utf8_length(column).to_numpy() for column in corpus.table.columns))
    evenly = np.linspace(0, len(corpus) - 1, min(SAMPLED_PAIRS, len(corpus))).round().astype(int)
    rows = np.concatenate([evenly, np.argsort(characters, kind="stable")[-LONGEST_PAIRS:]])
    return replace(corpus, table=corpus.table.take(rows))


def unswitched_examples(config: RunConfig, stage: Stage, corpus: Corpus, layout: Layout) -> Examples:
    """The examples of a stage with every word as it stands: there is no lexicon yet, and they are about as long."""
    if stage.examples != "restore":  # of a mixture, inputs are about as long as those of the pairs
        return task_examples(corpus)
    segmenters = segmenters_for(corpus, "word", layout.tokenize)
    source, target = (Switcher(segmenter, lambda word: ()) for segmenter in segmenters)
    return TASKS[config.task].restore(corpus, (source, target), seed=0)


def batches_of(
    samples: Sequence[Examples],
    layout: Layout,
    settings: TrainingSettings,
    *,
    count: int,
    shares: Sequence[float] = (1,),
) -> Batches:
    """What the batches of a stage look like that has `count` examples, of which there are samples with their shares.

    The samples are repeated, for among few examples a batch holds sentences of more different lengths than among many.
    """
    lengths = [measure(examples, layout, layout.fitting(settings.max_tokens)) for examples in samples]
    total = max(sum(examples.count for examples in samples), min(count, MOST_EXAMPLES))
    parts = [max(1, round(total * share)) for share in shares]
    longest, surplus = (
        np.concatenate([np.resize(getattr(each, side), part) for each, part in zip(lengths, parts, strict=True)])
        for side in ("longest", "surplus")
    )
    wanted = len(longest)
    source, target = longest + np.minimum(surplus, 0), longest - np.maximum(surplus, 0)
    budget = settings.tokens_per_batch // settings.accumulation
    batches = list(epoch_batches(longest, budget, seed=0, epoch=0, surplus=surplus))
    shapes = np.array([(len(batch), source[batch].max(), target[batch].max()) for batch in batches])
    padded = shapes[:, :1] * shapes[:, 1:]  # (batches, sides)
    # Activations grow with the tokens, and those of attention with their square too.
    heaviest = shapes[(padded.sum(1) * (ATTENTION_TOKENS + shapes[:, 1:].sum(1))).argmax()]
    typical = (max(1, round(wanted / len(batches))), *(padded.sum(0) / wanted).round().astype(int).tolist())
    return Batches(
        typical=BatchShape(*typical),
        heaviest=BatchShape(*heaviest.tolist()),
        sentences=wanted / len(batches),
        padded_tokens=int(padded.sum()) / len(batches),
        target_tokens=int(target.sum()) / len(batches),
    )
