"""Ctrl-C and SIGTERM while a training goes on: it ends with its update and a checkpoint, not in the middle."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

SECONDS_TO_STOP = 600.0
"""How long other processes may take for the update and the checkpoint that they end with."""


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Within, an interrupt from the keyboard waits, and processes that are started get none, in their imports neither.

    A terminal sends it to all processes; their parent decides what comes of it. On Windows, which cannot have it wait,
    new processes ignore it once they are started (`start_worker`).
    """
    if sys.platform == "win32":
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@dataclass
class StopRequest:
    """Whether somebody asked to stop."""

    signal: int = 0
    """The first that came; 0 where none did."""


@contextmanager
def heeding() -> Iterator[StopRequest]:
    """Within, Ctrl-C or SIGTERM is noted in what is given; Ctrl-C ends at once where something is noted already.

    Ignored signals stay ignored; outside the main thread none is noted. An unanswered one has its effect afterwards.
    """
    request = StopRequest()

    def note(number: int, frame: Any) -> None:
        if number == signal.SIGINT:
            if request.signal:
                raise KeyboardInterrupt
            # Not by a stream, in whose lock this may have come.
            os.write(2, b"\nStopping after this update. Press Ctrl-C again to stop at once.\n")
        request.signal = request.signal or number

    former = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                former[number] = signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if request.signal:
        signal.raise_signal(request.signal)
