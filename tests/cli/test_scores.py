"""`switchtune score` and `switchtune compare` on plain files of any system."""

import json
import re
import sys
from pathlib import Path

import pytest

from switchtune.cli.main import main
from switchtune.scoring.metrics import bleu, chrf
from switchtune.scoring.significance import compare_seeds

REFERENCES = [
    "The river rises in spring, and the ferry stays.",
    "A new bridge opens today.",
    "The school is closed.",
] * 4
A = [line.replace("The", "A").replace("is", "was") for line in REFERENCES[:-1]] + [""]
B = [line.replace("today", "") for line in REFERENCES]
TRAINING = ["The river is a river.", "The bridge is closed, the school is open."]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = {"a": A, "b": B, "references": REFERENCES, "train": TRAINING, "short": A[:5]}
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def switchtune(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["switchtune", *command.split()])
    with pytest.raises(SystemExit) as end:
        main()
        sys.exit(0)
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


def test_scores_for_people_and_for_machines(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = "score a references --lang en --train train --buckets 2"
    code, text, said = switchtune(capsys, monkeypatch, command)
    assert (code, said) == (0, "")
    expected = bleu(A, REFERENCES, "en")
    assert f"BLEU {expected.value:14.2f}   {expected.signature}" in text
    assert "| fewer than 2 | " in text
    assert "| 2 and more | " in text
    assert "1 of 12 outputs are empty: they count as wrong" in text
    assert text.endswith("12 sentences\n")

    code, printed, _ = switchtune(capsys, monkeypatch, f"{command} --json")
    record = json.loads(printed)
    assert list(record) == ["bleu", "chrf", "in_language", "words", "outputs", "left_out", "faults", "remarks"]
    assert record["chrf"] == {
        "metric": "chrF++",
        "value": chrf(A, REFERENCES, "en").value,
        "signature": chrf(A, REFERENCES, "en").signature,
        "n": 12,
    }
    assert [(bucket["from"], bucket["to"]) for bucket in record["words"]] == [(0, 2), (2, None)]
    assert record["outputs"]["empty"] == 1


def test_the_share_in_the_right_language_stands_beside_the_references(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text, _ = switchtune(capsys, monkeypatch, "score a references --lang en --metric in-language")
    (line,) = [line for line in text.splitlines() if line.startswith("in-language")]
    assert re.search(r"\d%   lang:en\|script:Latn\|rivals:75\|py3langid:\S+   references: [\d.]+%$", line)
    _, text, _ = switchtune(capsys, monkeypatch, "score a references --lang umb --metric in-language")
    (line,) = [line for line in text.splitlines() if line.startswith("in-script")]
    assert line.endswith("references: 100.0%   (any text in that script: its languages are not told apart)")


def test_metrics_by_name(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, printed, _ = switchtune(
        capsys, monkeypatch, "score b references --lang en --metric rouge --metric chrF++ --json"
    )
    assert (code, list(json.loads(printed))[:4]) == (0, ["rouge_1", "rouge_2", "rouge_l", "chrf"])


def test_comparisons(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, printed, said = switchtune(capsys, monkeypatch, "compare a b references --lang en --json")
    found = json.loads(printed)
    expected = compare_seeds([A], [B], REFERENCES, "en")
    assert (code, said) == (0, "A: 1 of 12 outputs are empty: they count as wrong\n")
    assert (found["p_value"], found["resamples"], found["test"]) == (expected.p_value, 1000, "bootstrap")

    shuffled = compare_seeds([A], [B], REFERENCES, "en", test="randomisation")
    code, text, _ = switchtune(capsys, monkeypatch, "compare a b references --lang en --test randomisation")
    assert (code, f"p = {shuffled.p_value:.4f}: " in text, "|ar:10000|" in text) == (0, True, True)

    code, text, _ = switchtune(
        capsys, monkeypatch, "compare a b references --lang en --metric word-F --train train --buckets 2"
    )
    assert (code, "word-F (training frequency 0-1): A " in text) == (0, True)
    assert "word-F (training frequency 2-): A " in text
    code, printed, _ = switchtune(
        capsys, monkeypatch, "compare a b references --lang en --metric ROUGE --resamples 100 --json"
    )
    assert [each["metric"] for each in json.loads(printed)] == ["ROUGE-1", "ROUGE-2", "ROUGE-L"]


def test_comet_of_another_environment(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "env" / "bin" / "comet-score"
    program.parent.mkdir(parents=True)
    program.write_text(
        "#!/usr/bin/env python3\n"
        "import json, sys\n"
        "systems = sys.argv[sys.argv.index('--translations') + 1 : sys.argv.index('--references')]\n"
        "values = {path: [{'COMET': len(line) / 100} for line in open(path)] for path in systems}\n"
        "json.dump(values, open(sys.argv[sys.argv.index('--to_json') + 1], 'w'))\n"
    )
    program.chmod(0o755)
    options = "--lang en --source references --comet-env env --comet-model mine"
    code, printed, _ = switchtune(capsys, monkeypatch, f"score a references {options} --json")
    comet = json.loads(printed)["comet"]
    assert (code, comet["value"]) == (0, pytest.approx(sum(len(line) + 1 for line in A) / 1200))
    code, text, _ = switchtune(capsys, monkeypatch, f"compare a b references --metric COMET {options}")
    assert (code, f"COMET: A {comet['value']:.4f}, B 0." in text, "|model:mine|" in text) == (0, True, True)


@pytest.mark.parametrize(
    ("command", "expected_code", "message"),
    [
        ("score short references --lang en", 1, "5 hypotheses but 12 references"),
        ("compare a short references --lang en", 1, "5 hypotheses but 12 references"),
        ("score a references --lang en --metric blue", 2, "blue: no such metric; did you mean 'BLEU'"),
        ("compare a b references --lang en --metric in-language", 2, "not tested"),
        ("compare a b references --lang en --metric word-F", 2, "word-F needs --train FILE"),
        ("score a references --lang en --train train --buckets 9,x", 2, "--buckets 9,x: expected increasing whole"),
        ("score a references --lang en --train train --buckets 9,9", 2, "increasing whole numbers from 1"),
        ("score a references --lang en --source train", 1, "2 source sentences but 12 references"),
        ("score a references --lang en --metric COMET", 2, "pip install unbabel-comet=="),
        ("score a references --lang en --source a --comet-env none", 1, "-m venv none && none/bin/pip install"),
        ("score a none --lang en", 2, "none: not found in"),
    ],
)
def test_wrong_use_is_explained(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    expected_code: int,
    message: str,
) -> None:
    code, _, said = switchtune(capsys, monkeypatch, command)
    assert (code, message in said, "Traceback" in said) == (expected_code, True, False), said
