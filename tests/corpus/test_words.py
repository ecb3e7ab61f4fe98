"""Sentence to words and back: lossless for any text, words as people count them."""

import builtins
import io
import os
import pickle
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchtune.corpus import words as words_module
from switchtune.corpus.read import read_lines
from switchtune.corpus.words import (
    SegmenterError,
    Words,
    capitalised,
    is_number,
    lower_case,
    piece_segmenter,
    upper_case,
    word_segmenter,
)
from switchtune.languages import LANGUAGES, UnknownLanguageError, find_language

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


# What no language translates: never a word nor in one.
NO_WORDS = [
    *"https://example.com/a?b=c#d http://en.wikipedia.org/wiki/Foo_(bar) www.Foo.org git+ssh://x@y/z".split(),
    *"mailto:a@b.c HTTPS://EXAMPLE.COM https://de.wikipedia.org/wiki/Käse example.com".split(),
    *"bbc.co.uk spiegel.de/foo 163.com".split(),
    *"foo.bar+x@mail.co.uk user@localhost müller@x.de tod@s <b> </b> <br/> <unk> <1> <|end|> <extra_id_0>".split(),
    *"{name} {0} {user.name} {0:.2f} {0,number} {{name}} #{x} %{x} %s %d %.2f %-10s %ld %(name)s %1$s %@".split(),
    *"%PATH% $VAR ${VAR} __PH1__ __de__ &amp; &#39; &#x02bc; @anna @bob@mastodon.social @anna's @राम @小明".split(),
    *"#fun #हिन्दी #2024election #小说 src/foo.py /usr/lib/foo.so /usr/bin/env ~/.bashrc ./run.sh ../x/y.txt".split(),
    *"readme.txt archive.tar.gz Node.js C++ C++11 C# F# .NET ASP.NET 1️⃣ #️⃣ ℹ️ 👩‍💻 👍🏽 🇩🇪 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ❤️ © 🎉".split(),
    "C:\\Users\\anna\\dog.txt",
    "{{ user.name }}",
    "<!-- a comment -->",
    "<a href=\"x y\" title='the dog'>",
]
NASTY = [
    *NO_WORDS,
    *"\u200f\u200e\u2067\u2069\u202b\ufeff\u200b\u200c\u200d\u00ad\u2060\ufe0f\u0301\u3099\x00\x1c",
    *"< > { } % $ # @ & _ __ \\ / // . .. ... ' ’ - -- : :// www. (( %( <a <!-- &# {{".split(),
    *"3.5 1,000 12:30 2021-03-04 ½ Ⅳ ٣٫٥ １２３ 1st XIV +49 50% ( ) [ ] « » “ „ 、 。 ！".split(),
    *"and/or e.g. U.S. Mr.Smith AT&T l'homme geht's İzmir'de می‌خواهم हिन्दी".split(),
    *"我喜欢猫 手机 がか 한국어 ไทย ß ǆ ŉ ﬁ".split(),
    unicodedata.normalize("NFD", "Ümläüt"),
    unicodedata.normalize("NFD", "tiếng"),
    unicodedata.normalize("NFD", "한국어"),
    "\ud800",
]


def texts(language: str) -> st.SearchStrategy[str]:
    """Text rich in the letters of a language, in punctuation, and in characters that break naive code."""
    script = st.text(st.sampled_from(LETTERS[language] + "abc 09.,:;!?-—_\"'«»()。，、\u3000\u00a0\t"))
    fragments = st.lists(st.sampled_from([*NASTY, " ", "", "\u00a0"]), max_size=12).map("".join)
    return st.one_of(script, st.text(), fragments)


@pytest.mark.parametrize("language", LETTERS)
@settings(max_examples=120, deadline=None, derandomize=True)
@given(data=st.data())
def test_split_loses_nothing(language: str, data: st.DataObject) -> None:
    text = data.draw(texts(language))
    segmenter = word_segmenter(language)
    words = segmenter.split(text)
    assert segmenter.join(words) == text
    assert all(word[0].isalnum() and not re.search(r"\s", word) for word in words.words)
    if not words_module._SUSPECT.search(text):
        assert not any(character.isalnum() for gap in words.gaps for character in gap)


@pytest.mark.parametrize("language", ["en", "fr", "zh"])
def test_what_is_no_word_is_none_alone(language: str) -> None:
    segmenter = word_segmenter(language)
    assert [(text, words) for text in NO_WORDS if (words := segmenter.split(f"({text})").words)] == []


