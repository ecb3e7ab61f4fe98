"""What is typed: its language, and how much of it a model reads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchtune.corpus.documents import with_end_marks
from switchtune.corpus.words import word_segmenter
from switchtune.demo.typed import likeliest_of, read_part, unread
from tests.miniature import ENGLISH, GERMAN, miniature


@pytest.mark.parametrize(
    ("text", "languages", "found"),
    [
        (GERMAN[1], ["de", "en"], "de"),
        (ENGLISH[1], ["de", "en"], "en"),
        ("BBC: يركض كلب عبر المرج", ["en", "ar"], "ar"),
        ("کتاب‌ها روی میز هستند و من آن‌ها را می‌خوانم.", ["fa", "ar", "en"], "fa"),
        ("犬が草原を走っている。", ["zh", "ja"], "ja"),
        ("สุนัขวิ่งข้ามทุ่งหญ้า 🐕", ["th", "en"], "th"),
        ("犬が草原を走っている。", ["de", "en"], None),
        ("🐕 123 …", ["de", "en"], None),
        (GERMAN[1], ["de", "hsb"], None),  # the identifier does not know Upper Sorbian
        ("שלום עולם", ["hsb", "he"], "he"),
    ],
)
def test_a_language_is_told_among_some(text: str, languages: list[str], found: str | None) -> None:
    assert likeliest_of(text, languages) == found


def test_of_a_document_the_words_beyond_the_last_are_not_read() -> None:
    text = "Ein Hund läuft über die Wiese. Er bellt laut. Dann schläft er."
    marked, cut = with_end_marks(text, "de", word_segmenter("de"), 8)
    assert cut
    assert unread(text, marked) == "laut. Dann schläft er."


def test_a_model_without_an_end_of_its_positions_reads_all() -> None:
    text = " ".join(GERMAN * 20)
    assert read_part(text, miniature("mt5").layout, ("de", "en")) == text
    assert unread(text, text) == ""


@settings(max_examples=10)
@given(st.text(max_size=200))
def test_a_model_reads_as_much_as_it_has_positions_for(text: str) -> None:
    layout, languages = miniature().layout, ("de", "en")
    read = read_part(text, layout, languages)
    assert text.startswith(read)
    assert layout.positions is not None
    assert len(layout.encode_source(read, *languages)) <= layout.positions
    if read != text:
        assert len(layout.encode_source(text, *languages)) > layout.positions
