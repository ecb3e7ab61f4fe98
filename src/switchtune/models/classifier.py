"""Models that tell the label of a premise and a hypothesis: those of the families as BART does, encoders alone.

A model of a family gets premise and hypothesis, `</s>` between them, in encoder and decoder, as a sentence that is to
be put into its own language; the decoder's state at its last token goes through BART's head: dense, tanh, projection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import torch
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.mbart.modeling_mbart import MBartClassificationHead

from switchtune.config.pretrain import FamilyName
from switchtune.corpus.documents import SENTENCE_END
from switchtune.corpus.inference import LABELS
from switchtune.errors import SwitchtuneError
from switchtune.examples import Example
from switchtune.files import atomic_path
from switchtune.models.families import PUBLISHED, families_like
from switchtune.models.files import explained, from_pretrained, load_weights, on_meta, quietly, require_finite
from switchtune.models.forward import Batch, decoder_states, device_type
from switchtune.models.layout import TokenIds, padded
from switchtune.models.licence import Licence, licence_of, write_card
from switchtune.models.load import Loaded, load_model, parameter_count, require_tokens, save_model

HEAD = "classification_head"

HEAD_STD = 0.02
"""Standard deviation of the head's first weights: BART's."""


def as_one_text(pair: Example) -> Example:
    """Premise and hypothesis as a model of a family gets them: one text, to be put into its own language."""
    text, language = f"{pair.source} {SENTENCE_END} {pair.target}", pair.source_language
    return Example(text, language, text, language)


@dataclass(frozen=True)
class Seq2SeqClassifier:
    """A model of one of the families with the head; saved, it is set to `language`."""

    loaded: Loaded
    language: str
    max_tokens: int

    @property
    def model(self) -> PreTrainedModel:
        return self.loaded.model

    @property
    def family(self) -> FamilyName | None:
        return self.loaded.layout.family.name

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.loaded.tokenizer

    def batch(self, pairs: Sequence[Example]) -> tuple[Batch, int]:
        """Pairs as the model takes them, and how many were cut to fit: in the premise, lest the hypothesis be lost.

        Args:
            pairs: premises as sources and hypotheses as targets, in the language of the source.

        Returns:
            `input_ids`, `attention_mask`, `decoder_input_ids` (pairs, longest), `last` (pairs,): the index of the
            decoder's last token.
        """
        encoded = self._encoded(pairs)
        cut = [place for place, ids in enumerate(encoded) if ids.truncated]
        for place in cut:
            pair = pairs[place]
            while encoded[place].truncated and len(pair.source) > 1:
                pair = replace(pair, source=pair.source[: 3 * len(pair.source) // 4])
                (encoded[place],) = self._encoded([pair])
        layout = self.loaded.layout
        decoder_input_ids = [ids.decoder_input_ids for ids in encoded]
        return {
            **layout.collate_source([ids.input_ids for ids in encoded]),
            "decoder_input_ids": padded(decoder_input_ids, layout.pad_id),
            "last": torch.tensor([len(ids) - 1 for ids in decoder_input_ids]),
        }, len(cut)

    def _encoded(self, pairs: Sequence[Example]) -> list[TokenIds]:
        return self.loaded.layout.batch_encode(list(map(as_one_text, pairs)), max_tokens=self.max_tokens)

    def logits(self, batch: Batch) -> torch.Tensor:
        """(pairs, labels) of a batch on the model's device, in the order of `LABELS`."""
        # Padding follows the last token, and the decoder does not look ahead.
        states = decoder_states(self.loaded.model, batch)  # (pairs, longest, d)
        last = states[torch.arange(len(states), device=states.device), batch["last"]]
        logits: torch.Tensor = self.loaded.model.get_submodule(HEAD)(last)
        return logits

    def save(self, folder: Path) -> None:
        save_model(self.loaded, folder, self.language, self.language)


