"""Parallel text from anywhere, as pairs in one memory-mapped table."""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from switchtune.corpus.formats import (
    COMPRESSIONS,
    PARALLEL_TEXT,
    SUFFIXES,
    CorpusError,
    Request,
    Rows,
    arrow_rows,
    existing,
    open_rows,
    plain,
    text_lines,
)
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import atomic_path, fingerprint, hash_file, read_json, write_json
from switchtune.languages import find_language, language_named

_LOGGER = logging.getLogger(__name__)

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
        format: "parallel text", "tsv", "csv", "jsonl", "parquet", "hub" or "embedded".
        columns: the column (or the file) of the source and of the target.
        rows: pairs that were read.
        duplicates: pairs left out because the same pair stood before.
        empty: pairs left out because a side was empty.
        folded: kept pairs in which line breaks inside a sentence became spaces.
        kept: pairs in the table.
    """

    format: str
    columns: tuple[str, str]
    rows: int
    duplicates: int
    empty: int
    folded: int
    kept: int


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Pairs of sentences, at least one.

    Attributes:
        source_language, target_language: short codes.
        origin: where it was read from, for people.
        table: columns `source` and `target`, strings without nulls; memory-mapped where it was read from files.
        reading: what was understood of the files; `limited` leaves it as it is.
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
        """All source sentences."""
        return cast(list[str], self.table.column("source").to_pylist())

    def targets(self) -> list[str]:
        """All target sentences."""
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

    Pairs with an empty side are left out and counted, and so are exact duplicates of an earlier pair. White space
    around a sentence is dropped. Only a line feed (with or without a carriage return before it) ends a line.

    Args:
        location: one of "train.{de,en}", ["train.de", "train.en"], "train" (for train.de and train.en), a file
            .tsv .csv .jsonl .parquet, "hf:org/name:config:split" (the config may be empty), "embedded:domain:split".
            Every file may be compressed (.gz .xz .bz2 .zst).
        source_language, target_language: any name that `find_language` knows.
        columns: the source's and the target's column; by default found by the languages' codes and names, or by
            "source" and "target". In a TSV file without header, numbers counted from 1.
        limit: use only the first pairs, counted after the others were left out. The whole corpus is read and checked.
        deduplicate: leave out duplicates.
        keep_lines: leave line breaks inside a text, as dialogues have them; by default they become spaces.
        cache_dir: where the table is kept, by default the environment's `SWITCHTUNE_CACHE`, else `switchtune` in the
            user's cache folder. The same content is read only once.

    Raises:
        CorpusError: a file is missing, empty, damaged or not UTF-8, line counts differ, a column is missing, or no pair
            is left; with file and line.
        UsageError: the location or the pair of languages makes no sense.
        UnknownLanguageError: a language is unknown.
    """
    source, target = find_language(source_language), find_language(target_language)
    if source == target:
        raise UsageError(
            f"source and target language are both {source.name} ({source.code}); two languages are expected."
        )
    if limit is not None and limit < 1:
        raise UsageError(f"limit: {limit}; at least one pair is expected.")
    if columns is not None and len(columns) != 2:
        raise UsageError(f"columns: {list(columns)!r}; two names are expected, of the source and of the target.")
    request = Request(source, target, None if columns is None else (columns[0], columns[1]))
    origin = location if isinstance(location, str) else " + ".join(map(str, _paths(location)))
    if origin.startswith("embedded:"):
        # Not cached: it is small, and read in no time.
        rows, filtered = _embedded(origin, request, limit), _Filter(deduplicate, keep_lines)
        table = pa.Table.from_batches(_batches(filtered.kept(rows.pairs)), schema=_SCHEMA)
        reading = _reading("embedded", rows, filtered)
    else:
        content = _hub(origin, request) if origin.startswith("hf:") else _files(location, request)
        reading, table = _cached(content, request, cache_dir, deduplicate=deduplicate, keep_lines=keep_lines)
    if not len(table):
        raise CorpusError(
            f"{origin}: no pair is left of {reading.rows:,} rows ({reading.empty:,} have an empty side). "
            f"The columns are {' and '.join(reading.columns)}; are they the right ones?"
        )
    corpus = Corpus(source.code, target.code, origin, table, reading)
    return corpus if limit is None else corpus.limited(limit)


