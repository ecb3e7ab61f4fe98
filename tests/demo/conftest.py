"""A made-up run with real miniature models."""

import shutil
from pathlib import Path

import pytest

from switchtune.demo.session import DemoSession, open_session
from tests.demo.serving import run_with_models


@pytest.fixture(scope="package")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_with_models(tmp_path_factory.mktemp("demo") / "mine")


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "mine"))


@pytest.fixture
def session(folder: Path) -> DemoSession:
    return open_session(folder)
