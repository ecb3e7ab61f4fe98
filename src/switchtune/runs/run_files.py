"""A run's folder as the report and the demo read it: whatever is there, and what is missing, in words."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter

from switchtune.config.arms import ResolvedArm
from switchtune.config.inference import NliConfig
from switchtune.config.load import read_settings
from switchtune.config.run import PairSettings, RunConfig
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.files import read_json
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.judge import JUDGEMENT_RECORD
from switchtune.lexicon.records import Lexicon
from switchtune.results.records import ANALYSIS_RECORDS, MANIFEST_RECORD, METRICS_RECORD, ZEROSHOT_RECORD
from switchtune.run_dir import RunDir, edit_warning
from switchtune.runs.arms import with_known_recipe
from switchtune.runs.folder import Training, config_file, other_trainings, run_config, trainings_of
from switchtune.runs.paths import (
    JUDGEMENT,
    MANIFEST,
    METRICS_FILE,
    ZEROSHOT,
    analysis_file,
    lexicon_files,
    lexicon_folder,
)


@dataclass(frozen=True)
class LexiconFolder:
    """A judged lexicon that a run made, as its files stand now."""

    name: str
    paths: tuple[Path, Path]

    @property
    def judgement(self) -> Mapping[str, Any]:
        """What was found about it when it was built."""
        path = self.paths[0].with_name(JUDGEMENT)
        remedy = f"Move {path.parent} away, and the same `switchtune run` builds the lexicon again."
        return cast("Mapping[str, Any]", read_json(path, JUDGEMENT_RECORD, remedy=remedy))

    def read(self) -> tuple[Lexicon, Lexicon]:
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
        return self.damaged + self.changed

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Of the comparison; none where the run is not finished."""
        return cast("Sequence[Mapping[str, Any]]", self.metrics["rows"]) if self.metrics else ()

    @property
    def baseline(self) -> str | None:
        configured = self.config or self.inference
        return configured.baseline if configured else (self.metrics or {}).get("baseline")

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms, the baseline first, so that it has the same colour in every run."""
        named = [*(arm.name for arm in self.resolved_arms), *(row["arm"] for row in self.rows)]
        return tuple(dict.fromkeys(sorted(named, key=lambda name: name != self.baseline)))

    def train_size(self, pair: str) -> int | None:
        """Sentence pairs of the training corpus of a pair; None where it is not known."""
        found = (self.manifest or {}).get("corpora", {}).get(pair, {}).get("train", {}).get("pairs")
        return None if found is None else int(found)

    def test_set(self, pair: str) -> str | None:
        """Fingerprint of the test set of a pair, or of a classifier's language; None where it is not known."""
        manifest = self.manifest or {}
        corpora = manifest.get("corpora", {})
        of_language = corpora.get("nli", {}).get(pair) or manifest.get("data", {}).get(f"test.{pair}", {})
        found = (corpora.get(pair, {}).get("test") or of_language).get("fingerprint")
        return None if found is None else str(found)

    @property
    def switching_arm(self) -> ResolvedArm | None:
        """The first arm of code-switching."""
        return next(iter(self.switching_arms), None)

    @property
    def switching_arms(self) -> tuple[ResolvedArm, ...]:
        """The arms of code-switching: those that learn from words switched by a lexicon or an alignment."""
        return tuple(arm for arm in self.resolved_arms if arm.switches_by_meaning)

    @cached_property
    def resolved_arms(self) -> tuple[ResolvedArm, ...]:
        """The arms with all their settings.

        Those with recipes that are chosen for each pair as the pair has them for which words are switched.
        """
        config = self.config or self.inference
        if config is None:
            return ()
        names = [pair.name for pair in self.config.pairs] if self.config else [config.task]
        known = ([with_known_recipe(arm, config.task, name, self.folder) for name in names] for arm in config.arms)
        return tuple(max(each, key=lambda arm: (arm.switches_by_meaning, not arm.choices)) for each in known)

    @property
    def controls(self) -> set[str]:
        """Names of the arms beside the baseline that are trained and switch no words by their meaning."""
        trained = (arm for arm in self.resolved_arms if not arm.outputs)
        return {arm.name for arm in trained if not arm.switches_by_meaning} - {str(self.baseline)}

    @property
    def given(self) -> set[str]:
        """Names of the arms whose outputs are given, and that are not trained."""
        return {arm.name for arm in self.resolved_arms if arm.outputs}

    def lexicons(self, pair: str) -> list[LexiconFolder]:
        """The judged lexicons of a pair that the run used."""
        source, _, target = pair.partition("-")
        return [
            LexiconFolder(path.parent.name, lexicon_files(path.parent, source, target))
            for path in self._used(pair, JUDGEMENT)
        ]

    def dictionaries(self) -> dict[str, Path]:
        """The files of the lexicons that cross-lingual inference switches by, by the language switched to."""
        if self.inference is None:
            return {}
        source, found = self.inference.language, {}
        for target in self.inference.languages:
            for path in self._used(f"{source}-{target}", lexicon_files(Path(), source, target)[0].name):
                found[target] = path
        return found

    def _used(self, pair: str, name: str) -> list[Path]:
        """A file of each lexicon of a pair that the run used; of all that are there where no manifest tells."""
        used = {Path(path).parent.name for path in (self.manifest or {}).get("lexicons", {})}
        found = sorted(lexicon_folder(self.folder, pair).glob(f"*/{name}"))
        return [path for path in found if not used or path.parent.name in used]


