"""Nothing alike stands on both sides of a split."""

import numpy as np
import pytest

from switchtune.corpus.embedded import embedded_sentences
from switchtune.corpus.similar import NEAR, as_compared, similarity
from switchtune.corpus.split import split

PAIRS = embedded_sentences("news", "train", ("de", "en"), 300)
# Repeated with a word more, so that there is something to be kept together.
SIDES = tuple([*side, *(f"{text} Heute." for text in side[:100])] for side in zip(*PAIRS, strict=True))


def likeness(row: int, other: int) -> float:
    return max(similarity(as_compared(side[row]), as_compared(side[other])) for side in SIDES)


@pytest.mark.parametrize("documents", [None, np.arange(400, dtype=np.uint64) // 10])
def test_no_pair_is_like_one_across_the_border(documents: "np.ndarray | None") -> None:
    found = split(SIDES, {"valid": 20, "test": 40}, seed=3, documents=documents)
    assert 20 <= len(found.test) <= 40 and 5 <= len(found.valid) <= 20
    parts = (found.train, found.valid, found.test, found.alike)
    assert sorted(np.concatenate(parts).tolist()) == list(range(400))
    for one, other in ((found.train, found.valid), (found.train, found.test), (found.valid, found.test)):
        assert max(likeness(row, each) for row in one.tolist() for each in other.tolist()) < NEAR
    if documents is None:
        assert (len(found.test), len(found.valid), len(found.alike)) == (40, 20, 0)
    else:
        assert not np.isin(documents[found.test], documents[found.train]).any()


def test_a_split_is_the_same_for_the_same_seed() -> None:
    tests = [split(SIDES, {"test": 30}, seed=seed).test.tolist() for seed in (1, 1, 2)]
    assert tests[0] == tests[1] != tests[2]
