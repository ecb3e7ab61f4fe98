"""A smaller vocabulary for a model, and its old one back.

A piece that is left out is a row less of the embeddings and of the output matrix; all other weights stay. The trimmed
model segments the text alike and gives the pieces that remain the same logits: checked whenever one is made.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, PlainSerializer, TypeAdapter, ValidationInfo
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import atomic_path, read_json, write_json, write_text
from switchtune.models.files import TRIM_RECORD, from_pretrained, quietly
from switchtune.models.layout import Layout, token_ids
from switchtune.models.load import Loaded, load_layout, load_model, model_fingerprint
from switchtune.models.rows import (
    Role,
    logits,
    named_ids,
    probe,
    replace_rows,
    require_same_logits,
    row_matrices,
    trim_failed,
    write_renumbered,
)
from switchtune.models.vocabulary import read_vocabulary, rewrite_tokenizer

LEAST_SAVED = 5_000_000
"""Weights that trimming must save for `auto` to trim: 20 MB of weights in float32, 80 MB with gradients and moments."""

MOST_KEPT = 0.5

_LINES_AT_ONCE = 2000


@dataclass(frozen=True)
class TextHash:
    """A text that a vocabulary was trimmed for."""

    name: str
    lines: int
    sha256: str


@dataclass(frozen=True)
class VocabularyUsage:
    """What of a model's vocabulary some texts need; its rows have so many numbers (`width`)."""

    languages: tuple[str, ...]
    texts: tuple[TextHash, ...]
    kept: frozenset[str]
    ids: tuple[int, ...]
    """Ids of those kept tokens that have one, ascending: the rows that stay."""
    rows: int
    width: int
    used: int
    """Different pieces in the texts."""
    running: int
    """Pieces in the texts."""
    unknown: int
    """How many of these the vocabulary does not know."""

    def describe(self) -> str:
        return (
            f"{len(self.ids):,} of {self.rows:,} pieces stay ({len(self.ids) / self.rows:.1%}); the text uses "
            f"{self.used:,} of them, {self.running:,} times"
        )


def _as_runs(ids: Sequence[int]) -> str:
    runs = []
    for _, group in groupby(enumerate(ids), key=lambda entry: entry[1] - entry[0]):
        run = [number for _, number in group]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return " ".join(runs)


def _from_runs(text: object, info: ValidationInfo) -> tuple[int, ...]:
    rows = info.data.get("rows_before", 0)
    parts = [run.partition("-") for run in text.split()] if isinstance(text, str) else []
    runs = [(int(first), int(last or first)) for first, _, last in parts]
    ends = [end for run in runs for end in run]
    if not ends or ends != sorted(ends) or not 0 <= ends[0] <= ends[-1] < rows:
        raise ValueError(f"ids below {rows}, ascending, are expected")
    return tuple(number for first, last in runs for number in range(first, last + 1))


@dataclass(frozen=True)
class TrimRecord:
    """What was trimmed from `base`, and for which texts (see `VocabularyUsage`); `trim.json` in the model's folder."""

    base: str
    fingerprint: str
    languages: tuple[str, ...]
    rows_before: int
    kept: Annotated[tuple[int, ...], BeforeValidator(_from_runs), PlainSerializer(_as_runs)]
    """The base's id of every row; in JSON as runs, "0-258 261"."""
    parameters: tuple[int, int]
    """Weights of the base and of the trimmed model."""
    texts: tuple[TextHash, ...]
    used: int
    running: int
    unknown: int
    logits_differ: float
    """Largest difference of a logit, on a sample."""

    def figures(self) -> dict[str, Any]:
        return {"rows": [self.rows_before, len(self.kept)], **{k: v for k, v in asdict(self).items() if k != "kept"}}

    def saved(self) -> str:
        before, after = self.parameters
        return f"{before / 1e6:,.1f} million weights become {after / 1e6:,.1f}."

    def describe(self) -> str:
        before, after = self.parameters
        return "\n".join(
            (
                f"rows        {self.rows_before:,} → {len(self.kept):,} ({len(self.kept) / self.rows_before:.1%})",
                f"weights     {before / 1e6:,.1f} M → {after / 1e6:,.1f} M ({after / before:.1%})",
                f"float32     {before * 4 / 1e6:,.1f} MB → {after * 4 / 1e6:,.1f} MB",
                f"text        {sum(text.lines for text in self.texts):,} lines, {self.running:,} pieces "
                f"({self.used:,} different, {self.unknown:,} unknown): all kept, segmented alike",
                f"logits      of the kept pieces differ by {self.logits_differ:.1g} at most",
            )
        )


_RECORD = TypeAdapter(TrimRecord)


def read_record(folder: Path) -> TrimRecord:
    path = folder / TRIM_RECORD
    if not path.exists():
        raise SwitchtuneError(
            f"{folder}: no {TRIM_RECORD} in it, so its vocabulary was not trimmed by `switchtune trim` (or the file "
            "was lost: copy it from the model that the training began with)."
        )
    remedy = f"Copy {TRIM_RECORD} from the model that the training began with."
    return read_json(path, _RECORD, remedy=remedy)


