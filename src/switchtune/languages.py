"""Languages: one short code for each, found from any model family's code, from ISO 639 and BCP 47, or from the name.

Two tables: `languages.tsv`, those that model families know, and `iso639.tsv`, all others of ISO 639-3 (made by
docs/make_iso639.py), which is read where the first does not help.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
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


_UNSPACED = frozenset(
    "Hani Hanb Hans Hant Jpan Hira Kana Hrkt Bopo Thai Laoo Khmr Mymr Tibt Tale Talu Lana Tavt Bali Java".split()
)
_SAME_SCRIPT = {"Kore": "Hang", "Aran": "Arab", "Hani": "Hans"}
"""What BCP 47 tags call the usual script of Korean, of Urdu and of Chinese."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language as switchtune names it."""

    code: str  # ISO 639-1 where there is one ("de"), else ISO 639-3 ("ceb"); a second script is appended ("zh_Hant")
    iso3: str  # ISO 639-3 of the individual language ("deu", "arb")
    name: str  # in English
    script: str  # ISO 15924 ("Latn"); "" where no table tells

    @property
    def spaced(self) -> bool:
        """Whether spaces stand between words; so they are taken to where the script is not known."""
        return self.script not in _UNSPACED


def _rows(table: str) -> list[str]:
    return Path(__file__).with_name(table).read_text(encoding="utf-8").splitlines()[1:]


def _language(row: str) -> Language:
    """The language of a row: its code, ISO 639-3 (first that of the individual language), script and names."""
    code, iso, script, names = row.split("\t")
    return Language(code, iso.partition(",")[0], names.partition("/")[0], script)


def _names(row: str) -> list[str]:
    """All that names the language of a row, whatever its script."""
    code, iso, _, names = row.split("\t")
    return [code, *iso.split(","), *names.split("/")]


def _key(name: str) -> str:
    if not name.isascii():
        name = "".join(each for each in unicodedata.normalize("NFD", name) if not unicodedata.combining(each))
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())  # Northern Sámi


def _read_families() -> tuple[tuple[Language, ...], dict[str, Language]]:
    """The languages that model families know, a row for each in one script, and each by all that names it."""
    languages, index = list[Language](), dict[str, Language]()
    for row in _rows("languages.tsv"):
        languages.append(language := _language(row))
        for alias in _names(row):
            # The first row of a language owns its bare codes; the row of a second script has them with that script.
            index.setdefault(_key(alias), language)
            index.setdefault(_key(f"{alias}_{language.script}"), language)
    return tuple(languages), index


LANGUAGES, _INDEX = _read_families()
"""`LANGUAGES`: those of mBART-50, M2M-100, NLLB-200 and mT5, sorted by code."""


@cache
def _others() -> dict[str, str]:
    """The rows of all other languages of ISO 639-3, by what names them; a code goes before a name (Abu is not abu)."""
    rows = _rows("iso639.tsv")
    names = {_key(name): row for row in rows for name in _names(row)}
    return names | {row.partition("\t")[0]: row for row in rows}


SCRIPTS = dict(row.split("\t") for row in _rows("iso15924.tsv"))
"""The name of every script, by its code of ISO 15924."""


def find_language(name: str) -> Language:
    """The language that `name` means: a code of any supported model family, of ISO 639 or BCP 47, or the English name.

    Letter case does not matter and "-" equals "_": de, deu, ger, de_DE, de-AT, deu_Latn, __de__ and German are one
    language. A region is ignored (but zh_TW is zh_Hant); where its code is a language's too, it must be in capitals:
    pt-BR is Portuguese, but pt-br and PT-BR may be Portuguese and Breton. A script that is not the language's usual one
    makes another language of it: sr-Latn is sr_Latn. A language without a code has one of those that ISO 639 leaves to
    everybody (qaa to qtz), or the tag that a model has for it, as the model writes it: hsb_XX, xyz_Latn.

    Raises:
        UnknownLanguageError: nothing bears this name; the message names the nearest codes.
    """
    if language := _found(name):
        return language
    raise UnknownLanguageError(_why_unknown(name))