@dataclass(frozen=True)
class EncoderClassifier:
    """An encoder with transformers' own head for it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_tokens: int
    licence: Licence | None = None
    family: FamilyName | None = None

    def batch(self, pairs: Sequence[Example]) -> tuple[Batch, int]:
        texts = ([pair.source for pair in pairs], [pair.target for pair in pairs])
        options: Any = {"split_special_tokens": True, "verbose": False}
        cut = sum(len(ids) > self.max_tokens for ids in self.tokenizer(*texts, **options)["input_ids"])
        batch = self.tokenizer(
            *texts,
            truncation="longest_first",
            max_length=self.max_tokens,
            padding=True,
            padding_side="right",
            return_tensors="pt",
            **options,
        )
        return dict(batch), cut

    def logits(self, batch: Batch) -> torch.Tensor:
        model: Any = self.model
        logits: torch.Tensor = model(**batch).logits
        return logits

    def save(self, folder: Path) -> None:
        with atomic_path(folder) as temporary, quietly():
            self.model.save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)
            write_card(temporary, self.licence)


Classifier: TypeAlias = Seq2SeqClassifier | EncoderClassifier


def is_encoder(path: str, config: PretrainedConfig | None = None) -> bool:
    """Whether a model is an encoder alone; raises SwitchtuneError for one that can be no classifier here."""
    config = config or from_pretrained(AutoConfig, path)
    if families_like(config):
        return False
    if config.is_encoder_decoder or type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise SwitchtuneError(
            f"{path}: a model of type {config.model_type!r}. Give one of {', '.join(PUBLISHED)}, or an encoder that "
            "transformers can classify with, such as google-bert/bert-base-multilingual-cased."
        )
    return True


def weight_count(path: str) -> int:
    """Number of a model's weights, found without loading them; raises as `is_encoder`."""
    config = from_pretrained(AutoConfig, path)
    if not is_encoder(path, config):
        return parameter_count(path)
    model = on_meta(path, config, lambda: AutoModelForSequenceClassification.from_config(config))
    return sum(weights.numel() for weights in model.parameters())


def open_classifier(
    path: str,
    language: str,
    *,
    max_tokens: int,
    init: Literal["pretrained", "random"] = "pretrained",
    dropout: float | None = None,
    attention_dropout: float | None = None,
    seed: int = 0,
) -> Classifier:
    """A model as a classifier, in float32, in evaluation mode, on the GPU where there is one.

    Args:
        path: a folder or a name on the Hub; with its head where it was saved with one.
        language: of the training set.
        max_tokens: longest pair in tokens; fewer where the model cannot take as many.
        seed: of the weights that are drawn, with `init` "random" all of them.

    Raises SwitchtuneError where nothing is there, for a model that can be no classifier, and for damaged weights.
    """
    config = from_pretrained(AutoConfig, path)
    if is_encoder(path, config):
        return _open_encoder(path, config, max_tokens=max_tokens, init=init, seed=seed)
    loaded = load_model(path, init=init, dropout=dropout, attention_dropout=attention_dropout, seed=seed)
    head = _new_head(loaded.model, seed)
    saved = _saved_head(Path(path))
    if saved and init == "pretrained":
        with explained(path, "*.safetensors"):
            head.load_state_dict(saved)
        require_finite(path, saved)
    cast("torch.nn.Module", loaded.model).add_module(HEAD, head.to(loaded.model.device))
    loaded.model.eval()
    return Seq2SeqClassifier(loaded, language, loaded.layout.fitting(max_tokens))


def _saved_head(folder: Path) -> dict[str, torch.Tensor]:
    weights = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            names = [name for name in opened.keys() if name.startswith(f"{HEAD}.")]  # noqa: SIM118
            weights.update({name.removeprefix(f"{HEAD}."): opened.get_tensor(name) for name in names})
    return weights


def _new_head(model: PreTrainedModel, seed: int) -> torch.nn.Module:
    width = int(model.config.d_model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = MBartClassificationHead(width, width, len(LABELS), getattr(model.config, "classifier_dropout", 0.0))
        for layer in (head.dense, head.out_proj):
            torch.nn.init.normal_(layer.weight, std=HEAD_STD)
            torch.nn.init.zeros_(layer.bias)
    return head


def _open_encoder(
    path: str, config: PretrainedConfig, *, max_tokens: int, init: Literal["pretrained", "random"], seed: int
) -> EncoderClassifier:
    config.num_labels = len(LABELS)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: number for number, label in enumerate(LABELS)}
    tokenizer = from_pretrained(AutoTokenizer, path)
    require_tokens(path, tokenizer, "pad_token")
    with torch.random.fork_rng(devices=[]), quietly():
        torch.manual_seed(seed)
        if init == "random":
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        else:
            model, _ = load_weights(AutoModelForSequenceClassification, path, config)
    model.eval()
    model.to(device_type())
    with explained(path, "config.json", "tokenizer_config.json"), torch.no_grad():
        longest = min(max_tokens, tokenizer.model_max_length)
        classifier = EncoderClassifier(model, tokenizer, longest, licence_of(path))
        # Some settings are read when they are first needed.
        batch, _ = classifier.batch([Example("1.", "", "2.", "")])
        classifier.logits({name: values.to(model.device) for name, values in batch.items()})
    return classifier
