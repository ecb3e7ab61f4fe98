"""Memory that runs out: the same update in smaller parts, or a word about what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from switchtune.config.pretrain import FamilyName
from switchtune.models.load import Loaded
from switchtune.training.curve import Curve, read_metrics
from switchtune.training.job import TrainingError
from switchtune.training.memory import is_out_of_memory, micro_batches, padded_tokens
from switchtune.training.trainer import StageResult
from tests.training.plain import stopping_at
from tests.training.test_trainer import fresh, same_weights, train

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB."
CPU = (
    "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"
)


@given(rows=st.integers(1, 40), columns=st.integers(1, 5), too_large=st.integers(1, 500) | st.just(float("inf")))
def test_parts_are_the_batch_in_order_and_none_is_known_to_be_too_large(
    rows: int, columns: int, too_large: float
) -> None:
    batch = {"input_ids": torch.arange(rows * columns).view(rows, columns), "labels": torch.arange(rows).view(rows, 1)}
    parts = list(micro_batches(batch, too_large))
    for name, values in batch.items():
        assert torch.equal(torch.cat([part[name] for part in parts]), values)
    assert all(len(part["labels"]) == 1 or padded_tokens(part) < too_large for part in parts)
    if padded_tokens(batch) < too_large:
        assert len(parts) == 1


def test_which_errors_are_of_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError(CUDA))
    assert is_out_of_memory(RuntimeError(CPU))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(MemoryError())


def running_out(
    loaded: Loaded,
    *,
    above: int,
    backward: bool,
    after: int = 0,
    error: Callable[[], Exception] = lambda: torch.OutOfMemoryError(CUDA),
) -> list[int]:
    """Have memory run out where more than `above` sentences are computed at once; returns the sizes that were tried.

    The first so many parts (`after`) fit whatever their size. In the backward pass it does so in the first layer of the
    encoder, when all the decoder has its gradients.
    """
    tried: list[int] = []
    layers: Any = loaded.model.get_encoder()
    layer = layers.layers[0] if hasattr(layers, "layers") else layers.block[0]

    def forward(module: Any, inputs: Any) -> None:
        if module.training:
            tried.append(len(inputs[0]))
            if not backward and len(inputs[0]) > above and len(tried) > after:
                raise error()

    def gradient(module: Any, found: Any) -> None:
        if backward and len(found[0]) > above and len(tried) > after:
            raise error()

    layer.register_forward_pre_hook(forward)
    layer.register_full_backward_pre_hook(gradient)
    return tried


LINEAR = {"adam_epsilon": 1.0, "lr": 1.0, "clip_norm": 0, "tokens_per_batch": 300, "accumulation": 2}
"""With a large epsilon the updates are in proportion to the gradient, as no small difference grows."""


@pytest.mark.parametrize("family", ["mbart", "mt5", "m2m100"])
def test_an_update_in_halves_is_the_same_update(family: FamilyName, tmp_path: Path) -> None:
    undisturbed = fresh(family)
    expected = train(undisturbed, tmp_path / "undisturbed", updates=3, optimizer="adamw", **LINEAR)
    for backward in (False, True):
        require_the_same_in_halves(undisturbed, expected, tmp_path, backward=backward)


def require_the_same_in_halves(undisturbed: Loaded, expected: StageResult, folder: Path, *, backward: bool) -> None:
    short, out = fresh(undisturbed.layout.family.name), folder / str(backward)
    # The first part is computed before the second runs out of memory: what it gave must count once.
    tried = running_out(short, above=2, after=1, backward=backward)
    messages: list[str] = []
    result = train(short, out, updates=3, optimizer="adamw", on_message=messages.append, **LINEAR)
    assert tried[0] > 2
    assert tried[1] > 2
    assert result.tokens == expected.tokens
    for mine, other in zip(short.model.parameters(), undisturbed.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    curves = [read_metrics(each / "metrics.jsonl") for each in (folder / "undisturbed", out)]
    losses = [[entry["loss"] for entry in curve if "loss" in entry] for curve in curves]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    refused = [entry for entry in curves[1] if "too_large" in entry]
    assert len(messages) == len(refused) >= 1
    assert f"({int(refused[0]['too_large']):,} padded tokens) do not fit into memory" in messages[0]


@pytest.mark.slow
def test_what_did_not_fit_is_not_tried_again(tmp_path: Path) -> None:
    loaded = fresh()
    tried = running_out(loaded, above=3, backward=False)
    messages: list[str] = []
    train(loaded, tmp_path, updates=8, on_message=messages.append, tokens_per_batch=200)
    failed = [size for size in tried if size > 3]
    sizes = [entry["too_large"] for entry in read_metrics(tmp_path / "metrics.jsonl") if "too_large" in entry]
    # Each failure lowers the mark, and is told once.
    assert len(failed) == len(messages) == len(sizes)
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
    assert len(failed) < 8 < len(tried)


@pytest.mark.slow
def test_a_resumed_stage_knows_what_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = [fresh(dropout=0.1) for _ in range(3)]
    for loaded in stages:
        running_out(loaded, above=2, backward=True)
    train(stages[0], tmp_path / "undisturbed")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Curve, "add", stopping_at(6))
        train(stages[1], tmp_path / "stopped")
    assert train(stages[2], tmp_path / "stopped").resumed_from == 4
    assert same_weights(stages[2], stages[0])


def test_a_single_sentence_that_does_not_fit_is_an_error_with_advice(tmp_path: Path) -> None:
    loaded = fresh()
    running_out(loaded, above=0, backward=True, error=lambda: RuntimeError(CPU))
    with pytest.raises(TrainingError, match=r"in update 1, with a single example of \d+ \+ \d+ tokens. Set training\."):
        train(loaded, tmp_path)


def test_an_optimizer_without_room_for_its_state_is_an_error_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*given: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError(CUDA)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(TrainingError, match=r"for the optimizer's state, or the validation\. Set training\.gradient_"):
        train(fresh(), tmp_path)


def test_with_several_processes_it_is_an_error_that_names_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = fresh()

    def error() -> Exception:
        # As late as this, lest there should be two processes.
        monkeypatch.setattr("switchtune.training.failures.size", lambda: 2)
        return torch.OutOfMemoryError(CUDA)

    running_out(loaded, above=1, backward=False, error=error)
    with pytest.raises(TrainingError, match=r"raise training\.accumulation \(now 1\), with which the batch stays"):
        train(loaded, tmp_path)


def test_other_errors_pass(tmp_path: Path) -> None:
    loaded = fresh()
    running_out(loaded, above=1, backward=False, error=lambda: RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="shape mismatch"):
        train(loaded, tmp_path)
