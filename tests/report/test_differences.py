"""The picture of the answer: what stands where, and the same as a file."""

import math
import re
import xml.etree.ElementTree as ElementTree
from html import unescape
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.config.run import RunConfig
from switchtune.recipes import IN_WORDS, ExampleKind
from switchtune.report.about import arm_words, differing_settings, facts, question
from switchtune.report.differences import differences
from switchtune.report.run_page import run_page
from switchtune.results.drawing import svg_element
from switchtune.results.forest import Effect, Forest, draw_forest, seed_differences
from switchtune.runs.run_files import read_run
from tests.report.made_run import against, make_run, make_wide_run

pytestmark = pytest.mark.usefixtures("drawn_once")


def test_seeds_are_paired_in_their_order_and_given_outputs_go_with_all() -> None:
    assert seed_differences([40.0, 41.0], [41.0, 43.0]) == (1.0, 2.0)
    assert seed_differences([40.0], [41.0, 43.0]) == (1.0, 3.0)
    assert seed_differences([40.0, 41.0, 42.0], [41.0, 43.0]) == ()
    assert seed_differences([], [41.0]) == ()


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 9)), min_size=1, max_size=5))
def test_the_axis_holds_0_and_all_that_is_compared(found: list[tuple[float, float]]) -> None:
    comparisons = [against(middle, 0.4, (middle - reach, middle + reach)) for middle, reach in found]
    forest = Forest(tuple(Effect(f"arm {number}", "de-en", each) for number, each in enumerate(comparisons)))
    low, high = forest.limits
    assert low < 0 < high
    assert "0" in [text for _, text in forest.ticks]
    for each in comparisons:
        assert low < each.interval[0] <= each.interval[1] < high or math.isclose(*each.interval, abs_tol=1e-9)


def test_shares_are_drawn_in_points() -> None:
    found = against(0.07, 0.01, (0.03, 0.11), metric="accuracy", value=0.5)
    forest = Forest((Effect("csr", "German", found),))
    assert forest.unit == "points of accuracy"
    assert "+10" in [text for _, text in forest.ticks]


def test_the_figure_has_every_effect_with_its_decision() -> None:
    effects = [
        Effect(arm, test, against(difference, p_value, (difference - 1, difference + 1)), (difference,))
        for arm, difference, p_value in (("csr", 1.5, 0.01), ("csr+", 0.2, 0.6))
        for test in ("German → English", "Turkish → English")
    ]
    drawn = svg_element(lambda: draw_forest(Forest(tuple(effects)), title="t", baseline="standard"), "n", "l")
    texts = [each.text for each in ElementTree.fromstring(drawn).iter("text")]
    assert {"csr", "csr+", "German → English", "+1.5*", "+0.2"} <= set(texts)
    assert texts.count("+1.5*") == 2


def test_the_page_opens_with_question_answer_and_picture(tmp_path: Path) -> None:
    html = unescape(run_page([make_run(tmp_path / "mine")]).html)
    places = [
        html.index(text)
        for text in (
            "<h1>Does code-switching help this model translate German → English, and untrained directions?</h1>",
            "Yes, code-switching helped here.",
            "<caption>Difference from standard for German → English, in BLEU</caption>",
            "first restoring sentences in which 35% of the words were replaced by their translations",
            "✓</span> better",
            "<dfn>95 % interval</dfn>",
            'id="results"',
        )
    ]
    assert places == sorted(places)


def test_what_was_asked_is_told(tmp_path: Path) -> None:
    run = read_run(make_wide_run(tmp_path / "run", ["de-en", "tr-en", "fr-en"], ["standard", "csr+"], 2))
    assert question(run) == "Does code-switching help mbart-large-50 translate 3 language pairs?"
    told = list(facts(run))
    assert told[0] == "facebook/mbart-large-50"
    assert any(text.startswith("trained on 5,000 pairs") for text in told)
    assert "40 updates, 2 seeds" in told


