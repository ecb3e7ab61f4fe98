"""Are outputs in the right language? Their script, then py3langid among the languages that are written alike."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version

import numpy as np
import regex
from numpy.typing import NDArray

from switchtune.corpus.identify import as_written, label_of, likeliest
from switchtune.languages import LANGUAGES, Language, find_language
from switchtune.scoring.metrics import Score, ScoringError

_WRITTEN_WITH = {"Hans": ("Hani",), "Hant": ("Hani",), "Jpan": ("Hira", "Kana", "Hani")}
"""Unicode's scripts in one of ISO 15924, where they are not the same."""


def in_language(hypotheses: Sequence[str], language: str, references: Sequence[str] | None = None) -> Score:
    """The share of outputs in `language`, from 0 to 1, and beside it that of the references, in `Score.references`.

    An output counts when more than half of its letters are of the language's script, and py3langid takes it for no
    other of the languages in `LANGUAGES` that share the script: Slovak is a rival of Czech, but Wu, which no model
    family knows, is none of Chinese. What says nothing about its language (nothing, digits, a lone letter) does not
    count; simplified and traditional Chinese count as one. Where py3langid does not know the language, its script alone
    is tested, and the metric is called in-script: any text in that script counts. Where no table knows the script, it
    is that of the references, or without references any.

    The references' share is the yardstick: Bosnian and Croatian, say, are hardly told apart, so that much of good
    Croatian does not count, and in a few words any language is harder to tell than in many.

    `segments` hold one column, 1 where the output counts.

    Raises:
        UnknownLanguageError: no language bears this name.
        ScoringError: there are no outputs.
    """
    target = as_written(find_language(language), references or ())
    if not hypotheses:
        raise ScoringError("no hypotheses to identify: the input is empty.")
    right = _right(tuple(hypotheses), target)
    signature, metric = f"lang:{target.code}|script:{target.script or 'any'}", "in-script"
    if label_of(target.code) is not None:
        signature += f"|rivals:{len(rivals(target))}|py3langid:{version('py3langid')}"
        metric = "in-language"
    of_references = float(_right(tuple(references), target).mean()) if references else None
    return Score(metric, float(right.mean()), signature, right, len(hypotheses), of_references)


def rivals(target: Language) -> frozenset[str]:
    """The identifier's labels of the other languages that are written alike."""
    scripts = set(scripts_of(target.script))
    labels = {label_of(other.code) for other in LANGUAGES if scripts & set(scripts_of(other.script))}
    return frozenset(label for label in labels - {label_of(target.code)} if label is not None)


@lru_cache(maxsize=8)  # references are looked at beside every system and every seed
def _right(texts: tuple[str, ...], target: Language) -> NDArray[np.int64]:
    label = label_of(target.code)
    candidates = rivals(target) | ({label} if label else set())
    script = "".join(rf"\p{{Script={name}}}" for name in scripts_of(target.script)) or r"\p{L}"
    own = regex.compile(rf"[\p{{L}}&&[{script}]]", regex.VERSION1)
    # A name in Latin letters is one word among Chinese characters, each of which is a word or a part of one.
    other = regex.compile(rf"[\p{{L}}--[{script}]]{'' if target.spaced else '+'}", regex.VERSION1)

    def counts(text: str) -> bool:
        if len(own.findall(text)) <= len(other.findall(text)):
            return False
        return label is None or likeliest(text, candidates) == label

    return np.array([[counts(text)] for text in texts], dtype=np.int64)


def scripts_of(script: str) -> tuple[str, ...]:
    """Unicode's names of the scripts that a script of ISO 15924 is written with; none of an unknown one."""
    return _WRITTEN_WITH.get(script, (script,) if script else ())
