"""Switched sentences for eyes and for other programs: coloured, as text, TSV or JSONL."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from rich.text import Text

from switchtune.corpus.lines import stream_lines, text_lines
from switchtune.corpus.words import Segmenter, Words, word_segmenter
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.events import printable
from switchtune.languages import find_language
from switchtune.lexicon.records import UNDETERMINED, Lexicon, randomised
from switchtune.switching.switcher import Switched, Switcher, example_key, from_lexicon, from_mask

MASK = "<mask>"  # How a masked word is written where no model decides it

PreviewSource: TypeAlias = Literal["lexicon", "random", "mask"]


@dataclass(frozen=True, slots=True)
class SwitchedLine:
    """A sentence beside its switched form."""

    number: int  # Line number, from 1
    original: Words
    result: Words  # The words after switching, with the gaps of the switched sentence
    switched: Switched
    original_text: str
    switched_text: str


def text_switcher(
    lexicon: Lexicon,
    language: str,
    *,
    pieces: Segmenter | None,
    source: PreviewSource,
    rate: float,
    mean_span: float,
    seed: int,
) -> Switcher:
    """A switcher for text in `language`, of words, or of the units that `pieces` cuts it into.

    Raises:
        UsageError: the lexicon translates from another language, or holds other units.
    """
    code = find_language(language).code
    if lexicon.source_language != UNDETERMINED and find_language(lexicon.source_language).code != code:
        hint = f"; take lexicon.{code}-{lexicon.source_language}.tsv" if lexicon.target_language == code else ""
        raise UsageError(
            f"The text is in {code!r} and the lexicon translates from {lexicon.source_language!r} "
            f"to {lexicon.target_language!r}{hint}."
        )
    if lexicon.unit == "piece" and pieces is None:
        raise UsageError("The lexicon holds the subword pieces of a model: name the model by --pieces-of.")
    if lexicon.unit == "word" and pieces is not None:
        raise UsageError("The lexicon holds words, not the subword pieces that --pieces-of asks for.")
    sources = {
        "lexicon": lambda: from_lexicon(lexicon),
        "random": lambda: from_lexicon(randomised(lexicon, seed=seed)),
        "mask": lambda: from_mask(MASK),
    }
    return Switcher(
        pieces or word_segmenter(code), sources[source](), rate, mean_span, language=lexicon.target_language
    )


def switched_lines(lines: Iterable[str], switcher: Switcher, *, seed: int, epoch: int) -> Iterator[SwitchedLine]:
    """Switch each line; its result depends on the seed, the epoch and its position alone."""
    for index, line in enumerate(lines):
        original = switcher.segmenter.split(line)
        switched = switcher(original.words, key=example_key(seed, epoch, index))
        result = switcher.segmenter.spaced(original.replace(switched.words))
        yield SwitchedLine(index + 1, original, result, switched, line, switcher.segmenter.join(result))


def as_tsv(line: SwitchedLine) -> str:
    """Original and switched sentence, separated by a tab."""
    if "\t" in line.original_text:
        raise SwitchtuneError(f"line {line.number}: the sentence holds a tab, which TSV cannot show. Use --jsonl.")
    return f"{line.original_text}\t{line.switched_text}"


def as_json(line: SwitchedLine) -> str:
    """A JSON object: both sentences, the words, and which of them were replaced by what."""
    replaced = [
        {"position": position, "word": line.original.words[position], "replacement": line.switched.words[position]}
        for position in line.switched.positions
    ]
    return json.dumps(
        {"original": line.original_text, "switched": line.switched_text, "replaced": replaced}, ensure_ascii=False
    )


FORMATS: Mapping[str, Callable[[SwitchedLine], str]] = {
    "text": lambda line: line.switched_text,
    "tsv": as_tsv,
    "jsonl": as_json,
}
"""How a switched line is written, by name."""


def coloured(line: SwitchedLine) -> Text:
    """Original ↔ switched for a terminal: what is replaced in red, what replaces it in green."""
    replaced = set(line.switched.positions)

    def side(words: Words, style: str) -> Text:
        text = Text(printable(words.gaps[0]))
        for position, (word, gap) in enumerate(zip(words.words, words.gaps[1:], strict=True)):
            text.append(printable(word), style if position in replaced else "")
            text.append(printable(gap))
        return text

    first = Text.assemble((f"{line.number:>5} ", "dim"), side(line.original, "red"))
    second = Text.assemble(("    ↔ ", "dim"), side(line.result, "bold green"))
    return Text("\n").join([first, second])


def read_text(path: Path, stream: BinaryIO) -> Iterator[str]:
    """The lines of a file of any compression, of a pipe, or of `stream` where the path is `-`; as `text_lines`."""
    if str(path) == "-":
        yield from stream_lines(stream, "standard input")
    elif path.is_fifo():
        with path.open("rb") as pipe:
            yield from stream_lines(pipe, path)
    else:
        yield from text_lines(path)
