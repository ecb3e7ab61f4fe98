"""The parts of a run's page, each from what the run's folder holds, with the figures that it draws."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import yaml

from switchtune.errors import SwitchtuneError
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import LexiconError
from switchtune.report.charts import Figure, Series, bar_chart, heat_map, line_chart, number_text, plane, thinned
from switchtune.report.headline import Row, difference_text, interval_text, score_text, scores_of, scores_text
from switchtune.report.html import (
    Head,
    number_cell,
    row_head,
    rows_within,
    scrolled,
    search_field,
    table,
    tabs,
)
from switchtune.report.lexicon_page import advice_html, entry_table, figures_html, samples_html, verdict_html
from switchtune.report.sentences import (
    compared,
    different_html,
    differing,
    read_texts,
    switched_html,
    switched_into_languages,
)
from switchtune.runs.run_files import LexiconFolder, RunFiles
from switchtune.scoring.significance import SIGNIFICANT

MOST_BYTES = 5_000_000
"""Of a whole page."""

_MOST_POINTS = 12_000
"""Of all lines of a chart together."""


@dataclass(frozen=True)
class Part:
    """A section of the page."""

    name: str
    title: str
    html: str
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What a part is made from."""

    run: RunFiles
    number: int
    """Of the run on its page, for identities that no other part has."""
    most_bytes: int
    """Of what is only as long as there is room."""


def parts_of(asked: Asked) -> list[Part]:
    """All parts of a run. One that cannot be shown says so and leaves the others alone."""
    return [part for name, title, make in _PARTS if (part := _made(name, title, make, asked)) is not None]


def _made(name: str, title: str, make: "Make", asked: Asked) -> Part | None:
    try:
        html, figures = make(asked)
    except SwitchtuneError as error:
        html, figures = f"<p>Not shown: {escape(str(error))}</p>", ()
    return Part(name, title, html, tuple(figures)) if html else None


Made = tuple[str, Sequence[Figure]]
Make = Callable[[Asked], Made]


def _file_name(*parts: object) -> str:
    return re.sub(r"[^\w.-]", "-", "-".join(str(part)[:60] for part in parts if part is not None), flags=re.ASCII)


# Scores


def _scores(asked: Asked) -> Made:
    return scores_html([asked.run]), ()


def scores_html(runs: Sequence[RunFiles]) -> str:
    """A table per pair: the arms of all runs below each other, with their scores, differences and signatures."""
    rows = [(run, row) for run in runs for row in run.rows]
    pairs = list(dict.fromkeys(row["pair"] for _, row in rows))
    if len(pairs) > 1 and all("score_interval" in row for _, row in rows):
        by_language = sorted(rows, key=lambda each: pairs.index(each[1]["pair"]))
        return _score_table(", ".join(pairs), by_language, several_runs=len(runs) > 1, languages=True)
    return "".join(
        _score_table(pair, [each for each in rows if each[1]["pair"] == pair], several_runs=len(runs) > 1)
        for pair in pairs
    )


