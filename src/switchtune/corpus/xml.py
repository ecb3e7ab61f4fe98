"""XML of strangers, read in a stream: entities are refused, nothing outside the file is read, errors have lines."""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Generic, Protocol, TypeVar
from xml.parsers import expat

from switchtune.corpus.columns import CorpusError
from switchtune.corpus.lines import DAMAGED, LONGEST_LINE, TOO_LONG, Origin, Unpacking, damaged, opened

_T = TypeVar("_T")
_CHUNK = 1 << 16


class Handler(Protocol[_T]):
    """What is told of a document's content and makes records of it. Names have no prefix where it is the root's."""

    @property
    def records(self) -> list[_T]:
        """Those that are whole; taken away after every piece of the file."""

    def start(self, name: str, attributes: dict[str, str]) -> None: ...
    def end(self, name: str) -> None: ...
    def text(self, data: str) -> None: ...


class Position:
    """Where in a document a handler is, and the document's bytes, in UTF-8, as far back as they are kept."""

    def __init__(self, origin: Origin, parser: expat.XMLParserType) -> None:
        self.origin = origin
        self._parser = parser
        self._held, self._begins = bytearray(), 0
        self.kept_from: int | None = None
        """The first byte that is kept; None: no more than need be."""

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.origin}:{self._parser.CurrentLineNumber}"

    @property
    def offset(self) -> int:
        """The byte at which what is being told begins; at the end of an empty element, the byte behind it."""
        return self._parser.CurrentByteIndex

    def raw(self, start: int, end: int | None = None) -> bytes:
        """The bytes from `start` on, or those before `end`."""
        return bytes(self._held[start - self._begins : None if end is None else end - self._begins])

    def feed(self, data: bytes) -> None:
        self._held += data
        self._parser.Parse(data, False)
        if self._begins + len(self._held) - self.offset > LONGEST_LINE:
            raise CorpusError(f"{self.where}: a tag with {TOO_LONG}")
        begins = self.offset if self.kept_from is None else min(self.kept_from, self.offset)
        del self._held[: begins - self._begins]
        self._begins = begins


class XmlRecords(Generic[_T]):
    """The records of a document, which can be read again and again; each reading has a handler of its own.

    Iterating raises CorpusError, with file and line, where the document is not well formed or declares entities.
    """

    def __init__(self, origin: Origin, handler_of: Callable[[str, dict[str, str], Position], Handler[_T]]) -> None:
        """`handler_of` makes the handler of the root's name, its attributes and the position."""
        self.origin = origin
        self._handler_of = handler_of

    def __iter__(self) -> Iterator[_T]:
        # The document's own word on its encoding does not count: it is decoded before.
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text, parser.buffer_size = True, _CHUNK
        position = Position(self.origin, parser)
        handlers = list[Handler[_T]]()

        def root(name: str, attributes: dict[str, str]) -> None:
            prefix = name[: name.find(":") + 1]
            handler = self._handler_of(name.removeprefix(prefix), attributes, position)
            handlers.append(handler)
            parser.StartElementHandler, parser.EndElementHandler = handler.start, handler.end
            if prefix:
                parser.StartElementHandler = lambda name, found: handler.start(name.removeprefix(prefix), found)
                parser.EndElementHandler = lambda name: handler.end(name.removeprefix(prefix))
            parser.CharacterDataHandler = handler.text
            handler.start(name.removeprefix(prefix), attributes)

        def refuse_entity(name: str, *_: Any) -> None:
            raise CorpusError(
                f"{position.where}: declares the entity {name[:80]!r}. Entities, by which a small file may grow "
                "without end or draw in others, are refused. Remove the declaration, and write what it stands for."
            )

        def unknown_entity(name: str, *_: Any) -> None:
            raise CorpusError(
                f"{position.where}: the entity &{name[:80]}; is not declared in the file. Write the character "
                "itself, or its number, as in &#160;."
            )

        parser.StartElementHandler = root
        parser.EntityDeclHandler, parser.SkippedEntityHandler = refuse_entity, unknown_entity
        try:
            with opened(self.origin) as (stream, unpacking):
                for data in _as_utf8(stream, unpacking, str(self.origin)):
                    position.feed(data)
                    yield from _taken(handlers)
            parser.Parse(b"", True)
            yield from _taken(handlers)
        except expat.ExpatError as error:
            raise _ill_formed(self.origin, error) from error
        except DAMAGED as error:
            raise damaged(self.origin, parser.CurrentLineNumber, error) from error


def _taken(handlers: list[Handler[_T]]) -> Iterator[_T]:
    for handler in handlers:
        yield from handler.records
        handler.records.clear()


def _ill_formed(origin: Origin, error: expat.ExpatError) -> CorpusError:
    said = f"{origin}:{error.lineno}: not well-formed XML ({expat.errors.messages[error.code]}"
    remedy = {
        expat.errors.XML_ERROR_NO_ELEMENTS: "The file ends too early: it may be cut off; fetch or export it again.",
        expat.errors.XML_ERROR_UNCLOSED_TOKEN: "The file ends too early: it may be cut off; fetch or export it again.",
        expat.errors.XML_ERROR_TAG_MISMATCH: "Look for a tag before it that is not closed.",
        expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT: "Two files may have been joined; split them.",
    }.get(
        expat.errors.messages[error.code],
        "In text, & is written &amp; and < is written &lt;. If the character there is neither, the file may be in "
        "another encoding than it says (UTF-8 where it says nothing).",
    )
    return CorpusError(f"{said}, column {error.offset + 1}). {remedy}")


_DECLARED = re.compile(rb"""<\?xml\s[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    "<?".encode("utf-16-le"): "utf-16-le",
    "<?".encode("utf-16-be"): "utf-16-be",
}


def encoding_of(beginning: bytes) -> str:
    """The encoding of a document that begins so: by its first bytes, or by its declaration."""
    marked = next((encoding for mark, encoding in _MARKS.items() if beginning.startswith(mark)), None)
    declared = _DECLARED.match(beginning)
    return marked or (declared[1].decode().lower() if declared else "utf-8")


def utf8_chunks(origin: Origin) -> Iterator[bytes]:
    """The bytes of a document, in UTF-8 whatever its encoding, as `Position` counts them."""
    with opened(origin) as (stream, unpacking):
        yield from _as_utf8(stream, unpacking, str(origin))


def _as_utf8(stream: BinaryIO, unpacking: Unpacking, where: str) -> Iterator[bytes]:
    """The bytes of a document, in UTF-8 whatever its encoding."""
    first = stream.read(_CHUNK)
    encoding = encoding_of(first)
    try:
        " ".encode(encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        raise CorpusError(f"{where}: declares the encoding {encoding!r}, which is unknown.") from error
    chunk, straight = first, encoding in {"utf-8", "utf8", "us-ascii", "ascii"}
    while chunk:
        unpacking.add(len(chunk))
        try:
            yield chunk if straight else decoder.decode(chunk).encode()
        except UnicodeError as error:
            raise CorpusError(
                f"{where}: not {encoding.upper()}, which the file declares ({error}). Find out its encoding."
            ) from error
        chunk = stream.read(_CHUNK)
