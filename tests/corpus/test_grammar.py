"""The embedded corpus: words inflect as grammars of the languages say, sentences are parallel and reproducible."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.corpus import grammar
from switchtune.corpus.grammar import (
    DEFAULT_SIZES,
    DOMAINS,
    LANGUAGES,
    RESERVED_SIZES,
    embedded_sentences,
    gold_lexicon,
)
from switchtune.corpus.syntax import (
    BARE,
    BE,
    BECAUSE,
    EVERY,
    HE,
    INSTRUMENT,
    IT,
    MANY,
    MUST,
    MY,
    UNTIL,
    WANT,
    A,
    Clause,
    Determiner,
    Existence,
    I,
    Measure,
    Needs,
    Phrase,
    Predicate,
    Sentence,
    Utterance,
    join,
    spell,
)
from switchtune.corpus.vocabulary import (
    GERMAN_ADJECTIVE_ENDINGS,
    GERMAN_ARTICLES,
    Adjective,
    GermanNoun,
    Name,
    Noun,
    Verb,
    Word,
    english_article,
    english_past,
    english_plural,
    english_third_person,
    german_noun,
    german_present,
    german_preterite,
    parse_german_verb,
    parse_turkish_noun,
    parse_turkish_verb,
    turkish_attach,
    turkish_finite,
    turkish_negative,
    turkish_nominal,
    turkish_nonfinite,
    turkish_noun,
    turkish_passive,
    vocabulary,
)
from switchtune.errors import SwitchtuneError

# ---------------------------------------------------------------------------------------------------------- inflection


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        # nominative, accusative, dative, locative, ablative, genitive, instrumental, plural, my …, his …
        ("ev", "ev evi eve evde evden evin evle evler evim evi"),
        ("göz", "göz gözü göze gözde gözden gözün gözle gözler gözüm gözü"),
        ("kitap:kitab", "kitap kitabı kitaba kitapta kitaptan kitabın kitapla kitaplar kitabım kitabı"),
        ("çocuk", "çocuk çocuğu çocuğa çocukta çocuktan çocuğun çocukla çocuklar çocuğum çocuğu"),
        ("araba", "araba arabayı arabaya arabada arabadan arabanın arabayla arabalar arabam arabası"),
        ("saat^", "saat saati saate saatte saatten saatin saatle saatler saatim saati"),
        ("şehir:şehr", "şehir şehri şehre şehirde şehirden şehrin şehirle şehirler şehrim şehri"),
        ("su:suy", "su suyu suya suda sudan suyun suyla sular suyum suyu"),
        (
            "zeytinyağ+",
            "zeytinyağı zeytinyağını zeytinyağına zeytinyağında zeytinyağından zeytinyağının zeytinyağıyla"
            " zeytinyağları zeytinyağım zeytinyağı",
        ),
        (
            "buzdolap:buzdolab+",
            "buzdolabı buzdolabını buzdolabına buzdolabında buzdolabından buzdolabının buzdolabıyla"
            " buzdolapları buzdolabım buzdolabı",
        ),
    ],
)
def test_turkish_noun(entry: str, forms: str) -> None:
    noun = parse_turkish_noun(entry)
    cases = [turkish_noun(noun, case) for case in ("nom", "acc", "dat", "loc", "abl", "gen", "ins")]
    others = [turkish_noun(noun, plural=True), turkish_noun(noun, possessor="1s"), turkish_noun(noun, possessor="3")]
    assert [*cases, *others] == forms.split()


def test_turkish_noun_with_several_endings() -> None:
    assert turkish_noun(parse_turkish_noun("ev"), "loc", plural=True, possessor="1p") == "evlerimizde"
    assert turkish_noun(parse_turkish_noun("ev"), "abl", possessor="3") == "evinden"
    assert turkish_noun(parse_turkish_noun("arkadaş"), "dat", possessor="1s") == "arkadaşıma"


@pytest.mark.parametrize(
    ("name", "locative", "accusative"),
    [("Ankara", "Ankara'da", "Ankara'yı"), ("Paris", "Paris'te", "Paris'i"), ("Köln", "Köln'de", "Köln'ü")],
)
def test_turkish_name(name: str, locative: str, accusative: str) -> None:
    noun = next(entry.turkish for entry in vocabulary().names if entry.turkish.stem == name)
    assert (turkish_noun(noun, "loc"), turkish_noun(noun, "acc")) == (locative, accusative)


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        # progressive, past, future, aorist, ability, necessity
        ("git:gid", "gidiyor gitti gidecek gider gidebilir gitmeli"),
        ("gel", "geliyor geldi gelecek gelir gelebilir gelmeli"),
        ("yaz", "yazıyor yazdı yazacak yazar yazabilir yazmalı"),
        ("gör", "görüyor gördü görecek görür görebilir görmeli"),
        ("başla", "başlıyor başladı başlayacak başlar başlayabilir başlamalı"),
        ("söyle", "söylüyor söyledi söyleyecek söyler söyleyebilir söylemeli"),
        ("oku", "okuyor okudu okuyacak okur okuyabilir okumalı"),
        ("ye:yi", "yiyor yedi yiyecek yer yiyebilir yemeli"),
        ("yardım et:yardım ed", "ediyor etti edecek eder edebilir etmeli"),
        ("karıştır", "karıştırıyor karıştırdı karıştıracak karıştırır karıştırabilir karıştırmalı"),
    ],
)
def test_turkish_verb(entry: str, forms: str) -> None:
    verb = parse_turkish_verb(entry)
    tenses = ("progressive", "past", "future", "aorist", "able", "must")
    assert [turkish_finite(verb, tense) for tense in tenses] == forms.split()


@pytest.mark.parametrize(
    ("tense", "forms"),
    [
        ("progressive", "gidiyorum gidiyoruz gidiyorsunuz"),
        ("past", "gittim gittik gittiniz"),
        ("future", "gideceğim gideceğiz gideceksiniz"),
        ("must", "gitmeliyim gitmeliyiz gitmelisiniz"),
    ],
)
def test_turkish_persons(tense: str, forms: str) -> None:
    verb = parse_turkish_verb("git:gid")
    assert [turkish_finite(verb, tense, person) for person in ("1s", "1p", "2p")] == forms.split()


def test_turkish_derived_verbs() -> None:
    come, take, chop, do = (parse_turkish_verb(entry) for entry in ("gel", "al", "doğra", "et:ed"))
    assert turkish_finite(turkish_negative(come), "progressive") == "gelmiyor"
    assert turkish_finite(turkish_negative(come), "future") == "gelmeyecek"
    assert [turkish_finite(turkish_passive(verb), "past") for verb in (take, chop, do)] == [
        "alındı",
        "doğrandı",
        "edildi",
    ]


def test_turkish_clause_heads() -> None:
    go, eat, begin = (parse_turkish_verb(entry) for entry in ("git:gid", "ye:yi", "başla"))
    assert turkish_nominal(go, "past", "3", "acc") == "gittiğini"
    assert turkish_nominal(go, "future", "3", "dat") == "gideceğine"
    assert turkish_nominal(begin, "past", "1p") == "başladığımız"
    assert [turkish_nonfinite(eat, suffix) for suffix in ("mAk", "(y)An", "(y)Ip", "(y)In", "(y)AnA", "mAdAn")] == [
        "yemek",
        "yiyen",
        "yiyip",
        "yiyin",
        "yiyene",
        "yemeden",
    ]


TURKISH_STEMS = st.from_regex(r"(?:[bcçdfgğhjklmnprsştvyz]?[aeıioöuü][klmnrsşt]?){1,3}", fullmatch=True)


@given(TURKISH_STEMS, st.sampled_from(["lAr", "(y)I", "(y)A", "DA", "DAn", "(n)In", "(y)lA", "(s)I", "(I)mIz", "DI"]))
def test_vowel_harmony(stem: str, suffix: str) -> None:
    """Every vowel of a suffix has the backness of the one before it, high ones its rounding; no two vowels meet."""
    attached = turkish_attach(stem, suffix)
    assert attached.startswith(stem)
    vowels = [letter for letter in attached if letter in "aeıioöuü"]
    stem_vowels = sum(letter in "aeıioöuü" for letter in stem)
    for previous, vowel in zip(vowels[stem_vowels - 1 :], vowels[stem_vowels:], strict=False):
        assert (vowel in "eiöü") == (previous in "eiöü")
        if vowel not in "ae":
            assert (vowel in "uü") == (previous in "oöuü")
    assert not re.search(r"[aeıioöuü]{2}", attached[len(stem) - 1 :])


@pytest.mark.parametrize(
    ("noun", "singular", "plural"),
    [
        (GermanNoun("Mann", "m", "Männer"), "Mann Mann Mann Mannes", "Männer Männer Männern Männer"),
        (GermanNoun("Frau", "f", "Frauen"), "Frau Frau Frau Frau", "Frauen Frauen Frauen Frauen"),
        (GermanNoun("Kind", "n", "Kinder"), "Kind Kind Kind Kindes", "Kinder Kinder Kindern Kinder"),
        (GermanNoun("Auto", "n", "Autos"), "Auto Auto Auto Autos", "Autos Autos Autos Autos"),
        (
            GermanNoun("Student", "m", "Studenten", weak=True),
            "Student Studenten Studenten Studenten",
            "Studenten Studenten Studenten Studenten",
        ),
        (
            GermanNoun("Ergebnis", "n", "Ergebnisse"),
            "Ergebnis Ergebnis Ergebnis Ergebnisses",
            "Ergebnisse Ergebnisse Ergebnissen Ergebnisse",
        ),
        (GermanNoun("Lehrer", "m", "Lehrer"), "Lehrer Lehrer Lehrer Lehrers", "Lehrer Lehrer Lehrern Lehrer"),
    ],
)
def test_german_noun(noun: GermanNoun, singular: str, plural: str) -> None:
    cases = ("nom", "acc", "dat", "gen")
    assert [german_noun(noun, case) for case in cases] == singular.split()
    assert [german_noun(noun, case, plural=True) for case in cases] == plural.split()


def test_german_declension_of_adjectives() -> None:
    articles = [GERMAN_ARTICLES[case, "m"] for case in ("nom", "acc", "dat", "gen")]
    assert articles == ["der", "den", "dem", "des"]
    masculine_after_ein = [GERMAN_ADJECTIVE_ENDINGS["mixed"][case, "m"] for case in ("nom", "acc", "dat", "gen")]
    assert masculine_after_ein == ["er", "en", "en", "en"]  # ein alter, einen alten, einem alten, eines alten
    neuter_alone = [GERMAN_ADJECTIVE_ENDINGS["strong"][case, "n"] for case in ("nom", "acc", "dat", "gen")]
    assert neuter_alone == ["es", "es", "em", "en"]  # kaltes, kaltes, kaltem, kalten Wasser


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        # ich, er, wir in the present; er, wir in the preterite; participle
        ("kaufen", "kaufe kauft kaufen kaufte kauften gekauft"),
        ("arbeiten", "arbeite arbeitet arbeiten arbeitete arbeiteten gearbeitet"),
        ("öffnen", "öffne öffnet öffnen öffnete öffneten geöffnet"),
        ("ändern", "ändere ändert ändern änderte änderten geändert"),
        ("entwickeln", "entwickle entwickelt entwickeln entwickelte entwickelten entwickelt"),
        ("kritisieren", "kritisiere kritisiert kritisieren kritisierte kritisierten kritisiert"),
        ("ab_lehnen", "lehne lehnt lehnen lehnte lehnten abgelehnt"),
        ("zu_bereiten", "bereite bereitet bereiten bereitete bereiteten zubereitet"),
        ("sehen sieht sah gesehen", "sehe sieht sehen sah sahen gesehen"),
    ],
)
def test_german_verb(entry: str, forms: str) -> None:
    verb = parse_german_verb(entry)
    present = [german_present(verb, 1, False), german_present(verb, 3, False), german_present(verb, 1, True)]
    preterite = [german_preterite(verb, 3, False), german_preterite(verb, 1, True)]
    assert [*present, *preterite, verb.participle] == forms.split()


def test_english_forms() -> None:
    assert [english_plural(noun) for noun in ("onion", "dish", "city", "key", "box")] == [
        "onions",
        "dishes",
        "cities",
        "keys",
        "boxes",
    ]
    assert [english_third_person(verb) for verb in ("go", "carry", "mix", "say", "take place")] == [
        "goes",
        "carries",
        "mixes",
        "says",
        "takes place",
    ]
    assert [english_past(verb) for verb in ("bake", "carry", "cook")] == ["baked", "carried", "cooked"]
    assert [english_article(word) for word in ("onion", "dish", "university", "hour", "Italian")] == [
        "an",
        "a",
        "a",
        "an",
        "an",
    ]


# ----------------------------------------------------------------------------------------------------------- sentences


def noun(english: str) -> Noun:
    return next(entry for entry in vocabulary().nouns if entry.english[0] == english)


def verb(english: str, frame: str) -> Verb:
    return next(entry for entry in vocabulary().verbs if entry.english[0] == english and entry.frame == frame)


def adjective(english: str) -> Adjective:
    return next(entry for entry in vocabulary().adjectives if entry.english[0] == english)


def name(english: str) -> Name:
    return next(entry for entry in vocabulary().names if entry.english == english)


def word(part: str, english: str) -> Word:
    entries = vocabulary().words[part]
    return next(entry for entry in entries if " ".join(text for text, _ in entry.english) == english)


def several(english: str, **features: Determiner | Word | Adjective) -> Phrase:
    return Phrase(noun(english), plural=True, **features)  # type: ignore[arg-type]


YOUNG_MAN = Phrase(noun("man"), A, adjective=adjective("young"))
LAW = Phrase(noun("law"), relative=Clause(verb("reject", "act"), Phrase(noun("parliament"))))
SPEAKER = Phrase(noun("minister"), relative=Clause(verb("sell", "act"), object=Phrase(noun("car"))))

FEAST = Phrase(noun("wedding"), EVERY)

SENTENCES: dict[str, tuple[Sentence, tuple[str, str, str]]] = {
    "cases and contraction": (
        Utterance(
            (
                Clause(
                    verb("give", "give"),
                    YOUNG_MAN,
                    object=Phrase(noun("key")),
                    recipient=Phrase(noun("neighbour"), MY),
                    place=Phrase(noun("station")),
                ),
            )
        ),
        (
            "A young man gave the key to my neighbour at the station.",
            "Ein junger Mann gab meinem Nachbarn den Schlüssel am Bahnhof.",
            "Genç bir adam istasyonda komşuma anahtarı verdi.",
        ),
    ),
    "relative clause about an object, separable verb": (
        Utterance((Clause(verb("announce", "act"), Phrase(noun("government")), object=LAW),)),
        (
            "The government announced the law that the parliament rejected.",
            "Die Regierung kündigte das Gesetz, das das Parlament ablehnte, an.",
            "Hükümet parlamentonun reddettiği yasayı duyurdu.",
        ),
    ),
    "relative clause about a subject, time in front": (
        Utterance((Clause(verb("resign", "rest"), SPEAKER, time=word("time", "yesterday"), time_first=True),)),
        (
            "Yesterday the minister who sold the car resigned.",
            "Gestern trat der Minister, der das Auto verkaufte, zurück.",
            "Dün arabayı satan bakan istifa etti.",
        ),
    ),
    "reported speech": (
        Utterance(
            (
                Clause(
                    verb("say", "say"),
                    Phrase(noun("doctor")),
                    content=Clause(verb("help", "act"), HE, "would", object=several("child", determiner=MANY)),
                ),
            )
        ),
        (
            "The doctor said that he would help many children.",
            "Der Arzt sagte, dass er vielen Kindern helfen würde.",
            "Doktor, birçok çocuğa yardım edeceğini söyledi.",
        ),
    ),
    "passive, owner": (
        Utterance(
            (
                Clause(
                    verb("publish", "act"),
                    Phrase(noun("report"), owner=Phrase(noun("commission"))),
                    passive=True,
                    agent=Phrase(noun("newspaper")),
                ),
            )
        ),
        (
            "The report of the commission was published by the newspaper.",
            "Der Bericht der Kommission wurde von der Zeitung veröffentlicht.",
            "Komisyonun raporu gazete tarafından yayımlandı.",
        ),
    ),
    "reason, preposition that the verb governs": (
        Utterance(
            (Clause(verb("wait", "act"), I, object=Phrase(name("Anna"))),),
            None,
            BECAUSE,
            Clause(BE, Phrase(noun("soup")), "present", predicate=Predicate(adjective("hot"), "too")),
        ),
        (
            "I waited for Anna because the soup is too hot.",
            "Ich wartete auf Anna, weil die Suppe zu heiß ist.",
            "Çorba fazla sıcak olduğu için Anna'yı bekledim.",
        ),
    ),
    "modal verb, purpose": (
        Utterance(
            (
                Clause(
                    verb("travel", "go"),
                    Phrase(name("Peter")),
                    modal=WANT,
                    goal=Phrase(name("Vienna")),
                    purpose=Clause(verb("invite", "act"), object=Phrase(noun("queen"))),
                ),
            )
        ),
        (
            "Peter wants to travel to Vienna to invite the queen.",
            "Peter will nach Wien reisen, um die Königin einzuladen.",
            "Peter kraliçeyi davet etmek için Viyana'ya seyahat etmek istiyor.",
        ),
    ),
    "negation": (
        Utterance((Clause(verb("forget", "act"), several("woman"), object=Phrase(noun("story")), negated=True),)),
        (
            "The women did not forget the story.",
            "Die Frauen vergaßen die Geschichte nicht.",
            "Kadınlar hikâyeyi unutmadı.",
        ),
    ),
    "necessity": (
        Utterance((Clause(verb("celebrate", "act"), Phrase(noun("family"), MY), modal=MUST, object=FEAST),)),
        (
            "My family must celebrate every wedding.",
            "Meine Familie muss jede Hochzeit feiern.",
            "Ailem her düğünü kutlamalı.",
        ),
    ),
    "requests": (
        Utterance(
            (
                Clause(verb("peel", "cook"), object=Phrase(noun("carrot")), tool=Phrase(noun("knife"), INSTRUMENT)),
                Clause(verb("add", "cook"), object=IT["f"]),
            ),
            word("opener", "first"),
        ),
        (
            "First, peel the carrot with a knife and add it.",
            "Zuerst schälen Sie die Karotte mit einem Messer und fügen Sie sie hinzu.",
            "Önce havucu bıçakla soyup ekleyin.",
        ),
    ),
    "request until": (
        Utterance(
            (Clause(verb("stir", "cook"), object=Phrase(noun("milk")), manner=word("manner", "slowly")),),
            None,
            UNTIL,
            Clause(verb("boil", "boil"), Phrase(noun("water")), "present"),
        ),
        (
            "Stir the milk slowly until the water boils.",
            "Rühren Sie die Milch langsam, bis das Wasser kocht.",
            "Su kaynayana kadar sütü yavaşça karıştırın.",
        ),
    ),
    "comparison": (
        Utterance(
            (
                Clause(
                    BE,
                    Phrase(noun("soup")),
                    predicate=Predicate(adjective("good"), "comparative", Phrase(noun("salad"))),
                ),
            )
        ),
        (
            "The soup was better than the salad.",
            "Die Suppe war besser als der Salat.",
            "Çorba salatadan daha iyiydi.",
        ),
    ),
    "existence": (
        Existence(
            several("egg", determiner=BARE, numeral=word("numeral", "three"), adjective=adjective("fresh")),
            Phrase(noun("refrigerator")),
            past=False,
        ),
        (
            "There are three fresh eggs in the refrigerator.",
            "Im Kühlschrank gibt es drei frische Eier.",
            "Buzdolabında üç taze yumurta var.",
        ),
    ),
    "needs": (
        Needs(
            Phrase(noun("cake")),
            (
                Measure(Phrase(noun("flour"), BARE), 200, word("unit", "gram")),
                Measure(several("egg", determiner=BARE, numeral=word("numeral", "two"))),
                Measure(Phrase(noun("salt"), BARE)),
            ),
        ),
        (
            "For the cake, you need 200 grams of flour, two eggs and salt.",
            "Für den Kuchen brauchen Sie 200 Gramm Mehl, zwei Eier und Salz.",
            "Kek için 200 gram un, iki yumurta ve tuz gerekir.",
        ),
    ),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_spelt_sentence(what: str) -> None:
    sentence, expected = SENTENCES[what]
    assert tuple(join(spell(sentence, language)) for language in LANGUAGES) == expected


@pytest.mark.parametrize(("determiner", "plural"), [(A, False), (MY, False), (MANY, True), (BARE, True)])
def test_every_noun_has_its_forms(determiner: Determiner, plural: bool) -> None:
    """No noun of the table breaks a language, and its lexeme is on what is written for it."""
    for entry in vocabulary().nouns:
        if entry.countable:
            clause = Clause(verb("find", "act"), Phrase(entry), object=Phrase(entry, determiner, plural))
            for language in LANGUAGES:
                realised = [text for text, lexeme in spell(Utterance((clause,)), language) if lexeme is entry]
                assert len(realised) == 2
                assert all(realised)


# -------------------------------------------------------------------------------------------------------------- corpus


def words_of(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


@cache
def all_rows(domain: str, split: str) -> list[tuple[str, ...]]:
    """The default train split, or all that a held-out split has."""
    return embedded_sentences(domain, split, LANGUAGES, RESERVED_SIZES.get(split))


def train_texts(domain: str, language: str) -> list[str]:
    return [row[LANGUAGES.index(language)] for row in all_rows(domain, "train")]


PINNED = {
    ("news", "train"): (
        (
            "Because the bad strike began, the government adopted a final measure.",
            "Weil der schlechte Streik begann, verabschiedete die Regierung eine endgültige Maßnahme.",
            "Kötü grev başladığı için hükümet nihai bir önlem kabul etti.",
        ),
        ("There was a refugee in the region.", "In der Region gab es einen Flüchtling.", "Bölgede bir mülteci vardı."),
        (
            "The rents will fall sharply in Germany next week.",
            "Die Mieten werden nächste Woche stark in Deutschland sinken.",
            "Kiralar gelecek hafta Almanya'da büyük ölçüde düşecek.",
        ),
    ),
    ("kitchen", "test"): (
        (
            "The happy man peeled a plum evenly on Friday.",
            "Der glückliche Mann hat am Freitag eine Pflaume gleichmäßig geschält.",
            "Mutlu adam cuma günü eşit şekilde bir erik soydu.",
        ),
        (
            "You can prepare ten sauces slowly.",
            "Sie können zehn Soßen langsam zubereiten.",
            "Yavaşça on sos hazırlayabilirsiniz.",
        ),
        (
            "Two old women cut the onion.",
            "Zwei alte Frauen haben die Zwiebel geschnitten.",
            "İki yaşlı kadın soğanı kesti.",
        ),
    ),
}


@pytest.mark.parametrize(("domain", "split"), PINNED)
def test_pinned_sentences(domain: str, split: str) -> None:
    assert embedded_sentences(domain, split, LANGUAGES, 3) == list(PINNED[domain, split])


DIGEST = """
import hashlib, sys
from switchtune.corpus.grammar import DEFAULT_SIZES, DOMAINS, LANGUAGES, embedded_sentences
rows = [embedded_sentences(domain, split, LANGUAGES, 100) for domain in DOMAINS for split in DEFAULT_SIZES]
print(hashlib.sha256(repr(rows).encode()).hexdigest(), *{"torch", "transformers", "pyarrow"} & set(sys.modules))
"""


def test_same_sentences_in_every_process() -> None:
    """Whatever the hash seed; and no heavy library is loaded for them."""
    rows = [embedded_sentences(domain, split, LANGUAGES, 100) for domain in DOMAINS for split in DEFAULT_SIZES]
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [hashlib.sha256(repr(rows).encode()).hexdigest()]


@pytest.mark.parametrize("domain", DOMAINS)
def test_default_sizes_and_prefixes(domain: str) -> None:
    for split, size in DEFAULT_SIZES.items():
        rows = embedded_sentences(domain, split, ["de", "tr"])
        assert len(rows) == size
        assert embedded_sentences(domain, split, ["tr"], 20) == [(row[1],) for row in rows[:20]]


def test_splits_share_no_sentence_in_any_language() -> None:
    """Not even a train split with the held-out split of the other domain, and not beyond the default sizes."""
    for column in range(len(LANGUAGES)):
        held_out = [
            Counter(row[column] for row in all_rows(domain, split)) for domain in DOMAINS for split in RESERVED_SIZES
        ]
        together = sum(held_out, Counter())
        assert set(together.values()) == {1}
        for domain in DOMAINS:
            train = Counter(row[column] for row in all_rows(domain, "train"))
            assert set(train.values()) == {1}
            assert not together.keys() & train.keys()


@pytest.mark.parametrize("domain", DOMAINS)
def test_sentences_look_like_sentences(domain: str) -> None:
    lengths: dict[str, Counter[int]] = defaultdict(Counter)
    for language in LANGUAGES:
        for text in train_texts(domain, language):
            assert re.fullmatch(r"[\w' ,]+\.", text)
            assert not re.search(r"  | ,|,,|,\.|,\w", text)
            assert text[0] == text[0].upper()
            lengths[language][text.count(" ") + 1] += 1
    for language, counts in lengths.items():
        assert min(counts) >= (3 if language == "tr" else 4)
        assert max(counts) <= 20
        assert sum(share >= 100 for share in counts.values()) >= 7  # many lengths, each of many sentences


@pytest.mark.parametrize("domain", DOMAINS)
def test_german_subordinate_clauses(domain: str) -> None:
    """Before a conjunction a comma, and the finite verb at the end of what is said."""
    german = train_texts(domain, "de")
    for text in german:
        assert not re.search(r"[^,] (?:dass|weil|obwohl|bevor|nachdem|bis) ", text)
    said = [text for text in german if ", dass " in text]
    assert len(said) > 50
    assert all(re.search(r" (?:hatten?|war(?:en)?|würden?)\.$", text) for text in said)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_frequencies_follow_zipf(domain: str, language: str) -> None:
    """Frequency falls with about the inverse of the rank: a straight line in logarithms."""
    counts = Counter(w for text in train_texts(domain, language) for w in words_of(text))
    frequencies = np.log([count for _, count in counts.most_common(300)])
    ranks = np.log(np.arange(1, 301))
    slope = np.polyfit(ranks, frequencies, 1)[0]
    assert -1.2 < slope < -0.6
    assert np.corrcoef(ranks, frequencies)[0, 1] < -0.97
    assert sum(count == 1 for count in counts.values()) >= 30


@pytest.mark.parametrize("language", LANGUAGES)
def test_domains_share_a_part_of_their_words(language: str) -> None:
    news, kitchen = ({w for text in train_texts(domain, language) for w in words_of(text)} for domain in DOMAINS)
    assert 0.2 < len(news & kitchen) / len(kitchen) < 0.7
    assert 0.2 < len(news & kitchen) / len(news) < 0.7


def test_table_has_content_words_enough() -> None:
    table = vocabulary()
    lexemes: tuple[Noun | Verb | Adjective | Name | Word, ...] = (*table.nouns, *table.verbs, *table.adjectives)
    content = [entry.domains for entry in (*lexemes, *table.words["manner"], *table.names)]
    assert 600 <= len(content) <= 1000
    for letter in ("n", "k"):
        assert sum(letter in domains for domains in content) > 300


# -------------------------------------------------------------------------------------------------------- gold lexicon


@pytest.fixture(scope="module", autouse=True)
def quick_gold() -> Iterator[None]:
    """The gold lexicon is recorded over no more than the default train split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar, "_GOLD_SENTENCES", DEFAULT_SIZES["train"])
        grammar._realisations.cache_clear()
        yield
        grammar._realisations.cache_clear()


