"""Lexicons as files: TSV with strengths and counts, and the MUSE format."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, cast, get_args

from switchtune.corpus.columns import CorpusError
from switchtune.corpus.formats import plain, text_lines
from switchtune.corpus.words import lower_case
from switchtune.files import write_text
from switchtune.languages import UnknownLanguageError, find_language, language_named
from switchtune.lexicon.records import (
    UNDETERMINED,
    Entry,
    Lexicon,
    LexiconError,
    Measure,
    Translation,
    Unit,
    strongest_first,
)

_COLUMNS = ("source", "target", "strength", "source_count", "target_count")
_HEADER = "# switchtune lexicon "


def write_lexicon(lexicon: Lexicon, path: Path) -> None:
    """Write `lexicon` as a TSV file that people read and edit, one translation a line.

    Two comment lines, then the columns source, target, strength, source_count, target_count; frequent words first.

    Raises:
        LexiconError: the lexicon is empty, the path's ending is that of a compressed file, or a word cannot stand in
            such a file (it is empty, holds a tab or a line break, or begins or ends in white space).
    """
    if path != plain(path):
        raise LexiconError(f"{path}: lexicons are written plain, to be edited. Give the path without {path.suffix!r}.")
    if not lexicon.entries:
        raise LexiconError(f"{path}: the lexicon has no entries, nothing was written.")
    lines = [
        f"{_HEADER}{lexicon.source_language}-{lexicon.target_language}"
        f" method={lexicon.method} measure={lexicon.measure} unit={lexicon.unit}",
        "# " + "\t".join(_COLUMNS),
    ]
    for entry in sorted(lexicon.entries.values(), key=lambda entry: -entry.count):
        for translation in entry.translations:
            for word in (entry.word, translation.word):
                _check_writable(word, path)
            lines.append(
                f"{entry.word}\t{translation.word}\t{translation.strength!r}\t{entry.count}\t{translation.count}"
            )
    write_text(path, "\n".join(lines) + "\n")


def _check_writable(word: str, path: Path) -> None:
    if word != word.strip() or not word or set("\t\n\r") & set(word) or word.startswith("# "):
        raise LexiconError(f"{path}: the word {word!r} cannot stand in a lexicon file, nothing was written.")


class _Row(NamedTuple):
    source: str
    target: str
    strength: float
    source_count: int
    target_count: int


class _Header(NamedTuple):
    source_language: str
    target_language: str
    method: str
    measure: Measure
    unit: Unit


def read_lexicon(path: Path) -> Lexicon:
    """Read a lexicon file: one that `write_lexicon` wrote, edited or not, or one's own; plain or compressed.

    One's own file needs two columns, source and target, split by a tab (or, without tabs, by spaces: the form of
    MUSE's dictionaries); strength, and both counts, may follow. Lines may stand in any order; translations go by
    strength, then by their place in the file. A line that repeats a translation adds nothing. Empty lines are passed
    over, and so are comments: lines that begin with "# ", or with "#" and hold no tab. Without a header line the
    languages are taken from the file's name (`lexicon.de-en.tsv`), else they are `UNDETERMINED`. Languages may be named
    as `find_language` knows them; the lexicon has their short codes.

    Raises:
        LexiconError: the file is missing, damaged, not UTF-8 or has no entries, or a line is malformed (file and line
            are named).
    """
    header = _Header(*_languages_from_name(path), "file", "none", "word")
    rows = dict[_Row, None]()
    lines = enumerate(lines_of(path), start=1)
    for number, line in lines:
        if line.startswith(_HEADER):
            if rows:
                raise LexiconError(
                    f"{path}:{number}: a second lexicon begins here. One file holds one direction; split it before this"
                    " line."
                )
            header = _parse_header(line, f"{path}:{number}")
        elif not _is_passed_over(line):
            try:
                rows[_parse_row(line, header.measure)] = None
            except _TextForStrengthError as error:
                alike = sum(_has_text_for_strength(other) for _, other in lines)
                advice = _about_third_column(line, alike, first=not rows)
                raise LexiconError(f"{path}:{number}: {error} {advice} {_GOOD_LINE}") from error
            except _MalformedError as error:
                raise LexiconError(f"{path}:{number}: {error} {_GOOD_LINE}") from error
    if not rows:
        raise LexiconError(f"{path}: no entries found. Expected one translation a line. {_GOOD_LINE}")
    return Lexicon(*header, _entries_of(rows, header.source_language))


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file that goes with lexicons, plain or compressed, without their ends.

    Raises:
        LexiconError: as `text_lines`.
    """
    try:
        yield from text_lines(path)
    except CorpusError as error:
        raise LexiconError(str(error)) from error


