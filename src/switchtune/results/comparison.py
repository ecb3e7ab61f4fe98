"""The comparison as records, JSON and a Markdown table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

from switchtune.scoring.assess import Assessment
from switchtune.scoring.metrics import MetricName, Score
from switchtune.scoring.significance import (
    SIGNIFICANT,
    Comparison,
    Test,
)
from switchtune.scoring.word_accuracy import Bucket
from switchtune.switching.switcher import Rates

SCHEMA = 2
"""Of `metrics.json`: rises where what is in it changes its name or its meaning."""


@dataclass(frozen=True)
class Row:
    """One row of the comparison: an arm, over all seeds."""

    pair: str
    arm: str
    stage_updates: dict[str, int]
    valid_nll: tuple[tuple[int, float], ...]
    """(update, mean validation loss over seeds) of the last stage; updates are counted from the start of the first."""
    scores: Mapping[MetricName, tuple[Score, ...]]
    """By metric, one a seed; arms are compared by the first metric."""
    in_language: tuple[Score, ...]
    """Empty where the target language cannot be identified."""
    rates: dict[str, Rates]
    """Requested and realised rate of switching, per language; empty where nothing is switched."""
    truncated: int
    """Training examples of one trial that were cut to the longest length."""
    minutes: float
    """Mean training time of one trial."""
    against_baseline: Comparison | None
    """By the first metric; None for the baseline itself."""
    by_other_metrics: tuple[Comparison, ...] = ()
    """The same by the others; empty for the baseline itself."""


@dataclass(frozen=True)
class Summary:
    """A whole comparison."""

    rows: tuple[Row, ...]
    baseline: str
    seeds: tuple[int, ...]


def spread(values: Sequence[float]) -> str:
    """Mean and, over several seeds, sample standard deviation."""
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def signed(difference: float, digits: int = 1) -> str:
    """A difference with its sign; +0.0 for one that rounds to nothing, whichever way it goes."""
    return f"{round(difference, digits) + 0.0:+.{digits}f}"


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, for people: arm, updates, scores, in language, difference, p, minutes."""
    comparison = row.against_baseline
    return (
        row.arm,
        " + ".join(f"{updates:,}" for updates in row.stage_updates.values()),
        *(spread([score.value for score in scores]) for scores in row.scores.values()),
        f"{mean(score.value for score in row.in_language):.1%}" if row.in_language else "–",
        "" if comparison is None else signed(comparison.difference),
        "" if comparison is None else f"{comparison.p_value:.3f}",
        f"{row.minutes:.1f}",
    )


def header(row: Row, baseline: str) -> tuple[str, ...]:
    """The heads of the columns that `cells` fills."""
    return ("arm", "updates", *row.scores, "in language", f"Δ {baseline}", "p", "minutes")


def verdict(row: Row, baseline: str) -> str:
    """One sentence: is the arm better than the baseline, and is the difference significant?"""
    comparison = row.against_baseline
    if comparison is None:
        return ""
    size = f"{abs(comparison.difference):.1f} {comparison.metric}, p = {comparison.p_value:.3f}"
    if comparison.p_value >= SIGNIFICANT:
        size = f"{signed(comparison.difference)} {comparison.metric}, p = {comparison.p_value:.3f}"
        return f"{row.arm} and {baseline}: no significant difference ({size})."
    return f"{row.arm} is {'better' if comparison.difference > 0 else 'worse'} than {baseline} ({size})."


def _by_other_metrics(row: Row) -> str:
    found = (f"{each.metric} {signed(each.difference)}, p = {each.p_value:.3f}" for each in row.by_other_metrics)
    return f"{row.arm} by the other metrics: {'; '.join(found)}."


_TESTS: Mapping[Test, str] = {
    "bootstrap": "paired bootstrap over the test set",
    "randomisation": "paired approximate randomisation of the outputs",
}


def tested_by(found: Comparison) -> str:
    """For people, what a comparison's p-value comes from."""
    return f"{_TESTS[found.test]}, the seeds' scores averaged in each draw"


def comparison_markdown(summary: Summary) -> str:
    """The comparison as a Markdown page: a table and a verdict per pair, then how it was measured."""
    blocks = ["# Comparison"]
    for pair in dict.fromkeys(row.pair for row in summary.rows):
        rows = [row for row in summary.rows if row.pair == pair]
        table = markdown_table(header(rows[0], summary.baseline), [cells(row) for row in rows])
        found = [f"- {verdict(row, summary.baseline)}" for row in rows if row.against_baseline]
        found += [f"- {_by_other_metrics(row)}" for row in rows if row.by_other_metrics]
        found += [f"- {row.arm}, {side}: {rates.describe()}." for row in rows for side, rates in row.rates.items()]
        found += [f"- {row.arm}: {row.truncated:,} training examples were cut." for row in rows if row.truncated]
        remarks = "\n".join(found)
        first = next(iter(rows[0].scores.values()))[0]
        signatures = "  \n".join(f"{name} `{scores[0].signature}`" for name, scores in rows[0].scores.items())
        seeds = ", ".join(str(seed) for seed in summary.seeds)
        notes = (
            f"Test set of {first.n:,} {'documents' if first.metric.startswith('ROUGE') else 'sentences'}; seeds {seeds}"
            + ("; ± is the standard deviation over seeds" if len(summary.seeds) > 1 else "")
            + f". Updates are per stage, the totals equal. Minutes are the training time of one seed.{_tested(rows)}"
            + f"\n\n{signatures}"
        )
        blocks += [block for block in (f"## {pair}", table, remarks, notes, _curves(rows)) if block]
    return "\n\n".join(blocks) + "\n"


