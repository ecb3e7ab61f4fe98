"""Catalogs of gettext: beside the manual's rules, the readings of Python's own gettext."""

import gettext
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.corpus.columns import CorpusError, Request, TableRows
from switchtune.corpus.gettext import catalog_rows, mo_entries, po_entries, quoted, unquoted
from switchtune.errors import SwitchtuneError
from switchtune.languages import find_language
from tests.corpus.written import mo_file

PO = r"""# Somebody's
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Language: de_AT\n"

#, c-format
msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"

#, fuzzy, c-format
#| msgid "Opened"
msgid "Open"
msgstr "Geöffnet"
msgctxt "menu"
msgid "Close\t\"all\"\n"
msgstr ""
"Alles"
" schlie\303\237en"

#~ msgid "old"
#~ msgstr "alt"
"""


def opened(path: Path, content: str | bytes, source: str = "en", target: str = "de") -> TableRows:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return catalog_rows(path, Request(find_language(source), find_language(target), None))


def test_plural_forms_and_fuzzy_entries_are_counted(tmp_path: Path) -> None:
    rows = opened(tmp_path / "a.po", PO)
    assert list(rows.cells) == [
        ("%d file", "%d Datei"),
        ("%d files", "%d Dateien"),
        ("Open", ""),
        ('Close\t"all"\n', "Alles schließen"),
    ]
    assert sorted(rows.notes) == [
        "entries with plural forms, of which singular and last form are read: 1",
        "fuzzy entries, whose translations are left out: 1",
        "obsolete entries, which are left out: 1",
        "the header says that translations are in German",
    ]


def test_the_header_decides_the_direction(tmp_path: Path) -> None:
    assert next(iter(opened(tmp_path / "a.po", PO, "de", "en").cells)) == ("%d Datei", "%d file")
    with pytest.raises(CorpusError, match=r"a.po: translates to de_AT, as the header's Language says; Turkish"):
        opened(tmp_path / "a.po", PO, "tr", "en")
    rows = opened(tmp_path / "a.po", PO.replace("Language: de_AT", "X: y"))
    assert rows.notes[-1].startswith("the header names no language")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('msgid "a"\nmsgstr "b\n', "a.po:2: msgid, msgstr, a string or a comment is expected"),
        ('msgid "a"\n"b" c"\nmsgstr ""\n', "a.po:2: a string in double quotes is expected"),
        ('msgid "a\\q"\nmsgstr ""\n', r"a.po:1: \\q means nothing"),
        ('"a"\n', "a.po:1: a string without a keyword"),
        ('\nmsgid "a"\n', "a.po:2: an entry of msgid; msgid and msgstr"),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr "c"\n', "a.po:1: an entry of msgid, msgid_plural, msgstr;"),
        ('msgid "a"\nmsgstr "b"\nmsgstr "c"\n', "a.po:3: a second msgstr"),
        ("hello\n", "a.po:1: msgid, msgstr, a string or a comment is expected, found 'hello'"),
    ],
)
def test_lines_that_are_no_catalog(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        opened(tmp_path / "a.po", content)


def test_the_encoding_is_that_of_the_header(tmp_path: Path) -> None:
    content = PO.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    assert ('Close\t"all"\n', "Alles schließen") in list(opened(tmp_path / "a.po", content).cells)
    with pytest.raises(CorpusError, match=r"a.po:16: not UTF-8"):
        opened(tmp_path / "a.po", PO.encode("latin-1"))


MESSAGES = st.dictionaries(
    st.text(st.characters(exclude_characters="\0\x04", exclude_categories=["Cs"]), min_size=1, max_size=9),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9),
    max_size=6,
)


@given(messages=MESSAGES)
def test_compiled_catalogs_as_python_reads_them(messages: dict[str, str]) -> None:
    header = ("", "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n")
    content = mo_file([header, ("one\0many", "eins\0viele"), ("at\x04key", "value"), *messages.items()])
    theirs = gettext.GNUTranslations(BytesIO(content))
    entries = mo_entries(content, Path("a.mo"))
    assert len(entries) == len(messages) + 3
    for entry in entries:
        if entry.plural is not None:
            assert [theirs.ngettext(entry.message, entry.plural, n) for n in (1, 2)] == entry.translations
        elif entry.context is not None:
            assert theirs.pgettext(entry.context, entry.message) == entry.translations[0]
        elif entry.message:
            assert theirs.gettext(entry.message) == entry.translations[0]


def test_a_damaged_compiled_catalog(tmp_path: Path) -> None:
    for content in (b"", b"\xde\x12\x04\x95", mo_file([("a", "b"), ("c", "d")])[:-9], b"PK\x03\x04" * 9):
        (tmp_path / "a.mo").write_bytes(content)
        with pytest.raises(SwitchtuneError, match=r"a.mo: "):
            catalog_rows(tmp_path / "a.mo", Request(find_language("en"), find_language("de"), None))


@given(text=st.text())
def test_strings_survive_quoting(text: str) -> None:
    assert unquoted(quoted(text), "a:1") == text
    assert "\n" not in quoted(text)


@given(pairs=st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5))
def test_catalogs_survive_writing(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f'msgctxt "{n}"\nmsgid {quoted(m)}\nmsgstr {quoted(t)}\n' for n, (m, t) in enumerate(pairs))
    entries, _ = po_entries(text, Path("a.po"))
    assert [(entry.message, entry.translations[0]) for entry in entries] == pairs
