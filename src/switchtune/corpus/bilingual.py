"""TMX and XLIFF to be written back with translations: all that is not one stays as it is, byte by byte."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from xml.sax.saxutils import escape, quoteattr

from switchtune.corpus.columns import CorpusError
from switchtune.corpus.tags import Segment, Tag
from switchtune.corpus.units import NATIVE_CODES, is_finished, language_of_tag, tag_language
from switchtune.corpus.xml import Position, XmlRecords, encoding_of, utf8_chunks
from switchtune.languages import Language


@dataclass(frozen=True, slots=True)
class Slot:
    """Bytes of a document, in UTF-8, that are replaced: by markup as it is written, and by translations."""

    start: int
    end: int
    parts: tuple[str | Segment, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be translated in a document.

    Attributes:
        tag: the target language as it is asked for, region and all.
        everything: whether also what has a translation, which is then lost.
    """

    source: Language
    target: Language
    tag: str
    everything: bool = False


class Document(Protocol):
    """A file that is written back with translations in its slots."""

    @property
    def path(self) -> Path: ...

    @property
    def encoding(self) -> str:
        """That in which the file is written."""

    def chunks(self) -> Iterator[bytes]:
        """Its content in UTF-8."""

    def slots(self, counts: "Counter[str]") -> Iterator[Slot]:
        """The slots in their order; counts what people are to know."""

    def escape(self, text: str) -> str:
        """Text as it is written there."""


@dataclass(frozen=True)
class XmlDocument:
    """A TMX or XLIFF file. Reading it raises CorpusError where it is none, or has other languages than are wanted."""

    path: Path
    wanted: Wanted

    @property
    def encoding(self) -> str:
        with self.path.open("rb") as file:
            return encoding_of(file.read(1 << 10))

    def chunks(self) -> Iterator[bytes]:
        return utf8_chunks(self.path)

    def escape(self, text: str) -> str:
        return escape(_NOT_XML.sub("", text)).replace("\r", "&#13;")

    def slots(self, counts: "Counter[str]") -> Iterator[Slot]:
        def handler_of(root: str, attributes: dict[str, str], position: Position) -> _TmxSlots | _XliffSlots:
            if root not in {"tmx", "xliff"}:
                raise CorpusError(f"{position.where}: <{root[:80]}>, where <tmx> or <xliff> is expected.")
            kind = _TmxSlots if root == "tmx" else _XliffSlots
            return kind(position, self.wanted, counts)

        return iter(XmlRecords(self.path, handler_of))


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_START = re.compile(rb"<([^\s/>]+)(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")


class _Slots:
    """Collects the slots of a document; knows where its elements begin and end."""

    def __init__(self, position: Position, wanted: Wanted, counts: "Counter[str]") -> None:
        self.records = list[Slot]()
        self._position, self._wanted, self._counts = position, wanted, counts
        self._ends = list[int | None]()
        """Of every open element that has no content: where its tag ends."""
        self._content: _Content | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        offset = self._position.offset
        found = _START.match(self._position.raw(offset))
        tag = found[0] if found else b""
        self._ends.append(offset + len(tag) if tag.endswith(b"/>") else None)
        if self._content is None:
            self._start(name, attributes, offset, tag.decode())
        else:
            self._content.start_inline(name, attributes, offset, tag.decode())

    def end(self, name: str) -> None:
        start = self._position.offset
        end = self._ends.pop() or start + self._position.raw(start).index(b">") + 1
        if self._content is None:
            self._end(name, start)
        elif self._content.is_open:
            self._content.end_inline(end, self._position.raw)
        else:
            content, self._content = self._content, None
            content.finish()
            self._end_text(name, content, end)

    # Told of what stands outside of texts, with the byte where a tag begins and the tag itself, and of whole texts.
    def _start(self, name: str, attributes: dict[str, str], offset: int, markup: str) -> None: ...
    def _end(self, name: str, start: int) -> None: ...
    def _end_text(self, name: str, content: "_Content", end: int) -> None: ...

    def _require(self, tag: str, language: Language, what: str) -> None:
        if tag and tag_language(tag) != language:
            raise CorpusError(
                f"{self._position.where}: the {what} is {tag[:40]}; {language.name} ({language.code}) is asked for."
            )

    def text(self, data: str) -> None:
        if self._content is not None:
            self._content.text(data)


