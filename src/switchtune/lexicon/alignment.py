"""Which word of a sentence translates which word of its pair: both directions of a word aligner, made symmetric."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from switchtune.files import atomic_path, readable
from switchtune.lexicon.fertility import TokenLinks, refine
from switchtune.lexicon.hmm import MOST_WORDS, train_directions
from switchtune.lexicon.records import BuildStep, LexiconError, OnStep
from switchtune.lexicon.text import Encoded

LEAST_PROBABILITY = 0.4  # Words are linked from this mean of both directions' probabilities on
_LEAST_START = 0.3  # Sampling starts from links that are at least so probable


class Effort(NamedTuple):
    """How hard to try: a small corpus costs nothing and needs more."""

    passes: tuple[int, int]  # Passes of model 1 and of the hidden Markov model over the corpus
    chains: int  # Independent samplers whose probabilities are averaged
    sweeps: int
    scans: int


def effort_for(cells: int) -> Effort:
    """The effort for a corpus of so many token pairs."""
    if cells < 1_000_000:
        return Effort((20, 4), chains=4, sweeps=8, scans=12)
    if cells < 100_000_000:
        return Effort((8, 4), chains=1, sweeps=4, scans=12)
    return Effort((5, 3), chains=1, sweeps=2, scans=4)


@dataclass(frozen=True)
class Alignment:
    """Links of sentence pairs, one pair after the other, each by source position, then by target position."""

    starts: NDArray[np.int64]  # [pairs + 1]
    source: NDArray[np.int16]  # [links], position of the word in its sentence
    target: NDArray[np.int16]  # [links]
    probability: NDArray[np.float32]  # [links], mean of both directions
    left_out: int  # Pairs that were not aligned: a side has no words, or more than `MOST_WORDS`

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def pair_of_link(self) -> NDArray[np.int64]:
        """The pair that each link belongs to. [links]"""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def links(self, pair: int) -> list[tuple[int, int]]:
        """Source and target position of each link of a pair."""
        part = slice(int(self.starts[pair]), int(self.starts[pair + 1]))
        return list(zip(self.source[part].tolist(), self.target[part].tolist(), strict=True))

    def reversed(self) -> "Alignment":
        """The same links seen from the other side."""
        order = np.lexsort((self.source, self.target, self.pair_of_link))
        return Alignment(self.starts, self.target[order], self.source[order], self.probability[order], self.left_out)


def align(source: Encoded, target: Encoded, *, seed: int, on_step: OnStep = lambda step: None) -> Alignment:
    """Align each source sentence with the target sentence of the same number.

    A hidden Markov model on whose links both directions agree, refined by sampling with fertilities; a link is kept
    where the mean of both directions' probabilities reaches `LEAST_PROBABILITY`.

    Raises:
        LexiconError: the sides differ in length, no pair has words on both sides, or the vocabularies are too large.
    """
    if len(source) != len(target):
        raise LexiconError(
            f"{len(source):,} source sentences, but {len(target):,} target sentences: line i of one side must translate"
            " line i of the other."
        )
    lengths = np.stack((source.lengths, target.lengths))  # [2, pairs]
    kept = (lengths.min(axis=0) > 0) & (lengths.max(axis=0) <= MOST_WORDS)
    if not kept.any():
        raise LexiconError(
            f"None of the {len(source):,} sentence pairs has from 1 to {MOST_WORDS} words on both sides: there is"
            f" nothing to learn a lexicon from. {int((lengths[0] == 0).sum()):,} source and"
            f" {int((lengths[1] == 0).sum()):,} target sentences have no word at all; look at the files."
        )
    sides = (source.selected(kept), target.selected(kept))
    effort = effort_for(int(lengths.prod(axis=0)[kept].sum()))
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        forward, backward = train_directions(*sides, effort.passes, least=_LEAST_START, pool=pool, on_step=on_step)
        jobs = []
        for chain in range(effort.chains):
            own_seed = 2 * (seed * effort.chains + chain)
            sampling = partial(refine, sweeps=effort.sweeps, scans=effort.scans)
            jobs.append(pool.submit(sampling, sides[0], sides[1], forward, seed=own_seed))
            jobs.append(pool.submit(sampling, sides[1], sides[0], backward, seed=own_seed + 1))
        sampled = []
        for number, job in enumerate(jobs, start=1):
            sampled.append(job.result())
            on_step(BuildStep("sampling", number, len(jobs)))
    counts, places, others, probability = _merged(
        (sides[0].starts, sides[1].starts), _mean(sampled[::2]), _mean(sampled[1::2]), LEAST_PROBABILITY
    )
    links_of_pair = np.zeros(len(source), dtype=np.int64)
    links_of_pair[kept] = counts
    return Alignment(np.append(0, np.cumsum(links_of_pair)), places, others, probability, int((~kept).sum()))


def _mean(chains: Sequence[TokenLinks]) -> TokenLinks:
    """Token, position and mean probability of each link that any chain has."""
    if len(chains) == 1:
        return chains[0]
    keys = np.concatenate([chain.token.astype(np.int64) * MOST_WORDS + chain.position for chain in chains])
    unique, which = np.unique(keys, return_inverse=True)
    mean = np.bincount(which, np.concatenate([chain.probability for chain in chains])) / len(chains)
    token, position = np.divmod(unique, MOST_WORDS)
    return TokenLinks(token.astype(np.int32), position.astype(np.int16), mean.astype(np.float32))


@njit(cache=True, nogil=True)
def _merged(starts, forward, backward, least):
    """Links per pair, then source position, target position and mean probability of each link that reaches `least`."""
    source_starts, target_starts = starts
    forward_token, forward_position, forward_probability = forward
    backward_token, backward_position, backward_probability = backward
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
            mean[forward_position[ahead], forward_token[ahead] - start] += forward_probability[ahead] / 2
            ahead += 1
        while back < len(backward_token) and backward_token[back] < first + width:
            mean[backward_token[back] - first, backward_position[back]] += backward_probability[back] / 2
            back += 1
        before = kept
        for position in range(width):
            for other in range(height):
                if mean[position, other] >= least:
                    source[kept] = position
                    target[kept] = other
                    probability[kept] = mean[position, other]
                    kept += 1
        counts[pair] = kept - before
    return counts, source[:kept].copy(), target[:kept].copy(), probability[:kept].copy()


def divided(alignment: Alignment, sizes: Sequence[int]) -> list[Alignment]:
    """Cut an alignment into those of consecutive pairs, so many each; how many were left out is known of the whole."""
    parts = []
    for begin, end in pairwise(np.concatenate(([0], np.cumsum(sizes))).tolist()):
        starts = alignment.starts[begin : end + 1]
        links = slice(int(starts[0]), int(starts[-1]))
        columns = (alignment.source[links], alignment.target[links], alignment.probability[links])
        parts.append(Alignment(starts - starts[0], *columns, alignment.left_out))
    return parts


def write_alignment(alignment: Alignment, path: Path) -> None:
    """Write an alignment as a file of NumPy arrays (.npz)."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **vars(alignment))


def read_alignment(path: Path) -> Alignment:
    """Read what `write_alignment` wrote.

    Raises:
        LexiconError: the file is missing, or no alignment.
    """
    try:
        with readable(path).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            starts, *links = (arrays[name] for name in ("starts", "source", "target", "probability"))
            alignment = Alignment(starts, links[0], links[1], links[2], int(arrays["left_out"]))
        if not (
            [column.dtype for column in (starts, *links)] == [np.int64, np.int16, np.int16, np.float32]
            and starts[0] == 0
            and {column.shape for column in links} == {(starts[-1],)}
            and all((column >= 0).all() for column in (np.diff(starts), *links[:2]))
        ):
            raise ValueError("its arrays do not belong together")
        return alignment
    except Exception as error:  # NumPy and zipfile raise almost anything for a damaged file
        raise LexiconError(
            f"{path}: no alignment that can be read ({error}). Remove the folder it stands in: it is made anew."
        ) from error
