"""The answer in words: sure only where the figures are, and honest about seeds."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from switchtune.config.run import RunConfig
from switchtune.report.headline import compared, finding, headline, scores_of
from switchtune.report.run_page import run_page
from switchtune.runs.run_files import read_run
from switchtune.scoring.significance import Comparison
from tests.report.made_run import against, make_run, score

pytestmark = pytest.mark.usefixtures("drawn_once")


def rows(csr: list[float], standard: list[float], comparison: Comparison) -> tuple[Any, Comparison, Any, str]:
    of_arm = [
        {"pair": "de-en", "arm": name, "bleu": [score("BLEU", value) for value in values]}
        for name, values in (("csr", csr), ("standard", standard))
    ]
    return of_arm[0], comparison, of_arm[1], "standard"


def of_arms(folder: Path, arms: list[str]) -> Path:
    """A made-up run with other arms beside the baseline, all of the same score."""
    resolved = yaml.safe_load((folder / "config.resolved.yaml").read_text(encoding="utf-8"))
    config = RunConfig.model_validate({**resolved, "arms": ["standard", *arms]})
    (folder / "config.resolved.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    baseline, row = metrics["rows"]
    metrics["rows"] = [baseline, *({**row, "arm": name} for name in arms)]
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    return folder


def test_a_finding_is_told_with_its_size() -> None:
    found = finding(*rows([41.5], [40.0], against(1.5, 0.01, (0.4, 2.6))))
    assert found.sentences == (
        "de-en: csr is better than standard by 1.5 BLEU: 41.5 against 40.0; 95 % interval of the difference "
        "+0.4 to +2.6; p = 0.010; 600 test examples.",
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([41.0, 42.0], "every seed of csr is above every seed of standard"),
        ([38.0, 39.0], "every seed of csr is below every seed of standard"),
        ([40.1, 42.0], "the ranges overlap"),
    ],
)
def test_several_seeds_are_set_against_each_other(values: list[float], says: str) -> None:
    found = finding(*rows(values, [40.0, 40.2], against(1.0, 0.01, (0.4, 1.6))))
    assert says in found.sentences[-1]
    assert "standard 40.0 to 40.2 over 2 seeds" in found.sentences[-1]


@pytest.mark.parametrize(
    ("arms", "answered", "doubts"),
    [(["csr", "csr+"], 2, 0), (["csr+", "denoise"], 1, 1), (["denoise"], 1, 0), (["denoise", "iaft"], 2, 0)],
)
def test_glosses_are_code_switching_and_denoising_is_a_control_where_there_are_any(
    tmp_path: Path, arms: list[str], answered: int, doubts: int
) -> None:
    found = headline(read_run(of_arms(make_run(tmp_path / "run"), arms)))
    assert len(found.findings if found else ()) == answered
    assert len(found.doubts if found else ()) == doubts


@pytest.mark.parametrize(
    ("arms", "asked", "answered"),
    [
        (["denoise"], "Does denoise help", "Yes, denoise helped here."),
        (["denoise", "iaft"], "Does denoise or iaft help", "What was tried helped everywhere: "),
        (["denoise", "csr"], "Does code-switching help", "Yes, code-switching helped here."),
        ([], "How well does this model translate", "There is nothing to compare here."),
    ],
)
def test_without_code_switching_the_answer_is_about_what_was_tried(
    tmp_path: Path, arms: list[str], asked: str, answered: str
) -> None:
    html = run_page([of_arms(make_run(tmp_path / "run"), arms)]).html
    assert f"<h1>{asked}" in html
    assert f"<strong>{answered}" in html


@pytest.mark.slow
def test_a_control_that_gains_as_much_is_told(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    resolved = yaml.safe_load((folder / "config.resolved.yaml").read_text(encoding="utf-8"))
    control = {"recipe": "csr", "name": "csr-random", "switching": {"source": "random"}}
    config = RunConfig.model_validate({**resolved, "arms": ["standard", "csr", control, "iaft"]})
    (folder / "config.resolved.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    row = metrics["rows"][1]
    of_controls = {"csr-random": against(2.5, 0.001, (1.0, 4.0)), "iaft": against(0.2, 0.6, (-1.0, 1.4))}
    metrics["rows"] += [{**row, "arm": name, "against_baseline": asdict(each)} for name, each in of_controls.items()]
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    run = read_run(folder)
    found = headline(run)
    assert found is not None
    assert (found.colour, len(found.findings)) == ("green", 1)
    assert found.doubts == (
        "de-en: csr-random, which switches no words by their meaning, gains too: +2.5 BLEU, p = 0.001.",
    )
    assert "gains too" in run_page([folder]).html
    # It is scored, so it was trained; what is missing is its folder.
    assert any("csr-random/seed1: its outputs are gone" in line for line in run.missing)


def test_no_gain_is_said_with_what_would_still_fit() -> None:
    found = finding(*rows([40.1], [40.0], against(0.1, 0.4, (-1.9, 2.1))))
    assert "csr shows no significant difference from standard (+0.1 BLEU)" in found.sentences[0]
    assert "Any true difference from -1.9 to +2.1 fits" in found.sentences[1]


def test_scores_are_found_by_their_keys() -> None:
    row = {
        "rouge_l": [score("ROUGE-L", 30.0)],
        "updates": {"task": 3},
        "valid_nll": [{"update": 0, "nll": 1.0}],
        "in_language": [],
    }
    assert list(scores_of(row)) == ["ROUGE-L"]
    assert compared(row) is None
