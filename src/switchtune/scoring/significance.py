"""Is one system better than another, or is it chance? Paired tests of scores and accuracies, and the decision."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from switchtune.config.base import Count, Finite, Share
from switchtune.scoring.metrics import MetricName, Score, ScoringError, bleu, chrf, corpus_values, spbleu
from switchtune.scoring.rouge import ROUGE_NAMES, rouge_score

CONFIDENCE = 0.95
_DEVIATIONS = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
"""Standard deviations on either side of the middle of a normal distribution that hold so much of it."""

SIGNIFICANT = 0.05
"""Below this adjusted p-value a difference counts as real."""

Answer: TypeAlias = Literal["better", "worse", "undecided"]
Test: TypeAlias = Literal["bootstrap", "randomisation"]
RESAMPLES: Mapping[Test, int] = {"bootstrap": 1000, "randomisation": 10_000}
"""How many test sets are drawn, or how often the systems' outputs are shuffled, where nobody says (as sacrebleu)."""

_SHUFFLINGS_AT_ONCE = 500


METRICS: Mapping[MetricName, Callable[[Sequence[str], Sequence[str], str], Score]] = {
    "BLEU": bleu,
    "spBLEU": spbleu,
    "chrF++": chrf,
    **{name: partial(rouge_score, name) for name in ROUGE_NAMES},
}
"""The metrics that can be tested for significance, from (hypotheses, references, language)."""


@dataclass(frozen=True)
class Comparison:
    """System b against system a (the baseline).

    Attributes:
        metric: what was compared.
        value_a: corpus score of a; with several runs, the mean of their corpus scores.
        value_b: the same of b.
        difference: value_b − value_a; positive where b is better.
        p_value: how often a difference of this size, either way, comes about by chance alone: by the choice of test
            sentences (bootstrap), or where it does not matter which system wrote which output (randomisation). Of this
            comparison alone.
        interval: 95 % interval of the difference over resampled test sets, whichever test gave the p-value.
        n: test examples.
        runs_a: runs (seeds) that value_a is the mean of.
        runs_b: the same of b.
        resamples: resampled test sets, and for randomisation as many shufflings; 0 where the test is exact.
        seed: seed of the resampling.
        signature: the score's, with `bs` or `ar` (resamples) and `seed`, as sacrebleu writes it.
        test: what gave the p-value.
        comparisons: number of comparisons that were decided together, this one included.
        adjusted_p_value: p-value adjusted for that number.
        answer: the decision about b: `better` or `worse` than a, or `undecided`; see `decide`.
    """

    metric: str
    value_a: Finite
    value_b: Finite
    difference: Finite
    p_value: Share
    interval: tuple[Finite, Finite]
    n: Count
    runs_a: Count
    runs_b: Count
    resamples: Count
    seed: Count
    signature: str
    test: Test | Literal["mcnemar"] = "bootstrap"
    comparisons: Count = 1
    adjusted_p_value: Share = 1.0
    answer: Answer = "undecided"


