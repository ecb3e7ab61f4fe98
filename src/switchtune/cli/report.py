"""The verbs that show a run to people."""

from pathlib import Path
from typing import Annotated

import typer

from switchtune.cli.options import FOLDER, Force
from switchtune.cli.terminal import print_line
from switchtune.files import claim_file, claim_folder


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of `switchtune run`.", **FOLDER)],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    figures: Annotated[Path | None, typer.Option(help="Folder for the figures as SVG files too.")] = None,
    force: Force = False,
) -> None:
    """Write runs as one HTML file that opens anywhere, offline: what came out, how sure it is, and what led there.

    A run that is not finished is shown as far as it has come, with what is missing. Several runs stand side by side;
    those of different test sets are not compared.

    Example: `switchtune report runs/quickstart --out report.html --figures figures`
    """
    from switchtune.files import write_text
    from switchtune.report.html import is_report
    from switchtune.report.run_page import run_page

    place = claim_file(out, hosts=runs, force=force, own=out.is_file() and is_report(out))
    if figures is not None:
        claim_folder(figures, "report", hosts=runs, force=force, option="--figures")
    made = run_page(runs)
    for warning in made.warnings:
        print_line(f"switchtune: {warning}", err=True)
    write_text(place, made.html)
    if figures is not None:
        for figure in made.figures:
            write_text(figures / f"{figure.name}.svg", figure.file())
    typer.echo(out)


def demo(
    run: Annotated[Path, typer.Argument(help="Folder of `switchtune run`.", **FOLDER)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes one that is free.")] = 7860,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the page in a browser.")] = False,
) -> None:
    """Try a run on a page of this machine: switch a sentence, restore it, translate it, edit the lexicon.

    The page is at 127.0.0.1, for this machine alone. Ctrl-C ends it.

    Example: `switchtune demo runs/quickstart`
    """
    import webbrowser
    from threading import Thread

    from switchtune.demo.server import serve
    from switchtune.demo.session import open_workshop

    def ready(url: str) -> None:
        typer.echo(f"{url} (Ctrl-C ends)")
        if not no_open:
            Thread(target=webbrowser.open, args=(url,), daemon=True).start()  # some return only when they are closed

    workshop = open_workshop(run)
    for warning in workshop.run.warnings:
        print_line(f"switchtune: {warning}", err=True)
    serve(workshop, port, ready)
