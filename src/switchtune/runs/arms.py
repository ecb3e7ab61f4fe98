"""Trials: an arm of a comparison on a pair with a seed, and what arms need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.run import PairSettings, RunConfig
from switchtune.errors import UsageError, nearest
from switchtune.lexicon.build import require_files
from switchtune.runs.paths import trial_name
from switchtune.training.trackers import require_trackers


@dataclass(frozen=True)
class Trial:
    """One training of the comparison, and where it finds what was prepared for it."""

    pair: PairSettings | None
    arm: ResolvedArm
    seed: int
    lexicons: tuple[Path, ...]
    """Source → target and target → source, and from the target to each language without pairs that is glossed; or of
    inference one for each language that is switched to. Empty where nothing is switched by a lexicon."""
    alignments: tuple[Path, ...]
    """Of the training and of the validation pairs; empty where words are not switched so."""
    corpora: Path
    """Where the corpora stand once they are read."""
    model: str
    """What the first stage starts from: a folder, or a name on the Hub."""

    @property
    def name(self) -> str:
        return trial_name(self.pair.name if self.pair else "", self.arm.name, self.seed)

    @property
    def reverse(self) -> "Trial | None":
        """The training of the model that translates monolingual text back for this one; None where it needs none."""
        if self.pair is None or self.arm.reverse is None:
            return None
        # Restoring alone goes by alignments, and no reverse model restores; nor does it gloss further languages.
        return replace(self, pair=self.pair.reverse, arm=self.arm.reverse, lexicons=self.lexicons[1::-1], alignments=())


def require_inputs(config: RunConfig | NliConfig, arms: Sequence[ResolvedArm]) -> None:
    """Refuse files and trackers that arms need, and that cannot be had, before a folder is made for the run."""
    for arm in arms:
        require_trackers(arm.training.report_to)
        for settings in config.lexicons_of(arm):
            require_files(settings)


def chosen_arm(arms: Sequence[ResolvedArm], name: str | None) -> ResolvedArm:
    """The arm of a name, or by default the first with several stages."""
    by_name = {arm.name: arm for arm in arms}
    if name is None:
        return next((arm for arm in arms if len(arm.recipe.stages) > 1), arms[0])
    if name not in by_name:
        raise UsageError(f"--arm {name}: {nearest(name, by_name)}")
    return by_name[name]
