"""File formats: every one gives the same rows, and what is wrong is refused with file and line."""

import gzip
import json
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from switchtune.corpus.formats import PARALLEL_TEXT, SUFFIXES, CorpusError, Request, open_rows, plain, text_lines
from switchtune.errors import SwitchtuneError
from switchtune.languages import find_language

PAIRS = [
    ("Das Haus ist klein.", "The house is small."),
    ('Er sagte: "ja", oder?', 'He said, "yes", or?'),
    ("Zeile\u2028mit\x0bTrennern\x85darin", "line with\x1cseparators"),
    ("Grüße — 東京 🎉", "Greetings"),
]


def rows(*paths: Path, columns: tuple[str, str] | None = None) -> list[tuple[str, str]]:
    """What German-English files hold: two files of parallel text, or one whose ending tells its format."""
    name = PARALLEL_TEXT if len(paths) == 2 else SUFFIXES[plain(paths[0]).suffix]
    return list(open_rows(name, paths, Request(find_language("de"), find_language("en"), columns)).pairs)


def refused(*paths: Path, match: str, columns: tuple[str, str] | None = None) -> None:
    with pytest.raises(SwitchtuneError, match=match):
        rows(*paths, columns=columns)


def write_text(folder: Path, pairs: Sequence[tuple[str, str]], end: str = "\n") -> tuple[Path, ...]:
    paths = folder / "train.de", folder / "train.en"
    for path, lines in zip(paths, zip(*pairs, strict=True), strict=True):
        path.write_bytes("".join(line + end for line in lines).encode())
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
]
Writer = Callable[..., tuple[Path, ...]]


def compress(path: Path, suffix: str) -> Path:
    content = path.read_bytes()
    path.unlink()
    compressed = path.with_name(path.name + suffix)
    match suffix:
        case ".gz":
            compressed.write_bytes(gzip.compress(content))
        case ".xz":
            compressed.write_bytes(lzma.compress(content))
        case ".zst":
            # Two frames, as parallel compressors and `cat` make them.
            half = len(content) // 2
            frames = (bytes(pa.compress(part, "zstd")) for part in (content[:half], content[half:]))
            compressed.write_bytes(b"".join(frames))
    return compressed


# What is read


@pytest.mark.parametrize("write", WRITERS)
def test_every_format_gives_the_same_pairs(tmp_path: Path, write: Writer) -> None:
    assert rows(*write(tmp_path, PAIRS)) == PAIRS


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("write", [write_text, write_tsv, write_csv, write_jsonl, write_parquet])
def test_compressed(tmp_path: Path, write: Writer, suffix: str) -> None:
    assert rows(*(compress(path, suffix) for path in write(tmp_path, PAIRS))) == PAIRS


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"))


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
@pytest.mark.parametrize("write", [write_text, write_jsonl_nested, write_parquet])
def test_any_text_survives(
    tmp_path_factory: pytest.TempPathFactory, write: Writer, pairs: list[tuple[str, str]]
) -> None:
    # A byte order mark at the very start is not text.
    expected = [(source.lstrip("\ufeff"), target.lstrip("\ufeff")) for source, target in pairs]
    assert rows(*write(tmp_path_factory.mktemp("any"), expected)) == expected


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
    "header", ["Source,TARGET", "src,trg", "sourceString,targetString", "text_de,sentence_eng_Latn", "de,ger,en"]
)
def test_usual_names_of_columns(tmp_path: Path, header: str) -> None:
    columns = header.split(",")
    cells = ["ja", *["x"] * (len(columns) - 2), "yes"]
    (tmp_path / "a.csv").write_text(f"id,{header}\n1,{','.join(cells)}\n")
    assert rows(tmp_path / "a.csv") == [("ja", "yes")]


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


def test_utf16_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Häuser\n".encode("utf-16"))
    with pytest.raises(CorpusError, match=r"a.txt:1: not UTF-8: byte ff at position 1.*iconv -f UTF-16"):
        list(text_lines(tmp_path / "a.txt"))


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


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_damaged_compression(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{number * 7919} line\n" for number in range(50_000)))
    path = compress(path, suffix)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorpusError, match=f"a.txt{suffix}: cannot be read after line [0-9,]+ .*cut off"):
        list(text_lines(path))
    path.write_bytes(b"plain text\n" * 9)
    with pytest.raises(CorpusError, match=f"a.txt{suffix}: cannot be read after line 0 "):
        list(text_lines(path))


def test_damaged_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"de,en\nja,yes\n")
    refused(tmp_path / "a.parquet", match="a.parquet: not a Parquet file")
    # The values of the first column stand at the start; the footer, at the end, is whole.
    content = bytearray(write_parquet(tmp_path, PAIRS * 100)[0].read_bytes())
    content[4:40] = b"\xff" * 36
    (tmp_path / "a.parquet").write_bytes(content)
    refused(tmp_path / "a.parquet", match=r"a\.parquet: damaged ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "ja\tyes\nnein\tno\tx\n", r"a.tsv:2: 3 columns where 2 are expected, in 'nein\\tno\\tx'"),
        ("a.tsv", "de\ten\nja\n", "a.tsv:2: 1 columns"),
        ("a.tsv", "a\tb\tc\n", "a.tsv:1: no column for German .de.. Columns: 'a', 'b', 'c'"),
        ("a.tsv", "fr\ten\nx\ty\n", "no column for German .de.. Columns: 'fr', 'en'"),
        ("a.csv", "de,en\nja,yes\nnein,no,x\n", "a.csv:3: 3 columns where the header names 2, in 'nein,no,x'"),
        ("a.csv", 'de,en\nja,yes\n"nein,no\n', "a.csv:3: not valid CSV"),
        ("a.csv", "dee,en\nja,yes\n", "a.csv:1: no column for German .de.*'dee', 'en'; did you mean 'dee'"),
        ("a.csv", "deu,ger,en\nja,ja,yes\n", "several columns may hold German: 'deu', 'ger'"),
        ("a.jsonl", '{"de": "ja", "en": "yes"}\n{"de": "x"\n', "a.jsonl:2: not valid JSON"),
        ("a.jsonl", '{"de": "ja", "en": "yes"}\n[1]\n', "a.jsonl:2: one JSON object a line is expected, found '.1.'"),
        ("a.jsonl", '{"de": "ja", "en": "yes"}\n{"de": "x"}\n', "a.jsonl:2: no 'en' here.*Found: .'de'."),
        ("a.jsonl", '{"de": "ja", "en": 7}\n', "a.jsonl:1: 'en' is 7; valid text is expected"),
        ("a.jsonl", '{"de": "ja", "en": "\\ud800"}\n', "a.jsonl:1: 'en' is .*; valid text is expected"),
        ("a.jsonl", '{"translation": {"de": "ja", "en": "y"}}\n{"translation": 3}\n', "a.jsonl:2: 'translation' is 3"),
        ("a.jsonl", '{"translation": {"fr": "oui", "en": "yes"}}\n', "no column for German .*'fr', 'en'"),
    ],
)
def test_lines_that_make_no_sense(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    refused(tmp_path / name, match=message)
