"""What text is made of: scripts, markup, escapes, controls, quotes, forms of characters, what a model does not know."""

import re
import sys
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import regex
from numpy.typing import NDArray

from switchtune.check.records import Problem, RawCorpus, percent, warning_from
from switchtune.scoring.in_language import scripts_of

Pieces = Callable[[Sequence[str]], "list[list[str]]"]
"""A model's pieces of each text, an unknown one written as `UNKNOWN`."""
UNKNOWN = ""
_CHARACTERS_NAMED, _CUT_INTO_PIECES = 20, 4000
_UNKNOWN_SHARE = 0.001


def code_points(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The characters of all texts, one after the other."""
    return np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)


def letters_in(texts: Sequence[str], script: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many letters each text has, and how many of them are of a script (of ISO 15924)."""
    kinds = _kinds(script)[code_points([f"{text}\n" for text in texts])]
    begins = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])
    if not len(texts):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    letters, right = (np.add.reduceat(kinds >= kind, begins, dtype=np.int64) for kind in (1, 2))
    return letters, right


@cache
def _kinds(script: str) -> NDArray[np.uint8]:
    """By code point: 1 for letters, 2 for those of the script."""
    kinds = np.zeros(sys.maxunicode + 1, np.uint8)
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x32000)]))
    own = "".join(rf"\p{{Script={name}}}" for name in scripts_of(script)) or r"\p{L}"
    for kind, pattern in ((1, r"\p{L}"), (2, rf"[\p{{L}}&&[{own}]]")):
        kinds[code_points(regex.findall(pattern, every, regex.VERSION1))] = kind
    return kinds


@dataclass(frozen=True)
class _Odd:
    """Something odd in texts, and how large a share of them makes it worth a warning."""

    kind: str
    pattern: "re.Pattern[str]"
    warning_from: float
    found: str
    advice: str
    leave_out: bool = False


_LATIN, _MARKS = "A-Za-z\u00c0-\u024f\u1e00-\u1eff", "[\u0300-\u036f]"
_LOOKALIKE = "\u0400-\u052fΑΒΕΖΗΙΚΜΝΟΡΤΥΧικνορυ"  # of Greek, letters that units are not written with
_ODDITIES = (
    _Odd(
        "markup",
        re.compile(r"</?[A-Za-z][^<>]{0,200}>|<!--|\]\]>"),
        0.001,
        "have markup as of HTML or XML",
        "Take the tags out, from both sides alike; a model learns to write them otherwise.",
    ),
    _Odd(
        "escape",
        re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,6}|#[xX][0-9A-Fa-f]{1,5});|\\u[0-9A-Fa-f]{4}|\\[nrt\"']|@-@"),
        0.001,
        "have escapes such as &apos; or \\n",
        "Write the characters that they stand for (in Python: html.unescape).",
    ),
    _Odd(
        "control",
        re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2060\ufeff]"),
        0.001,
        "have control characters, or such as have no width",
        "Take them out; models see others than people do.",
    ),
    _Odd(
        "encoding",
        re.compile("\ufffd|\u00c3[\u0080-\u00bf]|\u00c2[\u00a0-\u00bf]|\u00e2\u20ac|[\u00d0\u00d1][\u0080-\u00bf]"),
        0.0001,
        "were decoded wrongly (Ã¤ for ä, or �)",
        "Make the files again from where they came from, as UTF-8.",
        leave_out=True,
    ),
    _Odd(
        "lookalike",
        re.compile(f"[{_LATIN}]{_MARKS}*[{_LOOKALIKE}]|[{_LOOKALIKE}]{_MARKS}*[{_LATIN}]"),
        0.0001,
        "have words that mix letters of two scripts which look alike",
        "Write each word in one script; to a model it is another word.",
    ),
)


