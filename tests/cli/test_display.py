"""What is shown of a training where there is no terminal."""

import pytest

from switchtune.cli.display import LINES_PER_STAGE, Display
from switchtune.events import Progress, stage_event


def test_a_line_now_and_then_with_all_figures(capsys: pytest.CaptureFixture[str]) -> None:
    with Display() as display:
        for update in range(1, 101):
            step = Progress(update, 100, 2.5, 1234.0, padding=0.035, memory_gb=7.25)
            display.show(stage_event("de-en/csr/seed1", "task", step))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == LINES_PER_STAGE
    assert lines[0] == "de-en/csr/seed1 task: 10/100 loss 2.500, 1,234 tokens/s, 3.5% padding, 7.2 GB"
