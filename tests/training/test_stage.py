"""What a stage's settings need of the machine, asked before anything is trained."""

import multiprocessing

import pytest
import torch

from switchtune.errors import UsageError
from switchtune.training.stage import require_runnable
from tests.training.test_trainer import settings


def test_batches_are_prepared_by_other_processes_only_where_these_can_be_forked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu = torch.device("cpu")
    require_runnable(settings(workers=2), "mbart", cpu)
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    require_runnable(settings(workers=0), "mbart", cpu)
    with pytest.raises(UsageError, match=r"training\.workers: 2 processes would be forked.*Set 0"):
        require_runnable(settings(workers=2), "mbart", cpu)
