"""The paired tests: sacrebleu's figures, live and fixed, and what must hold of any comparison."""

import random
from math import comb, sqrt

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest
from scipy.stats import norm, sem

from switchtune.scoring.metrics import MetricName, ScoringError, bleu
from switchtune.scoring.significance import (
    METRICS,
    Comparison,
    Test,
    approximate_randomisation,
    compare_accuracies,
    compare_scores,
    compare_seeds,
    decide,
    holm,
    mcnemar,
    paired_bootstrap,
    paired_difference_interval,
    share_interval,
)

OF_SACREBLEU = ("BLEU", "chrF++")
OFFLINE = [name for name in METRICS if name != "spBLEU"]
COMPARE = {"bs": paired_bootstrap, "ar": approximate_randomisation}


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


def sacrebleu_test(
    metric: MetricName, a: list[str], b: list[str], references: list[str], test: str, resamples: int
) -> tuple:
    scorer = {"BLEU": BLEU(force=True), "chrF++": CHRF(word_order=2)}[metric]
    signatures, results = PairedTest([("a", a), ("b", b)], {metric: scorer}, [references], test, resamples)()
    (name,) = signatures
    return results[name][0].score, results[name][1].score, results[name][1].p_value, str(signatures[name])


@pytest.mark.parametrize("metric", OF_SACREBLEU)
@pytest.mark.parametrize("test", COMPARE)
@pytest.mark.parametrize("seed", [12345, 7])
@pytest.mark.parametrize(("count", "rate"), [(120, 0.33), (60, 0.5), (3, 0.9)])
def test_equal_to_sacrebleu(
    metric: MetricName, test: str, seed: int, count: int, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", str(seed))
    references = sentences(seed, count)
    a, b = worsened(1, 0.3, references), worsened(2, rate, references)
    comparison = COMPARE[test](a, b, references, "en", metric=metric, resamples=300, seed=seed)
    expected = sacrebleu_test(metric, a, b, references, test, 300)
    assert (comparison.value_a, comparison.value_b, comparison.p_value, comparison.signature) == expected


@pytest.mark.parametrize(
    ("test", "metric", "other", "value_a", "value_b", "p_value"),
    [
        ("bs", "BLEU", WORSE, 49.2210, 43.7283, 0.0669),
        ("bs", "BLEU", ALIKE, 49.2210, 46.7793, 0.1598),
        ("bs", "chrF++", WORSE, 65.8753, 61.9003, 0.0549),
        ("bs", "chrF++", ALIKE, 65.8753, 64.3773, 0.1788),
        ("ar", "BLEU", WORSE, 49.2210, 43.7283, 0.1577),
        ("ar", "BLEU", ALIKE, 49.2210, 46.7793, 0.4785),
        ("ar", "chrF++", WORSE, 65.8753, 61.9003, 0.1211),
        ("ar", "chrF++", ALIKE, 65.8753, 64.3773, 0.5276),
    ],
)
def test_figures_printed_by_sacrebleu(
    test: str, metric: MetricName, other: list[str], value_a: float, value_b: float, p_value: float
) -> None:
    """`sacrebleu REFERENCES -i BASELINE OTHER -m bleu chrf --chrf-word-order 2 --paired-bs|ar -w 4`, version 2.6.0."""
    comparison = COMPARE[test](BASELINE, other, REFERENCES, "en", metric=metric)
    assert (round(comparison.value_a, 4), round(comparison.value_b, 4)) == (value_a, value_b)
    assert round(comparison.p_value, 4) == p_value


@pytest.mark.parametrize("metric", OF_SACREBLEU)
def test_runs_are_averaged_on_each_resample(metric: MetricName) -> None:
    """Against a plain loop that lets sacrebleu score every resampled test set."""
    references, resamples, seed = REFERENCES[:40], 15, 3
    systems_a, systems_b = [BASELINE[:40], ALIKE[:40]], [WORSE[:40], ALIKE[:40], BASELINE[:40]]
    scorer = {"BLEU": BLEU(force=True), "chrF++": CHRF(word_order=2)}[metric]

    def mean_score(systems: list[list[str]], rows: list[int]) -> float:
        drawn = [references[row] for row in rows]
        return float(np.mean([scorer.corpus_score([system[row] for row in rows], [drawn]).score for system in systems]))

    rng = np.random.default_rng(seed)
    draws = rng.choice(len(references), size=(resamples, len(references)), replace=True).tolist()
    differences = np.array([mean_score(systems_b, rows) - mean_score(systems_a, rows) for rows in draws])
    everything = list(range(len(references)))
    difference = mean_score(systems_b, everything) - mean_score(systems_a, everything)
    exceeding = np.sum(np.abs(differences) - np.abs(differences).mean() > abs(difference))

    comparison = compare_seeds(systems_a, systems_b, references, "en", metric=metric, resamples=resamples, seed=seed)
    assert comparison.difference == pytest.approx(difference)
    assert comparison.value_a == pytest.approx(mean_score(systems_a, everything))
    assert comparison.interval == pytest.approx(np.percentile(differences, [2.5, 97.5]), abs=1e-4)
    assert comparison.p_value == (exceeding + 1) / (resamples + 1)
    assert (comparison.runs_a, comparison.runs_b, comparison.n) == (2, 3, len(references))


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
def test_runs_that_are_the_same_count_as_one(test: Test) -> None:
    once = compare_seeds([BASELINE], [WORSE], REFERENCES, "en", test=test)
    twice = compare_seeds([BASELINE, BASELINE], [WORSE, WORSE], REFERENCES, "en", test=test)
    for field in ("value_a", "value_b", "difference", "interval", "p_value"):
        assert getattr(twice, field) == pytest.approx(getattr(once, field))


@pytest.mark.parametrize("test", COMPARE)
@pytest.mark.parametrize("metric", ["BLEU", "ROUGE-L"])
def test_swapping_the_systems_turns_the_sign(test: str, metric: MetricName) -> None:
    forth = COMPARE[test](BASELINE, WORSE, REFERENCES, "en", metric=metric)
    back = COMPARE[test](WORSE, BASELINE, REFERENCES, "en", metric=metric)
    assert forth.difference < 0 < back.difference == -forth.difference
    assert back.p_value == forth.p_value
    assert back.interval == pytest.approx((-forth.interval[1], -forth.interval[0]))


def test_a_clear_difference_and_none() -> None:
    clear = paired_bootstrap(worsened(4, 0.9, REFERENCES), BASELINE, REFERENCES, "en")
    assert clear.p_value == 1 / 1001
    assert 0 < clear.interval[0] < clear.difference < clear.interval[1]
    chance = paired_bootstrap(BASELINE, ALIKE, REFERENCES, "en")
    assert chance.p_value > 0.05
    assert chance.interval[0] < 0 < chance.interval[1]


@pytest.mark.parametrize("metric", OFFLINE)
@pytest.mark.parametrize("test", COMPARE)
def test_a_system_does_not_differ_from_itself(metric: MetricName, test: str) -> None:
    comparison = COMPARE[test](BASELINE, BASELINE, REFERENCES, "en", metric=metric)
    assert (comparison.difference, comparison.interval, comparison.p_value) == (0, (0, 0), 1)


def test_the_same_seed_gives_the_same_comparison() -> None:
    def compare(seed: int) -> Comparison:
        return paired_bootstrap(BASELINE, WORSE, REFERENCES, "en", resamples=100, seed=seed)

    assert compare(0) == compare(0)
    assert compare(0).interval != compare(1).interval


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ScoringError, match="119 hypotheses but 120 references"):
        paired_bootstrap(BASELINE, WORSE[1:], REFERENCES, "en")
    with pytest.raises(ScoringError, match="0 and 1 runs"):
        compare_seeds([], [WORSE], REFERENCES, "en")
    with pytest.raises(ScoringError, match="no hypotheses"):
        paired_bootstrap([], [], [], "en")
    with pytest.raises(ScoringError, match="2 and 1 runs: randomisation shuffles"):
        compare_seeds([BASELINE, ALIKE], [WORSE], REFERENCES, "en", test="randomisation")


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
    exceeding = sum(distance > abs((a - b).mean()) for distance in distances)
    found = approximate_randomisation(BASELINE, WORSE, REFERENCES, "en", metric=metric, resamples=700, seed=5)
    assert found.p_value == (exceeding + 1) / 701
    assert found.difference == pytest.approx((b - a).mean())
    assert found.signature.startswith("nrefs:1|ar:700|seed:5|f1|")


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 5), (5, 0), (3, 9), (9, 3), (6, 6), (1, 0)])
def test_mcnemar_by_hand(only_a: int, only_b: int) -> None:
    """Tosses of a coin at least as uneven as those seen; what both have right or wrong makes no difference."""
    correct_a = [True] * only_a + [False] * only_b + [True] * 40 + [False] * 7
    correct_b = [False] * only_a + [True] * only_b + [True] * 40 + [False] * 7
    tosses, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(comb(tosses, heads) for heads in range(fewer + 1)) / 2**tosses
    assert mcnemar(correct_a, correct_b) == pytest.approx(min(1, 2 * tail))


