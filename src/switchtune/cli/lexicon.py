"""The verbs of the lexicon: build (by default), report, diff, merge; and judge."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from typer.core import TyperGroup

from switchtune.cli.options import (
    FILE,
    FOLDER,
    LOCATION,
    AsJson,
    Force,
    Languages,
    PiecesOf,
    Seed,
    json_text,
    language_pair,
    piece_segmenter,
    print_json,
    setting,
)
from switchtune.cli.terminal import print_line
from switchtune.config.base import OnProblems
from switchtune.config.lexicon import LexiconMethod, LexiconSettings, MapMode
from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError, nearest
from switchtune.run_dir import claim_file, claim_folder

if TYPE_CHECKING:
    from switchtune.lexicon.build import LexiconInput


class _BuildByDefault(TyperGroup):
    """`switchtune lexicon SOURCE TARGET` means `switchtune lexicon build SOURCE TARGET`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["build", *args]
        return super().parse_args(ctx, args)


lexicon_app = typer.Typer(
    cls=_BuildByDefault,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Build a bilingual lexicon in both directions and judge it. `switchtune lexicon build --help` lists
    the options.

    Example: `switchtune lexicon embedded:kitchen:valid --langs de-en --out lexicon`""",
)

Source = Annotated[str, typer.Argument(help="Source side, or a whole parallel corpus (TSV, train.{de,en}, …).")]
Target = Annotated[str | None, typer.Argument(help="Target side, if the source side is a file of its own.")]
TranslationsPerWord = Annotated[int, setting(LexiconSettings, "k")]
Floor = Annotated[float, setting(LexiconSettings, "floor")]
Dictionaries = Annotated[
    list[str], typer.Option(metavar="FILE[=WEIGHT]", help="MUSE format or TSV, in either direction.")
]
Parts = Annotated[
    list[str],
    typer.Option(
        "--part", metavar="METHOD=WEIGHT", help="Method that mixed combines; by default all that can be used."
    ),
]
Embeddings = Annotated[
    tuple[str, str] | None, typer.Option(metavar="SOURCE.vec TARGET.vec", help="Word vectors for vecmap.")
]
BlockedWords = Annotated[
    Path | None,
    typer.Option(help="File of words, one per line, that no entry may contain; numbers are always left out.", **FILE),
]
Neighbours = Annotated[
    Literal["nearest", "farthest"], typer.Option(help="farthest: the least similar words, as a control.")
]
JudgeBy = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="SOURCE TARGET", help="Sentence pairs to judge by; by default some of the text is held out."),
]
Check = Annotated[OnProblems, setting(RunConfig, "check")]
_DEFAULT = LexiconSettings()
_AS_THEY_ARE = ("method", "mode", "preset", "k", "floor", "seed", "embeddings")
"""Options that are settings of the same name."""


@lexicon_app.command()
def build(
    ctx: typer.Context,
    source: Source,
    target: Target = None,
    *,
    langs: Languages,
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; edits by hand in it are kept.")],
    method: Annotated[LexiconMethod, setting(LexiconSettings, "method")] = _DEFAULT.method,
    dictionary: Dictionaries = [],  # noqa: B006
    model: Annotated[str | None, typer.Option(help="Model for plm: a Hub id or a folder.")] = None,
    part: Parts = [],  # noqa: B006
    embeddings: Embeddings = None,
    mode: Annotated[MapMode, setting(LexiconSettings, "mode")] = _DEFAULT.mode,
    preset: Annotated[Literal["small", "paper"], setting(LexiconSettings, "preset")] = _DEFAULT.preset,
    k: TranslationsPerWord = _DEFAULT.k,
    floor: Floor = _DEFAULT.floor,
    block: BlockedWords = None,
    neighbours: Neighbours = "nearest",
    judge_by: JudgeBy = None,
    accept: Annotated[bool, typer.Option("--accept-lexicon", help="Exit 0 even if the lexicon is judged red.")] = False,
    pieces_of: PiecesOf = None,
    check: Check = "stop",
    seed: Seed = _DEFAULT.seed,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Build a bilingual lexicon, in both directions, and judge it: `lexicon.*.tsv`, `judgement.json`, `report.html`.

    Edits by hand belong in `lexicon.*.edits.tsv` beside it (word, translation, strength or -). They apply whenever it
    is read, and no build touches them. Exits 1 if the verdict is red; the lexicon is written all the same.

    Example: `switchtune lexicon build embedded:kitchen:valid --langs de-en --out lexicon`
    """
    from switchtune.cli.display import BuildDisplay, print_judgement
    from switchtune.lexicon.build import require_files
    from switchtune.lexicon.judged import require_accepted
    from switchtune.report.html import is_report
    from switchtune.report.lexicon_page import write_lexicon_page
    from switchtune.runs.lexicon_folder import PAGE, make_folder

    settings = _settings(ctx.params)
    require_files(settings)
    inputs = [source, target, *settings.inputs, *(judge_by or ()), model, pieces_of]
    claim_folder(out, "lexicon", inputs=filter(None, inputs), force=force)
    page = out / PAGE
    claim_file(page, force=force, own=page.is_file() and is_report(page), option="")
    with BuildDisplay() as display:
        text, judged_by = _inputs(ctx.params, display.tell)
        listeners: Any = {"on_step": display.show, "tell": display.tell}
        lexicons = make_folder(text, settings, out, judged_by=judged_by, neighbours=neighbours, **listeners)
        if lexicons.judged is not None:
            write_lexicon_page(out, force=force)
    if as_json:
        print_json(lexicons.judged.record() if lexicons.judged else {})
    else:
        print_judgement(lexicons)
    if lexicons.judged is not None:
        require_accepted(lexicons.judged.refusal, accept)


def _settings(options: Mapping[str, Any]) -> LexiconSettings:
    values: dict[str, Any] = {name: options[name] for name in _AS_THEY_ARE}
    values["dictionaries"] = [
        {"path": path, "weight": weight} for path, weight in map(_weighted, options["dictionary"])
    ]
    values["parts"] = dict(map(_part, options["part"]))
    values["block"] = {"words": options["block"] and str(options["block"])}
    return parse_config(LexiconSettings, values, origin="switchtune lexicon")


def _inputs(options: Mapping[str, Any], tell: Callable[[str], None]) -> "tuple[LexiconInput, LexiconInput | None]":
    """What a lexicon is built from, and what it is judged by where that is text of its own."""
    from switchtune.models.load import load_model
    from switchtune.models.states import model_word_encoder
    from switchtune.runs.lexicon_folder import read_input

    read = partial(
        read_input,
        languages=language_pair(options["langs"]),
        pieces=piece_segmenter(options["pieces_of"]),
        check=options["check"],
        tell=tell,
    )
    text = read(options["source"], options["target"], paired=True if options["method"] == "align" else None)
    judged_by = None if options["judge_by"] is None else read(*options["judge_by"], paired=True)
    if options["model"] is not None:
        text = replace(text, encoder=model_word_encoder(load_model(options["model"])))
    return text, judged_by


def _weighted(text: str) -> tuple[str, float]:
    name, equals, weight = text.rpartition("=")
    try:
        value = float(weight) if equals else 1.0
    except ValueError:
        return text, 1.0  # the name of a file may hold "="
    if not 0 < value < math.inf:
        raise UsageError(f"{text}: the weight must be above 0 and finite; found {weight}.")
    return (name, value) if equals else (text, 1.0)


def _part(text: str) -> tuple[str, float]:
    method, _, weight = text.partition("=")
    methods = set(get_args(LexiconMethod)) - {"auto", "mixed"}
    if method not in methods:
        raise UsageError(f"--part {text}: no such method; {nearest(method, methods)}")
    name, value = _weighted(text)
    if name != method:
        raise UsageError(f"--part {text}: the weight must be a number above 0, as in {method}=2; found {weight!r}.")
    return name, value


@lexicon_app.command()
def report(folder: Annotated[Path, typer.Argument(help="Folder that `switchtune lexicon` wrote.", **FOLDER)]) -> None:
    """Rewrite the page of a lexicon folder, with edits made by hand since.

    Example: `switchtune lexicon report lexicon`
    """
    from switchtune.report.lexicon_page import write_lexicon_page

    print_line(str(write_lexicon_page(folder)))


@lexicon_app.command()
def diff(
    lexicon_a: Annotated[Path, typer.Argument(help="Lexicon A.", **FILE)],
    lexicon_b: Annotated[Path, typer.Argument(help="Lexicon B, of the same direction.", **FILE)],
    edits: Annotated[bool, typer.Option("--edits", help="Print the edits by hand that would turn A into B.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what two lexicons have in common, and where their first translations differ.

    Example: `switchtune lexicon diff lexicon/lexicon.de-en.tsv
    runs/quickstart/comparison/lexicon/de-en/*/lexicon.de-en.tsv`
    """
    from switchtune.lexicon.compare import lexicon_difference
    from switchtune.lexicon.edits import edits_between
    from switchtune.lexicon.files import read_lexicon

    a, b = read_lexicon(lexicon_a), read_lexicon(lexicon_b)
    if edits:
        for edit in edits_between(a, b):
            print_line(edit.line())
        return
    differences = lexicon_difference(a, b)
    print_line(json_text(differences.record()) if as_json else differences.describe())


@lexicon_app.command()
def merge(
    lexicons: Annotated[list[str], typer.Argument(metavar="FILE[=WEIGHT]...", help="Lexicons of the same direction.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    k: TranslationsPerWord = _DEFAULT.k,
    floor: Floor = _DEFAULT.floor,
    numbers: Annotated[bool, typer.Option("--numbers", help="Keep entries that are numbers.")] = False,
    force: Force = False,
) -> None:
    """Merge lexicons of the same direction, each with a weight.

    Example: `switchtune lexicon merge lexicon/lexicon.de-en.tsv=2
    runs/quickstart/comparison/lexicon/de-en/*/lexicon.de-en.tsv --out lexicon.de-en.tsv`
    """
    from switchtune.lexicon.block import BlockList, Limits
    from switchtune.lexicon.combine import Weighted, combined
    from switchtune.lexicon.files import read_lexicon, write_lexicon

    weighted = [(Path(path), weight) for path, weight in map(_weighted, lexicons)]
    output = claim_file(out, inputs=[path for path, _ in weighted], force=force)
    parts = [Weighted(read_lexicon(path), weight) for path, weight in weighted]
    merged = combined(parts, Limits(k, floor, BlockList(numbers=not numbers)))
    write_lexicon(merged, output)
    print_line(f"{out}: {len(merged):,} words")


def lexicon_judge(
    lexicon: Annotated[
        str, typer.Argument(help="Lexicon file (TSV, MUSE format), or a glossary: TBX, XLSX, CSV, …", **LOCATION)
    ],
    source: Source,
    target: Target = None,
    *,
    langs: Languages,
    pieces_of: PiecesOf = None,
    check: Check = "stop",
    as_json: AsJson = False,
) -> None:
    """Judge a lexicon or a glossary by sentence pairs that it was not made from. Exits 1 if the verdict is red.

    Example: `switchtune lexicon-judge lexicon/lexicon.de-en.tsv embedded:kitchen:test --langs de-en`
    """
    from switchtune.cli.display import print_direction
    from switchtune.runs.lexicon_folder import judge_file, read_input

    pieces = piece_segmenter(pieces_of)
    tell = lambda text: print_line(text, err=True)  # noqa: E731
    text = read_input(source, target, language_pair(langs), pieces=pieces, paired=True, check=check, tell=tell)
    judgement = judge_file(lexicon, text)
    if as_json:
        print_json(judgement.record())
    else:
        print_direction(judgement.directions[0])
    if judgement.verdict == "red":
        raise SwitchtuneError(f"{lexicon}: judged red. " + "; ".join(judgement.reasons))
