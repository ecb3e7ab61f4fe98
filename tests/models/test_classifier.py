"""Heads on the five families against plain transformers, step by step; encoders against transformers' own class."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
)

from switchtune.config.pretrain import FamilyName
from switchtune.errors import SwitchtuneError
from switchtune.examples import Example
from switchtune.models.classifier import HEAD, Classifier, is_encoder, open_classifier, weight_count
from switchtune.models.families import FAMILIES
from switchtune.models.load import save_model
from tests.miniature import ENGLISH, GERMAN, T5S, WORDED, lively

PREMISES = (ENGLISH[10], ENGLISH[0], ENGLISH[1])
HYPOTHESES = ("A dog.", "Two men sit.", "Nobody.")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    for name in FAMILIES:
        save_model(lively(name), folder / name, "en", "en")
    bert = folder / "bert"
    bert.mkdir()
    words = sorted({word.strip(".").lower() for line in (*ENGLISH, *HYPOTHESES) for word in line.split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *words]
    (bert / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    BertTokenizer.from_pretrained(bert).save_pretrained(bert)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size)).save_pretrained(bert)
    return {path.name: path for path in folder.iterdir()}


def pairs(premises: Sequence[str], hypotheses: Sequence[str], language: str = "en") -> list[Example]:
    return [Example(one, language, other, language) for one, other in zip(premises, hypotheses, strict=True)]


def opened(folders: dict[str, Path], name: str, **options: Any) -> Classifier:
    longest = 200 if name == "byt5" else 60
    return open_classifier(str(folders[name]), "en", **{"max_tokens": longest, "seed": 3, **options})


@pytest.mark.parametrize("name", [*FAMILIES, "bert"])
def test_what_is_written_like_the_end_of_a_sentence_is_text(folders: dict[str, Path], name: str) -> None:
    classifier = opened(folders, name)
    end = "[SEP]" if name == "bert" else "</s>"
    batch, _ = classifier.batch(pairs([f"A {end} dog"], [f"{end} men"]))
    number = classifier.tokenizer.convert_tokens_to_ids(end)
    assert batch["input_ids"][0].tolist().count(number) == 2  # after the premise and after the hypothesis


@pytest.mark.parametrize("name", FAMILIES)
def test_the_decoders_state_at_its_last_token_goes_through_the_head(folders: dict[str, Path], name: FamilyName) -> None:
    classifier = opened(folders, name)
    batch, cut = classifier.batch(pairs(PREMISES, HYPOTHESES))
    with torch.no_grad():
        logits = classifier.logits(batch)
    assert (cut, logits.shape) == (0, (3, 3))
    plain = AutoModelForSeq2SeqLM.from_pretrained(folders[name]).eval()
    tokenizer = AutoTokenizer.from_pretrained(folders[name])
    head: Any = classifier.model.get_submodule(HEAD)
    for row in range(3):
        # By hand, one pair at a time, without padding.
        prompt = "translate English to English: " if name in WORDED else "<2en> " if name == "madlad" else ""
        ids = tokenizer(f"{prompt}{PREMISES[row]} </s> {HYPOTHESES[row]}")["input_ids"]
        text = tokenizer(f"{PREMISES[row]} </s> {HYPOTHESES[row]}", add_special_tokens=False)["input_ids"]
        tag = [] if name in (*T5S, "small100") else [tokenizer.convert_tokens_to_ids(tokenizer.src_lang)]
        if name == "m2m100":
            tag = [tokenizer.get_lang_id("en")]
        end, pad, unk = ([getattr(tokenizer, f"{token}_token_id")] for token in ("eos", "pad", "unk"))
        start = {"madlad": unk, **dict.fromkeys(WORDED, pad)}.get(name, end)
        decoder_ids = [*tag, *text, *end] if name == "mbart" else [*start, *tag, *text]
        with torch.no_grad():
            output = plain(
                input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([decoder_ids]), output_hidden_states=True
            )
            state = output.decoder_hidden_states[-1][0, -1]
            expected = torch.tanh(state @ head.dense.weight.T + head.dense.bias) @ head.out_proj.weight.T
        torch.testing.assert_close(logits[row], expected + head.out_proj.bias, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", [*FAMILIES, "bert"])
def test_neither_padding_nor_neighbours_have_an_effect(folders: dict[str, Path], name: str) -> None:
    classifier = opened(folders, name)
    with torch.no_grad():
        together = classifier.logits(classifier.batch(pairs(PREMISES, HYPOTHESES))[0])
        alone = [
            classifier.logits(classifier.batch(pairs([premise], [hypothesis]))[0])
            for premise, hypothesis in zip(PREMISES, HYPOTHESES, strict=True)
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)
    assert together.std(0).min() > 0


@pytest.mark.parametrize("name", [*FAMILIES, "bert"])
def test_a_saved_classifier_does_the_same(folders: dict[str, Path], name: str, tmp_path: Path) -> None:
    classifier = opened(folders, name)
    classifier.save(tmp_path / "saved")
    again = open_classifier(str(tmp_path / "saved"), "en", max_tokens=60, seed=99)
    batch, _ = classifier.batch(pairs(PREMISES, HYPOTHESES))
    with torch.no_grad():
        assert torch.equal(classifier.logits(batch), again.logits(batch))
    other = open_classifier(str(folders[name]), "en", max_tokens=60, seed=99)
    with torch.no_grad():
        assert not torch.equal(classifier.logits(batch), other.logits(batch))


@pytest.mark.parametrize("name", [*FAMILIES, "bert"])
def test_random_weights_depend_on_the_seed_alone(folders: dict[str, Path], name: str) -> None:
    first, again, other = (opened(folders, name, init="random", seed=seed).model for seed in (1, 1, 2))
    weights = [torch.cat([each.flatten() for each in model.parameters()]) for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_encoder_is_transformers_own_classifier(folders: dict[str, Path], tmp_path: Path) -> None:
    classifier = opened(folders, "bert")
    classifier.save(tmp_path / "saved")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert plain.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}
    batch = tokenizer(list(PREMISES), list(HYPOTHESES), padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = plain(**batch).logits
        found = classifier.logits(classifier.batch(pairs(PREMISES, HYPOTHESES))[0])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", [*FAMILIES, "bert"])
def test_a_long_premise_is_cut_and_the_hypothesis_stays(folders: dict[str, Path], name: str) -> None:
    most = {"bert": 16, "byt5": 70}.get(name, 40)
    classifier = opened(folders, name, max_tokens=most)
    batch, cut = classifier.batch(pairs([" ".join(ENGLISH[:3]), "A dog."], ["Two men sit.", "A dog."]))
    assert cut == 1
    assert batch["input_ids"].shape[1] <= most
    tokenizer = AutoTokenizer.from_pretrained(folders[name])
    text = tokenizer.decode(batch["input_ids"][0]).lower().replace(" .", ".")
    assert "two men sit." in text
    assert "a dog runs" in text


def test_the_language_of_the_text_is_that_of_the_tags(folders: dict[str, Path]) -> None:
    classifier = opened(folders, "mbart50")
    tokenizer = AutoTokenizer.from_pretrained(folders["mbart50"])
    first = classifier.batch(pairs([GERMAN[0]], ["Ein Hund."], "de"))[0]["input_ids"][0, 0]
    assert tokenizer.convert_ids_to_tokens(int(first)) == "de_DE"


def test_weights_are_counted_without_loading_them(folders: dict[str, Path]) -> None:
    for name in ("bert", "mbart"):
        with_head = sum(weights.numel() for weights in opened(folders, name).model.parameters())
        # The head of a family's model, and two or three labels, are next to nothing.
        assert weight_count(str(folders[name])) == pytest.approx(with_head, rel=0.05)
    assert is_encoder(str(folders["bert"]))
    assert not is_encoder(str(folders["mbart"]))


def test_other_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "marian"}', encoding="utf-8")
    with pytest.raises(SwitchtuneError, match="a model of type 'marian'"):
        is_encoder(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "part", "change", "message"),
    [
        ("bert", "pooler.dense.weight", "nan", r": 1 of its \d+ weights hold .* not finite.*pooler.dense.weight"),
        ("mt5", f"{HEAD}.dense.bias", "nan", r": 1 of its 4 weights hold .* not finite.*dense.bias"),
        ("mt5", f"{HEAD}.dense.bias", "cut", r"model.safetensors: .*Get the model again"),
        ("bert", "pooler.dense.bias", "cut", r"1 of its weights are not of the size .*pooler.dense.bias"),
    ],
)
def test_weights_of_no_use_are_refused(
    name: str, part: str, change: str, message: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    opened(folders, name).save(tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    tensors = load_file(file)
    whole = next(each for each in tensors if each.endswith(part))
    tensors[whole] = tensors[whole][:-1].clone() if change == "cut" else tensors[whole] * torch.nan
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(SwitchtuneError, match=message):
        opened({name: tmp_path / "model"}, name)


def test_an_encoder_without_padding_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["bert"], tmp_path / "model")
    settings = tmp_path / "model" / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "pad_token": None}))
    with pytest.raises(SwitchtuneError, match="its tokenizer has no pad_token"):
        opened({"bert": tmp_path / "model"}, "bert")
