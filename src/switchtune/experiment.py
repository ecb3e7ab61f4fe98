"""Pairs × recipes × seeds at equal updates: every step resumable, ending in a comparison with the baseline."""

import multiprocessing
import os
import platform
import queue
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

import psutil
import torch

from switchtune.config.arms import ArmSettings
from switchtune.config.run import ModelSettings, PairSettings, RunConfig
from switchtune.corpus.read import Corpus, describe, read_corpus, read_lines
from switchtune.errors import Stopped, SwitchtuneError, UsageError, nearest
from switchtune.events import Event, OnEvent
from switchtune.files import claim_folder, fingerprint, hash_file, write_json, write_text
from switchtune.lexicon.alignment import align, parts, write_alignment
from switchtune.lexicon.build import (
    Neighbours,
    build,
    build_and_judge,
    corpus_material,
    require_accepted,
    require_files,
    side_of,
)
from switchtune.lexicon.files import read_lexicon, write_lexicon
from switchtune.lexicon.records import Lexicon
from switchtune.models.families import Layout
from switchtune.models.load import load_layout, load_model, model_fingerprint, parameter_count
from switchtune.models.states import model_word_encoder
from switchtune.models.trim import Need, TrimFailedError, may_pay, pays, survey, trim
from switchtune.recipes import RECIPES, stage_updates
from switchtune.results.comparison import Row, Summary, comparison_markdown, metrics_record
from switchtune.run_dir import RunDir, write_sealed
from switchtune.scoring.metrics import can_identify, in_language
from switchtune.scoring.significance import METRICS, compare_scores
from switchtune.switching.make import segmenters_for
from switchtune.tasks import TASKS, read_pair
from switchtune.terminal import show_standard_error
from switchtune.training.distributed import end_with, place_of
from switchtune.training.stopping import SECONDS_TO_STOP, heeding
from switchtune.training.trainer import require_runnable
from switchtune.trial import Trial, TrialResult, run_trial, stage_previews

_Result = TypeVar("_Result")


def run_experiment(config: RunConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None) -> Summary:
    """Train every arm on every pair with every seed, translate the test sets, compare with the baseline.

    Each step leaves a marker in `folder`; called again, steps that are done and whose inputs are the same are skipped,
    and an interrupted training goes on from its last checkpoint. Writes `config.resolved.yaml`, `manifest.json`,
    `metrics.json` and `comparison.md`.

    With several `jobs` the trainings run in processes of their own, so a script that calls this needs the usual
    `if __name__ == "__main__":`.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used; the message says which and why.
        RunLockedError: another process is working in `folder`.
    """
    require_one_process()
    folder = Path(folder)
    claim_folder(folder, "run", inputs=config.inputs)
    run = RunDir(folder, lambda message: on_event(Event("run", message)), config.keep_changed)
    with run.lock():
        write_text(folder / "config.resolved.yaml", config.as_yaml())
        layout = load_layout(config.model.name)
        _check_equal_updates(config)
        for pair in config.pairs:
            for arm in config.recipes:
                _check(config, pair, arm, layout)
        corpora: dict[str, tuple[Corpus, Corpus, Corpus]] = {}
        trials: list[Trial] = []
        for pair in config.pairs:
            corpora[pair.name] = read_pair(config, pair, folder / "corpus")
            train, valid, _ = corpora[pair.name]
            on_event(Event(pair.name, describe(train)))
            for arm in config.recipes:
                lexicons = _prepare_lexicons(config, pair, arm, (train, valid), layout, run, on_event)
                alignments = _prepare_alignments(config, pair, arm, (train, valid), layout, run, on_event)
                prepared = (lexicons, alignments, folder / "corpus", config.model.name)
                trials += [Trial(pair, arm, seed, *prepared) for seed in config.seeds]
        start = _prepare_model(config, corpora, trials, run, on_event)
        trials = [replace(trial, model=start) for trial in trials]
        write_sealed(folder / "manifest.json", manifest(config, corpora, trials))
        jobs = jobs_for(config.jobs, len(trials), partial(parameter_count, start))
        results = side_by_side(run_trial, [(config, trial, folder / trial.name) for trial in trials], jobs, on_event)
        references = {name: test.targets() for name, (_, _, test) in corpora.items()}
        summary = Summary(tuple(_rows(config, references, results)), config.baseline, config.seeds)
        write_sealed(folder / "metrics.json", metrics_record(summary))
        write_text(folder / "comparison.md", comparison_markdown(summary))
        return summary


