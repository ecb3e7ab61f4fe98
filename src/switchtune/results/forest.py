"""Differences from the baseline with their intervals and decisions: a forest plot, as numbers and as a figure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from switchtune.results.drawing import PALETTE, label, panels
from switchtune.results.text import SHARES, marked, signed, unit
from switchtune.scoring.significance import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Decision: TypeAlias = Literal["better", "worse", "undecided", "not"]
"""The first word of an answer."""

_COLOURS: Mapping[Decision, str] = {"better": "green", "worse": "red", "undecided": "ink", "not": "s0"}
_MARGIN = 0.06
"""Of the axis at both ends, so that what stands there is whole."""
_LEAST = 0.5
"""How far an axis goes at least, in BLEU, points of accuracy and the like: less is nothing to look at."""


@dataclass(frozen=True)
class Effect:
    """What an arm is better by than the baseline on one test set, by one metric."""

    arm: str  # for people
    test: str  # what was tested, for people: "German → English"
    comparison: Comparison
    of_seeds: tuple[float, ...] = ()  # the difference of each seed

    @property
    def decision(self) -> Decision:
        """The decision about it."""
        return self.comparison.answer.split()[0]  # type: ignore[return-value]


def seed_differences(baseline: Sequence[float], arm: Sequence[float]) -> tuple[float, ...]:
    """The difference of each seed, paired in their order; a system of one score (outputs that are given) goes with all.

    None where there are other numbers of them.
    """
    seeds = max(len(baseline), len(arm))
    both = [[*values] * seeds if len(values) == 1 else values for values in (baseline, arm)]
    if {len(values) for values in both} != {seeds}:
        return ()
    return tuple(after - before for before, after in zip(*both, strict=True))


@dataclass(frozen=True)
class Forest:
    """Effects by one metric, in one unit and on one axis."""

    effects: tuple[Effect, ...]

    @property
    def metric(self) -> str:
        return self.effects[0].comparison.metric

    @property
    def unit(self) -> str:
        """What differences are counted in."""
        return unit(self.effects[0].comparison)

    @property
    def groups(self) -> dict[str, list[Effect]]:
        """The effects of each arm."""
        arms = dict.fromkeys(effect.arm for effect in self.effects)
        return {arm: [effect for effect in self.effects if effect.arm == arm] for arm in arms}

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Where the axis has numbers, 0 among them, and as what they are written.

        What cannot be compared does not stretch it.
        """
        from matplotlib.ticker import MaxNLocator

        shown = [each for each in self.effects if each.decision != "not"] or self.effects
        values = [0.0, *(end for each in shown for end in (*each.comparison.interval, *each.of_seeds))]
        if max(values) - min(values) < _LEAST / self.scale:
            values += [-_LEAST / self.scale, _LEAST / self.scale]
        places = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(min(values), max(values))
        step = (places[1] - places[0]) * self.scale
        digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
        return [(float(place), _tick(place * self.scale, digits)) for place in places]

    @property
    def limits(self) -> tuple[float, float]:
        """Where the axis begins and ends."""
        first, *_, last = (place for place, _ in self.ticks)
        margin = _MARGIN * (last - first)
        return first - margin, last + margin

    @property
    def scale(self) -> int:
        """What a difference is multiplied by to be in its unit."""
        return 100 if self.metric in SHARES else 1


def _tick(value: float, digits: int) -> str:
    return "0" if abs(value) < 1e-9 else signed(value, digits)


def forests(effects: Iterable[Effect]) -> list[Forest]:
    """One a metric, in the order in which the metrics come."""
    by_metric: dict[str, list[Effect]] = {}
    for effect in effects:
        by_metric.setdefault(effect.comparison.metric, []).append(effect)
    return [Forest(tuple(each)) for each in by_metric.values()]


def draw_forest(forest: Forest, *, title: str, baseline: str) -> "Figure":
    """A line an effect: its interval, its seeds as small dots, its size; filled and coloured where it is decided."""
    several = len(forest.groups) > 1
    lines: list[tuple[str, Effect | None]] = []
    for arm, effects in forest.groups.items():
        tests = len({effect.test for effect in forest.effects}) > 1
        lines += [(arm, None)] if tests and several else []
        lines += [(f"{effect.test}" if tests else arm, effect) for effect in effects]
    figure, ((axes,),) = panels(1, 1, width=7, height=1.3 + 0.3 * len(lines))
    for row, (_, effect) in enumerate(lines):
        if effect is None:
            continue
        found, colour = effect.comparison, PALETTE[_COLOURS[effect.decision]]
        decided = effect.decision in ("better", "worse")
        axes.hlines(row, *found.interval, color=colour, linewidth=2.2 if decided else 1.2)
        axes.scatter(effect.of_seeds, [row - 0.28] * len(effect.of_seeds), s=9, color=PALETTE["s0"], linewidths=0)
        filled = colour if decided else PALETTE["paper"]
        axes.scatter([found.difference], [row], s=34, facecolor=filled, edgecolor=colour, zorder=3)
        axes.annotate(marked(found), (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    axes.axvline(0, color=PALETTE["ink"], linewidth=1, zorder=0)
    axes.set_yticks(range(len(lines)), [label(name) for name, _ in lines])
    for tick, (_, effect) in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("normal" if effect else "bold")
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xticks(*zip(*forest.ticks, strict=True))
    axes.set_xlim(*forest.limits)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(label(f"difference from {baseline}, {forest.unit}; bars: 95 % intervals; small dots: seeds"))
    axes.set_title(label(title))
    return figure
