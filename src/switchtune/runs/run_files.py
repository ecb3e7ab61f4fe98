"""A run's folder as the report reads it: whatever is there, and what is missing, in words."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from switchtune.config.arms import ArmSettings
from switchtune.config.inference import NliConfig
from switchtune.config.load import load_run_config, read_settings
from switchtune.config.run import RunConfig
from switchtune.config.switching import SwitchingSettings
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import read_json
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.judge import JUDGEMENT_RECORD
from switchtune.lexicon.records import Lexicon
from switchtune.recipes import RECIPES, stage_updates
from switchtune.results.records import ANALYSIS_RECORDS, MANIFEST_RECORD, METRICS_RECORD, ZEROSHOT_RECORD
from switchtune.run_dir import edit_warning
from switchtune.runs.trial import read_hypotheses, trial_name
from switchtune.training.curve import METRICS, read_metrics

CONFIG = "config.resolved.yaml"
_Content = TypeVar("_Content")


@dataclass(frozen=True)
class Training:
    """One arm on one pair with one seed, as far as it has come."""

    pair: str
    arm: str
    seed: int
    name: str
    """Its folder within the run's."""
    curve: Sequence[Mapping[str, Any]]
    """The entries of `metrics.jsonl`; none where it has not begun."""
    hypotheses: Sequence[str] | None
    """Outputs for the test set; None where it has not come to them."""


@dataclass(frozen=True)
class LexiconFolder:
    """A judged lexicon that a run made, as its files stand now."""

    name: str
    paths: tuple[Path, Path]

    @property
    def judgement(self) -> Mapping[str, Any]:
        """What was found about it when it was built.

        Raises:
            SwitchtuneError: it cannot be read.
        """
        path = self.paths[0].with_name("judgement.json")
        remedy = f"Move {path.parent} away, and the same `switchtune run` builds the lexicon again."
        return cast("Mapping[str, Any]", read_json(path, JUDGEMENT_RECORD, remedy=remedy))

    def read(self) -> tuple[Lexicon, Lexicon]:
        """Both directions.

        Raises:
            LexiconError: a file is missing or malformed.
        """
        return read_lexicon(self.paths[0]), read_lexicon(self.paths[1])


@dataclass(frozen=True)
class RunFiles:
    """All that a report shows of one run. What is not there is None or empty, and named in `missing`."""

    folder: Path
    name: str
    """Of the folder; what the report calls the run."""
    settings: Mapping[str, Any]
    """The configuration as it stands in its file."""
    config: RunConfig | None
    """None where it is no configuration that this version knows, and of cross-lingual inference."""
    inference: NliConfig | None
    """The configuration of cross-lingual inference, which has languages, not pairs; None of other tasks."""
    metrics: Mapping[str, Any] | None
    manifest: Mapping[str, Any] | None
    zeroshot: Mapping[str, Any] | None
    analyses: Mapping[str, Mapping[str, Any]]
    """By name, those that were made."""
    trainings: tuple[Training, ...]
    damaged: tuple[str, ...]
    """Of the files that are there, those that are not what is written there, and why; they count as missing."""
    changed: tuple[str, ...]
    """Of the files that are there, those that somebody has changed since they were written, and what to do; they are
    shown as they are."""
    missing: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader is to know before the figures."""
        return self.damaged + self.changed

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Of the comparison; none where the run is not finished."""
        rows: Sequence[Mapping[str, Any]] = self.metrics["rows"] if self.metrics else ()
        return rows

    @property
    def baseline(self) -> str | None:
        """What the other arms are compared with."""
        configured = self.config or self.inference
        return configured.baseline if configured else (self.metrics or {}).get("baseline")

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms, the baseline first, so that it has the same colour in every run."""
        named = [*(arm.name for arm, _ in self._arms()), *(row["arm"] for row in self.rows)]
        return tuple(dict.fromkeys(sorted(named, key=lambda name: name != self.baseline)))

    def test_set(self, pair: str) -> str | None:
        """Fingerprint of the test set of a pair, or of a classifier's language; None where it is not known."""
        manifest = self.manifest or {}
        of_pair = manifest.get("corpora", {}).get(pair, {}).get("test", {})
        found = (of_pair or manifest.get("data", {}).get(f"test.{pair}", {})).get("fingerprint")
        return None if found is None else str(found)

    @property
    def code_switching(self) -> str | None:
        """Name of the arm of code-switching."""
        return self.switching_arm.name if self.switching_arm else None

    @property
    def switching_arm(self) -> ArmSettings | None:
        """The arm of code-switching: the first that restores what a lexicon or an alignment has switched."""
        return next((arm for arm, restores in self._arms() if restores), None)

    def _arms(self) -> list[tuple[ArmSettings, bool]]:
        """The arms, and whether each restores what was switched by meaning."""
        if self.config:
            return [(arm, _restores(arm, self.config.switching_of(arm))) for arm in self.config.recipes]
        if self.inference:
            return [(arm, _restores(arm, self.inference.switching_of(arm))) for arm in self.inference.recipes]
        return []

    @property
    def controls(self) -> set[str]:
        """Names of the arms beside the baseline that switch no words by their meaning."""
        return {arm.name for arm, restores in self._arms() if not restores} - {str(self.baseline)}

    def lexicons(self, pair: str) -> list[LexiconFolder]:
        """The judged lexicons of a pair that the run used."""
        source, _, target = pair.partition("-")
        return [
            LexiconFolder(
                path.parent.name,
                (path.with_name(f"lexicon.{source}-{target}.tsv"), path.with_name(f"lexicon.{target}-{source}.tsv")),
            )
            for path in self._used(pair, "judgement.json")
        ]

    def dictionaries(self) -> dict[str, Path]:
        """The files of the lexicons that cross-lingual inference switches by, by the language switched to."""
        if self.inference is None:
            return {}
        pairs = {language: f"{self.inference.language}-{language}" for language in self.inference.languages}
        return {language: path for language, pair in pairs.items() for path in self._used(pair, f"lexicon.{pair}.tsv")}

    def _used(self, pair: str, name: str) -> list[Path]:
        """A file of each lexicon of a pair that the run used; of all that are there where no manifest tells."""
        used = {Path(path).parent.name for path in (self.manifest or {}).get("lexicons", {})}
        found = sorted((self.folder / "lexicon" / pair).glob(f"*/{name}"))
        return [path for path in found if not used or path.parent.name in used]


