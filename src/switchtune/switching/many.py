"""Switching from one language into many, by dictionaries: stage 1 of cross-lingual NLI (paper 5.5).

The paper does not say how the languages share the words. Here a sentence is switched into one language, drawn anew for
each sentence and epoch, all listed languages alike: as in its other tasks, a switched sentence mixes two languages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from switchtune.config.lexicon import LexiconSettings
from switchtune.config.switching import SwitchingSettings
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon.build import Material, build, require_files
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import UNDETERMINED, Lexicon, randomised
from switchtune.lexicon.text import Side, encode
from switchtune.switching.switcher import Switched, Switcher, from_lexicon, from_mask

_Result = TypeVar("_Result", str, Switched)


@dataclass(frozen=True)
class ManySwitcher:
    """Switches each sentence by one of several switchers, which its key draws."""

    switchers: tuple[Switcher, ...]

    def switched(
        self, texts: Sequence[str], others: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[Switched]:
        """The words of each of `texts` after switching."""
        return self._by_own(lambda switcher, some, own: switcher.switched(some, some, rows, keys=own), texts, keys)

    def in_pairs(
        self, texts: Sequence[str], others: Sequence[str], rows: Sequence[int], *, keys: NDArray[np.uint64]
    ) -> list[str]:
        """Each of `texts` after switching."""
        return self._by_own(lambda switcher, some, own: switcher.in_pairs(some, some, rows, keys=own), texts, keys)

    def _by_own(
        self,
        made_by: Callable[[Switcher, list[str], NDArray[np.uint64]], list[_Result]],
        texts: Sequence[str],
        keys: NDArray[np.uint64],
    ) -> list[_Result]:
        drawn = keys % np.uint64(len(self.switchers))
        made: dict[int, _Result] = {}
        for number, switcher in enumerate(self.switchers):
            places = np.flatnonzero(drawn == number)
            results = made_by(switcher, [texts[place] for place in places.tolist()], keys[places])
            made.update(zip(places.tolist(), results, strict=True))
        return [made[place] for place in range(len(texts))]


def dictionary_lexicon(text: Side, language: str, settings: LexiconSettings) -> Lexicon:
    """The lexicon from a text's language into another, by dictionaries of either direction.

    Args:
        text: decides the usual casing of its words, and the direction of dictionaries whose names tell none.

    Raises:
        UsageError: a file is missing.
        LexiconError: a dictionary is damaged, of other languages, or has next to no word of the text.
    """
    require_files(settings)
    words = sorted({word for file in settings.dictionaries for word in _words(Path(file.path), language)})
    # A phrase counts as one word where its casing is looked up, and as its parts where the fit is judged.
    known = encode(([word, *word.split()] for word in words), language)
    other = Side(language, words, word_segmenter(language), known)
    return build(Material(text, other, paired=False), settings).lexicons[0]


def _words(path: Path, language: str) -> set[str]:
    """The words of a dictionary that may be of a language."""
    read = read_lexicon(path)
    found: set[str] = set()
    if read.source_language in {language, UNDETERMINED}:
        found.update(entry.word for entry in read.entries.values())
    if read.target_language in {language, UNDETERMINED}:
        translations = chain.from_iterable(entry.translations for entry in read.entries.values())
        found.update(translation.word for translation in translations)
    return found


def language_switchers(
    language: str,
    lexicons: Mapping[str, Lexicon],
    settings: SwitchingSettings,
    *,
    mask: str,
    seed: int,
) -> dict[str, Switcher]:
    """A switcher for each language that words are switched to; for the `mask` control a single one, named `mask`.

    Args:
        language: of the sentences.
        lexicons: by language.
        seed: draws the translations of the `random` control.
    """
    segmenter, rates = word_segmenter(language), (settings.rate, settings.mean_span)
    if settings.source == "mask":
        return {"mask": Switcher(segmenter, from_mask(mask), *rates)}
    used = {
        code: randomised(lexicon, seed=seed) if settings.source == "random" else lexicon
        for code, lexicon in lexicons.items()
    }
    return {code: Switcher(segmenter, from_lexicon(each), *rates, language=code) for code, each in used.items()}
