"""`switchtune pretrain`: a small model from monolingual text."""

from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from switchtune.config.base import LONGEST_LIST, BelowOne, LanguageCode, LearningRate, Rows, Seed, Settings, Share
from switchtune.config.switching import MeanSpan
from switchtune.config.training import OptimizerName, TrainingSettings

FamilyName: TypeAlias = Literal["mbart", "mbart50", "mt5", "nllb", "m2m100", "small100", "umt5", "byt5", "madlad", "t5"]


class SizeSettings(Settings):
    """Size of a model made from scratch."""

    width: int = Field(256, ge=8, le=16_384)
    """d_model."""
    feed_forward: int = Field(1024, ge=8, le=65_536)
    encoder_layers: int = Field(3, ge=1, le=100)
    decoder_layers: int = Field(3, ge=1, le=100)
    heads: int = Field(4, ge=1, le=256)
    positions: int = Field(256, ge=16, le=100_000)
    """Longest sequence, in tokens (families with learned positions)."""
    pieces: int = Field(6000, ge=50, le=1_000_000)
    """Pieces of the sentencepiece vocabulary, language tags not counted; ByT5 has bytes."""

    @model_validator(mode="after")
    def _fits_together(self) -> "SizeSettings":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out evenly among {self.heads} heads")
        return self


class TextSettings(Settings):
    """Monolingual text of one language."""

    language: LanguageCode
    path: str
    """A text file (any compression), one passage per line, or `embedded:domain:split`."""
    limit: Rows | None = None
    """Number of passages to use, from the start of the file."""
    max_characters: Rows | None = None
    """Longest passage, in characters; longer ones are left out and counted."""


class PretrainTrainingSettings(TrainingSettings):
    """Training settings with the defaults of a pretraining from scratch."""

    lr: LearningRate = 5e-4
    """Peak learning rate."""
    optimizer: OptimizerName = "adamw"
    """`auto`: Adafactor for mT5 and other T5s (with which lr: 1e-3 is usual), AdamW for all others."""
    dropout: BelowOne | None = 0.1
    """Dropout of the model; null keeps the model's own."""
    label_smoothing: BelowOne = 0.0
    """ε of label smoothing, spread over the whole vocabulary."""


class PretrainConfig(Settings):
    """`switchtune pretrain`: denoising on monolingual text (paper eq. 2)."""

    family: FamilyName = "mbart"
    size: SizeSettings = SizeSettings()
    texts: tuple[TextSettings, ...] = Field(min_length=1, max_length=LONGEST_LIST)
    mask_rate: Share = 0.35
    """Share of the words that are masked; each span becomes one mask."""
    mean_span: MeanSpan = 3.5
    """Mean of the Poisson distribution of span lengths, in words."""
    valid_lines: Rows = 500
    """Passages of each language held out of training, for the validation loss."""
    seed: Seed = 1
    training: PretrainTrainingSettings = PretrainTrainingSettings()

    @property
    def inputs(self) -> list[str]:
        """All that is named in it to be read."""
        return [text.path for text in self.texts]
