"""Beam search: a model that knows its sentences by heart, plain transformers, and what a batch must not change."""

import copy
import dataclasses
import logging
import typing

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig

from switchtune.config import FamilyName, GenerationSettings
from switchtune.examples import Example
from switchtune.generation import batches, translate
from switchtune.languages import UnknownLanguageError
from switchtune.models.families import Layout
from switchtune.models.load import Loaded
from tests.miniature import ENGLISH, GERMAN, miniature

SHORT = GenerationSettings(beams=3, max_length_ratio=0.4, max_length_extra=3, tokens_per_batch=64)
UNEVEN = ["Ein Hund.", "", *GERMAN[:4], " \t", "Das Kind spielt mit dem Ball im Garten. " * 3, "Hund"]


@pytest.fixture(scope="module")
def learned() -> Loaded:
    """A miniature that has learned to translate the sixteen German sentences."""
    loaded = dataclasses.replace(miniature(), model=copy.deepcopy(miniature().model))
    examples = [Example(source, "de", target, "en") for source, target in zip(GERMAN, ENGLISH, strict=True)]
    batch = loaded.layout.collate(loaded.layout.batch_encode(examples, max_tokens=64))
    optimizer = torch.optim.Adam(loaded.model.parameters(), lr=0.01)
    for _ in range(80):
        optimizer.zero_grad()
        loaded.model(**batch).loss.backward()
        optimizer.step()
    return loaded


def lively(family: FamilyName) -> Loaded:
    """A miniature whose random weights are large enough that different sentences get different outputs."""
    loaded = dataclasses.replace(miniature(family), model=copy.deepcopy(miniature(family).model))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in loaded.model.named_parameters():
            if parameter.dim() == 2 and "embed" not in name and "shared" not in name:
                parameter.copy_(0.6 * torch.randn(parameter.shape, generator=generator))
    return loaded


def test_a_learned_translation_comes_back(learned: Loaded) -> None:
    settings = GenerationSettings(tokens_per_batch=100)
    assert translate(learned, GERMAN, "de", "en", settings) == list(ENGLISH)
    mixed = ["", GERMAN[3], "   ", GERMAN[11], GERMAN[0], GERMAN[3], "\t"]
    expected = ["", ENGLISH[3], "", ENGLISH[11], ENGLISH[0], ENGLISH[3], ""]
    assert translate(learned, mixed, "German", "en_XX", settings) == expected


@pytest.mark.parametrize("beams", [1, 5])
def test_greedy_and_beam_search(learned: Loaded, beams: int) -> None:
    assert translate(learned, GERMAN[:3], "de", "en", GenerationSettings(beams=beams)) == list(ENGLISH[:3])


@pytest.mark.parametrize("family", typing.get_args(FamilyName))
def test_equal_to_plain_generation_of_one_sentence(family: FamilyName) -> None:
    """Together, and each alone by transformers itself: the batch changes neither the words nor the longest length."""
    loaded = lively(family)
    expected = []
    for sentence in UNEVEN:
        ids = loaded.layout.encode_source(sentence, "de", "en", max_tokens=loaded.layout.positions)
        output = loaded.model.generate(
            input_ids=torch.tensor([ids]),
            generation_config=GenerationConfig(
                **loaded.layout.generation_settings("en"),
                eos_token_id=loaded.layout.eos_id,
                pad_token_id=loaded.layout.pad_id,
                num_beams=3,
                max_length=1 + int(0.4 * len(ids)) + 3,
            ),
        )
        expected.append(loaded.layout.decode(output[0].tolist()) if sentence.strip() else "")
    assert translate(loaded, UNEVEN, "de", "en", SHORT) == expected
    assert len(set(expected)) > 5


def test_the_models_own_generation_config_does_not_matter(learned: Loaded) -> None:
    own = GenerationConfig(
        max_new_tokens=2, num_beams=2, forced_bos_token_id=5, suppress_tokens=[7, 8, 9], repetition_penalty=9.0
    )
    before, learned.model.generation_config = learned.model.generation_config, own
    try:
        assert translate(learned, GERMAN[:2], "de", "en", GenerationSettings()) == list(ENGLISH[:2])
        assert learned.model.generation_config is own
    finally:
        learned.model.generation_config = before


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(learned: Loaded, training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    learned.model.train(training)
    own = learned.model.generation_config
    translate(learned, GERMAN[:1], "de", "en", SHORT)
    assert learned.model.training is training
    monkeypatch.setattr(learned.model, "generate", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        translate(learned, GERMAN[:1], "de", "en", SHORT)
    assert learned.model.training is training
    assert learned.model.generation_config is own


def test_a_long_sentence_leaves_no_inference_tensors() -> None:
    """M2M-100 extends its table of positions while it translates; training goes on with that table."""
    loaded = lively("m2m100")
    rows = [len(buffer) for _, buffer in loaded.model.named_buffers()]
    translate(loaded, [GERMAN[0] * 20], "de", "en", SHORT)
    assert [len(buffer) for _, buffer in loaded.model.named_buffers()] != rows
    assert not any(buffer.is_inference() for buffer in loaded.model.buffers())


def test_blank_lines_do_not_reach_the_model(learned: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned.model, "generate", lambda **_: 1 / 0)
    assert translate(learned, ["", " ", "\u3000"], "de", "en", SHORT) == ["", "", ""]
    assert translate(learned, [], "de", "en", SHORT) == []


def test_progress_counts_sentences(learned: Loaded) -> None:
    seen: list[tuple[int, int]] = []
    translate(learned, UNEVEN, "de", "en", SHORT, on_progress=lambda done, total: seen.append((done, total)))
    done = [count for count, _ in seen]
    assert len(done) > 1
    assert done == sorted(set(done))
    assert done[0] > 2  # the two blank lines, and a batch
    assert seen[-1] == (len(UNEVEN), len(UNEVEN))
    assert {total for _, total in seen} == {len(UNEVEN)}


def test_sentences_beyond_the_models_positions_are_cut_and_named(caplog: pytest.LogCaptureFixture) -> None:
    loaded = lively("mbart")
    generous = GenerationSettings(beams=2, max_length_ratio=3)
    text = "Ein Hund läuft über die Wiese. "
    with caplog.at_level(logging.WARNING, "switchtune"):
        longer, long = translate(loaded, ["", text * 30, "Hund", text * 20], "de", "en", generous)[1::2]
    assert longer == long != ""
    assert [record.getMessage() for record in caplog.records] == [
        "2 of 4 sentences are longer than the model's 64 positions; what is beyond them was not translated. "
        "Split these lines: 2, 4"
    ]


def test_nothing_is_said_of_sentences_that_fit(learned: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    translate(learned, GERMAN[:2], "de", "en", SHORT)
    assert caplog.records == []


def test_a_translation_is_one_line(learned: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Layout, "batch_decode", lambda _, batch: ["two\nlines\r\n" for _ in batch])
    assert translate(learned, GERMAN[:2], "de", "en", SHORT) == ["two lines", "two lines"]


def test_a_language_that_the_model_does_not_have(learned: Loaded) -> None:
    with pytest.raises(UnknownLanguageError):
        translate(learned, GERMAN, "de", "umb", SHORT)


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 120))
def test_batches(lengths: list[int], budget: int) -> None:
    """Every sentence once, the longest first, within the budget, and no batch that could have taken one more."""
    made = list(batches(lengths, budget))
    order = [index for batch in made for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths, reverse=True)
    assert all(len(batch) == 1 or len(batch) * lengths[batch[0]] <= budget for batch in made)
    assert all((len(batch) + 1) * lengths[batch[0]] > budget for batch in made[:-1])
