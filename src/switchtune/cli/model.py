"""The verbs that make one model from another, and that hand one on: trim, untrim, add-language, export, push."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from switchtune.cli.options import (
    FILE,
    FOLDER,
    AsJson,
    Force,
    Model,
    NewFolder,
    json_text,
    language_pair,
    model_of,
    print_json,
    setting,
)
from switchtune.cli.runs import Arm, Overrides
from switchtune.cli.terminal import print_line
from switchtune.config.training import GenerationSettings
from switchtune.errors import UsageError
from switchtune.run_dir import claim_folder


def trim(
    model: Model,
    more: Annotated[list[Path], typer.Argument(metavar="[FILE]...", help="Further text files.", **FILE)] = [],  # noqa: B006
    *,
    text: Annotated[
        list[Path], typer.Option("--text", metavar="FILE...", help="Text files, one sentence a line.", **FILE)
    ],
    langs: Annotated[str, typer.Option("--langs", help="Languages whose characters and tags are kept: de,en.")],
    out: NewFolder,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Remove the pieces of a model's vocabulary that a text does not need.

    What is kept: the pieces of the text, every character of the languages' scripts and of Latin, digits, punctuation,
    symbols and emoji, special tokens and tags. Before anything is written, it is proved that the text is segmented as
    before and that the kept pieces have the same logits. The folder contains `trim.json`, which `untrim` relies on.

    Example: `switchtune trim runs/quickstart/pretrained/model --langs de,en --out trimmed --text
    runs/quickstart/comparison/de-en/test.de runs/quickstart/comparison/de-en/test.en`
    """
    from switchtune.corpus.read import read_lines
    from switchtune.models.trim import survey
    from switchtune.models.trim import trim as trimmed

    output = claim_folder(out, "trim", replaces=True, inputs=[model, *text, *more], force=force)
    texts = {str(path): read_lines(path) for path in (*text, *more)}
    languages = [language.strip() for language in langs.split(",") if language.strip()]
    if not languages:
        raise UsageError(f"--langs {langs}: no language in it; expected codes separated by commas, as in de,en")
    record = trimmed(model, survey(model, texts, languages), texts, output, force=force)
    print_line(json_text(record.figures()) if as_json else record.describe())


def untrim(
    folder: Annotated[Path, typer.Argument(help="A trimmed model, or a model trained from one.", **FOLDER)],
    *,
    base: Annotated[str, typer.Option(help="The model that was trimmed: a model on the Hub, or a folder.")],
    out: NewFolder,
    force: Force = False,
) -> None:
    """Give a trimmed model its whole vocabulary back: its own rows where it has them, the base model's elsewhere.

    Example: `switchtune untrim trimmed --base runs/quickstart/pretrained/model --out whole`
    """
    from switchtune.models.trim import untrim as untrimmed

    output = claim_folder(out, "untrim", replaces=True, inputs=[folder, base], force=force)
    record = untrimmed(folder, base, output, force=force)
    print_line(f"{out}: {record.rows_before:,} rows, {len(record.kept):,} of them from {folder}")


def add_language(
    model: Model,
    *,
    code: Annotated[str, typer.Option(help="The language: hsb, or as the model's family writes it, hsb_Latn, hsb_XX.")],
    like: Annotated[
        str, typer.Option(help="A language the model knows; the new tag starts with the weights of its tag.")
    ],
    text: Annotated[
        list[Path],
        typer.Option(
            "--text", metavar="FILE", help="Text whose characters become pieces if no piece has them.", **FILE
        ),
    ] = [],  # noqa: B006
    out: NewFolder,
    force: Force = False,
) -> None:
    """Give a model a tag for a language that it lacks. Its behaviour in its other languages does not change.

    Example: `switchtune add-language runs/quickstart/pretrained/model --code hsb --like de --out with-hsb`
    """
    from switchtune.corpus.read import read_lines
    from switchtune.models.load import load_layout
    from switchtune.models.tags import add_languages

    output = claim_folder(out, "add-language", replaces=True, inputs=[model, *text], force=force)
    lines = [line for path in text for line in read_lines(path)]
    added = add_languages(model, [(code, like)], output, text=lines, force=force)
    print_line(f"{out}: weights copied from the tag of {like}; {added.describe()}")
    layout = load_layout(str(output))
    if not layout.plain_source(code, code):
        sides = ("target", "from") if "target" in layout.family.before_source else ("source", "into")
        print_line(
            f"transformers' own {layout.family.name} tokenizer cannot be set to {code} as the {sides[0]} language; "
            f"switchtune can, and both translate {sides[1]} it"
        )


