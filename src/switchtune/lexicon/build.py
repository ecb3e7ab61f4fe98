"""From text to the lexicons of both directions by any method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from switchtune.config.lexicon import LexiconSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import Segmenter
from switchtune.errors import UsageError
from switchtune.files import why_unreadable
from switchtune.lexicon.align import Compound, align_lexicons, apart_lexicons, compounds
from switchtune.lexicon.alignment import Alignment, align
from switchtune.lexicon.block import BlockList, Limits, read_block_list, without_blocked
from switchtune.lexicon.combine import Weighted, combined, inverted, oriented
from switchtune.lexicon.glossary import read_dictionary
from switchtune.lexicon.records import BuildStep, Lexicon, LexiconError, OnStep, Unit
from switchtune.lexicon.text import Encoded, MonolingualText, monolingual_text

if TYPE_CHECKING:
    from switchtune.lexicon.plm import WordEncoder

Neighbours: TypeAlias = Literal["nearest", "farthest"]
Lexicons: TypeAlias = tuple[Lexicon, Lexicon]  # Source → target, target → source


DICTIONARY_FIRST: Mapping[str, float] = {"vecmap": 1.0, "dictionary": 3.0}
"""Weights of a lexicon made of text that is not parallel, whose embeddings are less often right than a dictionary."""


@dataclass(frozen=True)
class LexiconInput:
    """All that the lexicons of two languages can be made from."""

    source: MonolingualText
    target: MonolingualText
    paired: bool = True  # Whether line i of one side translates line i of the other
    unit: Unit = "word"
    encoder: "WordEncoder | None" = None  # The model's states, for `plm`

    @property
    def languages(self) -> tuple[str, str]:
        return self.source.language, self.target.language

    @property
    def encoded(self) -> tuple[Encoded, Encoded]:
        return self.source.encoded, self.target.encoded

    def selected(self, kept: NDArray[np.bool_]) -> "LexiconInput":
        """The pairs for which `kept` is true. kept: [pairs]"""
        return replace(self, source=self.source.selected(kept), target=self.target.selected(kept))


def corpus_material(corpus: Corpus, segmenters: tuple[Segmenter, Segmenter], *, unit: Unit = "word") -> LexiconInput:
    """A parallel corpus as what lexicons are made from; `segmenters` split its source and its target side."""
    return LexiconInput(
        monolingual_text(corpus.sources(), corpus.source_language, segmenters[0]),
        monolingual_text(corpus.targets(), corpus.target_language, segmenters[1]),
        unit=unit,
    )


@dataclass(frozen=True)
class Built:
    """Lexicons of both directions, and how they came about."""

    lexicons: Lexicons
    method: str
    why: str  # Why this method, and what it found to begin with
    random: bool = True  # Whether another seed could give others
    alignment: Alignment | None = None  # of the pairs that it was built from (not those held out), by align
    compounds: tuple[tuple[Compound, ...], tuple[Compound, ...]] = ((), ())  # of either direction


def build(
    text: LexiconInput,
    settings: LexiconSettings,
    *,
    neighbours: Neighbours = "nearest",
    on_step: OnStep = lambda step: None,
) -> Built:
    """Build lexicons by the method of the settings.

    With `neighbours="farthest"` the result is the `anti` control: the least similar words (`vecmap`, `plm`), or words
    that do not stand in paired sentences.

    Raises:
        LexiconError: there is too little text, or nothing that the method needs; the message says what to do.
    """
    method, why = settings.method, f"{settings.method}: asked for"
    if method == "auto" and text.paired and settings.dictionaries:
        method, why = "mixed", "auto: the text is parallel and there is a dictionary, so align and dictionary are mixed"
    elif method == "auto" and text.paired:
        method, why = "align", "auto: the text is parallel, so align"
    elif method == "auto" and settings.dictionaries and neighbours == "nearest":
        method, why = "mixed", "auto: the text is not parallel, and there is a dictionary, which vecmap is mixed with"
        settings = settings.model_copy(update={"method": method, "parts": DICTIONARY_FIRST})
    elif method == "auto":
        method, why = "vecmap", "auto: the text is not parallel, so vecmap, with the best seed available"
    if neighbours == "farthest" and method not in {"vecmap", "plm"}:
        lexicons = apart_lexicons(*text.encoded, text.languages, k=settings.k, seed=settings.seed, unit=text.unit)
        block = _limits(settings).block
        lexicons = (without_blocked(lexicons[0], block), without_blocked(lexicons[1], block))
        return Built(lexicons, "anti(align)", "asked for: words that do not stand in paired sentences")
    built = _METHODS[method](text, settings, neighbours, on_step)
    return replace(built, why="; ".join(filter(None, (why, built.why))))


def has_word2vec() -> bool:
    return find_spec("gensim") is not None


def require_word2vec() -> None:
    """Raise UsageError where gensim, by which word vectors are learned, is not installed."""
    if not has_word2vec():
        raise UsageError(
            "Method vecmap learns word vectors with gensim, which is not installed. Install it (pip install "
            "'switchtune[vecmap]'), give vectors as files (lexicon.embeddings), or take method align, which reads "
            "sentence pairs."
        )


def require_files(settings: LexiconSettings) -> None:
    """Have all files that the settings name be there and readable, or raise a UsageError with all that are not.

    So it does where word vectors are asked for that cannot be learned here.
    """
    if settings.embeddings is None and "vecmap" in {settings.method, *settings.parts}:
        require_word2vec()
    wrong = [f"{path}: {problem}" for path in settings.files if (problem := why_unreadable(path))]
    if wrong:
        raise UsageError(
            "\n".join(wrong) + "\nThe lexicon's settings name it (dictionaries, embeddings or the words of its block "
            "list): correct the path, or leave it out."
        )


def _limits(settings: LexiconSettings) -> Limits:
    block = settings.block
    words = read_block_list(Path(block.words)) if block.words is not None else frozenset[str]()
    return Limits(settings.k, settings.floor, BlockList(block.numbers, block.identical, words))


# The methods


def _align(text: LexiconInput, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    if not text.paired:
        raise LexiconError(
            "Method align needs sentence pairs, and this text is not parallel. Take method vecmap, which needs none, or"
            " auto."
        )
    source, target = text.encoded
    alignment = align(source, target, seed=settings.seed, on_step=on_step)
    lexicons = align_lexicons(alignment, source, target, text.languages, _limits(settings), unit=text.unit)
    phrases = (compounds(alignment, source, target), compounds(alignment.reversed(), target, source))
    left_out = f"{alignment.left_out:,} pairs too long or empty to align" if alignment.left_out else ""
    return Built(lexicons, "align", left_out, alignment=alignment, compounds=phrases)


def _vecmap(text: LexiconInput, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    from switchtune.lexicon.csls import neighbour_lexicons  # they load torch
    from switchtune.lexicon.embed import EMBEDDINGS, SEEDS, map_mode, map_words, read_embeddings, word_vectors

    limits, mode, pairs = _limits(settings), map_mode(settings.mode, settings.preset), list[tuple[str, str]]()
    if settings.dictionaries and "pairs" in mode.seeds:
        (forward, _), _ = _dictionaries(text, settings)
        pairs = [(word, entry.translations[0].word) for word, entry in forward.entries.items()]
    if settings.embeddings is not None:
        files = zip(settings.embeddings, text.languages, strict=True)
        source, target = (read_embeddings(Path(path), language) for path, language in files)
    else:
        require_word2vec()
        on_step(BuildStep("word2vec", 0, 2))
        source, target = (word_vectors(side, EMBEDDINGS[settings.preset], seed=settings.seed) for side in text.encoded)
    words = map_words((source, target), text.languages, mode, seed=settings.seed, pairs=pairs, on_step=on_step)
    vocabularies, vectors = (source.vocabulary, target.vocabulary), (words.mapped.source, words.mapped.target)
    lexicons = neighbour_lexicons(
        *(text.languages, vocabularies, vectors, limits),
        method="vecmap",
        farthest=neighbours == "farthest",
        unit=text.unit,
        neighbourhood=0 if settings.preset == "paper" else 10,
    )
    return Built(lexicons, "vecmap", f"the mapping began with {words.seed_pairs:,} {SEEDS[words.seed_kind]}")


def _dictionaries(text: LexiconInput, settings: LexiconSettings) -> tuple[Lexicons, list[str]]:
    if not settings.dictionaries:
        raise LexiconError("Method dictionary needs a file: give --dictionary FILE (lexicon.dictionaries).")
    source, target = (side.vocabulary for side in text.encoded)
    forward, sizes, limits = [], [], _limits(settings)
    for dictionary in settings.dictionaries:
        read = read_dictionary(dictionary.path, text.languages)
        lexicon = oriented(read, source, target, text.languages, origin=dictionary.path)
        forward.append(Weighted(lexicon, dictionary.weight))
        sizes.append(f"{dictionary.path}: {len(lexicon):,} words")
    backward = [Weighted(inverted(part.lexicon), part.weight) for part in forward]
    return (combined(forward, limits), combined(backward, limits)), sizes


def _dictionary(text: LexiconInput, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    lexicons, sizes = _dictionaries(text, settings)
    return Built(lexicons, "dictionary", "; ".join(sizes), random=False)


def _plm(text: LexiconInput, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    if text.encoder is None:
        raise LexiconError("Method plm needs a model: give --model NAME (a Hub id or a folder).")
    from switchtune.lexicon.plm import plm_lexicons  # loads torch

    sides, limits, farthest = (text.source, text.target), _limits(settings), neighbours == "farthest"
    made = plm_lexicons(*sides, text.encoder, limits, seed=settings.seed, farthest=farthest, unit=text.unit)
    return Built(made, "plm", "")


def _mixed(text: LexiconInput, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    usable = ["align" if text.paired else "vecmap"]
    usable += ["dictionary"] if settings.dictionaries else []
    usable += ["plm"] if text.encoder is not None else []
    weights = dict[str, float](settings.parts.items()) or dict.fromkeys(usable, 1.0)
    parts = {name: _METHODS[name](text, settings, neighbours, on_step) for name in weights}
    limits = _limits(settings)
    forward, backward = (
        combined([Weighted(part.lexicons[side], weights[name]) for name, part in parts.items()], limits)
        for side in (0, 1)
    )
    aligned = parts.get("align")
    return Built(
        (forward, backward),
        "mixed",
        "; ".join(f"{name} (weight {weights[name]:g}{part.why and ', '}{part.why})" for name, part in parts.items()),
        random=any(part.random for part in parts.values()),
        alignment=aligned.alignment if aligned else None,
        compounds=aligned.compounds if aligned else ((), ()),
    )


_METHODS: Mapping[str, Callable[[LexiconInput, LexiconSettings, Neighbours, OnStep], Built]] = {
    "align": _align,
    "vecmap": _vecmap,
    "dictionary": _dictionary,
    "plm": _plm,
    "mixed": _mixed,
}


def lexicons_from_corpus(
    corpus: Corpus,
    segmenters: tuple[Segmenter, Segmenter],
    settings: LexiconSettings,
    *,
    neighbours: Neighbours = "nearest",
    unit: Unit = "word",
) -> Lexicons:
    """The lexicons of both directions of a parallel corpus, not judged; raises as `build` does."""
    return build(corpus_material(corpus, segmenters, unit=unit), settings, neighbours=neighbours).lexicons
