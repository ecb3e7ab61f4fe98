"""What is said of two systems."""

from switchtune.results.assessment import compared_text
from switchtune.scoring.significance import decide
from tests.report.made_run import against


def test_two_systems_are_told_apart_by_the_decision() -> None:
    alone = compared_text(against(1.5, 0.03, (0.4, 2.6)))
    assert alone.startswith(
        "BLEU: A 40.00, B 41.50, difference +1.50 (95 % interval +0.40 to +2.60), p = 0.0300: B is "
    )
    assert "B is better" in alone
    assert "B is worse" in compared_text(against(-1.5, 0.03, (-2.6, -0.4)))
    first, _ = decide([against(1.5, 0.03, (0.4, 2.6)), against(1.5, 0.04, (0.4, 2.6))])
    assert "p = 0.0300 (0.0600 adjusted for 2): no significant difference" in compared_text(first)
