"""`switch --chat` and `export --to chat`: what is printed and written, and which options do not go together."""

import json
from pathlib import Path

import pytest
import yaml

from tests.miniature import GERMAN
from tests.runs.test_chat import chats, lexicon
from tests.runs.test_experiment import config_of
from tests.test_end_to_end import switchtune


def test_switched_sentences_as_chats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.de").write_text(f"{GERMAN[0]}\n\n{GERMAN[1]}\n", encoding="utf-8")
    lines = ("Hund\tdog\t1.0", "Mann\tman\t1.0", "Frau\twoman\t1.0", "ein\ta\t1.0")
    Path("lexicon.de-en.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = "switch text.de --lexicon lexicon.de-en.tsv --lang de --rate 1"
    plain = switchtune(capsys, monkeypatch, *command.split())
    assert plain[0] == 0, plain
    switched = plain[1].splitlines()
    made = switchtune(capsys, monkeypatch, *f"{command} --chat --out chats.jsonl".split())
    assert made[0] == 0, made
    assert "1 blank line left out" in made[2]
    asked = "Some words of this German text are in English. Write all of it in German.\n\n"
    assert chats(Path("chats.jsonl")) == [(asked + switched[0], GERMAN[0]), (asked + switched[2], GERMAN[1])]
    again = switchtune(capsys, monkeypatch, *f"{command} --chat --out chats.jsonl".split())
    assert again[0] == 2
    assert "chats.jsonl: the file already exists" in again[2]
    own = ("--chat", "--instruction", "{other}→{language}: {text}")
    told = switchtune(capsys, monkeypatch, *command.split(), *own)[1]
    assert json.loads(told.splitlines()[0])["messages"][0]["content"] == f"English→German: {switched[0]}"
    for options, said in (
        ("--chat --jsonl", "--jsonl and --chat: choose one"),
        ("--instruction {text}", "--instruction is for chats only: add --chat"),
        ("--chat --instruction nothing", "--instruction: restore: the placeholder {text} is missing"),
        ("--chat --source mask", "--chat --source mask"),
    ):
        code, _, told = switchtune(capsys, monkeypatch, *command.split(), *options.split())
        assert (code, said in told) == (2, True), told


def test_the_stages_of_a_configuration_and_of_a_run_as_chats(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(model, tmp_path, recipes=["csr"], baseline="csr", lexicon=lexicon(tmp_path))
    file, out, run = tmp_path / "mine.yaml", tmp_path / "chats", tmp_path / "run"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    code, printed, told = switchtune(capsys, monkeypatch, "export", file, "--to", "chat", "--out", out, "--json")
    assert code == 0, told
    assert json.loads(printed)["files"]["restore.train.jsonl"] == {"examples": 12, "left_out": 0}
    run.mkdir()
    (run / "config.resolved.yaml").write_text(config.as_yaml(), encoding="utf-8")
    (run / ".switchtune").write_text("switchtune run\n")
    of_run = tmp_path / "of-run"
    code, printed, told = switchtune(capsys, monkeypatch, "export", run, "--to", "chat", "--out", of_run)
    assert (code, printed) == (0, f"{of_run}: de-en, csr, 36 examples\n"), told
    assert chats(of_run / "restore.train.jsonl") == chats(out / "restore.train.jsonl")
    assert list((run / "lexicon/de-en").iterdir())
    for words, said in (
        (("export", file, "--to", "chat", "--out", out, "--int8"), "--int8 is for --to ct2; leave it out"),
        (("export", model, "--out", out, "--set", "x=1"), "--set is for --to chat; leave it out"),
        (("export", tmp_path, "--to", "chat", "--out", out), "no run is there"),
        (("export", run, "--to", "chat", "--out", run / "chats"), "which is read and stays as it is"),
        (("export", file, "--to", "chat", "--arm", "gpt", "--out", out), "--arm gpt"),
    ):
        code, _, told = switchtune(capsys, monkeypatch, *words)
        assert (code, said in told) == (2, True), told
