"""What each family does with tags: golden ids, and transformers' own tokenizers and models as the outside authority."""

import copy
import io
import pickle
from pathlib import Path

import pytest
import sentencepiece
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2
from transformers import (
    BartConfig,
    M2M100Config,
    MBartConfig,
    T5Config,
    T5GemmaConfig,
    T5Tokenizer,
    UMT5Config,
)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M100_CODES
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES as MBART_CODES
from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES as MBART50_CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

from switchtune.config.pretrain import FamilyName
from switchtune.corpus.control import control, shown
from switchtune.errors import SwitchtuneError
from switchtune.examples import Example
from switchtune.languages import LANGUAGES, UnknownLanguageError
from switchtune.models import new
from switchtune.models.families import FAMILIES, FAMILY_KEY
from switchtune.models.layout import Layout, TokenIds, family_of
from switchtune.models.load import Loaded
from switchtune.models.new import new_model
from tests.miniature import ALL, ENGLISH, GERMAN, TINY, WORDED, miniature

PIECES = ("▁translate", "▁German", "▁English", "▁to", ":", "▁a", "▁b", "▁c", "▁d", "▁", "a", "b", "c", "d")


def literal_vocabulary(family: FamilyName, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A layout whose sentencepiece vocabulary is PIECES: ids that one can count off with a finger."""
    if FAMILIES[family].bytewise:
        return miniature(family).layout
    proto = sentencepiece_model_pb2.ModelProto.FromString(
        new.train_sentencepiece(FAMILIES[family], 60, {"de": GERMAN, "en": GERMAN}, seed=1)
    )
    normal = next(place for place, piece in enumerate(proto.pieces) if piece.type == piece.NORMAL)
    del proto.pieces[normal:]  # what remains is special
    for number, piece in enumerate(PIECES):
        proto.pieces.add(piece=piece, score=-float(number))
    with monkeypatch.context() as patched:
        patched.setattr(new, "train_sentencepiece", lambda *_: proto.SerializeToString())
        return new_model(family, TINY, {"de": [], "en": []}, seed=1).layout


# Pieces start at 4 (mT5: 3): ▁translate 4, ▁German 5, ▁English 6, ▁to 7, ":" 8, ▁a 9, …, ▁d 12, ▁ 13, a 14, …, d 17.
# Then mBART's tags in their order (ar_AR 18, cs_CZ 19, de_DE 20, en_XX 21); NLLB's <mask> 18 and its two tags;
# M2M-100's <mask> 18 and its hundred tags (af 19; de is the 17th of them, en the 19th). umT5's special tokens are four;
# behind MADLAD-400's three stand <2de> 3, <2en> 4 and a sentinel, so that ▁a is 11 and ▁ 15. A byte of ByT5 has its
# number + 3.
TASK = Example("a b", "de", "c d", "en")
RESTORE = Example("c b", "en", "c d", "en")
GOLDEN: dict[tuple[FamilyName, Example], tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    ("mbart", TASK): ((9, 10, 2, 20), (11, 12, 2, 21), (21, 11, 12, 2)),
    ("mbart", RESTORE): ((11, 10, 2, 21), (11, 12, 2, 21), (21, 11, 12, 2)),
    ("mbart50", TASK): ((20, 9, 10, 2), (21, 11, 12, 2), (2, 21, 11, 12)),
    ("mbart50", RESTORE): ((21, 11, 10, 2), (21, 11, 12, 2), (2, 21, 11, 12)),
    ("nllb", TASK): ((19, 9, 10, 2), (20, 11, 12, 2), (2, 20, 11, 12)),
    ("nllb", RESTORE): ((20, 11, 10, 2), (20, 11, 12, 2), (2, 20, 11, 12)),
    ("m2m100", TASK): ((35, 9, 10, 2), (37, 11, 12, 2), (2, 37, 11, 12)),
    ("m2m100", RESTORE): ((37, 11, 10, 2), (37, 11, 12, 2), (2, 37, 11, 12)),
    ("mt5", TASK): ((3, 4, 6, 5, 7, 8, 9, 1), (10, 11, 1), (0, 10, 11)),
    ("mt5", RESTORE): ((3, 5, 6, 5, 7, 10, 9, 1), (10, 11, 1), (0, 10, 11)),
    ("t5", TASK): ((3, 4, 6, 5, 7, 8, 9, 1), (10, 11, 1), (0, 10, 11)),
    ("t5", RESTORE): ((3, 5, 6, 5, 7, 10, 9, 1), (10, 11, 1), (0, 10, 11)),
    ("umt5", TASK): ((4, 5, 7, 6, 8, 9, 10, 1), (11, 12, 1), (0, 11, 12)),
    ("umt5", RESTORE): ((4, 6, 7, 6, 8, 11, 10, 1), (11, 12, 1), (0, 11, 12)),
    ("byt5", TASK): (
        (*(byte + 3 for byte in b"translate German to English: a b"), 1),
        (102, 35, 103, 1),
        (0, 102, 35, 103),
    ),
    ("byt5", RESTORE): (
        (*(byte + 3 for byte in b"translate English to English: c b"), 1),
        (102, 35, 103, 1),
        (0, 102, 35, 103),
    ),
    ("madlad", TASK): ((15, 4, 11, 12, 2), (13, 14, 2), (0, 13, 14)),
    ("madlad", RESTORE): ((15, 4, 13, 12, 2), (13, 14, 2), (0, 13, 14)),
    ("small100", TASK): ((37, 9, 10, 2), (11, 12, 2), (2, 11, 12)),
    ("small100", RESTORE): ((37, 11, 10, 2), (11, 12, 2), (2, 11, 12)),
}


BACK = Example("c d", "en", "a b", "de")
MIXED: dict[FamilyName, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "mbart": ((11, 12, 2, 21), (9, 10, 2, 20), (20, 9, 10, 2)),
    "mbart50": ((21, 11, 12, 2), (20, 9, 10, 2), (2, 20, 9, 10)),
    "nllb": ((20, 11, 12, 2), (19, 9, 10, 2), (2, 19, 9, 10)),
    "m2m100": ((37, 11, 12, 2), (35, 9, 10, 2), (2, 35, 9, 10)),
    "mt5": ((3, 5, 6, 4, 7, 10, 11, 1), (8, 9, 1), (0, 8, 9)),
    "t5": ((3, 5, 6, 4, 7, 10, 11, 1), (8, 9, 1), (0, 8, 9)),
    "umt5": ((4, 6, 7, 5, 8, 11, 12, 1), (9, 10, 1), (0, 9, 10)),
    "byt5": (
        (*(byte + 3 for byte in b"translate English to German: c d"), 1),
        (100, 35, 101, 1),
        (0, 100, 35, 101),
    ),
    "madlad": ((15, 3, 13, 14, 2), (11, 12, 2), (0, 11, 12)),
    "small100": ((35, 11, 12, 2), (9, 10, 2), (2, 9, 10)),
}
"""What `BACK` is in a batch with `TASK` and `RESTORE`, which stay what they are in one of their own."""


@pytest.mark.parametrize("family", MIXED)
def test_golden_ids_of_a_batch_of_several_directions(family: FamilyName, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = literal_vocabulary(family, monkeypatch)
    batch = layout.collate(layout.batch_encode([TASK, BACK, RESTORE], max_tokens=64))
    expected = (GOLDEN[family, TASK], MIXED[family], GOLDEN[family, RESTORE])
    for number, (name, padding) in enumerate(
        (("input_ids", layout.pad_id), ("labels", -100), ("decoder_input_ids", layout.pad_id))
    ):
        sides = [example[number] for example in expected]
        longest = max(map(len, sides))
        assert batch[name].tolist() == [[*side, *[padding] * (longest - len(side))] for side in sides]
    sources = [example[0] for example in expected]
    assert batch["attention_mask"].sum(1).tolist() == list(map(len, sources))


@pytest.mark.parametrize(("family", "example"), GOLDEN, ids=lambda value: getattr(value, "source", value))
def test_golden_ids(family: FamilyName, example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = literal_vocabulary(family, monkeypatch)
    ids = layout.encode(example, max_tokens=64)
    assert ids == TokenIds(*GOLDEN[family, example], truncated=False)


def plain_tokens(loaded: Loaded, example: Example) -> tuple[list[int], list[int]]:
    """Encoder input and labels as transformers' own tokenizer makes them, set to the example's languages."""
    tokenizer = pickle.loads(pickle.dumps(loaded.tokenizer))
    if loaded.layout.family.tag is not None:
        tokenizer.src_lang = loaded.layout.read_language(example.source_language, example.target_language)
        tokenizer.tgt_lang = loaded.layout.code(example.target_language)
    prompt = loaded.layout.prompt(example.source, example.source_language, example.target_language)
    encoded = tokenizer(shown(prompt), text_target=example.target)
    # SMaLL-100's published tokenizer has no tag before a target sentence; that of M2M-100 always has one.
    return encoded["input_ids"], encoded["labels"][loaded.layout.family.name == "small100" :]


PAIRS = [Example(source, "de", target, "en") for source, target in zip(GERMAN, ENGLISH, strict=True)]
RESTORED = [Example(f"{control('<mask>')} {sentence}", "de", sentence, "de") for sentence in GERMAN]


@pytest.mark.parametrize("family", ALL)
def test_ids_equal_those_of_transformers_own_tokenizer(family: FamilyName) -> None:
    loaded = miniature(family)
    for example in (*PAIRS[:6], *RESTORED[:6]):
        ids = loaded.layout.encode(example, max_tokens=200)
        assert (list(ids.input_ids), list(ids.labels)) == plain_tokens(loaded, example)


@pytest.mark.parametrize("family", ALL)
def test_decoder_input_is_what_the_model_itself_makes_of_the_labels(family: FamilyName) -> None:
    loaded = miniature(family)
    batch = loaded.layout.collate(loaded.layout.batch_encode([*PAIRS, *RESTORED], max_tokens=64))
    encoder_input = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        ours = loaded.model(**encoder_input, decoder_input_ids=batch["decoder_input_ids"]).logits
        theirs = loaded.model(**encoder_input, labels=batch["labels"]).logits
    spoken = batch["labels"] != -100
    assert torch.equal(ours[spoken], theirs[spoken])


PROPERTY = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])

words = st.sampled_from(" ".join((*GERMAN, *ENGLISH)).split())
sentences = st.lists(words, max_size=12).map(" ".join)
languages = st.sampled_from(("de", "en"))


@pytest.mark.parametrize("family", ALL)
@settings(PROPERTY)
@given(examples=st.lists(st.builds(Example, sentences, languages, sentences, languages), max_size=5))
def test_a_batch_is_its_examples_one_by_one(family: FamilyName, examples: list[Example]) -> None:
    layout = miniature(family).layout
    assert layout.batch_encode(examples, max_tokens=32) == [layout.encode(one, max_tokens=32) for one in examples]


@pytest.mark.parametrize("family", ALL)
@settings(PROPERTY)
@given(example=st.builds(Example, sentences, languages, sentences, languages), max_tokens=st.integers(40, 60))
def test_truncation_cuts_sentences_and_keeps_special_tokens(
    family: FamilyName, example: Example, max_tokens: int
) -> None:
    layout = miniature(family).layout
    frame = layout.encode(Example("", example.source_language, "", example.target_language), max_tokens=60)
    whole, cut = layout.encode(example, max_tokens=10_000), layout.encode(example, max_tokens=max_tokens)
    assert not whole.truncated
    assert cut.truncated == (max(len(whole.input_ids), len(whole.labels)) > max_tokens)
    for long, short, bare in (
        (whole.input_ids, cut.input_ids, frame.input_ids),
        (whole.labels, cut.labels, frame.labels),
    ):
        assert len(short) == min(len(long), max_tokens)
        before = next(size for size in range(len(bare) + 1) if size == len(bare) or bare[size] == layout.eos_id)
        after = len(bare) - before
        assert short[:before] == bare[:before]
        assert short[len(short) - after :] == bare[before:]
        assert short[: len(short) - after] == long[: len(short) - after]
    assert len(cut.decoder_input_ids) == len(cut.labels)
    assert cut.decoder_input_ids[1:] == cut.labels[:-1]


def test_no_room_for_a_sentence_is_an_error() -> None:
    with pytest.raises(SwitchtuneError, match=r"max_tokens is 2.* take 2\. Raise"):
        miniature().layout.encode(PAIRS[0], max_tokens=2)


@pytest.mark.parametrize("family", ALL)
def test_the_source_alone_is_encoded_like_the_source_of_an_example(family: FamilyName) -> None:
    layout = miniature(family).layout
    cut = len(layout.encode_source("", "de", "en")) + 4
    expected = [ids.input_ids for ids in layout.batch_encode(PAIRS, max_tokens=cut)]
    sources = [example.source for example in PAIRS]
    assert layout.batch_encode_source(sources, "de", "en", max_tokens=cut) == expected
    assert layout.encode_source(sources[0], "de", "en") == layout.encode(PAIRS[0], max_tokens=99).input_ids


@pytest.mark.parametrize("family", [family for family in ALL if family not in WORDED])
def test_the_tokenizer_set_to_another_language_changes_nothing(family: FamilyName) -> None:
    tokenizer = pickle.loads(pickle.dumps(miniature(family).tokenizer))
    layout = Layout(FAMILIES[family], tokenizer)
    before = layout.batch_encode(PAIRS, max_tokens=64)
    tokenizer.src_lang = tokenizer.tgt_lang = layout.code("de")
    tokenizer("x", text_target="y")
    assert Layout(FAMILIES[family], tokenizer).batch_encode(PAIRS, max_tokens=64) == before


def test_collate_pads_to_the_longest_and_hides_padding_from_the_loss() -> None:
    layout = miniature().layout
    pad = layout.pad_id
    # The second example holds the padding token itself, as a text with "<pad>" in it does: it is attended to.
    batch = layout.collate(
        [TokenIds((7, 8, 9), (4, 2, 5), (5, 4, 2), False), TokenIds((pad, 7), (4, 2, 5, 6), (5, 4, 2, 5), False)]
    )
    assert {name: tensor.tolist() for name, tensor in batch.items()} == {
        "input_ids": [[7, 8, 9], [pad, 7, pad]],
        "attention_mask": [[1, 1, 1], [1, 1, 0]],
        "decoder_input_ids": [[5, 4, 2, pad], [5, 4, 2, 5]],
        "labels": [[4, 2, 5, -100], [4, 2, 5, 6]],
    }
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


@pytest.mark.parametrize("family", ALL)
def test_decoding_leaves_out_tags_special_tokens_and_ignored_labels(family: FamilyName) -> None:
    layout = miniature(family).layout
    for example, ids in zip(PAIRS, layout.batch_encode(PAIRS, max_tokens=64), strict=True):
        assert layout.decode((*ids.labels, -100, layout.pad_id)) == example.target
    assert layout.batch_decode([[], [layout.eos_id]]) == ["", ""]


@pytest.mark.parametrize(
    ("family", "codes"),
    [("mbart", MBART_CODES), ("mbart50", MBART50_CODES), ("nllb", NLLB_CODES), ("m2m100", M2M100_CODES["m2m100"])],
)
def test_every_language_of_a_family_has_one_short_code(family: FamilyName, codes: list[str]) -> None:
    loaded = miniature(family)
    tokenizer = loaded.tokenizer
    if family == "nllb":
        tokenizer = pickle.loads(pickle.dumps(tokenizer))
        tokenizer.add_tokens(codes, special_tokens=True)
    layout = Layout(FAMILIES[family], tokenizer)
    assert len(layout.languages) == len(codes)
    assert sorted(layout.code(short) for short in layout.languages) == sorted(codes)
    for code in codes:
        assert layout.code(code) == code
        settings_of_code = layout.generation_settings(code)
        tag = settings_of_code["decoder_start_token_id" if family == "mbart" else "forced_bos_token_id"]
        assert tag is not None
        assert layout.tokens([tag]) == [f"__{code}__" if family == "m2m100" else code]


@pytest.mark.parametrize(
    ("family", "language", "code"),
    [
        ("mbart", "de", "de_DE"),
        ("mbart", "German", "de_DE"),
        ("mbart", "deu_Latn", "de_DE"),
        ("mbart", "zh", "zh_CN"),
        ("mbart50", "pt", "pt_XX"),
        ("mbart50", "fa", "fa_IR"),
        ("nllb", "de_DE", "deu_Latn"),
        ("m2m100", "nso", "ns"),
        ("m2m100", "zho_Hans", "zh"),
        ("mt5", "de_DE", "German"),
        ("mt5", "vi", "Vietnamese"),
        ("madlad", "German", "de"),
        ("madlad", "eng_Latn", "en"),
    ],
)
def test_codes(family: FamilyName, language: str, code: str) -> None:
    assert miniature(family).layout.code(language) == code


@pytest.mark.parametrize(
    ("family", "language", "message"),
    [
        (
            "mbart",
            "uk",
            r"mbart model has no tag for 'uk' \(Ukrainian\)\. Choose one of its 25 languages \(known: 'ar'",
        ),
        (
            "nllb",
            "fra_Latn",
            r"nllb model has no tag for 'fra_Latn' \(French\)\. .* its 2 languages \(did you mean 'eng_Latn'",
        ),
        ("m2m100", "haw", r"no tag for 'haw' \(Hawaiian\)\. .*did you mean 'ha'"),
        ("mbart50", "Klingon", r"no tag for 'Klingon' \(Klingon\)\. .*add: \[\{code: hsb, like: cs\}\]"),
        ("mbart50", "Klingonese", r"unknown language 'Klingonese'"),
    ],
)
def test_a_language_that_the_model_does_not_have(family: FamilyName, language: str, message: str) -> None:
    layout = miniature(family).layout
    for attempt in (
        lambda: layout.code(language),
        lambda: layout.encode(Example("a", "de", "b", language), max_tokens=16),
        lambda: layout.encode_source("a", language, "de"),
        lambda: layout.generation_settings(language),
    ):
        with pytest.raises(UnknownLanguageError, match=message):
            attempt()


def test_of_two_tags_of_one_language_the_plainer_one_is_taken() -> None:
    tokenizer = pickle.loads(pickle.dumps(miniature("madlad").tokenizer))
    tokenizer.add_tokens(["<2fuv>", "<2ff>", "<2zh_Hant>", "<2az_RU>", "<2Cyrl>", "<2translate>"])
    layout = Layout(FAMILIES["madlad"], tokenizer)
    assert (layout.code("Fulah"), layout.code("fuv"), layout.code("zh-Hant")) == ("ff", "fuv", "zh_Hant")
    assert layout.languages == ("de", "en", "ff", "zh_Hant")


def test_a_tag_that_someone_added_is_reached_by_itself() -> None:
    tokenizer = pickle.loads(pickle.dumps(miniature("nllb").tokenizer))
    tokenizer.add_tokens(["myv_Cyrl"], special_tokens=True)
    layout = Layout(FAMILIES["nllb"], tokenizer)
    assert layout.tokens(layout.encode_source("a", "myv_Cyrl", "de"))[0] == "myv_Cyrl"
    assert layout.tokens(layout.encode_source("a", "Erzya", "de"))[0] == "myv_Cyrl"
    assert layout.languages == ("de", "en", "myv")


@pytest.mark.parametrize(
    ("family", "start", "forced"),
    [
        ("mbart", "en_XX", None),
        ("mbart50", "</s>", "en_XX"),
        ("nllb", "</s>", "eng_Latn"),
        ("m2m100", "</s>", "__en__"),
        ("mt5", "<pad>", None),
        ("byt5", "<pad>", None),
        ("madlad", "<unk>", None),
        ("small100", "</s>", None),
    ],
)
def test_generation_settings(family: FamilyName, start: str, forced: str | None) -> None:
    loaded = miniature(family)
    found = loaded.layout.generation_settings("en")
    names = {name: None if number is None else loaded.layout.tokens([number])[0] for name, number in found.items()}
    assert names == {"decoder_start_token_id": start, "forced_bos_token_id": forced}


@pytest.mark.parametrize("family", ALL)
def test_a_mask_in_a_sentence_is_one_token(family: FamilyName) -> None:
    layout = miniature(family).layout
    tokens = layout.tokens(layout.encode_source(f"Ein {layout.mask_token} läuft.", "de", "de"))
    assert tokens.count(shown(layout.mask_token)) == 1


@pytest.mark.parametrize("text", ["Ein {} läuft.", "{} läuft.", "Ein „{}“ läuft.", "Ein Hund{}"])
def test_a_mask_of_mt5_as_published_is_one_token_wherever_it_stands(text: str, tmp_path: Path) -> None:
    """Its vocabulary knows the sentinels as pieces that begin a word; its tokenizer adds none of its own."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(GERMAN + ENGLISH),
        model_writer=model,
        vocab_size=200,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        user_defined_symbols=["▁<extra_id_0>"],
        minloglevel=2,
        num_threads=1,
    )
    (tmp_path / "spiece.model").write_bytes(model.getvalue())
    layout = Layout(FAMILIES["mt5"], T5Tokenizer.from_pretrained(tmp_path, extra_ids=0))
    tokens = layout.tokens(layout.encode_source(text.format(layout.mask_token), "de", "de"))
    assert tokens.count("▁<extra_id_0>") == 1


