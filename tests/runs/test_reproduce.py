"""A run told again and made again."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from switchtune.cli.main import main
from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.files import hash_file, write_text
from switchtune.lexicon.files import edits_path, hash_with_edits
from switchtune.models.load import model_fingerprint
from switchtune.run_dir import write_sealed
from switchtune.runs import manifest
from switchtune.runs.experiment import run_experiment
from switchtune.runs.manifest import Difference, differences
from switchtune.runs.reproduce import Again, Past, Reproduced, compared
from tests.miniature import ENGLISH, GERMAN


def config_of(model: Path, folder: Path) -> RunConfig:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        for part in ("train", "test"):
            write_text(folder / f"{part}.{code}", "".join(f"{line}\n" for line in lines))
    train, test = (str(folder / f"{part}.{{de,en}}") for part in ("train", "test"))
    values = {
        "model": str(model),
        "pairs": [{"source": "de", "target": "en", "train": train, "valid": test, "test": test}],
        "arms": ["standard", "denoise"],
        "jobs": 1,
        "training": {"updates": 3, "tokens_per_batch": 200, "lr": 1e-2},
        "generation": {"beams": 1, "max_length": 8},
    }
    return parse_config(RunConfig, values)


@pytest.fixture(scope="module")
def run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("past")
    run_experiment(config_of(model, folder), folder / "run")
    return folder / "run"


def reproduce(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[object, str, str]:
    monkeypatch.setattr(sys, "argv", ["switchtune", "reproduce", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    return end.value.code, printed.out, printed.err


@pytest.mark.slow
def test_the_same_comes_out_again(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said, _ = reproduce(capsys, monkeypatch, run, "--out", tmp_path / "again")
    assert code == 0
    first, *scores, last = said.splitlines()
    assert first == "Nothing has changed: the scores are expected to be the same, to the last digit."
    assert last == "reproduced: all 4 scores are the same"
    assert all(line.endswith("(the same)") for line in scores)
    outputs = "de-en/standard/seed1/hypotheses.txt"
    assert (tmp_path / "again" / outputs).read_bytes() == (run / outputs).read_bytes()


@pytest.mark.slow
def test_what_is_otherwise_is_told(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = run.parent / "train.de", run.parent / "test.en"
    before, reference = train.read_text(encoding="utf-8"), test.read_text(encoding="utf-8")
    hashed = hash_file(train)
    write_text(train, before + "Noch ein Satz.\n")
    versions = manifest._versions()
    monkeypatch.setattr(manifest, "_versions", lambda: {**versions, "torch": "9.9"})
    code, said, _ = reproduce(capsys, monkeypatch, run, "--dry-run")
    assert (code, said.splitlines()) == (
        0,
        [
            f"torch: {versions['torch']}, now 9.9",
            f"{train}: {len(before.encode()):,} bytes ({hashed}), "
            f"now {train.stat().st_size:,} bytes ({hash_file(train)})",
            "2 things have changed: the scores may differ.",
        ],
    )
    test.unlink()
    code, said, told = reproduce(capsys, monkeypatch, run, "--dry-run")
    assert code == 1
    assert f"{test}: {len(reference.encode()):,} bytes" in said
    assert f"{run}: cannot be run again without {test}." in told
    write_text(train, before)
    write_text(test, reference)


def test_another_model_is_told(model: Path, tmp_path: Path) -> None:
    config = config_of(model, tmp_path)
    noted = {"models": {str(model): "0" * 16, str(tmp_path / "none"): "1" * 16}}
    assert [each for each in differences(noted, config, tmp_path) if each.is_input] == [
        Difference(f"model {model}", "0" * 16, model_fingerprint(str(model)), is_input=True),
        Difference(f"model {tmp_path / 'none'}", "1" * 16, "", is_input=True),
    ]


def test_a_lexicon_that_was_edited_since_is_told(model: Path, tmp_path: Path) -> None:
    config, path = config_of(model, tmp_path), tmp_path / "run/lexicon/de-en/auto-1/lexicon.de-en.tsv"
    write_text(path, "# switchtune lexicon de-en unit=word\n")
    noted = {"lexicons": {f"elsewhere/lexicon/de-en/auto-1/{path.name}": hash_with_edits(path)}}
    assert not differences(noted, config, tmp_path / "run")
    write_text(edits_path(path), "Hund\tdog\n")
    (told,) = differences(noted, config, tmp_path / "run")
    assert told.what == f"{path}, with its edits by hand"


def test_what_is_no_finished_run_is_refused(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reproduce(capsys, monkeypatch, tmp_path, "--dry-run")[0] == 2
    write_text(tmp_path / "config.resolved.yaml", config_of(model, tmp_path).as_yaml())
    code, _, told = reproduce(capsys, monkeypatch, tmp_path, "--dry-run")
    assert (code, "manifest.json is missing: the run is not finished" in told) == (2, True)
    write_sealed(tmp_path / "manifest.json", {})
    code, _, told = reproduce(capsys, monkeypatch, tmp_path, "--out", tmp_path / "again")
    assert (code, "metrics.json is missing" in told) == (2, True)
    code, _, told = reproduce(capsys, monkeypatch, tmp_path)
    assert (code, "--out: name a folder for the new run" in told) == (2, True)


def metrics(bleu: float, width: float = 2.0) -> dict[str, Any]:
    score = [{"metric": "BLEU", "value": bleu, "signature": "s", "n": 100}]
    against = {"metric": "BLEU", "interval": (-width, width)}
    rows = [("standard", None), ("csr", against)]
    return {"rows": [{"pair": "de-en", "arm": arm, "bleu": score, "against_baseline": each} for arm, each in rows]}


@pytest.mark.parametrize(
    ("now", "exact", "changed", "holds", "said"),
    [
        (30.0, True, False, True, "all 2 scores are the same"),
        (30.1, True, False, False, "nothing in the manifest has changed"),
        (30.1, False, False, True, "up to chance"),
        (31.9, True, True, True, "up to chance"),
        (32.1, True, True, False, "by more than chance"),
    ],
)
def test_scores_may_differ_where_something_does(
    now: float, exact: bool, changed: bool, holds: bool, said: str, tmp_path: Path, model: Path
) -> None:
    otherwise = (Difference("torch", "1", "2"),) if changed else ()
    past = Past(tmp_path, config_of(model, tmp_path), metrics(30.0), exact, otherwise)
    made = Reproduced(past, tuple(compared(past.metrics, metrics(now))))
    assert (made.holds, said in made.verdict) == (holds, True)


def test_without_a_comparison_chance_is_not_known() -> None:
    again = Again("de-en", "standard", "BLEU", 30.0, 30.1, same=False, chance=None)
    assert not again.within_chance
    assert again.describe() == "de-en standard: BLEU 30.0 → 30.1 (+0.1000)"


@pytest.mark.slow
def test_the_manifest_says_what_the_scores_depend_on(run: Path) -> None:
    noted = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert noted["repeatable"] == "exactly"
    assert noted["precision"] == {"standard": "float32", "denoise": "float32"}
    assert {Path(name).name for name in noted["files"]} == {"train.de", "train.en", "test.de", "test.en"}
