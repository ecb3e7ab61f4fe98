"""Repeated texts are found as a set finds them, in less memory."""

import random
import tracemalloc

from switchtune.corpus.seen import Seen


def test_what_was_met_is_what_a_set_would_have() -> None:
    rng, seen, expected = random.Random(1), Seen(), set[str]()
    for _ in range(20_000):
        text = str(rng.randrange(12_000))
        assert seen.add(text) == (text not in expected)
        expected.add(text)


def test_a_text_takes_few_bytes() -> None:
    tracemalloc.start()
    seen = Seen()
    for number in range(5_000):
        seen.add(f"text {number}")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000 * 40
