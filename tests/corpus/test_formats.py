"""File formats: every one gives the same rows, and what is wrong is refused with file and line."""

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from switchtune.corpus import lines
from switchtune.corpus.columns import Request
from switchtune.corpus.formats import PARALLEL_TEXT, SUFFIXES, open_rows
from switchtune.corpus.lines import LONGEST_LINE, plain
from switchtune.errors import SwitchtuneError
from switchtune.languages import find_language
from tests.corpus.packed import COMPRESS, compress
from tests.corpus.written import mo_file, write_json_array, write_po, write_tmx, write_xliff, write_xliff_2, write_xlsx

PAIRS = [
    ("Das Haus ist klein.", "The house is small."),
    ('Er sagte: "ja", oder?', 'He said, "yes", or?'),
    ("Zeile\u2028mit\x0bTrennern\x85darin", "line with\x1cseparators"),
    ("Grüße — 東京 🎉", "Greetings"),
]


DE_EN = Request(find_language("de"), find_language("en"), None)


def rows(*paths: Path, columns: tuple[str, str] | None = None) -> list[tuple[str, str]]:
    """What German-English files hold: two files of parallel text, or one whose ending tells its format."""
    name = PARALLEL_TEXT if len(paths) == 2 else SUFFIXES[plain(paths[0]).suffix]
    return list(open_rows(name, paths, Request(find_language("de"), find_language("en"), columns)).cells)


def refused(*paths: Path, match: str, columns: tuple[str, str] | None = None) -> None:
    with pytest.raises(SwitchtuneError, match=match):
        rows(*paths, columns=columns)


def write_text(folder: Path, pairs: Sequence[tuple[str, str]], end: str = "\n") -> tuple[Path, ...]:
    paths = folder / "train.de", folder / "train.en"
    for path, sentences in zip(paths, zip(*pairs, strict=True), strict=True):
        path.write_bytes("".join(sentence + end for sentence in sentences).encode())
    return paths


