"""The verbs that show a run to people: analyse, report, demo."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from switchtune.cli.options import FOLDER, AsJson, Force, Seed, found_run, frequencies, print_json
from switchtune.cli.terminal import print_line
from switchtune.errors import UsageError
from switchtune.files import write_text
from switchtune.languages import find_language
from switchtune.run_dir import claim_file, claim_folder

AnalysedRun = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="Folder of `switchtune run` or `switchtune train`, or one above it.", **FOLDER),
]
StateOf = Annotated[
    Literal["piece", "end"],
    typer.Option(help="Whose state stands for a sentence: its last piece's, or the decoder's last token's (paper)."),
]
Buckets = Annotated[str, typer.Option(help="Bounds of word frequency; words below the first are rare.")]


def analyse(
    run: AnalysedRun,
    what: Annotated[list[str], typer.Option("--what", help="Which analysis; repeat it for more. By default all.")] = [],  # noqa: B006
    multiway: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Measure distances on 'ntrex/test.*.xz' too, aligned by line.")
    ] = None,
    text: Annotated[
        list[str], typer.Option("--text", metavar="LANG=FILE", help="Pretraining text, for the ellipses.")
    ] = [],  # noqa: B006
    method: Annotated[Literal["pca", "tsne"], typer.Option(help="How the projection finds its plane.")] = "pca",
    sentences: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Maximum number of pairs whose distance is measured.")
    ] = 2000,
    token: StateOf = "piece",
    points: Annotated[
        int, typer.Option(min=3, max=1_000_000, help="Maximum number of sentences projected from each text and side.")
    ] = 300,
    buckets: Buckets = "100,1000",
    cases: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Maximum number of sentences shown for two systems.")
    ] = 20,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Analyse a run: distance, frequency, length, projection, dynamics, cost, cases. Each is a JSON file and a figure.

    Writes to RUN/analysis. If the run is not finished, what is missing is named and the rest is analysed. t-SNE needs
    scikit-learn: the extra `analysis`.

    Example: `switchtune analyse runs/quickstart --what cost --what dynamics`
    """
    from switchtune.analysis.analyse import ANALYSES, AnalysisSettings
    from switchtune.analysis.analyse import analyse as analyse_run
    from switchtune.cli.display import Display

    chosen: Any = what or ANALYSES
    settings = AnalysisSettings(
        multiway=multiway,
        texts=_texts(text),
        method=method,
        seed=seed,
        distance_sentences=sentences,
        distance_token=token,
        projection_sentences=points,
        buckets=frequencies(buckets),
        cases=cases,
    )
    with Display() as display:
        analysed = analyse_run(found_run(run), chosen, settings, on_event=display.show)
    if as_json:
        print_json(analysed.record())
        return
    for path in analysed.files:
        print_line(str(path))
    for line in analysed.missing:
        print_line(line, err=True)


def _texts(options: list[str]) -> dict[str, list[str]]:
    from switchtune.corpus.read import read_monolingual

    texts: dict[str, list[str]] = {}
    for option in options:
        language, equals, path = option.partition("=")
        if not equals:
            raise UsageError(f"--text {option}: expected a language and a file, as in de=news.de")
        texts.setdefault(find_language(language).code, []).extend(read_monolingual(path, language))
    return texts


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of `switchtune run`, or folders above them.", **FOLDER),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="HTML file to write; by default named after the first run.")
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Folder to write the figures to as well, as files.")] = None,
    form: Annotated[Literal["svg", "png", "pdf"], typer.Option("--format", help="Format of these files.")] = "svg",
    force: Force = False,
) -> None:
    """Write runs as one HTML file that opens anywhere, offline: the results, how certain they are, and what led there.

    An unfinished run is shown as far as it has got, with what is missing. Several runs are shown side by side, with
    curves over the sizes of their corpora; scores on different test sets are not compared.

    Example: `switchtune report runs/quickstart --out report.html --figures figures --format pdf`
    """
    from switchtune.report.html import is_report
    from switchtune.report.run_page import run_page
    from switchtune.results.drawing import boxes_text, write_figure

    runs = list(map(found_run, runs))
    out = out or Path(f"{runs[0].resolve().name}.html")
    output = claim_file(out, hosts=runs, force=force, own=out.is_file() and is_report(out))
    if figures is not None:
        claim_folder(figures, "report", hosts=runs, force=force, option="--figures")
    page = run_page(runs)
    for warning in page.warnings:
        print_line(f"switchtune: {warning}", err=True)
    write_text(output, page.html)
    letters: list[str] = []
    for drawing in page.drawings if figures is not None else ():
        write_figure(Path(figures or "", drawing.name), drawing.draw, [form], on_missing=letters.append)
    if letters:
        missing = "".join(dict.fromkeys("".join(letters)))
        print_line(f"switchtune: {boxes_text(missing)}", err=True)
    print_line(str(out))


def demo(
    run: Annotated[Path, typer.Argument(help="Folder of `switchtune run`, or one above it.", **FOLDER)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 picks a free one.")] = 7860,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the page in a browser.")] = False,
) -> None:
    """Try a run in the browser: switch a sentence, restore it, translate it, edit the lexicon.

    The page is at 127.0.0.1, for this machine only. Ctrl-C ends it.

    Example: `switchtune demo runs/quickstart`
    """
    import webbrowser
    from threading import Thread

    from switchtune.demo.server import serve
    from switchtune.demo.session import open_session

    def ready(url: str) -> None:
        print_line(f"{url} (Ctrl-C ends it)")
        if not no_open:
            Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # some return only when they are closed

    session = open_session(found_run(run))
    for warning in session.run.warnings:
        print_line(f"switchtune: {warning}", err=True)
    serve(session, port, ready)
