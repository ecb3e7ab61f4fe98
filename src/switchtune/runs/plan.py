"""What a run will take, before anything is loaded: memory, tokens a second and hours of every stage of every arm.

Weights are never read. Memory and arithmetic come from the model itself on tensors that hold nothing
(`training/footprint.py`); lengths and padding from a sample of the training corpus, cut into batches as the training
cuts them; speed from a short measurement on the device at hand, or from the data sheet of a named graphics card.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import accumulate, count, islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.compute as pc
from numpy.typing import NDArray
from transformers import PretrainedConfig

from switchtune.config.pretrain import FamilyName
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.read import Corpus, read_corpus, read_lines
from switchtune.examples import Example
from switchtune.models.families import Layout
from switchtune.models.load import load_layout, model_config, parameter_count, random_model
from switchtune.models.trim import may_pay, pays, survey
from switchtune.recipes import RECIPES, Stage, stage_updates
from switchtune.runs.workers import jobs_for
from switchtune.training.batches import epoch_batches
from switchtune.training.devices import (
    BANDWIDTH_SHARE,
    GB,
    GPU_ALLOCATOR_SHARE,
    GPU_CONTEXT_BYTES,
    MATRIX_SHARE,
    SECONDS_PER_CALL,
    Device,
    Gpu,
    Rates,
    allocator_bytes,
    assumed_seconds,
    device_at_hand,
    gpu_named,
    measure_rates,
    measured_seconds,
    named_device,
    with_layers,
)
from switchtune.training.footprint import BatchShape, Footprint, Load, Precision, footprint
from switchtune.training.optimizers import choose_optimizer

SAMPLE = 2000
"""Pairs of a corpus whose tokens are counted, evenly spaced."""

LONGEST = 64
"""Pairs counted beside them: those with the most characters, for they make the heaviest batches."""

EVALUATION_SHARE = 1 / 3
"""Time of a sentence in an evaluation, as a share of its time in training: forward, and not backward."""

PIECES_SAMPLE = 50_000
"""Pairs of a corpus that are searched for the pieces of a trimmed vocabulary."""

MOST_EXAMPLES = 50_000
"""Examples that are cut into batches to see what batches look like; the sample is repeated up to here."""


@dataclass(frozen=True, eq=False)
class SideLengths:
    """Tokens of examples as the model takes them."""

    source: NDArray[np.int64]
    """(examples,) of the encoder input."""
    target: NDArray[np.int64]
    """(examples,) of the labels."""
    seconds_per_example: float
    """What encoding took."""


@dataclass(frozen=True, slots=True)
class Batches:
    """What the batches of a stage look like; each is one part of an update."""

    typical: BatchShape
    heaviest: tuple[BatchShape, ...]
    """Candidates for the one that needs the most memory."""
    sentences: float
    """Mean of a batch."""
    padded_tokens: float
    """Mean of a batch, both sides."""
    target_tokens: float
    """Mean of a batch, padding not counted."""
    padding_share: float
    """Share of the tokens of both sides that are padding."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of settings, and what it makes of the peak."""

    settings: tuple[str, ...]
    """As `--set` takes them."""
    peak: float
    """Bytes."""
    fits: bool


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What one stage of one arm on one pair will take."""

    pair: str
    arm: str
    stage: str
    updates: int
    batches: Batches
    load: Load
    """At the heaviest batch."""
    needs: Footprint
    base: float
    """Bytes that the process holds beside its tensors."""
    allocator: float
    """Bytes that the allocator holds beyond what is in use."""
    peak: float
    """Bytes, of all that is held."""
    fits: bool
    remedies: tuple[Remedy, ...]
    """Where it does not fit: changes of the settings one by one, and together where none is enough."""
    seconds_per_update: float
    """Evaluations on the validation set not counted."""
    tokens_per_second: float
    """Target tokens, padding not counted, as in the training's curve."""
    sentences_per_second: float
    hours: float
    """Of one training of this stage, evaluations included."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will take."""

    device: Device
    measured: bool
    """Whether speed was measured on the device at hand; otherwise it is assumed of a named card."""
    jobs: int
    """Trainings side by side."""
    seeds: int
    parameters: int
    rows: int | None
    """Of the trimmed vocabulary; None where it stays whole."""
    adapters: bool
    """Whether an arm trains adapters (LoRA), which are not planned: its figures are those of training all weights."""
    stages: tuple[StagePlan, ...]

    @property
    def hours(self) -> float:
        """Of all trainings; translating the test sets and building lexicons are not counted."""
        return sum(stage.hours for stage in self.stages) * self.seeds / self.jobs


