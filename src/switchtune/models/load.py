"""Models in and out: from the Hub or a folder, made at any size, saved so that plain transformers loads them."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from switchtune.config.training import GenerationSettings
from switchtune.corpus.control import shown
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import atomic_path, fingerprint, hash_file, read_json, write_json, write_text
from switchtune.models.families import FAMILIES, FAMILY_KEY, families_like, require_supported
from switchtune.models.files import (
    PIECES,
    TOKENIZER_FILES,
    TRIM_RECORD,
    again,
    explained,
    from_pretrained,
    load_weights,
    on_meta,
    quietly,
    require_room,
)
from switchtune.models.forward import device_type, evaluating, on_device_of
from switchtune.models.layout import LIST_TAGS, Layout, family_of, layout_of
from switchtune.models.licence import Licence, licence_of, write_card
from switchtune.run_dir import loaded_files

LONGEST_GENERATION = 256
"""Longest output, in tokens of four bytes or more, of a saved model whose user asks for no other length."""

_TRIAL = "1, 2."
"""A sentence in any language."""

_TOLERANCE = 1e-4
"""Largest difference between a logit of a saved model and of the model in memory."""


class SavedModelDiffersError(SwitchtuneError): ...


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer and the layout that joins them."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    layout: Layout
    trim: str | None = None
    """The record of a trimmed vocabulary, which `save_model` hands on."""
    licence: Licence | None = None
    """Of the model that it was loaded from; handed on with it."""


def load_layout(path: str) -> Layout:
    """The layout of a model without its weights; raises SwitchtuneError where there is none of the families."""
    return _layout(path, from_pretrained(AutoConfig, path))


def _layout(path: str, config: PretrainedConfig) -> Layout:
    require_supported(config)
    folder = Path(path)
    if folder.is_dir() and not _in_bytes(folder, config) and not any((folder / name).exists() for name in PIECES):
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8])
        raise SwitchtuneError(
            f"{path}: a model without its tokenizer: there is neither {' nor '.join(PIECES)} (found: "
            f"{found}). `tokenizer.save_pretrained` writes it beside the model; or get the model again, with all files."
        )
    tokenizer = from_pretrained(AutoTokenizer, path)
    # Without its files transformers makes up a tokenizer that knows nothing but special tokens.
    if 2 * len(tokenizer) < config.vocab_size:
        raise SwitchtuneError(
            f"{path}: its tokenizer knows {len(tokenizer):,} pieces and its model {config.vocab_size:,}. The files of "
            "the tokenizer are missing; `tokenizer.save_pretrained` writes them beside the model."
        )
    with explained(path, *TOKENIZER_FILES):
        layout = layout_of(family_of(config, tokenizer), tokenizer, config)
        # As transformers before 5 saved M2M-100's, some do not count them among their special tokens.
        tags = layout.tokens(sorted(layout.tags.values()))
        if not layout.family.tags_in_text and not set(tags) <= set(tokenizer.all_special_tokens):
            tokenizer.add_special_tokens({"extra_special_tokens": tags}, replace_extra_special_tokens=False)
        return tried(path, layout)


def _in_bytes(folder: Path, config: PretrainedConfig) -> bool:
    """Whether a model in a folder has bytes in the place of pieces, and needs no file of these."""
    settings = folder / "tokenizer_config.json"
    told = read_json(settings).get("tokenizer_class") if settings.exists() else None
    return (told or getattr(config, "tokenizer_class", None)) == FAMILIES["byt5"].tokenizer.__name__


def tried(path: str, layout: Layout) -> Layout:
    """A layout whose tokenizer has been used once, as some settings are read only then; raises SwitchtuneError."""
    require_tokens(path, layout.tokenizer, "eos_token", "pad_token", "unk_token")
    # M2M100Tokenizer says of its table no more than how long it is.
    table: Mapping[str, Any] = getattr(layout.tokenizer, "encoder", {})
    if any(not isinstance(number, int) or not 0 <= number < len(layout.tokenizer) for number in table.values()):
        raise SwitchtuneError(f"{path}: vocab.json: ids from 0 to {len(layout.tokenizer)} are expected. {again(path)}")
    layout.decode(layout.encode_source(_TRIAL, layout.languages[0], layout.languages[0]))
    return layout


def require_tokens(path: str, tokenizer: PreTrainedTokenizerBase, *names: str) -> None:
    """Raise SwitchtuneError for a tokenizer that lacks special tokens ("pad_token")."""
    for name in names:
        with explained(path, *TOKENIZER_FILES):
            if getattr(tokenizer, f"{name}_id") is None:
                raise SwitchtuneError(f"{path}: its tokenizer has no {name} (see tokenizer_config.json). {again(path)}")


def model_fingerprint(path: str) -> str:
    folder = Path(path)
    if folder.is_dir():
        with explained(path):
            # How a vocabulary came about changes nothing about the model.
            files = (file for file in loaded_files(folder) if file.name != TRIM_RECORD)
            return fingerprint({file.name: hash_file(file) for file in files})
    revision = getattr(from_pretrained(AutoConfig, path), "_commit_hash", None)
    return f"{path}@{revision}" if revision else path


def parameter_count(path: str) -> int:
    config = model_config(path)
    return sum(weights.numel() for weights in on_meta(path, config, lambda: random_model(config, 0)).parameters())


def model_config(
    path: str, *, dropout: float | None = None, attention_dropout: float | None = None
) -> PretrainedConfig:
    """The configuration of a model; see `load_model`."""
    config: PretrainedConfig = from_pretrained(AutoConfig, path)
    require_supported(config)
    rates = {"dropout": dropout, "dropout_rate": dropout, "attention_dropout": attention_dropout}
    for name, rate in rates.items():
        if rate is not None and hasattr(config, name):
            setattr(config, name, rate)
    return config


def load_model(
    path: str,
    *,
    init: Literal["pretrained", "random"] = "pretrained",
    dropout: float | None = None,
    attention_dropout: float | None = None,
    seed: int | None = None,
) -> Loaded:
    """Load a model of one of the families, in float32, in evaluation mode, on the GPU where there is one.

    Args:
        path: a folder, or a model's name on the Hub (facebook/mbart-large-50).
        init: `random` keeps the architecture and the vocabulary, and draws new weights by `seed`.
        dropout, attention_dropout: replace the model's own; a T5 has only one, and passes over the second.

    Raises:
        SwitchtuneError: nothing there, not one of the families, or a checkpoint that lacks weights.
        UsageError: random weights without a seed.
    """
    if init == "random" and seed is None:
        raise UsageError("Random weights need a seed.")
    config = model_config(path, dropout=dropout, attention_dropout=attention_dropout)
    layout = _layout(path, config)
    if seed is None or init == "pretrained":
        model, missing = load_weights(AutoModelForSeq2SeqLM, path, config)
        if missing:
            raise SwitchtuneError(
                f"{path}: the checkpoint lacks {len(missing)} of the model's weights ({', '.join(missing[:3])}, …); "
                "they would have been random. Get the complete checkpoint."
            )
        _keep_own_head(model)
    else:
        require_room(AutoModelForSeq2SeqLM, path, config, stored=0)
        model = random_model(config, seed)
    record = Path(path) / TRIM_RECORD
    trim = record.read_text(encoding="utf-8") if record.exists() else None
    loaded = replace(assembled(model, layout), trim=trim, licence=licence_of(path))
    with explained(path, "config.json"), torch.no_grad():
        source = layout.batch_encode_source([_TRIAL], *layout.languages[:1] * 2, max_tokens=layout.positions)
        ids = on_device_of(model, layout.collate_source(source))
        if not cast("Any", model)(**ids, decoder_input_ids=ids["input_ids"]).logits.isfinite().all():
            raise ValueError("what it computes is not finite")
    return loaded


_DIRECTIONS = "directions"
"""Key of tokenizer_config.json for further directions that a model was trained in."""


def save_model(
    loaded: Loaded,
    folder: Path,
    source_language: str,
    target_language: str,
    *,
    generation: GenerationSettings | None = None,
    others: Sequence[tuple[str, str]] = (),
) -> None:
    """Write a model so that plain transformers loads it and translates in this direction, without switchtune.

    Its tokenizer adds the tag of `source_language` (SMaLL-100's that of the target), its generation config starts in
    `target_language`. Where an instruction or a tag stands in the text (T5s) users write it: `layout.prompt(sentence,
    ...)`. A source language that was added to mBART-50 or M2M-100 is beyond their tokenizers (see
    `Layout.plain_source`).

    Args:
        generation: beams and length penalty that the saved model uses by default.
        others: further directions that it was trained in, which its tokenizer tells (`directions`).

    Raises UnknownLanguageError where the model does not have a language.
    """
    layout = loaded.layout
    layout.code(source_language)
    generation_config = _generation_config(loaded, target_language, generation or GenerationSettings())
    with atomic_path(folder) as temporary, quietly():
        architectures = loaded.model.config.architectures
        loaded.model.save_pretrained(temporary)
        config = copy.deepcopy(loaded.model.config)
        loaded.model.config.architectures = architectures  # which transformers sets when it saves
        config.decoder_start_token_id = generation_config.decoder_start_token_id
        if hasattr(config, "forced_eos_token_id"):
            config.forced_eos_token_id = None  # the search of `translate` forces nothing at its limit
        config.save_pretrained(temporary)
        tell_of_head(loaded.model, temporary)
        generation_config.save_pretrained(temporary)
        save_tokenizer(layout, temporary, source_language, target_language, others)
        write_card(temporary, loaded.licence)
        if loaded.trim is not None:
            write_text(temporary / TRIM_RECORD, loaded.trim)


def save_tokenizer(
    layout: Layout,
    folder: Path,
    source_language: str,
    target_language: str,
    others: Sequence[tuple[str, str]] = (),
) -> None:
    """Write a tokenizer that adds the tags of this direction and tells it (`direction`), and others (`directions`)."""
    source, target = layout.code(source_language), layout.code(target_language)
    with quietly():
        layout.tokenizer.save_pretrained(folder)
        # Set in a copy read back from the disk, so that the tokenizer in memory stays as it is.
        read = layout.read_language(source, target)
        languages = (
            {"src_lang": read, "tgt_lang": target} if layout.plain_source(source, target) else {"tgt_lang": target}
        )
        if read != source:
            languages["source_language"] = source
        options: dict[str, Any] = {**languages, **layout.family.tokenizer_options}
        options["clean_up_tokenization_spaces"] = False
        if others or _DIRECTIONS in layout.tokenizer.init_kwargs:  # those of the model that it was made from
            options[_DIRECTIONS] = [list(map(layout.code, pair)) for pair in others]
        tagged = from_pretrained(AutoTokenizer, folder, **options)
        tagged.save_pretrained(folder)


def direction(layout: Layout) -> tuple[str, str] | None:
    """The languages that a model was saved for, in the family's codes; None where its tokenizer does not tell both."""
    source = "source_language" if "target" in layout.family.before_source else "src_lang"
    told = [
        getattr(layout.tokenizer, name, None) or layout.tokenizer.init_kwargs.get(name) for name in (source, "tgt_lang")
    ]
    return None if None in told else (str(told[0]), str(told[1]))


def directions(layout: Layout) -> tuple[tuple[str, str], ...]:
    """All that a model was saved for, `direction` first; none where its tokenizer does not tell."""
    first, others = direction(layout), layout.tokenizer.init_kwargs.get(_DIRECTIONS, ())
    return () if first is None else (first, *((str(source), str(target)) for source, target in others))


def save_generation(loaded: Loaded, folder: Path, target_language: str, generation: GenerationSettings) -> None:
    config = _generation_config(loaded, target_language, generation)
    write_text(folder / "generation_config.json", config.to_json_string())


def verify_saved(
    folder: Path,
    sentences: Sequence[str],
    loaded: Loaded,
    source_language: str,
    target_language: str,
    *,
    generation: GenerationSettings | None = None,
    max_length: int = 64,
) -> None:
    """Have plain transformers read and translate with a saved model, and compare it with the model in memory.

    Args:
        sentences: of the source language; one in which a special token is written is passed over, as transformers
            takes it for the token.
        max_length: of the translations that are compared, in tokens.

    Raises SavedModelDiffersError where ids, logits or translations differ.
    """
    layout, languages = loaded.layout, (source_language, target_language)
    sentences = list(filter(layout.is_unambiguous, sentences)) or [_TRIAL]
    inputs = layout.collate_source(layout.batch_encode_source(sentences, *languages, max_tokens=layout.positions))
    tokenizer: Any = from_pretrained(AutoTokenizer, folder)
    with quietly():
        saved: Any = from_pretrained(AutoModelForSeq2SeqLM, folder)
    prompts = [layout.prompt(shown(sentence), *languages) for sentence in sentences]
    cut = {"truncation": True, "max_length": layout.positions} if layout.positions else {}
    found = tokenizer(prompts, padding=True, padding_side="right", return_tensors="pt", **cut)
    if not layout.plain_source(*languages):
        # The tag comes first, and the tokenizer cannot be set to it.
        found["input_ids"][:, 0] = inputs["input_ids"][:, 0]
    for prompt, theirs, ours in zip(prompts, found["input_ids"].tolist(), inputs["input_ids"].tolist(), strict=True):
        if theirs != ours:
            read = f"its tokenizer reads {prompt!r} as {layout.tokens(theirs)}"
            raise _differs(folder, f"{read}, where the trained model takes {layout.tokens(ours)}")
    model: Any = loaded.model
    saved.to(model.device)
    inputs, found = on_device_of(model, inputs), on_device_of(model, found)
    max_length = min(max_length, saved.generation_config.max_length)
    config = GenerationConfig(
        **layout.generation_settings(target_language),
        pad_token_id=layout.pad_id,
        eos_token_id=layout.eos_id,
        **(generation or GenerationSettings()).search,
        max_length=max_length,
    )
    with evaluating(model):
        outputs = model.generate(**inputs, generation_config=config)
        logits, saved_logits = (each(**inputs, decoder_input_ids=outputs).logits for each in (model, saved))
        saved_outputs = saved.generate(**found, max_length=max_length)
    difference = float((logits - saved_logits).abs().max())
    if not difference <= _TOLERANCE:
        logit = f"loaded again, its logits differ from the trained model's by up to {difference:.2g}"
        raise _differs(folder, f"{logit} (allowed: {_TOLERANCE:.0e})")
    translations = tokenizer.batch_decode(saved_outputs, skip_special_tokens=True)
    for prompt, ours, theirs in zip(prompts, layout.batch_decode(outputs.tolist()), translations, strict=True):
        if theirs != ours:
            raise _differs(
                folder, f"loaded again, it translates {prompt!r} as {theirs!r}, the trained model as {ours!r}"
            )


def _differs(folder: Path, difference: str) -> SavedModelDiffersError:
    return SavedModelDiffersError(
        f"{folder}: {difference}. Do not use the saved model; please report this together with the version of "
        "transformers."
    )


def assembled(model: PreTrainedModel, layout: Layout) -> Loaded:
    """A model with its layout, in evaluation mode, on the GPU where there is one; SwitchtuneError where they misfit."""
    tokenizer = layout.tokenizer
    rows = len(_weight(model.get_input_embeddings()))
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise SwitchtuneError(
            f"{model.config.name_or_path or 'The model'}: its tokenizer has ids up to {highest}, its embeddings only "
            f"{rows} rows. Model and tokenizer do not belong together; get both from the same place."
            f"{f' {LIST_TAGS}' if layout.family is FAMILIES['nllb'] else ''}"
        )
    setattr(model.config, FAMILY_KEY, layout.family.name)
    # What a checkpoint says about tags and beams belongs to the direction it was trained for; ours is given explicitly.
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id
    )
    model.eval()
    cast("torch.nn.Module", model).to(device_type())
    return Loaded(model, tokenizer, layout)


