"""Text stays text: what is written like a special token or tag is none, unless the program has marked it."""

import json
import pickle
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import GenerationSettings
from switchtune.corpus.control import control, shown
from switchtune.examples import Example
from switchtune.generation import translate
from switchtune.generation.by_ct2 import load_converted
from switchtune.models.layout import Layout
from switchtune.models.load import save_model
from switchtune.models.new import new_model
from switchtune.training.loss import loss_from_forward
from tests.miniature import ALL, ENGLISH, GERMAN, TINY

TAGS = ("de_DE", "en_XX", "deu_Latn", "eng_Latn", "__de__", "__en__")
WRITTEN = ("<s>", "</s>", "<pad>", "<mask>", "<unk>", "<extra_id_0>", *TAGS)
LETTERS = "".join(sorted({*"".join(WRITTEN), *"«»＜＞ xyL"}))


@pytest.fixture(scope="module")
def layouts() -> dict[FamilyName, Layout]:
    """Of vocabularies that have all letters of what is written."""
    spelt = [" ".join(LETTERS), *map(" ".join, WRITTEN)]
    texts = {"de": [*GERMAN, *spelt], "en": [*ENGLISH, *spelt]}
    return {family: new_model(family, TINY, texts, seed=1).layout for family in ALL}


def plain_ids(layout: Layout, text: str) -> list[int]:
    """Ids of a text alone, without what frames it."""
    (bare,), (ids,) = (layout.batch_encode_source([one], "de", "en") for one in ("", text))
    after = len(layout.family.after_source)
    return list(ids[len(bare) - after : len(ids) - after])


@pytest.mark.parametrize("text", [*WRITTEN, *("Ein </s> Hund", "«</s>»", "a</s><s>b", "<mask>.", "xde_DEx", "＜/s＞")])
@pytest.mark.parametrize("family", ALL)
def test_what_is_written_like_a_special_token_is_text(
    layouts: dict[FamilyName, Layout], family: FamilyName, text: str
) -> None:
    layout = layouts[family]
    ids = plain_ids(layout, text)
    assert not set(ids) & {*layout.tokenizer.all_special_ids, *layout.tags.values()}
    assert layout.decode(ids) in (text, text.replace("＜/s＞", "</s>"))


@pytest.mark.parametrize("family", ALL)
def test_labels_end_once(layouts: dict[FamilyName, Layout], family: FamilyName) -> None:
    layout = layouts[family]
    example = Example("Ein </s> Hund", "de", "a </s> dog <pad>", "en")
    frame = len(layout.encode_source("", "de", "en"))
    for ids in (layout.encode(example, max_tokens=64), layout.encode(example, max_tokens=frame + 4)):
        for side in (ids.input_ids, ids.labels):
            assert side.count(layout.eos_id) == 1
            assert layout.pad_id not in side


PARTS = st.lists(st.sampled_from((*WRITTEN, *" ".join((*GERMAN[:3], *ENGLISH[:3])).split(), " ", "«", "x")), max_size=8)


@pytest.mark.parametrize("family", ["nllb", "m2m100"])
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=PARTS.map("".join))
def test_ids_are_those_of_a_tokenizer_that_looks_for_no_special_tokens(
    layouts: dict[FamilyName, Layout], family: FamilyName, text: str
) -> None:
    """Not in the other families, whose tokenizers find them among their pieces all the same."""
    layout = layouts[family]
    own = layout.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert plain_ids(layout, text) == own


@pytest.mark.parametrize("family", ["mbart", "mbart50", "nllb", "mt5"])
@pytest.mark.parametrize("text", ["{0}", "Ein {0} Hund", "Ein {0}Hund", "Ein{0}.", "{0} und {1}.", "Ein {0} {1}"])
def test_what_the_program_marks_is_a_token(layouts: dict[FamilyName, Layout], family: FamilyName, text: str) -> None:
    layout = layouts[family]
    mask = layout.mask_token
    marked = text.format(mask, control("</s>"))
    assert plain_ids(layout, marked) == layout.tokenizer(shown(marked), add_special_tokens=False)["input_ids"]
    assert shown(mask) in layout.segmented([marked])[0]
    both = plain_ids(layout, f"{mask} {shown(mask)}")
    assert both.count(layout.tokenizer.convert_tokens_to_ids(shown(mask))) == 1


def test_m2m100_parses_the_end_of_a_sentence_that_is_marked(layouts: dict[FamilyName, Layout]) -> None:
    layout = layouts["m2m100"]
    for text in ("Ein Hund. {} Eine Katze.", "Ein Hund.{}", "{}"):
        marked = text.format(control("</s>"))
        assert plain_ids(layout, marked) == layout.tokenizer(shown(marked), add_special_tokens=False)["input_ids"]


def test_sentinels_that_are_pieces_of_the_vocabulary_are_text(layouts: dict[FamilyName, Layout]) -> None:
    """As in the published mT5, whose tokenizer does not count them among its special tokens."""
    tokenizer: Any = pickle.loads(pickle.dumps(layouts["mt5"].tokenizer))
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    number = tokenizer.convert_tokens_to_ids("<extra_id_0>")
    content["added_tokens"] = [token for token in content["added_tokens"] if token["id"] != number]
    content["model"]["vocab"][number:] = [("▁<extra_id_0>", 0.0)]
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(content))
    layout = Layout(layouts["mt5"].family, tokenizer)
    assert number not in plain_ids(layout, "Ein <extra_id_0> Hund")
    assert number in plain_ids(layout, f"Ein {layout.mask_token} Hund")
    assert number in plain_ids(layout, f"Ein{layout.mask_token} Hund")


@pytest.mark.parametrize("family", ALL)
def test_pieces_are_those_of_the_ids(layouts: dict[FamilyName, Layout], family: FamilyName) -> None:
    layout = layouts[family]
    texts = [*GERMAN[:3], "Ein </s> Hund", "", "<mask>"]
    assert layout.segmented(texts) == [layout.tokens(plain_ids(layout, text)) for text in texts]


@pytest.mark.parametrize("family", ["mbart", "m2m100"])
def test_a_model_says_what_it_was_taught_by_both_engines(family: FamilyName, tmp_path: Path) -> None:
    written = WRITTEN[:4]
    sources = [f"{sentence} {token} Hund" for sentence, token in zip(GERMAN, written, strict=False)]
    targets = [f"A {token} dog." for token in written]
    texts = {"de": [*GERMAN, " ".join(LETTERS)], "en": [*ENGLISH, " ".join(LETTERS)]}
    loaded = new_model(family, TINY, texts, seed=3)
    pairs = [Example(source, "de", target, "en") for source, target in zip(sources, targets, strict=True)]
    batch = loaded.layout.collate(loaded.layout.batch_encode(pairs, max_tokens=64))
    optimizer = torch.optim.Adam(loaded.model.parameters(), lr=1e-2)
    with loss_from_forward(loaded.model):
        for _ in range(120):
            optimizer.zero_grad()
            cast("Any", loaded.model)(**batch, label_smoothing=0.0).loss.backward()
            optimizer.step()
    search = GenerationSettings(beams=2, max_length=40)
    save_model(loaded, tmp_path / "model", "de", "en")
    for model in (loaded, load_converted(str(tmp_path / "model"), "float32")):
        assert translate(model, sources, "de", "en", search) == targets
