"""Lexicons turned round, merged and compared, and hand edits made again on a lexicon that was built anew."""

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, TypeAdapter

from switchtune.corpus.words import lower_case
from switchtune.files import write_json
from switchtune.lexicon import (
    UNDETERMINED,
    Entry,
    Lexicon,
    LexiconError,
    Measure,
    Translation,
    Vocabulary,
    strongest_first,
)
from switchtune.lexicon.block import BlockList, without_blocked
from switchtune.records import read_record

LEAST_FIT = 0.01
"""A dictionary does not fit if less than this share of its pairs stand in the corpus and their words are less than this
share of the running words: a large dictionary may have few of its pairs there, a small one few of the words."""

CLEARLY_BETTER = 2.0
"""A dictionary stands the other way round if so many times as many of its pairs fit then."""

_Link: TypeAlias = tuple[str, int, Translation]
"""A word, its count, and one translation of it."""


# Turned round


def inverted(lexicon: Lexicon) -> Lexicon:
    """The same pairs in the other direction, each with its strength, as the pair's."""
    links = (
        (translation.word, translation.count, Translation(entry.word, translation.strength, entry.count))
        for entry in lexicon.entries.values()
        for translation in entry.translations
    )
    return Lexicon(
        lexicon.target_language,
        lexicon.source_language,
        lexicon.method,
        lexicon.measure,
        lexicon.unit,
        _entries(links, lexicon.target_language),
    )


def _entries(links: Iterable[_Link], language: str) -> dict[str, Entry]:
    """Entries of a language from their links: casing and count of the most frequent form, repeated pairs once."""
    words: dict[str, tuple[str, int]] = {}
    found: dict[str, dict[str, Translation]] = {}
    for word, count, translation in links:
        key = lower_case(word, language)
        if key not in words or words[key][1] < count:
            words[key] = word, count
        translations = found.setdefault(key, {})
        known = translations.get(translation.word)
        if known is None or known.strength < translation.strength:
            translations[translation.word] = translation
    return {key: Entry(*words[key], strongest_first(found[key].values())) for key in words}


def oriented(
    dictionary: Lexicon, source: Vocabulary, target: Vocabulary, languages: tuple[str, str], *, origin: Path | str
) -> Lexicon:
    """A dictionary as it fits a corpus: in its direction, and with its casing and counts for the words that it has.

    The languages that the dictionary declares decide: where they are the corpus's the other way round, it is inverted.
    Where they are `UNDETERMINED`, its pairs tell whether it stands the right way round. `source` and `target` are the
    corpus's vocabularies, `origin` names the dictionary in errors.

    Raises:
        LexiconError: the dictionary declares other languages, declares none and fits the corpus clearly better the
            other way round, or has next to nothing in common with it.
    """
    declared = (dictionary.source_language, dictionary.target_language)
    forward, backward = _agree(declared, languages), _agree(declared, languages[::-1])
    if not (forward or backward):
        raise LexiconError(
            f"{origin}: a dictionary {'-'.join(declared)} by its header or its name, but the corpus is"
            f" {'-'.join(languages)}. Give a dictionary of these languages, or correct the header or the name."
        )
    if not forward:
        dictionary = inverted(dictionary)
    _check_fit(dictionary, (source, target), languages, undetermined=forward and backward, origin=origin)
    links = (
        (*_as_in(source, entry.word, entry.count, languages[0]), _translation_as_in(target, translation, languages[1]))
        for entry in dictionary.entries.values()
        for translation in entry.translations
    )
    return Lexicon(*languages, dictionary.method, dictionary.measure, dictionary.unit, _entries(links, languages[0]))


def _agree(declared: tuple[str, str], languages: tuple[str, str]) -> bool:
    return all(one in (other, UNDETERMINED) for one, other in zip(declared, languages, strict=True))


