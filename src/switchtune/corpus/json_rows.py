"""JSON as rows: an object a line, or one array of objects, which is read piece by piece."""

import codecs
import json
import re
from collections.abc import Generator, Iterator
from functools import partial
from reprlib import repr as shortened
from typing import Any

from switchtune.corpus.columns import CorpusError, Request, TableRows, choose_columns
from switchtune.corpus.lines import DAMAGED, LONGEST_LINE, TOO_LONG, Origin, damaged, opened, stripped, text_lines

NESTED = "translation"
"""The name of an object or of a struct within which the Hub's data sets have the sides of a pair."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_rows(path: Origin, request: Request) -> TableRows:
    records = _records(path)
    first = next((record for _, record in records if record), None)
    if first is None:
        raise CorpusError(f"{path}: the file is empty; one JSON object per line, or an array of them, is expected.")
    columns = choose_columns(list(first), request, path)
    text = partial(_text, number_column=columns[-1] if request.labelled else None)
    cells = (tuple(text(where, fields, column) for column in columns) for where, fields in _records(path))
    return TableRows(columns, cells, ["one array of objects"] if _is_array(path) else [])


def _is_array(path: Origin) -> bool:
    """Whether a file is an array as a whole; where its beginning cannot be read, its lines say why."""
    chunks = _chunks(path)
    try:
        return next(chunks, "").lstrip().startswith("[")
    except CorpusError:
        return False
    finally:
        chunks.close()


def _records(path: Origin) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each record stands, and its fields, with those of an object `translation` beside the others."""
    for number, record, said in (_items if _is_array(path) else _lines)(path):
        if not isinstance(record, dict):
            raise CorpusError(f"{path}:{number}: one JSON object per line or item is expected, found {said[:80]!r}.")
        inner = record.get(NESTED)
        yield f"{path}:{number}", record | inner if isinstance(inner, dict) else record


def _lines(path: Origin) -> Iterator[tuple[int, Any, str]]:
    for number, line in enumerate(text_lines(path), 1):
        try:
            yield number, json.loads(line) if stripped(line) else {}, line
        except (ValueError, RecursionError) as error:
            raise _invalid(path, number, error, line) from error


def _invalid(path: Origin, line: int, error: Exception, said: str) -> CorpusError:
    return CorpusError(f"{path}:{line}: not valid JSON ({error}), in {said[:80]!r}.")


_SPACE = re.compile(r"[ \t\r\n]*")
_CHUNK = 1 << 16


def _items(path: Origin) -> Iterator[tuple[int, Any, str]]:
    """The items of an array, with the line on which each begins, and how it begins."""
    text = _Text(path)
    text.take("[", "an array")
    while text.next_character() != "]":
        yield text.item()
        if text.next_character() != "]":
            text.take(",", "a comma or the end of the array")
    text.take("]", "the end of the array")
    if text.next_character():
        text.take("", "nothing more after the array: one array, or an object a line,")


class _Text:
    """A JSON text that is read as far as need be."""

    def __init__(self, path: Origin) -> None:
        self._path, self._chunks = path, _chunks(path)
        self._held, self._place, self._line = "", 0, 1

    def _more(self) -> bool:
        self._held, self._place = self._held[self._place :], 0
        chunk = next(self._chunks, "")
        self._held += chunk
        return bool(chunk)

    def _pass(self, end: int) -> None:
        self._line += self._held.count("\n", self._place, end)
        self._place = end

    def next_character(self) -> str:
        """The one behind white space; "" at the end."""
        while True:
            found = _SPACE.match(self._held, self._place)
            self._pass(found.end() if found else self._place)
            if self._place < len(self._held) or not self._more():
                return self._held[self._place : self._place + 1]

    def take(self, character: str, expected: str) -> None:
        if self.next_character() != character or not character:
            said = self._held[self._place : self._place + 80]
            found = f"found {said!r}" if said else "but the file ends: it may be cut off"
            raise CorpusError(f"{self._path}:{self._line}: {expected} is expected, {found}.")
        self._pass(self._place + 1)

    def item(self) -> tuple[int, Any, str]:
        """The item that begins here, which is whole once it can be read."""
        while True:
            try:
                item, end = _DECODER.raw_decode(self._held, self._place)
            except (ValueError, RecursionError) as error:
                if len(self._held) - self._place > LONGEST_LINE:
                    raise CorpusError(f"{self._path}:{self._line}: no JSON, or an object of {TOO_LONG}") from error
                if not self._more():
                    raise _invalid(self._path, self._line, error, self._held[self._place :]) from error
                continue
            begun = self._line, item, self._held[self._place : self._place + 80]
            self._pass(end)
            return begun


_DECODER = json.JSONDecoder()


def _chunks(path: Origin) -> Generator[str, None, None]:
    decoder, number = codecs.getincrementaldecoder("utf-8-sig")(), 1
    try:
        with opened(path) as (stream, unpacking):
            while data := stream.read(_CHUNK):
                unpacking.add(len(data))
                yield decoder.decode(data)
                number += data.count(b"\n")
            yield decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        number += error.object.count(b"\n", 0, error.start)
        raise CorpusError(f"{path}:{number}: not UTF-8 ({error}). Find out its encoding and convert it.") from error
    except DAMAGED as error:
        raise damaged(path, number, error) from error


def _text(where: str, fields: dict[str, Any], column: str, *, number_column: str | None) -> str:
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