def plan(config: RunConfig, *, gpu: str | None = None) -> Plan:
    """What a run will take on the device at hand, or on the graphics card of that name.

    Raises:
        UsageError: the card is not known, or does not compute in the precision that the settings ask for.
        SwitchtuneError: the model's configuration or tokenizer cannot be had, or a corpus cannot be read.
    """
    card = None if gpu is None else gpu_named(gpu)
    layout = load_layout(config.model.name)
    device = device_at_hand() if card is None else named_device(card)
    jobs = (
        jobs_for(
            config.jobs,
            len(config.pairs) * len(config.recipes) * len(config.seeds),
            partial(parameter_count, config.model.name),
        )
        if card is None
        else 1
    )
    with tempfile.TemporaryDirectory() as cache:
        corpora = {}
        for pair in config.pairs:
            read = partial(read_corpus, columns=pair.columns, cache_dir=Path(cache))
            train = read(pair.train, pair.source, pair.target, limit=pair.limit)
            corpora[pair] = (train, read(pair.valid, pair.source, pair.target))
        rows = rows_kept(config, corpora)
        planner = _Planner(config, layout, device, card, jobs, rows)
        stages = [
            stage for pair, (train, valid) in corpora.items() for stage in planner.stages(pair, train, len(valid))
        ]
    return Plan(
        device=device,
        measured=card is None,
        jobs=jobs,
        seeds=len(config.seeds),
        parameters=stages[0].needs.parameters,
        rows=rows,
        adapters=any(config.training_of(arm).lora is not None for arm in config.recipes),
        stages=tuple(stages),
    )


def rows_kept(config: RunConfig, corpora: Mapping[PairSettings, tuple[Corpus, Corpus]]) -> int | None:
    """About how many rows the vocabulary has once it is trimmed; None where it stays whole.

    The pieces are those of `PIECES_SAMPLE` pairs of each corpus: what the rest and the lexicon need beside them is
    little, for all characters of the languages' scripts stay in any case.
    """
    model = config.model
    if model.trim == "off" or (model.trim == "auto" and not may_pay(model.name)):
        return None
    texts: dict[str, list[str]] = {path: read_lines(Path(path)) for path in model.text}
    for pair, parts in corpora.items():
        for number, corpus in enumerate(parts):
            sample = corpus.limited(PIECES_SAMPLE)
            texts |= {f"{pair.name}.{number}.0": sample.sources(), f"{pair.name}.{number}.1": sample.targets()}
    languages = sorted({language for pair in corpora for language in (pair.source, pair.target)})
    need = survey(model.name, texts, languages)
    return len(need.ids) if model.trim == "on" or pays(need) else None


def load_of(settings: TrainingSettings, family: FamilyName, batch: BatchShape, device: Device) -> Load:
    """How a part of an update is computed by these settings."""
    # Paged or not, the 8-bit states are as large; those of few adapters are counted as if all weights were trained.
    optimizer = choose_optimizer(settings, family).name
    precision: Precision = settings.precision if settings.precision != "auto" else "bf16" if device.bf16 else "fp32"
    return Load(
        batch,
        parts=settings.accumulation,
        precision=precision,
        checkpointing=settings.gradient_checkpointing,
        optimizer="adamw_8bit" if optimizer == "paged_adamw_8bit" else optimizer,
        label_smoothing=settings.label_smoothing,
        gpu=device.gpu,
    )


