"""When a training no longer gets better, and what memory it takes."""

import psutil
import pytest
import torch

from switchtune.training.recorder import exhausted, peak_memory_gb


@pytest.mark.parametrize(
    ("values", "patience", "expected"),
    [
        ([], 1, False),
        ([1], 1, False),
        ([1, 1], 1, True),
        ([1, 2, 1, 0], 2, True),
        ([1, 2, 1, 0], 3, False),
        ([1, 2, 1, 3], 2, False),
        ([3, 2, 1, 2], None, False),
    ],
)
def test_patience_counts_evaluations_since_the_first_of_the_best(
    values: list[float], patience: int | None, expected: bool
) -> None:
    scores = [(10 * number, value) for number, value in enumerate(values)]
    assert exhausted(scores, patience=patience, least_updates=0) == expected


def test_before_the_least_updates_nothing_ends() -> None:
    scores = [(0, 3.0), (10, 2.0), (20, 1.0)]
    assert not exhausted(scores, patience=1, least_updates=21)
    assert exhausted(scores, patience=1, least_updates=20)


def test_memory_of_an_apple_gpu_is_what_metal_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 3 * 10**9)
    assert peak_memory_gb(torch.device("mps")) == 3


def test_memory_is_that_of_the_process() -> None:
    peak = peak_memory_gb(torch.device("cpu"))
    assert 0.99 * psutil.Process().memory_info().rss <= peak * 1e9 <= psutil.virtual_memory().total
