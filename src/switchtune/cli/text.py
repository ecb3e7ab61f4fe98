"""The verbs that take a text line by line: switch, translate."""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from switchtune.cli.options import (
    LOCATION,
    TEXT,
    Force,
    OutFile,
    PiecesOf,
    Seed,
    model_of,
    piece_segmenter,
    read_from,
    setting,
)
from switchtune.cli.terminal import TextConsole, print_line
from switchtune.config.chat import ChatSettings
from switchtune.config.load import parse_config
from switchtune.config.switching import SwitchingSettings
from switchtune.config.training import Engine, GenerationSettings
from switchtune.errors import Stopped, UsageError
from switchtune.files import atomic_path, file_and_part
from switchtune.languages import find_language
from switchtune.run_dir import claim_file, claim_standard_output

if TYPE_CHECKING:
    from switchtune.generation.files import TextTranslation
    from switchtune.switching.preview import SwitchedLine
    from switchtune.switching.switcher import Switched

_SWITCHING = SwitchingSettings()
_INSTRUCTION = ChatSettings().restore
LexiconFile = Annotated[
    str,
    typer.Option(
        "--lexicon", metavar="FILE", help="Lexicon from this text's language, or a glossary that has it.", **LOCATION
    ),
]
TargetLanguage = Annotated[
    str | None, typer.Option(help="Language of the translations; required with a glossary (TBX, XLSX, CSV, …).")
]
Instruction = Annotated[
    str, typer.Option(metavar="TEXT", help="With --chat: the request, with {text}, {language} and {other}.")
]
TermFile = Annotated[
    str | None,
    typer.Option(
        "--glossary", help="Terms with their translations, for the model to use: TSV, TBX, XLSX, a lexicon, …"
    ),
]
Constrained = Annotated[
    bool,
    typer.Option(
        "--constrained",
        help="With --glossary: if a translation lacks a term, search again for one with all of them (slow).",
    ),
]
Kept = Annotated[
    list[str],
    typer.Option(
        "--keep", help="What must come back unchanged: placeholders, tags, urls or numbers; repeat it for several."
    ),
]
Beams = Annotated[
    int | None,
    setting(GenerationSettings, "beams", help="Beam size; by default 5, or the setting of a summarisation model."),
]
AlsoTranslated = Annotated[
    bool,
    typer.Option("--all", help="In XLIFF, TMX and PO, replace existing translations too."),
]


def switch(
    text: Annotated[Path, typer.Argument(help="Text file, one sentence per line; - for standard input.", **TEXT)],
    location: LexiconFile,
    lang: Annotated[str, typer.Option(help="Language of the text.")],
    to: TargetLanguage = None,
    rate: Annotated[float, setting(SwitchingSettings, "rate")] = _SWITCHING.rate,
    mean_span: Annotated[float, setting(SwitchingSettings, "mean_span")] = _SWITCHING.mean_span,
    pieces_of: PiecesOf = None,
    source: Annotated[
        Literal["lexicon", "random", "mask"], typer.Option(help="What replaces words; random and mask are controls.")
    ] = "lexicon",
    seed: Seed = 1,
    epoch: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Epoch; each draws other replacements.")] = 0,
    tsv: Annotated[bool, typer.Option("--tsv", help="Original and switched sentence, separated by a tab.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object per line.")] = False,
    chat: Annotated[
        bool, typer.Option("--chat", help="One chat per line, as JSON, that asks the model to restore the sentence.")
    ] = False,
    instruction: Instruction = _INSTRUCTION,
    out: OutFile = None,
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rates as JSON (to standard error).")] = False,
) -> None:
    """Replace words of a text with their translations, line by line.

    With --chat, a line is an example of stage 1 for tools that train decoder-only models; blank lines are left out.
    On a terminal, original and switched sentences are shown in colour. The realised rate goes to standard error.

    Example: `switchtune switch runs/quickstart/comparison/de-en/test.de --lexicon lexicon/lexicon.de-en.tsv --lang de
    --tsv --out switched.tsv`
    """
    from switchtune.lexicon.glossary import read_dictionary_into
    from switchtune.switching.preview import FORMATS, read_text, switched_lines, text_switcher
    from switchtune.switching.switcher import rates_of

    form_name = _only_form(tsv=tsv, jsonl=jsonl, chat=chat)
    restoring = _instruction(instruction, chat=chat, source=source)
    inputs: list[Path | str] = [read_from(text), file_and_part(location)[0], *([pieces_of] if pieces_of else [])]
    output = _claimed(out, inputs, force=force)
    lexicon, pieces = read_dictionary_into(location, lang, to), piece_segmenter(pieces_of)
    switcher = text_switcher(lexicon, lang, pieces=pieces, source=source, rate=rate, mean_span=mean_span, seed=seed)
    form = partial(_as_chat, restoring, lang, lexicon.target_language) if chat else FORMATS[form_name]
    blank = 0
    with ExitStack() as stack:
        write = _line_writer(stack, output, form, replaces=force)

        def written() -> Iterator["Switched"]:
            nonlocal blank
            for line in switched_lines(read_text(text, sys.stdin.buffer), switcher, seed=seed, epoch=epoch):
                if chat and not line.original_text.strip():
                    blank += 1
                else:
                    write(line)
                    yield line.switched

        rates = rates_of(written())
    if blank:
        print_line(f"{blank:,} blank line{'s' * (blank > 1)} left out", err=True)
    print_line(json.dumps(rates.record()) if as_json else rates.describe(), err=True)


