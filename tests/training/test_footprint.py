"""What an update takes: the counts on tensors that hold nothing are those of the same update on real ones."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import psutil
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from switchtune.config.pretrain import FamilyName
from switchtune.models.families import FAMILIES
from switchtune.models.load import random_model
from switchtune.training.footprint import (
    LARGE_BLOCK,
    BatchShape,
    Footprint,
    LiveBytes,
    Load,
    Optimizer,
    Precision,
    empty_batch,
    footprint,
    part_loss,
)
from tests.miniature import miniature

BATCH = BatchShape(3, 11, 7)


def maker(family: FamilyName, config: PretrainedConfig | None = None) -> Callable[[], PreTrainedModel]:
    return partial(random_model, config or miniature(family).model.config, 0)


@cache
def counted(family: FamilyName, load: Load) -> Footprint:
    return footprint(maker(family), load)


def really(family: FamilyName, load: Load) -> dict[str, int]:
    """The peak of the bytes of an update with real weights, without the optimizer's, and its loss."""
    found: dict[str, int] = {}
    with LiveBytes() as live:
        model = maker(family)()
        weights = live.all.now
        live.all.peak = live.all.now
        part_loss(model, empty_batch(load.batch), load, at_output=lambda states: None).backward()
        found["peak"] = live.all.peak
        found["weights"] = weights
        found["gradients"] = sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
        found["flops"] = live.flops
    return found


@pytest.mark.parametrize(
    ("family", "precision", "checkpointing"),
    [*((family, "fp32", False) for family in FAMILIES), ("mbart", "bf16", True), ("mt5", "bf16", True)],
)
def test_tensors_without_numbers_take_what_real_ones_take(
    family: FamilyName, precision: Precision, checkpointing: bool
) -> None:
    load = Load(BATCH, precision=precision, checkpointing=checkpointing, label_smoothing=0.1)
    needs = counted(family, load)
    found = really(family, load)
    # transformers leaves the decoder's mask out where it sees that there is no padding, which it cannot see here.
    masks = 5 * BATCH.sentences * BATCH.target_tokens**2
    assert 0 <= needs.peak - needs.optimizer - found["peak"] <= masks * miniature(family).model.config.num_hidden_layers
    assert (needs.weights, needs.gradients) == (found["weights"], found["gradients"])
    assert needs.layer_flops + needs.loss_flops == found["flops"]


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_and_state_are_those_of_the_model(family: FamilyName) -> None:
    model = maker(family)()
    parameters = sum(p.numel() for p in model.parameters())
    needs = counted(family, Load(BATCH))
    assert (needs.parameters, needs.trained) == (parameters, parameters)
    assert needs.weights == 4 * parameters + sum(b.nbytes for b in model.buffers())
    optimizer = torch.optim.AdamW(model.parameters())
    part_loss(model, empty_batch(BATCH), Load(BATCH), at_output=lambda states: None).backward()
    optimizer.step()
    moments = [value for state in optimizer.state.values() for value in state.values() if value.dim()]
    assert needs.optimizer == sum(value.nbytes for value in moments)


@pytest.mark.parametrize("family", ["mbart", "mt5"])
def test_products_are_counted_as_torch_counts_them(family: FamilyName) -> None:
    # Torch's counter passes over two operations: attention in one kernel on a processor, for which there must be no
    # dropout, and products that are added in place, which the loss has none of in bfloat16.
    load = Load(BATCH, precision="bf16")
    config = copy.deepcopy(miniature(family).model.config)
    config.attention_dropout = 0.1
    model = maker(family, config)()
    with FlopCounterMode(display=False) as counter:
        part_loss(model, empty_batch(BATCH), load, at_output=lambda states: None).backward()
    needs = footprint(maker(family, config), load)
    assert needs.layer_flops + needs.loss_flops == counter.get_total_flops()
    rows, width = model.get_output_embeddings().weight.shape
    assert needs.loss_flops == 6 * rows * width * BATCH.sentences * BATCH.target_tokens


