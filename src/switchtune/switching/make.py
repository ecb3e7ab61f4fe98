"""The switchers of a pair, as its settings ask for them."""

from collections.abc import Callable

from switchtune.config.switching import SwitchingSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import Segmenter, piece_segmenter, word_segmenter
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.records import Lexicon, randomised
from switchtune.switching.aligned import AlignedSwitcher
from switchtune.switching.switcher import Rates, SideSwitcher, Switcher, example_keys, from_lexicon, from_mask, rates_of

RATE_SAMPLE = 2000  # Sentences of each side on which the realised rate of switching is measured before stage 1


def segmenters_for(corpus: Corpus, unit: str, tokenize: Callable[[str], list[str]]) -> tuple[Segmenter, Segmenter]:
    """How each side of a corpus is cut into the units that are switched."""
    if unit == "piece":
        return (piece_segmenter(tokenize),) * 2
    return word_segmenter(corpus.source_language), word_segmenter(corpus.target_language)


def lexicon_switcher(
    segmenter: Segmenter, lexicon: Lexicon | None, settings: SwitchingSettings, *, mask: str, seed: int
) -> Switcher:
    """A switcher by a lexicon, by random translations (which `seed` draws), or, without one, by the mask token."""
    rates = (settings.rate, settings.mean_span)
    if lexicon is None or settings.source == "mask":
        return Switcher(segmenter, from_mask(mask), *rates)
    used = randomised(lexicon, seed=seed) if settings.source == "random" else lexicon
    return Switcher(segmenter, from_lexicon(used), *rates, language=lexicon.target_language)


def make_switchers(
    segmenters: tuple[Segmenter, Segmenter],
    lexicons: tuple[Lexicon, Lexicon] | None,
    settings: SwitchingSettings,
    *,
    alignment: Alignment | None,
    mask: str,
    seed: int,
) -> tuple[SideSwitcher, SideSwitcher]:
    """The switchers of the source and of the target side.

    Args:
        lexicons: source → target and target → source; None for the `mask` control.
        alignment: of the pairs that are to be switched, where words become what they are aligned to.
    """
    if lexicons is not None and alignment is not None:
        rates = (settings.rate, settings.mean_span, settings.phrases)
        return (
            AlignedSwitcher(segmenters, alignment, lexicons, *rates),
            AlignedSwitcher(segmenters[::-1], alignment.reversed(), lexicons[::-1], *rates),
        )
    source, target = (
        lexicon_switcher(segmenter, lexicon, settings, mask=mask, seed=seed)
        for segmenter, lexicon in zip(segmenters, lexicons or (None, None), strict=True)
    )
    return source, target


def switching_rates(corpus: Corpus, switchers: tuple[SideSwitcher, SideSwitcher], *, seed: int) -> tuple[Rates, Rates]:
    """Requested and realised rate of each side, on the first pairs of the corpus."""
    sample = corpus.limited(RATE_SAMPLE)
    sides, rows = (sample.sources(), sample.targets()), range(len(sample))
    keys = example_keys(seed, [(0, row) for row in rows])
    source, target = (
        rates_of(words for _, words in switcher.in_pairs(texts, counterparts, rows, keys=keys))
        for switcher, texts, counterparts in zip(switchers, sides, sides[::-1], strict=True)
    )
    return source, target
