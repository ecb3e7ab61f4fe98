"""Trimmed vocabularies: the same model on the text it was trimmed for, and the whole one again when it is asked for."""

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.config.pretrain import FamilyName
from switchtune.corpus.lines import text_lines
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.examples import Example
from switchtune.languages import UnknownLanguageError
from switchtune.models import trim as trimming
from switchtune.models.layout import token_ids
from switchtune.models.load import Loaded, load_layout, load_model, model_fingerprint, save_model, verify_saved
from switchtune.models.new import new_model
from switchtune.models.rows import TrimFailedError, replace_rows
from switchtune.models.tags import add_languages
from switchtune.models.trim import may_pay, pays, read_record, survey, trim, untrim
from switchtune.models.vocabulary import PieceVocabulary, read_vocabulary, rewrite_tokenizer
from tests.miniature import ALL, ENGLISH, GERMAN, MATRICES, T5S, TINY, VOCABULARIES, WORDED, miniature

PIECED: tuple[FamilyName, ...] = tuple(family for family in ALL if family != "byt5")
TAGGED: tuple[FamilyName, ...] = tuple(family for family in ALL if family not in WORDED)
RUSSIAN = (
    "Собака бежит по лугу.",
    "Двое мужчин сидят на скамейке.",
    "Ребёнок играет с мячом в саду.",
    "Женщина читает книгу у окна.",
)
FRENCH = (
    "Un chien court à travers le pré.",
    "Deux hommes sont assis sur un banc.",
    "L'enfant joue avec le ballon dans le jardin.",
    "Une femme lit un livre près de la fenêtre 😀 ?",
)
TEXTS = {"text.de": GERMAN[:8], "text.en": ENGLISH[:8]}


def as_published(family: FamilyName, folder: Path) -> None:
    """A model of four languages that looks like those on the Hub: rows beyond its vocabulary, a bias, tags in BPE."""
    texts = {"de": GERMAN, "en": ENGLISH, "ru": RUSSIAN, "fr": FRENCH}
    loaded = new_model(family, TINY.model_copy(update={"pieces": 300}), texts, seed=4)
    generator = torch.Generator().manual_seed(4)
    if not family.startswith("mbart"):
        replace_rows(
            loaded.model, lambda _, rows: torch.cat([rows, torch.randn(3, rows.shape[1], generator=generator)])
        )
    if family in ("mbart", "mbart50"):
        bias: Any = loaded.model.final_logits_bias
        bias.copy_(torch.randn(bias.shape, generator=generator))
    save_model(loaded, folder, "de", "en")
    if family == "nllb":
        content = json.loads((folder / "tokenizer.json").read_text())
        content["model"]["vocab"] |= {token["content"]: token["id"] for token in content["added_tokens"]}
        (folder / "tokenizer.json").write_text(json.dumps(content))


@pytest.fixture(params=PIECED)
def family(request: pytest.FixtureRequest) -> FamilyName:
    name: FamilyName = request.param
    return name


Maker: TypeAlias = Callable[[FamilyName], Path]
"""Makes the folder of a family, once: fixtures of a module lose track of the family where tests are shared out."""


