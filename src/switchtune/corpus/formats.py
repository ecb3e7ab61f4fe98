"""Every file format as rows: the columns that are looked for, and their cells, row after row."""

import csv
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice, zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import compute, parquet

from switchtune.corpus.columns import CorpusError, Request, TableRows, choose_columns, is_header, language_of
from switchtune.corpus.gettext import catalog_rows
from switchtune.corpus.json_rows import NESTED, json_rows
from switchtune.corpus.lines import (
    LONGEST_LINE,
    OPENERS,
    TOO_LONG,
    Member,
    Origin,
    bomb,
    file_of,
    most_unpacked,
    plain,
    stripped,
    text_lines,
)
from switchtune.corpus.spreadsheet import sheet_records
from switchtune.corpus.units import unit_rows
from switchtune.errors import UsageError

PARALLEL_TEXT = "parallel text"
_OF_LINES = (PARALLEL_TEXT, "tsv", "csv")


def open_rows(format_name: str, paths: Sequence[Origin], request: Request) -> TableRows:
    """Open the two files of a parallel text, source first, or the one file of another format."""
    for path in paths:
        if file_of(path).stat().st_size == 0 or (format_name in _OF_LINES and next(text_lines(path), None) is None):
            raise _empty(path)
    if format_name != PARALLEL_TEXT:
        return _READERS[format_name](paths[0], request)
    source, target = paths
    if request.columns:
        raise UsageError(f"{source}: columns {list(request.columns)!r} named, but plain text has no columns.")
    return TableRows((source.name, target.name), _text_pairs(source, target))


def _whole(path: Origin) -> Path:
    """A path, of a format that is not read out of an archive."""
    if isinstance(path, Member):
        raise CorpusError(f"{path}: this format is not read out of an archive. Unpack it, and give the file.")
    return path


def _empty(path: Origin) -> CorpusError:
    return CorpusError(f"{path}: the file is empty; one sentence or pair a line is expected.")


def _text_pairs(source: Origin, target: Origin) -> Iterator[tuple[str, str]]:
    sources, targets = text_lines(source), text_lines(target)
    for number, (line, translation) in enumerate(zip_longest(sources, targets), 1):
        if line is None:
            raise _unequal(source, target, number, translation, targets)
        if translation is None:
            raise _unequal(target, source, number, line, sources)
        yield line, translation


def _unequal(short: Origin, long: Origin, number: int, line: str, rest: Iterator[str]) -> CorpusError:
    """`line` is the first of `long` that has no partner, `rest` what follows it."""
    total = number + sum(1 for _ in rest)
    return CorpusError(
        f"{short} has {number - 1:,} lines and {long} has {total:,}. {short.name} ends before line {number:,}, "
        f"which in {long.name} is {line[:80]!r}. Line n of one file must translate line n of the other; "
        "look for the first pair that does not, usually a line missing or broken in two."
    )


# TSV and CSV: the number of the line on which each record begins, and the record's cells (none of an empty line)


_LINES_LOOKED_AT = 100
_Records: TypeAlias = Iterator[tuple[int, list[str]]]


def _tsv_rows(path: Origin, request: Request) -> TableRows:
    notes: list[str] = []
    if problem := _quoted_cell(path):
        try:
            widths = {len(cells) for _, cells in _csv_records(path, text_lines(path), "\t") if cells}
            problem = "" if len(widths) == 1 else f"{problem}, but rows have {min(widths)} to {max(widths)} cells"
        except CorpusError as error:
            problem = f"{problem}, but {str(error).removeprefix(f'{path}:')}"
        if not problem:
            notes.append("cells in quotes, with quotes in them doubled, are read as spreadsheets write them")
            return _delimited_rows(path, _csv_records(path, text_lines(path), "\t"), "\t", request, notes)
        notes.append(f"quotes are taken for text: {problem}")
    split = (line.split("\t") if stripped(line) else [] for line in text_lines(path))
    return _delimited_rows(path, enumerate(split, 1), "\t", request, notes)


def _quoted_cell(path: Origin) -> str:
    """Where a TSV file has the first cell in quotes that only a spreadsheet or a program can have put there."""
    first = [line.split("\t") for line in islice(text_lines(path), _LINES_LOOKED_AT)]
    quoted = [all(re.fullmatch('"[^"]*"', cell) for cell in cells) for cells in first]
    if quoted[0] and is_header([cell[1:-1] for cell in first[0]]):
        return "the names of the columns are in quotes"
    if all(quoted) and len(quoted) > 9:
        return "all cells of the first lines are in quotes"
    for number, line in enumerate(text_lines(path), 1):
        if '""' in line:
            for cell in line.split("\t"):
                inside = cell[1:-1].replace('""', "")
                if len(cell) > 4 and cell[0] == cell[-1] == '"' and '""' in cell[1:-1] and '"' not in inside:
                    return f"a cell of line {number:,} has its quotes doubled"
    return ""


