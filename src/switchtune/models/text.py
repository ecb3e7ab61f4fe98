"""Text as pieces: a special token or tag that stands in it by chance is text, unless `control` marks it as one."""

import json
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import tokenizers
from transformers import M2M100Tokenizer, PreTrainedTokenizer, PreTrainedTokenizerBase

from switchtune.corpus.control import CONTROL, shown
from switchtune.corpus.words import is_unspaced

SPACE = "▁"
"""How vocabularies of the sentencepiece kind write a space."""

SENTINEL_OR_TAG = rf"{SPACE}?(<extra_id_\d+>|<2\w+>)"
"""Regular expression of pieces that are looked for in text: T5's sentinels, MADLAD-400's tags."""


class PlainText:
    """A tokenizer to which special tokens, tags and sentinels in text are letters like others.

    Ordinary text goes to the model's own tokenizer. Text with one of them in it goes to a copy that knows them by
    their marked names alone; the published Unigram vocabularies hold them among their pieces, so that to keep a
    tokenizer from looking for them (`split_special_tokens`) is not enough.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, mask: str | None = None) -> None:
        """`mask`: of the family, where the tokenizer names none itself."""
        self._tokenizer: Any = tokenizer
        added, vocabulary = tokenizer.added_tokens_decoder.values(), tokenizer.get_vocab()
        named = (re.fullmatch(SENTINEL_OR_TAG, token) for token in vocabulary if "<" in token)
        pieces = (str(found[1]) for found in named if found)
        special = (token.content for token in added if token.special)
        masks = [mask] if mask is not None and mask in vocabulary else []
        self._controls = frozenset(chain(pieces, special, masks, map(str, tokenizer.all_special_tokens)))
        self.added = self._controls | {token.content for token in added}
        """What is looked for in text, or must not be."""
        self._odd = any_of({*self._controls, CONTROL})
        # Most text has none of these letters, and is passed at once.
        self._telling = {CONTROL, *(next((c for c in "<_[" if c in token), token[0]) for token in self._controls)}
        self._marks = any_of({CONTROL + token for token in self._controls})

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without the special tokens that frame it."""
        odd = self._places_of_odd(texts)
        ids = iter(self.own_ids([text for place, text in enumerate(texts) if place not in odd]))
        return [self._odd_pieces(text)[1] if place in odd else next(ids) for place, text in enumerate(texts)]

    def own_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids as the model's own tokenizer gives them: of texts without special tokens, marked or not."""
        if not texts:
            return []
        options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
        return list(self._tokenizer(list(texts), **options)["input_ids"])

    def tokens(self, texts: Sequence[str]) -> list[list[str]]:
        """Pieces of each text; of M2M-100 also those that have no id."""
        odd = self._places_of_odd(texts)
        if not has_backend(self._tokenizer):
            own = self._tokenizer.tokenize
            return [self._odd_pieces(text)[0] if place in odd else own(text) for place, text in enumerate(texts)]
        encodings = self._tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
        pieces = (encoding.tokens for encoding in encodings)
        return [self._odd_pieces(texts[place])[0] if place in odd else each for place, each in enumerate(pieces)]

    def is_ambiguous(self, text: str) -> bool:
        """Whether the model's own tokenizer takes part of a text for a special token that is not marked as one."""
        return self._is_odd(self._marks.sub("", text))

    def _is_odd(self, text: str) -> bool:
        forms = [text] if text.isascii() and text.isprintable() else [text, normalised(self._tokenizer, text)]
        return any(any(map(form.__contains__, self._telling)) and bool(self._odd.search(form)) for form in forms)

    def _places_of_odd(self, texts: Sequence[str]) -> set[int]:
        return {place for place, text in enumerate(texts) if self._is_odd(text)}

    def _odd_pieces(self, text: str) -> tuple[list[str], list[int]]:
        tokenizer: Any = self._tokenizer
        if has_backend(self._tokenizer):
            encoding = self.backend.encode(text, add_special_tokens=False)
            # Of a mask, what is found is the space before it too.
            return [shown(token).strip(" ") for token in encoding.tokens], encoding.ids
        pieces: list[str] = []
        for part in filter(None, self._between.split(text)):
            token = part.removeprefix(CONTROL)
            if part in self.added - self._controls or (token != part and token in self._controls):
                pieces.append(token)
            else:
                pieces += tokenizer.tokenize(shown(part), split_special_tokens=True)
        return pieces, list(map(tokenizer.convert_tokens_to_ids, pieces))

    @cached_property
    def _between(self) -> "re.Pattern[str]":
        """Finds what is no text, for a tokenizer without a backend to be copied; ByT5's drops the spaces around it."""
        added = self._tokenizer.added_tokens_decoder.values()
        spaced = any_of({CONTROL + token.content for token in added if token.lstrip and token.rstrip})
        others = any_of(self.added - self._controls)
        return re.compile(rf"\s*({spaced.pattern})\s*|({self._marks.pattern}|{others.pattern})")

    @cached_property
    def backend(self) -> tokenizers.Tokenizer:
        """The copy; it adds no tags, and gives no ids but the model's."""
        content = json.loads(self._tokenizer.backend_tokenizer.to_str())
        model = content["model"]
        content |= {"truncation": None, "padding": None, "post_processor": None}
        for token in content["added_tokens"]:
            token["content"] = self._marked(token["content"])
        if model["type"] == "Unigram":
            model["vocab"] = [(self._marked(piece), score) for piece, score in model["vocab"]]
        else:
            model["vocab"] = {self._marked(piece): number for piece, number in model["vocab"].items()}
            model["merges"] = [pair for pair in model["merges"] if "".join(pair) in model["vocab"]]
            model["unk_token"] = self._marked(model["unk_token"])
        return tokenizers.Tokenizer.from_str(json.dumps(content))

    def _marked(self, piece: str) -> str:
        token = piece.removeprefix(SPACE)
        return piece[: len(piece) - len(token)] + CONTROL + token if token in self._controls else piece


