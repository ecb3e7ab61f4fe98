"""`switchtune run` with `task: nli`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from switchtune.config.arms import ArmSettings, ComparisonSettings, ResolvedArm, with_own
from switchtune.config.base import (
    LONGEST_LIST,
    AtOnce,
    BelowOne,
    Decay,
    LanguageCode,
    LearningRate,
    Rows,
    Settings,
    Updates,
    Warmup,
)
from switchtune.config.lexicon import BlockSettings, DictionarySettings, LexiconSettings
from switchtune.config.training import TrainingSettings


class NliDataSettings(Settings):
    """Premises and hypotheses with their labels."""

    train: str
    """TSV, CSV, JSONL or Parquet file (any compression) or `hf:org/name:config:split`, with premise, hypothesis and
    label (entailment, neutral, contradiction, or 0 to 2). An asterisk stands for the language's code, in all three."""
    valid: str
    """Validation set, for early stopping."""
    test: str
    """Test sets, with an asterisk in place of the language's code: nli/test.*.tsv.xz."""
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
    """Dictionaries by language: a file, or several; each of either direction."""
    k: AtOnce = 3
    """Translations kept per word."""
    block: BlockSettings = BlockSettings()
    """Entries to leave out."""

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
    """Warm-up: a number of updates, or below 1 a share of the stage's; capped at a tenth of the stage. Then the
    learning rate falls linearly to zero."""
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


@dataclass(frozen=True)
class NliArm(ResolvedArm[NliLexiconSettings]):
    """A row of a comparison of classifiers with all its settings."""

    model: str
    classification: ClassificationSettings


class NliConfig(ComparisonSettings):
    """`switchtune run` with `task: nli`: trained in one language, tested in others (paper 5.5)."""

    task: Literal["nli"] = "nli"
    model: str
    """A model of the Hub or a folder."""
    recipes: tuple[NliArmSettings, ...] = Field(
        (NliArmSettings(recipe="standard"), NliArmSettings(recipe="csr")),
        alias="arms",
        min_length=1,
        max_length=LONGEST_LIST,
    )
    """Rows of the comparison: the name of a recipe, or a mapping with recipe, name, model, lexicon, switching,
    training, classification."""
    training: TrainingSettings = TrainingSettings()
    """`updates` over both stages, `restore_share`, precision, and how stage 1 is trained."""
    language: LanguageCode = "en"
    """Language of the training and validation sets."""
    languages: tuple[LanguageCode, ...] = Field(min_length=1, max_length=LONGEST_LIST)
    """Languages tested without training data of theirs; stage 1 switches words to all of them."""
    also_tested: tuple[LanguageCode, ...] = Field((), max_length=LONGEST_LIST)
    """Further languages tested, to which no words are switched."""
    data: NliDataSettings
    lexicon: NliLexiconSettings = NliLexiconSettings()
    classification: ClassificationSettings = ClassificationSettings()

    @model_validator(mode="after")
    def _consistent(self) -> "NliConfig":
        self._check_arms(pairs=1)
        repeated = sorted({code for code in self.tested if self.tested.count(code) > 1})
        if repeated:
            raise ValueError(f"languages: {repeated[0]!r} stands twice in language, languages and also_tested")
        for arm in self.arms:
            if arm.recipe == "csr":
                self._check_switching(arm)
        return self

    def _check_switching(self, arm: NliArm) -> None:
        switching = arm.switching
        if switching.source in {"aligned", "anti"} or switching.unit == "piece":
            raise ValueError(
                f"arms.{arm.name}.switching: dictionaries give translations of words (source: lexicon, random or "
                f"mask; unit: word); found source: {switching.source}, unit: {switching.unit}"
            )
        missing = [code for code in self.languages if not arm.lexicon.dictionaries.get(code)]
        if missing and switching.source != "mask":
            raise ValueError(
                f"lexicon.dictionaries: no dictionary for {', '.join(missing)}, and {arm.name} switches to all of "
                f"languages ({', '.join(self.languages)}). Give one for each, or list the language in also_tested"
            )

    @cached_property
    def arms(self) -> tuple[NliArm, ...]:
        """The rows of the comparison, each with all its settings."""
        return tuple(
            NliArm(
                *(arm.recipe, arm.name, self.lexicon_of(arm), self.switching_of(arm), self.training_of(arm)),
                model=self.model_of(arm),
                classification=self.classification_of(arm),
            )
            for arm in self.recipes
        )

    @property
    def tested(self) -> tuple[str, ...]:
        """All languages that are tested, that of the training set first."""
        return (self.language, *self.languages, *self.also_tested)

    @property
    def inputs(self) -> list[str]:
        """All that is named in it to be read: models, data, dictionaries."""
        lexicons = [arm.lexicon.of(code) for arm in self.arms for code in arm.lexicon.dictionaries]
        dictionaries = [name for lexicon in lexicons for name in lexicon.inputs]
        return [*(arm.model for arm in self.arms), self.data.train, self.data.valid, self.data.test, *dictionaries]

    def model_of(self, arm: NliArmSettings) -> str:
        """The model that an arm starts from."""
        return arm.model or self.model

    def lexicon_of(self, arm: NliArmSettings) -> NliLexiconSettings:
        """The run's lexicon settings with the arm's own values in their place."""
        return with_own(self.lexicon, arm, "lexicon")

    def classification_of(self, arm: NliArmSettings) -> ClassificationSettings:
        """The run's settings of the classifier's training with the arm's own values in their place."""
        return with_own(self.classification, arm, "classification")
