"""Models in and out: from the Hub or a folder, made at any size, saved so that plain transformers loads them."""

import copy
import io
import json
import os
import pickle
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import psutil
import sentencepiece
import torch
from transformers import (
    AutoConfig,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    GenerationConfig,
    M2M100Config,
    M2M100Tokenizer,
    MBart50Tokenizer,
    MBartConfig,
    MBartTokenizer,
    MT5Config,
    NllbTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Tokenizer,
)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M100_CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES
from transformers.utils import logging

from switchtune.config.pretrain import FamilyName, SizeSettings
from switchtune.config.training import GenerationSettings
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import (
    LARGEST,
    MARK,
    atomic_path,
    broken_link,
    fingerprint,
    hash_file,
    naming,
    read_json,
    readable,
    write_text,
)
from switchtune.languages import find_language
from switchtune.models.families import FAMILIES, Family, Layout, family_of, instruction, require_supported
from switchtune.run_dir import loaded_files

TRIM_RECORD = "trim.json"
"""File in the folder of a model whose vocabulary was trimmed: what of it was kept."""

LONGEST_GENERATION = 256
"""Longest output, in tokens, that a saved model generates when its user asks for no other length."""


_PIECES = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model")
"""One of them is there where a tokenizer is."""

_TOKENIZER_FILES = (*_PIECES, "tokenizer_config.json", "vocab.json", "added_tokens.json")

_SETTINGS = frozenset(
    f"{name}.json"
    for name in (
        "config",
        "generation_config",
        "tokenizer_config",
        "special_tokens_map",
        "added_tokens",
        "summarization",
        "model.safetensors.index",
        "pytorch_model.bin.index",
    )
) | {TRIM_RECORD}
"""Small files of a model's folder that hold a JSON object. transformers passes over some of them where damaged."""

_WEIGHTS = frozenset({".safetensors", ".bin"})
_READ = _WEIGHTS | {".json", ".model", ".txt", ".jinja"}
"""Endings of what transformers reads in a model's folder."""

_FOREIGN_CODE = (
    "it brings Python code of its own (`auto_map` in its config.json or tokenizer_config.json), which switchtune never "
    "runs. Give a model that transformers itself has the code for; where it has, remove `auto_map` from these files."
)

_LARGEST = {
    "layers": 500,
    "labels": 10_000,
    "dropout": 1,
    "layerdrop": 1,
    "rate": 1,
    **dict.fromkeys(("size", "model", "kv", "ff", "dim", "heads", "embeddings", "buckets"), 2_000_000),
}
"""Upper bound of a number in config.json, by the last word of its name. Sizes beyond take hours and all memory."""

_SLACK_WEIGHTS = 10_000_000
"""Weights that a model may have beyond the bytes of its files: tables that are computed, not saved."""

_DO_NOT_USE = "Do not use the saved model; please report this together with the version of transformers."


class SavedModelDiffersError(SwitchtuneError):
    """A saved model, loaded again, does not do what the model in memory does."""


