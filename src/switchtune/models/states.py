"""Vectors from a model: of words in their sentence by the encoder, of whole sentences by the decoder.

A word's is the mean of the states of its pieces. The sentence stands in the model's own layout, as it does in training,
with the tag of its language (mT5: the instruction to put it into its own language); tags and special tokens are left
out of the means. A sentence's is what the decoder puts out at its last token.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from switchtune.corpus.words import Words
from switchtune.errors import UsageError
from switchtune.examples import Example
from switchtune.lexicon.map import single_threaded_workers
from switchtune.lexicon.plm import Vectors, WordEncoder
from switchtune.models.families import TokenIds
from switchtune.models.load import Loaded

Links: TypeAlias = NDArray[np.int64]
"""Which piece is part of which word: rows of (piece, word), ordered by word. [links, 2]"""

_SLACK = 8
"""Letters that may stand in the text between two pieces and belong to neither: those of an unknown piece, or what the
tokenizer's normaliser drops."""


def model_word_encoder(
    loaded: Loaded, *, layer: int | None = None, max_tokens: int = 512, tokens_per_batch: int = 4096
) -> WordEncoder:
    """What gives the words of a sentence their vectors by the encoder of `loaded`, on the device that it is on.

    A vector does not depend on the sentences beside its own (up to the rounding of floating-point sums), nor at all on
    the number of cores: batches are computed side by side, each by one thread. Words without a vector are rows of
    zeros: those that the vocabulary has no piece of, and those beyond the tokens that are read.

    Args:
        layer: 0 takes the input embeddings, for which the encoder does not run; otherwise the states after so many of
            its layers. None: after the last, which gave the best lexicons where a model gave good ones at all.
        max_tokens: longest encoder input; the model's positions where these are fewer.
        tokens_per_batch: sentences × longest sentence of a batch, at most.

    Raises:
        UsageError: the encoder does not have that layer.
    """
    layers = int(loaded.model.config.num_hidden_layers)
    if layer is not None and not 0 <= layer <= layers:
        raise UsageError(f"layer is {layer}; the encoder of this model has layers 1 to {layers}, and 0 for embeddings.")
    tokens = loaded.layout.fitting(max_tokens)
    return _ModelWordEncoder(loaded, layers if layer is None else layer, tokens, tokens_per_batch)


@dataclass(frozen=True)
class _ModelWordEncoder:
    loaded: Loaded
    layer: int
    max_tokens: int
    tokens_per_batch: int

    def __call__(self, sentences: Sequence[Words], language: str) -> list[Vectors]:
        layout = self.loaded.layout
        # A piece segmenter's words hold the mark of a space itself.
        texts = ["".join(_parts(sentence)).replace("▁", " ") for sentence in sentences]
        inputs = layout.batch_encode_source(texts, language, language, max_tokens=self.max_tokens)
        after = len(layout.family.after_source)
        before = len(layout.encode_source("", language, language)) - after
        links = [
            pieces_of_words(self._pieces(ids[before : len(ids) - after]), sentence)
            for ids, sentence in zip(inputs, sentences, strict=True)
        ]
        vectors = [np.zeros((len(sentence.words), self._dimensions), dtype=np.float32) for sentence in sentences]
        read = [place for place, found in enumerate(links) if len(found)]
        batches = list(_batches(read, [len(ids) for ids in inputs], self.tokens_per_batch))
        model: Any = self.loaded.model
        with _without_dropout(model.get_encoder()), single_threaded_workers() as workers:
            compute = workers.map if model.device.type == "cpu" else map
            found = compute(self._states, ([inputs[place] for place in batch] for batch in batches))
            for batch, states in zip(batches, found, strict=True):
                for place, of_sentence in zip(batch, states, strict=True):
                    _set_means(vectors[place], of_sentence[before:], links[place])
        return vectors

    @property
    def _embeddings(self) -> torch.Tensor:
        embeddings: Any = self.loaded.model.get_input_embeddings()
        weight: torch.Tensor = embeddings.weight
        return weight

    @property
    def _dimensions(self) -> int:
        return self._embeddings.shape[1]

    def _pieces(self, ids: Sequence[int]) -> list[str]:
        """What each id stands for in the text, nothing for an unknown one."""
        unknown = self.loaded.tokenizer.unk_token
        return ["" if piece == unknown else piece for piece in self.loaded.layout.tokens(ids)]

    def _states(self, inputs: Sequence[tuple[int, ...]]) -> Vectors:
        """The states of one batch. [sentences, longest, dimensions]"""
        model: Any = self.loaded.model
        batch = {name: ids.to(model.device) for name, ids in self.loaded.layout.collate_source(inputs).items()}
        with torch.inference_mode():
            if self.layer == 0:
                states = self._embeddings[batch["input_ids"]]
            elif self.layer == model.config.num_hidden_layers:
                states = model.get_encoder()(**batch).last_hidden_state  # without holding those of all layers
            else:
                states = model.get_encoder()(**batch, output_hidden_states=True).hidden_states[self.layer]
            found: Vectors = states.float().cpu().numpy()
        return found