@pytest.mark.parametrize("domain", DOMAINS)
def test_gold_translations_stand_in_paired_sentences(domain: str) -> None:
    rows = [row for split in DEFAULT_SIZES for row in all_rows(domain, split)]
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for index, row in enumerate(rows):
        for language, text in zip(LANGUAGES, row, strict=True):
            for token in text[:-1].replace(",", "").lower().split(" "):
                places[language, token].add(index)
    for source, target in (("en", "de"), ("de", "tr"), ("tr", "en")):
        lexicon = gold_lexicon(source, target, domain)
        assert len(lexicon) > 400
        for entry, translations in lexicon.items():
            for translation in translations:
                assert places[source, entry] & places[target, translation], (entry, translation)


def test_gold_lexicon_knows_translations() -> None:
    german = gold_lexicon("en", "de")
    assert german["house"] == {"haus"}
    assert "häuser" in german["houses"] <= {"häuser", "häusern"}
    assert german["onions"] == {"zwiebeln"}
    assert {"gesehen", "sah"} <= german["saw"]
    assert {"der", "die", "das", "den"} <= german["the"] <= {"der", "die", "das", "den", "dem", "des"}
    assert german["announced"].isdisjoint({"kündigte", "an"})  # in two parts: kündigte … an
    turkish = gold_lexicon("en", "tr", "kitchen")
    assert {"soğan", "soğanı"} <= turkish["onion"]
    assert turkish["boils"] >= {"kaynar", "kaynayana"}
    assert "oil" not in german  # olive oil: two words
    assert "unuttu" in gold_lexicon("en", "tr", "news")["forgot"]
    assert "unutmadı" not in gold_lexicon("tr", "en", "news")


