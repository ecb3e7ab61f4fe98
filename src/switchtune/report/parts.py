"""The parts of a run's page, each from what the run's folder holds, with the figures that it draws."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import yaml

from switchtune.config.arms import ResolvedArm
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import LexiconError
from switchtune.report.headline import MetricsRow, compared, scores_of, shown_arm
from switchtune.report.lexicon_page import Listed
from switchtune.report.sentences import (
    arms_to_show,
    compared_systems,
    differing,
    read_texts,
    switched_into_languages,
    switched_sides,
)
from switchtune.results.comparison import BackTranslationCost, comparison_of
from switchtune.results.drawing import Drawing, Series, is_logarithmic, limits, thinned
from switchtune.results.figures import (
    DISTANCES,
    KEPT,
    PLOT,
    TEST_SET,
    distance_series,
    draw_chart,
    draw_frequency,
    draw_matrix,
    draw_projection,
    kept_series,
)
from switchtune.results.matrix import legend, matrix_of, matrix_table
from switchtune.results.text import language_text, outputs_text, score_text, scores_text
from switchtune.runs.run_files import RunFiles
from switchtune.scoring.significance import Comparison

_MOST_POINTS = 12_000
"""Of all lines of a chart together."""


def plain_name(text: str) -> str:
    """A text as a name of files and elements."""
    return re.sub(r"[^\w.-]", "-", text, flags=re.ASCII)


@dataclass(frozen=True)
class Panel:
    """What a part shows at a time."""

    title: str
    kind: str  # the macro of `panels.html` that shows it
    content: Mapping[str, Any]
    drawings: tuple[Drawing, ...] = ()


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    name: str
    title: str
    choice: str  # what one chooses by its tabs; empty where all panels stand below each other
    panels: Sequence[Panel]


@dataclass(frozen=True)
class Asked:
    """What a part is made from."""

    run: RunFiles
    prefix: str = ""  # of names that no other part of the page has
    room: int = 0  # bytes of what is only as long as there is room

    def name(self, *parts: object) -> str:
        """A name for a file or an element."""
        return self.prefix + plain_name("-".join(str(part)[:60] for part in parts if part is not None))


def parts_of(asked: Asked) -> list[Part]:
    """All parts of a run that have something to show. One that cannot be shown says so and leaves the others alone."""
    parts = []
    for name, (title, choice, make) in _PARTS.items():
        try:
            panels = list(make(asked))
        except SwitchtuneError as error:
            panels = [_missing(str(error))]
        if panels:
            parts.append(Part(name, title, choice, panels))
    return parts


def _missing(message: str, title: str = "") -> Panel:
    return Panel(title, "missing", {"message": message})


Make = Callable[[Asked], Iterable[Panel]]


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
                "caption": f"{name}: scores on the test set",
                "languages": len({each.row["pair"] for each in shown}) > 1,
                "signatures": dict.fromkeys(signature for each in shown for signature in each.signatures()),
            },
        )
        for name, shown in tables.items()
    ]


@dataclass(frozen=True)
class Chart:
    """Lines over whole numbers that a reader of the page can hide, and read by pointer and keys."""

    name: str
    title: str
    axis: str  # what goes from left to right: "update"
    unit: str  # what goes upwards, with its unit
    series: Sequence[Series]

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
        draw = partial(draw_chart, self.series, axis=self.axis, unit=self.unit)
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
        draw = partial(draw_chart, self.series, axis=self.axis, unit=self.unit, title=self.title)
        return Drawing(self.name, self.title, draw)


def _chart(chart: Chart) -> Panel:
    return Panel(chart.title, "chart", {"chart": chart}, (chart.drawing,))


_MEASURED = {
    "valid_accuracy": ("validation accuracy", "share of the validation set, from 0 to 1"),
    "valid_nll": ("validation loss", "nats per target token of the validation set"),
    "nll": ("training loss", "nats per target token, without label smoothing"),
    "valid_chrf": ("validation chrF++", "chrF++ on the validation set"),
}


def _curves(asked: Asked) -> Iterator[Panel]:
    run = asked.run
    pairs = list(dict.fromkeys(each.pair for each in run.trainings))
    dynamics = run.analyses.get("dynamics", {}).get("pairs", ())
    charts = [
        Chart(asked.name(key, pair), f"{pair}: {title}", "update", measured, series)
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
        yield _missing("no training has begun.")
    yield from map(_chart, charts)
    if any(pair["arms"] for pair in dynamics):
        yield Panel("Updates to the baseline's loss", "reached", {"pairs": dynamics})


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
    most = min(200, max(2, _MOST_POINTS // max(1, len(series))))
    return _baseline_first(
        run, [Series(each.name, each.group, thinned(each.points, most), each.faint) for each in series]
    )


def _baseline_first(run: RunFiles, series: Iterable[Series]) -> list[Series]:
    """The baseline's lines first, as its colour is the first everywhere."""
    arms = {arm: place for place, arm in enumerate(run.arms)}
    return sorted(series, key=lambda each: arms.get(each.group, len(arms)))


