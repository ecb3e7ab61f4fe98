"""Two embedding spaces mapped into one by self-learning (paper 4.1; Artetxe et al., ACL 2018: "VecMap").

Vectors are the rows of float32 tensors, most frequent word first, on any device. Every product is computed by one
thread, so the result does not depend on the number of cores.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from switchtune.lexicon.csls import (
    Hubs,
    Normalisation,
    Ranking,
    closest,
    hubness,
    hubness_of,
    normalise,
    one_thread_each,
    rank_similarities,
)
from switchtune.lexicon.records import BuildStep, OnStep


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Word pairs: the i-th joins row `source[i]` of one matrix with row `target[i]` of the other."""

    source: Tensor  # [pairs], int64
    target: Tensor  # [pairs], int64

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, slots=True)
class SelfLearning:
    """How the dictionary is refined: induced anew from the mapping that it led to, until that helps no more.

    The defaults are VecMap's, which sets single similarities to zero at random; here whole words are left out, anew in
    every iteration, so that an iteration costs as little as its share.
    """

    neighbourhood: int = 10  # Neighbours of CSLS; 0 compares plain similarities
    cutoff: int = 20_000  # Most frequent words of each side that stand in the dictionary; 0: all
    early_cutoff: int = 0  # The same while the share kept is below 1; 0: as `cutoff`
    threshold: float = 1e-6  # Least gain in mean similarity that counts as an improvement
    keep_initial: float = 0.1  # Share of the words that are candidates in the first induction
    keep_multiplier: float = 2.0
    """Growth of that share when `patience` iterations brought no improvement; at share 1 that ends the learning."""
    patience: int = 50
    last_patience: int | None = None  # Patience at share 1; None: as `patience`
    lag: bool = False
    """Whether the hubness at share 1 is that of the iteration before, whose similarities also gave it: one product of
    all words by all words an iteration instead of two, and the same once the mapping has come to rest."""


@dataclass(frozen=True, slots=True)
class MapSettings:
    """A way to map. The defaults are VecMap's recommendation, `PAPER` is what the paper's code runs."""

    normalisation: tuple[Normalisation, ...] = ("unit", "center", "unit")
    weighted: bool = True  # Whether the last mapping is `weighted_map`, or orthogonal as those before it
    learning: SelfLearning | None = SelfLearning()  # None: the seed dictionary alone


PAPER = MapSettings(("unit", "center"), False, SelfLearning(neighbourhood=0, cutoff=0))
"""The paper's code (4.1): `--normalize unit center --orthogonal --self_learning`, all else as VecMap's own defaults."""

FAST = MapSettings(
    learning=SelfLearning(
        cutoff=4000, early_cutoff=2000, threshold=1e-4, keep_multiplier=3.2, patience=15, last_patience=2, lag=True
    )
)
"""VecMap's recommendation with less patience and a dictionary of the most frequent words only: within a point as
precise on 5,000 words a side, and many times as fast (docs/lexicons.md)."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Both sides in one space, the dictionary that led there, and how many iterations it took."""

    source: Tensor
    target: Tensor
    dictionary: Dictionary
    iterations: int


def map_embeddings(
    source: Tensor,
    target: Tensor,
    seed: Dictionary,
    settings: MapSettings,
    *,
    rng: np.random.Generator,
    on_step: OnStep = lambda step: None,
) -> Mapped:
    """Map two normalised embedding matrices into one space, from a seed dictionary.

    `rng` decides which words are left out while the share kept is below 1 (stochastic dictionary induction).
    """
    dictionary, iterations = seed, 0
    if settings.learning is not None:
        dictionary, iterations = self_learn(source, target, seed, settings.learning, rng=rng, on_step=on_step)
    if settings.weighted:
        return Mapped(*weighted_map(source, target, dictionary), dictionary, iterations)
    return Mapped(turn(source, rotation(source, target, dictionary)), target, dictionary, iterations)


@one_thread_each()
def rotation(source: Tensor, target: Tensor, dictionary: Dictionary) -> Tensor:
    """The orthogonal R that brings `source @ R` closest to `target` on the dictionary (Procrustes). [dim, dim]"""
    left, _, right = torch.linalg.svd(source[dictionary.source].T @ target[dictionary.target])
    found: Tensor = left @ right
    return found


@one_thread_each()
def turn(vectors: Tensor, rotation: Tensor) -> Tensor:
    return vectors @ rotation


