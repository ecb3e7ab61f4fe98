"""The lexicon record, its file, and the random control."""

import bz2
import gzip
import lzma
import re
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchtune.corpus.lines import COMPRESSIONS, LONGEST_LINE
from switchtune.corpus.words import lower_case
from switchtune.lexicon.block import read_block_list
from switchtune.lexicon.files import read_lexicon, write_lexicon
from switchtune.lexicon.records import (
    UNDETERMINED,
    Entry,
    Lexicon,
    LexiconError,
    Translation,
    make_lexicon,
    randomised,
)
from switchtune.lexicon.text import encode

HUND = Entry("Hund", 12, (Translation("dog", 0.75, 15), Translation("hound", 0.125, 2)))
KATZE = Entry("Katze", 30, (Translation("cat", 0.9, 28),))
LEXICON = Lexicon("de", "en", "align", "probability", "word", {"hund": HUND, "katze": KATZE})

HEADER = "# switchtune lexicon de-en method=align measure=probability unit=word\n"

patient = settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])

words = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r"), min_size=1, max_size=6).filter(
    lambda word: word == word.strip() and not word.startswith("# ")
)


@st.composite
def lexicons(draw: st.DrawFn) -> Lexicon:
    entries = {}
    target_count = {}
    keys = words.map(lambda word: lower_case(word, "de")).filter(lambda key: key and key == key.strip())
    for key in draw(st.lists(keys.filter(lambda key: not key.startswith("# ")), min_size=1, max_size=8, unique=True)):
        translations = []
        for word in draw(st.lists(words, min_size=1, max_size=4, unique=True)):
            count = target_count.setdefault(word, draw(st.integers(0, 10**12)))
            translations.append(Translation(word, draw(st.floats(-1e6, 1e6)), count))
        translations.sort(key=lambda translation: -translation.strength)
        entries[key] = Entry(key, draw(st.integers(0, 10**12)), tuple(translations))
    return Lexicon("de", "en", "vecmap", "similarity", draw(st.sampled_from(["word", "piece"])), entries)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lexicon.de-en.tsv"


def read(path: Path, text: str) -> Lexicon:
    path.write_bytes(text.encode())
    return read_lexicon(path)


