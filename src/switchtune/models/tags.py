"""Languages that a model lacks: a tag for each, which begins as another language's, and pieces for their characters."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from switchtune.corpus.identify import script_of
from switchtune.errors import SwitchtuneError
from switchtune.files import atomic_path
from switchtune.languages import language_named
from switchtune.models.families import FAMILY_KEY
from switchtune.models.files import TRIM_RECORD, from_pretrained, quietly
from switchtune.models.layout import Layout, token_ids, written_tag
from switchtune.models.load import load_layout, load_model, model_config
from switchtune.models.rows import (
    logits,
    probe,
    replace_rows,
    require_same_logits,
    tell_of_added,
    trim_failed,
    write_renumbered,
)
from switchtune.models.text import SENTINEL_OR_TAG, normalised
from switchtune.models.trim import read_record, require_same_segmentation
from switchtune.models.vocabulary import add_pieces

_LINES_COMPARED = 1000
"""Lines of the text, without new characters in them, that are to be segmented as before."""


@dataclass(frozen=True)
class Extension:
    """What a model's vocabulary gets, and which of its rows the new ones begin as."""

    tags: Mapping[str, int]
    """Tag → id of the tag that it begins as."""
    characters: Mapping[str, tuple[int, ...]]
    """Character → ids of the pieces whose mean it begins as."""

    def ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """The ids of what is new, in a tokenizer that has it."""
        ids = token_ids(tokenizer)
        return [ids[token] for token in (*self.tags, *self.characters)]

    def describe(self) -> str:
        shown = " ".join(list(self.characters)[:40]) + " …" * (len(self.characters) > 40)
        pieces = f"; {len(self.characters):,} characters become pieces: {shown}" if self.characters else ""
        return f"new tags: {', '.join(self.tags)}{pieces}"


def add_languages(
    path: str, languages: Sequence[tuple[str, str]], out: Path, *, text: Sequence[str] = (), force: bool = False
) -> Extension:
    """Give a model tags for languages that it lacks, with the weights of other languages' tags, and their characters.

    No direction that the model had changes: the logits of its old tokens are compared, and text without the new
    characters is segmented as before.

    Args:
        languages: for each its code (any, or as the family writes it: "hsb_Latn" in NLLB, "hsb" in M2M-100, "hsb_XX" in
            mBART) and a language that the model has, best one that is close.
        text: of the new languages; its characters that no piece of the vocabulary holds become pieces.

    Raises:
        SwitchtuneError: the family has no tags, or the model was trimmed or has the language.
        UsageError: a code that the family has no way to write.
        UnknownLanguageError: no such language, or the model does not have the one that it is to begin as.
    """
    loaded = load_model(path)
    extension = extension_for(path, loaded.layout, languages, text)
    old = sorted(token_ids(loaded.tokenizer).values())
    examples = probe(old)
    before = logits(loaded, examples, old)
    with atomic_path(out, verb="add-language", force=force) as temporary, quietly():
        tokenizer, number = extended_tokenizer(path, loaded.layout, loaded.model.config, extension, temporary)
        ids = token_ids(tokenizer)
        replace_rows(loaded.model, lambda _, weights: _with_new_rows(weights, extension, ids, number))
        write_renumbered(replace(loaded, tokenizer=tokenizer), temporary, path, number)
        tell_of_added(temporary, extension.ids(tokenizer))
        again = load_model(str(temporary))
        family = loaded.layout.family
        tags = {code: number(each) for code, each in loaded.layout.tags.items()}
        if again.layout.tags != tags | _codes(family.tag, ids, extension):
            raise trim_failed(path, "its tokenizer, loaded again, has other tags than before and those that are new")
        require_same_logits(path, logits(again, examples, old, number), before)
        unchanged = (line for line in text if not extension.characters.keys() & normalised(tokenizer, line))
        require_same_segmentation(path, again.layout, islice(unchanged, _LINES_COMPARED))
    return extension


def _with_new_rows(
    weights: torch.Tensor, extension: Extension, ids: Mapping[str, int], number: Callable[[int], int]
) -> torch.Tensor:
    """Rows of pieces, the old ones in their new places, and those of `ids` that are new."""
    # Published models have rows beyond their vocabulary: new tags take the first of them.
    size = 1 + max(number(len(weights) - 1), *ids.values())
    rows = weights.new_zeros(size, weights.shape[1])
    rows[torch.tensor([number(each) for each in range(len(weights))])] = weights
    for tag, like in extension.tags.items():
        rows[ids[tag]] = weights[like]
    for character, alike in extension.characters.items():
        rows[ids[character]] = weights[list(alike)].mean(dim=0)
    return rows


