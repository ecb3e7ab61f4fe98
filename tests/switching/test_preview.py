"""Switched sentences as people see them."""

import io
from pathlib import Path

import pytest

from switchtune.errors import SwitchtuneError
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.switching.preview import as_tsv, coloured, read_text, switched_lines, text_switcher


def lexicon(source: str, target: str, pairs: dict[str, str]) -> Lexicon:
    entries = {word.lower(): Entry(word, 1, (Translation(other, 1.0, 1),)) for word, other in pairs.items()}
    return Lexicon(source, target, "test", "none", "word", entries)


def test_the_coloured_view_shows_what_is_written() -> None:
    """Chinese has no spaces, the English words that come in need them."""
    pairs = {"我": "I", "喜欢": "like", "猫": "cats"}
    switcher = text_switcher(
        lexicon("zh", "en", pairs), "zh", pieces=None, source="lexicon", rate=1.0, mean_span=3.5, seed=1
    )
    (line,) = switched_lines(["我喜欢猫。"], switcher, seed=1, epoch=0)
    assert line.switched_text == "I like cats。"
    original, switched = coloured(line).plain.splitlines()
    assert original.strip() == "1 我喜欢猫。"
    assert switched.strip() == "↔ I like cats。"


def test_replaced_words_are_coloured_and_others_are_not() -> None:
    switcher = text_switcher(
        lexicon("de", "en", {"Hund": "dog"}), "de", pieces=None, source="lexicon", rate=1.0, mean_span=3.5, seed=1
    )
    (line,) = switched_lines(["Ein Hund bellt."], switcher, seed=1, epoch=0)
    text = coloured(line)
    spans = {text.plain[span.start : span.end]: span.style for span in text.spans if "dim" not in str(span.style)}
    assert spans == {"Hund": "red", "dog": "bold green"}
    assert as_tsv(line) == "Ein Hund bellt.\tEin dog bellt."


def test_the_first_word_is_capitalised_as_the_lexicon_s_other_language_does() -> None:
    switcher = text_switcher(
        lexicon("en", "tr", {"work": "iş"}), "en", pieces=None, source="lexicon", rate=1.0, mean_span=3.5, seed=1
    )
    lines = switched_lines(["Work is work."], switcher, seed=1, epoch=0)
    assert [line.switched_text for line in lines] == ["İş is iş."]


def test_standard_input_and_files_are_read_alike(tmp_path: Path) -> None:
    content = "\ufeffEin Hund\r\nund\u2028noch \ufeffeiner\n\nEnde".encode()
    (tmp_path / "text.txt").write_bytes(content)
    lines = ["Ein Hund", "und\u2028noch \ufeffeiner", "", "Ende"]
    assert list(read_text(Path("-"), io.BytesIO(content))) == lines
    assert list(read_text(tmp_path / "text.txt", io.BytesIO())) == lines


def test_a_line_of_megabytes_on_standard_input_is_refused_before_it_is_read() -> None:
    stream = io.BytesIO(b"gut\n" + bytes(1 << 24))
    with pytest.raises(SwitchtuneError, match="standard input:2: the line has over 4,194,304 bytes"):
        list(read_text(Path("-"), stream))
    assert stream.tell() < 1 << 23


def test_files_are_read_as_they_are_used(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(b"gut\n\xff\n")
    assert next(read_text(tmp_path / "text.txt", io.BytesIO())) == "gut"


def test_standard_input_that_is_not_utf8_is_refused_with_its_line() -> None:
    with pytest.raises(SwitchtuneError, match="standard input:2: not UTF-8"):
        list(read_text(Path("-"), io.BytesIO(b"gut\nGr\xf6\xdfe\n")))
