"""A configuration to begin with: made of the data that there is, with settings that fit its size and the machine."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchtune.config.load import parse_config, parse_yaml
from switchtune.config.run import RunConfig
from switchtune.config.training import TrainingSettings
from switchtune.corpus.identify import language_of_texts
from switchtune.corpus.read import Corpus, read_corpus, read_monolingual
from switchtune.errors import SwitchtuneError
from switchtune.examples import task_examples
from switchtune.languages import find_language
from switchtune.models.layout import Layout
from switchtune.runs.plan import Plan
from switchtune.runs.planned_batches import batches_of, sampled
from switchtune.runs.survey import Survey, pairs_of

LOOKED_AT = 200
"""Sentences of each side whose language is looked at."""
TOKENS_OF_A_PAIR = 30
"""Of its longer side, where there is no model to count them."""
LEAST_UPDATES, MOST_UPDATES = 300, 30_000
"""Of a whole recipe; the paper has 30,000."""
LARGEST_HELD_OUT = 1000
"""Pairs that are taken out of the training corpus for validation, and for tests, at most; a tenth of it where it is
small."""


@dataclass(frozen=True)
class FoundPair:
    """A direction with its data, read."""

    train: Corpus
    corpora: Mapping[str, str]
    """Locations by key of the configuration: train, valid, test."""
    held_out: int
    """Pairs of each set that is not among `corpora`."""
    monolingual: Mapping[str, str]
    notes: tuple[str, ...]
    """What people are to know of it."""


@dataclass(frozen=True)
class Fitting:
    """Settings for a corpus of some size."""

    epochs: int
    tokens_per_batch: int
    seeds: tuple[int, ...]

    @classmethod
    def to(cls, pairs: int) -> "Fitting":
        """Small corpora are gone through more often, in smaller batches, with more seeds, for they vary more."""
        for largest, epochs, tokens, seeds in (
            (2000, 40, 1024, 3),
            (20_000, 20, 2048, 3),
            (200_000, 10, 4096, 2),
            (1_000_000, 4, 4096, 1),
        ):
            if pairs <= largest:
                return cls(epochs, tokens, tuple(range(1, seeds + 1)))
        return cls(1, 4096, (1,))

    def updates(self, per_epoch: float) -> int:
        wanted = min(max(self.epochs * per_epoch, LEAST_UPDATES), MOST_UPDATES)
        return -(-round(wanted) // 100) * 100


def found_pairs(found: Survey, asked: tuple[str, str] | None, cache: Path) -> Iterator[FoundPair]:
    """The pairs of a survey, read; raises CorpusError where a file is no corpus."""
    for (source, target), taken, rest in pairs_of(found, asked):
        corpora: dict[str, str] = {role: taken[role].location for role in ("train", "valid", "test") if role in taken}
        train = read_corpus(corpora["train"], source, target, cache_dir=cache)
        monolingual = {code: path for code, path in found.monolingual if code in (source, target)}
        known = {source: train.sources, target: train.targets}
        used = [code for code, path in monolingual.items() if not {*known[code]()} >= {*read_monolingual(path, code)}]
        notes = [
            f"{path}: left out: all of it is in the training set"
            for code, path in monolingual.items()
            if code not in used
        ]
        notes += [f"{each.location}: left out: {each.role or 'training'} data is there already" for each in rest]
        sample = train.limited(LOOKED_AT)
        for code, texts in ((source, sample.sources()), (target, sample.targets())):
            looks = language_of_texts(texts)
            if looks is not None and looks.iso3 != find_language(code).iso3:
                notes.append(
                    f"{corpora['train']}: {find_language(code).name} by its name, but it looks like {looks.name}"
                )
        held_out = min(LARGEST_HELD_OUT, max(1, len(train) // 10))
        yield FoundPair(train, corpora, held_out, {code: monolingual[code] for code in used}, tuple(notes))


def updates_of_an_epoch(corpus: Corpus, layout: Layout | None, tokens_per_batch: int) -> float:
    """How many updates go through a corpus once, by a sample of it, or where there is no model by a guess."""
    if layout is None:
        return len(corpus) * TOKENS_OF_A_PAIR / tokens_per_batch
    settings = TrainingSettings(tokens_per_batch=tokens_per_batch)
    batches = batches_of([task_examples(sampled(corpus))], layout, settings, count=len(corpus))
    return len(corpus) / batches.sentences


def configuration_text(
    model: str, pairs: Sequence[FoundPair], layout: Layout | None, more: Mapping[str, Any] | None = None
) -> str:
    """The commented YAML of a run that compares ordinary fine-tuning with the recipe that the evidence supports.

    `more`: settings of the training beside those that fit the corpora.
    """
    largest = max((pair.train for pair in pairs), key=len)
    fitting = Fitting.to(len(largest))
    per_epoch = updates_of_an_epoch(largest, layout, fitting.tokens_per_batch)
    updates = fitting.updates(per_epoch)
    evaluate_every = max(10, updates // 120 * 10)
    training: dict[str, Any] = {
        "updates": updates,
        "tokens_per_batch": fitting.tokens_per_batch,
        "evaluate_every": evaluate_every,
    }
    training |= {"checkpoint_every": evaluate_every, "keep": "best", "best_by": "chrf", **(more or {})}
    comments = {
        "updates": f"about {updates / per_epoch:.0f} times through {len(largest):,} pairs",
        "tokens_per_batch": f"about {len(largest) / per_epoch:.0f} pairs",
        "evaluate_every": "updates between two evaluations on the validation set",
        "keep": "the weights that validate best; last: the last ones",
        "best_by": "of outputs; the loss would choose worse weights",
        **dict.fromkeys(more or {}, "for the memory of this machine"),
    }
    lines = ["# Made by `switchtune init`. Every setting: docs/configuration.md.", f"model: {_scalar(model)}", "pairs:"]
    for pair in pairs:
        lines += _pair_lines(pair)
    lines += [
        _with_comment("arms:", "what is compared, at the same number of updates"),
        _with_comment("  - standard", "ordinary fine-tuning"),
        _with_comment("  - auto", "what did best on corpora like this; or csr, csr+, bt, …"),
        _with_comment(f"seeds: [{', '.join(map(str, fitting.seeds))}]", "trainings of each arm"),
        "training:",
        *(_with_comment(f"  {key}: {_scalar(value)}", comments.get(key)) for key, value in training.items()),
    ]
    return "".join(f"{line}\n" for line in lines)


def _with_comment(line: str, comment: str | None) -> str:
    return line if comment is None else f"{line:<27} # {comment}"


def _pair_lines(pair: FoundPair) -> Iterator[str]:
    source, target = pair.train.source_language, pair.train.target_language
    yield _with_comment(f"  - source: {source}", find_language(source).name)
    yield _with_comment(f"    target: {target}", find_language(target).name)
    for key in ("train", "valid", "test"):
        if key in pair.corpora:
            yield f"    {key}: {_scalar(pair.corpora[key])}"
        else:
            yield _with_comment(f"    {key}: {pair.held_out}", "pairs taken out of train")
    if pair.monolingual:
        texts = ", ".join(f"{code}: {json.dumps(path, ensure_ascii=False)}" for code, path in pair.monolingual.items())
        yield _with_comment(f"    monolingual: {{{texts}}}", "sentences without a translation")


def _scalar(value: Any) -> str:
    """A value as it stands in YAML, in quotes where it has to."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        plain = parse_yaml(f"a: {text}", "") == {"a": value}
    except SwitchtuneError:
        plain = False
    return text if plain else json.dumps(text, ensure_ascii=False)


