"""Ids put together from chunks are those of the tokenizer itself, whatever the text and whatever the tokenizer."""

import lzma
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase

from switchtune.config.pretrain import FamilyName, SizeSettings
from switchtune.models import chunks
from switchtune.models.chunks import PlainIds, cuts_at_spaces
from switchtune.models.families import FAMILIES
from switchtune.models.new import new_tokenizer
from switchtune.models.text import PlainText
from tests.miniature import ALL, ENGLISH, GERMAN, TINY, TOKENIZERS, miniature


def own_ids(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> list[list[int]]:
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def copied(family: FamilyName) -> Any:
    """A tokenizer that a test may change."""
    return pickle.loads(pickle.dumps(miniature(family).tokenizer))


ODD = (
    *("▁", "▁a", "a▁", "a▁b", "▁▁"),
    *("\u00a0", "a\u00a0b", "\u00a0a", "a\u00a0", "\u200b", "a\u200b", "\u200ba", "\u3000", "\ufeff", "\u00ad"),
    *("\u0301", "e\u0301", "\u0301e", "¨", "¨a", "a¨", "´x", "ﷺ", "ﹶ", "\u0600", "ൎ", "\u200d", "a\u200d", "\u200da"),
    *("🎉", "👩‍👩‍👧", "❤\ufe0f", "\ufe0f", "🇩🇪", "☃", "☃☃", "\U000e0100", "\ue000"),
    *("שלום", "‏שלום‏", "مرحبا", "हिन्दी", "ไทย", "我喜欢猫。", "カタカナ", "ｶﾞ", "한국어", "한", "ﬁ", "½", "Ⅳ", "Ａ", "ß"),
    *("\t", "a\tb", "\ta", "a\t", "\n", "a\nb", "\r\n", "\x00", "a\x00", "\x7f", "\u0085", "\u2028"),
    *("Donaudampfschifffahrtsgesellschaftskapitän", "x" * 24, "x" * 25),
)
FRAGMENTS = st.sampled_from((*ODD, *" ".join((*GERMAN, *ENGLISH)).split(), "", " "))
PARTS = st.lists(st.one_of(FRAGMENTS, st.text(max_size=6)), max_size=10)
TEXTS = st.lists(st.one_of(PARTS.map(" ".join), PARTS.map("".join)), max_size=5)


@pytest.mark.parametrize("family", TOKENIZERS)
@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts=TEXTS)
def test_ids_of_odd_text(family: FamilyName, texts: list[str]) -> None:
    tokenizer = miniature(family).tokenizer
    assume(not any(map(PlainText(tokenizer).is_ambiguous, texts)))
    assert PlainIds(tokenizer)(texts) == own_ids(tokenizer, texts)


@pytest.mark.parametrize("family", [family for family in TOKENIZERS if family != "byt5"])
def test_any_two_odd_things_side_by_side(family: FamilyName) -> None:
    require_own_ids_side_by_side(miniature(family).tokenizer)


def require_own_ids_side_by_side(tokenizer: PreTrainedTokenizerBase) -> None:
    encode = PlainIds(tokenizer)
    assert cuts_at_spaces(tokenizer)
    for second in ODD:
        texts = [f"{first} {second} ein Hund" for first in ODD]
        assert encode(texts) == tokenizer(texts, add_special_tokens=False)["input_ids"]


DOUBLE_SPACES = normalizers.Replace(Regex(" {2,}"), "▁")
CONVERTED = normalizers.Sequence([normalizers.Strip(left=False), DOUBLE_SPACES])


@pytest.mark.parametrize("normalizer", [None, DOUBLE_SPACES, normalizers.Strip(), CONVERTED])
def test_odd_things_with_other_normalizers(normalizer: normalizers.Normalizer | None) -> None:
    tokenizer = copied("mbart50")
    tokenizer.backend_tokenizer.normalizer = normalizer
    require_own_ids_side_by_side(tokenizer)


@pytest.mark.parametrize("family", ["nllb", "m2m100"])
def test_marks_that_go_with_the_space_before_them(family: FamilyName, tmp_path: Path) -> None:
    """No table of sentencepiece's own has such a rule, but one's own may."""
    (tmp_path / "rules.tsv").write_text("0020 0301\t0078\n", encoding="utf-8")
    rules = {**FAMILIES[family].sentencepiece, "normalization_rule_tsv": str(tmp_path / "rules.tsv")}
    texts = {"de": GERMAN, "en": ENGLISH}
    tokenizer = new_tokenizer(replace(FAMILIES[family], sentencepiece=rules), TINY, texts, 1)
    marked = ["Ein \u0301Hund"]
    assert own_ids(tokenizer, marked) != [own_ids(tokenizer, ["Ein"])[0] + own_ids(tokenizer, ["\u0301Hund"])[0]]
    assert PlainIds(tokenizer)(marked) == own_ids(tokenizer, marked)


