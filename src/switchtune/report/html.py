"""Pieces of the HTML pages: escaped text, tables, sections, tabs, and the frame of a page that asks for nothing."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import NamedTuple

from switchtune.languages import language_named


class Head(NamedTuple):
    """The head of a column."""

    text: str
    numeric: bool = False
    """Whether the column holds numbers."""


def language_name(code: str) -> str:
    """The English name of a language; its code where it is not known."""
    found = language_named(code)
    return found.name if found else code


def direction_name(source: str, target: str) -> str:
    """German → English."""
    return f"{language_name(source)} → {language_name(target)}"


def word_html(text: str) -> str:
    """A word that keeps its own writing direction among others."""
    return f"<bdi>{escape(text)}</bdi>"


def in_language(language: str) -> str:
    """The attribute for text in a language."""
    return f' lang="{escape(language.replace("_", "-"))}"'


def section(title: str, content: str, *, name: str = "") -> str:
    """A section, if it has any content."""
    identity = f' id="{name}"' if name else ""
    return f"<section{identity}><h2>{escape(title)}</h2>{content}</section>\n" if content else ""


def table(caption: str, heads: Sequence[Head], *groups: Iterable[str]) -> str:
    """A table of finished rows, in groups."""
    cells = "".join(f'<th scope="col"{_NUMERIC * head.numeric}>{escape(head.text)}</th>' for head in heads)
    bodies = "".join(f"<tbody>{''.join(rows)}</tbody>" for rows in groups)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead>{bodies}</table>"


_NUMERIC = ' class="n"'


def number_cell(text: str) -> str:
    """A cell of a column of numbers."""
    return f"<td{_NUMERIC}>{escape(text)}</td>"


def row_head(text: str) -> str:
    """The cell that a row is about."""
    return f'<th scope="row">{escape(text)}</th>'


def scrolled(label: str, content: str, *, low: bool = False) -> str:
    """What may be wider than a phone (or, where it is kept low, longer than a screen), to be moved by keys too."""
    kind = "scroll" if low else "wide"
    return f'<div class="{kind}" role="region" tabindex="0" aria-label="{escape(label)}">{content}</div>'


_CODE = re.compile(r"`([^`]+)`")


def prose(text: str) -> str:
    """Escaped text in which `backticks` become code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def items(texts: Iterable[str]) -> str:
    """A list of texts."""
    return f"<ul>{''.join(f'<li>{prose(text)}</li>' for text in texts)}</ul>"


def described(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and what they stand for."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in pairs)}</dl>"


def tabs(name: str, label: str, panels: Sequence[tuple[str, str]]) -> str:
    """Contents of which the page's script shows one at a time; without it, and on paper, all stand below each other.

    Args:
        name: of the group, an HTML identity that no other group has.
        label: what one chooses by the tabs.
        panels: title and finished HTML of each; one alone needs no tab.
    """
    if len(panels) == 1:
        return panels[0][1]
    buttons = "".join(
        f'<button type="button" role="tab" id="{name}-tab{place}" aria-controls="{name}-panel{place}">'
        f"{escape(title)}</button>"
        for place, (title, _) in enumerate(panels)
    )
    contents = "".join(
        f'<div role="tabpanel" id="{name}-panel{place}" aria-labelledby="{name}-tab{place}">'
        f'<p class="panel-title">{escape(title)}</p>{content}</div>'
        for place, (title, content) in enumerate(panels)
    )
    return f'<div class="tabs"><div role="tablist" aria-label="{escape(label)}" hidden>{buttons}</div>{contents}</div>'


def search_field(name: str, label: str, counted: str) -> str:
    """A field that the page's script filters by, and where it says how many it found.

    Filtered are the rows of tables, or the articles, within the element whose `data-filtered-by` is `name`: by their
    words (`word_html`), or where there are none by all their text. `counted` is what they are: "entries".
    """
    return (
        f'<p class="search" hidden data-counted="{escape(counted)}"><label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" type="search" autocomplete="off" spellcheck="false">'
        f'<span class="found" role="status"></span></p>'
    )


def rows_within(rows: Iterable[str], most_bytes: int) -> list[str]:
    """The first rows that together have no more bytes; further ones are not even made."""
    kept = []
    for row in rows:
        most_bytes -= len(row.encode())
        if most_bytes < 0:
            break
        kept.append(row)
    return kept


def package_text(name: str) -> str:
    """A file that lies beside this module."""
    return files("switchtune.report").joinpath(name).read_text(encoding="utf-8")


def is_report(path: Path) -> bool:
    """Whether a file is a page that was written here."""
    with path.open("rb") as stream:
        return b'<meta name="generator" content="switchtune">' in stream.read(300)


def page(title: str, body: str) -> str:
    """A whole page, of `page.html`. Its policy forbids it to ask for anything, whatever its content says."""
    style = package_text("charts.css") + package_text("page.css")
    parts = {"title": escape(title), "style": style, "script": package_text("page.js"), "body": body}
    return Template(package_text("page.html")).substitute(parts)
