"""Low-rank adapters (Hu et al. 2022), by peft: put into a model, trained, merged into its weights.

The rows of pieces that were added to the model learn beside them: they begin as copies of others.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from switchtune.config.training import LoraSettings
from switchtune.errors import UsageError, nearest
from switchtune.models.families import families_like
from switchtune.models.rows import added_rows

if TYPE_CHECKING:
    from peft import LoraModel


def require_peft() -> None:
    """Raise UsageError where peft is not installed."""
    if find_spec("peft") is None:
        raise UsageError(
            "training.lora needs peft, which is not installed. Install it (pip install 'switchtune[lora]'), "
            "or remove training.lora to train all weights."
        )


def insert_adapters(model: PreTrainedModel, lora: LoraSettings, *, seed: int, also: Sequence[str] = ()) -> "LoraModel":
    """Put adapters into a model in place, and have nothing but them and the rows of added pieces learn.

    Args:
        seed: of the adapters' random half; the other is zero, so that at first they add nothing.
        also: names of the model's parts that are trained whole, such as a new head.

    Raises UsageError where peft is not installed, or the model has no layer of a name among `lora.targets`.
    """
    require_peft()
    from peft import LoraConfig, LoraModel

    layers = _target_layers(model, lora, also)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=layers,
        trainable_token_indices=_new_rows(model),
    )
    if config.trainable_token_indices:
        # The setting is about the output matrix, but peft goes by it for the embeddings that encoder and decoder share.
        model.config.tie_word_embeddings = True
    with torch.random.fork_rng([model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        adapters = LoraModel(model, config, "default")
    for part in also:
        model.get_submodule(part).requires_grad_(True)
    # New layers begin in training mode, whatever the mode of their model.
    model.train(model.training)
    return adapters


@contextmanager
def adapted(
    model: PreTrainedModel, lora: LoraSettings | None, *, seed: int, also: Sequence[str] = ()
) -> Iterator[None]:
    """Have only adapters learn until the block ends well; then they are merged, and the model is a plain one again.

    Where the block ends in an error, they are taken out and the weights are what they were. See `insert_adapters`.
    """
    if lora is None:
        yield
        return
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    tied = model.config.tie_word_embeddings
    try:
        adapters = insert_adapters(model, lora, seed=seed, also=also)
        try:
            yield
        except BaseException:
            adapters.unload()
            raise
        with warnings.catch_warnings():
            # mT5 has an output matrix of its own whatever its configuration says, which peft takes for a mishap.
            warnings.filterwarnings("ignore", "Input and output embeddings are no longer tied", UserWarning)
            adapters.merge_and_unload()
    finally:
        model.config.tie_word_embeddings = tied
        for name, weight in model.named_parameters():
            weight.requires_grad_(name in trained)


def _new_rows(model: PreTrainedModel) -> dict[str, list[int]] | None:
    """The added rows, by the first module of each matrix that has a row per piece; peft finds those that share it."""
    rows = added_rows(model.config)
    names = dict[int, str]()
    for name, module in model.named_modules():
        if module in (model.get_input_embeddings(), model.get_output_embeddings()):
            names.setdefault(id(module.weight), name)
    return dict.fromkeys(names.values(), rows) if rows else None


def _target_layers(model: PreTrainedModel, lora: LoraSettings, also: Sequence[str]) -> list[str]:
    layers = [
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and not any(f"{name}.".startswith(f"{part}.") for part in also)
    ]
    last_names = {name.rpartition(".")[2] for name in layers}
    if lora.targets == "auto":
        families = families_like(model.config)
        # An encoder alone has no output matrix: all of its layers are projections.
        targets = families[0].projections if families else tuple(last_names)
    else:
        targets = lora.targets
        for name in targets:
            if name not in last_names:
                raise UsageError(
                    f"training.lora.targets: this model has no linear layer {name!r}; {nearest(name, last_names)}"
                )
    return sorted(name for name in layers if name.rpartition(".")[2] in targets)
