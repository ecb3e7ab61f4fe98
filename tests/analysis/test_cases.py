"""Where two systems differ most: sacrebleu's figures in order, rare words, words by frequency."""

import itertools
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from sacrebleu import sentence_chrf

from switchtune.analysis.cases import cases_record, most_different, rare_words
from switchtune.analysis.frequency import frequency_record
from switchtune.corpus.read import Corpus, Reading
from switchtune.runs.folder import open_run
from switchtune.scoring.word_accuracy import words_of
from tests.miniature import ENGLISH, GERMAN


def corpus(sources: list[str], targets: list[str]) -> Corpus:
    reading = Reading("parallel text", ("de", "en"), len(sources))
    return Corpus("de", "en", "here", pa.table({"source": sources, "target": targets}), reading)


def test_sentences_come_by_their_difference_and_equal_ones_not_at_all() -> None:
    references = list(ENGLISH[:5])
    right, wrong = references, ["A dog.", ENGLISH[1], "Nothing of the kind", "A woman is reading a book.", ENGLISH[4]]
    found = most_different(corpus(list(GERMAN[:5]), references), (right, wrong), Counter(), rare_below=1, limit=9)
    differences = {row: 100 - sentence_chrf(wrong[row], [references[row]], word_order=2).score for row in (0, 2, 3)}
    assert [case.row for case in found] == sorted(differences, key=lambda row: -differences[row])
    for case in found:
        assert (case.source, case.reference) == (GERMAN[case.row], ENGLISH[case.row])
        assert (case.hypothesis_a, case.hypothesis_b) == (right[case.row], wrong[case.row])
        assert case.chrf_a - case.chrf_b == pytest.approx(differences[case.row])
    # Whichever is better.
    swapped = most_different(corpus(list(GERMAN[:5]), references), (wrong, right), Counter(), rare_below=1, limit=2)
    assert [case.row for case in swapped] == [case.row for case in found[:2]]


def test_rare_words_are_those_of_the_reference_below_the_bound() -> None:
    counts = {"the": 500, "a": 100, "dog": 99, "Dog": 100}
    found = rare_words("The dog, the Dog: a zebra, a zebra!", words_of("en"), counts, below=100)
    assert found == ("The", "dog", "zebra")


def test_a_run_has_cases_of_every_arm_against_the_baseline(run: Path) -> None:
    for arm, lines in {"standard": ENGLISH[8:16], "csr": [*ENGLISH[8:15], "Nothing"]}.items():
        text = "".join(f"{line}\n" for line in lines)
        (run / f"de-en/{arm}/seed1/hypotheses.txt").write_text(text, encoding="utf-8")
    record = cases_record(open_run(run), rare_below=2)
    (pair,) = record["pairs"]
    assert (pair["pair"], pair["arm_a"], pair["arm_b"], pair["seed"]) == ("de-en", "standard", "csr", 1)
    (case,) = pair["sentences"]
    assert (case["row"], case["chrf_a"], case["hypothesis_b"]) == (7, pytest.approx(100), "Nothing")
    # The first twelve sentences, which are trained on, have "are", "in" and "the" more than once.
    assert case["rare_words"] == ("Two", "dogs", "playing", "snow")
    (run / "de-en/csr/seed1/hypotheses.txt").unlink()
    missing = cases_record(open_run(run))
    assert (missing["pairs"], missing["missing"]) == ([], ["de-en: no seed with translations of both standard and csr"])


def test_words_of_a_run_are_counted_by_their_frequency_in_training(run: Path) -> None:
    references = list(ENGLISH[8:16])
    outputs = {"standard": references, "csr": [line.replace("the", "a") for line in references]}
    for arm, lines in outputs.items():
        text = "".join(f"{line}\n" for line in lines)
        (run / f"de-en/{arm}/seed1/hypotheses.txt").write_text(text, encoding="utf-8")
    record = frequency_record(open_run(run), (3,))
    (pair,) = record["pairs"]
    assert pair["buckets"] == [{"from": 0, "to": 3}, {"from": 3, "to": None}]
    standard, csr = pair["systems"]
    assert standard["f_measure"] == [pytest.approx(100), pytest.approx(100)]
    counts = Counter(itertools.chain.from_iterable(line.rstrip(".").split() for line in ENGLISH[:12]))
    words = list(itertools.chain.from_iterable(line.rstrip(".").split() for line in references))
    rare = sum(counts[word] < 3 for word in words)
    assert standard["reference_words"] == csr["reference_words"] == [rare, len(words) - rare]
    # "the" and "a" are both frequent.
    assert csr["f_measure"][0] == pytest.approx(100)
    assert csr["f_measure"][1] < 100
    (run / "de-en/csr/seed1/hypotheses.txt").unlink()
    again = frequency_record(open_run(run), (3,))
    assert [system["arm"] for system in again["pairs"][0]["systems"]] == ["standard"]
    assert again["missing"] == ["de-en/csr/seed1: not finished, no translations"]
