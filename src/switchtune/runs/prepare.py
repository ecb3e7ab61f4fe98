"""What the trainings on pairs need before they begin: lexicons, alignments, a trimmed vocabulary."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from switchtune.config.arms import ResolvedArm
from switchtune.config.run import ModelSettings, PairSettings, RunConfig
from switchtune.corpus.read import Corpus, read_corpus, read_lines
from switchtune.corpus.words import divided_by
from switchtune.events import Event, OnEvent
from switchtune.files import fingerprint, hash_file, write_json
from switchtune.lexicon.alignment import align, divided, write_alignment
from switchtune.lexicon.build import Built, LexiconInput, build, corpus_material
from switchtune.lexicon.files import hash_with_edits, read_lexicon, require_unedited, take_over_edits, write_lexicon
from switchtune.lexicon.judged import JudgedLexicons, build_and_judge, require_accepted
from switchtune.lexicon.records import Lexicon, Unit
from switchtune.lexicon.text import monolingual_text
from switchtune.models.layout import Layout
from switchtune.models.load import load_model, model_fingerprint
from switchtune.models.rows import TrimFailedError
from switchtune.models.states import model_word_encoder
from switchtune.models.tags import add_languages
from switchtune.models.trim import VocabularyUsage, may_pay, pays, survey, trim
from switchtune.run_dir import RunDir
from switchtune.runs.paths import CORPORA, EXTENDED, JUDGEMENT, TRIMMED, lexicon_files, lexicon_folder
from switchtune.runs.tasks import TASKS, MonolingualSentences, added_text
from switchtune.switching.gloss_model import PHRASE_PAIRS
from switchtune.switching.make import segmenters_for
from switchtune.training.distributed import training_device
from switchtune.training.stage import require_runnable


def check_arm(pair: PairSettings, arm: ResolvedArm, layout: Layout, tested: Iterable[str] = ()) -> None:
    """As `Experiment.check_trials`, of one arm on one pair; `tested` are languages without pairs."""
    for language in (*pair.languages, *tested):
        layout.code(language)
    require_runnable(arm.training, layout.family.name, training_device())
    arm.stage_updates  # noqa: B018
    if arm.needs_mask:
        layout.mask_token  # noqa: B018


@dataclass(frozen=True)
class PairPreparation:
    """Makes what arms need on one pair, where it is not there yet."""

    config: RunConfig
    pair: PairSettings
    corpora: tuple[Corpus, Corpus]
    """Of training and of validation."""
    further: Mapping[str, MonolingualSentences]
    """Monolingual text by language, of which lexicons are made where there are no pairs to train on."""
    layout: Layout
    run: RunDir
    on_event: OnEvent

    def lexicons(self, arm: ResolvedArm) -> tuple[Path, ...]:
        """Build an arm's lexicons from the training corpus (or another) and judge them by the validation corpus."""
        if not arm.needs_lexicons:
            return ()
        arm = replace(arm, lexicon=arm.lexicon.with_dictionaries(self.pair.dictionaries))
        settings, model, (train, valid) = arm.lexicon, self.config.model.name, self.corpora
        corpus, judged_by = train, valid if TASKS[self.config.task].parallel else None
        if settings.corpus is not None:
            read = partial(read_corpus, columns=settings.columns, cache_dir=self.run.path / CORPORA)
            corpus = read(settings.corpus, self.pair.source, self.pair.target)
        inputs = {
            "settings": settings.built_from,
            "files": [hash_with_edits(Path(path)) for path in settings.files],
            "corpus": corpus.fingerprint() if len(corpus) else fingerprint(self._unpaired),
            "judged by": judged_by.fingerprint() if judged_by else None,
            "unit": arm.switching.unit,
            "model": model_fingerprint(model) if arm.switching.unit == "piece" or _reads_model(arm) else None,
            "neighbours": "farthest" if arm.switching.source == "anti" else "nearest",
            **_segmenters(self.pair, arm.switching.unit),
        }
        name = f"{settings.method}-{fingerprint(inputs)[:8]}"
        folder = lexicon_folder(self.run.path, self.pair.name, name)
        paths = lexicon_files(folder, self.pair.source, self.pair.target)
        step = f"lexicon.{self.pair.name}.{name}"
        written = self.run.result(step, inputs)
        missing = [path for path in paths if not path.exists()]
        for path in paths:
            require_unedited(path)
        if written is None or missing:
            text = f"{len(corpus):,} pairs" if len(corpus) else "monolingual text"
            self.on_event(Event(self.pair.name, f"building the lexicon ({settings.method}, {text})"))
            built, judged = self._build(arm, corpus, judged_by)
            if judged is not None:
                write_json(folder / JUDGEMENT, judged.record())
                self.on_event(Event(self.pair.name, judged.describe()))
            for lexicon, path in zip(built.lexicons, paths, strict=True):
                if path in missing:  # the other may have been edited, and be of an earlier version
                    write_lexicon(lexicon, path)
                former = take_over_edits(path) if written is None and judged is not None else None
                if former is not None:
                    self.on_event(Event(self.pair.name, f"{former}: edits by hand, taken over into {folder}"))
            if written is None:
                written = {"refusal": judged.refusal if judged else None}
                self.run.finish(step, inputs, written)
        require_accepted(written["refusal"], settings.accept)
        return paths

    def _build(self, arm: ResolvedArm, corpus: Corpus, judged_by: Corpus | None) -> tuple[Built, JudgedLexicons | None]:
        """Lexicons, and what is found about them; nothing of the `anti` control, which is wrong on purpose."""
        segmenters = segmenters_for(corpus, arm.switching.unit, self.layout.tokenize)
        text = corpus_material(corpus, segmenters, unit=arm.switching.unit)
        if not len(corpus):
            languages = (self.pair.source, self.pair.target)
            source, target = map(monolingual_text, self._unpaired, languages, segmenters)
            text = LexiconInput(source, target, paired=False, unit=arm.switching.unit)
        elif arm.lexicon.corpus is None:
            text = replace(text, paired=TASKS[self.config.task].parallel)
        if _reads_model(arm):
            text = replace(text, encoder=model_word_encoder(load_model(self.config.model.name)))
        if arm.switching.source == "anti":
            return build(text, arm.lexicon, neighbours="farthest"), None
        held_out = corpus_material(judged_by, segmenters) if judged_by else None
        judged = build_and_judge(text, arm.lexicon, judged_by=held_out)
        return judged.built, judged

    @property
    def _unpaired(self) -> tuple[Sequence[str], Sequence[str]]:
        """Monolingual text of the source and of the target language."""
        return self.further[self.pair.source].sentences, self.further[self.pair.target].sentences

    def alignments(self, arm: ResolvedArm) -> tuple[Path, ...]:
        """Align the training and the validation pairs together, where examples are made by alignments."""
        if not arm.needs_alignments or not len(self.corpora[0]):
            return ()
        unit, seed, (train, valid) = arm.switching.unit, arm.lexicon.seed, self.corpora
        corpora = (train if arm.aligns_all else train.limited(PHRASE_PAIRS), valid)
        inputs = {
            "corpora": [corpus.fingerprint() for corpus in corpora],
            "unit": unit,
            "model": model_fingerprint(self.config.model.name) if unit == "piece" else None,
            "seed": seed,
            **_segmenters(self.pair, unit),
        }
        name = f"alignment-{fingerprint(inputs)[:8]}"
        folder = lexicon_folder(self.run.path, self.pair.name, name)
        paths = (folder / "train.npz", folder / "valid.npz")
        step = f"lexicon.{self.pair.name}.{name}"
        if self.run.result(step, inputs, made=paths) is None:
            self.on_event(Event(self.pair.name, f"aligning the words of {sum(map(len, corpora)):,} pairs"))
            segmenters = segmenters_for(train, unit, self.layout.tokenize)
            languages, sides = (self.pair.source, self.pair.target), (Corpus.sources, Corpus.targets)
            source, target = (
                monolingual_text([line for each in corpora for line in side(each)], language, segmenter).encoded
                for side, language, segmenter in zip(sides, languages, segmenters, strict=True)
            )
            aligned = align(source, target, seed=seed)
            for part, path in zip(divided(aligned, [len(corpus) for corpus in corpora]), paths, strict=True):
                write_alignment(part, path)
            self.run.finish(step, inputs, len(aligned.source), made=paths)
        return paths