class _Content:
    """What is within an element that holds text: parts of markup, and segments with their tags."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.parts = list[str | Segment]()
        self.segments = dict[str, int]()
        """The place among the parts of each segment that is marked as one."""
        self._text, self._tags = "", list[Tag]()
        self._open = list[tuple[str, str, int | None]]()
        """Name, segment and pair of each open element."""
        self._native, self._native_start = 0, 0
        self._codes, self._pairs = dict[str, int](), 0

    @property
    def is_open(self) -> bool:
        return bool(self._open or self._native)

    @property
    def has_text(self) -> bool:
        return any(isinstance(part, Segment) and part.text.strip() for part in self.parts)

    def text(self, data: str) -> None:
        if not self._native:
            self._text += data

    def start_inline(self, name: str, attributes: dict[str, str], offset: int, markup: str) -> None:
        if self._native:
            self._native += 1
            return
        kept = attributes.get("mtype") == "protected" or attributes.get("translate") == "no"
        if name in NATIVE_CODES or name == "cp" or kept:
            self._native, self._native_start = 1, offset
            self._native_code = name, attributes
            return
        if markup.endswith("/>"):  # its end is told all the same, and written
            markup = markup[:-2].rstrip() + ">"
        segment = attributes.get("mid", "") if attributes.get("mtype") == "seg" else ""
        if segment:
            self.finish()
            self.parts.append(markup)
            self.segments[segment] = len(self.parts)
            self._open.append((name, segment, None))
            return
        self._pairs += 1
        self._tags.append(Tag(len(self._text), markup, self._pairs))
        self._open.append((markup[1:].split()[0].split(">")[0], "", self._pairs))

    def end_inline(self, end: int, raw: Callable[[int, int], bytes]) -> None:
        if self._native:
            self._native -= 1
            if not self._native:
                markup = raw(self._native_start, end).decode()
                self._tags.append(Tag(len(self._text), markup, self._pair_of(*self._native_code)))
            return
        name, segment, pair = self._open.pop()
        if segment:
            self.finish(always=True)
            self.parts.append(f"</{self.prefix}{name}>")
        else:
            self._tags.append(Tag(len(self._text), f"</{name}>", pair))

    prefix = ""

    def _pair_of(self, name: str, attributes: dict[str, str]) -> int | None:
        """The number of the pair that a code of another format opens or closes; None where it does neither."""
        code = next((attributes[key] for key in ("startRef", "i", "rid", "id") if key in attributes), None)
        if code is None:
            return None
        if name in {"bpt", "bx", "sc", "sm"}:
            self._pairs += 1
            self._codes[code] = self._pairs
            return self._pairs
        return self._codes.pop(code, None) if name in {"ept", "ex", "ec", "em"} else None

    def finish(self, *, always: bool = False) -> None:
        """Have the text so far be a segment; white space alone is markup."""
        closed = Counter(tag.pair for tag in self._tags)
        tags = tuple(tag if closed[tag.pair] == 2 else Tag(tag.place, tag.markup) for tag in self._tags)
        if always or self._text.strip() or tags:
            self.parts.append(Segment(self._text, tags))
        elif self._text:
            self.parts.append(escape(self._text))
        self._text, self._tags = "", []


class _TmxSlots(_Slots):
    _tag = ""
    _source: _Content | None = None
    _target: tuple[int, int, bool] | None = None
    """Where the text of the target begins and ends, and whether there is any."""

    def _start(self, name: str, attributes: dict[str, str], offset: int, markup: str) -> None:
        if name == "tu":
            self._position.kept_from, self._source, self._target = offset, None, None
        elif name == "tuv":
            self._tag = language_of_tag(attributes)
        elif name == "seg":
            self._content = _Content(offset)

    def _end_text(self, name: str, content: _Content, end: int) -> None:
        language = tag_language(self._tag)
        if language == self._wanted.source and self._source is None:
            self._source = content
        elif language == self._wanted.target and self._target is None:
            self._target = content.start, end, content.has_text

    def _end(self, name: str, start: int) -> None:
        if name == "tu":
            self._position.kept_from = None
            self._finish(start)

    def _finish(self, end: int) -> None:
        if self._source is None or not self._source.has_text:
            self._counts[f"units without a text in {self._wanted.source.name}"] += 1
        elif self._target is None:
            said = f'<tuv xml:lang={quoteattr(self._wanted.tag.replace("_", "-"))} creationtool="switchtune"><seg>'
            self.records.append(Slot(end, end, (said, *self._source.parts, "</seg></tuv>\n")))
            self._counts["texts translated"] += 1
        elif self._wanted.everything or not self._target[2]:
            self.records.append(Slot(*self._target[:2], ("<seg>", *self._source.parts, "</seg>")))
            self._counts["texts translated"] += 1
        else:
            self._counts["texts that had a translation, which stays"] += 1


_STATE = re.compile(r"""\s(?:state|state-qualifier|subState)\s*=\s*(?:"[^"]*"|'[^']*')""")
_APPROVED = re.compile(r"""(\sapproved\s*=\s*["'])yes(["'])""")


