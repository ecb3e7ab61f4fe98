"""Sentences of the embedded corpus as abstract clauses, and how English, German and Turkish spell them out.

A sentence is composed once, of clauses and phrases over the lexemes of the vocabulary; `spell` writes it in a
language by that language's rules: English as it is; German with case, gender, adjective endings and the verb in
second place or at the end; Turkish verb-final, with case endings by vowel harmony, no article but `bir`, no personal
pronouns, and participles for relative and subordinate clauses. Every word that is written carries the lexeme that it
realises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from switchtune.corpus.vocabulary import (
    GERMAN_ADJECTIVE_ENDINGS,
    GERMAN_ARTICLES,
    GERMAN_DER_ENDINGS,
    GERMAN_EIN_ENDINGS,
    Adjective,
    Name,
    Noun,
    Pieces,
    TurkishVerb,
    Verb,
    Word,
    english_article,
    english_plural,
    english_third_person,
    german_noun,
    german_present,
    german_preterite,
    parse_german_verb,
    parse_turkish_verb,
    turkish_attach,
    turkish_finite,
    turkish_negative,
    turkish_nominal,
    turkish_nonfinite,
    turkish_noun,
    turkish_passive,
)

Token = tuple[str, object]
"""A word as it is written, and the lexeme that it realises (None: it has none of its own)."""

Tokens = list[Token]

# -------------------------------------------------------------------------------------------------- abstract sentences


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function word that stands as a word of its own in at least two of the languages."""

    english: str


AND: Final = Function("and")
FOR: Final = Function("for")
NEED: Final = Function("need")
NOT: Final = Function("not")
PERCENT: Final = Function("percent")
RELATIVE: Final = Function("who")
THAN: Final = Function("than")
THAT: Final = Function("that")
THERE: Final = Function("there")
TO: Final = Function("to")
TOO: Final = Function("too")
VERY: Final = Function("very")
WILL: Final = Function("will")
WITH: Final = Function("with")
_LOCATIVES: Final = {preposition: Function(preposition) for preposition in ("in", "at", "on")}

BE: Final = Verb(
    domains="nk",
    frame="be",
    english=("be", "was", "been"),
    german=parse_german_verb("sein* ist war gewesen"),
    turkish=parse_turkish_verb("ol"),
    subjects=(),
    objects=(),
)
_TURKISH_WANT: Final = parse_turkish_verb("iste")


@dataclass(frozen=True, slots=True, eq=False)
class Determiner:
    """`english` and `turkish`: the singular and the plural, empty where there is no word.

    `german` is the stem of the German word and `german_kind` names its endings: article, der (dieser), ein (mein),
    strong (viele) or none. `possessor` is the Turkish ending that stands for a possessive; a `definite` phrase takes
    the Turkish accusative; `turkish_plural`: the noun after it is plural in Turkish too.
    """

    english: tuple[str, str]
    german: str
    german_kind: str
    turkish: tuple[str, str] = ("", "")
    possessor: str = ""
    definite: bool = True
    turkish_plural: bool = True


THE: Final = Determiner(("the", "the"), "", "article")
A: Final = Determiner(("a", ""), "ein", "ein", ("bir", ""), definite=False)
INSTRUMENT: Final = Determiner(("a", ""), "ein", "ein", definite=False)
"""`a` before an instrument, where Turkish has no article: with a knife, bıçakla."""
BARE: Final = Determiner(("", ""), "", "none", definite=False, turkish_plural=False)
GENERIC: Final = Determiner(("", ""), "", "article")
"""Before what there is only one of (peace, unemployment), where German has the article and English mostly none."""
THIS: Final = Determiner(("this", "these"), "dies", "der", ("bu", "bu"))
EVERY: Final = Determiner(("every", ""), "jed", "der", ("her", ""))
MANY: Final = Determiner(("", "many"), "viel", "strong", ("", "birçok"), definite=False, turkish_plural=False)
SOME: Final = Determiner(("", "some"), "einig", "strong", ("", "bazı"))
MY: Final = Determiner(("my", "my"), "mein", "ein", possessor="1s")
OUR: Final = Determiner(("our", "our"), "unser", "ein", possessor="1p")


@dataclass(frozen=True, slots=True, eq=False)
class Phrase:
    """A noun phrase; its head is the subject of a `relative` clause that has none, or else its object."""

    head: Noun | Name
    determiner: Determiner = THE
    plural: bool = False
    adjective: Adjective | None = None
    numeral: Word | None = None
    owner: "Phrase | None" = None
    relative: "Clause | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Pronoun:
    """A personal pronoun: English subject and object; German nominative, accusative, dative; in Turkish an ending."""

    english: tuple[str, str]
    german: tuple[str, str, str]
    turkish_person: str
    person: int
    plural: bool


