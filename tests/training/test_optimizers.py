"""Optimizers: what each family gets, and that a stage does what the same optimizer does in plain torch."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Adafactor

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import LoraSettings
from switchtune.errors import UsageError
from switchtune.training.curve import Curve
from switchtune.training.optimizers import OptimizerChoice, choose_optimizer, require_optimizer, skips_by_itself
from tests.training.plain import stopping_at, train_plainly
from tests.training.test_trainer import fresh, same_weights, settings, train, translation

CPU, GPU = torch.device("cpu"), torch.device("cuda")
LORA = LoraSettings(rank=4, alpha=8)


@pytest.mark.parametrize(
    ("changes", "family", "name", "lr"),
    [
        ({}, "mbart", "adamw", 3e-5),
        ({}, "nllb", "adamw", 3e-5),
        ({}, "mt5", "adafactor", 1e-3),
        ({"optimizer": "adamw"}, "mt5", "adamw", 3e-4),
        ({"optimizer": "adafactor"}, "m2m100", "adafactor", 1e-3),
        ({"optimizer": "paged_adamw_8bit"}, "mbart50", "paged_adamw_8bit", 3e-5),
        ({"lora": LORA}, "mbart", "adamw", 3e-4),
        ({"lora": LORA}, "mt5", "adamw", 1e-3),
        ({"lr": 0.5}, "mt5", "adafactor", 0.5),
        ({"lr": 0.5, "lora": LORA}, "nllb", "adamw", 0.5),
        ({}, None, "adamw", 3e-5),
        ({"lora": LORA}, None, "adamw", 3e-4),
    ],
)
def test_each_family_has_its_own_default(
    changes: dict[str, Any], family: FamilyName | None, name: Any, lr: float
) -> None:
    assert choose_optimizer(settings(**{"lr": None, **changes}), family) == OptimizerChoice(name, lr)


def test_adafactor_is_refused_where_it_would_stand_still() -> None:
    with pytest.raises(UsageError, match=r"adafactor does not go with training\.lora"):
        choose_optimizer(settings(optimizer="adafactor", lora=LORA), "mt5")


def test_weights_that_are_shared_out_have_adamw() -> None:
    assert choose_optimizer(settings(lr=None), "mt5", sharded=True) == OptimizerChoice("adamw", 3e-4)
    for name in ("adafactor", "adamw_8bit"):
        with pytest.raises(UsageError, match=f"{name} does not go with training.sharding: fsdp .*Set adamw"):
            choose_optimizer(settings(optimizer=name), "mbart", sharded=True)


def test_8_bit_needs_a_gpu_and_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    eight = OptimizerChoice("adamw_8bit", 1e-4)
    with pytest.raises(UsageError, match="adamw_8bit needs an NVIDIA GPU, and the training is on cpu"):
        require_optimizer(eight, CPU)
    monkeypatch.setattr("switchtune.training.optimizers.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs bitsandbytes.*pip install 'switchtune\[8bit\]'"):
        require_optimizer(eight, GPU)
    monkeypatch.setattr("switchtune.training.optimizers.find_spec", lambda name: object())
    require_optimizer(eight, GPU)
    require_optimizer(OptimizerChoice("adamw", 1e-4), CPU)


def test_an_update_is_left_out_by_the_kernels_that_are_known_to_do_it() -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], fused=True)
    assert skips_by_itself(optimizer)
    optimizer.param_groups[0]["params"] = [SimpleNamespace(device=torch.device("mps"))]
    assert not skips_by_itself(optimizer)
    assert not skips_by_itself(torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))]))


@pytest.mark.parametrize("family", ["mbart", "mbart50", "mt5", "nllb", "m2m100"])
@pytest.mark.parametrize("name", ["adamw", "adafactor"])
def test_a_stage_does_what_plain_torch_does(name: str, family: FamilyName, tmp_path: Path) -> None:
    asked = settings(optimizer=name, accumulation=2, adam_epsilon=1e-3, lr=1e-2)
    ours, theirs = fresh(family), fresh(family)
    train(ours, tmp_path, updates=4, optimizer=name, accumulation=2, adam_epsilon=1e-3, lr=1e-2)
    weights = list(theirs.model.parameters())
    optimizer = (
        torch.optim.AdamW(weights, lr=1e-2, betas=(0.9, 0.98), eps=1e-3, weight_decay=0, foreach=False)
        if name == "adamw"
        else Adafactor(weights, lr=1e-2, relative_step=False, scale_parameter=True)
    )
    train_plainly(theirs, translation(), optimizer, asked, updates=4)
    assert not same_weights(ours, fresh(family))
    expected = dict(theirs.model.named_parameters())
    for weight, mine in ours.model.named_parameters():
        # The bias of keys has no gradient but what rounding leaves, and Adafactor makes that as large as any.
        if not weight.endswith("k_proj.bias"):
            torch.testing.assert_close(mine, expected[weight], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("nllb", {"optimizer": "adamw"}),
        ("mt5", {"optimizer": "adafactor", "accumulation": 2}),
        ("mbart50", {"optimizer": "adafactor", "gradient_checkpointing": True}),
        ("m2m100", {"lora": LORA, "gradient_checkpointing": True}),
        ("mt5", {"lora": LORA, "keep": "best"}),
    ],
    ids=["adamw", "adafactor", "checkpointing", "lora", "lora-best"],
)
def test_a_stopped_stage_ends_in_the_same_weights(
    family: FamilyName, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, stopped, resumed = (fresh(family, dropout=0.1) for _ in range(3))
    train(undisturbed, tmp_path / "undisturbed", **changes)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Curve, "add", stopping_at(6))
        train(stopped, tmp_path / "stopped", **changes)
    assert train(resumed, tmp_path / "stopped", **changes).resumed_from == 4
    assert same_weights(resumed, undisturbed)
    assert not same_weights(resumed, fresh(family))


def test_only_a_fused_adamw_leaves_an_update_out_by_itself() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], fused=True)
    for found_inf, moved in ((0.0, True), (1.0, False), (0.0, True)):
        weight.grad = torch.ones(3) / (1 - found_inf)
        before = weight.detach().clone(), {name: value.clone() for name, value in optimizer.state[weight].items()}
        optimizer.found_inf = torch.tensor(found_inf)  # type: ignore[attr-defined]
        optimizer.step()
        assert torch.equal(weight, before[0]) is not moved
        if not moved:
            assert all(torch.equal(optimizer.state[weight][name], value) for name, value in before[1].items())
    assert skips_by_itself(optimizer)
    assert not skips_by_itself(torch.optim.AdamW([weight]))
    assert not skips_by_itself(Adafactor([weight], lr=1e-3, relative_step=False))
