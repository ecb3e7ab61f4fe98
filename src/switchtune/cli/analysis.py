"""The verb that analyses a run."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from switchtune.cli.options import FOLDER, AsJson, Seed, frequencies, print_json
from switchtune.cli.terminal import print_line
from switchtune.errors import UsageError


def analyse(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder of `switchtune run` or `switchtune train`.", **FOLDER)
    ],
    what: Annotated[list[str], typer.Option("--what", help="Which analysis; again for more. By default all.")] = [],  # noqa: B006
    multiway: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Measure distances on 'ntrex/test.*.xz' too: a line in each.")
    ] = None,
    text: Annotated[
        list[str], typer.Option("--text", metavar="LANG=FILE", help="Text of the pretraining, for the ellipses.")
    ] = [],  # noqa: B006
    method: Annotated[Literal["pca", "tsne"], typer.Option(help="How the projection finds its plane.")] = "pca",
    sentences: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Pairs whose distance is measured, at most.")
    ] = 2000,
    points: Annotated[
        int, typer.Option(min=3, max=1_000_000, help="Sentences of each text and side projected, at most.")
    ] = 300,
    buckets: Annotated[str, typer.Option(help="Bounds of word frequency; below the first a word is rare.")] = (
        "100,1000"
    ),
    cases: Annotated[int, typer.Option(min=1, max=1_000_000, help="Sentences shown for two systems, at most.")] = 20,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Analyse a run: distance, frequency, projection, dynamics, cost, cases. Each is a JSON file and a figure.

    Written to RUN/analysis. What a run that is not finished lacks is named, and the rest analysed. Figures need
    matplotlib, t-SNE scikit-learn: the extra `analysis`.

    Example: `switchtune analyse runs/quickstart --what distance --what dynamics`
    """
    from switchtune.analysis.analyse import ANALYSES, AnalysisSettings
    from switchtune.analysis.analyse import analyse as analyse_run
    from switchtune.cli.display import Display

    chosen = tuple(name for name in ANALYSES if name in what or not what)
    unknown = sorted(set(what) - set(chosen))
    if unknown:
        raise UsageError(f"--what {unknown[0]}: choose from {', '.join(ANALYSES)}.")
    settings = AnalysisSettings(
        multiway=multiway,
        texts=_texts(text),
        method=method,
        seed=seed,
        distance_sentences=sentences,
        projection_sentences=points,
        buckets=frequencies(buckets),
        cases=cases,
    )
    with Display() as display:
        found = analyse_run(run, chosen, settings, on_event=display.show)
    if as_json:
        print_json(found.record())
        return
    for path in found.files:
        typer.echo(path)
    for line in (*found.missing, *([found.hint] if found.hint else [])):
        print_line(line, err=True)


def _texts(options: list[str]) -> dict[str, list[str]]:
    from switchtune.corpus.read import read_monolingual
    from switchtune.languages import find_language

    texts: dict[str, list[str]] = {}
    for option in options:
        language, found, path = option.partition("=")
        if not found:
            raise UsageError(f"--text {option}: expected a language and a file, as in de=news.de")
        texts.setdefault(find_language(language).code, []).extend(read_monolingual(path, language))
    return texts
