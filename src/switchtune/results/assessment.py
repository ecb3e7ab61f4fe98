"""What was found about the outputs of one system or two, as JSON and as text."""

from dataclasses import asdict
from typing import Any

from switchtune.results.text import markdown_table, nothing_to_compare, score_text, signed
from switchtune.scoring.assess import Assessment
from switchtune.scoring.metrics import Score
from switchtune.scoring.significance import Comparison
from switchtune.scoring.word_accuracy import range_name


def score_record(score: Score) -> dict[str, Any]:
    """A score for JSON: the value never without its metric, signature and n."""
    record = {"metric": score.metric, "value": score.value, "signature": score.signature, "n": score.n}
    return record | ({"references": score.references} if score.references is not None else {})


def metric_key(metric: str) -> str:
    """The key of a metric's scores in JSON: bleu, chrf, rouge_1, …"""
    return metric.lower().replace("-", "_").rstrip("+")


def assessment_record(assessment: Assessment) -> dict[str, Any]:
    """All that was found about one set of outputs, for JSON: a key a metric (`bleu`, `chrf`, `in_language`, …)."""
    names = ("precision", "recall", "output_words", "reference_words")
    words = [
        {"from": each.low, "to": each.high, **score_record(each.score), **{name: getattr(each, name) for name in names}}
        for each in assessment.words
    ]
    return {
        **{metric_key(score.metric): score_record(score) for score in assessment.scores},
        **({"words": words} if words else {}),
        "outputs": asdict(assessment.outputs),
        "left_out": dict(assessment.left_out),
        "faults": list(assessment.faults),
        "remarks": list(assessment.remarks),
    }


def assessment_text(assessment: Assessment) -> str:
    """All that was found about one set of outputs, for people."""
    lines = [
        f"{score.metric:<12}{score_text(score.metric, score.value, _digits(score.metric)):>7}   {score.signature}"
        + (f"   references: {score_text(score.metric, score.references)}" if score.references is not None else "")
        + ("   (any text in that script: its languages are not told apart)" if score.metric == "in-script" else "")
        for score in assessment.scores
    ]
    if assessment.words:
        heads = ("times in the training text", "F", "precision", "recall", "words of outputs", "of references")
        rows = [
            (
                range_name(bucket.low, bucket.high),
                f"{bucket.score.value:.2f}",
                f"{bucket.precision:.1%}",
                f"{bucket.recall:.1%}",
                f"{bucket.output_words:,}",
                f"{bucket.reference_words:,}",
            )
            for bucket in assessment.words
        ]
        lines += [markdown_table(heads, rows)]
    faults = [f"These are not translations yet: {', '.join(assessment.faults)}."] if assessment.faults else []
    return "\n".join(
        [*assessment.remarks, *faults, *lines, assessment.outputs.describe(), f"{assessment.outputs.n:,} sentences"]
    )


def _digits(metric: str) -> int:
    """COMET's scale is about 0 to 1, the others' 0 to 100."""
    return 4 if metric == "COMET" else 2


def compared_text(comparison: Comparison) -> str:
    """Is system B better than A?"""
    low, high = comparison.interval
    digits = _digits(comparison.metric)
    _, of_words, frequency = comparison.signature.rpartition("|freq:")
    name = f"{comparison.metric} (training frequency {frequency})" if of_words else comparison.metric
    several = comparison.comparisons > 1
    adjusted = f" ({comparison.adjusted_p_value:.4f} adjusted for {comparison.comparisons})" if several else ""
    answer = {"better": "B is better", "worse": "B is worse", "undecided": "no significant difference"}
    decision = answer.get(comparison.answer.split()[0]) or nothing_to_compare(comparison, "A", "B")
    one = " on this one training of each" if comparison.one_training and comparison.answer != "not comparable" else ""
    return (
        f"{name}: A {comparison.value_a:.{digits}f}, B {comparison.value_b:.{digits}f}, difference "
        f"{signed(comparison.difference, digits)} (95 % interval {signed(low, digits)} to {signed(high, digits)}), "
        f"p = {comparison.p_value:.4f}{adjusted}: {decision}{one}. {comparison.advice}\n"
        f"{comparison.n:,} sentences   {comparison.signature}"
    )
