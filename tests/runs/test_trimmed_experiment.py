"""Runs that train with a trimmed vocabulary."""

import json
from pathlib import Path
from typing import Any

import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError
from switchtune.events import Event
from switchtune.lexicon.files import edits_path, read_lexicon
from switchtune.models import trim as trimming
from switchtune.models.load import load_layout, load_model, save_model
from switchtune.models.new import new_model
from switchtune.models.rows import TrimFailedError
from switchtune.models.trim import read_record, untrim
from switchtune.runs import prepare, stages
from switchtune.runs.experiment import run_experiment
from switchtune.runs.prepare import lexicon_words
from tests.miniature import ENGLISH, GERMAN, TINY

RUSSIAN = ("Собака бежит по лугу.", "Двое мужчин сидят на скамейке.", "Женщина читает книгу у окна.")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    texts = {"de": GERMAN, "en": ENGLISH, "ru": RUSSIAN}
    save_model(new_model("nllb", TINY.model_copy(update={"pieces": 300}), texts, seed=1), folder, "de", "en")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n", encoding="utf-8")
    return folder


def config_of(model: dict[str, object], folder: Path, **changes: object) -> RunConfig:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"text.{code}").write_text("".join(f"{line}\n" for line in lines[:6]), encoding="utf-8")
    text = str(folder / "text.{de,en}")
    values: dict[str, object] = {
        "model": model,
        "pairs": [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}],
        "jobs": 1,
        "training": {"updates": 4, "restore_share": 0.5, "tokens_per_batch": 200},
        "generation": {"beams": 1, "max_length": 12},
    }
    return parse_config(RunConfig, {**values, **changes})


def run(config: RunConfig, folder: Path) -> list[str]:
    said: list[Event] = []
    run_experiment(config, folder, on_event=said.append)
    return [event.what for event in said if event.subject == "model"]


@pytest.mark.slow
def test_all_arms_start_from_the_trimmed_model_and_untrim_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []

    def spy(path: str, **options: object) -> object:
        loads.append(path)
        return load_model(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stages, "load_model", spy)
    more = tmp_path / "more.txt"
    more.write_text(f"{GERMAN[10]}\n", encoding="utf-8")
    config = config_of({"name": str(model), "trim": "on", "text": [str(more)]}, tmp_path)
    said = run(config, tmp_path / "run")
    start = tmp_path / "run/model-trimmed"
    assert [path for path in loads if path in (str(model), str(start))] == [str(start)] * 2
    assert "the vocabulary is trimmed" in said[-1]
    record = read_record(start)
    lexicons = sorted((tmp_path / "run/lexicon").rglob("lexicon.*.tsv"))
    assert [text.name for text in record.texts] == [
        *(f"de-en.{part}.{side}" for part in ("train", "valid", "test") for side in ("de", "en")),
        *(str(path.relative_to(tmp_path / "run")) for path in lexicons),
        str(more),
    ]
    # What switching may insert is segmented as by the whole vocabulary.
    layouts: list[Any] = [load_layout(str(path)) for path in (model, start)]
    words = [word for path in lexicons for word in lexicon_words(read_lexicon(path))]
    assert len(words) > 5
    for word in (*words, GERMAN[10]):
        assert layouts[0].tokenizer.tokenize(word) == layouts[1].tokenizer.tokenize(word)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["models"]) == [str(model)]
    assert list(manifest["start"]) == [str(start)]
    assert manifest["licences"][str(model)]["license"] == "cc-by-nc-4.0"
    for stage in ("standard/seed1/task", "csr/seed1/restore", "csr/seed1/task"):
        trained = tmp_path / "run/de-en" / stage / "model"
        assert load_layout(str(trained)).tokenizer.get_vocab() == layouts[1].tokenizer.get_vocab()
        assert "no commercial use" in (trained / "README.md").read_text(encoding="utf-8")
        untrim(trained, str(model), tmp_path / "whole")
        assert load_layout(str(tmp_path / "whole")).tokenizer.get_vocab() == layouts[0].tokenizer.get_vocab()


@pytest.mark.slow
def test_a_second_call_trims_and_trains_nothing(model: Path, tmp_path: Path) -> None:
    config = config_of({"name": str(model), "trim": "on"}, tmp_path)
    first = run(config, tmp_path / "run")
    files = [*(tmp_path / "run/model-trimmed").iterdir(), *(tmp_path / "run/de-en").rglob("*.safetensors")]
    assert len(files) > 5
    written = [file.stat().st_mtime_ns for file in files]
    assert run(config, tmp_path / "run") == first[-1:]
    assert [file.stat().st_mtime_ns for file in files] == written
    # An entry of a lexicon that is removed takes no piece away that the corpus does not need.
    lexicon = next((tmp_path / "run/lexicon").rglob("lexicon.de-en.tsv"))
    last = lexicon.read_text(encoding="utf-8").splitlines()[-1].split("\t")
    edits_path(lexicon).write_text(f"{last[0]}\t{last[1]}\t-\n", encoding="utf-8")
    standard = [file for file in files if "standard" in file.parts]
    before = [file.stat().st_mtime_ns for file in standard]
    assert len(run(config, tmp_path / "run")) == 2
    assert [file.stat().st_mtime_ns for file in standard] == before


@pytest.mark.slow
def test_auto_leaves_a_small_vocabulary_whole(model: Path, tmp_path: Path) -> None:
    for trim in ("auto", "off"):
        config = config_of({"name": str(model), "trim": trim}, tmp_path, recipes=["standard"])
        assert run(config, tmp_path / trim) == []
        assert not (tmp_path / trim / "model-trimmed").exists()
    trained = [tmp_path / trim / "de-en/standard/seed1/task/model/model.safetensors" for trim in ("auto", "off")]
    assert trained[0].read_bytes() == trained[1].read_bytes()


@pytest.mark.slow
def test_auto_says_what_it_chose(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of({"name": str(model)}, tmp_path, recipes=["standard"])
    monkeypatch.setattr(trimming, "LEAST_SAVED", 100)
    whole = run(config, tmp_path / "whole")[-1]
    assert whole.startswith("the vocabulary is left whole, too little would be saved: ")
    assert not (tmp_path / "whole/model-trimmed").exists()
    monkeypatch.setattr(trimming, "MOST_KEPT", 0.9)
    assert run(config, tmp_path / "trimmed")[-1].startswith("the vocabulary is trimmed: ")
    assert (tmp_path / "trimmed/model-trimmed/trim.json").exists()


def test_what_cannot_be_proved_is_trained_whole_or_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TrimFailedError("other logits")

    monkeypatch.setattr(trimming, "LEAST_SAVED", 100)
    monkeypatch.setattr(trimming, "MOST_KEPT", 1.0)
    monkeypatch.setattr(prepare, "trim", fail)
    said = run(config_of({"name": str(model)}, tmp_path, recipes=["standard"]), tmp_path / "run")
    assert said[-1] == "the vocabulary is left whole: other logits"
    with pytest.raises(SwitchtuneError, match="other logits"):
        run(config_of({"name": str(model), "trim": "on"}, tmp_path, recipes=["standard"]), tmp_path / "run")