def _as_in(vocabulary: Vocabulary, word: str, count: int, language: str) -> tuple[str, int]:
    """The usual casing and the count of a word in a vocabulary; as they stand if it is not there."""
    place = vocabulary.index.get(lower_case(word, language))
    return (word, count) if place is None else (vocabulary.words[place], int(vocabulary.counts[place]))


def _translation_as_in(vocabulary: Vocabulary, translation: Translation, language: str) -> Translation:
    word, count = _as_in(vocabulary, translation.word, translation.count, language)
    return Translation(word, translation.strength, count)


@dataclass(frozen=True, slots=True)
class _Fit:
    pairs: int
    """Pairs whose words both stand in the corpus."""
    share: float
    """Of all pairs."""
    coverage: float
    """Share of the corpus's running words, on the pairs' source side, that such pairs have."""

    @property
    def enough(self) -> bool:
        return self.share >= LEAST_FIT or self.coverage >= LEAST_FIT


def _fit(
    pairs: Sequence[tuple[str, str]], vocabularies: tuple[Vocabulary, Vocabulary], languages: tuple[str, str]
) -> _Fit:
    source, target = (
        _places(side, vocabulary, language)
        for side, vocabulary, language in zip(zip(*pairs, strict=True), vocabularies, languages, strict=True)
    )
    fitting = [words for words, translation in zip(source, target, strict=True) if words and translation]
    covered = {place for words in fitting for place in words}
    total = int(vocabularies[0].counts.sum())
    running = int(vocabularies[0].counts[list(covered)].sum()) if covered else 0
    return _Fit(len(fitting), len(fitting) / len(pairs), running / max(1, total))


def _places(words: Iterable[str], vocabulary: Vocabulary, language: str) -> list[list[int]]:
    """Where each word, or all words of a phrase, stand in a vocabulary; nothing where one of them does not."""
    index = vocabulary.index
    found = ([index.get(part) for part in lower_case(word, language).split()] for word in words)
    return [[place for place in places if place is not None] if None not in places else [] for places in found]


def _check_fit(
    dictionary: Lexicon,
    vocabularies: tuple[Vocabulary, Vocabulary],
    languages: tuple[str, str],
    *,
    undetermined: bool,
    origin: Path | str,
) -> None:
    pairs = [(entry.word, link.word) for entry in dictionary.entries.values() for link in entry.translations]
    # Names and loan words that both languages write alike fit in any direction.
    telling = [pair for pair in pairs if pair[0].lower() != pair[1].lower()] or pairs
    if not telling:
        raise LexiconError(f"{origin}: the dictionary has no entries.")
    here = _fit(telling, vocabularies, languages)
    reversed_pairs = [(target, source) for source, target in telling]
    there = _fit(reversed_pairs, vocabularies, languages)
    this, other = "-".join(languages), "-".join(languages[::-1])
    shares = f"{here.share:.1%} of its pairs have both words in the corpus as {this}, {there.share:.1%} as {other}"
    turned = there.enough and there.pairs > CLEARLY_BETTER * here.pairs
    if undetermined and turned:
        raise LexiconError(
            f"{origin}: the dictionary seems to be {other}, not {this}: {shares}. Say what it is, and it is turned"
            f" round: name the file lexicon.{other}.tsv, begin it with the line '# switchtune lexicon {other}', or give"
            f" --langs {other} if that is what the corpus is."
        )
    if not here.enough:
        examples = ", ".join(f"{source} → {target}" for source, target in telling[:3])
        advice = f"Is it {other}, in spite of its header or name? " if turned else ""
        raise LexiconError(
            f"{origin}: the dictionary has next to nothing in common with the corpus: {shares}. It begins: {examples}."
            f" {advice}Check that its languages are those of the corpus, that it is written in the same script and"
            " spelling (accents, vowel marks), and that its words are cut like the corpus's, one word a column, not"
            " lemmas with articles, nor phrases; letter case does not matter."
        )


# Merged


