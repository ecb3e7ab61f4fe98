"""The examples that `--help` of the verbs shows run as they stand after `make run`, in the order of the verbs.

In place of what `make run` makes stands a run of the same configuration on sixteen pairs and a miniature model.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from switchtune.cli.main import app, main
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


@pytest.fixture
def after_make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with examples/ and runs/ as `make run` leaves them, but smaller."""
    monkeypatch.chdir(tmp_path)
    parts = {"all": slice(None), "train": slice(10), "valid": slice(10, 13), "test": slice(13, None)}
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        for part, rows in parts.items():
            Path(f"{part}.{code}").write_text("".join(f"{line}\n" for line in lines[rows]), encoding="utf-8")
    Path("examples").mkdir()
    tiny = {"updates": 4, "evaluate_every": 2, "checkpoint_every": 4, "max_tokens": 60}
    for name in ("quickstart-pretrain.yaml", "quickstart.yaml"):
        config = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
        config["training"] |= tiny
        if "texts" in config:
            config["size"] = {**TINY, "pieces": 120}
            config["texts"] = [{"language": code, "path": f"all.{code}"} for code in ("de", "en")]
            config["valid_lines"] = 2
        else:
            config["pairs"][0] |= {part: f"{part}.{{de,en}}" for part in ("train", "valid", "test")}
            config["pairs"][0]["monolingual"] = {"en": "embedded:kitchen:valid"}
            config |= {"jobs": 1, "check": "off", "generation": {"beams": 1, "max_length": 6}}
            config["lexicon"] = {"accept": True}
        Path("examples", name).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    assert len(MAKE_RUN) == 2
    for command in MAKE_RUN:
        assert called(monkeypatch, command) == 0, capsys.readouterr().err
    return tmp_path


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
    printed = capsys.readouterr().out
    following = re.findall("^next: (.*)", printed, re.MULTILINE)
    assert [words_of(command)[1] for command in following] == ["report", "translate", "demo"]
    assert opened == []
    shown = [(path, command) for path, command in SHOWN if path not in WITHOUT_MAKE_RUN]
    for path, command in [*shown, *(((), command) for command in following)]:
        code = called(monkeypatch, command)
        assert code == 0, (path, command, capsys.readouterr().err)
    assert Path("translated.en").read_text(encoding="utf-8").count("\n") == 3
    assert Path("comparison.html").is_file()
