"""What the trainings of a run cost: time, memory, speed, and energy where the machine counts it (table 10)."""

from collections.abc import Mapping, Sequence
from typing import Any

from switchtune.runs.folder import Run, Training


def cost_record(run: Run) -> dict[str, Any]:
    """A row for each stage of each training, as far as it has come: the content of `cost.json`.

    Those of the reverse model of an arm are the arm's too, and come first.
    """
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    # A model of several pairs is a training of each of them.
    trainings = {each.name: each for pair in run.config.pairs for each in run.trainings(pair)}
    for training in trainings.values():
        _add_stages(training, "", rows, missing)
    return {"rows": rows, "missing": missing}


def _add_stages(training: Training, before_name: str, rows: list[dict[str, Any]], missing: list[str]) -> None:
    if training.reverse is not None:
        _add_stages(training.reverse, f"reverse {before_name}", rows, missing)
    before = 0
    for stage in training.stages:
        entries = [entry for entry in training.curve if entry["stage"] == stage]
        if not entries:
            missing.append(f"{training.name}: the stage {stage} has not begun")
            continue
        if not training.model(stage).exists():
            missing.append(f"{training.name}: no model of the stage {stage}; its row may be of a part of it")
        of_stage = {"pair": training.group, "arm": training.arm, "seed": training.seed, "stage": before_name + stage}
        rows.append({**of_stage, **stage_cost(entries, before)})
        before = entries[-1]["update"]


def stage_cost(entries: Sequence[Mapping[str, Any]], updates_before: int) -> dict[str, Any]:
    """What one stage cost, from its entries of `metrics.jsonl` in order, and the updates of the stages before it.

    Seconds include validation, a gigabyte is 10⁹ bytes, and `tokens_per_second` are target tokens over the time of
    training alone; None where nothing was measured.
    """
    last = entries[-1]
    trained = [entry for entry in entries if entry.get("tokens_per_second") and "tokens" in entry]
    seconds, tokens = 0.0, 0
    for entry in trained:
        seconds += (entry["tokens"] - tokens) / entry["tokens_per_second"]
        tokens = entry["tokens"]
    return {
        "updates": last["update"] - updates_before,
        "seconds": last["seconds"],
        "peak_gigabytes": max((entry["memory_gb"] for entry in entries if "memory_gb" in entry), default=None),
        "kilowatt_hours": last.get("kilowatt_hours"),
        "tokens_per_second": tokens / seconds if seconds else None,
    }
