"""What a run would find on this machine: versions, device, precision, memory, disk, extras."""

import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import psutil
from huggingface_hub import constants
from packaging.requirements import Requirement

from switchtune.config.training import TrainingSettings
from switchtune.models.hub import why_unreachable
from switchtune.runs.plan import GB, device_at_hand
from switchtune.runs.workers import available_cores
from switchtune.training.precision import compute_dtype

EXTRAS = {
    "cjk": "words of Chinese and Japanese, BLEU of Japanese and Korean",
    "sea": "words of Thai, Lao, Khmer and Burmese",
    "ct2": "CTranslate2: `export`, and translation several times as fast on a CPU",
    "vecmap": "lexicons from word vectors that are learned here",
    "hub": "data sets of the Hub (hf:…)",
    "lora": "low-rank adapters (training.lora)",
    "8bit": "optimizers with a quarter of the memory, on NVIDIA",
    "trackers": "TensorBoard (training.report_to)",
    "analysis": "t-SNE in `analyse`",
    "energy": "energy of NVIDIA GPUs",
}
"""What each extra of the package is for."""
_SHOWN = ("torch", "transformers", "accelerate", "sentencepiece", "sacrebleu")


@dataclass(frozen=True)
class Examined:
    """What was found."""

    versions: dict[str, str]
    device: str
    device_memory_gb: float
    precision: str
    """Type of number that trainings compute in by default."""
    cores: int
    memory_gb: float
    memory_free_gb: float
    disk_free_gb: dict[str, float]
    """By folder, with what is there: what is made, models that are fetched, temporary files."""
    hub: str | None
    """Why the Hub cannot be reached; None where it can be."""
    missing: dict[str, list[str]]
    """Extras of which packages are missing, with these."""
    faults: tuple[str, ...]
    """Packages that are needed, and missing or of another version than is supported."""

    def record(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        yield ", ".join(f"{name} {number}" for name, number in self.versions.items())
        yield f"device: {self.device}, {self.device_memory_gb:.1f} GB; precision auto is {self.precision}"
        yield f"{self.cores} cores, {self.memory_gb:.1f} GB of memory, {self.memory_free_gb:.1f} GB free"
        for folder, free in self.disk_free_gb.items():
            yield f"{folder}: {free:,.1f} GB free"
        yield f"Hub: {'reached' if self.hub is None else f'cannot be reached ({self.hub}); models in folders will do'}"
        for extra, packages in self.missing.items():
            yield f"not installed: {', '.join(packages)}: {EXTRAS[extra]}: pip install 'switchtune[{extra}]'"
        yield from (f"to fix: {fault}" for fault in self.faults)


def examined() -> Examined:
    device, memory = device_at_hand(), psutil.virtual_memory()
    needed = [Requirement(each) for each in requires("switchtune") or ()]
    problems = {str(each.name): problem for each in needed if (problem := _problem(each))}
    missing = {
        extra: lacking
        for extra in EXTRAS
        if (lacking := [each.name for each in needed if _is_of(each, extra) and each.name in problems])
    }
    folders = {
        "this folder": Path.cwd(),
        "models that are fetched": Path(constants.HF_HUB_CACHE),
        "temporary files": Path(tempfile.gettempdir()),
    }
    precision = compute_dtype(TrainingSettings(), None, device.kind)
    return Examined(
        versions={"switchtune": version("switchtune"), "Python": platform.python_version()}
        | {each.name: version(each.name) for each in needed if each.name in _SHOWN and each.name not in problems},
        device=device.name,
        device_memory_gb=device.memory_gb,
        precision={"torch.bfloat16": "bf16", "torch.float32": "fp32"}[str(precision)],
        cores=available_cores(),
        memory_gb=memory.total / GB,
        memory_free_gb=memory.available / GB,
        disk_free_gb={
            f"{name}, {folder}": shutil.disk_usage(_existing(folder)).free / GB for name, folder in folders.items()
        },
        hub=why_unreachable(),
        missing=missing,
        faults=tuple(problems[each.name] for each in needed if each.marker is None and each.name in problems),
    )


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _is_of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def _problem(requirement: Requirement) -> str | None:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return f"{requirement.name} is not installed"
    # A build's own mark, as in 2.13.0+cpu, is none of the version's.
    if requirement.specifier.contains(found.partition("+")[0], prereleases=True):
        return None
    return f"{requirement.name} {found} is installed, and {requirement.specifier} is supported"
