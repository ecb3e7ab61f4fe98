"""A training whose mixture ends by itself: what its stages had, what is told, and what a second call makes of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.results.comparison import comparison_markdown, summarised
from switchtune.runs.experiment import run_experiment
from switchtune.runs.search import search
from switchtune.runs.tasks import read_pair
from switchtune.runs.translation import TEST_SET, compared_rows
from switchtune.runs.trial import TrialResult
from switchtune.training import trainer
from tests.miniature import ENGLISH, GERMAN


def config_of(model: Path, folder: Path, **changes: object) -> RunConfig:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"text.{code}").write_text("".join(f"{line}\n" for line in lines[:6]), encoding="utf-8")
    text = str(folder / "text.{de,en}")
    training = {"updates": 20, "tokens_per_batch": 200, "lr": 3e-3, "evaluate_every": 1, "mixture_share": "auto"}
    values: dict[str, object] = {
        "model": str(model),
        "pairs": [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}],
        "arms": ["standard", "denoise"],
        "jobs": 1,
        "training": training,
        "generation": {"beams": 1, "max_length": 12},
    }
    return parse_config(RunConfig, {**values, **changes, "training": {**training, **changes.get("training", {})}})  # type: ignore[dict-item]


@pytest.fixture
def lengths(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Stages that are trained, with the updates that they are given."""
    trained: list[tuple[str, int]] = []

    def spy(job: Any) -> Any:
        trained.append((job.folder.name, job.updates))
        return trainer_carries_out(job)

    trainer_carries_out = trainer.carry_out
    monkeypatch.setattr(trainer, "carry_out", spy)
    return trained


@pytest.mark.slow
def test_what_a_mixture_leaves_is_the_last_stages_and_totals_stay_equal(
    model: Path, tmp_path: Path, lengths: list[tuple[str, int]]
) -> None:
    config, told = config_of(model, tmp_path, training={"least_gain": 0.99}), list[str]()
    run = tmp_path / "run"
    summary = run_experiment(config, run, on_event=lambda event: told.append(event.what))
    # It is asked for more than can be gained, so the mixture ends as soon as it may.
    assert lengths == [("task", 20), ("mixture", 16), ("task", 16)]
    assert [row.stage_updates for row in summary.rows] == [{"task": 20}, {"mixture": 4, "task": 16}]
    said = [
        line for line in told if line.startswith("mixture: ends after 4 of at most 16 updates: the validation loss ")
    ]
    assert len(said) == 1
    assert said[0].endswith("in 2 updates (least_gain: 99.00%)")
    rows = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["rows"]
    assert rows[1]["updates"] == {"mixture": 4, "task": 16}
    assert rows[1]["valid_nll"][-1]["update"] == 20
    entries = [json.loads(line) for line in (run / "de-en/denoise/seed1/metrics.jsonl").read_text().splitlines()]
    last_rates = {entry["stage"]: entry["learning_rate"] for entry in entries if "learning_rate" in entry}
    assert last_rates["mixture"] > 0.5 * 3e-3 > last_rates["task"]
    # The second call finds all of it, and makes again what is gone.
    again = run_experiment(config, run)
    assert [row.scores for row in again.rows] == [row.scores for row in summary.rows]
    shutil.rmtree(run / "de-en/denoise/seed1/task")
    again = run_experiment(config, run)
    assert lengths[3:] == [("task", 16)]
    assert [row.scores for row in again.rows] == [row.scores for row in summary.rows]


@pytest.mark.slow
def test_another_rule_trains_the_mixture_anew_and_a_loss_that_falls_lets_it_go_on(
    model: Path, tmp_path: Path, lengths: list[tuple[str, int]]
) -> None:
    run_experiment(config_of(model, tmp_path, training={"least_gain": 0.99}), tmp_path / "run")
    del lengths[:]
    summary = run_experiment(config_of(model, tmp_path, training={"least_gain": 1e-4}), tmp_path / "run")
    assert lengths == [("mixture", 16), ("task", 4)]
    assert summary.rows[1].stage_updates == {"mixture": 16, "task": 4}
    assert list((tmp_path / "run/de-en/denoise/seed1").glob("task.replaced-*/model"))
    run_experiment(config_of(model, tmp_path, training={"least_gain": 1e-4, "evaluate_every": 2}), tmp_path / "run")
    assert lengths[2:] == [("mixture", 16), ("task", 4)]


def result(arm: str, seed: int, **updates: int) -> TrialResult:
    reports: dict[str, dict[str, Any]] = {
        name: {"training": {"updates": n, "valid_nll": [(n, 2.0)], "seconds": 1, "truncated": 0}, "rates": {}}
        for name, n in updates.items()
    }
    return TrialResult("de-en", arm, seed, reports, {TEST_SET: ENGLISH[:6]})


def test_lengths_of_several_seeds_are_told_one_by_one_and_totals_are_equal(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path)
    _, _, test = read_pair(config, config.pairs[0], tmp_path)
    standard = [result("standard", seed, task=20) for seed in (1, 2)]
    denoise = [result("denoise", 1, mixture=5, task=15), result("denoise", 2, mixture=8, task=12)]
    first, row = compared_rows(config, config.pairs[0], test, {"standard": standard, "denoise": denoise})
    assert (first.stage_updates, first.details) == ({"task": 20}, {})
    assert row.stage_updates == {"mixture": 6, "task": 14}
    assert row.details == {"updates_by_seed": [{"mixture": 5, "task": 15}, {"mixture": 8, "task": 12}]}
    page = comparison_markdown(summarised([first, row], "standard", [1, 2]))
    assert "- denoise: updates are means over seeds; by seed 5 + 15, 8 + 12.\n" in page
    denoise[0] = result("denoise", 1, mixture=6, task=15)
    with pytest.raises(
        SwitchtuneError, match=r"these had different totals \(.*denoise, seed 1: 21; denoise, seed 2: 20\)"
    ):
        compared_rows(config, config.pairs[0], test, {"standard": standard, "denoise": denoise})


def test_too_few_evaluations_are_refused_before_anything_is_trained(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path, training={"evaluate_every": 3})
    with pytest.raises(UsageError, match=r"evaluate_every is 3. Set evaluate_every to 2 or less"):
        run_experiment(config, tmp_path / "run")
    sparse = config_of(model, tmp_path, training={"evaluate_every": 2}, search={"updates": [20, 10], "lr": [1e-3]})
    with pytest.raises(UsageError, match=r"evaluate_every is 2. Set evaluate_every to 1 or less"):
        search(sparse, tmp_path / "search")
    assert not list(tmp_path.rglob("checkpoint-*"))
