"""A training written out in plain torch: what a stage is compared with; and how a stage is stopped on its way."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from switchtune.config.training import TrainingSettings
from switchtune.examples import Examples
from switchtune.models.layout import IGNORED_LABEL
from switchtune.models.load import Loaded
from switchtune.training.batches import BatchPlan, EncodedExamples, measure
from switchtune.training.curve import Curve
from switchtune.training.optimizers import learning_rate_factor, warmup_updates


def train_plainly(
    loaded: Loaded,
    examples: Examples,
    optimizer: torch.optim.Optimizer,
    settings: TrainingSettings,
    *,
    updates: int,
    seed: int = 1,
    left_out: tuple[int, ...] = (),
) -> None:
    """Train in place, without dropout; the batches of the updates in `left_out` are passed over."""
    lengths = measure(examples, loaded.layout, settings.max_tokens)
    plan = iter(
        BatchPlan(
            lengths.longest,
            settings.tokens_per_batch,
            updates,
            seed,
            settings.accumulation,
            surplus=lengths.surplus,
        )
    )
    data = EncodedExamples(examples, loaded.layout, settings.max_tokens)
    peaks = [group["lr"] for group in optimizer.param_groups]
    warmup = warmup_updates(settings, updates)
    for done in range(updates):
        keys = [next(plan) for _ in range(settings.accumulation)]
        parts = [loaded.layout.collate(data.__getitems__(part)) for part in keys if part]
        if done + 1 in left_out:
            continue
        factor = learning_rate_factor(done, updates=updates, warmup=warmup, schedule=settings.schedule)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * factor
        tokens = sum(int((part["labels"] != IGNORED_LABEL).sum()) for part in parts)
        for part in parts:
            labels = part.pop("labels")
            logits = loaded.model(**part).logits
            loss = cross_entropy(
                logits.flatten(0, 1), labels.flatten(), reduction="sum", label_smoothing=settings.label_smoothing
            )
            (loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(loaded.model.parameters(), settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad()


def stopping_at(update: int) -> Callable[[Curve, dict[str, Any]], None]:
    """In place of `Curve.add`: stops the training at its first entry of `update` or a later one, as a user would."""
    add = Curve.add

    def instead(curve: Curve, entry: dict[str, Any]) -> None:
        if entry["update"] >= update:
            raise KeyboardInterrupt
        add(curve, entry)

    return instead
