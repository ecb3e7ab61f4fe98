"""Zero-shot translation as records, JSON and Markdown tables: what was trained on against what is tested."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from switchtune.results.comparison import markdown_table, signed, tested_by
from switchtune.scoring.significance import SIGNIFICANT, Comparison

NOTHING_TRANSLATED = 2.0
"""BLEU below which outputs have next to nothing of the references: differences between such scores are noise."""


@dataclass(frozen=True)
class Cell:
    """Models trained on `trained` → target, tested on `tested` → target."""

    trained: str
    tested: str
    comparison: Comparison
    """The arm against the baseline, over all seeds."""
    in_language: tuple[float, float] | None
    """Share of the outputs of the baseline and of the arm in the target language, mean over seeds; None where that
    cannot be identified."""

    @property
    def supervised(self) -> bool:
        """Whether the models were trained on the language that is tested."""
        return self.trained == self.tested


@dataclass(frozen=True)
class Matrix:
    """One arm against the baseline on one collection of test sets (paper table 5)."""

    tests: str
    """Name of the collection."""
    target: str
    baseline: str
    arm: str
    cells: tuple[Cell, ...]

    @property
    def zero_shot(self) -> tuple[Cell, ...]:
        """The cells off the diagonal."""
        return tuple(cell for cell in self.cells if not cell.supervised)

    @property
    def trained(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(dict.fromkeys(cell.trained for cell in self.cells))

    @property
    def tested(self) -> tuple[str, ...]:
        """The rows."""
        return tuple(dict.fromkeys(cell.tested for cell in self.cells))

    def count(self, *, better: bool, significant: bool) -> int:
        """Zero-shot cells in which the arm is better (or worse) than the baseline, or significantly so."""
        return sum(
            (cell.comparison.difference > 0 if better else cell.comparison.difference < 0)
            and (not significant or cell.comparison.p_value < SIGNIFICANT)
            for cell in self.zero_shot
        )

    def verdict(self) -> str:
        """How often the arm wins, in one sentence."""
        of = len(self.zero_shot)
        wins, losses = (self.count(better=better, significant=False) for better in (True, False))
        sure, surely_not = (self.count(better=better, significant=True) for better in (True, False))
        mean = sum(cell.comparison.difference for cell in self.zero_shot) / of
        return (
            f"{self.arm} against {self.baseline}, zero-shot: better in {wins} of {of} directions "
            f"({sure} significantly), worse in {losses} ({surely_not} significantly); "
            f"mean difference {signed(mean)} BLEU.{self._caveat()}"
        )

    def _caveat(self) -> str:
        best = max(max(cell.comparison.value_a, cell.comparison.value_b) for cell in self.zero_shot)
        if best >= NOTHING_TRANSLATED:
            return ""
        return f" But nothing is translated zero-shot here: the best score is {best:.1f} BLEU, so this says nothing."

    def record(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            "tests": self.tests,
            "target": self.target,
            "baseline": self.baseline,
            "arm": self.arm,
            "verdict": self.verdict(),
            "trained": list(self.trained),
            "tested": list(self.tested),
            "wins": self.count(better=True, significant=False),
            "significant_wins": self.count(better=True, significant=True),
            "losses": self.count(better=False, significant=False),
            "significant_losses": self.count(better=False, significant=True),
            "of": len(self.zero_shot),
            "cells": [
                {
                    "trained": cell.trained,
                    "tested": cell.tested,
                    "supervised": cell.supervised,
                    "in_language": cell.in_language and dict(zip(self._arms, cell.in_language, strict=True)),
                    **asdict(cell.comparison),
                }
                for cell in self.cells
            ],
        }

    @property
    def _arms(self) -> tuple[str, str]:
        return (self.baseline, self.arm)


def matrix_table(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Heads and rows for people: BLEU of the baseline, the arm's difference, marked where it is significant."""
    cells = {(cell.tested, cell.trained): cell for cell in matrix.cells}

    def text(cell: Cell) -> str:
        found = cell.comparison
        mark = "*" if found.p_value < SIGNIFICANT else ""
        figures = f"{found.value_a:.1f} {signed(found.difference)}{mark}"
        return f"({figures})" if cell.supervised else figures

    heads = ["tested \\ trained", *(f"{trained}→{matrix.target}" for trained in matrix.trained)]
    rows = [
        [f"{tested}→{matrix.target}", *(text(cells[tested, trained]) for trained in matrix.trained)]
        for tested in matrix.tested
    ]
    return heads, rows


def legend(matrices: Sequence[Matrix]) -> str:
    """What stands in the tables."""
    return (
        f"BLEU of the baseline, and the arm's difference; * where p < {SIGNIFICANT} "
        f"({tested_by(matrices[0].cells[0].comparison)}); in brackets where the models were trained on that language."
    )


def matrices_markdown(matrices: Sequence[Matrix]) -> str:
    """All matrices as a Markdown page."""
    blocks = ["# Zero-shot translation", legend(matrices)]
    for matrix in matrices:
        heads, rows = matrix_table(matrix)
        first = matrix.cells[0].comparison
        counts = sorted(cell.comparison.n for cell in matrix.cells)
        sentences = " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))
        notes = f"{sentences} sentences. BLEU `{first.signature}`"
        blocks += [
            f"## {matrix.tests}: {matrix.arm} against {matrix.baseline}",
            markdown_table(heads, rows),
            matrix.verdict(),
            notes,
        ]
    return "\n\n".join(blocks) + "\n"
