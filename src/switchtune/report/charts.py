"""Charts of lines that a reader of the page can hide, and read by pointer and keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from switchtune.results.drawing import Drawing, Series, is_logarithmic, limits
from switchtune.results.figures import PLOT, draw_chart


@dataclass(frozen=True)
class Chart:
    """Lines over whole numbers."""

    name: str
    """As a drawing's."""
    title: str
    axis: str
    """What goes from left to right: "update"."""
    unit: str
    """What goes upwards, with its unit."""
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
