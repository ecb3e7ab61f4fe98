"""Language codes: those of the model families, ISO 639, names, and what is refused."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from switchtune import languages
from switchtune.languages import LANGUAGES, UnknownLanguageError, find_language, language_guessed


def family_codes(family: str) -> Any:
    """The codes as transformers' tokenizer of a family lists them, read without importing it."""
    package = importlib.util.find_spec("transformers")
    assert package is not None and package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]) / "models" / family / f"tokenization_{family}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FAIRSEQ_LANGUAGE_CODES":
            return ast.literal_eval(node.value)
    raise AssertionError(f"no language codes in {path}")


# The languages of mC4 that mT5 was trained on, as its paper lists them (table 6).
MT5_CODES = """af am ar az be bg bn ca ceb co cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha haw hi hmn
ht hu hy id ig is it iw ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny pa pl ps pt ro
ru sd si sk sl sm sn so sq sr st su sv sw ta te tg th tr uk ur uz vi xh yi yo zh zu"""


@pytest.mark.parametrize(
    "codes",
    [
        family_codes("mbart"),
        family_codes("mbart50"),
        family_codes("nllb"),
        family_codes("m2m_100")["m2m100"],
        [f"__{code}__" for code in family_codes("m2m_100")["m2m100"]],
        MT5_CODES.split(),
    ],
    ids=["mbart", "mbart50", "nllb", "m2m100", "m2m100 tokens", "mt5"],
)
def test_every_code_of_a_family_names_one_language(codes: list[str]) -> None:
    found = [find_language(code).code for code in codes]
    assert len(set(found)) == len(codes)


def test_nllb_codes_are_iso3_and_script() -> None:
    # Santali: the Hub's vocabulary says Beng, the language is written in Ol Chiki.
    different = [
        code
        for code in family_codes("nllb")
        if code != f"{(language := find_language(code)).iso3}_{language.script}" and code != "sat_Beng"
    ]
    assert different == []


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("de DE deu ger de_DE de-AT deu_Latn deu-latn __de__ German german Deutsch", "de"),
        ("zh zho chi cmn zh_CN zho_Hans cmn-Hans zh-Hans-CN Chinese", "zh"),
        ("zh_Hant zho_Hant zh-TW zh_HK zh_Hant_TW zh-hant-tw cmn_Hant", "zh_Hant"),
        ("pt por pt_XX pt-BR por_BR __pt_BR__ Pt-BR", "pt"),
        ("fr fr-IT fr_CH fr_FR fr-fr FR-FR", "fr"),
        ("en en-us EN-US en_GB en-gb en-UK", "en"),
        ("es es-419 es-MX es_XX", "es"),
        ("he iw heb he_IL", "he"),
        ("no nb nob nor Norwegian", "no"),
        ("nso ns", "nso"),
        ("ar arb ara ar_AR ar-001 Arabic", "ar"),
        ("tl fil tgl tl_XX Tagalog Filipino", "tl"),
        ("fa pes per Farsi", "fa"),
        ("ko kor_Hang ko-Kore", "ko"),
    ],
)
def test_aliases(names: str, code: str) -> None:
    assert {find_language(name).code for name in names.split()} == {code}


def test_names_with_spaces() -> None:
    assert find_language(" haitian  Creole ").code == "ht"
    assert find_language("Chinese (Traditional)").code == "zh_Hant"


MINORITY = """ab ady alt an av ba ban ce chr chv csb cv dsb evn frp frr gv hsb iu kbd kl kpv krc krl ksh kw lad lez lld
mhr mrj myv nds nio nv olo os rm sah se sma smn tyv udm vep vot vro xal yrk"""


