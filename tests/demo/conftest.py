"""A made-up run with real miniature models."""

from pathlib import Path

import pytest

from switchtune.demo.session import Workshop, open_workshop
from switchtune.models.load import save_model
from tests.miniature import miniature, taught
from tests.report.made_run import make_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = make_run(tmp_path / "mine")
    save_model(taught(), made / "de-en/standard/seed1/task/model", "de", "en")
    save_model(miniature(seed=2), made / "de-en/csr/seed2/task/model", "de", "en")
    save_model(taught(), made / "de-en/csr/seed2/restore/model", "de", "en")
    return made


@pytest.fixture
def workshop(folder: Path) -> Workshop:
    return open_workshop(folder)
