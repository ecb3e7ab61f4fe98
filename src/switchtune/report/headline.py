"""Did code-switching help here, by how much, how sure is that? In words, from a run's comparison."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import Any, Literal, TypeAlias

from switchtune.results.comparison import signed
from switchtune.results.records import SCORES
from switchtune.runs.run_files import RunFiles
from switchtune.scoring.significance import SIGNIFICANT, holm

Answer: TypeAlias = Literal["better", "worse", "unsure"]
Colour: TypeAlias = Literal["green", "amber", "red"]
Row: TypeAlias = Mapping[str, Any]
"""Of the comparison in `metrics.json`."""

_SHARES = {"in-language", "accuracy"}
"""Metrics from 0 to 1, shown in percent; the others go from 0 to 100."""


@dataclass(frozen=True)
class Finding:
    """One arm against the baseline on one pair."""

    pair: str
    answer: Answer
    sentences: tuple[str, ...]
    """The answer with its size, then what limits it."""


@dataclass(frozen=True)
class Headline:
    """The answer of a whole run."""

    colour: Colour
    answer: str
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...] = ()
    """What speaks against taking the answer as it stands."""


def score_text(metric: str, value: float) -> str:
    """A score for people."""
    return f"{value:.1%}" if metric.casefold() in _SHARES else f"{value:.1f}"


def scores_text(records: Sequence[Mapping[str, Any]]) -> str:
    """Mean of the seeds' scores and, of several, the standard deviation."""
    metric, values = records[0]["metric"], [record["value"] for record in records]
    return score_text(metric, mean(values)) + (f" ± {score_text(metric, stdev(values))}" if len(values) > 1 else "")


def difference_text(metric: str, difference: float) -> str:
    """A difference of scores for people, with its sign; shares differ by percentage points."""
    return f"{_signed(metric, difference)}{_unit(metric)}"


def _signed(metric: str, difference: float) -> str:
    return signed(100 * difference if metric.casefold() in _SHARES else difference)


def _unit(metric: str) -> str:
    return " points" if metric.casefold() in _SHARES else ""


def interval_text(comparison: Row) -> str:
    """The interval of a difference; empty where none was computed."""
    metric, interval = comparison["metric"], comparison.get("interval")
    return "" if interval is None else " to ".join(_signed(metric, end) for end in interval) + _unit(metric)


def scores_of(row: Row) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The scores in a row, whatever the task's metrics are: by name, one a seed."""
    return {records[0]["metric"]: records for key in (*SCORES, "accuracy") if (records := row.get(key))}


def answer_of(comparison: Row, p_value: float | None = None) -> Answer:
    """Sure only where the p-value says so and the interval, if there is one, leaves out 0.

    Args:
        p_value: adjusted for other comparisons; by default the comparison's own.
    """
    interval = comparison.get("interval")
    spans = interval is not None and interval[0] <= 0 <= interval[1]
    if (comparison["p_value"] if p_value is None else p_value) >= SIGNIFICANT or spans or comparison["difference"] == 0:
        return "unsure"
    return "better" if comparison["difference"] > 0 else "worse"


def headline(run: RunFiles) -> Headline | None:
    """The answer of a run about its arm of code-switching; None where it has no finished comparison of one."""
    rows = {(row["pair"], row["arm"]): row for row in run.rows}
    compared = [
        row for (_, name), row in rows.items() if name == (run.code_switching or name) and row.get("against_baseline")
    ]
    adjusted = holm([row["against_baseline"]["p_value"] for row in compared])
    findings = [
        finding(row, rows.get((row["pair"], str(run.baseline)), {}), str(run.baseline), p_value)
        for row, p_value in zip(compared, adjusted, strict=True)
    ]
    return replace(_summed_up(findings), doubts=tuple(_doubts(run, findings))) if findings else None


_ONE_SEED = (
    "One seed only: what another seed of the training would change is not known (several `seeds` in the configuration "
    "show it)."
)


def _doubts(run: RunFiles, findings: Sequence[Finding]) -> Iterator[str]:
    if len(findings) > 1:
        yield (
            f"{len(findings)} comparisons were made, and of many some come out below {SIGNIFICANT:g} where there is "
            "nothing to be found: the answers go by p-values adjusted for that (Holm)."
        )
    yield from (run.metrics or {}).get("remarks", ())
    if any(len(scores) == 1 for row in run.rows for scores in scores_of(row).values()):
        yield _ONE_SEED
    for row in run.rows:
        found = row.get("against_baseline")
        if row.get("arm") in run.controls and found and answer_of(found) == "better":
            yield (
                f"{row['pair']}: {row['arm']}, which switches no words by their meaning, gains too: "
                f"{difference_text(found['metric'], found['difference'])} {found['metric']}, "
                f"p = {found['p_value']:.3f}."
            )


