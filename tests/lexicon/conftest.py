"""A parallel text whose embeddings have something to learn and whose lexicon is known."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def chain_text() -> tuple[list[list[str]], list[list[str]]]:
    """Words w0 … w39, each beside the next few; in the other language every fourth is written otherwise: W4x for w4."""
    rng = np.random.default_rng(1)
    starts = rng.integers(0, 40, size=(300, 1))
    places = (starts + rng.integers(1, 4, size=(300, 12)).cumsum(axis=1)) % 40
    sources = [[f"w{place}" for place in sentence] for sentence in places]
    targets = [[f"w{place}" if place % 4 else f"W{place}x" for place in sentence] for sentence in places]
    return sources, targets
