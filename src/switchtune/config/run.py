"""`switchtune run`: pairs, arms and seeds."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from switchtune.config.arms import AUTO, ArmSettings, ComparisonSettings, ResolvedArm, own_choices, own_recipe, with_own
from switchtune.config.base import (
    LONGEST_LIST,
    BatchTokens,
    ColumnName,
    Direction,
    FolderName,
    LanguageCode,
    LearningRate,
    OnProblems,
    Rows,
    Seed,
    Settings,
    Updates,
    repeated,
    with_changes,
)
from switchtune.config.chat import ChatSettings
from switchtune.config.lexicon import Dictionaries, LexiconSettings, dictionary_settings
from switchtune.config.switching import GlossSettings, TermSettings
from switchtune.config.together import TogetherSettings, groups_of
from switchtune.config.training import BackTranslationSettings, GenerationSettings
from switchtune.recipes import FURTHER_KINDS, PAIRED_KINDS

TaskName: TypeAlias = Literal["translation", "summarization"]


class EvaluationSettings(Settings):
    """Scores and their comparison."""

    test: Literal["bootstrap", "randomisation"] = "bootstrap"
    """How p-values are computed: from test sets drawn with replacement, or by shuffling the two systems' outputs."""
    resamples: int | None = Field(None, ge=100, le=100_000)
    """Number of test sets drawn, or of shuffles; null: 1,000 for bootstrap, 10,000 for randomisation (as sacrebleu)."""
    seed: Seed = 12345
    """Seed of the test (sacrebleu's default)."""


NO_PAIRS = "none"
"""What `train` is where there are no pairs; a file of that name is ./none."""

TAKEN = "split"
"""In place of a corpus: taken out of the training corpus."""


class SplitSettings(Settings):
    """How validation and test sets are taken out of the training corpus if a pair names none."""

    valid: Rows = 1000
    """Pairs in the validation set; `valid: 1000` in the pair means the same."""
    test: Rows = 1000
    """Pairs in the test set; `test: 1000` in the pair means the same."""
    seed: Seed = 1
    """Random seed of the split."""


class PairSettings(Settings):
    """One translation direction and its data."""

    source: LanguageCode
    target: LanguageCode
    train: str
    """The training corpus: `train.{de,en}`, a file (TSV, CSV, JSON, Parquet, XLSX, TMX, XLIFF, PO, TBX, ZIP),
    `hf:org/name:config:split`, `embedded:domain:split`; `none` if there are no pairs to train on, only monolingual text
    in both languages."""
    valid: str = TAKEN
    """The validation corpus, named likewise; if left out, or a number, it is taken out of the training corpus. The
    lexicon is judged by it too, so it is needed even without pairs to train on."""
    test: str = TAKEN
    """The test corpus, likewise."""
    split: SplitSettings = SplitSettings()
    document: ColumnName | None = None
    """Name of a column with the document of each pair; no document is split between training and test sets."""
    limit: Rows | None = None
    """Number of training pairs to use, from the start of the corpus."""
    monolingual: dict[LanguageCode, str] = Field(default_factory=dict)
    """Monolingual text, one sentence per line: {en: FILE}. The recipes csr+, denoise, bt and csr+bt train on text in
    the target language; the reverse model of csr+bt on text in the source language. Without pairs, everything is made
    from it."""
    dictionaries: Dictionaries = ()
    """Dictionaries between its two languages, one file or several, in either direction: added to those of `lexicon`,
    for arms whose lexicon uses any."""
    columns: tuple[ColumnName, ColumnName] | None = None
    """Names of the source and target columns, if they do not name the languages, or in TSV and CSV their numbers from
    1."""

    @model_validator(mode="before")
    @classmethod
    def _with_counts(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("split", {}), dict):
            return values
        split = dict(values.get("split", {}))
        for name in ("valid", "test"):
            given = values.get(name, TAKEN)
            default = SplitSettings.model_fields[name].default  # which a resolved configuration names too
            if given != TAKEN and split.get(name, default) != default:
                raise ValueError(f"{name}: {given!r}, and split.{name}: {split[name]!r}; leave one of them out")
            if type(given) is int:
                values, split = {**values, name: TAKEN}, {**split, name: given}
        return {**values, "split": split} if split else values

    @model_validator(mode="after")
    def _of_its_languages(self) -> "PairSettings":
        for language in self.monolingual:
            if language not in (self.source, self.target):
                raise ValueError(f"monolingual: {language} is neither {self.source} nor {self.target}")
        if self.train == NO_PAIRS:
            lacking = ", ".join(f"{code}: FILE" for code in (self.source, self.target) if code not in self.monolingual)
            if lacking:
                raise ValueError(
                    "train: none: without pairs the lexicon and all examples are made of monolingual text in both "
                    f"languages; add monolingual: {{{lacking}}}, one sentence per line"
                )
            if self.taken:
                raise ValueError(f"train: none: nothing can be taken out of it for {self.taken[0]}; give that a file")
            if self.limit is not None:
                raise ValueError("limit: there are no training pairs (train: none); leave it out")
        return self

    @property
    def name(self) -> str:
        return f"{self.source}-{self.target}"

    @property
    def taken(self) -> tuple[Literal["valid", "test"], ...]:
        """Which sets are taken out of the training corpus."""
        return tuple(name for name in ("valid", "test") if getattr(self, name) == TAKEN)

    @property
    def reverse(self) -> "PairSettings":
        """The same pairs in the other direction."""
        columns = self.columns and self.columns[::-1]
        return self.model_copy(update={"source": self.target, "target": self.source, "columns": columns})

    @property
    def languages(self) -> tuple[str, str]:
        return self.source, self.target


