"""Terms found in sentences: in any case, in forms that begin alike, the longest first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from switchtune.corpus.words import Segmenter, Words, lower_case
from switchtune.lexicon.forms import endless, same_form

_REMEMBERED = 1 << 16  # Words of which it is kept which terms begin with them


_lower_case = lru_cache(maxsize=_REMEMBERED)(lower_case)


@dataclass(frozen=True, slots=True)
class Found:
    """A term in a sentence."""

    begin: int
    end: int  # The word after the last
    term: int
    """Its number among the terms that are looked for."""
    exact: bool
    """Whether it stands there as it is looked for, but for case."""


@dataclass(frozen=True, slots=True)
class _Term:
    keys: tuple[str, ...]  # Its words in lower case
    gaps: tuple[str, ...]  # Between them


def joins(gap: str) -> bool:
    """Whether what stands between two words lets them be one term: nothing but white space or a hyphen."""
    return not gap.strip(" \u00a0-\u2010")


@dataclass(frozen=True)
class TermFinder:
    """Finds terms of a language in its sentences, by an index of what their first words begin with.

    How long it takes for a sentence hardly depends on how many terms there are. A term without a word (only
    punctuation, an address, a placeholder) is never found: one of `unfindable`.
    """

    language: str
    segmenter: Segmenter
    terms: Sequence[str]

    @cached_property
    def _split(self) -> tuple[_Term, ...]:
        split = map(self.segmenter.split, self.terms)
        return tuple(
            _Term(tuple(lower_case(word, self.language) for word in each.words), each.gaps[1:-1]) for each in split
        )

    @cached_property
    def unfindable(self) -> tuple[int, ...]:
        """Numbers of the terms that have no word."""
        return tuple(number for number, term in enumerate(self._split) if not term.keys)

    @cached_property
    def _index(self) -> dict[str, tuple[int, ...]]:
        """By their first word, with its ending and without: the terms, longest first."""
        index: dict[str, list[int]] = {}
        for number, term in enumerate(self._split):
            for stem in dict.fromkeys(endless(term.keys[0], self.language)) if term.keys else ():
                index.setdefault(stem, []).append(number)
        return {
            stem: tuple(sorted(found, key=lambda each: -len(self._split[each].keys))) for stem, found in index.items()
        }

    @cached_property
    def _beginning(self) -> Callable[[str], tuple[tuple[int, int, bool], ...]]:
        """Terms that a word, in lower case, may begin: their words, numbers, and whether the first is just that."""

        @lru_cache(maxsize=_REMEMBERED)
        def beginning(key: str) -> tuple[tuple[int, int, bool], ...]:
            stems = endless(key, self.language)
            numbers = dict.fromkeys(number for stem in stems for number in self._index.get(stem, ()))
            terms = ((self._split[number].keys, number) for number in numbers)
            return tuple((len(keys), number, keys[0] == key) for keys, number in terms)

        return beginning

    def find(self, words: Words) -> list[Found]:
        """The terms in a sentence by their places; none overlap. The longest count, then those that are there exactly.

        Words of a term stand side by side, with nothing but white space or a hyphen between them, or what the term has.
        """
        keys = [_lower_case(word, self.language) for word in words.words]
        found = list[tuple[int, int, bool, int]]()
        for begin, key in enumerate(keys):
            for length, number, exact in self._beginning(key):
                rest = self._rest(keys, words.gaps, begin, number) if length > 1 else True
                if rest is not None:
                    found.append((length, begin, exact and rest, number))
        taken, chosen = set[int](), list[Found]()
        for length, begin, exact, number in sorted(found, key=lambda each: (-each[0], not each[2], each[1], each[3])):
            if taken.isdisjoint(range(begin, begin + length)):
                taken.update(range(begin, begin + length))
                chosen.append(Found(begin, begin + length, number, exact))
        return sorted(chosen, key=lambda each: each.begin)

    def count(self, words: Words, term: int) -> tuple[int, int]:
        """How often one term stands in a sentence: exactly, and in any form."""
        keys, length = [_lower_case(word, self.language) for word in words.words], len(self._split[term].keys)
        exact = forms = 0
        begin = 0
        while length and begin + length <= len(keys):
            first = same_form(keys[begin], self._split[term].keys[0], self.language)
            rest = self._rest(keys, words.gaps, begin, term) if first else None
            if rest is not None:
                forms += 1
                exact += rest and keys[begin] == self._split[term].keys[0]
            begin += length if rest is not None else 1
        return exact, forms

    def _rest(self, keys: Sequence[str], gaps: Sequence[str], begin: int, number: int) -> bool | None:
        """Whether the words after the first are just those of a term; None where they are not even other forms."""
        term = self._split[number]
        if begin + len(term.keys) > len(keys):
            return None
        exact = True
        for place, (key, gap) in enumerate(zip(term.keys[1:], term.gaps, strict=True), begin + 1):
            between = gaps[place]
            if not same_form(keys[place], key, self.language) or not (
                between == gap or (joins(between) and joins(gap))
            ):
                return None
            exact = exact and keys[place] == key
        return exact
