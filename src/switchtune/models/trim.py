"""A smaller vocabulary for a model, and its old one back; a tag for a language that a model lacks.

The published models have up to 256,000 pieces, and the text of a few languages uses a fraction of them. A piece that
is left out is a row less of the embeddings and of the output matrix; all other weights stay what they are. The trimmed
model segments the text alike and gives the pieces that remain the same logits: checked whenever one is made.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.examples import Example
from switchtune.files import atomic_path, read_json, write_json, write_text
from switchtune.languages import UnknownLanguageError, find_language
from switchtune.models.layout import Layout, TokenIds, instruction, token_ids
from switchtune.models.load import (
    TRIM_RECORD,
    Loaded,
    explained,
    from_pretrained,
    load_layout,
    load_model,
    model_fingerprint,
    quietly,
)
from switchtune.models.vocabulary import read_vocabulary, rewrite_tokenizer, segmented

TOLERANCE = 1e-4
"""Largest difference of a logit, as a share of the largest logit where that is above 1."""

LEAST_SAVED = 5_000_000
"""Weights that trimming must save for `auto` to trim: 20 MB of weights in float32, 80 MB with gradients and moments."""

MOST_KEPT = 0.5
"""Share of the rows that may remain for `auto` to trim."""

_LINES_AT_ONCE = 2000
_SAMPLED_LINES = 8
_SAMPLED_TOKENS = 64


class TrimFailedError(SwitchtuneError):
    """A trimmed model does not do what the whole one does; it was not written."""


@dataclass(frozen=True)
class TextHash:
    """A text that a vocabulary was trimmed for."""

    name: str
    lines: int
    sha256: str


@dataclass(frozen=True)
class Need:
    """What of a model's vocabulary a text needs.

    Attributes:
        languages: the family's codes.
        texts: what was read.
        kept: the tokens that stay.
        ids: of those of them that have one, ascending: the rows that stay.
        rows: of the model's embeddings.
        width: of a row.
        used: different pieces in the text.
        running: pieces in the text.
        unknown: how many of these the vocabulary does not know.
        segmentation: a hash of the tokens of each text.
        sample: a few lines.
    """

    languages: tuple[str, ...]
    texts: tuple[TextHash, ...]
    kept: frozenset[str]
    ids: tuple[int, ...]
    rows: int
    width: int
    used: int
    running: int
    unknown: int
    segmentation: tuple[str, ...]
    sample: tuple[str, ...]

    def describe(self) -> str:
        """What stays, in a line."""
        return (
            f"{len(self.ids):,} of {self.rows:,} pieces stay ({len(self.ids) / self.rows:.1%}); the text uses "
            f"{self.used:,} of them, {self.running:,} times"
        )


@dataclass(frozen=True)
class TrimRecord:
    """What was trimmed; `trim.json` in the model's folder.

    Attributes:
        base: the model that was trimmed.
        fingerprint: of that model's files.
        languages: the family's codes.
        kept: the base's id of every row.
        rows_before: rows of the base's embeddings.
        parameters: weights of the base and of the trimmed model.
        texts: that segment alike in both.
        used: different pieces in the texts.
        running: pieces in the texts; all of them stay.
        unknown: how many of these neither vocabulary knows.
        logits_differ: by how much at most, on a sample.
    """

    base: str
    fingerprint: str
    languages: tuple[str, ...]
    kept: tuple[int, ...]
    rows_before: int
    parameters: tuple[int, int]
    texts: tuple[TextHash, ...]
    used: int
    running: int
    unknown: int
    logits_differ: float

    def record(self) -> dict[str, Any]:
        """As JSON can hold it: runs of kept ids as "0-258 261"."""
        return {**asdict(self), "kept": _as_runs(self.kept)}

    def figures(self) -> dict[str, Any]:
        """Without the ids: for people and programs."""
        return {"rows": [self.rows_before, len(self.kept)], **{k: v for k, v in asdict(self).items() if k != "kept"}}

    def saved(self) -> str:
        """What it comes to, in a sentence."""
        before, after = self.parameters
        return f"{before / 1e6:,.1f} million weights become {after / 1e6:,.1f}."

    def describe(self) -> str:
        """What was kept, in lines."""
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


def _as_runs(ids: Sequence[int]) -> str:
    runs = []
    for _, group in groupby(enumerate(ids), key=lambda entry: entry[1] - entry[0]):
        run = [number for _, number in group]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return " ".join(runs)


def _from_runs(text: str, *, rows: int) -> tuple[int, ...]:
    parts = [run.partition("-") for run in text.split()]
    runs = [(int(first), int(last or first)) for first, _, last in parts]
    ends = [end for run in runs for end in run]
    if ends != sorted(ends) or not 0 <= ends[0] <= ends[-1] < rows:
        raise ValueError(f"kept: ids below {rows}, ascending, are expected")
    return tuple(number for first, last in runs for number in range(first, last + 1))


def read_record(folder: Path) -> TrimRecord:
    """The record of a trimmed model's folder.

    Raises:
        SwitchtuneError: there is none, or it cannot be read.
    """
    path = folder / TRIM_RECORD
    if not path.exists():
        raise SwitchtuneError(
            f"{folder}: no {TRIM_RECORD} in it, so its vocabulary was not trimmed by `switchtune trim` (or the file "
            "was lost: copy it from the model that the training began with)."
        )
    remedy = f"Copy {TRIM_RECORD} from the model that the training began with."
    with explained(str(folder), TRIM_RECORD, remedy=remedy):
        content = read_json(path, remedy=remedy)
        values = {field.name: content[field.name] for field in fields(TrimRecord)}
        texts = tuple(TextHash(**text) for text in values["texts"])
        kept = _from_runs(values["kept"], rows=values["rows_before"])
        tuples = {name: tuple(values[name]) for name in ("languages", "parameters")}
        return TrimRecord(**{**values, **tuples, "kept": kept, "texts": texts})


def survey(path: str, texts: Mapping[str, Iterable[str]], languages: Sequence[str]) -> Need:
    """Find what of a model's vocabulary texts need; the weights are not loaded.

    Stay: every piece of the text with its characters and, in BPE, the pieces that it is merged from; every character
    of the languages' scripts, of Latin, and of no script (digits, punctuation, symbols, emoji) that is a piece; special
    tokens, sentinels, pieces for bytes, and the tags. NLLB keeps the tags of `languages` alone; the tokenizers of the
    other families bring all of theirs along.

    Args:
        path: the model.
        texts: name → lines; `trim` reads them again.
        languages: to be translated from and into; whatever `find_language` understands, or tags.

    Raises:
        UnknownLanguageError: the model does not have a language.
        SwitchtuneError: no model there, or no text in the texts.
    """
    if not languages:
        raise UsageError("Name the languages whose tags and characters are to be kept.")
    layout, config = load_layout(path), from_pretrained(AutoConfig, path)
    codes = tuple(dict.fromkeys(map(layout.code, languages)))
    vocabulary = read_vocabulary(layout.tokenizer)
    counts: Counter[str] = Counter()
    hashes, segmentation = [], []
    sample: list[str] = []
    for name, lines in _with_instructions(layout, codes, texts).items():
        digest, count, tokens_digest = hashlib.sha256(), 0, hashlib.sha256()
        for chunk, tokens in _segmented_chunks(layout, lines):
            count += len(chunk)
            digest.update("".join(f"{line}\n" for line in chunk).encode())
            tokens_digest.update(_joined(tokens))
            for line in tokens:
                counts.update(line)
            if name in texts and len(sample) < _SAMPLED_LINES:
                sample += [line for line in chunk if line.strip()][: _SAMPLED_LINES // 2]
        hashes.append(TextHash(name, count, digest.hexdigest()))
        segmentation.append(tokens_digest.hexdigest())
    if not sample:
        raise SwitchtuneError(f"{', '.join(texts) or 'texts'}: no text to keep the vocabulary of.")
    unwanted = set(layout.tags) - set(codes) if layout.family.sheds_tags else set()
    with explained(path, "config.json", "generation_config.json"):
        named = _named_ids(config.to_dict()) | _named_ids(_generation(path, config))
        if unknown := named - set(vocabulary.ids.values()):
            raise ValueError(f"ids that the vocabulary lacks: {unknown}")
    wanted = set(vocabulary.characters(codes)) | (vocabulary.machinery() - unwanted)
    wanted |= {token for token, number in vocabulary.ids.items() if number in named}
    wanted |= {passed for piece in counts for passed in vocabulary.merged_from(piece)} - unwanted
    return Need(
        languages=codes,
        texts=tuple(hashes),
        kept=frozenset(wanted),
        ids=tuple(sorted(vocabulary.ids[token] for token in wanted if token in vocabulary.ids)),
        rows=config.vocab_size,
        width=config.d_model,
        used=len(counts),
        running=counts.total(),
        unknown=sum(count for token, count in counts.items() if token not in vocabulary.ids)
        + counts[str(layout.tokenizer.unk_token)],
        segmentation=tuple(segmentation),
        sample=tuple(sample[:_SAMPLED_LINES]),
    )


def _with_instructions(
    layout: Layout, codes: Sequence[str], texts: Mapping[str, Iterable[str]]
) -> Mapping[str, Iterable[str]]:
    if "instruction" not in layout.family.before_source:
        return texts
    return {**texts, "instructions": [instruction(source, target) for source in codes for target in codes]}


def _segmented_chunks(layout: Layout, lines: Iterable[str]) -> Iterator[tuple[list[str], list[list[str]]]]:
    remaining = iter(lines)
    while chunk := list(islice(remaining, _LINES_AT_ONCE)):
        yield chunk, segmented(layout.tokenizer, chunk)


def _joined(tokens: Sequence[Sequence[str]]) -> bytes:
    return "".join("\x1f".join(line) + "\n" for line in tokens).encode()


def may_pay(path: str) -> bool:
    """Whether `auto` could trim a model at all, whatever the text: its vocabulary is large enough."""
    config = from_pretrained(AutoConfig, path)
    return bool(config.vocab_size * config.d_model >= LEAST_SAVED)


def pays(need: Need) -> bool:
    """Whether `auto` trims: at least `LEAST_SAVED` weights are saved, and at most `MOST_KEPT` of the rows remain."""
    saved = (need.rows - len(need.ids)) * need.width
    return saved >= LEAST_SAVED and len(need.ids) <= MOST_KEPT * need.rows


def trim(path: str, need: Need, texts: Mapping[str, Iterable[str]], folder: Path, *, force: bool = False) -> TrimRecord:
    """Write a model with the vocabulary that is needed, once it is proved to do the same as the whole one.

    Args:
        path: the model.
        need: what `survey` found, for the same texts.
        folder: to be written; it appears when all is proved, and replaces what was trimmed there before.
        force: replace whatever folder is there.

    Raises:
        TrimFailedError: a line of the texts is segmented otherwise than before, or a logit differs by more than
            `TOLERANCE`; nothing is written.
    """
    loaded = load_model(path)
    numbers = {old: new for new, old in enumerate(need.ids)}
    examples = _sample_examples(need)
    batch = loaded.layout.batch_encode(examples, max_tokens=loaded.layout.fitting(_SAMPLED_TOKENS))
    expected = _logits(loaded, batch)[..., torch.tensor(need.ids)]
    expected_ids = {token: numbers[old] for token, old in token_ids(loaded.tokenizer).items() if old in numbers}
    before = loaded.model.num_parameters()
    replace_rows(loaded.model, lambda _, weights: weights[torch.tensor(need.ids, device=weights.device)])
    after = loaded.model.num_parameters()
    with atomic_path(folder, verb="trim", force=force) as temporary, quietly():
        _write(replace(loaded, tokenizer=_set_to_kept(loaded, path, need)), temporary, path, lambda old: numbers[old])
        rewrite_tokenizer(temporary, need.kept, numbers)
        del loaded
        trimmed = load_model(str(temporary))
        if token_ids(trimmed.tokenizer) != expected_ids:
            raise TrimFailedError(_failed(path, "its tokenizer, loaded again, has other tokens than were kept"))
        _prove_segmentation(path, trimmed.layout, need, texts)
        again = trimmed.layout.batch_encode(examples, max_tokens=trimmed.layout.fitting(_SAMPLED_TOKENS))
        if again != [_renumbered_example(ids, numbers) for ids in batch]:
            raise TrimFailedError(_failed(path, "examples of the text are encoded otherwise"))
        record = TrimRecord(
            base=path,
            fingerprint=model_fingerprint(path),
            languages=need.languages,
            kept=need.ids,
            rows_before=need.rows,
            parameters=(before, after),
            texts=need.texts,
            used=need.used,
            running=need.running,
            unknown=need.unknown,
            logits_differ=_prove_logits(path, _logits(trimmed, again), expected),
        )
        write_json(temporary / TRIM_RECORD, record.record())
    return record


def _set_to_kept(loaded: Loaded, path: str, need: Need) -> PreTrainedTokenizerBase:
    """The model's tokenizer; where it is set to a language whose tag goes, one that is set to a language that stays."""
    tokenizer = loaded.tokenizer
    if not loaded.layout.family.sheds_tags or {tokenizer.src_lang, tokenizer.tgt_lang} <= {*need.languages, None}:
        return tokenizer
    tagged: PreTrainedTokenizerBase = from_pretrained(
        AutoTokenizer, path, src_lang=need.languages[0], tgt_lang=need.languages[-1]
    )
    return tagged


