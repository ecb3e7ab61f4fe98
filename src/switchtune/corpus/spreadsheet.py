"""Spreadsheets (Office Open XML, .xlsx) as rows of text, read in a stream: formats and formulas do not matter."""

import re
import zipfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

from switchtune.corpus.columns import CorpusError, Request, choose_columns
from switchtune.corpus.lines import Member, existing
from switchtune.corpus.xml import XmlRecords
from switchtune.errors import nearest

Records: TypeAlias = Iterator[tuple[int, list[str]]]


class _Elements:
    """The attributes of the elements of a name."""

    def __init__(self, name: str) -> None:
        self.records = list[dict[str, str]]()
        self._name = name

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == self._name:
            self.records.append(attributes)

    def end(self, name: str) -> None: ...

    def text(self, data: str) -> None: ...


_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


class _Strings:
    """The texts that cells name by number; how they are pronounced (`rPh`) is left out."""

    def __init__(self) -> None:
        self.records = list[str]()
        self._parts, self._open, self._aside = list[str](), False, False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._open = name == "t" and not self._aside
        self._aside |= name == "rPh"
        if name == "si":
            self._parts = []

    def end(self, name: str) -> None:
        self._open = False
        if name == "rPh":
            self._aside = False
        elif name == "si":
            self.records.append(_unescaped("".join(self._parts)))

    def text(self, data: str) -> None:
        if self._open:
            self._parts.append(data)


class _Rows:
    """Rows as their numbers and cells, "" where one is missing."""

    def __init__(self, strings: list[str]) -> None:
        self.records = list[tuple[int, list[str]]]()
        self._strings, self._number = strings, 0
        self._cells, self._parts, self._kind, self._place = list[str](), list[str](), "", 0
        self._open = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._open = name in {"v", "t"}
        if name == "row":
            number = attributes.get("r", "")
            self._number = int(number) if number.isdecimal() else self._number + 1
            self._cells = []
        elif name == "c":
            self._kind, self._parts = attributes.get("t", "n"), []
            self._place = _column(attributes.get("r", ""), len(self._cells))

    def end(self, name: str) -> None:
        self._open = False
        if name == "row":
            self.records.append((self._number, self._cells))
        elif name == "c":
            self._cells += [""] * (self._place - len(self._cells)) + [self._value()]

    def _value(self) -> str:
        said = "".join(self._parts)
        if self._kind == "s":
            return self._strings[int(said)] if said.isdecimal() and int(said) < len(self._strings) else ""
        return "" if self._kind == "e" else _unescaped(said)  # an error such as #N/A is no text

    def text(self, data: str) -> None:
        if self._open:
            self._parts.append(data)


_MOST_COLUMNS = 1 << 14


def _column(reference: str, following: int) -> int:
    """The column of a cell such as B7, from 0; where it tells none, the one that follows the last."""
    letters = re.match("[A-Za-z]{1,3}", reference)
    if letters is None:
        return following
    number = 0
    for letter in letters[0].upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return min(max(number - 1, following), _MOST_COLUMNS)


class _Workbook:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(existing(path)) as archive:
                self._names = {*archive.namelist()}
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise CorpusError(f"{path}: not an .xlsx spreadsheet, or damaged ({error}). Save it again.") from error
        sheets = XmlRecords(self._part("xl/workbook.xml"), lambda *_: _Elements("sheet"))
        shown = [each for each in sheets if "idden" not in each.get("state", "")]
        self.sheets = {each.get("name", ""): _relation_of(each) for each in shown}
        """The relation of each that is not hidden."""
        relations = XmlRecords(self._part("xl/_rels/workbook.xml.rels"), lambda *_: _Elements("Relationship"))
        self._targets = {each.get("Id", ""): each.get("Target", "") for each in relations}
        self._strings: list[str] | None = None

    def _part(self, name: str) -> Member:
        if name not in self._names:
            raise CorpusError(
                f"{self.path}: not an .xlsx spreadsheet: it has no part {name}. Save it as .xlsx, or as CSV in UTF-8."
            )
        return Member(self.path, name)

    def rows(self, sheet: str) -> Records:
        """The rows of a sheet that hold text."""
        if self._strings is None:
            shared = next((target for target in self._targets.values() if target.endswith("sharedStrings.xml")), None)
            self._strings = [] if shared is None else list(XmlRecords(self._part(_full(shared)), lambda *_: _Strings()))
        strings = self._strings
        relation = self.sheets[sheet]
        part = self._part(_full(self._targets.get(relation, relation)))
        return (row for row in XmlRecords(part, lambda *_: _Rows(strings)) if any(map(str.strip, row[1])))


def _relation_of(sheet: dict[str, str]) -> str:
    return next((value for key, value in sheet.items() if key.endswith(":id")), "")


def _full(target: str) -> str:
    return target[1:] if target.startswith("/") else f"xl/{target}"


def sheet_records(origin: Path | Member, request: Request) -> tuple[Records, list[str]]:
    """The rows of a spreadsheet's sheet, all as wide as the first, with their numbers; and what is to be told of them.

    Of several sheets it is the one that is named, or the only one with the columns that are looked for.

    Raises CorpusError where several sheets could be meant, or none has any text.
    """
    path, named = (origin.archive, origin.name) if isinstance(origin, Member) else (origin, None)
    workbook = _Workbook(path)
    if named is not None:
        if named not in workbook.sheets:
            raise CorpusError(f"{path}: no sheet {named!r}; {nearest(named, workbook.sheets)}")
        chosen = [named]
    else:
        filled = [sheet for sheet in workbook.sheets if next(workbook.rows(sheet), None)]
        chosen = [sheet for sheet in filled if len(filled) == 1 or _fits(workbook.rows(sheet), request)]
        if len(chosen) != 1:
            names = chosen or filled
            if not names:
                raise CorpusError(f"{path}: the file is empty; one pair in a row is expected.")
            raise CorpusError(
                f"{path}: {len(names)} sheets hold text, and any could be meant: {', '.join(map(repr, names[:12]))}. "
                f"Say which, behind a #: {path.name}#{names[0]}"
            )
    notes = [f"of {len(workbook.sheets)} sheets, {chosen[0]!r} is read"] if len(workbook.sheets) > 1 else []
    return _even(workbook.rows(chosen[0]), path, notes), notes


def _fits(rows: Records, request: Request) -> bool:
    """Whether the first row names the columns that are looked for."""
    header = [cell.strip() for _, cells in islice(rows, 1) for cell in cells]
    try:
        return bool(choose_columns(header, request, ""))
    except CorpusError:
        return False


def _even(rows: Records, path: Path, notes: list[str]) -> Records:
    first = next(rows, None)
    if first is None:
        raise CorpusError(f"{path}: the file is empty; one pair in a row is expected.")
    width, beyond = len(first[1]), 0
    for number, cells in chain([first], rows):
        beyond += any(map(str.strip, cells[width:]))
        yield number, (cells + [""] * width)[:width]
    if beyond:
        notes.append(f"rows with text beyond the columns of the first row, which is left out: {beyond:,}")
