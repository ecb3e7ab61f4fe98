"""What was edited by hand in a lexicon: a list of changes that is kept apart from it and applied to any build."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from switchtune.corpus.words import lower_case
from switchtune.lexicon.compare import check_direction
from switchtune.lexicon.records import Entry, Lexicon, Translation, strongest_first

EVERY_TRANSLATION = "*"  # In place of a translation: all that the word has
NOT_THIS = "-"  # In place of a strength: this is no translation of the word


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: a translation that a word has with this strength, or (None) that it has not."""

    word: str
    translation: str
    strength: float | None

    def line(self) -> str:
        """The edit as a line of a file."""
        return f"{self.word}\t{self.translation}\t{NOT_THIS if self.strength is None else repr(self.strength)}"


def apply_edits(edits: Iterable[Edit], lexicon: Lexicon) -> Lexicon:
    """The lexicon after the edits, one after the other; words and translations are found without regard to case.

    A word keeps its casing unless all its translations were taken away before; one that is left without any goes.
    """
    entries = dict(lexicon.entries)
    for edit in edits:
        key = lower_case(edit.word, lexicon.source_language)
        entry = entries.get(key, Entry(edit.word, 0, ()))
        same = lower_case(edit.translation, lexicon.target_language)
        translations, count = [], 0
        for translation in entry.translations:
            if lower_case(translation.word, lexicon.target_language) == same:
                count = translation.count
            elif edit.translation != EVERY_TRANSLATION:
                translations.append(translation)
        if edit.strength is not None:
            translations.append(Translation(edit.translation, edit.strength, count))
        word = entry.word if entry.translations else edit.word
        entries[key] = Entry(word, entry.count, strongest_first(translations))
    return replace(lexicon, entries={key: entry for key, entry in entries.items() if entry.translations})


def edits_between(before: Lexicon, after: Lexicon) -> list[Edit]:
    """The edits that turn one lexicon into another of the same direction; counts and the order of equals aside."""
    check_direction(before, after)
    gone = (entry for key, entry in before.entries.items() if key not in after.entries)
    edits = [Edit(entry.word, EVERY_TRANSLATION, None) for entry in gone]
    for key, entry in after.entries.items():
        former = before.entries.get(key)
        if former is not None and former.word != entry.word:
            edits.append(Edit(entry.word, EVERY_TRANSLATION, None))
            former = None
        old = _by_lower_case(former, after.target_language) if former else {}
        new = _by_lower_case(entry, after.target_language)
        edits += [Edit(entry.word, link.word, None) for lower, link in old.items() if lower not in new]
        edits += [
            Edit(entry.word, link.word, link.strength)
            for lower, link in new.items()
            if lower not in old or (old[lower].word, old[lower].strength) != (link.word, link.strength)
        ]
    return edits


def _by_lower_case(entry: Entry, language: str) -> dict[str, Translation]:
    """The translations of an entry by their lower-case form, of those with the same form the strongest."""
    by_lower: dict[str, Translation] = {}
    for translation in entry.translations:
        by_lower.setdefault(lower_case(translation.word, language), translation)
    return by_lower
