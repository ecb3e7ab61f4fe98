"""Outputs of a system that is not trained here as an arm: in table, tests and report; what is refused."""

import json
from pathlib import Path

import pytest

from switchtune.analysis.cases import cases_record
from switchtune.analysis.cost import cost_record
from switchtune.analysis.dynamics import dynamics_record
from switchtune.analysis.frequency import frequency_record
from switchtune.config.load import load_config
from switchtune.config.run import RunConfig
from switchtune.corpus.read import read_corpus
from switchtune.demo.session import open_session
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import write_text
from switchtune.report.headline import headline
from switchtune.report.run_page import run_page
from switchtune.report.sentences import compared_systems
from switchtune.runs.experiment import batch_preview, run_experiment
from switchtune.runs.folder import open_run
from switchtune.runs.given import about_texts, given_texts
from switchtune.runs.plan import plan
from switchtune.runs.run_files import read_run
from switchtune.runs.search import best_config, search
from switchtune.runs.train import train_arm
from switchtune.runs.zeroshot import run_zeroshot
from tests.miniature import ENGLISH, GERMAN
from tests.runs.test_experiment import config_of

SYSTEM = ("A dog runs.", "", *ENGLISH[2:6])


def given(model: Path, folder: Path, **changes: object) -> RunConfig:
    (folder / "gpt.txt").write_text("".join(f"{line}\n" for line in SYSTEM), encoding="utf-8")
    gpt = {"name": "gpt", "outputs": {"de-en": str(folder / "gpt.txt")}}
    return config_of(model, folder, **{"arms": ["standard", gpt], "seeds": [1, 2], **changes})


@pytest.mark.slow
def test_given_outputs_stand_in_the_table_the_tests_and_the_report(model: Path, tmp_path: Path) -> None:
    config, told = given(model, tmp_path), list[str]()
    run = tmp_path / "run"
    summary = run_experiment(config, run, on_event=lambda event: told.append(event.what))
    assert f"gpt: {tmp_path}/gpt.txt: 6 outputs, 1 of them blank: they count as wrong" in told
    standard, gpt = summary.rows
    assert (gpt.stage_updates, gpt.minutes, gpt.valid_nll, gpt.rates, len(gpt.scores["BLEU"])) == ({}, None, (), {}, 1)
    assert gpt.against_baseline is not None
    assert (gpt.against_baseline.runs_a, gpt.against_baseline.runs_b) == (2, 0)
    assert gpt.against_baseline.value_a == pytest.approx(sum(each.value for each in standard.scores["BLEU"]) / 2)
    page = (run / "comparison.md").read_text()
    assert f"- gpt: outputs as they are in {tmp_path}/gpt.txt, 1 of them blank, which count as wrong." in page
    assert f"| gpt | – | {gpt.scores['BLEU'][0].value:.1f} |" in page
    assert "| update | standard |" in page
    assert (run / "de-en/gpt/hypotheses.txt").read_text().split("\n")[:-1] == list(SYSTEM)
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["outputs"]["de-en/gpt/de-en"]["file"] == str(tmp_path / "gpt.txt")

    (tmp_path / "gpt.txt").unlink()  # what is shown stands in the run's folder
    shown = run_page([run]).html
    assert "gpt" in shown
    assert "outputs as they are in" in shown
    found = read_run(run)
    assert not found.missing
    assert [(each.arm, each.seed) for each in found.trainings] == [("standard", 1), ("standard", 2), ("gpt", None)]
    assert (found.controls, found.given, headline(found)) == (set(), {"gpt"}, None)


