"""Accuracies of classifiers: what is above chance, and what is said where nothing is."""

from switchtune.report.accuracy import AccuracyRow, AccuracySummary, accuracy_of, accuracy_record, at_chance


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
