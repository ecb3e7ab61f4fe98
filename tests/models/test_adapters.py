"""Adapters: they alone learn, and what is left of them afterwards is in the weights of a plain model."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from switchtune.config.pretrain import FamilyName
from switchtune.config.training import LoraSettings
from switchtune.errors import UsageError
from switchtune.examples import Example
from switchtune.models.adapters import adapted, require_peft
from switchtune.models.load import Loaded, load_model, save_model, verify_saved
from switchtune.models.rows import ADDED_ROWS, row_matrices
from switchtune.training.loss import loss_from_forward
from tests.miniature import ARCHITECTURES, ENGLISH, GERMAN, miniature

FAMILIES: tuple[FamilyName, ...] = get_args(FamilyName)
LORA = LoraSettings(rank=4, alpha=8, dropout=0.1)


def fresh(family: FamilyName) -> Loaded:
    made = miniature(family)
    return Loaded(copy.deepcopy(made.model), made.tokenizer, made.layout)


def logits(loaded: Loaded) -> torch.Tensor:
    layout = loaded.layout
    sources = layout.batch_encode_source(GERMAN[:4], "de", "en")
    targets = layout.collate_source(layout.batch_encode_source(ENGLISH[:4], "en", "de"))["input_ids"]
    with torch.no_grad():
        found: torch.Tensor = loaded.model(**layout.collate_source(sources), decoder_input_ids=targets).logits
    return found


def some_batch(loaded: Loaded) -> dict[str, torch.Tensor]:
    layout = loaded.layout
    examples = [Example(source, "de", target, "en") for source, target in zip(GERMAN[:4], ENGLISH[:4], strict=True)]
    return layout.collate(layout.batch_encode(examples, max_tokens=64))


def weights(loaded: Loaded) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in loaded.model.named_parameters()}


def learn(loaded: Loaded) -> None:
    """Change everything that may learn, as a training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in loaded.model.parameters():
            if weight.requires_grad:
                weight += 0.1 * torch.randn(weight.shape, generator=generator)


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_alone_learn_and_are_merged(family: FamilyName) -> None:
    loaded, before, tied = fresh(family), weights(fresh(family)), fresh(family).model.config.tie_word_embeddings
    names, at_first = list(before), logits(loaded)
    with adapted(loaded.model, LORA, seed=1):
        # At first they add nothing.
        torch.testing.assert_close(logits(loaded), at_first)
        learning = {name for name, weight in loaded.model.named_parameters() if weight.requires_grad}
        assert all("lora_" in name for name in learning)
        learn(loaded)
        kept = {name.replace(".base_layer", ""): weight for name, weight in weights(loaded).items()}
        assert all(torch.equal(kept[name], before[name]) for name in names)
        adapted_logits = logits(loaded)
    assert not torch.allclose(adapted_logits, at_first, atol=1e-3)
    torch.testing.assert_close(logits(loaded), adapted_logits, rtol=0, atol=1e-5)
    after = weights(loaded)
    assert list(after) == names
    assert all(weight.requires_grad for weight in loaded.model.parameters())
    assert not loaded.model.training
    assert loaded.model.config.tie_word_embeddings == tied
    # All projections of attention and feed-forward, and nothing else: no norm, no bias, no embedding.
    changed = {name for name in names if not torch.equal(after[name], before[name])}
    projections = {
        f"{name}.weight"
        for name, layer in loaded.model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name != "lm_head"
    }
    assert changed == projections


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_what_is_saved_afterwards_is_a_plain_model(family: FamilyName, tmp_path: Path) -> None:
    loaded = fresh(family)
    with adapted(loaded.model, LORA, seed=1):
        learn(loaded)
    save_model(loaded, tmp_path / "model", "de", "en")
    verify_saved(tmp_path / "model", GERMAN[:2], loaded, "de", "en")
    again = load_model(str(tmp_path / "model"))
    torch.testing.assert_close(logits(again), logits(loaded), rtol=0, atol=1e-5)
    # The next stage has adapters of its own, on top of the merged weights.
    with adapted(again.model, LORA, seed=2):
        torch.testing.assert_close(logits(again), logits(loaded), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ARCHITECTURES)
