"""Two embedding spaces mapped into one by self-learning (paper 4.1; Artetxe et al., ACL 2018: "VecMap").

Everything works on tensors of one vector a row, most frequent word first, in float32, on whatever device they are. No
matrix of all source words by all target words is ever held whole: similarities are computed tile by tile, and of each
tile only the highest scores of its rows and columns are kept. `similarity` is larger for closer.

The result does not depend on the number of cores: every product is computed by one thread, tiles have a fixed size, and
what is kept of them does not depend on the order in which they are done.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

Normalisation: TypeAlias = Literal["unit", "center"]
Direction: TypeAlias = Literal["forward", "backward", "union"]
Item = TypeVar("Item")
Result = TypeVar("Result")

_TILE = 2048
"""Rows and columns of a tile of similarities (16 MiB): large enough that ranking costs little beside the product."""
_GROUP = 32
"""Scores that are looked at together: only groups with a high maximum are searched for the highest scores."""
_AHEAD = 64
"""Tiles that may be under way, or done, while the result of an earlier one is waited for: work for so many cores."""
_MAGNITUDE = 0x7FFF_FFFF
_LARGEST_PLACE = 0xFFFF_FFFF
_LOOKING: Mapping[Direction, tuple[int, ...]] = {"forward": (0,), "backward": (1,), "union": (0, 1)}
"""Which sides (0: source, 1: target) look for their nearest neighbour."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Word pairs: the i-th joins row `source[i]` of one matrix with row `target[i]` of the other."""

    source: Tensor  # [pairs], int64
    target: Tensor  # [pairs], int64

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True, slots=True)
class Hubness:
    """How near the other side's words come to each word (`hubness`)."""

    source: Tensor  # [source words]
    target: Tensor  # [target words]


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
    """How the dictionary is refined: induced anew from the mapping that it led to, until that helps no more.

    The defaults are VecMap's. It sets single similarities to zero at random; here, whole words are left out of the
    candidates at random, anew in every iteration, so that an iteration costs as little as its share.
    """

    direction: Direction = "union"
    """Which words look for their nearest neighbour: the source's, the target's, or both."""
    neighbourhood: int = 10
    """Neighbours of CSLS; 0 compares plain similarities."""
    cutoff: int = 20_000
    """Only so many of the most frequent words of each side stand in the dictionary; 0: all."""
    early_cutoff: int = 0
    """The same while the share kept is below 1; 0: as `cutoff`."""
    threshold: float = 1e-6
    """The least gain in mean similarity that counts as an improvement."""
    keep_initial: float = 0.1
    """Share of the words that are candidates in the first induction."""
    keep_multiplier: float = 2.0
    """Growth of that share when `patience` iterations brought no improvement; at share 1 that ends the learning."""
    patience: int = 50
    last_patience: int | None = None
    """The patience at share 1; None: as `patience`."""
    lag: bool = False
    """Whether the hubness at share 1 is that of the iteration before, whose similarities also gave it: one product of
    all words by all words an iteration instead of two, and the same once the mapping has come to rest."""


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

FAST = MapSettings(
    learning=SelfLearning(
        cutoff=4000, early_cutoff=2000, threshold=1e-4, keep_multiplier=3.2, patience=15, last_patience=2, lag=True
    )
)
"""VecMap's recommendation with less patience and a dictionary of the most frequent words only: within a point as
precise on 5,000 words a side, and many times as fast (docs/lexicons.md)."""


@dataclass(frozen=True, slots=True)
class MapProgress:
    """Where the self-learning stands after an iteration (counted from 1)."""

    iteration: int
    similarity: float
    """The objective: the mean similarity of nearest neighbours among the candidates."""
    keep: float
    """The share of words that were candidates; the learning ends some iterations after it has reached 1."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Both sides in one space, the dictionary that led there, and how many iterations it took."""

    source: Tensor
    target: Tensor
    dictionary: Dictionary
    iterations: int


def no_report(_: MapProgress) -> None:
    """For those who do not want to know."""


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Within it every torch operation runs in one thread, so that sums have one order. Yields the threads before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


@contextmanager
def single_threaded_workers() -> Iterator[ThreadPoolExecutor]:
    """As many workers as torch may use threads, each of them computing in one thread: sums have one order."""
    with one_thread_each() as threads, ThreadPoolExecutor(threads) as workers:
        yield workers


