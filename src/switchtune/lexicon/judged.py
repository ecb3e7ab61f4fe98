"""Lexicons built and judged by pairs that they were not made from: whether to use them, and what to do if not."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from switchtune.config.lexicon import LexiconSettings
from switchtune.lexicon.build import Built, LexiconInput, build, has_word2vec
from switchtune.lexicon.compare import agreement
from switchtune.lexicon.judge import Judgement, RejectedLexiconError, judge
from switchtune.lexicon.records import LexiconError, OnStep

MOST_HELD_OUT = 2000
"""Pairs kept out of the building to judge by, at most; a twentieth of the pairs, and a fifth of few."""

TWIN_SENTENCES = 50_000
"""Sentences of a side that a lexicon is built from twice, to see whether another seed gives another."""


def held_out(pairs: int) -> NDArray[np.bool_]:
    """Which pairs are kept out of the building to judge by: evenly spread, a twentieth, a fifth of few. [pairs]"""
    wanted = min(MOST_HELD_OUT, max(pairs // 20, min(100, pairs // 5)))
    kept = np.zeros(pairs, dtype=bool)
    if wanted:
        kept[np.linspace(0, pairs - 1, wanted, dtype=np.int64)] = True
    return kept


@dataclass(frozen=True)
class JudgedLexicons:
    """Lexicons of both directions with what is to be thought of them."""

    built: Built
    judgement: Judgement
    tried: tuple[str, ...]  # Each method that was built, with its verdict, in order

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to do where the verdict is not green."""
        return _next_steps(self.built.method, self.judgement)

    def record(self) -> dict[str, Any]:
        """All figures, for `judgement.json`."""
        record = self.judgement.record()
        for direction, phrases in zip(record["directions"], self.built.compounds, strict=True):
            direction["compounds"] = [{"word": of.word, "phrase": of.phrase, "count": of.count} for of in phrases]
        return {
            **record,
            "languages": [self.built.lexicons[0].source_language, self.built.lexicons[0].target_language],
            "method": self.built.method,
            "chosen": self.built.why,
            "tried": list(self.tried),
            "next_steps": list(self.next_steps),
        }

    def describe(self) -> str:
        """One line for people."""
        judgement = self.judgement
        right = "not known" if judgement.right is None else f"{judgement.right:.0%}"
        stable = "" if judgement.stability is None else f", stability {judgement.stability:.0%}"
        why = "".join(f"; {reason}" for reason in judgement.reasons)
        figures = f"right {right}, coverage {judgement.coverage:.0%}{stable}"
        return f"lexicon by {self.built.why}: {judgement.verdict} ({figures}{why})"

    @property
    def refusal(self) -> str | None:
        """Where the verdict is red: why, what was tried, and what to do next."""
        if self.judgement.verdict != "red":
            return None
        return (
            f"The lexicon was judged red, and is not fit to train with: {'; '.join(self.judgement.reasons)}."
            f" Tried: {', '.join(self.tried)}. Next: {'; or '.join(self.next_steps)}."
        )


def require_accepted(refusal: str | None, accept: bool) -> None:
    """Raise RejectedLexiconError with the refusal of a lexicon, unless it is accepted all the same."""
    if refusal is not None and not accept:
        raise RejectedLexiconError(refusal)


def build_and_judge(
    text: LexiconInput,
    settings: LexiconSettings,
    *,
    judged_by: LexiconInput | None = None,
    on_step: OnStep = lambda step: None,
) -> JudgedLexicons:
    """Build lexicons, and judge them by other pairs: `judged_by`, or some of the text's own (`held_out`).

    `auto` does not trust that lines of equal number are pairs: where align is judged red, the sides are taken for text
    that is not parallel. Raises as `build` does.
    """
    built_from, pairs = text, judged_by
    if judged_by is None and text.paired:
        aside = held_out(len(text.source.lines))
        pairs, built_from = text.selected(aside), text.selected(~aside)
    result = _judged(built_from, pairs, settings, on_step)
    if settings.method != "auto" or not text.paired or settings.dictionaries or result.judgement.verdict != "red":
        return result
    if not has_word2vec():
        return replace(result, tried=(*result.tried, "vecmap (not installed: pip install 'switchtune[vecmap]')"))
    try:
        again = _judged(replace(text, paired=False), judged_by, settings, on_step)
    except LexiconError:
        return result  # too little text to map; what was found of align says more
    tried = result.tried + again.tried
    if again.judgement.verdict == "red":
        return replace(result, tried=tried)
    why = f"auto: the lines are not translations of each other (align: red); {again.built.why}"
    return replace(again, built=replace(again.built, why=why), tried=tried)


def _judged(
    text: LexiconInput, pairs: LexiconInput | None, settings: LexiconSettings, on_step: OnStep
) -> JudgedLexicons:
    built = build(text, settings, on_step=on_step)
    judgement = judge(
        built.lexicons,
        *(pairs or text).encoded,
        text.languages,
        paired=pairs is not None,
        stability=_stability(built, text, settings, on_step),
    )
    return JudgedLexicons(built, judgement, (f"{built.method} ({judgement.verdict})",))


def _stability(
    built: Built, text: LexiconInput, settings: LexiconSettings, on_step: OnStep
) -> Mapping[tuple[str, str], float]:
    """By direction: the share of running words whose first translation is the same with another seed."""
    if not built.random:
        return {}
    source, target = (side.selected(np.arange(len(side.lines)) < TWIN_SENTENCES) for side in (text.source, text.target))
    small = replace(text, source=source, target=target)
    whole = max(len(side.lines) for side in (text.source, text.target)) <= TWIN_SENTENCES
    first = built if whole else build(small, settings, on_step=on_step)
    second = build(small, settings.model_copy(update={"seed": settings.seed + 1}), on_step=on_step)
    return {
        (lexicon.source_language, lexicon.target_language): agreement(
            lexicon, twin, dict(zip(side.vocabulary.index, side.vocabulary.counts.tolist(), strict=True))
        )
        for lexicon, twin, side in zip(first.lexicons, second.lexicons, small.encoded, strict=True)
    }


def _next_steps(method: str, judgement: Judgement) -> tuple[str, ...]:
    if judgement.verdict == "green":
        return ()
    steps = []
    if judgement.lift is None:
        steps.append("give sentence pairs to judge by: --judge-by dev.de dev.en")
    elif judgement.verdict == "red":
        steps.append("check that line i of one side translates line i of the other, in the languages that were named")
    elif "align" not in method:
        steps.append("build with method align or auto, if line i of the source translates line i of the target")
    if "dictionary" not in method:
        steps.append("add a dictionary: --dictionary FILE --method mixed")
    else:
        steps.append("check that the dictionary is of these languages, and of this text's script")
    steps.append("give more text (in a run, lexicon.corpus may be another corpus than the one that is trained on)")
    if judgement.verdict == "red":
        steps.append("use it anyway, with --accept-lexicon (in a run, lexicon.accept: true)")
    return tuple(steps)
