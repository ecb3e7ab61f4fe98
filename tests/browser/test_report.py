"""A run's page in a browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from switchtune.lexicon.files import write_lexicon
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.report.run_page import run_page
from tests.report.made_run import WORDS, make_lexicon, make_run, make_wide_run, write

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.usefixtures("drawn_once")

expect = pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("finished") / "mine")


@pytest.fixture
def opened(finished: Path, tmp_path: Path, watched: "tuple[Page, list[str]]") -> "Page":
    """The report of the finished run, opened; it asked for nothing but itself, and nothing went wrong."""
    path = tmp_path / "report.html"
    path.write_text(run_page([finished]).html, encoding="utf-8")
    tab, heard = watched
    tab.goto(path.as_uri())
    assert heard == [path.as_uri()]
    return tab


def test_no_text_of_a_run_becomes_a_script(opened: "Page") -> None:
    expect(opened).to_have_title("switchtune: mine")


def test_the_filter_shows_what_holds_its_text(opened: "Page") -> None:
    outputs = opened.locator("#translations article")
    expect(outputs).to_have_count(2)
    opened.get_by_label("Show only those that contain").fill("GREEN")
    expect(outputs.filter(visible=True)).to_have_count(1)
    expect(opened.locator("#translations .found")).to_have_text("1 of 2 outputs")
    opened.get_by_label("Search the listed words").fill("katze")
    expect(opened.locator("#lexicon .found")).to_have_text("2 of 14 entries")


def test_tabs_work_by_pointer_and_keys(opened: "Page") -> None:
    tabs = opened.locator("#curves [role=tab]")
    panels = opened.locator("#curves [role=tabpanel]")
    names = ("validation loss", "training loss", "BLEU", "distance (eq. 5)")
    expect(tabs).to_have_text([*(f"de-en: {name}" for name in names), "Updates to the baseline's loss"])
    expect(panels.nth(0)).to_be_visible()
    tabs.nth(1).click()
    expect(panels.nth(0)).to_be_hidden()
    expect(panels.nth(1)).to_be_visible()
    tabs.nth(1).press("ArrowLeft")
    expect(panels.nth(0)).to_be_visible()
    expect(tabs.nth(0)).to_be_focused()
    expect(tabs.nth(0)).to_have_attribute("aria-selected", "true")
    tabs.nth(0).press("End")
    expect(panels.nth(4)).to_be_visible()


def test_of_many_panels_one_is_chosen_from_a_list(tmp_path: Path, watched: "tuple[Page, list[str]]") -> None:
    folder = make_wide_run(
        tmp_path / "mine", [f"{code}-en" for code in ("de", "ar", "ja", "th", "he")], ["standard"], 1
    )
    path = tmp_path / "report.html"
    path.write_text(run_page([folder]).html, encoding="utf-8")
    tab, _ = watched
    tab.goto(path.as_uri())
    panels = tab.locator("#curves [role=tabpanel]")
    expect(tab.locator("#curves [role=tablist]")).to_be_hidden()
    tab.locator("#curves select").select_option("ja-en: training loss")
    expect(panels.filter(visible=True)).to_have_count(1)
    expect(panels.nth(5)).to_be_visible()


def test_curves_are_read_and_hidden(opened: "Page") -> None:
    chart = opened.locator("#curves .chart").first
    chart.locator("svg").press("End")
    expect(chart.locator("output")).to_contain_text("update 40: standard seed 1 2.1, ")
    expect(chart.locator("output")).to_contain_text("csr seed 1 1.9")
    chart.get_by_role("button", name="csr").click()
    expect(chart.locator("output")).not_to_contain_text("csr")
    expect(chart.locator('.series[data-group="1"]').first).to_be_hidden()
    expect(chart.locator('.series[data-group="0"]').first).to_be_visible()
    chart.get_by_role("button", name="csr").click()
    expect(chart.locator("output")).to_contain_text("csr")
    chart.locator("svg").hover(position={"x": 90, "y": 100})
    expect(chart.locator("output")).to_contain_text("update 0: ")


def test_on_paper_all_is_there(opened: "Page") -> None:
    opened.emulate_media(media="print")
    for panel in opened.locator("#curves [role=tabpanel]").all():
        expect(panel).to_be_visible()
    expect(opened.locator("#curves [role=tablist]")).to_be_hidden()


def test_on_paper_long_lists_are_cut(tmp_path: Path, watched: "tuple[Page, list[str]]") -> None:
    folder = make_run(tmp_path / "mine")
    (tmp_path / "data-of-mine/test.de").unlink()
    for arm in ("standard", "csr"):
        write(folder / f"de-en/{arm}/seed1/hypotheses.txt", "".join(f"{arm} {number}\n" for number in range(40)))
    path = tmp_path / "report.html"
    path.write_text(run_page([folder]).html, encoding="utf-8")
    tab, _ = watched
    tab.goto(path.as_uri())
    outputs = tab.locator("#translations article").filter(visible=True)
    expect(outputs).to_have_count(40)
    tab.emulate_media(media="print")
    expect(outputs).to_have_count(10)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_hinders_people(
    finished: Path, tmp_path: Path, watched: "tuple[Page, list[str]]", scheme: Literal["light", "dark"]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab, _ = watched
    tab.emulate_media(color_scheme=scheme)
    other = make_wide_run(
        tmp_path / "other", ["de-en", "en-ar", "ja-en", "th-en", "he-en"], ["standard", "csr", "csr+"], 1
    )
    for number, folders in enumerate(([finished], [other], [finished, other])):
        path = tmp_path / f"{number}.html"
        path.write_text(run_page(folders).html, encoding="utf-8")
        tab.goto(path.as_uri())
        for width in (360, 1280):
            tab.set_viewport_size({"width": width, "height": 800})
            found = axe.run(tab)
            assert found.violations_count == 0, found.generate_report()


@pytest.mark.slow
def test_a_phone_shows_the_differences_whole(tmp_path: Path, watched: "tuple[Page, list[str]]") -> None:
    tab, _ = watched
    folder = make_wide_run(tmp_path / "mine", ["en-ar", "ja-en"], ["standard", "csr", "csr+"], 3)
    path = tmp_path / "report.html"
    path.write_text(run_page([folder]).html, encoding="utf-8")
    tab.set_viewport_size({"width": 360, "height": 740})
    tab.goto(path.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    for cell in tab.locator(".forest :is(td, th)").filter(visible=True).all():
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360


@pytest.mark.slow
def test_text_from_right_to_left_is_set_so(tmp_path: Path, watched: "tuple[Page, list[str]]") -> None:
    tab, _ = watched
    path = tmp_path / "report.html"
    folder = make_wide_run(tmp_path / "mine", ["en-ar"], ["standard", "csr+"], 1)
    outputs = folder / "en-ar/standard/seed1/hypotheses.txt"
    outputs.write_text("BBC: يركض كلب.\n" * 3, encoding="utf-8")
    path.write_text(run_page([folder]).html, encoding="utf-8")
    tab.goto(path.as_uri())
    texts = tab.locator('#translations p[lang="ar"]')
    directions = texts.evaluate_all("all => all.map(element => getComputedStyle(element).direction)")
    assert len(directions) == 9  # a reference and two outputs of each
    assert set(directions) == {"rtl"}


@pytest.mark.slow
def test_a_phone_shows_text_of_any_script_whole(tmp_path: Path, watched: "tuple[Page, list[str]]") -> None:
    tab, _ = watched
    folder = make_wide_run(tmp_path / "mine", ["de-ar", "ja-th"], ["standard", "csr"], 1)
    make_lexicon(folder / "lexicon/de-ar/auto-1a2b3c4d")
    for source, target in (("de", "ar"), ("ar", "de")):
        words = [text.split()[-1] for text in (WORDS[source][0], WORDS[target][0])]
        entries = {words[0].lower(): Entry(words[0], 9, (Translation(words[1], 0.75, 3),))}
        path = folder / f"lexicon/de-ar/auto-1a2b3c4d/lexicon.{source}-{target}.tsv"
        write_lexicon(Lexicon(source, target, "align", "probability", "word", entries), path)
    path = tmp_path / "report.html"
    path.write_text(run_page([folder]).html, encoding="utf-8")
    tab.set_viewport_size({"width": 390, "height": 740})
    tab.goto(path.as_uri())
    tab.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    tab.evaluate("for (const each of document.querySelectorAll('[role=tabpanel]')) each.hidden = false")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    texts = tab.locator("#translations article, #lexicon tbody td, #lexicon tbody th, #switched li > div")
    boxes = texts.evaluate_all("all => all.map(each => each.getBoundingClientRect()).map(box => [box.left, box.right])")
    assert len(boxes) > 20
    assert all(left >= 0 and right <= 390 for left, right in boxes)


@pytest.mark.slow
def test_a_phone_shows_the_whole_width(opened: "Page") -> None:
    opened.set_viewport_size({"width": 360, "height": 740})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
