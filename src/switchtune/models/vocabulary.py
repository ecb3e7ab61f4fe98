"""The vocabulary of a tokenizer: its pieces, what each is merged from, and a smaller one in its place.

It is kept in a `tokenizer.json` (Unigram or BPE); that of M2M-100 in a sentencepiece model beside a table of ids, with
the tags numbered behind the table.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import regex
from sentencepiece import sentencepiece_model_pb2
from transformers import M2M100Tokenizer, PreTrainedTokenizerBase

from switchtune.files import read_json, write_json
from switchtune.languages import language_named
from switchtune.models.layout import token_ids
from switchtune.models.text import SENTINEL_OR_TAG, SPACE

Rank = Callable[[str, str], float | None]
"""Which of the pairs of neighbours is merged first (the lowest); None where two are never merged."""

_NO_TEXT = regex.compile(rf"{SENTINEL_OR_TAG}|<0x[0-9A-F]{{2}}>")
_SCRIPTS_OF = {"Hans": ("Hani",), "Hant": ("Hani",), "Jpan": ("Hani", "Hira", "Kana")}
_EVERYWHERE = ("Latn", "Zyyy", "Zinh")
"""Latin letters (of names and addresses), and what belongs to no script or to all: digits, symbols, combining marks."""


@dataclass(frozen=True)
class PieceVocabulary:
    ids: Mapping[str, int]
    special: frozenset[str]
    anchor: str | None
    """Piece of the lowest score, from which Unigram takes the score of what it does not know."""
    rank: Rank | None

    def merged_from(self, piece: str) -> set[str]:
        """The pieces that merging passes through on its way to `piece`: its characters and all between."""
        symbols = list(piece)
        passed = {*symbols, piece}
        if self.rank is None:
            return passed
        while True:
            ranked = [(self.rank(*pair), place) for place, pair in enumerate(pairwise(symbols))]
            possible = [(rank, place) for rank, place in ranked if rank is not None]
            if not possible:
                return passed
            _, place = min(possible)
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
            passed.add(symbols[place])

    def characters(self, languages: Iterable[str]) -> set[str]:
        """Every piece of one character of the languages' scripts, or of those that are met in any language."""
        scripts = {*_EVERYWHERE, *(script for language in languages for script in _scripts(language))}
        letters = "".join(rf"\p{{Script={script}}}" for script in sorted(scripts))
        wanted = regex.compile(f"{SPACE}?[{letters}]")
        return {token for token in self.ids if wanted.fullmatch(token)}

    def machinery(self) -> set[str]:
        """Tokens that stay whatever the text: special ones, tags, sentinels, pieces for bytes, the anchor."""
        fixed = {token for token in self.ids if _NO_TEXT.fullmatch(token)}
        return fixed | self.special | ({self.anchor} if self.anchor is not None else set())


def _scripts(language: str) -> tuple[str, ...]:
    spoken = language_named(language)  # none bears the tag of some languages that were added to a model
    return _SCRIPTS_OF.get(spoken.script, (spoken.script,)) if spoken and spoken.script else ()


def read_vocabulary(tokenizer: PreTrainedTokenizerBase) -> PieceVocabulary:
    ids = token_ids(tokenizer)
    special = frozenset(map(str, tokenizer.all_special_tokens)) | frozenset(tokenizer.get_added_vocab())
    if isinstance(tokenizer, M2M100Tokenizer):
        proto = sentencepiece_model_pb2.ModelProto.FromString(tokenizer.sp_model.serialized_model_proto())
        scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == piece.NORMAL}
        if proto.trainer_spec.model_type == proto.trainer_spec.UNIGRAM:
            return PieceVocabulary(ids, special, min(scores, key=lambda piece: scores[piece]), None)
        places = {piece: -score for piece, score in scores.items()}
        return PieceVocabulary(ids, special, None, lambda left, right: places.get(left + right))
    backend: Any = tokenizer.backend_tokenizer
    model = json.loads(backend.to_str())["model"]
    if model["type"] == "Unigram":
        lowest, _ = min(model["vocab"], key=lambda entry: entry[1])
        return PieceVocabulary(ids, special, lowest, None)
    ranks = {tuple(pair): place for place, pair in enumerate(model["merges"])}
    return PieceVocabulary(ids, special, None, lambda left, right: ranks.get((left, right)))


