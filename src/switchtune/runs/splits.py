"""Validation and test sets that are taken out of the training corpus, as files in a run's folder."""

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from switchtune.check.records import RawCorpus, read_raw
from switchtune.config.run import PairSettings
from switchtune.corpus.columns import Request
from switchtune.corpus.read import corpus_identity
from switchtune.corpus.seen import Seen
from switchtune.corpus.split import Split, Taken, split
from switchtune.errors import SwitchtuneError
from switchtune.files import atomic_path, fingerprint, read_json, write_json
from switchtune.languages import find_language

_NOTE = "split.json"


def located(pair: PairSettings, cache_dir: Path, tell: Callable[[str], None] = lambda message: None) -> PairSettings:
    """A pair all of whose corpora are files: what is to be taken out of its training corpus is, once for a folder.

    Written are `train.jsonl`, `valid.jsonl` and `test.jsonl`, a pair a line. `tell` is told how many pairs they have.

    Raises:
        SwitchtuneError: the corpus is too small, or its documents too large.
    """
    if not pair.taken:
        return pair
    request = Request(find_language(pair.source), find_language(pair.target), pair.columns)
    settings = pair.model_dump(mode="json", include={"split", "document", "valid", "test"})
    folder = cache_dir / f"split.{pair.name}-{fingerprint([1, corpus_identity(pair.train, request), settings])[:8]}"
    if not (folder / _NOTE).exists():
        _write(pair, folder)
    tell(f"{read_json(folder / _NOTE)['said']} They are in {folder}.")
    named = pair.columns is not None and not any(map(str.isdecimal, pair.columns))
    files = {name: str(folder / f"{name}.jsonl") for name in ("train", *pair.taken)}
    return pair.model_copy(update={**files, "document": None, "columns": pair.columns if named else None})


def _write(pair: PairSettings, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        options: dict[str, Any] = {"columns": pair.columns, "document": pair.document}
        raw = read_raw("train", pair.train, (pair.source, pair.target), Path(temporary), **options)
        rows = _whole(raw)
        wanted: dict[Taken, int] = {name: getattr(pair.split, name) for name in pair.taken}
        if 2 * sum(wanted.values()) > len(rows):
            asked = " and ".join(f"{count:,} for {name}" for name, count in wanted.items())
            raise SwitchtuneError(
                f"{raw.origin}: {len(rows):,} different pairs, from which {asked} are to be taken; at most half "
                f"can be. Take fewer, as in split: {{{', '.join(f'{name}: {len(rows) // 10}' for name in wanted)}}}."
            )
        table = raw.table.take(rows)
        documents = None if raw.documents is None else raw.documents[rows]
        sides = (table.column("source").to_pylist(), table.column("target").to_pylist())
        found = split(sides, wanted, seed=pair.split.seed, documents=documents)
        _require_all(found, wanted, raw.origin, by_document=documents is not None)
        names = raw.column_names
        with atomic_path(folder) as partial:
            partial.mkdir()
            for name in ("train", *wanted):
                with (partial / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as stream:
                    for row in getattr(found, name).tolist():
                        texts = dict(zip(names, (side[row] for side in sides), strict=True))
                        stream.write(json.dumps(texts, ensure_ascii=False) + "\n")
            write_json(partial / _NOTE, {"said": _said(found, wanted, raw.origin, by_document=documents is not None)})


def _whole(raw: RawCorpus) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Rows without a blank side that did not stand before."""
    seen, rows = Seen(), list[int]()
    for start, sources, targets in raw.groups():
        for row, pair in enumerate(zip(sources, targets, strict=True), start):
            if all(pair) and seen.add("\t".join(pair)):
                rows.append(row)
    return np.array(rows, np.int64)


def _require_all(found: Split, wanted: Mapping[Taken, int], origin: str, *, by_document: bool) -> None:
    for name in wanted:
        if not len(getattr(found, name)):
            what = "document" if by_document else "group of near duplicates"
            raise SwitchtuneError(
                f"{origin}: no {what} is small enough for {name} to be taken from. Ask for more pairs, or give {name} "
                "a file of its own."
            )


def _said(found: Split, wanted: Mapping[Taken, int], origin: str, *, by_document: bool) -> str:
    drawn = ", ".join(f"{name} {len(getattr(found, name)):,} pairs" for name in wanted)
    groups = "whole documents" if by_document else "near duplicates together"
    alike = f" Near duplicates of them that are not trained on: {len(found.alike):,}." if len(found.alike) else ""
    return f"Taken from {origin} ({groups}): {drawn}; train keeps {len(found.train):,}.{alike}"
