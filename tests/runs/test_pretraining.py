"""Pretraining: what it trains and validates on, and what a second call keeps."""

import json
import signal
from pathlib import Path

import pytest

from switchtune.config.load import parse_config
from switchtune.config.pretrain import PretrainConfig, TextSettings
from switchtune.errors import Stopped, SwitchtuneError, UsageError
from switchtune.models.load import load_model
from switchtune.runs.pretraining import pretrain, read_passages
from tests.miniature import ENGLISH, GERMAN


def config_of(folder: Path, **training: object) -> PretrainConfig:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"text.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    values = {
        "size": {"width": 16, "feed_forward": 16, "encoder_layers": 1, "decoder_layers": 1, "heads": 2, "pieces": 150},
        "texts": [{"language": code, "path": str(folder / f"text.{code}")} for code in ("de", "en")],
        "valid_lines": 3,
        "training": {"updates": 3, "tokens_per_batch": 100, **training},
    }
    return parse_config(PretrainConfig, values)


def test_the_last_passages_are_for_validation_alone(tmp_path: Path) -> None:
    config_of(tmp_path)
    path = str(tmp_path / "text.de")
    passages = read_passages(TextSettings(language="de", path=path, max_characters=40, limit=9), valid_lines=2)
    fitting = [line for line in GERMAN if len(line) <= 40]
    assert passages.train == tuple(fitting[:7])
    assert passages.valid == tuple(fitting[7:9])
    assert passages.too_long == len(GERMAN) - len(fitting) > 0
    with pytest.raises(SwitchtuneError, match="16 passages remain, and 9 are wanted"):
        read_passages(TextSettings(language="de", path=path), valid_lines=9)


def test_it_trains_once_and_again_only_where_the_model_is_gone(tmp_path: Path) -> None:
    config, out = config_of(tmp_path), tmp_path / "out"
    made = pretrain(config, out)
    weights = out / "model/model.safetensors"
    first, written = weights.read_bytes(), weights.stat().st_mtime_ns
    assert made.passages == 2 * 13
    assert made.training.updates == 3
    assert load_model(str(made.folder)).layout.family.name == "mbart"
    assert not list(out.rglob("checkpoint-*"))

    assert pretrain(config, out) == made
    assert weights.stat().st_mtime_ns == written
    (out / "model").rename(tmp_path / "elsewhere")
    pretrain(config, out)
    assert weights.read_bytes() == first


def test_a_pretraining_that_is_asked_to_stop_goes_on_to_the_same_model(tmp_path: Path) -> None:
    config, out, told = config_of(tmp_path), tmp_path / "out", list[str]()
    pretrain(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        pretrain(config, out, on_progress=lambda step: signal.raise_signal(signal.SIGTERM), on_message=told.append)
    # Progress is told now and then, by the clock.
    update = told[0].removeprefix("stopped after update ")[0]
    assert told == [f"stopped after update {update} of 3; a checkpoint is at {out}/work/training/checkpoint-{update}"]
    assert not (out / "model").exists()
    pretrain(config, out, on_message=told.append)
    assert told[1:] == [f"goes on from update {update} of 3"]
    weights = [(folder / "model/model.safetensors").read_bytes() for folder in (out, tmp_path / "whole")]
    assert weights[0] == weights[1]


def test_a_model_of_other_settings_is_moved_aside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    pretrain(config_of(tmp_path), out)
    former = (out / "model/model.safetensors").read_bytes()
    made = pretrain(config_of(tmp_path, lr=0.01), out)
    assert made.set_aside is not None
    assert (made.set_aside / "model/model.safetensors").read_bytes() == former
    assert (out / "model/model.safetensors").read_bytes() != former
    assert "lr: 0.01" in (out / "config.resolved.yaml").read_text(encoding="utf-8")


def test_a_kill_before_the_second_training_leaves_no_former_model_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    pretrain(config_of(tmp_path), out)

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("switchtune.runs.pretraining.train_stage", killed)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config_of(tmp_path, lr=0.01), out)
    assert not (out / "model").exists()
    assert json.loads((out / "steps/pretrain.begun.json").read_text(encoding="utf-8"))


def test_what_cannot_be_made_is_refused_before_a_folder_is(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    deep = config.model_copy(update={"family": "mt5", "size": config.size.model_copy(update={"decoder_layers": 2})})
    with pytest.raises(UsageError, match="size: 2 decoder layers, 1 encoder layers"):
        pretrain(deep, tmp_path / "out")
    with pytest.raises(UsageError, match="'wandbb' is not a tracker"):
        pretrain(config_of(tmp_path, report_to=["wandbb"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(UsageError, match="start it by itself, without torchrun"):
        pretrain(config_of(tmp_path), tmp_path / "out")