class _XliffSlots(_Slots):
    """Of XLIFF 1.2 what a machine translated is a suggestion to be reviewed; of 2.x it is translated, not reviewed."""

    _unit: tuple[int, str] | None = None
    """Where the unit (of 2.x the segment) begins, and its tag."""
    _aside = 0

    def __init__(self, position: Position, wanted: Wanted, counts: "Counter[str]") -> None:
        super().__init__(position, wanted, counts)
        self._kept = list[bool]()
        """Of each open element: whether it is not to be translated."""
        self._found = dict[str, tuple[_Content, int, str]]()
        self._state = ""

    def _start(self, name: str, attributes: dict[str, str], offset: int, markup: str) -> None:
        said = attributes.get("translate", "yes" if not (self._kept and self._kept[-1]) else "no")
        self._kept.append(said == "no")
        if name in {"file", "xliff"}:
            self._check_languages(attributes, offset, markup)
        elif name in {"trans-unit", "segment"}:
            self._position.kept_from = offset
            self._unit, self._found, self._state = (offset, markup), {}, attributes.get("state", "")
        elif name == "alt-trans":
            self._aside += 1
        elif self._unit and not self._aside and name in {"source", "seg-source", "target"}:
            self._content = _Content(offset)
            self._content.prefix = markup[1 : markup.index(name)]
            self._markup = markup
            if name == "target":
                self._state = attributes.get("state", self._state)

    def _check_languages(self, attributes: dict[str, str], offset: int, markup: str) -> None:
        for source, target in (("source-language", "target-language"), ("srcLang", "trgLang")):
            if source in attributes:
                self._require(attributes[source], self._wanted.source, source)
                self._require(attributes.get(target, ""), self._wanted.target, target)
                if not attributes.get(target):
                    start = re.sub(rf"\s{target}\s*=\s*(\"\"|'')", "", markup)
                    told = f"{start[:-1].rstrip('/')} {target}={quoteattr(self._wanted.tag.replace('_', '-'))}>"
                    self.records.append(Slot(offset, offset + len(markup.encode()), (told,)))

    def _end_text(self, name: str, content: _Content, end: int) -> None:
        self._kept.pop()
        self._found[name] = content, end, self._markup

    def _end(self, name: str, start: int) -> None:
        kept = self._kept.pop()
        if name == "alt-trans":
            self._aside -= 1
        elif name in {"trans-unit", "segment"} and self._unit:
            if kept:
                self._counts["texts that are not to be translated, as the file says"] += 1
            else:
                self._finish(*self._unit, name)
            self._unit, self._position.kept_from = None, None

    def _finish(self, start: int, markup: str, name: str) -> None:
        if "source" not in self._found or not self._found["source"][0].has_text:
            return
        source, behind, _ = self._found["source"]
        target = self._found.get("target")
        done = target is not None and target[0].has_text and is_finished(self._state)
        if done and not self._wanted.everything:
            self._counts["texts that had a translation, which stays"] += 1
            return
        if "seg-source" in self._found and self._found["seg-source"][0].segments:
            source, behind, _ = self._found["seg-source"]
        self._counts["texts translated"] += 1
        prefix = source.prefix
        if name == "segment":
            told = _STATE.sub("", markup)
            self.records.append(Slot(start, start + len(markup.encode()), (told[:-1] + ' state="translated">',)))
            state = ""
        else:
            state = ' state="needs-review-translation" state-qualifier="mt-suggestion"'
            if _APPROVED.search(markup):
                told = _APPROVED.sub(r"\1no\2", markup)
                self.records.append(Slot(start, start + len(markup.encode()), (told,)))
        if target is None:
            opened, place = f"{self._indent(start)}<{prefix}target{state}>", (behind, behind)
        else:
            tag = _STATE.sub("", target[2]).removesuffix(">").removesuffix("/").rstrip()
            opened, place = f"{tag}{state}>", (target[0].start, target[1])
        self.records.append(Slot(*place, (opened, *source.parts, f"</{prefix}target>")))

    def _indent(self, start: int) -> str:
        """The line break and white space before the source, where it stands on a line of its own."""
        before = self._position.raw(start, self._found["source"][0].start).decode()
        return before[len(before.rstrip()) :]