def test_mcnemar_of_a_classifier_with_itself_and_of_what_cannot_be_compared() -> None:
    assert mcnemar([True, False], [True, False]) == 1
    with pytest.raises(ScoringError, match="2 answers of one classifier and 1 of the other"):
        mcnemar([True, False], [True])
    with pytest.raises(ScoringError, match="no answers"):
        mcnemar([], [])


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


def test_the_interval_of_a_paired_difference_is_scipys() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 3, 400)) < [[[0.5]], [[0.58]]]
    differences = b.mean(axis=0) - a.mean(axis=0)
    expected = norm.interval(0.95, loc=differences.mean(), scale=sem(differences))
    assert paired_difference_interval(a.tolist(), b.tolist()) == pytest.approx(expected)
    assert paired_difference_interval([[True, False]], [[True, False]]) == (0, 0)


def test_holm_multiplies_by_the_comparisons_that_are_left() -> None:
    # By hand: 5 x 0.01, 4 x 0.02, 3 x 0.03, and then not less than the one before.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.9]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_accuracies_are_compared_by_the_seed_that_shows_least() -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.random((2, 2, 300)) < [[[0.5]], [[0.62]]]).tolist()
    found = compare_accuracies(a, b)
    assert found.p_value == max(mcnemar(a[0], b[0]), mcnemar(a[1], b[1]))
    assert (found.value_a, found.value_b) == (pytest.approx(np.mean(a)), pytest.approx(np.mean(b)))
    assert found.interval == paired_difference_interval(a, b)
    assert (found.metric, found.n, found.runs_a) == ("accuracy", 300, 2)
    with pytest.raises(ScoringError, match="no answers"):
        compare_accuracies([[]], [[]])


