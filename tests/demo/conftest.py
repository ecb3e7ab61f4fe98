"""A made-up run with real miniature models."""

import shutil
from pathlib import Path

import pytest

from switchtune.demo.session import DemoSession, open_session


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "mine"))


@pytest.fixture
def session(folder: Path) -> DemoSession:
    return open_session(folder)
