"""What sets each model family apart, as data: its layout of tags and special tokens, its vocabulary, how it is trained.

The layouts, with X the source sentence, Y the target sentence, `src` and `tgt` the tags of their languages:

| family   | encoder input                       | labels       | decoder input | forced first token |
|-|-|-|-|-|
| mbart    | X </s> src                          | Y </s> tgt   | tgt Y </s>    | – |
| mbart50  | src X </s>                          | tgt Y </s>   | </s> tgt Y    | tgt |
| nllb     | src X </s>                          | tgt Y </s>   | </s> tgt Y    | tgt |
| m2m100   | src X </s>                          | tgt Y </s>   | </s> tgt Y    | tgt |
| small100 | tgt X </s>                          | Y </s>       | </s> Y        | – |
| mt5      | translate German to English: X </s> | Y </s>       | <pad> Y       | – |
| umt5     | as mt5                              | Y </s>       | <pad> Y       | – |
| byt5     | as mt5, in bytes                    | Y </s>       | <pad> Y       | – |
| t5       | as mt5                              | Y </s>       | <pad> Y       | – |
| madlad   | ▁ tgt X </s>                        | Y </s>       | <unk> Y       | – |

"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from transformers import (
    ByT5Tokenizer,
    M2M100Config,
    M2M100Tokenizer,
    MBart50Tokenizer,
    MBartConfig,
    MBartTokenizer,
    MT5Config,
    NllbTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerBase,
    T5Config,
    T5Tokenizer,
    UMT5Config,
)

from switchtune.config.pretrain import FamilyName
from switchtune.errors import SwitchtuneError

Slot = Literal["source", "target", "instruction", "eos", "pad", "unk"]

FAMILY_KEY = "switchtune_family"
"""Setting of a saved model's config.json that names its family, as architecture and vocabulary do not always tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingNeeds:
    """What a model needs of its training. Learning rates are peaks; the defaults are those of an encoder alone."""

    optimizer: Literal["adamw", "adafactor"] = "adamw"
    """Optimizer that the published models were trained with."""
    adam_lr: float = 3e-5
    lora_lr: float = 3e-4
    """Learning rate of adapters."""
    no_fp16: str | None = None
    """Why the family cannot be trained in fp16, where it cannot."""
    no_flash_attention: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(TrainingNeeds):
    """All that sets a model family apart, as data."""

    name: FamilyName
    published: tuple[str, ...]
    """Names of the published models."""
    model_type: str
    config: type[PretrainedConfig]
    tokenizer: type[PreTrainedTokenizerBase]
    sentencepiece: Mapping[str, Any]
    """What sentencepiece is told when a vocabulary is trained for a new model; nothing where there are only bytes."""
    pieces_file: str = "sentencepiece.bpe.model"
    tokenizer_options: Mapping[str, Any] = field(default_factory=dict)
    """What transformers' tokenizer is told whenever it is made or saved."""

    tag: str | None
    """Regular expression of the family's language tags, the language's code as its group; None without tags."""
    tag_code: str = ""
    """How a tag writes the code of a language, as a format of `code`, `iso3` and `script`."""
    before_source: tuple[Slot, ...]
    """What stands before the source sentence in the encoder input."""
    after_source: tuple[Slot, ...]
    before_target: tuple[Slot, ...]
    """What stands before the target sentence in the labels."""
    after_target: tuple[Slot, ...]
    decoder_start: Slot
    instruction: str = "translate {source} to {target}:"
    """What an instruction says, as a format of the languages' codes; the target's tag in families with tags, and with
    the space behind it where that is no part of the sentence's first piece."""
    named: str | None = None
    """Regular expression of the models' names, where neither architecture nor tags tell them from another family's."""
    layers: tuple[int, int] | None = None
    """Layers of encoder and decoder, by which a model may be of this family though its name does not say so."""
    mask: str | None = None
    """Token that stands for a masked span, where the tokenizer names none itself."""
    sheds_tags: bool = False
    """Whether transformers' tokenizer does without tags that it is not given; others bring all that were published."""
    fixed_sources: bool = False
    """Whether transformers' tokenizer can be set only to source languages that were published."""

    positions: Literal["learned", "sinusoidal", "relative"]
    """How the model knows the order of tokens; learned positions have an end."""
    deeper_decoder: bool = True
    """Whether transformers can generate where the decoder has more layers than the encoder."""
    own_output_matrix: bool = False
    """Whether the published models do not share the output matrix with the embeddings, whatever transformers does."""
    projections: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
    """Names of the linear layers of attention and feed-forward, which get adapters."""
    ct2_loader: str

    @property
    def bytewise(self) -> bool:
        """Whether texts are bytes to it, and not pieces of a vocabulary."""
        return self.tokenizer is ByT5Tokenizer

    @property
    def tags_in_text(self) -> bool:
        """Whether a tag is a piece like others, which stands in the text that a tokenizer is given."""
        return self.tag is not None and "instruction" in self.before_source


