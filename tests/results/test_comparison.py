from dataclasses import replace

from switchtune.results.comparison import (
    Row,
    Summary,
    comparison_markdown,
    comparison_table,
    metrics_record,
    summarised,
)
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import bleu, chrf
from switchtune.scoring.significance import Test, compare_seeds
from switchtune.switching.switcher import Rates

REFERENCES = ["The cat sat on the mat today.", "A dog runs across the green field.", "Two men are eating bread."] * 20
GOOD = REFERENCES
POOR = [reference.replace("the", "a").replace("are", "were") for reference in REFERENCES]


def row(
    arm: str,
    systems: list[list[str]],
    baseline: list[list[str]] | None,
    *,
    restore: int = 0,
    test: Test = "bootstrap",
) -> Row:
    stages = {"restore": restore, "task": 300 - restore} if restore else {"task": 300}
    return Row(
        pair="de-en",
        arm=arm,
        stage_updates=stages,
        valid_nll=tuple((update, 3.0 - update / 1000) for update in range(restore, 301, 100)),
        scores={
            "BLEU": tuple(bleu(system, REFERENCES, "en") for system in systems),
            "chrF++": tuple(chrf(system, REFERENCES, "en") for system in systems),
        },
        in_language=(),
        rates={"de": Rates(sentences=1, words=100, replaceable=20, replaced=10, requested_rate=0.35)}
        if restore
        else {},
        truncated=7 if restore else 0,
        minutes=1.25,
        comparisons=(
            compare_seeds(baseline, systems, REFERENCES, "en", test=test),
            compare_seeds(baseline, systems, REFERENCES, "en", metric="chrF++"),
        )
        if baseline
        else (),
    )


def summary() -> Summary:
    standard = row("standard", [POOR, POOR], None)
    return summarised((standard, row("csr", [GOOD, GOOD], [POOR, POOR], restore=100)), "standard", (1, 2))


def test_the_page_has_a_line_for_every_arm_and_says_which_is_better() -> None:
    page = comparison_markdown(summary())
    assert "| arm | updates | BLEU | chrF++ | in language | Δ standard | p | minutes |" in page
    assert "| csr | 100 + 200 | 100.0 ± 0.0 | 100.0 ± 0.0 | – | +" in page
    assert "- csr is better than standard by " in page
    assert summary().rows[0].scores["BLEU"][0].signature in page


def test_the_share_in_the_right_language_stands_beside_that_of_the_references() -> None:
    standard = summary().rows[0]
    for language, said in (("en", "100.0% (references 50.0%)"), ("yi", "0.0% (references 0.0%, script only)")):
        score = in_language(["A dog is running through the garden."], language, ["The dogs sleep in the house.", "12"])
        assert comparison_table([replace(standard, in_language=(score, score))], "standard")[1][0][4] == said


def test_the_page_tells_of_every_metric_and_of_the_test_that_was_made() -> None:
    page = comparison_markdown(summary())
    assert "- csr by the other metrics: chrF++ +" in page
    assert "Δ and p: BLEU, paired bootstrap over test examples and seeds; *" in page
    shuffled = Summary((summary().rows[0], row("csr", [GOOD], [POOR], test="randomisation")), "standard", (1, 2))
    assert (
        "Δ and p: BLEU, paired approximate randomisation over test examples, of one training each; *"
        in comparison_markdown(shuffled)
    )
    alone = Summary(summary().rows[:1], "standard", (1, 2))
    assert "Δ and p" not in comparison_markdown(alone)


def test_the_page_tells_what_fell_short() -> None:
    page = comparison_markdown(summary())
    assert "switched 10.0%" in page
    assert "Too few: build the lexicon from more text" in page
    assert "- csr: 7 training examples were cut." in page


def test_curves_stand_side_by_side_by_total_updates() -> None:
    lines = comparison_markdown(summary()).splitlines()
    start = lines.index("| update | standard | csr |")
    assert lines[start + 2 : start + 6] == [
        "| 0 | 3.000 |  |",
        "| 100 | 2.900 | 2.900 |",
        "| 200 | 2.800 | 2.800 |",
        "| 300 | 2.700 | 2.700 |",
    ]


def test_figures_for_machines_carry_signature_and_n() -> None:
    standard, csr = metrics_record(summary())["rows"]
    assert csr["bleu"][0].keys() == {"metric", "value", "signature", "n"}
    assert csr["valid_nll"][0] == {"update": 100, "nll": 2.9}
    assert standard["against_baseline"] is None
    assert csr["against_baseline"]["p_value"] < 0.05
    assert [each["metric"] for each in csr["by_other_metrics"]] == ["chrF++"]