@pytest.mark.slow
def test_several_samples_of_a_system_take_the_places_of_the_seeds(model: Path, tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("gpt.txt", "second.txt")]
    gpt = {"name": "gpt", "outputs": {"de-en": files}}
    config, told = given(model, tmp_path, arms=["standard", gpt]), list[str]()
    (tmp_path / "second.txt").write_text("".join(f"{line}\n" for line in ENGLISH[:5]), encoding="utf-8")
    with pytest.raises(SwitchtuneError, match=r"second\.txt: 5 lines, and the test set .* has 6 texts"):
        run_experiment(config, tmp_path / "run")
    (tmp_path / "second.txt").write_text("".join(f"{line}\n" for line in ENGLISH[:6]), encoding="utf-8")
    run = tmp_path / "run"
    _, row = run_experiment(config, run, on_event=lambda event: told.append(event.what)).rows
    assert [said for said in told if "6 outputs" in said] == [
        f"gpt: {files[0]}: 6 outputs, 1 of them blank: they count as wrong",
        f"gpt: {files[1]}: 6 outputs",
    ]
    assert row.scores["BLEU"][0].value < row.scores["BLEU"][1].value == pytest.approx(100)
    assert row.against_baseline is not None
    assert (row.against_baseline.runs_a, row.against_baseline.runs_b) == (2, 2)
    assert f"outputs as they are in {', '.join(files)}, 1 of them blank" in (run / "comparison.md").read_text()
    assert (run / "de-en/gpt/seed2/hypotheses.txt").read_text().split("\n")[:-1] == list(ENGLISH[:6])
    manifest = json.loads((run / "manifest.json").read_text())["outputs"]
    assert [manifest[f"de-en/gpt/seed{seed}/de-en"]["file"] for seed in (1, 2)] == files

    found = read_run(run)
    assert not found.missing
    assert [(each.arm, each.seed) for each in found.trainings if each.given] == [("gpt", 1), ("gpt", 2)]
    assert "each file takes the place of a seed" in run_page([run]).html
    again = load_config(RunConfig, run / "config.resolved.yaml")
    assert again.arms[1].outputs == {"de-en": tuple(files)}


def test_other_outputs_are_compared_anew_and_nothing_is_trained_again(model: Path, tmp_path: Path) -> None:
    config = given(model, tmp_path, seeds=[1])
    run = tmp_path / "run"
    first = run_experiment(config, run)
    model_file = run / "de-en/standard/seed1/task/model/model.safetensors"
    before = model_file.stat().st_mtime_ns
    told: list[str] = []
    again = run_experiment(config, run, on_event=lambda event: told.append(event.what))
    assert again.rows[1].scores["BLEU"] == first.rows[1].scores["BLEU"]
    assert not list(run.glob("results.replaced-*"))
    (tmp_path / "gpt.txt").write_text("".join(f"{line}\n" for line in ENGLISH[:6]))
    other = run_experiment(config, run, on_event=lambda event: told.append(event.what))
    assert other.rows[1].scores["BLEU"][0].value == pytest.approx(100)
    assert model_file.stat().st_mtime_ns == before
    (aside,) = run.glob("results.replaced-*")
    assert (aside / "metrics.json").exists()


@pytest.mark.slow
def test_an_arm_of_outputs_may_be_the_baseline_and_have_but_some_of_the_pairs(model: Path, tmp_path: Path) -> None:
    text = {"train": str(tmp_path / "text.{de,en}")} | dict.fromkeys(("valid", "test"), str(tmp_path / "text.{de,en}"))
    pairs = [{"source": "de", "target": "en", **text}, {"source": "en", "target": "de", **text}]
    (tmp_path / "old.txt").write_text("".join(f"{line}\n" for line in GERMAN[:6]), encoding="utf-8")
    both = {"de-en": str(tmp_path / "gpt.txt"), "en-de": str(tmp_path / "old.txt")}
    arms = [{"name": "gpt", "outputs": both}, "standard", {"name": "old", "outputs": {"en-de": both["en-de"]}}]
    config = given(model, tmp_path, pairs=pairs, arms=arms, baseline="gpt", seeds=[1])
    run, told = tmp_path / "run", list[str]()
    summary = run_experiment(config, run, on_event=lambda event: told.append(event.what))
    rows = {(row.pair, row.arm): row for row in summary.rows}
    arms_there = {"de-en": ["gpt", "standard"], "en-de": ["gpt", "standard", "old"]}
    assert list(rows) == [(pair, arm) for pair, names in arms_there.items() for arm in names]
    assert "de-en: old is not compared: no outputs were given." in summary.remarks
    of_old, of_standard = rows["en-de", "old"].against_baseline, rows["en-de", "standard"].against_baseline
    assert of_old is not None and of_standard is not None
    assert (of_old.runs_a, of_old.runs_b, of_old.one_training, of_old.difference) == (0, 0, False, 0)
    assert (of_standard.runs_a, of_standard.runs_b, of_standard.one_training) == (0, 1, True)
    found = read_run(run)
    assert not found.missing
    assert headline(found) is None  # against another system an arm says nothing about code-switching
    run_page([run])
    assert {each.name for each in open_run(run).trainings(config.pairs[0])} == {"de-en/gpt", "de-en/standard/seed1"}


