"""What a training runs on: graphics cards by name, the machine at hand, and how fast each of them is."""

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import psutil
import torch
from transformers import PretrainedConfig

from switchtune.errors import UsageError, nearest
from switchtune.models.load import random_model
from switchtune.training.footprint import Footprint, Load, Precision, empty_batch, footprint, part_loss

GB = 10**9


@dataclass(frozen=True, slots=True)
class Gpu:
    """A graphics card as its maker describes it."""

    name: str
    memory_gb: float
    gb_per_second: float
    """Of its memory."""
    tflops: Mapping[Precision, float]
    """Largest rate of matrix products, dense, accumulated in float32; formats that it lacks are missing. fp32 without
    tensor cores, as PyTorch computes by default."""


def _gpu(name: str, memory_gb: float, gb_per_second: float, half: float, fp32: float, *, bf16: bool = True) -> Gpu:
    rates: dict[Precision, float] = {"fp16": half, "fp32": fp32}
    return Gpu(name, memory_gb, gb_per_second, rates | {"bf16": half} if bf16 else rates)


GPUS: tuple[Gpu, ...] = (
    # As commonly published: memory, bandwidth, rates without sparsity. Not checked one by one against the data sheets,
    # and none of the cards has been measured.
    _gpu("H200", 141, 4800, 989, 67),
    _gpu("H100", 80, 3350, 989, 67),
    _gpu("H100-PCIe", 80, 2000, 756, 51),
    _gpu("A100-80GB", 80, 2039, 312, 19.5),
    _gpu("A100-40GB", 40, 1555, 312, 19.5),
    _gpu("L40S", 48, 864, 362, 91.6),
    _gpu("L4", 24, 300, 121, 30.3),
    _gpu("A10G", 24, 600, 70, 35),
    _gpu("RTX-4090", 24, 1008, 165.2, 82.6),
    _gpu("RTX-3090", 24, 936, 71, 35.6),
    _gpu("V100-32GB", 32, 900, 125, 15.7, bf16=False),
    _gpu("V100-16GB", 16, 900, 125, 15.7, bf16=False),
    _gpu("T4", 16, 320, 65, 8.1, bf16=False),
)

MATRIX_SHARE = 0.7
"""Assumed: share of a card's matrix rate that the products of a training reach."""
BANDWIDTH_SHARE = 0.75
"""Assumed: share of the rate of its memory that everything else reaches."""
SECONDS_PER_CALL = 6e-6
"""Assumed: time in which PyTorch starts an operation on a card; small models wait for that."""
GPU_CONTEXT_BYTES = 0.6 * GB
"""Assumed: what CUDA and its libraries hold beside the tensors."""
GPU_ALLOCATOR_SHARE = 0.05
"""Assumed: what PyTorch's allocator holds beyond the tensors, as a share of them, weights and optimizer excepted."""
HEAP_SHARE = 0.4
"""Measured (benchmarks/plan.py): what the C library of Linux holds beyond the small blocks at their most, for the gaps
between them."""

ADAMW_TRAFFIC = 28
"""Bytes that a step of AdamW moves per trained weight: four values read, three written."""
CLIPPING_TRAFFIC = 12
"""Bytes that measuring and scaling a gradient moves per weight."""
EMBEDDING_TRAFFIC = 32
"""Bytes per weight of the embeddings in each part: the encoder's and the decoder's use of them each write a whole
gradient, and the two are added to that of the output matrix."""


def gpu_named(name: str) -> Gpu:
    """The card of that name; capitals, spaces and hyphens do not matter.

    Raises:
        UsageError: there is none; with the nearest names.
    """
    by_name = {_plain(gpu.name): gpu for gpu in GPUS}
    if _plain(name) in by_name:
        return by_name[_plain(name)]
    raise UsageError(f"--gpu {name}: not a card that is known here; {nearest(name, [gpu.name for gpu in GPUS])}")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum()).removeprefix("nvidia")


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast a device trains models of one width, as measured on it."""

    layer_flops: float
    """Per second, in layers, with all that goes on between the matrix products."""
    tokens: float
    """Per second, of both sides, in what is neither in a layer nor in the loss: embeddings, their dropout and norm."""
    loss_flops: float
    """Per second, from the decoder's states to the loss and back."""
    optimizer_weights: float
    """Trained weights per second, in clipping and the optimizer's step."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a training runs on."""

    name: str
    memory: float
    """Bytes, in use or not."""
    base: float
    """Bytes that a training holds beside its tensors."""
    gpu: bool
    """Whether to count as on an NVIDIA GPU."""
    bf16: bool
    """Whether it computes in bfloat16 by itself, which `precision: auto` goes by."""


def named_device(gpu: Gpu) -> Device:
    """A card that is not at hand."""
    return Device(gpu.name, gpu.memory_gb * GB, GPU_CONTEXT_BYTES, True, "bf16" in gpu.tflops)


def device_at_hand() -> Device:
    """The GPU where there is one, else the processor; its base is what this process holds now."""
    if torch.cuda.is_available():
        found = torch.cuda.get_device_properties(0)
        bf16 = torch.cuda.is_bf16_supported()
        return Device(found.name, found.total_memory, GPU_CONTEXT_BYTES, True, bf16)
    name = f"processor, {torch.get_num_threads()} threads"
    return Device(name, psutil.virtual_memory().total, psutil.Process().memory_info().rss, False, False)


