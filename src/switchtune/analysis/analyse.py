"""All analyses of a run: each writes a JSON file and a figure of it into the run's `analysis/`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from switchtune.analysis.cases import cases_record
from switchtune.analysis.cost import cost_record
from switchtune.analysis.distance import distance_record
from switchtune.analysis.dynamics import dynamics_record
from switchtune.analysis.frequency import frequency_record
from switchtune.analysis.projection import Method, projection_record
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import read_json
from switchtune.results.drawing import write_figure
from switchtune.results.figures import draw_cost, draw_distance, draw_dynamics, draw_frequency, draw_projection
from switchtune.results.records import ANALYSIS_RECORDS
from switchtune.run_dir import claim_folder, edit_warning, write_sealed
from switchtune.runs.folder import Run, open_run
from switchtune.scoring.word_accuracy import FREQUENCIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Analysis: TypeAlias = Literal["distance", "frequency", "projection", "dynamics", "cost", "cases"]

ANALYSES: tuple[Analysis, ...] = ("distance", "frequency", "projection", "dynamics", "cost", "cases")
"""In the order in which they are made: the dynamics take the distances from their file."""


@dataclass(frozen=True)
class AnalysisSettings:
    """What the analyses can be told."""

    multiway: str | None = None
    """Files of the same sentences in every language, with an asterisk where they have the language's code: distances
    are measured on them too."""
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Sentences of the pretraining by language, for the projection's ellipses."""
    method: Method = "pca"
    """How the projection finds its plane."""
    seed: int = 1
    """Of t-SNE."""
    distance_sentences: int = 2000
    """Pairs whose distance is measured, at most."""
    projection_sentences: int = 300
    """Sentences of each text and each side that are projected, at most."""
    buckets: tuple[int, ...] = FREQUENCIES
    """Where a bucket of word frequencies ends and the next begins; below the first a word is rare."""
    cases: int = 20
    """Sentences shown for two systems, at most."""


@dataclass(frozen=True)
class Analysed:
    """What was written, and what was not there to be analysed."""

    files: tuple[Path, ...]
    missing: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"files": [str(path) for path in self.files], "missing": list(self.missing)}


def analyse(
    folder: Path,
    what: Sequence[Analysis] = ANALYSES,
    settings: AnalysisSettings | None = None,
    *,
    on_event: OnEvent = lambda event: None,
) -> Analysed:
    """Analyse what is there of a run, finished or not, and write `analysis/<what>.json`, .svg and .png.

    Raises:
        UsageError: no run is there, its `analysis/` holds files of others, a name is unknown, or what an analysis is
            told does not fit.
    """
    unknown = [name for name in what if name not in ANALYSES]
    if unknown:
        raise UsageError(f"--what {unknown[0]}: choose from {', '.join(ANALYSES)}.")
    run = open_run(folder)
    out = folder / "analysis"
    claim_folder(out, "analyse", option="", remedy="Analyses are written here: move it away.")
    files: list[Path] = []
    missing: list[str] = []
    for name in (name for name in ANALYSES if name in what):
        on_event(Event(folder.name, name))
        measured = out / "distance.json"
        if name == "dynamics" and measured.exists() and (warning := edit_warning(measured, "analyse")):
            missing.append(f"{name}: {warning}")
        record = _record(name, run, settings or AnalysisSettings(), out, on_event)
        write_sealed(out / f"{name}.json", record)
        files.append(out / f"{name}.json")
        if name in _DRAW:
            files += write_figure(out / name, partial(_DRAW[name], record))
        missing += [f"{name}: {line}" for line in record["missing"]]
    return Analysed(tuple(files), tuple(missing))


_DRAW: Mapping[Analysis, "Callable[[Mapping[str, Any]], Figure | None]"] = {
    "distance": draw_distance,
    "frequency": draw_frequency,
    "projection": draw_projection,
    "dynamics": draw_dynamics,
    "cost": draw_cost,
}


def _record(name: Analysis, run: Run, settings: AnalysisSettings, out: Path, on_event: OnEvent) -> dict[str, Any]:
    if name == "distance":
        return distance_record(run, multiway=settings.multiway, limit=settings.distance_sentences, on_event=on_event)
    if name == "frequency":
        return frequency_record(run, settings.buckets)
    if name == "projection":
        return projection_record(
            run,
            settings.texts,
            method=settings.method,
            limit=settings.projection_sentences,
            seed=settings.seed,
            on_event=on_event,
        )
    if name == "dynamics":
        path, remedy = out / "distance.json", "`switchtune analyse RUN --what distance` makes it again."
        distances = read_json(path, ANALYSIS_RECORDS["distance"], remedy=remedy) if path.exists() else None
        return dynamics_record(run, distances, on_event=on_event)
    if name == "cost":
        return cost_record(run)
    return cases_record(run, rare_below=settings.buckets[0], limit=settings.cases)