def decide(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Decide which differences are real, of all that are looked at together: every arm on every test set, say.

    A difference is real where its p-value, adjusted for the number of comparisons (Holm, 1979), is below `SIGNIFICANT`
    and its interval leaves out 0. Each function that compares two systems decides about that one comparison alone.

    Returns:
        In the same order, with `comparisons`, `adjusted_p_value` and `answer`.
    """
    adjusted = holm([each.p_value for each in comparisons])
    return tuple(
        replace(each, comparisons=len(comparisons), adjusted_p_value=p_value, answer=_answer(each, p_value))
        for each, p_value in zip(comparisons, adjusted, strict=True)
    )


def _answer(comparison: Comparison, adjusted_p_value: float) -> Answer:
    low, high = comparison.interval
    if adjusted_p_value >= SIGNIFICANT or low <= 0 <= high:
        return "undecided"
    return "better" if comparison.difference > 0 else "worse"


def paired_bootstrap(
    hypotheses_a: Sequence[str], hypotheses_b: Sequence[str], references: Sequence[str], language: str, **settings: Any
) -> Comparison:
    """Compare two systems' translations of the same sentences, a's being the baseline.

    Test sets are drawn from the test sentences with replacement, and both systems scored on each. The p-value is the
    share of test sets whose absolute difference exceeds the mean absolute difference by more than the real one; it is
    sacrebleu's (`sacrebleu -m bleu --paired-bs`, there with its default seed 12345), to the last digit. There is one
    exception: where the systems score the same on every test set, p is 1, not sacrebleu's 1 / (resamples + 1).

    Args:
        settings: metric, resamples and seed, as of `compare_seeds`.

    Raises:
        ScoringError: unequal counts, or nothing to score.
    """
    return compare_seeds([hypotheses_a], [hypotheses_b], references, language, **settings)


def approximate_randomisation(
    hypotheses_a: Sequence[str], hypotheses_b: Sequence[str], references: Sequence[str], language: str, **settings: Any
) -> Comparison:
    """Compare two systems' translations of the same sentences by shuffling (Riezler and Maxwell, 2005).

    Each sentence's two translations change sides by the toss of a coin, `resamples` times. The p-value is the share of
    shufflings with a larger absolute difference than the real one; it is sacrebleu's (`sacrebleu -m bleu --paired-ar`,
    there with its default seed 12345), with the same exception as `paired_bootstrap`'s. `settings` and errors are
    likewise.
    """
    return compare_seeds([hypotheses_a], [hypotheses_b], references, language, test="randomisation", **settings)


def compare_seeds(
    systems_a: Sequence[Sequence[str]],
    systems_b: Sequence[Sequence[str]],
    references: Sequence[str],
    language: str,
    *,
    metric: MetricName = "BLEU",
    test: Test = "bootstrap",
    resamples: int | None = None,
    seed: int = 12345,
) -> Comparison:
    """Compare two systems of which several runs (training seeds) exist, as `compare_scores` does.

    Args:
        systems_a: the baseline's translations, one sequence a run.
        systems_b: the other system's; their number may differ.
        language: the target language.

    Raises:
        ScoringError: unequal counts, a system without a run, nothing to score, or more runs of one system than of the
            other where their outputs are to be shuffled.
    """
    runs_a, runs_b = (
        [METRICS[metric](hypotheses, references, language) for hypotheses in systems]
        for systems in (systems_a, systems_b)
    )
    return compare_scores(runs_a, runs_b, test=test, resamples=resamples, seed=seed)


def compare_scores(
    runs_a: Sequence[Score],
    runs_b: Sequence[Score],
    *,
    test: Test = "bootstrap",
    resamples: int | None = None,
    seed: int = 12345,
) -> Comparison:
    """Compare two systems whose outputs for the same inputs have been scored, by any one metric.

    A system's score on a resampled or shuffled test set is the mean of its runs' corpus scores on that test set. All
    runs are scored on the same resampled sentences, and shuffled by the same coins (the first run of a with the first
    of b, and so on). So the p-value and the interval say what other test sentences would change about these runs'
    means; they do not say what further training seeds would change, for which two or three runs are no sample: look at
    the runs' own scores for that.

    Args:
        runs_a: the baseline's scores, one a run.
        runs_b: the other system's; for the bootstrap their number may differ.
        test: `paired_bootstrap` and `approximate_randomisation` tell how each works.
        resamples: by default `RESAMPLES`.

    Raises:
        ScoringError: a system without a run, scores of different metrics, settings or counts, or more runs of one
            system than of the other where their outputs are to be shuffled.
    """
    if not runs_a or not runs_b:
        raise ScoringError(f"{len(runs_a)} and {len(runs_b)} runs to compare: each system needs one at least.")
    scores = [*runs_a, *runs_b]
    first = scores[0]
    for score in scores:
        if (score.metric, score.signature, score.n) != (first.metric, first.signature, first.n):
            raise ScoringError(
                f"{first.metric} of {first.n:,} outputs ({first.signature}) does not compare with {score.metric} of "
                f"{score.n:,} ({score.signature}): score both systems the same way on the same test set."
            )
    if test == "randomisation" and len(runs_a) != len(runs_b):
        raise ScoringError(
            f"{len(runs_a)} and {len(runs_b)} runs: randomisation shuffles the outputs of two runs at a time, so it "
            "needs as many of each system. The bootstrap does not."
        )
    draws = RESAMPLES[test] if resamples is None else resamples
    value_a, value_b = map(float, _means(np.array([score.value for score in scores]), len(runs_a)))
    statistics = np.stack([score.segments for score in scores], axis=1)  # (n, runs, k)
    sampled = _sampled_differences(first.metric, statistics, len(runs_a), draws, seed)
    low, high = np.quantile(sampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    comparison = Comparison(
        metric=first.metric,
        value_a=value_a,
        value_b=value_b,
        difference=value_b - value_a,
        p_value=_bootstrap_p_value(sampled, value_b - value_a)
        if test == "bootstrap"
        else _randomisation_p_value(first.metric, statistics, draws, seed),
        interval=(float(low), float(high)),
        n=first.n,
        runs_a=len(runs_a),
        runs_b=len(runs_b),
        resamples=draws,
        seed=seed,
        signature=_signature(first.signature, test, draws, seed),
        test=test,
    )
    return decide([comparison])[0]


def _means(values: NDArray[np.floating], runs_a: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Means over a's runs and over b's, which follow them on the last axis: (..., runs) -> (...) each."""
    return values[..., :runs_a].mean(axis=-1), values[..., runs_a:].mean(axis=-1)


