"""Charts as SVG: lines over numbers, bars, a heat map, a plane of points. Each stands on a page or in a file alone."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from switchtune.report.html import package_text

COLOURS = 8
"""Classes c0 to c7 of `page.css`; c0 is the baseline's."""

_DASHES = ("", "8 3", "2 3", "10 3 2 3", "5 2", "1 2", "12 4", "6 2 1 2")
"""So that lines differ on paper without colours too."""

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 612, 12, 258


@dataclass(frozen=True)
class Series:
    """One line of a chart."""

    name: str
    group: str
    """What is shown and hidden together, and has one colour: an arm."""
    points: tuple[tuple[float, float], ...]
    faint: bool = False
    """For a stage that is measured on something else."""


@dataclass(frozen=True)
class Figure:
    """A chart with a name, for its file and its place on the page."""

    name: str
    """Of letters, digits, `-`, `.` and `_`."""
    title: str
    svg: str
    """The element alone, drawn by the classes of `page.css`."""
    html: str
    """With legend, and what the page's script needs."""

    key: tuple[tuple[str, int], ...] = ()
    """What each colour stands for: names, and the numbers of their classes."""

    def file(self) -> str:
        """The content of an SVG file of its own, with title, key and colours, for programs that know no variables."""
        style = package_text("charts.css")
        colours = dict(_VARIABLE.findall(style))
        content = self.svg.partition(">")[2].removesuffix("</svg>")
        width, height = map(float, re.findall(r'viewBox="0 0 (\S+) (\S+)"', self.svg)[0])
        drawn = "".join(
            f'<rect class="c{colour}" x="10" y="{height + 18 * line + 8:g}" width="12" height="4"/>'
            f'<text class="start" x="28" y="{height + 18 * line + 14:g}">{escape(name)}</text>'
            for line, (name, colour) in enumerate(self.key)
        )
        whole = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -24 {width:g} {height + 24 + 18 * len(self.key):g}">'
            f"<title>{escape(self.title)}</title><style>{_ALONE}{style}</style>"
            f'<text class="start" x="10" y="-8">{escape(self.title)}</text>{content}{drawn}</svg>\n'
        )
        return re.sub(r"var\((--\w+)\)", lambda match: colours[match[1]], whole)


_VARIABLE = re.compile(r"(--\w+): (#\w+)")
_ALONE = "svg { font: 12px sans-serif; background: #fff; }\n"


def thinned(points: Sequence[tuple[float, float]], most: int) -> tuple[tuple[float, float], ...]:
    """At most so many points: means over equal numbers of points, each at the last of its places."""
    if len(points) <= most:
        return tuple(points)
    parts = np.array_split(np.array(points, dtype=np.float64), most)
    means = [(float(part[-1, 0]), float(part[:, 1].mean())) for part in parts]
    return tuple(means)


def line_chart(name: str, title: str, axis: str, unit: str, series: Sequence[Series]) -> Figure:
    """Lines over a horizontal axis of whole numbers, logarithmic upwards where the values span more than a factor of 4.

    Args:
        axis: what goes from left to right: "update".
        unit: what goes upwards, with its unit.
        series: with one point at least each; groups are coloured in the order in which they come.
    """
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points]
    logarithmic = min(ys) > 0 and max(ys) > 4 * min(ys)
    low, high = _padded(min(ys), max(ys), logarithmic=logarithmic)

    def across(x: float) -> float:
        return _LEFT + (x - min(xs)) / ((max(xs) - min(xs)) or 1) * (_RIGHT - _LEFT)

    def up(y: float) -> float:
        share = math.log(y / low) / math.log(high / low) if logarithmic else (y - low) / (high - low)
        return _BOTTOM - share * (_BOTTOM - _TOP)

    groups = list(dict.fromkeys(each.group for each in series))
    drawn = [*_horizontal(low, high, up, logarithmic=logarithmic), *_vertical(min(xs), max(xs), across)]
    for each in series:
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in each.points)
        place = groups.index(each.group)
        classes = f"series line c{place % COLOURS}{' faint' * each.faint}"
        data = f'class="{classes}" data-group="{escape(each.group)}"'
        if len(each.points) == 1:
            x, y = each.points[0]
            drawn.append(f'<circle {data} cx="{across(x):.1f}" cy="{up(y):.1f}" r="3"/>')
        else:
            drawn.append(f'<polyline {data} stroke-dasharray="{_dash(place)}" points="{path}"/>')
    drawn.append(f'<text x="{(_LEFT + _RIGHT) / 2}" y="{_HEIGHT - 4}">{escape(axis)}</text>')
    said = "; ".join(
        f"{each.name}: from {number_text(each.points[0][1])} to {number_text(each.points[-1][1])} at {axis} "
        f"{each.points[-1][0]:g}"
        for each in series
    )
    cursor = f'<line class="cursor" y1="{_TOP}" y2="{_BOTTOM}" visibility="hidden"/>'
    svg = _svg(title, f"{unit} over {axis}. {said}", "".join(drawn) + cursor, _WIDTH, _HEIGHT, focus=True)
    box = {"left": _LEFT, "right": _RIGHT, "low": min(xs), "high": max(xs), "axis": axis}
    content = {"box": box, "series": [_series_record(each) for each in series]}
    html = (
        f'<figure class="chart"><figcaption>{escape(title)}: {escape(unit)}'
        f"{' (logarithmic axis)' * logarithmic}</figcaption>{_legend(groups)}{svg}"
        f'<output class="readout" aria-live="polite">Point at the chart, or move over it with the arrow keys, to read '
        f'values.</output><script type="application/json">{_json(content)}</script></figure>'
    )
    return Figure(name, title, svg, html, _numbered(groups))