@one_thread_each()
def normalise(vectors: Tensor, steps: Sequence[Normalisation]) -> Tensor:
    """A copy of `vectors` after the steps in order: `unit` gives rows length 1, `center` gives columns mean 0."""
    result = vectors.to(torch.float32, copy=True)
    for step in steps:
        if step == "center":
            result -= result.mean(dim=0)
        else:
            lengths = torch.linalg.vector_norm(result, dim=1, keepdim=True)
            result /= torch.where(lengths > 0, lengths, 1)
    return result


def map_embeddings(
    source: Tensor,
    target: Tensor,
    seed: Dictionary,
    settings: MapSettings,
    *,
    rng: np.random.Generator,
    on_progress: Callable[[MapProgress], None] = no_report,
) -> Mapped:
    """Map two normalised embedding matrices into one space, from a seed dictionary.

    `rng` decides which words are left out while the share kept is below 1 (stochastic dictionary induction); with
    `keep_initial=1` nothing is random.
    """
    dictionary, iterations = seed, 0
    if settings.learning is not None:
        dictionary, iterations = self_learn(source, target, seed, settings.learning, rng=rng, on_progress=on_progress)
    if isinstance(settings.final, OrthogonalMapping):
        return Mapped(*orthogonal_map(source, target, dictionary), dictionary, iterations)
    return Mapped(*weighted_map(source, target, dictionary, settings.final), dictionary, iterations)


@one_thread_each()
def orthogonal_map(source: Tensor, target: Tensor, dictionary: Dictionary) -> tuple[Tensor, Tensor]:
    """The source turned towards the target, and the target as it is."""
    return source @ rotation(source, target, dictionary), target


@one_thread_each()
def rotation(source: Tensor, target: Tensor, dictionary: Dictionary) -> Tensor:
    """The orthogonal R that brings `source @ R` closest to `target` on the dictionary (Procrustes). [dim, dim]"""
    left, _, right = torch.linalg.svd(source[dictionary.source].T @ target[dictionary.target])
    turn: Tensor = left @ right
    return turn


@one_thread_each()
def weighted_map(
    source: Tensor, target: Tensor, dictionary: Dictionary, mapping: WeightedMapping
) -> tuple[Tensor, Tensor]:
    """Both sides after whitening, turning, re-weighting, de-whitening and dimension reduction, in this order.

    Each side is de-whitened by its own whitening. Directions in which a side's dictionary words do not vary are dropped
    (they have no inverse), so a dictionary of fewer words than dimensions gives a mapping of lower rank.
    """
    source_pairs, target_pairs = source[dictionary.source].double(), target[dictionary.target].double()
    source_whitening, source_dewhitening = _whitening(source_pairs)
    target_whitening, target_dewhitening = _whitening(target_pairs)
    left, correlation, right = torch.linalg.svd(source_whitening.T @ (source_pairs.T @ target_pairs) @ target_whitening)
    source_turn, target_turn = left, right.T
    source_map = (source_whitening @ source_turn) * correlation**mapping.source_weight
    target_map = (target_whitening @ target_turn) * correlation**mapping.target_weight
    source_map = source_map @ (source_turn.T @ source_dewhitening @ source_turn)
    target_map = target_map @ (target_turn.T @ target_dewhitening @ target_turn)
    kept = slice(mapping.dimensions)
    return source @ source_map[:, kept].float(), target @ target_map[:, kept].float()


