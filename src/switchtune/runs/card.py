"""The card of a model that a run has made: what it is, how to use it, how good it is, and what it was made of."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import EvalResult, ModelCardData

from switchtune.config.inference import NliConfig
from switchtune.events import Event, OnEvent
from switchtune.files import adopt_files, fingerprint, read_json
from switchtune.languages import find_language
from switchtune.lexicon.files import hash_with_edits, read_edits
from switchtune.lexicon.judge import JUDGEMENT_RECORD
from switchtune.models.card import CARD, base_on_hub, put_card
from switchtune.models.classifier import is_encoder
from switchtune.models.licence import licence_of
from switchtune.models.load import load_layout
from switchtune.recipes import Stage
from switchtune.results.comparison import Row, Summary
from switchtune.results.text import render_markdown, score_text, scores_text, tested_by, verdict
from switchtune.runs.arms import Trial
from switchtune.runs.paths import JUDGEMENT, REVERSE, model_folder

if TYPE_CHECKING:
    from switchtune.runs.trial import Data, Experiment

NAME_LINE = 'name = "."  # this folder, or its name on the Hub'
"""In a card, where the model is read from."""
_PIPELINES = {"translation": "translation", "summarization": "summarization", "nli": "text-classification"}
_LONGEST = 256
"""In tokens, of outputs by CTranslate2: what it takes by itself where a model has as many positions."""
_DOES = {"translation": "translates", "summarization": "summarises texts"}
_NOTES = {
    "summarization": (
        "`switchtune translate` prepares documents as in training: it cuts them and marks the ends of their sentences. "
        "The lines above do not.",
    )
}


@dataclass(frozen=True)
class Made:
    """A model of a run, and what its card is about."""

    experiment: "Experiment[Any]"
    trial: Trial
    stage: str
    data: "Mapping[str, Data[Any]]"
    """What it was trained and tested on: by pair, of a task without pairs by the task's name."""

    @property
    def folder(self) -> Path:
        """Of the trial within the run's where the model is no reverse one."""
        return model_folder(self.trial.corpora.parent / self.trial.name, self.stage)

    @property
    def stages(self) -> list[Stage]:
        return [stage for stage, _ in self.experiment.stages(self.trial.arm)]

    @property
    def is_last(self) -> bool:
        """Whether it is what its training ends in, and not what a later stage begins with."""
        return self.stage == self.stages[-1].name

    @property
    def languages(self) -> list[str]:
        """All that it was trained for or tested in."""
        config = self.experiment.config
        tested = config.tested if isinstance(config, NliConfig) else ()
        return list(dict.fromkeys([*tested, *(code for direction in self.directions for code in direction)]))

    @property
    def directions(self) -> list[tuple[str, str]]:
        """Languages of inputs and outputs; none where outputs are no text."""
        if isinstance(self.experiment.config, NliConfig):
            return []
        return [(each.train.source_language, each.train.target_language) for each in self.data.values()]


def write_cards(
    experiment: "Experiment[Any]",
    trials: Sequence[Trial],
    data: "Mapping[str, Data[Any]]",
    summary: Summary,
    on_event: OnEvent,
) -> None:
    """Write the cards of all models that trials came to, with their scores."""
    for trial in trials:
        own = {name: data[name] for name in (trial.pairs if trial.group else data)}
        for stage, _ in experiment.stages(trial.arm):
            made = Made(experiment, trial, stage.name, own)
            write_card(made, made.folder, on_event, summary)


def write_card(made: Made, folder: Path, on_event: OnEvent, summary: Summary | None = None) -> None:
    """Write the card of a model, without scores where there are none yet; one that somebody has edited stays.

    Args:
        folder: of the model, within the run's.
    """
    rows, place = _rows(made, summary) if made.is_last and summary else [], 0
    if rows and summary:
        place = summary.seeds.index(made.trial.seed)
    scored = _scored(rows, place, summary) if rows and summary else _unscored(made, folder)
    text = render_markdown("card.md", **_said(made, folder), **scored)
    if put_card(folder, _front_matter(made, rows, place), text):
        adopt_files(folder)
    else:
        said = f"{folder / CARD}: has been edited and stays as it is. Remove it to have it written again."
        on_event(Event(made.trial.name, said))


