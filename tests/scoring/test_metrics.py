"""Scores: hand-computed figures, sacrebleu's public interface, and text of known languages."""

import io
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import sacrebleu
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers import tokenizer_ja_mecab, tokenizer_ko_mecab, tokenizer_spm

from switchtune.languages import UnknownLanguageError
from switchtune.scoring.assess import assess
from switchtune.scoring.metrics import (
    MetricName,
    ScoringError,
    UnavailableMetricError,
    bleu,
    chrf,
    corpus_values,
    lacks_words,
    spbleu,
)
from switchtune.scoring.significance import METRICS
from tests.scoring.test_in_language import SENTENCES

OFFLINE = [name for name in METRICS if name != "spBLEU"]
LINES = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "ab", "cd.", ","]), max_size=9).map(" ".join)
CORPORA = st.lists(st.tuples(LINES, LINES), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("a b c d e", "a b c d e", 100.0),
        ("a b c d e", "a b c d f", 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
        ("a b c d", "a b c d e f g h", 100 * np.exp(1 - 8 / 4)),
        ("a b x y", "a b c d", 100 * (2 / 4 * 1 / 3 * 0.5 / 2 * 0.25 / 1) ** 0.25),
        ("a b c", "a b c", 0.0),
        ("x y z w", "a b c d", 0.0),
        ("", "a b c d", 0.0),
    ],
    ids=["same", "one word off", "short", "smoothed", "no 4-gram", "nothing right", "empty output"],
)
def test_bleu_by_hand(hypothesis: str, reference: str, expected: float) -> None:
    assert bleu([hypothesis], [reference], "en").value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "expected"),
    [
        ("abcd efgh", "abcd efgh", 100.0),
        # Orders that exist: characters 1 (half right) and 2 (wrong), words 1 (wrong).
        ("ab", "ac", 100 / 6),
        # Precision 1 and recall 1/2 in characters 1, 1 and 1/3 in characters 2, none in words; F2 weighs recall by 4.
        ("ab", "abcd", 100 * 5 * (2 / 3) * (5 / 18) / (4 * (2 / 3) + 5 / 18)),
        ("xyz", "abc", 0.0),
        ("", "abc", 0.0),
    ],
    ids=["same", "half", "short", "nothing right", "empty output"],
)
def test_chrf_by_hand(hypothesis: str, reference: str, expected: float) -> None:
    assert chrf([hypothesis], [reference], "en").value == pytest.approx(expected)


@given(CORPORA)
@settings(deadline=None)
def test_scores_are_those_of_sacrebleu(corpus: list[tuple[str, str]]) -> None:
    hypotheses, references = [pair[0] for pair in corpus], [pair[1] for pair in corpus]
    assert bleu(hypotheses, references, "de").value == BLEU(force=True).corpus_score(hypotheses, [references]).score
    assert chrf(hypotheses, references, "de").value == CHRF(word_order=2).corpus_score(hypotheses, [references]).score


@given(CORPORA)
@settings(deadline=None)
def test_a_score_follows_from_its_segments(corpus: list[tuple[str, str]]) -> None:
    hypotheses, references = [pair[0] for pair in corpus], [pair[1] for pair in corpus]
    for name in OFFLINE:
        score = METRICS[name](hypotheses, references, "en")
        assert score.segments.shape == (len(corpus), {"BLEU": 10, "chrF++": 24}.get(name, 2))
        assert corpus_values(name, score.segments.sum(axis=0).astype(float)) == pytest.approx(score.value)


@pytest.mark.parametrize("metric", OFFLINE)
def test_values_of_many_sets_at_once(metric: MetricName) -> None:
    hypotheses = ["a b c d e", "a b c d x", "a x", "", "q r s t"]
    segments = METRICS[metric](hypotheses, ["a b c d e"] * 5, "en").segments
    together = corpus_values(metric, segments.astype(float).reshape(5, 1, -1))
    assert together.shape == (5, 1)
    single = [METRICS[metric]([hypothesis], ["a b c d e"], "en").value for hypothesis in hypotheses]
    assert together[:, 0] == pytest.approx(single)


@pytest.mark.parametrize(
    ("language", "tokeniser"),
    [("en", "13a"), ("German", "13a"), ("vi_VN", "13a"), ("zh_CN", "zh"), ("zho_Hant", "zh"), ("th", "char")],
)
def test_tokeniser_of_the_target_language(language: str, tokeniser: str) -> None:
    signature = bleu(["a b c d"], ["a b c d"], language).signature
    assert signature == f"nrefs:1|case:mixed|eff:no|tok:{tokeniser}|smooth:exp|version:{sacrebleu.__version__}"


