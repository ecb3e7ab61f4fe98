"""The losses of a stage over its updates, in a file that people plot."""

import json
from pathlib import Path

from switchtune.run_dir import write_text


class Curve:
    """`curve.jsonl`: an entry a line, appended as they come.

    Training entries have `update`, `loss`, `nll` (means per target token since the last such entry), `learning_rate`,
    `tokens` and `seconds` (both since the start of the stage); validation entries `update`, `valid_nll` and `seconds`.
    """

    def __init__(self, path: Path, *, until: int | None, writes: bool = True) -> None:
        """Go on after the entries up to the update `until`, or start anew where it is None."""
        self._path = path
        self._writes = writes
        known = read_curve(path) if until is not None and path.exists() else []
        self.entries = [entry for entry in known if until is not None and entry["update"] <= until]
        if writes:
            write_text(path, "".join(_line(entry) for entry in self.entries))

    def add(self, entry: dict[str, float]) -> None:
        """Append an entry."""
        self.entries.append(entry)
        if self._writes:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(_line(entry))

    @property
    def seconds(self) -> float:
        """Wall time up to the last entry."""
        return self.entries[-1]["seconds"] if self.entries else 0.0

    @property
    def tokens(self) -> int:
        """Target tokens trained on up to the last entry."""
        return int(max((entry["tokens"] for entry in self.entries if "tokens" in entry), default=0))

    @property
    def valid_nll(self) -> tuple[tuple[int, float], ...]:
        """(update, validation loss) of every evaluation."""
        return tuple((int(entry["update"]), entry["valid_nll"]) for entry in self.entries if "valid_nll" in entry)

    def recent_mean(self, name: str) -> float:
        """Mean of a training loss over the entries of the last tenth of the updates."""
        entries = [entry for entry in self.entries if name in entry]
        recent = [entry[name] for entry in entries if entry["update"] > 0.9 * entries[-1]["update"]]
        return sum(recent) / len(recent)


def read_curve(path: Path) -> list[dict[str, float]]:
    """The entries of a `curve.jsonl`, as far as they are whole: a kill may have cut the last line short."""
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            break
    return entries


def _line(entry: dict[str, float]) -> str:
    return json.dumps(entry) + "\n"
