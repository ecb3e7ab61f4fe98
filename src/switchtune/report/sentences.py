"""Sentences of a run for eyes: switched ones in colour, and translations of two systems where they differ."""

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import regex
from sacrebleu.metrics import CHRF

from switchtune.config.arms import ResolvedArm
from switchtune.config.run import PairSettings
from switchtune.config.switching import SwitchingSettings
from switchtune.corpus.documents import document_sentences, sentences_of
from switchtune.corpus.inference import read_nli
from switchtune.corpus.read import Pair
from switchtune.errors import SwitchtuneError
from switchtune.lexicon.files import read_lexicon
from switchtune.lexicon.records import Lexicon
from switchtune.runs.folder import Training, with_outputs_of_both
from switchtune.runs.run_files import LexiconFolder, RunFiles
from switchtune.runs.splits import located
from switchtune.runs.tasks import TASKS, pair_reader
from switchtune.switching.preview import switched_lines, text_switcher

SHOWN_SWITCHED = 6
"""Sentences of each side that are shown switched."""

_LONGEST_SHOWN = 600
"""Characters of a text that are shown; documents are longer."""

_MOST_SCORED = 2000
"""Texts whose outputs are scored one by one, to show first where they differ most."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_TOKEN = regex.compile(rf"[\w--[{_UNSPACED}]]+|(?=\S)\X", regex.VERSION1)
"""A word; in scripts without spaces, and elsewhere, a grapheme cluster: an emoji of several people is one."""


Segment: TypeAlias = tuple[bool, str]
"""Whether a piece of a text differs, and the piece."""


@dataclass(frozen=True)
class Different:
    """One text of the test set for which two systems differ."""

    row: int  # its place in the test set, from 0
    source: str | None
    reference: str | None
    outputs: tuple[str, str]
    chrf: tuple[float, float] | None = None
    rare_words: tuple[str, ...] = ()  # of the reference, seldom in the training texts
    unseen: tuple[str, ...] = ()  # those of them that are not there at all

    @property
    def marked(self) -> tuple[list[Segment], list[Segment]]:
        """Both outputs, with the words in which they differ."""
        return difference(*map(_short, self.outputs))


@dataclass(frozen=True)
class SwitchedSide:
    """Sentences of one language that were switched to another."""

    source: str
    target: str
    sentences: list[list[tuple[str | None, str]]]  # in pieces: what was replaced, or None, and what is there now


def read_texts(run: RunFiles, pair: str) -> tuple[list[Pair], list[Pair]]:
    """The first pairs of the validation set, and the whole test set, read again where the run has no copy.

    Raises:
        SwitchtuneError: a file is no longer there, or no longer what it was; relative paths are those of the run.
    """
    if run.config is None:
        raise SwitchtuneError("the configuration is not that of a run this version can read")
    settings = next(each for each in run.config.pairs if each.name == pair)
    own = run.folder / "corpus"  # where there is none, the run stays as it is
    with nullcontext(own) if own.is_dir() else tempfile.TemporaryDirectory() as cache:
        settings = located(settings, Path(cache))
        read = pair_reader(run.config, settings, Path(cache))
        valid, test = read(settings.valid), read(settings.test, deduplicate=False)
        return list(valid.limited(SHOWN_SWITCHED)), list(test)


def compared_systems(run: RunFiles, pair: str) -> list[tuple[Training, Training]]:
    """The baseline beside every arm of code-switching and all given outputs, or where there are none the next arm.

    Each with the first seed of which both have outputs; without those that have none.
    """
    others = [name for name in run.arms if name != run.baseline]
    asked = run.given | {arm.name for arm in run.switching_arms}
    names = [name for name in others if name in asked] or others[:1]
    of_arm: dict[str | None, list[Training]] = {name: [] for name in (run.baseline, *names)}
    for each in run.trainings:
        if each.pair == pair and each.arm in of_arm:
            of_arm[each.arm].append(each)
    found = (with_outputs_of_both(of_arm[run.baseline], of_arm[name]) for name in names)
    return [systems for systems in found if systems is not None]


def differing(run: RunFiles, systems: tuple[Training, Training], test: Sequence[Pair]) -> list[Different]:
    """The texts for which the outputs differ: those first whose scores differ most; the last by their place.

    Raises:
        SwitchtuneError: the outputs are not as many as the texts of the test set, or as each other.
    """
    counts = {str(run.folder / each.name): len(each.hypotheses or ()) for each in systems}
    counts |= {"the test set": len(test)} if test else {}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        raise SwitchtuneError(
            f"the numbers of outputs and texts differ ({found}). Remove the hypotheses.txt that is wrong; the same "
            "`switchtune run` makes it again."
        )
    names = (systems[0].pair, systems[0].arm, systems[1].arm)
    texts = {
        case["row"]: Different(
            case["row"],
            _short(case["source"]),
            _short(case["reference"]),
            (case["hypothesis_a"], case["hypothesis_b"]),
            (case["chrf_a"], case["chrf_b"]),
            tuple(case["rare_words"]),
            tuple(case.get("unseen", ())),
        )
        for each in run.analyses.get("cases", {}).get("pairs", ())
        if (each["pair"], each["arm_a"], each["arm_b"]) == names
        for case in each["sentences"]
    }
    for row, outputs in enumerate(zip(*(each.hypotheses or () for each in systems), strict=False)):
        if outputs[0] != outputs[1] and row not in texts:
            source, reference = map(_short, test[row]) if test else (None, None)
            chrf = sentence_chrf(outputs, reference) if reference and len(texts) < _MOST_SCORED else None
            texts[row] = Different(row, source, reference, (outputs[0], outputs[1]), chrf)
    return sorted(texts.values(), key=lambda text: -abs(text.chrf[1] - text.chrf[0]) if text.chrf else 1)


def sentence_chrf(outputs: tuple[str, str], reference: str) -> tuple[float, float]:
    """chrF++ of a text's outputs, 0 to 100."""
    metric = CHRF(word_order=2)
    return metric.sentence_score(outputs[0], [reference]).score, metric.sentence_score(outputs[1], [reference]).score


