"""When a stage of open length has gained all that it will, by curves of its validation loss alone."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.config.arms import ResolvedArm
from switchtune.config.switching import SwitchingSettings
from switchtune.config.training import BackTranslationSettings, TrainingSettings
from switchtune.errors import UsageError
from switchtune.recipes import RECIPES, RecipeName
from switchtune.training.plateau import Plateau, plateau_of, require_evaluations

RULE = Plateau(least_gain=0.01, span=100, least_updates=200)


def curve(*losses: float, every: int = 50) -> list[tuple[int, float]]:
    return [(every * number, loss) for number, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("losses", "gain"),
    [
        ([], None),
        ([4.0], None),
        ([4.0, 3.0], None),
        ([4.0, 3.0, 2.0], 0.5),
        ([4.0, 2.0, 3.0, 1.5], 0.25),
        ([4.0, 2.0, 2.0, 1.5, 1.8], 0.25),
        ([4.0, 2.0, 2.5, 3.0], -0.25),
    ],
)
def test_a_gain_is_from_the_best_before_to_the_best_within_the_span(losses: list[float], gain: float | None) -> None:
    assert RULE.gain(curve(*losses)) == (None if gain is None else pytest.approx(gain))


def test_a_falling_curve_goes_on_and_a_flat_one_ends_after_the_least_updates() -> None:
    falling = curve(*(4 * 0.99**number for number in range(100)))  # 2 % a span
    assert not any(RULE.reached(falling[:end]) for end in range(len(falling)))
    flat = curve(*[4.0] * 10)
    assert [RULE.reached(flat[:end]) for end in range(1, 8)] == [False] * 4 + [True] * 3
    assert flat[4][0] == RULE.least_updates


def test_one_bad_measurement_ends_nothing() -> None:
    losses = [4 * 0.98**number for number in range(20)]
    losses[10] *= 1.1
    assert not any(RULE.reached(curve(*losses)[:end]) for end in range(1, 20))


@given(every=st.integers(1, 100), scale=st.floats(0.01, 100), rate=st.floats(1e-3, 0.1))
def test_where_it_ends_hangs_on_the_curve_not_on_its_unit_or_how_often_it_is_measured(
    every: int, scale: float, rate: float
) -> None:
    """Of 1 + exp(-rate · update) it is known when it gains a hundredth for the last time in so many updates."""

    def last_gain(span: int) -> float:
        sign = 1 - RULE.least_gain - math.exp(-rate * span)
        return span - math.log(RULE.least_gain / sign) / rate if sign > 0 else 0

    losses = [(update, scale * (1 + math.exp(-rate * update))) for update in range(0, 10_000, every)]
    ends = next(losses[end - 1][0] for end in range(1, len(losses)) if RULE.reached(losses[:end]))
    # Measured every so often, a gain is one over up to so many updates more than the span.
    earliest, latest = (max(RULE.least_updates, last_gain(RULE.span + more)) for more in (0, every))
    assert earliest - 1e-6 <= ends <= latest + every + 1e-6


def test_what_is_asked_for_and_found_is_told() -> None:
    assert RULE.describe(curve(4.0)) == "the validation loss was not measured over 100 updates"
    assert "fell by 25.00% in 100 updates (least_gain: 1.00%)" in RULE.describe(curve(4.0, 4.0, 3.0))
    assert "rose by 25.00% in 100 updates" in RULE.describe(curve(4.0, 4.0, 5.0, 5.0))


def arm_of(recipe: RecipeName, **training: Any) -> ResolvedArm:
    settings = TrainingSettings(mixture_share="auto", **training)
    back = BackTranslationSettings(updates_share=0.5)
    return ResolvedArm(recipe, RECIPES[recipe], "m", SwitchingSettings(), settings, back_translation=back)


def test_only_mixtures_have_an_open_length_and_only_where_it_is_asked_for() -> None:
    arm = arm_of("csr+", least_gain=0.02)
    assert arm.stage_updates == (24_000, 6_000)
    assert [plateau_of(stage, arm) for stage in arm.recipe.stages] == [Plateau(0.02, 3000, least_updates=6000), None]
    both = arm_of("csr+bt")
    assert both.stage_updates == (12_000, 12_000, 6_000)
    rule = Plateau(0.01, 3000, least_updates=3000)
    assert [plateau_of(stage, both) for stage in both.recipe.stages] == [rule, rule, None]
    fixed = replace(arm, training=TrainingSettings())
    for arm in (arm_of("standard"), arm_of("csr"), fixed):
        assert not any(plateau_of(stage, arm) for stage in arm.recipe.stages)


def test_too_few_evaluations_are_refused_of_a_reverse_model_too() -> None:
    with pytest.raises(UsageError, match=r"10% of the updates \(100 of 1,000\).*Set evaluate_every to 100 or less"):
        require_evaluations(arm_of("csr+", updates=1000, evaluate_every=101))
    require_evaluations(arm_of("csr+bt", updates=1000, evaluate_every=50))
    with pytest.raises(UsageError, match=r"^arms.csr\+bt-reverse: .*Set evaluate_every to 50 or less"):
        require_evaluations(arm_of("csr+bt", updates=1000, evaluate_every=51))
