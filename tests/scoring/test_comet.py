"""COMET by another program: how it is called and how its answer is read, with a program that stands in for it."""

from pathlib import Path

import numpy as np
import pytest

from switchtune.errors import SwitchtuneError
from switchtune.scoring.comet import DEFAULT_MODEL, CometError, comet
from switchtune.scoring.metrics import ScoringError
from switchtune.scoring.significance import compare_scores

# Takes the options of comet-score 2.2.7 that are used and writes what it writes; a sentence's value is the share of the
# reference's words that it has, less a tenth where the source is empty.
PROGRAM = """#!/usr/bin/env python3
import argparse, json, pathlib, sys
parser = argparse.ArgumentParser(allow_abbrev=False)
for names in (["-s", "--sources"], ["-r", "--references"], ["--model"], ["--to_json"]):
    parser.add_argument(*names, required=True)
parser.add_argument("-t", "--translations", nargs="+", required=True)
parser.add_argument("--quiet", action="store_true", required=True)
parser.add_argument("--only_system", action="store_true", required=True)
asked = parser.parse_args()
read = lambda path: [line.strip() for line in open(path, encoding="utf-8").readlines()]
with open(pathlib.Path(__file__).with_name("calls"), "a") as calls:
    calls.write(asked.model + "\\n")
if asked.model == "no/model":
    print("loading", file=sys.stderr)
    sys.exit("Model 'no/model' not supported by COMET.")
def value(source, translation, reference):
    shared = len(set(translation.split()) & set(reference.split())) / len(reference.split())
    return shared - 0.1 * (not source) if asked.model != "nan" else float("nan")
found = {
    path: [
        {"src": source, "mt": translation, "ref": reference, "COMET": value(source, translation, reference)}
        for source, translation, reference in zip(read(asked.sources), read(path), read(asked.references))
    ][: 1 if asked.model == "short" else None]
    for path in asked.translations
}
for path in found:
    print(path + "\\tscore: 0.0000")
json.dump(found, open(asked.to_json, "w", encoding="utf-8"), ensure_ascii=False, indent=4)
"""
SOURCES = ["eins zwei", "", "drei"]
REFERENCES = ["one two", "über\u2028all da", "three"]
A = ["one", "überall", ""]
B = ["one two", "über all da", "three"]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "comet env"
    program = folder / "bin" / "comet-score"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    (folder / "lib" / "python3.11" / "site-packages" / "unbabel_comet-2.2.7.dist-info").mkdir(parents=True)
    return folder


def test_values_of_all_systems_by_one_call(environment: Path) -> None:
    a, b = comet([A, B], SOURCES, REFERENCES, environment=environment)
    assert a.segments[:, 0] == pytest.approx([0.5, -0.1, 0])
    assert b.segments[:, 0] == pytest.approx([1, 0.9, 1])
    assert (a.value, b.value) == (pytest.approx(0.4 / 3), pytest.approx(2.9 / 3))
    assert (a.metric, a.n) == ("COMET", 3)
    assert a.signature == "nrefs:1|model:Unbabel/wmt22-comet-da|unbabel-comet:2.2.7"
    assert (environment / "bin" / "calls").read_text() == f"{DEFAULT_MODEL}\n"


def test_comet_is_tested_for_significance(environment: Path) -> None:
    a, b = comet([A * 20, B * 20], SOURCES * 20, REFERENCES * 20, environment=environment, model="mine.ckpt")
    for test in ("bootstrap", "randomisation"):
        found = compare_scores([a], [b], test=test, resamples=300)
        assert (found.metric, found.difference) == ("COMET", pytest.approx(2.5 / 3))
        assert found.p_value == 1 / 301
        assert "|model:mine.ckpt|" in found.signature
    assert np.isfinite(found.interval).all()


def test_where_it_is_not_set_up_the_command_is_given(tmp_path: Path) -> None:
    with pytest.raises(CometError) as raised:
        comet([A], SOURCES, REFERENCES, environment=tmp_path / "none")
    command = f"python3.11 -m venv {tmp_path}/none && {tmp_path}/none/bin/pip install unbabel-comet==2.2.7"
    assert f"\n    {command}\n" in str(raised.value)


def test_what_the_program_says_when_it_fails(environment: Path) -> None:
    with pytest.raises(CometError, match=r"ended with code 1. It said:\nloading\nModel 'no/model' not supported"):
        comet([A], SOURCES, REFERENCES, environment=environment, model="no/model")


@pytest.mark.parametrize(("model", "values"), [("short", 1), ("nan", 3)])
def test_answers_that_are_not_what_was_asked(environment: Path, model: str, values: int) -> None:
    with pytest.raises(CometError, match=f"each of 3 sentences but {values} values"):
        comet([A], SOURCES, REFERENCES, environment=environment, model=model)


def test_a_version_that_nobody_knows(environment: Path) -> None:
    next(environment.glob("lib/*/*/*")).rmdir()
    (score,) = comet([A], SOURCES, REFERENCES, environment=environment)
    assert score.signature.endswith("|unbabel-comet:unknown")


@pytest.mark.parametrize(
    ("sources", "system", "message"),
    [(SOURCES[:2], A, "2 source sentences but 3 references"), (SOURCES, A[:2], "2 hypotheses but 3 references")],
)
def test_unequal_counts_are_refused_before_anything_runs(
    environment: Path, sources: list[str], system: list[str], message: str
) -> None:
    with pytest.raises(ScoringError, match=message):
        comet([system], sources, REFERENCES, environment=environment)
    assert not (environment / "bin" / "calls").exists()


@pytest.mark.parametrize("answer", ["", "{", "[]", "null", '{"a": 3}', "[" * 100_000])
def test_answers_that_are_something_else(environment: Path, answer: str) -> None:
    program = f"import sys; open(sys.argv[sys.argv.index('--to_json') + 1], 'w').write({answer!r})"
    (environment / "bin" / "comet-score").write_text(f"#!/usr/bin/env python3\n{program}\n")
    with pytest.raises(SwitchtuneError, match=r"scores\.json: not valid JSON|each of 3 sentences but 0 values"):
        comet([A], SOURCES, REFERENCES, environment=environment)


def test_a_program_that_cannot_be_run(environment: Path) -> None:
    (environment / "bin" / "comet-score").write_bytes(b"\x00\x01")
    with pytest.raises(CometError, match=r"comet-score: cannot be run \(Exec format error\)"):
        comet([A], SOURCES, REFERENCES, environment=environment)
