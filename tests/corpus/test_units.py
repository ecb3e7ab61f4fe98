"""Translation memories, bilingual files and term bases: languages by their tags, inline markup, what is refused."""

from pathlib import Path

import pytest

from switchtune.corpus import lines
from switchtune.corpus.columns import CorpusError, Request, TableRows
from switchtune.corpus.read import read_corpus
from switchtune.corpus.units import tag_language, unit_rows
from switchtune.languages import find_language


def opened(path: Path, content: str | bytes, columns: tuple[str, str] | None = None) -> TableRows:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return unit_rows(path, Request(find_language("de"), find_language("en"), columns))


def tmx(*units: str) -> str:
    return f'<tmx version="1.4"><header srclang="*all*"/><body>{"".join(units)}</body></tmx>'


def unit(**texts: str) -> str:
    tuvs = (f'<tuv xml:lang="{tag.replace("_", "-")}"><seg>{text}</seg></tuv>' for tag, text in texts.items())
    return f"<tu>{''.join(tuvs)}</tu>"


def test_inline_tags_go_with_what_is_in_them_but_not_what_they_mark(tmp_path: Path) -> None:
    german = 'Taste <bpt i="1">&lt;b&gt;<sub>Hinweis</sub></bpt><hi>Start</hi><ept i="1">&lt;/b&gt;</ept> &amp; los'
    english = 'Press<ph x="1">&lt;br/&gt;</ph>Start<it pos="begin">{</it> <ph type="lb"/>now<![CDATA[ <go>]]>'
    rows = opened(tmp_path / "a.tmx", tmx(unit(de=german, en=english)))
    assert list(rows.cells) == [("Taste Start & los", "Press Start  now <go>")]
    assert rows.notes == ["TMX 1.4", "texts with inline tags, which are removed: 2"]


@pytest.mark.parametrize("attribute", ["xml:lang", "lang", "XML:LANG", "Lang"])
@pytest.mark.parametrize(("german", "english"), [("de", "en"), ("DE-AT", "EN_us"), ("de_Latn_DE", "eng")])
def test_languages_however_they_are_written(tmp_path: Path, attribute: str, german: str, english: str) -> None:
    tuvs = (f"<tuv {attribute}='{tag}'><seg>{tag}</seg></tuv>" for tag in (english, german))
    rows = opened(tmp_path / "a.tmx", tmx(f"<tu>{''.join(tuvs)}</tu>"))
    assert (rows.columns, list(rows.cells)) == ((german, english), [(german, english)])


@pytest.mark.parametrize(
    ("tag", "code"),
    [("zh-TW", "zh_Hant"), ("zh-HK", "zh_Hant"), ("zh-Hans-CN", "zh"), ("pt-br", "pt"), ("es-419", "es"), ("x-no", "")],
)
def test_tags_by_bcp_47(tag: str, code: str) -> None:
    language = tag_language(tag)
    assert (language.code if language else "") == code


def test_a_memory_of_three_languages(tmp_path: Path) -> None:
    rows = opened(tmp_path / "a.tmx", tmx(unit(fr="un", en="one", de="eins"), unit(fr="deux", en="two"), unit(fr="x")))
    assert list(rows.cells) == [("eins", "one"), ("", "two"), ("", "")]
    assert "other languages, which are left out: fr (3)" in rows.notes


def test_variants_of_a_language_are_all_paired_or_one_is_named(tmp_path: Path) -> None:
    content = tmx(unit(en_US="color", en_GB="colour", de="Farbe"))
    rows = opened(tmp_path / "a.tmx", content)
    assert list(rows.cells) == [("Farbe", "color"), ("Farbe", "colour")]
    assert "units with several texts of a language, each of which is paired: 1" in rows.notes
    named = opened(tmp_path / "a.tmx", content, columns=("DE", "en-gb"))
    assert list(named.cells) == [("Farbe", "colour")]
    assert "other languages, which are left out: en-US (1)" in named.notes


def test_a_memory_without_one_of_the_languages_names_those_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"a.tmx: TMX 1.4 without a text in English .en.\. .*: de .2., fr-CA .1.\. Ask"
    ):
        opened(tmp_path / "a.tmx", tmx(unit(de="eins", fr_CA="un"), unit(de="zwei")))


XLIFF = "<xliff version='1.2'><file source-language='de-DE' target-language='en'><body>{}</body></file></xliff>"


def test_xliff_leaves_out_what_nobody_has_worked_on_and_what_was_only_proposed(tmp_path: Path) -> None:
    units = (
        "<trans-unit id='1'><source>eins</source><target state='needs-review-translation'>one</target></trans-unit>"
        "<trans-unit id='2'><source>zwei</source><target state='new'>zwei</target></trans-unit>"
        "<trans-unit id='3'><source>drei</source><alt-trans><target>three</target></alt-trans></trans-unit>"
    )
    rows = opened(tmp_path / "a.xlf", XLIFF.format(units))
    assert list(rows.cells) == [("eins", "one"), ("zwei", ""), ("drei", "")]
    assert rows.notes == ["XLIFF 1.2", "translations in the state new, which are left out: 1"]


