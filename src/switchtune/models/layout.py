"""Sentences as a model takes them: the layout of its family with the ids of its vocabulary. Nothing else knows.

In stage 1 (restore) both tags are the language of the restored sentence (paper 3.3): source and target language are
equal. The decoder input is always the labels shifted by the family's decoder start.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from switchtune.corpus.control import control, shown
from switchtune.errors import SwitchtuneError, UsageError, nearest
from switchtune.examples import Example
from switchtune.languages import LANGUAGES, UnknownLanguageError, find_language
from switchtune.models.chunks import PlainIds
from switchtune.models.families import FAMILIES, FAMILY_KEY, Family, Slot, families_like, require_supported, unsupported
from switchtune.models.text import WordEnds, has_backend, word_ends

IGNORED_LABEL = -100
"""What stands in the labels where a sentence has ended; the loss passes over it."""

LIST_TAGS = (
    "NLLB's tokenizer has the tags that tokenizer_config.json lists, or all 202 where it lists none: list those that "
    'the model has, in the order of their ids ("extra_special_tokens": ["eng_Latn", "deu_Latn", …]).'
)
_ADD_LANGUAGE = (
    "A run gives it one where the configuration asks for it (model: {name: …, add: [{code: hsb, like: cs}]}); "
    "`switchtune add-language` does so once and for all."
)


@dataclass(frozen=True, slots=True)
class TokenIds:
    """One example as the model takes it, and whether either sentence was cut to fit."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    decoder_input_ids: tuple[int, ...]
    """The labels shifted right by the decoder start; as long as the labels."""
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    before_source: tuple[int, ...]
    after_source: tuple[int, ...]
    before_target: tuple[int, ...]
    after_target: tuple[int, ...]
    decoder_start: int


