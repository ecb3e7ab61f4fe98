"""Zero-shot translation: models tested in directions that they were not trained in (paper 5.3).

Models of one pair each are tested on the source languages of all pairs, models of several pairs in all directions
between their languages that have a test set. Languages without pairs, in which an arm has only glosses, are tested too.
"""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import TypeAlias

from switchtune.config.run import PairSettings, RunConfig
from switchtune.config.together import group_name
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.errors import UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import write_text
from switchtune.generation import translate
from switchtune.models.load import load_model, model_fingerprint
from switchtune.results.drawing import boxes_text, write_figure
from switchtune.results.figures import draw_matrix
from switchtune.results.matrix import Cell, Matrix, decided_matrices, matrices_markdown
from switchtune.run_dir import RunDir, claim_folder, write_sealed
from switchtune.runs.arms import require_inputs, trained_arms
from switchtune.runs.experiment import run_experiment
from switchtune.runs.folder import Run, Training
from switchtune.runs.paths import CORPORA, ZEROSHOT
from switchtune.runs.splits import located
from switchtune.runs.tasks import TASKS, read_zeroshot_tests
from switchtune.runs.trial import kept_lines
from switchtune.scoring.faults import system_faults
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import bleu
from switchtune.scoring.significance import compare_scores

OWN_TESTS = "own-tests"
"""The collection of the pairs' own test sets, and of those of further directions."""

_Group: TypeAlias = tuple[PairSettings, ...]
_Tests: TypeAlias = Mapping[str, Mapping[str, Corpus]]
"""By collection and direction."""
_Outputs: TypeAlias = dict[tuple[str, str], list[Mapping[tuple[str, str], list[str]]]]
"""By the pairs that were trained on and the arm, of each seed, by collection and direction."""


def run_zeroshot(
    config: RunConfig, folder: Path | str, *, on_event: OnEvent = lambda event: None
) -> tuple[Matrix, ...]:
    """Train as `run_experiment`, then have every model translate the test sets of all directions into its languages.

    Resumed as `run_experiment`.

    Writes translations to `zeroshot/`, `zeroshot.json`, `zeroshot.md` and a heat map as `zeroshot.svg` and `.png`.

    Returns:
        A matrix per arm beside the baseline and collection of test sets: the pairs' own, then `zeroshot.multiway`.

    Raises:
        SwitchtuneError: as `run_experiment`, or there are not two arms that learn the same pairs together, or nothing
            is tested that a model was not trained on.
    """
    groups, folder = _groups(config), Path(folder)
    require_inputs(config, config.arms)
    claim_folder(folder, "run", inputs=config.inputs)
    tests = _read_tests(config, groups, folder / CORPORA)
    run_experiment(_with_text_of_tests(config), folder, on_event=on_event)
    tell = lambda message: on_event(Event("zero-shot", message))  # noqa: E731
    for given in (arm.name for arm in config.arms if arm.outputs):
        on_event(Event("zero-shot", f"{given}: outputs are given, and there is no model to test"))
    run = RunDir(folder / ZEROSHOT, tell, config.keep_changed)
    with run.lock():
        outputs: _Outputs = {}
        for group in groups:
            # The same models are trainings of each of their pairs, with the outputs for its test set.
            of_pairs = [[each for each in Run(folder, config).trainings(pair) if not each.given] for pair in group]
            for trainings in zip(*of_pairs, strict=True):
                translations = _translations(config, trainings, _of_group(tests, group), run, on_event)
                outputs.setdefault((trainings[0].group, trainings[0].arm), []).append(translations)
    arms = [arm.name for arm in trained_arms(config.arms) if arm.name != config.baseline]
    matrices = tuple(
        matrix
        for name in tests
        for matrix in decided_matrices([_matrix(config, name, groups, tests, arm, outputs) for arm in arms])
    )
    record = {"matrices": [matrix.record() for matrix in matrices]}
    write_sealed(folder / f"{ZEROSHOT}.json", record)
    write_text(folder / f"{ZEROSHOT}.md", matrices_markdown(matrices))
    drawn = partial(draw_matrix, record)
    write_figure(folder / ZEROSHOT, drawn, on_missing=lambda letters: on_event(Event("zero-shot", boxes_text(letters))))
    return matrices


def _groups(config: RunConfig) -> tuple[_Group, ...]:
    """The pairs that each model learns, the same in all arms."""
    if not TASKS[config.task].parallel:
        raise UsageError(f"task: zero-shot tests are of translation, found {config.task}. `switchtune run` trains it.")
    for code, settings in config.zeroshot.glossed.items():
        if settings.test is None and not config.zeroshot.multiway:
            raise UsageError(
                f"zeroshot.glossed.{code}: nothing tests it. Give it a `test`, as a pair has one, or give `multiway`."
            )
    trained = {arm.name: config.groups(arm) for arm in trained_arms(config.arms)}
    if config.baseline not in trained:
        raise UsageError(
            f"baseline: the outputs of {config.baseline} are given, and there is no model to test on other languages. "
            f"Take an arm that is trained: {', '.join(trained)}."
        )
    if len(trained) < 2:
        raise UsageError(f"arms: nothing is compared with {config.baseline}; add csr.")
    groups = trained[config.baseline]
    if other := next((name for name, each in trained.items() if each != groups), None):
        raise UsageError(
            f"arms.{other}: its models learn other pairs together than those of {config.baseline}, and zero-shot tests "
            "compare models of the same pairs. Give both the same `together`."
        )
    return groups