def survey(path: str, texts: Mapping[str, Iterable[str]], languages: Sequence[str]) -> VocabularyUsage:
    """Find what of a model's vocabulary texts (name → lines) need; the weights are not loaded.

    Stay: every piece of the text with its characters and, in BPE, the pieces that it is merged from; every character
    of the languages' scripts, of Latin, and of no script (digits, punctuation, symbols, emoji) that is a piece; special
    tokens, sentinels, pieces for bytes, and the tags. NLLB and MADLAD-400 keep the tags of `languages` alone; the
    tokenizers of the other families bring all of theirs along.

    Raises:
        UnknownLanguageError: the model does not have a language.
        SwitchtuneError: no model there, one of bytes, or no text in the texts.
    """
    if not languages:
        raise UsageError("Name the languages whose tags and characters are to be kept.")
    layout, config = load_layout(path), from_pretrained(AutoConfig, path)
    if layout.family.bytewise:
        raise SwitchtuneError(
            f"{path}: {layout.family.name} has the 256 bytes for its vocabulary, and any text may need each of them. "
            "There is nothing to trim (model.trim: off)."
        )
    codes = tuple(dict.fromkeys(map(layout.code, languages)))
    vocabulary = read_vocabulary(layout.tokenizer)
    ids = vocabulary.ids
    named = named_ids(path)
    if lacking := sorted(named.difference(ids.values())):
        raise SwitchtuneError(
            f"{path}: config.json, generation_config.json: ids that the vocabulary lacks: {lacking}. Correct the files."
        )
    counts: Counter[str] = Counter()
    hashes, has_text = [], False
    for name, lines in _with_instructions(layout, codes, texts).items():
        digest, count = hashlib.sha256(), 0
        for chunk in _chunks(lines):
            count += len(chunk)
            digest.update("".join(f"{line}\n" for line in chunk).encode())
            has_text |= name in texts and any(line.strip() for line in chunk)
            for tokens in layout.segmented(chunk):
                counts.update(tokens)
        hashes.append(TextHash(name, count, digest.hexdigest()))
    if not has_text:
        raise SwitchtuneError(f"{', '.join(texts) or 'texts'}: no text to keep the vocabulary of.")
    gone = [number for code, number in layout.tags.items() if layout.family.sheds_tags and code not in codes]
    unwanted = set(layout.tokens(gone))
    kept = set(vocabulary.characters(codes)) | (vocabulary.machinery() - unwanted)
    kept |= {token for token, number in ids.items() if number in named}
    kept |= {part for piece in counts for part in vocabulary.merged_from(piece)} - unwanted
    return VocabularyUsage(
        languages=codes,
        texts=tuple(hashes),
        kept=frozenset(kept),
        ids=tuple(sorted(ids[token] for token in kept if token in ids)),
        rows=config.vocab_size,
        width=config.d_model,
        used=len(counts),
        running=counts.total(),
        unknown=sum(count for token, count in counts.items() if token not in ids) + counts[layout.tokenizer.unk_token],
    )


def _with_instructions(
    layout: Layout, codes: Sequence[str], texts: Mapping[str, Iterable[str]]
) -> Mapping[str, Iterable[str]]:
    if "instruction" not in layout.family.before_source:
        return texts
    return {**texts, "instructions": [layout.instruction(source, target) for source in codes for target in codes]}


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(lines)
    while chunk := list(islice(remaining, _LINES_AT_ONCE)):
        yield chunk


def may_pay(path: str) -> bool:
    config = from_pretrained(AutoConfig, path)
    return bool(config.vocab_size * config.d_model >= LEAST_SAVED)


def pays(usage: VocabularyUsage) -> bool:
    saved = (usage.rows - len(usage.ids)) * usage.width
    return saved >= LEAST_SAVED and len(usage.ids) <= MOST_KEPT * usage.rows


