"""Premises and hypotheses with their labels, from any format."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from switchtune.corpus.columns import CorpusError, Request
from switchtune.corpus.lines import stripped
from switchtune.corpus.read import Corpus, Reading, open_location
from switchtune.files import fingerprint
from switchtune.languages import find_language

LABELS = ("entailment", "neutral", "contradiction")
"""In the order of their numbers, that of XNLI's."""

LABEL_NUMBERS = {
    name: number for number, label in enumerate(LABELS) for name in (label, label[0], str(number), f"{number}.0")
}
LABEL_NUMBERS["contradictory"] = 2  # as XNLI's machine-translated training sets have it
"""Places in `LABELS` by all that labels are called in files, in lower case: ANLI has first letters, and pandas writes
1.0 where other rows lack a number."""
_NOT_LABELLED = {"", "-", "-1"}
"""Where annotators did not agree, SNLI and MNLI have one of these."""

_COLUMNS = (
    ("premise", "hypothesis", "label"),
    ("premise", "hypo", "label"),  # XNLI's machine-translated training sets
    ("context", "hypothesis", "label"),  # ANLI
    *(("sentence1", "sentence2", label) for label in ("gold_label", "label")),
)


@dataclass(frozen=True)
class NliSet:
    """Examples of one language, at least one; the three sequences are parallel."""

    language: str
    origin: str
    premises: tuple[str, ...]
    hypotheses: tuple[str, ...]
    labels: tuple[int, ...]
    """Places in `LABELS`."""
    not_labelled: int
    """Rows left out because they have no label."""
    empty: int
    """Rows left out because premise or hypothesis is empty."""
    notes: tuple[str, ...] = ()
    """What people are to know of how the file was understood."""

    def __len__(self) -> int:
        return len(self.labels)

    def fingerprint(self) -> str:
        """A short hash of language, texts and labels."""
        return fingerprint([self.language, self.premises, self.hypotheses, self.labels])

    def describe(self) -> str:
        """What was read, in a line for people."""
        shares = ", ".join(f"{label} {self.labels.count(number):,}" for number, label in enumerate(LABELS))
        left_out = (self.not_labelled, "without a label"), (self.empty, "with an empty side")
        said = (f"{count:,} {what} left out" for count, what in left_out if count)
        return "; ".join((f"{self.origin}: {len(self):,} examples ({shares})", *said, *self.notes))

    def corpus(self) -> Corpus:
        """Premises and hypotheses as the two sides of a corpus, both in this language."""
        table = pa.table({"source": list(self.premises), "target": list(self.hypotheses)})
        reading = Reading("nli", ("premise", "hypothesis"), len(self))
        return Corpus(self.language, self.language, self.origin, table, reading)


def read_nli(location: str, language: str, *, columns: Sequence[str] | None = None, limit: int | None = None) -> NliSet:
    """Read examples of a language. Rows without a label, or with an empty side, are left out and counted.

    Args:
        location: a file .tsv .csv .jsonl .parquet, perhaps compressed, or "hf:org/name:config:split"; an asterisk
            stands for the language's code.
        columns: of premise, hypothesis and label; by default `premise`, `hypothesis` and `label`, what XNLI and ANLI
            have in their place, or `sentence1`, `sentence2` and `gold_label` or `label`, in any letter case; in a TSV
            or CSV file without a header the first three.
        limit: use only so many examples, evenly spread over the file, which may be sorted by labels.
    """
    path = location.replace("*", language)
    spoken, named = find_language(language), None if columns is None else tuple(columns)
    rows = open_location(path, Request(spoken, spoken, named, usual=_COLUMNS, labelled=True))
    premise, hypothesis, label = rows.columns
    kept: list[tuple[str, str, int]] = []
    not_labelled = empty = 0
    for number, cells in enumerate(rows.cells, 1):
        first, second, name = map(stripped, cells)
        if name in _NOT_LABELLED:
            not_labelled += 1
        elif name.lower() not in LABEL_NUMBERS:
            raise CorpusError(
                f"{path}: row {number:,} has the label {name!r}, in column {label!r}; expected {', '.join(LABELS)} or "
                f"0, 1, 2 in this order ('-' or -1 where there is none). Is {label!r} the right column? Name them: "
                "columns: [PREMISE, HYPOTHESIS, LABEL]."
            )
        elif not (first and second):
            empty += 1
        else:
            kept.append((first, second, LABEL_NUMBERS[name.lower()]))
    if not kept:
        raise CorpusError(
            f"{path}: no example is left ({not_labelled:,} rows have no label, {empty:,} an empty side). "
            f"The columns are {premise!r}, {hypothesis!r} and {label!r}; are they the right ones?"
        )
    if limit is not None and limit < len(kept):
        kept = [kept[row] for row in np.linspace(0, len(kept) - 1, limit, dtype=np.int64).tolist()]
    premises, hypotheses, numbers = zip(*kept, strict=True)
    return NliSet(language, path, premises, hypotheses, numbers, not_labelled, empty, tuple(rows.notes))
