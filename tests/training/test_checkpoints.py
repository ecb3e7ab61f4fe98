"""Which checkpoints count, which are kept, and what is noticed of those that are damaged or foreign."""

import errno
import importlib
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import save_file

from switchtune.training.checkpoints import (
    Checkpoint,
    CheckpointError,
    NoSpaceError,
    Resumption,
    best,
    checkpoint_folder,
    complete_checkpoints,
    fault_of,
    find_resumption,
    mark_complete,
    mean_weights,
    prune,
    remove_after,
    remove_but_weights,
    remove_checkpoints,
    remove_incomplete,
    sound_or_removed,
    weights_of,
)
from tests.training.test_trainer import fresh, same_weights, train
from tests.unreadable import UNREADABLE, make_unreadable


def checkpoint(folder: Path, update: int, score: float | None = None, *, between: bool = False) -> Checkpoint:
    path = checkpoint_folder(folder, update)
    path.mkdir(parents=True)
    save_file({"a": torch.full((3,), float(update)), "b": torch.ones(2)}, path / "model.safetensors")
    (path / "optimizer.pt").write_bytes(b"state" * 100)
    (path / "trainer_state.json").write_text("{}")
    made = Checkpoint(path, update, score, "inputs", "model", processes=2, between=between)
    mark_complete(made)
    return made


def resumption(folder: Path, inputs: str = "inputs", model: str = "model") -> Resumption:
    return find_resumption(folder, inputs=inputs, model=model)


def test_complete_checkpoints_come_back_as_they_were_oldest_first(tmp_path: Path) -> None:
    made = [checkpoint(tmp_path, update, score) for update, score in ((9, 1.5), (10, None), (100, 0.25))]
    checkpoint_folder(tmp_path, 50).mkdir()
    assert complete_checkpoints(tmp_path) == made
    assert resumption(tmp_path) == Resumption(made[-1], ())
    assert complete_checkpoints(tmp_path / "nowhere") == []
    assert resumption(tmp_path / "nowhere") == Resumption(None, ())


def test_what_is_not_complete_is_removed(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 4)
    checkpoint_folder(tmp_path, 8).mkdir()
    remove_incomplete(tmp_path)
    assert list(tmp_path.iterdir()) == [whole.path]
    checkpoint(tmp_path, 5)
    remove_after(tmp_path, 4)
    assert list(tmp_path.iterdir()) == [whole.path]


