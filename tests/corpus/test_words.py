"""Sentence to words and back: lossless for any text, words as people count them."""

import builtins
import io
import os
import pickle
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchtune.corpus import words as words_module
from switchtune.corpus.read import read_lines
from switchtune.corpus.words import SegmenterError, Words, piece_segmenter, word_segmenter
from switchtune.languages import LANGUAGES, UnknownLanguageError

LETTERS = {
    "de": "aäßZé'’-‑\u0301",
    "fr": "aéœL'’-",
    "tr": "ıİğŞ'",
    "vi": "aạễđư\u0301\u0323",
    "ru": "жЁй-",
    "el": "αΣή·",
    "ar": "ابة\u064b\u0670\u0640",
    "fa": "می\u200cخ",
    "he": "אבץ׳״'\"",
    "hi": "कमी\u094d\u093f\u200d",
    "ta": "கா\u0bcd",
    "am": "አማ፡።",
    "ka": "აბგ",
    "ko": "한국어漢",
    "zh": "我喜欢猫们龘中国人·々",
    "ja": "私はテニス部員ーがか\u3099々１ｱﾞ",
}
SPACED = sorted(set(LETTERS) - {"zh", "ja"})


def texts(language: str) -> st.SearchStrategy[str]:
    """Text rich in the letters of a language, in punctuation, and in characters that break naive code."""
    script = st.text(st.sampled_from(LETTERS[language] + "abc 09.,:;!?-—_\"'«»()。，、\u3000\u00a0\t"))
    return st.one_of(script, st.text())


@pytest.mark.parametrize("language", LETTERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_split_loses_nothing(language: str, data: st.DataObject) -> None:
    text = data.draw(texts(language))
    segmenter = word_segmenter(language)
    words = segmenter.split(text)
    assert segmenter.join(words) == text
    # Letters and digits are in the words, and every word has one at its start.
    assert not any(character.isalnum() for gap in words.gaps for character in gap)
    assert all(word[0].isalnum() for word in words.words)


@pytest.mark.parametrize("language", LETTERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_replaced_words_never_grow_together(language: str, data: st.DataObject) -> None:
    segmenter = word_segmenter(language)
    words = segmenter.split(data.draw(texts(language)))
    joined = segmenter.join(words.replace(["xenon"] * len(words.words)))
    # Gaps hold no letters, so a letter after a word is the next word, grown to it.
    assert len(re.findall("xenon(?![^\\W_])", joined)) == len(words.words)


@pytest.mark.parametrize("language", SPACED)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_unchanged_words_join_to_the_same_text(language: str, data: st.DataObject) -> None:
    text = data.draw(texts(language))
    segmenter = word_segmenter(language)
    words = segmenter.split(text)
    assert segmenter.join(words.replace(words.words)) == text


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Don't stop, it's 3.5 e-mails (at 10:30)!", "Don't|stop|it's|3.5|e-mails|at|10:30"),
        ("en", "'tis the dogs' -- 1,000 foo_bar.", "tis|the|dogs|1,000|foo|bar"),
        ("de", "Wie geht’s? „Gut“, sagte die 10-jährige.", "Wie|geht’s|Gut|sagte|die|10-jährige"),
        ("fr", "C’est l'été, d'accord", "C’|est|l'|été|d'|accord"),
        ("it", "dell'unione e' un po' così", "dell'|unione|e|un|po|così"),
        ("ca", "la col·lecció d'art", "la|col·lecció|d'|art"),
        ("tr", "İstanbul'da şöyle", "İstanbul'da|şöyle"),
        ("hi", "मैं हिन्दी बोलता हूँ।", "मैं|हिन्दी|बोलता|हूँ"),
        ("fa", "می‌خواهم بروم؟", "می‌خواهم|بروم"),
        ("he", "ג'ירפה ארה״ב", "ג'ירפה|ארה״ב"),
        ("ar", "كِتَابٌ، جديد", "كِتَابٌ|جديد"),
        ("am", "ሰላም፡ለዓለም።", "ሰላም|ለዓለም"),
        ("ko", "나는 학교에 갔다.", "나는|학교에|갔다"),
        ("vi", unicodedata.normalize("NFD", "tiếng Việt"), unicodedata.normalize("NFD", "tiếng|Việt")),
        ("de", "Grüße 🎉️ an 東京!", "Grüße|an|東京"),
        ("zh", "我喜欢iPhone手机，don't worry。", "我|喜欢|iPhone|手机|don't|worry"),
        # The examples of jieba's README.
        ("zh", "我来到北京清华大学", "我|来到|北京|清华大学"),
        ("zh", "他来到了网易杭研大厦", "他|来到|了|网易|杭研|大厦"),
        ("zh_Hant", "你好，世界", "你好|世界"),
        ("ja", "彼女は3.5マイル歩いた。", "彼女|は|3.5|マイル|歩い|た"),
        ("ja", "これ まで の　ところ、OK！", "これ|まで|の|ところ|OK"),
    ],
)
def test_words_as_people_count_them(language: str, text: str, expected: str) -> None:
    segmenter = word_segmenter(language)
    assert "|".join(segmenter.split(text).words) == expected
    assert segmenter.join(segmenter.split(text)) == text


@pytest.mark.parametrize(
    ("language", "text", "replacements", "expected"),
    [
        ("de", "Das Haus, klein!", ["The", "house", "small"], "The house, small!"),
        ("zh", "我喜欢猫。", ["I", "like", "cats"], "I like cats。"),
        ("zh", "我喜欢猫。", ["我", "like", "猫"], "我like猫。"),
        ("zh", "我喜欢猫。", ["我", "<mask>", "cats"], "我<mask> cats。"),
        ("fr", "l'homme", ["the", "homme"], "the homme"),
        ("fr", "l'homme", ["l'", "man"], "l'man"),
        ("en", "the cat", ["the", "猫"], "the 猫"),
    ],
)
def test_spaces_after_a_replacement(language: str, text: str, replacements: list[str], expected: str) -> None:
    segmenter = word_segmenter(language)
    assert segmenter.join(segmenter.split(text).replace(replacements)) == expected