@patient
@given(lexicon=lexicons())
def test_file_says_exactly_what_the_record_holds(lexicon: Lexicon, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.tsv"
    write_lexicon(lexicon, path)
    assert read_lexicon(path) == lexicon


def test_file_is_readable(path: Path) -> None:
    write_lexicon(LEXICON, path)
    assert re.sub("(?<=sum=)[0-9a-f]{16}", "…", path.read_text()) == (
        "# switchtune lexicon de-en method=align measure=probability unit=word sum=…\n"
        "# source\ttarget\tstrength\tsource_count\ttarget_count\n"
        "Katze\tcat\t0.9\t30\t28\n"
        "Hund\tdog\t0.75\t12\t15\n"
        "Hund\thound\t0.125\t12\t2\n"
    )


def test_find_disregards_case() -> None:
    assert LEXICON.find("HUND") == LEXICON.find("hund") == HUND
    assert LEXICON.find("Maus") is None


def test_two_columns_are_enough(path: Path) -> None:
    lexicon = read(path, "Hund\tdog\nkatze cat\nhund\thound\n")
    assert (lexicon.source_language, lexicon.target_language, lexicon.measure) == ("de", "en", "none")
    assert lexicon.entries == {
        "hund": Entry("Hund", 0, (Translation("dog", 1.0, 0), Translation("hound", 1.0, 0))),
        "katze": Entry("katze", 0, (Translation("cat", 1.0, 0),)),
    }


def test_edited_file_keeps_working(path: Path) -> None:
    """Lines in another order, without counts, without strength, with a comment, Windows line ends and a BOM."""
    write_lexicon(LEXICON, path)
    header, _, _, hund, hound = path.read_text().splitlines()
    lexicon = read(
        path, "\r\n".join(["\ufeff" + header, "# mine", "#", hound, "", hund, "Maus\tmouse", "Hund\tpup\t0.5\t\t"])
    )
    found = [(translation.word, translation.strength) for translation in lexicon.entries["hund"].translations]
    assert found == [("dog", 0.75), ("pup", 0.5), ("hound", 0.125)]
    assert lexicon.entries["maus"].translations == (Translation("mouse", 1.0, 0),)
    assert lexicon.measure == "probability"


def test_hash_sign_can_be_a_word(path: Path) -> None:
    assert read(path, "#\thash\n").find("#") == Entry("#", 0, (Translation("hash", 1.0, 0),))


def test_repeated_lines_are_not_held(path: Path) -> None:
    path.write_text("Hund\tdog\n" * 20_000)
    tracemalloc.start()
    try:
        assert len(read_lexicon(path)) == 1
        assert tracemalloc.get_traced_memory()[1] < 1 << 19
    finally:
        tracemalloc.stop()


@settings.get_profile("fuzz")
@given(
    fields=st.lists(
        st.lists(
            st.sampled_from(["Hund", "dog", "0.5", "-1", "nan", "1e400", "3", "9" * 5_000, "#", HEADER]) | st.text()
        ),
        max_size=4,
    ),
    separator=st.sampled_from(["\t", " "]),
    raw=st.binary(max_size=100) | st.just(b""),
)
def test_any_bytes_are_read_or_refused(path: Path, fields: list[list[str]], separator: str, raw: bytes) -> None:
    text = "\n".join(map(separator.join, fields))
    path.write_bytes(raw or text.encode(errors="surrogatepass"))
    try:
        lexicon = read_lexicon(path)
    except LexiconError as error:
        assert str(path) in str(error)
        assert len(str(error)) < 2_000
    else:
        for entry in lexicon.entries.values():
            assert all(np.isfinite(translation.strength) for translation in entry.translations)
    with suppress(LexiconError):
        read_block_list(path)


def test_repeated_line_adds_nothing(path: Path) -> None:
    lexicon = read(path, "Hund\tdog\t0.2\nhund\tdog\t0.4\n")
    assert lexicon.entries == {"hund": Entry("Hund", 0, (Translation("dog", 0.4, 0),))}


def test_languages_unknown_without_header_and_name(tmp_path: Path) -> None:
    lexicon = read(tmp_path / "mine.tsv", "Hund\tdog\n")
    assert (lexicon.source_language, lexicon.target_language) == (UNDETERMINED, UNDETERMINED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Hund\tdog\nKatze\n", r"tsv:2: expected source and target.*found 'Katze'"),
        ("New York New York\n", r"tsv:1: expected source and target"),
        ("\tdog\n", r"tsv:1: expected source and target"),
        ("Hund\tdog\nKatze\n", r"A good line: Hund<TAB>dog, or"),
        ("Hund\tdog\nKuh\tcow\tclose\n", r"tsv:2: strength, the third column, is 'close'; expected a number"),
        ("Hund\tdog\tclose\n", r"tsv:1: strength.*A line that names the columns begins with '# '"),
        (
            "Hund\tdog\tnoun\nKuh\tcow\t\nja\tyes\tadv\n#a b c\n# a\tb\tc\n",
            r"tsv:1: .*is 'noun'.*cut -f",
        ),
        ("New York City\n", r"tsv:1: .*is 'City'.*words that hold spaces need tabs"),
        ("Hund\tdog\tnan\n", r"tsv:1: strength"),
        (HEADER + "Hund\tdog\t1.5\n", r"tsv:2: strength.*'1\.5'; expected a probability"),
        ("Hund\tdog\t0.5\t-3\t4\n", r"tsv:1: count '-3'"),
        ("Hund\tdog\t1e400\n", r"tsv:1: strength"),
        (f"Hund\tdog\t0.5\t{'9' * 5000}\t4\n", r"tsv:1: count '999.* at most 18 digits"),
        ("Hund\tdog\t0.5\t²\t4\n", r"tsv:1: count '²'"),
        ("a" * (LONGEST_LINE + 1), r"tsv:1: the line has over"),
        ("Hund\tdog\t0.5\t3\n", r"tsv:1: expected source and target"),
        ("# switchtune lexicon de-xyz\nHund\tdog\n", r"tsv:1: in the header, unknown language 'xyz'"),
        ("# switchtune lexicon deutsch measure=none\nHund\tdog\n", r"tsv:1: not a header"),
        ("# switchtune lexicon de-en measure=distance\nHund\tdog\n", r"tsv:1: not a header.*probability, similarity"),
        ("Hund\tdog\n" + HEADER, r"tsv:2: a second lexicon begins"),
        ("# nothing\n\n", r"no entries found"),
    ],
)
def test_malformed_line_is_named(path: Path, text: str, message: str) -> None:
    with pytest.raises(LexiconError, match=message):
        read(path, text)


