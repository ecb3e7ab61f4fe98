"""What every block of settings is made of: bounds, and problems told by dotted key."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_type_hints

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import TypedDict

from switchtune.config.problems import error_text
from switchtune.errors import SwitchtuneError
from switchtune.languages import find_language


def _language_code(name: str) -> str:
    try:
        return find_language(name).code
    except SwitchtuneError as error:
        raise ValueError(str(error)) from error


LanguageCode: TypeAlias = Annotated[str, AfterValidator(_language_code)]
"""A language by any of its codes or names; kept as its short code."""


def _direction(name: str) -> str:
    source, hyphen, target = name.partition("-")
    if not hyphen:
        raise ValueError(f"{name!r}: two languages are expected, as in de-tr")
    return "-".join(_language_code(code) for code in (source, target))


Direction: TypeAlias = Annotated[str, AfterValidator(_direction)]
"""Two languages with a hyphen between; kept as their short codes, as pairs are named."""
ColumnName: TypeAlias = Annotated[str, Field(coerce_numbers_to_str=True)]
"""The name of a column, or its number."""


Updates: TypeAlias = Annotated[int, Field(ge=1, le=10**8)]
Rows: TypeAlias = Annotated[int, Field(ge=1, le=10**9)]
Tokens: TypeAlias = Annotated[int, Field(ge=1, le=100_000)]
"""Of one text."""
BatchTokens: TypeAlias = Annotated[int, Field(ge=16, le=10**8)]
AtOnce: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
Processes: TypeAlias = Annotated[int, Field(ge=0, le=256)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
"""Processes and second builds add to it, and numpy takes 32 bits."""
LearningRate: TypeAlias = Annotated[float, Field(gt=0, le=10)]
Warmup: TypeAlias = Annotated[float, Field(ge=0, le=10**8)]
Decay: TypeAlias = Annotated[float, Field(ge=0, le=10)]
BelowOne: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Weight: TypeAlias = Annotated[float, Field(ge=1e-6, le=1e6)]

OnProblems: TypeAlias = Literal["stop", "strict", "tell", "off"]
"""What a command does if its data has problems: see `check` in `RunConfig`."""

LONGEST_LIST = 1000
MOST_PROBLEMS = 20

# What JSON files hold that are read again
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**15)]
Whole: TypeAlias = Annotated[int, Field(ge=-(10**15), le=10**15)]
Finite: TypeAlias = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


def object_of(*kinds: type, **fields: Any) -> Any:
    """The type of an object with the fields of dataclasses, and more; what else it holds is left out."""
    inherited = {name: hint for kind in kinds for name, hint in get_type_hints(kind, include_extras=True).items()}
    typed_dict: Any = TypedDict
    return typed_dict("_object", {**inherited, **fields})


def with_others(kind: Any) -> Any:
    """The type of an object that keeps what else it holds."""
    kind.__pydantic_config__ = ConfigDict(extra="allow")
    return kind


def list_of(item: Any, *, least: int = 0) -> Any:
    """The type of a list; an item takes tens of bytes of memory, and one or two in the file."""
    return Annotated[list[item], Field(min_length=least, max_length=10**6)]


def mapping_to(item: Any) -> Any:
    """The type of an object with any keys."""
    return dict[str, item]


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", name):
        raise ValueError(f"{name!r} cannot name a folder: letters, digits, '.', '_', '+' and '-' only, 100 at most")
    return name


FolderName: TypeAlias = Annotated[str, AfterValidator(_folder_name)]


def repeated(names: Sequence[str]) -> str | None:
    """A name that stands more than once."""
    return next((name for name in sorted(names) if names.count(name) > 1), None)


class Settings(BaseModel):
    """Base of every block: unknown keys are refused, values do not change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
        str_min_length=1,
        str_max_length=4096,
    )

    def as_yaml(self) -> str:
        """All values, defaults included: the content of a run's `config.resolved.yaml`."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


Block = TypeVar("Block", bound=Settings)


def with_changes(settings: Block, changes: Mapping[str, Any], location: str) -> Block:
    """`settings` with some values replaced, checked like any other block."""
    try:
        return type(settings).model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        problems = [error_text(type(settings), item) for item in error.errors()]
        raise ValueError("; ".join(f"{location}: {problem}" for problem in problems)) from error