def language_named(name: str) -> Language | None:
    """The language that `name` means, if it means one."""
    return _found(name)


def language_guessed(name: str, asked: Collection[Language] = ()) -> Language | None:
    """The language that a column or a part of a file's name says, if it says one: of those asked for, or a family's.

    Any three letters are the code of some language: src, txt, dev, all.
    """
    language = _found(name)
    return language if language in asked or language in _WELL_KNOWN else None


_WELL_KNOWN = frozenset(LANGUAGES)


def _found(name: str) -> Language | None:
    key = _key(name)
    if language := _named(key):
        return language
    stem, _, suffix = key.rpartition("_")
    if language := _named(stem):
        if re.fullmatch(r"[0-9]{3}", suffix) or _is_region(name, suffix, language):
            return language
        return _in_script(language, suffix.capitalize()) if suffix.capitalize() in SCRIPTS else None
    if suffix in _REGIONS and re.fullmatch("[a-z]{2,3}_[a-z]{4}", stem):
        return _found(stem)  # sr_Latn
    return _tag_alone(name)


def _named(key: str) -> Language | None:
    if language := _INDEX.get(key):
        return language
    if row := _others().get(key):
        return _language(row)
    return Language(key, key, key, "") if re.fullmatch("q[a-t][a-z]", key) else None


def _in_script(language: Language, script: str) -> Language:
    code = language.code.partition("_")[0]
    script = _SAME_SCRIPT.get(script, script)
    if script == language.script:
        return language
    if second := _INDEX.get(_key(f"{code}_{script}")):
        return second
    name = f"{language.name.partition(' (')[0]} ({SCRIPTS[script]} script)"
    return Language(f"{code}_{script}", language.iso3, name, script)


def _tag_alone(name: str) -> Language | None:
    """A tag that somebody gave to a language without a code, as mBART and NLLB write theirs.

    The code of a country is no such language: jp_XX is written for Japanese.
    """
    if tag := re.fullmatch("([a-z]{2,3})_([A-Z]{2})", name):
        made_up = tag[1] not in _REGIONS and tag[2].lower() in _REGIONS
        return Language(name, tag[1], name, "") if made_up else None
    if (tag := re.fullmatch("([a-z]{3})_([A-Z][a-z]{3})", name)) and tag[2] in SCRIPTS:
        return Language(name, tag[1], name, tag[2])
    return None


def _why_unknown(name: str) -> str:
    stem, _, suffix = _key(name).rpartition("_")
    if (language := _named(stem)) and (other := _named(suffix)):
        return f"language {name!r} names two languages ({language.code}, {other.code}); one is expected." + (
            f" A region is written in capitals: {language.code}-{suffix.upper()}." * (suffix in _REGIONS)
        )
    known = {spelling for language in LANGUAGES for spelling in (language.code, language.iso3, language.name)}
    if len(stem or suffix) > 3:
        known |= {other.name for other in map(_language, {*_others().values()}) if other.name[:1] == name[:1].upper()}
    country = stem or suffix
    return (
        f"unknown language {name!r}: {nearest(name, known)} "
        + f"{country!r} is the code of a country, not of a language. " * (country in _REGIONS)
        + "Expected a code such as de, deu_Latn, de_DE or sr-Latn, or "
        "a name; a language without a code takes one from qaa to qtz."
    )


def _is_region(name: str, suffix: str, language: Language) -> bool:
    """Whether the end of `name` is a region's code and can mean nothing else: fr-IT, fr-us and de-de, not fr-it."""
    in_capitals = suffix.upper() in name and name != name.upper()
    behind_script = _key(name).count("_") > 1
    return suffix in _REGIONS and (in_capitals or behind_script or _INDEX.get(suffix, language) is language)
