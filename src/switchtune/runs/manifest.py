"""What a run was made of."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch

from switchtune.lexicon.files import hash_with_edits
from switchtune.models.load import model_fingerprint
from switchtune.runs.arms import Trial
from switchtune.runs.trial import Data
from switchtune.runs.workers import available_cores

_PACKAGES = ("switchtune", "torch", "transformers", "accelerate", "tokenizers", "sacrebleu", "gensim", "numpy")


def manifest(data: Mapping[str, Data[Any]], trials: Sequence[Trial]) -> dict[str, Any]:
    """Versions, hashes of data, models and lexicons, seeds, the machine.

    Args:
        data: by pair.
    """
    sets = {name: {"train": each.train, "valid": each.valid, **each.tests} for name, each in data.items()}
    return {
        "versions": {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": available_cores(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "models": _fingerprints(trial.arm.model for trial in trials),
        "start": _fingerprints(trial.model for trial in trials),
        "corpora": {
            name: {
                part: {"origin": each.origin, "pairs": len(each), "fingerprint": each.fingerprint()}
                for part, each in parts.items()
            }
            for name, parts in sets.items()
        },
        "lexicons": {
            str(path): hash_with_edits(path) for path in sorted({p for trial in trials for p in trial.lexicons})
        },
        "seeds": list(dict.fromkeys(trial.seed for trial in trials)),
    }


def _fingerprints(models: Iterable[str]) -> dict[str, str]:
    return {model: model_fingerprint(model) for model in dict.fromkeys(models)}
