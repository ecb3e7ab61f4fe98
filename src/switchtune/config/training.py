"""How a stage is trained, and how outputs are searched."""

from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from switchtune.config.base import (
    AtOnce,
    BatchTokens,
    BelowOne,
    Decay,
    LanguageCode,
    LearningRate,
    Processes,
    Rows,
    Settings,
    Share,
    Tokens,
    Updates,
    Warmup,
)
from switchtune.languages import language_named

OptimizerName: TypeAlias = Literal["auto", "adamw", "adafactor", "adamw_8bit", "paged_adamw_8bit"]
Schedule: TypeAlias = Literal["linear", "inverse_sqrt", "constant"]
Engine: TypeAlias = Literal["transformers", "ct2"]
ComputeType: TypeAlias = Literal["float32", "float16", "bfloat16", "int8"]


class LoraSettings(Settings):
    """Low-rank adapters (LoRA): small trained matrices beside the projections, whose own weights stay as they are.

    At the end of a stage the adapters are merged into the weights: a plain model is saved, and the next stage starts
    with new adapters. Embeddings are not trained, except the rows of added languages (`model.add`) and of their
    characters.
    """

    rank: int = Field(16, ge=1, le=4096)
    """Rank of the matrices."""
    alpha: int = Field(32, ge=1, le=65_536)
    """Numerator of alpha / rank, the factor by which an adapter's output is scaled."""
    dropout: BelowOne = 0.05
    """Dropout on an adapter's input."""
    targets: Literal["auto"] | tuple[str, ...] = "auto"
    """Names of the layers that get adapters; `auto`: all projections of attention and feed-forward."""