def _failed(path: str, why: str) -> str:
    return (
        f"{path}: trimmed, {why}. Nothing was written; train the whole model (model.trim: off) and please report this."
    )


def _sample_examples(need: Need) -> list[Example]:
    """The sampled lines, each with the tags of a direction between the languages."""
    source, target = need.languages[0], need.languages[-1]
    return [
        Example(line, source, other, target) for line, other in zip(need.sample, reversed(need.sample), strict=True)
    ]


def _renumbered_example(ids: TokenIds, numbers: Mapping[int, int]) -> TokenIds:
    source, labels, decoder = (
        tuple(numbers[old] for old in part) for part in (ids.input_ids, ids.labels, ids.decoder_input_ids)
    )
    return TokenIds(source, labels, decoder, ids.truncated)


def _prove_segmentation(path: str, layout: Layout, need: Need, texts: Mapping[str, Iterable[str]]) -> None:
    whole = load_layout(path)
    every = _with_instructions(layout, need.languages, texts)
    for (name, lines), expected in zip(every.items(), need.segmentation, strict=True):
        digest = hashlib.sha256()
        for _, tokens in _segmented_chunks(layout, lines):
            digest.update(_joined(tokens))
        if digest.hexdigest() != expected:
            raise TrimFailedError(_failed(path, f"its tokenizer {_first_difference(whole, layout, name, lines)}"))