def test_m2m100_as_published_has_no_mask() -> None:
    tokenizer = pickle.loads(pickle.dumps(miniature("m2m100").tokenizer))
    tokenizer.mask_token = None
    with pytest.raises(SwitchtuneError, match="m2m100 model has no mask token"):
        _ = Layout(FAMILIES["m2m100"], tokenizer).mask_token


def test_mt5_is_told_what_to_do_in_words() -> None:
    assert miniature("mt5").layout.prompt("Ein Hund.", "de", "en") == "translate German to English: Ein Hund."
    assert miniature("mt5").layout.prompt("Ein Hund.", "de", "de") == "translate German to German: Ein Hund."
    assert miniature("mbart").layout.prompt("Ein Hund.", "de", "en") == "Ein Hund."
    assert len(miniature("mt5").layout.languages) == len(LANGUAGES)


@pytest.mark.parametrize("family", ALL)
def test_the_family_is_found_from_config_and_vocabulary(family: FamilyName) -> None:
    loaded = miniature(family)
    config = copy.deepcopy(loaded.model.config)
    assert family_of(config, loaded.tokenizer) is FAMILIES[family]
    delattr(config, FAMILY_KEY)
    config.name_or_path = f"models/{family}-tuned" if family == "small100" else "models/tuned"
    assert family_of(config, loaded.tokenizer) is FAMILIES[family]


