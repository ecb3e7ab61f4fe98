"""The verbs that make one model from another: trim, untrim, add-language, export."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from switchtune.cli.options import (
    FILE,
    FOLDER,
    AsJson,
    Force,
    Model,
    NewFolder,
    json_text,
    language_pair,
    print_json,
    setting,
)
from switchtune.cli.terminal import print_line
from switchtune.config.training import GenerationSettings
from switchtune.errors import UsageError
from switchtune.run_dir import claim_folder


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

    output = claim_folder(out, "trim", replaces=True, inputs=[model, *text, *more], force=force)
    texts = {str(path): read_lines(path) for path in (*text, *more)}
    languages = [language.strip() for language in langs.split(",") if language.strip()]
    if not languages:
        raise UsageError(f"--langs {langs}: no language in it; expected codes with commas between them, as in de,en")
    record = trimmed(model, survey(model, texts, languages), texts, output, force=force)
    print_line(json_text(record.figures()) if as_json else record.describe())


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

    output = claim_folder(out, "untrim", replaces=True, inputs=[folder, base], force=force)
    record = untrimmed(folder, base, output, force=force)
    print_line(f"{out}: {record.rows_before:,} rows, {len(record.kept):,} of them from {folder}")


def add_language(
    model: Model,
    *,
    code: Annotated[str, typer.Option(help="The language: hsb, or as the model's family writes it, hsb_Latn, hs_DE.")],
    like: Annotated[str, typer.Option(help="A language of the model, whose tag's weights the new tag begins with.")],
    text: Annotated[
        list[Path],
        typer.Option("--text", metavar="FILE", help="Text whose characters become pieces where none has them.", **FILE),
    ] = [],  # noqa: B006
    out: NewFolder,
    force: Force = False,
) -> None:
    """Give a model a tag for a language that it lacks. What it does in its other languages does not change.

    Example: `switchtune add-language facebook/nllb-200-distilled-600M --code hsb --like cs --text hsb.txt --out model`
    """
    from switchtune.corpus.read import read_lines
    from switchtune.models.load import load_layout
    from switchtune.models.tags import add_languages

    output = claim_folder(out, "add-language", replaces=True, inputs=[model, *text], force=force)
    lines = [line for path in text for line in read_lines(path)]
    added = add_languages(model, [(code, like)], output, text=lines, force=force)
    print_line(f"{out}: {added.describe()}, which begins as that of {like}")
    layout = load_layout(str(output))
    if not layout.plain_source(code, code):
        sides = ("target", "from") if "target" in layout.family.before_source else ("source", "into")
        print_line(
            f"transformers' own {layout.family.name} tokenizer cannot be set to {code} as the {sides[0]} language; "
            f"switchtune can, and both translate {sides[1]} it"
        )


def export(
    model: Annotated[str, typer.Argument(help="Folder or Hub id of a fine-tuned model.")],
    out: NewFolder,
    form: Annotated[Literal["ct2"], typer.Option("--to", help="What to export to: CTranslate2.")] = "ct2",
    int8: Annotated[bool, typer.Option("--int8", help="Write the matrices in 8 bits: a quarter of the size.")] = False,
    langs: Annotated[
        str | None, typer.Option(help="Languages: de-en. By default those that the model was saved for.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option(help="Text of the source language for the proof; by default an embedded one.", **FILE)
    ] = None,
    beams: Annotated[int, setting(GenerationSettings, "beams", help="Beam size.")] = GenerationSettings().beams,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder that translates without switchtune, with a proof that it does the same and a script that uses it.

    Example: `switchtune export runs/quickstart/de-en/csr/seed1/task/model --to ct2 --out exported`
    """
    from switchtune.generation.export import export_ct2

    output = claim_folder(out, "export", replaces=True, inputs=[model, *([text] if text else [])], force=force)
    languages, settings = language_pair(langs) if langs else None, GenerationSettings(beams=beams)
    exported = export_ct2(model, output, languages=languages, text=text, int8=int8, settings=settings, force=force)
    if as_json:
        figures = {key: value for key, value in exported.parity.record().items() if key != "lines"}
        print_json({"folder": str(out), "languages": exported.languages, "to": form, "int8": exported.int8, **figures})
    else:
        print_line(f"{out}: {'-'.join(exported.languages)}, {exported.parity.describe()}")
