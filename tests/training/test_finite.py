"""Updates whose gradients are not finite: left out as if they had not been, told, and not borne for long."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Adafactor

from switchtune.config.pretrain import FamilyName
from switchtune.models.load import Loaded
from switchtune.training.checkpoints import complete_checkpoints
from switchtune.training.curve import Curve, read_metrics
from switchtune.training.failures import PATIENCE, WINDOW, FiniteWatch, too_many
from switchtune.training.job import SequenceObjective, TrainingError
from tests.miniature import ENGLISH, GERMAN
from tests.training.plain import stopping_at, train_plainly
from tests.training.test_trainer import fresh, same_weights, settings, train, translation


@given(st.sets(st.integers(1, 400), max_size=6).map(sorted))
def test_as_many_within_the_window_are_too_many(skipped: list[int]) -> None:
    expected = any(
        len([update for update in skipped if last - WINDOW < update <= last]) >= PATIENCE for last in skipped[-1:]
    )
    assert too_many(skipped) is expected


def test_the_watch_tells_one_update_later_and_once() -> None:
    told: list[int] = []
    watch = FiniteWatch(lambda update, batches: told.append(update))
    for update, bad in ((1, True), (2, False), (3, True)):
        watch.add(update, torch.tensor(bad), [])
        assert told == ([1] if update > 1 else [])
    watch.settle()
    watch.settle()
    assert told == [1, 3]


def spoiled(loaded: Loaded, calls: tuple[int, ...], *, gradient: bool = False) -> Loaded:
    """Have the so-manieth part of the training, counted from 1, not finite: its loss, or its gradients alone."""
    calls_made = count(1)

    def forward(module: Any, inputs: Any, output: Any) -> None:
        if module.training and next(calls_made) in calls:
            if gradient:
                output.last_hidden_state.register_hook(lambda found: found * torch.inf)
            else:
                output.last_hidden_state.detach().fill_(torch.nan)

    loaded.model.get_decoder().register_forward_hook(forward)
    return loaded


@pytest.mark.parametrize("gradient", [False, True], ids=["loss", "gradient"])
@pytest.mark.parametrize(("family", "name"), [("mbart", "adamw"), ("mt5", "adafactor"), ("nllb", "adafactor")])
def test_an_update_that_is_not_finite_is_as_if_it_had_not_been(
    family: FamilyName, name: str, gradient: bool, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"optimizer": name, "accumulation": 2, "adam_epsilon": 1e-3, "lr": 1e-2}
    # The second part of update 3; the first is as it should be.
    ours, theirs = spoiled(fresh(family), (6,), gradient=gradient), fresh(family)
    messages: list[str] = []
    result = train(ours, tmp_path, updates=5, on_message=messages.append, **changes)
    weights = list(theirs.model.parameters())
    optimizer = (
        torch.optim.AdamW(weights, lr=1e-2, betas=(0.9, 0.98), eps=1e-3, weight_decay=0, foreach=False)
        if name == "adamw"
        else Adafactor(weights, lr=1e-2, relative_step=False, scale_parameter=True)
    )
    train_plainly(theirs, translation(), optimizer, settings(**changes), updates=5, left_out=(3,))
    expected = dict(theirs.model.named_parameters())
    for weight, mine in ours.model.named_parameters():
        # The bias of keys has no gradient but what rounding leaves, and Adafactor makes that as large as any.
        if not weight.endswith("k_proj.bias"):
            torch.testing.assert_close(mine, expected[weight], rtol=1e-4, atol=1e-5)
    curve = read_metrics(tmp_path / "metrics.jsonl")
    assert result.skipped == 1
    assert [entry["update"] for entry in curve if "skipped" in entry] == [3]
    assert [entry["update"] for entry in curve if "loss" in entry] == [1, 2, 4, 5]
    assert messages == [
        f"update 3 is left out: its gradients are not finite. Its batch is in {tmp_path / 'skipped-3.json'}."
    ]


def test_its_batch_can_be_read(tmp_path: Path) -> None:
    train(spoiled(fresh(), (6,)), tmp_path, accumulation=2, updates=4)
    written = json.loads((tmp_path / "skipped-3.json").read_text(encoding="utf-8"))
    assert written["update"] == 3
    assert len(written["parts"]) == 2
    layout = fresh().layout
    for example in (example for part in written["parts"] for example in part):
        assert example["target"] in ENGLISH
        assert example["source"] in GERMAN
        assert layout.decode(example["labels"]) == example["target"]
        assert layout.pad_id not in example["input_ids"]


@pytest.mark.parametrize("family", ["mbart", "mbart50", "mt5", "nllb", "m2m100"])
def test_padding_is_not_written(family: FamilyName) -> None:
    layout = fresh(family).layout
    ids = [layout.encode(translation().make(0, index), max_tokens=64) for index in range(6)]
    objective = SequenceObjective.of(translation(), layout, 64)
    for example, expected in zip(objective.readable(layout.collate(ids)), ids, strict=True):
        assert (tuple(example["input_ids"]), tuple(example["labels"])) == (expected.input_ids, expected.labels)


def test_three_of_them_end_the_training(tmp_path: Path) -> None:
    loaded = spoiled(fresh(), (2, 6, 9))
    messages: list[str] = []
    with pytest.raises(TrainingError) as caught:
        train(loaded, tmp_path, on_message=messages.append)
    assert str(caught.value) == (
        f"{tmp_path}: the gradients of update 9 are not finite, as were those of 2 others within 100 updates, all of "
        f"them left out. The batch is in {tmp_path / 'skipped-9.json'}, as text and as ids. If nothing is wrong with "
        "it: Lower training.lr (now 0.003), lengthen training.warmup, or set training.precision to fp32."
    )
    assert len(messages) == 2
    assert {path.name for path in tmp_path.glob("skipped*")} == {"skipped-2.json", "skipped-6.json", "skipped-9.json"}
    assert [checkpoint.update for checkpoint in complete_checkpoints(tmp_path)] == [8]
    assert all(weight.isfinite().all() for weight in loaded.model.parameters())


def test_a_resumed_training_remembers_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stage(folder: Path, spoil: Callable[[Loaded], Loaded]) -> Loaded:
        loaded = spoil(fresh(dropout=0.1))
        train(loaded, folder)
        return loaded

    undisturbed = stage(tmp_path / "undisturbed", lambda loaded: spoiled(loaded, (3, 7)))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Curve, "add", stopping_at(6))
        stage(tmp_path / "stopped", lambda loaded: spoiled(loaded, (3,)))
    # After the checkpoint of update 4: the third part from there is that of update 7.
    resumed = stage(tmp_path / "stopped", lambda loaded: spoiled(loaded, (3,)))
    assert same_weights(resumed, undisturbed)
    curve = read_metrics(tmp_path / "stopped" / "metrics.jsonl")
    assert [entry["update"] for entry in curve if "skipped" in entry] == [3, 7]


def test_a_stage_of_nothing_else_has_no_loss(tmp_path: Path) -> None:
    reports: list[float] = []
    result = train(
        spoiled(fresh(), (1, 2)), tmp_path, updates=2, on_progress=lambda progress: reports.append(progress.loss)
    )
    assert result.skipped == 2
    assert torch.tensor([result.train_loss, reports[-1]]).isnan().all()