def test_words_and_gaps_must_match() -> None:
    with pytest.raises(ValueError, match="2 words stand between 3 gaps, not 2"):
        Words(("", ""), ("a", "b"))
    with pytest.raises(ValueError, match="1 words"):
        word_segmenter("de").split("Das Haus").replace(["x"])


def test_every_mark_of_unicode_stays_in_its_word() -> None:
    marks = [chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point))[0] == "M"]
    segmenter = word_segmenter("en")
    assert len(marks) > 2000
    assert [mark for mark in marks if segmenter.split(f"a{mark}b").words != (f"a{mark}b",)] == []


@pytest.mark.parametrize("language", ["th", "lo", "km", "my", "bo"])
def test_scripts_without_a_segmenter(language: str) -> None:
    with pytest.raises(SegmenterError, match="unit: piece"):
        word_segmenter(language)


def test_every_other_language_has_words() -> None:
    for language in LANGUAGES:
        if language.spaced:
            assert word_segmenter(language.code).split("a b").words == ("a", "b")


def test_family_codes_and_unknown_languages() -> None:
    assert word_segmenter("deu_Latn") == word_segmenter("de_DE")
    with pytest.raises(UnknownLanguageError):
        word_segmenter("germn")


@pytest.mark.parametrize(
    ("language", "package", "maker"),
    [("zh", "jieba", "_jieba"), ("ja", "fugashi", "_fugashi"), ("ja", "unidic_lite", "_fugashi")],
)
def test_missing_extra(monkeypatch: pytest.MonkeyPatch, language: str, package: str, maker: str) -> None:
    real_import = builtins.__import__

    def without_package(name: str, *arguments: Any, **options: Any) -> Any:
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real_import(name, *arguments, **options)

    cached: Any = getattr(words_module, maker)
    monkeypatch.setattr(builtins, "__import__", without_package)
    monkeypatch.setitem(words_module._CUTTERS, language, cached.__wrapped__)
    with pytest.raises(SegmenterError, match=re.escape("pip install 'switchtune[cjk]'")):
        word_segmenter(language)


def test_chinese_is_quiet(tmp_path: Path) -> None:
    script = "from switchtune.corpus.words import word_segmenter; word_segmenter('zh').split('我喜欢猫')"
    # With an empty cache of compiled modules jieba is compiled anew, and that is when Python complains of its sources.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("language", ["de", "zh", "ja"])
def test_segmenters_travel_to_other_processes(language: str) -> None:
    segmenter = word_segmenter(language)
    assert pickle.loads(pickle.dumps(segmenter)).split("我 go") == segmenter.split("我 go")


@pytest.mark.parametrize("pair", ["de-en", "tr-en", "it-en", "vi-en", "zh-en", "ja-en"])
def test_real_text_is_kept(shared_data: Path, pair: str) -> None:
    for language in pair.split("-"):
        segmenter = word_segmenter(language)
        for line in read_lines(shared_data / "translation" / pair / f"valid.{language}.xz"):
            words = segmenter.split(line)
            assert segmenter.join(words) == line
            assert all(word[0].isalnum() for word in words.words)


# Pieces


def pretend_tokenize(text: str) -> list[str]:
    """Pieces of two characters with sentencepiece's convention; emoji as bytes."""
    text = "▁" + text.replace(" ", "▁")
    pieces = []
    for chunk in re.findall("▁?[^▁]{1,2}|▁", text):
        if chunk[-1] > "\uffff":
            pieces += [f"<0x{byte:02X}>" for byte in chunk.encode()]
        else:
            pieces.append(chunk)
    return pieces


def test_pieces_keep_their_mark_and_punctuation_is_gap() -> None:
    segmenter = piece_segmenter(pretend_tokenize)
    words = segmenter.split("Haus , ja")
    assert words == Words(("", "", "▁,", ""), ("▁Ha", "us", "▁ja"))
    assert segmenter.join(words.replace(["▁ho", "me", "▁yes"])) == "home , yes"


@example("a 🎉b")
@settings(deadline=None)
@given(st.text(st.sampled_from("ab ,.é中🎉")))
def test_pieces_lose_nothing(text: str) -> None:
    segmenter = piece_segmenter(pretend_tokenize)
    assert segmenter.join(segmenter.split(text)) == text


@pytest.fixture(scope="module")
def sentencepiece_tokenize() -> Callable[[str], list[str]]:
    sentences = ["the cat sees the house", "das Haus steht am Fluss", "die Katze sieht das kleine Haus, nicht?"]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences * 20),
        model_writer=model,
        vocab_size=330,
        byte_fallback=True,
        minloglevel=2,
        num_threads=1,
        hard_vocab_limit=False,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return lambda text: processor.encode(text, out_type=str)


@pytest.mark.parametrize("text", ["das Haus, nicht?", "", "Ein Ørsted 中国 🎉 — ja", "x"])
def test_pieces_of_a_real_tokenizer(sentencepiece_tokenize: Callable[[str], list[str]], text: str) -> None:
    segmenter = piece_segmenter(sentencepiece_tokenize)
    words = segmenter.split(text)
    assert segmenter.join(words) == text
    assert not any(re.search(r"[^\W_]", word) is None or word.startswith("<0x") for word in words.words)
