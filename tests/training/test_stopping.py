"""Ctrl-C, SIGTERM and the clock: what is written on the way changes nothing that a training comes to."""

import multiprocessing
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

from switchtune.errors import Stopped
from switchtune.training.checkpoints import complete_checkpoints, mark_complete
from switchtune.training.curve import read_metrics
from switchtune.training.stopping import heeding
from tests.training.test_trainer import chrf_like, fresh, same_weights, train, untimed

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in BOTH]


@pytest.mark.parametrize("first", BOTH)
def test_the_first_signal_is_noted_and_another_ctrl_c_ends_at_once(
    first: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    former = handlers()
    with pytest.raises(KeyboardInterrupt), heeding() as request:
        assert request.signal == 0
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGTERM)  # launchers may send several
        assert request.signal == first
        signal.raise_signal(signal.SIGINT)
    assert handlers() == former
    assert ("Stopping after this update" in capfd.readouterr().err) == (first == signal.SIGINT)


def test_a_signal_that_nobody_answers_has_its_usual_effect_afterwards() -> None:
    before = []
    with pytest.raises(KeyboardInterrupt), heeding():
        signal.raise_signal(signal.SIGINT)
        before.append("the end of the block")
    assert before


def test_what_is_ignored_stays_so_and_other_threads_heed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with heeding() as request:
            signal.raise_signal(signal.SIGINT)
        assert request.signal == 0
    finally:
        signal.signal(signal.SIGINT, former)
    seen: list[Any] = []

    def work() -> None:
        with heeding():
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handlers()]


# --- a training that is stopped --------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _few_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a short training every update would be an entry, and nothing would ever stand between two."""
    monkeypatch.setattr("switchtune.training.loop.logging_interval", lambda updates: 5)


def signalled(loaded: Any, number: int, *, part: int) -> Any:
    """A model in whose training a signal comes while it computes the part with that number, from 1."""
    parts = count(1)

    def send(decoder: torch.nn.Module, inputs: Any, output: Any) -> None:
        if decoder.training and next(parts) == part:
            for worker in multiprocessing.active_children():
                # As from a launcher, or a machine that goes down: those of its parent do less.
                subprocess.run(["kill", f"-{number:d}", str(worker.pid)], check=True)
                time.sleep(0.2)
            signal.raise_signal(number)

    loaded.model.get_decoder().register_forward_hook(send)
    return loaded


def curve(folder: Path) -> list[dict[str, Any]]:
    return [untimed(entry) for entry in read_metrics(folder / "metrics.jsonl") if "sums" not in entry]


BEST: dict[str, Any] = {"keep": "best", "best_by": "chrf", "evaluate_every": 3}
VALUES = (1.0, 1.0, 2.0, 9.0, 3.0, 2.0, 2.0)  # after 0, 3, 4, 6, 8, 9, 12 updates: the best is not at a regular one


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (signal.SIGINT, {"average": 2}),
        (signal.SIGTERM, {"accumulation": 2, "workers": 1}),
        (signal.SIGTERM, BEST),
    ],
)
def test_a_stopped_training_ends_as_one_that_was_not(
    number: signal.Signals, changes: dict[str, Any], tmp_path: Path
) -> None:
    def values(start: int = 0) -> Any:
        return chrf_like(list(VALUES[start:])) if changes is BEST else None

    whole, told, former = fresh(dropout=0.1), list[str](), handlers()
    expected = train(whole, tmp_path / "whole", validate=values(), **changes)
    stopped = signalled(fresh(dropout=0.1), number, part=6 * changes.get("accumulation", 1))
    folder = tmp_path / "stopped"
    with pytest.raises(Stopped) as end:
        train(stopped, folder, on_message=told.append, validate=values(), **changes)
    assert end.value.code == 128 + number
    assert handlers() == former
    assert not multiprocessing.active_children()
    assert told == [f"stopped after update 6 of 12; a checkpoint is at {folder}/checkpoint-6"]
    newest = complete_checkpoints(folder)[-1]
    assert (newest.update, newest.between, newest.score) == (6, True, None)
    resumed = fresh(dropout=0.1)
    result = train(resumed, folder, on_message=told.append, validate=values(4), **changes)
    assert told[1:] == ["goes on from update 6 of 12"]
    assert result.resumed_from == 6
    assert same_weights(resumed, whole)
    assert untimed(asdict(result)) == untimed(asdict(expected))
    assert curve(folder) == curve(tmp_path / "whole")
    assert [each.update for each in complete_checkpoints(folder)] == [
        each.update for each in complete_checkpoints(tmp_path / "whole")
    ]


