"""Lexicons and what is to be thought of them, as one HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from switchtune.languages import language_named
from switchtune.lexicon import Entry, Lexicon
from switchtune.lexicon.judge import GREEN_COVERAGE, GREEN_LIFT, GREEN_STABILITY, RED_COVERAGE, RED_LIFT

MOST_ENTRIES = 2000
"""Entries of a lexicon that are listed, at most."""

_MOST_BYTES = 400_000
"""Of all listed entries together, so that the page stays below 500 kB."""

_MOST_COMPOUNDS = 100
_MOST_TRANSLATIONS = 10
_BINS = 10

_VERDICTS = {
    "green": ("✓", "Good", "These lexicons can be used as they are."),
    "amber": ("!", "Usable, with reservations", "Read the reasons, look at the samples, and decide."),
    "red": ("✕", "Not good", "Switching words by these lexicons would teach a model what is wrong."),
}

_MEASURES = {
    "probability": "from 0 to 1, larger is surer",
    "similarity": "similarity of the words' embeddings, larger is closer",
    "none": "not given; every translation counts the same",
}


def lexicon_page(lexicons: Sequence[Lexicon], judgement: Mapping[str, Any]) -> str:
    """One HTML page, below 500 kB, that asks for nothing from outside: verdict, figures, samples, and the entries.

    Args:
        lexicons: of either direction or both, hand edits included.
        judgement: as it stands in `judgement.json`.
    """
    source, target = judgement["languages"]
    title = f"Lexicon {_language(source)}–{_language(target)}"
    body = (
        f"<header><h1>{escape(title)}</h1>{_verdict(judgement)}</header>",
        _section("Figures", _figures(judgement)),
        _section("Why, and what next", _advice(judgement)),
        _section("How it was built", _building(lexicons, judgement)),
        _section("Samples", _samples(judgement)),
        _section("Words that stand for phrases", _compounds(judgement)),
        _section("Distributions", "".join(map(_distributions, lexicons))),
        _section("Entries", _listing(lexicons), name="entries"),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; img-src data:\">\n"
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}: {escape(judgement["verdict"])}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{''.join(body)}</main>\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


# Pieces of HTML


def _language(code: str) -> str:
    found = language_named(code)
    return found.name if found else code


def _direction(source: str, target: str) -> str:
    return f"{_language(source)} → {_language(target)}"


def _word(text: str) -> str:
    """A word that keeps its own writing direction among others."""
    return f"<bdi>{escape(text)}</bdi>"


def _word_head(word: str, language: str) -> str:
    """The cell that a row is about."""
    return f'<th scope="row"{_in(language)}>{_word(word)}</th>'


def _in(language: str) -> str:
    """The attribute for text in a language."""
    return f' lang="{escape(language.replace("_", "-"))}"'


def _section(title: str, content: str, *, name: str = "") -> str:
    """A section, if it has any content."""
    identity = f' id="{name}"' if name else ""
    return f"<section{identity}><h2>{escape(title)}</h2>{content}</section>\n" if content else ""


def _table(caption: str, heads: Sequence[tuple[str, bool]], *groups: Iterable[str]) -> str:
    """A table of finished rows, in groups; each head says whether its column holds numbers."""
    cells = "".join(f'<th scope="col"{_NUMERIC * numeric}>{escape(head)}</th>' for head, numeric in heads)
    bodies = "".join(f"<tbody>{''.join(rows)}</tbody>" for rows in groups)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead>{bodies}</table>"


_NUMERIC = ' class="n"'


def _number_cell(text: str) -> str:
    return f"<td{_NUMERIC}>{escape(text)}</td>"


def _count(count: int) -> str:
    return f"{count:,}" if count else "not known"


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{share:.1%}"


def _figure(value: float | None, *, digits: int = 2) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


def _items(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def _described(pairs: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in pairs)}</dl>"


# Verdict, figures and advice


def _verdict(judgement: Mapping[str, Any]) -> str:
    name = judgement["verdict"]
    sign, word, sentence = _VERDICTS[name]
    return (
        f'<p class="verdict {name}"><span class="sign" aria-hidden="true">{sign}</span>'
        f"<span><strong>{word}</strong> (verdict: {name}). {sentence}</span></p>"
    )


def _figures(judgement: Mapping[str, Any]) -> str:
    cards = (
        (
            "Lift",
            _figure(judgement["lift"]),
            "How much oftener translations stand in the paired sentence than chance would have it, as a difference of "
            f"shares. From {GREEN_LIFT:g} on it is good; below {RED_LIFT:g} it is chance.",
        ),
        (
            "Coverage",
            _percent(judgement["coverage"]),
            "Share of the running words that have an entry, and so can be switched. "
            f"From {GREEN_COVERAGE:.0%} on it is good; below {RED_COVERAGE:.0%} it is of no use.",
        ),
        (
            "Stability",
            _percent(judgement["stability"]),
            "Share of the running words that get the same first translation when the lexicon is built with another "
            f"seed. From {GREEN_STABILITY:.0%} on it is good; not measured where nothing is random.",
        ),
    )
    boxes = "".join(
        f'<div class="card"><h3>{name}</h3><p class="value">{value}</p><p>{explanation}</p></div>'
        for name, value, explanation in cards
    )
    directions = judgement["directions"]
    heads = [("Figure", False), *((_direction(each["source"], each["target"]), True) for each in directions)]
    lines: tuple[tuple[str, list[str]], ...] = (
        ("Verdict", [each["verdict"] for each in directions]),
        ("Words with an entry", [f"{each['entries']:,}" for each in directions]),
        ("Lift", [_figure(each["lift"]) for each in directions]),
        ("Translation in the paired sentence", [_percent(each["paired"]) for each in directions]),
        ("Translation in a shuffled sentence", [_percent(each["shuffled"]) for each in directions]),
        ("Standard deviations between the two", [_figure(each["deviations"], digits=1) for each in directions]),
        ("Coverage", [_percent(each["coverage"]) for each in directions]),
        ("Stability", [_percent(each["stability"]) for each in directions]),
    )
    rows = (f'<tr><th scope="row">{name}</th>{"".join(map(_number_cell, values))}</tr>' for name, values in lines)
    pairs = judgement["held_out_pairs"]
    judged = "By direction, " + (
        f"from {pairs:,} sentence pairs that the lexicons were not made from" if pairs else "without sentence pairs"
    )
    return f'<div class="cards">{boxes}</div>{_table(judged, heads, rows)}'


def _advice(judgement: Mapping[str, Any]) -> str:
    reasons, steps = judgement["reasons"], judgement.get("next_steps", ())
    why = f"<h3>Why the verdict is no better</h3>{_items(reasons)}" if reasons else "<p>There are no objections.</p>"
    return why + (f"<h3>What to do next</h3>{_items(steps)}" if steps else "")


def _building(lexicons: Sequence[Lexicon], judgement: Mapping[str, Any]) -> str:
    pairs = [("Method", judgement["method"]), ("Chosen", judgement["chosen"])]
    if len(judgement.get("tried", ())) > 1:
        pairs.append(("Tried, in this order", ", ".join(judgement["tried"])))
    for lexicon in lexicons:
        links = sum(len(entry.translations) for entry in lexicon.entries.values())
        content = (
            f"{len(lexicon):,} {lexicon.unit}s with {links:,} translations, by {lexicon.method}; "
            f"strength: {_MEASURES[lexicon.measure]}"
        )
        pairs.append((_direction(lexicon.source_language, lexicon.target_language), content))
    return _described(pairs)


# Samples and compounds


def _samples(judgement: Mapping[str, Any]) -> str:
    tables = (_sample_table(direction) for direction in judgement["directions"] if direction.get("samples"))
    found = "".join(tables)
    explanation = (
        "<p>Frequent, middling and rare words, evenly spread, not picked. The last column says in how many of the "
        "word's held-out sentences the paired one holds the first translation: look first at low ones.</p>"
    )
    return found and explanation + found


def _sample_table(direction: Mapping[str, Any]) -> str:
    source, target = direction["source"], direction["target"]
    heads = (("Word", False), ("In the text", True), ("Translations, with strength", False), ("In the pair", True))
    by_band: dict[str, list[str]] = {}
    for sample in direction["samples"]:
        links = ((each["word"], each["strength"]) for each in sample["translations"])
        by_band.setdefault(sample["band"], []).append(
            f"<tr>{_word_head(sample['word'], source)}{_number_cell(_count(sample['count']))}"
            f"<td{_in(target)}>{_translations(links)}</td>"
            f"{_number_cell('–' if sample['paired'] is None else format(sample['paired'], '.0%'))}</tr>"
        )
    groups = (
        [f'<tr class="band"><th scope="rowgroup" colspan="4">{escape(band)}</th></tr>', *rows]
        for band, rows in by_band.items()
    )
    return _table(_direction(source, target), heads, *groups)


def _translations(translations: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{_word(word)} <small>{strength:.2f}</small>" for word, strength in translations)


def _compounds(judgement: Mapping[str, Any]) -> str:
    found = "".join(map(_compound_table, judgement["directions"]))
    return found and "<p>One word here, several adjacent words there.</p>" + found


def _compound_table(direction: Mapping[str, Any]) -> str:
    compounds, source, target = direction.get("compounds", ()), direction["source"], direction["target"]
    if not compounds:
        return ""
    shown = compounds[:_MOST_COMPOUNDS]
    rows = (
        f"<tr>{_word_head(each['word'], source)}<td{_in(target)}>{_word(each['phrase'])}</td>"
        f"{_number_cell(_count(each['count']))}</tr>"
        for each in shown
    )
    part = f"the most frequent {len(shown):,} of {len(compounds):,}" if len(shown) < len(compounds) else "all found"
    heads = (("Word", False), ("Phrase", False), ("Aligned so often", True))
    return _table(f"{_direction(source, target)}: {part}", heads, rows)


# Distributions


def _distributions(lexicon: Lexicon) -> str:
    direction = _direction(lexicon.source_language, lexicon.target_language)
    charts = [_chart(f"{direction}: translations per word", "words", _per_word(lexicon))]
    if lexicon.measure != "none":
        charts.append(_chart(f"{direction}: strength of translations", "translations", _by_strength(lexicon)))
    return f'<div class="charts">{"".join(charts)}</div>'


def _per_word(lexicon: Lexicon) -> list[tuple[str, int]]:
    """How many words have one translation, two, …; the last bar is that many or more."""
    counts = Counter(min(len(entry.translations), _MOST_TRANSLATIONS) for entry in lexicon.entries.values())
    most = max(counts, default=1)
    return [(f"{size}{'+' * (size == _MOST_TRANSLATIONS)}", counts[size]) for size in range(1, most + 1)]


def _by_strength(lexicon: Lexicon) -> list[tuple[str, int]]:
    """How many translations there are in each of ten equal ranges of strength, by the lower end of the range."""
    strengths = np.array([each.strength for entry in lexicon.entries.values() for each in entry.translations])
    if lexicon.measure == "probability" or not len(strengths):
        ends = (0.0, 1.0)
    else:
        ends = (float(strengths.min()), float(strengths.max()))
    counts, edges = np.histogram(strengths, bins=_BINS, range=ends)
    return [(f"{edge:.2g}", count) for edge, count in zip(edges.tolist(), counts.tolist(), strict=False)]


def _chart(title: str, unit: str, bars: Sequence[tuple[str, int]]) -> str:
    """Bars with their numbers, one beside the other; what is drawn stands in words too."""
    height, width = 80, 32
    largest = max((count for _, count in bars), default=0) or 1
    drawn = []
    for place, (label, count) in enumerate(bars):
        left, size = place * width, round(height * count / largest, 1)
        middle = left + width / 2
        drawn.append(
            f'<rect x="{left + 3}" y="{16 + height - size:.1f}" width="{width - 6}" height="{size}"/>'
            f'<text x="{middle}" y="{12 + height - size:.1f}">{_short(count)}</text>'
            f'<text x="{middle}" y="{height + 30}">{escape(label)}</text>'
        )
    total = len(bars) * width
    said = "; ".join(f"{label}: {count:,} {unit}" for label, count in bars)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {total} {height + 36}" style="max-width:{1.5 * total}px" role="img" '
        f'aria-label="{escape(said)}">{"".join(drawn)}</svg></figure>'
    )


def _short(count: int) -> str:
    """A count in at most four characters or so: 950, 12k, 3.4M."""
    if count < 10_000:
        return str(count)
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


# All entries


def _listing(lexicons: Sequence[Lexicon]) -> str:
    tables = "".join(_entry_table(lexicon, _MOST_BYTES // len(lexicons)) for lexicon in lexicons)
    return (
        '<p id="search" hidden><label for="query">Search the listed words and translations</label>'
        '<input id="query" type="search" autocomplete="off" spellcheck="false">'
        f'<span id="found" role="status"></span></p>{tables}'
    )


def _entry_table(lexicon: Lexicon, most_bytes: int) -> str:
    direction = _direction(lexicon.source_language, lexicon.target_language)
    ranked = sorted(lexicon.entries.values(), key=lambda entry: -entry.count)
    rows = _rows_within([_entry_row(entry, lexicon) for entry in ranked[:MOST_ENTRIES]], most_bytes)
    listed = "all" if len(rows) == len(ranked) else f"the {len(rows):,} most frequent of"
    caption = f"{direction}: {listed} {len(ranked):,} {lexicon.unit}s"
    heads = (("Word", False), ("In the text", True), ("Translations, with strength", False))
    rest = "" if len(rows) == len(ranked) else "<p>The lexicon's file has all.</p>"
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(direction)}">'
        f"{_table(caption, heads, rows)}</div>{rest}"
    )


def _rows_within(rows: Sequence[str], most_bytes: int) -> Sequence[str]:
    """The first rows that together have no more bytes."""
    ends = np.cumsum([len(row.encode()) for row in rows])
    return rows[: int(np.searchsorted(ends, most_bytes, side="right"))]


def _entry_row(entry: Entry, lexicon: Lexicon) -> str:
    shown = entry.translations[:_MOST_TRANSLATIONS]
    if lexicon.measure == "none":
        translations = ", ".join(_word(each.word) for each in shown)
    else:
        translations = _translations((each.word, each.strength) for each in shown)
    more = len(entry.translations) - len(shown)
    return (
        f"<tr>{_word_head(entry.word, lexicon.source_language)}"
        f"{_number_cell(f'{entry.count:,}' if entry.count else '–')}"
        f"<td{_in(lexicon.target_language)}>{translations}{f' (and {more:,} more)' if more else ''}</td></tr>\n"
    )


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #57606a; --paper: #fff; --raised: #f4f6f8; --line: #d0d7de;
  --bar: #3569b5; --green: #1a7f37; --amber: #8a5a00; --red: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #a3acb5; --paper: #14171a; --raised: #1f2429; --line: #3a424a; --bar: #7fb0f5;
    --green: #56d364; --amber: #e8b04a; --red: #ff8b82; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin-top: 2.2rem; font-size: 1.25rem; } h3 { font-size: 1rem; }
.verdict { display: flex; gap: .8rem; align-items: center; padding: .8rem 1rem; background: var(--raised);
  border: 1px solid var(--line); border-left: .6rem solid; border-radius: .3rem; }
.verdict.green { border-left-color: var(--green); } .verdict.amber { border-left-color: var(--amber); }
.verdict.red { border-left-color: var(--red); }
.sign { font-size: 1.6rem; font-weight: bold; }
.green .sign, .green strong { color: var(--green); } .amber .sign, .amber strong { color: var(--amber); }
.red .sign, .red strong { color: var(--red); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem; }
.card { padding: .7rem 1rem; background: var(--raised); border: 1px solid var(--line); border-radius: .3rem; }
.card h3, .card p { margin: 0; } .card p { font-size: .875rem; color: var(--soft); }
.card .value { font-size: 1.7rem; color: var(--ink); font-variant-numeric: tabular-nums; }
table { width: 100%; margin: 1rem 0; border-collapse: collapse; font-size: .9375rem; }
caption { padding: .3rem 0; text-align: start; font-weight: 600; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line); text-align: start; vertical-align: top;
  overflow-wrap: anywhere; }
tbody th { min-width: 8rem; font-weight: 500; }
thead th { font-size: .8125rem; color: var(--soft); }
th.n, td.n { text-align: end; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.band th { padding-top: .8rem; font-weight: 700; color: var(--soft); }
small { color: var(--soft); font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: .3rem 1rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: 1rem; }
figure { margin: .5rem 0; } figcaption { font-size: .875rem; }
svg { width: 100%; height: auto; } svg rect { fill: var(--bar); }
svg text { fill: var(--ink); font-size: 9px; text-anchor: middle; }
#search:not([hidden]) { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
input { flex: 1 1 12rem; padding: .4rem .6rem; border: 1px solid var(--soft); border-radius: .3rem; font: inherit;
  background: var(--paper); color: var(--ink); }
.scroll { max-height: 32rem; margin: 1rem 0; overflow: auto; border: 1px solid var(--line); border-radius: .3rem;
  padding: 0 .5rem; }
.scroll table { margin: 0; } .scroll thead th { position: sticky; top: 0; background: var(--paper); }
[hidden] { display: none; }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .6rem; } }
@media print {
  :root { --ink: #000; --soft: #333; --paper: #fff; --raised: #fff; --line: #999; --bar: #444; --green: #000;
    --amber: #000; --red: #000; }
  main { max-width: none; padding: 0; } #entries { display: none; }
  tr, figure, .card { break-inside: avoid; } h2, h3, caption { break-after: avoid; }
}
"""
"""On paper the list of entries is left out: it would be a hundred pages."""

_SCRIPT = """
const rows = [...document.querySelectorAll("#entries tbody tr")].map(row =>
  [row, [...row.querySelectorAll("bdi")].map(word => word.textContent).join("\\n").toLowerCase()]);
const query = document.getElementById("query"), found = document.getElementById("found");
document.getElementById("search").hidden = false;
query.addEventListener("input", () => {
  const wanted = query.value.trim().normalize("NFC").toLowerCase();
  let count = 0;
  for (const [row, words] of rows) {
    row.hidden = !words.includes(wanted);
    count += !row.hidden;
  }
  found.textContent = wanted && `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} entries`;
});
"""
