"""What a checkpoint holds to go on from: the trained weights, the optimizer's state, and where dropout draws from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import FSDPModule

from switchtune.training.checkpoints import weights_of
from switchtune.training.distributed import rank
from switchtune.training.job import TrainingError


@dataclass(frozen=True)
class TrainingState:
    """All that changes while a model is trained, but for what the curve knows."""

    model: torch.nn.Module
    """Whole, or a share of it (FSDP)."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None
    device: torch.device

    def save(self, folder: Path) -> None:
        """Write into a checkpoint's folder, all processes of a group together."""
        folder.mkdir(parents=True, exist_ok=True)
        weights: dict[str, Any] = self.model.state_dict()
        state = self.optimizer.state_dict()
        if isinstance(self.model, FSDPModule):
            whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
            weights = dict(get_model_state_dict(self.model, options=whole))
            state = get_optimizer_state_dict(self.model, self.optimizer, options=whole)
        if rank() == 0:
            # Weights that the model shares stand there once.
            trained = [name for name, weight in self.model.named_parameters() if weight.requires_grad]
            trained_weights = {name: weights[name].contiguous() for name in trained if name in weights}
            save_file(trained_weights, folder / "model.safetensors", {"format": "pt"})
            torch.save(state, folder / "optimizer.pt")
            if self.scaler is not None:
                torch.save(self.scaler.state_dict(), folder / "scaler.pt")
        torch.save(random_state(self.device), folder / f"random-{rank()}.pt")

    def load(self, folder: Path) -> None:
        """Go on from what a checkpoint holds; a process that it does not know draws as it would from the start."""
        if isinstance(self.model, FSDPModule):
            # Process 0 alone holds the whole, and gives each its share.
            options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False)
            first = rank() == 0
            weights: dict[str, Any] = dict(weights_of(folder)) if first else {}
            set_model_state_dict(self.model, weights, options=options)
            state = _read(folder / "optimizer.pt") if first else {}
            set_optimizer_state_dict(self.model, self.optimizer, state, options=options)
        else:
            set_weights(self.model, weights_of(folder))
            self.optimizer.load_state_dict(_read(folder / "optimizer.pt"))
        if self.scaler is not None:
            self.scaler.load_state_dict(_read(folder / "scaler.pt"))
        if (folder / f"random-{rank()}.pt").exists():
            set_random_state(_read(folder / f"random-{rank()}.pt"), self.device)


def random_state(device: torch.device) -> tuple[torch.Tensor, ...]:
    """Where torch's generators stand, that of the CPU and that of the device: what dropout draws from."""
    on_device = () if device.type == "cpu" else (torch.get_device_module(device).get_rng_state(),)
    return torch.get_rng_state(), *on_device


def set_random_state(state: tuple[torch.Tensor, ...], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if device.type != "cpu" and len(state) > 1:
        torch.get_device_module(device).set_rng_state(state[1])


def _read(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def set_weights(model: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Give a model the weights of a checkpoint; raises TrainingError where it lacks some of them."""
    # Weights that are shared stand in a checkpoint under one of their names.
    unknown = model.load_state_dict(weights, strict=False).unexpected_keys
    if unknown:
        raise TrainingError(f"The checkpoint has weights that the model lacks: {', '.join(unknown[:3])}.")
