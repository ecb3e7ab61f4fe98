"""The comparison of a run as records, JSON and a Markdown page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from switchtune.evidence import Choice
from switchtune.results.assessment import metric_key, score_record
from switchtune.results.text import (
    arm_text,
    language_text,
    marked,
    minutes_text,
    p_text,
    render_markdown,
    scores_text,
    updates_text,
)
from switchtune.scoring.metrics import Score
from switchtune.scoring.significance import Comparison, decide
from switchtune.switching.switcher import Rates

SCHEMA = 3
"""Of `metrics.json`: rises where what is in it changes its name or its meaning."""


@dataclass(frozen=True)
class BackTranslationCost:
    """What the back-translations of one trial took, beside the training of its stages."""

    updates: int  # of the reverse model, and with several rounds of those before it; so are the minutes
    within: bool  # whether they are taken out of the arm's own, so that the sum is that of the other arms
    minutes: float  # of training the reverse model
    translating_minutes: float
    sentences: int  # that were translated
    dropped: Mapping[str, int]  # those of them that are not trained on, by the reason

    def cell(self) -> str:
        """For people, in a table."""
        return f"{'' if self.within else '+'}{self.updates:,}; {self.minutes + self.translating_minutes:.1f} min"

    def describe(self) -> str:
        """For people, as a sentence without its end."""
        taken = "taken out of the arm's own updates" if self.within else "beside the arm's own"
        reasons = reasons_text(self.dropped)
        left_out = f"without those that cannot be used: {reasons}" if reasons else "all of them used"
        return (
            f"reverse model trained for {self.updates:,} updates, {taken} ({self.minutes:.1f} minutes); "
            f"{self.sentences:,} sentences translated by it ({self.translating_minutes:.1f} minutes), {left_out}"
        )


def reasons_text(dropped: Mapping[str, int]) -> str:
    """Why translations are not trained on, with how many; empty where all are."""
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)


@dataclass(frozen=True)
class Row:
    """One row of the comparison: an arm on a test set, over all seeds."""

    pair: str  # languages; of a classifier the one that is tested
    arm: str
    stage_updates: Mapping[str, int]  # of the first seed; empty where nothing was trained
    scores: Mapping[str, tuple[Score, ...]]  # by metric, one a seed or the one of outputs; the first metric compares
    rates: Mapping[str, Rates]  # of switching, per language; empty where nothing is switched
    truncated: int  # training examples of one trial that were cut to the longest length
    minutes: float | None  # mean training time of one trial; None where nothing was trained
    comparisons: tuple[Comparison, ...] = ()  # with the baseline, one a metric; empty for the baseline itself
    valid_nll: tuple[tuple[int, float], ...] = ()  # (update over all stages, mean loss over seeds) of the last stage
    in_language: tuple[Score, ...] = ()  # one a seed; empty where outputs are no text
    score_interval: tuple[float, float] | None = None  # 95 % (Wilson), of a mean accuracy, as of one seed that has it
    chance: float | None = None  # accuracy of giving every example the most frequent label of the test set
    back_translation: BackTranslationCost | None = None  # of the first seed, with mean minutes; None: it has none
    choice: Choice | None = None  # of the arm's recipe; None where it is named
    outputs: Mapping[str, Any] | None = None  # of outputs that were given: `file`, number of `samples`, `blank` lines
    details: Mapping[str, Any] = field(default_factory=dict)  # what else JSON tells

    @property
    def shown_arm(self) -> str:
        """The arm for people, with the recipe that was chosen for it."""
        return arm_text(self.arm, self.choice.recipe if self.choice else None)

    @property
    def against_baseline(self) -> Comparison | None:
        """The comparison by the first metric; None for the baseline itself."""
        return self.comparisons[0] if self.comparisons else None


@dataclass(frozen=True)
class Summary:
    """A whole comparison."""

    rows: tuple[Row, ...]
    baseline: str
    seeds: tuple[int, ...]
    remarks: tuple[str, ...] = ()  # what speaks against taking the differences as they stand


def summarised(rows: Sequence[Row], baseline: str, seeds: Sequence[int]) -> Summary:
    """The comparison with its decisions: of all arms and pairs together, metric by metric."""
    compared = [row for row in rows if row.comparisons]
    by_metric = zip(*(row.comparisons for row in compared), strict=True)
    decided = iter(zip(*map(decide, by_metric), strict=True))
    with_decisions = (replace(row, comparisons=next(decided)) if row.comparisons else row for row in rows)
    return Summary(tuple(with_decisions), baseline, tuple(seeds))


def comparison_table(rows: Sequence[Row], baseline: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and rows of a pair's table, for people; where an arm has back-translations, a column tells their cost."""
    costs = ("back-translation",) if any(row.back_translation for row in rows) else ()
    heads = ("arm", "updates", *rows[0].scores, "in language", f"Δ {baseline}", "p", "minutes", *costs)
    return heads, [_cells(row)[: len(heads)] for row in rows]


