"""What outputs are counted in: words, or characters where words have no spaces between them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import regex

from switchtune.corpus.words import lower_case
from switchtune.languages import find_language

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


@dataclass(frozen=True)
class Units:
    """How a language's text is cut.

    Attributes:
        name: what the units are.
        cut: a text to its units, in lower case.
    """

    name: Literal["words", "characters"]
    cut: Callable[[str], list[str]]


def units_of(language: str) -> Units:
    """Runs of letters, marks and digits of any script; for languages without spaces all characters but white space.

    Raises:
        UnknownLanguageError: no language bears this name.
    """
    target = find_language(language)
    if target.spaced:
        return Units("words", lambda text: _WORD.findall(lower_case(text, target.code)))
    return Units("characters", lambda text: [one for one in lower_case(text, target.code) if not one.isspace()])