def _first_difference(whole: Layout, trimmed: Layout, name: str, lines: Iterable[str]) -> str:
    chunks = zip(_segmented_chunks(whole, lines), _segmented_chunks(trimmed, lines), strict=True)
    for (chunk, expected), (_, found) in chunks:
        for line, before, after in zip(chunk, expected, found, strict=True):
            if before != after:
                return f"segments {line!r} ({name}) as {after}, before as {before}"
    return f"is given another text than was surveyed: {name} has changed meanwhile"


def _logits(loaded: Loaded, batch: Sequence[TokenIds]) -> torch.Tensor:
    """Logits of examples, of shape (examples, longest target, rows), on the CPU; 0 at padding."""
    inputs = {name: ids.to(loaded.model.device) for name, ids in loaded.layout.collate(batch).items()}
    spoken = inputs.pop("labels") >= 0
    model: Any = loaded.model
    with torch.no_grad():
        logits: torch.Tensor = model(**inputs).logits * spoken[..., None]
    return logits.float().cpu()


def _prove_logits(path: str, found: torch.Tensor, expected: torch.Tensor) -> float:
    difference = float((found - expected).abs().max())
    allowed = TOLERANCE * max(1.0, float(expected.abs().max()))
    if not difference <= allowed:
        raise TrimFailedError(_failed(path, f"logits differ by up to {difference:.2g} (allowed: {allowed:.1g})"))
    return difference


