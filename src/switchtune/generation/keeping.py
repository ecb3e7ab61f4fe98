"""What a translation is to keep: the terms of a glossary, and what is copied (placeholders, tags, addresses, numbers).

Terms are put into the source, and a model that was trained so keeps and inflects them; how many it kept is counted.
Where a term stands in no form in a translation, that can be made again with the sentence's terms as constraints. What
is copied is guaranteed: a translation that has lost or changed some of it is replaced by the translations of the parts
between, with what is copied unchanged in its place.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

from switchtune.config.switching import TermSettings
from switchtune.corpus.tags import differences, kept_pattern, spaced_like, without_kept
from switchtune.errors import UsageError
from switchtune.files import fingerprint, read_json, write_json
from switchtune.generation.constraints import Forms
from switchtune.lexicon.glossary import read_glossary
from switchtune.models.files import TERMS_NOTE
from switchtune.models.layout import Layout
from switchtune.switching.terms import GlossaryTerms

_LONGEST_NAMED = 60
_LEAST_REVERSED = 3
"""Terms of which the translations stand in a text, at least, for the glossary to be taken for one of the way back."""

Tell: TypeAlias = Callable[[str], None]
Translate: TypeAlias = Callable[[Sequence[str]], list[str]]
Constrained: TypeAlias = Callable[[Sequence[str], Sequence[Sequence[Forms]]], list[str]]
"""Translates sources that are not blank so that each translation holds some phrases: `translate` with `constraints`."""


def write_terms_note(folder: Path, settings: TermSettings) -> None:
    """Have a model's folder say how terms were put into its sources."""
    write_json(folder / TERMS_NOTE, settings.model_dump(mode="json"))


def term_settings_of(model: str) -> TermSettings | None:
    """How terms were put into the sources of a model when it was trained; None where it was trained without."""
    note = Path(model) / TERMS_NOTE
    if not note.exists():
        return None
    return TermSettings.model_validate(read_json(note, remedy="Copy it from where the model came from."))


def keeper(
    model: str, languages: tuple[str, str], glossary: str | None, kinds: Collection[str] = (), *, tell: Tell
) -> "Keeper | None":
    """What is to be kept in the translations of a model, by a glossary's file; None where nothing is.

    `tell` hears it where the model was not trained with terms. Raises as `read_glossary` does.
    """
    pattern, terms = kept_pattern(kinds) if kinds else None, None
    if glossary is not None:
        settings = term_settings_of(model)
        if settings is None:
            tell(
                f"{model}: was not trained with terms (terms: 0.3 in the configuration of a run): it may translate or "
                "lose those that are put into the text. --constrained sees to it that they are in the translations."
            )
        terms = GlossaryTerms(read_glossary(glossary, languages), settings.mark if settings else "")
    return Keeper(terms, pattern) if terms or pattern else None


