"""Catalogs of gettext: PO and POT with the lines that each entry stands on, and MO."""

import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from switchtune.corpus.columns import CorpusError, Request, TableRows
from switchtune.corpus.lines import existing
from switchtune.errors import UsageError
from switchtune.files import content_of
from switchtune.languages import language_named


@dataclass(slots=True)
class Entry:
    """A message of a catalog; without a plural, `translations` has one item."""

    message: str = ""
    plural: str | None = None
    context: str | None = None
    """What tells apart messages that are written alike."""
    translations: list[str] = field(default_factory=list)
    flags: frozenset[str] = frozenset()
    lines: list[int] = field(default_factory=list)
    """Those of its comments, keywords and strings, in order, from 0; of an MO file none."""
    begins: int = 0
    """The line of its first keyword."""

    @property
    def is_header(self) -> bool:
        return not self.message and self.context is None


_KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[(\d{1,3})\])?)\s*(".*")')
_BYTES = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3}))")
_ESCAPED = re.compile(rf"((?:{_BYTES.pattern})+)|\\(?:([abfnrtv\\\"'?])|(.?))", re.DOTALL)
_ESCAPES = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


def unquoted(text: str, where: str) -> str:
    """What a string between quotes says."""
    inside = text[1:-1]
    if len(text) < 2 or text[0] != '"' or text[-1] != '"' or re.search(r'(?<!\\)(?:\\\\)*"', inside):
        raise CorpusError(f"{where}: a string in double quotes is expected, found {text[:80]!r}.")

    def character(found: "re.Match[str]") -> str:
        numbers, _, _, plain, wrong = found.groups()
        try:
            if numbers:
                parts = _BYTES.findall(numbers)
                return bytes(
                    int(hexadecimal or octal, 16 if hexadecimal else 8) for hexadecimal, octal in parts
                ).decode()
        except ValueError as error:
            raise CorpusError(f"{where}: {numbers} are not the bytes of a text in UTF-8 ({error}).") from error
        if wrong is not None:
            raise CorpusError(f"{where}: \\{wrong} means nothing; a backslash is written \\\\.")
        return _ESCAPES.get(plain, plain)

    return _ESCAPED.sub(character, inside)


def quoted(text: str) -> str:
    """A string as it is written in a catalog, on one line."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


_CHARSET = re.compile(rb"charset=([A-Za-z0-9._:-]+)", re.IGNORECASE)


def charset_of(content: bytes) -> str:
    """The encoding that a catalog's header tells, or UTF-8."""
    declared = _CHARSET.search(content[: 1 << 14])
    name = declared[1].decode() if declared else "utf-8"
    return "utf-8" if name.upper() == "CHARSET" else name  # as templates have it


def decoded(content: bytes, path: Path) -> str:
    """The text of a catalog in its own encoding."""
    charset = charset_of(content)
    try:
        return content.decode(charset).removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError) as error:
        line = content.count(b"\n", 0, getattr(error, "start", 0)) + 1
        raise CorpusError(f"{path}:{line}: not {charset}, which the header declares ({error}).") from error


def po_entries(text: str, path: Path) -> tuple[list[Entry], int]:
    """The entries of a PO or POT file, its header among them, and how many obsolete ones were passed over.

    Raises CorpusError at the line that is none of a catalog's.
    """
    entries, obsolete = list[Entry](), 0
    entry, strings, said = Entry(), dict[str, str](), ""

    def finish() -> None:
        nonlocal entry, strings, said
        if strings:
            entries.append(_finished(entry, strings, f"{path}:{entry.begins + 1}"))
        entry, strings, said = Entry(), {}, ""

    for number, whole in enumerate(text.split("\n")):
        line, where = whole.strip(), f"{path}:{number + 1}"
        if not line or line.startswith("#"):
            if "msgstr" in said:
                finish()
            if line.startswith("#,"):
                entry.flags |= frozenset(flag.strip() for flag in line[2:].split(","))
            obsolete += re.match(r"#~\s*msgid\s", line) is not None
            if line:
                entry.lines.append(number)
            continue
        if line.startswith('"'):
            if not said:
                raise CorpusError(f"{where}: a string without a keyword before it: {line[:80]!r}.")
            strings[said] += unquoted(line, where)
        elif found := _KEYWORD.fullmatch(line):
            if found[1] in {"msgctxt", "msgid"} and ("msgid" in strings or (said and "msgctxt" not in strings)):
                finish()
            said = found[1]
            if said in strings:
                raise CorpusError(
                    f"{where}: a second {said} in one entry. Keep one, or put an empty line between them."
                )
            entry.begins = entry.begins if strings else number
            strings[said] = unquoted(found[3], where)
        else:
            raise CorpusError(f"{where}: msgid, msgstr, a string or a comment is expected, found {line[:80]!r}.")
        entry.lines.append(number)
    finish()
    return entries, obsolete