@one_thread_each()
def weighted_map(
    source: Tensor, target: Tensor, dictionary: Dictionary, *, weight: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Both sides after whitening, turning, re-weighting and de-whitening, in this order (Artetxe et al., AAAI 2018).

    Dimensions are multiplied by their singular values to the power of `weight`. Directions in which a side's dictionary
    words do not vary are dropped: they have no inverse.
    """
    source_pairs, target_pairs = source[dictionary.source].double(), target[dictionary.target].double()
    source_whitening, source_dewhitening = _whitening(source_pairs)
    target_whitening, target_dewhitening = _whitening(target_pairs)
    left, correlation, right = torch.linalg.svd(source_whitening.T @ (source_pairs.T @ target_pairs) @ target_whitening)
    weights = correlation**weight
    source_map = (source_whitening @ left) * weights @ (left.T @ source_dewhitening @ left)
    target_map = (target_whitening @ right.T) * weights @ (right @ target_dewhitening @ right.T)
    return source @ source_map.float(), target @ target_map.float()


def _whitening(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric matrix that makes columns (in double precision) uncorrelated and of length 1; and its inverse."""
    eigenvalues, basis = torch.linalg.eigh(vectors.T @ vectors)
    varies = eigenvalues > eigenvalues[-1] * 1e-10
    scale = torch.where(varies, eigenvalues, 1).sqrt()
    return (basis * (varies / scale)) @ basis.T, (basis * (varies * scale)) @ basis.T


def self_learn(
    source: Tensor,
    target: Tensor,
    seed: Dictionary,
    learning: SelfLearning,
    *,
    rng: np.random.Generator,
    on_step: OnStep = lambda step: None,
) -> tuple[Dictionary, int]:
    """Refine a dictionary by turns: the orthogonal mapping that it gives, then the nearest neighbours in that mapping.

    Returns the last dictionary and the number of iterations.
    """
    dictionary, keep = seed, learning.keep_initial
    best, iteration, last_improvement = -np.inf, 0, 0
    hubs: Hubs | None = None
    while True:
        iteration += 1
        patience = learning.patience if keep < 1 or learning.last_patience is None else learning.last_patience
        if iteration - last_improvement > patience:
            if keep >= 1:
                return dictionary, iteration - 1
            keep, last_improvement, best = min(1.0, keep * learning.keep_multiplier), iteration, -np.inf
        cutoff = (learning.early_cutoff if keep < 1 else 0) or learning.cutoff or max(len(source), len(target))
        turned, frequent = turn(source[:cutoff], rotation(source, target, dictionary)), target[:cutoff]
        if keep < 1:
            dictionary, objective = induce_among_some(turned, frequent, learning.neighbourhood, keep=keep, rng=rng)
        else:
            former = hubs if learning.lag else None
            dictionary, objective, hubs = induce(turned, frequent, learning.neighbourhood, former)
        on_step(BuildStep("mapping", iteration, 0, f"similarity {objective:.4f}, {keep:.0%} of the words"))
        if objective - best >= learning.threshold:
            best, last_improvement = objective, iteration


def induce(
    source: Tensor, target: Tensor, neighbourhood: int, hubs: Hubs | None = None
) -> tuple[Dictionary, float, Hubs]:
    """The dictionary of both sides' nearest neighbours by CSLS in a common space, its objective, and the hubness.

    The objective is the mean plain similarity of each word's closest; `hubs`, if given, spares a second product.
    """
    if hubs is None:
        hubs = hubness_of(rank_similarities(source, target, closest(neighbourhood)), neighbourhood)
    nearest = (Ranking("source", 1, -hubs[1] / 2), Ranking("target", 1, -hubs[0] / 2))
    *of_closest, forward, backward = rank_similarities(source, target, [*closest(neighbourhood), *nearest])
    objective = sum(float(side.scores[:, 0].mean()) for side in of_closest) / 2
    return _pairs(forward.rows[:, 0], backward.rows[:, 0]), objective, hubness_of(of_closest, neighbourhood)


def induce_among_some(
    source: Tensor, target: Tensor, neighbourhood: int, *, keep: float, rng: np.random.Generator
) -> tuple[Dictionary, float]:
    """As `induce`, where only a random share `keep` of each side's words are candidates for the other side's words."""
    some_source, some_target = (
        torch.from_numpy(np.sort(rng.permutation(len(words))[: max(1, round(keep * len(words)))])).to(words.device)
        for words in (source, target)
    )
    forward, of_source = _nearest(source, target[some_target], neighbourhood)
    backward, of_target = _nearest(target, source[some_source], neighbourhood)
    return _pairs(some_target[forward], some_source[backward]), (of_source + of_target) / 2


def _nearest(words: Tensor, candidates: Tensor, neighbourhood: int) -> tuple[Tensor, float]:
    """The row of each word's nearest candidate by CSLS, and the words' mean highest plain similarity."""
    (of_candidates,) = rank_similarities(candidates, words, [Ranking("source", max(1, neighbourhood))])
    offset = -hubness(of_candidates, neighbourhood) / 2
    nearest, highest = rank_similarities(words, candidates, [Ranking("source", 1, offset), Ranking("source", 1)])
    return nearest.rows[:, 0], float(highest.scores.mean())


def _pairs(forward: Tensor, backward: Tensor) -> Dictionary:
    """Each source word with its neighbour in the target, then each target word with its neighbour in the source."""
    sources, targets = (torch.arange(len(rows), device=rows.device) for rows in (forward, backward))
    return Dictionary(torch.cat([sources, backward]), torch.cat([forward, targets]))


def identical_words(source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The seed dictionary of the words and numbers that both sides write alike. Mappings: word → row."""
    return dictionary_of(((word, word) for word in source), source, target)


def identical_numerals(source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The same of the numbers in digits 0-9 alone."""
    return dictionary_of(((word, word) for word in source if word.isascii() and word.isdigit()), source, target)


def dictionary_of(pairs: Iterable[tuple[str, str]], source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The seed dictionary of those pairs of which both words have a row. Mappings: word → row."""
    rows = [(source[word], target[match]) for word, match in pairs if word in source and match in target]
    columns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 2)
    return Dictionary(columns[:, 0], columns[:, 1])


def similar_profiles(
    source: Tensor, target: Tensor, normalisation: Sequence[Normalisation], *, vocabulary: int = 4000
) -> Dictionary:
    """The seed dictionary of VecMap's unsupervised initialisation, from normalised vectors.

    Words that mean the same have alike profiles: the sorted similarities (their matrix square root) to the `vocabulary`
    most frequent words of their own side.
    """
    size = min(len(source), len(target), vocabulary)
    profiles = [normalise(_profile(vectors[:size]), normalisation) for vectors in (source, target)]
    return induce(profiles[0], profiles[1], neighbourhood=10)[0]


@one_thread_each()
def _profile(vectors: Tensor) -> Tensor:
    left, scale, _ = torch.linalg.svd(vectors, full_matrices=False)
    profile: Tensor = ((left * scale) @ left.T).sort(dim=1).values
    return profile