def test_signature_of_chrf() -> None:
    score = chrf(["a b c d"], ["a b c d"], "en")
    assert score.signature == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:{sacrebleu.__version__}"
    assert (score.metric, score.n) == ("chrF++", 1)


@pytest.mark.parametrize(("language", "module"), [("ja", tokenizer_ja_mecab), ("ko", tokenizer_ko_mecab)])
def test_characters_where_mecab_is_missing(language: str, module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MeCab", None)
    score = bleu([SENTENCES[language]], [SENTENCES[language]], language)
    assert "|tok:char|" in score.signature
    assert "counts characters here" in lacks_words(language)
    (said,) = assess([SENTENCES[language]], [SENTENCES[language]], language).remarks
    assert "pip install 'switchtune[cjk]'" in said
    assert score.value == pytest.approx(100)


@pytest.mark.parametrize(("language", "tokeniser"), [("ja", "ja-mecab"), ("ko", "ko-mecab")])
def test_words_where_mecab_is_there(language: str, tokeniser: str) -> None:
    pytest.importorskip("mecab_ko" if language == "ko" else "ipadic", reason="the extra cjk is not installed")
    assert f"|tok:{tokeniser}" in bleu([SENTENCES[language]], [SENTENCES[language]], language).signature
    assert lacks_words(language) == ""


def test_languages_that_sacrebleu_divides_itself_lack_nothing() -> None:
    assert [lacks_words(language) for language in ("de", "zh", "th")] == ["", "", ""]


def test_chinese_is_scored_by_characters() -> None:
    assert bleu(["一二三四五"], ["一二三四六"], "zh").value == pytest.approx(100 * 0.2**0.25)


@pytest.mark.parametrize("metric", [bleu, chrf, assess])
def test_unequal_counts_and_empty_input_are_refused(metric: type) -> None:
    with pytest.raises(ScoringError, match="3 hypotheses but 2 references"):
        metric(["a", "b", "c"], ["a", "b"], "en")
    with pytest.raises(ScoringError, match="no hypotheses"):
        metric([], [], "en")
    with pytest.raises(UnknownLanguageError):
        metric(["a"], ["a"], "klingonese")


@pytest.fixture
def models_of_sacrebleu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sacrebleu looks for the tokeniser's model; there is no network."""

    def fail(url: str, path: str) -> None:
        raise URLError(f"no route to {url}")

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenizer_spm, "download_file", fail)
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "flores200sacrebleuspm"


def test_spbleu_is_bleu_of_pieces(models_of_sacrebleu: Path) -> None:
    """Against BLEU of the same pieces with spaces between them, in the place of flores200 a model made here."""
    writer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(list(SENTENCES.values()) * 3), model_writer=writer, vocab_size=210, minloglevel=2
    )
    models_of_sacrebleu.write_bytes(writer.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=writer.getvalue())
    references = [SENTENCES[language] for language in ("de", "th", "zh")]
    hypotheses = [reference[:-9] + reference[-3:] for reference in references]
    score = spbleu(hypotheses, references, "th")
    cut = [[" ".join(pieces.encode_as_pieces(text)) for text in texts] for texts in (hypotheses, references)]
    assert score.value == BLEU(tokenize="none", force=True).corpus_score(cut[0], [cut[1]]).score
    assert 0 < score.value < 100
    assert (score.metric, "|tok:flores200|" in score.signature) == ("spBLEU", True)
    assert corpus_values("spBLEU", score.segments.sum(axis=0).astype(float)) == pytest.approx(score.value)


def test_spbleu_without_its_model_says_where_it_belongs(models_of_sacrebleu: Path) -> None:
    with pytest.raises(UnavailableMetricError, match=f"no route to .*put it here as {models_of_sacrebleu}"):
        spbleu(["a"], ["a"], "en")
    models_of_sacrebleu.write_bytes(b"half a file")
    with pytest.raises(UnavailableMetricError, match="could not load"):
        spbleu(["a"], ["a"], "en")
    with pytest.raises(ScoringError, match="1 hypotheses but 2 references"):
        spbleu(["a"], ["a", "b"], "en")
