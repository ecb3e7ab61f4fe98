"""A lexicon from the parallel corpus itself: which words are aligned how often, and how sure that is.

Beyond the paper, which learns its lexicon from the two sides apart (4.1): a few thousand sentence pairs are too little
text for word embeddings, but enough for this.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from switchtune.lexicon.alignment import Alignment
from switchtune.lexicon.block import Limits
from switchtune.lexicon.records import Lexicon, LexiconError, Unit, make_lexicon
from switchtune.lexicon.text import Encoded, incidence, sentences_with_both

_DEVIATIONS = 1.0
"""How many standard deviations below what was observed a share is taken to be: what is seen once proves little."""

_DRAWS = 8  # Words drawn for each one kept, of which the `anti` control takes those that meet most rarely

# Source ids, target ids, weights.
_Weighted: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Compound:
    """A word that stands for several words of the other language."""

    word: str
    phrase: str
    count: int  # How often the word was aligned with just this phrase
    occurrences: int  # How often the word occurs in the text


def align_lexicons(
    alignment: Alignment,
    source: Encoded,
    target: Encoded,
    languages: tuple[str, str],
    limits: Limits,
    *,
    unit: Unit = "word",
) -> tuple[Lexicon, Lexicon]:
    """Lexicons of both directions (source → target, target → source) from an alignment.

    A translation's strength is p(target | source) · √p(source | target), where p is the share of a word's occurrences
    that are linked to the other (weighted by the links' probability), at the lower end of its confidence interval
    (Wilson, 1927). The second factor demotes function words, which stand beside everything.

    Raises:
        LexiconError: nothing is aligned.
    """
    if not len(alignment.source):
        raise LexiconError("No word of any sentence pair could be aligned: are the sides translations of each other?")
    source_word, target_word, weight = _linked_words(alignment, source, target)
    vocabularies = (source.vocabulary, target.vocabulary)
    stand = ~limits.block.links_of(vocabularies, source_word, target_word)
    source_word, target_word, weight = source_word[stand], target_word[stand], weight[stand]
    of_source = lower_share(weight, source.vocabulary.counts[source_word])
    of_target = lower_share(weight, target.vocabulary.counts[target_word])
    forward = _strongest((source_word, target_word, (of_source * np.sqrt(of_target)).round(6)), limits)
    backward = _strongest((target_word, source_word, (of_target * np.sqrt(of_source)).round(6)), limits)
    make = partial(make_lexicon, method="align", measure="probability", unit=unit)
    return make(languages, vocabularies, forward), make(languages[::-1], vocabularies[::-1], backward)


def _linked_words(alignment: Alignment, source: Encoded, target: Encoded) -> _Weighted:
    """Each pair of words that is linked anywhere, by source then by target word; and the sum of its probabilities."""
    pair = alignment.pair_of_link
    source_word = source.ids[source.starts[pair] + alignment.source].astype(np.int64)
    target_word = target.ids[target.starts[pair] + alignment.target]
    keys, which = np.unique(source_word * len(target.vocabulary) + target_word, return_inverse=True)
    weight = np.bincount(which, alignment.probability.astype(np.float64)).astype(np.float64)
    return keys // len(target.vocabulary), keys % len(target.vocabulary), weight


def lower_share(part: NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """The lower bound of the share `part` / `whole` at one standard deviation (Wilson score interval)."""
    share = np.minimum(1, part / whole)
    squared = _DEVIATIONS**2
    spread = _DEVIATIONS * np.sqrt(share * (1 - share) / whole + squared / (4 * whole**2))
    bound: NDArray[np.float64] = (share + squared / (2 * whole) - spread) / (1 + squared / whole)
    return np.maximum(0, bound)


def _strongest(links: _Weighted, limits: Limits) -> _Weighted:
    """The k strongest links of each source word, none under `floor` times the first; ties by the target vocabulary."""
    source, target, strength = links
    order = np.lexsort((target, -strength, source))
    ranked = source[order]
    first = np.searchsorted(ranked, ranked)
    least = limits.floor * strength[order[first]]
    order = order[(np.arange(len(order)) - first < limits.k) & (strength[order] > 0) & (strength[order] >= least)]
    return source[order], target[order], strength[order]


def compounds(alignment: Alignment, source: Encoded, target: Encoded, *, min_count: int = 2) -> tuple[Compound, ...]:
    """Source words that stand for phrases (Antriebsradsystem: drive wheel system), most frequent first.

    A phrase is several adjacent target words linked with the one word alone; a word has its most frequent phrase, if
    that makes up `min_count` and a fifth of its occurrences.
    """
    phrases: Counter[tuple[int, tuple[int, ...]]] = Counter()
    pair = alignment.pair_of_link
    same = (np.diff(pair) == 0) & (np.diff(alignment.source) == 0)
    begins = np.flatnonzero(np.concatenate(([True], ~same))) if len(pair) else np.zeros(0, np.int64)
    sizes = np.diff(np.concatenate((begins, [len(pair)])))
    links_of_token = np.bincount(target.starts[pair] + alignment.target, minlength=len(target.ids))
    for begin, size in zip(begins[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        positions = alignment.target[begin : begin + size]
        tokens = target.starts[pair[begin]] + positions
        if positions[-1] - positions[0] == size - 1 and (links_of_token[tokens] == 1).all():
            word = int(source.ids[source.starts[pair[begin]] + alignment.source[begin]])
            phrases[word, tuple(target.ids[tokens].tolist())] += 1
    best: dict[int, tuple[int, tuple[int, ...]]] = {}
    for (word, phrase), count in phrases.items():
        best[word] = max(best.get(word, (0, ())), (count, phrase))
    names, occurrences, parts = source.vocabulary.words, source.vocabulary.counts.tolist(), target.vocabulary.words
    frequent = [
        Compound(names[word], " ".join(parts[part] for part in phrase), count, occurrences[word])
        for word, (count, phrase) in sorted(best.items())
        if count >= min_count and count * 5 >= occurrences[word]
    ]
    return tuple(sorted(frequent, key=lambda compound: -compound.count))


def apart_lexicons(
    source: Encoded, target: Encoded, languages: tuple[str, str], *, k: int = 3, seed: int, unit: Unit = "word"
) -> tuple[Lexicon, Lexicon]:
    """The `anti` control of `align_lexicons`: each word with `k` drawn words that it meets never, or most rarely.

    Raises:
        LexiconError: the sides differ in length, or a side has no words.
    """
    if len(source) != len(target):
        raise LexiconError(f"{len(source)} source sentences, but {len(target)} target sentences: they must be pairs.")
    vocabularies = (source.vocabulary, target.vocabulary)
    if not all(map(len, vocabularies)):
        raise LexiconError("No sentence has words on both sides: there is nothing to make a lexicon of.")
    sentences = (incidence(source), incidence(target))
    seeds = np.random.SeedSequence(seed).spawn(2)
    make = partial(make_lexicon, method="anti(align)", measure="none", unit=unit)
    forward = _apart(*sentences, k, np.random.default_rng(seeds[0]))
    backward = _apart(*sentences[::-1], k, np.random.default_rng(seeds[1]))
    return make(languages, vocabularies, forward), make(languages[::-1], vocabularies[::-1], backward)


def _apart(source: csr_array, target: csr_array, k: int, rng: np.random.Generator) -> _Weighted:
    words, targets = source.shape[0], target.shape[0]
    drawn = min(targets, _DRAWS * k)
    choices = np.stack([rng.choice(targets, size=drawn, replace=False) for _ in range(words)])  # [words, drawn]
    rows = np.repeat(np.arange(words), drawn)
    met = sentences_with_both(source, target, rows, choices.ravel()).reshape(words, drawn)
    rarest = np.argsort(met, axis=1, kind="stable")[:, :k]
    chosen = np.take_along_axis(choices, rarest, axis=1)
    return np.repeat(np.arange(words), chosen.shape[1]), chosen.ravel(), np.ones(chosen.size)