def has_backend(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer is one of the package tokenizers; M2M-100's and ByT5's are written in Python."""
    return not isinstance(tokenizer, PreTrainedTokenizer)


def normalised(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Text as a tokenizer cuts it into pieces, with its spaces."""
    if isinstance(tokenizer, M2M100Tokenizer):
        return str(tokenizer.sp_model.normalize(text)).replace(SPACE, " ").removeprefix(" ")
    if not has_backend(tokenizer):
        return text
    normalizer = tokenizer.backend_tokenizer.normalizer
    return text if normalizer is None else str(normalizer.normalize_str(text))


def any_of(tokens: Collection[str]) -> "re.Pattern[str]":
    """Finds the first of some tokens, of those that begin alike the longest."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or r"(?!)")


@dataclass(frozen=True)
class WordEnds:
    """Which pieces of a vocabulary go on with a word that they stand right behind."""

    lengthening: tuple[int, ...]
    """Ids of those that make another word of it."""
    transparent: frozenset[int]
    """Those of which that is so only of what follows them: hyphens, apostrophes, and what is not written at all."""


def word_ends(pieces: Sequence[str], special: Collection[int], *, bytewise: bool) -> WordEnds:
    """What may stand behind a word, of the pieces by their ids; `special` are not written.

    Behind a letter of a script without spaces any piece may stand.
    """
    lengthening, transparent = list[int](), set(special)
    for number, piece in enumerate(pieces):
        if number in transparent or piece.startswith((SPACE, " ")) or is_unspaced(piece):
            continue
        in_letter = bytewise and piece > "\x7f"  # A byte of a letter, most likely
        if in_letter or any(unicodedata.category(letter)[0] in "LNM" for letter in piece):
            lengthening.append(number)
        else:
            transparent.add(number)
    return WordEnds(tuple(lengthening), frozenset(transparent))