@dataclass(frozen=True, slots=True)
class Weighted:
    """A lexicon, and how much it counts beside others."""

    lexicon: Lexicon
    weight: float

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"the weight of a lexicon is {self.weight!r}; a number above 0 is expected")


def combined(parts: Sequence[Weighted], *, k: int, floor: float, block: BlockList) -> Lexicon:
    """Lexicons of one direction as one.

    In each part, a translation's strength becomes a share, of 1 for the word's strongest: its part of the strongest's
    strength (probability), one over its rank (similarity, whose size says little from word to word), or 1 (none). The
    strength of a pair is the mean of its shares, by weight, over all parts, with 0 for a part that lacks it: from 0 to
    1, and the higher, the more parts are sure of it. Each word keeps its `k` strongest translations, ties in the order
    of the parts, whose strength is at least `floor` times that of the strongest; what `block` blocks takes no place.
    Casing and counts are those of the part that has seen the word most often.

    Raises:
        LexiconError: there are no parts, or they are of several directions or units.
    """
    _check_alike(parts)
    first = parts[0].lexicon
    language = first.target_language
    total = sum(part.weight for part in parts)
    words: dict[str, Entry] = {}
    targets: dict[str, Translation] = {}
    shares: dict[str, dict[str, float]] = {}
    for part in parts:
        for key, entry in part.lexicon.entries.items():
            if key not in words or words[key].count < entry.count:
                words[key] = entry
            found = shares.setdefault(key, {})
            for target, (translation, share) in _shares(entry, part.lexicon.measure, language).items():
                if target not in targets or targets[target].count < translation.count:
                    targets[target] = translation
                found[target] = found.get(target, 0.0) + share * part.weight / total
    entries = {
        key: Entry(
            entry.word,
            entry.count,
            strongest_first(
                Translation(targets[target].word, round(share, 6), targets[target].count)
                for target, share in shares[key].items()
            ),
        )
        for key, entry in words.items()
    }
    methods = [part.lexicon.method for part in parts]
    method = f"mixed({'+'.join(methods)})" if len(methods) > 1 else methods[0]
    merged = Lexicon(first.source_language, language, method, "probability", first.unit, entries)
    return _strongest(without_blocked(merged, block), k, floor)


def _check_alike(parts: Sequence[Weighted]) -> None:
    if not parts:
        raise LexiconError("There are no lexicons to merge: give one at least.")
    lexicons = [part.lexicon for part in parts]
    kinds = dict.fromkeys((each.source_language, each.target_language, each.unit) for each in lexicons)
    if len(kinds) > 1:
        found = ", ".join(f"{source}-{target} in {unit}s" for source, target, unit in kinds)
        raise LexiconError(
            f"Lexicons of one direction and unit can be merged; found: {found}. Name each file for its direction"
            " (lexicon.de-en.tsv), and merge the directions apart."
        )


def _shares(entry: Entry, measure: Measure, language: str) -> dict[str, tuple[Translation, float]]:
    """By the lower-case form of each translation: the first with this form, and its share of the entry's strongest."""
    shares: dict[str, tuple[Translation, float]] = {}
    strengths = [translation.strength for translation in entry.translations]
    strongest = max(strengths)
    for translation in entry.translations:
        if measure == "similarity":
            share = 1 / (1 + sum(strength > translation.strength for strength in strengths))
        elif measure == "probability" and strongest > 0:
            share = translation.strength / strongest
        else:
            share = 1.0
        shares.setdefault(lower_case(translation.word, language), (translation, share))
    return shares


def _strongest(lexicon: Lexicon, k: int, floor: float) -> Lexicon:
    entries = {}
    for key, entry in lexicon.entries.items():
        least = floor * entry.translations[0].strength
        kept = tuple(each for each in entry.translations[:k] if each.strength > 0 and each.strength >= least)
        if kept:
            entries[key] = Entry(entry.word, entry.count, kept)
    return replace(lexicon, entries=entries)


