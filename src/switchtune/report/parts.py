"""The parts of a run's page, each from what the run's folder holds, with the figures that it draws."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import yaml

from switchtune.config.arms import ResolvedArm
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import LexiconError
from switchtune.report.curves import curves_panels, distance_panels
from switchtune.report.lexicon_page import Listed
from switchtune.report.panel import Asked, Panel, Part, missing
from switchtune.report.scores import scores_panels
from switchtune.report.sentences import (
    arms_to_show,
    compared_systems,
    differing,
    read_texts,
    switched_into_languages,
    switched_sides,
)
from switchtune.results.drawing import Drawing
from switchtune.results.figures import draw_frequency, draw_length, draw_matrix, draw_projection
from switchtune.results.matrix import legend, matrix_of, matrix_table
from switchtune.runs.run_files import RunFiles


def parts_of(asked: Asked) -> list[Part]:
    """All parts of a run that have something to show. One that cannot be shown says so and leaves the others alone."""
    parts = []
    for name, (title, choice, make) in _PARTS.items():
        try:
            panels = list(make(asked))
        except SwitchtuneError as error:
            panels = [missing(str(error))]
        if len(panels) > 1 and all(panel.kind == "missing" for panel in panels):
            panels = [missing(text) for text in dict.fromkeys(panel.content["message"] for panel in panels)]
        if panels:
            parts.append(Part(name, title, choice, panels))
    return parts


Make = Callable[[Asked], Iterable[Panel]]


def _zeroshot(asked: Asked) -> Iterator[Panel]:
    for record in (asked.run.zeroshot or {}).get("matrices", ()):
        matrix = matrix_of(record)
        draw = partial(draw_matrix, {"matrices": [record]})
        drawing = Drawing(asked.name("zeroshot", matrix.tests, matrix.arm), matrix.title, draw)
        content = {
            "verdict": record["verdict"],
            "drawing": drawing,
            "table": (matrix.title, *matrix_table(matrix)),
            "legend": legend([matrix]),
        }
        yield Panel(matrix.title, "matrix", content, (drawing,))


def _frequency(asked: Asked) -> Iterator[Panel]:
    for pair in asked.run.analyses.get("frequency", {}).get("pairs", ()):
        if not pair["systems"]:
            continue
        title = f"{pair['pair']}, words by how often they occur in the training texts"
        drawing = Drawing(asked.name("frequency", pair["pair"]), title, partial(draw_frequency, {"pairs": [pair]}))
        yield Panel(pair["pair"], "frequency", {"drawing": drawing, "pair": pair}, (drawing,))


def _length(asked: Asked) -> Iterator[Panel]:
    for pair in asked.run.analyses.get("length", {}).get("pairs", ()):
        if pair["systems"]:
            title = f"{pair['pair']}, {pair['metric']} by the length of the reference in {pair['unit']}"
            drawing = Drawing(asked.name("length", pair["pair"]), title, partial(draw_length, {"pairs": [pair]}))
            yield Panel(pair["pair"], "length", {"drawing": drawing, "pair": pair}, (drawing,))


def _domain(asked: Asked) -> Iterator[Panel]:
    for pair in asked.run.analyses.get("projection", {}).get("pairs", ()):
        seeds = list(dict.fromkeys(system["seed"] for system in pair["systems"] if system["seed"] is not None))
        for seed in seeds or [None]:
            systems = [each for each in pair["systems"] if each["points"] and each["seed"] in (None, seed)]
            title = f"{pair['pair']}, {pair['method']}" + f", seed {seed}" * (len(seeds) > 1)
            draw = partial(draw_projection, {"pairs": [{**pair, "systems": systems}]})
            drawing = Drawing(asked.name("domain", pair["pair"], seed), title, draw)
            if systems:
                yield Panel(title, "figure", {"drawing": drawing}, (drawing,))


def _lexicon(asked: Asked) -> Iterator[Panel]:
    folders = [(pair, folder) for pair in _pairs(asked.run) for folder in asked.run.lexicons(pair)]
    for number, (pair, folder) in enumerate(folders):
        room = asked.room // 5 // len(folders)
        content = {"judgement": folder.judgement, "name": asked.name("lexicon", number), "room": room, "listed": ()}
        try:
            content["listed"] = [Listed(lexicon) for lexicon in folder.read()]
        except LexiconError as error:
            content["message"] = str(error)
        yield Panel(f"{pair}, {folder.name}", "lexicon", content)
    # Lexicons out of dictionaries are not judged: there are no pairs to judge them by.
    dictionaries = asked.run.dictionaries()
    for language, path in dictionaries.items():
        content = {"name": asked.name("dictionary", language), "room": asked.room // 5 // len(dictionaries)}
        try:
            yield Panel(language, "dictionary", {**content, "listed": [Listed(read_lexicon(path))]})
        except LexiconError as error:
            yield missing(str(error), language)


def _switched(asked: Asked) -> Iterator[Panel]:
    run = asked.run
    for side in switched_into_languages(run):
        yield Panel(side.target, "switched", {"sides": [side], "aligned": False})
    arms: Sequence[ResolvedArm | None] = arms_to_show(run) or [None]
    for pair, arm in product(run.config.pairs if run.config else (), arms):
        title = pair.name if len(arms) == 1 or arm is None else f"{pair.name}, {arm.name}"
        try:
            sides = switched_sides(pair, run, arm, read_texts(run, pair.name)[0])
        except (SwitchtuneError, OSError) as error:
            yield missing(str(error), title)
            continue
        aligned = arm is not None and arm.switching.source == "aligned"
        yield Panel(title, "switched", {"sides": sides, "aligned": aligned})


def _translations(asked: Asked) -> Iterator[Panel]:
    by_pair = {pair: compared_systems(asked.run, pair) for pair in _pairs(asked.run)}
    room = asked.room // 2 // max(1, sum(map(len, by_pair.values())))
    for pair, compared_there in by_pair.items():
        if not compared_there:
            yield missing("there are no outputs yet of two systems with the same seed.", pair)
            continue
        try:
            test, lacking = read_texts(asked.run, pair)[1], ""
        except (SwitchtuneError, OSError) as error:
            test, lacking = [], str(error)
        source, _, target = pair.partition("-")
        for systems in compared_there:
            arm = systems[1].arm if len(compared_there) > 1 else None
            content = {
                "source": source,
                "target": target,
                "name": asked.name("outputs", pair, arm),
                "lacking": lacking,
                "texts": differing(asked.run, systems, test),
                "total": len(systems[0].hypotheses or ()),
                "arms": [system.arm for system in systems],
                "seed": next((each.seed for each in systems if each.seed is not None), None),
                "room": room,
            }
            yield Panel(pair if arm is None else f"{pair}, {arm}", "translations", content)


def _pairs(run: RunFiles) -> list[str]:
    return [pair.name for pair in run.config.pairs] if run.config else []


def _source(text: str, asked: Asked) -> list[Panel]:
    return [Panel("", "source", {"lines": text.splitlines(keepends=True), "room": asked.room // 20})]


def _configuration(asked: Asked) -> list[Panel]:
    return _source(yaml.safe_dump(dict(asked.run.settings), sort_keys=False, allow_unicode=True), asked)


def _manifest(asked: Asked) -> list[Panel]:
    found = asked.run.manifest
    if found is None:
        return []
    return [Panel("", "manifest", found), *_source(json.dumps(found, ensure_ascii=False, indent=2), asked)]


def _cost(asked: Asked) -> list[Panel]:
    rows = asked.run.analyses.get("cost", {}).get("rows", ())
    stages: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        stages.setdefault((row["pair"], row["arm"], row["stage"]), []).append(row)
    return [Panel("Cost", "cost", {"rows": rows, "stages": stages})] if rows else []


_PARTS: Mapping[str, tuple[str, str, Make]] = {
    "scores": ("Scores", "Pair", lambda asked: scores_panels([asked.run])),
    "zeroshot": ("Zero-shot translation", "Matrix", _zeroshot),
    "curves": ("Curves", "Curve", curves_panels),
    "length": ("Short and long sentences", "Pair", _length),
    "frequency": ("Rare and frequent words", "Pair", _frequency),
    "translations": ("Where the outputs differ", "Pair and arm", _translations),
    "switched": ("Switched sentences", "Pair or language, and arm", _switched),
    "lexicon": ("Lexicon", "Lexicon", _lexicon),
    "distance": ("Distance between the languages", "Measure", distance_panels),
    "domain": ("The domain, drawn", "Pair", _domain),
    "cost": ("Cost", "", _cost),
    "manifest": ("What it was made of", "", _manifest),
    "configuration": ("Configuration", "", _configuration),
}
"""By name: title, what one chooses by the tabs, and what it shows."""
