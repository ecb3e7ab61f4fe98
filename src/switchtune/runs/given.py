"""Outputs of systems that are not trained here: read, and refused where they are not a line for each test example."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from switchtune.check.drift import drifts
from switchtune.check.records import RawCorpus
from switchtune.corpus.formats import PARALLEL_TEXT, SUFFIXES
from switchtune.corpus.inference import LABEL_NUMBERS, LABELS, NliSet
from switchtune.corpus.lines import existing, plain, stripped
from switchtune.corpus.read import Corpus, read_lines
from switchtune.errors import SwitchtuneError
from switchtune.files import hash_file
from switchtune.languages import find_language
from switchtune.runs.arms import Trial
from switchtune.runs.trial import Output, Set
from switchtune.scoring.faults import faults
from switchtune.scoring.outputs import empty_outputs


def given_texts(file: str, test: Corpus, *, parallel: bool) -> list[str]:
    """Outputs for a test set; `parallel`: they are translations, whose lengths go with those of the sources.

    Raises SwitchtuneError where they are not a line for each of its texts, with the line from which they are shifted.
    """
    lines = _lines(file)
    if len(lines) != len(test):
        said = (
            f"{file}: {len(lines):,} lines, and the test set {test.origin} has {len(test):,} texts; a line for each is "
            "expected, a blank one where there is no output."
        )
        raise SwitchtuneError(" ".join([said, *(_shifts(file, lines, test) if parallel else ())]))
    return lines


def about_texts(file: str, test: Corpus, *, parallel: bool) -> list[str]:
    """What is to be known of outputs before hours of training that they are compared with. Raises as `given_texts`."""
    lines = given_texts(file, test, parallel=parallel)
    blank = empty_outputs(lines)
    said = [f"{file}: {len(lines):,} outputs" + (f", {blank:,} of them blank: they count as wrong" if blank else "")]
    wrong = faults(lines, test.targets(), test.target_language)
    return [*said, *wrong, *(_shifts(file, lines, test) if parallel else ())]


def given_labels(file: str, test: NliSet) -> list[str]:
    """Labels for a test set, by their names; raises SwitchtuneError where they are not one in each line."""
    names = _lines(file)
    if len(names) != len(test):
        raise SwitchtuneError(
            f"{file}: {len(names):,} lines, and the test set {test.origin} has {len(test):,} examples (rows without a "
            "label or with an empty side are none); a label for each is expected, one a line."
        )
    for number, name in enumerate(names, 1):
        if name.lower() not in LABEL_NUMBERS:
            raise SwitchtuneError(
                f"{file}:{number}: {name!r} is not a label; {', '.join(LABELS)} or 0, 1, 2 is expected."
            )
    return [LABELS[LABEL_NUMBERS[name.lower()]] for name in names]


def given_file(trial: Trial, name: str, seeds: Sequence[int]) -> str:
    """The file of a trial's outputs for a test set; where there are several, that of its seed."""
    files = trial.arm.outputs[name]
    return files[0 if trial.arm.one_output else seeds.index(trial.seed)]


def given_row(files: Sequence[str], outputs: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What a row of the comparison says of the outputs, as JSON."""
    return {"file": ", ".join(files), "samples": len(files), "blank": sum(map(empty_outputs, outputs))}


def given_output(test_set: Set, name: str, file: str, to: str, read: Callable[[str, Set], list[str]]) -> Output:
    """A test set's outputs as a trial takes them over: from a file to its own, anew where the file has changed."""
    inputs = {"test": test_set.fingerprint(), "file": hash_file(existing(Path(file)))}
    return Output(name, len(test_set), f"outputs.{name}", to, inputs, partial(read, file, test_set))


def _lines(file: str) -> list[str]:
    ending = plain(Path(file)).suffix.lower()
    if ending in SUFFIXES:
        raise SwitchtuneError(f"{file}: a text file with an output a line is expected, not {ending}.")
    return [stripped(line) for line in read_lines(Path(file))]


def _shifts(file: str, lines: Sequence[str], test: Corpus) -> list[str]:
    """From which line on outputs stand beside sources that they do not translate, as far as both go."""
    sides = [column[: min(len(lines), len(test))] for column in (test.sources(), list(lines))]
    languages = (find_language(test.source_language), find_language(test.target_language))
    table = pa.table(dict(zip(("source", "target"), sides, strict=True)))
    names = (test.origin, file)
    raw = RawCorpus("test", test.origin, PARALLEL_TEXT, languages, names, "line", table, None, ())
    return [f"{problem.found} {problem.advice}" for problem in drifts(raw)]
