"""A miniature run that the analyses can be tried on."""

import shutil
from pathlib import Path

import pytest

from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.models.load import save_model
from switchtune.runs.experiment import run_experiment
from tests.miniature import ENGLISH, GERMAN, lively


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two arms; not to be written to."""
    folder = tmp_path_factory.mktemp("analysis")
    save_model(lively("mbart"), folder / "model", "de", "en")
    for part, lines in {"train": slice(0, 12), "valid": slice(8, 12), "test": slice(8, 16)}.items():
        for code, text in {"de": GERMAN, "en": ENGLISH}.items():
            (folder / f"{part}.{code}").write_text("".join(f"{line}\n" for line in text[lines]), encoding="utf-8")
    paths = {part: str(folder / f"{part}.{{de,en}}") for part in ("train", "valid", "test")}
    config = parse_config(
        RunConfig,
        {
            "model": str(folder / "model"),
            "pairs": [{"source": "de", "target": "en", **paths}],
            "jobs": 1,
            # Without a lexicon, which takes longer to make than the models.
            "arms": ["standard", {"recipe": "csr", "switching": {"source": "mask"}}],
            "training": {"updates": 6, "restore_share": 0.5, "tokens_per_batch": 200, "evaluate_every": 1, "lr": 0.01},
            "generation": {"beams": 1, "max_length_extra": 8, "max_length_ratio": 1},
            "evaluation": {"resamples": 100},
        },
    )
    run_experiment(config, folder / "run")
    return folder / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "run"))
