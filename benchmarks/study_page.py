"""docs/results.md and its pictures, from the record of the study: the words are in results.md.jinja."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from switchtune.files import write_text
from switchtune.results.comparison import comparison_of
from switchtune.results.drawing import COLOURS, MARKERS, write_figure
from switchtune.results.text import markdown_table, signed
from switchtune.scoring.significance import Comparison, decide

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "pictures"
Row = Mapping[str, Any]


class Part:
    """The runs of one part of the study, whose differences are decided together."""

    def __init__(self, name: str, runs: Mapping[str, Any]) -> None:
        self.rows: dict[tuple[str, int], dict[str, Row]] = {}
        for folder, run in runs.items():
            part, place = folder.split("/")
            if part == name:
                pair, size = place.split(".")
                self.rows[pair, int(size)] = {row["arm"]: row for row in run["rows"]}
        self.seeds = max((len(run["seeds"]) for folder, run in runs.items() if folder.startswith(f"{name}/")), default=0)
        arms = dict.fromkeys(arm for rows in self.rows.values() for arm in rows)
        self.baseline, *self.arms = arms or [""]
        compared = [(*key, arm) for key, rows in self.rows.items() for arm in rows if arm != self.baseline]
        records = [comparison_of(self.rows[pair, size][arm]["against_baseline"]) for pair, size, arm in compared]
        self.decided: dict[tuple[str, int, str], Comparison] = dict(zip(compared, decide(records), strict=True))

    def table(self, metric: str = "bleu") -> str:
        """Means over seeds of every arm: the baseline's, and of the others with the difference; * where it is real."""
        heads = ("direction", "pairs", self.baseline, *self.arms)
        body = []
        for (pair, size), rows in self.rows.items():
            base = _mean(rows[self.baseline], metric)
            cells = [f"{base:.1f}"]
            for arm in self.arms:
                if arm not in rows:
                    cells.append("")
                    continue
                value = _mean(rows[arm], metric)
                real = metric == "bleu" and self.decided[pair, size, arm].answer in {"better", "worse"}
                cells.append(f"{value:.1f} ({signed(value - base)}{'*' if real else ''})")
            body.append(("→".join(pair.split("-")), f"{size:,}", *cells))
        if len(body) > 1:
            body.append(("mean", "", *(self._mean_cell(arm, metric) for arm in (self.baseline, *self.arms))))
        return markdown_table(heads, body)

    def _mean_cell(self, arm: str, metric: str) -> str:
        both = [(_mean(rows[self.baseline], metric), _mean(rows[arm], metric)) for rows in self.rows.values() if arm in rows]
        value = mean(value for _, value in both)
        return f"{value:.1f}" + (f" ({signed(value - mean(base for base, _ in both))})" if arm != self.baseline else "")

    def losses(self) -> str:
        """The lowest validation loss of every arm, in nats, mean over seeds."""
        body = [
            (
                "→".join(pair.split("-")),
                f"{size:,}",
                *(f"{min(point['nll'] for point in rows[arm]['valid_nll']):.3f}" if arm in rows else "" for arm in (self.baseline, *self.arms)),
            )
            for (pair, size), rows in self.rows.items()
        ]
        return markdown_table(("direction", "pairs", self.baseline, *self.arms), body)

    def costs(self) -> str:
        """Minutes of every arm, and beside them those of the reverse model and its translations."""
        body = []
        for (pair, size), rows in self.rows.items():
            cells = []
            for arm in (self.baseline, *self.arms):
                extra = rows.get(arm, {}).get("back_translation")
                more = f" + {extra['minutes'] + extra['translating_minutes']:.1f}" if extra else ""
                cells.append(f"{rows[arm]['minutes']:.1f}{more}" if arm in rows else "")
            body.append(("→".join(pair.split("-")), f"{size:,}", *cells))
        return markdown_table(("direction", "pairs", self.baseline, *self.arms), body)


def _mean(row: Row, metric: str) -> float:
    return mean(score["value"] for score in row[metric])


def draw_sizes(part: Part, arms: Sequence[str]) -> "Figure | None":
    """Gain over the baseline by the number of pairs, with 95 % intervals: a panel for each direction."""
    from matplotlib.figure import Figure

    pairs = list(dict.fromkeys(pair for pair, _ in part.rows))
    if not pairs:
        return None
    figure = Figure(figsize=(4.2 * len(pairs), 3.2), layout="constrained")
    for axes, pair in zip(figure.subplots(1, len(pairs), sharey=True, squeeze=False)[0], pairs, strict=True):
        sizes = sorted(size for each, size in part.rows if each == pair)
        axes.axhline(0, color=COLOURS[0], linewidth=1)
        for number, arm in enumerate(arms, start=1):
            known = [(size, part.decided[pair, size, arm]) for size in sizes if (pair, size, arm) in part.decided]
            middle = [each.difference for _, each in known]
            ends = [[value - each.interval[0] for value, (_, each) in zip(middle, known, strict=True)],
                    [each.interval[1] - value for value, (_, each) in zip(middle, known, strict=True)]]
            places = [size * 1.04 ** (number - 2) for size, _ in known]
            axes.errorbar(places, middle, yerr=ends, color=COLOURS[number], marker=MARKERS[number], capsize=2, label=arm)
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_title("→".join(pair.split("-")))
        axes.set_xlabel("training pairs")
    figure.axes[0].set_ylabel(f"BLEU beyond {part.baseline}")
    figure.axes[0].legend()
    return figure


def draw_directions(part: Part, arms: Sequence[str]) -> "Figure | None":
    """Differences to the baseline with their 95 % intervals, direction by direction."""
    from matplotlib.figure import Figure

    keys = list(part.rows)
    if not keys:
        return None
    figure = Figure(figsize=(7, 0.8 + 0.22 * len(keys) * (len(arms) + 1)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=COLOURS[0], linewidth=1)
    for number, arm in enumerate(arms, start=1):
        known = [(place, part.decided[*key, arm]) for place, key in enumerate(keys) if (*key, arm) in part.decided]
        heights = [place + (number - 1) / (len(arms) + 1) for place, _ in known]
        middle = [each.difference for _, each in known]
        ends = [[each.difference - each.interval[0] for _, each in known], [each.interval[1] - each.difference for _, each in known]]
        axes.errorbar(middle, heights, xerr=ends, color=COLOURS[number], marker=MARKERS[number], linestyle="", capsize=2, label=arm)
    axes.set_yticks([place + (len(arms) - 1) / (len(arms) + 1) / 2 for place in range(len(keys))], ["→".join(pair.split("-")) for pair, _ in keys])
    axes.invert_yaxis()
    axes.set_xlabel(f"BLEU beyond {part.baseline}, with 95 % intervals")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    return figure


def write_page(record: Mapping[str, Any]) -> None:
    """Write docs/results.md and docs/pictures."""
    parts = {folder.split("/")[0] for folder in record["runs"]}
    known = {name: Part(name, record["runs"]) for name in parts}
    PICTURES.mkdir(exist_ok=True)
    pictures: dict[str, Callable[[], Figure | None]] = {
        "gain-by-size": lambda: draw_sizes(known["sizes"], ("csr+ pairs", "csr+", "bt", "csr+bt")),
        "gain-by-direction": lambda: draw_directions(known["main"], ("csr+ pairs", "csr+", "bt", "csr+bt")),
    }
    for name, draw in pictures.items():
        write_figure(PICTURES / name, draw, formats=("svg",))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    write_text(DOCS / "results.md", environment.get_template("results.md.jinja").render(parts=known, runs=record["runs"]))
