"""What a run was asked, in words: which model, on which data, in which ways, and when."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from switchtune.config.arms import ResolvedArm
from switchtune.recipes import IN_WORDS, ExampleKind
from switchtune.report.html import direction_name, language_name
from switchtune.runs.paths import METRICS_FILE
from switchtune.runs.run_files import RunFiles

SWITCHING = "code-switching"
_FEW = 3
"""Pairs that are told one by one."""

_SOURCES: Mapping[str, str] = {
    "lexicon": "their translations",
    "aligned": "what they are aligned to",
    "random": "random words of the other language",
    "anti": "wrong translations",
    "mask": "a mask",
}


def test_names(run: RunFiles) -> dict[str, str]:
    """What is tested, pairs or languages, by its name in the run's files, for people."""
    if run.config is not None:
        return {pair.name: direction_name(pair.source, pair.target) for pair in run.config.pairs}
    languages = run.inference.languages if run.inference else ()
    return {code: language_name(code) for code in (*languages, *(row["pair"] for row in run.rows))}


def arm_words(arm: ResolvedArm) -> str:
    """What is done in an arm."""
    if arm.outputs:
        return "outputs of another system, as given; nothing was trained"
    stages = [", mixed with ".join(_kind(kind, arm) for kind in stage.mixture) for stage in arm.recipe.stages]
    start = "from random weights, " if arm.recipe.init == "random" else ""
    return start + (f"first {', then '.join(stages)}" if len(stages) > 1 else stages[0])


def _kind(kind: ExampleKind, arm: ResolvedArm) -> str:
    if kind != "restore":
        return IN_WORDS[kind]
    switching = arm.switching
    return f"{IN_WORDS[kind].replace('words', f'{switching.rate:.0%} of the words')} by {_SOURCES[switching.source]}"


def all_arm_words(run: RunFiles) -> dict[str, str]:
    """What is done in each arm, by its name."""
    return {arm.name: arm_words(arm) for arm in run.resolved_arms}


def question(run: RunFiles) -> str:
    """What the run was to answer."""
    names = list(test_names(run).values())
    model = Path(str(_model(run))).name
    model = "this model" if model in ("", "model", "None") else model
    if not names:
        return run.name
    if run.inference:
        asked = f"classify {_told(names, 'languages')}"
    else:
        verb = "summarise" if run.config and run.config.task == "summarization" else "translate"
        asked = f"{verb} {_told(names, 'language pairs')}{', and untrained directions' if run.zeroshot else ''}"
    what = " or ".join(tried(run))
    return f"Does {what} help {model} {asked}?" if what else f"How well does {model} {asked}?"


def tried(run: RunFiles) -> list[str]:
    """What a run compares with its baseline: code-switching, or, where no arm switches words, its arms by name."""
    arms = [arm for arm in run.resolved_arms if not arm.outputs and arm.name != run.baseline]
    return [SWITCHING] if any(arm.switches_by_meaning for arm in arms) else [arm.name for arm in arms]


def _told(names: Sequence[str], what: str) -> str:
    return " and ".join(names) if len(names) < _FEW else f"{len(names)} {what}"


def differing_settings(settings: Sequence[Any], name: str = "") -> Iterator[tuple[str, ...]]:
    """Each setting that is not the same in all runs: its name, then its value in each run.

    Arms and pairs that all runs have are compared setting by setting.
    """
    if name in ("arms", "pairs") and all(settings):
        settings = [{_name_of(each): each for each in run} for run in settings]
        if len({tuple(run) for run in settings}) > 1:
            yield (name, *(", ".join(run) for run in settings))
        settings = [{each: run[each] for each in run if all(each in other for other in settings)} for run in settings]
    if all(isinstance(each, Mapping) for each in settings):
        for key in dict.fromkeys(key for run in settings for key in run):
            yield from differing_settings([run.get(key) for run in settings], f"{name}.{key}".lstrip("."))
    elif any(each != settings[0] for each in settings):
        yield (name, *(json.dumps(each, ensure_ascii=False) for each in settings))


def _name_of(listed: Any) -> str:
    """What an arm or a pair of a configuration is called."""
    if isinstance(listed, str):
        return listed
    return str(listed.get("name") or listed.get("recipe") or f"{listed['source']}-{listed['target']}")


def facts(run: RunFiles) -> Iterator[str]:
    """Model, data, trainings and date."""
    if model := _model(run):
        yield str(model)
    yield from _data(run)
    configured = run.config or run.inference
    if configured:
        seeds = len(configured.seeds)
        yield f"{configured.training.updates:,} updates, {seeds} seed{'s' * (seeds > 1)}"
    path = run.folder / METRICS_FILE
    if path.exists():
        yield f"{datetime.fromtimestamp(path.stat().st_mtime, tz=timezone.utc):%d %B %Y}".lstrip("0")


def _model(run: RunFiles) -> str | None:
    configured = run.config or run.inference
    model = configured.model if configured else run.settings.get("model")
    return str(getattr(model, "name", model)) if model else None


def _data(run: RunFiles) -> Iterator[str]:
    corpora = (run.manifest or {}).get("corpora", {})
    told = {name: corpora[name] for name in test_names(run) if name in corpora}
    sizes = {
        part: [each[part]["pairs"] for each in told.values() if "pairs" in each.get(part, {})]
        for part in ("train", "test")
    }
    origins = dict.fromkeys(str(each["train"]["origin"]) for each in told.values() if "origin" in each.get("train", {}))
    if sizes["train"]:
        origin = f" of {', '.join(origins)}" if len(origins) <= _FEW else ""
        yield f"trained on {_range(sizes['train'])} pairs{origin}"
    if sizes["test"]:
        yield f"tested on {_range(sizes['test'])}{' each' * (len(sizes['test']) > 1)}"


def _range(sizes: list[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
