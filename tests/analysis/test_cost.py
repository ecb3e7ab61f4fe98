"""What stages cost: sums of entries by hand, and a run's reports."""

import json
import shutil
from pathlib import Path

import pytest

from switchtune.analysis.cost import cost_record, stage_cost
from switchtune.runs.folder import open_run


def test_the_cost_of_a_stage_by_hand() -> None:
    entries = [
        {"update": 100, "valid_nll": 5.0, "memory_gb": 1.5, "seconds": 1.0},
        {"update": 110, "tokens": 1000, "tokens_per_second": 500.0, "memory_gb": 2.5, "seconds": 4.0},
        {"update": 115, "skipped": 1, "memory_gb": 2.5, "seconds": 5.0},
        {"update": 120, "tokens": 4000, "tokens_per_second": 1000.0, "memory_gb": 2.0, "seconds": 8.0},
        {"update": 120, "valid_nll": 4.0, "memory_gb": 2.0, "kilowatt_hours": 0.25, "seconds": 9.5},
    ]
    assert stage_cost(entries, 100) == {
        "updates": 20,
        "seconds": 9.5,
        "peak_gigabytes": 2.5,
        "kilowatt_hours": 0.25,
        # 1 000 tokens in 2 s and 3 000 in 3 s.
        "tokens_per_second": pytest.approx(4000 / 5),
    }
    begun = stage_cost([{"update": 0, "valid_nll": 5.0, "seconds": 1.0}], 0)
    unknown = {"peak_gigabytes": None, "kilowatt_hours": None, "tokens_per_second": None}
    assert begun == {"updates": 0, "seconds": 1.0, **unknown}


def test_a_runs_stages_cost_what_their_reports_say(finished: Path) -> None:
    record = cost_record(open_run(finished))
    assert record["missing"] == []
    assert [(row["arm"], row["stage"], row["updates"]) for row in record["rows"]] == [
        ("standard", "task", 6),
        ("csr", "restore", 3),
        ("csr", "task", 3),
    ]
    for row in record["rows"]:
        marker = finished / f"de-en/{row['arm']}/seed1/steps/{row['stage']}.json"
        report = json.loads(marker.read_text(encoding="utf-8"))["result"]["training"]
        assert row["seconds"] == report["seconds"]
        assert row["peak_gigabytes"] > 0
        assert row["tokens_per_second"] > report["tokens"] / report["seconds"]  # validation left out


def test_what_has_not_begun_and_what_has_no_model_is_named(run: Path) -> None:
    (run / "de-en/standard/seed1/metrics.jsonl").unlink()
    shutil.rmtree(run / "de-en/csr/seed1/restore/model")
    record = cost_record(open_run(run))
    assert [row["stage"] for row in record["rows"]] == ["restore", "task"]
    assert record["missing"] == [
        "de-en/standard/seed1: the stage task has not begun",
        "de-en/csr/seed1: no model of the stage restore; its row may be of a part of it",
    ]
