"""The verbs that take a configuration: pretrain, run, train, zeroshot, search, plan, show-batch; and reproduce."""

import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from shutil import which
from typing import Annotated, Any, TypeVar

import typer

from switchtune.cli.options import FOLDER, AsJson, Force, Out, json_text, print_json, setting
from switchtune.cli.terminal import print_line
from switchtune.config.inference import NliConfig
from switchtune.config.lexicon import LexiconSettings
from switchtune.config.load import load_config, load_run_config
from switchtune.config.pretrain import PretrainConfig
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.run_dir import claim_folder
from switchtune.runs.paths import CONFIG, side_file

Config = Annotated[Path, typer.Argument(help="YAML file for `switchtune run`.")]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting: --set training.lr=1e-4")
]
Accept = Annotated[bool, typer.Option("--accept-lexicon", help="Train with a lexicon that was judged red.")]
KeepChanged = Annotated[
    bool,
    typer.Option(
        "--keep-changed", help="Use models and outputs in --out even if they have changed since they were made."
    ),
]
Arm = Annotated[
    str | None,
    typer.Option("--arm", "--recipe", help="Name of the arm; by default the first that is not the baseline."),
]

_Comparison = TypeVar("_Comparison", bound=RunConfig | NliConfig)
_run_config = partial(load_config, RunConfig)


def _claim(out: Path, verb: str, file: Path, settings: RunConfig | NliConfig | PretrainConfig, *, force: bool) -> None:
    """Claim a folder for what a configuration asks for. Its file may be what the verb would write there."""
    written = out / CONFIG
    as_it_is = written.is_file() and file.samefile(written) and file.read_bytes() == settings.as_yaml().encode()
    claim_folder(out, verb, inputs=[*settings.inputs, *([] if as_it_is else [file])], force=force)


def _claimed(
    load: Callable[[Path, list[str]], _Comparison], verb: str, file: Path, out: Path, overrides: list[str], force: bool
) -> _Comparison:
    """A comparison as it is configured, for which the folder is claimed once what its arms need is there."""
    settings = load(file, overrides)
    from switchtune.runs.arms import require_inputs

    require_inputs(settings, settings.arms)
    _claim(out, verb, file, settings, force=force)
    return settings


def _flags(accept: bool, keep_changed: bool) -> list[str]:
    return [*["lexicon.accept=true"] * accept, *["keep_changed=true"] * keep_changed]


