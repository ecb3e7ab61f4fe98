"""The rows of a comparison: an arm is a recipe with its own settings where it needs other than the run's."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator
from typing_extensions import Self

from switchtune.config.base import LONGEST_LIST, Block, FolderName, Processes, Seed, Settings, repeated, with_changes
from switchtune.config.lexicon import LexiconSettings, NliLexiconSettings
from switchtune.config.switching import GlossSettings, SwitchingSettings, TermSettings, share_alone
from switchtune.config.together import TogetherSettings, block_of_groups
from switchtune.config.training import BackTranslationSettings, ClassificationSettings, TrainingSettings
from switchtune.errors import nearest
from switchtune.evidence import Choice, recipes_to_choose_from
from switchtune.recipes import (
    FURTHER_KINDS,
    NOT_TRAINED,
    RECIPES,
    WITHOUT_TRANSLATION,
    ExampleKind,
    Proportion,
    Recipe,
    RecipeName,
    ends_of,
    recipe_of,
    stage_updates,
)

MOST_TRAININGS = 10_000

AUTO: Final = "auto"
"""What the recipe of an arm is that takes for each pair what did best in like cases."""


def _proportion(value: Any) -> Proportion:
    both = value if isinstance(value, list | tuple) else [value, value]
    if len(both) != 2 or not all(type(share) in {int, float} and 0 <= share <= 1 for share in both):
        raise ValueError(f"expected a share from 0 to 1, or two for beginning and end, as [0.8, 0.2]; found {value!r}")
    first, last = map(float, both)
    return first if both is not value else (first, last)


Outputs: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    PlainSerializer(lambda files: files[0] if len(files) == 1 else list(files)),
    Field(min_length=1, max_length=LONGEST_LIST),
]
"""A file, or several."""


class ArmSettings(Settings):
    """One row of the comparison: a recipe, with its own settings where they differ from the run's, or outputs of a
    system that is not trained here."""

    recipe: Literal[RecipeName, "auto"] | None = None
    """`auto`: for each pair, the recipe that did best on corpora like it, chosen once the pair's size is known."""
    name: FolderName = ""
    """Name in tables and folders; the recipe's name by default."""
    outputs: dict[FolderName, Outputs] = Field(default_factory=dict, max_length=LONGEST_LIST)
    """In place of a recipe: another system's outputs for the test sets, by pair (for nli, by language), in a text file
    with one output per line: {de-en: gpt.de-en.txt}. Nothing is trained, and the same outputs count for every seed. Or
    a list with one file per seed: samples of the system, each taking the place of a seed."""
    lexicon: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `lexicon` block."""
    switching: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `switching` block."""
    gloss: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `gloss` block."""
    back_translation: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `back_translation` block."""
    terms: Annotated[dict[str, Any], BeforeValidator(share_alone)] = Field(default_factory=dict)
    """Values that replace those of the run's `terms` block; a number alone is their share."""
    mixture: dict[ExampleKind, Annotated[Proportion, BeforeValidator(_proportion)]] = Field(default_factory=dict)
    """Kinds of examples with their shares, in place of the recipe's own mixture: {task: 0.5, gloss: 0.4, dictionary:
    0.1}. Two numbers are the shares at the stage's beginning and end, with a straight line between: {task: 0.5, gloss:
    [0.5, 0]}."""
    monolingual: bool = True
    """Whether its mixture includes the pairs' monolingual text."""
    together: Annotated[dict[str, Any], BeforeValidator(block_of_groups)] = Field(default_factory=dict)
    """Values that replace those of the run's `together` block, or the groups alone: true, false, or lists of pairs."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `training` block; the total number of updates cannot be one of them."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        value = {"recipe": value} if isinstance(value, str) else value
        unnamed = isinstance(value, dict) and "recipe" in value and not value.get("name")
        return {**value, "name": value["recipe"]} if unnamed else value

    @model_validator(mode="after")
    def _trained_or_given(self) -> Self:
        if not self.outputs:
            if self.recipe is None:
                raise ValueError("a recipe is expected, or outputs of a system that is not trained here: {PAIR: FILE}")
            return self
        if not self.name:
            raise ValueError("outputs: their row in the table needs a `name`, that of the system")
        for key, field_info in type(self).model_fields.items():
            of_training = key not in ("name", "outputs")
            if of_training and getattr(self, key) != field_info.get_default(call_default_factory=True):
                raise ValueError(f"{key}: nothing is trained where outputs are given; leave one of the two out")
        return self

    @field_validator("mixture")
    @classmethod
    def _with_something_in_it(cls, mixture: dict[ExampleKind, Proportion]) -> dict[ExampleKind, Proportion]:
        lines = map(ends_of, mixture.values())
        for end, shares in zip(("beginning", "end"), zip(*lines, strict=True), strict=False):
            if not sum(shares):
                raise ValueError(f"all shares are 0 at the {end} of the stage; give a kind of examples a share above 0")
        # In one order whatever the file's, for the examples that are drawn go by it.
        return {kind: mixture[kind] for kind in get_args(ExampleKind) if mixture.get(kind, 0) not in (0, (0, 0))}

    @field_validator("training")
    @classmethod
    def _same_updates(cls, training: dict[str, Any]) -> dict[str, Any]:
        if "updates" in training:
            raise ValueError("arms are compared at the same total of updates: set training.updates for the whole run")
        return training


def with_own(block: Block, arm: ArmSettings, name: str) -> Block:
    """A block of the run's settings with an arm's own values in place of its."""
    return with_changes(block, getattr(arm, name), f"arms.{arm.name}.{name}")


def own_recipe(arm: ArmSettings, *, translates: bool, terms: float = 0) -> Recipe:
    """The recipe of an arm in its task with the arm's own mixture, and so large a share of terms.

    Raises ValueError where that cannot be.
    """
    if arm.recipe is None:
        return NOT_TRAINED
    recipe = _mixed_recipe(arm, translates=translates)
    if not translates and (terms or arm.terms):
        raise ValueError(
            f"arms.{arm.name}.terms: the task has no translations in which terms could be kept; leave it out"
        )
    if terms and "terms" in arm.mixture:
        raise ValueError(f"arms.{arm.name}: terms.share and mixture both say how many terms there are; leave one out")
    if terms and not any("task" in stage.mixture for stage in recipe.stages):
        raise ValueError(
            f"arms.{arm.name}.terms: its recipe has no examples of the task whose sources could carry terms; set "
            "terms: 0 for it"
        )
    return recipe.with_terms(terms) if terms else recipe


def _mixed_recipe(arm: ArmSettings, *, translates: bool) -> Recipe:
    assert arm.recipe is not None
    if arm.recipe == AUTO:
        if arm.mixture:
            raise ValueError(f"arms.{arm.name}.mixture: its recipe is chosen by measurements; leave it out")
        return recipe_of("standard", translates=translates)
    recipe = recipe_of(arm.recipe, translates=translates)
    own = [name for name, given in (("mixture", arm.mixture), ("monolingual", not arm.monolingual)) if given]
    if own and not recipe.mixes:
        mixing = ", ".join(name for name, each in RECIPES.items() if each.mixes)
        raise ValueError(
            f"arms.{arm.name}.{own[0]}: its recipe has no mixture; leave it out, or choose one of {mixing}"
        )
    if "backtranslated" in arm.mixture and recipe.reverse is None:
        raise ValueError(f"arms.{arm.name}.mixture: its recipe trains no model that translates back; use bt or csr+bt")
    if not translates and (wrong := [kind for kind in arm.mixture if kind not in WITHOUT_TRANSLATION]):
        raise ValueError(
            f"arms.{arm.name}.mixture: {wrong[0]} is not a kind of examples for a task without translations; use "
            f"{' and '.join(WITHOUT_TRANSLATION)}"
        )
    recipe = recipe.with_mixture(arm.mixture) if arm.mixture else recipe
    if recipe.reverse is not None and not arm.monolingual:
        raise ValueError(f"arms.{arm.name}.monolingual: its recipe translates that text back; leave it out")
    return recipe


def own_choices(arm: ArmSettings, task: str, *, monolingual: bool = False, terms: float = 0) -> tuple[Recipe, ...]:
    """The recipes that an arm is to choose from in its task, with monolingual text or not; none where it names one."""
    names = recipes_to_choose_from(task, monolingual=monolingual and arm.monolingual) if arm.recipe == AUTO else ()
    return tuple(recipe_of(name, translates=task == "translation").with_terms(terms) for name in names)


@dataclass(frozen=True)
class ResolvedArm:
    """A row of the comparison with all its settings: the run's, with the arm's own in their place."""

    name: str
    recipe: Recipe
    model: str
    """A folder or a name on the Hub, as configured."""
    switching: SwitchingSettings
    training: TrainingSettings
    gloss: GlossSettings = field(default_factory=GlossSettings)
    back_translation: BackTranslationSettings = field(default_factory=BackTranslationSettings)
    terms: TermSettings = field(default_factory=TermSettings)
    lexicon: LexiconSettings = field(default_factory=LexiconSettings)
    """Not of inference, which has `dictionaries` and `classification`."""
    monolingual: bool = True
    """Whether its mixture has the pairs' monolingual text."""
    together: TogetherSettings = field(default_factory=TogetherSettings)
    """Which pairs one model learns."""
    dictionaries: NliLexiconSettings = field(default_factory=NliLexiconSettings)
    classification: ClassificationSettings = field(default_factory=ClassificationSettings)
    choices: tuple[Recipe, ...] = ()
    """Recipes that one is to be chosen from for each pair, until when it has that of `standard`; none where it has
    its recipe."""
    choice: Choice | None = None
    """How its recipe was chosen; None where it is named, or not chosen yet."""
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Files of the outputs that are given in place of a training, by pair or language: one, or one a seed. None where
    it is trained."""

    def takes_part(self, pair: str) -> bool:
        """Whether it is compared on a pair: not where its outputs are given, and none for that pair."""
        return not self.outputs or pair in self.outputs

    @property
    def one_output(self) -> bool:
        """Whether its outputs are given, the same beside every seed."""
        return any(len(files) == 1 for files in self.outputs.values())

    @property
    def output_files(self) -> list[str]:
        """All files of outputs that are given for it."""
        return [file for files in self.outputs.values() for file in files]

    @property
    def possible(self) -> tuple[Self, ...]:
        """What it may become: itself alone where it has its recipe."""
        return tuple(replace(self, recipe=recipe, choices=()) for recipe in self.choices) or (self,)

    def chosen(self, choice: Choice, *, translates: bool) -> Self:
        """The arm with the recipe that was chosen."""
        recipe = recipe_of(choice.recipe, translates=translates).with_terms(self.terms.share)
        return replace(self, recipe=recipe, choices=(), choice=choice)

    def for_pairs(self, pairs: int) -> Self:
        """The arm as a model of so many pairs has it, with as many updates as that takes."""
        updates = self.together.updates(self.training.updates, pairs)
        return replace(self, training=self.training.model_copy(update={"updates": updates}))

    @property
    def kinds(self) -> frozenset[ExampleKind]:
        """Kinds of examples that its stages train on."""
        return frozenset(kind for stage in self.recipe.stages for kind in stage.mixture)

    @property
    def restores(self) -> bool:
        """Whether it has a stage that restores what is switched."""
        return "restore" in self.kinds

    @property
    def translates_words(self) -> bool:
        """Whether a lexicon makes the inputs of the task itself: glosses, switched inputs, or entries."""
        return bool(self.kinds & {"gloss", "switched", "dictionary"})

    @property
    def has_terms(self) -> bool:
        """Whether sources of its examples carry terms in the target language."""
        return "terms" in self.kinds

    @property
    def learns_glosses(self) -> bool:
        """Whether the alignments of the pairs show how to make its glosses; not for `anti`, whose words are wrong."""
        method, parts, switching = self.lexicon.method, self.lexicon.parts, self.switching
        aligned = method in {"auto", "align"} or (method == "mixed" and (not parts or "align" in parts))
        meant = switching.unit == "word" and switching.source != "anti"
        return meant and aligned and "gloss" in self.kinds and (self.gloss.reorder or self.gloss.language_model > 0)

    @property
    def aligns_all(self) -> bool:
        """Whether all pairs are aligned, as words become those that they are aligned to in their own pair."""
        return self.has_terms or (self.restores and self.switching.source == "aligned")

    @property
    def needs_alignments(self) -> bool:
        """Whether alignments take part in making its examples, or those of its reverse model."""
        return self.aligns_all or self.learns_glosses or bool(self.reverse and self.reverse.needs_alignments)

    @property
    def needs_lexicons(self) -> bool:
        """Whether it has a stage in which words become others, not the mask alone."""
        own = self.translates_words or self.has_terms or (self.restores and self.switching.source != "mask")
        return own or (self.reverse is not None and self.reverse.needs_lexicons)

    @property
    def needs_mask(self) -> bool:
        """Whether examples of its stages, or those of its reverse model, hold the model's mask token."""
        return (
            bool(self.kinds & {"iaft", "denoise"})
            or (self.restores and self.switching.source == "mask")
            or (bool(self.kinds & {"gloss", "switched"}) and self.gloss.unknown == "mask")
            or (self.reverse is not None and self.reverse.needs_mask)
        )

    @property
    def switches_by_meaning(self) -> bool:
        """Whether words are switched by their meaning: code-switching itself, not a control."""
        source = self.switching.source
        return (self.translates_words and source != "anti") or (self.restores and source in {"lexicon", "aligned"})

    @property
    def uses_further(self) -> bool:
        """Whether monolingual text of the target language takes part in its training."""
        return self.monolingual and bool(self.kinds & FURTHER_KINDS)

    @property
    def models_source(self) -> bool:
        """Whether a language model of the source language takes part in making its glosses."""
        return "gloss" in self.kinds and self.gloss.language_model > 0

    @property
    def reverse(self) -> Self | None:
        """The arm whose model translates monolingual text back for this one; None where it needs none.

        With several rounds it has this arm's recipe, and a reverse arm of its own.
        Its curve stands in its folder; trackers hear of the arm itself alone.
        """
        if self.recipe.reverse is None:
            return None
        rounds = self.back_translation.rounds - 1
        recipe = self.recipe.with_terms(0) if rounds else RECIPES[self.recipe.reverse]
        updates = max(1, round(self.back_translation.updates_share * self.training.updates))
        training = self.training.model_copy(update={"updates": updates, "snapshots": False, "report_to": ()})
        back_translation = self.back_translation.model_copy(update={"rounds": max(1, rounds)})
        return replace(
            self,
            name=f"{self.name}-reverse",
            recipe=recipe,
            training=training,
            back_translation=back_translation,
        )

    @property
    def stage_updates(self) -> tuple[int, ...]:
        """Updates of each stage; raises UsageError where there are fewer updates than stages."""
        total, reverse = self.training.updates, self.reverse
        if reverse is not None and self.back_translation.within:
            total -= reverse.training.updates
        return stage_updates(self.recipe, total, self.training.restore_share)


