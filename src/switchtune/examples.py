"""Corpora → the examples of a stage, of each kind. Made anew for every epoch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from switchtune.corpus.documents import document_sentences, each_sentence, sentences_of
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import Segmenter, Words
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.records import Lexicon
from switchtune.recipes import Proportion, ends_of
from switchtune.switching.gloss import Glosser
from switchtune.switching.switcher import SideSwitcher, example_keys
from switchtune.switching.terms import AlignedTerms


@dataclass(frozen=True, slots=True)
class Example:
    """Input and output of the model, as text; the languages decide the tags (paper 3.3)."""

    source: str
    source_language: str
    target: str
    target_language: str


Key: TypeAlias = tuple[int, int]  # (epoch, index): which example, made how often before
Used: TypeAlias = Callable[[int, float], NDArray[np.int64]]
"""Indices of the examples of an epoch that begins when so much of the stage is done (0 to 1)."""


@dataclass(frozen=True)
class Examples:
    """A stage's examples: `make(epoch, index)` depends on nothing else, so that any process may make any."""

    count: int
    make: Callable[[int, int], Example]
    make_many: Callable[[Sequence[Key]], list[Example]] | None = None  # The same for many at once, where that is faster
    sides: NDArray[np.uint8] | None = None
    """(count,) the side of the corpus that each is of, 0 or 1, where every update is to hold its share of both."""
    used: Used | None = None  # None: every epoch has all examples

    def __len__(self) -> int:
        return self.count

    def of_epoch(self, epoch: int) -> int:
        """How many an epoch has (where shares change: at the beginning of the stage)."""
        return self.count if self.used is None else len(self.used(epoch, 0.0))

    def made(self, keys: Sequence[Key]) -> list[Example]:
        """Many examples, in the order of their keys."""
        return [self.make(*key) for key in keys] if self.make_many is None else self.make_many(keys)


def _many_at_once(
    count: int, make_many: Callable[[Sequence[Key]], list[Example]], sides: NDArray[np.uint8] | None = None
) -> Examples:
    return Examples(count, lambda epoch, index: make_many([(epoch, index)])[0], make_many, sides)


def generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The source of randomness of one noised example: the same for the same three numbers, in any process."""
    return np.random.default_rng((seed, epoch, index))


def task_examples(corpus: Corpus) -> Examples:
    """Ordinary fine-tuning: the pairs as they stand (paper eq. 1)."""
    languages = (corpus.source_language, corpus.target_language)

    def make_many(keys: Sequence[Key]) -> list[Example]:
        return [
            Example(source, languages[0], target, languages[1])
            for source, target in corpus.pairs([index for _, index in keys])
        ]

    return _many_at_once(len(corpus), make_many)


_Sentences: TypeAlias = tuple[list[int], list[str], list[str], list[int]]
"""Sentences to restore: sides (0: source, 1: target), texts, counterparts, and the rows of their pairs."""


def _restored(
    sides_of: NDArray[np.uint8],
    sentences_at: Callable[[Sequence[int]], _Sentences],
    corpus: Corpus,
    switchers: tuple[SideSwitcher, SideSwitcher],
    seed: int,
) -> Examples:
    """Examples that restore the sentences of these indices from their switched forms; both tags are their language."""
    languages = (corpus.source_language, corpus.target_language)

    def make_many(keys: Sequence[Key]) -> list[Example]:
        sides, texts, counterparts, rows = sentences_at([index for _, index in keys])
        draws = example_keys(seed, keys)
        examples: dict[int, Example] = {}
        for side, language in enumerate(languages):
            numbers = [number for number, of_sentence in enumerate(sides) if of_sentence == side]
            originals = [texts[number] for number in numbers]
            switched = switchers[side].in_pairs(
                originals,
                [counterparts[number] for number in numbers],
                [rows[number] for number in numbers],
                keys=draws[numbers],
            )
            for number, (text, _), original in zip(numbers, switched, originals, strict=True):
                examples[number] = Example(text, language, original, language)
        return [examples[number] for number in range(len(keys))]

    return _many_at_once(len(sides_of), make_many, sides_of)


def restore_examples(corpus: Corpus, switchers: tuple[SideSwitcher, SideSwitcher], *, seed: int) -> Examples:
    """Stage 1: restore each side of each pair from its switched form (paper eq. 3); even indices are source sides."""

    def sentences_at(indices: Sequence[int]) -> _Sentences:
        sides, rows = [index % 2 for index in indices], [index // 2 for index in indices]
        pairs = corpus.pairs(rows)
        texts = [pair[side] for pair, side in zip(pairs, sides, strict=True)]
        return sides, texts, [pair[1 - side] for pair, side in zip(pairs, sides, strict=True)], rows

    return _restored(np.arange(2 * len(corpus), dtype=np.uint8) % 2, sentences_at, corpus, switchers, seed)


def restore_passages(corpus: Corpus, switchers: tuple[SideSwitcher, SideSwitcher], *, seed: int) -> Examples:
    """Stage 1 of summarisation: restore each sentence of each document, then of each summary (paper eq. 3, 5.4).

    `corpus` is one of `read_documents`. The switchers see no translation beside a sentence.
    """
    split: Sequence[Callable[[str], list[str]]] = (
        document_sentences,
        partial(sentences_of, language=corpus.target_language),
    )
    counts = [len(divide(pair[side])) for side, divide in enumerate(split) for pair in corpus]
    # Where each passage's sentences begin; documents and summaries one after the other.
    starts = np.append(0, np.cumsum(counts, dtype=np.int64))

    def sentences_at(indices: Sequence[int]) -> _Sentences:
        passages = np.searchsorted(starts, indices, side="right") - 1
        sides, rows = (numbers.tolist() for numbers in np.divmod(passages, len(corpus)))
        texts = [
            split[side](pair[side])[index - starts[passage]]
            for side, pair, index, passage in zip(sides, corpus.pairs(rows), indices, passages.tolist(), strict=True)
        ]
        return sides, texts, [""] * len(texts), rows

    sides_of = np.repeat(np.array([0, 1], dtype=np.uint8), [starts[len(corpus)], starts[-1] - starts[len(corpus)]])
    return _restored(sides_of, sentences_at, corpus, switchers, seed)


def iaft_examples(corpus: Corpus, segmenter: Segmenter, *, mask: str, seed: int, share: float = 0.1) -> Examples:
    """Input-adaptation fine-tuning, a baseline of the paper (5.1): noise on the source of `share` of the pairs.

    The noise is that of Wang et al. (ACL 2022): words masked, dropped and shifted, a tenth of them each.
    """

    def make(epoch: int, index: int) -> Example:
        rng = generator(seed, epoch, index)
        pair = corpus[index]
        source = pair.source
        if rng.random() < share:
            source = segmenter.join(perturbed(segmenter.split(source), mask=mask, rng=rng))
        return Example(source, corpus.source_language, pair.target, corpus.target_language)

    return Examples(len(corpus), make)


def gloss_examples(sentences: Sequence[str], languages: tuple[str, str], gloss: Glosser, *, seed: int) -> Examples:
    """Sentences of the target language from their glosses in the source language, under the tags of the task.

    They need no pair. The translations in a gloss are drawn anew every epoch.
    """

    def make(epoch: int, index: int) -> Example:
        sentence = sentences[index]
        return Example(gloss(sentence, generator(seed, epoch, index)), languages[0], sentence, languages[1])

    return Examples(len(sentences), make)


def backtranslated_examples(pairs: Sequence[tuple[str, str]], languages: tuple[str, str]) -> Examples:
    """Sentences of the target language from their machine translations, under the tags of the task.

    Source: Sennrich et al., Improving Neural Machine Translation Models with Monolingual Data (ACL 2016).

    Args:
        pairs: translation and sentence.
    """

    def make(epoch: int, index: int) -> Example:
        translation, sentence = pairs[index]
        return Example(translation, languages[0], sentence, languages[1])

    return Examples(len(pairs), make)


def alternating_examples(parts: Sequence[Examples]) -> Examples:
    """Equally many examples of each of several kinds, at least one, in turn."""
    (count,) = {part.count for part in parts}

    def make(epoch: int, index: int) -> Example:
        return parts[index % len(parts)].make(epoch, index // len(parts))

    return Examples(count * len(parts), make)


def switched_examples(corpus: Corpus, gloss: Glosser, *, seed: int) -> Examples:
    """The pairs with words of each source in another language, sentence by sentence; targets and tags stay.

    Code-switching of the task's own input (Qin et al., IJCAI 2020), drawn anew every epoch. Sources may be documents
    of `read_documents`.
    """

    def make(epoch: int, index: int) -> Example:
        rng, pair = generator(seed, epoch, index), corpus[index]
        source = each_sentence(pair.source, lambda sentence: gloss(sentence, rng))
        return Example(source, corpus.source_language, pair.target, corpus.target_language)

    return Examples(len(corpus), make)


def switched_pairs(corpus: Corpus, glosses: Mapping[str, Glosser], *, seed: int) -> Examples:
    """Pairs with words of both sides in one and the same other language, whose tag both have then.

    `glosses` are by language, all as likely; languages and words are drawn anew every epoch.
    """
    languages = tuple(glosses)

    def make(epoch: int, index: int) -> Example:
        rng, pair = generator(seed, epoch, index), corpus[index]
        language = languages[int(rng.integers(len(languages)))]
        first, second = (glosses[language](side, rng) for side in (pair.source, pair.target))
        return Example(first, language, second, language)

    return Examples(len(corpus), make)


def dictionary_examples(lexicon: Lexicon, *, k: int, seed: int) -> Examples:
    """Entries of a lexicon as pairs of one word each, under the tags of the task.

    Of its `k` strongest translations one is drawn anew every epoch.

    Raises:
        SwitchtuneError: the lexicon is empty.
    """
    if not lexicon.entries:
        raise SwitchtuneError("No entry to train on: the lexicon is empty. Leave `dictionary` out of the mixture.")
    entries = list(lexicon.entries.values())

    def make(epoch: int, index: int) -> Example:
        translations = entries[index].translations[:k]
        translation = translations[generator(seed, epoch, index).integers(len(translations))].word
        return Example(entries[index].word, lexicon.source_language, translation, lexicon.target_language)

    return Examples(len(entries), make)


def terms_examples(corpus: Corpus, terms: AlignedTerms, *, seed: int) -> Examples:
    """The pairs with terms in their sources, target words in place of source words, drawn anew every epoch.

    `terms` has the alignment of the corpus. A source in which nothing can become a term stays as it is.
    """

    def make(epoch: int, index: int) -> Example:
        pair = corpus[index]
        source = terms.source(pair.source, pair.target, index, generator(seed, epoch, index))
        return Example(source, corpus.source_language, pair.target, corpus.target_language)

    return Examples(len(corpus), make)


CHANGING_EPOCH = 1_000
"""Most examples of an epoch of a mixture whose shares change: they do from one epoch to the next."""
CHANGING_BATCHES = 16
"""Batches that it has room for in any case: where few share out an epoch, they are far from full."""


def mixed_examples(ingredients: Sequence[tuple[Examples, Proportion]], *, seed: int, per_batch: float = 0) -> Examples:
    """Examples of several kinds, mixed by their shares in every epoch.

    An epoch has every example of the kind that runs out first exactly once. The other kinds take several epochs to go
    through, each time in a new random order. Where a share changes over the stage, an epoch has those shares that the
    line between first and last has where the epoch begins; it is short (`CHANGING_EPOCH`, `CHANGING_BATCHES`), and
    kinds whose share is below its largest pass over some examples, which are others each time. Sides are told apart
    where every kind tells them.

    Args:
        ingredients: examples of each kind, at least one, with their share; at each end of the stage one is above 0.
        per_batch: about how many examples a batch has.
    """
    counts = [examples.count for examples, _ in ingredients]
    lines = [ends_of(share) for _, share in ingredients]
    ends = [[line[end] for line in lines] for end in (0, 1)]
    length = min(
        count * sum(shares) / share for shares in ends for count, share in zip(counts, shares, strict=True) if share
    )
    if ends[0] != ends[1]:
        length = min(length, max(CHANGING_EPOCH, CHANGING_BATCHES * per_batch))

    def wanted(shares: Sequence[float]) -> list[int]:
        return [max(int(share > 0), round(length * share / sum(shares))) for share in shares]

    largest = list(map(max, *map(wanted, ends)))
    starts = np.append(0, np.cumsum(counts))

    @lru_cache(maxsize=2 * len(counts))
    def order(kind: int, times: int) -> NDArray[np.int64]:
        return np.random.default_rng((seed, kind, times)).permutation(counts[kind])

    def used(epoch: int, done: float) -> NDArray[np.int64]:
        parts = []
        numbers = wanted([first + (last - first) * done for first, last in lines])
        for kind, (count, most, number) in enumerate(zip(counts, largest, numbers, strict=True)):
            times, place = divmod(epoch * most, count)
            passes = [order(kind, times + ahead) for ahead in range(1 + (place + number > count))]
            parts.append(starts[kind] + np.concatenate(passes)[place : place + number])
        return np.concatenate(parts)

    def make_many(keys: Sequence[Key]) -> list[Example]:
        kinds = np.searchsorted(starts, [index for _, index in keys], side="right") - 1
        made: dict[int, Example] = {}
        for kind in set(kinds.tolist()):
            places = np.flatnonzero(kinds == kind).tolist()
            own = [(keys[place][0], keys[place][1] - int(starts[kind])) for place in places]
            made.update(zip(places, ingredients[kind][0].made(own), strict=True))
        return [made[place] for place in range(len(keys))]

    of_sides = [examples.sides for examples, _ in ingredients if examples.sides is not None]
    sides = np.concatenate(of_sides) if len(of_sides) == len(ingredients) else None
    return replace(_many_at_once(int(starts[-1]), make_many, sides), used=used)


def perturbed(units: Words, *, mask: str, rng: np.random.Generator, rate: float = 0.1, shift: int = 3) -> Words:
    """Mask, drop and locally shuffle words, each with probability `rate`; one word at least stays."""
    count = len(units.words)
    if count == 0:
        return units
    draws = rng.random(count)
    kept = [position for position in range(count) if draws[position] >= rate] or [int(rng.integers(count))]
    masked = [rate <= draws[position] < 2 * rate for position in kept]
    words = [mask if hidden else units.words[position] for position, hidden in zip(kept, masked, strict=True)]
    moves = rng.random(len(kept)) < rate
    order = np.argsort(np.arange(len(kept)) + moves * rng.uniform(0, shift + 1, len(kept)), kind="stable")
    gaps = (units.gaps[0], *(units.gaps[position] for position in kept[1:]), units.gaps[-1])
    return Words(gaps, tuple(words[position] for position in order))


def denoise_examples(
    texts: Sequence[tuple[str, Sequence[str]]],
    segmenters: Sequence[Segmenter],
    *,
    mask: str,
    seed: int,
    rate: float = 0.35,
    mean_span: float = 3.5,
) -> Examples:
    """Pretraining: restore monolingual text from masked spans in permuted sentences (paper eq. 2).

    `texts`: each language and its passages; `segmenters`: how to cut each into words, in the same order.

    Raises:
        SwitchtuneError: there is no passage at all.
    """
    ends = np.cumsum([len(passages) for _, passages in texts])
    if not len(ends) or ends[-1] == 0:
        raise SwitchtuneError("No text to pretrain on: every file is empty or every passage was left out.")

    def make(epoch: int, index: int) -> Example:
        which = int(np.searchsorted(ends, index, side="right"))
        language, passages = texts[which]
        passage = passages[index - (int(ends[which - 1]) if which else 0)]
        rng = generator(seed, epoch, index)
        segmenter = segmenters[which]
        units = segmenter.split(permuted_sentences(passage, language, rng=rng))
        noised = segmenter.join(masked_spans(units, mask=mask, rate=rate, mean_span=mean_span, rng=rng))
        return Example(noised, language, passage, language)

    return Examples(int(ends[-1]), make)


def permuted_sentences(passage: str, language: str, *, rng: np.random.Generator) -> str:
    """The sentences of a passage in random order."""
    sentences = sentences_of(passage, language)
    if len(sentences) < 2:
        return passage
    separator = " " if any(character.isspace() for character in passage) else ""
    return separator.join(sentences[position] for position in rng.permutation(len(sentences)))


def masked_spans(units: Words, *, mask: str, rate: float, mean_span: float, rng: np.random.Generator) -> Words:
    """Hide `rate` of the words; each Poisson(`mean_span`) span becomes one mask (paper 3.2, without empty spans)."""
    count = len(units.words)
    goal = int(rate * count + rng.random())
    hidden = np.zeros(count, dtype=bool)
    while hidden.sum() < goal:
        start = int(rng.integers(count))
        length = min(int(rng.poisson(mean_span)), goal - int(hidden.sum()))
        hidden[start : start + length] = True
    gaps, words = [units.gaps[0]], list[str]()
    for position in range(count):
        if hidden[position] and position and hidden[position - 1]:
            gaps[-1] = units.gaps[position + 1]
            continue
        words.append(mask if hidden[position] else units.words[position])
        gaps.append(units.gaps[position + 1])
    return Words(tuple(gaps), tuple(words))
