"""Texts with inline tags and placeholders: what of them a model is given, and where the tags go in its translation."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from switchtune.errors import UsageError, nearest

_Span: TypeAlias = tuple[int, int]
"""From where to where."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag within a text.

    Attributes:
        place: how many of the text's characters stand before it.
        markup: the tag as it stands in the file.
        pair: the same number for the two tags of a pair, the opening one first; None of a tag that stands alone.
    """

    place: int
    markup: str
    pair: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A text to be translated, and its tags in their order."""

    text: str
    tags: tuple[Tag, ...] = ()


_NO_LETTER = r"(?![A-Za-zÀ-ɏ\d])"
"""Latin alone: letters of scripts without spaces stand beside what is kept, as in 共%d个."""
_OF_PROGRAMS = (
    rf"%(?:\(\w+\)|\d+\$)?[-+#0]*(?:\d+|\*)?(?:\.\d+)?(?:hh|h|ll|l|z|j|t|L)?[diouxXeEfFgGcsp@]{_NO_LETTER}"  # of printf
    r"|%\{\w+\}"
    rf"|%\d+{_NO_LETTER}"
    r"|\$\{[^{}\s]+\}|\{\{[^{}]*\}\}|\{[\w.!:]*\}"  # Ruby, Qt, shells and templates, Python
)
PLACEHOLDER = re.compile(rf"{_OF_PROGRAMS}|</?[A-Za-z][^<>]*>|&\w+;")
"""What a program replaces in a text when it shows it."""

_NUMBER = rf"(?<![A-Za-zÀ-ɏ\d])\d+(?:[.,:/'’\u00a0\u202f-]\d+)*{_NO_LETTER}"
_KEPT: Mapping[str, str] = {
    "urls": r"(?:https?|ftp)://[^\s<>\"']*[^\s<>\"'.,;:!?)\]]|www\.[^\s<>\"']*[^\s<>\"'.,;:!?)\]]"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "tags": r"</?[A-Za-z][^<>]*>|<[!?][^<>]*>|&(?:\w+|#\w+);",
    "placeholders": _OF_PROGRAMS,
    "numbers": _NUMBER,
}


def kept_pattern(kinds: Collection[str]) -> re.Pattern[str]:
    """What comes back from a translation unchanged, of kinds in `_KEPT`; raises UsageError where one is not known."""
    for kind in kinds:
        if kind not in _KEPT:
            raise UsageError(f"--keep {kind}: {nearest(kind, _KEPT)} There are {', '.join(_KEPT)}.")
    return re.compile("|".join(pattern for kind, pattern in _KEPT.items() if kind in kinds))


_WHOLE = kept_pattern(_KEPT)
"""Placeholders, addresses, numbers and tags of a text itself, which no inline tag is to cut."""


def differences(source: str, translation: str, pattern: re.Pattern[str]) -> tuple["Counter[str]", "Counter[str]"]:
    """What a translation has lost of what is to be kept, and what it has besides; further numbers are no fault."""
    before, after = Counter(pattern.findall(source)), Counter(pattern.findall(translation))
    return before - after, Counter({text: n for text, n in (after - before).items() if not re.fullmatch(_NUMBER, text)})