def write_tsv(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[Path, ...]:
    path = folder / "pairs.tsv"
    path.write_bytes("".join(f"{source}\t{target}\n" for source, target in pairs).encode())
    return (path,)


def write_tsv_header(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[Path, ...]:
    path = folder / "pairs.tsv"
    path.write_bytes(("id\teng_Latn\tGerman\n" + "".join(f"7\t{t}\t{s}\n" for s, t in pairs)).encode())
    return (path,)


def write_csv(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[Path, ...]:
    path = folder / "pairs.csv"
    table = pa.table({"en": [target for _, target in pairs], "de": [source for source, _ in pairs]})
    arrow_csv.write_csv(table, path)
    return (path,)


def write_jsonl(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[Path, ...]:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps({"id": 1, "src": s, "tgt": t}) + "\n" for s, t in pairs), encoding="utf-8")
    return (path,)


def write_jsonl_nested(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[Path, ...]:
    path = folder / "pairs.jsonl"
    records = ({"translation": {"de": source, "en": target}} for source, target in pairs)
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return (path,)


def write_parquet(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[Path, ...]:
    path = folder / "pairs.parquet"
    sides = {"de_DE": pa.array([s for s, _ in pairs], pa.large_string()), "en_XX": pa.array([t for _, t in pairs])}
    parquet.write_table(pa.table({**sides, "id": range(len(pairs))}), path)
    return (path,)


def write_parquet_nested(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[Path, ...]:
    path = folder / "pairs.parquet"
    column = pa.array([{"de": source, "en": target} for source, target in pairs])
    parquet.write_table(pa.table({"translation": column}), path)
    return (path,)


WRITERS = [
    write_text,
    write_tsv,
    write_tsv_header,
    write_csv,
    write_jsonl,
    write_jsonl_nested,
    write_parquet,
    write_parquet_nested,
    write_json_array,
    write_xlsx,
    write_po,
]
XML_WRITERS = [write_tmx, write_xliff, write_xliff_2]
Writer = Callable[..., tuple[Path, ...]]


# What is read


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_gives_the_same_pairs(tmp_path: Path, write: Writer) -> None:
    assert rows(*write(tmp_path, PAIRS)) == PAIRS


@pytest.mark.parametrize("write", XML_WRITERS)
def test_every_format_of_xml_gives_the_same_pairs(tmp_path: Path, write: Writer) -> None:
    pairs = [pair for pair in PAIRS if pair[0][0] != "Z"]  # control characters cannot stand in XML
    assert rows(*write(tmp_path, pairs)) == pairs


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("write", [write_text, write_tsv, write_csv, write_jsonl, write_json_array, write_parquet])
def test_compressed(tmp_path: Path, write: Writer, suffix: str) -> None:
    assert rows(*(compress(path, suffix) for path in write(tmp_path, PAIRS))) == PAIRS


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"))


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
@pytest.mark.parametrize("write", [write_text, write_jsonl_nested, write_parquet, write_json_array, write_po])
def test_any_text_survives(
    tmp_path_factory: pytest.TempPathFactory, write: Writer, pairs: list[tuple[str, str]]
) -> None:
    # A byte order mark at the very start is not text.
    expected = [(source.lstrip("\ufeff"), target.lstrip("\ufeff")) for source, target in pairs]
    assert rows(*write(tmp_path_factory.mktemp("any"), expected)) == expected


XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\r\n")
)


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(XML_TEXT, XML_TEXT), min_size=1, max_size=5))
@pytest.mark.parametrize("write", [*XML_WRITERS, write_xlsx])
def test_any_text_survives_in_xml(
    tmp_path_factory: pytest.TempPathFactory, write: Writer, pairs: list[tuple[str, str]]
) -> None:
    expected = [pair for pair in pairs if any(map(str.strip, pair))] or [("ja", "yes")]  # spreadsheets skip empty rows
    assert rows(*write(tmp_path_factory.mktemp("any"), expected)) == expected


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "iso-8859-15", "windows-1252"])
def test_a_translation_memory_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    pairs = [("Grüße für 5 €", "Greetings for € 5")]
    assert rows(*write_tmx(tmp_path, pairs, encoding)) == pairs


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_byte_order_mark(tmp_path: Path, end: str) -> None:
    paths = write_text(tmp_path, PAIRS, end=end)
    for path in paths:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert rows(*paths) == PAIRS


def test_last_line_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("eins\nzwei")
    (tmp_path / "a.en").write_text("one\ntwo\n")
    assert rows(tmp_path / "a.de", tmp_path / "a.en") == [("eins", "one"), ("zwei", "two")]


def test_csv_with_quotes_semicolons_and_line_breaks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('\ufeff"de";"en"\r\n"eins, ""zwei""\r\ndrei";"one;\ntwo"\r\n\r\nvier;four\r\n', encoding="utf-8")
    assert rows(path) == [('eins, "zwei"\ndrei', "one;\ntwo"), ("", ""), ("vier", "four")]


