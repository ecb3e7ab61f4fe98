"""YAML that says no more than it seems to: bounded, without duplicate keys, in UTF-8 or UTF-16."""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

import yaml

from switchtune.config.base import shortened
from switchtune.errors import UsageError

LARGEST_FILE = 2**19
_MOST_NODES = 100_000
DEEPEST = 32


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
        raise _refused(f"more than {DEEPEST} blocks in each other, or a block in itself", node)
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
            raise _refused(f"the key {key.value!r} stands twice, first in line {lines[key.value]}", key)
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
        raise UsageError(shortened(f"{origin}: not valid YAML: {error}")) from error
    except RecursionError as error:
        raise UsageError(f"{origin}: not valid YAML: more than {DEEPEST} blocks in each other") from error