def oddities(raw: RawCorpus) -> Iterator[Problem]:
    """Markup, escapes, controls, wrong decoding and lookalikes on each side."""
    for side in (0, 1):
        rows = {odd.kind: array("q") for odd in _ODDITIES}
        for start, texts in raw.side(side):
            together = "\n".join(texts)
            for odd in _ODDITIES:
                # Most blocks of text have none.
                if odd.pattern.search(together):
                    rows[odd.kind].extend(start + row for row, text in enumerate(texts) if odd.pattern.search(text))
        for odd in _ODDITIES:
            if found := rows[odd.kind]:
                severity = warning_from(odd.warning_from, len(found), len(raw))
                said = (f"Lines that {odd.found}: {percent(len(found), len(raw))}.", odd.advice)
                yield raw.problem(odd.kind, severity, found, said, side, leave_out=odd.leave_out)


def mixtures(raw: RawCorpus) -> Iterator[Problem]:
    """Two ways of writing the same on one side: decomposed and composed characters, straight and curly quotes."""
    for side in (0, 1):
        # Where most lines have quotes: eight bytes a line, where a list takes forty.
        decomposed, straight, curly, composed = array("q"), array("q"), array("q"), 0
        for start, texts in raw.side(side):
            for row, text in enumerate(texts, start):
                if '"' in text:
                    straight.append(row)
                if text.isascii():
                    continue
                if _CURLY.search(text):
                    curly.append(row)
                if not unicodedata.is_normalized("NFC", text):
                    decomposed.append(row)
                elif not unicodedata.is_normalized("NFD", text):
                    composed += 1
        if decomposed and composed:
            said = (
                f"Lines that have characters in parts (not NFC, as e with an accent after it): "
                f"{percent(len(decomposed), len(raw))}; with whole ones: {composed:,}.",
                "Write all as NFC (in Python: unicodedata.normalize); to many models the two are different.",
            )
            yield raw.problem("normal-form", "warning", decomposed, said, side)
        fewer, more = sorted((straight, curly), key=len)
        if len(fewer) >= 0.05 * len(more) and len(fewer) >= 10:
            said = (
                f'Lines with straight quotes ("): {len(straight):,}; curly or angled (“ „ «): {len(curly):,}.',
                "If the outputs are to have one kind, write all so.",
            )
            yield raw.problem("quotes", "note", fewer, said, side)


_CURLY = re.compile("[“”„«»]")


def unknown_pieces(raw: RawCorpus, pieces: Pieces) -> Iterator[Problem]:
    """What a model's vocabulary lacks, on each side: its share of the pieces, and the characters with their counts."""
    for side in (0, 1):
        counts: Counter[int] = Counter()
        for _, texts in raw.side(side):
            found, numbers = np.unique(code_points(texts), return_counts=True)
            counts.update(dict(zip(found.tolist(), numbers.tolist(), strict=True)))
        letters = [chr(point) for point in counts if not (chr(point).isspace() or 0xD800 <= point < 0xE000)]
        lacking = [
            letter for letter, cut in zip(letters, pieces(letters), strict=True) if UNKNOWN in cut and letter.strip()
        ]
        if not lacking:
            continue
        of_lines = set(lacking)
        rows = [start + row for start, texts in raw.side(side) for row, text in enumerate(texts) if of_lines & {*text}]
        step = max(1, len(raw) // _CUT_INTO_PIECES)
        some = [text for start, texts in raw.side(side) for text in texts[-start % step :: step]]
        cut = [piece for each in pieces(some) for piece in each]
        share = cut.count(UNKNOWN) / max(len(cut), 1)
        most = sorted(lacking, key=lambda letter: -counts[ord(letter)])
        listed = ", ".join(f"{letter} {counts[ord(letter)]:,}" for letter in most[:_CHARACTERS_NAMED])
        more = f" and {len(most) - _CHARACTERS_NAMED:,} others" if len(most) > _CHARACTERS_NAMED else ""
        said = (
            f"The model does not know {len(lacking):,} characters, in {percent(len(rows), len(raw))} lines; {share:.2%}"
            f" of the pieces of {len(some):,} lines are unknown. Unknown (with counts): {listed}{more}.",
            "It cannot read or write them. Replace them, take another model, or add them to its vocabulary.",
        )
        yield raw.problem("unknown", "warning" if share >= _UNKNOWN_SHARE else "note", rows, said, side)
