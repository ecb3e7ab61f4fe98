"""`switchtune run` with `task: nli`."""

from functools import cached_property
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from switchtune.config.arms import ArmSettings, ComparisonSettings, ResolvedArm, own_choices, own_recipe, with_own
from switchtune.config.base import LONGEST_LIST, ColumnName, LanguageCode, Rows, Settings, repeated
from switchtune.config.lexicon import LexiconSettings, NliLexiconSettings
from switchtune.config.switching import GlossSettings
from switchtune.config.training import ClassificationSettings, TrainingSettings


class NliDataSettings(Settings):
    """Premises and hypotheses with their labels."""

    train: str
    """TSV, CSV, JSONL or Parquet file (any compression) or `hf:org/name:config:split`, with premise, hypothesis and
    label (entailment, neutral, contradiction, or 0 to 2). In `train`, `valid` and `test`, an asterisk stands for the
    language's code."""
    valid: str
    """Validation set, for early stopping."""
    test: str
    """Test sets, with an asterisk in place of the language's code: nli/test.*.tsv.xz."""
    columns: tuple[ColumnName, ColumnName, ColumnName] | None = None
    """Names of the columns, or in TSV and CSV their numbers from 1; by default premise, hypothesis and label, or
    sentence1, sentence2 and gold_label or label, or the first three."""
    limit: Rows | None = None
    """Number of training examples to use, spread evenly over the file, which may be sorted by label."""

    @field_validator("test")
    @classmethod
    def _for_every_language(cls, test: str) -> str:
        if test.count("*") != 1:
            raise ValueError(f"one asterisk is expected in place of the language's code, found {test!r}")
        return test


class NliArmSettings(ArmSettings):
    """One row of the comparison: a recipe, with its own settings where they differ from the run's."""

    recipe: Literal["standard", "csr", "csr+", "random", "auto"] | None = None
    model: str | None = None
    """A model other than the run's: of one of the families or, for all recipes but `csr`, encoder-only (mBERT)."""
    classification: dict[str, Any] = Field(default_factory=dict)
    """Values that replace those of the run's `classification` block."""

    @model_validator(mode="after")
    def _without_translation(self) -> "NliArmSettings":
        without = {"back_translation": self.back_translation, "monolingual": not self.monolingual}
        for name, given in {**without, "together": self.together}.items():
            if given:
                raise ValueError(f"arms.{self.name}.{name}: for translation, not for nli; leave it out")
        return self


class NliConfig(ComparisonSettings):
    """`switchtune run` with `task: nli`: trained in one language, tested in others (paper 5.5)."""

    task: Literal["nli"] = "nli"
    model: str
    """A model on the Hub, or a folder."""
    arm_settings: tuple[NliArmSettings, ...] = Field(
        (NliArmSettings(recipe="standard"), NliArmSettings(recipe="csr")),
        alias="arms",
        min_length=1,
        max_length=LONGEST_LIST,
    )
    """Rows of the comparison: each the name of a recipe, or a mapping with recipe, name, model, lexicon, switching,
    training, classification; or with name and outputs: a file of labels for every tested language."""
    training: TrainingSettings = TrainingSettings()
    """`updates` over all stages, `restore_share`, precision, and how `csr` trains its stage 1."""
    language: LanguageCode = "en"
    """Language of the training and validation sets."""
    languages: tuple[LanguageCode, ...] = Field(min_length=1, max_length=LONGEST_LIST)
    """Languages tested without training data of their own; `csr` and `csr+` switch words to all of them."""
    also_tested: tuple[LanguageCode, ...] = Field((), max_length=LONGEST_LIST)
    """Further languages tested, to which no words are switched."""
    data: NliDataSettings
    lexicon: NliLexiconSettings = NliLexiconSettings()
    gloss: GlossSettings = GlossSettings()
    classification: ClassificationSettings = ClassificationSettings()

    @model_validator(mode="after")
    def _consistent(self) -> "NliConfig":
        self._check_arms(self.tested, pairs=1)
        if code := repeated(self.tested):
            raise ValueError(f"languages: {code!r} appears twice in language, languages and also_tested")
        for own, arm in zip(self.arm_settings, self.arms, strict=True):
            if own.outputs:
                self._require_outputs(own)
                continue
            self._check_glosses(own, arm)
            if arm.restores or arm.translates_words:
                self._check_switching(arm)
        return self

    def _require_outputs(self, arm: ArmSettings) -> None:
        if missing := [code for code in self.tested if code not in arm.outputs]:
            raise ValueError(f"arms.{arm.name}.outputs: labels for all tested languages; none for {', '.join(missing)}")

    def _check_switching(self, arm: ResolvedArm) -> None:
        switching = arm.switching
        if switching.source in {"aligned", "anti"} or switching.unit == "piece":
            raise ValueError(
                f"arms.{arm.name}.switching: dictionaries give translations of words (source: lexicon, random or "
                f"mask; unit: word); found source: {switching.source}, unit: {switching.unit}"
            )
        missing = [code for code in self.languages if not arm.dictionaries.dictionaries.get(code)]
        if missing and arm.needs_lexicons:
            raise ValueError(
                f"lexicon.dictionaries: no dictionary for {', '.join(missing)}, and {arm.name} switches to all of "
                f"languages ({', '.join(self.languages)}). Give one for each, or list the language in also_tested"
            )

    @cached_property
    def arms(self) -> tuple[ResolvedArm, ...]:
        return tuple(
            ResolvedArm(
                name=arm.name,
                recipe=own_recipe(arm, translates=False),
                model=arm.model or self.model,
                switching=with_own(self.switching, arm, "switching"),
                gloss=with_own(self.gloss, arm, "gloss"),
                training=with_own(self.training, arm, "training"),
                dictionaries=with_own(self.lexicon, arm, "lexicon"),
                classification=with_own(self.classification, arm, "classification"),
                outputs=arm.outputs,
                choices=own_choices(arm, self.task),
            )
            for arm in self.arm_settings
        )

    def lexicons_of(self, arm: ResolvedArm) -> list[LexiconSettings]:
        """How the lexicons of an arm are made, one for each of `languages`."""
        return [arm.dictionaries.of(code) for code in self.languages] if arm.needs_lexicons else []

    @property
    def tested(self) -> tuple[str, ...]:
        """All languages that are tested, that of the training set first."""
        return (self.language, *self.languages, *self.also_tested)

    @property
    def inputs(self) -> list[str]:
        """All that is named in it to be read: models, data, dictionaries."""
        lexicons = [arm.dictionaries.of(code) for arm in self.arms for code in arm.dictionaries.dictionaries]
        dictionaries = [name for lexicon in lexicons for name in lexicon.inputs]
        outputs = [name for arm in self.arms for name in arm.output_files]
        data = (self.data.train, self.data.valid, self.data.test)
        return [*(arm.model for arm in self.arms), *data, *dictionaries, *outputs]
