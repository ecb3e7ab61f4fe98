"""The embedded corpus: parallel sentences in English, German and Turkish out of a small synchronous grammar.

There are two domains, `news` and `kitchen`, which share a part of their words and of their patterns of sentences.
Words come with the frequencies of Zipf's law. What is said is composed here; `syntax` says how each language puts it,
`vocabulary` how its words inflect. Since every word that is written carries the lexeme that it realises, the
translations of the words follow from the grammar: `gold_lexicon`.

The corpus serves quickstarts and tests. It is no evidence for anything about real text.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, chain, islice
from typing import Final, Generic, TypeVar

import numpy as np

from switchtune.corpus.syntax import (
    AFTER,
    ALTHOUGH,
    BARE,
    BE,
    BECAUSE,
    BEFORE,
    CAN,
    EVERY,
    GENERIC,
    HE,
    INSTRUMENT,
    IT,
    MANY,
    MUST,
    MY,
    OUR,
    SHE,
    SHOULD,
    SOME,
    THE,
    THEM,
    THIS,
    UNTIL,
    WANT,
    WE,
    WHEN,
    YOU,
    A,
    Clause,
    Existence,
    I,
    Measure,
    Needs,
    Nominal,
    Phrase,
    Predicate,
    Pronoun,
    Sentence,
    Tokens,
    Utterance,
    is_definite,
    join,
    spell,
)
from switchtune.corpus.vocabulary import Adjective, Name, Noun, Verb, Word, vocabulary
from switchtune.errors import SwitchtuneError, nearest

DOMAINS: Final[tuple[str, ...]] = ("news", "kitchen")
LANGUAGES: Final[tuple[str, ...]] = ("en", "de", "tr")
SPLITS: Final[tuple[str, ...]] = ("train", "valid", "test")
DEFAULT_SIZES: Final = {"train": 4000, "valid": 200, "test": 400}
RESERVED_SIZES: Final = {"test": 1000, "valid": 500}
"""The held-out splits own this many sentences, however many of them are asked for: none is ever in a train split."""

_GOLD_SENTENCES: Final = 12_000
_MOST_WORDS: Final = 20
_FEWEST_WORDS: Final = {"en": 4, "de": 4, "tr": 3}

# ---------------------------------------------------------------------------------------------------- drawing of words

Item = TypeVar("Item")


class _Zipf(Generic[Item]):
    """Items to be drawn with frequencies by rank: 1 / (rank + 2), Zipf's law in Mandelbrot's form."""

    def __init__(self, items: Sequence[Item], ranks: Sequence[int] | None = None) -> None:
        self._items = tuple(items)
        self._cumulative = list(accumulate(1.0 / (rank + 2) for rank in ranks or range(len(items))))

    def at(self, share: float) -> Item:
        """The item at a share (0 ≤ share < 1) of the whole frequency."""
        return self._items[bisect_right(self._cumulative, share * self._cumulative[-1])]


class _Draw:
    """Draws words of a domain, and chances, from one stream of random numbers."""

    def __init__(self, domain: str, rng: np.random.Generator) -> None:
        self.news = domain == "news"
        self.share: Callable[[], float] = rng.random
        self._taken: set[object] = set()
        letter = domain[0]
        table = vocabulary()
        self._nouns = [noun for noun in table.nouns if letter in noun.domains]
        self._adjectives = [adjective for adjective in table.adjectives if letter in adjective.domains]
        verbs = [verb for verb in table.verbs if letter in verb.domains]
        self._verbs = {frame: _Zipf([v for v in verbs if v.frame == frame]) for frame in {v.frame for v in verbs}}
        self._passive_verbs = _Zipf([verb for verb in verbs if verb.frame == "act" and verb.plainly_transitive])
        names = [name for name in table.names if letter in name.domains]
        self._people = _Zipf([name for name in names if name.kind != "city"])
        self._cities = _Zipf([name for name in names if name.kind == "city"])
        words = [(part, word) for part, entries in table.words.items() for word in entries if letter in word.domains]
        kinds = {(part, kind) for part, word in words for kind in word.classes}
        self._words = {
            (part, kind): _Zipf([w for p, w in words if p == part and kind in w.classes]) for part, kind in kinds
        }
        self._nouns_of: dict[tuple[str, ...], _Zipf[Noun]] = {}
        self._adjectives_of: dict[tuple[tuple[str, ...], bool], _Zipf[Adjective] | None] = {}

    def new_sentence(self) -> None:
        self._taken.clear()

    def chance(self, probability: float) -> bool:
        return self.share() < probability

    def one_of(self, *choices: tuple[Item, float]) -> Item:
        """One of the items, by their probabilities, which sum to 1."""
        share = self.share()
        for item, probability in choices[:-1]:
            share -= probability
            if share < 0:
                return item
        return choices[-1][0]

    def _fresh(self, sampler: _Zipf[Item]) -> Item:
        """An item that the sentence does not have yet, if one comes up in a few draws."""
        for _ in range(5):
            item = sampler.at(self.share())
            if item not in self._taken:
                break
        self._taken.add(item)
        return item

    def noun(self, *classes: str) -> Noun:
        sampler = self._nouns_of.get(classes)
        if sampler is None:
            ranked = [
                pair for name in classes for pair in enumerate(noun for noun in self._nouns if name in noun.classes)
            ]
            sampler = _Zipf([noun for _, noun in ranked], [rank for rank, _ in ranked])
            self._nouns_of[classes] = sampler
        return self._fresh(sampler)

    def adjective(self, *classes: str, comparable: bool = False) -> Adjective | None:
        """An adjective that goes with nouns of one of the classes, if there is one."""
        key = classes, comparable
        if key not in self._adjectives_of:
            fitting = [
                adjective
                for adjective in self._adjectives
                if not set(adjective.classes).isdisjoint(classes)
                and not (comparable and "" in (adjective.english[1], adjective.german[2]))
            ]
            self._adjectives_of[key] = _Zipf(fitting) if fitting else None
        sampler = self._adjectives_of[key]
        return None if sampler is None else sampler.at(self.share())

    def verb(self, frame: str) -> Verb:
        return self._fresh(self._verbs[frame])

    def passive_verb(self) -> Verb:
        return self._fresh(self._passive_verbs)

    def person_name(self) -> Name:
        return self._fresh(self._people)

    def city(self) -> Name:
        return self._fresh(self._cities)

    def word(self, part: str, kind: str) -> Word | None:
        """A word that does not inflect, of a part of speech and a class, if there is one."""
        sampler = self._words.get((part, kind))
        return None if sampler is None else sampler.at(self.share())

    def numeral(self) -> Word:
        return self._words["numeral", "count"].at(self.share())


# ------------------------------------------------------------------------------------------------------------- phrases

_KIN: Final = frozenset(
    (
        "mother",
        "father",
        "grandmother",
        "grandfather",
        "sister",
        "brother",
        "uncle",
        "aunt",
        "friend",
        "neighbour",
        "family",
    )
)
_PLACES: Final = frozenset(("building", "area", "nation", "room"))
_OWNERS: Final = {
    "law": ("group", "official"),
    "matter": ("group", "official"),
    "official": ("group",),
    "staff": ("group",),
    "quantity": ("group",),
    "thing": ("person",),
    "thought": ("group", "person"),
    "vehicle": ("group", "person"),
}


def _phrase(draw: _Draw, *classes: str, indefinite: float = 0.2, owned: bool = False) -> Phrase:
    """A noun phrase of a class; `indefinite`: how often with `a` or without article; `owned`: it may have an owner."""
    if ("person" in classes or "official" in classes) and draw.chance(0.12):
        return Phrase(draw.person_name())
    noun = draw.noun(*classes)
    if "topic" in noun.classes or noun.usage.get("en") == "bare":
        return Phrase(noun, GENERIC)
    adjective = draw.adjective(*noun.classes) if draw.chance(0.24) else None
    if not noun.countable:
        return Phrase(noun, BARE if draw.chance(indefinite) else THE, adjective=adjective)
    if "small" in noun.classes:
        return Phrase(noun, BARE if draw.chance(indefinite) else THE, plural=True, adjective=adjective)
    if noun.english[0] in _KIN and draw.chance(0.75):
        return Phrase(noun, MY if draw.chance(0.7) else OUR, adjective=adjective)
    if draw.chance(indefinite):
        return Phrase(noun, A, adjective=adjective)
    determiner = draw.one_of((THE, 0.76), (THIS, 0.07), (BARE, 0.05), (MANY, 0.04), (SOME, 0.04), (EVERY, 0.04))
    if determiner is BARE:
        return Phrase(noun, BARE, plural=True, adjective=adjective, numeral=draw.numeral())
    plural = determiner in (MANY, SOME) or (determiner in (THE, THIS) and draw.chance(0.22))
    owner = None
    if owned and draw.news and determiner is THE and not plural and draw.chance(0.2):
        owner = _owner(draw, noun)
    return Phrase(noun, determiner, plural, adjective, owner=owner)


def _owner(draw: _Draw, noun: Noun) -> Phrase | None:
    classes = next((_OWNERS[name] for name in noun.classes if name in _OWNERS), None)
    return None if classes is None else _phrase(draw, *classes, indefinite=0.1)


def _related(draw: _Draw, phrase: Phrase) -> Phrase:
    """The phrase with a relative clause, where it can carry one and a fitting verb comes up."""
    head = phrase.head
    if isinstance(head, Name) or phrase.owner is not None or phrase.determiner not in (THE, A, THIS, MY):
        return phrase
    tense = "past" if draw.news else "perfect"
    verb = draw.verb("act" if draw.news or draw.chance(0.5) else "cook")
    if "person" in head.classes:
        if set(verb.subjects).isdisjoint(head.classes):
            return phrase
        return replace(phrase, relative=Clause(verb, tense=tense, object=_phrase(draw, *verb.objects)))
    if not verb.plainly_transitive or set(verb.objects).isdisjoint(head.classes):
        return phrase
    return replace(phrase, relative=Clause(verb, _phrase(draw, *verb.subjects), tense))


def _subject(draw: _Draw, verb: Verb) -> Nominal:
    if "person" in verb.subjects and draw.chance(0.1 if draw.news else 0.22):
        return draw.one_of((I, 0.4), (WE, 0.45), (YOU, 0.15))
    phrase = _phrase(draw, *verb.subjects, indefinite=0.12, owned=True)
    return _related(draw, phrase) if draw.chance(0.3) else phrase


def _object(draw: _Draw, verb: Verb) -> Phrase:
    phrase = _phrase(draw, *verb.objects, indefinite=0.25, owned=True)
    return _related(draw, phrase) if draw.chance(0.2) else phrase


def _ingredient(draw: _Draw, verb: Verb) -> Phrase:
    """What a request is about: mostly something that is there already."""
    noun = draw.noun(*verb.objects)
    adjective = draw.adjective(*noun.classes) if draw.chance(0.2) else None
    if not noun.countable:
        return Phrase(noun, THE if draw.chance(0.85) else BARE, adjective=adjective)
    if "small" in noun.classes:
        return Phrase(noun, THE, plural=True, adjective=adjective)
    kind = draw.one_of(("one", 0.42), ("several", 0.43), ("counted", 0.15))
    if kind == "counted":
        return Phrase(noun, BARE, plural=True, adjective=adjective, numeral=draw.numeral())
    return Phrase(noun, THE, plural=kind == "several", adjective=adjective)


def _place(draw: _Draw) -> Phrase:
    if draw.chance(0.3 if draw.news else 0.08):
        return Phrase(draw.city())
    return Phrase(draw.noun("building", "area", "room"))


def _is_place(phrase: Phrase) -> bool:
    return isinstance(phrase.head, Noun) and not _PLACES.isdisjoint(phrase.head.classes)


# ------------------------------------------------------------------------------------------------------------- clauses


def _tense(draw: _Draw) -> str:
    if draw.news:
        return draw.one_of(("past", 0.62), ("present", 0.16), ("future", 0.22))
    return draw.one_of(("perfect", 0.5), ("habit", 0.26), ("present", 0.1), ("future", 0.14))


def _timed(draw: _Draw, clause: Clause, probability: float) -> Clause:
    """The clause with a time; a habit always has one, or a frequency."""
    tense = "future" if clause.modal is not None else "past" if clause.tense == "perfect" else clause.tense
    if tense == "habit" and draw.chance(0.65):
        return replace(clause, frequency=draw.word("frequency", "habit"))
    if tense != "habit" and not draw.chance(probability):
        return clause
    # after a clause within the clause a time would seem to belong to that
    closed = clause.content is not None or (isinstance(clause.object, Phrase) and clause.object.relative is not None)
    return replace(clause, time=draw.word("time", tense), time_first=closed or draw.chance(0.4))


def _mannered(draw: _Draw, clause: Clause, probability: float) -> Clause:
    if clause.negated or not draw.chance(probability):
        return clause
    return replace(clause, manner=draw.word("manner", clause.verb.manner))


def _settled(draw: _Draw, clause: Clause) -> Clause:
    """The clause with a modal verb in place of the future, or negated, now and then."""
    subject = clause.subject
    if clause.tense == "future":
        can_want = not isinstance(subject, Phrase) or isinstance(subject.head, Name)
        if isinstance(subject, Phrase) and isinstance(subject.head, Noun):
            can_want = not {"person", "group"}.isdisjoint(subject.head.classes)
        if can_want and draw.chance(0.55):
            modal = draw.one_of((MUST, 0.3), (WANT, 0.35), (CAN, 0.2), (SHOULD, 0.15))
            return replace(clause, modal=modal, tense="present")
        return clause
    # with `many`, `every` or an indefinite phrase the languages would differ in what is negated
    open_subject = isinstance(subject, Phrase) and subject.determiner in (EVERY, MANY, A)
    open_object = clause.object is not None and not is_definite(clause.object)
    if clause.tense == "habit" or open_subject or open_object:
        return clause
    return replace(clause, negated=draw.chance(0.08))


def _act(draw: _Draw, tense: str, frame: str = "act") -> Clause:
    """Somebody does something to somebody or something, in few words."""
    verb = draw.verb(frame)
    subject = _phrase(draw, *verb.subjects, indefinite=0.1)
    return Clause(verb, subject, tense, object=_phrase(draw, *verb.objects))


def _rich_act(draw: _Draw, tense: str, frame: str = "act") -> Clause:
    """Like `_act`, perhaps with owners and relative clauses, a modal verb or a negation."""
    verb = draw.verb(frame)
    return _settled(draw, Clause(verb, _subject(draw, verb), tense, object=_object(draw, verb)))


def _happening(draw: _Draw, tense: str) -> Clause:
    """Somebody works or sleeps; something begins, ends or boils."""
    verb = draw.verb("rest" if draw.chance(0.5) else "happen" if draw.news else "boil")
    return Clause(verb, _phrase(draw, *verb.subjects, indefinite=0.08), tense)


def _being(draw: _Draw, tense: str, *classes: str) -> Clause:
    """Something is hot, too hot, or hotter than something."""
    while True:
        noun = draw.noun(*classes)
        adjective = draw.adjective(*noun.classes)
        if adjective is not None:
            break
    plural = noun.countable and ("small" in noun.classes or draw.chance(0.25))
    subject = Phrase(noun, THE if draw.chance(0.85) else THIS, plural)
    if noun.countable and draw.chance(0.22):
        comparable = draw.adjective(*noun.classes, comparable=True)
        other = draw.noun(noun.classes[0])
        if comparable is not None and other.countable and other is not noun:
            standard = Phrase(other, THE, plural="small" in other.classes)
            return Clause(BE, subject, tense, predicate=Predicate(comparable, "comparative", standard))
    degree = draw.one_of(("positive", 0.6), ("very", 0.25), ("too", 0.15))
    is_gradable = bool(adjective.german[2])
    return Clause(BE, subject, tense, predicate=Predicate(adjective, degree if is_gradable else "positive"))


def _short(draw: _Draw, tense: str) -> Clause:
    """A clause that is short enough to be subordinate."""
    kind = draw.one_of(("act", 0.45), ("being", 0.25), ("happening", 0.3))
    if kind == "act":
        return _act(draw, tense)
    if kind == "being":
        return _being(draw, tense, *(("law", "event") if draw.news else ("dish", "produce")))
    return _happening(draw, tense)


# -------------------------------------------------------------------------------------------- patterns of both domains


def _transitive(draw: _Draw) -> Sentence:
    clause = _timed(draw, _rich_act(draw, _tense(draw)), 0.5)
    thing = clause.object
    if isinstance(thing, Phrase) and thing.relative is None and clause.frequency is None:
        clause = _mannered(draw, clause, 0.2)
        if clause.manner is None and not clause.negated and not _is_place(thing) and draw.chance(0.22):
            clause = replace(clause, place=_place(draw))
    opener = draw.word("opener", "statement") if clause.time is None and draw.chance(0.14) else None
    return Utterance((clause,), opener)


def _giving(draw: _Draw) -> Sentence:
    verb = draw.verb("give")
    subject = _subject(draw, verb)
    thing = _phrase(draw, *verb.objects, indefinite=0.4)
    recipient = _phrase(draw, "person", indefinite=0.1)
    clause = Clause(verb, subject, _tense(draw), object=thing, recipient=recipient)
    return Utterance((_timed(draw, _settled(draw, clause), 0.4),))


def _motion(draw: _Draw) -> Sentence:
    verb = draw.verb("go")
    clause = Clause(verb, _subject(draw, verb), _tense(draw), goal=_place(draw))
    clause = _timed(draw, _settled(draw, clause), 0.45)
    if draw.chance(0.45):
        purpose = draw.verb("act")
        deliberate = "person" in purpose.subjects and purpose.manner != "none"
        if deliberate and not purpose.turkish_government[1]:
            return Utterance((replace(clause, purpose=Clause(purpose, object=_phrase(draw, *purpose.objects))),))
    return Utterance((_mannered(draw, clause, 0.3),))


def _resting(draw: _Draw) -> Sentence:
    clause = _mannered(draw, _timed(draw, _happening(draw, _tense(draw)), 0.5), 0.35)
    if clause.verb.frame != "boil" and draw.chance(0.5):
        clause = replace(clause, place=_place(draw))
    return Utterance((clause,))


def _description(draw: _Draw) -> Sentence:
    news_classes = ("law", "event", "building", "area", "person", "thing")
    classes = news_classes if draw.news else ("dish", "produce", "staple", "person")
    clause = _being(draw, "past" if draw.chance(0.5) else "present", *classes)
    plain = clause.predicate is not None and clause.predicate.degree == "positive"
    return Utterance((replace(clause, negated=plain and draw.chance(0.15)),))


def _existence(draw: _Draw) -> Sentence:
    if draw.news:
        noun = draw.noun("building", "event", "disaster", "person")
        place = Phrase(draw.city() if draw.chance(0.3) else draw.noun("area"))
    else:
        noun = draw.noun("staple", "produce", "dish", "thing")
        place = Phrase(draw.noun("area", "room") if draw.chance(0.35) else draw.noun("vessel"))
    adjective = draw.adjective(*noun.classes) if draw.chance(0.5) else None
    if not noun.countable:
        thing = Phrase(noun, BARE, adjective=adjective)
    elif "small" not in noun.classes and draw.chance(0.6):
        thing = Phrase(noun, A, adjective=adjective)
    else:
        thing = Phrase(noun, BARE, plural=True, adjective=adjective, numeral=draw.numeral())
    return Existence(thing, place, past=draw.chance(0.5))


def _reason(draw: _Draw) -> Sentence:
    tense = draw.one_of(("past" if draw.news else "perfect", 0.78), ("present", 0.22))
    main = replace(_rich_act(draw, tense), negated=False)
    subordinator = draw.one_of((BECAUSE, 0.45), (ALTHOUGH, 0.2), (WHEN, 0.35))
    if subordinator is not WHEN:
        subordinate = _short(draw, tense)
    elif draw.news and draw.chance(0.5):
        subordinate = _act(draw, tense)
    else:
        subordinate = _happening(draw, tense)
    return Utterance((main,), None, subordinator, subordinate, draw.chance(0.45))


def _report(draw: _Draw) -> Sentence:
    """Somebody says that something has happened or would happen."""
    verb = draw.verb("say")
    speaker = _phrase(draw, *verb.subjects, indefinite=0.12, owned=True)
    tense = "pluperfect" if draw.chance(0.6) else "would"
    content = _act(draw, tense) if draw.chance(0.75) else _happening(draw, tense)
    is_person = isinstance(speaker.head, Name) or "person" in speaker.head.classes
    gender = speaker.head.kind if isinstance(speaker.head, Name) else speaker.head.german.gender
    pronoun = {"m": HE, "f": SHE}.get(gender)
    refers = is_person and not speaker.plural and speaker.determiner is not EVERY
    if pronoun is not None and refers and "person" in content.verb.subjects and draw.chance(0.3):
        content = replace(content, subject=pronoun)
    clause = Clause(verb, speaker, "past" if draw.news else "perfect", content=content)
    return Utterance((_timed(draw, clause, 0.25),))


# ------------------------------------------------------------------------------------------------ patterns of the news


def _passive(draw: _Draw) -> Sentence:
    verb = draw.passive_verb()
    subject = _phrase(draw, *verb.objects, indefinite=0.15, owned=True)
    clause = Clause(verb, subject, draw.one_of(("past", 0.75), ("future", 0.25)), passive=True)
    kind = draw.one_of(("agent", 0.45), ("place", 0.2), ("neither", 0.35))
    if kind == "agent":
        clause = replace(clause, agent=_phrase(draw, *verb.subjects, indefinite=0.08))
    elif kind == "place" and not _is_place(subject):
        clause = replace(clause, place=_place(draw))
    return Utterance((_timed(draw, clause, 0.45),))


def _change(draw: _Draw) -> Sentence:
    verb = draw.verb("change")
    noun = draw.noun("quantity")
    bare = noun.usage.get("en") == "bare"
    subject = Phrase(noun, GENERIC if bare else THE, plural=noun.countable and draw.chance(0.5))
    clause = Clause(verb, subject, draw.one_of(("past", 0.75), ("future", 0.25)))
    by_percent = draw.chance(0.6)
    clause = replace(clause, percent=draw.numeral()) if by_percent else _mannered(draw, clause, 0.6)
    if draw.chance(0.4):
        clause = replace(clause, place=Phrase(draw.city()))
    return Utterance((_timed(draw, clause, 0.6),))


# --------------------------------------------------------------------------------------------- patterns of the kitchen


def _request(draw: _Draw) -> Clause:
    if draw.chance(0.22):
        verb = draw.verb("put")
        return Clause(verb, object=_ingredient(draw, verb), goal=Phrase(draw.noun(*verb.goals)))
    verb = draw.verb("cook")
    clause = Clause(verb, object=_ingredient(draw, verb))
    kind = draw.one_of(("negated", 0.1), ("manner", 0.25), ("tool", 0.18), ("place", 0.17), ("plain", 0.3))
    if kind == "negated" and clause.object is not None and is_definite(clause.object):
        return replace(clause, negated=True)
    if kind == "manner":
        return _mannered(draw, clause, 1.0)
    if kind == "tool" and verb.tools:
        return replace(clause, tool=Phrase(draw.noun(*verb.tools), INSTRUMENT if draw.chance(0.7) else THE))
    if kind == "place" and verb.places:
        return replace(clause, place=Phrase(draw.noun(*verb.places)))
    return clause


def _pronoun(thing: Phrase, head: Noun) -> Pronoun:
    return THEM if thing.plural else IT[head.german.gender]


def _second_request(draw: _Draw, first: Clause) -> Clause | None:
    """What comes after the first request: another one, or something else to do with the same thing."""
    thing = first.object
    if isinstance(thing, Phrase) and isinstance(thing.head, Noun) and draw.chance(0.45):
        verb = draw.verb("cook")
        if set(verb.objects).isdisjoint(thing.head.classes):
            return None
        return Clause(verb, object=_pronoun(thing, thing.head))
    second = _request(draw)
    return None if second.negated else second


def _command(draw: _Draw) -> Sentence:
    first = _request(draw)
    second = None if first.negated or draw.chance(0.6) else _second_request(draw, first)
    requests = (first,) if second is None else (first, second)
    opener = draw.word("opener", "command") if draw.chance(0.3) else None
    if second is not None or opener is not None or draw.chance(0.5):
        return Utterance(requests, opener)
    return _timed_command(draw, first)


def _timed_command(draw: _Draw, request: Clause) -> Utterance:
    """A request with its moment: until, when, before or after something."""
    subordinator = draw.one_of((BEFORE, 0.25), (AFTER, 0.3), (WHEN, 0.45))
    if request.verb.lasts and not request.negated and draw.chance(0.6):
        subordinator = UNTIL
    if subordinator in (UNTIL, WHEN):
        subordinate = _readiness(draw, request if subordinator is UNTIL else None)
    else:
        verb = draw.verb("cook")
        tense = "anterior" if subordinator is AFTER else "present"
        subordinate = Clause(verb, YOU, tense, object=_ingredient(draw, verb))
    first = subordinator is not UNTIL and draw.chance(0.55)
    return Utterance((request,), None, subordinator, subordinate, first)


def _readiness(draw: _Draw, request: Clause | None) -> Clause:
    """The water boils; the onions are soft; or what the request is about is soft."""
    state = draw.adjective("ready")
    assert state is not None, "the table has adjectives of the class `ready`"
    thing = None if request is None else request.object
    if isinstance(thing, Phrase) and isinstance(thing.head, Noun) and draw.chance(0.7):
        return Clause(BE, _pronoun(thing, thing.head), "present", predicate=Predicate(state))
    if draw.chance(0.6):
        verb = draw.verb("boil")
        noun = draw.noun(*verb.subjects)
        return Clause(verb, Phrase(noun, plural="small" in noun.classes), "present")
    noun = draw.noun("vegetable", "cooked", "cake")
    plural = noun.countable and ("small" in noun.classes or draw.chance(0.4))
    return Clause(BE, Phrase(noun, plural=plural), "present", predicate=Predicate(state))


def _permission(draw: _Draw) -> Sentence:
    modal = draw.one_of((CAN, 0.5), (MUST, 0.25), (SHOULD, 0.25))
    return Utterance((replace(_request(draw), subject=YOU, tense="present", modal=modal, negated=False),))


def _cooking(draw: _Draw) -> Sentence:
    clause = _timed(draw, _rich_act(draw, _tense(draw), "cook"), 0.45)
    if clause.negated or (isinstance(clause.object, Phrase) and clause.object.relative is not None):
        return Utterance((clause,))
    kind = draw.one_of(("place", 0.2), ("tool", 0.2), ("manner", 0.12), ("plain", 0.48))
    if kind == "place":
        clause = replace(clause, place=_place(draw))
    elif kind == "tool" and clause.verb.tools:
        clause = replace(clause, tool=Phrase(draw.noun(*clause.verb.tools), INSTRUMENT))
    elif kind == "manner":
        clause = _mannered(draw, clause, 1.0)
    return Utterance((clause,))


def _needs(draw: _Draw) -> Sentence:
    count = draw.one_of((1, 0.34), (2, 0.33), (3, 0.33))
    nouns = dict.fromkeys(draw.noun("staple", "produce") for _ in range(count))
    dish = None
    if draw.chance(0.6):
        noun = draw.noun("dish")
        dish = Phrase(noun, THE if draw.chance(0.7) else THIS, plural="small" in noun.classes)
    return Needs(dish, tuple(_measure(draw, noun) for noun in nouns))


def _measure(draw: _Draw, noun: Noun) -> Measure:
    if noun.countable:
        return Measure(Phrase(noun, BARE, plural=True, numeral=draw.numeral()))
    if draw.chance(0.25):
        return Measure(Phrase(noun, BARE))
    kind = next((name for name in ("liquid", "powder") if name in noun.classes), "solid")
    unit = draw.word("unit", kind)
    assert unit is not None, "the table has units of the three kinds"
    grams = unit.english[0][0] == "gram"
    return Measure(Phrase(noun, BARE), 50 * (1 + int(draw.share() * 12)) if grams else draw.numeral(), unit)


_Pattern = Callable[[_Draw], Sentence]

_PATTERNS: Final[dict[str, tuple[tuple[_Pattern, float], ...]]] = {
    "news": (
        (_transitive, 0.29),
        (_report, 0.16),
        (_passive, 0.13),
        (_reason, 0.12),
        (_change, 0.08),
        (_motion, 0.06),
        (_giving, 0.05),
        (_resting, 0.04),
        (_description, 0.04),
        (_existence, 0.03),
    ),
    "kitchen": (
        (_command, 0.32),
        (_cooking, 0.14),
        (_transitive, 0.12),
        (_description, 0.09),
        (_permission, 0.07),
        (_needs, 0.07),
        (_reason, 0.06),
        (_existence, 0.04),
        (_giving, 0.03),
        (_motion, 0.02),
        (_resting, 0.02),
        (_report, 0.02),
    ),
}

# -------------------------------------------------------------------------------------------------------------- corpus


@dataclass(frozen=True, slots=True)
class _Row:
    """A sentence in the languages of LANGUAGES: its words with their lexemes, and its text."""

    tokens: tuple[Tokens, ...]
    texts: tuple[str, ...]


def _stream(domain: str, split: str, excluded: frozenset[str]) -> Iterator[_Row]:
    """Sentences without end, of which none, in any language, is in `excluded` or comes twice."""
    seed = np.random.SeedSequence([DOMAINS.index(domain), SPLITS.index(split)])
    draw = _Draw(domain, np.random.Generator(np.random.PCG64(seed)))
    seen: set[str] = set()
    while True:
        draw.new_sentence()
        sentence = draw.one_of(*_PATTERNS[domain])(draw)
        tokens = tuple(spell(sentence, language) for language in LANGUAGES)
        texts = tuple(join(words) for words in tokens)
        lengths = (text.count(" ") + 1 for text in texts)
        if not all(_FEWEST_WORDS[la] <= n <= _MOST_WORDS for la, n in zip(LANGUAGES, lengths, strict=True)):
            continue
        if any(text in seen or text in excluded for text in texts):
            continue
        seen.update(texts)
        yield _Row(tokens, texts)


@lru_cache(maxsize=1)
def _held_out() -> dict[tuple[str, str], tuple[_Row, ...]]:
    """Domain and split → its rows; no sentence is in two of them."""
    rows: dict[tuple[str, str], tuple[_Row, ...]] = {}
    for domain in DOMAINS:
        for split, size in RESERVED_SIZES.items():
            rows[domain, split] = tuple(islice(_stream(domain, split, _texts(rows)), size))
    return rows


def _texts(rows: dict[tuple[str, str], tuple[_Row, ...]]) -> frozenset[str]:
    return frozenset(text for row in chain(*rows.values()) for text in row.texts)


def _rows(domain: str, split: str, count: int) -> Sequence[_Row]:
    held_out = _held_out()
    if split in RESERVED_SIZES:
        return held_out[domain, split][:count]
    return list(islice(_stream(domain, split, _texts(held_out)), count))


def _known(name: str, names: Sequence[str], what: str) -> str:
    if name not in names:
        there_are = ", ".join(names)
        raise SwitchtuneError(
            f"the embedded corpus has no {what} {name!r} (it has {there_are}): {nearest(name, names)}"
        )
    return name


def embedded_sentences(
    domain: str, split: str, languages: Sequence[str], count: int | None = None
) -> list[tuple[str, ...]]:
    """Parallel sentences of the embedded corpus: `count` rows, aligned over `languages`.

    The rows are the same in every process, and fewer rows are the first of more. No sentence of a valid or test split
    is in a train split, and none comes twice in a split, in any language and whatever the counts. `count` None means
    4000 rows of train, 200 of valid, 400 of test; train has as many as one likes, valid 500 at most, test 1000.

    Raises:
        SwitchtuneError: unknown domain, split or language (the nearest is named), or more rows than the split has.
    """
    _known(domain, DOMAINS, "domain")
    _known(split, SPLITS, "split")
    columns = [LANGUAGES.index(_known(language, LANGUAGES, "language")) for language in languages]
    wanted = DEFAULT_SIZES[split] if count is None else count
    most = RESERVED_SIZES.get(split)
    if wanted < 0 or (most is not None and wanted > most):
        expected = f"between 0 and {most}" if most is not None else "0 or more"
        raise SwitchtuneError(f"embedded:{domain}:{split}: {wanted} sentences were asked for; ask for {expected}")
    return [tuple(row.texts[column] for column in columns) for row in _rows(domain, split, wanted)]


# -------------------------------------------------------------------------------------------------------- gold lexicon


def _words_by_lexeme(tokens: Tokens) -> dict[object, str]:
    """Lexeme → the word that realises it in the sentence; a lexeme that several words realise is left out."""
    words: dict[object, str] = {}
    in_several: set[object] = set()
    for text, lexeme in tokens:
        if lexeme in words or " " in text:
            in_several.add(lexeme)
        words[lexeme] = text.lower()
    return {lexeme: word for lexeme, word in words.items() if lexeme is not None and lexeme not in in_several}


@lru_cache(maxsize=2)
def _realisations(domain: str) -> tuple[tuple[dict[object, str], ...], ...]:
    rows = chain(*(_rows(domain, split, size) for split, size in {**RESERVED_SIZES, "train": _GOLD_SENTENCES}.items()))
    return tuple(tuple(_words_by_lexeme(tokens) for tokens in row.tokens) for row in rows)


def gold_lexicon(source_language: str, target_language: str, domain: str | None = None) -> dict[str, frozenset[str]]:
    """Lowercased word of the source language → the lowercased words that translate it in the embedded corpus.

    Two words translate each other if they realise the same lexeme in a sentence and its translation, each as a single
    word. That is recorded over the held-out splits and the first 12,000 sentences of train, of one domain or (None)
    of both. So inflected forms have entries of their own, and Turkish ones come with their endings: house → ev, evi,
    evde. Turkish verbs that are negated by their ending are left out. A word is written as `str.lower` makes it of
    the word in the sentence.

    Raises:
        SwitchtuneError: unknown language or domain.
    """
    source = LANGUAGES.index(_known(source_language, LANGUAGES, "language"))
    target = LANGUAGES.index(_known(target_language, LANGUAGES, "language"))
    translations: dict[str, set[str]] = {}
    for name in DOMAINS if domain is None else (_known(domain, DOMAINS, "domain"),):
        for words in _realisations(name):
            for lexeme, word in words[source].items():
                if lexeme in words[target]:
                    translations.setdefault(word, set()).add(words[target][lexeme])
    return {word: frozenset(translations[word]) for word in sorted(translations)}
