"""The arms of a comparison, each with its settings resolved once (the run's, with the arm's own in their place), and
their trials."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from switchtune.config.inference import ClassificationSettings, NliConfig, NliLexiconSettings
from switchtune.config.lexicon import LexiconSettings
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.switching import SwitchingSettings
from switchtune.config.training import TrainingSettings
from switchtune.errors import UsageError, nearest
from switchtune.lexicon.build import require_files
from switchtune.recipes import RECIPES, Recipe, stage_updates
from switchtune.runs.paths import trial_name
from switchtune.training.trackers import require_trackers


@dataclass(frozen=True)
class ResolvedArm:
    """One row of the comparison."""

    name: str
    recipe: Recipe
    model: str
    """A folder or a name on the Hub, as configured."""
    switching: SwitchingSettings
    training: TrainingSettings
    lexicon: LexiconSettings = field(default_factory=LexiconSettings)
    """Not of inference, which has `dictionaries`."""
    dictionaries: NliLexiconSettings = field(default_factory=NliLexiconSettings)
    """Of inference."""
    classification: ClassificationSettings = field(default_factory=ClassificationSettings)
    """Of inference."""

    @property
    def restores(self) -> bool:
        """Whether it has a stage that restores what is switched."""
        return any(stage.examples == "restore" for stage in self.recipe.stages)

    @property
    def needs_lexicons(self) -> bool:
        """Whether it has a stage in which words become others, not the mask alone."""
        return self.restores and self.switching.source != "mask"

    @property
    def switches_by_meaning(self) -> bool:
        """Whether it restores what was switched by meaning: code-switching itself, not a control."""
        return self.restores and self.switching.source in {"lexicon", "aligned"}

    @property
    def stage_updates(self) -> tuple[int, ...]:
        """Updates of each stage.

        Raises:
            UsageError: fewer updates than stages.
        """
        return stage_updates(self.recipe, self.training.updates, self.training.restore_share)


@dataclass(frozen=True)
class Trial:
    """One training of the comparison, and where it finds what was prepared for it."""

    pair: PairSettings | None
    """None where the task has no pairs."""
    arm: ResolvedArm
    seed: int
    lexicons: tuple[Path, ...]
    """Source → target and target → source, or of inference one for each language that is switched to; empty where
    nothing is switched by a lexicon."""
    alignments: tuple[Path, ...]
    """Which words are linked in the training and in the validation pairs; empty where words are not switched so."""
    corpora: Path
    """Where the corpora stand once they are read."""
    model: str
    """What the first stage starts from: a folder, or a name on the Hub."""

    @property
    def name(self) -> str:
        """As in events and folders."""
        return trial_name(self.pair.name if self.pair else "", self.arm.name, self.seed)


def resolved_arms(config: RunConfig | NliConfig) -> tuple[ResolvedArm, ...]:
    """The arms of a configuration, in its order."""
    if isinstance(config, RunConfig):
        return tuple(
            ResolvedArm(
                name=arm.name,
                recipe=RECIPES[arm.recipe],
                model=config.model.name,
                switching=config.switching_of(arm),
                training=config.training_of(arm),
                lexicon=config.lexicon_of(arm),
            )
            for arm in config.recipes
        )
    return tuple(
        ResolvedArm(
            name=arm.name,
            recipe=RECIPES[arm.recipe],
            model=config.model_of(arm),
            switching=config.switching_of(arm),
            training=config.training_of(arm),
            dictionaries=config.lexicon_of(arm),
            classification=config.classification_of(arm),
        )
        for arm in config.recipes
    )


def require_inputs(config: RunConfig | NliConfig, arms: Sequence[ResolvedArm]) -> None:
    """Have files and trackers that arms need, and that cannot be had, known before a folder is made for the run.

    Raises:
        UsageError: a file of a lexicon's settings is missing or cannot be read, or a tracker is not installed.
    """
    for arm in arms:
        require_trackers(arm.training.report_to)
        if not arm.needs_lexicons:
            continue
        if isinstance(config, RunConfig):
            require_files(arm.lexicon)
        else:
            for language in config.languages:
                require_files(arm.dictionaries.of(language))


def chosen_arm(arms: Sequence[ResolvedArm], name: str | None) -> ResolvedArm:
    """The arm of a name, or by default the first with a stage before the last.

    Raises:
        UsageError: no arm of that name.
    """
    by_name = {arm.name: arm for arm in arms}
    if name is None:
        return next((arm for arm in arms if len(arm.recipe.stages) > 1), arms[0])
    if name not in by_name:
        raise UsageError(f"--recipe {name}: {nearest(name, by_name)}")
    return by_name[name]
