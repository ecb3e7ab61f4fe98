"""The rows of a comparison."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from switchtune.config.base import (
    FolderName,
    Settings,
)
from switchtune.errors import nearest

RecipeName: TypeAlias = Literal["standard", "csr", "iaft", "random"]
MOST_TRAININGS = 10_000


class ArmSettings(Settings):
    """One row of the comparison: a recipe, with its own lexicon and switching where it needs other than the run's."""

    recipe: RecipeName
    name: FolderName = ""
    """Name in tables and folders; the recipe's name by default."""
    lexicon: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `lexicon` block."""
    switching: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `switching` block."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `training` block; the total of updates cannot be among them."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        value = {"recipe": value} if isinstance(value, str) else value
        if isinstance(value, dict) and "recipe" in value and not value.get("name"):
            value = {**value, "name": value["recipe"]}
        return value

    @field_validator("training")
    @classmethod
    def _same_updates(cls, training: dict[str, Any]) -> dict[str, Any]:
        if "updates" in training:
            raise ValueError("arms are compared at the same total of updates: set training.updates for the whole run")
        return training


def check_arms(arms: Sequence[ArmSettings], baseline: str, seeds: Sequence[int], *, pairs: int) -> None:
    names = [arm.name for arm in arms]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"recipes: {repeated[0]!r} stands twice; give each its own `name`")
    if baseline not in names:
        raise ValueError(f"baseline: {baseline!r} is not among the recipes; {nearest(baseline, names)}")
    if len(set(seeds)) < len(seeds):
        raise ValueError("seeds: a seed stands twice")
    trainings = len(arms) * len(seeds) * pairs
    if trainings > MOST_TRAININGS:
        raise ValueError(f"{trainings:,} trainings (pairs × recipes × seeds); a run has at most {MOST_TRAININGS:,}")