@pytest.fixture(scope="session")
def make_whole(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    @cache
    def make(family: FamilyName) -> Path:
        folder = tmp_path_factory.mktemp("whole") / family
        as_published(family, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def make_trimmed(make_whole: Maker, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    @cache
    def make(family: FamilyName) -> Path:
        whole, folder = str(make_whole(family)), tmp_path_factory.mktemp("trimmed") / family
        trim(whole, survey(whole, TEXTS, ["de", "en"]), TEXTS, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def make_more(make_whole: Maker, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    @cache
    def make(family: FamilyName) -> Path:
        folder = tmp_path_factory.mktemp("more") / family
        add_languages(str(make_whole(family)), [(NEW_CODES[family][0], "de")], folder)
        return folder

    return make


@pytest.fixture
def whole(family: FamilyName, make_whole: Maker) -> Path:
    return make_whole(family)


@pytest.fixture
def trimmed(family: FamilyName, make_trimmed: Maker) -> Path:
    return make_trimmed(family)


@pytest.fixture
def more(family: FamilyName, make_more: Maker) -> Path:
    """A model with the tag of a new language."""
    return make_more(family)


def tied(model: Any) -> bool:
    return model.get_input_embeddings().weight is model.get_output_embeddings().weight


@cache
def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(str(folder)).model.state_dict())


def has_rows(name: str) -> bool:
    return name.endswith(("shared.weight", "embed_tokens.weight", "lm_head.weight", "final_logits_bias"))


def by_rows(name: str, tensor: torch.Tensor) -> torch.Tensor:
    return tensor.T if name == "final_logits_bias" else tensor


def test_plain_transformers_does_the_same_with_fewer_pieces(whole: Path, trimmed: Path) -> None:
    before, after = (AutoTokenizer.from_pretrained(folder) for folder in (whole, trimmed))
    kept = read_record(trimmed).kept
    lines = [*TEXTS["text.de"], *TEXTS["text.en"]]
    for line in lines:
        assert after.tokenize(line) == before.tokenize(line)
        assert after.convert_ids_to_tokens(after(line)["input_ids"]) == before.convert_ids_to_tokens(
            before(line)["input_ids"]
        )
    models = [AutoModelForSeq2SeqLM.from_pretrained(folder) for folder in (whole, trimmed)]
    assert [model.config.vocab_size for model in models] == [read_record(trimmed).rows_before, len(kept)]
    assert len(kept) < 0.9 * models[0].config.vocab_size
    batches = [tokenizer(lines, return_tensors="pt", padding=True) for tokenizer in (before, after)]
    with torch.no_grad():
        logits = [
            model(**batch, decoder_input_ids=batch["input_ids"]).logits
            for model, batch in zip(models, batches, strict=True)
        ]
    assert logits[0].std() > 0.01
    torch.testing.assert_close(logits[1], logits[0][..., list(kept)], atol=1e-5, rtol=1e-5)


def test_settings_name_the_same_tokens(whole: Path, trimmed: Path) -> None:
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (whole, trimmed)]
    for file in ("config.json", "generation_config.json"):
        before, after = (json.loads((folder / file).read_text()) for folder in (whole, trimmed))
        assert before.keys() == after.keys()
        named = {name for name, value in before.items() if name.endswith("_token_id") and value is not None}
        assert {"pad_token_id", "eos_token_id", "decoder_start_token_id"} <= named
        for name in named:
            tokens = [t.convert_ids_to_tokens(c[name]) for t, c in zip(tokenizers, (before, after), strict=True)]
            assert tokens[0] == tokens[1]
        changed = {name for name in before if before[name] != after[name]}
        assert changed <= named | {"vocab_size"}


def test_what_was_one_matrix_stays_one(family: FamilyName, trimmed: Path) -> None:
    model: Any = load_model(str(trimmed)).model
    assert tied(model) == (family not in T5S)
    inner = model if family in T5S else model.model
    assert inner.encoder.embed_tokens.weight is inner.decoder.embed_tokens.weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("family", VOCABULARIES, scope="module")
def test_untrimmed_it_is_the_model_that_it_was(whole: Path, trimmed: Path, tmp_path: Path) -> None:
    untrim(trimmed, str(whole), tmp_path / "again")
    before, after = weights(whole), weights(tmp_path / "again")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    for file in ("config.json", "generation_config.json"):
        assert json.loads((whole / file).read_text()) == json.loads((tmp_path / "again" / file).read_text())
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (whole, tmp_path / "again")]
    for line in (*GERMAN, *RUSSIAN):
        assert tokenizers[0](line)["input_ids"] == tokenizers[1](line)["input_ids"]
    assert not (tmp_path / "again/trim.json").exists()


@pytest.mark.parametrize("family", MATRICES, scope="module")
def test_what_was_trained_is_carried_over(family: FamilyName, whole: Path, trimmed: Path, tmp_path: Path) -> None:
    tuned = load_model(str(trimmed))
    with torch.no_grad():
        for parameter in tuned.model.parameters():
            parameter.add_(0.25)
    save_model(tuned, tmp_path / "tuned", "en", "de")
    untrim(tmp_path / "tuned", str(whole), tmp_path / "again")
    kept = list(read_record(trimmed).kept)
    base, trained, again = weights(whole), weights(tmp_path / "tuned"), weights(tmp_path / "again")
    for name, tensor in again.items():
        if has_rows(name):
            rows, base_rows = by_rows(name, tensor), by_rows(name, base[name])
            gone = [row for row in range(len(rows)) if row not in set(kept)]
            assert torch.equal(rows[kept], by_rows(name, trained[name]))
            assert torch.equal(rows[gone], base_rows[gone])
            assert name == "final_logits_bias" or not torch.equal(rows[kept], base_rows[kept])
        else:
            assert torch.equal(tensor, trained[name])
    # It goes on speaking the direction that it was saved for.
    loaded = Loaded(load_model(str(tmp_path / "again")).model, *_tokenizer_and_layout(whole))
    verify_saved(tmp_path / "again", ENGLISH[:2], loaded, "en", "de", max_length=8)


def _tokenizer_and_layout(folder: Path) -> tuple[Any, Any]:
    layout = load_layout(str(folder))
    return layout.tokenizer, layout


@pytest.mark.parametrize("family", VOCABULARIES, scope="module")
def test_new_text_of_the_languages_has_no_unknown_pieces(trimmed: Path, whole: Path) -> None:
    layouts = [load_layout(str(folder)) for folder in (whole, trimmed)]
    for line in (*GERMAN[8:], *ENGLISH[8:], "Xylophone, Quäker: ÄÖÜ & ßß 0123456789!"):
        unknown = []
        for layout in layouts:
            tokens = layout.tokens(layout.encode_source(line, "de", "en"))
            unknown.append(tokens.count("<unk>"))
            assert layout.decode(layout.encode_source(line, "de", "en")).endswith(
                layouts[0].decode(layouts[0].encode_source(line, "de", "en"))
            )
        assert unknown[1] == unknown[0]


@pytest.mark.parametrize("family", VOCABULARIES, scope="module")
def test_characters_stay_by_script(trimmed: Path, whole: Path) -> None:
    before, after = (token_ids(load_layout(str(folder)).tokenizer) for folder in (whole, trimmed))
    for character in "à é 😀 ? q".split():
        assert (character in before) == (character in after)
    assert {"à", "С"} <= before.keys()
    assert not [token for token in after if any("а" <= character <= "я" for character in token)]


def test_tags_stay_where_the_tokenizer_cannot_do_without(family: FamilyName, trimmed: Path) -> None:
    layout = load_layout(str(trimmed))
    if family in ("nllb", "madlad"):
        assert layout.languages == ("de", "en")
        with pytest.raises(UnknownLanguageError, match="no tag for 'fr'"):
            layout.code("fr")
    else:
        assert "fr" in layout.languages
    layout.mask_token  # noqa: B018


def test_the_record_says_what_was_done(whole: Path, trimmed: Path) -> None:
    record = read_record(trimmed)
    assert (record.base, record.fingerprint) == (str(whole), model_fingerprint(str(whole)))
    assert {text.name: text.lines for text in record.texts if text.name != "instructions"} == {
        "text.de": 8,
        "text.en": 8,
    }
    assert record.unknown == 0
    assert record.kept == tuple(sorted(set(record.kept)))
    before, after = record.parameters
    assert before - after == (record.rows_before - len(record.kept)) * TINY.width * (2 if whole.name in T5S else 1)
    assert f"{record.rows_before:,} → {len(record.kept):,}" in record.describe()
    # How the vocabulary came about is no part of what the model is.
    copied = model_fingerprint(str(trimmed))
    content = json.loads((trimmed / "trim.json").read_text())
    (trimmed / "trim.json").write_text(json.dumps({**content, "base": "elsewhere"}))
    assert model_fingerprint(str(trimmed)) == copied
    (trimmed / "trim.json").write_text(json.dumps(content))


TOKENIZERS: dict[FamilyName, tuple[Any, Any]] = {}
words = st.sampled_from(sorted({word for lines in TEXTS.values() for line in lines for word in line.split()}))


@pytest.mark.parametrize("family", VOCABULARIES, scope="module")
@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentence=st.lists(words, max_size=10).map(" ".join))
def test_words_of_the_text_are_segmented_alike_in_any_order(trimmed: Path, whole: Path, sentence: str) -> None:
    name: Any = whole.name
    if name not in TOKENIZERS:
        TOKENIZERS[name] = (AutoTokenizer.from_pretrained(whole), AutoTokenizer.from_pretrained(trimmed))
    before, after = TOKENIZERS[name]
    assert after.tokenize(sentence) == before.tokenize(sentence)


def test_a_piece_is_merged_from_what_merging_passes_through() -> None:
    ranks = {("l", "o"): 0, ("lo", "w"): 1, ("e", "r"): 2, ("low", "er"): 3, ("w", "e"): 4}
    vocabulary = PieceVocabulary({}, frozenset(), None, lambda left, right: ranks.get((left, right)))
    assert vocabulary.merged_from("lower") == {*"lower", "lo", "low", "er", "lower"}
    assert vocabulary.merged_from("q") == {"q"}


@pytest.mark.parametrize("family", ["nllb", "m2m100"], scope="module")
def test_every_piece_is_merged_from_others_that_exist(family: FamilyName) -> None:
    vocabulary = read_vocabulary(miniature(family).tokenizer)
    pieces = [token for token in vocabulary.ids if token not in vocabulary.special]
    assert max(map(len, pieces)) > 3
    for piece in pieces:
        assert vocabulary.merged_from(piece) <= vocabulary.ids.keys()


def test_what_stays_whatever_the_text() -> None:
    ids = {token: number for number, token in enumerate(["<s>", "▁<extra_id_7>", "<extra_id_0>", "<0xE2>", "ab", "▁ж"])}
    vocabulary = PieceVocabulary(ids, frozenset({"<s>"}), "ab", None)
    assert vocabulary.machinery() == {"<s>", "▁<extra_id_7>", "<extra_id_0>", "<0xE2>", "ab"}
    assert vocabulary.characters(["ru"]) == {"▁ж"}
    assert vocabulary.characters(["de"]) == set()


@pytest.mark.parametrize(
    ("language", "kept"),
    [("ja", "漢ひカー"), ("zh", "漢"), ("ko", "한"), ("xyz_Cyrl", "ж"), ("hi", "क"), ("Greek", "λ"), ("xyz", "")],
)
def test_scripts_of_languages(language: str, kept: str) -> None:
    everywhere = "aé1?€😀\u0301"
    ids = {character: number for number, character in enumerate(everywhere + "漢ひカ한жकλ" + "ー")}
    found = PieceVocabulary(ids, frozenset(), None, None).characters([language])
    assert found == set(everywhere + kept) | {"ー"}


def test_unigram_keeps_the_score_of_the_unknown(tmp_path: Path) -> None:
    as_published("mbart", tmp_path / "whole")
    vocabulary = read_vocabulary(load_layout(str(tmp_path / "whole")).tokenizer)
    usage = survey(str(tmp_path / "whole"), {"one": ["Ein Hund"]}, ["de"])
    assert vocabulary.anchor in usage.kept


@pytest.mark.parametrize("family", VOCABULARIES, scope="module")
def test_a_text_with_unknown_characters_can_be_trimmed_for(whole: Path, tmp_path: Path) -> None:
    texts = {"odd": ["Ein 漢字 Hund 漢.", "漢", "Zwei <s> Hunde </s> ☃☃"]}
    usage = survey(str(whole), texts, ["de"])
    assert usage.unknown > 0
    trim(str(whole), usage, texts, tmp_path / "trimmed")


Rewrite = Callable[[Path, Any, Any], None]


def spoiled(change: Callable[[Path], None]) -> Rewrite:
    def rewrite(folder: Path, kept: Any, numbers: Any) -> None:
        rewrite_tokenizer(folder, kept, numbers)
        change(folder)

    return rewrite


def with_another_score(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    entry = next(entry for entry in content["model"]["vocab"] if entry[0] == "▁Hund")
    entry[1] = -100.0
    (folder / "tokenizer.json").write_text(json.dumps(content))


def test_another_segmentation_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    as_published("mbart", tmp_path / "whole")
    whole = str(tmp_path / "whole")
    texts = {"text": ["Ein Hund."]}
    monkeypatch.setattr(trimming, "rewrite_tokenizer", spoiled(with_another_score))
    with pytest.raises(TrimFailedError, match=r"segments 'Ein Hund\.' as \[.*Nothing was written"):
        trim(whole, survey(whole, texts, ["de"]), texts, tmp_path / "trimmed")
    assert [entry.name for entry in tmp_path.iterdir()] == ["whole"]


@pytest.mark.parametrize("family", MATRICES, scope="module")
def test_other_logits_are_noticed(whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def replace_wrongly(model: Any, change: Any) -> None:
        replace_rows(model, lambda role, rows: change(role, rows).roll(1, 0))

    monkeypatch.setattr(trimming, "replace_rows", replace_wrongly)
    with pytest.raises(TrimFailedError, match="logits differ by up to"):
        trim(str(whole), survey(str(whole), TEXTS, ["de", "en"]), TEXTS, tmp_path / "trimmed")
    assert list(tmp_path.iterdir()) == []


def test_no_text_is_refused(whole: Path) -> None:
    with pytest.raises(SwitchtuneError, match=r"empty\.txt: no text"):
        survey(str(whole), {"empty.txt": ["", " "]}, ["de"])
    with pytest.raises(UsageError, match="Name the languages"):
        survey(str(whole), TEXTS, [])


@pytest.mark.parametrize("family", VOCABULARIES, scope="module")
def test_a_trimmed_model_can_be_trimmed_and_untrimmed_again(whole: Path, trimmed: Path, tmp_path: Path) -> None:
    texts = {"less": GERMAN[:2]}
    trim(str(trimmed), survey(str(trimmed), texts, ["de", "en"]), texts, tmp_path / "less")
    untrim(tmp_path / "less", str(trimmed), tmp_path / "back")
    assert read_record(tmp_path / "back") == read_record(trimmed)
    untrim(tmp_path / "back", str(whole), tmp_path / "whole")
    before, after = weights(whole), weights(tmp_path / "whole")
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("family", MATRICES, scope="module")
def test_untrim_refuses_what_does_not_fit(whole: Path, trimmed: Path, tmp_path: Path) -> None:
    with pytest.raises(SwitchtuneError, match=r"no trim\.json in it"):
        untrim(whole, str(whole), tmp_path / "out")
    with pytest.raises(SwitchtuneError, match=r"was trimmed from .* Give the very model"):
        untrim(trimmed, str(trimmed), tmp_path / "out")
    resized = load_model(str(trimmed))
    replace_rows(resized.model, lambda _, rows: torch.cat([rows, rows[:1]]))
    save_model(resized, tmp_path / "resized", "de", "en")
    with pytest.raises(SwitchtuneError, match=r"rows, where trim\.json tells of"):
        untrim(tmp_path / "resized", str(whole), tmp_path / "out")
    (tmp_path / "resized/trim.json").write_text('{"base": 1}')
    with pytest.raises(
        SwitchtuneError, match=r"trim\.json: base: Input should be a valid string.* Copy trim\.json from the model"
    ):
        untrim(tmp_path / "resized", str(whole), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", ["0-99999999999", "5-1", "3 2", "-4", "x", 3, None, ""])
def test_records_that_cannot_be(kept: object, trimmed: Path, tmp_path: Path) -> None:
    content = json.loads((trimmed / "trim.json").read_text())
    (tmp_path / "trim.json").write_text(json.dumps({**content, "kept": kept}))
    with pytest.raises(SwitchtuneError, match=r"trim\.json: .* Copy trim\.json from the model"):
        read_record(tmp_path)


def test_ids_that_the_vocabulary_lacks_are_told(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "model")
    settings = tmp_path / "model" / "generation_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "forced_bos_token_id": 10**9}))
    with pytest.raises(SwitchtuneError, match=r"generation_config.json: ids that the vocabulary lacks: .1000000000"):
        survey(str(tmp_path / "model"), {"text": GERMAN}, ["de", "en"])


@pytest.mark.parametrize("family", MATRICES, scope="module")
def test_auto_trims_where_much_is_saved(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = survey(str(whole), TEXTS, ["de", "en"])
    assert not may_pay(str(whole))
    assert not pays(usage)
    monkeypatch.setattr(trimming, "LEAST_SAVED", (usage.rows - len(usage.ids)) * TINY.width)
    assert may_pay(str(whole))
    assert not pays(usage)
    monkeypatch.setattr(trimming, "MOST_KEPT", (len(usage.ids) + 0.5) / usage.rows)
    assert pays(usage)
    monkeypatch.setattr(trimming, "LEAST_SAVED", (usage.rows - len(usage.ids)) * TINY.width + 1)
    assert not pays(usage)


NEW_CODES: dict[FamilyName, tuple[str, str]] = {
    "mbart": ("uk_UA", "uk"),
    "mbart50": ("sq_AL", "sq"),
    "nllb": ("hsb_Latn", "hsb_Latn"),
    "m2m100": ("haw", "Hawaiian"),
    "small100": ("haw", "Hawaiian"),
    "madlad": ("hsb", "hsb"),
}


@pytest.mark.parametrize("family", TAGGED, scope="module")
def test_a_new_language_begins_as_another_and_changes_nothing_else(
    family: FamilyName, whole: Path, more: Path, tmp_path: Path
) -> None:
    code, spoken = NEW_CODES[family]
    layout = load_layout(str(more))
    before, after = load_model(str(whole)), load_model(str(more))
    assert layout.code(spoken) == code
    number, donor = after.layout.tags[code], after.layout.tags[after.layout.code("de")]
    # Rows that stood empty are taken first; but they stay behind the pieces, of which a tag of MADLAD-400 is one.
    rows_before = before.model.config.vocab_size + (family == "madlad")
    assert after.model.config.vocab_size == max(rows_before, number + 1)
    for name, tensor in after.model.state_dict().items():
        if has_rows(name):
            rows, old_rows = by_rows(name, tensor), by_rows(name, before.model.state_dict()[name])
            assert torch.equal(rows[number], rows[donor])
            others = sorted(token_ids(before.tokenizer).values())
            assert torch.equal(rows[others], old_rows[others])
    plain = [
        (AutoTokenizer.from_pretrained(folder), AutoModelForSeq2SeqLM.from_pretrained(folder))
        for folder in (whole, more)
    ]
    outputs = []
    for tokenizer, model in plain:
        batch = tokenizer(list(GERMAN[:4]), return_tensors="pt", padding=True)
        empty = range(number, model.config.vocab_size)  # or the new tag's row
        generated = model.generate(**batch, num_beams=1, max_length=16, suppress_tokens=[donor, *empty])
        outputs.append((batch["input_ids"].tolist(), generated.tolist()))
    assert outputs[0] == outputs[1]
    # The new language is read and spoken like the donor, by its own tag.
    example = after.layout.encode(Example(GERMAN[0], spoken, GERMAN[1], spoken), max_tokens=60)
    like = after.layout.encode(Example(GERMAN[0], "de", GERMAN[1], "de"), max_tokens=60)
    as_donor = lambda ids: tuple(donor if token == number else token for token in ids)  # noqa: E731
    assert example != like
    assert (as_donor(example.input_ids), as_donor(example.labels)) == (like.input_ids, like.labels)
    assert after.layout.decode(example.labels) == GERMAN[1]
    # Trained on it, a model is saved and verified in either direction.
    for source, target in ((spoken, "en"), ("en", spoken)):
        save_model(after, tmp_path / "saved", source, target)
        verify_saved(tmp_path / "saved", GERMAN[:2], after, source, target, max_length=8)
        again = load_model(str(tmp_path / "saved"))
        assert again.layout.tags == after.layout.tags
    assert after.layout.plain_source(spoken, spoken) == (family in ("mbart", "nllb", "madlad"))


@pytest.mark.parametrize("family", [each for each in VOCABULARIES if each in TAGGED], scope="module")
def test_a_model_with_a_new_language_can_be_trimmed(family: FamilyName, more: Path, tmp_path: Path) -> None:
    code, spoken = NEW_CODES[family]
    trim(str(more), survey(str(more), TEXTS, [spoken, "en"]), TEXTS, tmp_path / "trimmed")
    assert load_layout(str(tmp_path / "trimmed")).code(spoken) == code
    with pytest.raises(SwitchtuneError, match="its vocabulary was trimmed"):
        add_languages(str(tmp_path / "trimmed"), [(code, "en")], tmp_path / "no")
    untrim(tmp_path / "trimmed", str(more), tmp_path / "again")
    before, after = weights(more), weights(tmp_path / "again")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_a_model_was_trained_for_is_known_with_another_vocabulary(tmp_path: Path) -> None:
    save_model(miniature(), tmp_path / "whole", "de", "en")
    notes = {"terms.json": '{"share": 0.3}', "summarization.json": "{}"}
    for name, content in notes.items():
        (tmp_path / "whole" / name).write_text(content)
    add_languages(str(tmp_path / "whole"), [("nds", "de")], tmp_path / "more")
    more = str(tmp_path / "more")
    trim(more, survey(more, TEXTS, ["de", "en"]), TEXTS, tmp_path / "trimmed")
    assert {name: (tmp_path / "trimmed" / name).read_text() for name in notes} == notes
    (tmp_path / "trimmed" / "terms.json").write_text('{"share": 0.5}')  # as if it was trained since
    untrim(tmp_path / "trimmed", more, tmp_path / "again")
    assert (tmp_path / "again" / "terms.json").read_text() == '{"share": 0.5}'


def test_languages_that_cannot_be_added(family: FamilyName, whole: Path, tmp_path: Path) -> None:
    def attempt(code: str, like: str = "de") -> None:
        add_languages(str(whole), [(code, like)], tmp_path / "out")

    if family in WORDED:
        told = f"{family} has no language tags; the language is named in the instruction"
        with pytest.raises(SwitchtuneError, match=told):
            attempt("xyz_Latn")
        return
    with pytest.raises(UnknownLanguageError, match="unknown language 'Klingonese'"):
        attempt("Klingonese")
    if family not in ("m2m100", "small100", "madlad"):
        with pytest.raises(UsageError, match=f"no tag of {family} can be made of it; they are written {{"):
            attempt("sr_Latn" if family != "nllb" else "tlh")
    with pytest.raises(SwitchtuneError, match=r"has a tag for .* already"):
        attempt(load_layout(str(whole)).code("de"))
    with pytest.raises(UnknownLanguageError, match="Klingon"):
        attempt(NEW_CODES[family][0], like="Klingon")
    assert not (tmp_path / "out").exists()
    if family == "mbart":
        # By the tag for Afrikaans a published mBART-50 is told from an mBART-25.
        attempt("af_ZA")
        assert load_layout(str(tmp_path / "out")).family.name == "mbart"


def test_bytes_are_never_trimmed(tmp_path: Path) -> None:
    save_model(miniature("byt5"), tmp_path / "whole", "de", "en")
    assert not may_pay(str(tmp_path / "whole"))
    with pytest.raises(SwitchtuneError, match=r"byt5 has the 256 bytes for its vocabulary.*nothing to trim"):
        survey(str(tmp_path / "whole"), TEXTS, ["de", "en"])


def test_an_unknown_language_is_told_of_the_way_out() -> None:
    for language in ("fr", "hsb_Latn"):
        with pytest.raises(UnknownLanguageError, match="switchtune add-language"):
            miniature("nllb").layout.code(language)
    assert miniature("mt5").layout.code("hsb_Latn") == "Upper Sorbian"


def test_a_tokenizer_set_to_a_tag_that_goes_is_set_to_one_that_stays(tmp_path: Path) -> None:
    as_published("nllb", tmp_path / "whole")
    whole = str(tmp_path / "whole")
    trim(whole, survey(whole, TEXTS, ["ru", "de"]), TEXTS, tmp_path / "trimmed")
    tokenizer: Any = AutoTokenizer.from_pretrained(tmp_path / "trimmed")
    assert (tokenizer.src_lang, tokenizer.tgt_lang) == ("rus_Cyrl", "deu_Latn")
    encoded = tokenizer(GERMAN[0], text_target=GERMAN[1])
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"])[0] == "rus_Cyrl"
    assert tokenizer.convert_ids_to_tokens(encoded["labels"])[0] == "deu_Latn"


def test_a_tokenizer_in_memory_is_not_changed_by_the_survey() -> None:
    tokenizer = pickle.loads(pickle.dumps(miniature("nllb").tokenizer))
    before = copy.deepcopy(token_ids(tokenizer))
    read_vocabulary(tokenizer)
    assert token_ids(tokenizer) == before


def test_from_the_command_line(tmp_path: Path) -> None:
    as_published("nllb", tmp_path / "whole")
    for language, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"text.{language}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    runner = CliRunner()

    def run(*words: object) -> str:
        done = runner.invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    texts = ("--text", tmp_path / "text.de", "--text", tmp_path / "text.en")
    run("add-language", tmp_path / "whole", "--code", "hsb_Latn", "--like", "de", "--out", tmp_path / "more")
    # One --text, or one for each file.
    said = run(
        "trim", tmp_path / "more", "--text", *texts[1::2], "--langs", "hsb_Latn, en", "--out", tmp_path / "trimmed"
    )
    assert "rows        312 → " in said
    figures = json.loads(
        run("trim", tmp_path / "more", *texts, "--langs", "hsb_Latn,en", "--out", tmp_path / "trimmed", "--json")
    )
    assert (figures["rows"][0], figures["languages"]) == (312, ["hsb_Latn", "eng_Latn"])
    assert "kept" not in figures
    run("untrim", tmp_path / "trimmed", "--base", tmp_path / "more", "--out", tmp_path / "again")
    assert load_layout(str(tmp_path / "again")).languages == load_layout(str(tmp_path / "more")).languages


def beginning(path: Path, count: int) -> list[str]:
    return list(islice(text_lines(path), count))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mbart", "nllb", "m2m100"], scope="module")
def test_a_real_corpus(family: FamilyName, shared_data: Path, tmp_path: Path) -> None:
    mono = {code: beginning(shared_data / f"mono/{code}.txt.xz", 120) for code in ("de", "en", "ru", "tr")}
    save_model(new_model(family, TINY.model_copy(update={"pieces": 800}), mono, seed=1), tmp_path / "whole", "de", "en")
    texts = {code: beginning(shared_data / f"translation/de-en/valid.{code}.xz", 100) for code in ("de", "en")}
    whole = str(tmp_path / "whole")
    record = trim(whole, survey(whole, texts, ["de", "en"]), texts, tmp_path / "trimmed")
    assert len(record.kept) < 0.75 * record.rows_before
    before, after = load_layout(whole), load_layout(str(tmp_path / "trimmed"))
    for code in ("de", "en"):
        for line in beginning(shared_data / f"translation/de-en/test.{code}.xz", 200):
            ids = [layout.encode_source(line, code, "en") for layout in (before, after)]
            tokens = [layout.tokens(each) for layout, each in zip((before, after), ids, strict=True)]
            assert tokens[0].count("<unk>") == tokens[1].count("<unk>")


def test_an_m2m100_that_does_not_list_its_tags_is_trimmed_with_them(tmp_path: Path) -> None:
    save_model(miniature("m2m100"), tmp_path / "whole", "de", "en")
    config = json.loads((tmp_path / "whole/tokenizer_config.json").read_text())
    added = config["added_tokens_decoder"].items()
    config["added_tokens_decoder"] = {number: token for number, token in added if "__" not in token["content"]}
    del config["extra_special_tokens"]
    (tmp_path / "whole/added_tokens.json").unlink()
    (tmp_path / "whole/tokenizer_config.json").write_text(json.dumps(config))
    whole = str(tmp_path / "whole")
    trim(whole, survey(whole, TEXTS, ["de", "en"]), TEXTS, tmp_path / "trimmed")
    assert load_layout(str(tmp_path / "trimmed")).languages == load_layout(whole).languages
