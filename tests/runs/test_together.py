"""Several directions in one model: what it is trained, validated and tested on, beside models of one pair each."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import translate
from switchtune.models.load import load_model, save_model
from switchtune.results.matrix import matrix_of, matrix_table
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.stage_examples import tempered
from switchtune.runs.zeroshot import run_zeroshot
from switchtune.training.curve import read_metrics
from tests.miniature import ENGLISH, GERMAN, miniature

PARTS = {"train": slice(0, 8), "valid": slice(8, 11), "test": slice(11, 16)}
TRAINING = {"updates": 3, "restore_share": 0.34, "tokens_per_batch": 150, "dropout": 0.1, "lr": 1e-3}


def write_texts(folder: Path) -> None:
    """German and English, and a made-up language in the place of Italian."""
    for name, lines in (("de", GERMAN), ("en", ENGLISH), ("it", [line.swapcase() for line in GERMAN])):
        for part, rows in PARTS.items():
            text = "".join(f"{line}\n" for line in lines[rows])
            (folder / f"{part}.{name}").write_text(text, encoding="utf-8")


def pair_of(folder: Path, name: str, **changes: object) -> dict[str, Any]:
    source, target = name.split("-")
    corpora = {part: f"{folder}/{part}.{{{source},{target}}}" for part in PARTS}
    return {"source": source, "target": target, **corpora, **changes}


def config_of(model: Path, folder: Path, **changes: object) -> RunConfig:
    write_texts(folder)
    values: dict[str, object] = {
        "model": str(model),
        "pairs": [pair_of(folder, name) for name in ("de-en", "it-en", "en-de")],
        "arms": ["standard", {"recipe": "standard", "name": "one", "together": True}],
        "jobs": 1,
        "training": TRAINING,
        "generation": {"beams": 1, "max_length": 12},
        "evaluation": {"resamples": 100},
        "lexicon": {"accept": True},
    }
    return parse_config(RunConfig, {**values, **changes})


def losses(folder: Path) -> list[dict[str, float]]:
    return [entry for entry in read_metrics(folder / "metrics.jsonl") if "valid_nll" in entry]


@pytest.mark.slow
def test_one_model_for_three_stands_beside_three_models(model: Path, tmp_path: Path) -> None:
    config, run = config_of(model, tmp_path), tmp_path / "run"
    summary = run_experiment(config, run)
    rows = {(row.pair, row.arm): row for row in summary.rows}
    assert list(rows) == [(pair, arm) for pair in ("de-en", "it-en", "en-de") for arm in ("standard", "one")]
    assert {arm: row.stage_updates for (_, arm), row in rows.items()} == {"standard": {"task": 3}, "one": {"task": 9}}
    assert "one: one model learned de-en, it-en, en-de" in summary.remarks[-1]
    group = run / "de-en+it-en+en-de/one/seed1"
    # Each test set is translated from its own language into its own.
    loaded = load_model(str(group / "task/model"))
    for name, lines in {"de-en": GERMAN, "it-en": [line.swapcase() for line in GERMAN], "en-de": ENGLISH}.items():
        written = (group / f"hypotheses.{name}.txt").read_text(encoding="utf-8").splitlines()
        assert written == translate(loaded, lines[PARTS["test"]], *name.split("-"), config.generation)
    # The loss of each direction beside that of all, which has all tokens alike.
    first, *_, last = losses(group)
    names = {f"valid_nll {name}" for name in ("de-en", "it-en", "en-de")}
    assert names < first.keys()
    assert min(first[name] for name in names) < first["valid_nll"] < max(first[name] for name in names)
    for name in ("de-en", "en-de"):
        assert rows[name, "one"].valid_nll[-1] == (9, last[f"valid_nll {name}"])
    assert first["valid_nll de-en"] == pytest.approx(losses(run / "de-en/standard/seed1")[0]["valid_nll"], rel=1e-5)
    record = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["rows"]
    assert [row.get("together") for row in record[:2]] == [None, ["de-en", "it-en", "en-de"]]
    # Nothing is done twice.
    weights = [path.stat().st_mtime_ns for path in sorted(run.rglob("model.safetensors"))]
    assert len(weights) == 4
    assert run_experiment(config, run).rows == summary.rows
    assert [path.stat().st_mtime_ns for path in sorted(run.rglob("model.safetensors"))] == weights


def test_shares_go_by_size_and_temperature() -> None:
    assert tempered([7], 3) == [1]
    assert tempered([100, 900], 1) == pytest.approx([0.1, 0.9])
    assert tempered([100, 900], 2) == pytest.approx([0.25, 0.75])
    assert tempered([0, 5], 2) == [0, 1]


@pytest.mark.slow
def test_directions_between_its_languages_are_tested_zero_shot(model: Path, tmp_path: Path) -> None:
    arms = ["standard", {"recipe": "csr", "name": "csr"}]
    pairs = [pair_of(tmp_path, name) for name in ("de-en", "en-it")]
    zeroshot = {"tests": {"German-it": f"{tmp_path}/test.{{de,it}}"}, "limit": 4}
    config = config_of(model, tmp_path, pairs=pairs, arms=arms, together=True, zeroshot=zeroshot)
    assert config.zeroshot.tests.keys() == {"de-it"}
    (matrix,) = run_zeroshot(config, tmp_path / "run")
    assert (matrix.trained, matrix.tested) == (("de-en+en-it",), ("de-en", "en-it", "de-it"))
    assert [cell.supervised for cell in matrix.cells] == [True, True, False]
    assert matrix.cells[2].in_language is not None
    file = tmp_path / "run/zeroshot/own-tests/de-en+en-it.csr.seed1.de-it.txt"
    trained = load_model(str(tmp_path / "run/de-en+en-it/csr/seed1/task/model"))
    written = translate(trained, list(GERMAN[11:15]), "de", "it", config.generation)
    assert file.read_text(encoding="utf-8").splitlines() == written
    heads, rows = matrix_table(matrix)
    assert (heads[1], rows[2][0]) == ("de→en, en→it", "de→it")
    # All languages in one stage of restoration, each pair's words by its own lexicons.
    restored = {
        json.dumps(line) for block in batch_preview(config, arm="csr", rows=2)[:1] for line in block.split("\n")
    }
    assert sum("kind " in line for line in restored) == 2
    assert matrix_of(json.loads((tmp_path / "run/zeroshot.json").read_text(encoding="utf-8"))["matrices"][0]) == matrix
