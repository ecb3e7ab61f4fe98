"""Which outputs count as being in the right language: neighbours, scripts, text that says nothing."""

import lzma
from pathlib import Path

import pytest

from switchtune.scoring.assess import assess
from switchtune.scoring.in_language import in_language
from switchtune.scoring.metrics import ScoringError

SENTENCES = {
    "de": "Ein kleiner Junge spielt mit seinem Hund im Garten hinter dem Haus.",
    "en": "A small boy is playing with his dog in the garden behind the house.",
    "fr": "Un petit garçon joue avec son chien dans le jardin derrière la maison.",
    "es": "Un niño pequeño juega con su perro en el jardín detrás de la casa.",
    "tr": "Küçük bir çocuk evin arkasındaki bahçede köpeğiyle oynuyor.",
    "vi": "Một cậu bé đang chơi với con chó của mình trong khu vườn sau nhà.",
    "ru": "Маленький мальчик играет со своей собакой в саду за домом.",
    "uk": "Маленький хлопчик грається зі своїм собакою в саду за будинком.",
    "zh": "一个小男孩在房子后面的花园里和他的狗玩耍。",
    "ja": "小さな男の子が家の裏の庭で犬と遊んでいます。",
    "ko": "작은 소년이 집 뒤 정원에서 개와 놀고 있다.",
    "th": "เด็กชายตัวเล็กกำลังเล่นกับสุนัขของเขาในสวนหลังบ้าน",
}
NEIGHBOURS = {
    "cs": "Vláda včera oznámila, že daně se v příštím roce zvyšovat nebudou.",
    "sk": "Vláda včera oznámila, že dane sa v budúcom roku zvyšovať nebudú.",
    "da": "Regeringen meddelte i går, at skatterne ikke vil stige næste år.",
    "no": "Regjeringen kunngjorde i går at skattene ikke vil øke neste år.",
    "id": "Pemerintah kemarin mengumumkan bahwa pajak tidak akan naik tahun depan.",
    "ms": "Kerajaan semalam mengumumkan bahawa cukai tidak akan naik tahun depan.",
    "bg": "Вчера правителството обяви, че данъците няма да се увеличат догодина.",
    "mk": "Владата вчера објави дека даноците нема да се зголемат следната година.",
    "lb": "D'Regierung huet gëschter matgedeelt, datt d'Steieren d'nächst Joer net an d'Luucht ginn.",
}
BOSNIAN = [
    "Mali dječak se igra sa svojim psom u bašti iza kuće.",
    "Vlada je jučer saopćila da se porezi naredne godine neće povećavati.",
    "Kada sam došao kući, nikoga nije bilo i svjetlo je bilo ugašeno.",
]


@pytest.mark.parametrize("language", [*SENTENCES, *NEIGHBOURS])
def test_a_sentence_counts_in_its_own_language_only(language: str) -> None:
    sentences = SENTENCES | NEIGHBOURS
    expected = [float(other == language) for other in sentences]
    assert [in_language([text], language).value for text in sentences.values()] == expected


def test_what_cannot_be_told_apart_has_the_references_as_its_yardstick() -> None:
    found = in_language(BOSNIAN, "bs", BOSNIAN)
    assert found.value == found.references and found.value < 1
    assert in_language(BOSNIAN, "bs").references is None


def test_outputs_that_say_nothing_do_not_count() -> None:
    score = in_language([SENTENCES["de"], "", " ", "1,234.5", "...", "x", SENTENCES["en"], SENTENCES["de"]], "de")
    assert score.value == 2 / 8
    assert score.segments[:, 0].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]
    assert (score.metric, score.n) == ("in-language", 8)


def test_a_language_of_no_neighbours_is_told_by_its_script() -> None:
    assert in_language([SENTENCES["ko"], SENTENCES["ja"], SENTENCES["de"], "12"], "ko").value == 1 / 4


def test_names_in_other_letters_do_not_make_it_another_language() -> None:
    assert in_language(["昨天 Christopher Washington 和 Elizabeth Montgomery 在花园里跟他们的狗玩。"], "zh").value == 1
    assert in_language(["Вчера Windows обновилась, и маленький мальчик не смог играть."], "ru").value == 1
    assert in_language(["Christopher Washington and Elizabeth Montgomery, 在花园"], "zh").value == 0


def test_the_signature_says_what_was_tested() -> None:
    assert in_language(["x"], "deu_Latn").signature.startswith("lang:de|script:Latn|rivals:75|py3langid:")
    assert in_language(["x"], "ja").signature.startswith("lang:ja|script:Jpan|rivals:2|py3langid:")
    assert in_language(["x"], "umb").signature == "lang:umb|script:Latn"


def test_traditional_chinese_counts_as_chinese() -> None:
    assert in_language(["一個小男孩在房子後面的花園裡和他的狗玩耍。"], "zho_Hant").value == 1


def test_of_a_language_that_cannot_be_identified_the_script_alone_is_tested_and_that_is_said() -> None:
    found = in_language(["אַ קליין ייִנגל שפּילט זיך מיט זײַן הונט.", SENTENCES["en"]], "yi")
    assert (found.metric, found.value) == ("in-script", 0.5)
    assessed = assess(["a b c d"], ["a b c d"], "umb")
    assert [score.metric for score in assessed.scores] == ["BLEU", "chrF++", "in-script"]
    assert not assessed.left_out


def test_no_outputs_to_identify() -> None:
    with pytest.raises(ScoringError, match="no hypotheses"):
        in_language([], "de")


@pytest.mark.parametrize("language", ["cs", "de", "en", "es", "it", "ja", "ko", "lt", "ro", "ru", "tr", "vi", "zh"])
def test_language_of_real_text(language: str, shared_data: Path) -> None:
    def lines(code: str) -> list[str]:
        text = (shared_data / "multiway" / "ntrex" / f"test.{code}.xz").read_bytes()
        return lzma.decompress(text).decode().splitlines()[:200]

    assert in_language(lines(language), language).value > 0.98
    assert in_language(lines("fr"), language).value < 0.01
