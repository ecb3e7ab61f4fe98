"""Which checkpoints count, and which are kept."""

from pathlib import Path

import pytest

from switchtune.training.checkpoints import (
    Checkpoint,
    best,
    checkpoint_folder,
    complete_checkpoints,
    mark_complete,
    prune,
    remove_incomplete,
)


def checkpoint(folder: Path, update: int, valid_nll: float | None = None) -> Checkpoint:
    path = checkpoint_folder(folder, update)
    path.mkdir(parents=True)
    (path / "weights").write_text("1")
    made = Checkpoint(path, update, valid_nll, "inputs")
    mark_complete(made)
    return made


def test_complete_checkpoints_come_back_as_they_were_oldest_first(tmp_path: Path) -> None:
    made = [checkpoint(tmp_path, update, valid_nll) for update, valid_nll in ((9, 1.5), (10, None), (100, 0.25))]
    checkpoint_folder(tmp_path, 50).mkdir()
    assert complete_checkpoints(tmp_path) == made
    assert complete_checkpoints(tmp_path / "nowhere") == []


def test_what_is_not_complete_is_removed(tmp_path: Path) -> None:
    whole = checkpoint(tmp_path, 4)
    checkpoint_folder(tmp_path, 8).mkdir()
    remove_incomplete(tmp_path)
    assert list(tmp_path.iterdir()) == [whole.path]


@pytest.mark.parametrize(("keep_best", "kept"), [(False, [30]), (True, [20, 30])])
def test_the_newest_is_kept_and_on_request_the_best(keep_best: bool, kept: list[int], tmp_path: Path) -> None:
    for update, valid_nll in ((10, 2.0), (20, 1.0), (30, 3.0)):
        checkpoint(tmp_path, update, valid_nll)
    prune(tmp_path, keep_best=keep_best)
    assert [found.update for found in complete_checkpoints(tmp_path)] == kept
    assert len(list(tmp_path.iterdir())) == len(kept)


def test_the_best_is_the_earliest_of_equals(tmp_path: Path) -> None:
    made = [checkpoint(tmp_path, update, nll) for update, nll in ((1, None), (2, 1.0), (3, 1.0), (4, 2.0))]
    assert best(made).update == 2