class ComparisonSettings(Settings):
    """What every comparison of arms has."""

    task: str
    model: Any
    arm_settings: tuple[ArmSettings, ...] = Field(
        (ArmSettings(recipe="standard"), ArmSettings(recipe="csr")),
        alias="arms",
        min_length=1,
        max_length=LONGEST_LIST,
    )
    """Rows of the comparison: each the name of a recipe, or a mapping with recipe, name, lexicon, switching, training;
    or with name and outputs."""
    seeds: tuple[Seed, ...] = Field((1,), min_length=1, max_length=LONGEST_LIST)
    baseline: str = "standard"
    """Name of the arm that the others are compared with."""
    jobs: Processes = 0
    """Trainings that run side by side; 0: one with a GPU, one per core without."""
    keep_changed: bool = False
    """Use models and outputs even if they have changed since they were made; otherwise they are moved aside and made
    again."""
    lexicon: Any
    switching: SwitchingSettings = SwitchingSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="before")
    @classmethod
    def _formerly_recipes(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "recipes" not in values:
            return values
        if "arms" in values:
            raise ValueError("recipes: the former name of arms, which is there too; keep one of the two")
        return {"arms" if key == "recipes" else key: value for key, value in values.items()}

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied.__dict__.pop("arms", None)  # which the copy may have other settings for
        return copied

    def _check_glosses(self, own: ArmSettings, arm: ResolvedArm) -> None:
        """Refuse settings of its own that an arm's recipe does not use, or that glosses cannot be made with."""
        named = own.recipe != AUTO  # else they count for what may be chosen
        if named and own.gloss and not arm.translates_words:
            raise ValueError(f"arms.{arm.name}.gloss: its recipe makes no glosses; leave it out, or use csr+")
        # What its lexicon is made of counts for glosses too.
        used = {"unit", "source"} if arm.switching.source in {"lexicon", "anti"} else {"unit"}
        unused = set() if arm.restores else own.switching.keys() - used
        if named and arm.translates_words and unused:
            names = ", ".join(f"{name}: {own.switching[name]}" for name in sorted(unused))
            raise ValueError(f"arms.{arm.name}.switching: its recipe does not use {names}; glosses go by `gloss`")
        if arm.translates_words and arm.switching.unit == "piece":
            raise ValueError(f"arms.{arm.name}: glosses are made of words, and switching.unit is piece")
        if "switched" in arm.kinds and arm.gloss.mark:
            raise ValueError(f"arms.{arm.name}: gloss.tag marks glosses, and its mixture has switched inputs")

    def _check_terms(self, own: ArmSettings, arm: ResolvedArm) -> None:
        """Refuse settings of terms that nothing uses, and what terms do not go with."""
        if own.terms.keys() - {"share"} and not arm.has_terms:
            raise ValueError(f"arms.{arm.name}.terms: it has none; give their share, as in terms: {{share: 0.3}}")
        if arm.has_terms and arm.switching.unit == "piece":
            raise ValueError(f"arms.{arm.name}: terms are made of words, and switching.unit is piece")

    def _check_arms(self, tested: Sequence[str], pairs: int) -> None:
        """`tested`: what outputs are given by, pairs or languages."""
        names = [arm.name for arm in self.arm_settings]
        if name := repeated(names):
            raise ValueError(f"arms: {name!r} appears twice; give each its own `name`")
        if self.baseline not in names:
            raise ValueError(f"baseline: {self.baseline!r} is not among the arms; {nearest(self.baseline, names)}")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: a seed appears twice")
        self._check_outputs(tested)
        trainings = len(names) * len(self.seeds) * pairs
        if trainings > MOST_TRAININGS:
            raise ValueError(f"{trainings:,} trainings (pairs × arms × seeds); a run has at most {MOST_TRAININGS:,}")

    def _check_outputs(self, tested: Sequence[str]) -> None:
        given = [arm for arm in self.arm_settings if arm.outputs]
        if len(given) == len(self.arm_settings):
            raise ValueError(
                "arms: all have outputs, and nothing is trained. `switchtune score` and `switchtune compare` take "
                "outputs alone"
            )
        for arm in given:
            if unknown := next((name for name in arm.outputs if name not in tested), None):
                raise ValueError(f"arms.{arm.name}.outputs: {unknown!r} is not tested; {nearest(unknown, tested)}")
            for name, files in arm.outputs.items():
                if file := repeated([os.path.normpath(file) for file in files]):
                    raise ValueError(
                        f"arms.{arm.name}.outputs.{name}: {file!r} is given twice. Each file of a list is another "
                        "sample of the system; one that counts for every seed is given alone"
                    )
            counts = {name: len(files) for name, files in arm.outputs.items()}
            if set(counts.values()) not in ({1}, {len(self.seeds)}):
                told = ", ".join(f"{count} for {name}" for name, count in counts.items())
                raise ValueError(
                    f"arms.{arm.name}.outputs: {told}, and seeds has {len(self.seeds)}. Give each one file, which "
                    "counts for every seed, or each a list of as many files as there are seeds"
                )
            missing = [name for name in tested if name not in arm.outputs]
            if missing and arm.name == self.baseline:
                raise ValueError(
                    f"arms.{arm.name}.outputs: none for {', '.join(missing)}, and others are compared with it there. "
                    "Give a file for each, or choose another baseline"
                )