@dataclass(frozen=True)
class Loaded:
    """A model with its tokenizer and the layout that joins them."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    layout: Layout
    trim: str | None = None
    """The record of a trimmed vocabulary, which `save_model` hands on; None where it is whole."""


def load_layout(path: str) -> Layout:
    """The layout of a model without its weights: quick, whatever the model's size.

    Raises:
        SwitchtuneError: nothing there, or not one of the families.
    """
    return _layout(path, from_pretrained(AutoConfig, path))


def _layout(path: str, config: PretrainedConfig) -> Layout:
    require_supported(config)
    folder = Path(path)
    if folder.is_dir() and not any((folder / name).exists() for name in _PIECES):
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8])
        raise SwitchtuneError(
            f"{path}: a model without its tokenizer: there is neither {' nor '.join(_PIECES)} (found: "
            f"{found}). `tokenizer.save_pretrained` writes it beside the model; or get the model again, with all files."
        )
    tokenizer = from_pretrained(AutoTokenizer, path)
    # Without its files transformers makes up a tokenizer that knows nothing but special tokens.
    if 2 * len(tokenizer) < config.vocab_size:
        raise SwitchtuneError(
            f"{path}: its tokenizer knows {len(tokenizer):,} pieces and its model {config.vocab_size:,}. The files of "
            "the tokenizer are missing; `tokenizer.save_pretrained` writes them beside the model."
        )
    with explained(path, *_TOKENIZER_FILES):
        return tried(path, Layout(family_of(config, tokenizer), tokenizer, _positions(config)))


def tried(path: str, layout: Layout) -> Layout:
    """A layout whose tokenizer has been used once: some settings of tokenizers are read when they are first needed.

    Raises:
        SwitchtuneError: it is of no use.
    """
    require_tokens(path, layout.tokenizer, "eos_token", "pad_token", "unk_token")
    # M2M100Tokenizer says of its table no more than how long it is.
    table: Mapping[str, Any] = getattr(layout.tokenizer, "encoder", {})
    if any(not isinstance(number, int) or not 0 <= number < len(layout.tokenizer) for number in table.values()):
        raise SwitchtuneError(f"{path}: vocab.json: ids from 0 to {len(layout.tokenizer)} are expected. {again(path)}")
    layout.decode(layout.encode_source(*_trial(layout)))
    return layout


def _trial(layout: Layout) -> tuple[str, str, str]:
    """A sentence with its language, twice, for any model."""
    return "1, 2.", layout.languages[0], layout.languages[0]


def require_tokens(path: str, tokenizer: PreTrainedTokenizerBase, *names: str) -> None:
    """Make sure that a tokenizer has special tokens ("pad_token").

    Raises:
        SwitchtuneError: it lacks one.
    """
    for name in names:
        with explained(path, *_TOKENIZER_FILES):
            if getattr(tokenizer, f"{name}_id") is None:
                raise SwitchtuneError(f"{path}: its tokenizer has no {name} (see tokenizer_config.json). {again(path)}")


def _positions(config: PretrainedConfig) -> int | None:
    return int(config.max_position_embeddings) if config.model_type == "mbart" else None


def model_fingerprint(path: str) -> str:
    """What tells one state of a model from another: a hash of a folder's files; a Hub model's name and revision."""
    folder = Path(path)
    if folder.is_dir():
        with explained(path):
            # How a vocabulary came about changes nothing about the model.
            files = (file for file in loaded_files(folder) if file.name != TRIM_RECORD)
            return fingerprint({file.name: hash_file(file) for file in files})
    revision = getattr(from_pretrained(AutoConfig, path), "_commit_hash", None)
    return f"{path}@{revision}" if revision else path


def parameter_count(path: str) -> int:
    """Number of a model's weights, found without loading them.

    Raises:
        SwitchtuneError: nothing there, or not one of the families.
    """
    config = model_config(path)
    return sum(weights.numel() for weights in on_meta(path, config, lambda: random_model(config, 0)).parameters())


def on_meta(path: str, config: PretrainedConfig, make: Callable[[], Any]) -> Any:
    """What `make` makes of the configuration of the model at `path`, without room for the weights.

    Raises:
        SwitchtuneError: no model can be made of it, or none that fits into any machine.
    """
    with explained(path, "config.json"), torch.device("meta"):
        _require_bounds(f"{path}: config.json", config.to_dict())
        return make()


def model_config(
    path: str, *, dropout: float | None = None, attention_dropout: float | None = None
) -> PretrainedConfig:
    """The configuration of a model; see `load_model` for the arguments.

    Raises:
        SwitchtuneError: nothing there, or not one of the families.
    """
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
        dropout: replaces the model's own where it is given.
        attention_dropout: likewise; mT5 has only one dropout, and passes over this one.
        seed: of the random weights.

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
        _require_room(AutoModelForSeq2SeqLM, path, config, stored=0)
        model = random_model(config, seed)
    record = Path(path) / TRIM_RECORD
    trim = record.read_text(encoding="utf-8") if record.exists() else None
    loaded = replace(_loaded(model, layout), trim=trim)
    with explained(path, "config.json"), torch.no_grad():
        source = layout.collate_source([layout.encode_source(*_trial(layout), max_tokens=layout.positions)])
        ids = {name: values.to(model.device) for name, values in source.items()}
        if not cast("Any", model)(**ids, decoder_input_ids=ids["input_ids"]).logits.isfinite().all():
            raise ValueError("what it computes is not finite")
    return loaded


def new_model(family: FamilyName, size: SizeSettings, texts: Mapping[str, Sequence[str]], *, seed: int) -> Loaded:
    """Make a model of a family's real class, with random weights and a vocabulary of its own.

    The vocabulary is trained on the texts, by sentencepiece in one thread: the same texts, size and seed give the same
    model.

    Args:
        size: of the model; few texts may make fewer pieces than asked for.
        texts: passages of each language.
        seed: of the weights, and of the sample of the texts where they are many.

    Raises:
        UnknownLanguageError: the family does not have a language.
        SwitchtuneError: the texts are too few for so many pieces.
    """
    tokenizer = _new_tokenizer(family, size, texts, seed)
    config = _new_config(family, size, 1 + max(tokenizer.get_vocab().values()))
    layout = Layout(FAMILIES[family], tokenizer, _positions(config))
    for language in texts:
        layout.code(language)
    return _loaded(random_model(config, seed), layout)


def save_model(
    loaded: Loaded,
    folder: Path,
    source_language: str,
    target_language: str,
    *,
    generation: GenerationSettings | None = None,
) -> None:
    """Write a model so that plain transformers loads it and translates in this direction, without switchtune.

    The folder appears at once when all of it is written, and replaces what stood there. Its tokenizer adds the tags of
    `source_language`, its generation config starts in `target_language`. mT5 has an instruction in place of tags, which
    no tokenizer adds: its users write `layout.prompt(sentence, ...)` ("translate German to English: …"). A source
    language that was added to mBART-50 or M2M-100 is beyond their tokenizers (see `Layout.plain_source`).

    Args:
        generation: beams and length penalty that the saved model uses by default.

    Raises:
        UnknownLanguageError: the model does not have a language.
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
        config.save_pretrained(temporary)
        generation_config.save_pretrained(temporary)
        save_tokenizer(layout, temporary, source_language, target_language)
        if loaded.trim is not None:
            write_text(temporary / TRIM_RECORD, loaded.trim)


