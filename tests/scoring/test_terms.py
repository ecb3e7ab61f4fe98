"""Are terms in the outputs? Counted by hand here."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.errors import UsageError
from switchtune.lexicon.glossary import Glossary
from switchtune.scoring.assess import MetricInputs, assess, compare_outputs
from switchtune.scoring.metrics import ScoringError, corpus_values
from switchtune.scoring.terms import term_accuracy

GLOSSARY = Glossary("terms.tsv", ("de", "en"), (("Antriebsrad", "drive wheel"), ("Hund", "dog"), ("Schiff", "ship")))
SOURCES = ["Der Hund und ein Hund.", "Antriebsräder, Antriebsrades und Hunde", "Nichts"]
REFERENCES = ["The dog and a dog.", "Drive wheels, of the drive wheel and dogs", "Nothing"]


def test_terms_count_as_often_as_they_stand_there() -> None:
    exact, forms = term_accuracy(
        ["A dog only.", "Wheels; drive wheels and dogs.", "Ship"], SOURCES, GLOSSARY, REFERENCES
    )
    # Sources have Hund twice, then Antriebsrades and Hunde (Antriebsräder is not found by its ending).
    assert exact.segments.tolist() == [[1, 2], [0, 2], [0, 0]]
    assert forms.segments.tolist() == [[1, 2], [2, 2], [0, 0]]
    assert (exact.value, forms.value) == (25.0, 75.0)
    assert (exact.references, forms.references) == (75.0, 100.0)
    assert exact.signature == "terms:4|sentences with terms:2|glossary:3"
    for score in (exact, forms):
        assert corpus_values(score.metric, score.segments.sum(axis=0)) == pytest.approx(score.value)


def test_without_any_term_there_is_no_figure() -> None:
    with pytest.raises(ScoringError, match=r"none of its 3 terms from de to en is in the source"):
        term_accuracy(["x"], ["Nichts"], GLOSSARY)


def test_terms_beside_other_metrics() -> None:
    inputs = MetricInputs(sources=SOURCES, glossary=GLOSSARY)
    found = assess(REFERENCES, REFERENCES, "en", metrics=["BLEU"], inputs=inputs)
    assert [score.metric for score in found.scores] == ["BLEU", "term-exact", "term-forms"]
    with pytest.raises(UsageError, match="terms needs --glossary FILE"):
        assess(REFERENCES, REFERENCES, "en", metrics=["terms"])
    several = MetricInputs(sources=SOURCES * 40, glossary=GLOSSARY)
    worse = [line.replace("dog", "cat") for line in REFERENCES]
    exact, forms = compare_outputs(REFERENCES * 40, worse * 40, REFERENCES * 40, "en", metric="terms", inputs=several)
    assert (exact.metric, forms.metric) == ("term-exact", "term-forms")
    assert forms.value_b == 25.0
    assert forms.answer.startswith("worse")


def test_by_the_command_line(tmp_path: Path) -> None:
    for name, lines in (("out", REFERENCES), ("ref", REFERENCES), ("src", SOURCES)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "terms.tsv").write_text("".join(f"{term}\t{other}\n" for term, other in GLOSSARY.terms))
    command = ["score", *(str(tmp_path / name) for name in ("out", "ref")), "--lang", "en", "--metric", "BLEU"]
    options = ["--glossary", str(tmp_path / "terms.tsv"), "--source", str(tmp_path / "src")]
    done = CliRunner().invoke(app, [*command, *options, "--from", "de"])
    assert done.exit_code == 0, done.output
    assert "term-exact    75.00   terms:4|sentences with terms:2|glossary:3   references: 75.0" in done.output
    refused = CliRunner().invoke(app, [*command, *options])
    assert isinstance(refused.exception, UsageError) and "their language" in str(refused.exception)