def _entries_of(rows: Iterable[_Row], language: str) -> dict[str, Entry]:
    keys = {word: lower_case(word, language) for word in dict.fromkeys(row.source for row in rows)}
    words: dict[str, str] = {}
    counts: dict[str, int] = {}
    found: dict[str, dict[str, Translation]] = {}
    for source, target, strength, source_count, target_count in rows:
        key = keys[source]
        if key not in words:
            words[key], counts[key], found[key] = source, source_count, {}
        counts[key] = max(counts[key], source_count)
        known = found[key].get(target)
        if known is None or known.strength < strength:
            found[key][target] = Translation(target, strength, target_count)
    return {key: Entry(word, counts[key], strongest_first(found[key].values())) for key, word in words.items()}


def _languages_from_name(path: Path) -> tuple[str, str]:
    match = re.search(r"(?:^|[._])([a-z]{2,3}(?:_[A-Z][a-z]{3})?)-([a-z]{2,3}(?:_[A-Z][a-z]{3})?)(?=[._]|$)", path.name)
    languages = [language_named(name) for name in match.groups()] if match else []
    source, target = languages or (None, None)
    return (source.code, target.code) if source and target else (UNDETERMINED, UNDETERMINED)


def _parse_header(line: str, where: str) -> _Header:
    languages, *assignments = line.removeprefix(_HEADER).split() or [""]
    source, _, target = languages.partition("-")
    values = dict(assignment.partition("=")[::2] for assignment in assignments)
    method, measure, unit = values.get("method", "file"), values.get("measure", "none"), values.get("unit", "word")
    if not (source and target) or measure not in get_args(Measure) or unit not in get_args(Unit):
        raise LexiconError(
            f"{where}: not a header that can be read: {line[:160]!r}. Expected "
            f"'{_HEADER}de-en method=align measure=probability unit=word', where measure is one of "
            f"{', '.join(get_args(Measure))} and unit one of {', '.join(get_args(Unit))}."
        )
    try:
        codes = [name if name == UNDETERMINED else find_language(name).code for name in (source, target)]
    except UnknownLanguageError as error:
        raise LexiconError(f"{where}: in the header, {str(error)[:500]}") from error
    return _Header(codes[0], codes[1], method, cast(Measure, measure), cast(Unit, unit))


class _MalformedError(Exception):
    """A line is no row of a lexicon; the message says what is wrong with it."""


class _TextForStrengthError(_MalformedError):
    """The third column holds text where a strength is expected."""


_GOOD_LINE = "A good line: Hund<TAB>dog, or Hund<TAB>dog<TAB>0.75, or Hund<TAB>dog<TAB>0.75<TAB>12<TAB>15."


def _parse_row(line: str, measure: Measure) -> _Row:
    fields = _fields(line)
    if len(fields) not in (2, 3, 5) or not (fields[0] and fields[1]):
        raise _MalformedError(
            "expected source and target, then nothing, a strength, or a strength and two counts, split by tabs; found"
            f" {line[:80]!r}."
        )
    if len(fields) == 2:
        return _Row(fields[0], fields[1], 1.0, 0, 0)
    strength = _parse_strength(fields[2], measure)
    if len(fields) == 3:
        return _Row(fields[0], fields[1], strength, 0, 0)
    return _Row(fields[0], fields[1], strength, _parse_count(fields[3]), _parse_count(fields[4]))


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
    except ValueError as error:
        raise _TextForStrengthError(_about_strength(field, measure)) from error
    if not math.isfinite(strength) or (measure == "probability" and not 0 <= strength <= 1):
        raise _MalformedError(_about_strength(field, measure))
    return strength


def _about_strength(field: str, measure: Measure) -> str:
    expected = "a probability, from 0 to 1" if measure == "probability" else "a number"
    return f"strength, the third column, is {field[:80]!r}; expected {expected}."


def _has_text_for_strength(line: str) -> bool:
    try:
        _parse_row(line, "none")
    except _TextForStrengthError:
        return not _is_passed_over(line)
    except _MalformedError:
        pass
    return False


def _about_third_column(line: str, alike: int, *, first: bool) -> str:
    """What to do about text in the place of strengths: in this line, perhaps the first, and in so many later ones."""
    where = f"Later lines with text there: {alike:,}. " if alike else ""
    if "\t" not in line:
        return where + "Columns are split at spaces where there are no tabs: words that hold spaces need tabs."
    if alike:
        return where + "If the third column holds something else, keep the other two: cut -f 1,2."
    return "If these are the names of the columns, begin the line with '# '." if first else "Mend or remove the line."


def _parse_count(field: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", field):
        raise _MalformedError(f"count {field[:80]!r} is not a whole number of at least 0 and at most 18 digits.")
    return int(field)
