"""Runs as one HTML page that needs nothing else: what came out, how sure that is, and all that led there."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import combinations
from pathlib import Path

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.report.charts import Figure
from switchtune.report.headline import Headline, headline
from switchtune.report.html import items, page, prose, section, tabs
from switchtune.report.parts import MOST_BYTES, Asked, Part, parts_of, scores_html
from switchtune.results.records import ANALYSIS_RECORDS
from switchtune.runs.run_files import RunFiles, read_run

_SIGNS = {"green": "✓", "amber": "~", "red": "✕"}


@dataclass(frozen=True)
class RunPage:
    """A page of one run or several."""

    html: str
    figures: tuple[Figure, ...]
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
    runs = _told_apart([read_run(folder) for folder in folders])
    different = different_tests(runs)
    warnings = [*(text for run in runs for text in run.warnings), *different]
    room = (MOST_BYTES - 500_000) // len(runs)
    made = [(run, parts_of(Asked(run, number, room))) for number, run in enumerate(runs)]
    title = f"switchtune: {', '.join(run.name for run in runs)}"
    blocks = [
        '<a class="skip" href="#results">Skip to the results</a>',
        f"<header><h1>{escape(title)}</h1>{''.join(map(_warning, warnings))}{_headlines(runs)}</header>",
        '<div id="results">',
    ]
    if len(runs) == 1:
        blocks += [_contents(made[0][1]), _run_html(*made[0], number=0)]
    else:
        if not different:
            blocks.append(section("Scores side by side", scores_html(runs), name="side-by-side"))
        panels = [(run.name, _run_html(run, parts, number=number)) for number, (run, parts) in enumerate(made)]
        blocks.append(tabs("runs", "Run", panels))
    html = page(title, "".join([*blocks, "</div>"]))
    if len(html.encode()) >= MOST_BYTES:
        raise SwitchtuneError(
            f"The page would have {len(html.encode()) / 1e6:.1f} MB, and {MOST_BYTES / 1e6:g} MB are the most: report "
            "fewer runs at a time."
        )
    figures = [figure if len(runs) == 1 else _of_run(run, figure) for run, parts in made for figure in _figures(parts)]
    return RunPage(html, tuple(figures), tuple(warnings))


def _told_apart(runs: Sequence[RunFiles]) -> list[RunFiles]:
    """Runs whose folders have the same name are called by their whole paths."""
    counts = Counter(run.name for run in runs)
    return [run if counts[run.name] == 1 else replace(run, name=str(run.folder)) for run in runs]


def different_tests(runs: Sequence[RunFiles]) -> list[str]:
    """Which runs cannot be compared, since they were tested on different sentences, or on pairs of their own."""
    found = []
    for first, second in combinations(runs, 2):
        pairs = [{row["pair"] for row in run.rows if "pair" in row} for run in (first, second)]
        common = sorted(pairs[0] & pairs[1])
        tests = {pair: {run.test_set(pair) for run in (first, second)} for pair in common}
        unknown = [pair for pair, each in tests.items() if None in each]
        differing = [pair for pair, each in tests.items() if len(each) > 1 and None not in each]
        if all(pairs) and not common:
            found.append(
                f"{first.name} and {second.name} have no language pair in common; their scores are not compared."
            )
        elif differing:
            found.append(
                f"{first.name} and {second.name} have different test sets for {', '.join(differing)}; their scores are "
                "not compared."
            )
        elif unknown:
            found.append(
                f"Whether {first.name} and {second.name} have the same test set for {', '.join(unknown)} is not known "
                "(no manifest.json); their scores are not compared."
            )
    return found


def _of_run(run: RunFiles, figure: Figure) -> Figure:
    name = run.name.strip("/").replace("/", "-")
    return replace(figure, name=f"{name}-{figure.name}")


def _figures(parts: Sequence[Part]) -> list[Figure]:
    return [figure for part in parts for figure in part.figures]


def _warning(text: str) -> str:
    return f'<p class="verdict amber"><span class="sign" aria-hidden="true">!</span><span>{escape(text)}</span></p>'


def _headlines(runs: Sequence[RunFiles]) -> str:
    if len(runs) == 1:
        return _headline(headline(runs[0]))
    cards = "".join(f"<div><h2>{escape(run.name)}</h2>{_headline(headline(run))}</div>" for run in runs)
    return f'<div class="sides">{cards}</div>'


def _headline(found: Headline | None) -> str:
    if found is None:
        return (
            '<p class="verdict amber"><span class="sign" aria-hidden="true">?</span><span><strong>Whether '
            "code-switching helped here is not known.</strong> There is no finished comparison of an arm of "
            "code-switching with a baseline.</span></p>"
        )
    answer = (
        f'<p class="verdict {found.colour} headline">'
        f'<span class="sign" aria-hidden="true">{_SIGNS[found.colour]}</span>'
        f"<strong>{escape(found.answer)}</strong></p>"
    )
    said = "".join(
        f"<li><p>{prose(each.sentences[0])}</p>"
        + "".join(f'<p class="note">{prose(text)}</p>' for text in each.sentences[1:])
        + "</li>"
        for each in found.findings
    )
    doubts = "".join(f'<p class="note">{prose(text)}</p>' for text in found.doubts)
    return f'{answer}<ul class="findings">{said}</ul>{doubts}'


def _contents(parts: Sequence[Part]) -> str:
    links = "".join(f'<li><a href="#{part.name}">{escape(part.title)}</a></li>' for part in parts)
    return f'<nav aria-label="Parts of the report"><ul class="toc">{links}</ul></nav>'


def _run_html(run: RunFiles, parts: Sequence[Part], *, number: int) -> str:
    prefix = f"run{number}-" if number else ""
    sections = [section(part.title, part.html, name=f"{prefix}{part.name}") for part in parts]
    missing = section(
        "What is missing", items(dict.fromkeys(run.missing)) if run.missing else "", name=f"{prefix}missing"
    )
    return missing + "".join(sections) + _unmade(run)


def _unmade(run: RunFiles) -> str:
    names = [name for name in ANALYSIS_RECORDS if name not in run.analyses]
    if not names or run.inference:
        return ""
    text = f"Not made for this run: {', '.join(names)}. `switchtune analyse {run.folder}` makes them."
    return f'<p class="note">{prose(text)}</p>'
