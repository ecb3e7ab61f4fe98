"""Is a lexicon any good? A judgement by sentence pairs that it was not made from; no dictionary is needed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from typing_extensions import NotRequired

from switchtune.config.base import Count, Finite, Share, list_of, object_of
from switchtune.corpus.words import lower_case
from switchtune.lexicon.records import UNDETERMINED, Entry, Lexicon, LexiconError, Translation
from switchtune.lexicon.text import Encoded, incidence, sentences_with_both

if TYPE_CHECKING:
    from switchtune.lexicon.alignment import Alignment

Verdict: TypeAlias = Literal["green", "amber", "red"]
Band: TypeAlias = Literal["frequent", "middling", "rare"]

RED_RIGHT, GREEN_RIGHT = 0.5, 0.8
"""Of `DirectionJudgement.right`: aligned lexicons of six language pairs have 0.83 to 1 (docs/lexicons.md)."""
LEAST_LIFT = 0.05
"""Lift of the yardstick below which the pairs tell nothing: they are no translations of each other."""
LEAST_DEVIATIONS = 5.0
GREEN_COVERAGE = 0.5
RED_STABILITY, GREEN_STABILITY = 0.2, 0.6
LEAST_WORDS = 50  # Running words in held-out pairs below which a lexicon is not called bad
LEAST_PAIRS = 100  # Held-out pairs below which a lexicon is not called good: luck decides
_SAMPLES_PER_BAND = 10
_BANDS = 6  # Bands of frequency that right draws are estimated in
_LEAST_OF_BAND = 0.02  # Reachable lift of a band from which on it tells anything


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
    right: Share | None
    """Estimated share of what switching draws that is right: lift beside the yardstick, over the words that have both.
    None where there is no yardstick."""
    lift: Finite | None
    """`paired` less `shuffled`, from -1 to 1: how much more often than by chance translations stand in paired
    sentences. None where there are no pairs."""
    yardstick: Finite | None
    """The lift that the alignment of the held-out pairs themselves reaches (`reachable_lift`)."""
    paired: Finite | None
    """Of the held-out sentences with a word, the share whose pair holds its translation; mean over running words that
    have an entry, and within a word over its translations, as switching draws them."""
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
    def right(self) -> float | None:
        return _lowest(direction.right for direction in self.directions)

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
            "right": self.right,
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
    right=NotRequired[Share | None],  # lexicons of earlier versions have no yardstick
    yardstick=NotRequired[Finite | None],
    samples=list_of(_SAMPLE),
    compounds=NotRequired[list_of(object_of(word=str, phrase=str, count=Count))],
)
JUDGEMENT_RECORD: TypeAdapter[Any] = TypeAdapter(
    object_of(
        languages=tuple[str, str],
        verdict=Verdict,
        right=NotRequired[Share | None],
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
    ways = {languages: (source, target), languages[::-1]: (target, source)}
    alignment = _alignment(source, target) if paired else None
    directions = []
    for lexicon in lexicons:
        ends = (lexicon.source_language, lexicon.target_language)
        if UNDETERMINED in ends and len(lexicons) == 1:
            ends = languages
        if ends not in ways:
            raise LexiconError(
                f"The lexicon translates {'-'.join(ends)} and the text is {'-'.join(languages)}: judge it on text of"
                " its own languages."
            )
        links = alignment.reversed() if alignment and ends != languages else alignment
        pairs = len(source) if paired else 0
        directions.append(_judged(lexicon, ends, ways[ends], pairs, links, (stability or {}).get(ends)))
    return Judgement(tuple(directions), len(source) if paired else 0)


def _judged(
    lexicon: Lexicon,
    ends: tuple[str, str],
    sides: tuple[Encoded, Encoded],
    pairs: int,
    alignment: "Alignment | None",
    stability: float | None,
) -> DirectionJudgement:
    vocabulary = sides[0].vocabulary
    entries = [lexicon.entries[key] for key in vocabulary.index if key in lexicon.entries]
    ids = np.array([word for key, word in vocabulary.index.items() if key in lexicon.entries], dtype=np.intp)
    figures = _figures(entries, ids, sides, ends[1], alignment) if pairs and entries else _Figures()
    running = int(vocabulary.counts[ids].sum())
    coverage = running / max(1, int(vocabulary.counts.sum()))
    verdict, reasons = _verdict(figures, running, coverage, stability, pairs)
    return DirectionJudgement(
        *ends,
        len(lexicon),
        verdict,
        **{name: value for name, value in figures._asdict().items() if name != "first"},
        words=len(entries),
        coverage=coverage,
        stability=stability,
        reasons=reasons,
        samples=_samples(lexicon, figures.first),
    )


def _alignment(source: Encoded, target: Encoded) -> "Alignment | None":
    from switchtune.lexicon.alignment import align  # loads numba

    try:
        return align(source, target, seed=1)
    except LexiconError:  # no pair has words on both sides
        return None


class _Figures(NamedTuple):
    """What held-out pairs say of a lexicon; nothing where there are none, or none of its words stands in them."""

    right: float | None = None
    lift: float | None = None
    yardstick: float | None = None
    paired: float | None = None
    shuffled: float | None = None
    deviations: float | None = None
    first: Mapping[str, float] = MappingProxyType({})
    """By an entry's word: the share of its sentences whose pair holds the first translation."""


