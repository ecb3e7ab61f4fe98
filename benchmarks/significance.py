"""How often do differences that are none pass for real, by the choice of sentences and by training seeds?

    python benchmarks/significance.py ../shared/data/translation/de-en/test.en.xz

Outputs are the references with a quarter of the words replaced and a twelfth lost, differently in every file. Of two
files whose lines coins share out between the systems, neither is better: p < 0.05 should come in one case of twenty.

`sentences`: the share of p < 0.05 by the size of the test set, one run of each system. `seeds`: the same on 200
sentences with several runs of each, where what a training adds to the score of all of its outputs has 0 to 1.5 times
the variance that the bootstrap finds. Either all runs write the same sentences (`alike`), or each its own (`own`).
`before` is sacrebleu's formula over sentences alone, `sentences` a two-sided p over sentences alone, `now` what
`compare_scores` gives.
"""

import argparse
import lzma
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import RESULTS, machine

from switchtune.files import write_json
from switchtune.scoring.metrics import Score, bleu, corpus_values
from switchtune.scoring.significance import TESTS, compare_scores

FILES = 12
Statistics = NDArray[np.int64]
"""Of the sentences of a file: [sentences, 10]."""


def outputs(references: Sequence[str], seed: int) -> list[str]:
    """The references with a quarter of the words replaced and a twelfth lost."""
    rng = random.Random(seed)
    words = [word for line in references for word in line.split()]
    return [
        " ".join(rng.choice(words) if rng.random() < 0.25 else word for word in line.split() if rng.random() > 1 / 12)
        for line in references
    ]


def score(statistics: Statistics) -> Score:
    value = float(corpus_values("BLEU", statistics.sum(axis=0).astype(np.float64)))
    return Score("BLEU", value, "nrefs:1|tok:13a", statistics, len(statistics))


def null_pairs(
    files: Statistics, size: int, cases: int, runs: int, *, own: bool = False
) -> Iterator[list[tuple[Score, Score]]]:
    """For each case the runs of two systems that differ by chance alone, with `own` outputs or all with the same."""
    rng = np.random.default_rng(size)
    for _ in range(cases):
        rows = rng.choice(files.shape[1], size, replace=False)
        coins = rng.integers(2, size=size)  # the same for all runs: what makes a sentence easy is common to them
        pairs = [(2 * run, 2 * run + 1) if own else (0, 1) for run in range(runs)]
        yield [(score(files[np.where(coins, b, a), rows]), score(files[np.where(coins, a, b), rows])) for a, b in pairs]


def of_sentences(files: Statistics, cases: int) -> list[dict[str, Any]]:
    found = []
    for size in (5, 10, 16, 30, 50, 100, 300):
        passed = dict.fromkeys(TESTS, 0)
        for number, ((a, b),) in enumerate(null_pairs(files, size, cases, 1)):
            for test in TESTS:
                passed[test] += compare_scores([a], [b], test=test, resamples=500, seed=number).p_value < 0.05
        found.append({"sentences": size, **{test: count / cases for test, count in passed.items()}})
        print(found[-1], flush=True)
    return found


def of_seeds(files: Statistics, cases: int) -> list[dict[str, Any]]:
    found = []
    for own in (False, True):
        for runs in (1, 2, 3, 5):
            for ratio in (0.0, 0.5, 1.0, 1.5):
                drawn = enumerate(null_pairs(files, 200, cases, runs, own=own))
                passed = np.mean([seeds_case(pairs, ratio, case) for case, pairs in drawn], axis=0)
                settings = {"outputs": "own" if own else "alike", "runs": runs, "seeds_variance": ratio}
                found.append({**settings, **dict(zip(("before", "sentences", "now"), passed.tolist(), strict=True))})
                print(found[-1], flush=True)
    return found


def seeds_case(pairs: Sequence[tuple[Score, Score]], ratio: float, case: int) -> list[bool]:
    """Whether p < 0.05 by sacrebleu's formula over sentences, two-sided over sentences, and over both."""
    rng = np.random.default_rng(case)
    alone = compare_scores(*([each] for each in pairs[0]), resamples=100, seed=case)
    deviation = (alone.interval[1] - alone.difference) / 1.96  # of the bootstrap
    runs_a = [a for a, _ in pairs]
    runs_b = [replace(b, value=b.value + ratio**0.5 * deviation * rng.normal()) for _, b in pairs]
    # Over sentences alone: the mean of the runs as if it were one run.
    one_a, one_b = (
        replace(runs[0], value=mean(each.value for each in runs), segments=sum_of(runs)) for runs in (runs_a, runs_b)
    )
    p_values = [
        compare_scores([one_a], [one_b], test="sacrebleu", resamples=500, seed=case).p_value,
        compare_scores([one_a], [one_b], resamples=500, seed=case).p_value,
        compare_scores(runs_a, runs_b, resamples=500, seed=case).p_value,
    ]
    return [p_value < 0.05 for p_value in p_values]


def sum_of(runs: Sequence[Score]) -> Statistics:
    """Statistics of all runs' outputs together, whose BLEU is close to the mean of theirs."""
    return np.asarray(sum(each.segments for each in runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("references", type=Path, help="text, .xz or not, of 400 sentences or more")
    parser.add_argument("--cases", type=int, default=500)
    arguments = parser.parse_args()
    opened = lzma.open if arguments.references.suffix == ".xz" else open
    with opened(arguments.references, "rt", encoding="utf-8") as stream:
        references = stream.read().splitlines()
    files = np.stack([bleu(outputs(references, seed), references, "en").segments for seed in range(FILES)])
    record = {
        "references": "/".join(arguments.references.parts[-2:]),
        "cases": arguments.cases,
        "sentences": of_sentences(files, arguments.cases),
        "seeds": of_seeds(files, arguments.cases),
        "machine": machine("switchtune", "sacrebleu", "numpy", "scipy"),
    }
    write_json(RESULTS / "significance.json", record)


if __name__ == "__main__":
    main()
