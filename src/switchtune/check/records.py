"""What a check looks at, and what it finds."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from switchtune.corpus.cache import mapped_table, write_pairs
from switchtune.corpus.columns import CorpusError, Request
from switchtune.corpus.formats import PARALLEL_TEXT
from switchtune.corpus.lines import stripped
from switchtune.corpus.read import Location, raw_rows
from switchtune.corpus.seen import hash_of
from switchtune.errors import UsageError
from switchtune.languages import Language, find_language

SetName: TypeAlias = Literal["train", "valid", "test"]
Severity: TypeAlias = Literal["error", "warning", "note"]
"""With an error what is trained on the data is worthless, or its scores are untrue; notes may well be meant."""
Places: TypeAlias = NDArray[np.int64]

ROWS_AT_ONCE = 8192
_LINES_NAMED, _EXAMPLES, _LONGEST_EXAMPLE = 10, 3, 120
NO_PLACES: Places = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a corpus that is not well."""

    kind: str
    severity: Severity
    corpus: SetName
    file: str
    """The file, or the column, that it is in; both where it is in both sides."""
    found: str
    """What was found, a sentence or two."""
    advice: str
    """What to do about it."""
    count: int
    """Pairs, or lines of the side, that are concerned."""
    of: int
    """Pairs that were looked at."""
    lines: tuple[int, ...] = ()
    """Where the first of them stand, from 1."""
    examples: tuple[str, ...] = ()
    rows: Places = field(default_factory=lambda: NO_PLACES, repr=False, compare=False)
    """The places, from 0, of pairs that are better left out of training."""

    def with_examples(self, examples: tuple[str, ...]) -> "Problem":
        return replace(self, examples=examples)

    def record(self) -> dict[str, Any]:
        """As JSON."""
        names = [name for name in self.__slots__ if name != "rows"]
        return {name: getattr(self, name) for name in names} | {"left_out": len(self.rows)}


@dataclass(frozen=True, eq=False)
class RawCorpus:
    """A corpus with every row as it stands in the file, memory-mapped, before anything is left out."""

    corpus: SetName
    origin: str
    format: str
    """As in `Reading`."""
    languages: tuple[Language, Language]
    sides: tuple[str, str]
    """The file or the column of the source and of the target."""
    unit: Literal["line", "row"]
    """What rows are numbered as: lines of text files, or rows of a table without its header."""
    table: pa.Table
    documents: NDArray[np.uint64] | None
    """A hash of each row's document, where a column names it."""
    notes: tuple[str, ...]

    @property
    def codes(self) -> tuple[str, str]:
        return self.languages[0].code, self.languages[1].code

    @property
    def column_names(self) -> tuple[str, str]:
        """Of the sides, where they are written as a table: their own, or the languages' codes."""
        own = self.format not in (PARALLEL_TEXT, "embedded") and not any(map(str.isdecimal, self.sides))
        return self.sides if own else self.codes

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def groups(self) -> Iterator[tuple[int, list[str], list[str]]]:
        """All pairs in their order, many at once: the place of the first, sources, targets."""
        for start in range(0, len(self), ROWS_AT_ONCE):
            block = self.table.slice(start, ROWS_AT_ONCE)
            yield start, block.column("source").to_pylist(), block.column("target").to_pylist()

    def side(self, number: int) -> Iterator[tuple[int, list[str]]]:
        """The texts of one side, many at once."""
        for start in range(0, len(self), ROWS_AT_ONCE):
            yield start, self.table.column(number).slice(start, ROWS_AT_ONCE).to_pylist()

    def text(self, row: int, side: int) -> str:
        return str(self.table.column(side)[row].as_py())

    def shown(self, row: int, side: int | None = None) -> str:
        """A pair, or one side of it, as an example."""
        number = f"{self.unit} {row + 1:,}"
        texts = [self.text(row, each) for each in ((0, 1) if side is None else (side,))]
        return f"{number}: " + " ⟷ ".join(
            repr(text if len(text) <= _LONGEST_EXAMPLE else text[:_LONGEST_EXAMPLE] + "…") for text in texts
        )

    def problem(
        self,
        kind: str,
        severity: Severity,
        places: "Sequence[int] | array[int] | Places",
        said: tuple[str, str],
        side: int | None = None,
        *,
        leave_out: bool = False,
    ) -> Problem:
        """A problem at some places, with the first of them as examples; `said` is what was found, and the advice."""
        rows = np.asarray(places, np.int64)
        return Problem(
            kind,
            severity,
            self.corpus,
            self.origin if side is None else self.sides[side],
            *said,
            count=len(rows),
            of=len(self),
            lines=tuple(int(row) + 1 for row in rows[:_LINES_NAMED]),
            examples=tuple(self.shown(int(row), side) for row in rows[:_EXAMPLES]),
            rows=rows if leave_out else NO_PLACES,
        )


def read_raw(
    corpus: SetName,
    location: Location,
    languages: tuple[str, str],
    folder: Path,
    *,
    columns: Sequence[str] | None = None,
    document: str | None = None,
) -> RawCorpus:
    """Read every row of a corpus into a table in `folder`.

    Raises CorpusError where a file is no corpus, with file and line.
    """
    source, target = map(find_language, languages)
    request = Request(source, target, None if columns is None else tuple(columns))
    origin, format_name, opened = raw_rows(location, request)
    sides = opened.columns[:2]
    if document is not None:
        if format_name == PARALLEL_TEXT:
            raise UsageError(f"{origin}: document: {document!r} names a column, but plain text has none.")
        opened = raw_rows(location, Request(source, target, (*sides, document)))[2]
    hashes: list[int] = []

    def pairs() -> Iterator[tuple[str, str]]:
        for cells in opened.cells:
            if document is not None:
                hashes.append(hash_of(cells[2]))
            yield stripped(cells[0]), stripped(cells[1])

    path = folder / f"{corpus}.arrow"
    write_pairs(path, pairs())
    table = mapped_table(path)
    if not table.num_rows:
        raise CorpusError(f"{origin}: no pair in it; its columns are {' and '.join(sides)}.")
    of_documents = np.array(hashes, np.uint64) if document is not None else None
    unit: Literal["line", "row"] = "line" if format_name in (PARALLEL_TEXT, "jsonl", "embedded") else "row"
    return RawCorpus(
        corpus,
        origin,
        format_name,
        (source, target),
        (sides[0], sides[1]),
        unit,
        table,
        of_documents,
        tuple(opened.notes),
    )


def warning_from(share: float, count: int, of: int) -> Severity:
    """A warning from some share of the pairs, below it a note."""
    return "warning" if count >= share * of else "note"


def percent(count: int, of: int) -> str:
    """A share for people: "3 (0.2 %)"."""
    share = count / max(of, 1)
    return f"{count:,} ({share:.1%})" if share >= 0.001 or not count else f"{count:,} (under 0.1%)"