def open_location(location: str, request: Request) -> Rows:
    """The rows of a file, or of a data set of the Hub, as they stand.

    Raises:
        CorpusError: as `read_corpus`.
    """
    content = _hub(location, request) if location.startswith("hf:") else _files(location, request)
    return content.open()


def describe(corpus: Corpus, *, width: int = 100) -> str:
    """What was understood of a corpus, in a few lines for people: format, columns, counts and the first two pairs."""
    reading = corpus.reading
    languages = (find_language(corpus.source_language), find_language(corpus.target_language))
    sides = " → ".join(f"{language.name} ({name})" for language, name in zip(languages, reading.columns, strict=True))
    counts = [f"{reading.rows:,} pairs read"]
    counts += [f"{reading.duplicates:,} duplicates left out"] if reading.duplicates else []
    counts += [f"{reading.empty:,} with an empty side left out"] if reading.empty else []
    counts += [f"{reading.folded:,} with line breaks inside, made spaces"] if reading.folded else []
    counts += [
        f"the first {len(corpus):,} of {reading.kept:,} used"
        if len(corpus) < reading.kept
        else f"{reading.kept:,} kept"
    ]
    lines = [f"{corpus.origin}: {reading.format}, {sides}", ", ".join(counts)]
    for number, pair in enumerate(islice(corpus, 2), 1):
        for label, language, text in zip((str(number), ""), languages, pair, strict=True):
            lines.append(f"{label:>3}  {language.code}  {text if len(text) <= width else text[: width - 1] + '…'}")
    return "\n".join(lines)


def read_lines(path: Path) -> list[str]:
    """The lines of one UTF-8 text file, plain or compressed, without their ends; a byte order mark is dropped.

    Raises:
        CorpusError: as `text_lines`, or the file has more lines than are held at once.
    """
    return _held(text_lines(path), path)


_MOST_HELD = 100_000_000


def _held(lines: Iterable[str], origin: Path | str) -> list[str]:
    held = list(islice(lines, _MOST_HELD + 1))
    if len(held) > _MOST_HELD:
        raise CorpusError(
            f"{origin}: over {_MOST_HELD:,} lines, more than are held in memory. Take some: head -n {_MOST_HELD}."
        )
    return held


def read_monolingual(location: str | Path, language: str, *, limit: int | None = None) -> list[str]:
    """The sentences of a text file (a line each, plain or compressed) or of "embedded:domain:split"; no empty ones.

    Raises:
        CorpusError: as `read_lines`, or the file holds no text.
        UnknownLanguageError: the language is unknown.
    """
    code = find_language(language).code
    if str(location).startswith("embedded:"):
        lines: Iterable[str] = (row[0] for row in _embedded_rows(str(location), (code,), limit))
    else:
        lines = text_lines(Path(location))
    sentences = _held(islice(filter(None, map(str.strip, lines)), limit), location)
    if not sentences:
        raise CorpusError(f"{location}: no text in it; one sentence a line is expected.")
    return sentences


# From rows to the table


