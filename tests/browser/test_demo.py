"""The demo's page in a browser, with real models."""

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from switchtune.demo import server, session
from switchtune.demo.server import Demo
from switchtune.demo.session import open_session
from switchtune.lexicon.files import read_lexicon
from tests.demo.serving import arabic_run_with_models, busy, serving
from tests.miniature import ENGLISH, GERMAN
from tests.report.made_run import WORDS

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
    # The page itself tells the reader what is refused, and asks again where others are answered.
    expected = re.compile(f"{re.escape(demo.url)}|.*the server responded with a status of (400|503)")
    assert [text for text in heard if not expected.match(text)] == []


def ask(tab: "Page", text: str) -> None:
    """Have a text switched, restored and translated, by keys alone."""
    field = tab.get_by_role("textbox", name="Sentences")
    field.fill(text)
    field.press("Control+Enter")
    expect(tab.locator("#status")).to_have_text("Done.", timeout=30_000)


def test_a_sentence_is_switched_restored_and_translated(opened: "Page") -> None:
    opened.get_by_label("Words switched").fill("1")
    ask(opened, GERMAN[0])
    expect(opened.locator("#switched ins")).to_have_text(["A", "dog"])
    expect(opened.locator("#switched del")).to_have_text(["Ein", "Hund"])
    expect(opened.locator("#candidates tr").nth(1)).to_have_text("Hunddogdog 0.75")
    expect(opened.locator("#candidates-caption")).to_contain_text("has 2 of 6 words")
    expect(opened.locator("#unknown")).to_have_text("Not in the lexicon: läuft, über, die, Wiese")
    expect(opened.locator("#detected")).to_have_text("German is detected.")
    expect(opened.locator("#translated h4")).to_have_text(["standard", "csr"])
    expect(opened.locator("#translated p").first).to_have_text(ENGLISH[0])
    expect(opened.locator("#restored .error")).to_have_count(0)


def test_an_example_stands_there_until_something_is_typed(opened: "Page") -> None:
    field = opened.get_by_role("textbox", name="Sentences")
    expect(field).to_have_value(GERMAN[10])
    opened.locator("#language").select_option(label="English")
    expect(field).to_have_value(ENGLISH[10])
    field.fill("Mein eigener Satz.")
    opened.locator("#language").select_option(label="German")
    expect(field).to_have_value("Mein eigener Satz.")


def test_lines_are_kept_apart_and_what_is_cut_is_shown(opened: "Page") -> None:
    ask(opened, f"{GERMAN[0]}\n\n{GERMAN[2]}\n{' '.join(GERMAN[:6])}")
    output = opened.locator("#translated .output").first
    expect(output.locator("> p")).to_have_text([ENGLISH[0], "", ENGLISH[2], re.compile(".")])
    expect(output.locator("> details summary")).to_have_text([re.compile("did not read the last [0-9]+ characters")])
    expect(output.locator("> details p")).to_have_text(re.compile(f"{re.escape(GERMAN[5])}$"))
    expect(opened.locator("#switched p")).to_have_count(4)


def test_a_line_is_seen_before_the_next_is_made(opened: "Page", demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, made = threading.Event(), session.translate

    def slowly(model: Any, texts: list[str], *others: Any) -> list[str]:
        if texts == [GERMAN[2]] and others[:2] == ("de", "en"):
            go_on.wait(20)
        return made(model, texts, *others)

    monkeypatch.setattr(session, "translate", slowly)
    opened.get_by_role("textbox", name="Sentences").fill(f"{GERMAN[0]}\n{GERMAN[2]}")
    opened.get_by_role("button", name="Switch, restore, translate").click()
    first = opened.locator("#translated .output").first
    try:
        expect(first.locator("p")).to_have_text([ENGLISH[0]], timeout=15_000)
        expect(opened.locator("#status")).to_have_text("Asking the systems …")
    finally:
        go_on.set()
    expect(first.locator("p")).to_have_text([ENGLISH[0], ENGLISH[2]])


def test_a_text_that_is_too_long_is_said_to_be(opened: "Page") -> None:
    field = opened.get_by_role("textbox", name="Sentences")
    field.fill("🐕" * 3002)
    expect(opened.locator("#too-long")).to_contain_text("2 characters too many")
    field.press("Control+Enter")
    expect(opened.locator("#result")).to_be_hidden()
    field.fill("🐕" * 3000)
    expect(opened.locator("#too-long")).to_be_empty()


def test_a_line_that_is_no_term_is_refused_and_not_passed_over(opened: "Page") -> None:
    terms = opened.get_by_label("Terms")
    terms.fill("Wiese = field\nHund: dog")
    expect(opened.locator("#terms-problem")).to_contain_text("“Hund: dog” is not a term and its translation")
    opened.get_by_role("textbox", name="Sentences").press("Control+Enter")
    expect(opened.locator("#result")).to_be_hidden()
    terms.fill("Wiese = field\n\nHund = dog")
    expect(opened.locator("#terms-problem")).to_be_empty()


def test_the_language_that_is_typed_is_detected(opened: "Page") -> None:
    field = opened.get_by_role("textbox", name="Sentences")
    field.fill(ENGLISH[3])
    expect(opened.locator("#detected")).to_have_text("English is detected.")
    field.fill("犬が草原を走っている。")
    expect(opened.locator("#detected")).to_have_text("The language cannot be detected; it is taken for German.")
    opened.locator("#language").select_option(label="English")
    expect(opened.locator("#detected")).to_be_empty()


def test_text_is_no_html(opened: "Page") -> None:
    ask(opened, "Hund <img src=x onerror=document.title='taken'>")
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


LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftslied"


@pytest.mark.slow
def test_text_from_right_to_left_is_set_so_on_a_phone_too(tmp_path: Path, watched: "tuple[Page, list[str]]") -> None:
    tab, _ = watched
    tab.set_viewport_size({"width": 390, "height": 800})
    with serving(open_session(arabic_run_with_models(tmp_path / "mine"))) as demo:
        tab.goto(demo.url)
        tab.get_by_label("Words switched").fill("1")
        text = f"BBC: يركض كلب عبر المرج 🐕 (2024).\n{WORDS['ar'][0] * 4}\n{LONG} {WORDS['th'][0]} {WORDS['ja'][0]}"
        tab.get_by_role("textbox", name="Sentences").fill(text)
        tab.get_by_role("button", name="Switch, restore, translate").click()
        expect(tab.locator("#detected")).to_have_text("Arabic is detected.")
        lines = tab.locator("#switched p")
        expect(lines).to_have_count(3)
        directions = lines.evaluate_all("lines => lines.map(line => getComputedStyle(line).direction)")
        assert directions == ["rtl", "rtl", "ltr"]
        expect(tab.locator("#switched ins").first).to_have_attribute("lang", "en")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_hinders_people(opened: "Page", scheme: Literal["light", "dark"]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    opened.emulate_media(color_scheme=scheme)
    opened.get_by_label("Terms").fill("Wiese = field")
    ask(opened, f"{GERMAN[0]}\n{' '.join(GERMAN[:6])}")
    for details in opened.locator("details").all():
        details.evaluate("element => element.open = true")
    for width in (390, 1280):
        opened.set_viewport_size({"width": width, "height": 800})
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.run(opened)
        assert found.violations_count == 0, found.generate_report()
    opened.get_by_role("button", name="Edit Hund").click()
    found = axe.run(opened)
    assert found.violations_count == 0, found.generate_report()
