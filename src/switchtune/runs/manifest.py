"""What a run was made of: versions, machine, files, data, models, lexicons, seeds; what of it is otherwise today."""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from switchtune.config.inference import NliConfig
from switchtune.config.run import RunConfig
from switchtune.corpus.lines import existing
from switchtune.errors import SwitchtuneError
from switchtune.files import fingerprint, hash_file
from switchtune.lexicon.files import hash_with_edits
from switchtune.models.licence import licence_of
from switchtune.models.load import model_fingerprint
from switchtune.run_dir import files_of, write_sealed
from switchtune.runs.arms import Trial
from switchtune.runs.given import given_file
from switchtune.runs.paths import MANIFEST, lexicon_folder
from switchtune.runs.trial import Data
from switchtune.runs.workers import available_cores
from switchtune.training.distributed import gpu_name, training_device
from switchtune.training.precision import compute_dtype

_PACKAGES = ("switchtune", "torch", "transformers", "accelerate", "tokenizers", "sacrebleu", "gensim", "numpy")

Repeatable: TypeAlias = Literal["exactly", "up to chance"]


def write_manifest(
    folder: Path, config: RunConfig | NliConfig, trials: Sequence[Trial], data: Mapping[str, Data[Any]]
) -> None:
    """Versions, hashes of files, data, models and lexicons, licences (null: not known), seeds, the machine."""
    sets = {name: {"train": each.train, "valid": each.valid, **each.tests} for name, each in data.items()}
    record = {
        **surroundings(config),
        "files": _files(config.inputs),
        "models": {trial.arm.model: model_fingerprint(trial.arm.model) for trial in trials},
        "licences": {
            model: asdict(licence) if (licence := licence_of(model)) else None
            for model in sorted({trial.arm.model for trial in trials})
        },
        "start": {trial.model: model_fingerprint(trial.model) for trial in trials},
        "corpora": {
            name: {
                part: {"origin": each.origin, "pairs": len(each), "fingerprint": each.fingerprint()}
                for part, each in parts.items()
            }
            for name, parts in sets.items()
        },
        "monolingual": {
            f"{name}.{language}": {
                "origin": text.origin,
                "sentences": len(text.sentences),
                "fingerprint": fingerprint(text.sentences),
            }
            for name, each in data.items()
            for language, text in each.monolingual.items()
        },
        "lexicons": {
            str(path): hash_with_edits(path) for path in sorted({p for trial in trials for p in trial.lexicons})
        },
        "choices": {
            f"{trial.group}/{trial.arm.name}".lstrip("/"): asdict(trial.arm.choice)
            for trial in trials
            if trial.arm.choice is not None
        },
        "outputs": {
            f"{trial.name}/{name}": {"file": file, "hash": hash_file(existing(Path(file)))}
            for trial in trials
            for name in trial.arm.outputs
            if trial.group in ("", name)
            for file in [given_file(trial, name, config.seeds)]
        },
        "seeds": list(dict.fromkeys(trial.seed for trial in trials)),
    }
    write_sealed(folder / MANIFEST, record)


def surroundings(config: RunConfig | NliConfig) -> dict[str, Any]:
    """What a run is computed by here and now: versions, machine, numbers, and whether the same comes out again.

    On a CPU it does, exactly, with the same versions on the same machine with as many threads; a GPU adds numbers up
    in an order that nobody sets.
    """
    device = training_device()
    repeatable: Repeatable = "exactly" if device.type == "cpu" else "up to chance"
    return {
        "versions": _versions() | {"python": platform.python_version()},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": available_cores(),
            "threads": torch.get_num_threads(),
            "gpu": gpu_name(),
        },
        "precision": {
            arm.name: str(compute_dtype(arm.training, None, device)).removeprefix("torch.")
            for arm in config.arms
            if not arm.outputs
        },
        "repeatable": repeatable,
    }


def _versions() -> dict[str, str]:
    """Of the packages that results may depend on, as far as they are installed."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _files(inputs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Size and hash of each file that is read; folders, data sets of the Hub and embedded text are none."""
    here = Path(os.path.realpath(Path.cwd()))
    found = sorted({path for name in inputs for path in files_of(name) if path.is_file()})
    return {
        str(path.relative_to(here) if path.is_relative_to(here) else path): {
            "bytes": path.stat().st_size,
            "hash": hash_file(path),
        }
        for path in found
    }


@dataclass(frozen=True)
class Difference:
    """Something that a run was made of, and that is otherwise today."""

    what: str
    then: str
    now: str
    """Empty where it is not to be had."""
    is_input: bool = False
    """Whether it is read: a file or the model."""

    def describe(self) -> str:
        return f"{self.what}: {self.then}, now {self.now or 'missing'}"


def differences(manifest: Mapping[str, Any], config: RunConfig | NliConfig, folder: Path) -> list[Difference]:
    """What of the manifest of the run in a folder is otherwise today.

    What an earlier version has not noted down counts as the same, and so does a lexicon that is no longer there: it is
    built again.
    """
    now = surroundings(config)
    around = [
        Difference(f"{before}{part}", str(then or "none"), str(now[kind].get(part) or "none"))
        for kind, before in (("versions", ""), ("machine", ""), ("precision", "precision of "))
        for part, then in manifest.get(kind, {}).items()
        if then != now[kind].get(part)
    ]
    changed = [*_changed_files(manifest), *_changed_models(manifest), *_changed_lexicons(manifest, folder)]
    return [*around, *changed]


def _changed_files(manifest: Mapping[str, Any]) -> Iterator[Difference]:
    for name, then in manifest.get("files", {}).items():
        path, told = Path(name), f"{then['bytes']:,} bytes ({then['hash']})"
        if not path.is_file():
            yield Difference(name, told, "", is_input=True)
        elif (hashed := hash_file(path)) != then["hash"]:
            yield Difference(name, told, f"{path.stat().st_size:,} bytes ({hashed})", is_input=True)


def _changed_models(manifest: Mapping[str, Any]) -> Iterator[Difference]:
    for name, then in manifest.get("models", {}).items():
        try:
            now = model_fingerprint(name)
        except SwitchtuneError:
            now = ""
        if now != then:
            yield Difference(f"model {name}", then, now, is_input=True)


def _changed_lexicons(manifest: Mapping[str, Any], folder: Path) -> Iterator[Difference]:
    for name, then in manifest.get("lexicons", {}).items():
        pair, made, file = Path(name).parts[-3:]
        path = lexicon_folder(folder, pair, made) / file
        if path.is_file() and (now := hash_with_edits(path)) != then:
            yield Difference(f"{path}, with its edits by hand", then, now)
