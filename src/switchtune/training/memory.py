"""When memory runs out in the middle of an update: the same update in smaller parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from accelerate.utils.memory import should_reduce_batch_size

Batch = Mapping[str, torch.Tensor]
"""What the collator makes: tensors whose first dimension is the examples."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)


def padded_tokens(batch: Batch) -> int:
    """Tokens of both sides, padding included: what the memory of a part grows with."""
    return batch["input_ids"].numel() + batch["labels"].numel()


def examples_of(batch: Batch) -> int:
    """Examples of a batch."""
    return len(batch["labels"])


@dataclass
class Room:
    """What is known of the parts of a batch that fit into memory."""

    too_large: float = float("inf")
    """Padded tokens of the smallest part that did not fit."""

    def parts(self, batch: Batch) -> Iterator[Batch]:
        """A batch in order, halved until no part is known to be too large; a single example is left as it is."""
        count = examples_of(batch)
        if count == 1 or padded_tokens(batch) < self.too_large:
            yield batch
            return
        for half in (slice(None, (count + 1) // 2), slice((count + 1) // 2, None)):
            yield from self.parts({name: values[half] for name, values in batch.items()})

    def refuse(self, part: Batch) -> None:
        """Remember that a part did not fit."""
        self.too_large = min(self.too_large, padded_tokens(part))


@dataclass(frozen=True)
class RandomState:
    """Where torch's generators stand: what dropout draws from."""

    cpu: torch.Tensor
    gpu: torch.Tensor | None

    @staticmethod
    def of(device: torch.device) -> "RandomState":
        """The state of the CPU's generator and of the device's."""
        return RandomState(torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None)

    def restore(self, device: torch.device) -> None:
        """Go back to it."""
        torch.set_rng_state(self.cpu)
        if self.gpu is not None:
            torch.cuda.set_rng_state(self.gpu, device)
