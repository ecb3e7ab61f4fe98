"""Checkpoints that survive a kill: one counts only once its marker is written, after everything else."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from switchtune.run_dir import read_json, write_json

_MARKER = "complete.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint."""

    path: Path
    update: int
    valid_nll: float | None
    """Validation loss of its weights, where it was measured."""
    inputs: str
    """Fingerprint of what the training was given; resuming with anything else would not be the same training."""


def checkpoint_folder(folder: Path, update: int) -> Path:
    """Where transformers' trainer writes the checkpoint of `update`."""
    return folder / f"checkpoint-{update}"


def mark_complete(checkpoint: Checkpoint) -> None:
    """Declare the files of a checkpoint whole; they are on the disk before the marker is."""
    for path in checkpoint.path.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
    content = {"update": checkpoint.update, "valid_nll": checkpoint.valid_nll, "inputs": checkpoint.inputs}
    write_json(checkpoint.path / _MARKER, content)


def complete_checkpoints(folder: Path) -> list[Checkpoint]:
    """The complete checkpoints in `folder`, oldest first."""
    markers = folder.glob(f"checkpoint-*/{_MARKER}")
    return sorted(
        (Checkpoint(marker.parent, **read_json(marker)) for marker in markers), key=lambda found: found.update
    )


def remove_incomplete(folder: Path) -> None:
    """Remove what a killed process had begun to write or to remove."""
    whole = {checkpoint.path for checkpoint in complete_checkpoints(folder)}
    for path in folder.glob("checkpoint-*"):
        if path not in whole:
            shutil.rmtree(path)


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints, complete or not: the training is over, and its optimizer's state takes much room."""
    for path in folder.glob("checkpoint-*"):
        shutil.rmtree(path)


def best(checkpoints: list[Checkpoint]) -> Checkpoint:
    """The one with the lowest validation loss, the earliest of equals."""
    return min(checkpoints, key=lambda found: float("inf") if found.valid_nll is None else found.valid_nll)


def prune(folder: Path, *, keep_best: bool) -> None:
    """Keep the newest complete checkpoint and, where asked, the best; remove the others."""
    checkpoints = complete_checkpoints(folder)
    kept = {checkpoints[-1].path, best(checkpoints).path} if keep_best else {checkpoints[-1].path}
    for checkpoint in checkpoints:
        if checkpoint.path not in kept:
            # Its marker goes first: a kill in the middle leaves a folder that no longer claims to be whole.
            (checkpoint.path / _MARKER).unlink()
            shutil.rmtree(checkpoint.path)