@pytest.mark.parametrize("family", ["mbart", "mt5"])
def test_activations_are_what_autograd_saves(family: FamilyName) -> None:
    """Against torch's own hooks: every storage that is saved in the forward pass, weights and inputs excepted."""
    load = Load(BATCH)
    model = maker(family)()
    batch = empty_batch(BATCH)
    own = {weight.untyped_storage().data_ptr() for weight in [*model.parameters(), *model.buffers(), *batch.values()]}
    saved: dict[int, int] = {}
    reached = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if not reached and storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = part_loss(model, batch, load, at_output=reached.append)
    loss.backward()
    assert counted(family, load).activations == pytest.approx(sum(saved.values()), rel=0.03)


def test_activations_grow_with_the_sentences_and_gradients_do_not() -> None:
    small, large = (counted("mbart", Load(replace(BATCH, sentences=count))) for count in (4, 8))
    assert large.activations == pytest.approx(2 * small.activations, rel=0.02)
    assert large.layer_flops == 2 * small.layer_flops
    assert large.gradients == small.gradients


def test_parts_add_up_in_time_and_their_gradients_stay() -> None:
    one, four = counted("mbart", Load(BATCH)), counted("mbart", Load(BATCH, parts=4))
    assert four.layer_flops == 4 * one.layer_flops
    # From the second part on, the gradients of the first are there when the activations are at their most.
    assert 0 < four.peak - one.peak <= one.gradients


def test_checkpointing_keeps_less_and_computes_more() -> None:
    config = miniature("mbart").model.config
    batch = BatchShape(16, 30, 30)
    kept, anew = (footprint(maker("mbart", config), Load(batch, checkpointing=each)) for each in (False, True))
    assert anew.activations < kept.activations / 3
    assert 1.2 * kept.layer_flops < anew.layer_flops < 1.35 * kept.layer_flops
    assert anew.loss_flops == kept.loss_flops


@pytest.mark.parametrize("family", ["mbart", "mt5"])
def test_a_gpu_keeps_a_byte_a_value_of_dropout_and_no_attention_weights(family: FamilyName) -> None:
    batch = BatchShape(4, 48, 48)
    here, gpu = counted(family, Load(batch)), counted(family, Load(batch, gpu=True))
    assert gpu.activations < here.activations
    assert gpu.weights == here.weights
    # What was exchanged for the count is back.
    assert torch.equal(torch.nn.functional.dropout(torch.ones(3), p=1.0), torch.zeros(3))
    assert torch.nn.functional.dropout.__module__ == "torch.nn.functional"


def test_smaller_optimizers_keep_less() -> None:
    size = {"d_model": 128, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 500}
    config = AutoConfig.for_model("mbart", **size)
    names: tuple[Optimizer, ...] = ("adamw", "adamw_8bit", "adafactor")
    adamw, bits, factored = (footprint(maker("mbart", config), Load(BATCH, optimizer=name)) for name in names)
    assert adamw.optimizer == 8 * adamw.trained
    # A quarter, and the embeddings (of pieces) as they were.
    plain = 8 * adamw.embeddings
    assert bits.optimizer - plain == pytest.approx((adamw.optimizer - plain) / 4, rel=0.3)
    assert 0 < factored.optimizer < 0.05 * adamw.optimizer


def test_blocks_of_both_sizes_are_told_apart() -> None:
    with LiveBytes() as live:
        large = torch.empty(LARGE_BLOCK, dtype=torch.uint8)
        small = torch.empty(LARGE_BLOCK - 1, dtype=torch.uint8)
        view = large[1:]
        assert (live.small.now, live.large.now) == (small.nbytes, large.nbytes)
        assert live.calls == 2
        del large
        assert live.large.now == LARGE_BLOCK
        del view
        assert (live.large.now, live.large.peak, live.all.now) == (0, LARGE_BLOCK, LARGE_BLOCK - 1)


def test_a_large_model_is_counted_without_its_memory() -> None:
    config = AutoConfig.for_model("mbart", vocab_size=250_000, d_model=1024, encoder_layers=1, decoder_layers=1)
    before = psutil.Process().memory_info().rss
    needs = footprint(maker("mbart", config), Load(BatchShape(64, 64, 64), precision="bf16", gpu=True))
    assert needs.weights > 1e9
    assert needs.peak > 5e9
    assert psutil.Process().memory_info().rss - before < 0.5e9
