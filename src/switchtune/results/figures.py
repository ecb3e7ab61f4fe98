"""The figures of a run, each from the content of a JSON file or from lines alone."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from switchtune.results.drawing import COLOURS, MARKERS, PALETTE, Series, draw_lines, label, panels
from switchtune.results.matrix import matrix_of, off_target
from switchtune.results.text import arrow, marked
from switchtune.scoring.word_accuracy import range_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record: TypeAlias = Mapping[str, Any]
TEST_SET = "test"
"""What a collection of sentences is called that is the pair's own test set."""

DISTANCES: Mapping[str, str] = {
    "distance": "Distance of the two sides (eq. 5)",
    "retrieval": "Translations found (share)",
    "cosine": "Cosine of translations (mean)",
}

KEPT: Mapping[str, str] = {"bleu": "BLEU", "distance": "distance (eq. 5)"}

_MOST_COLUMNS = 4


def system_name(system: Record, *, seed: bool = True) -> str:
    """A model by its arm, seed and stage, as far as it has them."""
    if system.get("arm") is None:
        return "before training"
    of_seed = f" seed {system['seed']}" if seed and system.get("seed") is not None else ""
    return f"{system['arm']}{of_seed}" + (f", after stage {system['stage']}" if "stage" in system else "")


PLOT = {"left": 0.09, "right": 0.98, "top": 0.97, "bottom": 0.15}
"""Where the axes of a chart without a title lie, as shares of its width and height from the left and from below."""


Moments: TypeAlias = Sequence[tuple[float, str]]
"""What happens where from left to right: "csr: restore ends"."""


def draw_chart(
    series: Sequence[Series], *, axis: str, unit: str, title: str | None = None, moments: Moments = ()
) -> "Figure":
    """Lines as a chart: with title, unit and legend, or without a title, as a page draws it that has them itself."""
    figure, ((axes,),) = panels(1, 1, width=6, height=3.4, legend=title is not None)
    draw_lines(axes, series, axis=axis, unit="" if title is None else unit)
    for place, text in moments:
        axes.axvline(place, color=PALETTE["ink"], linewidth=0.8, linestyle=":")
        axes.annotate(
            *(label(text), (place, 0.98)),
            xycoords=("data", "axes fraction"),
            rotation=90,
            va="top",
            ha="right",
            fontsize=8,
        )
    if title is None:
        figure.subplots_adjust(**PLOT)
    else:
        axes.set_title(label(title))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def distance_series(systems: Sequence[Record], measure: str) -> list[Series]:
    """A measure after each layer of the decoder, a line a model."""
    points = [tuple((layer["layer"], layer[measure]) for layer in system["layers"]) for system in systems]
    names = [(system_name(system), system_name(system, seed=False)) for system in systems]
    return [Series(*name, each) for name, each in zip(names, points, strict=True)]


