"""What a run was made of."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch

from switchtune.config.run import RunConfig
from switchtune.corpus.read import Corpus
from switchtune.files import hash_file
from switchtune.models.load import model_fingerprint
from switchtune.runs.trial import Trial
from switchtune.runs.workers import (
    available_cores,
)


def manifest(
    config: RunConfig, corpora: Mapping[str, tuple[Corpus, Corpus, Corpus]], trials: Sequence[Trial]
) -> dict[str, Any]:
    """What a run was made of: versions, hashes of data, model and lexicons, seeds, the machine."""
    lexicons = sorted({path for trial in trials for path in trial.lexicons or ()})
    return {
        **surroundings(),
        "model": {"name": config.model.name, "fingerprint": model_fingerprint(config.model.name)},
        "start": {"name": trials[0].model, "fingerprint": model_fingerprint(trials[0].model)},
        "corpora": {
            name: {
                part: {"origin": corpus.origin, "pairs": len(corpus), "fingerprint": corpus.fingerprint()}
                for part, corpus in zip(("train", "valid", "test"), parts, strict=True)
            }
            for name, parts in corpora.items()
        },
        "lexicons": {str(path): hash_file(path) for path in lexicons},
        "seeds": list(config.seeds),
    }


def surroundings() -> dict[str, Any]:
    """Versions of packages, and the machine."""
    packages = ("switchtune", "torch", "transformers", "accelerate", "tokenizers", "sacrebleu", "gensim", "numpy")
    return {
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "machine": {"processor": platform.processor() or platform.machine(), "cores": available_cores(), "gpu": _gpu()},
    }


def _gpu() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
