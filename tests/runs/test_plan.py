"""What a run will take, told before anything is loaded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.config.load import parse_config
from switchtune.config.run import RunConfig
from switchtune.corpus.read import read_corpus
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.models.load import load_layout, save_model
from switchtune.recipes import RECIPES
from switchtune.runs import plan as plan_module
from switchtune.runs.plan import SideLengths, batches_of, plan, plan_record, sample_lengths, verdicts
from switchtune.training.devices import Device, Rates
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
def _known_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "measure_rates", lambda *args, **options: Rates(1e9, 1e5, 1e9, 1e8))


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
    assert task.peak == pytest.approx(task.needs.peak + task.allocator + task.base)
    assert task.hours > task.updates * task.seconds_per_update / 3600
    assert planned.hours == pytest.approx(sum(stage.hours for stage in planned.stages))
    # Both sides of the restore stage are of one language, and about as long.
    assert planned.stages[1].batches.padding_share < task.batches.padding_share


def test_the_record_has_units_in_its_keys(values: dict[str, Any]) -> None:
    record = json.loads(json.dumps(plan_record(plan(config_of(values), gpu="H200"))))
    assert (record["device"], record["memory_gb"], record["speed"]) == ("H200", 141, "assumed")
    stage = record["stages"][0]
    sizes = {"weights_gb", "gradients_gb", "optimizer_gb", "activations_gb", "loss_gb", "base_gb", "allocator_gb"}
    assert sizes | {"peak_gb", "tokens_per_second", "sentences_per_second", "seconds_per_update", "hours"} < set(stage)
    assert stage["precision"] == "bf16"
    assert stage["optimizer_gb"] == pytest.approx(2 * stage["gradients_gb"], abs=2e-6)
    assert any("70%" in line for line in record["assumptions"])


def test_what_does_not_fit_comes_with_what_would(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of({**values, "recipes": ["standard"]}, tokens_per_batch=80, accumulation=1)
    (whole,) = plan(config).stages
    base = whole.base

    def device_with(memory: float) -> None:
        monkeypatch.setattr(plan_module, "device_at_hand", lambda: Device("small", memory, base, gpu=False, bf16=False))

    device_with(whole.peak - 1)
    planned = plan(config)
    (stage,) = planned.stages
    assert not stage.fits
    first = stage.remedies[0]
    assert first.settings == ("training.accumulation=2",)
    assert first.fits
    assert first.peak < whole.peak
    lines = verdicts(planned)
    assert lines[0].startswith("de-en/standard/task does not fit: ")
    assert any("--set training.accumulation=2" in line and line.endswith(" fits") for line in lines)

    device_with(base + 1)
    planned = plan(config)
    assert not any(remedy.fits for remedy in planned.stages[0].remedies)
    # The last of them is all that there is, together.
    assert len(planned.stages[0].remedies[-1].settings) > 2
    assert "Nothing of this is enough" in verdicts(planned)[-1]


def test_lengths_are_those_of_the_layout(values: dict[str, Any]) -> None:
    layout = load_layout(values["model"])
    corpus = read_corpus(values["pairs"][0]["train"], "de", "en")
    task = sample_lengths(corpus, RECIPES["standard"].stages[0], layout, 64)
    encoded = [layout.encode_source(line, "de", "en") for line in GERMAN]
    assert task.source[: len(GERMAN)].tolist() == [len(ids) for ids in encoded]
    restore = sample_lengths(corpus, RECIPES["csr"].stages[0], layout, 64)
    assert len(restore.source) == 2 * len(task.source)


def test_batches_are_counted_with_their_padding() -> None:
    lengths = SideLengths(np.array([10, 10, 4, 4]), np.array([8, 10, 4, 2]), 0.0)
    batches = batches_of(lengths, 20, examples=4)
    assert batches.sentences == 2
    # 2 × (10 + 10) and 2 × (4 + 4), of which 52 are no padding.
    assert batches.padded_tokens == 28
    assert batches.padding_share == pytest.approx(1 - 52 / 56)
    assert batches.target_tokens == 12
    assert max(shape.tokens for shape in batches.heaviest) == 40


def test_a_large_corpus_has_fuller_batches_than_its_sample() -> None:
    rng = np.random.default_rng(1)
    lengths = SideLengths(rng.integers(5, 60, 500), rng.integers(5, 60, 500), 0.0)
    few, many = (batches_of(lengths, 4000, examples=examples).padding_share for examples in (500, 50_000))
    assert many < few


def test_a_card_that_is_not_known_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        plan(config_of(values), gpu="A200")


def test_a_model_that_is_not_there_is_named(values: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SwitchtuneError, match="no such folder"):
        plan(config_of({**values, "model": str(tmp_path / "nothing")}))


def test_the_verb(values: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(json.dumps(values), encoding="utf-8")
    told = CliRunner().invoke(app, ["plan", str(path), "--gpu", "l4"])
    assert told.exit_code == 0
    assert "L4, 24 GB" in told.stdout
    assert "hours of training in all" in told.stdout
    record = CliRunner().invoke(app, ["plan", str(path), "--json", "--set", "recipes=[standard]"])
    assert len(json.loads(record.stdout)["stages"]) == 1
