"""The verbs to start with, through the command line."""

import json
import sys
from pathlib import Path

import pytest

from switchtune.cli.main import main
from switchtune.config.load import load_config
from switchtune.config.run import RunConfig
from tests.runs.test_survey import texts


@pytest.fixture
def folder(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts(tmp_path / "data", "train.de", "train.en", "test.de", "test.en")
    (tmp_path / "model").symlink_to(model)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["switchtune", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_init_writes_a_configuration_that_fits_and_keeps_what_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "init", "data", "--model", "model") == 0
    said = capsys.readouterr().out
    assert "German (de) → English (en): 16 pairs to train on\n  train: data/train.{de,en}\n" in said
    assert "  valid: 1 pairs are taken out of train\n" in said
    assert ": fits: " in said
    assert said.endswith(
        "mine.yaml: written; edit it as you like\nnext: switchtune check mine.yaml\nnext: switchtune plan mine.yaml\n"
        "next: switchtune run mine.yaml --out runs/mine\n"
    )
    config = load_config(RunConfig, "mine.yaml")
    assert (config.model.name, config.pairs[0].test) == ("model", "data/test.{de,en}")
    assert called(monkeypatch, "init", "data", "--model", "model") == 2
    assert "mine.yaml: the file already exists" in capsys.readouterr().err


def test_init_needs_no_model_at_hand_but_refuses_a_folder_that_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "init", "data/train.en", "--langs", "en-de", "--out", "en-de.yaml") == 0
    assert "not looked at: facebook/mbart-large-50: cannot be loaded" in capsys.readouterr().err
    assert load_config(RunConfig, "en-de.yaml").pairs[0].name == "en-de"
    assert called(monkeypatch, "init", "data", "--model", "data") == 1
    assert "data: not a model's folder" in capsys.readouterr().err
    assert not Path("mine.yaml").exists()


def test_doctor_tells_lines_or_json(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch, "doctor") == 0
    assert capsys.readouterr().out.startswith("switchtune ")
    assert called(monkeypatch, "doctor", "--json") == 0
    assert json.loads(capsys.readouterr().out)["versions"].keys() >= {"switchtune", "Python", "torch"}