def trim(
    path: str, usage: VocabularyUsage, texts: Mapping[str, Iterable[str]], folder: Path, *, force: bool = False
) -> TrimRecord:
    """Write a model with the vocabulary that is needed, once it is proved to do the same as the whole one.

    Args:
        usage: what `survey` found, for the same texts.
        folder: appears when all is proved, and replaces what was trimmed there before; with `force` whatever is there.

    Raises TrimFailedError where a line is segmented otherwise than before, or a logit differs; nothing is written.
    """
    loaded = load_model(path)
    numbers = {old: new for new, old in enumerate(usage.ids)}
    examples = probe(usage.ids)
    before = logits(loaded, examples, usage.ids)
    expected_ids = {token: numbers[old] for token, old in token_ids(loaded.tokenizer).items() if old in numbers}
    parameters = loaded.model.num_parameters()
    replace_rows(loaded.model, lambda _, weights: weights[torch.tensor(usage.ids, device=weights.device)])
    with atomic_path(folder, verb="trim", force=force) as temporary, quietly():
        smaller = replace(loaded, tokenizer=_set_to_kept(loaded, path, usage))
        write_renumbered(smaller, temporary, path, numbers.__getitem__)
        rewrite_tokenizer(temporary, usage.kept, numbers)
        del loaded, smaller
        trimmed = load_model(str(temporary))
        if token_ids(trimmed.tokenizer) != expected_ids:
            raise trim_failed(path, "its tokenizer, loaded again, has other tokens than were kept")
        lines = chain.from_iterable(_with_instructions(trimmed.layout, usage.languages, texts).values())
        require_same_segmentation(path, trimmed.layout, lines)
        after = logits(trimmed, examples, usage.ids, numbers.__getitem__)
        record = TrimRecord(
            base=path,
            fingerprint=model_fingerprint(path),
            languages=usage.languages,
            rows_before=usage.rows,
            kept=usage.ids,
            parameters=(parameters, trimmed.model.num_parameters()),
            texts=usage.texts,
            used=usage.used,
            running=usage.running,
            unknown=usage.unknown,
            logits_differ=require_same_logits(path, after, before),
        )
        write_json(temporary / TRIM_RECORD, _RECORD.dump_python(record, mode="json"))
    return record


def _set_to_kept(loaded: Loaded, path: str, usage: VocabularyUsage) -> PreTrainedTokenizerBase:
    """The model's tokenizer, where it is set to a language whose tag goes one that is set to a language that stays."""
    tokenizer = loaded.tokenizer
    told = {getattr(tokenizer, name, None) for name in ("src_lang", "tgt_lang")}
    if not loaded.layout.family.sheds_tags or told <= {*usage.languages, None}:
        return tokenizer
    tagged: PreTrainedTokenizerBase = from_pretrained(
        AutoTokenizer, path, src_lang=usage.languages[0], tgt_lang=usage.languages[-1]
    )
    return tagged


def require_same_segmentation(path: str, changed: Layout, lines: Iterable[str]) -> None:
    """Raise TrimFailedError where a line is other pieces to a tokenizer than to that of the model at `path`."""
    whole = load_layout(path)
    for chunk in _chunks(lines):
        for line, before, after in zip(chunk, whole.segmented(chunk), changed.segmented(chunk), strict=True):
            if before != after:
                raise trim_failed(path, f"its tokenizer segments {line!r} as {after}, before as {before}")


def untrim(folder: Path, base: str, out: Path, *, force: bool = False) -> TrimRecord:
    """Give a trimmed model, trained or not, its old vocabulary back; returns the record of the trimming.

    The rows that it has keep their weights; those that were trimmed away are the base's, as is the tokenizer, set to
    the languages that the trimmed model's was set to.

    Raises SwitchtuneError where `folder` was not trimmed, or from another model than `base`; nothing is written.
    """
    record = read_record(folder)
    fingerprint = model_fingerprint(base)
    if fingerprint != record.fingerprint:
        raise SwitchtuneError(
            f"{folder}: it was trimmed from {record.base} (fingerprint {record.fingerprint}), and {base} has the "
            f"fingerprint {fingerprint}. Give the very model that was trimmed; its files must not have changed since."
        )
    tuned, whole = load_model(str(folder)), load_model(base)
    if tuned.model.config.vocab_size != len(record.kept):
        raise SwitchtuneError(
            f"{folder}: {tuned.model.config.vocab_size:,} rows, where {TRIM_RECORD} tells of {len(record.kept):,}. "
            "The model was resized since it was trimmed, and its rows cannot be told apart."
        )
    ids = range(len(record.kept))
    examples = probe(ids)
    before = logits(tuned, examples, ids)
    kept = torch.tensor(record.kept, device=whole.model.device)
    base_rows = row_matrices(whole.model)

    def with_base_rows(role: Role, weights: torch.Tensor) -> torch.Tensor:
        rows = base_rows[role].detach()
        rows = (rows.T if role == "bias" else rows).clone()
        rows[kept] = weights
        return rows

    replace_rows(tuned.model, with_base_rows)
    state = {name: getattr(tuned.tokenizer, name, None) for name in ("src_lang", "tgt_lang", "legacy_behaviour")}
    with atomic_path(out, verb="untrim", force=force) as temporary, quietly():
        options = {name: value for name, value in state.items() if value is not None}
        again = replace(tuned, tokenizer=from_pretrained(AutoTokenizer, base, **options))
        write_renumbered(again, temporary, str(folder), record.kept.__getitem__)
        if whole.trim is not None:
            write_text(temporary / TRIM_RECORD, whole.trim)
        after = logits(load_model(str(temporary)), examples, ids, record.kept.__getitem__)
        require_same_logits(str(folder), after, before)
    return record
