"""Is one system better than another, or is it chance? Paired tests of scores over sentences and seeds; the decision.

Other test sentences would change the difference d of two systems' scores, each the mean over its runs. `bootstrap`
draws test sets with replacement, the same for all runs; d* - mean(d*) are the deviations. `randomisation` (Riezler and
Maxwell, 2005) has each sentence's two outputs change sides by the toss of a coin, the same for all runs; the d* that
come of it are the deviations.

With one run of each system, p is the share of deviations at least as far from 0 as d, with 1 added to both counts, and
the interval is d ± the deviation that p = 0.05 takes: what the same test would not refute.

With several runs, other seeds would change d too. The variance of d over seeds, s²/n, is added to that of the
deviations, and p and interval are Student's, with degrees of freedom by Welch and Satterthwaite. Equally many runs are
paired in their order (have the same seeds in the same order); of other numbers s² is one pooled variance of all runs.
Outputs that come of no training here (an online service's, say) are paired with every run of the other system: they
are what they are, and s² is that of the other's runs alone.

`sacrebleu` takes |d*| - mean|d*| of the bootstrap for deviations, as `sacrebleu --paired-bs` does, of one run each. Its
p is about half of a two-sided one. Where the systems score the same on every test set, it is 1, not 1 / (draws + 1).

However p comes about, the interval leaves out 0 exactly where p < 0.05. How often differences that are none pass for
real, `benchmarks/significance.py` tells.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from switchtune.config.base import Count, Finite, Share
from switchtune.scoring.metrics import MetricName, Score, ScoringError, bleu, chrf, corpus_values, spbleu
from switchtune.scoring.rouge import ROUGE_NAMES, rouge_score

SIGNIFICANT = 0.05
"""Below this adjusted p-value a difference counts as real; intervals hold what is not refuted at this level."""

FEW_SENTENCES = 50
"""Fewer test examples give no verdict: of differences that are none, the bootstrap calls 12 % real on 5 sentences, 9 %
on 16, and from 50 on the 5 % that it should (`benchmarks/significance.py`)."""

LEAST_RESAMPLES = 100

Answer: TypeAlias = Literal[
    "better", "worse", "better on this training", "worse on this training", "undecided", "not comparable"
]
Test: TypeAlias = Literal["bootstrap", "randomisation", "sacrebleu"]
TESTS: tuple[Test, ...] = get_args(Test)
RESAMPLES: Mapping[Test, int] = {"bootstrap": 1000, "randomisation": 10_000, "sacrebleu": 1000}
"""How many test sets are drawn, or how often the systems' outputs are shuffled, where nobody says (as sacrebleu)."""

_SHUFFLINGS_AT_ONCE = 500

METRICS: Mapping[str, Callable[[Sequence[str], Sequence[str], str], Score]] = {
    "BLEU": bleu,
    "spBLEU": spbleu,
    "chrF++": chrf,
    **{name: partial(rouge_score, name) for name in ROUGE_NAMES},
}
"""The metrics that can be tested for significance, from (hypotheses, references, language)."""


@dataclass(frozen=True)
class Comparison:
    """System b against system a (the baseline)."""

    metric: str
    value_a: Finite  # corpus score; with several runs (seeds), the mean of theirs
    value_b: Finite
    difference: Finite  # value_b − value_a; positive where b is better
    p_value: Share  # two-sided; of this comparison alone, as `compare_scores` tells
    interval: tuple[Finite, Finite]  # of the difference, 95 %; leaves out 0 exactly where p_value < 0.05
    n: Count  # test examples
    runs_a: Count  # runs (seeds) that value_a is the mean of; 0 where the outputs come of no training here
    runs_b: Count
    resamples: Count
    seed: Count  # of the resampling
    signature: str  # the score's, with `bs` or `ar` (resamples) and `seed`, as sacrebleu writes it
    test: Test = "bootstrap"
    comparisons: Count = 1  # that were decided together, this one included
    adjusted_p_value: Share = 1.0  # for that number
    answer: Answer = "undecided"  # the decision about b; see `decide`
    faults_a: tuple[str, ...] = ()  # why a is no system to compare with, in words; see `scoring/faults.py`
    faults_b: tuple[str, ...] = ()
    advice: str = ""  # what to do where the answer is limited, in words

    @property
    def one_training(self) -> bool:
        """Whether the answer is about one training of each system that is trained, and says nothing of others."""
        return max(self.runs_a, self.runs_b) == 1


