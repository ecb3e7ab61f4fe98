"""Verb → function. Heavy libraries are imported by the verbs that need them, so that --help answers at once."""

import json
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from switchtune.cli.analysis import analyse
from switchtune.cli.lexicon import lexicon_app, lexicon_judge
from switchtune.cli.model import add_language, trim, untrim
from switchtune.cli.options import (
    FILE,
    AsJson,
    Force,
    NewFolder,
    Out,
    OutFile,
    PiecesOf,
    Seed,
    finite,
    language_pair,
    piece_segmenter,
    print_json,
    read_from,
    text_or_dash,
)
from switchtune.cli.report import demo, report
from switchtune.cli.scores import compare, score
from switchtune.cli.terminal import STANDARD_OUTPUT, print_line, standard_streams
from switchtune.errors import (
    SaidElsewhereError,
    Stopped,
    SwitchtuneError,
    UsageError,
    explain_os_error,
    lack_of_working_folder,
    log_unforeseen,
)
from switchtune.files import claim_file, claim_folder

if TYPE_CHECKING:
    from switchtune.config.inference import NliConfig
    from switchtune.config.pretrain import PretrainConfig
    from switchtune.config.run import RunConfig
    from switchtune.generation.growing import GrowingFile
    from switchtune.switching.preview import SwitchedLine
    from switchtune.switching.switcher import Switched


app = typer.Typer(
    name="switchtune",
    help="Code-switching finetuning for multilingual sequence-to-sequence models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Overrides = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting: --set training.lr=1e-4")
]

Beams = Annotated[int, typer.Option(min=1, help="Beam size.")]
Accept = Annotated[bool, typer.Option("--accept-lexicon", help="Train with a lexicon that was judged red.")]
KeepChanged = Annotated[
    bool, typer.Option("--keep-changed", help="Use models and outputs in --out that were changed since they were made.")
]


def _with_flags(overrides: list[str], accept: bool, keep_changed: bool) -> list[str]:
    return [*overrides, *["lexicon.accept=true"] * accept, *["keep_changed=true"] * keep_changed]


def _claim(
    out: Path, verb: str, file: Path, settings: "RunConfig | NliConfig | PretrainConfig", *, force: bool
) -> None:
    """Claim a folder for what a configuration asks for. Its file may be what the verb would write there."""
    written = out / "config.resolved.yaml"
    as_it_is = written.is_file() and file.samefile(written) and file.read_bytes() == settings.as_yaml().encode()
    claim_folder(out, verb, inputs=[*settings.inputs, *([] if as_it_is else [file])], force=force)


