"""What a run will take, told before it begins."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.examples import Example, Examples, task_examples
from switchtune.models.load import load_layout, save_model
from switchtune.recipes import RESTORE
from switchtune.runs import plan as plan_module
from switchtune.runs import planned_batches
from switchtune.runs.plan import PlannedDevice, plan, verdicts
from switchtune.runs.planned_batches import batches_of, sampled, unswitched_examples
from switchtune.runs.tasks import pair_reader
from switchtune.training.batches import Lengths
from tests.miniature import ENGLISH, GERMAN, miniature


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(miniature(), folder, "de", "en")
    # A plan has no use for weights.
    (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture
def values(model: Path, tmp_path: Path) -> dict[str, Any]:
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (tmp_path / f"text.{code}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    text = str(tmp_path / "text.{de,en}")
    return {
        "model": str(model),
        "pairs": [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}],
        "jobs": 1,
        "training": {"updates": 60, "tokens_per_batch": 200, "accumulation": 2},
    }


@pytest.fixture(autouse=True)
def _known_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "measured_seconds", lambda *args: 0.5)


def config_of(values: dict[str, Any], **training: Any) -> RunConfig:
    return parse_config(RunConfig, {**values, "training": {**values["training"], **training}})


def test_every_stage_of_every_arm_has_its_figures(values: dict[str, Any]) -> None:
    planned = plan(config_of(values))
    assert [(stage.arm, stage.stage, stage.updates) for stage in planned.stages] == [
        ("standard", "task", 60),
        ("csr", "restore", 10),
        ("csr", "task", 50),
    ]
    task = planned.stages[0]
    assert task.fits
    assert task.remedies == ()
    assert task.memory.peak_gb > task.memory.base_gb + task.memory.weights_gb + task.memory.optimizer_gb
    assert task.memory.optimizer_gb == pytest.approx(2 * task.memory.gradients_gb)
    assert task.seconds_per_update == pytest.approx(0.5, rel=0.2)
    assert task.seconds_per_update is not None
    assert task.hours is not None
    assert task.tokens_per_second == pytest.approx(2 * task.batches.target_tokens / task.seconds_per_update)
    assert task.hours > task.updates * task.seconds_per_update / 3600
    assert planned.hours == pytest.approx(sum(stage.hours or 0 for stage in planned.stages))


def test_an_apple_gpu_is_planned_with_what_metal_recommends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "device_type", lambda: "mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12 * 10**9)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 10**9)
    assert plan_module.device_at_hand() == PlannedDevice("Apple GPU (MPS)", 12, 1, torch.device("mps"))
    assert "mps" in plan_module.ALLOCATOR_SHARE


@pytest.mark.slow
def test_what_does_not_fit_comes_with_what_would(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of({**values, "recipes": ["standard"]}, tokens_per_batch=80, accumulation=1)
    (whole,) = plan(config).stages
    base = whole.memory.base_gb

    def device_with(memory_gb: float) -> None:
        device = PlannedDevice("small", memory_gb, base, torch.device("cpu"))
        monkeypatch.setattr(plan_module, "device_at_hand", lambda: device)

    device_with(whole.memory.peak_gb - 1e-9)
    planned = plan(config)
    (stage,) = planned.stages
    assert not stage.fits
    assert (stage.seconds_per_update, stage.hours, planned.hours) == (None, None, None)
    first = stage.remedies[0]
    assert first.settings == ("training.accumulation=2",)
    assert first.fits
    assert first.peak_gb < whole.memory.peak_gb
    lines = list(verdicts(planned))
    assert lines[0].startswith("de-en/standard/task does not fit: ")
    assert any("--set training.accumulation=2" in line and line.endswith(" fits") for line in lines)

    device_with(base + 1e-9)
    planned = plan(config)
    remedies = planned.stages[0].remedies
    assert not any(remedy.fits for remedy in remedies)
    # The last of them is all that there is, together.
    assert [setting.partition("=")[0] for setting in remedies[-1].settings] == [
        "training.accumulation",
        "training.gradient_checkpointing",
        "training.optimizer",
    ]
    assert "None of this is enough" in list(verdicts(planned))[-1]
    # What is proposed is taken.
    for remedy in remedies:
        changes = dict(setting.removeprefix("training.").split("=") for setting in remedy.settings)
        config_of(values, **changes)


@pytest.mark.slow
def test_a_gpu_that_is_elsewhere_has_memory_and_no_speed(values: dict[str, Any]) -> None:
    values["recipes"] = ["standard"]
    planned = plan(config_of(values), gpu_memory=24)
    assert planned.stages[0].fits
    assert planned.stages[0].hours is planned.hours is None
    small = plan(config_of(values, optimizer="adamw"), gpu_memory=0.6)
    settings = [remedy.settings for remedy in small.stages[0].remedies]
    assert ("training.optimizer=adamw_8bit",) in settings
    with pytest.raises(UsageError, match="needs an NVIDIA GPU"):
        plan(config_of(values, optimizer="adamw_8bit"))
    assert plan(config_of(values, optimizer="adamw_8bit"), gpu_memory=24).stages[0].fits


def test_lengths_are_those_of_the_layout(values: dict[str, Any]) -> None:
    layout = load_layout(values["model"])
    corpus = read_corpus(values["pairs"][0]["train"], "de", "en")
    settings = TrainingSettings(tokens_per_batch=200)
    encoded = [layout.encode(task_examples(corpus).make(0, row), max_tokens=256) for row in range(len(corpus))]
    batches = batches_of([task_examples(corpus)], layout, settings, count=len(corpus))
    assert batches.target_tokens / batches.sentences == pytest.approx(np.mean([len(ids.labels) for ids in encoded]))
    assert batches.heaviest.source_tokens <= max(len(ids.input_ids) for ids in encoded)


def test_the_longest_pairs_are_sampled(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = read_corpus(values["pairs"][0]["train"], "de", "en")
    monkeypatch.setattr(planned_batches, "SAMPLED_PAIRS", 2)
    monkeypatch.setattr(planned_batches, "LONGEST_PAIRS", 1)
    sample = sampled(corpus)
    assert [pair.source for pair in sample][:2] == [corpus[0].source, corpus[-1].source]
    longest = max(len(side) for pair in corpus for side in pair)
    assert max(map(len, sample[2])) == longest


def test_restoring_trains_on_both_sides_of_every_pair(values: dict[str, Any]) -> None:
    config = config_of(values)
    corpus = read_corpus(config.pairs[0].train, "de", "en")
    examples = unswitched_examples(config, RESTORE, corpus, load_layout(values["model"]))
    assert len(examples) == 2 * len(corpus)
    assert examples.make(0, 0) == Example(corpus[0].source, "de", corpus[0].source, "de")
    assert examples.make(0, 1) == Example(corpus[0].target, "en", corpus[0].target, "en")


@pytest.mark.slow
def test_documents_are_cut_and_their_sentences_restored(values: dict[str, Any], tmp_path: Path) -> None:
    documents = [" ".join(GERMAN[:4]), " ".join(GERMAN[4:6])]
    (tmp_path / "news.tsv").write_text(
        "de\ten\n" + "".join(f"{document}\t{ENGLISH[0]}\n" for document in documents), encoding="utf-8"
    )
    news = str(tmp_path / "news.tsv")
    pair = {"source": "de", "target": "en", "train": news, "valid": news, "test": news}
    summaries = {**values, "task": "summarization", "pairs": [pair]}

    def read(words: int) -> tuple[RunConfig, Corpus]:
        config = config_of({**summaries, "summarization": {"document_words": words}})
        return config, pair_reader(config, config.pairs[0], tmp_path / "cache")(news)

    layout = load_layout(values["model"])
    config, corpus = read(1000)
    # Six sentences of two documents, and a summary of each.
    assert len(unswitched_examples(config, RESTORE, corpus, layout)) == 8
    whole, cut = (
        plan(config_of({**summaries, "summarization": {"document_words": words}})).stages[0] for words in (1000, 3)
    )
    assert cut.batches.heaviest.source_tokens < whole.batches.heaviest.source_tokens


def lengths(monkeypatch: pytest.MonkeyPatch, source: list[int], target: list[int]) -> Examples:
    """Examples of so many tokens."""
    sides = np.array([source, target])
    measured = Lengths(sides.max(0), sides[0] - sides[1], truncated=0)
    monkeypatch.setattr(planned_batches, "measure", lambda *args: measured)
    return Examples(len(source), lambda epoch, index: Example("", "de", "", "en"))


def test_batches_are_counted_with_their_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    examples = lengths(monkeypatch, [10, 10, 4, 4], [8, 10, 4, 2])
    settings = TrainingSettings(tokens_per_batch=64, accumulation=3)
    batches = batches_of([examples], miniature().layout, settings, count=4)
    assert batches.sentences == 2
    # 2 × (10 + 10) and 2 × (4 + 4).
    assert batches.padded_tokens == 28
    assert batches.target_tokens == 12
    assert batches.heaviest.tokens == 40


def test_a_large_corpus_has_fuller_batches_than_its_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    source, target = rng.integers(5, 60, (2, 500)).tolist()
    examples = lengths(monkeypatch, source, target)
    few, many = (batches_of([examples], miniature().layout, TrainingSettings(), count=count) for count in (500, 50_000))
    assert many.target_tokens / many.padded_tokens > few.target_tokens / few.padded_tokens


def test_a_model_that_is_not_there_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SwitchtuneError, match="no such folder"):
        plan(config_of({**values, "model": str(tmp_path / "nothing")}))


def test_the_verb(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")
    told = CliRunner().invoke(app, ["plan", str(path)])
    assert told.exit_code == 0
    assert "hours of training in all" in told.stdout
    elsewhere = CliRunner().invoke(app, ["plan", str(path), "--gpu-memory", "24"])
    assert "a GPU, 24 GB" in elsewhere.stdout
    record = CliRunner().invoke(app, ["plan", str(path), "--json", "--set", "recipes=[standard]"])
    (stage,) = json.loads(record.stdout)["stages"]
    assert stage["memory"]["peak_gb"] > stage["memory"]["weights_gb"]