def test_a_model_with_the_layers_of_small100_needs_a_name() -> None:
    config = M2M100Config(encoder_layers=12, decoder_layers=3, name_or_path="owner/model")
    tokenizer = miniature("m2m100").tokenizer
    with pytest.raises(
        SwitchtuneError, match=r'owner/model: .*SMaLL-100.*"switchtune_family": "small100" \(or "m2m100"\)'
    ):
        family_of(config, tokenizer)
    config.switchtune_family = "m2m100"
    assert family_of(config, tokenizer) is FAMILIES["m2m100"]
    assert family_of(M2M100Config(name_or_path="alirezamsh/small100"), tokenizer) is FAMILIES["small100"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BartConfig(), "a model of type 'bart'"),
        (T5Config(), "a T5 of the first version, whose output matrix is its embeddings"),
        (T5GemmaConfig(), "a model of type 't5gemma'"),
        (UMT5Config(tie_word_embeddings=False, switchtune_family="mt5"), "switchtune_family in it is 'mt5'"),
        (M2M100Config(), "'m2m_100' whose vocabulary has no language tags"),
        (MBartConfig(), "'mbart' whose vocabulary has no language tags"),
    ],
)
def test_other_models_are_refused(config: BartConfig, message: str) -> None:
    rows = "mBART-25, mBART-50, NLLB-200, M2M-100, SMaLL-100, mT5, mT0, umT5, ByT5, MADLAD-400, Aya-101 and Flan-T5"
    with pytest.raises(SwitchtuneError, match=f"{message}.*{rows}: give one of these"):
        family_of(config, miniature("mt5").tokenizer)


@pytest.mark.parametrize("family", ALL)
def test_a_layout_travels_to_another_process(family: FamilyName) -> None:
    layout = miniature(family).layout
    copied: Layout = pickle.loads(pickle.dumps(layout))
    assert copied.batch_encode(PAIRS, max_tokens=64) == layout.batch_encode(PAIRS, max_tokens=64)
