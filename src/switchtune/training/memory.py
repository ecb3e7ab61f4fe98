"""When memory runs out in the middle of an update: the same update in smaller micro-batches."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate.utils.memory import should_reduce_batch_size

from switchtune.models.forward import Batch


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)


def padded_tokens(batch: Batch) -> int:
    """Tokens of both sides, padding included: what the memory of a micro-batch grows with."""
    return batch["input_ids"].numel() + batch["labels"].numel()


@dataclass
class MemoryLimit:
    """What is known of the micro-batches that fit into memory."""

    too_large: float = float("inf")
    """Padded tokens of the smallest micro-batch that did not fit."""

    def micro_batches(self, batch: Batch) -> Iterator[Batch]:
        """A batch in order, halved until nothing is known to be too large; a single example is left as it is."""
        count = len(batch["labels"])
        if count == 1 or padded_tokens(batch) < self.too_large:
            yield batch
            return
        for half in (slice(None, (count + 1) // 2), slice((count + 1) // 2, None)):
            yield from self.micro_batches({name: values[half] for name, values in batch.items()})

    def refuse(self, batch: Batch) -> None:
        self.too_large = min(self.too_large, padded_tokens(batch))


@dataclass(frozen=True)
class RandomState:
    """Where torch's generators stand, that of the CPU and that of the device: what dropout draws from."""

    tensors: tuple[torch.Tensor, ...]

    @staticmethod
    def of(device: torch.device) -> "RandomState":
        on_device = () if device.type == "cpu" else (torch.get_device_module(device).get_rng_state(),)
        return RandomState((torch.get_rng_state(), *on_device))

    def restore(self, device: torch.device) -> None:
        torch.set_rng_state(self.tensors[0])
        for state in self.tensors[1:] if device.type != "cpu" else ():
            torch.get_device_module(device).set_rng_state(state)