# Edited by hand


WordSet: TypeAlias = Annotated[frozenset[str], PlainSerializer(sorted, return_type=list[str])]


@dataclass(frozen=True)
class Edits:
    """What was changed by hand in a lexicon after it had been built; all by the word in lower case."""

    added_entries: Mapping[str, Entry]
    """Words that the built lexicon lacks."""
    removed_entries: WordSet
    added: Mapping[str, Entry]
    """Words that the built lexicon has, each with the translations that were added to it."""
    removed: Mapping[str, WordSet]
    """Translations that were removed from a word that stayed."""
    changed: Mapping[str, Entry]
    """Words with the translations whose strength was changed, and the new strengths."""
    recased: Mapping[str, str]
    """Words in their new casing."""
    order: Mapping[str, tuple[str, ...]]
    """The order of the translations of every word that was edited: it decides between equal strengths."""

    def __bool__(self) -> bool:
        return bool(self.order or self.removed_entries or self.recased)

    def describe(self) -> str:
        """What was edited, in a clause."""
        figures = [
            (len(self.added_entries), "words added"),
            (len(self.removed_entries), "words removed"),
            (sum(len(entry.translations) for entry in self.added.values()), "translations added"),
            (sum(map(len, self.removed.values())), "translations removed"),
            (sum(len(entry.translations) for entry in self.changed.values()), "strengths changed"),
            (len(self.recased), "words in another casing"),
        ]
        named = ", ".join(f"{what}: {count:,}" for count, what in figures if count)
        return f"edited by hand ({named or 'order of translations'})" if self else "not edited"


NO_EDITS = Edits({}, frozenset(), {}, {}, {}, {}, {})
_EDITS = TypeAdapter(Edits)


def edits(built: Lexicon, current: Lexicon, earlier: Edits = NO_EDITS) -> Edits:
    """What turns `built` into `current`, a lexicon of the same direction; counts aside.

    `earlier` is what had been edited before `built` was built: where `current` still is as it says, it stays an edit,
    though it may make no difference to `built`, which may lack the word or have it as the hand would.

    Raises:
        LexiconError: they are of different directions.
    """
    _check_direction(built, current)
    pairs = [(key, built.entries[key], entry) for key, entry in current.entries.items() if key in built.entries]
    before = {key: {each.word: each.strength for each in entry.translations} for key, entry, _ in pairs}
    after = {key: {each.word: each.strength for each in entry.translations} for key, _, entry in pairs}
    new = {key: entry for key, entry in current.entries.items() if key not in built.entries}
    touched = {key: entry for key, _, entry in pairs if list(before[key].items()) != list(after[key].items())}
    removed = {key: before[key].keys() - after[key].keys() for key in touched}
    still_cased = {
        key: word
        for key, word in earlier.recased.items()
        if key not in current.entries or current.entries[key].word == word
    }
    ordered = touched | new | {key: entry for key, entry in current.entries.items() if key in earlier.order}
    expected = apply_edits(earlier, built)
    return Edits(
        added_entries=_joined(_still(earlier.added_entries, current), new),
        removed_entries=frozenset((earlier.removed_entries | expected.entries.keys()) - current.entries.keys()),
        added=_joined(
            _still(earlier.added, current), _with_those(touched, lambda key, each: each.word not in before[key])
        ),
        removed={
            key: frozenset(gone)
            for key in dict.fromkeys((*earlier.removed, *removed))
            if (gone := (earlier.removed.get(key, frozenset()) | removed.get(key, set())) - after.get(key, {}).keys())
        },
        changed=_joined(
            _still(earlier.changed, current),
            _with_those(touched, lambda key, each: before[key].get(each.word, each.strength) != each.strength),
        ),
        recased=still_cased | {key: entry.word for key, old, entry in pairs if old.word != entry.word},
        order={key: words for key, words in earlier.order.items() if key not in current.entries}
        | {key: tuple(each.word for each in entry.translations) for key, entry in ordered.items()},
    )