def without_kept(text: str, pattern: re.Pattern[str]) -> str:
    """A text without what is to be kept, numbers aside."""
    return pattern.sub(lambda found: found[0] if re.fullmatch(_NUMBER, found[0]) else "", text)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A line of a segment without the white space around it, `tags` those inside it or whose partners are."""

    text: str
    tags: tuple[Tag, ...]

    @property
    def pairs(self) -> dict[int, _Span]:
        """From where to where each pair reaches; to an end of the piece where its other tag stands elsewhere."""
        places = dict[int, list[int]]()
        for tag in self.tags:
            if tag.pair is not None:
                places.setdefault(tag.pair, []).append(tag.place)
        return {pair: (found[0], found[-1]) for pair, found in places.items() if len(found) == 2}

    @property
    def spans(self) -> list[_Span]:
        """What lies within the outermost pairs."""
        spans, end = list[_Span](), 0
        for begin, stop in sorted(self.pairs.values(), key=lambda span: (span[0], -span[1])):
            if begin >= end and stop > begin:
                spans.append((begin, stop))
                end = stop
        return spans

    def lines(self) -> list[str]:
        """What is to be translated: the text, what lies within its pairs, and what stands between placeholders."""
        if not _has_words(self.text):
            return []
        between = PLACEHOLDER.split(self.text)
        within = [self.text[begin:end].strip() for begin, end in self.spans]
        return [self.text, *within, *(filter(_has_words, map(str.strip, between)) if len(between) > 1 else ())]


def _has_words(text: str) -> bool:
    return any(map(str.isalpha, PLACEHOLDER.sub("", text)))


_LINE = re.compile(r"[^\n\r]*[^\s]")


def _pieces(segment: Segment) -> Iterator[str | Tag | _Piece]:
    """A segment as its lines, and the white space and the tags between them."""
    done, rest = 0, list(segment.tags)
    for found in _LINE.finditer(segment.text):
        begin = found.start() + len(found[0]) - len(found[0].lstrip())
        end = found.end()
        inner = {tag.pair for tag in rest if begin < tag.place < end and tag.pair is not None}
        tags = [tag for tag in rest if begin < tag.place < end or (begin <= tag.place <= end and tag.pair in inner)]
        first = rest.index(tags[0]) if tags else sum(tag.place <= begin for tag in rest)
        last = rest.index(tags[-1]) + 1 if tags else first
        before, tags, rest = rest[:first], rest[first:last], rest[last:]
        yield from _gap(segment.text, done, begin, before)
        yield _Piece(segment.text[begin:end], tuple(Tag(t.place - begin, t.markup, t.pair) for t in tags))
        done = end
    yield from _gap(segment.text, done, len(segment.text), rest)


def _gap(text: str, begin: int, end: int, tags: Sequence[Tag]) -> Iterator[str | Tag]:
    for tag in tags:
        place = min(max(tag.place, begin), end)
        yield text[begin:place]
        yield tag
        begin = place
    yield text[begin:end]


def lines_of(segment: Segment) -> list[str]:
    """The lines that a model is to translate for a segment: its own, and parts of them that help to place its tags."""
    return [line for piece in _pieces(segment) if isinstance(piece, _Piece) for line in piece.lines()]


def translated(
    segment: Segment, translations: Iterator[str], escape: Callable[[str], str], counts: "Counter[str]"
) -> str:
    """The markup of a segment's translation, by the next translations, which are those of `lines_of`.

    All tags are kept, and their pairs nested. Those around a line stay there. A pair within it is put around the
    translation of what it holds, where that is found, other tags where as much of the text is before them.
    """
    parts = list[str]()
    for piece in _pieces(segment):
        if isinstance(piece, Tag):
            parts.append(piece.markup)
        elif isinstance(piece, str):
            parts.append(escape(piece))
        else:
            parts.append(_rendered(piece, translations, escape, counts))
    return "".join(parts)


def _rendered(piece: _Piece, translations: Iterator[str], escape: Callable[[str], str], counts: "Counter[str]") -> str:
    if piece.lines():
        text = next(translations)
        within = [next(translations) for _ in piece.spans]
    else:
        text, within = piece.text, [piece.text[begin:end] for begin, end in piece.spans]
    text = _with_placeholders(piece.text, text, translations, counts)
    whole = [found.span() for found in _WHOLE.finditer(text)]
    anchors = _anchors(piece, text, within, whole)
    counts["tags within a sentence, whose place is a guess"] += len(piece.tags) - 2 * len(anchors)
    places = _places(piece, text, anchors, whole)
    parts, done = list[str](), 0
    for place, markup in places:
        parts += [escape(text[done:place]), markup]
        done = place
    return "".join([*parts, escape(text[done:])])


def _with_placeholders(source: str, text: str, translations: Iterator[str], counts: "Counter[str]") -> str:
    """The translation of a text, or where placeholders of it were lost or added, of what stands between them."""
    between, placeholders = PLACEHOLDER.split(source), PLACEHOLDER.findall(source)
    if not placeholders or not _has_words(source):
        return text
    told = [part if not _has_words(part) else spaced_like(part, next(translations)) for part in between]
    if Counter(placeholders) == Counter(PLACEHOLDER.findall(text)):
        return text
    counts["sentences translated in parts, because placeholders were lost"] += 1
    return "".join(part + mark for part, mark in zip(told, [*placeholders, ""], strict=True))


def spaced_like(source: str, text: str) -> str:
    """A text with the white space around `source`."""
    begin, end = len(source) - len(source.lstrip()), len(source.rstrip())
    return source[:begin] + text.strip() + source[end:]


def _anchors(piece: _Piece, text: str, within: Sequence[str], whole: Sequence[_Span]) -> dict[_Span, _Span]:
    """Where what lies within pairs stands in the translation, none in another's place or cutting what is `whole`."""
    anchors = dict[_Span, _Span]()
    for span, words in zip(piece.spans, within, strict=True):
        for form in (words.strip(" .。"), piece.text[slice(*span)].strip()):
            matches = re.finditer(rf"(?<!\w){re.escape(form)}(?!\w)", text, re.IGNORECASE) if form else ()
            spans = (m.span() for m in matches if all(_outside(place, whole) == place for place in m.span()))
            free = ((b, e) for b, e in spans if all(e <= begin or b >= end for begin, end in anchors.values()))
            if place := next(free, None):
                anchors[span] = place
                break
    return anchors


