"""Sentences in which two systems of a run differ most, with the words that the training rarely showed (table 9)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sacrebleu.metrics import CHRF

from switchtune.config.run import PairSettings
from switchtune.corpus.control import shown
from switchtune.corpus.read import Corpus
from switchtune.results.records import Case
from switchtune.runs.folder import Run, Training, with_outputs_of_both
from switchtune.scoring.metrics import ScoringError, check_counts
from switchtune.scoring.word_accuracy import FREQUENCIES, ToWords, count_words, words_of


def rare_words(sentence: str, words: ToWords, counts: Mapping[str, int], *, below: int) -> tuple[str, ...]:
    """Words of a sentence that occur fewer than `below` times, in its order, each once."""
    return tuple(dict.fromkeys(word for word in words(sentence) if counts.get(word, 0) < below))


def most_different(
    corpus: Corpus,
    outputs: tuple[Sequence[str], Sequence[str]],
    counts: Mapping[str, int],
    *,
    rare_below: int,
    limit: int,
) -> list[Case]:
    """The sentences of a test set whose chrF++ differs most between two systems, whichever is better.

    Sentences with the same scores are left out, however their translations differ; of equal differences the first in
    the test set comes first.

    Args:
        counts: how often a word of the target language occurs in the training texts.

    Raises:
        ScoringError: a system's outputs are not as many as the test set's sentences.
    """
    metric = CHRF(word_order=2)
    references = corpus.targets()
    for system in outputs:
        check_counts(system, references)
    words = words_of(corpus.target_language)
    scores = [
        [metric.sentence_score(output, [reference]).score for output, reference in zip(system, references, strict=True)]
        for system in outputs
    ]
    differences = [abs(one - other) for one, other in zip(*scores, strict=True)]
    rows = sorted((row for row, difference in enumerate(differences) if difference), key=lambda row: -differences[row])
    cases = []
    for row in rows[:limit]:
        rare = rare_words(references[row], words, counts, below=rare_below)
        texts = (shown(corpus[row].source), references[row], outputs[0][row], outputs[1][row])
        unseen = tuple(word for word in rare if not counts.get(word))
        cases.append(Case(row, *texts, scores[0][row], scores[1][row], rare, unseen))
    return cases


def cases_record(run: Run, *, rare_below: int = FREQUENCIES[0], limit: int = 20) -> dict[str, Any]:
    """The cases of every arm against the baseline, by the first seed that both have: the content of `cases.json`."""

    def of_pair(pair: PairSettings) -> tuple[dict[str, Any], list[str]]:
        by_arm: dict[str, list[Training]] = {arm.name: [] for arm in run.config.arms if arm.takes_part(pair.name)}
        for training in run.trainings(pair):
            by_arm[training.arm].append(training)
        train, _, test = run.corpora(pair)
        counts = count_words(train.targets(), words_of(pair.target))
        compared, missing = [], []
        for arm, trainings in by_arm.items():
            if arm == run.config.baseline:
                continue
            found = with_outputs_of_both(by_arm[run.config.baseline], trainings)
            if found is None:
                missing.append(f"{pair.name}: no seed with translations of both {run.config.baseline} and {arm}")
                continue
            both = (found[0].hypotheses or (), found[1].hypotheses or ())
            seed = next((each.seed for each in found if each.seed is not None), None)
            try:
                cases = most_different(test, both, counts, rare_below=rare_below, limit=limit)
            except ScoringError as error:
                missing.append(f"{pair.name}, {run.config.baseline} and {arm}, seed {seed}: {error}")
                continue
            systems = {"arm_a": run.config.baseline, "arm_b": arm, "seed": seed, "rare_below": rare_below}
            compared.append({**systems, "sentences": [asdict(case) for case in cases]})
        return {"compared": compared}, missing

    record = run.over_pairs(of_pair)
    pairs = [{"pair": each["pair"], **found} for each in record["pairs"] for found in each["compared"]]
    return {**record, "pairs": pairs}
