"""Every file format as rows: the columns that are looked for, and their cells, row after row."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, zip_longest
from operator import itemgetter
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import compute, parquet

from switchtune.corpus.columns import CorpusError, Request, choose_columns, is_header
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import readable


@dataclass(frozen=True, slots=True)
class Rows:
    """An opened corpus.

    Attributes:
        columns: the columns (or the files) that were asked for or found, of the source first.
        cells: those of every row, as they stand in the file, "" where one is missing. To be read once; raises
            CorpusError at the row that makes no sense.
    """

    columns: tuple[str, ...]
    cells: Iterable[tuple[str, ...]]


PARALLEL_TEXT = "parallel text"


def open_rows(format_name: str, paths: Sequence[Path], request: Request) -> Rows:
    """Open the two files of a parallel text, source first, or the one file of another format."""
    for path in paths:
        if path.stat().st_size == 0 or (format_name != "parquet" and next(text_lines(path), None) is None):
            raise _empty(path)
    if format_name != PARALLEL_TEXT:
        return _READERS[format_name](paths[0], request)
    source, target = paths
    if request.columns:
        raise UsageError(f"{source}: columns {list(request.columns)!r} named, but plain text has no columns.")
    return Rows((source.name, target.name), _text_pairs(source, target))


def _empty(path: Path) -> CorpusError:
    return CorpusError(f"{path}: the file is empty; one sentence or pair a line is expected.")


def _text_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    sources, targets = text_lines(source), text_lines(target)
    for number, (line, translation) in enumerate(zip_longest(sources, targets), 1):
        if line is None:
            raise _unequal(source, target, number, translation, targets)
        if translation is None:
            raise _unequal(target, source, number, line, sources)
        yield line, translation


def _unequal(short: Path, long: Path, number: int, line: str, rest: Iterator[str]) -> CorpusError:
    """`line` is the first of `long` that has no partner, `rest` what follows it."""
    total = number + sum(1 for _ in rest)
    return CorpusError(
        f"{short} has {number - 1:,} lines and {long} has {total:,}. {short.name} ends before line {number:,}, "
        f"which in {long.name} is {line[:80]!r}. Line n of one file must translate line n of the other; "
        "look for the first pair that does not, usually a line missing or broken in two."
    )


# TSV and CSV: the number of the line on which each record begins, and the record's cells (none of an empty line)


def _tsv_rows(path: Path, request: Request) -> Rows:
    split = (line.split("\t") if line.strip() else [] for line in text_lines(path))
    records: Iterator[tuple[int, list[str]]] = enumerate(split, 1)
    first = next(records)
    names = first[1]
    if request.columns is None and len(names) == 2 and not is_header(names):
        request = replace(request, columns=("1", "2"))
    if request.columns and all(map(str.isdecimal, request.columns)):
        names, records = [str(number) for number in range(1, len(names) + 1)], chain((first,), records)
    columns = choose_columns(names, request, f"{path}:1")
    return Rows(columns, _delimited_cells(path, records, "\t", names, columns))


def _csv_rows(path: Path, request: Request) -> Rows:
    lines = text_lines(path)
    first = next(lines)
    delimiter = ";" if ";" in first and "," not in first else ","
    records = _csv_records(path, chain((first,), lines), delimiter)
    _, names = next(records)
    columns = choose_columns(names, request, f"{path}:1")
    return Rows(columns, _delimited_cells(path, records, delimiter, names, columns))


def _csv_records(path: Path, lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    begins, size = 1, 0

    def fed() -> Iterator[str]:
        nonlocal size
        for line in lines:
            size += len(line) + 1
            if size > LONGEST_LINE:
                raise csv.Error(f"a record of over {LONGEST_LINE:,} characters")
            yield f"{line}\n"

    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(fed(), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield begins, cells
            begins, size = reader.line_num + 1, 0
    except csv.Error as error:
        raise CorpusError(
            f"{path}:{begins}: not valid CSV ({error}). Look for a quote that is not closed, or not doubled."
        ) from error


def _delimited_cells(
    path: Path, records: Iterable[tuple[int, list[str]]], delimiter: str, names: Sequence[str], columns: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    chosen: Callable[[list[str]], tuple[str, ...]] = itemgetter(*map(names.index, columns))
    for number, cells in records:
        if cells and len(cells) != len(names):
            hint = (
                "Tabs separate columns and quotes mean nothing in a TSV file; mend the line or use CSV or JSONL."
                if delimiter == "\t"
                else f"Put a text that holds the character {delimiter!r} in quotes."
            )
            raise CorpusError(
                f"{path}:{number}: {len(cells)} columns where {len(names)} are expected, in "
                f"{delimiter.join(cells)[:80]!r}. {hint}"
            )
        yield chosen(cells) if cells else ("",) * len(columns)


# JSON lines, and what comes in Arrow's batches


def _jsonl_rows(path: Path, request: Request) -> Rows:
    first = next((record for _, record in _json_records(path) if record), None)
    if first is None:
        raise _empty(path)
    columns = choose_columns(list(first), request, path)
    text = partial(_json_text, number_column=request.number_column)
    cells = (tuple(text(where, fields, column) for column in columns) for where, fields in _json_records(path))
    return Rows(columns, cells)


def _json_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each record stands, and its fields, with those of an object `translation` beside the others."""
    for number, line in enumerate(text_lines(path), 1):
        try:
            record = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path}:{number}: not valid JSON ({error}), in {line[:80]!r}.") from error
        if not isinstance(record, dict):
            raise CorpusError(f"{path}:{number}: one JSON object a line is expected, found {line[:80]!r}.")
        inner = record.get(_NESTED)
        yield f"{path}:{number}", record | inner if isinstance(inner, dict) else record


