"""Terms in a run: what an arm is trained on, what its model says of it, and the same weights after a stop."""

from pathlib import Path

import pytest

from switchtune.config.run import RunConfig
from switchtune.config.switching import TermSettings
from switchtune.generation.keeping import term_settings_of
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.folder import trainings_of
from tests.miniature import ENGLISH, GERMAN
from tests.runs.test_experiment import config_of

TERMS = {"recipe": "csr", "name": "terms", "terms": {"share": 0.5, "tag": True}}


def configured(model: Path, folder: Path, *arms: object) -> RunConfig:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"whole.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = str(folder / "whole.{de,en}")
    pairs = [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}]
    return config_of(model, folder, pairs=pairs, arms=arms, lexicon={"accept": True})


def test_examples_with_terms_are_shown(model: Path, tmp_path: Path) -> None:
    shown = "\n".join(batch_preview(configured(model, tmp_path, "standard", TERMS), rows=4, arm="terms"))
    assert "kind            terms" in shown
    assert " | " in shown


@pytest.mark.slow
def test_a_model_that_was_trained_with_terms_says_so(model: Path, tmp_path: Path) -> None:
    config, told = configured(model, tmp_path, "standard", TERMS), list[str]()
    run_experiment(config, tmp_path / "run", on_event=lambda event: told.append(event.what))
    of_arm = {each.arm: term_settings_of(str(each.model("task"))) for each in trainings_of(tmp_path / "run", config)}
    assert of_arm == {"standard": None, "terms": TermSettings(share=0.5, tag=True)}
    assert sum(what.startswith("aligning the words") for what in told) == 1
    card = (tmp_path / "run/de-en/terms/seed1/task/model/README.md").read_text(encoding="utf-8")
    assert "between '|' and '|'" in card
    assert "chrF++" in card  # its scores: the card is still the program's own when they come

    again = list[str]()
    run_experiment(config, tmp_path / "run", on_event=lambda event: again.append(event.what))
    assert not any(what.startswith("aligning") for what in again)
