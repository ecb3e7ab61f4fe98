"""Back-translations: what a reverse model, trained for an arm, makes of monolingual text of the target language."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from switchtune.config.run import RunConfig
from switchtune.config.training import BackTranslationSettings, GenerationSettings
from switchtune.corpus.read import Corpus
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import fingerprint, read_json, write_json
from switchtune.generation import translate, windows
from switchtune.generation.by_ct2 import converted
from switchtune.generation.files import GrowingFile
from switchtune.models.load import load_model
from switchtune.results.comparison import BackTranslationCost, reasons_text
from switchtune.run_dir import RunDir
from switchtune.runs.arms import Trial
from switchtune.runs.paths import REVERSE
from switchtune.runs.tasks import as_compared
from switchtune.runs.trial import (
    Data,
    Experiment,
    back_translation_cost,
    read_hypotheses,
    reversed_data,
    trained_stages,
)
from switchtune.training.distributed import group_device, on_first, rank

_STEP = "translated"
_SECONDS = "seconds.json"
_AGAIN = "Remove the folder, and the same command makes the translations again."

LONGEST = 3
"""A translation is far too long where it has so many times the characters that a sentence has in the training pairs,"""
LONGEST_EXTRA = 30
"""and so many more."""


@dataclass(frozen=True)
class BackTranslations:
    """Monolingual sentences with their translations."""

    pairs: tuple[tuple[tuple[str, str], ...], ...]
    """Of each part of a trial: translation and sentence."""
    cost: BackTranslationCost

    def added_to(self, data: Sequence[Data[Corpus]]) -> list[Data[Corpus]]:
        """The data of each part with its back-translations."""
        return [replace(each, backtranslated=pairs) for each, pairs in zip(data, self.pairs, strict=True)]

    def describe(self) -> str:
        return f"{sum(map(len, self.pairs)):,} back-translations: {self.cost.describe()}"


def back_translations(
    experiment: Experiment[Corpus],
    trial: Trial,
    data: Sequence[Data[Corpus]],
    folder: Path,
    on_event: OnEvent,
    *,
    work: bool = True,
) -> BackTranslations | None:
    """Train the reverse model of a trial and have it translate, in all processes of a group; what is done is skipped.

    Args:
        folder: of the trial.

    Returns:
        None where something is left to do and nothing is to be done (`work`).

    Raises:
        SwitchtuneError: as `trained_stages`, or hardly one of the translations can be used.
    """
    reverse = trial.reverse
    assert reverse is not None
    tell = lambda message: on_event(Event(reverse.name, message))  # noqa: E731
    run = RunDir(folder / REVERSE, tell, experiment.config.keep_changed)
    trained = trained_stages(experiment, reverse, list(map(reversed_data, data)), run, on_event, work=work)
    if trained is None:
        return None
    reports, model, origin = trained
    within, trainings = trial.arm.back_translation.within, [report["training"] for report in reports.values()]
    earlier = back_translation_cost(reports) or BackTranslationCost(0, within, 0.0, 0.0, 0, {})
    found, seconds, dropped = list[tuple[tuple[str, str], ...]](), 0.0, Counter[str]()
    for number, each in enumerate(data):
        sentences = each.monolingual[each.train.target_language].sentences
        done = _translated(experiment, trial, number, sentences, model, origin, run, on_event if work else None)
        if done is None:
            return None
        path, taken = done
        pairs, reasons = usable(read_hypotheses(path, len(sentences)), sentences, each.known)
        if not pairs:
            raise SwitchtuneError(
                f"{path}: none of the {len(sentences):,} translations by the reverse model can be trained on "
                f"({reasons_text(reasons)}). It has learned too little: give it more updates "
                "(back_translation.updates_share), or more training pairs."
            )
        found.append(tuple(pairs))
        seconds += taken
        dropped.update(reasons)
    cost = BackTranslationCost(
        updates=sum(each["updates"] for each in trainings) + earlier.updates,
        within=within,
        minutes=sum(each["seconds"] for each in trainings) / 60 + earlier.minutes,
        translating_minutes=seconds / 60 + earlier.translating_minutes,
        sentences=sum(len(each.monolingual[each.train.target_language].sentences) for each in data),
        dropped=dict(dropped),
    )
    return BackTranslations(tuple(found), cost)


def _translated(
    experiment: Experiment[Corpus],
    trial: Trial,
    number: int,
    sentences: Sequence[str],
    model: Path,
    origin: str,
    run: RunDir,
    on_event: OnEvent | None,
) -> tuple[Path, float] | None:
    """The file of the translations, a line each, and the seconds that they took; where nobody is to hear of it, nothing
    is done, and there is None if something is left to do.

    Args:
        number: of the part of the trial that the sentences are of.
        model, origin: the reverse model, and the fingerprint of all that it came from.
    """
    config, settings, reverse = experiment.config, trial.arm.back_translation, trial.reverse
    assert isinstance(config, RunConfig) and reverse is not None
    pair = reverse.parts[number].pair
    assert pair is not None
    step = _STEP if len(trial.parts) == 1 else f"{_STEP}.{pair.name}"
    inputs = {"before": origin, "sentences": fingerprint(sentences), "search": settings.decisive}
    path = run.path / step / f"{pair.target}.txt"
    done = on_first(partial(run.result, step, inputs, made=[path]))
    if done is None and on_event is not None:
        aside = on_first(partial(run.begin, step, inputs, path.parent))
        if aside is not None and rank() == 0:
            run.tell(f"the inputs of the back-translations have changed; the earlier ones are now in {aside}")
        told = lambda count: on_event(Event(reverse.name, "translate", count, len(sentences)))  # noqa: E731
        growing, searched = GrowingFile(path), search(settings, config.generation.tokens_per_batch)
        done = _translate_into(growing, fingerprint(inputs), sentences, pair.languages, model, searched, told)
        on_first(partial(run.finish, step, inputs, done, made=[path]))
        on_first(growing.finish)
    return None if done is None else (path, done)


def search(settings: BackTranslationSettings, tokens_per_batch: int) -> GenerationSettings:
    """How translations are searched; the longest have 1.5 times the tokens of their sentence, and 10 more."""
    engine = settings.engine
    if engine == "auto":
        engine = "ct2" if group_device() == "cpu" and find_spec("ctranslate2") else "transformers"
    return GenerationSettings(beams=settings.beams, engine=engine, tokens_per_batch=tokens_per_batch)


def _translate_into(
    growing: GrowingFile,
    made_of: str,
    sentences: Sequence[str],
    languages: tuple[str, str],
    model: Path,
    settings: GenerationSettings,
    told: Callable[[int], None],
) -> float:
    """Write the translations that are not there yet; the seconds of those that are, over all interruptions."""
    clock, first = growing.path.with_name(_SECONDS), rank() == 0

    def begun() -> tuple[int, float]:
        try:
            done = growing.begin(made_of, resume=True)
        except UsageError:  # somebody has changed what was there
            done = growing.begin(made_of, resume=False)
        return done, read_json(clock, remedy=_AGAIN) if done and clock.exists() else 0.0

    done, seconds = on_first(begun)
    since = monotonic() - seconds
    with ExitStack() as stack:
        loaded: Any = load_model(str(model)) if done < len(sentences) else None
        if loaded is not None and settings.engine == "ct2":
            loaded = stack.enter_context(converted(loaded, settings.compute_type))
        for window in windows(sentences[done:]):
            lines = translate(loaded, window, *languages, settings, over_ranks=True, lines_before=done)
            done += len(window)
            if first:
                growing.append(lines)
                write_json(clock, monotonic() - since)
                told(done)
    return monotonic() - since


def usable(
    translations: Sequence[str], sentences: Sequence[str], pairs: Corpus
) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """The translations that can be trained on, each with its sentence, and how many cannot, by the reason.

    How long a translation may be goes by the characters of both sides of pairs, for a Chinese sentence has fewer
    than its English translation.
    """
    usual = sum(map(len, pairs.sources())) / sum(map(len, pairs.targets()))
    dropped = dict.fromkeys(("empty", "copies of the sentence", "far too long"), 0)
    kept = []
    for translation, sentence in zip(translations, sentences, strict=True):
        said = as_compared(translation)
        if not said:
            dropped["empty"] += 1
        elif said == as_compared(sentence):
            dropped["copies of the sentence"] += 1
        elif len(translation) > LONGEST * usual * len(sentence) + LONGEST_EXTRA:
            dropped["far too long"] += 1
        else:
            kept.append((translation, sentence))
    return kept, dropped
