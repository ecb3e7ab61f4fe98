"""Translation memories, bilingual files and term bases as units: texts of several languages that mean the same.

TMX 1.x (LISA OSCAR), XLIFF 1.2 and 2.x (OASIS), TBX 2 and 3 (ISO 30042).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from switchtune.corpus.columns import CorpusError, Request, TableRows
from switchtune.corpus.lines import LONGEST_LINE, TOO_LONG, Origin
from switchtune.corpus.xml import Handler, Position, XmlRecords
from switchtune.errors import UsageError
from switchtune.languages import Language, language_named

Unit: TypeAlias = list[tuple[str, str]]
"""Texts that mean the same, each after the tag of its language as the file has it."""

NATIVE_CODES = frozenset("bpt ept it ph ut x bx ex sc ec sm em".split())
"""Elements within a text that stand for the markup of another format: what is in them is no text."""
LINE_BREAKS = frozenset({"lb", "x-lb", "x-br", "br", "xlf:lb"})
"""What the attributes of such an element say where it stands for a line break."""
UNFINISHED_STATES = frozenset({"new", "initial"})
"""States of XLIFF 1.2 and 2 in which nobody has worked on a translation; so are those of 1.2 that begin with `needs-`,
but for reviews."""


def is_finished(state: str) -> bool:
    """Whether somebody has vouched for a translation in this state of XLIFF ("": none is told)."""
    return state not in UNFINISHED_STATES and not (state.startswith("needs-") and "review" not in state)


def language_of_tag(attributes: dict[str, str]) -> str:
    """The language that an element says: by `xml:lang`, in TMX 1.1 `lang`, in any letter case."""
    if "xml:lang" in attributes:
        return attributes["xml:lang"]
    return next((value for name, value in attributes.items() if name.lower() in {"lang", "xml:lang"}), "")


@dataclass
class _Understood:
    """What people are to know of a file: what it is, and how often something was met."""

    about: str = ""
    counts: Counter[str] = field(default_factory=Counter)

    def notes(self) -> list[str]:
        return [self.about, *(f"{what}: {count:,}" for what, count in self.counts.items() if count)]


class _Texts:
    """Collects texts without their inline tags; those of other formats go with what is in them."""

    def __init__(self, position: Position, understood: _Understood) -> None:
        self.records = list[Unit]()
        self._unit: Unit = []
        self._position, self._understood = position, understood
        self._parts: list[str] | None = None
        """Those of the text that is being read."""
        self._skipped, self._tagged = 0, False
        self._inside = list[tuple[str, int]]()
        """The open elements of the text: segment that one holds, and number of the parts before."""
        self._segments = dict[str, str]()

    def _begin(self) -> None:
        self._parts, self._skipped, self._tagged, self._segments = [], 0, False, {}

    def _finish(self) -> str:
        text = "".join(self._parts or ())
        self._parts = None
        self._understood.counts["texts with inline tags, which are removed"] += self._tagged
        if len(text) > LONGEST_LINE:
            raise CorpusError(f"{self._position.where}: a text with {TOO_LONG}")
        return text

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._parts is None:
            self._start(name, attributes)
            return
        if self._skipped or name in NATIVE_CODES:
            self._skipped += 1
            told = {attributes.get("type"), attributes.get("ctype"), attributes.get("subType")}
            if not LINE_BREAKS.isdisjoint(told):
                self._parts.append(" ")
            self._tagged = True
            return
        segment = attributes.get("mid", "") if name == "mrk" and attributes.get("mtype") == "seg" else ""
        self._inside.append((segment, len(self._parts)))
        if name == "cp":  # of XLIFF 2: a character that XML cannot hold
            self._parts.append(_character(attributes.get("hex", "")))
        else:
            self._tagged |= not segment

    def end(self, name: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif self._inside:
            segment, before = self._inside.pop()
            if segment:
                self._segments[segment] = "".join((self._parts or [])[before:])
        else:
            self._end(name)

    # Told of what stands outside of texts, and of the end of a text itself.
    def _start(self, name: str, attributes: dict[str, str]) -> None: ...
    def _end(self, name: str) -> None: ...

    def text(self, data: str) -> None:
        if self._parts is None:
            return
        if not self._skipped:
            self._parts.append(data)
        elif data.lstrip().lower().startswith("<br"):
            self._parts.append(" ")


def _character(number: str) -> str:
    return chr(int(number, 16)) if re.fullmatch("[0-9A-Fa-f]{1,4}", number) else ""


class _Tmx(_Texts):
    _tag = ""

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "seg":
            self._begin()
        elif name == "tuv":
            self._tag = language_of_tag(attributes)
        elif name == "tu":
            self._unit = []

    def _end(self, name: str) -> None:
        if name == "seg":
            self._unit.append((self._tag, self._finish()))
        elif name == "tu":
            self.records.append(self._unit)


class _Xliff(_Texts):
    """Of a unit whose two texts are marked as the same segments, each is a unit by itself."""

    _tags = ("", "")
    _state = ""
    _within, _aside = False, 0
    _found: dict[str, tuple[str, dict[str, str]]]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in {"xliff", "file"}:
            pairs = (("source-language", "target-language"), ("srcLang", "trgLang"))
            told = (tuple(attributes.get(key, "") for key in keys) for keys in pairs)
            self._tags = next(((source, target) for source, target in told if source), self._tags)
        elif name in {"trans-unit", "segment"}:
            self._within, self._found, self._state = True, {}, attributes.get("state", "")
        elif name == "alt-trans":
            self._aside += 1
        elif self._within and not self._aside and name in {"source", "seg-source", "target"}:
            self._begin()
            if name == "target":
                self._state = attributes.get("state", self._state)

    def _end(self, name: str) -> None:
        if self._parts is not None:
            self._found[name] = self._finish(), self._segments
        elif name == "alt-trans":
            self._aside -= 1
        elif name in {"trans-unit", "segment"}:
            self._within = False
            self.records += self._units()

    def _units(self) -> Iterator[Unit]:
        nothing = "", dict[str, str]()
        source, _ = self._found.get("source", nothing)
        target, translated = self._found.get("target", nothing)
        _, segments = self._found.get("seg-source", nothing)
        if target.strip() and not is_finished(self._state):
            self._understood.counts[f"translations in the state {self._state[:40]}, which are left out"] += 1
            target, translated = "", {}
        texts = [(source, target)]
        if segments and segments.keys() == translated.keys():
            texts = [(text, translated[segment]) for segment, text in segments.items()]
        for pair in texts:
            yield list(zip(self._tags, pair, strict=True))


class _Tbx(_Texts):
    """Terms of a concept; those that are not to be used are left out."""

    _term: str | None = None
    _note: list[str] | None = None
    _tag = ""
    _refused = False

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local in {"termEntry", "conceptEntry"}:
            self._unit = []
        elif local in {"langSet", "langSec"}:
            self._tag = language_of_tag(attributes)
        elif local in {"tig", "ntig", "termSec"}:
            self._term, self._refused = None, False
        elif local == "term":
            self._begin()
        elif local == "administrativeStatus" or attributes.get("type") == "administrativeStatus":
            self._note = []

    def _end(self, name: str) -> None:
        local = name.rpartition(":")[2]
        if local == "term":
            self._term = self._finish()
        elif self._note is not None:
            self._refused = re.match("deprecated|superseded", "".join(self._note).strip()) is not None
            self._note = None
        elif local in {"tig", "ntig", "termSec"} and self._term is not None:
            self._understood.counts["terms that are not to be used (deprecated or superseded)"] += self._refused
            self._unit += [] if self._refused else [(self._tag, self._term)]
        elif local in {"termEntry", "conceptEntry"}:
            self.records.append(self._unit)

    def text(self, data: str) -> None:
        super().text(data)
        if self._note is not None:
            self._note.append(data)


_HANDLERS: dict[str, tuple[str, Callable[[Position, _Understood], Handler[Unit]]]] = {
    "tmx": ("TMX", _Tmx),
    "xliff": ("XLIFF", _Xliff),
    "martif": ("TBX", _Tbx),
    "tbx": ("TBX", _Tbx),
}


def _units(origin: Origin, understood: _Understood) -> XmlRecords[Unit]:
    """The units of a file of any of the formats, which its root element tells."""

    def handler_of(root: str, attributes: dict[str, str], position: Position) -> Handler[Unit]:
        if root not in _HANDLERS:
            raise CorpusError(
                f"{position.where}: neither TMX, XLIFF nor TBX: the root element is <{root[:80]}>, where <tmx>, "
                "<xliff>, <martif> or <tbx> is expected. Export it to one of these, or to TSV or CSV."
            )
        name, handler = _HANDLERS[root]
        understood.about = f"{name} {attributes.get('version', '')[:20]}".strip()
        return handler(position, understood)

    return XmlRecords(origin, handler_of)


@lru_cache(1 << 10)
def tag_language(tag: str) -> Language | None:
    """The language of a tag by BCP 47, or of what programs write in its place."""
    primary, *parts = re.split("[-_]", tag.strip())
    script = next((part.title() for part in parts if re.fullmatch("[A-Za-z]{4}", part)), None)
    region = next((part.upper() for part in parts if re.fullmatch("[A-Za-z]{2}|[0-9]{3}", part)), None)
    return language_named("_".join(filter(None, (primary.lower(), script, region))))


def _is_asked(tag: str, language: Language, column: str | None) -> bool:
    return tag_language(tag) == language if column is None else tag.lower() == column.lower()


def unit_rows(origin: Origin, request: Request) -> TableRows:
    """The pairs of a file's units; of several texts of a language, each is paired with each of the other."""
    if request.usual or len(request.columns or (1, 2)) != 2:
        raise UsageError(f"{origin}: holds texts and their translations, in two columns; other columns are asked for.")
    sides = tuple(zip((request.source, request.target), request.columns or (None, None), strict=True))
    columns = _tags_of(origin, sides)
    understood = _Understood()
    notes = list[str]()

    def cells() -> Iterator[tuple[str, str]]:
        others = Counter[str]()
        for unit in _units(origin, understood):
            sources, targets = ([text for tag, text in unit if _is_asked(tag, *side)] for side in sides)
            if len(sources) + len(targets) != len(unit):
                others.update(tag for tag, _ in unit if not any(_is_asked(tag, *side) for side in sides))
            if len(sources) > 1 or len(targets) > 1:
                understood.counts["units with several texts of a language, each of which is paired"] += 1
            yield from product(sources or [""], targets or [""])
        said = ", ".join(f"{tag[:40] or 'no language'} ({count:,})" for tag, count in others.most_common(10))
        notes.extend(understood.notes() + [f"other languages, which are left out: {said}"] * bool(others))

    return TableRows(columns, cells(), notes)


def _tags_of(origin: Origin, sides: tuple[tuple[Language, str | None], ...]) -> tuple[str, ...]:
    """The tags that the two languages have in a file, by its first units; raises CorpusError where one has none."""
    missing, found, counts = list(sides), dict[tuple[Language, str | None], str](), Counter[str]()
    understood = _Understood()
    for unit in _units(origin, understood):
        for tag, _ in unit:
            counts[tag] += 1
            for side in [side for side in missing if _is_asked(tag, *side)]:
                missing.remove(side)
                found[side] = tag
        if not missing:
            return tuple(found[side] for side in sides)
    if not counts:
        raise CorpusError(f"{origin}: {understood.about} without a unit in it. Export it again.")
    language, column = missing[0]
    asked = f"{language.name} ({language.code})" if column is None else repr(column)
    held = ", ".join(f"{tag[:40] or 'none named'} ({count:,})" for tag, count in counts.most_common(20))
    raise CorpusError(
        f"{origin}: {understood.about} without a text in {asked}. Its languages: {held}. Ask for two of them, by "
        "columns: [SOURCE, TARGET] as they are written here where a tag does not say which language is meant."
    )
