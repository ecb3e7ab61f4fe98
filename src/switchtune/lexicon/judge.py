"""Is a lexicon any good? A judgement by sentence pairs that it was not made from; no dictionary is needed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import TypeAdapter
from typing_extensions import NotRequired

from switchtune.config.base import Count, Finite, Share, list_of, object_of
from switchtune.corpus.words import lower_case
from switchtune.lexicon.records import UNDETERMINED, Entry, Lexicon, LexiconError, Translation
from switchtune.lexicon.text import Encoded, incidence, sentences_with_both

Verdict: TypeAlias = Literal["green", "amber", "red"]
Band: TypeAlias = Literal["frequent", "middling", "rare"]

RED_LIFT, GREEN_LIFT = 0.05, 0.2
"""On German and English captions an aligned lexicon has a lift of 0.59, a word2vec mapping with a fifth of its first
translations right 0.17, a random lexicon 0.00 (docs/lexicons.md)."""
LEAST_DEVIATIONS = 5.0
RED_COVERAGE, GREEN_COVERAGE = 0.05, 0.5
RED_STABILITY, GREEN_STABILITY = 0.2, 0.6
LEAST_PAIRS = 100  # Held-out pairs below which a lexicon is not called good: luck decides
_SAMPLES_PER_BAND = 10


class RejectedLexiconError(LexiconError):
    """A lexicon was judged red, and nothing said that it is to be used all the same."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An entry to look at."""

    band: Band
    word: str
    count: Count  # Occurrences of the word in the text that the lexicon was made from; 0: unknown
    translations: tuple[Translation, ...]
    paired: Finite | None
    """Share of the held-out sentences with the word whose pair holds its first translation; None: no such sentence."""


