"""A run made again from what it noted down: what is otherwise today, and whether the same scores come out."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from switchtune.config.inference import NliConfig
from switchtune.config.run import RunConfig
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import content_of, read_json, write_text
from switchtune.results.comparison import metrics_record
from switchtune.results.records import MANIFEST_RECORD, METRICS_RECORD, SCORES
from switchtune.results.text import score_text, signed
from switchtune.run_dir import edit_warning
from switchtune.runs.experiment import run_experiment
from switchtune.runs.folder import run_config
from switchtune.runs.manifest import Difference, differences
from switchtune.runs.paths import MANIFEST, METRICS_FILE, lexicon_folder

_REMEDY = "The same `switchtune run` makes it again."


@dataclass(frozen=True)
class Past:
    """A finished run as it noted itself down, and what of it is otherwise today."""

    folder: Path
    config: RunConfig | NliConfig
    metrics: Mapping[str, Any]
    exact: bool
    """Whether trainings on its machine come to the same scores time and again."""
    differences: tuple[Difference, ...]

    @property
    def missing(self) -> list[Difference]:
        """What it cannot be run without."""
        return [each for each in self.differences if not each.now and each.is_input]

    @property
    def expects_the_same(self) -> bool:
        return self.exact and not self.differences

    @property
    def expectation(self) -> str:
        """What is to be expected of the scores, a sentence."""
        if self.expects_the_same:
            return "Nothing has changed: the scores are expected to be the same, to the last digit."
        if not self.differences:
            return "Nothing has changed, but on a GPU the scores may differ by chance, as those of another seed do."
        return f"{len(self.differences):,} things have changed: the scores may differ."


@dataclass(frozen=True)
class Again:
    """A score of the run, mean over its seeds, and the same of its reproduction."""

    test: str
    arm: str
    metric: str
    then: float
    now: float
    same: bool
    """Whether the scores of all seeds are the same."""
    chance: float | None
    """How far two trainings may lie apart by chance: half of the widest 95 % interval of a difference by this metric on
    this test set, as the run found it; None where it compared nothing."""

    @property
    def within_chance(self) -> bool:
        return self.same or (self.chance is not None and abs(self.now - self.then) <= self.chance)

    def describe(self) -> str:
        scores = " → ".join(score_text(self.metric, value) for value in (self.then, self.now))
        chance = "" if self.chance is None else f"; by chance up to {score_text(self.metric, self.chance)}"
        answer = "the same" if self.same else f"{signed(self.now - self.then, 4)}{chance}"
        return f"{self.test} {self.arm}: {self.metric} {scores} ({answer})"


@dataclass(frozen=True)
class Reproduced:
    """How a run came out when it was made again."""

    past: Past
    scores: tuple[Again, ...]

    @property
    def same(self) -> bool:
        return all(each.same for each in self.scores)

    @property
    def holds(self) -> bool:
        """Whether the scores are what they may be: the same, or where anything differs the same up to chance."""
        return self.same or (not self.past.expects_the_same and all(each.within_chance for each in self.scores))

    @property
    def verdict(self) -> str:
        if self.same:
            return f"reproduced: all {len(self.scores):,} scores are the same"
        if self.holds:
            return "reproduced up to chance: no score is farther from the earlier one than two trainings may be"
        if self.past.expects_the_same:
            return "not reproduced: nothing in the manifest has changed, and yet scores differ"
        return "not reproduced: scores differ by more than chance, or by what no comparison of the run can judge"

    def record(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "differences": [asdict(each) for each in self.past.differences],
            "scores": [asdict(each) for each in self.scores],
            "same": self.same,
            "holds": self.holds,
        }


def read_past(folder: Path, on_event: OnEvent) -> Past:
    """A run's notes, compared with what is there today.

    Raises UsageError where there is no run, or one that is not finished.
    """
    config = run_config(folder)
    for name in (MANIFEST, METRICS_FILE):
        if not (folder / name).is_file():
            raise UsageError(
                f"{folder}: {name} is missing: the run is not finished. The same `switchtune run` goes on."
            )
        if said := edit_warning(folder / name, "run"):
            on_event(Event("reproduce", said))
    manifest = read_json(folder / MANIFEST, MANIFEST_RECORD, remedy=_REMEDY)
    if "files" not in manifest:
        on_event(
            Event("reproduce", f"{folder / MANIFEST}: of an earlier version, without hashes of files and precision")
        )
    metrics = read_json(folder / METRICS_FILE, METRICS_RECORD, remedy=_REMEDY)
    exact = manifest.get("repeatable", "exactly") == "exactly"
    return Past(folder, config, metrics, exact, tuple(differences(manifest, config, folder)))


def reproduce(past: Past, out: Path, on_event: OnEvent) -> Reproduced:
    """Run again into another folder what a run did, with the edits by hand of its lexicons, and compare the scores.

    Raises SwitchtuneError as `run_experiment` does.
    """
    for edits in sorted(lexicon_folder(past.folder, "").glob("*/*/*.edits.tsv")):
        copied = out / edits.relative_to(past.folder)
        if not copied.exists():
            write_text(copied, content_of(edits).decode())
            on_event(Event("reproduce", f"{edits}: edits by hand, which apply to the lexicon that is built again"))
    summary = run_experiment(past.config, out, on_event=on_event)
    return Reproduced(past, tuple(compared(past.metrics, metrics_record(summary))))


def compared(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Again]:
    """The scores of two records of the same comparison, those of given outputs aside."""
    rows = {(row["pair"], row["arm"]): row for row in now["rows"]}
    for row in then["rows"]:
        other = rows[row["pair"], row["arm"]]
        for key in SCORES:
            if not row.get(key) or key == "in_language" or "outputs" in row:
                continue
            values, others = ([score["value"] for score in each[key]] for each in (row, other))
            metric, chance = row[key][0]["metric"], _chance(then, row["pair"], row[key][0]["metric"])
            yield Again(row["pair"], row["arm"], metric, mean(values), mean(others), values == others, chance)


def _chance(metrics: Mapping[str, Any], pair: str, metric: str) -> float | None:
    comparisons = (
        each
        for row in metrics["rows"]
        if row["pair"] == pair
        for each in (row["against_baseline"], *row.get("by_other_metrics", ()))
        if each is not None and each["metric"] == metric
    )
    return max(((each["interval"][1] - each["interval"][0]) / 2 for each in comparisons), default=None)
