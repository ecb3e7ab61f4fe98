"""The recipe that did best in similar cases, and what is said of the choice."""

import importlib
import json
import lzma
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from switchtune import evidence
from switchtune.evidence import Evidence, chosen_recipe, read_evidence, recipes_to_choose_from, takes_monolingual
from switchtune.recipes import RECIPES, RecipeName

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
KNOWN = (
    Evidence("csr+", 0, 2000, "de-en", 0.4, 2),
    Evidence("csr+", 0, 2000, "zh-en", 0.2, 1),
    Evidence("csr+", 0, 10_000, "de-en", -0.1, 1),
    Evidence("csr+", 13_000, 2000, "de-en", 1.0, 2),
    Evidence("csr+", 13_000, 2000, "tr-en", 1.4, 2),
    Evidence("csr+", 13_000, 2000, "zh-en", 0.1, 1),
    Evidence("bt", 13_000, 2000, "de-en", 0.9, 2),
    Evidence("bt", 13_000, 2000, "tr-en", 1.1, 2),
    Evidence("csr+bt", 13_000, 500, "de-en", 3.0, 1),
)


def test_the_recipe_that_gained_most_is_taken_with_what_it_rests_on() -> None:
    choice = chosen_recipe("translation", 2000, 13_000, "en", known=KNOWN)
    assert choice.recipe == "csr+"
    assert choice.reason == (
        "2,000 pairs, 13,000 further sentences in English: csr+ gained 1.2 BLEU over standard at equal cost in "
        "similar cases (2 directions, 2,000 pairs, 2 seeds)"
    )
    assert choice.evidence == KNOWN[3:5]


def test_recipes_are_compared_where_all_of_them_were_tried() -> None:
    """csr+ gains less than bt over all its directions, and more in those that both have."""
    everywhere = [each.gain for each in KNOWN[3:6]]
    assert sum(everywhere) / 3 < (0.9 + 1.1) / 2
    assert chosen_recipe("translation", 2000, 13_000, "en", known=KNOWN).recipe == "csr+"


def test_without_monolingual_text_what_was_measured_with_it_counts_for_nothing() -> None:
    choice = chosen_recipe("translation", 1900, known=KNOWN)
    assert (choice.recipe, choice.evidence) == ("csr+", KNOWN[:2])
    assert (
        "gained 0.3 BLEU over standard at equal cost in similar cases (2 directions, 2,000 pairs, 1 seed at least)"
        in choice.reason
    )


@pytest.mark.parametrize(("pairs", "recipe"), [(990, "csr+bt"), (1010, "csr+"), (100, "csr+bt"), (10**6, "csr+")])
def test_the_nearest_size_counts_by_its_logarithm(pairs: int, recipe: str) -> None:
    assert chosen_recipe("translation", pairs, 13_000, "en", known=KNOWN).recipe == recipe


def test_where_nothing_gained_standard_is_taken_and_the_best_is_told() -> None:
    choice = chosen_recipe("translation", 10_000, known=KNOWN)
    assert (choice.recipe, choice.evidence) == ("standard", KNOWN[2:3])
    assert "standard, as no recipe gained over it in similar cases; the best, csr+: -0.1 BLEU" in choice.reason


@pytest.mark.parametrize("pairs", [501, 7999])
def test_a_size_that_is_near_enough_is_no_matter(pairs: int) -> None:
    known = [each for each in KNOWN if each.pairs == 2000]
    assert "nearer" not in chosen_recipe("translation", pairs, known=known).reason


@pytest.mark.parametrize("pairs", [500, 8000])
def test_a_size_far_from_all_that_were_measured_is_told(pairs: int) -> None:
    known = [each for each in KNOWN if each.pairs == 2000]
    assert "Nothing was measured nearer than 2,000 pairs" in chosen_recipe("translation", pairs, known=known).reason


