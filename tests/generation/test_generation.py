"""Beam search: a model that knows its sentences by heart, plain transformers, and what a batch must not change.

CTranslate2 is held against our search by transformers, which is held against plain transformers.
"""

import copy
import dataclasses
import logging
import socket
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import GenerationSettings
from switchtune.corpus.documents import with_end_marks
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import best_outputs, by_ct2, translate
from switchtune.generation.by_ct2 import Converted, convert, converted, load_converted, open_converted
from switchtune.generation.parity import compare_engines
from switchtune.languages import UnknownLanguageError
from switchtune.models.layout import Layout
from switchtune.models.load import Loaded, save_model
from tests.command import forked
from tests.miniature import ENGLISH, GERMAN, lively, miniature, taught

SHORT = GenerationSettings(beams=3, max_length_ratio=0.4, max_length_extra=3, tokens_per_batch=64)
UNEVEN = ["Ein Hund.", "", *GERMAN[:4], " \t", "Das Kind spielt mit dem Ball im Garten. " * 3, "Hund"]


@pytest.fixture(scope="module")
def learned() -> Loaded:
    """A miniature that has learned to translate the sixteen German sentences."""
    return taught()


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


@pytest.fixture(scope="module")
def learned_ct2(learned: Loaded) -> Iterator[Converted]:
    with converted(learned, "float32") as model:
        yield model


@pytest.mark.parametrize("family", typing.get_args(FamilyName))
def test_ct2_does_what_transformers_does(family: FamilyName) -> None:
    """Random weights: outputs go round in circles, most to their limit, and searches end at other times now and then.

    The figures are of the tokens that are chosen, so that one different weight would show in them.
    """
    loaded = lively(family)
    sentences = [*GERMAN, *filter(str.strip, UNEVEN)]
    beams = SHORT.model_copy(update={"tokens_per_batch": 512})
    greedy = beams.model_copy(update={"beams": 1})
    with converted(loaded, "float32") as model:
        for settings, differing in ((beams, 1), (greedy, 0)):
            parity = compare_engines(loaded, model, sentences, "de", "en", settings)
            assert parity.largest_difference < 1e-3
            assert parity.as_good >= len(sentences) - differing
            assert parity.identical >= len(sentences) - 2 * differing
            assert len({line.found for line in parity.lines}) > 10


@pytest.mark.parametrize("family", typing.get_args(FamilyName))
def test_ct2_does_what_transformers_does_with_documents(family: FamilyName) -> None:
    """The end token stands between their sentences, and ends no input there."""
    loaded = lively(family)
    settings = GenerationSettings(beams=1, max_length=8, no_repeat_ngram=2)
    starts = [" ".join(pair) for pair in zip(GERMAN[:6], GERMAN[6:12], strict=True)]
    documents = [with_end_marks(start, "de", word_segmenter("de"), 9)[0] for start in starts]
    with converted(loaded, "float32") as model:
        found = translate(model, documents, "de", "en", settings)
    assert found == translate(loaded, documents, "de", "en", settings)
    assert found != translate(loaded, GERMAN[:6], "de", "en", settings)


@pytest.mark.parametrize("family", ["mbart", "nllb", "mt5"])
def test_a_search_by_ct2_does_not_depend_on_the_batch(family: FamilyName) -> None:
    """Alone a sentence has its own limit; together the limit of a batch is that of its longest sentence."""
    with converted(lively(family), "float32") as model:
        together = translate(model, UNEVEN, "de", "en", SHORT)
        assert together == [translate(model, [sentence], "de", "en", SHORT)[0] for sentence in UNEVEN]


def test_ct2_as_the_engine_of_the_settings(learned: Loaded) -> None:
    mixed = ["", GERMAN[3], "   ", GERMAN[11], GERMAN[0], "\t"]
    expected = ["", ENGLISH[3], "", ENGLISH[11], ENGLISH[0], ""]
    seen: list[tuple[int, int]] = []
    settings = GenerationSettings(engine="ct2", tokens_per_batch=16)
    found = translate(learned, mixed, "German", "en_XX", settings, lambda *progress: seen.append(progress))
    assert found == expected
    assert seen == [(4, 6), (5, 6), (6, 6)]