def _segmenters(pair: PairSettings, unit: Unit) -> dict[str, list[str]]:
    """What words depend on besides the text, as a part of what lexicons and alignments are made of."""
    found = [divided_by(language) for language in (pair.source, pair.target) if unit == "word"]
    return {"segmenters": found} if any(found) else {}


def _reads_model(arm: ResolvedArm) -> bool:
    """Whether the model's states take part in the building."""
    return "plm" in {arm.lexicon.method, *arm.lexicon.parts}


def with_languages(config: RunConfig, run: RunDir, on_event: OnEvent) -> RunConfig:
    """The configuration with the model that has the languages which are to be added; made where it is not there yet.

    Raises SwitchtuneError where a language cannot be added, or the training text cannot be read.
    """
    model = config.model
    if not model.add:
        return config
    folder, text = run.path / EXTENDED, added_text(config, run.path / CORPORA)
    languages = [(each.code, each.like) for each in model.add]
    inputs = {"model": model_fingerprint(model.name), "add": languages, "text": fingerprint(text)}
    done = run.result(EXTENDED, inputs, made=[folder])
    if done is None:
        done = add_languages(model.name, languages, folder, text=text).describe()
        run.finish(EXTENDED, inputs, done, made=[folder])
    on_event(Event("model", f"{model.name} with {done}"))
    return config.with_model(folder)