def test_outputs_that_do_not_fit_are_refused_before_anything_is_made(model: Path, tmp_path: Path) -> None:
    config = given(model, tmp_path)
    (tmp_path / "gpt.txt").write_text("one\n")
    with pytest.raises(SwitchtuneError, match=r"gpt\.txt: 1 lines, and the test set .* has 6 texts; a line for each"):
        run_experiment(config, tmp_path / "run")
    assert not (tmp_path / "run/de-en").exists()
    (tmp_path / "gpt.txt").unlink()
    with pytest.raises(SwitchtuneError, match=r"gpt\.txt: not found in"):
        run_experiment(config, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    (tmp_path / "gpt.jsonl").write_text("{}\n")
    outputs = [{"name": "gpt", "outputs": {"de-en": str(tmp_path / "gpt.jsonl")}}, "standard"]
    with pytest.raises(SwitchtuneError, match=r"a text file with an output a line is expected, not \.jsonl"):
        run_experiment(given(model, tmp_path, arms=outputs), tmp_path / "run")


def test_outputs_that_are_shifted_are_told_with_the_line_from_which_they_are(tmp_path: Path) -> None:
    words = [("wort " * (3 + number * 7 % 23)).strip() for number in range(300)]
    for code in ("de", "en"):
        (tmp_path / f"test.{code}").write_text("".join(f"{line}\n" for line in words))
    test = read_corpus(str(tmp_path / "test.{de,en}"), "de", "en", deduplicate=False)
    file = tmp_path / "outputs.txt"
    file.write_text("".join(f"{line}\n" for line in [*words[:100], *words[101:]]))
    with pytest.raises(
        SwitchtuneError, match=r"299 lines, .* 300 texts; .* From line 10[0-2] to the end the sides are shif"
    ):
        given_texts(str(file), test, parallel=True)
    file.write_text("".join(f"{line}\n" for line in [*words[:100], *words[101:], "wort"]))
    assert "From line 10" in about_texts(str(file), test, parallel=True)[-1]
    assert not any("the sides are shifted" in said for said in about_texts(str(file), test, parallel=False))
    file.write_text("".join(f"{line}\r\n" for line in words))
    assert given_texts(str(file), test, parallel=True) == words


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ["standard", {"name": "gpt", "outputs": {"de-fr": "x"}}]}, "outputs: 'de-fr' is not tested; "),
        (
            {"arms": ["standard", {"outputs": {"de-en": "x"}}]},
            r"arms\.1: outputs: their row in the table needs a",
        ),
        ({"arms": ["standard", {"name": "gpt"}]}, r"arms\.1: a recipe is expected, or outputs of a system"),
        (
            {"arms": ["standard", {"recipe": "csr", "outputs": {"de-en": "x"}}]},
            "recipe: nothing is trained where outputs",
        ),
        (
            {"arms": ["standard", {"name": "gpt", "outputs": {"de-en": "x"}, "training": {"lr": 1}}]},
            "training: nothing is trained where outputs are given",
        ),
        (
            {"arms": ["standard", {"name": "gpt", "outputs": {"de-en": ["x", "y"]}}], "seeds": [1, 2, 3]},
            r"arms\.gpt\.outputs: 2 for de-en, and seeds has 3\. Give each one .*, or each a list of as many files as",
        ),
        (
            {"arms": ["standard", {"name": "gpt", "outputs": {"de-en": ["x", "./x"]}}], "seeds": [1, 2]},
            r"arms\.gpt\.outputs\.de-en: 'x' is given twice\. Each file of a list is another sample",
        ),
        ({"arms": ["standard", {"name": "gpt", "outputs": {"de-en": []}}]}, r"arms\.1\.outputs\.de-en"),
        ({"arms": [{"name": "standard", "outputs": {"de-en": "x"}}]}, "all have outputs, and nothing is trained"),
    ],
)
def test_a_configuration_of_outputs_that_cannot_be_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        config_of(tmp_path, tmp_path, **changes)


def test_the_baseline_needs_outputs_for_every_pair(tmp_path: Path) -> None:
    text = dict.fromkeys(("train", "valid", "test"), "text.{de,en}")
    pairs = [{"source": "de", "target": "en", **text}, {"source": "en", "target": "de", **text}]
    arms = [{"name": "gpt", "outputs": {"de-en": "x"}}, "standard"]
    with pytest.raises(UsageError, match=r"arms\.gpt\.outputs: none for en-de, and others are compared with it there"):
        config_of(tmp_path, tmp_path, pairs=pairs, arms=arms, baseline="gpt")


