"""What commands may write to: nothing of the user's is replaced, inputs are no outputs, stopped writing goes on."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import pytest
import typer
import yaml
from typer.testing import CliRunner

from switchtune import generation
from switchtune.cli.main import app, main
from switchtune.config.inference import NliConfig
from switchtune.config.load import load_config
from switchtune.config.pretrain import PretrainConfig
from switchtune.config.run import RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import MARK, atomic_path, content_of, mark_folder
from switchtune.generation.files import GrowingFile
from switchtune.run_dir import claim_file, claim_folder
from switchtune.runs.experiment import run_experiment
from switchtune.runs.pretraining import pretrain
from switchtune.runs.search import search
from switchtune.runs.train import train_arm
from switchtune.runs.zeroshot import run_zeroshot
from tests.miniature import ENGLISH, GERMAN
from tests.unreadable import UNREADABLE, make_unreadable

THESIS = "years of work\n"


@pytest.fixture
def place(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a parallel corpus, a lexicon, configurations, and a folder with a thesis in it."""
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"text.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (tmp_path / "my.tsv").write_text("# switchtune lexicon de-en\nHund\tdog\n", encoding="utf-8")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis.txt").write_text(THESIS)
    (tmp_path / "made").mkdir()
    pair = {"source": "de", "target": "en", **dict.fromkeys(("train", "valid", "test"), "text.{de,en}")}
    common = {"model": str(model), "arms": ["standard", "csr"], "training": {"updates": 2}}
    run = {**common, "pairs": [pair, {**pair, "source": "fr"}], "search": {"lr": [1e-4, 1e-3]}}
    for path in ("run.yaml", "made/config.resolved.yaml"):
        (tmp_path / path).write_text(yaml.safe_dump(run))
    data = dict.fromkeys(("train", "valid", "test"), "text.*")
    nli = {**common, "task": "nli", "languages": ["de"], "data": data, "lexicon": {"dictionaries": {"de": "my.tsv"}}}
    (tmp_path / "nli.yaml").write_text(yaml.safe_dump(nli))
    texts = [{"language": code, "path": f"text.{code}"} for code in ("de", "en")]
    (tmp_path / "pretrain.yaml").write_text(yaml.safe_dump({"texts": texts}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


FOLDER_VERBS = {
    "trim": "trim {model} --text text.de --langs de,en",
    "untrim": "untrim {model} --base {model}",
    "add-language": "add-language {model} --code hs_DE --like de",
    "export": "export {model}",
    "pretrain": "pretrain pretrain.yaml",
    "run": "run run.yaml",
    "train": "train run.yaml",
    "zeroshot": "zeroshot run.yaml",
    "search": "search run.yaml",
    "lexicon": "lexicon text.de text.en --langs de-en",
}
FILE_VERBS = {
    "switch": "switch text.de --lexicon my.tsv --lang de",
    "translate": "translate {model} text.de --from de --to en",
    "merge": "lexicon merge my.tsv",
    "report": "report made",
    "init": "init embedded:kitchen:valid --langs de-en --model {model} --no-plan",
}


def test_no_verb_that_writes_is_missing_here() -> None:
    def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
        if not hasattr(command, "commands"):
            yield name, command
            return
        for below, each in command.commands.items():
            yield from commands(each, below)

    found = commands(typer.main.get_command(app), "")
    writing = {name for name, command in found if any("--out" in option.opts for option in command.params)}
    # `reproduce` reads a finished run before it looks at --out, which it then claims as `run` does.
    assert writing == {*FOLDER_VERBS, *FILE_VERBS} - {"lexicon"} | {"build", "show-batch", "reproduce"}


def refused(command: str, model: Path, out: str | None = None) -> str:
    """What is said of an output that is wrong use."""
    words = [word.replace("{model}", str(model)) for word in command.split()]
    with (
        patch.object(sys, "argv", ["switchtune", *words, *([] if out is None else ["--out", out])]),
        redirect_stderr(StringIO()) as said,
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert ended.value.code == 2, said.getvalue()
    return said.getvalue()


@pytest.mark.parametrize("command", FOLDER_VERBS.values(), ids=FOLDER_VERBS)
def test_a_folder_of_the_users_stands_after_every_verb(place: Path, model: Path, command: str) -> None:
    before = sorted(path for path in place.rglob("*"))
    assert "did not make" in refused(command, model, "d")
    assert "a file" in refused(command, model, "text.de")
    refused(command, model, ".")
    refused(command, model, "")
    refused(command, model, "text.de/below")
    assert (place / "d/thesis.txt").read_text() == THESIS
    assert sorted(path for path in place.rglob("*")) == before


@pytest.mark.parametrize("command", FILE_VERBS.values(), ids=FILE_VERBS)
def test_a_file_of_the_users_stands_after_every_verb(place: Path, model: Path, command: str) -> None:
    (place / "other").write_text(THESIS)
    before = sorted(path for path in place.rglob("*"))
    assert "--force" in refused(command, model, "other")
    assert "a folder" in refused(command, model, "d")
    assert "not a regular file" in refused(command, model, os.devnull)
    refused(command, model, "")
    assert (place / "other").read_text() == THESIS
    assert sorted(path for path in place.rglob("*")) == before


def test_a_link_to_itself_is_never_written_through(place: Path, model: Path) -> None:
    (place / "loop").symlink_to("loop")
    for command in (*FOLDER_VERBS.values(), *FILE_VERBS.values()):
        for out in ("loop", "loop/below"):
            assert "leads back to itself" in refused(command, model, out), command
    assert (place / "loop").is_symlink()


def test_what_stands_where_a_file_is_expected(place: Path, model: Path) -> None:
    (place / "loop").symlink_to("loop")
    os.mkfifo("pipe")
    (place / "hidden").mkdir()
    (place / "hidden" / ".notes").touch()
    for given, said in {
        "loop": "a link that leads back to itself",
        "pipe": "a pipe; a file is expected. Save it to one first",
        "d": "a folder; a file is expected",
        "/dev/zero": "a device",
        "hidden/x": "not found. The folder hidden holds nothing but hidden files",
    }.items():
        assert f"{given}: {said}" in refused(
            f"lexicon text.de text.en --langs de-en --dictionary {given}", model, "new"
        )


def test_a_text_that_is_read_once_may_be_a_pipe(place: Path) -> None:
    os.mkfifo("pipe")
    writer = Thread(target=(place / "pipe").write_bytes, args=[(place / "text.de").read_bytes()])
    writer.start()
    words = "switch pipe --lexicon my.tsv --lang de --rate 0 --out out"
    assert CliRunner().invoke(app, words.split(), catch_exceptions=False).exit_code == 0
    writer.join()
    assert (place / "out").read_bytes() == (place / "text.de").read_bytes()


@pytest.mark.parametrize("command", [FILE_VERBS[name] for name in ("switch", "translate", "merge")])
def test_an_input_is_never_an_output_whatever_is_forced(place: Path, model: Path, command: str) -> None:
    read = re.findall(r"text\.de|my\.tsv", command)[0]
    (place / "link").symlink_to(read)
    os.link(read, "hard link")
    for name in (read, f"d/../{read}", "link", "hard link"):
        assert "is read" in refused(f"{command} --force", model, name)


@pytest.mark.parametrize("command", ["switch - --lexicon my.tsv --lang de", "translate {model} --from de --to en"])
def test_a_text_on_standard_input_is_no_output_either(place: Path, model: Path, command: str) -> None:
    text, standard_input = (place / "text.de").read_bytes(), os.dup(0)
    try:
        with (place / "text.de").open("rb") as stream:
            os.dup2(stream.fileno(), 0)
        assert "this is read" in refused(f"{command} --force", model, "text.de")
    finally:
        os.dup2(standard_input, 0)
        os.close(standard_input)
    assert (place / "text.de").read_bytes() == text


def test_a_model_that_is_read_is_not_replaced(place: Path, model: Path) -> None:
    for verb in ("trim", "untrim", "add-language", "export"):
        assert "this is read" in refused(f"{FOLDER_VERBS[verb]} --force", model, str(model))
        assert "is read from there" in refused(f"{FOLDER_VERBS[verb]} --force", model, str(model.parent))


@pytest.mark.parametrize(
    "command",
    [
        *(FOLDER_VERBS[verb] for verb in ("trim", "untrim", "add-language", "export", "run", "train", "search")),
        f"{FOLDER_VERBS['lexicon']} --model {{model}}",
        FILE_VERBS["translate"],
        f"{FILE_VERBS['switch']} --pieces-of {{model}}",
    ],
)
def test_nothing_is_written_into_a_model_that_is_read(place: Path, model: Path, command: str) -> None:
    before = sorted(model.rglob("*"))
    assert f"lies in {model}, which is read" in refused(f"{command} --force", model, str(model / "new"))
    assert sorted(model.rglob("*")) == before


IN_PYTHON: dict[tuple[Any, str], Any] = {
    (RunConfig, "run"): run_experiment,
    (RunConfig, "train"): train_arm,
    (RunConfig, "zeroshot"): run_zeroshot,
    (RunConfig, "search"): search,
    (PretrainConfig, "pretrain"): pretrain,
    (NliConfig, "run"): run_experiment,
}


@pytest.mark.parametrize(
    ("verb", "setting"),
    [
        ("run", "model=r/in"),
        ("run", "model.text=[r/in.de]"),
        ("run", "pairs.0.train=r/in.{de,en}"),
        ("train", "pairs.0.valid=r/in"),
        ("search", "pairs.0.test=./r/../link/in.tsv"),
        ("run", "lexicon.dictionaries=[r/in.tsv]"),
        ("run", "lexicon.block.words=r/in.de"),
        ("run", "lexicon.corpus=r/in.{en,de}"),
        ("search", "arms.1.lexicon.dictionaries=[r/in.tsv]"),
        ("zeroshot", "zeroshot.multiway.own=r/in.*"),
        ("pretrain", "texts.0.path=r/in.de"),
        ("run", "data.valid=r/in.*"),
        ("run", "arms.1.model=r/in"),
        ("run", "lexicon.dictionaries.de=r/in.tsv"),
    ],
)
def test_nothing_that_a_configuration_names_is_in_the_output(place: Path, verb: str, setting: str) -> None:
    """From the command line or from Python, whichever of a corpus's names stands for the files."""
    nli = setting.startswith(("data", "arms.1.model", "lexicon.dictionaries.de"))
    kind: Any = NliConfig if nli else PretrainConfig if verb == "pretrain" else RunConfig
    configuration = {NliConfig: "nli.yaml", PretrainConfig: "pretrain.yaml", RunConfig: "run.yaml"}[kind]
    claim_folder(place / "r", verb if verb in ("pretrain", "search") else "run")
    (place / "link").symlink_to("r")
    (place / "r/in").mkdir()
    for ending in ("de", "en", "tsv"):
        (place / f"r/in.{ending}").write_text(THESIS)
    before = sorted(place.rglob("*"))
    refusal = refused(f"{verb} {configuration} --force --set {setting}", place, "r")
    assert "is read from there" in refusal
    with pytest.raises(UsageError, match="is read from there"):
        IN_PYTHON[kind, verb](load_config(kind, configuration, [setting]), place / "r")
    assert sorted(place.rglob("*")) == before


def test_a_configuration_in_the_output_is_not_rewritten(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def begun(*_: object, **__: object) -> None:
        raise UsageError("begun")

    monkeypatch.setattr("switchtune.runs.experiment.run_experiment", begun)
    claim_folder(place / "r", "run")
    resolved = place / "r/config.resolved.yaml"
    resolved.write_text(load_config(RunConfig, "run.yaml").as_yaml())
    before = resolved.read_bytes()
    assert "begun" in refused("run r/config.resolved.yaml", place, "r")
    assert "is read from there" in refused("run r/config.resolved.yaml --set training.updates=3 --force", place, "r")
    assert "is read from there" in refused("train r/config.resolved.yaml --keep-changed", place, "r")
    (place / "r/mine.yaml").write_bytes(before)
    assert "is read from there" in refused("run r/mine.yaml", place, "r")
    assert resolved.read_bytes() == before


def test_an_analysis_replaces_no_files_of_the_users(place: Path) -> None:
    (place / "r/analysis").mkdir(parents=True)
    (place / "r/config.resolved.yaml").write_text(load_config(RunConfig, "run.yaml").as_yaml())
    (place / "r/analysis/cost.json").symlink_to(place / "d/thesis.txt")
    refusal = refused("analyse r --what cost", place)
    assert f"{place / 'r/analysis'}: holds files that switchtune did not make. Analyses are written here" in refusal
    assert (place / "d/thesis.txt").read_text() == THESIS
    assert [path.name for path in (place / "r/analysis").iterdir()] == ["cost.json"]


def test_a_lexicons_page_replaces_no_page_of_the_users(place: Path) -> None:
    (place / "d/judgement.json").write_text("{}")
    (place / "d/report.html").write_text(THESIS)
    refusal = refused("lexicon report d", place)
    assert refusal == ("switchtune: d/report.html: the file already exists. The page is written here: move it away.\n")
    assert (place / "d/report.html").read_text() == THESIS


def test_a_verb_takes_what_it_made_and_what_is_forced(place: Path, model: Path) -> None:
    def trim(*options: str) -> None:
        words = [word.format(model=model) for word in FOLDER_VERBS["trim"].split()]
        done = CliRunner().invoke(app, [*words, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output

    trim("--out", "trimmed")
    trim("--out", "trimmed")
    assert "was made by `switchtune trim`" in refused(FOLDER_VERBS["export"], model, "trimmed")
    trim("--out", "d", "--force")
    assert not (place / "d/thesis.txt").exists()
    (place / "link").symlink_to("trimmed")
    trim("--out", "link")
    assert (place / "link").is_symlink()
    assert (place / "trimmed/config.json").exists()


def test_an_output_that_is_a_link_is_written_where_it_leads(place: Path, model: Path) -> None:
    for name in ("switch", "translate", "merge"):
        (place / f"link of {name}").symlink_to(place / f"d/{name}")
        words = [word.format(model=model) for word in FILE_VERBS[name].split()]
        done = CliRunner().invoke(app, [*words, "--out", f"link of {name}"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert (place / f"link of {name}").is_symlink()
        assert (place / f"d/{name}").is_file()


def test_a_failed_attempt_with_force_claims_nothing(place: Path, model: Path) -> None:
    done = CliRunner().invoke(app, "trim ./nothing --text text.de --langs de --out d --force".split())
    assert done.exit_code != 0
    assert [path.name for path in (place / "d").iterdir()] == ["thesis.txt"]


def test_show_batch_shows_runs_alone(place: Path) -> None:
    (place / "pretrained").mkdir()
    (place / "pretrained/config.resolved.yaml").touch()
    assert "did not make. Give the folder of a run." in refused("show-batch run.yaml", place, "pretrained")
    assert "not the folder of a run" in refused("show-batch run.yaml", place, "d")
    assert not (place / "new").exists()


def test_what_a_report_is_made_of_is_not_overwritten(place: Path) -> None:
    (place / "made" / "metrics.json").write_text("{}")
    assert "lies in made, which is read" in refused("report made --force", place, "made/metrics.json")
    assert "--figures made: this is read" in refused("report made --force --figures made", place, "new.html")
    assert "--figures .: made is read from there" in refused("report made --force --figures .", place, "new.html")
    (place / "made/task").mkdir()
    (place / "made/task/state.json").touch()
    assert "--figures made/task: lies in made" in refused("report made --force --figures made/task", place, "new.html")
    assert not list(place.rglob(MARK))


def test_a_report_may_stand_in_the_run_that_it_is_of(place: Path) -> None:
    for own in (False, True):
        claim_file(place / "d/report.html", hosts=[place / "d"], own=own)
        claim_folder(place / "d/figures", "report", hosts=[place / "d"])
        (place / "d/report.html").touch()
        (place / "d/figures/figure.svg").touch()


def test_a_folder_of_others_is_no_run_in_python_either(place: Path) -> None:
    with pytest.raises(UsageError, match="did not make"):
        run_experiment(load_config(RunConfig, "run.yaml"), place / "d")


def test_a_report_is_written_again_and_a_page_of_others_is_not(place: Path) -> None:
    from switchtune.report.html import is_report, render

    (place / "report.html").write_text(render("page.html", title="A run"), encoding="utf-8")
    claim_file(place / "report.html", own=is_report(place / "report.html"))
    (place / "report.html").write_text("<!DOCTYPE html><title>Mine</title>", encoding="utf-8")
    with pytest.raises(UsageError, match="already exists"):
        claim_file(place / "report.html", own=is_report(place / "report.html"))


def test_where_nothing_may_be_written_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match=f"no permission to write in {tmp_path}"):
        claim_folder(tmp_path / "new" / "below", "run")
    with pytest.raises(UsageError, match="no permission"):
        claim_file(tmp_path / "new.txt")


def test_a_folder_that_is_written_into_is_marked_at_once(tmp_path: Path) -> None:
    claim_folder(tmp_path / "run", "run")
    (tmp_path / "run" / "corpus").mkdir()
    claim_folder(tmp_path / "run", "run")
    with pytest.raises(UsageError, match="was made by `switchtune run`, not by `switchtune search`"):
        claim_folder(tmp_path / "run", "search")
    (tmp_path / "run" / MARK).unlink()
    with pytest.raises(UsageError, match="did not make"):
        claim_folder(tmp_path / "run", "run")


def translate(model: Path, *options: str) -> int:
    words = f"switchtune translate {model} text.de --from de --to en --out out".split()
    with patch.object(sys, "argv", [*words, *options]), pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_stopped_translation_says_how_far_it_is_and_goes_on(
    place: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generation, "_FIRST_WINDOW", 4)
    monkeypatch.setattr(generation, "_LARGEST_WINDOW", 4)
    assert translate(model) == 0
    whole = (place / "out").read_bytes()
    assert whole.count(b"\n") == len(GERMAN)
    assert translate(model, "--resume") == 0
    assert "nothing to resume" in capsys.readouterr().err

    real, seen = generation.best_outputs, []

    def stopped(*arguments: object, **options: object) -> object:
        seen.append((place / "out").read_bytes() if (place / "out").exists() else b"")
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(generation, "best_outputs", stopped)
    assert translate(model, "--force") == 130
    assert seen[2] == b"".join(whole.splitlines(keepends=True)[:8])  # lines are there while later ones are made
    assert "8 lines are done" in capsys.readouterr().err
    (place / "out").write_bytes(seen[2][:-5])  # as a kill in the middle of the second lot leaves it
    assert translate(model) == 2
    assert "--resume goes on with it" in capsys.readouterr().err
    assert translate(model, "--resume", "--beams", "1") == 2
    assert "with other options" in capsys.readouterr().err
    monkeypatch.setattr(generation, "best_outputs", real)
    assert translate(model, "--resume") == 0
    assert "goes on after line 8" in capsys.readouterr().err
    assert (place / "out").read_bytes() == whole
    assert not GrowingFile(place / "out").is_unfinished


@pytest.fixture
def growing(tmp_path: Path) -> GrowingFile:
    """A file of two lots of lines that is not finished."""
    made = GrowingFile(tmp_path / "out")
    made.begin("x", resume=False)
    made.append(["a", "b"])
    made.append(["ü", "d"])
    return made


WRITTEN = "a\nb\nü\nd\n".encode()


@pytest.mark.parametrize("size", range(4, len(WRITTEN) + 1))
def test_what_a_kill_while_lines_are_added_leaves_is_gone_on_with(growing: GrowingFile, size: int) -> None:
    growing.path.write_bytes(WRITTEN[:size])
    again = GrowingFile(growing.path)
    assert again.begin("x", resume=True) == 4
    assert growing.path.read_bytes() == WRITTEN
    again.append(["e"])
    assert growing.path.read_bytes() == WRITTEN + b"e\n"
    assert GrowingFile(growing.path).begin("x", resume=True) == 5


@pytest.mark.parametrize(
    "content", [b"", WRITTEN[:3], b"A" + WRITTEN[1:], WRITTEN[:-2] + b"D\n", WRITTEN[:5] + b"u", WRITTEN + b"e\n"]
)
def test_an_unfinished_file_that_was_changed_is_not_gone_on_with(growing: GrowingFile, content: bytes) -> None:
    growing.path.write_bytes(content)
    with pytest.raises(UsageError, match="out was changed since it was written"):
        GrowingFile(growing.path).begin("x", resume=True)
    assert growing.path.read_bytes() == content


def test_a_finished_file_stands_alone_whatever_kills_there_were(growing: GrowingFile) -> None:
    left = growing.path.with_name(f"..out.unfinished.{os.getpid()}.tmp")  # of a process that had this one's number
    left.mkdir()
    mark_folder(left, "temporary")
    (left / "made").touch()
    again = GrowingFile(growing.path)
    again.begin("x", resume=True)
    again.finish()
    assert list(growing.path.parent.iterdir()) == [growing.path]


def test_what_is_begun_anew_is_not_taken_for_what_was_there(
    growing: GrowingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("switchtune.generation.files.write_sealed", killed)
    again = GrowingFile(growing.path)
    assert again.begin("x", resume=False) == 0
    with pytest.raises(KeyboardInterrupt):
        again.append(["a"])
    assert not again.is_unfinished
    assert GrowingFile(growing.path).begin("x", resume=True) == 0


@pytest.mark.parametrize("content", [THESIS, "{}", "[1]"])
def test_a_file_that_has_the_name_of_a_note_stands(place: Path, model: Path, content: str) -> None:
    (place / ".out.unfinished").write_text(content)
    (place / "out").write_text(THESIS)
    for options in ("", " --force", " --resume"):
        assert "not written by it" in refused(FILE_VERBS["translate"] + options, model, "out")
    assert (place / ".out.unfinished").read_text() == content
    assert (place / "out").read_text() == THESIS


def test_one_process_at_a_time_translates_into_a_file(
    place: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "link").symlink_to("out")
    with GrowingFile(place / "link").lock():
        for options in ([], ["--resume"], ["--force"]):
            assert translate(model, *options) == 1
            assert "another process is writing this file" in capsys.readouterr().err
        assert not (place / "out").exists()
    assert translate(model) == 0
    assert not [path.name for path in place.glob(".out*")]


def test_an_empty_text_gives_an_empty_translation(place: Path, model: Path) -> None:
    (place / "text.de").write_text("")
    assert translate(model) == 0
    assert (place / "out").read_bytes() == b""


@pytest.mark.parametrize("kind", UNREADABLE)
def test_only_files_whose_reading_ends_are_read(tmp_path: Path, kind: str) -> None:
    make_unreadable(tmp_path / "a.json", kind)
    said = "20,000,000,000 bytes, where at most 268,435,456" if kind == "giant" else "a (pipe|device)"
    with pytest.raises(SwitchtuneError, match=rf"a\.json: {said}.* expected\..* Make it again\.$"):
        content_of(tmp_path / "a.json", remedy="Make it again.")
    with pytest.raises(SwitchtuneError, match=r"none\.json: not found in "):
        content_of(tmp_path / "none.json")
    (tmp_path / "run").mkdir()
    make_unreadable(tmp_path / "run" / MARK, kind)
    (tmp_path / "run" / "thesis.txt").touch()
    with pytest.raises(SwitchtuneError, match=r"did not make|where at most 1,048,576 are expected"):
        claim_folder(tmp_path / "run", "run")


def test_files_that_somebody_put_into_a_folder_of_ours_are_not_replaced_with_it(place: Path, model: Path) -> None:
    words = FOLDER_VERBS["trim"].replace("{model}", str(model)).split()
    assert CliRunner().invoke(app, [*words, "--out", "small"]).exit_code == 0
    assert CliRunner().invoke(app, [*words, "--out", "small"]).exit_code == 0
    (place / "small" / "notes.txt").write_text(THESIS)
    (place / "small" / ".DS_Store").touch()
    assert "holds notes.txt, which switchtune did not make" in refused(FOLDER_VERBS["trim"], model, "small")
    assert (place / "small" / "notes.txt").read_text() == THESIS


def test_what_a_run_replaces_is_kept_where_somebody_put_files_into_it(tmp_path: Path) -> None:
    mark_folder(tmp_path, "run")
    for content in ("old", "new"):
        with atomic_path(tmp_path / "model") as temporary:
            temporary.mkdir()
            (temporary / "weights").write_text(content)
        if content == "old":
            (tmp_path / "model" / "notes.txt").write_text(THESIS)
    assert (tmp_path / "model" / "weights").read_text() == "new"
    assert (tmp_path / "model.kept-1" / "notes.txt").read_text() == THESIS


def test_what_appears_while_an_output_is_made_stays(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did not make"), atomic_path(tmp_path / "folder", verb="trim") as temporary:
        temporary.mkdir()
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "thesis.txt").write_text(THESIS)
    with (
        pytest.raises(UsageError, match="the meantime"),
        atomic_path(tmp_path / "file", replaces=False) as temporary,
    ):
        temporary.write_text("made")
        (tmp_path / "file").write_text(THESIS)
    growing = GrowingFile(tmp_path / "grown")
    with pytest.raises(UsageError, match="the meantime"), growing.lock():
        growing.begin("text", resume=False)
        (tmp_path / "grown").write_text(THESIS)
        growing.append(["made"])
    for name in ("folder/thesis.txt", "file", "grown"):
        assert (tmp_path / name).read_text() == THESIS


def test_standard_output_is_not_added_to_a_text_that_is_read(place: Path) -> None:
    command = [sys.executable, "-m", "switchtune", "switch", "text.de", "--lexicon", "my.tsv", "--lang", "de"]
    before = (place / "text.de").read_bytes()
    with (place / "text.de").open("ab") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, (place / "text.de").read_bytes()) == (2, before)
    assert "standard output is redirected to this file" in done.stderr


def test_a_page_of_somebodys_in_a_folder_of_lexicons_stays(place: Path, model: Path) -> None:
    (place / "L").mkdir()
    mark_folder(place / "L", "lexicon")
    (place / "L" / "report.html").write_text(THESIS)
    assert "already exists" in refused(FOLDER_VERBS["lexicon"], model, "L")
    assert sorted(path.name for path in (place / "L").iterdir()) == [".switchtune", "report.html"]
    assert (place / "L" / "report.html").read_text() == THESIS


@pytest.mark.parametrize(
    ("verb", "setting", "refusal"),
    [
        ("run run.yaml", "lexicon.dictionaries=[gone.tsv]", "gone.tsv: not found in this folder"),
        ("train run.yaml", "lexicon.block.words=gone.txt", "gone.txt: not found in this folder"),
        ("search run.yaml", "training.report_to=[wandbb]", "'wandbb' is not a tracker"),
        ("zeroshot run.yaml", "lexicon.dictionaries=[d]", "d: a folder; a file is expected."),
        ("pretrain pretrain.yaml", "training.report_to=[wandbb]", "'wandbb' is not a tracker"),
        ("run nli.yaml", "lexicon.dictionaries.de=gone.tsv", "gone.tsv: not found in this folder"),
        ("train nli.yaml", "lexicon.block.words=gone.txt", "gone.txt: not found in this folder"),
    ],
)
def test_no_folder_is_made_for_what_cannot_begin(place: Path, verb: str, setting: str, refusal: str) -> None:
    """From the command line or from Python."""
    command, file = verb.split()
    kind: Any = {"nli.yaml": NliConfig, "pretrain.yaml": PretrainConfig, "run.yaml": RunConfig}[file]
    assert refusal in refused(f"{verb} --set {setting}", place, "new")
    with pytest.raises(UsageError) as told:
        (train_arm if command == "train" else IN_PYTHON[kind, command])(
            load_config(kind, file, [setting]), place / "new"
        )
    assert refusal in str(told.value)
    assert not (place / "new").exists()


def test_nothing_to_resume_is_said_of_a_whole_translation_alone(
    place: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert translate(model) == 0
    assert translate(model, "--resume") == 0
    assert "nothing to resume" in capsys.readouterr().err
    (place / "out").write_text(THESIS)
    assert translate(model, "--resume") == 2
    assert f"out: 1 lines, where the text has {len(GERMAN)}" in capsys.readouterr().err
    assert (place / "out").read_text() == THESIS


def test_a_note_that_was_edited_is_not_gone_on_with(tmp_path: Path) -> None:
    growing = GrowingFile(tmp_path / "out")
    with growing.lock():
        growing.begin("text", resume=False)
        growing.append(["one"])
    note = tmp_path / ".out.unfinished"
    note.write_text(note.read_text().replace('"lines": 0', '"lines": -5'))
    with pytest.raises(UsageError, match="not written by it"):
        GrowingFile(tmp_path / "out").begin("text", resume=True)
    assert (tmp_path / "out").read_text() == "one\n"
