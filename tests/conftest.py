"""Fixtures shared by all tests."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from hypothesis import HealthCheck, settings

from switchtune.models.hub import why_unreachable
from switchtune.models.load import save_model
from switchtune.results.drawing import Drawing
from tests.miniature import miniature

# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("untimed", deadline=None, max_examples=50)
settings.load_profile("untimed")

FUZZ_EXAMPLES = 25

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = (
        "of each fuzz test; another number than the default draws new ones in every run (add --timeout 0 for many)"
    )
    parser.addoption("--fuzz-examples", type=int, default=FUZZ_EXAMPLES, metavar="N", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    """Fuzz tests are decorated with `@settings.get_profile("fuzz")`, above `@given`."""
    examples = config.getoption("--fuzz-examples")
    settings.register_profile(
        "fuzz",
        settings.get_profile("untimed"),
        max_examples=examples,
        derandomize=examples == FUZZ_EXAMPLES,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture(scope="session", autouse=True)
def _what_is_imported_is_no_garbage() -> None:
    """Every training collects garbage several times, which takes longer than a miniature one where much is imported."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _nothing_waits_for_the_disk() -> Iterator[None]:
    """What is on the disk only matters when the machine fails, which no test does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the Hub unless it says so, whatever the network and the tests before it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    why_unreachable.cache_clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real corpora beside the checkout; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real corpora at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a saved miniature; modules that need another have a fixture of this name themselves."""
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(miniature(), folder, "de", "en")
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up run with real miniature models, which the demo's tests copy."""
    from tests.demo.serving import run_with_models  # which few tests need

    return run_with_models(tmp_path_factory.mktemp("demo") / "mine")


@pytest.fixture(scope="session")
def drawn() -> dict[str, str]:
    """What was drawn with `drawn_once`, by the content of the figure."""
    return {}


@pytest.fixture(scope="module")
def drawn_once(drawn: dict[str, str]) -> Iterator[None]:
    """Figures of the same content are drawn once, for tests that make the same report time and again."""
    draw = Drawing.svg

    def svg(drawing: Drawing) -> str:
        if repr(drawing) not in drawn:
            drawn[repr(drawing)] = draw(drawing)
        return drawn[repr(drawing)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drawing, "svg", svg)
        yield