class _Planner:
    """Plans the stages of one run; what two of them share is found once."""

    def __init__(
        self, config: RunConfig, layout: Layout, device: Device, card: Gpu | None, jobs: int, rows: int | None
    ) -> None:
        self._config = config
        self._layout = layout
        self._device = device
        self._card = card
        self._jobs = jobs
        self._rows = rows
        self._footprints: dict[tuple[TrainingSettings, Load], Footprint] = {}
        self._rates: dict[Load, Rates] = {}
        self._work: dict[tuple[PairSettings, int, TrainingSettings], tuple[Batches, Load, float]] = {}

    def stages(self, pair: PairSettings, train: Corpus, valid_pairs: int) -> Iterator[StagePlan]:
        """The stages of all arms on a pair."""
        for arm in self._config.recipes:
            settings = self._config.training_of(arm)
            recipe = RECIPES[arm.recipe]
            for stage, updates in zip(
                recipe.stages, stage_updates(recipe, settings.updates, settings.restore_share), strict=True
            ):
                yield self._stage(pair, arm.name, stage, updates, settings, train, valid_pairs)

    def _stage(
        self,
        pair: PairSettings,
        arm: str,
        stage: Stage,
        updates: int,
        settings: TrainingSettings,
        train: Corpus,
        valid_pairs: int,
    ) -> StagePlan:
        sides = 2 if stage.examples == "restore" else 1
        key = (pair, sides, settings)
        if key not in self._work:
            self._work[key] = self._work_of(stage, settings, train, sides * len(train))
        batches, load, encoding = self._work[key]
        needs = self._needs(settings, load)
        peak = self._peak(needs)
        fits = self._fits(peak)
        typical = replace(load, batch=batches.typical)
        compute = self._seconds(settings, typical, self._needs(settings, typical))
        # A typical batch is a whole number of sentences; the mean is not.
        seconds = compute * batches.padded_tokens / batches.typical.tokens
        if settings.workers == 0 and self._card is None:
            seconds += settings.accumulation * batches.sentences * encoding
        sentences = settings.accumulation * batches.sentences / seconds
        evaluations = updates // settings.evaluate_every + 1
        evaluating = evaluations * sides * valid_pairs / sentences * EVALUATION_SHARE
        return StagePlan(
            pair=pair.name,
            arm=arm,
            stage=stage.name,
            updates=updates,
            batches=batches,
            load=load,
            needs=needs,
            base=self._device.base,
            allocator=allocator_bytes(needs, self._device),
            peak=peak,
            fits=fits,
            remedies=() if fits else self._remedies(settings, load),
            seconds_per_update=seconds,
            tokens_per_second=settings.accumulation * batches.target_tokens / seconds,
            sentences_per_second=sentences,
            hours=(updates * seconds + evaluating) / 3600,
        )

    def _work_of(
        self, stage: Stage, settings: TrainingSettings, train: Corpus, examples: int
    ) -> tuple[Batches, Load, float]:
        """The batches of a stage, the heaviest of them as a load, and the seconds that encoding an example takes."""
        lengths = sample_lengths(train, stage, self._layout, self._layout.fitting(settings.max_tokens))
        batches = batches_of(lengths, settings.tokens_per_batch // settings.accumulation, examples=examples)
        loads = [load_of(settings, self._layout.family.name, shape, self._device) for shape in batches.heaviest]
        heaviest = loads[0] if len(loads) == 1 else max(loads, key=partial(self._rough_bytes, settings))
        return batches, heaviest, lengths.seconds_per_example

    def _model_config(self, settings: TrainingSettings) -> PretrainedConfig:
        config = model_config(
            self._config.model.name, dropout=settings.dropout, attention_dropout=settings.attention_dropout
        )
        if self._rows is not None:
            config.vocab_size = self._rows
        return config

    def _needs(self, settings: TrainingSettings, load: Load) -> Footprint:
        key = (settings, load)
        if key not in self._footprints:
            config = self._model_config(settings)
            self._footprints[key] = footprint(lambda: random_model(config, seed=0), load)
        return self._footprints[key]

    def _rough_bytes(self, settings: TrainingSettings, load: Load) -> float:
        """What a batch needs, from a model of one layer a side: enough to tell which batch needs the most."""
        config = self._model_config(settings)
        thin = footprint(lambda: random_model(with_layers(config, 1), seed=0), load)
        return float(thin.activations * config.num_hidden_layers + thin.loss)

    def _peak(self, needs: Footprint) -> float:
        return needs.peak + allocator_bytes(needs, self._device) + self._device.base

    def _fits(self, peak: float) -> bool:
        return peak * self._jobs <= self._device.memory

    def _seconds(self, settings: TrainingSettings, load: Load, needs: Footprint) -> float:
        if self._card is not None:
            return assumed_seconds(needs, self._card, load.precision)
        kind = replace(load, batch=BatchShape(0, 0, 0), parts=1)
        if kind not in self._rates:
            threads = len(psutil.Process().cpu_affinity() or [0]) // self._jobs if self._jobs > 1 else None
            self._rates[kind] = measure_rates(self._model_config(settings), load, threads=threads)
        return measured_seconds(needs, self._rates[kind], load)

    def _remedies(self, settings: TrainingSettings, load: Load) -> tuple[Remedy, ...]:
        """Changes of the settings one by one, then, where none is enough, more and more of them together."""
        smaller = self._smaller_parts(settings, load)
        changes = [*smaller[-1:], *((change,) for change in CHANGES if change.apply(load) != load)]
        remedies = [self._remedy(change, settings, load) for change in changes]
        together = accumulate(changes, lambda before, change: (*before, *change))
        for several in islice(together, 1, None):
            if any(remedy.fits for remedy in remedies):
                break
            remedies.append(self._remedy(several, settings, load))
        return tuple(remedies)

    def _smaller_parts(self, settings: TrainingSettings, load: Load) -> list[tuple["Change"]]:
        """More and more parts of an update, up to the first number that is enough."""
        tried: list[tuple[Change]] = []
        for times in takewhile(lambda times: times <= load.batch.sentences, (2**power for power in count(1))):
            tried.append((_in_parts(settings.accumulation, times),))
            if self._remedy(tried[-1], settings, load).fits:
                break
        return tried

    def _remedy(self, changes: Sequence["Change"], settings: TrainingSettings, load: Load) -> Remedy:
        for change in changes:
            load = change.apply(load)
        peak = self._peak(self._needs(settings, load))
        return Remedy(tuple(change.setting for change in changes), peak, self._fits(peak))


@dataclass(frozen=True)
class Change:
    """A setting that makes a training need less memory."""

    setting: str
    """As `--set` takes it."""
    apply: Callable[[Load], Load]


CHANGES = (
    Change("training.gradient_checkpointing=true", lambda load: replace(load, checkpointing=True)),
    Change("training.optimizer=adamw_8bit", lambda load: replace(load, optimizer="adamw_8bit")),
    Change("training.optimizer=adafactor", lambda load: replace(load, optimizer="adafactor")),
)
"""Beside smaller parts of an update; in the order in which they are proposed."""


def _in_parts(parts: int, times: int) -> Change:
    """Have an update computed in so many times as many parts, each of them so much smaller."""

    def apply(load: Load) -> Load:
        batch = replace(load.batch, sentences=-(-load.batch.sentences // times))
        return replace(load, parts=parts * times, batch=batch)

    return Change(f"training.accumulation={parts * times}", apply)


def sample_lengths(corpus: Corpus, stage: Stage, layout: Layout, max_tokens: int) -> SideLengths:
    """Tokens of `SAMPLE` pairs of a corpus, and of those with the most characters, which stand at the end.

    In a stage that restores, both sides of a pair are examples; their words are counted as they stand, for there is no
    lexicon yet, and switched sentences are about as long.
    """
    columns = [corpus.table.column(name) for name in ("source", "target")]
    characters = np.maximum(*(pc.utf8_length(column).to_numpy() for column in columns))
    evenly = np.linspace(0, len(corpus) - 1, min(SAMPLE, len(corpus))).round().astype(int)
    rows = [*evenly.tolist(), *np.argsort(characters, kind="stable")[-LONGEST:].tolist()]
    languages = (corpus.source_language, corpus.target_language)
    examples = []
    for row in rows:
        source, target = corpus[row]
        if stage.examples == "restore":
            examples += [
                Example(text, language, text, language)
                for text, language in zip((source, target), languages, strict=True)
            ]
        else:
            examples.append(Example(source, languages[0], target, languages[1]))
    begun = time.perf_counter()
    encoded = layout.batch_encode(examples, max_tokens=max_tokens)
    seconds = time.perf_counter() - begun
    return SideLengths(
        np.array([len(ids.input_ids) for ids in encoded]),
        np.array([len(ids.labels) for ids in encoded]),
        seconds / len(examples),
    )


def batches_of(lengths: SideLengths, tokens_per_batch: int, *, examples: int) -> Batches:
    """What the batches of a stage look like that has so many examples, of which `lengths` are a sample.

    The sample is repeated, for among few examples a batch holds sentences of more different lengths than among many.
    """
    wanted = max(len(lengths.source), min(examples, MOST_EXAMPLES))
    source, target = np.resize(lengths.source, wanted), np.resize(lengths.target, wanted)
    batches = epoch_batches(np.maximum(source, target), tokens_per_batch, seed=0, epoch=0, surplus=source - target)
    shapes = [BatchShape(len(batch), int(source[batch].max()), int(target[batch].max())) for batch in batches]
    padded_source = sum(shape.sentences * shape.source_tokens for shape in shapes)
    padded_target = sum(shape.sentences * shape.target_tokens for shape in shapes)
    typical = BatchShape(
        max(1, round(wanted / len(shapes))), round(padded_source / wanted), round(padded_target / wanted)
    )
    weights: tuple[Callable[[BatchShape], int], ...] = (
        lambda shape: shape.tokens,
        lambda shape: shape.sentences * shape.target_tokens,
        lambda shape: shape.sentences * (shape.source_tokens + shape.target_tokens) ** 2,
    )
    return Batches(
        typical=typical,
        heaviest=tuple(dict.fromkeys(max(shapes, key=weight) for weight in weights)),
        sentences=wanted / len(shapes),
        padded_tokens=(padded_source + padded_target) / len(shapes),
        target_tokens=int(target.sum()) / len(shapes),
        padding_share=1 - int(source.sum() + target.sum()) / (padded_source + padded_target),
    )


def plan_record(planned: Plan) -> dict[str, Any]:
    """A plan for JSON; the unit of each figure is in its name."""
    return {
        "device": planned.device.name,
        "memory_gb": _gb(planned.device.memory),
        "speed": "measured on this device" if planned.measured else "assumed",
        "assumptions": list(assumptions(planned)),
        "parameters": planned.parameters,
        "rows_after_trimming": planned.rows,
        "jobs": planned.jobs,
        "seeds": planned.seeds,
        "hours": planned.hours,
        "stages": [_stage_record(stage) for stage in planned.stages],
    }


def _stage_record(stage: StagePlan) -> dict[str, Any]:
    return {
        "pair": stage.pair,
        "arm": stage.arm,
        "stage": stage.stage,
        "updates": stage.updates,
        "parts": stage.load.parts,
        "precision": stage.load.precision,
        "sentences_per_part": stage.batches.sentences,
        "padded_tokens_per_part": stage.batches.padded_tokens,
        "padding_share": stage.batches.padding_share,
        "heaviest_part": asdict(stage.load.batch),
        "weights_gb": _gb(stage.needs.weights),
        "gradients_gb": _gb(stage.needs.gradients),
        "optimizer_gb": _gb(stage.needs.optimizer),
        "activations_gb": _gb(stage.needs.activations),
        "loss_gb": _gb(stage.needs.loss),
        "base_gb": _gb(stage.base),
        "allocator_gb": _gb(stage.allocator),
        "peak_gb": _gb(stage.peak),
        "fits": stage.fits,
        "remedies": [
            {"settings": list(remedy.settings), "peak_gb": _gb(remedy.peak), "fits": remedy.fits}
            for remedy in stage.remedies
        ],
        "seconds_per_update": stage.seconds_per_update,
        "tokens_per_second": stage.tokens_per_second,
        "sentences_per_second": stage.sentences_per_second,
        "hours": stage.hours,
    }


def _gb(size: float) -> float:
    return round(size / GB, 6)


def assumptions(planned: Plan) -> tuple[str, ...]:
    """What the figures rest on that was not found out, a sentence each."""
    said = [
        "Batches are those of a sample of the training corpus; switched sentences count as the plain ones.",
        "Kinds of memory are each at their largest; the peak is less than their sum, for gradients come as activations "
        "go.",
    ]
    if planned.rows is not None:
        said.append(
            f"The vocabulary is trimmed (model.trim) to about {planned.rows:,} rows, from {PIECES_SAMPLE:,} pairs."
        )
    if planned.adapters:
        said.append("Adapters (training.lora) are not planned: the figures are those of training all weights.")
    if planned.device.gpu:
        said.append(
            f"Base: {GPU_CONTEXT_BYTES / GB:g} GB of CUDA and its libraries. Allocator: {GPU_ALLOCATOR_SHARE:.0%} of "
            "all but weights and optimizer."
        )
    else:
        said.append(
            "Base: this process with its libraries and the corpora. Allocator: as measured with the C library of Linux."
        )
    if not planned.measured:
        said.append(
            f"Speed: matrix products at {MATRIX_SHARE:.0%} of the card's dense rate, all else at {BANDWIDTH_SHARE:.0%} "
            f"of its memory's, no operation started in less than {SECONDS_PER_CALL * 1e6:g} microseconds. Batches are "
            "ready in time (training.workers)."
        )
    return tuple(said)


HEADER = (
    "pair",
    "arm",
    "stage",
    "updates",
    "weights",
    "gradients",
    "optimizer",
    "activations",
    "loss",
    "allocator",
    "base",
    "peak",
    "tokens/s",
    "sentences/s",
    "hours",
)


def cells(stage: StagePlan) -> tuple[str, ...]:
    """A row of the table, for people, under `HEADER`; memory in GB."""
    needs = stage.needs
    kinds = (needs.weights, needs.gradients, needs.optimizer, needs.activations, needs.loss)
    sizes = (*kinds, stage.allocator, stage.base, stage.peak)
    return (
        stage.pair,
        stage.arm,
        stage.stage,
        f"{stage.updates:,}",
        *(f"{size / GB:.2f}" for size in sizes),
        f"{stage.tokens_per_second:,.0f}",
        f"{stage.sentences_per_second:,.0f}",
        f"{stage.hours:.2f}",
    )


def verdicts(planned: Plan) -> tuple[str, ...]:
    """What is to be thought of a plan, a sentence or two a line: what does not fit and what would make it fit."""
    memory = f"{planned.device.memory / GB:.1f} GB"
    each = f" for {planned.jobs} trainings side by side" if planned.jobs > 1 else ""
    lines = []
    for stage in planned.stages:
        if stage.fits:
            continue
        name = f"{stage.pair}/{stage.arm}/{stage.stage}"
        lines.append(f"{name} does not fit: {stage.peak / GB:.1f} GB of {memory}{each}.")
        for remedy in stage.remedies:
            settings = " ".join(f"--set {setting}" for setting in remedy.settings)
            lines.append(f"  {settings}: {remedy.peak / GB:.1f} GB, {'fits' if remedy.fits else 'does not fit'}")
        if not any(remedy.fits for remedy in stage.remedies):
            lines.append("  Nothing of this is enough: take a smaller model, or a device with more memory.")
    return tuple(lines)
