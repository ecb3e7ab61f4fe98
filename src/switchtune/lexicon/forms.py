"""Entries that stand for a word that has none of its own: of another form of it, or of the words that it is made of.

How much is found so, and how much of that is right, is in docs/log.md.
"""

from collections.abc import Container, Iterator
from functools import lru_cache

from switchtune.lexicon.records import Entry, Lexicon

LEAST_STEM = 4
"""Letters that two forms of a word have in common, at the beginning, at least."""
LONGEST_ENDING = 3
"""Most letters that the word looked up has beyond those; the word that is found has at most one."""
LEAST_INFLECTED = 3
"""Letters of a word without an ending that its language is known to have, at least."""
ANY_ENDING = 2
"""Most letters of an ending in a language whose endings no table has."""
_ANY = {"tr": 4, "az": 4, "fi": 4, "hu": 4, "et": 4}
_ENDINGS = {
    language: tuple(endings.split())
    for languages, endings in {
        "de": "e en n er ern es s em nen",
        "en": "s es 's ed d ing",
        "nl": "e en n s 's",
        "fr": "s x e es",
        "it": "a e i o he hi",
        "es pt gl ca": "s es a o as os",
        "sv da nb nn no": "e en er et n r s a ar or t na ne erne ene",
        "ru uk be bg sr mk": "а я ы и у ю е о ом ем ой ей ам ям ами ями ах ях ов ев ою ию ия ии і ї",
        "vi zh zh_Hant yue ja ko th lo km my id ms": "",
    }.items()
    for language in languages.split()
}
"""Endings of nouns and adjectives, and the plainest of verbs."""
LEAST_PART = 4
"""Letters of a part of a compound at least."""
MOST_PARTS = 3
LONGEST_COMPOUND = 60
"""Letters of a compound at most: to try all ways takes quadratic time."""


def stems(lexicon: Lexicon) -> dict[str, Entry]:
    """What a word can begin with, and the most frequent entry whose word is that, or has one letter more."""
    found: dict[str, Entry] = {}
    for key, entry in lexicon.entries.items():
        for stem in (key, key[:-1]):
            if len(stem) >= LEAST_STEM and (stem not in found or found[stem].count < entry.count):
                found[stem] = entry
    return found


def by_stem(key: str, known: dict[str, Entry]) -> Entry | None:
    """The entry with which a word, in lower case, has the longest beginning in common; `known`: by `stems`."""
    lengths = range(len(key), max(LEAST_STEM, len(key) - LONGEST_ENDING) - 1, -1)
    return next((known[key[:length]] for length in lengths if key[:length] in known), None)


@lru_cache(maxsize=1 << 16)
def endless(word: str, language: str) -> tuple[str, ...]:
    """A word, in lower case, as it stands and without each ending that its inflection may have given it.

    Endings are those of the language, or of a language that no table has any of up to `ANY_ENDING` letters.
    """
    endings, least = _ENDINGS.get(language), LEAST_INFLECTED
    if endings is None:
        longest = _ANY.get(language, ANY_ENDING)
        return (word, *(word[:end] for end in range(len(word) - 1, max(LEAST_STEM, len(word) - longest) - 1, -1)))
    return (word, *(word[: -len(end)] for end in endings if len(word) - len(end) >= least and word.endswith(end)))


def same_form(word: str, other: str, language: str) -> bool:
    """Whether two words, in lower case, may be forms of one: without an ending or with it they are the same."""
    if word == other or word[:1] != other[:1]:  # for speed: nearly all words begin in another way
        return word == other
    return not set(endless(word, language)).isdisjoint(endless(other, language))


def parts_of(key: str, known: Container[str]) -> tuple[str, ...]:
    """A word, in lower case, as two or three known words, between which one letter may be left out; () where none fit.

    The fewest words, then those that leave out the fewest letters, then those of which the shortest is longest.
    """
    if len(key) > LONGEST_COMPOUND:
        return ()
    ways = (way for way in _ways(key, known, MOST_PARTS) if len(way) > 1)
    return min(ways, key=lambda way: (len(way), -sum(map(len, way)), -min(map(len, way))), default=())


def _ways(key: str, known: Container[str], most: int) -> Iterator[tuple[str, ...]]:
    if len(key) >= LEAST_PART and key in known:
        yield (key,)
    for end in range(LEAST_PART, len(key) - LEAST_PART + 1) if most > 1 else ():
        if key[:end] in known:
            for start in (end, end + 1):
                yield from ((key[:end], *way) for way in _ways(key[start:], known, most - 1))
