"""What commands may write to: nothing of the user's is replaced, inputs are no outputs, stopped writing goes on."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import pytest
import typer
import yaml
from typer.testing import CliRunner

from switchtune import generation
from switchtune.cli import app, main
from switchtune.config import RunConfig, load_config
from switchtune.errors import UsageError
from switchtune.experiment import run_experiment
from switchtune.files import MARK, GrowingFile, claim_file, claim_folder
from tests.miniature import ENGLISH, GERMAN

THESIS = "years of work\n"


@pytest.fixture
def place(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a parallel corpus, a lexicon, configurations, and a folder with a thesis in it."""
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"text.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (tmp_path / "my.tsv").write_text("# switchtune lexicon de-en\nHund\tdog\n", encoding="utf-8")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.txt").write_text(THESIS)
    pair = {"source": "de", "target": "en", **dict.fromkeys(("train", "valid", "test"), "text.{de,en}")}
    run = {"model": str(model), "pairs": [pair], "training": {"updates": 2}, "search": {"lr": [1e-4, 1e-3]}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    texts = [{"language": code, "path": f"text.{code}"} for code in ("de", "en")]
    (tmp_path / "pretrain.yaml").write_text(yaml.safe_dump({"texts": texts}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


FOLDER_VERBS = {
    "trim": "trim {model} --text text.de --langs de,en",
    "untrim": "untrim {model} --base {model}",
    "add-language": "add-language {model} --code hs_DE --like de",
    "export": "export {model}",
    "pretrain": "pretrain pretrain.yaml",
    "run": "run run.yaml",
    "train": "train run.yaml",
    "zeroshot": "zeroshot run.yaml",
    "search": "search run.yaml",
    "lexicon": "lexicon text.de text.en --langs de-en",
}
FILE_VERBS = {
    "switch": "switch text.de --lexicon my.tsv --lang de",
    "translate": "translate {model} text.de --from de --to en",
    "merge": "lexicon merge my.tsv",
    "report": "report d",
}


def test_no_verb_that_writes_is_missing_here() -> None:
    def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        if not hasattr(command, "commands"):
            yield name, command
            return
        for below, each in command.commands.items():
            yield from commands(each, below)

    found = commands(typer.main.get_command(app), "")
    writing = {name for name, command in found if any("--out" in option.opts for option in command.params)}
    assert writing == {*FOLDER_VERBS, *FILE_VERBS} - {"lexicon"} | {"build", "show-batch"}


def refused(command: str, model: Path, out: str) -> str:
    """What is said of an output that is wrong use."""
    words = [word.format(model=model) for word in command.split()]
    with (
        patch.object(sys, "argv", ["switchtune", *words, "--out", out]),
        redirect_stderr(StringIO()) as said,
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert ended.value.code == 2, said.getvalue()
    return said.getvalue()


@pytest.mark.parametrize("command", FOLDER_VERBS.values(), ids=FOLDER_VERBS)
def test_a_folder_of_the_users_stands_after_every_verb(place: Path, model: Path, command: str) -> None:
    before = sorted(path for path in place.rglob("*"))
    assert "did not make" in refused(command, model, "d")
    assert "a file" in refused(command, model, "text.de")
    refused(command, model, ".")
    refused(command, model, "")
    refused(command, model, "text.de/below")
    assert (place / "d/thesis.txt").read_text() == THESIS
    assert sorted(path for path in place.rglob("*")) == before


@pytest.mark.parametrize("command", FILE_VERBS.values(), ids=FILE_VERBS)
def test_a_file_of_the_users_stands_after_every_verb(place: Path, model: Path, command: str) -> None:
    (place / "other").write_text(THESIS)
    before = sorted(path for path in place.rglob("*"))
    assert "--force" in refused(command, model, "other")
    assert "a folder" in refused(command, model, "d")
    assert "not a regular file" in refused(command, model, os.devnull)
    refused(command, model, "")
    assert (place / "other").read_text() == THESIS
    assert sorted(path for path in place.rglob("*")) == before


def test_a_link_to_itself_is_never_written_through(place: Path, model: Path) -> None:
    (place / "loop").symlink_to("loop")
    for command in (*FOLDER_VERBS.values(), *FILE_VERBS.values()):
        for out in ("loop", "loop/below"):
            assert "leads back to itself" in refused(command, model, out), command
    assert (place / "loop").is_symlink()


def test_what_stands_where_a_file_is_expected(place: Path, model: Path) -> None:
    (place / "loop").symlink_to("loop")
    os.mkfifo("pipe")
    (place / "hidden").mkdir()
    (place / "hidden" / ".notes").touch()
    for given, said in {
        "loop": "a link that leads back to itself",
        "pipe": "is a pipe; save it to a file first",
        "d": "a folder; a file is expected",
        "/dev/zero": "a device",
        "hidden/x": "not found. The folder hidden holds nothing but hidden files",
    }.items():
        assert f"{given}: {said}" in refused(
            f"lexicon text.de text.en --langs de-en --dictionary {given}", model, "new"
        )


def test_a_text_that_is_read_once_may_be_a_pipe(place: Path) -> None:
    os.mkfifo("pipe")
    writer = Thread(target=(place / "pipe").write_bytes, args=[(place / "text.de").read_bytes()])
    writer.start()
    words = "switch pipe --lexicon my.tsv --lang de --rate 0 --out out"
    assert CliRunner().invoke(app, words.split(), catch_exceptions=False).exit_code == 0
    writer.join()
    assert (place / "out").read_bytes() == (place / "text.de").read_bytes()


@pytest.mark.parametrize("command", [FILE_VERBS[name] for name in ("switch", "translate", "merge")])
def test_an_input_is_never_an_output_whatever_is_forced(place: Path, model: Path, command: str) -> None:
    read = re.findall(r"text\.de|my\.tsv", command)[0]
    (place / "link").symlink_to(read)
    os.link(read, "hard link")
    for name in (read, f"d/../{read}", "link", "hard link"):
        assert "is read" in refused(f"{command} --force", model, name)


def test_a_model_that_is_read_is_not_replaced(place: Path, model: Path) -> None:
    for verb in ("trim", "untrim", "add-language", "export"):
        assert "is read from there" in refused(f"{FOLDER_VERBS[verb]} --force", model, str(model))
        assert "is read from there" in refused(f"{FOLDER_VERBS[verb]} --force", model, str(model.parent))


def test_a_verb_takes_what_it_made_and_what_is_forced(place: Path, model: Path) -> None:
    def trim(*options: str) -> None:
        words = [word.format(model=model) for word in FOLDER_VERBS["trim"].split()]
        done = CliRunner().invoke(app, [*words, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output

    trim("--out", "trimmed")
    trim("--out", "trimmed")
    assert "was made by `switchtune trim`" in refused(FOLDER_VERBS["export"], model, "trimmed")
    trim("--out", "d", "--force")
    assert not (place / "d/thesis.txt").exists()
    (place / "link").symlink_to("trimmed")
    trim("--out", "link")
    assert (place / "link").is_symlink()
    assert (place / "trimmed/config.json").exists()


def test_a_failed_attempt_with_force_claims_nothing(place: Path, model: Path) -> None:
    done = CliRunner().invoke(app, "trim ./nothing --text text.de --langs de --out d --force".split())
    assert done.exit_code != 0
    assert [path.name for path in (place / "d").iterdir()] == ["thesis.txt"]


def test_show_batch_shows_runs_alone(place: Path) -> None:
    assert "not the folder of a run" in refused("show-batch run.yaml", place, "d")
    assert not (place / "new").exists()


def test_what_a_report_is_made_of_is_not_overwritten(place: Path) -> None:
    (place / "d" / "metrics.json").write_text("{}")
    assert "belongs to d, which is read" in refused("report d --force", place, "d/metrics.json")


def test_a_folder_of_others_is_no_run_in_python_either(place: Path) -> None:
    with pytest.raises(UsageError, match="did not make"):
        run_experiment(load_config(RunConfig, "run.yaml"), place / "d")


def test_a_report_is_written_again_and_a_page_of_others_is_not(place: Path) -> None:
    from switchtune.report.html import is_report, page

    (place / "report.html").write_text(page("A run", ""), encoding="utf-8")
    claim_file(place / "report.html", own=is_report(place / "report.html"))
    (place / "report.html").write_text("<!DOCTYPE html><title>Mine</title>", encoding="utf-8")
    with pytest.raises(UsageError, match="already exists"):
        claim_file(place / "report.html", own=is_report(place / "report.html"))


def test_where_nothing_may_be_written_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match=f"no permission to write in {tmp_path}"):
        claim_folder(tmp_path / "new" / "below", "run")
    with pytest.raises(UsageError, match="no permission"):
        claim_file(tmp_path / "new.txt")


def test_a_folder_that_is_written_into_is_marked_at_once(tmp_path: Path) -> None:
    claim_folder(tmp_path / "run", "run")
    (tmp_path / "run" / "corpus").mkdir()
    claim_folder(tmp_path / "run", "run")
    with pytest.raises(UsageError, match="was made by `switchtune run`, not by `switchtune search`"):
        claim_folder(tmp_path / "run", "search")
    (tmp_path / "run" / MARK).unlink()
    with pytest.raises(UsageError, match="did not make"):
        claim_folder(tmp_path / "run", "run")


def translate(model: Path, *options: str) -> int:
    words = f"switchtune translate {model} text.de --from de --to en --out out".split()
    with patch.object(sys, "argv", [*words, *options]), pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_stopped_translation_says_how_far_it_is_and_goes_on(
    place: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generation, "_FIRST_WINDOW", 4)
    monkeypatch.setattr(generation, "_LARGEST_WINDOW", 4)
    assert translate(model) == 0
    whole = (place / "out").read_bytes()
    assert whole.count(b"\n") == len(GERMAN)
    assert translate(model, "--resume") == 0
    assert "nothing to resume" in capsys.readouterr().err

    real, seen = generation._translate_some, []

    def stopped(*arguments: object, **options: object) -> object:
        seen.append((place / "out").read_bytes() if (place / "out").exists() else b"")
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(generation, "_translate_some", stopped)
    assert translate(model, "--force") == 130
    assert seen[2] == b"".join(whole.splitlines(keepends=True)[:8])  # lines are there while later ones are made
    assert "8 lines are done" in capsys.readouterr().err
    (place / "out").write_bytes(seen[2] + b"half a li")
    assert translate(model) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert translate(model, "--resume", "--beams", "1") == 2
    assert "with other options" in capsys.readouterr().err
    monkeypatch.setattr(generation, "_translate_some", real)
    assert translate(model, "--resume") == 0
    assert "goes on after line 8" in capsys.readouterr().err
    assert (place / "out").read_bytes() == whole
    assert not GrowingFile(place / "out", "").is_unfinished


def test_an_empty_text_gives_an_empty_translation(place: Path, model: Path) -> None:
    (place / "text.de").write_text("")
    assert translate(model) == 0
    assert (place / "out").read_bytes() == b""
