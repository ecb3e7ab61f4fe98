"""The lexicon from embeddings: on a text whose translation is known word by word."""

import numpy as np
import pytest

from switchtune.lexicon import LexiconError, embed
from switchtune.lexicon.embed import EmbeddingSettings, seed_dictionary, vecmap_lexicons, word_vectors
from switchtune.lexicon.map import MapSettings, SelfLearning

SETTINGS = EmbeddingSettings(dimensions=16, window=2, negatives=5, epochs=20, min_count=2)
MAPPING = MapSettings(learning=SelfLearning(patience=2))


def test_vectors_of_frequent_words_most_frequent_first() -> None:
    vocabulary, vectors = word_vectors([["Ein", "Hund", "ein"], ["ein", "hund", "bellt"]], "de", SETTINGS, seed=1)
    assert vocabulary.words == ("ein", "hund")
    assert vocabulary.index == {"ein": 0, "hund": 1}
    assert vocabulary.counts.tolist() == [3, 2]
    assert vectors.shape == (2, 16)
    assert vectors.dtype == np.float32


def test_the_papers_settings_reach_word2vec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip-gram, 512 dimensions, window 10, 10 negatives, 10 epochs, words that occur at least five times."""
    given = {}

    def refuse(**options: object) -> None:
        given.update(options)
        raise InterruptedError

    monkeypatch.setattr(embed, "Word2Vec", refuse)
    with pytest.raises(InterruptedError):
        word_vectors([["a", "b"]] * 5, "de", embed.PRESETS["paper"], seed=3)
    expected = {"sg": 1, "vector_size": 512, "window": 10, "negative": 10, "epochs": 10, "min_count": 5, "seed": 3}
    assert expected.items() <= given.items()


def test_vectors_follow_from_the_seed(chain_text) -> None:
    first, again, other = (word_vectors(chain_text[0][:50], "de", SETTINGS, seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_too_little_text_is_refused() -> None:
    with pytest.raises(LexiconError, match=r"2 sentences hold 1 words that occur at least 2 times.*method align"):
        word_vectors([["a", "b"], ["a"]], "de", SETTINGS, seed=1)


def test_lexicon_finds_the_words_written_in_another_way(chain_text) -> None:
    forward, backward = vecmap_lexicons(*chain_text, ("x", "y"), seed=1, settings=SETTINGS, mapping=MAPPING)
    found = [forward.entries[f"w{place}"].translations[0].word == f"W{place}x" for place in range(0, 40, 4)]
    assert np.mean(found) >= 0.9
    assert (forward.method, forward.measure, forward.source_language) == ("vecmap", "similarity", "x")
    assert (backward.source_language, backward.target_language) == ("y", "x")
    assert all(len(entry.translations) == 3 for entry in backward.entries.values())
    farthest, _ = vecmap_lexicons(*chain_text, ("x", "y"), seed=1, settings=SETTINGS, mapping=MAPPING, farthest=True)
    assert farthest.entries.keys() == forward.entries.keys()
    assert farthest.measure == "none"
    for key, entry in farthest.entries.items():
        near = {translation.word for translation in forward.entries[key].translations}
        assert not near & {translation.word for translation in entry.translations}


def test_seed_dictionary_falls_back_on_profiles(chain_text) -> None:
    source, target = (word_vectors(side, "de", SETTINGS, seed=1) for side in chain_text)
    steps = MAPPING.normalisation
    identical = seed_dictionary((source[0], target[0]), (source[1], target[1]), steps)
    assert len(identical) == 30
    other_names = [[word + "y" for word in sentence] for sentence in chain_text[1]]
    other = word_vectors(other_names, "de", SETTINGS, seed=1)
    assert len(seed_dictionary((source[0], other[0]), (source[1], other[1]), steps)) == 80