def _sampled_differences(
    metric: str, statistics: NDArray[Any], runs_a: int, resamples: int, seed: int
) -> NDArray[np.floating]:
    """What b is better by on test sets drawn with replacement: statistics of (n, runs, k) -> (resamples,)."""
    sums = _resampled_sums(statistics, resamples, seed)
    if np.issubdtype(statistics.dtype, np.integer):
        # As sacrebleu computes, lest a resample that lies next to the threshold fall on its other side.
        sums = sums.astype(np.float32)
    sampled_a, sampled_b = _means(corpus_values(metric, sums), runs_a)
    return np.asarray(sampled_b - sampled_a)


def _resampled_sums(statistics: NDArray[Any], resamples: int, seed: int) -> NDArray[np.floating]:
    """Sums of the statistics over test sets drawn with replacement: (n, runs, k) -> (resamples, runs, k)."""
    n = len(statistics)
    flat = statistics.reshape(n, -1).astype(np.float64)  # double precision holds sums of counts exactly, and is fast
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, flat.shape[1]))
    for row in sums:
        times_drawn = np.bincount(rng.choice(n, size=n, replace=True), minlength=n)  # sacrebleu's draws, in its order
        np.matmul(times_drawn.astype(np.float64), flat, out=row)
    return sums.reshape(resamples, *statistics.shape[1:])


def _bootstrap_p_value(sampled_differences: NDArray[np.floating], difference: float) -> float:
    if not sampled_differences.any():
        return 1.0
    distances = np.abs(sampled_differences)
    exceeding = int(np.sum(distances - distances.mean() > abs(difference)))
    return (exceeding + 1) / (len(distances) + 1)


def _randomisation_p_value(metric: str, statistics: NDArray[Any], shufflings: int, seed: int) -> float:
    """From statistics of (n, 2 · runs, k), b's runs after a's."""
    n, runs = len(statistics), statistics.shape[1] // 2
    of_a, of_b = (side.reshape(n, -1).astype(np.float64) for side in np.split(statistics, 2, axis=1))
    stays = np.random.default_rng(seed).integers(2, size=(shufflings, n), dtype=bool)  # sacrebleu's coins

    def difference(sums_a: NDArray[np.float64], sums_b: NDArray[np.float64]) -> NDArray[np.floating]:
        """Absolute; of (..., runs · k) each."""
        values = [corpus_values(metric, sums.reshape(*sums.shape[:-1], runs, -1)) for sums in (sums_a, sums_b)]
        return np.asarray(np.abs(values[0].mean(axis=-1) - values[1].mean(axis=-1)))

    total_a, total_b = of_a.sum(axis=0), of_b.sum(axis=0)
    distances = np.empty(shufflings)
    for start in range(0, shufflings, _SHUFFLINGS_AT_ONCE):
        part = slice(start, start + _SHUFFLINGS_AT_ONCE)
        gained = stays[part].astype(np.float64) @ (of_a - of_b)
        distances[part] = difference(total_b + gained, total_a - gained)
    if not distances.any():
        return 1.0
    exceeding = int(np.sum(distances > difference(total_a, total_b)))
    return (exceeding + 1) / (shufflings + 1)