class AddedLanguage(Settings):
    """A language that is added to a model before it is trained."""

    code: LanguageCode
    """The language, by any code; its tag is written as the model's family does (hsb_Latn in NLLB, hsb_XX in mBART)."""
    like: LanguageCode
    """A language that the model knows, preferably a close one: the new tag starts as a copy of its tag."""


class ModelSettings(Settings):
    """The model that every training starts from."""

    name: str
    """A model on the Hub, or a folder: facebook/mbart-large-50, runs/pretrained, …"""
    add: tuple[AddedLanguage, ...] = Field((), max_length=LONGEST_LIST)
    """Languages that the model lacks: [{code: hsb, like: cs}]. Each gets a tag, and characters of its training text
    that no piece contains become pieces; the model's behaviour in its other languages does not change."""
    trim: Literal["auto", "off", "on"] = "auto"
    """Train without the pieces that the corpora, the lexicons and `text` do not need; `switchtune untrim` puts them
    back. `auto` does so if it saves 5 million weights and no more than half of the pieces remain."""
    text: tuple[str, ...] = Field((), max_length=LONGEST_LIST)
    """Text files, one sentence per line, whose pieces are kept too."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        if self.text and self.trim == "off":
            raise ValueError("text is for trimming the vocabulary, and trim is off")
        if code := repeated([each.code for each in self.add]):
            raise ValueError(f"add: {code!r} appears twice")
        return self


class GlossedSettings(Settings):
    """A language without pairs, into which `csr+` glosses sentences of the pairs' target language."""

    dictionaries: Dictionaries = Field(min_length=1)
    """Dictionaries between it and the target language: one file or several, in either direction."""
    test: str | None = None
    """Test set in it and the target language, named as in a pair; null: it is tested by `multiway` alone."""

    @model_validator(mode="before")
    @classmethod
    def _from_dictionaries(cls, value: Any) -> Any:
        return {"dictionaries": value} if isinstance(value, str | list) else value