def repeats(ids: tuple[int, ...], length: int) -> bool:
    runs = [ids[start : start + length] for start in range(len(ids) - length + 1)]
    return len(set(runs)) < len(runs)


def ids_of(model: Loaded | Converted, target: str, settings: GenerationSettings) -> list[tuple[int, ...]]:
    sources = model.layout.batch_encode_source(GERMAN[:8], "de", target)
    return [tuple(ids) for batch in best_outputs(model, sources, target, settings) for _, ids in batch]


@pytest.mark.parametrize("engine", ["transformers", "ct2"])
def test_no_sequence_of_tokens_is_repeated(engine: str) -> None:
    loaded = lively("mbart")
    settings = GenerationSettings(beams=1, max_length=30)
    with converted(loaded, "float32") as made:
        model = made if engine == "ct2" else loaded
        assert any(repeats(ids, 2) for ids in ids_of(model, "en", settings))
        unrepeated = settings.model_copy(update={"no_repeat_ngram": 2})
        assert not any(repeats(ids, 2) for ids in ids_of(model, "en", unrepeated))


def test_a_fixed_longest_output_by_target_language() -> None:
    settings = GenerationSettings(beams=2, max_length=12, max_length_of={"English": 5})
    for language, longest in (("en", 5), ("de", 12)):
        assert max(map(len, ids_of(lively("mbart"), language, settings))) == longest


@pytest.mark.parametrize("length_penalty", [0.0, -1.0])
def test_the_length_penalty_means_the_same(length_penalty: float) -> None:
    loaded = lively("mt5")
    settings = GenerationSettings(beams=3, length_penalty=length_penalty)
    with converted(loaded, "float32") as model:
        found = translate(model, GERMAN, "de", "en", settings)
        assert found != translate(model, GERMAN, "de", "en", GenerationSettings(beams=3))
    assert found == translate(loaded, GERMAN, "de", "en", settings)


def test_converting_leaves_the_model_as_it_was(learned: Loaded, tmp_path: Path) -> None:
    """In 8 bits too, where CTranslate2 scales the weights that it is given in their place."""
    before = copy.deepcopy(learned.model.state_dict())
    config = learned.model.config.to_dict()
    convert(learned, tmp_path / "int8", int8=True)
    convert(learned, tmp_path / "float32")
    assert all(torch.equal(weights, before[name]) for name, weights in learned.model.state_dict().items())
    assert learned.model.config.to_dict() == config
    size = {folder.name: (folder / "model.bin").stat().st_size for folder in tmp_path.iterdir()}
    weights = 4 * sum(parameter.numel() for parameter in learned.model.parameters())
    assert weights * 0.95 < size["float32"] < weights * 1.1  # tied embeddings are there once
    assert size["int8"] < size["float32"] / 2
    in_8_bits = translate(open_converted(tmp_path / "int8", learned.layout), GERMAN, "de", "en", GenerationSettings())
    assert sum(map(str.__eq__, in_8_bits, ENGLISH)) >= 14


def test_a_family_that_an_older_ct2_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("ctranslate2.converters.transformers.UMT5Loader")
    with pytest.raises(UsageError, match=r"does not know umT5; version 4\.8\.5 does.*with the engine transformers"):
        convert(miniature("umt5"), tmp_path)


def test_weights_of_other_precision_are_converted(learned: Loaded, tmp_path: Path) -> None:
    halved = dataclasses.replace(learned, model=copy.deepcopy(learned.model).bfloat16())
    convert(halved, tmp_path)
    assert translate(open_converted(tmp_path, learned.layout), GERMAN[:4], "de", "en", SHORT) != ["", "", "", ""]


