"""How figures are drawn: by matplotlib, in colours with names, into files or as an element of a page."""

import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from switchtune.files import atomic_path
from switchtune.languages import LANGUAGES, SCRIPTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw: TypeAlias = "Callable[[], Figure | None]"
"""Draws a figure; None where there is nothing to show."""

COLOURS = ("#57606a", "#0b62a4", "#b3470a", "#19703a", "#8a3ea8", "#a3123f", "#00707a", "#7a5c00")
_PAGE = {"ink": "#1c2024", "paper": "#ffffff", "line": "#d0d7de", "green": "#1a7f37", "red": "#b3261e"}
PALETTE: Mapping[str, str] = {**_PAGE, **{f"s{number}": colour for number, colour in enumerate(COLOURS)}}
"""Colours by the names of the page's variables, which have other values on a dark screen."""
DASHES = ("-", "--", "-.", ":")
"""So that lines differ on paper without colours too."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALETTE["line"],
    "legend.frameon": False,
    "legend.fontsize": 9,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), PALETTE["ink"]),
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.12,
    "svg.fonttype": "none",  # letters of scripts that no font here has are left to the reader's browser
    "text.parse_math": False,  # a name with two dollar signs is no formula
}
_SCRIPTS = sorted({SCRIPTS[language.script].partition(" (")[0] for language in LANGUAGES})
_FURTHER_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans", "Noto Emoji"),
    *(f"Noto {kind} {script}" for kind in ("Sans", "Serif") for script in _SCRIPTS),  # Tibetan has a serif alone
    *("Segoe UI", "Segoe UI Emoji", "Microsoft YaHei", "Leelawadee UI", "Nirmala UI", "Hiragino Sans"),
    "Arial Unicode MS",
)
"""Where they are installed, for letters that DejaVu Sans, which comes with matplotlib, has not."""
_LONGEST_LABEL = 60
_MOST_MARKED = 500
"""Points of a chart that are marked one by one."""
_NARROW = 440
"""Points of width that a phone shows whole."""
_SVG = "{http://www.w3.org/2000/svg}"
_NAMES = {colour: name for name, colour in PALETTE.items()}
_MARKER = re.compile("(m|C[0-9a-f]+_[0-9a-f]+_)[0-9a-f]{10}")
_GLYPH = re.compile(r"Glyph (\d+) ")
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    group: str  # what is shown and hidden together, and has one colour: an arm, or a model
    points: tuple[tuple[float, float], ...]
    faint: bool = False  # for a stage that is measured on something else


@cache
def _fonts() -> list[str]:
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return ["DejaVu Sans", *(name for name in _FURTHER_FONTS if name in installed)]


@contextmanager
def _styled(salt: str) -> "Iterator[list[str]]":
    """The style of all figures; equal figures of the same salt are equal files.

    Yields the letters that no font here has, as they are come upon.
    """
    import matplotlib

    letters: list[str] = []
    style = {**_STYLE, "font.family": "sans-serif", "font.sans-serif": _fonts(), "svg.hashsalt": salt}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        show = warnings.showwarning

        def hear(message: Warning | str, *about: Any, **further: Any) -> None:
            if found := _GLYPH.match(str(message)):
                letters.append(chr(int(found[1])))
            else:
                show(message, *about, **further)

        warnings.showwarning = hear
        warnings.filterwarnings("always", "Glyph .* missing", UserWarning)
        warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
        yield letters


def write_figure(
    path: Path,
    draw: Draw,
    formats: Sequence[str] = ("svg", "png"),
    *,
    on_missing: Callable[[str], None] = lambda letters: None,
) -> list[Path]:
    """Draw into `path` with .svg, .png or .pdf behind it; nothing where there is nothing to show.

    Args:
        on_missing: is told of letters that no font here has, and that stand as boxes in .png and .pdf.
    """
    with _styled("switchtune") as letters:
        figure = draw()
        written = [path.with_name(f"{path.name}.{form}") for form in formats if figure is not None]
        for file, form in zip(written, formats, strict=False):
            undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
            with atomic_path(file) as temporary:
                figure.savefig(temporary, format=form, dpi=150, metadata=undated)  # type: ignore[union-attr]
    if letters and set(formats) - {"svg"}:
        on_missing("".join(dict.fromkeys(letters)))
    return written


def boxes_text(letters: str) -> str:
    """What is to be known of letters that no font here has."""
    return (
        f"no font here has {letters!r}, which appear as boxes in the figures. Install Noto fonts (Debian: fonts-noto), "
        "or use SVG, whose text is drawn by the reader's browser."
    )


def svg_element(draw: Draw, name: str, label: str) -> str:
    """An `svg` element whose colours are the page's variables and whose text is text, with a name of its own."""
    content = StringIO()
    with _styled(name):
        figure = draw()
        if figure is None:
            return ""
        for artist in figure.findobj():
            artist.set_clip_on(False)  # a clip path would be asked for by a URL
        figure.savefig(content, format="svg", transparent=True)
    root = ElementTree.fromstring(_NOT_IN_XML.sub("\ufffd", content.getvalue()))
    for child in list(root):
        if child.tag == f"{_SVG}metadata" or child.find(f"{_SVG}style") is not None:
            root.remove(child)
    for element in root.iter():
        element.tag, element.tail = element.tag.removeprefix(_SVG), None
        element.text = element.text if element.tag == "text" else None
        element.attrib = _attributes(element.attrib)
    width = float(root.attrib["viewBox"].split()[2])
    least = f"min-width: {0.95 * width:.0f}px; " if width > _NARROW else ""
    size = f"{least}max-width: {1.5 * width:.0f}px"
    text = _NOT_IN_XML.sub("\ufffd", label)
    root.attrib = {"viewBox": root.attrib["viewBox"], "style": size, "role": "img", "aria-label": text}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes of an element, but for identities that no marker needs: another figure has them too."""
    kept = {}
    for key, value in attributes.items():
        name = key.rpartition("}")[2]
        if name == "id" and value.startswith("series-"):
            kept["class"], kept["data-group"] = "series", value.removeprefix("series-")
        elif name == "style":
            named = re.sub("#[0-9a-f]{6}", lambda found: f"var(--{_NAMES[found[0]]})", value)
            kept[name] = re.sub(r"font-family: [^;]*;?", "", named)
        elif name != "id" or _MARKER.fullmatch(value):
            kept[name] = value
    return kept


@dataclass(frozen=True)
class Drawing:
    """A figure that is drawn when it is asked for."""

    name: str  # of letters, digits, `-`, `.` and `_`; no other figure of its page has it
    title: str
    draw: Draw
    values: str = ""  # what it shows, for those who cannot see it; empty where a table says so

    def svg(self) -> str:
        """An element of a page."""
        return svg_element(self.draw, self.name, self.values or self.title)


def panels(
    rows: int, columns: int, *, width: float, height: float, legend: bool = True
) -> "tuple[Figure, list[list[Axes]]]":
    """A figure of axes, each so many inches wide and high, that makes room for legends beside them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, width * columns), height * rows), layout="constrained" if legend else None)
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def label(text: str) -> str:
    """A name that leaves room for the figure, and that can stand in XML."""
    text = _NOT_IN_XML.sub("\ufffd", text)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def thinned(points: Sequence[tuple[float, float]], most: int) -> tuple[tuple[float, float], ...]:
    """At most so many points: means over equal numbers of points, each at the last of its places."""
    if len(points) <= most:
        return tuple(points)
    parts = np.array_split(np.array(points, dtype=np.float64), most)
    return tuple((float(part[-1, 0]), float(part[:, 1].mean())) for part in parts)


