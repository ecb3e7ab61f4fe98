"""A stage of training: that it learns, that a kill changes nothing, and that every setting does what it says."""

import copy
import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from itertools import count
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeAlias

import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from switchtune.config.load import load_run_config
from switchtune.config.pretrain import FamilyName
from switchtune.config.training import TrainingSettings
from switchtune.events import Progress
from switchtune.examples import Example, Examples
from switchtune.models.load import Loaded
from switchtune.training.checkpoints import (
    CheckpointError,
    complete_checkpoints,
    mark_complete,
    prune,
    remove_but_weights,
)
from switchtune.training.curve import Curve, read_metrics
from switchtune.training.energy import Counter, EnergyMeter
from switchtune.training.job import TrainingError
from switchtune.training.optimizers import learning_rate_factor, warmup_updates
from switchtune.training.trainer import StageResult, train_stage
from tests.miniature import ENGLISH, GERMAN, miniature


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """A forked process cannot use the threads of its parent."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def fresh(family: FamilyName = "mbart", dropout: float = 0.0) -> Loaded:
    """A miniature of one's own, which may be trained."""
    made = miniature(family)
    model = copy.deepcopy(made.model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
        elif hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = dropout
    return Loaded(model, made.tokenizer, made.layout)


def translation(pairs: int = 16) -> Examples:
    """Pairs that change from epoch to epoch, as switched sentences do."""

    def make(epoch: int, index: int) -> Example:
        return Example(GERMAN[(index + epoch) % 16], "de", ENGLISH[index], "en")

    return Examples(pairs, make)


def settings(**changes: Any) -> TrainingSettings:
    values = {"tokens_per_batch": 100, "lr": 3e-3, "label_smoothing": 0.1, "checkpoint_every": 4, "evaluate_every": 4}
    return TrainingSettings(**{**values, **changes})


def train(
    loaded: Loaded,
    folder: Path,
    *,
    updates: int = 12,
    seed: int = 1,
    examples: Examples | None = None,
    valid: Examples | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_message: Callable[[str], None] = lambda message: None,
    validate: Callable[[Loaded], float] | None = None,
    origin: str = "",
    **changes: Any,
) -> StageResult:
    return train_stage(
        loaded,
        translation() if examples is None else examples,
        valid=translation(4) if valid is None else valid,
        settings=settings(**changes),
        updates=updates,
        seed=seed,
        folder=folder,
        on_progress=on_progress,
        on_message=on_message,
        validate=validate,
        origin=origin,
    )


def same_weights(one: Loaded, other: Loaded) -> bool:
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def nll_of(loaded: Loaded, examples: Examples) -> float:
    """Mean per token, by torch's own loss, a sentence at a time."""
    total = tokens = 0.0
    for index in range(examples.count):
        batch = loaded.layout.collate([loaded.layout.encode(examples.make(0, index), max_tokens=64)])
        labels = batch.pop("labels")
        with torch.no_grad():
            logits = loaded.model(**batch).logits
        total += cross_entropy(logits[0], labels[0], reduction="sum").item()
        tokens += labels.numel()
    return total / tokens


def test_it_learns_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = fresh()
    assert loaded.model.config.use_cache
    reports: list[Progress] = []
    result = train(loaded, tmp_path, updates=60, lr=1e-2, checkpoint_every=30, on_progress=reports.append)
    assert dict(result.valid_nll).keys() == set(range(0, 61, 4))
    before, after = result.valid_nll[0][1], result.valid_nll[-1][1]
    assert before == pytest.approx(nll_of(miniature(), translation(4)), rel=1e-4)
    assert after == pytest.approx(nll_of(loaded, translation(4)), rel=1e-4)
    assert after < 0.6 * before
    assert 0 < result.train_nll < 0.8 * before
    assert (result.updates, result.chosen_update, result.resumed_from, result.truncated) == (60, 60, None, 0)
    last = reports[-1]
    assert (last.update, last.updates) == (60, 60)
    assert last.tokens_per_second > 0
    # The model is as its owner would use it, and nothing was printed.
    assert not loaded.model.training
    assert loaded.model.config.use_cache
    assert capsys.readouterr() == ("", "")


def test_the_curve_holds_every_entry_once(tmp_path: Path) -> None:
    result = train(fresh(), tmp_path, updates=10, warmup=3)
    entries = read_metrics(tmp_path / "metrics.jsonl")
    training = [entry for entry in entries if "loss" in entry]
    assert [entry["update"] for entry in training] == list(range(1, 11))
    assert [entry["update"] for entry in entries if "valid_nll" in entry] == [0, 4, 8, 10]
    assert [entry["learning_rate"] for entry in training] == pytest.approx(
        [3e-3 * learning_rate_factor(done, updates=10, warmup=1, schedule="linear") for done in range(10)]
    )
    assert training[-1]["tokens"] == result.tokens > 0
    for entry in training:
        assert entry["tokens_per_second"] > 0
        assert 0 <= entry["padding"] < 0.5
        assert entry["memory_gb"] > 0.05
    assert entries[-1]["seconds"] == result.seconds > 0
    assert result.train_loss == training[-1]["loss"]


def test_snapshots_are_weights_and_nothing_that_a_training_goes_on_from(tmp_path: Path) -> None:
    first, again = fresh(), fresh()
    settings = {"updates": 8, "checkpoint_every": 2, "snapshots": True}
    train(first, tmp_path, **settings)
    assert [(each.update, each.resumable) for each in complete_checkpoints(tmp_path)] == [
        (2, False),
        (4, False),
        (6, False),
        (8, True),
    ]
    remove_but_weights(tmp_path)
    assert [(each.update, each.resumable) for each in complete_checkpoints(tmp_path)] == [
        (update, False) for update in (2, 4, 6, 8)
    ]
    assert {file.suffix for file in tmp_path.glob("checkpoint-*/*")} == {".safetensors", ".json"}
    result = train(again, tmp_path, **settings)
    assert result.resumed_from is None
    assert same_weights(first, again)
    assert [each.resumable for each in complete_checkpoints(tmp_path)] == [False, False, False, True]


def test_energy_is_counted_over_interruptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A counter of kilowatt-hours, one for each look at it.
    looks = count(0)
    meter = lambda device: EnergyMeter((Counter(lambda: next(looks), joules=3.6e6),))  # noqa: E731
    monkeypatch.setattr("switchtune.training.recorder.energy_meter", meter)
    with monkeypatch.context() as patch:
        patch.setattr(Curve, "add", failing(Curve.add, call=9))
        with pytest.raises(OSError, match="as it was told"):
            train(fresh(), tmp_path, updates=8)
    train(fresh(), tmp_path, updates=8)
    entries = read_metrics(tmp_path / "metrics.jsonl")
    # One a look, and so one an entry; what was done twice counts once.
    assert [entry["kilowatt_hours"] for entry in entries] == list(range(1, len(entries) + 1))
    # Where nothing can be counted, nothing is said.
    monkeypatch.setattr("switchtune.training.recorder.energy_meter", lambda device: EnergyMeter(()))
    train(fresh(), tmp_path / "other", updates=4)
    assert all("kilowatt_hours" not in entry for entry in read_metrics(tmp_path / "other/metrics.jsonl"))


def failing(function: Callable[..., Any], *, call: int) -> Callable[..., Any]:
    """`function`, but its `call`-th call raises."""
    calls = count(1)

    def instead(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            raise OSError("as it was told")
        return function(*args, **kwargs)

    return instead


# --- interruptions ---------------------------------------------------------------------------------------------------


def killed(work: Callable[[], object]) -> None:
    """Do `work` in another process, which is to be killed before it ends."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def dying(function: Callable[..., Any], *, call: int) -> Callable[..., Any]:
    """`function`, but the process dies instead of its `call`-th call."""
    calls = count(1)

    def instead(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return instead


CASES: list[tuple[FamilyName, dict[str, Any]]] = [
    ("mbart", {}),
    ("mbart", {"accumulation": 2, "keep": "best", "workers": 1}),
    ("mt5", {"schedule": "inverse_sqrt", "warmup": 0.1, "weight_decay": 0.1}),
]


Undisturbed: TypeAlias = Callable[[int], tuple[Loaded, StageResult, Path]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """How a case ends that nothing disturbs, and its folder."""

    @cache
    def run(case: int) -> tuple[Loaded, StageResult, Path]:
        family, changes = CASES[case]
        loaded, folder = fresh(family, dropout=0.1), tmp_path_factory.mktemp("undisturbed")
        return loaded, train(loaded, folder, **changes), folder

    return run


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda case: CASES[case][0])
def test_a_killed_training_ends_in_the_same_weights(
    case: int, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, expected_result, expected_folder = undisturbed(case)
    family, changes = CASES[case]
    folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        # The curve's entries: 0 (validation), 1, 2, 3, 4, 4 (validation), 5, 6, 7.
        patch.setattr(Curve, "add", dying(Curve.add, call=9))
        killed(lambda: train(fresh(family, dropout=0.1), folder, **changes))
    assert [checkpoint.update for checkpoint in complete_checkpoints(folder)] == [4]
    assert read_metrics(folder / "metrics.jsonl")[-1]["update"] == 6
    resumed = fresh(family, dropout=0.1)
    result = train(resumed, folder, **changes)
    assert result.resumed_from == 4
    assert same_weights(resumed, expected)
    assert not same_weights(resumed, fresh(family))
    assert untimed(asdict(result)) == untimed(asdict(expected_result))
    curves = [read_metrics(where / "metrics.jsonl") for where in (folder, expected_folder)]
    assert [untimed(entry) for entry in curves[0]] == [untimed(entry) for entry in curves[1]]


TIMES = {"seconds", "resumed_from", "tokens_per_second", "memory_gb", "kilowatt_hours"}


def untimed(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in TIMES}


@pytest.mark.parametrize(
    ("function", "call", "last_complete"),
    [
        ("switchtune.training.state.save_file", 2, 4),
        ("torch.save", 4, 4),
        ("switchtune.training.loop.mark_complete", 2, 4),
        ("switchtune.training.loop.prune", 2, 8),
    ],
)
def test_a_kill_in_the_middle_of_a_write_costs_only_that_checkpoint(
    function: str,
    call: int,
    last_complete: int,
    undisturbed: Undisturbed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resumed = fresh(dropout=0.1)
    with monkeypatch.context() as patch:
        module, _, name = function.rpartition(".")
        patch.setattr(function, dying(getattr(importlib.import_module(module), name), call=call))
        killed(lambda: train(fresh(dropout=0.1), tmp_path / "killed"))
    assert {path.name for path in (tmp_path / "killed").glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-8"}
    assert train(resumed, tmp_path / "killed").resumed_from == last_complete
    assert same_weights(resumed, undisturbed(0)[0])
    assert [path.name for path in (tmp_path / "killed").glob("checkpoint-*")] == ["checkpoint-12"]


def test_a_finished_stage_is_not_trained_again(undisturbed: Undisturbed) -> None:
    expected, expected_result, folder = undisturbed(0)
    loaded = fresh(dropout=0.1)
    result = train(loaded, folder)
    assert result.resumed_from == 12
    assert same_weights(loaded, expected)
    assert untimed(asdict(result)) == untimed(asdict(expected_result))
    assert result.seconds == expected_result.seconds


@given(st.integers(1, 6), st.integers(1, 3))
@hypothesis.settings(max_examples=4)
def test_stopped_at_any_update_it_ends_in_the_same_weights(
    undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory, stopped_at: int, checkpoint_every: int
) -> None:
    folder = tmp_path_factory.mktemp("stopped")
    changes: dict[str, Any] = {"updates": 12, "checkpoint_every": checkpoint_every, "evaluate_every": 4}

    def stop(self: Curve, entry: dict[str, Any]) -> None:
        if entry["update"] == stopped_at and "loss" in entry:
            raise InterruptedError
        add(self, entry)

    add = Curve.add
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(Curve, "add", stop)
        train(fresh(dropout=0.1), folder, **changes)
    resumed = fresh(dropout=0.1)
    result = train(resumed, folder, **changes)
    assert (result.resumed_from or 0) == (stopped_at - 1) // checkpoint_every * checkpoint_every
    assert same_weights(resumed, undisturbed(0)[0])


def test_from_a_damaged_checkpoint_it_goes_back_to_a_whole_one_and_says_so(
    undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr("switchtune.training.loop.prune", dying(lambda *_, **__: None, call=2))
        killed(lambda: train(fresh(dropout=0.1), folder))
    weights = folder / "checkpoint-8" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    resumed, told = fresh(dropout=0.1), list[str]()
    assert train(resumed, folder, on_message=told.append).resumed_from == 4
    assert told == [
        f"{folder}/checkpoint-8: model.safetensors has other content than when it was written; removed",
        "goes on from update 4 of 12",
    ]
    assert same_weights(resumed, undisturbed(0)[0])


@pytest.mark.parametrize("file", ["optimizer.pt", "random-0.pt"])
def test_what_is_pickled_in_a_checkpoint_is_data_alone(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, ran = tmp_path / "killed", tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(ran), "w"))

    with monkeypatch.context() as patch:
        patch.setattr("switchtune.training.loop.prune", dying(lambda *_, **__: None, call=1))
        killed(lambda: train(fresh(), folder))
    (checkpoint,) = complete_checkpoints(folder)
    torch.save({"evil": Evil()}, checkpoint.path / file)
    mark_complete(checkpoint)
    with pytest.raises(UnpicklingError):
        train(fresh(), folder)
    assert not ran.exists()


def test_a_checkpoint_of_transformers_trainer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4/trainer_state.json").touch()
    with pytest.raises(CheckpointError, match=r"checkpoint-4: written by an earlier version.* or remove .* anew"):
        train(fresh(), tmp_path)


def test_a_checkpoint_of_another_model_is_refused(undisturbed: Undisturbed) -> None:
    with pytest.raises(CheckpointError, match="checkpoint of update 12 is of another model"):
        train(fresh("mbart50"), undisturbed(0)[2])
    with pytest.raises(CheckpointError, match="checkpoint of update 12 is of another model"):
        train(fresh(dropout=0.1), undisturbed(0)[2], origin="other weights")


@pytest.mark.parametrize("changes", [{"seed": 2}, {"updates": 13}, {"lr": 1e-3}, {"examples": translation(15)}])
def test_checkpoints_of_another_training_are_refused(changes: dict[str, Any], undisturbed: Undisturbed) -> None:
    with pytest.raises(CheckpointError, match="checkpoint of update 12 is of a training with other data, settings"):
        train(fresh(dropout=0.1), undisturbed(0)[2], **changes)


# --- settings --------------------------------------------------------------------------------------------------------


def test_accumulated_parts_are_the_same_as_the_whole_batch(tmp_path: Path) -> None:
    # All examples make one batch, or a part of the short and a part of the long ones: their tokens must count alike.
    def make(epoch: int, index: int) -> Example:
        text = "ein Hund" if index % 2 else GERMAN[index]
        return Example(text, "de", text, "de")

    losses, weights = [], []
    for accumulation in (1, 2):
        loaded, folder = fresh(), tmp_path / str(accumulation)
        # With a large epsilon the updates are in proportion to the gradient, as no small difference grows.
        train(
            loaded,
            folder,
            updates=3,
            examples=Examples(8, make),
            tokens_per_batch=300,
            accumulation=accumulation,
            adam_epsilon=1.0,
            lr=1.0,
            clip_norm=0,
        )
        losses.append([entry["loss"] for entry in read_metrics(folder / "metrics.jsonl") if "loss" in entry])
        weights.append(torch.cat([weight.flatten() for weight in loaded.model.parameters()]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0][2] < 0.99 * losses[0][0]
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-5)


def test_the_best_weights_are_handed_on(tmp_path: Path) -> None:
    # Learning that English is German raises the loss of English, after it first fell with what all sentences share.
    def german(epoch: int, index: int) -> Example:
        return Example(GERMAN[index], "de", GERMAN[index], "de")

    loaded = fresh()
    result = train(
        loaded, tmp_path, updates=40, examples=Examples(16, german), lr=1e-2, keep="best", checkpoint_every=3
    )
    saved = {update: nll for update, nll in result.valid_nll if update and (update % 3 == 0 or update == 40)}
    assert result.chosen_update == min(saved, key=lambda update: saved[update])
    assert 3 < result.chosen_update < 39
    assert nll_of(loaded, translation(4)) == pytest.approx(saved[result.chosen_update], rel=1e-4)
    kept = [checkpoint.update for checkpoint in complete_checkpoints(tmp_path)]
    assert kept == [result.chosen_update, 40]


def spoil_states(loaded: Loaded, when: Callable[[bool], bool]) -> None:
    """Make the decoder's states NaN in those of its calls."""

    def spoil(decoder: torch.nn.Module, inputs: Any, output: Any) -> None:
        if when(decoder.training):
            output.last_hidden_state.detach().fill_(torch.nan)

    loaded.model.get_decoder().register_forward_hook(spoil)


def chrf_like(values: list[float]) -> Callable[[Loaded], float]:
    return lambda loaded: values.pop(0)


def test_the_best_by_another_measure_than_the_loss(tmp_path: Path) -> None:
    loaded, kept = fresh(), fresh()
    values = [1.0, 2.0, 5.0, 3.0]  # after 0, 4, 8, 12 updates
    result = train(loaded, tmp_path, keep="best", best_by="chrf", validate=chrf_like(values))
    assert result.valid_chrf == ((0, 1.0), (4, 2.0), (8, 5.0), (12, 3.0))
    assert result.chosen_update == 8
    at_8 = tmp_path / "checkpoint-8"
    assert [path.name for path in sorted(at_8.iterdir())] == ["complete.json", "model.safetensors"]
    assert (tmp_path / "checkpoint-12/optimizer.pt").exists()
    kept.model.load_state_dict(load_file(at_8 / "model.safetensors"), strict=False)
    assert same_weights(loaded, kept)
    with pytest.raises(TrainingError, match="'chrf' needs the argument `validate`"):
        train(fresh(), tmp_path, keep="best", best_by="chrf")


def test_what_a_stage_begins_with_is_handed_on_where_nothing_beats_it(tmp_path: Path) -> None:
    loaded = fresh()
    values = [5.0, 2.0, 4.0, 3.0]  # after 0, 4, 8, 12 updates
    result = train(loaded, tmp_path, keep="best", best_by="chrf", validate=chrf_like(values))
    assert (result.updates, result.chosen_update) == (12, 0)
    assert same_weights(loaded, fresh())


def test_patience_ends_a_stage_and_a_second_call_finds_it_ended(tmp_path: Path) -> None:
    values = [1.0, 3.0, 2.0, 2.0, 2.0, 9.0, 9.0]  # after 0, 2, 4, 6, 8, … updates
    changes: dict[str, Any] = {"patience": 2, "least_updates": 7, "best_by": "chrf", "evaluate_every": 2}
    loaded = fresh()
    result = train(loaded, tmp_path, validate=chrf_like(values), **changes)
    assert (result.updates, result.chosen_update) == (8, 8)
    assert result.epochs < 12
    assert [checkpoint.update for checkpoint in complete_checkpoints(tmp_path)] == [8]
    again = fresh()
    assert train(again, tmp_path, validate=chrf_like([]), **changes).updates == 8
    assert same_weights(again, loaded)
    with pytest.raises(TrainingError, match="patience needs a validation set"):
        train_stage(
            fresh(), translation(), valid=None, settings=settings(patience=1), updates=2, seed=1, folder=tmp_path
        )


def test_the_mean_of_the_last_checkpoints_is_handed_on_also_after_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: dict[str, Any] = {"average": 3, "checkpoint_every": 3}
    weights = {}

    def keeping(path: Path, **options: Any) -> None:
        newest = complete_checkpoints(path)[-1]
        weights[newest.update] = load_file(newest.path / "model.safetensors")
        prune(path, **options)

    loaded = fresh(dropout=0.1)
    with monkeypatch.context() as patch:
        patch.setattr("switchtune.training.loop.prune", keeping)
        train(loaded, tmp_path / "undisturbed", **changes)
    assert sorted(weights) == [3, 6, 9, 12]
    ours = loaded.model.state_dict()
    for name in weights[12]:
        mean = sum(weights[update][name].double() for update in (6, 9, 12)) / 3
        torch.testing.assert_close(ours[name], mean.float(), rtol=0, atol=0)
    kept = complete_checkpoints(tmp_path / "undisturbed")
    assert [(each.update, each.resumable) for each in kept] == [(6, False), (9, False), (12, True)]

    with monkeypatch.context() as patch:
        patch.setattr(Curve, "add", dying(Curve.add, call=11))
        killed(lambda: train(fresh(dropout=0.1), tmp_path / "killed", **changes))
    resumed = fresh(dropout=0.1)
    assert train(resumed, tmp_path / "killed", **changes).resumed_from == 6
    assert same_weights(resumed, loaded)


def test_a_validation_loss_that_is_not_finite_leaves_no_checkpoint(tmp_path: Path) -> None:
    loaded = fresh()
    evaluations = count(1)

    spoil_states(loaded, lambda training: not training and next(evaluations) > 1)
    with pytest.raises(TrainingError, match=r"the validation loss after update \d+ was not finite\. Lower training.lr"):
        train(loaded, tmp_path)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_sides_longer_than_the_model_takes_are_cut_and_counted(tmp_path: Path) -> None:
    def make(epoch: int, index: int) -> Example:
        return Example(" ".join(GERMAN) if index < 3 else GERMAN[index], "de", ENGLISH[index], "en")

    examples = Examples(16, make)
    result = train(fresh(), tmp_path, updates=3, examples=examples, valid=examples)
    assert (result.truncated, result.truncated_valid) == (3, 3)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Loaded, StageResult]:
    """Three updates with the usual settings."""
    loaded = fresh()
    return loaded, train(loaded, tmp_path_factory.mktemp("plain"), updates=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"label_smoothing": 0.3},
        {"lr": 1e-3},
        {"schedule": "constant"},
        {"weight_decay": 0.5},
        {"adam_betas": (0.5, 0.5)},
        {"adam_epsilon": 0.1},
        {"clip_norm": 0.01},
        {"tokens_per_batch": 60},
        {"max_tokens": 12},
        {"precision": "bf16"},
        {"seed": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_setting_has_an_effect(
    changes: dict[str, Any], plain: tuple[Loaded, StageResult], tmp_path: Path
) -> None:
    loaded = fresh()
    result = train(loaded, tmp_path, updates=3, **changes)
    assert not same_weights(loaded, plain[0])
    # And none that is out of all proportion.
    assert result.valid_nll[-1][1] == pytest.approx(plain[1].valid_nll[-1][1], rel=0.1)


def test_without_a_validation_set(tmp_path: Path) -> None:
    def stage(**changes: Any) -> StageResult:
        return train_stage(
            fresh(), translation(), valid=None, settings=settings(**changes), updates=2, seed=1, folder=tmp_path
        )

    assert stage().valid_nll == ()
    with pytest.raises(TrainingError, match="'best' needs a validation set"):
        stage(keep="best")


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the training set has no examples"):
        train(fresh(), tmp_path, examples=translation(0))
    with pytest.raises(TrainingError, match="the validation set has no examples"):
        train(fresh(), tmp_path, valid=translation(0))


# --- the schedule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "updates", "expected"),
    [
        *(({"warmup": 2500}, 30_000, 2500), ({"warmup": 2500}, 1200, 120), ({"warmup": 0.05}, 1000, 50)),
        *(({"warmup": 0.5}, 1000, 100), ({"warmup": 0}, 100, 0), ({"warmup": 5}, 9, 0)),
        *(({"warmup": 2500, "warmup_cap": 1}, 5000, 2500), ({"warmup": 2500, "warmup_cap": 1}, 1000, 1000)),
        ({"warmup": 0.5, "warmup_cap": 0.25}, 1000, 250),
    ],
)
def test_warmup_is_capped_at_a_share_of_the_stage(settings: dict[str, Any], updates: int, expected: int) -> None:
    assert warmup_updates(TrainingSettings(**settings), updates) == expected


PAPER = sorted((Path(__file__).parents[2] / "examples/paper").glob("*.yaml"))


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_the_paper_s_runs_warm_up_for_2500_updates_in_every_stage(path: Path) -> None:
    config = load_run_config(path)
    stages = [(arm.training, updates) for arm in config.arms for updates in arm.stage_updates]
    assert {warmup_updates(settings, updates) for settings, updates in stages} == {2500}
    assert {settings.clip_norm for settings, _ in stages} == {0}


def factors(schedule: Any, warmup: int, updates: int = 10) -> list[float]:
    return [learning_rate_factor(done, updates=updates, warmup=warmup, schedule=schedule) for done in range(updates)]


def test_schedules() -> None:
    assert factors("linear", 2) == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert factors("linear", 0, 4) == pytest.approx([1, 0.75, 0.5, 0.25])
    assert factors("constant", 4) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1])
    inverse = factors("inverse_sqrt", 2, 8)
    assert inverse[:2] == pytest.approx([0.5, 1])
    assert inverse[7] == pytest.approx(0.5)
    assert factors("inverse_sqrt", 0, 4) == pytest.approx([1, 2**-0.5, 3**-0.5, 0.5])
