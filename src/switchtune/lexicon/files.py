"""Lexicons as files: TSV with strengths and counts, the MUSE format, and edits by hand in a file beside them."""

import hashlib
import logging
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, cast, get_args

from switchtune.corpus.columns import CorpusError
from switchtune.corpus.lines import plain, text_lines
from switchtune.errors import UsageError
from switchtune.files import atomic_path, content_of, fingerprint, hash_file, kept_name, write_text
from switchtune.languages import UnknownLanguageError, find_language, language_guessed
from switchtune.lexicon.edits import EVERY_TRANSLATION, NOT_THIS, Edit, apply_edits
from switchtune.lexicon.records import UNDETERMINED, Lexicon, LexiconError, Measure, Translation, Unit, entries_of

_LOGGER = logging.getLogger(__name__)
_HEADER = "# switchtune lexicon "
_CODE = "([a-z]{2,3}(?:_[A-Z][a-z]{3})?)"
_GOOD_LINE = "A good line: Hund<TAB>dog, or Hund<TAB>dog<TAB>0.75, or Hund<TAB>dog<TAB>0.75<TAB>12<TAB>15."
_GOOD_EDIT = "A good line: Hund<TAB>dog<TAB>0.75, or Hund<TAB>cat<TAB>-, or Hund<TAB>*<TAB>- (none of those found)."


def write_lexicon(lexicon: Lexicon, path: Path) -> None:
    """Write `lexicon` as a TSV file that people read, one translation a line, frequent words first.

    The first line ends in a checksum of the others, by which `edited_since_built` tells what was edited.

    Raises:
        LexiconError: the lexicon is empty, the path's ending is that of a compressed file, or a word cannot stand in
            such a file.
    """
    if path != plain(path):
        raise LexiconError(f"{path}: lexicons are written plain, to be read. Give the path without {path.suffix!r}.")
    if not lexicon.entries:
        raise LexiconError(f"{path}: the lexicon has no entries, nothing was written.")
    lines = ["# source\ttarget\tstrength\tsource_count\ttarget_count\n"]
    for entry in sorted(lexicon.entries.values(), key=lambda entry: -entry.count):
        for link in entry.translations:
            _check_writable((entry.word, link.word), path)
            lines.append(f"{entry.word}\t{link.word}\t{link.strength!r}\t{entry.count}\t{link.count}\n")
    rows, languages = "".join(lines), f"{lexicon.source_language}-{lexicon.target_language}"
    facts = f"method={lexicon.method} measure={lexicon.measure} unit={lexicon.unit} sum={_checksum(rows.encode())}"
    write_text(path, f"{_HEADER}{languages} {facts}\n{rows}")


def _checksum(rows: bytes) -> str:
    return hashlib.sha256(rows).hexdigest()[:16]


def _check_writable(words: Iterable[str], path: Path) -> None:
    for word in words:
        if word != word.strip() or not word or set("\t\n\r") & set(word) or word.startswith("# "):
            raise LexiconError(f"{path}: the word {word!r} cannot be in a lexicon file, nothing was written.")


def edited_since_built(path: Path) -> bool | None:
    """Whether a lexicon's file was changed by hand since it was written; None: made elsewhere, it does not tell."""
    header, _, rows = content_of(path).partition(b"\n")
    written = re.search(rb" sum=([0-9a-f]{16})\r?$", header)
    return None if written is None else written[1].decode() != _checksum(rows)


def require_unedited(path: Path, *, refuse_unknown: bool = False) -> None:
    """Have a lexicon's file be as it was built, so that building it again loses nothing.

    Raises:
        UsageError: it was edited, or (with `refuse_unknown`) does not tell; the message says where edits belong.
    """
    edited = edited_since_built(path) if path.exists() else False
    if edited or (refuse_unknown and edited is None):
        raise UsageError(
            f"{path}: {'edited by hand since it was built' if edited else 'not built here by this version'}, and a "
            f"build would overwrite it. Edits by hand belong in {edits_path(path).name} beside it, which no build "
            "touches: word, translation and strength (or - for: not this one), split by tabs. "
            f"`switchtune lexicon diff AS_BUILT {path} --edits >> {edits_path(path)}` writes what was edited there in "
            "this form (AS_BUILT: the lexicon as built, in another folder; earlier versions kept it in built/). Then "
            "move the file away."
        )


def set_aside_if_edited(path: Path) -> Path | None:
    """Rename a lexicon's file, which a new build is to replace, if it was edited or made elsewhere; the new name."""
    if not path.exists() or edited_since_built(path) is False:
        return None
    return path.replace(kept_name(path))


MOST_MALFORMED = 0.02
"""Largest share of lines that may be malformed in a file made elsewhere: they are left out, and named."""


