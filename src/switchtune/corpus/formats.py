"""Every file format as rows: the columns that hold the two sides, and the sides themselves, row after row."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import compute, parquet

from switchtune.errors import SwitchtuneError, UsageError, nearest
from switchtune.files import instead_of_file
from switchtune.languages import Language, language_named


class CorpusError(SwitchtuneError):
    """A corpus cannot be read as asked: which file and line, what was found, what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is looked for in a corpus, whatever its format.

    Attributes:
        source, target: the languages.
        columns: the names of their columns; None where the languages are to tell.
        numbers: whether whole numbers stand for text, as labels do; otherwise they are refused.
    """

    source: Language
    target: Language
    columns: tuple[str, str] | None
    numbers: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """An opened corpus.

    Attributes:
        columns: the column (or the file) of the source and of the target.
        pairs: the two sides of every row as they stand in the file; where one is missing, "". To be read once;
            raises CorpusError at the row that makes no sense.
    """

    columns: tuple[str, str]
    pairs: Iterable[tuple[str, str]]


PARALLEL_TEXT = "parallel text"


def open_rows(format_name: str, paths: Sequence[Path], request: Request) -> Rows:
    """Open the two files of a parallel text, source first, or the one file of another format.

    Raises:
        CorpusError: a file is empty, damaged or not UTF-8, or a column is missing; with file and line.
        UsageError: columns are named, but the format has none.
    """
    for path in paths:
        if path.stat().st_size == 0:
            raise _empty(path)
    if format_name == PARALLEL_TEXT:
        source, target = paths
        return _text_rows(source, target, request)
    (path,) = paths
    return _READERS[format_name](path, request)


def _empty(path: Path) -> CorpusError:
    return CorpusError(f"{path}: the file is empty; one sentence or pair a line is expected.")


# Parallel text


def _text_rows(source: Path, target: Path, request: Request) -> Rows:
    if request.columns:
        raise UsageError(f"{source}: columns {list(request.columns)!r} named, but plain text has no columns.")
    return Rows((source.name, target.name), _text_pairs(source, target))


def _text_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    sources, targets = text_lines(source), text_lines(target)
    number = 0
    for number, (line, translation) in enumerate(zip_longest(sources, targets), 1):
        if line is None:
            raise _unequal(source, target, number, translation, targets)
        if translation is None:
            raise _unequal(target, source, number, line, sources)
        yield line, translation
    if number == 0:
        raise _empty(source)


def _unequal(short: Path, long: Path, number: int, line: str, rest: Iterator[str]) -> CorpusError:
    """`line` is the first of `long` that has no partner, `rest` what follows it."""
    if number == 1:
        return _empty(short)
    total = number + sum(1 for _ in rest)
    return CorpusError(
        f"{short} has {number - 1:,} lines and {long} has {total:,}. {short.name} ends before line {number:,}, "
        f"which in {long.name} is {line[:80]!r}. Line n of one file must translate line n of the other; "
        "look for the first pair that does not, usually a line missing or broken in two."
    )


# TSV and CSV


def _tsv_rows(path: Path, request: Request) -> Rows:
    lines = enumerate(text_lines(path), 1)
    first = next(lines, None)
    if first is None:
        raise _empty(path)
    names, columns, where = first[1].split("\t"), request.columns, f"{path}:1"
    if columns is None and len(names) == 2 and not (_infer_columns(names, request, where) or _is_header(names)):
        columns = ("1", "2")
    if columns and all(map(str.isdecimal, columns)):
        names = [str(number) for number in range(1, len(names) + 1)]
        _require_columns(names, columns, where)
        return Rows(columns, _tsv_pairs(path, chain((first,), lines), names, columns))
    columns = _choose_columns(names, request, where)
    return Rows(columns, _tsv_pairs(path, lines, names, columns))


def _tsv_pairs(
    path: Path, lines: Iterable[tuple[int, str]], names: list[str], columns: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    source, target = map(names.index, columns)
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) == len(names):
            yield cells[source], cells[target]
        elif line.strip():
            raise CorpusError(
                f"{path}:{number}: {len(cells)} columns where {len(names)} are expected, in {line[:80]!r}. "
                "Tabs separate columns and quotes mean nothing in a TSV file; mend the line or use CSV or JSONL."
            )
        else:
            yield "", ""


def _csv_rows(path: Path, request: Request) -> Rows:
    lines = text_lines(path)
    first = next(lines, None)
    if first is None:
        raise _empty(path)
    delimiter = ";" if ";" in first and "," not in first else ","
    records = _csv_records(path, chain((first,), lines), delimiter)
    _, names = next(records)
    columns = _choose_columns(names, request, f"{path}:1")
    return Rows(columns, _csv_pairs(path, records, delimiter, names, columns))


def _csv_records(path: Path, lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the line on which each record begins, and its cells."""
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


