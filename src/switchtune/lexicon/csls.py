"""Nearest neighbours between two sets of vectors by CSLS (Conneau et al., 2018), and the lexicons that they make.

Vectors are the rows of float32 tensors, most frequent word first, on any device. Similarities are computed tile by
tile; of each tile only the highest of its rows and columns are kept. The result does not depend on the number of cores:
every product is computed by one thread, tiles have a fixed size, and ties go to the word of the lower row.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from switchtune.lexicon.block import Limits
from switchtune.lexicon.records import Lexicon, Measure, Unit, WordLinks, make_lexicon
from switchtune.lexicon.text import Vocabulary

Normalisation: TypeAlias = Literal["unit", "center"]

_TILE = 2048
"""Rows and columns of a tile of similarities (16 MiB): large enough that ranking costs little beside the product."""


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Within it every torch operation runs in one thread, so that sums have one order. Yields the threads before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def single_threaded_workers() -> Iterator[ThreadPoolExecutor]:
    """As many workers as torch may use threads, each of them computing in one thread: sums have one order."""
    with one_thread_each() as threads, ThreadPoolExecutor(threads) as workers:
        yield workers


@one_thread_each()
def normalise(vectors: Tensor, steps: Sequence[Normalisation]) -> Tensor:
    """A copy of `vectors` after the steps in order: `unit` gives rows length 1, `center` gives columns mean 0."""
    result = vectors.to(torch.float32, copy=True)
    for step in steps:
        if step == "center":
            result -= result.mean(dim=0)
        else:
            lengths = torch.linalg.vector_norm(result, dim=1, keepdim=True)
            result /= torch.where(lengths > 0, lengths, 1)
    return result


@dataclass(frozen=True, slots=True)
class Ranking:
    """The `k` highest scores of each word of one side, where a score is sign × similarity + offset."""

    side: Literal["source", "target"]
    k: int
    offset: Tensor | None = None  # [words of the other side]; None: 0
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Ranked:
    """The highest scores of each word and the rows of the other side that have them, highest first."""

    scores: Tensor  # [words, at most k]
    rows: Tensor  # [words, at most k], int64


def rank_similarities(source: Tensor, target: Tensor, rankings: Sequence[Ranking]) -> list[Ranked]:
    """What each ranking asks for, from one pass over the similarities (dot products) of all source and target words."""

    def rank_tile(rows: slice, columns: slice) -> list[Ranked]:
        similarity = source[rows] @ target[columns].T
        transposed = similarity.T.contiguous() if any(ranking.side == "target" for ranking in rankings) else similarity
        return [
            _highest(similarity, columns, ranking) if ranking.side == "source" else _highest(transposed, rows, ranking)
            for ranking in rankings
        ]

    row_tiles, column_tiles = (
        [slice(start, start + _TILE) for start in range(0, len(side), _TILE)] for side in (source, target)
    )
    best: list[dict[int, Ranked]] = [{} for _ in rankings]
    with single_threaded_workers() as workers:
        for rows in row_tiles:
            of_columns = workers.map(partial(rank_tile, rows), column_tiles)
            for columns, of_tile in zip(column_tiles, of_columns, strict=True):
                for ranking, so_far, ranked in zip(rankings, best, of_tile, strict=True):
                    start = (rows if ranking.side == "source" else columns).start
                    so_far[start] = _merged(so_far[start], ranked, ranking.k) if start in so_far else ranked
    tiles = [list(so_far.values()) for so_far in best]
    return [Ranked(torch.cat([tile.scores for tile in of]), torch.cat([tile.rows for tile in of])) for of in tiles]


def _highest(similarity: Tensor, others: slice, ranking: Ranking) -> Ranked:
    """What a ranking asks for within a tile, whose columns are the rows `others` of the other side."""
    if ranking.offset is not None:
        similarity = torch.add(ranking.offset[others], similarity, alpha=ranking.sign)
    scores, columns = similarity.topk(min(ranking.k + 1, similarity.shape[1]))
    tied = (scores[:, 1:] == scores[:, :-1]).any(dim=1)
    if tied.any():  # of equal scores topk takes any, in any order
        exact = similarity[tied].sort(dim=1, descending=True, stable=True)
        scores[tied], columns[tied] = exact.values[:, : ranking.k + 1], exact.indices[:, : ranking.k + 1]
    return Ranked(scores[:, : ranking.k], columns[:, : ranking.k] + others.start)


def _merged(earlier: Ranked, later: Ranked, k: int) -> Ranked:
    """The `k` highest of two tiles, of which `later` has the higher rows."""
    scores, order = torch.cat([earlier.scores, later.scores], dim=1).sort(dim=1, descending=True, stable=True)
    rows = torch.cat([earlier.rows, later.rows], dim=1).gather(1, order)
    return Ranked(scores[:, :k], rows[:, :k])


def closest(neighbourhood: int) -> tuple[Ranking, Ranking]:
    """Each word's nearest by plain similarity on both sides: as many as the hubness wants, and one at least."""
    return Ranking("source", max(1, neighbourhood)), Ranking("target", max(1, neighbourhood))


