"""The classifier's training: it learns, stops early, keeps the best, and goes on after a stop as if there was none."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from switchtune.config.inference import ClassificationSettings
from switchtune.config.training import LoraSettings, TrainingSettings
from switchtune.corpus.inference import NliSet
from switchtune.errors import Stopped
from switchtune.events import Progress
from switchtune.examples import Example
from switchtune.models.classifier import Classifier, Seq2SeqClassifier, open_classifier
from switchtune.training import classification as training
from switchtune.training import distributed, loop, recorder
from switchtune.training.checkpoints import CheckpointError, complete_checkpoints
from switchtune.training.classification import (
    ClassifierResult,
    LabelledExamples,
    LabelObjective,
    classifier_settings,
    predict,
    train_classifier,
)
from switchtune.training.curve import Curve, StageLog
from switchtune.training.distributed import Tell
from tests.miniature import ENGLISH
from tests.training.plain import stopping_at
from tests.training.test_memory import running_out

HYPOTHESES = ("A dog.", "Nobody.", "It rains.")


def examples(count: int = 16, labels: tuple[int, ...] = (0, 2, 1)) -> NliSet:
    premises = tuple(premise for premise in ENGLISH[:count] for _ in HYPOTHESES)
    return NliSet("en", "made", premises, HYPOTHESES * count, labels * count, 0, 0)


SETTINGS = ClassificationSettings(batch=12, lr=3e-3, warmup=2, evaluate_every=4, patience=None, max_tokens=60)


def trained(
    model: Path,
    folder: Path,
    settings: ClassificationSettings = SETTINGS,
    *,
    dropout: float = 0.1,
    training: TrainingSettings | None = None,
    classifier: Classifier | None = None,
    **changes: Any,
) -> tuple[Classifier, ClassifierResult]:
    classifier = classifier or open_classifier(
        str(model), "en", max_tokens=60, dropout=dropout, attention_dropout=0.0, seed=1
    )
    options: dict[str, Any] = {"train": examples(), "valid": examples(4), "updates": 24, "seed": 1, **changes}
    result = train_classifier(
        classifier,
        LabelledExamples.of(options.pop("train")),
        settings=classifier_settings(settings, training or TrainingSettings()),
        folder=folder / "classify",
        origin="model",
        log=StageLog(folder / "metrics.jsonl", "classify", 5),
        **options,
    )
    return classifier, result


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature encoder."""
    folder = tmp_path_factory.mktemp("bert")
    words = sorted({word.strip(".").lower() for line in (*ENGLISH, *HYPOTHESES) for word in line.split()})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *words]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary), encoding="utf-8")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **size)
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def weights_of(classifier: Classifier) -> torch.Tensor:
    return torch.cat([weights.detach().flatten() for weights in classifier.model.parameters()])