@pytest.mark.parametrize(("sentences", "told"), [(3000, True), (4000, False), (52_000, True)])
def test_much_more_or_less_text_than_was_measured_is_told(sentences: int, told: bool) -> None:
    reason = chosen_recipe("translation", 2000, sentences, "en", known=KNOWN).reason
    assert ("measured with up to 13,000 further sentences" in reason) == told


def test_a_task_that_nobody_measured_says_so() -> None:
    choice = chosen_recipe("nli", 2000, known=KNOWN)
    assert (choice.recipe, choice.evidence) == ("standard", ())
    assert choice.reason == "nothing is measured for nli: standard, which needs nothing but the task's data"


def test_without_evidence_standard_is_taken() -> None:
    choice = chosen_recipe("translation", 2000, 5, "en", known=())
    assert choice.recipe == "standard"
    assert choice.reason.startswith("2,000 pairs, 5 further sentences in English: nothing is measured")


_LINES = st.builds(
    Evidence,
    st.sampled_from(["csr", "csr+", "bt", "denoise"]),
    st.sampled_from([0, 13_000]),
    st.sampled_from([500, 2000, 10_000]),
    st.sampled_from(["de-en", "tr-en", "zh-en"]),
    st.floats(-3, 3),
    st.integers(1, 3),
)


@given(st.lists(_LINES, max_size=20), st.integers(1, 10**7), st.integers(0, 10**6))
def test_what_is_chosen_gained_on_what_is_there(known: list[Evidence], pairs: int, monolingual: int) -> None:
    choice = chosen_recipe("translation", pairs, monolingual, "en", known=known)
    assert set(choice.evidence) <= set(known)
    assert len({(each.recipe, each.pairs) for each in choice.evidence}) <= 1
    if choice.recipe != "standard":
        assert {each.recipe for each in choice.evidence} == {choice.recipe}
        assert sum(each.gain for each in choice.evidence) > 0
    for each in choice.evidence:
        assert (each.monolingual > 0) == (monolingual > 0 and takes_monolingual(each.recipe))


@pytest.mark.parametrize(("recipe", "takes"), [("standard", False), ("csr", False), ("csr+", True), ("bt", True)])
def test_which_recipes_take_monolingual_text(recipe: RecipeName, takes: bool) -> None:
    assert takes_monolingual(recipe) == takes


def test_the_evidence_of_the_package_is_of_recipes_that_there_are() -> None:
    for each in read_evidence():
        assert each.recipe in RECIPES.keys() - {"standard"}
        assert each.pairs > 0
        assert each.seeds > 0
        assert each.monolingual == 0 or takes_monolingual(each.recipe)


@pytest.mark.parametrize("monolingual", [False, True])
def test_nothing_is_chosen_that_was_not_to_choose_from(monolingual: bool) -> None:
    names = recipes_to_choose_from("translation", monolingual=monolingual)
    for pairs in (10, 1000, 10**6):
        assert chosen_recipe("translation", pairs, 1000 * monolingual, "en").recipe in names
    assert recipes_to_choose_from("nli", monolingual=monolingual) == ("standard",)


def test_the_evidence_of_the_package_is_that_of_the_committed_record(monkeypatch: pytest.MonkeyPatch) -> None:
    record = BENCHMARKS / "results" / "study.json"
    if not record.exists():
        pytest.skip("no record of the study is committed")
    grid = yaml.safe_load((BENCHMARKS / "study.yaml").read_text(encoding="utf-8"))
    study = _study(monkeypatch)
    made = study.evidence_table(study.evidence_of(json.loads(record.read_text(encoding="utf-8")), grid))
    assert made == study.EVIDENCE.read_text(encoding="utf-8")


