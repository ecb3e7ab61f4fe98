"""The YAML file as pydantic models. An unknown key is an error that names the nearest known one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from itertools import chain
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeAlias, TypeVar, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from switchtune.errors import SwitchtuneError, UsageError, nearest
from switchtune.files import broken_link, instead_of_file
from switchtune.languages import find_language, language_named

FamilyName: TypeAlias = Literal["mbart", "mbart50", "mt5", "nllb", "m2m100"]
LexiconMethod: TypeAlias = Literal["auto", "align", "vecmap", "dictionary", "plm", "mixed"]
SwitchSource: TypeAlias = Literal["lexicon", "aligned", "random", "anti", "mask"]
MapMode: TypeAlias = Literal[
    "auto", "unsupervised", "identical", "numerals", "semi_supervised", "supervised", "orthogonal"
]
OptimizerName: TypeAlias = Literal["auto", "adamw", "adafactor", "adamw_8bit", "paged_adamw_8bit"]
TaskName: TypeAlias = Literal["translation", "summarization"]
RecipeName: TypeAlias = Literal["standard", "csr", "iaft", "random"]
Engine: TypeAlias = Literal["transformers", "ct2"]
ComputeType: TypeAlias = Literal["float32", "float16", "bfloat16", "int8"]

LEAST_MEAN_SPAN = 0.1
"""In words. Nearly all spans of a smaller mean are empty, and would be drawn again for ever."""


def _language_code(name: str) -> str:
    try:
        return find_language(name).code
    except SwitchtuneError as error:
        raise ValueError(str(error)) from error


LanguageCode: TypeAlias = Annotated[str, AfterValidator(_language_code)]
"""A language by any of its codes or names; kept as its short code."""


Updates: TypeAlias = Annotated[int, Field(ge=1, le=10**8)]
Rows: TypeAlias = Annotated[int, Field(ge=1, le=10**9)]
Tokens: TypeAlias = Annotated[int, Field(ge=1, le=100_000)]
"""Of one text."""
BatchTokens: TypeAlias = Annotated[int, Field(ge=16, le=10**8)]
AtOnce: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
"""Beams, translations of a word, parts of a batch, checkpoints."""
Processes: TypeAlias = Annotated[int, Field(ge=0, le=256)]
Layers: TypeAlias = Annotated[int, Field(ge=1, le=100)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
"""Processes and second builds add to it, and numpy takes 32 bits."""
LearningRate: TypeAlias = Annotated[float, Field(gt=0, le=10)]
Warmup: TypeAlias = Annotated[float, Field(ge=0, le=10**8)]
Decay: TypeAlias = Annotated[float, Field(ge=0, le=10)]
BelowOne: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
MeanSpan: TypeAlias = Annotated[float, Field(ge=LEAST_MEAN_SPAN, le=1000)]
Weight: TypeAlias = Annotated[float, Field(ge=1e-6, le=1e6)]

_LONGEST_LIST = 1000
_MOST_TRAININGS = 10_000


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        raise ValueError(f"{name!r} cannot name a folder: letters, digits, '.', '_' and '-' only, 100 at most")
    return name


FolderName: TypeAlias = Annotated[str, AfterValidator(_folder_name)]


class Settings(BaseModel):
    """Base of every block: unknown keys are refused, values do not change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        str_min_length=1,
        str_max_length=4096,
    )


_Block = TypeVar("_Block", bound=Settings)


