"""What a model would be trained on and then tested on: the same pair, nearly the same, the same document."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from switchtune.check.records import Problem, RawCorpus, Severity, percent, warning_from
from switchtune.corpus.similar import NEAR, Likenesses, as_compared, signatures

_EXAMPLES = 3
_UNTRUE, _FEWEST = 0.1, 20
"""Share of a test set, and number of its pairs, from which its scores are untrue where they are trained on. Fewer may
be chance, as short sentences come back in any talk, or a trial of the program on a handful of pairs. A validation set
that is trained on only chooses among a run's own weights."""


def leaks(train: RawCorpus, held_out: Sequence[RawCorpus]) -> Iterator[Problem]:
    """Pairs of validation and test sets that stand in the training set, on either side, exactly or nearly."""
    exact, near = ([dict[int, int]() for _ in held_out] for _ in range(2))
    for side in (0, 1):
        held = [
            Likenesses(map(as_compared, chain.from_iterable(texts for _, texts in each.side(side))))
            for each in held_out
        ]
        for start, texts in train.side(side):
            compared = list(map(as_compared, texts))
            signed = signatures(compared)
            for number, likenesses in enumerate(held):
                for place, row, likeness in likenesses.near(compared, signed):
                    if compared[place]:
                        (exact if likeness == 1 else near)[number].setdefault(start + place, row)
    for each, same, like in zip(held_out, exact, near, strict=True):
        like = {row: held for row, held in like.items() if row not in same}
        if same:
            yield _leak(train, each, same, "leak", "stand in the training set, letter case and punctuation aside")
        if like:
            said = f"nearly stand in the training set: a side has {NEAR:.0%} or more of its n-grams in common"
            yield _leak(train, each, like, "near-leak", said)


def _leak(train: RawCorpus, held_out: RawCorpus, rows: dict[int, int], kind: str, said: str) -> Problem:
    concerned, total = len(set(rows.values())), len(held_out)
    found = (
        f"Pairs of the {_NAMES[held_out.corpus]} ({held_out.origin}) that {said}: {percent(concerned, total)}. "
        f"Training pairs concerned: {len(rows):,}."
    )
    advice = (
        "Scores would tell what was learned by heart: leave these training pairs out."
        if kind == "leak"
        else "Where a few words were changed, scores flatter: leave these training pairs out, unless such sentences "
        "are usual in this text."
    )
    level: Severity = "warning" if kind == "leak" else warning_from(0.01, concerned, total)
    if kind == "leak" and held_out.corpus == "test" and concerned >= max(_FEWEST, _UNTRUE * total):
        level = "error"
    places = sorted(rows)
    problem = train.problem(kind, level, places, (found, advice), leave_out=True)
    pairs = (f"{train.shown(row)} ~ {held_out.corpus} {held_out.shown(rows[row])}" for row in places[:_EXAMPLES])
    return problem.with_examples(tuple(pairs))


_NAMES = {"train": "training set", "valid": "validation set", "test": "test set"}


def shared_documents(train: RawCorpus, held_out: RawCorpus) -> Iterator[Problem]:
    """Training pairs of documents from which pairs are held out."""
    if train.documents is None or held_out.documents is None:
        return
    rows = np.flatnonzero(np.isin(train.documents, held_out.documents))
    if len(rows):
        documents = len(np.intersect1d(train.documents, held_out.documents))
        found = (
            f"Training pairs of documents that the {_NAMES[held_out.corpus]} ({held_out.origin}) has pairs of: "
            f"{percent(len(rows), len(train))}; documents: {documents:,}."
        )
        advice = "Names and turns of phrase come back within a document: leave these pairs out, or split by document."
        yield train.problem("document", "warning", rows, (found, advice), leave_out=True)
