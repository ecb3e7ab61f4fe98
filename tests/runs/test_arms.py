"""Arms whose recipe is chosen once the pairs are read."""

import json
from pathlib import Path
from typing import Any

import pytest

from switchtune import evidence
from switchtune.config.inference import NliConfig
from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.evidence import Evidence
from switchtune.report.run_page import run_page
from switchtune.runs.arms import chosen_arm
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.folder import open_run
from switchtune.runs.plan import plan
from switchtune.runs.run_files import read_run
from switchtune.runs.search import search
from switchtune.runs.train import train_arm
from tests.miniature import ENGLISH
from tests.runs.test_experiment import config_of

MEASURED = (
    Evidence("csr+", 13_000, 2000, "de-en", 1.25, 2),
    Evidence("denoise", 13_000, 2000, "de-en", 0.5, 2),
    Evidence("denoise", 0, 2000, "de-en", -0.5, 2),
)


@pytest.fixture(autouse=True)
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "read_evidence", lambda: MEASURED)


def configured(model: Path, folder: Path, *arms: object, **changes: object) -> RunConfig:
    """de-en with further text and en-de without."""
    (folder / "more.en").write_text("".join(f"{line}\n" for line in ENGLISH[6:12]), encoding="utf-8")
    text = str(folder / "text.{de,en}")
    both = {"train": text, "valid": text, "test": text}
    pairs = [
        {"source": "de", "target": "en", **both, "monolingual": {"en": str(folder / "more.en")}},
        {"source": "en", "target": "de", **both},
    ]
    arms = arms or ("standard", "auto")
    values: dict[str, object] = {"pairs": pairs, "arms": arms, "lexicon": {"accept": True}, **changes}
    return config_of(model, folder, **values)


