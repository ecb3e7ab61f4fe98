"""A tag for a language that a model lacks, which begins as that of another language."""

import re
from contextlib import suppress
from pathlib import Path

import torch

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import atomic_path
from switchtune.languages import UnknownLanguageError, find_language
from switchtune.models.files import quietly
from switchtune.models.layout import Layout, token_ids
from switchtune.models.load import load_layout, load_model
from switchtune.models.rows import Role, logits, probe, replace_rows, require_same_logits, write_renumbered
from switchtune.models.trim import read_record


def add_language(path: str, code: str, like: str, out: Path, *, force: bool = False) -> Layout:
    """Give a model a tag for a language that it lacks, with the weights of another language's tag.

    No direction that the model had changes: the logits of its old tokens are compared. The tag is new, not the pieces.

    Args:
        code: of the new language as the family writes it: "hsb_Latn" in NLLB, "hsb" in M2M-100, "hs_DE" in mBART.
        like: a language that the model has, best one that is close.

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
    like_tag = layout.tags[layout.code(like)]
    old = sorted(token_ids(tokenizer).values())
    examples = probe(old)
    before = logits(loaded, examples, old)
    tokenizer.add_tokens([tag], special_tokens=True)
    number = token_ids(tokenizer)[tag]

    def with_new_row(_: Role, weights: torch.Tensor) -> torch.Tensor:
        # Published models have rows beyond their vocabulary: the new tag takes the first of them.
        rows = torch.cat([weights, weights.new_zeros(max(0, number + 1 - len(weights)), weights.shape[1])])
        rows[number] = weights[like_tag]
        return rows

    replace_rows(loaded.model, with_new_row)
    with atomic_path(out, verb="add-language", force=force) as temporary, quietly():
        write_renumbered(loaded, temporary, path, lambda same: same)
        again = load_model(str(temporary))
        if again.layout.family is not layout.family or again.layout.tags != {**layout.tags, code: number}:
            raise SwitchtuneError(
                f"{path}: with the tag {tag} it would be taken for a model of the family {again.layout.family.name}. "
                "Write the code otherwise."
            )
        require_same_logits(path, logits(again, examples, old), before)
    return load_layout(str(out))


def _new_tag(layout: Layout, path: str, code: str) -> str:
    pattern = layout.family.tag
    if pattern is None:
        raise SwitchtuneError(
            f"{path}: {layout.family.name} has no language tags; the language is named in the instruction before the "
            "sentence, in words, and any can be."
        )
    tag = re.sub(r"\(.*\)", lambda _: code, pattern)
    if not re.fullmatch(pattern, tag):
        examples = ", ".join(sorted(layout.tags)[:3])
        raise UsageError(
            f"--code {code}: a tag of {layout.family.name} is expected, written as those that it has: {examples}."
        )
    short = None
    with suppress(UnknownLanguageError):
        short = find_language(code).code
    if code in layout.tags or short in layout.languages:
        raise SwitchtuneError(f"{path}: it has a tag for {code!r} already ({layout.code(code)}).")
    return tag