def _finished(entry: Entry, strings: dict[str, str], where: str) -> Entry:
    translations = [text for keyword, text in strings.items() if keyword.startswith("msgstr")]
    if "msgid" not in strings or not translations or ("msgstr" in strings) == ("msgid_plural" in strings):
        has = ", ".join(strings)
        raise CorpusError(
            f"{where}: an entry of {has}; msgid and msgstr, or msgid, msgid_plural and msgstr[0], … are expected."
        )
    entry.message, entry.plural, entry.context = strings["msgid"], strings.get("msgid_plural"), strings.get("msgctxt")
    entry.translations = translations
    return entry


_MAGIC = 0x950412DE


def mo_entries(content: bytes, path: Path) -> list[Entry]:
    """The entries of an MO file, its header among them."""
    order = next((order for order in "<>" if content[:4] == struct.pack(f"{order}I", _MAGIC)), None)
    if order is None or len(content) < 20:
        raise CorpusError(f"{path}: not an MO file: its first bytes are {content[:4].hex(' ')}. Give the PO file.")
    count, messages, translations = struct.unpack_from(f"{order}3I", content, 8)
    charset = charset_of(content[translations:])
    try:
        charset = charset_of(next(_mo_strings(content, order, 1, translations), b""))
        texts = (
            [text.decode(charset) for text in _mo_strings(content, order, count, place)]
            for place in (messages, translations)
        )
        return [_mo_entry(message, text) for message, text in zip(*texts, strict=True)]
    except (struct.error, ValueError, LookupError) as error:
        raise CorpusError(f"{path}: a damaged MO file ({error}). Fetch it again, or give the PO file.") from error


def _mo_strings(content: bytes, order: str, count: int, place: int) -> Iterator[bytes]:
    for number in range(count):
        length, offset = struct.unpack_from(f"{order}2I", content, place + 8 * number)
        if offset + length > len(content):
            raise ValueError(f"string {number:,} lies beyond the end")
        yield content[offset : offset + length]


def _mo_entry(message: str, translation: str) -> Entry:
    context, separator, message = message.rpartition("\x04")
    message, *plural = message.split("\0")
    texts = translation.split("\0") if plural else [translation]
    return Entry(message, plural[0] if plural else None, context if separator else None, texts)


def header_language(entries: Iterable[Entry]) -> str:
    """The language that a catalog's header tells; "" where it tells none."""
    header = next((entry for entry in entries if entry.is_header), Entry())
    said = re.search(r"(?m)^Language:[ \t]*(\S+)", "".join(header.translations))
    return said[1] if said else ""


def catalog_rows(path: Path, request: Request) -> TableRows:
    """The messages of a PO, POT or MO file and their translations; of a plural the singular's and the last form.

    The header's language decides which is which; where it tells none, messages are taken for the source.
    """
    if request.columns or request.usual:
        raise UsageError(f"{path}: a catalog has messages and translations; no columns can be named. Leave them out.")
    content = content_of(existing(path))
    if path.suffix.lower() == ".mo":
        entries, obsolete = mo_entries(content, path), 0
    else:
        entries, obsolete = po_entries(decoded(content, path), path)
    counts = Counter[str]()
    pairs = [pair for entry in entries if not entry.is_header for pair in _pairs(entry, counts)]
    counts["obsolete entries, which are left out"] = obsolete
    said = header_language(entries)
    notes = [f"{what}: {count:,}" for what, count in counts.items() if count]
    language = language_named(said.split("@")[0].split(".")[0]) if said else None
    step = 1
    if language is None:
        notes.append("the header names no language: messages are taken for the source, translations for the target")
    elif language.iso3 not in {request.source.iso3, request.target.iso3}:
        raise CorpusError(
            f"{path}: translates to {said}, as the header's Language says; {request.source.name} and "
            f"{request.target.name} are asked for. Give another file, or correct the header."
        )
    else:
        step = -1 if language.iso3 == request.source.iso3 else 1
        notes.append(f"the header says that translations are in {language.name}")
    return TableRows(("msgid", "msgstr")[::step], (pair[::step] for pair in pairs), notes)


def _pairs(entry: Entry, counts: "Counter[str]") -> Iterator[tuple[str, str]]:
    fuzzy = "fuzzy" in entry.flags and any(entry.translations)
    counts["fuzzy entries, whose translations are left out"] += fuzzy
    texts = [""] if fuzzy else entry.translations
    if entry.plural is None:
        yield entry.message, texts[0]
        return
    counts["entries with plural forms, of which singular and last form are read"] += 1
    if len(texts) > 1:
        yield entry.message, texts[0]
    yield entry.plural, texts[-1]
