"""What was edited by hand in a lexicon, so that it can be edited again after every build."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import PlainSerializer, TypeAdapter

from switchtune.files import read_json, write_json
from switchtune.lexicon.compare import (
    check_direction,
)
from switchtune.lexicon.records import (
    Entry,
    Lexicon,
    Translation,
)

# Edited by hand


WordSet: TypeAlias = Annotated[frozenset[str], PlainSerializer(sorted, return_type=list[str])]


@dataclass(frozen=True)
class Edits:
    """What was changed by hand in a lexicon after it had been built; all by the word in lower case."""

    added_entries: Mapping[str, Entry]
    """Words that the built lexicon lacks."""
    removed_entries: WordSet
    added: Mapping[str, Entry]
    """Words that the built lexicon has, each with the translations that were added to it."""
    removed: Mapping[str, WordSet]
    """Translations that were removed from a word that stayed."""
    changed: Mapping[str, Entry]
    """Words with the translations whose strength was changed, and the new strengths."""
    recased: Mapping[str, str]
    """Words in their new casing."""
    order: Mapping[str, tuple[str, ...]]
    """The order of the translations of every word that was edited: it decides between equal strengths."""

    def __bool__(self) -> bool:
        return bool(self.order or self.removed_entries or self.recased)

    def describe(self) -> str:
        """What was edited, in a clause."""
        figures = [
            (len(self.added_entries), "words added"),
            (len(self.removed_entries), "words removed"),
            (sum(len(entry.translations) for entry in self.added.values()), "translations added"),
            (sum(map(len, self.removed.values())), "translations removed"),
            (sum(len(entry.translations) for entry in self.changed.values()), "strengths changed"),
            (len(self.recased), "words in another casing"),
        ]
        named = ", ".join(f"{what}: {count:,}" for count, what in figures if count)
        return f"edited by hand ({named or 'order of translations'})" if self else "not edited"


NO_EDITS = Edits({}, frozenset(), {}, {}, {}, {}, {})
_EDITS = TypeAdapter(Edits)


def edits(built: Lexicon, current: Lexicon, earlier: Edits = NO_EDITS) -> Edits:
    """What turns `built` into `current`, a lexicon of the same direction; counts aside.

    `earlier` is what had been edited before `built` was built: where `current` still is as it says, it stays an edit,
    though it may make no difference to `built`, which may lack the word or have it as the hand would.

    Raises:
        LexiconError: they are of different directions.
    """
    check_direction(built, current)
    pairs = [(key, built.entries[key], entry) for key, entry in current.entries.items() if key in built.entries]
    before = {key: {each.word: each.strength for each in entry.translations} for key, entry, _ in pairs}
    after = {key: {each.word: each.strength for each in entry.translations} for key, _, entry in pairs}
    new = {key: entry for key, entry in current.entries.items() if key not in built.entries}
    touched = {key: entry for key, _, entry in pairs if list(before[key].items()) != list(after[key].items())}
    removed = {key: before[key].keys() - after[key].keys() for key in touched}
    still_cased = {
        key: word
        for key, word in earlier.recased.items()
        if key not in current.entries or current.entries[key].word == word
    }
    ordered = touched | new | {key: entry for key, entry in current.entries.items() if key in earlier.order}
    expected = apply_edits(earlier, built)
    return Edits(
        added_entries=_joined(_still(earlier.added_entries, current), new),
        removed_entries=frozenset((earlier.removed_entries | expected.entries.keys()) - current.entries.keys()),
        added=_joined(
            _still(earlier.added, current), _with_those(touched, lambda key, each: each.word not in before[key])
        ),
        removed={
            key: frozenset(gone)
            for key in dict.fromkeys((*earlier.removed, *removed))
            if (gone := (earlier.removed.get(key, frozenset()) | removed.get(key, set())) - after.get(key, {}).keys())
        },
        changed=_joined(
            _still(earlier.changed, current),
            _with_those(touched, lambda key, each: before[key].get(each.word, each.strength) != each.strength),
        ),
        recased=still_cased | {key: entry.word for key, old, entry in pairs if old.word != entry.word},
        order={key: words for key, words in earlier.order.items() if key not in current.entries}
        | {key: tuple(each.word for each in entry.translations) for key, entry in ordered.items()},
    )


def _still(entries: Mapping[str, Entry], current: Lexicon) -> dict[str, Entry]:
    """Those of the translations of `entries` that the current lexicon has, with its strengths."""
    words = {key: {each.word for each in entry.translations} for key, entry in entries.items()}
    present = {key: current.entries[key] for key in entries if key in current.entries}
    return _with_those(present, lambda key, each: each.word in words[key])


def _joined(earlier: Mapping[str, Entry], later: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of both, and of those that both have the translations of both."""
    joined = dict(earlier)
    for key, entry in later.items():
        translations = {each.word: each for each in (*joined.get(key, entry).translations, *entry.translations)}
        joined[key] = Entry(entry.word, entry.count, tuple(translations.values()))
    return joined


def write_edits(edits: Edits, path: Path) -> None:
    """Write what was edited by hand, as JSON."""
    write_json(path, _EDITS.dump_python(edits, mode="json"))


def read_edits(path: Path) -> Edits:
    """Read what `write_edits` wrote.

    Raises:
        SwitchtuneError: it is not what that writes.
    """
    remedy = "Put back a copy, or remove it; then only the edits that the lexicon's file shows are known."
    return read_json(path, _EDITS, remedy=remedy)


def _with_those(entries: Mapping[str, Entry], chosen: Callable[[str, Translation], bool]) -> dict[str, Entry]:
    """The entries with their chosen translations, where there are any."""
    parts = {
        key: Entry(entry.word, entry.count, tuple(each for each in entry.translations if chosen(key, each)))
        for key, entry in entries.items()
    }
    return {key: entry for key, entry in parts.items() if entry.translations}


def apply_edits(edits: Edits, lexicon: Lexicon) -> Lexicon:
    """The lexicon, usually one that was built anew, with what was edited by hand in the one before.

    What the hand added, or gave another strength, is there with the hand's strength, whether it was found again or not;
    what the hand removed is not. All else is as it was found.
    """
    # The hand may have edited a lexicon of another measure; a probability above 1 could not be read again.
    most = 1.0 if lexicon.measure == "probability" else math.inf
    entries = {}
    for key in dict.fromkeys((*lexicon.entries, *edits.added_entries, *edits.added, *edits.changed)):
        entry = lexicon.entries.get(key)
        if key in edits.order or key in edits.recased:
            entry = _edited(edits, key, entry, most)
        if entry is not None and key not in edits.removed_entries:
            entries[key] = entry
    return replace(lexicon, entries=entries)


def _edited(edits: Edits, key: str, entry: Entry | None, most: float) -> Entry | None:
    """An entry, or None where nothing was found, as edited; None where no translation is left."""
    by_hand = [group[key] for group in (edits.added_entries, edits.added, edits.changed) if key in group]
    found = entry or (by_hand[0] if by_hand else None)
    if found is None:
        return None
    removed = edits.removed.get(key, frozenset())
    translations = {each.word: each for each in (entry.translations if entry else ()) if each.word not in removed}
    for each in (each for group in by_hand for each in group.translations):
        count = translations[each.word].count if each.word in translations else each.count
        translations[each.word] = Translation(each.word, min(each.strength, most), count)
    place = {word: number for number, word in enumerate(edits.order.get(key, ()))}
    in_order = sorted(translations.values(), key=lambda each: (-each.strength, place.get(each.word, len(place))))
    return Entry(edits.recased.get(key, found.word), found.count, tuple(in_order)) if in_order else None
