"""Which word of a sentence translates which word of its pair: both directions of a word aligner, made symmetric."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.files import atomic_path, readable
from switchtune.lexicon.fertility import Links, refine
from switchtune.lexicon.hmm import MOST_WORDS, Schedule, train
from switchtune.lexicon.records import BuildStep, LexiconError, OnStep
from switchtune.lexicon.text import Encoded, selected

LEAST_PROBABILITY = 0.4
"""Words are linked from this mean of both directions' probabilities on."""

_LEAST_START = 0.3
"""Sampling starts from links that are at least so probable."""


@dataclass(frozen=True)
class Effort:
    """How hard to try: a small corpus costs nothing and needs more."""

    schedule: Schedule
    chains: int
    """Independent samplers whose probabilities are averaged."""
    sweeps: int
    scans: int


def effort_for(cells: int) -> Effort:
    """The effort for a corpus of so many token pairs."""
    if cells < 1_000_000:
        return Effort(Schedule(model1=20, hmm=4), chains=4, sweeps=8, scans=12)
    if cells < 100_000_000:
        return Effort(Schedule(model1=8, hmm=4), chains=1, sweeps=4, scans=12)
    return Effort(Schedule(model1=5, hmm=3), chains=1, sweeps=2, scans=4)


@dataclass(frozen=True)
class Alignment:
    """Links of sentence pairs, one pair after the other, each in the order of source places, then of target places."""

    starts: NDArray[np.int64]  # [pairs + 1]
    source: NDArray[np.int16]  # [links], place of the word in its sentence
    target: NDArray[np.int16]  # [links]
    probability: NDArray[np.float32]  # [links], mean of both directions
    left_out: int
    """Pairs that were not aligned: a side has no words, or more than `MOST_WORDS`."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def links(self, pair: int) -> list[tuple[int, int]]:
        """Source and target place of each link of a pair."""
        part = slice(int(self.starts[pair]), int(self.starts[pair + 1]))
        return list(zip(self.source[part].tolist(), self.target[part].tolist(), strict=True))

    def reversed(self) -> "Alignment":
        """The same links seen from the other side."""
        pair_of_link = np.repeat(np.arange(len(self)), np.diff(self.starts))
        order = np.lexsort((self.source, self.target, pair_of_link))
        return Alignment(self.starts, self.target[order], self.source[order], self.probability[order], self.left_out)


def align(source: Encoded, target: Encoded, *, seed: int, on_step: OnStep = lambda step: None) -> Alignment:
    """Align each source sentence with the target sentence of the same number.

    A hidden Markov model on whose links both directions agree, refined by sampling with fertilities; a link is kept
    where the mean of both directions' probabilities reaches `LEAST_PROBABILITY`. Depends on the arguments alone,
    whatever the number of cores.

    Raises:
        LexiconError: the sides differ in length, no pair has words on both sides, or the vocabularies are too large.
    """
    if len(source) != len(target):
        raise LexiconError(
            f"{len(source):,} source sentences, but {len(target):,} target sentences: line i of one side must translate"
            " line i of the other."
        )
    lengths = np.stack((np.diff(source.starts), np.diff(target.starts)))  # [2, pairs]
    kept = (lengths.min(axis=0) > 0) & (lengths.max(axis=0) <= MOST_WORDS)
    if not kept.any():
        raise LexiconError(
            f"None of the {len(source):,} sentence pairs has from 1 to {MOST_WORDS} words on both sides: there is"
            f" nothing to learn a lexicon from. {int((lengths[0] == 0).sum()):,} source and"
            f" {int((lengths[1] == 0).sum()):,} target sentences have no word at all; look at the files."
        )
    sides = (selected(source, kept), selected(target, kept))
    effort = effort_for(int(lengths.prod(axis=0)[kept].sum()))
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        forward, backward = train(*sides, effort.schedule, least=_LEAST_START, pool=pool, on_step=on_step)
        jobs = []
        for chain in range(effort.chains):
            for number, (given, made, links) in enumerate(((*sides, forward), (*sides[::-1], backward))):
                own_seed = 2 * (seed * effort.chains + chain) + number
                settings = partial(refine, sweeps=effort.sweeps, scans=effort.scans, seed=own_seed)
                jobs.append(pool.submit(settings, given, made, links))
        results = []
        for number, job in enumerate(jobs, start=1):
            results.append(job.result())
            on_step(BuildStep("sampling", number, len(jobs)))
    symmetric = _symmetric(
        sides[0].starts, sides[1].starts, _mean(results[::2], sides[1]), _mean(results[1::2], sides[0])
    )
    counts = np.zeros(len(source), dtype=np.int64)
    counts[kept] = symmetric[0]
    starts = np.concatenate(([0], np.cumsum(counts)))
    return Alignment(starts, symmetric[1], symmetric[2], symmetric[3], left_out=int((~kept).sum()))


def _mean(chains: list[Links], made: Encoded) -> Links:
    if len(chains) == 1:
        return chains[0]
    keys = np.concatenate([chain.token.astype(np.int64) * MOST_WORDS + chain.place for chain in chains])
    unique, which = np.unique(keys, return_inverse=True)
    total = np.bincount(which, np.concatenate([chain.probability for chain in chains]))
    return Links(
        (unique // MOST_WORDS).astype(np.int32),
        (unique % MOST_WORDS).astype(np.int16),
        (total / len(chains)).astype(np.float32),
    )


def _symmetric(
    source_starts: NDArray[np.int64], target_starts: NDArray[np.int64], forward: Links, backward: Links
) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int16], NDArray[np.float32]]:
    """Links per pair, then source place, target place and probability of each link."""
    found: tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int16], NDArray[np.float32]] = _merge(
        source_starts,
        target_starts,
        *(forward.token, forward.place, forward.probability),
        *(backward.token, backward.place, backward.probability),
        LEAST_PROBABILITY,
    )
    return found


@njit(cache=True, nogil=True)
def _merge(
    source_starts,
    target_starts,
    forward_token,
    forward_place,
    forward_probability,
    backward_token,
    backward_place,
    backward_probability,
    least,
):
    pairs = len(source_starts) - 1
    room = len(forward_token) + len(backward_token)
    counts = np.zeros(pairs, np.int64)
    source = np.empty(room, np.int16)
    target = np.empty(room, np.int16)
    probability = np.empty(room, np.float32)
    mean = np.zeros((MOST_WORDS, MOST_WORDS), np.float32)
    kept, ahead, back = 0, 0, 0
    for pair in range(pairs):
        first, width = source_starts[pair], source_starts[pair + 1] - source_starts[pair]
        start, height = target_starts[pair], target_starts[pair + 1] - target_starts[pair]
        mean[:width, :height] = 0
        while ahead < len(forward_token) and forward_token[ahead] < start + height:
            mean[forward_place[ahead], forward_token[ahead] - start] += forward_probability[ahead] / 2
            ahead += 1
        while back < len(backward_token) and backward_token[back] < first + width:
            mean[backward_token[back] - first, backward_place[back]] += backward_probability[back] / 2
            back += 1
        before = kept
        for place in range(width):
            for other in range(height):
                if mean[place, other] >= least:
                    source[kept] = place
                    target[kept] = other
                    probability[kept] = mean[place, other]
                    kept += 1
        counts[pair] = kept - before
    return counts, source[:kept].copy(), target[:kept].copy(), probability[:kept].copy()


def parts(alignment: Alignment, sizes: Sequence[int]) -> list[Alignment]:
    """Cut an alignment into those of consecutive pairs, so many each; how many were left out is known of the whole."""
    found = []
    for begin, end in pairwise(np.concatenate(([0], np.cumsum(sizes))).tolist()):
        starts = alignment.starts[begin : end + 1]
        links = slice(int(starts[0]), int(starts[-1]))
        columns = (alignment.source[links], alignment.target[links], alignment.probability[links])
        found.append(Alignment(starts - starts[0], *columns, alignment.left_out))
    return found


def write_alignment(alignment: Alignment, path: Path) -> None:
    """Write an alignment as a file of NumPy arrays (.npz)."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            starts=alignment.starts,
            source=alignment.source,
            target=alignment.target,
            probability=alignment.probability,
            left_out=np.int64(alignment.left_out),
        )


def read_alignment(path: Path) -> Alignment:
    """Read what `write_alignment` wrote.

    Raises:
        LexiconError: the file is missing, or no alignment.
    """
    try:
        with readable(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            starts = arrays["starts"]
            links = (arrays["source"], arrays["target"], arrays["probability"])
            found = Alignment(starts, *links, left_out=int(arrays["left_out"]))
        if not (
            [column.dtype for column in (starts, *links)] == [np.int64, np.int16, np.int16, np.float32]
            and starts[0] == 0
            and {column.shape for column in links} == {(starts[-1],)}
            and all((column >= 0).all() for column in (np.diff(starts), *links[:2]))
        ):
            raise ValueError("its arrays do not belong together")
        return found
    except Exception as error:  # NumPy and zipfile raise almost anything for a damaged file
        raise LexiconError(
            f"{path}: no alignment that can be read ({error}). Remove the folder it stands in: it is made anew."
        ) from error