def _read_tests(config: RunConfig, groups: Sequence[_Group], cache_dir: Path) -> _Tests:
    """Only collections that test something beside what was trained on.

    Raises UsageError where there are none.
    """
    limit, pairs = config.zeroshot.limit, [located(pair, cache_dir) for pair in config.pairs]
    read = partial(read_corpus, limit=limit, deduplicate=False, cache_dir=cache_dir)
    own = {pair.name: read(pair.test, *pair.languages, columns=pair.columns) for pair in pairs}
    tests = {OWN_TESTS: own | read_zeroshot_tests(config, cache_dir, limit)}
    sources = dict.fromkeys((*(pair.source for pair in pairs), *config.zeroshot.glossed, *config.languages))
    for name, pattern in config.zeroshot.multiway.items():
        tests[name] = {
            f"{code}-{target}": read(pattern.replace("*", f"{{{code},{target}}}"), code, target)
            for target in dict.fromkeys(pair.target for pair in pairs)
            for code in sources
            if code != target
        }
    found = {
        name: corpora
        for name, corpora in tests.items()
        if any(set(_of_group({name: corpora}, group)[name]) - {pair.name for pair in group} for group in groups)
    }
    if not found:
        raise UsageError(
            "pairs: nothing is tested that a model was not trained on. Zero-shot tests need at least two pairs of one "
            "target language, each of whose models is tested on the others; or test sets of further directions "
            "(zeroshot.tests, zeroshot.multiway), or languages without pairs (zeroshot.glossed)."
        )
    return found


def _of_group(tests: _Tests, group: _Group) -> dict[str, dict[str, Corpus]]:
    """The test sets of the directions into languages that a model of these pairs learns to write."""
    targets = {pair.target for pair in group}
    return {
        name: {direction: corpus for direction, corpus in corpora.items() if corpus.target_language in targets}
        for name, corpora in tests.items()
    }


def _with_text_of_tests(config: RunConfig) -> RunConfig:
    """Have a trimmed vocabulary keep the pieces of all test sets."""
    if config.model.trim == "off":
        return config
    files = [pattern.replace("*", code) for pattern in config.zeroshot.multiway.values() for code in config.languages]
    return config.model_copy(update={"model": config.model.model_copy(update={"text": (*config.model.text, *files)})})


def _translations(
    config: RunConfig, trainings: Sequence[Training], tests: _Tests, run: RunDir, on_event: OnEvent
) -> dict[tuple[str, str], list[str]]:
    """A model's translations of test sets, by collection and direction; those that are done are read.

    `trainings`: the model as that of each of its pairs.
    """
    first, trained = trainings[0], {each.pair: each for each in trainings}
    model = str(first.model(first.stages[-1]))
    opened, fingerprint = cache(lambda: load_model(model)), model_fingerprint(model)

    def translated(name: str, direction: str, corpus: Corpus) -> list[str]:
        if name == OWN_TESTS and direction in trained:
            # The run has translated it; a limit takes its first sentences.
            return list(trained[direction].hypotheses or ())[: len(corpus)]
        subject, what = f"zero-shot {first.group} {first.arm} seed{first.seed}", f"{name} {direction}"
        step = f"{name}/{first.group}.{first.arm}.seed{first.seed}.{direction}"
        search, languages = config.generation, (corpus.source_language, corpus.target_language)
        inputs = {"model": fingerprint, "test": corpus.fingerprint(), "generation": search.model_dump(mode="json")}
        told = lambda done, total: on_event(Event(subject, what, done, total))  # noqa: E731
        make = lambda: translate(opened(), corpus.sources(), *languages, search, on_progress=told)  # noqa: E731
        return kept_lines(run, step, inputs, run.path / f"{step}.txt", len(corpus), make)

    return {
        (name, direction): translated(name, direction, corpus)
        for name, corpora in tests.items()
        for direction, corpus in corpora.items()
    }


def _matrix(
    config: RunConfig, name: str, groups: Sequence[_Group], tests: _Tests, arm: str, outputs: _Outputs
) -> Matrix:
    def cell(group: _Group, tested: str, corpus: Corpus) -> Cell:
        pairs = [pair.name for pair in group]
        trained, target = group_name(pairs), corpus.target_language
        baseline, systems = (
            [translations[name, tested] for translations in outputs[trained, system]]
            for system in (config.baseline, arm)
        )
        references, sources = corpus.targets(), corpus.sources()
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
        return Cell(trained, tested, comparison, shares, tested in pairs)

    cells = (
        cell(group, tested, corpus)
        for tested, corpus in tests[name].items()
        for group in groups
        if tested in _of_group(tests, group)[name]
    )
    return Matrix(name, config.baseline, arm, tuple(cells))
