"""Two embedding spaces mapped into one by self-learning (paper 4.1; Artetxe et al., ACL 2018: "VecMap").

Everything works on matrices of one vector a row, most frequent word first, in float32, and in blocks, so that no
matrix of all source words by all target words is ever held whole. `similarity` is larger for closer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]  # [words, dimensions]
Places: TypeAlias = NDArray[np.intp]
Normalisation: TypeAlias = Literal["unit", "center"]
Direction: TypeAlias = Literal["forward", "backward", "union"]

_ELEMENTS_PER_BLOCK = 1 << 20
"""Size of a block of similarities (4 MiB: it stays in the cache); without influence on the results."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Word pairs: the i-th joins row `source[i]` of one matrix with row `target[i]` of the other."""

    source: Places  # [pairs]
    target: Places  # [pairs]

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, slots=True)
class OrthogonalMapping:
    """The source is turned, the target stays (Artetxe et al., 2016)."""


@dataclass(frozen=True, slots=True)
class WeightedMapping:
    """Whitening, orthogonal mapping, re-weighting, de-whitening, dimension reduction (Artetxe et al., AAAI 2018)."""

    source_weight: float = 0.5
    """Power of the singular values that the source's dimensions are multiplied with."""
    target_weight: float = 0.5
    dimensions: int | None = None
    """Dimensions kept, the best correlated first; None keeps all."""


@dataclass(frozen=True, slots=True)
class SelfLearning:
    """How the dictionary is refined: induced anew from the mapping that it led to, until that helps no more."""

    direction: Direction = "union"
    """Which words look for their nearest neighbour: the source's, the target's, or both."""
    neighbourhood: int = 10
    """Neighbours of CSLS; 0 compares plain similarities."""
    cutoff: int = 20_000
    """Only so many of the most frequent words of each side stand in the dictionary."""
    threshold: float = 1e-6
    """The least gain in mean similarity that counts as an improvement."""
    keep_initial: float = 0.1
    """Share of the similarities that is kept in the first induction; the others count as zero."""
    keep_multiplier: float = 2.0
    """Growth of that share when `patience` iterations brought no improvement; at share 1 that ends the learning."""
    patience: int = 50


@dataclass(frozen=True, slots=True)
class MapSettings:
    """A recipe for mapping. The defaults are VecMap's recommendation, `PAPER` is what the paper's code runs."""

    normalisation: tuple[Normalisation, ...] = ("unit", "center", "unit")
    final: OrthogonalMapping | WeightedMapping = field(default_factory=WeightedMapping)
    """The mapping made from the last dictionary; those before it are orthogonal."""
    learning: SelfLearning | None = field(default_factory=SelfLearning)
    """None maps by the seed dictionary alone."""


PAPER = MapSettings(("unit", "center"), OrthogonalMapping(), SelfLearning(neighbourhood=0, cutoff=0))
"""The paper's code (4.1): `--normalize unit center --orthogonal --self_learning`, all else as VecMap's own defaults."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Both sides in one space, the dictionary that led there, and how the learning went."""

    source: Vectors
    target: Vectors
    dictionary: Dictionary
    iterations: int


def normalise(vectors: Vectors, steps: Sequence[Normalisation]) -> Vectors:
    """A copy of `vectors` after the steps in order: `unit` gives rows length 1, `center` gives columns mean 0."""
    result = np.array(vectors, dtype=np.float32)
    for step in steps:
        if step == "center":
            result -= result.mean(axis=0)
        else:
            lengths = np.linalg.norm(result, axis=1, keepdims=True)
            result /= np.where(lengths > 0, lengths, 1)
    return result


def map_embeddings(
    source: Vectors, target: Vectors, seed: Dictionary, settings: MapSettings, *, rng: np.random.Generator
) -> Mapped:
    """Map two normalised embedding matrices into one space, from a seed dictionary.

    `rng` decides which similarities are left out while the share kept is below 1 (stochastic dictionary induction);
    with `keep_initial=1` nothing is random.
    """
    dictionary, iterations = seed, 0
    if settings.learning is not None:
        dictionary, iterations = self_learn(source, target, seed, settings.learning, rng=rng)
    if isinstance(settings.final, OrthogonalMapping):
        return Mapped(source @ rotation(source, target, dictionary), target, dictionary, iterations)
    return Mapped(*weighted_map(source, target, dictionary, settings.final), dictionary, iterations)


def rotation(source: Vectors, target: Vectors, dictionary: Dictionary) -> Vectors:
    """The orthogonal R that brings `source @ R` closest to `target` on the dictionary (Procrustes). [dim, dim]"""
    left, _, right = np.linalg.svd(source[dictionary.source].T @ target[dictionary.target])
    turn: Vectors = left @ right
    return turn


