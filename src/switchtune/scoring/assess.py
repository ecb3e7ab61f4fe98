"""Metrics by name: which there are, what each needs besides outputs and references, and one or two systems by them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from switchtune.corpus.words import SegmenterError
from switchtune.errors import UsageError, nearest
from switchtune.lexicon.glossary import Glossary
from switchtune.scoring.comet import DEFAULT_MODEL, comet, comet_program, set_up_command
from switchtune.scoring.faults import system_faults
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import Score, UnavailableMetricError, check_counts, lacks_words
from switchtune.scoring.outputs import Outputs, examine
from switchtune.scoring.rouge import rouge
from switchtune.scoring.significance import METRICS, Comparison, Test, compare_scores, decide
from switchtune.scoring.terms import term_accuracy
from switchtune.scoring.word_accuracy import FREQUENCIES, Bucket, ToWords, count_words, word_accuracy, words_of

USUAL = ("BLEU", "chrF++", "in-language")


@dataclass(frozen=True)
class MetricInputs:
    """What some metrics need besides outputs and references."""

    training: Sequence[str] | None = None  # target side of the training text, for word-F
    frequencies: Sequence[int] = FREQUENCIES  # where its buckets begin
    tokenised: bool = False  # whether words stand between spaces in outputs, references and training text
    sources: Sequence[str] | None = None  # sentences that were translated, for COMET; else to be scored as outputs
    comet_environment: Path | None = None  # in which COMET is installed
    comet_model: str = DEFAULT_MODEL
    glossary: Glossary | None = None  # terms that are looked for in sources and outputs

    def metrics(self) -> list[str]:
        """The metrics that these inputs are for: who gives them wants the metrics."""
        comet_too = self.comet_environment is not None
        asked = {"word-F": self.training is not None, "COMET": comet_too, "terms": self.glossary is not None}
        return [name for name, wanted in asked.items() if wanted]


@dataclass(frozen=True)
class Assessment:
    """A set of outputs, by all metrics asked for."""

    scores: tuple[Score, ...]  # one a metric, three for ROUGE; word-F is in `words`
    words: tuple[Bucket, ...]
    outputs: Outputs
    left_out: Mapping[str, str] = field(default_factory=dict)  # metrics that could not be had, and why
    faults: Sequence[str] = ()  # what is wrong with most outputs, in words
    remarks: Sequence[str] = ()  # what is to be known before the figures


_Systems: TypeAlias = Sequence[Sequence[str]]


def _by_function(score: Callable[[Sequence[str], Sequence[str], str], Score]) -> "_Scorer":
    return lambda systems, references, language, _: [(score(system, references, language),) for system in systems]


def _buckets(
    systems: _Systems, references: Sequence[str], language: str, inputs: MetricInputs
) -> list[tuple[Bucket, ...]]:
    words: ToWords = str.split if inputs.tokenised else words_of(language)
    counts = count_words(inputs.training or (), words)
    return [word_accuracy(system, references, counts, buckets=inputs.frequencies, words=words) for system in systems]


def _word_f(
    systems: _Systems, references: Sequence[str], language: str, inputs: MetricInputs
) -> list[tuple[Score, ...]]:
    return [tuple(bucket.score for bucket in row) for row in _buckets(systems, references, language, inputs)]


def _comet(systems: _Systems, references: Sequence[str], _: str, inputs: MetricInputs) -> list[tuple[Score, ...]]:
    environment, sources = inputs.comet_environment or Path(), inputs.sources or ()
    scores = comet(systems, sources, references, environment=environment, model=inputs.comet_model)
    return [(score,) for score in scores]


def _terms(systems: _Systems, references: Sequence[str], _: str, inputs: MetricInputs) -> list[tuple[Score, ...]]:
    assert inputs.glossary is not None
    assert inputs.sources is not None
    return [term_accuracy(system, inputs.sources, inputs.glossary, references) for system in systems]


def _require_inputs(metric: str, inputs: MetricInputs) -> None:
    """Raise a UsageError, before anything is computed, where a metric lacks one of its inputs."""
    if metric == "word-F" and inputs.training is None:
        raise UsageError("word-F needs --train FILE: the target side of the training text, whose words are counted.")
    if metric == "terms" and (inputs.glossary is None or inputs.sources is None):
        raise UsageError(
            "terms needs --glossary FILE, the terms and their translations, --source FILE, the sentences that were "
            "translated, line by line, and --from, their language."
        )
    if metric != "COMET":
        return
    if inputs.comet_environment is None:
        raise UsageError(
            "COMET needs --comet-env FOLDER: an environment of its own, since it does not work with this one's "
            f"transformers. This makes one:\n\n    {set_up_command(Path('comet-env'))}\n"
        )
    comet_program(inputs.comet_environment)
    if inputs.sources is None:
        raise UsageError("COMET needs --source FILE: the sentences that were translated, line by line.")


_Scorer: TypeAlias = Callable[[_Systems, Sequence[str], str, MetricInputs], list[tuple[Score, ...]]]
_METRICS: Mapping[str, _Scorer] = {
    **{name: _by_function(score) for name, score in METRICS.items()},
    "ROUGE": lambda systems, references, language, _: [
        tuple(rouge(system, references, language).values()) for system in systems
    ],
    "word-F": _word_f,
    "in-language": _by_function(lambda outputs, references, language: in_language(outputs, language, references)),
    "COMET": _comet,
    "terms": _terms,
}
"""The scores of each system, from (systems, references, language, inputs)."""
NAMES = tuple(_METRICS)
"""The metrics that can be asked for; ROUGE means its three, terms its two."""


def metric_name(name: str) -> str:
    """A metric's name as it is written here, whatever the case it was given in; a UsageError where there is none."""
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
    """Score outputs by metrics of `NAMES`, by default `USUAL`; inputs of word-F or COMET ask for these too.

    Raises:
        UsageError: an unknown metric, or one without the inputs that it needs.
        UnavailableMetricError: nothing that was asked for can be had here.
        ScoringError: unequal counts, or nothing to score.
    """
    inputs = inputs or MetricInputs()
    names = list(dict.fromkeys([*map(metric_name, metrics or USUAL), *inputs.metrics()]))
    for name in names:
        _require_inputs(name, inputs)
    check_counts(hypotheses, references)
    scores: list[Score] = []
    left_out: dict[str, str] = {}
    words: tuple[Bucket, ...] = ()
    for name in names:
        try:
            if name == "word-F":
                words = _buckets([hypotheses], references, language, inputs)[0]
            else:
                scores += _METRICS[name]([hypotheses], references, language, inputs)[0]
        except SegmenterError as error:
            left_out[name] = f"{error} Texts that another tool divided into words are scored with --tokenised."
        except UnavailableMetricError as error:
            left_out[name] = str(error)
    if not scores and not words:
        raise UnavailableMetricError("\n".join(left_out.values()))
    scores = list({score.metric: score for score in scores}.values())  # ROUGE-1 may have been asked for besides ROUGE
    found = system_faults(scores[:1] or [words[0].score], [hypotheses], references, language, inputs.sources)
    remarks = [lacks_words(language)] if "BLEU" in names and lacks_words(language) else []
    return Assessment(tuple(scores), words, examine(hypotheses, references, language), left_out, found, remarks)


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
    """Compare two systems, a being the baseline, by a metric of `NAMES`, but not in-language.

    One comparison, three for ROUGE, one a bucket for word-F; decided together.

    Raises:
        UsageError: an unknown metric, one that is not tested, or one without the inputs that it needs.
        ScoringError: unequal counts, or nothing to score.
    """
    name, inputs = metric_name(metric), inputs or MetricInputs()
    if name == "in-language":
        raise UsageError(
            "in-language is a share of outputs, which is not tested; `switchtune score` reports it for each."
        )
    for other in inputs.metrics():
        if other != name:
            raise UsageError(f"There are texts for {other}, but {name} is to be compared: add --metric {other}.")
    _require_inputs(name, inputs)
    for hypotheses in (hypotheses_a, hypotheses_b):
        check_counts(hypotheses, references)
    of_a, of_b = _METRICS[name]([hypotheses_a, hypotheses_b], references, language, inputs)
    said_a, said_b = (
        system_faults(scores[:1], [hypotheses], references, language, inputs.sources)
        for scores, hypotheses in ((of_a, hypotheses_a), (of_b, hypotheses_b))
    )
    settings: dict[str, Any] = {"test": test, "resamples": resamples, "seed": seed, "faults": (said_a, said_b)}
    return decide([compare_scores([a], [b], **settings) for a, b in zip(of_a, of_b, strict=True)])