def _generation_config(loaded: Loaded, target_language: str, settings: GenerationSettings) -> GenerationConfig:
    tokenizer = loaded.tokenizer
    fixed = settings.fixed_length(target_language)
    usual = 4 * LONGEST_GENERATION if loaded.layout.family.bytewise else LONGEST_GENERATION
    longest = usual if fixed is None else 1 + fixed  # the decoder start counts
    return GenerationConfig(
        **loaded.layout.generation_settings(target_language),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **settings.search,
        max_length=min(longest, loaded.layout.positions or longest),
    )


def random_model(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32)
        if families_like(config)[0].own_output_matrix:
            # transformers ties it when it makes a new T5. Its scale is that of the original (t5x), so that the first
            # logits are of the order of one.
            model.lm_head = torch.nn.Linear(config.d_model, config.vocab_size, bias=False)
            torch.nn.init.normal_(model.lm_head.weight, std=config.d_model**-0.5)
            _keep_own_head(model)
    return model


def tell_of_head(model: PreTrainedModel, folder: Path) -> None:
    """Have config.json say whether the output matrix is the embeddings; transformers 5 always writes that a T5's is."""
    config = read_json(folder / "config.json")
    own = _weight(model.get_output_embeddings()) is not _weight(model.get_input_embeddings())
    write_json(folder / "config.json", config | {"tie_word_embeddings": not own})


def _keep_own_head(model: PreTrainedModel) -> None:
    """Have transformers never tie an output matrix that is not the input embeddings."""
    if _weight(model.get_output_embeddings()) is not _weight(model.get_input_embeddings()):
        model._tied_weights_keys = {
            tied: source for tied, source in model._tied_weights_keys.items() if tied != "lm_head.weight"
        }
        model.all_tied_weights_keys.pop("lm_head.weight", None)


def _weight(layer: Any) -> torch.Tensor:
    weight: torch.Tensor = layer.weight
    return weight
