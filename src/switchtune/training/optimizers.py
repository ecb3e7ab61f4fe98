"""Which optimizer a training has, with which learning rate, and why."""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch
from transformers import Adafactor

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import Schedule, TrainingSettings
from switchtune.errors import UsageError
from switchtune.models.families import training_needs

ADAFACTOR_LR = 1e-3


@dataclass(frozen=True, slots=True)
class OptimizerChoice:
    name: Literal["adamw", "adafactor", "adamw_8bit", "paged_adamw_8bit"]
    lr: float


def choose_optimizer(
    settings: TrainingSettings, family: FamilyName | None, *, sharded: bool = False
) -> OptimizerChoice:
    """What the settings ask for, and where they leave it open what suits the family.

    Adafactor's steps are in proportion to the size of each weight matrix, so that 1e-3 is its usual learning rate
    whatever the family (Xue et al. 2021). Adapters (LoRA) begin at zero, where such steps would be next to nothing.

    Args:
        sharded: whether each weight is shared out among processes (FSDP), which only AdamW can work with.

    Raises UsageError for Adafactor with LoRA, and for another optimizer than AdamW with shared weights.
    """
    usual, lora = training_needs(family), settings.lora is not None
    name = settings.optimizer
    if name == "auto":
        name = "adamw" if lora or sharded else usual.optimizer
    if sharded and name != "adamw":
        raise UsageError(
            f"training.optimizer: {name} does not go with training.sharding: fsdp (chosen here), which leaves each "
            "process a share of every weight. Set adamw, or sharding to ddp."
        )
    if name == "adafactor" and lora:
        raise UsageError(
            "training.optimizer: adafactor does not go with training.lora: its steps are in proportion to the size of "
            "the weights, and those of adapters begin at zero. Set adamw, or leave the optimizer at auto."
        )
    usual_lr = ADAFACTOR_LR if name == "adafactor" else usual.lora_lr if lora else usual.adam_lr
    return OptimizerChoice(name, settings.lr or usual_lr)


def require_optimizer(choice: OptimizerChoice, device: torch.device) -> None:
    """Raise UsageError for an 8-bit optimizer without an NVIDIA GPU, or without bitsandbytes."""
    if not choice.name.endswith("8bit"):
        return
    if device.type != "cuda":
        raise UsageError(
            f"training.optimizer: {choice.name} needs an NVIDIA GPU, and the training is on {device.type}. "
            "Set adamw, or adafactor, whose state is smaller still."
        )
    if find_spec("bitsandbytes") is None:
        raise UsageError(
            f"training.optimizer: {choice.name} needs bitsandbytes, which is not installed. Install it "
            "(pip install 'switchtune[8bit]'), or set adamw or adafactor."
        )


def make_optimizer(
    choice: OptimizerChoice, settings: TrainingSettings, model: torch.nn.Module
) -> torch.optim.Optimizer:
    """The optimizer of the weights that learn; biases, norms and position biases do not decay."""
    learning = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    decays = {name for name, weight in learning if weight.ndim > 1 and "bias" not in name}
    groups: list[dict[str, Any]] = [
        {"params": [weight for name, weight in learning if name in decays], "weight_decay": settings.weight_decay},
        {"params": [weight for name, weight in learning if name not in decays], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if choice.name == "adafactor":
        return Adafactor(groups, lr=choice.lr, relative_step=False, scale_parameter=True)
    betas, epsilon = settings.adam_betas, settings.adam_epsilon
    if choice.name == "adamw":
        return torch.optim.AdamW(groups, lr=choice.lr, betas=betas, eps=epsilon, fused=True)
    from bitsandbytes.optim import AdamW

    paged = choice.name.startswith("paged")
    eight_bit: torch.optim.Optimizer = AdamW(
        groups, lr=choice.lr, betas=betas, eps=epsilon, optim_bits=8, is_paged=paged
    )
    return eight_bit


def skips_by_itself(optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimizer itself leaves an update out where its `found_inf`, a tensor on the device, is 1."""
    if not isinstance(optimizer, torch.optim.AdamW) or not optimizer.defaults["fused"]:
        return False
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    # The kernel for Apple's GPUs is not known to look at it.
    return not any(hasattr(weight, "full_tensor") or weight.device.type == "mps" for weight in weights)


def learning_rate_factor(done: int, *, updates: int, warmup: int, schedule: Schedule) -> float:
    """Share of the peak learning rate for the update after `done`; `linear` would be zero one update after the last."""
    if done < warmup:
        return (done + 1) / warmup
    if schedule == "linear":
        return max(0.0, (updates - done) / (updates - warmup))
    if schedule == "inverse_sqrt":
        return math.sqrt(max(warmup, 1) / (done + 1))
    return 1.0


def warmup_updates(settings: TrainingSettings, updates: int) -> int:
    """Updates of warm-up in a stage of so many."""
    wanted = settings.warmup * updates if settings.warmup < 1 else settings.warmup
    return int(min(wanted, settings.warmup_cap * updates))
