"""Accuracies of classifiers trained in one language and tested in many: records, JSON and a Markdown table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from switchtune.results.comparison import SCHEMA, markdown_table, signed, spread
from switchtune.scoring.significance import SIGNIFICANT, holm, mcnemar, paired_difference_interval, share_interval
from switchtune.switching.switcher import Rates


@dataclass(frozen=True)
class Accuracy:
    """An arm on the test set of a language. Shares are from 0 to 1."""

    language: str
    n: int
    of_seeds: tuple[float, ...]
    """One a seed."""
    interval: tuple[float, float]
    """95 % interval (Wilson) of the mean accuracy, by the choice of test examples: as of one that has it."""
    chance: float
    """Accuracy of giving every example the label that is most frequent in the test set."""
    difference: float | None
    """Mean accuracy less the baseline's; None for the baseline itself."""
    difference_interval: tuple[float, float] | None
    """Its 95 % interval, by the choice of test examples; None for the baseline itself."""
    p_values: tuple[float, ...]
    """McNemar's test against the baseline, seed by seed; empty for the baseline itself."""

    @property
    def mean(self) -> float:
        return mean(self.of_seeds)

    @property
    def above_chance(self) -> bool:
        """Whether the interval lies above what one and the same label gets."""
        return self.interval[0] > self.chance


@dataclass(frozen=True)
class AccuracyRow:
    """An arm, over all seeds."""

    arm: str
    model: str
    stage_updates: dict[str, int]
    """Done, with the first seed."""
    chosen_updates: tuple[int, ...]
    """Of each seed the update of the last stage with the best validation accuracy, whose weights are tested."""
    valid_accuracy: tuple[float, ...]
    """At these updates."""
    tests: tuple[Accuracy, ...]
    """That of the training language first."""
    rates: dict[str, Rates]
    """Requested and realised rate of switching to each language; empty where nothing is switched."""
    truncated: int
    """Training pairs that were cut to the longest length."""
    minutes: float
    """Mean training time of one seed."""

    @property
    def mean(self) -> float:
        """Mean accuracy over the languages without training data."""
        return mean(test.mean for test in self.tests[1:])


@dataclass(frozen=True)
class AccuracySummary:
    """A whole comparison."""

    rows: tuple[AccuracyRow, ...]
    baseline: str
    seeds: tuple[int, ...]


def accuracy_of(
    language: str, correct: Sequence[Sequence[bool]], baseline: Sequence[Sequence[bool]] | None, *, chance: float
) -> Accuracy:
    """The figures of an arm on a test set.

    Args:
        correct: of each seed, which examples are right.
        baseline: the same of the baseline, with the same seeds; None for the baseline itself.
        chance: share of the label that is most frequent in the test set.
    """
    n = len(correct[0])
    return Accuracy(
        language,
        n,
        tuple(sum(each) / n for each in correct),
        share_interval(round(mean(map(sum, correct))), n),
        chance,
        None
        if baseline is None
        else mean(sum(each) / n for each in correct) - mean(sum(each) / n for each in baseline),
        None if baseline is None else paired_difference_interval(baseline, correct),
        () if baseline is None else tuple(map(mcnemar, baseline, correct)),
    )


def accuracy_table(summary: AccuracySummary) -> tuple[list[str], list[tuple[str, ...]]]:
    """Heads and rows, for people: arms by languages, in percent."""
    first = summary.rows[0]
    reference = next(row for row in summary.rows if row.arm == summary.baseline)
    heads = ["arm", "updates", *(test.language for test in first.tests), "mean", f"Δ {summary.baseline}", "minutes"]
    rows = [
        (
            row.arm,
            " + ".join(f"{updates:,}" for updates in row.stage_updates.values()),
            *(spread([100 * share for share in test.of_seeds]) for test in row.tests),
            f"{100 * row.mean:.1f}",
            "" if row is reference else signed(100 * (row.mean - reference.mean)),
            f"{row.minutes:.1f}",
        )
        for row in summary.rows
    ]
    return heads, rows


def _differences(summary: AccuracySummary) -> str:
    heads = ("language", "arm", "accuracy", "95 % interval", f"Δ {summary.baseline}", "95 % interval of Δ", "p")
    lines = [
        (
            test.language,
            row.arm,
            f"{100 * test.mean:.1f}",
            f"{100 * test.interval[0]:.1f} – {100 * test.interval[1]:.1f}",
            "" if test.difference is None else signed(100 * test.difference),
            " – ".join(signed(100 * end) for end in test.difference_interval or ()),
            ", ".join(f"{p:.3f}" for p in test.p_values),
        )
        for place in range(len(summary.rows[0].tests))
        for row in summary.rows
        for test in (row.tests[place],)
    ]
    return markdown_table(heads, lines)


