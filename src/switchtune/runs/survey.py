"""What data there is in a folder: parallel corpora and monolingual text, by the names of files and columns, and by how
the text looks."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Literal, TypeAlias

from pyarrow import ArrowException, parquet

from switchtune.corpus.columns import language_of
from switchtune.corpus.formats import SUFFIXES
from switchtune.corpus.identify import language_of_texts
from switchtune.corpus.lines import plain, text_lines
from switchtune.corpus.units import tag_language
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import why_unreadable
from switchtune.languages import find_language, language_guessed

Role: TypeAlias = Literal["train", "valid", "test"]

_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "eval", "devtest"), "test"),
}
_SIDES = {"src": 0, "source": 0, "tgt": 1, "trg": 1, "target": 1}
MOST_TOLD = 10
"""Files that are told of where none is a corpus."""
_LINES = 200
"""Lines of a file that are looked at."""


@dataclass(frozen=True)
class FoundCorpus:
    """A parallel corpus of a folder, as a configuration names it."""

    location: str
    languages: tuple[str, str]
    """Their codes, in the order in which they stand in files."""
    role: Role | None
    """What its name says it is for."""
    bytes: int


@dataclass(frozen=True)
class Survey:
    """What there is."""

    corpora: tuple[FoundCorpus, ...]
    monolingual: tuple[tuple[str, str], ...]
    """(code of the language, file)."""
    left_out: tuple[str, ...]
    """Files of which nothing is made, and why, a line each."""


def survey(location: str | Path, asked: tuple[str, str] | None = None) -> Survey:
    """What data there is in a folder, or of a file and those that go with it; raises UsageError where there is none.

    Args:
        location: a folder or a file; or a corpus as a configuration names it (train.{de,en}, hf:…), with `asked`.
        asked: the languages, where names and text do not tell them, or there are more.
    """
    data = Path(location)
    if re.match("hf:|embedded:", str(location)) or "{" in str(location):
        if asked is None:
            raise UsageError(f"{location}: in which languages is it? Give them, as in --langs de-en.")
        return Survey((FoundCorpus(str(location), asked, "train", 0),), (), ())
    if problem := None if data.is_dir() else why_unreadable(data):
        raise UsageError(f"{data}: {problem}")
    corpora, monolingual, left_out = list[FoundCorpus](), list[tuple[str, str]](), list[str]()
    texts: dict[tuple[Path, str, str], dict[str, Path]] = defaultdict(dict)
    for path in _files(data):
        if _is_table(path):
            languages = asked or _in_name(path) or _of_table(path)
            if languages:
                corpora.append(FoundCorpus(str(path), languages, _role(path.name), path.stat().st_size))
            else:
                left_out.append(
                    f"{path}: neither its name nor its columns tell its languages: name them, as in --langs de-en"
                )
        elif found := _text_side(path.name, asked):
            before, side, after = found
            texts[path.parent, before, after][side] = path
        elif path.suffix.lower() not in (".yaml", ".yml"):
            left_out.append(f"{path}: no corpus by its name, which ends as train.de, train.tsv and the like")
    for (folder, before, after), sides in texts.items():
        both = None if "mono" in before.lower() else _both(sides, asked)
        if both is not None:
            names = [sides[side].name.removeprefix(before).removesuffix(after) for side in both]
            location = str(folder / f"{before}{{{','.join(names)}}}{after}")
            size = sum(sides[side].stat().st_size for side in both)
            languages = _languages([sides[side] for side in both], both, asked)
            corpora.append(FoundCorpus(location, languages, _role(before), size))
        elif "mono" in before.lower() or (len(sides) == 1 and not sides.keys() & _SIDES.keys()):
            monolingual += [(code, str(path)) for code, path in sides.items()]
        else:
            remedy = "" if asked else ": --langs de-en says which two"
            left_out.append(f"{folder / before}…: files of {', '.join(sorted(sides))}{remedy}")
    if not corpora:
        expected = (
            f"{data}: no parallel corpus is found. Expected: two text files whose names end in their languages "
            "(train.de and train.en), or a file with a column of each (TSV, CSV, JSONL, Parquet, TMX, …)."
        )
        raise UsageError("\n".join([expected, *left_out[:MOST_TOLD]]))
    return Survey(tuple(corpora), tuple(monolingual), tuple(left_out))


def _files(data: Path) -> list[Path]:
    if data.is_dir():
        found = [path for depth in ("*", "*/*") for path in sorted(data.glob(depth))]
        return [path for path in found if path.is_file() and not any(part.startswith(".") for part in path.parts[-2:])]
    whole = None if _is_table(data) else _text_side(data.name, None)
    return (
        [data] if whole is None else [path for path in sorted(data.parent.iterdir()) if path.name.startswith(whole[0])]
    )


def _is_table(path: Path) -> bool:
    return plain(path).suffix.lower() in (*SUFFIXES, ".zip")


def _role(name: str) -> Role | None:
    return next((_ROLES[word] for word in re.findall("[a-z]+", name.lower()) if word in _ROLES), None)


def _text_side(name: str, asked: Sequence[str] | None) -> tuple[str, str, str] | None:
    """What stands in a text file's name before its language or side, the code of that, and what stands behind."""
    base = plain(Path(name)).name.removesuffix(".txt")
    for place in (base.rfind("."), max(map(base.rfind, "._-"))):
        ending = base[place + 1 :]
        language = language_guessed(ending, [find_language(code) for code in asked or ()])
        side = language.code if language else ending.lower()
        if language or side in _SIDES:
            return base[: place + 1], side, name[len(base) :]
    return None