DATA = Path(os.environ.get("SWITCHTUNE_DATA", "../shared/data")) / "translation"


@cache
def lines(name: str) -> list[str]:
    with lzma.open(DATA / name, "rt", encoding="utf-8") as stream:
        return [line.rstrip("\n") for line in islice(stream, 200)]


@pytest.mark.skipif(not DATA.exists(), reason="the corpora are not here")
@pytest.mark.parametrize("family", TOKENIZERS)
def test_ids_of_real_text(family: FamilyName) -> None:
    names = [str(path.relative_to(DATA)) for path in sorted(DATA.glob("*/valid.*.xz"))]
    texts = {Path(name).stem.split(".")[1]: lines(name)[:100] for name in names}
    tokenizer = new_tokenizer(FAMILIES[family], SizeSettings(**{**TINY.model_dump(), "pieces": 2000}), texts, 1)
    every = [line for name in names for line in lines(name)]
    assert PlainIds(tokenizer)(every) == tokenizer(every, add_special_tokens=False)["input_ids"]


def with_pre_tokenizer(tokenizer: Any) -> None:
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")


def with_lower_case(tokenizer: Any) -> None:
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()


def with_another_replacement(tokenizer: Any) -> None:
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace(Regex("d d"), "x")


def with_dropout(tokenizer: Any) -> None:
    tokenizer.backend_tokenizer.model.dropout = 1.0


def with_a_token_of_two_words(tokenizer: Any) -> None:
    tokenizer.add_tokens(["Ein Hund"])


def with_sampling(tokenizer: Any) -> None:
    tokenizer.sp_model_kwargs = {"enable_sampling": True}


@pytest.mark.parametrize(
    ("family", "change"),
    [
        *((family, with_pre_tokenizer) for family in ALL if family not in ("m2m100", "small100", "byt5")),
        *((family, with_a_token_of_two_words) for family in ALL),
        ("mbart50", with_lower_case),
        ("mbart50", with_another_replacement),
        ("nllb", with_dropout),
        ("m2m100", with_sampling),
    ],
)
def test_other_tokenizers_are_given_whole_texts(family: FamilyName, change: Callable[[Any], None]) -> None:
    tokenizer = copied(family)
    change(tokenizer)
    assert not cuts_at_spaces(tokenizer)
    texts = ["Ein Hund und ein Hund", "Ein Kind", ""]
    assert PlainIds(tokenizer)(texts) == own_ids(tokenizer, texts)


def test_sentencepiece_is_cut_only_where_no_piece_spans_two_chunks() -> None:
    tokenizer = copied("m2m100")
    model = sentencepiece_model_pb2.ModelProto.FromString(tokenizer.sp_model.serialized_model_proto())
    model.pieces.add(piece="▁Ein▁Hund", score=0.0)
    tokenizer.sp_model = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
    assert not cuts_at_spaces(tokenizer)


def test_added_tokens_are_found_as_they_are_looked_for() -> None:
    """One in normalised text, the other in text as it stands."""
    tokenizer = copied("nllb")
    tokenizer.add_tokens([AddedToken("haus", normalized=True), AddedToken("ＸＸ", normalized=False)])
    texts = ["ein ｈａｕｓ im Wald", "ein haus im Wald", "ein ＸＸ im Wald", "ein XX im Wald"]
    expected = own_ids(tokenizer, texts)
    assert [len(set(ids) & {len(tokenizer) - 1, len(tokenizer) - 2}) for ids in expected] == [1, 1, 1, 0]
    assert PlainIds(tokenizer)(texts) == expected


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNKS_REMEMBERED", 10)
    tokenizer = miniature().tokenizer
    encode = PlainIds(tokenizer)
    for _ in range(3):
        for text in (*GERMAN, *ENGLISH, "\u0301x  y"):
            assert encode([text, text]) == own_ids(tokenizer, [text, text])
            assert len(encode) <= 10 + len(text.split(" "))
