"""Zero-shot translation: models trained on each pair of a run, tested on the source languages of all (paper 5.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean

from switchtune.config.run import PairSettings, RunConfig
from switchtune.corpus.read import Corpus, read_corpus, read_lines
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import write_text
from switchtune.generation import translate
from switchtune.models.load import load_model, model_fingerprint
from switchtune.recipes import RECIPES
from switchtune.results.drawing import write_figure
from switchtune.results.figures import draw_matrix
from switchtune.results.matrix import Cell, Matrix, decided_matrices, matrices_markdown
from switchtune.run_dir import RunDir, claim_folder, write_sealed
from switchtune.runs.experiment import run_experiment
from switchtune.runs.tasks import TASKS
from switchtune.runs.trial import read_hypotheses, trial_name
from switchtune.scoring.metrics import can_identify, in_language
from switchtune.scoring.significance import compare_seeds

OWN_TESTS = "own-tests"
"""The collection of the pairs' own test sets."""


@dataclass(frozen=True)
class _System:
    """A trained model."""

    trained: str
    """Source language of its pair."""
    arm: str
    seed: int
    folder: Path
    """Of its trial."""
    last_stage: str

    @property
    def model(self) -> Path:
        return self.folder / self.last_stage / "model"

    @property
    def outputs(self) -> Path:
        """Its translations of the test set of its own pair."""
        return self.folder / "hypotheses.txt"


def run_zeroshot(
    config: RunConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None
) -> tuple[Matrix, ...]:
    """Train as `run_experiment`, then translate every pair's test set with the models of all pairs.

    Resumes as `run_experiment` does; translations stand in `zeroshot/`. Writes `zeroshot.json`,
    `zeroshot.md` and a heat map as `zeroshot.svg` and `.png`.

    Returns:
        A matrix per arm beside the baseline and collection of test sets: the pairs' own, then `zeroshot.multiway`.

    Raises:
        UsageError: fewer than two pairs, pairs of different target languages, no arm beside the baseline.
        SwitchtuneError: as `run_experiment`.
    """
    target = _target(config)
    folder = Path(folder)
    claim_folder(folder, "run", inputs=config.inputs)
    tests = _read_tests(config, folder / "corpus")
    run_experiment(_with_text_of_tests(config), folder, on_event=on_event)
    tell = lambda message: on_event(Event("zero-shot", message))  # noqa: E731
    run = RunDir(folder / "zeroshot", tell, config.keep_changed)
    with run.lock():
        outputs = {system: _translations(config, system, tests, run, on_event) for system in _systems(config, folder)}
    arms = [arm.name for arm in config.recipes if arm.name != config.baseline]
    matrices = tuple(
        matrix
        for name, corpora in tests.items()
        for matrix in decided_matrices([_matrix(config, name, corpora, target, arm, outputs) for arm in arms])
    )
    record = {"matrices": [matrix.record() for matrix in matrices]}
    write_sealed(folder / "zeroshot.json", record)
    write_text(folder / "zeroshot.md", matrices_markdown(matrices))
    write_figure(folder / "zeroshot", partial(draw_matrix, record))
    return matrices


def _target(config: RunConfig) -> str:
    if not TASKS[config.task].parallel:
        raise UsageError(f"task: zero-shot tests are of translation, found {config.task}. `switchtune run` trains it.")
    targets = list(dict.fromkeys(pair.target for pair in config.pairs))
    if len(targets) > 1:
        raise UsageError(
            f"pairs: zero-shot tests need one target language for all pairs, found {', '.join(targets)}. Give each "
            "target language a file of its own."
        )
    if len(config.pairs) < 2:
        raise UsageError("pairs: zero-shot tests need at least two pairs: each pair's models are tested on the others.")
    if len(config.recipes) < 2:
        raise UsageError(f"recipes: nothing is compared with {config.baseline}; add csr.")
    return targets[0]


