"""Vectors of words by the encoders of all families, against transformers' models and tokenizers run by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from switchtune.config.pretrain import FamilyName
from switchtune.corpus.words import Words, piece_segmenter, word_segmenter
from switchtune.examples import Example
from switchtune.lexicon.block import Limits
from switchtune.lexicon.plm import PlmSettings, plm_lexicons, word_means
from switchtune.lexicon.text import monolingual_text
from switchtune.models.load import Loaded
from switchtune.models.states import model_word_encoder, pieces_of_words, sentence_states
from tests.miniature import ALL, ENGLISH, GERMAN, T5S, TINY, miniature

GERMAN_WORDS = [word_segmenter("de").split(text) for text in GERMAN]
ENGLISH_WORDS = [word_segmenter("en").split(text) for text in ENGLISH]


def spans_of_words(sentence: Words) -> list[tuple[int, int]]:
    """Where each word begins and ends in the sentence's text."""
    spans, position = [], 0
    for gap, word in zip(sentence.gaps, sentence.words, strict=False):
        position += len(gap)
        spans.append((position, position + len(word)))
        position += len(word)
    return spans


def spans_of_pieces(loaded: Loaded, text: str) -> list[tuple[int, int]]:
    """Where each piece begins and ends, as the tokenizer says; empty for lone marks of a space and unknown pieces.

    M2M-100's tokenizer cannot tell; the miniature NLLB has the same pieces, but drops unknown marks.
    """
    if loaded.layout.family.bytewise:
        # A character is told by the first of its bytes.
        return [
            (place, place + 1) if first else (0, 0)
            for place, letter in enumerate(text)
            for first in (True, *[False] * (len(letter.encode()) - 1))
        ]
    tokens = loaded.tokenizer.convert_ids_to_tokens(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
    telling: Any = loaded.tokenizer if loaded.tokenizer.is_fast else miniature("nllb").tokenizer
    spans = telling(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return [(0, 0) if token in ("▁", "<unk>") else span for token, span in zip(tokens, spans, strict=False)]


def by_hand(loaded: Loaded, text: str, sentence: Words, language: str) -> NDArray[np.float32]:
    """The vectors of one sentence's words, without the code under test."""
    ids = torch.tensor([loaded.layout.encode_source(text, language, language)])
    with torch.no_grad():
        encoder: Any = loaded.model.get_encoder()
        states = encoder(input_ids=ids).last_hidden_state[0]
    name = loaded.layout.family.name
    told = len(loaded.layout.encode_source("", language, language)) - 1
    states = states[0 if name == "mbart" else told if name in T5S else 1 :]
    vectors = []
    for start, end in spans_of_words(sentence):
        own = [
            state
            for state, (begin, stop) in zip(states, spans_of_pieces(loaded, text), strict=False)
            if max(start, begin) < min(end, stop)
        ]
        vectors.append(torch.stack(own).mean(dim=0).numpy() if own else np.zeros(states.shape[1], np.float32))
    return np.stack(vectors)


@pytest.mark.parametrize("family", ALL)
def test_a_words_vector_is_the_mean_of_its_pieces_states(family: FamilyName) -> None:
    loaded = miniature(family)
    vectors = model_word_encoder(loaded)(GERMAN_WORDS, "de")
    assert {array.dtype for array in vectors} == {np.dtype(np.float32)}
    for text, sentence, found in zip(GERMAN, GERMAN_WORDS, vectors, strict=True):
        expected = by_hand(loaded, text, sentence, "de")
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ALL)
def test_the_batch_does_not_matter(family: FamilyName) -> None:
    loaded = miniature(family)
    sentences = [*ENGLISH_WORDS, Words(("",), ())]
    together = model_word_encoder(loaded)(sentences, "en")
    apart = model_word_encoder(loaded, tokens_per_batch=1)(sentences, "en")
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    again = model_word_encoder(loaded)(sentences, "en")
    assert all(np.array_equal(one, other) for one, other in zip(together, again, strict=True))


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of torch's threads, and sets it back in the end."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", ["mbart", "mt5"])
def test_the_number_of_threads_does_not_matter(family: FamilyName, threads: Callable[[int], None]) -> None:
    # So wide that torch divides a sum of the feed-forward layer among its threads.
    size = TINY.model_copy(update={"width": 256, "feed_forward": 4096, "encoder_layers": 1})
    encoder = model_word_encoder(miniature(family, size=size), tokens_per_batch=32)
    found = []
    for number in (1, 2, 3):
        threads(number)
        found.append(np.concatenate(encoder(GERMAN_WORDS, "de")))
        assert torch.get_num_threads() == number
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("family", ALL)
def test_sentences_without_words_and_no_sentences(family: FamilyName) -> None:
    encoder = model_word_encoder(miniature(family))
    assert encoder([], "de") == []
    vectors = encoder([Words(("",), ()), Words((" … ",), ()), GERMAN_WORDS[0]], "de")
    assert [array.shape for array in vectors] == [(0, 32), (0, 32), (6, 32)]


@pytest.mark.parametrize("family", ALL)
def test_a_word_without_known_pieces_has_no_vector_and_disturbs_no_other(family: FamilyName) -> None:
    text = "Ein Hund 猫犬 läuft Ωμέγα über 😀 Wiese."
    sentence = Words(
        ("", " ", " ", " ", " ", " ", " 😀 ", "."), ("Ein", "Hund", "猫犬", "läuft", "Ωμέγα", "über", "Wiese")
    )
    loaded = miniature(family)
    (found,) = model_word_encoder(loaded)([sentence], "de")
    known = family == "byt5"  # to which all is
    assert found.any(axis=1).tolist() == [True, True, known, True, known, True, True]
    np.testing.assert_allclose(found, by_hand(loaded, text, sentence, "de"), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ALL)
def test_words_beyond_the_tokens_that_are_read_have_no_vector(family: FamilyName) -> None:
    loaded = miniature(family)
    sentence = word_segmenter("de").split(" ".join(GERMAN))
    cut = len(loaded.layout.encode_source("", "de", "de")) + 36
    (found,) = model_word_encoder(loaded, max_tokens=cut)([sentence], "de")
    read = found.any(axis=1)
    count = int(read.sum())
    assert 3 < count < len(sentence.words)
    assert read.tolist() == [True] * count + [False] * (len(sentence.words) - count)
    assert np.isfinite(found).all()
    text = monolingual_text([" ".join(GERMAN)], "de", word_segmenter("de"))
    means = word_means(text, model_word_encoder(loaded, max_tokens=cut), seed=1, settings=PlmSettings(1))
    assert set(means.vocabulary.index) == {word.lower() for word in sentence.words[:count]}


def test_a_model_of_few_positions_reads_as_far_as_they_go() -> None:
    loaded = miniature("mbart")
    sentence = word_segmenter("de").split(" ".join(GERMAN))
    (found,) = model_word_encoder(loaded)([sentence], "de")
    (expected,) = model_word_encoder(loaded, max_tokens=loaded.layout.positions or 0)([sentence], "de")
    assert np.array_equal(found, expected)


def test_dropout_is_off_and_the_model_left_as_it_was() -> None:
    loaded = miniature("mbart")
    expected = model_word_encoder(loaded)(GERMAN_WORDS, "de")
    loaded.model.train()
    try:
        found = model_word_encoder(loaded)(GERMAN_WORDS, "de")
        assert all(module.training for module in loaded.model.modules())
    finally:
        loaded.model.eval()
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


ODD = (
    ("de", "Ein Hund", ["▁Ein", "▁", "H", "und"], [(0, 0), (2, 1), (3, 1)]),
    ("de", "Hund, Katze!", ["▁Hund", ",", "▁Katze", "!"], [(0, 0), (2, 1)]),
    ("fr", "l'homme", ["▁l'h", "omme"], [(0, 0), (0, 1), (1, 1)]),  # a piece of two words
    ("de", "ﬁx über", ["▁f", "ix", "▁u", "̈ber"], [(0, 0), (1, 0), (2, 1), (3, 1)]),  # forms of a letter
    ("de", "ü da", ["▁ü", "▁da"], [(0, 0), (1, 1)]),
    ("de", "Haus\u00adtür", ["▁Haus", "tür"], [(0, 0), (1, 0)]),  # a soft hyphen that the normaliser drops
    ("de", "ein Ωμέγα Hund", ["▁ein", "▁", "", "▁Hund"], [(0, 0), (3, 2)]),  # an unknown word
    ("de", "ab Ωμa ab", ["▁ab", "▁", "", "a", "▁ab"], [(0, 0), (3, 1), (4, 2)]),  # partly unknown
    ("de", "a " + 30 * "Ω" + " b c", ["▁a", "▁", "", "▁b", "▁c"], [(0, 0), (4, 3)]),  # found again a piece later
    ("de", "ein Hund bellt", ["▁ein", "▁H"], [(0, 0), (1, 1)]),  # cut off
    ("de", "", [], []),
)


@pytest.mark.parametrize(("language", "text", "pieces", "links"), ODD)
def test_pieces_find_their_words(language: str, text: str, pieces: list[str], links: list[tuple[int, int]]) -> None:
    found = pieces_of_words(pieces, word_segmenter(language).split(text))
    assert [tuple(link) for link in found.tolist()] == links


odd_words = st.text(alphabet="aäeühnrtdisﬁΩ猫u\u0308.,'-😀½", min_size=1, max_size=6)


@pytest.mark.parametrize("family", [family for family in ALL if family != "byt5"])
@settings(max_examples=25, derandomize=True, deadline=None)
@given(text=st.lists(st.one_of(odd_words, st.sampled_from(GERMAN)), max_size=8).map(" ".join))
def test_pieces_find_the_words_that_the_tokenizers_own_offsets_say(family: FamilyName, text: str) -> None:
    assume("ﬁ\u0308" not in text)  # the normaliser of SentencePiece loses the mark of a ligature
    loaded = miniature(family)
    sentence = word_segmenter("de").split(text)
    tokens = loaded.tokenizer.convert_ids_to_tokens(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
    pieces = ["" if token == "<unk>" else token for token in tokens]
    spans = spans_of_pieces(loaded, text)
    assume(len(spans) == len(pieces))
    expected = [
        (place, word)
        for word, (start, end) in enumerate(spans_of_words(sentence))
        for place, (begin, stop) in enumerate(spans)
        if max(start, begin) < min(end, stop)
    ]
    assert [tuple(link) for link in pieces_of_words(pieces, sentence).tolist()] == expected


def test_the_pieces_of_a_piece_segmenter_are_words_too() -> None:
    loaded = miniature("mbart")
    segmenter = piece_segmenter(loaded.tokenizer.tokenize)
    sentence = segmenter.split(GERMAN[0])
    (found,) = model_word_encoder(loaded)([sentence], "de")
    ids = loaded.layout.encode_source(GERMAN[0], "de", "de")
    with torch.no_grad():
        encoder: Any = loaded.model.get_encoder()
        states = encoder(input_ids=torch.tensor([ids])).last_hidden_state[0]
    pieces = enumerate(loaded.layout.tokens(ids))
    own = [next(index for index, piece in pieces if piece == word) for word in sentence.words]
    np.testing.assert_allclose(found, states[own].numpy(), rtol=0, atol=1e-5)


def test_a_models_lexicon_of_a_language_into_itself_is_the_identity() -> None:
    encoder = model_word_encoder(miniature("mbart"))
    text = monolingual_text(GERMAN, "de", word_segmenter("de"))
    forward, backward = plm_lexicons(text, text, encoder, Limits(k=1), seed=1, settings=PlmSettings(min_count=1))
    assert forward.method == "plm"
    for lexicon in (forward, backward):
        own = [entry.translations[0].word == entry.word for entry in lexicon.entries.values()]
        assert sum(own) == len(own) > 50


@pytest.mark.parametrize("family", ALL)
def test_a_sentences_vectors_are_the_decoders_at_its_last_piece(family: FamilyName) -> None:
    loaded = miniature(family, size=TINY.model_copy(update={"encoder_layers": 3, "decoder_layers": 3}))
    texts = GERMAN[:8]
    # In one batch, and in several whose sentences are padded otherwise.
    batched = [sentence_states(loaded, texts, "de", tokens_per_batch=tokens) for tokens in (4096, 60)]
    assert [states.shape for states in batched] == [(3, len(texts), 32)] * 2
    for place, text in enumerate(texts):
        ids = loaded.layout.encode(Example(text, "de", text, "de"), max_tokens=512)
        batch = {"input_ids": ids.input_ids, "decoder_input_ids": ids.decoder_input_ids}
        with torch.no_grad():
            plain: Any = loaded.model(
                **{name: torch.tensor([each]) for name, each in batch.items()}, output_hidden_states=True
            )
        np.testing.assert_allclose(
            sentence_states(loaded, [text], "de", at="end")[:, 0],
            [layer[0, -1].numpy() for layer in plain.decoder_hidden_states[1:]],
            rtol=0,
            atol=1e-5,
        )
        (last,) = [at for at, label in enumerate(ids.labels) if label == loaded.layout.eos_id]
        piece = loaded.layout.tokens([ids.decoder_input_ids[last]])[0]
        assert text.endswith(piece.removeprefix("▁"))
        expected = [layer[0, last].numpy() for layer in plain.decoder_hidden_states[1:]]
        for states in batched:
            np.testing.assert_allclose(states[:, place], expected, rtol=0, atol=1e-5)


def test_sentences_are_cut_to_what_the_model_takes_and_dropout_is_put_back() -> None:
    loaded = miniature()
    loaded.model.train()
    long = " ".join([*GERMAN] * 3)
    twice = [sentence_states(loaded, [long], "de") for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert loaded.model.training
    loaded.model.eval()
    assert sentence_states(loaded, [], "de").shape == (1, 0, 32)
