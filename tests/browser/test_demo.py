"""The demo's page in a browser, with real models."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from switchtune.demo import server
from switchtune.demo.server import Demo
from switchtune.demo.session import open_session
from switchtune.lexicon.files import read_lexicon
from tests.demo.serving import busy, serving
from tests.miniature import ENGLISH, GERMAN

if TYPE_CHECKING:
    from playwright.sync_api import Page

expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture
def folder(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "mine"))


@pytest.fixture
def demo(folder: Path) -> Iterator[Demo]:
    with serving(open_session(folder)) as demo:
        yield demo


@pytest.fixture
def opened(demo: Demo, watched: "tuple[Page, list[str]]") -> "Iterator[Page]":
    """The page; whatever is done with it, it asks this server alone, and nothing goes wrong."""
    tab, heard = watched
    tab.goto(demo.url)
    yield tab
    refused = "the server responded with a status of 400"  # which the page itself tells the reader
    assert [text for text in heard if not text.startswith(demo.url) and refused not in text] == []


def test_a_sentence_is_switched_restored_and_translated(opened: "Page") -> None:
    opened.get_by_role("textbox", name="Sentence").fill(GERMAN[0])
    opened.get_by_label("Words switched").fill("1")
    opened.get_by_role("button", name="Switch, restore, translate").click()
    expect(opened.locator("#status")).to_have_text("Done.", timeout=30_000)
    expect(opened.locator("#switched ins")).to_have_text(["A", "dog"])
    expect(opened.locator("#switched del")).to_have_text(["Ein", "Hund"])
    expect(opened.locator("#candidates tr").nth(1)).to_have_text("Hunddogdog 0.75")
    expect(opened.locator("#translated h4")).to_have_text(["standard", "csr"])
    expect(opened.locator("#translated p").first).to_have_text(ENGLISH[0])
    expect(opened.locator("#restored .error")).to_have_count(0)


def test_text_is_no_html(opened: "Page") -> None:
    opened.get_by_role("textbox", name="Sentence").fill("Hund <img src=x onerror=document.title='taken'>")
    opened.get_by_role("button", name="Switch, restore, translate").click()
    expect(opened.locator("#status")).to_have_text("Done.", timeout=30_000)
    expect(opened.locator("#switched")).to_contain_text("<img")
    expect(opened).to_have_title("switchtune demo")


def test_the_lexicon_is_searched_and_edited(opened: "Page", folder: Path) -> None:
    path = folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.tsv"
    expect(opened.locator("#found")).to_have_text("1 to 7 of 7 entries")
    opened.get_by_label("Search").fill("hund")
    expect(opened.locator("#entries tr")).to_have_count(1)
    opened.get_by_role("button", name="Edit Hund").click()
    opened.get_by_role("button", name="One more").click()
    opened.get_by_label("Translation", exact=True).nth(1).fill("hound")
    opened.get_by_label("Strength", exact=True).nth(1).fill("0.5")
    opened.get_by_role("button", name="Save").click()
    expect(opened.locator("#found")).to_have_text("Saved in lexicon.de-en.edits.tsv; the lexicon has 7 entries.")
    expect(opened.locator("#entries tr td").nth(1)).to_have_text("dog 0.75, hound 0.50")
    assert [each.word for each in read_lexicon(path).entries["hund"].translations] == ["dog", "hound"]


def test_an_entry_is_added_and_a_wrong_one_refused(opened: "Page", folder: Path) -> None:
    path = folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.tsv"
    opened.get_by_role("button", name="New entry").click()
    opened.locator("#word").fill("Ball")
    opened.get_by_label("Translation", exact=True).fill("ball")
    opened.get_by_label("Strength", exact=True).fill("7")
    before = path.read_bytes()
    with opened.expect_response(lambda response: response.status == 400):
        opened.get_by_role("button", name="Save").click()
    expect(opened.locator("#editor-status")).to_contain_text("strength")
    assert path.read_bytes() == before


def test_the_page_comes_again_when_it_is_told_to(
    demo: Demo, watched: "tuple[Page, list[str]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, _ = watched
    with busy(demo), tab.expect_response(lambda response: response.status == 503):
        monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.1)
        tab.goto(demo.url)
    expect(tab.locator("#found")).to_have_text("1 to 7 of 7 entries")