def extension_for(path: str, layout: Layout, languages: Sequence[tuple[str, str]], text: Iterable[str]) -> Extension:
    """What a model at `path` is to get; raises as `add_languages`."""
    if (Path(path) / TRIM_RECORD).exists():
        raise SwitchtuneError(
            f"{path}: its vocabulary was trimmed. Add the language to {read_record(Path(path)).base} and trim that, so "
            "that `switchtune untrim` can tell the rows apart."
        )
    tags = {_new_tag(layout, path, code): layout.tags[layout.code(like)] for code, like in languages}
    pieces = _pieces(layout)
    return Extension(tags, {each: _alike(each, pieces) for each in lacking_characters(layout, text)})


def extended_tokenizer(
    path: str, layout: Layout, config: PretrainedConfig, extension: Extension, folder: Path
) -> tuple[PreTrainedTokenizerBase, Callable[[int], int]]:
    """The tokenizer of a model at `path` with what it is to get, and what gives the new id of an old one.

    Args:
        folder: holds its files, which some tokenizers read again; the model's configuration too.
    """
    with quietly():
        config.save_pretrained(folder)
        layout.tokenizer.save_pretrained(folder)
        tags = list(extension.tags) if layout.family.tags_in_text else []
        number = add_pieces(folder, list(extension.characters), tags)
        tokenizer: Any = from_pretrained(AutoTokenizer, str(folder))
    expected = {token: number(old) for token, old in token_ids(layout.tokenizer).items()}
    found = token_ids(tokenizer)
    if any(found.get(token) != new for token, new in expected.items()):
        raise trim_failed(path, "its tokenizer, loaded again, has other tokens than before")
    if not tags:
        tokenizer.add_tokens(list(extension.tags), special_tokens=True)
    return tokenizer, number


def write_without_weights(path: str, languages: Sequence[tuple[str, str]], text: Sequence[str], out: Path) -> None:
    """The configuration and the tokenizer that `add_languages` would write, for what needs no weights."""
    layout, config = load_layout(path), model_config(path)
    extension = extension_for(path, layout, languages, text)
    tokenizer, number = extended_tokenizer(path, layout, config, extension, out)
    config.vocab_size = 1 + max(number(config.vocab_size - 1), *token_ids(tokenizer).values())
    setattr(config, FAMILY_KEY, layout.family.name)
    with quietly():
        config.save_pretrained(out)
        tell_of_added(out, extension.ids(tokenizer))
        tokenizer.save_pretrained(out)


def lacking_characters(layout: Layout, text: Iterable[str]) -> list[str]:
    """The characters of a text, as the tokenizer normalises it, that no piece of the vocabulary holds."""
    known = set(chain.from_iterable(_pieces(layout)))
    found = Counter[str]()
    for line in text:
        if not known.issuperset(line.replace(" ", "")):
            found.update(set(normalised(layout.tokenizer, line)) - known)
    # White space, control characters and what Unicode does not assign are no text.
    return sorted(character for character in found if unicodedata.category(character)[0] not in "CZ")


def _pieces(layout: Layout) -> dict[str, int]:
    """The id of every piece that text is made of: of no tag or special token."""
    tokenizer = layout.tokenizer
    others = {*tokenizer.get_added_vocab(), *map(str, tokenizer.all_special_tokens)}
    return {
        piece: number
        for piece, number in tokenizer.get_vocab().items()
        if piece not in others and not re.fullmatch(SENTINEL_OR_TAG, piece)
    }


def _alike(character: str, ids: Mapping[str, int]) -> tuple[int, ...]:
    """The pieces that a character without one begins as the mean of.

    Its parts where it is composed (ǩ: k), its other case, or all single letters (or signs) of its script; else all
    pieces.
    """
    parts = unicodedata.normalize("NFKD", character)
    for forms in (parts, character.lower(), character.upper()):
        if found := [ids[form] for form in forms if form != character and form in ids]:
            return tuple(found)
    kind = (character.isalpha(), script_of(character))
    alike = (number for piece, number in ids.items() if len(piece) == 1 and (piece.isalpha(), script_of(piece)) == kind)
    return tuple(alike) or tuple(ids.values())


def _codes(pattern: str | None, ids: Mapping[str, int], extension: Extension) -> dict[str, int]:
    found = ((re.fullmatch(pattern or "", tag), ids[tag]) for tag in extension.tags)
    return {match.group(1): number for match, number in found if match}


def _new_tag(layout: Layout, path: str, code: str) -> str:
    if layout.family.tag is None:
        raise SwitchtuneError(
            f"{path}: {layout.family.name} has no language tags; the language is named in the instruction before the "
            "sentence, in words, and any can be."
        )
    tag = written_tag(layout.family, code)
    short = language_named(code)
    if code in layout.tags or (short and short.code in layout.languages):
        raise SwitchtuneError(f"{path}: it has a tag for {code!r} already ({layout.code(code)}).")
    return tag
