"""How a model computes during a training, and that it is as it was afterwards."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from transformers.modeling_layers import GradientCheckpointingLayer

from switchtune.config.pretrain import FamilyName
from switchtune.errors import UsageError
from switchtune.models.load import Loaded
from switchtune.training.curve import Curve, read_metrics
from switchtune.training.job import TrainingError
from switchtune.training.precision import compute_dtype, computing, is_emulated, require_attention, require_compiler
from tests.miniature import ARCHITECTURES
from tests.training.plain import stopping_at
from tests.training.test_trainer import fresh, same_weights, settings, train, translation

CPU, GPU, APPLE = torch.device("cpu"), torch.device("cuda"), torch.device("mps")
FAMILIES: tuple[FamilyName, ...] = get_args(FamilyName)


def test_precision_is_what_the_device_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def dtype(precision: str, device: torch.device = GPU) -> torch.dtype:
        return compute_dtype(settings(precision=precision), "mbart", device)

    assert compute_dtype(settings(precision="fp16"), None, GPU) == torch.float16
    assert [dtype(name, CPU) for name in ("auto", "fp32", "bf16")] == [torch.float32, torch.float32, torch.bfloat16]
    assert [dtype(name, APPLE) for name in ("auto", "bf16")] == [torch.float32, torch.bfloat16]
    assert [dtype(name) for name in ("fp32", "bf16", "fp16")] == [torch.float32, torch.bfloat16, torch.float16]
    for has, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has=has: has)
        assert dtype("auto") == expected


@pytest.mark.parametrize("has", [True, False])
def test_bf16_that_a_processor_emulates_is_told(has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    assert not is_emulated(torch.float32, CPU)
    assert not is_emulated(torch.bfloat16, GPU)
    said: list[str] = []
    for precision in ("auto", "bf16"):
        train(fresh(), tmp_path / precision, updates=1, precision=precision, on_message=said.append)
    assert [("emulates" in each) for each in said] == [True] * (not has)


def test_fp16_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match=r"fp16 does not go with mt5: .* 65,504 .*transformers#9295"):
        compute_dtype(settings(precision="fp16"), "mt5", GPU)
    for device in (CPU, APPLE):
        with pytest.raises(UsageError, match=f"fp16 is for NVIDIA GPUs, and the training is on {device.type}"):
            compute_dtype(settings(precision="fp16"), "mbart", device)


@pytest.mark.parametrize(
    ("family", "dtype", "device", "reason"),
    [
        ("mt5", torch.bfloat16, GPU, "cannot take the position bias of T5 and its kin"),
        ("mbart", torch.bfloat16, CPU, "needs an NVIDIA GPU"),
        ("mbart", torch.bfloat16, APPLE, "needs an NVIDIA GPU"),
        ("mbart", torch.float32, GPU, "computes in bf16 or fp16 only"),
        ("nllb", torch.bfloat16, GPU, "needs the package flash-attn"),
        (None, torch.bfloat16, GPU, "needs the package flash-attn"),
    ],
)
def test_flash_attention_is_refused_with_the_reason(
    family: FamilyName | None, dtype: torch.dtype, device: torch.device, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("switchtune.training.precision.is_flash_attn_2_available", lambda: False)
    with pytest.raises(UsageError, match=rf"flash_attention_2 {reason}.*Set auto or sdpa"):
        require_attention("flash_attention_2", family, dtype, device)
    monkeypatch.setattr("switchtune.training.precision.is_flash_attn_2_available", lambda: True)
    require_attention("flash_attention_2", "nllb", torch.bfloat16, GPU)
    require_attention("sdpa", family, dtype, device)


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UsageError, match="neither g\\+\\+ nor clang"):
        require_compiler(CPU)
    require_compiler(GPU)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/c" if name == "clang++" else None)
    require_compiler(CPU)


def forward_calls(loaded: Loaded, work: Callable[[], object]) -> int:
    """How often the layers are computed."""
    calls = [0]

    def counted(layer: Any, inputs: Any) -> None:
        calls[0] += 1

    # Inside the layers, since the layer itself is called once however often what is in it is computed.
    layers = [layer for layer in loaded.model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    inner = [next(part for part in layer.modules() if isinstance(part, torch.nn.Linear)) for layer in layers]
    handles = [module.register_forward_pre_hook(counted) for module in inner]
    work()
    for handle in handles:
        handle.remove()
    return calls[0]


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_checkpointing_computes_twice_and_changes_nothing(family: FamilyName, tmp_path: Path) -> None:
    calls, losses, models = [], [], []
    for checkpointing in (False, True):
        loaded, folder = fresh(family, dropout=0.1), tmp_path / str(checkpointing)
        hooks = sum(len(module._forward_hooks) for module in loaded.model.modules())
        work = functools.partial(
            train, loaded, folder, updates=3, evaluate_every=9, gradient_checkpointing=checkpointing
        )
        calls.append(forward_calls(loaded, work))
        losses.append([entry["loss"] for entry in read_metrics(folder / "metrics.jsonl") if "loss" in entry])
        models.append(loaded)
        assert not any(getattr(module, "gradient_checkpointing", False) for module in loaded.model.modules())
        assert sum(len(module._forward_hooks) for module in loaded.model.modules()) == hooks
    assert losses[0] == losses[1]
    assert same_weights(*models)
    layers = sum(isinstance(module, GradientCheckpointingLayer) for module in models[0].model.modules())
    assert calls[1] - calls[0] == 3 * layers


def test_checkpointing_may_be_switched_on_on_the_way(tmp_path: Path) -> None:
    train(fresh(), tmp_path)
    assert train(fresh(), tmp_path, gradient_checkpointing=True).resumed_from == 12


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["eager", "sdpa"])
def test_attention_is_the_one_asked_for_while_it_trains(family: FamilyName, name: str) -> None:
    loaded = fresh(family)
    batch = loaded.layout.collate([loaded.layout.encode(translation().make(0, 0), max_tokens=64)])
    before = loaded.model.config._attn_implementation
    assert before == "sdpa"
    usual = loaded.model(**batch).logits
    with computing(loaded.model, settings(attention=name)):
        assert loaded.model.get_encoder().config._attn_implementation == name
        torch.testing.assert_close(loaded.model(**batch).logits, usual)
    assert loaded.model.config._attn_implementation == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf Tensor")
@pytest.mark.parametrize("checkpointing", [False, True])
def test_compiled_layers_train_alike_and_are_plain_again(
    checkpointing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, compiled = fresh("m2m100"), fresh("m2m100")
    train(plain, tmp_path / "plain", updates=2)
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph

    # What is compiled is ours; into what is torch's own affair, and takes a minute.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    train(compiled, tmp_path / "compiled", updates=2, compile=True, gradient_checkpointing=checkpointing)
    assert graphs
    assert not any("forward" in vars(module) for module in compiled.model.modules())
    for mine, other in zip(compiled.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


@pytest.fixture
def half_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """fp16, which is refused on a CPU for its slowness alone."""
    monkeypatch.setattr("switchtune.training.loop.compute_dtype", lambda *given: torch.float16)


def test_fp16_trains_like_fp32(half_on_a_cpu: None, tmp_path: Path) -> None:
    half = train(fresh(), tmp_path / "half")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("switchtune.training.loop.compute_dtype", lambda *given: torch.float32)
        full = train(fresh(), tmp_path / "full")
    assert half.skipped == 0
    assert half.valid_nll[-1][1] == pytest.approx(full.valid_nll[-1][1], rel=0.01)
    assert half.valid_nll != full.valid_nll


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_fp16_finds_its_scale_and_resumes_with_it(
    optimizer: str, half_on_a_cpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A scale that overflows at first, is halved at each such update, and grows again after two without.
    scaler = functools.partial(torch.amp.GradScaler, init_scale=2.0**26, growth_interval=2)
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    undisturbed, resumed = fresh(dropout=0.1), fresh(dropout=0.1)
    result = train(undisturbed, tmp_path / "undisturbed", optimizer=optimizer)
    made = [entry["update"] for entry in read_metrics(tmp_path / "undisturbed" / "metrics.jsonl") if "loss" in entry]
    assert 1 < made[0] <= 6
    assert len(made) < 12
    assert result.skipped == 0
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Curve, "add", stopping_at(6))
        train(fresh(dropout=0.1), tmp_path / "stopped", optimizer=optimizer)
    assert train(resumed, tmp_path / "stopped", optimizer=optimizer).resumed_from == 4
    assert same_weights(resumed, undisturbed)


def test_fp16_gives_up_on_a_loss_that_is_not_finite(half_on_a_cpu: None, tmp_path: Path) -> None:
    loaded = fresh()

    def spoil(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if module.training:
            output.last_hidden_state.detach().fill_(torch.nan)

    loaded.model.get_decoder().register_forward_hook(spoil)
    with pytest.raises(TrainingError, match="the gradients of update 3 are not finite, as were those of 2 others"):
        train(loaded, tmp_path)


def test_fp16_gives_up_where_no_scale_is_left(
    half_on_a_cpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.amp, "GradScaler", functools.partial(torch.amp.GradScaler, init_scale=4.0))
    loaded = fresh()

    def spoil(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if module.training:
            output.last_hidden_state.register_hook(lambda gradient: gradient * torch.inf)

    loaded.model.get_decoder().register_forward_hook(spoil)
    # Scales 4 and 2 are tried first.
    with pytest.raises(TrainingError, match="the gradients of update 5 are not finite, as were those of 2 others"):
        train(loaded, tmp_path)
