"""A made-up run with real miniature models, and its demo at work."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from switchtune.demo.server import Demo
from switchtune.demo.session import DemoSession
from switchtune.lexicon.files import write_lexicon
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.models.load import save_model
from switchtune.models.new import new_model
from tests.miniature import ENGLISH, TINY, miniature, taught
from tests.report.made_run import WORDS, make_run, make_wide_run, write


def run_with_models(folder: Path) -> Path:
    made = make_run(folder)
    save_model(taught(), made / "de-en/standard/seed1/task/model", "de", "en")
    save_model(miniature(seed=2), made / "de-en/csr/seed2/task/model", "de", "en")
    save_model(taught(), made / "de-en/csr/seed2/restore/model", "de", "en")
    return made


def arabic_run_with_models(folder: Path) -> Path:
    """From Arabic to English; its models have learned nothing."""
    made = make_wide_run(folder, ["ar-en"], ["standard", "csr"], 1)
    loaded = new_model("mbart", TINY, {"ar": WORDS["ar"] * 6, "en": ENGLISH}, seed=1)
    for stage in ("standard/seed1/task", "csr/seed1/restore", "csr/seed1/task"):
        save_model(loaded, made / "ar-en" / stage / "model", "ar", "en")
    lexicon = made / "lexicon/ar-en/auto-1a2b3c4d"
    write(lexicon / "judgement.json", "{}")
    for source, target, words in (("ar", "en", {"كلب": "dog", "المرج": "meadow"}), ("en", "ar", {"dog": "كلب"})):
        entries = {word: Entry(word, 5, (Translation(other, 0.75, 3),)) for word, other in words.items()}
        made_of = Lexicon(source, target, "align", "probability", "word", entries)
        write_lexicon(made_of, lexicon / f"lexicon.{source}-{target}.tsv")
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
