"""COMET (Rei et al., 2020), computed by its own program in its own environment: it needs an older transformers."""

import math
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from switchtune.files import read_json
from switchtune.scoring.metrics import Score, ScoringError, check_counts

COMET_VERSION = "2.2.7"
DEFAULT_MODEL = "Unbabel/wmt22-comet-da"
_PACKAGE = "unbabel_comet"


class CometError(ScoringError):
    """COMET cannot be computed; the message says how to set it up, or what its program said."""


def set_up_command(environment: Path) -> str:
    """The shell command that makes an environment for COMET, with a Python (3.9 to 3.12) that its numpy 1 runs on."""
    return f"python3.11 -m venv {environment} && {environment}/bin/pip install unbabel-comet=={COMET_VERSION}"


def comet_program(environment: Path) -> Path:
    """The program that scores; a CometError where it is not in this environment."""
    program = environment / "bin" / "comet-score"
    if not program.is_file():
        raise CometError(
            f"{program}: no such program. COMET needs an environment of its own, for it does not work with this one's "
            f"transformers. Set it up, once, with\n\n    {set_up_command(environment)}\n"
        )
    return program


def comet(
    systems: Sequence[Sequence[str]],
    sources: Sequence[str],
    references: Sequence[str],
    *,
    environment: Path,
    model: str = DEFAULT_MODEL,
) -> list[Score]:
    """COMET of several systems' translations of the same sentences; the model is loaded once for all.

    Runs `comet-score` of the environment: on its first graphics card where there is one. The model is downloaded the
    first time.

    Args:
        environment: folder of a virtual environment in which unbabel-comet is installed (`set_up_command`).
        model: a COMET model of the Hub that takes references, or the path of a checkpoint.

    Returns:
        The means of the sentences' values on the model's own scale. `segments` hold 2 columns: a value, and 1.

    Raises:
        CometError: the program is missing, fails, or does not give one value a sentence.
        ScoringError: unequal counts, or nothing to score.
    """
    program = comet_program(environment)
    if len(sources) != len(references):
        raise ScoringError(
            f"{len(sources):,} source sentences but {len(references):,} references: COMET compares each translation "
            "with its source, in the same order."
        )
    for system in systems:
        check_counts(system, references)
    with tempfile.TemporaryDirectory(prefix="comet-") as name:
        folder = Path(name)
        texts = {"source": sources, "reference": references}
        texts |= {f"system{number}": system for number, system in enumerate(systems)}
        for stem, lines in texts.items():
            # The program reads a sentence a line: what Python takes for the end of one must not stand inside it.
            text = "".join(f"{' '.join(line.splitlines())}\n" for line in lines)
            (folder / stem).write_text(text, encoding="utf-8", newline="\n")
        translations = [str(folder / f"system{number}") for number in range(len(systems))]
        found = folder / "scores.json"
        command = [str(program), "--sources", str(folder / "source"), "--translations", *translations]
        command += ["--references", str(folder / "reference"), "--model", model, "--to_json", str(found), "--quiet"]
        command += ["--only_system"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            raise CometError(f"{program}: cannot be run ({error.strerror}). Set the environment up again.") from error
        if done.returncode or not found.is_file():
            said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:]) or "nothing"
            raise CometError(f"{program} --model {model} ended with code {done.returncode}. It said:\n{said}")
        records = read_json(found, remedy=f"This was written for unbabel-comet {COMET_VERSION}.")
    left = sorted(environment.glob(f"lib/python*/site-packages/{_PACKAGE}-*.dist-info"))
    version = left[-1].name.removeprefix(f"{_PACKAGE}-").removesuffix(".dist-info") if left else "unknown"
    signature = f"nrefs:1|model:{model}|unbabel-comet:{version}"
    scores = records if isinstance(records, dict) else {}
    return [_score(scores.get(path), len(references), program, signature) for path in translations]


def _score(records: object, count: int, program: Path, signature: str) -> Score:
    rows = records if isinstance(records, list) else []
    values: list[Any] = [row.get("COMET") for row in rows if isinstance(row, dict)]
    if len(values) != count or not all(isinstance(value, float) and math.isfinite(value) for value in values):
        raise CometError(
            f"{program} did not give one finite value for each of {count:,} sentences but {len(values):,} values. "
            f"This was written for unbabel-comet {COMET_VERSION}: is it another version?"
        )
    segments = np.stack([np.array(values), np.ones(count)], axis=1)
    return Score("COMET", float(np.mean(values)), signature, segments, count)
