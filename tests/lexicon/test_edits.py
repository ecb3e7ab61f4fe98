"""Edits by hand: what they do to a lexicon, and what stands in their file."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from switchtune.corpus.words import lower_case
from switchtune.lexicon.edits import Edit, apply_edits, edits_between
from switchtune.lexicon.files import (
    add_edits,
    edited_since_built,
    edits_path,
    hash_with_edits,
    read_edits,
    read_lexicon,
    take_over_edits,
    write_lexicon,
)
from switchtune.lexicon.records import Entry, Lexicon, LexiconError, Translation
from tests.lexicon.test_combine import lexicon_of, lexicons

BUILT = lexicon_of({"Hund": {"dog": 0.8, "pup": 0.3}, "Katze": {"cat": 0.9}, "die": {"the": 0.5}}, count=9)


def content(lexicon: Lexicon) -> dict[str, tuple[str, dict[str, tuple[str, float]]]]:
    """All but the counts and the order of equal strengths; of translations with the same letters the strongest."""
    return {
        key: (
            entry.word,
            {lower_case(each.word, "en"): (each.word, each.strength) for each in reversed(entry.translations)},
        )
        for key, entry in lexicon.entries.items()
    }


@settings(deadline=None, max_examples=200)
@given(before=lexicons(), after=lexicons())
def test_edits_between_turn_one_lexicon_into_the_other(before: Lexicon, after: Lexicon) -> None:
    edits = edits_between(before, after)
    assert content(apply_edits(edits, before)) == content(after)
    assert bool(edits) == (content(before) != content(after))


@settings(deadline=None, max_examples=60)
@given(before=lexicons(), after=lexicons(), anew=lexicons())
def test_edits_hold_in_any_build_and_leave_the_rest(before: Lexicon, after: Lexicon, anew: Lexicon) -> None:
    edits = edits_between(before, after)
    edited = apply_edits(edits, anew)
    assert content(apply_edits(edits, edited)) == content(edited)
    touched = {lower_case(edit.word, "de") for edit in edits}
    assert {key: entry for key, entry in edited.entries.items() if key not in touched} == {
        key: entry for key, entry in anew.entries.items() if key not in touched
    }


def test_words_are_found_in_any_casing_and_keep_theirs() -> None:
    edits = [Edit("hund", "Hound", 0.9), Edit("HUND", "Pup", None), Edit("katze", "*", None), Edit("Maus", "mouse", 1)]
    edited = apply_edits([*edits, Edit("KATZE", "cat", 0.4)], BUILT)
    assert edited.entries == {
        "hund": Entry("Hund", 9, (Translation("Hound", 0.9, 0), Translation("dog", 0.8, 9))),
        "katze": Entry("KATZE", 9, (Translation("cat", 0.4, 0),)),
        "die": BUILT.entries["die"],
        "maus": Entry("Maus", 0, (Translation("mouse", 1, 0),)),
    }
    assert "katze" not in apply_edits(edits, BUILT).entries
    assert apply_edits([Edit("Hund", "DOG", 0.2)], BUILT).entries["hund"].translations[1] == Translation("DOG", 0.2, 9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "auto-1/lexicon.de-en.tsv"
    write_lexicon(BUILT, path)
    return path


def test_a_file_is_read_with_the_edits_beside_it(path: Path) -> None:
    before = path.read_bytes()
    edits_path(path).write_text("# mine\n\nHund\tdog\t-\nHund hound\nKatze\t*\t-\n", encoding="utf-8")
    assert edits_path(path) == path.with_name("lexicon.de-en.edits.tsv")
    assert read_edits(path) == [Edit("Hund", "dog", None), Edit("Hund", "hound", 1.0), Edit("Katze", "*", None)]
    lexicon = read_lexicon(path)
    assert [each.word for each in lexicon.entries["hund"].translations] == ["hound", "pup"]
    assert lexicon.entries.keys() == {"hund", "die"}
    assert path.read_bytes() == before


def test_edits_are_added_below_what_stands_there(path: Path) -> None:
    add_edits(path, [Edit("Hund", "dog", None)])
    assert edits_path(path).read_text(encoding="utf-8").startswith("# Edits by hand of lexicon.de-en.tsv")
    edits_path(path).write_text("# mine\nHund\tdog\t-", encoding="utf-8")
    add_edits(path, [Edit("Hund", "dog", 0.1), Edit("die", "*", None)])
    assert edits_path(path).read_text(encoding="utf-8") == "# mine\nHund\tdog\t-\nHund\tdog\t0.1\ndie\t*\t-\n"
    assert read_lexicon(path).entries["hund"].translations[1] == Translation("dog", 0.1, 0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit("a\tb", "dog", 0.5), "cannot be in a lexicon file"),
        (Edit("Hund", " dog", 0.5), "cannot be in a lexicon file"),
        (Edit("Hund", "dog", 7.0), r"edits\.tsv:2: strength.*expected a probability"),
        (Edit("Hund", "*", 0.5), r"edits\.tsv:2: expected a word, a translation, and its strength or -"),
    ],
)
def test_edits_that_could_not_be_read_again_are_not_written(path: Path, edit: Edit, message: str) -> None:
    with pytest.raises(LexiconError, match=message):
        add_edits(path, [edit])
    with pytest.raises(LexiconError, match="would have no entries left"):
        add_edits(path, [Edit(word, "*", None) for word in ("Hund", "Katze", "die")])
    assert not edits_path(path).exists()


@pytest.mark.parametrize("line", ["Hund", "Hund\tdog\t0.5\t3", "\tdog", "Hund\t*", "Hund\tdog\tnoun"])
def test_a_malformed_edit_is_named(path: Path, line: str) -> None:
    edits_path(path).write_text(f"# mine\n{line}\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=r"lexicon\.de-en\.edits\.tsv:2: "):
        read_lexicon(path)


def test_a_file_tells_whether_it_was_edited(path: Path) -> None:
    assert edited_since_built(path) is False
    text = path.read_text(encoding="utf-8")
    for edited in (text + "Zebra\tzebra\n", text.replace("0.8", "0.7"), text.replace("\n", "\r\n")):
        path.write_bytes(edited.encode())
        assert edited_since_built(path) is True
    path.write_text("Hund\tdog\n", encoding="utf-8")
    assert edited_since_built(path) is None


def test_a_hash_goes_by_what_the_edits_say(path: Path) -> None:
    plain = hash_with_edits(path)
    edits_path(path).write_text("# nothing yet\n", encoding="utf-8")
    assert hash_with_edits(path) == plain
    edits_path(path).write_text("Hund\tdog\t-\n", encoding="utf-8")
    edited = hash_with_edits(path)
    edits_path(path).write_text("# mine\nHund  dog  -\n", encoding="utf-8")
    assert hash_with_edits(path) == edited != plain


def test_a_lexicon_of_a_new_folder_takes_over_the_latest_edits(path: Path) -> None:
    new = path.parent.with_name("auto-2") / path.name
    write_lexicon(BUILT, new)
    assert take_over_edits(new) is None
    edits_path(path).write_text("# mine\nHund\tdog\t-\n", encoding="utf-8")
    assert take_over_edits(new) == edits_path(path)
    assert edits_path(new).read_bytes() == edits_path(path).read_bytes()
    edits_path(new).write_text("Hund\tdog\t0.5\n", encoding="utf-8")
    assert take_over_edits(new) is None
    assert read_lexicon(new).entries["hund"].translations[0].strength == 0.5
