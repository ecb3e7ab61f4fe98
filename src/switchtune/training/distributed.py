"""Many processes as one training: a group is started or joined, and process 0 does what is to be done once.

Processes are started by `torch.multiprocessing`. torch.distributed.elastic, and accelerate with it, listens on all
interfaces whatever its endpoint, and ends a process that is asked to stop before its checkpoint is written.

Without a group every function here acts as in a group of one.
"""

import math
import multiprocessing
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from typing import Any, Literal, TypeAlias, TypeVar

import torch
from psutil import net_if_addrs
from torch import distributed
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]
from torch.multiprocessing.spawn import ProcessException, start_processes

from switchtune.errors import SaidElsewhereError, Stopped, SwitchtuneError, UsageError
from switchtune.events import show_standard_error
from switchtune.models.forward import device_type
from switchtune.training.stopping import SECONDS_TO_STOP, heeding, interrupts_blocked

Device: TypeAlias = Literal["cuda", "cpu"]

_T = TypeVar("_T")

_HERE = "127.0.0.1"
START_METHOD: Literal["spawn", "fork"] = "spawn"
"""Of new processes; to fork is faster, and not safe once torch has started threads."""
_GRACE_SECONDS = 3.0
"""How long processes may take to say what befell them, once one of them has failed."""
_PATIENCE = timedelta(days=7)
"""How long the others wait for what process 0 does alone; a lexicon may take hours."""


@dataclass(frozen=True, slots=True)
class Place:
    """A process's place in a group that a launcher has started."""

    rank: int
    size: int
    local_rank: int
    """Among the processes of its machine."""
    address: str
    """Machine of process 0."""
    port: int


def place_of(environment: Mapping[str, str]) -> Place | None:
    """The place that torchrun, `accelerate launch` or SLURM's srun gave this process; None where it is alone."""
    environment = {name: value for name, value in environment.items() if value}
    size = _number(environment, "WORLD_SIZE", least=1, default=1)
    if size > 1:
        names = ["RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"]
        launcher = "WORLD_SIZE is set, as torchrun does"
    elif "SLURM_PROCID" in environment and (size := _number(environment, "SLURM_NTASKS", least=1, default=1)) > 1:
        names = ["SLURM_PROCID", "SLURM_LOCALID"]
        launcher = "SLURM_NTASKS is set, as srun does"
    else:
        return None
    missing = [name for name in names if name not in environment]
    if missing:
        raise UsageError(f"{launcher}, but {', '.join(missing)} is missing. Start with torchrun, srun or --gpus.")
    rank, local_rank = (_number(environment, name, most=size - 1) for name in names[:2])
    hosts = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_NODELIST", "localhost")
    # Jobs on the same machine are not to meet.
    port = 20_000 + _number(environment, "SLURM_JOB_ID", default=0) % 20_000
    port = _number(environment, "MASTER_PORT", least=1, most=65_535, default=port)
    return Place(rank, size, local_rank, environment.get("MASTER_ADDR") or first_host(hosts), port)


def _number(
    environment: Mapping[str, str], name: str, *, least: int = 0, most: int = 10**9, default: int | None = None
) -> int:
    text = environment.get(name, str(default))
    if re.fullmatch("[0-9]{1,10}", text) and least <= int(text) <= most:
        return int(text)
    raise UsageError(
        f"The environment variable {name} is {text[:40]!r}; expected a whole number from {least} to {most}, as a "
        "launcher sets it. Start with torchrun, srun or --gpus, or unset it."
    )


