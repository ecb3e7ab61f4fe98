"""Trainings side by side, each in a process of its own."""

import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, TypeVar, cast

import psutil

from switchtune.errors import Stopped, SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.models.forward import device_type
from switchtune.training import distributed
from switchtune.training.distributed import place_of, start_worker
from switchtune.training.stopping import SECONDS_TO_STOP, heeding, interrupts_blocked

_Result = TypeVar("_Result")


def require_one_process(verb: str, instead: str) -> None:
    """Have a verb not be done by several processes at once, each for itself; raises UsageError in one of several.

    `instead`: what the verb does, and what is made for several processes, as a sentence.
    """
    place = place_of(os.environ)
    # A batch script of SLURM that starts nothing by srun has the variables of a process 0.
    if place is not None and (place.rank > 0 or "RANK" in os.environ):
        raise UsageError(
            f"`switchtune {verb}` was started as several processes, and would do everything as many times. {instead}"
        )


BYTES_PER_PARAMETER = 24
"""Memory of a training without its activations, in float32: weights, gradients, two moments, and as much for copies."""


def jobs_for(jobs: int, trials: int, weights: Callable[[], int]) -> int:
    """Trainings that run at the same time: as configured, else one with a GPU, one per core where memory allows it.

    All of the machine's memory counts, free or not: another number of jobs means another number of threads for each,
    and a resumed training would end in other weights than one that was not interrupted.

    Args:
        jobs: as configured; 0 has them found.
        weights: counts those of the model.
    """
    if not jobs and device_type() == "cpu":
        jobs = min(available_cores(), psutil.virtual_memory().total // (BYTES_PER_PARAMETER * weights()))
    return max(1, min(jobs, trials))


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    work: Callable[..., _Result], arguments: Sequence[tuple[Any, ...]], jobs: int, on_event: OnEvent
) -> list[_Result]:
    """`work(*each, on_event)` for each of the arguments, so many at a time, each in a process of its own if several.

    Ctrl-C and SIGTERM are passed on, and heeded by those that train; Windows knows no way to ask them, and ends them.

    Raises:
        SwitchtuneError: what the first that failed raised, the others being stopped; or a process was killed.
        Stopped: a signal came, and each has written a checkpoint.
    """
    if jobs == 1 or not arguments:
        return [work(*each, on_event) for each in arguments]
    context = multiprocessing.get_context(distributed.START_METHOD)
    events = context.Queue()
    # Threads do not depend on how many trainings are left: a resumed one is to end in the same weights.
    start = (events, max(1, available_cores() // jobs))
    processes = min(jobs, len(arguments))
    pool = ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=start)
    with heeding() as request, pool:
        with interrupts_blocked():
            futures = [pool.submit(_work, work, each) for each in arguments]
        workers = list(pool._processes.values())
        try:
            while not request.signal and not all(future.done() for future in futures):
                for future in futures:
                    if future.done():
                        future.result()
                _show(events, on_event)
            if request.signal:
                for process in workers:
                    process.terminate()
            else:
                pool.shutdown(wait=False)
            # What a process told last arrives before it ends, and perhaps after its result.
            latest = time.monotonic() + SECONDS_TO_STOP
            while any(process.is_alive() for process in workers) and time.monotonic() < latest:
                _show(events, on_event, patience=0.05)
            while _show(events, on_event, patience=0.0):
                pass
            if request.signal:
                raise Stopped(128 + request.signal)
            return [future.result() for future in futures]
        except BaseException as error:
            # Leaving the block would wait for the trainings that still run.
            for process in workers:
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise SwitchtuneError(
                    "A training process was killed, perhaps for lack of memory. Run the same command again: it "
                    "continues from the last checkpoints. `--set jobs=1` needs the least memory."
                ) from error
            raise


def _show(events: "multiprocessing.Queue[Event]", on_event: OnEvent, *, patience: float = 0.2) -> bool:
    """Show the next event if one comes within so many seconds, and tell whether it did."""
    with suppress(queue.Empty):
        on_event(events.get(timeout=patience))
        return True
    return False


_events: "multiprocessing.Queue[Event] | None" = None


def _start_worker(events: "multiprocessing.Queue[Event]", threads: int) -> None:
    global _events
    _events = events
    start_worker(threads)


def _work(work: Callable[..., _Result], arguments: tuple[Any, ...]) -> _Result:
    assert _events is not None
    try:
        return work(*arguments, _events.put)
    except Stopped as stopped:
        # The pool would give this process the next training. What was told is to arrive before it ends.
        _events.close()
        _events.join_thread()
        os._exit(cast("int", stopped.code))