Role = Literal["input", "output", "bias"]
"""What has a row per piece: the embeddings, an output matrix that is not the embeddings, the bias of the logits."""


def replace_rows(model: PreTrainedModel, change: Callable[[Role, torch.Tensor], torch.Tensor]) -> None:
    """Change whatever has a row per piece; what was one matrix stays one.

    Args:
        change: from a matrix of shape (rows, width), which for the bias is 1, to one of other rows.
    """
    matrices = _row_matrices(model)
    changed = {
        id(weights): torch.nn.Parameter(change(role, weights.detach()), requires_grad=weights.requires_grad)
        for role, weights in matrices.items()
        if isinstance(weights, torch.nn.Parameter)
    }
    rows = 0
    for module in model.modules():
        for name, weights in list(module.named_parameters(recurse=False)):
            if id(weights) in changed:
                setattr(module, name, changed[id(weights)])
                rows = len(changed[id(weights)])
                setattr(module, "num_embeddings" if isinstance(module, torch.nn.Embedding) else "out_features", rows)
    if "bias" in matrices:
        model.final_logits_bias = change("bias", matrices["bias"].T).T
    model.config.vocab_size = rows


def _row_matrices(model: PreTrainedModel) -> dict[Role, torch.Tensor]:
    inputs: Any = model.get_input_embeddings()
    outputs: Any = model.get_output_embeddings()
    matrices: dict[Role, torch.Tensor] = {"input": inputs.weight}
    if outputs.weight is not inputs.weight:
        matrices["output"] = outputs.weight
    bias = getattr(model, "final_logits_bias", None)
    if bias is not None:
        matrices["bias"] = bias
    return matrices