def _rows(made: Made, summary: Summary) -> list[Row]:
    """What the comparison says of the model's arm: by pair, or of a classifier by language."""
    tested = None if isinstance(made.experiment.config, NliConfig) else made.data
    own = (row for row in summary.rows if row.arm == made.trial.arm.name)
    return [row for row in own if tested is None or row.pair in tested]


def _front_matter(made: Made, rows: Sequence[Row], place: int) -> dict[str, Any]:
    """What the Hub reads. A base that is no model of the Hub stands in the text alone."""
    task, base = _PIPELINES[made.experiment.config.task], made.trial.arm.model
    licence = licence_of(base)
    sets = [each for data in made.data.values() for each in (data.train, data.valid)]
    results = [
        EvalResult(
            task_type=task,
            dataset_type=row.pair,
            dataset_name=f"test set of {row.pair} ({scores[place].n:,} examples)",
            metric_type=metric.lower().rstrip("+"),
            metric_name=metric,
            metric_value=round(scores[place].value, 4),
            metric_config=scores[place].signature,
        )
        for row in rows
        for metric, scores in row.scores.items()
    ]
    told: Any = ModelCardData(
        language=list(dict.fromkeys(_hub_code(code) for code in made.languages)),
        base_model=base_on_hub(base),
        pipeline_tag=task,
        library_name="transformers",
        tags=["switchtune", "code-switching", task],
        datasets=list(dict.fromkeys(each.origin[3:].split(":")[0] for each in sets if each.origin.startswith("hf:"))),
        model_name=made.trial.name,
        eval_results=results or None,
        **({} if licence is None else {name: value for name, value in asdict(licence).items() if value}),
    )
    return {name: value for name, value in told.to_dict().items() if name != "model_name"}


def _hub_code(code: str) -> str:
    """A language as the Hub has it: without its script."""
    return code.partition("_")[0]


def _named(code: str) -> str:
    return f"{find_language(code).name} ({code})"


def _arrow(source: str, target: str) -> str:
    return f"{find_language(source).name} to {find_language(target).name}"


def _said(made: Made, folder: Path) -> dict[str, Any]:
    """What a card says whether there are scores or not."""
    arm, config, licence = made.trial.arm, made.experiment.config, licence_of(made.trial.arm.model)
    if isinstance(config, NliConfig):
        does = f"tells whether a premise entails a hypothesis. It was trained in {_named(config.language)}"
        title = f"Entailment, trained in {find_language(config.language).name}"
    else:
        sides = "; ".join(f"from {_named(source)} to {_named(target)}" for source, target in made.directions)
        does, title = f"{_DOES[config.task]} {sides}", "; ".join(starmap(_arrow, made.directions))
    base = base_on_hub(arm.model) or Path(arm.model).name
    made_from = "Trained from random weights in the form of" if arm.recipe.init == "random" else "Fine-tuned from"
    examples = sum(len(each.train) for each in made.data.values())
    return {
        "title": f"{title}: {arm.name}",
        "about": f"This model {does}. {made_from} `{base}` on {examples:,} training examples by switchtune "
        f"({made.trial.name}).",
        "usage": list(_usage(made, folder)) if made.is_last else [],
        "notes": list(_notes(made)) if made.is_last else (),
        "training": _training(made),
        "data": list(_data(made)),
        "lexicons": list(_lexicons(made.trial)) if arm.needs_lexicons else [],
        "licence": "The base model's licence is not known. Find it out before you use this model or pass it on."
        if licence is None
        else f"The base model's licence applies to this one as well: {licence.describe()}.",
    }


def _notes(made: Made) -> Iterator[str]:
    """What else is to be known by whoever uses the model."""
    yield from _NOTES.get(made.experiment.config.task, ())
    if made.trial.arm.has_terms:
        yield made.trial.arm.terms.describe()
    if len(made.directions) > 1:
        yield (
            f"The lines above are for {_arrow(*made.directions[0])}. For the other directions, `switchtune translate . "
            "--from LANGUAGE --to LANGUAGE < text` sets the tags."
        )


