"""Catalogs of gettext to be written back with translations: all other lines stay as they are."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from switchtune.corpus.bilingual import Slot, Wanted
from switchtune.corpus.columns import CorpusError
from switchtune.corpus.gettext import Entry, charset_of, decoded, po_entries, quoted
from switchtune.corpus.lines import existing
from switchtune.corpus.tags import Segment
from switchtune.corpus.units import tag_language
from switchtune.files import content_of


@dataclass(frozen=True)
class Catalog:
    """A PO or POT file; it is written in UTF-8, and what a machine translated is marked as fuzzy."""

    path: Path
    wanted: Wanted
    encoding = "utf-8"

    def _text(self) -> str:
        content = content_of(existing(self.path))
        text = decoded(content, self.path)
        return re.sub(rf"(?i)charset={re.escape(charset_of(content))}|charset=CHARSET", "charset=UTF-8", text, count=1)

    def chunks(self) -> Iterator[bytes]:
        yield self._text().encode()

    def escape(self, text: str) -> str:
        return quoted(text)[1:-1]

    def slots(self, counts: "Counter[str]") -> Iterator[Slot]:
        text = self._text()
        lines = text.split("\n")
        starts = list(accumulate((len(line.encode()) + 1 for line in lines), initial=0))
        entries, _ = po_entries(text, self.path)
        for entry in entries:
            if entry.is_header:
                yield from self._header(entry, lines, starts)
            elif any(entry.translations) and not self.wanted.everything:
                kind = (
                    "fuzzy entries, which stay"
                    if "fuzzy" in entry.flags
                    else "texts that had a translation, which stays"
                )
                counts[kind] += 1
            else:
                counts["texts translated"] += 1
                counts["of them with plural forms"] += entry.plural is not None
                yield _slot(entry, lines, starts)

    def _header(self, entry: Entry, lines: list[str], starts: list[int]) -> Iterator[Slot]:
        for number in entry.lines:
            said = re.match(r'\s*(?:msgstr\s*)?"Language:[ ]*([^\\"]*)(?:\\n)?"', lines[number])
            if said and said[1].strip():
                if tag_language(re.split("[@.]", said[1].strip())[0]) != self.wanted.target:
                    raise CorpusError(
                        f"{self.path}:{number + 1}: the header's Language is {said[1].strip()}; "
                        f"{self.wanted.target.name} ({self.wanted.target.code}) is asked for."
                    )
            elif said:
                place = starts[number] + len(lines[number][: said.start(1)].rstrip().encode())
                yield Slot(
                    place,
                    starts[number] + len(lines[number][: said.start(1)].encode()),
                    (" " + self.wanted.tag.replace("-", "_"),),
                )


def _slot(entry: Entry, lines: list[str], starts: list[int]) -> Slot:
    """From the line of an entry's flags, or the first after its comments, to its end."""
    flagged = next((number for number in entry.lines if lines[number].lstrip().startswith("#,")), None)
    first = entry.begins if flagged is None else flagged
    flags = "#, fuzzy" if flagged is None else lines[flagged].rstrip()
    if "fuzzy" not in flags:
        flags = flags.replace("#,", "#, fuzzy,", 1)
    translated = next(number for number in entry.lines if re.match(r"\s*msgstr", lines[number]))
    kept = lines[first if flagged is None else first + 1 : translated]
    parts = list[str | Segment](["\n".join([flags, *kept]), "\n"])
    for number in range(len(entry.translations)):
        message = (
            entry.message if not number and (len(entry.translations) > 1 or entry.plural is None) else entry.plural
        )
        keyword = "msgstr" if entry.plural is None else f"msgstr[{number}]"
        parts += [f'{keyword} "', Segment(message or ""), '"\n']
    return Slot(starts[first], starts[entry.lines[-1] + 1], tuple(parts))
