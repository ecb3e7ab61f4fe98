"""docs/configuration.md says what the settings are today."""

import runpy
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_what_the_settings_are() -> None:
    made = runpy.run_path(str(DOCS / "make_configuration.py"))["reference"]()
    assert made == (DOCS / "configuration.md").read_text(encoding="utf-8"), "run `make docs`"
