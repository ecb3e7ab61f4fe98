"""Lexicons and what is to be thought of them, as one HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from switchtune.errors import UsageError
from switchtune.files import read_json, write_text
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.judge import JUDGEMENT_RECORD
from switchtune.lexicon.records import Entry, Lexicon
from switchtune.report.html import direction_name, is_report, language_name, render
from switchtune.results.drawing import Drawing
from switchtune.results.figures import draw_counts
from switchtune.run_dir import claim_file
from switchtune.runs.lexicon_folder import PAGE
from switchtune.runs.paths import JUDGEMENT

MOST_ENTRIES = 2000
"""Entries of a lexicon that are listed, at most."""

_MOST_TRANSLATIONS = 10
_BINS = 10

_MEASURES = {
    "probability": "from 0 to 1, larger is more certain",
    "similarity": "similarity of the words' embeddings, larger is closer",
    "none": "not given; every translation counts the same",
}


@dataclass(frozen=True)
class Listed:
    """A lexicon as a page shows it."""

    lexicon: Lexicon

    @property
    def direction(self) -> str:
        return direction_name(self.lexicon.source_language, self.lexicon.target_language)

    @property
    def description(self) -> str:
        lexicon = self.lexicon
        translations = sum(len(entry.translations) for entry in lexicon.entries.values())
        return (
            f"{len(lexicon):,} {lexicon.unit}s with {translations:,} translations, by {lexicon.method}; "
            f"strength: {_MEASURES[lexicon.measure]}"
        )

    @property
    def most_frequent(self) -> list[Entry]:
        return sorted(self.lexicon.entries.values(), key=lambda entry: -entry.count)[:MOST_ENTRIES]

    @property
    def drawing(self) -> Drawing:
        """How many translations words have, and how strong they are."""
        words = Counter(min(len(entry.translations), _MOST_TRANSLATIONS) for entry in self.lexicon.entries.values())
        sizes = range(1, max(words, default=1) + 1)
        bars = [(f"{size}{'+' * (size == _MOST_TRANSLATIONS)}", words[size]) for size in sizes]  # the last: or more
        counts = {"words by their number of translations": bars}
        if self.lexicon.measure != "none":
            counts["translations by strength"] = _by_strength(self.lexicon)
        source, target = self.lexicon.source_language, self.lexicon.target_language
        values = "; ".join(
            f"{title}: {', '.join(f'{name}: {count:,}' for name, count in each)}" for title, each in counts.items()
        )
        return Drawing(f"counts-{source}-{target}", self.direction, partial(draw_counts, counts), values)


def write_lexicon_page(folder: Path, *, force: bool = False) -> Path:
    """Write the page of a folder of lexicons, hand edits included.

    Args:
        force: replace something else of the page's name.

    Raises:
        UsageError: the folder holds no judgement, or something else of the page's name.
        SwitchtuneError: the judgement or a lexicon cannot be read.
    """
    if not (folder / JUDGEMENT).exists():
        raise UsageError(f"{folder}: no {JUDGEMENT} here. `switchtune lexicon SOURCE TARGET --out {folder}` makes one.")
    page = folder / PAGE
    own = page.is_file() and is_report(page)
    claim_file(page, own=own, force=force, option="", remedy="The page is written here: move it away.")
    remedy = "The same `switchtune lexicon` rebuilds the folder; edits by hand are kept."
    judgement = read_json(folder / JUDGEMENT, JUDGEMENT_RECORD, remedy=remedy)
    source, target = judgement["languages"]
    names = (f"lexicon.{source}-{target}.tsv", f"lexicon.{target}-{source}.tsv")
    write_text(page, lexicon_page([read_lexicon(folder / name) for name in names], judgement))
    return page


def lexicon_page(lexicons: Sequence[Lexicon], judgement: Mapping[str, Any]) -> str:
    """One HTML page, below 500 kB, that asks for nothing from outside: verdict, figures, samples, and the entries."""
    heading = f"Lexicon {'–'.join(map(language_name, judgement['languages']))}"
    return render(
        "lexicon.html",
        title=f"{heading}: {judgement['verdict']}",
        heading=heading,
        listed=[Listed(lexicon) for lexicon in lexicons],
        judgement=judgement,
    )


def _by_strength(lexicon: Lexicon) -> list[tuple[str, int]]:
    """How many translations there are in each of ten equal ranges of strength, by the lower end of the range."""
    strengths = np.array([each.strength for entry in lexicon.entries.values() for each in entry.translations])
    ends = (0.0, 1.0)
    if lexicon.measure != "probability" and len(strengths):
        ends = (float(strengths.min()), float(strengths.max()))
    counts, edges = np.histogram(strengths, bins=_BINS, range=ends)
    return [(f"{edge:.2g}", count) for edge, count in zip(edges.tolist(), counts.tolist(), strict=False)]
