"""How well words are translated by how often the training texts hold them (figure 5)."""

from collections.abc import Sequence
from typing import Any

from switchtune.config.run import PairSettings
from switchtune.runs.folder import Run
from switchtune.scoring.word_accuracy import FREQUENCIES, count_words, word_accuracy, words_of


def frequency_record(run: Run, buckets: Sequence[int] = FREQUENCIES) -> dict[str, Any]:
    """The F-measure of words for every arm and seed: the content of `frequency.json`.

    Words are those that are switched, counted in the target side of the training corpus; F is from 0 to 100.
    """

    def of_pair(pair: PairSettings) -> tuple[dict[str, Any], list[str]]:
        train, _, test = run.corpora(pair)
        words = words_of(pair.target)
        counts = count_words(train.targets(), words)
        references = test.targets()

        def measured(hypotheses: Sequence[str]) -> dict[str, Any]:
            found = word_accuracy(hypotheses, references, counts, buckets=buckets, words=words)
            figures = {"f_measure": [bucket.score.value for bucket in found]}
            return {**figures, "reference_words": [bucket.reference_words for bucket in found]}

        systems, missing = run.over_translations(pair, measured)
        edges = zip((0, *buckets), (*buckets, None), strict=True)
        compared = {"baseline": run.config.baseline, "buckets": [{"from": low, "to": high} for low, high in edges]}
        return {**compared, "systems": systems}, missing

    return run.over_pairs(of_pair)
