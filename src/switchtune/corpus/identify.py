"""Which language a text is written in, by the offline identifier py3langid, and in which script."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, islice
from typing import Any

import numba
import numpy as np
import regex
from numpy.typing import NDArray
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


def language_of_texts(texts: Sequence[str]) -> Language | None:
    """The likeliest language of some texts together, of all that are known; None where they say nothing about it."""
    label = likeliest("\n".join(texts), _identifier().labels)
    return None if label is None else language_named(label)


def evidence(texts: Sequence[str], labels: Sequence[str]) -> NDArray[np.float32]:
    """How likely each text is in each of some languages, as `likeliest` ranks them, hundreds of texts in its time for
    one.

    Returns:
        [texts, labels]: logarithms of likelihoods, divided by the root of the text's bytes, so that differences mean
        the same in short and long texts; all 0 where a text says nothing about its language.
    """
    identifier = _identifier()
    columns = [[place for place, name in enumerate(identifier.nb_classes) if name == label] for label in labels]
    flat = [place for places in columns for place in places]
    encoded = [_encoded(text) for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    tables = (np.ascontiguousarray(identifier.nb_ptc[:, flat], np.float32), identifier.nb_pc[flat].astype(np.float32))
    scores = _scores(np.frombuffer(b"".join(encoded), np.uint8), ends, *_automaton(), *tables)
    begins = np.cumsum([0, *map(len, columns[:-1])])
    best: NDArray[np.float32] = np.maximum.reduceat(scores, begins, axis=1)  # some labels have a column for each script
    return best


def _encoded(text: str) -> bytes:
    return unicodedata.normalize("NFC", text.lower() if text.isupper() else text).encode("utf-8", "surrogatepass")


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _scores(
    letters: Any, ends: Any, moves: Any, rows: Any, features: Any, weights: Any, prior: Any
) -> Any:  # pragma: no cover
    """The sums of naive Bayes over the n-grams that the automaton finds in each text."""
    scores = np.zeros((len(ends), len(prior)), np.float32)
    counts = np.zeros(len(weights), np.int32)
    begin = 0
    for text in range(len(ends)):
        state, found = 0, list(range(0))
        for place in range(begin, ends[text]):
            state = moves[(np.int64(rows[state]) << 8) + letters[place]]
            feature = features[state]
            if feature >= 0:
                if counts[feature] == 0:
                    found.append(feature)
                counts[feature] += 1
        if len(found) > 0:
            scores[text] = prior
        for feature in found:
            weight = np.float32(np.log1p(counts[feature]))
            for label in range(len(prior)):
                scores[text, label] += weight * weights[feature, label]
            counts[feature] = 0
        scores[text] /= np.float32(np.sqrt(max(ends[text] - begin, 1)))
        begin = ends[text]
    return scores


@cache
def _automaton() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    identifier = _identifier()
    moves, rows, features = (
        np.asarray(table, np.int32) for table in (identifier.tk_nextmove, identifier.tk_row, identifier.tk_output)
    )
    return moves, rows, features


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
