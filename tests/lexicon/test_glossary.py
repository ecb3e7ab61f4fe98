"""Glossaries as dictionaries."""

import logging
from pathlib import Path

import pytest

from switchtune.corpus.columns import CorpusError
from switchtune.errors import UsageError
from switchtune.lexicon.glossary import read_dictionary, read_dictionary_into
from switchtune.lexicon.records import Lexicon, LexiconError
from tests.corpus.test_units import TBX
from tests.corpus.written import write_sheets

TERMS = [("Bank", "bank"), ("Haus", "house"), ("Bank", "bench"), ("leer", "")]


def translations(lexicon: Lexicon) -> dict[str, list[str]]:
    return {entry.word: [link.word for link in entry.translations] for entry in lexicon.entries.values()}


EXPECTED = {"Bank": ["bank", "bench"], "Haus": ["house"]}


def test_a_glossary_that_contradicts_itself_is_used_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "terms.csv"
    path.write_text("Deutsch;Englisch\n".replace("Deutsch;Englisch", "de;en") + "".join(f"{s};{t}\n" for s, t in TERMS))
    with caplog.at_level(logging.INFO):
        lexicon = read_dictionary(str(path), ("de", "en"))
    assert translations(lexicon) == EXPECTED
    assert "1 of 2 terms have more than one translation" in caplog.text
    assert "each is used as often as the others: 'Bank': 'bank', 'bench'." in caplog.text
    assert "rows with only one term, left out: 1: 'leer' (pair 4)" in caplog.text
    assert translations(read_dictionary(str(path), ("en", "de"))) == {
        "bank": ["Bank"],
        "house": ["Haus"],
        "bench": ["Bank"],
    }


def test_edits_beside_a_glossary_settle_a_contradiction(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (path,) = write_sheets(tmp_path, {"Terms": [("de", "en"), *TERMS], "More": [("de", "en"), ("ja", "yes")]})
    (tmp_path / "pairs.edits.tsv").write_text("Bank\tbench\t-\n")
    with caplog.at_level(logging.INFO):
        lexicon = read_dictionary(f"{path}#Terms", ("de", "en"))
    assert translations(lexicon) == {"Bank": ["bank"], "Haus": ["house"]}
    assert "more than one translation" not in caplog.text


def test_term_bases_and_lexicon_files(tmp_path: Path) -> None:
    (tmp_path / "a.tbx").write_text(TBX)
    assert translations(read_dictionary(str(tmp_path / "a.tbx"), ("de", "en"))) == {
        "Bank": ["bank"],
        "Geldhaus": ["bank"],
    }
    (tmp_path / "a.txt").write_text("ja yes\n")
    assert translations(read_dictionary(str(tmp_path / "a.txt"), ("de", "en"))) == {"ja": ["yes"]}


def test_glossaries_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.tbx").write_text(TBX)
    with pytest.raises(CorpusError, match=r"without a text in Turkish .*: de .2., en .1."):
        read_dictionary(str(tmp_path / "a.tbx"), ("de", "tr"))
    (tmp_path / "a.csv").write_text("de,en\nja,\n")
    with pytest.raises(LexiconError, match=r"a.csv: no pair of terms in German and English"):
        read_dictionary(str(tmp_path / "a.csv"), ("de", "en"))


def test_a_glossary_for_one_text_is_told_the_other_language(tmp_path: Path) -> None:
    path = tmp_path / "a.tbx"
    path.write_text(TBX)
    lexicon = read_dictionary_into(str(path), "German", "eng")
    assert translations(lexicon) == {"Bank": ["bank"], "Geldhaus": ["bank"]}
    assert (lexicon.source_language, lexicon.target_language) == ("de", "en")
    with pytest.raises(UsageError, match=r"a.tbx: .*many languages: name .* by --to"):
        read_dictionary_into(str(path), "de", None)
    with pytest.raises(UsageError, match=r"--to deu: the language of the text itself"):
        read_dictionary_into(str(path), "de", "deu")


def test_a_lexicon_file_tells_its_languages_itself(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ja yes\n")
    assert read_dictionary_into(str(tmp_path / "a.txt"), "de", None).target_language == "und"
    assert read_dictionary_into(str(tmp_path / "a.txt"), "de", "English").target_language == "en"
    (tmp_path / "a.de-en.tsv").write_text("ja\tyes\n")
    assert read_dictionary_into(str(tmp_path / "a.de-en.tsv"), "de", "en").target_language == "en"
    with pytest.raises(UsageError, match=r"--to tr: .*a.de-en.tsv translates from 'de' to 'en'"):
        read_dictionary_into(str(tmp_path / "a.de-en.tsv"), "de", "tr")