def require_one_process() -> None:
    """Have nothing done by a group of processes that starts its own.

    Raises:
        UsageError: this is one of several processes.
    """
    place = place_of(os.environ)
    # A batch script of SLURM that starts nothing by srun has the variables of a process 0.
    if place is not None and (place.rank > 0 or "RANK" in os.environ):
        raise UsageError(
            "`switchtune run` was started as several processes, and would do everything as many times. It starts its "
            "trainings itself (`jobs`); `switchtune train` trains one arm with many processes."
        )


def _check_equal_updates(config: RunConfig) -> None:
    """Have arms compared at equal updates alone."""
    for arm in config.recipes:
        if len(config.recipes) > 1 and config.training_of(arm).patience is not None:
            raise UsageError(
                f"recipes.{arm.name}: training.patience may end its stages before those of other arms, and arms are "
                "compared at equal updates. Leave it out (keep: best takes the best weights all the same), or train "
                "one arm alone with `switchtune train`."
            )


def _check(config: RunConfig, pair: PairSettings, arm: ArmSettings, layout: Layout) -> None:
    """Have what an arm would stumble over known before the hours of training of the arms before it."""
    layout.code(pair.source), layout.code(pair.target)
    training, recipe = config.training_of(arm), RECIPES[arm.recipe]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    require_runnable(training, layout.family.name, device)
    if switches(config, arm):
        require_files(config.lexicon_of(arm))
    stage_updates(recipe, training.updates, training.restore_share)
    masks = {"iaft": True, "restore": config.switching_of(arm).source == "mask", "task": False}
    if any(masks[stage.examples] for stage in recipe.stages):
        layout.mask_token  # noqa: B018


def prepare_trial(
    config: RunConfig, pair: PairSettings, arm: ArmSettings, seed: int, folder: Path, on_event: OnEvent
) -> Trial:
    """Read and build for one trial what `run_experiment` would, in the same places.

    Writes `config.resolved.yaml` beside it, and `manifest.json` in the trial's own folder.

    Raises:
        SwitchtuneError: data, model or lexicon cannot be used; the message says which and why.
        RunLockedError: another process is preparing in `folder`.
    """
    claim_folder(folder, "run", inputs=config.inputs)
    run = RunDir(folder, lambda message: on_event(Event("run", message)), config.keep_changed)
    with run.lock():
        write_text(folder / "config.resolved.yaml", config.as_yaml())
        layout = load_layout(config.model.name)
        _check(config, pair, arm, layout)
        corpora = read_pair(config, pair, folder / "corpus")
        on_event(Event(pair.name, describe(corpora[0])))
        prepare = (config, pair, arm, corpora[:2], layout, run, on_event)
        prepared = (_prepare_lexicons(*prepare), _prepare_alignments(*prepare), folder / "corpus", config.model.name)
        trial = Trial(pair, arm, seed, *prepared)
        trial = replace(trial, model=_prepare_model(config, {pair.name: corpora}, [trial], run, on_event))
        write_sealed(folder / trial.name / "manifest.json", manifest(config, {pair.name: corpora}, [trial]))
        return trial


def chosen_arm(config: RunConfig, name: str | None) -> ArmSettings:
    """The arm of a name, or by default the first with a stage that restores.

    Raises:
        UsageError: no arm of that name.
    """
    arms = {arm.name: arm for arm in config.recipes}
    if name is None:
        return next((arm for arm in config.recipes if len(RECIPES[arm.recipe].stages) > 1), config.recipes[0])
    if name not in arms:
        raise UsageError(f"--recipe {name}: {nearest(name, arms)}")
    return arms[name]


