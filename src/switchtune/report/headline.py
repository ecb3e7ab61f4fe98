"""Did code-switching, or whatever else was tried, help, by how much, and how sure is that? From a run's comparison."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from switchtune.report.about import SWITCHING, tried
from switchtune.results.comparison import comparison_of
from switchtune.results.records import SCORES
from switchtune.results.text import (
    arm_text,
    difference_text,
    interval_text,
    nothing_to_compare,
    p_text,
    score_text,
    verdict,
)
from switchtune.runs.run_files import RunFiles
from switchtune.scoring.significance import SIGNIFICANT, Answer, Comparison

Colour: TypeAlias = Literal["green", "amber", "red"]
MetricsRow: TypeAlias = Mapping[str, Any]
"""Of the comparison in `metrics.json`."""


@dataclass(frozen=True)
class Finding:
    """One arm against the baseline on one pair."""

    answer: Answer
    sentences: tuple[str, ...]  # the decision with its size, then what limits it
    reason: str = ""  # why there is nothing to compare
    pair: str = ""
    gain: str = ""  # of which arm, how much and whether it is decided: "csr+ +8.6 BLEU (significant)"
    loss: str = ""  # where the arm scores lower: "csr scores lower than standard by 1.2 BLEU (p = 0.010)"


@dataclass(frozen=True)
class Headline:
    """The answer of a whole run."""

    colour: Colour
    answer: str
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...] = ()  # what speaks against taking the answer as it stands


def scores_of(row: MetricsRow) -> dict[str, Sequence[Mapping[str, Any]]]:
    """The scores in a row, whatever the task's metrics are: by name, one a seed."""
    return {records[0]["metric"]: records for key in SCORES if (records := row.get(key))}


def shown_arm(row: MetricsRow) -> str:
    """The arm of a row for people, with the recipe that was chosen for it."""
    return arm_text(row["arm"], row.get("choice", {}).get("recipe"))


def compared(row: MetricsRow) -> Comparison | None:
    """The comparison of a row with the baseline; None for the baseline itself."""
    record = row.get("against_baseline")
    return None if record is None else comparison_of(record)


def headline(run: RunFiles) -> Headline | None:
    """The answer of a run about its code-switching arms, or about all that it trains where none switches words.

    None where no such comparison is finished, or the baseline's outputs are given: a difference from a system that is
    not trained here says nothing about what was tried.
    """
    if run.baseline in run.given:
        return None
    what = tried(run) or [SWITCHING]
    aside = run.given | (run.controls if what == [SWITCHING] else set())
    rows = {(row["pair"], row["arm"]): row for row in run.rows}
    findings = tuple(
        finding(row, comparison, rows.get((pair, str(run.baseline)), {}), str(run.baseline))
        for (pair, arm), row in rows.items()
        if arm not in aside and (comparison := compared(row))
    )
    if not findings:
        return None
    about = what[0] if len(what) == 1 else _SEVERAL
    return Headline(*_answer(findings, about), findings, tuple(_doubts(run, aside)))


def finding(row: MetricsRow, comparison: Comparison, baseline_row: MetricsRow, baseline: str) -> Finding:
    """What the comparison of an arm with the baseline says, and how sure that is."""
    metric, arm = comparison.metric, shown_arm(row)
    sentences = [f"{row['pair']}: {verdict(arm, baseline, comparison)}"]
    reason = ""
    if comparison.answer == "not comparable":
        reason = nothing_to_compare(comparison, baseline, arm).split(" (")[0]
    if comparison.answer == "undecided":
        sentences.append(
            f"Any true difference from {interval_text(comparison)} fits these test examples; more of them would "
            "narrow that down."
        )
    seeds, baseline_seeds = (
        [score["value"] for score in scores_of(each).get(metric, ())] for each in (row, baseline_row)
    )
    if len(seeds) > 1 and len(baseline_seeds) > 1:
        sentences.append(_seeds_sentence(metric, (arm, seeds), (baseline, baseline_seeds)))
    gain = f"{arm} {difference_text(comparison)} ({_DECISIONS[comparison.answer.split()[0]]})"
    lost = difference_text(comparison).lstrip("-")
    loss = f"{arm} scores lower than {baseline} by {lost} (p {p_text(comparison, '= ')})"
    worse = comparison.answer.startswith("worse")
    return Finding(comparison.answer, tuple(sentences), reason, row["pair"], gain, loss * worse)


