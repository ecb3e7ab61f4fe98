"""All analyses of a run: each writes a JSON file and a figure of it into the run's `analysis/`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from switchtune.analysis.cases import cases_record
from switchtune.analysis.cost import cost_record
from switchtune.analysis.distance import distance_record
from switchtune.analysis.dynamics import dynamics_record
from switchtune.analysis.frequency import frequency_record
from switchtune.analysis.length import length_record
from switchtune.analysis.projection import Method, projection_record
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import read_json
from switchtune.models.states import LastToken
from switchtune.results.drawing import boxes_text, write_figure
from switchtune.results.figures import (
    draw_cost,
    draw_distance,
    draw_dynamics,
    draw_frequency,
    draw_length,
    draw_projection,
)
from switchtune.results.records import ANALYSIS_RECORDS
from switchtune.run_dir import claim_folder, edit_warning, write_sealed
from switchtune.runs.folder import Run, open_run
from switchtune.scoring.word_accuracy import FREQUENCIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Analysis: TypeAlias = Literal["distance", "frequency", "length", "projection", "dynamics", "cost", "cases"]
ANALYSES: tuple[Analysis, ...] = get_args(Analysis)
"""In the order in which they are made: the dynamics take the distances from their file."""


@dataclass(frozen=True)
class AnalysisSettings:
    """What the analyses can be told."""

    multiway: str | None = None  # files in every language, as of `distance_record`: distances are measured on them too
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of pretraining, by language: for the ellipses
    method: Method = "pca"  # how the projection finds its plane
    seed: int = 1  # of t-SNE
    distance_sentences: int = 2000  # pairs whose distance is measured, at most
    distance_token: LastToken = "piece"  # whose state stands for its sentence
    projection_sentences: int = 300  # of each text and each side, at most
    buckets: tuple[int, ...] = FREQUENCIES  # where the second bucket of words begins, and so on; below the first: rare
    cases: int = 20  # sentences shown for two systems, at most


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
    run, told = open_run(folder), settings or AnalysisSettings()
    out = folder / "analysis"
    claim_folder(out, "analyse", option="", remedy="Analyses are written here: move it away.")
    files: list[Path] = []
    missing: list[str] = []
    measured = out / "distance.json"
    makers: Mapping[Analysis, Callable[[], dict[str, Any]]] = {
        "distance": lambda: distance_record(
            run, multiway=told.multiway, limit=told.distance_sentences, at=told.distance_token, on_event=on_event
        ),
        "frequency": lambda: frequency_record(run, told.buckets),
        "length": lambda: length_record(run),
        "projection": lambda: projection_record(
            run, told.texts, method=told.method, limit=told.projection_sentences, seed=told.seed, on_event=on_event
        ),
        "dynamics": lambda: _dynamics(run, measured, on_event),
        "cost": lambda: cost_record(run),
        "cases": lambda: cases_record(run, rare_below=told.buckets[0], limit=told.cases),
    }
    for name in (name for name in ANALYSES if name in what):
        on_event(Event(folder.name, name))
        if name == "dynamics" and measured.exists() and (warning := edit_warning(measured, "analyse")):
            missing.append(f"{name}: {warning}")
        record = makers[name]()
        write_sealed(out / f"{name}.json", record)
        files.append(out / f"{name}.json")
        if name in _DRAW:
            letters: list[str] = []
            files += write_figure(out / name, partial(_DRAW[name], record), on_missing=letters.append)
            missing += [f"{name}: {boxes_text(each)}" for each in letters]
        missing += [f"{name}: {line}" for line in record["missing"]]
    return Analysed(tuple(files), tuple(missing))


def _dynamics(run: Run, measured: Path, on_event: OnEvent) -> dict[str, Any]:
    remedy = "`switchtune analyse RUN --what distance` makes it again."
    distances = read_json(measured, ANALYSIS_RECORDS["distance"], remedy=remedy) if measured.exists() else None
    return dynamics_record(run, distances, on_event=on_event)


_DRAW: Mapping[Analysis, "Callable[[Mapping[str, Any]], Figure | None]"] = {
    "distance": draw_distance,
    "frequency": draw_frequency,
    "length": draw_length,
    "projection": draw_projection,
    "dynamics": draw_dynamics,
    "cost": draw_cost,
}