def test_a_sentence_longer_than_the_converted_positions(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(by_ct2, "_SINUSOIDAL_POSITIONS", 32)
    generous = GenerationSettings(beams=2, max_length_ratio=3)
    with converted(lively("nllb"), "float32") as model, caplog.at_level(logging.WARNING, "switchtune"):
        long, longer = translate(model, [GERMAN[2] * 9, GERMAN[2] * 20], "de", "en", generous)
    assert long == longer != ""
    assert "2 of 2 sentences are longer than the model's 32 positions" in caplog.text


def test_a_source_without_pieces() -> None:
    """CTranslate2 gives nothing, not even an end, for the special tokens that are left of it."""
    with converted(lively("mbart"), "float32") as model:
        outputs = list(
            by_ct2.search_by_ct2(model, model.layout.batch_encode_source([""], "de", "en"), [5], "en", SHORT)
        )
    assert outputs == [[(0, [model.layout.eos_id])]]


def test_without_ct2_the_message_says_what_to_install(learned: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(UsageError, match=r"pip install 'switchtune\[ct2\]'"):
        translate(learned, GERMAN, "de", "en", GenerationSettings(engine="ct2"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has this type")
def test_a_type_that_the_machine_does_not_have(learned: Loaded) -> None:
    with pytest.raises(
        UsageError, match=r"compute_type float16 is not supported here; this machine's cpu supports: .*float32.*int8"
    ):
        translate(learned, GERMAN, "de", "en", GenerationSettings(engine="ct2", compute_type="float16"))


def test_a_folder_of_the_users_beside_a_model_is_not_taken_for_its_conversion(model: Path) -> None:
    thesis = model.with_name(f"{model.name}.ct2") / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    assert load_converted(str(model), "float32").tokens
    assert list(thesis.parent.iterdir()) == [thesis]


def test_heads_that_ct2_cannot_have(tmp_path: Path) -> None:
    loaded = lively("mbart")
    loaded.model.config.decoder_attention_heads = 4
    with pytest.raises(SwitchtuneError, match="2 heads in its encoder and 4 in its decoder"):
        convert(loaded, tmp_path)


def test_a_converted_folder_is_kept_until_the_model_changes(learned: Loaded, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_model(learned, folder, "de", "en")
    first = translate(load_converted(str(folder), "float32"), GERMAN, "de", "en", GenerationSettings())
    kept = (tmp_path / "model.ct2" / "model.bin").stat()
    assert translate(load_converted(str(folder), "int8"), GERMAN[:2], "de", "en", SHORT)
    assert (tmp_path / "model.ct2" / "model.bin").stat() == kept
    save_model(lively("mbart"), folder, "de", "en")
    second = translate(load_converted(str(folder), "float32"), GERMAN, "de", "en", GenerationSettings())
    assert first == list(ENGLISH)
    assert second == translate(lively("mbart"), GERMAN, "de", "en", GenerationSettings()) != first


def test_one_process_alone_translates_all(learned: Loaded) -> None:
    settings = GenerationSettings()
    assert translate(learned, ["", *GERMAN], "de", "en", settings, over_ranks=True) == ["", *ENGLISH]


@pytest.mark.slow
def test_two_processes_share_the_sentences(learned: Loaded, tmp_path: Path) -> None:
    save_model(learned, tmp_path / "model", "de", "en")
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in ["", *GERMAN, "", GERMAN[2]]), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    command = ["translate", str(tmp_path / "model"), str(tmp_path / "text"), "--from", "de", "--to", "en"]
    command += ["--out", str(tmp_path / "out")]
    said = [tmp_path / f"said.{rank}" for rank in "01"]
    processes = [
        forked(command, file, **group, RANK=rank, LOCAL_RANK=rank) for file, rank in zip(said, "01", strict=True)
    ]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0], [file.read_text() for file in said]
    # Process 0 alone tells how far it is.
    assert GERMAN[0] not in said[0].read_text() and said[1].read_text() == ""
    assert (tmp_path / "out").read_text(encoding="utf-8").splitlines() == ["", *ENGLISH, "", ENGLISH[2]]