def test_quotes_mean_nothing_in_tsv(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('"eins\t"one"\n \nzwei\t\n')
    assert rows(path) == [('"eins', '"one"'), ("", ""), ("zwei", "")]


def test_nulls_are_empty_sides(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"de": null, "en": "x"}\n{"de": "ja", "en": "yes"}\n\n{}\n')
    assert rows(path) == [("", "x"), ("ja", "yes"), ("", ""), ("", "")]
    parquet.write_table(pa.table({"de": [None, "ja"], "en": ["x", "yes"]}), tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet") == [("", "x"), ("ja", "yes")]


def test_dictionary_encoded_parquet(tmp_path: Path) -> None:
    table = pa.table({"de": pa.array(["ja", "nein"]).dictionary_encode(), "en": ["yes", "no"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet") == [("ja", "yes"), ("nein", "no")]


# Which columns


def test_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("premise,hypothesis,de\nja,yes,x\n")
    assert rows(path, columns=("premise", "hypothesis")) == [("ja", "yes")]
    message = "no column 'hypotesis'; did you mean 'hypothesis'. Columns: 'premise'"
    refused(path, match=message, columns=("de", "hypotesis"))
    refused(*write_text(tmp_path, PAIRS), match="plain text has no columns", columns=("a", "b"))


def test_columns_of_jsonl_beside_and_inside_translation(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"translation": {"de": "ja", "en": "yes"}, "s": "nein", "t": "no"}\n')
    assert rows(path, columns=("s", "t")) == [("nein", "no")]
    assert rows(path) == rows(path, columns=("de", "en")) == [("ja", "yes")]


def test_columns_of_tsv_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("1\tja\t2\tyes\n3\tnein\t4\tno\n")
    assert rows(path, columns=("2", "4")) == [("ja", "yes"), ("nein", "no")]
    refused(path, match="no column '5'", columns=("2", "5"))


def test_columns_of_parquet_must_hold_text(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"de": [1, 2], "en": ["a", "b"]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", match="column 'de' holds int64; text is expected")


@pytest.mark.parametrize(
    "header",
    [
        *("Source,TARGET", "src,trg", "sourceString,targetString", "text_de,sentence_eng_Latn", "de_text,x,en_text"),
        *("German sentence,English sentence", "source_deu_Latn,target_eng_Latn", "Sentence (German),text [en-GB]"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_usual_names_of_columns(tmp_path: Path, header: str, name: str) -> None:
    columns = header.split(",")
    lines = [["id", *columns], ["1", "ja", *["x"] * (len(columns) - 2), "yes"]]
    (tmp_path / name).write_text("".join(("\t" if name == "a.tsv" else ",").join(line) + "\n" for line in lines))
    assert rows(tmp_path / name) == [("ja", "yes")]


@pytest.mark.parametrize("code", ["id", "no", "is", "as"])
@pytest.mark.parametrize("full", ["sentence_{}", "{}"])
def test_a_column_is_taken_by_its_fullest_name(tmp_path: Path, code: str, full: str) -> None:
    language = find_language(code)
    named = full.format(f"{language.iso3}_{language.script}")
    (tmp_path / "a.csv").write_text(f"{code},{named},en\n1,ja,yes\n")
    (tmp_path / "a.jsonl").write_text(json.dumps({code: 1, named: "ja", "en": "yes"}))
    parquet.write_table(pa.table({code: [1], named: ["ja"], "en": ["yes"]}), tmp_path / "a.parquet")
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        opened = open_rows(name[2:], [tmp_path / name], Request(language, find_language("en"), None))
        assert (opened.columns, list(opened.cells)) == ((named, "en"), [("ja", "yes")])


NAMES = [("en", "de"), ("en_text", "de_text"), ("English sentence", "German sentence"), ("target", "source")]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("form", ["a.tsv {}\t{}", 'a.tsv "{}"\t"{}"', "a.csv {},{}", 'a.csv "{}";"{}"'])
def test_a_header_is_recognised_in_every_format(tmp_path: Path, form: str, names: tuple[str, str]) -> None:
    name, form = form.split(" ")
    (tmp_path / name).write_text("".join(form.format(*row) + "\n" for row in (names, ("yes", "ja"), ("no", "nein"))))
    opened = open_rows(name[2:], [tmp_path / name], DE_EN)
    assert (opened.columns, list(opened.cells)) == (names[::-1], [("ja", "yes"), ("nein", "no")])
    assert not any("order" in note for note in opened.notes)


@pytest.mark.parametrize("form", ["a.tsv {}\t{}", "a.csv {},{}", "a.csv {};{}", "a.csv {}\t{}"])
def test_a_file_without_header_loses_no_row_and_its_order_is_said(tmp_path: Path, form: str) -> None:
    name, form = form.split(" ")
    (tmp_path / name).write_text(form.format("Ja.", "Yes.") + "\n" + form.format("Nein.", "No.") + "\n")
    opened = open_rows(name[2:], [tmp_path / name], DE_EN)
    assert list(opened.cells) == [("Ja.", "Yes."), ("Nein.", "No.")]
    assert opened.notes == [
        "the first line names no columns: they are taken for German and English, by their order alone"
    ]
    assert rows(tmp_path / name, columns=("2", "1")) == [("Yes.", "Ja."), ("No.", "Nein.")]


@pytest.mark.parametrize("pair", [("It.", "No."), ("Is it?", "In!")])
def test_sentences_that_are_codes_of_languages_are_no_header(tmp_path: Path, pair: tuple[str, str]) -> None:
    (tmp_path / "a.tsv").write_text("\t".join(pair) + "\n")
    request = Request(find_language("it"), find_language("no"), None)
    assert list(open_rows("tsv", [tmp_path / "a.tsv"], request).cells) == [pair]


def test_numbers_of_columns_pass_over_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("nr\tGerman\tEnglish\n1\tja\tyes\n" * 2)
    assert rows(tmp_path / "a.tsv", columns=("2", "3")) == [("ja", "yes")] * 2


# Files as spreadsheets and other programs leave them


def test_tsv_of_a_spreadsheet_is_read_by_its_doubled_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('de\ten\n"Er sagte ""ja""."\tyes\n"zwei\nZeilen"\t"a\ttab"\nDas "Haus"\thouse\n')
    opened = open_rows("tsv", [tmp_path / "a.tsv"], DE_EN)
    assert list(opened.cells) == [('Er sagte "ja".', "yes"), ("zwei\nZeilen", "a\ttab"), ('Das "Haus"', "house")]
    assert opened.notes == ["cells in quotes, with quotes in them doubled, are read as spreadsheets write them"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('"Ja", sagte er.\tyes', "3: not valid CSV"),
        ('"offen\tyes', "3: not valid CSV"),
        ('"a\tb"', "rows have 1 to 2 cells"),
    ],
)
def test_quotes_stay_where_not_all_of_a_tsv_is_as_spreadsheets_write_it(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "a.tsv").write_text(f'de\ten\n"Er sagte ""ja""."\tyes\n{line}\n')
    opened = open_rows("tsv", [tmp_path / "a.tsv"], DE_EN)
    assert list(opened.cells) == [('"Er sagte ""ja""."', "yes"), tuple(line.split("\t"))]
    assert opened.notes[0].startswith("quotes are taken for text: a cell of line 2 has its quotes doubled, but ")
    assert why in opened.notes[0]


def test_a_csv_whose_lines_end_at_carriage_returns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"de,en\rja,yes\rnein,no\r")
    assert rows(tmp_path / "a.csv") == [("ja", "yes"), ("nein", "no")]


def test_csv_of_a_spreadsheet_with_its_separator_in_the_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=;\nde;en\nja, ja;yes\n;\n")
    assert rows(tmp_path / "a.csv") == [("ja, ja", "yes"), ("", "")]


def test_the_separator_of_a_csv_without_header_is_the_one_that_all_rows_have(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Ja, gut.;Yes, good.\nNein.;No, no, no.\n")
    assert rows(tmp_path / "a.csv") == [("Ja, gut.", "Yes, good."), ("Nein.", "No, no, no.")]


def test_empty_cells_at_the_ends_of_lines_are_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("ja\tyes\t\t\nnein\tno\ngut\tgood\t \n\t\t\t\n\x1a")
    assert rows(tmp_path / "a.tsv") == [("ja", "yes"), ("nein", "no"), ("gut", "good"), ("", ""), ("", "")]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_headers_of_files_that_were_joined_are_left_out_and_counted(tmp_path: Path, mark: str) -> None:
    (tmp_path / "a.csv").write_text(f"{mark}de,en\nja,yes\n" * 3, encoding="utf-8")
    opened = open_rows("csv", [tmp_path / "a.csv"], DE_EN)
    assert list(opened.cells) == [("ja", "yes")] * 3
    assert opened.notes == ["repeated headers left out: 2"]


def test_a_header_that_comes_again_in_another_order_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("de\ten\nja\tyes\nen\tde\nyes\tja\n")
    refused(
        tmp_path / "a.tsv", match=r"a.tsv:3: names the columns again, in another order than the first line .de, en."
    )


def test_quotes_around_all_cells_of_a_tsv_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('"ja"\t"yes"\n' * 10)
    assert rows(tmp_path / "a.tsv") == [("ja", "yes")] * 10
    (tmp_path / "a.tsv").write_text('"ja"\t"yes"\n' * 9)
    assert rows(tmp_path / "a.tsv") == [('"ja"', '"yes"')] * 9


def test_csv_fields_of_any_length_that_a_line_may_have(tmp_path: Path) -> None:
    csv.field_size_limit(131_072)
    long = "Wort " * 40_000
    (tmp_path / "a.csv").write_text(f'de,en\n{long},"{long}"\n{long},yes\n')
    assert rows(tmp_path / "a.csv") == [(long, long), (long, "yes")]


# What is refused


def test_unequal_line_counts(tmp_path: Path) -> None:
    german, english = write_text(tmp_path, PAIRS)
    english.write_text("one\ntwo\n")
    refused(
        german,
        english,
        match=r"train.en has 2 lines and \S*train.de has 4. train.en ends before line 3, which in train.de is 'Zeile",
    )
    english.write_text("one\n" * 6)
    refused(german, english, match=r"train.de has 4 lines and \S*train.en has 6. train.de ends before line 5")


@pytest.mark.parametrize("side", [0, 1])
def test_not_utf8(tmp_path: Path, side: int) -> None:
    paths = write_text(tmp_path, PAIRS)
    lines = paths[side].read_bytes().split(b"\n")
    lines[2] = "Ein Mädchen".encode("latin-1")
    paths[side].write_bytes(b"\n".join(lines))
    message = r":3: not UTF-8: byte e4 at position 6 of the line, in b'Ein M\\xe4dchen'.*iconv -f ISO-8859-1"
    refused(*paths, match=paths[side].name + message)


def test_utf16_without_its_mark_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes("The house.\tDas Haus.\n".encode("utf-16-le"))
    refused(tmp_path / "a.tsv", match="a.tsv:1: zero bytes as in UTF-16.*iconv -f UTF-16LE")


@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl", "a.parquet", "a.tsv.gz", "a.tsv.xz", "a.csv.zst"])
def test_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    refused(tmp_path / name, match=f"{name}: the file is empty")


@pytest.mark.parametrize("name", ["a.tsv.gz", "a.csv.gz", "a.jsonl.gz"])
def test_nothing_inside(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b""))
    refused(tmp_path / name, match=f"{name}: the file is empty")


def test_parallel_text_with_an_empty_file(tmp_path: Path) -> None:
    german, english = write_text(tmp_path, PAIRS)
    nothing = tmp_path / "nothing.gz"
    nothing.write_bytes(gzip.compress(b""))
    for paths in ((nothing, english), (german, nothing), (nothing, nothing)):
        refused(*paths, match="nothing.gz: the file is empty")
    english.write_bytes(b"")
    refused(german, english, match="train.en: the file is empty")


def test_damaged_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"de,en\nja,yes\n")
    refused(tmp_path / "a.parquet", match="a.parquet: not a Parquet file")
    # The values of the first column stand at the start; the footer, at the end, is whole.
    content = bytearray(write_parquet(tmp_path, PAIRS * 100)[0].read_bytes())
    content[4:40] = b"\xff" * 36
    (tmp_path / "a.parquet").write_bytes(content)
    refused(tmp_path / "a.parquet", match=r"a\.parquet: damaged after row 0 ")


def test_parquet_with_bad_utf8(tmp_path: Path) -> None:
    offsets, text = (pa.py_buffer(content) for content in (b"\0\0\0\0\2\0\0\0", b"\xff\xfe"))
    bad = pa.Array.from_buffers(pa.string(), 1, [None, offsets, text])
    parquet.write_table(pa.table({"de": bad, "en": ["a"]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", match=r"a\.parquet: damaged after row 0 .*'utf-8' codec can't decode byte 0xff")


# Bombs

TOO_LONG = "a" * (LONGEST_LINE + 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", f"ja\tyes\n{TOO_LONG}", "a.tsv:2: the line has over 4,194,304 bytes.*split it into lines"),
        ("a.jsonl", f'{{"de": "{TOO_LONG}"}}', "a.jsonl:1: the line has over"),
        ("a.csv", f"de,en\nja,yes\n{TOO_LONG},yes", "a.csv:3: the line has over"),
        (
            "a.csv",
            'de,en\n"ja\n",yes\nx,"\n' + '","\n' * (LONGEST_LINE // 4 + 1),
            "a.csv:4: not valid CSV .a record of over",
        ),
    ],
)
def test_a_line_or_cell_of_megabytes_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    refused(tmp_path / name, match=message)


def test_a_parquet_cell_of_megabytes_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"de": ["ja", TOO_LONG], "en": ["yes", "x"]}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", match=r"a\.parquet: row 2 holds over 4,194,304 bytes")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_parquet_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr(lines, "HARMLESS", 1 << 16)
    monkeypatch.setattr(lines, "HIGHEST_RATIO", 100)
    parquet.write_table(pa.table({side: ["yes"] * (1 << 19) for side in ("de", "en")}), tmp_path / "a.parquet")
    path = compress(tmp_path / "a.parquet", suffix) if suffix else tmp_path / "a.parquet"
    refused(path, match="unpacks to over 65,536 bytes")


# Lines that make no sense


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "ja\tyes\nnein\tno\tx\n", r"a.tsv:2: 3 columns where 2 are expected, in 'nein\\tno\\tx'"),
        ("a.tsv", "de\ten\nja\n", "a.tsv:2: 1 columns"),
        ("a.tsv", "a\tb\tc\n", "a.tsv:1: no column for German .de.. Columns: 'a', 'b', 'c'"),
        ("a.tsv", "fr\ten\nx\ty\n", "no column for German .de.. Columns: 'fr', 'en'"),
        ("a.csv", "de,en\nja,yes\nnein,no,x\n", "a.csv:3: 3 columns where 2 are expected, in 'nein,no,x'"),
        ("a.csv", 'de,en\nja,yes\n"nein,no\n', "a.csv:3: not valid CSV"),
        ("a.csv", 'de,en\n"ja\nja",yes\n"nein,no\nx,y\n', "a.csv:4: not valid CSV"),
        ("a.csv", 'de,"en\n', "a.csv:1: not valid CSV"),
        ("a.csv", "de,en,de\nja,yes,ja\n", "a.csv:1: several columns are named 'de'"),
        ("a.tsv", "de\ten\tde\nja\tyes\tja\n", "a.tsv:1: several columns are named 'de'"),
        ("a.csv", "dee,en\nja,yes\n", "a.csv:1: no column for German .de.*'dee', 'en'; did you mean 'dee'"),
        ("a.csv", "deu,ger,en\nja,ja,yes\n", "several columns may hold German: 'deu', 'ger'"),
        ("a.jsonl", '{"de": "ja", "en": "yes"}\n{"de": "x"\n', "a.jsonl:2: not valid JSON"),
        (
            "a.jsonl",
            '{"de": "ja", "en": "yes"}\n[1]\n',
            "a.jsonl:2: one JSON object per line or item is expected, found '.1.'",
        ),
        ("a.jsonl", '{"de": "ja", "en": "yes"}\n{"de": "x"}\n', "a.jsonl:2: no 'en' here.*Found: .'de'."),
        ("a.jsonl", '{"de": "ja", "en": "yes"}\n' + "[" * 100_000, "a.jsonl:2: not valid JSON .*recursion"),
        ("a.jsonl", '{"de": "ja", "en": ' + "[" * 900 + "]" * 900 + "}", r"a.jsonl:1: 'en' is \[\[.*valid text"),
        *(("a.jsonl", f"{value}\n", f"a.jsonl:1: one JSON .*'{value}'") for value in ("7", "null", "NaN", '"x"')),
        ("a.jsonl", '{"de": "ja", "en": NaN}\n', "a.jsonl:1: 'en' is nan; valid text is expected"),
        ("a.jsonl", '{"de": "ja", "en": 7}\n', "a.jsonl:1: 'en' is 7; valid text is expected"),
        ("a.jsonl", '{"de": "ja", "en": "\\ud800"}\n', "a.jsonl:1: 'en' is .*; valid text is expected"),
        (
            "a.jsonl",
            '{"translation": {"de": "ja", "en": "y"}}\n{"translation": 3}\n',
            "a.jsonl:2: no 'de' here.*Found: .'translation'.",
        ),
        ("a.jsonl", '{"translation": {"fr": "oui", "en": "yes"}}\n', "no column for German .*'fr', 'en'"),
    ],
)
def test_lines_that_make_no_sense(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    refused(tmp_path / name, match=message)


def test_parquet_with_two_columns_of_a_name(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_arrays([pa.array(["a"])] * 3, ["de", "en", "de"]), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", match="several columns are named 'de'")


# Anything at all: read, or refused in one message

VALID = {
    "a.tsv": b"de\ten\nja\tyes\nnein\tno\n",
    "a.csv": b'de,en\n"ja, ja",yes\n"nein\n""x""",no\n',
    "a.jsonl": b'{"de": "ja", "en": "yes"}\n{"translation": {"de": "ja", "en": [1, null, NaN]}}\n',
    "a.parquet": b"",
    "a.json": b'[\n{"de": "ja", "en": "yes"},\n{"de": "nein", "en": "no"}]\n',
    "a.tmx": b'<tmx version="1.4"><body><tu><tuv xml:lang="de"><seg>ja<ph/></seg></tuv><tuv lang="en"><seg>yes</seg>'
    b"</tuv></tu></body></tmx>",
    "a.xliff": b'<xliff srcLang="de" trgLang="en"><file><unit><segment><source>ja</source><target>yes</target>'
    b"</segment></unit></file></xliff>",
    "a.tbx": b'<tbx><conceptEntry><langSec xml:lang="de"><termSec><term>ja</term></termSec></langSec>'
    b'<langSec xml:lang="en"><termSec><term>yes</term></termSec></langSec></conceptEntry></tbx>',
    "a.po": b'msgid ""\nmsgstr "Language: en\\n"\n\n#, fuzzy\nmsgid "ja"\nmsgid_plural "ja"\nmsgstr[0] "yes"\n',
    "a.mo": b"",
    "a.xlsx": b"",
}


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("valid")
    made = {
        "a.parquet": write_parquet_nested(folder, PAIRS)[0].read_bytes(),
        "a.xlsx": write_xlsx(folder, PAIRS)[0].read_bytes(),
        "a.mo": mo_file([("", "Language: en\n"), ("ja", "yes"), ("nein\0nein", "no\0no")]),
    }
    return VALID | made


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Other bytes, or these with some of them cut out, doubled or replaced."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 4))):
        begin, end = sorted((draw(st.integers(0, len(content))), draw(st.integers(0, len(content)))))
        piece = draw(
            st.sampled_from([b"", content[begin:end] * 2, b"\0", b"\xff", b"\n", b'"', b"[" * 3000]) | st.binary()
        )
        content = content[:begin] + piece + content[draw(st.sampled_from([begin, begin + 1, end])) :]
    return content


@pytest.mark.parametrize("packed_first", [True, False])
@pytest.mark.parametrize("name", VALID)
@settings.get_profile("fuzz")
@given(data=st.data())
def test_any_bytes_are_read_or_refused(
    tmp_path: Path, valid: dict[str, bytes], name: str, packed_first: bool, data: st.DataObject
) -> None:
    suffix = data.draw(st.sampled_from(list(COMPRESS)))
    if packed_first:
        content = data.draw(damaged(COMPRESS[suffix](valid[name])))
    else:
        content = COMPRESS[suffix](data.draw(damaged(valid[name])))
    path = tmp_path / f"{name}{suffix}"
    path.write_bytes(content)
    try:
        assert all(isinstance(text, str) for row in rows(path) for text in row)
    except SwitchtuneError as error:
        assert len(str(error)) < 2_000
