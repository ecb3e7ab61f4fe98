"""Every surface gives the one answer of `decide`: Markdown, terminal, JSON, the report and its figures."""

import json
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchtune.cli.display import print_accuracies, print_matrices, print_summary
from switchtune.report.headline import headline
from switchtune.report.run_page import run_page
from switchtune.results.accuracy import accuracy_markdown, accuracy_summary
from switchtune.results.comparison import Row, Summary, comparison_markdown, metrics_record, summarised
from switchtune.results.matrix import Cell, Matrix, decided_matrices, matrices_markdown
from switchtune.runs.run_files import read_run
from switchtune.scoring.metrics import Score, bleu
from switchtune.scoring.significance import Comparison
from tests.report.made_run import against, make_run, write

pytestmark = pytest.mark.usefixtures("drawn_once")

# Each of these p-values is below 0.05. Of the first two, Holm makes 0.06 both; of the others 0.02 and 0.02.
CASES = [((0.03, 0.04), "undecided", 0), ((0.01, 0.02), "better", 2)]
PHRASE = {"undecided": "shows no significant difference from standard", "better": "is better than standard by"}


def compared(p_value: float, metric: str = "BLEU", value: float = 40.0, difference: float = 1.5) -> Comparison:
    return against(difference, p_value, (0.1 * difference, 1.9 * difference), metric, value)


def printed(capsys: pytest.CaptureFixture[str], show: Callable[..., None], result: object) -> str:
    show(result)
    return " ".join(capsys.readouterr().out.split())


def summary(*comparisons: Comparison) -> Summary:
    def row(pair: str, arm: str, comparisons: tuple[Comparison, ...]) -> Row:
        scores = {"BLEU": (bleu(["a dog"], ["a dog"], "en"),)}
        return Row(pair, arm, {"task": 9}, scores, {}, 0, 1.0, comparisons)

    pairs = dict(zip(("de-en", "it-en"), comparisons, strict=False))
    rows = [row(pair, "standard", ()) for pair in pairs]
    return summarised([*rows, *(row(pair, "csr", (each,)) for pair, each in pairs.items())], "standard", (1,))


SURFACES = [
    (
        {"runs_a": 1, "runs_b": 1},
        "better on this training",
        "csr is better than standard by 1.5 BLEU on this one training: 41.5 against 40.0;",
        "Code-switching helped in this one training; other seeds were not tried.",
        "Train with several seeds",
    ),
    (
        {"faults_a": ("60 of 100 outputs are empty",), "faults_b": ("BLEU 0.2 is next to nothing",)},
        "not comparable",
        "csr and standard: neither standard nor csr translates yet (standard: 60 of 100 outputs are empty; csr: BLEU "
        "0.2 is next to nothing); BLEU 41.5 against 40.0;",
        "There is nothing to compare: neither standard nor csr translates yet.",
        "Train for more updates or on more examples, and look at the outputs.",
    ),
    (
        {"faults_a": ("60 of 100 outputs are empty",)},
        "not comparable",
        "csr and standard: standard does not translate yet (standard: 60 of 100 outputs are empty); BLEU",
        "There is nothing to compare: standard does not translate yet.",
        "Train for more updates or on more examples, and look at the outputs.",
    ),
    (
        {"n": 16},
        "not comparable",
        "csr and standard: the test set is too small; BLEU 41.5 against 40.0; 16 test examples.",
        "There is nothing to compare: the test set is too small.",
        "16 test examples are too few: take 50 at the very least",
    ),
]


@pytest.mark.parametrize(("changed", "answer", "verdict", "headlined", "advice"), SURFACES)
def test_of_what_limits_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, Any],
    answer: str,
    verdict: str,
    headlined: str,
    advice: str,
) -> None:
    found = summary(replace(compared(0.001), **changed))
    record = json.loads(json.dumps(metrics_record(found)))
    against_baseline = record["rows"][1]["against_baseline"]
    assert against_baseline["answer"] == answer
    assert advice in against_baseline["advice"]
    html = unescape(run_page([make_run(tmp_path / "run", **{"metrics.json": record, "zeroshot.json": None})]).html)
    for text in (comparison_markdown(found), printed(capsys, print_summary, found), html):
        assert verdict in text
        assert advice in text
        assert "+1.5*" not in text
    assert headlined in html
    assert 'class="verdict amber headline"' in html
    assert "green headline" not in html