def _unscored(made: Made, folder: Path) -> dict[str, Any]:
    if REVERSE in folder.relative_to(made.trial.corpora.parent).parts:
        why = "Not scored: it made the back-translations that another model was trained on."
    elif not made.is_last:
        why = "Not scored: a later stage of the same training starts from it."
    else:
        why = "Not scored yet: its run is not finished."
    return {"scores": [], "unscored": why}


def _scored(rows: Sequence[Row], place: int, summary: Summary) -> dict[str, Any]:
    """Scores of the model, beside the mean over the seeds of its arm."""
    several = len(summary.seeds) > 1
    lines = [
        (
            row.pair,
            metric,
            score_text(metric, scores[place].value),
            *([scores_text(metric, [score.value for score in scores])] if several else []),
            f"{scores[place].n:,}",
        )
        for row in rows
        for metric, scores in row.scores.items()
    ]
    compared = [row.against_baseline for row in rows if row.against_baseline]
    return {
        "heads": (
            "test set",
            "metric",
            "this model",
            *(["mean ± sd over seeds"] if several else []),
            "examples",
            "signature",
        ),
        "scores": lines,
        "signatures": dict.fromkeys(
            f"{metric}: `{scores[place].signature}`" for row in rows for metric, scores in row.scores.items()
        ),
        "tested": f"Baseline of the comparison: `{summary.baseline}`; seeds {', '.join(map(str, summary.seeds))}."
        + (f" Intervals and p-values by {tested_by(compared[0])}." if compared else ""),
        "verdicts": [
            f"{row.pair}: {verdict(row.shown_arm, summary.baseline, each)}" for row in rows for each in row.comparisons
        ]
        + list(summary.remarks),
        "intervals": (", of one training each" if compared[0].one_training else " over all seeds") if compared else "",
    }


def _training(made: Made) -> list[str]:
    """The recipe in words, and what else decides what came of it."""
    arm, settings = made.trial.arm, made.trial.arm.training
    stages = list(zip(made.stages, arm.stage_updates, strict=True))
    lr = "the family's default" if settings.lr is None else f"{settings.lr:g}"
    return [
        *(
            f"stage {number} of {len(stages)}, `{stage.name}`, {updates:,} updates: {stage.describe()}"
            + (" (this model)" if stage.name == made.stage and len(stages) > 1 else "")
            for number, (stage, updates) in enumerate(stages, start=1)
        ),
        *([f"why this recipe: {arm.choice.reason}"] if arm.choice else []),
        f"{settings.tokens_per_batch:,} tokens per update; learning rate {lr}, {settings.schedule}; label smoothing "
        f"{settings.label_smoothing:g}; seed {made.trial.seed}",
    ]


def _data(made: Made) -> Iterator[tuple[str, ...]]:
    for name, data in made.data.items():
        sets = {
            "training": data.train,
            "validation": data.valid,
            **{_test_name(test): each for test, each in data.tests.items()},
        }
        for part, each in sets.items():
            yield name, part, f"`{_file(each.origin)}`", f"{len(each):,}", f"`{each.fingerprint()}`"
        for language, text in data.monolingual.items() if made.trial.arm.uses_further else ():
            hashed = fingerprint(text.sentences)
            yield name, f"monolingual, {language}", f"`{_file(text.origin)}`", f"{len(text.sentences):,}", f"`{hashed}`"


def _test_name(test: str) -> str:
    return "test" if test == "test" else f"test, {test}"


def _file(origin: str) -> str:
    """A file without its folders, which are nobody's business where the model is published."""
    return (
        origin
        if origin.startswith(("hf:", "embedded:"))
        else " + ".join(Path(part).name for part in origin.split(" + "))
    )


