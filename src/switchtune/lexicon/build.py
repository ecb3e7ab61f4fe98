"""From text to the lexicons of both directions by any method, and the judgement that says whether to use them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from switchtune.config.lexicon import LexiconSettings
from switchtune.corpus.read import Corpus
from switchtune.corpus.words import Segmenter
from switchtune.errors import UsageError
from switchtune.files import why_unreadable
from switchtune.lexicon.align import Compound, align_lexicons, apart_lexicons, compounds
from switchtune.lexicon.alignment import Alignment, align
from switchtune.lexicon.block import BlockList, read_block_list, without_blocked
from switchtune.lexicon.combine import Weighted, combined, inverted, oriented
from switchtune.lexicon.compare import agreement
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.judge import RED_LIFT, Judgement, RejectedLexiconError, judge
from switchtune.lexicon.records import BuildStep, Lexicon, LexiconError, OnStep, Unit
from switchtune.lexicon.text import Encoded, Side, decoded, encode

if TYPE_CHECKING:
    from switchtune.lexicon.plm import WordEncoder

Neighbours: TypeAlias = Literal["nearest", "farthest"]

MOST_HELD_OUT = 2000
"""Pairs kept out of the building to judge by, at most; a twentieth of the pairs, and a fifth of few."""

_IN_ONE_SPACE = {"vecmap", "plm"}
"""Methods that put the words of both languages into one space, in which some are the farthest from each other."""

TWIN_SENTENCES = 50_000
"""Sentences of a side that a lexicon is built from twice, to see whether another seed gives another."""


def side_of(lines: Sequence[str], language: str, segmenter: Segmenter) -> Side:
    """A side of a text, segmented and counted."""
    return Side(language, lines, segmenter, encode((segmenter.split(line).words for line in lines), language))


@dataclass(frozen=True)
class Material:
    """All that lexicons of two languages can be made from."""

    source: Side
    target: Side
    paired: bool = True
    """Whether line i of one side translates line i of the other."""
    unit: Unit = "word"
    encoder: "WordEncoder | None" = None
    """The model's states, for `plm`."""

    @property
    def languages(self) -> tuple[str, str]:
        """Of the source and of the target side."""
        return self.source.language, self.target.language

    @property
    def texts(self) -> tuple[Encoded, Encoded]:
        """Of the source and of the target side."""
        return self.source.text, self.target.text

    def selected(self, kept: NDArray[np.bool_]) -> "Material":
        """The pairs for which `kept` is true. kept: [pairs]"""
        return replace(self, source=self.source.selected(kept), target=self.target.selected(kept))

    def first(self, sentences: int) -> "Material":
        """The first sentences of each side."""
        sides = (self.source, self.target)
        source, target = (side.selected(np.arange(len(side.lines)) < sentences) for side in sides)
        return replace(self, source=source, target=target)


def corpus_material(corpus: Corpus, segmenters: tuple[Segmenter, Segmenter], *, unit: Unit = "word") -> Material:
    """The material of a parallel corpus; `segmenters` split its source and its target side."""
    return Material(
        side_of(corpus.sources(), corpus.source_language, segmenters[0]),
        side_of(corpus.targets(), corpus.target_language, segmenters[1]),
        unit=unit,
    )


@dataclass(frozen=True)
class Built:
    """Lexicons of both directions (source → target, target → source), and how they came about."""

    lexicons: tuple[Lexicon, Lexicon]
    method: str
    why: str
    """Why this method, and what it found to begin with."""
    random: bool = True
    """Whether another seed could give others."""
    alignment: Alignment | None = None
    """Which words of the pairs that it was built from are linked, where the method finds that out; pairs that were held
    out to judge by are not among them."""
    compounds: tuple[tuple[Compound, ...], tuple[Compound, ...]] = ((), ())
    """Words that stand for phrases, of either direction."""


def build(
    material: Material,
    settings: LexiconSettings,
    *,
    neighbours: Neighbours = "nearest",
    on_step: OnStep = lambda step: None,
) -> Built:
    """Build lexicons by the method of the settings.

    With `neighbours="farthest"` the result is the `anti` control: the least similar words (`vecmap`, `plm`), or words
    that do not stand in paired sentences. All depends on the arguments alone, whatever the number of cores.

    Raises:
        LexiconError: there is too little text, or nothing that the method needs; the message says what to do.
    """
    method, why = chosen_method(material, settings)
    if neighbours == "farthest" and method not in _IN_ONE_SPACE:
        lexicons = apart_lexicons(
            *material.texts, material.languages, k=settings.k, seed=settings.seed, unit=material.unit
        )
        block = block_list(settings)
        lexicons = (without_blocked(lexicons[0], block), without_blocked(lexicons[1], block))
        built = Built(lexicons, "anti(align)", "")
        why = "asked for: words that do not stand in paired sentences"
    else:
        built = _METHODS[method](material, settings, neighbours, on_step)
    return replace(built, why=f"{why}{built.why and '; '}{built.why}")


