"""Figures as files and as elements of a page: the same each time, text as text, in the page's colours."""

import re
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchtune.results.drawing import Series, boxes_text, svg_element, thinned, write_figure
from switchtune.results.figures import draw_chart
from tests.report.made_run import EVIL


def lines(*values: float, name: str = "csr") -> list[Series]:
    return [Series(name, name, tuple(enumerate(values, start=1)))]


def texts_of(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iter() if element.tag.endswith("text")]


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    draw = partial(draw_chart, lines(1.0, 2.0), axis="update", unit="loss", title="de-en")
    for form in ("svg", "png", "pdf"):
        first, second = (write_figure(tmp_path / name, draw, [form])[0].read_bytes() for name in ("a", "b"))
        assert first == second
        assert len(first) > 1000
    assert {"csr", "update", "loss", "de-en"} <= set(texts_of(ElementTree.parse(tmp_path / "a.svg").getroot()))


def test_an_element_has_the_colours_of_its_page_and_asks_for_nothing() -> None:
    draw = partial(draw_chart, lines(1.0, 2.0, 1.5), axis="update", unit="loss")
    svg = svg_element(draw, "loss", "it falls")
    assert svg == svg_element(draw, "loss", "it falls")
    for text in ("#0", "#1", "url(", "http", "clip-path", "font-family"):
        assert text not in re.sub('"#m[0-9a-f]{10}"', "", svg)
    assert "stroke: var(--s0)" in svg
    root = ElementTree.fromstring(svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", "it falls")
    used = {element.get("href") for element in root.iter("use")}
    assert used == {f"#{element.get('id')}" for element in root.iter() if element.get("id")}
    other = ElementTree.fromstring(svg_element(draw, "other", "it falls"))
    assert not used & {element.get("href") for element in other.iter("use")}


@pytest.mark.parametrize("name", [EVIL, "a $b$ c $", "_hidden", "\0\x1b[31m", "日本", "x" * 300, "</svg>", "a\nb"])
def test_any_name_is_drawn_as_it_stands(tmp_path: Path, name: str) -> None:
    draw = partial(draw_chart, lines(1.0, 2.0, name=name), axis=name, unit=name)
    assert not ElementTree.fromstring(svg_element(draw, "x", name)).findall(".//script")
    titled = partial(draw_chart, lines(1.0, 2.0, name=name), axis="update", unit="loss", title=name)
    (path,) = write_figure(tmp_path / "named", titled, ["svg"])
    assert not ElementTree.parse(path).getroot().findall(".//{http://www.w3.org/2000/svg}script")


@settings(max_examples=20)
@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=5))
@example([1.0, 450657034.0])  # so many decades that not each has a mark
def test_any_values_can_be_drawn(values: list[float]) -> None:
    svg = svg_element(partial(draw_chart, lines(*values), axis="update", unit="u"), "x", "x")
    assert len(texts_of(ElementTree.fromstring(svg))) >= 4


def test_layers_are_whole_numbers() -> None:
    svg = svg_element(partial(draw_chart, lines(2.0, 1.9, 1.5), axis="layer", unit="u"), "x", "x")
    assert texts_of(ElementTree.fromstring(svg))[:4] == ["1", "2", "3", "layer"]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 20))
def test_thinned_points_keep_mean_and_end(values: list[float], most: int) -> None:
    points = list(enumerate(values))
    thin = thinned(points, most)
    assert len(thin) == min(most, len(points))
    assert thin[-1][0] == points[-1][0]
    assert min(values) - 1e-9 <= min(y for _, y in thin)
    assert max(y for _, y in thin) <= max(values) + 1e-9


def test_letters_that_no_font_has_are_told_where_they_are_lost(tmp_path: Path) -> None:
    none_has = "\U00012000"  # a cuneiform sign
    series = [Series("a", f"arm {none_has}", ((0.0, 1.0), (1.0, 2.0)))]
    told: list[str] = []
    draw = partial(draw_chart, series, axis="update", unit="loss", title=none_has)
    write_figure(tmp_path / "figure", draw, ["svg"], on_missing=told.append)
    assert told == []
    write_figure(tmp_path / "figure", draw, ["png"], on_missing=told.append)
    assert told == [none_has]
    assert boxes_text(none_has).startswith("no font here has '\U00012000', which appear as boxes")
