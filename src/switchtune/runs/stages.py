"""One stage of a trial: what decides it, and the training of a model that reads and writes text."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from switchtune.config.training import GenerationSettings, TrainingSettings
from switchtune.events import Event, OnEvent, Progress, stage_event
from switchtune.examples import Examples
from switchtune.files import fingerprint
from switchtune.models.load import Loaded, load_model, save_model, verify_saved
from switchtune.recipes import Stage
from switchtune.runs.arms import Trial
from switchtune.runs.validation import chrf_validation
from switchtune.switching.switcher import Rates
from switchtune.training.curve import StageLog
from switchtune.training.distributed import on_first
from switchtune.training.trackers import Trackers
from switchtune.training.trainer import train_stage


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
        """Of all that its model came from."""
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
        """The model that it starts from."""
        settings = self.plan.settings
        return load_model(
            self.model,
            init=self.init,
            dropout=settings.dropout,
            attention_dropout=settings.attention_dropout,
            seed=self.trial.seed,
        )

    def tell(self, message: str) -> None:
        """Pass on what people should know."""
        self.on_event(Event(self.trial.name, f"{self.name}: {message}"))

    def progress(self, step: Progress) -> None:
        """Pass on how far the stage is."""
        self.on_event(stage_event(self.trial.name, self.name, step))


@dataclass(frozen=True)
class StageExamples:
    """What a stage is trained and validated on."""

    train: Examples
    valid: Examples
    rates: Mapping[str, Rates] = field(default_factory=dict)
    """Requested and realised rate of switching, by language; empty where nothing is switched."""


def train_sequences(
    job: StageJob,
    loaded: Loaded,
    examples: StageExamples,
    languages: tuple[str, str],
    generation: GenerationSettings | None = None,
) -> dict[str, Any]:
    """Train on sources and targets, and save a model that translates from the first language to the second.

    Returns:
        `training`, what it came to, and `rates` of switching, as JSON.
    """
    settings = job.plan.settings
    search = generation or GenerationSettings()
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
        # It makes its examples at once, which takes time where nothing asks for them.
        validate=chrf_validation(examples.valid, settings.valid_sentences, search)
        if settings.best_by == "chrf"
        else None,
        on_progress=job.progress,
        on_message=job.tell,
    )

    def save() -> None:
        save_model(loaded, job.saved, *languages, generation=generation)
        sample = [examples.valid.make(0, index).source for index in range(min(4, examples.valid.count))]
        verify_saved(job.saved, sample, loaded, *languages, generation=generation)

    on_first(save)
    return {"training": asdict(result), "rates": {code: asdict(rates) for code, rates in examples.rates.items()}}
