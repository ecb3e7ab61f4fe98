"""Language codes and aliases: one short code per language, found from any model family's code or from the name."""

import re
from dataclasses import dataclass

from switchtune.errors import UsageError, nearest

# One language a line: code, ISO 639-3 and further codes, script, name and further names.
# The ISO 639-3 code is that of the individual language where the short code names a macrolanguage (ar: arb), as NLLB
# writes it; the macrolanguage's code follows as an alias. A language in a second script has a line after the first.
_TABLE = """
ace ace Latn Acehnese
ace_Arab ace Arab Acehnese (Arabic script)
acm acm Arab Mesopotamian Arabic
acq acq Arab Ta'izzi-Adeni Arabic
aeb aeb Arab Tunisian Arabic
af afr Latn Afrikaans
ajp ajp Arab South Levantine Arabic
ak aka Latn Akan
am amh Ethi Amharic
apc apc Arab North Levantine Arabic/Levantine Arabic
ar arb,ara Arab Arabic/Standard Arabic/Modern Standard Arabic
ars ars Arab Najdi Arabic
ary ary Arab Moroccan Arabic
arz arz Arab Egyptian Arabic
as asm Beng Assamese
ast ast Latn Asturian
awa awa Deva Awadhi
ay ayr,aym Latn Aymara/Central Aymara
az azj,aze Latn Azerbaijani/North Azerbaijani
azb azb Arab South Azerbaijani
ba bak Cyrl Bashkir
ban ban Latn Balinese
be bel Cyrl Belarusian
bem bem Latn Bemba
bg bul Cyrl Bulgarian
bho bho Deva Bhojpuri
bjn bjn Latn Banjar
bjn_Arab bjn Arab Banjar (Arabic script)
bm bam Latn Bambara
bn ben Beng Bengali/Bangla
bo bod,tib Tibt Tibetan/Standard Tibetan
br bre Latn Breton
bs bos Latn Bosnian
bug bug Latn Buginese
ca cat Latn Catalan
ceb ceb Latn Cebuano
cjk cjk Latn Chokwe
ckb ckb Arab Central Kurdish/Sorani
co cos Latn Corsican
crh crh Latn Crimean Tatar
cs ces,cze Latn Czech
cy cym,wel Latn Welsh
da dan Latn Danish
de deu,ger Latn German/Deutsch
dik dik,din Latn Dinka/Southwestern Dinka
dyu dyu Latn Dyula
dz dzo Tibt Dzongkha
ee ewe Latn Ewe
el ell,gre Grek Greek/Modern Greek
en eng Latn English
eo epo Latn Esperanto
es spa Latn Spanish/Castilian
et est,ekk Latn Estonian
eu eus,baq Latn Basque
fa pes,fas,per Arab Persian/Farsi/Western Persian
ff fuv,ful Latn Fula/Fulah/Nigerian Fulfulde
fi fin Latn Finnish
fj fij Latn Fijian
fo fao Latn Faroese
fon fon Latn Fon
fr fra,fre Latn French
fur fur Latn Friulian
fy fry Latn Western Frisian/Frisian
ga gle Latn Irish
gd gla Latn Scottish Gaelic
gl glg Latn Galician
gn grn,gug Latn Guarani
gu guj Gujr Gujarati
ha hau Latn Hausa
haw haw Latn Hawaiian
he heb,iw Hebr Hebrew
hi hin Deva Hindi
hmn hmn Latn Hmong
hne hne Deva Chhattisgarhi
hr hrv Latn Croatian
ht hat Latn Haitian Creole/Haitian
hu hun Latn Hungarian
hy hye,arm Armn Armenian
id ind,in Latn Indonesian
ig ibo Latn Igbo
ilo ilo Latn Ilocano
is isl,ice Latn Icelandic
it ita Latn Italian
ja jpn Jpan Japanese
jv jav,jw Latn Javanese
ka kat,geo Geor Georgian
kab kab Latn Kabyle
kac kac Latn Jingpho/Kachin
kam kam Latn Kamba
kbp kbp Latn Kabiyè
kea kea Latn Kabuverdianu
kg kon,ktu Latn Kongo/Kikongo
ki kik Latn Kikuyu
kk kaz Cyrl Kazakh
km khm Khmr Khmer
kmb kmb Latn Kimbundu
kn kan Knda Kannada
ko kor Hang Korean
kr knc,kau Arab Kanuri/Central Kanuri
kr_Latn knc,kau,kr Latn Kanuri (Latin script)
ks kas Arab Kashmiri
ks_Deva kas,ks Deva Kashmiri (Devanagari script)
ku kmr,kur Latn Kurdish/Northern Kurdish/Kurmanji
ky kir Cyrl Kyrgyz
la lat Latn Latin
lb ltz Latn Luxembourgish
lg lug Latn Ganda/Luganda
li lim Latn Limburgish
lij lij Latn Ligurian
lmo lmo Latn Lombard
ln lin Latn Lingala
lo lao Laoo Lao
lt lit Latn Lithuanian
ltg ltg Latn Latgalian
lua lua Latn Luba-Kasai
luo luo Latn Luo
lus lus Latn Mizo
lv lvs,lav Latn Latvian/Standard Latvian
mag mag Deva Magahi
mai mai Deva Maithili
mg plt,mlg Latn Malagasy/Plateau Malagasy
mi mri,mao Latn Maori
min min Latn Minangkabau
mk mkd,mac Cyrl Macedonian
ml mal Mlym Malayalam
mn khk,mon Cyrl Mongolian/Halh Mongolian
mni mni Beng Meitei/Manipuri
mos mos Latn Mossi
mr mar Deva Marathi
ms zsm,msa,may Latn Malay/Standard Malay
mt mlt Latn Maltese
my mya,bur Mymr Burmese
ne npi,nep Deva Nepali
nl nld,dut Latn Dutch
nn nno Latn Norwegian Nynorsk/Nynorsk
no nob,nor,nb Latn Norwegian/Norwegian Bokmål/Bokmål
nso nso,ns Latn Northern Sotho/Sepedi
nus nus Latn Nuer
ny nya Latn Chichewa/Nyanja
oc oci Latn Occitan
om gaz,orm Latn Oromo/West Central Oromo
or ory,ori Orya Odia/Oriya
pa pan Guru Punjabi/Eastern Panjabi
pag pag Latn Pangasinan
pap pap Latn Papiamento
pl pol Latn Polish
prs prs Arab Dari
ps pbt,pus Arab Pashto/Southern Pashto
pt por Latn Portuguese
qu quy,que Latn Quechua/Ayacucho Quechua
rn run Latn Rundi/Kirundi
ro ron,rum,mo Latn Romanian
ru rus Cyrl Russian
rw kin Latn Kinyarwanda
sa san Deva Sanskrit
sat sat,sat_beng Olck Santali
sc srd Latn Sardinian
scn scn Latn Sicilian
sd snd Arab Sindhi
sg sag Latn Sango
shn shn Mymr Shan
si sin Sinh Sinhala
sk slk,slo Latn Slovak
sl slv Latn Slovenian/Slovene
sm smo Latn Samoan
sn sna Latn Shona
so som Latn Somali
sq als,sqi,alb Latn Albanian/Tosk Albanian
sr srp Cyrl Serbian
ss ssw Latn Swati
st sot Latn Southern Sotho/Sesotho
su sun Latn Sundanese
sv swe Latn Swedish
sw swh,swa Latn Swahili
szl szl Latn Silesian
ta tam Taml Tamil
taq taq Latn Tamasheq
taq_Tfng taq Tfng Tamasheq (Tifinagh script)
te tel Telu Telugu
tg tgk Cyrl Tajik
th tha Thai Thai
ti tir Ethi Tigrinya
tk tuk Latn Turkmen
tl tgl,fil Latn Tagalog/Filipino
tn tsn Latn Tswana
tpi tpi Latn Tok Pisin
tr tur Latn Turkish
ts tso Latn Tsonga
tt tat Cyrl Tatar
tum tum Latn Tumbuka
tw twi Latn Twi
tzm tzm Tfng Central Atlas Tamazight/Tamazight
ug uig Arab Uyghur
uk ukr Cyrl Ukrainian
umb umb Latn Umbundu
ur urd Arab Urdu
uz uzn,uzb Latn Uzbek/Northern Uzbek
vec vec Latn Venetian
vi vie Latn Vietnamese
war war Latn Waray
wo wol Latn Wolof
xh xho Latn Xhosa
yi ydd,yid Hebr Yiddish/Eastern Yiddish
yo yor Latn Yoruba
yue yue Hant Cantonese/Yue Chinese
zh zho,chi,cmn Hans Chinese/Mandarin/Simplified Chinese/Chinese (Simplified)
zh_Hant zho,chi,cmn,zh,zh_tw,zh_hk,zh_mo Hant Traditional Chinese/Chinese (Traditional)
zu zul Latn Zulu
"""

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