def test_a_stop_at_the_last_update_is_a_stop_too(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        train(signalled(fresh(), signal.SIGINT, part=12), tmp_path)
    assert [(each.update, each.between) for each in complete_checkpoints(tmp_path)] == [(12, False)]
    assert train(fresh(), tmp_path).updates == 12


def test_a_second_ctrl_c_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    loaded = signalled(signalled(fresh(), signal.SIGINT, part=6), signal.SIGINT, part=6)
    with pytest.raises(KeyboardInterrupt):
        train(loaded, tmp_path)
    assert [each.update for each in complete_checkpoints(tmp_path)] == [4]


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"average": 2}, {"snapshots": True}, BEST, {"checkpoint_every": 20}])
def test_checkpoints_by_the_clock_make_no_difference(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def values() -> Any:
        return chrf_like(list(VALUES)) if changes is BEST else None

    made: list[tuple[int, bool]] = []

    def noting(checkpoint: Any) -> None:
        made.append((checkpoint.update, checkpoint.between))
        mark_complete(checkpoint)

    # A look is taken when it starts, after each update, and after each checkpoint: the third update after it is due.
    minutes = count()
    monkeypatch.setattr("switchtune.training.loop.monotonic", lambda: 60.0 * next(minutes))
    monkeypatch.setattr("switchtune.training.loop.mark_complete", noting)
    trained = []
    for name, wanted in (("whole", None), ("timed", 3.0)):
        loaded = fresh(dropout=0.1)
        result = train(loaded, tmp_path / name, checkpoint_minutes=wanted, validate=values(), **changes)
        trained.append((loaded, untimed(asdict(result)), curve(tmp_path / name), kept(tmp_path / name)))
    every = changes.get("checkpoint_every", 4)
    regular = [update for update in range(1, 13) if update % every == 0 or update == 12]
    timed = {20: [3, 6, 9], 4: [3, 7, 11]}[every]
    begun = [(0, False)] if changes is BEST else []
    saved = [(update, False) for update in regular]
    assert made == [*begun, *saved, *begun, *sorted([*saved, *((update, True) for update in timed)])]
    assert same_weights(trained[0][0], trained[1][0])
    assert trained[0][1:] == trained[1][1:]


def kept(folder: Path) -> list[tuple[int, bool]]:
    return [(each.update, each.resumable) for each in complete_checkpoints(folder)]


def test_a_training_that_ended_at_once_goes_on_from_the_clocks_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, resumed = fresh(dropout=0.1), fresh(dropout=0.1)
    expected = train(whole, tmp_path / "whole", checkpoint_every=20)
    minutes = count()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("switchtune.training.loop.monotonic", lambda: 60.0 * next(minutes))
        loaded = signalled(signalled(fresh(dropout=0.1), signal.SIGINT, part=8), signal.SIGINT, part=8)
        train(loaded, tmp_path / "killed", checkpoint_every=20, checkpoint_minutes=3)
    result = train(resumed, tmp_path / "killed", checkpoint_every=20)
    assert result.resumed_from == 6
    assert same_weights(resumed, whole)
    assert untimed(asdict(result)) == untimed(asdict(expected))
