"""`switchtune check` from the command line."""

import json
from pathlib import Path

import pytest

from switchtune.cli.main import main
from switchtune.corpus.embedded import embedded_sentences

PAIRS = embedded_sentences("news", "train", ("de", "en"), 300)
TESTED = embedded_sentences("news", "test", ("de", "en"), 60)


def written(folder: Path, name: str, pairs: "list[tuple[str, ...]]") -> str:
    for code, side in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
        (folder / f"{name}.{code}").write_text("".join(f"{line}\n" for line in side), encoding="utf-8")
    return f"{folder}/{name}.{{de,en}}"


def check(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    monkeypatch.setattr("sys.argv", ["switchtune", "check", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_what_is_well_is_a_line_and_what_is_not_a_paragraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = written(tmp_path, "train", [*PAIRS, *TESTED]), written(tmp_path, "test", TESTED)
    assert check(monkeypatch, train, "--langs", "de-en", "--test", test) == 1
    out, err = capsys.readouterr()
    assert "ok: test: no blank lines" in out and "errors: 1," in err
    _, paragraph = out.split("\nerror: ")
    assert paragraph.startswith(f"train: {train}: Pairs of the test set ({test}) that stand in the training set")
    assert "leave these training pairs out" in paragraph and "~ test line 1:" in paragraph


def test_figures_are_json_and_strict_counts_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "a.de", tmp_path / "a.en"]
    written(tmp_path, "a", [*PAIRS, *[("<b>Ja</b>", "Yes")] * 2])
    assert check(monkeypatch, *files, "--langs", "de-en", "--json") == 0
    problems = json.loads(capsys.readouterr().out)["de-en"]["problems"]
    (markup,) = [problem for problem in problems if problem["kind"] == "markup"]
    assert (markup["severity"], markup["lines"], markup["file"]) == ("warning", [301, 302], "a.de")
    assert check(monkeypatch, *files, "--langs", "de-en", "--strict") == 1


def test_documents_and_unknown_characters_of_a_table(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{german}\t{english}\tbook {row // 50}" for row, (german, english) in enumerate(PAIRS)]
    tests = [f"{german} ☃\t{english}\tbook {row % 2}" for row, (german, english) in enumerate(TESTED)]
    for name, lines in {"train": rows, "test": tests}.items():
        (tmp_path / f"{name}.tsv").write_text("\n".join(["de\ten\tbook", *lines, ""]), encoding="utf-8")
    options = ["--langs", "de-en", "--test", tmp_path / "test.tsv", "--document", "book", "--model", model, "--json"]
    check(monkeypatch, tmp_path / "train.tsv", *options)
    found = json.loads(capsys.readouterr().out)["de-en"]
    by_kind = {problem["kind"]: problem for problem in found["problems"] if problem["corpus"] == "train"}
    assert (by_kind["document"]["count"], by_kind["document"]["lines"][0]) == (100, 1)
    unknown = [problem for problem in found["problems"] if problem["kind"] == "unknown" and problem["file"] == "de"]
    assert "☃ 60" in next(problem["found"] for problem in unknown if problem["corpus"] == "test")


def test_what_is_kept_is_written_and_files_need_their_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = written(tmp_path, "train", [*PAIRS, ("", "x")])
    assert check(monkeypatch, train, "--langs", "de-en", "--fix", tmp_path / "fixed") == 0
    assert "are in rejects.jsonl" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "fixed").iterdir()} >= {"train.de", "train.en", "rejects.jsonl"}
    assert check(monkeypatch, train) == 2
    assert "--langs de-en" in capsys.readouterr().err