def chosen_method(material: Material, settings: LexiconSettings) -> tuple[str, str]:
    """The method that the settings name, or that `auto` takes for this material; and why."""
    if settings.method != "auto":
        return settings.method, f"{settings.method}: asked for"
    if material.paired and settings.dictionaries:
        return "mixed", "auto: the text is parallel and there is a dictionary, so align and dictionary are mixed"
    if material.paired:
        return "align", "auto: the text is parallel, so align"
    return "vecmap", "auto: the text is not parallel, so vecmap, with the best seed that there is"


def require_files(settings: LexiconSettings) -> None:
    """Have files that the settings name, and that are missing, no files, or not to be read, known before any work.

    Raises:
        UsageError: with all of them.
    """
    wrong = [f"{path}: {problem}" for path in settings.files if (problem := why_unreadable(path))]
    if wrong:
        raise UsageError(
            "\n".join(wrong) + "\nThe lexicon's settings name it (dictionaries, embeddings or the words of its block "
            "list): mend the path, or leave it out."
        )


def block_list(settings: LexiconSettings) -> BlockList:
    """What the settings leave out of a lexicon."""
    block = settings.block
    words = read_block_list(Path(block.words)) if block.words is not None else frozenset[str]()
    return BlockList(numbers=block.numbers, identical=block.identical, words=words)