def _places(piece: _Piece, text: str, anchors: Mapping[_Span, _Span], whole: Sequence[_Span]) -> list[tuple[int, str]]:
    """Where each tag stands in the translation, in order; `whole` is not to be cut."""
    pairs = piece.pairs
    proportional = _proportional([tag.place for tag in piece.tags], len(piece.text), text)
    places = list[int]()
    for tag, place in zip(piece.tags, proportional, strict=True):
        holder = next(((s, a) for s, a in anchors.items() if _is_in(tag, s, pairs)), None)
        if holder is not None:
            (begin, end), (first, last) = holder
            place = first + round((last - first) * (tag.place - begin) / (end - begin))
        else:
            place = _outside(place, anchors.values())
        places.append(_outside(place, whole))
    return _in_order(piece.tags, places)


def _outside(place: int, spans: Iterable[_Span]) -> int:
    """A place, or the nearer edge of the span that it is within."""
    span = next((span for span in spans if span[0] < place < span[1]), None)
    return place if span is None else min(span, key=lambda edge: abs(edge - place))


def _in_order(tags: Sequence[Tag], places: Sequence[int]) -> list[tuple[int, str]]:
    """The places and markup of tags; at one place what ends, inner pairs first, what is empty, and what begins."""
    ranges = dict[int, list[int]]()
    firsts = dict[int, int]()
    for number, (tag, place) in enumerate(zip(tags, places, strict=True)):
        if tag.pair is not None:
            ranges.setdefault(tag.pair, []).append(place)
            firsts.setdefault(tag.pair, number)
    order = list[tuple[tuple[int, int, int, int], str]]()
    for number, (tag, place) in enumerate(zip(tags, places, strict=True)):
        first = number if tag.pair is None else firsts[tag.pair]
        begin, *end = ranges.get(tag.pair, [place]) if tag.pair is not None else [place]
        if not end or begin == end[0]:
            rank = (place, 1, first, number)
        elif first == number:
            rank = (place, 2, -end[0], number)
        else:
            rank = (place, 0, -begin, -number)
        order.append((rank, tag.markup))
    return [(rank[0], markup) for rank, markup in sorted(order)]


def _is_in(tag: Tag, span: _Span, pairs: dict[int, _Span]) -> bool:
    begin, end = pairs.get(tag.pair, (tag.place, tag.place)) if tag.pair is not None else (tag.place, tag.place)
    return span[0] <= begin and end <= span[1] and (tag.pair is not None or span[0] < tag.place < span[1])


def _proportional(places: Sequence[int], length: int, text: str) -> list[int]:
    """Places in a translation before which as much of it stands, at ends of words where there are any, in order."""
    ends = {0, len(text), *(edge for found in re.finditer(r"\S+", text) for edge in found.span())}
    boundaries = sorted(ends if " " in text else range(len(text) + 1))
    wanted = (place * len(text) / max(length, 1) for place in places)
    nearest = (min(boundaries, key=lambda edge: (abs(edge - place), edge)) for place in wanted)
    return list(accumulate(nearest, max))