I: Final = Pronoun(("I", "me"), ("ich", "mich", "mir"), "1s", 1, False)  # noqa: E741
WE: Final = Pronoun(("we", "us"), ("wir", "uns", "uns"), "1p", 1, True)
YOU: Final = Pronoun(("you", "you"), ("Sie", "Sie", "Ihnen"), "2p", 2, True)
HE: Final = Pronoun(("he", "him"), ("er", "ihn", "ihm"), "3", 3, False)
SHE: Final = Pronoun(("she", "her"), ("sie", "sie", "ihr"), "3", 3, False)
THEM: Final = Pronoun(("they", "them"), ("sie", "sie", "ihnen"), "3", 3, True)
IT: Final = {
    "m": Pronoun(("it", "it"), ("er", "ihn", "ihm"), "3", 3, False),
    "f": Pronoun(("it", "it"), ("sie", "sie", "ihr"), "3", 3, False),
    "n": Pronoun(("it", "it"), ("es", "es", "ihm"), "3", 3, False),
}

Nominal = Phrase | Pronoun


@dataclass(frozen=True, slots=True, eq=False)
class Modal:
    """English third person and other; German singular and plural; how Turkish says it (a tense, or `want`)."""

    english: tuple[str, str]
    german: tuple[str, str]
    turkish: str


CAN: Final = Modal(("can", "can"), ("kann", "können"), "able")
MUST: Final = Modal(("must", "must"), ("muss", "müssen"), "must")
SHOULD: Final = Modal(("should", "should"), ("sollte", "sollten"), "must")
WANT: Final = Modal(("wants to", "want to"), ("will", "wollen"), "want")


@dataclass(frozen=True, slots=True, eq=False)
class Subordinator:
    """A conjunction: English; German in the past and otherwise (als, wenn); Turkish verb ending and word after it.

    The Turkish ending is a suffix, or `nom` or `loc` for a case of the form in -DIk with its personal ending.
    """

    english: str
    german: tuple[str, str]
    turkish: tuple[str, str]