class ZeroshotSettings(Settings):
    """What `switchtune zeroshot` tests besides the pairs' test sets, and languages that have no pairs."""

    glossed: dict[LanguageCode, GlossedSettings] = Field(default_factory=dict, max_length=LONGEST_LIST)
    """Languages without pairs, with their dictionaries: `csr+` arms also train on glosses in them, and all models are
    tested on them: {it: en-it.tsv}, or {it: {dictionaries: en-it.tsv, test: "test.{it,en}"}}."""
    multiway: dict[FolderName, str] = Field(default_factory=dict, max_length=LONGEST_LIST)
    """Further test sets: a name, and files of the same sentences in every language, one per line, with an asterisk in
    place of the language's code: {ntrex: "ntrex/test.*.xz"}."""
    tests: dict[Direction, str] = Field(default_factory=dict, max_length=LONGEST_LIST)
    """Test sets for directions that are not among the pairs, named as in a pair: {de-tr: "test.{de,tr}"}."""
    limit: Rows | None = None
    """Number of sentences to use of each test set, from its start."""

    @property
    def languages(self) -> list[str]:
        """Those that are glossed, and those of further tests."""
        return [*self.glossed, *(code for name in self.tests for code in name.split("-"))]

    @field_validator("multiway")
    @classmethod
    def _named_files(cls, multiway: dict[str, str]) -> dict[str, str]:
        for name, pattern in multiway.items():
            if pattern.count("*") != 1:
                raise ValueError(f"{name}: one asterisk is expected in place of the language's code, found {pattern!r}")
        return multiway


class SummarizationSettings(Settings):
    """How `task: summarization` treats documents (paper 5.4)."""

    document_words: Rows = 220
    """Words of a document that are used; the rest is cut, and counted."""


SUMMARIZATION_SEARCH: Mapping[str, Any] = {"beams": 6, "max_length": 130, "max_length_of": {"zh": 160}}
"""Defaults of `generation` where the task is summarization (paper 5.4)."""

SUMMARIZATION_GLOSS: Mapping[str, Any] = {"rate": 0.35}
"""Defaults of `gloss` where the task is summarization: most words of a document stay, as in the paper's stage 1."""


class SearchSettings(Settings):
    """The grid of `switchtune search`; an empty list keeps the value of `training`."""

    lr: tuple[LearningRate, ...] = Field((), max_length=50)
    tokens_per_batch: tuple[BatchTokens, ...] = Field((), max_length=50)
    updates: tuple[Updates, ...] = Field((), max_length=50)


