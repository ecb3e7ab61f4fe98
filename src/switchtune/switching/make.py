"""The switchers that settings ask for: of a pair's two sides, or from one language into many by dictionaries.

Into many: stage 1 of cross-lingual NLI (paper 5.5), which does not say how the languages share the words. Here a
sentence is switched into one language, drawn anew for each sentence and epoch, all listed languages alike: as in its
other tasks, a switched sentence mixes two languages.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.switching import SwitchingSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import Segmenter, piece_segmenter, word_segmenter
from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.build import LexiconInput, build, require_files
from switchtune.lexicon.glossary import read_dictionary
from switchtune.lexicon.records import UNDETERMINED, Lexicon, randomised
from switchtune.lexicon.text import MonolingualText, encode
from switchtune.switching.aligned import AlignedSwitcher
from switchtune.switching.switcher import (
    Rates,
    SideSwitcher,
    Switched,
    Switcher,
    example_keys,
    from_lexicon,
    from_mask,
    rates_of,
)

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


@dataclass(frozen=True)
class ManySwitcher:
    """Switches each sentence by one of several switchers, which its key draws."""

    switchers: tuple[Switcher, ...]

    def in_pairs(
        self, texts: Sequence[str], counterparts: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[tuple[str, Switched]]:
        """Each of `texts` after switching, and its words."""
        drawn = keys % np.uint64(len(self.switchers))
        result: dict[int, tuple[str, Switched]] = {}
        for number, switcher in enumerate(self.switchers):
            chosen = np.flatnonzero(drawn == number)
            some = [texts[index] for index in chosen.tolist()]
            switched = switcher.in_pairs(some, some, chosen.tolist(), keys=keys[chosen])
            result.update(zip(chosen.tolist(), switched, strict=True))
        return [result[index] for index in range(len(texts))]


def dictionary_words(locations: Iterable[str], language: str, other: str) -> list[str]:
    """The words of a language in dictionaries of it and another, of either direction, sorted.

    Where a file does not tell its direction, they are the words of both of its sides.
    """
    found = set[str]()
    for dictionary in (read_dictionary(location, (other, language)) for location in locations):
        if dictionary.source_language in {language, UNDETERMINED}:
            found.update(entry.word for entry in dictionary.entries.values())
        if dictionary.target_language in {language, UNDETERMINED}:
            found.update(link.word for entry in dictionary.entries.values() for link in entry.translations)
    return sorted(found)


def dictionary_lexicon(text: MonolingualText, language: str, settings: LexiconSettings) -> Lexicon:
    """The lexicon from a text's language into another, by dictionaries of either direction.

    The text decides the usual casing of its words, and the direction of dictionaries whose names tell none.

    Raises:
        UsageError: a file is missing.
        LexiconError: a dictionary is damaged, of other languages, or has next to no word of the text.
    """
    require_files(settings)
    words = dictionary_words((file.path for file in settings.dictionaries), language, text.language)
    # A phrase counts as one word where its casing is looked up, and as its parts where the fit is judged.
    encoded = encode(([word, *word.split()] for word in words), language)
    target = MonolingualText(language, words, word_segmenter(language), encoded)
    return build(LexiconInput(text, target, paired=False), settings).lexicons[0]


def language_switchers(
    language: str, lexicons: Mapping[str, Lexicon], settings: SwitchingSettings, *, mask: str, seed: int
) -> dict[str, Switcher]:
    """A switcher for each language that words are switched to; for the `mask` control a single one, named `mask`."""
    segmenter = word_segmenter(language)
    if settings.source == "mask":
        return {"mask": lexicon_switcher(segmenter, None, settings, mask=mask, seed=seed)}
    return {
        code: lexicon_switcher(segmenter, lexicon, settings, mask=mask, seed=seed) for code, lexicon in lexicons.items()
    }
