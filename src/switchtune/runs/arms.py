"""Trials: an arm of a comparison on a pair with a seed, and what arms need."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.run import NO_PAIRS, PairSettings, RunConfig
from switchtune.config.together import group_name
from switchtune.corpus.lines import existing
from switchtune.corpus.read import Corpus
from switchtune.errors import UsageError, nearest
from switchtune.evidence import Choice, chosen_recipe
from switchtune.lexicon.alignment import Alignment, read_alignment
from switchtune.lexicon.build import require_files
from switchtune.run_dir import RunDir
from switchtune.runs.paths import trial_name
from switchtune.runs.tasks import MonolingualSentences, read_further
from switchtune.training.trackers import require_trackers


@dataclass(frozen=True)
class Part:
    """A pair that a training learns, and where it finds what was prepared for it."""

    pair: PairSettings | None
    """None where the task has no pairs."""
    lexicons: tuple[Path, ...] = ()
    """Source → target and target → source, and from the target to each language without pairs that is glossed; or of
    inference one for each language that is switched to. Empty where nothing is switched by a lexicon."""
    alignments: tuple[Path, ...] = ()
    """Of the training and of the validation pairs; empty where nothing goes by them."""
    backward: bool = False
    """Whether it is the other direction of the pair that was aligned."""

    @property
    def name(self) -> str:
        """Of the pair; empty where there is none."""
        return self.pair.name if self.pair else ""

    @property
    def reverse(self) -> "Part":
        """The same in the other direction, for a model that translates back."""
        assert self.pair is not None
        # No reverse model glosses further languages.
        return Part(self.pair.reverse, self.lexicons[1::-1], self.alignments, not self.backward)

    def alignment(self, number: int = 0) -> Alignment:
        """The alignment of the training (0) or of the validation pairs (1), from the source to the target side."""
        found = read_alignment(self.alignments[number])
        return found.reversed() if self.backward else found


@dataclass(frozen=True)
class Trial:
    """One training of the comparison; or outputs that are given."""

    parts: tuple[Part, ...]
    """What one model learns: at least one."""
    arm: ResolvedArm
    """With the updates of a model of so many pairs (`ResolvedArm.for_pairs`)."""
    seed: int
    corpora: Path
    """Where the corpora stand once they are read."""
    model: str
    """What the first stage starts from: a folder, or a name on the Hub."""

    @property
    def pairs(self) -> tuple[str, ...]:
        """Names of the pairs."""
        return tuple(part.name for part in self.parts)

    @property
    def group(self) -> str:
        """Name of the pairs as one; empty where the task has none."""
        return group_name(self.pairs)

    @property
    def name(self) -> str:
        return trial_name(self.group, self.arm.name, None if self.arm.one_output else self.seed)

    @property
    def lexicons(self) -> tuple[Path, ...]:
        """Those of all parts."""
        return tuple(path for part in self.parts for path in part.lexicons)

    @property
    def reverse(self) -> "Trial | None":
        """The training of the model that translates monolingual text back for this one; None where it needs none."""
        if self.arm.reverse is None:
            return None
        return replace(self, parts=tuple(part.reverse for part in self.parts), arm=self.arm.reverse)


def require_inputs(config: RunConfig | NliConfig, arms: Sequence[ResolvedArm]) -> None:
    """Refuse files and trackers that arms need, and that cannot be had, before a folder is made for the run."""
    for arm in [possible for each in arms for possible in each.possible]:
        for file in arm.output_files:
            existing(Path(file))
        require_trackers(arm.training.report_to)
        for settings in config.lexicons_of(arm):
            require_files(settings)


def trained_arms(arms: Sequence[ResolvedArm]) -> tuple[ResolvedArm, ...]:
    """Those whose outputs are not given."""
    return tuple(arm for arm in arms if not arm.outputs)


def chosen_arm(config: RunConfig | NliConfig, name: str | None) -> ResolvedArm:
    """The arm of a name, by default the first that is not the baseline; raises UsageError where it is not trained."""
    if any(arm.name == name and arm.outputs for arm in config.arms):
        raise UsageError(f"--arm {name}: its outputs are given, and nothing is trained. Name another.")
    arms = trained_arms(config.arms)
    by_name = {arm.name: arm for arm in arms}
    if name is None:
        return next((arm for arm in arms if arm.name != config.baseline), arms[0])
    if name not in by_name:
        raise UsageError(f"--arm {name}: {nearest(name, by_name)}")
    return by_name[name]


def chosen_pair(pairs: Sequence[PairSettings | None], name: str | None) -> PairSettings | None:
    """The pair of a name, or by default the first; `pairs` is None alone where a task has none."""
    if name is None:
        return pairs[0]
    by_name = {pair.name: pair for pair in pairs if pair is not None}
    if not by_name:
        raise UsageError(f"--pair {name}: cross-lingual inference has no pairs; leave it out.")
    if name not in by_name:
        raise UsageError(f"--pair {name}: {nearest(name, by_name)}")
    return by_name[name]


@dataclass(frozen=True)
class Size:
    """What a recipe is chosen by."""

    task: str
    pairs: int
    """To train on."""
    monolingual: int
    """Sentences of further text in the target language."""
    language: str
    """The target language; empty where a task has none."""

    def choice(self, *, monolingual: bool = True) -> Choice:
        """The recipe to take, with that text or without it."""
        return chosen_recipe(self.task, self.pairs, self.monolingual if monolingual else 0, self.language)


def size_of(task: str, pairs: int, further: Mapping[str, MonolingualSentences], language: str) -> Size:
    """`further` is text by language, as `read_further` returns it."""
    return Size(task, pairs, len(further[language].sentences) if language in further else 0, language)


def with_chosen_recipe(arm: ResolvedArm, size: Size) -> ResolvedArm:
    """An arm with the recipe that is chosen by size; itself where it has its recipe."""
    if not arm.choices:
        return arm
    return arm.chosen(size.choice(monolingual=arm.monolingual), translates=size.task == "translation")


def arms_and_reasons(
    config: RunConfig, pair: PairSettings, train: Corpus, cache_dir: Path
) -> tuple[tuple[ResolvedArm, ...], list[str]]:
    """The arms with their recipes for a pair, and what is to be known of the choice, or which recipe one might take."""
    if pair.train == NO_PAIRS:
        return config.arms, []
    further = read_further(config, pair, train, cache_dir)
    size = size_of(config.task, len(train), further, pair.target)
    arms = tuple(with_chosen_recipe(arm, size) for arm in config.arms)
    reasons = [f"{pair.name}/{arm.name}: {arm.choice.reason}" for arm in arms if arm.choice]
    return arms, reasons or [f"{pair.name}: {size.choice().reason}"]


def with_kept_recipe(arm: ResolvedArm, size: Size, pair: str, run: RunDir) -> ResolvedArm:
    """As `with_chosen_recipe`, once for a run: what it has begun with stays, whatever is measured since."""
    step, inputs = _step(pair, arm), {**asdict(size), "with text": arm.monolingual}
    if arm.choices and run.result(step, inputs) is None:
        choice = with_chosen_recipe(arm, size).choice
        assert choice is not None
        run.finish(step, inputs, asdict(choice))
    return with_known_recipe(arm, size.task, pair, run.path)


def with_known_recipe(arm: ResolvedArm, task: str, pair: str, folder: Path) -> ResolvedArm:
    """An arm with the recipe that a run has chosen for a pair; itself where it has its recipe, or none is chosen."""
    content = RunDir(folder).content(_step(pair, arm)) if arm.choices else None
    return arm if content is None else arm.chosen(Choice.of(content["result"]), translates=task == "translation")


def _step(pair: str, arm: ResolvedArm) -> str:
    return f"recipe.{pair}.{arm.name}"