def hubness(ranked: Ranked, neighbourhood: int) -> Tensor:
    """The mean similarity of each word's `neighbourhood` nearest, 0 for neighbourhood 0. [words]

    CSLS is twice the similarity less the hubness of both words: what is near to everything is near to nothing.
    """
    return ranked.scores.mean(dim=1) * bool(neighbourhood)


Hubs: TypeAlias = tuple[Tensor, Tensor]  # Hubness of the source words and of the target words


def hubness_of(of_closest: Sequence[Ranked], neighbourhood: int) -> Hubs:
    """The hubness of both sides from what `closest` asked for."""
    source, target = (hubness(ranked, neighbourhood) for ranked in of_closest)
    return source, target


def nearest_by_csls(
    source: Tensor,
    target: Tensor,
    *,
    k: int,
    neighbourhood: int = 10,
    farthest: bool = False,
    left_out: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
) -> tuple[Ranked, Ranked]:
    """The `k` words nearest (with `farthest`: least near) to each source and to each target word by CSLS, the score.

    Ties go to the more frequent word. There are fewer than `k` columns where the other side has fewer words. Words that
    are `left_out` ([source words], [target words]) are no word's neighbours; where too few others are left, the CSLS of
    the last neighbours is not finite.
    """
    source, target = normalise(source, ("unit",)), normalise(target, ("unit",))
    hubs = hubness_of(rank_similarities(source, target, closest(neighbourhood)), neighbourhood)
    sign = -1 if farthest else 1
    offsets = [-sign * hub / 2 for hub in hubs]
    for offset, words in zip(offsets, left_out or (), strict=left_out is not None):
        offset[torch.from_numpy(words).to(offset.device)] = -torch.inf
    forward, backward = rank_similarities(
        source, target, [Ranking("source", k, offsets[1], sign), Ranking("target", k, offsets[0], sign)]
    )
    return (
        Ranked(sign * 2 * forward.scores - hubs[0][:, None], forward.rows),
        Ranked(sign * 2 * backward.scores - hubs[1][:, None], backward.rows),
    )


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
    """Lexicons of both directions of two vocabularies' words, with one vector each in a common space.

    Each word gets its `k` nearest by CSLS, the strength (by cosine with neighbourhood 0); with `farthest`, the `anti`
    control, its `k` least near.
    """
    block = limits.block
    both = nearest_by_csls(
        *vectors,
        k=limits.k + block.identical,  # a word has one identical translation at most
        neighbourhood=neighbourhood,
        farthest=farthest,
        left_out=(block.words_of(vocabularies[0]), block.words_of(vocabularies[1])),
    )
    made_by: tuple[str, Measure] = (f"anti({method})", "none") if farthest else (method, "similarity")

    def lexicon_from(side: int) -> Lexicon:
        ends = (vocabularies[side], vocabularies[1 - side])
        source, target, csls = _links(both[side], ends, limits)
        links = (source, target, np.ones_like(csls) if farthest else csls if neighbourhood else csls / 2)
        direction = (languages[side], languages[1 - side])
        return make_lexicon(direction, ends, links, method=made_by[0], measure=made_by[1], unit=unit)

    return lexicon_from(0), lexicon_from(1)


def _links(neighbours: Ranked, vocabularies: tuple[Vocabulary, Vocabulary], limits: Limits) -> WordLinks:
    """Each word's id, that of a neighbour, and their CSLS: of each word the first `k` that may stand."""
    rows, csls = neighbours.rows.cpu().numpy(), neighbours.scores.cpu().numpy().ravel()
    words, targets = np.repeat(np.arange(len(rows)), rows.shape[1]), rows.ravel()
    # There are fewer neighbours where nearly all words are left out.
    stand: NDArray[np.bool_] = np.isfinite(csls) & ~limits.block.links_of(vocabularies, words, targets)
    words, targets, csls = words[stand], targets[stand], csls[stand]
    first = np.arange(len(words)) - np.searchsorted(words, words) < limits.k
    return words[first], targets[first], csls[first]