class RunConfig(ComparisonSettings):
    """`switchtune run`: pairs × arms × seeds."""

    task: TaskName = "translation"
    """`summarization`: the source of a pair is a document, the target its summary in the other language."""
    model: ModelSettings
    """A model on the Hub, or a folder: facebook/mbart-large-50, runs/pretrained, …; or a block with its name and how
    its vocabulary is trimmed."""
    pairs: tuple[PairSettings, ...] = Field(min_length=1, max_length=LONGEST_LIST)
    together: TogetherSettings = TogetherSettings()
    """Which pairs one model learns; by default every pair has its own. `true`, lists of pairs, or a block. Arms with
    different values of it can be compared."""
    lexicon: LexiconSettings = LexiconSettings()
    gloss: GlossSettings = GlossSettings()
    back_translation: BackTranslationSettings = BackTranslationSettings()
    terms: TermSettings = TermSettings()
    generation: GenerationSettings = GenerationSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    check: OnProblems = "stop"
    """Check the data first (see `switchtune check`), and `stop` at errors; `strict` stops at warnings too, `tell`
    reports both and continues, `off` skips the checks."""
    zeroshot: ZeroshotSettings = ZeroshotSettings()
    search: SearchSettings = SearchSettings()
    summarization: SummarizationSettings = SummarizationSettings()
    chat: ChatSettings = ChatSettings()

    @model_validator(mode="before")
    @classmethod
    def _of_the_task(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("task") == "nli":
            verbs = "`switchtune run`, `train` and `show-batch`"
            raise ValueError(f"task: nli is for {verbs} alone; translation or summarization is expected")
        if isinstance(values, dict) and values.get("task") == "summarization":
            blocks = {"generation": SUMMARIZATION_SEARCH, "gloss": SUMMARIZATION_GLOSS}
            own = {name: values.get(name) or {} for name in blocks}
            made = {name: {**blocks[name], **block} for name, block in own.items() if isinstance(block, dict)}
            return {**values, **made}
        return values

    def with_model(self, folder: Path) -> "RunConfig":
        """The same with a model that has the languages which are to be added."""
        model = self.model.model_copy(update={"name": str(folder), "add": ()})
        return with_changes(self, {"model": model.model_dump()}, "model")

    @model_validator(mode="after")
    def _consistent(self) -> "RunConfig":
        self._check_arms([pair.name for pair in self.pairs], len(self.pairs))
        if len({pair.name for pair in self.pairs}) < len(self.pairs):
            raise ValueError("pairs: a direction appears twice")
        if self.zeroshot.glossed:
            self._check_glossed()
        if self.task == "summarization" and any(pair.monolingual for pair in self.pairs):
            raise ValueError("pairs: monolingual text is for csr+, denoise, bt and csr+bt, and these for translation")
        arms = zip(self.arm_settings, self.arms, strict=True)
        for own, arm in [(own, possible) for own, each in arms for possible in each.possible if not own.outputs]:
            self._check_glosses(own, arm)
            self._check_terms(own, arm)
            self._check_back_translation(own, arm)
            self._check_without_pairs(arm)
            self._check_together(own, arm)
            if arm.switching.source == "aligned" and self.task == "summarization":
                raise ValueError(
                    f"arms.{arm.name}: switching.source: aligned needs sentence pairs; a summary is not a translation"
                )
            if arm.kinds & FURTHER_KINDS and self.task == "summarization":
                raise ValueError(
                    f"arms.{arm.name}: its recipe is for translation; use standard, csr, csr+, iaft or random"
                )
        return self

    def _check_together(self, own: ArmSettings, arm: ResolvedArm) -> None:
        shared = next((group for group in self.groups(arm) if len(group) > 1), None)
        if shared and own.recipe == AUTO:
            names = ", ".join(pair.name for pair in shared)
            raise ValueError(
                f"arms.{arm.name}: recipe: auto chooses for each pair, and one model learns {names} (together). Name "
                "a recipe"
            )

    def _check_back_translation(self, own: ArmSettings, arm: ResolvedArm) -> None:
        named = own.recipe != AUTO  # else it translates back only where there is text
        if named and own.back_translation and arm.reverse is None:
            raise ValueError(f"arms.{arm.name}.back_translation: its recipe trains no reverse model; use bt")
        for pair in self.pairs if arm.reverse else ():
            if not named and pair.target not in pair.monolingual:
                continue
            if pair.target not in pair.monolingual:
                raise ValueError(
                    f"arms.{arm.name}: its recipe translates further text in the target language back, and pairs gives "
                    f"{pair.name} none: add monolingual: {{{pair.target}: FILE}}, one sentence per line"
                )
            if arm.back_translation.rounds > 1 and pair.source not in pair.monolingual:
                raise ValueError(
                    f"arms.{arm.name}: with several back_translation.rounds text in the source language is translated "
                    f"too, and pairs gives {pair.name} none: add monolingual: {{{pair.source}: FILE}}"
                )

    def _check_without_pairs(self, arm: ResolvedArm) -> None:
        """Refuse what needs pairs to train on where a model, or the lexicon of a pair, has none."""
        unpaired = next((pair.name for pair in self.pairs if pair.train == NO_PAIRS), None)
        if unpaired is None:
            return
        alone = [group[0].name for group in self.groups(arm) if all(pair.train == NO_PAIRS for pair in group)]
        where = f"arms.{arm.name}: pairs gives {[*alone, unpaired][0]} no pairs to train on (train: none)"
        kinds = arm.kinds | (arm.reverse.kinds if arm.reverse else frozenset())
        if alone and (needing := sorted(kinds & PAIRED_KINDS)):
            raise ValueError(
                f"{where}, and its recipe trains on them ({', '.join(needing)}). Use glosses or unsupervised "
                "(baseline names one of the arms), or have one model learn a direction with pairs too (together: true)"
            )
        methods = {arm.lexicon.method, *arm.lexicon.parts}
        apart = arm.switching.source == "anti" and not methods & {"auto", "vecmap", "plm"}
        if arm.lexicon.corpus is None and ("align" in methods or apart):
            raise ValueError(
                f"{where}, and its lexicon is made from pairs (align{', for switching.source: anti' * apart}). Use "
                "lexicon.method auto or vecmap, or dictionary with lexicon.dictionaries; or give lexicon.corpus"
            )

    def _check_glossed(self) -> None:
        if self.task != "translation":
            raise ValueError(f"zeroshot.glossed: glosses are translated, and the task is {self.task}")
        if len(targets := dict.fromkeys(pair.target for pair in self.pairs)) > 1:
            raise ValueError(
                "zeroshot.glossed: dictionaries are of one target language, and the pairs have "
                f"{', '.join(targets)}. Give each target language a file of its own"
            )
        if paired := [code for code in self.zeroshot.glossed if any(code in pair.languages for pair in self.pairs)]:
            raise ValueError(f"zeroshot.glossed: {paired[0]} has pairs; glosses in it are made by their lexicon")
        glossing = [arm for arm in self.arms if "gloss" in arm.kinds]
        if not glossing:
            raise ValueError("zeroshot.glossed: no arm makes glosses; add csr+ to arms")
        if wrong := [arm.name for arm in glossing if arm.switching.source == "anti"]:
            raise ValueError(f"arms.{wrong[0]}: switching.source: anti has no use for the dictionaries of glossed")

    def groups(self, arm: ResolvedArm) -> tuple[tuple[PairSettings, ...], ...]:
        """The pairs that each model of an arm learns; where outputs are given, every pair stands alone."""
        return groups_of(TogetherSettings() if arm.outputs else arm.together, self.pairs)

    @property
    def shares_models(self) -> bool:
        """Whether a model of any arm learns several pairs."""
        return any(len(group) > 1 for arm in self.arms for group in self.groups(arm))

    def glossed_lexicons(self, arm: ResolvedArm) -> dict[str, LexiconSettings]:
        """How an arm's lexicons into the languages without pairs are made, where it makes glosses."""
        lexicon = arm.lexicon
        return {
            code: dictionary_settings(settings.dictionaries, lexicon.k, lexicon.block)
            for code, settings in self.zeroshot.glossed.items()
            if "gloss" in arm.kinds
        }

    def lexicons_of(self, arm: ResolvedArm) -> list[LexiconSettings]:
        """How the lexicons of an arm are made, those of each pair and those of glosses without pairs."""
        own = [arm.lexicon.with_dictionaries(pair.dictionaries) for pair in self.pairs]
        return [*own, *self.glossed_lexicons(arm).values()] if arm.needs_lexicons else []

    @property
    def languages(self) -> list[str]:
        """All languages of the pairs, and those without pairs that are glossed or tested, sorted."""
        return sorted({*self.zeroshot.languages, *(code for pair in self.pairs for code in pair.languages)})

    @cached_property
    def arms(self) -> tuple[ResolvedArm, ...]:
        return tuple(
            ResolvedArm(
                name=arm.name,
                recipe=own_recipe(arm, translates=self.task == "translation", terms=terms.share),
                model=self.model.name,
                switching=with_own(self.switching, arm, "switching"),
                training=with_own(self.training, arm, "training"),
                gloss=with_own(self.gloss, arm, "gloss"),
                back_translation=with_own(self.back_translation, arm, "back_translation"),
                terms=terms,
                lexicon=with_own(self.lexicon, arm, "lexicon"),
                monolingual=arm.monolingual,
                together=with_own(self.together, arm, "together"),
                outputs=arm.outputs,
                choices=own_choices(
                    arm,
                    self.task,
                    monolingual=any(pair.target in pair.monolingual for pair in self.pairs),
                    terms=terms.share,
                ),
            )
            for arm, terms in ((arm, with_own(self.terms, arm, "terms")) for arm in self.arm_settings)
        )

    @property
    def inputs(self) -> list[str]:
        """All that is named in it to be read: models, corpora, lexicons, texts."""
        named = [name for pair in self.pairs for name in (pair.train, pair.valid, pair.test)]
        corpora = [name for name in named if name not in (NO_PAIRS, TAKEN)]
        texts = [*self.model.text, *(text for pair in self.pairs for text in pair.monolingual.values())]
        lexicons = [name for arm in self.arms for name in arm.lexicon.inputs]
        glossed = self.zeroshot.glossed.values()
        dictionaries = (*(each.dictionaries for each in glossed), *(pair.dictionaries for pair in self.pairs))
        texts += [dictionary.path for each in dictionaries for dictionary in each]
        corpora += [*self.zeroshot.tests.values(), *(each.test for each in glossed if each.test is not None)]
        outputs = [name for arm in self.arms for name in arm.output_files]
        return [self.model.name, *texts, *corpora, *lexicons, *outputs, *self.zeroshot.multiway.values()]
