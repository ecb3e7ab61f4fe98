"""Recipes are data, and all of them get the same total of updates."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune import examples
from switchtune.config.training import TrainingSettings
from switchtune.errors import UsageError
from switchtune.recipes import RECIPES, ExampleKind, Recipe, RecipeName, ends_of, recipe_of, stage_updates


def test_the_papers_budget() -> None:
    share = TrainingSettings().restore_share
    assert stage_updates(RECIPES["csr"], 30_000, share) == (5_000, 25_000)
    assert stage_updates(RECIPES["standard"], 30_000, share) == (30_000,)
    assert stage_updates(RECIPES["csr+"], 30_000, share) == (30_000,)


@given(
    recipe=st.sampled_from(list(RECIPES.values())),
    total=st.integers(2, 10**6),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
)
def test_every_stage_gets_updates_and_they_sum_to_the_total(recipe: Recipe, total: int, share: float) -> None:
    updates = stage_updates(recipe, total, share)
    assert len(updates) == len(recipe.stages)
    assert sum(updates) == total
    assert min(updates) >= 1


def test_too_few_updates_are_refused() -> None:
    with pytest.raises(UsageError, match=r"1 is too few for the stages restore \+ task"):
        stage_updates(RECIPES["csr"], 1, 0.5)


def test_recipes_name_examples_that_exist_and_only_the_papers_has_two_stages() -> None:
    for recipe in (*RECIPES.values(), recipe_of("csr+", translates=False)):
        kinds = {kind for stage in recipe.stages for kind in stage.mixture}
        assert all(hasattr(examples, f"{kind}_examples") for kind in kinds)
    assert [name for name, recipe in RECIPES.items() if recipe.init == "random"] == ["random"]
    assert [name for name, recipe in RECIPES.items() if len(recipe.stages) == 2] == ["csr"]


@pytest.mark.parametrize(
    ("name", "last"),
    [("csr+", "task"), ("denoise", "task"), ("bt", "task"), ("csr+bt", "task"), ("unsupervised", "backtranslated")],
)
def test_a_mixture_gives_way_to_what_is_to_be_learned(name: RecipeName, last: str) -> None:
    assert RECIPES[name].mixes
    (stage,) = RECIPES[name].stages
    lines = {kind: share for kind, share in stage.mixture.items() if isinstance(share, tuple)}
    assert lines == stage.mixture
    assert [sum(shares) for shares in zip(*lines.values(), strict=True)] == pytest.approx([1, 1])
    assert {kind: end for kind, (_, end) in lines.items() if end} == {last: 1}
    assert lines[last] == min(lines.values())  # it begins with least


def test_a_task_that_does_not_translate_has_its_own_inputs_switched_in_place_of_glosses() -> None:
    (stage,) = recipe_of("csr+", translates=False).stages
    assert (stage.name, stage.mixture) == ("mixture", {"task": (0.3, 1.0), "switched": (0.7, 0.0)})
    assert recipe_of("csr+", translates=True) == RECIPES["csr+"]
    assert recipe_of("csr", translates=False) == RECIPES["csr"]


def test_a_reverse_model_is_named_where_examples_need_one_and_needs_none_itself() -> None:
    for recipe in RECIPES.values():
        made = any("backtranslated" in stage.mixture for stage in recipe.stages)
        assert (recipe.reverse is not None) == made
        assert recipe.reverse is None or RECIPES[recipe.reverse].reverse is None


@given(recipe=st.sampled_from(list(RECIPES.values())), share=st.floats(0, 1))
def test_terms_take_their_share_of_the_task_and_nothing_else(recipe: Recipe, share: float) -> None:
    made = recipe.with_terms(share)
    assert (made.init, made.reverse) == (recipe.init, recipe.reverse)
    for before, after in zip(recipe.stages, made.stages, strict=True):
        task = ends_of(before.mixture.get("task", 0.0))
        assert ends_of(after.mixture.get("terms", 0.0)) == pytest.approx([share * each for each in task])
        assert ends_of(after.mixture.get("task", 0.0)) == pytest.approx([(1 - share) * each for each in task])
        assert after.without("task").without("terms") == before.without("task")
        assert [*after.mixture] == [kind for kind in get_args(ExampleKind) if kind in after.mixture]
        assert 0 not in after.mixture.values()
    assert recipe.with_terms(0) == recipe
    for stage, first in zip(made.with_terms(0).stages, recipe.stages, strict=True):
        for kind, part in first.mixture.items():
            assert ends_of(stage.mixture[kind]) == pytest.approx(ends_of(part))
