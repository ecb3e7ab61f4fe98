"""The bilingual lexicon (paper 4.1): what it is, how it stands in a file, and its random control."""

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import FiniteFloat, NonNegativeInt

from switchtune.corpus.formats import CorpusError, plain, text_lines
from switchtune.corpus.words import Segmenter, Words, lower_case
from switchtune.errors import SwitchtuneError
from switchtune.files import write_text
from switchtune.languages import UnknownLanguageError, find_language, language_named

Measure: TypeAlias = Literal["probability", "similarity", "none"]
Unit: TypeAlias = Literal["word", "piece"]
Sentences: TypeAlias = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class BuildStep:
    """A step of the building of a lexicon is done: for progress bars."""

    what: str
    number: int
    """Of steps done, from 1."""
    total: int
    """0: not known."""
    objective: str = ""
    """What is made larger, with its value."""


OnStep: TypeAlias = Callable[[BuildStep], None]


UNDETERMINED = "und"
"""ISO 639-2 code of a language that neither the file nor its name tells."""

_COLUMNS = ("source", "target", "strength", "source_count", "target_count")
_HEADER = "# switchtune lexicon "


class LexiconError(SwitchtuneError):
    """A lexicon, or the text that one is to be made from, is not what it should be."""


@dataclass(frozen=True, slots=True)
class Translation:
    """One translation of a word.

    `strength` is what the lexicon's `measure` says (larger is closer; 1.0 where the measure is "none"),
    `count` how often the translation occurs in the text that the lexicon was made from (0: unknown).
    """

    word: str
    strength: FiniteFloat
    count: NonNegativeInt


@dataclass(frozen=True, slots=True)
class Entry:
    """A word in its usual casing, its count (0: unknown), and its translations, strongest first."""

    word: str
    count: int
    translations: tuple[Translation, ...]


@dataclass(frozen=True)
class Lexicon:
    """Translations of the words of one language into another; `entries` is keyed by the word in lower case."""

    source_language: str
    target_language: str
    method: str
    measure: Measure
    unit: Unit
    entries: Mapping[str, Entry]

    def find(self, word: str) -> Entry | None:
        """The entry of `word` in any casing, or None."""
        return self.entries.get(lower_case(word, self.source_language))

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a text without regard to case, most frequent first (ties: by the lower-case form).

    `words` are in their usual casing, `counts` how often each occurs, `index` the place of each lower-case form.
    """

    words: tuple[str, ...]
    counts: NDArray[np.int64]  # [words]
    index: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class Encoded:
    """A text in numbers: its vocabulary, and its words as places in the vocabulary, one sentence after the other."""

    vocabulary: Vocabulary
    words: NDArray[np.int32]  # [tokens]
    starts: NDArray[np.int64]  # [sentences + 1], where each sentence begins, and the end

    def __len__(self) -> int:
        return len(self.starts) - 1


class _Places(dict[str, int]):
    """Gives each new key the next number."""

    def __missing__(self, key: str) -> int:
        self[key] = place = len(self)
        return place


def encode(sentences: Iterable[Sequence[str]], language: str) -> Encoded:
    """Number the words of segmented sentences in one pass, holding no more than their numbers and distinct forms."""
    places = _Places()
    forms, lengths = array("i"), array("i")
    for sentence in sentences:
        forms.extend([places[word] for word in sentence])
        lengths.append(len(sentence))
    form_of_token = np.frombuffer(forms, dtype=np.int32) if forms else np.zeros(0, np.int32)
    starts = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    count = np.bincount(form_of_token, minlength=len(places))
    first = np.bincount(form_of_token[starts[:-1][np.diff(starts) > 0]], minlength=len(places))
    keys = [lower_case(form, language) for form in places]
    counts: Counter[str] = Counter()
    for key, number in zip(keys, count.tolist(), strict=True):
        counts[key] += number
    casing = _usual_casing(list(places), keys, (count - first).tolist(), first.tolist())
    ranked = sorted(counts, key=lambda key: (-counts[key], key))
    index = {key: place for place, key in enumerate(ranked)}
    word_of_form = np.array([index[key] for key in keys], dtype=np.int32)
    vocabulary = Vocabulary(
        words=tuple(casing[key] for key in ranked),
        counts=np.array([counts[key] for key in ranked], dtype=np.int64),
        index=index,
    )
    return Encoded(vocabulary, word_of_form[form_of_token], starts)


def _usual_casing(
    forms: Sequence[str], keys: Sequence[str], inside: Sequence[int], first: Sequence[int]
) -> dict[str, str]:
    """The usual casing of each word, by its lower-case form, from how often each form stands inside and at the start.

    It is the most frequent form away from the first position of the sentence, where casing tells about the word and
    not about the sentence; for words that stand only there, their most frequent form. Ties go to the form with more
    lower case.
    """
    best: dict[str, tuple[bool, int, str]] = {}
    for form, key, within, at_start in zip(forms, keys, inside, first, strict=True):
        rank = (within > 0, within or at_start, form)
        if key not in best or best[key] < rank:
            best[key] = rank
    return {key: form for key, (_, _, form) in best.items()}


def decoded(text: Encoded) -> list[list[str]]:
    """The sentences of a text, each word in its usual casing."""
    words = text.vocabulary.words
    bounds = text.starts.tolist()
    return [[words[place] for place in text.words[begin:end].tolist()] for begin, end in pairwise(bounds)]


def selected(text: Encoded, kept: NDArray[np.bool_]) -> Encoded:
    """The sentences of a text for which `kept` is true, and the vocabulary that they have. kept: [sentences]"""
    if kept.all():
        return text
    lengths = np.diff(text.starts)
    words = text.words[np.repeat(kept, lengths)]
    counts = np.bincount(words, minlength=len(text.vocabulary))
    keys = list(text.vocabulary.index)
    seen = np.flatnonzero(counts).tolist()
    order = np.array(sorted(seen, key=lambda place: (-int(counts[place]), keys[place])), dtype=np.int64)
    renumbered = np.full(len(text.vocabulary), -1, dtype=np.int32)
    renumbered[order] = np.arange(len(order))
    vocabulary = Vocabulary(
        words=tuple(text.vocabulary.words[place] for place in order.tolist()),
        counts=counts[order],
        index={keys[place]: number for number, place in enumerate(order.tolist())},
    )
    return Encoded(vocabulary, renumbered[words], np.concatenate(([0], np.cumsum(lengths[kept]))))


@dataclass(frozen=True)
class Side:
    """One side of the text that a lexicon is made from."""

    language: str
    lines: Sequence[str]
    segmenter: Segmenter
    text: Encoded
    """The words of the lines, as the segmenter divides them."""

    def words(self, place: int) -> Words:
        """The sentence of this place, cut anew: only its words' numbers are held."""
        return self.segmenter.split(self.lines[place])

    def selected(self, kept: NDArray[np.bool_]) -> "Side":
        """The sentences for which `kept` is true. kept: [sentences]"""
        lines = [self.lines[place] for place in np.flatnonzero(kept).tolist()]
        return replace(self, lines=lines, text=selected(self.text, kept))