def pretrain(
    config: Annotated[Path, typer.Argument(help="YAML file with texts, size and training.")],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a small model from monolingual text by denoising (the paper's equation 2).

    Example: `switchtune pretrain examples/quickstart-pretrain.yaml --out runs/quickstart/pretrained`
    """
    settings = load_config(PretrainConfig, config, overrides)
    from switchtune.cli.display import Display
    from switchtune.events import Event, stage_event
    from switchtune.runs.pretraining import pretrain as pretrain_model
    from switchtune.runs.pretraining import require_possible

    require_possible(settings)
    _claim(out, "pretrain", config, settings, force=force)

    with Display() as display:
        pretrained = pretrain_model(
            settings,
            out,
            on_progress=lambda step: display.show(stage_event("pretrain", "denoise", step)),
            on_message=lambda message: display.show(Event("pretrain", message)),
        )
    if pretrained.set_aside is not None:
        print_line(
            f"The settings or the text have changed; the earlier files are now in {pretrained.set_aside}", err=True
        )
    figures = {**asdict(pretrained), "folder": str(pretrained.folder)}
    figures["set_aside"] = pretrained.set_aside and str(pretrained.set_aside)
    training = pretrained.training
    text = (
        f"{pretrained.folder}: a {settings.family} model, {training.updates:,} updates on {pretrained.passages:,} "
        f"passages ({pretrained.too_long:,} left out for their length), {training.seconds / 60:.1f} minutes"
    )
    print_line(json_text(figures) if as_json else text)


def run(
    config: Annotated[Path, typer.Argument(help="YAML file with model, pairs, arms, seeds and settings.")],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Fine-tune every arm for the same total number of updates, test the models, and compare them.

    The file's `task` is translation, summarization or nli (trained in one language, tested in others).

    Example: `switchtune run examples/quickstart.yaml --out runs/quickstart/comparison`
    """
    settings = _claimed(load_run_config, "run", config, out, overrides + _flags(accept, keep_changed), force)
    from switchtune.cli.display import Display, print_accuracies, print_summary
    from switchtune.results.comparison import metrics_record
    from switchtune.runs.experiment import run_experiment

    with Display() as display:
        summary = run_experiment(settings, out, on_event=display.show)
    if as_json:
        print_json(metrics_record(summary))
    else:
        (print_accuracies if isinstance(settings, NliConfig) else print_summary)(summary)
        print_line(f"{out / 'comparison.md'}, {out / 'metrics.json'}")
        for command in _next_commands(settings, out):
            print_line(f"next: {command}")


def _next_commands(settings: RunConfig | NliConfig, out: Path) -> Iterator[str]:
    """What to do with a run, as it can be typed from here."""
    typed = Path(sys.argv[0])
    program = str(typed) if typed.name == "switchtune" and not which("switchtune") else "switchtune"
    run, page = shlex.quote(str(out)), shlex.quote(f"{out.resolve().name}.html")
    yield f"{program} report {run} --out {page}"
    if isinstance(settings, RunConfig):
        pair = settings.pairs[0]
        if settings.task == "translation":
            text = shlex.quote(str(side_file(out, pair.name, pair.source)))
            yield f"{program} translate {run} --from {pair.source} --to {pair.target} {text} --out {pair.name}.txt"
        yield f"{program} demo {run}"


def train(
    config: Config,
    out: Out,
    arm: Arm = None,
    pair: Annotated[
        str | None, typer.Option(help="A pair that the model learns, as in de-en; by default the first.")
    ] = None,
    seed: Annotated[int | None, setting(LexiconSettings, "seed", help="By default the first in the file.")] = None,
    gpus: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Number of GPUs to train with, one process each.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Number of processes to train with on a machine without GPUs.")
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Train one model of an arm, with one process or many, and print where it is.

    The folder is the one that `switchtune run` writes to, which does not train this model again. An update's batch is
    the same however many processes share it. Under torchrun, accelerate launch or srun, leave out --gpus: each process
    joins. Early stopping (`training.patience`) is for this verb only, as `run` compares arms at equal updates. A
    configuration for nli has no pairs: leave out --pair.

    Example: `switchtune train examples/quickstart.yaml --out runs/quickstart/comparison --arm csr`
    """
    settings = load_run_config(config, overrides + _flags(accept, keep_changed))
    from switchtune.cli.display import Display
    from switchtune.runs.arms import chosen_arm, require_inputs
    from switchtune.runs.train import train_arm

    require_inputs(settings, [chosen_arm(settings, arm)])
    _claim(out, "run", config, settings, force=force)
    with Display() as display:
        chosen: Any = {"arm": arm, "pair": pair, "seed": seed, "gpus": gpus, "processes": processes}
        trained = train_arm(settings, out, **chosen, on_event=display.show)
    if trained is not None and as_json:
        print_json(trained.record())
    elif trained is not None:
        print_line(str(trained.model))


def reproduce(
    run: Annotated[Path, typer.Argument(help="Folder of a finished `switchtune run`.", **FOLDER)],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the new run; the same one again resumes it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what has changed, and run nothing.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Report what has changed since a run (versions, machine, files, model), run it again, and compare the scores.

    On a CPU, with nothing changed, scores are the same to the last digit; otherwise they may differ as two trainings do
    by chance. Exits 1 if they differ by more, or if a file is missing.

    Example: `switchtune reproduce runs/quickstart/comparison --dry-run`
    """
    if out is None and not dry_run:
        raise UsageError("--out: name a folder for the new run, or use --dry-run to see what has changed.")
    from switchtune.cli.display import Display
    from switchtune.runs.reproduce import read_past
    from switchtune.runs.reproduce import reproduce as run_again

    past = read_past(run, lambda event: print_line(event.what, err=True))
    tell = partial(print_line, err=as_json and not dry_run)
    for each in past.differences:
        tell(each.describe())
    tell(past.expectation)
    if past.missing:
        named = ", ".join(each.what for each in past.missing[:4])
        raise SwitchtuneError(
            f"{run}: cannot be run again without {named}. Relative paths start from where it was started."
        )
    if out is None or dry_run:
        return
    claim_folder(out, "run", inputs=[*past.config.inputs, run], force=force)
    with Display() as display:
        made = run_again(past, out, display.show)
    if as_json:
        print_json(made.record())
    else:
        for score in made.scores:
            print_line(score.describe())
        print_line(made.verdict)
    if not made.holds:
        raise typer.Exit(1)


def zeroshot(
    config: Annotated[
        Path, typer.Argument(help="YAML file for `switchtune run`, with a `zeroshot` block if more is tested.")
    ],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Test every model in all directions into its target languages: a matrix of tested against trained ones.

    `zeroshot.tests` and `zeroshot.multiway` name further test sets. Languages without pairs for which arms have glosses
    (`zeroshot.glossed`) are tested too.

    Trains what `switchtune run` would, in the same folder, and does not repeat what is finished there.

    Example, with the corpora that its file names: `switchtune zeroshot examples/zeroshot.yaml --out runs/zeroshot`
    """
    settings = _claimed(_run_config, "run", config, out, overrides + _flags(accept, keep_changed), force)
    from switchtune.cli.display import Display, print_matrices
    from switchtune.runs.zeroshot import run_zeroshot

    with Display() as display:
        matrices = run_zeroshot(settings, out, on_event=display.show)
    if as_json:
        print_json({"matrices": [matrix.record() for matrix in matrices]})
    else:
        print_matrices(matrices)
        files = (out / f"zeroshot.{form}" for form in ("md", "json", "svg", "png"))
        print_line(", ".join(str(path) for path in files if path.exists()))


def search(
    config: Annotated[Path, typer.Argument(help="YAML file for `switchtune run` with a `search` block.")],
    out: Out,
    overrides: Overrides = [],  # noqa: B006
    accept: Accept = False,
    keep_changed: KeepChanged = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Try learning rates, batch sizes and numbers of updates on the validation set, the same for every arm.

    Uses the first pair and the first seed. Writes `best.yaml`, a configuration for `switchtune run`.

    Example: `switchtune search examples/quickstart.yaml --out runs/search --set 'search.lr=[5e-4, 1e-3, 2e-3]'`
    """
    settings = _claimed(_run_config, "search", config, out, overrides + _flags(accept, keep_changed), force)
    from switchtune.cli.display import Display, print_table
    from switchtune.runs.search import search as search_grid
    from switchtune.runs.search import search_table

    with Display() as display:
        result = search_grid(settings, out, on_event=display.show)
    if as_json:
        print_json(result.record())
    else:
        print_table(*search_table(result), title=result.pair)
        if result.at_the_edge:
            print_line(result.at_the_edge)
        print_line(f"{out / 'best.yaml'}, {out / 'search.md'}, {out / 'search.json'}")


def plan(
    config: Config,
    gpu_memory: Annotated[
        float | None,
        typer.Option(
            metavar="GB", min=1, max=10_000, help="Report whether it fits on another GPU with this much memory."
        ),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Print what a run will take before it starts: memory in GB, what would make it fit, tokens per second, hours.

    Example: `switchtune plan examples/quickstart.yaml`
    """
    settings = _run_config(config, overrides)
    from switchtune.cli.display import print_plan
    from switchtune.runs.plan import plan as plan_run

    planned = plan_run(settings, gpu_memory=gpu_memory)
    if as_json:
        print_json(asdict(planned))
    else:
        print_plan(planned)


def show_batch(
    config: Config,
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="Examples shown per stage.")] = 2,
    arm: Arm = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of a run: show its lexicon, with edits by hand, and its back-translations."),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Print what the model is given in each stage: encoder input, labels and decoder input, special tokens included.

    Example: `switchtune show-batch examples/quickstart.yaml`
    """
    settings = load_run_config(config, overrides)
    if out is not None and not (out / CONFIG).is_file():
        raise UsageError(f"--out {out}: not the folder of a run: there is no {CONFIG} in it.")
    from switchtune.runs.experiment import batch_preview

    tell = lambda event: print_line(event.what, err=True)  # noqa: E731
    for block in batch_preview(settings, arm=arm, rows=rows, folder=out, on_event=tell):
        print_line(block)