class _Header(NamedTuple):
    source_language: str
    target_language: str
    method: str = "file"
    measure: Measure = "none"
    unit: Unit = "word"


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon file: one that `write_lexicon` wrote or one's own, plain or compressed; edits beside it apply.

    One's own file needs two columns, source and target, split by a tab (or, without tabs, by spaces: the form of
    MUSE's dictionaries); strength, and both counts, may follow. Comments are lines that begin with "# ", or with "#"
    and hold no tab. Without a header line the languages are taken from the file's name (`lexicon.de-en.tsv`), else they
    are `UNDETERMINED`.

    Raises:
        LexiconError: the file is missing, damaged, not UTF-8 or has no entries, or a line of it or of the edits is
            malformed (file and line are named); in a file made elsewhere, more than `MOST_MALFORMED` of them.
    """
    return with_edits(_read_unedited(path), path)


def with_edits(lexicon: Lexicon, path: Path) -> Lexicon:
    """A lexicon that was read from a file, with the edits beside it; raises as `read_edits`."""
    return _edited(lexicon, read_edits(path, lexicon.measure), path)


def _edited(lexicon: Lexicon, edits: Sequence[Edit], path: Path) -> Lexicon:
    edited = apply_edits(edits, lexicon) if edits else lexicon
    if not edited.entries:
        raise LexiconError(f"{edits_path(path)}: {path.name} would have no entries left. Keep one.")
    return edited


def _read_unedited(path: Path) -> Lexicon:
    name = re.search(rf"(?:^|[._]){_CODE}-{_CODE}(?=[._]|$)", path.name)
    source, target = map(language_guessed, name.groups()) if name else (None, None)
    header = _Header(*((source.code, target.code) if source and target else (UNDETERMINED, UNDETERMINED)))
    headed, rows, malformed = False, dict[tuple[str, int, Translation], None](), dict[int, str]()
    for number, line in enumerate(lines_of(path), start=1):
        try:
            if line.startswith(_HEADER):
                if rows or malformed:
                    raise _MalformedError("a second lexicon begins here. One file holds one direction; split it.")
                header, headed = _parse_header(line), True
            elif not _is_passed_over(line):
                rows[_parse_row(line, header.measure)] = None
        except _MalformedError as error:
            if headed or line.startswith(_HEADER):
                raise LexiconError(f"{path}:{number}: {error}") from error
            malformed[number] = str(error)
    if malformed:
        first, shown = next(iter(malformed)), ", ".join(map(str, [*malformed][:10])) + ", …" * (len(malformed) > 10)
        found = f"{len(malformed):,} of {len(malformed) + len(rows):,} lines"
        if len(malformed) > MOST_MALFORMED * (len(malformed) + len(rows)):
            raise LexiconError(f"{path}:{first}: {malformed[first]} So are {found} (at most {MOST_MALFORMED:.0%} may).")
        _LOGGER.warning("%s: %s are malformed and left out: %s. The first: %s", path, found, shown, malformed[first])
    if not rows:
        raise LexiconError(f"{path}: no entries found. Expected one translation a line. {_GOOD_LINE}")
    return Lexicon(*header, entries_of(rows, header.source_language))


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file that goes with lexicons, as `text_lines` has them; raises LexiconError."""
    try:
        yield from text_lines(path)
    except CorpusError as error:
        raise LexiconError(str(error)) from error


class _MalformedError(Exception):
    """A line is not what it should be; the message says what is wrong with it."""


def _parse_header(line: str) -> _Header:
    languages, *assignments = line.removeprefix(_HEADER).split() or [""]
    source, _, target = languages.partition("-")
    values = dict(assignment.partition("=")[::2] for assignment in assignments)
    method, measure, unit = values.get("method", "file"), values.get("measure", "none"), values.get("unit", "word")
    if not (source and target) or measure not in get_args(Measure) or unit not in get_args(Unit):
        raise _MalformedError(
            f"not a header that can be read: {line[:160]!r}. Expected "
            f"'{_HEADER}de-en method=align measure=probability unit=word', where measure is one of "
            f"{', '.join(get_args(Measure))} and unit one of {', '.join(get_args(Unit))}."
        )
    try:
        codes = [name if name == UNDETERMINED else find_language(name).code for name in (source, target)]
    except UnknownLanguageError as error:
        raise _MalformedError(f"in the header, {str(error)[:500]}") from error
    return _Header(codes[0], codes[1], method, cast(Measure, measure), cast(Unit, unit))


