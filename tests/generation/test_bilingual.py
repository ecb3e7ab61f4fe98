"""Files that are written back: each slot filled, all else byte for byte as it was, tags and placeholders kept."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.config.training import GenerationSettings
from switchtune.corpus.gettext import po_entries
from switchtune.corpus.read import read_corpus
from switchtune.corpus.tags import PLACEHOLDER, Segment, Tag, lines_of, translated
from switchtune.errors import SwitchtuneError
from switchtune.generation import bilingual
from switchtune.generation.bilingual import document_of, translate_document
from switchtune.generation.files import GrowingFile, TextTranslation
from tests.miniature import GERMAN

XLIFF = """<?xml version="1.0"?>
<!-- as exported -->
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
 <file source-language="en-US" original="x" datatype="html"><body>
  <trans-unit id="1" resname='a'>
    <source>Press <g id="1">Start &amp; <x id="2"/>go</g> now.</source>
  </trans-unit>
  <trans-unit id="2" approved="yes"><source>Done</source><target state="final">Fertig</target></trans-unit>
  <trans-unit id="3" translate="no"><source>CODE</source></trans-unit>
  <trans-unit id="4"><source>One. Two.</source><seg-source><mrk mtype="seg" mid="1">One.</mrk> <mrk mtype="seg" \
mid="2">Two.</mrk></seg-source><target/><alt-trans><target>Eins</target></alt-trans></trans-unit>
 </body></file></xliff>
"""
MACHINE = ' state="needs-review-translation" state-qualifier="mt-suggestion"'
XLIFF_TRANSLATED = (
    XLIFF.replace('datatype="html"', 'datatype="html" target-language="de"')
    .replace(
        "now.</source>",
        f'now.</source>\n    <target{MACHINE}>PRESS <g id="1">START &amp; <x id="2"/>GO</g> NOW.</target>',
    )
    .replace(
        "<target/>",
        f'<target{MACHINE}><mrk mtype="seg" mid="1">ONE.</mrk> <mrk mtype="seg" mid="2">TWO.</mrk></target>',
    )
)
XLIFF_2 = (
    '<xliff version="2.0" srcLang="en" trgLang="de" xmlns="urn:oasis:names:tc:xliff:document:2.0"><file id="f">'
    '<unit id="1"><segment id="s1" state="initial"><source>Hello <pc id="1">big</pc> <ph id="2"/>world</source>'
    "</segment><ignorable><source> </source></ignorable><segment><source>x</source><target>da</target></segment>"
    "</unit></file></xliff>"
)
XLIFF_2_TRANSLATED = XLIFF_2.replace("initial", "translated").replace(
    "world</source>", 'world</source><target>HELLO <pc id="1">BIG</pc> <ph id="2"/>WORLD</target>'
)
TMX = (
    '<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE tmx SYSTEM "tmx14.dtd">\r\n<tmx version="1.4"><body>\r\n'
    '<tu><tuv xml:lang="en-GB"><seg>A <bpt i="1">&lt;b&gt;</bpt>grün<ept i="1">&lt;/b&gt;</ept> house</seg></tuv></tu>'
    '<tu><tuv xml:lang="EN"><seg>two</seg></tuv><tuv xml:lang="de-AT"><seg>zwei</seg></tuv></tu>\r\n'
    "</body></tmx>"
)
TMX_TRANSLATED = TMX.replace(
    "house</seg></tuv>",
    'house</seg></tuv><tuv xml:lang="de" creationtool="switchtune"><seg>A <bpt i="1">&lt;b&gt;</bpt>GRÜN<ept i="1">'
    "&lt;/b&gt;</ept> HOUSE</seg></tuv>\n",
)
PO = r"""# A template
msgid ""
msgstr ""
"Language: \n"
"Content-Type: text/plain; charset=CHARSET\n"

#: a.c:3
#, c-format
msgid "{count} file in\n"
"a \"folder\"\n"
msgid_plural "{count} files"
msgstr[0] ""
msgstr[1] ""

#, fuzzy
msgid "Open"
msgstr "Offen"

