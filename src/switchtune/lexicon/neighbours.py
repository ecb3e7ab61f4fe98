"""From two sides in one space to the lexicons of both directions: each word with those that are nearest to it."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from switchtune.lexicon.block import Limits
from switchtune.lexicon.csls import Ranked, nearest_by_csls
from switchtune.lexicon.records import Lexicon, Unit, WordLinks, make_lexicon
from switchtune.lexicon.text import Vocabulary


def neighbour_lexicons(
    languages: tuple[str, str],
    vocabularies: tuple[Vocabulary, Vocabulary],
    vectors: tuple[Tensor, Tensor],
    limits: Limits,
    *,
    method: str,
    unit: Unit,
    farthest: bool = False,
    neighbourhood: int = 10,
) -> tuple[Lexicon, Lexicon]:
    """Lexicons of both directions of the words of two vocabularies, with one vector each in a common space.

    Each word gets the `k` words of the other side that are nearest by CSLS, which is the strength; with `farthest` (the
    `anti` control) the `k` least near. With neighbourhood 0 they are nearest by cosine, which then is the strength.
    """
    block = limits.block
    both = nearest_by_csls(
        *vectors,
        k=limits.k + block.identical,  # a word has one identical translation at most
        neighbourhood=neighbourhood,
        farthest=farthest,
        left_out=(block.words_of(vocabularies[0]), block.words_of(vocabularies[1])),
    )
    lexicons = []
    for side, neighbours in enumerate(both):
        ends = (vocabularies[side], vocabularies[1 - side])
        source, target, csls = _links(neighbours, ends, limits)
        strengths = np.ones_like(csls) if farthest else csls if neighbourhood else csls / 2
        lexicons.append(
            make_lexicon(
                (languages[side], languages[1 - side]),
                ends,
                (source, target, strengths),
                method=f"anti({method})" if farthest else method,
                measure="none" if farthest else "similarity",
                unit=unit,
            )
        )
    return lexicons[0], lexicons[1]


def _links(neighbours: Ranked, vocabularies: tuple[Vocabulary, Vocabulary], limits: Limits) -> WordLinks:
    """Each word's id, that of a neighbour, and their CSLS: of each word the first `k` that may stand."""
    rows, csls = neighbours.rows.cpu().numpy(), neighbours.scores.cpu().numpy().ravel()
    words, targets = np.repeat(np.arange(len(rows)), rows.shape[1]), rows.ravel()
    # There are fewer neighbours where nearly all words are left out.
    stand: NDArray[np.bool_] = np.isfinite(csls) & ~limits.block.links_of(vocabularies, words, targets)
    words, targets, csls = words[stand], targets[stand], csls[stand]
    first = np.arange(len(words)) - np.searchsorted(words, words) < limits.k
    return words[first], targets[first], csls[first]