def _lexicons(trial: Trial) -> Iterator[str]:
    arm = trial.arm
    given = {language: files for language, files in arm.dictionaries.dictionaries.items() if files}
    for path in trial.lexicons:
        edits = f", with {len(by_hand):,} edits by hand" if (by_hand := read_edits(path)) else ""
        told = f"`{path.name}`{edits}, hash `{hash_with_edits(path)}`"
        judged = path.with_name(JUDGEMENT)
        if judged.exists():
            found = read_json(judged, JUDGEMENT_RECORD)
            right = "" if found.get("right") is None else f", an estimated {found['right']:.0%} of it right"
            told += f": made by {found['chosen']}; judged {found['verdict']}{right}"
        yield told
    files = [each.path for each in arm.lexicon.dictionaries] + [each.path for files in given.values() for each in files]
    if files:
        yield "dictionaries that went into it: " + ", ".join(f"`{Path(path).name}`" for path in files)


@dataclass(frozen=True)
class Use:
    """A way to use a model, in a few lines."""

    heading: str
    language: str
    code: str


def _usage(made: Made, folder: Path) -> Iterator[Use]:
    config = made.experiment.config
    if isinstance(config, NliConfig):
        yield _classifying(folder, config.language, made.trial.arm.classification.max_tokens)
    else:
        yield from translating(made.trial.model, *made.directions[0], config.generation.beams)


@lru_cache
def translating(model: str, source: str, target: str, beams: int) -> tuple[Use, ...]:
    """How to translate with a model of this tokenizer, which is read once for all models of a run."""
    layout = load_layout(model)
    sentence = json.dumps(layout.prompt(f"A sentence in {find_language(source).name}.", source, target))
    if not layout.plain_source(source, target):
        code = f"switchtune translate . --from {source} --to {target} < text > translation"
        heading = f"transformers' own tokenizer cannot be set to {find_language(source).name}, so with switchtune:"
        return (Use(heading, "sh", code),)
    start = layout.generation_settings(target)
    by_language = layout.family.decoder_start == "target"
    tokens = [start["decoder_start_token_id"] if by_language else None, start["forced_bos_token_id"]]
    prefix = layout.tokens([number for number in tokens if number is not None])
    longest = min(_LONGEST, (layout.positions or _LONGEST + 1) - 1)
    return (
        Use("With transformers:", "python", _TRANSFORMERS.format(name=NAME_LINE, sentence=sentence)),
        Use(
            "With CTranslate2, once `switchtune export . --to ct2 --out ct2` has written the folder `ct2`:",
            "python",
            _CT2.format(sentence=sentence, prefix=json.dumps(prefix), beams=beams, longest=longest),
        ),
    )


@lru_cache
def _classifying(folder: Path, language: str, max_tokens: int) -> Use:
    if is_encoder(str(folder)):
        return Use("With transformers:", "python", _ENCODER.format(name=NAME_LINE))
    code = _CLASSIFIER.format(name=NAME_LINE, language=language, max_tokens=max_tokens)
    return Use("With switchtune, which has the head that tells labels:", "python", code)


_TRANSFORMERS = """\
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer
{name}
tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModelForSeq2SeqLM.from_pretrained(name)
inputs = tokenizer({sentence}, return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True))"""

_CT2 = """\
import ctranslate2, transformers
tokenizer, translator = transformers.AutoTokenizer.from_pretrained("ct2"), ctranslate2.Translator("ct2")
source = tokenizer.convert_ids_to_tokens(tokenizer({sentence}).input_ids)
found = translator.translate_batch([source], [{prefix}], beam_size={beams}, max_decoding_length={longest})
print(tokenizer.decode(tokenizer.convert_tokens_to_ids(found[0].hypotheses[0]), skip_special_tokens=True))"""

_ENCODER = """\
from transformers import AutoModelForSequenceClassification, AutoTokenizer
{name}
tokenizer, model = AutoTokenizer.from_pretrained(name), AutoModelForSequenceClassification.from_pretrained(name)
inputs = tokenizer("A premise.", "A hypothesis.", return_tensors="pt")
print(model.config.id2label[int(model(**inputs).logits.argmax())])"""

_CLASSIFIER = """\
from switchtune.corpus.inference import LABELS, NliSet
from switchtune.models.classifier import open_classifier
from switchtune.training.classification import predict
{name}
data = NliSet("{language}", "", ("A premise.",), ("A hypothesis.",), (0,), 0, 0)
print(LABELS[predict(open_classifier(name, "{language}", max_tokens={max_tokens}), data)[0]])"""
