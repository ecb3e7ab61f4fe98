"""Options that several commands share."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchtune.errors import UsageError

if TYPE_CHECKING:
    from switchtune.corpus.words import Segmenter


def output_path(text: str) -> Path:
    """Where to write, as given on the command line."""
    if not text.strip():
        raise typer.BadParameter("a name is expected, found nothing")
    return Path(text)


Out = Annotated[
    Path,
    typer.Option(
        "--out", metavar="DIR", parser=output_path, help="Folder to write to; run again with the same one to resume."
    ),
]
NewFolder = Annotated[
    Path, typer.Option("--out", metavar="DIR", parser=output_path, help="Folder to write, new or made by this verb.")
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", parser=output_path, help="Write to this file, not to standard output."),
]
Force = Annotated[bool, typer.Option("--force", help="Write to --out whatever is there; what it replaces is lost.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
PiecesOf = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Take this model's subword pieces as units, not words.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything drawn at random.")]
Languages = Annotated[str, typer.Option("--langs", help="Languages of the two sides: de-en.")]


def print_json(value: Any) -> None:
    """Print figures as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def language_pair(text: str) -> tuple[str, str]:
    """The two languages of `de-en`.

    Raises:
        UsageError: there are not two, or one is unknown.
    """
    from switchtune.languages import find_language

    source, found, target = text.partition("-")
    if not found:
        raise UsageError(f"--langs {text}: expected two languages joined by a hyphen, as in de-en")
    codes = find_language(source).code, find_language(target).code
    if codes[0] == codes[1]:
        raise UsageError(f"--langs {text}: both are {codes[0]}; two languages are expected, as in de-en")
    return codes


def piece_segmenter(model: str | None) -> "Segmenter | None":
    """What cuts into the subword pieces of a model; None where no model is named."""
    if model is None:
        return None
    from switchtune.corpus.words import piece_segmenter as segmenter_of
    from switchtune.models.load import load_layout

    return segmenter_of(load_layout(model).tokenizer.tokenize)
