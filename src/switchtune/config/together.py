"""Several directions in one model: which pairs it learns, and how often it sees each."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pydantic import Field, field_validator, model_validator

from switchtune.config.base import Settings, repeated
from switchtune.config.problems import shortened
from switchtune.errors import nearest
from switchtune.files import fingerprint

_LONGEST_NAME = 100


class Directed(Protocol):
    """A pair, by its name and languages."""

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> tuple[str, str]: ...


P = TypeVar("P", bound=Directed)


class TogetherSettings(Settings):
    """Several directions in one model: `together: true`, or the groups alone, `together: [[de-en, tr-en], [en-de]]`."""

    groups: bool | tuple[tuple[str, ...], ...] = Field(False, union_mode="left_to_right")
    """`true`: one model learns all pairs; `false`: each pair has its own. Or lists of pairs by name: one model learns
    each list, and a pair that is in none has its own."""
    temperature: float = Field(1.5, ge=1, le=100)
    """How evenly pairs share a model's examples: of each kind, in proportion to size^(1/temperature). 1 follows their
    sizes; the larger it is, the more often small corpora are seen."""
    updates_per_pair: bool = True
    """Whether a model gets `training.updates` for each of its pairs, so that one model for three pairs gets as many as
    three models would. `false`: it gets `training.updates` however many pairs it learns."""

    @model_validator(mode="before")
    @classmethod
    def _from_groups(cls, value: Any) -> Any:
        return block_of_groups(value)

    @field_validator("groups", mode="before")
    @classmethod
    def _all_or_lists(cls, groups: Any) -> Any:
        lists = isinstance(groups, list | tuple) and all(isinstance(group, list | tuple) for group in groups)
        if isinstance(groups, bool) or (lists and all(isinstance(name, str) for group in groups for name in group)):
            return groups
        example = "[[de-en, tr-en], [en-de]]"
        raise ValueError(f"expected true, false or lists of pairs, as in {example}; found {shortened(repr(groups))}")

    def updates(self, updates: int, pairs: int) -> int:
        """Updates of a model of so many pairs, of those that the configuration names."""
        return updates * pairs if self.updates_per_pair else updates


def block_of_groups(value: Any) -> Any:
    """The block that is meant where the groups stand in its place."""
    return value if isinstance(value, Mapping | Settings) else {"groups": value}


def groups_of(settings: TogetherSettings, pairs: Sequence[P]) -> tuple[tuple[P, ...], ...]:
    """The pairs that each model learns, in the order of their first; every pair is in one group.

    Raises:
        ValueError: a pair that is not there or stands twice, or a group whose pairs have no language in common.
    """
    by_name = {pair.name: pair for pair in pairs}
    if settings.groups is True:
        groups = [tuple(pairs)]
    else:
        groups = [tuple(_named(name, by_name) for name in group) for group in settings.groups or ()]
        if name := repeated([pair.name for group in groups for pair in group]):
            raise ValueError(f"together: {name!r} appears twice; a pair is learned by one model of an arm")
        if not all(groups):
            raise ValueError("together: a group without pairs; leave it out")
        grouped = {pair.name for group in groups for pair in group}
        groups += [(pair,) for pair in pairs if pair.name not in grouped]
    for group in groups:
        _require_common_languages(group)
    places = {pair.name: place for place, pair in enumerate(pairs)}
    return tuple(sorted(groups, key=lambda group: min(places[pair.name] for pair in group)))


def _named(name: str, by_name: Mapping[str, P]) -> P:
    if name not in by_name:
        raise ValueError(f"together: {name!r} is none of the pairs; {nearest(name, by_name)}")
    return by_name[name]


def _require_common_languages(group: Sequence[Directed]) -> None:
    """Refuse pairs of which some share no language with the others, directly or by way of a third."""
    first, *others = group
    reached, apart = set(first.languages), list(others)
    while joined := [pair for pair in apart if reached & set(pair.languages)]:
        reached |= {language for pair in joined for language in pair.languages}
        apart = [pair for pair in apart if pair not in joined]
    if apart:
        raise ValueError(
            f"together: {apart[0].name} shares no language with {first.name}, and in one model they would only take "
            "room from each other. Leave it out of the group, or give it one of its own"
        )


def group_name(pairs: Sequence[str]) -> str:
    """What a model's folder and messages call the pairs that it learns."""
    name = "+".join(pairs)
    return name if len(name) <= _LONGEST_NAME else f"{pairs[0]}+{len(pairs) - 1}more.{fingerprint(list(pairs))[:8]}"