class TrainingSettings(Settings):
    """How a model is trained; each stage of a recipe uses the same settings with its own share of the updates."""

    updates: Updates = 30_000
    """Total optimizer updates, over all stages of a recipe."""
    restore_share: float = Field(1 / 6, gt=0, lt=1)
    """Share of the updates given to stage 1 if a recipe has one (the paper: 5k of 30k)."""
    tokens_per_batch: BatchTokens = 4096
    """Budget of one update: sentences × tokens of the longest side, over all accumulation parts and processes."""
    accumulation: AtOnce = 1
    """Gradient accumulation: parts of about equal cost in which a process computes its share of an update's batch."""
    max_tokens: int = Field(256, ge=8, le=100_000)
    """Longest side of an example, in tokens, within the model's positions; longer sides are cut and counted."""
    lr: LearningRate | None = None
    """Peak learning rate; null: 3e-5 with Adam (T5s 3e-4), with LoRA ten times that (T5s 1e-3), 1e-3 with Adafactor,
    whose steps are in proportion to the size of the weights."""
    warmup: Warmup = 2500
    """Warm-up: a number of updates or, below 1, a share of a stage's updates; at most what `warmup_cap` allows."""
    warmup_cap: Share = 0.1
    """Largest share of a stage's updates that its warm-up may take; 1 allows a warm-up of any length."""
    schedule: Schedule = "linear"
    """Learning rate after the warm-up; `linear` falls to zero."""
    dropout: BelowOne | None = 0.3
    """Dropout of the model; null keeps the model's own."""
    attention_dropout: BelowOne | None = 0.1
    """Dropout of attention weights; null keeps the model's own (T5s have only one dropout)."""
    label_smoothing: BelowOne = 0.2
    """ε of label smoothing, spread over the whole vocabulary."""
    weight_decay: Decay = 0.0
    adam_betas: tuple[BelowOne, BelowOne] = (0.9, 0.98)
    adam_epsilon: float = Field(1e-6, ge=1e-30, le=1)
    clip_norm: float = Field(1.0, ge=0, le=1e9)
    """Largest norm of the gradient; 0: no clipping."""
    evaluate_every: Updates = 500
    """Updates between two evaluations on the validation set."""
    checkpoint_every: Updates = 500
    """Updates between two checkpoints."""
    checkpoint_minutes: float | None = Field(10.0, gt=0, le=10_080)
    """Minutes since the last checkpoint after which another is written in between; null: by updates alone. It is only
    for resuming: `keep`, `average` and `snapshots` use those of `checkpoint_every`."""
    keep: Literal["last", "best"] = "last"
    """Weights that a stage hands on: the last, or those that validate best (among its checkpoints and what it starts
    from)."""
    best_by: Literal["loss", "chrf"] = "loss"
    """Criterion of `keep: best` and `patience`: the validation loss, or chrF++ of greedy outputs, at evaluations."""
    valid_sentences: Rows = 500
    """Validation examples whose outputs are scored when `best_by` is chrf."""
    average: AtOnce = 1
    """Number of last checkpoints of a stage whose mean weights it hands on."""
    snapshots: bool = False
    """Keep the weights of every checkpoint after a stage, for `switchtune analyse`: BLEU and distance over updates, at
    the checkpoints that coincide with an evaluation."""
    patience: Updates | None = None
    """Evaluations in a row without improvement after which a stage ends; for `train` only, as `run` compares arms at
    equal updates."""
    least_updates: int = Field(0, ge=0, le=10**8)
    """Updates that a stage makes before `patience` may end it."""
    sharding: Literal["auto", "ddp", "fsdp"] = "auto"
    """With several processes: `ddp` keeps the whole model in each, `fsdp` a share; `auto`: fsdp if memory requires
    it."""
    optimizer: OptimizerName = "auto"
    """`auto`: Adafactor for T5s (mT5, …), which were pretrained with it, AdamW for all others and for LoRA. The 8-bit
    ones need an NVIDIA GPU and keep their state in a quarter of the memory, except for embeddings (paged: in main
    memory when the GPU has none left)."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number type to compute in; weights are fp32. `auto`: bf16 on a GPU that supports it, else fp32. `fp16`: on a GPU
    only, and not for T5s."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    """Implementation of attention during training; `auto`: PyTorch's own (sdpa)."""
    gradient_checkpointing: bool = False
    """Recompute what is inside the layers instead of keeping it: less memory, more time, the same result."""
    compile: bool = False
    """Compile the layers with torch.compile: takes minutes at the start; measure whether updates are faster
    afterwards."""
    lora: LoraSettings | None = None
    """Train low-rank adapters instead of all weights; null trains all."""
    workers: Processes = 0
    """Processes that prepare batches (forked, so not on Windows); 0 prepares them in the training process."""
    report_to: tuple[str, ...] = ()
    """Trackers of accelerate (tensorboard, wandb, mlflow, trackio)."""

    @field_validator("schedule", mode="before")
    @classmethod
    def _formerly_polynomial(cls, schedule: Any) -> Any:
        return "linear" if schedule == "polynomial" else schedule

    @model_validator(mode="after")
    def _decides_something(self) -> "TrainingSettings":
        if self.average > 1 and self.keep == "best":
            raise ValueError("average: the last checkpoints are averaged, and keep is best; choose one")
        if self.average > 1 and self.lora is not None:
            raise ValueError("average: the mean of adapters is not the mean of what they add; leave it out, or lora")
        if self.snapshots and self.lora is not None:
            raise ValueError("snapshots: checkpoints of adapters are not models; leave it out, or lora")
        if self.best_by == "chrf" and self.keep == "last" and self.patience is None:
            raise ValueError("best_by: chrf has no effect without keep: best or patience")
        if self.least_updates and self.patience is None:
            raise ValueError("least_updates has no effect without patience")
        return self

    @property
    def dropouts(self) -> dict[str, Any]:
        """As keywords of whatever loads a model."""
        return {"dropout": self.dropout, "attention_dropout": self.attention_dropout}

    @property
    def decisive(self) -> dict[str, Any]:
        """Values, as JSON, that decide which weights a stage of a given number of updates hands on."""
        fields = set(_WITHOUT_EFFECT)
        if self.patience is None:
            fields.add("evaluate_every")
        if self.keep == "last" and self.average == 1:
            fields.add("checkpoint_every")
        if self.best_by == "loss":
            fields.add("valid_sentences")
        values = self.model_dump(mode="json", exclude=fields)
        # What earlier versions trained stands: by the schedule's former name, and without what they did not have.
        if self.warmup_cap == TrainingSettings.model_fields["warmup_cap"].default:
            del values["warmup_cap"]
        return values | {"schedule": "polynomial" if self.schedule == "linear" else self.schedule}

    @property
    def course(self) -> dict[str, Any]:
        """Those of the decisive values that decide the weights after each update; others choose among them."""
        return {name: value for name, value in self.decisive.items() if name not in _CHOOSING}


_WITHOUT_EFFECT = frozenset(
    [
        *("workers", "report_to", "sharding", "gradient_checkpointing", "snapshots", "checkpoint_minutes"),
        *("updates", "restore_share"),
    ]
)
"""The last two reach a stage as its own number of updates."""
_CHOOSING = frozenset(
    "keep best_by valid_sentences average patience least_updates evaluate_every checkpoint_every".split()
)


