"""Parallel text from anywhere, as pairs in one memory-mapped table."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import pyarrow as pa

from switchtune.corpus.archive import members_of
from switchtune.corpus.cache import cached_table, write_pairs
from switchtune.corpus.columns import CorpusError, Request, TableRows
from switchtune.corpus.control import shown
from switchtune.corpus.embedded import embedded_sentences
from switchtune.corpus.formats import PARALLEL_TEXT, ROWS_PER_BATCH, SUFFIXES, arrow_rows, open_rows
from switchtune.corpus.hub import hub_dataset
from switchtune.corpus.lines import COMPRESSIONS, Member, Origin, existing, file_of, plain, stripped, text_lines
from switchtune.corpus.seen import Seen
from switchtune.errors import UsageError
from switchtune.files import file_and_part, fingerprint, hash_file
from switchtune.languages import Language, find_language, language_guessed

Location: TypeAlias = str | Path | Sequence[str | Path]
"""Where a corpus is: one path, pattern or name, or the two files of a parallel text."""


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood of a corpus, and what was left out of it.

    Attributes:
        format: "parallel text", "hub", "embedded", or the format that the file's ending says: "tsv", "tmx", ….
        columns: the column (or the file) of the source and of the target.
        rows: pairs that were read.
        duplicates: pairs left out because the same pair stood before.
        empty: pairs left out because a side was empty; where every row is kept, `notes` count them.
        folded: kept pairs in which line breaks inside a sentence became spaces.
        notes: what people are to know of how the files were understood.
    """

    format: str
    columns: tuple[str, ...]
    rows: int
    duplicates: int = 0
    empty: int = 0
    folded: int = 0
    notes: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        """Pairs in the table."""
        return self.rows - self.duplicates - self.empty


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Pairs of sentences; none, where a run has none to train on.

    `table` has columns `source` and `target`, without nulls, memory-mapped where it was read from files; `limited`
    leaves `reading` as it is.
    """

    source_language: str
    target_language: str
    origin: str
    table: pa.Table
    reading: Reading

    def __len__(self) -> int:
        return cast(int, self.table.num_rows)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs([index])[0]

    def pairs(self, rows: Sequence[int]) -> list[Pair]:
        """The pairs at some places, in their order; `pairs([row])` is `[corpus[row]]`, many at once are faster."""
        if rows and not -len(self) <= min(rows) <= max(rows) < len(self):
            raise IndexError(f"pairs {min(rows)} to {max(rows)} of {len(self)}")
        sides = ([column[row].as_py() for row in rows] for column in self.table.columns)
        return list(map(Pair, *sides))

    def __iter__(self) -> Iterator[Pair]:
        for batch in self.table.to_batches():
            yield from map(Pair, *(column.to_pylist() for column in batch.columns))

    def sources(self) -> list[str]:
        return cast(list[str], self.table.column("source").to_pylist())

    def targets(self) -> list[str]:
        return cast(list[str], self.table.column("target").to_pylist())

    def limited(self, count: int) -> "Corpus":
        """The first `count` pairs."""
        return replace(self, table=self.table.slice(0, count))

    def reversed(self) -> "Corpus":
        """The same pairs in the other direction."""
        source, target = self.table.columns
        return Corpus(
            self.target_language,
            self.source_language,
            self.origin,
            pa.table({"source": target, "target": source}),
            replace(self.reading, columns=self.reading.columns[::-1]),
        )

    def fingerprint(self) -> str:
        """A short hash of languages and pairs, whatever file or format they came from."""
        return fingerprint([self.source_language, self.target_language, *map(_column_hash, self.table.columns)])


def _column_hash(column: pa.ChunkedArray) -> str:
    lengths, text = hashlib.sha256(), hashlib.sha256()
    for chunk in column.chunks:
        _, offsets_buffer, text_buffer = chunk.buffers()
        offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        lengths.update(np.diff(offsets).tobytes())
        text.update(memoryview(text_buffer)[offsets[0] : offsets[-1]])
    return lengths.hexdigest() + text.hexdigest()


def read_corpus(
    location: Location,
    source_language: str,
    target_language: str,
    *,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    deduplicate: bool = True,
    keep_lines: bool = False,
    cache_dir: Path | None = None,
) -> Corpus:
    """Read a parallel corpus.

    Pairs with an empty side are left out and counted, and so are exact duplicates of an earlier pair, unless every row
    is to stay. White space around a sentence is dropped. Only a line feed (with or without a carriage return before it)
    ends a line.

    Args:
        location: one of "train.{de,en}", ["train.de", "train.en"], "train" (for train.de and train.en), a file
            .tsv .csv .jsonl .parquet .xlsx .tmx .xliff .po .mo .tbx, ".zip" (and "a.zip#stem", "a.xlsx#sheet"),
            "hf:org/name:config:split" (the config may be empty), "embedded:domain:split". Files of text and XML may be
            compressed (.gz .xz .bz2 .zst).
        columns: the source's and the target's column; by default found by the languages' codes and names, or by
            "source" and "target". In a TSV file without header, numbers counted from 1.
        limit: use only the first pairs, counted after the others were left out. The whole corpus is read and checked.
        deduplicate: leave out pairs that stood before or have an empty side; without it every row stays in its place,
            as in a test set, whose outputs are to be as many as the lines of the file.
        keep_lines: leave line breaks inside a text, as dialogues have them; by default they become spaces.
        cache_dir: where the table is kept, by default the environment's `SWITCHTUNE_CACHE`, else `switchtune` in the
            user's cache folder. The same content is read only once.

    Raises CorpusError where a file is no corpus (with file and line), UsageError where the request makes no sense.
    """
    source, target = find_language(source_language), find_language(target_language)
    request = Request(source, target, None if columns is None else tuple(columns))
    if source == target:
        raise UsageError(f"source and target language are both {source.name} ({source.code}); two are expected.")
    if limit is not None and limit < 1:
        raise UsageError(f"limit: {limit}; at least one pair is expected.")
    if columns is not None and len(columns) != 2:
        raise UsageError(f"columns: {list(columns)!r}; two names are expected, of the source and of the target.")
    content = _content(location, request, limit)

    def write(path: Path) -> dict[str, Any]:
        return asdict(_write_clean(path, content, request, deduplicate=deduplicate, keep_lines=keep_lines))

    # The number stands for the rules by which rows become pairs, and for what is noted: it grows when they change.
    name = fingerprint([5, content.format, *content.identity, asdict(request), deduplicate, keep_lines])
    noted, table = cached_table(name, write, cache_dir)
    reading = Reading(**noted | {name: tuple(noted[name]) for name in ("columns", "notes")})
    if not len(table):
        raise CorpusError(
            f"{content.origin}: no pair is left of {reading.rows:,} rows ({reading.empty:,} have an empty side). "
            f"The columns are {' and '.join(reading.columns)}; are they the right ones?"
        )
    corpus = Corpus(source.code, target.code, content.origin, table, reading)
    return corpus if limit is None else corpus.limited(limit)


def open_location(location: str, request: Request) -> TableRows:
    """The rows of a file, or of a data set of the Hub, as they stand."""
    return _content(location, request).open()


def corpus_identity(location: Location, request: Request) -> str:
    """A short hash of a corpus as it lies there, unread."""
    content = _content(location, request)
    return fingerprint([content.format, *content.identity, asdict(request)])


def raw_rows(location: Location, request: Request) -> tuple[str, str, TableRows]:
    """Origin and format of a corpus (see `Corpus` and `Reading`), and its rows as they stand."""
    content = _content(location, request)
    return content.origin, content.format, content.open()


def describe(corpus: Corpus, *, width: int = 100) -> str:
    """What was understood of a corpus, in a few lines for people: format, columns, counts and the first two pairs."""
    reading = corpus.reading
    languages = (find_language(corpus.source_language), find_language(corpus.target_language))
    sides = " → ".join(f"{language.name} ({name})" for language, name in zip(languages, reading.columns, strict=True))
    changes = (
        (reading.duplicates, "duplicates left out"),
        (reading.empty, "with an empty side left out"),
        (reading.folded, "with line breaks inside, made spaces"),
    )
    counts = [f"{reading.rows:,} pairs read", *(f"{count:,} {change}" for count, change in changes if count)]
    whole = len(corpus) == reading.kept
    counts += [f"{reading.kept:,} kept" if whole else f"the first {len(corpus):,} of {reading.kept:,} used"]
    lines = [f"{corpus.origin}: {reading.format}, {sides}", *reading.notes, ", ".join(counts)]
    for number, pair in enumerate(islice(corpus, 2), 1):
        for label, language, text in zip((str(number), ""), languages, map(shown, pair), strict=True):
            lines.append(f"{label:>3}  {language.code}  {text if len(text) <= width else text[: width - 1] + '…'}")
    return "\n".join(lines)


_MOST_HELD = 100_000_000
_PAIRS_IDENTIFIED = 200
_MOST_WORDLESS = 0.9


def read_lines(path: Path) -> list[str]:
    """The lines of one UTF-8 text file, as `text_lines` gives them."""
    return _held(text_lines(path), path)


def _held(lines: Iterable[str], origin: Path | str) -> list[str]:
    held = list(islice(lines, _MOST_HELD + 1))
    if len(held) > _MOST_HELD:
        raise CorpusError(
            f"{origin}: over {_MOST_HELD:,} lines, more than are held in memory. Take some: head -n {_MOST_HELD}."
        )
    return held


def read_monolingual(location: str | Path, language: str, *, limit: int | None = None) -> list[str]:
    """The sentences of a text file (a line each, plain or compressed) or of "embedded:domain:split"; no empty ones."""
    code = find_language(language).code
    lines: Iterable[str]
    if str(location).startswith("embedded:"):
        lines = (sentence for (sentence,) in _embedded(str(location), (code,), limit))
    else:
        lines = text_lines(Path(location))
    sentences = _held(islice(filter(None, map(stripped, lines)), limit), location)
    if not sentences:
        raise CorpusError(f"{location}: no text in it; one sentence per line is expected.")
    return sentences


def _write_clean(path: Path, content: "_Content", request: Request, *, deduplicate: bool, keep_lines: bool) -> Reading:
    """Write the pairs of a corpus, without empty and repeated ones, as a table."""
    rows = content.open()
    counts = dict.fromkeys(("rows", "duplicates", "empty", "folded"), 0)
    wordless, begin, blank = [0, 0], list[tuple[str, str]](), 0
    seen = Seen()

    def kept() -> Iterator[tuple[str, str]]:
        nonlocal blank
        for cells in rows.cells:
            counts["rows"] += 1
            source, target = map(stripped, cells)
            if not (source and target):
                if deduplicate:
                    counts["empty"] += 1
                    continue
                blank += 1
            if "\n" in source or "\r" in source or "\n" in target or "\r" in target:
                counts["folded"] += not keep_lines
                between = "\n" if keep_lines else " "
                source, target = (re.sub(r"\s*[\r\n]\s*", between, text) for text in (source, target))
            if deduplicate and not seen.add(f"{len(source)} {source}{target}"):
                counts["duplicates"] += 1
                continue
            for side, text in enumerate((source, target)):
                wordless[side] += not (text[:1].isalpha() or any(map(str.isalpha, text)))
            if len(begin) < _PAIRS_IDENTIFIED:
                begin.append((source, target))
            yield source, target

    write_pairs(path, kept())
    if blank:
        rows.notes.append(f"pairs with an empty side, kept in place: {blank:,}; a blank source has a blank output")
    reading = Reading(content.format, rows.columns, notes=tuple(rows.notes), **counts)
    if reading.kept and (most := max(wordless)) >= _MOST_WORDLESS * reading.kept:
        side = rows.columns[wordless.index(most)]
        raise CorpusError(
            f"{content.origin}: {most:,} of {reading.kept:,} rows of {side!r} have no letter in them, as where rows "
            "are numbered. Say which columns, or files, hold source and target: columns: [SOURCE, TARGET]."
        )
    if not (request.columns or _says_sides(content, rows.columns, request)):
        from switchtune.corpus.identify import looks_swapped

        sides = (request.source, request.target)
        if looks_swapped(begin, *(side.code for side in sides)):
            first, second = (f"{column!r} for {side.name}" for column, side in zip(rows.columns, sides, strict=True))
            raise CorpusError(
                f"{content.origin}: taking {first} and {second} is the wrong way round. Say which is "
                "which: columns: [SOURCE, TARGET], in TSV and CSV also [2, 1]; for two files, give the other first."
            )
    return reading


@dataclass(frozen=True, slots=True)
class _Content:
    """A corpus not read yet: where it is, its format, what tells it apart from any other, and how to open it."""

    origin: str
    format: str
    identity: tuple[str, ...]
    open: Callable[[], TableRows]


def _content(location: Location, request: Request, limit: int | None = None) -> _Content:
    origin = str(location) if isinstance(location, str | Path) else " + ".join(map(str, location))
    if origin.startswith("hf:"):
        return _hub(origin, request)
    if origin.startswith("embedded:"):
        if request.columns:
            raise UsageError(f"{origin}: columns {list(request.columns)!r} named, but the embedded corpus has none.")
        codes = (request.source.code, request.target.code)
        rows = TableRows(codes, _embedded(origin, codes, limit))
        return _Content(origin, "embedded", (origin, str(limit)), lambda: rows)
    format_name, named = _locate(location, request)
    paths = tuple(path if isinstance(path, Member) else existing(path) for path in named)
    identity = tuple(part for path in paths for part in (path.name, hash_file(existing(file_of(path)))))
    return _Content(origin, format_name, identity, partial(open_rows, format_name, paths, request))


def _says_sides(content: _Content, columns: Sequence[str], request: Request) -> bool:
    """Whether the names of the columns, or of two files or their folders, say which of them has which language."""

    def says(name: str, language: Language) -> bool:
        found = (language_guessed(part, [language]) for part in re.findall(r"[^\W_]+", name))
        return any(each is not None and each.iso3 == language.iso3 for each in found)

    names = (content.origin,) * 2 if content.format == PARALLEL_TEXT else columns
    return all(map(says, names, (request.source, request.target)))


def _locate(location: Location, request: Request) -> tuple[str, tuple[Origin, ...]]:
    """The format and the files of a location."""
    if not isinstance(location, str | Path):
        paths = tuple(map(Path, location))
        if len(paths) != 2:
            raise UsageError(f"{len(paths)} files named; two are expected, of the source and of the target.")
        _require_languages([plain(path).name.removesuffix(".txt").rpartition(".")[2] for path in paths], request)
        return PARALLEL_TEXT, paths
    if braces := re.fullmatch(r"(?s)(.*)\{([^{},]*),([^{},]*)\}(.*)", str(location)):
        before, *endings, after = braces.groups()
        if [language_guessed(ending, request.languages) for ending in endings] == [request.target, request.source]:
            endings.reverse()
        _require_languages(endings, request)
        return PARALLEL_TEXT, tuple(Path(before + ending + after) for ending in endings)
    path = Path(location)
    file, part = file_and_part(str(location))
    if part is not None and file.lower().endswith(".xlsx"):
        return "xlsx", (Member(Path(file), part),)
    if file.lower().endswith(".zip"):
        members = members_of(Path(file), part, request, SUFFIXES)
        return PARALLEL_TEXT if len(members) == 2 else SUFFIXES[Path(members[0].name).suffix.lower()], members
    if format_name := SUFFIXES.get(plain(path).suffix.lower()):
        return format_name, (path,)
    if pair := _by_prefix(path, request):
        return PARALLEL_TEXT, pair
    raise CorpusError(
        f"{existing(path)}: unknown format. Expected a name ending in {', '.join(SUFFIXES)} "
        f"(then perhaps {', '.join(COMPRESSIONS)}), or two text files: "
        f"{path.stem}.{{{request.source.code},{request.target.code}}}."
    )


def _by_prefix(prefix: Path, request: Request) -> tuple[Path, ...]:
    """The two files `prefix.LANGUAGE`, plain or compressed, or nothing."""
    try:
        beside = sorted(prefix.expanduser().parent.iterdir())
    except (OSError, ValueError, RuntimeError):  # `existing` says why
        return ()
    by_code: dict[str, list[Path]] = {request.source.code: [], request.target.code: []}
    for path in beside:
        ending = plain(path).name.removesuffix(".txt").removeprefix(f"{prefix.name}.")
        language = language_guessed(ending, request.languages) if path.name.startswith(f"{prefix.name}.") else None
        if language and language.code in by_code:
            by_code[language.code].append(path)
    for code, paths in by_code.items():
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise CorpusError(f"{prefix}: several files for {code!r} ({names}). Name the two files that you mean.")
    return tuple(chain.from_iterable(by_code.values())) if all(by_code.values()) else ()


def _require_languages(endings: Sequence[str], request: Request) -> None:
    """Have the endings of two files not say other languages than those that are asked for.

    One ending alone may be a language's code by accident (`text.in`, `text.min`), unless it is that of the other side.
    """
    wanted = (request.source, request.target)
    named = [language_guessed(ending, request.languages) for ending in endings]
    swapped = named == [request.target, request.source]
    for ending, language, asked, other in zip(endings, named, wanted, wanted[::-1], strict=True):
        if language is None or (language.iso3 == asked.iso3 and not swapped):
            continue
        if None not in named or language.iso3 == other.iso3:
            raise CorpusError(
                f"{asked.name} ({asked.code}) is asked for, but the ending {ending!r} of the file says "
                f"{language.name}. Name files of the two languages, in their order, or other languages."
            )


def _hub(location: str, request: Request) -> _Content:
    name, config, split = _parts(location, "hf:org/name:config:split", "hf:wmt/wmt16:de-en:train", 3)
    dataset = hub_dataset(location, name, config or None, split)
    batches = partial(dataset.with_format("arrow").iter, batch_size=ROWS_PER_BATCH)
    rows = partial(arrow_rows, dataset.features.arrow_schema, batches, request, location)
    return _Content(location, "hub", (location, dataset._fingerprint), rows)


def _embedded(location: str, codes: Sequence[str], count: int | None) -> list[tuple[str, ...]]:
    domain, split = _parts(location, "embedded:domain:split", "embedded:kitchen:train", 2)
    return embedded_sentences(domain, split, codes, count)


def _parts(location: str, form: str, example: str, count: int) -> list[str]:
    # The last part may hold colons: the Hub's splits may be slices (train[:1000]).
    parts = location.split(":", count)[1:]
    if len(parts) != count or not parts[0] or not parts[-1]:
        raise UsageError(f"{location}: {form} is expected, such as {example}.")
    return parts