def read_run(folder: Path) -> RunFiles:
    """What a folder of `switchtune run` holds; raises UsageError where there is no run."""
    path = config_file(folder)
    settings, files = read_settings(path), _Files(folder)
    try:
        config = run_config(folder)
    except UsageError as error:
        config = None
        files.missing.append(f"No known configuration of a run, so what depends on it is left out: {error}")
    trainings = files.trainings(config, settings)
    unfinished = "the run is not finished, so there are no scores to compare."
    unknown = "versions, hashes of the data and the machine are not known."
    metrics = files.content(METRICS_FILE, METRICS_RECORD, absent=unfinished)
    manifest = files.content(MANIFEST, MANIFEST_RECORD, absent=unknown)
    zeroshot = files.content(f"{ZEROSHOT}.json", ZEROSHOT_RECORD, "zeroshot")
    found = {name: files.content(analysis_file(name), kind, "analyse") for name, kind in ANALYSIS_RECORDS.items()}
    analyses = {name: each for name, each in found.items() if each is not None}
    files.missing.extend(f"{name}.json: {text}" for name, each in analyses.items() for text in each["missing"])
    pairs = config if isinstance(config, RunConfig) else None
    nli = config if isinstance(config, NliConfig) else None
    name = Path(os.path.realpath(folder)).name
    # A model of several pairs is told of once.
    missing, damaged, changed = (tuple(dict.fromkeys(each)) for each in (files.missing, files.damaged, files.changed))
    return RunFiles(
        *(folder, name, settings, pairs, nli, metrics, manifest, zeroshot, analyses, trainings, damaged, changed),
        (*missing, *damaged),
    )


@dataclass(frozen=True)
class _Files:
    """A run's files as they are read, with what is the matter with them."""

    folder: Path
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def content(self, name: str, kind: TypeAdapter[Any], verb: str = "run", absent: str = "") -> Any:
        """A JSON file that a verb writes; None where it is damaged or not there, which may mean something."""
        path = self.folder / name
        try:
            if path.exists():
                record = read_json(path, kind, remedy=f"The same `switchtune {verb}` makes it again.")
                self.changed.extend(filter(None, [edit_warning(path, verb)]))
                return record
        except SwitchtuneError as error:
            self.damaged.append(str(error))
        else:
            self.missing.extend([f"{name} is not there: {absent}"] if absent else [])
        return None

    def trainings(self, config: RunConfig | NliConfig | None, settings: Mapping[str, Any]) -> tuple[Training, ...]:
        """The trainings without what cannot be read."""
        if not isinstance(config, RunConfig):
            return tuple(map(self._readable, other_trainings(self.folder, settings)))
        updates = {
            (pair.name, arm.name): sum(self._as_trained(config, arm, pair, len(group)).stage_updates)
            for arm in config.arms
            for group in config.groups(arm)
            for pair in group
            if not arm.outputs
        }
        readable = tuple(map(self._readable, trainings_of(self.folder, config)))
        for training in readable:
            self.missing.extend(self._unfinished(training, updates.get((training.pair, training.arm), 0)))
        return readable

    def _as_trained(self, config: RunConfig, arm: ResolvedArm, pair: PairSettings, pairs: int) -> ResolvedArm:
        """An arm as a model of so many pairs, this one among them, has it."""
        return with_known_recipe(arm, config.task, pair.name, self.folder).for_pairs(pairs)

    def _readable(self, training: Training) -> Training:
        readable, faults = training.without_damage()
        self.damaged.extend(faults)
        try:
            self.changed.extend(
                f"{path}: has been changed since it was made; what is shown of it is not what was scored. The same "
                "`switchtune run` makes it again."
                for path in RunDir(training.folder).changed_files()
            )
        except SwitchtuneError as error:
            self.damaged.append(str(error))
        return readable

    def _unfinished(self, training: Training, updates: int) -> Iterator[str]:
        """How far a training has come that has not come to its end; what is gone of one that was scored."""
        if training.hypotheses is not None:
            return
        if (self.folder / METRICS_FILE).exists():
            yield f"{training.name}: its outputs are gone; its scores are those of {METRICS_FILE}."
        elif training.given:
            yield f"{training.name}: the outputs that are given are not taken over yet."
        elif not training.curve:
            yield f"{training.name} has not begun."
        else:
            done = training.curve[-1]["update"]
            yield f"{training.name} is at update {done:,} of {updates:,}; the test set is not translated yet."
