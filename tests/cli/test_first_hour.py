"""The first hour: after `make run` the commands of README and of the first page, and the examples of every `--help`.

They run as they stand. In place of what `make run` makes stands a run of the same configuration on sixteen pairs and a
miniature model.
"""

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from switchtune.cli.main import app, main
from switchtune.corpus.embedded import embedded_sentences
from tests.docs.markdown import Page
from tests.miniature import ENGLISH, GERMAN

EXAMPLES = Path(__file__).parents[2] / "examples"
TINY = {"width": 16, "feed_forward": 32, "encoder_layers": 1, "decoder_layers": 1, "heads": 2, "positions": 64}
MAKE_RUN = [
    line.strip().replace("$(BIN)/", "")
    for line in EXAMPLES.with_name("Makefile").read_text(encoding="utf-8").splitlines()
    if line.startswith("\t$(BIN)/switchtune")
]


def examples_of(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Verbs with their examples, in the order of the help; a group's own example is that of its default verb."""
    for name in command.list_commands(None) if hasattr(command, "commands") else ():
        yield from examples_of(command.commands[name], (*path, name))
    if path:
        for example in re.findall(r"Example:\s+`([^`]+)`", command.help or ""):
            yield path, " ".join(example.split())


SHOWN = list(examples_of(typer.main.get_command(app)))
WITHOUT_MAKE_RUN = {("zeroshot",), ("push",)}
"""The first needs pairs of two languages with a third, and a model of all three, which `make run` does not make; the
other a login at the Hub."""


def words_of(command: str) -> list[str]:
    """A command as a shell would take it apart."""
    words = shlex.split(command)
    return [each for word in words for each in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]


def called(monkeypatch: pytest.MonkeyPatch, command: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", words_of(command))
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


@pytest.fixture(scope="module")
def after_make_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with examples/ and runs/ as `make run` leaves them, but smaller; it is the current one."""
    folder = tmp_path_factory.mktemp("hour")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _write_examples()
        assert len(MAKE_RUN) == 2
        for command in MAKE_RUN:
            assert called(patch, command) == 0
        yield folder


def _write_examples() -> None:
    parts = {"all": slice(None), "train": slice(10), "valid": slice(10, 13), "test": slice(13, None)}
    for part, rows in parts.items():
        write_texts(part, {"de": GERMAN[rows], "en": ENGLISH[rows]})
    Path("examples").mkdir()
    for name in ("quickstart-pretrain.yaml", "quickstart.yaml"):
        config = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
        if "texts" in config:
            config["size"] = {**TINY, "pieces": 120}
            config["texts"] = [{"language": code, "path": f"all.{code}"} for code in ("de", "en")]
            config["valid_lines"] = 2
        else:
            config["pairs"][0] |= {part: f"{part}.{{de,en}}" for part in ("train", "valid", "test")}
            config["pairs"][0]["monolingual"] = {"en": "embedded:kitchen:valid"}
        write_small(f"examples/{name}", config)


def write_texts(name: str, lines: Mapping[str, Iterable[str]]) -> None:
    for code, texts in lines.items():
        Path(f"{name}.{code}").write_text("".join(f"{line}\n" for line in texts), encoding="utf-8")


def write_small(path: str, config: dict[str, Any]) -> None:
    """A configuration with so few updates that it takes a moment."""
    small = {"updates": 4, "evaluate_every": 2, "checkpoint_every": 4, "max_tokens": 60}
    config["training"] = config.get("training", {}) | small
    if "pairs" in config:
        # Sixteen pairs are too few to be checked, and for any lexicon to be trusted.
        config |= {"jobs": 1, "check": "off", "generation": {"beams": 1, "max_length": 6}, "lexicon": {"accept": True}}
    Path(path).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def test_every_verb_has_an_example() -> None:
    verbs = {path for path, _ in _verbs(typer.main.get_command(app))}
    assert {path for path, _ in SHOWN} | WITHOUT_MAKE_RUN == verbs
    assert all(f"{example} ".startswith(f"switchtune {' '.join(path)} ") for path, example in SHOWN)


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from _verbs(below, (*path, name))
    if path:
        yield path, command


@pytest.mark.slow
@pytest.mark.timeout(1800)  # every verb once; a machine may be busy with other things
def test_examples_run_as_they_stand_and_so_do_the_next_commands(
    after_make_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("switchtune.demo.server.serve", lambda session, port, ready: ready("http://127.0.0.1"))
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert called(monkeypatch, MAKE_RUN[1]) == 0  # again: all is done, and what is next is told once more
    following = re.findall("^next: (.*)", capsys.readouterr().out, re.MULTILINE)
    assert [words_of(command)[1] for command in following] == ["report", "translate", "demo"]
    assert opened == []
    shown = [(path, command) for path, command in SHOWN if path not in WITHOUT_MAKE_RUN]
    for path, command in [*shown, *(((), command) for command in following)]:
        code = called(monkeypatch, command)
        assert code == 0, (path, command, capsys.readouterr().err)
    assert Path("translated.en").read_text(encoding="utf-8").count("\n") == 3
    assert Path("comparison.html").is_file()


@pytest.fixture
def said(
    after_make_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """What a command prints, which succeeds; a model of the Hub is the one that `make run` has pretrained."""
    monkeypatch.setattr("switchtune.demo.server.serve", lambda session, port, ready: ready("http://127.0.0.1"))
    model = str(after_make_run / "runs/quickstart/pretrained/model")

    def called_well(command: str) -> str:
        capsys.readouterr()
        command = command.partition(" #")[0].replace("facebook/mbart-large-50", model).replace(" < ", " ")
        code = called(monkeypatch, command)
        printed, told = capsys.readouterr()
        assert code == 0, (command, printed, told)
        return printed

    return called_well


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_first_page_runs_as_it_stands(said: Callable[[str], str]) -> None:
    page = Page(EXAMPLES.with_name("docs") / "ten-minutes.md")
    write_texts("new", {"de": GERMAN[:1]})
    write_texts("more", {"en": [english for (english,) in embedded_sentences("kitchen", "train", ("en",), 50)]})
    (text,) = (block.text for block in page.blocks if block.language == "yaml")
    write_small("mine.yaml", yaml.safe_load(text) | {"model": "runs/quickstart/pretrained/model"})
    told = {words_of(line)[1]: said(line) for _, line in page.commands() if line not in MAKE_RUN}
    assert "stage 1" in told["show-batch"]
    assert "csr+ " in told["run"]
    assert "standard" in Path("report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_readme_leads_from_a_folder_of_text_to_a_model(
    said: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_texts("new", {"de": GERMAN[:1]})
    Path("data").mkdir()
    lines = embedded_sentences("kitchen", "train", ("de", "en"), 330)
    for part, rows in {"train": lines[:300], "test": lines[300:]}.items():
        write_texts(f"data/{part}", dict(zip(("de", "en"), zip(*rows, strict=True), strict=True)))
    init, check, run, translate = (line for _, line in Page(EXAMPLES.with_name("README.md")).commands())
    assert "precision auto is" in said("switchtune doctor")
    assert "German (de) → English (en): 300 pairs to train on" in said(init)
    assert "ok: " in said(check)
    write_small("mine.yaml", yaml.safe_load(Path("mine.yaml").read_text(encoding="utf-8")) | {"seeds": [1]})
    assert "next: switchtune report runs/mine --out mine.html" in said(run)
    assert said(translate).count("\n") == 1
    said("switchtune report runs/mine --out mine.html")
    assert "Does code-switching help" in Path("mine.html").read_text(encoding="utf-8")