def _read_tests(config: RunConfig, cache_dir: Path) -> dict[str, dict[str, Corpus]]:
    """By collection and source language."""

    def read(location: str, pair: PairSettings, columns: Sequence[str] | None = None) -> Corpus:
        languages = (pair.source, pair.target)
        limit = config.zeroshot.limit
        return read_corpus(location, *languages, columns=columns, limit=limit, deduplicate=False, cache_dir=cache_dir)

    tests = {OWN_TESTS: {pair.source: read(pair.test, pair, pair.columns) for pair in config.pairs}}
    for name, pattern in config.zeroshot.multiway.items():
        tests[name] = {
            pair.source: read(pattern.replace("*", f"{{{pair.source},{pair.target}}}"), pair) for pair in config.pairs
        }
    return tests


def _with_text_of_tests(config: RunConfig) -> RunConfig:
    """Have a trimmed vocabulary keep the pieces of all test sets."""
    if config.model.trim == "off":
        return config
    languages = dict.fromkeys(language for pair in config.pairs for language in (pair.source, pair.target))
    files = [pattern.replace("*", code) for pattern in config.zeroshot.multiway.values() for code in languages]
    return config.model_copy(update={"model": config.model.model_copy(update={"text": (*config.model.text, *files)})})


def _systems(config: RunConfig, folder: Path) -> list[_System]:
    return [
        _System(pair.source, arm.name, seed, folder / trial_name(pair, arm, seed), RECIPES[arm.recipe].stages[-1].name)
        for pair in config.pairs
        for arm in config.recipes
        for seed in config.seeds
    ]


def _translations(
    config: RunConfig,
    system: _System,
    tests: Mapping[str, Mapping[str, Corpus]],
    run: RunDir,
    on_event: OnEvent,
) -> dict[tuple[str, str], list[str]]:
    """A model's translations of all test sets, by collection and source language; those that are done are read."""
    loaded = None
    subject = f"zero-shot {system.trained} {system.arm} seed{system.seed}"
    model = model_fingerprint(str(system.model))
    found: dict[tuple[str, str], list[str]] = {}
    for name, corpora in tests.items():
        for language, corpus in corpora.items():
            if (name, language) == (OWN_TESTS, system.trained):
                # The run has translated it; a limit takes its first sentences.
                found[name, language] = read_lines(system.outputs)[: len(corpus)]
                continue
            step = f"{name}/{system.trained}.{system.arm}.seed{system.seed}.{language}"
            inputs = {
                "model": model,
                "test": corpus.fingerprint(),
                "generation": config.generation.model_dump(mode="json"),
            }
            written = run.path / f"{step}.txt"
            if run.result(step, inputs, made=[written]) is None:
                loaded = loaded or load_model(str(system.model))
                hypotheses = translate(
                    loaded,
                    corpus.sources(),
                    language,
                    corpus.target_language,
                    config.generation,
                    on_progress=lambda done, total: on_event(Event(subject, f"{name} {language}", done, total)),  # noqa: B023
                )
                write_text(written, "".join(f"{line}\n" for line in hypotheses))
                run.finish(step, inputs, len(hypotheses), made=[written])
            found[name, language] = read_hypotheses(written, len(corpus))
    return found


def _matrix(
    config: RunConfig,
    name: str,
    corpora: Mapping[str, Corpus],
    target: str,
    arm: str,
    outputs: Mapping[_System, Mapping[tuple[str, str], list[str]]],
) -> Matrix:
    def cell(trained: str, tested: str) -> Cell:
        baseline, systems = (
            [
                translations[name, tested]
                for system, translations in outputs.items()
                if (system.trained, system.arm) == (trained, each)
            ]
            for each in (config.baseline, arm)
        )
        comparison = compare_seeds(
            baseline,
            systems,
            corpora[tested].targets(),
            target,
            **config.evaluation.model_dump(),
        )
        shares = None
        if can_identify(target):
            shares = (
                mean(in_language(each, target).value for each in baseline),
                mean(in_language(each, target).value for each in systems),
            )
        return Cell(trained, tested, comparison, shares)

    return Matrix(
        name,
        target,
        config.baseline,
        arm,
        tuple(cell(trained, tested) for tested in corpora for trained in corpora),
    )