def _cells(row: Row) -> tuple[str, ...]:
    comparison = row.against_baseline
    return (
        row.shown_arm,
        updates_text(row.stage_updates),
        *(scores_text(metric, [score.value for score in scores]) for metric, scores in row.scores.items()),
        language_text(list(map(score_record, row.in_language))) if row.in_language else "–",
        "" if comparison is None else marked(comparison),
        "" if comparison is None else p_text(comparison),
        minutes_text(row.minutes),
        "" if row.back_translation is None else row.back_translation.cell(),
    )


def comparison_markdown(summary: Summary) -> str:
    """The comparison as a Markdown page: a table and a verdict per pair, then how it was measured."""
    pairs = []
    for name in dict.fromkeys(row.pair for row in summary.rows):
        rows = [row for row in summary.rows if row.pair == name]
        heads, cells = comparison_table(rows, summary.baseline)
        trained = [row for row in rows if row.outputs is None]
        curves = [dict(row.valid_nll) for row in trained]
        updates = sorted({update for curve in curves for update in curve})
        pairs.append(
            {
                "name": name,
                "rows": rows,
                "first": next(iter(rows[0].scores.values()))[0],
                "heads": heads,
                "cells": cells,
                "compared": next((row.against_baseline for row in rows if row.comparisons), None),
                "curve_heads": ("update", *(row.shown_arm for row in trained)),
                "curves": [
                    (f"{update:,}", *(f"{curve[update]:.3f}" if update in curve else "" for curve in curves))
                    for update in updates
                ],
            }
        )
    return render_markdown("comparison.md", pairs=pairs, summary=summary)


def comparison_of(record: Mapping[str, Any]) -> Comparison:
    """The comparison of a record in JSON, which may tell other things besides."""
    return Comparison(**{each.name: record[each.name] for each in fields(Comparison)})


def metrics_record(summary: Summary) -> dict[str, Any]:
    """Every figure of the comparison with its signature and n, for `metrics.json`."""
    return {
        "schema": SCHEMA,
        "baseline": summary.baseline,
        "seeds": list(summary.seeds),
        "remarks": list(summary.remarks),
        "rows": [
            {
                "pair": row.pair,
                "arm": row.arm,
                "updates": dict(row.stage_updates),
                "valid_nll": [{"update": update, "nll": nll} for update, nll in row.valid_nll],
                **{metric_key(name): [score_record(score) for score in scores] for name, scores in row.scores.items()},
                "in_language": [score_record(value) for value in row.in_language],
                "switching": {side: rates.record() for side, rates in row.rates.items()},
                "truncated": row.truncated,
                "minutes": row.minutes,
                "back_translation": row.back_translation and asdict(row.back_translation),
                "against_baseline": row.against_baseline and asdict(row.against_baseline),
                "by_other_metrics": [asdict(comparison) for comparison in row.comparisons[1:]],
                **({} if row.chance is None else {"score_interval": row.score_interval, "chance": row.chance}),
                **({} if row.choice is None else {"choice": asdict(row.choice)}),
                **({} if row.outputs is None else {"outputs": dict(row.outputs)}),
                **row.details,
            }
            for row in summary.rows
        ],
    }