def comparison(difference: float, p_value: float, interval: tuple[float, float]) -> Comparison:
    return Comparison("BLEU", 20.0, 20.0 + difference, difference, p_value, interval, 100, 1, 1, 1000, 1, "signature")


@pytest.mark.parametrize(
    ("difference", "p_value", "interval", "answer"),
    [
        (1.5, 0.01, (0.4, 2.6), "better"),
        (-1.5, 0.01, (-2.6, -0.4), "worse"),
        (1.5, 0.05, (0.4, 2.6), "undecided"),
        (1.5, 0.01, (-0.1, 3.1), "undecided"),
        (0.0, 0.01, (0.0, 0.0), "undecided"),
    ],
)
def test_decided_is_where_p_value_and_interval_agree(
    difference: float, p_value: float, interval: tuple[float, float], answer: str
) -> None:
    (found,) = decide([comparison(difference, p_value, interval)])
    assert (found.answer, found.comparisons, found.adjusted_p_value) == (answer, 1, p_value)


def test_comparisons_are_decided_together() -> None:
    found = decide([comparison(1.5, p_value, (0.4, 2.6)) for p_value in (0.03, 0.04)])
    assert [each.adjusted_p_value for each in found] == [0.06, 0.06]
    assert [each.answer for each in found] == ["undecided", "undecided"]
    assert {each.comparisons for each in found} == {2}
    # Deciding again, with others, begins with the p-values of each alone.
    assert decide(found[:1])[0].answer == "better"
    assert decide([]) == ()
