"""Files of text as lines, whatever compresses them: cleaned of marks, and refused where they are no text."""

import bz2
import gzip
import io
import lzma
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import pyarrow as pa

from switchtune.corpus.columns import CorpusError
from switchtune.corpus.control import shown
from switchtune.errors import SwitchtuneError
from switchtune.files import readable

OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".bz2": bz2.open,
    # Arrow's reader goes on after the first frame and notices a file that was cut off.
    ".zst": partial(pa.input_stream, compression="zstd"),
}
COMPRESSIONS = tuple(OPENERS)
"""The endings of compressed files."""


@dataclass(frozen=True, slots=True)
class Member:
    """A part of a file: a file in a ZIP archive, a sheet of a spreadsheet."""

    archive: Path
    name: str

    def __str__(self) -> str:
        return f"{self.archive}#{self.name}"


Origin: TypeAlias = Path | Member
"""Where the bytes of one file are."""


def file_of(origin: Origin) -> Path:
    """The file itself, or the one that it is a part of."""
    return origin.archive if isinstance(origin, Member) else origin


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
TOO_LONG = f"over {LONGEST_LINE:,} bytes, longer than any sentence or document. If it is text, split it into lines."
HARMLESS, HIGHEST_RATIO = 1 << 24, 200
"""Text is packed to a third, repetitive text to a twentieth. What grows more, and to more bytes than these, is none."""
_PACKED = {b"\x1f\x8b": ".gz", b"\xfd7zXZ": ".xz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})


def stripped(text: str) -> str:
    """A text without the program's own mark and the white space around it; "" where nothing in it is seen."""
    text = shown(text).strip()
    if text[:1].isalnum():  # as most are, at less than half the cost
        return text
    return "" if all(unicodedata.category(character) in _UNSEEN for character in text) else text


def most_unpacked(path: Path) -> int:
    return max(HARMLESS, HIGHEST_RATIO * path.stat().st_size)


def bomb(origin: Origin | str) -> CorpusError:
    return CorpusError(
        f"{origin}: unpacks to over {HARMLESS:,} bytes and over {HIGHEST_RATIO} times what was read of it, as text "
        "does not. If this is intended, unpack it first and give the unpacked file."
    )


class Unpacking:
    """Adds up what comes of a compressed file, and raises CorpusError where it grows beyond measure."""

    def __init__(self, origin: Origin | str, packed: Callable[[], int] | None) -> None:
        """`packed` tells how many bytes of the compressed file were read; None: the file is not compressed."""
        self._origin, self._packed, self._size, self._most = origin, packed, 0, HARMLESS

    def add(self, count: int) -> None:
        self._size += count
        if self._packed is not None and self._size > self._most:
            self._most = max(HARMLESS, HIGHEST_RATIO * self._packed())
            if self._size > self._most:
                raise bomb(self._origin)


@contextmanager
def opened(origin: Origin) -> Iterator[tuple[BinaryIO, Unpacking]]:
    """The bytes of a file, unpacked, and what is to be told how many of them were read."""
    if isinstance(origin, Member):
        with zipfile.ZipFile(existing(origin.archive)) as archive, archive.open(origin.name) as member:
            packed = archive.getinfo(origin.name).compress_size
            yield io.BufferedReader(member, 1 << 18), Unpacking(origin, lambda: packed)  # type: ignore[type-var]
        return
    path = existing(origin)
    opener = OPENERS.get(path.suffix.lower())
    with path.open("rb") as file:
        # gzip, lzma and bz2 read lines in Python, the buffer does not.
        stream = io.BufferedReader(opener(file), 1 << 18) if opener else file
        yield stream, Unpacking(path, file.tell if opener else None)


def text_lines(origin: Origin) -> Iterator[str]:
    """The lines of a UTF-8 file, plain or compressed, without their ends and without a byte order mark.

    Splits at line feeds only (in a file without any, at carriage returns): text may hold other characters that Unicode
    calls breaks. Raises CorpusError, with the line, where the file is damaged, not UTF-8, grows beyond measure when
    unpacked, or has a line over `LONGEST_LINE`.
    """
    with opened(origin) as (stream, unpacking):
        yield from stream_lines(stream, origin, unpacking)


def _raw_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines as they stand, cut a byte behind `LONGEST_LINE`; without line feeds, they end at carriage returns."""
    read = partial(stream.readline, LONGEST_LINE + 1)
    held = read()
    if held.endswith(b"\n") or b"\r" not in held[:-1]:
        yield from chain([held] if held else [], iter(read, b""))
        return
    for block in chain([b""], iter(partial(stream.read, 1 << 16), b"")):
        *lines, held = (held + block).split(b"\r")
        yield from lines
        if len(held) > LONGEST_LINE:
            break
    if held:
        yield held


def _what_it_may_be(first: bytes) -> str:
    """What to do with a file that begins so and is no UTF-8."""
    if ending := next((ending for magic, ending in _PACKED.items() if first.startswith(magic)), None):
        return f"It is compressed: give it the ending {ending}."
    if first.startswith(b"PK\x03\x04"):
        return "It is a ZIP archive or a spreadsheet: unpack it, or have the spreadsheet saved as CSV in UTF-8."
    encoding = "UTF-16" if first.startswith((b"\xff\xfe", b"\xfe\xff")) else "UTF-16LE" if 0 in first else "ISO-8859-1"
    return f"Find out the file's encoding and convert it, for example with: iconv -f {encoding} -t UTF-8"


def stream_lines(stream: BinaryIO, origin: Origin | str, unpacking: Unpacking | None = None) -> Iterator[str]:
    """What `text_lines` does, of a stream; `origin` names it in errors."""
    number, raw = 0, b""
    try:
        for number, raw in enumerate(_raw_lines(stream), 1):
            if len(raw) > LONGEST_LINE:
                raise CorpusError(f"{origin}:{number}: the line has {TOO_LONG}")
            if unpacking:
                unpacking.add(len(raw))
            text = raw.decode().lstrip("\ufeff")  # which stands inside too where files were joined
            if number == 1 and text.count("\0") > max(1, len(text) // 3):
                raise CorpusError(f"{origin}:1: zero bytes as in UTF-16. {_what_it_may_be(raw)}")
            yield text.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        wrong = error.object[error.start : error.end].hex(" ")
        around = error.object[max(error.start - 20, 0) : error.end + 20].strip()
        raise CorpusError(
            f"{origin}:{number}: not UTF-8: byte {wrong} at position {error.start + 1} of the line, in {around!r}. "
            f"{_what_it_may_be(raw if number == 1 else b'')}"
        ) from error
    except DAMAGED as error:
        raise damaged(origin, number, error) from error


DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
"""What is raised where a file cannot be unpacked."""


def damaged(origin: Origin | str, line: int, error: BaseException) -> CorpusError:
    """One of `DAMAGED`, after so many lines, for people."""
    return CorpusError(
        f"{origin}: cannot be read after line {line:,} ({error}). "
        "The file may be cut off, damaged, or not in the format of its suffix; fetch it again."
    )