def _figures(
    entries: Sequence[Entry],
    ids: NDArray[np.intp],
    sides: tuple[Encoded, Encoded],
    language: str,
    alignment: "Alignment | None",
) -> _Figures:
    """`ids`: of the entries' words in the source side; `language`: of their translations."""
    source, target = sides
    index, missing = target.vocabulary.index, len(target.vocabulary)
    links = [
        (row, index.get(lower_case(translation.word, language), missing))
        for row, entry in enumerate(entries)
        for translation in entry.translations
    ]
    row, translation = np.array(links, dtype=np.intp).T
    held_source, held_target = incidence(source), incidence(target)
    present = translation < missing
    both = np.zeros(len(links), dtype=np.int64)
    both[present] = sentences_with_both(held_source, held_target, ids[row[present]], translation[present])
    holding = np.diff(held_source.indptr)[ids[row]]
    chance = np.append(np.diff(held_target.indptr), 0)[translation] / len(source)
    # Shuffled, the number of sentences that hold both is hypergeometric.
    variance = chance * (1 - chance) * (len(source) - holding) / max(1, len(source) - 1) / holding
    size = np.bincount(row)
    paired, shuffled = (np.bincount(row, share) / size for share in (both / holding, chance))
    weight = source.vocabulary.counts[ids] / source.vocabulary.counts[ids].sum()
    lift = float(weight @ (paired - shuffled))
    spread = float(np.sqrt(weight**2 @ (np.bincount(row, variance) / size**2)))
    right, yardstick = None, None
    if alignment is not None:
        from switchtune.lexicon.yardstick import reachable_lift

        translations = np.zeros(len(source.vocabulary), dtype=np.int64)
        translations[ids] = size
        reachable = reachable_lift(source, target, alignment, translations)[ids]
        right, yardstick = _of_reachable(weight, paired - shuffled, reachable)
    firsts = zip(entries, (both / holding)[np.flatnonzero(np.diff(row, prepend=-1))].tolist(), strict=True)
    return _Figures(
        right=right,
        lift=lift,
        yardstick=yardstick,
        paired=float(weight @ paired),
        shuffled=float(weight @ shuffled),
        deviations=lift / spread if spread > 0 else 0.0,
        first={entry.word: first for entry, first in firsts},
    )


def _of_reachable(
    weight: NDArray[np.float64], lift: NDArray[np.float64], reachable: NDArray[np.float64]
) -> tuple[float | None, float | None]:
    """The share of right draws and the yardstick, from the share of running words, lift and reachable lift of words.

    Frequent and rare words are looked at apart, in bands of about as many running words: what translates an article is
    hard to see by its lift, and yet articles are drawn most often.
    """
    known = np.flatnonzero(~np.isnan(reachable))
    known = known[np.argsort(-weight[known], kind="stable")]
    if not len(known):
        return None, None
    weight = weight[known] / weight[known].sum()
    band = ((np.cumsum(weight) - weight / 2) * _BANDS).astype(np.intp)
    size, reached, gained = (np.bincount(band, weight * of) for of in (1, reachable[known], lift[known]))
    telling = reached > _LEAST_OF_BAND * size
    yardstick = float(reached.sum())
    if yardstick < LEAST_LIFT or not telling.any():
        return None, yardstick
    shares = np.clip(gained[telling] / reached[telling], 0, 1)
    return float(np.average(shares, weights=size[telling])), yardstick


def _verdict(
    figures: _Figures, running: int, coverage: float, stability: float | None, pairs: int
) -> tuple[Verdict, tuple[str, ...]]:
    """`running`: words of the held-out text that have an entry."""
    red, amber = list[str](), list[str]()
    right, lift, deviations = figures.right, figures.lift, figures.deviations
    bad = red if running >= LEAST_WORDS else amber
    if not running:
        red.append("none of its words occurs in the text")
    elif coverage < GREEN_COVERAGE:
        amber.append(f"it covers {coverage:.1%} of the text's running words; {GREEN_COVERAGE:.0%} would be good")
    if lift is None or deviations is None:
        amber += [] if pairs else ["there are no sentence pairs to judge it by"]
        if stability is not None and stability < RED_STABILITY:
            red.append(f"without pairs, stability is all there is to go by, and that is {stability:.0%}")
    elif deviations < LEAST_DEVIATIONS:
        bad.append(
            "its translations occur in the paired sentence hardly more often than by chance (a lift of"
            f" {lift:.3f}, {deviations:.1f} standard deviations of shuffled pairs; {LEAST_DEVIATIONS:g} are required)"
        )
    elif right is not None and right < GREEN_RIGHT:
        (bad if right < RED_RIGHT else amber).append(
            f"about {right:.0%} of what it would put into sentences is right (a lift of {lift:.3f} where a sound"
            f" lexicon reaches {figures.yardstick:.3f}); {RED_RIGHT:.0%} is the least, {GREEN_RIGHT:.0%} would be good"
        )
    elif right is None:
        amber.append("too few of its words occur in several held-out pairs to say how many translations are right")
    if lift is not None and pairs < LEAST_PAIRS:
        amber.append(f"{pairs} held-out pairs are few to judge by; {LEAST_PAIRS} would be enough")
    if stability is not None and stability < GREEN_STABILITY:
        amber.append(
            f"with another seed {1 - stability:.0%} of the running words get a different first translation"
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
