"""One stage of a trial: what decides it, and the training of a model that reads and writes text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from switchtune.config.training import GenerationSettings, TrainingSettings
from switchtune.events import Event, OnEvent, stage_event
from switchtune.examples import Example, Examples
from switchtune.files import fingerprint
from switchtune.generation import translate
from switchtune.models.load import Loaded, load_model, save_model, verify_saved
from switchtune.recipes import Stage
from switchtune.runs.arms import Trial
from switchtune.scoring.faults import faults
from switchtune.scoring.metrics import chrf
from switchtune.switching.switcher import Rates
from switchtune.training.curve import StageLog
from switchtune.training.distributed import on_first
from switchtune.training.trackers import Trackers
from switchtune.training.trainer import train_stage


def chrf_validation(
    sets: Iterable[Examples],
    sentences: int,
    generation: GenerationSettings,
    tell: Callable[[str], None] = lambda message: None,
) -> Callable[[Loaded], float]:
    """How to score a model on the first of a stage's own validation examples: chrF++ of its greedy outputs.

    Of several sets each gives as many of so many sentences. Where the examples are of several directions (both sides
    are restored in stage 1) it is their mean. `tell` is told what is wrong with most of the outputs, where something
    is, and again where it has changed.
    """
    greedy = generation.model_copy(update={"beams": 1})
    directions: dict[tuple[str, str], list[Example]] = {}
    sets = list(sets)
    for examples in sets:
        for index in range(min(-(-sentences // len(sets)), examples.count)):
            example = examples.make(0, index)
            directions.setdefault((example.source_language, example.target_language), []).append(example)

    told: dict[str, list[str]] = {}

    def validate(loaded: Loaded) -> float:
        scores = []
        for (source, target), group in directions.items():
            outputs = translate(loaded, [example.source for example in group], source, target, greedy)
            references = [example.target for example in group]
            scores.append(chrf(outputs, references, target).value)
            said = list(faults(outputs, references, target))
            if said and said != told.get(target):
                tell(f"validation: the outputs in {target} are of no use yet (usual at first): {', '.join(said)}")
            told[target] = said
        return mean(scores)

    return validate


@dataclass(frozen=True)
class PlannedStage:
    """A stage, and all that decides what it comes to."""

    stage: Stage
    settings: TrainingSettings
    updates: int
    inputs: Mapping[str, Any]
    """All that decides what it comes to, the stages before it included."""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.inputs)


@dataclass(frozen=True)
class StageJob:
    """A stage that is to be trained: what it starts from, and where it leaves what."""

    trial: Trial
    plan: PlannedStage
    model: str
    """What it starts from: a folder, or a name on the Hub."""
    init: Literal["pretrained", "random"]
    folder: Path
    """For checkpoints."""
    saved: Path
    """Folder of the trained model."""
    log: StageLog
    trackers: Trackers
    on_event: OnEvent

    @property
    def origin(self) -> str:
        """Fingerprint of all that the model that it starts from came from."""
        return str(self.plan.inputs["before"])

    @property
    def name(self) -> str:
        return self.plan.stage.name

    def load(self) -> Loaded:
        return load_model(self.model, init=self.init, **self.plan.settings.dropouts, seed=self.trial.seed)

    def tell(self, message: str) -> None:
        self.on_event(Event(self.trial.name, f"{self.name}: {message}"))


@dataclass(frozen=True)
class StageExamples:
    """What a stage is trained and validated on."""

    train: Examples
    valid: Mapping[str, Examples]
    """By pair; of a task without pairs one, whose name is empty."""
    rates: Mapping[str, Rates] = field(default_factory=dict)
    """Requested and realised rate of switching, by language; empty where nothing is switched."""


def train_sequences(
    job: StageJob,
    loaded: Loaded,
    examples: StageExamples,
    languages: tuple[str, str],
    generation: GenerationSettings | None = None,
    others: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Train on sources and targets, and save a model that translates from the first language to the second.

    `others`: further directions that it tells of.

    Returns what `Experiment.train` does.
    """
    settings, validate = job.plan.settings, None
    if settings.best_by == "chrf":  # it makes its examples at once, which takes time where nothing asks for them
        search = generation or GenerationSettings()
        validate = chrf_validation(examples.valid.values(), settings.valid_sentences, search, job.tell)
    result = train_stage(
        loaded,
        examples.train,
        valid=examples.valid,
        settings=settings,
        updates=job.plan.updates,
        seed=job.trial.seed,
        folder=job.folder,
        origin=job.origin,
        log=job.log,
        trackers=job.trackers,
        validate=validate,
        on_progress=lambda step: job.on_event(stage_event(job.trial.name, job.name, step)),
        on_message=job.tell,
    )

    def save() -> None:
        save_model(loaded, job.saved, *languages, generation=generation, others=others)
        first = next(iter(examples.valid.values()))
        sample = [first.make(0, index).source for index in range(min(4, first.count))]
        verify_saved(job.saved, sample, loaded, *languages, generation=generation)

    on_first(save)
    return {"training": asdict(result), "rates": {code: asdict(rates) for code, rates in examples.rates.items()}}
