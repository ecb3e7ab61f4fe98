"""Word accuracy by frequency against compare-mt's own figures (oracles/word_accuracy.json), and by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchtune.scoring.metrics import ScoringError, corpus_values
from switchtune.scoring.significance import compare_scores
from switchtune.scoring.word_accuracy import count_words, range_name, word_accuracy, words_of


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    return json.loads((Path(__file__).parents[1] / "oracles" / "word_accuracy.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(3))
def test_figures_of_compare_mt(number: int, oracle: dict[str, Any]) -> None:
    expected = oracle["found"][number]
    found = word_accuracy(oracle["hypotheses"], oracle["references"], oracle["counts"], buckets=expected["cutoffs"])
    assert len(found) == len(expected["cutoffs"]) + 1
    for bucket, figures in zip(found, expected["buckets"], strict=True):
        assert bucket.score.value == pytest.approx(100 * figures["f_measure"], abs=1e-12)
        assert (bucket.precision, bucket.recall) == (figures["precision"], figures["recall"])
        assert (bucket.output_words, bucket.reference_words) == (figures["output_words"], figures["reference_words"])
        assert bucket.score.segments[:, 0].sum() == figures["matches"]
        sums = bucket.score.segments.sum(axis=0).astype(float)
        assert corpus_values("word-F", sums) == pytest.approx(bucket.score.value)


def test_edges_belong_to_the_higher_bucket() -> None:
    counts = {"rare": 99, "middling": 100, "still": 999, "frequent": 1000}
    rare, middling, frequent = word_accuracy(["rare still new"], ["new rare middling frequent"], counts)
    assert [(bucket.low, bucket.high) for bucket in (rare, middling, frequent)] == [(0, 100), (100, 1000), (1000, None)]
    assert [range_name(each.low, each.high) for each in (rare, middling, frequent)] == [
        *("fewer than 100", "100 to 999", "1,000 and more")
    ]
    assert [bucket.score.segments.tolist() for bucket in (rare, middling, frequent)] == [
        [[2, 2, 2]],
        [[0, 1, 1]],
        [[0, 0, 1]],
    ]
    assert [bucket.score.value for bucket in (rare, middling, frequent)] == [100, 0, 0]
    assert middling.score.signature == "nrefs:1|freq:100-999"


def test_words_of_text_that_is_not_tokenised() -> None:
    counts = count_words(["The dog, the dog's bone.", "(dog)"], words_of("en"))
    assert counts == {"The": 1, "the": 1, "dog": 2, "dog's": 1, "bone": 1}
    rare, frequent = word_accuracy(["A dog."], ["dog: bone"], counts, buckets=[2], words=words_of("en"))
    assert (frequent.score.value, rare.output_words, rare.reference_words) == (100, 1, 1)


def test_a_bucket_is_compared_like_any_score() -> None:
    references = ["a b c d e f"] * 30
    counts = {"a": 5}
    poor = word_accuracy(["x b c d e f"] * 30, references, counts, buckets=[2])
    good = word_accuracy(references, references, counts, buckets=[2])
    found = compare_scores([poor[1].score], [good[1].score], resamples=200)
    assert (found.metric, found.value_a, found.value_b, found.difference) == ("word-F", 0, 100, 100)
    assert found.p_value < 0.05
    with pytest.raises(ScoringError, match="does not compare"):
        compare_scores([poor[0].score], [good[1].score])


@pytest.mark.parametrize("buckets", [[], [0, 10], [10, 10], [100, 10]])
def test_frequencies_that_do_not_rise_are_refused(buckets: list[int]) -> None:
    with pytest.raises(ScoringError, match="frequencies of buckets must rise"):
        word_accuracy(["a"], ["a"], {}, buckets=buckets)


def test_unequal_counts_are_refused() -> None:
    with pytest.raises(ScoringError, match="1 hypotheses but 2 references"):
        word_accuracy(["a"], ["a", "b"], {})


def test_no_words_at_all() -> None:
    (bucket, _) = word_accuracy([""], ["b"], {}, buckets=[3])
    assert (bucket.score.value, bucket.precision, bucket.recall, bucket.reference_words) == (0, 0, 0, 1)
    assert np.array_equal(corpus_values("word-F", np.zeros((2, 3))), [0, 0])
