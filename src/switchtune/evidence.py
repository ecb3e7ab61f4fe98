"""Which recipe did best on corpora like this one: measured gains over `standard`, and the choice by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import log
from pathlib import Path
from statistics import mean
from typing import Any, cast

from switchtune.languages import find_language
from switchtune.recipes import FURTHER_KINDS, RECIPES, RecipeName

MEASURED_TASK = "translation"
"""The task that the evidence is of."""
FAR = 4
"""From this ratio of sizes on, a corpus is far from those that were measured, and the choice says so."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a recipe gained in one direction with so many pairs: a line of `evidence.tsv`."""

    recipe: RecipeName
    monolingual: int  # the most sentences of monolingual text that it had; 0 where it had none
    pairs: int  # it was trained on
    direction: str  # as in de-en
    gain: float  # in BLEU over `standard` with as many updates in all (a reverse model's included), mean over seeds
    seeds: int

    def fits(self, monolingual: bool) -> bool:
        """Whether the recipe, with such text given or not, would train on what it was measured with."""
        return (self.monolingual > 0) == (monolingual and takes_monolingual(self.recipe))


@dataclass(frozen=True, slots=True)
class Choice:
    """A recipe that was chosen for a corpus, and why."""

    recipe: RecipeName
    reason: str
    """For people, as a sentence without its end."""
    evidence: tuple[Evidence, ...] = ()
    """Of the recipe, or of the best one where none gains; empty where nothing is measured."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Choice":
        """The choice of what `dataclasses.asdict` made of it."""
        return cls(record["recipe"], record["reason"], tuple(Evidence(**each) for each in record["evidence"]))


def takes_monolingual(recipe: RecipeName) -> bool:
    """Whether monolingual text of the target language takes part in a recipe."""
    return any(FURTHER_KINDS & stage.mixture.keys() for stage in RECIPES[recipe].stages)


@cache
def read_evidence() -> tuple[Evidence, ...]:
    """The evidence that comes with the package, which benchmarks/study.py makes from its record."""
    lines = Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()[1:]
    cells = (line.split("\t") for line in lines)
    return tuple(
        Evidence(cast("RecipeName", recipe), int(monolingual), int(pairs), direction, float(gain), int(seeds))
        for recipe, monolingual, pairs, direction, gain, seeds in cells
    )


def recipes_to_choose_from(task: str, *, monolingual: bool) -> tuple[RecipeName, ...]:
    """The recipes of which `chosen_recipe` may take one, whatever the number of pairs."""
    known = read_evidence() if task == MEASURED_TASK else ()
    return ("standard", *dict.fromkeys(each.recipe for each in known if each.fits(monolingual)))


def chosen_recipe(
    task: str, pairs: int, monolingual: int = 0, language: str = "", *, known: Sequence[Evidence] | None = None
) -> Choice:
    """The recipe that gained most in like cases, `standard` where none gained.

    Cases are alike that have monolingual text or have none, as the corpus does, and of these the ones whose number of
    pairs is nearest, by its logarithm. Recipes are compared in the directions in which all of them were tried.

    Args:
        pairs: to train on.
        monolingual: sentences of the target language beside the pairs, repeated and held-out ones not counted.
        language: the target language; needed where there are such sentences.
        known: by default what comes with the package.
    """
    if task != MEASURED_TASK:
        return Choice("standard", f"nothing is measured for {task}: standard, which needs nothing but the task's data")
    given = f"{pairs:,} pairs"
    if monolingual:
        given += f", {monolingual:,} further sentences in {find_language(language).name}"
    fitting = [each for each in (read_evidence() if known is None else known) if each.fits(monolingual > 0)]
    if not fitting or not pairs:
        return Choice("standard", f"{given}: nothing is measured for such data; standard, which needs nothing else")
    size = min({each.pairs for each in fitting}, key=lambda size: (abs(log(size / pairs)), size))
    by_recipe = _compared([each for each in fitting if each.pairs == size])
    gains = {recipe: mean(each.gain for each in lines) for recipe, lines in by_recipe.items()}
    best = max(gains, key=gains.__getitem__)
    evidence, gained = by_recipe[best], gains[best] > 0
    reason = f"{best} gained {gains[best]:.1f} BLEU over standard at equal cost in similar cases"
    if not gained:
        reason = f"standard, as no recipe gained over it in similar cases; the best, {best}: {gains[best]:.1f} BLEU"
    reason = f"{given}: {reason} ({_told(evidence)})"
    if max(size / pairs, pairs / size) >= FAR:
        reason += f". Nothing was measured nearer than {size:,} pairs, so another recipe may be better here"
    most = max(each.monolingual for each in evidence)
    if most and max(most / monolingual, monolingual / most) >= FAR:
        reason += f". It was measured with up to {most:,} further sentences, so gains may differ here"
    return Choice(best if gained else "standard", reason, evidence)


def _compared(lines: Sequence[Evidence]) -> dict[RecipeName, tuple[Evidence, ...]]:
    """Evidence by recipe, of the directions that all of them have; of all where they have none in common."""
    directions: dict[RecipeName, set[str]] = {}
    for each in lines:
        directions.setdefault(each.recipe, set()).add(each.direction)
    common = set.intersection(*directions.values()) or set.union(*directions.values())
    return {
        recipe: tuple(each for each in lines if each.recipe == recipe and each.direction in common)
        for recipe in directions
    }


def _told(evidence: Sequence[Evidence]) -> str:
    directions, seeds = len(evidence), min(each.seeds for each in evidence)
    return (
        f"{directions} direction{'s' * (directions > 1)}, {evidence[0].pairs:,} pairs, "
        f"{seeds} seed{'s' * (seeds > 1)}{' at least' * (seeds < max(each.seeds for each in evidence))}"
    )
