"""Reading corpora: where they are found, what is kept of their rows, and what is refused."""

import gzip
import io
import json
import os
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from switchtune.corpus import cache as corpus_cache
from switchtune.corpus import read
from switchtune.corpus.columns import CorpusError
from switchtune.corpus.control import control
from switchtune.corpus.embedded import embedded_sentences
from switchtune.corpus.read import Corpus, Pair, describe, read_corpus, read_lines, read_monolingual
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.languages import UnknownLanguageError

PAIRS = [
    ("Das Haus ist klein.", "The house is small."),
    ('Er sagte: "ja", oder?', 'He said, "yes", or?'),
    ("Zeile\u2028mit\x0bTrennern\x85darin", "line with\x1cseparators"),
    ("Grüße — 東京 🎉", "Greetings"),
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test."""
    monkeypatch.setenv("SWITCHTUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_text(folder: Path, pairs: Sequence[tuple[str, str]]) -> str:
    for side, language in enumerate(("de", "en")):
        (folder / f"train.{language}").write_bytes("".join(f"{pair[side]}\n" for pair in pairs).encode())
    return str(folder / "train.{de,en}")


def rows(corpus: Corpus) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in corpus]


# Where a corpus is


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("a.tsv", "ja\tyes\n", "tsv"),
        ("a.CSV", "de,en\nja,yes\n", "csv"),
        ("a.jsonl", '{"de": "ja", "en": "yes"}\n', "jsonl"),
        ("a.ndjson", '{"de": "ja", "en": "yes"}\n', "jsonl"),
        ("a.json", '{"de": "ja", "en": "yes"}\n', "jsonl"),
    ],
)
def test_the_ending_tells_the_format(tmp_path: Path, name: str, content: str, format_name: str) -> None:
    (tmp_path / name).write_text(content)
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    for location in (tmp_path / name, str(tmp_path / f"{name}.gz")):
        corpus = read_corpus(location, "deu", "English")
        assert rows(corpus) == [("ja", "yes")]
        assert (corpus.source_language, corpus.target_language) == ("de", "en")
        assert (corpus.reading.format, corpus.reading.rows) == (format_name, 1)


def test_parquet(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"tgt": ["yes", "no"], "src": ["ja", "nein"]}), tmp_path / "a.parquet")
    corpus = read_corpus(tmp_path / "a.parquet", "de", "en")
    assert rows(corpus) == [("ja", "yes"), ("nein", "no")]
    assert (corpus.reading.format, corpus.reading.columns) == ("parquet", ("src", "tgt"))


def test_compressed_parallel_text(tmp_path: Path) -> None:
    write_text(tmp_path, PAIRS)
    for language in ("de", "en"):
        path = tmp_path / f"train.{language}"
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for location in (str(tmp_path / "train.{de,en}.gz"), tmp_path / "train"):
        assert rows(read_corpus(location, "de", "en")) == PAIRS


def test_ways_to_name_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path, PAIRS)
    monkeypatch.chdir(tmp_path)
    for location in (
        "train.{de,en}",
        "train.{en,de}",
        ["train.de", "train.en"],
        (Path("train.de"), "train.en"),
        "train",
    ):
        assert rows(read_corpus(location, "deu_Latn", "en_XX")) == PAIRS
    assert rows(read_corpus("train.{de,en}", "en", "de")) == [(target, source) for source, target in PAIRS]


def test_prefix_with_other_endings(tmp_path: Path) -> None:
    (tmp_path / "Europarl.de-en.deu_Latn.txt").write_text("ja\n")
    (tmp_path / "Europarl.de-en.eng_Latn.txt").write_text("yes\n")
    (tmp_path / "Europarl.de-en.ids").write_text("1\n")
    assert rows(read_corpus(tmp_path / "Europarl.de-en", "de", "en")) == [("ja", "yes")]
    (tmp_path / "Europarl.de-en.de").write_text("ja\n")
    with pytest.raises(CorpusError, match=r"several files for 'de' \(Europarl.de-en.de, Europarl.de-en.deu_Latn.txt\)"):
        read_corpus(tmp_path / "Europarl.de-en", "de", "en")


def test_braces_that_are_no_languages_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.src").write_text("ja\n")
    (tmp_path / "a.tgt").write_text("yes\n")
    assert rows(read_corpus(str(tmp_path / "a.{src,tgt}"), "de", "en")) == [("ja", "yes")]


# What is left out


def test_duplicates_and_empty_sides_are_counted(tmp_path: Path) -> None:
    pairs = [("a", "b"), ("a", "c"), ("a", "b"), ("", "x"), ("y", " \t"), ("ab", "c"), ("a", "bc"), ("a ", " b")]
    corpus = read_corpus(write_text(tmp_path, pairs), "de", "en")
    assert rows(corpus) == [("a", "b"), ("a", "c"), ("ab", "c"), ("a", "bc")]
    reading = corpus.reading
    assert (reading.rows, reading.duplicates, reading.empty, reading.kept) == (8, 2, 2, 4)
    everything = read_corpus(write_text(tmp_path, pairs), "de", "en", deduplicate=False)
    assert (everything.reading.duplicates, everything.reading.empty) == (0, 0)
    assert rows(everything) == [tuple(map(str.strip, pair)) for pair in pairs]
    assert everything.reading.notes == (
        "pairs with an empty side, kept in place: 2; a blank source has a blank output",
    )


def test_what_cannot_be_seen_is_an_empty_side(tmp_path: Path) -> None:
    corpus = read_corpus(write_text(tmp_path, [("ja", "yes"), ("\ufeff", "x"), ("y", "\u200b \u00ad")]), "de", "en")
    assert (rows(corpus), corpus.reading.empty) == ([("ja", "yes")], 2)
    assert read_monolingual(tmp_path / "train.de", "de") == ["ja", "y"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_numbers_of_rows_are_no_sentences(tmp_path: Path, name: str) -> None:
    lines = ("id,en", "1,yes", "2,no") if name == "a.csv" else ('{"id": "1", "en": "yes"}', '{"id": "2", "en": "no"}')
    (tmp_path / name).write_text("\n".join(lines))
    with pytest.raises(CorpusError, match="2 of 2 rows of 'id' have no letter in them, as where rows are numbered"):
        read_corpus(tmp_path / name, "id", "en")


def test_labels_are_no_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"Satz {number},1\n" for number in range(20)))
    with pytest.raises(CorpusError, match="20 of 21 rows of '2' have no letter in them"):
        read_corpus(tmp_path / "a.csv", "de", "en")


@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl", "two files"])
def test_sides_that_nothing_names_are_refused_where_they_are_the_other_way_round(tmp_path: Path, name: str) -> None:
    pairs = [(german, english) for german, english in embedded_sentences("news", "valid", ("de", "en"), 30)]
    form = {"a.tsv": "{}\t{}", "a.jsonl": '{{"source": "{}", "target": "{}"}}'}.get(name)
    location: Any = tmp_path / name if form else (tmp_path / "one.txt", tmp_path / "two.txt")
    if form:
        location.write_text("".join(form.format(*pair) + "\n" for pair in pairs), encoding="utf-8")
    else:
        for path, side in zip(location, zip(*pairs, strict=True), strict=True):
            path.write_text("\n".join(side), encoding="utf-8")
    assert rows(read_corpus(location, "de", "en")) == pairs
    with pytest.raises(CorpusError, match=r"for English and .* for German is the wrong way round"):
        read_corpus(location, "en", "de")
    if form:
        columns = ("2", "1") if name == "a.tsv" else ("target", "source")
        assert read_corpus(location, "en", "de", columns=columns)[0] == pairs[0][::-1]


def test_how_a_file_was_understood_is_told_from_the_cache_too(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("ja\tyes\n")
    for _ in range(2):
        said = describe(read_corpus(tmp_path / "a.tsv", "de", "en"))
        assert "they are taken for German and English, by their order alone" in said


def test_line_breaks_inside_a_sentence_become_spaces(tmp_path: Path) -> None:
    rows_read = [
        {"de": " eins, \r\n zwei", "en": "one;\ntwo"},
        {"de": "drei\rvier", "en": "x"},
        {"de": "\n", "en": "y"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_read))
    corpus = read_corpus(tmp_path / "a.jsonl", "de", "en")
    assert rows(corpus) == [("eins, zwei", "one; two"), ("drei vier", "x")]
    assert (corpus.reading.folded, corpus.reading.empty) == (2, 1)
    assert "2 with line breaks inside, made spaces" in describe(corpus)


def test_limit_counts_kept_pairs(tmp_path: Path) -> None:
    location = write_text(tmp_path, [("a", "b"), ("a", "b"), ("c", "d"), ("e", "f")])
    corpus = read_corpus(location, "de", "en", limit=2)
    assert rows(corpus) == [("a", "b"), ("c", "d")]
    assert corpus.reading.kept == 3
    assert len(read_corpus(location, "de", "en", limit=100)) == 3


def test_more_than_one_batch(tmp_path: Path) -> None:
    pairs = [(f"Satz {number}", f"sentence {number}") for number in range(70_000)]
    corpus = read_corpus(write_text(tmp_path, pairs), "de", "en")
    assert corpus.table.column("source").num_chunks > 1
    assert corpus[69_999] == corpus[-1] == Pair("Satz 69999", "sentence 69999")
    assert rows(corpus) == pairs
    assert corpus.sources()[40_000] == "Satz 40000"
    one_chunk = Corpus("de", "en", "memory", corpus.table.combine_chunks(), corpus.reading)
    assert one_chunk.fingerprint() == corpus.fingerprint()
    assert one_chunk.limited(50_000).fingerprint() == corpus.limited(50_000).fingerprint() != corpus.fingerprint()


# The corpus


def test_access(tmp_path: Path) -> None:
    corpus = read_corpus(write_text(tmp_path, PAIRS), "de", "en")
    assert len(corpus) == 4
    assert corpus[1] == corpus[-3] == Pair(*PAIRS[1])
    assert corpus.pairs([1, -3, 0]) == [corpus[1], corpus[1], corpus[0]]
    assert corpus.pairs([]) == []
    assert corpus.sources() == [source for source, _ in PAIRS]
    assert corpus.targets() == [target for _, target in PAIRS]
    assert rows(corpus.limited(2)) == PAIRS[:2]
    for index in (4, -5):
        with pytest.raises(IndexError, match="of 4"):
            corpus[index]


def test_reversed(tmp_path: Path) -> None:
    corpus = read_corpus(write_text(tmp_path, PAIRS), "de", "en")
    turned = corpus.reversed()
    assert (turned.source_language, turned.target_language) == ("en", "de")
    assert rows(turned) == [(target, source) for source, target in PAIRS]
    assert turned.reading.columns == ("train.en", "train.de")
    assert turned.reversed().fingerprint() == corpus.fingerprint() != turned.fingerprint()
    assert rows(turned.limited(1).reversed()) == PAIRS[:1]


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    first = read_corpus(write_text(tmp_path, PAIRS), "de", "en")
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps({"src": s, "tgt": t}) + "\n" for s, t in PAIRS))
    assert first.fingerprint() == read_corpus(tmp_path / "pairs.jsonl", "de", "en").fingerprint()
    shorter = read_corpus(write_text(tmp_path / "b", PAIRS[:3]), "de", "en")
    assert first.limited(3).fingerprint() == shorter.fingerprint() != first.fingerprint()
    moved = [("ab", "c"), ("d", "e")], [("a", "bc"), ("d", "e")], [("abd", "c"), ("", "e")]
    prints = set()
    for pairs in moved:
        table = pa.table({"source": [pair[0] for pair in pairs], "target": [pair[1] for pair in pairs]})
        prints.add(Corpus("de", "en", "", table, first.reading).fingerprint())
    assert len(prints) == 3


def test_describe(tmp_path: Path) -> None:
    pairs = [*PAIRS, PAIRS[0], ("", "x"), ("long " * 50, "y")]
    corpus = read_corpus(write_text(tmp_path, pairs), "de", "en", limit=3)
    text = describe(corpus)
    assert "parallel text, German (train.de) → English (train.en)" in text
    assert "7 pairs read, 1 duplicates left out, 1 with an empty side left out, the first 3 of 5 used" in text
    assert "1  de  Das Haus ist klein.\n     en  The house is small.\n  2  de  Er sagte" in text
    assert "Greetings" not in text
    cut = describe(read_corpus(write_text(tmp_path, pairs[-1:]), "de", "en"), width=20)
    assert "de  long long long long…\n" in cut


# The cache


def test_content_is_read_once(tmp_path: Path, cache: Path) -> None:
    location = write_text(tmp_path, PAIRS)
    first = read_corpus(location, "de", "en")
    (table,) = cache.glob("*.arrow")
    made = table.stat().st_mtime_ns
    again = read_corpus(location, "de", "en", limit=2)
    assert (table.stat().st_mtime_ns, len(list(cache.glob("*.arrow")))) == (made, 1)
    assert (again.reading, rows(again)) == (first.reading, PAIRS[:2])


def test_changed_content_or_options_are_read_anew(tmp_path: Path, cache: Path) -> None:
    location = write_text(tmp_path, PAIRS)
    read_corpus(location, "de", "en")
    stamp = (tmp_path / "train.de").stat()
    write_text(tmp_path, [("Nas" + PAIRS[0][0][3:], PAIRS[0][1]), *PAIRS[1:]])
    os.utime(tmp_path / "train.de", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert read_corpus(location, "de", "en")[0].source == "Nas Haus ist klein."
    read_corpus(location, "de", "en", deduplicate=False)
    read_corpus(location, "en", "de")
    assert len(list(cache.glob("*.arrow"))) == 4


def test_a_refused_corpus_leaves_nothing_in_the_cache(tmp_path: Path, cache: Path) -> None:
    write_text(tmp_path, PAIRS)
    (tmp_path / "train.en").write_text("one\ntwo\n")
    with pytest.raises(CorpusError):
        read_corpus(tmp_path / "train", "de", "en")
    assert list(cache.iterdir()) == []


def test_a_damaged_or_edited_cache_is_made_again_and_said(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    location = write_text(tmp_path, PAIRS)
    first = read_corpus(location, "de", "en")
    (table,) = cache.glob("*.arrow")
    note = table.with_suffix(".json")
    whole, noted = table.read_bytes(), note.read_text()
    for path, content in (
        (table, whole[:-100]),
        (table, whole.replace(b"Haus", b"Boot")),
        (table, b""),
        (note, noted.replace('"rows": 4', '"rows": 5')),
        (note, "[1]"),
        (note, "[" * 100_000),
        (note, "\0"),
    ):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        caplog.clear()
        again = read_corpus(location, "de", "en")
        assert (rows(again), again.reading) == (PAIRS, first.reading)
        assert f"{table} was changed or damaged since it was written. It is made again." in caplog.messages
        assert (table.read_bytes(), note.read_text()) == (whole, noted)
    caplog.clear()
    for path in (table, note):
        path.unlink()
        assert rows(read_corpus(location, "de", "en")) == PAIRS
    assert not caplog.messages


def test_a_cache_that_cannot_be_written_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus_cache, "write_json", full)
    refused(write_text(tmp_path, PAIRS), "cache: the cache cannot be written or read .*No space left.*SWITCHTUNE_CACHE")


def test_batches_of_long_documents_hold_fewer_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_cache, "_CHARACTERS_PER_BATCH", 40)
    corpus = read_corpus(write_text(tmp_path, PAIRS), "de", "en")
    assert [len(chunk) for chunk in corpus.table.column("source").chunks] == [2, 1, 1]
    assert rows(corpus) == PAIRS


def test_cache_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    location = write_text(tmp_path, PAIRS)
    monkeypatch.delenv("SWITCHTUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    read_corpus(location, "de", "en")
    assert len(list((tmp_path / "xdg" / "switchtune").glob("*.arrow"))) == 1
    read_corpus(location, "de", "en", cache_dir=tmp_path / "mine")
    assert len(list((tmp_path / "mine").glob("*.arrow"))) == 1
    with pytest.raises(CorpusError, match="SWITCHTUNE_CACHE"):
        read_corpus(location, "de", "en", cache_dir=tmp_path / "train.de")


# What is refused


def refused(location: Any, match: str, **options: Any) -> None:
    with pytest.raises(SwitchtuneError, match=match):
        read_corpus(location, "de", "en", **options)


def test_missing_files(tmp_path: Path) -> None:
    write_text(tmp_path, PAIRS)
    refused(str(tmp_path / "trian.{de,en}"), r"trian.de: not found in .*\. Did you mean 'train.de'")
    refused(str(tmp_path / "train.{de,fr}"), r"English \(en\) is asked for, but the ending .* of the file says French")
    refused([tmp_path / "train.de", tmp_path / "test.en"], "test.en: not found")
    refused(tmp_path / "nowhere" / "a.tsv", "there is no folder")
    refused(tmp_path / "tra", r"tra: not found in .*\. Known: 'train.de', 'train.en'\.")
    refused(tmp_path, r"a folder; a file is expected. It holds train.de, train.en\.")
    (tmp_path / "nothing").mkdir()
    refused(tmp_path / "nothing" / "a.tsv", "The folder .* is empty")
    with pytest.raises(CorpusError, match=r"train\.d: not found"):
        read_lines(tmp_path / "train.d")


def test_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("de,en\n")
    refused(tmp_path / "a.csv", "no pair is left of 0 rows")
    refused(write_text(tmp_path, [("", "x"), (" ", "y")]), r"no pair is left of 2 rows \(2 have an empty side\)")


def test_two_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("premise,hypothesis,de\nja,yes,x\n")
    corpus = read_corpus(tmp_path / "a.csv", "de", "en", columns=["premise", "hypothesis"])
    assert (rows(corpus), corpus.reading.columns) == ([("ja", "yes")], ("premise", "hypothesis"))
    refused(tmp_path / "a.csv", "two names are expected", columns=("de",))


def test_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("ja\tyes\n")
    refused(tmp_path / "pairs.txt", r"unknown format. Expected a name ending in .tsv, .csv.*pairs.\{de,en\}")


def test_swapped_files(tmp_path: Path) -> None:
    write_text(tmp_path, PAIRS)
    files = [tmp_path / "train.en", tmp_path / "train.de"]
    refused(files, r"German .de. is asked for, but the ending 'en' of the file says English.*in their order")


def test_languages(tmp_path: Path) -> None:
    location = write_text(tmp_path, PAIRS)
    with pytest.raises(UnknownLanguageError, match="germn"):
        read_corpus(location, "germn", "en")
    with pytest.raises(UsageError, match="both German"):
        read_corpus(location, "de", "deu_Latn")


@pytest.mark.parametrize(
    "location", ["hf:org/name", "hf:org/name:train", "hf:::", "embedded:travel", "embedded::train", ["a", "b", "c"]]
)
def test_locations_that_make_no_sense(location: Any) -> None:
    with pytest.raises(UsageError, match="expected"):
        read_corpus(location, "de", "en")


@settings.get_profile("fuzz")
@given(
    location=st.builds(
        lambda *parts: "".join(parts),
        st.sampled_from(["", "embedded:", "embedded:kitchen:", "hf::", "hf:a:", "~", "./", "x.{", "x.{de,"]),
        st.text(st.characters(exclude_characters="/"), max_size=8),
        st.sampled_from(["", ":train", "}", ".tsv", ".csv.gz"]),
    )
)
def test_any_location_is_read_or_refused(tmp_path: Path, location: str) -> None:
    if not location.startswith("hf:") or location.startswith("hf::"):
        with pytest.raises(SwitchtuneError):
            read_corpus(location, "de", "en", cache_dir=tmp_path)


# The Hub


@pytest.mark.parametrize("name", ["data.py", "train.pkl", "train.tar"])
def test_scripts_and_pickles_of_data_sets_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.utils.tqdm, "disable", True, raising=False)
    (tmp_path / "data").mkdir()
    path, ran = tmp_path / "data" / name, tmp_path / "ran"
    bad = pickle.dumps(_Touches(ran))
    if name.endswith(".py"):
        path.write_text(f"open({str(ran)!r}, 'w')")
    elif name.endswith(".pkl"):
        path.write_bytes(bad)
    else:
        with tarfile.open(path, "w") as archive:
            for member in ("0.pth", "0.npy", "0.pkl"):
                entry = tarfile.TarInfo(member)
                entry.size = len(bad)
                archive.addfile(entry, io.BytesIO(bad))
    refused(f"hf:{tmp_path / 'data'}::train", "cannot be loaded|no column for German")
    assert not ran.exists()


class _Touches:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_whatever_loading_a_data_set_raises_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def load_dataset(*_: Any, **__: Any) -> None:
        raise AttributeError("module 'x' has no attribute 'y'")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    refused("hf:org/name::train", "cannot be loaded .AttributeError: module 'x'")


def test_hub_reads_a_data_set(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    calls = []
    made = datasets.Dataset.from_list([{"translation": {"de": source, "en": target}} for source, target in PAIRS])

    def load_dataset(*arguments: Any, **options: Any) -> Any:
        calls.append((arguments, options))
        return made.select([0, 1, 3])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    corpus = read_corpus("hf:org/name:de-en:train[:10%]", "de", "en")
    assert rows(corpus) == [PAIRS[0], PAIRS[1], PAIRS[3]]
    assert corpus.reading.format == "hub"
    assert len(list(cache.glob("*.arrow"))) == 1
    read_corpus("hf:org/name::test", "de", "en")
    assert calls == [(("org/name", "de-en"), {"split": "train[:10%]"}), (("org/name", None), {"split": "test"})]


def test_hub_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    refused("hf:org/name:de-en:train", "cannot be loaded .*Without network")


# The embedded corpus, one language


def test_embedded() -> None:
    corpus = read_corpus("embedded:kitchen:valid", "de_DE", "en")
    expected = embedded_sentences("kitchen", "valid", ["de", "en"])
    assert rows(corpus) == expected
    assert (corpus.reading.format, corpus.reading.columns) == ("embedded", ("de", "en"))
    assert rows(read_corpus("embedded:kitchen:valid", "en", "de", limit=3)) == [(en, de) for de, en in expected[:3]]
    assert read_monolingual("embedded:kitchen:valid", "deu_Latn", limit=2) == [de for de, _ in expected[:2]]
    refused("embedded:kitchn:valid", "kitchen")
    refused("embedded:kitchen:valid", "the embedded corpus has none", columns=("a", "b"))


def test_monolingual(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" eins \n\n  \nzwei\r\ndrei\n")
    assert read_monolingual(path, "de") == ["eins", "zwei", "drei"]
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read_monolingual(str(tmp_path / "a.txt.gz"), "de", limit=2) == ["eins", "zwei"]
    (tmp_path / "b.txt").write_text("\n \n")
    with pytest.raises(CorpusError, match=r"b\.txt: no text in it"):
        read_monolingual(tmp_path / "b.txt", "de")
    with pytest.raises(UnknownLanguageError):
        read_monolingual(tmp_path / "b.txt", "germn")


def test_lines_are_kept_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(" eins \n\ndrei\u2028vier\rfünf\r\n".encode())
    assert read_lines(tmp_path / "a.txt") == [" eins ", "", "drei\u2028vier\rfünf"]
    (tmp_path / "b.txt").write_bytes(b"")
    assert read_lines(tmp_path / "b.txt") == []


def test_only_so_many_lines_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_MOST_HELD", 3)
    (tmp_path / "a.txt").write_text("a\n\nb\n")
    assert len(read_lines(tmp_path / "a.txt")) == 3
    (tmp_path / "a.txt").write_text("a\n\nb\nc\n")
    assert read_monolingual(tmp_path / "a.txt", "de") == ["a", "b", "c"]
    for path in ("a.txt", "b.txt"):
        (tmp_path / path).write_text("a\nb\nc\nd\n")
        with pytest.raises(CorpusError, match=f"{path}: over 3 lines, more than are held in memory.*head -n 3"):
            read_lines(tmp_path / path) if path == "a.txt" else read_monolingual(tmp_path / path, "de")


def test_no_permission_for_a_folder_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", forbidden)
    for location in (tmp_path, tmp_path / "train", str(tmp_path / "train.{de,en}")):
        refused(location, "no permission to read it")


# Real text


@pytest.mark.parametrize(
    ("pair", "split", "count"),
    # Line counts are those that the data's own README states.
    [("de-en", "valid", 1014), ("de-en", "test", 1000), ("vi-en", "valid", 1059), ("zh-en", "test", 1000)],
)
def test_real_corpora(shared_data: Path, pair: str, split: str, count: int) -> None:
    source, target = pair.split("-")
    corpus = read_corpus(shared_data / "translation" / pair / split, source, target)
    assert corpus.reading.rows == count
    assert corpus.reading.kept + corpus.reading.duplicates == count


def test_real_tsv_with_header_and_one_language(shared_data: Path) -> None:
    path = shared_data / "dictionaries" / "xling" / "en-de.test.tsv"
    assert read_corpus(path, "en", "de").reading.rows == 2000
    lines = read_monolingual(shared_data / "mono" / "es.txt.xz", "es", limit=100)
    assert len(lines) == 100


def test_endings_that_are_codes_of_languages_by_accident(tmp_path: Path) -> None:
    write_text(tmp_path, PAIRS)
    for ending in ("in", "min"):
        (tmp_path / f"text.{ending}").write_bytes((tmp_path / "train.de").read_bytes())
    (tmp_path / "text.out").write_bytes((tmp_path / "train.en").read_bytes())
    assert len(read_corpus(str(tmp_path / "text.{in,out}"), "de", "en", cache_dir=tmp_path)) > 0
    assert len(read_corpus(str(tmp_path / "text.{min,out}"), "de", "en", cache_dir=tmp_path)) > 0


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_pair_is_refused(limit: int, tmp_path: Path) -> None:
    write_text(tmp_path, PAIRS)
    refused(str(tmp_path / "train.{de,en}"), "at least one pair is expected", limit=limit)


def test_text_that_is_read_loses_the_programs_own_mark(tmp_path: Path) -> None:
    (tmp_path / "text.de").write_text(f"Ein {control('</s>')} Hund\n", encoding="utf-8")
    (tmp_path / "text.en").write_text("A </s> dog\n", encoding="utf-8")
    corpus = read_corpus((tmp_path / "text.de", tmp_path / "text.en"), "de", "en", cache_dir=tmp_path / "cache")
    assert list(corpus) == [("Ein </s> Hund", "A </s> dog")]
    assert read_monolingual(tmp_path / "text.de", "de") == ["Ein </s> Hund"]