def sentence_states(
    loaded: Loaded, sentences: Sequence[str], language: str, *, max_tokens: int = 512, tokens_per_batch: int = 4096
) -> Vectors:
    """What each layer of the decoder puts out at the last token of each sentence (the paper's eᵢ, section 6.1).

    The model is given the sentence as in the restoring of an unswitched one: it stands in the encoder input and in the
    decoder input, with the tags of its own language. The last token is the sentence's own, the last piece of its text,
    where `</s>` is to come next; it is not the `</s>` of mBART's decoder input, whose state has nothing to say but the
    language's tag. As for words, neither the sentences beside one nor the number of cores change what comes out beyond
    rounding.

    Args:
        max_tokens: sentences are cut at the end to so many tokens, special ones included; the model's positions where
            these are fewer.
        tokens_per_batch: sentences × longest sentence of a batch, at most.

    Returns:
        [decoder layers, sentences, dimensions]; the last layer's states are those that logits are made from.

    Raises:
        UnknownLanguageError: the model does not have the language.
    """
    model: Any = loaded.model
    examples = [Example(sentence, language, sentence, language) for sentence in sentences]
    encoded = loaded.layout.batch_encode(examples, max_tokens=loaded.layout.fitting(max_tokens))
    lengths = [max(len(ids.input_ids), len(ids.labels)) for ids in encoded]
    batches = list(_batches(range(len(encoded)), lengths, tokens_per_batch))
    states = np.zeros((_decoder_layers(model), len(encoded), model.config.hidden_size), dtype=np.float32)
    with _without_dropout(model), single_threaded_workers() as workers:
        compute = workers.map if model.device.type == "cpu" else map
        found = compute(lambda batch: _last_states(loaded, [encoded[place] for place in batch]), batches)
        for batch, of_batch in zip(batches, found, strict=True):
            states[:, batch] = of_batch
    return states


def _decoder_layers(model: Any) -> int:
    config = model.config
    # T5's count of layers is the encoder's, Bart's `num_hidden_layers` likewise.
    return int(getattr(config, "decoder_layers", None) or config.num_decoder_layers)


def _last_states(loaded: Loaded, encoded: Sequence[TokenIds]) -> Vectors:
    """The decoder's states of one batch at each sentence's last token. [layers, sentences, dimensions]"""
    model: Any = loaded.model
    batch = {name: ids.to(model.device) for name, ids in loaded.layout.collate(encoded).items()}
    after = len(loaded.layout.family.after_target)
    last = torch.tensor([len(ids.labels) - after for ids in encoded], device=model.device)
    with torch.inference_mode():
        # Not the whole model, whose logits take tokens × vocabulary.
        read = model.get_encoder()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        layers = model.get_decoder()(
            input_ids=batch["decoder_input_ids"],
            encoder_hidden_states=read.last_hidden_state,
            encoder_attention_mask=batch["attention_mask"],
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states[1:]
        rows = torch.arange(len(encoded), device=model.device)
        found: Vectors = torch.stack([states[rows, last] for states in layers]).float().cpu().numpy()
        return found


@contextmanager
def _without_dropout(module: Any) -> Iterator[None]:
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _batches(places: Sequence[int], lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Places of sentences of similar length, the longest first; a batch is sentences × its longest sentence."""
    batch: list[int] = []
    for place in sorted(places, key=lambda place: -lengths[place]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens_per_batch:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _set_means(vectors: Vectors, states: Vectors, links: Links) -> None:
    """Set the vectors of the words that have pieces to the mean of these pieces' states."""
    pieces, words = links.T
    linked, starts, counts = np.unique(words, return_index=True, return_counts=True)
    vectors[linked] = np.add.reduceat(states[pieces], starts) / counts[:, None].astype(np.float32)


def pieces_of_words(pieces: Sequence[str], sentence: Words) -> Links:
    """Which of a sentence's first pieces are part of which of its words.

    A piece that stands for letters of two words is part of both; one of gaps alone is part of none, and so is the mark
    of a space where it stands alone. An unknown piece (""), whose state says nothing of its word, is part of none.

    Pieces are looked for in the text one after the other, without regard to spaces and to Unicode's forms of a letter:
    not all tokenizers tell where a piece comes from.
    """
    texts = [_letters(part) for part in _parts(sentence)]
    letters = "".join(texts)
    word_of_letter = np.repeat(_owners(len(sentence.words)), [len(text) for text in texts]).tolist()
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


def _owners(words: int) -> NDArray[np.int64]:
    """For each part of a sentence but the empty one at the end the place of the word that it is; -1 for gaps."""
    owners = np.full(2 * words + 2, -1)
    owners[1:-1:2] = np.arange(words)
    return owners


@lru_cache(maxsize=1 << 16)
def _letters(text: str) -> str:
    """`text` decomposed (NFKD), without white space, its mark in pieces, and characters that cannot be seen."""
    decomposed = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return "".join(
        c for c in decomposed if c != "▁" and not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf")
    )
