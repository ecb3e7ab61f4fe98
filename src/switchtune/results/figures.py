"""The figures of the analyses, each from the content of its JSON file alone, by matplotlib."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, TypeAlias

from switchtune.analysis.distance import TEST
from switchtune.files import atomic_path
from switchtune.results.comparison import signed
from switchtune.scoring.significance import SIGNIFICANT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B3A100")
"""Okabe and Ito's, which people who see few colours can tell apart; the yellow darkened to be seen on white."""

_DASHES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.12,
    # Files of the same content are the same.
    "svg.hashsalt": "switchtune",
    # Letters of scripts that no font here has are left to the reader's browser.
    "svg.fonttype": "none",
}

_MOST_COLUMNS = 4

EXTRA = 'pip install "switchtune[analysis]"'
"""What brings matplotlib, and scikit-learn besides."""

Record: TypeAlias = Mapping[str, Any]


def write_figure(path: Path, draw: "Callable[[Record], Figure | None]", record: Record) -> list[Path]:
    """Draw a record into `path` with .svg and .png behind it; nothing where there is nothing to show.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        figure = draw(record)
        if figure is None:
            return []
        written = [path.with_name(f"{path.name}.{form}") for form in ("svg", "png")]
        for file in written:
            form = file.suffix[1:]
            with atomic_path(file) as temporary:
                figure.savefig(temporary, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    return written


def _panels(rows: int, columns: int, *, width: float = 4.6, height: float = 3.6) -> "tuple[Figure, list[list[Axes]]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, width * columns), height * rows))
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def _arrow(pair: str) -> str:
    return "→".join(pair.split("-", 1))


def _label(arm: str | None, stage: str, *, last: bool) -> str:
    """What a model is called: the arm alone for its last stage."""
    if arm is None:
        return "before training"
    return arm if last else f"{arm}, after stage {stage}"


def _models(systems: Sequence[Record]) -> dict[tuple[str | None, str], list[Record]]:
    """The systems of all seeds by arm and stage, in the order of training."""
    found: dict[tuple[str | None, str], list[Record]] = {}
    for system in systems:
        found.setdefault((system["arm"], system["stage"]), []).append(system)
    return found


def _labels(systems: Sequence[Record]) -> dict[tuple[str | None, str], str]:
    last = dict(_models(systems).keys())
    return {(arm, stage): _label(arm, stage, last=stage == last[arm]) for arm, stage in _models(systems)}


def draw_distance(record: Record) -> "Figure | None":
    """A row of panels for each pair and collection: distance, retrieval and cosine over the layers of the decoder."""
    pairs = [pair for pair in record["pairs"] if pair["systems"]]
    if not pairs:
        return None
    measures = (
        ("distance", "Distance of the two sides (eq. 5)"),
        ("retrieval", "Translations found (share)"),
        ("cosine", "Cosine of translations (mean)"),
    )
    figure, panels = _panels(len(pairs), len(measures))
    for pair, row in zip(pairs, panels, strict=True):
        labels = _labels(pair["systems"])
        for axes, (measure, label) in zip(row, measures, strict=True):
            for number, (model, systems) in enumerate(_models(pair["systems"]).items()):
                layers = [layer["layer"] for layer in systems[0]["layers"]]
                values = [mean(system["layers"][place][measure] for system in systems) for place in range(len(layers))]
                axes.plot(layers, values, label=labels[model], **_style(number))
            axes.set_xlabel("layer of the decoder")
            axes.set_ylabel(label)
            axes.set_xticks(layers)
            if measure != "cosine":
                axes.set_ylim(bottom=0)
        where = "the test set" if pair["tests"] == TEST else Path(pair["tests"]).name
        row[0].set_title(f"{_arrow(pair['pair'])}: {pair['sentences']:,} sentences of {where}", loc="left")
        row[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "markersize": 5,
    }


def draw_projection(record: Record) -> "Figure | None":
    """A panel for each model of the first seed: dots for the task's sentences, ellipses for pretraining text."""
    shown = [
        (pair, system, label)
        for pair in record["pairs"]
        for system, label in zip(
            [found[0] for found in _models(pair["systems"]).values()], _labels(pair["systems"]).values(), strict=True
        )
    ]
    if not shown:
        return None
    columns = min(len(shown), _MOST_COLUMNS)
    figure, rows = _panels(-(-len(shown) // columns), columns, width=3.8)
    panels = [axes for row in rows for axes in row]
    # The languages of the task come first, so that they have the same colours with and without other text.
    languages = list(
        dict.fromkeys(
            point["language"]
            for kind in ("task", "pretraining")
            for _, system, _ in shown
            for point in system["points"]
            if point["kind"] == kind
        )
    )
    for axes, (pair, system, label) in zip(panels, shown, strict=False):
        axis = {"pca": "principal component", "tsne": "t-SNE dimension"}[pair["method"]]
        for number, language in enumerate(languages):
            _draw_language(axes, system, language, number)
        axes.autoscale_view()
        axes.set_title(f"{_arrow(pair['pair'])}: {label}", loc="left")
        axes.set_xlabel(f"{axis} 1")
        axes.set_ylabel(f"{axis} 2")
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    _name_languages(figure, languages, ellipses=any(system["ellipses"] for _, system, _ in shown))
    return figure


def _draw_language(axes: "Axes", system: Record, language: str, number: int) -> None:
    from matplotlib.patches import Ellipse

    colour, marker = COLOURS[number % len(COLOURS)], _MARKERS[number % len(_MARKERS)]
    task = [point for point in system["points"] if (point["kind"], point["language"]) == ("task", language)]
    across, up = ([point[name] for point in task] for name in ("x", "y"))
    axes.scatter(across, up, s=7, alpha=0.5, color=colour, marker=marker, linewidths=0)
    for found in system["ellipses"]:
        if found["language"] == language:
            shape: dict[str, Any] = {
                "xy": (found["x"], found["y"]),
                "width": 2 * found["semi_major"],
                "height": 2 * found["semi_minor"],
                "angle": found["angle_degrees"],
            }
            axes.add_patch(Ellipse(**shape, facecolor=colour, alpha=0.12))
            axes.add_patch(Ellipse(**shape, fill=False, edgecolor=colour, linewidth=1.3))
            axes.annotate(language, shape["xy"], color=colour, weight="bold", ha="center", va="center")


def _name_languages(figure: "Figure", languages: Sequence[str], *, ellipses: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[number % len(COLOURS)], marker=_MARKERS[number % len(_MARKERS)], linestyle="")
        for number, _ in enumerate(languages)
    ]
    title = "dots: task" + ("\nellipses: pretraining,\ntwo standard deviations" if ellipses else "")
    figure.legend(handles, languages, loc="outside right center", title=title)


def draw_dynamics(record: Record) -> "Figure | None":
    """For each pair: loss on the validation set, loss in training; BLEU and distance of the models that are kept."""
    pairs = [pair for pair in record["pairs"] if pair["arms"]]
    if not pairs:
        return None
    figure, panels = _panels(len(pairs), 4, width=4.2)
    for pair, (valid, train, *kept) in zip(pairs, panels, strict=True):
        for number, (arm, found) in enumerate(_arms(pair["arms"]).items()):
            colour = COLOURS[number % len(COLOURS)]
            _draw_losses(valid, train, found, colour)
            if arm != pair["baseline"]:
                _draw_reached(valid, found, pair["baseline"], colour)
            for axes, measure in zip(kept, ("bleu", "distance"), strict=True):
                _draw_kept(axes, found, measure, number)
        for axes in (valid, train, *kept):
            axes.set_xlabel("updates over all stages")
            axes.set_xlim(left=0)
        for axes, title in ((valid, f"{_arrow(pair['pair'])}: validation set"), (train, "training, with dropout")):
            axes.set_title(title, loc="left")
            axes.set_ylabel("loss (nats per token)")
            _logarithmic(axes)
        for axes, label in zip(kept, ("BLEU", "distance (eq. 5)"), strict=True):
            axes.set_title("test set: models that are kept", loc="left")
            axes.set_ylabel(label)
            axes.set_ylim(0, 1.1 * axes.dataLim.y1 if axes.has_data() else 1)
        valid.legend(loc="upper right", fontsize=8)
    return figure


def _arms(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The records of all seeds by arm."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["arm"], []).append(record)
    return found


def _draw_losses(valid: "Axes", train: "Axes", seeds: Sequence[Record], colour: str) -> None:
    """A line for each seed and stage, dotted for stages before the last."""
    for place, seed in enumerate(seeds):
        stages = list(dict.fromkeys(entry["stage"] for entry in [*seed["train"], *seed["valid"]]))
        for stage in stages:
            last = stage == stages[-1]
            style: dict[str, Any] = {"color": colour, "linestyle": "-" if last else ":"}
            label = (seed["arm"] if last else f"{seed['arm']}, stage {stage}") if place == 0 else None
            for axes, key, marker in ((valid, "valid", "o"), (train, "train", "")):
                entries = [entry for entry in seed[key] if entry["stage"] == stage]
                updates, losses = ([entry[name] for entry in entries] for name in ("update", "nll"))
                axes.plot(updates, losses, marker=marker, markersize=4, linewidth=1.2, label=label, **style)


def _draw_reached(valid: "Axes", seeds: Sequence[Record], baseline: str, colour: str) -> None:
    """Where an arm reaches the baseline's last loss, the mean of the seeds if all of them do."""
    reached = [seed["updates_to_baseline"] for seed in seeds]
    if all(update is not None for update in reached):
        label = f"{seeds[0]['arm']} has {baseline}'s last loss\nby update {mean(reached):,.0f}"
        valid.axvline(mean(reached), color=colour, linewidth=0.8, linestyle="--", label=label)


def _draw_kept(axes: "Axes", seeds: Sequence[Record], measure: str, number: int) -> None:
    for seed in seeds:
        points = [(entry["update"], entry[measure]) for entry in seed["valid"] if entry[measure] is not None]
        if points:
            updates, values = zip(*points, strict=True)
            # Hollow, as the ends of two arms may be one place.
            style = {**_style(number), "markerfacecolor": "none", "markersize": 7}
            axes.plot(updates, values, clip_on=False, **style)


def _logarithmic(axes: "Axes") -> None:
    """The first updates would press all the rest together."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def draw_cost(record: Record) -> "Figure | None":
    """For each pair: minutes of training by arm, stage upon stage, the mean of the seeds; peak memory beside them."""
    rows = record["rows"]
    if not rows:
        return None
    pairs = list(dict.fromkeys(row["pair"] for row in rows))
    figure, panels = _panels(len(pairs), 2, height=0.9 + 0.55 * len({row["arm"] for row in rows}), width=5.2)
    # An arm with more stages than another tells where they belong.
    stages = list(dict.fromkeys(stage for found in _by_length(rows) for stage in found))
    for pair, (time, memory) in zip(pairs, panels, strict=True):
        of_pair = [row for row in rows if row["pair"] == pair]
        arms = list(dict.fromkeys(row["arm"] for row in of_pair))
        for place, arm in enumerate(arms):
            begin = 0.0
            for stage in stages:
                found = [row for row in of_pair if (row["arm"], row["stage"]) == (arm, stage)]
                if found:
                    minutes = mean(row["seconds"] for row in found) / 60
                    colour = COLOURS[stages.index(stage) % len(COLOURS)]
                    time.barh(place, minutes, left=begin, color=colour, height=0.6, edgecolor="white")
                    begin += minutes
            time.annotate(f" {begin:.3g}", (begin, place), va="center")
            peaks = [
                row["peak_gigabytes"] for row in of_pair if row["arm"] == arm and row["peak_gigabytes"] is not None
            ]
            if peaks:
                memory.barh(place, max(peaks), color="#777777", height=0.6)
                memory.annotate(f" {max(peaks):.3g}", (max(peaks), place), va="center")
        for axes in (time, memory):
            axes.set_yticks(range(len(arms)), arms)
            axes.set_ylim(len(arms) - 0.5, -0.5)
            axes.margins(x=0.15)
            axes.grid(visible=False, axis="y")
        time.set_title(f"{_arrow(pair)}: time of one training", loc="left")
        time.set_xlabel("minutes, validation included")
        memory.set_title("peak memory", loc="left")
        memory.set_xlabel("GB (10⁹ bytes)")
    _name_stages(figure, stages)
    return figure


def _by_length(rows: Sequence[Record]) -> list[list[str]]:
    """The stages of each training in their order, the most stages first."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for row in rows:
        found.setdefault((row["pair"], row["arm"], row["seed"]), []).append(row["stage"])
    return sorted(found.values(), key=len, reverse=True)


def _name_stages(figure: "Figure", stages: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=COLOURS[number % len(COLOURS)]) for number, _ in enumerate(stages)]
    figure.legend(handles, stages, loc="outside right center", title="stage")


def draw_frequency(record: Record) -> "Figure | None":
    """A panel for each pair: the F-measure of words by how often the training texts hold them."""
    pairs = [pair for pair in record["pairs"] if pair["systems"]]
    if not pairs:
        return None
    figure, panels = _panels(len(pairs), 1, width=7)
    for pair, (axes,) in zip(pairs, panels, strict=True):
        arms = _arms(pair["systems"])
        width = 0.8 / len(arms)
        for number, (arm, systems) in enumerate(arms.items()):
            for place in range(len(pair["buckets"])):
                values = [system["f_measure"][place] for system in systems]
                middle = place + (number - (len(arms) - 1) / 2) * width
                label: dict[str, Any] = {"label": arm} if place == 0 else {}
                axes.bar(middle, mean(values), 0.92 * width, color=COLOURS[number % len(COLOURS)], **label)
                if len(values) > 1:
                    axes.vlines(middle, min(values), max(values), color="black", linewidth=1.2)
                axes.annotate(f"{mean(values):.1f}", (middle, max(values)), ha="center", va="bottom", fontsize=8)
        words = pair["systems"][0]["reference_words"]
        names = [f"{_range(bucket)}\n({count:,} words)" for bucket, count in zip(pair["buckets"], words, strict=True)]
        axes.set_xticks(range(len(names)), names)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("occurrences in the training texts (words of the references)")
        axes.set_ylabel("F-measure of words (0 to 100)")
        axes.set_title(f"{_arrow(pair['pair'])}: words by their frequency in training", loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _range(bucket: Record) -> str:
    low, end = bucket["from"], bucket["to"]
    if end is None:
        return f"{low:,} and more"
    if low == 0:
        return f"fewer than {end:,}"
    return f"{low:,} to {end - 1:,}" if low < end - 1 else f"{low:,}"


def draw_matrix(record: Record) -> "Figure | None":
    """A heat map for each matrix of zero-shot translation: the arm's difference in BLEU, * where it is significant."""
    matrices = record["matrices"]
    if not matrices:
        return None
    size = max(len(matrix["trained"]) for matrix in matrices)
    figure, panels = _panels(1, len(matrices), width=1.6 + 0.85 * size, height=1.6 + 0.7 * size)
    largest = max(abs(cell["difference"]) for matrix in matrices for cell in matrix["cells"]) or 1.0
    for matrix, axes in zip(matrices, panels[0], strict=True):
        cells = {(cell["tested"], cell["trained"]): cell for cell in matrix["cells"]}
        tested = list(dict.fromkeys(cell["tested"] for cell in matrix["cells"]))
        table = [[cells[row, column]["difference"] for column in matrix["trained"]] for row in tested]
        image = axes.imshow(table, cmap="PuOr_r", vmin=-largest, vmax=largest, aspect="auto")
        for place, row in enumerate(tested):
            for column, trained in enumerate(matrix["trained"]):
                cell = cells[row, trained]
                sure = "*" if cell["p_value"] < SIGNIFICANT else ""
                weight = "bold" if cell["supervised"] else "normal"
                red, green, blue, _ = image.cmap(image.norm(cell["difference"]))
                colour = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
                text = f"{signed(cell['difference'])}{sure}\n{cell['value_a']:.1f}"
                axes.annotate(text, (column, place), ha="center", va="center", fontsize=8, weight=weight, color=colour)
        target = matrix["target"]
        axes.set_xticks(range(len(matrix["trained"])), [f"{code}→{target}" for code in matrix["trained"]])
        axes.set_yticks(range(len(tested)), [f"{code}→{target}" for code in tested])
        axes.set_xlabel("trained on")
        axes.set_ylabel("tested on")
        axes.grid(visible=False)
        axes.set_title(f"{matrix['tests']}: {matrix['arm']} against {matrix['baseline']}", loc="left")
        figure.colorbar(image, ax=axes, label="difference in BLEU")
    figure.supxlabel(
        f"Each cell: difference in BLEU (* p < {SIGNIFICANT}), and BLEU of {matrices[0]['baseline']}; "
        "bold where that language was trained on.",
        fontsize=8,
    )
    return figure
