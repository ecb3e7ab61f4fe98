"""What models compute where nothing is trained."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from switchtune.config.pretrain import FamilyName
from switchtune.examples import Example
from switchtune.models.families import FAMILIES
from switchtune.models.forward import decoder_states, evaluating, longest_first, on_device_of
from tests.miniature import ENGLISH, GERMAN, miniature


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 120))
def test_batches_begin_with_the_longest(lengths: list[int], budget: int) -> None:
    """Every sentence once, the longest first, within the budget, and no batch that could have taken one more."""
    batches = list(longest_first(lengths, budget))
    order = [index for batch in batches for index in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[index] for index in order] == sorted(lengths, reverse=True)
    assert all(len(batch) == 1 or len(batch) * lengths[batch[0]] <= budget for batch in batches)
    assert all((len(batch) + 1) * lengths[batch[0]] > budget for batch in batches[:-1])


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_a_model_is_put_back(training: bool) -> None:
    model = miniature().model
    model.train(training)
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    assert all(module.training is training for module in model.modules())
    with pytest.raises(ValueError, match="stop"), evaluating(model):
        raise ValueError("stop")
    assert model.training is training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_made_from_the_decoders_states(family: FamilyName) -> None:
    loaded = miniature(family)
    model: Any = loaded.model
    examples = [Example(source, "de", target, "en") for source, target in zip(GERMAN, ENGLISH, strict=True)]
    batch = on_device_of(model, loaded.layout.collate(loaded.layout.batch_encode(examples, max_tokens=64)))
    del batch["labels"]
    with evaluating(model):
        states = decoder_states(model, batch)
        expected = model(**batch).logits
        bias = getattr(model, "final_logits_bias", 0)
        torch.testing.assert_close(model.get_output_embeddings()(states) + bias, expected)
