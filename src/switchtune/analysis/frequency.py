"""How well words are translated by how often the training texts hold them (figure 5)."""

from collections import Counter

from switchtune.corpus.read import Corpus
from switchtune.corpus.words import word_segmenter


def words_of(sentence: str, language: str) -> tuple[str, ...]:
    """The words of a sentence, as they are switched; upper and lower case are different words."""
    return tuple(word_segmenter(language).split(sentence).words)


def training_counts(train: Corpus) -> Counter[str]:
    """How often each word of the target language occurs in a training corpus."""
    return Counter(word for sentence in train.targets() for word in words_of(sentence, train.target_language))
