"""Which language a text is written in, by the offline identifier py3langid, and in which script."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, islice

import regex
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from switchtune.languages import SCRIPTS, Language, find_language, language_named

_LEAST_PAIRS, _LEAST_SHARE = 20, 0.9
_LETTERS_LOOKED_AT = 10_000


def label_of(language: str) -> str | None:
    """What the identifier calls a language, if it knows it."""
    return _labels().get(find_language(language).code)


def likeliest(text: str, labels: Collection[str]) -> str | None:
    """The likeliest of some labels, or None where the text says nothing about its language."""
    ranking: list[tuple[str, float]] = _identifier().rank(text)
    if ranking[0][1] == ranking[-1][1]:
        return None
    return next(label for label, _ in ranking if label in labels)


def looks_swapped(pairs: Sequence[tuple[str, str]], source: str, target: str) -> bool:
    """Whether nearly all of twenty pairs or more are in the two languages, but the other way round."""
    labels = (label_of(source), label_of(target))
    if None in labels or labels[0] == labels[1]:
        return False
    known = [label for label in labels if label]
    found = [tuple(likeliest(text, known) for text in pair) for pair in pairs]
    told = [sides for sides in found if None not in sides]
    return len(told) >= _LEAST_PAIRS and sum(sides == labels[::-1] for sides in told) >= _LEAST_SHARE * len(told)


def as_written(language: Language, texts: Sequence[str]) -> Language:
    """The language with the script of most letters of its texts, where no table knows it; "" without letters."""
    if language.script:
        return language
    letters = Counter(islice(filter(str.isalpha, chain.from_iterable(texts)), _LETTERS_LOOKED_AT))
    found = Counter[str]()
    for letter, count in letters.items():
        found[script_of(letter)] += count
    return replace(language, script=max(found, key=lambda script: found[script], default=""))


@cache
def script_of(letter: str) -> str:
    """The script of a letter by its code of ISO 15924; "" where Unicode has none for it."""
    return next((script for script, letters in _letters_of_scripts() if letters.match(letter)), "")


@cache
def _letters_of_scripts() -> list[tuple[str, "regex.Pattern[str]"]]:
    patterns = []
    for script in SCRIPTS:
        try:
            patterns.append((script, regex.compile(rf"\p{{Script={script}}}")))
        except regex.error:
            continue  # a script of ISO 15924 that Unicode does not encode, or not by itself
    return patterns


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE)


@cache
def _labels() -> dict[str, str]:
    known = {found.code: label for label in _identifier().labels if (found := language_named(label))}
    return known | {"zh_Hant": known["zh"]}