def batch_preview(
    config: RunConfig, *, recipe: str | None = None, rows: int = 2, folder: Path | None = None
) -> list[str]:
    """What the model is given in each stage of an arm, on its first pair: a block of text per stage.

    Args:
        folder: of a run, whose lexicon is used, hand edits included, or made there; by default one is made for the
            occasion.
        recipe: name of the arm; by default the first with a stage that restores.
        rows: examples per stage.

    Raises:
        UsageError: no arm of that name, or a folder that is not of a run.
    """
    pair, arm = config.pairs[0], chosen_arm(config, recipe)
    if folder is not None:
        claim_folder(folder, "run", inputs=config.inputs, remedy="Give the folder of a run.")
    with tempfile.TemporaryDirectory() as temporary:
        run = RunDir(folder or Path(temporary))
        train, valid, _ = read_pair(config, pair, run.path / "corpus")
        layout = load_layout(config.model.name)
        prepare = (config, pair, arm, (train, valid), layout, run, lambda event: None)
        lexicons, alignments = _prepare_lexicons(*prepare), _prepare_alignments(*prepare)
        trial = Trial(pair, arm, config.seeds[0], lexicons, alignments, run.path / "corpus", config.model.name)
        return stage_previews(config, trial, train, valid, rows=rows)


def switches(config: RunConfig, arm: ArmSettings) -> bool:
    """Whether an arm has a stage that switches words by a lexicon."""
    stages = RECIPES[arm.recipe].stages
    return any(stage.examples == "restore" for stage in stages) and config.switching_of(arm).source != "mask"


def _prepare_lexicons(
    config: RunConfig,
    pair: PairSettings,
    arm: ArmSettings,
    corpora: tuple[Corpus, Corpus],
    layout: Layout,
    run: RunDir,
    on_event: OnEvent,
) -> tuple[Path, Path] | None:
    """Build an arm's lexicons from the training corpus (or another) and judge them by the validation corpus."""
    if not switches(config, arm):
        return None
    settings = config.lexicon_of(arm)
    switching = config.switching_of(arm)
    languages = (pair.source, pair.target)
    train, valid = corpora
    corpus, parallel = train, TASKS[config.task].parallel
    if settings.corpus is not None:
        corpus = read_corpus(settings.corpus, *languages, columns=settings.columns, cache_dir=run.path / "corpus")
    neighbours: Neighbours = "farthest" if switching.source == "anti" else "nearest"
    needs_model = "plm" in {settings.method, *settings.parts}
    inputs = {
        "settings": settings.built_from,
        "files": [hash_file(Path(path)) for path in settings.files],
        "corpus": corpus.fingerprint(),
        "judged by": valid.fingerprint() if parallel else None,
        "unit": switching.unit,
        "model": model_fingerprint(config.model.name) if switching.unit == "piece" or needs_model else None,
        "neighbours": neighbours,
    }
    name = f"{settings.method}-{fingerprint(inputs)[:8]}"
    folder = run.path / "lexicon" / pair.name / name
    source, target = languages
    paths = (folder / f"lexicon.{source}-{target}.tsv", folder / f"lexicon.{target}-{source}.tsv")
    step = f"lexicon.{pair.name}.{name}"
    written = run.result(step, inputs)
    missing = [path for path in paths if not path.exists()]
    if written is None or missing:
        on_event(Event(pair.name, f"building the lexicon ({settings.method}, {len(corpus):,} pairs)"))
        segmenters = segmenters_for(corpus, switching.unit, layout.tokenizer.tokenize)
        material = corpus_material(corpus, segmenters, unit=switching.unit)
        if settings.corpus is None:
            material = replace(material, paired=parallel)
        if needs_model:
            material = replace(material, encoder=model_word_encoder(load_model(config.model.name)))
        if neighbours == "farthest":
            built, refusal = build(material, settings, neighbours=neighbours), None
        else:
            judged_by = corpus_material(valid, segmenters) if parallel else None
            judged = build_and_judge(material, settings, judged_by=judged_by)
            built = judged.built
            write_json(folder / "judgement.json", judged.record())
            on_event(Event(pair.name, judged.describe()))
            refusal = judged.refusal
        for lexicon, path in zip(built.lexicons, paths, strict=True):
            # Beside one that is missing, the other may have been edited.
            if path in missing:
                write_lexicon(lexicon, path)
        if written is None:
            written = {"files": [hash_file(path) for path in paths], "refusal": refusal}
            run.finish(step, inputs, written)
    elif written["files"] != [hash_file(path) for path in paths]:
        on_event(Event(pair.name, f"{folder}: edited since it was built; used as it stands"))
    require_accepted(written["refusal"], settings.accept)
    return paths


