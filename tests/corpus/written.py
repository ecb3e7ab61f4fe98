"""German-English files in formats of other programs, written plainly, for tests."""

import json
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

Pairs = Sequence[tuple[str, str]]
SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def write_tmx(folder: Path, pairs: Pairs, encoding: str = "utf-8") -> tuple[Path, ...]:
    path = folder / "pairs.tmx"
    units = (
        f'<tu><tuv xml:lang="EN-us"><seg>{xml_text(target)}</seg></tuv>\n'
        f"<tuv xml:lang='de-DE'><prop type='x'>no text</prop><seg>{xml_text(source)}</seg></tuv></tu>\n"
        for source, target in pairs
    )
    head = f'<?xml version="1.0" encoding="{encoding}"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">'
    path.write_bytes(f"{head}<header/><body>\n{''.join(units)}</body></tmx>\n".encode(encoding))
    return (path,)


def write_xliff(folder: Path, pairs: Pairs) -> tuple[Path, ...]:
    path = folder / "pairs.xlf"
    units = (
        f'<trans-unit id="{number}"><source>{xml_text(source)}</source><target>{xml_text(target)}</target>'
        "<alt-trans><source>another</source><target>memory</target></alt-trans></trans-unit>\n"
        for number, (source, target) in enumerate(pairs)
    )
    path.write_bytes(
        '<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">'
        '<file source-language="de" target-language="en-GB" original="a" datatype="plaintext"><body>\n'
        f"{''.join(units)}</body></file></xliff>".encode()
    )
    return (path,)


def write_xliff_2(folder: Path, pairs: Pairs) -> tuple[Path, ...]:
    path = folder / "pairs.xliff"
    units = (
        f'<x:unit id="{number}"><m:matches><m:match><x:source>a</x:source><x:target>b</x:target></m:match></m:matches>'
        f"<x:segment><x:source>{xml_text(source)}</x:source><x:target>{xml_text(target)}</x:target></x:segment>"
        "</x:unit>\n"
        for number, (source, target) in enumerate(pairs)
    )
    path.write_bytes(
        '<x:xliff version="2.0" xmlns:x="urn:oasis:names:tc:xliff:document:2.0" xmlns:m="m" srcLang="de" '
        f'trgLang="en"><x:file id="f">\n{"".join(units)}</x:file></x:xliff>'.encode()
    )
    return (path,)


def write_json_array(folder: Path, pairs: Pairs) -> tuple[Path, ...]:
    path = folder / "pairs.json"
    path.write_text(json.dumps([{"de": source, "en": target} for source, target in pairs]), encoding="utf-8")
    return (path,)


def write_xlsx(folder: Path, pairs: Pairs) -> tuple[Path, ...]:
    """A spreadsheet of one sheet, its sources inline and its targets shared."""
    cells = [("German", "English"), *pairs]
    return write_sheets(folder, {"Sheet": cells})


def write_sheets(folder: Path, sheets: dict[str, Sequence[tuple[str, ...]]]) -> tuple[Path, ...]:
    path = folder / "pairs.xlsx"
    shared = list(dict.fromkeys(row[-1] for rows in sheets.values() for row in rows))
    with zipfile.ZipFile(path, "w") as archive:
        listed = "".join(f'<sheet name="{name}" r:id="r{number}"/>' for number, name in enumerate(sheets))
        archive.writestr(
            "xl/workbook.xml", f'<workbook {SHEET} xmlns:r="{RELATIONS}"><sheets>{listed}</sheets></workbook>'
        )
        targets = "".join(
            f'<Relationship Id="r{number}" Target="worksheets/sheet{number}.xml"/>' for number in range(len(sheets))
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships>{targets}<Relationship Id="s" Target="/xl/sharedStrings.xml"/></Relationships>',
        )
        texts = "".join(f"<si><r><t>{excel_text(text)}</t></r><rPh><t>aside</t></rPh></si>" for text in shared)
        archive.writestr("xl/sharedStrings.xml", f"<sst {SHEET}>{texts}</sst>")
        for number, rows in enumerate(sheets.values()):
            lines = "".join(_row(place, row, shared) for place, row in enumerate(rows, 1))
            archive.writestr(f"xl/worksheets/sheet{number}.xml", f"<worksheet {SHEET}>{lines}</worksheet>")
    return (path,)


def _row(number: int, row: tuple[str, ...], shared: list[str]) -> str:
    *inline, last = row
    cells = "".join(
        f'<c r="{chr(65 + place)}{number}" t="inlineStr"><is><t>{excel_text(text)}</t></is></c>'
        for place, text in enumerate(inline)
        if text
    )
    return (
        f'<row r="{number}">{cells}<c r="{chr(65 + len(inline))}{number}" t="s"><v>{shared.index(last)}</v></c></row>'
    )


def xml_text(text: str) -> str:
    return escape(text).replace("\r", "&#13;")


def excel_text(text: str) -> str:
    """As Excel writes what XML cannot hold, and what looks like its own way to write it."""
    text = text.replace("_x", "_x005F_x")
    return escape("".join(f"_x{ord(c):04X}_" if ord(c) < 32 or ord(c) in (0xFFFE, 0xFFFF) else c for c in text))


def write_po(folder: Path, pairs: Pairs, language: str = "en") -> tuple[Path, ...]:
    path = folder / "pairs.po"
    entries = (f'msgctxt "{number}"\nmsgid {po_text(s)}\nmsgstr {po_text(t)}\n' for number, (s, t) in enumerate(pairs))
    head = f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n"Language: {language}\\n"\n'
    path.write_bytes("\n".join([head, *entries]).encode())
    return (path,)


def po_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped[: len(text) // 2]}"\n"{escaped[len(text) // 2 :]}"' if "\\" not in escaped else f'"{escaped}"'


def mo_file(messages: Pairs) -> bytes:
    """A compiled catalog as the manual of gettext lays it out, without a hash table."""
    sides = [[text.encode() for text in side] for side in zip(*sorted(messages), strict=True)]
    count = len(messages)
    place = 28 + 16 * count
    tables, data = b"", b""
    for side in sides:
        for text in side:
            tables += struct.pack("<2I", len(text), place + len(data))
            data += text + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0) + tables + data
