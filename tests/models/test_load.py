"""Models in and out: what is saved, plain transformers loads, and it speaks the right language without switchtune."""

import gc
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, BartConfig, GenerationConfig

from switchtune.config.pretrain import FamilyName, SizeSettings
from switchtune.config.training import GenerationSettings
from switchtune.corpus.documents import SENTENCE_END
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.examples import Example
from switchtune.files import adopt_files, mark_folder
from switchtune.generation import translate
from switchtune.languages import UnknownLanguageError
from switchtune.models.classifier import open_classifier
from switchtune.models.files import TRIM_RECORD
from switchtune.models.load import (
    Loaded,
    SavedModelDiffersError,
    load_layout,
    load_model,
    model_fingerprint,
    save_model,
    verify_saved,
)
from switchtune.models.new import new_model
from tests.miniature import ALL, ARCHITECTURES, ENGLISH, GERMAN, T5S, TINY, TOKENIZERS, WORDED, lively, miniature
from tests.unreadable import UNREADABLE, make_unreadable


def weights(loaded: Loaded) -> dict[str, torch.Tensor]:
    return dict(loaded.model.state_dict())


def same_weights(one: Loaded, other: Loaded) -> bool:
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def saved(family: FamilyName, folder: Path) -> Path:
    save_model(miniature(family), folder / "model", "de", "en")
    return folder / "model"


@pytest.fixture(params=ALL)
def family(request: pytest.FixtureRequest) -> FamilyName:
    name: FamilyName = request.param
    return name


def trained(family: FamilyName, examples: list[Example], *, steps: int) -> Loaded:
    """A miniature that knows a handful of examples by heart."""
    loaded = new_model(family, TINY, {"de": GERMAN, "en": ENGLISH}, seed=3)
    batch = loaded.layout.collate(loaded.layout.batch_encode(examples, max_tokens=64))
    optimizer = torch.optim.Adam(loaded.model.parameters(), lr=1e-2, fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = loaded.model(**{name: ids for name, ids in batch.items() if name != "labels"}).logits
        loss: Any = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten())
        loss.backward()
        optimizer.step()
    return loaded


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family in ALL if family != "byt5"])
def test_a_saved_model_translates_without_switchtune(family: FamilyName, tmp_path: Path) -> None:
    # Sentences in bytes would take too long to be learned by heart.
    # The same German sentences are translated and restored: only the tags tell the model which of the two is wanted.
    examples = [
        example
        for german, english in zip(GERMAN[:3], ENGLISH[:3], strict=True)
        for example in (Example(german, "de", english, "en"), Example(german, "de", german, "de"))
    ]
    loaded = trained(family, examples, steps=70)
    for target, expected in (("en", ENGLISH[:3]), ("de", GERMAN[:3])):
        folder = tmp_path / target
        settings = GenerationSettings(beams=2)
        save_model(loaded, folder, "de", target, generation=settings)
        verify_saved(folder, GERMAN[:3], loaded, "de", target, generation=settings)

        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder)
        instruction = {"en": "translate German to English: ", "de": "translate German to German: "}[target]
        prefix = instruction if family in WORDED else f"<2{target}> " if family == "madlad" else ""
        prompts = [prefix + sentence for sentence in GERMAN[:3]]
        outputs = model.generate(**tokenizer(prompts, padding=True, return_tensors="pt"))
        assert tokenizer.batch_decode(outputs, skip_special_tokens=True) == list(expected)
        starts = {
            "mbart": [{"en": "en_XX", "de": "de_DE"}[target]],
            "mbart50": ["</s>", {"en": "en_XX", "de": "de_DE"}[target]],
            "nllb": ["</s>", {"en": "eng_Latn", "de": "deu_Latn"}[target]],
            "m2m100": ["</s>", {"en": "__en__", "de": "__de__"}[target]],
            "small100": ["</s>"],
            "madlad": ["<unk>"],
        }.get(family, ["<pad>"])
        for output in outputs.tolist():
            assert tokenizer.convert_ids_to_tokens(output)[: len(starts)] == starts


