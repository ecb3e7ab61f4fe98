"""Vectors from a model: of words in their sentence by the encoder, of whole sentences by the decoder.

A vector does not depend on the sentences beside its own (up to the rounding of floating-point sums), nor at all on the
number of cores: batches are computed side by side, each by one thread.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from switchtune.corpus.words import Words
from switchtune.examples import Example
from switchtune.lexicon.csls import single_threaded_workers
from switchtune.lexicon.plm import WordEncoder
from switchtune.lexicon.text import Vectors
from switchtune.models.forward import encoder_states, evaluating, longest_first, on_device_of, states_of_decoder_layers
from switchtune.models.load import Loaded

Links: TypeAlias = NDArray[np.int64]
"""Rows of (piece, word): which piece is part of which word, ordered by word. [links, 2]"""

_SLACK = 8
"""Letters of the text between two pieces that may belong to neither: of unknown pieces, or dropped in normalising."""


def model_word_encoder(loaded: Loaded, *, max_tokens: int = 512, tokens_per_batch: int = 4096) -> WordEncoder:
    """What gives the words of a sentence their vectors by the encoder: the means of their pieces' states.

    They come from its last layer, which gave the best lexicons where a model gave good ones at all. Words of unknown
    pieces, and those beyond `max_tokens`, are rows of zeros.

    Args:
        tokens_per_batch: sentences × longest sentence of a batch, at most.
    """
    model, layout = loaded.model, loaded.layout

    def vectors_of(sentences: Sequence[Words], language: str) -> list[Vectors]:
        # A piece segmenter's words hold the mark of a space itself.
        texts = ["".join(_parts(sentence)).replace("▁", " ") for sentence in sentences]
        inputs = layout.batch_encode_source(texts, language, language, max_tokens=layout.fitting(max_tokens))
        after = len(layout.family.after_source)
        before = len(layout.encode_source("", language, language)) - after
        pieces = [layout.letters(ids[before : len(ids) - after]) for ids in inputs]
        known = [["" if piece == loaded.tokenizer.unk_token else piece for piece in each] for each in pieces]
        links = [pieces_of_words(each, sentence) for each, sentence in zip(known, sentences, strict=True)]
        linked = [index for index, pieces in enumerate(links) if len(pieces)]

        def states_of(batch: Sequence[int]) -> torch.Tensor:
            sources = layout.collate_source([inputs[linked[index]] for index in batch])
            return encoder_states(model, on_device_of(model, sources))

        vectors = [np.zeros((len(sentence.words), model.config.d_model), np.float32) for sentence in sentences]
        lengths = [len(inputs[index]) for index in linked]
        for batch, states in _side_by_side(model, states_of, lengths, tokens_per_batch):
            for index, of_sentence in zip(batch, states, strict=True):
                pieces_linked, words = links[linked[index]].T
                having, starts, counts = np.unique(words, return_index=True, return_counts=True)
                sums = np.add.reduceat(of_sentence[before:][pieces_linked], starts)
                vectors[linked[index]][having] = sums / counts[:, None].astype(np.float32)
        return vectors

    return vectors_of


LastToken: TypeAlias = Literal["piece", "end"]
"""The last piece of a sentence's own text, or the last token of the decoder's input: mBART's `</s>`."""


def sentence_states(
    loaded: Loaded,
    sentences: Sequence[str],
    language: str,
    *,
    at: LastToken = "piece",
    max_tokens: int = 512,
    tokens_per_batch: int = 4096,
) -> Vectors:
    """What each layer of the decoder puts out at the last token of each sentence (the paper's eᵢ, section 6.1).

    The sentence stands in encoder and decoder input with the tags of its own language, cut to `max_tokens`. The state
    at mBART's `</s>`, which is the paper's, has nothing to say but the language's tag.

    Returns:
        [decoder layers, sentences, dimensions]; the last layer's states are those that logits are made from.

    Raises UnknownLanguageError where the model does not have the language.
    """
    model: Any = loaded.model
    layout, config = loaded.layout, model.config
    examples = [Example(sentence, language, sentence, language) for sentence in sentences]
    encoded = layout.batch_encode(examples, max_tokens=layout.fitting(max_tokens))

    def states_of(batch: Sequence[int]) -> torch.Tensor:
        inputs = on_device_of(model, layout.collate([encoded[index] for index in batch]))
        after = len(layout.family.after_target) if at == "piece" else 1
        last = [len(encoded[index].labels) - after for index in batch]
        layers = states_of_decoder_layers(model, inputs)
        return torch.stack([states[range(len(batch)), last] for states in layers])

    # T5's `num_layers` are the encoder's, Bart's `num_hidden_layers` likewise.
    layers = int(getattr(config, "decoder_layers", None) or config.num_decoder_layers)
    states = np.zeros((layers, len(encoded), config.d_model), dtype=np.float32)
    lengths = [max(len(ids.input_ids), len(ids.labels)) for ids in encoded]
    for batch, of_batch in _side_by_side(model, states_of, lengths, tokens_per_batch):
        states[:, batch] = of_batch
    return states


def _side_by_side(
    model: Any, states_of: Callable[[Sequence[int]], torch.Tensor], lengths: Sequence[int], tokens_per_batch: int
) -> Iterator[tuple[list[int], Vectors]]:
    batches = list(longest_first(lengths, tokens_per_batch))

    def compute(batch: Sequence[int]) -> Vectors:
        # Whether gradients are computed is a matter of each thread.
        with torch.no_grad():
            states: Vectors = states_of(batch).float().cpu().numpy()
        return states

    with evaluating(model), single_threaded_workers() as workers:
        on_cpu = model.device.type == "cpu"
        yield from zip(batches, (workers.map if on_cpu else map)(compute, batches), strict=True)


def pieces_of_words(pieces: Sequence[str], sentence: Words) -> Links:
    """Which of a sentence's first pieces are part of which of its words; a piece of two words is part of both.

    Pieces are looked for in the text one after the other, without regard to spaces and to Unicode's forms of a letter:
    not all tokenizers tell where a piece comes from. An unknown one ("") is part of none.
    """
    texts = [_letters(part) for part in _parts(sentence)]
    letters = "".join(texts)
    # Parts are gaps (-1) and words by turns; the last gap is followed by nothing.
    owners = np.full(2 * len(sentence.words) + 2, -1)
    owners[1:-1:2] = np.arange(len(sentence.words))
    word_of_letter = np.repeat(owners, [len(text) for text in texts]).tolist()
    found: dict[tuple[int, int], None] = {}
    position, passed = 0, 0
    for place, piece in enumerate(map(_letters, pieces)):
        slack = _SLACK * (1 + passed)
        start = letters.find(piece, position, position + len(piece) + slack) if piece else -1
        if start < 0:
            passed += 1
            continue
        position, passed = start + len(piece), 0
        found |= dict.fromkeys((place, word) for word in word_of_letter[start:position] if word >= 0)
    return np.array(sorted(found, key=lambda link: link[1]), dtype=np.int64).reshape(-1, 2)


def _parts(sentence: Words) -> Iterator[str]:
    """Gap, word, gap, …, gap."""
    return chain.from_iterable(zip_longest(sentence.gaps, sentence.words, fillvalue=""))


@lru_cache(maxsize=1 << 16)
def _letters(text: str) -> str:
    """`text` decomposed (NFKD), without white space, its mark in pieces, and characters that cannot be seen."""
    decomposed = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return "".join(
        c for c in decomposed if c != "▁" and not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf")
    )