def _claimed(out: Path | None, inputs: Sequence[Path | str], *, force: bool) -> Path | None:
    """Where to write, once nothing stands against it; None is standard output."""
    if out is None:
        claim_standard_output(inputs)
        return None
    return claim_file(out, inputs=inputs, force=force)


def _only_form(**asked: bool) -> str:
    """The form of lines that is asked for; text where none is."""
    forms = [name for name, wanted in asked.items() if wanted]
    if len(forms) > 1:
        raise UsageError(f"{' and '.join(f'--{name}' for name in forms)}: choose one")
    return (*forms, "text")[0]


def _instruction(instruction: str, *, chat: bool, source: str) -> str:
    """What is asked where a sentence is to be restored."""
    if instruction != _INSTRUCTION and not chat:
        raise UsageError("--instruction is for chats only: add --chat.")
    if chat and source == "mask":
        raise UsageError("--chat --source mask: the mask is a token of models that do not chat. Choose another source.")
    return parse_config(ChatSettings, {"restore": instruction}, origin="--instruction").restore


def _as_chat(instruction: str, language: str, other: str, line: "SwitchedLine") -> str:
    from switchtune.switching.chat import asked_to_restore, chat_line

    return chat_line(asked_to_restore(instruction, line.switched_text, language, other), line.original_text)


def _line_writer(
    stack: ExitStack, output: Path | None, form: Callable[["SwitchedLine"], str], *, replaces: bool
) -> Callable[["SwitchedLine"], object]:
    """What writes a line to a file that is closed with the stack, or else to standard output."""
    from switchtune.switching.preview import FORMATS, coloured

    if output is None and form is FORMATS["text"] and sys.stdout.isatty():
        console = TextConsole()
        return lambda line: console.print(coloured(line), soft_wrap=True)
    stream = sys.stdout
    if output is not None:
        temporary = stack.enter_context(atomic_path(output, replaces=replaces))
        stream = stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
    return lambda line: stream.write(form(line) + "\n")