def draw_distance(record: Record) -> "Figure | None":
    """A row of panels for each pair and collection: distance, retrieval and cosine over the layers of the decoder."""
    pairs = [pair for pair in record["pairs"] if pair["systems"]]
    if not pairs:
        return None
    figure, rows = panels(len(pairs), len(DISTANCES), width=4.2, height=3.4)
    for pair, row in zip(pairs, rows, strict=True):
        for axes, (measure, unit) in zip(row, DISTANCES.items(), strict=True):
            draw_lines(axes, distance_series(pair["systems"], measure), axis="layer of the decoder", unit=unit)
        tests = "the test set" if pair["tests"] == TEST_SET else Path(pair["tests"]).name
        row[0].set_title(label(f"{arrow(pair['pair'])}: {pair['sentences']:,} sentences of {tests}"))
        row[-1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def kept_series(arms: Sequence[Record], measure: str) -> Iterator[Series]:
    """BLEU or the distance of the models that are kept, over updates."""
    for arm in arms:
        points = [(entry["update"], entry[measure]) for entry in arm["valid"] if entry.get(measure) is not None]
        if points:
            yield Series(f"{arm['arm']} seed {arm['seed']}", arm["arm"], tuple(points))


def _loss_series(arms: Sequence[Record], part: Literal["valid", "train"]) -> Iterator[Series]:
    """A line for each seed and stage, faint for stages before the last."""
    for arm in arms:
        stages = list(dict.fromkeys(entry["stage"] for key in ("train", "valid") for entry in arm.get(key, ())))
        for stage in stages:
            points = [(entry["update"], entry["nll"]) for entry in arm.get(part, ()) if entry["stage"] == stage]
            if points:
                last = stage == stages[-1]
                yield Series(f"{arm['arm']}, {stage}", arm["arm"], tuple(points), faint=not last)


def draw_dynamics(record: Record) -> "Figure | None":
    """For each pair: loss on the validation set, loss in training; BLEU and distance of the models that are kept."""
    pairs = [pair for pair in record["pairs"] if pair["arms"]]
    if not pairs:
        return None
    figure, rows = panels(len(pairs), 4, width=3.6, height=3.4)
    for pair, row in zip(pairs, rows, strict=True):
        arms = pair["arms"]
        lines = (
            ("validation set", "loss (nats per token)", list(_loss_series(arms, "valid"))),
            ("training, with dropout", "loss (nats per token)", list(_loss_series(arms, "train"))),
            *(("test set: models that are kept", unit, list(kept_series(arms, key))) for key, unit in KEPT.items()),
        )
        for axes, (title, unit, series) in zip(row, lines, strict=True):
            if series:
                draw_lines(axes, series, axis="updates over all stages", unit=unit)
                axes.set_title(label(f"{arrow(pair['pair'])}: {title}") if axes is row[0] else title)
            else:
                axes.set_axis_off()
        # Where an arm reaches the baseline's last loss, the mean of the seeds if all of them do.
        for number, arm in enumerate(dict.fromkeys(each["arm"] for each in arms)):
            reached = [each["updates_to_baseline"] for each in arms if each["arm"] == arm]
            if arm != pair["baseline"] and None not in reached:
                name = label(f"{arm} has {pair['baseline']}'s last loss\nby update {mean(reached):,.0f}")
                colour = COLOURS[number % len(COLOURS)]
                row[0].axvline(mean(reached), color=colour, lw=0.8, linestyle="--", label=name)
        row[-1].legend(*row[0].get_legend_handles_labels(), loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_projection(record: Record) -> "Figure | None":
    """A panel for each model of the first seed: dots for the task's sentences, ellipses for pretraining text."""
    first: dict[tuple[str, str | None, str], tuple[Record, Record]] = {}
    for pair in record["pairs"]:
        for system in pair["systems"]:
            first.setdefault((pair["pair"], system["arm"], system["stage"]), (pair, system))
    shown = list(first.values())
    if not shown:
        return None
    columns = min(len(shown), _MOST_COLUMNS)
    figure, rows = panels(-(-len(shown) // columns), columns, width=3.4, height=3.2)
    every_axes = [axes for row in rows for axes in row]
    # The languages of the task come first, so that they have the same colours with and without other text.
    points = [point for _, system in shown for point in system["points"]]
    points.sort(key=lambda point: point["kind"] != "task")
    languages = list(dict.fromkeys(point["language"] for point in points))
    for axes, (pair, system) in zip(every_axes, shown, strict=False):
        for number, language in enumerate(languages):
            _draw_language(axes, system, language, number)
        axes.autoscale_view()
        axes.set_title(label(f"{arrow(pair['pair'])}: {system_name(system, seed=False)}"))
        axis = {"pca": "principal component", "tsne": "t-SNE dimension"}.get(pair["method"], pair["method"])
        axes.set_xlabel(f"{axis} 1")
        axes.set_ylabel(f"{axis} 2")
    for axes in every_axes[len(shown) :]:
        axes.set_visible(False)
    ellipses = any(system["ellipses"] for _, system in shown)
    title = "dots: task" + ("\nellipses: pretraining,\ntwo standard deviations" if ellipses else "")
    handles = [every_axes[0].scatter([], [], **_look(number)) for number in range(len(languages))]
    figure.legend(handles, list(map(label, languages)), loc="outside right center", title=title)
    return figure


def _look(number: int) -> dict[str, Any]:
    return {"color": COLOURS[(number + 1) % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def _draw_language(axes: "Axes", system: Record, language: str, number: int) -> None:
    from matplotlib.patches import Ellipse

    colour = _look(number)["color"]
    task = [point for point in system["points"] if (point["kind"], point["language"]) == ("task", language)]
    across, up = ([point[name] for point in task] for name in ("x", "y"))
    axes.scatter(across, up, s=7, alpha=0.5, **_look(number), linewidths=0)
    for ellipse in system["ellipses"]:
        if ellipse["language"] == language:
            middle, angle = (ellipse["x"], ellipse["y"]), ellipse["angle_degrees"]
            sizes = (2 * ellipse["semi_major"], 2 * ellipse["semi_minor"])
            axes.add_patch(Ellipse(middle, *sizes, angle=angle, facecolor=colour, alpha=0.12))
            axes.add_patch(Ellipse(middle, *sizes, angle=angle, fill=False, edgecolor=colour, linewidth=1.3))
            axes.annotate(label(language), middle, color=colour, weight="bold", ha="center", va="center")


def draw_frequency(record: Record) -> "Figure | None":
    """A panel for each pair: what arms gain in the F-measure of words, by how often the training texts hold them."""
    return _draw_gains(
        [
            {
                **pair,
                "figure": "f_measure",
                "counts": pair["systems"][0]["reference_words"],
                "counted": "words",
                "axis": "occurrences in the training texts (words of the references)",
            }
            for pair in record["pairs"]
            if pair["systems"]
        ],
        unit="F-measure of words",
        by="by word frequency in training",
    )


def draw_length(record: Record) -> "Figure | None":
    """A panel for each pair: what arms gain in the score of the test set's parts, by the length of the references."""
    pairs = [pair for pair in record["pairs"] if pair["systems"]]
    return _draw_gains(
        [
            {
                **pair,
                "figure": "score",
                "counts": pair["sentences"],
                "counted": "sentences",
                "axis": f"length of the reference in {pair['unit']}",
            }
            for pair in pairs
        ],
        unit=pairs[0]["metric"] if pairs else "",
        by="by length of the reference",
    )


def baseline_of(pair: Record) -> str:
    """The arm that the others of an analysis are compared with."""
    return str(pair.get("baseline", pair["systems"][0]["arm"]))


def gains(pair: Record, arm: str, figure: str, bucket: int) -> list[float]:
    """What an arm is better by than the baseline in a bucket, seed by seed; outputs that are given go with all."""
    of_baseline, of_arm = (
        [system for system in pair["systems"] if system["arm"] == name] for name in (baseline_of(pair), arm)
    )
    both = [
        (before[figure][bucket], after[figure][bucket])
        for before in of_baseline
        for after in of_arm
        if before["seed"] == after["seed"] or None in (before["seed"], after["seed"])
    ]
    return [after - before for before, after in both if None not in (before, after)]


def _draw_gains(pairs: Sequence[Record], *, unit: str, by: str) -> "Figure | None":
    """Bars beyond the baseline, the mean of the seeds, which are dots; under each bucket what the baseline has."""
    if not pairs:
        return None
    figure, rows = panels(len(pairs), 1, width=6, height=3.6)
    for pair, (axes,) in zip(pairs, rows, strict=True):
        baseline, key = baseline_of(pair), pair["figure"]
        arms = [arm for arm in dict.fromkeys(system["arm"] for system in pair["systems"]) if arm != baseline]
        width = 0.8 / max(1, len(arms))
        for number, arm in enumerate(arms):
            named: dict[str, Any] = {"label": label(arm)}
            for bucket in range(len(pair["buckets"])):
                middle = bucket + (number - (len(arms) - 1) / 2) * width
                seeds = gains(pair, arm, key, bucket)
                if seeds:
                    axes.bar(middle, mean(seeds), 0.9 * width, color=COLOURS[(number + 1) % len(COLOURS)], **named)
                    axes.scatter([middle] * len(seeds), seeds, s=12, color=PALETTE["ink"], zorder=3, linewidths=0)
                    named = {}
        names = []
        for place, (bucket, count) in enumerate(zip(pair["buckets"], pair["counts"], strict=True)):
            known = [each[key][place] for each in pair["systems"] if each["arm"] == baseline]
            known = [value for value in known if value is not None]
            has = f"{baseline}: {mean(known):.1f}" if known else f"{baseline}: –"
            names.append(f"{range_name(bucket['from'], bucket['to'])}\n{count:,} {pair['counted']}\n{label(has)}")
        axes.set_xticks(range(len(names)), names, fontsize=9)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.axhline(0, color=PALETTE["ink"], linewidth=1)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(label(pair["axis"]))
        axes.set_ylabel(label(f"gain over {baseline}, {unit}"))
        axes.set_title(label(f"{arrow(pair['pair'])}: gain {by}"))
    keys = [zip(*axes.get_legend_handles_labels(), strict=True) for (axes,) in rows]
    handles = {name: handle for handle, name in chain.from_iterable(keys)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return figure


def draw_cost(record: Record) -> "Figure | None":
    """Minutes of training for each pair and arm, stage upon stage, the mean of the seeds; peak memory beside them."""
    from matplotlib.patches import Patch

    rows = record["rows"]
    if not rows:
        return None
    pairs, stages = (list(dict.fromkeys(row[key] for row in rows)) for key in ("pair", "stage"))
    colours = {stage: COLOURS[number % len(COLOURS)] for number, stage in enumerate(stages)}
    figure, axes = panels(len(pairs), 2, height=0.9 + 0.55 * len({row["arm"] for row in rows}), width=5)
    for pair, (time, memory) in zip(pairs, axes, strict=True):
        of_arms: dict[str, list[Record]] = {}
        for row in rows:
            if row["pair"] == pair:
                of_arms.setdefault(row["arm"], []).append(row)
        for place, of_arm in enumerate(of_arms.values()):
            _draw_cost_of(time, memory, place, of_arm, colours)
        for each in (time, memory):
            each.set_yticks(range(len(of_arms)), list(map(label, of_arms)))
            each.set_ylim(len(of_arms) - 0.5, -0.5)
            each.margins(x=0.15)
            each.grid(visible=False, axis="y")
        time.set_title(label(f"{arrow(pair)}: time of one training"))
        time.set_xlabel("minutes, validation included")
        memory.set_title("peak memory")
        memory.set_xlabel("GB (10⁹ bytes)")
    handles = [Patch(color=colour) for colour in colours.values()]
    figure.legend(handles, list(map(label, stages)), loc="outside right center", title="stage")
    return figure


def _draw_cost_of(time: "Axes", memory: "Axes", place: int, rows: Sequence[Record], colours: Mapping[str, str]) -> None:
    """One arm: a bar of its stages, and one of its memory."""
    begin = 0.0
    for stage in dict.fromkeys(row["stage"] for row in rows):
        minutes = mean(row["seconds"] for row in rows if row["stage"] == stage) / 60
        time.barh(place, minutes, left=begin, color=colours[stage], height=0.6, edgecolor=PALETTE["paper"])
        begin += minutes
    time.annotate(f" {begin:.3g}", (begin, place), va="center")
    peaks = [row["peak_gigabytes"] for row in rows if row["peak_gigabytes"] is not None]
    if peaks:
        memory.barh(place, max(peaks), color=COLOURS[0], height=0.6)
        memory.annotate(f" {max(peaks):.3g}", (max(peaks), place), va="center")


def draw_matrix(record: Record) -> "Figure | None":
    """A heat map for each matrix of zero-shot translation: the arm's difference in BLEU, * where it is significant."""
    from matplotlib.patches import Rectangle

    matrices = [matrix_of(each) for each in record["matrices"]]
    if not matrices:
        return None
    columns = max(3, *(len(matrix.trained) for matrix in matrices))  # fewer leave no room for the title
    lines = max(len(matrix.tested) for matrix in matrices)
    figure, rows = panels(1, len(matrices), width=1.6 + 0.95 * columns, height=1.6 + 0.6 * lines)
    largest = max((abs(cell.comparison.difference) for each in matrices for cell in each.cells), default=0) or 1
    for matrix, axes in zip(matrices, rows[0], strict=True):
        for cell in matrix.cells:
            x, y, found = matrix.trained.index(cell.trained), matrix.tested.index(cell.tested), cell.comparison
            colour, share = PALETTE["green" if found.difference > 0 else "red"], abs(found.difference) / largest
            axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, color=colour, alpha=0.4 * share, lw=0))
            weight = "bold" if cell.supervised else "normal"
            text = f"{marked(found)}\n{found.value_a:.1f}"
            text += f"\n{off_target(cell.in_language)}" if cell.in_language else ""
            axes.annotate(text, (x, y), ha="center", va="center", fontsize=9, weight=weight)
        axes.set_xticks(range(len(matrix.trained)), [label(arrow(pairs)) for pairs in matrix.trained])
        axes.set_yticks(range(len(matrix.tested)), [label(arrow(tested)) for tested in matrix.tested])
        axes.set_xlim(-0.5, len(matrix.trained) - 0.5)
        axes.set_ylim(len(matrix.tested) - 0.5, -0.5)
        axes.set_xlabel("trained on")
        axes.set_ylabel("tested on")
        axes.grid(visible=False)
        axes.set_title(label(matrix.title))
    figure.supxlabel(
        f"Each cell: difference in BLEU (* where significant), and BLEU of {label(matrices[0].baseline)};\n"
        "bold where that direction was trained on; the share of off-target outputs of both.",
        fontsize=8,
    )
    return figure


def draw_counts(counts: Mapping[str, Sequence[tuple[str, int]]]) -> "Figure":
    """A panel for each title: counts as bars with their numbers."""
    figure, (row,) = panels(1, len(counts), width=4.5, height=2.4, legend=False)
    figure.subplots_adjust(left=0.02, right=0.98, top=0.88, bottom=0.12, wspace=0.1)
    for axes, (title, bars) in zip(row, counts.items(), strict=True):
        axes.bar(range(len(bars)), [count for _, count in bars], color=COLOURS[1])
        axes.set_xlim(-1, 10)
        for place, (_, count) in enumerate(bars):
            short = f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"
            text = str(count) if count < 10_000 else short
            axes.annotate(text, (place, count), ha="center", va="bottom", fontsize=8)
        axes.set_xticks(range(len(bars)), [name for name, _ in bars], fontsize=8)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.margins(y=0.12)
        axes.set_title(title)
    return figure