def weighted_map(
    source: Vectors, target: Vectors, dictionary: Dictionary, mapping: WeightedMapping
) -> tuple[Vectors, Vectors]:
    """Both sides after whitening, turning, re-weighting, de-whitening and dimension reduction, in this order.

    Each side is de-whitened by its own whitening. Directions in which a side's dictionary words do not vary are dropped
    (they have no inverse), so a dictionary of fewer words than dimensions gives a mapping of lower rank.
    """
    source_whitening, source_dewhitening = _whitening(source[dictionary.source])
    target_whitening, target_dewhitening = _whitening(target[dictionary.target])
    white_source = source[dictionary.source] @ source_whitening
    white_target = target[dictionary.target] @ target_whitening
    left, correlation, right = np.linalg.svd(white_source.T @ white_target)
    source_turn, target_turn = left, right.T
    source_map = (source_whitening @ source_turn) * correlation**mapping.source_weight
    target_map = (target_whitening @ target_turn) * correlation**mapping.target_weight
    source_map = source_map @ (source_turn.T @ source_dewhitening @ source_turn)
    target_map = target_map @ (target_turn.T @ target_dewhitening @ target_turn)
    kept = slice(mapping.dimensions)
    return source @ source_map[:, kept].astype(np.float32), target @ target_map[:, kept].astype(np.float32)


