"""The paired tests: sacrebleu's figures, two-sided p-values that hold what they say, what holds of any comparison."""

import random
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest
from scipy.stats import binomtest
from scipy.stats import t as student

from switchtune.corpus.embedded import embedded_sentences
from switchtune.scoring.metrics import MetricName, Score, ScoringError, bleu, corpus_values
from switchtune.scoring.significance import (
    FEW_SENTENCES,
    METRICS,
    TESTS,
    Comparison,
    Test,
    compare_scores,
    compare_seeds,
    decide,
    holm,
    share_interval,
)

OF_SACREBLEU: tuple[MetricName, ...] = ("BLEU", "chrF++")
OFFLINE = [name for name in METRICS if name != "spBLEU"]
OURS: tuple[Test, ...] = ("bootstrap", "randomisation")


SALAD = "a man in red shirt is sitting on the bench with two small dogs near water while people walk past him"
WORDS = SALAD.split()


def sentences(seed: int, count: int) -> list[str]:
    """Word salad, of 1 to 14 words a line; `random.random` is the same in every version of Python."""
    rng = random.Random(seed)
    return [
        " ".join(WORDS[int(rng.random() * len(WORDS))] for _ in range(1 + int(rng.random() * 14))) for _ in range(count)
    ]


def worsened(seed: int, rate: float, references: list[str]) -> list[str]:
    """The references with a share of the words replaced by any word."""
    rng = random.Random(seed)
    return [
        " ".join(WORDS[int(rng.random() * len(WORDS))] if rng.random() < rate else word for word in line.split())
        for line in references
    ]


REFERENCES = sentences(0, 120)
BASELINE = worsened(1, 0.30, REFERENCES)
WORSE = worsened(2, 0.34, REFERENCES)
ALIKE = worsened(3, 0.30, REFERENCES)


def compare(a: list[str], b: list[str], references: list[str] = REFERENCES, **settings: object) -> Comparison:
    return compare_seeds([a], [b], references, "en", **settings)


def sacrebleu_test(
    metric: MetricName, a: list[str], b: list[str], references: list[str], test: str, resamples: int
) -> tuple:
    scorer = {"BLEU": BLEU(force=True), "chrF++": CHRF(word_order=2)}[metric]
    signatures, results = PairedTest([("a", a), ("b", b)], {metric: scorer}, [references], test, resamples)()
    (name,) = signatures
    return results[name][0].score, results[name][1].score, results[name][1].p_value, str(signatures[name])


