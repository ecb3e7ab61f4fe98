"""Metrics by name: which there are, what each needs besides outputs and references, and one or two systems by them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from switchtune.errors import UsageError, nearest
from switchtune.scoring.comet import DEFAULT_MODEL, comet, comet_program, set_up_command
from switchtune.scoring.metrics import Score, UnavailableMetricError, check_counts, in_language
from switchtune.scoring.outputs import Outputs, examine
from switchtune.scoring.rouge import rouge
from switchtune.scoring.significance import METRICS, Comparison, Test, compare_scores, decide
from switchtune.scoring.word_accuracy import FREQUENCIES, Bucket, ToWords, count_words, word_accuracy, words_of

USUAL = ("BLEU", "chrF++", "in-language")


@dataclass(frozen=True)
class MetricInputs:
    """What some metrics need besides outputs and references.

    Attributes:
        training: target side of the training text, for word-F.
        frequencies: where its buckets begin.
        tokenised: whether outputs, references and training text are tokenised: words stand between spaces.
        sources: sentences that were translated, for COMET.
        comet_environment: folder of the environment in which COMET is installed.
        comet_model: name of a COMET model.
    """

    training: Sequence[str] | None = None
    frequencies: Sequence[int] = FREQUENCIES
    tokenised: bool = False
    sources: Sequence[str] | None = None
    comet_environment: Path | None = None
    comet_model: str = DEFAULT_MODEL

    def metrics(self) -> list[str]:
        """The metrics that these inputs are for: who gives them wants the metrics."""
        comet_too = self.comet_environment is not None or self.sources is not None
        return [*(["word-F"] if self.training is not None else []), *(["COMET"] if comet_too else [])]


@dataclass(frozen=True)
class Assessment:
    """A set of outputs, by all metrics asked for.

    Attributes:
        scores: one a metric, three for ROUGE; word-F is in `words`.
        words: word accuracy by training frequency; empty where not asked for.
        outputs: what is empty, repetitive, short or long.
        left_out: metrics that could not be had, and why.
    """

    scores: tuple[Score, ...]
    words: tuple[Bucket, ...]
    outputs: Outputs
    left_out: Mapping[str, str] = field(default_factory=dict)


Systems: TypeAlias = Sequence[Sequence[str]]


@dataclass(frozen=True)
class _Metric:
    scores: Callable[[Systems, Sequence[str], str, MetricInputs], list[tuple[Score, ...]]]
    """Scores of each system, from (systems, references, language, inputs)."""
    require_inputs: Callable[[MetricInputs], object] = bool
    """Raises a UsageError, before anything is computed, where an input is missing."""


def _by_function(score: Callable[[Sequence[str], Sequence[str], str], Score]) -> _Metric:
    return _Metric(lambda systems, references, language, _: [(score(it, references, language),) for it in systems])


def _rouge(systems: Systems, references: Sequence[str], language: str, _: MetricInputs) -> list[tuple[Score, ...]]:
    return [tuple(rouge(system, references, language).values()) for system in systems]


def _training(inputs: MetricInputs) -> Sequence[str]:
    if inputs.training is None:
        raise UsageError("word-F needs --train FILE: the target side of the training text, whose words are counted.")
    return inputs.training


def _buckets(
    systems: Systems, references: Sequence[str], language: str, inputs: MetricInputs
) -> list[tuple[Bucket, ...]]:
    words: ToWords = str.split if inputs.tokenised else words_of(language)
    counts = count_words(_training(inputs), words)
    return [word_accuracy(system, references, counts, buckets=inputs.frequencies, words=words) for system in systems]


def _word_f(
    systems: Systems, references: Sequence[str], language: str, inputs: MetricInputs
) -> list[tuple[Score, ...]]:
    return [tuple(bucket.score for bucket in row) for row in _buckets(systems, references, language, inputs)]


def _for_comet(inputs: MetricInputs) -> tuple[Path, Sequence[str]]:
    """The environment, in which COMET is installed, and the sources."""
    if inputs.comet_environment is None:
        raise UsageError(
            "COMET needs --comet-env FOLDER: an environment of its own, since it does not work with this one's "
            f"transformers. This makes one:\n\n    {set_up_command(Path('comet-env'))}\n"
        )
    comet_program(inputs.comet_environment)
    if inputs.sources is None:
        raise UsageError("COMET needs --source FILE: the sentences that were translated, line by line.")
    return inputs.comet_environment, inputs.sources


def _comet(systems: Systems, references: Sequence[str], _: str, inputs: MetricInputs) -> list[tuple[Score, ...]]:
    environment, sources = _for_comet(inputs)
    scores = comet(systems, sources, references, environment=environment, model=inputs.comet_model)
    return [(score,) for score in scores]


_METRICS: Mapping[str, _Metric] = {
    **{name: _by_function(score) for name, score in METRICS.items()},
    "ROUGE": _Metric(_rouge),
    "word-F": _Metric(_word_f, _training),
    "in-language": _by_function(lambda outputs, _, language: in_language(outputs, language)),
    "COMET": _Metric(_comet, _for_comet),
}
NAMES = tuple(_METRICS)
"""The metrics that can be asked for; ROUGE means its three."""


def metric_name(name: str) -> str:
    """A metric's name as it is written here, whatever the case it was given in.

    Raises:
        UsageError: there is no such metric.
    """
    for known in NAMES:
        if known.lower() == name.lower():
            return known
    raise UsageError(f"{name}: no such metric; {nearest(name, NAMES, count=2)} There are {', '.join(NAMES)}.")


def assess(
    hypotheses: Sequence[str],
    references: Sequence[str],
    language: str,
    *,
    metrics: Sequence[str] = (),
    inputs: MetricInputs | None = None,
) -> Assessment:
    """Score a set of outputs by several metrics.

    Args:
        language: the outputs' language.
        metrics: of `NAMES`; by default `USUAL`. Inputs of word-F or COMET ask for these besides.

    Returns:
        What could be computed. A metric that this machine lacks something for is in `left_out`.

    Raises:
        UsageError: an unknown metric, or one without the inputs that it needs.
        UnavailableMetricError: nothing that was asked for can be had here.
        ScoringError: unequal counts, or nothing to score.
    """
    inputs = inputs or MetricInputs()
    names = list(dict.fromkeys([*map(metric_name, metrics or USUAL), *inputs.metrics()]))
    for name in names:
        _METRICS[name].require_inputs(inputs)
    check_counts(hypotheses, references)
    scores: list[Score] = []
    left_out: dict[str, str] = {}
    for name in names:
        try:
            if name != "word-F":
                scores += _METRICS[name].scores([hypotheses], references, language, inputs)[0]
        except UnavailableMetricError as error:
            left_out[name] = str(error)
    words = _buckets([hypotheses], references, language, inputs)[0] if "word-F" in names else ()
    if not scores and not words:
        raise UnavailableMetricError("\n".join(left_out.values()))
    scores = list({score.metric: score for score in scores}.values())  # ROUGE-1 may have been asked for besides ROUGE
    return Assessment(tuple(scores), words, examine(hypotheses, references, language), left_out)


def compare_outputs(
    hypotheses_a: Sequence[str],
    hypotheses_b: Sequence[str],
    references: Sequence[str],
    language: str,
    *,
    metric: str = "BLEU",
    inputs: MetricInputs | None = None,
    test: Test = "bootstrap",
    resamples: int | None = None,
    seed: int = 12345,
) -> tuple[Comparison, ...]:
    """Compare two systems by one metric: one comparison, three for ROUGE, one a bucket for word-F; decided together.

    Args:
        hypotheses_a: the baseline's outputs.
        metric: of `NAMES`, but not in-language, whose shares are not tested.

    Raises:
        UsageError: an unknown metric, one that is not tested, or one without the inputs that it needs.
        ScoringError: unequal counts, or nothing to score.
    """
    name, inputs = metric_name(metric), inputs or MetricInputs()
    if name == "in-language":
        raise UsageError("in-language is a share of outputs, which is not tested; `switchtune score` tells it of each.")
    for other in inputs.metrics():
        if other != name:
            raise UsageError(f"There are texts for {other}, but {name} is to be compared: add --metric {other}.")
    _METRICS[name].require_inputs(inputs)
    for hypotheses in (hypotheses_a, hypotheses_b):
        check_counts(hypotheses, references)
    of_a, of_b = _METRICS[name].scores([hypotheses_a, hypotheses_b], references, language, inputs)
    return decide(
        [compare_scores([a], [b], test=test, resamples=resamples, seed=seed) for a, b in zip(of_a, of_b, strict=True)]
    )
