"""Accuracies of classifiers: what is above chance, and what is said where nothing is."""

import pytest

from switchtune.results.accuracy import (
    above_chance,
    accuracy_markdown,
    accuracy_row,
    accuracy_summary,
    accuracy_verdicts,
)
from switchtune.results.comparison import Row, Summary, metrics_record


def rows(right: dict[str, dict[str, int]], seeds: int = 1) -> list[Row]:
    """By arm, the baseline first, so many of 300 examples are right in each language."""

    def correct(count: int) -> list[list[bool]]:
        return [[place < count for place in range(300)] for _ in range(seeds)]

    standard = right["standard"]
    return [
        accuracy_row(
            correct(right[arm][language]),
            None if arm == "standard" else correct(standard[language]),
            chance=1 / 3,
            pair=language,
            arm=arm,
            stage_updates={"classify": 9},
            rates={},
            truncated=0,
            minutes=1.0,
            details={"model": "model", "chosen_updates": [9] * seeds, "valid_accuracy": [0.5] * seeds},
        )
        for language in standard
        for arm in right
    ]


def summary(standard: dict[str, int], csr: dict[str, int]) -> Summary:
    return accuracy_summary(rows({"standard": standard, "csr": csr}), "standard", (1,))


def test_a_language_is_named_where_no_arm_does_better_than_one_label_for_all() -> None:
    found = summary({"en": 150, "de": 118, "tr": 100, "vi": 90}, {"en": 160, "de": 110, "tr": 130, "vi": 101})
    # Wilson's interval of 118 of 300 begins at 34.0 %, that of 110 at 31.4 %, that of 130 at 37.8 %.
    assert [above_chance(row) for row in found.rows if row.arm == "standard"] == [True, True, False, False]
    assert [above_chance(row) for row in found.rows if row.arm == "csr"] == [True, False, True, False]
    (said,) = found.remarks
    assert said.startswith("vi: no arm is above chance (33.3%")
    assert metrics_record(found)["remarks"] == [said]
    assert f"- {said}" in accuracy_markdown(found)


def test_the_verdict_counts_languages_by_adjusted_p_values() -> None:
    # About McNemar's exact p: 6 more right, 0.031; 12 more, 0.0005; 3 fewer, 0.25; alike, 1. Times 3 and 4 and so on.
    standard = {"en": 150, "de": 110, "tr": 110, "vi": 110}
    assert accuracy_verdicts(summary(standard, {"en": 150, "de": 116, "tr": 122, "vi": 107})) == [
        "csr against standard, in 3 languages without training data: better in 2 (1 significantly), worse in 1 "
        "(0 significantly) on this one training; mean difference +1.7 points; p adjusted for 4 comparisons (Holm)."
    ]


def test_the_page_has_a_table_of_arms_by_languages_and_one_of_differences() -> None:
    found = summary({"en": 150, "de": 110}, {"en": 150, "de": 122})
    page = accuracy_markdown(found)
    assert "| arm | updates | en | de | mean | Δ standard | minutes |" in page
    assert "| csr | 9 | 50.0% | 40.7% | 40.7% | +4.0 | 1.0 |" in page
    assert "| de | csr | 40.7% | 35.3% – 46.3% | +4.0(*) | +2.0 to +6.0 | < 0.001 (0.001 adjusted) |" in page
    assert "- csr: model, best on the validation set at update 9 (50.0%) of the last stage." in page
    assert "Test sets of 300 examples; seeds 1." in page


def test_figures_for_machines_have_the_form_of_the_other_tasks() -> None:
    record = metrics_record(
        accuracy_summary(rows({"standard": {"en": 150}, "csr": {"en": 160}}, 2), "standard", (1, 2))
    )
    standard, csr = record["rows"]
    assert (csr["pair"], csr["arm"], csr["chance"]) == ("en", "csr", pytest.approx(1 / 3))
    assert [score["value"] for score in csr["accuracy"]] == [160 / 300] * 2
    assert (csr["model"], csr["chosen_updates"]) == ("model", [9, 9])
    assert standard["against_baseline"] is None
    assert csr["against_baseline"]["test"] == "randomisation"
