"""Cards: what stands in them, and that those of others stay."""

from pathlib import Path

import pytest

from switchtune.files import write_text
from switchtune.models.card import base_on_hub, front_matter, put_card


def test_a_card_is_written_and_written_anew(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    assert put_card(tmp_path, {"license": "mit", "base_model": None, "tags": []}, "# One\n")
    assert front_matter(card) == {"license": "mit"}
    first = card.read_text(encoding="utf-8")
    assert first.startswith("---\nlicense: mit\n---\n\n# One\n")
    assert put_card(tmp_path, {}, "# Two")
    assert card.read_text(encoding="utf-8").startswith("# Two\n")
    assert put_card(tmp_path, {"license": "mit"}, "# One")
    assert card.read_text(encoding="utf-8") == first


@pytest.mark.parametrize(
    "change", [("One", "Mine"), ("mit", "apache-2.0"), ("<!--", "More.\n<!--"), ("-->", "-->\nMore")]
)
def test_a_card_that_somebody_has_edited_stays(change: tuple[str, str], tmp_path: Path) -> None:
    put_card(tmp_path, {"license": "mit"}, "# One")
    card = tmp_path / "README.md"
    edited = card.read_text(encoding="utf-8").replace(*change)
    write_text(card, edited)
    assert not put_card(tmp_path, {"license": "mit"}, "# Two")
    assert card.read_text(encoding="utf-8") == edited


def test_a_card_of_somebody_else_stays(tmp_path: Path) -> None:
    write_text(tmp_path / "README.md", "# Somebody's model\n")
    assert not put_card(tmp_path, {}, "# Two")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "# Somebody's model\n"


def test_the_base_is_a_name_of_the_hub(tmp_path: Path) -> None:
    assert base_on_hub("facebook/mbart-large-50") == "facebook/mbart-large-50"
    assert base_on_hub(str(tmp_path)) is None
    assert base_on_hub("no/name/of/the/hub") is None
    put_card(tmp_path, {"base_model": "facebook/mbart-large-50"}, "# One")
    assert base_on_hub(str(tmp_path)) == "facebook/mbart-large-50"
