"""Writes docs/configuration.md from the settings themselves: `make docs`."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from switchtune.config.base import Settings, blocks_of, keys_of
from switchtune.config.inference import NliConfig
from switchtune.config.pretrain import PretrainConfig
from switchtune.config.run import RunConfig

FILES: dict[str, type[Settings]] = {
    "`switchtune run`, `train`, `zeroshot`, `search`, `plan`, `show-batch`": RunConfig,
    "`switchtune run` with `task: nli`": NliConfig,
    "`switchtune pretrain`": PretrainConfig,
}
"""What a configuration file is for, and the block at its top."""


INTRODUCTION = """# Settings

Every key of the YAML files, made from the program by `make docs`. `--set KEY=VALUE` replaces a value on the command
line: `--set training.lr=1e-4`, `--set pairs.0.limit=1000`. A block that several files share stands here once."""


def reference() -> str:
    """Every key of every file with its type, its default and what it does."""
    lines, shown = [INTRODUCTION], set[type[BaseModel]]()
    for title, kind in FILES.items():
        lines += ["", f"## {title}"]
        for key, block in _nested("", kind):
            if block in shown:
                continue
            shown.add(block)
            lines += ["", f"### `{key}`" if key else "### At the top"]
            if key and block.__doc__:
                lines += ["", _sentence(block.__doc__)]
            lines += ["", "| key | type | default | meaning |", "|-|-|-|-|"]
            lines += [_row(name, field) for name, field in keys_of(block).items()]
    return "\n".join(lines) + "\n"


def _nested(key: str, kind: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """A block and those within it, each with its dotted key."""
    yield key, kind
    for name, field in keys_of(kind).items():
        for block in blocks_of(field.annotation):
            yield from _nested(f"{key}.{name}" if key else name, block)


def _row(name: str, field: FieldInfo) -> str:
    if field.is_required():
        default = "(required)"
    elif field.default is PydanticUndefined or isinstance(field.default, Settings):
        default = ""
    else:
        default = f"`{json.dumps(_plain(field.default), ensure_ascii=False)}`"
    return table_row(f"`{name}`", _type_name(field.annotation), default, _sentence(field.description or ""))


def table_row(*cells: str) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _plain(value: Any) -> Any:
    """A default as it would be written in YAML."""
    if isinstance(value, Settings):
        return value.model_dump(mode="json", exclude_defaults=True)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _type_name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is NoneType:
        return "null"
    if hasattr(annotation, "model_fields"):
        return "block"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(map(_type_name, arguments))
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type_name(arguments[1])}"
    if arguments:  # Annotated
        return _type_name(arguments[0])
    return {"str": "text", "int": "integer", "float": "number", "bool": "true or false", "Any": "any value"}[
        annotation.__name__
    ]


def _sentence(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    Path(__file__).with_name("configuration.md").write_text(reference(), encoding="utf-8")
