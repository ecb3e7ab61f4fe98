"""A training set without what a check found is better left out, beside a file of what was left out and why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from switchtune.check.checks import Checked
from switchtune.check.records import RawCorpus
from switchtune.corpus.formats import PARALLEL_TEXT
from switchtune.corpus.lines import plain
from switchtune.errors import UsageError
from switchtune.files import atomic_path

REJECTS = "rejects.jsonl"


def write_fixed(found: Checked, folder: Path, *, force: bool = False) -> tuple[int, int]:
    """Write the pairs of the training set that are kept, and `rejects.jsonl`: line, reasons, source, target of others.

    Two text files stay two, under their names; other formats become `train.jsonl`. Validation and test set stay as
    they are, and what is kept is as it was, but for white space around it.

    Returns:
        How many pairs are kept, and how many are not.
    """
    train = next((raw for raw in found.corpora if raw.corpus == "train"), None)
    if train is None:
        raise UsageError("--fix: there is no training set to be mended.")
    reasons: dict[int, list[str]] = {}
    for problem in found.problems:
        if problem.corpus == "train":
            for row in problem.rows.tolist():
                reasons.setdefault(row, []).append(problem.kind)
    with atomic_path(folder, verb="check", force=force) as temporary:
        temporary.mkdir()
        if train.format == PARALLEL_TEXT:
            for side, name in enumerate(train.sides):
                _write(temporary / plain(Path(name)).name, _lines(train, side, reasons))
        else:
            _write(temporary / "train.jsonl", map(_json, _kept(train, reasons)))
        _write(temporary / REJECTS, map(_json, _rejected(train, reasons)))
    return len(train) - len(reasons), len(reasons)


def _write(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


def _lines(train: RawCorpus, side: int, reasons: dict[int, list[str]]) -> Iterator[str]:
    for start, texts in train.side(side):
        yield from (text for row, text in enumerate(texts, start) if row not in reasons)


def _kept(train: RawCorpus, reasons: dict[int, list[str]]) -> Iterator[dict[str, Any]]:
    for start, *sides in train.groups():
        for row, texts in enumerate(zip(*sides, strict=True), start):
            if row not in reasons:
                yield dict(zip(train.column_names, texts, strict=True))


def _rejected(train: RawCorpus, reasons: dict[int, list[str]]) -> Iterator[dict[str, Any]]:
    for start, *sides in train.groups():
        for row, (source, target) in enumerate(zip(*sides, strict=True), start):
            if row in reasons:
                yield {train.unit: row + 1, "reasons": reasons[row], "source": source, "target": target}