def allocator_bytes(needs: Footprint, device: Device) -> float:
    """What the allocator holds at most beyond the most that is in use at any moment.

    On a processor small blocks come from a heap that does not shrink, so their most and that of the large ones add up,
    though they come at different moments.
    """
    if device.gpu:
        return GPU_ALLOCATOR_SHARE * (needs.peak - needs.weights - needs.optimizer)
    held = needs.weights + needs.optimizer + (1 + HEAP_SHARE) * needs.small_blocks + needs.large_blocks
    return held - needs.peak


def assumed_seconds(needs: Footprint, gpu: Gpu, precision: Precision) -> float:
    """Time of an update on a card that is not at hand, by what its maker says and the shares assumed here.

    Either the card works without a pause, or it waits for the next operation to be started, whichever takes longer.

    Raises:
        UsageError: the card does not compute in that precision.
    """
    if precision not in gpu.tflops:
        raise UsageError(
            f"training.precision is {precision}, in which the {gpu.name} does not compute; take fp16 or fp32."
        )
    products = (needs.layer_flops + needs.loss_flops) / (gpu.tflops[precision] * 1e12 * MATRIX_SHARE)
    moved = needs.moved + needs.trained * (ADAMW_TRAFFIC + CLIPPING_TRAFFIC)
    return max(products + moved / (gpu.gb_per_second * GB * BANDWIDTH_SHARE), needs.calls * SECONDS_PER_CALL)


def measured_seconds(needs: Footprint, rates: Rates, load: Load) -> float:
    """Time of an update on the device whose rates were measured."""
    parts, tokens = load.parts, load.batch.tokens
    return (
        needs.layer_flops / rates.layer_flops
        + parts * tokens / rates.tokens
        + needs.loss_flops / rates.loss_flops
        + needs.trained / rates.optimizer_weights
        + parts * embedding_seconds(needs, rates.optimizer_weights)
    )


def embedding_seconds(needs: Footprint, optimizer_weights: float) -> float:
    """Time that the gradients of the embeddings take in each part, by how fast the optimizer reads and writes."""
    bytes_per_second = optimizer_weights * (ADAMW_TRAFFIC + CLIPPING_TRAFFIC)
    return needs.embeddings * EMBEDDING_TRAFFIC / bytes_per_second


_PROBE_TOKENS = 2048
"""Of both sides, where the probe runs on a processor; of fewer, products of matrices are slower than in a training."""
_PROBE_PIECES = 32_768
_PROBE_REPEATS = 4
_LEAST_SECONDS = 1e-9


def measure_rates(config: PretrainedConfig, load: Load, *, threads: int | None = None) -> Rates:
    """Train models of this width with one layer and with two on each side for a moment, and see how fast that goes.

    What the second layer adds is the rate of layers; what is left of the first is what stands around them.

    Args:
        config: of the model that is planned for; its vocabulary is cut to what tells the rate.
        load: as planned; on a processor the batch is cut to fewer sentences of the same length.
        threads: of a processor, that a training will have; None: as they are.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = load.batch
    if device.type == "cpu":
        batch = replace(batch, sentences=max(1, min(batch.sentences, _PROBE_TOKENS * batch.sentences // batch.tokens)))
    load = replace(load, batch=batch, parts=1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng():
            one, two = (_probed(with_layers(config, layers), load, device) for layers in (1, 2))
    finally:
        torch.set_num_threads(before)
    added = max(_LEAST_SECONDS, two.layer_seconds - one.layer_seconds)
    layer_flops = (two.needs.layer_flops - one.needs.layer_flops) / added
    optimizer_weights = two.needs.trained / two.optimizer_seconds
    around = one.layer_seconds - one.needs.layer_flops / layer_flops - embedding_seconds(one.needs, optimizer_weights)
    return Rates(
        layer_flops=layer_flops,
        tokens=batch.tokens / max(_LEAST_SECONDS, around),
        loss_flops=two.needs.loss_flops / two.loss_seconds,
        optimizer_weights=optimizer_weights,
    )


def with_layers(config: PretrainedConfig, layers: int) -> PretrainedConfig:
    """The configuration of a model like it with so many layers on each side."""
    thin = copy.deepcopy(config)
    for name in ("encoder_layers", "decoder_layers", "num_layers", "num_decoder_layers", "num_hidden_layers"):
        if hasattr(thin, name):
            setattr(thin, name, layers)
    return thin


@dataclass(frozen=True, slots=True)
class _Probe:
    """The fastest of some updates."""

    needs: Footprint
    layer_seconds: float
    loss_seconds: float
    optimizer_seconds: float


def _probed(config: PretrainedConfig, load: Load, device: torch.device) -> _Probe:
    config.vocab_size = min(config.vocab_size, _PROBE_PIECES)
    needs = footprint(lambda: random_model(config, seed=0), load)
    model = random_model(config, seed=0)
    cast("torch.nn.Module", model).to(device)
    batch = {name: ids.to(device) for name, ids in empty_batch(load.batch).items()}
    trained = list(model.parameters())
    optimizer = torch.optim.AdamW(trained, fused=True)
    layers, losses, steps = [], [], []
    # The first round warms up and makes the optimizer's state.
    for _ in range(1 + _PROBE_REPEATS):
        moments = [_now(device)]

        def at_output(states: torch.Tensor, moments: list[float] = moments) -> None:
            moments.append(_now(device))
            states.register_hook(lambda gradient: moments.append(_now(device)))

        part_loss(model, batch, load, at_output=at_output).backward()
        moments.append(_now(device))
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        moments.append(_now(device))
        begun, at_loss, after_loss, computed, stepped = moments
        layers.append(at_loss - begun + computed - after_loss)
        losses.append(after_loss - at_loss)
        steps.append(stepped - computed)
    return _Probe(needs, min(layers[1:]), min(losses[1:]), min(steps[1:]))


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
