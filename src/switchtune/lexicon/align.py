"""A lexicon from the parallel corpus itself: IBM model 1 (Brown et al., 1993) in both directions.

Beyond the paper, which learns its lexicon from the two sides apart (4.1): a few thousand sentence pairs are too little
text for word embeddings, but enough for this.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from switchtune.corpus.words import lower_case
from switchtune.lexicon import Lexicon, LexiconError, Sentences, Unit, Vocabulary, count_words, make_lexicon

_LINKS_PER_BLOCK = 1 << 21
"""Bounds the memory of the temporary arrays; without influence on the results but for the order of sums."""


@dataclass(frozen=True)
class Side:
    """The tokens of one side of the corpus, one sentence after the other."""

    vocabulary: Vocabulary
    word_of_token: NDArray[np.int32]  # [tokens]
    lengths: NDArray[np.int64]  # [sentences]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Place of each sentence's first token. [sentences]"""
        return np.cumsum(self.lengths) - self.lengths


@dataclass(frozen=True)
class Cooccurrence:
    """The word pairs that stand together in at least one sentence pair, and the token pairs ("links") that make them.

    Pairs are ordered by source word, then by target word.
    """

    source: Side
    target: Side
    source_of_pair: NDArray[np.int32]  # [pairs]
    target_of_pair: NDArray[np.int32]  # [pairs]
    pair_of_link: NDArray[np.int32]  # [links]
    source_token_of_link: NDArray[np.int32]  # [links]
    target_token_of_link: NDArray[np.int32]  # [links]

    @property
    def links_of_pair(self) -> NDArray[np.int64]:
        """How many token pairs each word pair has. [pairs]"""
        return np.bincount(self.pair_of_link, minlength=len(self.source_of_pair))


