"""Problems of settings in words: by dotted key, with what was expected, and what other programs call our settings."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from switchtune.errors import nearest

MOST_PLACES = 3
SHOWN_KEYS = 4


def keys_of(block: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a block by their keys in YAML."""
    return {field.alias or name: field for name, field in block.model_fields.items()}


def blocks_of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The blocks that a value of a type may be or hold."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from blocks_of(part)


def shortened(text: str, longest: int = 1000) -> str:
    return text if len(text) <= longest else f"{text[:longest]} …"


def error_text(kind: type[BaseModel], error: ErrorDetails) -> str:
    """One problem for people: the dotted key, what is wrong with it, and where it is unknown what was meant."""
    # pydantic's own words for a key, and for what a union might be, stand in brackets.
    path = [str(part) for part in error["loc"] if "[" not in str(part)]
    key, given = ".".join(path), error["input"]
    if error["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {_meant(path[-1], kind, path[:-1])}"
    if not key:
        return str(error["ctx"]["error"]) if error["type"] == "value_error" else error["msg"]
    if error["type"] == "tuple_type":
        return f"{key}: {_as_list(given, _block_at(kind, path))}"
    if error["type"] in ("model_type", "model_attributes_type") and (block := _block_at(kind, path)):
        return f"{key}: {_as_block(given, block)}"
    if error["type"] == "missing" and len(path) > 2 and path[-2] not in ("", "0") and path[-2].isdecimal():
        alone = f"; {next(iter(given))} stands alone under its dash, which begins a new item" if len(given) == 1 else ""
        return f"{key}: {error['msg']}{alone}"
    of_list = error["msg"].replace("Tuple", "List").replace(" after validation", "")
    message = str(error["ctx"]["error"]) if error["type"] == "value_error" else of_list
    return f"{key}: {message}{'' if error['type'] in {'missing', 'value_error'} else _found(given)}"


def _found(value: Any) -> str:
    return f" (found {shortened(repr(value), 200)})"


def _as_list(given: Any, block: type[BaseModel] | None) -> str:
    """That a list was expected, and what was given as one."""
    if isinstance(given, dict) and given and block is not None and given.keys() <= keys_of(block).keys():
        item = yaml.safe_dump([given], sort_keys=False, allow_unicode=True).splitlines()
        shown = "".join(f"\n  {shortened(line, 100)}" for line in item[:SHOWN_KEYS])
        return f"expected a list: put a dash before the first key of each, and the others below it:{shown}"
    names = list(given) if isinstance(given, dict) else given.split(",") if isinstance(given, str) else [given]
    shown = ", ".join(str(name).strip() for name in names if name is not None)
    return f"expected a list{f', as in [{shortened(shown, 100)}]' if shown else ''}{_found(given)}"


def _as_block(given: Any, block: type[BaseModel]) -> str:
    """That a block was expected, and some of its keys."""
    if given is None:
        return "nothing is under it; indent the lines that belong to it by two spaces, or leave it out"
    keys = list(keys_of(block))
    shown = ", ".join(keys[:SHOWN_KEYS]) + ", …" * (len(keys) > SHOWN_KEYS)
    return f"expected a block of settings ({shown}){_found(given)}"


def _block_at(root: type[BaseModel], path: Sequence[str]) -> type[BaseModel] | None:
    """The block that a dotted key is of or leads to; positions in lists count for nothing."""
    block: type[BaseModel] | None = root
    for part in path:
        if block is not None and (field := keys_of(block).get(part)):
            block = next(blocks_of(field.annotation), None)
    return block


def _meant(name: str, root: type[BaseModel], parents: Sequence[str]) -> str:
    """A clause on an unknown key in the block at `parents`: what it is called here, where it belongs, or what is near.

    `root` is what was read as a whole: dotted keys begin there.
    """
    block = _block_at(root, parents) or root
    above = [part for part in parents if not part.isdecimal()]
    named = _other_names().get(_plain(name), [])
    inside = [(".".join([*above, own]), note) for key, note in named if (own := key.split(".")[-1]) in keys_of(block)]
    elsewhere = [(key, note) for key, note in named if key.startswith("--") or _exists(root, key.split("."))]
    notes: dict[str, str] = {}
    for key, note in inside or [*elsewhere, *((place, "") for place in _places(root, name))]:
        notes.setdefault(key, note)
    shown = [f"{key} ({note})" if note else key for key, note in notes.items()][:MOST_PLACES]
    return f"here it is {' or '.join(shown)}" if shown else nearest(name, keys_of(block))


def _exists(block: type[BaseModel], path: Sequence[str]) -> bool:
    first, *others = path
    field = keys_of(block).get(first)
    return field is not None and (not others or any(_exists(inner, others) for inner in blocks_of(field.annotation)))


def _places(block: type[BaseModel], name: str, above: str = "") -> Iterator[str]:
    """Dotted keys within a block, at whatever depth, of this name."""
    for key, field in keys_of(block).items():
        if _plain(key) == _plain(name):
            yield above + key
        for inner in blocks_of(field.annotation):
            yield from _places(inner, name, f"{above}{key}.")


def _plain(name: str) -> str:
    """A name without what programs write differently: `learning_rate`, `--learning-rate`, `learningRate`."""
    return name.lower().replace("-", "").replace("_", "")


@cache
def _other_names() -> dict[str, list[tuple[str, str]]]:
    """Our keys, each with a note, by the names that they have in transformers, fairseq or silnlp."""
    lines = Path(__file__).with_name("other_names.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return {name: [(key, note) for _, key, note in of] for name, of in groupby(rows, lambda row: _plain(row[0]))}