def _restores(arm: ArmSettings, switching: SwitchingSettings) -> bool:
    """Whether an arm restores what was switched by meaning."""
    stages = RECIPES[arm.recipe].stages
    return any(stage.examples == "restore" for stage in stages) and switching.source in {"lexicon", "aligned"}


def read_run(folder: Path) -> RunFiles:
    """What a folder of `switchtune run` holds.

    Raises:
        UsageError: there is no run.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise UsageError(
            f"{folder}: no run is there ({CONFIG} is missing). Give the folder that `switchtune run` wrote to (its "
            "--out)."
        )
    missing: list[str] = []
    damaged: list[str] = []
    changed: list[str] = []

    def content(name: str, kind: TypeAdapter[Any], verb: str = "run", absent: str = "") -> Any:
        try:
            if (folder / name).exists():
                again = f"The same `switchtune {verb}` makes it again."
                found = read_json(folder / name, kind, remedy=again)
                changed.extend(filter(None, [edit_warning(folder / name, verb)]))
                return found
        except SwitchtuneError as error:
            damaged.append(str(error))
        else:
            missing.extend([f"{name} is not there: {absent}"] if absent else [])
        return None

    settings = read_settings(path)
    try:
        config = load_run_config(path)
    except UsageError as error:
        config = None
        missing.append(f"No known configuration of a run, so what depends on it is left out: {error}")
    scored = (folder / "metrics.json").exists()
    if isinstance(config, RunConfig):
        trainings = tuple(_trainings(folder, config, damaged))
        missing += [text for training in trainings for text in _unfinished(training, config, scored=scored)]
    else:
        trainings = tuple(_other_trainings(folder, settings, damaged))
    metrics = content(
        "metrics.json", METRICS_RECORD, absent="the run is not finished, so there are no scores to compare."
    )
    manifest = content(
        "manifest.json", MANIFEST_RECORD, absent="versions, hashes of the data and the machine are not known."
    )
    zeroshot = content("zeroshot.json", ZEROSHOT_RECORD, "zeroshot")
    found = {name: content(f"analysis/{name}.json", kind, "analyse") for name, kind in ANALYSIS_RECORDS.items()}
    analyses = {name: each for name, each in found.items() if each is not None}
    missing += [f"{name}.json: {text}" for name, each in analyses.items() for text in each["missing"]]
    return RunFiles(
        folder,
        Path(os.path.realpath(folder)).name,
        settings,
        config if isinstance(config, RunConfig) else None,
        config if isinstance(config, NliConfig) else None,
        metrics,
        manifest,
        zeroshot,
        analyses,
        trainings,
        tuple(damaged),
        tuple(changed),
        (*missing, *damaged),
    )


def _trainings(folder: Path, config: RunConfig, damaged: list[str]) -> Iterator[Training]:
    for pair in config.pairs:
        for arm in config.recipes:
            for seed in config.seeds:
                yield _training(folder, trial_name(pair, arm, seed), pair.name, arm.name, seed, damaged)


def _other_trainings(folder: Path, settings: Mapping[str, Any], damaged: list[str]) -> Iterator[Training]:
    """Those of a task without pairs, whose folders are `ARM/seedN`."""
    for path in sorted(folder.glob(f"*/seed*/{METRICS}")):
        seed = path.parent.name.removeprefix("seed")
        if seed.isdecimal():
            name, arm = str(path.parent.relative_to(folder)), path.parent.parent.name
            yield _training(folder, name, str(settings.get("task", folder.name)), arm, int(seed), damaged)


def _training(folder: Path, name: str, pair: str, arm: str, seed: int, damaged: list[str]) -> Training:
    def content(file: str, read: Callable[[Path], _Content], absent: _Content) -> _Content:
        try:
            return read(folder / name / file) if (folder / name / file).exists() else absent
        except SwitchtuneError as error:
            damaged.append(str(error))
            return absent

    no_curve: list[dict[str, Any]] = []
    no_outputs: list[str] | None = None
    return Training(
        *(pair, arm, seed, name),
        curve=content(METRICS, read_metrics, no_curve),
        hypotheses=content("hypotheses.txt", read_hypotheses, no_outputs),
    )


def _unfinished(training: Training, config: RunConfig, *, scored: bool) -> Iterator[str]:
    """How far a training has come that has not come to its end; what is gone of one that was scored."""
    if training.hypotheses is not None:
        return
    arm = next(arm for arm in config.recipes if arm.name == training.arm)
    settings = config.training_of(arm)
    total = sum(stage_updates(RECIPES[arm.recipe], settings.updates, settings.restore_share))
    if scored:
        yield f"{training.name}: its outputs are gone; its scores are those of metrics.json."
    elif not training.curve:
        yield f"{training.name} has not begun."
    else:
        done = training.curve[-1]["update"]
        yield f"{training.name} is at update {done:,} of {total:,}; the test set is not translated yet."
