"""Glossaries and term bases as dictionaries: whatever holds pairs of terms, in any format of corpora."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from switchtune.corpus.columns import Request, is_header
from switchtune.corpus.formats import SUFFIXES
from switchtune.corpus.lines import plain, stripped
from switchtune.corpus.read import open_location
from switchtune.errors import UsageError
from switchtune.files import file_and_part
from switchtune.languages import find_language
from switchtune.lexicon.files import edits_path, lines_of, read_lexicon, with_edits
from switchtune.lexicon.records import UNDETERMINED, Lexicon, LexiconError, Translation, entries_of

_LOGGER = logging.getLogger(__name__)
_NAMED = 5


def read_dictionary(location: str, languages: tuple[str, str]) -> Lexicon:
    """A dictionary between two languages: a lexicon file (TSV, or MUSE's), or a glossary in another format.

    Of a glossary every term has the translations of all rows that begin with it, in their order and equally strong; it
    is said how many terms have several. Edits by hand beside it apply.

    Raises:
        LexiconError: as `read_lexicon` does, or the glossary has no pair of terms.
        CorpusError: the glossary cannot be read, or lacks one of the languages.
    """
    path = Path(file_and_part(location)[0])
    if _is_lexicon(path):
        return read_lexicon(path)
    lexicon = _read_pairs(location, languages)
    _warn_of_several(location, lexicon, "each is used as often as the others")
    return lexicon


def _is_lexicon(path: Path) -> bool:
    return SUFFIXES.get(plain(path).suffix.lower(), "tsv") == "tsv"


def _read_pairs(location: str, languages: tuple[str, str]) -> Lexicon:
    """The dictionary in a file of pairs in any format of corpora; edits beside it apply."""
    source, target = map(find_language, languages)
    rows = open_location(location, Request(source, target, None))
    pairs = [(term, translation) for term, translation in (map(stripped, cells) for cells in rows.cells)]
    whole = [(term, translation) for term, translation in pairs if term and translation]
    if not whole:
        raise LexiconError(f"{location}: no pair of terms in {source.name} and {target.name}. Give another file.")
    for note in rows.notes:
        _LOGGER.warning("%s: %s", location, note)
    if alone := [
        f"{term or other!r} (pair {row:,})" for row, (term, other) in enumerate(pairs, 1) if not (term and other)
    ]:
        named = ", ".join(alone[:_NAMED]) + ", …" * (len(alone) > _NAMED)
        _LOGGER.warning("%s: rows with only one term, left out: %s: %s", location, f"{len(alone):,}", named)
    links = [(term, 0, Translation(translation, 1.0, 0)) for term, translation in whole]
    entries = entries_of(links, source.code)
    lexicon = Lexicon(source.code, target.code, "glossary", "none", "word", entries)
    return with_edits(lexicon, Path(file_and_part(location)[0]))


def read_dictionary_into(location: str, language: str, other: str | None) -> Lexicon:
    """A dictionary from the language of a text; into `other`, which only a lexicon file can do without.

    Raises:
        UsageError: a glossary, and `other` is not given; or the dictionary is into another language.
        SwitchtuneError: as `read_dictionary` does.
    """
    path = Path(file_and_part(location)[0])
    if other is None:
        if not _is_lexicon(path):
            raise UsageError(
                f"{location}: a glossary in a format that may hold many languages: name the one that words are to be "
                "switched to by --to, as in --to en."
            )
        return read_lexicon(path)
    ends = (find_language(language).code, find_language(other).code)
    if ends[0] == ends[1]:
        raise UsageError(f"--to {other}: the language of the text itself. Name the other language of the dictionary.")
    lexicon = read_dictionary(location, ends)
    if lexicon.target_language not in (ends[1], UNDETERMINED):
        raise UsageError(
            f"--to {other}: {location} translates from {lexicon.source_language!r} to {lexicon.target_language!r}. "
            "Take another dictionary, or leave out --to."
        )
    return replace(lexicon, target_language=ends[1])


def _warn_of_several(location: str, lexicon: Lexicon, used: str) -> None:
    """Say which terms have several translations, which may be meant, or a contradiction; `used`: which of them are."""
    several = [entry for entry in lexicon.entries.values() if len(entry.translations) > 1]
    if not several:
        return
    named = "; ".join(
        f"{entry.word!r}: {', '.join(repr(each.word) for each in entry.translations[:_NAMED])}"
        for entry in several[:_NAMED]
    )
    _LOGGER.warning(
        "%s: %s of %s terms have more than one translation, and %s: %s%s. Where one alone is right, take out the "
        "others, there or by a line WORD<TAB>TRANSLATION<TAB>- in %s beside it.",
        *(location, f"{len(several):,}", f"{len(lexicon):,}", used, named, "; …" * (len(several) > _NAMED)),
        edits_path(Path(file_and_part(location)[0])).name,
    )


@dataclass(frozen=True)
class Glossary:
    """Terms with the one translation that each is to have."""

    origin: str
    """Where it was read, for messages."""
    languages: tuple[str, str]
    terms: tuple[tuple[str, str], ...]
    """Each with its translation."""

    def __len__(self) -> int:
        return len(self.terms)


def read_glossary(location: str, languages: tuple[str, str]) -> Glossary:
    """A glossary from one language into another: a lexicon file, or TSV, TBX and what else holds pairs of terms.

    A TSV file may name its columns in its first line. Where a term has several translations, the strongest counts, of
    those that are alike the first, and a warning names them. Edits by hand beside it apply.

    Raises:
        LexiconError: as `read_dictionary` does, or the file says that it is of other languages, or of the way back.
        CorpusError: as `read_dictionary` does.
    """
    source, target = map(find_language, languages)
    path = Path(file_and_part(location)[0])
    head = next(lines_of(path), "").split("\t") if _is_lexicon(path) else []
    named = len(head) > 1 and is_header(head, (source, target))
    lexicon = read_lexicon(path) if head and not named else _read_pairs(location, languages)
    own = (lexicon.source_language, lexicon.target_language)
    if any(code not in (UNDETERMINED, asked.code) for code, asked in zip(own, (source, target), strict=True)):
        is_reversed = own == (target.code, source.code)
        remedy = "Exchange its columns, or translate the other way" if is_reversed else "Give another file"
        raise LexiconError(
            f"{location}: a glossary from {find_language(own[0]).name} into {find_language(own[1]).name}, and "
            f"{source.name} into {target.name} is asked for. {remedy}."
        )
    _warn_of_several(location, lexicon, "the first, or strongest, counts")
    terms = tuple((entry.word, entry.translations[0].word) for entry in lexicon.entries.values())
    return Glossary(location, (source.code, target.code), terms)
