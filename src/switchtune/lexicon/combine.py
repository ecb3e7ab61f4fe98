"""Lexicons turned round, fitted to a corpus, and merged."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from switchtune.corpus.words import lower_case
from switchtune.lexicon.block import Limits, without_blocked
from switchtune.lexicon.records import (
    UNDETERMINED,
    Entry,
    Lexicon,
    LexiconError,
    Measure,
    Translation,
    entries_of,
    strongest_first,
)
from switchtune.lexicon.text import Vocabulary

LEAST_FIT = 0.01
"""A dictionary fits if this share of its pairs stand in the corpus, or their words are this share of the running words:
a large dictionary may have few of its pairs there, a small one few of the words."""

CLEARLY_BETTER = 2.0  # A dictionary stands the other way round if so many times as many of its pairs fit then


def inverted(lexicon: Lexicon) -> Lexicon:
    """The same pairs in the other direction, each with its strength, as the pair's."""
    links = (
        (translation.word, translation.count, Translation(entry.word, translation.strength, entry.count))
        for entry in lexicon.entries.values()
        for translation in entry.translations
    )
    languages = (lexicon.target_language, lexicon.source_language)
    return Lexicon(*languages, lexicon.method, lexicon.measure, lexicon.unit, entries_of(links, languages[0]))


# Fitted to a corpus


def oriented(
    dictionary: Lexicon, source: Vocabulary, target: Vocabulary, languages: tuple[str, str], *, origin: Path | str
) -> Lexicon:
    """A dictionary as it fits a corpus: in its direction, and with its casing and counts for the words that it has.

    `source` and `target` are the corpus's vocabularies, `origin` names the dictionary in errors.

    Raises:
        LexiconError: the dictionary declares other languages, declares none and fits the corpus clearly better the
            other way round, or has next to nothing in common with it.
    """
    declared = (dictionary.source_language, dictionary.target_language)
    forward, backward = (
        all(name in (language, UNDETERMINED) for name, language in zip(declared, ends, strict=True))
        for ends in (languages, languages[::-1])
    )
    if not (forward or backward):
        raise LexiconError(
            f"{origin}: a dictionary {'-'.join(declared)} by its header or its name, but the corpus is"
            f" {'-'.join(languages)}. Give a dictionary of these languages, or correct the header or the name."
        )
    if not forward:
        dictionary = inverted(dictionary)
    _check_fit(dictionary, (source, target), languages, undetermined=forward and backward, origin=origin)

    def in_corpus(vocabulary: Vocabulary, word: str, count: int, language: str) -> tuple[str, int]:
        row = vocabulary.index.get(lower_case(word, language))
        return (word, count) if row is None else (vocabulary.words[row], int(vocabulary.counts[row]))

    links = []
    for entry in dictionary.entries.values():
        word, count = in_corpus(source, entry.word, entry.count, languages[0])
        for link in entry.translations:
            translation, occurrences = in_corpus(target, link.word, link.count, languages[1])
            links.append((word, count, Translation(translation, link.strength, occurrences)))
    return Lexicon(*languages, dictionary.method, dictionary.measure, dictionary.unit, entries_of(links, languages[0]))


def _fit(
    pairs: Sequence[tuple[str, str]], vocabularies: tuple[Vocabulary, Vocabulary], languages: tuple[str, str]
) -> tuple[float, bool]:
    """Share of the pairs whose words both stand in the corpus; whether they, or the words they cover, are enough."""
    sources, targets = (
        _word_ids(side, vocabulary, language)
        for side, vocabulary, language in zip(zip(*pairs, strict=True), vocabularies, languages, strict=True)
    )
    fitting = [source for source, target in zip(sources, targets, strict=True) if source and target]
    covered = sorted({word for words in fitting for word in words})
    counts, share = vocabularies[0].counts, len(fitting) / len(pairs)
    return share, share >= LEAST_FIT or counts[covered].sum() >= LEAST_FIT * max(1, counts.sum())


