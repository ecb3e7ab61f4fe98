"""What a sound lexicon of a language pair can reach on sentence pairs: the lift of what the pairs' own alignment says.

A lift depends on the languages and the text: a German sentence holds one of three forms of an English adjective, and
what translates an article may stand in no word at all. So a lexicon is measured against this, not against a number.
"""

import numpy as np
from numpy.typing import NDArray

from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.text import Encoded, incidence, sentences_with_both

FOLDS = 10
"""Parts of the pairs; what a part is measured by comes from the others, lest rare words be right by memory."""


def reachable_lift(
    source: Encoded, target: Encoded, alignment: Alignment, translations: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The lift of each source word where it has the words that it is linked to most often in the other parts of the
    pairs, as many as `translations` says; NaN where it has no link outside its part. [source words]"""
    pair, size = alignment.pair_of_link, len(target.vocabulary)
    word = source.ids[source.starts[pair] + alignment.source].astype(np.int64)
    links = word * size + target.ids[target.starts[pair] + alignment.target]
    sources, targets = incidence(source), incidence(target)
    chance = np.diff(targets.indptr) / len(target)
    gained, seen = np.zeros(len(source.vocabulary)), np.zeros(len(source.vocabulary))
    for fold in range(FOLDS):
        found, counts = np.unique(links[pair % FOLDS != fold], return_counts=True)
        words, others = np.divmod(found, size)
        order = np.lexsort((-counts, words))
        words, others = words[order], others[order]
        kept = np.arange(len(words)) - np.searchsorted(words, words) < translations[words]
        words, others = words[kept], others[kept]
        here, there = sources[:, fold::FOLDS], targets[:, fold::FOLDS]
        holding = np.diff(here.indptr)
        more = sentences_with_both(here, there, words, others) - holding[words] * chance[others]
        linked = np.bincount(words, minlength=len(seen))
        gained += np.bincount(words, more / linked[words], minlength=len(seen))
        seen += np.where(linked > 0, holding, 0)
    return np.where(seen > 0, gained / np.maximum(seen, 1), np.nan)
