"""Why there is nothing to compare: outputs that are empty, alike, repetitive, off-language, or translate nothing."""

from collections.abc import Sequence
from statistics import mean

from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import Score, ScoringError
from switchtune.scoring.outputs import examine
from switchtune.scoring.significance import METRICS

MOST_FAULTY = 0.5
"""Share of outputs with a fault, beyond the share of references that have it, from which a system counts as faulty."""
LEAST_DIFFERENT = 0.1
"""Different outputs for each different reference, below which a system says the same whatever it reads."""
NOTHING_TRANSLATED = 2.0
"""BLEU below which outputs have next to nothing of the references: differences between such scores are noise."""


def faults(outputs: Sequence[str], references: Sequence[str], language: str) -> list[str]:
    """What is wrong with most of a system's outputs, in words; empty where nothing is.

    Raises:
        ScoringError: unequal counts, or no outputs.
    """
    found = examine(outputs, references, language)
    if found.empty - found.empty_references >= MOST_FAULTY * found.n:
        return [f"{found.empty:,} of {found.n:,} outputs are empty"]
    said = []
    different, expected = len(set(outputs)), len(set(references))
    if different < LEAST_DIFFERENT * expected:
        said.append(f"the outputs are {different:,} different sentences, the references {expected:,}")
    if found.repeating - found.repeating_references >= MOST_FAULTY:
        said.append(f"{found.repeating:.0%} of the outputs repeat themselves")
    share = in_language(outputs, language, references)
    if share.references is not None and share.references - share.value >= MOST_FAULTY:
        said.append(f"{share.value:.0%} of the outputs are in the target language (references: {share.references:.0%})")
    return said


def system_faults(
    scores: Sequence[Score],
    runs: Sequence[Sequence[str]],
    references: Sequence[str],
    language: str,
    sources: Sequence[str] | None = None,
) -> list[str]:
    """What is wrong with a system's outputs, all its runs (seeds) together, or with the mean of their scores.

    Args:
        scores: by one metric, one a run.
        sources: scored as if they were outputs: no better than that is nothing translated.

    Raises:
        ScoringError: unequal counts.
    """
    if sources is not None and len(sources) != len(references):
        raise ScoringError(
            f"{len(sources):,} source sentences but {len(references):,} references: line by line, they belong together."
        )
    if said := faults([line for run in runs for line in run], list(references) * len(runs), language):
        return said
    metric, value = scores[0].metric, mean(score.value for score in scores)
    if metric in ("BLEU", "spBLEU") and value < NOTHING_TRANSLATED:
        return [f"{metric} {value:.1f} is next to nothing"]
    if sources is None or metric not in METRICS:
        return []
    copied = METRICS[metric](sources, references, language).value
    return [f"{metric} {value:.1f} is no better than copying the source ({copied:.1f})"] if value <= copied else []