def _csv_pairs(
    path: Path, records: Iterable[tuple[int, list[str]]], delimiter: str, names: list[str], columns: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    source, target = map(names.index, columns)
    for number, cells in records:
        if len(cells) == len(names):
            yield cells[source], cells[target]
        elif cells:
            raise CorpusError(
                f"{path}:{number}: {len(cells)} columns where the header names {len(names)}, in "
                f"{delimiter.join(cells)[:80]!r}. Put a text that holds the character {delimiter!r} in quotes."
            )
        else:
            yield "", ""


# JSON lines


def _jsonl_rows(path: Path, request: Request) -> Rows:
    first = next((record for _, record in _json_records(path) if record), None)
    if first is None:
        raise _empty(path)
    nested = _is_nested(first.get(_NESTED), first, request)
    columns = _choose_columns(list(first[_NESTED] if nested else first), request, path)
    return Rows(columns, _json_pairs(path, columns, nested=nested, numbers=request.numbers))


def _json_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object; no keys for an empty line."""
    for number, line in enumerate(text_lines(path), 1):
        try:
            record = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path}:{number}: not valid JSON ({error}), in {line[:80]!r}.") from error
        if not isinstance(record, dict):
            raise CorpusError(f"{path}:{number}: one JSON object a line is expected, found {line[:80]!r}.")
        yield number, record


def _json_pairs(path: Path, columns: tuple[str, str], *, nested: bool, numbers: bool) -> Iterator[tuple[str, str]]:
    for number, record in _json_records(path):
        if not record:
            yield "", ""
            continue
        fields = record.get(_NESTED) if nested else record
        if not isinstance(fields, dict):
            raise CorpusError(
                f"{path}:{number}: {_NESTED!r} is {shortened(fields)}; an object with {columns} is expected."
            )
        source, target = (_json_text(path, number, fields, column, numbers=numbers) for column in columns)
        yield source, target


_SURROGATE = re.compile("[\ud800-\udfff]")


def _json_text(path: Path, number: int, fields: dict[str, Any], column: str, *, numbers: bool) -> str:
    if column not in fields:
        raise CorpusError(
            f"{path}:{number}: no {column!r} here, where earlier lines have it. Found: {shortened(list(fields))}."
        )
    text = fields[column]
    if text is None:
        return ""
    if numbers and type(text) is int:
        return str(text)
    if not isinstance(text, str) or _SURROGATE.search(text):
        raise CorpusError(f"{path}:{number}: {column!r} is {shortened(text)}; valid text is expected.")
    return text


# Parquet, and what else comes in Arrow's batches


# What Arrow raises for files and columns that are not what they say; a text that is not UTF-8 is a ValueError.
_DAMAGED = (OSError, ValueError, KeyError, pa.ArrowException)
_ROWS_PER_BATCH = 1 << 10
"""Few, as each may hold a document."""


def _parquet_rows(path: Path, request: Request) -> Rows:
    try:
        table = parquet.ParquetFile(path if path == plain(path) else _unpacked(path))
        schema, about = table.schema_arrow, table.metadata
        # A row of nothing takes no bytes there, but is one here.
        size = max(about.num_rows, sum(about.row_group(place).total_byte_size for place in range(about.num_row_groups)))
    except (EOFError, lzma.LZMAError, zlib.error, *_DAMAGED) as error:
        raise CorpusError(f"{path}: not a Parquet file, or damaged ({error}). Fetch it again.") from error
    if size > _most_unpacked(path):
        raise _bomb(path)
    return arrow_rows(schema, partial(table.iter_batches, batch_size=_ROWS_PER_BATCH), request, path)


def _unpacked(path: Path) -> pa.BufferReader:
    with path.open("rb") as file, _OPENERS[path.suffix.lower()](file) as stream:
        content = stream.read(_most_unpacked(path))
        if stream.read(1):
            raise _bomb(path)
    return pa.BufferReader(content)


def arrow_rows(
    schema: pa.Schema, batches: Callable[[], Iterable[pa.RecordBatch | pa.Table]], request: Request, origin: Path | str
) -> Rows:
    """The rows of batches that have this schema; `origin` names them in errors.

    Raises:
        CorpusError: a column is missing or does not hold text.
    """
    types = {field.name: field.type for field in schema}
    nested = _is_nested(types.get(_NESTED), types, request)
    chosen = list(types[_NESTED] if nested else schema)
    fields = {field.name: field.type for field in chosen}
    columns = _choose_columns([field.name for field in chosen], request, origin)
    for column in columns:
        text = fields[column].value_type if pa.types.is_dictionary(fields[column]) else fields[column]
        if not (
            pa.types.is_string(text)
            or pa.types.is_large_string(text)
            or pa.types.is_string_view(text)
            or (request.numbers and pa.types.is_integer(text))
        ):
            raise CorpusError(f"{origin}: column {column!r} holds {text}; text is expected. All: {_listed(fields)}.")
    return Rows(columns, _arrow_pairs(batches(), columns, origin, nested=nested))


def _arrow_pairs(
    batches: Iterable[pa.RecordBatch | pa.Table], columns: tuple[str, str], origin: Path | str, *, nested: bool
) -> Iterator[tuple[str, str]]:
    number = 0
    try:
        for batch in batches:
            sides = (
                compute.struct_field(batch.column(_NESTED), column) if nested else batch.column(column)
                for column in columns
            )
            for row in zip(*(side.to_pylist() for side in sides), strict=True):
                number += 1
                source, target = ("" if value is None else str(value) for value in row)
                if max(len(source), len(target)) > LONGEST_LINE:
                    raise CorpusError(f"{origin}: row {number:,} holds {_TOO_LONG}")
                yield source, target
    except _DAMAGED as error:
        raise CorpusError(f"{origin}: damaged after row {number:,} ({error}). Fetch it again.") from error


_READERS: dict[str, Callable[[Path, Request], Rows]] = {
    "tsv": _tsv_rows,
    "csv": _csv_rows,
    "jsonl": _jsonl_rows,
    "parquet": _parquet_rows,
}
SUFFIXES = {
    ".tsv": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
"""The format that a file's ending stands for."""


# Files and lines


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
    """The path of a file that can be read, with its user's folder for `~`.

    Raises:
        CorpusError: there is none, it is no plain file, or there is no permission to read it.
    """
    try:
        str(path).encode()  # what a report could not name
        found = path.expanduser()
        if found.is_file():
            found.open("rb").close()
            return found
        raise CorpusError(f"{path}: {instead_of_file(found)}")
    except PermissionError as error:
        raise CorpusError(
            f"{path}: no permission to read it. Ask its owner, or change it: chmod u+r, of its folder chmod u+rx."
        ) from error
    except UnicodeEncodeError as error:
        raise CorpusError(f"{str(path)!a}: the name is not UTF-8. Rename the file.") from error
    except (OSError, RuntimeError) as error:  # such as a name that is too long, or the folder of an unknown user
        raise CorpusError(f"{path}: cannot be opened ({error}).") from error


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

    Splits at line feeds only: text may hold other characters that Unicode calls breaks.

    Raises:
        CorpusError: the file is missing, damaged, not UTF-8, or grows beyond measure when unpacked, or a line is longer
            than `LONGEST_LINE`; with the line.
    """
    path = existing(path)
    opener = _OPENERS.get(path.suffix.lower())
    with path.open("rb") as file:
        # gzip, lzma and bz2 read lines in Python, the buffer does not.
        stream = io.BufferedReader(opener(file), 1 << 18) if opener else file
        yield from stream_lines(stream, path, file if opener else None)


def stream_lines(stream: BinaryIO, origin: Path | str, packed: BinaryIO | None = None) -> Iterator[str]:
    """The lines of an opened stream as `text_lines` gives them.

    Args:
        origin: names it in errors.
        packed: the compressed file that it unpacks.

    Raises:
        CorpusError: as `text_lines`.
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
        raise _not_utf8(origin, number, raw, error) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise CorpusError(
            f"{origin}: cannot be read after line {number:,} ({error}). "
            "The file may be cut off, damaged, or not in the format of its suffix; fetch it again."
        ) from error


def _not_utf8(origin: Path | str, number: int, raw: bytes, error: UnicodeDecodeError) -> CorpusError:
    wrong = error.object[error.start : error.end].hex(" ")
    around = error.object[max(error.start - 20, 0) : error.end + 20].strip()
    encoding = "UTF-16" if number == 1 and raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "ISO-8859-1"
    return CorpusError(
        f"{origin}:{number}: not UTF-8: byte {wrong} at position {error.start + 1} of the line, in {around!r}. "
        f"Find out the file's encoding and convert it, for example with: iconv -f {encoding} -t UTF-8"
    )


# Columns


_NESTED = "translation"
_ROLES = (
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("source_text", "target_text"),
    ("source_sentence", "target_sentence"),
    ("sourcestring", "targetstring"),
    ("document", "summary"),
    ("article", "summary"),
    ("article", "highlights"),
    ("text", "summary"),
)
_COLUMN_PREFIXES = re.compile(r"^(sentence|text)_", re.IGNORECASE)


def _is_nested(inner: object, names: Iterable[str], request: Request) -> bool:
    """Whether the sides stand inside a column `translation`, and were not asked for beside it."""
    if not (isinstance(inner, dict) or (isinstance(inner, pa.DataType) and pa.types.is_struct(inner))):
        return False
    return request.columns is None or not set(request.columns) <= set(names)


def _choose_columns(names: Sequence[str], request: Request, origin: Path | str) -> tuple[str, str]:
    """The columns of source and target among those that exist."""
    if columns := request.columns or _infer_columns(names, request, origin):
        _require_columns(names, columns, origin)
        return columns
    language = next(x for x in (request.source, request.target) if _column_of(x, names, origin) is None)
    raise CorpusError(
        f"{origin}: no column for {language.name} ({language.code}). Columns: {_listed(names)}; "
        f"{nearest(language.code, _short(names))} Say which hold source and target: columns: [SOURCE, TARGET]."
    )


def _require_columns(names: Sequence[str], columns: tuple[str, str], origin: Path | str) -> None:
    for column in columns:
        if column not in names:
            raise CorpusError(
                f"{origin}: no column {column!r}; {nearest(column, _short(names))} Columns: {_listed(names)}."
            )
        if names.count(column) > 1:
            raise CorpusError(f"{origin}: several columns are named {column!r}. Columns: {_listed(names)}.")


def _listed(names: Iterable[str]) -> str:
    return f"{', '.join(map(repr, names)):.500}"


def _short(names: Iterable[str]) -> list[str]:
    return [name[:80] for name in names]


def _infer_columns(names: Sequence[str], request: Request, origin: Path | str) -> tuple[str, str] | None:
    source, target = _column_of(request.source, names, origin), _column_of(request.target, names, origin)
    if source is not None and target is not None:
        return source, target
    by_lower = {name.lower(): name for name in names}
    roles = (role for role in _ROLES if role[0] in by_lower and role[1] in by_lower)
    return next(((by_lower[source], by_lower[target]) for source, target in roles), None)


def _column_of(language: Language, names: Sequence[str], origin: Path | str) -> str | None:
    """The column whose name means the language; its own code goes before other names."""
    if language.code in names:
        return language.code
    found = [name for name in names if language_named(_COLUMN_PREFIXES.sub("", name)) == language]
    if len(found) > 1:
        raise CorpusError(
            f"{origin}: several columns may hold {language.name}: {_listed(found)}. "
            "Say which hold source and target: columns: [SOURCE, TARGET]."
        )
    return found[0] if found else None


def _is_header(cells: Sequence[str]) -> bool:
    roles = set(chain.from_iterable(_ROLES))
    return all(cell.lower() in roles or language_named(cell) for cell in cells)
