"""A model's files, read through transformers: no code of theirs runs, and what is wrong with them is told by name."""

import copy
import json
import os
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import tokenizers
import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    GenerationConfig,
    M2M100Tokenizer,
    PretrainedConfig,
    PreTrainedModel,
    T5Tokenizer,
    TokenizersBackend,
)
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils import logging

from switchtune.errors import SwitchtuneError
from switchtune.files import LARGEST, MARK, broken_link, read_json, readable
from switchtune.models.hub import why_unreachable

TRIM_RECORD = "trim.json"
"""File in the folder of a model whose vocabulary was trimmed: what of it was kept."""

TERMS_NOTE = "terms.json"
"""In the folder of a model that was trained with terms: how they were put into its sources."""

SUMMARIES_NOTE = "summarization.json"
"""In the folder of a model that summarises: how documents are prepared for it, and how it is searched."""

NOTES = (TERMS_NOTE, SUMMARIES_NOTE)
"""What a model was trained for; true of it with another vocabulary too."""

PIECES = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model")

TOKENIZER_FILES = (*PIECES, "tokenizer_config.json", "vocab.json", "added_tokens.json")

_SETTINGS = frozenset(
    f"{name}.json"
    for name in (
        "config",
        "generation_config",
        "tokenizer_config",
        "special_tokens_map",
        "added_tokens",
        "model.safetensors.index",
        "pytorch_model.bin.index",
    )
) | {TRIM_RECORD, *NOTES}
"""Small files of a model's folder that hold a JSON object. transformers passes over some of them where damaged."""

_WEIGHTS = frozenset({".safetensors", ".bin"})
_READ = _WEIGHTS | {".json", ".model", ".txt", ".jinja"}

_OF_T5 = frozenset({"backend", "extra_ids", "unk_id", "vocab", "vocab_file", "tokenizer_file", "post_processor"})
"""What T5Tokenizer alone is told, or makes of its files."""

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

_COUNTED: dict[tuple[Any, type[PretrainedConfig], str], int] = {}
"""Weights of a model by all that its configuration says: to count them takes as long as the layers take to be made,
and a run loads the same few models time and again."""


def from_pretrained(auto: Any, path: str | Path, **options: Any) -> Any:
    """`auto.from_pretrained(path, **options)`, which runs no code that comes with a model and says what is wrong.

    Raises:
        SwitchtuneError: nothing there, files that are damaged or may not be read, or a model with code of its own.
    """
    path, folder = str(path), Path(path)
    files = {AutoConfig: ("config.json",), AutoTokenizer: TOKENIZER_FILES}
    with explained(path, *files.get(auto, ("*.safetensors", "*.bin", "generation_config.json"))):
        if folder.is_dir():
            _require_sound(folder)
        elif broken := broken_link(folder):
            raise SwitchtuneError(f"{path}: {broken}")
        elif folder.exists():
            raise SwitchtuneError(f"{path}: a file; a model is a folder, or a name on the Hub.")
        elif folder.is_absolute() or path.startswith(".") or path.count("/") > 1:
            raise SwitchtuneError(
                f"{path}: no such folder. {_near(folder)}Give a model's folder, or its name on the Hub "
                "(facebook/mbart-large-50)."
            )
        else:
            why_unreachable()
        if auto is not GenerationConfig:  # which is settings alone, and would save this one among them
            options["trust_remote_code"] = False
        try:
            found = auto.from_pretrained(path, **options)
        except ValueError:
            # SMaLL-100's own class, which transformers does not have, reads the files of M2M-100's.
            if auto is not AutoTokenizer or get_tokenizer_config(path).get("tokenizer_class") != "SMALL100Tokenizer":
                raise
            found = M2M100Tokenizer.from_pretrained(path, **options)
        if getattr(found, "auto_map", None) or getattr(found, "init_kwargs", {}).get("auto_map"):
            raise SwitchtuneError(f"{path}: {_FOREIGN_CODE}")
        if auto is AutoTokenizer:
            found = with_own_unknown(found)
        if auto is AutoConfig:
            # It may name a kernel on the Hub, which is code.
            found._attn_implementation = None
    return found


def with_own_unknown(tokenizer: Any) -> Any:
    """A tokenizer for which an unknown piece is its `unk_token`.

    For transformers' T5Tokenizer it is the third piece of any vocabulary: the end of the sentence in MADLAD-400. What
    is given in its place is read from tokenizer.json as it stands.
    """
    if not isinstance(tokenizer, T5Tokenizer):
        return tokenizer
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    if content["model"]["unk_id"] == tokenizer.unk_token_id:
        return tokenizer
    content["model"]["unk_id"] = tokenizer.unk_token_id
    backend = tokenizers.Tokenizer.from_str(json.dumps(content))
    settings = {name: value for name, value in tokenizer.init_kwargs.items() if name not in _OF_T5}
    return TokenizersBackend(tokenizer_object=backend, **settings)


def _require_sound(folder: Path) -> None:
    """Refuse, by its name, what of a model's folder is of another model, damaged, or may not be read."""
    files = sorted(folder.iterdir())
    remedy = again(folder)
    for file in (*files, *folder.glob("additional_chat_templates/*")):
        with explained(str(folder), file.name, remedy=remedy):
            _require_sound_file(folder, file, remedy)
    if folder / "config.json" not in files:
        found = ", ".join(file.name for file in files[:8]) or "nothing"
        raise SwitchtuneError(
            f"{folder}: not a model's folder: there is no config.json in it (found: {found}). "
            "Give the folder that `save_pretrained` or `switchtune pretrain` wrote (DIR/model)."
        )


