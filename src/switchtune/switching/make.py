"""The switchers of a pair, as its settings ask for them."""

from collections.abc import Callable

from switchtune.config.switching import SwitchingSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import Segmenter, piece_segmenter, word_segmenter
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.records import Lexicon, randomised
from switchtune.switching.aligned import AlignedSwitcher, SideSwitcher
from switchtune.switching.switcher import Rates, Switcher, example_keys, from_lexicon, from_mask, measure

RATE_SAMPLE = 2000
"""Sentences of each side on which the realised rate of switching is measured before stage 1."""


def segmenters_for(corpus: Corpus, unit: str, tokenize: Callable[[str], list[str]]) -> tuple[Segmenter, Segmenter]:
    """How each side of a corpus is cut into the units that are switched."""
    if unit == "piece":
        segmenter = piece_segmenter(tokenize)
        return segmenter, segmenter
    return word_segmenter(corpus.source_language), word_segmenter(corpus.target_language)


def make_switchers(
    segmenters: tuple[Segmenter, Segmenter],
    lexicons: tuple[Lexicon, Lexicon] | None,
    settings: SwitchingSettings,
    *,
    alignment: Alignment | None,
    mask: str,
    seed: int,
) -> tuple[SideSwitcher, SideSwitcher]:
    """The switchers of the source side and of the target side.

    Args:
        lexicons: source → target and target → source; None for the `mask` control.
        alignment: of the pairs that are to be switched, where words become what they are aligned to.
        seed: draws the translations of the `random` control.
    """

    def switcher(side: int) -> SideSwitcher:
        rates = (settings.rate, settings.mean_span)
        if lexicons is None:
            return Switcher(segmenters[side], from_mask(mask), *rates)
        if alignment is not None:
            own = alignment.reversed() if side else alignment
            ends = (segmenters[side], segmenters[1 - side])
            known = (lexicons[side], lexicons[1 - side])
            return AlignedSwitcher(ends, own, known, *rates, phrases=settings.phrases)
        replacements = from_lexicon(
            randomised(lexicons[side], seed=seed) if settings.source == "random" else lexicons[side]
        )
        return Switcher(segmenters[side], replacements, *rates, language=lexicons[side].target_language)

    return switcher(0), switcher(1)


def switching_rates(corpus: Corpus, switchers: tuple[SideSwitcher, SideSwitcher], *, seed: int) -> tuple[Rates, Rates]:
    """Requested and realised rate of each side, on the first pairs of the corpus."""
    sample = corpus.limited(RATE_SAMPLE)
    sides = (sample.sources(), sample.targets())

    def rates(side: int) -> Rates:
        rows = range(len(sample))
        keys = example_keys(seed, [(0, row) for row in rows])
        return measure(switchers[side].switched(sides[side], sides[1 - side], rows, keys=keys))

    return rates(0), rates(1)