def test_a_few_malformed_lines_of_a_file_made_elsewhere_are_left_out_and_named(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [f"Wort{letter}{number}" for letter in "abcde" for number in range(39)]
    lines = [f"{word} word-{word}\n" for word in words]
    lines[10:10], lines[99:99] = ["New York City\n"], ["Katze\n"]
    lexicon = read(path, "".join(lines))
    assert [*lexicon.entries] == [word.lower() for word in words]
    assert "2 of 197 lines are malformed and left out: 11, 100. The first: strength, the third column" in caplog.text
    with pytest.raises(LexiconError, match=r"tsv:11: .*So are 4 of 199 lines .at most 2% may"):
        read(path, "".join([*lines, "a\n", "b\n"]))
    with pytest.raises(LexiconError, match=r"tsv:12: strength"):
        read(path, HEADER + "".join(lines).replace(" ", "\t"))


def test_not_utf8_is_named_with_its_line(path: Path) -> None:
    path.write_bytes(b"Hund\tdog\nM\xe4dchen\tgirl\n")
    with pytest.raises(LexiconError, match=r"tsv:2: not UTF-8: byte e4"):
        read_lexicon(path)


def test_missing_file_is_named(path: Path) -> None:
    with pytest.raises(LexiconError, match=r"lexicon\.de-en\.tsv: not found"):
        read_lexicon(path)
    with pytest.raises(LexiconError, match=r"a folder; a file is expected"):
        read_lexicon(path.parent)


def zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)  # type: ignore[no-any-return]


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstd,
}


