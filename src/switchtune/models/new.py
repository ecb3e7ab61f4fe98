"""Models made from scratch: of a family's real class, at any size, with a vocabulary of their own."""

import io
import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
from transformers import M2M100Tokenizer, PretrainedConfig, PreTrainedTokenizerBase, T5Tokenizer
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M100_CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

from switchtune.config.pretrain import FamilyName, SizeSettings
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import naming
from switchtune.languages import find_language
from switchtune.models.families import FAMILIES, Family
from switchtune.models.files import with_own_unknown
from switchtune.models.layout import Layout, layout_of, written_tag
from switchtune.models.load import Loaded, assembled, random_model

_PASSAGES_SAMPLED = 100_000


def new_model(family: FamilyName, size: SizeSettings, texts: Mapping[str, Sequence[str]], *, seed: int) -> Loaded:
    """Make a model of a family's real class, with random weights and a vocabulary of its own, trained on the texts.

    The same texts, size and seed give the same model; few texts may make fewer pieces than asked for.

    Args:
        texts: passages of each language.
        seed: of the weights, and of the sample of the texts where they are many.

    Raises:
        UnknownLanguageError: no such language.
        UsageError: transformers cannot generate with a model of that size, or the family cannot write a language's tag.
        SwitchtuneError: the texts are too few for so many pieces.
    """
    require_size(family, size)
    row = FAMILIES[family]
    tokenizer: Any = new_tokenizer(row, size, texts, seed)
    layout = Layout(row, tokenizer)
    _tag_all(layout, texts)
    config = _new_config(layout, size)
    return assembled(random_model(config, seed), layout_of(row, tokenizer, config))


def _tag_all(layout: Layout, languages: Iterable[str]) -> None:
    """Give the languages that a family lacks tags as it writes them."""
    lacking = [each for each in languages if find_language(each).code not in layout.languages]
    if lacking and layout.family.tag is not None:
        tokenizer: Any = layout.tokenizer
        tokenizer.add_tokens([written_tag(layout.family, each) for each in lacking], special_tokens=True)


def require_size(family: FamilyName, size: SizeSettings) -> None:
    """Raises UsageError where transformers cannot generate with a model of that size."""
    if size.decoder_layers > size.encoder_layers and not FAMILIES[family].deeper_decoder:
        raise UsageError(
            f"size: {size.decoder_layers} decoder layers, {size.encoder_layers} encoder layers. transformers cannot "
            f"generate with a model of the family {family} whose decoder is the deeper one: give both as many."
        )


def _new_config(layout: Layout, size: SizeSettings) -> PretrainedConfig:
    family = layout.family
    settings: dict[str, Any] = {
        "vocab_size": 1 + max(layout.tokenizer.get_vocab().values()),
        "d_model": size.width,
        "encoder_layers": size.encoder_layers,
        "decoder_layers": size.decoder_layers,
        "encoder_ffn_dim": size.feed_forward,
        "decoder_ffn_dim": size.feed_forward,
        "encoder_attention_heads": size.heads,
        "decoder_attention_heads": size.heads,
        "max_position_embeddings": size.positions,
        "scale_embedding": True,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        # What T5 calls the same.
        "d_kv": size.width // size.heads,
        "d_ff": size.feed_forward,
        "num_layers": size.encoder_layers,
        "num_decoder_layers": size.decoder_layers,
        "num_heads": size.heads,
        "feed_forward_proj": "gated-gelu",
    }
    if family.own_output_matrix:
        settings |= {"tie_word_embeddings": False, "pad_token_id": layout.pad_id, "eos_token_id": layout.eos_id}
        settings |= layout.generation_settings(layout.languages[0])
    known = {*family.config().to_dict(), "decoder_start_token_id"}
    return family.config(**{name: value for name, value in settings.items() if name in known})


def new_tokenizer(
    family: Family, size: SizeSettings, texts: Mapping[str, Sequence[str]], seed: int
) -> PreTrainedTokenizerBase:
    if family.bytewise:
        return family.tokenizer()
    trained = train_sentencepiece(family, size.pieces, texts, seed)
    # M2M100Tokenizer reads its file again when it is copied to another process, so the folder lives as long as it does.
    folder = Path(tempfile.mkdtemp(prefix="switchtune-"))
    with naming(folder):
        (folder / family.pieces_file).write_bytes(trained)
    options: dict[str, Any] = dict(family.tokenizer_options)
    if family.tokenizer is M2M100Tokenizer:
        processor = sentencepiece.SentencePieceProcessor(model_proto=trained)
        pieces = [processor.id_to_piece(number) for number in range(3, processor.get_piece_size())]
        tokens = ["<s>", "<pad>", "</s>", "<unk>", *pieces, "<mask>"]
        with naming(folder):
            ids = json.dumps({token: number for number, token in enumerate(tokens)})
            (folder / "vocab.json").write_text(ids, encoding="utf-8", newline="\n")
        options["additional_special_tokens"] = [f"__{code}__" for code in M2M100_CODES["m2m100"]]
        options["mask_token"] = "<mask>"
    elif family.name == "nllb":
        codes = {find_language(language).code for language in texts}
        options["extra_special_tokens"] = [tag for tag in NLLB_CODES if find_language(tag).code in codes]
    elif family.tokenizer is T5Tokenizer:
        # Without any they would be a hundred; MADLAD-400's are pieces already.
        options |= {"extra_ids": 0, "additional_special_tokens": []} if family.tags_in_text else {"extra_ids": 1}
    tokenizer: PreTrainedTokenizerBase = with_own_unknown(
        family.tokenizer.from_pretrained(folder, model_max_length=size.positions, **options)
    )
    weakref.finalize(tokenizer, shutil.rmtree, folder, ignore_errors=True)
    return tokenizer


def train_sentencepiece(family: Family, pieces: int, texts: Mapping[str, Sequence[str]], seed: int) -> bytes:
    scripts = {find_language(language).script for language in texts}
    tags = [written_tag(family, language) for language in texts] if family.tags_in_text else []
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_training_text(family, texts, np.random.default_rng(seed)),
            model_writer=model,
            vocab_size=pieces + 3,
            character_coverage=0.9995 if scripts & {"Hans", "Hant", "Jpan", "Hang"} else 1.0,
            max_sentence_length=1 << 20,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
            user_defined_symbols=[*tags, family.mask] if tags else [],
            **family.sentencepiece,
        )
    except RuntimeError as error:
        raise SwitchtuneError(
            f"No vocabulary of {pieces} pieces can be trained on {sum(map(len, texts.values()))} passages: "
            f"{str(error).strip()}. Give more text, or change size.pieces."
        ) from error
    return model.getvalue()


def _training_text(family: Family, texts: Mapping[str, Sequence[str]], rng: np.random.Generator) -> Iterator[str]:
    """A sample of each language's passages, with instructions at every hundredth where the family has such in words."""
    names = [find_language(language).name for language in texts]
    for passages in texts.values():
        sample: Sequence[int] = range(len(passages))
        if len(passages) > _PASSAGES_SAMPLED:
            sample = np.sort(rng.choice(len(passages), _PASSAGES_SAMPLED, replace=False)).tolist()
        for count, index in enumerate(sample):
            if "instruction" in family.before_source and not family.tags_in_text and count % 100 == 0:
                yield from (family.instruction.format(source=one, target=other) for one in names for other in names)
            yield passages[index]
