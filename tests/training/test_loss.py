"""The loss in chunks against the plain formula on whole logits: value, gradients, memory, work; on all families."""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from switchtune.config.pretrain import FamilyName
from switchtune.errors import SwitchtuneError
from switchtune.examples import Example
from switchtune.models.layout import IGNORED_LABEL
from switchtune.models.load import Loaded
from switchtune.training.loss import LossParts, chunk_tokens, label_smoothed_nll, loss_from_forward
from tests.miniature import ALL, ENGLISH, GERMAN, T5S, miniature

PIECES, WIDTH = 11, 4


def fairseq_loss(logits: torch.Tensor, labels: torch.Tensor, epsilon: float) -> LossParts:
    """fairseq's `label_smoothed_nll_loss` written out on whole logits (ε/V form)."""
    log_probabilities = logits.log_softmax(-1)
    padding = labels == IGNORED_LABEL
    nll = -log_probabilities.gather(-1, labels.masked_fill(padding, 0).unsqueeze(-1)).squeeze(-1)
    smooth = -log_probabilities.sum(-1)
    nll, smooth = (terms.masked_fill(padding, 0).sum() for terms in (nll, smooth))
    loss = (1 - epsilon) * nll + epsilon / logits.shape[-1] * smooth
    return LossParts(loss, nll.detach(), (~padding).sum())


