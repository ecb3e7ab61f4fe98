"""The command line as a whole: every error is one message, wrong use is exit 2."""

import errno
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from switchtune.cli.main import app, main
from tests.report.made_run import make_run

COMMAND = typer.main.get_command(app)
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


def verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from verbs(below, (*path, name))
    if path and not hasattr(command, "commands"):
        yield path, command


def called(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int | str | None, str]:
    """Exit code and standard error; nothing that a terminal obeys is on either stream."""
    monkeypatch.setattr(sys, "argv", ["switchtune", *words])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    assert not OBEYED.search(printed.out + printed.err), (words, printed)
    return end.value.code, printed.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "text").write_text("ein Hund\nzwei Katzen\n", encoding="utf-8")
    (tmp_path / "lexicon.tsv").write_text("Hund\tdog\n", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


NONSENSE = ("", "-", "nan", "-inf", "-1", "9" * 30, "empty", "text", "a/b", "\x1b[31m\u202e[/]", "x" * 300)
FITTING = {
    "lang": "de",
    "langs": "de-en",
    "source": "text",
    "target": "text",
    "out": "out",
    "lexicon_path": "lexicon.tsv",
}
FITTING |= {"model": "empty", "base": "empty", "run": "empty", "runs": "empty", "folder": "empty", "code": "hsb"}


def _param(path: tuple[str, ...], command: Any) -> Any:
    # Where nothing is wrong with an option, a lexicon is built.
    return pytest.param(path, command, id=" ".join(path), marks=[pytest.mark.slow] * (path == ("lexicon", "build")))


@pytest.mark.parametrize(("path", "command"), [_param(*each) for each in verbs(COMMAND)])
def test_no_value_of_any_option_of_any_verb_ends_in_a_traceback(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: tuple[str, ...],
    command: Any,
) -> None:
    monkeypatch.setattr(typer.main, "get_command", lambda app: COMMAND)
    languages = {"source": "de", "target": "en"} if path == ("translate",) else {}
    needed = {each.name: (languages | FITTING).get(each.name, "text") for each in command.params if each.required}
    for option in command.params:
        if option.name == "help" or getattr(option, "is_flag", False):
            continue
        for value in NONSENSE:
            values = needed | {option.name: value}
            words = list(path)
            for each in command.params:
                if each.name in values and each.param_type_name == "option":
                    words += [each.opts[-1], *[values[each.name]] * each.nargs]
            places = [each.name for each in command.params if each.param_type_name == "argument"]
            words += ["--", *(values[name] for name in places if name in values)]
            code, said = called(capsys, monkeypatch, *words)
            assert code in (0, 1, 2), (words, said)
            assert code == 0 or said.count("switchtune: ") == 1, (words, said)
            assert "Traceback" not in said, (words, said)
            assert "unexpected error" not in said, (words, said)
            if value == "" or (value == "nan" and type(option.default) in (int, float)):
                assert code == 2, (words, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("switch text --lexicon lexicon.tsv --lang de --mean-span 0", "--mean-span"),
        ("switch text --lexicon lexicon.tsv --lang de --mean-span 0.09", "--mean-span"),
        ("switch text --lexicon lexicon.tsv --lang de --mean-span inf", "--mean-span"),
        ("switch text --lexicon lexicon.tsv --lang de --rate nan", "--rate"),
        ("switch text --lexicon lexicon.tsv --lang de --rate -0.1", "--rate"),
        ("switch text --lexicon lexicon.tsv --lang de --rate 1.1", "--rate"),
        ("switch text --lexicon none --lang de", "none: not found in"),
        ("switch text --lexicon empty --lang de", "empty: a folder; a file is expected"),
        ("switch none --lexicon lexicon.tsv --lang de", "none: not found in"),
        ("switch empty --lexicon lexicon.tsv --lang de", "empty: a folder"),
        ("translate empty none --from de --to en", "none: not found in"),
        ("switch text --lexicon lexicon.tsv --lang klingonese", "klingonese"),
        ("translate nobody/nothing text --from de --to klingonese", "unknown language 'klingonese'"),
        ("init empty", "empty: no parallel corpus is found"),
        ("init none", "none: not found in"),
        ("init embedded:kitchen:train", "in which languages is it?"),
        ("score text text --lang de --buckets 1000,10", "--buckets 1000,10: expected increasing whole numbers from 1"),
        ("score text text --lang de --buckets x", "--buckets x"),
        ("score text text --lang de --buckets 0,10", "--buckets 0,10"),
        ("score text text --lang de --buckets ²", "--buckets ²"),
        ("analyse empty --buckets 10,10", "--buckets 10,10"),
        ("score none text --lang de", "none: not found in"),
        ("score text empty --lang de", "empty: a folder; a file is expected"),
        ("score text loop --lang de", "loop: a link that leads back to itself"),
        ("report loop --out report.html", "loop: a link that leads back to itself"),
        ("score text text --lang", "--lang"),
        ("compare text text text --lang de --resamples 1000000000000", "--resamples"),
        ("lexicon text text --langs de --out out", "--langs de"),
        ("lexicon text text --langs de-de --out out", "--langs de-de"),
        ("lexicon merge lexicon.tsv --out merged --floor nan", "--floor"),
        ("lexicon report none", "none: not found in"),
        ("trim empty --text none --langs de --out out", "none: not found in"),
        ("trim empty --text text --langs , --out out", "--langs ,"),
        ("export empty --out out --text none", "none: not found in"),
        ("report text --out report.html", "text: a file; a folder is expected"),
        ("report empty --out=", "--out=: no value given"),
        ("run none --out out", "none: not found in"),
        ("report empty --nonsense", "--nonsense"),
        ("nonsense", "nonsense"),
        ("runn text --out out", "Did you mean 'run'? See `switchtune --help`"),
        (
            "run my data.yaml --out out",
            "(data.yaml). Put a value that contains spaces in quotes, and --set takes key=value.",
        ),
        ("run text --out out --lr 1e-4", "Settings are given as in --set training.updates=3000."),
        ("run text --out out", "text: expected a mapping of settings, found str. Give the YAML file of settings"),
    ],
)
def test_wrong_use_is_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, said: str
) -> None:
    code, told = called(capsys, monkeypatch, *words.split())
    assert code == 2, told
    assert said in told
    assert told.startswith("switchtune: ")
    assert told.count("\n") == 1


