"""The words of the embedded corpus and how they inflect in English, German and Turkish: pure functions over records."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

# ------------------------------------------------------------------------------------------------------------- English


def english_plural(noun: str) -> str:
    """The regular plural: onion → onions, dish → dishes, city → cities."""
    if re.search(r"(?:s|x|z|ch|sh)$", noun):
        return noun + "es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", noun) + "s"


def english_third_person(verb: str) -> str:
    """The third person singular of the present; of a phrase its first word: take place → takes place."""
    first, *rest = verb.split(" ")
    if re.search(r"(?:s|x|z|o|ch|sh)$", first):
        return " ".join([first + "es", *rest])
    return " ".join([re.sub(r"(?<=[^aeiou])y$", "ie", first) + "s", *rest])


def english_past(verb: str) -> str:
    """The regular past: stir is irregular here (its doubling is spelt in the table), carry → carried, bake → baked."""
    if verb.endswith("e"):
        return verb + "d"
    return re.sub(r"(?<=[^aeiou])y$", "i", verb) + "ed"


def english_article(following: str) -> str:
    """`a` or `an`, as the sound that follows wants it."""
    lowered = following.lower()
    if re.match(r"(?:uni|use|eu|one)", lowered):
        return "a"
    return "an" if lowered[0] in "aeiou" or lowered.startswith(("hour", "honest")) else "a"


# -------------------------------------------------------------------------------------------------------------- German

_DER_ENDINGS = {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en", "gen": "es er es er"}
_EIN_ENDINGS = {"nom": " e  e", "acc": "en e  e", "dat": "em er em en", "gen": "es er es er"}
_ARTICLES = {"nom": "der die das die", "acc": "den die das die", "dat": "dem der dem den", "gen": "des der des der"}
_WEAK_ENDINGS = {"nom": "e e e en", "acc": "en e e en", "dat": "en en en en", "gen": "en en en en"}
_MIXED_ENDINGS = {"nom": "er e es en", "acc": "en e es en", "dat": "en en en en", "gen": "en en en en"}
_STRONG_ENDINGS = {"nom": "er e es e", "acc": "en e es e", "dat": "em er em en", "gen": "en er en er"}


def _by_gender(rows: Mapping[str, str]) -> Mapping[tuple[str, str], str]:
    """(case, gender) → form; the genders are m, f, n, and p for the plural, which has no gender."""
    return MappingProxyType(
        {
            (case, gender): form
            for case, row in rows.items()
            for gender, form in zip("mfnp", row.split(" "), strict=True)
        }
    )


GERMAN_ARTICLES = _by_gender(_ARTICLES)
GERMAN_DER_ENDINGS = _by_gender(_DER_ENDINGS)
GERMAN_EIN_ENDINGS = _by_gender(_EIN_ENDINGS)
GERMAN_ADJECTIVE_ENDINGS: Mapping[str, Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        "weak": _by_gender(_WEAK_ENDINGS),
        "mixed": _by_gender(_MIXED_ENDINGS),
        "strong": _by_gender(_STRONG_ENDINGS),
    }
)

_GERMAN_VOWEL_GROUPS = re.compile(r"[aeiouäöüéy]+")
_GERMAN_INSEPARABLE = ("be", "emp", "ent", "er", "ge", "miss", "unter", "ver", "zer", "durch")
_GERMAN_NEEDS_E = re.compile(r"(?:[td]|chn|ffn|gn|tm)$")


@dataclass(frozen=True, slots=True)
class GermanNoun:
    """A noun with its gender (m, f, n); `plural` None has none; a `weak` noun ends in -n outside the nominative."""

    singular: str
    gender: str
    plural: str | None
    weak: bool = False


def german_noun(noun: GermanNoun, case: str, plural: bool = False) -> str:
    """The form of the noun in a case (nom, acc, dat, gen)."""
    if plural:
        if noun.plural is None:
            raise ValueError(f"{noun.singular} has no plural")
        return noun.plural + "n" if case == "dat" and noun.plural[-1] not in "ns" else noun.plural
    if noun.weak and case != "nom":
        # the singular of these equals the plural, both -(e)n
        return noun.plural or noun.singular
    if case == "gen" and noun.gender != "f":
        return _german_genitive(noun.singular)
    return noun.singular


def _german_genitive(singular: str) -> str:
    if singular.endswith("nis"):
        return singular + "ses"
    if re.search(r"(?:s|ß|x|z|sch)$", singular):
        return singular + ("ses" if singular.endswith("us") and len(singular) < 5 else "es")
    monosyllable = len(_GERMAN_VOWEL_GROUPS.findall(singular.lower())) == 1
    return singular + ("es" if monosyllable and singular[-1] not in "aeiouäöüéhlr" else "s")


@dataclass(frozen=True, slots=True)
class GermanVerb:
    """Principal parts without the separable prefix; `participle` is whole."""

    prefix: str
    infinitive: str
    present: str
    preterite: str
    participle: str
    with_sein: bool


def parse_german_verb(text: str) -> GermanVerb:
    """`an_fangen fängt fing angefangen`; of a weak verb the infinitive is enough; * marks the perfect with sein."""
    lemma, *parts = text.split(" ")
    prefix, _, infinitive = lemma.rstrip("*").rpartition("_")
    stem = infinitive[:-2] if infinitive.endswith("en") else infinitive[:-1]
    dental = stem + "e" if _GERMAN_NEEDS_E.search(stem) else stem
    if parts:
        present, preterite, participle = parts
    else:
        present, preterite = dental + "t", dental + "te"
        bare = infinitive.startswith(_GERMAN_INSEPARABLE) or infinitive.endswith("ieren")
        participle = prefix + ("" if bare else "ge") + dental + "t"
    return GermanVerb(prefix, infinitive, present, preterite, participle, lemma.endswith("*"))


def german_present(verb: GermanVerb, person: int, plural: bool) -> str:
    """The present without its separable prefix; the polite second person is a plural."""
    if plural or person == 2:
        return verb.infinitive
    if person == 3:
        return verb.present
    if verb.infinitive == "wissen":
        return verb.present
    if verb.infinitive.endswith("eln"):
        return verb.infinitive[:-3] + "le"
    return verb.infinitive[:-1] + ("" if verb.infinitive.endswith("en") else "e")


def german_preterite(verb: GermanVerb, person: int, plural: bool) -> str:
    """The simple past without its separable prefix."""
    if plural or person == 2:
        return verb.preterite + ("n" if verb.preterite.endswith("e") else "en")
    return verb.preterite


# ------------------------------------------------------------------------------------------------------------- Turkish

_TURKISH_VOWELS = "aıoueiöüâîû"
_TURKISH_HIGH = {
    "a": "ı",
    "â": "ı",
    "ı": "ı",
    "o": "u",
    "u": "u",
    "û": "u",
    "e": "i",
    "i": "i",
    "î": "i",
    "ö": "ü",
    "ü": "ü",
}
_TURKISH_FRONTED = {"a": "e", "â": "e", "ı": "i", "o": "ö", "u": "ü"}
_TURKISH_VOICELESS = "fstkçşhp"
_TURKISH_AORIST_IN_I = frozenset(
    ("al", "bil", "bul", "dur", "gel", "gör", "kal", "ol", "öl", "san", "var", "ver", "vur")
)


def _last_vowel(word: str) -> str:
    return next(letter for letter in reversed(word.lower()) if letter in _TURKISH_VOWELS)


def _syllables(word: str) -> int:
    return sum(letter in _TURKISH_VOWELS for letter in word.lower())


@lru_cache(maxsize=65536)
def turkish_attach(word: str, suffix: str, soft: str = "", fronted: bool = False) -> str:
    """`word` with one suffix, by the rules of vowel harmony.

    In a suffix A stands for a/e, I for ı/i/u/ü, D for d/t; a first letter in parentheses is there only where it keeps
    two vowels or two consonants apart: `(y)I` after kapı is -yı, after ev -i; `(I)m` after kapı is -m, after ev -im.
    `soft` is the stem as it stands before a vowel (kitap, kitab-); `fronted` a stem that takes front vowels against
    its spelling (saat, saati).
    """
    soft = soft or word
    optional, body = (suffix[1], suffix[3:]) if suffix[0] == "(" else ("", suffix)
    begins_with_vowel = (optional or body[0]) == "I" or body[0] in "AI"
    softens = bool(optional) if word[-1] in _TURKISH_VOWELS else begins_with_vowel
    stem = soft if softens else word
    if optional and (optional == "I") != (stem[-1] in _TURKISH_VOWELS):
        body = optional + body
    previous = _last_vowel(stem)
    if fronted:
        previous = _TURKISH_FRONTED.get(previous, previous)
    letters = [stem]
    for symbol in body:
        if symbol == "A":
            letter = "e" if previous in "eiöüî" else "a"
        elif symbol == "I":
            letter = _TURKISH_HIGH[previous]
        elif symbol == "D":
            letter = "t" if letters[-1][-1] in _TURKISH_VOICELESS else "d"
        else:
            letter = symbol
        if letter in _TURKISH_VOWELS:
            previous = letter
        letters.append(letter)
    return "".join(letters)


def _softened(word: str) -> str:
    """A form that ends in k as it stands before a vowel (gidecek, gideceğ-)."""
    return word[:-1] + "ğ" if word.endswith("k") else word


@dataclass(frozen=True, slots=True)
class TurkishNoun:
    """`stem`, the stem before a vowel, front harmony against the spelling, compound (ends in its own possessive)."""

    stem: str
    soft: str
    fronted: bool = False
    compound: bool = False
    proper: bool = False


def parse_turkish_noun(text: str) -> TurkishNoun:
    """`kitap:kitab`, `saat^`, `zeytinyağ+`; k softens by itself in words of several syllables."""
    compound = text.endswith("+")
    fronted = text.rstrip("+").endswith("^")
    stem, _, soft = text.rstrip("+^").partition(":")
    last_word = stem.rpartition(" ")[2]
    if not soft:
        softens = last_word.endswith("k") and _syllables(last_word) > 1
        soft = (stem[:-2] + "ng" if stem.endswith("nk") else _softened(stem)) if softens else stem
    return TurkishNoun(stem, soft, fronted, compound)


_TURKISH_CASES = {"acc": "(y)I", "dat": "(y)A", "loc": "DA", "abl": "DAn", "gen": "(n)In", "ins": "(y)lA"}
# after the possessive of the third person every case but the instrumental takes an n
_TURKISH_CASES_AFTER_POSSESSIVE = {"acc": "nI", "dat": "nA", "loc": "nDA", "abl": "nDAn", "gen": "nIn", "ins": "ylA"}
_TURKISH_POSSESSIVES = {"1s": "(I)m", "1p": "(I)mIz", "2p": "(I)nIz", "3": "(s)I"}


@lru_cache(maxsize=65536)
def turkish_noun(noun: TurkishNoun, case: str = "nom", plural: bool = False, possessor: str = "") -> str:
    """The form of a noun: stem, plural, possessor (1s, 1p, 2p, 3), case (nom, acc, dat, loc, abl, gen, ins)."""
    if noun.proper:
        form = noun.stem if case == "nom" else turkish_attach(noun.stem, _TURKISH_CASES[case], "", noun.fronted)
        return form if case == "nom" else f"{noun.stem}'{form[len(noun.stem) :]}"
    form, soft, fronted = noun.stem, noun.soft, noun.fronted
    if plural:
        form = soft = turkish_attach(form, "lAr", "", fronted)
        fronted = False
    if noun.compound and not possessor:
        possessor = "3"
    if possessor:
        form = soft = turkish_attach(form, _TURKISH_POSSESSIVES[possessor], soft, fronted)
        fronted = False
    if case == "nom":
        return form
    cases = _TURKISH_CASES_AFTER_POSSESSIVE if possessor == "3" else _TURKISH_CASES
    return turkish_attach(form, cases[case], soft, fronted)


@dataclass(frozen=True, slots=True)
class TurkishVerb:
    """`light`: an unchanging word before the verb proper (yardım et-); `soft`: the stem before a vowel (git-, gid-)."""

    light: str
    stem: str
    soft: str


def parse_turkish_verb(text: str) -> TurkishVerb:
    """`git:gid`, `yardım et:yardım ed`."""
    whole, _, soft = text.partition(":")
    light, _, stem = whole.rpartition(" ")
    return TurkishVerb(light, stem, soft.rpartition(" ")[2] or stem)


def turkish_negative(verb: TurkishVerb) -> TurkishVerb:
    """gel- → gelme-."""
    stem = turkish_attach(verb.stem, "mA")
    return TurkishVerb(verb.light, stem, stem)


def turkish_passive(verb: TurkishVerb) -> TurkishVerb:
    """doğra- → doğran-, al- → alın-, et- → edil-."""
    suffix = "(n)" if verb.stem[-1] in _TURKISH_VOWELS else "In" if verb.stem.endswith("l") else "Il"
    stem = turkish_attach(verb.stem, suffix, verb.soft) if suffix != "(n)" else verb.stem + "n"
    return TurkishVerb(verb.light, stem, stem)


def _turkish_progressive(verb: TurkishVerb) -> str:
    if verb.stem[-1] not in _TURKISH_VOWELS:
        return turkish_attach(verb.stem, "Iyor", verb.soft)
    shortened = verb.stem[:-1]
    if not _syllables(shortened):
        return shortened + _TURKISH_HIGH[verb.stem[-1]] + "yor"
    return turkish_attach(shortened, "Iyor")


def _turkish_aorist(verb: TurkishVerb) -> str:
    if verb.stem[-1] in _TURKISH_VOWELS:
        return verb.stem + "r"
    low = _syllables(verb.stem) == 1 and verb.stem not in _TURKISH_AORIST_IN_I
    return turkish_attach(verb.stem, "Ar" if low else "Ir", verb.soft)


_TURKISH_PERSONS = {"1s": "(y)Im", "1p": "(y)Iz", "2p": "sInIz", "3": ""}
_TURKISH_PAST_PERSONS = {"1s": "m", "1p": "k", "2p": "nIz", "3": ""}


@lru_cache(maxsize=65536)
def turkish_finite(verb: TurkishVerb, tense: str, person: str = "3") -> str:
    """A finite form without the light word: progressive, past, future, aorist, able, must; person 1s, 1p, 2p or 3."""
    if tense == "past":
        form = turkish_attach(verb.stem, "DI", verb.soft)
        ending = _TURKISH_PAST_PERSONS[person]
        return turkish_attach(form, ending) if ending else form
    if tense == "progressive":
        form = _turkish_progressive(verb)
    elif tense == "future":
        form = turkish_attach(verb.stem, "(y)AcAk", verb.soft)
    elif tense == "aorist":
        form = _turkish_aorist(verb)
    elif tense == "able":
        form = turkish_attach(verb.stem, "(y)Abilir", verb.soft)
    else:
        form = turkish_attach(verb.stem, "mAlI")
    ending = _TURKISH_PERSONS[person]
    return turkish_attach(form, ending, _softened(form)) if ending else form


@lru_cache(maxsize=65536)
def turkish_nominal(verb: TurkishVerb, tense: str, person: str = "3", case: str = "nom") -> str:
    """The verb as a noun clause's head: geldiği, geleceğini, geldiğim; tense past or future, person the subject's."""
    form = turkish_attach(verb.stem, "(y)AcAk" if tense == "future" else "DIk", verb.soft)
    return turkish_noun(TurkishNoun(form, _softened(form)), case, possessor=person)


@lru_cache(maxsize=65536)
def turkish_nonfinite(verb: TurkishVerb, suffix: str) -> str:
    """A form with one invariable suffix: -mAk, -(y)An, -(y)Ip, -(y)In, -(y)AnA, -mAdAn, -DIktAn."""
    return turkish_attach(verb.stem, suffix, verb.soft)


# --------------------------------------------------------------------------------------------------------- the lexemes


@dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun in the three languages; compared by identity, so that it can tag its own realisations."""

    domains: str
    classes: tuple[str, ...]
    english: tuple[str, str]
    german: GermanNoun
    turkish: TurkishNoun
    usage: Mapping[str, str]

    @property
    def countable(self) -> bool:
        return self.german.plural is not None and self.english[1] != "-"


@dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """A verb in the three languages, the classes of its arguments and the government of its object.

    Governments: the German preposition and case, the Turkish case and postposition, of which the words may be empty.
    `tools`, `places` and `goals` are the classes of things that it is done with, in and into; `lasts`: it can be done
    until something happens; `manner` is the class of its adverbs of manner.
    """

    domains: str
    frame: str
    english: tuple[str, str, str]
    german: GermanVerb
    turkish: TurkishVerb
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    english_preposition: str = ""
    german_government: tuple[str, str] = ("", "acc")
    turkish_government: tuple[str, str] = ("acc", "")
    tools: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    lasts: bool = False
    manner: str = "none"

    @property
    def plainly_transitive(self) -> bool:
        """Each language has the plain object, which a passive can make its subject and a relative clause its head."""
        return bool(self.objects) and (
            self.english_preposition,
            self.german_government,
            self.turkish_government,
        ) == ("", ("", "acc"), ("acc", ""))


@dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """Predicative and comparative forms; German also the attributive stem (teuer, teur-)."""

    domains: str
    classes: tuple[str, ...]
    english: tuple[str, str]
    german: tuple[str, str, str]
    turkish: str


Pieces = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A word that does not inflect: per language its pieces, each with whether it carries the meaning."""

    domains: str
    classes: tuple[str, ...]
    english: Pieces
    german: Pieces
    turkish: Pieces


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A name; `kind` m or f for persons, city for cities and countries."""

    domains: str
    kind: str
    english: str
    german: str
    turkish: TurkishNoun


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All lexemes of the table, in its order (the most frequent of each class first)."""

    nouns: tuple[Noun, ...]
    verbs: tuple[Verb, ...]
    adjectives: tuple[Adjective, ...]
    words: Mapping[str, tuple[Word, ...]]
    names: tuple[Name, ...]


def _pieces(text: str) -> Pieces:
    if "*" not in text:
        return ((text, True),)
    return tuple((piece.lstrip("*"), piece.startswith("*")) for piece in text.split(" "))


def _forms(text: str) -> tuple[str, str]:
    first, _, second = text.partition("/")
    return first, second


def _classes(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _options(words: list[str]) -> Mapping[str, str]:
    return MappingProxyType(dict(word.split("=", 1) for word in words))


def _parse_noun(domains: str, classes: str, english: str, german: str, turkish: str, usage: str) -> Noun:
    singular, plural = _forms(english)
    nominative, gender, german_plural = german.split(" ")
    return Noun(
        domains,
        tuple(classes.split(",")),
        (singular, plural or english_plural(singular)),
        GermanNoun(nominative, gender[0], None if german_plural == "-" else german_plural, gender.endswith("*")),
        parse_turkish_noun(turkish),
        _options(usage.split()),
    )


def _parse_verb(domains: str, frame: str, english: str, german: str, turkish: str, usage: str) -> Verb:
    arguments, *government = usage.split()
    subjects, _, objects = arguments.partition(">")
    options = _options(government)
    base, *irregular = english.split("/")
    past, participle = irregular or [english_past(base)] * 2
    preposition, _, case = options.get("de", "acc").rpartition("+")
    turkish_case, _, postposition = options.get("tr", "acc").partition("+")
    return Verb(
        domains,
        frame,
        (base, past, participle),
        parse_german_verb(german),
        parse_turkish_verb(turkish),
        _classes(subjects),
        _classes(objects),
        options.get("en", ""),
        (preposition, case),
        (turkish_case, postposition),
        _classes(options.get("tool", "")),
        _classes(options.get("place", "")),
        _classes(options.get("goal", "")),
        options.get("until") == "yes",
        options.get("manner", frame),
    )


def _parse_adjective(domains: str, classes: str, english: str, german: str, turkish: str) -> Adjective:
    base, comparative = _forms(german)
    predicative, _, attributive = base.partition(":")
    forms = (predicative, attributive or predicative, comparative)
    return Adjective(domains, tuple(classes.split(",")), _forms(english), forms, turkish)


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The table `grammar_words.tsv`, read and parsed."""
    nouns: list[Noun] = []
    verbs: list[Verb] = []
    adjectives: list[Adjective] = []
    names: list[Name] = []
    words: dict[str, list[Word]] = {}
    text = files(__package__).joinpath("grammar_words.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        part, domains, classes, english, german, turkish, *usage = line.split("\t")
        if part == "noun":
            nouns.append(_parse_noun(domains, classes, english, german, turkish, "".join(usage)))
        elif part == "verb":
            verbs.append(_parse_verb(domains, classes, english, german, turkish, "".join(usage)))
        elif part == "adjective":
            adjectives.append(_parse_adjective(domains, classes, english, german, turkish))
        elif part == "name":
            names.append(Name(domains, classes, english, german, TurkishNoun(turkish, turkish, proper=True)))
        else:
            word = Word(domains, tuple(classes.split(",")), _pieces(english), _pieces(german), _pieces(turkish))
            words.setdefault(part, []).append(word)
    frozen = MappingProxyType({part: tuple(entries) for part, entries in words.items()})
    return Vocabulary(tuple(nouns), tuple(verbs), tuple(adjectives), frozen, tuple(names))
