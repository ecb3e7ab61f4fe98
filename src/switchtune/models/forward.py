"""What a model computes: the states of its encoder and decoder, in evaluation mode where nothing is trained."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from transformers import PreTrainedModel

Batch: TypeAlias = Mapping[str, torch.Tensor]
"""`input_ids`, `attention_mask` (sentences, longest source), and `decoder_input_ids` (sentences, longest target)."""


def device_type() -> str:
    """The kind of device that this process computes on: `cuda` or another accelerator such as `mps`, else `cpu`."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return "cpu" if found is None else found.type


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """A block in which a model has no dropout and, in this thread, computes no gradients."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def on_device_of(model: PreTrainedModel, batch: Batch) -> dict[str, torch.Tensor]:
    return {name: ids.to(model.device) for name, ids in batch.items()}


def longest_first(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Indices of sentences of similar length, the longest first, so that what does not fit in memory shows at once.

    A batch costs its sentences × its longest sentence and stays within the budget, or is a single sentence.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        end = start + max(1, tokens_per_batch // lengths[order[start]])
        yield order[start:end]
        start = end


def encoder_states(model: Any, batch: Batch) -> torch.Tensor:
    """The encoder's last states of a batch, of shape (sentences, longest source, width)."""
    outputs = model.get_encoder()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    states: torch.Tensor = outputs[0]
    return states


def decoder_states(model: Any, batch: Batch) -> torch.Tensor:
    """The decoder's last states of a batch, of shape (sentences, longest target, width), without logits."""
    states: torch.Tensor = _decoded(model, batch)[0]
    return states


def states_of_decoder_layers(model: Any, batch: Batch) -> tuple[torch.Tensor, ...]:
    """The states after each of the decoder's layers; see `decoder_states`."""
    layers: tuple[torch.Tensor, ...] = _decoded(model, batch, output_hidden_states=True).hidden_states[1:]
    return layers


def _decoded(model: Any, batch: Batch, **options: bool) -> Any:
    return model.get_decoder()(
        input_ids=batch["decoder_input_ids"],
        encoder_hidden_states=encoder_states(model, batch),
        encoder_attention_mask=batch["attention_mask"],
        use_cache=False,
        **options,
    )
