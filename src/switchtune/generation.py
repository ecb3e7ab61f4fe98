"""Translation by beam search, in batches of sentences of similar length."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    GenerationConfig,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)

from switchtune.config import GenerationSettings
from switchtune.models.families import padded
from switchtune.models.load import Loaded

_LOGGER = logging.getLogger(__name__)
_LINES_NAMED = 10


def translate(
    loaded: Loaded,
    sentences: Sequence[str],
    source_language: str,
    target_language: str,
    settings: GenerationSettings,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Translate sentences by beam search.

    A sentence's translation does not depend on the sentences beside it (up to the rounding of floating-point sums,
    which can only tip hypotheses of equal score), nor on what the model's own generation config says. Sentences longer
    than the model's positions are cut, and the log names them.

    Args:
        sentences: a blank one gives an empty translation, without asking the model.
        source_language: by any of its codes or names.
        target_language: likewise.
        settings: beam size, longest outputs, and the budget of a batch.
        on_progress: called after every batch with the sentences done and their total.

    Returns:
        The translations, in the order of the sentences, each without line breaks.

    Raises:
        UnknownLanguageError: the model does not have a language.
    """
    written = [index for index, sentence in enumerate(sentences) if sentence.strip()]
    sources = _encode(loaded, sentences, written, source_language, target_language)
    start = loaded.layout.generation_settings(target_language)
    translations = [""] * len(sentences)
    done = len(sentences) - len(written)
    with _generating(loaded.model):
        for batch in batches([len(ids) for ids in sources], settings.tokens_per_batch):
            outputs = _beam_search(loaded, [sources[position] for position in batch], start, settings)
            for position, text in zip(batch, loaded.layout.batch_decode(outputs), strict=True):
                translations[written[position]] = " ".join(text.splitlines())
            done += len(batch)
            if on_progress is not None:
                on_progress(done, len(sentences))
    return translations


def batches(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Indices of sentences of similar length, the longest first, so that what does not fit in memory shows at once.

    A batch costs its sentences × its longest sentence and stays within the budget; a sentence longer than the budget
    makes a batch of its own.

    Args:
        lengths: tokens of each sentence, at least 1.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        end = start + max(1, tokens_per_batch // lengths[order[start]])
        yield order[start:end]
        start = end


def _encode(
    loaded: Loaded, sentences: Sequence[str], written: Sequence[int], source_language: str, target_language: str
) -> list[tuple[int, ...]]:
    """Encoder inputs of the sentences that are not blank, cut to the model's positions."""

    def encode(indices: Sequence[int], max_tokens: int | None) -> list[tuple[int, ...]]:
        texts = [sentences[index] for index in indices]
        return loaded.layout.batch_encode_source(texts, source_language, target_language, max_tokens=max_tokens)

    sources = encode(written, None)
    positions = loaded.layout.positions
    too_long = [place for place, ids in enumerate(sources) if positions is not None and len(ids) > positions]
    if too_long:
        for place, ids in zip(too_long, encode([written[place] for place in too_long], positions), strict=True):
            sources[place] = ids
        lines = ", ".join(str(written[place] + 1) for place in too_long[:_LINES_NAMED])
        _LOGGER.warning(
            "%d of %d sentences are longer than the model's %d positions; what is beyond them was not translated. "
            "Split these lines: %s%s",
            *(len(too_long), len(sentences), positions),
            *(lines, ", …" if len(too_long) > _LINES_NAMED else ""),
        )
    return sources


def _beam_search(
    loaded: Loaded, sources: Sequence[Sequence[int]], start: dict[str, int | None], settings: GenerationSettings
) -> list[list[int]]:
    """The best output of each source, in token ids."""
    model: Any = loaded.model
    layout = loaded.layout
    limits = [int(settings.max_length_ratio * len(ids)) + settings.max_length_extra for ids in sources]
    if loaded.layout.positions is not None:
        limits = [min(limit, loaded.layout.positions - 1) for limit in limits]
    config = GenerationConfig(
        **start,
        pad_token_id=layout.pad_id,
        eos_token_id=layout.eos_id,
        **settings.search,
        max_length=1 + max(limits),  # the decoder start counts
    )
    lengths = torch.tensor([len(ids) for ids in sources])
    attention_mask = torch.arange(int(lengths.max())) < lengths[:, None]
    outputs = model.generate(
        input_ids=padded(sources, layout.pad_id).to(model.device),
        attention_mask=attention_mask.long().to(model.device),
        generation_config=config,
        stopping_criteria=StoppingCriteriaList([_OwnLimits(limits, model.device)]),
        past_key_values=_BeamCache(DynamicCache(config=model.config), DynamicCache(config=model.config)),
    )
    ids: list[list[int]] = outputs.tolist()
    return ids


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
        """Whether each hypothesis is at its limit.

        Args:
            input_ids: (sentences · hypotheses, 1 + tokens), the hypotheses of a sentence one after the other.
        """
        reached = input_ids.shape[1] > self._limits
        return reached.repeat_interleave(len(input_ids) // len(reached))


@contextmanager
def _generating(model: PreTrainedModel) -> Iterator[None]:
    """The model in evaluation mode and without its own generation config, which would fill what ours leaves open."""
    # `generate` computes without gradients by itself. torch's inference mode would be no faster, and would leave the
    # position tables that M2M-100 and NLLB extend for a long sentence as tensors that training may not touch.
    training, own_config = model.training, model.generation_config
    model.eval()
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = own_config
        model.train(training)