def _seeds_sentence(metric: str, arm: tuple[str, list[float]], baseline: tuple[str, list[float]]) -> str:
    """What the seeds say about the difference, which the interval over test sentences does not."""
    ranges = "; ".join(
        f"{name} {score_text(metric, min(seeds))} to {score_text(metric, max(seeds))} over {len(seeds)} seeds"
        for name, seeds in (baseline, arm)
    )
    for (name, values), (other, others), where in ((arm, baseline, "above"), (baseline, arm, "below")):
        if min(values) > max(others):
            names = (name, other) if where == "above" else (other, name)
            return f"{ranges}: every seed of {names[0]} is {where} every seed of {names[1]}."
    return f"{ranges}: the ranges overlap, so the seeds may account for some of the difference."


def _doubts(run: RunFiles, aside: Container[str]) -> Iterator[str]:
    comparisons = [(row, comparison) for row in run.rows if (comparison := compared(row))]
    several = max(comparison.comparisons for _, comparison in comparisons)
    if several > 1:
        yield (
            f"{several} comparisons were made, and of many some come out below {SIGNIFICANT:g} where there is nothing "
            "to be found: the answers go by p-values adjusted for that (Holm)."
        )
    yield from (run.metrics or {}).get("remarks", ())
    for row, comparison in comparisons:
        if row["arm"] in run.controls and row["arm"] in aside and comparison.answer.startswith("better"):
            yield (
                f"{row['pair']}: {row['arm']}, which switches no words by their meaning, gains too: "
                f"{difference_text(comparison)}, p {p_text(comparison, '= ')}."
            )


_FEW = 4
"""Arms whose gains the answer tells one by one."""
_SEVERAL = "what was tried"

_DECISIONS: Mapping[str, str] = {
    "better": "significant",
    "worse": "significant",
    "undecided": "not significant",
    "not": "nothing to compare",
}
_ONE: Mapping[Answer, tuple[Colour, str]] = {
    "better": ("green", "Yes, {about} helped here."),
    "worse": ("red", "No: {loss}."),
    "better on this training": ("amber", "{name} helped in this one training; other seeds were not tried."),
    "worse on this training": ("amber", "{loss} in this one training; other seeds were not tried."),
    "undecided": ("amber", "No gain from {about} is shown here."),
}


def _answer(findings: Sequence[Finding], about: str) -> tuple[Colour, str]:
    name = about.capitalize() if about in (SWITCHING, _SEVERAL) else about
    reasons = list(dict.fromkeys(each.reason for each in findings if each.reason))
    if all(each.reason for each in findings):
        return "amber", f"There is nothing to compare: {'; '.join(reasons[:_FEW])}{' …' * (len(reasons) > _FEW)}."
    if len(findings) == 1:
        colour, answer = _ONE[findings[0].answer]
        return colour, answer.format(about=about, name=name, loss=findings[0].loss)
    counts = Counter(each.answer.split()[0] for each in findings)
    better, worse, undecided, neither = (counts[key] for key in ("better", "worse", "undecided", "not"))
    told = {"better": better, "worse": worse, "undecided": undecided, "with nothing to compare": neither}
    counted = [f"{'all' if count == len(findings) else count} {what}" for what, count in told.items() if count]
    one = any("training" in each.answer for each in findings)
    one_pair = len({each.pair for each in findings}) == 1
    split = (
        f"{'; '.join(each.gain for each in findings)}{', on one training each' * one}."
        if one_pair and len(findings) <= _FEW
        else f"of {len(findings)} comparisons {', '.join(counted)}{', on one training each' * one}."
    )
    if better and worse:
        return "amber", f"{name} raised some scores and lowered others: {split}"
    if worse:
        return "amber" if one else "red", f"{name} did not help: {split}"
    if not better:
        return "amber", f"No gain from {about} is shown here: {split}"
    if undecided or neither:
        return "amber", f"{name} helped in part: {split}"
    return "amber" if one else "green", f"{name} helped everywhere: {split}"