@dataclass(frozen=True, slots=True)
class DirectionJudgement:
    """What held-out pairs say of a lexicon of one direction."""

    source: str
    target: str
    entries: Count
    verdict: Verdict
    lift: Finite | None
    """`paired` less `shuffled`, from -1 to 1: how much more often than by chance translations stand in paired
    sentences. None where there are no pairs."""
    paired: Finite | None
    """Of the held-out sentences with a word, the share whose pair holds its translation; mean over the lexicon's words,
    and within a word over its translations, as switching draws them."""
    shuffled: Finite | None  # The same as shuffled pairs would have it, exactly: the mean over all shufflings
    deviations: Finite | None  # How many standard deviations of a shuffling lie between `paired` and `shuffled`
    words: Count  # Words of the lexicon that stand in the held-out pairs
    coverage: Share  # Share of the running words that have an entry
    stability: Finite | None
    """Share of the running words whose first translation is the same in a lexicon built with another seed; None where
    nothing is random or nothing was built twice."""
    reasons: tuple[str, ...]  # Why the verdict is no better
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be thought of a lexicon, of one direction or of both."""

    directions: tuple[DirectionJudgement, ...]
    held_out_pairs: int

    @property
    def verdict(self) -> Verdict:
        """The worst of the directions'."""
        verdicts = [direction.verdict for direction in self.directions]
        return "red" if "red" in verdicts else "amber" if "amber" in verdicts else "green"

    @property
    def lift(self) -> float | None:
        return _lowest(direction.lift for direction in self.directions)

    @property
    def coverage(self) -> float:
        return min(direction.coverage for direction in self.directions)

    @property
    def stability(self) -> float | None:
        return _lowest(direction.stability for direction in self.directions)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is no better, by direction."""
        return tuple(
            f"{direction.source}-{direction.target}: {reason}"
            for direction in self.directions
            for reason in direction.reasons
        )

    def record(self) -> dict[str, Any]:
        """All figures, for JSON."""
        return {
            "verdict": self.verdict,
            "lift": self.lift,
            "coverage": self.coverage,
            "stability": self.stability,
            "reasons": list(self.reasons),
            "held_out_pairs": self.held_out_pairs,
            "directions": [asdict(direction) for direction in self.directions],
        }


_FIGURES: dict[str, Any] = dict.fromkeys(("lift", "coverage", "stability"), Finite | None)
_SAMPLE = object_of(Sample, translations=list_of(object_of(word=str, strength=Finite)))
_DIRECTION = object_of(
    DirectionJudgement,
    samples=list_of(_SAMPLE),
    compounds=NotRequired[list_of(object_of(word=str, phrase=str, count=Count))],
)
JUDGEMENT_RECORD: TypeAdapter[Any] = TypeAdapter(
    object_of(
        languages=tuple[str, str],
        verdict=Verdict,
        **_FIGURES,
        method=str,
        chosen=str,
        held_out_pairs=Count,
        directions=list_of(_DIRECTION),
        reasons=list_of(str),
        tried=NotRequired[list_of(str)],
        next_steps=NotRequired[list_of(str)],
    )
)
"""What stands in a `judgement.json`."""


def _lowest(figures: Iterable[float | None]) -> float | None:
    return min((figure for figure in figures if figure is not None), default=None)


def judge(
    lexicons: Sequence[Lexicon],
    source: Encoded,
    target: Encoded,
    languages: tuple[str, str],
    *,
    paired: bool = True,
    stability: Mapping[tuple[str, str], float] | None = None,
) -> Judgement:
    """Judge lexicons of either direction by the sentences `source[i]` and `target[i]`, which they were not made from.

    With `paired=False` the sentences are no translations of each other: then there is coverage alone, and no lexicon is
    called better than amber. `stability` is what building twice found, by the languages of a direction.

    Raises:
        LexiconError: the sides differ in length, or a lexicon is of other languages.
    """
    if paired and len(source) != len(target):
        raise LexiconError(f"{len(source)} source sentences, but {len(target)} target sentences: they must be pairs.")
    sides = dict(zip(languages, (source, target), strict=True))
    directions = []
    for lexicon in lexicons:
        ends = (lexicon.source_language, lexicon.target_language)
        if UNDETERMINED in ends and len(lexicons) == 1:
            ends = languages
        if set(ends) != set(languages):
            raise LexiconError(
                f"The lexicon translates {'-'.join(ends)} and the text is {'-'.join(languages)}: judge it on text of"
                " its own languages."
            )
        known = (stability or {}).get(ends)
        directions.append(_judge_direction(lexicon, ends, sides[ends[0]], sides[ends[1]], paired, known))
    return Judgement(tuple(directions), len(source) if paired else 0)


def _judge_direction(
    lexicon: Lexicon, ends: tuple[str, str], source: Encoded, target: Encoded, paired: bool, stability: float | None
) -> DirectionJudgement:
    vocabulary = source.vocabulary
    known = [(word, lexicon.entries[key]) for key, word in vocabulary.index.items() if key in lexicon.entries]
    covered = int(vocabulary.counts[[word for word, _ in known]].sum()) if known else 0
    coverage = covered / max(1, int(vocabulary.counts.sum()))
    shares = _paired_shares(known, source, target, ends[1]) if paired and known else None
    lift = shares.paired - shares.shuffled if shares else None
    deviations = shares.deviations if shares else None
    verdict, reasons = _verdict(lift, deviations, coverage, stability, len(source) if paired else 0)
    return DirectionJudgement(
        source=ends[0],
        target=ends[1],
        entries=len(lexicon),
        verdict=verdict,
        lift=lift,
        paired=shares.paired if shares else None,
        shuffled=shares.shuffled if shares else None,
        deviations=deviations,
        words=len(known),
        coverage=coverage,
        stability=stability,
        reasons=reasons,
        samples=_samples(lexicon, shares.first if shares else {}),
    )


@dataclass(frozen=True)
class _Shares:
    paired: float
    shuffled: float
    deviations: float
    first: Mapping[str, float]  # By an entry's word: the share of its sentences whose pair holds the first translation


def _paired_shares(known: Sequence[tuple[int, Entry]], source: Encoded, target: Encoded, language: str) -> _Shares:
    """What held-out pairs say of the entries of a lexicon whose words stand in them, given with the words' ids."""
    index, missing = target.vocabulary.index, len(target.vocabulary)
    links = [
        (number, word, index.get(lower_case(translation.word, language), missing))
        for number, (word, entry) in enumerate(known)
        for translation in entry.translations
    ]
    entry, word, translation = np.array(links, dtype=np.intp).T
    weight = 1 / np.bincount(entry)[entry]
    held_source, held_target = incidence(source), incidence(target)
    present = translation < missing
    both = np.zeros(len(links), dtype=np.int64)
    both[present] = sentences_with_both(held_source, held_target, word[present], translation[present])
    holding = np.diff(held_source.indptr)[word]
    target_share = np.append(np.diff(held_target.indptr), 0)[translation] / len(source)
    paired_share = both / holding
    # Shuffled, the number of sentences that hold both is hypergeometric.
    variance = target_share * (1 - target_share) * (len(source) - holding) / max(1, len(source) - 1) / holding
    distance = float((weight * (paired_share - target_share)).sum())
    spread = float(np.sqrt((weight**2 * variance).sum()))
    begins = np.flatnonzero(np.diff(entry, prepend=-1))
    return _Shares(
        paired=float((weight * paired_share).sum()) / len(known),
        shuffled=float((weight * target_share).sum()) / len(known),
        deviations=distance / spread if spread > 0 else 0.0,
        first={of.word: float(paired_share[begin]) for begin, (_, of) in zip(begins, known, strict=True)},
    )