@pytest.mark.parametrize("language", LETTERS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_is_no_word_is_never_in_a_word(language: str, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.tuples(st.sampled_from(NO_WORDS), st.sampled_from(["Haus", "(ja)", "猫", "3.5"]))))
    form = data.draw(st.sampled_from(["NFC", "NFD"]))
    pieces = [(unicodedata.normalize(form, piece), ordinary) for piece, ordinary in pieces]
    segmenter = word_segmenter(language)
    words = segmenter.split(" ".join(f"{piece} {ordinary}" for piece, ordinary in pieces))
    assert words.words == tuple(ordinary.strip("()") for _, ordinary in pieces)
    assert segmenter.join(words) == " ".join(f"{piece} {ordinary}" for piece, ordinary in pieces)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "(see https://x.com/y), <a@b.c> [link](https://x.com) — and", "see|link|and"),
        ("en", "<b>bold</b>AT&amp;T", "bold|AT|T"),
        ("en", "3 < 5 and 6 > 4, a<b and c>d, I <3 you", "3|5|and|6|4|a|b|and|c|d|I|3|you"),
        ("en", "Hi{name}, 100% sure: 50%, a{b} {a, b} $5 #1 x_y", "Hi|100|sure|50|a|a|b|5|1|x|y"),
        ("en", "and/or km/h his/her. Then.So ja/nein.Doch", "and|or|km|h|his|her|Then|So|ja|nein|Doch"),
        ("en", "e.g. i.e. U.S.A. Mr.Smith J.R.R. Tolkien, at 5 p.m.", "e.g|i.e|U.S.A|Mr|Smith|J.R.R|Tolkien|at|5|p.m"),
        ("en", "AT&T, R&D; 1st XIV 5% ½ 3/4 1 000", "AT&T|R&D|1st|XIV|5|½|3/4|1|000"),
        ("en", "v1.2.3 10.0.0.1/24 12:30 2021-03-04 1,000.5", "v1.2.3|10.0.0.1/24|12:30|2021-03-04|1,000.5"),
        ("en", "hot🎉dog👍🏽 cat❤️", "hot|dog|cat"),
        ("fr", "« d'accord » aujourd'hui, Aujourd’hui 1'000", "d'|accord|aujourd'hui|Aujourd’hui|1'000"),
        ("de", "Donau\u00addampf z.B. d.h. geht´s 100%ig", "Donau\u00addampf|z.B|d.h|geht´s|100|ig"),
        ("tr", "Ankara'da example.com'da %50'si @anna'nın", "Ankara'da|50'si"),
        ("vi", "Hà Nội", "Hà|Nội"),
        ("he", "\u200fשלום\u200f \u2067abc\u2069 בית־ספר", "שלום|abc|בית־ספר"),
        ("fa", "می‌خواهم نمی‌", "می‌خواهم|نمی"),
        ("ml", "അവന്‍ പറഞ്ഞു", "അവന്‍|പറഞ്ഞു"),
        ("uz", "o‘zbek g`alaba oʻzbek", "o‘zbek|g`alaba|oʻzbek"),
        ("ko", "메일은foo@bar.com으로", "메일은|으로"),
        ("zh", "请看https://a.com/b页面。用C++写3.5个 @小明 #话题#", "请|看|页面|用|写|3.5|个"),
        ("zh", "邮箱foo@bar.com谢谢", "邮箱|谢谢"),
        ("ja", "ＡＢＣ１２３を３．５個、http://a.jp/bを見る", "ＡＢＣ１２３|を|３．５|個|を|見る"),
    ],
)
def test_words_beside_what_is_none(language: str, text: str, expected: str) -> None:
    segmenter = word_segmenter(language)
    assert "|".join(segmenter.split(text).words) == expected
    assert segmenter.join(segmenter.split(text)) == text


HOSTILE = ["a.b/", "a.", "a/", "a+", "<a ", "<!--", "a@", "a://", "{{", "__a", "a\u0301", "a'", "%1"]


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_is_linear_in_the_length_of_hostile_text(unit: str) -> None:
    text = unit * (40_000 // len(unit)) + "@ "
    segmenter = word_segmenter("en")
    start = time.process_time()
    assert segmenter.join(segmenter.split(text)) == text
    assert time.process_time() - start < 5  # seconds; quadratic patterns took minutes, these take 0.3


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("vi", "Tôi thích tiếng Việt, được."),
        ("fr", "L’élève où ça n'est déjà, c'est-à-dire"),
        ("de", "Größe für müller@x.de in grüße/käse.pdf bei #Käse"),
        ("bn", "ভালো মেয়ে"),
        ("ru", "йод ещё"),
        ("el", "Ευχαριστώ πολύ"),
        ("ko", "나는 학교에"),
    ],
)
def test_decomposed_text_has_the_same_words_and_stays_decomposed(language: str, text: str) -> None:
    segmenter = word_segmenter(language)
    decomposed = unicodedata.normalize("NFD", text)
    words = segmenter.split(decomposed)
    assert decomposed != unicodedata.normalize("NFC", text)
    assert segmenter.join(words) == decomposed
    composed = segmenter.split(unicodedata.normalize("NFC", text)).words
    assert tuple(unicodedata.normalize("NFC", word) for word in words.words) == composed
    assert [lower_case(word, language) for word in words.words] == [lower_case(word, language) for word in composed]


