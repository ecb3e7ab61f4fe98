"""docs/results.md and its pictures, from the record of the study: the words are in results.md.jinja."""

import base64
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import dropwhile, takewhile
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from record import RESULTS
from scipy.stats import t

from switchtune.files import write_text
from switchtune.results.drawing import COLOURS, MARKERS, write_figure
from switchtune.results.text import arrow, markdown_table, signed
from switchtune.scoring.metrics import Score
from switchtune.scoring.significance import Comparison, compare_scores, decide

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "pictures"
DRAWN = ("csr+", "csr+ word by word", "csr+ pairs word by word", "bt")
"""Arms that the pictures show."""
Trial: TypeAlias = Mapping[str, Any]


def packed(score: Score) -> dict[str, Any]:
    """A score as JSON, with its statistics of each sentence."""
    counts = base64.b85encode(zlib.compress(score.segments.astype("<i2").tobytes(), 9)).decode()
    return {"metric": score.metric, "value": score.value, "signature": score.signature, "n": score.n, "counts": counts}


def unpacked(record: Mapping[str, Any]) -> Score:
    """The score of what `packed` made of it."""
    counts = np.frombuffer(zlib.decompress(base64.b85decode(record["counts"])), "<i2").reshape(record["n"], -1)
    return Score(record["metric"], record["value"], record["signature"], counts.astype(np.int64), record["n"])


Trials: TypeAlias = dict[str, dict[int, Trial]]
"""Of one direction and number of pairs: trainings by arm and seed."""


def beside(trials: Trials, arm: str, baseline: str) -> list[tuple[Trial, Trial]]:
    """Trainings of an arm and of the baseline, of the seeds that both have on one and the same base."""
    known = trials.get(baseline, {})
    return [
        (trial, known[seed])
        for seed, trial in trials[arm].items()
        if seed in known and known[seed]["base"] == trial["base"]
    ]