@pytest.mark.parametrize("metric", OF_SACREBLEU)
@pytest.mark.parametrize(("test", "theirs"), [("sacrebleu", "bs"), ("randomisation", "ar")])
@pytest.mark.parametrize("seed", [12345, 7])
@pytest.mark.parametrize(("count", "rate"), [(120, 0.33), (60, 0.5), (20, 0.9)])
def test_equal_to_sacrebleu(
    metric: MetricName, test: Test, theirs: str, seed: int, count: int, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours of the randomisation counts what is as far as the real difference too: there is none of that here."""
    monkeypatch.setenv("SACREBLEU_SEED", str(seed))
    references = sentences(seed, count)
    a, b = worsened(1, 0.3, references), worsened(2, rate, references)
    comparison = compare(a, b, references, test=test, metric=metric, resamples=300, seed=seed)
    expected = sacrebleu_test(metric, a, b, references, theirs, 300)
    assert (comparison.value_a, comparison.value_b, comparison.p_value, comparison.signature) == expected


@pytest.mark.parametrize(
    ("test", "metric", "other", "value_a", "value_b", "p_value"),
    [
        ("sacrebleu", "BLEU", WORSE, 49.2210, 43.7283, 0.0669),
        ("sacrebleu", "BLEU", ALIKE, 49.2210, 46.7793, 0.1598),
        ("sacrebleu", "chrF++", WORSE, 65.8753, 61.9003, 0.0549),
        ("sacrebleu", "chrF++", ALIKE, 65.8753, 64.3773, 0.1788),
        ("randomisation", "BLEU", WORSE, 49.2210, 43.7283, 0.1577),
        ("randomisation", "BLEU", ALIKE, 49.2210, 46.7793, 0.4785),
        ("randomisation", "chrF++", WORSE, 65.8753, 61.9003, 0.1211),
        ("randomisation", "chrF++", ALIKE, 65.8753, 64.3773, 0.5276),
    ],
)
def test_figures_printed_by_sacrebleu(
    test: Test, metric: MetricName, other: list[str], value_a: float, value_b: float, p_value: float
) -> None:
    """`sacrebleu REFERENCES -i BASELINE OTHER -m bleu chrf --chrf-word-order 2 --paired-bs|ar -w 4`, version 2.6.0."""
    comparison = compare(BASELINE, other, test=test, metric=metric)
    assert (round(comparison.value_a, 4), round(comparison.value_b, 4)) == (value_a, value_b)
    assert round(comparison.p_value, 4) == p_value


def test_the_bootstrap_counts_both_ends_as_the_randomisation_does() -> None:
    """Of sacrebleu's bootstrap these p-values are 0.067 and 0.160, of its randomisation 0.158 and 0.479."""
    found = [compare(BASELINE, other).p_value for other in (WORSE, ALIKE)]
    assert found == pytest.approx([0.158, 0.479], abs=0.05)


ENGLISH = [line for (line,) in embedded_sentences("news", "test", ("en",), 300)]


def noisy(seed: int) -> NDArray[np.int64]:
    """BLEU's statistics of sentences with a fifth of the words lost and a fifth replaced."""
    rng = random.Random(seed)
    words = [word for line in ENGLISH for word in line.split()]
    outputs = [
        " ".join(rng.choice(words) if rng.random() < 0.2 else word for word in line.split() if rng.random() > 0.2)
        for line in ENGLISH
    ]
    return bleu(outputs, ENGLISH, "en").segments


def score_of(statistics: NDArray[np.int64]) -> Score:
    value = float(corpus_values("BLEU", statistics.sum(axis=0).astype(np.float64)))
    return Score("BLEU", value, "nrefs:1|tok:13a", statistics, len(statistics))


def share_significant(test: Test, cases: int = 400, size: int = 100) -> int:
    """How often p < 0.05 where coins share two files of outputs out between the systems: neither is better."""
    rng, both = np.random.default_rng(1), np.stack([noisy(1), noisy(2)])
    found = 0
    for case in range(cases):
        rows, coins = rng.choice(len(ENGLISH), size, replace=False), rng.integers(2, size=size)
        a, b = score_of(both[coins, rows]), score_of(both[1 - coins, rows])
        found += compare_scores([a], [b], test=test, resamples=200, seed=case).p_value < 0.05
    return found


@pytest.mark.parametrize("test", OURS)
def test_of_differences_that_are_none_one_in_twenty_passes(test: Test) -> None:
    assert binomtest(share_significant(test), 400, 0.05).pvalue > 0.01


def test_of_differences_that_are_none_sacrebleu_passes_twice_as_many() -> None:
    assert binomtest(share_significant("sacrebleu"), 400, 0.05, "greater").pvalue < 0.001


def accuracy(values: NDArray[np.float64]) -> Score:
    segments = np.stack([values, np.ones_like(values)], axis=1)
    return Score("accuracy", float(values.mean()), "values", segments, len(values))


@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize("of_seeds", [0.0, 1.0])
def test_what_seeds_change_does_not_pass_for_real(runs: int, of_seeds: float) -> None:
    """Seeds add 0 or 1 time the variance that the choice of sentences has."""
    rng, n, passed = np.random.default_rng(runs), 100, 0
    for case in range(300):
        sentences, trained = rng.normal(size=n), rng.normal(size=runs) * (of_seeds / n) ** 0.5
        a, b = [accuracy(np.zeros(n))] * runs, [accuracy(sentences + each) for each in trained]
        passed += compare_scores(a, b, resamples=100, seed=case).p_value < 0.05
    assert passed <= 0.1 * 300


def test_seeds_are_counted_by_students_t() -> None:
    """The formula of Welch and Satterthwaite, from runs that differ by constants: the bootstrap's part is known."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=400)
    a = [accuracy(np.zeros(400))] * 3
    b = [accuracy(values + each) for each in (0.1, 0.2, 0.6)]
    found = compare_scores(a, b, resamples=20_000)
    of_sentences, of_seeds = values.var() / 400, np.var([0.1, 0.2, 0.6], ddof=1) / 3
    error = (of_sentences + of_seeds) ** 0.5
    degrees = error**4 / (of_seeds**2 / 2)
    assert found.p_value == pytest.approx(2 * student.sf(abs(found.difference) / error, degrees), rel=0.01)
    reach = student.isf(0.025, degrees) * error
    assert found.interval == pytest.approx((found.difference - reach, found.difference + reach), rel=0.02)
    # Runs that cannot be paired have one variance, of either system's runs around their mean.
    unpaired = compare_scores(a[:2], b, resamples=20_000)
    error = (of_sentences + np.var([0.1, 0.2, 0.6]) * (1 / 2 + 1 / 3)) ** 0.5
    of_seeds = error**2 - of_sentences
    assert unpaired.p_value == pytest.approx(
        2 * student.sf(abs(unpaired.difference) / error, error**4 / (of_seeds**2 / 3)), rel=0.01
    )


@pytest.mark.parametrize("test", OURS)
def test_outputs_of_no_training_are_paired_with_every_run_of_the_other_system(test: Test) -> None:
    """They are what they are: of seeds, those of the other system alone add to the variance."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=400)
    runs, given = [accuracy(values + each) for each in (0.1, 0.2, 0.6)], accuracy(np.zeros(400))
    found = compare_scores(runs, [given], test=test, resamples=20_000, trained=(True, False))
    of_sentences, of_seeds = values.var() / 400, np.var([0.1, 0.2, 0.6], ddof=1) / 3
    if test == "randomisation":  # whose deviations are around 0
        of_sentences = np.square(values + 0.3).mean() / 400
    error = (of_sentences + of_seeds) ** 0.5
    p_value = 2 * student.sf(abs(found.difference) / error, error**4 / (of_seeds**2 / 2))
    assert found.p_value == pytest.approx(p_value, rel=0.02)
    assert (found.runs_a, found.runs_b, found.one_training) == (3, 0, False)
    turned = compare_scores([given], runs, test=test, resamples=20_000, trained=(False, True))
    assert (turned.runs_a, turned.runs_b, turned.difference) == (0, 3, -found.difference)
    assert turned.p_value == pytest.approx(found.p_value)


def test_of_outputs_of_no_training_nothing_is_said_of_trainings() -> None:
    values, given = accuracy(np.ones(400)), accuracy(np.zeros(400))
    neither = compare_scores([given], [values], trained=(False, False))
    assert (neither.answer, neither.advice, neither.runs_a, neither.runs_b) == ("better", "", 0, 0)
    one = compare_scores([given], [values], trained=(False, True))
    assert (one.answer, one.one_training) == ("better on this training", True)
    faulty = compare_scores([given], [values], trained=(False, True), faults=(("empty",), ()))
    assert faulty.advice.startswith("Look at the outputs that were given")


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("resamples", [100, 333, 1000])
def test_the_interval_leaves_out_0_exactly_where_p_is_below_one_in_twenty(test: Test, resamples: int) -> None:
    answers = set()
    for rate in (0.30, 0.32, 0.35, 0.36, 0.38, 0.40, 0.45):
        for seed in (11, 12, 13):
            found = compare(BASELINE, worsened(seed, rate, REFERENCES), test=test, resamples=resamples)
            outside = not found.interval[0] <= 0 <= found.interval[1]
            assert outside == (found.p_value < 0.05)
            answers.add(outside)
    assert answers == {True, False}


@pytest.mark.parametrize("test", OURS)
def test_the_interval_over_seeds_leaves_out_0_exactly_where_p_is_below_one_in_twenty(test: Test) -> None:
    rng, answers = np.random.default_rng(2), []
    for runs in (2, 3):
        for _ in range(20):
            a, b = ([accuracy(rng.normal(mean, 1, 60)) for _ in range(runs)] for mean in (0, 0.35))
            found = compare_scores(a, b, test=test, resamples=100)
            answers.append(found.p_value < 0.05)
            assert (not found.interval[0] <= 0 <= found.interval[1]) == answers[-1]
    assert 5 < sum(answers) < 35


def test_outputs_that_differ_in_one_sentence_are_not_told_apart_by_shuffling() -> None:
    """Half of all shufflings leave the sentence where it is: they are as far from 0 as the real difference."""
    other = [*BASELINE[:7], REFERENCES[7], *BASELINE[8:]]
    assert other != BASELINE
    assert compare(BASELINE, other, test="randomisation").p_value == 1


@pytest.mark.parametrize("metric", OF_SACREBLEU)
def test_runs_are_averaged_on_each_resample(metric: MetricName) -> None:
    """Against a plain loop that lets sacrebleu score every resampled test set."""
    references, resamples, seed = REFERENCES[:20], 100, 3
    systems_a, systems_b = [BASELINE[:20], ALIKE[:20]], [WORSE[:20], ALIKE[:20], BASELINE[:20]]
    scorer = {"BLEU": BLEU(force=True), "chrF++": CHRF(word_order=2)}[metric]

    def values(systems: list[list[str]], rows: Sequence[int]) -> list[float]:
        drawn = [references[row] for row in rows]
        return [scorer.corpus_score([system[row] for row in rows], [drawn]).score for system in systems]

    def difference(rows: Sequence[int]) -> float:
        return float(np.mean(values(systems_b, rows)) - np.mean(values(systems_a, rows)))

    rng = np.random.default_rng(seed)
    draws = rng.choice(len(references), size=(resamples, len(references)), replace=True).tolist()
    everything = range(len(references))
    of_seeds = [np.array(values(systems, everything)) for systems in (systems_a, systems_b)]
    pooled = sum(((each - each.mean()) ** 2).sum() for each in of_seeds) / 3 * (1 / 2 + 1 / 3)
    variance = np.var([difference(rows) for rows in draws]) + pooled
    degrees = variance**2 / (pooled**2 / 3)

    found = compare_seeds(systems_a, systems_b, references, "en", metric=metric, resamples=resamples, seed=seed)
    assert found.difference == pytest.approx(difference(everything))
    assert found.value_a == pytest.approx(of_seeds[0].mean())
    assert found.p_value == pytest.approx(2 * student.sf(abs(found.difference) / variance**0.5, degrees))
    assert (found.runs_a, found.runs_b, found.n) == (2, 3, len(references))


@pytest.mark.parametrize("test", OURS)
@pytest.mark.parametrize("metric", ["BLEU", "ROUGE-L"])
def test_swapping_the_systems_turns_the_sign(test: Test, metric: MetricName) -> None:
    forth, back = (compare(*systems, test=test, metric=metric) for systems in ((BASELINE, WORSE), (WORSE, BASELINE)))
    assert forth.difference < 0 < back.difference == -forth.difference
    assert back.p_value == forth.p_value
    assert back.interval == pytest.approx((-forth.interval[1], -forth.interval[0]))


def test_a_clear_difference_and_none() -> None:
    clear = compare(worsened(4, 0.9, REFERENCES), BASELINE)
    assert clear.p_value == 1 / 1001
    assert 0 < clear.interval[0] < clear.difference < clear.interval[1]
    chance = compare(BASELINE, ALIKE)
    assert chance.p_value > 0.05
    assert chance.interval[0] < 0 < chance.interval[1]


@pytest.mark.parametrize("metric", OFFLINE)
@pytest.mark.parametrize("test", TESTS)
def test_a_system_does_not_differ_from_itself(metric: MetricName, test: Test) -> None:
    comparison = compare(BASELINE, BASELINE, metric=metric, test=test)
    assert (comparison.difference, comparison.interval, comparison.p_value) == (0, (0, 0), 1)


def test_the_same_seed_gives_the_same_comparison() -> None:
    found = [compare(BASELINE, WORSE, resamples=100, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].interval != found[2].interval


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ScoringError, match="119 hypotheses but 120 references"):
        compare(BASELINE, WORSE[1:])
    with pytest.raises(ScoringError, match="0 and 1 runs"):
        compare_seeds([], [WORSE], REFERENCES, "en")
    with pytest.raises(ScoringError, match="no hypotheses"):
        compare([], [], [])
    with pytest.raises(ScoringError, match="2 and 1 runs: randomisation shuffles"):
        compare_seeds([BASELINE, ALIKE], [WORSE], REFERENCES, "en", test="randomisation")
    with pytest.raises(ScoringError, match="2 and 2 runs: sacrebleu's test compares one of each"):
        compare_seeds([BASELINE, ALIKE], [WORSE, ALIKE], REFERENCES, "en", test="sacrebleu")
    with pytest.raises(ScoringError, match="50 resamples are too few"):
        compare(BASELINE, WORSE, resamples=50)


def test_scores_of_two_kinds_are_not_compared() -> None:
    english, chinese = (bleu(BASELINE, REFERENCES, language) for language in ("en", "zh"))
    with pytest.raises(ScoringError, match=r"tok:13a.* does not compare with BLEU .*tok:zh"):
        compare_scores([english], [chinese])
    with pytest.raises(ScoringError, match=r"of 120 outputs .* does not compare with BLEU of 60"):
        compare_scores([english], [bleu(BASELINE[:60], REFERENCES[:60], "en")])


@pytest.mark.parametrize("metric", ["ROUGE-1", "ROUGE-L"])
def test_means_are_shuffled_as_by_a_plain_loop(metric: MetricName) -> None:
    a, b = (METRICS[metric](system, REFERENCES, "en").segments[:, 0] for system in (BASELINE, WORSE))
    coins = np.random.default_rng(5).integers(2, size=(700, len(REFERENCES)), dtype=bool)
    distances = [abs(np.where(coin, a - b, b - a).mean()) for coin in coins]
    exceeding = sum(distance >= abs((a - b).mean()) for distance in distances)
    found = compare(BASELINE, WORSE, test="randomisation", metric=metric, resamples=700, seed=5)
    assert found.p_value == (exceeding + 1) / 701
    assert found.difference == pytest.approx((b - a).mean())
    assert found.signature.startswith("nrefs:1|ar:700|seed:5|f1|")


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 10), (761, 5010), (1, 1)])
def test_interval_of_a_share_by_its_formula(successes: int, n: int) -> None:
    z, share = 1.959963984540054, successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    assert share_interval(successes, n) == pytest.approx((middle - half, middle + half), abs=1e-12)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_of_nothing_or_of_more_than_all_is_refused(successes: int, n: int) -> None:
    with pytest.raises(ScoringError, match="a share needs examples"):
        share_interval(successes, n)