def test_the_saved_configs_do_not_contradict_each_other(family: FamilyName, tmp_path: Path) -> None:
    loaded = miniature(family)
    folder = tmp_path / "model"
    save_model(loaded, folder, "de", "en", generation=GenerationSettings(beams=3, length_penalty=0.6))
    generation = GenerationConfig.from_pretrained(folder)
    assert (generation.num_beams, generation.length_penalty) == (3, 0.6)
    assert generation.max_length == {"mbart": 64, "mbart50": 64, "byt5": 1024}.get(family, 256)
    expected = loaded.layout.generation_settings("en")
    config = json.loads((folder / "config.json").read_text())
    assert generation.forced_bos_token_id == expected["forced_bos_token_id"]
    assert generation.decoder_start_token_id == config["decoder_start_token_id"] == expected["decoder_start_token_id"]
    assert "forced_bos_token_id" not in config
    for name in ("pad_token_id", "eos_token_id"):
        assert getattr(generation, name) == config[name] == getattr(loaded.tokenizer, name)
    assert generation.forced_eos_token_id is config.get("forced_eos_token_id") is None


@pytest.mark.parametrize("family", [family for family in ALL if family != "byt5"])
def test_a_saved_model_ends_at_its_limit_as_our_own_search_does(family: FamilyName, tmp_path: Path) -> None:
    """mBART's own settings would force an end there. Random bytes have line breaks in them, which our search drops."""
    settings = GenerationSettings(beams=2, max_length=6)
    loaded = lively(family)
    save_model(loaded, tmp_path / "model", "de", "en", generation=settings)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
    prompts = [loaded.layout.prompt(sentence, "de", "en") for sentence in GERMAN[:6]]
    outputs = model.generate(**tokenizer(prompts, padding=True, return_tensors="pt"))
    expected = translate(loaded, GERMAN[:6], "de", "en", settings)
    assert tokenizer.batch_decode(outputs, skip_special_tokens=True) == expected
    assert outputs.shape[1] == 7


def test_a_saved_config_says_whether_the_output_matrix_is_the_embeddings(family: FamilyName, tmp_path: Path) -> None:
    """Before 5 transformers goes by it, also in mT5, whose configuration transformers 5 always writes as tied."""
    told = json.loads((saved(family, tmp_path) / "config.json").read_text())["tie_word_embeddings"]
    assert told == (family not in T5S)


def unlisted(folder: Path, *, special: bool | None) -> Path:
    """An M2M-100 as transformers before 5 saved it: its tags not among its special tokens, or (None) not listed."""
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["extra_special_tokens"]
    tags = {number for number, token in config["added_tokens_decoder"].items() if token["content"].startswith("__")}
    for number in tags:
        if special is None:
            del config["added_tokens_decoder"][number]
        else:
            config["added_tokens_decoder"][number]["special"] = special
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if special is None:
        (folder / "added_tokens.json").unlink()
    return folder


@pytest.mark.parametrize("special", [False, None])
def test_an_m2m100_of_old_is_saved_without_tags_in_its_outputs(special: bool | None, tmp_path: Path) -> None:
    folder = unlisted(saved("m2m100", tmp_path), special=special)
    assert AutoTokenizer.from_pretrained(folder).decode([miniature("m2m100").layout.tags["de"]]) == "__de__"
    loaded = load_model(str(folder))
    save_model(loaded, tmp_path / "again", "de", "en")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "again")
    number = loaded.layout.tags["de"]
    assert tokenizer.get_lang_id("de") == number
    assert tokenizer.decode([number, 5, 2], skip_special_tokens=True) == tokenizer.decode([5])
    verify_saved(tmp_path / "again", GERMAN[:2], loaded, "de", "en", max_length=8)


def test_verify_notices_tags_that_plain_transformers_leaves_in_outputs(tmp_path: Path) -> None:
    folder = saved("m2m100", tmp_path)
    loaded = load_model(str(folder))
    unlisted(folder, special=False)
    with pytest.raises(SavedModelDiffersError, match=r"it translates '.*' as '__en__"):
        verify_saved(folder, GERMAN[:2], loaded, "de", "en", max_length=8)


