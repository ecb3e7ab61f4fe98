"""What a check finds in data that is spoilt in one way, and that it finds nothing in data that is not."""

import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from switchtune.check.checks import Checked, checked, paragraph
from switchtune.check.drift import drifts
from switchtune.check.fix import write_fixed
from switchtune.check.records import Problem, SetName, read_raw
from switchtune.corpus.embedded import embedded_sentences

NEWS = [(german, english) for german, english in embedded_sentences("news", "train", ("de", "en"), 600)]
TESTED = [(german, english) for german, english in embedded_sentences("news", "test", ("de", "en"), 60)]
Pairs = Sequence[tuple[str, str]]


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Checked]:
    def of(train: Pairs, test: Pairs = (), valid: Pairs = (), languages: tuple[str, str] = ("de", "en")) -> Checked:
        corpora = []
        sets: dict[SetName, Pairs] = {"train": train, "valid": valid, "test": test}
        for name, pairs in sets.items():
            if pairs:
                for code, side in zip(languages, zip(*pairs, strict=True), strict=True):
                    (tmp_path / f"{name}.{code}").write_text("".join(f"{line}\n" for line in side), encoding="utf-8")
                location = f"{tmp_path}/{name}.{{{languages[0]},{languages[1]}}}"
                corpora.append(read_raw(name, location, languages, tmp_path))
        return checked(corpora)

    return of


def only(found: Checked, kind: str) -> Problem:
    (problem,) = [problem for problem in found.problems if problem.kind == kind]
    return problem


def test_nothing_is_wrong_with_sound_pairs(check: Callable[..., Checked]) -> None:
    found = check(NEWS, TESTED)
    assert [paragraph(problem) for problem in found.problems if problem.severity != "note"] == []
    assert "train: lines of the two sides aligned" in found.passed
    assert "no validation or test pairs in the training set" in found.passed


def test_a_test_set_that_is_trained_on_is_an_error(check: Callable[..., Checked]) -> None:
    leaking = [*NEWS, *((german.upper(), "Something else.") for german, _ in TESTED)]
    problem = only(check(leaking, TESTED), "leak")
    assert (problem.severity, problem.corpus, problem.count) == ("error", "train", len(TESTED))
    assert problem.lines[0] == len(NEWS) + 1
    assert f"{len(TESTED)} (100.0%)" in problem.found and "~ test line 1:" in problem.examples[0]


def test_few_test_pairs_that_are_trained_on_and_validation_pairs_are_warned_of(check: Callable[..., Checked]) -> None:
    assert only(check([*NEWS, *TESTED[:5]], TESTED), "leak").severity == "warning"
    assert only(check([*NEWS, *TESTED], valid=TESTED), "leak").severity == "warning"


def test_a_test_pair_with_a_word_changed_leaks_nearly(check: Callable[..., Checked]) -> None:
    longest = max(range(len(TESTED)), key=lambda row: len(TESTED[row][1]))
    changed = (TESTED[longest][0][::-1], TESTED[longest][1].replace("the", "that", 1))
    problem = only(check([*NEWS, changed], TESTED), "near-leak")
    assert problem.lines == (len(NEWS) + 1,) and f"test line {longest + 1}:" in problem.examples[0]


@pytest.mark.parametrize(("side", "shift", "where"), [(0, -1, "before"), (1, 1, "further on")])
def test_a_side_that_a_blank_line_shifts_is_told_with_its_line(
    check: Callable[..., Checked], side: int, shift: int, where: str
) -> None:
    sides = [[pair[each] for pair in NEWS] for each in (0, 1)]
    middle = len(NEWS) // 2
    sides[side].insert(middle, "")
    sides[1 - side].append("")
    problem = only(check(list(zip(*sides, strict=True))), "drift")
    assert abs(problem.lines[0] - middle) <= 15
    assert f"shifted by 1: each source goes with the target 1 line {where}" in problem.found
    assert problem.severity == "error" and abs(problem.count - middle) <= 15


def test_a_short_stretch_that_is_shifted_is_warned_of(check: Callable[..., Checked]) -> None:
    pairs = [*embedded_sentences("news", "train", ("de", "en"), 3000)]
    stretch = range(1000, 1120)
    shifted = [
        (german, pairs[row + 1][1] if row in stretch else english) for row, (german, english) in enumerate(pairs)
    ]
    assert only(check(shifted), "drift").severity == "warning"


def test_sides_in_another_order_are_unpaired(check: Callable[..., Checked]) -> None:
    half = len(NEWS) // 2
    shuffled = [(german, NEWS[(row + half) % len(NEWS)][1]) for row, (german, _) in enumerate(NEWS)]
    assert only(check(shuffled), "unpaired").severity == "error"


def test_files_that_are_exchanged_are_an_error_and_lines_are_left_out(check: Callable[..., Checked]) -> None:
    exchanged = [pair[::-1] for pair in NEWS]
    assert only(check(exchanged), "exchanged").severity == "error"
    some = only(check([*NEWS[:-30], *exchanged[-30:]]), "exchanged")
    assert some.severity == "warning" and 20 <= some.count <= 30 and len(some.rows) == some.count


