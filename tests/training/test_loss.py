"""The loss against the plain formula, against torch's own, and against itself in parts."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from switchtune.models.families import IGNORED_LABEL
from switchtune.training.loss import label_smoothed_nll


def batch(seed: int, sentences: int = 3, length: int = 5, pieces: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    logits = torch.tensor(3 * rng.standard_normal((sentences, length, pieces)), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, pieces, (sentences, length)))
    labels[torch.tensor(rng.random((sentences, length)) < 0.3)] = IGNORED_LABEL
    labels[0, 0] = 0
    return logits, labels


@given(seed=st.integers(0, 10**6), epsilon=st.sampled_from([0.0, 0.1, 0.2, 0.9]))
def test_equals_the_formula_written_out(seed: int, epsilon: float) -> None:
    logits, labels = batch(seed)
    expected_loss = expected_nll = 0.0
    for scores, label in zip(logits.reshape(-1, 7).tolist(), labels.flatten().tolist(), strict=True):
        if label == IGNORED_LABEL:
            continue
        total = sum(math.exp(score) for score in scores)
        surprisals = [-math.log(math.exp(score) / total) for score in scores]
        expected_nll += surprisals[label]
        expected_loss += (1 - epsilon) * surprisals[label] + epsilon / 7 * sum(surprisals)
    loss, nll, tokens = label_smoothed_nll(logits, labels, epsilon)
    assert loss.item() == pytest.approx(expected_loss, rel=1e-5)
    assert nll.item() == pytest.approx(expected_nll, rel=1e-5)
    assert tokens.item() == int((labels >= 0).sum())


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_equals_torch_with_its_gradient(epsilon: float) -> None:
    logits, labels = batch(1)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, _, _ = label_smoothed_nll(ours, labels, epsilon)
    loss.backward()
    reference = cross_entropy(
        theirs.flatten(0, 1), labels.flatten(), label_smoothing=epsilon, reduction="sum", ignore_index=IGNORED_LABEL
    )
    reference.backward()
    torch.testing.assert_close(loss, reference)
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert ours.grad is not None
    assert (ours.grad[labels == IGNORED_LABEL] == 0).all()


def test_sums_over_parts_are_the_sum_over_the_whole() -> None:
    logits, labels = batch(2, sentences=4)
    whole = torch.stack(label_smoothed_nll(logits, labels, 0.2))
    parts = [torch.stack(label_smoothed_nll(logits[half], labels[half], 0.2)) for half in (slice(0, 1), slice(1, 4))]
    torch.testing.assert_close(whole, parts[0] + parts[1])


def test_half_precision_logits_are_summed_in_single_precision() -> None:
    logits, labels = batch(3, sentences=40, length=20)
    halved = logits.bfloat16()
    loss, nll, _ = label_smoothed_nll(halved, labels, 0.2)
    expected_loss, expected_nll, _ = label_smoothed_nll(halved.float(), labels, 0.2)
    assert loss.dtype == torch.float32
    assert (loss, nll) == (expected_loss, expected_nll)


def test_a_batch_of_padding_alone_has_no_loss() -> None:
    logits, labels = batch(4)
    loss, nll, tokens = label_smoothed_nll(logits, torch.full_like(labels, IGNORED_LABEL), 0.2)
    assert (loss.item(), nll.item(), tokens.item()) == (0, 0, 0)
