"""Glossaries where a lexicon is asked for on the command line."""

import json
from pathlib import Path

import pytest

from tests.corpus.written import write_sheets
from tests.test_end_to_end import switchtune


def test_text_is_switched_and_judged_by_a_glossary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.de").write_text("Die Bank\n", encoding="utf-8")
    Path("text.en").write_text("The bank\n", encoding="utf-8")
    write_sheets(tmp_path, {"Terms": [("de", "en"), ("Bank", "bank")], "More": [("de", "en"), ("ja", "yes")]})
    command = "switch text.de --lexicon pairs.xlsx#Terms --lang de --rate 1".split()
    assert switchtune(capsys, monkeypatch, *command, "--to", "en")[:2] == (0, "Die bank\n")
    code, _, said = switchtune(capsys, monkeypatch, *command)
    assert (code, "many languages: name the one that words are to be switched to by --to" in said) == (2, True)
    code, _, said = switchtune(capsys, monkeypatch, *command, "--to", "en", "--out", "pairs.xlsx", "--force")
    assert (code, "pairs.xlsx" in said) == (2, True), "what is read is not written to"
    judge = "lexicon-judge pairs.xlsx#Terms text.de text.en --langs de-en --json"
    code, printed, _ = switchtune(capsys, monkeypatch, *judge.split())
    assert (code, json.loads(printed)["directions"][0]["entries"]) == (0, 1)