def _json_text(where: str, fields: dict[str, Any], column: str, *, number_column: str | None) -> str:
    if fields and column not in fields:
        raise CorpusError(
            f"{where}: no {column!r} here, where earlier lines have it. Found: {shortened(list(fields))}."
        )
    text = fields.get(column)
    if text is None:
        return ""
    if column == number_column and type(text) is int:
        return str(text)
    if not isinstance(text, str) or _SURROGATE.search(text):
        raise CorpusError(f"{where}: {column!r} is {shortened(text)}; valid text is expected.")
    return text


_NESTED = "translation"
_SURROGATE = re.compile("[\ud800-\udfff]")


# What Arrow raises for files and columns that are not what they say; a text that is not UTF-8 is a ValueError.
_DAMAGED = (OSError, ValueError, KeyError, pa.ArrowException)
ROWS_PER_BATCH = 1 << 10
"""Few, as each may hold a document."""


def _parquet_rows(path: Path, request: Request) -> Rows:
    try:
        held: Path | pa.BufferReader = path
        if path != plain(path):
            with path.open("rb") as file, _OPENERS[path.suffix.lower()](file) as stream:
                held = pa.BufferReader(stream.read(_most_unpacked(path)))
                if stream.read(1):
                    raise _bomb(path)
        table = parquet.ParquetFile(held)
        schema, about = table.schema_arrow, table.metadata
        # A row of nothing takes no bytes there, but is one here.
        size = max(about.num_rows, sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups)))
    except (EOFError, lzma.LZMAError, zlib.error, *_DAMAGED) as error:
        raise CorpusError(f"{path}: not a Parquet file, or damaged ({error}). Fetch it again.") from error
    if size > _most_unpacked(path):
        raise _bomb(path)
    return arrow_rows(schema, partial(table.iter_batches, batch_size=ROWS_PER_BATCH), request, path)


def arrow_rows(
    schema: pa.Schema, batches: Callable[[], Iterable[pa.RecordBatch | pa.Table]], request: Request, origin: Path | str
) -> Rows:
    """The rows of batches that have this schema; `origin` names them in errors."""
    types = {field.name: field.type for field in schema}
    inner = list(types[_NESTED]) if _NESTED in types and pa.types.is_struct(types[_NESTED]) else []
    nested = {field.name: field.type for field in inner}
    columns = choose_columns([field.name for field in schema if field.name not in nested] + [*nested], request, origin)
    for column in columns:
        held = (types | nested)[column]
        held = held.value_type if pa.types.is_dictionary(held) else held
        is_number = column == request.number_column and pa.types.is_integer(held)
        if not is_number and held not in (pa.string(), pa.large_string(), pa.string_view()):
            raise CorpusError(f"{origin}: column {column!r} holds {held}; text is expected.")

    def texts(batch: pa.RecordBatch | pa.Table, column: str) -> Iterator[str]:
        cells = compute.struct_field(batch.column(_NESTED), column) if column in nested else batch.column(column)
        return ("" if cell is None else str(cell) for cell in cells.to_pylist())

    def rows() -> Iterator[tuple[str, ...]]:
        number = 0
        try:
            for batch in batches():
                for row in zip(*(texts(batch, column) for column in columns), strict=True):
                    number += 1
                    if max(map(len, row)) > LONGEST_LINE:
                        raise CorpusError(f"{origin}: row {number:,} holds {_TOO_LONG}")
                    yield row
        except _DAMAGED as error:
            raise CorpusError(f"{origin}: damaged after row {number:,} ({error}). Fetch it again.") from error

    return Rows(columns, rows())


