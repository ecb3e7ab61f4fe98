"""Pages from the templates beside this module; whatever a page is given is escaped."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from switchtune.languages import language_named
from switchtune.lexicon.judge import GREEN_COVERAGE, GREEN_RIGHT, GREEN_STABILITY, RED_RIGHT
from switchtune.results.figures import system_name
from switchtune.results.text import interval_text, marked, minutes_text, p_text, signed, unit
from switchtune.scoring.word_accuracy import range_name

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_Item = TypeVar("_Item")


def language_name(code: str) -> str:
    """The English name of a language; its code where it is not known."""
    language = language_named(code)
    return language.name if language else code


def direction_name(source: str, target: str) -> str:
    """German → English."""
    return f"{language_name(source)} → {language_name(target)}"


def text_direction(text: str) -> str:
    """The direction of most letters of a text, for HTML's `dir`: `auto` would go by the first letter alone."""
    letters = Counter(map(unicodedata.bidirectional, text))
    return "rtl" if letters["R"] + letters["AL"] > letters["L"] else "ltr"


def fitting(items: Iterable[_Item], most_bytes: int, shown: Callable[[_Item], str]) -> list[str]:
    """The first items as they are shown, those that together have no more bytes; further ones are not even made."""
    kept = []
    for item in items:
        text = shown(item)
        most_bytes -= len(text.encode())
        if most_bytes < 0:
            break
        kept.append(text)
    return kept


def _prose(text: str) -> "Markup":
    """Escaped text in which `backticks` become code."""
    from markupsafe import Markup, escape

    # Of a `Markup`, what `re.sub` puts in would be escaped too.
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import escape

    environment = Environment(
        loader=PackageLoader("switchtune.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": _prose,
        "fixed": lambda value, digits=2: "not measured" if value is None else f"{value:,.{digits}f}",
        "percent": lambda share, digits=1: "not measured" if share is None else f"{share:.{digits}%}",
        "tag": lambda code: code.replace("_", "-"),  # of a language, for browsers
        "text_direction": text_direction,
        "direction": lambda judged: direction_name(judged["source"], judged["target"]),
        "bucket": lambda bucket: f":{range_name(bucket['from'], bucket['to'])}",
        "numeric": lambda head: f":{head}",
    }
    environment.globals |= {
        "direction_name": direction_name,
        "escape": escape,
        "fitting": fitting,
        "good_right": GREEN_RIGHT,
        "good_coverage": GREEN_COVERAGE,
        "good_stability": GREEN_STABILITY,
        "bad_right": RED_RIGHT,
        "system_name": system_name,
        **{function.__name__: function for function in (interval_text, marked, minutes_text, p_text, signed, unit)},
        "style": package_text("charts.css") + package_text("page.css"),
        "script": package_text("page.js"),
    }
    return environment


def render(template: str, **content: Any) -> str:
    """A whole page. Its policy forbids it to ask for anything, whatever its content says."""
    return _environment().get_template(template).render(content)


def package_text(name: str) -> str:
    """A file that lies beside this module."""
    return files("switchtune.report").joinpath(name).read_text(encoding="utf-8")


def is_report(path: Path) -> bool:
    """Whether a file is a page that was written here."""
    with path.open("rb") as stream:
        return b'<meta name="generator" content="switchtune">' in stream.read(300)
