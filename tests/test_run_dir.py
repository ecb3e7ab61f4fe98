"""A run's folder: nothing half-written, finished steps skipped, one process at a time."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import pytest

from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import MARK, atomic_path, fingerprint, hash_file, mark_folder, read_json, write_text
from switchtune.run_dir import RunDir, RunLockedError, edit_warning, write_sealed
from tests.unreadable import UNREADABLE, make_unreadable


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for content in ("first", "second"):
        with atomic_path(folder) as temporary:
            temporary.mkdir()
            (temporary / content).touch()
    assert {path.name for path in folder.iterdir()} == {MARK, "second"}


def test_a_killed_writer_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    program = (
        "import sys, time; from pathlib import Path; from switchtune.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert path.read_text() == "old"


def test_a_step_is_done_only_with_the_same_inputs(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.result("task", {"seed": 1}) is None
    run.finish("task", {"seed": 1}, {"loss": 2.5})
    assert run.result("task", {"seed": 1}) == {"loss": 2.5}
    assert run.result("task", {"seed": 2}) is None


def test_what_changed_since_it_was_made_is_moved_aside_or_kept_when_that_is_asked(tmp_path: Path) -> None:
    told: list[str] = []
    run, model = RunDir(tmp_path, told.append), tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(bytes(2000))
    run.finish("task", {}, {"loss": 2.5}, made=[model])
    assert run.result("task", {}, made=[model]) == {"loss": 2.5}
    (model / "generation_config.json").write_text("{}")  # how it is searched may change
    (model / ".DS_Store").write_text("")  # other files may come and go
    assert run.result("task", {}, made=[model]) == {"loss": 2.5}
    (model / "model.safetensors").write_bytes(bytes(1000) + b"\1" * 1000)
    kept = RunDir(tmp_path, told.append, keep_changed=True)
    assert kept.result("task", {}, made=[model]) == {"loss": 2.5}
    assert "used as it is" in told.pop()
    assert run.result("task", {}, made=[model]) is None
    assert re.search(r"model: has changed since it was made, and is made again; .*model\.changed-", told.pop())
    assert not model.exists()
    aside = next(tmp_path.glob("model.changed-*"))
    assert (aside / "model.safetensors").read_bytes().count(1) == 1000
    (aside / "notes.txt").touch()
    shutil.copytree(aside, model)
    assert run.result("task", {}, made=[model]) is None
    assert {path.name for path in tmp_path.glob("model.changed-*")} == {aside.name, f"{aside.name}-again"}
    assert (aside / "notes.txt").exists()


@pytest.mark.parametrize("content", ["{", "[]", "null", "3", '{"inputs": "x"}', "[" * 100_000])
def test_a_marker_that_was_edited_is_named(tmp_path: Path, content: str) -> None:
    run = RunDir(tmp_path)
    run.finish("task", {}, {"loss": 2.5})
    run.marker("task").write_text(content)
    with pytest.raises(SwitchtuneError, match=r"task\.json: .*Remove the file to have its step done again"):
        run.result("task", {})


def test_a_marker_of_an_earlier_version_is_taken_as_it_is(tmp_path: Path) -> None:
    run, inputs = RunDir(tmp_path), {"seed": 1}
    (tmp_path / "model").mkdir()
    run.marker("task").parent.mkdir()
    run.marker("task").write_text(json.dumps({"inputs": fingerprint(inputs), "result": {"loss": 2.5}}))
    assert run.result("task", inputs, made=[tmp_path / "model"]) == {"loss": 2.5}


def test_a_folder_within_a_run_is_the_runs_own(tmp_path: Path) -> None:
    (tmp_path / "run/task/model").mkdir(parents=True)
    (tmp_path / "run/task/model/old").touch()
    mark_folder(tmp_path / "run", "run")
    with atomic_path(tmp_path / "run/task/model") as temporary:
        temporary.mkdir()
    assert not (tmp_path / "run/task/model/old").exists()


def test_what_an_earlier_version_left_in_a_run_is_to_be_moved_away(tmp_path: Path) -> None:
    (tmp_path / "model-trimmed").mkdir()
    (tmp_path / "model-trimmed/config.json").touch()
    mark_folder(tmp_path, "run")
    with (
        pytest.raises(UsageError, match=r"model-trimmed: .* an earlier version may have\. Move it away, and run"),
        atomic_path(tmp_path / "model-trimmed", verb="trim") as temporary,
    ):
        temporary.mkdir()
    assert (tmp_path / "model-trimmed/config.json").exists()


def test_marks_and_locks_are_not_written_through_links(tmp_path: Path) -> None:
    thesis, run = tmp_path / "thesis.txt", tmp_path / "run"
    thesis.write_text("years of work")
    run.mkdir()
    for name in (MARK, ".run.lock"):
        (run / name).symlink_to(thesis)
    mark_folder(run, "run")
    with pytest.raises(SwitchtuneError, match=r"\.run\.lock: a link"), RunDir(run).lock():
        pass
    assert thesis.read_text() == "years of work"


def test_nothing_in_a_run_is_written_through_links(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    mark_folder(run, "run")
    elsewhere.mkdir()
    (elsewhere / "thesis.txt").write_text("years of work")
    for name, target in {"file": "thesis.txt", "model": ".", "gone": "nothing", "gone model": "nothing"}.items():
        (run / name).symlink_to(elsewhere / target)
    for name in ("file", "gone"):
        write_text(run / name, "made")
    for name in ("model", "gone model"):
        with atomic_path(run / name) as temporary:
            temporary.mkdir()
    assert sorted(path.name for path in run.iterdir()) == sorted([MARK, "file", "gone", "gone model", "model"])
    assert not any(path.is_symlink() for path in run.iterdir())
    assert [path.read_text() for path in elsewhere.iterdir()] == ["years of work"]


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    run = RunDir(tmp_path)
    run.finish("task", {}, 1)
    make_unreadable(run.marker("task"), kind)
    with pytest.raises(SwitchtuneError, match=r"task\.json: .*Remove the file to have its step done again"):
        run.result("task", {})
    if kind == "giant":
        return
    with pytest.raises(SwitchtuneError, match=r"a (pipe|device)"):
        hash_file(run.marker("task"))
    if kind == "pipe":  # a link is replaced, whatever it leads to
        with pytest.raises(SwitchtuneError, match=r"a (pipe|device)"):
            write_text(run.marker("task"), "new")
    make_unreadable(tmp_path / ".run.lock", kind)
    with pytest.raises(SwitchtuneError, match=r"\.run\.lock: a (pipe|link).* Remove it"), run.lock():
        raise AssertionError("the lock was given")


def test_what_was_moved_aside_is_never_removed(tmp_path: Path) -> None:
    run, folder = RunDir(tmp_path), tmp_path / "task"
    for lr in (1, 2, 1, 2):
        run.begin("task", {"lr": lr}, folder)
        (folder / f"made with {lr}").touch()
    asides = sorted(path for path in tmp_path.glob("task.replaced-*"))
    assert [[made.name for made in aside.iterdir()] for aside in asides].count(["made with 1"]) == 2


def test_no_figure_of_a_marker_can_be_changed_unseen(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.finish("task", {}, {"loss": 2.5, "valid_nll": ((1, 2.0),), "name": "é"})
    assert run.result("task", {}) == {"loss": 2.5, "valid_nll": [[1, 2.0]], "name": "é"}
    run.marker("task").write_text(run.marker("task").read_text().replace("2.5", "1.5"))
    with pytest.raises(SwitchtuneError, match="damaged or edited"):
        run.result("task", {})


def test_a_change_by_hand_is_told_of_what_was_sealed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_sealed(path, {"rows": [{"bleu": 20.5}, {"bleu": float("nan")}], "seeds": (1, 2)})
    assert edit_warning(path, "run") is None
    path.write_text(json.dumps(json.loads(path.read_text())))  # set otherwise, the figures are the same
    assert edit_warning(path, "run") is None
    path.write_text(path.read_text().replace("20.5", "40.5"))
    assert re.match(rf"{path}: has been changed since .* `switchtune run`, run again", str(edit_warning(path, "run")))
    write_text(path, '{"rows": []}')  # by an earlier version
    assert edit_warning(path, "run") is None


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        (temporary / "old").touch()
    program = (
        "import os, signal, sys; from pathlib import Path; from switchtune.files import atomic_path\n"
        "renames = []\n"
        "real = Path.replace\n"
        "def replace(self, target):\n"
        "    if renames: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    renames.append(target); return real(self, target)\n"
        "Path.replace = replace\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.mkdir(); (temporary / 'new').touch()\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder)], check=False).returncode == -signal.SIGKILL
    assert not folder.exists()
    with pytest.raises(KeyError), atomic_path(folder) as temporary:  # the rerun fails
        raise KeyError
    assert (folder / "old").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_a_rename_that_fails_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real = tmp_path / "model", Path.replace
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        (temporary / "old").touch()

    def fails(path: Path, target: Path) -> Path:
        if path.name == "made":
            raise OSError("no")
        return real(path, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="no"), atomic_path(folder) as temporary:
        temporary.mkdir()
    assert (folder / "old").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_of_others_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="did not make"), atomic_path(tmp_path) as temporary:
        temporary.mkdir()
    file = tmp_path / "thesis.txt"
    with pytest.raises(UsageError, match="a file"), atomic_path(file) as temporary:
        temporary.mkdir()
    assert list(tmp_path.iterdir()) == [file]


def test_begin_keeps_an_interrupted_attempt_and_moves_one_with_other_inputs_aside(tmp_path: Path) -> None:
    run, folder = RunDir(tmp_path), tmp_path / "task"
    assert run.begin("task", {"lr": 1}, folder) is None
    (folder / "checkpoint").touch()
    assert run.begin("task", {"lr": 1}, folder) is None
    assert (folder / "checkpoint").exists()
    aside = run.begin("task", {"lr": 2}, folder)
    assert list(folder.iterdir()) == []
    assert aside is not None
    assert [path.name for path in aside.iterdir()] == ["checkpoint"]


def test_an_attempt_with_other_inputs_ends_the_former_ones_being_done(tmp_path: Path) -> None:
    run, folder = RunDir(tmp_path), tmp_path / "task"
    run.begin("task", {"lr": 1}, folder)
    run.finish("task", {"lr": 1}, {"loss": 2.0})
    run.begin("task", {"lr": 2}, folder)
    assert run.result("task", {"lr": 1}) is None


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path, dead: int) -> None:
    left = tmp_path / f".model.{dead}.tmp"
    left.mkdir()
    mark_folder(left, "temporary")
    (left / "made").touch()
    mine = [tmp_path / f".model.{name}.tmp" for name in (f"mine.{dead}", "mine", "9" * 30, -dead)]
    for path in mine:
        path.touch()
    write_text(tmp_path / "model", "new")
    assert sorted(tmp_path.iterdir()) == sorted([*mine, tmp_path / "model"])


def test_what_another_made_is_never_taken_for_a_temporary_file(tmp_path: Path, dead: int) -> None:
    names = [f".a.{dead}.tmp", f".a.b.{dead}.tmp", f".a.replaced.{dead}.tmp", ".a.tmp", ".a.mine.tmp", ".a.unfinished"]
    for name in names:
        (tmp_path / name).write_text("years of work")
    run = tmp_path / f".b.{dead}.tmp"
    (run / "replaced").mkdir(parents=True)
    mark_folder(run, "run")
    for name in ("a", "b"):
        write_text(tmp_path / name, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "a", "b", run.name])
    assert {(tmp_path / name).read_text() for name in names} == {"years of work"}
    assert (run / "replaced").is_dir()
    mine = tmp_path / f".a.{os.getpid()}.tmp"
    mine.write_text("years of work")
    with pytest.raises(UsageError, match="in the way of writing"):
        write_text(tmp_path / "a", "newer")
    assert mine.read_text() == "years of work"


def test_a_folder_in_use_is_refused_and_free_again_afterwards(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with run.lock():
        with pytest.raises(RunLockedError, match="another process is working"), run.lock(patience_seconds=0):
            raise AssertionError("the lock was given twice")
        with run.lock("other", patience_seconds=0):
            pass
    with run.lock(patience_seconds=0):
        pass


def test_the_lock_waits_for_a_process_that_is_about_to_end(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from switchtune.run_dir import RunDir\n"
        "with RunDir(Path(sys.argv[1])).lock():\n"
        "    print('ready', flush=True); time.sleep(0.5)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start = time.monotonic()
        with RunDir(tmp_path).lock(patience_seconds=20):
            assert time.monotonic() - start > 0.1


def test_a_lock_leaves_nothing_and_one_that_a_kill_left_is_free(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from switchtune.run_dir import RunDir\n"
        "with RunDir(Path(sys.argv[1])).lock(): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    (tmp_path / ".notes.lock").write_text("years of work")
    for name in ("run", "notes"):
        with RunDir(tmp_path).lock(name, patience_seconds=0):
            assert (tmp_path / f".{name}.lock").exists()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["years of work"]


def test_a_lock_whose_file_was_just_removed_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, locked = fcntl.flock, []

    def late(stream: IO[str], operation: int) -> None:
        if not locked:
            (tmp_path / ".run.lock").unlink()  # by who had it, between this process's opening and locking it
        locked.append(stream)
        real(stream, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with RunDir(tmp_path).lock():
        assert len(locked) == 2
        assert (tmp_path / ".run.lock").exists()


def test_fingerprints_ignore_the_order_of_keys_and_see_every_value(tmp_path: Path) -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    (tmp_path / "x").write_bytes(b"content")
    # sha256sum of "content"
    assert hash_file(tmp_path / "x") == "ed7002b439e9ac84"


def test_broken_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "marker.json").write_text("{")
    with pytest.raises(SwitchtuneError, match=r"marker\.json: not valid JSON"):
        read_json(tmp_path / "marker.json")


def test_no_folder_of_a_run_is_a_link(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    elsewhere.mkdir()
    mark_folder(run, "run")
    (run / "trial").symlink_to(elsewhere)
    with pytest.raises(SwitchtuneError, match="trial: a link"), RunDir(run / "trial").lock():
        pass
    with pytest.raises(SwitchtuneError, match="trial: a link"):
        RunDir(run).begin("task", {}, run / "trial" / "task")
    assert not any(elsewhere.iterdir())
    (tmp_path / "link").symlink_to(run)
    with RunDir(tmp_path / "link").lock():
        pass
    (run / ".mine.lock").symlink_to("nowhere")
    with pytest.raises(SwitchtuneError, match=r"mine\.lock: a link"), RunDir(run).lock("mine"):
        pass
    assert not (run / "nowhere").exists()
