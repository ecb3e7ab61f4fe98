"""Sentence to words and back, lossless, per script."""

import logging
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from typing import Protocol

import regex

from switchtune.errors import SwitchtuneError
from switchtune.languages import Language, find_language

_LOGGER = logging.getLogger(__name__)


class SegmenterError(SwitchtuneError):
    """No segmenter can divide this language into words here."""


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence as words, each with a letter or digit at least, and the gaps before, between and after them."""

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

    def split(self, text: str) -> Words: ...

    def spaced(self, words: Words) -> Words:
        """`words` with the spaces that joining puts between words of two scripts."""
        ...

    def join(self, words: Words) -> str: ...


_DOTLESS_I = frozenset({"tr", "az", "crh", "tt", "kaa"})
"""Languages in which I is the capital of ı, and İ that of i."""


def lower_case(word: str, language: str) -> str:
    """`word` in lower case, in Unicode's composed form (NFC), without soft hyphens: as words are counted and found.

    All apostrophes become the ASCII one (don't and don’t are one word), geresh and gershayim the ASCII quotes; Armenian
    marks of emphasis, exclamation and question, which stand inside words, are left out. `language` is a code of
    `languages.py`; Turkish and its neighbours have an i with and one without a dot.
    """
    composed = unicodedata.normalize("NFC", word).translate(_IN_KEYS)
    if language in _DOTLESS_I:
        composed = composed.replace("İ", "i").replace("I", "ı")
    return composed.lower()


def upper_case(word: str, language: str) -> str:
    """`word` in capitals, in NFC; Georgian stays, as its text rarely has any. `language` as for `lower_case`."""
    composed = unicodedata.normalize("NFC", word)
    if language == "ka":
        return composed
    return (composed.replace("i", "İ") if language in _DOTLESS_I else composed).upper()


def capitalised(word: str, language: str) -> str:
    """`word` as it begins a sentence, in NFC; `language` as for `lower_case`.

    The first letter gets its title case (ǆ: ǅ; Dutch ij: IJ; ß has none). A first letter before a capital stays, for
    that casing is the word's own (iPhone, mRNA).
    """
    composed = unicodedata.normalize("NFC", word)
    following = re.split(r"[\W_]", composed[1:], maxsplit=1)[0]
    if following != following.lower() or composed.startswith("ß"):
        return composed
    if language == "nl" and composed.startswith("ij"):
        return "IJ" + composed[2:]
    if language in _DOTLESS_I and composed.startswith("i"):
        return "İ" + composed[1:]
    return composed[:1].title() + composed[1:]


def is_number(word: str) -> bool:
    """Whether `word` has digits, of any script, and no letters: 3.5, 2021-03-04, ½, Ⅳ, ٥٠٪, 1 000; not 1st, XIV, 三."""
    return any(map(str.isnumeric, word)) and not any(map(str.isalpha, word))


# Between two letters these belong to the word: apostrophes, and what is typed for them (Uzbek o‘zbek, geht´s); hyphens,
# soft hyphen, the Catalan middle dot, Hebrew geresh and gershayim, the Armenian marks of emphasis, exclamation and
# question, the joiners of Persian and of the Indic scripts, and the ampersand of names (AT&T).
_APOSTROPHES = "'’‘´`＇"
_LETTER_APOSTROPHES = "ʼʻ"
"""Letters to Unicode (Ukrainian, Uzbek), for which people type any of `_APOSTROPHES`."""
_IN_KEYS = str.maketrans(
    dict.fromkeys(_APOSTROPHES + _LETTER_APOSTROPHES + "׳", "'") | dict.fromkeys("״”", '"') | dict.fromkeys("\u00ad՛՜՞")
)
_CONNECTORS = r"\-‐‑֊־᐀᠆﹣－·׳״՛՜՞&\u00ad\u200c\u200d"
_DIGIT_CONNECTORS = rf"./,:٫٬．：{_APOSTROPHES}"

# Where an article or pronoun leans on the next word (l'unione, d'accord): two words, the apostrophe with the first.
_ELIDING = frozenset({"fr", "it", "ca", "oc", "co", "fur", "lij", "lmo", "sc", "scn", "vec"})

# Thai, Lao, Tibetan, Myanmar, Khmer, Tai Le and Lue, Tai Tham, Balinese, CJK radicals and marks, kana, bopomofo, Han,
# Javanese, Tai Viet, halfwidth katakana.
_UNSPACED_RANGES = (
    r"\u0e00-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aad\u1b00-\u1b7f\u2e80-\u2fff\u3005-\u3007\u3021-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua980-\ua9ff\uaa60-\uaadf\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_UNSPACED = re.compile(f"[{_UNSPACED_RANGES}]")
_HANGUL_RANGES = r"\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"


def is_unspaced(text: str) -> bool:
    """Whether a text begins with a letter of a script that puts no spaces between words."""
    return _UNSPACED.match(text) is not None


@cache
def _word_pattern(language: str) -> re.Pattern[str]:
    """One word in the only group, so that `split` returns gap, word, gap, …, gap."""
    # `\w` holds letters and digits but no combining marks, without which no Indic word is whole. The look-ahead for a
    # space saves a third of the time: most words end there, and no loop over what may continue them need be begun. For
    # speed too, each look-behind stands after the character that calls for it.
    eliding = language in _ELIDING
    connectors = (
        f"[{_CONNECTORS}]" if eliding else f"[{_APOSTROPHES}{_CONNECTORS}]",
        rf"[{_DIGIT_CONNECTORS}](?<=\d.)(?=\d)",
        r"\.(?<=[^\W\d_].)(?<![^\W_]{2}.)(?=[^\W\d_](?![^\W_]))",  # e.g, z.B, U.S: between two single letters
        r'["”](?<=[א-ת].)(?=[א-ת](?![א-ת]))',  # typed for the gershayim before the last letter of a Hebrew acronym
        *([rf"[{_APOSTROPHES}](?i:(?<=ujourd.)(?=hui))"] if eliding else []),
    )
    elision = rf"(?:[{_APOSTROPHES}](?=[^\W_]))?" if eliding else ""
    # A joiner may also end a word: it gives the last letter its form (Malayalam, Arabic).
    marks = rf"[{_mark_ranges()}\u200d][^\W_]*"
    return re.compile(rf"([^\W_]+(?:(?= )|(?:{marks}|(?:{'|'.join(connectors)})[^\W_]+)*{elision}))")


@cache
def _protected_pattern() -> re.Pattern[str]:
    """What is no word though it has letters or digits (see `word_segmenter`), in the only group."""
    # An address ends where a script begins that puts words (or, in Korean, particles) right behind it.
    glued = _UNSPACED_RANGES + _HANGUL_RANGES
    w = rf"[^\W{glued}]"
    spaced, any_script = (rf"(?:{letter}|[{_mark_ranges()}\u200c\u200d])+" for letter in (w, r"\w"))
    accents = r"[\u0300-\u036f]"  # of decomposed text
    name = rf"{w}+(?:{accents}+{w}*)*"
    suffix = rf"(?:[{_APOSTROPHES}]{name})?"  # @anna's, example.com'da
    url = rf"[^\s<>\"“”„«»…—–\u3000-\u303f\uff00-\uffef{glued}]"
    segment = rf"(?:{w}|{accents}|[.+%~-])"
    attribute = r"[\w:@.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>=]+)"
    starting = r"(?<![^\s(\[\"'`=:,].)"  # stands behind one character

    # What may stand before the telling character is of limited length, or text of many dots would take quadratic time.
    # For speed every alternative begins with the characters it can begin with, and what must not precede them follows.
    led_by_symbol = (
        rf"<[/|]?\w[\w:.-]*(?:\s+{attribute})*\s*[/|]?>|<!--.{{0,999}}?-->|<[!?]\w[^<>]*>",
        r"&(?:[A-Za-z][A-Za-z0-9]+|#[0-9]+|#[xX][0-9A-Fa-f]+);",
        r"[$#%@]?\{[^\s{}]{0,64}\}|\{\{[^{}]*\}\}|\{%[^{}]*%\}",
        r"%\(\w+\)[-+#0]*\d*(?:\.\d+)?[a-zA-Z]|%\d+\$[-+#0]*\d*(?:\.\d+)?[@a-zA-Z]|%[A-Z][A-Z0-9_]*%",
        rf"%(?<!\d.)[-+#0]*\d*(?:\*|\.\d+)?(?:hh|ll|[hlLqjzt])?[@diouxXeEfFgGcsrap](?!{w})",
        rf"\$(?<!{w}.)[A-Za-z_][A-Za-z0-9_]*",
        rf"__(?<!{w}..)(?=[A-Za-z0-9])[A-Za-z0-9_]+?__(?!{w})",
        rf"@(?<!{w}.)(?:{spaced}(?:@{name}(?:[.-]{name})*)?|{any_script}){suffix}",
        rf"#(?<![\w&].)(?=\d*[^\W\d_])(?:{spaced}|{any_script}){suffix}",
        rf"[~.]{starting}\.?[\\/]{segment}*(?:[\\/]{segment}+)*",
        rf"[\\/]{starting}[\\/]?{segment}+(?:(?:[\\/]{segment}+)+|(?<=\.{w}{{2}})|(?<=\.{w}{{3}})|(?<=\.{w}{{4}}))",
        rf"\.(?<!{w}.)NET(?!{w})",
        r"[0-9#*]\ufe0f?\u20e3|\u2139\ufe0f?",
    )
    extension = r"(?:(?<=\w\w)\.[chmrs]|\.(?:[a-z][a-z0-9]{1,4}|[A-Z][A-Z0-9]{1,4}))"
    led_by_word = (
        rf"(?:[.+-]{w}+){{0,9}}://{url}+|(?i:(?<=mailto)):{url}+|(?i:(?<=www))\.{url}+",
        rf"(?:[.+-]{name}){{0,9}}@{name}(?:[.-]{name})*{suffix}",
        rf"(?<!\w\w):[\\/]{segment}*(?:[\\/]{segment}+)*",
        rf"{segment}{{0,99}}[\\/](?:{segment}{{1,99}}[\\/]){{0,29}}{segment}{{0,99}}?{extension}(?!{w})",
        rf"(?:[.-]{name}){{0,9}}\.(?:{_DOMAINS}|{_EXTENSIONS}|NET)(?!{w})(?:[:/?#](?={w}){url}*)?{suffix}",
        rf"\+\+\d*(?!{w})|(?<!\w\w)#(?!{w})",
    )
    word = rf"{w}(?<!{w}.)(?<!{accents}.){w}*(?:{accents}+{w}*)*(?=[-.:@/\\+#])"
    return re.compile(f"({'|'.join(led_by_symbol)}|{word}(?:{'|'.join(led_by_word)}))")


# Names without "www." or a folder are known by these endings only, so that "Mr.Smith" stays two words. Endings that are
# common words (at, in, no, so) are left out.
_DOMAINS = (
    "com|org|net|edu|gov|mil|info|biz|io|dev|app|eu|uk|de|fr|it|ru|ua|jp|cn|kr|tw|hk|ch|nl|pl|cz|sk|hu|ro|bg|gr|tr|vn|br"
    "|pt|dk|fi"
)
_EXTENSIONS = (
    "pdf|docx?|xlsx?|pptx?|odt|rtf|txt|csv|tsv|jsonl?|ya?ml|toml|ini|cfg|conf|xml|html?|css|jsx?|tsx?|py|ipynb|java|cpp"
    "|hpp|php|rb|sh|bat|exe|dll|jar|zip|tar|tgz|gz|bz2|xz|rar|7z|png|jpe?g|gif|svg|bmp|tiff?|webp|ico|mp3|mp4|avi|mkv"
    "|wav|flac|ogg|mov|md|rst|log|lock|tex|bib|sql|db"
)

# Characters without which `_protected_pattern` finds nothing, each with what must stand beside it. Most sentences have
# none; to look for these costs a tenth of dividing a sentence, that pattern more than twice as much as dividing it.
_SUSPECT = re.compile(
    r"[#-&+./<@\\_{\u20e3\u2139](?:(?=[^\W\d_])|(?<=[\\{\u20e3\u2139])|(?<=[#<@])(?=\S)|(?<=[a-zA-Z]#)"
    r"|(?<=%)(?=[\d(#+-]|\.\d)|(?<=/)(?=[/.])|(?<=[$/_])(?=_)|(?<=\+)(?=\+)|(?<=&)(?=#))"
)


@cache
def _mark_ranges() -> str:
    """Every combining mark of Unicode, as the inside of a character class."""
    # Marks stand below 0x20000 and at 0xE0100; the planes of Han and of private use between them hold none.
    points = (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
    marks = [point for point in points if unicodedata.category(chr(point))[0] == "M"]
    runs = (list(run) for _, run in groupby(enumerate(marks), key=lambda numbered: numbered[1] - numbered[0]))
    return "".join(f"{chr(run[0][1])}-{chr(run[-1][1])}" for run in runs)


@dataclass(frozen=True, slots=True)
class _WordSegmenter:
    """Words by spaces and punctuation, and where the script has no spaces, by a segmenter's cuts.

    Holds only the code, so that it can be sent to another process; patterns and dictionaries are made once per process.
    """

    language: str

    def split(self, text: str) -> Words:
        if _SUSPECT.search(text):
            stretches = enumerate(_protected_pattern().split(text))
            parts = _chained([part] if index % 2 else self._parts(part) for index, part in stretches)
        else:
            parts = self._parts(text)
        return Words(tuple(parts[::2]), tuple(parts[1::2]))

    def _parts(self, text: str) -> list[str]:
        """Gap, word, gap, …, gap."""
        pattern = _word_pattern(self.language)
        cutter = _cutter(self.language)
        if cutter is None:
            return pattern.split(text)
        cuts = _cuts(text, cutter)
        tokens = (text[start:end] for start, end in pairwise((0, *cuts, len(text))))
        # Letters alone are one word: the pattern would say the same in twice the time.
        return _chained(["", token, ""] if token.isalpha() else pattern.split(token) for token in tokens)

    def spaced(self, words: Words) -> Words:
        gaps = words.gaps
        if "" not in gaps[1:-1]:
            return words
        touching = (left[-1:] + right[:1] for left, right in pairwise(words.words))
        # `split` leaves words so only beside an unspaced script or an elision.
        spaces = ("" if len(t) < 2 or t[0] in _APOSTROPHES or _UNSPACED.search(t) else " " for t in touching)
        spaced = (gap or space for gap, space in zip(gaps[1:-1], spaces, strict=True))
        return Words((gaps[0], *spaced, gaps[-1]), words.words)

    def join(self, words: Words) -> str:
        return _interleave(self.spaced(words))


def _chained(runs: Iterable[list[str]]) -> list[str]:
    """Runs of gap, word, …, gap as one: where two meet, their gaps become one."""
    parts = [""]
    for first, *rest in runs:
        parts[-1] += first
        parts += rest
    return parts


def _interleave(words: Words) -> str:
    parts = [""] * (len(words.gaps) + len(words.words))
    parts[::2], parts[1::2] = words.gaps, words.words
    return "".join(parts)


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


_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, which JSON can hold, is no UTF-8: segmenters are given the replacement character."""


@cache
def _jieba() -> Callable[[str], Iterable[str]]:
    try:
        import rjieba
    except ImportError as error:
        raise _missing_extra("Chinese", "rjieba") from error
    # A tokenizer of our own: words that another part of the program adds to the shared one must not change ours.
    tokenizer = rjieba.Jieba()
    return lambda text: tokenizer.cut(_SURROGATE.sub("\ufffd", text))


@cache
def _fugashi() -> Callable[[str], Iterable[str]]:
    try:
        import fugashi
        import unidic_lite  # type: ignore[import-untyped]
    except ImportError as error:
        raise _missing_extra("Japanese", "fugashi and unidic-lite") from error
    # Named, because fugashi would prefer the larger UniDic where that is installed, and divide differently.
    tagger = fugashi.Tagger(f'-Owakati -r "{unidic_lite.DICDIR}/mecabrc" -d "{unidic_lite.DICDIR}"')
    return lambda text: tagger.parse(_SURROGATE.sub("\ufffd", text)).split(" ")


def _icu(locale: str) -> Callable[[str], Iterable[str]] | None:
    """What divides Thai, Lao, Khmer or Burmese by ICU's dictionaries, where they are installed."""
    try:
        from icu4py.breakers import WordBreaker
    except ImportError:
        return None
    return lambda text: WordBreaker(_SURROGATE.sub("\ufffd", text), locale)


_LETTER, _KHMER = r"[\u1000-\u102a\u103f\u1050-\u1055\u1075-\u1081]", r"[\u1780-\u17b3]"
_CLUSTER = regex.compile(
    r"[\u0f40-\u0fbc]+"  # Tibetan: what stands between two marks of a syllable
    rf"|{_LETTER}(?:\u1039{_LETTER}|\p{{M}})*(?:{_LETTER}\p{{M}}*\u103a\p{{M}}*)*"  # Burmese, with its final consonant
    rf"|{_KHMER}(?:\u17d2{_KHMER}|\p{{M}})*"  # Khmer, with the consonants written below
    r"|[\u0e40-\u0e44\u0ec0-\u0ec4]*\X[\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3\u0ebd]*"  # Thai, Lao: all vowels
    r"|\p{Nd}+"
)
"""A character with all that belongs to it, which in most of these scripts is about a syllable."""


def _missing_extra(language: str, packages: str) -> SegmenterError:
    return SegmenterError(
        f"{language} words need {packages}, which cannot be imported. "
        "Install the extra with: pip install 'switchtune[cjk]'."
    )


_BY_SCRIPT = {"Hans": _jieba, "Hant": _jieba, "Jpan": _fugashi}
_BY_ICU = frozenset({"th", "lo", "km", "my"})


@cache
def _cutter(code: str) -> Callable[[str], Iterable[str]] | None:
    """What divides the unspaced text of a language, by its short code; None where its words stand between spaces."""
    language = find_language(code)
    if language.spaced and language.script:
        return None
    if language.script in _BY_SCRIPT:
        return _BY_SCRIPT[language.script]()
    by_icu = _icu(code) if code in _BY_ICU else None
    # Where no table knows the script of a language, its text tells.
    return by_icu or _CLUSTER.findall


def divided_by(language: str) -> str:
    """What divides a language that is written without spaces: "icu", or "clusters" where no segmenter is at hand."""
    spoken = find_language(language)
    if spoken.spaced or spoken.script in _BY_SCRIPT:
        return ""
    return "clusters" if _cutter(spoken.code) == _CLUSTER.findall else "icu"


@cache  # said once
def _tell_of_clusters(language: Language) -> None:
    syllables = "syllables" if language.script in {"Tibt", "Mymr", "Khmr"} else "characters with their vowels and marks"
    remedy = "Install a segmenter with: pip install 'switchtune[sea]', or" if language.code in _BY_ICU else "You may"
    _LOGGER.warning(
        f"{language.name} is written without spaces, and no segmenter is at hand: {syllables} are taken for its words. "
        f"{remedy} switch the model's subword pieces in place of words (switching: unit: piece)."
    )


def word_segmenter(language: str) -> Segmenter:
    """The segmenter of a language, named by any code that `find_language` knows.

    A word is a run of letters, digits and combining marks, with apostrophes, hyphens and soft hyphens inside it
    ("geht's", "e-mail"), the separators of numbers ("3.5", "2021-03-04"), and the dots of abbreviated single letters
    ("z.B"). All else is gap, and so is what only looks like words and no language translates: addresses of web and
    mail, tags and entities of XML and HTML, placeholders ({name}, {0}, %s, %(name)s, %1$s, $VAR, ${VAR}, __PH1__),
    @mentions, #hashtags, paths and names of files with an extension, emoji made of a digit, and C++, C# and .NET.

    French, Italian and their neighbours end a word at its apostrophe ("l'" + "unione"). A Vietnamese word here is a
    syllable ("Hà" + "Nội"): spaces divide syllables, and which of them make a compound is left open. Chinese is divided
    by jieba (rjieba), Japanese by MeCab with UniDic (fugashi), Thai, Lao, Khmer and Burmese by ICU (icu4py). Where
    there is no segmenter for a script without spaces, a word is a character with all that belongs to it, about a
    syllable, which is said once.

    `join(split(text)) == text` for any text, decomposed (NFD) or not. `join` puts a space between two words that touch
    after a replacement, unless one is of a script without spaces.

    Raises SegmenterError where the segmenter of Chinese or Japanese is not installed.
    """
    spoken = find_language(language)
    _cutter(spoken.code)
    if divided_by(spoken.code) == "clusters":
        _tell_of_clusters(spoken)
    return _WordSegmenter(spoken.code)


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
        return _interleave(words).replace(_PIECE_SPACE, " ").removeprefix(" ")


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
