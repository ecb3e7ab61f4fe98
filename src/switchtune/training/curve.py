"""What a training measures over its updates, in a file that people plot and that a resumed training goes on from."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import NotRequired

from switchtune.config.base import Count, Finite, list_of, object_of, with_others
from switchtune.files import content_of, naming, parse_json, write_text

CURVE_FILE = "metrics.jsonl"


def of_set(measure: str, name: str) -> str:
    """What the curve calls a measure of one of several validation sets."""
    return f"{measure} {name}"


_FIGURES = (
    *("loss", "nll", "learning_rate", "tokens_per_second", "padding", "memory_gb", "kilowatt_hours"),
    *("valid_nll", "valid_chrf", "valid_accuracy"),
)
_ENTRY: TypeAdapter[dict[str, Any]] = TypeAdapter(
    with_others(
        object_of(
            stage=str,
            update=Count,
            seconds=Finite,
            sums=NotRequired[list_of(list_of(Finite))],
            **dict.fromkeys(("tokens", "skipped", "too_large"), NotRequired[Count]),
            **dict.fromkeys(_FIGURES, NotRequired[Finite]),
        )
    )
)


@dataclass(frozen=True, slots=True)
class StageLog:
    """Where a stage writes what it measures: in one file with the stages before it and their updates."""

    path: Path
    stage: str
    updates_before: int = 0


class Curve:
    """The part of one stage in `metrics.jsonl`: an entry a line, appended as they come.

    All entries have `stage`, `update` (over all stages; in memory of this one), `seconds` (of the stage), `memory_gb`
    (the peak of process 0: of its GPU's memory, or on a CPU of its own), and where it is counted `kilowatt_hours` (of
    process 0's GPU, or of all processors). Training entries have besides `loss` and `nll` (means per target token since
    the last such entry), `learning_rate`, `tokens` (target tokens since the stage's start), `tokens_per_second` and
    `padding` (share of positions); validation entries have `valid_nll`, where there are several sets that of each too
    (`valid_nll de-en`), and where it is measured `valid_chrf`.

    For a resumed training there are entries with `sums` (of each process since the last training entry), `skipped` (an
    update was left out) and `too_large` (padded tokens of a part that did not fit into memory).
    """

    def __init__(self, log: StageLog, *, until: int | None, writes: bool = True) -> None:
        """Go on after the stage's entries up to the update `until`, or start it anew (None); drop later stages."""
        self._log = log
        self._writes = writes
        known = read_metrics(log.path) if log.path.exists() else []
        before = [entry for entry in known if entry["stage"] != log.stage and entry["update"] <= log.updates_before]
        own = ({**entry, "update": entry["update"] - log.updates_before} for entry in known)
        self.entries = [
            entry for entry in own if until is not None and entry["stage"] == log.stage and entry["update"] <= until
        ]
        if writes:
            write_text(log.path, "".join(map(_line, [*before, *map(self._over_all_stages, self.entries)])))

    def add(self, entry: dict[str, Any]) -> None:
        self.entries.append({"stage": self._log.stage, **entry})
        if self._writes:
            with naming(self._log.path), self._log.path.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(_line(self._over_all_stages(self.entries[-1])))

    def _over_all_stages(self, entry: dict[str, Any]) -> dict[str, Any]:
        return {**entry, "update": entry["update"] + self._log.updates_before}

    @property
    def seconds(self) -> float:
        return float(self.entries[-1]["seconds"]) if self.entries else 0.0

    @property
    def kilowatt_hours(self) -> float | None:
        """Energy up to the last entry; None where there are entries and it was not counted."""
        return self.entries[-1].get("kilowatt_hours") if self.entries else 0.0

    @property
    def tokens(self) -> int:
        return int(max((entry["tokens"] for entry in self.entries if "tokens" in entry), default=0))

    def measured(self, name: str) -> tuple[tuple[int, float], ...]:
        """(update, value) of every entry that has a value of this name."""
        return tuple((entry["update"], entry[name]) for entry in self.entries if name in entry)

    @property
    def skipped(self) -> tuple[int, ...]:
        return tuple(int(entry["update"]) for entry in self.entries if "skipped" in entry)

    @property
    def too_large(self) -> float:
        """Padded tokens of the smallest part that did not fit into memory; infinite where all did."""
        return min((entry["too_large"] for entry in self.entries if "too_large" in entry), default=math.inf)

    def sums(self, update: int) -> list[list[float]]:
        return next((e["sums"] for e in self.entries if e["update"] == update and "sums" in e), [])

    def recent_mean(self, name: str) -> float:
        """Mean of a training loss over the entries of the last tenth of the updates; NaN where there is none."""
        measured = self.measured(name)
        if not measured:
            return math.nan
        recent = [value for update, value in measured if update > 0.9 * measured[-1][0]]
        return sum(recent) / len(recent)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The entries of a `metrics.jsonl`, without a last line that a kill cut short; an error names the line."""
    lines = content_of(path).split(b"\n")
    last = lines[-1]
    if not last or (last.startswith(b"{") and not last.endswith(b"}")):
        lines.pop()
    remedy = f"Fix the line, or remove {path.parent}: the same command then trains again what is in it."
    return [parse_json(line, _ENTRY, f"{path}:{number}", remedy=remedy) for number, line in enumerate(lines, 1)]


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry) + "\n"
