"""metrics.jsonl: one file for all stages, of which each goes on where it was."""

import re
from pathlib import Path

import pytest

from switchtune.errors import SwitchtuneError
from switchtune.training.curve import Curve, StageLog, read_metrics


def entry(update: int, **values: float) -> dict[str, float]:
    return {"update": update, "seconds": float(update), **values}


def test_stages_write_one_file_and_count_updates_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first, second = StageLog(path, "restore"), StageLog(path, "task", 3)
    curve = Curve(first, until=None)
    for update in range(4):
        curve.add(entry(update, valid_nll=9.0 - update))
    curve = Curve(second, until=None)
    curve.add(entry(0, valid_nll=5.0))
    curve.add(entry(1, loss=2.0, tokens=10))
    curve.add(entry(2, loss=1.0, tokens=20))
    assert [(each["stage"], each["update"]) for each in read_metrics(path)] == [
        *(("restore", update) for update in range(4)),
        *(("task", update) for update in (3, 4, 5)),
    ]
    assert curve.measured("valid_nll") == ((0, 5.0),)
    assert (curve.tokens, curve.seconds, curve.recent_mean("loss")) == (20, 2.0, 1.0)

    # A kill cut the last line short, and what came after the checkpoint is done again.
    path.write_text(path.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    curve = Curve(second, until=1)
    assert [each["update"] for each in curve.entries] == [0, 1]
    assert [each["update"] for each in read_metrics(path)] == [0, 1, 2, 3, 3, 4]

    # Energy that was not counted from the start of a stage is not known.
    assert curve.kilowatt_hours is None
    curve.add(entry(2, kilowatt_hours=0.5))
    assert curve.kilowatt_hours == 0.5
    assert Curve(StageLog(tmp_path / "other.jsonl", "task"), until=None).kilowatt_hours == 0

    # A stage that is trained anew takes those after it along.
    reader = Curve(first, until=None, writes=False)
    assert reader.entries == []
    assert len(read_metrics(path)) == 7
    Curve(first, until=2)
    assert [(each["stage"], each["update"]) for each in read_metrics(path)] == [
        ("restore", update) for update in range(3)
    ]


def test_a_line_that_is_no_entry_is_told_and_the_cut_end_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    curve = Curve(StageLog(path, "task"), until=None)
    for update in range(3):
        curve.add(entry(update, nll=0.1 + update / 3))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert Curve(StageLog(path, "task"), until=2).entries == curve.entries
    assert path.read_text(encoding="utf-8").splitlines(keepends=True) == lines
    path.write_text("".join([*lines[:2], lines[2][:-1]]), encoding="utf-8")
    assert len(read_metrics(path)) == 3
    path.write_text("".join([lines[0], lines[1][:9] + "\n", lines[2]]), encoding="utf-8")
    with pytest.raises(SwitchtuneError, match=re.escape(f"{path}:2: not valid JSON")):
        Curve(StageLog(path, "task"), until=2)
    assert path.read_text(encoding="utf-8").endswith(lines[2])