@dataclass(slots=True)
class _Filter:
    """Leaves out empty and repeated pairs, and counts them."""

    deduplicate: bool
    keep_lines: bool
    rows: int = 0
    duplicates: int = 0
    empty: int = 0
    folded: int = 0

    def kept(self, pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        # Digests, not the pairs themselves: millions of pairs would not fit beside each other.
        seen = set[bytes]()
        for row in pairs:
            self.rows += 1
            source, target = pair = (row[0].strip(), row[1].strip())
            if not (source and target):
                self.empty += 1
                continue
            if "\n" in source or "\r" in source or "\n" in target or "\r" in target:
                self.folded += not self.keep_lines
                between = "\n" if self.keep_lines else " "
                source, target = pair = (_fold(source, between), _fold(target, between))
            if self.deduplicate:
                digest = hashlib.blake2b(f"{len(source)} {source}{target}".encode(), digest_size=16).digest()
                if digest in seen:
                    self.duplicates += 1
                    continue
                seen.add(digest)
            yield pair


def _fold(text: str, between: str) -> str:
    return re.sub(r"\s*[\r\n]\s*", between, text)


_SCHEMA = pa.schema([("source", pa.string()), ("target", pa.string())])
_ROWS_PER_BATCH, _CHARACTERS_PER_BATCH = 1 << 15, 1 << 26


def _batches(pairs: Iterable[tuple[str, str]]) -> Iterator[pa.RecordBatch]:
    block: list[tuple[str, str]] = []
    room = _CHARACTERS_PER_BATCH
    for pair in chain(pairs, [None]):
        if block and (pair is None or len(block) == _ROWS_PER_BATCH or room < 0):
            yield pa.record_batch([pa.array(side, pa.string()) for side in zip(*block, strict=True)], schema=_SCHEMA)
            block, room = [], _CHARACTERS_PER_BATCH
        if pair is not None:
            block.append(pair)
            room -= len(pair[0]) + len(pair[1])


def _reading(format_name: str, rows: Rows, filtered: _Filter) -> Reading:
    kept = filtered.rows - filtered.duplicates - filtered.empty
    return Reading(format_name, rows.columns, filtered.rows, filtered.duplicates, filtered.empty, filtered.folded, kept)


@dataclass(frozen=True, slots=True)
class _Content:
    """A corpus not read yet: its format, what tells it apart from any other, and how to open it."""

    format: str
    identity: tuple[str, ...]
    open: Callable[[], Rows]


def _cached(
    content: _Content, request: Request, cache_dir: Path | None, *, deduplicate: bool, keep_lines: bool
) -> tuple[Reading, pa.Table]:
    """The table of this content from the cache, made first where it is not there."""
    # The number stands for the rules by which rows become pairs, and for what is noted: it grows when they change.
    rules = {"deduplicate": deduplicate} | ({"keep_lines": True} if keep_lines else {})
    name = fingerprint([2, content.format, *content.identity, {**asdict(request), **rules}])

    def write(path: Path) -> dict[str, Any]:
        rows, filtered = content.open(), _Filter(deduplicate, keep_lines)
        write_pairs(path, filtered.kept(rows.pairs))
        return asdict(_reading(content.format, rows, filtered))

    noted, table = cached_table(name, write, cache_dir)
    return Reading(**{**noted, "columns": tuple(noted["columns"])}), table


def write_pairs(path: Path, pairs: Iterator[tuple[str, str]]) -> None:
    """Write pairs as a table that can be memory-mapped."""
    with ipc.new_file(str(path), _SCHEMA) as writer:
        for batch in _batches(pairs):
            writer.write_batch(batch)


def cached_table(
    name: str, write: Callable[[Path], Mapping[str, Any]], cache_dir: Path | None
) -> tuple[dict[str, Any], pa.Table]:
    """A table from the cache, memory-mapped, and what is noted of it; made first where it is not there.

    Args:
        name: that stands for all that decides what is in it.
        write: writes it to a path (`write_pairs`), and returns what is to be noted.
    """
    by_user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = cache_dir or Path(os.environ.get("SWITCHTUNE_CACHE") or Path(by_user) / "switchtune")
    path, note = folder / f"{name}.arrow", folder / f"{name}.json"
    try:
        noted = _noted(note, path)
        if noted is None:
            with atomic_path(path) as temporary:
                noted = dict(write(temporary))
                write_json(note, {"noted": noted, "hash": fingerprint([noted, hash_file(temporary)])})
        return noted, ipc.open_file(pa.memory_map(str(path))).read_all()
    except OSError as error:
        raise CorpusError(
            f"{folder}: the cache cannot be written or read ({error}). Make room or give permission there, or name "
            "another folder in the environment variable SWITCHTUNE_CACHE."
        ) from error


def _noted(note: Path, path: Path) -> dict[str, Any] | None:
    """What is noted of a table of the cache; None where either is not there or not as it was written."""
    if not (note.exists() and path.exists()):
        return None
    try:
        content = read_json(note)
        if content["hash"] == fingerprint([content["noted"], hash_file(path)]):
            return dict(content["noted"])
    except (SwitchtuneError, KeyError, TypeError):
        pass
    _LOGGER.warning("%s was changed or damaged since it was written. It is made again.", path)
    return None


# Which files


def _paths(location: Path | Sequence[str | Path]) -> tuple[Path, ...]:
    parts = (location,) if isinstance(location, Path) else location
    return tuple(map(Path, parts))


def _files(location: Location, request: Request) -> _Content:
    format_name, found = _locate(location, request)
    paths = tuple(map(existing, found))
    identity = [part for path in paths for part in (path.name, hash_file(path))]
    return _Content(format_name, tuple(identity), partial(open_rows, format_name, paths, request))


def _locate(location: Location, request: Request) -> tuple[str, tuple[Path, ...]]:
    """The format and the files of a location."""
    if not isinstance(location, str | Path):
        paths = _paths(location)
        if len(paths) != 2:
            raise UsageError(f"{len(paths)} files named; two are expected, of the source and of the target.")
        return PARALLEL_TEXT, _checked_order(paths, request)
    if braces := re.fullmatch(r"(?s)(.*)\{([^{},]*),([^{},]*)\}(.*)", str(location)):
        before, first, second, after = braces.groups()
        order = (second, first) if _swapped((first, second), request) else (first, second)
        _refuse_other_languages(order, request)
        return PARALLEL_TEXT, tuple(Path(before + part + after) for part in order)
    path = Path(location)
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
    found: dict[str, list[Path]] = {request.source.code: [], request.target.code: []}
    for path in beside:
        ending = plain(path).name.removesuffix(".txt").removeprefix(f"{prefix.name}.")
        if path.name.startswith(f"{prefix.name}.") and (language := language_named(ending)) and language.code in found:
            found[language.code].append(path)
    for code, paths in found.items():
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            raise CorpusError(f"{prefix}: several files for {code!r} ({names}). Name the two files that you mean.")
    return tuple(chain.from_iterable(found.values())) if all(found.values()) else ()


def _checked_order(paths: tuple[Path, ...], request: Request) -> tuple[Path, ...]:
    endings = [plain(path).name.removesuffix(".txt").rpartition(".")[2] for path in paths]
    if _swapped(endings, request):
        raise CorpusError(
            f"{paths[0]} stands for the source, {request.source.name}, but its name says {request.target.name}; "
            f"{paths[1]} the other way round. Swap the two files or the two languages."
        )
    _refuse_other_languages(endings, request)
    return paths


def _refuse_other_languages(endings: Sequence[str], request: Request) -> None:
    """Refuse files whose names say other languages than those that are asked for.

    One ending alone may be a language's code by accident (`text.in`, `text.min`), unless it is that of the other side.
    """
    wanted = (request.source, request.target)
    named = [language_named(ending) for ending in endings]
    for ending, found, asked, other in zip(endings, named, wanted, wanted[::-1], strict=True):
        if found is not None and found.iso3 != asked.iso3 and (None not in named or found.iso3 == other.iso3):
            raise CorpusError(
                f"{asked.name} ({asked.code}) is asked for, but the ending {ending!r} of the file says {found.name}. "
                "Name the files of the two languages, or other languages."
            )


def _swapped(names: Sequence[str], request: Request) -> bool:
    return [language_named(name) for name in names] == [request.target, request.source]


# Corpora that are not files


def _hub(location: str, request: Request) -> _Content:
    name, config, split = _parts(location, "hf:org/name:config:split", "hf:wmt/wmt16:de-en:train", 3)
    import datasets

    try:
        dataset = datasets.load_dataset(name, config or None, split=split)
    except Exception as error:  # whatever a data set of others, or what loads it, may raise
        raise CorpusError(
            f"{location}: cannot be loaded ({type(error).__name__}: {error}). Check name, config and split on the Hub. "
            "Without network, use a data set that was loaded before, or files (TSV, JSONL, Parquet, parallel text)."
        ) from error
    batches = partial(dataset.with_format("arrow").iter, batch_size=_ROWS_PER_BATCH)
    rows = partial(arrow_rows, dataset.features.arrow_schema, batches, request, location)
    return _Content("hub", (location, dataset._fingerprint), rows)


def _embedded(location: str, request: Request, limit: int | None) -> Rows:
    codes = (request.source.code, request.target.code)
    return Rows(codes, ((row[0], row[1]) for row in _embedded_rows(location, codes, limit)))


def _embedded_rows(location: str, codes: Sequence[str], count: int | None) -> list[tuple[str, ...]]:
    from switchtune.corpus.embedded import embedded_sentences

    domain, split = _parts(location, "embedded:domain:split", "embedded:kitchen:train", 2)
    return embedded_sentences(domain, split, codes, count)


def _parts(location: str, form: str, example: str, count: int) -> list[str]:
    # The last part may hold colons: the Hub's splits may be slices (train[:1000]).
    parts = location.split(":", count)[1:]
    if len(parts) != count or not parts[0] or not parts[-1]:
        raise UsageError(f"{location}: {form} is expected, such as {example}.")
    return parts