def first_host(hosts: str) -> str:
    """The first machine of a list as SLURM writes it: `gpu[003-007,12],login` begins with `gpu003`."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])+", hosts)
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", first[0] if first else "localhost")


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


_patient: distributed.ProcessGroup | None = None


def wait() -> None:
    """Go on when all processes are here, however long one of them works before."""
    if size() > 1:
        distributed.barrier(_patient)


def on_first(work: Callable[[], _T]) -> _T:
    """Have process 0 do the work while the others wait, and give its result, which is pickled, to all.

    An error for people is raised in process 0, and in the others one that says nothing.
    """
    if size() == 1:
        return work()
    outcome: list[Any] = [None, None]
    if rank() == 0:
        try:
            outcome[0] = work()
        except (SwitchtuneError, OSError) as error:
            outcome[1] = error
    distributed.broadcast_object_list(outcome, src=0, group=_patient)
    if outcome[1] is not None:
        raise outcome[1] if rank() == 0 else SaidElsewhereError(str(outcome[1]))
    result: _T = outcome[0]
    return result


def from_all(value: _T) -> list[_T]:
    """What every process has, which is pickled, in their order."""
    values = [value] * size()
    if size() > 1:
        distributed.all_gather_object(values, value, group=_patient)
    return values


def largest(*numbers: int) -> list[int]:
    """The largest that any process has of each number."""
    # Not on a GPU, which is busy with the update still.
    return [int(number) for number in summed(torch.tensor(numbers), distributed.ReduceOp.MAX)]


def summed(values: torch.Tensor, operation: distributed.ReduceOp.RedOpType = distributed.ReduceOp.SUM) -> torch.Tensor:
    """The sum over all processes of what each has, on whatever device; or what another operation makes of it."""
    if size() == 1:
        return values
    values = values.clone()
    distributed.all_reduce(values, operation, group=_patient if values.device.type == "cpu" else None)
    return values


def training_device() -> torch.device:
    """Where this process trains: its GPU where there is one; several processes without NVIDIA GPUs share the CPU."""
    found = device_type()
    if found == "cpu" or (size() > 1 and found != "cuda"):
        return torch.device("cpu")
    return torch.device(found, torch.accelerator.current_device_index())


def gpu_name() -> str | None:
    """Of the GPU that this process computes on; None where there is none."""
    found = device_type()
    return torch.cuda.get_device_name() if found == "cuda" else None if found == "cpu" else found


def first_before_others(work: Callable[[], _T]) -> _T:
    """Do the work in every process, in process 0 before the others, who find what it has written."""
    if size() == 1:
        return work()
    made: list[_T] = []
    on_first(lambda: made.append(work()))
    return made[0] if made else work()


def group_device() -> Device:
    """Where the processes of a group compute."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def joined(place: Place, device: Device, *, store: Store | None = None) -> Iterator[None]:
    """Be a member of a group within the block; its processes find each other by the store, or at the place's address.

    Raises:
        SwitchtuneError: the others did not come.
        UsageError: fewer GPUs than processes on this machine.
    """
    global _patient
    if device == "cuda":
        if place.local_rank >= torch.cuda.device_count():
            raise UsageError(
                f"Process {place.rank} is number {place.local_rank} on its machine, which has "
                f"{torch.cuda.device_count()} GPUs; start at most one process per GPU."
            )
        torch.cuda.set_device(place.local_rank)
    interfaces = [name for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if name not in os.environ]
    # Where nobody but this machine is named, no other needs to reach its processes.
    here = place.address in {"localhost", "::1"} or place.address.startswith("127.")
    if here:
        loopback = next(name for name, own in net_if_addrs().items() if any(each.address == _HERE for each in own))
        os.environ.update(dict.fromkeys(interfaces, loopback))
    try:
        try:
            # torchrun holds the store itself.
            if store is None and here and "TORCHELASTIC_USE_AGENT_STORE" not in os.environ:
                store = TCPStore(_HERE, place.port, is_master=False) if place.rank else _local_store(place.port)
            address = None if store else f"tcp://{place.address}:{place.port}"
            backend = "nccl" if device == "cuda" else "gloo"
            distributed.init_process_group(backend, address, store=store, rank=place.rank, world_size=place.size)
        except (distributed.DistError, OSError) as error:
            raise SwitchtuneError(
                f"Process {place.rank} of {place.size} did not find the others at {place.address}:{place.port}: "
                f"{error}. All of them must be started at the same time, by torchrun or srun, and reach that address."
            ) from error
        _patient = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        yield
    finally:
        _patient = None
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for name in interfaces:
            os.environ.pop(name, None)


def launched() -> AbstractContextManager[None]:
    """Within, this process is a member of the group that a launcher has started, where one has."""
    place = place_of(os.environ)
    return nullcontext() if place is None else joined(place, group_device())


def _local_store(port: int) -> TCPStore:
    """A store that only this machine reaches: torch's own socket listens on all interfaces, whatever it is told."""
    listener = socket.create_server((_HERE, port))
    port = listener.getsockname()[1]
    return TCPStore(_HERE, port, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach())


Tell: TypeAlias = Callable[[Any], None]
"""Sends something to whoever started the processes."""
_Reports: TypeAlias = "multiprocessing.SimpleQueue[tuple[Literal['sent', 'failed'], int, Any]]"


