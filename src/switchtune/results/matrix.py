"""Zero-shot translation as records, JSON and Markdown tables: what was trained on against what is tested."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean
from typing import Any

from switchtune.results.comparison import comparison_of
from switchtune.results.text import arrow, better_and_worse, marked, render_markdown, signed, tested_by, wins_and_losses
from switchtune.scoring.faults import NOTHING_TRANSLATED
from switchtune.scoring.significance import Comparison, decide


@dataclass(frozen=True)
class Cell:
    """Models of one or more pairs, tested in one direction."""

    trained: str  # name of the pairs, as in de-en+tr-en
    tested: str  # as in it-en
    comparison: Comparison  # the arm against the baseline, over all seeds
    in_language: tuple[float, float, float] | None
    """Share of the outputs of the baseline and of the arm (mean over seeds), and of the references, in the target
    language; None where it is not known."""
    supervised: bool  # whether the direction is one of the pairs


@dataclass(frozen=True)
class Matrix:
    """One arm against the baseline on one collection of test sets (paper table 5)."""

    tests: str  # name of the collection
    baseline: str
    arm: str
    cells: tuple[Cell, ...]

    @property
    def title(self) -> str:
        return f"{self.tests}: {self.arm} against {self.baseline}"

    @property
    def trained(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(dict.fromkeys(cell.trained for cell in self.cells))

    @property
    def tested(self) -> tuple[str, ...]:
        """The rows."""
        return tuple(dict.fromkeys(cell.tested for cell in self.cells))

    @property
    def sentences(self) -> str:
        """Sizes of the test sets."""
        counts = sorted({cell.comparison.n for cell in self.cells})
        return " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))

    @property
    def zero_shot(self) -> tuple[Comparison, ...]:
        """The comparisons off the diagonal."""
        return tuple(cell.comparison for cell in self.cells if not cell.supervised)

    def verdict(self) -> str:
        """How often the arm wins, in one sentence."""
        best = max(max(each.value_a, each.value_b) for each in self.zero_shot)
        caveat = f" But nothing is translated zero-shot here: the best score is {best:.1f} BLEU, so this says nothing."
        return (
            f"{self.arm} against {self.baseline}, zero-shot: "
            f"{better_and_worse(self.zero_shot, f' of {len(self.zero_shot)} directions')}; mean difference "
            f"{signed(mean(each.difference for each in self.zero_shot))} BLEU."
            f"{caveat if best < NOTHING_TRANSLATED else ''}"
        )

    def record(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            **{name: getattr(self, name) for name in ("tests", "baseline", "arm", "trained", "tested")},
            "verdict": self.verdict(),
            **wins_and_losses(self.zero_shot),
            "of": len(self.zero_shot),
            "cells": [
                {
                    "trained": cell.trained,
                    "tested": cell.tested,
                    "supervised": cell.supervised,
                    "in_language": cell.in_language
                    and dict(zip((self.baseline, self.arm), cell.in_language[:2], strict=True)),
                    "references_in_language": cell.in_language and cell.in_language[2],
                    **asdict(cell.comparison),
                }
                for cell in self.cells
            ],
        }


def decided_matrices(matrices: Sequence[Matrix]) -> tuple[Matrix, ...]:
    """The matrices of one collection with their decisions, of all arms together.

    Zero-shot cells are decided apart from those whose language was trained on: on the pairs' own test sets these are
    the comparisons of the run, and have its decisions.
    """
    decided: dict[int, Comparison] = {}
    for supervised in (True, False):
        cells = [cell for matrix in matrices for cell in matrix.cells if cell.supervised == supervised]
        decided |= zip(map(id, cells), decide([cell.comparison for cell in cells]), strict=True)
    return tuple(
        replace(matrix, cells=tuple(replace(cell, comparison=decided[id(cell)]) for cell in matrix.cells))
        for matrix in matrices
    )


def matrix_of(record: Mapping[str, Any]) -> Matrix:
    """The matrix of a record in `zeroshot.json`."""
    baseline, arm = record["baseline"], record["arm"]

    def cell_of(cell: Mapping[str, Any]) -> Cell:
        shares: Mapping[str, Any] = cell.get("in_language") or {}
        known: tuple[Any, Any, Any] = (shares.get(baseline), shares.get(arm), cell.get("references_in_language"))
        in_language = None if None in known else known
        return Cell(cell["trained"], cell["tested"], comparison_of(cell), in_language, cell["supervised"])

    return Matrix(record["tests"], baseline, arm, tuple(map(cell_of, record["cells"])))


def matrix_table(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Heads and rows for people: BLEU of the baseline, the arm's difference, marked where it is significant, and how
    many of the outputs of both are off-target."""
    texts = {}
    for cell in matrix.cells:
        figures = f"{cell.comparison.value_a:.1f} {marked(cell.comparison)}"
        of_target = f" [{off_target(cell.in_language)}]" if cell.in_language else ""
        texts[cell.tested, cell.trained] = f"({figures}){of_target}" if cell.supervised else f"{figures}{of_target}"
    heads = ["tested \\ trained", *map(arrow, matrix.trained)]
    rows = [
        [arrow(tested), *(texts.get((tested, trained), "–") for trained in matrix.trained)] for tested in matrix.tested
    ]
    return heads, rows


def off_target(in_language: tuple[float, float, float]) -> str:
    """The shares of outputs in another language than the target, of the baseline and of the arm."""
    return ", ".join(f"{1 - share:.0%}" for share in in_language[:2])


def legend(matrices: Sequence[Matrix]) -> str:
    """What stands in the tables."""
    compared = next((each for matrix in matrices for each in matrix.zero_shot), None)
    return (
        "BLEU of the baseline, and the arm's difference; * (or (*), of one training each) if it is significant"
        f"{f' ({tested_by(compared)})' if compared else ''}; in brackets if the models were trained in that "
        "direction. In square brackets: the share of outputs that are not in the target language (off-target), for the "
        "baseline and for the arm."
    )


def matrices_markdown(matrices: Sequence[Matrix]) -> str:
    """All matrices as a Markdown page."""
    return render_markdown("zeroshot.md", matrices=matrices, legend=legend, matrix_table=matrix_table)