def _both(sides: Mapping[str, Path], asked: tuple[str, str] | None) -> tuple[str, str] | None:
    if asked and sides.keys() >= {*asked}:
        return asked
    if len(sides) != 2 or (asked and not sides.keys() <= _SIDES.keys()):
        return None
    first, second = sorted(sides, key=lambda side: (_SIDES.get(side, side == "en"), side))
    return first, second


def _languages(paths: Sequence[Path], both: tuple[str, str], asked: tuple[str, str] | None) -> tuple[str, str]:
    """The languages of two text files whose names tell them, or are told by `asked`, or by the text."""
    if not {*both} <= _SIDES.keys():
        return both
    found = asked or _identified([list(islice(text_lines(path), _LINES)) for path in paths])
    if found is None:
        raise UsageError(f"{paths[0]}, {paths[1]}: in which languages are they? Give them, as in --langs de-en.")
    return found


def _in_name(path: Path) -> tuple[str, str] | None:
    """The two languages that stand in a file's name, as in corpus.de-en.tsv."""
    for word in re.split(r"[.\s]", path.name):
        parts = re.split("[-_]", word)
        named = [language_guessed(part) for part in parts[-2:]] if len(parts) > 1 else []
        if len(named) == 2 and None not in named and named[0] != named[1]:
            first, second = (language.code for language in named if language)
            return first, second
    return None


def _of_table(path: Path) -> tuple[str, str] | None:
    """The languages of the columns of a file, by their names or by what is in them."""
    reader = _READERS.get(SUFFIXES.get(plain(path).suffix.lower(), ""), _tags)
    try:
        columns = reader(path)
    except (SwitchtuneError, OSError, ValueError, ArrowException):  # whoever reads it says what is wrong
        return None
    named = dict.fromkeys(language.code for name in columns if (language := language_of(name)))
    if len(named) == 2:
        first, second = named
        return first, second
    texts = [texts for texts in columns.values() if any(re.search(r"[^\W\d_]{2}", text) for text in texts)]
    return _identified(texts) if len(texts) == 2 else None


def _identified(texts: Sequence[Sequence[str]]) -> tuple[str, str] | None:
    found = [language_of_texts(each) for each in texts]
    codes = [language.code for language in found if language]
    return (codes[0], codes[1]) if len({*codes}) == 2 else None


def _delimited(path: Path) -> dict[str, list[str]]:
    lines = list(islice(text_lines(path), _LINES))
    delimiters = "\t" if plain(path).suffix.lower() == ".tsv" else ",;\t"
    tables = [list(filter(None, csv.reader(lines, delimiter=each))) for each in delimiters]
    rows = max(tables, key=lambda rows: len({len(row) for row in rows}) == 1 and len(rows[0]))
    return {column[0]: list(column[1:]) for column in zip_longest(*rows, fillvalue="")}


def _objects(path: Path) -> dict[str, list[str]]:
    rows = [json.loads(line) for line in islice(text_lines(path), _LINES) if line.strip()]
    rows = [row.get("translation", row) for row in rows]
    return {name: [str(row.get(name, "")) for row in rows] for name in rows[0]}


def _parquet(path: Path) -> dict[str, list[str]]:
    batch = next(parquet.ParquetFile(path).iter_batches(_LINES))
    rows = [row.get("translation", row) for row in batch.to_pylist()]
    return {name: [str(row[name]) for row in rows] for name in rows[0]}


def _tags(path: Path) -> dict[str, list[str]]:
    """The languages that the beginning of an XML or PO file speaks of."""
    text = "\n".join(islice(text_lines(path), _LINES))
    names = r'(?:xml:lang|(?<![\w:])lang|source-language|target-language|srcLang|trgLang)="([^"]+)"'
    tags = dict.fromkeys(re.findall(names, text))
    languages = dict.fromkeys(language.code for tag in tags if (language := tag_language(tag)))
    return {code: [] for code in languages}


_READERS: Mapping[str, Callable[[Path], Mapping[str, Sequence[str]]]] = {
    "tsv": _delimited,
    "csv": _delimited,
    "jsonl": _objects,
    "parquet": _parquet,
}


def pairs_of(
    found: Survey, asked: tuple[str, str] | None = None
) -> Iterator[tuple[tuple[str, str], dict[Role, FoundCorpus], list[FoundCorpus]]]:
    """For each two languages: source and target, which corpus is for what, and those that have no place.

    The direction is the one that is asked for; else English is the target where it takes part, or it is that of the
    files.
    """
    groups: dict[frozenset[str], list[FoundCorpus]] = defaultdict(list)
    for corpus in found.corpora:
        groups[frozenset(corpus.languages)].append(corpus)
    for corpora in groups.values():
        source, target = asked or corpora[0].languages
        taken: dict[Role, FoundCorpus] = {}
        rest = list[FoundCorpus]()
        by_size = sorted(corpora, key=lambda corpus: (corpus.role is None, -corpus.bytes))
        for corpus in by_size:
            role = corpus.role or "train"
            if role in taken:
                rest.append(corpus)
            else:
                taken[role] = corpus
        if "train" not in taken:
            named = ", ".join(f"{each.location} ({each.role})" for each in corpora)
            raise UsageError(f"{named}: which is to be trained on? Give its file alone, or name it train.")
        yield ((target, source) if source == "en" and not asked else (source, target)), taken, rest