@pytest.mark.slow
def test_it_learns_and_leaves_a_curve(model: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    classifier, result = trained(
        model, tmp_path, dropout=0.0, updates=80, on_progress=lambda step: seen.append(step.update)
    )
    assert seen[-1] == result.updates == 80
    assert dict(result.valid_accuracy)[result.chosen_update] == max(value for _, value in result.valid_accuracy) == 1.0
    valid = examples(4)
    assert predict(classifier, valid) == list(valid.labels)
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [entry["update"] for entry in entries if "valid_accuracy" in entry] == list(range(5, 86, 4))
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_a_stopped_training_ends_in_the_same_weights(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    whole, expected = trained(model, tmp_path / "whole")

    def stop_after(step: Progress) -> None:
        if step.update == 14:
            raise KeyboardInterrupt

    monkeypatch.setattr(recorder, "SECONDS_BETWEEN_REPORTS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        trained(model, tmp_path / "stopped", on_progress=stop_after)
    again, result = trained(model, tmp_path / "stopped")
    assert result.resumed_from == 12
    assert torch.equal(weights_of(again), weights_of(whole))
    assert result.valid_accuracy == expected.valid_accuracy
    # What is done is not done again.
    _, done = trained(model, tmp_path / "stopped")
    assert (done.resumed_from, done.updates, done.valid_accuracy) == (24, 24, expected.valid_accuracy)
    with pytest.raises(CheckpointError, match="other data, settings, updates or seed"):
        trained(model, tmp_path / "stopped", seed=2)


def test_a_training_that_is_asked_to_stop_ends_in_the_same_weights(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(loop, "logging_interval", lambda updates: 5)
    monkeypatch.setattr(recorder, "SECONDS_BETWEEN_REPORTS", 0.0)
    whole, expected = trained(model, tmp_path / "whole")
    told: list[str] = []

    def ask_after(step: Progress) -> None:
        if step.update == 14:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped) as end:
        trained(model, tmp_path / "stopped", on_progress=ask_after, on_message=told.append)
    assert end.value.code == 130
    again, result = trained(model, tmp_path / "stopped", on_message=told.append)
    path = tmp_path / "stopped/classify/checkpoint-14"
    assert told == [f"stopped after update 14 of 24; a checkpoint is at {path}", "goes on from update 14 of 24"]
    assert torch.equal(weights_of(again), weights_of(whole))
    assert result == replace(expected, seconds=result.seconds, resumed_from=14)


def test_patience_ends_it_and_the_best_weights_are_kept(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    valid = examples(4)
    right = iter((1, 5, 9, 7, 9, 6, 6))
    kept: list[torch.Tensor] = []

    def measured(objective: LabelObjective, *given: Any) -> torch.Tensor:
        kept.append(weights_of(objective.classifier))
        return torch.tensor([next(right), 12.0])

    monkeypatch.setattr(LabelObjective, "measure", measured)
    settings = SETTINGS.model_copy(update={"patience": 2})
    classifier, result = trained(model, tmp_path, settings, valid=valid)
    assert [update for update, _ in result.valid_accuracy] == [0, 4, 8, 12, 16]
    assert (result.updates, result.chosen_update) == (16, 8)
    assert torch.equal(weights_of(classifier), kept[2])
    assert {found.update for found in complete_checkpoints(tmp_path / "classify")} == {8, 16}


@pytest.mark.parametrize("accumulation", [2, 5])
def test_an_updates_parts_add_up_to_it(model: Path, tmp_path: Path, accumulation: int) -> None:
    # Of the last the parts are uneven; some hold nothing where a batch has only four pairs.
    small = SETTINGS.model_copy(update={"batch": 4, "warmup": 0, "lr": 1e-3})
    parts = small.model_copy(update={"accumulation": accumulation})
    weights = [
        weights_of(trained(model, tmp_path / name, settings, dropout=0.0, updates=4)[0])
        for name, settings in (("whole", small), ("parts", parts))
    ]
    torch.testing.assert_close(weights[0], weights[1], atol=2e-5, rtol=1e-4)


def test_one_update_is_a_step_down_the_mean_cross_entropy(model: Path, tmp_path: Path) -> None:
    classifier, _ = trained(model, tmp_path, SETTINGS.model_copy(update={"batch": 48}), dropout=0.0, updates=1)
    plain = open_classifier(str(model), "en", max_tokens=60, dropout=0.0, attention_dropout=0.0, seed=1)
    data = examples()
    model_of: Any = plain.model
    model_of.train()
    optimizer = torch.optim.AdamW(model_of.parameters(), lr=3e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.0)
    batch, _ = plain.batch(
        [Example(one, "en", other, "en") for one, other in zip(data.premises, data.hypotheses, strict=True)]
    )
    torch.nn.functional.cross_entropy(plain.logits(batch), torch.tensor(data.labels)).backward()
    torch.nn.utils.clip_grad_norm_(model_of.parameters(), 1.0)
    optimizer.step()
    # A first step of Adam is as large for a gradient near zero, whose sign is rounding's.
    close = torch.isclose(weights_of(classifier), weights_of(plain), atol=1e-5)
    assert close.float().mean() > 0.99


def test_predictions_do_not_depend_on_the_batch(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = open_classifier(str(model), "en", max_tokens=60, seed=4)
    data = examples()
    found = predict(classifier, data)
    monkeypatch.setattr(training, "_PAIRS_AT_ONCE", 5)
    assert predict(classifier, data) == found


# --- what every stage has --------------------------------------------------------------------------------------------


LINEAR = TrainingSettings(adam_epsilon=1.0, clip_norm=0)
"""With a large epsilon the updates are in proportion to the gradient, as no small difference grows."""
LARGE_STEPS = SETTINGS.model_copy(update={"lr": 1.0, "warmup": 0})


@pytest.mark.slow
def test_where_memory_runs_out_an_updates_pairs_are_halved(model: Path, tmp_path: Path) -> None:
    whole, expected = trained(model, tmp_path / "whole", LARGE_STEPS, training=LINEAR, dropout=0.0, updates=4)
    told: list[str] = []
    opened = open_classifier(str(model), "en", max_tokens=60, dropout=0.0, attention_dropout=0.0, seed=1)
    running_out(cast("Seq2SeqClassifier", opened).loaded, above=5, backward=True)
    options: dict[str, Any] = {"training": LINEAR, "updates": 4, "on_message": told.append}
    halved, result = trained(model, tmp_path / "halved", LARGE_STEPS, classifier=opened, **options)
    assert "12 sentences at once" in told[0]
    torch.testing.assert_close(weights_of(halved), weights_of(whole), atol=2e-5, rtol=1e-4)
    assert result.valid_accuracy == expected.valid_accuracy


@pytest.mark.parametrize("encoder", [False, True], ids=["seq2seq", "encoder"])
def test_adapters_and_a_whole_head_are_trained_and_merged(
    encoder: bool, model: Path, bert: Path, tmp_path: Path
) -> None:
    path = bert if encoder else model
    lora = TrainingSettings(lora=LoraSettings(rank=2), gradient_checkpointing=True)
    before = open_classifier(str(path), "en", max_tokens=60, seed=1).model.state_dict()
    classifier, _ = trained(path, tmp_path / "whole", training=lora, updates=8)
    after = classifier.model.state_dict()
    assert after.keys() == before.keys()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    head = {name for name in after if name.startswith(("classification_head.", "classifier."))}
    assert head < changed
    assert all(name.endswith("weight") and "embed" not in name and "norm" not in name for name in changed - head)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Curve, "add", stopping_at(6))
        trained(path, tmp_path / "stopped", training=lora, updates=8)
    again, result = trained(path, tmp_path / "stopped", training=lora, updates=8)
    assert result.resumed_from == 4
    assert torch.equal(weights_of(again), weights_of(classifier))


def _in_group(tell: Tell, model: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    classifier, result = trained(model, folder, LARGE_STEPS, training=LINEAR, dropout=0.0, updates=4)
    tell((result, weights_of(classifier).tolist()))


def test_two_processes_train_as_one(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "START_METHOD", "fork")
    alone, expected = trained(model, tmp_path / "alone", LARGE_STEPS, training=LINEAR, dropout=0.0, updates=4)
    ((result, weights),) = distributed.launch(_in_group, (model, tmp_path), processes=2, device="cpu")
    assert result.valid_accuracy == expected.valid_accuracy
    assert result.train_loss == pytest.approx(expected.train_loss, rel=1e-4)
    torch.testing.assert_close(torch.tensor(weights), weights_of(alone), atol=1e-4, rtol=1e-3)


def test_trackers_are_told(model: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    training = TrainingSettings(report_to=("tensorboard",))
    _, result = trained(model, tmp_path, training=training, updates=8)
    events = accumulator.EventAccumulator(str(tmp_path / "classify/tensorboard"))
    events.Reload()
    found = [(event.step - 5, event.value) for event in events.Scalars("eval/accuracy")]
    assert found == [(update, pytest.approx(value)) for update, value in result.valid_accuracy]