@pytest.mark.slow
@pytest.mark.parametrize(("p_values", "answer", "decided"), CASES)
def test_of_a_comparison(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], p_values: tuple[float, float], answer: str, decided: int
) -> None:
    found = summary(*map(compared, p_values))
    record = json.loads(json.dumps(metrics_record(found)))
    assert [row["against_baseline"]["answer"] for row in record["rows"][2:]] == [answer, answer]
    for text in (comparison_markdown(found), printed(capsys, print_summary, found)):
        assert text.count(PHRASE[answer]) == 2
        assert text.count("+1.5*") == decided
    folder = make_run(tmp_path / "run", **{"metrics.json": record})
    html = run_page([folder]).html
    assert html.count(PHRASE[answer]) == 2
    said = headline(read_run(folder))
    assert said is not None
    assert said.colour == {"undecided": "amber", "better": "green"}[answer]
    assert [each.answer for each in said.findings] == [answer, answer]


@pytest.mark.slow
@pytest.mark.parametrize(("p_values", "answer", "decided"), CASES)
def test_of_a_zero_shot_matrix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], p_values: tuple[float, float], answer: str, decided: int
) -> None:
    cells = [Cell(pair, pair, compared(0.2), None, True) for pair in ("de-en", "it-en")]
    cells += [
        Cell(*each, compared(p), None, False)
        for each, p in zip((("de-en", "it-en"), ("it-en", "de-en")), p_values, strict=True)
    ]
    (matrix,) = decided_matrices([Matrix("test", "standard", "csr", tuple(cells))])
    record = matrix.record()
    assert [cell["answer"] for cell in record["cells"]] == ["undecided", "undecided", answer, answer]
    assert (record["wins"], record["significant_wins"]) == (2, decided)
    folder = make_run(tmp_path / "run", **{"zeroshot.json": {"matrices": [record]}})
    part = run_page([folder]).html.partition('id="zeroshot"')[2].partition("</section>")[0]
    for text in (matrices_markdown([matrix]), printed(capsys, print_matrices, [matrix]), part):
        assert f"better in 2 of 2 directions ({decided} significantly)" in text
    assert matrices_markdown([matrix]).count("+1.5*") == decided
    assert part.count("+1.5*") == 2 * decided  # drawn, and in the table


@pytest.mark.parametrize(("p_values", "answer", "decided"), CASES)
def test_of_classifiers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], p_values: tuple[float, float], answer: str, decided: int
) -> None:
    found = accuracies(p_values)
    record = json.loads(json.dumps(metrics_record(found)))
    assert [row["against_baseline"]["answer"] for row in record["rows"] if row["against_baseline"]] == [answer] * 2
    # The first language is the one that was trained on.
    count = f"better in 1 ({decided // 2} significantly)"
    for text in (accuracy_markdown(found), printed(capsys, print_accuracies, found)):
        assert count in text
    assert accuracy_markdown(found).count("+6.0*") == decided
    folder = tmp_path / "nli"
    arms = [{"recipe": name, "name": name} for name in ("standard", "csr")]
    settings = {
        "task": "nli",
        "model": "model",
        "languages": ["de"],
        "data": {"train": "train.tsv", "valid": "valid.tsv", "test": "test.*.tsv"},
        "lexicon": {"dictionaries": {"de": "en-de.tsv"}},
        "baseline": "standard",
        "recipes": arms,
    }
    write(folder / "config.resolved.yaml", json.dumps(settings))
    write(folder / "metrics.json", json.dumps(record))
    assert run_page([folder]).html.count(PHRASE[answer]) == 2


def accuracies(p_values: tuple[float, float]) -> Summary:
    def row(language: str, arm: str, comparisons: tuple[Comparison, ...]) -> Row:
        scores = {"accuracy": (Score("accuracy", 0.5, "signature", np.ones((200, 1)), 200),)}
        details = {"model": "model", "chosen_updates": [9], "valid_accuracy": [0.5]}
        figures: dict[str, Any] = {"score_interval": (0.45, 0.55), "chance": 0.33, "details": details}
        return Row(language, arm, {"classify": 9}, scores, {}, 0, 1.0, comparisons, **figures)

    rows = [
        row(language, arm, () if arm == "standard" else (compared(p_value, "accuracy", 0.5, 0.06),))
        for language, p_value in zip(("en", "de"), p_values, strict=True)
        for arm in ("standard", "csr")
    ]
    return accuracy_summary(rows, "standard", (1,))