def _whitening(vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The symmetric matrix that makes the columns of `vectors` uncorrelated and of length 1, and its (pseudo-)inverse.

    Computed in double precision from the product of the columns, whose square root it inverts.
    """
    doubled = vectors.astype(np.float64)
    eigenvalues, basis = np.linalg.eigh(doubled.T @ doubled)
    varies = eigenvalues > eigenvalues[-1] * 1e-10
    scale = np.sqrt(np.where(varies, eigenvalues, 0))
    inverse_scale = np.divide(1, scale, out=np.zeros_like(scale), where=varies)
    return (basis * inverse_scale) @ basis.T, (basis * scale) @ basis.T


def self_learn(
    source: Vectors, target: Vectors, seed: Dictionary, learning: SelfLearning, *, rng: np.random.Generator
) -> tuple[Dictionary, int]:
    """Refine a dictionary by turns: the orthogonal mapping that it gives, then the nearest neighbours in that mapping.

    Ends when, with all similarities kept, `patience` iterations improved the mean similarity of nearest neighbours by
    less than `threshold`. Returns the last dictionary and the number of iterations.
    """
    dictionary, keep = seed, learning.keep_initial
    best, iteration, last_improvement = -np.inf, 0, 0
    sizes = (learning.cutoff or len(source), learning.cutoff or len(target))
    frequent_source, frequent_target = source[: sizes[0]], target[: sizes[1]]
    while True:
        iteration += 1
        if iteration - last_improvement > learning.patience:
            if keep >= 1:
                return dictionary, iteration - 1
            keep, last_improvement = min(1.0, keep * learning.keep_multiplier), iteration
        turned = frequent_source @ rotation(source, target, dictionary)
        drop = partial(_drop, keep=keep, rng=rng) if keep < 1 else None
        dictionary, objective = induce(
            turned, frequent_target, direction=learning.direction, neighbourhood=learning.neighbourhood, drop=drop
        )
        if objective - best >= learning.threshold:
            best, last_improvement = objective, iteration


def induce(
    source: Vectors,
    target: Vectors,
    *,
    direction: Direction,
    neighbourhood: int,
    drop: Callable[[Vectors], Vectors] | None = None,
) -> tuple[Dictionary, float]:
    """The dictionary of nearest neighbours in a common space, and its objective: their mean plain similarity.

    Neighbours are nearest by CSLS, after `drop` has left out some of the scores.
    """
    every_source, every_target = np.arange(len(source)), np.arange(len(target))
    dictionaries, similarities = [], []
    if direction != "backward":
        nearest, similarity = _nearest(source, target, hubness(target, source, neighbourhood), drop)
        dictionaries.append(Dictionary(every_source, nearest))
        similarities.append(float(similarity.mean()))
    if direction != "forward":
        nearest, similarity = _nearest(target, source, hubness(source, target, neighbourhood), drop)
        dictionaries.append(Dictionary(nearest, every_target))
        similarities.append(float(similarity.mean()))
    union = Dictionary(
        np.concatenate([dictionary.source for dictionary in dictionaries]),
        np.concatenate([dictionary.target for dictionary in dictionaries]),
    )
    return union, sum(similarities) / len(similarities)


def _nearest(
    words: Vectors, others: Vectors, hubness_of_others: Vectors, drop: Callable[[Vectors], Vectors] | None
) -> tuple[Places, Vectors]:
    """The place of each word's nearest among the others by CSLS, after `drop`, and its highest plain similarity."""
    places = np.empty(len(words), dtype=np.intp)
    highest = np.empty(len(words), dtype=np.float32)
    for rows, similarity in _similarity_blocks(words, others):
        highest[rows] = similarity.max(axis=1)
        similarity -= hubness_of_others / 2  # a word's own hubness is the same for all its neighbours
        places[rows] = (drop(similarity) if drop else similarity).argmax(axis=1)
    return places, highest


def _drop(scores: Vectors, *, keep: float, rng: np.random.Generator) -> Vectors:
    """Set each score to zero with probability 1 - `keep` (in steps of 2^-16), in place."""
    draws = rng.integers(0, 1 << 16, size=scores.shape, dtype=np.uint16)
    scores *= draws < round(keep * (1 << 16))
    return scores


def hubness(words: Vectors, others: Vectors, neighbourhood: int) -> Vectors:
    """How near the other side's words come to each word: the mean similarity of its `neighbourhood` nearest. [words]

    CSLS (Conneau et al., 2018) is twice the similarity less the hubness of both words: what is near to everything is
    near to nothing. With neighbourhood 0 the hubness is 0.
    """
    total = np.zeros(len(words), dtype=np.float32)
    neighbourhood = min(neighbourhood, len(others))
    for rows, similarity in _similarity_blocks(words, others):
        every_row = np.arange(len(similarity))
        for _ in range(neighbourhood):  # for the few neighbours wanted, several times as fast as np.partition
            nearest = similarity.argmax(axis=1)
            total[rows] += similarity[every_row, nearest]
            similarity[every_row, nearest] = -np.inf
    return total / np.float32(max(1, neighbourhood))


def nearest_by_csls(
    source: Vectors, target: Vectors, *, k: int, neighbourhood: int = 10, farthest: bool = False
) -> tuple[Places, Vectors]:
    """The `k` target words nearest to each source word (with `farthest`: least near) and their CSLS, nearest first.

    Similarity is that of the vectors' directions (cosine). Ties go to the more frequent word. Shapes: [source, k] both,
    or fewer columns where the target has fewer words.
    """
    source, target = normalise(source, ("unit",)), normalise(target, ("unit",))
    source_hubness, target_hubness = hubness(source, target, neighbourhood), hubness(target, source, neighbourhood)
    k = min(k, len(target))
    places = np.empty((len(source), k), dtype=np.intp)
    scores = np.empty((len(source), k), dtype=np.float32)
    sign = np.float32(-1 if farthest else 1)
    for rows, similarity in _similarity_blocks(source, target):
        ranked = sign * (2 * similarity - source_hubness[rows, None] - target_hubness)
        every_row = np.arange(len(ranked))
        for place in reversed(range(k)) if farthest else range(k):
            best = ranked.argmax(axis=1)
            places[rows, place] = best
            scores[rows, place] = sign * ranked[every_row, best]
            ranked[every_row, best] = -np.inf
    return places, scores


def _similarity_blocks(source: Vectors, target: Vectors) -> Iterator[tuple[slice, Vectors]]:
    """Dot products of some source rows with all target rows, block by block."""
    step = max(1, _ELEMENTS_PER_BLOCK // max(1, len(target)))
    for start in range(0, len(source), step):
        rows = slice(start, min(start + step, len(source)))
        yield rows, source[rows] @ target.T


def identical_words(source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The seed dictionary of the words that both sides write alike. Mappings: word → row."""
    shared = [word for word in source if word in target]
    return Dictionary(
        np.array([source[word] for word in shared], dtype=np.intp),
        np.array([target[word] for word in shared], dtype=np.intp),
    )


def identical_numerals(source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The seed dictionary of the numbers, in digits 0-9, that stand on both sides. Mappings: word → row."""
    numerals = {word: row for word, row in source.items() if word.isascii() and word.isdigit()}
    return identical_words(numerals, target)


def similar_profiles(
    source: Vectors,
    target: Vectors,
    normalisation: Sequence[Normalisation],
    *,
    vocabulary: int = 4000,
    neighbourhood: int = 10,
    direction: Direction = "union",
) -> Dictionary:
    """The seed dictionary of VecMap's unsupervised initialisation, from normalised vectors.

    Words that mean the same have alike profiles: the sorted similarities (their square root, in the sense of
    matrices) to all words of their own side, of which the `vocabulary` most frequent are looked at.
    """
    size = min(len(source), len(target), vocabulary)
    profiles = [normalise(_profile(vectors[:size]), normalisation) for vectors in (source, target)]
    dictionary, _ = induce(*profiles, direction=direction, neighbourhood=neighbourhood)
    return dictionary


def _profile(vectors: Vectors) -> Vectors:
    left, scale, _ = np.linalg.svd(vectors, full_matrices=False)
    profile: Vectors = np.sort((left * scale) @ left.T, axis=1)
    return profile