_READERS = {"tsv": _tsv_rows, "csv": _csv_rows, "jsonl": _jsonl_rows, "parquet": _parquet_rows}
SUFFIXES = {f".{name}": name for name in _READERS} | {".ndjson": "jsonl", ".json": "jsonl"}
"""The format that a file's ending stands for."""


_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".bz2": bz2.open,
    # Arrow's reader goes on after the first frame and notices a file that was cut off.
    ".zst": partial(pa.input_stream, compression="zstd"),
}
COMPRESSIONS = tuple(_OPENERS)
"""The endings of compressed files."""


def plain(path: Path) -> Path:
    """The path without the ending of its compression."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path


def existing(path: Path) -> Path:
    """The path of a file that can be read, with its user's folder for `~`; raises CorpusError where there is none."""
    try:
        return readable(path)
    except SwitchtuneError as error:
        raise CorpusError(str(error)) from error


LONGEST_LINE = 1 << 22
"""In bytes, of a line or of a cell: few books have more."""
_TOO_LONG = f"over {LONGEST_LINE:,} bytes, longer than any sentence or document. If it is text, split it into lines."
_HARMLESS, _HIGHEST_RATIO = 1 << 24, 200
"""Text is packed to a third, repetitive text to a twentieth. What grows more, and to more bytes than these, is none."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _most_unpacked(path: Path) -> int:
    return max(_HARMLESS, _HIGHEST_RATIO * path.stat().st_size)


def _bomb(origin: Path | str) -> CorpusError:
    return CorpusError(
        f"{origin}: unpacks to over {_HARMLESS:,} bytes and over {_HIGHEST_RATIO} times what was read of it, as text "
        "does not. If this is intended, unpack it first and give the unpacked file."
    )


def text_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or compressed, without their ends and without a byte order mark.

    Splits at line feeds only: text may hold other characters that Unicode calls breaks. Raises CorpusError, with the
    line, where the file is damaged, not UTF-8, grows beyond measure when unpacked, or has a line over `LONGEST_LINE`.
    """
    path = existing(path)
    opener = _OPENERS.get(path.suffix.lower())
    with path.open("rb") as file:
        # gzip, lzma and bz2 read lines in Python, the buffer does not.
        stream = io.BufferedReader(opener(file), 1 << 18) if opener else file
        yield from stream_lines(stream, path, file if opener else None)


def stream_lines(stream: BinaryIO, origin: Path | str, packed: BinaryIO | None = None) -> Iterator[str]:
    """What `text_lines` does, of a stream; `origin` names it in errors, `packed` is the compressed file that it
    unpacks.
    """
    number, size, raw, most = 0, 0, b"", _HARMLESS
    try:
        for number, raw in enumerate(iter(partial(stream.readline, LONGEST_LINE + 1), b""), 1):
            size += len(raw)
            if len(raw) > LONGEST_LINE:
                raise CorpusError(f"{origin}:{number}: the line has {_TOO_LONG}")
            if packed and size > most:
                most = _HIGHEST_RATIO * packed.tell()
                if size > most:
                    raise _bomb(origin)
            text = (raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw).decode()
            yield text.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        wrong = error.object[error.start : error.end].hex(" ")
        around = error.object[max(error.start - 20, 0) : error.end + 20].strip()
        encoding = "UTF-16" if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "ISO-8859-1"
        raise CorpusError(
            f"{origin}:{number}: not UTF-8: byte {wrong} at position {error.start + 1} of the line, in {around!r}. "
            f"Find out the file's encoding and convert it, for example with: iconv -f {encoding} -t UTF-8"
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise CorpusError(
            f"{origin}: cannot be read after line {number:,} ({error}). "
            "The file may be cut off, damaged, or not in the format of its suffix; fetch it again."
        ) from error
