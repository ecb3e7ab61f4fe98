"""When memory runs out in the middle of an update: the same update in smaller micro-batches."""

from collections.abc import Iterator

import torch
from accelerate.utils.memory import should_reduce_batch_size

from switchtune.models.forward import Batch


def is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)


def padded_tokens(batch: Batch) -> int:
    """Tokens of both sides, padding included: what the memory of a micro-batch grows with."""
    return batch["input_ids"].numel() + batch["labels"].numel()


def micro_batches(batch: Batch, too_large: float) -> Iterator[Batch]:
    """A batch in order, halved until no part has as many padded tokens; a single example is left as it is."""
    count = len(batch["labels"])
    if count == 1 or padded_tokens(batch) < too_large:
        yield batch
        return
    for half in (slice(None, (count + 1) // 2), slice((count + 1) // 2, None)):
        yield from micro_batches({name: values[half] for name, values in batch.items()}, too_large)