BECAUSE: Final = Subordinator("because", ("weil", "weil"), ("nom", "için"))
ALTHOUGH: Final = Subordinator("although", ("obwohl", "obwohl"), ("nom", "hâlde"))
WHEN: Final = Subordinator("when", ("als", "wenn"), ("loc", ""))
BEFORE: Final = Subordinator("before", ("bevor", "bevor"), ("mAdAn", "önce"))
AFTER: Final = Subordinator("after", ("nachdem", "nachdem"), ("DIktAn", "sonra"))
UNTIL: Final = Subordinator("until", ("bis", "bis"), ("(y)AnA", "kadar"))


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """An adjective after `be`; `degree` positive, too, very, or comparative (than the `standard`)."""

    adjective: Adjective
    degree: str = "positive"
    standard: Phrase | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """A verb with what stands around it.

    `tense`: present; habit (Turkish aorist); past (German preterite); perfect (German perfect, English past); anterior
    (German and English perfect); pluperfect; future; would. `time_first`: the time opens the sentence. `content` is the
    clause that is said or believed, `purpose` one that says what for, without subject.
    """

    verb: Verb
    subject: Nominal | None = None
    tense: str = "past"
    modal: Modal | None = None
    negated: bool = False
    passive: bool = False
    object: Nominal | None = None
    recipient: Phrase | None = None
    agent: Phrase | None = None
    place: Phrase | None = None
    goal: Phrase | None = None
    tool: Phrase | None = None
    predicate: Predicate | None = None
    percent: Word | None = None
    manner: Word | None = None
    time: Word | None = None
    frequency: Word | None = None
    time_first: bool = False
    content: "Clause | None" = None
    purpose: "Clause | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """A main clause, or one or two polite requests (clauses without subject).

    An `opener` (however, first) may stand before it, a subordinate clause before or after it.
    """

    clauses: tuple[Clause, ...]
    opener: Word | None = None
    subordinator: Subordinator | None = None
    subordinate: Clause | None = None
    subordinate_first: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Existence:
    """There is something somewhere."""

    thing: Phrase
    place: Phrase
    past: bool


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """So much of something: 200 grams of flour; without `unit` just the phrase: two eggs."""

    phrase: Phrase
    amount: Word | int | None = None
    unit: Word | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """For the dish you need this and that."""

    dish: Phrase | None
    measures: tuple[Measure, ...]


Sentence = Utterance | Existence | Needs

_COMMA: Final[Token] = (",", None)
_PAST_TENSES: Final = ("past", "perfect", "pluperfect")


def _person(nominal: Nominal | None) -> tuple[int, bool]:
    """Person and whether it is plural."""
    if isinstance(nominal, Phrase):
        return 3, nominal.plural
    return (3, False) if nominal is None else (nominal.person, nominal.plural)


def _place_prepositions(place: Phrase) -> tuple[str, str, str]:
    """The English preposition, and the German ones of rest and of direction."""
    if isinstance(place.head, Name):
        return "in", "in", "nach"
    rest, direction = place.head.usage["de"].split(",")
    return place.head.usage["en"], rest, direction


def _put_word(out: Tokens, pieces: Pieces, word: Word) -> None:
    for text, carries_meaning in pieces:
        out.append((text, word if carries_meaning else None))


def _put_amount(out: Tokens, measure: Measure, pieces: Callable[[Word], Pieces]) -> None:
    if isinstance(measure.amount, Word):
        _put_word(out, pieces(measure.amount), measure.amount)
    else:
        out.append((str(measure.amount), None))


def _put_list(out: Tokens, needs: Needs, conjunction: str, put: Callable[[Tokens, Measure], None]) -> None:
    last = len(needs.measures) - 1
    for index, measure in enumerate(needs.measures):
        if index:
            out.append((conjunction, AND) if index == last else _COMMA)
        put(out, measure)


# ------------------------------------------------------------------------------------------------------------- English


def _english_phrase(out: Tokens, nominal: Nominal, *, subject: bool = False) -> None:
    if isinstance(nominal, Pronoun):
        out.append((nominal.english[not subject], nominal))
        return
    head = nominal.head
    if isinstance(head, Name):
        out.append((head.english, head))
    else:
        start = len(out)
        if nominal.numeral is not None:
            _put_word(out, nominal.numeral.english, nominal.numeral)
        if nominal.adjective is not None:
            out.append((nominal.adjective.english[0], nominal.adjective))
        out.append((head.english[nominal.plural], head))
        determiner = nominal.determiner
        word = determiner.english[nominal.plural]
        if determiner is GENERIC:
            word = "the" if head.usage.get("en") == "the" else ""
        elif word == "a":
            word = english_article(out[start][0])
        if word:
            out.insert(start, (word, determiner))
    if nominal.owner is not None:
        out.append(("of", None))
        _english_phrase(out, nominal.owner)
    if nominal.relative is not None:
        is_subject = nominal.relative.subject is None
        is_person = isinstance(head, Name) or "person" in head.classes
        out.append(("who" if is_person and is_subject else "that", RELATIVE))
        _english_clause(out, nominal.relative, agreement=nominal if is_subject else None)


def _english_verb(clause: Clause, agreement: Nominal | None) -> tuple[Tokens, Tokens]:
    """The auxiliaries with `not`, and the rest; words like `often` stand between."""
    verb = clause.verb
    base, past, participle = verb.english
    person, plural = _person(agreement)
    third = person == 3 and not plural
    in_past = clause.tense in ("past", "perfect")
    negation: Tokens = [("not", NOT)] if clause.negated else []
    bare: Tokens = [("be", None), (participle, verb)] if clause.passive else [(base, verb)]
    if clause.modal is not None:
        return [(clause.modal.english[not third], clause.modal), *negation], bare
    if clause.tense in ("future", "would"):
        return [("will" if clause.tense == "future" else "would", WILL), *negation], bare
    if clause.tense in ("anterior", "pluperfect"):
        auxiliary = "had" if clause.tense == "pluperfect" else "has" if third else "have"
        been: Tokens = [("been", None)] if clause.passive else []
        return [(auxiliary, None), *negation], [*been, (participle, verb)]
    if clause.passive or verb is BE:
        singular = not plural and person != 2
        present = "is" if third else "am" if singular else "are"
        be = ("was" if singular else "were") if in_past else present
        if verb is BE:
            return [(be, BE), *negation], []
        return [(be, None), *negation], [(participle, verb)]
    if clause.negated:
        return [("did" if in_past else "does" if third else "do", None), *negation], bare
    return [], [(past if in_past else english_third_person(base) if third else base, verb)]


def _english_predicate(out: Tokens, predicate: Predicate) -> None:
    positive, comparative = predicate.adjective.english
    if predicate.degree in ("too", "very"):
        out.append((predicate.degree, TOO if predicate.degree == "too" else VERY))
    out.append((comparative if predicate.degree == "comparative" else positive, predicate.adjective))
    if predicate.standard is not None:
        out.append(("than", THAN))
        _english_phrase(out, predicate.standard)


def _english_clause(out: Tokens, clause: Clause, *, agreement: Nominal | None = None) -> None:
    """A clause with its subject; `agreement` is the subject that stands outside, of a relative clause."""
    if clause.subject is not None:
        _english_phrase(out, clause.subject, subject=True)
    auxiliaries, main = _english_verb(clause, agreement or clause.subject)
    out.extend(auxiliaries)
    if clause.frequency is not None:
        _put_word(out, clause.frequency.english, clause.frequency)
    out.extend(main)
    _english_rest(out, clause)


def _english_request(out: Tokens, clause: Clause) -> None:
    if clause.negated:
        out.extend([("do", None), ("not", NOT)])
    out.append((clause.verb.english[0], clause.verb))
    _english_rest(out, clause)


def _english_rest(out: Tokens, clause: Clause) -> None:
    """Everything after the verb."""
    verb = clause.verb
    if clause.predicate is not None:
        _english_predicate(out, clause.predicate)
    if clause.object is not None:
        if verb.english_preposition:
            out.append((verb.english_preposition, verb))
        _english_phrase(out, clause.object)
    for preposition, phrase in (("to", clause.recipient), ("by", clause.agent)):
        if phrase is not None:
            out.append((preposition, None))
            _english_phrase(out, phrase)
    if clause.percent is not None:
        out.append(("by", None))
        _put_word(out, clause.percent.english, clause.percent)
        out.append(("percent", PERCENT))
    if clause.manner is not None:
        _put_word(out, clause.manner.english, clause.manner)
    if clause.goal is not None:
        preposition = _place_prepositions(clause.goal)[0]
        if verb.frame == "go":
            out.append(("to", None))
        else:
            out.append(("into" if preposition == "in" else preposition, _LOCATIVES[preposition]))
        _english_phrase(out, clause.goal)
    if clause.tool is not None:
        out.append(("with", WITH))
        _english_phrase(out, clause.tool)
    if clause.place is not None:
        _english_place(out, clause.place)
    if clause.time is not None and not clause.time_first:
        _put_word(out, clause.time.english, clause.time)
    if clause.purpose is not None:
        out.append(("to", TO))
        _english_request(out, clause.purpose)
    if clause.content is not None:
        out.append(("that", THAT))
        _english_clause(out, clause.content)


def _english_place(out: Tokens, place: Phrase) -> None:
    preposition = _place_prepositions(place)[0]
    out.append((preposition, _LOCATIVES[preposition]))
    _english_phrase(out, place)


def _english_subordinate(out: Tokens, subordinator: Subordinator, clause: Clause) -> None:
    out.append((subordinator.english, subordinator))
    _english_clause(out, clause)


def _english_measure(out: Tokens, measure: Measure) -> None:
    if measure.unit is not None:
        _put_amount(out, measure, lambda word: word.english)
        out.extend([(english_plural(measure.unit.english[0][0]), measure.unit), ("of", None)])
    _english_phrase(out, measure.phrase)


def _english(sentence: Sentence) -> Tokens:
    out: Tokens = []
    if isinstance(sentence, Existence):
        verb = ("was", "were") if sentence.past else ("is", "are")
        out.extend([("there", THERE), (verb[sentence.thing.plural], None)])
        _english_phrase(out, sentence.thing)
        _english_place(out, sentence.place)
        return out
    if isinstance(sentence, Needs):
        if sentence.dish is not None:
            out.append(("for", FOR))
            _english_phrase(out, sentence.dish)
            out.append(_COMMA)
        out.extend([("you", YOU), ("need", NEED)])
        _put_list(out, sentence, "and", _english_measure)
        return out
    first = sentence.clauses[0]
    if sentence.opener is not None:
        _put_word(out, sentence.opener.english, sentence.opener)
        if "comma" in sentence.opener.classes:
            out.append(_COMMA)
    subordinate, subordinator = sentence.subordinate, sentence.subordinator
    if subordinate is not None and subordinator is not None and sentence.subordinate_first:
        _english_subordinate(out, subordinator, subordinate)
        out.append(_COMMA)
    if first.time_first and first.time is not None:
        _put_word(out, first.time.english, first.time)
    for clause in sentence.clauses:
        if clause is not first:
            out.append(("and", AND))
        (_english_clause if clause.subject is not None else _english_request)(out, clause)
    if subordinate is not None and subordinator is not None and not sentence.subordinate_first:
        _english_subordinate(out, subordinator, subordinate)
    return out


# -------------------------------------------------------------------------------------------------------------- German

_GERMAN_CONTRACTIONS: Final = {
    ("in", "dem"): "im",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("in", "das"): "ins",
    ("an", "das"): "ans",
}
_GERMAN_PRONOUN_CASES: Final = ("nom", "acc", "dat")
_GERMAN_AUXILIARIES: Final = {
    "haben": ("habe", "hat", "haben"),
    "hatten": ("hatte", "hatte", "hatten"),
    "sein": ("bin", "ist", "sind"),
    "waren": ("war", "war", "waren"),
    "werden": ("werde", "wird", "werden"),
    "wurden": ("wurde", "wurde", "wurden"),
    "würden": ("würde", "würde", "würden"),
}
"""By the form of the plural: first and third person singular, plural (and the polite second person)."""


def _german_gender(phrase: Phrase) -> str:
    if isinstance(phrase.head, Name):
        return "n" if phrase.head.kind == "city" else phrase.head.kind
    return "p" if phrase.plural else phrase.head.german.gender


def _german_determiner(determiner: Determiner, case: str, gender: str) -> tuple[str, str]:
    """The determiner as it is written and the declension of the adjective after it."""
    kind = determiner.german_kind
    if kind == "article":
        return GERMAN_ARTICLES[case, gender], "weak"
    if kind == "der":
        return determiner.german + GERMAN_DER_ENDINGS[case, gender], "weak"
    if kind == "ein":
        return determiner.german + GERMAN_EIN_ENDINGS[case, gender], "mixed"
    if kind == "strong":
        return determiner.german + GERMAN_ADJECTIVE_ENDINGS["strong"][case, gender], "strong"
    return "", "strong"


def _german_phrase(
    out: Tokens, nominal: Nominal, case: str, preposition: str = "", preposition_lexeme: object = None
) -> None:
    if isinstance(nominal, Pronoun):
        out.append((nominal.german[_GERMAN_PRONOUN_CASES.index(case)], nominal))
        return
    head = nominal.head
    determiner, declension = "", "strong"
    gender = _german_gender(nominal)
    if isinstance(head, Noun):
        determiner, declension = _german_determiner(nominal.determiner, case, gender)
    contraction = _GERMAN_CONTRACTIONS.get((preposition, determiner))
    if contraction is not None:
        out.append((contraction, preposition_lexeme))
    else:
        if preposition:
            out.append((preposition, preposition_lexeme))
        if determiner:
            out.append((determiner, nominal.determiner))
    if nominal.numeral is not None:
        _put_word(out, nominal.numeral.german, nominal.numeral)
    if nominal.adjective is not None:
        ending = GERMAN_ADJECTIVE_ENDINGS[declension][case, gender]
        out.append((nominal.adjective.german[1] + ending, nominal.adjective))
    out.append((head.german if isinstance(head, Name) else german_noun(head.german, case, nominal.plural), head))
    if nominal.owner is not None:
        by_name = isinstance(nominal.owner.head, Name)
        _german_phrase(out, nominal.owner, "dat" if by_name else "gen", "von" if by_name else "")
    if nominal.relative is not None:
        is_subject = nominal.relative.subject is None
        pronoun = GERMAN_ARTICLES["nom" if is_subject else "acc", gender]
        out.extend([_COMMA, (pronoun, RELATIVE)])
        _german_clause(out, nominal.relative, agreement=nominal if is_subject else None, final=True)
        out.append(_COMMA)


def _german_verb(clause: Clause, agreement: Nominal | None) -> tuple[Token, Tokens, str]:
    """The finite verb, the words at the end of the clause, and the separable prefix of the finite verb."""
    lexeme, verb = clause.verb, clause.verb.german
    person, plural = _person(agreement)
    several = plural or person == 2
    tense = clause.tense

    def auxiliary(name: str) -> str:
        first, third, rest = _GERMAN_AUXILIARIES[name]
        return rest if several else third if person == 3 else first

    participle: Token = (verb.participle, lexeme)
    if clause.passive:
        if tense in ("future", "would"):
            return (auxiliary("werden" if tense == "future" else "würden"), WILL), [participle, ("werden", None)], ""
        if tense == "pluperfect":
            return (auxiliary("waren"), None), [participle, ("worden", None)], ""
        return (auxiliary("wurden" if tense in _PAST_TENSES else "werden"), None), [participle], ""
    infinitive: Token = (verb.prefix + verb.infinitive, lexeme)
    if clause.modal is not None:
        return (clause.modal.german[several], clause.modal), [infinitive], ""
    if tense in ("future", "would"):
        return (auxiliary("werden" if tense == "future" else "würden"), WILL), [infinitive], ""
    if lexeme is BE and tense != "pluperfect":
        return (auxiliary("waren" if tense in _PAST_TENSES else "sein"), BE), [], ""
    if tense == "pluperfect":
        return (auxiliary("waren" if verb.with_sein else "hatten"), None), [participle], ""
    if tense in ("perfect", "anterior"):
        return (auxiliary("sein" if verb.with_sein else "haben"), None), [participle], ""
    inflect = german_preterite if tense == "past" else german_present
    return (inflect(verb, person, plural), lexeme), [], verb.prefix


def _german_predicate(out: Tokens, predicate: Predicate) -> None:
    positive, _, comparative = predicate.adjective.german
    if predicate.degree in ("too", "very"):
        out.append(("zu", TOO) if predicate.degree == "too" else ("sehr", VERY))
    out.append((comparative if predicate.degree == "comparative" else positive, predicate.adjective))
    if predicate.standard is not None:
        out.append(("als", THAN))
        _german_phrase(out, predicate.standard, "nom")


def _german_middle(out: Tokens, clause: Clause) -> None:
    """What stands between the finite verb (with the subject) and the end of the clause."""
    verb, thing = clause.verb, clause.object
    preposition, case = verb.german_government
    if isinstance(thing, Pronoun):
        _german_phrase(out, thing, case)
    if clause.time is not None and not clause.time_first:
        _put_word(out, clause.time.german, clause.time)
    if clause.frequency is not None:
        _put_word(out, clause.frequency.german, clause.frequency)
    if clause.recipient is not None:
        _german_phrase(out, clause.recipient, "dat")
    if isinstance(thing, Phrase) and not preposition:
        _german_phrase(out, thing, case)
    if clause.agent is not None:
        _german_phrase(out, clause.agent, "dat", "von")
    if clause.tool is not None:
        _german_phrase(out, clause.tool, "dat", "mit", WITH)
    if clause.manner is not None:
        _put_word(out, clause.manner.german, clause.manner)
    if clause.place is not None:
        _german_place(out, clause.place)
    if clause.negated:
        out.append(("nicht", NOT))
    if isinstance(thing, Phrase) and preposition:
        _german_phrase(out, thing, case, preposition, verb)
    if clause.percent is not None:
        out.append(("um", None))
        _put_word(out, clause.percent.german, clause.percent)
        out.append(("Prozent", PERCENT))
    if clause.goal is not None:
        english, _, direction = _place_prepositions(clause.goal)
        lexeme = None if verb.frame == "go" else _LOCATIVES[english]
        _german_phrase(out, clause.goal, "dat" if direction in ("zu", "nach") else "acc", direction, lexeme)
    if clause.predicate is not None:
        _german_predicate(out, clause.predicate)


def _german_place(out: Tokens, place: Phrase) -> None:
    english, rest, _ = _place_prepositions(place)
    _german_phrase(out, place, "dat", rest, _LOCATIVES[english])


def _german_clause(
    out: Tokens,
    clause: Clause,
    *,
    agreement: Nominal | None = None,
    final: bool = False,
    inverted: bool = False,
) -> None:
    """A clause with the verb in second place, after something else if `inverted`, or with the verb at the end."""
    (finite, lexeme), tail, prefix = _german_verb(clause, agreement or clause.subject)
    if not final and inverted:
        out.append((finite, lexeme))
    if clause.subject is not None:
        _german_phrase(out, clause.subject, "nom")
    if not final and not inverted:
        out.append((finite, lexeme))
    _german_middle(out, clause)
    out.extend(tail)
    if final:
        out.append((prefix + finite, lexeme))
    elif prefix:
        out.append((prefix, lexeme))
    if clause.purpose is not None:
        _german_purpose(out, clause.purpose)
    if clause.content is not None:
        out.extend([_COMMA, ("dass", THAT)])
        _german_clause(out, clause.content, final=True)


def _german_purpose(out: Tokens, clause: Clause) -> None:
    out.extend([_COMMA, ("um", TO)])
    _german_middle(out, clause)
    verb = clause.verb.german
    if verb.prefix:
        out.append((f"{verb.prefix}zu{verb.infinitive}", clause.verb))
    else:
        out.extend([("zu", None), (verb.infinitive, clause.verb)])


def _german_request(out: Tokens, clause: Clause) -> None:
    verb = clause.verb.german
    out.extend([(verb.infinitive, clause.verb), ("Sie", None)])
    _german_middle(out, clause)
    if verb.prefix:
        out.append((verb.prefix, clause.verb))


def _german_subordinate(out: Tokens, subordinator: Subordinator, clause: Clause) -> None:
    out.append((subordinator.german[clause.tense not in _PAST_TENSES], subordinator))
    _german_clause(out, clause, final=True)


def _german_measure(out: Tokens, measure: Measure) -> None:
    if measure.unit is not None:
        _put_amount(out, measure, lambda word: word.german)
        out.append((measure.unit.german[0][0], measure.unit))
    _german_phrase(out, measure.phrase, "acc")


def _german(sentence: Sentence) -> Tokens:
    out: Tokens = []
    if isinstance(sentence, Existence):
        _german_place(out, sentence.place)
        out.extend([("gab" if sentence.past else "gibt", None), ("es", None)])
        _german_phrase(out, sentence.thing, "acc")
        return out
    if isinstance(sentence, Needs):
        need: Tokens = [("Sie", YOU), ("brauchen", NEED)]
        if sentence.dish is not None:
            _german_phrase(out, sentence.dish, "acc", "für", FOR)
            need.reverse()
        out.extend(need)
        _put_list(out, sentence, "und", _german_measure)
        return out
    first = sentence.clauses[0]
    subordinate, subordinator = sentence.subordinate, sentence.subordinator
    # one thing at most stands before the finite verb
    if sentence.opener is not None:
        _put_word(out, sentence.opener.german, sentence.opener)
    elif subordinate is not None and subordinator is not None and sentence.subordinate_first:
        _german_subordinate(out, subordinator, subordinate)
        out.append(_COMMA)
    elif first.time_first and first.time is not None:
        _put_word(out, first.time.german, first.time)
    inverted = bool(out)
    for clause in sentence.clauses:
        if clause is not first:
            out.append(("und", AND))
        if clause.subject is not None:
            _german_clause(out, clause, inverted=inverted)
        else:
            _german_request(out, clause)
    if subordinate is not None and subordinator is not None and not sentence.subordinate_first:
        out.append(_COMMA)
        _german_subordinate(out, subordinator, subordinate)
    return out


# ------------------------------------------------------------------------------------------------------------- Turkish

_TURKISH_TENSES: Final = {
    "present": "progressive",
    "habit": "aorist",
    "past": "past",
    "perfect": "past",
    "future": "future",
}


def _turkish_phrase(out: Tokens, phrase: Phrase, case: str, postposition: Token | None = None) -> None:
    head, determiner = phrase.head, phrase.determiner
    if phrase.relative is not None:
        _turkish_relative(out, phrase.relative)
    if phrase.owner is not None:
        _turkish_phrase(out, phrase.owner, "gen")
    if isinstance(head, Name):
        out.append((turkish_noun(head.turkish, case), head))
    else:
        word = determiner.turkish[phrase.plural]
        if word and determiner is not A:
            out.append((word, determiner))
        if phrase.numeral is not None:
            _put_word(out, phrase.numeral.turkish, phrase.numeral)
        if phrase.adjective is not None:
            out.append((phrase.adjective.turkish, phrase.adjective))
        if determiner is A:
            out.append((word, determiner))
        plural = phrase.plural and determiner.turkish_plural and phrase.numeral is None
        possessor = "3" if phrase.owner is not None else determiner.possessor
        out.append((turkish_noun(head.turkish, case, plural, possessor), head))
    if postposition is not None:
        out.append(postposition)


def is_definite(nominal: Nominal) -> bool:
    """Whether the phrase means something known; as an object it takes the accusative in Turkish."""
    if isinstance(nominal, Pronoun) or isinstance(nominal.head, Name) or nominal.owner is not None:
        return True
    return nominal.determiner.definite and nominal.numeral is None


def _turkish_person(nominal: Nominal | None) -> str:
    return nominal.turkish_person if isinstance(nominal, Pronoun) else "3"


def _turkish_object(out: Tokens, phrase: Phrase, verb: Verb) -> None:
    case, postposition = verb.turkish_government
    if case == "acc" and not is_definite(phrase):
        case = "nom"
    _turkish_phrase(out, phrase, case, (postposition, verb) if postposition else None)


def _turkish_arguments(out: Tokens, clause: Clause, subject_case: str = "nom") -> None:
    """Everything before the verb: known things first, new ones next to the verb."""
    if clause.time is not None and clause.time_first:
        _put_word(out, clause.time.turkish, clause.time)
    if isinstance(clause.subject, Phrase):
        _turkish_phrase(out, clause.subject, subject_case)
    if clause.time is not None and not clause.time_first:
        _put_word(out, clause.time.turkish, clause.time)
    if clause.content is not None:
        if isinstance(clause.subject, Phrase):
            out.append(_COMMA)
        _turkish_content(out, clause.content, clause.verb.turkish_government[0])
    if clause.purpose is not None:
        _turkish_arguments(out, clause.purpose)
        out.extend(_turkish_nonfinite(clause.purpose, "mAk"))
        out.append(("için", TO))
    if clause.frequency is not None:
        _put_word(out, clause.frequency.turkish, clause.frequency)
    if clause.agent is not None:
        _turkish_phrase(out, clause.agent, "nom", ("tarafından", None))
    if clause.place is not None:
        _turkish_phrase(out, clause.place, "loc")
    if clause.recipient is not None:
        _turkish_phrase(out, clause.recipient, "dat")
    # Turkish leaves out the object that a pronoun would stand for
    thing = clause.object if isinstance(clause.object, Phrase) else None
    if thing is not None and is_definite(thing):
        _turkish_object(out, thing, clause.verb)
    if clause.tool is not None:
        _turkish_phrase(out, clause.tool, "ins")
    if clause.manner is not None:
        _put_word(out, clause.manner.turkish, clause.manner)
    if clause.goal is not None:
        _turkish_phrase(out, clause.goal, "dat")
    if thing is not None and not is_definite(thing):
        _turkish_object(out, thing, clause.verb)
    if clause.percent is not None:
        out.append(("yüzde", PERCENT))
        _put_word(out, clause.percent.turkish, clause.percent)
    if clause.predicate is not None:
        _turkish_degree(out, clause.predicate)


def _turkish_degree(out: Tokens, predicate: Predicate) -> None:
    if predicate.standard is not None:
        _turkish_phrase(out, predicate.standard, "abl")
        out.append(("daha", None))
    elif predicate.degree == "too":
        out.append(("fazla", TOO))
    elif predicate.degree == "very":
        out.append(("çok", VERY))


def _turkish_verb_words(clause: Clause, inflect: Callable[[TurkishVerb], str]) -> Tokens:
    """The verb with its light word or predicate; `inflect` gets the stem, passive or negative where the clause is."""
    verb = clause.verb.turkish
    words: Tokens = [(verb.light, clause.verb)] if verb.light else []
    if clause.predicate is not None:
        words.append((clause.predicate.adjective.turkish, clause.predicate.adjective))
    if clause.passive:
        verb = turkish_passive(verb)
    if clause.negated:
        # the ending of a negated verb says more than the verb does, so that the word realises no lexeme
        return [*((text, None) for text, _ in words), (inflect(turkish_negative(verb)), None)]
    return [*words, (inflect(verb), clause.verb)]


def _turkish_nonfinite(clause: Clause, suffix: str) -> Tokens:
    return _turkish_verb_words(clause, lambda verb: turkish_nonfinite(verb, suffix))


def _turkish_finite(clause: Clause) -> Tokens:
    person = _turkish_person(clause.subject)
    if clause.predicate is not None and clause.tense in ("present", "past", "perfect"):
        adjective = clause.predicate.adjective
        words: Tokens = [(adjective.turkish, adjective)]
        if clause.negated:
            words.append(("değil", NOT))
        if clause.tense != "present":
            text, lexeme = words[-1]
            words[-1] = turkish_attach(text, "(y)DI"), lexeme
        return words
    if clause.modal is WANT:
        infinitive = _turkish_nonfinite(clause, "mAk")
        return [*infinitive, (turkish_finite(_TURKISH_WANT, "progressive", person), WANT)]
    tense = _TURKISH_TENSES[clause.tense] if clause.modal is None else clause.modal.turkish
    return _turkish_verb_words(clause, lambda verb: turkish_finite(verb, tense, person))


def _turkish_content(out: Tokens, clause: Clause, case: str) -> None:
    """What is said, as a noun clause in the case that the saying wants."""
    _turkish_arguments(out, clause, "gen")
    tense = "future" if clause.tense == "would" else "past"
    person = _turkish_person(clause.subject)
    out.extend(_turkish_verb_words(clause, lambda verb: turkish_nominal(verb, tense, person, case)))


def _turkish_relative(out: Tokens, clause: Clause) -> None:
    _turkish_arguments(out, clause, "gen")
    if clause.subject is None:
        out.extend(_turkish_nonfinite(clause, "(y)An"))
        return
    person = _turkish_person(clause.subject)
    out.extend(_turkish_verb_words(clause, lambda verb: turkish_nominal(verb, "past", person)))


def _turkish_subordinate(out: Tokens, subordinator: Subordinator, clause: Clause) -> None:
    _turkish_arguments(out, clause)
    ending, following = subordinator.turkish
    person = _turkish_person(clause.subject)
    if ending in ("nom", "loc"):
        out.extend(_turkish_verb_words(clause, lambda verb: turkish_nominal(verb, "past", person, ending)))
    else:
        out.extend(_turkish_nonfinite(clause, ending))
    if following:
        out.append((following, subordinator))


def _turkish_measure(out: Tokens, measure: Measure) -> None:
    if measure.unit is not None:
        _put_amount(out, measure, lambda word: word.turkish)
        out.append((measure.unit.turkish[0][0], measure.unit))
    _turkish_phrase(out, measure.phrase, "nom")


def _turkish(sentence: Sentence) -> Tokens:
    out: Tokens = []
    if isinstance(sentence, Existence):
        _turkish_phrase(out, sentence.place, "loc")
        _turkish_phrase(out, sentence.thing, "nom")
        out.append(("vardı" if sentence.past else "var", THERE))
        return out
    if isinstance(sentence, Needs):
        if sentence.dish is not None:
            _turkish_phrase(out, sentence.dish, "nom", ("için", FOR))
        _put_list(out, sentence, "ve", _turkish_measure)
        out.append(("gerekir", NEED))
        return out
    if sentence.opener is not None:
        _put_word(out, sentence.opener.turkish, sentence.opener)
    if sentence.subordinate is not None and sentence.subordinator is not None:
        _turkish_subordinate(out, sentence.subordinator, sentence.subordinate)
    for clause in sentence.clauses:
        _turkish_arguments(out, clause)
        if clause.subject is not None:
            out.extend(_turkish_finite(clause))
        else:
            out.extend(_turkish_nonfinite(clause, "(y)In" if clause is sentence.clauses[-1] else "(y)Ip"))
    return out


# ------------------------------------------------------------------------------------------------------------- writing

_SPELL: Final[dict[str, Callable[[Sentence], Tokens]]] = {"en": _english, "de": _german, "tr": _turkish}
_TURKISH_CAPITALS: Final = {"i": "İ", "ı": "I"}


def spell(sentence: Sentence, language: str) -> Tokens:
    """The sentence in en, de or tr as words and commas, the first word capitalised, without the full stop."""
    tokens = _SPELL[language](sentence)
    # a relative clause closes with a comma, which falls together with the next one or with the end of the sentence
    following = [*tokens[1:], _COMMA]
    kept = [token for token, other in zip(tokens, following, strict=True) if token is not _COMMA or other is not _COMMA]
    text, lexeme = kept[0]
    first = text[0].upper()
    if language == "tr":
        first = _TURKISH_CAPITALS.get(text[0], first)
    kept[0] = first + text[1:], lexeme
    return kept


def join(tokens: Tokens) -> str:
    """The text of a spelt sentence."""
    return " ".join([text for text, _ in tokens]).replace(" ,", ",") + "."
