"""Writes docs/commands.md from the command line itself: `make docs`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from make_configuration import table_row

from switchtune.cli.main import app

INTRODUCTION = """# Commands

Every verb with its options, made from the program by `make docs`; `switchtune VERB --help` prints the same. How they go
together: [Ten minutes on a CPU](ten-minutes.md). Exit codes, and what `--out` may replace:
[Files, formats, scores](using.md#what-a-command-may-write). The files that some take: [Settings](configuration.md)."""


def reference() -> str:
    """Every verb: how it is called, what it does, examples, and a table of its arguments and options."""
    lines, group = [INTRODUCTION], ""
    for name, its_group, command in verbs(typer.main.get_command(app)):
        if its_group != group:
            group = its_group
            lines += ["", f"## {group}"]
        examples, text = _examples_of(command.help or "")
        lines += ["", f"### `switchtune {name}`", "", text]
        lines += ["", "```", *examples, "```"] if examples else []
        lines += ["", "| option | value | default | meaning |", "|-|-|-|-|", *map(_row, _shown(command))]
    return "\n".join(lines) + "\n"


def verbs(command: Any, path: str = "", group: str = "Verbs") -> Iterator[tuple[str, str, Any]]:
    """All verbs below a command: what is typed for each, and the group that `--help` has it in."""
    if not hasattr(command, "commands"):
        yield path, group, command
        return
    for name in command.list_commands(None):
        below = command.commands[name]
        named = getattr(below, "rich_help_panel", None)
        yield from verbs(below, f"{path} {name}".strip(), named if isinstance(named, str) else group)


def _examples_of(text: str) -> tuple[list[str], str]:
    """The example lines of a help text, and the rest of it."""
    blocks = re.split(r"\n\s*\n", text)
    examples = [re.fullmatch(r"Example: `(.*)`", " ".join(block.split())) for block in blocks]
    rest = [" ".join(block.split()) for block, example in zip(blocks, examples, strict=True) if not example]
    return [example[1] for example in examples if example], "\n\n".join(rest)


def _shown(command: Any) -> list[Any]:
    """Arguments, then what has to be given, then what may be."""
    shown = [each for each in command.params if not getattr(each, "hidden", False) and each.name != "help"]
    return sorted(shown, key=lambda each: (each.param_type_name != "argument", not each.required))


def _row(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    name = (parameter.metavar or parameter.name.upper()) if argument else "`, `".join(parameter.opts)
    value = "" if argument or getattr(parameter, "is_flag", False) else _value(parameter)
    default = "(required)" if parameter.required else _default(parameter)
    return table_row(f"`{name}`", value, default, " ".join((parameter.help or "").split()))


def _value(parameter: Any) -> str:
    if parameter.metavar:
        return f"`{parameter.metavar}`"
    annotation = parameter.type_descriptor.annotation
    return ", ".join(f"`{value}`" for value in _choices(annotation)) or _kind(annotation)


def _choices(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for part in get_args(annotation) for value in _choices(part))


def _kind(annotation: Any) -> str:
    names = {"str": "text", "int": "integer", "float": "number", "Path": "path"}
    kinds = [annotation, *get_args(annotation)]
    return next((names[kind.__name__] for kind in kinds if getattr(kind, "__name__", "") in names), "")


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is None or value is False or value == []:
        return ""
    return f"`{value if isinstance(value, str | Path) else json.dumps(value)}`"


if __name__ == "__main__":
    Path(__file__).with_name("commands.md").write_text(reference(), encoding="utf-8")
