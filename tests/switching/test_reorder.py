"""The order of words as another language has it, learned from aligned pairs."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.text import encode
from switchtune.switching.reorder import LONGEST_STRETCH, Reordering, _loss, _ordered, learn_order

SUBJECTS, VERBS, OBJECTS = ("anna", "tom", "she", "he"), ("sees", "eats", "likes"), ("apples", "bread", "fish", "dogs")


def verb_last(count: int) -> list[tuple[str, ...]]:
    """Sentences with adverbs at times, as English has them."""
    rng = np.random.default_rng(0)
    draw = lambda words: words[rng.integers(len(words))]  # noqa: E731
    return [
        (draw(SUBJECTS), draw(VERBS), "fresh", draw(OBJECTS)) if rng.random() < 0.5
        else (draw(SUBJECTS), draw(VERBS), draw(OBJECTS))
        for _ in range(count)
    ]  # fmt: skip


def aligned(sentences: list[tuple[str, ...]]) -> Alignment:
    """Of each sentence with itself where the verb, its second word, stands last."""
    source, target, starts = [], [], [0]
    for sentence in sentences:
        order = [0, *range(2, len(sentence)), 1]
        source += range(len(sentence))
        target += [order.index(position) for position in range(len(sentence))]
        starts.append(len(source))
    links = len(source)
    return Alignment(
        np.array(starts), np.array(source, np.int16), np.array(target, np.int16), np.ones(links, np.float32), 0
    )


@pytest.fixture(scope="module")
def english() -> Reordering:
    sentences = verb_last(200)
    return learn_order(encode(sentences, "en"), "en", aligned(sentences))


def in_order(reordering: Reordering, text: str) -> str:
    words = text.split()
    return " ".join(words[place] for place in reordering(words))


def test_the_verb_goes_to_the_end_in_sentences_that_were_never_seen(english: Reordering) -> None:
    assert in_order(english, "She eats apples") == "She apples eats"
    assert in_order(english, "Tom likes fresh unheard") == "Tom fresh unheard likes"


def test_the_same_order_is_learned_where_there_is_nothing_to_move() -> None:
    sentences = verb_last(100)
    same = aligned(sentences)
    straight = Alignment(same.starts, same.source, same.source, same.probability, 0)
    learned = learn_order(encode(sentences, "en"), "en", straight)
    assert in_order(learned, "tom eats fresh bread") == "tom eats fresh bread"


@given(words=st.lists(st.sampled_from([*SUBJECTS, *VERBS, *OBJECTS, "new", ""]), max_size=15))
def test_no_word_is_lost_or_doubled(english: Reordering, words: list[str]) -> None:
    assert sorted(english(words)) == list(range(len(words)))


def test_a_long_sentence_is_put_in_order_by_stretches(english: Reordering) -> None:
    words = ["anna", "eats", "fish", "fresh"] * LONGEST_STRETCH
    order = english(words)
    assert sorted(order) == list(range(len(words)))
    assert order[:LONGEST_STRETCH] == english(words[:LONGEST_STRETCH]) != list(range(LONGEST_STRETCH))


def test_without_links_the_order_stays() -> None:
    nothing = Alignment(np.zeros(3, np.int64), *(np.zeros(0, np.int16),) * 2, np.zeros(0, np.float32), 0)
    learned = learn_order(encode([("a", "b"), ("b", "a")], "en"), "en", nothing)
    assert learned(["b", "a", "c"]) == [0, 1, 2]
    assert learned([]) == []


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    weights, rows, swapped = rng.normal(size=6), rng.integers(6, size=(5, 3), dtype=np.int32), rng.random(5) < 0.5
    value, gradient = _loss(weights, rows, swapped)
    logits = weights[rows].sum(axis=1)
    assert value == pytest.approx(-np.log(1 / (1 + np.exp(np.where(swapped, -logits, logits)))).sum())
    steps = [(_loss(weights + step, rows, swapped)[0] - value) / 1e-6 for step in np.eye(6) * 1e-6]
    assert gradient == pytest.approx(steps, abs=1e-4)


@settings(max_examples=40)
@given(
    st.integers(2, 5).flatmap(
        lambda size: st.lists(st.floats(-1, 1), min_size=size * size, max_size=size * size).map(
            lambda values: np.triu(np.reshape(values, (size, size)), 1)
        )
    )
)
def test_the_order_is_at_least_as_good_as_all_that_differ_by_one_move(upper: np.ndarray) -> None:
    matrix = upper - upper.T
    value = lambda order: sum(matrix[i, j] for at, i in enumerate(order) for j in order[at + 1 :])  # noqa: E731
    found = _ordered(matrix).tolist()
    assert sorted(found) == list(range(len(matrix)))
    moved = [
        (*rest[:place], word, *rest[place:])
        for word in found
        for rest in [[other for other in found if other != word]]
        for place in range(len(found))
    ]
    assert value(found) >= max(map(value, moved)) - 1e-5
    assert value(found) >= value(range(len(matrix))) - 1e-5
    assert value(found) <= max(map(value, permutations(range(len(matrix))))) + 1e-9