_TAG_FIRST: Mapping[str, Any] = {
    "before_source": ("source",),
    "after_source": ("eos",),
    "before_target": ("target",),
    "after_target": ("eos",),
    "decoder_start": "eos",
}
_MBART: Mapping[str, Any] = {
    "model_type": "mbart",
    "config": MBartConfig,
    "tag": r"([a-z]{2,3}_[A-Z]{2})",
    "tag_code": "{code}_XX",
    "positions": "learned",
    "ct2_loader": "BartLoader",
}
_M2M100: Mapping[str, Any] = {
    "model_type": "m2m_100",
    "config": M2M100Config,
    "sentencepiece": {"model_type": "bpe"},
    "positions": "sinusoidal",
    "ct2_loader": "M2M100Loader",
}
_M2M100_TAGS: Mapping[str, Any] = {
    "tokenizer": M2M100Tokenizer,
    "tag": r"__([a-z]{2,3})__",
    "tag_code": "{code}",
    "fixed_sources": True,
}
_T5: Mapping[str, Any] = {
    "tokenizer": T5Tokenizer,
    "sentencepiece": {"model_type": "unigram", "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "pieces_file": "spiece.model",
    "tag": None,
    "before_source": ("instruction",),
    "after_source": ("eos",),
    "before_target": (),
    "after_target": ("eos",),
    "decoder_start": "pad",
    "mask": "<extra_id_0>",
    "positions": "relative",
    "deeper_decoder": False,
    "own_output_matrix": True,
    "projections": ("q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo"),
    # Pretrained and fine-tuned with Adafactor (Xue et al. 2021). With Adam it needs more than the others: what
    # transformers' documentation of T5 gives, and for adapters what peft's examples use.
    "optimizer": "adafactor",
    "adam_lr": 3e-4,
    "lora_lr": 1e-3,
    "no_fp16": "it was trained in bf16, and in its feed-forward layers numbers grow beyond the 65,504 that fp16 ends "
    "at, so that the loss becomes NaN (huggingface/transformers#9295, #10956)",
    "no_flash_attention": "cannot take the position bias of T5 and its kin",
}
_T5_TYPE: Mapping[str, Any] = {"model_type": "t5", "config": T5Config, "ct2_loader": "T5Loader"}
_ROWS = (
    Family(
        name="mbart",
        published=("mBART-25",),
        **_MBART,
        tokenizer=MBartTokenizer,
        # The tokenizer of transformers 5 does not normalise, so its pieces are trained on text as it stands.
        sentencepiece={"model_type": "unigram", "normalization_rule_name": "identity"},
        before_source=(),
        after_source=("eos", "source"),
        before_target=(),
        after_target=("eos", "target"),
        decoder_start="target",
    ),
    Family(
        name="mbart50",
        published=("mBART-50",),
        **_MBART,
        tokenizer=MBart50Tokenizer,
        sentencepiece={"model_type": "unigram"},
        **_TAG_FIRST,
        fixed_sources=True,
    ),
    Family(
        name="nllb",
        published=("NLLB-200",),
        **_M2M100,
        tokenizer=NllbTokenizer,
        # Older tokenizers put the tag last ("legacy"), unlike here and unlike the model's training.
        tokenizer_options={"legacy_behaviour": False},
        tag=r"([a-z]{3}_[A-Z][a-z]{3})",
        tag_code="{iso3}_{script}",
        **_TAG_FIRST,
        sheds_tags=True,
    ),
    Family(
        name="m2m100",
        published=("M2M-100",),
        **_M2M100,
        **_M2M100_TAGS,
        **_TAG_FIRST,
    ),
    Family(
        name="small100",
        published=("SMaLL-100",),
        **_M2M100,
        **_M2M100_TAGS,
        before_source=("target",),
        after_source=("eos",),
        before_target=(),
        after_target=("eos",),
        decoder_start="eos",
        named=r"small.?100",
        layers=(12, 3),
    ),
    Family(name="mt5", published=("mT5", "mT0"), model_type="mt5", config=MT5Config, **_T5, ct2_loader="MT5Loader"),
    Family(
        name="umt5",
        published=("umT5",),
        model_type="umt5",
        config=UMT5Config,
        **{**_T5, "sentencepiece": {"model_type": "unigram", "pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3}},
        ct2_loader="UMT5Loader",
    ),
    Family(
        name="byt5",
        published=("ByT5",),
        **_T5_TYPE,
        # The mask is the last of the bytes, which no UTF-8 has in it; it stood for the first span of a text in ByT5's
        # pretraining (Xue et al. 2022, section 3.1).
        **{**_T5, "tokenizer": ByT5Tokenizer, "sentencepiece": {}, "mask": "\xff"},
        instruction="translate {source} to {target}: ",
    ),
    Family(
        name="madlad",
        published=("MADLAD-400",),
        **_T5_TYPE,
        **{
            **_T5,
            "sentencepiece": {"model_type": "unigram", "unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
            "tokenizer_options": {"pad_token": "<s>"},
            # Tags of scripts (<2Cyrl>) and regions (<2az_RU>) name no language.
            "tag": r"<2([a-z]{2,3}(?:_[A-Z][a-z]{3})?)>",
            "decoder_start": "unk",
        },
        tag_code="{code}",
        instruction="<2{target}>",
        sheds_tags=True,
    ),
    Family(name="t5", published=("Aya-101", "Flan-T5"), **_T5_TYPE, **_T5),
)
FAMILIES: Mapping[FamilyName, Family] = {family.name: family for family in _ROWS}
PUBLISHED = [name for family in _ROWS for name in family.published]


def training_needs(family: FamilyName | None) -> TrainingNeeds:
    """What a model of the family needs of its training; None is an encoder alone."""
    return TrainingNeeds() if family is None else FAMILIES[family]


def families_like(config: PretrainedConfig) -> list[Family]:
    """The families of a model's architecture; several where only tags tell them apart."""
    return [family for family in FAMILIES.values() if family.model_type == config.model_type]


def require_supported(config: PretrainedConfig) -> None:
    """Raise SwitchtuneError for a model whose architecture is that of none of the families."""
    if not families_like(config):
        raise unsupported(config, f"a model of type {config.model_type!r}")
    if getattr(config, "scale_decoder_outputs", False):
        remedy = " For T5, use version 1.1 (google/t5-v1_1-base) or Flan-T5."
        raise unsupported(config, "a T5 of the first version, whose output matrix is its embeddings", remedy)
    if not config.is_encoder_decoder:
        raise unsupported(config, "a model whose config.json says that it is not an encoder-decoder model")


def unsupported(config: PretrainedConfig, found: str, remedy: str = "") -> SwitchtuneError:
    return SwitchtuneError(
        f"{config.name_or_path or 'The model'}: this is {found}. switchtune trains {', '.join(PUBLISHED[:-1])} and "
        f"{PUBLISHED[-1]}: give one of these, or a model made from one.{remedy}"
    )
