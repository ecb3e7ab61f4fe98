"""What is looked for in a corpus, which of its columns hold it, and the rows that are found."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from switchtune.errors import SwitchtuneError, nearest
from switchtune.languages import Language, language_guessed


class CorpusError(SwitchtuneError):
    """A corpus cannot be read as asked: which file and line, what was found, what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is looked for in a corpus, whatever its format.

    Attributes:
        source, target: the languages.
        columns: the names of the columns, two or more; None where the languages are to tell two.
        usual: names that are taken for the columns where a file has all of one row of them, in place of languages.
        labelled: whether whole numbers stand for text in the last column, as labels do; elsewhere they are refused.
    """

    source: Language
    target: Language
    columns: tuple[str, ...] | None
    usual: tuple[tuple[str, ...], ...] = ()
    labelled: bool = False

    @property
    def languages(self) -> tuple[Language, Language]:
        return self.source, self.target

    def usual_in(self, names: Iterable[str]) -> tuple[str, ...] | None:
        """The usual names that a file has, in its own letter case."""
        own = {name.lower(): name for name in names}
        return next((tuple(map(own.__getitem__, each)) for each in self.usual if own.keys() >= {*each}), None)


@dataclass(frozen=True, slots=True)
class TableRows:
    """An opened corpus.

    Attributes:
        columns: the columns (or the files) that were asked for or found, of the source first.
        cells: those of every row, as they stand in the file, "" where one is missing. To be read once; raises
            CorpusError at the row that makes no sense.
        notes: what people are to know of how the file was understood; whole once all cells are read.
    """

    columns: tuple[str, ...]
    cells: Iterable[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


_ROLES = [
    tuple(names.split())
    for names in (
        "source target,src tgt,src trg,source_text target_text,source_sentence target_sentence,"
        "sourcestring targetstring,document summary,article summary,article highlights,text summary"
    ).split(",")
]


def choose_columns(names: Sequence[str], request: Request, origin: object) -> tuple[str, ...]:
    """The columns that are asked for, or those of source and target, among the columns that exist."""
    short = [name[:80] for name in names]
    columns = request.columns or request.usual_in(names) or (request.usual or (None,))[0]
    if columns is None:
        found = [_column_of(language, names, origin) for language in (request.source, request.target)]
        by_lower = {name.lower(): name for name in names}
        roles = (tuple(by_lower[name] for name in role) for role in _ROLES if by_lower.keys() >= {*role})
        columns = next(roles, None) if None in found else tuple(name for name in found if name)
    if columns is None:
        language = request.source if found[0] is None else request.target
        raise CorpusError(
            f"{origin}: no column for {language.name} ({language.code}). Columns: {_listed(names)}; "
            f"{nearest(language.code, short)} Say which hold source and target: columns: [SOURCE, TARGET], or "
            "by number, [1, 2], where a TSV or CSV file does not name them."
        )
    for column in columns:
        if column not in names:
            raise CorpusError(f"{origin}: no column {column!r}; {nearest(column, short)} Columns: {_listed(names)}.")
        if names.count(column) > 1:
            raise CorpusError(f"{origin}: several columns are named {column!r}. Columns: {_listed(names)}.")
    return columns


def _listed(names: Iterable[str]) -> str:
    return f"{', '.join(map(repr, names)):.500}"


def _column_of(language: Language, names: Sequence[str], origin: object) -> str | None:
    """The column whose name means the language, by its fullest name: "id" and "no" may number the rows."""
    fitting = [name for name in dict.fromkeys(names) if language_of(name, [language]) == language]
    fitting = [name for name in fitting if len(name) > 2] or fitting
    if len(fitting) > 1:
        raise CorpusError(
            f"{origin}: several columns may hold {language.name}: {_listed(fitting)}. "
            "Say which hold source and target: columns: [SOURCE, TARGET]."
        )
    return fitting[0] if fitting else None


_LONGEST_NAME = 80
_ASIDE = frozenset(
    "sentence sentences segment string text texts txt lang language source target src tgt trg translation in".split()
)
"""What names of columns hold besides the language: en_text, source_de, "Sentence (German)"."""


def language_of(column: str, asked: Sequence[Language] = ()) -> Language | None:
    """The language that the name of a column says, if it says one of those asked for or of a model family."""
    is_name = len(column) <= _LONGEST_NAME and not re.search(r"[.?!]\s*$", column)  # "No." is a sentence
    words = re.findall(r"[^\W_]+", column) if is_name else []
    return language_guessed("_".join([word for word in words if word.lower() not in _ASIDE] or words), asked)


def is_header(cells: Sequence[str], asked: Sequence[Language] = ()) -> bool:
    """Whether the first line of a file names its columns: every cell is a usual name, or says a language."""
    roles = set(chain.from_iterable(_ROLES))
    return all(cell.lower() in roles or language_of(cell, asked) for cell in cells)