msgid "Close"
msgstr "Zu"
#~ msgid "old"
#~ msgstr "alt"
"""
PO_TRANSLATED = (
    PO.replace("Language: ", "Language: de")
    .replace("=CHARSET", "=UTF-8")
    .replace("#, c-format", "#, fuzzy, c-format")
    .replace('msgstr[0] ""', 'msgstr[0] "{count} FILE IN\\nA \\"FOLDER\\"\\n"')
    .replace('msgstr[1] ""', 'msgstr[1] "{count} FILES"')
)


def shouted(line: str) -> str:
    """A translation that leaves placeholders as they are."""
    parts, marks = PLACEHOLDER.split(line), PLACEHOLDER.findall(line)
    return "".join(part.upper() + mark for part, mark in zip(parts, [*marks, ""], strict=True))


class Shouting(TextTranslation):
    """Capital letters in place of a model."""

    def windows(self, lines_before: int = 0):  # type: ignore[no-untyped-def]
        if lines := list(self.lines())[lines_before:]:
            yield list(map(shouted, lines))

    @property
    def fingerprint(self) -> str:
        return self.text.read_text(encoding="utf-8")


def written(path: Path, out: Path, *, everything: bool = False, force: bool = False) -> list[str]:
    """What people are told of a file that is translated from English into German."""
    told = list[str]()
    document = document_of(path, "en", "de", everything=everything)
    translation = Shouting(
        "model", path, "en", "de", None, None, False, lambda lines: (list(lines), GenerationSettings())
    )
    translate_document(document, out, translation, resume=False, force=force, tell=told.append)
    return told


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.xlf", XLIFF, XLIFF_TRANSLATED),
        ("a.xliff", XLIFF_2, XLIFF_2_TRANSLATED),
        *(
            ("a.tmx", TMX.format(encoding=encoding), TMX_TRANSLATED.format(encoding=encoding))
            for encoding in ("utf-8", "utf-16", "iso-8859-1")
        ),
        ("a.pot", PO, PO_TRANSLATED),
    ],
)
def test_what_has_no_translation_gets_one_and_all_else_stays(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    encoding = next((e for e in ("utf-16", "iso-8859-1") if e in content), "utf-8")
    (tmp_path / name).write_bytes(content.encode(encoding))
    told = written(tmp_path / name, tmp_path / f"out-{name}")
    assert (tmp_path / f"out-{name}").read_bytes().decode(encoding) == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"out-{name}"]
    assert "texts translated: 2" in told or "texts translated: 1" in told
    again = written(tmp_path / f"out-{name}", tmp_path / f"again-{name}")
    assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / f"out-{name}").read_bytes()
    assert not any(note.startswith("texts translated") for note in again)


def test_what_is_empty_or_crosses_stays_well_formed(tmp_path: Path) -> None:
    source = (
        "<source>a</source><seg-source><g id='0'><mrk mtype='seg' mid='1'/> <mrk mtype='seg' mid='2'>see "
        "<bpt id='1'/>the <g id='3'>red<ept id='1'/> house</g> <g id='4'/>now</mrk></g></seg-source>"
    )
    (tmp_path / "a.xlf").write_text(
        f"<xliff><file source-language='en'><trans-unit>{source}</trans-unit></file></xliff>"
    )
    written(tmp_path / "a.xlf", tmp_path / "b.xlf")
    target = ElementTree.parse(tmp_path / "b.xlf").getroot().find(".//target")
    assert target is not None
    names = sorted(f"{element.tag} {element.get('mid') or element.get('id')}" for element in target.iter())
    assert names == ["bpt 1", "ept 1", "g 0", "g 3", "g 4", "mrk 1", "mrk 2", "target None"]
    assert "".join(target.itertext()) == " SEE THE RED HOUSE NOW"


def test_all_texts_are_translated_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.xlf").write_text(XLIFF)
    written(tmp_path / "a.xlf", tmp_path / "b.xlf", everything=True)
    made = (tmp_path / "b.xlf").read_text()
    assert f'<trans-unit id="2" approved="no"><source>Done</source><target{MACHINE}>DONE</target>' in made
    assert "<source>CODE</source></trans-unit>" in made
    (tmp_path / "a.po").write_text(PO)
    told = written(tmp_path / "a.po", tmp_path / "b.po", everything=True)
    entries, obsolete = po_entries((tmp_path / "b.po").read_text(), tmp_path / "b.po")
    assert [entry.translations for entry in entries[2:]] == [["OPEN"], ["CLOSE"]]
    assert all("fuzzy" in entry.flags for entry in entries[1:])
    assert obsolete == 1
    assert "of them with plural forms: 1" in told


def test_fuzzy_entries_are_counted_and_stay(tmp_path: Path) -> None:
    (tmp_path / "a.po").write_text(PO)
    assert "fuzzy entries, which stay: 1" in written(tmp_path / "a.po", tmp_path / "b.po")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlf", XLIFF.replace("en-US", "fr"), "a.xlf:4: the source-language is fr; English .en. is asked for"),
        ("a.xliff", XLIFF_2.replace('trgLang="de"', 'trgLang="it"'), "a.xliff:1: the trgLang is it; German"),
        ("a.po", PO.replace("Language: ", "Language: fr"), "a.po:4: the header's Language is fr; German .de. is asked"),
        ("a.tmx", "<tmx><body><tu></body></tmx>", "a.tmx:1: not well-formed XML .mismatched tag"),
        ("a.xlf", "<html/>", "a.xlf:1: <html>, where <tmx> or <xliff> is expected"),
    ],
)
def test_what_cannot_be_written_back_is_refused_before_anything_is_translated(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SwitchtuneError, match=message):
        written(tmp_path / name, tmp_path / f"out-{name}")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_translation_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlf").write_text(XLIFF)
    whole = bilingual._write

    def stopped(*_: object, **__: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(bilingual, "_write", stopped)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "a.xlf", tmp_path / "b.xlf")
    assert not (tmp_path / "b.xlf").exists()
    monkeypatch.setattr(bilingual, "_write", whole)
    document = document_of(tmp_path / "a.xlf", "en", "de", everything=False)
    translation = TextTranslation(
        "none", tmp_path, "en", "de", None, None, False, lambda lines: ([], GenerationSettings())
    )
    told = list[str]()
    translate_document(document, tmp_path / "b.xlf", translation, resume=True, force=False, tell=told.append)
    assert (tmp_path / "b.xlf").read_text() == XLIFF_TRANSLATED
    assert any("nothing to resume" in note for note in told)
    assert not GrowingFile(tmp_path / ".b.xlf.translations").path.exists()


# Tags and placeholders


def render(segment: Segment, translate: Callable[[str], str]) -> tuple[str, Counter[str]]:
    counts = Counter[str]()
    lines = iter([translate(line) for line in lines_of(segment)])
    result = translated(segment, lines, str, counts)
    assert next(lines, None) is None
    return result, counts


def test_a_pair_goes_round_the_translation_of_what_it_holds() -> None:
    segment = Segment("Click Save to keep it.", (Tag(6, "<b>", 1), Tag(10, "</b>", 1)))
    german = {"Click Save to keep it.": "Zum Behalten auf Sichern klicken.", "Save": "Sichern"}
    result, counts = render(segment, german.__getitem__)
    assert result == "Zum Behalten auf <b>Sichern</b> klicken."
    assert not +counts


def test_two_pairs_change_places_with_the_words_that_they_hold() -> None:
    tags = (Tag(0, "<a>", 1), Tag(3, "</a>", 1), Tag(4, "<b>", 2), Tag(9, "</b>", 2))
    german = {"red house now": "nun Haus rot", "red": "rot", "house": "Haus"}
    assert render(Segment("red house now", tags), german.__getitem__)[0] == "nun <b>Haus</b> <a>rot</a>"


def test_tags_round_a_line_stay_round_it_whatever_its_translation() -> None:
    segment = Segment(" one\n two ", (Tag(1, "<i>", 1), Tag(4, "</i>", 1), Tag(6, "<x/>"), Tag(9, "<y/>")))
    assert render(segment, lambda line: "EINS ZWEI DREI")[0] == " <i>EINS ZWEI DREI</i>\n <x/>EINS ZWEI DREI<y/> "


def test_no_tag_stands_within_a_placeholder_an_address_or_a_number() -> None:
    source, chinese = "See it at https://a.example/b please", "见https://a.example/b"
    for place in range(1, len(source)):  # without a space, a tag may stand anywhere
        result, _ = render(Segment(source, (Tag(place, "<x/>"),)), lambda line: chinese)
        assert "https://a.example/b" in result
    result, counts = render(Segment("%d files", (Tag(4, "<x/>"),)), lambda line: "共%d个")
    assert result.replace("<x/>", "") == "共%d个" and "%d" in result
    assert "sentences translated in parts, because placeholders were lost" not in counts
    within = Segment("The file here https://a.example/file/b", (Tag(4, "<b>", 1), Tag(8, "</b>", 1)))
    told = {"The file here https://a.example/file/b": "https://a.example/file/b: die file", "file": "file"}
    assert render(within, told.__getitem__)[0] == "https://a.example/file/b: die <b>file</b>"


def test_a_sentence_whose_placeholders_were_lost_is_translated_in_parts() -> None:
    segment = Segment("You have %d new messages, {name}.")
    result, counts = render(segment, lambda line: PLACEHOLDER.sub("", line).upper())
    assert result == "YOU HAVE %d NEW MESSAGES, {name}."
    assert counts["sentences translated in parts, because placeholders were lost"] == 1


@pytest.mark.parametrize("text", ["%s", "12.5 %", "{0}: %1$s", "***"])
def test_what_has_no_words_is_not_translated(text: str) -> None:
    assert lines_of(Segment(text)) == []
    assert render(Segment(text), str.upper)[0] == text


@pytest.mark.parametrize("text", ["100% sure", "5 % discount", "a < b > c", "R&D; b"])
def test_what_is_no_placeholder(text: str) -> None:
    assert PLACEHOLDER.findall(text.replace("R&D; b", "R & D")) == []


@st.composite
def tagged(draw: st.DrawFn) -> Segment:
    """A text with tags that are nested as XML has them."""
    text, tags, numbers = "", list[Tag](), [0]

    def content(depth: int) -> None:
        nonlocal text
        for _ in range(draw(st.integers(0, 3))):
            text += draw(st.text(st.sampled_from("ab c\nd."), max_size=8))
            numbers[0] += 1
            number = numbers[0]
            if depth and draw(st.booleans()):
                tags.append(Tag(len(text), f'<p id="{number}">', number))
                content(depth - 1)
                tags.append(Tag(len(text), "</p>", number))
            else:
                tags.append(Tag(len(text), f'<x id="{number}"/>'))
        text += draw(st.text(st.sampled_from("ab c\nd."), max_size=8))

    content(2)
    return Segment(text, tuple(tags))


@given(segment=tagged(), data=st.data())
def test_every_tag_is_kept_and_pairs_stay_nested(segment: Segment, data: st.DataObject) -> None:
    words = st.text(st.sampled_from("ab cde."), max_size=20)
    result, _ = render(segment, lambda line: data.draw(st.sampled_from([line, line[::-1], data.draw(words)])))
    root = ElementTree.fromstring(f"<r>{result}</r>")
    found = sorted(element.get("id") or "" for element in root.iter() if element is not root)
    assert found == sorted(tag.markup.split('"')[1] for tag in segment.tags if '"' in tag.markup)
    assert result.count("\n") == segment.text.count("\n")


# The command line


@pytest.mark.slow
def test_the_verb_writes_a_file_back_by_a_model(model: Path, tmp_path: Path) -> None:
    units = "".join(
        f'<trans-unit id="{number}"><source><g id="1">{sentence}</g></source></trans-unit>'
        for number, sentence in enumerate(GERMAN[:4])
    )
    path, out = tmp_path / "a.xlf", tmp_path / "b.xlf"
    path.write_text(
        '<xliff version="1.2"><file source-language="de" target-language="en" original="a"><body>'
        f"{units}</body></file></xliff>",
        encoding="utf-8",
    )

    def run(*words: object) -> str:
        done = CliRunner().invoke(app, ["translate", str(model), *map(str, words)], catch_exceptions=True)
        return str(done.exception) if done.exit_code else done.output

    direction = ("--from", "de", "--to", "en")
    assert "texts translated: 4" in run(path, *direction, "--out", out)
    pairs = list(read_corpus(out, "de", "en", cache_dir=tmp_path / "cache"))
    (tmp_path / "text.de").write_text("".join(f"{sentence}\n" for sentence in GERMAN[:4]), encoding="utf-8")
    assert [pair.target for pair in pairs] == run(tmp_path / "text.de", *direction).splitlines()
    assert out.read_text(encoding="utf-8").count('<g id="1">') == 8
    # What is to be kept is, beside inline tags, and terms are put in.
    tokens = ("{name}", "<b>", "https://a.example/b", "12.5", "</b>")
    marked = " ".join(tokens).replace("<", "&lt;").replace("b 12", 'b<x id="2"/> 12')
    path.write_text(path.read_text(encoding="utf-8").replace("Ein Hund", f"Ein {marked} Hund"), encoding="utf-8")
    (tmp_path / "terms.tsv").write_text("Hund\tdog\n", encoding="utf-8")
    kinds = [word for kind in ("tags", "placeholders", "urls", "numbers") for word in ("--keep", kind)]
    said = run(path, *direction, *kinds, "--glossary", tmp_path / "terms.tsv", "--out", tmp_path / "kept.xlf")
    assert "1 of 1 terms were found" in said
    target = ElementTree.parse(tmp_path / "kept.xlf").getroot().find(".//target")
    assert target is not None
    assert sorted(element.tag for element in target.iter()) == ["g", "target", "x"]
    text = "".join(target.itertext())
    assert [text.count(token) for token in tokens] == [1] * len(tokens)
    assert "the file already exists" in run(path, *direction, "--out", out)
    assert "name the new file with --out" in run(path, *direction)
    assert "holds no translations" in run(tmp_path / "text.de", *direction, "--all")
