"""A folder of lexicons: edits live on, what was not built is not overwritten, nothing of another lexicon is left."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from switchtune.cli.main import main
from switchtune.config.lexicon import BlockSettings, LexiconSettings
from switchtune.corpus.embedded import embedded_sentences
from switchtune.corpus.words import word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.lexicon.build import LexiconInput
from switchtune.lexicon.edits import edits_between
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import LexiconError
from switchtune.lexicon.text import monolingual_text
from switchtune.report.lexicon_page import write_lexicon_page
from switchtune.runs.lexicon_folder import JUDGEMENT, PAGE, Made, judge_file, make_folder, read_input


@pytest.fixture(scope="module")
def text() -> LexiconInput:
    rng = np.random.default_rng(1)
    numbers = [rng.integers(0, 26, size=5) for _ in range(300)]
    sides = [[" ".join(f"{name}{chr(97 + n)}" for n in each) for each in numbers] for name in ("wort", "word")]
    source, target = (
        monolingual_text(lines, language, word_segmenter(language))
        for lines, language in zip(sides, ("de", "en"), strict=True)
    )
    return LexiconInput(source, target)


ALIGN = LexiconSettings(method="align")


def make(text: LexiconInput, out: Path, told: list[str], **options: str) -> Made:
    return make_folder(text, ALIGN, out, on_step=lambda step: None, tell=told.append, **options)


def edit(path: Path, *lines: str) -> Path:
    file = path.with_name("lexicon.de-en.edits.tsv")
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def test_edits_by_hand_live_on_with_their_comments(text: LexiconInput, tmp_path: Path) -> None:
    path = make(text, tmp_path, []).paths[0]
    assert path == tmp_path / "lexicon.de-en.tsv"
    file = edit(path, "# as my aunt says", "worta\tmine\t0.9", "worta\tworda\t-", "wortb\t*\t-")
    before, told = file.read_bytes(), list[str]()
    block = tmp_path / "block.txt"
    block.write_text("worta\n", encoding="utf-8")
    for settings in (LexiconSettings(method="align", block=BlockSettings(words=str(block))), ALIGN):
        made = make_folder(text, settings, tmp_path, on_step=lambda step: None, tell=told.append)
        assert [each.word for each in made.lexicons[0].entries["worta"].translations] == ["mine"]
        assert "wortb" not in made.lexicons[0].entries
        assert made.lexicons[0] == read_lexicon(path)
        assert "mine" not in path.read_text(encoding="utf-8")
    assert told == [f"{file}: 3 edits by hand apply"] * 2
    assert file.read_bytes() == before
    file.unlink()
    assert read_lexicon(path).entries["worta"].translations[0].word == "worda"
    edit(path, "bad")
    with pytest.raises(LexiconError, match=r"lexicon\.de-en\.edits\.tsv:1: expected a word, a translation"):
        make(text, tmp_path, [])


def test_what_was_edited_in_the_lexicon_itself_is_not_overwritten(text: LexiconInput, tmp_path: Path) -> None:
    path = make(text, tmp_path / "mine", []).paths[0]
    as_built = make(text, tmp_path / "anew", []).paths[0]
    built = path.read_text(encoding="utf-8")
    path.write_text(built.replace("worta\tworda", "worta\tmine"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"tsv: edited by hand since .* in lexicon\.de-en\.edits\.tsv .* --edits"):
        make(text, tmp_path / "mine", [])
    edits = edits_between(read_lexicon(as_built), read_lexicon(path))
    path.unlink()
    edit(path, *(each.line() for each in edits))
    made = make(text, tmp_path / "mine", [])
    assert [each.word for each in made.lexicons[0].entries["worta"].translations] == ["mine"]
    # By an earlier version, whose lexicons have no checksum.
    path.write_text(re.sub(" sum=.*", "", built), encoding="utf-8")
    with pytest.raises(UsageError, match="not built here by this version"):
        make(text, tmp_path / "mine", [])


def test_what_was_edited_is_printed_as_lines_for_the_file_of_edits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    built, edited = tmp_path / "built.de-en.tsv", tmp_path / "lexicon.de-en.tsv"
    built.write_text("Hund\tdog\t0.8\nKatze\tcat\t0.5\n", encoding="utf-8")
    edited.write_text("Hund\thound\t0.8\nMaus\tmouse\t0.7\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["switchtune", "lexicon", "diff", str(built), str(edited), "--edits"])
    with pytest.raises(SystemExit) as end:
        main()
    assert (end.value.code, capsys.readouterr().out) == (
        0,
        "Katze\t*\t-\nHund\tdog\t-\nHund\thound\t0.8\nMaus\tmouse\t0.7\n",
    )


def test_what_is_edited_while_a_lexicon_is_built_anew_is_not_lost(text: LexiconInput, tmp_path: Path) -> None:
    path = make(text, tmp_path, []).paths[0]
    built, told = path.read_text(encoding="utf-8"), list[str]()
    in_the_lexicon = built.replace("wortb\twordb", "wortb\tmine")

    def edit_meanwhile(_: object) -> None:
        edit(path, "worta\tworda\t-", "worta\tmine")
        path.write_text(in_the_lexicon, encoding="utf-8")

    made = make_folder(text, ALIGN, tmp_path, on_step=edit_meanwhile, tell=told.append)
    file, kept = tmp_path / "lexicon.de-en.edits.tsv", tmp_path / "lexicon.de-en.tsv.kept-1"
    assert file.read_text(encoding="utf-8") == "worta\tworda\t-\nworta\tmine\n"
    assert [each.word for each in made.lexicons[0].entries["worta"].translations] == ["mine"]
    assert kept.read_text(encoding="utf-8") == in_the_lexicon
    assert path.read_text(encoding="utf-8") == built
    assert told[0].startswith(f"{path}: edited by hand while it was built anew; the edited file is now {kept.name}.")
    assert told[1:] == [f"{file}: 2 edits by hand apply"]


def test_a_control_has_no_edits(text: LexiconInput, tmp_path: Path) -> None:
    file = edit(make(text, tmp_path, []).paths[0], "worta\tmine")
    with pytest.raises(UsageError, match=rf"{file} would apply to the control"):
        make(text, tmp_path, [], neighbours="farthest")


def test_the_page_and_the_judge(text: LexiconInput, tmp_path: Path) -> None:
    made = make(text, tmp_path, [])
    assert write_lexicon_page(tmp_path) == tmp_path / PAGE
    assert "<html" in (tmp_path / PAGE).read_text(encoding="utf-8")
    (tmp_path / PAGE).write_text("a page of my own", encoding="utf-8")
    with pytest.raises(UsageError, match="the file already exists"):
        write_lexicon_page(tmp_path)
    write_lexicon_page(tmp_path, force=True)
    assert "<html" in (tmp_path / PAGE).read_text(encoding="utf-8")
    assert judge_file(str(made.paths[0]), text).directions[0].verdict == "green"
    (tmp_path / JUDGEMENT).write_text("{}", encoding="utf-8")
    with pytest.raises(SwitchtuneError, match=r"judgement.json: languages: Field required .* rebuilds the folder"):
        write_lexicon_page(tmp_path)


def test_a_lexicon_is_judged_on_text_of_its_own_unit(text: LexiconInput, tmp_path: Path) -> None:
    words, pieces = tmp_path / "words.de-en.tsv", tmp_path / "pieces.de-en.tsv"
    words.write_text("worta\tworda\n", encoding="utf-8")
    pieces.write_text("# switchtune lexicon de-en unit=piece\n▁wort\t▁word\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"a lexicon of pieces, but the text .* into words.* Give --pieces-of MODEL"):
        judge_file(str(pieces), text)
    with pytest.raises(UsageError, match=r"a lexicon of words, but .* Leave out --pieces-of; .* de-en unit=piece"):
        judge_file(str(words), replace(text, unit="piece"))


def test_a_control_leaves_no_judgement_of_another_lexicon(text: LexiconInput, tmp_path: Path) -> None:
    make(text, tmp_path, [])
    control = make(text, tmp_path, [], neighbours="farthest")
    assert control.judged is None
    assert not (tmp_path / JUDGEMENT).exists() and not (tmp_path / PAGE).exists()


def test_a_file_from_elsewhere_is_not_overwritten(text: LexiconInput, tmp_path: Path) -> None:
    (tmp_path / "lexicon.en-de.tsv").write_text("dog\tHund\n", encoding="utf-8")
    with pytest.raises(UsageError, match="not built here"):
        make(text, tmp_path, [])
    assert (tmp_path / "lexicon.en-de.tsv").read_text(encoding="utf-8") == "dog\tHund\n"


def test_two_files_of_different_length_are_no_pairs(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("ein Hund\neine Katze\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("a dog\n", encoding="utf-8")
    told: list[str] = []
    files = (str(tmp_path / "a.de"), str(tmp_path / "a.en"))
    found = read_input(*files, ("de", "en"), pieces=None, paired=None, check="stop", tell=told.append)
    assert not found.paired
    assert "differ in their number of lines" in told[-1]


def test_files_whose_sides_are_exchanged_make_no_lexicon_unless_asked_for(tmp_path: Path) -> None:
    pairs = embedded_sentences("news", "train", ("de", "en"), 60)
    files = (str(tmp_path / "a.en"), str(tmp_path / "a.de"))
    for file, side in zip(files, zip(*pairs, strict=True), strict=True):
        Path(file).write_text("".join(f"{line}\n" for line in side), encoding="utf-8")
    told: list[str] = []
    read = partial(read_input, *files[::-1], ("de", "en"), pieces=None, paired=True, tell=told.append)
    with pytest.raises(SwitchtuneError, match=r"(?s)The sides are exchanged.*set --check tell to continue"):
        read(check="stop")
    assert read(check="tell").paired and any("The sides are exchanged" in said for said in told)
    told.clear()
    assert read(check="off").paired and len(told) == 1