def bar_chart(
    name: str, title: str, unit: str, labels: Sequence[str], values: Mapping[str, Sequence[float | None]]
) -> Figure:
    """Bars beside each other: a block per label, in it a bar per name, from 0 up; a dash for what is not known."""
    largest = max((value or 0 for each in values.values() for value in each), default=0) or 1
    block = (_RIGHT - _LEFT) / len(labels)
    width = 0.8 * block / len(values)

    def up(y: float) -> float:
        return _BOTTOM - y / largest * (_BOTTOM - _TOP - 14)

    drawn = []
    for place, (group, heights) in enumerate(values.items()):
        for number, value in enumerate(heights):
            height = value or 0
            left = _LEFT + number * block + 0.1 * block + place * width
            drawn.append(
                f'<rect class="series c{place % COLOURS}" data-group="{escape(group)}" x="{left:.1f}" '
                f'y="{up(height):.1f}" width="{width - 2:.1f}" height="{_BOTTOM - up(height):.1f}"/>'
                f'<text x="{left + width / 2:.1f}" y="{up(height) - 4:.1f}">{_known(value)}</text>'
            )
    drawn += [
        f'<text x="{_LEFT + (number + 0.5) * block:.1f}" y="{_BOTTOM + 18}">{escape(label)}</text>'
        for number, label in enumerate(labels)
    ]
    drawn.append(f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>')
    said = "; ".join(
        f"{group}: " + ", ".join(f"{label} {_known(value)}" for label, value in zip(labels, each, strict=True))
        for group, each in values.items()
    )
    svg = _svg(title, f"{unit}. {said}", "".join(drawn), _WIDTH, _HEIGHT)
    caption = f"<figcaption>{escape(title)}: {escape(unit)}</figcaption>"
    html = f'<figure class="bars">{caption}{_key(list(values))}{svg}</figure>'
    return Figure(name, title, svg, html, _numbered(list(values)))


def heat_map(
    name: str,
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[str, str], tuple[float, str]],
) -> Figure:
    """Coloured cells with their text: greener where the value is larger, redder where it is smaller, than 0."""
    largest = max((abs(value) for value, _ in cells.values()), default=0) or 1
    width, height, head = 96, 32, 90
    drawn = [
        f'<text x="{head + (place + 0.5) * width}" y="20">{escape(column)}</text>'
        for place, column in enumerate(columns)
    ]
    for line, row in enumerate(rows):
        top = 30 + line * height
        drawn.append(f'<text class="end" x="{head - 8}" y="{top + 21}">{escape(row)}</text>')
        for place, column in enumerate(columns):
            if (row, column) not in cells:
                continue
            value, text = cells[row, column]
            colour = "--green" if value > 0 else "--red"
            drawn.append(
                f'<rect x="{head + place * width + 1}" y="{top + 1}" width="{width - 2}" height="{height - 2}" '
                f'style="fill: var({colour}); fill-opacity: {0.32 * abs(value) / largest:.2f}"/>'
                f'<text x="{head + (place + 0.5) * width}" y="{top + 21}">{escape(text)}</text>'
            )
    svg = _svg(title, title, "".join(drawn), head + width * len(columns), 40 + height * len(rows))
    return Figure(name, title, svg, svg)


