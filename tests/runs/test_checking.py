"""What is not well with a run's data is told before anything is made of it, and once found out."""

from pathlib import Path

import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.corpus.embedded import embedded_sentences
from switchtune.errors import SwitchtuneError
from switchtune.run_dir import RunDir
from switchtune.runs import checking
from switchtune.runs.checking import pieces_of, tell_of_data

PAIRS = embedded_sentences("news", "train", ("de", "en"), 200)


@pytest.fixture
def config(model: Path, tmp_path: Path) -> RunConfig:
    sets = {"train": PAIRS, "valid": embedded_sentences("news", "valid", ("de", "en"), 60), "test": PAIRS[:60]}
    for name, pairs in sets.items():
        for code, side in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
            (tmp_path / f"{name}.{code}").write_text("".join(f"{line}\n" for line in side), encoding="utf-8")
    pair = {"source": "de", "target": "en", **{name: f"{tmp_path}/{name}.{{de,en}}" for name in sets}}
    return parse_config(RunConfig, {"model": str(model), "pairs": [pair]})


def test_a_leak_is_told_each_time_and_found_out_once(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDir(tmp_path / "run")
    told: list[str] = []

    def tell(check: str) -> None:
        asked = config.model_copy(update={"check": check})
        tell_of_data(asked, config.pairs[0], run, tmp_path / "corpus", lambda event: told.append(event.what))

    tell("tell")
    (leak,) = [said for said in told if "that stand in the training set" in said]
    assert leak.startswith("error: train:") and "60 (100.0%)" in leak
    assert not any(said.startswith("note") for said in told)
    monkeypatch.delattr(checking, "check_pair")
    before = [*told]
    tell("tell")
    assert told == before * 2
    told.clear()
    tell("off")
    assert told == []


def test_errors_stop_a_run_and_warnings_do_where_it_is_strict(config: RunConfig, tmp_path: Path) -> None:
    with (tmp_path / "train.en").open("a") as english, (tmp_path / "train.de").open("a") as german:
        english.write("Bold.\n")
        german.write("<b>Fett.</b>\n")
    told: list[str] = []

    def tell(config: RunConfig) -> str:
        told.clear()
        run = RunDir(tmp_path / "run")
        with pytest.raises(SwitchtuneError) as stopped:
            tell_of_data(config, config.pairs[0], run, tmp_path / "corpus", lambda event: told.append(event.what))
        return str(stopped.value)

    said = tell(config)
    assert said.startswith("de-en: ") and f"{tmp_path}/test.{{de,en}}" in said and "train line 1:" not in said
    assert "\nerror: train:" in said and " Lines: 1, 2, 3" in said and "set check: tell to continue" in said
    assert told[0].startswith("warning: train: train.de: Lines that have markup")
    assert all(said.startswith("warning") for said in told)
    assert "markup" in tell(config.model_copy(update={"check": "strict"})) and told == []
    harmless = {"train": PAIRS[100:], "test": PAIRS[:60]}
    for name, pairs in harmless.items():
        for code, side in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
            (tmp_path / f"{name}.{code}").write_text("".join(f"{line}\n" for line in side), encoding="utf-8")
    tell_of_data(config, config.pairs[0], RunDir(tmp_path / "run"), tmp_path / "corpus", lambda event: None)


def test_pieces_that_a_model_does_not_know_are_marked(model: Path) -> None:
    known, unknown = pieces_of(str(model))(["Hund", "☃"])
    assert "" not in known and "" in unknown