def rewrite_tokenizer(folder: Path, kept: Collection[str], numbers: Mapping[int, int]) -> None:
    """Have a saved tokenizer know only the tokens that are kept; `numbers`, old id → new, are those that have ids."""
    if (folder / "tokenizer.json").exists():
        write_json(folder / "tokenizer.json", _smaller_backend(read_json(folder / "tokenizer.json"), numbers))
    else:
        _rewrite_sentencepiece(folder / "sentencepiece.bpe.model", frozenset(kept))
        for name in ("vocab.json", "added_tokens.json"):
            if (folder / name).exists():
                ids = {token: numbers[old] for token, old in read_json(folder / name).items() if old in numbers}
                write_json(folder / name, ids)
    settings = read_json(folder / "tokenizer_config.json")
    if "extra_special_tokens" in settings:
        settings["extra_special_tokens"] = [token for token in settings["extra_special_tokens"] if token in kept]
    if "added_tokens_decoder" in settings:
        added = settings["added_tokens_decoder"]
        settings["added_tokens_decoder"] = {
            str(numbers[int(old)]): token for old, token in added.items() if int(old) in numbers
        }
    write_json(folder / "tokenizer_config.json", settings)


def _smaller_backend(content: dict[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    model = dict(content["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in numbers]
        model["unk_id"] = numbers[model["unk_id"]]
    else:
        model["vocab"] = {piece: numbers[old] for piece, old in model["vocab"].items() if old in numbers}
        known = model["vocab"].keys()
        model["merges"] = [
            (left, right)
            for left, right in model["merges"]
            if left in known and right in known and left + right in known
        ]
    return _renumbered_backend(content | {"model": model}, numbers.get)


def _renumbered_backend(content: dict[str, Any], number: Callable[[int], int | None]) -> dict[str, Any]:
    """A tokenizer whose model has new ids, with those of all that refers to them; added tokens without one go."""
    template = content["post_processor"]
    framing = {
        name: {**token, "ids": list(map(number, token["ids"]))} for name, token in template["special_tokens"].items()
    }
    numbered = ((token, number(token["id"])) for token in content["added_tokens"])
    return {
        **content,
        "added_tokens": [{**token, "id": new} for token, new in numbered if new is not None],
        "post_processor": {**template, "special_tokens": framing},
    }


def add_pieces(folder: Path, pieces: Sequence[str], tags: Sequence[str]) -> Callable[[int], int]:
    """Have a saved tokenizer know further pieces; what is numbered behind its pieces moves up.

    Args:
        tags: pieces too, in MADLAD-400, which are never cut up.

    Returns what gives the new id of an old one.
    """
    if (folder / "tokenizer.json").exists():
        content = read_json(folder / "tokenizer.json")
        model = content["model"]
        if model["type"] == "Unigram":
            first, lowest = len(model["vocab"]), min(score for _, score in model["vocab"])
            model["vocab"] += [*([piece, lowest] for piece in pieces), *([tag, 0.0] for tag in tags)]
        else:
            first = 1 + max(model["vocab"].values())
            model["vocab"] |= {piece: first + place for place, piece in enumerate(pieces)}
    else:
        vocabulary = read_json(folder / "vocab.json")
        first = len(vocabulary)
    shift = len(pieces) + len(tags)

    def number(old: int) -> int:
        return old + shift if old >= first else old

    if not shift:
        return number
    if (folder / "tokenizer.json").exists():
        write_json(folder / "tokenizer.json", _renumbered_backend(content, number))
    else:
        _add_to_sentencepiece(folder / "sentencepiece.bpe.model", pieces)
        write_json(folder / "vocab.json", vocabulary | {piece: first + place for place, piece in enumerate(pieces)})
        if (folder / "added_tokens.json").exists():
            added = read_json(folder / "added_tokens.json")
            write_json(folder / "added_tokens.json", {token: number(old) for token, old in added.items()})
    settings = read_json(folder / "tokenizer_config.json")
    if "added_tokens_decoder" in settings:
        added = settings["added_tokens_decoder"]
        settings["added_tokens_decoder"] = {str(number(int(old))): token for old, token in added.items()}
        write_json(folder / "tokenizer_config.json", settings)
    return number


def _add_to_sentencepiece(path: Path, pieces: Sequence[str]) -> None:
    proto = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
    lowest = min(piece.score for piece in proto.pieces)
    proto.pieces.extend(
        sentencepiece_model_pb2.ModelProto.SentencePiece(piece=piece, score=lowest, type=1) for piece in pieces
    )
    proto.trainer_spec.vocab_size = len(proto.pieces)
    path.write_bytes(proto.SerializeToString())


def _rewrite_sentencepiece(path: Path, kept: frozenset[str]) -> None:
    proto = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
    pieces = [piece for piece in proto.pieces if piece.type != piece.NORMAL or piece.piece in kept]
    # Made anew, not copied: samples that sentencepiece tests itself by would be segmented otherwise.
    smaller = sentencepiece_model_pb2.ModelProto(
        pieces=pieces,
        trainer_spec=proto.trainer_spec,
        normalizer_spec=proto.normalizer_spec,
        denormalizer_spec=proto.denormalizer_spec,
    )
    smaller.trainer_spec.vocab_size = len(pieces)
    path.write_bytes(smaller.SerializeToString())