def decide(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Decide which differences are real, of all that are looked at together: every arm on every test set, say.

    A difference is real where its p-value, adjusted for the number of comparisons (Holm, 1979), is below `SIGNIFICANT`.
    Intervals are not adjusted: among several comparisons one may leave out 0 and yet be undecided. There is nothing to
    compare where a system has faults, or with fewer test examples than `FEW_SENTENCES`. Of one training of each, the
    answer is about these two trainings.

    Returns:
        In the same order, with `comparisons`, `adjusted_p_value`, `answer` and `advice`.
    """
    decided = []
    for each, p_value in zip(comparisons, holm([each.p_value for each in comparisons]), strict=True):
        answer, advice = _decided(each, p_value)
        decided.append(
            replace(each, comparisons=len(comparisons), adjusted_p_value=p_value, answer=answer, advice=advice)
        )
    return tuple(decided)


def _decided(comparison: Comparison, adjusted_p_value: float) -> tuple[Answer, str]:
    limits = []
    sides = ((comparison.faults_a, comparison.runs_a), (comparison.faults_b, comparison.runs_b))
    if any(said and runs for said, runs in sides):
        limits.append("Train for more updates or on more examples, and look at the outputs.")
    elif any(said for said, _ in sides):
        limits.append("Look at the outputs that were given: are they those of this test set, line by line?")
    if comparison.n < FEW_SENTENCES:
        limits.append(few_sentences(comparison.n))
    if limits:
        return "not comparable", " ".join(limits)
    advice = "Train with several seeds: what another one would change is not known." if comparison.one_training else ""
    if adjusted_p_value >= SIGNIFICANT:
        return "undecided", advice
    if comparison.one_training:
        return ("better on this training" if comparison.difference > 0 else "worse on this training"), advice
    return ("better" if comparison.difference > 0 else "worse"), advice


def few_sentences(n: int) -> str:
    """What is to be said of a test set below `FEW_SENTENCES`."""
    return f"{n:,} test examples are too few: take {FEW_SENTENCES} at the very least, preferably 500 to 2,000."


def compare_seeds(
    systems_a: Sequence[Sequence[str]],
    systems_b: Sequence[Sequence[str]],
    references: Sequence[str],
    language: str,
    *,
    metric: MetricName = "BLEU",
    **settings: Any,
) -> Comparison:
    """Compare two systems by their outputs, one sequence a run (seed), as `compare_scores` does with these settings.

    Raises:
        ScoringError: unequal counts, nothing to score, or what `compare_scores` refuses.
    """
    runs_a, runs_b = (
        [METRICS[metric](hypotheses, references, language) for hypotheses in systems]
        for systems in (systems_a, systems_b)
    )
    return compare_scores(runs_a, runs_b, **settings)


def compare_scores(
    runs_a: Sequence[Score],
    runs_b: Sequence[Score],
    *,
    test: Test = "bootstrap",
    resamples: int | None = None,
    seed: int = 12345,
    faults: tuple[Sequence[str], Sequence[str]] = ((), ()),
    trained: tuple[bool, bool] = (True, True),
) -> Comparison:
    """Compare two systems whose outputs for the same inputs have been scored, by any one metric, and decide.

    Args:
        runs_a: the baseline's scores, one a run (seed).
        resamples: by default `RESAMPLES`.
        faults: why each of the two is no system to compare with.
        trained: whether each of the two was trained here, with a run a seed; else it has one score.

    Raises:
        ScoringError: a system without a run, scores of different metrics, settings or counts, fewer resamples than
            `LEAST_RESAMPLES`, or numbers of runs that the test cannot take.
    """
    draws = RESAMPLES[test] if resamples is None else resamples
    runs = (len(runs_a) * trained[0], len(runs_b) * trained[1])
    if not trained[0]:
        runs_a = [*runs_a] * max(runs[1], 1)
    if not trained[1]:
        runs_b = [*runs_b] * max(runs[0], 1)
    _require_comparable(runs_a, runs_b, test, draws)
    first, strict = runs_a[0], test == "sacrebleu"
    values_a, values_b = ([score.value for score in runs] for runs in (runs_a, runs_b))
    value_a, value_b = float(np.mean(values_a)), float(np.mean(values_b))
    difference = value_b - value_a
    middle = difference if strict else round(difference, 9)  # as the deviations are
    distances = _distances(runs_a, runs_b, test, draws, seed)
    variance, degrees = _of_seeds(values_a, values_b)
    if degrees:
        p_value, reach = _by_student(abs(middle), distances, variance, degrees)
    else:
        p_value, reach = _by_counting(abs(middle), distances, strict=strict)
    references, _, settings = first.signature.partition("|")
    resampled = f"{'ar' if test == 'randomisation' else 'bs'}:{draws}|seed:{seed}"
    comparison = Comparison(
        metric=first.metric,
        value_a=value_a,
        value_b=value_b,
        difference=difference,
        p_value=p_value,
        interval=(middle - reach, middle + reach),
        n=first.n,
        runs_a=runs[0],
        runs_b=runs[1],
        resamples=draws,
        seed=seed,
        signature="|".join((references, resampled, settings)),
        test=test,
        faults_a=tuple(faults[0]),
        faults_b=tuple(faults[1]),
    )
    return decide([comparison])[0]


def _require_comparable(runs_a: Sequence[Score], runs_b: Sequence[Score], test: Test, draws: int) -> None:
    if not runs_a or not runs_b:
        raise ScoringError(f"{len(runs_a)} and {len(runs_b)} runs to compare: each system needs one at least.")
    first = runs_a[0]
    for score in (*runs_a, *runs_b):
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
    if test == "sacrebleu" and len(runs_a) + len(runs_b) > 2:
        raise ScoringError(
            f"{len(runs_a)} and {len(runs_b)} runs: sacrebleu's test compares one of each and leaves out what other "
            "seeds change. The bootstrap counts that in."
        )
    if draws < LEAST_RESAMPLES:
        raise ScoringError(f"{draws} resamples are too few for a p-value: take {LEAST_RESAMPLES} at least.")


def _of_seeds(values_a: Sequence[float], values_b: Sequence[float]) -> tuple[float, int]:
    """Variance of the difference of the means over seeds, and its degrees of freedom, 0 where there are no others."""
    a, b = np.array(values_a), np.array(values_b)
    if len(a) == len(b):
        return (float((b - a).var(ddof=1)) / len(a), len(a) - 1) if len(a) > 1 else (0.0, 0)
    degrees = len(a) + len(b) - 2
    squares = ((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()
    return float(squares) / degrees * (1 / len(a) + 1 / len(b)), degrees


def _by_counting(size: float, distances: NDArray[np.floating], *, strict: bool) -> tuple[float, float]:
    """The p-value of a difference of a size, and the size that a p-value of `SIGNIFICANT` takes."""
    exceeding = np.sum(distances > size if strict and size else distances >= size)
    p_values = np.arange(1, len(distances) + 1) / (len(distances) + 1)  # by how many exceed, from 0
    reach = np.sort(distances)[-int(np.sum(p_values < SIGNIFICANT))]
    return float((exceeding + 1) / (len(distances) + 1)), float(reach)


def _by_student(size: float, distances: NDArray[np.floating], of_seeds: float, degrees: int) -> tuple[float, float]:
    """The same, with the variance over seeds."""
    from scipy.stats import t as student  # slow to import

    variance = float(np.square(distances).mean()) + of_seeds
    if not variance:
        return (0.0 if size else 1.0), 0.0
    df = variance**2 / (of_seeds**2 / degrees) if of_seeds else np.inf
    p_value, reach = 2 * student.sf(size / variance**0.5, df), student.isf(SIGNIFICANT / 2, df) * variance**0.5
    return float(p_value), float(reach)


def _distances(
    runs_a: Sequence[Score], runs_b: Sequence[Score], test: Test, draws: int, seed: int
) -> NDArray[np.floating]:
    """How far the deviations are from 0: (draws,)."""
    metric, statistics = runs_a[0].metric, np.stack([score.segments for score in (*runs_a, *runs_b)], axis=1)
    if test == "randomisation":
        return _rounded(_shuffled_differences(metric, statistics, draws, seed))
    sums = _resampled_sums(statistics, draws, seed)
    if test == "sacrebleu" and np.issubdtype(statistics.dtype, np.integer):
        sums = sums.astype(np.float32)  # as it computes, lest a resample next to the threshold fall on its other side
    values = corpus_values(metric, sums)
    sampled = values[:, len(runs_a) :].mean(axis=-1) - values[:, : len(runs_a)].mean(axis=-1)
    if test == "sacrebleu":
        return np.asarray(np.abs(sampled) - np.abs(sampled).mean())
    return _rounded(sampled - sampled.mean())


def _rounded(deviations: NDArray[np.floating]) -> NDArray[np.floating]:
    """Without the sign, and without the last bits, by which equal ones may differ."""
    return np.asarray(np.round(np.abs(deviations), 9))


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


def _shuffled_differences(metric: str, statistics: NDArray[Any], shufflings: int, seed: int) -> NDArray[np.floating]:
    """What b is better by as outputs change sides: statistics of (n, 2 · runs, k), b's after a's -> (shufflings,)."""
    n, runs = len(statistics), statistics.shape[1] // 2
    of_a, of_b = (side.reshape(n, -1).astype(np.float64) for side in np.split(statistics, 2, axis=1))
    stays = np.random.default_rng(seed).integers(2, size=(shufflings, n), dtype=bool)  # sacrebleu's coins
    total_a, total_b = of_a.sum(axis=0), of_b.sum(axis=0)
    parts = []
    for start in range(0, shufflings, _SHUFFLINGS_AT_ONCE):
        gained = stays[start : start + _SHUFFLINGS_AT_ONCE].astype(np.float64) @ (of_a - of_b)
        values_a, values_b = (
            corpus_values(metric, sums.reshape(len(sums), runs, -1)).mean(axis=-1)
            for sums in (total_b + gained, total_a - gained)
        )
        parts.append(values_b - values_a)
    return np.concatenate(parts)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, adjusted (Holm, 1979), in the same order: where none of them has anything to be
    found, one of them comes out below 0.05 in one case of twenty at most."""
    order = np.argsort(p_values, kind="stable")
    left = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(left * np.asarray(p_values, dtype=float)[order]))
    return [float(p_value) for p_value in adjusted]


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share such as an accuracy, from 0 to 1 (Wilson, 1927).

    Raises:
        ScoringError: n is not positive, or successes is not from 0 to n.
    """
    from scipy.stats import binomtest  # slow to import

    if not 0 <= successes <= n or n == 0:
        raise ScoringError(f"{successes:,} of {n:,}: a share needs examples, and from none to all of them can count.")
    found = binomtest(successes, n).proportion_ci(confidence_level=1 - SIGNIFICANT, method="wilson")
    return float(found.low), float(found.high)