def main() -> None:
    """Entry point. Errors are told in one message each. Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    with standard_streams():
        sys.exit(_exit_code())


def _exit_code() -> int:
    code = 0
    try:
        for before, word in pairwise(sys.argv):
            if re.fullmatch("(--[^=]+=)?", word):  # As a path it would be the working folder.
                raise UsageError(f"{word or before}: no value given.")
        try:
            with typer.main.get_command(app).make_context("switchtune", sys.argv[1:]) as context:
                context.command.invoke(context)
        except typer.Exit as ended:
            code = ended.exit_code
        sys.stdout.flush()
    except SaidElsewhereError:
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001
        return _told(error)
    return code


def _told(error: Exception) -> int:
    """Tell people of an error; the exit code that it asks for."""
    if isinstance(error, BrokenPipeError) and error.filename == STANDARD_OUTPUT:
        return 1  # Who reads has seen enough.
    if isinstance(error, OSError):
        error = explain_os_error(error, sys.argv[1:])
    if isinstance(error, SwitchtuneError):
        print_line(f"switchtune: {error}{lack_of_working_folder()}", err=True)
        return 2 if isinstance(error, UsageError) else 1
    if hasattr(error, "format_message"):  # The command line was not understood; where it was empty, help is shown.
        if said := error.format_message():
            verb = getattr(getattr(error, "ctx", None), "command_path", "switchtune")
            print_line(f"switchtune: {said.rstrip('.')}. `{verb} --help` tells more.", err=True)
        return 2
    print_line(f"switchtune: {log_unforeseen(error)}", err=True)
    return 1


app.add_typer(lexicon_app, name="lexicon")
app.command("lexicon-judge")(lexicon_judge)
app.command("trim")(trim)
app.command("untrim")(untrim)
app.command("add-language")(add_language)
app.command("analyse")(analyse)
app.command("report")(report)
app.command("demo")(demo)
app.command("score")(score)
app.command("compare")(compare)


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed_version

        typer.echo(f"switchtune {installed_version('switchtune')}")
        raise typer.Exit
    if sys.flags.optimize > 1:
        raise UsageError(
            "Python runs without docstrings, which transformers needs. Leave out -OO, and unset PYTHONOPTIMIZE."
        )
    if lack_of_working_folder():  # Libraries fail in their own ways, some as they are loaded.
        raise SwitchtuneError("cannot begin.")


@app.command()
def switch(
    text: Annotated[
        Path, typer.Argument(help="Text file, one sentence a line; - for standard input.", callback=text_or_dash)
    ],
    lexicon_path: Annotated[Path, typer.Option("--lexicon", help="Lexicon from this text's language.", **FILE)],
    lang: Annotated[str, typer.Option(help="Language of the text.")],
    rate: Annotated[float, typer.Option(min=0, max=1, callback=finite, help="Share of the words to replace.")] = 0.35,
    mean_span: Annotated[
        float, typer.Option(min=0.1, callback=finite, help="Mean length of the spans, in words.")
    ] = 3.5,
    pieces_of: PiecesOf = None,
    source: Annotated[
        Literal["lexicon", "random", "mask"], typer.Option(help="What replaces words; two are controls.")
    ] = "lexicon",
    seed: Seed = 1,
    epoch: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Another epoch, other replacements.")] = 0,
    tsv: Annotated[bool, typer.Option("--tsv", help="Original and switched sentence, separated by a tab.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
    out: OutFile = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rates as JSON (to standard error).")] = False,
) -> None:
    """Replace words of a text by their translations: a switched line per line.

    On a terminal, original and switched sentences are shown in colour. The realised rate goes to standard error.

    Example: `switchtune switch train.de --lexicon lexicon/lexicon.de-en.tsv --lang de --tsv --out switched.tsv`
    """
    from switchtune.cli.terminal import TextConsole
    from switchtune.files import atomic_path
    from switchtune.lexicon.files import read_lexicon
    from switchtune.switching.preview import FORMATS, coloured, read_text, switched_lines, text_switcher
    from switchtune.switching.switcher import measure

    if tsv and jsonl:
        raise UsageError("--tsv and --jsonl: choose one")
    form = "tsv" if tsv else "jsonl" if jsonl else "text"
    inputs: list[Path | str] = [read_from(text), lexicon_path, *([pieces_of] if pieces_of else [])]
    place = None if out is None else claim_file(out, inputs=inputs, force=force)
    switcher = text_switcher(
        read_lexicon(lexicon_path),
        lang,
        pieces=piece_segmenter(pieces_of),
        source=source,
        rate=rate,
        mean_span=mean_span,
        seed=seed,
    )
    with ExitStack() as stack:
        lines = switched_lines(read_text(text, sys.stdin.buffer), switcher, seed=seed, epoch=epoch)
        show: Callable[[SwitchedLine], object]
        if place is not None:
            stream = stack.enter_context(stack.enter_context(atomic_path(place)).open("w", encoding="utf-8"))
            show = lambda line: stream.write(FORMATS[form](line) + "\n")  # noqa: E731
        elif form == "text" and sys.stdout.isatty():
            console = TextConsole()
            show = lambda line: console.print(coloured(line), soft_wrap=True)  # noqa: E731
        else:
            show = lambda line: sys.stdout.write(FORMATS[form](line) + "\n")  # noqa: E731

        def shown() -> Iterator["Switched"]:
            for line in lines:
                show(line)
                yield line.switched

        rates = measure(shown())
    if as_json:
        print_line(json.dumps(rates.record()), err=True)
    else:
        print_line(rates.describe(), err=True)


@app.command()
def pretrain(
    config: Annotated[Path, typer.Argument(help="YAML file with texts, size and training.")],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a small model from monolingual text by denoising (the paper's equation 2).

    Example: `switchtune pretrain examples/quickstart-pretrain.yaml --out runs/pretrained`
    """
    from switchtune.cli.display import Display
    from switchtune.config.load import load_config
    from switchtune.config.pretrain import PretrainConfig

    settings = load_config(PretrainConfig, config, overrides)
    _claim(out, "pretrain", config, settings, force=force)
    from switchtune.events import Event, stage_event
    from switchtune.runs.pretraining import pretrain as pretrain_model

    with Display() as display:
        made = pretrain_model(
            settings,
            out,
            on_progress=lambda step: display.show(stage_event("pretrain", "denoise", step)),
            on_message=lambda message: display.show(Event("pretrain", message)),
        )
    if made.set_aside is not None:
        print_line(f"The settings or the text have changed; what was there is now {made.set_aside}", err=True)
    if as_json:
        print_json({**asdict(made), "folder": str(made.folder), "set_aside": made.set_aside and str(made.set_aside)})
    else:
        print_line(
            f"{made.folder}: a {settings.family} model, {made.training.updates:,} updates on {made.passages:,} "
            f"passages ({made.too_long:,} left out for their length), {made.training.seconds / 60:.1f} minutes"
        )


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="YAML file with model, pairs, recipes, seeds and settings.")],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune with every recipe at the same total of updates, try the models on the test sets, compare.

    The file's `task` says what for: translation, summarization, or nli (trained in one language, tested in others).

    Example: `switchtune run examples/quickstart.yaml --out runs/quickstart --set training.updates=300`
    """
    from switchtune.cli.display import Display, print_accuracies, print_summary
    from switchtune.config.inference import NliConfig
    from switchtune.config.load import load_run_config

    settings = load_run_config(config, _with_flags(overrides, accept, keep_changed))
    _claim(out, "run", config, settings, force=force)
    from switchtune.results.accuracy import accuracy_record
    from switchtune.results.comparison import metrics_record
    from switchtune.runs.experiment import run_experiment
    from switchtune.runs.inference import run_nli

    with Display() as display:
        if isinstance(settings, NliConfig):
            accuracies = run_nli(settings, out, on_event=display.show)
            record, show = accuracy_record(accuracies), partial(print_accuracies, accuracies)
        else:
            summary = run_experiment(settings, out, on_event=display.show)
            record, show = metrics_record(summary), partial(print_summary, summary)
    if as_json:
        print_json(record)
    else:
        show()
        typer.echo(f"{out / 'comparison.md'}, {out / 'metrics.json'}")


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="YAML file of `switchtune run`.")],
    out: Out,
    recipe: Annotated[str | None, typer.Option(help="Which recipe; by default the first with two stages.")] = None,
    pair: Annotated[str | None, typer.Option(help="Which pair, as in de-en; by default the first.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**31 - 1, help="By default the first of the file.")] = None,
    gpus: Annotated[int | None, typer.Option(min=1, max=1024, help="Train with so many GPUs, a process each.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Train with so many processes on a machine without GPUs.")
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train one recipe on one pair, with one process or many, and print where the model is.

    The folder is that of `switchtune run`, which finds finished what is trained here. An update's batch is the same
    however many processes share it. Under torchrun, accelerate launch or srun leave out --gpus: each process joins.
    Early stopping (`training.patience`) is for this verb: `run` compares recipes at equal updates.

    Example: `switchtune train examples/quickstart.yaml --out runs/quickstart --recipe csr --gpus 8`
    """
    from switchtune.cli.display import Display
    from switchtune.config.load import load_config
    from switchtune.config.run import RunConfig

    settings = load_config(RunConfig, config, _with_flags(overrides, accept, keep_changed))
    _claim(out, "run", config, settings, force=force)
    from switchtune.runs.train import train_arm

    with Display() as display:
        trained = train_arm(
            settings,
            out,
            recipe=recipe,
            pair=pair,
            seed=seed,
            gpus=gpus,
            processes=processes,
            on_event=display.show,
        )
    if trained is not None and as_json:
        print_json(trained.record())
    elif trained is not None:
        typer.echo(trained.model)


