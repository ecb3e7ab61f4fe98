"""A folder of lexicons as the command line makes it: text read, lexicons built and judged, hand edits kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from switchtune.config.lexicon import LexiconSettings
from switchtune.corpus.read import describe, read_corpus, read_lines, read_monolingual
from switchtune.corpus.words import Segmenter, word_segmenter
from switchtune.errors import UsageError
from switchtune.files import write_json
from switchtune.lexicon.build import (
    JudgedLexicons,
    Material,
    Neighbours,
    build,
    build_and_judge,
    corpus_material,
    side_of,
)
from switchtune.lexicon.edits import NO_EDITS, Edits, apply_edits, edits, read_edits, write_edits
from switchtune.lexicon.files import read_lexicon, write_lexicon
from switchtune.lexicon.judge import Judgement, judge
from switchtune.lexicon.records import Lexicon, OnStep, Unit
from switchtune.runs.paths import JUDGEMENT

PAGE = "report.html"
AS_BUILT = "built"
"""Folder of the lexicons as they were built, from which later edits by hand are told, and of all edits so far."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """What a folder of lexicons now holds."""

    paths: tuple[Path, Path]
    lexicons: tuple[Lexicon, Lexicon]
    judged: JudgedLexicons | None
    """None for the `anti` control, which is wrong on purpose."""


def read_material(
    source: str,
    target: str | None,
    languages: tuple[str, str],
    *,
    pieces: Segmenter | None,
    paired: bool | None,
    tell: Tell,
) -> Material:
    """The text of two languages: a parallel corpus, or two files whose lines are no translations of each other.

    Args:
        source, target: the two files, or `source` alone for a corpus in one file or under one name.
        pieces: cuts into a model's subword pieces; words by default.
        paired: whether the lines are pairs; None finds out by their number.
        tell: is told what was found.

    Raises:
        CorpusError: a file cannot be read, or lines should be pairs and differ in number.
    """
    segmenters = (pieces or word_segmenter(languages[0]), pieces or word_segmenter(languages[1]))
    unit: Unit = "piece" if pieces else "word"
    if paired is None:
        paired = target is None or len(read_lines(Path(source))) == len(read_lines(Path(target)))
    if paired:
        corpus = read_corpus(source if target is None else (source, target), *languages)
        tell(describe(corpus))
        return corpus_material(corpus, segmenters, unit=unit)
    if target is None:
        raise UsageError("Two files are expected where the text is not parallel: one of each language.")
    sides = []
    for path, language, segmenter in zip((source, target), languages, segmenters, strict=True):
        lines = read_monolingual(path, language)
        tell(f"{path}: {len(lines):,} lines of {language}")
        sides.append(side_of(lines, language, segmenter))
    tell("The two files differ in their number of lines, so the text is not taken for parallel.")
    return Material(sides[0], sides[1], paired=False, unit=unit)


def make_folder(
    material: Material,
    settings: LexiconSettings,
    out: Path,
    *,
    judged_by: Material | None = None,
    neighbours: Neighbours = "nearest",
    on_step: OnStep,
    tell: Tell,
) -> Made:
    """Build lexicons, judge them and write them to `out` with `judgement.json`; the page is the caller's to write.

    Where the files there were edited by hand since they were built, the edits are made again on the new lexicons.

    Raises:
        LexiconError: there is nothing to build from.
        UsageError: `out` holds a lexicon that was not built there, or, for the control, one that was edited by hand.
    """
    source, target = material.languages
    paths = (out / f"lexicon.{source}-{target}.tsv", out / f"lexicon.{target}-{source}.tsv")
    # Whatever is wrong with the files there is said before the building, which may take long.
    made_by_hand = [_hand_edits(path) for path in paths]
    if neighbours == "farthest":
        _refuse_edited(paths, made_by_hand)
        judged, built = None, build(material, settings, neighbours=neighbours, on_step=on_step)
    else:
        judged = build_and_judge(material, settings, judged_by=judged_by, on_step=on_step)
        built = judged.built
    lexicons = list(built.lexicons)
    for side, (path, changes) in enumerate(zip(paths, made_by_hand, strict=True)):
        if changes:
            tell(f"{path}: {changes.describe()}, kept")
            lexicons[side] = apply_edits(changes, lexicons[side])
        _write(path, built.lexicons[side], lexicons[side], changes)
    if judged is not None:
        write_json(out / JUDGEMENT, judged.record())
    else:
        for name in (JUDGEMENT, PAGE):  # of another lexicon that stood here
            (out / name).unlink(missing_ok=True)
    return Made((paths[0], paths[1]), (lexicons[0], lexicons[1]), judged)


def _record(path: Path) -> tuple[Path, Path]:
    """Where it is kept how a lexicon was built, and all that was edited in it by hand."""
    folder = path.parent / AS_BUILT
    return folder / path.name, folder / f"{path.stem}.edits.json"


def _hand_edits(path: Path) -> Edits:
    """What was edited in a lexicon since it was built, however often it was built anew since.

    Raises:
        LexiconError: a line is malformed.
        UsageError: it was not built there.
    """
    as_built, edited = _record(path)
    earlier = read_edits(edited) if edited.exists() else NO_EDITS
    if not path.exists():
        return earlier
    if not as_built.exists():
        raise UsageError(
            f"{path} was not built here, and would be overwritten. Give another folder, or move the file away; to "
            "build from it, give --dictionary."
        )
    return edits(read_lexicon(as_built), read_lexicon(path), earlier)


def _refuse_edited(paths: Sequence[Path], made_by_hand: Sequence[Edits]) -> None:
    for path, changes in zip(paths, made_by_hand, strict=True):
        if changes:
            raise UsageError(
                f"{path}: {changes.describe()}; the control would overwrite it. Give another folder for the control."
            )


def _write(path: Path, as_built: Lexicon, lexicon: Lexicon, made_by_hand: Edits) -> None:
    """Write a lexicon and its record, so that a process that is killed at any moment leaves no edits that no hand made.

    The edits are safe first; the old lexicon goes before the record of how the new one was built comes, since compared
    with that it would seem edited.
    """
    recorded, edited = _record(path)
    steps = [(as_built, recorded, f"{path.stem}.next-built.tsv"), (lexicon, path, f"{path.stem}.next.tsv")]
    write_edits(made_by_hand, edited)
    for each, _, name in steps:
        write_lexicon(each, recorded.with_name(name))
    path.unlink(missing_ok=True)
    for _, place, name in steps:
        recorded.with_name(name).replace(place)


def judge_file(path: Path, material: Material) -> Judgement:
    """Judge a lexicon file by sentence pairs.

    Raises:
        LexiconError: the file is malformed, or of other languages.
        UsageError: its words are of another unit than the text was cut into.
    """
    lexicon = read_lexicon(path)
    if lexicon.unit != material.unit:
        advice = {
            "piece": "Give --pieces-of MODEL, the model whose pieces these are",
            "word": "Leave out --pieces-of; if the file does hold pieces, its first line is to say so: '# switchtune"
            f" lexicon {'-'.join(material.languages)} unit=piece'",
        }
        raise UsageError(
            f"{path}: a lexicon of {lexicon.unit}s, but the text was cut into {material.unit}s, in which they are not"
            f" found. {advice[lexicon.unit]}."
        )
    return judge([lexicon], *material.texts, material.languages)
