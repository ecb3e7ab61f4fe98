"""The verbs that make one model from another."""

from pathlib import Path
from typing import Annotated

import typer

from switchtune.cli.options import FILE, FOLDER, AsJson, Force, NewFolder, print_json
from switchtune.cli.terminal import print_line
from switchtune.errors import UsageError
from switchtune.files import claim_folder

Model = Annotated[str, typer.Argument(help="A model of the Hub or a folder.")]


def trim(
    model: Model,
    more: Annotated[list[Path], typer.Argument(metavar="[FILE]...", help="Text files beyond the first.", **FILE)] = [],  # noqa: B006
    *,
    text: Annotated[
        list[Path], typer.Option("--text", metavar="FILE...", help="Text files, one sentence a line.", **FILE)
    ],
    langs: Annotated[str, typer.Option("--langs", help="Languages whose characters and tags stay: de,en.")],
    out: NewFolder,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Leave out the pieces of a model's vocabulary that a text does not need.

    Kept are the pieces of the text, every character of the languages' scripts, of Latin, and digits, punctuation,
    symbols and emoji; special tokens and tags. Before anything is written it is proved that the text is segmented as
    before and that the kept pieces have the same logits. The folder holds `trim.json`, by which `untrim` works.

    Example: `switchtune trim facebook/mbart-large-50 --text train.de train.en --langs de,en --out trimmed`
    """
    from switchtune.corpus.read import read_lines
    from switchtune.models.trim import survey
    from switchtune.models.trim import trim as trimmed

    place = claim_folder(out, "trim", replaces=True, inputs=[model, *text, *more], force=force)
    texts = {str(path): read_lines(path) for path in (*text, *more)}
    languages = [language.strip() for language in langs.split(",") if language.strip()]
    if not languages:
        raise UsageError(f"--langs {langs}: no language in it; expected codes with commas between them, as in de,en")
    record = trimmed(model, survey(model, texts, languages), texts, place, force=force)
    if as_json:
        print_json(record.figures())
    else:
        print_line(record.describe())


def untrim(
    folder: Annotated[Path, typer.Argument(help="A trimmed model, or one that was trained from it.", **FOLDER)],
    *,
    base: Annotated[str, typer.Option(help="The model that was trimmed: a model of the Hub or a folder.")],
    out: NewFolder,
    force: Force = False,
) -> None:
    """Give a trimmed model its whole vocabulary back: its own rows where it has them, the base's for the others.

    Example: `switchtune untrim runs/mine/de-en/csr/seed1/task/model --base facebook/mbart-large-50 --out whole`
    """
    from switchtune.models.trim import untrim as untrimmed

    place = claim_folder(out, "untrim", replaces=True, inputs=[folder, base], force=force)
    record = untrimmed(folder, base, place, force=force)
    print_line(f"{out}: {record.rows_before:,} rows, {len(record.kept):,} of them from {folder}")


def add_language(
    model: Model,
    *,
    code: Annotated[str, typer.Option(help="The language as the model's family writes it: hsb_Latn, hsb, hs_DE.")],
    like: Annotated[str, typer.Option(help="A language of the model, whose tag's weights the new tag begins with.")],
    out: NewFolder,
    force: Force = False,
) -> None:
    """Give a model a tag for a language that it lacks. What it does in its other languages does not change.

    Example: `switchtune add-language facebook/nllb-200-distilled-600M --code hsb_Latn --like ces_Latn --out model`
    """
    from switchtune.models.trim import add_language as with_language

    place = claim_folder(out, "add-language", replaces=True, inputs=[model], force=force)
    layout = with_language(model, code, like, place, force=force)
    print_line(f"{out}: has a tag for {code}, which begins as that of {like}")
    if not layout.plain_source(code):
        print_line(
            f"transformers' own {layout.family.name} tokenizer cannot be set to {code} as the source language; "
            "switchtune can, and both translate into it"
        )
