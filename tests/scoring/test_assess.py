"""Metrics by name: each is the one that its own module computes, and what lacks something is refused or said."""

import re
from pathlib import Path

import pytest
from sacrebleu.tokenizers import tokenizer_spm

from switchtune.errors import UsageError
from switchtune.scoring.assess import NAMES, USUAL, MetricInputs, assess, compare_outputs, metric_name
from switchtune.scoring.comet import CometError
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import ScoringError, UnavailableMetricError, bleu, chrf
from switchtune.scoring.rouge import rouge
from switchtune.scoring.significance import compare_seeds, decide
from switchtune.scoring.word_accuracy import count_words, word_accuracy, words_of

REFERENCES = [
    "The river rises in spring, and the ferry stays.",
    "A new bridge opens today.",
    "The school is closed.",
] * 4
A = [line.replace("The", "A").replace("is", "was") for line in REFERENCES]
B = [line.replace("today", "") for line in REFERENCES]
TRAINING = ["The river is a river.", "The bridge is closed, the school is open."] * 2


def test_the_usual_metrics_are_those_of_their_functions() -> None:
    found = assess(A, REFERENCES, "en")
    expected = [function(A, REFERENCES, "en") for function in (bleu, chrf)] + [in_language(A, "en", REFERENCES)]
    assert [score.metric for score in found.scores] == list(USUAL)
    assert list(found.scores) == expected
    assert (found.words, found.left_out, found.outputs.n) == ((), {}, 12)


def test_metrics_by_any_case_and_once() -> None:
    found = assess(A, REFERENCES, "en", metrics=["rouge", "bleu", "ROUGE-L", "BLEU"])
    assert [score.metric for score in found.scores] == ["ROUGE-1", "ROUGE-2", "ROUGE-L", "BLEU"]
    assert list(found.scores[:3]) == list(rouge(A, REFERENCES, "en").values())


@pytest.mark.parametrize("tokenised", [False, True])
def test_training_text_asks_for_word_accuracy(tokenised: bool) -> None:
    inputs = MetricInputs(training=TRAINING, frequencies=[2, 5], tokenised=tokenised)
    words = str.split if tokenised else words_of("en")
    expected = word_accuracy(A, REFERENCES, count_words(TRAINING, words), buckets=[2, 5], words=words)
    assert assess(A, REFERENCES, "en", metrics=["BLEU"], inputs=inputs).words == expected
    assert assess(A, REFERENCES, "en", metrics=["word-f"], inputs=inputs).scores == ()


@pytest.mark.parametrize("test", ["bootstrap", "randomisation"])
def test_two_systems_by_any_metric(test: str) -> None:
    (found,) = compare_outputs(A, B, REFERENCES, "en", metric="chrf++", test=test, resamples=200, seed=3)
    assert found == compare_seeds([A], [B], REFERENCES, "en", metric="chrF++", test=test, resamples=200, seed=3)
    three = compare_outputs(A, B, REFERENCES, "en", metric="ROUGE", test=test, resamples=200, seed=3)
    assert [each.metric for each in three] == ["ROUGE-1", "ROUGE-2", "ROUGE-L"]
    alone = [
        compare_seeds([A], [B], REFERENCES, "en", metric=each.metric, test=test, resamples=200, seed=3)
        for each in three
    ]
    assert three == decide(alone)
    inputs = MetricInputs(training=TRAINING, frequencies=[3])
    rare, frequent = compare_outputs(A, B, REFERENCES, "en", metric="word-F", inputs=inputs, resamples=200)
    assert rare.signature.endswith("|freq:0-2")
    assert (frequent.signature.endswith("|freq:3-"), frequent.difference > 0) == (True, True)


def test_an_unknown_metric_is_named_beside_the_known() -> None:
    with pytest.raises(UsageError, match=r"blue: no such metric; did you mean 'BLEU'.* There are BLEU, spBLEU"):
        assess(A, REFERENCES, "en", metrics=["chrF++", "blue"])
    assert [metric_name(name.upper()) for name in NAMES] == list(NAMES)


@pytest.mark.parametrize(
    ("metric", "inputs", "message"),
    [
        ("word-F", MetricInputs(), "word-F needs --train FILE"),
        ("COMET", MetricInputs(), r"COMET needs --comet-env(.|\n)*python3.11 -m venv comet-env && .*unbabel-comet=="),
        ("COMET", MetricInputs(sources=A), "COMET needs --comet-env"),
        ("BLEU", MetricInputs(training=A), r"texts for word-F, but BLEU is to be compared: add --metric word-F"),
        ("word-F", MetricInputs(training=A, comet_environment=Path()), "texts for COMET"),
        ("in-language", MetricInputs(), "not tested"),
        ("bertscore", MetricInputs(), "no such metric"),
    ],
)
def test_what_does_not_fit_a_comparison(metric: str, inputs: MetricInputs, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compare_outputs(A, B, REFERENCES, "en", metric=metric, inputs=inputs)


def test_comet_without_its_program_or_its_sources(tmp_path: Path) -> None:
    with pytest.raises(CometError, match="no such program"):
        assess(A, REFERENCES, "en", inputs=MetricInputs(comet_environment=tmp_path))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "comet-score").touch()
    with pytest.raises(UsageError, match="COMET needs --source FILE"):
        assess(A, REFERENCES, "en", inputs=MetricInputs(comet_environment=tmp_path))
    with pytest.raises(UsageError, match="COMET needs --comet-env"):
        assess(A, REFERENCES, "en", metrics=["COMET"], inputs=MetricInputs(sources=A))


def test_what_cannot_be_had_here_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(url: str, path: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(tokenizer_spm, "download_file", fail)
    found = assess(A, REFERENCES, "umb", metrics=["spBLEU", "BLEU", "in-language"])
    assert [score.metric for score in found.scores] == ["BLEU", "in-script"]
    assert list(found.left_out) == ["spBLEU"]
    assert "no network" in found.left_out["spBLEU"]
    with pytest.raises(UnavailableMetricError, match="no network"):
        assess(A, REFERENCES, "en", metrics=["spBLEU"])
    with pytest.raises(UnavailableMetricError, match="no network"):
        compare_outputs(A, B, REFERENCES, "en", metric="spBLEU")


def test_words_that_nothing_divides_leave_out_their_accuracy_alone() -> None:
    tibetan = ["བོད་ཡིག་ནི", "སྐད་ཡིག་ཅིག"]
    found = assess(tibetan, tibetan, "bo", metrics=["chrF++"], inputs=MetricInputs(training=tibetan))
    assert ([score.metric for score in found.scores], found.words) == (["chrF++"], ())
    assert re.search("Tibetan .bo. is written without spaces.*--tokenised", found.left_out["word-F"])
    assert assess(tibetan, tibetan, "bo", inputs=MetricInputs(training=tibetan, tokenised=True)).words


def test_unequal_counts_are_refused() -> None:
    with pytest.raises(ScoringError, match="11 hypotheses but 12 references"):
        assess(A[1:], REFERENCES, "en")
    with pytest.raises(ScoringError, match="11 hypotheses but 12 references"):
        compare_outputs(A, B[1:], REFERENCES, "en")