def save_tokenizer(layout: Layout, folder: Path, source_language: str, target_language: str) -> None:
    """Write a tokenizer that adds the tags of this direction, and tells it: `src_lang`, `tgt_lang` (see `direction`).

    Raises:
        UnknownLanguageError: the model does not have a language.
    """
    source, target = layout.code(source_language), layout.code(target_language)
    with quietly():
        layout.tokenizer.save_pretrained(folder)
        # Set in a copy read back from the disk, so that the tokenizer in memory stays as it is. NLLB tokenizers of
        # old put the tag last ("legacy"), other than our layout and than the model was trained.
        modern = {"legacy_behaviour": False} if layout.family.name == "nllb" else {}
        languages = {"src_lang": source, "tgt_lang": target} if layout.plain_source(source) else {"tgt_lang": target}
        tagged = from_pretrained(AutoTokenizer, folder, **languages, **modern)
        tagged.save_pretrained(folder)


def direction(layout: Layout) -> tuple[str, str] | None:
    """The languages that a model was saved for, in the family's codes; None where its tokenizer does not tell both."""
    told = [
        getattr(layout.tokenizer, name, None) or layout.tokenizer.init_kwargs.get(name)
        for name in ("src_lang", "tgt_lang")
    ]
    return None if None in told else (str(told[0]), str(told[1]))