def _score_table(
    name: str, rows: Sequence[tuple[RunFiles, Row]], *, several_runs: bool, languages: bool = False
) -> str:
    """The scores in rows of one test set, or of the test sets of several languages by the same metric."""
    scores = {id(row): scores_of(row) for _, row in rows}
    metrics = list(dict.fromkeys(metric for each in scores.values() for metric in each))
    heads = [
        *([Head("Language")] if languages else []),
        *([Head("Run")] if several_runs else []),
        Head("Arm"),
        Head("Updates"),
        *(Head(metric, numeric=True) for metric in metrics),
        Head("Difference", numeric=True),
        Head("95 % interval", numeric=True),
        Head("p", numeric=True),
        Head("Minutes", numeric=True),
    ]
    lines = []
    for run, row in rows:
        found, own = row.get("against_baseline"), scores[id(row)]
        updates = row.get("updates", {})
        cells = [
            *([row_head(row["pair"])] if languages else []),
            *([row_head(run.name)] if several_runs else []),
            row_head(row["arm"]),
            f"<td>{escape(' + '.join(f'{name} {count:,}' for name, count in updates.items()))}</td>",
            *(number_cell(_with_interval(row, metric, own[metric]) if metric in own else "–") for metric in metrics),
            number_cell(f"{difference_text(found['metric'], found['difference'])} {found['metric']}" if found else "–"),
            number_cell(interval_text(found) or "–" if found else "–"),
            number_cell(f"{found['p_value']:.3f}" if found else "–"),
            number_cell(f"{row['minutes']:.1f}" if "minutes" in row else "–"),
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    signatures = dict.fromkeys(
        (metric, records[0]["n"], records[0]["signature"])
        for each in scores.values()
        for metric, records in each.items()
    )
    tests = dict.fromkeys(
        ("difference", found["n"], found["signature"])
        for _, row in rows
        if (found := row.get("against_baseline")) and "signature" in found
    )
    listed = "".join(
        f"<li>{escape(name)}, {n:,} test examples: <code>{escape(signature)}</code></li>"
        for name, n, signature in (*signatures, *tests)
    )
    others = "".join(
        f"<li>{escape(row['arm'])} by {escape(each['metric'])}: "
        f"{difference_text(each['metric'], each['difference'])} ({interval_text(each)}), p = {each['p_value']:.3f}</li>"
        for _, row in rows
        for each in row.get("by_other_metrics", ())
    )
    seeds = ", ".join(
        f"{run.name + ': ' if several_runs else ''}{', '.join(map(str, (run.metrics or {}).get('seeds', ())))}"
        for run in {run.name: run for run, _ in rows}.values()
    )
    brackets = "; in brackets the 95 % interval of a score" if any("score_interval" in row for _, row in rows) else ""
    return (
        scrolled(f"Scores of {name}", table(f"{name}: scores on the test set", heads, lines))
        + f'<p class="note">Seeds {escape(seeds)}; ± is the standard deviation over several{brackets}. The difference '
        "is to the baseline; its interval and p-value tell of other test examples, and nothing of other seeds.</p>"
        + (f"<details><summary>Differences by the other metrics</summary><ul>{others}</ul></details>" if others else "")
        + f"<details><summary>Signatures</summary><ul>{listed}</ul></details>"
    )


def _with_interval(row: Row, metric: str, records: Sequence[Mapping[str, Any]]) -> str:
    """A score, and its interval where the row has one of its own, as accuracies have."""
    interval = row.get("score_interval")
    limits = f" ({' to '.join(score_text(metric, end) for end in interval)})" if interval else ""
    return scores_text(records) + limits


# Curves


def _curves(asked: Asked) -> Made:
    run, figures, panels = asked.run, [], []
    for pair in dict.fromkeys(each.pair for each in run.trainings):
        for key, title, unit in _MEASURED:
            series = _series(run, pair, key)
            if series:
                figure = line_chart(_file_name(key, pair), f"{pair}, {title}", "update", unit, series)
                figures.append(figure)
                panels.append((f"{pair}: {title}", figure.html + _points_table(figure.title, series)))
    for pair in run.analyses.get("dynamics", {}).get("pairs", ()):
        for key, title in (("bleu", "BLEU"), ("distance", "distance")):
            series = _order(run, list(_dynamics_series(pair, key)))
            if series:
                figure = line_chart(_file_name(key, pair["pair"]), f"{pair['pair']}, {title}", "update", title, series)
                figures.append(figure)
                panels.append((f"{pair['pair']}: {title}", figure.html + _points_table(figure.title, series)))
    if not panels:
        return "<p>Not shown: no training has begun.</p>", ()
    note = (
        '<p class="note">Updates are counted over all stages. Loss is in nats per target token; stage 1 (faint) is '
        "measured on restoring, so its loss cannot be compared with that of the task.</p>"
    )
    return note + tabs(f"curves{asked.number}", "Curve", panels) + _reached(run), figures


_MEASURED = (
    ("valid_accuracy", "validation accuracy", "share of the validation set, from 0 to 1"),
    ("valid_nll", "validation loss", "nats per target token of the validation set"),
    ("nll", "training loss", "nats per target token, without label smoothing"),
    ("valid_chrf", "validation chrF++", "chrF++ on the validation set"),
)


def _series(run: RunFiles, pair: str, key: str) -> list[Series]:
    found = []
    seeds = {training.seed for training in run.trainings}
    for training in (each for each in run.trainings if each.pair == pair):
        stages = list(dict.fromkeys(entry["stage"] for entry in training.curve))
        for stage in stages:
            points = [
                (entry["update"], entry[key]) for entry in training.curve if entry["stage"] == stage and key in entry
            ]
            if points:
                last = stage == stages[-1] and stage != "restore"
                seed = f" seed {training.seed}" if len(seeds) > 1 else ""
                name = f"{training.arm}{seed}" + ("" if last else f" ({stage})")
                found.append(Series(name, training.arm, tuple(points), faint=not last))
    most = max(2, _MOST_POINTS // max(1, len(found)))
    thin = [Series(each.name, each.group, thinned(each.points, min(200, most)), each.faint) for each in found]
    return _order(run, thin)


def _order(run: RunFiles, series: Sequence[Series]) -> list[Series]:
    """The baseline's lines first, as its colour is the first everywhere."""
    arms = {arm: place for place, arm in enumerate(run.arms)}
    return sorted(series, key=lambda each: arms.get(each.group, len(arms)))


def _dynamics_series(pair: Mapping[str, Any], key: str) -> Iterator[Series]:
    for arm in pair["arms"]:
        points = [(each["update"], each[key]) for each in arm["valid"] if each.get(key) is not None]
        if points:
            yield Series(f"{arm['arm']} seed {arm['seed']}", arm["arm"], tuple(points))


def _points_table(title: str, series: Sequence[Series]) -> str:
    """The values of a chart for those who cannot see it: of each line first, last and lowest."""
    heads = [Head("Line"), Head("First", numeric=True), Head("Last", numeric=True), Head("Lowest", numeric=True)]
    rows = [
        f"<tr>{row_head(each.name)}"
        + "".join(
            number_cell(f"{y:.3f} at {x:,.0f}")
            for x, y in (each.points[0], each.points[-1], min(each.points, key=lambda point: point[1]))
        )
        + "</tr>"
        for each in series
    ]
    return f"<details><summary>Values as a table</summary>{table(title, heads, rows)}</details>"


def _reached(run: RunFiles) -> str:
    """How soon each arm came to the baseline's last loss."""
    rows = [
        f"<tr>{row_head(pair['pair'])}<td>{escape(arm['arm'])}</td>{number_cell(str(arm['seed']))}"
        f"{number_cell('not reached' if (found := arm.get('updates_to_baseline')) is None else f'{found:,}')}</tr>"
        for pair in run.analyses.get("dynamics", {}).get("pairs", ())
        for arm in pair["arms"]
    ]
    heads = [Head("Pair"), Head("Arm"), Head("Seed", numeric=True), Head("Updates", numeric=True)]
    return table("Updates until the baseline's last validation loss is reached", heads, rows) if rows else ""


# Zero-shot matrix


def _zeroshot(asked: Asked) -> Made:
    matrices = (asked.run.zeroshot or {}).get("matrices", ())
    figures, panels = [], []
    for matrix in matrices:
        title = f"{matrix['tests']}: {matrix['arm']} against {matrix['baseline']}"
        cells = {
            (cell["tested"], cell["trained"]): (
                cell["difference"],
                f"{difference_text(cell['metric'], cell['difference'])}{'*' * (cell['p_value'] < SIGNIFICANT)}",
            )
            for cell in matrix["cells"]
        }
        figures.append(
            heat_map(
                _file_name("zeroshot", matrix["tests"], matrix["arm"]),
                title,
                matrix["tested"],
                matrix["trained"],
                cells,
            )
        )
        panels.append((title, _heat_table(matrix, title)))
    return (tabs(f"zeroshot{asked.number}", "Matrix", panels) if panels else ""), figures


def _heat_table(matrix: Mapping[str, Any], title: str) -> str:
    cells = {(cell["tested"], cell["trained"]): cell for cell in matrix["cells"]}
    largest = max((abs(cell["difference"]) for cell in cells.values()), default=0) or 1
    target = matrix["target"]

    def shown(cell: Mapping[str, Any]) -> str:
        metric, difference = cell["metric"], cell["difference"]
        kind = ("gain" if difference > 0 else "loss") + " diagonal" * bool(cell["supervised"])
        sure = cell["p_value"] < SIGNIFICANT
        mark = '<abbr title="significant">*</abbr>' if sure else ""
        return (
            f'<td class="{kind}" style="--share:{abs(difference) / largest:.2f}">'
            f"{difference_text(metric, difference)}{mark}<small>{score_text(metric, cell['value_a'])} → "
            f"{score_text(metric, cell['value_b'])}</small></td>"
        )

    rows = [
        f"<tr>{row_head(f'{tested}→{target}')}"
        + "".join(
            shown(cells[tested, trained]) if (tested, trained) in cells else "<td>–</td>"
            for trained in matrix["trained"]
        )
        + "</tr>"
        for tested in matrix["tested"]
    ]
    heads = [Head("tested \\ trained"), *(Head(f"{trained}→{target}") for trained in matrix["trained"])]
    note = (
        f"In each cell the difference to {matrix['baseline']}, and both scores; * where p < {SIGNIFICANT}; framed "
        "where the models were trained on that language."
    )
    return (
        f"<p>{escape(matrix['verdict'])}</p>"
        + scrolled(title, f'<div class="heat">{table(title, heads, rows)}</div>')
        + f'<p class="note">{escape(note)}</p>'
    )


# Frequency, distance, domain


def _frequency(asked: Asked) -> Made:
    figures, blocks = [], []
    for pair in asked.run.analyses.get("frequency", {}).get("pairs", ()):
        labels = [_bucket(each) for each in pair["buckets"]]
        values = {_system(each): each["f_measure"] for each in pair["systems"]}
        if not values:
            continue
        title = f"{pair['pair']}, words by how often the training texts hold them"
        figure = bar_chart(_file_name("frequency", pair["pair"]), title, "F-measure of words", labels, values)
        figures.append(figure)
        heads = [Head("System"), *(Head(label, numeric=True) for label in labels)]
        rows = [
            f"<tr>{row_head(_system(each))}"
            + "".join(
                number_cell("no words" if not count else f"{'–' if value is None else number_text(value)} of {count:,}")
                for value, count in zip(each["f_measure"], each["reference_words"], strict=True)
            )
            + "</tr>"
            for each in pair["systems"]
        ]
        caption = f"{pair['pair']}: F-measure, of so many words of the references"
        blocks.append(figure.html + scrolled(caption, table(caption, heads, rows)))
    return "".join(blocks), figures


def _bucket(each: Mapping[str, Any]) -> str:
    if each["to"] is None:
        return f"{each['from']:,} and more"
    return f"below {each['to']:,}" if not each["from"] else f"{each['from']:,} to {each['to'] - 1:,}"


def _system(each: Mapping[str, Any]) -> str:
    """A model by its arm, seed and stage, as far as it has them."""
    if each.get("arm") is None:
        return "before training"
    seed = "" if each.get("seed") is None else f" seed {each['seed']}"
    return f"{each['arm']}{seed}" + (f" after {each['stage']}" if "stage" in each else "")


_DISTANCES = (
    ("distance", "distance (equation 5)", "smaller is closer"),
    ("cosine", "mean cosine", "larger is closer"),
    ("retrieval", "retrieval", "share of sentences whose nearest neighbour is their translation"),
)


def _distance(asked: Asked) -> Made:
    figures, panels = [], []
    for pair in asked.run.analyses.get("distance", {}).get("pairs", ()):
        tests = pair.get("tests", "test")
        for key, title, unit in _DISTANCES:
            series = [
                Series(_system(each), _system(each), tuple((layer["layer"], layer[key]) for layer in each["layers"]))
                for each in pair["systems"]
                if each["layers"]
            ]
            if series:
                name = f"{pair['pair']}{'' if tests == 'test' else f' on {tests}'}, {title}"
                figure = line_chart(_file_name(key, pair["pair"], tests), name, "layer", unit, series)
                figures.append(figure)
                panels.append((name, figure.html + _points_table(name, series)))
    if not panels:
        return "", ()
    note = "<p>How far apart the two sides of a sentence pair are within each model, layer by layer.</p>"
    return note + tabs(f"distance{asked.number}", "Measure", panels), figures


def _domain(asked: Asked) -> Made:
    figures, panels = [], []
    for pair in asked.run.analyses.get("projection", {}).get("pairs", ()):
        planes = [
            plane(
                _file_name("domain", pair["pair"], each.get("arm"), each.get("seed"), each["stage"]),
                f"{pair['pair']}, {_system(each)}",
                each["points"],
                each["ellipses"],
                most=400,
            )
            for each in pair["systems"]
            if each["points"]
        ]
        figures += planes
        if planes:
            pictures = "".join(figure.html for figure in planes)
            panels.append((f"{pair['pair']}, {pair['method']}", f'<div class="charts">{pictures}</div>'))
    if not panels:
        return "", ()
    note = (
        "<p>Sentences as the models represent them, in a plane. Each picture has its own plane: compare how the "
        "languages lie to each other, not places.</p>"
    )
    return note + tabs(f"domain{asked.number}", "Pair", panels), figures


# Lexicon and sentences


def _lexicon(asked: Asked) -> Made:
    folders = [(pair, each) for pair in _pairs(asked.run) for each in asked.run.lexicons(pair)]
    most = asked.most_bytes // 5 // max(1, len(folders))
    panels = [
        (f"{pair}, {folder.name}", _lexicon_card(folder, f"lexicon{asked.number}-{place}", most))
        for place, (pair, folder) in enumerate(folders)
    ]
    dictionaries = asked.run.dictionaries()
    panels += [
        (
            language,
            _dictionary_card(path, f"dictionary{asked.number}-{language}", asked.most_bytes // 5 // len(dictionaries)),
        )
        for language, path in dictionaries.items()
    ]
    return (tabs(f"lexicons{asked.number}", "Lexicon", panels) if panels else ""), ()


def _lexicon_card(folder: LexiconFolder, name: str, most_bytes: int) -> str:
    judgement = folder.judgement
    card = verdict_html(judgement) + figures_html(judgement) + advice_html(judgement)
    samples = samples_html(judgement)
    examples = f"<details><summary>Samples, not picked</summary>{samples}</details>" if samples else ""
    try:
        tables = [entry_table(lexicon, most_bytes // 2) for lexicon in folder.read()]
    except LexiconError as error:
        return card + examples + f"<p>The entries are not shown: {escape(str(error))}</p>"
    field = search_field(name, "Search the listed words and translations", "entries")
    return f'{card}{examples}{field}<div data-filtered-by="{name}">{"".join(tables)}</div>'


def _dictionary_card(path: Path, name: str, most_bytes: int) -> str:
    """A lexicon out of dictionaries, which is not judged: there are no pairs to judge it by."""
    try:
        entries = entry_table(read_lexicon(path), most_bytes)
    except LexiconError as error:
        return f"<p>The entries are not shown: {escape(str(error))}</p>"
    field = search_field(name, "Search the listed words and translations", "entries")
    note = "<p>Made from dictionaries. There are no sentence pairs that it could be judged by.</p>"
    return f'{note}{field}<div data-filtered-by="{name}">{entries}</div>'


def _switched(asked: Asked) -> Made:
    run = asked.run
    panels = switched_into_languages(run)
    for pair in run.config.pairs if run.config else ():
        try:
            shown = switched_html(pair, run, read_texts(run, pair.name)[0])
        except (SwitchtuneError, OSError) as error:
            shown = f"<p>Not shown: {escape(str(error))}</p>"
        panels.append((pair.name, shown))
    note = (
        "<p>Sentences of the validation set as stage 1 is given them: <del>replaced words</del> and <ins>what replaces "
        "them</ins>, with the run's rate and spans.</p>"
    )
    return (note + tabs(f"switched{asked.number}", "Pair or language", panels) if panels else ""), ()


def _translations(asked: Asked) -> Made:
    panels = []
    pairs = _pairs(asked.run)
    for place, pair in enumerate(pairs):
        systems = compared(asked.run, pair)
        if systems is None:
            panels.append((pair, "<p>Not shown: there are not yet outputs of two systems with the same seed.</p>"))
            continue
        test, lacking = [], ""
        try:
            test = read_texts(asked.run, pair)[1]
        except (SwitchtuneError, OSError) as error:
            lacking = f'<p class="note">Sources and references cannot be read here: {escape(str(error))}</p>'
        found = differing(asked.run, systems, test)
        rows = rows_within((different_html(each, systems) for each in found), asked.most_bytes // 2 // len(pairs))
        name = f"translations{asked.number}-{place}"
        total = len(systems[0].hypotheses or ())
        said = (
            f"{systems[0].arm} and {systems[1].arm}, seed {systems[0].seed}, differ in {len(found):,} of {total:,} "
            "outputs" + (f"; the first {len(rows):,} are shown." if len(rows) < len(found) else ".")
        )
        field = search_field(name, "Show only those that hold", "outputs")
        shown = f'<div class="scroll" role="region" tabindex="0" aria-label="Outputs that differ, {escape(pair)}"'
        panels.append(
            (pair, f'<p>{escape(said)}</p>{lacking}{field}{shown} data-filtered-by="{name}">{"".join(rows)}</div>')
        )
    return (tabs(f"translations{asked.number}", "Pair", panels) if panels else ""), ()


def _pairs(run: RunFiles) -> list[str]:
    return [pair.name for pair in run.config.pairs] if run.config else []


# Cost, configuration, manifest


def _cost(asked: Asked) -> Made:
    rows = asked.run.analyses.get("cost", {}).get("rows", ())
    if not rows:
        return "", ()
    heads = [
        *map(Head, ("Pair", "Arm", "Stage")),
        *(
            Head(text, numeric=True)
            for text in ("Seed", "Updates", "Minutes", "Peak memory, GB", "Energy, kWh", "Tokens a second")
        ),
    ]
    lines = [
        f"<tr>{row_head(row['pair'])}<td>{escape(row['arm'])}</td><td>{escape(row['stage'])}</td>"
        + number_cell(str(row["seed"]))
        + number_cell(f"{row['updates']:,}")
        + number_cell(f"{row['seconds'] / 60:.1f}")
        + "".join(
            number_cell("not measured" if row.get(key) is None else f"{row[key]:,.{digits}f}")
            for key, digits in (("peak_gigabytes", 2), ("kilowatt_hours", 3), ("tokens_per_second", 0))
        )
        + "</tr>"
        for row in rows
    ]
    return scrolled("Cost", table("What each stage of each training took", heads, lines)), ()


def _configuration(asked: Asked) -> Made:
    return _source_text(yaml.safe_dump(dict(asked.run.settings), sort_keys=False, allow_unicode=True), asked), ()


def _manifest(asked: Asked) -> Made:
    if asked.run.manifest is None:
        return "", ()
    return _source_text(json.dumps(asked.run.manifest, ensure_ascii=False, indent=2), asked), ()


def _source_text(text: str, asked: Asked) -> str:
    lines = text.splitlines(keepends=True)
    shown = "".join(rows_within(lines, asked.most_bytes // 20))
    rest = "" if len(shown) == len(text) else "<p>The rest stands in the run's folder.</p>"
    return f"<details><summary>{len(lines):,} lines</summary><pre>{escape(shown)}</pre>{rest}</details>"


_PARTS: Sequence[tuple[str, str, Make]] = (
    ("scores", "Scores", _scores),
    ("curves", "Curves", _curves),
    ("zeroshot", "Zero-shot translation", _zeroshot),
    ("frequency", "Rare and frequent words", _frequency),
    ("translations", "Where the outputs differ", _translations),
    ("switched", "Switched sentences", _switched),
    ("lexicon", "Lexicon", _lexicon),
    ("distance", "Distance between the languages", _distance),
    ("domain", "The domain, drawn", _domain),
    ("cost", "Cost", _cost),
    ("configuration", "Configuration", _configuration),
    ("manifest", "What it was made of", _manifest),
)
