"""What was measured in the course of trainings, and layer by layer, as lines that a reader can hide and read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import mean
from typing import Any

from switchtune.report.headline import scores_of
from switchtune.report.panel import Asked, Panel, missing, plain_name
from switchtune.results.drawing import Drawing, Series, is_logarithmic, limits, thinned
from switchtune.results.figures import (
    DISTANCES,
    KEPT,
    PLOT,
    TEST_SET,
    Moments,
    distance_series,
    draw_chart,
    kept_series,
)
from switchtune.runs.run_files import RunFiles

_MOST_POINTS = 12_000
"""Of all lines of a chart together."""
_MOST_POINTS_OF_ALL = 60_000
"""Of the losses of all pairs together, lest the page grow with them."""


@dataclass(frozen=True)
class Chart:
    """Lines over whole numbers that a reader of the page can hide, and read by pointer and keys."""

    name: str
    title: str
    axis: str  # what goes from left to right: "update"
    unit: str  # what goes upwards, with its unit
    series: Sequence[Series]
    moments: Moments = ()

    @property
    def groups(self) -> list[str]:
        """What can be hidden."""
        return list(dict.fromkeys(each.group for each in self.series))

    @property
    def logarithmic(self) -> bool:
        return is_logarithmic(self.series)

    def svg(self) -> str:
        """The lines, in words for those who cannot see them."""
        lines = "; ".join(
            f"{each.name}: from {each.points[0][1]:.3g} to {each.points[-1][1]:.3g} at {self.axis} "
            f"{each.points[-1][0]:g}"
            for each in self.series
        )
        draw = partial(draw_chart, self.series, axis=self.axis, unit=self.unit, moments=self.moments)
        return Drawing(self.name, self.title, draw, f"{self.title}. {self.unit} over {self.axis}. {lines}").svg()

    def data(self) -> dict[str, Any]:
        """What the page's script reads values from."""
        low, high = limits(self.series)
        series = [
            {
                "name": each.name,
                "group": self.groups.index(each.group),
                "x": [x for x, _ in each.points],
                "y": [float(f"{y:.4g}") for _, y in each.points],
            }
            for each in self.series
        ]
        return {"axis": self.axis, "low": low, "high": high, **PLOT, "series": series}

    @property
    def drawing(self) -> Drawing:
        """The chart as a file, with its title and key."""
        draw = partial(draw_chart, self.series, axis=self.axis, unit=self.unit, title=self.title, moments=self.moments)
        return Drawing(self.name, self.title, draw)


def _chart(chart: Chart) -> Panel:
    return Panel(chart.title, "chart", {"chart": chart}, (chart.drawing,))


_MEASURED = {
    "valid_accuracy": ("validation accuracy", "share of the validation set, from 0 to 1"),
    "valid_nll": ("validation loss", "nats per target token of the validation set"),
    "nll": ("training loss", "nats per target token, without label smoothing"),
    "valid_chrf": ("validation chrF++", "chrF++ on the validation set"),
}


def curves_panels(asked: Asked) -> Iterator[Panel]:
    run = asked.run
    pairs = list(dict.fromkeys(each.pair for each in run.trainings))
    dynamics = run.analyses.get("dynamics", {}).get("pairs", ())
    charts = [
        Chart(asked.name(key, pair), f"{pair}: {title}", "update", measured, series, _moments(run, pair))
        for pair in pairs
        for key, (title, measured) in _MEASURED.items()
        if (series := _series(run, pair, key))
    ]
    charts += [
        Chart(asked.name(key, pair["pair"]), f"{pair['pair']}: {title}", "update", title, series)
        for pair in dynamics
        for key, title in KEPT.items()
        if (series := _baseline_first(run, kept_series(pair["arms"], key)))
    ]
    if not charts:
        yield missing("no training has begun.")
    yield from map(_chart, charts)
    if any(pair["arms"] for pair in dynamics):
        yield Panel("Updates to the baseline's loss", "reached", {"pairs": dynamics})


def _moments(run: RunFiles, pair: str) -> tuple[tuple[float, str], ...]:
    """Where the stages of each arm's first seed end; arms whose stages end together are told together."""
    ends: dict[tuple[float, str], list[str]] = {}
    told: set[str] = set()
    for training in (each for each in run.trainings if each.pair == pair and each.curve):
        for before, after in pairwise(training.curve):
            if training.arm not in told and before["stage"] != after["stage"]:
                ends.setdefault((before["update"], before["stage"]), []).append(training.arm)
        told.add(training.arm)
    return tuple((update, f"{', '.join(arms)}: end of {stage}") for (update, stage), arms in ends.items())


def _series(run: RunFiles, pair: str, key: str) -> list[Series]:
    """A line for each training and stage; those of stages before the last are faint."""
    series = []
    several_seeds = len({training.seed for training in run.trainings if training.seed is not None}) > 1
    for training in (each for each in run.trainings if each.pair == pair):
        points: dict[str, list[tuple[float, float]]] = {entry["stage"]: [] for entry in training.curve}
        for entry in training.curve:
            points[entry["stage"]] += [(entry["update"], entry[key])] if key in entry else []
        for stage, line in points.items():
            if line:
                last = stage == list(points)[-1] and stage != "restore"
                name = training.arm + f" seed {training.seed}" * several_seeds + ("" if last else f" ({stage})")
                series.append(Series(name, training.arm, tuple(line), faint=not last))
    charts = 2 * len({training.pair for training in run.trainings})
    most = min(200, max(2, min(_MOST_POINTS, _MOST_POINTS_OF_ALL // charts) // max(1, len(series))))
    return _baseline_first(
        run, [Series(each.name, each.group, thinned(each.points, most), each.faint) for each in series]
    )


def _baseline_first(run: RunFiles, series: Iterable[Series]) -> list[Series]:
    """The baseline's lines first, as its colour is the first everywhere."""
    arms = {arm: place for place, arm in enumerate(run.arms)}
    return sorted(series, key=lambda each: arms.get(each.group, len(arms)))


def size_panels(runs: Sequence[RunFiles], prefix: str) -> Iterator[Panel]:
    """The scores of runs over the sizes of their training corpora, a line an arm, of the mean of its seeds."""
    for pair in dict.fromkeys(row["pair"] for run in runs for row in run.rows):
        points: dict[str, list[tuple[float, float]]] = {}
        metric = ""
        for run in runs:
            size = run.train_size(pair)
            for row in (row for row in run.rows if row["pair"] == pair and size):
                metric, records = next(iter(scores_of(row).items()))
                points.setdefault(row["arm"], []).append((float(size or 0), mean(each["value"] for each in records)))
        if len({x for line in points.values() for x, _ in line}) > 1:
            lines = [Series(arm, arm, tuple(sorted(line))) for arm, line in points.items()]
            title = f"{pair}: {metric} by the size of the training corpus"
            name = f"{prefix}sizes-{plain_name(pair)}"
            yield _chart(Chart(name, title, "sentence pairs of the training corpus", metric, lines))


def distance_panels(asked: Asked) -> Iterator[Panel]:
    for pair in asked.run.analyses.get("distance", {}).get("pairs", ()):
        tests = "" if pair["tests"] == TEST_SET else f" on {pair['tests']}"
        for measure, meaning in DISTANCES.items():
            if pair["systems"]:
                name = asked.name(measure, pair["pair"], pair["tests"])
                series = distance_series(pair["systems"], measure)
                yield _chart(Chart(name, f"{pair['pair']}{tests}, {measure}", "layer", meaning, series))
