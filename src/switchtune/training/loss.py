"""The one loss: label-smoothed cross entropy from the decoder's states, without logits of tokens × vocabulary.

Logits are computed for a chunk of tokens at a time, and with them the chunk's share of the gradients, so that no chunk
is computed twice: three products of matrices, as the plain way has.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial, wraps
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from switchtune.errors import SwitchtuneError
from switchtune.models.forward import decoder_states
from switchtune.models.layout import IGNORED_LABEL

_CHUNKS = {"cpu": (256, 1 << 22), "cuda": (1024, 1 << 26)}
"""Fewest tokens of a chunk, and about how many logits. Fewer tokens, and reading and writing the matrix's gradient for
every chunk takes longer than computing it; more logits gain nothing (measured on a CPU; on a GPU by its bandwidth)."""


class LossParts(NamedTuple):
    """Scalars, summed over the target tokens; the losses in nats."""

    loss: torch.Tensor
    """Smoothed; what is to be trained."""
    nll: torch.Tensor
    """Plain negative log likelihood, detached."""
    tokens: torch.Tensor
    """Number of target tokens."""


class _Sums(NamedTuple):
    loss: torch.Tensor
    nll: torch.Tensor
    states_gradient: torch.Tensor | None
    matrix_gradient: torch.Tensor | None


def chunk_tokens(pieces: int, device_type: str) -> int:
    """Tokens whose logits over a vocabulary of `pieces` are held at once; each takes up to 8 bytes."""
    fewest, logits = _CHUNKS.get(device_type, _CHUNKS["cuda"])
    return max(fewest, logits // pieces)


def loss_from_forward(model: PreTrainedModel) -> AbstractContextManager[None]:
    """Within, `model(**batch, label_smoothing=ε)` returns the `LossParts` of the batch, and never makes its logits.

    The model is one of the families, or a peft model around one. Its forward raises SwitchtuneError where the output
    matrix is not a plain one.
    """
    return in_forward(model, partial(_model_loss, _without_adapters(model)))


@contextmanager
def in_forward(model: PreTrainedModel, loss: Callable[..., LossParts]) -> Iterator[None]:
    """Within, `model(**batch, label_smoothing=ε)` returns what `loss` does of the same arguments.

    The model's own `forward` does so, so that whatever stands around the model (DistributedDataParallel, FSDP, peft,
    torch.compile) sees all of the work.
    """
    inner = _without_adapters(model)
    plain = inner.forward

    @wraps(plain)
    def forward(*arguments: Any, label_smoothing: float | None = None, **inputs: Any) -> Any:
        if label_smoothing is None:
            return plain(*arguments, **inputs)
        # Wrappers name the arguments that were not given.
        named = {name: value for name, value in inputs.items() if value is not None}
        return loss(*arguments, label_smoothing=label_smoothing, **named)

    inner.forward = forward
    try:
        yield
    finally:
        del inner.forward


def _without_adapters(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _model_loss(
    model: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    decoder_input_ids: torch.Tensor,
    labels: torch.Tensor,
    *,
    label_smoothing: float,
) -> LossParts:
    states = decoder_states(
        model, {"input_ids": input_ids, "attention_mask": attention_mask, "decoder_input_ids": decoder_input_ids}
    )
    head: Any = model.get_output_embeddings()
    # Where rows of it are trained, peft stands around it; its weight is then the matrix with them.
    if not isinstance(getattr(head, "original_module", head), torch.nn.Linear):
        raise SwitchtuneError(
            f"The output matrix of this model is a {type(head).__name__}, of which the loss cannot be computed in "
            "chunks. Leave the output matrix (lm_head) out of what is adapted or replaced."
        )
    # mBART's bias over the vocabulary: a buffer, and not trained.
    bias = getattr(model, "final_logits_bias", None)
    parts: LossParts = label_smoothed_nll(
        states, head.weight, labels, label_smoothing, bias=None if bias is None else bias[0]
    )
    return parts


@torch.compiler.disable  # type: ignore[untyped-decorator]
def label_smoothed_nll(
    states: torch.Tensor,
    matrix: torch.Tensor,
    labels: torch.Tensor,
    epsilon: float,
    *,
    bias: torch.Tensor | None = None,
    chunk: int | None = None,
) -> LossParts:
    """Cross entropy against labels smoothed over the whole vocabulary, the form of fairseq that mBART was trained with.

    For a target token y and a vocabulary of V pieces: (1 − ε) · (−log p(y)) + ε/V · Σ_v (−log p(v)), with the
    probabilities p of the logits states · matrixᵀ + bias. Products are computed in the type of autocast where it is on,
    the softmax and all sums in float32 at least. Gradients can be had once: `backward` scales them in place.

    Args:
        states: (..., d), the decoder's last.
        matrix: (V, d), of the output embeddings.
        labels: (...), ids of the target tokens; `IGNORED_LABEL` where there is none.
        epsilon: ε, 0 ≤ ε < 1.
        bias: (V,), added to the logits; has no gradient.
        chunk: tokens whose logits are held at once, at least 1; by default what suits device and vocabulary.
    """
    labels = labels.flatten()
    states = states.flatten(0, -2)  # (positions, d)
    kept = (labels != IGNORED_LABEL).nonzero().squeeze(-1)
    if len(kept) < len(labels):
        states, labels = states[kept], labels[kept]
    chunk = chunk_tokens(len(matrix), states.device.type) if chunk is None else chunk
    if torch.is_grad_enabled() and (states.requires_grad or matrix.requires_grad):
        loss, nll = _DifferentiableSums.apply(states, matrix, bias, labels, epsilon, chunk)  # type: ignore[no-untyped-call]
    else:
        loss, nll, _, _ = _sums(states, matrix, bias, labels, epsilon, chunk, (False, False))
    return LossParts(loss, nll, torch.full((), len(labels), device=labels.device))


class _DifferentiableSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        matrix: torch.Tensor,
        bias: torch.Tensor | None,
        gold: torch.Tensor,
        epsilon: float,
        chunk: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        sums = _sums(states, matrix, bias, gold, epsilon, chunk, ctx.needs_input_grad[:2])
        ctx.save_for_backward(sums.states_gradient, sums.matrix_gradient)
        ctx.types = (states.dtype, matrix.dtype)
        ctx.mark_non_differentiable(sums.nll)
        return sums.loss, sums.nll

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, scale: torch.Tensor, _: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # In place: a copy of the matrix's gradient would come on top of all activations. Torch itself refuses a second
        # pass over a saved tensor that was changed.
        gradients = [
            None if gradient is None else gradient.mul_(scale).to(dtype)
            for gradient, dtype in zip(ctx.saved_tensors, ctx.types, strict=True)
        ]
        return *gradients, None, None, None, None


def _sums(
    states: torch.Tensor,
    matrix: torch.Tensor,
    bias: torch.Tensor | None,
    gold: torch.Tensor,
    epsilon: float,
    chunk: int,
    needs_gradient: tuple[bool, bool],
) -> _Sums:
    """Losses and gradients of target tokens. states: (tokens, d), matrix: (V, d), bias: (V,), gold: (tokens,)

    The smoothed part, Σ_v (−log p(v)) = V · log Σ_v exp(logit_v) − Σ_v logit_v, is linear in the logits, and its second
    term needs none of them: their mean is that of the matrix's rows times the state.
    """
    device = states.device.type
    working = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
    precise = torch.promote_types(working, torch.float32)
    pieces = len(matrix)
    with torch.autocast(device, enabled=False):
        states, matrix = states.to(working), matrix.to(working)
        bias = None if bias is None else bias.to(working)
        summed_state = states.sum(0, dtype=precise)  # (d,)
        states_gradient = torch.empty_like(states, dtype=precise) if needs_gradient[0] else None
        matrix_gradient = (summed_state * (-epsilon / pieces)).repeat(pieces, 1) if needs_gradient[1] else None
        nll = torch.zeros((), dtype=precise, device=states.device)
        log_normalisers = torch.zeros_like(nll)
        for start in range(0, len(gold), chunk):
            part = slice(start, start + chunk)
            some, labels = states[part], gold[part].unsqueeze(-1)
            logits = some @ matrix.T if bias is None else torch.addmm(bias, some, matrix.T)  # (chunk, V)
            log_normalisers += logits.gather(-1, labels).sum(dtype=precise)
            log_probabilities = logits.log_softmax(-1, dtype=precise)
            del logits
            surprisal = -log_probabilities.gather(-1, labels).sum()
            nll += surprisal
            log_normalisers += surprisal
            if not any(needs_gradient):
                continue
            errors = log_probabilities.exp_()  # p − (1 − ε) · [v = y], but for the smoothed part
            errors.scatter_add_(-1, labels, errors.new_full(labels.shape, epsilon - 1))
            errors = errors.to(working)
            del log_probabilities
            if states_gradient is not None:
                states_gradient[part] = errors @ matrix
            if matrix_gradient is not None and working == precise:
                matrix_gradient.addmm_(errors.T, some)
            elif matrix_gradient is not None:
                matrix_gradient += errors.T @ some
            del errors
        loss = (1 - epsilon) * nll
        if epsilon:
            mean_row = matrix.mean(0, dtype=precise)  # (d,)
            if states_gradient is not None:
                states_gradient -= epsilon * mean_row
            mean_logits = torch.dot(summed_state, mean_row)
            if bias is not None:
                mean_logits += len(gold) * bias.mean(dtype=precise)
            loss += epsilon * (log_normalisers - mean_logits)
    return _Sums(loss, nll, states_gradient, matrix_gradient)
