"""What outputs are counted in, and what is wrong at first sight: empty, repeating, too short or too long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import regex

from switchtune.corpus.identify import as_written
from switchtune.corpus.lines import stripped
from switchtune.corpus.words import lower_case
from switchtune.languages import find_language
from switchtune.scoring.metrics import check_counts

REPEATED_WORDS = 4
REPEATED_CHARACTERS = 8
"""How many units in a row make a repetition when they come again in the same output."""

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


@dataclass(frozen=True)
class Units:
    """What a language's text is counted in, and what cuts a text to them, in lower case."""

    name: Literal["words", "characters"]
    cut: Callable[[str], list[str]]


def units_of(language: str, texts: Sequence[str]) -> Units:
    """Runs of letters, marks and digits of any script; for languages without spaces all characters but white space.

    Args:
        texts: of the language, which tell how it is written where no table does.
    """
    target = as_written(find_language(language), texts)
    if target.spaced:
        return Units("words", lambda text: _WORD.findall(lower_case(text, target.code)))
    return Units("characters", lambda text: [one for one in lower_case(text, target.code) if not one.isspace()])


@dataclass(frozen=True)
class Outputs:
    """What was counted in a system's outputs, and in the references beside them."""

    n: int
    empty: int  # or blank
    empty_references: int
    repeating: float  # share of outputs in which some `repeated` units in a row come twice or more, from 0 to 1
    repeating_references: float  # what the language itself does
    length_ratio: float | None  # units of all outputs to those of all references; None where these have none
    unit: Literal["words", "characters"]
    repeated: int  # how long a repetition is, in units

    def describe(self) -> str:
        """For people."""
        lines = [
            f"{self.repeating:.1%} of the outputs say {self.repeated} {self.unit} in a row twice or more "
            f"(references: {self.repeating_references:.1%})"
        ]
        if self.length_ratio is not None:
            lines.append(f"{self.length_ratio:.2f} times as long as the references, in {self.unit}")
        if self.empty:
            lines.append(f"{self.empty:,} of {self.n:,} outputs are empty: they count as wrong")
        if self.empty_references:
            lines.append(f"{self.empty_references:,} of {self.n:,} references are empty: look at that file")
        return "\n".join(lines)


def empty_outputs(outputs: Sequence[str]) -> int:
    """How many outputs are empty or blank."""
    return sum(not stripped(text) for text in outputs)


def examine(hypotheses: Sequence[str], references: Sequence[str], language: str) -> Outputs:
    """Count what is empty, what repeats itself, and how long the outputs are.

    Text is cut into words in lower case, without punctuation; that of languages written without spaces into characters.
    An output repeats itself where the same `REPEATED_WORDS` words (or `REPEATED_CHARACTERS` characters) stand at two
    places of it, which may overlap: "very very very very very" does. Long texts do so more often than short ones, so
    compare with the references' share, not with nothing.

    Raises:
        ScoringError: unequal counts, or no outputs.
        UnknownLanguageError: no language bears this name.
    """
    check_counts(hypotheses, references)
    units = units_of(language, references)
    repeated = REPEATED_WORDS if units.name == "words" else REPEATED_CHARACTERS
    sides = [[units.cut(text) for text in texts] for texts in (hypotheses, references)]

    def repeats(text: Sequence[str]) -> bool:
        runs = [tuple(text[start : start + repeated]) for start in range(len(text) - repeated + 1)]
        return len(set(runs)) < len(runs)

    repeating = [sum(map(repeats, texts)) / len(texts) for texts in sides]
    lengths = [sum(map(len, texts)) for texts in sides]
    return Outputs(
        n=len(hypotheses),
        empty=empty_outputs(hypotheses),
        empty_references=empty_outputs(references),
        repeating=repeating[0],
        repeating_references=repeating[1],
        length_ratio=lengths[0] / lengths[1] if lengths[1] else None,
        unit=units.name,
        repeated=repeated,
    )