def limits(series: Sequence[Series]) -> tuple[float, float]:
    """Where the lines begin and end from left to right, with room around a single place."""
    xs = [x for each in series for x, _ in each.points]
    return (min(xs), max(xs)) if max(xs) > min(xs) else (xs[0] - 1, xs[0] + 1)


def is_logarithmic(series: Sequence[Series]) -> bool:
    """Whether the values span more than a factor of 4, and none is 0 or next to it."""
    values = [y for each in series for _, y in each.points]
    return min(values) > 1e-9 and max(values) > 4 * min(values)


def draw_lines(axes: "Axes", series: Sequence[Series], *, axis: str, unit: str) -> None:
    """Lines of one point at least over whole numbers, logarithmic upwards where the values span a factor of 4."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    groups = list(dict.fromkeys(each.group for each in series))
    shown: set[str] = set()
    few = sum(len(each.points) for each in series) <= _MOST_MARKED
    for each in series:
        number = groups.index(each.group)
        (line,) = axes.plot(
            *zip(*each.points, strict=True),
            color=COLOURS[number % len(COLOURS)],
            linestyle=DASHES[number % len(DASHES)],
            marker=MARKERS[number % len(MARKERS)] if few else "",
            markersize=4 if len(each.points) <= 12 else 2.5,
            linewidth=1.4,
            alpha=0.5 if each.faint else 1,
            label=f"_{each.group}" if each.group in shown else label(each.group).lstrip("_"),
        )
        line.set_gid(f"series-{number}")
        shown.add(each.group)
    ys = [y for each in series for _, y in each.points]
    axes.set_xlim(*limits(series))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel(axis)
    axes.set_ylabel(unit)
    if is_logarithmic(series):
        axes.set_yscale("log")
        few_decades = max(ys) < 100 * min(ys)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if few_decades else (1,)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        air = (max(ys) / min(ys)) ** 0.04
        axes.set_ylim(min(ys) / air, max(ys) * air)
    else:
        room = max(0.05 * (max(ys) - min(ys)), 0.01 * abs(max(ys))) or 1.0
        axes.set_ylim(min(ys) - room, max(ys) + room)
