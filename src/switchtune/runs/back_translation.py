"""Back-translations: what a reverse model, trained for an arm, makes of monolingual text of the target language."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from switchtune.config.training import BackTranslationSettings, GenerationSettings
from switchtune.corpus.read import Corpus
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import Event, OnEvent
from switchtune.files import fingerprint, read_json, write_json
from switchtune.generation import translate, windows
from switchtune.generation.by_ct2 import converted
from switchtune.generation.files import GrowingFile
from switchtune.models.load import load_model
from switchtune.results.comparison import BackTranslationCost
from switchtune.run_dir import RunDir
from switchtune.runs.arms import Trial
from switchtune.runs.paths import REVERSE
from switchtune.runs.tasks import as_compared
from switchtune.runs.trial import Data, Experiment, read_hypotheses, reversed_data, trained_stages
from switchtune.training.distributed import on_first, rank

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

    pairs: tuple[tuple[str, str], ...]
    """Translation and sentence."""
    cost: BackTranslationCost

    def describe(self) -> str:
        return f"{len(self.pairs):,} back-translations: {self.cost.describe()}"


def back_translations(
    experiment: Experiment[Corpus],
    trial: Trial,
    data: Data[Corpus],
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
    assert reverse is not None and reverse.pair is not None
    run = RunDir(
        folder / REVERSE, lambda message: on_event(Event(reverse.name, message)), experiment.config.keep_changed
    )
    sentences = data.monolingual[reverse.pair.source].sentences
    trained = trained_stages(experiment, reverse, reversed_data(data), run, on_event, work=work)
    if trained is None:
        return None
    reports, model, origin = trained
    settings = trial.arm.back_translation
    inputs = {"before": origin, "sentences": fingerprint(sentences), "search": settings.decisive}
    languages = (reverse.pair.source, reverse.pair.target)
    translations = run.path / _STEP / f"{languages[1]}.txt"
    done = on_first(partial(run.result, _STEP, inputs, made=[translations]))
    if done is None and not work:
        return None
    if done is None:
        searched = search(settings, experiment.config.generation.tokens_per_batch)
        aside = on_first(partial(run.begin, _STEP, inputs, translations.parent))
        if aside is not None and rank() == 0:
            run.tell(f"the inputs of the back-translations have changed; what was there is now {aside}")
        told = lambda done: on_event(Event(reverse.name, "translate", done, len(sentences)))  # noqa: E731
        growing = GrowingFile(translations)
        seconds = _translate_into(growing, fingerprint(inputs), sentences, languages, model, searched, told)
        done = {"seconds": seconds}
        on_first(partial(run.finish, _STEP, inputs, done, made=[translations]))
        on_first(growing.finish)
    pairs, dropped = usable(read_hypotheses(translations, len(sentences)), sentences, data.train)
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)
    if not pairs:
        raise SwitchtuneError(
            f"{translations}: none of the {len(sentences):,} translations by the reverse model can be trained on "
            f"({reasons}). It has learned too little: give it more updates (back_translation.updates_share), or more "
            "training pairs."
        )
    cost = BackTranslationCost(
        updates=sum(report["training"]["updates"] for report in reports.values()),
        within=settings.within,
        minutes=sum(report["training"]["seconds"] for report in reports.values()) / 60,
        translating_minutes=done["seconds"] / 60,
        sentences=len(sentences),
        dropped=dropped,
    )
    return BackTranslations(tuple(pairs), cost)


def search(settings: BackTranslationSettings, tokens_per_batch: int) -> GenerationSettings:
    """How translations are searched; the longest have 1.5 times the tokens of their sentence, and 10 more."""
    engine = settings.engine
    if engine == "auto":
        engine = "ct2" if find_spec("ctranslate2") else "transformers"
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
    translations: Sequence[str], sentences: Sequence[str], train: Corpus
) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """The translations that can be trained on, each with its sentence, and how many cannot, by the reason.

    How long a translation may be goes by the characters of both sides of the training pairs, for a Chinese sentence
    has fewer than its English translation.
    """
    usual = sum(map(len, train.sources())) / sum(map(len, train.targets()))
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
