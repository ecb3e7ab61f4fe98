"""Configuration files and `--set` overrides as checked settings; YAML that says no more than it seems to."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from switchtune.config.base import MOST_PROBLEMS, Block
from switchtune.config.faults import fault_text
from switchtune.config.inference import NliConfig
from switchtune.config.problems import error_text, shortened
from switchtune.config.run import RunConfig, TaskName
from switchtune.errors import SwitchtuneError, UsageError, nearest
from switchtune.files import content_of

LARGEST_FILE = 2**19
_MOST_NODES = 100_000
DEEPEST = 32


def load_config(kind: type[Block], path: Path | str, overrides: Sequence[str] = ()) -> Block:
    """Read a YAML file and apply dotted overrides such as `training.lr=1e-4` or `pairs.0.limit=1000`.

    Raises:
        UsageError: the file is missing or not YAML, a key is unknown, a value does not fit.
    """
    return parse_config(kind, read_settings(Path(path), overrides), origin=str(path))


def read_settings(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The mapping in a YAML file; raises UsageError where there is none."""
    remedy = "Give the YAML file of settings; `switchtune init` writes one."
    try:
        content = content_of(path, LARGEST_FILE, remedy=remedy)
    except SwitchtuneError as error:
        raise UsageError(str(error)) from error
    values = parse_yaml(content, str(path))
    if not isinstance(values, dict):
        kind = "an empty file" if values is None else type(values).__name__
        space = " Put a space after each key's colon." if isinstance(values, str) and ":" in values else ""
        raise UsageError(f"{path}: expected a mapping of settings, found {kind}.{space} {remedy}")
    for override in overrides:
        _override(values, override)
    return values


def load_run_config(path: Path | str, overrides: Sequence[str] = ()) -> RunConfig | NliConfig:
    """`load_config` of the kind that the file's `task` asks for."""
    values, known = read_settings(Path(path), overrides), (*get_args(TaskName), "nli")
    task = values.get("task", "translation")
    if task not in known:
        raise UsageError(shortened(f"{path}: task: {nearest(str(task), known)} (found {task!r})"))
    kind: type[RunConfig | NliConfig] = NliConfig if task == "nli" else RunConfig
    return parse_config(kind, values, origin=str(path))


def parse_config(kind: type[Block], values: Mapping[str, Any], *, origin: str = "configuration") -> Block:
    """Check settings against `kind`; raises UsageError with every problem, a line each, by its dotted key."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        if "pairs" in values and "texts" in kind.model_fields:
            raise UsageError(f"{origin}: with 'pairs', these are settings of `switchtune run`.") from error
        if "texts" in values and "pairs" in kind.model_fields:
            raise UsageError(f"{origin}: with 'texts', these are settings of `switchtune pretrain`.") from error
        # Where an item of a list is refused, the list also counts as too short.
        problems = [
            error_text(kind, item) for item in error.errors() if item["type"] != "too_short" or not item["input"]
        ]
        lines = [shortened(f"{origin}: {problem}") for problem in problems[:MOST_PROBLEMS]]
        more = [f"{origin}: {len(problems) - len(lines):,} more like these"] if len(problems) > len(lines) else []
        raise UsageError("\n".join(lines + more)) from error


_OTHER_NAMES = {"recipes": "arms", "arms": "recipes"}
"""The rows of a comparison by their former name, and the reverse: a file may have either."""
_SHORT_FORMS = {"model": "name", "arms": "recipe", "recipes": "recipe", "dictionaries": "path"}
"""The key that a plain value stands for, in place of such a block or of an item of such a list."""


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    override = shortened(override, 200)
    if not key or not equals:
        raise UsageError(f"--set {override}: expected key=value, as in training.lr=1e-4")
    first, *others = key.split(".")
    if first not in values and _OTHER_NAMES.get(first) in values:
        first = _OTHER_NAMES[first]
    *parents, last = first, *others
    if len(parents) > DEEPEST:
        raise UsageError(f"--set {override}: more than {DEEPEST} nested keys")
    block: Any = values
    list_name = ""
    for parent in parents:
        index = _index(block, parent, override)
        if isinstance(block, dict) and block.get(index) is None:
            block[index] = {}
        name = _SHORT_FORMS.get(list_name if isinstance(block, list) else parent)
        if name is not None and isinstance(block[index], str):
            block[index] = {name: block[index]}
        block[index] = copy(block[index])  # an alias of it stays as it was
        list_name, block = parent, block[index]
    block[_index(block, last, override)] = parse_yaml(text, f"--set {override}")


def _index(block: Any, key: str, override: str) -> Any:
    """`key` as a key of a mapping or a position in a list."""
    if isinstance(block, dict):
        return key
    if not isinstance(block, list):
        raise UsageError(f"--set {override}: {key!r} is inside a plain value, which has no keys")
    positions = [str(position) for position in range(len(block))]
    if key not in positions:
        raise UsageError(f"--set {override}: expected a position from 0 to {len(block) - 1}, found {key!r}")
    return positions.index(key)


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number (YAML 1.1 wants 1.0e-4), 010 is ten, `no` is Norwegian and 2024-01-01 is text.

    Aliases count as what they stand for, so that a short file cannot say more than a long one may.
    """

    def get_single_node(self) -> yaml.Node | None:
        root = super().get_single_node()
        for count, node in enumerate(_nodes(root) if root else (), start=1):
            if count > _MOST_NODES:
                raise _refused(f"more than {_MOST_NODES:,} keys and values, with aliases written out", node)
            if isinstance(node, yaml.MappingNode):
                _check_keys(node)
            if isinstance(node, yaml.ScalarNode) and self.NON_PRINTABLE.search(node.value):
                raise _refused(f"a control character in {node.value!r}", node)
            plain: str = self.resolve(type(node), node.value, (True, True))  # type: ignore[no-untyped-call]
            if node.tag not in {plain, self.DEFAULT_SCALAR_TAG}:
                raise _refused(f"the tag {node.tag.replace(_TAG, '!!')!r} does not fit here: leave it out", node)
        return root


def _nodes(node: yaml.Node, depth: int = 1) -> Iterator[yaml.Node]:
    """All that is in a document, with aliases written out."""
    if depth > DEEPEST:
        raise _refused(f"more than {DEEPEST} nested blocks, or a block in itself", node)
    yield node
    if isinstance(node, yaml.CollectionNode):
        for child in chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value:
            yield from _nodes(child, depth + 1)


def _check_keys(mapping: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in {_Loader.DEFAULT_SCALAR_TAG, _MERGE}:
            raise _refused("a key that is not text: put it in quotes", key)
        if key.value in lines:
            raise _refused(f"the key {key.value!r} appears twice, first in line {lines[key.value]}", key)
        lines[key.value] = key.start_mark.line + 1


def _refused(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("merge", "<<", "<"),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "(?i:true|false)", "tTfF"),
    ("int", "[-+]?(0|[1-9][0-9_]{,30})", "-+0123456789"),
    (
        "float",
        r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(f"^({_pattern})$"), list(_first))


def parse_yaml(document: bytes | str, origin: str) -> Any:
    try:
        return yaml.load(document, _Loader)
    except yaml.YAMLError as error:
        raise UsageError(shortened(f"{origin}: not valid YAML: {fault_text(error, document)}")) from error
    except RecursionError as error:
        raise UsageError(f"{origin}: not valid YAML: more than {DEEPEST} nested blocks") from error
