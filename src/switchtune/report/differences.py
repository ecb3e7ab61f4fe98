"""The picture of the answer: each arm's difference from the baseline, with its interval, its seeds and the decision."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean

from switchtune.report.about import all_arm_words, test_names
from switchtune.report.headline import MetricsRow, compared, scores_of, shown_arm
from switchtune.report.terms import METRICS
from switchtune.results.comparison import comparison_of
from switchtune.results.drawing import Drawing
from switchtune.results.forest import Effect, Forest, draw_forest, forests, seed_differences
from switchtune.results.text import better_and_worse, scores_text
from switchtune.runs.run_files import RunFiles
from switchtune.scoring.significance import Comparison


@dataclass(frozen=True)
class Differences:
    """All differences by one metric, as the page shows them."""

    forest: Forest
    name: str  # of its file; no other figure of the page has it
    baseline: str
    words: Mapping[str, str]  # what is done in an arm
    baseline_score: str  # empty where it has several

    @property
    def title(self) -> str:
        """What one chooses it by."""
        return self.forest.metric

    @property
    def tests(self) -> list[str]:
        return list(dict.fromkeys(effect.test for effect in self.forest.effects))

    @property
    def caption(self) -> str:
        of = f" for {self.tests[0]}" if len(self.tests) == 1 else ""
        return f"Difference from {self.baseline}{of}, in {self.forest.unit}"

    @property
    def examples(self) -> str:
        """How many test examples there are."""
        sizes = [effect.comparison.n for effect in self.forest.effects]
        return f"{min(sizes):,}" + (f" to {max(sizes):,}" if max(sizes) > min(sizes) else "")

    @property
    def meaning(self) -> str:
        """What the metric is."""
        return METRICS.get(self.forest.metric, "")

    @property
    def comparisons(self) -> int:
        """How many were decided together."""
        return max(effect.comparison.comparisons for effect in self.forest.effects)

    @property
    def several_seeds(self) -> bool:
        return any(len(effect.of_seeds) > 1 for effect in self.forest.effects)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Where the axis has numbers, in percent of its length."""
        return [(self.place(place), text) for place, text in self.forest.ticks]

    def place(self, value: float) -> float:
        """Where a value lies on the axis, in percent of its length."""
        low, high = self.forest.limits
        return round(100 * (value - low) / (high - low), 2)

    def summary(self, effects: Sequence[Effect]) -> str:
        """In how many tests an arm is better and worse."""
        return better_and_worse([effect.comparison for effect in effects])

    def mean(self, effects: Sequence[Effect]) -> float:
        """The mean of differences, on which nothing is decided."""
        return mean(effect.comparison.difference for effect in effects)

    def counts(self, effects: Sequence[Effect]) -> str:
        """How often an arm is better, worse and neither."""
        counted = Counter("nothing to compare" if each.decision == "not" else each.decision for each in effects)
        return ", ".join(f"{count} {decision}" for decision, count in counted.most_common())

    @property
    def drawing(self) -> Drawing:
        """The same as a file."""
        draw = partial(draw_forest, self.forest, title=self.caption, baseline=self.baseline)
        return Drawing(self.name, self.caption, draw)


def differences(runs: Sequence[RunFiles], prefix: str = "") -> list[Differences]:
    """A forest plot for each metric of the comparisons of runs; none where none is finished.

    Each difference is from the baseline of its own run, and decided there.
    """
    effects = [effect for run in runs for effect in _effects(run)]
    if len(runs) > 1:
        # Those of one test under each other, run by run.
        tests = list(dict.fromkeys(effect.test for effect in effects))
        named = [(effect, run.name) for run in runs for effect in _effects(run)]
        named.sort(key=lambda each: tests.index(each[0].test))
        effects = [replace(effect, test=f"{effect.test}, {name}") for effect, name in named]
    baselines = dict.fromkeys(str(run.baseline) for run in runs if run.rows)
    baseline = next(iter(baselines)) if len(baselines) == 1 else "the baseline of each run"
    words = {baseline: ""}
    for run in runs:
        of_arms = all_arm_words(run)
        words |= {shown_arm(row): of_arms.get(row["arm"], "") for row in run.rows}
    found = []
    for forest in forests(effects):
        scores = [
            records
            for run in runs
            for row in run.rows
            if row["arm"] == run.baseline and (records := scores_of(row).get(forest.metric))
        ]
        score = scores_text(forest.metric, [each["value"] for each in scores[0]]) if len(scores) == 1 else ""
        name = f"{prefix}differences-{forest.metric.rstrip('+')}"
        found.append(Differences(forest, name, baseline, words, score))
    return found


def _effects(run: RunFiles) -> Iterator[Effect]:
    names = test_names(run)
    baselines = {row["pair"]: scores_of(row) for row in run.rows if row["arm"] == run.baseline}
    for row in run.rows:
        of_baseline, of_arm = baselines.get(row["pair"], {}), scores_of(row)
        test = names.get(row["pair"], row["pair"])
        for comparison in _comparisons(row):
            values = ([each["value"] for each in scores.get(comparison.metric, ())] for scores in (of_baseline, of_arm))
            yield Effect(shown_arm(row), test, comparison, seed_differences(*values))


def _comparisons(row: MetricsRow) -> Iterator[Comparison]:
    first = compared(row)
    if first is not None:
        yield first
        yield from map(comparison_of, row.get("by_other_metrics", ()))
