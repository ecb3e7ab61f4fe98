"""Scores of translations: BLEU and chrF++ by sacrebleu."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers import tokenizer_spm

from switchtune.corpus.identify import as_written
from switchtune.errors import SwitchtuneError
from switchtune.languages import Language, find_language

MetricName: TypeAlias = Literal["BLEU", "spBLEU", "chrF++", "ROUGE-1", "ROUGE-2", "ROUGE-L"]

_TOKENISERS = {"zh": "zh", "zh_Hant": "zh", "yue": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
_BLEU_ORDER = 4
_CHRF_BETA = 2


class ScoringError(SwitchtuneError):
    """Hypotheses and references cannot be scored against each other."""


class UnavailableMetricError(ScoringError):
    """A metric needs something that is not here; other metrics can be had."""


@dataclass(frozen=True)
class Score:
    """One figure about a set of outputs, with what it takes to compare it and to test it."""

    metric: str
    value: float  # 0 to 100, but for COMET on its model's scale; in-language and accuracy are shares from 0 to 1
    signature: str  # the settings and the version that the value depends on (sacrebleu's where it is sacrebleu's)
    segments: NDArray[Any] = field(repr=False, compare=False)  # sufficient statistics of each output, (n, k)
    n: int
    references: float | None = None  # the same of the references, where the metric is a property of any text


def bleu(hypotheses: Sequence[str], references: Sequence[str], language: str) -> Score:
    """Corpus BLEU of detokenised text, one reference each, tokenised as the target language needs it.

    The tokeniser is sacrebleu's `zh` for Chinese, `ja-mecab` and `ko-mecab` for Japanese and Korean where the extra
    `cjk` is installed, `char` for these two where not (`lacks_words` says so) and for other languages written without
    spaces, and `13a` for all the rest. The signature names it: scores of different tokenisers do not compare.

    `segments` hold 10 columns: output and reference length in tokens, matching and total n-grams of the orders 1 to 4.

    Raises:
        ScoringError: unequal counts, or nothing to score.
    """
    return _score("BLEU", _bleu_metric(as_written(find_language(language), references)), hypotheses, references)


def spbleu(hypotheses: Sequence[str], references: Sequence[str], language: str) -> Score:
    """Corpus BLEU of sentencepiece pieces, the same for all languages: sacrebleu's `flores200` tokeniser.

    Its model is downloaded by sacrebleu the first time, to ~/.sacrebleu/models. `segments` are those of `bleu`.

    Raises:
        UnavailableMetricError: the tokeniser's model is not here and cannot be downloaded, or is damaged.
        ScoringError: unequal counts, or nothing to score.
    """
    find_language(language)
    check_counts(hypotheses, references)
    try:
        metric = BLEU(tokenize="flores200", force=True)
    except (OSError, RuntimeError) as error:  # of urllib; of sentencepiece
        model = tokenizer_spm.SPM_MODELS["flores200"]["url"]
        place = Path(tokenizer_spm.SACREBLEU_DIR) / "models" / model.rsplit("/", 1)[-1]
        raise UnavailableMetricError(
            f"spBLEU needs the tokeniser model flores200, which sacrebleu could not load ({error}). Download {model} "
            f"where there is a network, and put it here as {place}"
        ) from error
    return _score("spBLEU", metric, hypotheses, references)


def chrf(hypotheses: Sequence[str], references: Sequence[str], language: str) -> Score:
    """Corpus chrF++: F2 over character n-grams of the orders 1 to 6 and word n-grams of the orders 1 and 2.

    `segments` hold 24 columns: output n-grams, reference n-grams and matches, for each order.

    Raises:
        ScoringError: unequal counts, or nothing to score.
    """
    find_language(language)
    return _score("chrF++", CHRF(word_order=2), hypotheses, references)


def check_counts(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """Raise a ScoringError where the counts are unequal or there is nothing to score."""
    if len(hypotheses) != len(references):
        raise ScoringError(
            f"{len(hypotheses):,} hypotheses but {len(references):,} references: each hypothesis needs one reference, "
            "in the same order. Look for lines lost or added on one side."
        )
    if not hypotheses:
        raise ScoringError("no hypotheses to score: the input is empty.")


def _score(name: MetricName, metric: BLEU | CHRF, hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    check_counts(hypotheses, references)
    # sacrebleu gives its statistics of single segments only here; its own significance tests rest on the same call.
    statistics = metric._extract_corpus_statistics(hypotheses, [references])
    value = metric._aggregate_and_compute(statistics).score
    segments = np.asarray(statistics, dtype=np.int64)
    return Score(name, float(value), str(metric.get_signature()), segments, len(hypotheses))


def _bleu_metric(target: Language) -> BLEU:
    tokeniser = _TOKENISERS.get(target.code, "13a" if target.spaced else "char")
    try:
        return BLEU(tokenize=tokeniser, force=True)
    except RuntimeError:  # the MeCab of ja-mecab or ko-mecab is not installed
        return BLEU(tokenize="char", force=True)


def lacks_words(language: str) -> str:
    """What is to be said where BLEU of a language counts characters for want of what divides it into words."""
    target = find_language(language)
    if not _TOKENISERS.get(target.code, "").endswith("mecab") or _bleu_metric(target).tokenizer_signature != "char":
        return ""
    return (
        f"BLEU of {target.name} counts characters here, which gives far higher figures than words and compares with "
        "nothing published: pip install 'switchtune[cjk]' for the usual one (MeCab)."
    )


def corpus_values(metric: str, sums: NDArray[Any]) -> NDArray[Any]:
    """Corpus scores, (...), from floating-point sums of `Score.segments` over the sentences of a set, (..., k)."""
    return _VALUES[metric](sums)


def _bleu_values(sums: NDArray[Any]) -> NDArray[Any]:
    """BLEU with exponential smoothing (sacrebleu's default), from statistics of shape (..., 10)."""
    output_length, reference_length = sums[..., 0].astype(np.float64), sums[..., 1].astype(np.float64)
    correct, total = sums[..., 2 : 2 + _BLEU_ORDER], sums[..., 2 + _BLEU_ORDER :]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Every order without a match counts as half the match of the one before it: 1/2, 1/4, …
        halvings = np.cumsum(correct == 0, axis=-1, dtype=sums.dtype)
        precisions = 100 * np.where(correct == 0, 0.5**halvings, correct) / total
        logarithms = np.log(precisions.astype(np.float64))
        brevity = np.where(output_length < reference_length, np.exp(1 - reference_length / output_length), 1.0)
        values = brevity * np.exp(logarithms.sum(axis=-1) / _BLEU_ORDER)
    defined = correct.any(axis=-1) & total.all(axis=-1)
    return np.asarray(np.where(defined, values, 0.0))


def _chrf_values(sums: NDArray[Any]) -> NDArray[Any]:
    """chrF of averaged precision and recall over the orders that exist, from statistics of shape (..., 3 · orders)."""
    precision_sum, recall_sum, orders = (np.zeros(sums.shape[:-1], sums.dtype) for _ in range(3))
    for column in range(0, sums.shape[-1], 3):
        output, reference, match = (sums[..., column + offset] for offset in range(3))
        exists = (output > 0) & (reference > 0)
        precision_sum += np.divide(match, output, out=np.zeros_like(match), where=exists)
        recall_sum += np.divide(match, reference, out=np.zeros_like(match), where=exists)
        orders += exists
    precision = np.divide(precision_sum, orders, out=np.zeros_like(orders), where=orders > 0)
    recall = np.divide(recall_sum, orders, out=np.zeros_like(orders), where=orders > 0)
    weight = _CHRF_BETA**2
    denominator = weight * precision + recall
    numerator = (1 + weight) * precision * recall
    return np.asarray(100 * np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator > 0))


def _mean_values(sums: NDArray[Any]) -> NDArray[Any]:
    """From the sum of the outputs' values, and how many they are."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def _f_values(sums: NDArray[Any]) -> NDArray[Any]:
    """F-measures in hundredths, from matching, output's and reference's units."""
    units = sums[..., 1] + sums[..., 2]
    return np.asarray(100 * np.divide(2 * sums[..., 0], units, out=np.zeros_like(units), where=units > 0))


_VALUES: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "BLEU": _bleu_values,
    "spBLEU": _bleu_values,
    "chrF++": _chrf_values,
    "word-F": _f_values,
    **dict.fromkeys(("term-exact", "term-forms"), lambda sums: 100 * _mean_values(sums)),
    **dict.fromkeys(("ROUGE-1", "ROUGE-2", "ROUGE-L", "COMET", "accuracy"), _mean_values),
}