def _still(entries: Mapping[str, Entry], current: Lexicon) -> dict[str, Entry]:
    """Those of the translations of `entries` that the current lexicon has, with its strengths."""
    words = {key: {each.word for each in entry.translations} for key, entry in entries.items()}
    present = {key: current.entries[key] for key in entries if key in current.entries}
    return _with_those(present, lambda key, each: each.word in words[key])


def _joined(earlier: Mapping[str, Entry], later: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of both, and of those that both have the translations of both."""
    joined = dict(earlier)
    for key, entry in later.items():
        translations = {each.word: each for each in (*joined.get(key, entry).translations, *entry.translations)}
        joined[key] = Entry(entry.word, entry.count, tuple(translations.values()))
    return joined


def write_edits(edits: Edits, path: Path) -> None:
    """Write what was edited by hand, as JSON."""
    write_json(path, _EDITS.dump_python(edits, mode="json"))


def read_edits(path: Path) -> Edits:
    """Read what `write_edits` wrote.

    Raises:
        SwitchtuneError: it is not what that writes.
    """
    remedy = "Put back a copy, or remove it; then only the edits that the lexicon's file shows are known."
    return read_record(path, _EDITS, remedy=remedy)


def _check_direction(one: Lexicon, other: Lexicon) -> None:
    directions = [f"{lexicon.source_language}-{lexicon.target_language}" for lexicon in (one, other)]
    if directions[0] != directions[1]:
        raise LexiconError(
            f"The lexicons are of two directions, {directions[0]} and {directions[1]}; two of one direction are"
            " expected. The direction stands in a file's first line, or in its name (lexicon.de-en.tsv)."
        )


def _with_those(entries: Mapping[str, Entry], chosen: Callable[[str, Translation], bool]) -> dict[str, Entry]:
    """The entries with their chosen translations, where there are any."""
    parts = {
        key: Entry(entry.word, entry.count, tuple(each for each in entry.translations if chosen(key, each)))
        for key, entry in entries.items()
    }
    return {key: entry for key, entry in parts.items() if entry.translations}


def apply_edits(edits: Edits, lexicon: Lexicon) -> Lexicon:
    """The lexicon, usually one that was built anew, with what was edited by hand in the one before.

    What the hand added, or gave another strength, is there with the hand's strength, whether it was found again or not;
    what the hand removed is not. All else is as it was found.
    """
    # The hand may have edited a lexicon of another measure; a probability above 1 could not be read again.
    most = 1.0 if lexicon.measure == "probability" else math.inf
    entries = {}
    for key in dict.fromkeys((*lexicon.entries, *edits.added_entries, *edits.added, *edits.changed)):
        entry = lexicon.entries.get(key)
        if key in edits.order or key in edits.recased:
            entry = _edited(edits, key, entry, most)
        if entry is not None and key not in edits.removed_entries:
            entries[key] = entry
    return replace(lexicon, entries=entries)


def _edited(edits: Edits, key: str, entry: Entry | None, most: float) -> Entry | None:
    """An entry, or None where nothing was found, as edited; None where no translation is left."""
    by_hand = [group[key] for group in (edits.added_entries, edits.added, edits.changed) if key in group]
    found = entry or (by_hand[0] if by_hand else None)
    if found is None:
        return None
    removed = edits.removed.get(key, frozenset())
    translations = {each.word: each for each in (entry.translations if entry else ()) if each.word not in removed}
    for each in (each for group in by_hand for each in group.translations):
        count = translations[each.word].count if each.word in translations else each.count
        translations[each.word] = Translation(each.word, min(each.strength, most), count)
    place = {word: number for number, word in enumerate(edits.order.get(key, ()))}
    in_order = sorted(translations.values(), key=lambda each: (-each.strength, place.get(each.word, len(place))))
    return Entry(edits.recased.get(key, found.word), found.count, tuple(in_order)) if in_order else None


# Compared


@dataclass(frozen=True, slots=True)
class Example:
    """A word of two lexicons and its first translation in each; None where the lexicon lacks the word."""

    word: str
    count: int
    first_a: str | None
    first_b: str | None


@dataclass(frozen=True)
class Difference:
    """Where two lexicons of one direction, A and B, agree and where not; examples: most frequent words first."""

    both: int
    """Words that both have."""
    only_a: int
    only_b: int
    same_first: int
    """Of the words that both have, those with the same first translation, letter case aside."""
    other_first: int
    examples: tuple[Example, ...]
    """Words with another first translation."""
    examples_only_a: tuple[Example, ...]
    examples_only_b: tuple[Example, ...]

    def describe(self) -> str:
        """All of it, for a terminal."""
        share = f" ({self.same_first / self.both:.1%})" if self.both else ""
        lines = [
            f"{self.both:,} words in both, {self.only_a:,} only in A, {self.only_b:,} only in B",
            f"in both: {self.same_first:,}{share} with the same first translation, {self.other_first:,} with another",
        ]
        for title, examples in (
            ("another first translation (A | B)", self.examples),
            ("only in A", self.examples_only_a),
            ("only in B", self.examples_only_b),
        ):
            if examples:
                lines += ["", f"{title}, the most frequent:", *map(_example_line, examples)]
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


def _example_line(example: Example) -> str:
    count = f"{example.count:,}" if example.count else ""
    firsts = " | ".join(first for first in (example.first_a, example.first_b) if first is not None)
    return f"{count:>11}  {example.word} → {firsts}"


def difference(a: Lexicon, b: Lexicon, *, examples: int = 10) -> Difference:
    """Compare two lexicons of one direction; with so many examples of each kind.

    Raises:
        LexiconError: they are of different directions.
    """
    _check_direction(a, b)
    both = a.entries.keys() & b.entries.keys()
    other = {key for key in both if not _same_first(a, b, key)}
    only_a, only_b = a.entries.keys() - both, b.entries.keys() - both
    return Difference(
        both=len(both),
        only_a=len(only_a),
        only_b=len(only_b),
        same_first=len(both) - len(other),
        other_first=len(other),
        examples=_examples(a, b, other, examples),
        examples_only_a=_examples(a, b, only_a, examples),
        examples_only_b=_examples(a, b, only_b, examples),
    )


def _same_first(a: Lexicon, b: Lexicon, key: str) -> bool:
    first_a, first_b = (
        lower_case(lexicon.entries[key].translations[0].word, lexicon.target_language) for lexicon in (a, b)
    )
    return first_a == first_b


def _examples(a: Lexicon, b: Lexicon, keys: Iterable[str], number: int) -> tuple[Example, ...]:
    found = []
    for key in keys:
        entries = [lexicon.entries.get(key) for lexicon in (a, b)]
        words = [entry.word for entry in entries if entry]
        firsts = [entry.translations[0].word if entry else None for entry in entries]
        found.append(Example(words[0], max(entry.count for entry in entries if entry), firsts[0], firsts[1]))
    return tuple(heapq.nsmallest(number, found, key=lambda example: (-example.count, example.word)))


def agreement(a: Lexicon, b: Lexicon, counts: Mapping[str, int]) -> float:
    """Share of the running words with an entry in either lexicon that have the same first translation in both.

    `counts` is how often each word, in lower case, occurs. Letter case of translations does not matter. 0 where no word
    has an entry.

    Raises:
        LexiconError: the lexicons are of different directions.
    """
    _check_direction(a, b)
    either = sum(count for key, count in counts.items() if key in a.entries or key in b.entries)
    same = sum(
        count for key, count in counts.items() if key in a.entries and key in b.entries and _same_first(a, b, key)
    )
    return same / either if either else 0.0
