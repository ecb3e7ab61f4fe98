"""Zero-shot translation: models trained on each pair of a run, tested on the source languages of all (paper 5.3).

Languages without pairs, in which an arm has only glosses, are tested too.
"""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import TypeAlias

from switchtune.config.run import RunConfig
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import write_text
from switchtune.generation import translate
from switchtune.models.load import load_model, model_fingerprint
from switchtune.results.drawing import write_figure
from switchtune.results.figures import draw_matrix
from switchtune.results.matrix import Cell, Matrix, decided_matrices, matrices_markdown
from switchtune.run_dir import RunDir, claim_folder, write_sealed
from switchtune.runs.arms import require_inputs, trained_arms
from switchtune.runs.experiment import run_experiment
from switchtune.runs.folder import Run, Training
from switchtune.runs.paths import CORPORA, ZEROSHOT
from switchtune.runs.splits import located
from switchtune.runs.tasks import TASKS, read_glossed_tests
from switchtune.runs.trial import kept_lines
from switchtune.scoring.faults import system_faults
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import bleu
from switchtune.scoring.significance import compare_scores

OWN_TESTS = "own-tests"
"""The collection of the pairs' own test sets."""

_Outputs: TypeAlias = dict[tuple[str, str], list[Mapping[tuple[str, str], list[str]]]]
"""By the source language that was trained on and the arm, of each seed, by collection and source language."""


def run_zeroshot(
    config: RunConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None
) -> tuple[Matrix, ...]:
    """Train as `run_experiment`, then translate the test sets of all languages with the models of all pairs.

    Resumed as `run_experiment`.

    Writes translations to `zeroshot/`, `zeroshot.json`, `zeroshot.md` and a heat map as `zeroshot.svg` and `.png`.

    Returns:
        A matrix per arm beside the baseline and collection of test sets: the pairs' own, then `zeroshot.multiway`.

    Raises:
        SwitchtuneError: as `run_experiment`, or there are not two arms, and several pairs of one target language
            (or one, and languages without pairs).
    """
    target, folder = _target(config), Path(folder)
    require_inputs(config, config.arms)
    claim_folder(folder, "run", inputs=config.inputs)
    tests = _read_tests(config, folder / CORPORA)
    run_experiment(_with_text_of_tests(config), folder, on_event=on_event)
    tell = lambda message: on_event(Event("zero-shot", message))  # noqa: E731
    for given in (arm.name for arm in config.arms if arm.outputs):
        on_event(Event("zero-shot", f"{given}: outputs are given, and there is no model to test"))
    run = RunDir(folder / ZEROSHOT, tell, config.keep_changed)
    with run.lock():
        outputs: _Outputs = {}
        for pair in config.pairs:
            for training in (each for each in Run(folder, config).trainings(pair) if each.seed is not None):
                translations = _translations(config, pair.source, training, tests, run, on_event)
                outputs.setdefault((pair.source, training.arm), []).append(translations)
    arms = [arm.name for arm in trained_arms(config.arms) if arm.name != config.baseline]
    matrices = tuple(
        matrix
        for name, corpora in tests.items()
        for matrix in decided_matrices([_matrix(config, name, corpora, target, arm, outputs) for arm in arms])
    )
    record = {"matrices": [matrix.record() for matrix in matrices]}
    write_sealed(folder / f"{ZEROSHOT}.json", record)
    write_text(folder / f"{ZEROSHOT}.md", matrices_markdown(matrices))
    write_figure(folder / ZEROSHOT, partial(draw_matrix, record))
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
    if len(config.pairs) < 2 and not config.zeroshot.glossed:
        raise UsageError(
            "pairs: zero-shot tests need at least two pairs, each of whose models is tested on the others, or one and "
            "languages without pairs (zeroshot.glossed)."
        )
    for code, settings in config.zeroshot.glossed.items():
        if settings.test is None and not config.zeroshot.multiway:
            raise UsageError(
                f"zeroshot.glossed.{code}: nothing tests it. Give it a `test`, as a pair has one, or give `multiway`."
            )
    trained = [arm.name for arm in trained_arms(config.arms)]
    if config.baseline not in trained:
        raise UsageError(
            f"baseline: the outputs of {config.baseline} are given, and there is no model to test on other languages. "
            f"Take an arm that is trained: {', '.join(trained)}."
        )
    if len(trained) < 2:
        raise UsageError(f"arms: nothing is compared with {config.baseline}; add csr.")
    return targets[0]


