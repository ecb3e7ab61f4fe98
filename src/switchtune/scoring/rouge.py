"""ROUGE of summaries (Lin, 2004): n-grams and subsequences that they share with the reference, by rouge-score."""

from collections.abc import Sequence
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from switchtune.languages import find_language
from switchtune.scoring.metrics import Score, check_counts
from switchtune.scoring.outputs import units_of

RougeName: TypeAlias = Literal["ROUGE-1", "ROUGE-2", "ROUGE-L"]
ROUGE_NAMES: tuple[RougeName, ...] = get_args(RougeName)

# ROUGE-1.5.5's ROUGE-L is that of summaries: each sentence of the reference against all of the output.
_VARIANTS = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeLsum"}


def rouge(
    hypotheses: Sequence[str], references: Sequence[str], language: str, *, names: Sequence[RougeName] = ROUGE_NAMES
) -> dict[RougeName, Score]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L, averaged over the summaries, one reference each.

    The figures are those of ROUGE-1.5.5 without stemming, as files2rouge calls it (`-c 95 -r 1000 -n 2 -a`). English is
    tokenised as there: in lower case, where anything but the letters a to z and digits divides words. That would leave
    nothing of other scripts, so the languages written with spaces are divided at anything but letters, marks and
    digits of any script. Languages written without spaces are compared by characters, all but the spaces, Latin
    letters and punctuation among them.

    ROUGE-L is files2rouge's: a summary is divided into sentences where a full stop stands between spaces (" . "), as in
    tokenised text, and the subsequences of each sentence of the reference are united (elsewhere called ROUGE-Lsum). A
    summary without such a full stop, and one that is compared by characters, is one sentence: then it is plain ROUGE-L.

    Scores are from 0 to 100; their `segments` hold 2 columns: a summary's F1 and 1. An empty summary, like one of
    punctuation alone, has F1 0.

    Raises:
        ScoringError: unequal counts, or nothing to score.
    """
    # rouge-score brings nltk along, which takes longer to import than all else here.
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer

    check_counts(hypotheses, references)
    units = units_of(language, references)
    divided = units.name == "words"
    tokenizer: Any = SimpleNamespace(tokenize=units.cut)
    tokenizer_name: str = units.name
    if find_language(language).code == "en":
        tokenizer, tokenizer_name = DefaultTokenizer(), "rouge155"
    scorer = RougeScorer([_VARIANTS[name] for name in names], tokenizer=tokenizer)

    def sentences(text: str) -> str:
        line = " ".join(text.split("\n"))
        return line.replace(" . ", " .\n") if divided else line

    segments = [
        scorer.score(sentences(reference), sentences(hypothesis))
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    ]
    end_of_sentence = "." if divided else "none"
    signature = f"nrefs:1|f1|tok:{tokenizer_name}|stem:no|eos:{end_of_sentence}|rouge-score:{version('rouge-score')}"
    scores: dict[RougeName, Score] = {}
    for name in names:
        f1 = 100 * np.array([segment[_VARIANTS[name]].fmeasure for segment in segments])
        scores[name] = Score(name, float(f1.mean()), signature, np.stack([f1, np.ones_like(f1)], axis=1), len(f1))
    return scores


def rouge_score(name: RougeName, hypotheses: Sequence[str], references: Sequence[str], language: str) -> Score:
    """One of the three alone."""
    return rouge(hypotheses, references, language, names=[name])[name]
