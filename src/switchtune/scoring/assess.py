"""Metrics by name: which there are, what each needs besides outputs and references, and one or two systems by them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from switchtune.errors import UsageError, nearest
from switchtune.scoring.comet import DEFAULT_MODEL, comet, comet_program, set_up_command
from switchtune.scoring.metrics import Score, UnavailableMetricError, can_identify, check_counts, in_language
from switchtune.scoring.outputs import Outputs, examine
from switchtune.scoring.rouge import rouge
from switchtune.scoring.significance import METRICS, Comparison, Test, compare_scores, decide
from switchtune.scoring.word_accuracy import FREQUENCIES, Bucket, ToWords, count_words, word_accuracy, words_of

USUAL = ("BLEU", "chrF++", "in-language")


@dataclass(frozen=True)
class Material:
    """What some metrics need besides outputs and references.

    Attributes:
        training: the training text's target side, for word-F.
        frequencies: where its buckets begin.
        tokenised: whether outputs, references and training text are tokenised: words stand between spaces.
        sources: the sentences that were translated, for COMET.
        comet_environment: folder of the environment in which COMET is installed.
        comet_model: which COMET.
    """

    training: Sequence[str] | None = None
    frequencies: Sequence[int] = FREQUENCIES
    tokenised: bool = False
    sources: Sequence[str] | None = None
    comet_environment: Path | None = None
    comet_model: str = DEFAULT_MODEL


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
_Scorer: TypeAlias = Callable[[Systems, Sequence[str], str, Material], list[tuple[Score, ...]]]
"""(systems, references, language, material) -> what the metric has to say of each system."""


def _by_function(score: Callable[[Sequence[str], Sequence[str], str], Score]) -> _Scorer:
    return lambda systems, references, language, _: [(score(system, references, language),) for system in systems]


def _rouge(systems: Systems, references: Sequence[str], language: str, _: Material) -> list[tuple[Score, ...]]:
    return [tuple(rouge(system, references, language).values()) for system in systems]


def _in_language(systems: Systems, _: Sequence[str], language: str, __: Material) -> list[tuple[Score, ...]]:
    if not can_identify(language):
        raise UnavailableMetricError(f"{language} is not among the languages that py3langid can identify")
    return [(in_language(system, language),) for system in systems]


def _words(systems: Systems, references: Sequence[str], language: str, material: Material) -> list[tuple[Bucket, ...]]:
    words: ToWords = str.split if material.tokenised else words_of(language)
    counts = count_words(_training(material), words)
    return [word_accuracy(system, references, counts, buckets=material.frequencies, words=words) for system in systems]


def _word_scores(
    systems: Systems, references: Sequence[str], language: str, material: Material
) -> list[tuple[Score, ...]]:
    return [tuple(bucket.score for bucket in buckets) for buckets in _words(systems, references, language, material)]


def _comet(systems: Systems, references: Sequence[str], _: str, material: Material) -> list[tuple[Score, ...]]:
    environment, sources = _for_comet(material)
    scores = comet(systems, sources, references, environment=environment, model=material.comet_model)
    return [(score,) for score in scores]


_SCORERS: Mapping[str, _Scorer] = {
    **{name: _by_function(score) for name, score in METRICS.items()},
    "ROUGE": _rouge,
    "word-F": _word_scores,
    "in-language": _in_language,
    "COMET": _comet,
}
NAMES = tuple(_SCORERS)
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


def _training(material: Material) -> Sequence[str]:
    if material.training is None:
        raise UsageError("word-F needs --train FILE: the target side of the training text, whose words are counted.")
    return material.training


def _for_comet(material: Material) -> tuple[Path, Sequence[str]]:
    """The environment, in which COMET is installed, and the sources."""
    if material.comet_environment is None:
        raise UsageError(
            "COMET needs --comet-env FOLDER: an environment of its own, since it does not work with this one's "
            f"transformers. This makes one:\n\n    {set_up_command(Path('comet-env'))}\n"
        )
    comet_program(material.comet_environment)
    if material.sources is None:
        raise UsageError("COMET needs --source FILE: the sentences that were translated, line by line.")
    return material.comet_environment, material.sources


_NEEDS: Mapping[str, Callable[[Material], object]] = {"word-F": _training, "COMET": _for_comet}
"""What raises a UsageError, before anything is computed, where a metric's material is missing."""


def _asked_by(material: Material) -> list[str]:
    """The metrics whose material is there: who gives it wants them."""
    training = ["word-F"] if material.training is not None else []
    comet_too = material.comet_environment is not None or material.sources is not None
    return [*training, *(["COMET"] if comet_too else [])]


def assess(
    hypotheses: Sequence[str],
    references: Sequence[str],
    language: str,
    *,
    metrics: Sequence[str] = (),
    material: Material | None = None,
) -> Assessment:
    """Score a set of outputs by several metrics.

    Args:
        language: the outputs' language.
        metrics: of `NAMES`; by default `USUAL`. Material for word-F or COMET asks for these besides.

    Returns:
        What could be computed. A metric that this machine lacks something for is in `left_out`.

    Raises:
        UsageError: an unknown metric, or one without the material that it needs.
        UnavailableMetricError: nothing that was asked for can be had here.
        ScoringError: unequal counts, or nothing to score.
    """
    given = material or Material()
    names = list(dict.fromkeys([*(metric_name(name) for name in metrics or USUAL), *_asked_by(given)]))
    for name in names:
        _NEEDS.get(name, bool)(given)
    check_counts(hypotheses, references)
    scores: dict[str, Score] = {}
    left_out: dict[str, str] = {}
    for name in names:
        if name == "word-F":
            continue
        try:
            (found,) = _SCORERS[name]([hypotheses], references, language, given)
        except UnavailableMetricError as error:
            left_out[name] = str(error)
        else:
            scores |= {score.metric: score for score in found}
    words = _words([hypotheses], references, language, given)[0] if "word-F" in names else ()
    if not scores and not words:
        raise UnavailableMetricError("\n".join(left_out.values()))
    return Assessment(tuple(scores.values()), words, examine(hypotheses, references, language), left_out)


def compare_outputs(
    hypotheses_a: Sequence[str],
    hypotheses_b: Sequence[str],
    references: Sequence[str],
    language: str,
    *,
    metric: str = "BLEU",
    material: Material | None = None,
    test: Test = "bootstrap",
    resamples: int | None = None,
    seed: int = 12345,
) -> tuple[Comparison, ...]:
    """Compare two systems by one metric: one comparison, three for ROUGE, one a bucket for word-F; decided together.

    Args:
        hypotheses_a: the baseline's outputs.
        metric: of `NAMES`, but not in-language, whose shares are not tested.

    Raises:
        UsageError: an unknown metric, one that is not tested, or one without the material that it needs.
        ScoringError: unequal counts, or nothing to score.
    """
    name, given = metric_name(metric), material or Material()
    if name == "in-language":
        raise UsageError("in-language is a share of outputs, which is not tested; `switchtune score` tells it of each.")
    for other in _asked_by(given):
        if other != name:
            raise UsageError(f"There is material for {other}, but {name} is to be compared: add --metric {other}.")
    _NEEDS.get(name, bool)(given)
    for hypotheses in (hypotheses_a, hypotheses_b):
        check_counts(hypotheses, references)
    of_a, of_b = _SCORERS[name]([hypotheses_a, hypotheses_b], references, language, given)
    return decide(
        [compare_scores([a], [b], test=test, resamples=resamples, seed=seed) for a, b in zip(of_a, of_b, strict=True)]
    )
