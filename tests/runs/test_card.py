"""The cards of a run's models: how they are used, what came out, what they are made of."""

import io
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from switchtune.config.load import parse_config
from switchtune.config.pretrain import FamilyName
from switchtune.config.run import RunConfig
from switchtune.config.training import GenerationSettings
from switchtune.files import foreign_files, write_text
from switchtune.generation import translate
from switchtune.generation.export import export_ct2
from switchtune.models.card import front_matter
from switchtune.models.licence import Licence
from switchtune.models.load import load_model, save_model
from switchtune.runs.card import NAME_LINE, Use, translating
from switchtune.runs.experiment import run_experiment
from tests.miniature import ALL, ENGLISH, GERMAN, lively, miniature, taught


def printed(use: Use, sentence: str) -> str:
    """What the lines of a card print, with a sentence in place of theirs."""
    assert use.language == "python"
    assert len(use.code.splitlines()) == 5
    assert "A sentence in German." in use.code
    stream = io.StringIO()
    with redirect_stdout(stream):
        exec(compile(use.code.replace("A sentence in German.", sentence), "card", "exec"), {})
    return stream.getvalue().removesuffix("\n")


def test_its_lines_translate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(taught(), tmp_path, "de", "en", generation=GenerationSettings(beams=2))
    text = tmp_path / "text.de"
    write_text(text, f"{GERMAN[1]}\n{GERMAN[2]}\n")
    export_ct2(str(tmp_path), tmp_path / "ct2", languages=("de", "en"), text=text)
    monkeypatch.chdir(tmp_path)
    by_transformers, by_ct2 = translating(str(tmp_path), "de", "en", 2)
    assert printed(by_transformers, GERMAN[0]) == ENGLISH[0]
    assert printed(by_ct2, GERMAN[0]) == ENGLISH[0]


@pytest.mark.slow
@pytest.mark.parametrize("family", ALL)
def test_its_lines_do_what_translate_does(family: FamilyName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = GenerationSettings(beams=1, max_length=20)
    save_model(lively(family), tmp_path, "de", "en", generation=settings)
    text = tmp_path / "text.de"
    write_text(text, f"{GERMAN[1]}\n")
    export_ct2(str(tmp_path), tmp_path / "ct2", languages=("de", "en"), text=text, settings=settings)
    monkeypatch.chdir(tmp_path)
    expected = translate(load_model(str(tmp_path)), [GERMAN[0]], "de", "en", settings)[0]
    for use in translating(str(tmp_path), "de", "en", 1):
        # They may write more: nothing tells them how long outputs of this corpus are.
        assert printed(use, GERMAN[0]).startswith(expected[:8])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two arms and two seeds."""
    folder = tmp_path_factory.mktemp("cards")
    save_model(replace(miniature(), licence=Licence("cc-by-nc-4.0")), folder / "model", "de", "en")
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        write_text(folder / f"text.{code}", "".join(f"{line}\n" for line in lines))
    run_experiment(config_of(folder), folder / "run")
    return folder / "run"


def config_of(folder: Path) -> RunConfig:
    text = str(folder / "text.{de,en}")
    values = {
        "model": str(folder / "model"),
        "pairs": [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}],
        "arms": ["standard", "csr"],
        "seeds": [1, 2],
        "jobs": 1,
        "lexicon": {"accept": True},
        "training": {"updates": 2, "restore_share": 0.5, "tokens_per_batch": 200},
        "generation": {"beams": 1, "max_length": 8},
    }
    return parse_config(RunConfig, values)


@pytest.mark.slow
def test_every_model_of_a_run_has_a_card(run: Path) -> None:
    models = sorted(path.parent for path in run.rglob("model/config.json"))
    assert len(models) == 6
    for model in models:
        head = front_matter(model / "README.md")
        assert (head["language"], head["license"], head["pipeline_tag"]) == (
            ["de", "en"],
            "cc-by-nc-4.0",
            "translation",
        )
        assert not foreign_files(model)
    card = (run / "de-en/csr/seed2/task/model/README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(card.split("---")[1])
    (result,) = head["model-index"][0]["results"]
    assert [metric["type"] for metric in result["metrics"]] == ["bleu", "chrf"]
    assert NAME_LINE in card
    assert "| de-en | training | `text.{de,en}` | 16 |" in card
    assert str(run.parent) not in card
    assert "stage 1 of 2, `restore`, 1 updates: restoring sentences in which words were replaced" in card
    assert "`lexicon.de-en.tsv`, hash" in card
    assert "no commercial use" in card
    intermediate = (run / "de-en/csr/seed2/restore/model/README.md").read_text(encoding="utf-8")
    assert "Not scored: a later stage of the same training starts from it." in intermediate
    assert "model-index" not in intermediate


@pytest.mark.slow
def test_an_edited_card_stays_and_is_told(run: Path) -> None:
    card, told = run / "de-en/standard/seed1/task/model/README.md", list[str]()
    own = card.read_text(encoding="utf-8")
    write_text(card, own + "My own words.\n")
    run_experiment(config_of(run.parent), run, on_event=lambda event: told.append(event.what))
    assert card.read_text(encoding="utf-8").endswith("My own words.\n")
    assert f"{card}: has been edited and stays as it is. Remove it to have it written again." in told
    write_text(card, own)