@dataclass(frozen=True)
class Layout:
    """A family's layout with the vocabulary of one model. Never changes the tokenizer, never relies on its state."""

    family: Family
    tokenizer: PreTrainedTokenizerBase
    positions: int | None = None
    """Longest sequence that the model can take, in tokens; None where its positions have no end (all but mBART)."""

    def fitting(self, max_tokens: int) -> int:
        """`max_tokens`, or the model's positions where these are fewer."""
        return min(max_tokens, self.positions or max_tokens)

    @property
    def languages(self) -> tuple[str, ...]:
        """Short codes of the model's languages, sorted."""
        return tuple(sorted(self._codes))

    def read_language(self, source_language: str, target_language: str) -> str:
        """The code of the language whose tag the encoder reads: in SMaLL-100 the target language."""
        read = target_language if "target" in self.family.before_source else source_language
        return self.code(read)

    def plain_source(self, source_language: str, target_language: str) -> bool:
        """Whether transformers' own tokenizer can be set to add the tag that the encoder reads."""
        read = self.read_language(source_language, target_language)
        return not self.family.fixed_sources or read in self.tokenizer.lang_code_to_id

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id)

    @property
    def eos_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def mask_token(self) -> str:
        """The token for a masked span in text; raises SwitchtuneError where there is none (M2M-100 as published)."""
        token = self.tokenizer.mask_token or self.family.mask
        # The vocabulary of the published mT5 writes its sentinels with the mark of a word's start.
        if token is None or not {token, f"▁{token}"} & self.tokenizer.get_vocab().keys():
            raise SwitchtuneError(
                f"This {self.family.name} model has no mask token: it cannot be trained on masked text "
                "(denoising, iaft, or switching from the source `mask`). Choose another model or another source."
            )
        return control(str(token))

    def code(self, language: str) -> str:
        """The family's code of a language: "de_DE" in mBART, "deu_Latn" in NLLB, "de" in M2M-100; in mT5 any name.

        Takes whatever `find_language` does, or the code itself; raises UnknownLanguageError where the model lacks it.
        """
        if language in self.tags:
            return language
        try:
            found = find_language(language)
        except UnknownLanguageError as error:
            raise UnknownLanguageError(f"{error} {_ADD_LANGUAGE}" if self.family.tag else str(error)) from error
        if self.family.tag is None:
            return found.name
        if found.code not in self._codes:
            known = [*self._codes, *self._codes.values()]
            other = next((code for code in self._codes if find_language(code).iso3 == found.iso3), None)
            raise UnknownLanguageError(
                f"This {self.family.name} model has no tag for {language!r} ({found.name}). Choose one of its "
                f"{len(self._codes)} languages ({nearest(language, known)}), or another model. {_ADD_LANGUAGE}"
                + (f" It has a tag for the same language in another script: {other!r}." if other else "")
            )
        return self._codes[found.code]

    def encode(self, example: Example, *, max_tokens: int) -> TokenIds:
        return self.batch_encode([example], max_tokens=max_tokens)[0]

    def batch_encode(self, examples: Sequence[Example], *, max_tokens: int) -> list[TokenIds]:
        """Examples as ids, each with the tags of its own languages.

        Args:
            max_tokens: longest encoder input and longest labels, special tokens included. Sentences are cut at the end.

        Raises:
            UnknownLanguageError: the model does not have a language.
            SwitchtuneError: `max_tokens` is too small for the special tokens alone.
        """
        sentences = self.plain_ids([example.source for example in examples] + [example.target for example in examples])
        sources, targets = sentences[: len(examples)], sentences[len(examples) :]
        return [
            self._assemble(example, source, target, max_tokens)
            for example, source, target in zip(examples, sources, targets, strict=True)
        ]

    def encode_source(
        self, text: str, source_language: str, target_language: str, *, max_tokens: int | None = None
    ) -> tuple[int, ...]:
        return self.batch_encode_source([text], source_language, target_language, max_tokens=max_tokens)[0]

    def batch_encode_source(
        self, texts: Sequence[str], source_language: str, target_language: str, *, max_tokens: int | None = None
    ) -> list[tuple[int, ...]]:
        """Encoder inputs of sentences to be translated, cut to `max_tokens` if given; raises UnknownLanguageError."""
        frame = self._frame(source_language, target_language)
        return [_framed(frame.before_source, ids, frame.after_source, max_tokens)[0] for ids in self.plain_ids(texts)]

    def prompt(self, text: str, source_language: str, target_language: str) -> str:
        """What a plain tokenizer, set to this direction, needs to give our encoder input: in mT5 an instruction too."""
        if "instruction" not in self.family.before_source:
            return text
        return f"{shown(self.instruction(source_language, target_language)).rstrip()} {text}"

    def instruction(self, source_language: str, target_language: str) -> str:
        """What stands before the sentence, in words or as a tag; raises UnknownLanguageError."""
        text = self.family.instruction.format(source=self.code(source_language), target=self.code(target_language))
        return control(text) if self.family.tags_in_text else text

    def generation_settings(self, target_language: str) -> dict[str, int | None]:
        """`decoder_start_token_id` and `forced_bos_token_id` of the target language; raises UnknownLanguageError."""
        # The source language does not matter to the decoder, so any that exists will do.
        frame = self._frame(target_language, target_language)
        forced = frame.before_target[0] if "target" in self.family.before_target else None
        return {"decoder_start_token_id": frame.decoder_start, "forced_bos_token_id": forced}

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids: tags, special tokens and ignored labels left out."""
        return self.batch_decode([ids])[0]

    def batch_decode(self, batch: Sequence[Sequence[int]]) -> list[str]:
        kept = [[number for number in map(int, ids) if number >= 0 and number not in self.special_ids] for ids in batch]
        return [str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)) for ids in kept]

    def segmented(self, texts: Sequence[str]) -> list[list[str]]:
        """Pieces of each text, without the tags and special tokens that frame it; M2M-100 has some without an id."""
        return self._encoder.text.tokens(texts)

    @property
    def text_tokenizer(self) -> Tokenizer | None:
        """What gives the ids of text in which nothing is a special token; None where the model's own tokenizer can."""
        return self._encoder.text.backend if has_backend(self.tokenizer) else None

    def tokenize(self, text: str) -> list[str]:
        """The subword pieces of a text by the model's own tokenizer; raises UsageError where it has bytes alone."""
        if self.family.bytewise:
            raise UsageError(
                f"{self.family.name} has bytes instead of pieces, so `unit: piece` is not possible. Use words."
            )
        return self.tokenizer.tokenize(text)

    def is_unambiguous(self, text: str) -> bool:
        """Whether a plain tokenizer takes nothing in a text for a special token but what is marked as one."""
        return not self._encoder.text.is_ambiguous(text)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        return [str(self.tokenizer.convert_ids_to_tokens(int(number))) for number in ids]

    def letters(self, ids: Sequence[int]) -> list[str]:
        """What is written at each token of a text; of bytes a character stands at its first, nothing at the others."""
        tokens = self.tokens(ids)
        if not self.family.bytewise:
            return tokens
        text = bytes(ord(token) for token in tokens if len(token) == 1).decode(errors="ignore")
        written = [part for letter in text for part in (letter, *[""] * (len(letter.encode()) - 1))]
        return written + [""] * (len(tokens) - len(written))

    def collate(self, batch: Sequence[TokenIds]) -> dict[str, torch.Tensor]:
        """Examples padded on the right to the longest of the batch.

        Returns:
            `input_ids`, `attention_mask` of shape (examples, longest source); `decoder_input_ids`, and `labels` with
            `IGNORED_LABEL` as padding, of shape (examples, longest target). All int64.
        """
        return {
            **self.collate_source([example.input_ids for example in batch]),
            "decoder_input_ids": padded([example.decoder_input_ids for example in batch], self.pad_id),
            "labels": padded([example.labels for example in batch], IGNORED_LABEL),
        }

    def collate_source(self, batch: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Encoder inputs, padded: `input_ids` and `attention_mask` of shape (sentences, longest), int64."""
        input_ids = padded(batch, self.pad_id)
        lengths = torch.tensor([len(ids) for ids in batch])
        # From the lengths, not from the ids: a padding token inside a sentence is the sentence's own.
        return {"input_ids": input_ids, "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long()}

    @cached_property
    def tags(self) -> dict[str, int]:
        """Family code → id of its tag."""
        if self.family.tag is None:
            return {}
        found = ((re.fullmatch(self.family.tag, token), number) for token, number in token_ids(self.tokenizer).items())
        return {match.group(1): number for match, number in found if match}

    @cached_property
    def _codes(self) -> dict[str, str]:
        """Short code → family code."""
        if self.family.tag is None:
            return {language.code: language.name for language in LANGUAGES}
        codes = {}
        for code in self.tags:
            # A tag added for a language that has no short code is reached by the tag itself.
            with suppress(UnknownLanguageError):
                short = find_language(code).code
                # MADLAD-400 has two tags for some: <2ff> and <2fuv>.
                if code == short or short not in codes:
                    codes[short] = code
        return codes

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids of which nothing is written: special tokens and tags."""
        # A tag that is a piece like others stays in an output, as it does for a plain tokenizer.
        tags = () if self.family.tags_in_text else self.tags.values()
        return frozenset(self.tokenizer.all_special_ids) | frozenset(tags)

    @cached_property
    def word_ends(self) -> WordEnds:
        """Which pieces may stand right behind a word."""
        pieces = self.tokens(range(len(self.tokenizer)))
        return word_ends(pieces, self.special_ids, bytewise=self.family.bytewise)

    @cached_property
    def _joined_mask(self) -> "re.Pattern[str] | None":
        """Finds masks that follow another character, where the vocabulary knows the mask only as a word's start."""
        mask = self.family.mask
        if mask is None or mask in self.tokenizer.get_vocab():
            return None
        return re.compile(rf"(?<=\S){re.escape(control(mask))}")

    @cached_property
    def _encoder(self) -> PlainIds:
        return PlainIds(self.tokenizer, self.family.mask)

    @cached_property
    def _frames(self) -> dict[tuple[str, str], _Frame]:
        return {}

    def _frame(self, source_language: str, target_language: str) -> _Frame:
        languages = (source_language, target_language)
        if languages not in self._frames:
            family = self.family
            sides = (family.before_source, family.after_source, family.before_target, family.after_target)
            slots = (*sides, (family.decoder_start,))
            before_source, after_source, before_target, after_target, (start,) = (
                tuple(chain(*(self._slot_ids(slot, *languages) for slot in side))) for side in slots
            )
            self._frames[languages] = _Frame(before_source, after_source, before_target, after_target, start)
        return self._frames[languages]

    def _slot_ids(self, slot: Slot, source_language: str, target_language: str) -> Sequence[int]:
        source, target = self.code(source_language), self.code(target_language)
        if slot == "source":
            return (self.tags[source],)
        if slot == "target":
            return (self.tags[target],)
        if slot == "instruction":
            return self.plain_ids([self.instruction(source, target)])[0]
        return (int(getattr(self.tokenizer, f"{slot}_token_id")),)

    def plain_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without the tags and special tokens that frame it."""
        if self._joined_mask is not None:
            texts = [self._joined_mask.sub(r" \g<0>", text) for text in texts]
        return self._encoder(texts)

    def _assemble(self, example: Example, source: list[int], target: list[int], max_tokens: int) -> TokenIds:
        frame = self._frame(example.source_language, example.target_language)
        input_ids, source_cut = _framed(frame.before_source, source, frame.after_source, max_tokens)
        labels, target_cut = _framed(frame.before_target, target, frame.after_target, max_tokens)
        return TokenIds(input_ids, labels, (frame.decoder_start, *labels[:-1]), source_cut or target_cut)


def written_tag(family: Family, code: str) -> str:
    """The tag of a language as a family that lacks it writes such tags; of a code that is written so already, with it.

    Raises:
        UnknownLanguageError: no language bears the code.
        UsageError: the family cannot write it.
    """
    pattern = family.tag or ""
    tag = re.sub(r"\(.*\)", lambda _: code, pattern)
    if not re.fullmatch(pattern, tag):
        language = find_language(code)
        written = family.tag_code.format(code=language.code, iso3=language.iso3, script=language.script)
        tag = re.sub(r"\(.*\)", lambda _: written, pattern)
    if not re.fullmatch(pattern, tag):
        raise UsageError(
            f"{code}: no tag of {family.name} can be made of it; they are written {family.tag_code}. Where these name "
            "a script, so must the code: hsb_Latn."
        )
    return tag


def layout_of(family: Family, tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> Layout:
    return Layout(family, tokenizer, config.max_position_embeddings if family.positions == "learned" else None)


def padded(sequences: Sequence[Sequence[int]], padding: int) -> torch.Tensor:
    """Sequences of ids, padded on the right; shape (sequences, longest), int64."""
    lengths = np.fromiter(map(len, sequences), np.int64, len(sequences))
    ids = np.full((len(sequences), lengths.max(initial=0)), padding)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.fromiter(chain.from_iterable(sequences), np.int64)
    return torch.from_numpy(ids)


def token_ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """The id of every token, with the tags that M2M100Tokenizer keeps outside its vocabulary."""
    return {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}


def family_of(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> Family:
    """The family of a model: that which its config.json names, else the one of its architecture, tags and name.

    Raises SwitchtuneError for none of the families, and where a model may be of one or of another.
    """
    require_supported(config)
    told = getattr(config, FAMILY_KEY, None)
    like = [family for family in families_like(config) if told in (None, family.name)]
    if not like:
        raise unsupported(config, f"a model of type {config.model_type!r}, and {FAMILY_KEY} in it is {told!r}")
    in_bytes = isinstance(tokenizer, FAMILIES["byt5"].tokenizer)
    spoken = [family for family in like if family.bytewise == in_bytes and Layout(family, tokenizer).languages]
    if not spoken:
        remedy = f" {LIST_TAGS}" if config.model_type == FAMILIES["nllb"].model_type else ""
        found = f"a model of type {config.model_type!r} whose vocabulary has no language tags"
        raise unsupported(config, found, remedy)
    if len(spoken) == 1:
        return spoken[0]
    if config.model_type == "mbart":
        # The tags look alike; Afrikaans is one of those that came with mBART-50.
        return FAMILIES["mbart50" if "af" in Layout(FAMILIES["mbart50"], tokenizer).languages else "mbart"]
    return _named_family(config, spoken)


def _named_family(config: PretrainedConfig, spoken: Sequence[Family]) -> Family:
    """Of families with the same architecture and tags the one that a model's name tells."""
    name = str(config.name_or_path).rstrip("/").rpartition("/")[2]
    for family in spoken:
        if family.named and re.search(family.named, name, re.IGNORECASE):
            return family
        if family.layers and family.layers == (config.encoder_layers, config.decoder_layers):
            raise unsupported(
                config,
                f"a model with the layers of {family.published[0]} and the tags of {spoken[0].published[0]}, and its "
                "name does not say which of them it is",
                f' Say so in its config.json: "{FAMILY_KEY}": "{family.name}" (or "{spoken[0].name}"); have a model of '
                "the Hub in a folder for that (`hf download NAME --local-dir FOLDER`).",
            )
    return spoken[0]


def _framed(
    before: tuple[int, ...], ids: Sequence[int], after: tuple[int, ...], max_tokens: int | None
) -> tuple[tuple[int, ...], bool]:
    """The ids between their special tokens, and whether they were cut."""
    if max_tokens is None:
        return (*before, *ids, *after), False
    room = max_tokens - len(before) - len(after)
    if room < 1:
        raise SwitchtuneError(
            f"max_tokens is {max_tokens}, and the tags and special tokens of a sentence alone take "
            f"{len(before) + len(after)}. Raise max_tokens."
        )
    return (*before, *ids[:room], *after), len(ids) > room
