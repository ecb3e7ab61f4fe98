"""What decides what a training comes to: one list for every stage of every task."""

from typing import Any

import pytest

from switchtune.config.inference import ClassificationSettings
from switchtune.config.training import TrainingSettings
from switchtune.training.classification import classifier_settings


def of_stages(**changes: Any) -> list[TrainingSettings]:
    """The settings of a stage on sentences, and of a classifier's."""
    training = TrainingSettings(**changes)
    return [training, classifier_settings(ClassificationSettings(), training)]


@pytest.mark.parametrize(
    "changes",
    [{"attention": "eager"}, {"compile": True}, {"precision": "bf16"}, {"lora": {"rank": 2}}, {"adam_epsilon": 1e-4}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_the_weights_decides_every_stage(changes: dict[str, Any]) -> None:
    for before, after in zip(of_stages(), of_stages(**changes), strict=True):
        assert before.course != after.course
        assert before.decisive != after.decisive


@pytest.mark.parametrize(
    "changes",
    [{"workers": 2}, {"report_to": ["tensorboard"]}, {"gradient_checkpointing": True}, {"checkpoint_minutes": 1}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_leaves_the_weights_alone_decides_nothing(changes: dict[str, Any]) -> None:
    for before, after in zip(of_stages(), of_stages(**changes), strict=True):
        assert (before.course, before.decisive) == (after.course, after.decisive)


def test_which_weights_are_kept_is_no_matter_of_the_course() -> None:
    last, best = TrainingSettings(), TrainingSettings(keep="best", evaluate_every=100, patience=3)
    assert last.course == best.course
    assert last.decisive != best.decisive
    # What has no effect without another setting is not decisive alone.
    assert last.decisive == TrainingSettings(evaluate_every=100, checkpoint_every=100).decisive


def test_stages_that_earlier_versions_trained_stand() -> None:
    assert TrainingSettings().decisive["schedule"] == "polynomial"
    assert "warmup_cap" not in TrainingSettings().decisive
    assert TrainingSettings(warmup_cap=1).decisive["warmup_cap"] == 1
    assert TrainingSettings(schedule="constant").decisive["schedule"] == "constant"
