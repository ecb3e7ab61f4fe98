"""Which run is in a folder, and which of its models is the best of a direction."""

from pathlib import Path

import pytest

from switchtune.errors import UsageError
from switchtune.run_dir import RunDir
from switchtune.runs.best import best_model
from switchtune.runs.folder import find_run, runs_in
from tests.report.made_run import make_run, write


def trained(run: Path, arm: str, seed: int, *losses: float, chosen: int = -1) -> Path:
    """Have a run a model of an arm, with validation losses after 0, 10, 20, … updates."""
    trial = run / "de-en" / arm / f"seed{seed}"
    write(trial / "task/model/config.json", "{}")
    curve = [[10 * place, loss] for place, loss in enumerate(losses)]
    result = {"training": {"chosen_update": curve[chosen][0], "valid_nll": curve}}
    RunDir(trial).finish("task", {}, result)
    return trial / "task/model"


def test_the_one_run_below_a_folder_is_found(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs/quick/comparison")
    write(tmp_path / "runs/quick/pretrained/config.resolved.yaml", "family: mbart\ntexts: []\n")
    write(run / "de-en/csr/seed1/reverse/config.resolved.yaml", "pairs: []\n")
    for folder in (run, run.parent, tmp_path / "runs", tmp_path):
        assert find_run(folder) == run
    with pytest.raises(UsageError, match=r"pretrained: no run of `switchtune run` .*, but of `switchtune pretrain`"):
        find_run(run.parent / "pretrained")
    other = make_run(tmp_path / "runs/other")
    assert runs_in(tmp_path) == [other, run]
    with pytest.raises(UsageError, match=rf"runs: contains 2 runs; name one of them: {other}, {run}$"):
        find_run(tmp_path / "runs")


def test_no_run(tmp_path: Path) -> None:
    write(tmp_path / "a/b/c/d/config.resolved.yaml", "pairs: []\n")  # too deep to be looked for
    with pytest.raises(UsageError, match=r"no run is there .* Give the folder that `switchtune run`"):
        find_run(tmp_path)


def test_the_arm_with_the_lowest_mean_loss_gives_the_model_of_its_best_seed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    trained(run, "standard", 1, 9.0, 1.0)  # the best single one, of an arm that is worse on average
    trained(run, "standard", 2, 9.0, 4.0)
    trained(run, "csr", 1, 9.0, 2.0, 2.2)
    best = trained(run, "csr", 2, 9.0, 1.9, 3.0, chosen=1)
    found = best_model(run, "German", "eng_Latn")
    assert found.model == best
    assert found.reason == f"{best}: the best of de-en by validation loss (standard 2.500, csr 2.050)"


def test_what_is_not_finished_or_not_of_the_direction_is_not_taken(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(UsageError, match=r"no model of de-en is finished there. The same `switchtune run` finishes"):
        best_model(run, "de", "en")
    best = trained(run, "standard", 2, 9.0, 4.0)
    assert best_model(run, "de", "en").model == best
    with pytest.raises(UsageError, match="was not trained from en to de; its models take --from de --to en"):
        best_model(run, "en", "de")
