"""What a search may be, whatever the engine: its longest outputs, how it ends, and the form of what it finds."""

import inspect
from collections.abc import Sequence
from typing import TypeAlias

from transformers import PreTrainedModel

from switchtune.config.training import GenerationSettings
from switchtune.models.layout import Layout

BatchOutputs: TypeAlias = list[tuple[int, list[int]]]
"""What a batch came to: the place of each source and its output in ids, from after the decoder start to the end of the
sentence (where it came to one)."""

_PATIENCE = 2.0
"""Finished hypotheses at which CTranslate2 ends a search, in beams. With 1 it ends before transformers in one sentence
of twenty (and 0.15 BLEU are lost); above 2 nothing changes but the time."""


def longest_outputs(
    layout: Layout, sources: Sequence[Sequence[int]], target_language: str, settings: GenerationSettings
) -> list[int]:
    """The longest output of each source, in tokens without the decoder start."""
    limits = [settings.longest_output(len(ids), target_language) for ids in sources]
    return limits if layout.positions is None else [min(limit, layout.positions - 1) for limit in limits]


def cache_argument(model: PreTrainedModel) -> str:
    """What a model's forward calls the keys and values that it has computed before."""
    # transformers 5.24 renamed the argument, and warns of the former name.
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def ct2_options(settings: GenerationSettings) -> dict[str, int | float]:
    """What `translate_batch` is to know of the search, but for the longest output. All that is finished comes back.

    `GenerationSettings.search` is the same for transformers.
    """
    patience = _PATIENCE if settings.beams > 1 else 1.0
    return {
        "beam_size": settings.beams,
        "patience": patience,
        "num_hypotheses": round(settings.beams * patience),
        "length_penalty": settings.length_penalty,
        "no_repeat_ngram_size": settings.no_repeat_ngram,
        "min_decoding_length": 0,
        "max_input_length": 0,
    }
