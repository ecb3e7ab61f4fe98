"""What holds several corpora: sheets of a spreadsheet, files of an archive."""

import zipfile
from pathlib import Path

import pytest

from switchtune.corpus.columns import CorpusError
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.errors import UsageError
from switchtune.run_dir import claim_file
from tests.corpus.written import write_sheets, write_tmx

PAIRS = [("ja", "yes"), ("nein", "no")]


def read(location: Path | str, folder: Path) -> Corpus:
    return read_corpus(location, "de", "en", cache_dir=folder / "cache")


def pairs(location: Path | str, folder: Path) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in read(location, folder)]


def archive(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return path


# Archives


OPUS = {
    "README": "read",
    "LICENSE": "x",
    "Books.de-en.de": "ja\nnein\n",
    "Books.de-en.en": "yes\nno\n",
    "Books.de-en.xml": "<x/>",
}


def test_moses_pairs_as_opus_has_them(tmp_path: Path) -> None:
    path = archive(tmp_path / "de-en.txt.zip", OPUS)
    corpus = read(path, tmp_path)
    assert [tuple(pair) for pair in corpus] == PAIRS
    assert corpus.reading.format == "parallel text"
    assert corpus.reading.columns == ("Books.de-en.de", "Books.de-en.en")


def test_a_memory_in_an_archive(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    memory = write_tmx(tmp_path / "in", PAIRS)[0].read_text()
    files = {"a/memory.tmx": memory, "notes.txt": "x", "__MACOSX/a/._memory.tmx": "x"}
    assert pairs(archive(tmp_path / "a.zip", files), tmp_path) == PAIRS


def test_several_parts_of_an_archive_can_be_told_apart(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", OPUS | {"x/News.de.txt": "eins\n", "x/News.en.txt": "one\n"})
    with pytest.raises(CorpusError, match=r"several parts .*: 'Books.de-en', 'x/News', .*a.zip#Books.de-en"):
        read(path, tmp_path)
    assert pairs(f"{path}#x/News", tmp_path) == [("eins", "one")]
    with pytest.raises(CorpusError, match=r"no part 'News' in it: 'Books.de-en'"):
        read(f"{path}#News", tmp_path)


def test_archives_that_hold_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no corpus of German and English .* found 'a.fr'"):
        read(archive(tmp_path / "a.zip", {"a.fr": "oui\n"}), tmp_path)
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CorpusError, match=r"b.zip: not a ZIP archive, or damaged"):
        read(tmp_path / "b.zip", tmp_path)


def test_sides_of_unequal_length_in_an_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a.de": "ja\nnein\n", "a.en": "yes\n"})
    with pytest.raises(CorpusError, match=r"a.zip#a.en has 1 lines and .*a.zip#a.de has 2"):
        read(path, tmp_path)


# Spreadsheets


def test_of_two_sheets_the_one_with_the_languages_is_read(tmp_path: Path) -> None:
    (path,) = write_sheets(tmp_path, {"Notes": [("Who", "When"), ("A", "today")], "Terms": [("de", "en"), *PAIRS]})
    corpus = read(path, tmp_path)
    assert [tuple(pair) for pair in corpus] == PAIRS
    assert corpus.reading.notes == ("of 2 sheets, 'Terms' is read",)


def test_two_sheets_that_could_be_meant(tmp_path: Path) -> None:
    (path,) = write_sheets(tmp_path, {"One": [("de", "en"), *PAIRS], "Two": [("de", "en"), ("eins", "one")]})
    with pytest.raises(CorpusError, match=r"pairs.xlsx: 2 sheets hold text, .*: 'One', 'Two'.* pairs.xlsx#One"):
        read(path, tmp_path)
    assert pairs(f"{path}#Two", tmp_path) == [("eins", "one")]
    with pytest.raises(CorpusError, match="no sheet 'Tow'; did you mean 'Two'"):
        read(f"{path}#Tow", tmp_path)


def test_cells_that_are_missing_or_beyond_the_columns(tmp_path: Path) -> None:
    (path,) = write_sheets(tmp_path, {"A": [("de", "en"), ("", "yes"), ("nein", "no"), ("a", "b", "remark")]})
    corpus = read(path, tmp_path)
    assert [tuple(pair) for pair in corpus] == [("nein", "no"), ("a", "b")]
    assert corpus.reading.notes == ("rows with text beyond the columns of the first row, which is left out: 1",)


def test_what_is_no_spreadsheet(tmp_path: Path) -> None:
    archive(tmp_path / "a.xlsx", {"content.xml": "<x/>"})
    with pytest.raises(CorpusError, match=r"a.xlsx: not an .xlsx spreadsheet: it has no part xl/workbook.xml"):
        read(tmp_path / "a.xlsx", tmp_path)


def test_a_part_that_is_read_is_not_written_to(tmp_path: Path) -> None:
    (path,) = write_sheets(tmp_path, {"A": [("de", "en")]})
    with pytest.raises(UsageError, match="this is read"):
        claim_file(path, inputs=[f"{path}#A"], force=True)
