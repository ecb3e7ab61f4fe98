"""What an update takes: the counts on tensors that hold nothing are those of the same update on real ones."""

import copy
import math
from functools import cache

import psutil
import pytest
import torch
from transformers import AutoConfig

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import LoraSettings, TrainingSettings
from switchtune.models.adapters import insert_adapters
from switchtune.models.load import random_model
from switchtune.models.rows import ADDED_ROWS
from switchtune.training.footprint import (
    BatchShape,
    Footprint,
    LiveBytes,
    empty_batch,
    footprint,
    measured_seconds,
)
from switchtune.training.loss import loss_from_forward
from switchtune.training.precision import compute_dtype, computing, computing_in
from tests.miniature import ARCHITECTURES, miniature

BATCH = BatchShape(3, 11, 7)
CPU = torch.device("cpu")
PLAIN = TrainingSettings()


@cache
def counted(family: FamilyName, settings: TrainingSettings = PLAIN, batch: BatchShape = BATCH) -> Footprint:
    return footprint(miniature(family).model.config, family, settings, batch, CPU)


def really(family: FamilyName, settings: TrainingSettings) -> dict[str, int]:
    """The peak of the bytes of an update with real weights, without the optimizer's, and what remains."""
    with LiveBytes() as live:
        model = random_model(miniature(family).model.config, seed=0)
        weights = live.now
        live.peak = live.now
        if settings.lora is not None:
            insert_adapters(model, settings.lora, seed=0)
        model.train()
        with computing(model, settings), loss_from_forward(model):
            with computing_in(compute_dtype(settings, family, CPU), CPU):
                loss = model(**empty_batch(BATCH), label_smoothing=settings.label_smoothing).loss
            loss.backward()
        gradients = sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)
        return {"peak": live.peak, "weights": weights, "gradients": gradients}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        *((family, {}) for family in ARCHITECTURES),
        *((family, {"precision": "bf16", "gradient_checkpointing": True}) for family in ("mbart", "mt5")),
    ],
)
def test_tensors_without_numbers_take_what_real_ones_take(family: FamilyName, changes: dict[str, object]) -> None:
    settings = TrainingSettings().model_copy(update=changes)
    needs, real = counted(family, settings), really(family, settings)
    # transformers leaves the decoder's mask out where it sees that there is no padding, which it cannot see here.
    masks = 5 * BATCH.sentences * BATCH.target_tokens**2
    assert 0 <= needs.peak - needs.optimizer - real["peak"] <= masks * miniature(family).model.config.num_hidden_layers
    assert (needs.weights, needs.gradients) == (real["weights"], real["gradients"])


@pytest.mark.parametrize("family", ["mbart", "m2m100"])
def test_layers_that_chance_may_drop_are_counted(family: FamilyName) -> None:
    config = copy.deepcopy(miniature(family).model.config)
    config.encoder_layerdrop = config.decoder_layerdrop = 0.05  # as M2M-100 is published
    assert footprint(config, family, PLAIN, BATCH, CPU) == counted(family)


def test_rows_that_were_added_are_counted_beside_the_adapters() -> None:
    settings, config = TrainingSettings(lora=LoraSettings(rank=2)), copy.deepcopy(miniature("m2m100").model.config)
    setattr(config, ADDED_ROWS, [5, 9])
    needs, without = footprint(config, "m2m100", settings, BATCH, CPU), counted("m2m100", settings)
    assert needs.gradients - without.gradients == 2 * config.d_model * 4
    assert needs.peak - without.peak > config.vocab_size * config.d_model * 4


@pytest.mark.parametrize("family", ["mbart", "mt5"])
def test_of_adapters_only_what_they_need_is_counted(family: FamilyName) -> None:
    settings = TrainingSettings(lora=LoraSettings(rank=2))
    needs, whole = counted(family, settings), counted(family)
    assert needs.gradients == really(family, settings)["gradients"]
    assert needs.gradients < whole.gradients / 5
    assert needs.optimizer == 2 * needs.gradients
    assert needs.weights == whole.weights + needs.gradients


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_weights_and_state_are_those_of_the_model(family: FamilyName) -> None:
    model = random_model(miniature(family).model.config, seed=0)
    parameters = sum(weight.numel() for weight in model.parameters())
    needs = counted(family, TrainingSettings(optimizer="adamw"))
    assert needs.weights == 4 * parameters + sum(buffer.nbytes for buffer in model.buffers())
    optimizer = torch.optim.AdamW(model.parameters())
    with loss_from_forward(model):
        model(**empty_batch(BATCH), label_smoothing=0.1).loss.backward()
    optimizer.step()
    moments = [value for state in optimizer.state.values() for value in state.values() if value.dim()]
    assert needs.optimizer == sum(value.nbytes for value in moments)


