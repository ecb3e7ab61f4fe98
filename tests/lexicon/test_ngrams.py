"""The trigram language model, against its formula written out in plain Python."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.lexicon import ngrams as module
from switchtune.lexicon.ngrams import DISCOUNT, Ngrams, count_ngrams, history_of, log_probability
from switchtune.lexicon.text import encode

sentences = st.lists(st.lists(st.sampled_from("abcd"), max_size=5), min_size=1, max_size=8)


def probability(ngrams: Ngrams, two_before: int, before: int, word: int) -> float:
    return math.exp(log_probability(ngrams, history_of(ngrams, two_before, before), before, word))


def by_formula(text: Sequence[Sequence[int]], words: int, two_before: int, before: int, word: int) -> float:
    """Interpolated absolute discounting, from counts of tuples."""
    end, begin, size = words, words + 1, words + 3
    counts = [Counter[tuple[int, ...]]() for _ in range(3)]
    for sentence in text:
        tokens = (begin, *sentence, end)
        for place in range(1, len(tokens)):
            for order in range(min(3, place + 1)):
                counts[order][tokens[place - order : place + 1]] += 1
    total, kinds = sum(counts[0].values()), len(counts[0])
    rest = DISCOUNT * kinds / total / size
    seen = counts[0][word,]
    found = max(0, seen - DISCOUNT) / total + (rest if seen else rest / 10)
    for order, history in ((1, (before,)), (2, (two_before, before))):
        after = {ngram: count for ngram, count in counts[order].items() if ngram[:-1] == history}
        if after:
            total = sum(after.values())
            found = max(0, after.get((*history, word), 0) - DISCOUNT) / total + DISCOUNT * len(after) / total * found
    return found


@given(text=sentences, history=st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")))
def test_probabilities_are_those_of_the_formula(text: list[list[str]], history: tuple[str, str]) -> None:
    encoded = encode(text, "en")
    ngrams = count_ngrams(encoded)
    end = ngrams.end
    ids = [[encoded.vocabulary.index[word] for word in sentence] for sentence in text]
    known = [encoded.vocabulary.index.get(word, end + 2) for word in history]
    for two_before, before in ((end + 1, end + 1), (end + 1, known[1]), (known[0], known[1])):
        for word in range(end + 3):
            expected = by_formula(ids, end, two_before, before, word)
            assert probability(ngrams, two_before, before, word) == pytest.approx(expected)


def test_probabilities_add_up_to_one_where_all_words_are_known() -> None:
    encoded = encode([["a", "b"], ["a", "c", "b"], ["b"]] * 50, "en")
    ngrams = count_ngrams(encoded)
    end = ngrams.end
    for two_before, before in ((end + 1, end + 1), (end + 1, 0), (0, 1)):
        assert sum(probability(ngrams, two_before, before, word) for word in range(end + 3)) == pytest.approx(
            1, abs=0.01
        )


def test_what_follows_often_is_likelier_than_what_never_does() -> None:
    encoded = encode([line.split() for line in ["the old man sat", "the old man left", "an old dog sat"]], "en")
    ngrams, index = count_ngrams(encoded), encoded.vocabulary.index
    after_old = {word: probability(ngrams, index["the"], index["old"], index[word]) for word in ("man", "dog", "sat")}
    assert after_old["man"] > after_old["dog"] > after_old["sat"]
    assert probability(ngrams, index["the"], index["old"], ngrams.id_of(None)) > 0


def test_rare_words_count_as_one_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode([["a", "a", "b", "b", "c"], ["a", "d"]], "en")
    monkeypatch.setattr(module, "_MOST_WORDS", 2)
    ngrams, (a, b, end, begin, other) = count_ngrams(encoded), range(5)
    assert ngrams.end == end
    assert list(map(ngrams.id_of, (0, 1, 2, 3, None))) == [a, b, other, other, other]
    for two_before, before in ((begin, begin), (b, b), (begin, a)):
        ids = [[a, a, b, b, other], [a, other]]
        for word in range(5):
            expected = by_formula(ids, 2, two_before, before, word)
            assert probability(ngrams, two_before, before, word) == pytest.approx(expected)


def test_whole_sentences_are_counted_up_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode([["a", "b"], ["b", "a"], ["b", "b"]], "en")
    monkeypatch.setattr(module, "MOST_TOKENS", 5)
    cut = count_ngrams(encoded)
    for word in range(5):
        expected = by_formula(
            [[encoded.vocabulary.index[each] for each in line] for line in ("ab", "ba")], 2, 3, 3, word
        )
        assert probability(cut, 3, 3, word) == pytest.approx(expected)


def test_nothing_is_known_after_an_empty_text() -> None:
    assert probability(count_ngrams(encode([], "en")), 1, 1, 2) > 0
