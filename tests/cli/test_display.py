"""Progress where there is no terminal."""

import unicodedata

import pytest

from switchtune.cli.display import Display, print_table
from switchtune.events import Event, Progress, stage_event


def test_a_line_a_minute_and_one_at_the_end_with_all_figures_and_the_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 1000.0
    with Display(lambda: now) as display:
        for update in range(401, 1001):  # resumed after 400, and half a second each
            step = Progress(update, 1000, 2.5, 1234.0, padding=0.035, memory_gb=7.25)
            display.show(stage_event("de-en/csr/seed1", "task", step))
            now += 0.5
    lines = capsys.readouterr().err.splitlines()
    figures = "loss 2.500, 1,234 tokens/s, 3.5% padding, 7.2 GB"
    assert lines == [
        f"de-en/csr/seed1 task: 521/1,000 {figures}, 4 min left",
        f"de-en/csr/seed1 task: 641/1,000 {figures}, 3 min left",
        f"de-en/csr/seed1 task: 761/1,000 {figures}, 2 min left",
        f"de-en/csr/seed1 task: 881/1,000 {figures}, 60 s left",
        f"de-en/csr/seed1 task: 1,000/1,000 {figures}",
    ]


def test_what_is_soon_done_has_one_line_and_what_takes_hours_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    with Display(lambda: now) as display:
        for number in (1, 2, 3):
            display.show(Event("de-en", "distance", number, 3))
        display.show(Event("de-en", "task", 1, 100_000))
        now = 60.0
        display.show(Event("de-en", "task", 101, 100_000))
    assert capsys.readouterr().err.splitlines() == ["de-en distance: 3/3", "de-en task: 101/100,000 16.6 h left"]


def test_columns_stand_below_each_other_in_any_script(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["csr", "ذراع", "שָׁלוֹם", "کتاب‌ها", "แขนผู้หญิง", "アーム", "한국어", "हिंदी", "🐕", "👩‍🚀", "🇩🇪"]

    def columns(text: str) -> int:
        """By Unicode's tables: wide letters have two, marks and joiners none, and an emoji of several parts has two."""
        text = text.replace("👩‍🚀", "🐕").replace("🇩🇪", "🐕")
        kinds = [(unicodedata.category(letter), unicodedata.east_asian_width(letter)) for letter in text]
        return sum((2 if width in "WF" else 1) for kind, width in kinds if kind not in ("Mn", "Mc", "Cf"))

    print_table(["arm", "BLEU"], [[name, "1.0"] for name in names], title="")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.endswith("│") and "1.0" in line]
    assert len(rows) == len(names)
    assert len({columns(row) for row in rows}) == 1