def launch(work: Callable[..., None], arguments: tuple[Any, ...], *, processes: int, device: Device) -> Iterator[Any]:
    """Run `work(tell, *arguments)` in so many new processes of this machine, which make a group.

    When one of them fails the others are ended, within seconds; likewise when the iteration is given up. Ctrl-C and
    SIGTERM are passed on, and heeded by a training; Windows knows no way to ask it, and ends it.

    Args:
        work: a function of a module, so that a new process can import it; arguments are pickled. Its `tell` does
            nothing but in process 0.

    Yields:
        What process 0 tells.

    Raises:
        SwitchtuneError: that of the process that failed first, or which process died, and how.
        RuntimeError: another error of a process; its traceback follows the first line.
        Stopped: a signal came, and the training has written a checkpoint.
    """
    reports: _Reports = multiprocessing.get_context(START_METHOD).SimpleQueue()
    store = _local_store(0)
    settings = (processes, device, store.port, max(1, torch.get_num_threads() // processes))
    with interrupts_blocked():
        started = start_processes(
            _process, (work, arguments, *settings, reports), nprocs=processes, join=False, start_method=START_METHOD
        )
    failures: list[tuple[int, Any]] = []
    latest = math.inf
    with heeding() as request:
        try:
            done = False
            while not done and time.monotonic() < latest:
                done = started.join(timeout=0.2, grace_period=_GRACE_SECONDS)
                yield from _sent(reports, failures)
                if request.signal and latest == math.inf:
                    latest = time.monotonic() + SECONDS_TO_STOP
                    for process in started.processes:
                        process.terminate()
        except ProcessException as ended:
            yield from _sent(reports, failures)
            if not request.signal:
                raise _cause(ended, [process.exitcode for process in started.processes], failures) from None
        finally:
            for process in started.processes:
                process.kill()
            # Its thread ends here, and not whenever the frames of an error are collected.
            del store
        if request.signal:
            raise Stopped(128 + request.signal)


def _sent(reports: _Reports, failures: list[tuple[int, Any]]) -> Iterator[Any]:
    """What has been sent; failures go to the list."""
    while not reports.empty():
        kind, number, value = reports.get()
        if kind == "sent":
            yield value
        else:
            failures.append((number, value))


def _cause(ended: ProcessException, exit_codes: list[int | None], failures: list[tuple[int, Any]]) -> Exception:
    """What to tell, in its first line. Where one was killed, others may have failed because they lost it."""
    signals = {number: -code for number, code in enumerate(exit_codes) if code is not None and code < 0}
    # Those that did not end by themselves were ended by SIGTERM.
    killed = [number for number, name in signals.items() if name != signal.SIGTERM]
    if signals.get(ended.error_index) == signal.SIGTERM:
        killed.append(ended.error_index)
    if killed:
        return SwitchtuneError(
            f"Process {killed[0]} of {len(exit_codes)} was killed ({signal.Signals(signals[killed[0]]).name}), perhaps "
            "for lack of memory, and the others were ended. Run the same command again to continue from the last "
            "checkpoint."
        )
    for number, failure in failures:
        if isinstance(failure, SwitchtuneError):
            return failure
        what = failure.splitlines()[-1]
        return RuntimeError(
            f"process {number} of {len(exit_codes)} failed, and the others were ended: {what}\n{failure}"
        )
    return SwitchtuneError(
        f"Process {ended.error_index} of {len(exit_codes)} ended with exit code {exit_codes[ended.error_index]}, and "
        "the others were ended."
    )


def _process(
    number: int,
    work: Callable[..., None],
    arguments: tuple[Any, ...],
    processes: int,
    device: Device,
    port: int,
    threads: int,
    reports: _Reports,
) -> None:
    start_worker(threads)

    def tell(value: Any) -> None:
        if number == 0:
            reports.put(("sent", number, value))

    store = TCPStore(_HERE, port, is_master=False)
    with joined(Place(number, processes, number, _HERE, port), device, store=store):
        try:
            work(tell, *arguments)
        except Exception as error:
            # Before the group is left: the others fail for that, and are not to be heard first.
            if not isinstance(error, SaidElsewhereError):
                failure = error if isinstance(error, SwitchtuneError) else traceback.format_exc()
                reports.put(("failed", number, failure))
            raise


def start_worker(threads: int) -> None:
    """Make this process a worker: it ends with its parent, which a kill keeps from ending it."""
    show_standard_error()
    if sys.platform == "win32":
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # elsewhere it is blocked from before the start
    torch.set_num_threads(threads)

    def watch(parent: BaseProcess) -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, args=[multiprocessing.parent_process()], daemon=True).start()