@pytest.mark.parametrize("ending", COMPRESSIONS)
def test_compressed_file_is_read_and_not_written(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"muse.de-en.txt{ending}"
    path.write_bytes(COMPRESS[ending](b"hund dog\nkatze cat\n" * 20))
    lexicon = read_lexicon(path)
    assert (lexicon.source_language, lexicon.target_language) == ("de", "en")
    assert lexicon.entries.keys() == {"hund", "katze"}
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(LexiconError, match="cannot be read after line"):
        read_lexicon(path)
    with pytest.raises(LexiconError, match=f"written plain.*without '{ending}'"):
        write_lexicon(lexicon, path)


@pytest.mark.parametrize(
    ("named", "languages"),
    [
        ("deu-eng", ("de", "en")),
        ("de_DE-en_XX", ("de", "en")),
        ("zho_Hant-eng_Latn", ("zh_Hant", "en")),
        ("German-English", ("de", "en")),
        ("und-en", (UNDETERMINED, "en")),
    ],
)
def test_languages_of_a_header_become_short_codes(named: str, languages: tuple[str, str], path: Path) -> None:
    lexicon = read(path, f"# switchtune lexicon {named}\nHund\tdog\n")
    assert (lexicon.source_language, lexicon.target_language, lexicon.method) == (*languages, "file")


def test_words_go_by_the_language_of_the_header(path: Path) -> None:
    assert read(path, "# switchtune lexicon tur-eng\nISI\theat\n").entries.keys() == {"ısı"}


def test_many_lines_are_read_in_a_moment(path: Path) -> None:
    """A bound ten times what it takes, against what would take quadratic time."""
    path.write_text("".join(f"w{number % 30_000}\tt{number}\t0.5\t3\t4\n" for number in range(60_000)))
    begun = time.process_time()
    assert len(read_lexicon(path)) == 30_000
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("word", ["a\tb", "a\nb", " a", "", "# a", "a\r"])
def test_word_that_a_file_cannot_hold_is_refused(path: Path, word: str) -> None:
    lexicon = Lexicon("de", "en", "align", "none", "word", {"x": Entry("x", 1, (Translation(word, 1.0, 1),))})
    with pytest.raises(LexiconError, match="cannot be in a lexicon file"):
        write_lexicon(lexicon, path)
    assert not path.exists()


def test_empty_lexicon_is_not_written(path: Path) -> None:
    with pytest.raises(LexiconError, match="no entries"):
        write_lexicon(Lexicon("de", "en", "align", "none", "word", {}), path)
    assert not path.exists()


def test_usual_casing_looks_away_from_the_sentence_start() -> None:
    sentences = [["Rot", "ist", "der", "Hund"], ["Rot", "ist", "rot"], ["Rot"], ["Nur"], ["IST", "hund", "Hund"], []]
    assert set(encode(sentences, "de").vocabulary.words) == {"rot", "ist", "der", "Hund", "Nur"}


def test_usual_casing_prefers_lower_case_on_a_tie() -> None:
    assert set(encode([["x", "Sie", "sie"], ["x", "sie", "Sie"]], "de").vocabulary.words) == {"x", "sie"}


def test_vocabulary_is_ordered_by_count() -> None:
    vocabulary = encode([["Der", "Hund", "der"], ["der", "Ball"]], "de").vocabulary
    assert vocabulary.words == ("der", "Ball", "Hund")
    assert vocabulary.counts.tolist() == [3, 1, 1]
    assert vocabulary.index == {"der": 0, "ball": 1, "hund": 2}


def test_make_lexicon_orders_by_strength_and_rounds() -> None:
    german, english = encode([["Hund", "Hund", "Katze"]], "de"), encode([["dog", "cat", "dog"]], "en")
    vocabularies = german.vocabulary, english.vocabulary
    links = np.array([0, 1, 0]), np.array([1, 1, 0]), np.array([0.25, 0.1234567, 0.5])
    lexicon = make_lexicon(("de", "en"), vocabularies, links, method="align", measure="probability")
    assert lexicon.entries["hund"] == Entry("Hund", 2, (Translation("dog", 0.5, 2), Translation("cat", 0.25, 1)))
    assert lexicon.entries["katze"].translations == (Translation("cat", 0.123457, 1),)


@patient
@given(lexicon=lexicons(), seed=st.integers(0, 9))
def test_randomised_keeps_all_but_the_translations(lexicon: Lexicon, seed: int) -> None:
    control = randomised(lexicon, seed=seed)
    targets = {translation.word for entry in lexicon.entries.values() for translation in entry.translations}
    assert control.entries.keys() == lexicon.entries.keys()
    assert control == randomised(lexicon, seed=seed)
    for key, entry in lexicon.entries.items():
        real = {translation.word for translation in entry.translations}
        drawn = {translation.word for translation in control.entries[key].translations}
        assert (control.entries[key].word, control.entries[key].count) == (entry.word, entry.count)
        assert len(control.entries[key].translations) == len(drawn) == len(real)
        assert drawn <= targets
        assert len(drawn & real) == max(0, 2 * len(real) - len(targets))  # as few as the vocabulary allows


def test_randomised_draws_uniformly() -> None:
    names = [f"t{place}" for place in range(5)]
    every = {name: Entry(name, 1, (Translation(name, 1.0, 1),)) for name in names}
    drawn = Counter(
        randomised(Lexicon("a", "b", "align", "none", "word", every), seed=seed).entries["t0"].translations[0].word
        for seed in range(800)
    )
    assert set(drawn) == set(names[1:])
    assert all(abs(count - 200) < 5 * np.sqrt(800 * 0.25 * 0.75) for count in drawn.values())


def test_randomised_depends_on_the_seed() -> None:
    names = [f"t{place}" for place in range(50)]
    lexicon = Lexicon("a", "b", "align", "none", "word", {n: Entry(n, 1, (Translation(n, 1.0, 1),)) for n in names})
    assert randomised(lexicon, seed=1) != randomised(lexicon, seed=2)


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("lexicon.de-en.tsv", ("de", "en")),
        ("my_de-en.txt", ("de", "en")),
        ("lexicon.zh_Hant-en.tsv", ("zh_Hant", "en")),
        ("deu-eng.tsv", ("de", "en")),
        ("my-lex.tsv", ("und", "und")),
        ("to-do.tsv", ("und", "und")),
    ],
)
def test_only_languages_are_taken_from_the_name_of_a_file(
    name: str, languages: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / name).write_text("Hund\tdog\n", encoding="utf-8")
    lexicon = read_lexicon(tmp_path / name)
    assert (lexicon.source_language, lexicon.target_language) == languages


def test_a_word_is_found_however_its_apostrophe_is_typed(tmp_path: Path) -> None:
    curly, straight = "don\u2019t", "don't"
    vocabulary = encode([["I", curly], ["we", straight], ["you", curly]], "en").vocabulary
    assert vocabulary.words[vocabulary.index[straight]] == curly  # as most write it
    assert vocabulary.counts[vocabulary.index[straight]] == 3
    path = tmp_path / "lexicon.en-de.tsv"
    path.write_text(f"{curly}\tnicht\n{straight}\tkein\n", encoding="utf-8")
    lexicon = read_lexicon(path)
    assert len(lexicon) == 1
    for form in (curly, straight, "Don\u2019t", "DON'T"):
        entry = lexicon.find(form)
        assert entry is not None and (entry.word, len(entry.translations)) == (curly, 2)
