"""How words are replaced."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from switchtune.config.base import AtOnce, Settings, Share

SwitchSource: TypeAlias = Literal["lexicon", "aligned", "random", "anti", "mask"]

LEAST_MEAN_SPAN = 0.1
"""In words. Nearly all spans of a smaller mean are empty, and would be drawn again for ever."""
MeanSpan: TypeAlias = Annotated[float, Field(ge=LEAST_MEAN_SPAN, le=1000)]


class SwitchingSettings(Settings):
    """How words are replaced (paper 4.2)."""

    rate: Share = 0.35
    """Share of a sentence's words to replace."""
    mean_span: MeanSpan = 3.5
    """Mean of the Poisson distribution of span lengths, in words."""
    unit: Literal["word", "piece"] = "word"
    """What is replaced: words, or the model's subword pieces."""
    source: SwitchSource = "lexicon"
    """Where replacements come from: the lexicon; `aligned`: the word that is aligned to it in its own sentence pair;
    `random`, `anti` (least similar) and `mask` are controls."""
    phrases: bool = False
    """With `aligned`: replace a span by its translation as a phrase, in the other language's order, if it has one."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SwitchingSettings":
        if self.source == "aligned" and self.unit == "piece":
            raise ValueError("source: aligned switches words; it does not work with unit: piece")
        if self.phrases and self.source != "aligned":
            raise ValueError("phrases: true needs source: aligned, which knows how a phrase is translated")
        return self


DEFAULT_TAG = "=="


class GlossSettings(Settings):
    """How glosses are made: target sentences in the words of the source language, as inputs of the task; for tasks that
    do not translate, their own inputs with words in another language."""

    rate: Share = 1.0
    """Share of the words with a known translation that are replaced by it; for summarization, 0.35 unless set."""
    k: AtOnce = 1
    """Number of strongest translations to draw a word's from, where words are translated by themselves."""
    omit_below: Share = 0.03
    """Probability in an aligned lexicon below which a word's strongest translation does not count: the word is left out
    of the gloss, as the other language mostly does without it. Switched inputs keep such words; where translations are
    chosen by a language model, the alignments of the pairs tell which words are left out."""
    unknown: Literal["keep", "drop", "mask"] = "keep"
    """What happens to words without a translation."""
    reorder: bool = True
    """Whether the words of a gloss are put in the order of the source language, which is learned from the alignments of
    the pairs; has an effect with a lexicon that is aligned from the pairs."""
    language_model: Annotated[float, Field(ge=0, le=10)] = 0.7
    """Weight of a language model of the source language, made from the pairs and from monolingual text, by which the
    translations in a gloss are chosen to fit each other; 0: words are translated by themselves."""
    stems: bool = True
    """For a word without a translation, use that of another form of it: the most frequent one that begins like it."""
    compounds: bool = True
    """For a word without a translation, use those of the two or three known words that it is made of."""
    tag: bool | str = False
    """Text at the start of a gloss that marks it as one, as in tagged back-translation (Caswell et al., 2019); `true`:
    `==`. It is tokenised like other text, so no model needs a new piece for it."""

    @property
    def mark(self) -> str:
        """The text at the head of a gloss."""
        return self.tag if isinstance(self.tag, str) else DEFAULT_TAG * self.tag


DEFAULT_TERM_TAG = "|"


class TermSettings(Settings):
    """Terms in the sources of the task's examples, so that a model learns to keep the terms of a glossary: target words
    replace the source words that they are aligned to, and the output is the reference. A number alone is the share."""

    share: Share = 0.0
    """Share of the task's examples whose sources carry terms."""
    rate: Share = 0.15
    """Share of such a source's words that are replaced; at least one term, if there is any."""
    base_forms: Share = 0.5
    """Share of one-word terms that are given in the lexicon's form where the reference has another, so that the model
    learns to inflect them."""
    tag: bool | str = False
    """Text before and after a term that marks it as one; `true`: `|`. It is tokenised like other text."""

    @model_validator(mode="before")
    @classmethod
    def _from_share(cls, value: Any) -> Any:
        return share_alone(value)

    @property
    def mark(self) -> str:
        """The text before and behind a term."""
        return self.tag if isinstance(self.tag, str) else DEFAULT_TERM_TAG * self.tag

    def describe(self) -> str:
        """For people: what a model does that was trained so."""
        marked = f", between {self.mark!r} and {self.mark!r}" if self.mark else ""
        return (
            f"Trained with terms: target-language words in the source{marked} are kept, and "
            "inflected where necessary (`switchtune translate --glossary`)."
        )


def share_alone(value: Any) -> Any:
    """A number as the share that it is in a block of `TermSettings`."""
    return {"share": value} if isinstance(value, int | float) and not isinstance(value, bool) else value