def test_minority_languages_have_names_and_scripts() -> None:
    found = {code: find_language(code) for code in MINORITY.split()}
    assert all(language.name != code for code, language in found.items())
    assert {code for code, language in found.items() if not language.script} == set()
    assert [found[code].script for code in ("tyv", "se", "hsb", "chr")] == ["Cyrl", "Latn", "Latn", "Cher"]


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("hsb hsb_Latn hsb-Latn hsb_XX hsb-DE __hsb__ Upper_Sorbian", "hsb"),
        ("se sme sme_Latn se-NO Northern_Sámi Northern_Sami", "se"),
        ("sr-Latn srp_Latn sr_Latn sr-Latn-RS", "sr_Latn"),
        ("zho_Latn zh-Latn", "zh_Latn"),
        ("hsb_Cyrl", "hsb_Cyrl"),
        ("qaa", "qaa"),
        ("qaa_Cyrl qaa-Cyrl", "qaa_Cyrl"),
        ("hs_DE", "hs_DE"),
        ("xyz_Latn", "xyz_Latn"),
    ],
)
def test_languages_that_no_family_knows(names: str, code: str) -> None:
    assert {find_language(name).code for name in names.split()} == {code}
    assert find_language(code) not in LANGUAGES


def test_every_language_of_the_table_is_found_by_its_code() -> None:
    rows = [row.split("\t") for row in Path(languages.__file__).with_name("iso639.tsv").read_text().splitlines()[1:]]
    assert len(rows) > 7500
    for code, iso, script, _ in rows:
        language = find_language(code)
        assert (language.code, language.iso3, language.script) == (code, iso.split(",")[0], script)
        assert language not in LANGUAGES
        assert find_language(f"{language.iso3}_Thai").spaced is False


def test_a_guess_takes_three_letters_for_a_language_only_where_it_is_asked_for() -> None:
    sorbian = find_language("hsb")
    assert find_language("src").name == "Logudorese Sardinian"
    assert [language_guessed(name) for name in ("src", "dev", "all", "hsb")] == [None] * 4
    assert language_guessed("hsb", [sorbian]) == sorbian
    assert language_guessed("de") == find_language("de")


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_each_language_is_found_by_its_own_fields(language: Any) -> None:
    assert find_language(language.code) is language
    assert find_language(language.name) is language
    assert find_language(f"{language.iso3}_{language.script}") is language
    assert re.fullmatch("[A-Z][a-z]{3}", language.script)


def test_codes_are_sorted_and_unique() -> None:
    codes = [language.code for language in LANGUAGES]
    assert codes == sorted(set(codes))


def test_spaces_between_words() -> None:
    unspaced = {language.code for language in LANGUAGES if not language.spaced}
    assert {"zh", "ja", "th", "lo", "km", "my"} <= unspaced
    assert not unspaced & {"de", "en", "vi", "ko", "tr", "it", "ru", "hi", "am"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("germn", "did you mean 'German'"),
        ("vn", "unknown language 'vn'"),
        ("", "unknown language ''"),
        ("de_foo", "unknown language 'de_foo'"),
        ("de-en", "names two languages .de, en."),
        ("deu-eng", "names two languages .de, en."),
        ("fr-it", r"names two languages .fr, it.; one is expected. A region is written in capitals: fr-IT"),
        ("FR-IT", "names two languages"),
        ("pt-br", "names two languages .pt, br.; one is expected. A region is written in capitals: pt-BR"),
        ("DE_EN", "names two languages"),
        ("de-ZQ", "unknown language"),
        ("de-12", "unknown language"),
        ("hsb-de", "names two languages .hsb, de."),
        ("xyz", "unknown language 'xyz'"),
        ("jp_XX", "unknown language 'jp_XX'.*'jp' is the code of a country"),
        ("xyz_Latm", "unknown language"),
        ("Uper Sorbian", "did you mean 'Upper Sorbian'"),
    ],
)
def test_what_is_no_language_is_refused(name: str, message: str) -> None:
    with pytest.raises(UnknownLanguageError, match=message):
        find_language(name)


def test_needs_only_the_standard_library() -> None:
    script = "import sys, switchtune.languages; print('numpy' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
