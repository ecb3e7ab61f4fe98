"""Whether a run fits into memory, what would make it fit, and how long its trainings take, before any of them begins.

Weights are never read. Memory comes from the model itself on tensors that hold nothing, speed from a few real updates
on the machine at hand (both `training/footprint.py`); lengths and padding from a sample of the training corpus, made
into the examples of the task and cut into batches as the training cuts them.
"""

import operator
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import PretrainedConfig

from switchtune.config.arms import ResolvedArm
from switchtune.config.run import NO_PAIRS, RunConfig
from switchtune.config.together import group_name
from switchtune.config.training import TrainingSettings
from switchtune.corpus.read import Corpus, read_lines
from switchtune.errors import SwitchtuneError
from switchtune.models.forward import device_type
from switchtune.models.layout import Layout
from switchtune.models.load import load_layout, model_config, parameter_count
from switchtune.models.tags import write_without_weights
from switchtune.models.trim import may_pay, pays, survey
from switchtune.runs.arms import arms_and_reasons, require_inputs, trained_arms
from switchtune.runs.paths import EXTENDED
from switchtune.runs.planned_batches import Batches, SampledPair, batches_of, unswitched_examples
from switchtune.runs.prepare import check_arm
from switchtune.runs.splits import located
from switchtune.runs.stage_examples import tempered
from switchtune.runs.tasks import added_text, pair_reader
from switchtune.runs.workers import available_cores, jobs_for
from switchtune.training.footprint import MEASURED_UPDATES, BatchShape, footprint, measured_seconds
from switchtune.training.memory import is_out_of_memory

GB = 10**9

SAMPLED_FOR_PIECES = 50_000
"""Pairs of a corpus that are searched for the pieces of a trimmed vocabulary."""
EVALUATION_SHARE = 1 / 3
"""Time of a sentence in an evaluation, as a share of its time in training: forward, and not backward."""
GPU_CONTEXT_GB = 0.6
"""What CUDA and its libraries hold beside the tensors; assumed."""
ALLOCATOR_SHARE = {"cpu": 0.4, "cuda": 0.05, "mps": 0.05}
"""What the allocator holds beyond the tensors, as a share of all but weights and optimizer. The C library of Linux was
measured (benchmarks/plan.py), PyTorch's allocators of GPU memory are assumed."""


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """What a training runs on."""

    name: str
    memory_gb: float
    base_gb: float
    """What a training holds beside its tensors."""
    kind: torch.device
    at_hand: bool = True
    """Whether speed can be measured on it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a training holds, each kind at its largest."""

    weights_gb: float
    gradients_gb: float
    optimizer_gb: float
    activations_gb: float
    allocator_gb: float
    """What the allocator holds beyond what is in use."""
    base_gb: float
    """What the process holds beside its tensors."""
    peak_gb: float
    """The most that is held, less than the sum of the others: gradients come as activations go."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of settings, and what it makes of the peak."""

    settings: tuple[str, ...]
    """As `--set` takes them."""
    peak_gb: float
    fits: bool


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What one stage of one arm on one pair will take."""

    pair: str
    arm: str
    stage: str
    updates: int
    batches: Batches
    memory: Memory
    """With the heaviest of the batches."""
    fits: bool
    remedies: tuple[Remedy, ...]
    """Where it does not fit: changes of the settings one by one, and together where none is enough."""
    seconds_per_update: float | None
    """Evaluations on the validation set not counted; None where it was not measured, as are those below."""
    tokens_per_second: float | None
    """Target tokens, padding not counted, as in the training's curve."""
    hours: float | None
    """Time of one training of this stage, evaluations included."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take."""

    device: str
    memory_gb: float
    jobs: int
    """Trainings side by side."""
    seeds: int
    rows_after_trimming: int | None
    """About how many; None where the vocabulary stays whole."""
    stages: tuple[StagePlan, ...]
    hours: float | None
    """Time of all trainings; translating the test sets and building lexicons are not counted."""
    advice: tuple[str, ...]
    """Which recipe did best in cases like each pair, a sentence without its end; of `auto` the one that it takes."""
    assumptions: tuple[str, ...]
    """What the figures rest on that was not found out, a sentence each."""


