"""One arm of a configuration trained alone, by one process or by many, in the folders of a whole run."""

import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.together import group_name
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.runs.arms import Trial, chosen_arm, chosen_pair
from switchtune.runs.experiment import experiment_of, prepared_run, set_results_aside
from switchtune.runs.manifest import write_manifest
from switchtune.runs.paths import model_folder
from switchtune.runs.trial import Experiment, TrialResult, finished_trial, run_trial, train_trial
from switchtune.training.distributed import Device, group_device, joined, launch, on_first, place_of


@dataclass(frozen=True)
class TrainedArm:
    """A trained arm, and its outputs for the test set."""

    model: Path
    """Loads with `load_model`, or plainly with transformers."""
    result: TrialResult

    def record(self) -> dict[str, Any]:
        """As JSON holds it; the outputs stand in files of their own."""
        result = self.result
        return {
            "model": str(self.model),
            "pair": group_name(result.pairs),
            "arm": result.arm,
            "seed": result.seed,
            "stage_updates": result.stage_updates,
            **{name: result.curve(name) for name in ("valid_nll", "valid_accuracy") if name in result.last},
            "seconds": result.seconds,
            "truncated": result.truncated,
            **({"choice": asdict(result.choice)} if result.choice else {}),
            **({"back_translation": asdict(result.back_translation)} if result.back_translation else {}),
            "rates": {code: asdict(rates) for code, rates in result.rates.items()},
        }


def train_arm(
    config: RunConfig | NliConfig,
    folder: Path | str,
    *,
    arm: str | None = None,
    pair: str | None = None,
    seed: int | None = None,
    gpus: int | None = None,
    processes: int | None = None,
    on_event: OnEvent = lambda event: None,
) -> TrainedArm | None:
    """Train one model of an arm with one seed, and have it do the test set of each pair that it learns.

    What it needs is read and built as `run_experiment` would, in the same places, so that one finds what the other has
    finished. Where a launcher (torchrun, `accelerate launch`, srun) started this process as one of many, it joins them;
    all of them must see the same `folder`.

    Args:
        arm: its name; by default the first that is not the baseline.
        pair: one that the model learns, as in `de-en`; by default the first.
        seed: by default the first of the configuration.
        gpus: start so many processes, each with a GPU of this machine.
        processes: start so many processes on this machine, which has no GPU. With either, a script that calls this
            needs the usual `if __name__ == "__main__":`.

    Returns:
        None in the processes other than 0 that a launcher started.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used, the training failed, or a process of it died.
    """
    folder, experiment = Path(folder), experiment_of(config)
    seed = config.seeds[0] if seed is None else seed
    job = _Job(experiment, folder, chosen_pair(experiment.pairs, pair), chosen_arm(config, arm), seed)
    place, device = place_of(os.environ), group_device()
    wanted = _processes(gpus, processes, device, launched=place is not None)
    first = place is None or place.rank == 0
    with ExitStack() as stack:
        if place is not None:
            if first:
                at = f"{place.address}:{place.port}"
                on_event(Event("train", f"process 0 of {place.size} waits for the others at {at}"))
            stack.enter_context(joined(place, device))
        if wanted > 1:
            for event in launch(_train, (job,), processes=wanted, device=device):
                on_event(event)
        else:
            _train(on_event if first else lambda event: None, job)
    if not first:
        return None
    # The group is gone: others need not wait while one process writes the outputs.
    trial = job.prepare(lambda event: None)
    result = run_trial(experiment, trial, folder / trial.name, on_event)
    return TrainedArm(model_folder(folder / trial.name, list(result.reports)[-1]), result)


@dataclass(frozen=True)
class _Job:
    experiment: Experiment[Any]
    folder: Path
    pair: PairSettings | None
    arm: ResolvedArm
    seed: int

    def prepare(self, on_event: OnEvent) -> Trial:
        """Read and build for one trial what `run_experiment` would, in the same places."""
        some: dict[str, Any] = {"pairs": [self.pair], "arms": [self.arm], "seeds": [self.seed]}
        with prepared_run(self.experiment, self.folder, "run", on_event, **some) as (_, prepared):
            (trial,) = prepared.trials
            write_manifest(self.folder / trial.name, self.experiment.config, prepared.trials, prepared.data)
            return trial


def _train(on_event: OnEvent, job: _Job) -> None:
    def prepared() -> Trial:
        trial = job.prepare(on_event)
        compared = job.seed in job.experiment.config.seeds
        if compared and finished_trial(job.experiment, trial, job.folder / trial.name, on_event) is None:
            set_results_aside(job.folder, on_event)
        return trial

    trial = on_first(prepared)
    train_trial(job.experiment, trial, job.folder / trial.name, on_event)


def _processes(gpus: int | None, processes: int | None, device: Device, *, launched: bool) -> int:
    """How many processes to start; 1 where none is to be started."""
    if gpus is None and processes is None:
        return 1
    if launched:
        raise UsageError("A launcher has started this process as one of many: leave out --gpus and --processes.")
    if gpus is not None and processes is not None:
        raise UsageError("--gpus and --processes: choose one; there is one process a GPU.")
    if processes is not None and device == "cuda":
        raise UsageError(
            "--processes is for machines without a GPU, and this one has some: give --gpus, or hide them with "
            "CUDA_VISIBLE_DEVICES=''."
        )
    there = torch.cuda.device_count() if device == "cuda" else 0
    if gpus is not None and gpus > there:
        raise UsageError(
            f"--gpus {gpus}: this machine has {there or 'no'} GPU{'s' if there > 1 else ''} that torch can use. "
            f"{'Give fewer.' if there else 'To train with several processes on its CPU, give --processes.'}"
        )
    return gpus or processes or 1
