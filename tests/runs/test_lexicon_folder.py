"""A folder of lexicons: hand edits live on, strange files are not overwritten, nothing of another lexicon is left."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchtune.config.lexicon import BlockSettings, LexiconSettings
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.lexicon.build import Material, build_and_judge, side_of
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import LexiconError
from switchtune.report.lexicon_page import write_lexicon_page
from switchtune.runs import lexicon_folder
from switchtune.runs.lexicon_folder import PAGE, Made, judge_file, make_folder, read_material
from switchtune.runs.paths import JUDGEMENT


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


def test_what_was_removed_stays_removed_though_a_lexicon_in_between_lacks_it(
    material: Material, tmp_path: Path
) -> None:
    path = make(material, tmp_path, []).paths[0]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("worta\t")), encoding="utf-8")
    told: list[str] = []
    block = tmp_path / "block.txt"
    block.write_text("worta\n", encoding="utf-8")
    settings = LexiconSettings(method="align", block=BlockSettings(words=str(block)))
    make_folder(material, settings, tmp_path, on_step=lambda step: None, tell=told.append)
    again = make(material, tmp_path, told)
    assert len(told) == 2 and all("words removed: 1" in line for line in told)
    assert "worta" not in again.lexicons[0].entries
    assert "worta" in read_lexicon(tmp_path / "built" / path.name).entries


class KilledError(Exception):
    pass


@pytest.mark.parametrize("edited", [False, True])
def test_a_process_that_is_killed_leaves_no_edits_that_no_hand_made(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edited: bool
) -> None:
    """Killed at each of the moments at which a file comes, goes or is replaced."""
    first, second = (build_and_judge(each, LexiconSettings(method="align")) for each in (material, material.first(150)))
    whole, fresh = first.built.lexicons[0], second.built.lexicons[0]
    assert whole != fresh

    def dies_after(moments: Iterator[int], change: Callable[..., None]) -> Callable[..., None]:
        def changed(*given: Any, **options: Any) -> None:
            if next(moments, None) is None:
                raise KilledError
            change(*given, **options)

        return changed

    def killed(out: Path, survived: int) -> bool:
        with monkeypatch.context() as patch:
            moments = iter(range(survived))
            for name in ("replace", "unlink"):
                patch.setattr(Path, name, dies_after(moments, getattr(Path, name)))
            try:
                make(material, out, [])
            except KilledError:
                return True
        return False

    for survived in count():
        out = tmp_path / str(survived)
        monkeypatch.setattr(lexicon_folder, "build_and_judge", lambda *given, **options: first)
        path = make(material, out, []).paths[0]
        if edited:
            path.write_text(path.read_text(encoding="utf-8").replace("worta\tworda", "worta\tmine"), encoding="utf-8")
        monkeypatch.setattr(lexicon_folder, "build_and_judge", lambda *given, **options: second)
        died = killed(out, survived)
        told: list[str] = []
        made = make(material, out, told).lexicons[0]
        assert told == [f"{path}: edited by hand (translations added: 1, translations removed: 1), kept"] * edited
        assert [each.word for each in made.entries["worta"].translations] == ["mine" if edited else "worda"]
        assert {key: made.entries[key] for key in fresh.entries if key != "worta"} == {
            key: entry for key, entry in fresh.entries.items() if key != "worta"
        }
        assert read_lexicon(out / "built" / path.name) == fresh
        if not died:
            assert survived > 10
            break


def test_a_control_does_not_overwrite_edits(material: Material, tmp_path: Path) -> None:
    path = make(material, tmp_path, []).paths[0]
    text = path.read_text(encoding="utf-8").replace("worta\tworda", "worta\tmine")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="the control would overwrite it"):
        make(material, tmp_path, [], neighbours="farthest")
    assert path.read_text(encoding="utf-8") == text


def test_the_page_and_the_judge(material: Material, tmp_path: Path) -> None:
    made = make(material, tmp_path, [])
    assert write_lexicon_page(tmp_path) == tmp_path / PAGE
    assert "<html" in (tmp_path / PAGE).read_text(encoding="utf-8")
    assert judge_file(made.paths[0], material).directions[0].verdict == "green"
    (tmp_path / JUDGEMENT).write_text("{}", encoding="utf-8")
    with pytest.raises(SwitchtuneError, match=r"judgement.json: languages: Field required .* builds the folder anew"):
        write_lexicon_page(tmp_path)


def test_a_lexicon_is_judged_on_text_of_its_own_unit(material: Material, tmp_path: Path) -> None:
    words, pieces = tmp_path / "words.de-en.tsv", tmp_path / "pieces.de-en.tsv"
    words.write_text("worta\tworda\n", encoding="utf-8")
    pieces.write_text("# switchtune lexicon de-en unit=piece\n▁wort\t▁word\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"a lexicon of pieces, but the text .* into words.* Give --pieces-of MODEL"):
        judge_file(pieces, material)
    with pytest.raises(UsageError, match=r"a lexicon of words, but .* Leave out --pieces-of; .* de-en unit=piece"):
        judge_file(words, replace(material, unit="piece"))


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