def finding(row: Row, baseline_row: Row, baseline: str, p_value: float | None = None) -> Finding:
    """What the comparison of an arm with the baseline says, and how sure that is.

    Args:
        p_value: adjusted for the other comparisons of the run.
    """
    comparison = row["against_baseline"]
    answer = answer_of(comparison, p_value)
    sentences = [_answer_sentence(row, baseline, answer, p_value)]
    if answer == "unsure" and comparison.get("interval"):
        sentences.append(
            f"Any true difference from {interval_text(comparison)} fits these test examples; more of them would "
            "narrow that down."
        )
    metric = comparison["metric"]
    own, others = ([record["value"] for record in scores_of(each).get(metric, ())] for each in (row, baseline_row))
    if len(own) > 1 and len(others) > 1:
        sentences.append(_seeds_sentence((row["arm"], own), (baseline, others), metric))
    return Finding(row["pair"], answer, tuple(sentences))


def _answer_sentence(row: Row, baseline: str, answer: Answer, p_value: float | None) -> str:
    found, arm = row["against_baseline"], row["arm"]
    metric = found["metric"]
    difference = difference_text(metric, found["difference"])
    what = {
        "better": f"{arm} is better than {baseline} by {difference.lstrip('+')} {metric}",
        "worse": f"{arm} is worse than {baseline} by {difference.lstrip('-')} {metric}",
        "unsure": f"no difference between {arm} and {baseline} is shown ({difference} {metric})",
    }[answer]
    interval = interval_text(found)
    details = [
        f"{score_text(metric, found['value_b'])} against {score_text(metric, found['value_a'])}",
        *([f"95 % interval of the difference {interval}"] if interval else []),
        f"p = {found['p_value']:.3f}"
        + (f" ({p_value:.3f} adjusted)" if p_value is not None and p_value > found["p_value"] else ""),
        f"{found['n']:,} test examples",
    ]
    return f"{row['pair']}: {what}: {'; '.join(details)}."


def _seeds_sentence(arm: tuple[str, list[float]], baseline: tuple[str, list[float]], metric: str) -> str:
    """What the seeds say about the difference, which the interval over test sentences does not."""
    (name, own), (other_name, others) = arm, baseline
    ranges = "; ".join(
        f"{each} {score_text(metric, min(values))} to {score_text(metric, max(values))} over {len(values)} seeds"
        for each, values in (baseline, arm)
    )
    if min(own) > max(others):
        return f"{ranges}: every seed of {name} is above every seed of {other_name}."
    if max(own) < min(others):
        return f"{ranges}: every seed of {name} is below every seed of {other_name}."
    return f"{ranges}: the ranges overlap, so the seeds may account for some of the difference."


_ONE: Mapping[Answer, tuple[Colour, str]] = {
    "better": ("green", "Yes, code-switching helped here."),
    "worse": ("red", "No, code-switching did harm here."),
    "unsure": ("amber", "No gain from code-switching is shown here."),
}


def _summed_up(findings: Sequence[Finding]) -> Headline:
    colour: Colour
    counts = {answer: sum(each.answer == answer for each in findings) for answer in ("better", "worse", "unsure")}
    if len(findings) == 1:
        colour, answer = _ONE[findings[0].answer]
    else:
        split = (
            f"of {len(findings)} comparisons better in {counts['better']}, worse in {counts['worse']}, not decided in "
            f"{counts['unsure']}."
        )
        if counts["better"] and not counts["worse"]:
            colour = "green" if not counts["unsure"] else "amber"
            answer = f"Code-switching helped {'everywhere' if not counts['unsure'] else 'in part'}: {split}"
        elif counts["worse"] and not counts["better"]:
            colour, answer = "red", f"Code-switching did not help: {split}"
        elif counts["better"]:
            colour, answer = "amber", f"Code-switching helped in part and did harm in part: {split}"
        else:
            colour, answer = "amber", f"No gain from code-switching is shown here: {split}"
    return Headline(colour, answer, tuple(findings))
