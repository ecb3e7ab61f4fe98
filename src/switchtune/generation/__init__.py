"""Translation by beam search, in batches of sentences of similar length, by transformers or by CTranslate2."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from itertools import islice
from typing import Any

from torch import distributed

from switchtune.config.training import GenerationSettings
from switchtune.corpus.lines import stripped
from switchtune.errors import UsageError
from switchtune.generation.by_ct2 import Converted, converted, search_by_ct2
from switchtune.generation.by_transformers import search_by_transformers
from switchtune.generation.constrained import search_constrained
from switchtune.generation.constraints import Forms, encoded_constraints
from switchtune.generation.search import BatchOutputs, longest_outputs
from switchtune.models.layout import Layout
from switchtune.models.load import Loaded
from switchtune.training.distributed import rank, size

_LOGGER = logging.getLogger(__name__)
_LINES_NAMED = 10
_FIRST_WINDOW, _LARGEST_WINDOW = 64, 2048


def translate(
    model: Loaded | Converted,
    sentences: Sequence[str],
    source_language: str,
    target_language: str,
    settings: GenerationSettings,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    constraints: Sequence[Sequence[Forms]] | None = None,
    over_ranks: bool = False,
    lines_before: int = 0,
) -> list[str]:
    """Translate sentences by beam search, in their order, each without line breaks.

    A sentence's translation does not depend on the sentences beside it (up to the rounding of floating-point sums,
    which can only tip hypotheses of equal score), nor on what the model's own generation config says. Sentences longer
    than the model's positions are cut, and the log names them. A blank one gives an empty translation.

    Args:
        model: a converted one is searched by CTranslate2, any other by the engine of `settings`.
        on_progress: called after every batch with the sentences done and their total.
        constraints: for each sentence the phrases that its translation is to hold, each in any of its forms. Sentences
            with some are searched by `search_constrained`, with the weights of `model`; what cannot be held is counted
            in the log.
        over_ranks: have each process of torch.distributed's default group do a share, and all of them get all
            translations: all of them must call this. Progress is then that of a process's own share.
        lines_before: how many sentences of the same text were translated before, for the numbers that the log names.

    Raises:
        UsageError: there are constraints, and the model is a converted one.
    """
    share = [index for index, sentence in enumerate(sentences) if stripped(sentence)]
    if processes := size() if over_ranks else 0:
        share = sorted(share, key=lambda index: -len(sentences[index]))[rank() :: processes]  # alike in lengths
    translations: dict[int, str] = {}
    sources = _encoded(model.layout, sentences, share, source_language, target_language, lines_before)
    phrases = [constraints[index] if constraints else () for index in share]
    with closing(_outputs(model, sources, phrases, target_language, settings)) as batches:
        for batch in batches:
            for (number, _), text in zip(batch, model.layout.batch_decode([ids for _, ids in batch]), strict=True):
                translations[share[number]] = " ".join(text.splitlines())
            if on_progress is not None:
                on_progress(len(sentences) - len(share) + len(translations), len(sentences))
    if processes > 1:
        shares = [translations] * processes
        distributed.all_gather_object(shares, translations)
        translations = {index: text for share in shares for index, text in share.items()}
    return [translations.get(index, "") for index in range(len(sentences))]


def windows(sentences: Iterable[str]) -> Iterator[list[str]]:
    """Sentences in groups, each of which can be translated and written before the next is read.

    The first are small, so that something is seen soon; later ones have room for batches of similar lengths.
    """
    remaining, count = iter(sentences), _FIRST_WINDOW
    while window := list(islice(remaining, count)):
        yield window
        count = min(2 * count, _LARGEST_WINDOW)


def _outputs(
    model: Loaded | Converted,
    sources: Sequence[Sequence[int]],
    phrases: Sequence[Sequence[Forms]],
    target_language: str,
    settings: GenerationSettings,
) -> Generator[BatchOutputs, None, None]:
    """The best output of each source: by the engine of the model or of the settings, or under constraints."""
    free, bound = ([row for row, each in enumerate(phrases) if bool(each) == has_some] for has_some in (False, True))
    engine: Any = nullcontext(model)
    if isinstance(model, Loaded) and settings.engine == "ct2" and free:
        engine = converted(model, settings.compute_type)
    with engine as ready:
        for batch in best_outputs(ready, [sources[row] for row in free], target_language, settings):
            yield [(free[place], ids) for place, ids in batch]
    if not bound:
        return
    if isinstance(model, Converted):
        raise UsageError("CTranslate2 has no search under constraints: give the model that was converted.")
    wanted = encoded_constraints(model.layout, [phrases[row] for row in bound], target_language)
    chosen = [sources[row] for row in bound]
    limits = longest_outputs(model.layout, chosen, target_language, settings)
    for batch in search_constrained(model, chosen, limits, wanted, target_language, settings):
        yield [(bound[place], ids) for place, ids in batch]


def best_outputs(
    model: Loaded | Converted, sources: Sequence[Sequence[int]], target_language: str, settings: GenerationSettings
) -> Generator[BatchOutputs, None, None]:
    """The best output of each source (encoder inputs within the model's positions) in ids, batch by batch."""
    search: Any = search_by_ct2 if isinstance(model, Converted) else search_by_transformers
    limits = longest_outputs(model.layout, sources, target_language, settings)
    yield from search(model, sources, limits, target_language, settings)


def _encoded(
    layout: Layout,
    sentences: Sequence[str],
    indices: Sequence[int],
    source_language: str,
    target_language: str,
    lines_before: int,
) -> list[tuple[int, ...]]:
    """Encoder inputs of the sentences at `indices`, cut to the model's positions."""
    texts = [sentences[index] for index in indices]
    sources = layout.batch_encode_source(texts, source_language, target_language)
    positions = layout.positions
    too_long = [row for row, ids in enumerate(sources) if positions is not None and len(ids) > positions]
    if too_long:
        texts = [texts[row] for row in too_long]
        cut = layout.batch_encode_source(texts, source_language, target_language, max_tokens=positions)
        for row, ids in zip(too_long, cut, strict=True):
            sources[row] = ids
        lines = [str(lines_before + indices[row] + 1) for row in too_long]
        _LOGGER.warning(
            "%d of %d sentences are longer than the model's %d positions; what is beyond them was not translated. "
            "Split these lines: %s",
            *(len(too_long), len(sentences), positions),
            ", ".join([*lines[:_LINES_NAMED], *(["…"] if len(lines) > _LINES_NAMED else [])]),
        )
    return sources
