"""What makes a system's outputs nothing to compare by."""

import re

import pytest

from switchtune.corpus.embedded import embedded_sentences
from switchtune.scoring.assess import MetricInputs, assess, compare_outputs
from switchtune.scoring.faults import faults, system_faults
from switchtune.scoring.metrics import ScoringError, bleu
from switchtune.scoring.significance import METRICS

PAIRS = embedded_sentences("news", "test", ("de", "en"), 100)
SOURCES, REFERENCES = ([pair[side] for pair in PAIRS] for side in (0, 1))
GOOD = [line.replace("the", "a") for line in REFERENCES]


def test_outputs_that_translate_have_none() -> None:
    assert faults(GOOD, REFERENCES, "en") == []
    assert system_faults([bleu(GOOD, REFERENCES, "en")], [GOOD], REFERENCES, "en", SOURCES) == []


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([""] * 100, "100 of 100 outputs are empty"),
        (["  "] * 60 + GOOD[60:], "60 of 100 outputs are empty"),
        (["It is a day."] * 100, "the outputs are 1 different sentences, the references 100"),
        ([f"{line} one of the one of the one of the one" for line in GOOD], "100% of the outputs repeat themselves"),
        (SOURCES, r"0% of the outputs are in the target language \(references: \d+%\)"),
    ],
)
def test_what_is_wrong_is_said_with_its_share(outputs: list[str], said: str) -> None:
    assert any(re.fullmatch(said, line) for line in faults(outputs, REFERENCES, "en"))


def test_what_the_references_do_too_is_no_fault() -> None:
    assert faults([""] * 100, [""] * 99 + ["A day."], "en") == []
    chant = [f"{line} one of the one of the one of the one" for line in REFERENCES]
    assert faults(chant, chant, "en") == []


def test_a_score_next_to_nothing_or_no_better_than_the_source_is_a_fault() -> None:
    others = [f"Surely somebody called number {row} will soon come along here." for row in range(100)]
    (said,) = system_faults([bleu(others, REFERENCES, "en")], [others], REFERENCES, "en")
    assert said == f"BLEU {bleu(others, REFERENCES, 'en').value:.1f} is next to nothing"
    copied = METRICS["chrF++"](SOURCES, REFERENCES, "en")
    assert system_faults([copied], [others], REFERENCES, "en", SOURCES) == [
        f"chrF++ {copied.value:.1f} is no better than copying the source ({copied.value:.1f})"
    ]
    with pytest.raises(ScoringError, match="99 source sentences but 100 references"):
        system_faults([copied], [SOURCES], REFERENCES, "en", SOURCES[1:])


def test_seeds_are_looked_at_together() -> None:
    scores = [bleu(GOOD, REFERENCES, "en")] * 3
    (said,) = system_faults(scores, [GOOD, [""] * 100, [""] * 100], REFERENCES, "en")
    assert said == "200 of 300 outputs are empty"
    assert system_faults(scores, [GOOD, GOOD, [""] * 100], REFERENCES, "en") == []


def test_no_verdict_is_given_on_two_files_of_which_one_is_empty() -> None:
    (found,) = compare_outputs(GOOD, [""] * 100, REFERENCES, "en")
    assert (found.answer, found.faults_a) == ("not comparable", ())
    assert found.faults_b == ("100 of 100 outputs are empty",)
    (copied,) = compare_outputs(GOOD, SOURCES, REFERENCES, "en", metric="chrF++", inputs=MetricInputs(sources=SOURCES))
    assert (copied.answer, len(copied.faults_b)) == ("not comparable", 1)
    assert assess([""] * 100, REFERENCES, "en").faults == list(found.faults_b)