def plane(
    name: str, title: str, points: Sequence[Mapping[str, Any]], ellipses: Sequence[Mapping[str, Any]], most: int
) -> Figure:
    """Points of languages in a plane, and ellipses of others; as many points as may be, evenly chosen."""
    shown = points[:: max(1, math.ceil(len(points) / most))]
    languages = sorted({each["language"] for each in (*points, *ellipses)})
    reach = [float(each["semi_major"]) for each in ellipses]
    xs, ys = (
        [float(point[axis]) for point in shown]
        + [float(each[axis]) + sign * size for each, size in zip(ellipses, reach, strict=True) for sign in (-1, 1)]
        for axis in ("x", "y")
    )
    size = 320
    span = max(max(xs) - min(xs), max(ys) - min(ys)) or 1
    scale = (size - 20) / span
    middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2

    def place(point: Mapping[str, Any]) -> tuple[float, float]:
        return size / 2 + (point["x"] - middle[0]) * scale, size / 2 - (point["y"] - middle[1]) * scale

    drawn = []
    for each in ellipses:
        x, y = place(each)
        drawn.append(
            f'<ellipse class="area c{_colour(languages, each)}" cx="{x:.1f}" cy="{y:.1f}" '
            f'rx="{each["semi_major"] * scale:.1f}" ry="{each["semi_minor"] * scale:.1f}" '
            f'transform="rotate({-each["angle_degrees"]:.1f} {x:.1f} {y:.1f})"/>'
        )
    for each in shown:
        if each["kind"] == "task":
            x, y = place(each)
            drawn.append(f'<circle class="c{_colour(languages, each)}" cx="{x:.1f}" cy="{y:.1f}" r="2"/>')
    tasks = sum(each["kind"] == "task" for each in points)
    said = f"{tasks:,} sentences of the task as dots, {len(ellipses)} ellipses of the text of pretraining"
    svg = _svg(title, said, "".join(drawn), size, size)
    html = f"<figure><figcaption>{escape(title)}: {said}</figcaption>{_key(languages, first=1)}{svg}</figure>"
    return Figure(name, title, svg, html, _numbered(languages, first=1))


def _colour(languages: Sequence[str], each: Mapping[str, Any]) -> int:
    return 1 + languages.index(each["language"]) % (COLOURS - 1)


def _svg(title: str, description: str, content: str, width: float, height: float, *, focus: bool = False) -> str:
    """A drawing whose text says what it shows; `focus`: keys move over it."""
    label = escape(f"{title}. {description}")
    keys = ' tabindex="0" class="plot"' if focus else ""
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}"{keys}>{content}</svg>'


def _padded(low: float, high: float, *, logarithmic: bool) -> tuple[float, float]:
    """Ends of the upward axis, with some air."""
    if logarithmic:
        air = (high / low) ** 0.04
        return low / air, high * air
    air = max(0.05 * (high - low), 0.01 * abs(high)) or 1.0
    return low - air, high + air


def _ticks(low: float, high: float, *, logarithmic: bool = False, least_step: float = 0.0) -> list[float]:
    """Round numbers between two ends, about five."""
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        values = [digit * 10.0**power for power in powers for digit in (1, 2, 3, 5)]
        return [value for value in values if low <= value <= high]
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(least_step, next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough))
    return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _horizontal(low: float, high: float, up: Any, *, logarithmic: bool) -> Iterator[str]:
    ticks = _ticks(low, high, logarithmic=logarithmic)
    digits = 0 if logarithmic or len(ticks) < 2 else max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    for value in ticks:
        y = up(value)
        text = number_text(value) if logarithmic else f"{value:,.{digits}f}"
        yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{text}</text>'


def _vertical(low: float, high: float, across: Any) -> Iterator[str]:
    yield f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BOTTOM}" y2="{_BOTTOM}"/>'
    for value in _ticks(low, high, least_step=1) if high > low else [low]:
        yield f'<text x="{across(value):.1f}" y="{_BOTTOM + 18}">{value:,.0f}</text>'


def number_text(value: float) -> str:
    """Three significant digits, no exponent for what people read as it is."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _known(value: float | None) -> str:
    return "–" if value is None else number_text(value)


def _dash(place: int) -> str:
    return _DASHES[place % len(_DASHES)]


def _sample(place: int) -> str:
    return (
        '<svg viewBox="0 0 32 10" aria-hidden="true">'
        f'<line class="line c{place % COLOURS}" x1="0" x2="32" y1="5" y2="5" stroke-dasharray="{_dash(place)}"/></svg>'
    )


def _legend(groups: Sequence[str]) -> str:
    buttons = "".join(
        f'<li><button type="button" aria-pressed="true" disabled data-group="{escape(group)}">{_sample(place)}'
        f"{escape(group)}</button></li>"
        for place, group in enumerate(groups)
    )
    return f'<ul class="legend" aria-label="Show or hide">{buttons}</ul>'


def _numbered(names: Sequence[str], *, first: int = 0) -> tuple[tuple[str, int], ...]:
    """Names with the numbers of their colours."""
    return tuple((name, (place + first) % COLOURS) for place, name in enumerate(names))


def _key(names: Sequence[str], *, first: int = 0) -> str:
    """What the colours stand for, where nothing can be hidden."""
    shown = "".join(
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true" style="width:.8rem">'
        f'<rect class="c{colour}" width="10" height="10"/></svg> {escape(name)}</li>'
        for name, colour in _numbered(names, first=first)
    )
    return f'<ul class="legend">{shown}</ul>'


def _series_record(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "group": series.group,
        "x": [x for x, _ in series.points],
        "y": [float(_rounded(y)) for _, y in series.points],
    }


def _rounded(value: float) -> str:
    return f"{value:.4g}"


def _json(value: Any) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
