"""Verb → function. Heavy libraries are imported by the verbs that need them, so that --help answers at once."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from switchtune.cli.check import check
from switchtune.cli.lexicon import lexicon_app, lexicon_judge
from switchtune.cli.model import add_language, export, push, trim, untrim
from switchtune.cli.report import analyse, demo, report
from switchtune.cli.runs import plan, pretrain, reproduce, run, search, show_batch, train, zeroshot
from switchtune.cli.scores import compare, score
from switchtune.cli.start import doctor, init
from switchtune.cli.terminal import STANDARD_OUTPUT, print_line, standard_streams
from switchtune.cli.text import switch, translate
from switchtune.errors import (
    SaidElsewhereError,
    SwitchtuneError,
    UsageError,
    explain_os_error,
    lack_of_working_folder,
    log_unforeseen,
)

_GROUPS: Mapping[str, Sequence[Callable[..., None] | typer.Typer]] = {
    "Start": (init, doctor),
    "Data": (check,),
    "Lexicon": (lexicon_app, lexicon_judge, switch),
    "Model": (pretrain, add_language, trim, untrim),
    "Train": (plan, show_batch, run, train, search, zeroshot),
    "Use": (translate, export, push),
    "Look": (report, demo, analyse, score, compare, reproduce),
}
"""The verbs in the order of the work."""


class _InOrder(TyperGroup):
    """Verbs as they are listed in `_GROUPS`; typer has those with verbs of their own last."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [_name(verb) for verbs in _GROUPS.values() for verb in verbs]


def _name(verb: Callable[..., None] | typer.Typer) -> str:
    return "lexicon" if isinstance(verb, typer.Typer) else verb.__name__.replace("_", "-")


app = typer.Typer(
    cls=_InOrder,
    name="switchtune",
    help="""Code-switching finetuning for multilingual sequence-to-sequence models.

    `csr` is code-switching restore: the model first learns to restore sentences in which some words were replaced by
    their translations, and is then fine-tuned as usual. `csr+` also learns from glosses: target sentences in
    the words of the source language, made with a lexicon, which the model translates back. `standard` is
    ordinary fine-tuning, the baseline for the others.
    """,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for _group, _verbs in _GROUPS.items():
    for _verb in _verbs:
        if isinstance(_verb, typer.Typer):
            app.add_typer(_verb, name=_name(_verb), rich_help_panel=_group)
        else:
            app.command(_name(_verb), rich_help_panel=_group)(_verb)


def main() -> None:
    """Entry point. Errors are told in one message each. Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    with standard_streams():
        sys.exit(_exit_code())


def _exit_code() -> int:
    code = 0
    try:
        if sys.argv[1:2] == ["help"]:
            sys.argv[1:] = [*sys.argv[2:], "--help"]
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
            said = said if said.endswith("?") else f"{said.rstrip('.')}."
            print_line(f"switchtune: {said}{_hint(error, said)} See `{verb} --help`.", err=True)
        return 2
    print_line(f"switchtune: {log_unforeseen(error)}", err=True)
    return 1


def _hint(error: Any, said: str) -> str:
    """What was probably meant by a word too many, or by an option that there is not."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    settings = any("--set" in parameter.opts for parameter in getattr(command, "params", ()))
    if "No such option" in said and settings:
        return " Settings are given as in --set training.updates=3000."
    if "extra argument" in said:
        return " Put a value that contains spaces in quotes" + (", and --set takes key=value." if settings else ".")
    return ""


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed_version

        print_line(f"switchtune {installed_version('switchtune')}")
        raise typer.Exit
    if sys.flags.optimize > 1:
        raise UsageError(
            "Python is running without docstrings, which transformers needs. Leave out -OO and unset PYTHONOPTIMIZE."
        )
    if lack_of_working_folder():  # Libraries fail in their own ways, some as they are loaded.
        raise SwitchtuneError("cannot begin.")