def _prepare_alignments(
    config: RunConfig,
    pair: PairSettings,
    arm: ArmSettings,
    corpora: tuple[Corpus, Corpus],
    layout: Layout,
    run: RunDir,
    on_event: OnEvent,
) -> tuple[Path, Path] | None:
    """Align the training and the validation pairs together, where an arm switches words by their alignment."""
    if not switches(config, arm) or config.switching_of(arm).source != "aligned":
        return None
    unit = config.switching_of(arm).unit
    inputs = {
        "corpora": [corpus.fingerprint() for corpus in corpora],
        "unit": unit,
        "model": model_fingerprint(config.model.name) if unit == "piece" else None,
        "seed": config.lexicon_of(arm).seed,
    }
    name = f"alignment-{fingerprint(inputs)[:8]}"
    folder = run.path / "lexicon" / pair.name / name
    paths = (folder / "train.npz", folder / "valid.npz")
    if run.result(f"lexicon.{pair.name}.{name}", inputs, made=paths) is None:
        on_event(Event(pair.name, f"aligning the words of {sum(map(len, corpora)):,} pairs"))
        segmenters = segmenters_for(corpora[0], unit, layout.tokenizer.tokenize)
        lines = ([line for each in corpora for line in side(each)] for side in (Corpus.sources, Corpus.targets))
        source, target = (
            side_of(side, language, segmenter).text
            for side, language, segmenter in zip(lines, (pair.source, pair.target), segmenters, strict=True)
        )
        aligned = align(source, target, seed=config.lexicon_of(arm).seed)
        for part, path in zip(parts(aligned, [len(corpus) for corpus in corpora]), paths, strict=True):
            write_alignment(part, path)
        run.finish(f"lexicon.{pair.name}.{name}", inputs, len(aligned.source), made=paths)
    return paths


TRIMMED = "model-trimmed"
"""Folder of a run, and name of the step that makes it."""


def _prepare_model(
    config: RunConfig,
    corpora: Mapping[str, tuple[Corpus, Corpus, Corpus]],
    trials: Sequence[Trial],
    run: RunDir,
    on_event: OnEvent,
) -> str:
    """What all trainings start from: the model, or the model with the vocabulary that this run's text needs."""
    model = config.model
    if model.trim == "off" or (model.trim == "auto" and not may_pay(model.name)):
        return model.name
    lexicons = sorted({path for trial in trials for path in trial.lexicons or ()})
    languages = sorted({language for pair in config.pairs for language in (pair.source, pair.target)})
    folder = run.path / TRIMMED
    inputs = {
        "model": model_fingerprint(model.name),
        "trim": model.trim,
        "corpora": [corpus.fingerprint() for parts in corpora.values() for corpus in parts],
        "lexicons": [hash_file(path) for path in lexicons],
        "text": [hash_file(Path(path)) for path in model.text],
        "languages": languages,
    }
    done = run.result(TRIMMED, inputs)
    if done is not None and done["trimmed"]:
        done = run.result(TRIMMED, inputs, made=[folder])
    if done is None:
        on_event(Event("model", f"looking for the pieces of {model.name} that the text needs"))
        texts = {
            f"{name}.{part}.{language}": side(corpus)
            for name, parts in corpora.items()
            for part, corpus in zip(("train", "valid", "test"), parts, strict=True)
            for language, side in ((corpus.source_language, Corpus.sources), (corpus.target_language, Corpus.targets))
        }
        texts |= {str(path.relative_to(run.path)): lexicon_words(read_lexicon(path)) for path in lexicons}
        texts |= {path: read_lines(Path(path)) for path in model.text}
        done = _trimmed(model, survey(model.name, texts, languages), texts, folder)
        run.finish(TRIMMED, inputs, done, made=[folder] if done["trimmed"] else [])
    on_event(Event("model", done["because"]))
    return str(folder) if done["trimmed"] else model.name


