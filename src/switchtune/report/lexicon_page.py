"""Lexicons and what is to be thought of them, as one HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from switchtune.lexicon.judge import GREEN_COVERAGE, GREEN_LIFT, GREEN_STABILITY, RED_COVERAGE, RED_LIFT
from switchtune.lexicon.records import Entry, Lexicon
from switchtune.report.html import (
    Head,
    described,
    direction_name,
    in_language,
    items,
    language_name,
    number_cell,
    page,
    rows_within,
    scrolled,
    search_field,
    section,
    table,
    word_html,
)

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
    title = f"Lexicon {language_name(source)}–{language_name(target)}"
    body = (
        f"<header><h1>{escape(title)}</h1>{verdict_html(judgement)}</header>",
        section("Figures", figures_html(judgement)),
        section("Why, and what next", advice_html(judgement)),
        section("How it was built", _building(lexicons, judgement)),
        section("Samples", samples_html(judgement)),
        section("Words that stand for phrases", _compounds(judgement)),
        section("Distributions", "".join(map(_distributions, lexicons))),
        section("Entries", _listing(lexicons), name="entries"),
    )
    return page(f"{title}: {judgement['verdict']}", "".join(body))


# Pieces of HTML


def _word_head(word: str, language: str) -> str:
    """The cell that a row is about."""
    return f'<th scope="row"{in_language(language)}>{word_html(word)}</th>'


def _count(count: int) -> str:
    return f"{count:,}" if count else "not known"


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{share:.1%}"


def _figure(value: float | None, *, digits: int = 2) -> str:
    return "not measured" if value is None else f"{value:.{digits}f}"


# Verdict, figures and advice


def verdict_html(judgement: Mapping[str, Any]) -> str:
    name = judgement["verdict"]
    sign, word, sentence = _VERDICTS[name]
    return (
        f'<p class="verdict {name}"><span class="sign" aria-hidden="true">{sign}</span>'
        f"<span><strong>{word}</strong> (verdict: {name}). {sentence}</span></p>"
    )


def figures_html(judgement: Mapping[str, Any]) -> str:
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
    heads = [
        Head("Figure"),
        *(Head(direction_name(each["source"], each["target"]), numeric=True) for each in directions),
    ]
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
    rows = (f'<tr><th scope="row">{name}</th>{"".join(map(number_cell, values))}</tr>' for name, values in lines)
    pairs = judgement["held_out_pairs"]
    judged = "By direction, " + (
        f"from {pairs:,} sentence pairs that the lexicons were not made from" if pairs else "without sentence pairs"
    )
    return f'<div class="cards">{boxes}</div>{table(judged, heads, rows)}'


def advice_html(judgement: Mapping[str, Any]) -> str:
    reasons, steps = judgement["reasons"], judgement.get("next_steps", ())
    why = f"<h3>Why the verdict is no better</h3>{items(reasons)}" if reasons else "<p>There are no objections.</p>"
    return why + (f"<h3>What to do next</h3>{items(steps)}" if steps else "")


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
        pairs.append((direction_name(lexicon.source_language, lexicon.target_language), content))
    return described(pairs)


# Samples and compounds


def samples_html(judgement: Mapping[str, Any]) -> str:
    tables = (_sample_table(direction) for direction in judgement["directions"] if direction.get("samples"))
    found = "".join(tables)
    explanation = (
        "<p>Frequent, middling and rare words, evenly spread, not picked. The last column says in how many of the "
        "word's held-out sentences the paired one holds the first translation: look first at low ones.</p>"
    )
    return found and explanation + found


_WORD_HEADS = (Head("Word"), Head("In the text", numeric=True))


def _sample_table(direction: Mapping[str, Any]) -> str:
    source, target = direction["source"], direction["target"]
    heads = (
        *_WORD_HEADS,
        Head("Translations, with strength"),
        Head("In the pair", numeric=True),
    )
    by_band: dict[str, list[str]] = {}
    for sample in direction["samples"]:
        links = ((each["word"], each["strength"]) for each in sample["translations"])
        by_band.setdefault(sample["band"], []).append(
            f"<tr>{_word_head(sample['word'], source)}{number_cell(_count(sample['count']))}"
            f"<td{in_language(target)}>{_translations(links)}</td>"
            f"{number_cell('–' if sample['paired'] is None else format(sample['paired'], '.0%'))}</tr>"
        )
    groups = (
        [f'<tr class="band"><th scope="rowgroup" colspan="4">{escape(band)}</th></tr>', *rows]
        for band, rows in by_band.items()
    )
    return table(direction_name(source, target), heads, *groups)


def _translations(translations: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{word_html(word)} <small>{strength:.2f}</small>" for word, strength in translations)


def _compounds(judgement: Mapping[str, Any]) -> str:
    found = "".join(map(_compound_table, judgement["directions"]))
    return found and "<p>One word here, several adjacent words there.</p>" + found


def _compound_table(direction: Mapping[str, Any]) -> str:
    compounds, source, target = direction.get("compounds", ()), direction["source"], direction["target"]
    if not compounds:
        return ""
    shown = compounds[:_MOST_COMPOUNDS]
    rows = (
        f"<tr>{_word_head(each['word'], source)}<td{in_language(target)}>{word_html(each['phrase'])}</td>"
        f"{number_cell(_count(each['count']))}</tr>"
        for each in shown
    )
    part = f"the most frequent {len(shown):,} of {len(compounds):,}" if len(shown) < len(compounds) else "all found"
    heads = (Head("Word"), Head("Phrase"), Head("Aligned so often", numeric=True))
    return table(f"{direction_name(source, target)}: {part}", heads, rows)


# Distributions


def _distributions(lexicon: Lexicon) -> str:
    direction = direction_name(lexicon.source_language, lexicon.target_language)
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
    tables = "".join(entry_table(lexicon, _MOST_BYTES // len(lexicons)) for lexicon in lexicons)
    field = search_field("query", "Search the listed words and translations", "entries")
    return f'{field}<div data-filtered-by="query">{tables}</div>'


def entry_table(lexicon: Lexicon, most_bytes: int) -> str:
    direction = direction_name(lexicon.source_language, lexicon.target_language)
    ranked = sorted(lexicon.entries.values(), key=lambda entry: -entry.count)
    rows = rows_within([_entry_row(entry, lexicon) for entry in ranked[:MOST_ENTRIES]], most_bytes)
    listed = "all" if len(rows) == len(ranked) else f"the {len(rows):,} most frequent of"
    caption = f"{direction}: {listed} {len(ranked):,} {lexicon.unit}s"
    heads = (*_WORD_HEADS, Head("Translations, with strength"))
    rest = "" if len(rows) == len(ranked) else "<p>The lexicon's file has all.</p>"
    return scrolled(direction, table(caption, heads, rows), low=True) + rest


def _entry_row(entry: Entry, lexicon: Lexicon) -> str:
    shown = entry.translations[:_MOST_TRANSLATIONS]
    if lexicon.measure == "none":
        translations = ", ".join(word_html(each.word) for each in shown)
    else:
        translations = _translations((each.word, each.strength) for each in shown)
    more = len(entry.translations) - len(shown)
    return (
        f"<tr>{_word_head(entry.word, lexicon.source_language)}"
        f"{number_cell(f'{entry.count:,}' if entry.count else '–')}"
        f"<td{in_language(lexicon.target_language)}>{translations}{f' (and {more:,} more)' if more else ''}</td></tr>\n"
    )
