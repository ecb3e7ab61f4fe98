"""All analyses of a run: each writes a JSON file and a figure of it into the run's `analysis/`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from switchtune.analysis.cases import cases_record
from switchtune.analysis.cost import cost_record
from switchtune.analysis.distance import distance_record
from switchtune.analysis.dynamics import dynamics_record
from switchtune.analysis.frequency import frequency_record
from switchtune.analysis.projection import Method, projection_record
from switchtune.analysis.run import Run, open_run
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import claim_folder, read_json
from switchtune.results.figures import (
    EXTRA,
    draw_cost,
    draw_distance,
    draw_dynamics,
    draw_frequency,
    draw_projection,
    write_figure,
)
from switchtune.results.records import ANALYSIS_RECORDS
from switchtune.run_dir import edit_warning, write_sealed
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
    hint: str | None
    """What to install for the figures; None where they are written."""

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"files": [str(path) for path in self.files], "missing": list(self.missing), "hint": self.hint}


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
    settings = settings or AnalysisSettings()
    run = open_run(folder)
    out = folder / "analysis"
    claim_folder(out, "analyse", option="", remedy="Analyses are written here: move it away.")
    files: list[Path] = []
    missing: list[str] = []
    figures: list[tuple[Path, Callable[[Mapping[str, Any]], Figure | None], Mapping[str, Any]]] = []
    for name in ANALYSES:
        if name not in what:
            continue
        on_event(Event(folder.name, name))
        measured = out / "distance.json"
        if name == "dynamics" and measured.exists() and (warning := edit_warning(measured, "analyse")):
            missing.append(f"{name}: {warning}")
        record = _record(name, run, settings, out, on_event)
        write_sealed(out / f"{name}.json", record)
        files.append(out / f"{name}.json")
        missing += [f"{name}: {line}" for line in record["missing"]]
        if name in _DRAW:
            figures.append((out / name, _DRAW[name], record))
    hint = None
    try:
        for path, draw, content in figures:
            files += write_figure(path, draw, content)
    except ImportError:
        hint = f"No figures: matplotlib is not installed. {EXTRA}, then analyse again."
    return Analysed(tuple(files), tuple(missing), hint)


_DRAW: Mapping[Analysis, "Callable[[Mapping[str, Any]], Figure | None]"] = {
    "distance": draw_distance,
    "frequency": draw_frequency,
    "projection": draw_projection,
    "dynamics": draw_dynamics,
    "cost": draw_cost,
}


def _record(name: Analysis, run: Run, settings: AnalysisSettings, out: Path, on_event: OnEvent) -> dict[str, Any]:
    distances, kind = out / "distance.json", ANALYSIS_RECORDS["distance"]
    remedy = "`switchtune analyse RUN --what distance` makes it again."
    make: Mapping[Analysis, Callable[[], dict[str, Any]]] = {
        "distance": lambda: distance_record(
            run, multiway=settings.multiway, limit=settings.distance_sentences, on_event=on_event
        ),
        "frequency": lambda: frequency_record(run, settings.buckets),
        "projection": lambda: projection_record(
            run,
            settings.texts,
            method=settings.method,
            limit=settings.projection_sentences,
            seed=settings.seed,
            on_event=on_event,
        ),
        "dynamics": lambda: dynamics_record(
            run, read_json(distances, kind, remedy=remedy) if distances.exists() else None, on_event=on_event
        ),
        "cost": lambda: cost_record(run),
        "cases": lambda: cases_record(run, rare_below=settings.buckets[0], limit=settings.cases),
    }
    return make[name]()