def _signature(metric_signature: str, test: Test, resamples: int, seed: int) -> str:
    references, rest = metric_signature.split("|", 1)
    return f"{references}|{'bs' if test == 'bootstrap' else 'ar'}:{resamples}|seed:{seed}|{rest}"


def mcnemar(correct_a: Sequence[bool], correct_b: Sequence[bool]) -> float:
    """Do two classifiers differ in accuracy on the same examples? McNemar's test (1947), exact and two-sided.

    Only the examples count that one has right and the other wrong: were the two equally good, each would fall to
    either side by the toss of a coin.

    Args:
        correct_a: whether a's answer to each example is right.
        correct_b: the same of b, for the same examples in the same order.

    Returns:
        The p-value; 1 where no example tells the two apart.

    Raises:
        ScoringError: unequal counts, or no examples.
    """
    from scipy.stats import binomtest  # slow to import

    if len(correct_a) != len(correct_b):
        raise ScoringError(
            f"{len(correct_a):,} answers of one classifier and {len(correct_b):,} of the other: McNemar's test needs "
            "both on the same examples, in the same order."
        )
    if not len(correct_a):
        raise ScoringError("no answers to compare: the input is empty.")
    right_a, right_b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_b, only_a + only_b).pvalue)


def compare_accuracies(correct_a: Sequence[Sequence[bool]], correct_b: Sequence[Sequence[bool]]) -> Comparison:
    """Compare two classifiers of which one run or several exist, on the same examples.

    Args:
        correct_a: of each run (seed) of a, the baseline, whether its answer to each example is right.
        correct_b: the same of b, for the same examples in the same order; as many runs.

    Returns:
        With the mean accuracies. The p-value is the largest of the runs' (McNemar's test of the first of a with the
        first of b, and so on): a difference counts where every seed shows it.

    Raises:
        ScoringError: unequal counts, or no examples.
    """
    p_value = max(mcnemar(a, b) for a, b in zip(correct_a, correct_b, strict=True))
    value_a, value_b = float(np.mean(correct_a)), float(np.mean(correct_b))
    comparison = Comparison(
        metric="accuracy",
        value_a=value_a,
        value_b=value_b,
        difference=value_b - value_a,
        p_value=p_value,
        interval=paired_difference_interval(correct_a, correct_b),
        n=len(correct_a[0]),
        runs_a=len(correct_a),
        runs_b=len(correct_b),
        resamples=0,
        seed=0,
        signature="McNemar's exact test on the same examples; of several seeds the largest p",
        test="mcnemar",
    )
    return decide([comparison])[0]


def paired_difference_interval(
    correct_a: Sequence[Sequence[bool]], correct_b: Sequence[Sequence[bool]]
) -> tuple[float, float]:
    """The 95 % interval of the difference of two classifiers' accuracies on the same examples, by the normal
    approximation: mean ± 1.96 standard errors of the examples' differences.

    Args:
        correct_a: of each run (seed) of a, whether its answer to each example is right.
        correct_b: the same of b, for the same examples in the same order; the runs are averaged for each example.

    Returns:
        The lowest and the highest difference, b less a, from -1 to 1.
    """
    differences = np.mean(correct_b, axis=0) - np.mean(correct_a, axis=0)
    middle = float(differences.mean())
    error = float(differences.std(ddof=1 if len(differences) > 1 else 0)) / len(differences) ** 0.5
    return middle - _DEVIATIONS * error, middle + _DEVIATIONS * error


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, adjusted (Holm, 1979): where none of them has anything to be found, one of them
    comes out below 0.05 in one case of twenty at most.

    Returns:
        In the same order, each at least as large as before and at most 1.
    """
    order = np.argsort(p_values, kind="stable")
    left = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(left * np.asarray(p_values, dtype=float)[order]))
    return [float(p_value) for p_value in adjusted]


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share such as an accuracy (Wilson, 1927).

    Args:
        successes: how many of the n counted.
        n: how many there were.

    Returns:
        The lowest and the highest share, from 0 to 1.

    Raises:
        ScoringError: n is not positive, or successes is not from 0 to n.
    """
    from scipy.stats import binomtest  # slow to import

    if not 0 <= successes <= n or n == 0:
        raise ScoringError(f"{successes:,} of {n:,}: a share needs examples, and from none to all of them can count.")
    found = binomtest(successes, n).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
