"""Whether each process of a group holds the whole model (DDP) or a share of it (FSDP)."""

import copy
from typing import Literal

import torch
from torch import distributed
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import PreTrainedModel

from switchtune.config.training import TrainingSettings
from switchtune.errors import SwitchtuneError

BYTES_PER_WEIGHT = 16
"""Weight, gradient and two moments in float32."""
SHARE_FOR_STATE = 0.8
"""Of a GPU's memory; activations take the rest."""


class ShardingError(SwitchtuneError):
    """The model cannot be spread as it is wanted."""


def sharding_of(
    wanted: Literal["auto", "ddp", "fsdp"], model: torch.nn.Module, processes: int, memory: int | None
) -> Literal["ddp", "fsdp"]:
    """How a model is spread over the processes; raises ShardingError for `fsdp` without GPUs.

    Args:
        wanted: `auto` shards where weights, gradients and optimizer do not fit into one process's memory.
        memory: bytes of each process's GPU; None without one.
    """
    if processes == 1 or wanted == "ddp":
        return "ddp"
    if memory is None:
        if wanted == "fsdp":
            raise ShardingError(
                "training.sharding: fsdp is for GPUs, and this machine has none that torch can use; use ddp or auto."
            )
        return "ddp"
    needed = BYTES_PER_WEIGHT * sum(weights.numel() for weights in model.parameters())
    return "fsdp" if wanted == "fsdp" or needed > SHARE_FOR_STATE * memory else "ddp"


def require_shardable(settings: TrainingSettings) -> None:
    """Raise ShardingError for settings that a sharded model cannot be trained with."""
    if settings.best_by == "chrf":
        raise ShardingError(
            "training.best_by: 'chrf' needs the whole model in process 0, and training.sharding is fsdp here; take "
            "best_by: loss."
        )
    if settings.lora is not None:
        raise ShardingError(
            "training.lora does not go with training.sharding: fsdp. Adapters need little memory: set ddp."
        )
    if settings.precision == "fp16":
        raise ShardingError(
            "training.precision: fp16 does not go with training.sharding: fsdp (chosen here), as its scale is found in "
            "each process by itself. Set bf16, or sharding to ddp."
        )


def memory_bytes() -> int | None:
    """Of this process's GPU; None without one."""
    if not torch.cuda.is_available():
        return None
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)


def sharded_copy(model: PreTrainedModel) -> PreTrainedModel:
    """A copy of which every process holds a share; the model itself makes room for it on the GPU."""
    device = model.device
    model.to("cpu")  # type: ignore[arg-type]
    copied: PreTrainedModel = copy.deepcopy(model).to(device)  # type: ignore[arg-type]
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for layer in _layers(copied):
        fully_shard(layer, mesh=mesh)
    fully_shard(copied, mesh=mesh)
    return copied


def _layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The parts that compute one after the other, none of them within another."""
    kinds = set(model._no_split_modules or ())
    found: dict[str, torch.nn.Module] = {}
    for name, module in model.named_modules():
        if type(module).__name__ in kinds and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = module
    return list(found.values())