def _align(material: Material, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    if not material.paired:
        raise LexiconError(
            "Method align needs sentence pairs, and this text is not parallel. Take method vecmap, which needs none, or"
            " auto."
        )
    source, target = material.texts
    block = block_list(settings)
    alignment = align(source, target, seed=settings.seed, on_step=on_step)
    lexicons = align_lexicons(
        alignment,
        source,
        target,
        material.languages,
        k=settings.k,
        floor=settings.floor,
        unit=material.unit,
        block=block,
    )
    phrases = (compounds(alignment, source, target), compounds(alignment.reversed(), target, source))
    left_out = f"{alignment.left_out:,} pairs too long or empty to align" if alignment.left_out else ""
    return Built(lexicons, "align", left_out, alignment=alignment, compounds=phrases)


def _vecmap(material: Material, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    from switchtune.lexicon.embed import MODES, PRESETS, read_embeddings, vecmap  # loads gensim and torch

    pairs = None
    if settings.dictionaries and "pairs" in MODES[settings.mode].seeds:
        (forward, _), _ = _dictionaries(material, settings)
        pairs = [(word, entry.translations[0].word) for word, entry in forward.entries.items()]
    embeddings = None
    if settings.embeddings is not None:
        source, target = (
            read_embeddings(Path(path), language)
            for path, language in zip(settings.embeddings, material.languages, strict=True)
        )
        embeddings = (source, target)
    else:
        on_step(BuildStep("word2vec", 0, 2))
    sources, targets = (decoded(text) if embeddings is None else [] for text in material.texts)
    result = vecmap(
        sources,
        targets,
        material.languages,
        k=settings.k,
        seed=settings.seed,
        settings=PRESETS[settings.preset],
        mode=settings.mode,
        seed_pairs=pairs,
        embeddings=embeddings,
        farthest=neighbours == "farthest",
        unit=material.unit,
        block=block_list(settings),
        on_progress=lambda done: on_step(
            BuildStep("mapping", done.iteration, 0, f"similarity {done.similarity:.4f}, {done.keep:.0%} of the words")
        ),
    )
    seeds = {
        "pairs": "pairs of the dictionary",
        "identical": "words that both sides write alike",
        "numerals": "numerals",
        "profiles": "pairs of words with alike similarities (unsupervised)",
    }
    return Built(result.lexicons, "vecmap", f"the mapping began with {result.seed_pairs:,} {seeds[result.seed_kind]}")


def _dictionaries(material: Material, settings: LexiconSettings) -> tuple[tuple[Lexicon, Lexicon], list[str]]:
    if not settings.dictionaries:
        raise LexiconError("Method dictionary needs a file: give --dictionary FILE (lexicon.dictionaries).")
    vocabularies = tuple(text.vocabulary for text in material.texts)
    parts, found = [], []
    for dictionary in settings.dictionaries:
        read = read_lexicon(Path(dictionary.path))
        lexicon = oriented(read, vocabularies[0], vocabularies[1], material.languages, origin=dictionary.path)
        parts.append(Weighted(lexicon, dictionary.weight))
        found.append(f"{dictionary.path}: {len(lexicon):,} words")
    backward = [Weighted(inverted(part.lexicon), part.weight) for part in parts]
    lexicons = tuple(_merged(each, settings) for each in (parts, backward))
    return (lexicons[0], lexicons[1]), found


def _merged(parts: Sequence[Weighted], settings: LexiconSettings) -> Lexicon:
    return combined(parts, k=settings.k, floor=settings.floor, block=block_list(settings))


def _dictionary(material: Material, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    lexicons, found = _dictionaries(material, settings)
    return Built(lexicons, "dictionary", "; ".join(found), random=False)


def _plm(material: Material, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    if material.encoder is None:
        raise LexiconError("Method plm needs a model: give --model NAME (a Hub id or a folder).")
    from switchtune.lexicon.plm import plm_lexicons  # loads torch

    lexicons = plm_lexicons(
        material.source,
        material.target,
        material.encoder,
        k=settings.k,
        seed=settings.seed,
        farthest=neighbours == "farthest",
        unit=material.unit,
        block=block_list(settings),
    )
    return Built(lexicons, "plm", "")


def _mixed(material: Material, settings: LexiconSettings, neighbours: Neighbours, on_step: OnStep) -> Built:
    usable = {
        "align": material.paired,
        "vecmap": not material.paired,
        "dictionary": bool(settings.dictionaries),
        "plm": material.encoder is not None,
    }
    weights = dict[str, float](settings.parts.items()) or {name: 1.0 for name, can in usable.items() if can}
    built = {name: _METHODS[name](material, settings, neighbours, on_step) for name in weights}
    lexicons = tuple(
        _merged([Weighted(part.lexicons[side], weights[name]) for name, part in built.items()], settings)
        for side in (0, 1)
    )
    aligned = built.get("align")
    return Built(
        (lexicons[0], lexicons[1]),
        "mixed",
        "; ".join(f"{name} (weight {weights[name]:g}{part.why and ', '}{part.why})" for name, part in built.items()),
        random=any(part.random for part in built.values()),
        alignment=aligned.alignment if aligned else None,
        compounds=aligned.compounds if aligned else ((), ()),
    )


_METHODS: Mapping[str, Callable[[Material, LexiconSettings, Neighbours, OnStep], Built]] = {
    "align": _align,
    "vecmap": _vecmap,
    "dictionary": _dictionary,
    "plm": _plm,
    "mixed": _mixed,
}


def held_out(pairs: int) -> NDArray[np.bool_]:
    """Which pairs are kept out of the building to judge by: evenly spread, a twentieth, a fifth of few. [pairs]"""
    wanted = min(MOST_HELD_OUT, max(pairs // 20, min(100, pairs // 5)))
    kept = np.zeros(pairs, dtype=bool)
    if wanted:
        kept[np.linspace(0, pairs - 1, wanted, dtype=np.int64)] = True
    return kept


@dataclass(frozen=True)
class JudgedLexicons:
    """Lexicons of both directions with what is to be thought of them."""

    built: Built
    judgement: Judgement
    tried: tuple[str, ...]
    """Each method that was built, with its verdict, in order."""

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to do where the verdict is not green."""
        return _next_steps(self.built, self.judgement)

    def record(self) -> dict[str, Any]:
        """All figures, for `judgement.json`."""
        record = self.judgement.record()
        for direction, phrases in zip(record["directions"], self.built.compounds, strict=True):
            direction["compounds"] = [
                {"word": compound.word, "phrase": compound.phrase, "count": compound.count} for compound in phrases
            ]
        return {
            **record,
            "languages": [self.built.lexicons[0].source_language, self.built.lexicons[0].target_language],
            "method": self.built.method,
            "chosen": self.built.why,
            "tried": list(self.tried),
            "next_steps": list(self.next_steps),
        }

    def describe(self) -> str:
        """One line for people."""
        judgement = self.judgement
        lift = "not known" if judgement.lift is None else f"{judgement.lift:.2f}"
        stable = "" if judgement.stability is None else f", stability {judgement.stability:.0%}"
        why = "".join(f"; {reason}" for reason in judgement.reasons)
        figures = f"lift {lift}, coverage {judgement.coverage:.0%}{stable}"
        return f"lexicon by {self.built.why}: {judgement.verdict} ({figures}{why})"

    @property
    def refusal(self) -> str | None:
        """Where the verdict is red: why, what was tried, and what to do next."""
        if self.judgement.verdict != "red":
            return None
        return (
            f"The lexicon was judged red, and is not fit to train with: {'; '.join(self.judgement.reasons)}."
            f" Tried: {', '.join(self.tried)}. Next: {'; or '.join(self.next_steps)}."
        )


def require_accepted(refusal: str | None, accept: bool) -> None:
    """Stop at a lexicon that was refused, unless it is accepted all the same.

    Raises:
        RejectedLexiconError: with the refusal.
    """
    if refusal is not None and not accept:
        raise RejectedLexiconError(refusal)


def build_and_judge(
    material: Material,
    settings: LexiconSettings,
    *,
    judged_by: Material | None = None,
    on_step: OnStep = lambda step: None,
) -> JudgedLexicons:
    """Build lexicons, and judge them by pairs that they were not made from.

    Args:
        judged_by: sentence pairs to judge by; by default some of the material's own (`held_out`), which then are not
            built from.

    `auto` does not trust that lines of equal number are pairs: where align is judged red, the sides are taken for text
    that is not parallel.

    Raises:
        LexiconError: as `build`.
    """
    whole, given = material, judged_by
    if judged_by is None and material.paired:
        aside = held_out(len(material.source.lines))
        judged_by, material = material.selected(aside), material.selected(~aside)
    result = _judged(material, judged_by, settings, on_step)
    lift = result.judgement.lift
    if settings.method != "auto" or not material.paired or settings.dictionaries or lift is None or lift >= RED_LIFT:
        return result
    try:
        again = _judged(replace(whole, paired=False), given, settings, on_step)
    except LexiconError:
        return result  # too little text to map; what was found of align says more
    if again.judgement.verdict == "red":
        return replace(result, tried=result.tried + again.tried)
    why = f"auto: the lines are no translations of each other (align: red); {again.built.why}"
    return replace(again, built=replace(again.built, why=why), tried=result.tried + again.tried)


def _judged(
    material: Material, judged_by: Material | None, settings: LexiconSettings, on_step: OnStep
) -> JudgedLexicons:
    built = build(material, settings, on_step=on_step)
    by = judged_by or material
    judgement = judge(
        built.lexicons,
        *by.texts,
        material.languages,
        paired=judged_by is not None,
        stability=_stability(built, material, settings, on_step),
    )
    return JudgedLexicons(built, judgement, (f"{built.method} ({judgement.verdict})",))


def _stability(
    built: Built, material: Material, settings: LexiconSettings, on_step: OnStep
) -> Mapping[tuple[str, str], float]:
    """By direction: the share of running words whose first translation is the same with another seed."""
    if not built.random:
        return {}
    small = material.first(TWIN_SENTENCES)
    whole = max(len(side.lines) for side in (material.source, material.target)) <= TWIN_SENTENCES
    first = built if whole else build(small, settings, on_step=on_step)
    second = build(small, settings.model_copy(update={"seed": settings.seed + 1}), on_step=on_step)
    shares = {}
    for one, other, text in zip(first.lexicons, second.lexicons, small.texts, strict=True):
        counts = dict(zip(text.vocabulary.index, text.vocabulary.counts.tolist(), strict=True))
        shares[one.source_language, one.target_language] = agreement(one, other, counts)
    return shares


def _next_steps(built: Built, judgement: Judgement) -> tuple[str, ...]:
    if judgement.verdict == "green":
        return ()
    steps = []
    if judgement.lift is None:
        steps.append("give sentence pairs to judge by: --judge-by dev.de dev.en")
    elif judgement.verdict == "red":
        steps.append("look whether line i of one side translates line i of the other, in the languages that were named")
    elif "align" not in built.method:
        steps.append("build with method align or auto, if line i of the source translates line i of the target")
    if "dictionary" not in built.method:
        steps.append("add a dictionary: --dictionary FILE --method mixed")
    else:
        steps.append("check that the dictionary is of these languages, and of this text's script")
    steps.append("give more text (in a run, lexicon.corpus may be another corpus than the one that is trained on)")
    if judgement.verdict == "red":
        steps.append("take it all the same, with --accept-lexicon (in a run, lexicon.accept: true)")
    return tuple(steps)


def lexicons_from_corpus(
    corpus: Corpus,
    segmenters: tuple[Segmenter, Segmenter],
    settings: LexiconSettings,
    *,
    neighbours: Neighbours = "nearest",
    unit: Unit = "word",
) -> tuple[Lexicon, Lexicon]:
    """The lexicons of both directions of a parallel corpus, not judged; `segmenters` split its two sides.

    Raises:
        LexiconError: as `build`.
    """
    return build(corpus_material(corpus, segmenters, unit=unit), settings, neighbours=neighbours).lexicons