def plan(config: RunConfig, *, gpu_memory: float | None = None) -> Plan:
    """What a run will take on the machine at hand; or whether it fits into a GPU of so many GB that is elsewhere."""
    if not config.model.add:
        return _plan(config, gpu_memory)
    with tempfile.TemporaryDirectory() as cache:
        folder, languages = Path(cache) / EXTENDED, [(each.code, each.like) for each in config.model.add]
        write_without_weights(config.model.name, languages, added_text(config, Path(cache)), folder)
        return _plan(config.with_model(folder), gpu_memory)


def _plan(config: RunConfig, gpu_memory: float | None) -> Plan:
    layout = load_layout(config.model.name)
    if gpu_memory is None:
        require_inputs(config, config.arms)
        device = device_at_hand()
        trainings = sum(len(config.groups(arm)) for arm in trained_arms(config.arms)) * len(config.seeds)
        jobs = jobs_for(config.jobs, trainings, partial(parameter_count, config.model.name))
    else:
        device = PlannedDevice("a GPU", gpu_memory, GPU_CONTEXT_GB, torch.device("cuda"), at_hand=False)
        jobs = max(1, config.jobs)
    with tempfile.TemporaryDirectory() as cache:
        corpora, arms, advice = {}, dict[str, tuple[ResolvedArm, ...]](), list[str]()
        for pair in (located(pair, Path(cache)) for pair in config.pairs):
            read = pair_reader(config, pair, Path(cache))
            valid = read(pair.valid)
            train = valid if pair.train == NO_PAIRS else read(pair.train, limit=pair.limit)
            corpora[pair.name] = (train, valid)
            arms[pair.name], reasons = arms_and_reasons(config, pair, train, Path(cache))
            advice += reasons
            for arm in arms[pair.name] if device.at_hand else ():
                check_arm(pair, arm, layout, config.zeroshot.languages)
        rows = rows_kept(config, corpora)
        planner = _Planner(config, layout, device, jobs, rows)
        samples = {name: SampledPair.of(name, *both) for name, both in corpora.items()}
        stages = [
            stage
            for name in corpora
            for arm in arms[name]
            for group in config.groups(arm)
            if group[0].name == name
            for stage in planner.stages([samples[pair.name] for pair in group], arm.for_pairs(len(group)))
        ]
    hours = [stage.hours for stage in stages if stage.hours is not None]
    seeds = len(config.seeds)
    total = sum(hours) * seeds / jobs if len(hours) == len(stages) else None
    assumptions = tuple(_assumptions(config, [*chain(*arms.values())], device, rows))
    return Plan(device.name, device.memory_gb, jobs, seeds, rows, tuple(stages), total, tuple(advice), assumptions)


def device_at_hand() -> PlannedDevice:
    """The GPU where there is one, else the processor; its base is what is taken now."""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        base = total - free - torch.cuda.memory_reserved()
        return PlannedDevice(torch.cuda.get_device_name(), total / GB, base / GB, torch.device("cuda"))
    if device_type() == "mps":
        total, base = torch.mps.recommended_max_memory(), torch.mps.driver_allocated_memory()
        return PlannedDevice("Apple GPU (MPS)", total / GB, base / GB, torch.device("mps"))
    memory, base = psutil.virtual_memory().total, psutil.Process().memory_info().rss
    threads = torch.get_num_threads()
    return PlannedDevice(
        f"processor, {threads} thread{'s' if threads > 1 else ''}", memory / GB, base / GB, torch.device("cpu")
    )


def rows_kept(config: RunConfig, corpora: Mapping[str, tuple[Corpus, Corpus]]) -> int | None:
    """About how many rows the vocabulary has once it is trimmed; None where it stays whole.

    What the lexicon and further pairs need beside those is little: all characters of the languages' scripts stay.
    """
    model = config.model
    if model.trim == "off" or (model.trim == "auto" and not may_pay(model.name)):
        return None
    texts: dict[str, list[str]] = {path: read_lines(Path(path)) for path in model.text}
    for name, parts in corpora.items():
        for number, corpus in enumerate(parts):
            sample = corpus.limited(SAMPLED_FOR_PIECES)
            texts |= {f"{name}.{number}.0": sample.sources(), f"{name}.{number}.1": sample.targets()}
    usage = survey(model.name, texts, config.languages)
    return len(usage.ids) if model.trim == "on" or pays(usage) else None


