"""The verb that looks at data before anything is trained on it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchtune.cli.options import AsJson, Force, language_pair, print_json
from switchtune.cli.terminal import print_line
from switchtune.config.load import load_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.run_dir import claim_folder

if TYPE_CHECKING:
    from switchtune.check.checks import Checked

Data = Annotated[
    str, typer.Argument(help="YAML file for `switchtune run`, or the training set: its source side, or both sides.")
]
Target = Annotated[str | None, typer.Argument(help="Target side, if the source side is a file of its own.")]
HeldOut = Annotated[
    str | None, typer.Option(metavar="CORPUS", help="Held-out set, as in a configuration: valid.{de,en}, valid.tsv")
]


def check(
    data: Data,
    target: Target = None,
    langs: Annotated[str | None, typer.Option(help="Languages of the files' two sides, as in de-en.")] = None,
    valid: HeldOut = None,
    test: HeldOut = None,
    document: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column that says which document a pair comes from.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Report which characters in the files this model does not know.")
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write a cleaned training set here, with the rejected pairs in a file of their own."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on warnings too, not only on errors.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Look for problems in data: test pairs in the training set, sides that drift apart, wrong languages, …

    Each check that passes gets a line, each problem a paragraph with the first lines affected. Exits 1 if there are
    errors. `run`, `train`, `lexicon` and `show-batch` report warnings when they start, and stop at errors (see `check`
    in a configuration).

    Example: `switchtune check examples/quickstart.yaml`

    Example: `switchtune check embedded:kitchen:valid --langs de-en --test embedded:kitchen:test`
    """
    if os.path.isdir(data):  # noqa: PTH112 - names may be too long
        raise UsageError(f"{data}: is a folder. Name files, or a YAML file: `switchtune init {data}` writes one.")
    configured = Path(data).suffix.lower() in (".yaml", ".yml")
    if configured and (target, langs, valid, test, document, model) != (None,) * 6:
        raise UsageError("A configuration already names files, languages and model: leave these options out.")
    if not (configured or langs):
        raise UsageError("--langs: which languages are the files in? Name them, as in --langs de-en.")
    options = (target, langs, valid, test, document, model)
    if fix is not None:
        claim_folder(fix, "check", inputs=[data, *filter(None, options)], force=force, option="--fix")
    with tempfile.TemporaryDirectory() as folder:
        found = list(_of_config(Path(data), Path(folder)) if configured else _of_files(data, options, Path(folder)))
        if fix is not None:
            _fix(found, fix, force=force)
    if as_json:
        print_json({name: each.record() for name, each in found})
    for name, each in [] if as_json else found:
        _print(name, each)
    errors, warnings = (sum(each.counted(severity) for _, each in found) for severity in ("error", "warning"))
    if errors or (strict and warnings):
        raise SwitchtuneError(f"{data}: errors: {errors}, warnings: {warnings}.")


def _of_config(path: Path, folder: Path) -> "Iterator[tuple[str, Checked]]":
    settings = load_config(RunConfig, path, [])
    from switchtune.runs.checking import check_pair, pieces_of

    pieces = pieces_of(settings.model.name)
    for number, pair in enumerate(settings.pairs):
        room = folder / str(number)
        room.mkdir()
        yield pair.name, check_pair(settings, pair, room, pieces)


def _of_files(data: str, options: tuple[str | None, ...], folder: Path) -> "Iterator[tuple[str, Checked]]":
    from switchtune.check.checks import checked
    from switchtune.check.records import SetName, read_raw
    from switchtune.corpus.read import Location

    target, langs, valid, test, document, model = options
    languages = language_pair(langs or "")
    sets: dict[SetName, Location | None] = {
        "train": data if target is None else (data, target),
        "valid": valid,
        "test": test,
    }
    corpora = [
        read_raw(name, location, languages, folder, document=document) for name, location in sets.items() if location
    ]
    pieces: Callable[..., list[list[str]]] | None = None
    if model is not None:
        from switchtune.runs.checking import pieces_of

        pieces = pieces_of(model)
    yield "-".join(languages), checked(corpora, pieces)


def _fix(found: "list[tuple[str, Checked]]", fix: Path, *, force: bool) -> None:
    from switchtune.check.fix import REJECTS, write_fixed

    for name, each in found:
        folder = fix / name if len(found) > 1 else fix
        kept, rejected = write_fixed(each, folder, force=force)
        said = f"{folder}: {kept:,} training pairs are kept; {rejected:,} are in {REJECTS}, with the reasons"
        print_line(said, err=True)


def _print(name: str, found: "Checked") -> None:
    from switchtune.check.checks import paragraph

    for raw in found.corpora:
        sides = " → ".join(f"{language.name} ({side})" for language, side in zip(raw.languages, raw.sides, strict=True))
        print_line(f"{name}: {raw.corpus}: {raw.origin}: {raw.format}, {sides}, {len(raw):,} pairs")
        for note in raw.notes:
            print_line(f"  {note}")
    for looked_for in found.passed:
        print_line(f"ok: {looked_for}")
    for problem in found.problems:
        print_line(paragraph(problem))
    print_line(f"{name}: {found.verdict()}")
