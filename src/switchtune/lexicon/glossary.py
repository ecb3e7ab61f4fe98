"""Glossaries and term bases as dictionaries: whatever holds pairs of terms, in any format of corpora."""

import logging
from dataclasses import replace
from pathlib import Path

from switchtune.corpus.columns import Request
from switchtune.corpus.formats import SUFFIXES
from switchtune.corpus.lines import plain, stripped
from switchtune.corpus.read import open_location
from switchtune.corpus.words import lower_case
from switchtune.errors import UsageError
from switchtune.files import file_and_part
from switchtune.languages import find_language
from switchtune.lexicon.files import edits_path, read_lexicon, with_edits
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
    if _is_lexicon_file(path):
        return read_lexicon(path)
    source, target = map(find_language, languages)
    rows = open_location(location, Request(source, target, None))
    pairs = [(term, translation) for term, translation in (map(stripped, cells) for cells in rows.cells)]
    whole = [(term, translation) for term, translation in pairs if term and translation]
    if not whole:
        raise LexiconError(f"{location}: no pair of terms in {source.name} and {target.name}. Give another file.")
    for note in [*rows.notes, *([f"rows with one term alone: {len(pairs) - len(whole):,}"] if whole != pairs else [])]:
        _LOGGER.info("%s: %s", location, note)
    _warn_of_several(location, pairs, source.code)
    links = [(term, 0, Translation(translation, 1.0, 0)) for term, translation in whole]
    entries = entries_of(links, source.code)
    return with_edits(Lexicon(source.code, target.code, "glossary", "none", "word", entries), path)


def _is_lexicon_file(path: Path) -> bool:
    return SUFFIXES.get(plain(path).suffix.lower(), "tsv") == "tsv"


def read_dictionary_into(location: str, language: str, other: str | None) -> Lexicon:
    """A dictionary from the language of a text; into `other`, which only a lexicon file can do without.

    Raises:
        UsageError: a glossary, and `other` is not given; or the dictionary is into another language.
        SwitchtuneError: as `read_dictionary` does.
    """
    path = Path(file_and_part(location)[0])
    if other is None:
        if not _is_lexicon_file(path):
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


def _warn_of_several(location: str, pairs: list[tuple[str, str]], language: str) -> None:
    """Say which terms of a glossary have several translations, which may be meant, or a contradiction."""
    found = dict[str, dict[str, int]]()
    for row, (term, translation) in enumerate(pairs, 1):
        if term and translation:
            found.setdefault(lower_case(term, language), {}).setdefault(translation, row)
    several = {term: rows for term, rows in found.items() if len(rows) > 1}
    if not several:
        return

    def told(term: str, rows: dict[str, int]) -> str:
        return f"{term!r} is " + " and ".join(f"{word!r} (pair {row:,})" for word, row in [*rows.items()][:_NAMED])

    named = "; ".join(told(term, rows) for term, rows in [*several.items()][:_NAMED])
    _LOGGER.warning(
        "%s: contradicts itself, or has words with several meanings: %s of %s terms have more than one translation, "
        "and each is used as often as the others: %s%s. Take out what is wrong, there or, in %s beside it, by a line "
        "WORD<TAB>TRANSLATION<TAB>-.",
        *(location, f"{len(several):,}", f"{len(found):,}", named, "; …" * (len(several) > _NAMED)),
        edits_path(Path(file_and_part(location)[0])).name,
    )
