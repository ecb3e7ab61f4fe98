"""Recipes are data, and all of them get the same total of updates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune import examples
from switchtune.config.training import TrainingSettings
from switchtune.errors import UsageError
from switchtune.recipes import RECIPES, Recipe, Stage, recipe_of, stage_updates


def test_the_papers_budget() -> None:
    shares = TrainingSettings().stage_shares
    assert stage_updates(RECIPES["csr"], 30_000, shares) == (5_000, 25_000)
    assert stage_updates(RECIPES["standard"], 30_000, shares) == (30_000,)
    assert stage_updates(RECIPES["csr+"], 30_000, shares) == (20_000, 10_000)


def test_mixtures_share_equally_what_mixtures_get() -> None:
    assert stage_updates(RECIPES["bt"], 3_000, {"mixture": 0.5}) == (1_500, 1_500)
    assert stage_updates(RECIPES["csr+bt"], 3_000, {"mixture": 0.5}) == (750, 750, 1_500)
    assert stage_updates(RECIPES["csr+bt"], 3, {"mixture": 0.5}) == (1, 1, 1)


@given(
    stages=st.integers(1, 4),
    total=st.integers(4, 10**6),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
)
def test_every_stage_gets_updates_and_they_sum_to_the_total(stages: int, total: int, share: float) -> None:
    updates = stage_updates(Recipe((Stage("task", {"task": 1.0}),) * stages), total, {"task": share})
    assert len(updates) == stages
    assert sum(updates) == total
    assert min(updates) >= 1


def test_too_few_updates_are_refused() -> None:
    with pytest.raises(UsageError, match=r"1 is too few for the stages restore \+ task"):
        stage_updates(RECIPES["csr"], 1, {"restore": 0.5})


def test_recipes_end_with_the_task_and_name_examples_that_exist() -> None:
    for recipe in (*RECIPES.values(), recipe_of("csr+", translates=False)):
        assert recipe.stages[-1].name == "task"
        kinds = {kind for stage in recipe.stages for kind in stage.mixture}
        assert all(hasattr(examples, f"{kind}_examples") for kind in kinds)
    assert [name for name, recipe in RECIPES.items() if recipe.init == "random"] == ["random"]
    assert [name for name, recipe in RECIPES.items() if len(recipe.stages) == 2] == [
        *("csr", "csr+", "denoise", "bt", "unsupervised")
    ]
    for recipe in RECIPES.values():
        assert len({stage.name for stage in recipe.stages}) == len(recipe.stages)


def test_a_task_that_does_not_translate_has_its_own_inputs_switched_in_place_of_glosses() -> None:
    mixture, task = recipe_of("csr+", translates=False).stages
    assert (mixture.name, mixture.mixture) == ("mixture", {"task": 0.5, "switched": 0.5})
    assert task == RECIPES["csr+"].stages[1]
    assert recipe_of("csr+", translates=True) == RECIPES["csr+"]
    assert recipe_of("csr", translates=False) == RECIPES["csr"]


def test_a_reverse_model_is_named_where_examples_need_one_and_needs_none_itself() -> None:
    for recipe in RECIPES.values():
        made = any("backtranslated" in stage.mixture for stage in recipe.stages)
        assert (recipe.reverse is not None) == made
        assert recipe.reverse is None or RECIPES[recipe.reverse].reverse is None
