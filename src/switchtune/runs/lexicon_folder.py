"""A folder of lexicons as the command line makes it: text read, lexicons built and judged, edits by hand applied."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from switchtune.check.checks import checked, said_of, tell_or_stop
from switchtune.check.records import read_raw
from switchtune.config.base import OnProblems
from switchtune.config.lexicon import LexiconSettings
from switchtune.corpus.read import describe, read_corpus, read_lines, read_monolingual
from switchtune.corpus.words import Segmenter, word_segmenter
from switchtune.errors import UsageError
from switchtune.files import write_json
from switchtune.lexicon.build import LexiconInput, Neighbours, build, corpus_material
from switchtune.lexicon.files import (
    edits_path,
    read_edits,
    read_lexicon,
    require_unedited,
    set_aside_if_edited,
    write_lexicon,
)
from switchtune.lexicon.glossary import read_dictionary
from switchtune.lexicon.judge import Judgement, judge
from switchtune.lexicon.judged import JudgedLexicons, build_and_judge
from switchtune.lexicon.records import Lexicon, OnStep, Unit
from switchtune.lexicon.text import monolingual_text
from switchtune.runs.paths import JUDGEMENT

PAGE = "report.html"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """What a folder of lexicons now holds."""

    paths: tuple[Path, Path]
    lexicons: tuple[Lexicon, Lexicon]
    judged: JudgedLexicons | None
    """None for the `anti` control, which is wrong on purpose."""


def read_input(
    source: str,
    target: str | None,
    languages: tuple[str, str],
    *,
    pieces: Segmenter | None,
    paired: bool | None,
    check: OnProblems,
    tell: Tell,
) -> LexiconInput:
    """The text of two languages: a parallel corpus, or two files whose lines are no translations of each other.

    Args:
        source, target: the two files, or `source` alone for a corpus in one file or under one name.
        pieces: cuts into a model's subword pieces; words by default.
        paired: whether the lines are pairs; None finds out by their number.
        check: what becomes of problems of a parallel corpus.

    Raises as `tell_or_stop`.
    """
    segmenters = (pieces or word_segmenter(languages[0]), pieces or word_segmenter(languages[1]))
    unit: Unit = "piece" if pieces else "word"
    if paired is None:
        paired = target is None or len(read_lines(Path(source))) == len(read_lines(Path(target)))
    if paired:
        location = source if target is None else (source, target)
        corpus = read_corpus(location, *languages)
        tell(describe(corpus))
        if check != "off":
            with tempfile.TemporaryDirectory() as folder:
                found = checked([read_raw("train", location, languages, Path(folder))])
            tell_or_stop(said_of(found.problems), check, "-".join(languages), tell, setting="--check ")
        return corpus_material(corpus, segmenters, unit=unit)
    if target is None:
        raise UsageError("Two files are expected where the text is not parallel: one of each language.")
    sides = []
    for path, language, segmenter in zip((source, target), languages, segmenters, strict=True):
        lines = read_monolingual(path, language)
        tell(f"{path}: {len(lines):,} lines of {language}")
        sides.append(monolingual_text(lines, language, segmenter))
    tell("The two files differ in their number of lines, so the text is not taken for parallel.")
    return LexiconInput(sides[0], sides[1], paired=False, unit=unit)


def make_folder(
    text: LexiconInput,
    settings: LexiconSettings,
    out: Path,
    *,
    judged_by: LexiconInput | None = None,
    neighbours: Neighbours = "nearest",
    on_step: OnStep,
    tell: Tell,
) -> Made:
    """Build lexicons, judge them and write them to `out` with `judgement.json`; the page is the caller's to write.

    Edits by hand in the files beside them (`edits_path`) are left alone, and apply to what is built, those made
    meanwhile too. A lexicon that was itself edited meanwhile is kept beside the new one.

    Raises:
        LexiconError: there is nothing to build from.
        UsageError: a lexicon in `out` was edited itself or is not of this version, or the control has edits.
    """
    source, target = text.languages
    paths = (out / f"lexicon.{source}-{target}.tsv", out / f"lexicon.{target}-{source}.tsv")
    # Whatever is wrong with the files there is said before the building, which may take long.
    for path in paths:
        read_edits(path)
        require_unedited(path, refuse_unknown=True)
        if neighbours == "farthest" and edits_path(path).exists():
            raise UsageError(f"{edits_path(path)} would apply to the control. Give the control another folder.")
    if neighbours == "farthest":
        judged, built = None, build(text, settings, neighbours=neighbours, on_step=on_step)
    else:
        judged = build_and_judge(text, settings, judged_by=judged_by, on_step=on_step)
        built = judged.built
    for path, lexicon in zip(paths, built.lexicons, strict=True):
        if kept := set_aside_if_edited(path):
            tell(
                f"{path}: edited by hand while it was built anew; the edited file is now {kept.name}. Make its edits "
                f"again in {edits_path(path).name}, which no build touches."
            )
        write_lexicon(lexicon, path)
    for name in (JUDGEMENT, PAGE) if judged is None else ():  # of another lexicon that stood here
        (out / name).unlink(missing_ok=True)
    if judged is not None:
        write_json(out / JUDGEMENT, judged.record())
    for path in paths:
        if edits := read_edits(path):
            tell(f"{edits_path(path)}: {len(edits):,} edits by hand apply")
    return Made(paths, (read_lexicon(paths[0]), read_lexicon(paths[1])), judged)


def judge_file(location: str, text: LexiconInput) -> Judgement:
    """Judge a lexicon file or a glossary by sentence pairs, which were cut into its units."""
    lexicon = read_dictionary(location, text.languages)
    if lexicon.unit != text.unit:
        advice = {
            "piece": "Give --pieces-of MODEL, the model whose pieces these are",
            "word": "Leave out --pieces-of; if the file does hold pieces, its first line is to say so: '# switchtune"
            f" lexicon {'-'.join(text.languages)} unit=piece'",
        }
        raise UsageError(
            f"{location}: a lexicon of {lexicon.unit}s, but the text was cut into {text.unit}s, in which they are not"
            f" found. {advice[lexicon.unit]}."
        )
    return judge([lexicon], *text.encoded, text.languages)