def test_every_kind_of_examples_has_words() -> None:
    assert set(IN_WORDS) == set(get_args(ExampleKind))


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("standard", "ordinary fine-tuning"),
        ({"recipe": "random"}, "from random weights, ordinary fine-tuning"),
        (
            {"recipe": "csr", "switching": {"source": "random", "rate": 0.2}, "name": "control"},
            "first restoring sentences in which 20% of the words were replaced by random words of the other language, "
            "then ordinary fine-tuning",
        ),
        (
            {"name": "gpt", "outputs": {"de-en": "gpt.txt"}},
            "outputs of another system, as given; nothing was trained",
        ),
    ],
)
def test_arms_are_told_in_words(arm: object, words: str) -> None:
    files = {part: f"{part}.{{de,en}}" for part in ("train", "valid", "test")}
    config = RunConfig.model_validate(
        {
            "model": "model",
            "pairs": [{"source": "de", "target": "en", **files}],
            "arms": ["csr+", arm],
            "baseline": "csr+",
            "training": {"updates": 40},
        }
    )
    assert arm_words(config.arms[1]) == words


def test_all_arms_pairs_and_metrics_are_drawn(tmp_path: Path) -> None:
    run = read_run(make_wide_run(tmp_path / "run", ["de-en", "en-ar"], ["standard", "csr", "csr+"], 2))
    found = differences([run])
    assert [each.title for each in found] == ["BLEU", "chrF++"]
    for each in found:
        assert len(each.forest.effects) == 4
        assert all(len(effect.of_seeds) == 2 for effect in each.forest.effects)
        places = [each.place(end) for effect in each.forest.effects for end in effect.comparison.interval]
        assert all(0 < place < 100 for place in places)


def test_many_tests_have_an_overview_before_all_else(tmp_path: Path) -> None:
    folder = make_wide_run(tmp_path / "mine", ["de-en", "en-ar", "ja-en"], ["standard", "csr", "csr+"], 1)
    html = unescape(run_page([folder]).html)
    caption = "<caption>Mean difference from standard over 3 tests, in BLEU; each small dot is a test</caption>"
    assert html.index(caption) < html.index("<caption>Difference from standard, in BLEU</caption>")
    effects = differences([read_run(folder)])[0].forest.groups["csr+"]
    mean = sum(effect.comparison.difference for effect in effects) / 3
    assert f"<b>{mean:+.1f}</b>" in html


def test_settings_that_differ_are_named_with_their_values() -> None:
    def settings(arms: dict[str, float], **others: object) -> dict[str, object]:
        return {"arms": [{"name": name, "lr": lr} for name, lr in arms.items()], **others}

    runs = [settings({"csr": 1.0, "bt": 3.0}, training={"updates": 5, "lr": 1}, jobs=None), settings({"csr": 2.0})]
    runs[1] |= {"training": {"updates": 9, "lr": 1}, "jobs": None}
    for number, run in enumerate(runs):
        run["model"] = {"add": [{"code": "hsb", "like": ("cs", "pl")[number]}]}
    assert list(differing_settings(runs)) == [
        ("arms", "csr, bt", "csr"),
        ("arms.csr.lr", "1.0", "2.0"),
        ("training.updates", "5", "9"),
        ("model.add", '[{"code": "hsb", "like": "cs"}]', '[{"code": "hsb", "like": "pl"}]'),
    ]


@pytest.mark.slow
def test_runs_of_several_sizes_make_a_learning_curve(tmp_path: Path) -> None:
    sizes = {"small": 1000, "large": 16000}
    folders = [
        make_wide_run(tmp_path / name, ["de-en", "en-ar"], ["standard", "csr"], 1, corpus=size)
        for name, size in sizes.items()
    ]
    made = run_page(folders)
    html = unescape(made.html)
    assert "By the size of the training corpus" in html
    assert "all-sizes-de-en" in {drawing.name for drawing in made.drawings}
    assert "German → English, small" in html
    assert "Mean difference" not in html  # of different runs no mean is taken
    assert "<code>training.updates</code>" not in html
    names = [drawing.name for drawing in made.drawings]
    assert len(names) == len(set(names))
    identities = re.findall(r' id="([^"]*)"', made.html)
    assert len(identities) == len(set(identities))