def test_what_only_has_a_similar_name_is_left_alone(tmp_path: Path) -> None:
    checkpoint(tmp_path, 4)
    mine = [tmp_path / f"checkpoint-{name}" for name in ("backup", "4.old", "04", "notes.txt", "")]
    for path in mine[:-2]:
        checkpoint(tmp_path, 5).path.rename(path)
    mine[-2].touch()
    mine[-1].mkdir()
    remove_incomplete(tmp_path)
    remove_after(tmp_path, -1)
    checkpoint(tmp_path, 6)
    assert [found.update for found in complete_checkpoints(tmp_path)] == [6]
    remove_checkpoints(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(mine)
    assert all((path / "optimizer.pt").exists() for path in mine[:-2])


def test_nothing_is_removed_through_a_link_or_a_marker_that_leads_elsewhere(tmp_path: Path) -> None:
    elsewhere, folder = checkpoint(tmp_path / "elsewhere", 4).path, tmp_path / "mine"
    folder.mkdir()
    (folder / "checkpoint-4").symlink_to(elsewhere)
    for remove in (remove_incomplete, remove_checkpoints, remove_but_weights, resumption):
        with pytest.raises(CheckpointError, match=r"checkpoint-4: a link, where the folder of a checkpoint is .* Move"):
            remove(folder)
    (folder / "checkpoint-4").unlink()
    (folder / "checkpoint-4").touch()
    with pytest.raises(CheckpointError, match="checkpoint-4: a file"):
        remove_checkpoints(folder)
    (folder / "checkpoint-4").unlink()
    marker = checkpoint(folder, 5).path / "complete.json"
    marker.write_text(marker.read_text().replace("optimizer.pt", f"../../elsewhere/{elsewhere.name}/optimizer.pt"))
    remove_but_weights(folder)
    assert (elsewhere / "optimizer.pt").exists()


@pytest.mark.parametrize(
    ("keep_best", "keep_newest", "kept"),
    [(False, 1, [40]), (True, 1, [20, 40]), (False, 3, [20, 30, 40]), (True, 2, [20, 30, 40])],
)
def test_the_newest_is_kept_whole_and_of_others_only_weights(
    keep_best: bool, keep_newest: int, kept: list[int], tmp_path: Path
) -> None:
    for update, score in ((10, -2.0), (20, -1.0), (30, -3.0), (40, -4.0)):
        checkpoint(tmp_path, update, score)
        prune(tmp_path, keep_best=keep_best, keep_newest=keep_newest)
        prune(tmp_path, keep_best=keep_best, keep_newest=keep_newest)
    found = complete_checkpoints(tmp_path)
    assert [each.update for each in found] == kept
    assert [each.resumable for each in found] == [False] * (len(kept) - 1) + [True]
    assert len(list(tmp_path.iterdir())) == len(kept)
    for each in found:
        assert fault_of(each.path) is None
        assert weights_of(each.path)["a"].tolist() == [each.update] * 3
        assert (each.path / "optimizer.pt").exists() == each.resumable
    assert resumption(tmp_path).checkpoint == found[-1]


@pytest.mark.parametrize(
    ("keep_best", "keep_newest", "kept"),
    [(False, 1, [35]), (True, 1, [10, 35]), (False, 2, [20, 35]), (False, None, [10, 20, 35])],
)
def test_those_between_the_regular_ones_do_not_count(
    keep_best: bool, keep_newest: int | None, kept: list[int], tmp_path: Path
) -> None:
    for update, score in ((10, -1.0), (15, None), (20, -2.0), (30, None), (35, None)):
        checkpoint(tmp_path, update, score, between=score is None)
        prune(tmp_path, keep_best=keep_best, keep_newest=keep_newest)
    found = complete_checkpoints(tmp_path)
    assert [each.update for each in found] == kept
    assert [each.resumable for each in found] == [False] * (len(found) - 1) + [True]


def test_the_best_is_the_earliest_of_equals(tmp_path: Path) -> None:
    made = [checkpoint(tmp_path, update, score) for update, score in ((1, None), (2, -1.0), (3, -1.0), (4, -2.0))]
    assert best(made).update == 2


TORCH_STUCK = "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError(TORCH_STUCK),
    ],
    ids=["system", "quota", "safetensors", "torch"],
)
@pytest.mark.parametrize("earlier", [True, False])
def test_a_full_disk_costs_only_the_checkpoint_that_was_being_written(
    error: Exception, earlier: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if earlier:
        whole = checkpoint(tmp_path, 10)
        (whole.path / "weights").write_bytes(bytes(3_000_000))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    path = checkpoint_folder(tmp_path, 20)
    with pytest.raises(NoSpaceError) as caught, sound_or_removed(path):
        path.mkdir(exist_ok=True)
        (path / "weights").write_bytes(bytes(2_000_000))
        raise error
    assert caught.value.__cause__ is error
    found = "takes 0.003 GB" if earlier else "takes more than 0.002 GB"
    assert f"{path}: no space left on the disk for this checkpoint, which {found}" in str(caught.value)
    assert "0.001 GB are free now" in str(caught.value)
    assert ("The one of update 10 is whole" if earlier else "There is none before it") in str(caught.value)
    assert not path.exists()
    assert [found.update for found in complete_checkpoints(tmp_path)] == ([10] if earlier else [])


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), RuntimeError(TORCH_STUCK)])
def test_other_errors_pass_and_leave_nothing_behind(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of torch's own error it is the room on the disk that tells what it means.
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    path = checkpoint_folder(tmp_path, 20)
    with pytest.raises(type(error)) as caught, sound_or_removed(path):
        path.mkdir(exist_ok=True)
        raise error
    assert caught.value is error
    assert not path.exists()


@pytest.mark.parametrize("function", ["torch.save", "switchtune.training.state.save_file"])
def test_a_training_goes_on_where_the_disk_was_full(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, name = function.rpartition(".")
    write = getattr(importlib.import_module(module), name)

    def full(*given: Any, **options: Any) -> Any:
        if complete_checkpoints(tmp_path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*given, **options)

    stopped, resumed, undisturbed = (fresh(dropout=0.1) for _ in range(3))
    with monkeypatch.context() as patch, pytest.raises(NoSpaceError, match="The one of update 4 is whole"):
        patch.setattr(function, full)
        train(stopped, tmp_path)
    assert [found.name for found in tmp_path.glob("checkpoint-*")] == ["checkpoint-4"]
    assert train(resumed, tmp_path).resumed_from == 4
    train(undisturbed, tmp_path / "undisturbed")
    assert same_weights(resumed, undisturbed)


def test_the_mean_of_weights_is_rounded_once(tmp_path: Path) -> None:
    made = [checkpoint(tmp_path, update) for update in (1, 2, 4)]
    mean = mean_weights([each.path for each in made])
    torch.testing.assert_close(mean, {"a": torch.full((3,), 7 / 3), "b": torch.ones(2)}, rtol=0, atol=0)
    assert {weights.dtype for weights in mean.values()} == {torch.float32}


# --- damage ----------------------------------------------------------------------------------------------------------


@given(st.data())
def test_any_byte_that_changes_or_is_lost_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = checkpoint(tmp_path_factory.mktemp("damaged"), 4).path
    name = data.draw(st.sampled_from(["model.safetensors", "optimizer.pt"]))
    content = bytearray((path / name).read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[position] ^= data.draw(st.integers(1, 255))
        expected = f"{name} has other content than when it was written"
    else:
        expected = f"{name} has {position:,} bytes, and had {len(content):,} when it was written"
        del content[position:]
    assert fault_of(path) is None
    (path / name).write_bytes(content)
    assert fault_of(path) == expected


def test_other_damage_is_named(tmp_path: Path) -> None:
    gone, marker, empty = (checkpoint(tmp_path, update).path for update in (1, 2, 3))
    (gone / "optimizer.pt").unlink()
    (marker / "complete.json").write_text('{"update": 2')
    (empty / "complete.json").write_text("[]")
    assert fault_of(gone) == "optimizer.pt is gone"
    assert fault_of(marker) == fault_of(empty) == "complete.json is damaged"


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("name", ["complete.json", "optimizer.pt"])
def test_what_is_no_file_is_damage(tmp_path: Path, name: str, kind: str) -> None:
    path = checkpoint(tmp_path, 1).path
    make_unreadable(path / name, kind)
    assert re.match(rf"{name} (is damaged|is gone|has 20,000,000,000 bytes)", str(fault_of(path)))


def test_an_older_one_takes_the_place_of_damaged_ones_and_they_are_named(tmp_path: Path) -> None:
    whole, torn, torn_too = (checkpoint(tmp_path, update) for update in (9, 10, 11))
    for each in (torn, torn_too):
        (each.path / "optimizer.pt").write_bytes(b"")
    found = resumption(tmp_path)
    assert found.checkpoint == whole
    assert [fault.partition(":")[0] for fault in found.damaged] == [str(torn_too.path), str(torn.path)]
    (whole.path / "optimizer.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"optimizer.pt has 0 bytes(.|\n)*No whole checkpoint is left"):
        resumption(tmp_path)


def test_weights_alone_are_nothing_to_go_on_from(tmp_path: Path) -> None:
    for update, score in ((1, 2.0), (2, 1.0)):
        checkpoint(tmp_path, update, score)
    prune(tmp_path, keep_best=True)
    (checkpoint_folder(tmp_path, 2) / "optimizer.pt").unlink()
    with pytest.raises(CheckpointError, match=r"optimizer\.pt is gone"):
        resumption(tmp_path)


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"model": "other"}, "another model"), ({"inputs": "other"}, "a training with other data, settings, updates")],
)
def test_a_foreign_checkpoint_is_refused(changes: dict[str, str], what: str, tmp_path: Path) -> None:
    checkpoint(tmp_path, 7)
    with pytest.raises(CheckpointError, match=f"checkpoint of update 7 is of {what}"):
        resumption(tmp_path, **changes)


def test_a_folder_of_somebodys_with_a_checkpoints_name_is_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "stage" / "checkpoint-7" / "thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    for remove in (remove_checkpoints, remove_incomplete, remove_but_weights):
        with pytest.raises(CheckpointError, match="checkpoint-7: has a checkpoint's name, and no training wrote it"):
            remove(tmp_path / "stage")
    (tmp_path / "link").symlink_to(tmp_path / "stage")
    with pytest.raises(CheckpointError, match="link: a link"):
        remove_checkpoints(tmp_path / "link")
    assert thesis.read_text() == "years of work"
