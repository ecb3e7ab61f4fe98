"""Checkpoints that survive a kill: one counts only once its marker is written, which knows every file's content."""

import errno
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import xxhash
from safetensors.torch import load_file

from switchtune.errors import SwitchtuneError
from switchtune.files import MARK, mark_folder, put_on_disk, read_json, write_json

_NAME = re.compile("checkpoint-(0|[1-9][0-9]*)")
_MARKER = "complete.json"
_BLOCK = 1 << 22


class CheckpointError(SwitchtuneError): ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Fingerprints that a checkpoint must agree with: of what decides a training's course, and of its model."""

    inputs: str
    model: str


@dataclass(frozen=True, slots=True)
class FileMark:
    size: int
    hash: str
    """XXH3 of 128 bits: it finds damage, and is no protection from forgery."""


class NoSpaceError(SwitchtuneError): ...


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that has been declared whole; see `Identity` for `inputs` and `model`."""

    path: Path
    update: int
    score: float | None
    """How good its weights are, larger is better, where that was measured."""
    inputs: str
    model: str
    processes: int = 1
    resumable: bool = True
    """Whether it has all that a training goes on from; otherwise only the weights."""
    between: bool = False
    """Whether the clock or somebody who stopped the training had it written: no choice of weights may depend on it."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a training goes on from (None: it begins anew), and what is wrong with newer checkpoints."""

    checkpoint: Checkpoint | None
    damaged: tuple[str, ...]


def checkpoint_folder(folder: Path, update: int) -> Path:
    return folder / f"checkpoint-{update}"


def mark_complete(checkpoint: Checkpoint) -> None:
    """Declare the files of a checkpoint whole; they are on the disk before the marker is."""
    names = _file_names(checkpoint.path)
    for name in names:
        put_on_disk(checkpoint.path / name)
    _mark(checkpoint, {name: _mark_of(checkpoint.path / name) for name in names})


@contextmanager
def sound_or_removed(path: Path) -> Iterator[None]:
    """Write a checkpoint in the block; what is there of it when an error comes is removed, and gives its room back.

    Raises NoSpaceError where the disk, or what its owner may have of it, is full.
    """
    path.mkdir(parents=True, exist_ok=True)
    if not (path / MARK).exists():
        mark_folder(path, "train")
    try:
        yield
    except Exception as error:
        others = complete_checkpoints(path.parent)
        folders = (path, *(other.path for other in others))
        size = max(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) for folder in folders)
        full = _is_no_space(error, wanted=size, folder=path.parent)
        shutil.rmtree(path, ignore_errors=True)
        if not full:
            raise
        free = shutil.disk_usage(path.parent).free
        left = f"The one of update {others[-1].update} is whole" if others else "There is none before it"
        raise NoSpaceError(
            f"{path}: no space left on the disk for this checkpoint, which takes {'' if others else 'more than '}"
            f"{size / 1e9:.2g} GB beside the one before it; {free / 1e9:.2g} GB are free now. {left}. "
            "Make room, and run the same command again: it continues from there."
        ) from error


def _is_no_space(error: Exception, *, wanted: int, folder: Path) -> bool:
    """Whether a write of `wanted` bytes failed for want of room. Some libraries have words of their own for it."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    # safetensors passes the system's message on; torch.save only says that its writer got stuck.
    told = any(f"(os error {number})" in str(error) for number in (errno.ENOSPC, errno.EDQUOT))
    stuck = any(word in str(error) for word in ("inline_container", "PytorchStreamWriter"))
    return told or (stuck and shutil.disk_usage(folder).free < wanted)


def complete_checkpoints(folder: Path) -> list[Checkpoint]:
    """The checkpoints in `folder` that were declared whole, oldest first."""
    return sorted((_read(path)[0] for path in _marked(folder)), key=lambda found: found.update)


def find_resumption(folder: Path, *, inputs: str, model: str) -> Resumption:
    """The newest checkpoint that a training can go on from, every byte of it verified.

    Raises CheckpointError where the newest whole one is of another training or model, or all are damaged.
    """
    damaged: list[str] = []
    for path in sorted(_marked(folder), key=lambda path: -int(path.name.rpartition("-")[2])):
        fault = fault_of(path)
        if fault is not None:
            damaged.append(f"{path}: {fault}")
            continue
        found, _ = _read(path)
        if not found.resumable:
            continue
        for known, expected, what in (
            (found.model, model, "another model"),
            (found.inputs, inputs, "a training with other data, settings, updates or seed"),
        ):
            if known != expected:
                raise CheckpointError(
                    f"{folder}: the checkpoint of update {found.update} is of {what}. "
                    "Remove the folder to start anew, or give another."
                )
        return Resumption(found, tuple(damaged))
    if damaged:
        raise CheckpointError(
            "\n".join(damaged) + f"\nNo whole checkpoint is left in {folder}. Remove the folder to start anew."
        )
    return Resumption(None, ())


def fault_of(path: Path) -> str | None:
    try:
        _, files = _read(path)
    except (SwitchtuneError, TypeError, KeyError, AttributeError):
        return f"{_MARKER} is damaged"
    for name, mark in files.items():
        file = path / name
        if not file.is_file():
            return f"{name} is gone"
        size = file.stat().st_size
        if size != mark.size:
            return f"{name} has {size:,} bytes, and had {mark.size:,} when it was written"
        if _mark_of(file) != mark:
            return f"{name} has other content than when it was written"
    return None


def remove_incomplete(folder: Path) -> None:
    """Remove what a killed process had begun to write or to remove."""
    for path in set(_folders(folder)).difference(_marked(folder)):
        shutil.rmtree(path)


def remove_checkpoints(folder: Path) -> None:
    """Remove all checkpoints, complete or not: the training is over, and its optimizer's state takes much room."""
    for path in _folders(folder):
        shutil.rmtree(path)