def test_evidence_is_made_of_what_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    study = _study(monkeypatch)
    grid = {
        "monolingual_sentences": 13_000,
        "arms": {
            "standard": {"recipe": "standard"},
            "csr+": {"recipe": "csr+"},
            "csr+ 1e-4": {"recipe": "csr+", "training": {"lr": 1e-4}},
            "csr+ pairs": {"recipe": "csr+", "monolingual": False},
            "csr": {"recipe": "csr"},
            "csr+ k 1": {"recipe": "csr+", "gloss": {"k": 1}},
            "bt": {"recipe": "bt"},
            "bt in all": {"recipe": "bt", "back_translation": {"within": True}},
        },
    }
    scores = {
        "main/de-en.2000/seed1": {"standard": 10, "csr+": 11, "csr+ pairs": 10.5, "csr": 9},
        "main/de-en.2000/seed2": {"standard": 12, "csr+": 14, "csr+ pairs": 12.5, "csr": 12},
        "main/de-en.2000/seed3": {"csr+": 99},
        "main/tr-en.500/seed1": {"standard": 3, "csr+": 3.25, "csr+ k 1": 9, "csr+ 1e-4": 9, "bt": 9, "bt in all": 2},
        "longer/de-en.5000/seed1": {"standard": 20, "csr+": 20.5},
        "main/de-en.10000/seed1": {"standard": 30, "csr+": 20},
        "why/de-en.2000/seed1": {"standard": 10, "csr+": 99},
    }
    flat = [(200, 3.0), (400, 2.98)]
    record = {
        folder: {arm: {"bleu": {"value": value}, "base": "one", "valid_nll": flat} for arm, value in arms.items()}
        for folder, arms in scores.items()
    }
    record["main/de-en.2000/seed2"]["csr"] = {"bleu": {"value": 30}, "base": "another", "valid_nll": flat}
    record["main/de-en.10000/seed1"]["standard"]["valid_nll"] = [(200, 3.0), (400, 2.9)]
    assert set(study.evidence_of(record, grid)) == {
        Evidence("csr+", 13_000, 2000, "de-en", 1.5, 2),
        Evidence("csr+", 0, 2000, "de-en", 0.5, 2),
        Evidence("csr", 0, 2000, "de-en", -1.0, 1),
        Evidence("csr+", 13_000, 500, "tr-en", 0.25, 1),
        Evidence("csr+", 13_000, 5000, "de-en", 0.5, 1),
        Evidence("bt", 13_000, 500, "tr-en", -1.0, 1),
    }
    header, *lines = study.evidence_table(study.evidence_of(record, grid)).splitlines()
    assert header == read_header()
    assert lines[0] == "bt\t13000\t500\ttr-en\t-1.0\t1"


def test_both_directions_of_the_study_share_no_pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study, corpus = _study(monkeypatch), tmp_path / "de-en"
    corpus.mkdir()
    for part in ("train", "valid", "test"):
        for code in ("de", "en"):
            with lzma.open(corpus / f"{part}.{code}.xz", "wt", encoding="utf-8") as stream:
                stream.writelines(f"{part} {number}\n" for number in range(20))
    entry = {"name": "both", "pairs": ["de-en+en-de"], "sizes": [4], "seeds": [2], "arms": ["standard", "together"]}
    grid = {
        "corpora": {"de-en": {"path": str(corpus)}},
        "settings": {"model": {"name": "model"}},
        "arms": {"standard": {"recipe": "standard"}, "together": {"recipe": "standard", "together": True}},
        "test_sentences": 3,
        "monolingual_sentences": 5,
    }
    *single, run = study.queued(grid, [entry])
    assert [each.folder for each in single] == ["main/de-en.4/seed2/standard", "main/en-de.4/seed2/standard"]
    assert [run.place(pair) for pair in run.pairs] == ["main/de-en.4/seed2", "main/en-de.4/seed2"]
    config = study.config_of(run, grid, tmp_path / "out")
    assert [len(config.groups(arm)) for arm in config.arms] == [1]
    german, english = (
        Path(pair.monolingual[pair.target]).read_text(encoding="utf-8").split("\n")[:-1]
        for pair in reversed(config.pairs)
    )
    assert (len(german), len(english)) == (5, 5)
    assert not set(german) & set(english)
    assert not {f"train {number}" for number in range(4)} & {*german, *english}


def read_header() -> str:
    return Path(evidence.__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()[0]


def _study(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """benchmarks/study.py, which is no part of the package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("study")
