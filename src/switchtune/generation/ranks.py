"""The processes that torchrun starts, for work that is shared out among them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def joined_ranks() -> Iterator[tuple[int, int]]:
    """Join the processes that torchrun started (by `RANK`, `WORLD_SIZE`, …), each on its own GPU where there are any.

    Yields:
        This process's rank and the number of processes; 0 and 1 where it was started alone.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield 0, 1
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield torch.distributed.get_rank(), world
    finally:
        torch.distributed.destroy_process_group()
