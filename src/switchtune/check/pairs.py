"""Pairs that are no translations, one by one: blank, copied, of odd lengths, exchanged, in another language."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from switchtune.check.characters import letters_in
from switchtune.check.records import NO_PLACES, Problem, RawCorpus, percent, warning_from
from switchtune.corpus.identify import evidence, label_of
from switchtune.corpus.seen import hash_of
from switchtune.corpus.similar import HASHES, NEAR, as_compared, earlier_likenesses, signatures, similarity
from switchtune.languages import find_language
from switchtune.scoring.in_language import rivals

_ODD_LENGTH, _SHORT = 3.0, 15
"""How many times longer than usual beside its pair a side is where lengths are odd; shorter sides may be anything."""
_TEMPLATE = 20
"""Pairs that differ in their numbers alone, from which they are a template."""
_OTHER, _OTHER_SIDE, _LEAST_LETTERS = 3.0, 2.0, 20
"""Evidence (see `evidence`) for another language, and for that of the other side, from which a line of so many letters
counts as being in it. Of 28,995 captions, 67,600 short sentences of Tatoeba and 52,532 of Europarl hardly one is so
by mistake, and what is found is Irish in Italian or untranslated English."""
_MOSTLY, _CLEARLY, _HARDLY, _ENOUGH = 0.5, 0.25, 0.1, 20
"""A side is in another language as a whole where so few of its lines are in its own and so many clearly in another:
of Bosnian, say, most may as well be Croatian. Fewer lines that tell their language say nothing about the whole."""


def blank_pairs(raw: RawCorpus) -> Iterator[Problem]:
    blank = [
        start + row
        for start, sources, targets in raw.groups()
        for row, (source, target) in enumerate(zip(sources, targets, strict=True))
        if not (source and target)
    ]
    if not blank:
        return
    found = f"Pairs with a blank side: {percent(len(blank), len(raw))}."
    if raw.corpus == "test":
        advice = (
            "They stay in their places: a blank source has a blank output, and scores count it. Take both lines out if "
            "the other side is lost too."
        )
        yield raw.problem("blank", "warning", blank, (found, advice))
    else:
        advice = "They are left out. If there should be text, look for it in the file that these were made from."
        yield raw.problem("blank", warning_from(0.01, len(blank), len(raw)), blank, (found, advice), leave_out=True)


def copies(raw: RawCorpus) -> Iterator[Problem]:
    """Pairs whose target is the source, but for case and punctuation; names and numbers alone may be."""
    copied, words = list[int](), 0
    for start, sources, targets in raw.groups():
        for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
            if (
                source
                and len(source) <= 2 * len(target)
                and len(target) <= 2 * len(source)
                and (said := as_compared(source)) == as_compared(target)
                and any(map(str.isalpha, said))
            ):
                copied.append(start + row)
                words += " " in said
    if copied:
        found = (
            f"Pairs whose target is a copy of the source: {percent(len(copied), len(raw))}, {words:,} of them of "
            "several words."
        )
        advice = "Names may be copied; who trains on copied text learns to leave text untranslated. Leave it out."
        yield raw.problem("copy", warning_from(0.01, len(copied), len(raw)), copied, (found, advice), leave_out=True)


def odd_lengths(raw: RawCorpus) -> Iterator[Problem]:
    lengths = np.stack([_lengths(raw, side) for side in (0, 1)])
    there = lengths.min(axis=0) > 0
    if there.sum() < 20:
        return
    ratio = np.log(np.maximum(lengths[0], 1))
    ratio -= np.log(np.maximum(lengths[1], 1))
    usual = float(np.median(ratio[there]))
    odd = np.flatnonzero(there & (np.abs(ratio - usual) > np.log(_ODD_LENGTH)) & (lengths.max(axis=0) >= _SHORT))
    if len(odd):
        severity = warning_from(0.005, len(odd), len(raw))
        found = (
            f"Pairs with a side over {_ODD_LENGTH:.0f} times as long as usual beside the other: "
            f"{percent(len(odd), len(raw))} (usually {np.exp(usual):.2f} characters of {raw.languages[0].name} for one "
            f"of {raw.languages[1].name})."
        )
        advice = "Part of them is not translated, or they are no pairs: leave them out."
        yield raw.problem("length", severity, odd, (found, advice), leave_out=True)


def _lengths(raw: RawCorpus, side: int) -> NDArray[np.float32]:
    return np.concatenate([np.array([*map(len, texts)], np.float32) for _, texts in raw.side(side)])


def repetitions(raw: RawCorpus) -> Iterator[Problem]:
    """Pairs that stood before, exactly or nearly, and templates."""
    with tempfile.TemporaryFile() as file:
        # The signatures are by far the most that is kept of a pair: on disk, not in memory.
        signed = np.memmap(file, np.uint16, "w+", shape=(len(raw), HASHES)) if raw.corpus == "train" else None
        yield from _repetitions(raw, signed)


def _repetitions(raw: RawCorpus, signed: NDArray[np.uint16] | None) -> Iterator[Problem]:
    whole, masked = np.empty(len(raw), np.uint64), np.empty(len(raw), np.uint64)
    for start, sources, targets in raw.groups():
        texts = [
            f"{as_compared(source)} ⟷ {as_compared(target)}" for source, target in zip(sources, targets, strict=True)
        ]
        here, pairs = slice(start, start + len(texts)), zip(sources, targets, strict=True)
        if signed is not None:
            signed[here] = signatures(texts)
        whole[here] = [hash_of(f"{source}\t{target}") for source, target in pairs]
        masked[here] = [hash_of(text.translate(_DIGITS)) for text in texts]
    again = np.flatnonzero(~_first(whole))
    del whole
    if raw.corpus == "test":
        if len(again) >= 0.01 * len(raw):
            found = f"Pairs that stood in the test set before: {percent(len(again), len(raw))}."
            yield raw.problem("repeated", "note", again, (found, "Each counts anew in the scores."))
        return
    if len(again):
        found = f"Pairs that stood in the file before: {percent(len(again), len(raw))}."
        advice = "They are left out when the file is read; nothing is to be done."
        yield raw.problem("repeated", "note", again, (found, advice), leave_out=True)
    if signed is not None:
        yield from _near_repetitions(raw, signed, again)
        yield from _templates(raw, masked, again)


def _first(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where a value stands for the first time; with little beside the order, as there may be millions."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.ones(len(values), bool)
    first[order[1:][ordered[1:] == ordered[:-1]]] = False
    return first


_DIGITS = {ord(digit): "0" for digit in "123456789"}


def _near_repetitions(raw: RawCorpus, signed: NDArray[np.uint16], again: NDArray[np.int64]) -> Iterator[Problem]:
    earlier = earlier_likenesses(signed)
    earlier[again] = -1
    near = [
        row
        for row in np.flatnonzero(earlier >= 0).tolist()
        if all(
            similarity(*(as_compared(raw.text(each, side)) for each in (row, int(earlier[row])))) >= NEAR
            for side in (0, 1)
        )
    ]
    if near:
        severity = warning_from(0.1, len(near), len(raw))
        found = (
            f"Near duplicates of an earlier pair: {percent(len(near), len(raw))}; both sides have {NEAR:.0%} or more "
            "of their n-grams in common with it."
        )
        advice = "They teach little that is new, and count as much as others: leave them out where they are many."
        yield raw.problem("near-repeated", severity, near, (found, advice), leave_out=True)


def _templates(raw: RawCorpus, masked: NDArray[np.uint64], again: NDArray[np.int64]) -> Iterator[Problem]:
    kept = np.ones(len(raw), bool)
    kept[again] = False
    ordered = np.sort(masked[kept])
    templates = np.unique(ordered[_TEMPLATE - 1 :][ordered[_TEMPLATE - 1 :] == ordered[: 1 - _TEMPLATE]])
    rows = np.flatnonzero(kept & np.isin(masked, templates)) if len(templates) else NO_PLACES
    if len(rows):
        severity = warning_from(0.02, len(rows), len(raw))
        found = (
            f"Pairs of templates, of which {_TEMPLATE} or more differ in their numbers alone: "
            f"{percent(len(rows), len(raw))}; templates: {len(templates):,}."
        )
        advice = "Keep a few of each."
        yield raw.problem("template", severity, rows, (found, advice))


@dataclass
class _Found:
    """What the lines of one side are in."""

    told: int = 0
    own: int = 0
    by_label: dict[str, int] = field(default_factory=dict)
    other: list[int] = field(default_factory=list)
    other_side: list[int] = field(default_factory=list)

    @property
    def as_a_whole(self) -> bool:
        """Whether the side is in another language throughout."""
        clear = len(self.other) + len(self.other_side)
        return self.told >= _ENOUGH and self.own < _MOSTLY * self.told and clear >= _CLEARLY * self.told


def languages(raw: RawCorpus) -> Iterator[Problem]:
    """Sides in another language, as a whole or in some lines, and pairs whose sides are exchanged."""
    found = [_identified(raw, side) for side in (0, 1)]
    exchanged = np.intersect1d(found[0].other_side, found[1].other_side)
    if len(exchanged) >= max(_ENOUGH, _MOSTLY * found[0].told, _MOSTLY * found[1].told):
        said = (
            f"The sides are exchanged: pairs with {raw.languages[1].name} for {raw.languages[0].name} and the other "
            f"way round: {percent(len(exchanged), len(raw))}.",
            "Give the two files, or columns, in the other order.",
        )
        yield raw.problem("exchanged", "error", exchanged, said)
        return
    if len(exchanged):
        said = (
            f"Pairs whose sides are exchanged: {percent(len(exchanged), len(raw))}.",
            "Leave them out, or exchange them.",
        )
        yield raw.problem("exchanged", "warning", exchanged, said, leave_out=True)
    for side, each in enumerate(found):
        yield from _wrong_side(raw, side, each, exchanged, as_a_whole=each.as_a_whole)


def _wrong_side(
    raw: RawCorpus, side: int, found: _Found, exchanged: NDArray[np.int64], *, as_a_whole: bool
) -> Iterator[Problem]:
    name = raw.languages[side].name
    if as_a_whole:
        label = max(found.by_label, key=lambda each: found.by_label[each])
        said = (
            f"This is not {name}: of {found.told:,} lines that tell their language, in it are "
            f"{percent(found.own, found.told)}, in {_named(label)} {percent(found.by_label[label], found.told)}.",
            "Give the right file, or name the language that it is in.",
        )
        # Otherwise it may be a relative that the identifier mixes up, or a script that it does not expect.
        certain = label_of(raw.languages[side].code) and found.own < _HARDLY * found.told
        yield raw.problem("language", "error" if certain else "warning", found.other, said, side)
        return
    rows = np.setdiff1d(np.union1d(found.other, found.other_side), exchanged)
    if len(rows):
        labels = sorted(found.by_label.items(), key=lambda each: -each[1])[:4]
        listed = ", ".join(f"{_named(label)} {count:,}" for label, count in labels if count)
        said = (
            f"Lines that are not in {name}: {percent(len(rows), len(raw))}" + (f"; {listed}." if listed else "."),
            "What is not translated, or in a third language, is better left out.",
        )
        severity = warning_from(0.005, len(rows), len(raw))
        yield raw.problem("language", severity, rows, said, side, leave_out=True)


def _named(label: str) -> str:
    return label if label == _OTHER_SCRIPT else find_language(label).name


_OTHER_SCRIPT = "another script"


def _identified(raw: RawCorpus, side: int) -> _Found:
    language, other = raw.languages[side], raw.languages[1 - side]
    own, theirs, found = label_of(language.code), label_of(other.code), _Found()
    labels = sorted({*rivals(language), own, *([theirs] if theirs else [])}) if own else []
    for start, texts in raw.side(side):
        letters, right = letters_in(texts, language.script)
        # Where words have no spaces between them, a character says as much as several letters of a foreign name.
        weight = 1 if language.spaced else 5
        foreign = (letters >= _LEAST_LETTERS // 2) & (weight * right < letters - right)
        tell = np.flatnonzero(letters >= (_LEAST_LETTERS if language.spaced else _LEAST_LETTERS // 4))
        scores = evidence([texts[row] for row in tell], labels) if labels and len(tell) else None
        found.told += len(tell)
        if scores is None or own is None:
            found.own += int((~foreign[tell]).sum())
            rest = np.flatnonzero(foreign)
        else:
            mine = scores[:, labels.index(own)]
            best = scores.argmax(axis=1)
            apart = scores.max(axis=1) - mine
            found.own += int(((apart == 0) & ~foreign[tell]).sum())
            theirs_more = np.zeros(len(tell), bool)
            if theirs and theirs != own:
                theirs_more = (scores[:, labels.index(theirs)] - mine > _OTHER_SIDE) & (best == labels.index(theirs))
                found.other_side += (start + tell[theirs_more]).tolist()
            in_other = (apart > _OTHER) & ~theirs_more
            found.other += (start + tell[in_other]).tolist()
            for place in best[in_other | theirs_more]:
                found.by_label[labels[place]] = found.by_label.get(labels[place], 0) + 1
            rest = np.setdiff1d(np.flatnonzero(foreign), tell[in_other | theirs_more])
        found.other += (start + rest).tolist()
        found.by_label[_OTHER_SCRIPT] = found.by_label.get(_OTHER_SCRIPT, 0) + len(rest)
    found.other.sort()
    return found