def remove_after(folder: Path, update: int) -> None:
    for path in _marked(folder):
        if int(path.name.rpartition("-")[2]) > update:
            _remove(path)


def best(checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """The one with the highest score; of equals the earliest after the beginning."""
    return max(checkpoints, key=lambda found: (float("-inf") if found.score is None else found.score, found.update > 0))


def remove_but_weights(folder: Path) -> None:
    """Leave the weights of the whole checkpoints alone: the training is over, and nothing goes on from them."""
    remove_incomplete(folder)
    for checkpoint in complete_checkpoints(folder):
        if checkpoint.resumable:
            _reduce_to_weights(checkpoint)


def prune(folder: Path, *, keep_best: bool, keep_newest: int | None = 1) -> None:
    """Keep the newest whole checkpoint and, where asked, weights: of the best and of the newest so many (None: of all).

    Older ones that stand between the regular ones are not kept, and do not count.
    """
    checkpoints = complete_checkpoints(folder)
    counted = [*(each for each in checkpoints[:-1] if not each.between), *checkpoints[-1:]]
    kept = {checkpoint.path for checkpoint in counted[-(keep_newest or len(counted)) :]}
    if keep_best:
        kept.add(best(counted).path)
    for checkpoint in checkpoints[:-1]:
        if checkpoint.path not in kept:
            _remove(checkpoint.path)
        elif checkpoint.resumable:
            _reduce_to_weights(checkpoint)


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, by name, on the CPU. Weights that the model shares stand there once."""
    weights: dict[str, torch.Tensor] = {}
    for file in sorted(path.glob("*.safetensors")):
        weights.update(load_file(file))
    return weights


def mean_weights(paths: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of the weights of several checkpoints, summed in float64 and rounded once to the weights' own type."""
    sums: dict[str, torch.Tensor] = {}
    types: dict[str, torch.dtype] = {}
    for path in paths:
        for name, weights in weights_of(path).items():
            types[name] = weights.dtype
            sums[name] = sums[name].add_(weights) if name in sums else weights.double()
    return {name: (total / len(paths)).to(types[name]) for name, total in sums.items()}


def _folders(folder: Path) -> list[Path]:
    """The folders of checkpoints; raises CheckpointError for what has such a name and no training made."""
    if folder.is_symlink():
        raise CheckpointError(f"{folder}: a link, where the folder of a training is expected. Move it away.")
    found = [path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    for path in found:
        if path.is_symlink() or not path.is_dir():
            raise CheckpointError(
                f"{path}: a {'link' if path.is_symlink() else 'file'}, where the folder of a checkpoint is expected. "
                "Move it away, or give it another name."
            )
        if not (path / MARK).exists() and not (path / _MARKER).exists() and any(path.iterdir()):
            raise CheckpointError(
                f"{path}: has a checkpoint's name, and no training wrote it. Move it away, or give it another name."
            )
    return found


def _marked(folder: Path) -> list[Path]:
    return [path for path in _folders(folder) if (path / _MARKER).exists()]


def _read(path: Path) -> tuple[Checkpoint, dict[str, FileMark]]:
    content = read_json(path / _MARKER)
    files = {name: FileMark(**mark) for name, mark in content.pop("files").items()}
    return Checkpoint(path, **content), files


def _mark(checkpoint: Checkpoint, files: dict[str, FileMark]) -> None:
    content = {name: value for name, value in asdict(checkpoint).items() if name != "path"}
    write_json(checkpoint.path / _MARKER, {**content, "files": {name: asdict(mark) for name, mark in files.items()}})


def _file_names(path: Path) -> list[str]:
    files = (file for file in path.rglob("*") if file.is_file() and file.name != _MARKER)
    return sorted(file.relative_to(path).as_posix() for file in files)


def _mark_of(file: Path) -> FileMark:
    digest = xxhash.xxh3_128()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return FileMark(file.stat().st_size, digest.hexdigest())


def _remove(path: Path) -> None:
    # Its marker goes first: a kill in the middle leaves a folder that no longer claims to be whole.
    (path / _MARKER).unlink()
    shutil.rmtree(path)


def _reduce_to_weights(checkpoint: Checkpoint) -> None:
    _, files = _read(checkpoint.path)
    weights = {name: mark for name, mark in files.items() if Path(name).suffix == ".safetensors"}
    # The marker goes first here too: what is still there after a kill is more than it promises.
    content = asdict(checkpoint) | {"resumable": False}
    _mark(Checkpoint(**content), weights)
    # Only what is in the folder: a name in an edited marker may lead out of it.
    for name in files.keys() & set(_file_names(checkpoint.path)) - weights.keys():
        (checkpoint.path / name).unlink()