def test_a_dash_is_standard_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "text").open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        code, said = called(capsys, monkeypatch, *"switch - --lexicon lexicon.tsv --lang de".split())
    assert (code, "of 4 running words" in said) == (0, True)


def test_help_where_nothing_is_asked(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called(capsys, monkeypatch) == (2, "")
    assert called(capsys, monkeypatch, "score", "--help") == (0, "")
    assert called(capsys, monkeypatch, "help", "lexicon", "merge") == (0, "")
    assert called(capsys, monkeypatch, "help") == (0, "")


def test_help_has_the_verbs_in_the_order_of_the_work(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["switchtune", "--help"])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out
    assert "csr is code-switching restore" in shown
    marks = (
        "Start ─",
        "│ init ",
        "Data ─",
        "│ check ",
        "Lexicon ─",
        "│ lexicon ",
        "│ switch ",
        "Train ─",
        "│ plan ",
        "│ run ",
        "Use ─",
        "Look ─",
    )
    assert sorted(marks, key=shown.index) == list(marks)
    assert set(re.findall("│ ([a-z][a-z-]*) ", shown)) == set(COMMAND.commands)


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("switchtune.lexicon.files.read_lexicon", failing)


def recursion() -> RecursionError:
    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as caught:
        deeper()
    return caught.value


def refused() -> Exception:
    class Settings(BaseModel):
        number: int

    with pytest.raises(ValueError, match="number") as caught:
        Settings.model_validate({"number": "\x1b[31m\u202e"})
    return caught.value


DIFF = ("lexicon", "diff", "lexicon.tsv", "lexicon.tsv")


@pytest.mark.parametrize(
    "error", [MemoryError(), recursion(), refused(), RuntimeError("[enforce fail at x.cpp]\nmore"), KeyError("\x1b")]
)
def test_what_nobody_foresaw_is_one_message_and_a_log(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    fail_with(error, monkeypatch)
    code, told = called(capsys, monkeypatch, *DIFF)
    assert code == 1
    assert told.startswith(f"switchtune: unexpected error: {type(error).__module__}".removesuffix("builtins"))
    assert type(error).__name__ in told
    (log,) = folder.glob("switchtune-*.log")
    assert f"The traceback is in {log}" in told
    assert "Traceback" not in told
    assert "Traceback (most recent call last)" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(ValueError("odd"), monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "none"))
    code, told = called(capsys, monkeypatch, *DIFF)
    assert code == 1
    assert "unexpected error: ValueError: odd\nIts traceback could not be written" in told


def test_docstrings_that_were_stripped_are_said(folder: Path) -> None:
    words = [sys.executable, "-OO", "-m", "switchtune", *DIFF]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("switchtune: Python is running without docstrings")


def test_no_place_for_temporary_files(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), monkeypatch)
    code, told = called(capsys, monkeypatch, *DIFF)
    assert (code, "['/tmp']. Make room there" in told, "TMPDIR" in told) == (1, True, True)