def translate(
    model: Annotated[
        str, typer.Argument(help="Fine-tuned model: a folder or Hub id; or a run, for its best model by validation.")
    ],
    file: Annotated[
        Path, typer.Argument(help="Text file, one sentence per line; standard input by default.", **TEXT)
    ] = Path("-"),
    *,
    source: Annotated[str, typer.Option("--from", help="Language of the text.")],
    target: Annotated[str, typer.Option("--to", help="Language to translate to.")],
    beams: Beams = None,
    engine: Annotated[
        Engine | None,
        typer.Option(help="transformers or CTranslate2; an exported folder always uses the latter."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit computation in CTranslate2.")] = False,
    out: OutFile = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted translation of the same text to --out.")
    ] = False,
    force: Force = False,
    glossary: TermFile = None,
    constrained: Constrained = False,
    keep: Kept = [],  # noqa: B006
    everything: AlsoTranslated = False,
) -> None:
    """Translate a text: one line out per line in, empty lines included. Under torchrun or srun the processes share it.

    Lines are written as soon as they are translated. A summarisation model takes one document per line.

    XLIFF, TMX and PO files are written back in their own format: untranslated entries get a translation to be reviewed,
    and everything else stays as it is.

    --glossary inserts the target-language terms into the text, for a model that was trained with terms; --constrained
    searches for translations that contain them, with any model. Terms found and kept are counted on standard error.

    Example: `switchtune translate runs/quickstart --from de --to en runs/quickstart/comparison/de-en/test.de
    --out translated.en`
    """
    from switchtune.generation.files import TextTranslation
    from switchtune.generation.keeping import keeper
    from switchtune.runs.tasks import ready_to_translate, summarises

    for language in (source, target):
        find_language(language)  # before anything is loaded, or fetched
    model = model_of(model, source, target)
    if (glossary or keep) and summarises(model):
        raise UsageError(f"{model}: is a summarisation model. Leave out --glossary and --keep.")
    if constrained and not glossary:
        raise UsageError("--constrained needs terms: give a glossary with --glossary.")
    if out is None and resume:
        raise UsageError("--resume continues a file: name it with --out.")
    search = None if beams is None else GenerationSettings(beams=beams)
    ready = partial(ready_to_translate, model, language=source, settings=search)
    tell = partial(print_line, err=True)
    untrained = (lambda said: None) if constrained else tell
    kept = keeper(model, (source, target), glossary, keep, tell=untrained)
    translation = TextTranslation(model, file, source, target, beams, engine, int8, ready, kept, constrained, tell)
    inputs: list[str | Path] = [read_from(file), model, *([file_and_part(glossary)[0]] if glossary else [])]
    _write(translation, out, inputs, everything=everything, resume=resume, force=force)


def _write(
    translation: "TextTranslation",
    out: Path | None,
    inputs: Sequence[str | Path],
    *,
    everything: bool,
    resume: bool,
    force: bool,
) -> None:
    """Write what a file is translated to: files of translations are written back, others are lines."""
    from switchtune.corpus.lines import plain
    from switchtune.generation.bilingual import WRITTEN_BACK

    file = translation.text
    if plain(file).suffix.lower() not in WRITTEN_BACK:
        if everything:
            raise UsageError(f"--all: {file} holds no translations; it is for {', '.join(WRITTEN_BACK)}.")
        _write_lines(translation, out, inputs, resume=resume, force=force)
        return
    if out is None:
        raise UsageError(f"{file}: is written back in its own format: name the new file with --out.")
    claim_file(out, inputs=inputs, force=force)
    _write_back(translation, out, everything=everything, resume=resume, force=force)


def _write_lines(
    translation: "TextTranslation", out: Path | None, inputs: Sequence[str | Path], *, resume: bool, force: bool
) -> None:
    from switchtune.generation.files import GrowingFile, translate_into, translate_onto

    signal.signal(signal.SIGTERM, _stop)
    if out is None:
        claim_standard_output(inputs)
        translate_onto(sys.stdout, translation)
    else:
        growing = GrowingFile(out)
        claim_file(growing.path, inputs=inputs, force=force or resume, own=growing.is_unfinished)
        translate_into(growing, translation, resume=resume, force=force, tell=translation.tell)


def _write_back(translation: "TextTranslation", out: Path, *, everything: bool, resume: bool, force: bool) -> None:
    from switchtune.generation.bilingual import document_of, translate_document

    signal.signal(signal.SIGTERM, _stop)
    document = document_of(translation.text, translation.source, translation.target, everything=everything)
    translate_document(document, out, translation, resume=resume, force=force, tell=translation.tell)


def _stop(number: int, frame: object) -> None:
    raise Stopped(128 + number)
