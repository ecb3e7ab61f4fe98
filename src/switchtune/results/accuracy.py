"""The comparison of classifiers trained in one language and tested in many: rows by language, and a Markdown page."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

import numpy as np

from switchtune.results.comparison import Row, Summary, summarised
from switchtune.results.text import (
    better_and_worse,
    minutes_text,
    render_markdown,
    score_text,
    scores_text,
    signed,
    updates_text,
)
from switchtune.scoring.metrics import Score
from switchtune.scoring.significance import Comparison, Test, compare_scores, share_interval

TEST: Test = "randomisation"
"""With one seed it is McNemar's test (1947): what both classifiers have right or wrong changes nothing."""


def accuracy_row(
    correct: Sequence[Sequence[bool]],
    baseline: Sequence[Sequence[bool]] | None,
    *,
    chance: float,
    trained: tuple[bool, bool] = (True, True),
    **of_arm: Any,
) -> Row:
    """An arm on the test set of a language, from which examples each seed has right.

    Args:
        baseline: the same of the baseline, with the same seeds; None for the baseline itself.
        trained: whether the baseline and the arm were, as `compare_scores` takes it.
        of_arm: the other fields of the row.
    """
    n = len(correct[0])
    scores = tuple(map(_accuracy, correct))
    interval = share_interval(round(mean(map(sum, correct))), n)
    compared: tuple[Comparison, ...] = ()
    if baseline is not None:
        of_baseline = tuple(map(_accuracy, baseline))
        # An arm that alone is above chance is what is looked for.
        chancy = interval[0] <= chance and share_interval(round(mean(map(sum, baseline))), n)[0] <= chance
        said = ["not above chance"] if chancy else []
        compared = (compare_scores(of_baseline, scores, test=TEST, faults=(said, said), trained=trained),)
    return Row(
        scores={"accuracy": scores},
        comparisons=compared,
        score_interval=interval,
        chance=chance,
        **of_arm,
    )


def _accuracy(correct: Sequence[bool]) -> Score:
    segments = np.stack([np.array(correct, dtype=np.int64), np.ones(len(correct), dtype=np.int64)], axis=1)
    return Score("accuracy", float(segments[:, 0].mean()), "share of right labels", segments, len(correct))


def accuracy_summary(rows: Sequence[Row], baseline: str, seeds: Sequence[int]) -> Summary:
    """The comparison with its decisions, and the languages in which there is nothing to be compared."""
    remarks = []
    for language in dict.fromkeys(row.pair for row in rows):
        of_language = [row for row in rows if row.pair == language]
        if not any(above_chance(row) for row in of_language):
            remarks.append(
                f"{language}: no arm is above chance ({of_language[0].chance:.1%}, the most frequent label for all), "
                "so the differences mean nothing."
            )
    return replace(summarised(rows, baseline, seeds), remarks=tuple(remarks))


def above_chance(row: Row) -> bool:
    """Whether the interval lies above what one and the same label gets."""
    return row.score_interval is not None and row.chance is not None and row.score_interval[0] > row.chance


def accuracies(row: Row) -> list[float]:
    """One a seed."""
    return [score.value for score in row.scores["accuracy"]]


def by_arm(summary: Summary) -> dict[str, list[Row]]:
    """The rows of each arm, that of the training language first."""
    return {arm: [row for row in summary.rows if row.arm == arm] for arm in dict.fromkeys(r.arm for r in summary.rows)}


def accuracy_table(summary: Summary) -> tuple[list[str], list[tuple[str, ...]]]:
    """Heads and rows, for people: arms by languages; the mean is over those without training data."""
    arms = by_arm(summary)
    means = {arm: mean(mean(accuracies(row)) for row in rows[1:]) for arm, rows in arms.items()}
    languages = [row.pair for row in arms[summary.baseline]]
    heads = ["arm", "updates", *languages, "mean", f"Δ {summary.baseline}", "minutes"]
    lines = [
        (
            rows[0].shown_arm,
            updates_text(rows[0].stage_updates),
            *(scores_text("accuracy", accuracies(row)) for row in rows),
            score_text("accuracy", means[arm]),
            "" if arm == summary.baseline else signed(100 * (means[arm] - means[summary.baseline])),
            minutes_text(rows[0].minutes),
        )
        for arm, rows in arms.items()
    ]
    return heads, lines


def accuracy_verdicts(summary: Summary) -> list[str]:
    """A sentence for each arm: in how many languages without training data is it better than the baseline?"""
    sentences = []
    for arm, rows in by_arm(summary).items():
        if arm == summary.baseline:
            continue
        compared = [row.comparisons[0] for row in rows[1:]]
        several = compared[0].comparisons
        sentences.append(
            f"{rows[0].shown_arm} against {summary.baseline}, in {len(compared)} language{'s' * (len(compared) != 1)} "
            f"without training data: {better_and_worse(compared)}; mean difference "
            f"{signed(100 * mean(each.difference for each in compared))} points"
            f"{f'; p adjusted for {several} comparisons (Holm)' if several > 1 else ''}."
        )
    return sentences


def accuracy_markdown(summary: Summary) -> str:
    """The comparison as a Markdown page."""
    heads, lines = accuracy_table(summary)
    sizes = {row.pair: row.scores["accuracy"][0].n for row in summary.rows}
    one_size = len(set(sizes.values())) == 1
    return render_markdown(
        "accuracy.md",
        summary=summary,
        arms=by_arm(summary),
        heads=heads,
        lines=lines,
        sizes=", ".join(dict.fromkeys(f"{n:,}" + ("" if one_size else f" ({pair})") for pair, n in sizes.items())),
        verdicts=accuracy_verdicts(summary),
        compared=next((row.against_baseline for row in summary.rows if row.comparisons), None),
        accuracies=accuracies,
    )