def test_holm_multiplies_by_the_comparisons_that_are_left() -> None:
    # By hand: 5 x 0.01, 4 x 0.02, 3 x 0.03, and then not less than the one before.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 9), (9, 3), (6, 6), (20, 35)])
def test_shuffled_accuracies_are_mcnemars_test(only_a: int, only_b: int) -> None:
    """Tosses of a coin at least as uneven as those seen; what both have right or wrong makes no difference."""
    correct_a = np.array([1] * only_a + [0] * only_b + [1] * 40 + [0] * 7, dtype=np.float64)
    correct_b = np.array([0] * only_a + [1] * only_b + [1] * 40 + [0] * 7, dtype=np.float64)
    found = compare_scores([accuracy(correct_a)], [accuracy(correct_b)], test="randomisation")
    assert found.p_value == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, abs=0.015)


def comparison(difference: float, p_value: float, **others: object) -> Comparison:
    found = Comparison(
        "BLEU", 20.0, 20.0 + difference, difference, p_value, (0.4, 2.6), 100, 2, 2, 1000, 1, "signature"
    )
    return replace(found, **others)


@pytest.mark.parametrize(
    ("difference", "p_value", "answer"),
    [(1.5, 0.01, "better"), (-1.5, 0.01, "worse"), (1.5, 0.05, "undecided"), (0.0, 1.0, "undecided")],
)
def test_decided_is_by_the_p_value(difference: float, p_value: float, answer: str) -> None:
    (found,) = decide([comparison(difference, p_value)])
    assert (found.answer, found.comparisons, found.adjusted_p_value, found.advice) == (answer, 1, p_value, "")


