"""Is one system better than another, or is it the choice of test sentences? The paired bootstrap (Koehn, 2004)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from switchtune.scoring.metrics import METRICS, MetricName, ScoringError, corpus_values

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """System b against system a (the baseline).

    Attributes:
        metric: what was compared.
        value_a: corpus score of a; with several runs, the mean of their corpus scores.
        value_b: the same of b.
        difference: value_b − value_a; positive where b is better.
        p_value: how often a difference of this size, either way, comes about by the choice of test sentences alone.
        interval: 95 % interval of the difference over the resampled test sets.
        n: test sentences.
        runs_a: runs (seeds) that value_a is the mean of.
        runs_b: the same of b.
        resamples: resampled test sets.
        seed: seed of the resampling.
        signature: sacrebleu's, with `bs` (resamples) and `seed`.
    """

    metric: MetricName
    value_a: float
    value_b: float
    difference: float
    p_value: float
    interval: tuple[float, float]
    n: int
    runs_a: int
    runs_b: int
    resamples: int
    seed: int
    signature: str


def paired_bootstrap(
    hypotheses_a: Sequence[str],
    hypotheses_b: Sequence[str],
    references: Sequence[str],
    language: str,
    *,
    metric: MetricName = "BLEU",
    resamples: int = 1000,
    seed: int = 12345,
) -> Comparison:
    """Compare two systems' translations of the same sentences.

    Test sets are drawn from the test sentences with replacement, and both systems scored on each. The p-value is the
    share of test sets whose absolute difference exceeds the mean absolute difference by more than the real one; it is
    sacrebleu's (`sacrebleu -m bleu --paired-bs`, there with its default seed 12345), to the last digit. There is one
    exception: where the systems score the same on every test set, p is 1, not sacrebleu's 1 / (resamples + 1).

    Args:
        hypotheses_a: the baseline's translations.
        language: the target language.

    Raises:
        ScoringError: unequal counts, or nothing to score.
    """
    return compare_seeds(
        [hypotheses_a], [hypotheses_b], references, language, metric=metric, resamples=resamples, seed=seed
    )


def compare_seeds(
    systems_a: Sequence[Sequence[str]],
    systems_b: Sequence[Sequence[str]],
    references: Sequence[str],
    language: str,
    *,
    metric: MetricName = "BLEU",
    resamples: int = 1000,
    seed: int = 12345,
) -> Comparison:
    """Compare two systems of which several runs (training seeds) exist.

    As `paired_bootstrap`, with a system's score on a resampled test set being the mean of its runs' corpus scores on
    that test set. All runs are scored on the same resampled sentences. So the p-value and the interval say what other
    test sentences would change about these runs' means; they do not say what further training seeds would change, for
    which two or three runs are no sample: look at the runs' own scores for that.

    Args:
        systems_a: the baseline's translations, one sequence a run.
        systems_b: the other system's; their number may differ.
        language: the target language.

    Raises:
        ScoringError: unequal counts, a system without a run, or nothing to score.
    """
    if not systems_a or not systems_b:
        raise ScoringError(f"{len(systems_a)} and {len(systems_b)} runs to compare: each system needs one at least.")
    scores = [METRICS[metric](hypotheses, references, language) for hypotheses in (*systems_a, *systems_b)]
    value_a, value_b = _means(np.array([score.value for score in scores]), len(systems_a))
    sums = _resampled_sums(np.stack([score.segments for score in scores], axis=1), resamples, seed)
    # Single precision, as sacrebleu computes, lest a resample that lies next to the threshold fall on its other side.
    sampled_a, sampled_b = _means(corpus_values(metric, sums.astype(np.float32)), len(systems_a))
    sampled_differences = sampled_b - sampled_a  # (resamples,)
    low, high = np.quantile(sampled_differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Comparison(
        metric=metric,
        value_a=float(value_a),
        value_b=float(value_b),
        difference=float(value_b - value_a),
        p_value=_p_value(sampled_differences, float(value_b - value_a)),
        interval=(float(low), float(high)),
        n=len(references),
        runs_a=len(systems_a),
        runs_b=len(systems_b),
        resamples=resamples,
        seed=seed,
        signature=_signature(scores[0].signature, resamples, seed),
    )


def _means(values: NDArray[np.floating], runs_a: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Means over a's runs and over b's, which follow them on the last axis: (..., runs) -> (...) each."""
    return values[..., :runs_a].mean(axis=-1), values[..., runs_a:].mean(axis=-1)


def _resampled_sums(statistics: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.int64]:
    """Sums of the statistics over test sets drawn with replacement: (n, runs, k) -> (resamples, runs, k)."""
    n = len(statistics)
    flat = statistics.reshape(n, -1).astype(np.float64)  # double precision holds sums of counts exactly, and is fast
    rng = np.random.default_rng(seed)
    sums = np.empty((resamples, flat.shape[1]))
    for row in sums:
        times_drawn = np.bincount(rng.choice(n, size=n, replace=True), minlength=n)  # sacrebleu's draws, in its order
        np.matmul(times_drawn.astype(np.float64), flat, out=row)
    return sums.astype(np.int64).reshape(resamples, *statistics.shape[1:])


def _p_value(sampled_differences: NDArray[np.floating], difference: float) -> float:
    if not sampled_differences.any():
        return 1.0
    distances = np.abs(sampled_differences)
    exceeding = int(np.sum(distances - distances.mean() > abs(difference)))
    return (exceeding + 1) / (len(distances) + 1)


def _signature(metric_signature: str, resamples: int, seed: int) -> str:
    references, rest = metric_signature.split("|", 1)
    return f"{references}|bs:{resamples}|seed:{seed}|{rest}"


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
    if not 0 <= successes <= n or n == 0:
        raise ScoringError(f"{successes:,} of {n:,}: a share needs examples, and from none to all of them can count.")
    found = binomtest(successes, n).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