def _distance(asked: Asked) -> Iterator[Panel]:
    for pair in asked.run.analyses.get("distance", {}).get("pairs", ()):
        tests = "" if pair["tests"] == TEST_SET else f" on {pair['tests']}"
        for measure, meaning in DISTANCES.items():
            if pair["systems"]:
                name = asked.name(measure, pair["pair"], pair["tests"])
                series = distance_series(pair["systems"], measure)
                yield _chart(Chart(name, f"{pair['pair']}{tests}, {measure}", "layer", meaning, series))


def _zeroshot(asked: Asked) -> Iterator[Panel]:
    for record in (asked.run.zeroshot or {}).get("matrices", ()):
        matrix = matrix_of(record)
        draw = partial(draw_matrix, {"matrices": [record]})
        drawing = Drawing(asked.name("zeroshot", matrix.tests, matrix.arm), matrix.title, draw)
        content = {
            "verdict": record["verdict"],
            "drawing": drawing,
            "table": (matrix.title, *matrix_table(matrix)),
            "legend": legend([matrix]),
        }
        yield Panel(matrix.title, "matrix", content, (drawing,))


def _frequency(asked: Asked) -> Iterator[Panel]:
    for pair in asked.run.analyses.get("frequency", {}).get("pairs", ()):
        if not pair["systems"]:
            continue
        title = f"{pair['pair']}, words by how often the training texts hold them"
        drawing = Drawing(asked.name("frequency", pair["pair"]), title, partial(draw_frequency, {"pairs": [pair]}))
        yield Panel(title, "frequency", {"drawing": drawing, "pair": pair}, (drawing,))


def _domain(asked: Asked) -> Iterator[Panel]:
    for pair in asked.run.analyses.get("projection", {}).get("pairs", ()):
        seeds = list(dict.fromkeys(system["seed"] for system in pair["systems"] if system["seed"] is not None))
        for seed in seeds or [None]:
            systems = [each for each in pair["systems"] if each["points"] and each["seed"] in (None, seed)]
            title = f"{pair['pair']}, {pair['method']}" + f", seed {seed}" * (len(seeds) > 1)
            draw = partial(draw_projection, {"pairs": [{**pair, "systems": systems}]})
            drawing = Drawing(asked.name("domain", pair["pair"], seed), title, draw)
            if systems:
                yield Panel(title, "figure", {"drawing": drawing}, (drawing,))