@pytest.mark.parametrize(
    ("language", "word", "lower", "upper", "initial"),
    [
        ("en", "istanbul", "istanbul", "ISTANBUL", "Istanbul"),
        ("tr", "istanbul", "istanbul", "İSTANBUL", "İstanbul"),
        ("tr", "ışık", "ışık", "IŞIK", "Işık"),
        ("az", "İCRA", "icra", "İCRA", "İCRA"),
        ("tr", unicodedata.normalize("NFD", "îlan"), "îlan", "ÎLAN", "Îlan"),
        ("hr", "ǆungla", "ǆungla", "ǄUNGLA", "ǅungla"),
        ("nl", "ijs", "ijs", "IJS", "IJs"),
        ("en", "ijs", "ijs", "IJS", "Ijs"),
        ("de", "ßa", "ßa", "SSA", "ßa"),
        ("de", "straße", "straße", "STRASSE", "Straße"),
        ("el", "άνθρωπος", "άνθρωπος", "ΆΝΘΡΩΠΟΣ", "Άνθρωπος"),
        ("el", "ΟΔΟΣ", "οδος", "ΟΔΟΣ", "ΟΔΟΣ"),
        ("ka", "ძაღლი", "ძაღლი", "ძაღლი", "ძაღლი"),
        ("en", "iPhone", "iphone", "IPHONE", "iPhone"),
        ("en", "e-Mail", "e-mail", "E-MAIL", "E-Mail"),
        ("fr", "l'Europe", "l'europe", "L'EUROPE", "L'Europe"),
        ("de", "do\u00adnau", "donau", "DO\u00adNAU", "Do\u00adnau"),
        ("zh", "猫", "猫", "猫", "猫"),
        ("und", "", "", "", ""),
    ],
)
def test_casing_as_the_language_writes_it(language: str, word: str, lower: str, upper: str, initial: str) -> None:
    assert lower_case(word, language) == lower
    assert upper_case(word, language) == upper
    assert capitalised(word, language) == initial


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("en", "Don't don’t DON‘T don´t don`t don＇t"),
        ("uk", "м'ята мʼята М’ята"),
        ("uz", "o'zbek oʻzbek o‘zbek O’zbek"),
        ("he", "ג'ירפה ג׳ירפה ג’ירפה"),
        ("he", 'ארה"ב ארה״ב ארה”ב'),
        ("hy", "ինչու ինչո՞ւ Ինչո՜ւ ինչո՛ւ"),
    ],
)
def test_any_apostrophe_or_mark_makes_the_same_key_and_stays_in_the_text(language: str, forms: str) -> None:
    segmenter = word_segmenter(language)
    words = segmenter.split(forms)
    assert list(words.words) == forms.split()
    assert segmenter.join(words) == forms
    assert len({lower_case(word, language) for word in words.words}) == 1


@settings(derandomize=True)
@given(st.text(), st.sampled_from(["de", "tr", "nl", "ka", "el"]))
def test_lower_case_is_a_key(word: str, language: str) -> None:
    """One more pass changes nothing, and neither does decomposing the word first."""
    key = lower_case(word, language)
    assert lower_case(key, language) == key
    assert lower_case(unicodedata.normalize("NFD", word), language) == key


def test_numbers() -> None:
    numbers = "3 3.5 1,000 12:30 2021-03-04 ½ Ⅳ ② +49 50% ٣٫٥ ٥٠٪ १२ １２３ 3/4 $5 5€ ３．５ 1'000".split()
    assert [word for word in [*numbers, "1 000", "1\u202f000"] if not is_number(word)] == []
    words = "1st 10-jährige 3D XIV 三 v1.2 5kg , % - a 50'si".split()
    assert [word for word in [*words, ""] if is_number(word)] == []


