"""The scores of a run, or of several with the same test sets, as tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from switchtune.report.headline import MetricsRow, compared, scores_of, shown_arm
from switchtune.report.panel import Panel
from switchtune.results.comparison import BackTranslationCost, comparison_of
from switchtune.results.text import language_text, outputs_text, score_text, scores_text
from switchtune.runs.run_files import RunFiles
from switchtune.scoring.significance import Comparison


@dataclass(frozen=True)
class ScoredRow:
    """A row of a run's comparison, as a table of scores shows it."""

    run: RunFiles
    row: MetricsRow
    scores: Mapping[str, Sequence[Mapping[str, Any]]]
    comparison: Comparison | None
    others: Sequence[Comparison]
    """The comparisons by the other metrics."""

    @classmethod
    def of(cls, run: RunFiles, row: MetricsRow) -> "ScoredRow":
        others = [comparison_of(record) for record in row.get("by_other_metrics", ())]
        return cls(run, row, scores_of(row), compared(row), others)

    def signatures(self) -> Iterator[tuple[str, int, str]]:
        """What the figures are, with the number of test examples."""
        for metric, records in self.scores.items():
            yield metric, records[0]["n"], records[0]["signature"]
        if self.comparison:
            yield "difference", self.comparison.n, self.comparison.signature

    @property
    def arm(self) -> str:
        """The arm for people."""
        return shown_arm(self.row)

    @property
    def reason(self) -> str:
        """Why the recipe was chosen for it; empty where it is named."""
        return str(self.row.get("choice", {}).get("reason", ""))

    @property
    def outputs(self) -> str:
        """What is to be known of outputs that were given; empty where the arm was trained."""
        return outputs_text(self.row["outputs"]) if "outputs" in self.row else ""

    @property
    def back_translation(self) -> BackTranslationCost | None:
        """What its back-translations took; None where it has none."""
        record = self.row.get("back_translation")
        return None if record is None else BackTranslationCost(**record)

    def score(self, metric: str) -> str:
        """A score, and its interval where the row has one of its own, as accuracies have."""
        if metric not in self.scores:
            return "–"
        if metric in ("in-language", "in-script"):
            return language_text(self.scores[metric])
        interval = self.row.get("score_interval")
        limits = f" ({' to '.join(score_text(metric, end) for end in interval)})" if interval else ""
        return scores_text(metric, [record["value"] for record in self.scores[metric]]) + limits


def scores_panels(runs: Sequence[RunFiles]) -> list[Panel]:
    """A table per pair, of classifiers one for all languages: the arms of all runs, with scores and differences."""
    rows = [ScoredRow.of(run, row) for run in runs for row in run.rows]
    pairs = list(dict.fromkeys(each.row["pair"] for each in rows))
    if len(pairs) > 1 and all("score_interval" in each.row for each in rows):
        tables = {", ".join(pairs): sorted(rows, key=lambda each: pairs.index(each.row["pair"]))}
    else:
        tables = {pair: [each for each in rows if each.row["pair"] == pair] for pair in pairs}
    return [
        Panel(
            name,
            "scores",
            {
                "rows": shown,
                "metrics": list(dict.fromkeys(metric for each in shown for metric in each.scores)),
                "runs": runs,
                "caption": f"{name}: scores on the test set" + f", {len(runs)} runs" * (len(runs) > 1),
                "languages": len({each.row["pair"] for each in shown}) > 1,
                "signatures": dict.fromkeys(signature for each in shown for signature in each.signatures()),
            },
        )
        for name, shown in tables.items()
    ]
