"""The whole job through the command line, on a model and a corpus that fit in seconds."""

import json
import os
import random
import re
import signal
import sys
import time
from pathlib import Path
from unittest.mock import ANY

import pytest
import torch
import yaml
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from switchtune.cli.main import main
from switchtune.models.load import save_model
from switchtune.training.checkpoints import complete_checkpoints
from tests.command import forked
from tests.miniature import ENGLISH, GERMAN, miniature

CONTROLS = ("random", "anti", "mask")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved miniature model, a corpus in text files, and a configuration."""
    folder = tmp_path_factory.mktemp("workplace")
    save_model(miniature(), folder / "model", "de", "en")
    for part, rows in {"train": slice(0, 16), "valid": slice(0, 4), "test": slice(10, 16)}.items():
        for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
            (folder / f"{part}.{code}").write_text("".join(f"{line}\n" for line in lines[rows]), encoding="utf-8")
    config = {
        "model": str(folder / "model"),
        "pairs": [
            {"source": "de", "target": "en"}
            | {part: str(folder / f"{part}.{{de,en}}") for part in ("train", "valid", "test")}
        ],
        "arms": [
            "standard",
            "csr",
            {"recipe": "csr", "name": "csr-piece", "switching": {"unit": "piece"}},
            {"recipe": "csr", "name": "csr-aligned", "switching": {"source": "aligned", "phrases": True}},
            *({"recipe": "csr", "name": f"csr-{name}", "switching": {"source": name}} for name in CONTROLS),
            "iaft",
            "random",
        ],
        "jobs": 1,
        "lexicon": {"accept": True},  # sixteen pairs are too few for any lexicon to be trusted
        "training": {
            "updates": 12,
            "restore_share": 0.34,
            "tokens_per_batch": 200,
            "max_tokens": 60,
            "lr": 1e-3,
            "evaluate_every": 4,
            "checkpoint_every": 4,
        },
        "generation": {"beams": 2, "max_length": 8},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def switchtune(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, standard output, standard error."""
    monkeypatch.setattr(sys, "argv", ["switchtune", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
        sys.exit(0)
    printed = capsys.readouterr()
    code = end.value.code
    return (code if isinstance(code, int) else 0), printed.out, printed.err


@pytest.mark.slow
@pytest.mark.timeout(300)  # nine trainings; a machine may be busy with other things
def test_run_compares_the_recipes_and_is_skipped_when_done(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    command = ("run", workplace / "config.yaml", "--out", out)
    code, printed, progress = switchtune(capsys, monkeypatch, *command)
    assert code == 0, progress
    assert "arm" in printed
    assert "16 pairs read" in progress
    assert "asked for 35% of the words" in progress

    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    rows = {row["arm"]: row for row in metrics["rows"]}
    assert set(rows) == {
        "standard",
        "csr",
        "csr-piece",
        "csr-aligned",
        "csr-random",
        "csr-anti",
        "csr-mask",
        "iaft",
        "random",
    }
    assert rows["csr-mask"]["switching"]["de"]["coverage"] == 1.0
    assert rows["csr"]["switching"]["de"]["realised_rate"] == pytest.approx(0.35, abs=0.05)
    assert {sum(row["updates"].values()) for row in rows.values()} == {12}
    assert rows["csr"]["updates"] == {"restore": 4, "task": 8}
    assert rows["standard"]["against_baseline"] is None
    assert 0 < rows["csr"]["against_baseline"]["p_value"] <= 1
    assert rows["csr"]["bleu"][0]["n"] == 6
    assert "nrefs:1" in rows["csr"]["bleu"][0]["signature"]
    table = (out / "comparison.md").read_text(encoding="utf-8")
    assert "| csr | 4 + 8 |" in table

    model = out / "de-en/csr/seed1/task/model"
    plain, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    started = plain.generate(**tokenizer(GERMAN[0], return_tensors="pt"), max_length=8)[0, 0]
    assert tokenizer.convert_ids_to_tokens(int(started)) == "en_XX"

    models = sorted(out.rglob("model.safetensors"))
    written = [path.stat().st_mtime_ns for path in models]
    code, again, _ = switchtune(capsys, monkeypatch, *command)
    assert (code, again) == (0, printed)
    assert [path.stat().st_mtime_ns for path in models] == written

    # Other inputs of one step, and only what follows from them is made again.
    translated = (out / "de-en/csr/seed1/steps/translate.json").stat().st_mtime_ns
    code, _, _ = switchtune(capsys, monkeypatch, *command, "--set", "generation.beams=1")
    assert code == 0
    assert [path.stat().st_mtime_ns for path in models] == written
    assert (out / "de-en/csr/seed1/steps/translate.json").stat().st_mtime_ns > translated


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_ended_in_the_middle_ends_with_the_same_scores(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(out: Path, jobs: int) -> tuple[str, ...]:
        # Long enough that a worker is not done when the kill comes.
        settings = ("recipes=[standard, csr]", f"jobs={jobs}", "training.updates=60", "training.checkpoint_every=2")
        return ("run", str(workplace / "config.yaml"), "--out", str(out), *(f"--set={each}" for each in settings))

    undisturbed, ended = tmp_path / "undisturbed", tmp_path / "ended"
    # Two workers on two cores have one thread each, and so has what is compared with them.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    assert switchtune(capsys, monkeypatch, *command(undisturbed, 1))[0] == 0
    stage, reached = ended / "de-en/standard/seed1/task", 0
    for number in (signal.SIGINT, signal.SIGKILL):
        process = forked([*command(ended, 2)], tmp_path / "said")
        # A later checkpoint is begun only when the one before it is whole.
        while not any(int(path.name.split("-")[1]) >= reached + 4 for path in stage.glob("checkpoint-*")):
            assert process.is_alive()
            time.sleep(0.01)
        time.sleep(random.Random(1).uniform(0, 0.3))
        os.kill(process.pid or 0, number)
        process.join()
        said = (tmp_path / "said").read_text(encoding="utf-8")
        assert not (ended / "metrics.json").exists()
        if number == signal.SIGKILL:
            assert process.exitcode == -number
            continue
        assert process.exitcode == 128 + number
        stopped = re.findall(r"^de-en/(\w+)/seed1: task: stopped after update (\d+) of 60; .* at (.*)$", said, re.M)
        for arm, update, path in stopped:
            assert path == str(ended / f"de-en/{arm}/seed1/task/checkpoint-{update}")
            assert complete_checkpoints(Path(path).parent)[-1].update == int(update)
        reached = {arm: int(update) for arm, update, _ in stopped}["standard"]
        assert said.splitlines()[-1] == "Stopped. Run the same command again to continue from the last checkpoints."
        assert "Traceback" not in said
    code, _, said = switchtune(capsys, monkeypatch, *command(ended, 1))
    assert (code, re.findall(r"standard/seed1: task: goes on from update \d+ of 60", said)) == (0, [ANY])
    torch.set_num_threads(threads)

    def without_times(folder: Path) -> list[dict[str, object]]:
        rows = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["rows"]
        return [{key: value for key, value in row.items() if key != "minutes"} for row in rows]

    assert without_times(ended) == without_times(undisturbed)
    report = json.loads((ended / "de-en/standard/seed1/steps/task.json").read_text(encoding="utf-8"))
    assert report["result"]["training"]["resumed_from"] >= reached


def test_lexicon_switch_and_show_batch(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = workplace / "train.de"
    code, printed, _ = switchtune(
        capsys,
        monkeypatch,
        "lexicon",
        text,
        workplace / "train.en",
        "--langs",
        "de-en",
        "--out",
        tmp_path,
        "--accept-lexicon",
    )
    assert code == 0
    assert "lexicon.de-en.tsv" in printed
    assert (tmp_path / "lexicon.en-de.tsv").exists()
    assert "Lexicon German–English" in (tmp_path / "report.html").read_text(encoding="utf-8")

    lexicon = tmp_path / "lexicon.de-en.tsv"
    command = ("switch", text, "--lexicon", lexicon, "--lang", "de")
    code, switched, rates = switchtune(capsys, monkeypatch, *command)
    lines = switched.splitlines()
    assert (code, len(lines)) == (0, 16)
    assert lines != list(GERMAN)
    assert "asked for 35%" in rates
    assert switchtune(capsys, monkeypatch, *command)[1] == switched
    assert switchtune(capsys, monkeypatch, *command, "--epoch", "1")[1] != switched
    _, tsv, _ = switchtune(capsys, monkeypatch, *command, "--tsv")
    assert [line.split("\t") for line in tsv.splitlines()] == [list(pair) for pair in zip(GERMAN, lines, strict=True)]
    out = tmp_path / "switched.jsonl"
    code, _, _ = switchtune(capsys, monkeypatch, *command, "--jsonl", "--out", out)
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [record["switched"] for record in records] == lines
    assert all(record["original"].count(item["word"]) for record in records for item in record["replaced"])
    assert switchtune(capsys, monkeypatch, *command[:-1], "en")[0] == 2

    build = (
        "lexicon",
        text,
        workplace / "train.en",
        "--langs",
        "de-en",
        "--accept-lexicon",
        "--out",
        tmp_path / "pieces",
    )
    assert switchtune(capsys, monkeypatch, *build, "--pieces-of", workplace / "model")[0] == 0
    pieces = ("switch", text, "--lexicon", tmp_path / "pieces/lexicon.de-en.tsv", "--lang", "de")
    code, switched, _ = switchtune(capsys, monkeypatch, *pieces, "--pieces-of", workplace / "model")
    assert (code, len(switched.splitlines())) == (0, 16)
    code, _, said = switchtune(capsys, monkeypatch, *pieces)
    assert (code, "--pieces-of" in said) == (2, True)

    code, batch, _ = switchtune(capsys, monkeypatch, "show-batch", workplace / "config.yaml", "--rows", "1")
    assert code == 0
    restore, task = batch.split("stage 2")
    assert restore.count("de_DE") == 3  # encoder input, labels, decoder input
    assert "en_XX" not in restore
    assert "decoder input   en_XX" in task


def test_translate_score_and_compare(
    workplace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source.txt"
    source.write_text(f"{GERMAN[0]}\n\n{GERMAN[1]}\n", encoding="utf-8")
    command = ("translate", workplace / "model", "--from", "de", "--to", "en", "--beams", "1")
    code, printed, _ = switchtune(capsys, monkeypatch, *command, source)
    assert (code, len(printed.splitlines())) == (0, 3)
    assert printed.splitlines()[1] == ""
    with source.open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert switchtune(capsys, monkeypatch, *command)[1] == printed

    a, b = tmp_path / "a.txt", tmp_path / "b.txt"
    a.write_text("".join(f"{line.replace('the', 'a')}\n" for line in ENGLISH), encoding="utf-8")
    b.write_text("".join(f"{line}\n" for line in ENGLISH), encoding="utf-8")
    code, scores, _ = switchtune(capsys, monkeypatch, "score", b, b, "--lang", "en", "--json")
    assert code == 0
    assert json.loads(scores)["bleu"]["value"] == pytest.approx(100)
    code, found, _ = switchtune(capsys, monkeypatch, "compare", a, b, b, "--lang", "en", "--json")
    assert code == 0
    assert json.loads(found)["difference"] > 5


LEXICON = ("lexicon", "{folder}/train.de", "{folder}/train.en", "--langs", "de-en", "--out", "{folder}/o")


@pytest.mark.parametrize(
    ("arguments", "expected_code", "message"),
    [
        (["run", "{folder}/missing.yaml", "--out", "{folder}/out"], 2, "missing.yaml: not found in"),
        (
            ["run", "{folder}/config.yaml", "--out", "{folder}/out", "--set", "trainng.lr=1"],
            2,
            "did you mean 'training'",
        ),
        (
            ["run", "{folder}/config.yaml", "--out", "{folder}/out", "--set", "model={folder}/nowhere"],
            1,
            "no such folder",
        ),
        (["lexicon", "{folder}/train.de", "{folder}/test.en", "--langs", "de-en", "--out", "{folder}/o"], 1, "lines"),
        (["lexicon", "{folder}/train.de", "{folder}/train.en", "--langs", "deen", "--out", "{folder}/o"], 2, "de-en"),
        (
            ["lexicon", "{folder}/train.de", "{folder}/train.en", "--langs", "de-deu", "--out", "{folder}/o"],
            2,
            "both are de",
        ),
        (
            ["lexicon", "{folder}/train.de", "{folder}/train.en", "--langs", "de-en", "--out", "{folder}/train.de"],
            2,
            "train.de: a file; the name of a folder",
        ),
        (
            [*LEXICON, "--part", "align=abc"],
            2,
            "--part align=abc: the weight must be a number above 0, as in align=2; found 'abc'",
        ),
        (
            [*LEXICON, "--part", "aligned=1"],
            2,
            "--part aligned=1: no such method; did you mean 'align'?",
        ),
        (
            [*LEXICON, "--dictionary", "none.txt"],
            2,
            "none.txt: not found",
        ),
        (["lexicon", "merge", "{folder}/mine.de-en.tsv", "--out", "{folder}"], 2, "a folder; the name of a file"),
        (["lexicon", "merge", "{folder}/a.tsv=0", "--out", "{folder}/b.tsv"], 2, "above 0"),
        (["lexicon", "report", "{folder}"], 2, "judgement.json"),
        (
            ["translate", "{folder}/model", "--from", "de", "--to", "sw", "{folder}/test.de"],
            2,
            "no tag for 'sw' (Swahili)",
        ),
        (["score", "{folder}/train.en", "{folder}/test.en", "--lang", "en"], 1, "16 hypotheses but 6 references"),
        (["no-such-verb"], 2, "No such command"),
    ],
)
def test_wrong_use_is_explained_without_a_traceback(
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    expected_code: int,
    message: str,
) -> None:
    code, _, said = switchtune(capsys, monkeypatch, *(argument.format(folder=workplace) for argument in arguments))
    assert (code, message in said, "Traceback" in said) == (expected_code, True, False), said


def test_every_verb_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in "lexicon switch pretrain run train show-batch translate score compare".split():
        code, printed, _ = switchtune(capsys, monkeypatch, verb, "--help")
        assert code == 0
        assert "Example" in printed, verb