class ClassificationSettings(Settings):
    """The stage that trains the classifier (paper 5.5)."""

    batch: int = Field(128, ge=1, le=100_000)
    """Examples per update, over all accumulation parts."""
    accumulation: AtOnce = 1
    """Gradient accumulation: parts in which an update's batch is computed."""
    max_tokens: int = Field(128, ge=16, le=100_000)
    """Longest premise and hypothesis together, in tokens; longer ones are cut at the end and counted."""
    lr: LearningRate = 5e-6
    """Peak learning rate of AdamW."""
    warmup: Warmup = 0.06
    """Warm-up: a number of updates or, below 1, a share of the stage's; at most what `training.warmup_cap` allows. Then
    the learning rate falls linearly to zero."""
    dropout: BelowOne | None = 0.1
    """Dropout of the model; null keeps its own. Encoder-only models keep theirs."""
    weight_decay: Decay = 0.0
    evaluate_every: Updates = 500
    """Updates between two evaluations on the validation set, each with a checkpoint. The best weights are kept."""
    patience: Updates | None = 5
    """Evaluations without better accuracy after which training ends; null continues to the last update."""


class BackTranslationSettings(Settings):
    """The reverse model of the recipes bt and csr+bt, and its translations of monolingual text."""

    updates_share: float = Field(2 / 3, gt=0, le=100)
    """Updates of the reverse model, as a share of `training.updates`."""
    rounds: int = Field(1, ge=1, le=10)
    """Rounds of learning from back-translations: with 2, the reverse model itself learns from back-translations of
    source-language text, made by a third model, and so on. Each starts afresh from the pretrained model."""
    within: bool = False
    """Whether these updates are taken out of the arm's own, so that in total it costs as many as the others."""
    beams: AtOnce = 1
    """Beam size for these translations; 1 is greedy."""
    engine: Literal["auto"] | Engine = "auto"
    """Program that translates; `auto`: CTranslate2 if it is installed and there is no GPU, else transformers."""

    @model_validator(mode="after")
    def _leaves_some(self) -> "BackTranslationSettings":
        if self.within and self.updates_share >= 1:
            raise ValueError("updates_share: with within: true the arm has no updates left; give less than 1")
        return self

    @property
    def decisive(self) -> dict[str, Any]:
        """Values, as JSON, that decide what the translations by a given reverse model are."""
        return self.model_dump(mode="json", include={"beams", "engine"})


class GenerationSettings(Settings):
    """Beam search."""

    beams: AtOnce = 5
    tokens_per_batch: BatchTokens = 4096
    """Budget of a batch, in source tokens, padding included."""
    max_length_ratio: float = Field(1.5, gt=0, le=100)
    """Longest output = ratio × source tokens + max_length_extra."""
    max_length_extra: Tokens = 10
    max_length: Tokens | None = None
    """Longest output in tokens, whatever the source's length."""
    max_length_of: dict[LanguageCode, Tokens] = Field(default_factory=dict)
    """Longest output in single target languages: {zh: 160}."""
    length_penalty: float = Field(1.0, ge=-10, le=10)
    no_repeat_ngram: int = Field(0, ge=0, le=1000)
    """Length of token sequences that may not occur twice in an output; 0: no limit."""
    engine: Engine = "transformers"
    """Program that decodes: `transformers`, or `ct2` (CTranslate2), several times as fast on a CPU."""
    compute_type: ComputeType = "float32"
    """Type of number that `ct2` computes in."""

    @model_validator(mode="after")
    def _fits_together(self) -> "GenerationSettings":
        if self.compute_type != "float32" and self.engine != "ct2":
            raise ValueError(f"compute_type: {self.compute_type} is for engine ct2, and the engine is {self.engine}")
        return self

    @property
    def search(self) -> dict[str, float | None]:
        """What transformers' `GenerationConfig` is to know of the search; it refuses a penalty without beams."""
        return {
            "num_beams": self.beams,
            "length_penalty": self.length_penalty if self.beams > 1 else None,
            "no_repeat_ngram_size": self.no_repeat_ngram or None,
        }

    def fixed_length(self, target_language: str) -> int | None:
        """Longest output in a language, in tokens, where it does not depend on the source."""
        language = language_named(target_language)  # none bears the name of a language that was added to a model
        return self.max_length_of.get(language.code, self.max_length) if language else self.max_length

    def longest_output(self, source_tokens: int, target_language: str) -> int:
        """Longest output for a source, in tokens."""
        fixed = self.fixed_length(target_language)
        return int(self.max_length_ratio * source_tokens) + self.max_length_extra if fixed is None else fixed