def cooccurrence(sources: Sentences, targets: Sentences, languages: tuple[str, str]) -> Cooccurrence:
    """Index which words stand together in the sentence pairs (`sources[i]`, `targets[i]`), without regard to case.

    Raises:
        LexiconError: the sides differ in length, or no pair has words on both sides.
    """
    if len(sources) != len(targets):
        raise LexiconError(
            f"{len(sources)} source sentences, but {len(targets)} target sentences: line i of one side must translate"
            " line i of the other."
        )
    source, target = _side(sources, languages[0]), _side(targets, languages[1])
    blocks = [_links(source, target, block) for block in _blocks(source.lengths * target.lengths)]
    if not blocks:
        raise LexiconError("No sentence pair has words on both sides: there is nothing to learn a lexicon from.")
    keys = [_pair_keys(source, target, *block) for block in blocks]
    unique = np.unique(np.concatenate([np.unique(key) for key in keys]))
    return Cooccurrence(
        source,
        target,
        source_of_pair=(unique // len(target.vocabulary)).astype(np.int32),
        target_of_pair=(unique % len(target.vocabulary)).astype(np.int32),
        pair_of_link=np.concatenate([np.searchsorted(unique, key).astype(np.int32) for key in keys]),
        source_token_of_link=np.concatenate([source_token for source_token, _ in blocks]),
        target_token_of_link=np.concatenate([target_token for _, target_token in blocks]),
    )


def _side(sentences: Sentences, language: str) -> Side:
    vocabulary = count_words(sentences, language)
    tokens = (vocabulary.index[lower_case(word, language)] for sentence in sentences for word in sentence)
    return Side(
        vocabulary,
        word_of_token=np.fromiter(tokens, dtype=np.int32),
        lengths=np.fromiter((len(sentence) for sentence in sentences), dtype=np.int64, count=len(sentences)),
    )


def _blocks(sizes: NDArray[np.int64]) -> Iterator[slice]:
    """Cut a sequence into consecutive blocks of about `_LINKS_PER_BLOCK` by the sizes of its members."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _LINKS_PER_BLOCK, side="right")))
        if ends[stop - 1] > done:
            yield slice(start, stop)
        start = stop


def _links(source: Side, target: Side, sentences: slice) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Source token and target token of each link of some sentence pairs: every token with every token."""
    source_lengths, target_lengths = source.lengths[sentences], target.lengths[sentences]
    sizes = source_lengths * target_lengths
    first_link = np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.arange(len(first_link)) - first_link
    width = np.repeat(source_lengths, sizes)
    source_token = np.repeat(source.starts[sentences], sizes) + place % width
    target_token = np.repeat(target.starts[sentences], sizes) + place // width
    return source_token.astype(np.int32), target_token.astype(np.int32)


def _pair_keys(
    source: Side, target: Side, source_token: NDArray[np.int32], target_token: NDArray[np.int32]
) -> NDArray[np.int64]:
    return (
        source.word_of_token[source_token].astype(np.int64) * len(target.vocabulary)
        + target.word_of_token[target_token]
    )


def translation_probabilities(
    together: Cooccurrence, *, given: Literal["source", "target"] = "source", iterations: int = 5
) -> NDArray[np.float64]:
    """IBM model 1: the probability t(target | source) of each pair, or with `given="target"` t(source | target).

    Expectation maximisation from uniform probabilities, with a NULL word on the given side that every sentence has and
    that may translate to anything. [pairs]
    """
    if given == "source":
        given_of_pair, predicted = together.source_of_pair, together.target
        predicted_of_pair, token_of_link = together.target_of_pair, together.target_token_of_link
    else:
        given_of_pair, predicted = together.target_of_pair, together.source
        predicted_of_pair, token_of_link = together.source_of_pair, together.source_token_of_link
    words = len(predicted.vocabulary)
    probability = np.full(len(predicted_of_pair), 1 / words)
    null_probability = np.full(words, 1 / words)
    for _ in range(iterations):
        total = null_probability[predicted.word_of_token]  # of all that can have made the token. [tokens]
        for block in _link_blocks(len(token_of_link)):
            made = probability[together.pair_of_link[block]]
            total += np.bincount(token_of_link[block], made, minlength=len(total))
        expected = np.zeros_like(probability)
        for block in _link_blocks(len(token_of_link)):
            pair = together.pair_of_link[block]
            expected += np.bincount(pair, probability[pair] / total[token_of_link[block]], minlength=len(expected))
        null_share = null_probability[predicted.word_of_token] / total
        null_expected = np.bincount(predicted.word_of_token, null_share, minlength=words)
        probability = expected / np.bincount(given_of_pair, expected)[given_of_pair]
        null_probability = null_expected / null_expected.sum()
    return probability


def _link_blocks(links: int) -> Iterator[slice]:
    for start in range(0, links, _LINKS_PER_BLOCK):
        yield slice(start, start + _LINKS_PER_BLOCK)


def align_lexicons(
    sources: Sentences,
    targets: Sentences,
    languages: tuple[str, str],
    *,
    k: int = 3,
    floor: float = 0.1,
    iterations: int = 5,
    min_cooccurrence: int = 1,
    unit: Unit = "word",
) -> tuple[Lexicon, Lexicon]:
    """Lexicons of both directions (source → target, target → source) from sentence pairs, as words in their casing.

    A pair's strength is the product t(target | source) · t(source | target) of IBM model 1 in both directions: high
    only where each is the best explanation of the other, which rids it of the frequent words that explain everything
    a little. Each word keeps its `k` strongest partners among those that stand together with it at least
    `min_cooccurrence` times (token pairs), whose strength, to six decimals, is not zero, and at least `floor` times
    that of the word's strongest: most words have one or two translations, and what follows is noise. Deterministic.

    Raises:
        LexiconError: the sides differ in length, or no pair has words on both sides.
    """
    together = cooccurrence(sources, targets, languages)
    strength = translation_probabilities(together, given="source", iterations=iterations)
    strength *= translation_probabilities(together, given="target", iterations=iterations)
    strength = strength.round(6)  # what the file says decides, not the order in which sums were taken
    kept = np.flatnonzero((together.links_of_pair >= min_cooccurrence) & (strength > 0))
    if not len(kept):
        raise LexiconError(
            f"No word pair stands together at least {min_cooccurrence} times: give more text or a lower"
            " min_cooccurrence."
        )
    ends = (together.source_of_pair[kept], together.target_of_pair[kept])
    vocabularies = (together.source.vocabulary, together.target.vocabulary)
    forward = _strongest(*ends, strength[kept], k, floor)
    backward = _strongest(*ends[::-1], strength[kept], k, floor)
    return (
        make_lexicon(languages, vocabularies, forward, method="align", measure="probability", unit=unit),
        make_lexicon(languages[::-1], vocabularies[::-1], backward, method="align", measure="probability", unit=unit),
    )


def _strongest(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    strength: NDArray[np.float64],
    k: int,
    floor: float,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """The k strongest pairs of each source word, none under `floor` times the first; ties by the target vocabulary."""
    order = np.lexsort((-strength, source))  # stable, and the pairs come in the order of both vocabularies
    ranked = source[order]
    first = np.searchsorted(ranked, ranked)
    ranks = np.arange(len(order)) - first
    order = order[(ranks < k) & (strength[order] >= floor * strength[order[first]])]
    return source[order], target[order], strength[order]


def apart_lexicons(
    sources: Sentences,
    targets: Sentences,
    languages: tuple[str, str],
    *,
    k: int = 3,
    seed: int,
    unit: Unit = "word",
) -> tuple[Lexicon, Lexicon]:
    """The `anti` control of `align_lexicons`: each word with `k` words that never stand in a sentence paired with it.

    They are drawn uniformly from the other side's vocabulary, by `seed`. A word that stands together with nearly all of
    that vocabulary gets, beside the few words that are apart from it, the ones that it meets most rarely.

    Raises:
        LexiconError: the sides differ in length, or no pair has words on both sides.
    """
    together = cooccurrence(sources, targets, languages)
    ends = (together.source_of_pair, together.target_of_pair)
    vocabularies = (together.source.vocabulary, together.target.vocabulary)
    links = together.links_of_pair
    backward_order = np.lexsort(ends)
    forward_seed, backward_seed = np.random.SeedSequence(seed).spawn(2)
    forward = _apart(*ends, links, len(vocabularies[1]), k, np.random.default_rng(forward_seed))
    backward = _apart(
        ends[1][backward_order],
        ends[0][backward_order],
        links[backward_order],
        len(vocabularies[0]),
        k,
        np.random.default_rng(backward_seed),
    )
    return (
        make_lexicon(languages, vocabularies, forward, method="anti(align)", measure="none", unit=unit),
        make_lexicon(languages[::-1], vocabularies[::-1], backward, method="anti(align)", measure="none", unit=unit),
    )


def _apart(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    links: NDArray[np.int64],
    target_words: int,
    k: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    words, first = np.unique(source, return_index=True)
    drawn = []
    for start, stop in zip(first, [*first[1:], len(source)], strict=True):
        met = np.zeros(target_words, dtype=np.int64)
        met[target[start:stop]] = links[start:stop]
        apart = np.flatnonzero(met == 0)
        if len(apart) >= k:
            drawn.append(rng.choice(apart, size=k, replace=False))
        else:
            drawn.append(np.argsort(met, kind="stable")[:k])
    sizes = [len(targets) for targets in drawn]
    return np.repeat(words.astype(np.int64), sizes), np.concatenate(drawn), np.ones(sum(sizes))
