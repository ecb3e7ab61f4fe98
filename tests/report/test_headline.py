"""The answer in words: sure only where the figures are, and honest about seeds."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from switchtune.config.run import RunConfig
from switchtune.report.headline import (
    answer_of,
    difference_text,
    finding,
    headline,
    interval_text,
    score_text,
    scores_of,
)
from switchtune.report.run_page import run_page
from switchtune.runs.run_files import read_run
from tests.report.made_run import against, make_run, score


@pytest.mark.parametrize(
    ("difference", "p_value", "interval", "answer"),
    [
        (1.5, 0.01, (0.4, 2.6), "better"),
        (-1.5, 0.01, (-2.6, -0.4), "worse"),
        (1.5, 0.05, (0.4, 2.6), "unsure"),
        (1.5, 0.01, (-0.1, 3.1), "unsure"),
        (1.5, 0.01, None, "better"),
        (0.0, 0.01, None, "unsure"),
    ],
)
def test_sure_where_p_value_and_interval_agree(
    difference: float, p_value: float, interval: tuple[float, float] | None, answer: str
) -> None:
    assert answer_of(against(difference, p_value, interval)) == answer


def rows(own: list[float], others: list[float], comparison: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    made = [
        {"pair": "de-en", "arm": name, "bleu": [score("BLEU", value) for value in values]}
        for name, values in (("csr", own), ("standard", others))
    ]
    return made[0] | {"against_baseline": comparison}, made[1]


def test_a_finding_is_told_with_its_size() -> None:
    found = finding(*rows([41.5], [40.0], against(1.5, 0.01, (0.4, 2.6))), "standard")
    assert found.sentences[0] == (
        "de-en: csr is better than standard by 1.5 BLEU: 41.5 against 40.0; 95 % interval of the difference "
        "+0.4 to +2.6; p = 0.010; 6 test examples."
    )
    assert len(found.sentences) == 1


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ([41.0, 42.0], "every seed of csr is above every seed of standard"),
        ([38.0, 39.0], "every seed of csr is below every seed of standard"),
        ([40.1, 42.0], "the ranges overlap"),
    ],
)
def test_several_seeds_are_set_against_each_other(own: list[float], says: str) -> None:
    found = finding(*rows(own, [40.0, 40.2], against(1.0, 0.01, (0.4, 1.6))), "standard")
    assert says in found.sentences[-1]
    assert "standard 40.0 to 40.2 over 2 seeds" in found.sentences[-1]


def test_a_control_that_gains_as_much_is_told(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    resolved = yaml.safe_load((folder / "config.resolved.yaml").read_text(encoding="utf-8"))
    control = {"recipe": "csr", "name": "csr-random", "switching": {"source": "random"}}
    config = RunConfig.model_validate({**resolved, "recipes": ["standard", "csr", control, "iaft"]})
    (folder / "config.resolved.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    row = metrics["rows"][1]
    found = {"csr-random": against(2.5, 0.001, (1.0, 4.0)), "iaft": against(0.2, 0.6, (-1.0, 1.4))}
    metrics["rows"] += [{**row, "arm": name, "against_baseline": each} for name, each in found.items()]
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    run = read_run(folder)
    made = headline(run)
    assert made is not None
    assert (made.colour, len(made.findings)) == ("green", 1)
    assert made.doubts == (
        "de-en: csr-random, which switches no words by their meaning, gains too: +2.5 BLEU, p = 0.001.",
    )
    assert "gains too" in run_page([folder]).html
    # It is scored, so it was trained; what is missing is its folder.
    assert any("csr-random/seed1: its outputs are gone" in line for line in run.missing)


def test_an_adjusted_p_value_decides() -> None:
    found = finding(*rows([41.5], [40.0], against(1.5, 0.02, (0.4, 2.6))), "standard", 0.06)
    assert found.answer == "unsure"
    assert found.sentences[0].startswith("de-en: no difference between csr and standard is shown (+1.5 BLEU)")
    assert "p = 0.020 (0.060 adjusted)" in found.sentences[0]


def test_no_gain_is_said_with_what_would_still_fit() -> None:
    found = finding(*rows([40.1], [40.0], against(0.1, 0.4, (-1.9, 2.1))), "standard")
    assert "no difference between csr and standard is shown (+0.1 BLEU)" in found.sentences[0]
    assert "Any true difference from -1.9 to +2.1 fits" in found.sentences[1]


def test_scores_are_found_by_their_keys() -> None:
    row = {
        "rouge_l": [score("ROUGE-L", 30.0)],
        "updates": {"task": 3},
        "valid_nll": [{"update": 0, "nll": 1.0}],
        "in_language": [],
    }
    assert list(scores_of(row)) == ["ROUGE-L"]


def test_shares_are_percent() -> None:
    assert score_text("accuracy", 0.875) == "87.5%"
    assert difference_text("accuracy", -0.0125) == "-1.2 points"
    assert interval_text(against(0.01, 0.5, (-0.02, 0.04), metric="accuracy")) == "-2.0 to +4.0 points"
    assert difference_text("BLEU", 1.25) == "+1.2"
