"""A made-up run with real miniature models, and its demo at work."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from switchtune.demo.server import Demo
from switchtune.demo.session import DemoSession
from switchtune.models.load import save_model
from tests.miniature import miniature, taught
from tests.report.made_run import make_run


def run_with_models(folder: Path) -> Path:
    made = make_run(folder)
    save_model(taught(), made / "de-en/standard/seed1/task/model", "de", "en")
    save_model(miniature(seed=2), made / "de-en/csr/seed2/task/model", "de", "en")
    save_model(taught(), made / "de-en/csr/seed2/restore/model", "de", "en")
    return made


@contextmanager
def serving(session: DemoSession) -> Iterator[Demo]:
    demo = Demo(session, 0)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(demo.run)
        try:
            yield demo
        finally:
            demo.stop()
    running.result()


@contextmanager
def busy(demo: Demo) -> Iterator[None]:
    """Another question is being answered."""
    begun, ended = threading.Event(), threading.Event()

    def answer() -> None:
        begun.set()
        ended.wait()

    demo.worker.submit(answer)
    begun.wait()
    try:
        yield
    finally:
        ended.set()
