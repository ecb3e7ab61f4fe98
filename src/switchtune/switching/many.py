"""Switching from one language into many, by dictionaries: stage 1 of cross-lingual NLI (paper 5.5).

The paper does not say how the languages share the words. Here a sentence is switched into one language, drawn anew for
each sentence and epoch, all listed languages alike: as in its other tasks, a switched sentence mixes two languages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.switching import SwitchingSettings
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.build import LexiconInput, build, require_files
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import UNDETERMINED, Lexicon
from switchtune.lexicon.text import MonolingualText, encode
from switchtune.switching.make import lexicon_switcher
from switchtune.switching.switcher import Switched, Switcher


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


def dictionary_lexicon(text: MonolingualText, language: str, settings: LexiconSettings) -> Lexicon:
    """The lexicon from a text's language into another, by dictionaries of either direction.

    The text decides the usual casing of its words, and the direction of dictionaries whose names tell none.

    Raises:
        UsageError: a file is missing.
        LexiconError: a dictionary is damaged, of other languages, or has next to no word of the text.
    """
    require_files(settings)
    found = set[str]()
    for dictionary in (read_lexicon(Path(file.path)) for file in settings.dictionaries):
        if dictionary.source_language in {language, UNDETERMINED}:
            found.update(entry.word for entry in dictionary.entries.values())
        if dictionary.target_language in {language, UNDETERMINED}:
            found.update(link.word for entry in dictionary.entries.values() for link in entry.translations)
    words = sorted(found)
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