@pytest.mark.parametrize("family", TOKENIZERS)
def test_sentences_in_which_a_special_token_is_written_prove_nothing(family: FamilyName, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    verify_saved(folder, ["Ein </s> Hund", "<pad>"], miniature(family), "de", "en", max_length=8)
    document = f"Ein Hund. {SENTENCE_END} Zwei."
    verify_saved(folder, [document], miniature(family), "de", "en", max_length=8)


@pytest.mark.parametrize("listed", [None, []])
def test_an_nllb_whose_tags_are_not_listed_is_told_how_to_list_them(listed: list[str] | None, tmp_path: Path) -> None:
    folder = saved("nllb", tmp_path)
    config = json.loads((folder / "tokenizer_config.json").read_text()) | {"extra_special_tokens": listed}
    (folder / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
    content = json.loads((folder / "tokenizer.json").read_text())
    content["added_tokens"] = [token for token in content["added_tokens"] if "Latn" not in token["content"]]
    (folder / "tokenizer.json").write_text(json.dumps(content | {"post_processor": None}))
    with pytest.raises(SwitchtuneError, match=r'list those that the model has.*"extra_special_tokens": \["eng_Latn"'):
        load_model(str(folder))


def test_a_small100_with_a_tokenizer_class_of_its_own_is_read_by_that_of_m2m100(tmp_path: Path) -> None:
    folder = saved("small100", tmp_path)
    tampered(folder, "tokenizer_config.json", tokenizer_class="SMALL100Tokenizer")
    loaded = load_model(str(folder))
    expected = miniature("small100").layout.encode_source(GERMAN[0], "de", "en")
    assert loaded.layout.encode_source(GERMAN[0], "de", "en") == expected
    save_model(loaded, tmp_path / "again", "de", "en")
    verify_saved(tmp_path / "again", GERMAN[:1], loaded, "de", "en", max_length=4)


def test_a_t5_whose_unknown_piece_is_elsewhere_is_read_and_saved_as_it_is(tmp_path: Path) -> None:
    """For T5Tokenizer the third piece is the unknown one: in MADLAD-400 the end of the sentence."""
    folder = saved("madlad", tmp_path)
    tampered(folder, "tokenizer_config.json", tokenizer_class="T5Tokenizer")
    assert AutoTokenizer.from_pretrained(folder)("☃")["input_ids"].count(2) == 2
    loaded = load_model(str(folder))
    ids = loaded.layout.encode_source("☃", "de", "en")
    assert (ids.count(0), ids.count(2)) == (1, 1)
    save_model(loaded, tmp_path / "again", "de", "en")
    assert AutoTokenizer.from_pretrained(tmp_path / "again")("<2en> ☃")["input_ids"] == list(ids)


def test_a_search_without_beams_is_saved_without_their_penalty(tmp_path: Path) -> None:
    settings = GenerationSettings(beams=1, length_penalty=0.8)
    save_model(miniature(), tmp_path / "model", "de", "en", generation=settings)
    verify_saved(tmp_path / "model", GERMAN[:1], miniature(), "de", "en", generation=settings)


def test_a_folder_without_a_tokenizer_is_refused(family: FamilyName, tmp_path: Path) -> None:
    model = new_model(family, TINY, {"de": GERMAN, "en": ENGLISH}, seed=1).model
    model.resize_token_embeddings(1000)  # what is made up in place of a tokenizer has up to a hundred tokens
    model.save_pretrained(tmp_path)
    with pytest.raises(SwitchtuneError, match="a model without its tokenizer"):
        load_model(str(tmp_path))


def test_saving_leaves_the_model_in_memory_as_it_was(family: FamilyName, tmp_path: Path) -> None:
    loaded = miniature(family)
    before = (loaded.model.config.to_dict(), loaded.model.generation_config.to_dict(), loaded.tokenizer("Ein Hund."))
    save_model(loaded, tmp_path / "model", "en", "de")
    after = (loaded.model.config.to_dict(), loaded.model.generation_config.to_dict(), loaded.tokenizer("Ein Hund."))
    assert after == before


def test_saving_again_replaces_the_folder(tmp_path: Path) -> None:
    folder = saved("mbart", tmp_path)
    (folder / "old").write_text("")
    adopt_files(folder)
    save_model(miniature("mbart"), folder, "en", "de")
    assert not (folder / "old").exists()
    assert AutoTokenizer.from_pretrained(folder).src_lang == "en_XX"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_language_that_cannot_be_saved_leaves_the_old_model(tmp_path: Path) -> None:
    folder = saved("nllb", tmp_path)
    with pytest.raises(UnknownLanguageError, match="'fr'"):
        save_model(miniature("nllb"), folder, "de", "fr")
    assert (folder / "model.safetensors").exists()


def test_loading_gives_back_what_was_saved(family: FamilyName, tmp_path: Path) -> None:
    loaded, again = miniature(family), load_model(str(saved(family, tmp_path)))
    assert same_weights(loaded, again)
    assert again.layout.family is loaded.layout.family
    assert again.layout.positions == loaded.layout.positions == (64 if family.startswith("mbart") else None)
    example = Example(GERMAN[0], "de", ENGLISH[0], "en")
    assert again.layout.encode(example, max_tokens=64) == loaded.layout.encode(example, max_tokens=64)
    assert not again.model.training
    # Tags of the direction it was saved for must not leak into another.
    assert again.model.generation_config.forced_bos_token_id is None
    assert again.model.generation_config.decoder_start_token_id is None


def tampered(folder: Path, file: str, **values: object) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **values}))


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_verify_notices_other_weights(family: FamilyName, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    verify_saved(folder, GERMAN[:2], miniature(family), "de", "en", max_length=8)
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith(("fc2.weight", "DenseReluDense.wo.weight")))
    tensors[name][0] += 0.5
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SavedModelDiffersError, match="logits differ"):
        verify_saved(folder, GERMAN[:2], miniature(family), "de", "en", max_length=8)


