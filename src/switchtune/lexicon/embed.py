"""The paper's lexicon (4.1): word embeddings learned on each side of the corpus alone, then mapped into one space."""

import zlib
from dataclasses import dataclass
from functools import partial

import numpy as np
from gensim.models import Word2Vec

from switchtune.corpus.words import lower_case
from switchtune.lexicon import Lexicon, LexiconError, Sentences, Unit, Vocabulary, count_words, make_lexicon
from switchtune.lexicon.map import (
    Dictionary,
    MapSettings,
    Normalisation,
    SelfLearning,
    Vectors,
    identical_words,
    map_embeddings,
    nearest_by_csls,
    normalise,
    similar_profiles,
)

MAPPING = MapSettings(learning=SelfLearning(cutoff=2000, patience=10))
"""VecMap's recommendation, but the dictionary learned from the 2,000 most frequent words, and with less patience: in a
small corpus the vectors of rarer words are noise, which costs time and gains nothing."""

_MIN_IDENTICAL = 25


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """word2vec (Mikolov et al., 2013), skip-gram with negative sampling."""

    dimensions: int
    window: int
    """Words on either side, at most, that a word predicts."""
    negatives: int
    epochs: int
    min_count: int
    """Words that are rarer have no embedding."""


PRESETS = {
    "paper": EmbeddingSettings(dimensions=512, window=10, negatives=10, epochs=10, min_count=5),
    "small": EmbeddingSettings(dimensions=128, window=5, negatives=10, epochs=20, min_count=3),
}


def word_vectors(
    sentences: Sentences, language: str, settings: EmbeddingSettings, *, seed: int
) -> tuple[Vocabulary, Vectors]:
    """Skip-gram embeddings of the words, in lower case, that occur at least `min_count` times. [words, dimensions]

    One thread and a hash that does not change from process to process: the same text, settings and seed give the same
    vectors on the same machine.

    Raises:
        LexiconError: fewer than two words are frequent enough.
    """
    vocabulary = count_words(sentences, language)
    size = int(np.count_nonzero(vocabulary.counts >= settings.min_count))
    if size < 2:
        raise LexiconError(
            f"{len(sentences)} sentences hold {size} words that occur at least {settings.min_count} times: too little"
            " text for word embeddings. Give more text, or use method align."
        )
    model = Word2Vec(
        sentences=[[lower_case(word, language) for word in sentence] for sentence in sentences],
        vector_size=settings.dimensions,
        window=settings.window,
        negative=settings.negatives,
        epochs=settings.epochs,
        min_count=settings.min_count,
        sg=1,
        seed=seed,
        workers=1,
        hashfxn=_stable_hash,
    )
    frequent = Vocabulary(
        vocabulary.words[:size],
        vocabulary.counts[:size],
        {lower_case(word, language): place for place, word in enumerate(vocabulary.words[:size])},
    )
    return frequent, model.wv[list(frequent.index)].astype(np.float32)


def _stable_hash(text: str) -> int:
    return zlib.crc32(text.encode())


def vecmap_lexicons(
    sources: Sentences,
    targets: Sentences,
    languages: tuple[str, str],
    *,
    k: int = 3,
    seed: int,
    settings: EmbeddingSettings = PRESETS["small"],
    mapping: MapSettings = MAPPING,
    farthest: bool = False,
    unit: Unit = "word",
) -> tuple[Lexicon, Lexicon]:
    """Lexicons of both directions (source → target, target → source) from two segmented, cased texts (paper 4.1).

    The texts need not be translations of each other. Each word that is frequent enough gets the `k` words of the
    other side that are nearest in the common space by CSLS, which is the strength; with `farthest` (the `anti`
    control) the `k` least near. Everything random follows from `seed`.

    Raises:
        LexiconError: a side has fewer than two words that are frequent enough.
    """
    source_vocabulary, source_vectors = word_vectors(sources, languages[0], settings, seed=seed)
    target_vocabulary, target_vectors = word_vectors(targets, languages[1], settings, seed=seed)
    vocabularies = (source_vocabulary, target_vocabulary)
    source = normalise(source_vectors, mapping.normalisation)
    target = normalise(target_vectors, mapping.normalisation)
    start = seed_dictionary(vocabularies, (source, target), mapping.normalisation)
    mapped = map_embeddings(source, target, start, mapping, rng=np.random.default_rng(seed))
    neighbours = partial(_neighbours, k=k, farthest=farthest, unit=unit)
    return (
        neighbours(languages, vocabularies, mapped.source, mapped.target),
        neighbours(languages[::-1], vocabularies[::-1], mapped.target, mapped.source),
    )


def _neighbours(
    languages: tuple[str, str],
    vocabularies: tuple[Vocabulary, Vocabulary],
    source: Vectors,
    target: Vectors,
    *,
    k: int,
    farthest: bool,
    unit: Unit,
) -> Lexicon:
    places, csls = nearest_by_csls(source, target, k=k, farthest=farthest)
    rows = np.repeat(np.arange(len(source)), places.shape[1])
    links = (rows, places.ravel(), np.ones_like(csls).ravel() if farthest else csls.ravel())
    if farthest:
        return make_lexicon(languages, vocabularies, links, method="anti(vecmap)", measure="none", unit=unit)
    return make_lexicon(languages, vocabularies, links, method="vecmap", measure="similarity", unit=unit)


def seed_dictionary(
    vocabularies: tuple[Vocabulary, Vocabulary],
    vectors: tuple[Vectors, Vectors],
    normalisation: tuple[Normalisation, ...],
) -> Dictionary:
    """What the mapping begins with: the words that both sides write alike, numbers among them.

    Where there are fewer than `_MIN_IDENTICAL` of them (other scripts, little text), VecMap's unsupervised
    initialisation from the normalised vectors.
    """
    identical = identical_words(*(vocabulary.index for vocabulary in vocabularies))
    return identical if len(identical) >= _MIN_IDENTICAL else similar_profiles(*vectors, normalisation)
