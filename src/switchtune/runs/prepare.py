"""What a training needs before it begins: lexicons, alignments, a trimmed vocabulary."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from switchtune.config.arms import ArmSettings
from switchtune.config.run import ModelSettings, PairSettings, RunConfig
from switchtune.corpus.read import Corpus, describe, read_corpus, read_lines
from switchtune.errors import UsageError, nearest
from switchtune.events import Event, OnEvent
from switchtune.files import fingerprint, hash_file, write_json, write_text
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
from switchtune.models.layout import Layout
from switchtune.models.load import load_layout, load_model, model_fingerprint
from switchtune.models.rows import TrimFailedError
from switchtune.models.states import model_word_encoder
from switchtune.models.trim import VocabularyUsage, may_pay, pays, survey, trim
from switchtune.recipes import RECIPES, stage_updates
from switchtune.run_dir import RunDir, claim_folder, write_sealed
from switchtune.runs.manifest import (
    manifest,
)
from switchtune.runs.tasks import TASKS, read_pair
from switchtune.runs.trial import Trial, stage_previews
from switchtune.switching.make import segmenters_for
from switchtune.training.stage import require_runnable


def check_arm(config: RunConfig, pair: PairSettings, arm: ArmSettings, layout: Layout) -> None:
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
        check_arm(config, pair, arm, layout)
        corpora = read_pair(config, pair, folder / "corpus")
        on_event(Event(pair.name, describe(corpora[0])))
        prepare = (config, pair, arm, corpora[:2], layout, run, on_event)
        prepared = (prepare_lexicons(*prepare), prepare_alignments(*prepare), folder / "corpus", config.model.name)
        trial = Trial(pair, arm, seed, *prepared)
        trial = replace(trial, model=prepare_model(config, {pair.name: corpora}, [trial], run, on_event))
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
        lexicons, alignments = prepare_lexicons(*prepare), prepare_alignments(*prepare)
        trial = Trial(pair, arm, config.seeds[0], lexicons, alignments, run.path / "corpus", config.model.name)
        return stage_previews(config, trial, train, valid, rows=rows)


def switches(config: RunConfig, arm: ArmSettings) -> bool:
    """Whether an arm has a stage that switches words by a lexicon."""
    stages = RECIPES[arm.recipe].stages
    return any(stage.examples == "restore" for stage in stages) and config.switching_of(arm).source != "mask"


def prepare_lexicons(
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


def prepare_alignments(
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


def prepare_model(
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


def _trimmed(
    model: ModelSettings, usage: VocabularyUsage, texts: Mapping[str, Sequence[str]], folder: Path
) -> dict[str, Any]:
    """Trim where it is wanted, and say what was done and why."""
    if model.trim == "auto" and not pays(usage):
        return {
            "trimmed": False,
            "because": f"the vocabulary is left whole, too little would be saved: {usage.describe()}",
        }
    try:
        record = trim(model.name, usage, texts, folder)
    except TrimFailedError as error:
        if model.trim == "on":
            raise
        return {"trimmed": False, "because": f"the vocabulary is left whole: {error}"}
    return {"trimmed": True, "because": f"the vocabulary is trimmed: {usage.describe()}. {record.saved()}"}


def lexicon_words(lexicon: Lexicon) -> list[str]:
    """The words of a lexicon and their translations, which switching may put into a sentence."""
    entries = lexicon.entries.values()
    return sorted({word for entry in entries for word in (entry.word, *(each.word for each in entry.translations))})