_TOKEN_SETTING = re.compile(r".*_token_ids?|(begin_)?suppress_tokens|bad_words_ids")
"""Settings of a model or of its generation that hold ids."""


def _renumbered(settings: Mapping[str, Any], number: Callable[[int], int]) -> dict[str, Any]:
    """Settings in which every id is replaced by what `number` makes of it, at any depth."""

    def ids(value: Any) -> Any:
        return [ids(item) for item in value] if isinstance(value, list) else None if value is None else number(value)

    def renumbered(name: str, value: Any) -> Any:
        if _TOKEN_SETTING.fullmatch(str(name)):
            return ids(value)
        return _renumbered(value, number) if isinstance(value, dict) else value

    return {name: renumbered(name, value) for name, value in settings.items()}


def _named_ids(settings: Mapping[str, Any]) -> set[int]:
    """The ids that settings name."""
    found: set[int] = set()

    def note(number: int) -> int:
        found.add(number)
        return number

    _renumbered(settings, note)
    return found


def _generation(path: str, config: Any) -> dict[str, Any]:
    """How the model at `path` generates when nobody asks for anything else."""
    try:
        generation = from_pretrained(GenerationConfig, path)
    except SwitchtuneError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        generation = GenerationConfig.from_model_config(config)
    settings: dict[str, Any] = json.loads(generation.to_json_string())
    return settings


def _write(loaded: Loaded, folder: Path, settings_of: str, number: Callable[[int], int]) -> None:
    """Write a model with the settings of the one at `settings_of`, its ids renumbered, and its tokenizer."""
    loaded.model.save_pretrained(folder)
    base = from_pretrained(AutoConfig, settings_of)
    with explained(settings_of, "config.json", "generation_config.json"):
        config = _renumbered(read_json(folder / "config.json"), number)
        generation = _renumbered(_generation(settings_of, base), number)
    write_json(folder / "config.json", config)
    write_text(folder / "generation_config.json", json.dumps(generation, indent=2, sort_keys=True) + "\n")
    loaded.tokenizer.save_pretrained(folder)


def untrim(folder: Path, base: str, out: Path, *, force: bool = False) -> TrimRecord:
    """Give a trimmed model, trained or not, its old vocabulary back.

    The rows that it has keep their weights; those that were trimmed away are the base's. The tokenizer is the base's,
    set to the languages that the trimmed model's was set to.

    Returns:
        The record of the trimming that was undone.

    Raises:
        SwitchtuneError: `folder` was not trimmed, or from another model than `base`; nothing is written.
    """
    record = read_record(folder)
    found = model_fingerprint(base)
    if found != record.fingerprint:
        raise SwitchtuneError(
            f"{folder}: it was trimmed from {record.base} (fingerprint {record.fingerprint}), and {base} has the "
            f"fingerprint {found}. Give the very model that was trimmed; its files must not have changed since."
        )
    tuned, whole = load_model(str(folder)), load_model(base)
    if tuned.model.config.vocab_size != len(record.kept):
        raise SwitchtuneError(
            f"{folder}: {tuned.model.config.vocab_size:,} rows, where {TRIM_RECORD} tells of {len(record.kept):,}. "
            "The model was resized since it was trimmed, and its rows cannot be told apart."
        )
    kept = torch.tensor(record.kept, device=whole.model.device)
    probe = _probe(tuned.layout, range(len(record.kept)))
    expected = _logits(tuned, probe)
    base_rows = _row_matrices(whole.model)

    def with_base_rows(role: Role, weights: torch.Tensor) -> torch.Tensor:
        rows = base_rows[role].detach()
        rows = (rows.T if role == "bias" else rows).clone()
        rows[kept] = weights
        return rows

    replace_rows(tuned.model, with_base_rows)
    state = {name: getattr(tuned.tokenizer, name, None) for name in ("src_lang", "tgt_lang", "legacy_behaviour")}
    with atomic_path(out, verb="untrim", force=force) as temporary, quietly():
        tokenizer = from_pretrained(
            AutoTokenizer, base, **{name: set_to for name, set_to in state.items() if set_to is not None}
        )
        _write(Loaded(tuned.model, tokenizer, tuned.layout), temporary, str(folder), lambda new: record.kept[new])
        if whole.trim is not None:
            write_text(temporary / TRIM_RECORD, whole.trim)
        again = load_model(str(temporary))
        whole_probe = [_renumbered_example(ids, dict(enumerate(record.kept))) for ids in probe]
        _prove_logits(str(folder), _logits(again, whole_probe)[..., kept.cpu()], expected)
    return record