def save_generation(loaded: Loaded, folder: Path, target_language: str, generation: GenerationSettings) -> None:
    """Have the saved model in `folder` search by other settings than those that it was saved with."""
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
    tolerance: float = 1e-4,
    max_length: int = 64,
) -> None:
    """Load a saved model by plain transformers and compare it with the model in memory.

    Args:
        sentences: of the source language; their token ids, logits and translations are compared.
        loaded: the model that was saved.
        generation: as given to `save_model`.
        tolerance: largest difference of a logit.
        max_length: of the translations that are compared, in tokens.

    Raises:
        SavedModelDiffersError: they differ.
    """
    layout = loaded.layout
    tokenizer = from_pretrained(AutoTokenizer, folder)
    prompts = [layout.prompt(sentence, source_language, target_language) for sentence in sentences]
    expected = layout.batch_encode_source(sentences, source_language, target_language)
    # Such a tag comes first.
    compared = 0 if layout.plain_source(source_language) else 1
    for prompt, ids in zip(prompts, expected, strict=True):
        found = tuple(tokenizer(prompt)["input_ids"])
        if found[compared:] != ids[compared:]:
            raise SavedModelDiffersError(
                f"{folder}: its tokenizer reads {prompt!r} as {layout.tokens(found)}, where the trained model takes "
                f"{layout.tokens(ids)}. {_DO_NOT_USE}"
            )
    cut = layout.batch_encode_source(sentences, source_language, target_language, max_tokens=loaded.layout.positions)
    inputs = {name: ids.to(loaded.model.device) for name, ids in layout.collate_source(cut).items()}
    generation_config = _generation_config(loaded, target_language, generation or GenerationSettings())
    max_length = generation_config.max_length = min(max_length, generation_config.max_length)
    with quietly():
        plain: Any = from_pretrained(AutoModelForSeq2SeqLM, folder)
    plain.to(loaded.model.device)
    model: Any = loaded.model
    with _evaluating(loaded.model), torch.no_grad():
        outputs = model.generate(**inputs, generation_config=generation_config)
        logits = model(**inputs, decoder_input_ids=outputs).logits
        plain_outputs = plain.generate(**inputs, max_length=max_length)
        plain_logits = plain(**inputs, decoder_input_ids=outputs).logits
    difference = float((logits - plain_logits).abs().max())
    if not difference <= tolerance:
        raise SavedModelDiffersError(
            f"{folder}: loaded again, its logits differ from the trained model's by up to {difference:.2g} "
            f"(allowed: {tolerance:.0e}). {_DO_NOT_USE}"
        )
    translations = layout.batch_decode(outputs.tolist())
    plain_translations = layout.batch_decode(plain_outputs.tolist())
    for sentence, translation, plain_one in zip(sentences, translations, plain_translations, strict=True):
        if translation != plain_one:
            raise SavedModelDiffersError(
                f"{folder}: loaded again, it translates {sentence!r} as {plain_one!r}, the trained model as "
                f"{translation!r}. {_DO_NOT_USE}"
            )


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from drawing a bar for every file of weights, and from warnings about what is checked here."""
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # What cannot be loaded is said.
            yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _loaded(model: PreTrainedModel, layout: Layout) -> Loaded:
    tokenizer = layout.tokenizer
    rows = len(_weight(model.get_input_embeddings()))
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise SwitchtuneError(
            f"{model.config.name_or_path or 'The model'}: its tokenizer has ids up to {highest}, its embeddings only "
            f"{rows} rows. Model and tokenizer do not belong together; get both from the same place."
        )
    # What a checkpoint says about tags and beams belongs to the direction it was trained for; ours is given explicitly.
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id
    )
    model.eval()
    if torch.cuda.is_available():
        cast("torch.nn.Module", model).to("cuda")
    return Loaded(model, tokenizer, layout)


def _generation_config(loaded: Loaded, target_language: str, settings: GenerationSettings) -> GenerationConfig:
    tokenizer, config = loaded.tokenizer, loaded.model.config
    fixed = settings.fixed_length(target_language)
    longest = LONGEST_GENERATION if fixed is None else 1 + fixed  # the decoder start counts
    return GenerationConfig(
        **loaded.layout.generation_settings(target_language),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=getattr(config, "forced_eos_token_id", None),
        **settings.search,
        max_length=min(longest, loaded.layout.positions or longest),
    )


def from_pretrained(auto: Any, path: str | Path, **options: Any) -> Any:
    """`auto.from_pretrained(path, **options)`, which runs no code that comes with a model and says what is wrong.

    All that transformers loads is loaded here.

    Raises:
        SwitchtuneError: nothing there, files that are damaged or may not be read, or a model with code of its own.
    """
    path, folder = str(path), Path(path)
    files = {AutoConfig: ("config.json",), AutoTokenizer: _TOKENIZER_FILES}
    with explained(path, *files.get(auto, ("*.safetensors", "*.bin", "generation_config.json"))):
        if folder.is_dir():
            _require_sound(folder)
        elif broken := broken_link(folder):
            raise SwitchtuneError(f"{path}: {broken}")
        elif folder.exists():
            raise SwitchtuneError(f"{path}: a file; a model is a folder, or a name on the Hub.")
        elif folder.is_absolute() or path.startswith(".") or path.count("/") > 1:
            raise SwitchtuneError(
                f"{path}: no such folder. Give a model's folder, or its name on the Hub (facebook/mbart-large-50)."
            )
        if auto is not GenerationConfig:  # which is settings alone, and would save this one among them
            options["trust_remote_code"] = False
        found = auto.from_pretrained(path, **options)
        if getattr(found, "auto_map", None) or getattr(found, "init_kwargs", {}).get("auto_map"):
            raise SwitchtuneError(f"{path}: {_FOREIGN_CODE}")
        if auto is AutoConfig:
            # It may name a kernel on the Hub, which is code.
            found._attn_implementation = None
    return found


def _require_sound(folder: Path) -> None:
    """Refuse, by its name, what of a model's folder is of another model, damaged, or may not be read."""
    files = sorted(folder.iterdir())
    for file in (*files, *folder.glob("additional_chat_templates/*")):
        with explained(str(folder), file.name):
            _require_sound_file(folder, file)
    if folder / "config.json" not in files:
        found = ", ".join(file.name for file in files[:8]) or "nothing"
        raise SwitchtuneError(
            f"{folder}: not a model's folder: there is no config.json in it (found: {found}). "
            "Give the folder that `save_pretrained` or `switchtune pretrain` wrote (DIR/model)."
        )