class Part:
    """The runs of one part of the study, whose differences to its first arm are decided together."""

    def __init__(self, trials: Mapping[tuple[str, int], Trials]) -> None:
        self.trials = trials
        self.baseline = next(arm for arms in trials.values() for arm in arms)
        pairs = {
            (*key, arm): both
            for key, trials in self.trials.items()
            for arm in trials
            if arm != self.baseline and (both := beside(trials, arm, self.baseline))
        }
        differences = [
            compare_scores([unpacked(base["bleu"]) for _, base in both], [unpacked(own["bleu"]) for own, _ in both])
            for both in pairs.values()
        ]
        self.decided: dict[tuple[str, int, str], Comparison] = dict(zip(pairs, decide(differences), strict=True))
        self.arms = list(dict.fromkeys(arm for *_, arm in self.decided))

    def table(self, value: Callable[[Trial], float], digits: int = 1) -> str:
        """Means over seeds, and the differences to the baseline; * where that of BLEU is real."""
        body, columns = [], {arm: list[tuple[float, float]]() for arm in (self.baseline, *self.arms)}
        for (pair, size), trials in self.trials.items():
            seeds, cells = len(trials.get(self.baseline, ())), []
            for arm, column in columns.items():
                if arm not in trials or not (both := beside(trials, arm, self.baseline)):
                    cells.append("")
                    continue
                column.append((mean(value(own) for own, _ in both), mean(value(base) for _, base in both)))
                real = value is BLEU and self._is_real((pair, size, arm))
                fewer = f" [{len(both)}]" if len(both) < seeds else ""
                cells.append(_cell(*column[-1], digits, arm == self.baseline) + "*" * real + fewer)
            body.append((arrow(pair), f"{size:,}", str(seeds), *cells))
        if len(body) > 1:
            means = [tuple(map(mean, zip(*column, strict=True))) for column in columns.values()]
            cells = [_cell(own, base, digits, not number) for number, (own, base) in enumerate(means)]
            body.append(("mean", "", "", *cells))
        return markdown_table(("direction", "pairs", "seeds", *columns), body)

    def over_directions(self) -> list[str]:
        """For each arm in how many directions it is better, and the mean gain with its interval over directions.

        The interval is Student's, of the directions as a sample of others; seeds and sentences are in their scatter.
        """
        lines = []
        for arm in self.arms:
            decided = {key: each for key, each in self.decided.items() if key[2] == arm}
            gains = [each.difference for each in decided.values()]
            if len(gains) < 2:
                continue
            better = sum(gain > 0 for gain in gains)
            reach = t.ppf(0.975, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5
            real = sum(self._is_real(key) and each.difference > 0 for key, each in decided.items())
            interval = f"{signed(mean(gains) - reach)} to {signed(mean(gains) + reach)}"
            lines.append(
                f"{arm}: better than {self.baseline} in {better} of {len(gains)} directions, significantly in {real}; "
                f"{signed(mean(gains))} BLEU on average ({interval})"
            )
        return lines

    def _is_real(self, key: tuple[str, int, str]) -> bool:
        return key in self.decided and self.decided[key].answer not in ("undecided", "not comparable")


def _cell(own: float, base: float, digits: int, alone: bool) -> str:
    """A value, and unless it stands `alone` its difference to the baseline's."""
    return f"{own:.{digits}f}" + ("" if alone else f" ({signed(own - base, digits)})")


def BLEU(trial: Trial) -> float:  # noqa: N802
    return float(trial["bleu"]["value"])


def chrf(trial: Trial) -> float:
    return float(trial["chrf"])


def loss(trial: Trial) -> float:
    """The validation loss of the weights that are handed on, the last ones, in nats a target token."""
    return float(trial["valid_nll"][-1][1])


def minutes(trial: Trial) -> float:
    """Of training, those of a reverse model and its translations included."""
    extra = trial["back_translation"] or {}
    return float(trial["minutes"] + extra.get("minutes", 0) + extra.get("translating_minutes", 0))


def draw_sizes(part: Part, arms: Sequence[str]) -> "Figure | None":
    """Gain over the baseline by the number of pairs, with 95 % intervals: a panel for each direction."""
    from matplotlib.figure import Figure

    pairs = list(dict.fromkeys(pair for pair, _ in part.trials))
    figure = Figure(figsize=(4.2 * len(pairs), 3.2), layout="constrained")
    for axes, pair in zip(figure.subplots(1, len(pairs), sharey=True, squeeze=False)[0], pairs, strict=True):
        sizes = sorted({size for each, size in part.trials if each == pair})
        axes.axhline(0, color=COLOURS[0], linewidth=1)
        for number, arm in enumerate(arms):
            known = [(size, part.decided[pair, size, arm]) for size in sizes if (pair, size, arm) in part.decided]
            places = [size * 1.04 ** (number - 1) for size, _ in known]
            middle, bars = _with_bars([each for _, each in known])
            axes.errorbar(places, middle, yerr=bars, label=arm, **_look(number))
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_title(arrow(pair))
        axes.set_xlabel("training pairs")
    figure.axes[0].set_ylabel(f"BLEU beyond {part.baseline}")
    figure.axes[0].legend()
    return figure


def draw_directions(part: Part, arms: Sequence[str]) -> "Figure | None":
    """Differences to the baseline with their 95 % intervals, direction by direction."""
    from matplotlib.figure import Figure

    keys, step = list(part.trials), 1 / (len(arms) + 1)
    figure = Figure(figsize=(7, 0.8 + 0.22 * len(keys) * (len(arms) + 1)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    for number, arm in enumerate(arms):
        known = [
            (place + number * step, part.decided[pair, size, arm])
            for place, (pair, size) in enumerate(keys)
            if (pair, size, arm) in part.decided
        ]
        middle, bars = _with_bars([each for _, each in known])
        axes.errorbar(middle, [place for place, _ in known], xerr=bars, linestyle="", label=arm, **_look(number))
    middles = [place + step * (len(arms) - 1) / 2 for place in range(len(keys))]
    axes.set_yticks(middles, [arrow(pair) for pair, _ in keys])
    axes.invert_yaxis()
    axes.set_xlabel(f"BLEU beyond {part.baseline}, with 95 % intervals")
    figure.legend(loc="outside upper center", ncols=len(arms))
    return figure


def _with_bars(differences: Sequence[Comparison]) -> tuple[list[float], list[list[float]]]:
    """Differences, and how far their intervals reach below and above."""
    return [each.difference for each in differences], [
        [each.difference - each.interval[0] for each in differences],
        [each.interval[1] - each.difference for each in differences],
    ]


def _look(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number + 1], "marker": MARKERS[number], "capsize": 2}


COLUMNS = {"BLEU": BLEU, "chrf": chrf, "loss": loss, "minutes": minutes}
"""What `Part.table` can show, by the names that the page's words have for it."""


def results_table(path: Path) -> str:
    """The first table of a Markdown file, as a finished run has one in its folder.

    Where a file has a section for each of several pairs, it is the rows of their first tables, each with its pair.
    """
    _, *sections = path.read_text(encoding="utf-8").split("\n## ")
    of_pairs = [section for section in sections if re.match(r"[a-z]+-[a-z]+\n", section)]
    if len(of_pairs) < 2:
        return _first_table(path.read_text(encoding="utf-8"))
    rows = list[str]()
    for section in of_pairs:
        head, line, *body = _first_table(section).splitlines()
        rows = rows or [f"| pair {head}", f"| - {line}"]
        rows += [f"| {section.splitlines()[0]} {row}" for row in body]
    return "\n".join(rows)


def _first_table(text: str) -> str:
    after = dropwhile(lambda line: not line.startswith("|"), text.splitlines())
    return "\n".join(takewhile(lambda line: line.startswith("|"), after))


def write_page(parts: Mapping[str, Part]) -> None:
    """Write docs/results.md and docs/pictures."""
    PICTURES.mkdir(exist_ok=True)
    pictures = {"main": ("gain-by-direction", draw_directions), "sizes": ("gain-by-size", draw_sizes)}
    for name, (file, draw) in pictures.items():
        if name in parts:
            drawn = [arm for arm in DRAWN if arm in parts[name].arms]
            write_figure(PICTURES / file, partial(draw, parts[name], drawn), formats=("svg",))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    write_text(
        DOCS / "results.md",
        environment.get_template("results.md.jinja").render(
            parts=parts, tables={path.stem: results_table(path) for path in RESULTS.glob("*.md")}, **COLUMNS
        ),
    )
