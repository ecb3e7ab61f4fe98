"""What trainings went through, read from files made for it and from a run's."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from switchtune.analysis.distance import distance_record
from switchtune.analysis.dynamics import dynamics_record, first_update_at
from switchtune.generation import translate
from switchtune.models.load import load_model
from switchtune.models.states import sentence_states
from switchtune.run_dir import write_sealed
from switchtune.runs.experiment import run_experiment
from switchtune.runs.folder import open_run
from switchtune.scoring.metrics import bleu
from tests.miniature import ENGLISH, GERMAN


def test_a_loss_is_reached_at_the_first_evaluation_no_larger() -> None:
    curve = [(0, 5.0), (10, 2.0), (20, 2.5), (30, 1.0)]
    assert first_update_at(curve, 2.2) == first_update_at(curve, 2.0) == 10
    assert first_update_at(curve, 1.9) == 30
    assert first_update_at(curve, 0.9) is None


def valid(stage: str, losses: dict[int, float]) -> list[dict[str, Any]]:
    return [{"stage": stage, "update": update, "valid_nll": nll, "seconds": 1.0} for update, nll in losses.items()]


def write(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")


def test_updates_to_the_baselines_loss_count_all_stages_or_the_last_alone(run: Path) -> None:
    write(run / "de-en/standard/seed1/metrics.jsonl", valid("task", {0: 7.0, 2: 3.0, 4: 2.0, 6: 1.5}))
    # The losses of restoring are others, however low.
    curve = [*valid("restore", {0: 1.0, 3: 0.5}), *valid("task", {3: 4.0, 4: 1.6, 5: 1.5, 6: 1.4})]
    write(run / "de-en/csr/seed1/metrics.jsonl", curve)
    standard, csr = dynamics_record(open_run(run), None)["pairs"][0]["arms"]
    assert (standard["updates_to_baseline"], standard["last_stage_updates_to_baseline"]) == (6, 6)
    assert (csr["updates_to_baseline"], csr["last_stage_updates_to_baseline"]) == (5, 2)
    write(run / "de-en/csr/seed1/metrics.jsonl", curve[:-2])
    csr = dynamics_record(open_run(run), None)["pairs"][0]["arms"][1]
    assert (csr["updates_to_baseline"], csr["last_stage_updates_to_baseline"]) == (None, None)


def test_bleu_and_distance_stand_where_models_were_kept(finished: Path) -> None:
    run = open_run(finished)
    distances = distance_record(run)
    record = dynamics_record(run, distances)
    assert record["missing"] == []
    by_model = {
        (system["arm"], system["stage"]): system["layers"][-1]["distance"]
        for system in distances["pairs"][0]["systems"]
    }
    standard, csr = record["pairs"][0]["arms"]
    places = [(entry["stage"], entry["update"], entry["distance"]) for entry in csr["valid"]]
    assert places == [
        ("restore", 0, by_model[None, "pretrained"]),
        ("restore", 1, None),
        ("restore", 2, None),
        ("restore", 3, by_model["csr", "restore"]),
        ("task", 3, by_model["csr", "restore"]),
        ("task", 4, None),
        ("task", 5, None),
        ("task", 6, by_model["csr", "task"]),
    ]
    hypotheses = (finished / "de-en/csr/seed1/hypotheses.txt").read_text(encoding="utf-8").splitlines()
    score = bleu(hypotheses, ENGLISH[8:16], "en").value
    assert [entry["bleu"] for entry in csr["valid"]] == [None] * 7 + [score]
    entries = [json.loads(line) for line in (finished / "de-en/csr/seed1/metrics.jsonl").read_text().splitlines()]
    assert [(each["update"], each["stage"], each["loss"], each["nll"]) for each in csr["train"]] == [
        (entry["update"], entry["stage"], entry["loss"], entry["nll"]) for entry in entries if "loss" in entry
    ]
    assert [entry["nll"] for entry in csr["valid"]] == [each["valid_nll"] for each in entries if "valid_nll" in each]
    assert standard["updates_to_baseline"] == min(
        entry["update"] for entry in standard["valid"] if entry["nll"] <= standard["valid"][-1]["nll"]
    )


@pytest.mark.slow
def test_snapshots_are_translated_and_measured(finished: Path, tmp_path: Path) -> None:
    config = open_run(finished).config
    training = config.training.model_copy(update={"snapshots": True, "checkpoint_every": 2})
    # Beside the run that kept none: the same weights, and the same fingerprints.
    shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/de-en/standard")
    config = config.model_copy(update={"training": training})
    run_experiment(config, tmp_path / "run")
    assert not list((tmp_path / "run/de-en/csr/seed1/task").glob("checkpoint-*"))
    stage = tmp_path / "run/de-en/standard/seed1/task"
    assert sorted(path.name for path in stage.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4", "checkpoint-6"]
    assert not list(stage.rglob("optimizer*"))
    run = open_run(tmp_path / "run")
    distances = distance_record(run)
    record = dynamics_record(run, distances)
    plain = dynamics_record(open_run(finished), distance_record(open_run(finished)))
    standard, expected = (each["pairs"][0]["arms"][0]["valid"] for each in (record, plain))
    assert [entry["update"] for entry in standard if entry["bleu"] is not None] == [2, 4, 6]
    assert [entry["update"] for entry in standard if entry["distance"] is not None] == [0, 2, 4, 6]
    assert [entry["nll"] for entry in standard] == [entry["nll"] for entry in expected]
    assert (standard[-1], standard[0]) == (expected[-1], expected[0])
    loaded = load_model(str(stage / "model"))
    weights = load_file(stage / "checkpoint-4/model.safetensors")
    loaded.model.load_state_dict({**loaded.model.state_dict(), **weights})
    loaded.model.tie_weights()
    sides = [sentence_states(loaded, side[8:16], code)[-1] for side, code in ((GERMAN, "de"), (ENGLISH, "en"))]
    assert standard[4]["distance"] == pytest.approx(float(np.linalg.norm(sides[0] - sides[1])), rel=1e-5)
    outputs = translate(loaded, GERMAN[8:16], "de", "en", config.generation)
    assert standard[4]["bleu"] == bleu(outputs, ENGLISH[8:16], "en").value
    # Without distances of the other models, those of the checkpoints would stand alone.
    assert {each["distance"] for each in dynamics_record(run, None)["pairs"][0]["arms"][0]["valid"]} == {None}
    # What is no longer asked for is no longer kept.
    run_experiment(config.model_copy(update={"training": training.model_copy(update={"snapshots": False})}), run.folder)
    assert not list(stage.glob("checkpoint-*"))


def test_models_that_were_chosen_by_validation_stand_at_their_own_update(run: Path) -> None:
    distances = distance_record(open_run(run))
    marker = run / "de-en/standard/seed1/steps/task.json"
    content = json.loads(marker.read_text(encoding="utf-8"))
    content["result"]["training"]["chosen_update"] = 4
    del content["seal"]
    write_sealed(marker, content)
    standard = dynamics_record(open_run(run), distances)["pairs"][0]["arms"][0]
    assert [entry["update"] for entry in standard["valid"] if entry["bleu"] is not None] == [4]
    assert [entry["update"] for entry in standard["valid"] if entry["distance"] is not None] == [0, 4]


def test_without_distances_they_are_null_and_it_is_said(finished: Path) -> None:
    record = dynamics_record(open_run(finished), None)
    assert {entry["distance"] for arm in record["pairs"][0]["arms"] for entry in arm["valid"]} == {None}
    assert record["missing"] == ["no distances over updates: distance.json is not there (--what distance makes it)"]


@pytest.mark.parametrize("begun", [True, False])
def test_an_arm_that_is_not_finished_is_shown_as_far_as_it_came(run: Path, begun: bool) -> None:
    folder = run / "de-en/standard/seed1"
    (folder / "hypotheses.txt").unlink()
    if not begun:
        (folder / "metrics.jsonl").unlink()
    record = dynamics_record(open_run(run), {"pairs": []})
    arms = record["pairs"][0]["arms"]
    assert [arm["arm"] for arm in arms] == (["standard", "csr"] if begun else ["csr"])
    # The baseline has no last loss yet.
    assert {arm["updates_to_baseline"] for arm in arms} == {None}
    expected = [] if begun else ["de-en/standard/seed1: no metrics.jsonl, it has not begun"]
    assert record["missing"] == [*expected, "de-en/standard/seed1: not finished, no translations"]
