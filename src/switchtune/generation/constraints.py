"""Phrases that an output is to hold, as ids: in which forms, at which places."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from switchtune.corpus.words import capitalised, is_unspaced
from switchtune.errors import UsageError
from switchtune.models.layout import Layout

_LOGGER = logging.getLogger(__name__)
_STOP = "。"
"""What a word of a script without spaces is put behind, to see its pieces within a sentence."""

Forms: TypeAlias = tuple[str, ...]
"""A phrase in all forms that will do, the preferred one first."""
Ids: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A phrase in ids, of which an output holds one form."""

    forms: tuple[Ids, ...]
    """As the phrase stands anywhere."""
    initial: tuple[Ids, ...]
    """Further ones, as it begins an output: with a capital."""
    ends_word: bool
    """Whether letters right behind it would make another word of it."""

    @property
    def shortest(self) -> int:
        """Tokens of its shortest form."""
        return min(map(len, self.forms + self.initial))

    @property
    def longest(self) -> int:
        return max(map(len, self.forms + self.initial))


def encoded_constraints(
    layout: Layout, phrases: Sequence[Sequence[Forms]], target_language: str
) -> list[tuple[Constraint, ...]]:
    """The constraints of each sentence, without those that no output can hold; the log tells how many these are.

    Such are phrases with a character that the vocabulary lacks, and those of which the tokens, with the phrases before
    them, are more than the model has positions.

    Raises:
        UsageError: a phrase is a text and not the forms of one.
    """
    room = None if layout.positions is None else layout.positions - 3  # The start, a forced tag, the end

    @cache
    def encoded(forms: Forms) -> Constraint | None:
        return _constraint(layout, forms, target_language)

    constraints, unwritable, too_many = list[tuple[Constraint, ...]](), 0, 0
    for of_sentence in phrases:
        kept, tokens = list[Constraint](), 0
        for forms in of_sentence:
            if isinstance(forms, str):
                raise UsageError(f"constraints: {forms!r} is a text. Give a phrase as a tuple of forms: ({forms!r},).")
            found = encoded(tuple(forms))
            if found is None:
                unwritable += 1
            elif room is not None and tokens + found.longest > room:
                too_many += 1
            else:
                kept.append(found)
                tokens += found.longest
        constraints.append(tuple(kept))
    if unwritable or too_many:
        _LOGGER.warning(
            "Of the terms that outputs are to hold, %d have a character that the model's vocabulary lacks, and %d have "
            "no room within its %s positions; the outputs are searched without them.",
            *(unwritable, too_many, layout.positions),
        )
    return constraints


def _constraint(layout: Layout, forms: Forms, language: str) -> Constraint | None:
    """A phrase in ids, in the forms that can be written; None where there are none."""
    written = [form.strip() for form in forms if form.strip()]
    if not written:
        return None
    unspaced = is_unspaced(written[0][0])
    anywhere = [f" {form}" for form in written] if layout.family.bytewise else written
    ids = layout.plain_ids(anywhere)
    capitals = [capitalised(form, language) for form in written]
    initial = layout.plain_ids([*written, *capitals])
    if unspaced:
        before, *behind = layout.plain_ids([_STOP, *(_STOP + form for form in written)])
        ids += [each[len(before) :] for each in behind if each[: len(before)] == before]
    unknown = layout.tokenizer.unk_token_id
    can_be = [tuple(each) for each in dict.fromkeys(map(tuple, ids)) if each and unknown not in each]
    first = [each for each in dict.fromkeys(map(tuple, initial)) if each and unknown not in each and each not in can_be]
    return Constraint(tuple(can_be), tuple(first), not is_unspaced(written[0][-1])) if can_be else None
