"""How words are replaced."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from switchtune.config.base import AtOnce, Count, Settings, Share

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


DEFAULT_TAG = "=="


class GlossSettings(Settings):
    """How glosses are made: target sentences written word by word in the source language, as inputs of the task; of
    tasks that do not translate, their own inputs with words in another language."""

    rate: Share = 1.0
    """Share of the words with a known translation that are replaced by one; where the task is summarization, 0.35
    unless another is given."""
    k: AtOnce = 1
    """Number of strongest translations from which a word's is drawn."""
    omit_below: Share = 0.03
    """Probability in an aligned lexicon under which a word's strongest translation counts as none: the word is left out
    of the gloss, as the other language mostly does without it. Switched inputs keep their words."""
    draw: Literal["uniform", "probability", "backward"] = "uniform"
    """How likely each of them is: all alike; in proportion to its probability (or similarity) in the lexicon; or in
    proportion to that of its being translated back, by the lexicon of the other direction."""
    unknown: Literal["keep", "drop", "mask"] = "keep"
    """What happens to words without a translation."""
    drop: Share = 0.0
    """Share of the words of a gloss that are left out by chance, as the other language has fewer or others."""
    shuffle: Count = 0
    """Greatest number of places that a word of a gloss is moved by chance, as the other language has another order
    (Lample et al., 2018: 3, with 0.1 of the words left out)."""
    stems: bool = True
    """Take the translation of another form of a word that has none: of the most frequent one that begins like it."""
    compounds: bool = True
    """Render a word that has no translation as those of the two or three known words that it is made of."""
    tag: bool | str = False
    """Text at the head of a gloss that marks it as one, as in tagged back-translation (Caswell et al., 2019); `true`:
    `==`. It is cut into pieces like other text, so that no model needs a new piece for it."""

    @model_validator(mode="after")
    def _draws_from_several(self) -> "GlossSettings":
        if self.k == 1 and self.draw != "uniform":
            raise ValueError(f"draw: {self.draw} decides nothing with k: 1; give k: 3")
        return self

    @property
    def mark(self) -> str:
        """The text at the head of a gloss."""
        return self.tag if isinstance(self.tag, str) else DEFAULT_TAG * self.tag


DEFAULT_TERM_TAG = "|"


class TermSettings(Settings):
    """Terms in the sources of the task's examples, so that a model keeps the terms of a glossary: target words stand in
    place of the source words that they are aligned to, and the output is the reference. A number alone is the share."""

    share: Share = 0.0
    """Share of the task's examples whose sources carry terms."""
    rate: Share = 0.15
    """Share of the words of such a source that are replaced; one term at least, where there is any."""
    base_forms: Share = 0.5
    """Share of the terms of one word that stand in the form that the lexicon has, where the reference has another, so
    that the model learns to inflect them."""
    tag: bool | str = False
    """Text before and behind a term that marks it as one; `true`: `|`. It is cut into pieces like other text."""

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
            f"Trained with terms: words of the target language that stand in the source{marked} are kept, and "
            "inflected where that is called for (`switchtune translate --glossary`)."
        )


def share_alone(value: Any) -> Any:
    """A number as the share that it is in a block of `TermSettings`."""
    return {"share": value} if isinstance(value, int | float) and not isinstance(value, bool) else value
