"""How the bilingual lexicon is built."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from switchtune.config.base import LONGEST_LIST, AtOnce, ColumnName, LanguageCode, Seed, Settings, Share, Weight
from switchtune.files import file_and_part

LexiconMethod: TypeAlias = Literal["auto", "align", "vecmap", "dictionary", "plm", "mixed"]
MapMode: TypeAlias = Literal[
    "auto", "unsupervised", "identical", "numerals", "semi_supervised", "supervised", "orthogonal"
]


class DictionarySettings(Settings):
    """A bilingual dictionary of your own."""

    path: str
    """File in MUSE format or TSV, in either direction; any compression."""
    weight: Weight = 1.0
    """Weight of its translations when several dictionaries have a word."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


class BlockSettings(Settings):
    """Entries to keep out of a lexicon."""

    numbers: bool = True
    """Words made of digits, which are the same in all languages."""
    identical: bool = False
    """Translations that are the same as the word, as most names are; switching never draws them anyway."""
    words: str | None = None
    """File of words, one per line, that no entry may contain on either side."""


class LexiconSettings(Settings):
    """How the bilingual lexicon is built (paper 4.1)."""

    method: LexiconMethod = "auto"
    """`align`: a word aligner on sentence pairs; `vecmap`: word embeddings of each side mapped into one space (the
    paper's); `dictionary`: files; `plm`: the model's own states; `mixed`: several of them; `auto`: align for parallel
    text and vecmap for other text, mixed with the dictionaries if there are any."""
    k: AtOnce = 3
    """Translations kept per word."""
    floor: Share = 0.1
    """`align`, `mixed`, `dictionary` leave out translations weaker than this share of the word's strongest; 0 keeps
    all."""
    preset: Literal["small", "paper"] = "small"
    """How `vecmap` learns: `small` suits corpora under 100k pairs; `paper` follows the paper throughout: its word2vec
    settings, VecMap's own schedule (with mode `auto`, from numerals, as the paper's code runs it), nearest by
    cosine."""
    mode: MapMode = "auto"
    """What `vecmap` starts its mapping from; `auto`: dictionaries, words spelt alike, or similarity profiles."""
    embeddings: tuple[str, str] | None = None
    """Word vectors of the two sides (word2vec or fastText text files) for `vecmap`, in place of word2vec."""
    dictionaries: tuple[DictionarySettings, ...] = Field((), max_length=LONGEST_LIST)
    """Dictionaries for `dictionary` and `mixed`, and for `vecmap` to start from."""
    parts: dict[Literal["align", "vecmap", "dictionary", "plm"], Weight] = Field(default_factory=dict)
    """Methods that `mixed` combines, with their weights; by default all that can be used, with weight 1."""
    block: BlockSettings = BlockSettings()
    """Entries to leave out."""
    corpus: str | None = None
    """Parallel corpus to build from, if not the pair's training corpus."""
    columns: tuple[ColumnName, ColumnName] | None = None
    """Names of the source and target columns of `corpus`, as for a pair."""
    seed: Seed = 1
    """Random seed of the build; a second build, with the next seed, shows how stable it is."""
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
            raise ValueError(f"dictionaries are not for method {self.method}: use dictionary, mixed, vecmap or auto")
        return self

    def with_dictionaries(self, dictionaries: tuple[DictionarySettings, ...]) -> "LexiconSettings":
        """The same with further dictionaries, where its method takes any."""
        if self.method in {"align", "plm"} or not dictionaries:
            return self
        return self.model_copy(update={"dictionaries": (*self.dictionaries, *dictionaries)})

    @property
    def files(self) -> list[str]:
        """Files that decide what the lexicon becomes."""
        block = [self.block.words] if self.block.words is not None else []
        dictionaries = (file_and_part(dictionary.path)[0] for dictionary in self.dictionaries)
        return [*dictionaries, *(self.embeddings or ()), *block]

    @property
    def inputs(self) -> list[str]:
        """All that is named in it to be read."""
        return self.files if self.corpus is None else [*self.files, self.corpus]

    @property
    def built_from(self) -> dict[str, Any]:
        """All that decides what the lexicon becomes."""
        return self.model_dump(mode="json", exclude={"accept", "columns"})


def _several(files: Any) -> Any:
    return [files] if isinstance(files, str | Mapping) else files


Dictionaries: TypeAlias = Annotated[tuple[DictionarySettings, ...], BeforeValidator(_several)]
"""A file, or several."""


class NliLexiconSettings(Settings):
    """Dictionaries between the training language and each other one."""

    dictionaries: dict[LanguageCode, Dictionaries] = Field(default_factory=dict)
    """Dictionaries by language: one file or several, in either direction."""
    k: AtOnce = 3
    """Translations kept per word."""
    block: BlockSettings = BlockSettings()
    """Entries to leave out."""

    def of(self, language: str) -> LexiconSettings:
        """How the lexicon into a language is made."""
        return dictionary_settings(self.dictionaries[language], self.k, self.block)


def dictionary_settings(dictionaries: tuple[DictionarySettings, ...], k: int, block: BlockSettings) -> LexiconSettings:
    """How a lexicon is made of dictionaries alone, with all that they have."""
    return LexiconSettings(method="dictionary", k=k, floor=0, dictionaries=dictionaries, block=block)