def batch(
    seed: int, shape: tuple[int, ...] = (3, 5), dtype: torch.dtype = torch.float32
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """States, matrix and bias with labels, of which a third are padding and the first is not."""
    rng = np.random.default_rng(seed)
    states, matrix, bias = (
        torch.tensor(rng.standard_normal(size), dtype=dtype) for size in ((*shape, WIDTH), (PIECES, WIDTH), (PIECES,))
    )
    labels = torch.tensor(rng.integers(0, PIECES, shape))
    labels[torch.tensor(rng.random(shape) < 0.3)] = IGNORED_LABEL
    labels[0, 0] = 0
    return states, matrix, bias, labels


def with_gradients(
    compute: Callable[[torch.Tensor, torch.Tensor], LossParts], states: torch.Tensor, matrix: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Loss, nll, tokens, and the gradients of the loss, scaled as a mean is."""
    states, matrix = states.clone().requires_grad_(), matrix.clone().requires_grad_()
    parts = compute(states, matrix)
    (parts.loss / 7).backward()
    assert states.grad is not None
    assert matrix.grad is not None
    return *(part.detach() for part in parts), states.grad, matrix.grad


@given(
    seed=st.integers(0, 10**6),
    epsilon=st.sampled_from([0.0, 0.1, 0.2, 0.9]),
    chunk=st.integers(1, 20),
    shape=st.sampled_from([(3, 5), (1, 1), (16, 1), (1, 16)]),
    biased=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_equals_the_formula_of_fairseq(
    seed: int, epsilon: float, chunk: int, shape: tuple[int, int], biased: bool, dtype: torch.dtype
) -> None:
    states, matrix, bias, labels = batch(seed, shape, dtype)

    def ours(states: torch.Tensor, matrix: torch.Tensor) -> LossParts:
        return label_smoothed_nll(states, matrix, labels, epsilon, bias=bias if biased else None, chunk=chunk)

    def plain(states: torch.Tensor, matrix: torch.Tensor) -> LossParts:
        return fairseq_loss(states @ matrix.T + (bias if biased else 0), labels, epsilon)

    found, expected = (with_gradients(compute, states, matrix) for compute in (ours, plain))
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    with torch.no_grad():
        torch.testing.assert_close(tuple(ours(states, matrix)), found[:3])


def test_gradients_are_slopes_of_the_loss() -> None:
    states, matrix, bias, labels = batch(1, dtype=torch.float64)
    _, _, _, *gradients = with_gradients(
        lambda states, matrix: label_smoothed_nll(states, matrix, labels, 0.2, bias=bias, chunk=4), states, matrix
    )
    for values, gradient in zip((states, matrix), gradients, strict=True):
        for place in np.ndindex(*values.shape):
            losses = []
            for step in (1e-6, -2e-6):
                values[place] += step
                losses.append(label_smoothed_nll(states, matrix, labels, 0.2, bias=bias).loss.item())
            values[place] += 1e-6
            assert gradient[place].item() == pytest.approx((losses[0] - losses[1]) / 2e-6 / 7, abs=1e-7)


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_equals_torch(epsilon: float) -> None:
    states, matrix, _, labels = batch(1)

    def theirs(states: torch.Tensor, matrix: torch.Tensor) -> LossParts:
        logits = (states @ matrix.T).flatten(0, 1)
        options: dict[str, Any] = {"reduction": "sum", "ignore_index": IGNORED_LABEL}
        loss = cross_entropy(logits, labels.flatten(), label_smoothing=epsilon, **options)
        nll = cross_entropy(logits.detach(), labels.flatten(), **options)
        return LossParts(loss, nll, (labels >= 0).sum())

    found = with_gradients(
        lambda states, matrix: label_smoothed_nll(states, matrix, labels, epsilon, chunk=4), states, matrix
    )
    torch.testing.assert_close(found, with_gradients(theirs, states, matrix))
    assert (found[3][labels == IGNORED_LABEL] == 0).all()


def test_a_uniform_guess_costs_the_logarithm_of_the_vocabulary() -> None:
    states, _, _, labels = batch(1)
    loss, nll, tokens = label_smoothed_nll(states, torch.zeros(PIECES, WIDTH), labels, 0.2)
    assert loss.item() == pytest.approx(tokens.item() * math.log(PIECES))
    assert nll.item() == pytest.approx(tokens.item() * math.log(PIECES))


def test_very_unlikely_tokens_have_a_finite_loss() -> None:
    states, labels = torch.tensor([[1.0], [1.0]]), torch.tensor([1, 2])
    matrix = torch.tensor([[0.0], [-500.0], [500.0]])
    found = with_gradients(lambda s, m: label_smoothed_nll(s, m, labels, 0.2), states, matrix)
    expected = with_gradients(lambda s, m: fairseq_loss(s @ m.T, labels, 0.2), states, matrix)
    torch.testing.assert_close(found, expected)
    assert found[1].item() == 1000


def test_sums_over_parts_are_the_sum_over_the_whole() -> None:
    states, matrix, _, labels = batch(2, (4, 5))

    def loss(part: slice) -> torch.Tensor:
        return torch.stack(label_smoothed_nll(states[part], matrix, labels[part], 0.2))

    torch.testing.assert_close(loss(slice(None)), loss(slice(0, 1)) + loss(slice(1, 4)))


def test_a_batch_of_padding_alone_has_no_loss_and_no_gradient() -> None:
    states, matrix, _, labels = batch(4)
    loss, nll, tokens, *gradients = with_gradients(
        lambda states, matrix: label_smoothed_nll(states, matrix, torch.full_like(labels, IGNORED_LABEL), 0.2),
        states,
        matrix,
    )
    assert (loss.item(), nll.item(), tokens.item()) == (0, 0, 0)
    assert all((gradient == 0).all() for gradient in gradients)


def test_autocast_computes_products_in_bfloat16_and_sums_in_single_precision() -> None:
    states, matrix, bias, labels = batch(3, (40, 20))

    def ours(states: torch.Tensor, matrix: torch.Tensor) -> LossParts:
        with torch.autocast("cpu", torch.bfloat16):
            return label_smoothed_nll(states, matrix, labels, 0.2, bias=bias, chunk=50)

    def plain(states: torch.Tensor, matrix: torch.Tensor) -> LossParts:
        with torch.autocast("cpu", torch.bfloat16):
            logits = torch.nn.functional.linear(states, matrix, bias)
        assert logits.dtype == torch.bfloat16
        return fairseq_loss(logits.float(), labels, 0.2)

    found, expected = (with_gradients(compute, states, matrix) for compute in (ours, plain))
    assert [tensor.dtype for tensor in found] == [tensor.dtype for tensor in expected]
    torch.testing.assert_close(found[:3], expected[:3], rtol=1e-3, atol=0)
    for gradient, plain_gradient in zip(found[3:], expected[3:], strict=True):
        assert (gradient - plain_gradient).norm() < 0.01 * plain_gradient.norm()
    # Bfloat16 sums of so many terms would be off by far more.
    exact = with_gradients(
        lambda states, matrix: fairseq_loss(states @ matrix.T + bias, labels, 0.2), states.double(), matrix.double()
    )
    assert found[0].item() == pytest.approx(exact[0].item(), rel=1e-3)
    assert (found[4] - exact[4]).norm() < 0.01 * exact[4].norm()


def test_a_model_in_half_precision_has_gradients_in_half_precision() -> None:
    states, matrix, _, labels = batch(3)
    found = with_gradients(lambda s, m: label_smoothed_nll(s, m, labels, 0.2), states.bfloat16(), matrix.bfloat16())
    assert [tensor.dtype for tensor in found[:2]] == [torch.float32] * 2
    assert [tensor.dtype for tensor in found[3:]] == [torch.bfloat16] * 2


def test_gradients_can_be_had_once() -> None:
    states, matrix, _, labels = batch(1)
    loss = label_smoothed_nll(states.requires_grad_(), matrix, labels, 0.2).loss
    (2 * loss).backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# --- work and memory -------------------------------------------------------------------------------------------------


class LargestTensor(TorchDispatchMode):
    """Elements of the largest tensor that any operation makes."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor)]
        self.elements = max(self.elements, *sizes, 0)
        return made


def long_batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """280 target tokens among 400 positions, and a matrix that is smaller than their logits."""
    generator = torch.Generator().manual_seed(1)
    states, matrix = torch.randn(400, 8, generator=generator), torch.randn(50, 8, generator=generator)
    labels = torch.randint(0, 50, (400,), generator=generator)
    labels[280:] = IGNORED_LABEL
    return states.requires_grad_(), matrix.requires_grad_(), labels


def test_logits_of_one_chunk_are_held_at_once() -> None:
    states, matrix, labels = long_batch()
    with LargestTensor() as largest:
        label_smoothed_nll(states, matrix, labels, 0.2, chunk=70).loss.backward()
    assert largest.elements == 70 * 50
    with LargestTensor() as plain:
        fairseq_loss(states @ matrix.T, labels, 0.2).loss.backward()
    assert plain.elements == 400 * 50


def flops_of_addmm_(total: Any, one: Any, other: Any, **_: Any) -> int:
    """By shapes; torch's counter passes over products that are added in place."""
    return 2 * int(one[0] * one[1] * other[1])


@pytest.mark.parametrize(("trains_matrix", "trains_states", "products"), [(1, 1, 3), (0, 1, 2), (1, 0, 2), (0, 0, 1)])
def test_nothing_is_computed_twice_or_for_padding(trains_matrix: bool, trains_states: bool, products: int) -> None:
    states, matrix, labels = long_batch()
    matrix.requires_grad_(bool(trains_matrix))
    states.requires_grad_(bool(trains_states))
    accumulated: Any = {torch.ops.aten.addmm_: flops_of_addmm_}
    with FlopCounterMode(display=False, custom_mapping=accumulated) as counter:
        loss = label_smoothed_nll(states, matrix, labels, 0.2, chunk=64).loss
        if loss.requires_grad:
            loss.backward()
    assert counter.get_total_flops() == products * 2 * 280 * 50 * 8


def test_a_chunk_holds_fewer_tokens_of_a_larger_vocabulary() -> None:
    for device in ("cpu", "cuda"):
        chunks = [chunk_tokens(pieces, device) for pieces in (1_000, 16_000, 64_000, 250_000)]
        assert chunks == sorted(chunks, reverse=True)
        assert chunks[0] > chunks[-1] >= 128


# --- models ----------------------------------------------------------------------------------------------------------


def fresh(family: FamilyName, *, training: bool = False) -> Loaded:
    """A miniature of one's own without dropout, whose biases are not zero."""
    made = miniature(family)
    model = copy.deepcopy(made.model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    if "final_logits_bias" in dict(model.named_buffers()):
        model.final_logits_bias.copy_(torch.linspace(-2, 2, model.config.vocab_size))
    model.train(training)
    return Loaded(model, made.tokenizer, made.layout)


def inputs_of(loaded: Loaded) -> dict[str, torch.Tensor]:
    examples = [Example(GERMAN[place], "de", ENGLISH[place + 1], "en") for place in range(4)]
    return loaded.layout.collate(loaded.layout.batch_encode(examples, max_tokens=64))


def plain_gradients(loaded: Loaded, epsilon: float) -> tuple[LossParts, dict[str, torch.Tensor]]:
    """By the model's own logits; leaves no gradient behind."""
    inputs = inputs_of(loaded)
    labels = inputs.pop("labels")
    parts = fairseq_loss(loaded.model(**inputs).logits, labels, epsilon)
    mean(parts).backward()
    return parts, taken_gradients(loaded.model)


def mean(parts: Any) -> torch.Tensor:
    loss, _, tokens = parts
    result: torch.Tensor = loss / tokens
    return result


def taken_gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    return gradients


def assert_same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [False, True], ids=["plain", "checkpointing"])
@pytest.mark.parametrize("family", ALL)
def test_every_family_has_the_loss_and_gradients_of_its_own_logits(family: FamilyName, training: bool) -> None:
    loaded = fresh(family, training=training)
    expected, gradients = plain_gradients(loaded, 0.2)
    if training:
        # Renamed within the versions of transformers that are supported.
        model: Any = loaded.model
        getattr(model, "activation_checkpointing_enable", getattr(model, "gradient_checkpointing_enable", None))()
    with loss_from_forward(loaded.model):
        found = loaded.model(**inputs_of(loaded), label_smoothing=0.2)
        mean(found).backward()
    assert_same(tuple(found), tuple(expected))
    ours = taken_gradients(loaded.model)
    assert ours.keys() == {name for name, weight in loaded.model.named_parameters() if weight.requires_grad}
    assert_same(ours, gradients)
    assert gradients["lm_head.weight" if family in T5S else "model.shared.weight"].abs().max() > 1e-3


def test_a_tied_matrix_of_mt5() -> None:
    loaded = fresh("mt5")
    loaded.model.lm_head.weight = loaded.model.shared.weight
    expected, gradients = plain_gradients(loaded, 0.2)
    with loss_from_forward(loaded.model):
        found = loaded.model(**inputs_of(loaded), label_smoothing=0.2)
        mean(found).backward()
    assert_same(tuple(found), tuple(expected))
    assert "lm_head.weight" not in gradients
    assert_same(taken_gradients(loaded.model), gradients)


def test_without_smoothing_named_forward_is_as_ever() -> None:
    loaded = fresh("mbart")
    inputs = inputs_of(loaded)
    usual = type(loaded.model).forward
    with torch.no_grad():
        expected = loaded.model(**inputs)
        with loss_from_forward(loaded.model):
            found = loaded.model(**inputs)
            outputs = loaded.model.generate(inputs["input_ids"], max_length=8)
            assert loaded.model(**inputs, label_smoothing=0.0).nll > 0
    assert torch.equal(found.logits, expected.logits)
    assert torch.equal(found.loss, expected.loss)
    assert outputs.shape[0] == 4
    assert loaded.model.forward.__func__ is usual


def test_an_output_matrix_of_another_kind_is_refused() -> None:
    loaded = fresh("mbart")
    loaded.model.set_output_embeddings(torch.nn.Sequential())
    with loss_from_forward(loaded.model), pytest.raises(SwitchtuneError, match="a Sequential, of which the loss"):
        loaded.model(**inputs_of(loaded), label_smoothing=0.2)


@pytest.fixture(scope="module")
def _one_process_group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    store = f"file://{tmp_path_factory.mktemp('group') / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def in_parallel(model: Any) -> Any:
    return DistributedDataParallel(model)


def sharded(model: Any) -> Any:
    mesh = init_device_mesh("cpu", (1,))
    for layer in [*model.get_encoder().layers, *model.get_decoder().layers]:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def compiled(model: Any) -> Any:
    return torch.compile(model, backend="eager")


@pytest.mark.slow
@pytest.mark.usefixtures("_one_process_group")
@pytest.mark.parametrize("wrap", [in_parallel, sharded, compiled])
def test_it_works_through(wrap: Callable[[Any], Any]) -> None:
    loaded = fresh("mbart", training=True)
    expected, gradients = plain_gradients(loaded, 0.2)
    with loss_from_forward(loaded.model):
        wrapped = wrap(loaded.model)
        found = wrapped(**inputs_of(loaded), label_smoothing=0.2)
        mean(found).backward()
    assert_same(tuple(found), tuple(expected))
    ours = taken_gradients(loaded.model)
    whole = {name: shard.full_tensor() if isinstance(shard, DTensor) else shard for name, shard in ours.items()}
    assert_same(whole, gradients)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")
def test_it_works_through_peft() -> None:
    peft = pytest.importorskip("peft")
    loaded = fresh("mbart", training=True)
    adapted = peft.get_peft_model(
        loaded.model, peft.LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    )
    expected, gradients = plain_gradients(Loaded(adapted, loaded.tokenizer, loaded.layout), 0.2)
    with loss_from_forward(adapted):
        found = adapted(**inputs_of(loaded), label_smoothing=0.2)
        mean(found).backward()
    assert_same(tuple(found), tuple(expected))
    assert len(gradients) > 0
    assert_same(taken_gradients(adapted), gradients)