def _csv_rows(path: Origin, request: Request) -> TableRows:
    lines = text_lines(path)
    sample = list(islice(lines, _LINES_LOOKED_AT))
    if told := re.fullmatch("sep=(.)", sample[0], re.IGNORECASE):  # as Excel has it
        sample[0], delimiter = "", told[1]
    else:
        delimiter = max(",;\t", key=partial(_fitness, sample, request))
    return _delimited_rows(path, _csv_records(path, chain(sample, lines), delimiter), delimiter, request, [])


def _fitness(sample: Sequence[str], request: Request, delimiter: str) -> tuple[int, bool, bool]:
    """How well a delimiter fits: what the first line names, whether all rows have as many columns, and have two."""
    rows = [cells for cells in _reader(sample, delimiter) if cells]
    asked = request.languages
    header = [cell.strip() for cell in (rows[0] if rows else [])]
    named = sum(
        cell in (request.columns or ()) or (is_header([cell], asked) and language_of(cell, asked) in (None, *asked))
        for cell in header
    )
    widths = {len(cells) for cells in (rows[:-1] if len(rows) > 9 else rows)}  # the last may be cut off
    return named, len(widths) == 1 and widths != {1}, widths == {2}


def _reader(lines: Iterable[str], delimiter: str, *, strict: bool = False) -> Any:
    csv.field_size_limit(LONGEST_LINE)  # of the process, in which others may have set it
    return csv.reader(lines, delimiter=delimiter, strict=strict)


def _csv_records(path: Origin, lines: Iterable[str], delimiter: str) -> _Records:
    begins, size = 1, 0

    def fed() -> Iterator[str]:
        nonlocal size
        for line in lines:
            size += len(line) + 1
            if size > LONGEST_LINE:
                raise csv.Error(f"a record of over {LONGEST_LINE:,} characters")
            yield f"{line}\n"

    reader = _reader(fed(), delimiter, strict=True)
    try:
        for cells in reader:
            yield begins, cells if any(map(stripped, cells)) else []
            begins, size = reader.line_num + 1, 0
    except csv.Error as error:
        raise CorpusError(
            f"{path}:{begins}: not valid CSV ({error}). Look for a quote that is not closed, or not doubled."
        ) from error


def _delimited_rows(path: Origin, records: _Records, delimiter: str, request: Request, notes: list[str]) -> TableRows:
    """Rows of records, of which the first names the columns, or is a row itself."""
    begins, head = next(((number, cells) for number, cells in records if cells), (1, list[str]()))
    width, head = len(head), head[: max((place for place, cell in enumerate(head, 1) if stripped(cell)), default=0)]
    if not head:
        raise _empty(path)
    names = header = list(map(str.strip, head))
    least, numbers = len(names), [str(number) for number in range(1, width + 1)]
    told = {*request.languages} & {language_of(name, request.languages) for name in names}
    sides = request.usual[0] if request.usual else (request.source.name, request.target.name)
    unnamed = (
        not request.usual_in(names)
        if request.usual
        else len(names) == 2 and not (is_header(names, request.languages) or told)
    )
    if request.columns is None and unnamed:
        request = replace(request, columns=tuple(str(number) for number in range(1, len(sides) + 1)))
        taken = f"{', '.join(sides[:-1])} and {sides[-1]}"
        notes.append(f"the first line names no columns: they are taken for {taken}, by their order alone")
    if request.columns and all(map(str.isdecimal, request.columns)):
        chosen_names = [name for name, number in zip(names, numbers, strict=False) if number in request.columns]
        if not is_header(chosen_names, request.languages):
            records, header = chain([(begins, head)], records), []
        names = numbers
    columns = choose_columns(names, request, f"{path}:{begins}")
    places = list(map(names.index, columns))
    least = max(least, max(places) + 1)
    chosen: Callable[[list[str]], tuple[str, ...]] = itemgetter(*places)

    def rows() -> Iterator[tuple[str, ...]]:
        repeated = 0
        for number, cells in records:
            if len(cells) > len(names) and not any(map(str.strip, cells[len(names) :])):
                cells = cells[: len(names)]
            if cells and not least <= len(cells) <= len(names):
                hint = (
                    "Tabs separate columns and quotes mean nothing in a TSV file; fix the line or use CSV or JSONL."
                    if delimiter == "\t"
                    else f"Put a text that holds the character {delimiter!r} in quotes."
                )
                raise CorpusError(
                    f"{path}:{number}: {len(cells)} columns where {least} are expected, in "
                    f"{delimiter.join(cells)[:80]!r}. {hint}"
                )
            if header and cells and cells[0].strip() in header and sorted(map(str.strip, cells)) == sorted(header):
                if list(map(str.strip, cells)) != header:
                    said = f"names the columns again, in another order than the first line ({', '.join(header)})"
                    raise CorpusError(f"{path}:{number}: {said}. Split the file here.")
                repeated += 1
                continue
            yield chosen(cells) if cells else ("",) * len(columns)
        if repeated:
            notes.append(f"repeated headers left out: {repeated:,}")

    return TableRows(columns, rows(), notes)