@pytest.mark.slow
def test_each_pair_gets_the_recipe_that_did_best_in_like_cases(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, told = configured(model, tmp_path, "standard", "csr+", "auto"), list[str]()
    run = tmp_path / "run"
    run_experiment(config, run, on_event=lambda event: told.append(f"{event.subject}: {event.what}"))
    reason = (
        "6 pairs, 6 further sentences in English: csr+ gained 1.2 BLEU over standard at equal cost in similar cases "
        "(1 direction, 2,000 pairs, 2 seeds). Nothing was measured nearer than 2,000 pairs"
    )
    assert [line for line in told if line.startswith(f"de-en: auto: {reason}")]
    assert [line for line in told if line.startswith("en-de: auto: 6 pairs: standard, as no recipe gained")]
    # The chosen recipe is trained as if it were named.
    model_file = "seed1/mixture/model/model.safetensors"
    same = [(run / name / model_file).read_bytes() for name in ("de-en/csr+", "de-en/auto")]
    assert same[0] == same[1]
    page = (run / "comparison.md").read_text(encoding="utf-8")
    assert "| auto (csr+) | 4 |" in page
    assert "| auto (standard) | 4 |" in page
    assert f"- auto: {reason}" in page
    metrics, manifest = (json.loads((run / name).read_text()) for name in ("metrics.json", "manifest.json"))
    found = {(row["pair"], row["arm"]): row["choice"]["recipe"] for row in metrics["rows"] if "choice" in row}
    assert found == {("de-en", "auto"): "csr+", ("en-de", "auto"): "standard"}
    assert {name: each["recipe"] for name, each in manifest["choices"].items()} == {
        "de-en/auto": "csr+",
        "en-de/auto": "standard",
    }
    stages = {(each.pair, each.arm): each.stages for pair in config.pairs for each in open_run(run).trainings(pair)}
    assert stages["de-en", "auto"] == ("mixture",)
    assert stages["en-de", "auto"] == ("task",)
    files = read_run(run)
    assert files.controls == set()
    assert not [line for line in files.missing if "auto" in line]
    html = run_page([run]).html
    assert "auto (csr+)" in html
    assert "6 further sentences in English: csr+ gained 1.2 BLEU" in html

    # What is measured since does not change what the run has begun with.
    before = {path: path.stat().st_mtime_ns for path in run.glob("*/auto/seed1/*/model/model.safetensors")}
    monkeypatch.setattr(evidence, "read_evidence", lambda: (Evidence("denoise", 13_000, 2000, "de-en", 9.0, 1),))
    again = run_experiment(config, run)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [row.shown_arm for row in again.rows if row.pair == "de-en"] == ["standard", "csr+", "auto (csr+)"]


@pytest.mark.slow
def test_one_arm_alone_its_examples_and_its_search(model: Path, tmp_path: Path) -> None:
    config = configured(model, tmp_path)
    shown = batch_preview(config)
    assert shown[0].startswith("auto: 6 pairs, 6 further sentences in English: csr+ gained 1.2 BLEU")
    assert [block.split(" (")[0] for block in shown[1:]] == ["stage 1: mixture"]
    trained = train_arm(config, tmp_path / "run", arm="auto")
    assert trained is not None
    assert list(trained.result.stage_updates) == ["mixture"]
    assert trained.record()["choice"]["recipe"] == "csr+"
    points = {"lr": [1e-4, 1e-3]}
    found = search(configured(model, tmp_path, search=points), tmp_path / "search")
    assert found.arms == ("standard", "auto")
    best = (tmp_path / "search/best.yaml").read_text(encoding="utf-8")
    assert "recipe: auto" in best


def test_a_plan_has_the_stages_of_what_is_chosen_and_says_why(model: Path, tmp_path: Path) -> None:
    planned = plan(configured(model, tmp_path), gpu_memory=8)
    assert [(each.pair, each.stage) for each in planned.stages if each.arm == "auto"] == [
        ("de-en", "mixture"),
        ("en-de", "task"),
    ]
    assert [line.split(":")[0] for line in planned.advice] == ["de-en/auto", "en-de/auto"]
    advised = plan(configured(model, tmp_path, "standard", "csr"), gpu_memory=8).advice
    assert advised[0].startswith("de-en: 6 pairs, 6 further sentences in English: csr+ gained 1.2 BLEU over standard")
    assert advised[1].startswith("en-de: 6 pairs: standard, as no recipe gained over it")


def test_what_a_chosen_recipe_lacks_is_told_before_anything_is_trained(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lexicon = {"method": "dictionary", "dictionaries": [str(tmp_path / "none.tsv")]}
    with pytest.raises(UsageError, match=r"none\.tsv"):
        run_experiment(configured(model, tmp_path, lexicon=lexicon), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    few = {"updates": 1, "tokens_per_batch": 200}
    monkeypatch.setattr(evidence, "read_evidence", lambda: (Evidence("csr", 0, 2000, "de-en", 9.0, 1),))
    with pytest.raises(SwitchtuneError, match=r"1 is too few for the stages restore \+ task"):
        run_experiment(configured(model, tmp_path, training=few), tmp_path / "run")
    assert not list(tmp_path.glob("run/*/standard"))


def test_where_no_arm_is_named_it_is_the_first_but_the_baseline(model: Path, tmp_path: Path) -> None:
    compared = (("csr+", "standard"), ("standard", "csr+", "csr"), ("standard",))
    chosen = [chosen_arm(configured(model, tmp_path, *arms), None).name for arms in compared]
    assert chosen == ["csr+", "csr+", "standard"]


def test_text_can_be_left_out_of_the_choice(model: Path, tmp_path: Path) -> None:
    alone = {"recipe": "auto", "monolingual": False}
    planned = plan(configured(model, tmp_path, "standard", alone), gpu_memory=8)
    assert planned.advice[0].startswith("de-en/auto: 6 pairs: standard, as no recipe gained over it")


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"recipe": "auto", "mixture": {"task": 1}}, r"arms\.auto\.mixture: its recipe is chosen by measurements"),
        ({"recipe": "auto", "switching": {"unit": "piece"}}, "glosses are made of words"),
        ({"recipe": "autos"}, "'auto'"),
    ],
)
def test_settings_that_do_not_go_with_a_choice_are_refused(
    model: Path, tmp_path: Path, arm: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        configured(model, tmp_path, "standard", arm)


def test_settings_count_where_the_chosen_recipe_uses_them(model: Path, tmp_path: Path) -> None:
    arm = {"recipe": "auto", "gloss": {"rate": 0.5}, "back_translation": {"updates_share": 0.5}}
    auto = configured(model, tmp_path, "standard", arm).arms[1]
    assert {recipe.stages[0].name for recipe in auto.choices} == {"task", "mixture"}
    assert [each.gloss.rate for each in auto.possible] == [0.5] * 3


def test_a_task_that_nobody_measured_gets_standard() -> None:
    data = {"train": "train.tsv", "valid": "valid.tsv", "test": "test.*.tsv"}
    config = parse_config(NliConfig, {"model": "m", "languages": ["de"], "data": data, "arms": ["standard", "auto"]})
    assert [each.recipe for each in config.arms[1].possible] == [config.arms[0].recipe]