def accuracy_verdict(row: AccuracyRow, baseline: str) -> str:
    """One sentence: in how many languages without training data is the arm better than the baseline?

    A difference counts as significant where it is so with every seed, its p-value adjusted for the other languages.
    """
    tests = [test for test in row.tests[1:] if test.difference is not None]
    differences = [test.difference or 0.0 for test in tests]
    adjusted = holm([max(test.p_values) for test in tests])

    def count(sign: int) -> str:
        p_values = [p for p, difference in zip(adjusted, differences, strict=True) if sign * difference > 0]
        return f"{len(p_values)} ({sum(p < SIGNIFICANT for p in p_values)} significantly)"

    several = len(tests) != 1
    return (
        f"{row.arm} against {baseline}, in {len(tests)} language{'s' * several} without training data: better in "
        f"{count(1)}, worse in {count(-1)}; mean difference {signed(100 * mean(differences))} points"
        f"{'; p adjusted for the number of languages (Holm)' * several}."
    )


def at_chance(summary: AccuracySummary) -> list[str]:
    """The languages in which no arm is above chance, a sentence each: there is nothing to be compared."""
    return [
        f"{tests[0].language}: no arm is above chance ({tests[0].chance:.1%}, the most frequent label for all), "
        "so that the differences say nothing."
        for tests in zip(*(row.tests for row in summary.rows), strict=True)
        if not any(test.above_chance for test in tests)
    ]


def accuracy_markdown(summary: AccuracySummary) -> str:
    """The comparison as a Markdown page."""
    first, seeds = summary.rows[0], ", ".join(map(str, summary.seeds))
    compared = [row for row in summary.rows if row.arm != summary.baseline]
    remarks = [f"- {accuracy_verdict(row, summary.baseline)}" for row in compared]
    remarks += [f"- {each}" for each in at_chance(summary)]
    remarks += [
        f"- {row.arm}, to {code}: {rates.describe()}." for row in summary.rows for code, rates in row.rates.items()
    ]
    remarks += [f"- {row.arm}: {row.truncated:,} training pairs were cut." for row in summary.rows if row.truncated]
    remarks += [
        f"- {row.arm}: {row.model}, best on the validation set at update "
        + ", ".join(
            f"{update:,} ({share:.1%})" for update, share in zip(row.chosen_updates, row.valid_accuracy, strict=True)
        )
        + " of the last stage."
        for row in summary.rows
    ]
    notes = (
        "Accuracy in percent; the mean is over the languages without training data. "
        f"Test sets of {_sizes(first)} examples; seeds {seeds}"
        + ("; ± is the standard deviation over seeds" if len(summary.seeds) > 1 else "")
        + ". Updates are per stage; all arms may do the same total, and end sooner where the validation accuracy no "
        "longer rises. Minutes are the training time of one seed. "
        "Intervals by the choice of test examples: Wilson, and normal for Δ. "
        "p: McNemar's exact test on the same examples" + (", one for each seed." if len(summary.seeds) > 1 else ".")
    )
    heads, rows = accuracy_table(summary)
    blocks = ("# Comparison", markdown_table(heads, rows), "\n".join(remarks), notes, _differences(summary))
    return "\n\n".join(blocks) + "\n"


def _sizes(row: AccuracyRow) -> str:
    sizes = list(dict.fromkeys(test.n for test in row.tests))
    return f"{sizes[0]:,}" if len(sizes) == 1 else ", ".join(f"{test.n:,} ({test.language})" for test in row.tests)


def accuracy_record(summary: AccuracySummary) -> dict[str, Any]:
    """Every figure of the comparison, for `metrics.json`."""
    return {
        "schema": SCHEMA,
        "task": "nli",
        "baseline": summary.baseline,
        "seeds": list(summary.seeds),
        "remarks": at_chance(summary),
        "rows": [
            {
                "arm": row.arm,
                "model": row.model,
                "updates": row.stage_updates,
                "chosen_updates": list(row.chosen_updates),
                "valid_accuracy": list(row.valid_accuracy),
                "mean_accuracy": row.mean,
                "tests": [{**asdict(test), "mean": test.mean} for test in row.tests],
                "switching": {code: rates.record() for code, rates in row.rates.items()},
                "truncated": row.truncated,
                "minutes": row.minutes,
            }
            for row in summary.rows
        ],
    }
