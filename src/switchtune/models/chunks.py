"""Token ids of text without special tokens: the tokenizer's own, put together from those of parts between spaces."""

import json
import unicodedata
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sentencepiece import sentencepiece_model_pb2
from transformers import M2M100Tokenizer, PreTrainedTokenizerBase, TokenizersBackend

from switchtune.corpus.control import CONTROL
from switchtune.models.text import SPACE, PlainText, any_of, normalised

CHUNKS_REMEMBERED = 1 << 17
_LONGEST_CHUNK = 24
"""In characters. Longer ones hardly come again: sentences of scripts without spaces, addresses."""


class PlainIds:
    """Encodes texts as a tokenizer does, special tokens not added, and remembers the ids of what stands between spaces.

    Where `cuts_at_spaces` holds, a text's ids are its chunks' ids one after the other. Where it does not, and where a
    chunk may depend on what stands beside it, the tokenizer gets the whole text. No token must be added later.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, mask: str | None = None) -> None:
        self._tokenizer = tokenizer
        self.text = PlainText(tokenizer, mask)
        self._by_chunks = cuts_at_spaces(tokenizer)
        self._added = any_of({*self.text.added, CONTROL})
        self._ids: dict[str, tuple[int, ...]] = {}
        self._dependent: set[str] = set()

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        if not self._by_chunks:
            return self.text.ids(texts)
        if len(self) > CHUNKS_REMEMBERED:
            self._ids.clear()
            self._dependent.clear()
        known = self._ids.get
        ids = [list(map(known, text.split(" "))) for text in texts]
        missing = [place for place, each in enumerate(ids) if None in each]
        if missing:
            chunks = [texts[place].split(" ") for place in missing]
            self._learn(set(chain.from_iterable(chunks)).difference(self._ids, self._dependent))
            whole = [place for place, each in zip(missing, chunks, strict=True) if not self._dependent.isdisjoint(each)]
            ids_of_whole = dict(zip(whole, self.text.ids([texts[place] for place in whole]), strict=True))
            for place, each in zip(missing, chunks, strict=True):
                ids[place] = [tuple(ids_of_whole[place])] if place in ids_of_whole else list(map(known, each))
        return [list(chain.from_iterable(filter(None, each))) for each in ids]

    def __len__(self) -> int:
        """Chunks that are remembered."""
        return len(self._ids) + len(self._dependent)

    def _learn(self, chunks: set[str]) -> None:
        independent = list(filter(self._is_independent, chunks))
        self._ids.update(zip(independent, map(tuple, self.text.own_ids(independent)), strict=True))
        self._dependent.update(chunks.difference(independent))

    def _is_independent(self, chunk: str) -> bool:
        if not 0 < len(chunk) <= _LONGEST_CHUNK:
            return False
        # Between dots, or white space at its ends might be dropped.
        inside = normalised(self._tokenizer, f".{chunk}.")[1:-1]
        # White space at an end may become one with the space beside it, a mark at the start too.
        alone = inside == inside.strip() and not unicodedata.category(chunk[0]).startswith("M")
        return alone and SPACE not in inside and not self._added.search(f"{chunk} {inside}")


def cuts_at_spaces(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a text's ids are those of the parts between its single spaces, none of them beside an added token."""
    if isinstance(tokenizer, M2M100Tokenizer):
        cuts = _sentencepiece_cuts(tokenizer)
    else:
        cuts = isinstance(tokenizer, TokenizersBackend) and _pipeline_cuts(tokenizer.backend_tokenizer)
    # A token with white space in it would be found across chunks.
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    return cuts and not any(map(str.isspace, "".join(token + normalised(tokenizer, token) for token in added)))


def _pipeline_cuts(backend: Any) -> bool:
    normalizers = _parts(backend.normalizer, "normalizers")
    pre_tokenizers = _parts(backend.pre_tokenizer, "pretokenizers")
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True}
    return (
        type(backend.model).__name__ in ("Unigram", "BPE")
        and not getattr(backend.model, "dropout", None)
        and all(map(_is_local, normalizers))
        and pre_tokenizers in ([metaspace], [{"type": "WhitespaceSplit"}, metaspace])
    )


def _parts(component: Any, name: str) -> list[dict[str, Any]]:
    """A component of a pipeline as data, or those that it is a sequence of."""
    if component is None:
        return []
    data = json.loads(component.__getstate__())
    parts: list[dict[str, Any]] = data[name] if data["type"] == "Sequence" else [data]
    return parts


def _is_local(normalizer: dict[str, Any]) -> bool:
    """Whether a normalizer makes of text between single spaces the same whatever stands beyond them."""
    if normalizer["type"] == "Replace":
        return normalizer["pattern"] == {"Regex": " {2,}"} and normalizer["content"] in (" ", SPACE)
    return normalizer["type"] in ("Precompiled", "Strip")


def _sentencepiece_cuts(tokenizer: M2M100Tokenizer) -> bool:
    """Of a tokenizer that calls sentencepiece: pairs merge within a chunk alone where no piece spans two."""
    if tokenizer.sp_model_kwargs.get("enable_sampling"):
        return False
    model = sentencepiece_model_pb2.ModelProto.FromString(tokenizer.sp_model.serialized_model_proto())
    rules = model.normalizer_spec
    pieces = {piece.piece for piece in model.pieces}
    return (
        model.trainer_spec.model_type == model.trainer_spec.BPE
        and not model.trainer_spec.treat_whitespace_as_suffix
        and rules.add_dummy_prefix
        and rules.remove_extra_whitespaces
        and rules.escape_whitespaces
        # Without it a run of unknown characters would become one piece across spaces.
        and SPACE in pieces
        and not any(SPACE in piece[1:] for piece in pieces)
    )