def _trimmed(model: ModelSettings, need: Need, texts: Mapping[str, Sequence[str]], folder: Path) -> dict[str, Any]:
    """Trim where it is wanted, and say what was done and why."""
    if model.trim == "auto" and not pays(need):
        return {
            "trimmed": False,
            "because": f"the vocabulary is left whole, too little would be saved: {need.describe()}",
        }
    try:
        record = trim(model.name, need, texts, folder)
    except TrimFailedError as error:
        if model.trim == "on":
            raise
        return {"trimmed": False, "because": f"the vocabulary is left whole: {error}"}
    return {"trimmed": True, "because": f"the vocabulary is trimmed: {need.describe()}. {record.saved()}"}


def lexicon_words(lexicon: Lexicon) -> list[str]:
    """The words of a lexicon and their translations, which switching may put into a sentence."""
    entries = lexicon.entries.values()
    return sorted({word for entry in entries for word in (entry.word, *(each.word for each in entry.translations))})


BYTES_PER_PARAMETER = 24
"""Memory of a training without its activations, in float32: weights, gradients, two moments, and as much for copies."""


def jobs_for(jobs: int, trials: int, weights: Callable[[], int]) -> int:
    """Trainings that run at the same time: as configured, else one with a GPU, one per core where memory allows it.

    All of the machine's memory counts, free or not: another number of jobs means another number of threads for each,
    and a resumed training would end in other weights than one that was not interrupted.

    Args:
        jobs: as configured; 0 has them found.
        trials: how many there are.
        weights: counts those of the model.
    """
    if jobs:
        wanted = jobs
    elif torch.cuda.is_available():
        wanted = 1
    else:
        fitting = psutil.virtual_memory().total // (BYTES_PER_PARAMETER * weights())
        wanted = min(_cores(), fitting)
    return max(1, min(wanted, trials))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    work: Callable[..., _Result], arguments: Sequence[tuple[Any, ...]], jobs: int, on_event: OnEvent
) -> list[_Result]:
    """`work(*each, on_event)` for each of the arguments, so many at a time, each in a process of its own if several.

    Ctrl-C and SIGTERM are passed on, and heeded by those that train.

    Raises:
        SwitchtuneError: what the first that failed raised, the others being stopped; or a process was killed.
        Stopped: a signal came, and each has written a checkpoint.
    """
    if jobs == 1:
        return [work(*each, on_event) for each in arguments]
    context = multiprocessing.get_context("spawn")
    events = context.Queue()
    start = (events, _cores() // jobs, os.getpid())
    with heeding() as request, ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=start) as pool:
        futures = [pool.submit(_work, work, each) for each in arguments]
        workers = list(pool._processes.values())
        try:
            while not request.signal and not all(future.done() for future in futures):
                _raise_first_error(futures)
                _show(events, on_event)
            if request.signal:
                for process in workers:
                    process.terminate()
                latest = time.monotonic() + SECONDS_TO_STOP
                while any(process.is_alive() for process in workers) and time.monotonic() < latest:
                    _show(events, on_event)
            while _show(events, on_event, patience=0.0):
                pass
            if request.signal:
                raise Stopped(128 + request.signal)
            return [future.result() for future in futures]
        except BaseException as error:
            # Leaving the block would wait for the trainings that still run.
            for process in workers:
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise SwitchtuneError(
                    "A training process was killed, perhaps for want of memory. Run the same command again: it goes "
                    "on from the last checkpoints. `--set jobs=1` needs the least memory."
                ) from error
            raise


def _show(events: "multiprocessing.Queue[Event]", on_event: OnEvent, *, patience: float = 0.2) -> bool:
    """Show the next event if one comes within so many seconds, and tell whether it did."""
    with suppress(queue.Empty):
        on_event(events.get(timeout=patience))
        return True
    return False