def export(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A fine-tuned model, on the Hub or a folder; with --langs a run; for chat a run's YAML file or folder."
        ),
    ],
    out: NewFolder,
    form: Annotated[
        Literal["ct2", "chat"], typer.Option("--to", help="What to write: the model for CTranslate2, or chats.")
    ] = "ct2",
    int8: Annotated[bool, typer.Option("--int8", help="Write the matrices in 8 bits: a quarter of the size.")] = False,
    langs: Annotated[
        str | None, typer.Option(help="Languages, as in de-en; by default those the model was saved for.")
    ] = None,
    text: Annotated[
        Path | None, typer.Option(help="Text of the source language for the proof; by default an embedded one.", **FILE)
    ] = None,
    beams: Annotated[int, setting(GenerationSettings, "beams", help="Beam size.")] = GenerationSettings().beams,
    arm: Arm = None,
    pair: Annotated[str | None, typer.Option(help="Which pair, as in de-en; by default the first.")] = None,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="Number of epochs of examples, each switched anew.")] = 1,
    overrides: Overrides = [],  # noqa: B006
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder that translates without switchtune, with a proof that it does the same and a script that uses it.

    With --to chat: the examples of a run's stages, for training and for validation, as chats in JSONL for tools that
    train decoder-only models (TRL, axolotl, LLaMA-Factory). The configuration's `chat` block sets what is asked.

    Example: `switchtune export runs/quickstart/comparison/de-en/csr/seed1/task/model --to ct2 --out exported`

    Example: `switchtune export examples/quickstart.yaml --to chat --arm csr --out chats`
    """
    for name, of_form in _OF_FORM.items():
        given = ctx.get_parameter_source(name)
        if of_form != form and given is not None and given.name == "COMMANDLINE":
            raise UsageError(f"--{_OPTIONS.get(name, name)} is for --to {of_form}; leave it out.")
    if form == "chat":
        _export_chat(Path(model), out, {"arm": arm, "pair": pair, "epochs": epochs, "force": force}, overrides, as_json)
        return
    from switchtune.generation.export import export_ct2

    if langs:
        model = model_of(model, *language_pair(langs))
    output = claim_folder(out, "export", replaces=True, inputs=[model, *([text] if text else [])], force=force)
    languages, settings = language_pair(langs) if langs else None, GenerationSettings(beams=beams)
    exported = export_ct2(model, output, languages=languages, text=text, int8=int8, settings=settings, force=force)
    if as_json:
        figures = {key: value for key, value in exported.parity.record().items() if key != "lines"}
        print_json({"folder": str(out), "languages": exported.languages, "to": form, "int8": exported.int8, **figures})
    else:
        print_line(f"{out}: {'-'.join(exported.languages)}, {exported.parity.describe()}")


_OF_FORM = dict.fromkeys(("int8", "langs", "text", "beams"), "ct2") | dict.fromkeys(
    ("arm", "pair", "epochs", "overrides"), "chat"
)
"""What each option of `export` is for."""
_OPTIONS = {"overrides": "set"}
"""The names of options where they are others than those of the parameters."""


def _export_chat(source: Path, out: Path, chosen: dict[str, Any], overrides: list[str], as_json: bool) -> None:
    from switchtune.config.load import load_run_config
    from switchtune.runs.chat import export_chat
    from switchtune.runs.folder import config_file

    run = source if source.is_dir() else None
    config = load_run_config(config_file(source) if run else source, overrides)
    claim_folder(out, "export", replaces=True, inputs=[source, *config.inputs], force=chosen["force"])
    tell = lambda event: print_line(event.what, err=True)  # noqa: E731
    made = export_chat(config, out, **chosen, run=run, on_event=tell)
    if as_json:
        counts = {file.path.name: {"examples": file.examples, "left_out": file.left_out} for file in made.files}
        print_json({"folder": str(out), "to": "chat", "pair": made.pair, "arm": made.arm, "files": counts})
    else:
        print_line(f"{out}: {made.pair}, {made.arm}, {sum(file.examples for file in made.files):,} examples")


def push(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_MODEL", help="Folder of a model, or of a run, for its best model by validation.", **FOLDER
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The repository on the Hub.")],
    public: Annotated[bool, typer.Option("--public", help="Make it public; by default it is private.")] = False,
    update: Annotated[bool, typer.Option("--update", help="Add a commit to a repository that already exists.")] = False,
    langs: Annotated[str | None, typer.Option(help="Which pair of a run with several, as in de-en.")] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a model with its card to a repository on the Hugging Face Hub, private unless --public is given.

    The token comes from `hf auth login` or HF_TOKEN; HF_ENDPOINT names another Hub.

    Example: `switchtune push runs/quickstart/comparison my-team/kitchen-de-en`
    """
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    from switchtune.events import Event
    from switchtune.runs.push import chosen_model
    from switchtune.runs.push import push as push_model

    def tell(event: Event) -> None:
        print_line(event.what, err=True)

    if not sys.stderr.isatty():
        disable_progress_bars()
    model = chosen_model(folder, language_pair(langs) if langs else None, tell)
    pushed = push_model(model, name, tell, public=public, update=update)
    if as_json:
        print_json({"model": str(pushed.model), "url": pushed.url, "public": public, "files": pushed.files})
    else:
        print_line(f"{pushed.url}: {'public' if public else 'private'}, {pushed.files} files of {pushed.model}")
