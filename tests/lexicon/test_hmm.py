"""Expectation maximisation against enumeration of all alignments, and by what must hold of any corpus."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from switchtune.lexicon import hmm
from switchtune.lexicon.hmm import NULL_SHARE, Direction, table_bits, train_directions
from switchtune.lexicon.text import Encoded, encode

HAUS = [["das", "Haus"], ["das", "Buch"], []], [["the", "house"], ["the", "book"], ["x"]]
BITS = 12


def encoded(sides: tuple[list[list[str]], list[list[str]]]) -> tuple[Encoded, Encoded]:
    return encode(sides[0], "de"), encode(sides[1], "en")


def random_text(sentences: int, seed: int = 1) -> tuple[Encoded, Encoded]:
    rng = np.random.default_rng(seed)
    sources = [[f"s{word}" for word in rng.zipf(1.6, size=rng.integers(0, 8)) % 50] for _ in range(sentences)]
    targets = [[word.replace("s", "t") for word in reversed(sentence)] for sentence in sources]
    return encoded((sources, targets))


def table_of(direction: Direction) -> dict[tuple[str, str], float]:
    """The probabilities of all pairs that stand together."""
    source, target = direction.source, direction.target
    shift = np.uint64(64 - BITS)
    found = {}
    for pair in range(len(source)):
        for e in source.ids[source.starts[pair] : source.starts[pair + 1]]:
            for f in target.ids[target.starts[pair] : target.starts[pair + 1]]:
                slot = hmm._slot(int(e), int(f), shift)
                probability = direction.table[slot] * direction.inverse[e]
                found[source.vocabulary.words[e], target.vocabulary.words[f]] = float(probability)
    return found


def textbook(sources: list[list[str]], targets: list[list[str]], passes: int) -> dict[tuple[str, str], float]:
    """IBM model 1 word by word: a NULL word of fixed prior, and the smoothing that the module states."""
    words = {word for sentence in targets for word in sentence}
    probability = defaultdict(lambda: 1 / len(words))
    null = dict.fromkeys(words, 1 / len(words))
    for _ in range(passes):
        expected, of_null = defaultdict(float), defaultdict(float)
        for source, target in zip(sources, targets, strict=True):
            for word in target if source else []:
                share = (1 - NULL_SHARE) / len(source)
                total = NULL_SHARE * null[word] + sum(share * probability[origin, word] for origin in source)
                of_null[word] += NULL_SHARE * null[word] / total
                for origin in source:
                    expected[origin, word] += share * probability[origin, word] / total
        mass = defaultdict(float)
        for (origin, _), value in expected.items():
            mass[origin] += value
        probability = defaultdict(float, {pair: value / (mass[pair[0]] + 1) for pair, value in expected.items()})
        seen = sum(of_null.values()) + 0.01 * len(words)
        null = {word: (of_null[word] + 0.01) / seen for word in words}
    return dict(probability)


@pytest.mark.parametrize("passes", [1, 2, 4])
def test_model_1_is_the_textbook_s(passes: int) -> None:
    direction = Direction(*encoded(HAUS), BITS)
    for number in range(passes):
        direction.model1(first=number == 0)
    assert table_of(direction) == pytest.approx(textbook(*HAUS, passes), rel=1e-5)


def enumerated(emission: np.ndarray, null: np.ndarray, jumps: np.ndarray) -> tuple[np.ndarray, float, dict[int, float]]:
    """Posteriors, likelihood and expected jumps by going through all alignments. emission: [target, source]"""
    height, width = emission.shape
    far = (len(jumps) - 1) // 2
    posterior, likelihood, expected = np.zeros((height, width)), 0.0, defaultdict(float)
    # A state is a place and whether the word comes from NULL, which remembers the place.
    for path in product(product(range(width), (False, True)), repeat=height):
        weight, before, moves = 1.0, -1, []
        for row, (place, by_null) in enumerate(path):
            mass = sum(jumps[other - before + far] for other in range(width))
            if by_null:
                weight *= NULL_SHARE * null[row] * (1 / width if row == 0 else float(place == before))
            else:
                weight *= (1 - NULL_SHARE) * jumps[place - before + far] / mass * emission[row, place]
                if row:
                    moves.append(place - before)
            before = place
        likelihood += weight
        for row, (place, by_null) in enumerate(path):
            posterior[row, place] += 0.0 if by_null else weight
        for move in moves:
            expected[move] += weight
    return posterior / likelihood, likelihood, {move: value / likelihood for move, value in expected.items()}


def test_forward_and_backward_recursion_equal_enumeration() -> None:
    source, target = encoded(([["a", "b", "c"], ["a"]], [["u", "v", "w", "u"], ["u", "v"]]))
    rng = np.random.default_rng(3)
    direction = Direction(source, target, BITS)
    direction.table[:] = rng.random(len(direction.table))
    direction.inverse[:] = rng.random(len(direction.inverse))
    direction.null[:] = rng.random(len(direction.null)) / 10
    direction.jumps[:] = rng.random(len(direction.jumps))
    posterior, likelihood = direction.posteriors((0, 2))
    cells, total, moves = 0, 0.0, defaultdict(float)
    for pair in range(2):
        words = source.ids[source.starts[pair] : source.starts[pair + 1]]
        others = target.ids[target.starts[pair] : target.starts[pair + 1]]
        shift = np.uint64(64 - BITS)
        emission = np.array(
            [[direction.table[hmm._slot(int(e), int(f), shift)] * direction.inverse[e] for e in words] for f in others]
        )
        expected, each, jumps = enumerated(emission, direction.null[others], direction.jumps)
        size = emission.size
        assert posterior[cells : cells + size].reshape(emission.shape) == pytest.approx(expected, abs=1e-5)
        cells, total = cells + size, total + np.log(each)
        for move, value in jumps.items():
            moves[move] += value
    assert likelihood == pytest.approx(total)
    far = (len(direction.jumps) - 1) // 2
    counted = {place - far: value for place, value in enumerate(direction.jumps_expected) if value}
    assert counted == pytest.approx(moves, abs=1e-4)


def test_counts_are_the_product_of_both_directions() -> None:
    source, target = encoded(([["a", "b"]], [["u", "v"]]))
    direction = Direction(source, target, BITS)
    own = np.array([0.9, 0.1, 0.2, 0.7], dtype=np.float32)  # [target, source]
    other = np.array([0.8, 0.3, 0.1, 0.6], dtype=np.float32)  # [source, target]
    direction.count((0, 1), own, other)
    assert direction.total == pytest.approx([0.9 * 0.8 + 0.2 * 0.3, 0.1 * 0.1 + 0.7 * 0.6])
    assert direction.null_expected == pytest.approx([1 - 0.9 * 0.8 - 0.1 * 0.1, 1 - 0.2 * 0.3 - 0.7 * 0.6])


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = random_text(60)
    with ThreadPoolExecutor(2) as pool:
        settings = {"least": 0.3, "pool": pool, "on_step": lambda step: None}
        whole = train_directions(*sides, (2, 3), **settings)
        monkeypatch.setattr(hmm, "_CELLS_PER_BLOCK", 50)
        pieces = train_directions(*sides, (2, 3), **settings)
    assert all(np.array_equal(one, other) for one, other in zip(whole, pieces, strict=True))


def test_the_likelihood_rises_and_steps_are_told() -> None:
    steps = []
    with ThreadPoolExecutor(2) as pool:
        train_directions(*random_text(80), (4, 2), least=0.3, pool=pool, on_step=steps.append)
    assert [(step.what, step.number, step.total) for step in steps] == [
        *(("model 1", number, 6) for number in (1, 2, 3, 4)),
        *(("HMM", number, 6) for number in (5, 6)),
    ]
    likelihoods = [float(step.objective.split()[-1]) for step in steps[:4]]
    assert likelihoods == sorted(likelihoods)


def test_tables_have_a_bound() -> None:
    assert table_bits(0) == table_bits(1000) == 22
    assert table_bits(10_000_000) == 25
    assert table_bits(10**12) == 27