@pytest.mark.parametrize("family", ["mbart", "mt5"])
def test_activations_are_what_autograd_saves(family: FamilyName) -> None:
    """Against torch's own hooks: every storage that is saved in the forward pass, weights and inputs excepted."""
    model = random_model(miniature(family).model.config, seed=0)
    batch = empty_batch(BATCH)
    known = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers(), *batch.values()]}
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train()
    with loss_from_forward(model), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model(**batch, label_smoothing=0.2).loss
    loss.backward()
    assert counted(family).activations == pytest.approx(sum(saved.values()), rel=0.03)


def test_activations_grow_with_the_sentences_and_gradients_do_not() -> None:
    small, medium, large = (counted("mbart", batch=BatchShape(count, 11, 7)) for count in (4, 8, 12))
    assert large.activations - medium.activations == pytest.approx(medium.activations - small.activations, rel=0.02)
    assert large.activations > 1.5 * small.activations
    assert large.gradients == small.gradients


def test_gradients_of_the_parts_before_stay() -> None:
    one, four = counted("mbart"), counted("mbart", TrainingSettings(accumulation=4))
    # From the second part on, the gradients of the first are there when the activations are at their most.
    assert 0 < four.peak - one.peak <= one.gradients


def test_checkpointing_keeps_less() -> None:
    batch = BatchShape(60, 30, 30)
    kept, anew = (counted("mbart", TrainingSettings(gradient_checkpointing=on), batch) for on in (False, True))
    assert anew.activations < kept.activations / 3


def test_smaller_optimizers_keep_less() -> None:
    size = {"d_model": 128, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 500}
    config = AutoConfig.for_model("mbart", **size)
    adamw, bits, factored = (
        footprint(config, "mbart", TrainingSettings().model_copy(update={"optimizer": name}), BATCH, CPU)
        for name in ("adamw", "adamw_8bit", "adafactor")
    )
    assert adamw.optimizer == 2 * adamw.gradients
    # A quarter, and the embeddings (of pieces) as they were.
    plain = 8 * 500 * 128
    assert bits.optimizer - plain == pytest.approx((adamw.optimizer - plain) / 4, rel=0.3)
    assert 0 < factored.optimizer < 0.05 * adamw.optimizer


def test_storages_are_counted_once_and_while_they_live() -> None:
    with LiveBytes() as live:
        tensor = torch.empty(1000, dtype=torch.uint8)
        view = tensor[1:]
        assert live.now == 1000
        del tensor
        assert live.now == 1000
        del view
        assert (live.now, live.peak) == (0, 1000)


def test_a_large_model_is_counted_without_its_memory() -> None:
    config = AutoConfig.for_model("mbart", vocab_size=250_000, d_model=1024, encoder_layers=1, decoder_layers=1)
    before = psutil.Process().memory_info().rss
    needs = footprint(config, "mbart", TrainingSettings(precision="bf16"), BatchShape(64, 64, 64), torch.device("cuda"))
    assert needs.weights > 1e9
    assert needs.peak > 5e9
    assert psutil.Process().memory_info().rss - before < 0.5e9


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("mbart", TrainingSettings(accumulation=2)),
        ("mt5", TrainingSettings(gradient_checkpointing=True)),
        ("mbart", TrainingSettings(lora=LoraSettings(rank=2))),
    ],
)
def test_updates_are_measured_without_touching_torch(family: FamilyName, settings: TrainingSettings) -> None:
    config = copy.deepcopy(miniature(family).model.config)
    state = torch.random.get_rng_state()
    seconds = measured_seconds(config, family, settings, BATCH, CPU)
    assert 0 < seconds < math.inf
    assert torch.equal(torch.random.get_rng_state(), state)
