"""Groups of processes: which of them a launcher made, who does what in them, and how they end."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from switchtune.errors import Stopped, SwitchtuneError, UsageError
from switchtune.examples import mixed_examples
from switchtune.training import distributed, job, loop
from switchtune.training.checkpoints import CheckpointError, complete_checkpoints
from switchtune.training.curve import Curve, read_metrics
from switchtune.training.distributed import (
    Place,
    Tell,
    first_before_others,
    first_host,
    gpu_name,
    launch,
    launched,
    on_first,
    place_of,
    rank,
    size,
    training_device,
    wait,
)
from switchtune.training.stopping import StopRequest, heeding
from tests.training.test_trainer import fresh, same_weights, train, translation, untimed

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "node7", "MASTER_PORT": "1234"}
SRUN = {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1", "SLURM_NODELIST": "gpu[07-08]"}


def test_the_place_in_a_group_is_what_the_launcher_says() -> None:
    assert place_of({}) is None
    assert place_of({"WORLD_SIZE": "1", "RANK": "0"}) is None
    assert place_of({"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}) is None
    assert place_of(TORCHRUN) == Place(3, 4, 1, "node7", 1234)
    assert place_of(SRUN) == Place(3, 4, 1, "gpu07", 20_000)
    assert place_of(SRUN | {"SLURM_JOB_ID": "170123"}) == Place(3, 4, 1, "gpu07", 30_123)
    assert place_of(SRUN | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "99"}) == Place(3, 4, 1, "10.0.0.1", 99)
    # srun within an allocation of more machines than the step has.
    assert place_of(SRUN | {"SLURM_STEP_NODELIST": "gpu08"}) == Place(3, 4, 1, "gpu08", 20_000)
    # torchrun started by srun.
    assert place_of(SRUN | TORCHRUN) == Place(3, 4, 1, "node7", 1234)


@pytest.mark.parametrize("environment", [TORCHRUN, SRUN])
def test_half_a_place_is_refused(environment: dict[str, str]) -> None:
    (name,) = {"LOCAL_RANK", "SLURM_LOCALID"} & environment.keys()
    with pytest.raises(UsageError, match=f"{name} is missing"):
        place_of({key: value for key, value in environment.items() if key != name})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (TORCHRUN | {"RANK": "abc"}, "RANK is 'abc'; expected a whole number from 0 to 3"),
        (TORCHRUN | {"RANK": "4"}, "RANK is '4'; expected a whole number from 0 to 3"),
        (TORCHRUN | {"RANK": "-1"}, "RANK is '-1'"),
        (TORCHRUN | {"LOCAL_RANK": "4"}, "LOCAL_RANK is '4'"),
        (TORCHRUN | {"WORLD_SIZE": "x"}, "WORLD_SIZE is 'x'; expected a whole number from 1"),
        (TORCHRUN | {"WORLD_SIZE": "-2"}, "WORLD_SIZE is '-2'"),
        (TORCHRUN | {"WORLD_SIZE": "9" * 5000}, "WORLD_SIZE is '9{40}'"),
        (TORCHRUN | {"MASTER_PORT": "abc"}, "MASTER_PORT is 'abc'; expected a whole number from 1 to 65535"),
        (TORCHRUN | {"MASTER_PORT": "99999999"}, "MASTER_PORT is '99999999'"),
        (SRUN | {"SLURM_PROCID": "4"}, "SLURM_PROCID is '4'"),
        (SRUN | {"SLURM_NTASKS": "x"}, "SLURM_NTASKS is 'x'"),
        (SRUN | {"SLURM_JOB_ID": "x"}, "SLURM_JOB_ID is 'x'"),
    ],
)
def test_what_no_launcher_sets_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        place_of(environment)


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("login", "login"),
        ("a1,a2", "a1"),
        ("gpu[003-007,12],login", "gpu003"),
        ("n[3-5]-ib,x", "n3-ib"),
        ("rack[1-2]n[01-04]", "rack1n01"),
    ],
)
def test_the_first_host_of_a_list(hosts: str, first: str) -> None:
    assert first_host(hosts) == first


@given(st.integers(0, 3), st.text(max_size=5))
def test_alone_one_is_first_and_waits_for_nobody(value: int, text: str) -> None:
    wait()
    assert (rank(), size(), on_first(lambda: (value, text)), first_before_others(lambda: text)) == (
        *(0, 1, (value, text), text),
    )


@pytest.mark.parametrize(
    ("found", "processes", "device"),
    [("mps", 1, "mps"), ("mps", 2, "cpu"), (None, 1, "cpu"), ("cuda", 1, "cuda"), ("cuda", 2, "cuda")],
)
def test_the_training_is_on_the_accelerator_that_torch_finds(
    found: str | None, processes: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerator = None if found is None else torch.device(found)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: accelerator)
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    monkeypatch.setattr(distributed, "size", lambda: processes)
    assert training_device().type == device
    assert gpu_name() == {"cuda": "H200", "mps": "mps", None: None}[found]


# --- groups of two, forked: a new interpreter would take ten seconds to import what is imported here already ---------


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(distributed, "START_METHOD", "fork")
    monkeypatch.setattr(distributed, "_GRACE_SECONDS", 1.0)
    yield


def in_two(work: Callable[..., None], *arguments: Any) -> list[Any]:
    return list(launch(work, arguments, processes=2, device="cpu"))


def _roles(tell: Tell, folder: Path) -> None:
    torch.manual_seed(rank())
    order = first_before_others(lambda: [path.name for path in folder.iterdir()] + [_touch(folder / str(rank()))])
    shared = on_first(lambda: torch.rand(()).item())
    try:
        on_first(_refuse)
    except SwitchtuneError as error:
        said = type(error).__name__
    _touch(folder / f"{rank()} {order} {shared:.6f} {said} {size()}")
    tell(f"from {rank()}")


def _touch(path: Path) -> str:
    path.touch()
    return path.name


def _refuse() -> None:
    raise UsageError("no")


def test_process_0_does_what_is_done_once(forked: None, tmp_path: Path) -> None:
    assert in_two(_roles, tmp_path) == ["from 0"]
    torch.manual_seed(0)
    number = f"{torch.rand(()).item():.6f}"
    assert {path.name for path in tmp_path.iterdir()} == {
        *("0", "1", f"0 ['0'] {number} UsageError 2", f"1 ['0', '1'] {number} SaidElsewhereError 2"),
    }
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def _failing(tell: Tell, what: str) -> None:
    tell("begun")
    if rank() == 1 and what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if rank() == 1 and what == "error":
        raise UsageError("process 1 does not like it")
    if rank() == 1 and what == "crash":
        raise ZeroDivisionError
    wait()
    time.sleep(60)


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        (
            "kill",
            SwitchtuneError,
            r"^Process 1 of 2 was killed \(SIGKILL\).*Run the same command again to continue from the last checkpoint",
        ),
        ("error", UsageError, "^process 1 does not like it$"),
        ("crash", RuntimeError, r"^process 1 of 2 failed, and the others were ended: ZeroDivisionError\nTraceback"),
    ],
)
def test_one_that_fails_ends_all_with_its_reason(
    forked: None, what: str, kind: type[SwitchtuneError], message: str
) -> None:
    began = time.monotonic()
    with pytest.raises(kind, match=message):
        in_two(_failing, what)
    assert time.monotonic() - began < 30  # not the minute that the other would sleep


FEW = 3
"""Sentences: fewer than the parts of a batch, of which one is always empty."""
SETTINGS: dict[str, Any] = {"accumulation": 2, "tokens_per_batch": 120}


def _training(
    tell: Tell, folder: Path, dies_at: int | None, dropout: float, sharding: Literal["ddp", "fsdp"] = "ddp"
) -> None:
    torch.set_num_threads(1)
    if sharding == "fsdp":
        _take_cpus_for_gpus()
    if dies_at is not None and rank() == 1:

        def dying(curve: Curve, entry: dict[str, Any]) -> None:
            if entry["update"] == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)

        Curve.add = dying  # type: ignore[method-assign]
    loaded = fresh(dropout=dropout)
    result = train(
        loaded, folder, updates=9, examples=translation(FEW), checkpoint_every=3, sharding=sharding, **SETTINGS
    )
    torch.save(loaded.model.state_dict(), folder / f"weights{rank()}.pt")
    tell(asdict(result))


def _take_cpus_for_gpus() -> None:
    """It is offered for GPUs alone; torch has it for CPUs too."""
    job.memory_bytes = lambda: 1  # type: ignore[assignment]


def _listening(tell: Tell) -> None:
    wait()
    # Where a machine's name means the loopback interface, gloo would listen there anyway.
    own = psutil.net_if_addrs()[os.environ["GLOO_SOCKET_IFNAME"]]
    assert "127.0.0.1" in {each.address for each in own}
    if rank() == 0:
        parent = psutil.Process(os.getppid())
        processes = [parent, *parent.children(recursive=True)]
        tell([each.laddr.ip for process in processes for each in process.net_connections() if each.status == "LISTEN"])
    wait()


def _launched(folder: Path, number: int, port: int) -> None:
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    with launched():
        _listening(lambda addresses: (folder / "listening").write_text(" ".join(addresses)))


def test_nothing_but_this_machine_can_reach_the_processes(forked: None, tmp_path: Path) -> None:
    (addresses,) = in_two(_listening)
    assert len(addresses) >= 3  # the store, and gloo in both
    assert set(addresses) == {"127.0.0.1"}
    # Likewise where a launcher names this machine alone.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_launched, args=(tmp_path, number, port)) for number in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert set((tmp_path / "listening").read_text().split()) == {"127.0.0.1"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "START_METHOD", "fork")
        (result,) = in_two(_training, folder, None, 0.1)
    return result, folder


def test_two_processes_train_as_one(forked: None, tmp_path: Path) -> None:
    alone = fresh()
    expected = train(alone, tmp_path / "alone", updates=9, examples=translation(FEW), checkpoint_every=3, **SETTINGS)
    (result,) = in_two(_training, _made(tmp_path / "two"), None, 0.0)
    curves = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("alone", "two")]
    assert [entry.keys() for entry in curves[1]] == [entry.keys() for entry in curves[0]]
    for one, two in zip(*curves, strict=True):
        for name in one.keys() & {"loss", "nll", "valid_nll"}:
            assert two[name] == pytest.approx(one[name], abs=1e-4)
        assert (two["update"], two.get("tokens")) == (one["update"], one.get("tokens"))
    assert result["tokens"] == expected.tokens
    weights = [torch.load(tmp_path / f"two/weights{number}.pt") for number in (0, 1)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def _mixing(tell: Tell, folder: Path) -> None:
    torch.set_num_threads(1)
    mixture = mixed_examples([(translation(FEW), 0.5), (translation(), 0.5)], seed=1)
    tell(train(fresh(), folder, updates=3, examples=mixture, **SETTINGS).tokens)


def test_two_processes_train_on_a_mixture_as_one(forked: None, tmp_path: Path) -> None:
    mixture = mixed_examples([(translation(FEW), 0.5), (translation(), 0.5)], seed=1)
    expected = train(fresh(), tmp_path / "alone", updates=3, examples=mixture, **SETTINGS).tokens
    assert in_two(_mixing, _made(tmp_path / "two")) == [expected]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.slow
def test_a_group_of_which_one_is_killed_resumes_to_the_same_weights(
    forked: None, undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    expected, expected_folder = undisturbed
    with pytest.raises(SwitchtuneError, match=r"Process 1 of 2 was killed \(SIGKILL\)"):
        in_two(_training, tmp_path, 5, 0.1)
    assert [checkpoint.update for checkpoint in complete_checkpoints(tmp_path)] == [3]
    (result,) = in_two(_training, tmp_path, None, 0.1)
    assert result["resumed_from"] == 3
    assert untimed(result) == untimed(expected)
    weights = [torch.load(folder / "weights0.pt") for folder in (expected_folder, tmp_path)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def _stopping(tell: Tell, folder: Path) -> None:
    """A training of which process 0 waits in update 5 until it was asked to stop."""
    requests, looks, plain = [], count(1), loop.largest

    @contextmanager
    def noting() -> Iterator[StopRequest]:
        with heeding() as request:
            requests.append(request)
            yield request

    def waiting(asked: int, due: int) -> list[int]:
        if next(looks) == 5 and rank() == 0:
            tell("in 5")
            while not requests[0].signal:
                time.sleep(0.01)
            asked = requests[0].signal
        return plain(asked, due)

    loop.heeding = noting
    loop.largest = waiting  # type: ignore[assignment]
    _training(tell, folder, None, 0.1)


def test_a_group_that_is_asked_to_stop_ends_with_the_same_update(
    forked: None, undisturbed: tuple[dict[str, Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "logging_interval", lambda updates: 4)
    expected, expected_folder = undisturbed
    events = launch(_stopping, (tmp_path,), processes=2, device="cpu")
    assert next(events) == "in 5"
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped) as end:
        list(events)
    assert end.value.code == 128 + signal.SIGTERM
    newest = complete_checkpoints(tmp_path)[-1]
    assert (newest.update, newest.between, newest.processes) == (5, True, 2)
    assert len(read_metrics(tmp_path / "metrics.jsonl")[-1]["sums"]) == 2
    (result,) = in_two(_training, tmp_path, None, 0.1)
    assert result["resumed_from"] == 5
    assert untimed(result) == untimed(expected)
    weights = [torch.load(folder / "weights0.pt") for folder in (expected_folder, tmp_path)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_one_process_goes_on_from_what_two_have_written_and_says_so(
    forked: None, undisturbed: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    with pytest.raises(SwitchtuneError, match="killed"):
        in_two(_training, tmp_path, 5, 0.1)
    told: list[str] = []
    loaded = fresh()
    result = train(
        loaded, tmp_path, updates=9, examples=translation(FEW), checkpoint_every=3, on_message=told.append, **SETTINGS
    )
    assert result.resumed_from == 3
    assert told[0] == "goes on from update 3 of 9"
    assert "written by 2 processes, and now there are 1" in told[1]
    assert not same_weights(loaded, fresh())


@pytest.mark.slow
def test_a_sharded_model_trains_as_a_whole_one_and_resumes(forked: None, tmp_path: Path) -> None:
    (expected,) = in_two(_training, _made(tmp_path / "ddp"), None, 0.0)
    with pytest.raises(SwitchtuneError, match=r"Process 1 of 2 was killed \(SIGKILL\)"):
        in_two(_training, _made(tmp_path / "fsdp"), 5, 0.0, "fsdp")
    (result,) = in_two(_training, tmp_path / "fsdp", None, 0.0, "fsdp")
    assert result["resumed_from"] == 3
    assert [update for update, _ in result["valid_nll"]] == [update for update, _ in expected["valid_nll"]]
    assert [nll for _, nll in result["valid_nll"]] == pytest.approx([nll for _, nll in expected["valid_nll"]], abs=1e-5)
    whole, shared = (torch.load(tmp_path / name / "weights1.pt") for name in ("ddp", "fsdp"))
    torch.testing.assert_close(shared, whole, rtol=1e-4, atol=1e-5)
    with pytest.raises(CheckpointError, match="of a training with other data, settings"):
        train(fresh(), tmp_path / "fsdp", updates=9, examples=translation(FEW), checkpoint_every=3, **SETTINGS)


def _spoiled(tell: Tell, folder: Path, spoiled: tuple[int, ...]) -> None:
    """A training in which the parts of process 1 with these numbers have a gradient that is not finite."""
    torch.set_num_threads(1)
    loaded, parts = fresh(), count(1)

    def spoil(decoder: Any, inputs: Any, output: Any) -> None:
        if decoder.training and next(parts) in spoiled and rank() == 1:
            output.last_hidden_state.detach().fill_(torch.nan)

    loaded.model.get_decoder().register_forward_hook(spoil)
    told: list[str] = []
    result = train(loaded, folder, updates=5, tokens_per_batch=300, on_message=told.append)
    torch.save(loaded.model.state_dict(), folder / f"weights{rank()}.pt")
    tell({"skipped": result.skipped, "told": told})


def test_what_is_not_finite_in_one_process_is_left_out_by_all(forked: None, tmp_path: Path) -> None:
    (result,) = in_two(_spoiled, tmp_path, (3,))
    assert result["skipped"] == 1
    assert len(result["told"]) == 1
    assert "update 3 is left out" in result["told"][0]
    assert {path.name for path in tmp_path.glob("skipped*")} == {"skipped-3-0.json", "skipped-3-1.json"}
    weights = [torch.load(tmp_path / f"weights{number}.pt") for number in (0, 1)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert all(weight.isfinite().all() for weight in weights[0].values())


def test_all_processes_end_where_one_is_not_finite_too_often(forked: None, tmp_path: Path) -> None:
    with pytest.raises(SwitchtuneError, match="the gradients of update 4 are not finite, as were those of 2 others"):
        in_two(_spoiled, tmp_path, (1, 2, 4))
