"""Gibbs sampling: its counts, its conditional probabilities worked out by hand, and that it can be repeated."""

from collections import Counter

import numpy as np
import pytest

from switchtune.lexicon import fertility
from switchtune.lexicon.fertility import refine
from switchtune.lexicon.records import LexiconError
from switchtune.lexicon.text import Encoded, Vocabulary, encode

COUNT_MASK = (1 << 24) - 1


def random_text(sentences: int, seed: int = 1) -> tuple[Encoded, Encoded, np.ndarray]:
    rng = np.random.default_rng(seed)
    sources = [[f"s{word}" for word in rng.integers(0, 30, size=rng.integers(0, 8))] for _ in range(sentences)]
    targets = [[word.replace("s", "t") for word in sentence] for sentence in sources]
    source, target = encode(sources, "x"), encode(targets, "y")
    links = np.concatenate([rng.integers(-1, len(sentence), size=len(sentence)) for sentence in sources])
    return source, target, links.astype(np.int32)


def counted(source: Encoded, target: Encoded, links: np.ndarray) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    for pair in range(len(source)):
        for token in range(target.starts[pair], target.starts[pair + 1]):
            place = links[token]
            word = source.ids[source.starts[pair] + place] if place >= 0 else len(source.vocabulary)
            found[int(word), int(target.ids[token])] += 1
    return found


def table(counts: np.ndarray, words: int) -> dict[tuple[int, int], int]:
    return {
        divmod((int(entry) >> 24) - 1, words): int(entry) & COUNT_MASK for entry in counts if int(entry) & COUNT_MASK
    }


def test_counts_follow_the_links_through_sweeps() -> None:
    source, target, links = random_text(200)
    pairs = (source.ids, source.starts, target.ids, target.starts)
    words, null = len(target.vocabulary), len(source.vocabulary)
    found = fertility._counted(pairs, links, words, null)
    state = np.array([7], dtype=np.uint64)
    for _ in range(3):
        counts, _, total, _ = found
        assert table(counts, words) == counted(source, target, links)
        assert total.sum() == len(links)
        odds = fertility._child_odds(pairs, links, null)
        found, _ = fertility._sweep(pairs, links, found, odds, words, 2, False, state)
    _, _, total, jumps = found
    _, _, total_again, jumps_again = fertility._counted(pairs, links, words, null)
    assert total == pytest.approx(total_again)
    assert jumps == pytest.approx(jumps_again)


def test_the_conditional_probability_by_hand() -> None:
    """One target word, two source words; nothing else in the corpus once its own link is taken away."""
    source, target = encode([["a", "b"], ["a"]], "x"), encode([["u"], ["u"]], "y")
    links = np.array([1, 0], dtype=np.int32)  # u comes from b, and in the second pair from a
    pairs = (source.ids, source.starts, target.ids, target.starts)
    found = fertility._counted(pairs, links, 1, 2)
    jumps = found[3]
    odds = fertility._child_odds(pairs, links, 2)
    far = 40
    without = jumps.copy()
    without[[1 - -1 + far, 2 - 1 + far]] -= 1  # the jumps to and from b
    without[2 - -1 + far] += 1  # from the start to the end
    a, b = source.vocabulary.index["a"], source.vocabulary.index["b"]
    prior = 0.001
    weights = np.array(
        [
            (1 + prior) / (1 + prior) * without[0 - -1 + far] * without[2 - 0 + far] * odds[a, 0],
            prior / prior * without[1 - -1 + far] * without[2 - 1 + far] * odds[b, 0],
        ]
    )
    null = prior / prior * 0.2 / 0.8 * without[2 - -1 + far] * (jumps.sum() - 1)
    _, kept = fertility._sweep(pairs, links, found, odds, 1, 2, True, np.array([1], dtype=np.uint64))
    probability = {(int(token), int(place)): float(value) for token, place, value in zip(*kept, strict=True)}
    expected = weights / (weights.sum() + null)
    assert [probability[0, 0], probability[0, 1]] == pytest.approx(expected, rel=1e-5)


def test_it_can_be_repeated_and_finds_what_is_there() -> None:
    source, target, links = random_text(300)
    first, again, other = (refine(source, target, links, sweeps=5, scans=6, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.probability, again.probability) and np.array_equal(first.position, again.position)
    assert not np.array_equal(first.probability, other.probability)
    mass = np.bincount(first.token, first.probability, minlength=len(target.ids))
    assert mass.max() <= 1 + 1e-5
    place_of_token = np.arange(len(target.ids)) - np.repeat(target.starts[:-1], target.lengths)
    right = first.position == place_of_token[first.token]
    assert first.probability[right].sum() / len(target.ids) > 0.8


def test_vocabularies_have_a_bound() -> None:
    class Huge(Vocabulary):
        def __len__(self) -> int:
            return 1_000_000

    huge = Encoded(Huge((), np.zeros(0, np.int64), {}), np.zeros(0, np.int32), np.zeros(1, np.int64))
    with pytest.raises(LexiconError, match="1,000,000 and 1,000,000 different words are too many"):
        refine(huge, huge, np.zeros(0, np.int32), sweeps=1, scans=2, seed=1)
