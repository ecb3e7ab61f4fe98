"""The lexicon from embeddings: on a text whose translation is known word by word."""

import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.lexicon import embed
from switchtune.lexicon.block import Limits
from switchtune.lexicon.csls import neighbour_lexicons
from switchtune.lexicon.embed import MODES, EmbeddingSettings, Mode, map_mode, map_words, read_embeddings, word_vectors
from switchtune.lexicon.map import (
    FAST,
    PAPER,
    MapSettings,
    SelfLearning,
)
from switchtune.lexicon.records import BuildStep, Lexicon, LexiconError
from switchtune.lexicon.text import Encoded, Vocabulary, WordVectors, encode

SETTINGS = EmbeddingSettings(vector_size=16, window=2, negative=5, epochs=20, min_count=2)
MODE = Mode(("identical", "profiles"), MapSettings(learning=SelfLearning(patience=2)))


def test_vectors_of_frequent_words_most_frequent_first() -> None:
    found = word_vectors(encode([["Ein", "Hund", "ein"], ["ein", "hund", "bellt"]], "de"), SETTINGS, seed=1)
    vocabulary, vectors = found.vocabulary, found.vectors
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

    monkeypatch.setattr("gensim.models.Word2Vec", refuse)
    with pytest.raises(InterruptedError):
        word_vectors(encode([["a", "b"]] * 5, "de"), embed.EMBEDDINGS["paper"], seed=3)
    expected = {"sg": 1, "vector_size": 512, "window": 10, "negative": 10, "epochs": 10, "min_count": 5, "seed": 3}
    assert expected.items() <= given.items()


def test_vectors_follow_from_the_seed(chain_text) -> None:
    text = encode(chain_text[0][:50], "de")
    first, again, other = (word_vectors(text, SETTINGS, seed=seed).vectors for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_too_little_text_is_refused() -> None:
    with pytest.raises(LexiconError, match=r"2 sentences hold 1 words that occur at least 2 times.*method align"):
        word_vectors(encode([["a", "b"], ["a"]], "de"), SETTINGS, seed=1)


def lexicons_of(
    sides: tuple[WordVectors, WordVectors], mode: Mode, *, k: int = 3, farthest: bool = False, neighbourhood: int = 10
) -> tuple[Lexicon, Lexicon]:
    mapped = map_words(sides, ("x", "y"), mode, seed=1).mapped
    vocabularies = (sides[0].vocabulary, sides[1].vocabulary)
    return neighbour_lexicons(
        *(("x", "y"), vocabularies, (mapped.source, mapped.target), Limits(k=k)),
        method="vecmap",
        unit="word",
        farthest=farthest,
        neighbourhood=neighbourhood,
    )


def test_lexicon_finds_the_words_written_in_another_way(chain_text) -> None:
    texts: list[Encoded] = [encode(side, language) for side, language in zip(chain_text, "xy", strict=True)]
    sides = (word_vectors(texts[0], SETTINGS, seed=1), word_vectors(texts[1], SETTINGS, seed=1))
    forward, backward = lexicons_of(sides, MODE)
    found = [forward.entries[f"w{place}"].translations[0].word == f"W{place}x" for place in range(0, 40, 4)]
    assert np.mean(found) >= 0.9
    assert (forward.method, forward.measure, forward.source_language) == ("vecmap", "similarity", "x")
    assert (backward.source_language, backward.target_language) == ("y", "x")
    assert all(len(entry.translations) == 3 for entry in backward.entries.values())
    farthest, _ = lexicons_of(sides, MODE, farthest=True)
    assert farthest.entries.keys() == forward.entries.keys()
    assert farthest.measure == "none"
    for key, entry in farthest.entries.items():
        near = {translation.word for translation in forward.entries[key].translations}
        assert not near & {translation.word for translation in entry.translations}


@pytest.fixture(scope="module")
def spaces() -> tuple[WordVectors, WordVectors]:
    """80 words of two spaces that differ by a turn; ten of them are numbers, and thirty are written alike."""
    rng = np.random.default_rng(5)
    source = rng.standard_normal((80, 12)).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((12, 12)))[0].astype(np.float32)
    names = [
        [str(place) if place < 10 else f"w{place}" if place < 30 else f"{side}{place}" for place in range(80)]
        for side in "xy"
    ]
    return vectors_of(names[0], source), vectors_of(names[1], source @ turn)


