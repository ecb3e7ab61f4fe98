"""The verbs to start with: init, doctor."""

import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchtune.cli.options import AsJson, Force, language_pair, print_json
from switchtune.cli.terminal import print_line
from switchtune.errors import SwitchtuneError
from switchtune.files import write_text
from switchtune.languages import find_language
from switchtune.run_dir import claim_file

if TYPE_CHECKING:
    from switchtune.models.layout import Layout
    from switchtune.runs.beginning import FoundPair
    from switchtune.runs.survey import Survey

DEFAULT_MODEL = "facebook/mbart-large-50"


def init(
    data: Annotated[
        str,
        typer.Argument(
            help="Folder with the data, one of its files, or a corpus: train.{de,en}, hf:org/name:config:split."
        ),
    ] = ".",
    model: Annotated[str, typer.Option(help="A model on the Hub, or a folder.")] = DEFAULT_MODEL,
    langs: Annotated[
        str | None, typer.Option(help="Languages and direction, as in de-en, if they cannot be recognised.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="YAML file to write.")] = Path("mine.yaml"),
    no_plan: Annotated[bool, typer.Option("--no-plan", help="Do not measure memory and time on this machine.")] = False,
    force: Force = False,
) -> None:
    """Look at your data and write a configuration for `switchtune run`, with settings that suit its size.

    Training, validation and test sets are recognised by name (train, valid or dev, test); a missing one is taken out of
    the training set. Languages are recognised by the names of files and columns, or from the text.

    Example: `switchtune init embedded:kitchen:valid --langs de-en --model runs/quickstart/pretrained/model`
    """
    from switchtune.runs.beginning import checked, configuration_text, found_pairs, outlook, remedy_of
    from switchtune.runs.survey import survey

    asked = language_pair(langs) if langs else None
    found = survey(data, asked)
    output = claim_file(out, inputs=[*(corpus.location for corpus in found.corpora), model], force=force)
    with tempfile.TemporaryDirectory() as cache:
        pairs = list(found_pairs(found, asked, Path(cache)))
        _tell(found, pairs)
        layout = _layout(model)
        text = configuration_text(model, pairs, layout)
        config = checked(text, str(out))
        if layout is not None and not no_plan:
            from switchtune.runs.plan import plan

            try:
                planned = plan(config)
            except SwitchtuneError as error:
                print_line(f"not planned: {error}", err=True)
            else:
                print_line(outlook(planned))
                if more := remedy_of(planned):
                    text = configuration_text(model, pairs, layout, more)
                    print_line(f"settings in the file that make it fit: {', '.join(more)}")
    write_text(output, text)
    file = shlex.quote(str(out))
    print_line(f"{out}: written; edit it as you like")
    for verb in ("check", "plan", "run"):
        print_line(f"next: switchtune {verb} {file}" + f" --out runs/{shlex.quote(out.stem)}" * (verb == "run"))


def _layout(model: str) -> "Layout | None":
    """The layout of a model; None where it cannot be fetched now, which is told."""
    from switchtune.models.load import load_layout

    try:
        return load_layout(model)
    except SwitchtuneError as error:
        if os.path.isdir(model):  # noqa: PTH112 - names may be too long
            raise
        print_line(f"model not looked at: {error}", err=True)
        return None


def _tell(found: "Survey", pairs: "Sequence[FoundPair]") -> None:
    for pair in pairs:
        source, target = (find_language(code) for code in (pair.train.source_language, pair.train.target_language))
        print_line(
            f"{source.name} ({source.code}) → {target.name} ({target.code}): {len(pair.train):,} pairs to train on"
        )
        for role, location in pair.corpora.items():
            print_line(f"  {role}: {location}")
        for role in ("valid", "test"):
            if role not in pair.corpora:
                print_line(f"  {role}: {pair.held_out:,} pairs are taken out of train")
        for code, path in pair.monolingual.items():
            print_line(f"  monolingual text in {find_language(code).name}: {path}")
        for note in pair.notes:
            print_line(note, err=True)
    for line in found.left_out:
        print_line(line, err=True)


def doctor(as_json: AsJson = False) -> None:
    """Report what the program finds here: versions, device, precision, memory, disk, and which extras are missing.

    Exits 1 if a required package is missing or its version is not supported.

    Example: `switchtune doctor`
    """
    from switchtune.runs.doctor import examined

    found = examined()
    if as_json:
        print_json(found.record())
    else:
        for line in found.lines():
            print_line(line)
    if found.faults:
        raise SwitchtuneError(f"Packages to fix: {'; '.join(found.faults)}.")