def _verdict(
    lift: float | None, deviations: float | None, coverage: float, stability: float | None, pairs: int
) -> tuple[Verdict, tuple[str, ...]]:
    red, amber = [], []
    if coverage < RED_COVERAGE:
        red.append(f"it covers {coverage:.1%} of the running words, and {RED_COVERAGE:.0%} is the least that is of use")
    elif coverage < GREEN_COVERAGE:
        amber.append(f"it covers {coverage:.1%} of the running words; {GREEN_COVERAGE:.0%} would be good")
    if lift is None or deviations is None:
        amber.append(
            "none of its words stands in the held-out pairs" if pairs else "there are no sentence pairs to judge it by"
        )
        if stability is not None and stability < RED_STABILITY:
            red.append(f"without pairs, stability is all there is to go by, and that is {stability:.0%}")
    else:
        if lift < RED_LIFT:
            red.append(
                f"its translations stand in the paired sentence hardly more often than by chance (lift {lift:.3f}, and"
                f" {RED_LIFT} is the least)"
            )
        elif lift < GREEN_LIFT:
            amber.append(
                f"its translations stand in few paired sentences (lift {lift:.2f}; {GREEN_LIFT} would be good)"
            )
        if lift >= RED_LIFT and deviations < LEAST_DEVIATIONS:
            red.append(
                f"its lift of {lift:.2f} may be luck: {deviations:.1f} standard deviations of shuffled pairs, where"
                f" {LEAST_DEVIATIONS:g} are asked for"
            )
        if pairs < LEAST_PAIRS:
            amber.append(f"{pairs} held-out pairs are few to judge by; {LEAST_PAIRS} would do")
    if stability is not None and stability < GREEN_STABILITY:
        amber.append(
            f"with another seed {1 - stability:.0%} of the running words get another first translation"
            f" (up to {1 - GREEN_STABILITY:.0%} would be good)"
        )
    return ("red" if red else "amber" if amber else "green"), tuple(red + amber)


def _samples(lexicon: Lexicon, first: Mapping[str, float]) -> tuple[Sample, ...]:
    """Entries of the most frequent, the middling and the rarest third, evenly spread over each."""
    ranked = sorted(lexicon.entries.values(), key=lambda entry: (-entry.count, entry.word))
    bands: tuple[Band, ...] = ("frequent", "middling", "rare")
    samples = []
    for band, third in zip(bands, np.array_split(np.arange(len(ranked)), 3), strict=True):
        for row in np.unique(np.linspace(0, len(third) - 1, _SAMPLES_PER_BAND, dtype=np.intp) if len(third) else []):
            entry = ranked[third[int(row)]]
            samples.append(Sample(band, entry.word, entry.count, entry.translations, first.get(entry.word)))
    return tuple(samples)