def vectors_of(words: list[str], vectors: np.ndarray) -> WordVectors:
    index = {word: place for place, word in enumerate(words)}
    return WordVectors(Vocabulary(tuple(words), np.zeros(len(words), dtype=np.int64), index), vectors)


PAIRS = [(f"X{place}", f"y{place}") for place in range(30, 60)] + [("unheard", "of")]


@pytest.mark.parametrize(
    ("mode", "pairs", "kind", "size"),
    [
        ("auto", None, "identical", 30),
        ("auto", PAIRS, "pairs", 30),
        ("auto", PAIRS[:24], "identical", 30),
        ("unsupervised", None, "profiles", 160),
        ("identical", None, "identical", 30),
        ("numerals", None, "numerals", 10),
        ("semi_supervised", PAIRS, "pairs", 30),
        ("supervised", PAIRS, "pairs", 30),
        ("orthogonal", PAIRS, "pairs", 30),
    ],
)
def test_modes(spaces, mode, pairs, kind: str, size: int) -> None:
    seen: list[BuildStep] = []
    words = map_words(spaces, ("x", "y"), MODES[mode], seed=1, pairs=pairs or (), on_step=seen.append)
    assert (words.seed_kind, words.seed_pairs, words.mapped.iterations) == (kind, size, len(seen))
    assert bool(seen) == (MODES[mode].mapping.learning is not None)
    # From ten pairs it is a long way, on on which processors round differently: 0.90 on one, more on another.
    nearest = (words.mapped.source @ words.mapped.target.T).argmax(dim=1)
    assert np.mean(nearest.numpy() == np.arange(80)) > 0.85


def test_auto_without_common_words_compares_profiles(spaces) -> None:
    others = vectors_of([f"z{place}" for place in range(80)], spaces[1].vectors)
    assert map_words((spaces[0], others), ("x", "y"), MODES["auto"], seed=1).seed_kind == "profiles"