def test_gold_lexicon_keeps_domains_apart() -> None:
    assert gold_lexicon("de", "en", "news")["gericht"] == {"court"}
    assert gold_lexicon("de", "en", "kitchen")["gericht"] == {"dish"}
    assert gold_lexicon("de", "en")["gericht"] == {"court", "dish"}


def test_gold_lexicon_has_two_directions() -> None:
    forward = {(w, t) for w, translations in gold_lexicon("de", "tr").items() for t in translations}
    backward = {(t, w) for w, translations in gold_lexicon("tr", "de").items() for t in translations}
    assert forward == backward


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("domain", "split", "languages", "named"),
    [
        ("kitchn", "train", ["en"], "'kitchen'"),
        ("news", "dev", ["en"], "valid"),
        ("news", "tests", ["en"], "'test'"),
        ("news", "train", ["en", "fr"], "'fr'"),
    ],
)
def test_unknown_names(domain: str, split: str, languages: list[str], named: str) -> None:
    with pytest.raises(SwitchtuneError, match=re.escape(named)):
        embedded_sentences(domain, split, languages)


@pytest.mark.parametrize(("split", "count"), [("valid", 501), ("test", 1001), ("train", -1)])
def test_more_sentences_than_there_are(split: str, count: int) -> None:
    with pytest.raises(SwitchtuneError, match=f"{count} sentences were asked for"):
        embedded_sentences("news", split, ["en"], count)


def test_gold_lexicon_of_unknown_names() -> None:
    with pytest.raises(SwitchtuneError, match="'xx'"):
        gold_lexicon("en", "xx")
    with pytest.raises(SwitchtuneError, match="'kitchen'"):
        gold_lexicon("en", "de", "kitch")
