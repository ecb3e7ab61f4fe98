"""A validation and a test set taken out of a corpus, with nothing alike on both sides of the border."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from switchtune.corpus.similar import NEAR, TEXTS_AT_ONCE, Likenesses, as_compared, likely_links, signatures, similarity

Taken: TypeAlias = Literal["valid", "test"]
Rows: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Which rows of a corpus are trained on, validated on and tested on."""

    train: Rows
    valid: Rows
    test: Rows
    alike: Rows
    """Rows that are none of these: they are near duplicates of what is held out, in other documents."""


def split(
    sides: tuple[Sequence[str], Sequence[str]],
    counts: Mapping[Taken, int],
    *,
    seed: int,
    documents: NDArray[np.uint64] | None = None,
) -> Split:
    """Draw so many pairs for validation and test, whole groups of them, the same for the same seed.

    A group is a document, or without documents all pairs that are near duplicates of each other on a side. A group that
    is too large for what is still missing stays in training, so that there may be fewer pairs than asked for. A pair
    whose side is a near duplicate of one that is held out is not trained on; one of validation and test is tested on.

    Args:
        sides: sources and targets, a row each.
        documents: of each row, where pairs are of documents.
    """
    compared = tuple([as_compared(text) for text in side] for side in sides)
    groups = _alike(compared) if documents is None else np.unique(documents, return_inverse=True)[1]
    sizes = np.bincount(groups)
    missing, taken = dict(counts), dict[int, Taken]()
    for group in np.random.default_rng(seed).permutation(len(sizes)).tolist():
        name = next((name for name in missing if sizes[group] <= missing[name]), None)
        if name is not None:
            taken[group] = name
            missing[name] -= int(sizes[group])
        if not any(missing.values()):
            break
    set_of_group = np.array([taken.get(group, "train") for group in range(len(sizes))])
    of_row = set_of_group[groups]
    alike = list[int]()
    for held, others in (("test", ("valid", "train")), ("valid", ("train",))):
        rows = np.flatnonzero(np.isin(of_row, others))
        near = _near(compared, np.flatnonzero(of_row == held), rows)
        of_row[near] = "alike"
        alike += near
    train, valid, test = (np.flatnonzero(of_row == name) for name in ("train", "valid", "test"))
    return Split(train, valid, test, np.array(sorted(alike), np.int64))


def _alike(sides: Sequence[Sequence[str]]) -> Rows:
    """The group of each row: rows that are near duplicates of each other on a side, directly or through others."""
    count, links = len(sides[0]), [np.zeros((0, 2), np.int64)]
    for side in sides:
        likely = np.unique(np.concatenate([*likely_links(signatures(side)), links[0]]), axis=0)
        near = [similarity(side[row], side[earlier]) >= NEAR for row, earlier in likely.tolist()]
        links.append(likely[np.array(near, bool)])
    rows, others = np.concatenate(links).T
    graph = coo_array((np.ones(len(rows), bool), (rows, others)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _near(sides: Sequence[Sequence[str]], held: Rows, rows: Rows) -> list[int]:
    """Which of some rows are near duplicates of one that is held out, on a side."""
    found = set[int]()
    for side in sides:
        likenesses = Likenesses(side[row] for row in held)
        for start in range(0, len(rows), TEXTS_AT_ONCE):
            some = rows[start : start + TEXTS_AT_ONCE].tolist()
            texts = [side[row] for row in some]
            found.update(some[number] for number, _, _ in likenesses.near(texts, signatures(texts)))
    return sorted(found)