def prepare_model(
    config: RunConfig,
    corpora: Mapping[str, Sequence[Corpus]],
    further: Mapping[str, Sequence[str]],
    lexicons: Sequence[Path],
    run: RunDir,
    on_event: OnEvent,
) -> str:
    """What all trainings start from: the model, or the model with the vocabulary that this run's text needs.

    `corpora` are of each pair those of training, validation and test; `further` is monolingual text.
    """
    model = config.model
    if model.trim == "off" or (model.trim == "auto" and not may_pay(model.name)):
        return model.name
    languages = config.languages
    folder = run.path / TRIMMED
    inputs = {
        "model": model_fingerprint(model.name),
        "trim": model.trim,
        "corpora": [corpus.fingerprint() for parts in corpora.values() for corpus in parts],
        "lexicons": [hash_with_edits(path) for path in lexicons],
        "text": [hash_file(Path(path)) for path in model.text],
        **({"further": fingerprint(dict(further))} if further else {}),
        "languages": languages,
    }
    done = run.result(TRIMMED, inputs)
    if done is not None and done["trimmed"]:
        done = run.result(TRIMMED, inputs, made=[folder])
    if done is None:
        on_event(Event("model", f"looking for the pieces of {model.name} that the text needs"))
        texts = {
            f"{name}.{part}.{language}": side(corpus)
            for name, parts in corpora.items()
            for part, corpus in zip(("train", "valid", "test"), parts, strict=True)
            for language, side in ((corpus.source_language, Corpus.sources), (corpus.target_language, Corpus.targets))
        }
        texts |= {path.relative_to(run.path).as_posix(): lexicon_words(read_lexicon(path)) for path in lexicons}
        texts |= {path: read_lines(Path(path)) for path in model.text}
        texts |= {name: list(sentences) for name, sentences in further.items()}
        done = _trimmed(model, survey(model.name, texts, languages), texts, folder)
        run.finish(TRIMMED, inputs, done, made=[folder] if done["trimmed"] else [])
    on_event(Event("model", done["because"]))
    return str(folder) if done["trimmed"] else model.name


def _trimmed(
    model: ModelSettings, usage: VocabularyUsage, texts: Mapping[str, Sequence[str]], folder: Path
) -> dict[str, Any]:
    """Trim where it is wanted, and say what was done and why."""
    whole = "the vocabulary is left whole"
    if model.trim == "auto" and not pays(usage):
        return {"trimmed": False, "because": f"{whole}, too little would be saved: {usage.describe()}"}
    try:
        saved = trim(model.name, usage, texts, folder).saved()
    except TrimFailedError as error:
        if model.trim == "on":
            raise
        return {"trimmed": False, "because": f"{whole}: {error}"}
    return {"trimmed": True, "because": f"the vocabulary is trimmed: {usage.describe()}. {saved}"}


def lexicon_words(lexicon: Lexicon) -> list[str]:
    """The words of a lexicon and their translations, which switching may put into a sentence."""
    entries = lexicon.entries.values()
    return sorted({word for entry in entries for word in (entry.word, *(each.word for each in entry.translations))})