def test_of_every_pair_as_many_samples_are_needed(tmp_path: Path) -> None:
    text = dict.fromkeys(("train", "valid", "test"), "text.{de,en}")
    pairs = [{"source": "de", "target": "en", **text}, {"source": "en", "target": "de", **text}]
    arms = ["standard", {"name": "gpt", "outputs": {"de-en": ["x", "y"], "en-de": "z"}}]
    with pytest.raises(UsageError, match=r"arms\.gpt\.outputs: 2 for de-en, 1 for en-de, and seeds has 2\."):
        config_of(tmp_path, tmp_path, pairs=pairs, arms=arms, seeds=[1, 2])


def test_a_configuration_with_outputs_is_read_again_as_it_was_written(model: Path, tmp_path: Path) -> None:
    config = given(model, tmp_path)
    file = tmp_path / "written.yaml"
    file.write_text(config.as_yaml(), encoding="utf-8")
    assert load_config(RunConfig, file) == config


@pytest.mark.slow
def test_verbs_that_need_a_model_leave_given_outputs_out(model: Path, tmp_path: Path) -> None:
    grid = {"lr": [1e-3, 1e-4]}
    config = given(model, tmp_path, seeds=[1], search=grid)
    with pytest.raises(UsageError, match="--arm gpt: its outputs are given, and nothing is trained"):
        train_arm(config, tmp_path / "run", arm="gpt")
    with pytest.raises(UsageError, match="--arm gpt: its outputs are given"):
        batch_preview(config, arm="gpt")
    assert "stage 1: task" in batch_preview(config)[0]
    planned = plan(config)
    assert [stage.arm for stage in planned.stages] == ["standard"]
    assert "Nothing is trained for gpt, whose outputs are given." in planned.assumptions
    found = search(config, tmp_path / "search")
    assert found.arms == ("standard",)
    assert best_config(config, found)["arms"][1] == {"name": "gpt", "outputs": {"de-en": str(tmp_path / "gpt.txt")}}


def test_analyses_have_given_outputs_beside_every_seed(tmp_path: Path) -> None:
    config, run = given(tmp_path / "model", tmp_path, seeds=[3, 4]), tmp_path / "run"
    for name, lines in {"gpt": SYSTEM, "standard/seed4": ENGLISH[:6]}.items():
        write_text(run / f"de-en/{name}/hypotheses.txt", "".join(f"{line}\n" for line in lines))
    write_text(run / "config.resolved.yaml", config.as_yaml())
    found = open_run(run)
    (pair,) = cases_record(found)["pairs"]
    assert (pair["arm_b"], pair["seed"], {case["row"] for case in pair["sentences"]}) == ("gpt", 4, {0, 1})
    of_words = frequency_record(found)
    assert [(each["arm"], each["seed"]) for each in of_words["pairs"][0]["systems"]] == [("standard", 4), ("gpt", None)]
    assert of_words["missing"] == ["de-en/standard/seed3: not finished, no translations"]
    assert not any("gpt" in said for said in dynamics_record(found, None)["missing"])
    assert not any("gpt" in said for said in cost_record(found)["missing"])
    ((baseline, arm),) = compared_systems(read_run(run), "de-en")
    assert (baseline.seed, arm.seed) == (4, None)


def test_the_demo_says_that_there_is_no_model_of_a_baseline_that_was_given(tmp_path: Path) -> None:
    config, run = given(tmp_path / "model", tmp_path, baseline="gpt"), tmp_path / "run"
    write_text(run / "config.resolved.yaml", config.as_yaml())
    (about,) = open_session(run).about()
    assert "The outputs of gpt were given: there is no model of it to ask." in about["missing"]


def test_zero_shot_tests_need_a_baseline_that_is_trained(model: Path, tmp_path: Path) -> None:
    text = dict.fromkeys(("train", "valid", "test"), str(tmp_path / "text.{de,en}"))
    pairs = [{"source": "de", "target": "en", **text}, {"source": "tr", "target": "en", **text}]
    outputs = dict.fromkeys(("de-en", "tr-en"), str(tmp_path / "gpt.txt"))
    gpt = {"name": "gpt", "outputs": outputs}
    config = given(model, tmp_path, pairs=pairs, arms=["standard", gpt], baseline="gpt")
    with pytest.raises(UsageError, match="baseline: the outputs of gpt are given, and there is no model to test"):
        run_zeroshot(config, tmp_path / "run")
    with pytest.raises(UsageError, match="arms: nothing is compared with standard"):
        run_zeroshot(given(model, tmp_path, pairs=pairs, arms=["standard", gpt]), tmp_path / "run")
