"""Tables of pairs that are kept, memory-mapped, from one reading to the next."""

import logging
import os
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import ipc

from switchtune.corpus.columns import CorpusError
from switchtune.errors import SwitchtuneError
from switchtune.files import atomic_path, fingerprint, hash_file, read_json, write_json

_LOGGER = logging.getLogger(__name__)

_SCHEMA = pa.schema([("source", pa.string()), ("target", pa.string())])
_ROWS_PER_BATCH, _CHARACTERS_PER_BATCH = 1 << 15, 1 << 26


def write_pairs(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Write pairs as a table that can be memory-mapped."""
    with ipc.new_file(str(path), _SCHEMA) as writer:
        block, room = list[tuple[str, str]](), _CHARACTERS_PER_BATCH
        for pair in chain(pairs, [None]):
            if block and (pair is None or len(block) == _ROWS_PER_BATCH or room < 0):
                sides = [pa.array(side, pa.string()) for side in zip(*block, strict=True)]
                writer.write_batch(pa.record_batch(sides, schema=_SCHEMA))
                block, room = [], _CHARACTERS_PER_BATCH
            if pair is not None:
                block.append(pair)
                room -= len(pair[0]) + len(pair[1])


def mapped_table(path: Path) -> pa.Table:
    """A table that `write_pairs` wrote, memory-mapped."""
    return ipc.open_file(pa.memory_map(str(path))).read_all()


def cached_table(
    name: str, write: Callable[[Path], dict[str, Any]], cache_dir: Path | None
) -> tuple[dict[str, Any], pa.Table]:
    """A table from the cache, memory-mapped, and what is noted of it; made first where it is not there.

    `name` stands for all that decides what is in it; `write` writes it to a path (`write_pairs`) and returns the note.
    """
    by_user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = cache_dir or Path(os.environ.get("SWITCHTUNE_CACHE") or Path(by_user) / "switchtune")
    path, note = folder / f"{name}.arrow", folder / f"{name}.json"
    try:
        noted = _noted(note, path)
        if noted is None:
            with atomic_path(path) as temporary:
                noted = write(temporary)
                write_json(note, {"noted": noted, "hash": fingerprint([noted, hash_file(temporary)])})
        return noted, mapped_table(path)
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
