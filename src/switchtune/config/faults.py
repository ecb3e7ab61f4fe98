"""Faults of a YAML file in words: the line, as it stands, and what to do."""

import re

import yaml

_COLUMNS = (
    "keys of a block start in one column, as do the dashes of a list; keys under a dash start two columns after it"
)


def fault_text(error: yaml.YAMLError, document: bytes | str) -> str:
    """What is wrong with a document, and in which line; in the parser's own words where the fault is a rare one."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    lines = (document.decode(errors="replace") if isinstance(document, bytes) else document).splitlines()
    place, begun = error.problem_mark, error.context_mark
    number, said = _in_words(error.problem or "", error.context or "", lines, place, begun)
    shown = lines[number].rstrip().replace("\t", "→") if number < len(lines) else ""
    return f"line {number + 1}: {said}" + (f"\n  {shown[:120]}" if shown.strip() else "")


def _in_words(
    problem: str, context: str, lines: list[str], place: yaml.Mark, begun: yaml.Mark | None
) -> tuple[int, str]:
    """The number of the line at fault, from 0, and what is the matter with it."""
    line = lines[place.line] if place.line < len(lines) else ""
    if re.match(r" *\t", line) and "'\\t'" in problem:
        return place.line, "it is indented with a tab (→); YAML allows only spaces"
    if "cannot start any token" in problem or (begun and context == "while scanning an alias"):
        first = line[place.column] if begun is None or begun.line != place.line else line[begun.column]
        return place.line, f"a value that begins with {first} must be in quotes: '{first}…' ({problem})"
    if problem.startswith("mapping values are not allowed"):
        if re.search(r":\s", line[: place.column]):
            return place.line, "a second colon; put a value that has one in quotes, and each key on a line of its own"
        return place.line, f"it is indented deeper than the line above, which has a value already: {_COLUMNS}"
    if begun and problem.startswith("could not find expected ':'"):
        return begun.line, "neither a key with a colon (`key: value`) nor an item of a list (`- value`)"
    if begun and "while scanning a quoted scalar" in context:
        return begun.line, "a quotation mark that is opened here is not closed"
    if begun and "while parsing a flow" in context:
        return begun.line, "a bracket that is opened here is not closed, or a comma is missing in it"
    if begun and problem.startswith("expected <block end>"):
        if line[: place.column].strip() and re.search(r"[\]}\"']\s*$", line[: place.column]):
            return place.line, "text after a closing bracket or quotation mark; put the whole value in quotes"
        return place.line, f"its indentation matches no block above it: {_COLUMNS}"
    return place.line, f"{problem}{f' {context}' if context else ''}"