@pytest.mark.parametrize("language", LETTERS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_replaced_words_never_grow_together(language: str, data: st.DataObject) -> None:
    segmenter = word_segmenter(language)
    text = data.draw(texts(language).filter(lambda text: not words_module._SUSPECT.search(text)))
    words = segmenter.split(text)
    joined = segmenter.join(words.replace(["xenon"] * len(words.words)))
    # Gaps hold no letters here, so a letter after a word is the next word, grown to it.
    assert len(re.findall("xenon(?![^\\W_])", joined)) == len(words.words)


@pytest.mark.parametrize("language", SPACED)
@settings(max_examples=30, deadline=None, derandomize=True)
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
        ("he", 'ארה"ב, מנכ”ל של "הארץ" ול"הארץ".', 'ארה"ב|מנכ”ל|של|הארץ|ול|הארץ'),
        ("hy", "Ինչո՞ւ, որտե՞ղ է՞ նա։ Ի՜նչ, լա՛վ։", "Ինչո՞ւ|որտե՞ղ|է|նա|Ի՜նչ|լա՛վ"),
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


UNSPACED = {
    "th": ("ฉันรักภาษาไทย 25 ปี", "ฉั น รั ก ภา ษา ไท ย 25 ปี", "ฉัน รัก ภาษา ไทย 25 ปี"),
    "lo": ("ຂ້ອຍຮັກພາສາລາວ.", "ຂ້ ອ ຍ ຮັ ກ ພາ ສາ ລາ ວ", "ຂ້ອຍ ຮັກ ພາສາ ລາວ"),
    "km": ("ខ្ញុំស្រលាញ់ភាសាខ្មែរ", "ខ្ញុំ ស្រ លា ញ់ ភា សា ខ្មែ រ", "ខ្ញុំ ស្រលាញ់ ភាសាខ្មែរ"),
    "my": ("ကျွန်တော် မြန်မာစာကို ချစ်တယ်", "ကျွန်တော် မြန် မာ စာ ကို ချစ် တယ်", "ကျွန်တော် မြန်မာ စာ ကို ချစ် တယ်"),
}


@pytest.fixture
def fresh_cutters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "icu4py.breakers", None)
    caches = (words_module._cutter, words_module._tell_of_clusters)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.mark.parametrize("language", UNSPACED)
@pytest.mark.usefixtures("fresh_cutters")
def test_scripts_without_a_segmenter(language: str, caplog: pytest.LogCaptureFixture) -> None:
    text, clusters, _ = UNSPACED[language]
    segmenter = word_segmenter(language)
    for _ in range(2):
        assert segmenter.split(text).words == tuple(clusters.split())
    assert segmenter.join(segmenter.split(text)) == text
    (said,) = (record.getMessage() for record in caplog.records)
    assert "no segmenter is at hand" in said and "switchtune[sea]" in said


@pytest.mark.usefixtures("fresh_cutters")
def test_scripts_for_which_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    assert word_segmenter("bo").split("བོད་ཡིག་ནི").words == ("བོད", "ཡིག", "ནི")
    assert "switchtune[sea]" not in caplog.text and "unit: piece" in caplog.text


@pytest.mark.parametrize("language", UNSPACED)
def test_icu_divides_into_words(language: str) -> None:
    pytest.importorskip("icu4py")
    text, _, words = UNSPACED[language]
    segmenter = word_segmenter(language)
    assert segmenter.split(text).words == tuple(words.split())
    assert segmenter.join(segmenter.split(text)) == text


def test_where_no_table_knows_the_script_the_text_tells() -> None:
    assert word_segmenter("qaa").split("one ไทย two").words == ("one", "ไท", "ย", "two")
    assert word_segmenter("hsb").split("Dobry dźeń, swěto!").words == ("Dobry", "dźeń", "swěto")


@given(st.text(alphabet=st.sampled_from("กาเไ่ ຂາເកា្ខម်ြ་བོ12a."), max_size=30))
def test_clusters_lose_nothing(text: str) -> None:
    for language in (*UNSPACED, "bo", "qaa"):
        segmenter = word_segmenter(language)
        assert segmenter.join(segmenter.split(text)) == text


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
    [("zh", "rjieba", "_jieba"), ("ja", "fugashi", "_fugashi"), ("ja", "unidic_lite", "_fugashi")],
)
def test_missing_extra(monkeypatch: pytest.MonkeyPatch, language: str, package: str, maker: str) -> None:
    real_import = builtins.__import__

    def without_package(name: str, *arguments: Any, **options: Any) -> Any:
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real_import(name, *arguments, **options)

    cached: Any = getattr(words_module, maker)
    monkeypatch.setattr(builtins, "__import__", without_package)
    monkeypatch.setitem(words_module._BY_SCRIPT, find_language(language).script, cached.__wrapped__)
    words_module._cutter.cache_clear()
    with pytest.raises(SegmenterError, match=re.escape("pip install 'switchtune[cjk]'")):
        word_segmenter(language)


def test_chinese_is_quiet(tmp_path: Path) -> None:
    script = "from switchtune.corpus.words import word_segmenter; word_segmenter('zh').split('我喜欢猫')"
    # With an empty cache of compiled modules sources are compiled anew, and that is when Python complains of them.
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
@settings(deadline=None, derandomize=True)
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