@pytest.mark.parametrize(("family", "code"), [("mbart", "en_XX"), ("nllb", "eng_Latn"), ("m2m100", "en")])
def test_verify_notices_another_tag_in_the_tokenizer(family: FamilyName, code: str, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    tampered(folder, "tokenizer_config.json", src_lang=code)
    with pytest.raises(SavedModelDiffersError, match="its tokenizer reads 'Ein Hund"):
        verify_saved(folder, GERMAN[:2], miniature(family), "de", "en", max_length=8)


def test_verify_notices_another_start_of_generation(tmp_path: Path) -> None:
    examples = [Example(GERMAN[0], "de", ENGLISH[0], "en"), Example(GERMAN[0], "de", GERMAN[0], "de")]
    loaded = trained("mbart", examples, steps=60)
    folder = tmp_path / "model"
    save_model(loaded, folder, "de", "en")
    start = loaded.layout.generation_settings("de")["decoder_start_token_id"]
    tampered(folder, "generation_config.json", decoder_start_token_id=start)
    with pytest.raises(SavedModelDiffersError, match=r"it translates 'Ein Hund läuft über die Wiese\.' as 'Ein Hund"):
        verify_saved(folder, GERMAN[:1], loaded, "de", "en")


def test_verify_takes_sentences_longer_than_the_model(tmp_path: Path) -> None:
    verify_saved(saved("mbart", tmp_path), [" ".join(GERMAN)], miniature("mbart"), "de", "en", max_length=8)


def test_an_nllb_of_old_is_saved_in_the_layout_of_today(tmp_path: Path) -> None:
    folder = saved("nllb", tmp_path)
    tampered(folder, "tokenizer_config.json", legacy_behaviour=True)
    old = load_model(str(folder))
    assert old.tokenizer.convert_ids_to_tokens(old.tokenizer("Hund")["input_ids"])[-1] == "deu_Latn"
    save_model(old, tmp_path / "again", "de", "en")
    verify_saved(tmp_path / "again", GERMAN[:2], old, "de", "en", max_length=8)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_dropout_is_set_where_it_is_given(family: FamilyName, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    own, given = load_model(str(folder)), load_model(str(folder), dropout=0.35, attention_dropout=0.25)
    rates = {module.p for module in given.model.modules() if isinstance(module, torch.nn.Dropout)}
    if family in T5S:
        assert own.model.config.dropout_rate == 0.1
        assert rates == {0.35}
    else:
        assert own.model.config.dropout == 0.1
        assert {layer.dropout for layer in given.model.model.encoder.layers} == {0.35}
        assert {layer.self_attn.dropout for layer in given.model.model.decoder.layers} == {0.25}


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_random_weights_depend_on_the_seed_alone(family: FamilyName, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    state = torch.get_rng_state()
    first = load_model(str(folder), init="random", seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert same_weights(first, load_model(str(folder), init="random", seed=5))
    assert not same_weights(first, load_model(str(folder), init="random", seed=6))
    assert not same_weights(first, miniature(family))
    assert {name: value.shape for name, value in weights(first).items()} == {
        name: value.shape for name, value in weights(miniature(family)).items()
    }
    with pytest.raises(UsageError, match="need a seed"):
        load_model(str(folder), init="random")


def test_a_new_model_is_the_same_every_time(family: FamilyName) -> None:
    texts = {"de": GERMAN, "en": ENGLISH}
    first, again, other = (new_model(family, TINY, texts, seed=seed) for seed in (7, 7, 8))
    assert first.tokenizer.get_vocab() == again.tokenizer.get_vocab() == other.tokenizer.get_vocab()
    assert same_weights(first, again)
    assert not same_weights(first, other)


def test_a_new_model_is_of_the_real_class_and_size(family: FamilyName, tmp_path: Path) -> None:
    loaded = miniature(family)
    names = {
        "mbart": ("MBartForConditionalGeneration", "MBartTokenizer"),
        "mbart50": ("MBartForConditionalGeneration", "MBart50Tokenizer"),
        "nllb": ("M2M100ForConditionalGeneration", "NllbTokenizer"),
        "m2m100": ("M2M100ForConditionalGeneration", "M2M100Tokenizer"),
        "small100": ("M2M100ForConditionalGeneration", "M2M100Tokenizer"),
        "mt5": ("MT5ForConditionalGeneration", "T5Tokenizer"),
        "t5": ("T5ForConditionalGeneration", "T5Tokenizer"),
        "byt5": ("T5ForConditionalGeneration", "ByT5Tokenizer"),
        # Whose unknown piece is not where T5Tokenizer takes it to be.
        "umt5": ("UMT5ForConditionalGeneration", "TokenizersBackend"),
        "madlad": ("T5ForConditionalGeneration", "TokenizersBackend"),
    }
    assert (type(loaded.model).__name__, type(loaded.tokenizer).__name__) == names[family]
    config = loaded.model.config
    assert (config.d_model, config.num_attention_heads, config._attn_implementation) == (32, 2, "sdpa")
    layers = {"encoder": 2, "decoder": 1}
    assert {name: len(stack_of(loaded, name)) for name in layers} == layers
    # Every character of the text is in the vocabulary.
    unknown = loaded.tokenizer.unk_token_id
    for sentence in (*GERMAN, *ENGLISH):
        assert unknown not in loaded.layout.encode_source(sentence, "de", "en")
    # Each language tag has a row of its own in the embeddings.
    assert max(loaded.tokenizer.get_vocab().values()) + 1 == config.vocab_size


def stack_of(loaded: Loaded, name: str) -> torch.nn.ModuleList:
    stack: Any = loaded.model.get_submodule(name if loaded.layout.family.name in T5S else f"model.{name}")
    layers: torch.nn.ModuleList = stack.block if loaded.layout.family.name in T5S else stack.layers
    return layers


@pytest.mark.parametrize("family", T5S)
def test_a_t5_has_an_output_matrix_of_its_own_and_keeps_it(family: FamilyName, tmp_path: Path) -> None:
    loaded = miniature(family)
    again = load_model(str(saved(family, tmp_path)))
    models: tuple[Any, Any] = (loaded.model, again.model)
    for model in models:
        model.tie_weights()
        assert not torch.equal(model.lm_head.weight, model.shared.weight)
        assert model.encoder.embed_tokens.weight is model.shared.weight
        assert model.decoder.embed_tokens.weight is model.shared.weight
    # Logits of the order of one, so that the first loss is near that of a uniform guess.
    batch = loaded.layout.collate(
        loaded.layout.batch_encode([Example(GERMAN[0], "de", ENGLISH[0], "en")], max_tokens=64)
    )
    with torch.no_grad():
        loss = loaded.model(**batch).loss
    assert abs(float(loss) - torch.tensor(float(loaded.model.config.vocab_size)).log()) < 1.5


@pytest.mark.parametrize("family", ["mbart", "mbart50", "nllb", "m2m100"])
def test_the_other_families_share_their_embeddings(family: FamilyName, tmp_path: Path) -> None:
    for loaded in (miniature(family), load_model(str(saved(family, tmp_path)))):
        assert loaded.model.lm_head.weight is loaded.model.model.shared.weight


@pytest.mark.parametrize("family", ["mbart", "mbart50", "nllb", "m2m100", "small100", "madlad"])
def test_a_new_model_for_a_language_its_family_does_not_have(family: FamilyName, tmp_path: Path) -> None:
    loaded = new_model(family, TINY, {"de": GERMAN, "tyv": ["Ыт чоруп тур."]}, seed=1)
    save_model(loaded, tmp_path / "model", "de", "tyv")
    verify_saved(tmp_path / "model", GERMAN[:1], loaded, "de", "tyv", max_length=4)
    assert load_layout(str(tmp_path / "model")).code("Tuvinian") == loaded.layout.code("tyv_Cyrl")


def test_a_decoder_that_is_too_deep_for_its_family() -> None:
    size = TINY.model_copy(update={"decoder_layers": 3})
    with pytest.raises(UsageError, match="size: 3 decoder layers, 2 encoder layers"):
        new_model("mt5", size, {"de": GERMAN}, seed=1)


def test_a_vocabulary_needs_text() -> None:
    with pytest.raises(SwitchtuneError, match=r"No vocabulary of 200 pieces can be trained on 0 passages"):
        new_model("mbart", TINY, {"de": [], "en": []}, seed=1)


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    folder = saved("mbart", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.decoder.layers.0.fc1.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SwitchtuneError, match=r"lacks 1 of the model's weights \(model.decoder.layers.0.fc1.weight"):
        load_model(str(folder))


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    smaller = SizeSettings(**{**TINY.model_dump(), "pieces": 150})
    folder = tmp_path / "model"
    save_model(new_model("mbart", smaller, {"de": GERMAN, "en": ENGLISH}, seed=1), folder, "de", "en")
    miniature("mbart").tokenizer.save_pretrained(folder)
    with pytest.raises(SwitchtuneError, match="Model and tokenizer do not belong together"):
        load_model(str(folder))


def test_what_is_not_a_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("hello")
    BartConfig().save_pretrained(tmp_path / "bart")
    for path, message in (
        (tmp_path / "nowhere", r"no such folder\. Give"),
        (tmp_path / "note", r"no such folder\. Did you mean 'notes'\? Give"),
        (tmp_path / "notes" / "readme.txt", "a file; a model is a folder"),
        (tmp_path / "notes", r"no config.json in it \(found: readme.txt\)"),
        (tmp_path / "bart", "a model of type 'bart'"),
    ):
        with pytest.raises(SwitchtuneError, match=message):
            load_model(str(path))

    def offline(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co'.\nMore lines.")

    monkeypatch.setattr(AutoConfig, "from_pretrained", offline)
    with pytest.raises(
        SwitchtuneError, match=r"facebook/mbart-nonesuch: cannot be loaded \(We couldn't connect to .*spelling"
    ):
        load_model("facebook/mbart-nonesuch")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    folder = saved("mbart", tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SwitchtuneError, match=r"cannot be loaded \(.*model.safetensors: .* missing or damaged"):
        load_model(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(SwitchtuneError, match=r"config.json: not valid JSON .* Get the model again"):
        load_model(str(folder))


def test_the_files_of_a_new_tokenizer_live_as_long_as_it_does() -> None:
    loaded = new_model("m2m100", TINY, {"de": GERMAN, "en": ENGLISH}, seed=4)
    folder = Path(loaded.tokenizer.vocab_file).parent
    assert folder.exists()
    del loaded
    gc.collect()
    assert not folder.exists()


def touching(path: Path) -> str:
    return f"import pathlib; pathlib.Path({str(path)!r}).touch()\n"


class Evil:
    """What, unpickled, runs code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (touching(self.path),))


UNKNOWN = {"model_type": "evil", "tokenizer_class": "Evil"}
CODE = {"AutoConfig": "evil.Evil", "AutoModelForSeq2SeqLM": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}


@pytest.mark.parametrize("own", [{}, UNKNOWN], ids=["a known class", "an unknown class"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_of_a_model_is_never_run(
    file: str, own: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ran = saved("mbart", tmp_path), tmp_path / "ran"
    tampered(folder, file, **own, auto_map=CODE)
    (folder / "evil.py").write_text(touching(ran))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    for load in (load_model, load_layout, open_classifier_of):
        with pytest.raises(SwitchtuneError, match=r"brings Python code of its own .* which switchtune never runs"):
            load(str(folder))
    assert not ran.exists()


def open_classifier_of(path: str) -> None:
    open_classifier(path, "de", max_tokens=60)


def test_code_for_generation_and_kernels_of_the_hub_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ran = saved("mbart", tmp_path), tmp_path / "ran"
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(touching(ran))
    tampered(folder, "generation_config.json", custom_generate=str(folder))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    verify_saved(folder, GERMAN[:1], miniature("mbart"), "de", "en", max_length=8)
    tampered(folder, "config.json", attn_implementation="evil/kernel")
    assert same_weights(load_model(str(folder)), miniature("mbart"))
    assert not ran.exists()


def test_pickled_weights_are_loaded_and_nothing_else_of_a_pickle(tmp_path: Path) -> None:
    folder, ran = saved("mbart", tmp_path), tmp_path / "ran"
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert same_weights(load_model(str(folder)), miniature("mbart"))
    for zipped in (True, False):
        hostile = {**tensors, "evil": Evil(ran)}
        torch.save(hostile, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
        with pytest.raises(
            SwitchtuneError, match=r": pytorch_model.bin is damaged, or holds other .* convert it yourself"
        ):
            load_model(str(folder))
    assert not ran.exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert ran.exists()


def test_adapters_are_no_model(tmp_path: Path) -> None:
    folder = saved("mbart", tmp_path)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/other"}))
    with pytest.raises(SwitchtuneError, match=r"adapter_config.json: the folder holds adapters.*merge_and_unload"):
        load_model(str(folder))


@pytest.mark.parametrize("family", ARCHITECTURES)
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(family: FamilyName, value: float, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    broken = sorted(name for name in tensors if name.endswith("weight"))[:2]
    for name in broken:
        tensors[name].view(-1)[-1] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SwitchtuneError, match=rf": 2 of its \d+ weights hold .* not finite.*{re.escape(broken[0])}"):
        load_model(str(folder))


NESTED = "[" * 100_000


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "3", NESTED, b"\xff\xfe", None], ids=lambda value: str(value)[:5]
)
@pytest.mark.parametrize(
    "file",
    [
        *(
            "config.json",
            "generation_config.json",
            "tokenizer_config.json",
            "tokenizer.json",
            "special_tokens_map.json",
        ),
        *("added_tokens.json", "trim.json", "summarization.json", "terms.json", "model.safetensors.index.json"),
    ],
)
def test_settings_that_are_damaged_are_named(
    file: str, content: str | bytes | None, model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    if content is None:
        (folder / file).unlink(missing_ok=True)
        (folder / file).mkdir()
    else:
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(
        SwitchtuneError, match=rf"{re.escape(file)}.* Get the model again|its tokenizer knows \d+ pieces"
    ):
        load_model(str(folder))


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("vocab_size", "x", "vocab_size"),
        ("d_model", -1, "d_model is -1"),
        ("d_model", 64, r"60 of its weights are not of the size that config.json says .*: \[\d"),
        ("d_model", 2**20, "a model of .* weights, .* GB; its files hold .* bytes"),
        ("max_position_embeddings", 1e12, "max_position_embeddings is 1,000,000,000,000"),
        ("encoder_layers", 10**9, "encoder_layers is 1,000,000,000, where a number up to"),
        ("num_labels", 10**9, "num_labels is 1,000,000,000"),
        ("vocab_size", 10**6, "its tokenizer knows"),
        ("encoder_attention_heads", 0, "config.json: integer division"),
        ("activation_function", "banana", "config.json: KeyError"),
        ("dtype", "banana", "config.json: .*banana"),
        ("dropout", -1, "dropout is -1"),
        ("is_encoder_decoder", False, "config.json says that it is not an encoder-decoder model"),
        ("pad_token_id", None, r"config.json: ne\(\) received an invalid"),
        ("model_type", ["mbart"], "config.json: unhashable"),
        ("transformers_weights", "../../passwd", "names another file of weights"),
    ],
)
def test_settings_of_wrong_types_and_sizes(name: str, value: object, message: str, tmp_path: Path) -> None:
    folder = saved("m2m100", tmp_path)
    tampered(folder, "config.json", **{name: value})
    with pytest.raises(SwitchtuneError, match=message):
        load_model(str(folder))


def test_random_weights_are_not_drawn_beyond_the_memory(tmp_path: Path) -> None:
    folder = saved("mbart", tmp_path)
    tampered(folder, "config.json", d_model=2**20)
    with pytest.raises(SwitchtuneError, match=r"a model of .* weights, .* GB; this machine has \d+ GB of memory"):
        load_model(str(folder), init="random", seed=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("pad_token", None), ("eos_token", 3), ("tokenizer_class", 3), ("src_lang", "xx"), ("added_tokens_decoder", 3)],
)
def test_settings_of_a_tokenizer_of_wrong_types(name: str, value: object, tmp_path: Path) -> None:
    folder = saved("m2m100", tmp_path)
    tampered(folder, "tokenizer_config.json", **{name: value})
    with pytest.raises(SwitchtuneError, match=r"tokenizer_config.json.* Get the model again"):
        load_model(str(folder))


@pytest.mark.parametrize("content", [b"", b"x" * 8, (1 << 40).to_bytes(8, "little") + b"{}", "half", "of another"])
def test_damaged_weights_are_named(content: bytes | str, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    file = folder / "model.safetensors"
    if content == "of another":
        content = (saved("mt5", tmp_path / "mt5") / file.name).read_bytes()
    elif content == "half":
        content = file.read_bytes()[: file.stat().st_size // 2]
    file.write_bytes(content)  # type: ignore[arg-type]
    with pytest.raises(SwitchtuneError, match=r"model.safetensors: .*|lacks \d+ of the model's weights"):
        load_model(str(folder))


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize(
    "name",
    [
        *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "summarization.json"),
        *(TRIM_RECORD, "chat_template.jinja", "additional_chat_templates/a.jinja", "model.safetensors"),
    ],
)
def test_what_is_no_file_is_not_given_to_transformers(name: str, kind: str, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / name).parent.mkdir(exist_ok=True)
    make_unreadable(folder / name, kind)
    with pytest.raises(SwitchtuneError, match=rf"{re.escape(Path(name).name)}: .*Get the model again"):
        load_model(str(folder))
    if kind != "giant" and name != TRIM_RECORD and not name.endswith("jinja"):
        with pytest.raises(SwitchtuneError, match=r"a (pipe|device)"):
            model_fingerprint(str(folder))


@pytest.mark.parametrize("shard", ["../outside.safetensors", "/etc/passwd", "missing.safetensors", 3, None])
def test_shards_are_files_of_the_folder(shard: object, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    index = {"weight_map": {"model.shared.weight": shard}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(SwitchtuneError, match=r"model.safetensors.index.json: names .* which is not in the folder"):
        load_model(str(folder))


def test_what_panics_is_told_too(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException): ...

    def panics(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", panics)
    with pytest.raises(SwitchtuneError, match=r"tokenizer.json, .*: index out of bounds"):
        load_model(str(model))
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        load_model(str(model))


@pytest.fixture
def readable_by_all() -> Iterator[Path]:
    """A folder that an account without rights can go to; the test goes on as such an account."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors", ""])
def test_no_permission_is_told_as_such(file: str, model: Path, readable_by_all: Path) -> None:
    folder = readable_by_all / "model"
    shutil.copytree(model, folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    (folder / file).chmod(0)
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        with pytest.raises(SwitchtuneError, match=rf"{re.escape(file)}: no permission to read it"):
            load_model(str(folder))
    finally:
        os.seteuid(user)
        (folder / file).chmod(0o755)


def test_what_a_run_made_is_made_again(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "de-en" / "csr" / "seed1" / "task" / "model"
    shutil.copytree(model, folder)
    mark_folder(tmp_path / "run", "run")
    (folder / "config.json").write_text("{")
    with pytest.raises(SwitchtuneError, match=f"Remove {folder} and run the command that made it again"):
        load_model(str(folder))


@pytest.mark.parametrize("number", [None, -1, "", 1.5, 10**9])
def test_ids_of_no_row(number: object, tmp_path: Path) -> None:
    folder = saved("m2m100", tmp_path)
    tampered(folder, "vocab.json", **{"▁A": number})
    with pytest.raises(SwitchtuneError, match=r"vocab.json: ids from 0 to \d+ are expected"):
        load_model(str(folder))