def _xlsx_rows(path: Origin, request: Request) -> TableRows:
    records, notes = sheet_records(path, request)
    return _delimited_rows(path, records, "\t", request, notes)


# What comes in Arrow's batches

# What Arrow raises for files and columns that are not what they say; a text that is not UTF-8 is a ValueError.
_DAMAGED = (OSError, ValueError, KeyError, pa.ArrowException)
ROWS_PER_BATCH = 1 << 10
"""Few, as each may hold a document."""


def _parquet_rows(path: Origin, request: Request) -> TableRows:
    path = _whole(path)
    try:
        held: Path | pa.BufferReader = path
        if path != plain(path):
            with path.open("rb") as file, OPENERS[path.suffix.lower()](file) as stream:
                held = pa.BufferReader(stream.read(most_unpacked(path)))
                if stream.read(1):
                    raise bomb(path)
        table = parquet.ParquetFile(held)
        schema, about = table.schema_arrow, table.metadata
        # A row of nothing takes no bytes there, but is one here.
        size = max(about.num_rows, sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups)))
    except (EOFError, lzma.LZMAError, zlib.error, *_DAMAGED) as error:
        raise CorpusError(f"{path}: not a Parquet file, or damaged ({error}). Fetch it again.") from error
    if size > most_unpacked(path):
        raise bomb(path)
    return arrow_rows(schema, partial(table.iter_batches, batch_size=ROWS_PER_BATCH), request, path)


def arrow_rows(
    schema: pa.Schema, batches: Callable[[], Iterable[pa.RecordBatch | pa.Table]], request: Request, origin: Path | str
) -> TableRows:
    """The rows of batches that have this schema; `origin` names them in errors."""
    types = {field.name: field.type for field in schema}
    inner = list(types[NESTED]) if NESTED in types and pa.types.is_struct(types[NESTED]) else []
    nested = {field.name: field.type for field in inner}
    columns = choose_columns([field.name for field in schema if field.name not in nested] + [*nested], request, origin)
    for column in columns:
        held = (types | nested)[column]
        held = held.value_type if pa.types.is_dictionary(held) else held
        is_number = request.labelled and column == columns[-1] and pa.types.is_integer(held)
        if not is_number and held not in (pa.string(), pa.large_string(), pa.string_view()):
            raise CorpusError(f"{origin}: column {column!r} holds {held}; text is expected.")

    def texts(batch: pa.RecordBatch | pa.Table, column: str) -> Iterator[str]:
        cells = compute.struct_field(batch.column(NESTED), column) if column in nested else batch.column(column)
        return ("" if cell is None else str(cell) for cell in cells.to_pylist())

    def rows() -> Iterator[tuple[str, ...]]:
        number = 0
        try:
            for batch in batches():
                for row in zip(*(texts(batch, column) for column in columns), strict=True):
                    number += 1
                    if max(map(len, row)) > LONGEST_LINE:
                        raise CorpusError(f"{origin}: row {number:,} holds {TOO_LONG}")
                    yield row
        except _DAMAGED as error:
            raise CorpusError(f"{origin}: damaged after row {number:,} ({error}). Fetch it again.") from error

    return TableRows(columns, rows())


_READERS: dict[str, Callable[[Origin, Request], TableRows]] = {
    "tsv": _tsv_rows,
    "csv": _csv_rows,
    "jsonl": json_rows,
    "parquet": _parquet_rows,
    **dict.fromkeys(("tmx", "xliff", "xlf", "sdlxliff", "mxliff", "mqxliff", "tbx", "xml"), unit_rows),
    **dict.fromkeys(("po", "pot", "mo"), lambda path, request: catalog_rows(_whole(path), request)),
    "xlsx": _xlsx_rows,
}
SUFFIXES = {f".{name}": name for name in _READERS} | {".ndjson": "jsonl", ".json": "jsonl"}
"""The format that a file's ending stands for."""
