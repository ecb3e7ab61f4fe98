"""Translation by beam search, in batches of sentences of similar length, by transformers or by CTranslate2."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice

from torch import distributed

from switchtune.config.training import GenerationSettings
from switchtune.generation.batching import Outputs
from switchtune.generation.by_ct2 import Converted, converted, search_by_ct2
from switchtune.generation.by_transformers import search_by_transformers
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
) -> list[str]:
    """Translate sentences by beam search.

    A sentence's translation does not depend on the sentences beside it (up to the rounding of floating-point sums,
    which can only tip hypotheses of equal score), nor on what the model's own generation config says. Sentences longer
    than the model's positions are cut, and the log names them.

    Args:
        model: a converted one is searched by CTranslate2, any other by the engine of `settings`.
        sentences: a blank one gives an empty translation, without asking the model.
        source_language: by any of its codes or names.
        target_language: likewise.
        settings: engine, beam size, longest outputs, and the budget of a batch.
        on_progress: called after every batch with the sentences done and their total.

    Returns:
        The translations, in the order of the sentences, each without line breaks.

    Raises:
        UnknownLanguageError: the model does not have a language.
        UsageError: CTranslate2 is asked for and is not installed, or cannot compute in the type asked for.
    """
    written = [index for index, sentence in enumerate(sentences) if sentence.strip()]
    found = _translate_some(model, sentences, written, source_language, target_language, settings, on_progress)
    return [found.get(index, "") for index in range(len(sentences))]


def translate_over_ranks(
    model: Loaded | Converted,
    sentences: Sequence[str],
    source_language: str,
    target_language: str,
    settings: GenerationSettings,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    lines_before: int = 0,
) -> list[str]:
    """As `translate`, each process of torch.distributed's default group doing its share: all of them must call it.

    Without such a group this is `translate`. The shares are alike in lengths. Sentences that are cut are named by the
    process that cuts them.

    Args:
        on_progress: is told of this process's share.
        lines_before: how many sentences of the same text were translated before, for the numbers that the log names.

    Returns:
        The translations of all sentences, in their order, in every process.
    """
    written = [index for index, sentence in enumerate(sentences) if sentence.strip()]
    share = sorted(written, key=lambda index: -len(sentences[index]))[rank() :: size()] if size() > 1 else written
    own = _translate_some(
        model, sentences, share, source_language, target_language, settings, on_progress, lines_before=lines_before
    )
    shares: list[dict[int, str]] = [own] * size()
    if size() > 1:
        distributed.all_gather_object(shares, own)
    found = {index: text for share in shares for index, text in share.items()}
    return [found.get(index, "") for index in range(len(sentences))]


def windows(sentences: Iterable[str]) -> Iterator[list[str]]:
    """Sentences in groups, each of which can be translated and written before the next is read.

    The first are small, so that something is seen soon; later ones have room for batches of similar lengths.
    """
    remaining, count = iter(sentences), _FIRST_WINDOW
    while window := list(islice(remaining, count)):
        yield window
        count = min(2 * count, _LARGEST_WINDOW)


def best_outputs(
    model: Loaded | Converted, sources: Sequence[Sequence[int]], target_language: str, settings: GenerationSettings
) -> Generator[Outputs, None, None]:
    """The best output of each source in ids, batch by batch: by CTranslate2 for a converted model, else transformers.

    Args:
        sources: encoder inputs, within the model's positions.
    """
    limits = [settings.longest_output(len(ids), target_language) for ids in sources]
    if model.layout.positions is not None:
        limits = [min(limit, model.layout.positions - 1) for limit in limits]
    if isinstance(model, Converted):
        yield from search_by_ct2(model, sources, limits, target_language, settings)
    else:
        yield from search_by_transformers(model, sources, limits, target_language, settings)


def _translate_some(
    model: Loaded | Converted,
    sentences: Sequence[str],
    places: Sequence[int],
    source_language: str,
    target_language: str,
    settings: GenerationSettings,
    on_progress: Callable[[int, int], None] | None,
    *,
    lines_before: int = 0,
) -> dict[int, str]:
    """The translations of the sentences at `places`; the others count as done."""
    translations: dict[int, str] = {}
    with _ready(model, settings) as ready:
        sources = _encode(ready.layout, sentences, places, source_language, target_language, lines_before)
        with closing(best_outputs(ready, sources, target_language, settings)) as found:
            for batch in found:
                texts = ready.layout.batch_decode([ids for _, ids in batch])
                for (number, _), text in zip(batch, texts, strict=True):
                    translations[places[number]] = " ".join(text.splitlines())
                if on_progress is not None:
                    on_progress(len(sentences) - len(places) + len(translations), len(sentences))
    return translations


@contextmanager
def _ready(model: Loaded | Converted, settings: GenerationSettings) -> Iterator[Loaded | Converted]:
    """The model as the engine of `settings` takes it."""
    if isinstance(model, Loaded) and settings.engine == "ct2":
        with converted(model, settings.compute_type) as made:
            yield made
    else:
        yield model


def _encode(
    layout: Layout,
    sentences: Sequence[str],
    places: Sequence[int],
    source_language: str,
    target_language: str,
    lines_before: int,
) -> list[tuple[int, ...]]:
    """Encoder inputs of the sentences at `places`, cut to the model's positions."""

    def encode(indices: Sequence[int], max_tokens: int | None) -> list[tuple[int, ...]]:
        texts = [sentences[index] for index in indices]
        return layout.batch_encode_source(texts, source_language, target_language, max_tokens=max_tokens)

    sources = encode(places, None)
    positions = layout.positions
    too_long = [number for number, ids in enumerate(sources) if positions is not None and len(ids) > positions]
    if too_long:
        for number, ids in zip(too_long, encode([places[number] for number in too_long], positions), strict=True):
            sources[number] = ids
        lines = ", ".join(str(lines_before + places[number] + 1) for number in too_long[:_LINES_NAMED])
        _LOGGER.warning(
            "%d of %d sentences are longer than the model's %d positions; what is beyond them was not translated. "
            "Split these lines: %s%s",
            *(len(too_long), len(sentences), positions),
            *(lines, ", …" if len(too_long) > _LINES_NAMED else ""),
        )
    return sources