def _word_ids(phrases: Iterable[str], vocabulary: Vocabulary, language: str) -> list[list[int]]:
    """The ids of the words of each phrase; none where one of them is not in the vocabulary."""
    words = [lower_case(phrase, language).split() for phrase in phrases]
    index = vocabulary.index
    return [[index[word] for word in phrase] if all(word in index for word in phrase) else [] for phrase in words]


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
    as_is, enough = _fit(telling, vocabularies, languages)
    turned, enough_turned = _fit([(target, source) for source, target in telling], vocabularies, languages)
    this, other = "-".join(languages), "-".join(languages[::-1])
    shares = f"{as_is:.1%} of its pairs have both words in the corpus as {this}, {turned:.1%} as {other}"
    better_turned = enough_turned and turned > CLEARLY_BETTER * as_is
    if undetermined and better_turned:
        raise LexiconError(
            f"{origin}: the dictionary seems to be {other}, not {this}: {shares}. Say what it is, and it is turned"
            f" round: name the file lexicon.{other}.tsv, begin it with the line '# switchtune lexicon {other}', or give"
            f" --langs {other} if that is what the corpus is."
        )
    if not enough:
        examples = ", ".join(f"{source} → {target}" for source, target in telling[:3])
        advice = f"Is it {other}, in spite of its header or name? " if better_turned else ""
        raise LexiconError(
            f"{origin}: the dictionary has next to nothing in common with the corpus: {shares}. It begins: {examples}."
            f" {advice}Check that its languages are those of the corpus, that it is written in the same script and"
            " spelling (accents, vowel marks), and that its words are cut like the corpus's, one word a column, not"
            " lemmas with articles, nor phrases; letter case does not matter."
        )


# Merged


class Weighted(NamedTuple):
    """A lexicon, and how much it counts beside others, a number above 0."""

    lexicon: Lexicon
    weight: float


def combined(parts: Sequence[Weighted], limits: Limits) -> Lexicon:
    """Lexicons of one direction as one.

    In each part, a translation's strength becomes a share, of 1 for the word's strongest: its part of the strongest's
    strength (probability), one over its rank (similarity, whose size says little from word to word), or 1 (none). The
    strength of a pair is the mean of its shares, by weight, over all parts, with 0 for a part that lacks it. Casing and
    counts are those of the part that has seen the word most often.

    Raises:
        LexiconError: there are no parts, or they are of several directions or units.
    """
    if not parts:
        raise LexiconError("There are no lexicons to merge: give at least one.")
    lexicons = [part.lexicon for part in parts]
    kinds = dict.fromkeys((each.source_language, each.target_language, each.unit) for each in lexicons)
    if len(kinds) > 1:
        names = ", ".join(f"{source}-{target} in {unit}s" for source, target, unit in kinds)
        raise LexiconError(
            f"Only lexicons of one direction and unit can be merged; found: {names}. Name each file for its direction"
            " (lexicon.de-en.tsv), and merge the directions apart."
        )
    first = lexicons[0]
    total = sum(part.weight for part in parts)
    words: dict[str, Entry] = {}
    targets: dict[str, Translation] = {}
    shares: dict[str, dict[str, float]] = {}
    for part in parts:
        for key, entry in part.lexicon.entries.items():
            if key not in words or words[key].count < entry.count:
                words[key] = entry
            of_word = shares.setdefault(key, {})
            for target, (translation, share) in _shares(entry, part.lexicon.measure, first.target_language).items():
                if target not in targets or targets[target].count < translation.count:
                    targets[target] = translation
                of_word[target] = of_word.get(target, 0.0) + share * part.weight / total
    entries = {}
    for key, entry in words.items():
        translations = (replace(targets[target], strength=round(share, 6)) for target, share in shares[key].items())
        entries[key] = replace(entry, translations=strongest_first(translations))
    methods = [each.method for each in lexicons]
    method = f"mixed({'+'.join(methods)})" if len(methods) > 1 else methods[0]
    merged = Lexicon(first.source_language, first.target_language, method, "probability", first.unit, entries)
    return _within(without_blocked(merged, limits.block), limits)


def _shares(entry: Entry, measure: Measure, language: str) -> dict[str, tuple[Translation, float]]:
    """By the lower-case form of each translation: the first with this form, and its share of the entry's strongest."""
    shares: dict[str, tuple[Translation, float]] = {}
    strengths = [translation.strength for translation in entry.translations]
    strongest = max(strengths)
    for translation in entry.translations:
        share = 1.0
        if measure == "similarity":
            share = 1 / (1 + sum(strength > translation.strength for strength in strengths))
        elif measure == "probability" and strongest > 0:
            share = translation.strength / strongest
        shares.setdefault(lower_case(translation.word, language), (translation, share))
    return shares


def _within(lexicon: Lexicon, limits: Limits) -> Lexicon:
    """Of each word the `k` strongest translations within the limits, ties in the order of the parts."""
    entries = {}
    for key, entry in lexicon.entries.items():
        least = limits.floor * entry.translations[0].strength
        kept = tuple(link for link in entry.translations[: limits.k] if link.strength > 0 and link.strength >= least)
        if kept:
            entries[key] = replace(entry, translations=kept)
    return replace(lexicon, entries=entries)
