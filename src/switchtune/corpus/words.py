"""Sentence to words and back, lossless, per script."""

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Protocol

from switchtune.errors import SwitchtuneError
from switchtune.languages import Language, find_language


class SegmenterError(SwitchtuneError):
    """No segmenter can divide this language into words here."""


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence as words and the gaps around them.

    Attributes:
        gaps: what stands before, between and after the words (spaces, punctuation); one more than the words.
        words: each holds at least one letter or digit.
    """

    gaps: tuple[str, ...]
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.gaps) != len(self.words) + 1:
            raise ValueError(f"{len(self.words)} words stand between {len(self.words) + 1} gaps, not {len(self.gaps)}")

    def replace(self, words: Sequence[str]) -> "Words":
        """The same gaps around other words, one for each; `Segmenter.join` adds the spaces that become necessary."""
        return Words(self.gaps, tuple(words))


class Segmenter(Protocol):
    """Divides sentences into words; `join(split(text)) == text`."""

    def split(self, text: str) -> Words:
        """The words of `text` and the gaps around them."""
        ...

    def spaced(self, words: Words) -> Words:
        """`words` with the spaces that joining puts between words of two scripts."""
        ...

    def join(self, words: Words) -> str:
        """The sentence that `words` make."""
        ...


_DOTLESS_I = frozenset({"tr", "az", "crh", "tt", "kaa"})
"""Languages in which I is the capital of ı, and İ that of i."""


def lower_case(word: str, language: str) -> str:
    """`word` in lower case and in Unicode's composed form (NFC): the form under which words are counted and found.

    `language` is a code of `languages.py`; Turkish and its neighbours have an i with and one without a dot.
    """
    composed = unicodedata.normalize("NFC", word)
    if language in _DOTLESS_I:
        composed = composed.replace("İ", "i").replace("I", "ı")
    return composed.lower()


# Between two letters these belong to the word: apostrophes; hyphens, soft hyphen, the Catalan middle dot, Hebrew geresh
# and gershayim, and the joiners of Persian and of the Indic scripts.
_APOSTROPHES = "'’"
_CONNECTORS = r"\-‐‑\u00ad·׳״\u200c\u200d"
_DIGIT_CONNECTORS = ".,:٫٬"

# Where an article or pronoun leans on the next word (l'unione, d'accord): two words, the apostrophe with the first.
_ELIDING = frozenset({"fr", "it", "ca", "oc", "co", "fur", "lij", "lmo", "sc", "scn", "vec"})

# Thai, Lao, Tibetan, Myanmar, Khmer, CJK radicals and marks, kana, bopomofo, Han, halfwidth katakana.
_UNSPACED = re.compile(
    r"[\u0e00-\u109f\u1780-\u17ff\u2e80-\u2fff\u3005-\u3007\u3021-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


@cache
def _word_pattern(*, eliding: bool) -> re.Pattern[str]:
    """One word in the only group, so that `split` returns gap, word, gap, …, gap."""
    # `\w` holds letters and digits but no combining marks, without which no Indic word is whole. The look-ahead for
    # white space doubles the speed: most words end there, and the long class of marks need not be tried.
    connectors = _CONNECTORS if eliding else _APOSTROPHES + _CONNECTORS
    connected = rf"(?:[{connectors}]|(?<=\d)[{_DIGIT_CONNECTORS}](?=\d))[^\W_]+"
    elision = rf"(?:[{_APOSTROPHES}](?=[^\W_]))?" if eliding else ""
    return re.compile(rf"([^\W_]+(?:(?!\s)(?:[{_mark_ranges()}][^\W_]*|{connected}))*{elision})")


def _mark_ranges() -> str:
    """Every combining mark of Unicode, as the inside of a character class."""
    ranges: list[list[int]] = []
    # Marks stand below 0x20000 and at 0xE0100; the planes of Han and of private use between them hold none.
    for point in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(point))[0] == "M":
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


@dataclass(frozen=True, slots=True)
class _WordSegmenter:
    """Words of a language: by spaces and punctuation, and where the script has no spaces, by a segmenter's cuts.

    Holds only the code, so that it can be sent to another process; patterns and dictionaries are made once per process.
    """

    language: str

    def split(self, text: str) -> Words:
        pattern = _word_pattern(eliding=self.language in _ELIDING)
        if self.language not in _CUTTERS:
            parts = pattern.split(text)
            return Words(tuple(parts[::2]), tuple(parts[1::2]))
        gaps, words = [""], list[str]()
        for start, end in pairwise((0, *_cuts(text, _CUTTERS[self.language]()), len(text))):
            first, *rest = pattern.split(text[start:end])
            gaps[-1] += first
            words += rest[::2]
            gaps += rest[1::2]
        return Words(tuple(gaps), tuple(words))

    def spaced(self, words: Words) -> Words:
        gaps = words.gaps
        if "" not in gaps[1:-1]:
            return words
        spaced = (gap or _space(*pair) for gap, pair in zip(gaps[1:-1], pairwise(words.words), strict=True))
        return Words((gaps[0], *spaced, gaps[-1]), words.words)

    def join(self, words: Words) -> str:
        spaced = self.spaced(words)
        return _interleave(spaced.gaps, spaced.words)


def _interleave(gaps: Sequence[str], words: Sequence[str]) -> str:
    parts = [""] * (len(gaps) + len(words))
    parts[::2], parts[1::2] = gaps, words
    return "".join(parts)


def _space(left: str, right: str) -> str:
    """What goes between two words that touch: `split` leaves them so only beside an unspaced script or an elision."""
    touching = left[-1:] + right[:1]
    return "" if len(touching) < 2 or touching[0] in _APOSTROPHES or _UNSPACED.search(touching) else " "


def _cuts(text: str, tokenize: Callable[[str], Iterable[str]]) -> list[int]:
    """Where the segmenter divides `text`, but never inside a stretch of a spaced script."""
    cuts, position = list[int](), 0
    for token in tokenize(text):
        # Segmenters may drop white space, so tokens are looked for, not counted.
        start = text.find(token, position)
        if start < 0:
            continue
        position = start + len(token)
        cuts += (start, position)
    return [cut for cut in dict.fromkeys(cuts) if 0 < cut < len(text) and _UNSPACED.search(text, cut - 1, cut + 1)]


@cache
def _jieba() -> Callable[[str], Iterable[str]]:
    # jieba's sources hold invalid escapes and it asks for pkg_resources: warnings that its user can do nothing about.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="pkg_resources", category=UserWarning)
        try:
            import jieba
        except ImportError as error:
            raise _missing_extra("Chinese", "jieba") from error
    jieba.setLogLevel("WARNING")
    # A tokenizer of our own: words that another part of the program adds to jieba's shared one must not change ours.
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    cut: Callable[[str], Iterable[str]] = tokenizer.cut
    return cut


@cache
def _fugashi() -> Callable[[str], Iterable[str]]:
    try:
        import fugashi
        import unidic_lite  # type: ignore[import-untyped]
    except ImportError as error:
        raise _missing_extra("Japanese", "fugashi and unidic-lite") from error
    # Named, because fugashi would prefer the larger UniDic where that is installed, and divide differently.
    tagger = fugashi.Tagger(f'-Owakati -r "{unidic_lite.DICDIR}/mecabrc" -d "{unidic_lite.DICDIR}"')
    return lambda text: (node.surface for node in tagger(text))


def _missing_extra(language: str, packages: str) -> SegmenterError:
    return SegmenterError(
        f"{language} words need {packages}, which cannot be imported. "
        "Install the extra with: pip install 'switchtune[cjk]' (or switch subword pieces with unit: piece)."
    )


_CUTTERS: dict[str, Callable[[], Callable[[str], Iterable[str]]]] = {
    "zh": _jieba,
    "zh_Hant": _jieba,
    "yue": _jieba,
    "ja": _fugashi,
}


def word_segmenter(language: str) -> Segmenter:
    """The segmenter of a language, named by any code that `find_language` knows.

    A word is a run of letters, digits and combining marks, with apostrophes and hyphens inside it ("geht's",
    "e-mail") and the separators of numbers ("3.5"); all else is gap. French, Italian and their neighbours end a word
    at its apostrophe ("l'" + "unione"). Chinese is divided by jieba, Japanese by MeCab with UniDic (fugashi). `join`
    puts a space between two words that touch after a replacement, unless one is of a script without spaces.

    Raises:
        SegmenterError: the language is written without spaces and no segmenter is offered or installed for it.
        UnknownLanguageError: no language bears this name.
    """
    found: Language = find_language(language)
    if found.code in _CUTTERS:
        _CUTTERS[found.code]()
    elif not found.spaced:
        raise SegmenterError(
            f"{found.name} ({found.code}) is written without spaces, and no segmenter is offered for it. "
            "Switch the model's subword pieces instead of words (unit: piece)."
        )
    return _WordSegmenter(found.code)


_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
_PIECE_SPACE = "▁"


@dataclass(frozen=True, slots=True)
class _PieceSegmenter:
    tokenize: Callable[[str], list[str]]

    def split(self, text: str) -> Words:
        gaps: list[list[str]] = [[]]
        words = []
        for piece in self.tokenize(text):
            if _BYTE_PIECE.fullmatch(piece) or not re.search(r"[^\W_]", piece):
                gaps[-1].append(piece)
            else:
                words.append(piece)
                gaps.append([])
        return Words(tuple(map(_gap_text, gaps)), tuple(words))

    def spaced(self, words: Words) -> Words:
        return words

    def join(self, words: Words) -> str:
        text = _interleave(words.gaps, words.words).replace(_PIECE_SPACE, " ")
        return text.removeprefix(" ")


def _gap_text(pieces: Iterable[str]) -> str:
    """Pieces put together; those that stand for bytes become the characters they encode."""
    encoded = b"".join(
        bytes.fromhex(match[1]) if (match := _BYTE_PIECE.fullmatch(piece)) else piece.encode() for piece in pieces
    )
    return encoded.decode(errors="replace")


def piece_segmenter(tokenize: Callable[[str], list[str]]) -> Segmenter:
    """Subword pieces in the place of words, by a tokenizer of the sentencepiece kind ("▁" for a space).

    A piece keeps its "▁". Pieces without letter or digit, and byte pieces ("<0xE2>"), are gaps: never switched.
    `join` gives the text back as the tokenizer normalised it, without the space it puts in front.
    """
    return _PieceSegmenter(tokenize)
