"""How well words are translated by how often they stand in the training text: compare-mt's F-measure (Neubig, 2019)."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from switchtune.corpus.words import SegmenterError, divided_by, word_segmenter
from switchtune.languages import find_language
from switchtune.scoring.metrics import Score, ScoringError, check_counts

FREQUENCIES = (100, 1000)
"""The paper's frequencies that part rare words from less rare ones, and these from frequent ones."""

ToWords: TypeAlias = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Bucket:
    """The words of a range of training frequencies."""

    low: int
    high: int | None  # where the next bucket begins; None for the last
    score: Score  # F-measure, 0 to 100; `segments` hold 3 columns: matching, output's and reference's words
    precision: float  # share of the output's words that stand in the reference, 0 to 1
    recall: float  # share of the reference's words that stand in the output, 0 to 1
    output_words: int
    reference_words: int


def range_name(low: int, high: int | None) -> str:
    """A range of frequencies: fewer than 100, 100 to 999, 1,000 and more."""
    if high is None:
        return f"{low:,} and more"
    if low == 0:
        return f"fewer than {high:,}"
    return f"{low:,} to {high - 1:,}" if low < high - 1 else f"{low:,}"


def words_of(language: str) -> ToWords:
    """What divides detokenised text into words, without punctuation; a SegmenterError where nothing here can."""
    spoken = find_language(language)
    if divided_by(spoken.code) == "clusters":
        raise SegmenterError(
            f"{spoken.name} ({spoken.code}) is written without spaces, and no segmenter is at hand: its words cannot "
            "be told. Thai, Lao, Khmer and Burmese have one in the extra: pip install 'switchtune[sea]'."
        )
    segmenter = word_segmenter(spoken.code)
    return lambda text: segmenter.split(text).words


def count_words(lines: Iterable[str], words: ToWords = str.split) -> Counter[str]:
    """How often each word stands in a text."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(words(line))
    return counts


def word_accuracy(
    hypotheses: Sequence[str],
    references: Sequence[str],
    training_counts: Mapping[str, int],
    *,
    buckets: Sequence[int] = FREQUENCIES,
    words: ToWords = str.split,
) -> tuple[Bucket, ...]:
    """The F-measure of words in buckets of their training frequency, the rarest first.

    A word of an output matches if it stands in the same sentence's reference, as often as it stands there. Words differ
    by case. On tokenised text and with the default `words`, the figures are those of compare-mt
    (`--compare_word_accuracies bucket_type=freq,bucket_cutoffs=100:1000,freq_corpus_file=TRAIN`).

    Args:
        training_counts: how often each word stands in the training text's target side; a word that is not there: 0.
        buckets: the frequencies at which the second bucket begins, the third, and so on.
        words: divides a line into words: at spaces, or `words_of` a language for text that is not tokenised.

    Raises:
        ScoringError: unequal counts, nothing to score, or frequencies that do not rise from 1 or more.
    """
    check_counts(hypotheses, references)
    if not buckets or buckets[0] < 1 or any(left >= right for left, right in pairwise(buckets)):
        raise ScoringError(
            f"{list(buckets)}: frequencies of buckets must rise, and the first must be 1 or more, as in 100, 1000."
        )
    # Of each sentence and bucket: matching words, the output's, the reference's.
    statistics = np.zeros((len(references), len(buckets) + 1, 3), dtype=np.int64)
    for row, texts in zip(statistics, zip(hypotheses, references, strict=True), strict=True):
        said, expected = (Counter(words(text)) for text in texts)
        for column, counted in enumerate((said & expected, said, expected)):
            for word, times in counted.items():
                row[bisect_right(buckets, training_counts.get(word, 0)), column] += times
    found = []
    for number, (low, high) in enumerate(zip((0, *buckets), (*buckets, None), strict=True)):
        segments = statistics[:, number]
        matching, output, reference = (int(total) for total in segments.sum(axis=0))
        f_measure = 2 * matching / (output + reference) if matching else 0.0
        signature = f"nrefs:1|freq:{low}-{'' if high is None else high - 1}"
        score = Score("word-F", 100 * f_measure, signature, segments, len(segments))
        shares = (matching / output, matching / reference) if matching else (0.0, 0.0)
        found.append(Bucket(low, high, score, *shares, output, reference))
    return tuple(found)
