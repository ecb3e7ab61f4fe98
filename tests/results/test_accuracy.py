"""Accuracies of classifiers: what is above chance, and what is said where nothing is."""

from switchtune.results.accuracy import (
    AccuracyRow,
    AccuracySummary,
    accuracy_of,
    accuracy_record,
    accuracy_verdict,
    at_chance,
)


def row(arm: str, right: dict[str, int], baseline: dict[str, int] | None) -> AccuracyRow:
    """Of 300 examples so many are right in each language."""

    def correct(count: int) -> list[bool]:
        return [place < count for place in range(300)]

    tests = tuple(
        accuracy_of(
            language, [correct(count)], None if baseline is None else [correct(baseline[language])], chance=1 / 3
        )
        for language, count in right.items()
    )
    return AccuracyRow(arm, "model", {"classify": 9}, (9,), (0.5,), tests, {}, 0, 1.0)


def test_a_language_is_named_where_no_arm_does_better_than_one_label_for_all() -> None:
    standard = {"en": 150, "de": 118, "tr": 100, "vi": 90}
    csr = {"en": 160, "de": 110, "tr": 130, "vi": 101}
    rows = (row("standard", standard, None), row("csr", csr, standard))
    summary = AccuracySummary(rows, "standard", (1,))
    # Wilson's interval of 118 of 300 begins at 34.0 %, that of 110 at 31.4 %, that of 130 at 37.8 %.
    assert [test.above_chance for test in rows[0].tests] == [True, True, False, False]
    assert [test.above_chance for test in rows[1].tests] == [True, False, True, False]
    (said,) = at_chance(summary)
    assert said.startswith("vi: no arm is above chance (33.3%")
    assert accuracy_record(summary)["remarks"] == [said]


def test_the_verdict_counts_languages_by_adjusted_p_values() -> None:
    # McNemar's exact p: 6 more right, 0.031; 12 more, 0.0005; 3 fewer, 0.25. Times 2 (after the smallest), 3 and 1.
    standard = {"en": 150, "de": 110, "tr": 110, "vi": 110}
    csr = {"en": 150, "de": 116, "tr": 122, "vi": 107}
    assert accuracy_verdict(row("csr", csr, standard), "standard") == (
        "csr against standard, in 3 languages without training data: better in 2 (1 significantly), worse in 1 "
        "(0 significantly); mean difference +1.7 points; p adjusted for the number of languages (Holm)."
    )
    alone = row("csr", {"en": 150, "de": 116}, {"en": 150, "de": 110})
    assert accuracy_verdict(alone, "standard").endswith(
        "better in 1 (1 significantly), worse in 0 (0 significantly); mean difference +2.0 points."
    )
