"""The JSON files of a run's folder as they are read again: what each holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, TypeAdapter
from typing_extensions import NotRequired

from switchtune.config.base import Count, Finite, Whole, list_of, mapping_to, object_of, with_others
from switchtune.evidence import Evidence
from switchtune.results.comparison import SCHEMA
from switchtune.scoring.significance import Comparison

SCORES = {
    "bleu": "BLEU",
    "chrf": "chrF++",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "in_language": "in-language",
    "accuracy": "accuracy",
}
"""Metrics by their key in a row of `metrics.json`, where the scores are, one a seed."""


def _metric(key: str) -> Any:
    return Literal["in-language", "in-script"] if key == "in_language" else Literal[SCORES[key]]


_SCORE_LISTS = {
    key: NotRequired[
        list_of(object_of(metric=_metric(key), value=Finite, signature=str, n=Count, references=NotRequired[Finite]))
    ]
    for key in SCORES
}
_BACK_TRANSLATION = object_of(
    **dict.fromkeys(("updates", "sentences"), Count),
    **dict.fromkeys(("minutes", "translating_minutes"), Finite),
    within=bool,
    dropped=mapping_to(Count),
)
_CHOICE = object_of(recipe=str, reason=str, evidence=list_of(object_of(Evidence)))
_ROW = object_of(
    pair=str,
    arm=str,
    updates=mapping_to(Count),
    minutes=Finite | None,
    back_translation=NotRequired[_BACK_TRANSLATION | None],
    **_SCORE_LISTS,
    score_interval=NotRequired[tuple[Finite, Finite]],
    choice=NotRequired[_CHOICE],
    outputs=NotRequired[object_of(file=str, samples=NotRequired[Count], blank=Count)],
    against_baseline=object_of(Comparison) | None,
    by_other_metrics=NotRequired[list_of(object_of(Comparison))],
)
_METRICS: Any = object_of(
    schema=Literal[SCHEMA],
    baseline=str,
    seeds=list_of(Whole, least=1),
    remarks=NotRequired[list_of(str)],
    rows=list_of(_ROW),
)


def _check_seeds(metrics: Any) -> Any:
    for row in metrics["rows"]:
        scores = row["outputs"].get("samples", 1) if "outputs" in row else len(metrics["seeds"])
        if any(len(row[key]) != scores for key in SCORES if row.get(key)):
            raise ValueError("as many scores as seeds, or as samples of given outputs, are expected in every row")
    return metrics


METRICS_RECORD: TypeAdapter[Any] = TypeAdapter(Annotated[_METRICS, AfterValidator(_check_seeds)])

_CELL = object_of(
    Comparison,
    **dict.fromkeys(("trained", "tested"), str),
    supervised=bool,
    in_language=NotRequired[mapping_to(Finite) | None],
    references_in_language=NotRequired[Finite | None],
)
_TEXTS = dict.fromkeys(("tests", "baseline", "arm", "verdict"), str)
_MATRIX = object_of(**_TEXTS, trained=list_of(str), tested=list_of(str), cells=list_of(_CELL))
ZEROSHOT_RECORD: TypeAdapter[Any] = TypeAdapter(object_of(matrices=list_of(_MATRIX)))

_DATA = mapping_to(with_others(object_of(fingerprint=str)))
_MANIFEST = object_of(
    corpora=NotRequired[mapping_to(_DATA)],
    data=NotRequired[_DATA],
    lexicons=NotRequired[mapping_to(str)],
    versions=NotRequired[mapping_to(str)],
    machine=NotRequired[mapping_to(str | int | None)],
    precision=NotRequired[mapping_to(str)],
    files=NotRequired[mapping_to(object_of(bytes=int, hash=str))],
    models=NotRequired[mapping_to(str)],
    repeatable=NotRequired[Literal["exactly", "up to chance"]],
)
MANIFEST_RECORD: TypeAdapter[Any] = TypeAdapter(with_others(_MANIFEST))


@dataclass(frozen=True)
class LayerDistance:
    """Two sides after one layer of the decoder."""

    layer: Count  # from 1; the last is the one that logits are made from
    distance: Finite  # `language_distance`: grows with the number of sentences and with the scale of the states
    cosine: Finite  # `mean_cosine`, -1 to 1
    retrieval: Finite  # `retrieval_accuracy`, 0 to 1


@dataclass(frozen=True)
class Ellipse:
    """Where the points of a language lie, as a normal distribution would have them."""

    language: str
    x: Finite
    y: Finite
    semi_major: Finite
    semi_minor: Finite
    angle_degrees: Finite  # of the major axis, counter-clockwise from the x axis, from -90 to 90


@dataclass(frozen=True)
class Case:
    """One sentence of the test set, as two systems translate it."""

    row: Count  # its place in the test set, from 0
    source: str
    reference: str
    hypothesis_a: str
    hypothesis_b: str
    chrf_a: Finite  # chrF++ of the sentence, 0 to 100
    chrf_b: Finite
    rare_words: tuple[str, ...]  # of the reference, in its order, each once
    unseen: tuple[str, ...] = ()  # those of them that the training texts do not hold


def _analysis(**fields: Any) -> TypeAdapter[Any]:
    return TypeAdapter(object_of(missing=list_of(str), **fields))


def _systems(**fields: Any) -> Any:
    return list_of(object_of(arm=str | None, seed=Whole | None, stage=str, **fields))


def _check_buckets(pair: Any) -> Any:
    keys = ("f_measure", "reference_words", "score")
    figures = [system[key] for system in pair["systems"] for key in keys if key in system]
    figures += [pair["sentences"]] if "sentences" in pair else []
    if any(len(values) != len(pair["buckets"]) for values in figures):
        raise ValueError("a figure for each bucket is expected")
    return pair


_DISTANCES = _systems(layers=list_of(object_of(LayerDistance), least=1))
_POINT = object_of(x=Finite, y=Finite, kind=str, language=str)
_PROJECTIONS = _systems(points=list_of(_POINT), ellipses=list_of(object_of(Ellipse)))
_BUCKET = object_of(**{"from": Count, "to": Count | None})
_F_MEASURES = object_of(arm=str, seed=Whole | None, f_measure=list_of(Finite | None), reference_words=list_of(Count))
_BUCKETED: Any = {"pair": str, "baseline": NotRequired[str], "buckets": list_of(_BUCKET, least=1)}
_FREQUENCIES: Any = object_of(**_BUCKETED, systems=list_of(_F_MEASURES))
_LENGTH_SCORES = object_of(arm=str, seed=Whole | None, score=list_of(Finite))
_LENGTHS: Any = object_of(**_BUCKETED, metric=str, unit=str, sentences=list_of(Count), systems=list_of(_LENGTH_SCORES))
_EVALUATION = object_of(update=Count, bleu=Finite | None, distance=Finite | None)
_DYNAMICS = object_of(arm=str, seed=Whole, valid=list_of(_EVALUATION), updates_to_baseline=Count | None)
_STAGE = object_of(
    **dict.fromkeys(("pair", "arm", "stage"), str),
    seed=Whole,
    updates=Count,
    seconds=Finite,
    **dict.fromkeys(("peak_gigabytes", "kilowatt_hours", "tokens_per_second"), Finite | None),
)
_CASE = object_of(Case, unseen=NotRequired[tuple[str, ...]])
ANALYSIS_RECORDS: Mapping[str, TypeAdapter[Any]] = {
    "distance": _analysis(pairs=list_of(object_of(pair=str, tests=str, sentences=Count, systems=_DISTANCES))),
    "projection": _analysis(pairs=list_of(object_of(pair=str, method=str, systems=_PROJECTIONS))),
    "frequency": _analysis(pairs=list_of(Annotated[_FREQUENCIES, AfterValidator(_check_buckets)])),
    "length": _analysis(pairs=list_of(Annotated[_LENGTHS, AfterValidator(_check_buckets)])),
    "dynamics": _analysis(pairs=list_of(object_of(pair=str, arms=list_of(_DYNAMICS)))),
    "cost": _analysis(rows=list_of(_STAGE)),
    "cases": _analysis(pairs=list_of(object_of(pair=str, arm_a=str, arm_b=str, sentences=list_of(_CASE)))),
}
"""By name, the files of `switchtune analyse`."""
