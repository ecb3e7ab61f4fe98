"""What of a model has a row per piece: changed, renumbered, written, and proved to do what it did before."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from transformers import AutoConfig, GenerationConfig, PretrainedConfig, PreTrainedModel

from switchtune.errors import SwitchtuneError
from switchtune.files import read_json, write_json, write_text
from switchtune.models.card import base_on_hub
from switchtune.models.files import NOTES, explained, from_pretrained
from switchtune.models.forward import evaluating, on_device_of
from switchtune.models.licence import write_card
from switchtune.models.load import Loaded, tell_of_head

TOLERANCE = 1e-4

ADDED_ROWS = "switchtune_added_token_ids"
"""Setting of a model's config.json: the ids of pieces that were added to it. `_renumbered` knows it by its suffix."""

Role: TypeAlias = Literal["input", "output", "bias"]
"""What has a row per piece: the embeddings, an output matrix that is not the embeddings, the bias of the logits."""

_TOKEN_SETTING = re.compile(r".*_token_ids?|(begin_)?suppress_tokens|bad_words_ids")


class TrimFailedError(SwitchtuneError):
    """A model with other rows does not do what it did before; it was not written."""


def trim_failed(path: str, difference: str) -> TrimFailedError:
    return TrimFailedError(
        f"{path}: with another vocabulary {difference}. Nothing was written; train the whole model (model.trim: off) "
        "and please report this."
    )


def replace_rows(model: PreTrainedModel, change: Callable[[Role, torch.Tensor], torch.Tensor]) -> None:
    """Change whatever has a row per piece: matrices (rows, width), the bias (rows, 1); one matrix stays one."""
    matrices = row_matrices(model)
    changed = {
        id(weights): torch.nn.Parameter(change(role, weights.detach()), requires_grad=weights.requires_grad)
        for role, weights in matrices.items()
        if isinstance(weights, torch.nn.Parameter)
    }
    rows = 0
    for module in model.modules():
        for name, weights in list(module.named_parameters(recurse=False)):
            if id(weights) in changed:
                setattr(module, name, changed[id(weights)])
                rows = len(changed[id(weights)])
                setattr(module, "num_embeddings" if isinstance(module, torch.nn.Embedding) else "out_features", rows)
    if "bias" in matrices:
        model.final_logits_bias = change("bias", matrices["bias"].T).T
    model.config.vocab_size = rows


def row_matrices(model: PreTrainedModel) -> dict[Role, torch.Tensor]:
    """Whatever has a row per piece; the bias, if there is one, has shape (1, rows)."""
    inputs: Any = model.get_input_embeddings()
    outputs: Any = model.get_output_embeddings()
    matrices: dict[Role, torch.Tensor] = {"input": inputs.weight}
    if outputs.weight is not inputs.weight:
        matrices["output"] = outputs.weight
    bias = getattr(model, "final_logits_bias", None)
    if bias is not None:
        matrices["bias"] = bias
    return matrices


def tell_of_added(folder: Path, ids: Iterable[int]) -> None:
    """Note in a model's config.json that rows were added, besides those that it names already."""
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", config | {ADDED_ROWS: sorted({*config.get(ADDED_ROWS, ()), *ids})})


def added_rows(config: PretrainedConfig) -> list[int]:
    """The rows of a model that were added to it, which no pretraining has seen."""
    return [*getattr(config, ADDED_ROWS, ())]


def write_renumbered(loaded: Loaded, folder: Path, settings_of: str, number: Callable[[int], int]) -> None:
    """Write a model with the settings and notes of the one at `settings_of`, its ids renumbered, and its tokenizer."""
    loaded.model.save_pretrained(folder)
    with explained(settings_of, "config.json", "generation_config.json"):
        config = _renumbered(read_json(folder / "config.json"), number)
        generation = _renumbered(_generation_settings(settings_of), number)
    write_json(folder / "config.json", config)
    tell_of_head(loaded.model, folder)
    write_text(folder / "generation_config.json", json.dumps(generation, indent=2, sort_keys=True) + "\n")
    loaded.tokenizer.save_pretrained(folder)
    write_card(folder, loaded.licence, base_on_hub(settings_of))
    for note in (Path(settings_of) / name for name in NOTES):
        if note.exists():
            shutil.copyfile(note, folder / note.name)


def named_ids(path: str) -> set[int]:
    ids: set[int] = set()

    def note(number: int) -> int:
        ids.add(number)
        return number

    with explained(path, "config.json", "generation_config.json"):
        _renumbered(from_pretrained(AutoConfig, path).to_dict(), note)
        _renumbered(_generation_settings(path), note)
    return ids


def _renumbered(settings: Mapping[str, Any], number: Callable[[int], int]) -> dict[str, Any]:
    """Settings in which every id is replaced by what `number` makes of it, at any depth."""

    def ids(value: Any) -> Any:
        return [ids(item) for item in value] if isinstance(value, list) else None if value is None else number(value)

    def renumbered(name: str, value: Any) -> Any:
        if _TOKEN_SETTING.fullmatch(str(name)):
            return ids(value)
        return _renumbered(value, number) if isinstance(value, dict) else value

    return {name: renumbered(name, value) for name, value in settings.items()}


def _generation_settings(path: str) -> dict[str, Any]:
    try:
        generation = from_pretrained(GenerationConfig, path)
    except SwitchtuneError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        generation = GenerationConfig.from_model_config(from_pretrained(AutoConfig, path))
    settings: dict[str, Any] = json.loads(generation.to_json_string())
    return settings


def probe(ids: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Encoder and decoder inputs of tokens drawn from `ids`, for which no text is needed."""
    sources, targets = np.random.default_rng(1).choice(np.asarray(ids), size=(2, 4, 12)).tolist()
    return list(zip(sources, targets, strict=True))


def logits(
    loaded: Loaded,
    examples: Sequence[tuple[Sequence[int], Sequence[int]]],
    ids: Sequence[int],
    number: Callable[[int], int] = int,
) -> torch.Tensor:
    """Logits of the pieces `ids` after each token of examples of `probe`, on the CPU; (examples, longest, len(ids)).

    Args:
        number: from an id, of the examples and in `ids` alike, to that of the model.
    """
    model: Any = loaded.model
    sources, targets = ([[number(old) for old in side] for side in sides] for sides in zip(*examples, strict=True))
    batch = loaded.layout.collate_source(sources) | {"decoder_input_ids": torch.tensor(targets)}
    with evaluating(model):
        rows: torch.Tensor = model(**on_device_of(model, batch)).logits[..., list(map(number, ids))]
    return rows.float().cpu()


def require_same_logits(path: str, after: torch.Tensor, before: torch.Tensor) -> float:
    """The largest difference of logits; raises TrimFailedError where they differ by more than `TOLERANCE`."""
    difference = float((after - before).abs().max())
    allowed = TOLERANCE * max(1.0, float(before.abs().max()))
    if not difference <= allowed:
        raise trim_failed(path, f"logits differ by up to {difference:.2g} (allowed: {allowed:.1g})")
    return difference