def _raise_first_error(futures: Sequence["Future[Any]"]) -> None:
    for future in futures:
        if future.done():
            future.result()


_events: "multiprocessing.Queue[Event] | None" = None


def _start_worker(events: "multiprocessing.Queue[Event]", threads: int, parent: int) -> None:
    global _events
    _events = events
    show_standard_error()
    # An interrupt from the keyboard reaches all processes; the parent decides what comes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(max(1, threads))

    # A killed parent cannot stop its workers, and two runs must not write the same folder.
    end_with(parent)


def _work(work: Callable[..., _Result], arguments: tuple[Any, ...]) -> _Result:
    assert _events is not None
    try:
        return work(*arguments, _events.put)
    except Stopped as stopped:
        # The pool would give this process the next training. What was told is to arrive before it ends.
        _events.close()
        _events.join_thread()
        os._exit(cast("int", stopped.code))


def _rows(config: RunConfig, references: Mapping[str, Sequence[str]], results: Sequence[TrialResult]) -> list[Row]:
    rows = []
    metrics = TASKS[config.task].metrics
    for pair in config.pairs:
        outputs = {
            arm.name: [result for result in results if (result.pair, result.arm) == (pair.name, arm.name)]
            for arm in config.recipes
        }
        scores = {
            arm: {
                name: tuple(METRICS[name](each.hypotheses, references[pair.name], pair.target) for each in trials)
                for name in metrics
            }
            for arm, trials in outputs.items()
        }
        for arm in config.recipes:
            trials = outputs[arm.name]
            comparisons = [
                compare_scores(scores[config.baseline][name], scores[arm.name][name], **config.evaluation.model_dump())
                for name in (metrics if arm.name != config.baseline else ())
            ]
            rows.append(
                Row(
                    pair=pair.name,
                    arm=arm.name,
                    stage_updates=trials[0].stage_updates,
                    valid_nll=_mean_curve([result.valid_nll for result in trials]),
                    scores=scores[arm.name],
                    in_language=tuple(in_language(each.hypotheses, pair.target) for each in trials)
                    if can_identify(pair.target)
                    else (),
                    rates=trials[0].rates,
                    truncated=trials[0].truncated,
                    minutes=sum(result.seconds for result in trials) / len(trials) / 60,
                    against_baseline=comparisons[0] if comparisons else None,
                    by_other_metrics=tuple(comparisons[1:]),
                )
            )
    return rows


def _mean_curve(curves: Sequence[tuple[tuple[int, float], ...]]) -> tuple[tuple[int, float], ...]:
    """The mean over seeds, at the updates at which all of them were measured."""
    measured = [dict(curve) for curve in curves]
    return tuple(
        (update, sum(curve[update] for curve in measured) / len(measured))
        for update in measured[0]
        if all(update in curve for curve in measured)
    )


def manifest(
    config: RunConfig, corpora: Mapping[str, tuple[Corpus, Corpus, Corpus]], trials: Sequence[Trial]
) -> dict[str, Any]:
    """What a run was made of: versions, hashes of data, model and lexicons, seeds, the machine."""
    lexicons = sorted({path for trial in trials for path in trial.lexicons or ()})
    return {
        **surroundings(),
        "model": {"name": config.model.name, "fingerprint": model_fingerprint(config.model.name)},
        "start": {"name": trials[0].model, "fingerprint": model_fingerprint(trials[0].model)},
        "corpora": {
            name: {
                part: {"origin": corpus.origin, "pairs": len(corpus), "fingerprint": corpus.fingerprint()}
                for part, corpus in zip(("train", "valid", "test"), parts, strict=True)
            }
            for name, parts in corpora.items()
        },
        "lexicons": {str(path): hash_file(path) for path in lexicons},
        "seeds": list(config.seeds),
    }


def surroundings() -> dict[str, Any]:
    """Versions of packages, and the machine."""
    packages = ("switchtune", "torch", "transformers", "accelerate", "tokenizers", "sacrebleu", "gensim", "numpy")
    return {
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "machine": {"processor": platform.processor() or platform.machine(), "cores": _cores(), "gpu": _gpu()},
    }


def _gpu() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