def test_a_working_folder_that_was_removed_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> None:
        (folder / "empty").rmdir()
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "other.tsv")

    monkeypatch.chdir(folder / "empty")
    monkeypatch.setattr("switchtune.lexicon.files.read_lexicon", gone)
    diff = ("lexicon", "diff", *[str(folder / "lexicon.tsv")] * 2)
    code, told = called(capsys, monkeypatch, *diff)
    assert (code, "The working folder was removed" in told) == (1, True)
    for words in [diff, *([*path, "--nonsense"] for path, _ in verbs(COMMAND))]:
        code, told = called(capsys, monkeypatch, *words)
        assert code == 1
        assert told.startswith("switchtune: cannot begin. The working folder was removed")
        assert told.count("\n") == 1
    assert called(capsys, monkeypatch, "--version") == (0, "")


def test_an_interrupt_is_told_by_the_exit_code_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)
    assert called(capsys, monkeypatch, *DIFF) == (130, "")


@pytest.mark.parametrize(
    ("number", "name", "code", "said"),
    [
        (errno.EACCES, "lexicon.tsv", 1, "lexicon.tsv: Permission denied. Change its permissions"),
        (errno.ENOSPC, None, 1, "No space left on device. Free some"),
        (errno.EDQUOT, "out/model", 1, "out/model (--out out): Disk quota exceeded. Free some"),
        (errno.EROFS, "out/model", 1, "out/model (--out out): Read-only file system. The file system is read-only"),
        (errno.EMFILE, "out/model", 1, "out/model (--out out): Too many open files. Raise the limit (ulimit -n"),
        (errno.ENOENT, "out", 2, "out (--out out): No such file or directory. Check its name"),
        (errno.ENOENT, "out/steps", 1, "out/steps (--out out): No such file or directory. Check its name"),
        (errno.EISDIR, "out", 2, "out (--out out): Is a directory. A file is expected"),
        (errno.ENOTDIR, "out/x", 2, "out/x (--out out): Not a directory. A folder is expected"),
        (errno.ENAMETOOLONG, "out/x", 2, "out/x (--out out): File name too long. Give a shorter one"),
        (errno.EPIPE, None, 1, "Broken pipe. BrokenPipeError"),
        (
            errno.ELOOP,
            "out",
            2,
            "out (--out out): Too many levels of symbolic links. A link there leads back to itself",
        ),
    ],
)
def test_what_the_system_refuses(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    name: str | None,
    code: int,
    said: str,
) -> None:
    fail_with(OSError(number, os.strerror(number), name), monkeypatch)
    found, told = called(capsys, monkeypatch, "lexicon", "merge", "lexicon.tsv", "--out", "out")
    assert found == code
    assert told.startswith(f"switchtune: {said}")
    assert told.count("\n") == 1


@contextmanager
def full_disk() -> Iterator[None]:
    """Files cannot grow beyond a few bytes, which fails where a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


PARTS = {part: f"embedded:kitchen:{part}" for part in ("train", "valid", "test")}
CONFIG = {
    "model": "model",
    "pairs": [{"source": source, "target": "en", **PARTS} for source in ("de", "tr")],
    "training": {"updates": 4},
    "search": {"lr": [1e-4, 1e-5]},
}
PRETRAIN = {"texts": [{"language": "de", "path": "text"}], "valid_lines": 1, "training": {"updates": 4}}


@pytest.mark.parametrize(
    "words",
    [
        "switch text --lexicon lexicon.tsv --lang de --out out",
        "lexicon merge lexicon.tsv --out out",
        "lexicon text text --langs de-en --method align --out out",
        "report run --out out",
        "run run.yaml --out out",
        "train run.yaml --out out",
        "zeroshot run.yaml --out out",
        "search run.yaml --out out",
        "pretrain pretrain.yaml --out out",
        "trim model --text text --langs de,en --out out",
        "export model --out out",
        "add-language model --code hs_DE --like de_DE --out out",
        "translate model text --from de --to en --out out",
    ],
)
def test_a_full_disk_is_one_message(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("SWITCHTUNE_CACHE", str(folder / "cache"))
    (folder / "model").symlink_to(model)
    make_run(folder / "run")
    (folder / "run.yaml").write_text(json.dumps(CONFIG), encoding="utf-8")
    (folder / "pretrain.yaml").write_text(json.dumps(PRETRAIN), encoding="utf-8")
    with full_disk():
        code, told = called(capsys, monkeypatch, *words.split())
    assert code == 1, told
    assert told.endswith(
        "File too large. Raise the limit on the size of files (ulimit -f), or name a place on another file system.\n"
    ), told
    assert re.match(rf"switchtune: ({folder}/)?(out|cache)", told), told
    assert told.count("\n") == 1
    assert not (folder / "out").is_file()
    assert not list(folder.glob(".out*"))