def difference(first: str, second: str) -> tuple[list[Segment], list[Segment]]:
    """Two texts in segments, which differ where the other text has other words (without spaces: characters)."""
    texts = (first, second)
    tokens = [list(_TOKEN.finditer(text)) for text in texts]
    words = [[token[0] for token in side] for side in tokens]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    segments: tuple[list[Segment], list[Segment]] = ([], [])
    ends = [0, 0]
    for tag, *places in matcher.get_opcodes():
        for side, (begin, end) in enumerate((places[:2], places[2:])):
            if tag == "equal" or begin == end:
                continue
            start, stop = tokens[side][begin].start(), tokens[side][end - 1].end()
            segments[side].extend([(False, texts[side][ends[side] : start]), (True, texts[side][start:stop])])
            ends[side] = stop
    for side, text in enumerate(texts):
        segments[side].append((False, text[ends[side] :]))
    return segments


def _short(text: str) -> str:
    text = " ".join(document_sentences(text))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]} …"


def lexicon_of_arm(run: RunFiles, pair: str, arm: ResolvedArm | None) -> LexiconFolder | None:
    """The lexicon by which an arm of code-switching switches; None where it is not there."""
    if run.config is None or arm is None:
        return None
    return next((each for each in run.lexicons(pair) if each.name.rpartition("-")[0] == arm.lexicon.method), None)


def arms_to_show(run: RunFiles) -> list[ResolvedArm]:
    """The arms of code-switching that restore sentences, of those that switch alike the first; else the first arm."""
    restoring = [arm for arm in run.switching_arms if arm.restores]
    alike = {(arm.lexicon.method, arm.switching.model_dump_json()): arm for arm in reversed(restoring)}
    return [arm for arm in restoring if arm in alike.values()] or list(run.switching_arms[:1])


def switched_sides(
    pair: PairSettings, run: RunFiles, arm: ResolvedArm | None, sample: Sequence[Pair]
) -> list[SwitchedSide]:
    """Sentences of both sides as stage 1 of an arm is given them.

    Raises:
        SwitchtuneError: there is no lexicon of words, or its file is malformed.
    """
    folder, config = lexicon_of_arm(run, pair.name, arm), run.config
    if folder is None or arm is None or config is None:
        raise SwitchtuneError("the run has no arm that switches words by a lexicon, or its lexicon is not there")
    settings = arm.switching
    _require_restoring(arm)
    if settings.unit == "piece":
        raise SwitchtuneError("the run switches subword pieces; `switchtune show-batch` shows them")
    sides: Sequence[Sequence[str]] = list(zip(*sample, strict=True))
    if not TASKS[config.task].parallel:
        # Stage 1 restores sentences, not whole documents.
        sentences = [document_sentences(document) for document in sides[0]]
        summaries = [sentences_of(summary, pair.target) for summary in sides[1]]
        sides = [list(chain.from_iterable(side))[:SHOWN_SWITCHED] for side in (sentences, summaries)]
    return [
        _switched_side(lexicon, texts, settings, config.seeds[0])
        for lexicon, texts in zip(folder.read(), sides, strict=True)
    ]


def switched_into_languages(run: RunFiles) -> list[SwitchedSide]:
    """Premises of the validation set as stage 1 may be given them, for each language switched to.

    Raises:
        SwitchtuneError: the validation set or a lexicon is no longer there, or malformed; nothing is restored.
    """
    config = run.inference
    arm = next(iter(arms_to_show(run)), None)
    if config is None or arm is None:
        return []
    _require_restoring(arm)
    valid = read_nli(config.data.valid, config.language, columns=config.data.columns, limit=SHOWN_SWITCHED)
    return [
        _switched_side(read_lexicon(path), valid.premises, arm.switching, config.seeds[0])
        for path in run.dictionaries().values()
    ]


def _require_restoring(arm: ResolvedArm) -> None:
    if not arm.restores:
        raise SwitchtuneError(f"{arm.name} switches the inputs of the task itself; `switchtune show-batch` shows them")


def _switched_side(lexicon: Lexicon, texts: Iterable[str], settings: SwitchingSettings, seed: int) -> SwitchedSide:
    switcher = text_switcher(
        *(lexicon, lexicon.source_language),
        pieces=None,
        source="lexicon",
        rate=settings.rate,
        mean_span=settings.mean_span,
        seed=seed,
    )
    sentences: list[list[tuple[str | None, str]]] = []
    for line in switched_lines(map(_short, texts), switcher, seed=seed, epoch=0):
        pieces: list[tuple[str | None, str]] = [(None, line.result.gaps[0])]
        for position, (word, gap) in enumerate(zip(line.result.words, line.result.gaps[1:], strict=True)):
            replaced = line.original.words[position] if position in line.switched.positions else None
            pieces += [(replaced, word), (None, gap)]
        sentences.append(pieces)
    return SwitchedSide(lexicon.source_language, lexicon.target_language, sentences)