def test_a_file_in_a_third_language_is_named(check: Callable[..., Checked]) -> None:
    turkish = [(english, turkish) for english, turkish in embedded_sentences("news", "train", ("en", "tr"), 600)]
    pairs = [(turkish[row][1], english) for row, (_, english) in enumerate(NEWS[: len(turkish)])]
    problem = next(each for each in check(pairs).problems if each.kind == "language")
    assert (problem.severity, problem.file) == ("error", "train.de") and "in Turkish" in problem.found
    assert not any(problem.severity == "error" for problem in check(pairs[:12]).problems)
    unknown = only(check(NEWS, languages=("shi", "en")), "language")  # usually written in Tifinagh
    assert unknown.severity == "warning" and "another script" in unknown.found
    few = only(check([*NEWS, *((NEWS[row][0], turkish[row][1]) for row in range(20))]), "language")
    assert few.file == "train.en" and "Turkish" in few.found and 12 <= few.count <= 20


@pytest.mark.parametrize(
    ("kind", "pair"),
    [
        ("blank", ("", "Nothing.")),
        ("copy", ("This was left as it is.", "this was left as it is")),
        ("length", ("Ja.", "Yes, and then there were many other things that nobody had translated at all.")),
        ("markup", ("Das ist <b>fett</b> gedruckt.", "This is bold.")),
        ("escape", ("Sie sagte es.", "She didn&apos;t say it.")),
        ("control", ("Das\u200b ist es.", "That is it.")),
        ("encoding", ("Das ist schÃ¶n.", "That is nice.")),
        ("lookalike", ("Das ist Моskau im Winter.".replace("Моs", "Моs"), "That is Moscow in winter.")),
        ("normal-form", ("Das ist scho\u0308n.", "That is nice.")),
    ],
)
def test_a_line_is_found(check: Callable[..., Checked], kind: str, pair: tuple[str, str]) -> None:
    place = 100
    problem = only(check([*NEWS[:place], pair, *NEWS[place:]]), kind)
    assert place + 1 in problem.lines and problem.advice


def test_repetitions_and_templates(check: Callable[..., Checked]) -> None:
    pages = [(f"Seite {number} von 90", f"Page {number} of 90") for number in range(10, 60)]
    longest = sorted(NEWS, key=lambda pair: -len(pair[1]))[:8]
    nearly = [(f"{german} Ja.", f"{english} Yes.") for german, english in longest]
    found = check([*NEWS, *NEWS[:5], *pages, *nearly])
    repeated, template = only(found, "repeated"), only(found, "template")
    assert repeated.lines[:5] == tuple(range(len(NEWS) + 1, len(NEWS) + 6))
    assert (template.count, template.lines[0]) == (50, len(NEWS) + 6)
    last = range(len(NEWS) + 55, len(NEWS) + 63)
    assert {*last} <= {*(only(found, "near-repeated").rows + 0).tolist()}


def test_what_is_mended_is_kept_or_rejected_with_the_reason(check: Callable[..., Checked], tmp_path: Path) -> None:
    spoilt = [*NEWS, ("", "x"), TESTED[0], NEWS[0]]
    kept, rejected = write_fixed(check(spoilt, TESTED), tmp_path / "fixed")
    sources = (tmp_path / "fixed/train.de").read_text(encoding="utf-8").splitlines()
    rejects = [json.loads(line) for line in (tmp_path / "fixed/rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert kept == len(sources) and kept + rejected == len(spoilt) and rejected == len(rejects)
    by_line = {record["line"]: record for record in rejects}
    assert [by_line[len(NEWS) + row]["reasons"][0] for row in (1, 2, 3)] == ["blank", "leak", "repeated"]
    assert by_line[len(NEWS) + 2]["target"] == TESTED[0][1]
    assert [source for row, (source, _) in enumerate(spoilt, 1) if row not in by_line] == sources


def test_a_language_that_is_hard_to_tell_from_another_is_no_other(check: Callable[..., Checked]) -> None:
    bosnian = ["Danas je lijepo vrijeme i djeca se igraju u parku.", "Moja sestra živi u velikoj kući blizu rijeke."]
    pairs = [(f"{said[:-1]}, kaže {name}.", "Something.") for said in bosnian for name in "ABCDEFGHIJKL"]
    found = check(pairs, languages=("bs", "en"))
    assert not any(problem.severity == "error" and problem.file == "train.bs" for problem in found.problems)


def test_a_foreign_name_in_a_sentence_without_spaces_is_no_other_script(check: Callable[..., Checked]) -> None:
    names = [("莱昂内尔与 Christopher Richardson 握手。", "Lionel shakes hands with Christopher Richardson.")] * 3
    left = [("This line was left in English.", "This line was left in English, too.")]
    pairs = [(f"这是第{number}个句子，写得很长很长。", f"This is sentence {number}, long.") for number in range(40)]
    problem = only(check([*pairs, *names, *left], languages=("zh", "en")), "language")
    assert problem.lines == (44,)


def test_looking_for_drifts_takes_a_few_numbers_a_pair(tmp_path: Path) -> None:
    rows = 50_000
    for code, factor in {"de": 7, "en": 8}.items():
        lines = ("x" * (1 + row * 31 % 5 * factor) for row in range(rows))
        (tmp_path / f"train.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    raw = read_raw("train", (str(tmp_path / "train.de"), str(tmp_path / "train.en")), ("de", "en"), tmp_path)
    tracemalloc.start()
    try:
        assert not list(drifts(raw))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200 * rows
