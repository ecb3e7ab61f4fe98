"""From two sides in one space to the lexicons of both directions: each word with those that are nearest to it."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from switchtune.lexicon.block import BlockList
from switchtune.lexicon.map import Neighbours, nearest_by_csls
from switchtune.lexicon.records import Lexicon, Unit, make_lexicon
from switchtune.lexicon.text import Vocabulary


def neighbour_lexicons(
    languages: tuple[str, str],
    vocabularies: tuple[Vocabulary, Vocabulary],
    source: Tensor,
    target: Tensor,
    *,
    k: int,
    method: str,
    farthest: bool,
    unit: Unit,
    block: BlockList,
) -> tuple[Lexicon, Lexicon]:
    """Lexicons of the words of two vocabularies, whose vectors are the rows of `source` and `target`.

    Each word gets the `k` words of the other side that are nearest by CSLS, which is the strength; with `farthest` (the
    `anti` control) the `k` least near. What is blocked takes no place among them.
    """
    forward, backward = nearest_by_csls(
        source,
        target,
        k=k + block.identical,  # a word has one identical translation at most
        farthest=farthest,
        left_out=(block.words_of(vocabularies[0]), block.words_of(vocabularies[1])),
    )

    def lexicon(neighbours: Neighbours, named: tuple[str, str], ends: tuple[Vocabulary, Vocabulary]) -> Lexicon:
        words, places, csls = _links(neighbours, ends, k, block)
        if farthest:
            links = (words, places, np.ones_like(csls))
            return make_lexicon(named, ends, links, method=f"anti({method})", measure="none", unit=unit)
        return make_lexicon(named, ends, (words, places, csls), method=method, measure="similarity", unit=unit)

    return lexicon(forward, languages, vocabularies), lexicon(backward, languages[::-1], vocabularies[::-1])


def _links(
    neighbours: Neighbours, vocabularies: tuple[Vocabulary, Vocabulary], k: int, block: BlockList
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Each word's place, that of a neighbour, and their CSLS: of each word the first `k` that may stand."""
    places, csls = neighbours.arrays
    words = np.repeat(np.arange(len(places)), places.shape[1])
    found = np.isfinite(csls.ravel())  # there are fewer neighbours where nearly all words are left out
    words, places, csls = words[found], places.ravel()[found], csls.ravel()[found]
    stand = ~block.links_of(vocabularies, words, places)
    words, places, csls = words[stand], places[stand], csls[stand]
    first = np.arange(len(words)) - np.searchsorted(words, words) < k
    return words[first], places[first], csls[first]
