"""A folder of lexicons: hand edits live on, strange files are not overwritten, nothing of another lexicon is left."""

from pathlib import Path

import numpy as np
import pytest

from switchtune.config import LexiconSettings
from switchtune.corpus.words import word_segmenter
from switchtune.errors import UsageError
from switchtune.lexicon import LexiconError, read_lexicon
from switchtune.lexicon.build import Material, side_of
from switchtune.lexicon_folder import JUDGEMENT, PAGE, Made, judge_file, make_folder, read_material, write_page


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(1)
    numbers = [rng.integers(0, 26, size=5) for _ in range(300)]
    sides = [[" ".join(f"{name}{chr(97 + n)}" for n in each) for each in numbers] for name in ("wort", "word")]
    return Material(side_of(sides[0], "de", word_segmenter("de")), side_of(sides[1], "en", word_segmenter("en")))


def make(material: Material, out: Path, told: list[str], **options: str) -> Made:
    settings = LexiconSettings(method="align")
    return make_folder(material, settings, out, on_step=lambda step: None, tell=told.append, **options)


def test_edits_by_hand_live_on(material: Material, tmp_path: Path) -> None:
    told: list[str] = []
    made = make(material, tmp_path, told)
    path = made.paths[0]
    assert path == tmp_path / "lexicon.de-en.tsv"
    path.write_text(path.read_text(encoding="utf-8").replace("worta\tworda", "worta\tmine"), encoding="utf-8")
    again = make(material, tmp_path, told)
    assert [each.word for each in again.lexicons[0].entries["worta"].translations] == ["mine"]
    assert again.lexicons[0] == read_lexicon(path)
    assert "edited by hand" in told[0]
    assert read_lexicon(tmp_path / "built" / path.name).entries["worta"].translations[0].word == "worda"
    path.write_text(path.read_text(encoding="utf-8") + "bad\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=r"lexicon\.de-en\.tsv:\d+: expected source and target"):
        make(material, tmp_path, told)


def test_the_page_and_the_judge(material: Material, tmp_path: Path) -> None:
    made = make(material, tmp_path, [])
    assert "<html" in (tmp_path / PAGE).read_text(encoding="utf-8")
    (tmp_path / PAGE).unlink()
    assert write_page(tmp_path) == tmp_path / PAGE
    assert judge_file(made.paths[0], material).directions[0].verdict == "green"
    (tmp_path / JUDGEMENT).write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="no languages"):
        write_page(tmp_path)


def test_a_control_leaves_no_judgement_of_another_lexicon(material: Material, tmp_path: Path) -> None:
    make(material, tmp_path, [])
    control = make(material, tmp_path, [], neighbours="farthest")
    assert control.judged is None
    assert not (tmp_path / JUDGEMENT).exists() and not (tmp_path / PAGE).exists()


def test_a_file_from_elsewhere_is_not_overwritten(material: Material, tmp_path: Path) -> None:
    (tmp_path / "lexicon.en-de.tsv").write_text("dog\tHund\n", encoding="utf-8")
    with pytest.raises(UsageError, match="was not built here"):
        make(material, tmp_path, [])
    assert (tmp_path / "lexicon.en-de.tsv").read_text(encoding="utf-8") == "dog\tHund\n"


def test_two_files_of_different_length_are_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("ein Hund\neine Katze\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("a dog\n", encoding="utf-8")
    told: list[str] = []
    files = (str(tmp_path / "a.de"), str(tmp_path / "a.en"))
    found = read_material(*files, ("de", "en"), pieces=None, paired=None, tell=told.append)
    assert not found.paired
    assert "differ in their number of lines" in told[-1]
