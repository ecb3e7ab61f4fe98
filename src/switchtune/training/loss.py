"""The one loss: label-smoothed cross entropy, summed over the target tokens."""

import torch

from switchtune.models.families import IGNORED_LABEL


def label_smoothed_nll(
    logits: torch.Tensor, labels: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cross entropy against labels smoothed over the whole vocabulary, the form of fairseq that mBART was trained with.

    For a target token y and a vocabulary of V pieces: (1 − ε) · (−log p(y)) + ε/V · Σ_v (−log p(v)).

    Args:
        logits: (..., V), any floating type; computed in float32.
        labels: (...), ids of the target tokens; `IGNORED_LABEL` where there is none.
        epsilon: ε, 0 ≤ ε < 1.

    Returns:
        Three scalars: the smoothed loss and the plain negative log likelihood (detached), both in nats and summed over
        the target tokens, and the number of target tokens.
    """
    log_probabilities = logits.float().log_softmax(-1)  # (..., V)
    padding = labels == IGNORED_LABEL
    gold = labels.masked_fill(padding, 0).unsqueeze(-1)
    nll = -log_probabilities.gather(-1, gold).squeeze(-1).masked_fill(padding, 0).sum()
    tokens = padding.numel() - padding.sum()
    if epsilon == 0:
        return nll, nll.detach(), tokens
    uniform = -log_probabilities.mean(-1).masked_fill(padding, 0).sum()
    return (1 - epsilon) * nll + epsilon * uniform, nll.detach(), tokens