@dataclass
class Keeper:
    """Translates texts so that they keep what they are to keep, and counts what was found and what was kept."""

    terms: GlossaryTerms | None = None
    pattern: re.Pattern[str] | None = None
    """What is copied."""
    counts: Counter[str] = field(default_factory=Counter)
    _found: set[int] = field(default_factory=set)
    _of_translations: set[int] = field(default_factory=set)
    """Terms whose translation stands in the source text, as it does where the glossary is of the way back."""

    def translated(
        self, texts: Sequence[str], translate: Translate, constrained: Constrained | None = None
    ) -> list[str]:
        """Translations of texts, which `translate` makes of as many sources.

        Args:
            constrained: makes those again in which a term stands in no form; with None they stay.

        Raises:
            UsageError: the glossary fits the texts when it is reversed, and hardly as it is.
        """
        if self.terms is None:
            return self._copied(texts, translate)
        sources, found = list[str](), list[list[int]]()
        wanted = dict[str, list[tuple[int, Forms]]]()
        for text in texts:
            source, terms = self.terms.put_in(text)
            words = self.terms.finder.segmenter.split(text)
            sources.append(source)
            found.append([each.term for each in terms])
            wanted[source] = self.terms.wanted(text) if constrained else []
            self._of_translations.update(each.term for each in self.terms.target_finder.find(words))
        self._found.update(number for numbers in found for number in numbers)
        self._require_direction()
        search = translate if constrained is None else partial(self._with_all_terms, wanted, translate, constrained)
        outputs = self._copied(sources, search)
        for output, numbers in zip(outputs, found, strict=True):
            self._count(output, numbers)
        return outputs

    def _with_all_terms(
        self,
        wanted: Mapping[str, Sequence[tuple[int, Forms]]],
        translate: Translate,
        constrained: Constrained,
        sources: Sequence[str],
    ) -> list[str]:
        """Translations of sources, or of parts of them, made again where they lack terms.

        `wanted` are the terms of whole sources; those of a part are the ones that stand in it.
        """
        assert self.terms is not None
        of_all = {number: forms for of_source in wanted.values() for number, forms in of_source}
        finder, outputs = self.terms.target_finder, translate(sources)
        terms = list[Sequence[tuple[int, Forms]]]()
        for source in sources:
            in_part = () if source in wanted else finder.find(finder.segmenter.split(source))
            found = [(each.term, of_all[each.term]) for each in in_part if each.term in of_all]
            terms.append(wanted.get(source, found))
        lacks = [self.terms.lacking(*pair) for pair in zip(outputs, terms, strict=True)]
        if not any(lacks):
            return outputs
        self.counts["searched again"] += sum(map(bool, lacks))
        # A blank one is not searched, and the others are named by the numbers of their lines.
        lacking = [source if lacks_some else "" for source, lacks_some in zip(sources, lacks, strict=True)]
        again = constrained(lacking, [[forms for _, forms in of_source] for of_source in terms])
        return [
            other if lost and self.terms.lacking(other, of_source) < lost else output
            for output, other, of_source, lost in zip(outputs, again, terms, lacks, strict=True)
        ]

    def _require_direction(self) -> None:
        assert self.terms is not None
        if len(self._of_translations) >= max(_LEAST_REVERSED, 3 * len(self._found) + 1):
            glossary = self.terms.glossary
            raise UsageError(
                f"{glossary.origin}: the wrong way round? Its terms in the source language stand in the text "
                f"{len(self._found):,} times, those in the target language {len(self._of_translations):,} times (each "
                f"counted once). A glossary from {' to '.join(glossary.languages)} is expected: exchange its columns."
            )

    def _count(self, output: str, numbers: Sequence[int]) -> None:
        assert self.terms is not None
        finder = self.terms.target_finder
        words = finder.segmenter.split(output) if numbers else None
        lost = 0
        for number, times in Counter(numbers).items():
            assert words is not None
            exact, forms = finder.count(words, number)
            self.counts["put in"] += times
            self.counts["kept"] += min(times, forms)
            self.counts["kept as they are"] += min(times, exact)
            lost += max(0, times - forms)
        self.counts["sentences that lack some"] += lost > 0

    def _copied(self, sources: Sequence[str], translate: Translate) -> list[str]:
        outputs = translate(sources)
        if self.pattern is None:
            return outputs
        pattern, repaired = self.pattern, dict[int, list[str]]()
        for number, (source, output) in enumerate(zip(sources, outputs, strict=True)):
            self.counts["copied"] += len(pattern.findall(source))
            if any(differences(source, output, pattern)):
                repaired[number] = pattern.split(source)
        parts = [part for number in repaired for part in repaired[number] if _has_letters(part)]
        translations = iter(translate(parts) if parts else ())
        for number, between in repaired.items():
            told = [spaced_like(part, next(translations)) if _has_letters(part) else part for part in between]
            outputs[number] = self._put_together(sources[number], told)
        return outputs

    def _put_together(self, source: str, between: Sequence[str]) -> str:
        """Translations of the parts of a source with what is copied between them; the source where even that fails."""
        assert self.pattern is not None
        copied = [*self.pattern.findall(source), ""]
        parts = [without_kept(part, self.pattern) for part in between]
        for space in ("", " "):  # what is copied may run into a word beside it
            text = "".join(part + space + each + space for part, each in zip(parts, copied, strict=True)).strip(space)
            if not any(differences(source, text, self.pattern)):
                self.counts["in parts"] += 1
                return text
        self.counts["left as they are"] += 1
        return source

    def notes(self) -> list[str]:
        """What people are to know when all is translated."""
        notes = list[str]()
        if self.terms is not None:
            glossary, counts = self.terms.glossary, self.counts
            notes.append(
                f"{glossary.origin}: {len(self._found):,} of {len(glossary):,} terms were found in the text, "
                f"{counts['put in']:,} times; {counts['kept']:,} of these stand in the translations, "
                f"{counts['kept as they are']:,} of them just as in the glossary"
            )
            if again := counts["searched again"]:
                notes.append(
                    f"{glossary.origin}: translations that lacked a term and were searched again with the terms as "
                    f"constraints: {again:,}; sentences that lack one all the same: "
                    f"{counts['sentences that lack some']:,}"
                )
            if lost := len(self.terms.finder.unfindable):
                notes.append(f"{glossary.origin}: {lost:,} terms have no word, and were not looked for")
            if len(self._of_translations) > len(self._found):
                notes.append(
                    f"{glossary.origin}: its translations stand in the text more often than its terms. Is it from "
                    f"{' to '.join(glossary.languages)}?"
                )
        if self.pattern is not None:
            notes.append(
                f"kept unchanged: {self.counts['copied']:,}; sentences of which the parts between were translated, "
                f"since the translation had lost or changed some: {self.counts['in parts']:,}"
            )
            if left := self.counts["left as they are"]:
                notes.append(f"sentences left in the source language, since no translation kept all of it: {left:,}")
        return notes

    @property
    def fingerprint(self) -> str:
        """The same for what keeps the same."""
        terms = [self.terms.glossary.terms, self.terms.mark] if self.terms else None
        return fingerprint([terms, self.pattern.pattern if self.pattern else None])


def _has_letters(part: str) -> bool:
    return any(map(str.isalpha, part))


def require_fitting_terms(terms: GlossaryTerms, layout: Layout) -> None:
    """Refuse a glossary of which a term is longer than a sentence of the model may be.

    Raises:
        UsageError: the message names the first.
    """
    languages, positions = terms.glossary.languages, layout.positions
    if positions is None:
        return
    for term in terms.glossary.terms:
        for text in term:
            if len(text.encode()) <= positions // 2:
                continue
            (ids,) = layout.batch_encode_source([text], *languages)
            if len(ids) > positions:
                raise UsageError(
                    f"{terms.glossary.origin}: the term {text[:_LONGEST_NAMED]!r}… has {len(ids):,} pieces, and a "
                    f"sentence of the model has {positions:,} at most. Take it out of the glossary, or shorten it."
                )
