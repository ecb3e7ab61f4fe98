"""What stands in a page of Markdown: its code, links and headings, each with the line that it is in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+) *(?P<language>\S*) *$")
_LINK = re.compile(r"\]\((?P<target>[^()\s]+(?:\([^()]*\)[^()\s]*)?)\)")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Page:
    """One file of Markdown."""

    path: Path

    @cached_property
    def _parts(self) -> tuple[list[Block], list[tuple[int, str]]]:
        """Blocks, and the lines outside of them."""
        blocks, prose, inside = list[Block](), list[tuple[int, str]](), list[str]()
        opened: re.Match[str] | None = None
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), start=1):
            fence = _FENCE.match(line)
            if opened is None and fence:
                opened, start, inside = fence, number, []
            elif opened is not None and fence and fence["fence"] == opened["fence"] and not fence["language"]:
                blocks.append(Block(start, opened["language"], "\n".join(inside)))
                opened = None
            elif opened is not None:
                inside.append(line.removeprefix(opened["indent"]))
            else:
                prose.append((number, line))
        assert opened is None, f"{self.path}: a block of code that does not end"
        return blocks, prose

    @property
    def blocks(self) -> list[Block]:
        """All fenced code."""
        return self._parts[0]

    def links(self) -> Iterator[tuple[int, str]]:
        """Targets of links and pictures."""
        for number, line in self._parts[1]:
            for link in _LINK.finditer(_CODE.sub("", line)):
                yield number, link["target"]

    def inline_code(self) -> Iterator[tuple[int, str]]:
        """What stands in backticks, in tables with their escaped bars as they are shown."""
        for number, line in self._parts[1]:
            for code in _CODE.finditer(line):
                yield number, code[1].replace("\\|", "|")

    def anchors(self) -> set[str]:
        """What a link to a heading names, by GitHub's rule, which mkdocs.yml sets for the site too."""
        found = set[str]()
        for _, line in self._parts[1]:
            if heading := re.match(r"#+ +(.*)", line):
                plain = re.sub(r"\]\([^)]*\)", "", heading[1]).lower()
                slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
                found.add(slug if slug not in found else f"{slug}-1")
        return found

    def commands(self) -> Iterator[tuple[int, str]]:
        """Lines of code blocks that call switchtune, those that go on behind a backslash as one."""
        for block in self.blocks:
            if block.language in {"", "sh", "bash", "console"}:
                joined = block.text.replace("\\\n", "  ").splitlines()
                for line in joined:
                    if line.removeprefix("$ ").startswith("switchtune "):
                        yield block.line, line.removeprefix("$ ")