def _require_sound_file(folder: Path, file: Path) -> None:
    if file.name == "adapter_config.json":
        raise SwitchtuneError(
            f"{file}: the folder holds adapters, whose model may be another one. Merge them into it by peft "
            "(`merge_and_unload`), save that with `save_pretrained`, and give its folder."
        )
    if file.suffix in _READ:
        readable(file, None if file.suffix in _WEIGHTS else LARGEST, remedy=again(folder))
    if file.name not in _SETTINGS:
        return
    content = read_json(file, remedy=again(folder))
    if not isinstance(content, dict):
        raise SwitchtuneError(f"{file}: a JSON object is expected, {{…}}. {again(folder)}")
    if file.name == "config.json":
        _require_bounds(str(file), content)
    if ".index." in file.name and not ("bin" in file.name and any(folder.glob("*.safetensors"))):
        for shard in sorted(set(map(str, content["weight_map"].values()))):
            if Path(shard).name != shard or not (folder / shard).is_file():
                raise SwitchtuneError(f"{file}: names {shard!r}, which is not in the folder. {again(folder)}")


def _require_bounds(place: str, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        largest = _LARGEST.get(name.rpartition("_")[2])
        if largest is not None and isinstance(value, (int, float)) and not 0 <= value <= largest:
            raise SwitchtuneError(
                f"{place}: {name} is {value:,}, where a number up to {largest:,} is expected. Correct it."
            )


@contextmanager
def explained(path: str, *files: str, remedy: str | None = None) -> Iterator[None]:
    """Errors of the libraries that read a model's files as one that names the files and says what to do.

    Args:
        path: the model.
        files: names or patterns of those that are read in the block.
        remedy: what to do, where it is not what `again` says.

    Raises:
        SwitchtuneError: whatever went wrong in the block.
    """
    try:
        yield
    except SwitchtuneError:
        raise
    except BaseException as error:
        # What is written in Rust panics, and that is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise SwitchtuneError(_explanation(path, files, error, remedy or again(path))) from error


def _explanation(path: str, files: Sequence[str], error: BaseException, remedy: str) -> str:
    if "trust_remote_code=True" in str(error):
        return f"{path}: {_FOREIGN_CODE}"
    if isinstance(error, PermissionError):
        return f"{error.filename or path}: no permission to read it. Have its owner give it to you (chmod a+r)."
    folder = Path(path)
    names = ", ".join(sorted({file.name for name in files for file in folder.glob(name)}) if folder.is_dir() else ())
    if isinstance(error, pickle.UnpicklingError):
        pickled = ", ".join(sorted(file.name for file in folder.glob("*.bin"))) or "a file of weights"
        return (
            f"{path}: {pickled} is damaged, or holds other Python objects than weights, which can run code and are "
            "never loaded. Get the model as model.safetensors. Where you trust who made it, convert it yourself: "
            "`torch.load(FILE, weights_only=False)`, then `safetensors.torch.save_file`."
        )
    text = repr(error) if isinstance(error, LookupError) else str(error)
    reason = next((line.strip(" .")[:200] for line in text.splitlines() if line.strip()), type(error).__name__)
    if not folder.is_dir():
        return (
            f"{path}: cannot be loaded ({reason}). No such folder, and not found on the Hub. Check the spelling "
            "and the network; for a private model log in with `hf auth login`."
        )
    reason = f"{names}: {reason}" if names else reason
    return f"{path}: cannot be loaded ({reason}). A file is missing or damaged, or belongs to another model. {remedy}"


def again(path: str | Path) -> str:
    """How to come by a model anew whose files cannot be used: the sentence at the end of a message."""
    folder = Path(os.path.realpath(path))
    if any(os.path.isfile(parent / MARK) for parent in folder.parents):  # noqa: PTH113 - False where it is not readable
        return f"Remove {folder} and run the command that made it once more."
    return "Get the model again."


def load_weights(auto: Any, path: str, config: PretrainedConfig) -> tuple[PreTrainedModel, list[str]]:
    """A model in float32, and the names of the weights that its files lack, which are random.

    Raises:
        SwitchtuneError: the files are damaged or belong to another model, or a weight is not finite.
    """
    files = chain.from_iterable(Path(path).glob(name) for name in ("*.safetensors", "*.bin"))
    _require_room(auto, path, config, stored=sum(file.stat().st_size for file in files))
    model: PreTrainedModel
    with quietly():
        model, report = from_pretrained(
            auto,
            path,
            config=config,
            dtype=torch.float32,
            weights_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    if misfits := sorted(report["mismatched_keys"]):
        name, found, expected = misfits[0]
        raise SwitchtuneError(
            f"{path}: {len(misfits)} of its weights are not of the size that config.json says ({name}: {list(found)}, "
            f"expected {list(expected)}). The files belong to different models, or config.json was changed. "
            f"{again(path)}"
        )
    require_finite(path, dict(chain(model.named_parameters(), model.named_buffers())))
    return model, sorted(report["missing_keys"])


def require_finite(path: str, weights: Mapping[str, torch.Tensor]) -> None:
    """Make sure that no weight is nan or infinite.

    Raises:
        SwitchtuneError: some are.
    """
    broken = [
        name
        for name, values in weights.items()
        if values.numel() and not torch.stack(values.aminmax()).isfinite().all()
    ]
    if broken:
        raise SwitchtuneError(
            f"{path}: {len(broken)} of its {len(weights)} weights hold values that are not finite, nan or inf "
            f"({', '.join(broken[:3])}{', …' if broken[3:] else ''}); it cannot be used. Its training diverged, "
            f"or the file is damaged. {again(path)}"
        )


def _require_room(auto: Any, path: str, config: PretrainedConfig, *, stored: int) -> None:
    """Make sure that a model is not much larger than its files, of `stored` bytes; without files, than the memory."""
    model = on_meta(path, config, lambda: auto.from_config(copy.deepcopy(config), trust_remote_code=False))
    weights = sum(each.numel() for each in chain(model.parameters(), model.buffers()))
    memory = psutil.virtual_memory().total
    if weights > (stored + _SLACK_WEIGHTS if stored else memory // 4):
        room = f"its files hold {stored:,} bytes" if stored else f"this machine has {memory / 1e9:,.0f} GB of memory"
        raise SwitchtuneError(
            f"{path}: config.json describes a model of {weights:,} weights, {4 * weights / 1e9:,.1f} GB; {room}. "
            "Give the configuration that belongs to the model, or a smaller model."
        )


def random_model(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """A model with new weights in float32, on torch's default device; under fake tensors they take no memory."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32)
        if config.model_type == "mt5":
            # The published mT5 has an output matrix of its own, which transformers ties when it makes a new model.
            # Its scale is that of the original (t5x), so that the first logits are of the order of one.
            model.lm_head = torch.nn.Linear(config.d_model, config.vocab_size, bias=False)
            torch.nn.init.normal_(model.lm_head.weight, std=config.d_model**-0.5)
            _keep_own_head(model)
    return model


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


def _new_config(family: FamilyName, size: SizeSettings, rows: int) -> PretrainedConfig:
    if family == "mt5":
        return MT5Config(
            vocab_size=rows,
            d_model=size.width,
            d_kv=size.width // size.heads,
            d_ff=size.feed_forward,
            num_layers=size.encoder_layers,
            num_decoder_layers=size.decoder_layers,
            num_heads=size.heads,
        )
    shape: dict[str, Any] = {
        "vocab_size": rows,
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
    }
    return MBartConfig(**shape) if family in ("mbart", "mbart50") else M2M100Config(**shape)


@dataclass(frozen=True)
class _Vocabulary:
    """How a family's vocabulary is trained and which tokenizer takes it."""

    tokenizer: Any
    algorithm: Literal["unigram", "bpe"]
    file: str = "sentencepiece.bpe.model"
    training: Mapping[str, Any] = field(default_factory=dict)


_VOCABULARIES: Mapping[FamilyName, _Vocabulary] = {
    # MBartTokenizer of transformers 5 does not normalise, so its pieces are trained on text as it stands.
    "mbart": _Vocabulary(MBartTokenizer, "unigram", training={"normalization_rule_name": "identity"}),
    "mbart50": _Vocabulary(MBart50Tokenizer, "unigram"),
    "nllb": _Vocabulary(NllbTokenizer, "bpe"),
    "m2m100": _Vocabulary(M2M100Tokenizer, "bpe"),
    "mt5": _Vocabulary(
        T5Tokenizer,
        "unigram",
        "spiece.model",
        training={"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    ),
}

_PASSAGES_SAMPLED = 100_000
"""Passages of each language that a vocabulary is trained on, at most."""


def _new_tokenizer(
    family: FamilyName, size: SizeSettings, texts: Mapping[str, Sequence[str]], seed: int
) -> PreTrainedTokenizerBase:
    vocabulary = _VOCABULARIES[family]
    trained = _train_sentencepiece(FAMILIES[family], size.pieces, texts, seed)
    # M2M100Tokenizer reads its file again when it is copied to another process, so the folder lives as long as it does.
    folder = Path(tempfile.mkdtemp(prefix="switchtune-"))
    with naming(folder):
        (folder / vocabulary.file).write_bytes(trained)
    options: dict[str, Any] = {}
    if family == "m2m100":
        processor = sentencepiece.SentencePieceProcessor(model_proto=trained)
        pieces = [processor.id_to_piece(number) for number in range(3, processor.get_piece_size())]
        tokens = ["<s>", "<pad>", "</s>", "<unk>", *pieces, "<mask>"]
        with naming(folder):
            (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
        options = {
            "additional_special_tokens": [f"__{code}__" for code in M2M100_CODES["m2m100"]],
            "mask_token": "<mask>",
        }
    elif family == "nllb":
        codes = {find_language(language).code for language in texts}
        options = {"extra_special_tokens": [tag for tag in NLLB_CODES if find_language(tag).code in codes]}
    elif family == "mt5":
        options = {"extra_ids": 1}
    tokenizer: PreTrainedTokenizerBase = vocabulary.tokenizer.from_pretrained(
        folder, model_max_length=size.positions, **options
    )
    weakref.finalize(tokenizer, shutil.rmtree, folder, ignore_errors=True)
    return tokenizer


def _train_sentencepiece(family: Family, pieces: int, texts: Mapping[str, Sequence[str]], seed: int) -> bytes:
    vocabulary = _VOCABULARIES[family.name]
    rng = np.random.default_rng(seed)
    scripts = {find_language(language).script for language in texts}
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_training_text(texts, rng, instructed="instruction" in family.before_source),
            model_writer=model,
            model_type=vocabulary.algorithm,
            vocab_size=pieces + 3,
            character_coverage=0.9995 if scripts & {"Hans", "Hant", "Jpan", "Hang"} else 1.0,
            max_sentence_length=1 << 20,
            hard_vocab_limit=False,
            num_threads=1,
            minloglevel=2,
            **vocabulary.training,
        )
    except RuntimeError as error:
        raise SwitchtuneError(
            f"No vocabulary of {pieces} pieces can be trained on {sum(map(len, texts.values()))} passages: "
            f"{str(error).strip()}. Give more text, or change size.pieces."
        ) from error
    return model.getvalue()


def _training_text(texts: Mapping[str, Sequence[str]], rng: np.random.Generator, *, instructed: bool) -> Iterator[str]:
    """A sample of each language's passages and, where sentences come with instructions, those at every hundredth."""
    names = [find_language(language).name for language in texts]
    for passages in texts.values():
        for count, passage in enumerate(_sample(passages, rng)):
            if instructed and count % 100 == 0:
                yield from (instruction(source, target) for source in names for target in names)
            yield passage


def _sample(passages: Sequence[str], rng: np.random.Generator) -> Iterator[str]:
    if len(passages) <= _PASSAGES_SAMPLED:
        yield from passages
    else:
        for index in np.sort(rng.choice(len(passages), _PASSAGES_SAMPLED, replace=False)):
            yield passages[index]