def count_words(sentences: Iterable[Sequence[str]], language: str) -> Vocabulary:
    """The vocabulary of segmented sentences in a language."""
    return encode(sentences, language).vocabulary


def make_lexicon(
    languages: tuple[str, str],
    vocabularies: tuple[Vocabulary, Vocabulary],
    links: tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating]],
    *,
    method: str,
    measure: Measure,
    unit: Unit = "word",
) -> Lexicon:
    """A lexicon from links between two vocabularies: places in the source's, places in the target's, strengths.

    Strengths are rounded to six decimals, so that the file reads well and says exactly what the record holds.
    """
    source_vocabulary, target_vocabulary = vocabularies
    found: dict[int, list[Translation]] = {}
    for source, target, strength in zip(*(column.tolist() for column in links), strict=True):
        word, count = target_vocabulary.words[target], int(target_vocabulary.counts[target])
        found.setdefault(source, []).append(Translation(word, round(strength, 6), count))
    entries = {}
    for source in sorted(found):
        word, count = source_vocabulary.words[source], int(source_vocabulary.counts[source])
        entries[lower_case(word, languages[0])] = Entry(word, count, strongest_first(found[source]))
    return Lexicon(*languages, method, measure, unit, entries)


def randomised(lexicon: Lexicon, *, seed: int) -> Lexicon:
    """The `random` control: the same words with as many translations, drawn from the lexicon's target vocabulary.

    Targets are drawn uniformly and without repetition within an entry, never among the word's own translations unless
    the vocabulary holds too few others. The result depends on the lexicon and the seed alone.
    """
    rng = np.random.default_rng(seed)
    count_of = {
        translation.word: translation.count for entry in lexicon.entries.values() for translation in entry.translations
    }
    vocabulary = sorted(count_of)
    entries = {}
    for key in sorted(lexicon.entries):
        entry = lexicon.entries[key]
        real = {translation.word for translation in entry.translations}
        size = min(len(vocabulary), 2 * len(real))
        drawn = [vocabulary[place] for place in rng.choice(len(vocabulary), size=size, replace=False)]
        others = [word for word in drawn if word not in real] + [word for word in drawn if word in real]
        chosen = others[: len(real)]
        entries[key] = Entry(entry.word, entry.count, tuple(Translation(word, 1.0, count_of[word]) for word in chosen))
    return Lexicon(
        lexicon.source_language, lexicon.target_language, f"random({lexicon.method})", "none", lexicon.unit, entries
    )


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


def strongest_first(translations: Iterable[Translation]) -> tuple[Translation, ...]:
    """Translations by strength; where that is equal, in the order given."""
    return tuple(sorted(translations, key=lambda translation: -translation.strength))


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