class DictionarySettings(Settings):
    """A bilingual dictionary of one's own."""

    path: str
    """MUSE format or TSV, of either direction; any compression."""
    weight: Weight = 1.0
    """Where several give translations of a word."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


class BlockSettings(Settings):
    """What a lexicon is not to hold."""

    numbers: bool = True
    """Words of digits: they are the same in all languages."""
    identical: bool = False
    """Translations that are the word itself, as most names are; switching never draws them in any case."""
    words: str | None = None
    """File of words, one a line, which no entry may have on either side."""


class LexiconSettings(Settings):
    """How the bilingual lexicon is built (paper 4.1)."""

    method: LexiconMethod = "auto"
    """`align`: a word aligner on sentence pairs; `vecmap`: word embeddings of each side mapped into one space (the
    paper's); `dictionary`: files; `plm`: the model's own states; `mixed`: several of them; `auto` chooses."""
    k: AtOnce = 3
    """Translations kept per word."""
    floor: Share = 0.1
    """`align`, `mixed`, `dictionary` leave out translations weaker than this share of the word's strongest; 0: none."""
    preset: Literal["small", "paper"] = "small"
    """word2vec settings of `vecmap`: `small` suits corpora under 100k pairs, `paper` is the paper's."""
    mode: MapMode = "auto"
    """What the mapping of `vecmap` begins with; `auto`: dictionaries, words written alike, or similarity profiles."""
    embeddings: tuple[str, str] | None = None
    """Word vectors of the two sides (word2vec or fastText text files) for `vecmap`, in place of word2vec."""
    dictionaries: tuple[DictionarySettings, ...] = Field((), max_length=_LONGEST_LIST)
    """For `dictionary`, `mixed`, and as the seed of `vecmap`."""
    parts: dict[Literal["align", "vecmap", "dictionary", "plm"], Weight] = Field(default_factory=dict)
    """Methods of `mixed` with their weights; by default all that can be used here, with weight 1."""
    block: BlockSettings = BlockSettings()
    """What is left out."""
    corpus: str | None = None
    """Parallel corpus to build from, where it is not the pair's training corpus."""
    columns: tuple[str, str] | None = None
    """Names of the source and target columns of `corpus`, where they are not the language codes."""
    seed: Seed = 1
    accept: bool = False
    """Go on with a lexicon that was judged red."""

    @model_validator(mode="after")
    def _fits_together(self) -> "LexiconSettings":
        if self.parts and self.method != "mixed":
            raise ValueError(f"parts are for method mixed, and the method is {self.method}")
        if self.columns and self.corpus is None:
            raise ValueError("columns are those of lexicon.corpus, which is not given; a pair has columns of its own")
        if self.embeddings and self.method not in {"vecmap", "mixed"}:
            raise ValueError(f"embeddings are for method vecmap (or mixed), and the method is {self.method}")
        if self.dictionaries and self.method in {"align", "plm"}:
            raise ValueError(f"dictionaries are not for method {self.method}: take dictionary, mixed, vecmap or auto")
        return self

    @property
    def files(self) -> list[str]:
        """Files that decide what the lexicon becomes."""
        block = [self.block.words] if self.block.words is not None else []
        return [*(dictionary.path for dictionary in self.dictionaries), *(self.embeddings or ()), *block]

    @property
    def built_from(self) -> dict[str, Any]:
        """All that decides what the lexicon becomes."""
        return self.model_dump(mode="json", exclude={"accept", "columns"})


class SwitchingSettings(Settings):
    """How words are replaced (paper 4.2)."""

    rate: Share = 0.35
    """Share of a sentence's words to replace."""
    mean_span: MeanSpan = 3.5
    """Mean of the Poisson distribution of span lengths, in words."""
    unit: Literal["word", "piece"] = "word"
    """What is replaced: words, or the model's subword pieces."""
    source: SwitchSource = "lexicon"
    """Where replacements come from: the lexicon; `aligned`: the word it is aligned to in its own sentence pair;
    `random`, `anti` (least similar) and `mask` are controls."""
    phrases: bool = False
    """With `aligned`: a span becomes its translation as a phrase, in the other language's order, where it has one."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SwitchingSettings":
        if self.source == "aligned" and self.unit == "piece":
            raise ValueError("source: aligned switches words; unit: piece does not go with it")
        if self.phrases and self.source != "aligned":
            raise ValueError("phrases: true needs source: aligned, which knows what a phrase is translated by")
        return self


class LoraSettings(Settings):
    """Low-rank adapters (LoRA): all weights stay as they are but for small matrices beside the projections.

    At the end of a stage the adapters are merged into the weights: what is saved is a plain model, and the next stage
    begins with adapters of its own on top of it. Embeddings are not trained: the row of a language that was added stays
    what its donor gave it, and rows that trimming kept stay what they were.
    """

    rank: int = Field(16, ge=1, le=4096)
    """Rank of the matrices."""
    alpha: int = Field(32, ge=1, le=65_536)
    """What an adapter adds is scaled by alpha / rank."""
    dropout: BelowOne = 0.05
    """Dropout of what goes into an adapter."""
    targets: Literal["auto"] | tuple[str, ...] = "auto"
    """Names of the layers that get adapters; `auto`: all projections of attention and feed-forward."""


class TrainingSettings(Settings):
    """One training; each stage of a recipe uses the same settings with its own share of the updates."""

    updates: Updates = 30_000
    """Total updates of the optimizer, over all stages of a recipe."""
    restore_share: float = Field(1 / 6, gt=0, lt=1)
    """Share of the updates given to stage 1 where a recipe has one (the paper: 5k of 30k)."""
    tokens_per_batch: BatchTokens = 4096
    """Budget of one update: sentences × tokens of the longest side, over all accumulation parts and processes."""
    accumulation: AtOnce = 1
    """Parts of about equal cost in which a process computes its share of an update's batch, one after the other."""
    max_tokens: int = Field(256, ge=8, le=100_000)
    """Longest side of an example, in tokens, within the model's positions; longer sides are cut and counted."""
    lr: LearningRate | None = None
    """Peak learning rate; null: 3e-5 with Adam (mT5 3e-4), with LoRA ten times that (mT5 1e-3), 1e-3 with Adafactor,
    whose steps are in proportion to the size of the weights."""
    warmup: Warmup = 2500
    """Warm-up: a number of updates, or below 1 a share of a stage's updates; capped at a tenth of the stage."""
    schedule: Literal["polynomial", "inverse_sqrt", "constant"] = "polynomial"
    """Learning rate after the warm-up; `polynomial` falls linearly to zero."""
    dropout: BelowOne | None = 0.3
    """Dropout of the model; null keeps the model's own."""
    attention_dropout: BelowOne | None = 0.1
    """Dropout of attention weights; null keeps the model's own (mT5 has only one dropout)."""
    label_smoothing: BelowOne = 0.2
    """ε of label smoothing, spread over the whole vocabulary."""
    weight_decay: Decay = 0.0
    adam_betas: tuple[BelowOne, BelowOne] = (0.9, 0.98)
    adam_epsilon: float = Field(1e-6, ge=1e-30, le=1)
    clip_norm: float = Field(1.0, ge=0, le=1e9)
    """Largest norm of the gradient; 0 does not clip."""
    evaluate_every: Updates = 500
    """Updates between two evaluations on the validation set."""
    checkpoint_every: Updates = 500
    """Updates between two checkpoints."""
    checkpoint_minutes: float | None = Field(10.0, gt=0, le=10_080)
    """A checkpoint is written too when so much time has passed since the last one; null goes by updates alone. It is
    only there to go on from: `keep`, `average` and `snapshots` know those of `checkpoint_every`."""
    keep: Literal["last", "best"] = "last"
    """Which weights a stage hands on: the last, or those that validate best (among checkpoints)."""
    best_by: Literal["loss", "chrf"] = "loss"
    """What `keep: best` and `patience` go by: the validation loss, or chrF++ of greedy outputs, at evaluations."""
    valid_sentences: Rows = 500
    """Validation examples whose outputs are scored, where `best_by` is chrf."""
    average: AtOnce = 1
    """A stage hands on the mean of the weights of its last so many checkpoints."""
    snapshots: bool = False
    """Keep the weights of every checkpoint when a stage is over, for `switchtune analyse`: BLEU and distance over
    updates, at those checkpoints that are evaluated too."""
    patience: Updates | None = None
    """End a stage after so many evaluations without a better one; `train` alone has it, as `run` compares arms at equal
    updates."""
    least_updates: int = Field(0, ge=0, le=10**8)
    """Updates of a stage before which `patience` does not end it."""
    sharding: Literal["auto", "ddp", "fsdp"] = "auto"
    """With several processes: `ddp` has the whole model in each, `fsdp` a share; `auto`: fsdp where memory wants it."""
    optimizer: OptimizerName = "auto"
    """`auto`: Adafactor for mT5, as it was pretrained, AdamW for all others and for LoRA. The 8-bit ones keep their
    state in a quarter of the memory, but for embeddings (paged: in main memory where the GPU has none left); NVIDIA."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """What is computed in; weights are fp32. `auto`: bf16 on a GPU that has it, else fp32. fp16: on a GPU, not mT5."""
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    """Implementation of attention during the training; `auto`: PyTorch's own (sdpa)."""
    gradient_checkpointing: bool = False
    """Compute what is inside the layers twice instead of keeping it: less memory, more time, the same result."""
    compile: bool = False
    """Compile the layers with torch.compile: minutes at the start; measure whether updates are faster afterwards."""
    lora: LoraSettings | None = None
    """Train low-rank adapters in place of all weights; null trains all."""
    workers: Processes = 0
    """Processes that prepare batches (forked, so not on Windows); 0 prepares them in the training process."""
    report_to: tuple[str, ...] = ()
    """Trackers of transformers (tensorboard, wandb, mlflow, trackio)."""

    @model_validator(mode="after")
    def _decides_something(self) -> "TrainingSettings":
        if self.average > 1 and self.keep == "best":
            raise ValueError("average: the last checkpoints are averaged, and keep is best; choose one")
        if self.average > 1 and self.lora is not None:
            raise ValueError("average: the mean of adapters is not the mean of what they add; leave it out, or lora")
        if self.snapshots and self.lora is not None:
            raise ValueError("snapshots: the checkpoints of adapters are no models; leave it out, or lora")
        if self.best_by == "chrf" and self.keep == "last" and self.patience is None:
            raise ValueError("best_by: chrf decides nothing without keep: best or patience")
        if self.least_updates and self.patience is None:
            raise ValueError("least_updates decides nothing without patience")
        return self

    @property
    def without_effect(self) -> set[str]:
        """Fields that change nothing about the weights after a given number of updates."""
        fields = {"workers", "report_to", "sharding", "gradient_checkpointing", "snapshots", "checkpoint_minutes"}
        if self.patience is None:
            fields.add("evaluate_every")
        if self.keep == "last" and self.average == 1:
            fields.add("checkpoint_every")
        if self.best_by == "loss":
            fields.add("valid_sentences")
        return fields


class GenerationSettings(Settings):
    """Beam search."""

    beams: AtOnce = 5
    tokens_per_batch: BatchTokens = 4096
    """Budget of a batch, in source tokens of padded batch."""
    max_length_ratio: float = Field(1.5, gt=0, le=100)
    """Longest output = ratio × source tokens + max_length_extra."""
    max_length_extra: Tokens = 10
    max_length: Tokens | None = None
    """Longest output in tokens, whatever the source's length."""
    max_length_of: dict[LanguageCode, Tokens] = Field(default_factory=dict)
    """The same for single target languages: {zh: 160}."""
    length_penalty: float = Field(1.0, ge=-10, le=10)
    no_repeat_ngram: int = Field(0, ge=0, le=1000)
    """No sequence of so many tokens occurs twice in an output; 0: any may."""
    engine: Engine = "transformers"
    """What searches: `transformers`, or `ct2` (CTranslate2), several times as fast on a CPU."""
    compute_type: ComputeType = "float32"
    """What `ct2` computes in."""

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
        found = language_named(target_language)  # none bears the name of a language that was added to a model
        return self.max_length_of.get(found.code, self.max_length) if found else self.max_length

    def longest_output(self, source_tokens: int, target_language: str) -> int:
        """Longest output for a source, in tokens."""
        fixed = self.fixed_length(target_language)
        return int(self.max_length_ratio * source_tokens) + self.max_length_extra if fixed is None else fixed


class EvaluationSettings(Settings):
    """Scores and their comparison."""

    test: Literal["bootstrap", "randomisation"] = "bootstrap"
    """What gives the p-values: test sets drawn with replacement, or the two systems' outputs shuffled."""
    resamples: int | None = Field(None, ge=100, le=100_000)
    """Test sets that are drawn, or shufflings; null: 1,000 for bootstrap, 10,000 for randomisation (as sacrebleu)."""
    seed: Seed = 12345
    """Seed of the test (sacrebleu's default)."""


class PairSettings(Settings):
    """One translation direction and its data."""

    source: LanguageCode
    target: LanguageCode
    train: str
    """The training corpus: `train.{de,en}`, a TSV, JSONL, CSV or Parquet file, `hf:org/name:config:split`,
    `embedded:domain:split`."""
    valid: str
    test: str
    limit: Rows | None = None
    """Use only the first so many training pairs."""
    columns: tuple[str, str] | None = None
    """Names of the source and target columns, where they are not the language codes."""

    @property
    def name(self) -> str:
        return f"{self.source}-{self.target}"


class ArmSettings(Settings):
    """One row of the comparison: a recipe, with its own lexicon and switching where it needs other than the run's."""

    recipe: RecipeName
    name: FolderName = ""
    """Name in tables and folders; the recipe's name by default."""
    lexicon: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `lexicon` block."""
    switching: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `switching` block."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `training` block; the total of updates cannot be among them."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        value = {"recipe": value} if isinstance(value, str) else value
        if isinstance(value, dict) and "recipe" in value and not value.get("name"):
            value = {**value, "name": value["recipe"]}
        return value

    @field_validator("training")
    @classmethod
    def _same_updates(cls, training: dict[str, Any]) -> dict[str, Any]:
        if "updates" in training:
            raise ValueError("arms are compared at the same total of updates: set training.updates for the whole run")
        return training


class ModelSettings(Settings):
    """The model that every training starts from."""

    name: str
    """A model of the Hub or a folder: facebook/mbart-large-50, runs/pretrained, …"""
    trim: Literal["auto", "off", "on"] = "auto"
    """Train without the pieces that the corpora, the lexicons and `text` do not need; `switchtune untrim` puts them
    back. `auto` does so where it saves 5 million weights and no more than half of the pieces remain."""
    text: tuple[str, ...] = Field((), max_length=_LONGEST_LIST)
    """Text files, one sentence a line, whose pieces are kept too."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        if self.text and self.trim == "off":
            raise ValueError("text is for trimming the vocabulary, and trim is off")
        return self


class ZeroshotSettings(Settings):
    """What `switchtune zeroshot` tests, beyond the test sets of the pairs."""

    multiway: dict[FolderName, str] = Field(default_factory=dict, max_length=_LONGEST_LIST)
    """Further test sets: a name, and files of the same sentences in every language, one a line, with an asterisk where
    they have the language's code: {ntrex: "ntrex/test.*.xz"}."""
    limit: Rows | None = None
    """Use only the first so many sentences of each test set."""

    @field_validator("multiway")
    @classmethod
    def _named_files(cls, multiway: dict[str, str]) -> dict[str, str]:
        for name, pattern in multiway.items():
            if pattern.count("*") != 1:
                raise ValueError(f"{name}: one asterisk is expected in place of the language's code, found {pattern!r}")
        return multiway


class SummarizationSettings(Settings):
    """What `task: summarization` makes of its documents (paper 5.4)."""

    document_words: Rows = 220
    """Words of a document that are used; what follows them is cut, and counted."""


SUMMARIZATION_SEARCH: Mapping[str, Any] = {"beams": 6, "max_length": 130, "max_length_of": {"zh": 160}}
"""Defaults of `generation` where the task is summarization (paper 5.4)."""


class SearchSettings(Settings):
    """The grid of `switchtune search`; what is empty stays as `training` has it."""

    lr: tuple[LearningRate, ...] = Field((), max_length=50)
    tokens_per_batch: tuple[BatchTokens, ...] = Field((), max_length=50)
    updates: tuple[Updates, ...] = Field((), max_length=50)


class RunConfig(Settings):
    """`switchtune run`: pairs × arms × seeds."""

    task: TaskName = "translation"
    """`summarization`: the source of a pair is a document, the target its summary in the other language."""
    model: ModelSettings
    """A model of the Hub or a folder: facebook/mbart-large-50, runs/pretrained, …; or a block with its name and how
    its vocabulary is trimmed."""
    pairs: tuple[PairSettings, ...] = Field(min_length=1, max_length=_LONGEST_LIST)
    recipes: tuple[ArmSettings, ...] = Field(
        (ArmSettings(recipe="standard"), ArmSettings(recipe="csr")), min_length=1, max_length=_LONGEST_LIST
    )
    """Recipes to run: a name, or a mapping with recipe, name, lexicon, switching, training."""
    seeds: tuple[Seed, ...] = Field((1,), min_length=1, max_length=_LONGEST_LIST)
    baseline: str = "standard"
    """Name of the arm that the others are compared with."""
    jobs: Processes = 0
    """Trainings side by side; 0 means one per core without a GPU, one with a GPU."""
    keep_changed: bool = False
    """Use models and outputs that were changed after they were made; otherwise they are moved aside and made again."""
    lexicon: LexiconSettings = LexiconSettings()
    switching: SwitchingSettings = SwitchingSettings()
    training: TrainingSettings = TrainingSettings()
    generation: GenerationSettings = GenerationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    zeroshot: ZeroshotSettings = ZeroshotSettings()
    search: SearchSettings = SearchSettings()
    summarization: SummarizationSettings = SummarizationSettings()

    @model_validator(mode="before")
    @classmethod
    def _of_the_task(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("task") == "nli":
            raise ValueError("task: nli is trained by `switchtune run` alone; translation or summarization is expected")
        if isinstance(values, dict) and values.get("task") == "summarization":
            given = values.get("generation") or {}
            if isinstance(given, dict):
                return {**values, "generation": {**SUMMARIZATION_SEARCH, **given}}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> "RunConfig":
        _check_arms(self.recipes, self.baseline, self.seeds, pairs=len(self.pairs))
        if len({pair.name for pair in self.pairs}) < len(self.pairs):
            raise ValueError("pairs: a direction stands twice")
        for arm in self.recipes:
            self.lexicon_of(arm), self.training_of(arm)
            if self.switching_of(arm).source == "aligned" and self.task == "summarization":
                raise ValueError(
                    f"recipes.{arm.name}: switching.source: aligned needs sentence pairs; a summary is no translation"
                )
        return self

    def lexicon_of(self, arm: ArmSettings) -> LexiconSettings:
        """The run's lexicon settings with the arm's own values in their place."""
        return _with(self.lexicon, arm.lexicon, f"recipes.{arm.name}.lexicon")

    def switching_of(self, arm: ArmSettings) -> SwitchingSettings:
        """The run's switching settings with the arm's own values in their place."""
        return _with(self.switching, arm.switching, f"recipes.{arm.name}.switching")

    def training_of(self, arm: ArmSettings) -> TrainingSettings:
        """The run's training settings with the arm's own values in their place."""
        return _with(self.training, arm.training, f"recipes.{arm.name}.training")


class SizeSettings(Settings):
    """Size of a model made from scratch."""

    width: int = Field(256, ge=8, le=16_384)
    """d_model."""
    feed_forward: int = Field(1024, ge=8, le=65_536)
    encoder_layers: Layers = 3
    decoder_layers: Layers = 3
    heads: int = Field(4, ge=1, le=256)
    positions: int = Field(256, ge=16, le=100_000)
    """Longest sequence, in tokens (families with learned positions)."""
    pieces: int = Field(6000, ge=50, le=1_000_000)
    """Pieces of the sentencepiece vocabulary, language tags not counted."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SizeSettings":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out evenly among {self.heads} heads")
        return self


class TextSettings(Settings):
    """Monolingual text of one language."""

    language: LanguageCode
    path: str
    """A text file (any compression), one passage a line, or `embedded:domain:split`."""
    limit: Rows | None = None
    """Use only the first so many passages."""
    max_characters: Rows | None = None
    """Leave out passages longer than this (counted)."""


class PretrainTrainingSettings(TrainingSettings):
    """Training settings with the defaults of a pretraining from scratch."""

    lr: LearningRate = 5e-4
    """Peak learning rate."""
    optimizer: OptimizerName = "adamw"
    """`auto`: Adafactor for mT5 (its own default of lr is 1e-3), AdamW for all others."""
    dropout: BelowOne | None = 0.1
    """Dropout of the model; null keeps the model's own."""
    label_smoothing: BelowOne = 0.0
    """ε of label smoothing, spread over the whole vocabulary."""


class PretrainConfig(Settings):
    """`switchtune pretrain`: denoising on monolingual text (paper eq. 2)."""

    family: FamilyName = "mbart"
    size: SizeSettings = SizeSettings()
    texts: tuple[TextSettings, ...] = Field(min_length=1, max_length=_LONGEST_LIST)
    mask_rate: Share = 0.35
    """Share of the words that are masked; each span becomes one mask."""
    mean_span: MeanSpan = 3.5
    """Mean of the Poisson distribution of span lengths, in words."""
    valid_lines: Rows = 500
    """Passages of each language kept out of the training, for the validation loss."""
    seed: Seed = 1
    training: PretrainTrainingSettings = PretrainTrainingSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> "PretrainConfig":
        if self.family == "mt5" and self.size.decoder_layers > self.size.encoder_layers:
            raise ValueError(
                f"size: {self.size.decoder_layers} decoder layers, {self.size.encoder_layers} encoder layers. "
                "transformers cannot generate with an mT5 whose decoder is the deeper one: give both as many"
            )
        return self


class NliDataSettings(Settings):
    """Premises and hypotheses with their labels."""

    train: str
    """TSV, CSV, JSONL or Parquet file (any compression) or `hf:org/name:config:split`, with premise, hypothesis and
    label (entailment, neutral, contradiction, or 0 to 2). An asterisk stands for the language's code, in all three."""
    valid: str
    """For early stopping."""
    test: str
    """With an asterisk: nli/test.*.tsv.xz."""
    columns: tuple[str, str, str] | None = None
    """Names of the columns, or in a TSV file without header their numbers, from 1; by default premise, hypothesis and
    label, or sentence1, sentence2 and gold_label, or the first three."""
    limit: Rows | None = None
    """Use only so many training examples, evenly spread over the file, which may be sorted by labels."""

    @field_validator("test")
    @classmethod
    def _for_every_language(cls, test: str) -> str:
        if test.count("*") != 1:
            raise ValueError(f"one asterisk is expected in place of the language's code, found {test!r}")
        return test


class NliLexiconSettings(Settings):
    """Dictionaries of the training language and each other."""

    dictionaries: dict[LanguageCode, tuple[DictionarySettings, ...]] = Field(default_factory=dict)
    """By language: a file, or several; each of either direction."""
    k: AtOnce = 3
    """Translations kept per word."""
    block: BlockSettings = BlockSettings()
    """What is left out."""

    @field_validator("dictionaries", mode="before")
    @classmethod
    def _from_one(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {language: [files] if isinstance(files, str | Mapping) else files for language, files in value.items()}

    def of(self, language: str) -> LexiconSettings:
        """How the lexicon into a language is made."""
        return LexiconSettings(
            method="dictionary", k=self.k, floor=0, dictionaries=self.dictionaries[language], block=self.block
        )


class ClassificationSettings(Settings):
    """The stage that trains the classifier (paper 5.5)."""

    batch: int = Field(128, ge=1, le=100_000)
    """Examples of an update, over all accumulation parts."""
    accumulation: AtOnce = 1
    """Parts in which an update's batch is computed, one after the other."""
    max_tokens: int = Field(128, ge=16, le=100_000)
    """Longest premise and hypothesis together, in tokens; longer ones are cut at the end and counted."""
    lr: LearningRate = 5e-6
    """Peak learning rate of AdamW."""
    warmup: Warmup = 0.06
    """A number of updates, or below 1 a share of the stage's; capped at a tenth of the stage. Then it falls to zero."""
    dropout: BelowOne | None = 0.1
    """Dropout of the model; null keeps its own. Encoder-only models keep theirs."""
    weight_decay: Decay = 0.0
    evaluate_every: Updates = 500
    """Updates between two evaluations on the validation set, each with a checkpoint. The best weights are kept."""
    patience: Updates | None = 5
    """End after so many evaluations without a better accuracy; null goes on to the last update."""


class NliArmSettings(ArmSettings):
    """One row of the comparison: a recipe, with what it needs other than the run's."""

    recipe: Literal["standard", "csr", "random"]
    model: str | None = None
    """Another model than the run's: of one of the families, or for `standard` and `random` an encoder alone (mBERT)."""
    classification: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `classification` block."""


class NliConfig(Settings):
    """`switchtune run` with `task: nli`: trained in one language, tested in others (paper 5.5)."""

    task: Literal["nli"] = "nli"
    model: str
    """A model of the Hub or a folder."""
    language: LanguageCode = "en"
    """Of the training and validation sets."""
    languages: tuple[LanguageCode, ...] = Field(min_length=1, max_length=_LONGEST_LIST)
    """Tested without their data; stage 1 switches words to all of them."""
    also_tested: tuple[LanguageCode, ...] = Field((), max_length=_LONGEST_LIST)
    """Tested besides, without being switched to."""
    data: NliDataSettings
    recipes: tuple[NliArmSettings, ...] = Field(
        (NliArmSettings(recipe="standard"), NliArmSettings(recipe="csr")), min_length=1, max_length=_LONGEST_LIST
    )
    """Recipes to run: a name, or a mapping with recipe, name, model, lexicon, switching, training, classification."""
    seeds: tuple[Seed, ...] = Field((1,), min_length=1, max_length=_LONGEST_LIST)
    baseline: str = "standard"
    """Name of the arm that the others are compared with."""
    jobs: Processes = 0
    """Trainings side by side; 0 means one per core without a GPU, one with a GPU."""
    keep_changed: bool = False
    """Use models and outputs that were changed after they were made; otherwise they are moved aside and made again."""
    lexicon: NliLexiconSettings = NliLexiconSettings()
    switching: SwitchingSettings = SwitchingSettings()
    training: TrainingSettings = TrainingSettings()
    """`updates` over both stages, `restore_share`, precision, and how stage 1 is trained."""
    classification: ClassificationSettings = ClassificationSettings()

    @model_validator(mode="after")
    def _consistent(self) -> "NliConfig":
        _check_arms(self.recipes, self.baseline, self.seeds, pairs=1)
        languages = (self.language, *self.languages, *self.also_tested)
        repeated = sorted({code for code in languages if languages.count(code) > 1})
        if repeated:
            raise ValueError(f"languages: {repeated[0]!r} stands twice in language, languages and also_tested")
        for arm in self.recipes:
            self.training_of(arm), self.classification_of(arm)
            self._check_switching(arm)
        return self

    def _check_switching(self, arm: NliArmSettings) -> None:
        lexicon, switching = self.lexicon_of(arm), self.switching_of(arm)
        if arm.recipe != "csr":
            return
        if switching.source in {"aligned", "anti"} or switching.unit == "piece":
            raise ValueError(
                f"recipes.{arm.name}.switching: dictionaries give translations of words (source: lexicon, random or "
                f"mask; unit: word); found source: {switching.source}, unit: {switching.unit}"
            )
        missing = [code for code in self.languages if not lexicon.dictionaries.get(code)]
        if missing and switching.source != "mask":
            raise ValueError(
                f"lexicon.dictionaries: no dictionary for {', '.join(missing)}, and {arm.name} switches to all of "
                f"languages ({', '.join(self.languages)}). Give one for each, or list the language in also_tested"
            )

    @property
    def tested(self) -> tuple[str, ...]:
        """All languages that are tested, that of the training set first."""
        return (self.language, *self.languages, *self.also_tested)

    def model_of(self, arm: NliArmSettings) -> str:
        """The model that an arm starts from."""
        return arm.model or self.model

    def lexicon_of(self, arm: NliArmSettings) -> NliLexiconSettings:
        """The run's lexicon settings with the arm's own values in their place."""
        return _with(self.lexicon, arm.lexicon, f"recipes.{arm.name}.lexicon")

    def switching_of(self, arm: NliArmSettings) -> SwitchingSettings:
        """The run's switching settings with the arm's own values in their place."""
        return _with(self.switching, arm.switching, f"recipes.{arm.name}.switching")

    def training_of(self, arm: NliArmSettings) -> TrainingSettings:
        """The run's training settings with the arm's own values in their place."""
        return _with(self.training, arm.training, f"recipes.{arm.name}.training")

    def classification_of(self, arm: NliArmSettings) -> ClassificationSettings:
        """The run's settings of the classifier's training with the arm's own values in their place."""
        return _with(self.classification, arm.classification, f"recipes.{arm.name}.classification")


def load_config(kind: type[_Block], path: Path | str, overrides: Sequence[str] = ()) -> _Block:
    """Read a YAML file and apply dotted overrides such as `training.lr=1e-4` or `pairs.0.limit=1000`.

    Raises:
        UsageError: the file is missing or not YAML, a key is unknown (the nearest known one is named), a value does
            not fit.
    """
    return parse_config(kind, _values(path, overrides), origin=str(path))


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UsageError: the file is missing, larger than any configuration, or holds something else.
    """
    try:
        if not path.is_file() and (path.exists() or broken_link(path)):
            raise UsageError(f"{path}: {instead_of_file(path)}")
        with path.open("rb") as file:
            if (size := path.stat().st_size) > _LARGEST_FILE:
                raise UsageError(
                    f"{path}: {size:,} bytes, and a configuration has at most {_LARGEST_FILE:,}. Give the YAML file of "
                    "settings, and name corpora in it."
                )
            values = _yaml(file, str(path))
    except FileNotFoundError as error:
        near = nearest(path.name, [file.name for file in path.parent.glob("*.y*ml")])
        raise UsageError(f"{path}: no such configuration file; {near}") from error
    except OSError as error:
        raise UsageError(f"{path}: the configuration cannot be read: {error.strerror}.") from error
    if not isinstance(values, dict):
        found = "an empty file" if values is None else type(values).__name__
        raise UsageError(f"{path}: expected a mapping of settings, found {found}.")
    return values


def _values(path: Path | str, overrides: Sequence[str]) -> dict[str, Any]:
    values = read_settings(Path(path))
    for override in overrides:
        _override(values, override)
    return values


def load_run_config(path: Path | str, overrides: Sequence[str] = ()) -> RunConfig | NliConfig:
    """`load_config` of the kind that the file's `task` asks for.

    Raises:
        UsageError: as `load_config`, or there is no such task.
    """
    values, known = _values(path, overrides), (*get_args(TaskName), "nli")
    task = values.get("task", "translation")
    if task not in known:
        raise UsageError(_cut(f"{path}: task: {nearest(str(task), known)} (found {task!r})"))
    kind: type[RunConfig | NliConfig] = NliConfig if task == "nli" else RunConfig
    return parse_config(kind, values, origin=str(path))


def parse_config(kind: type[_Block], values: Mapping[str, Any], *, origin: str = "configuration") -> _Block:
    """Check settings against `kind`.

    Raises:
        UsageError: every problem, a line each, with the dotted key.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        # Where an item of a list is refused, the list also counts as too short.
        problems = [_problem(kind, item) for item in error.errors() if item["type"] != "too_short" or not item["input"]]
        lines = [_cut(f"{origin}: {problem}") for problem in problems[:_MOST_PROBLEMS]]
        more = [f"{origin}: {len(problems) - len(lines):,} more like these"] if len(problems) > len(lines) else []
        raise UsageError("\n".join(lines + more)) from error


_MOST_PROBLEMS = 20
_LARGEST_FILE = 2**19
_MOST_NODES = 100_000
_DEEPEST = 32


def _cut(text: str, longest: int = 1000) -> str:
    return text if len(text) <= longest else f"{text[:longest]} …"


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number (YAML 1.1 wants 1.0e-4), 010 is ten, `no` is Norwegian and 2024-01-01 is text.

    Aliases count as what they stand for, so that a short file cannot say more than a long one may.
    """

    def get_single_node(self) -> yaml.Node | None:
        root = super().get_single_node()
        for count, node in enumerate(_nodes(root) if root else (), start=1):
            if count > _MOST_NODES:
                raise _refused(f"more than {_MOST_NODES:,} keys and values, with aliases written out", node)
            if isinstance(node, yaml.MappingNode):
                _check_keys(node)
            if isinstance(node, yaml.ScalarNode) and self.NON_PRINTABLE.search(node.value):
                raise _refused(f"a control character in {node.value!r}", node)
            plain: str = self.resolve(type(node), node.value, (True, True))  # type: ignore[no-untyped-call]
            if node.tag not in {plain, self.DEFAULT_SCALAR_TAG}:
                raise _refused(f"the tag {node.tag.replace(_TAG, '!!')!r} does not fit here: leave it out", node)
        return root


def _nodes(node: yaml.Node, depth: int = 1) -> Iterator[yaml.Node]:
    """All that is in a document, with aliases written out."""
    if depth > _DEEPEST:
        raise _refused(f"more than {_DEEPEST} blocks in each other, or a block in itself", node)
    yield node
    if isinstance(node, yaml.CollectionNode):
        for child in chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value:
            yield from _nodes(child, depth + 1)


def _check_keys(mapping: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in {_Loader.DEFAULT_SCALAR_TAG, _MERGE}:
            raise _refused("a key that is not text: put it in quotes", key)
        if key.value in lines:
            raise _refused(f"the key {key.value!r} stands twice, first in line {lines[key.value]}", key)
        lines[key.value] = key.start_mark.line + 1


def _refused(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("merge", "<<", "<"),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "(?i:true|false)", "tTfF"),
    ("int", "[-+]?(0|[1-9][0-9_]{,30})", "-+0123456789"),
    (
        "float",
        r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_TAG + _tag, re.compile(f"^({_pattern})$"), list(_first))


def _yaml(document: IO[bytes] | str, origin: str) -> Any:
    try:
        return yaml.load(document, _Loader)
    except yaml.YAMLError as error:
        raise UsageError(_cut(f"{origin}: not valid YAML: {error}")) from error
    except RecursionError as error:
        raise UsageError(f"{origin}: not valid YAML: more than {_DEEPEST} blocks in each other") from error


_SHORT_FORMS = {"model": "name", "recipes": "recipe", "dictionaries": "path"}
"""The key that a plain value stands for, in place of such a block or of an item of such a list."""


def _override(values: dict[str, Any], override: str) -> None:
    key, found, text = override.partition("=")
    override = _cut(override, 200)
    if not found or not key:
        raise UsageError(f"--set {override}: expected key=value, as in training.lr=1e-4")
    *parents, last = key.split(".")
    if len(parents) > _DEEPEST:
        raise UsageError(f"--set {override}: more than {_DEEPEST} keys in each other")
    block: Any = values
    list_name = ""
    for parent in parents:
        place = _place(block, parent, override)
        if isinstance(block, dict) and block.get(place) is None:
            block[place] = {}
        name = _SHORT_FORMS.get(list_name if isinstance(block, list) else parent)
        if name is not None and isinstance(block[place], str):
            block[place] = {name: block[place]}
        block[place] = copy(block[place])  # an alias of it stays as it was
        list_name, block = parent, block[place]
    block[_place(block, last, override)] = _yaml(text, f"--set {override}")


def _place(block: Any, key: str, override: str) -> Any:
    """`key` as a key of a mapping or a position in a list."""
    if isinstance(block, dict):
        return key
    if not isinstance(block, list):
        raise UsageError(f"--set {override}: {key!r} is inside a plain value, which has no keys")
    places = list(map(str, range(len(block))))
    if key not in places:
        raise UsageError(f"--set {override}: expected a position from 0 to {len(block) - 1}, found {key!r}")
    return places.index(key)


def _problem(kind: type[BaseModel], error: ErrorDetails) -> str:
    """One problem for people: the dotted key, what is wrong with it, and the nearest key where it is unknown."""
    # pydantic's own words for a key, and for what a union might be, stand in brackets.
    key = ".".join(str(part) for part in error["loc"] if "[" not in str(part))
    if error["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {nearest(str(error['loc'][-1]), _keys_at(kind, error['loc'][:-1]))}"
    message = str(error["ctx"]["error"]) if error["type"] == "value_error" else error["msg"]
    if not key:
        return message
    if error["type"] == "tuple_type":
        message = "expected a list"
    found = "" if error["type"] in {"missing", "value_error"} else f" (found {_cut(repr(error['input']), 200)})"
    return f"{key}: {message}{found}"


def _keys_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that the block at `location` knows."""
    block = kind
    for part in location:
        if field := block.model_fields.get(str(part)):
            block = next(_blocks(field.annotation))
    return list(block.model_fields)


def _blocks(annotation: Any) -> Iterator[type[BaseModel]]:
    if hasattr(annotation, "model_fields"):
        yield annotation
    for part in get_args(annotation):
        yield from _blocks(part)


def _check_arms(arms: Sequence[ArmSettings], baseline: str, seeds: Sequence[int], *, pairs: int) -> None:
    names = [arm.name for arm in arms]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"recipes: {repeated[0]!r} stands twice; give each its own `name`")
    if baseline not in names:
        raise ValueError(f"baseline: {baseline!r} is not among the recipes; {nearest(baseline, names)}")
    if len(set(seeds)) < len(seeds):
        raise ValueError("seeds: a seed stands twice")
    trainings = len(arms) * len(seeds) * pairs
    if trainings > _MOST_TRAININGS:
        raise ValueError(f"{trainings:,} trainings (pairs × recipes × seeds); a run has at most {_MOST_TRAININGS:,}")


def _with(settings: _Block, changes: Mapping[str, Any], location: str) -> _Block:
    """`settings` with some values replaced, checked like any other block."""
    try:
        return type(settings).model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        problems = [_problem(type(settings), item) for item in error.errors()]
        raise ValueError("; ".join(f"{location}: {problem}" for problem in problems)) from error
