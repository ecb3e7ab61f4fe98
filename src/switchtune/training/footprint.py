"""What an update of a training takes: memory, found without numbers, and time, measured.

The very code that trains runs under torch's `FakeTensorMode`, whose tensors hold nothing; every storage is counted.
"""

import time
import weakref
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PretrainedConfig, PreTrainedModel

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.models.adapters import insert_adapters
from switchtune.models.files import quietly
from switchtune.models.load import random_model
from switchtune.training.loss import loss_from_forward
from switchtune.training.optimizers import choose_optimizer, make_optimizer
from switchtune.training.precision import compute_dtype, computing, computing_in

MEASURED_UPDATES = 3
LONGEST_MEASUREMENT = 60.0
"""Seconds after which no further update is measured."""

_ANY_TOKEN = 5
"""An id that is padding in no family."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """The batch of one part of an update, padding included; tokens of each encoder input and sequence of labels."""

    sentences: int
    source_tokens: int
    target_tokens: int

    @property
    def tokens(self) -> int:
        return self.sentences * (self.source_tokens + self.target_tokens)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one update takes, each kind at its largest, which is not at the same moment."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What the forward pass keeps for the backward pass, with the gradients that the loss computes at once."""
    peak: int
    """The most that is held at any moment."""


def footprint(
    config: PretrainedConfig, family: FamilyName, settings: TrainingSettings, batch: BatchShape, device: torch.device
) -> Footprint:
    """What an update takes once the optimizer has its state, so from the second update on.

    Args:
        batch: of each of the `settings.accumulation` parts of the update.
        device: decides the type of number; what is counted is what a processor keeps, about as much as on a GPU.

    Raises UsageError for settings that the family or the device does not have.
    """
    # No figure depends on what a compiler or flash attention would make of it, and neither runs on empty tensors.
    attention = "sdpa" if settings.attention == "flash_attention_2" else settings.attention
    settings = settings.model_copy(update={"compile": False, "attention": attention})
    # Not under the fake mode, where peft cannot insert adapters into a model.
    with torch.device("meta"):
        model = _model(config, settings)
    with FakeTensorMode(), LiveBytes() as live, quietly(), computing(model, settings), loss_from_forward(model):
        _make_fake(model)
        weights = live.now
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if settings.accumulation > 1:
            for parameter in trained:
                parameter.grad = torch.zeros_like(parameter)
        before = live.now
        with computing_in(compute_dtype(settings, family, device), torch.device("cpu")):
            loss = cast("Any", model)(**empty_batch(batch), label_smoothing=settings.label_smoothing).loss
        activations = live.now - before
        loss.backward()
        embeddings: Any = model.get_input_embeddings()
        name = choose_optimizer(settings, family).name
        optimizer = sum(_state_bytes(name, parameter, parameter is embeddings.weight) for parameter in trained)
    return Footprint(
        weights=weights,
        gradients=sum(parameter.nbytes for parameter in trained),
        optimizer=optimizer,
        activations=activations,
        peak=live.peak + optimizer,
    )


def measured_seconds(
    config: PretrainedConfig, family: FamilyName, settings: TrainingSettings, batch: BatchShape, device: torch.device
) -> float:
    """Seconds of an update on a device: the median of `MEASURED_UPDATES` with random weights, after one for warming up.

    Raises RuntimeError where memory ran out. See `footprint` for the arguments.
    """
    seconds: list[float] = []
    with torch.random.fork_rng():
        model = _model(config, settings)
        cast("torch.nn.Module", model).to(device)
        inputs = {name: ids.to(device) for name, ids in empty_batch(batch).items()}
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = make_optimizer(choose_optimizer(settings, family), settings, model)
        with quietly(), computing(model, settings), loss_from_forward(model):
            while len(seconds) <= MEASURED_UPDATES and sum(seconds) < LONGEST_MEASUREMENT:
                begun = time.perf_counter()
                for _ in range(settings.accumulation):
                    with computing_in(compute_dtype(settings, family, device), device):
                        loss = cast("Any", model)(**inputs, label_smoothing=settings.label_smoothing).loss
                    loss.backward()
                torch.nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                optimizer.zero_grad()
                if device.type != "cpu":
                    torch.accelerator.synchronize(device)
                seconds.append(time.perf_counter() - begun)
    return median(seconds[1:] or seconds)


def _model(config: PretrainedConfig, settings: TrainingSettings) -> PreTrainedModel:
    model = random_model(config, seed=0)
    if settings.lora is not None:
        insert_adapters(model, settings.lora, seed=0)
    model.train()
    return model


def empty_batch(shape: BatchShape) -> dict[str, torch.Tensor]:
    """A batch of that shape in the form of `Layout.collate`, every token the same; its last sentence has padding."""
    source = torch.full((shape.sentences, shape.source_tokens), _ANY_TOKEN)
    target = torch.full((shape.sentences, shape.target_tokens), _ANY_TOKEN)
    mask = torch.ones_like(source)
    # A mask without padding is dropped by transformers, and batches without any are rare.
    mask[-1, -1] = 0
    return {"input_ids": source, "attention_mask": mask, "decoder_input_ids": target, "labels": target.clone()}


def _make_fake(model: torch.nn.Module) -> None:
    """Put tensors of the fake mode in the place of a model's; what was one tensor stays one."""
    fake: dict[torch.Tensor, torch.Tensor] = {}
    for module in model.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if tensor not in fake:
                empty = torch.empty(tensor.shape, dtype=tensor.dtype)
                is_parameter = isinstance(tensor, torch.nn.Parameter)
                fake[tensor] = torch.nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
            setattr(module, name, fake[tensor])


def _state_bytes(optimizer: str, weights: torch.Tensor, embeddings: bool) -> int:
    count = weights.numel()
    if optimizer == "adafactor":
        # A value for every row and every column.
        return 4 * (sum(weights.shape) if weights.dim() > 1 else count)
    if optimizer.endswith("8bit") and not embeddings and count >= 4096:
        # As bitsandbytes has it: two bytes a weight, and two scales for every block of 256. What is small stays as is.
        return 2 * (count + 4 * -(-count // 256))
    return 8 * count


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all storages that were made under it and still live; fake ones and real ones alike."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.peak = 0, 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # What depends on values that fake tensors do not have: where something is not zero (everywhere), and whether a
        # layer is dropped by chance (LayerDrop; none is).
        if function is torch.ops.aten.nonzero.default and isinstance(args[0], FakeTensor):
            return torch.arange(args[0].numel()).unsqueeze(-1)
        if function is torch.ops.aten._local_scalar_dense.default and isinstance(args[0], FakeTensor):
            return False
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._add(leaf.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def freed(reference: object) -> None:
            del self._known[key]
            self.now -= size

        if key not in self._known:
            self._known[key] = weakref.ref(storage, freed)
            self.now += size
            self.peak = max(self.peak, self.now)
