"""What an update of a training takes, memory and arithmetic, found without numbers: the real model on fake tensors.

The model, its loss and its backward pass run under torch's `FakeTensorMode`, in which a tensor has a shape and holds
nothing. Every storage that comes and goes is counted, and every matrix product; so the figures are those of the very
code that trains, at the batch that is asked for, and no formula has to keep up with it.
"""

import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count
from transformers import PreTrainedModel

from switchtune.models.load import quietly
from switchtune.training import loss
from switchtune.training.loss import LossParts, chunk_tokens, loss_from_forward

Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
Optimizer: TypeAlias = Literal["adamw", "adamw_8bit", "adafactor"]

_ATEN = torch.ops.aten

DTYPES: Mapping[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class BatchShape:
    """The batch of one part of an update, padding included."""

    sentences: int
    source_tokens: int
    """Of each sentence's encoder input."""
    target_tokens: int
    """Of each sentence's labels."""

    @property
    def tokens(self) -> int:
        """Of both sides."""
        return self.sentences * (self.source_tokens + self.target_tokens)


@dataclass(frozen=True, slots=True)
class Load:
    """All that decides, beside the model, what an update takes."""

    batch: BatchShape
    """Of one part."""
    parts: int = 1
    """Parts of an update over which gradients are summed."""
    precision: Precision = "fp32"
    """Of the matrix products; weights, gradients and the optimizer's state are in float32."""
    checkpointing: bool = False
    """Whether the backward pass computes each layer a second time, so that the forward pass need not keep it."""
    optimizer: Optimizer = "adamw"
    label_smoothing: float = 0.0
    gpu: bool = False
    """Whether to count as on an NVIDIA GPU, where attention and dropout keep less than on a processor."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one update takes: bytes, each kind at its largest, and operations.

    Not all kinds are at their largest at the same moment, so `peak` is less than their sum: gradients come as
    activations go.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """Kept by the forward pass for the backward pass, the loss excepted."""
    loss: int
    """Logits and whatever else the loss holds, beside the activations, before its gradient reaches the decoder."""
    peak: int
    """The most that is held at any moment."""
    small_blocks: int
    """The most that is held at any moment in blocks of less than `LARGE_BLOCK`, beyond weights and optimizer."""
    large_blocks: int
    """Likewise, in blocks of at least that size."""
    layer_flops: int
    """Of the matrix products of all layers, forward and backward, in an update."""
    loss_flops: int
    """Of the products with the output matrix in an update."""
    moved: int
    """Bytes read and written by everything but matrix products, forward and backward, in an update."""
    calls: int
    """Operations started in an update."""
    parameters: int
    trained: int
    """Those of the parameters that get gradients."""
    embeddings: int
    """Those of the parameters that are rows of the input embeddings."""


def footprint(make: Callable[[], PreTrainedModel], load: Load) -> Footprint:
    """What an update takes once the optimizer has its state, so from the second update on.

    Args:
        make: makes the model in float32; called under `FakeTensorMode`, so that its weights take no memory.
        load: the batch and how it is computed.
    """
    with ExitStack() as stack:
        stack.enter_context(FakeTensorMode())
        live = stack.enter_context(LiveBytes())
        stack.enter_context(_NoPadding())  # type: ignore[no-untyped-call]
        model = make()
        weights, weights_in_blocks = live.all.now, (live.small.now, live.large.now)
        parameters = list(model.parameters())
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        if load.parts > 1:
            for parameter in trained:
                parameter.grad = torch.zeros_like(parameter)
        batch = empty_batch(load.batch)
        if load.gpu:
            stack.enter_context(_as_on_gpu())
        moments: dict[str, int] = {}

        def at_output(states: torch.Tensor) -> None:
            moments.update(kept=live.all.now, layers_peak=live.all.peak, forward_flops=live.flops)
            live.all.peak = live.all.now
            states.register_hook(at_gradient)

        def at_gradient(gradient: torch.Tensor) -> None:
            moments.update(loss_peak=live.all.peak, loss_flops=live.flops - moments["forward_flops"])

        before, moved, calls = live.all.now, live.moved, live.calls
        # Making the model took more than the model.
        live.all.peak, live.small.peak, live.large.peak = live.all.now, live.small.now, live.large.now
        part_loss(model, batch, load, at_output=at_output).backward()
        embeddings: Any = model.get_input_embeddings()
        state = sum(_STATE_BYTES[load.optimizer](parameter, parameter is embeddings.weight) for parameter in trained)
        gradients = sum(parameter.nbytes for parameter in trained)
        return Footprint(
            weights=weights,
            gradients=gradients,
            optimizer=state,
            activations=moments["kept"] - before,
            loss=moments["loss_peak"] - moments["kept"],
            peak=max(live.all.peak, moments["layers_peak"]) + state,
            small_blocks=live.small.peak - weights_in_blocks[0],
            large_blocks=live.large.peak - weights_in_blocks[1],
            layer_flops=(live.flops - moments["loss_flops"]) * load.parts,
            loss_flops=moments["loss_flops"] * load.parts,
            moved=(live.moved - moved) * load.parts,
            calls=(live.calls - calls) * load.parts,
            parameters=sum(parameter.numel() for parameter in parameters),
            trained=sum(parameter.numel() for parameter in trained),
            embeddings=embeddings.weight.numel(),
        )


def _adamw_bytes(weights: torch.Tensor, embeddings: bool) -> int:
    return 8 * weights.numel()


def _adamw_8bit_bytes(weights: torch.Tensor, embeddings: bool) -> int:
    """Two bytes a weight and a scale for every block; embeddings and whatever is small stay in float32."""
    if embeddings or weights.numel() < _LEAST_QUANTISED:
        return _adamw_bytes(weights, embeddings)
    return 2 * (weights.numel() + 4 * -(-weights.numel() // _QUANTISED_BLOCK))


def _adafactor_bytes(weights: torch.Tensor, embeddings: bool) -> int:
    """A value for every row and every column of a matrix."""
    return 4 * (sum(weights.shape) if weights.dim() > 1 else weights.numel())


_LEAST_QUANTISED, _QUANTISED_BLOCK = 4096, 256
"""Weights, as in bitsandbytes."""

_STATE_BYTES: Mapping[Optimizer, Callable[[torch.Tensor, bool], int]] = {
    "adamw": _adamw_bytes,
    "adamw_8bit": _adamw_8bit_bytes,
    "adafactor": _adafactor_bytes,
}


def part_loss(
    model: PreTrainedModel,
    batch: Mapping[str, torch.Tensor],
    load: Load,
    *,
    at_output: Callable[[torch.Tensor], None],
) -> torch.Tensor:
    """The loss of one part of an update, as the trainer computes it.

    Args:
        model: is put into training mode.
        batch: as `Layout.collate` makes it.
        load: how it is computed.
        at_output: called with the decoder's states when all layers are done and the loss begins.
    """
    model.train()
    if load.checkpointing:
        with warnings.catch_warnings():
            # Its new name is not known to the oldest transformers that this works with.
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_enable({"use_reentrant": False})
    decoder: Any = model.get_decoder()
    handle = decoder.register_forward_hook(lambda module, arguments, outputs: at_output(outputs[0]))
    computed = DTYPES[load.precision]
    try:
        with (
            quietly(),
            loss_from_forward(model),
            torch.autocast(batch["labels"].device.type, computed, enabled=computed != torch.float32),
        ):
            parts: LossParts = cast("Any", model)(**batch, label_smoothing=load.label_smoothing)
    finally:
        handle.remove()
    return parts.loss


def empty_batch(shape: BatchShape) -> dict[str, torch.Tensor]:
    """A batch of that shape in the form of `Layout.collate`, every token the same; its last sentence has padding."""
    source = torch.full((shape.sentences, shape.source_tokens), _ANY_TOKEN)
    target = torch.full((shape.sentences, shape.target_tokens), _ANY_TOKEN)
    mask = torch.ones_like(source)
    # A mask without padding is dropped by transformers, and batches without any are rare.
    mask[-1, -1] = 0
    return {"input_ids": source, "attention_mask": mask, "decoder_input_ids": target, "labels": target.clone()}


_ANY_TOKEN = 5
"""No padding in any family."""


class _NoPadding(TorchDispatchMode):
    """Answers where something is not zero, which depends on values that fake tensors do not have: everywhere."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function is _ATEN.nonzero.default:
            return torch.arange(args[0].numel()).unsqueeze(-1)
        return function(*args, **(kwargs or {}))


LARGE_BLOCK = 2**25
"""Bytes. From here on the C library of Linux takes memory from the system for a block alone, and gives it back."""


@dataclass(slots=True)
class Level:
    """Bytes that go up and down."""

    now: int = 0
    peak: int = 0

    def change(self, size: int) -> None:
        """Add so many bytes, or take them away."""
        self.now += size
        self.peak = max(self.peak, self.now)


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that were made under it and still live; fake ones and real ones alike."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.all, self.small, self.large = Level(), Level(), Level()
        self.moved = 0
        """Bytes read and written so far by operations that are no matrix products."""
        self.flops = 0
        """Floating point operations so far in matrix products."""
        self.calls = 0
        """Operations so far that computed something: views are none."""
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            self._add(tensor.untyped_storage())
        if not function.is_view:
            self.calls += 1
            formula = _FLOPS.get(function.overloadpacket)
            if formula is None:
                self.moved += sum(tensor.nbytes for tensor in _tensors((args, kwargs, made)))
            else:
                self.flops += formula(*args, **(kwargs or {}), out_val=made)
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        levels = (self.all, self.small if size < LARGE_BLOCK else self.large)

        def freed(reference: object) -> None:
            del self._known[key]
            for level in levels:
                level.change(-size)

        self._known[key] = weakref.ref(storage, freed)
        for level in levels:
            level.change(size)


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _added_product_flops(total: Any, left: torch.Tensor, right: torch.Tensor, **options: Any) -> int:
    return 2 * left.shape[0] * left.shape[1] * right.shape[1]


def _attention_flops(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> int:
    return int(sdpa_flop_count(query.shape, key.shape, value.shape))


def _attention_backward_flops(
    gradient: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any
) -> int:
    return int(sdpa_backward_flop_count(gradient.shape, query.shape, key.shape, value.shape))


_FLOPS: Mapping[Any, Callable[..., int]] = {
    **flop_registry,
    # torch has these formulas under other names of what they count.
    _ATEN.addmm_: _added_product_flops,
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}
"""Of every matrix product; not torch's `FlopCounterMode` around it, which keeps what checkpointing would let go."""


@contextmanager
def _as_on_gpu() -> Iterator[None]:
    """Have the operations that are implemented in another way on NVIDIA GPUs keep what they keep there.

    Dropout keeps one byte a value, attention is one kernel with dropout and masks of any kind, under autocast some
    operations are computed in float32 (torch's documentation of `torch.amp` lists them), the loss has larger chunks.
    """
    instead = [
        (functional, "dropout", _gpu_dropout),
        (functional, "scaled_dot_product_attention", _gpu_attention),
        (functional, "layer_norm", _in_float32(functional.layer_norm)),
        (functional, "softmax", _in_float32(functional.softmax)),
        (torch, "pow", _in_float32(torch.pow)),
        (loss, "chunk_tokens", lambda pieces, device_type: chunk_tokens(pieces, "cuda")),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in instead]
    try:
        # Not torch's own `TorchFunctionMode`: layers that are computed again in the backward pass would leave it.
        for module, name, function in instead:
            setattr(module, name, function)
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def _in_float32(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda values, *args, **kwargs: function(values.float(), *args, **kwargs)


def _gpu_dropout(values: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    if not training or p == 0:
        return values
    return torch.native_dropout(values, p, True)[0]


_BIAS_ALIGNMENT = 16
"""Keys, to a multiple of which torch pads the bias of an attention."""


def _gpu_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    if torch.is_autocast_enabled("cpu"):
        computed = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(computed), key.to(computed), value.to(computed)
    bias = None
    if attn_mask is not None:
        keys = attn_mask.shape[-1]
        if attn_mask.dtype == torch.bool:
            attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(attn_mask.logical_not(), -torch.inf)
        bias = functional.pad(attn_mask.to(query.dtype), (0, -keys % _BIAS_ALIGNMENT))[..., :keys]
        bias = bias.expand(*query.shape[:-1], keys)
    attended: torch.Tensor = _ATEN._scaled_dot_product_efficient_attention(
        query, key, value, bias, compute_log_sumexp=True, dropout_p=dropout_p, is_causal=is_causal, scale=scale
    )[0]
    return attended
