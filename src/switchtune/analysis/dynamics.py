"""What the trainings of a run went through: losses over updates, and how soon the baseline's last loss is reached."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from switchtune.analysis.distance import distinct_pairs, last_distance
from switchtune.config.run import PairSettings
from switchtune.errors import SwitchtuneError
from switchtune.events import Event, OnEvent
from switchtune.generation import translate
from switchtune.models.load import load_model
from switchtune.results.figures import TEST_SET
from switchtune.runs.folder import PRETRAINED, Run, Training
from switchtune.scoring.metrics import ScoringError, bleu
from switchtune.training.checkpoints import complete_checkpoints, weights_of
from switchtune.training.state import set_weights

_Kept: TypeAlias = dict[tuple[str, int], dict[str, float | None]]
"""BLEU and distance of the models that are kept, by stage and update over all stages."""


def first_update_at(curve: Sequence[tuple[int, float]], loss: float) -> int | None:
    """The first update of a validation curve whose loss is no larger than `loss`; None where none is."""
    return next((update for update, measured in curve if measured <= loss), None)


def dynamics_record(
    run: Run, distances: Mapping[str, Any] | None, *, on_event: OnEvent = lambda event: None
) -> dict[str, Any]:
    """Losses, BLEU and distance over updates: the content of `dynamics.json` (figures 2 and 6).

    Updates are counted over all stages. `updates_to_baseline` is the first evaluation in the last stage at which the
    loss on the validation set is no larger than the baseline's at its end, with the same seed;
    `last_stage_updates_to_baseline` leaves out the updates of the stages before, as the paper's 12k of 25k does. Losses
    are nats per target token; a stage that restores is validated on restoring.

    BLEU and distance are those of the models that are kept, at the updates that these are of, and null elsewhere, both
    on the test set: the distance of the model before training and of each stage's, BLEU of the last one's; with
    `training.snapshots` both of every checkpoint, whose translations are made here.

    Args:
        distances: the content of `distance.json`; None where it was not made.
    """

    def of_pair(pair: PairSettings) -> tuple[dict[str, Any], list[str]]:
        trainings = [each for each in run.trainings(pair) if not each.given]
        missing = [f"{each.name}: no metrics.jsonl, it has not begun" for each in trainings if not each.curve]
        missing += [f"{each.name}: not finished, no translations" for each in trainings if each.hypotheses is None]
        scores, unscored = _scores(run, pair, trainings)
        missing += unscored
        final = {
            each.seed: curve[-1][1]
            for each in trainings
            if each.arm == run.config.baseline and each.hypotheses is not None and (curve := _last_curve(each))
        }
        known = distances["pairs"] if distances is not None else []
        ours = (found for found in known if (found["pair"], found["tests"]) == (pair.name, TEST_SET))
        measured: Mapping[str, Any] = next(ours, {"sentences": 0, "systems": []})
        models = {
            (system["arm"], system["seed"], system["stage"]): system["layers"][-1]["distance"]
            for system in measured["systems"]
        }
        arms = []
        for each in (training for training in trainings if training.curve):
            kept: _Kept = {}
            try:
                kept = _snapshots(run, each, measured["sentences"], on_event)
            except SwitchtuneError as error:
                missing.append(f"{each.name}, snapshots: {error}")
            _add_models(kept, each, models, scores.get(each.name))
            arms.append(_arm(each, kept, final.get(each.seed)))
        return {"baseline": run.config.baseline, "arms": arms}, missing

    record = run.over_pairs(of_pair)
    if distances is None:
        record["missing"].append("no distances over updates: distance.json is not there (--what distance makes it)")
    return record


def _scores(run: Run, pair: PairSettings, trainings: Sequence[Training]) -> tuple[dict[str, float], list[str]]:
    """BLEU of every finished training by its name, and what could not be scored."""
    finished = [(each.name, each.hypotheses) for each in trainings if each.hypotheses is not None]
    scores, missing = {}, []
    if not run.translates:
        return {}, [f"{pair.name}: no BLEU, which does not measure {run.config.task}"]
    try:
        references = run.corpora(pair)[2].targets() if finished else []
    except SwitchtuneError as error:
        return {}, [str(error)]
    for name, hypotheses in finished:
        try:
            scores[name] = bleu(hypotheses, references, pair.target).value
        except ScoringError as error:
            missing.append(f"{name}: {error}")
    return scores, missing


def _snapshots(run: Run, training: Training, sentences: int, on_event: OnEvent) -> _Kept:
    """Measure every checkpoint that is kept and was evaluated, on as many pairs as the other distances."""
    evaluated = {(stage, update) for stage, update, _ in _validations(training)}
    found = [
        (stage, update, checkpoint.path)
        for stage in training.stages
        for checkpoint in complete_checkpoints(training.folder / stage)
        if (stage, update := _updates_before(training, stage) + checkpoint.update) in evaluated
    ]
    if not found or not run.translates:
        return {}
    pair = next(pair for pair in run.config.pairs if pair.name == training.pair)
    test = run.corpora(pair)[2]
    pairs = distinct_pairs(list(test))[:sentences]
    loaded = load_model(run.start)
    measured: _Kept = {}
    for number, (stage, update, path) in enumerate(found, start=1):
        on_event(Event(training.name, "snapshots", number, len(found)))
        set_weights(loaded.model, weights_of(path))
        outputs = translate(loaded, test.sources(), pair.source, pair.target, run.config.generation)
        score = bleu(outputs, test.targets(), pair.target).value
        distance = last_distance(loaded, pairs, pair.source, pair.target) if pairs else None
        measured[stage, update] = {"bleu": score, "distance": distance}
    return measured


def _validations(training: Training) -> list[tuple[str, int, float]]:
    """Stage, update and loss of each."""
    return [(each["stage"], each["update"], each["valid_nll"]) for each in training.curve if "valid_nll" in each]


def _last_curve(training: Training) -> list[tuple[int, float]]:
    """(update, loss) of the validations in the last stage."""
    return [(update, nll) for stage, update, nll in _validations(training) if stage == training.stages[-1]]


def _updates_before(training: Training, stage: str) -> int:
    """Updates of the stages before one."""
    earlier = training.stages[: training.stages.index(stage)]
    return max((entry["update"] for entry in training.curve if entry["stage"] in earlier), default=0)


def _add_models(
    kept: _Kept, training: Training, distances: Mapping[tuple[str | None, int | None, str], float], end: float | None
) -> None:
    """Add what is known of the model that each stage began with and of the one that it left."""
    arm, seed = training.arm, training.seed
    before: tuple[str | None, int | None, str] = (None, None, PRETRAINED)
    for stage in training.stages:
        first, chosen = _updates_before(training, stage), training.kept_update(stage)
        if training.recipe is not None and training.recipe.init == "pretrained" and before in distances:
            kept.setdefault((stage, first), {"bleu": None})["distance"] = distances[before]
        before = (arm, seed, stage)
        if chosen is not None:
            of_model = kept.setdefault((stage, first + chosen), {})
            of_model["distance"] = distances.get(before, of_model.get("distance"))
            of_model["bleu"] = end if stage == training.stages[-1] else of_model.get("bleu")


def _arm(training: Training, kept: _Kept, final: float | None) -> dict[str, Any]:
    """The record of one training; `final` is the baseline's last loss with the same seed, if it has one."""
    to_baseline = None if final is None else first_update_at(_last_curve(training), final)
    before_last = _updates_before(training, training.stages[-1])
    return {
        "arm": training.arm,
        "seed": training.seed,
        "train": [
            {key: entry[key] for key in ("update", "stage", "loss", "nll")}
            for entry in training.curve
            if {"loss", "nll"} <= entry.keys()
        ],
        "valid": [
            {"update": update, "stage": stage, "nll": nll, "bleu": None, "distance": None}
            | kept.get((stage, update), {})
            for stage, update, nll in _validations(training)
        ],
        "updates_to_baseline": to_baseline,
        "last_stage_updates_to_baseline": None if to_baseline is None else to_baseline - before_last,
    }
