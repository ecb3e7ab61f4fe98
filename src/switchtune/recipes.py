"""Recipes as data: which stages a training has, and how many updates each of them gets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

from switchtune.errors import UsageError

RecipeName: TypeAlias = Literal[
    "standard", "csr", "csr+", "denoise", "bt", "csr+bt", "glosses", "unsupervised", "iaft", "random"
]
ExampleKind: TypeAlias = Literal[
    "task", "restore", "gloss", "switched", "dictionary", "denoise", "backtranslated", "iaft"
]
Proportion: TypeAlias = float | tuple[float, float]
"""The share of a kind of examples; or two, at the stage's beginning and end, with a straight line between."""

WITHOUT_TRANSLATION: tuple[ExampleKind, ...] = ("task", "switched")
"""Kinds of examples of the mixtures of tasks that do not translate."""

FURTHER_KINDS: frozenset[ExampleKind] = frozenset({"gloss", "denoise", "backtranslated"})
"""Kinds of examples that monolingual text of the target language takes part in."""
PAIRED_KINDS: frozenset[ExampleKind] = frozenset({"task", "restore", "switched", "iaft"})
"""Kinds of examples that are made of pairs alone."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One training within a recipe; it starts from the weights of the stage before it and nothing else."""

    name: str  # In folders and curves
    mixture: Mapping[ExampleKind, Proportion]  # Kinds of examples that it trains on (`switchtune.examples`)

    @property
    def examples(self) -> ExampleKind | None:
        """The only kind of examples that it trains on; None for several."""
        return next(iter(self.mixture)) if len(self.mixture) == 1 else None

    def without(self, kind: ExampleKind) -> "Stage":
        """The stage without a kind of examples; the others keep their shares."""
        return Stage(self.name, {other: share for other, share in self.mixture.items() if other != kind})


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to make a fine-tuned model."""

    stages: tuple[Stage, ...]
    init: Literal["pretrained", "random"] = "pretrained"
    """Weights that the first stage starts from; `random` draws new ones for the same architecture."""
    reverse: RecipeName | None = None
    """Recipe of the model that translates monolingual text back, where examples are made so."""

    @property
    def mixes(self) -> bool:
        """Whether it has a stage whose kinds of examples can be chosen."""
        return any(stage.name == MIXTURE for stage in self.stages)

    def with_mixture(self, mixture: Mapping[ExampleKind, Proportion]) -> "Recipe":
        """The same stages with other kinds of examples and shares in the mixture."""
        stages = tuple(Stage(MIXTURE, mixture) if each.name == MIXTURE else each for each in self.stages)
        translates_back = any("backtranslated" in stage.mixture for stage in stages)
        return replace(self, stages=stages, reverse=self.reverse if translates_back else None)


MIXTURE = "mixture"
RESTORE = Stage("restore", {"restore": 1.0})
TASK = Stage("task", {"task": 1.0})
GLOSSES = Stage(MIXTURE, {"task": 0.5, "gloss": 0.5})

MIXTURES = (MIXTURE, "mixture2")
"""Names of the stages that share the updates of mixtures equally, in a recipe that has several."""

RECIPES: Mapping[RecipeName, Recipe] = MappingProxyType(
    {
        "standard": Recipe((TASK,)),
        "csr": Recipe((RESTORE, TASK)),
        "csr+": Recipe((GLOSSES, TASK)),
        "denoise": Recipe((Stage(MIXTURE, {"task": 0.5, "denoise": 0.5}), TASK)),
        "bt": Recipe((Stage(MIXTURE, {"task": 0.5, "backtranslated": 0.5}), TASK), reverse="standard"),
        "csr+bt": Recipe((GLOSSES, Stage("mixture2", {"task": 0.5, "backtranslated": 0.5}), TASK), reverse="csr+"),
        "glosses": Recipe((Stage("task", {"gloss": 1.0}),)),
        "unsupervised": Recipe(
            (Stage(MIXTURE, {"gloss": 1.0}), Stage("task", {"backtranslated": 1.0})), reverse="glosses"
        ),
        "iaft": Recipe((Stage("task", {"iaft": 1.0}),)),
        "random": Recipe((TASK,), init="random"),
    }
)


def recipe_of(name: RecipeName, *, translates: bool) -> Recipe:
    """A recipe as a task takes it.

    A gloss has a target that it can be translated to. A task whose inputs are not translated (a summary is no
    translation of its document, nor is a label) has its own examples in the place of glosses, with switched inputs.
    """
    recipe = RECIPES[name]
    if translates:
        return recipe
    mixtures: list[dict[ExampleKind, Proportion]] = [
        {"switched" if kind == "gloss" else kind: share for kind, share in stage.mixture.items()}
        for stage in recipe.stages
    ]
    return replace(recipe, stages=tuple(map(Stage, (stage.name for stage in recipe.stages), mixtures)))


def stage_updates(recipe: Recipe, total: int, shares: Mapping[str, float]) -> tuple[int, ...]:
    """Updates of each stage; they sum to `total` whatever the recipe, so that recipes are compared at equal updates.

    Each stage but the last gets the share of the total that stands under its name, 0 < share < 1 (paper: 5k of 30k);
    several mixtures get equal parts of what stands under `mixture`.

    Raises:
        UsageError: fewer updates than stages.
    """
    if total < len(recipe.stages):
        names = " + ".join(stage.name for stage in recipe.stages)
        raise UsageError(f"training.updates: {total} is too few for the stages {names}; give at least one to each.")
    mixtures = [stage.name for stage in recipe.stages if stage.name in MIXTURES]
    shares = {**shares, **{name: shares[MIXTURE] / len(mixtures) for name in mixtures}}
    updates: list[int] = []
    remaining = total
    for number, stage in enumerate(recipe.stages[:-1], start=1):
        updates.append(min(max(1, round(total * shares[stage.name])), remaining - len(recipe.stages) + number))
        remaining -= updates[-1]
    return (*updates, remaining)
