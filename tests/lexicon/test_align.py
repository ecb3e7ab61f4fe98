"""IBM model 1 against numbers worked out by hand, against exact arithmetic, and by what must hold of any corpus."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.lexicon import LexiconError, align
from switchtune.lexicon.align import align_lexicons, apart_lexicons, cooccurrence, translation_probabilities

HAUS = [["das", "Haus"], ["das", "Buch"]], [["the", "house"], ["the", "book"]]

sentences = st.lists(st.sampled_from("abcde"), max_size=4)
corpora = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=8).filter(
    lambda pairs: any(source and target for source, target in pairs)
)


def probabilities(sources, targets, **options) -> dict[tuple[str, str], float]:
    together = cooccurrence(sources, targets, ("de", "en"))
    source, target = together.source.vocabulary.words, together.target.vocabulary.words
    pairs = zip(together.source_of_pair, together.target_of_pair, strict=True)
    values = translation_probabilities(together, **options)
    return {(source[s], target[t]): value for (s, t), value in zip(pairs, values.tolist(), strict=True)}


def exact_probabilities(sources, targets, iterations):
    """IBM model 1 as the textbook has it, word by word, in fractions."""
    words = {word for sentence in targets for word in sentence}
    probability = defaultdict(lambda: Fraction(1, len(words)))
    for _ in range(iterations):
        expected = defaultdict(Fraction)
        for source, target in zip(sources, targets, strict=True):
            for word in target:
                total = sum(probability[origin, word] for origin in [None, *source])
                for origin in [None, *source]:
                    expected[origin, word] += probability[origin, word] / total
        mass = defaultdict(Fraction)
        for (origin, _), value in expected.items():
            mass[origin] += value
        probability = {pair: value / mass[pair[0]] for pair, value in expected.items()}
    return {pair: float(value) for pair, value in probability.items() if pair[0] is not None}


def test_two_iterations_by_hand() -> None:
    """With NULL, das and Haus before each English word of the first pair, as uniform beginnings give them."""
    first = probabilities(*HAUS, iterations=1)
    assert first == pytest.approx(
        {
            ("das", "the"): 1 / 2,
            ("das", "house"): 1 / 4,
            ("das", "book"): 1 / 4,
            ("Haus", "the"): 1 / 2,
            ("Haus", "house"): 1 / 2,
            ("Buch", "the"): 1 / 2,
            ("Buch", "book"): 1 / 2,
        }
    )
    second = probabilities(*HAUS, iterations=2)
    assert second == pytest.approx(
        {
            ("das", "the"): 4 / 7,
            ("das", "house"): 3 / 14,
            ("das", "book"): 3 / 14,
            ("Haus", "the"): 2 / 5,
            ("Haus", "house"): 3 / 5,
            ("Buch", "the"): 2 / 5,
            ("Buch", "book"): 3 / 5,
        }
    )


@settings(deadline=None, max_examples=40)
@given(corpus=corpora, iterations=st.integers(1, 2))
def test_equals_exact_arithmetic(corpus, iterations: int) -> None:
    sources, targets = zip(*corpus, strict=True)
    expected = exact_probabilities(sources, targets, iterations)
    assert probabilities(sources, targets, iterations=iterations) == pytest.approx(expected)
    backward = {(s, t): value for (t, s), value in exact_probabilities(targets, sources, iterations).items()}
    assert probabilities(sources, targets, iterations=iterations, given="target") == pytest.approx(backward)


@settings(deadline=None, max_examples=30)
@given(corpus=corpora)
def test_probabilities_of_a_word_sum_to_one(corpus) -> None:
    sources, targets = zip(*corpus, strict=True)
    sums = defaultdict(float)
    for (word, _), value in probabilities(sources, targets).items():
        sums[word] += value
    assert list(sums.values()) == pytest.approx([1.0] * len(sums))


@settings(deadline=None, max_examples=30)
@given(corpus=corpora)
def test_sides_can_be_swapped(corpus) -> None:
    sources, targets = zip(*corpus, strict=True)
    forward, backward = align_lexicons(sources, targets, ("x", "y"))
    other_forward, other_backward = align_lexicons(targets, sources, ("y", "x"))
    assert (forward, backward) == (other_backward, other_forward)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    sides = [[[str(word) for word in rng.zipf(1.5, size=rng.integers(0, 9))] for _ in range(60)] for _ in range(2)]
    whole = align_lexicons(*sides, ("x", "y"))
    monkeypatch.setattr(align, "_LINKS_PER_BLOCK", 7)
    assert align_lexicons(*sides, ("x", "y")) == whole


def test_the_corpus_of_houses() -> None:
    sources = [["Das", "Haus"], ["Das", "kleine", "Haus"], ["Das", "Buch"], ["Ein", "Buch"], ["Ein", "Haus"]]
    targets = [["The", "house"], ["The", "small", "house"], ["The", "book"], ["A", "book"], ["A", "house"]]
    forward, backward = align_lexicons(sources, targets, ("de", "en"), floor=0)
    best = {entry.word: entry.translations[0].word for entry in forward.entries.values()}
    assert best == {"Haus": "house", "Das": "The", "Buch": "book", "Ein": "A", "kleine": "small"}
    assert {translation: word for word, translation in best.items()} == {
        entry.word: entry.translations[0].word for entry in backward.entries.values()
    }
    assert (forward.source_language, forward.target_language, forward.measure) == ("de", "en", "probability")
    assert (backward.source_language, backward.target_language) == ("en", "de")
    haus = forward.entries["haus"]
    assert (haus.count, haus.translations[0].count) == (3, 3)
    assert len(haus.translations) == 3
    assert [t.strength for t in haus.translations] == sorted((t.strength for t in haus.translations), reverse=True)


def test_translations_under_the_floor_are_left_out() -> None:
    rng = np.random.default_rng(3)
    sides = [[[f"{side}{word}" for word in rng.zipf(1.5, size=6)] for _ in range(80)] for side in "st"]
    everything, _ = align_lexicons(*sides, ("x", "y"), floor=0)
    kept, _ = align_lexicons(*sides, ("x", "y"), floor=0.3)
    assert kept.entries.keys() == everything.entries.keys()
    for key, entry in everything.entries.items():
        least = 0.3 * entry.translations[0].strength
        expected = [translation for translation in entry.translations if translation.strength >= least]
        assert list(kept.entries[key].translations) == expected
    assert kept != everything


def test_strength_is_the_product_of_both_directions() -> None:
    forward, backward = align_lexicons(*HAUS, ("de", "en"), k=1, iterations=2)
    assert forward.entries["haus"].translations[0].strength == pytest.approx((3 / 5) ** 2)
    assert forward.entries["das"].translations[0].strength == pytest.approx((4 / 7) ** 2, abs=1e-6)
    assert all(len(entry.translations) == 1 for entry in [*forward.entries.values(), *backward.entries.values()])


def test_ties_do_not_hang_on_the_order_in_the_sentence() -> None:
    for target in (["u", "v", "w"], ["w", "v", "u"]):
        forward, _ = align_lexicons([["a"]], [target], ("x", "y"), k=2)
        assert [translation.word for translation in forward.entries["a"].translations] == ["u", "v"]


def test_rare_companions_can_be_left_out() -> None:
    forward, _ = align_lexicons(*HAUS, ("de", "en"), min_cooccurrence=2)
    assert set(forward.entries) == {"das"}
    with pytest.raises(LexiconError, match="at least 3 times"):
        align_lexicons(*HAUS, ("de", "en"), min_cooccurrence=3)


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        ([["a"]], [["b"], ["c"]], "1 source sentences, but 2 target sentences"),
        ([], [], "no sentence pair|No sentence pair"),
        ([["a"], []], [[], ["b"]], "No sentence pair"),
    ],
)
def test_nothing_to_learn_from(sources, targets, message: str) -> None:
    with pytest.raises(LexiconError, match=message):
        align_lexicons(sources, targets, ("x", "y"))


def test_apart_words_never_meet() -> None:
    rng = np.random.default_rng(2)
    sides = [[[str(word) for word in rng.integers(0, 40, size=4)] for _ in range(30)] for _ in range(2)]
    forward, backward = apart_lexicons(*sides, ("x", "y"), seed=5)
    met = {(s, t) for source, target in zip(*sides, strict=True) for s in source for t in target}
    for key, entry in forward.entries.items():
        drawn = {translation.word for translation in entry.translations}
        assert len(drawn) == 3
        assert not any((key, word) in met for word in drawn)
    assert not any((t.word, key) in met for key, entry in backward.entries.items() for t in entry.translations)
    assert forward.entries.keys() == {word for sentence in sides[0] for word in sentence}
    assert (forward, backward) == apart_lexicons(*sides, ("x", "y"), seed=5)
    assert (forward, backward) != apart_lexicons(*sides, ("x", "y"), seed=6)


def test_apart_falls_back_on_the_rarest_companions() -> None:
    sources = [["a"], ["a"], ["a"], ["b"]]
    targets = [["u", "v"], ["u"], ["u", "w", "w"], ["z"]]
    forward, _ = apart_lexicons(sources, targets, ("x", "y"), k=2, seed=1)
    assert [translation.word for translation in forward.entries["a"].translations] == ["z", "v"]
