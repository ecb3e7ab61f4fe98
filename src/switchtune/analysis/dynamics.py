"""What the trainings of a run went through: losses over updates, and how soon the baseline's last loss is reached."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from switchtune.analysis.distance import TEST
from switchtune.analysis.run import PRETRAINED, Run, Training
from switchtune.config import PairSettings
from switchtune.scoring.metrics import bleu
from switchtune.training.recipes import RECIPES

_Place: TypeAlias = tuple[str | None, int | None, str]
"""Arm, seed and stage that a model is of."""


def first_update_at(curve: Sequence[tuple[int, float]], loss: float) -> int | None:
    """The first update of a validation curve whose loss is no larger than `loss`; None where none is."""
    return next((update for update, measured in curve if measured <= loss), None)


def dynamics_record(run: Run, distances: Mapping[str, Any] | None) -> dict[str, Any]:
    """Losses, BLEU and distance over updates: the content of `dynamics.json` (figures 2 and 6).

    Updates are counted over all stages. `updates_to_baseline` is the first evaluation in the last stage at which the
    loss on the validation set is no larger than the baseline's at its end, with the same seed;
    `last_stage_updates_to_baseline` leaves out the updates of the stages before, as the paper's 12k of 25k does. Losses
    are nats per target token; a stage that restores is validated on restoring.

    BLEU and distance are those of the models that are kept, at the updates that these are of, and null elsewhere: the
    distance of the model before training and of each stage's, BLEU of the last one's, both on the test set.

    Args:
        distances: the content of `distance.json`; None where it was not made.
    """

    def of_pair(pair: PairSettings) -> tuple[dict[str, Any], list[str]]:
        trainings = list(run.trainings(pair))
        places = _places(pair, distances)
        missing = [f"{each.name}: no metrics.jsonl, it has not begun" for each in trainings if not each.metrics]
        missing += [f"{each.name}: not finished, no translations" for each in trainings if each.hypotheses is None]
        references: list[str] = []
        if any(each.hypotheses is not None for each in trainings):
            references = run.corpora(pair)[2].targets()
        final = {
            each.seed: curve[-1][1]
            for each in trainings
            if each.arm.name == run.config.baseline and each.hypotheses is not None and (curve := _last_curve(each))
        }
        return {
            "baseline": run.config.baseline,
            "arms": [_arm(each, places, references, final.get(each.seed)) for each in trainings if each.metrics],
        }, missing

    record = run.over_pairs(of_pair)
    if distances is None:
        record["missing"].append("no distances over updates: distance.json is not there (--what distance makes it)")
    return record


def _places(pair: PairSettings, distances: Mapping[str, Any] | None) -> dict[_Place, float]:
    pairs = distances["pairs"] if distances is not None else []
    return {
        (system["arm"], system["seed"], system["stage"]): system["layers"][-1]["distance"]
        for found in pairs
        if (found["pair"], found["tests"]) == (pair.name, TEST)
        for system in found["systems"]
    }


def _last_curve(training: Training) -> list[tuple[int, float]]:
    """(update, loss) of the validations in the last stage."""
    return [
        (entry["update"], entry["valid_nll"])
        for entry in training.metrics
        if "valid_nll" in entry and entry["stage"] == training.stages[-1]
    ]


def _updates_before(training: Training, stage: str) -> int:
    """Updates of the stages before one."""
    earlier = training.stages[: training.stages.index(stage)]
    return max((entry["update"] for entry in training.metrics if entry["stage"] in earlier), default=0)


def _arm(
    training: Training, distances: Mapping[_Place, float], references: Sequence[str], final: float | None
) -> dict[str, Any]:
    arm, seed, last_stage = training.arm.name, training.seed, training.stages[-1]
    kept = {stage: training.kept_update(stage) for stage in training.stages}
    before: dict[str, _Place] = {training.stages[0]: (None, None, PRETRAINED)}
    before |= {stage: (arm, seed, former) for former, stage in zip(training.stages, training.stages[1:], strict=False)}

    def measured(entry: Mapping[str, Any]) -> dict[str, Any]:
        stage, update = entry["stage"], entry["update"]
        own_update = update - _updates_before(training, stage)
        place: _Place | None = None
        if own_update == kept[stage]:
            place = (arm, seed, stage)
        elif own_update == 0 and RECIPES[training.arm.recipe].init == "pretrained":
            place = before[stage]
        score = None
        if own_update == kept[stage] and stage == last_stage and training.hypotheses is not None:
            score = bleu(training.hypotheses, references, training.pair.target).value
        distance = distances.get(place) if place is not None else None
        return {"update": update, "stage": stage, "nll": entry["valid_nll"], "bleu": score, "distance": distance}

    to_baseline = None if final is None else first_update_at(_last_curve(training), final)
    return {
        "arm": arm,
        "seed": seed,
        "train": [
            {"update": entry["update"], "stage": entry["stage"], "loss": entry["loss"], "nll": entry["nll"]}
            for entry in training.metrics
            if "loss" in entry
        ],
        "valid": [measured(entry) for entry in training.metrics if "valid_nll" in entry],
        "updates_to_baseline": to_baseline,
        "last_stage_updates_to_baseline": None
        if to_baseline is None
        else to_baseline - _updates_before(training, last_stage),
    }