def test_one_training_of_each_decides_about_itself_alone() -> None:
    for difference, answer in ((1.5, "better on this training"), (-1.5, "worse on this training")):
        (found,) = decide([comparison(difference, 0.001, runs_a=1, runs_b=1)])
        assert (found.answer, found.one_training) == (answer, True)
        assert "several seeds" in found.advice
    assert decide([comparison(1.5, 0.001, runs_a=1, runs_b=3)])[0].answer == "better"


def test_there_is_nothing_to_compare_with_faults_or_few_examples() -> None:
    for faults in ({"faults_a": ("empty",)}, {"faults_b": ("empty",)}):
        (found,) = decide([comparison(1.5, 0.001, **faults)])
        assert found.answer == "not comparable"
        assert found.advice.startswith("Train for more updates")
    (found,) = decide([comparison(1.5, 0.001, n=FEW_SENTENCES - 1)])
    assert found.answer == "not comparable"
    assert found.advice.startswith("49 test examples are too few: take 50 at the very least")
    assert decide([comparison(1.5, 0.001, n=FEW_SENTENCES)])[0].answer == "better"


def test_comparisons_are_decided_together() -> None:
    found = decide([comparison(1.5, p_value) for p_value in (0.03, 0.04)])
    assert [each.adjusted_p_value for each in found] == [0.06, 0.06]
    assert [each.answer for each in found] == ["undecided", "undecided"]
    assert {each.comparisons for each in found} == {2}
    # Deciding again, with others, begins with the p-values of each alone.
    assert decide(found[:1])[0].answer == "better"
    assert decide([]) == ()