def _parse_row(line: str, measure: Measure) -> tuple[str, int, Translation]:
    """The word of a line, its count, and its translation."""
    fields = _fields(line)
    if len(fields) not in (2, 3, 5) or not (fields[0] and fields[1]):
        raise _MalformedError(
            "expected source and target, then nothing, a strength, or a strength and two counts, split by tabs; found"
            f" {line[:80]!r}. {_GOOD_LINE}"
        )
    strength = _parse_strength(fields[2], measure) if len(fields) > 2 else 1.0
    for count in fields[3:]:
        if not re.fullmatch("[0-9]{1,18}", count):
            raise _MalformedError(
                f"count {count[:80]!r} is not a whole number of at least 0 and at most 18 digits. {_GOOD_LINE}"
            )
    source_count, target_count = map(int, fields[3:] or (0, 0))
    return fields[0], source_count, Translation(fields[1], strength, target_count)


def _is_passed_over(line: str) -> bool:
    return not line.strip() or (line.startswith("#") and (line.startswith("# ") or "\t" not in line))


def _fields(line: str) -> list[str]:
    fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
    while len(fields) > 2 and not fields[-1]:  # a spreadsheet pads short lines with empty cells
        fields.pop()
    return fields


def _parse_strength(field: str, measure: Measure) -> float:
    try:
        strength = float(field)
    except ValueError:
        strength = math.nan
    if math.isfinite(strength) and (measure != "probability" or 0 <= strength <= 1):
        return strength
    expected = "a probability, from 0 to 1" if measure == "probability" else "a number"
    raise _MalformedError(
        f"strength, the third column, is {field[:80]!r}; expected {expected}. Columns are split at tabs, or at spaces "
        "where a line has none: words that hold spaces need tabs. A line that names the columns begins with '# '. If "
        f"the third column holds something else, keep the other two: cut -f 1,2. {_GOOD_LINE}"
    )


# Edits by hand


def edits_path(path: Path) -> Path:
    """Where the edits of a lexicon's file stand: beside lexicon.de-en.tsv, lexicon.de-en.edits.tsv."""
    return path.with_name(f"{plain(path).stem}.edits.tsv")


def read_edits(path: Path, measure: Measure = "none") -> list[Edit]:
    """The edits by hand of a lexicon's file, in order; none where `edits_path(path)` is not there.

    One a line: word, translation ("*": all that were found), and its strength (1 where it is missing) or "-", which
    says that this is no translation of the word.

    Raises:
        LexiconError: a line is malformed, or its strength is none of `measure` (file and line are named).
    """
    return _parse_edits(lines_of(edits_path(path)) if edits_path(path).exists() else (), path, measure)


def _parse_edits(lines: Iterable[str], path: Path, measure: Measure) -> list[Edit]:
    edits = []
    for number, line in enumerate(lines, start=1):
        try:
            edits += [] if _is_passed_over(line) else [_parse_edit(line, measure)]
        except _MalformedError as error:
            raise LexiconError(f"{edits_path(path)}:{number}: {error}") from error
    return edits


def _parse_edit(line: str, measure: Measure) -> Edit:
    fields = _fields(line)
    alone = fields[1:2] == [EVERY_TRANSLATION] and fields[2:] != [NOT_THIS]
    if len(fields) not in (2, 3) or not (fields[0] and fields[1]) or alone:
        raise _MalformedError(
            f"expected a word, a translation, and its strength or -, split by tabs; found {line[:80]!r}. {_GOOD_EDIT}"
        )
    if fields[2:] == [NOT_THIS]:
        return Edit(fields[0], fields[1], None)
    return Edit(fields[0], fields[1], _parse_strength(fields[2], measure) if len(fields) > 2 else 1.0)


def add_edits(path: Path, edits: Sequence[Edit]) -> None:
    """Add edits by hand to those of a lexicon's file; what stands there stays.

    Raises:
        LexiconError: the lexicon could not be read with these edits, or would be empty; nothing was written.
    """
    file, lexicon = edits_path(path), _read_unedited(path)
    head = [f"# Edits by hand of {path.name}, applied whenever it is read; no build touches them. Later lines hold."]
    lines = list(lines_of(file)) if file.exists() else head
    for edit in edits:
        _check_writable((edit.word, edit.translation), file)
        lines.append(edit.line())
    _edited(lexicon, _parse_edits(lines, path, lexicon.measure), path)
    write_text(file, "".join(f"{line}\n" for line in lines))


def take_over_edits(path: Path) -> Path | None:
    """Give a lexicon in a new folder the latest edits of its namesakes in the folders beside it; where these stand."""
    file = edits_path(path)
    namesakes = path.parent.parent.glob(f"*/{file.name}")
    latest = max(namesakes, key=lambda namesake: namesake.stat().st_mtime_ns, default=None)
    if latest is None or file.exists():
        return None
    with atomic_path(file, replaces=False) as temporary:
        temporary.write_bytes(latest.read_bytes())
    return latest


def hash_with_edits(path: Path) -> str:
    """A short hash of a file and, where it has edits by hand, of these, comments aside."""
    edits = read_edits(path)
    return fingerprint([hash_file(path), [edit.line() for edit in edits]]) if edits else hash_file(path)