@dataclass(frozen=True)
class _Planner:
    """Plans the stages of one run; what several of them share is found once."""

    config: RunConfig
    layout: Layout
    device: PlannedDevice
    jobs: int
    rows: int | None
    memories: dict[tuple[TrainingSettings, BatchShape], Memory] = field(default_factory=dict)
    seconds_per_token: dict[TrainingSettings, float] = field(default_factory=dict)

    def stages(self, pairs: Sequence[SampledPair], arm: ResolvedArm) -> Iterator[StagePlan]:
        """Of a model of an arm that learns these pairs; those of a reverse model come first."""
        if arm.reverse is not None:
            yield from self.stages([pair.reversed() for pair in pairs], arm.reverse)
        name, settings = group_name([pair.name for pair in pairs]), arm.training
        if settings.precision == "auto" and not self.device.at_hand:
            settings = settings.model_copy(update={"precision": "bf16"})
        for stage, updates in zip(arm.recipe.stages, arm.stage_updates, strict=True):
            samples = [unswitched_examples(self.config, stage, pair.sample, self.layout) for pair in pairs]
            counts = [pair.train * each.count / len(pair.sample) for pair, each in zip(pairs, samples, strict=True)]
            shares = tempered(counts, arm.together.temperature)
            batches = batches_of(samples, self.layout, settings, count=round(sum(counts)), shares=shares)
            memory = self._memory(settings, batches.heaviest)
            fits = self._fits(memory)
            seconds = self._seconds(settings, batches) if fits and self.device.at_hand else None
            valid = sum(pair.valid * each.count / len(pair.sample) for pair, each in zip(pairs, samples, strict=True))
            validated = (updates // settings.evaluate_every + 1) * valid
            work = updates + EVALUATION_SHARE * validated / (settings.accumulation * batches.sentences)
            remedies = () if fits else tuple(self._remedies(settings, batches.heaviest))
            yield StagePlan(
                *(name, arm.name, stage.name, updates, batches, memory, fits, remedies),
                seconds_per_update=seconds,
                tokens_per_second=seconds and settings.accumulation * batches.target_tokens / seconds,
                hours=seconds and work * seconds / 3600,
            )

    def _model_config(self, settings: TrainingSettings) -> PretrainedConfig:
        config = model_config(self.config.model.name, **settings.dropouts)
        if self.rows is not None:
            config.vocab_size = self.rows
        return config

    def _memory(self, settings: TrainingSettings, shape: BatchShape) -> Memory:
        key = (settings, shape)
        if key not in self.memories:
            device, family = self.device, self.layout.family.name
            needs = footprint(self._model_config(settings), family, settings, shape, device.kind)
            allocator = ALLOCATOR_SHARE[device.kind.type] * (needs.peak - needs.weights - needs.optimizer)
            self.memories[key] = Memory(
                *(needs.weights / GB, needs.gradients / GB, needs.optimizer / GB, needs.activations / GB),
                *(allocator / GB, device.base_gb, (needs.peak + allocator) / GB + device.base_gb),
            )
        return self.memories[key]

    def _fits(self, memory: Memory) -> bool:
        return memory.peak_gb * self.jobs <= self.device.memory_gb

    def _seconds(self, settings: TrainingSettings, batches: Batches) -> float:
        """Time of an update of such batches, by how long a typical one took with these settings, of whatever stage."""
        if settings not in self.seconds_per_token:
            threads = torch.get_num_threads()
            if self.jobs > 1:
                torch.set_num_threads(max(1, available_cores() // self.jobs))
            model, family = self._model_config(settings), self.layout.family.name
            try:
                seconds = measured_seconds(model, family, settings, batches.typical, self.device.kind)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                raise SwitchtuneError(
                    f"Memory ran out in an update that was to be timed, though {self.device.memory_gb:.1f} GB would "
                    "be enough. Other processes hold too much of it; end them, and plan again."
                ) from error
            finally:
                torch.set_num_threads(threads)
            self.seconds_per_token[settings] = seconds / batches.typical.tokens
        return self.seconds_per_token[settings] * batches.padded_tokens

    def _remedies(self, settings: TrainingSettings, shape: BatchShape) -> list[Remedy]:
        """Changes of the settings one by one, then, where none is enough, more and more of them together."""

        def remedy(changes: Mapping[str, Any]) -> Remedy:
            changed = settings.model_copy(update=dict(changes))
            sentences = -(-shape.sentences * settings.accumulation // changed.accumulation)
            memory = self._memory(changed, replace(shape, sentences=sentences))
            told = (f"training.{name}={str(value).lower()}" for name, value in changes.items())
            return Remedy(tuple(told), memory.peak_gb, self._fits(memory))

        doublings = range(1, shape.sentences.bit_length())
        more_parts = [{"accumulation": settings.accumulation * 2**doubling} for doubling in doublings]
        enough = next((change for change in more_parts if remedy(change).fits), None)
        changes: list[dict[str, Any]] = [*([enough] if enough else more_parts[-1:]), {"gradient_checkpointing": True}]
        if self.device.kind.type == "cuda":
            changes.append({"optimizer": "adamw_8bit"})
        if settings.lora is None:
            changes.append({"optimizer": "adafactor"})
        changes = [change for change in changes if settings.model_copy(update=change) != settings]
        remedies = [remedy(change) for change in changes]
        together = accumulate(changes, operator.or_)
        next(together, None)
        while not any(each.fits for each in remedies) and (change := next(together, None)):
            remedies.append(remedy(change))
        return remedies


def _assumptions(
    config: RunConfig, arms: Sequence[ResolvedArm], device: PlannedDevice, rows: int | None
) -> Iterator[str]:
    yield "Batches are those of a sample of the training corpus; switched sentences count as the plain ones."
    if any(pair.monolingual for pair in config.pairs):
        yield "Monolingual sentences are taken to be as long as the pairs', or without pairs, as the validation set's."
    if any(arm.reverse is not None for arm in arms):
        yield "Back-translations are taken to be about as long as the sources of the pairs; making them is not counted."
    if given := [arm.name for arm in config.arms if arm.outputs]:
        yield f"Nothing is trained for {', '.join(given)}, whose outputs are given."
    if rows is not None:
        yield f"The vocabulary is trimmed (model.trim) to about {rows:,} rows, from {SAMPLED_FOR_PIECES:,} pairs."
    share = ALLOCATOR_SHARE[device.kind.type]
    yield f"The allocator holds {share:.0%} more than the most that is in use, weights and optimizer excepted."
    if device.at_hand:
        yield f"Speed is that of {MEASURED_UPDATES} updates here, with nothing else running beside them."
    else:
        yield f"CUDA and its libraries hold {GPU_CONTEXT_GB:g} GB; training.precision: auto is bf16."


HEADER = (
    *("pair", "arm", "stage", "updates", "weights", "gradients", "optimizer", "activations"),
    *("allocator", "base", "peak", "tokens/s", "hours"),
)


def plan_cells(stage: StagePlan) -> tuple[str, ...]:
    """A row of the table, for people, under `HEADER`; memory in GB."""
    sizes = (f"{size:.2f}" for size in astuple(stage.memory))
    speed = "–" if stage.tokens_per_second is None else f"{stage.tokens_per_second:,.0f}"
    hours = "–" if stage.hours is None else f"{stage.hours:.2f}"
    return (stage.pair, stage.arm, stage.stage, f"{stage.updates:,}", *sizes, speed, hours)


def verdicts(planned: Plan) -> Iterator[str]:
    """What does not fit and what would make it fit, a sentence a line."""
    together = f" for {planned.jobs} trainings side by side" if planned.jobs > 1 else ""
    for stage in planned.stages:
        if stage.fits:
            continue
        yield (
            f"{stage.pair}/{stage.arm}/{stage.stage} does not fit: {stage.memory.peak_gb:.1f} GB of "
            f"{planned.memory_gb:.1f} GB{together}."
        )
        for remedy in stage.remedies:
            settings = " ".join(f"--set {setting}" for setting in remedy.settings)
            yield f"  {settings}: {remedy.peak_gb:.1f} GB, {'fits' if remedy.fits else 'does not fit'}"
        if not any(remedy.fits for remedy in stage.remedies):
            yield "  None of this is enough: use a smaller model, or a device with more memory."