def checked(text: str, origin: str) -> RunConfig:
    return parse_config(RunConfig, parse_yaml(text, origin), origin=origin)


def remedy_of(planned: Plan) -> dict[str, Any]:
    """The settings of the training that make all of a plan fit, if that is needed and there are any."""
    heaviest = max(
        (stage for stage in planned.stages if not stage.fits), key=lambda stage: stage.memory.peak_gb, default=None
    )
    remedy = next((each for each in heaviest.remedies if each.fits), None) if heaviest else None
    if remedy is None:
        return {}
    pairs = (setting.removeprefix("training.").split("=", 1) for setting in remedy.settings)
    return {key: parse_yaml(value, "") for key, value in pairs}


def outlook(planned: Plan) -> str:
    """Whether a run fits and how long it takes, a sentence."""
    peak = max(stage.memory.peak_gb for stage in planned.stages)
    fits = "fits" if all(stage.fits for stage in planned.stages) else "does not fit"
    side_by_side = f", {planned.jobs} trainings side by side" if planned.jobs > 1 else ""
    took = "" if planned.hours is None else f", about {planned.hours:.1f} hours of training in all"
    return f"{planned.device}: {fits}: {peak:.1f} GB each of {planned.memory_gb:.0f} GB{side_by_side}{took}"
