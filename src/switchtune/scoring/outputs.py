"""What is wrong with outputs at first sight: empty ones, ones that repeat themselves, and too short or long ones."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from switchtune.scoring.metrics import check_counts
from switchtune.scoring.units import units_of

REPEATED_WORDS = 4
REPEATED_CHARACTERS = 8
"""How many units in a row make a repetition when they come again in the same output."""


@dataclass(frozen=True)
class Outputs:
    """What was counted in a system's outputs, and in the references beside them.

    Attributes:
        n: outputs.
        empty: outputs that are empty or blank.
        empty_references: the same of the references.
        repeating: share of outputs in which some `repeated` units in a row come twice or more, from 0 to 1.
        repeating_references: the same of the references: what the language itself does.
        length_ratio: units of all outputs to units of all references; None where the references have none.
        unit: what text is measured in.
        repeated: how long a repetition is, in units.
    """

    n: int
    empty: int
    empty_references: int
    repeating: float
    repeating_references: float
    length_ratio: float | None
    unit: Literal["words", "characters"]
    repeated: int

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

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
    return sum(not text.strip() for text in outputs)


def examine(hypotheses: Sequence[str], references: Sequence[str], language: str) -> Outputs:
    """Count what is empty, what repeats itself, and how long the outputs are.

    Text is cut into words in lower case, without punctuation; that of languages written without spaces into characters.
    An output repeats itself where the same `REPEATED_WORDS` words (or `REPEATED_CHARACTERS` characters) stand at two
    places of it, which may overlap: "very very very very very" does. Long texts do so more often than short ones, so
    compare with the references' share, not with nothing.

    Args:
        language: the language of the outputs, by any of its codes or names.

    Raises:
        ScoringError: unequal counts, or no outputs.
        UnknownLanguageError: no language bears this name.
    """
    check_counts(hypotheses, references)
    units = units_of(language)
    repeated = REPEATED_WORDS if units.name == "words" else REPEATED_CHARACTERS
    sides = [[units.cut(text) for text in texts] for texts in (hypotheses, references)]
    repeating = [sum(_repeats(text, repeated) for text in texts) / len(texts) for texts in sides]
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


def _repeats(units: Sequence[str], length: int) -> bool:
    runs = [tuple(units[start : start + length]) for start in range(len(units) - length + 1)]
    return len(set(runs)) < len(runs)
