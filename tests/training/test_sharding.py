"""When a model is shared out among GPUs."""

import pytest

from switchtune.training.sharding import BYTES_PER_WEIGHT, ShardingError, sharding_of
from tests.miniature import miniature

WEIGHTS = sum(weights.numel() for weights in miniature().model.parameters())


@pytest.mark.parametrize(
    ("wanted", "processes", "memory", "expected"),
    [
        ("auto", 2, 2 * BYTES_PER_WEIGHT * WEIGHTS, "ddp"),
        ("auto", 2, BYTES_PER_WEIGHT * WEIGHTS, "fsdp"),
        ("auto", 2, None, "ddp"),
        ("auto", 1, 1, "ddp"),
        ("ddp", 2, 1, "ddp"),
        ("fsdp", 1, None, "ddp"),
        ("fsdp", 2, 10**12, "fsdp"),
    ],
)
def test_a_model_is_shared_out_where_it_must_be_or_is_to_be(
    wanted: str, processes: int, memory: int | None, expected: str
) -> None:
    assert sharding_of(wanted, miniature().model, processes, memory) == expected


def test_fsdp_without_gpus_is_refused() -> None:
    with pytest.raises(ShardingError, match="fsdp is for GPUs"):
        sharding_of("fsdp", miniature().model, 2, None)
