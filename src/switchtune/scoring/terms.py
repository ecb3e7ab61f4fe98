"""Are the terms of a glossary in the outputs? Exact-match accuracy of the WMT terminology task, and that of any form.

Source: Alam et al., On the Evaluation of Machine Translation for Terminology Consistency (2021).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from switchtune.lexicon.glossary import Glossary
from switchtune.scoring.metrics import Score, ScoringError, check_counts
from switchtune.switching.terms import GlossaryTerms

TERM_METRICS = ("term-exact", "term-forms")
"""The share of terms that stand in the outputs as the glossary has them, but for case; and in any form."""


def term_accuracy(
    hypotheses: Sequence[str], sources: Sequence[str], glossary: Glossary, references: Sequence[str] | None = None
) -> tuple[Score, Score]:
    """How many of the terms in the sources have their translation in the outputs, from 0 to 100, by `TERM_METRICS`.

    Terms are found as `translate --glossary` finds them. One that stands several times in a source counts as often, and
    is right as often as its translation stands in the output. `Score.references` are the figures of the references, who
    may have chosen another word.

    `segments` hold 2 columns: terms that are right, terms in the source.

    Raises:
        ScoringError: unequal counts, nothing to score, or no term in any source.
    """
    check_counts(hypotheses, sources)
    terms = GlossaryTerms(glossary)
    wanted = [Counter(each.term for each in terms.put_in(source)[1]) for source in sources]
    in_all = sum(map(Counter.total, wanted))
    if not in_all:
        raise ScoringError(
            f"{glossary.origin}: none of its {len(glossary):,} terms from {' to '.join(glossary.languages)} is in the "
            "source. Is the glossary the right way round, and for this text?"
        )
    found = _right(terms, wanted, hypotheses)
    beside = None if references is None else _right(terms, wanted, references)
    signature = f"terms:{in_all}|sentences with terms:{sum(map(bool, wanted))}|glossary:{len(glossary)}"
    totals = np.array([counts.total() for counts in wanted], dtype=np.int64)
    exact, forms = (
        Score(
            metric,
            100 * float(found[:, column].sum()) / in_all,
            signature,
            np.stack((found[:, column], totals), axis=1),
            len(hypotheses),
            None if beside is None else 100 * float(beside[:, column].sum()) / in_all,
        )
        for column, metric in enumerate(TERM_METRICS)
    )
    return exact, forms


def _right(terms: GlossaryTerms, wanted: Sequence[Counter[int]], outputs: Sequence[str]) -> NDArray[np.int64]:
    """Of each output, how many of the terms wanted it has: exactly, and in any form. [outputs, 2]"""
    finder, counts = terms.target_finder, np.zeros((len(outputs), 2), dtype=np.int64)
    for row, (numbers, output) in enumerate(zip(wanted, outputs, strict=True)):
        words = finder.segmenter.split(output) if numbers else None
        for number, times in numbers.items():
            assert words is not None
            counts[row] += [min(times, each) for each in finder.count(words, number)]
    return counts