@app.command()
def zeroshot(
    config: Annotated[Path, typer.Argument(help="YAML file of `switchtune run`: pairs of one target language.")],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Test the models of each pair on the source languages of all pairs: a matrix of tested against trained.

    Trains what `switchtune run` would, in the same folder, and goes on where that has finished.

    Example: `switchtune zeroshot examples/zeroshot.yaml --out runs/zeroshot`
    """
    from switchtune.cli.display import Display, print_matrices
    from switchtune.config.load import load_config
    from switchtune.config.run import RunConfig

    settings = load_config(RunConfig, config, _with_flags(overrides, accept, keep_changed))
    _claim(out, "run", config, settings, force=force)
    from switchtune.runs.zeroshot import run_zeroshot

    with Display() as display:
        matrices = run_zeroshot(settings, out, on_event=display.show)
    if as_json:
        print_json({"matrices": [matrix.record() for matrix in matrices]})
    else:
        print_matrices(matrices)
        made = (out / f"zeroshot.{form}" for form in ("md", "json", "svg", "png"))
        typer.echo(", ".join(str(path) for path in made if path.exists()))


@app.command()
def search(
    config: Annotated[Path, typer.Argument(help="YAML file of `switchtune run` with a `search` block.")],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Try learning rates, batches and numbers of updates on the validation set, the same for every recipe.

    On the first pair, with the first seed. Ends in `best.yaml`, a configuration for `switchtune run`.

    Example: `switchtune search mine.yaml --out runs/search --set 'search.lr=[1.0e-5, 3.0e-5, 1.0e-4]'`
    """
    from switchtune.cli.display import Display, print_table
    from switchtune.config.load import load_config
    from switchtune.config.run import RunConfig

    settings = load_config(RunConfig, config, _with_flags(overrides, accept, keep_changed))
    _claim(out, "search", config, settings, force=force)
    from switchtune.runs.search import search as search_grid
    from switchtune.runs.search import search_table

    with Display() as display:
        found = search_grid(settings, out, on_event=display.show)
    if as_json:
        print_json(found.record())
    else:
        print_table(*search_table(found), title=found.pair)
        typer.echo(f"{out / 'best.yaml'}, {out / 'search.md'}, {out / 'search.json'}")


@app.command("plan")
def plan_run(
    config: Annotated[Path, typer.Argument(help="YAML file of `switchtune run`.")],
    gpu: Annotated[
        str | None, typer.Option(metavar="NAME", help="Plan for this card (H200, L4, …), not for this machine.")
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Print what a run will take, before anything is loaded: memory in GB, tokens a second, hours.

    Example: `switchtune plan examples/quickstart.yaml --gpu H200`
    """
    from switchtune.cli.display import print_plan
    from switchtune.config.load import load_config
    from switchtune.config.run import RunConfig

    settings = load_config(RunConfig, config, overrides)
    from switchtune.runs.plan import plan, plan_record

    planned = plan(settings, gpu=gpu)
    if as_json:
        print_json(plan_record(planned))
    else:
        print_plan(planned)


@app.command("show-batch")
def show_batch(
    config: Annotated[Path, typer.Argument(help="YAML file of `switchtune run`.")],
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="Examples shown per stage.")] = 2,
    recipe: Annotated[str | None, typer.Option(help="Which recipe; by default the first with two stages.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of a run: show its lexicon, hand edits included.")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Print what the model is given in each stage: encoder input, labels and decoder input, special tokens included.

    Example: `switchtune show-batch examples/quickstart.yaml`
    """
    from switchtune.config.load import load_config
    from switchtune.config.run import RunConfig

    settings = load_config(RunConfig, config, overrides)
    if out is not None and not (out / "config.resolved.yaml").is_file():
        raise UsageError(f"--out {out}: not the folder of a run: there is no config.resolved.yaml in it.")
    from switchtune.runs.prepare import batch_preview

    for block in batch_preview(settings, recipe=recipe, rows=rows, folder=out):
        print_line(block)


@app.command()
def translate(
    model: Annotated[str, typer.Argument(help="Folder or Hub id of a fine-tuned model.")],
    file: Annotated[
        Path, typer.Argument(help="Text file, one sentence a line; standard input by default.", callback=text_or_dash)
    ] = Path("-"),
    *,
    source: Annotated[str, typer.Option("--from", help="Language of the text.")],
    target: Annotated[str, typer.Option("--to", help="Language to translate to.")],
    beams: Annotated[
        int | None, typer.Option(min=1, help="Beam size: by default 5, or that of a model that summarises.")
    ] = None,
    engine: Annotated[
        Literal["transformers", "ct2"] | None,
        typer.Option(help="What searches: transformers, or CTranslate2, which an exported folder needs."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Have CTranslate2 compute in 8 bits.")] = False,
    out: OutFile = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with --out where a translation of the same text was stopped.")
    ] = False,
    force: Force = False,
) -> None:
    """Translate: one line out per line in, empty ones too. Under torchrun or srun each process does a share.

    Lines are written as they are done. A model that was trained to summarise takes a document a line.

    Example: `switchtune translate runs/quickstart/de-en/csr/seed1/task/model --from de --to en < test.de`
    """
    from switchtune.config.load import parse_config
    from switchtune.config.training import GenerationSettings
    from switchtune.files import fingerprint, hash_file
    from switchtune.generation import translate_over_ranks, windows
    from switchtune.generation.export import open_model
    from switchtune.generation.growing import GrowingFile
    from switchtune.models.load import model_fingerprint
    from switchtune.runs.tasks import ready_to_translate
    from switchtune.switching.preview import read_text
    from switchtune.training.distributed import launched, on_first, rank, size

    if out is None and resume:
        raise UsageError("--resume goes on with a file: name it by --out.")
    growing = None if out is None else GrowingFile(out)
    if growing is not None:
        read: list[str | Path] = [read_from(file), model]
        claim_file(growing.path, inputs=read, force=force or resume, own=growing.is_unfinished)
    signal.signal(signal.SIGTERM, _stop)
    search = None if beams is None else parse_config(GenerationSettings, {"beams": beams}, origin="--beams")
    with launched(), ExitStack() as stack:
        if growing is not None and not on_first(lambda: _hold(growing, stack, resume, force)):
            return
        if not file.is_file() and (size() > 1 or resume):
            asker = "--resume" if resume else "more than one process"
            raise UsageError(f"{file}: can be read only once, and {asker} needs it again: give the text as a file.")
        noted = ready_to_translate(model, [], source, search)[1].engine
        opened = open_model(model, engine or ("ct2" if noted == "ct2" else None), "int8" if int8 else None)

        def translations(lines: Iterable[str], before: int = 0) -> Iterator[list[str]]:
            for window in windows(islice(lines, before, None)):
                texts, settings = ready_to_translate(model, window, source, search)
                settings = settings.model_copy(update={"engine": "transformers"})  # or what the model was opened for
                yield translate_over_ranks(opened, texts, source, target, settings, lines_before=before)
                before += len(window)

        lines, first = read_text(file, sys.stdin.buffer), rank() == 0
        if growing is None:
            for window in translations(lines):
                if first:
                    sys.stdout.write("".join(f"{line}\n" for line in window))
                    sys.stdout.flush()
            return
        text = hash_file(file) if file.is_file() else None
        made_of = fingerprint([text, model_fingerprint(model), source, target, beams, engine, int8])
        done = on_first(partial(growing.begin, made_of, resume=resume))
        if done and first:
            print_line(f"{out}: goes on after line {done:,}", err=True)
        try:
            for window in translations(lines, done):
                if first:
                    growing.append(window)
                done += len(window)
        except BaseException:
            if first and done:
                print_line(f"{out}: {done:,} lines are done; the same command with --resume goes on there", err=True)
            raise
        if first:
            growing.finish()


def _hold(growing: "GrowingFile", stack: ExitStack, resume: bool, force: bool) -> bool:
    """Have an output for this process alone; whether anything is to be done, now that none other can change it."""
    stack.enter_context(growing.lock())
    unfinished = growing.is_unfinished
    if unfinished and not resume and not force:
        raise UsageError(
            f"{growing.path}: holds an unfinished translation. --resume goes on with it, --force begins anew."
        )
    if resume and not unfinished and growing.path.is_file():
        print_line(f"{growing.path}: no unfinished translation; nothing to resume", err=True)
        return False
    claim_file(growing.path, force=force, own=unfinished)  # again: one that wrote it may have ended meanwhile
    return True


def _stop(number: int, frame: object) -> None:
    raise Stopped(128 + number)


@app.command()
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
    beams: Beams = 5,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder that translates without switchtune, with a proof that it does the same and a script that uses it.

    Example: `switchtune export runs/quickstart/de-en/csr/seed1/task/model --to ct2 --out exported`
    """
    from switchtune.config.load import parse_config
    from switchtune.config.training import GenerationSettings
    from switchtune.generation.export import export_ct2

    place = claim_folder(out, "export", replaces=True, inputs=[model, *([text] if text else [])], force=force)
    languages = language_pair(langs) if langs else None
    settings = parse_config(GenerationSettings, {"beams": beams}, origin="--beams")
    made = export_ct2(model, place, languages=languages, text=text, int8=int8, settings=settings, force=force)
    if as_json:
        figures = {key: value for key, value in made.parity.record().items() if key != "lines"}
        print_json({"folder": str(out), "languages": made.languages, "to": form, "int8": made.int8, **figures})
    else:
        print_line(f"{out}: {'-'.join(made.languages)}, {made.parity.describe()}")