def _lexicon(asked: Asked) -> Iterator[Panel]:
    folders = [(pair, folder) for pair in _pairs(asked.run) for folder in asked.run.lexicons(pair)]
    for number, (pair, folder) in enumerate(folders):
        room = asked.room // 5 // len(folders)
        content = {"judgement": folder.judgement, "name": asked.name("lexicon", number), "room": room, "listed": ()}
        try:
            content["listed"] = [Listed(lexicon) for lexicon in folder.read()]
        except LexiconError as error:
            content["message"] = str(error)
        yield Panel(f"{pair}, {folder.name}", "lexicon", content)
    # Lexicons out of dictionaries are not judged: there are no pairs to judge them by.
    dictionaries = asked.run.dictionaries()
    for language, path in dictionaries.items():
        content = {"name": asked.name("dictionary", language), "room": asked.room // 5 // len(dictionaries)}
        try:
            yield Panel(language, "dictionary", {**content, "listed": [Listed(read_lexicon(path))]})
        except LexiconError as error:
            yield _missing(str(error), language)


def _switched(asked: Asked) -> Iterator[Panel]:
    run = asked.run
    for side in switched_into_languages(run):
        yield Panel(side.target, "switched", {"sides": [side], "aligned": False})
    arms: Sequence[ResolvedArm | None] = arms_to_show(run) or [None]
    for pair, arm in product(run.config.pairs if run.config else (), arms):
        title = pair.name if len(arms) == 1 or arm is None else f"{pair.name}, {arm.name}"
        try:
            sides = switched_sides(pair, run, arm, read_texts(run, pair.name)[0])
        except (SwitchtuneError, OSError) as error:
            yield _missing(str(error), title)
            continue
        aligned = arm is not None and arm.switching.source == "aligned"
        yield Panel(title, "switched", {"sides": sides, "aligned": aligned})


def _translations(asked: Asked) -> Iterator[Panel]:
    by_pair = {pair: compared_systems(asked.run, pair) for pair in _pairs(asked.run)}
    room = asked.room // 2 // max(1, sum(map(len, by_pair.values())))
    for pair, compared_there in by_pair.items():
        if not compared_there:
            yield _missing("there are not yet outputs of two systems with the same seed.", pair)
            continue
        try:
            test, lacking = read_texts(asked.run, pair)[1], ""
        except (SwitchtuneError, OSError) as error:
            test, lacking = [], str(error)
        source, _, target = pair.partition("-")
        for systems in compared_there:
            arm = systems[1].arm if len(compared_there) > 1 else None
            content = {
                "source": source,
                "target": target,
                "name": asked.name("outputs", pair, arm),
                "lacking": lacking,
                "texts": differing(asked.run, systems, test),
                "total": len(systems[0].hypotheses or ()),
                "arms": [system.arm for system in systems],
                "seed": next((each.seed for each in systems if each.seed is not None), None),
                "room": room,
            }
            yield Panel(pair if arm is None else f"{pair}, {arm}", "translations", content)


def _pairs(run: RunFiles) -> list[str]:
    return [pair.name for pair in run.config.pairs] if run.config else []


def _source(text: str, asked: Asked) -> list[Panel]:
    return [Panel("", "source", {"lines": text.splitlines(keepends=True), "room": asked.room // 20})]


def _configuration(asked: Asked) -> list[Panel]:
    return _source(yaml.safe_dump(dict(asked.run.settings), sort_keys=False, allow_unicode=True), asked)


def _manifest(asked: Asked) -> list[Panel]:
    found = asked.run.manifest
    return _source(json.dumps(found, ensure_ascii=False, indent=2), asked) if found is not None else []


def _cost(asked: Asked) -> list[Panel]:
    rows = asked.run.analyses.get("cost", {}).get("rows", ())
    return [Panel("Cost", "cost", {"rows": rows})] if rows else []


_PARTS: Mapping[str, tuple[str, str, Make]] = {
    "scores": ("Scores", "", lambda asked: scores_panels([asked.run])),
    "curves": ("Curves", "Curve", _curves),
    "zeroshot": ("Zero-shot translation", "Matrix", _zeroshot),
    "frequency": ("Rare and frequent words", "", _frequency),
    "translations": ("Where the outputs differ", "Pair and arm", _translations),
    "switched": ("Switched sentences", "Pair or language, and arm", _switched),
    "lexicon": ("Lexicon", "Lexicon", _lexicon),
    "distance": ("Distance between the languages", "Measure", _distance),
    "domain": ("The domain, drawn", "Pair", _domain),
    "cost": ("Cost", "", _cost),
    "configuration": ("Configuration", "", _configuration),
    "manifest": ("What it was made of", "", _manifest),
}
"""By name: title, what one chooses by the tabs, and what it shows."""
