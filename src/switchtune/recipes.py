"""Recipes as data: which stages a training has, and how many updates each of them gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from switchtune.errors import UsageError

RecipeName: TypeAlias = Literal["standard", "csr", "iaft", "random"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One training within a recipe; it starts from the weights of the stage before it and nothing else."""

    name: str  # Name in folders and curves
    examples: Literal["restore", "task", "iaft"]  # What it trains on: `switchtune.examples.<…>_examples`


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to make a fine-tuned model."""

    stages: tuple[Stage, ...]
    init: Literal["pretrained", "random"] = "pretrained"
    """Weights that the first stage starts from; `random` draws new ones for the same architecture."""


RESTORE = Stage("restore", "restore")
TASK = Stage("task", "task")

RECIPES: Mapping[RecipeName, Recipe] = MappingProxyType(
    {
        "standard": Recipe((TASK,)),
        "csr": Recipe((RESTORE, TASK)),
        "iaft": Recipe((Stage("task", "iaft"),)),
        "random": Recipe((TASK,), init="random"),
    }
)


def stage_updates(recipe: Recipe, total: int, restore_share: float) -> tuple[int, ...]:
    """Updates of each stage; they sum to `total` whatever the recipe, so that recipes are compared at equal updates.

    Each stage but the last gets `restore_share` of the total, 0 < share < 1 (paper: 5k of 30k).

    Raises:
        UsageError: fewer updates than stages.
    """
    if total < len(recipe.stages):
        names = " + ".join(stage.name for stage in recipe.stages)
        raise UsageError(f"training.updates: {total} is too few for the stages {names}; give at least one to each.")
    updates: list[int] = []
    remaining = total
    for stages_after in range(len(recipe.stages) - 1, 0, -1):
        updates.append(min(max(1, round(total * restore_share)), remaining - stages_after))
        remaining -= updates[-1]
    return (*updates, remaining)