def test_rows_that_were_added_learn_beside_the_adapters_and_no_others(family: FamilyName, tmp_path: Path) -> None:
    loaded, before = fresh(family), row_matrices(fresh(family).model)
    batch = some_batch(loaded)
    added = [int(batch["input_ids"][0, 1]), int(batch["labels"][1, 0])]
    setattr(loaded.model.config, ADDED_ROWS, added)
    with adapted(loaded.model, LORA, seed=1), loss_from_forward(loaded.model):
        optimizer = torch.optim.SGD([each for each in loaded.model.parameters() if each.requires_grad], lr=0.01)
        for _ in range(2):
            optimizer.zero_grad()
            loaded.model(**batch, label_smoothing=0.1).loss.backward()
            optimizer.step()
        adapted_logits = logits(loaded)
    torch.testing.assert_close(logits(loaded), adapted_logits, rtol=0, atol=1e-5)
    after = row_matrices(loaded.model)
    assert after.keys() == before.keys()
    for role in after.keys() - {"bias"}:
        changed = (after[role] != before[role]).any(dim=1).nonzero().flatten().tolist()
        assert changed == sorted(added), role
    save_model(loaded, tmp_path / "model", "de", "en")
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
    assert again.config.to_dict()[ADDED_ROWS] == added
    torch.testing.assert_close(logits(replace(loaded, model=again)), adapted_logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ["m2m100", "mt5"])
def test_added_rows_have_the_gradients_that_they_have_where_all_weights_learn(family: FamilyName) -> None:
    loaded, added = fresh(family), [5, 9]
    batch = some_batch(loaded)

    with loss_from_forward(loaded.model):
        loaded.model(**batch, label_smoothing=0.1).loss.backward()
    expected = [matrix.grad[added] for role, matrix in row_matrices(loaded.model).items() if role != "bias"]
    loaded.model.zero_grad()
    setattr(loaded.model.config, ADDED_ROWS, added)
    with adapted(loaded.model, LORA, seed=1), loss_from_forward(loaded.model):
        loaded.model(**batch, label_smoothing=0.1).loss.backward()
        found = [each.grad for name, each in loaded.model.named_parameters() if "trainable_tokens" in name]
    torch.testing.assert_close(found, expected)


def test_the_seed_decides_the_adapters_and_nothing_beside_them() -> None:
    made: list[torch.Tensor] = []
    torch.manual_seed(5)
    expected = torch.rand(3)
    for seed in (1, 1, 2):
        loaded = fresh("mbart")
        torch.manual_seed(5)
        with adapted(loaded.model, LORA, seed=seed):
            assert torch.equal(torch.rand(3), expected)
            made.append(torch.cat([weight.flatten() for weight in loaded.model.parameters() if weight.requires_grad]))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_an_error_leaves_the_weights_as_they_were() -> None:
    loaded, before = fresh("mt5"), weights(fresh("mt5"))
    with pytest.raises(KeyboardInterrupt), adapted(loaded.model, LORA, seed=1):
        learn(loaded)
        raise KeyboardInterrupt
    after = weights(loaded)
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(weight.requires_grad for weight in loaded.model.parameters())


def test_adapters_that_cannot_be_made_leave_the_model_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: torch.nn.Module, *arguments: object) -> None:
        model.requires_grad_(False)
        raise RuntimeError("no adapters")

    loaded = fresh("mt5")
    setattr(loaded.model.config, ADDED_ROWS, [3])
    loaded.model.config.tie_word_embeddings = False
    monkeypatch.setattr("peft.LoraModel", fail)
    with pytest.raises(RuntimeError, match="no adapters"), adapted(loaded.model, LORA, seed=1):
        pass
    assert loaded.model.config.tie_word_embeddings is False
    assert all(weight.requires_grad for weight in loaded.model.parameters())


def test_without_adapters_all_weights_learn() -> None:
    loaded = fresh("mbart")
    with adapted(loaded.model, None, seed=1):
        assert all(weight.requires_grad for weight in loaded.model.parameters())


@pytest.mark.parametrize(
    ("family", "targets", "changed"),
    [("mbart", ("q_proj", "v_proj"), {"q_proj", "v_proj"}), ("mt5", ("wo",), {"wo"}), ("m2m100", ("fc1",), {"fc1"})],
)
def test_only_the_layers_that_are_named_have_adapters(
    family: FamilyName, targets: tuple[str, ...], changed: set[str]
) -> None:
    loaded, before = fresh(family), weights(fresh(family))
    with adapted(loaded.model, LoraSettings(rank=2, targets=targets), seed=1):
        learn(loaded)
    after = weights(loaded)
    assert {name.split(".")[-2] for name in before if not torch.equal(after[name], before[name])} == changed


def test_a_layer_that_is_not_there_names_the_nearest() -> None:
    with (
        pytest.raises(UsageError, match=r"training\.lora\.targets: this model has no linear layer 'q_prj'; .*'q_proj'"),
        adapted(fresh("mbart").model, LoraSettings(targets=("v_proj", "q_prj")), seed=1),
    ):
        pass


def test_without_peft_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setattr("switchtune.models.adapters.find_spec", lambda name: missing)
    with pytest.raises(UsageError, match=r"training\.lora needs peft.*pip install 'switchtune\[lora\]'"):
        require_peft()
