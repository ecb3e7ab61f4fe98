"""Language codes and aliases: one short code per language, found from any model family's code or from the name."""

import re
from dataclasses import dataclass
from pathlib import Path

from switchtune.errors import UsageError, nearest

# ISO 3166, with UK (often written for GB) and the XX of mBART: "de_AT" is German, "de-en" is a pair and refused.
_REGION_TABLE = """
ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz ca cc
cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr ga gb gd
ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh
ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw
mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc
sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk um us
uy uz va vc ve vg vi vn vu wf ws xx ye yt za zm zw
"""
_REGIONS = frozenset(_REGION_TABLE.split())


class UnknownLanguageError(UsageError):
    """No language bears this code or name."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language as switchtune names it."""

    code: str  # ISO 639-1 where there is one ("de"), else ISO 639-3 ("ceb"); a second script is appended ("zh_Hant")
    iso3: str  # ISO 639-3 of the individual language ("deu", "arb")
    name: str  # in English
    script: str  # ISO 15924 ("Latn")
    spaced: bool  # whether spaces stand between words


def _read_table() -> tuple[tuple[Language, ...], dict[str, Language]]:
    """The languages of `languages.tsv`, a line for each language in one script, and each by all that names it.

    A line's first ISO 639-3 code is that of the individual language (ar: arb); the macrolanguage's and others follow.
    """
    languages, index = list[Language](), dict[str, Language]()
    for line in Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines()[1:]:
        code, iso, script, spaced, names = line.split("\t")
        aliases, spellings = iso.split(","), names.split("/")
        language = Language(code, aliases[0], spellings[0], script, spaced == "yes")
        languages.append(language)
        for alias in (code, *aliases, *spellings):
            # The first line of a language owns its bare codes; the line of a second script has them with that script.
            index.setdefault(_key(alias), language)
            index.setdefault(_key(f"{alias}_{script}"), language)
    return tuple(languages), index


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower()).strip("_")


LANGUAGES, _INDEX = _read_table()
"""`LANGUAGES`: those of mBART-50, M2M-100, NLLB-200 and mT5, sorted by code."""


def find_language(name: str) -> Language:
    """The language that `name` means: a code of any supported model family, an ISO 639 code, or the English name.

    Letter case does not matter and "-" equals "_": de, deu, ger, de_DE, de-AT, deu_Latn, __de__ and German are one
    language. A region is ignored (but zh_TW is zh_Hant); where its code is a language's too, it must be in capitals:
    pt-BR is Portuguese, but pt-br and PT-BR may be Portuguese and Breton. A script must be one that the language is
    known in.

    Raises:
        UnknownLanguageError: nothing bears this name; the message names the nearest codes.
    """
    key = _key(name)
    if language := _INDEX.get(key):
        return language
    stem, _, suffix = key.rpartition("_")
    if language := _INDEX.get(stem):
        if re.fullmatch(r"[0-9]{3}", suffix) or _is_region(name, suffix, language):
            return language
        if re.fullmatch(r"[a-z]{4}", suffix):
            scripts = [other.script for other in LANGUAGES if other.iso3 == language.iso3]
            raise UnknownLanguageError(
                f"language {name!r}: {language.name} is known in the script {' or '.join(scripts)}, "
                f"not {suffix.capitalize()}. Write {language.code!r} to use it all the same."
            )
        if suffix in _INDEX:
            raise UnknownLanguageError(
                f"language {name!r} names two languages ({language.code}, {_INDEX[suffix].code}); one is expected."
                + (f" A region is written in capitals: {language.code}-{suffix.upper()}." * (suffix in _REGIONS))
            )
    if suffix in _REGIONS and re.fullmatch("[a-z]{2,3}_[a-z]{4}", stem):
        return find_language(f"{stem[:-4]}{stem[-4:].capitalize()}")  # which says what is known of sr_Latn
    known = [spelling for language in LANGUAGES for spelling in (language.code, language.iso3, language.name)]
    raise UnknownLanguageError(
        f"unknown language {name!r}: {nearest(name, known)} Expected a code such as de, deu_Latn or de_DE, or a name."
    )


def _is_region(name: str, suffix: str, language: Language) -> bool:
    """Whether the end of `name` is a region's code and can mean nothing else: fr-IT, fr-us and de-de, not fr-it."""
    in_capitals = suffix.upper() in name and name != name.upper()
    behind_script = _key(name).count("_") > 1
    return suffix in _REGIONS and (in_capitals or behind_script or _INDEX.get(suffix, language) is language)


def language_named(name: str) -> Language | None:
    """The language that a column or a part of a file's name says, if it says one."""
    try:
        return find_language(name)
    except UnknownLanguageError:
        return None
