"""Runs as one HTML page that needs nothing else: what came out, how sure that is, and all that led there."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.report.about import differing_settings, facts, question, tried
from switchtune.report.curves import size_panels
from switchtune.report.differences import differences
from switchtune.report.headline import headline
from switchtune.report.html import render
from switchtune.report.panel import Asked, plain_name
from switchtune.report.parts import parts_of
from switchtune.report.scores import scores_panels
from switchtune.results.drawing import Drawing
from switchtune.results.records import ANALYSIS_RECORDS
from switchtune.runs.run_files import RunFiles, read_run

MOST_BYTES = 5_000_000
"""Of a whole page."""


@dataclass(frozen=True)
class RunPage:
    """A page of one run or several."""

    html: str
    drawings: tuple[Drawing, ...]
    warnings: tuple[str, ...]
    """What a reader is to know before the scores; it also stands on the page."""


def run_page(folders: Sequence[Path]) -> RunPage:
    """The report of runs, finished or not: one HTML page below 5 MB that asks for nothing from outside.

    Runs of the same test sets stand in one table; scores of different test sets are not set beside each other.

    Raises:
        UsageError: a folder holds no run, or is named twice.
        SwitchtuneError: the page would be too large.
    """
    if len({os.path.realpath(folder) for folder in folders}) < len(folders):
        raise UsageError("A run is named twice.")
    read = [read_run(folder) for folder in folders]
    names = Counter(run.name for run in read)
    # Runs whose folders have the same name are called by their whole paths.
    runs = [run if names[run.name] == 1 else replace(run, name=str(run.folder)) for run in read]
    different = different_tests(runs)
    warnings = (*(text for run in runs for text in run.warnings), *different)
    room = (MOST_BYTES - 1_000_000) // len(runs)
    shown, drawings = [], []
    for number, run in enumerate(runs, start=1):
        prefix = f"run{number}-{plain_name(run.name)}-" if len(runs) > 1 else ""
        unmade = [] if run.inference else [name for name in ANALYSIS_RECORDS if name not in run.analyses]
        parts = parts_of(Asked(run, prefix, room))
        drawings += [drawing for part in parts for panel in part.panels for drawing in panel.drawings]
        of_arms = differences([run], prefix)
        drawings += [each.drawing for each in of_arms]
        about = {
            "run": run,
            "title": run.name,
            "question": question(run),
            "tried": tried(run),
            "facts": list(facts(run)),
        }
        answer = {"headline": headline(run), "differences": of_arms}
        shown.append({**about, **answer, "prefix": prefix, "parts": parts, "unmade": unmade})
    together = differences(runs, "all-") if len(runs) > 1 else []
    sizes = list(size_panels(runs, "all-")) if len(runs) > 1 and not different else []
    drawings += [each.drawing for each in together]
    drawings += [drawing for panel in sizes for drawing in panel.drawings]
    html = render(
        "run.html",
        title=f"switchtune: {', '.join(run.name for run in runs)}",
        runs=shown,
        warnings=warnings,
        together=together,
        sizes=sizes,
        settings=list(differing_settings([run.settings for run in runs])),
        side_by_side=[] if different else scores_panels(runs),
    )
    if len(html.encode()) >= MOST_BYTES:
        raise SwitchtuneError(
            f"The page would be {len(html.encode()) / 1e6:.1f} MB, and {MOST_BYTES / 1e6:g} MB is the limit: report "
            "fewer runs at a time."
        )
    return RunPage(html, tuple(drawings), warnings)


def different_tests(runs: Sequence[RunFiles]) -> list[str]:
    """Which runs cannot be compared, since they were tested on different sentences, or on pairs of their own."""
    sentences = []
    for first, second in combinations(runs, 2):
        names, end = f"{first.name} and {second.name}", "their scores are not compared."
        pairs = [{row["pair"] for row in run.rows if "pair" in row} for run in (first, second)]
        tests = {pair: {run.test_set(pair) for run in (first, second)} for pair in sorted(pairs[0] & pairs[1])}
        unknown = ", ".join(pair for pair, each in tests.items() if None in each)
        differing = ", ".join(pair for pair, each in tests.items() if len(each) > 1 and None not in each)
        if all(pairs) and not tests:
            sentences.append(f"{names} have no language pair in common; {end}")
        elif differing:
            sentences.append(f"{names} have different test sets for {differing}; {end}")
        elif unknown:
            sentences.append(
                f"Whether {names} have the same test set for {unknown} is not known (no manifest.json); {end}"
            )
    return sentences