def test_segments_of_a_unit_are_pairs_where_both_sides_mark_them(tmp_path: Path) -> None:
    german = "<mrk mtype='seg' mid='1'>Ja.</mrk> <mrk mtype='seg' mid='2'>Nein <g id='1'>nie</g>.</mrk>"
    english = "<mrk mid='2' mtype='seg'>No.</mrk><mrk mid='1' mtype='seg'>Yes.</mrk>"
    source = f"<source>Ja. Nein nie.</source><seg-source>{german}</seg-source>"
    units = f"<trans-unit>{source}<target>{{}}</target></trans-unit>"
    assert list(opened(tmp_path / "a.xlf", XLIFF.format(units.format(english))).cells) == [
        ("Ja.", "Yes."),
        ("Nein nie.", "No."),
    ]
    assert list(opened(tmp_path / "a.xlf", XLIFF.format(units.format("Yes."))).cells) == [("Ja. Nein nie.", "Yes.")]


TBX = """<martif type="TBX" xml:lang="en"><text><body>
<termEntry id="1"><langSet xml:lang="de"><tig><term>Bank</term></tig><ntig>
<termGrp><term>Geldhaus</term></termGrp></ntig>
<tig><term>Altwort</term><termNote type="administrativeStatus">deprecatedTerm-admn-sts</termNote></tig></langSet>
<langSet xml:lang="en"><tig><term>bank</term>
<termNote type="administrativeStatus">preferredTerm-admn-sts</termNote></tig>
</langSet></termEntry></body></text></martif>"""


def test_terms_of_a_concept_but_those_that_are_not_to_be_used(tmp_path: Path) -> None:
    rows = opened(tmp_path / "a.tbx", TBX)
    assert list(rows.cells) == [("Bank", "bank"), ("Geldhaus", "bank")]
    assert "terms that are not to be used (deprecated or superseded): 1" in rows.notes


def test_a_term_base_of_version_3(tmp_path: Path) -> None:
    term = "<langSec xml:lang='{}'><termSec><term>{}</term>{}</termSec></langSec>".format
    status = "<min:administrativeStatus xmlns:min='m'>supersededTerm-admn-sts</min:administrativeStatus>"
    concepts = (term("de", "ja", "") + term("en", "yes", ""), term("de", "jo", status) + term("en", "yeah", ""))
    body = "".join(f"<conceptEntry>{each}</conceptEntry>" for each in concepts)
    rows = opened(tmp_path / "a.tbx", f"<tbx type='TBX-Min'><text><body>{body}</body></text></tbx>")
    assert list(rows.cells) == [("ja", "yes"), ("", "yeah")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<tmx>\n<body>\n<tu></body></tmx>", "a.tmx:3: not well-formed XML .mismatched tag, column .*not closed"),
        (tmx(unit(de="R&D", en="R&D")).encode(), "a.tmx:1: not well-formed XML .* & is written &amp;"),
        (tmx(unit(de="ja", en="yes")).encode()[:-9], "a.tmx:1: not well-formed XML .*may be cut off"),
        (tmx(unit(de="Grün", en="green")).encode("latin-1"), "a.tmx:1: not well-formed .*in another encoding"),
        (b"<!DOCTYPE tmx [<!ENTITY a 'aaa'><!ENTITY b '&a;&a;'>]><tmx>&b;</tmx>", "a.tmx:1: declares the entity 'a'"),
        (
            b"<!DOCTYPE tmx [\n<!ENTITY x SYSTEM 'file:///etc/passwd'>]><tmx>&x;</tmx>",
            "a.tmx:2: declares the entity 'x'",
        ),
        (b"<!DOCTYPE tmx [<!ENTITY % x SYSTEM 'x.dtd'>%x;]><tmx/>", "declares the entity 'x'"),
        (b"<!DOCTYPE tmx SYSTEM 'x.dtd'><tmx>\n&nbsp;</tmx>", "a.tmx:2: the entity &nbsp; is not declared in the file"),
        (b"<?xml version='1.0' encoding='klingon'?><tmx/>", "a.tmx: declares the encoding 'klingon', which is unknown"),
        (b"<?xml version='1.0' encoding='base64'?><tmx/>", "a.tmx: declares the encoding 'base64', which is unknown"),
        (b"<html><body/></html>", "a.tmx:1: neither TMX, XLIFF nor TBX: the root element is <html>"),
        (b"<tmx version='1.4'/>", "a.tmx: TMX 1.4 without a unit in it"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        list(opened(tmp_path / "a.tmx", content).cells)


def test_giants_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchtune.corpus.units.LONGEST_LINE", 1000)
    with pytest.raises(CorpusError, match=r"a.tmx:1: a text with over"):
        list(opened(tmp_path / "a.tmx", tmx(unit(de="a " * 600, en="b"))).cells)
    monkeypatch.setattr("switchtune.corpus.xml.LONGEST_LINE", 1 << 17)
    with pytest.raises(CorpusError, match=r"a.tmx:1: a tag with over"):
        list(opened(tmp_path / "a.tmx", f'<tmx a="{"x" * (1 << 18)}"/>').cells)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(lines, "HARMLESS", 1 << 16)
    content = gzip.compress(tmx(unit(de="a " * 500_000, en="b")).encode())
    with pytest.raises(CorpusError, match=r"a.tmx.gz: unpacks to over"):
        list(opened(tmp_path / "a.tmx.gz", content).cells)


def test_a_corpus_says_what_its_file_is(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(tmx(unit(de="ja", en="yes"), unit(de="nein")))
    corpus = read_corpus(path, "de", "en", cache_dir=tmp_path / "cache")
    assert [tuple(pair) for pair in corpus] == [("ja", "yes")]
    assert (corpus.reading.notes, corpus.reading.empty) == (("TMX 1.4",), 1)
