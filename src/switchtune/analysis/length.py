"""How well sentences are translated by how long they are."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from switchtune.config.run import PairSettings
from switchtune.runs.folder import Run
from switchtune.runs.tasks import TASKS
from switchtune.scoring.metrics import corpus_values
from switchtune.scoring.outputs import units_of
from switchtune.scoring.significance import METRICS

_PARTS = 4


def length_bounds(lengths: Sequence[int], parts: int = _PARTS) -> tuple[int, ...]:
    """Where the second part of a test set begins, and so on: parts with as many sentences, as far as lengths allow."""
    bounds = np.quantile(lengths, [part / parts for part in range(1, parts)], method="higher")
    return tuple(sorted({int(bound) for bound in bounds if bound > min(lengths)}))


def length_record(run: Run) -> dict[str, Any]:
    """Scores of the test set's parts, by the length of the references, for every arm and seed: `length.json`.

    The metric is the last of the task's (chrF++, ROUGE-L), of whole parts.
    """
    metric = TASKS[run.config.task].metrics[-1]

    def of_pair(pair: PairSettings) -> tuple[dict[str, Any], list[str]]:
        references = run.corpora(pair)[2].targets()
        units = units_of(pair.target, references)
        lengths = np.array([len(units.cut(text)) for text in references])
        edges = (0, *length_bounds(lengths.tolist()))
        parts = [np.digitize(lengths, edges) == number for number in range(1, len(edges) + 1)]

        def measured(hypotheses: Sequence[str]) -> dict[str, Any]:
            segments = METRICS[metric](hypotheses, references, pair.target).segments
            return {"score": [float(corpus_values(metric, segments[part].sum(axis=0).astype(float))) for part in parts]}

        systems, missing = run.over_translations(pair, measured)
        found = {
            "baseline": run.config.baseline,
            "metric": metric,
            "unit": units.name,
            "sentences": [int(part.sum()) for part in parts],
            "buckets": [{"from": low, "to": high} for low, high in pairwise((*edges, None))],
        }
        return {**found, "systems": systems}, missing

    return run.over_pairs(of_pair)
