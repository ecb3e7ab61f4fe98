"""Trainings side by side: how many, and what reaches their processes."""

import signal

import pytest
import torch

from switchtune.events import Event, OnEvent
from switchtune.runs import workers
from switchtune.runs.workers import jobs_for, side_by_side
from switchtune.training import distributed


def test_jobs_are_as_configured_or_follow_from_the_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "device_type", lambda: "cpu")
    monkeypatch.setattr(workers, "available_cores", lambda: 4)
    assert jobs_for(3, 8, lambda: 10**9) == 3
    for gigabytes, jobs in ((10, 1), (50, 2), (1000, 4)):
        monkeypatch.setattr(workers.psutil, "virtual_memory", lambda total=gigabytes: _Memory(total * 10**9))
        assert jobs_for(0, 8, lambda: 10**9) == jobs
    assert jobs_for(0, 2, lambda: 10**9) == 2
    for device in ("cuda", "mps"):
        monkeypatch.setattr(workers, "device_type", lambda device=device: device)
        assert jobs_for(0, 8, lambda: 10**9) == 1


class _Memory:
    def __init__(self, total: int) -> None:
        self.total = total


def _told(name: str, on_event: OnEvent) -> tuple[str, int, set[signal.Signals]]:
    on_event(Event(name, "told"))
    return name, torch.get_num_threads(), signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_workers_tell_what_they_do_and_hear_no_interrupt_even_as_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "START_METHOD", "fork")
    monkeypatch.setattr(workers, "available_cores", lambda: 4)
    told: list[str] = []
    found = side_by_side(_told, [("a",), ("b",), ("c",)], 2, lambda event: told.append(event.subject))
    assert found == [(name, 2, {signal.SIGINT}) for name in "abc"]
    assert sorted(told) == ["a", "b", "c"]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
