"""XLIFF, TMX and PO files that are translated in place: the texts line by line, then the file with all its markup."""

import codecs
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from switchtune.corpus.bilingual import Document, Wanted, XmlDocument
from switchtune.corpus.catalog import Catalog
from switchtune.corpus.lines import plain, text_lines
from switchtune.corpus.tags import Segment, lines_of, translated
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import atomic_path
from switchtune.generation.files import GrowingFile, TextTranslation, grow
from switchtune.languages import find_language
from switchtune.training.distributed import launched, on_first

_KINDS: dict[str, Callable[[Path, Wanted], Document]] = {
    **dict.fromkeys((".xliff", ".xlf", ".sdlxliff", ".mxliff", ".mqxliff", ".tmx"), XmlDocument),
    **dict.fromkeys((".po", ".pot"), Catalog),
}
WRITTEN_BACK = tuple(_KINDS)
"""The endings of files that are written back in their own format."""


def document_of(path: Path, source: str, target: str, *, everything: bool) -> Document:
    """The document in a file whose name ends in one of `WRITTEN_BACK`, and what is wanted of it."""
    if path != plain(path):
        raise UsageError(f"{path}: is compressed; it cannot be written back. Unpack it first.")
    wanted = Wanted(find_language(source), find_language(target), target, everything)
    return _KINDS[path.suffix.lower()](path, wanted)


def translate_document(
    document: Document,
    out: Path,
    translation: TextTranslation,
    *,
    resume: bool,
    force: bool,
    tell: Callable[[str], None],
) -> None:
    """Write a document with translations in its slots; `tell` hears what people are to know of it.

    The lines that are translated, and their translations, stand in hidden files beside it until it is whole, so that
    `resume` goes on where a translation was stopped. `translation.text` is replaced by the former.
    """
    lines, growing = (out.with_name(f".{out.name}.{name}") for name in ("lines", "translations"))
    with launched():

        def prepare() -> None:
            if not resume and not GrowingFile(growing).is_unfinished:
                growing.unlink(missing_ok=True)
            with atomic_path(lines) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
                stream.writelines(f"{line}\n" for line in _lines(document))

        on_first(prepare)
        grow(GrowingFile(growing), replace(translation, text=lines), resume=resume, force=force, tell=tell)
        notes = on_first(lambda: _write(document, out, growing, replaces=force))

        def finish() -> None:
            growing.unlink()
            lines.unlink()
            for note in notes:
                tell(note)

        on_first(finish)


def _lines(document: Document) -> Iterator[str]:
    parts = chain.from_iterable(slot.parts for slot in document.slots(Counter()))
    for part in parts:
        if isinstance(part, Segment):
            yield from lines_of(part)


def _write(document: Document, out: Path, translations: Path, *, replaces: bool) -> list[str]:
    """Write the document; what people are to know of it."""
    counts, held, done = Counter[str](), b"", 0
    chunks, lines = document.chunks(), text_lines(translations)
    encoder = codecs.getincrementalencoder(document.encoding)("xmlcharrefreplace")

    def until(end: int | None) -> Iterator[bytes]:
        """The document's bytes that follow, to its end or to byte `end`."""
        nonlocal held, done
        while end is None or done < end:
            if not held and not (held := next(chunks, b"")):
                return
            taken = held if end is None else held[: end - done]
            yield taken
            held, done = held[len(taken) :], done + len(taken)

    def content() -> Iterator[bytes]:
        for slot in document.slots(counts):
            yield from until(slot.start)
            for part in slot.parts:
                text = part if isinstance(part, str) else translated(part, lines, document.escape, counts)
                yield text.encode()
            for _ in until(slot.end):
                pass
        yield from until(None)

    decoder = codecs.getincrementaldecoder("utf-8")()
    with atomic_path(out, replaces=replaces) as temporary, temporary.open("wb") as stream:
        stream.writelines(encoder.encode(decoder.decode(data)) for data in content())
    if next(lines, None) is not None:
        raise SwitchtuneError(f"{document.path}: was changed while it was translated. Run the command again.")
    return [f"{what}: {count:,}" for what, count in counts.items() if count]