def _require_sound_file(folder: Path, file: Path, remedy: str) -> None:
    if file.name == "adapter_config.json":
        raise SwitchtuneError(
            f"{file}: the folder holds adapters, whose model may be another one. Merge them into it with peft "
            "(`merge_and_unload`), save that with `save_pretrained`, and give its folder."
        )
    if file.suffix in _READ:
        readable(file, None if file.suffix in _WEIGHTS else LARGEST, remedy=remedy)
    if file.name not in _SETTINGS:
        return
    content = read_json(file, remedy=remedy)
    if not isinstance(content, dict):
        raise SwitchtuneError(f"{file}: a JSON object is expected, {{…}}. {remedy}")
    if file.name == "config.json":
        _require_bounds(str(file), content)
        if "transformers_weights" in content:
            raise SwitchtuneError(
                f"{file}: transformers_weights names another file of weights, which may be anywhere. Remove that line, "
                "and give the weights their usual name (model.safetensors)."
            )
    if ".index." in file.name and not ("bin" in file.name and any(folder.glob("*.safetensors"))):
        for shard in sorted(set(map(str, content["weight_map"].values()))):
            if Path(shard).name != shard or not (folder / shard).is_file():
                raise SwitchtuneError(f"{file}: names {shard!r}, which is not in the folder. {remedy}")


def _require_bounds(place: str, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        largest = _LARGEST.get(name.rpartition("_")[2])
        if largest is not None and isinstance(value, (int, float)) and not 0 <= value <= largest:
            raise SwitchtuneError(
                f"{place}: {name} is {value:,}, where a number up to {largest:,} is expected. Correct it."
            )


@contextmanager
def explained(path: str, *files: str, remedy: str | None = None) -> Iterator[None]:
    """Errors of libraries that read a model's files (names or patterns) as a SwitchtuneError, with what to do."""
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
    if not folder.is_dir() and (unreachable := why_unreachable()):
        return (
            f"{path}: no such folder, nor was it fetched before, and the Hub cannot be reached ({unreachable}). "
            f"{_near(folder)}Check the name and the network."
        )
    if not folder.is_dir():
        return (
            f"{path}: cannot be loaded ({reason}). No such folder, and not found on the Hub. {_near(folder)}Check the "
            "spelling and the network; for a private model log in with `hf auth login`."
        )
    reason = f"{names}: {reason}" if names else reason
    return f"{path}: cannot be loaded ({reason}). A file is missing or damaged, or belongs to another model. {remedy}"


def _near(folder: Path) -> str:
    """A question that names the folders whose names are close to one that does not exist; empty if there are none."""
    beside = [each.name for each in folder.parent.iterdir() if each.is_dir()] if folder.parent.is_dir() else []
    close = " or ".join(map(repr, get_close_matches(folder.name, beside)))
    return f"Did you mean {close}? " if close else ""


def again(path: str | Path) -> str:
    folder = Path(os.path.realpath(path))
    if any(os.path.isfile(parent / MARK) for parent in folder.parents):  # noqa: PTH113 - False where it is not readable
        return f"Remove {folder} and run the command that made it again."
    return "Get the model again."


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from drawing bars for files of weights, and from warnings about what is checked here."""
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


def load_weights(auto: Any, path: str, config: PretrainedConfig) -> tuple[PreTrainedModel, list[str]]:
    """A model in float32, and the names of the weights that its files lack, which are random.

    Raises SwitchtuneError where files are damaged or belong to another model, or a weight is not finite.
    """
    files = chain.from_iterable(Path(path).glob(name) for name in ("*.safetensors", "*.bin"))
    require_room(auto, path, config, stored=sum(file.stat().st_size for file in files))
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
    """Raise SwitchtuneError where a weight is nan or infinite."""
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


def require_room(auto: Any, path: str, config: PretrainedConfig, *, stored: int) -> None:
    """Raise SwitchtuneError for a model much larger than its files (`stored` bytes), or than memory without files."""
    weights = on_meta(path, config, lambda: _weights_of(auto, config))
    memory = psutil.virtual_memory().total
    if weights > (stored + _SLACK_WEIGHTS if stored else memory // 4):
        room = f"its files hold {stored:,} bytes" if stored else f"this machine has {memory / 1e9:,.0f} GB of memory"
        raise SwitchtuneError(
            f"{path}: config.json describes a model of {weights:,} weights, {4 * weights / 1e9:,.1f} GB; {room}. "
            "Give the configuration that belongs to the model, or a smaller model."
        )


def _weights_of(auto: Any, config: PretrainedConfig) -> int:
    settings = {name: value for name, value in config.to_dict().items() if name != "_name_or_path"}
    key = (auto, type(config), repr(settings))
    if key not in _COUNTED:
        model = auto.from_config(copy.deepcopy(config), trust_remote_code=False)
        _COUNTED[key] = sum(each.numel() for each in chain(model.parameters(), model.buffers()))
    return _COUNTED[key]


def on_meta(path: str, config: PretrainedConfig, make: Callable[[], Any]) -> Any:
    """What `make` makes of the configuration, without room for weights; SwitchtuneError where that is nothing."""
    with explained(path, "config.json"), torch.device("meta"):
        _require_bounds(f"{path}: config.json", config.to_dict())
        return make()