_UNSPACED = frozenset({"zh", "zh_Hant", "yue", "ja", "th", "lo", "km", "my", "shn", "bo", "dz"})


class UnknownLanguageError(UsageError):
    """No language bears this code or name."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language as switchtune names it.

    Attributes:
        code: the short code used everywhere, ISO 639-1 where there is one ("de"), else ISO 639-3 ("ceb"); a second
            script is appended ("zh_Hant").
        iso3: ISO 639-3 of the individual language ("deu", "arb").
        name: the English name.
        script: ISO 15924 ("Latn").
        spaced: whether spaces stand between words.
    """

    code: str
    iso3: str
    name: str
    script: str
    spaced: bool


def _parse(table: str) -> tuple[tuple[Language, ...], dict[str, Language]]:
    languages, index = list[Language](), dict[str, Language]()
    for line in table.strip().splitlines():
        code, codes, script, names = line.split(" ", 3)
        aliases, spellings = codes.split(","), names.split("/")
        language = Language(code, aliases[0], spellings[0], script, code not in _UNSPACED)
        languages.append(language)
        for alias in (code, *aliases, *spellings):
            # The first line of a language owns its bare codes; the line of a second script has them with that script.
            index.setdefault(_key(alias), language)
            index.setdefault(_key(f"{alias}_{script}"), language)
    return tuple(languages), index


def _key(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().lower()).strip("_")


LANGUAGES, _INDEX = _parse(_TABLE)
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
