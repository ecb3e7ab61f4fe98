"""Beam search by transformers: the reference, with any model as it stands in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)

from switchtune.config.training import GenerationSettings
from switchtune.generation.search import BatchOutputs, cache_argument
from switchtune.models.forward import evaluating, longest_first, on_device_of
from switchtune.models.load import Loaded


def search_by_transformers(
    loaded: Loaded,
    sources: Sequence[Sequence[int]],
    limits: Sequence[int],
    target_language: str,
    settings: GenerationSettings,
) -> Iterator[BatchOutputs]:
    """The best output of each source, batch by batch.

    `sources` are encoder inputs, `limits` their longest outputs in tokens without the decoder start.
    """
    eos = loaded.layout.eos_id
    with _generating(loaded.model):
        for batch in longest_first([len(ids) for ids in sources], settings.tokens_per_batch):
            own_limits = [limits[place] for place in batch]
            rows = _search(loaded, [sources[place] for place in batch], own_limits, target_language, settings)
            texts = (row[1 : 1 + limit] for row, limit in zip(rows, own_limits, strict=True))
            ends = ((ids, ids.index(eos) + 1 if eos in ids else len(ids)) for ids in texts)
            yield [(place, ids[:end]) for place, (ids, end) in zip(batch, ends, strict=True)]


def _search(
    loaded: Loaded,
    sources: Sequence[Sequence[int]],
    limits: Sequence[int],
    target_language: str,
    settings: GenerationSettings,
) -> list[list[int]]:
    """The best output of each source of a batch: decoder start, tokens, padding."""
    model: Any = loaded.model
    layout = loaded.layout
    config = GenerationConfig(
        **layout.generation_settings(target_language),
        pad_token_id=layout.pad_id,
        eos_token_id=layout.eos_id,
        **settings.search,
        max_length=1 + max(limits),  # the decoder start counts
    )
    outputs = model.generate(
        **on_device_of(model, layout.collate_source(sources)),
        generation_config=config,
        stopping_criteria=StoppingCriteriaList([_OwnLimits(limits, model.device)]),
        **{cache_argument(model): _BeamCache(DynamicCache(config=model.config), DynamicCache(config=model.config))},
    )
    return cast(list[list[int]], outputs.tolist())


class _BeamCache(EncoderDecoderCache):
    """Keys and values of which beam search reorders only the decoder's own.

    Hypotheses change places only with those of the same sentence, whose keys and values of the source are the same;
    moving these as well, at every step, takes a tenth of the time.
    """

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        self.self_attention_cache.reorder_cache(beam_idx)


class _OwnLimits(StoppingCriteria):
    """Ends the hypotheses of each sentence at its own longest length, not at that of the longest in the batch."""

    def __init__(self, limits: Sequence[int], device: torch.device) -> None:
        self._limits = torch.tensor(limits, device=device)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor | None, **_: object) -> torch.Tensor:
        """Whether each hypothesis, in `input_ids` [sentences · hypotheses, 1 + tokens], is at its limit."""
        reached = input_ids.shape[1] > self._limits
        return reached.repeat_interleave(len(input_ids) // len(reached))


@contextmanager
def _generating(model: PreTrainedModel) -> Iterator[None]:
    """The model in evaluation mode and without its own generation config, which would fill what ours leaves open."""
    # torch's inference mode would be no faster, and would leave the position tables that M2M-100 and NLLB extend for a
    # long sentence as tensors that training may not touch.
    own_config = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        with evaluating(model):
            yield
    finally:
        model.generation_config = own_config
