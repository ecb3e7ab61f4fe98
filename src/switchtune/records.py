"""The JSON that steps leave for others to read: its types, and how it is checked against them where it is read."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict

from switchtune.errors import SwitchtuneError
from switchtune.files import content_of

_Record = TypeVar("_Record")

AGAIN = "Remove the file to have it made again."


def read_record(path: Path, kind: TypeAdapter[_Record], *, remedy: str = AGAIN) -> _Record:
    """The content of a JSON file.

    Args:
        remedy: what to do where it is not of this kind.

    Raises:
        SwitchtuneError: the file cannot be read, is not valid JSON, or not of this kind.
    """
    return parse_record(content_of(path, remedy=remedy), kind, str(path), remedy=remedy)


def parse_record(content: str | bytes, kind: TypeAdapter[_Record], origin: str, *, remedy: str = AGAIN) -> _Record:
    """What `read_record` does with a file's content; `origin` names it in errors.

    Raises:
        SwitchtuneError: it is not valid JSON, or not of this kind.
    """
    try:
        return kind.validate_json(content, strict=True)
    except ValidationError as error:
        raise SwitchtuneError(f"{origin}: {_problem(error)} {remedy}") from error


def _problem(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False)
    if first["type"] == "json_invalid":
        return f"not valid JSON ({first['msg'].removeprefix('Invalid JSON: ')})."
    place = ".".join(map(str, first["loc"]))
    more = f"; {1 + len(others):,} problems in all" if others else ""
    return f"{place + ': ' if place else ''}{first['msg']} (found {first['input']!r:.60}){more}."


# What stands in the files. What else an object holds is left out.


def object_of(**fields: Any) -> Any:
    """An object with these keys."""
    return TypedDict("_object", fields)  # type: ignore[operator]


def _all(kind: Any, names: str) -> dict[str, Any]:
    """Fields of the same type."""
    return dict.fromkeys(names.split(), kind)


def _list(item: Any, *, least: int = 0) -> Any:
    # An item takes tens of bytes of memory, and one or two in the file.
    return Annotated[list[item], Field(min_length=least, max_length=10**6)]


def _by_name(item: Any) -> Any:
    return dict[str, item]


def _record(**fields: Any) -> TypeAdapter[Any]:
    return TypeAdapter(object_of(**fields))


def _checked(kind: Any, check: Callable[[Any], bool], problem: str) -> Any:
    def checked(value: Any) -> Any:
        if not check(value):
            raise ValueError(problem)
        return value

    return Annotated[kind, AfterValidator(checked)]


def _whole(kind: Any) -> Any:
    """An object that keeps what else it holds."""
    kind.__pydantic_config__ = ConfigDict(extra="allow")
    return kind


_Count: TypeAlias = Annotated[int, Field(ge=0, le=10**15)]
_Whole: TypeAlias = Annotated[int, Field(ge=-(10**15), le=10**15)]
_Figure: TypeAlias = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
_Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_COUNT, WHOLE, _FIGURE, _SHARE = cast("Any", (_Count, _Whole, _Figure, _Share))
_INTERVAL: Any = tuple[_Figure, _Figure]
_VERDICT: Any = Literal["green", "amber", "red"]

_COMPARED = {
    **_all(str, "metric signature test"),
    **_all(_FIGURE, "value_a value_b difference"),
    **_all(_SHARE, "p_value adjusted_p_value"),
    "interval": _INTERVAL,
    **_all(_COUNT, "n runs_a runs_b resamples seed"),
    "comparisons": Annotated[int, Field(ge=1, le=10**15)],
    "answer": Literal["better", "worse", "undecided"],
}
CURVE_ENTRY: TypeAdapter[dict[str, Any]] = TypeAdapter(
    _whole(
        object_of(
            stage=str,
            update=_COUNT,
            seconds=_FIGURE,
            **_all(NotRequired[_COUNT], "tokens skipped too_large"),
            sums=NotRequired[_list(_list(_FIGURE))],
            **_all(NotRequired[_FIGURE], "memory_gb kilowatt_hours loss nll learning_rate tokens_per_second padding"),
            **_all(NotRequired[_FIGURE], "valid_nll valid_chrf valid_accuracy"),
        )
    )
)
SCORES = {
    "bleu": "BLEU",
    "chrf": "chrF++",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "in_language": "in-language",
    "accuracy": "accuracy",
}
_SCORE_LISTS = {
    key: NotRequired[_list(object_of(metric=Literal[metric], value=_FIGURE, signature=str, n=_COUNT))]
    for key, metric in SCORES.items()
}


def _of_all_seeds(metrics: Any) -> bool:
    scores = [row[key] for row in metrics["rows"] for key in SCORES if row.get(key)]
    return all(len(each) == len(metrics["seeds"]) for each in scores)


_ROW = object_of(
    **_all(str, "pair recipe"),
    updates=_by_name(_COUNT),
    minutes=_FIGURE,
    **_SCORE_LISTS,
    score_interval=NotRequired[_INTERVAL],
    against_baseline=object_of(**_COMPARED) | None,
    by_other_metrics=NotRequired[_list(object_of(**_COMPARED))],
)
_METRICS = object_of(baseline=str, seeds=_list(int, least=1), remarks=NotRequired[_list(str)], rows=_list(_ROW))
METRICS_RECORD: TypeAdapter[Any] = TypeAdapter(
    _checked(_METRICS, _of_all_seeds, "as many scores as seeds are expected in every row")
)

_DATA = _by_name(_whole(object_of(fingerprint=str)))
MANIFEST_RECORD: TypeAdapter[Any] = TypeAdapter(
    _whole(
        object_of(corpora=NotRequired[_by_name(_DATA)], data=NotRequired[_DATA], lexicons=NotRequired[_by_name(str)])
    )
)
_CELL = object_of(**_all(str, "trained tested"), supervised=bool, **_COMPARED)
_MATRIX = object_of(
    **_all(str, "tests target baseline arm verdict"), **_all(_list(str), "trained tested"), cells=_list(_CELL)
)
ZEROSHOT_RECORD = _record(matrices=_list(_MATRIX))


def _analysis(**fields: Any) -> TypeAdapter[Any]:
    return _record(missing=_list(str), **fields)


def _systems(**fields: Any) -> Any:
    return _list(object_of(arm=str | None, seed=WHOLE | None, stage=str, **fields))


def _a_figure_each_bucket(pair: Any) -> bool:
    figures = [each[key] for each in pair["systems"] for key in ("f_measure", "reference_words")]
    return all(len(each) == len(pair["buckets"]) for each in figures)


_LAYER = object_of(layer=_COUNT, **_all(_FIGURE, "distance cosine retrieval"))
_POINT = object_of(**_all(_FIGURE, "x y"), **_all(str, "kind language"))
_ELLIPSE = object_of(**_all(_FIGURE, "x y semi_major semi_minor angle_degrees"), language=str)
_FREQUENCIES = object_of(
    pair=str,
    buckets=_list(object_of(**{"from": _COUNT, "to": _COUNT | None}), least=1),
    systems=_list(object_of(arm=str, seed=WHOLE, f_measure=_list(_FIGURE | None), reference_words=_list(_COUNT))),
)
_EVALUATION = object_of(update=_COUNT, **_all(_FIGURE | None, "bleu distance"))
_DYNAMICS = object_of(arm=str, seed=WHOLE, valid=_list(_EVALUATION), updates_to_baseline=_COUNT | None)
_STAGE = object_of(
    **_all(str, "pair arm stage"),
    seed=WHOLE,
    updates=_COUNT,
    seconds=_FIGURE,
    **_all(_FIGURE | None, "peak_gigabytes kilowatt_hours tokens_per_second"),
)
_CASE = object_of(
    row=_COUNT,
    **_all(str, "source reference hypothesis_a hypothesis_b"),
    **_all(_FIGURE, "chrf_a chrf_b"),
    rare_words=_list(str),
)
ANALYSIS_RECORDS: Mapping[str, TypeAdapter[Any]] = {
    "distance": _analysis(
        pairs=_list(object_of(pair=str, tests=str, sentences=_COUNT, systems=_systems(layers=_list(_LAYER, least=1))))
    ),
    "projection": _analysis(
        pairs=_list(object_of(pair=str, method=str, systems=_systems(points=_list(_POINT), ellipses=_list(_ELLIPSE))))
    ),
    "frequency": _analysis(
        pairs=_list(_checked(_FREQUENCIES, _a_figure_each_bucket, "a figure for each bucket is expected"))
    ),
    "dynamics": _analysis(pairs=_list(object_of(pair=str, arms=_list(_DYNAMICS)))),
    "cost": _analysis(rows=_list(_STAGE)),
    "cases": _analysis(pairs=_list(object_of(**_all(str, "pair arm_a arm_b"), sentences=_list(_CASE)))),
}
"""By name, the files of `switchtune analyse`."""

_JUDGED = {"verdict": _VERDICT, **_all(_FIGURE | None, "lift coverage stability")}
_SAMPLE = object_of(
    **_all(str, "band word"),
    count=_COUNT,
    translations=_list(object_of(word=str, strength=_FIGURE)),
    paired=_FIGURE | None,
)
_DIRECTION = object_of(
    **_all(str, "source target"),
    **_JUDGED,
    **_all(_FIGURE | None, "paired shuffled deviations"),
    entries=_COUNT,
    samples=_list(_SAMPLE),
    compounds=NotRequired[_list(object_of(word=str, phrase=str, count=_COUNT))],
)
JUDGEMENT_RECORD = _record(
    languages=tuple[str, str],
    **_JUDGED,
    **_all(str, "method chosen"),
    held_out_pairs=_COUNT,
    directions=_list(_DIRECTION),
    reasons=_list(str),
    **_all(NotRequired[_list(str)], "tried next_steps"),
)
