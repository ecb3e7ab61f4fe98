"""Exported folders: what is in them, whether they do what the model did, and when there is none."""

import dataclasses
import json
import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.config.pretrain import FamilyName
from switchtune.config.switching import TermSettings
from switchtune.config.training import GenerationSettings
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import export, translate
from switchtune.generation.by_ct2 import Converted, convert
from switchtune.generation.export import export_ct2, open_model
from switchtune.generation.keeping import term_settings_of, write_terms_note
from switchtune.generation.parity import ParityError
from switchtune.models.load import Loaded, load_layout, save_model, save_tokenizer
from tests.miniature import ENGLISH, GERMAN, VOCABULARIES, lively, miniature, taught

BEAMS = GenerationSettings(beams=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved miniature that has learned to translate the sixteen German sentences."""
    folder = tmp_path_factory.mktemp("export") / "model"
    save_model(taught(), folder, "de", "en")
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.de"
    path.write_text("".join(f"{line}\n" for line in GERMAN), encoding="utf-8")
    return path


@pytest.mark.slow
def test_an_exported_folder_with_its_proof_and_a_script_that_works(model: Path, text: Path, tmp_path: Path) -> None:
    made = export_ct2(str(model), tmp_path / "made", text=text)
    assert (made.languages, made.int8, made.parity.identical) == (("de", "en"), False, 16)
    proof = json.loads((made.folder / "parity.json").read_text(encoding="utf-8"))
    assert proof["identical"] == proof["as_good"] == proof["sentences"] == 16
    assert [line["found"] for line in proof["lines"]] == list(ENGLISH)
    assert proof["bleu"]["value"] == pytest.approx(100)
    assert proof["largest_difference"] < 1e-4
    readable = (made.folder / "parity.md").read_text(encoding="utf-8")
    assert "16 of 16 outputs identical" in readable
    assert f"| {GERMAN[0]} | {ENGLISH[0]} | = |" in readable
    assert translate(open_model(str(made.folder), None), GERMAN, "de", "en", GenerationSettings()) == list(ENGLISH)

    script = made.folder / "translate.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 13
    assert "from_pretrained(folder, trust_remote_code=False)" in script.read_text(encoding="utf-8")
    lines = "".join(f"{line}\n" for line in ["", *GERMAN])
    # Nothing of switchtune is to be had: the script needs ctranslate2 and transformers alone.
    hidden = [
        sys.executable,
        "-c",
        f"import sys, runpy; sys.modules['switchtune'] = None; runpy.run_path({str(script)!r})",
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}
    done = subprocess.run(hidden, input=lines, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["", *ENGLISH]


def test_the_script_of_a_model_with_terms_puts_them_in(
    model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(model, tmp_path / "model")
    write_terms_note(tmp_path / "model", TermSettings(share=0.3, tag=True))
    made = export_ct2(str(tmp_path / "model"), tmp_path / "made", text=text, settings=BEAMS)
    assert term_settings_of(str(made.folder)) == TermSettings(share=0.3, tag=True)
    script = (made.folder / "translate.py").read_text(encoding="utf-8")
    compile(script, "translate.py", "exec")
    (tmp_path / "terms.tsv").write_text("Hund\tdog\nHund im Haus\tx\n\n")
    monkeypatch.setattr(sys, "argv", ["translate.py", str(tmp_path / "terms.tsv")])
    names: dict[str, Any] = {"sys": sys, "pathlib": pathlib}
    exec(script[script.index("import re") : script.index("for line in map")], names)
    assert names["with_terms"]("Der HUND, hund im haus, Hunde") == "Der | dog |, | x |, Hunde"


@pytest.mark.parametrize("family", typing.get_args(FamilyName))
def test_every_family_is_exported_for_its_own_direction(
    family: FamilyName, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random weights: outputs that differ wherever a tag, a prompt or a limit does."""
    save_model(lively(family), tmp_path / "model", "de", "en")
    made = export_ct2(str(tmp_path / "model"), tmp_path / "made", text=text, settings=BEAMS)
    assert made.languages == ("de", "en")
    expected = translate(lively(family), GERMAN, "de", "en", BEAMS)
    opened = open_model(str(made.folder), "ct2")
    assert isinstance(opened, Converted)
    assert opened.layout.family.name == family
    found = translate(opened, GERMAN, "de", "en", BEAMS)
    assert sum(map(str.__eq__, found, expected)) >= 15
    lines = [*GERMAN, "Ein </s> Hund", "<mask> de_DE deu_Latn __de__ <extra_id_0>"]
    found += translate(opened, lines[-2:], "de", "en", BEAMS)
    monkeypatch.setattr(sys, "stdin", [f"{line}\n" for line in lines])
    runpy.run_path(str(made.folder / "translate.py"))
    assert capsys.readouterr().out == "".join(f"{line}\n" for line in found)


def test_in_8_bits_differences_are_told_and_not_refused(
    model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "convert", spoiled)
    made = export_ct2(str(model), tmp_path / "made", text=text, int8=True)
    proof = json.loads((made.folder / "parity.json").read_text(encoding="utf-8"))
    assert proof["weights"] == "int8"
    assert proof["identical"] == made.parity.identical < 16
    assert proof["bleu"]["value"] < 100
    differing = [line for line in made.parity.lines if not line.identical]
    readable = (made.folder / "parity.md").read_text(encoding="utf-8").splitlines()
    assert readable[0].startswith("# The exported model (int8)")
    assert readable[8].startswith(f"| {differing[0].sentence} | {differing[0].expected} | {differing[0].found} |")


def test_a_model_that_does_something_else_is_refused(
    model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "made"
    export_ct2(str(model), folder, text=text)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    monkeypatch.setattr(export, "convert", spoiled)
    with pytest.raises(
        ParityError, match=r"(?s)of 16 outputs identical.*outputs are worse, the first ones:\n  \w+"
    ) as told:
        export_ct2(str(model), folder, text=text)
    assert "transformers (-" in str(told.value)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def spoiled(loaded: Loaded, folder: Path, *, int8: bool = False) -> None:
    """Convert a model with some of its weights changed."""
    other = taught()
    with torch.no_grad():
        for name, parameter in other.model.named_parameters():
            if name.endswith("fc1.weight"):
                parameter += 0.4 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    convert(dataclasses.replace(loaded, model=other.model), folder, int8=int8)


def test_the_proof_takes_embedded_text_where_there_is_some(model: Path, tmp_path: Path) -> None:
    made = export_ct2(str(model), tmp_path / "made", settings=GenerationSettings(beams=1), int8=True)
    assert len(made.parity.lines) == 100
    proof = json.loads((made.folder / "parity.json").read_text(encoding="utf-8"))
    assert proof["text"] == "the embedded corpus (de)"


def test_a_language_without_embedded_text_needs_a_text(model: Path, text: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no embedded text in French .*--text FILE"):
        export_ct2(str(model), tmp_path / "made", languages=("fr", "en"))
    assert not (tmp_path / "made").exists()
    made = export_ct2(str(model), tmp_path / "made", languages=("fr", "en"), text=text, int8=True)
    assert made.languages == ("fr", "en")


def test_a_tokenizer_that_does_not_tell_the_languages(tmp_path: Path) -> None:
    save_model(miniature("mt5"), tmp_path / "model", "de", "en")
    miniature("mt5").tokenizer.save_pretrained(tmp_path / "model")
    with pytest.raises(UsageError, match="--langs de-en"):
        export_ct2(str(tmp_path / "model"), tmp_path / "made")
    save_tokenizer(load_layout(str(tmp_path / "model")), tmp_path / "model", "en", "de")
    with pytest.raises(UsageError, match="not by `switchtune export`"):
        export_ct2(str(tmp_path / "model"), tmp_path / "model")


def test_nothing_else_is_overwritten(model: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds files that switchtune did not make"):
        export_ct2(str(model), tmp_path)
    with pytest.raises(UsageError, match="a file; a folder is written here"):
        export_ct2(str(model), tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("command", ["export nowhere --out made", "translate nowhere --from de --to en"])
def test_beams_by_the_million_are_refused_before_any_work(command: str, text: Path) -> None:
    words = [*command.split(), *([str(text)] if "translate" in command else []), "--beams", "1000000"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "--beams" in done.output


def test_the_commands(model: Path, text: Path, tmp_path: Path) -> None:
    def run(*words: Any) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    told = json.loads(run("export", model, "--to", "ct2", "--out", tmp_path / "made", "--text", text, "--json"))
    assert (told["languages"], told["to"], told["identical"]) == (["de", "en"], "ct2", 16)
    assert "16 of 16" in run("export", model, "--to", "ct2", "--out", tmp_path / "made", "--text", text)
    direction = ["--from", "de", "--to", "en"]
    for options in ([model], [tmp_path / "made"], [model, "--engine", "ct2"], [model, "--engine", "transformers"]):
        assert run("translate", options[0], text, *direction, *options[1:]).splitlines() == list(ENGLISH)
    assert len(run("translate", model, text, *direction, "--engine", "ct2", "--int8").splitlines()) == 16


@pytest.mark.parametrize("family", [*VOCABULARIES, "small100"])  # which has tags of targets before its sources
def test_another_direction_than_a_model_was_saved_for_is_told(
    family: FamilyName, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "text").write_text("Haus\n", encoding="utf-8")
    words = ["translate", str(tmp_path / "model"), str(tmp_path / "text"), "--beams", "1", "--from"]
    save_model(lively(family), tmp_path / "model", "de", "en")
    for source, target in (("de", "en"), ("en", "de")):
        caplog.clear()
        done = CliRunner().invoke(app, [*words, source, "--to", target], catch_exceptions=False)
        assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
        said = "model was trained to translate from German to English, but you asked for English to German."
        assert (said in caplog.text) == (source != "de")


def test_an_export_of_another_direction_is_told(model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    export_ct2(str(model), tmp_path / "made", languages=("en", "de"), int8=True, settings=BEAMS)
    assert "from German to English, but you asked for English to German." in caplog.text


def test_an_engine_that_cannot_be_had(model: Path, text: Path, tmp_path: Path) -> None:
    export_ct2(str(model), tmp_path / "made", text=text)
    with pytest.raises(UsageError, match="exported for CTranslate2"):
        open_model(str(tmp_path / "made"), "transformers")
    with pytest.raises(UsageError, match="--engine ct2"):
        open_model(str(model), None, "int8")


@pytest.fixture(scope="module")
def exported(model: Path, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_ct2(str(model), tmp_path_factory.mktemp("exported") / "made", text=text, settings=BEAMS).folder


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *((file, content) for file in ("model.bin", "config.json") for content in (None, b"", b"{}", b"x" * 50)),
        *(("shared_vocabulary.json", content) for content in (None, b"", b"[]", b"null", b'["a"]', b"\xff")),
        *(("switchtune.json", content) for content in (b"", b"{}", b"[]", b'{"family": [1]}', b"\xff")),
        ("model.bin", "half"),
        ("config.json", b'{"add_source_bos": null}'),
        ("switchtune.json", b'{"family": "mbart", "positions": "x"}'),
        ("switchtune.json", b'{"family": "nllb", "positions": 64}'),
        ("tokenizer.json", b"{}"),
    ],
)
def test_a_damaged_export_is_told(file: str, content: bytes | str | None, exported: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(exported, folder)
    if content is None:
        (folder / file).unlink()
    else:
        half = (folder / file).read_bytes()[: (folder / file).stat().st_size // 2]
        (folder / file).write_bytes(half if isinstance(content, str) else content)
    known = "|".join(map(re.escape, ("model.bin", "config.json", "shared_vocabulary.json", file)))
    with pytest.raises(
        SwitchtuneError, match=rf"({known}).*(Export the model again|Get the model again)|no config.json in it"
    ):
        open_model(str(folder), None)


def test_a_damaged_conversion_is_made_again_once_it_is_removed(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    open_model(str(folder), "ct2")
    (tmp_path / "model.ct2" / "model.bin").write_bytes(b"")
    with pytest.raises(SwitchtuneError, match=rf"model.bin.* Remove {tmp_path}/model.ct2: it is made again"):
        open_model(str(folder), "ct2")
