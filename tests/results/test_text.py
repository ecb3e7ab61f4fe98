"""Numbers and decisions in words."""

import pytest

from switchtune.results.text import difference_text, interval_text, marked, p_text, score_text, scores_text, verdict
from switchtune.scoring.significance import decide
from tests.report.made_run import against


def test_shares_are_percent() -> None:
    assert score_text("accuracy", 0.875) == "87.5%"
    assert scores_text("accuracy", [0.5, 0.52]) == "51.0% ± 1.4%"
    found = against(-0.0125, 0.5, (-0.02, 0.04), metric="accuracy", value=0.5)
    assert difference_text(found) == "-1.2 points of accuracy"
    assert interval_text(found) == "-2.0 to +4.0"
    assert difference_text(against(1.25, 0.01, (0.1, 2))) == "+1.2 BLEU"


@pytest.mark.parametrize(("difference", "text"), [(-0.04, "+0.0"), (0.04, "+0.0"), (-0.06, "-0.1"), (1.25, "+1.2")])
def test_a_difference_that_rounds_to_nothing_is_no_loss(difference: float, text: str) -> None:
    assert marked(against(difference, 0.5, (-1, 1))) == text


def test_a_verdict_tells_all_that_it_rests_on() -> None:
    first, second = decide([against(1.5, 0.01, (0.4, 2.6)), against(-0.3, 0.0001, (-0.5, -0.1))])
    assert verdict("csr", "standard", first) == (
        "csr is better than standard by 1.5 BLEU: 41.5 against 40.0; 95 % interval of the difference +0.4 to +2.6; "
        "p = 0.010 (0.010 adjusted); 600 test examples."
    )
    assert verdict("csr", "standard", second).startswith("csr is worse than standard by 0.3 BLEU: 39.7 against 40.0;")
    assert p_text(second) == "< 0.001 (< 0.001 adjusted)"
    assert (marked(first), marked(second)) == ("+1.5*", "-0.3*")
    unclear = against(1.5, 0.2, (-0.4, 2.6))
    assert verdict("csr", "standard", unclear).startswith(
        "csr shows no significant difference from standard (+1.5 BLEU)"
    )
    assert (marked(unclear), p_text(unclear)) == ("+1.5", "0.200")