@pytest.mark.slow
def test_the_paper_s_route_begins_with_numerals_and_compares_plain_similarities(spaces) -> None:
    mode = map_mode("auto", "paper")
    assert mode == Mode(("pairs", "numerals"), PAPER)
    words = map_words(spaces, ("x", "y"), mode, seed=1)
    assert (words.seed_kind, words.seed_pairs) == ("numerals", 10)
    forward, _ = lexicons_of(spaces, mode, k=1, neighbourhood=0)
    vectors = [side / side.norm(dim=1, keepdim=True) for side in (words.mapped.source, words.mapped.target)]
    best = (vectors[0] @ vectors[1].T).max(dim=1)
    names = list(spaces[1].vocabulary.words)
    assert [(each.translations[0].word, each.translations[0].strength) for each in forward.entries.values()] == [
        (names[row], pytest.approx(value, abs=1e-5))
        for row, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def test_other_modes_of_the_paper_s_preset_have_vecmap_s_own_schedule() -> None:
    assert map_mode("auto", "small").mapping is FAST
    assert map_mode("identical", "paper") == Mode(("identical",), MapSettings())
    assert map_mode("supervised", "paper").mapping == MapSettings(learning=None)
    assert map_mode("orthogonal", "paper").mapping == MapSettings(weighted=False, learning=None)


@pytest.mark.parametrize(
    ("mode", "pairs", "message"),
    [
        ("identical", (), r"nothing to start from: 80 words of x and 80 of y .* no word in common. Take mode unsup"),
        ("numerals", (), r"no number in digits 0-9 in common. Take mode identical or unsupervised"),
        ("supervised", (), r"none of the seed pairs has both its words .* mode auto"),
        ("semi_supervised", [("a", "b")], r"none of the seed pairs has both its words .* mode auto"),
    ],
)
def test_a_mode_without_a_seed_says_what_to_take_instead(spaces, mode, pairs, message: str) -> None:
    others = vectors_of([f"z{place}" for place in range(80)], spaces[1].vectors)
    with pytest.raises(LexiconError, match=message):
        map_words((spaces[0], others), ("x", "y"), MODES[mode], seed=1, pairs=pairs)


def test_embeddings_of_different_make_are_refused(spaces) -> None:
    narrow = vectors_of(["a", "b"], np.ones((2, 3), np.float32))
    with pytest.raises(LexiconError, match=r"embeddings of x have 12 dimensions, those of y 3; the same number"):
        map_words((spaces[0], narrow), ("x", "y"), MODES["auto"], seed=1)


TEXT = "3 2\nHund 1 2.5\nhund 3 4\nNew York -1e-1 0 \n"


@pytest.mark.parametrize(
    ("name", "text", "pack"),
    [
        ("a.vec", TEXT, bytes),
        ("a.vec.gz", TEXT, gzip.compress),
        ("a.vec.xz", TEXT, lzma.compress),
        ("a.txt", TEXT.replace("\n", "\r\n"), bytes),
    ],
)
def test_word_vectors_of_a_file(tmp_path: Path, name: str, text: str, pack) -> None:
    path = tmp_path / name
    path.write_bytes(pack(text.encode()))
    found = read_embeddings(path, "de")
    assert found.vocabulary.words == ("Hund", "New York")
    assert found.vocabulary.index == {"hund": 0, "new york": 1}
    assert found.vocabulary.counts.tolist() == [0, 0]
    np.testing.assert_array_equal(found.vectors, np.array([[1, 2.5], [-0.1, 0]], np.float32))


def test_limit_and_a_file_without_a_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.vec"
    path.write_text("a 1 2\nb 3 4\nc 5 nan\n")
    found = read_embeddings(path, "en", limit=2)
    assert found.vocabulary.words == ("a", "b")
    with pytest.raises(LexiconError, match=r"a.vec:3: a word and 2 finite numbers are expected"):
        read_embeddings(path, "en")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"0 word vectors found, at least 2 are expected.*fetch it again"),
        (b"3 2\n", r"0 word vectors found"),
        (b"a 1 2\nb 3\n", r"a.vec:2: a word and 2 finite numbers are expected, .* found 2 fields in 'b 3'. Fix"),
        (b"a 1 2\nb 3 4 5\n", r"a.vec:2: a word and 2 finite numbers are expected, .* found 4 fields in 'b 3 4 5'"),
        (b"a 1 2\n\nb 3 4\n", r"a.vec:2: a word and 2 finite numbers are expected"),
        (b"a 1 2\nb x 3\n", r"a.vec:2: a word and 2 finite numbers are expected, .* found 3 fields in 'b x 3'. Fix"),
        (b"2 3\na 1 2\nb 1 2\n", r"a.vec:2: a word and 3 finite numbers are expected, .* found 3 fields"),
        (b"a\nb\n", r"a.vec:1: a word and some finite numbers are expected"),
        (b"a 1 2\nb inf 4\n", r"a.vec:2: a word and 2 finite numbers are expected, .* 'b inf 4'"),
        (b"a 1 2\nb 1e99 4\n", r"a.vec:2: a word and 2 finite numbers are expected, .* 'b 1e99 4'"),
        (b"a 1 2\nb\xff 3 4\n", r"a.vec:2: not UTF-8: byte ff"),
        (b"999999999999 300\na 1 2\n", r"a.vec:2: a word and 300 finite numbers are expected, .* found 3 fields"),
        (b"2 999999999999\na 1 2\n", r"a.vec:2: a word and 999999999999 finite numbers are expected"),
        (b"9" * 5000 + b" 2\na 1 2\n", r"1 word vectors found"),
        (b"2 " + b"9" * 5000 + b"\na 1 2\n", r"a.vec:1: a word and 1 finite numbers are expected"),
        ("² ³\na 1 2\n".encode(), r"a.vec:1: a word and 1 finite numbers are expected, .* '² ³'"),
        (b"a " + b"1 " * (1 << 21), r"a.vec:1: the line has over"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.vec"
    path.write_bytes(content)
    with pytest.raises(LexiconError, match=message):
        read_embeddings(path, "en")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"none.vec: not found"):
        read_embeddings(tmp_path / "none.vec", "en")


@settings.get_profile("fuzz")
@given(
    lines=st.lists(
        st.lists(
            st.sampled_from(["a", "b", "1", "2.5", "nan", "1e400", "-0", "", "3", "²", "9" * 5_000, "x" * 5_000])
            | st.text(max_size=3)
        ),
        max_size=5,
    ),
    raw=st.binary(max_size=100) | st.just(b""),
)
def test_any_bytes_are_vectors_or_refused(tmp_path: Path, lines: list[list[str]], raw: bytes) -> None:
    path = tmp_path / "a.vec"
    path.write_bytes(raw or "\n".join(map(" ".join, lines)).encode(errors="surrogatepass"))
    try:
        assert np.isfinite(read_embeddings(path, "en").vectors).all()
    except LexiconError as error:
        assert str(path) in str(error)
        assert len(str(error)) < 1_000
