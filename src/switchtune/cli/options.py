"""Options that several verbs share, and what is made of their values."""

import json
import math
import os
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchtune.cli.terminal import print_line
from switchtune.config.base import Settings
from switchtune.config.lexicon import LexiconSettings
from switchtune.errors import UsageError
from switchtune.files import file_and_part, why_unreadable
from switchtune.languages import UnknownLanguageError, find_language, language_named

if TYPE_CHECKING:
    from switchtune.corpus.words import Segmenter


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):  # bounds let nan through
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


def setting(block: type[Settings], name: str, *names: str, **options: Any) -> Any:
    """An option for a setting, with its bounds and its meaning; `options` are those of typer, and come first."""
    field = block.model_fields[name]
    bounds = {key: getattr(each, key) for each in field.metadata for key in ("ge", "le", "lt") if hasattr(each, key)}
    largest = bounds["lt"] - 1 if "lt" in bounds else bounds.get("le")
    described = {"min": bounds.get("ge"), "max": largest, "callback": _finite if bounds else None}
    return typer.Option(*names, **{**described, "help": field.description, **options})


def _checked(problem_of: Callable[[Any], str | None]) -> dict[str, Any]:
    def check(value: Any) -> Any:
        for path in value if isinstance(value, list | tuple) else [value]:
            if path is not None and (problem := problem_of(path)) is not None:
                raise typer.BadParameter(f"{path}: {problem}")
        return value

    return {"callback": check}


def _why_no_folder(path: Path) -> str | None:
    if os.path.isdir(path):  # noqa: PTH112 — `Path.is_dir` raises where a name is too long
        return None
    return "a file; a folder is expected." if os.path.exists(path) else why_unreadable(path)  # noqa: PTH110


# What is asked of a file, of one of which a part may be meant (terms.xlsx#Sheet), of a folder to read, and of a text: a
# file, a pipe, or `-` for standard input.
FILE = _checked(why_unreadable)
LOCATION = _checked(lambda location: why_unreadable(file_and_part(location)[0]))
FOLDER = _checked(_why_no_folder)
TEXT = _checked(lambda path: None if str(path) == "-" or path.is_fifo() else why_unreadable(path))

Out = Annotated[Path, typer.Option("--out", help="Folder to write to; run again with the same one to resume.")]
NewFolder = Annotated[Path, typer.Option("--out", help="Folder to write: a new one, or one made by this verb.")]
OutFile = Annotated[Path | None, typer.Option("--out", help="Write to this file instead of standard output.")]
Force = Annotated[
    bool, typer.Option("--force", help="Write to --out even if something is there; replaced files are lost.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]
PiecesOf = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Use this model's subword pieces as units instead of words.")
]
Seed = Annotated[int, setting(LexiconSettings, "seed", help="Random seed.")]
Languages = Annotated[str, typer.Option("--langs", help="Languages of the two sides, as in de-en.")]
Model = Annotated[str, typer.Argument(help="A model on the Hub, or a folder.")]


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def print_json(value: Any) -> None:
    print_line(json_text(value))


def read_from(text: Path) -> Path:
    """The file that a text is in, under whatever name, for `claim_file`."""
    return Path("/dev/stdin") if str(text) == "-" else text


def found_run(folder: Path) -> Path:
    """The one run that a folder is or holds, which is told where it is another folder."""
    from switchtune.runs.folder import find_run

    run = find_run(folder)
    if run != folder:
        print_line(f"{folder}: the run in it is {run}", err=True)
    return run


def model_of(model: str, source: str, target: str) -> str:
    """A model as it is named; of a run, or of the one run in a folder, the best, which is told."""
    if not os.path.isdir(model) or (Path(model) / "config.json").exists():  # noqa: PTH112 — names may be too long
        return model
    from switchtune.runs.best import best_model
    from switchtune.runs.folder import models_below, runs_in

    if not runs_in(Path(model)):
        below = models_below(Path(model))
        if len(below) > 1:
            raise UsageError(f"{model}: contains {len(below):,} models; name one of them: {', '.join(map(str, below))}")
        for found in below:
            print_line(f"{model}: the model in it is {found}", err=True)
        return str(below[0]) if below else model
    best = best_model(found_run(Path(model)), source, target)
    print_line(best.reason, err=True)
    return str(best.model)


def frequencies(text: str) -> tuple[int, ...]:
    """Word frequencies of `--buckets 100,1000`."""
    parts = [part.strip() for part in text.split(",")]
    bounds = tuple(int(part) for part in parts if re.fullmatch("[1-9][0-9]{,14}", part))
    if len(bounds) < len(parts) or sorted(set(bounds)) != list(bounds):
        raise UsageError(f"--buckets {text}: expected increasing whole numbers from 1, as in 100,1000")
    return bounds


def language_pair(text: str) -> tuple[str, str]:
    """The two languages of `de-en`, of which each may have hyphens of its own: `zh-Hant-pt-BR`."""
    expected = "expected two languages joined by a hyphen, as in de-en or zh_Hant-pt_BR"
    parts = text.split("-")
    halves = [("-".join(parts[:place]), "-".join(parts[place:])) for place in range(1, len(parts))]
    pair = next((half for half in halves if all(map(language_named, half))), None)
    if pair is None:
        if alone := language_named(text):
            raise UsageError(f"--langs {text}: {alone.name} alone; {expected}")
        problems = [problem for name in dict.fromkeys(chain(*halves)) if (problem := _why_no_language(name))]
        telling = [problem for problem in problems if not problem.startswith("unknown")] or problems
        said = f". {max(telling, key=len)}" if telling else ""
        raise UsageError(f"--langs {text}: {expected}{said}")
    source, target = map(find_language, pair)
    if source == target:
        raise UsageError(f"--langs {text}: both are {source.code}; two languages are expected, as in de-en")
    return source.code, target.code


def _why_no_language(name: str) -> str | None:
    try:
        find_language(name)
    except UnknownLanguageError as error:
        return str(error)
    return None


def piece_segmenter(model: str | None) -> "Segmenter | None":
    """What cuts into the subword pieces of a model, if one is named."""
    if model is None:
        return None
    from switchtune.corpus.words import piece_segmenter as segmenter_of
    from switchtune.models.load import load_layout

    return segmenter_of(load_layout(model).tokenize)
