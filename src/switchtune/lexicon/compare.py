"""What two lexicons have in common."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from switchtune.corpus.words import lower_case
from switchtune.lexicon.records import Lexicon, LexiconError


def check_direction(a: Lexicon, b: Lexicon) -> None:
    """Raise a LexiconError unless two lexicons are of one direction."""
    directions = [f"{lexicon.source_language}-{lexicon.target_language}" for lexicon in (a, b)]
    if directions[0] != directions[1]:
        raise LexiconError(
            f"The lexicons have different directions, {directions[0]} and {directions[1]}; two of one direction are"
            " expected. The direction is in a file's first line, or in its name (lexicon.de-en.tsv)."
        )


@dataclass(frozen=True, slots=True)
class FirstTranslations:
    """A word of two lexicons and its first translation in each; None where the lexicon lacks the word."""

    word: str
    count: int
    first_a: str | None
    first_b: str | None

    def describe(self) -> str:
        """One line for people."""
        count = f"{self.count:,}" if self.count else ""
        firsts = " | ".join(first for first in (self.first_a, self.first_b) if first is not None)
        return f"{count:>11}  {self.word} → {firsts}"


@dataclass(frozen=True)
class Difference:
    """Where two lexicons of one direction, A and B, agree and where not; examples: most frequent words first."""

    both: int  # Words that both have
    only_a: int
    only_b: int
    same_first: int  # Of the words that both have, those with the same first translation, letter case aside
    other_first: int
    examples: tuple[FirstTranslations, ...]  # Words with another first translation
    examples_only_a: tuple[FirstTranslations, ...]
    examples_only_b: tuple[FirstTranslations, ...]

    def describe(self) -> str:
        """All of it, for a terminal."""
        share = f" ({self.same_first / self.both:.1%})" if self.both else ""
        lines = [
            f"{self.both:,} words in both, {self.only_a:,} only in A, {self.only_b:,} only in B",
            f"in both: {self.same_first:,}{share} with the same first translation, {self.other_first:,} with another",
        ]
        another = ("a different first translation (A | B)", self.examples)
        for title, examples in (another, ("only in A", self.examples_only_a), ("only in B", self.examples_only_b)):
            if examples:
                lines += ["", f"{title}, the most frequent:", *(example.describe() for example in examples)]
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def lexicon_difference(a: Lexicon, b: Lexicon, *, examples: int = 10) -> Difference:
    """Compare two lexicons of one direction; with so many examples of each kind."""
    check_direction(a, b)
    both = a.entries.keys() & b.entries.keys()
    differ = {key for key in both if not _same_first(a, b, key)}
    only_a, only_b = a.entries.keys() - both, b.entries.keys() - both
    return Difference(
        both=len(both),
        only_a=len(only_a),
        only_b=len(only_b),
        same_first=len(both) - len(differ),
        other_first=len(differ),
        examples=_examples(a, b, differ, examples),
        examples_only_a=_examples(a, b, only_a, examples),
        examples_only_b=_examples(a, b, only_b, examples),
    )


def _same_first(a: Lexicon, b: Lexicon, key: str) -> bool:
    firsts = (lexicon.entries[key].translations[0].word for lexicon in (a, b))
    return len({lower_case(first, a.target_language) for first in firsts}) == 1


def _examples(a: Lexicon, b: Lexicon, keys: Iterable[str], number: int) -> tuple[FirstTranslations, ...]:
    examples = []
    for key in keys:
        entries = [lexicon.entries.get(key) for lexicon in (a, b)]
        there = [entry for entry in entries if entry]
        firsts = [entry.translations[0].word if entry else None for entry in entries]
        examples.append(FirstTranslations(there[0].word, max(entry.count for entry in there), *firsts))
    return tuple(sorted(examples, key=lambda example: (-example.count, example.word))[:number])


def agreement(a: Lexicon, b: Lexicon, counts: Mapping[str, int]) -> float:
    """Share of the running words with an entry in either lexicon that have the same first translation in both.

    `counts` is how often each word, in lower case, occurs. 0 where no word has an entry.
    """
    check_direction(a, b)
    either = sum(count for key, count in counts.items() if key in a.entries or key in b.entries)
    both = (key for key in counts if key in a.entries and key in b.entries)
    same = sum(counts[key] for key in both if _same_first(a, b, key))
    return same / either if either else 0.0