def _probe(layout: Layout, ids: Sequence[int]) -> list[TokenIds]:
    """A few examples of tokens drawn from `ids`, for which no text is needed."""
    drawn = np.random.default_rng(1).choice(np.asarray(ids), size=(2, 4, 12)).tolist()
    start = layout.eos_id
    return [
        TokenIds(tuple(source), tuple(target), (start, *target[:-1]), truncated=False)
        for source, target in zip(*drawn, strict=True)
    ]


def add_language(path: str, code: str, like: str, out: Path, *, force: bool = False) -> Layout:
    """Give a model a tag for a language that it lacks, with the weights of another language's tag.

    No direction that the model had changes: the logits of its old tokens are compared. The tag is new, not the pieces:
    a language whose characters the vocabulary lacks is not helped.

    Args:
        path: the model.
        code: of the new language as the family writes it: "hsb_Latn" in NLLB, "hsb" in M2M-100, "hs_DE" in mBART.
        like: a language that the model has, best one that is close.

    Returns:
        The layout of the new model.

    Raises:
        SwitchtuneError: the family has no tags, or the model was trimmed or has the language.
        UsageError: `code` is not how the family writes a language.
        UnknownLanguageError: the model does not have the language `like`.
    """
    loaded = load_model(path)
    layout, tokenizer = loaded.layout, loaded.tokenizer
    if loaded.trim is not None:
        raise SwitchtuneError(
            f"{path}: its vocabulary was trimmed. Add the language to {read_record(Path(path)).base} and trim that, so "
            "that `switchtune untrim` can tell the rows apart."
        )
    tag = _new_tag(layout, path, code)
    donor = layout.tags[layout.code(like)]
    old = sorted(token_ids(tokenizer).values())
    probe = _probe(layout, old)
    expected = _logits(loaded, probe)[..., old]
    tokenizer.add_tokens([tag], special_tokens=True)
    number = token_ids(tokenizer)[tag]

    def with_new_row(_: Role, weights: torch.Tensor) -> torch.Tensor:
        # Published models have rows beyond their vocabulary: the new tag takes the first of them.
        rows = torch.cat([weights, weights.new_zeros(max(0, number + 1 - len(weights)), weights.shape[1])])
        rows[number] = weights[donor]
        return rows

    replace_rows(loaded.model, with_new_row)
    with atomic_path(out, verb="add-language", force=force) as temporary, quietly():
        _write(loaded, temporary, path, lambda same: same)
        again = load_model(str(temporary))
        if again.layout.family is not layout.family or again.layout.tags != {**layout.tags, code: number}:
            raise SwitchtuneError(
                f"{path}: with the tag {tag} it would be taken for a model of the family {again.layout.family.name}. "
                "Write the code otherwise."
            )
        _prove_logits(path, _logits(again, probe)[..., old], expected)
    return load_layout(str(out))


def _new_tag(layout: Layout, path: str, code: str) -> str:
    pattern = layout.family.tag
    if pattern is None:
        raise SwitchtuneError(
            f"{path}: {layout.family.name} has no language tags; the language is named in the instruction before the "
            "sentence, in words, and any can be."
        )
    before, _, after = re.fullmatch(r"(.*)(\(.*\))(.*)", pattern).groups()  # type: ignore[union-attr]
    tag = f"{before}{code}{after}"
    if not re.fullmatch(pattern, tag):
        examples = ", ".join(sorted(layout.tags)[:3])
        raise UsageError(
            f"--code {code}: a tag of {layout.family.name} is expected, written as those that it has: {examples}."
        )
    if code in layout.tags or _short(code) in layout.languages:
        raise SwitchtuneError(f"{path}: it has a tag for {code!r} already ({layout.code(code)}).")
    return tag


def _short(code: str) -> str | None:
    try:
        return find_language(code).code
    except UnknownLanguageError:
        return None