def _tested(rows: Sequence[Row]) -> str:
    found = next((row.against_baseline for row in rows if row.against_baseline), None)
    return "" if found is None else f" Δ and p: {found.metric}, {tested_by(found)}."


def _curves(rows: Sequence[Row]) -> str:
    """The validation losses of all arms side by side, so that a reader sees whether they have flattened."""
    curves = [dict(row.valid_nll) for row in rows]
    updates = sorted({update for curve in curves for update in curve})
    heads = ("update", *(row.arm for row in rows))
    lines = [
        (f"{update:,}", *(f"{curve[update]:.3f}" if update in curve else "" for curve in curves)) for update in updates
    ]
    explanation = (
        "Loss on the validation set in the last stage: nats per target token, mean over seeds, by updates from the "
        "start of the first stage."
    )
    return f"{explanation}\n\n{markdown_table(heads, lines)}"


def markdown_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["-"] * len(heads), *lines))


def score_record(score: Score) -> dict[str, Any]:
    """A score for JSON: the value never without its metric, signature and n."""
    return {"metric": score.metric, "value": score.value, "signature": score.signature, "n": score.n}


def assessment_record(found: Assessment) -> dict[str, Any]:
    """All that was found about one set of outputs, for JSON: a key a metric (`bleu`, `chrf`, `in_language`, …)."""
    return {
        **{metric_key(score.metric): score_record(score) for score in found.scores},
        **({"words": [_bucket_record(bucket) for bucket in found.words]} if found.words else {}),
        "outputs": found.outputs.record(),
        "left_out": dict(found.left_out),
    }


def metric_key(metric: str) -> str:
    """The key of a metric's scores in JSON: bleu, chrf, rouge_1, …"""
    return metric.lower().replace("-", "_").rstrip("+")


def _bucket_record(bucket: Bucket) -> dict[str, Any]:
    return {
        "from": bucket.low,
        "to": bucket.high,
        **score_record(bucket.score),
        "precision": bucket.precision,
        "recall": bucket.recall,
        "output_words": bucket.output_words,
        "reference_words": bucket.reference_words,
    }


def assessment_text(found: Assessment) -> str:
    """All that was found about one set of outputs, for people."""
    lines = [f"{score.metric:<12}{_value(score):>7}   {score.signature}" for score in found.scores]
    if found.words:
        heads = ("times in the training text", "F", "precision", "recall", "words of outputs", "of references")
        rows = [
            (
                bucket.label(),
                f"{bucket.score.value:.2f}",
                f"{bucket.precision:.1%}",
                f"{bucket.recall:.1%}",
                f"{bucket.output_words:,}",
                f"{bucket.reference_words:,}",
            )
            for bucket in found.words
        ]
        lines += [markdown_table(heads, rows)]
    return "\n".join([*lines, found.outputs.describe(), f"{found.outputs.n:,} sentences"])


def _value(score: Score) -> str:
    return f"{score.value:.1%}" if score.metric == "in-language" else f"{score.value:.{_digits(score.metric)}f}"


def _digits(metric: str) -> int:
    """COMET's scale is about 0 to 1, the others' 0 to 100."""
    return 4 if metric == "COMET" else 2


def difference_text(found: Comparison) -> str:
    """A comparison of two systems, for people."""
    low, high = found.interval
    digits = _digits(found.metric)
    _, of_words, frequency = found.signature.rpartition("|freq:")
    name = f"{found.metric} (training frequency {frequency})" if of_words else found.metric
    if found.p_value >= SIGNIFICANT:
        answer = "no significant difference"
    else:
        answer = "B is better" if found.difference > 0 else "B is worse"
    return (
        f"{name}: A {found.value_a:.{digits}f}, B {found.value_b:.{digits}f}, difference "
        f"{signed(found.difference, digits)} (95 % interval {signed(low, digits)} to {signed(high, digits)}), "
        f"p = {found.p_value:.4f}: {answer}\n"
        f"{found.n:,} sentences   {found.signature}"
    )


def metrics_record(summary: Summary) -> dict[str, Any]:
    """Every figure of the comparison with its signature and n, for `metrics.json`."""

    return {
        "schema": SCHEMA,
        "baseline": summary.baseline,
        "seeds": list(summary.seeds),
        "rows": [
            {
                "pair": row.pair,
                "arm": row.arm,
                "updates": row.stage_updates,
                "valid_nll": [{"update": update, "nll": nll} for update, nll in row.valid_nll],
                **{metric_key(name): [score_record(score) for score in scores] for name, scores in row.scores.items()},
                "in_language": [score_record(value) for value in row.in_language],
                "switching": {side: rates.record() for side, rates in row.rates.items()},
                "truncated": row.truncated,
                "minutes": row.minutes,
                "against_baseline": row.against_baseline and asdict(row.against_baseline),
                "by_other_metrics": [asdict(comparison) for comparison in row.by_other_metrics],
            }
            for row in summary.rows
        ],
    }
