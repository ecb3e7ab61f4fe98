"""Options that several commands share."""

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchtune.errors import UsageError
from switchtune.files import why_unreadable

if TYPE_CHECKING:
    from switchtune.corpus.words import Segmenter


Out = Annotated[Path, typer.Option("--out", help="Folder to write to; run again with the same one to resume.")]
NewFolder = Annotated[Path, typer.Option("--out", help="Folder to write, new or made by this verb.")]
OutFile = Annotated[Path | None, typer.Option("--out", help="Write to this file, not to standard output.")]
Force = Annotated[
    bool, typer.Option("--force", help="Write to --out even if something is there; what is replaced is lost.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
PiecesOf = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Take this model's subword pieces as units, not words.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of everything drawn at random.")]
FILE: dict[str, Any] = {"exists": True, "dir_okay": False}
"""What is asked of a file to read."""
FOLDER: dict[str, Any] = {"exists": True, "file_okay": False}
"""What is asked of a folder to read."""
Languages = Annotated[str, typer.Option("--langs", help="Languages of the two sides: de-en.")]


def print_json(value: Any) -> None:
    """Print figures as JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def text_or_dash(path: Path) -> Path:
    """A text to read, where - is standard input (typer's `allow_dash` is for strings).

    Raises:
        typer.BadParameter: there is no file of that name.
    """
    if str(path) != "-" and not path.is_fifo() and (problem := why_unreadable(path)):
        raise typer.BadParameter(f"{path}: {problem}")
    return path


def read_from(text: Path) -> Path:
    """The file that a text of `text_or_dash` is in, under whatever name, for `claim_file`."""
    return Path("/dev/stdin") if str(text) == "-" else text


def finite(value: float) -> float:
    """A number of an option, whose bounds let nan through.

    Raises:
        typer.BadParameter: it is not finite.
    """
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def frequencies(text: str) -> tuple[int, ...]:
    """Word frequencies of `--buckets 100,1000`.

    Raises:
        UsageError: they are not whole numbers from 1 that rise.
    """
    parts = [part.strip() for part in text.split(",")]
    bounds = tuple(int(part) for part in parts if re.fullmatch("[1-9][0-9]{,14}", part))
    if len(bounds) < len(parts) or sorted(set(bounds)) != list(bounds):
        raise UsageError(f"--buckets {text}: expected whole numbers from 1 that rise, as in 100,1000")
    return bounds


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