def _whitening(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric matrix that makes the columns of `vectors` uncorrelated and of length 1, and its (pseudo-)inverse.

    Computed from the product of the columns, whose square root it inverts; hence wants double precision.
    """
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
    on_progress: Callable[[MapProgress], None] = no_report,
) -> tuple[Dictionary, int]:
    """Refine a dictionary by turns: the orthogonal mapping that it gives, then the nearest neighbours in that mapping.

    Ends when, with all words kept, `patience` iterations improved the mean similarity of nearest neighbours by less
    than `threshold`. Returns the last dictionary and the number of iterations.
    """
    dictionary, keep = seed, learning.keep_initial
    best, iteration, last_improvement = -np.inf, 0, 0
    hubness: Hubness | None = None
    with single_threaded_workers() as workers:
        while True:
            iteration += 1
            patience = learning.patience if keep < 1 or learning.last_patience is None else learning.last_patience
            if iteration - last_improvement > patience:
                if keep >= 1:
                    return dictionary, iteration - 1
                keep, last_improvement, best = min(1.0, keep * learning.keep_multiplier), iteration, -np.inf
            cutoff = (learning.early_cutoff if keep < 1 else 0) or learning.cutoff or max(len(source), len(target))
            turned, frequent = source[:cutoff] @ rotation(source, target, dictionary), target[:cutoff]
            if keep < 1:
                dictionary, objective = _induce_among_some(workers, turned, frequent, learning, keep=keep, rng=rng)
            else:
                dictionary, objective, hubness = _induce(
                    workers,
                    turned,
                    frequent,
                    learning.direction,
                    learning.neighbourhood,
                    hubness if learning.lag else None,
                )
            on_progress(MapProgress(iteration, objective, keep))
            if objective - best >= learning.threshold:
                best, last_improvement = objective, iteration


def induce(
    source: Tensor, target: Tensor, *, direction: Direction, neighbourhood: int, hubness: Hubness | None = None
) -> tuple[Dictionary, float, Hubness]:
    """The dictionary of nearest neighbours by CSLS in a common space, its objective, and the hubness of both sides.

    The objective is the mean plain similarity of each word's closest. A `hubness` that is given is used instead of
    these spaces' own, which spares a second product of all words by all words.
    """
    with single_threaded_workers() as workers:
        return _induce(workers, source, target, direction, neighbourhood, hubness)


def _induce(
    workers: ThreadPoolExecutor,
    source: Tensor,
    target: Tensor,
    direction: Direction,
    neighbourhood: int,
    hubness: Hubness | None,
) -> tuple[Dictionary, float, Hubness]:
    closest = [_Ranking(side, max(1, neighbourhood), placed=False) for side in ("source", "target")]
    if hubness is None:
        hubness = _hubness_of(_sweep(workers, source, target, closest), neighbourhood)
    nearest = [_Ranking("source", 1, hubness.target / 2), _Ranking("target", 1, hubness.source / 2)]
    looking = _LOOKING[direction]
    found = _sweep(workers, source, target, [*closest, *(nearest[side] for side in looking)])
    dictionaries = [
        _pairs(_decode(keys)[1][:, 0], backward=side == 1) for side, keys in zip(looking, found[2:], strict=True)
    ]
    means = [float(found[side][:, 0].mean()) for side in looking]
    return _union(dictionaries), sum(means) / len(means), _hubness_of(found[:2], neighbourhood)


def _induce_among_some(
    workers: ThreadPoolExecutor,
    source: Tensor,
    target: Tensor,
    learning: SelfLearning,
    *,
    keep: float,
    rng: np.random.Generator,
) -> tuple[Dictionary, float]:
    """As `_induce`, where only a random share `keep` of each side's words are candidates for the other side's words."""
    some_source, some_target = (_some(len(words), keep, rng).to(source.device) for words in (source, target))
    sides, means = [], []
    if learning.direction != "backward":
        places, mean = _closest(workers, source, target[some_target], learning.neighbourhood)
        sides.append(_pairs(some_target[places], backward=False))
        means.append(mean)
    if learning.direction != "forward":
        places, mean = _closest(workers, target, source[some_source], learning.neighbourhood)
        sides.append(_pairs(some_source[places], backward=True))
        means.append(mean)
    return _union(sides), sum(means) / len(means)


def _some(size: int, keep: float, rng: np.random.Generator) -> Tensor:
    """The places, in order, of a random share `keep` of `size` words."""
    return torch.from_numpy(np.sort(rng.permutation(size)[: max(1, round(keep * size))]))


def _closest(workers: ThreadPoolExecutor, words: Tensor, others: Tensor, neighbourhood: int) -> tuple[Tensor, float]:
    """The place of each word's nearest among the others by CSLS, and the words' mean highest plain similarity."""
    hubness = _hubness(workers, others, words, neighbourhood)
    nearest, closest = _sweep(
        workers, words, others, [_Ranking("source", 1, hubness / 2), _Ranking("source", 1, placed=False)]
    )
    return _decode(nearest)[1][:, 0], float(closest.mean())


def _pairs(places: Tensor, *, backward: bool) -> Dictionary:
    every = torch.arange(len(places), device=places.device)
    return Dictionary(places, every) if backward else Dictionary(every, places)


def _union(dictionaries: Sequence[Dictionary]) -> Dictionary:
    return Dictionary(
        torch.cat([dictionary.source for dictionary in dictionaries]),
        torch.cat([dictionary.target for dictionary in dictionaries]),
    )


def hubness(words: Tensor, others: Tensor, neighbourhood: int) -> Tensor:
    """How near the other side's words come to each word: the mean similarity of its `neighbourhood` nearest. [words]

    CSLS (Conneau et al., 2018) is twice the similarity less the hubness of both words: what is near to everything is
    near to nothing. With neighbourhood 0 the hubness is 0.
    """
    with single_threaded_workers() as workers:
        return _hubness(workers, words, others, neighbourhood)


def _hubness(workers: ThreadPoolExecutor, words: Tensor, others: Tensor, neighbourhood: int) -> Tensor:
    if not neighbourhood:
        return words.new_zeros(len(words))
    return _sweep(workers, words, others, [_Ranking("source", neighbourhood, placed=False)])[0].mean(dim=1)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The words of the other side that are nearest to each word, nearest first."""

    places: Tensor  # [words, k], int64
    csls: Tensor  # [words, k]

    @property
    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Places and CSLS outside torch."""
        return self.places.cpu().numpy(), self.csls.cpu().numpy()


def nearest_by_csls(
    source: Tensor,
    target: Tensor,
    *,
    k: int,
    neighbourhood: int = 10,
    farthest: bool = False,
    left_out: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None,
) -> tuple[Neighbours, Neighbours]:
    """The `k` words nearest (with `farthest`: least near) to each source and to each target word by CSLS.

    Similarity is that of the vectors' directions (cosine). Ties go to the more frequent word. There are fewer than `k`
    columns where the other side has fewer words. Words that are `left_out` ([source words], [target words]) are no
    word's neighbours; where too few others are left, the CSLS of the last neighbours is not finite. The similarities
    are gone through twice, for the hubness of both sides and for the neighbours of both, in tiles.
    """
    sign = -1 if farthest else 1
    source, target = normalise(source, ("unit",)), normalise(target, ("unit",))
    with single_threaded_workers() as workers:
        closest = [_Ranking(side, max(1, neighbourhood), placed=False) for side in ("source", "target")]
        hubs = _hubness_of(_sweep(workers, source, target, closest), neighbourhood)
        penalties = [hubs.source / 2, hubs.target / 2]
        for penalty, words in zip(penalties, left_out or (), strict=left_out is not None):
            penalty[torch.from_numpy(words).to(penalty.device)] = torch.inf
        rankings = [_Ranking("source", k, penalties[1], farthest), _Ranking("target", k, penalties[0], farthest)]
        keys = _sweep(workers, source, target, rankings)
        (source_scores, source_places), (target_scores, target_places) = map(_decode, keys)
        return (
            Neighbours(source_places, sign * 2 * source_scores - hubs.source[:, None]),
            Neighbours(target_places, sign * 2 * target_scores - hubs.target[:, None]),
        )


@dataclass(frozen=True, slots=True)
class _Ranking:
    """What is wanted of the similarities of all source by all target words: each word's `k` highest scores.

    A score is the similarity less the `penalty` of the other side's word.
    """

    side: Literal["source", "target"]
    """Whose words are ranked for."""
    k: int
    penalty: Tensor | None = None  # [words of the other side]
    farthest: bool = False
    """Rank the negative scores; only for places."""
    placed: bool = True
    """Whether places are wanted too: then the scores come as keys (`_keys`)."""


def _sweep(workers: ThreadPoolExecutor, source: Tensor, target: Tensor, rankings: Sequence[_Ranking]) -> list[Tensor]:
    """Scores or keys for each ranking, highest first, from one pass over the similarities. [words, at most k] each"""

    def rank(tile: tuple[slice, slice]) -> list[Tensor]:
        rows, columns = tile
        similarity = source[rows] @ target[columns].T
        height, width = similarity.shape
        if height % _GROUP or width % _GROUP:  # the last ones: all groups are to be full
            similarity = pad(similarity, (0, -width % _GROUP, 0, -height % _GROUP), value=-torch.inf)
        return [
            _highest(similarity[:height], columns, ranking)
            if ranking.side == "source"
            else _highest(similarity.T[:width], rows, ranking)
            for ranking in rankings
        ]

    tiles = list(product(_parts(len(source)), _parts(len(target))))
    kept: list[dict[int, Tensor]] = [{} for _ in rankings]
    for (rows, columns), found in zip(tiles, _in_order(workers, rank, tiles), strict=True):
        for ranking, best, highest in zip(rankings, kept, found, strict=True):
            start = (rows if ranking.side == "source" else columns).start
            both = torch.cat([best[start], highest], dim=1) if start in best else highest
            best[start] = both.topk(min(ranking.k, both.shape[1])).values
    return [torch.cat(list(best.values())) for best in kept]


def _parts(size: int) -> list[slice]:
    """Parts of `size` places, about equal, none longer than a tile, and all but the last of whole groups."""
    count = -(-size // _TILE)
    length = -(-size // (count * _GROUP)) * _GROUP
    return [slice(start, min(start + length, size)) for start in range(0, size, length)]


def _in_order(workers: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results in the order of the items, of which only some are worked on ahead of what has been taken."""
    ahead: deque[Future[Result]] = deque()
    for item in items:
        ahead.append(workers.submit(work, item))
        if len(ahead) > _AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


def _highest(similarity: Tensor, others: slice, ranking: _Ranking) -> Tensor:
    """The highest scores of each row of a tile, or their keys; `others` are the places of its columns. [rows, k]

    The columns are padded with minus infinity to whole groups.
    """
    scores = similarity
    if ranking.penalty is not None:
        scores = scores - pad(ranking.penalty[others], (0, -(others.stop - others.start) % _GROUP))
    k = min(ranking.k, others.stop - others.start)
    if not ranking.placed:
        return _highest_scores(scores, k)
    if ranking.farthest:
        scores = torch.where(scores == -torch.inf, scores, -scores)
    return _highest_keys(scores, k, others.start)


def _highest_scores(scores: Tensor, k: int) -> Tensor:
    """The k highest scores of each row. [rows, k]

    Instead of ranking all scores, ranks the maxima of groups: the k highest scores are in k groups of the highest.
    Columns that are neighbours are in different groups here, since that is what the maximum is fastest for.
    """
    groups = scores.reshape(len(scores), _GROUP // 2, -1)  # [rows, members, groups]
    chosen = groups.amax(dim=1).topk(min(k, groups.shape[2])).indices[:, None]
    return groups.gather(2, chosen.expand(-1, groups.shape[1], -1)).flatten(1).topk(k).values


def _highest_keys(scores: Tensor, k: int, first: int) -> Tensor:
    """The keys of the k highest scores of each row, whose columns have the places from `first`. [rows, k]

    As `_highest_scores`, but columns that are neighbours are in one group: equal maxima then have the order of places.
    """
    groups = scores.reshape(len(scores), -1, _GROUP)  # [rows, groups, members]
    numbers = torch.arange(groups.shape[1], device=scores.device)
    keys = _keys(groups.amax(dim=2), numbers).topk(min(k, len(numbers))).values
    chosen = _decode(keys)[1][:, :, None]
    members = groups.gather(1, chosen.expand(-1, -1, _GROUP)).flatten(1)
    places = (chosen * _GROUP + torch.arange(_GROUP, device=scores.device)).flatten(1) + first
    return _keys(members, places).topk(k).values


def _keys(scores: Tensor, places: Tensor) -> Tensor:
    """Whole numbers in the order of the scores and, among equal scores, against that of the places. As `scores`, int64

    The upper half is the score's bits (of a negative number all but the sign are turned over, since its magnitude
    counts the other way), the lower half the place, turned over too.
    """
    bits = scores.contiguous().view(torch.int32)
    ordered = bits ^ ((bits >> 31) & _MAGNITUDE)
    return (ordered.long() << 32) | (_LARGEST_PLACE - places)


def _decode(keys: Tensor) -> tuple[Tensor, Tensor]:
    """The scores and places of keys."""
    ordered = (keys >> 32).int()
    bits = ordered ^ ((ordered >> 31) & _MAGNITUDE)
    return bits.view(torch.float32), _LARGEST_PLACE - (keys & _LARGEST_PLACE)


def _hubness_of(closest: Sequence[Tensor], neighbourhood: int) -> Hubness:
    """The hubness of both sides from the similarities of their words' nearest."""
    source, target = (side.mean(dim=1) if neighbourhood else torch.zeros_like(side[:, 0]) for side in closest)
    return Hubness(source, target)


def identical_words(source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The seed dictionary of the words, numbers among them, that both sides write alike. Mappings: word → row."""
    return dictionary_of(((word, word) for word in source), source, target)


def identical_numerals(source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The seed dictionary of the numbers, in digits 0-9, that stand on both sides. Mappings: word → row."""
    return dictionary_of(((word, word) for word in source if word.isascii() and word.isdigit()), source, target)


def dictionary_of(pairs: Iterable[tuple[str, str]], source: Mapping[str, int], target: Mapping[str, int]) -> Dictionary:
    """The seed dictionary of those pairs of which both words have a row. Mappings: word → row."""
    rows = [(source[one], target[other]) for one, other in pairs if one in source and other in target]
    columns = torch.tensor(rows, dtype=torch.int64).reshape(-1, 2)
    return Dictionary(columns[:, 0], columns[:, 1])


def similar_profiles(
    source: Tensor,
    target: Tensor,
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
    return induce(*profiles, direction=direction, neighbourhood=neighbourhood)[0]


@one_thread_each()
def _profile(vectors: Tensor) -> Tensor:
    left, scale, _ = torch.linalg.svd(vectors, full_matrices=False)
    profile: Tensor = ((left * scale) @ left.T).sort(dim=1).values
    return profile
