"""Files as lines: what ends a line, what is no text, and what is refused as it is read."""

import os
import tracemalloc
from pathlib import Path

import pytest

from switchtune.corpus import lines
from switchtune.corpus.columns import CorpusError
from switchtune.corpus.lines import COMPRESSIONS, existing, stripped, text_lines
from tests.corpus.packed import COMPRESS, compress


def test_marks_of_byte_order_where_files_were_joined(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffeins\n\ufeff\ufeffzwei\n\ufeff\n", encoding="utf-8")
    assert list(text_lines(tmp_path / "a.txt")) == ["eins", "zwei", ""]


@pytest.mark.parametrize("end", ["", "\r"])
def test_lone_carriage_returns_end_lines_where_there_are_no_line_feeds(tmp_path: Path, end: str) -> None:
    written = [f"Zeile {number}" for number in range(20_000)] + ["", "Schluß"]
    (tmp_path / "a.de").write_bytes(("\r".join(written) + end).encode())
    assert list(text_lines(tmp_path / "a.de")) == written


@pytest.mark.parametrize("text", ["", " \t", "\ufeff", "\u200b", "\u00ad", "\u200e \u00a0\u2060", "\x1a", "\x00"])
def test_what_cannot_be_seen_is_no_text(text: str) -> None:
    assert stripped(text) == ""
    assert stripped(f" {text}a\u00adb{text}") == f" {text}a\u00adb{text}".strip()


@pytest.mark.parametrize(
    ("content", "step"),
    [
        (COMPRESS[".gz"](b"ja\n"), "compressed: give it the ending .gz"),
        (COMPRESS[".xz"](b"ja\n"), "compressed: give it the ending .xz"),
        (COMPRESS[".bz2"](b"ja\n"), "compressed: give it the ending .bz2"),
        (COMPRESS[".zst"](b"ja\n"), "compressed: give it the ending .zst"),
        (b"PK\x03\x04\x14\x00\x06\x00\xff\xfe", "a ZIP archive or a spreadsheet.*saved as CSV in UTF-8"),
        ("Häuser".encode("utf-16-le"), "iconv -f UTF-16LE"),
        ("Häuser".encode("latin-1"), "iconv -f ISO-8859-1"),
    ],
    ids=["gz", "xz", "bz2", "zst", "zip", "utf-16", "latin-1"],
)
def test_what_is_no_text_is_told_what_it_may_be(tmp_path: Path, content: bytes, step: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(CorpusError, match=f"a.txt:1: not UTF-8.*{step}"):
        list(text_lines(tmp_path / "a.txt"))


def test_utf16_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Häuser\n".encode("utf-16"))
    with pytest.raises(CorpusError, match=r"a.txt:1: not UTF-8: byte ff at position 1.*iconv -f UTF-16"):
        list(text_lines(tmp_path / "a.txt"))


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


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_an_endless_line_is_refused_in_flat_memory(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"bomb.txt{ending}"
    path.write_bytes(COMPRESS[ending](bytes(1 << 25)))
    tracemalloc.start()
    try:
        with pytest.raises(CorpusError, match=":1: the line has over 4,194,304 bytes"):
            next(text_lines(path))
        assert tracemalloc.get_traced_memory()[1] < 3 << 23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ending", COMPRESSIONS)
@pytest.mark.parametrize("repeated", ["\n", "Das Haus ist klein.\n"])
def test_what_grows_beyond_measure_is_refused_as_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, repeated: str
) -> None:
    monkeypatch.setattr(lines, "HARMLESS", 1 << 16)
    path = tmp_path / f"bomb.txt{ending}"
    content = repeated.encode() * ((1 << 22) // len(repeated))
    path.write_bytes(COMPRESS[ending](content))
    with pytest.raises(
        CorpusError, match=r"unpacks to over 65,536 bytes and over 200 times what was read of it.*unpack it"
    ):
        for number, _ in enumerate(text_lines(path)):
            assert number * len(repeated) < len(content) / 2


def test_what_grows_little_is_read_and_so_is_what_is_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "HARMLESS", 1 << 10)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"{number * 7919}\n" for number in range(9_000)) + "\n" * 50_000)
    assert len(list(text_lines(path))) == 59_000
    assert len(list(text_lines(compress(path, ".gz")))) == 59_000


def test_no_permission_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "a.txt"
    path.write_text("ja\n")
    for method in ("open", "stat"):  # of the file, of its folder
        with monkeypatch.context() as patched:
            patched.setattr(Path, method, forbidden)
            with pytest.raises(CorpusError, match=r"a\.txt: no permission to read it.*chmod u\+r"):
                existing(path)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("gone")
    for name, message in {
        "pipe": "a pipe; a file is expected. Save it to one first",
        "/dev/zero": "a device",
        "link": "a link to gone, which cannot be found",
        ".": "a folder; a file is expected",
        "a\nb": r"a\nb: not found",
        "a\0b": "embedded null byte",
        "a" * 300: "cannot be opened .*too long",
        "~nobody-of-this-name/a": "there is no folder|cannot be opened",
        "\udcff": r"udcff: the name is not UTF-8",
    }.items():
        with pytest.raises(CorpusError, match=message):
            existing(Path(name) if name.startswith("~") else tmp_path / name)