def _read_tests(config: RunConfig, cache_dir: Path) -> dict[str, dict[str, Corpus]]:
    """By collection and source language; only collections that test something beside what was trained on."""
    limit, target = config.zeroshot.limit, config.pairs[0].target
    read = partial(read_corpus, target_language=target, limit=limit, deduplicate=False, cache_dir=cache_dir)
    pairs = [located(pair, cache_dir) for pair in config.pairs]
    own = {pair.source: read(pair.test, pair.source, columns=pair.columns) for pair in pairs}
    own |= read_glossed_tests(config, cache_dir, limit)
    tests = {OWN_TESTS: own} if len(own) > 1 else {}
    for name, pattern in config.zeroshot.multiway.items():
        sources = (*own, *(code for code in config.zeroshot.glossed if code not in own))
        tests[name] = {code: read(pattern.replace("*", f"{{{code},{target}}}"), code) for code in sources}
    return tests


def _with_text_of_tests(config: RunConfig) -> RunConfig:
    """Have a trimmed vocabulary keep the pieces of all test sets."""
    if config.model.trim == "off":
        return config
    files = [pattern.replace("*", code) for pattern in config.zeroshot.multiway.values() for code in config.languages]
    return config.model_copy(update={"model": config.model.model_copy(update={"text": (*config.model.text, *files)})})


def _translations(
    config: RunConfig,
    trained: str,
    training: Training,
    tests: Mapping[str, Mapping[str, Corpus]],
    run: RunDir,
    on_event: OnEvent,
) -> dict[tuple[str, str], list[str]]:
    """A model's translations of all test sets, by collection and source language; those that are done are read."""
    model = str(training.model(training.stages[-1]))
    opened, fingerprint = cache(lambda: load_model(model)), model_fingerprint(model)

    def translated(name: str, language: str, corpus: Corpus) -> list[str]:
        if (name, language) == (OWN_TESTS, trained):
            # The run has translated it; a limit takes its first sentences.
            return list(training.hypotheses or ())[: len(corpus)]
        subject, what = f"zero-shot {trained} {training.arm} seed{training.seed}", f"{name} {language}"
        step = f"{name}/{trained}.{training.arm}.seed{training.seed}.{language}"
        search, languages = config.generation, (language, corpus.target_language)
        inputs = {"model": fingerprint, "test": corpus.fingerprint(), "generation": search.model_dump(mode="json")}
        told = lambda done, total: on_event(Event(subject, what, done, total))  # noqa: E731
        make = lambda: translate(opened(), corpus.sources(), *languages, search, on_progress=told)  # noqa: E731
        return kept_lines(run, step, inputs, run.path / f"{step}.txt", len(corpus), make)

    return {
        (name, language): translated(name, language, corpus)
        for name, corpora in tests.items()
        for language, corpus in corpora.items()
    }


def _matrix(
    config: RunConfig, name: str, corpora: Mapping[str, Corpus], target: str, arm: str, outputs: _Outputs
) -> Matrix:
    def cell(trained: str, tested: str) -> Cell:
        baseline, systems = (
            [translations[name, tested] for translations in outputs[trained, system]]
            for system in (config.baseline, arm)
        )
        references, sources = corpora[tested].targets(), corpora[tested].sources()
        scores = [[bleu(each, references, target) for each in outputs] for outputs in (baseline, systems)]
        faults = [
            system_faults(scored, outputs, references, target, sources)
            for scored, outputs in zip(scores, (baseline, systems), strict=True)
        ]
        # An arm that alone hits the language asked for is what is looked for here.
        said = (faults[0], faults[1]) if all(faults) else ((), ())
        comparison = compare_scores(*scores, **config.evaluation.model_dump(), faults=said)
        ours, theirs = ([in_language(each, target, references) for each in outputs] for outputs in (baseline, systems))
        shares = (mean(each.value for each in ours), mean(each.value for each in theirs), ours[0].references or 0.0)
        return Cell(trained, tested, comparison, shares)

    cells = tuple(cell(pair.source, tested) for tested in corpora for pair in config.pairs)
    return Matrix(name, target, config.baseline, arm, cells)
