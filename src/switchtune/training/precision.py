"""How a model computes during a training: in which numbers, by which attention, compiled, keeping what."""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, cast

import torch
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils.import_utils import is_flash_attn_2_available

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.errors import UsageError
from switchtune.models.families import training_needs


def compute_dtype(settings: TrainingSettings, family: FamilyName | None, device: torch.device) -> torch.dtype:
    """The type of number that layers compute in; weights, their gradients and the loss stay in float32.

    Raises UsageError for fp16 on a CPU, or for a family that it is not for.
    """
    if settings.precision == "fp16":
        if reason := training_needs(family).no_fp16:
            raise UsageError(
                f"training.precision: fp16 does not go with {family}: {reason}. Set bf16, or fp32 on a GPU without it."
            )
        if device.type != "cuda":
            raise UsageError(
                f"training.precision: fp16 is for NVIDIA GPUs, and the training is on {device.type}. Set auto, fp32 or "
                "bf16."
            )
        return torch.float16
    if settings.precision == "auto":
        # A GPU without it can emulate it, slower than fp32.
        has = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has else torch.float32
    return torch.bfloat16 if settings.precision == "bf16" else torch.float32


def is_emulated(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a CPU has no instructions for products in bf16: they then take some 30 times as long as in fp32."""
    known = torch.ops.mkldnn._is_mkldnn_bf16_supported  # no public name tells it
    return device.type == "cpu" and dtype == torch.bfloat16 and not known()


def computing_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[Any]:
    """Have layers compute in a type of number; transformers' own switches patch forward and copy all outputs."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def require_attention(attention: str, family: FamilyName | None, dtype: torch.dtype, device: torch.device) -> None:
    """Raise UsageError for flash attention in fp32, without a GPU or its package, or where the family rules it out."""
    if attention != "flash_attention_2":
        return
    if (hindrance := training_needs(family).no_flash_attention) is not None:
        reason = hindrance
    elif device.type != "cuda":
        reason = f"needs an NVIDIA GPU, and the training is on {device.type}"
    elif dtype == torch.float32:
        reason = "computes in bf16 or fp16 only, and training.precision is fp32 here"
    elif not is_flash_attn_2_available():
        reason = "needs the package flash-attn, which is not installed (pip install flash-attn)"
    else:
        return
    raise UsageError(f"training.attention: flash_attention_2 {reason}. Set auto or sdpa.")


def require_compiler(device: torch.device) -> None:
    """Raise UsageError on a CPU without a C++ compiler, which torch.compile makes its code with."""
    names = [os.environ.get("CXX", "g++"), "g++", "clang++"]
    if device.type == "cpu" and not any(shutil.which(name) for name in names):
        raise UsageError(
            "training.compile: torch.compile needs a C++ compiler on a CPU, and there is neither g++ nor clang++. "
            "Install one, or set compile to false."
        )


_COMPILED_FORMS = 32
"""In how many forms the same code may be compiled before it is left as it is."""


@contextmanager
def computing(model: PreTrainedModel, settings: TrainingSettings) -> Iterator[None]:
    """Have the model compute as the settings ask, until the block ends; then it is as its owner gave it.

    Flash attention is only taken when asked for: it waits for the GPU in every layer to learn where sentences end, and
    gains on sequences longer than sentences.
    """
    with ExitStack() as stack:
        if settings.attention != "auto":
            # Encoder and decoder of mT5 have configurations of their own, which older transformers do not set along.
            parts = [part for part in model.modules() if isinstance(part, PreTrainedModel)]
            for part, before in [(part, part.config._attn_implementation) for part in parts]:
                stack.callback(part.set_attn_implementation, before)
                part.set_attn_implementation(settings.attention)
        if settings.gradient_checkpointing:
            # transformers 5 renamed it on the way, and warns of the older name.
            kind = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
            stack.callback(cast("Any", model).disable_input_require_grads)
            stack.callback(getattr(model, f"{kind}_checkpointing_disable"))
            getattr(model, f"{kind}_checkpointing_enable")({"use_reentrant": False})
        if settings.compile:
            # Each layer by itself: they are alike, so that what is compiled for one serves them all.
            for layer in [layer for layer in model.modules() if isinstance(layer, GradientCheckpointingLayer)]:
                setattr(layer, "forward", torch.compile(layer.forward, dynamic=True))  # noqa: B010
                stack.callback(delattr, layer, "forward")
            dynamo: Any = torch._dynamo
            # mT5's layers are all of one class: first and others, encoder's and decoder's, with gradients and without.
            stack.enter_context(dynamo.config.patch(recompile_limit=_COMPILED_FORMS))
        yield
