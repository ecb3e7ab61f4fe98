"""Recipes as data: which stages a training has, and how many updates each of them gets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from switchtune.errors import UsageError

RecipeName: TypeAlias = Literal[
    "standard", "csr", "csr+", "denoise", "bt", "csr+bt", "glosses", "unsupervised", "iaft", "random"
]
ExampleKind: TypeAlias = Literal[
    "task", "restore", "gloss", "switched", "dictionary", "denoise", "backtranslated", "iaft", "terms"
]
Proportion: TypeAlias = float | tuple[float, float]
"""The share of a kind of examples; or two, at the stage's beginning and end, with a straight line between."""

_NOTHING: tuple[Proportion, ...] = (0.0, (0.0, 0.0))

WITHOUT_TRANSLATION: tuple[ExampleKind, ...] = ("task", "switched")
"""Kinds of examples of the mixtures of tasks that do not translate."""

FURTHER_KINDS: frozenset[ExampleKind] = frozenset({"gloss", "denoise", "backtranslated"})
"""Kinds of examples that monolingual text of the target language takes part in."""
IN_WORDS: Mapping[ExampleKind, str] = MappingProxyType(
    {
        "task": "ordinary fine-tuning",
        "restore": "restoring sentences in which words were replaced",
        "gloss": "translating sentences back from their glosses",
        "switched": "fine-tuning with words of the inputs replaced by their translations",
        "dictionary": "translating entries of the lexicon",
        "denoise": "restoring sentences in which words were masked",
        "backtranslated": "translating sentences that a reverse model translated back",
        "iaft": "fine-tuning with noise in some of its inputs",
        "terms": "fine-tuning with words of the translation in the inputs",
    }
)
"""What is done with each kind of examples."""
PAIRED_KINDS: frozenset[ExampleKind] = frozenset({"task", "restore", "switched", "iaft", "terms"})
"""Kinds of examples that are made of pairs alone."""


def ends_of(share: Proportion) -> tuple[float, float]:
    """A share at the beginning and at the end of a stage."""
    return share if isinstance(share, tuple) else (share, share)


@dataclass(frozen=True, slots=True)
class Stage:
    """One training within a recipe; it starts from the weights of the stage before it and nothing else."""

    name: str  # In folders and curves
    mixture: Mapping[ExampleKind, Proportion]  # Kinds of examples that it trains on (`switchtune.examples`)

    @property
    def examples(self) -> ExampleKind | None:
        """The only kind of examples that it trains on; None for several."""
        return next(iter(self.mixture)) if len(self.mixture) == 1 else None

    def describe(self) -> str:
        """For people: what it trains on, with shares where there are several kinds."""
        parts = []
        for kind, share in self.mixture.items():
            first, last = ends_of(share)
            told = f"{first:.0%}" if first == last else f"{first:.0%} at first, {last:.0%} at the end"
            parts.append(IN_WORDS[kind] + (f" ({told})" if len(self.mixture) > 1 else ""))
        return "; ".join(parts)

    def without(self, kind: ExampleKind) -> "Stage":
        """The stage without a kind of examples; the others keep their shares."""
        return Stage(self.name, {other: share for other, share in self.mixture.items() if other != kind})

    def with_terms(self, share: float) -> "Stage":
        """The stage with so much of its examples of the task given as `terms` (0: none); those of both stay as many."""
        parts: dict[ExampleKind, float] = {"task": 1 - share, "terms": share}
        of_both = [ends_of(self.mixture.get(kind, 0.0)) for kind in parts]
        first, last = (sum(ends) for ends in zip(*of_both, strict=True))
        made = dict(self.mixture)
        for kind, part in parts.items():
            made[kind] = part * first if first == last else (part * first, part * last)
        return Stage(
            self.name, {kind: made[kind] for kind in get_args(ExampleKind) if made.get(kind, 0) not in _NOTHING}
        )


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
        """Whether its kinds of examples can be chosen."""
        return bool(self.stages) and self.stages[-1].name == MIXTURE

    def with_mixture(self, mixture: Mapping[ExampleKind, Proportion]) -> "Recipe":
        """The same with other kinds of examples and shares."""
        reverse = self.reverse if "backtranslated" in mixture else None
        return replace(self, stages=(Stage(MIXTURE, mixture),), reverse=reverse)

    def with_terms(self, share: float) -> "Recipe":
        """The same with so much of each stage's examples of the task given as `terms`; 0 takes these out."""
        return replace(self, stages=tuple(stage.with_terms(share) for stage in self.stages))


NOT_TRAINED = Recipe(())
"""What outputs come of that are given: no stage of ours."""

MIXTURE = "mixture"
RESTORE = Stage("restore", {"restore": 1.0})
TASK = Stage("task", {"task": 1.0})


def _giving_way(*kinds: ExampleKind, reverse: RecipeName | None = None) -> Recipe:
    """Kinds of examples, as many of each, that give way to the task in the course of the training."""
    falling = dict.fromkeys(kinds, (0.7 / len(kinds), 0.0))
    return Recipe((Stage(MIXTURE, {"task": (0.3, 1.0), **falling}),), reverse=reverse)


RECIPES: Mapping[RecipeName, Recipe] = MappingProxyType(
    {
        "standard": Recipe((TASK,)),
        "csr": Recipe((RESTORE, TASK)),
        "csr+": _giving_way("gloss"),
        "denoise": _giving_way("denoise"),
        "bt": _giving_way("backtranslated", reverse="standard"),
        "csr+bt": _giving_way("gloss", "backtranslated", reverse="csr+"),
        "glosses": Recipe((Stage("task", {"gloss": 1.0}),)),
        "unsupervised": Recipe(
            (Stage(MIXTURE, {"gloss": (1.0, 0.0), "backtranslated": (0.0, 1.0)}),), reverse="glosses"
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
    if translates or not recipe.mixes:
        return recipe
    own = recipe.stages[-1].mixture.items()
    return recipe.with_mixture({"switched" if kind == "gloss" else kind: share for kind, share in own})


def stage_updates(recipe: Recipe, total: int, restore_share: float) -> tuple[int, ...]:
    """Updates of each stage; they sum to `total` whatever the recipe, so that recipes are compared at equal updates.

    The first of two has `restore_share` of them, 0 < share < 1 (paper: 5k of 30k). Where nothing is trained there are
    none.

    Raises:
        UsageError: fewer updates than stages.
    """
    if not recipe.stages:
        return ()
    if total < len(recipe.stages):
        names = " + ".join(stage.name for stage in recipe.stages)
        raise UsageError(f"training.updates: {total} is too few for the stages {names}; give at least one to each.")
    if len(recipe.stages) == 1:
        return (total,)
    first = min(max(1, round(total * restore_share)), total - 1)
    return (first, total - first)
