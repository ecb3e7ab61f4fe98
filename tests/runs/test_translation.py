"""What the arms of a comparison must have in common."""

from pathlib import Path
from typing import Any

import pytest

from switchtune.errors import SwitchtuneError
from switchtune.runs.tasks import read_pair
from switchtune.runs.translation import compared_rows
from switchtune.runs.trial import TrialResult
from tests.miniature import ENGLISH
from tests.runs.test_experiment import config_of


def result(arm: str, seed: int, **updates: int) -> TrialResult:
    reports: dict[str, dict[str, Any]] = {
        name: {"training": {"updates": n, "valid_nll": [(n, 2.0)], "seconds": 1, "truncated": 0}, "rates": {}}
        for name, n in updates.items()
    }
    return TrialResult(("de-en",), arm, seed, reports, {"de-en": ENGLISH[:6]})


def test_arms_that_had_different_totals_of_updates_are_not_compared(tmp_path: Path) -> None:
    config = config_of(tmp_path, tmp_path)
    _, _, test = read_pair(config, config.pairs[0], tmp_path)
    trials = {
        "standard": [result("standard", seed, task=20) for seed in (1, 2)],
        "csr": [result("csr", seed, restore=5, task=15) for seed in (1, 2)],
    }
    rows = compared_rows(config, config.pairs[0], test, trials)
    assert [row.stage_updates for row in rows] == [{"task": 20}, {"restore": 5, "task": 15}]
    trials["csr"][0] = result("csr", 1, restore=6, task=15)
    with pytest.raises(SwitchtuneError, match=r"these had different totals \(.*csr, seed 1: 21; csr, seed 2: 20\)"):
        compared_rows(config, config.pairs[0], test, trials)
