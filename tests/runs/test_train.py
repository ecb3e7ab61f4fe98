"""One arm by one process or by two: the same losses in both stages, the same folders as a whole run's."""

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import yaml
from transformers import AutoModelForSeq2SeqLM

from switchtune.config.load import load_config
from switchtune.config.run import RunConfig
from switchtune.errors import UsageError
from switchtune.models.load import save_model
from switchtune.runs.experiment import run_experiment
from switchtune.runs.train import TrainedArm, train_arm
from switchtune.training import distributed
from switchtune.training.curve import read_metrics
from tests.command import forked
from tests.miniature import ENGLISH, GERMAN, miniature

TRAINING = {
    "updates": 9,
    "restore_share": 0.34,
    "tokens_per_batch": 150,
    "accumulation": 2,
    "lr": 1e-3,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "evaluate_every": 2,
    "checkpoint_every": 2,
}
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _forked() -> Iterator[None]:
    """A new interpreter would take ten seconds to import what is imported here already."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "START_METHOD", "fork")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved miniature model, a corpus in text files, and a configuration."""
    folder = tmp_path_factory.mktemp("workplace")
    save_model(miniature(), folder / "model", "de", "en")
    for code, lines in {"de": GERMAN, "en": ENGLISH}.items():
        (folder / f"text.{code}").write_text("".join(f"{line}\n" for line in lines[:6]), encoding="utf-8")
    text = str(folder / "text.{de,en}")
    config = {
        "model": str(folder / "model"),
        "pairs": [{"source": "de", "target": "en", "train": text, "valid": text, "test": text}],
        "recipes": ["csr", {"recipe": "standard", "name": "plain"}],
        "baseline": "plain",
        "lexicon": {"accept": True},
        "training": TRAINING,
        "generation": {"beams": 1, "max_length": 8},
        "seeds": [3, 4],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def config_of(workplace: Path, *overrides: str) -> RunConfig:
    return load_config(RunConfig, workplace / "config.yaml", overrides)


@pytest.fixture(scope="module")
def alone(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an arm that one process trained."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    trained = train_arm(config_of(workplace), folder)
    assert trained is not None
    assert trained.model == folder / "de-en/csr/seed3/task/model"
    AutoModelForSeq2SeqLM.from_pretrained(trained.model)
    assert trained.record()["stage_updates"] == {"restore": 3, "task": 6}
    return folder / "de-en/csr/seed3"


@pytest.mark.slow
def test_one_metrics_file_counts_updates_over_both_stages(alone: Path) -> None:
    entries = read_metrics(alone / "metrics.jsonl")
    assert [(entry["stage"], entry["update"]) for entry in entries if "valid_nll" in entry] == [
        *(("restore", update) for update in (0, 2, 3)),
        *(("task", update) for update in (3, 5, 7, 9)),
    ]
    assert [entry["update"] for entry in entries if "loss" in entry] == list(range(1, 10))


def losses(trial: Path) -> list[tuple[Any, ...]]:
    names = ("stage", "update", "loss", "nll", "valid_nll")
    return [tuple(entry.get(name) for name in names) for entry in read_metrics(trial / "metrics.jsonl")]


def assert_same_losses(one: Path, other: Path) -> None:
    assert [entry[:2] for entry in losses(one)] == [entry[:2] for entry in losses(other)]
    for ours, theirs in zip(losses(one), losses(other), strict=True):
        assert ours[2:] == pytest.approx(theirs[2:], abs=1e-4)


def _joining(workplace: Path, folder: Path, number: int, port: int) -> None:
    os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    events: list[Any] = []
    trained = train_arm(config_of(workplace), folder, on_event=events.append)
    with pytest.raises(UsageError, match="leave out --gpus"):
        train_arm(config_of(workplace), folder, gpus=2)
    with pytest.raises(UsageError, match="was started as several processes"):
        run_experiment(config_of(workplace), folder)
    assert (trained is None) == (number == 1)
    assert bool(events) == (number == 0)


@pytest.mark.slow
def test_processes_of_a_launcher_join_and_train_as_one(workplace: Path, alone: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")
    arguments = (workplace, tmp_path / "run")
    processes = [context.Process(target=_joining, args=(*arguments, number, port)) for number in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert_same_losses(tmp_path / "run/de-en/csr/seed3", alone)


DROPOUT = ("training.dropout=0.1", "training.updates=36", "training.checkpoint_every=5")


@pytest.fixture(scope="module")
def by_two(workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainedArm]:
    """A folder, and what two processes trained in it undisturbed."""
    folder = tmp_path_factory.mktemp("by_two")
    config = config_of(workplace, *DROPOUT)
    trained = train_arm(config, folder, arm="csr", pair="de-en", seed=4, processes=2)
    assert trained is not None
    return folder, trained


@pytest.mark.slow
def test_a_whole_run_finds_finished_what_processes_trained(workplace: Path, by_two: tuple[Path, TrainedArm]) -> None:
    folder, trained = by_two
    hypotheses = folder / "de-en/csr/seed4/hypotheses.txt"
    written = {path: path.stat().st_mtime_ns for path in (trained.model / WEIGHTS, hypotheses)}
    summary = run_experiment(config_of(workplace, *DROPOUT, "seeds=[4]", "recipes=[csr]", "baseline=csr"), folder)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert summary.rows[0].stage_updates == trained.result.stage_updates


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_command_which_then_resumes(
    workplace: Path, by_two: tuple[Path, TrainedArm], tmp_path: Path
) -> None:
    overrides = [word for override in DROPOUT for word in ("--set", override)]
    command = ["train", str(workplace / "config.yaml"), "--out", str(tmp_path / "run")]
    process = forked([*command, "--recipe", "csr", "--seed", "4", "--processes", "2", *overrides], tmp_path / "said")
    stage = tmp_path / "run/de-en/csr/seed4/task"
    while not any(stage.glob("checkpoint-*/complete.json")):
        assert process.is_alive(), (tmp_path / "said").read_text()
        time.sleep(0.01)
    children = sorted(psutil.Process(process.pid).children(), key=lambda child: child.create_time())
    ranks = [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
    assert len(ranks) == 2
    ranks[1].send_signal(signal.SIGKILL)
    process.join(timeout=60)
    said = (tmp_path / "said").read_text(encoding="utf-8")
    assert process.exitcode == 1
    assert said.splitlines()[-1].startswith("switchtune: Process 1 of 2 was killed (SIGKILL)")
    assert "Traceback" not in said
    assert not psutil.pid_exists(ranks[0].pid)

    trained = train_arm(config_of(workplace, *DROPOUT), tmp_path / "run", arm="csr", seed=4, processes=2)
    assert trained is not None
    assert (trained.model / WEIGHTS).read_bytes() == (by_two[1].model / WEIGHTS).read_bytes()
    assert trained.result.outputs == by_two[1].result.outputs


def test_a_comparison_stands_until_one_of_its_trainings_is_made_anew(workplace: Path, tmp_path: Path) -> None:
    config = config_of(workplace, "seeds=[3]", "recipes=[{recipe: standard, name: plain}]", "training.updates=2")
    run_experiment(config, tmp_path)
    train_arm(config, tmp_path)
    train_arm(config, tmp_path, seed=8)
    assert (tmp_path / "metrics.json").exists()
    train_arm(config_of(workplace, "seeds=[3]", "training.updates=3"), tmp_path, arm="plain")
    assert not (tmp_path / "metrics.json").exists()
    assert list(tmp_path.glob("results.replaced-*/metrics.json"))


def test_errors_of_processes_are_told_once(workplace: Path, tmp_path: Path) -> None:
    config = config_of(workplace, "training.report_to=[wandbb]")
    with pytest.raises(UsageError, match="'wandbb' is not a tracker"):
        train_arm(config, tmp_path, processes=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arm": "csrr"}, "--arm csrr: did you mean 'csr'"),
        ({"pair": "en-de"}, "--pair en-de: did you mean 'de-en'|--pair en-de: known: 'de-en'"),
        ({"gpus": 1, "processes": 2}, "choose one"),
        ({"gpus": 2}, "this machine has no GPU"),
    ],
)
def test_wrong_use_is_refused(options: dict[str, Any], message: str, workplace: Path, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there are GPUs")
    with pytest.raises(UsageError, match=message):
        train_arm(config_of(workplace), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_early_stopping_is_for_arms_alone(workplace: Path, tmp_path: Path) -> None:
    config = config_of(workplace, "training.patience=1", "training.evaluate_every=1", "training.lr=1e-12")
    with pytest.raises(UsageError, match=r"arms.csr: training.patience may end its stages before those of other"):
        run_experiment(config, tmp_path)
    trained = train_arm(config, tmp_path, arm="plain")
    assert trained is not None
    assert 1 <= trained.result.stage_updates["task"] < 9


@pytest.mark.slow
def test_trackers_see_one_run_whose_steps_go_on_over_the_stages(workplace: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = config_of(workplace, "training.report_to=[tensorboard]")
    train_arm(config, tmp_path)
    trial = tmp_path / "de-en/csr/seed3"
    events = accumulator.EventAccumulator(str(trial / "tensorboard"))
    events.Reload()
    assert len(list((trial / "tensorboard").iterdir())) == 1
    entries = read_metrics(trial / "metrics.jsonl")
    for tag, name in {"train/nll": "nll", "eval/loss": "valid_nll"}.items():
        expected = [(entry["update"], entry[name]) for entry in entries if name in entry]
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert found == [(update, pytest.approx(value)) for update, value in expected]
    assert not list(tmp_path.rglob("runs"))
