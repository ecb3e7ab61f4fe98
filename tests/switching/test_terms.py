"""Terms in sources: target words in place of those that they translate, and the same form for a glossary's terms."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.config.switching import TermSettings
from switchtune.corpus.words import Words, word_segmenter
from switchtune.lexicon.glossary import Glossary
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.lexicon.text import Vocabulary, encode
from switchtune.switching.terms import AlignedTerms, GlossaryTerms, Placed, frequent_words, put_in
from tests.switching.test_aligned import alignment, lexicon


def vocabulary(text: str, language: str) -> Vocabulary:
    return encode([text.split()], language).vocabulary


COMMON = "the " * 60 + "a " * 30


def terms(*links: str, lexicons: tuple[Lexicon, Lexicon] | None = None, **settings: object) -> AlignedTerms:
    return AlignedTerms(
        (word_segmenter("de"), word_segmenter("en")),
        alignment(*links),
        lexicons or (lexicon("de", "en", "der große Hund Antriebsrad bellt laut"), lexicon("en", "de", "the dog loud")),
        (
            vocabulary("der " * 60 + "Hund " * 2 + "große Antriebsrad bellt laut", "de"),
            vocabulary(COMMON + "dog", "en"),
        ),
        TermSettings.model_validate({"share": 1.0, **settings}),
    )


def sources(made: AlignedTerms, source: str, target: str, times: int = 200) -> Counter[str]:
    return Counter(made.source(source, target, 0, np.random.default_rng(seed)) for seed in range(times))


def test_a_word_becomes_the_one_that_it_is_aligned_to() -> None:
    assert set(sources(terms("0-0 1-1"), "der Hund.", "the dog!")) == {"der dog."}  # `der` is too frequent
    assert set(sources(terms("0-0"), "Laut!", "Loud?")) == {"Loud!"}
    assert set(sources(terms("0-0 1-1", tag=True), "der Hund.", "the dog!")) == {"der | dog |."}
    assert set(sources(terms("0-0 1-1", tag="##"), "der Hund.", "the dog!")) == {"der ## dog ##."}


def test_phrases_stand_in_the_order_of_the_target_and_only_whole() -> None:
    found = sources(terms("0-1 1-0", rate=1.0), "bellt laut", "loudly barks")
    assert set(found) == {"loudly barks", "barks loudly"}
    drive = sources(terms("0-0 0-1"), "Antriebsrad dreht", "drive wheel turns")
    assert set(drive) == {"Drive wheel dreht"}
    assert set(sources(terms("0-0 0-2"), "Antriebsrad", "drive the wheel")) == {"Antriebsrad"}  # not adjacent
    assert set(sources(terms("0-0 1-0"), "Antriebsrad, laut", "wheel")) == {"Antriebsrad, laut"}  # a comma between


def test_what_is_the_same_or_a_number_is_no_term() -> None:
    assert set(sources(terms("0-0 1-1"), "Berlin 12", "Berlin 12")) == {"Berlin 12"}


def test_as_many_words_as_the_rate_says_and_one_at_least() -> None:
    links, words = " ".join(f"{n}-{n}" for n in range(20)), [f"w{chr(97 + n)}" for n in range(20)]
    source, target = " ".join(words), " ".join(word.upper() + "x" for word in words)
    for rate in (0.0, 0.15, 0.5):
        made = terms(links, rate=rate)
        replaced = [
            sum(old != new for old, new in zip(words, text.split(), strict=True))
            for text in sources(made, source, target).elements()
        ]
        assert np.mean(replaced) == pytest.approx(max(2, 20 * rate), rel=0.25)  # a term has two words in the mean
        assert min(replaced) >= 1


def test_rare_words_and_those_of_the_lexicon_come_first() -> None:
    rare = sources(terms("0-0 1-1", rate=0.0), "Hund Zebrafink", "dog finch", times=1000)
    assert rare["Hund finch"] > rare["Dog Zebrafink"] > 100
    entry = Entry("Hund", 1, (Translation("dog", 1.0, 1),))
    known = Lexicon("de", "en", "test", "none", "word", {"hund": entry})
    listed = sources(
        terms("0-0 1-1", rate=0.0, lexicons=(known, lexicon("en", "de", "x"))), "Hund Zebrafink", "dog finch"
    )
    assert listed["Dog Zebrafink"] > listed["Hund finch"]


def test_half_of_the_terms_stand_in_the_form_of_the_lexicon() -> None:
    entry = Entry("Hunde", 1, (Translation("cat", 0.9, 1), Translation("dog", 0.5, 1)))
    lexicons = (Lexicon("de", "en", "test", "none", "word", {"hunde": entry}), lexicon("en", "de", "x"))
    made = terms("0-0 1-1", lexicons=lexicons)
    found = sources(made, "der Hunde", "the dogs", times=400)
    assert set(found) == {"der dog", "der dogs"}
    assert found["der dog"] == pytest.approx(200, abs=60)
    assert set(sources(terms("0-0 1-1", lexicons=lexicons, base_forms=0.0), "der Hunde", "the dogs")) == {"der dogs"}


def test_the_rates_are_those_of_the_examples() -> None:
    made = terms("0-0 1-1", "")
    rates = made.rates([("der Hund", "the dog"), ("nichts", "nothing")], np.random.default_rng(1))
    assert (rates.sentences, rates.words, rates.replaceable, rates.replaced) == (2, 3, 1, 1)


def test_the_most_frequent_words_make_up_their_share() -> None:
    assert frequent_words(vocabulary("a " * 30 + "b " * 20 + "c " * 50, "en")) == {"c"}
    assert frequent_words(vocabulary("a b c d e f g h i j", "en")) == {"a", "b", "c", "d"}


@given(
    gaps=st.lists(st.sampled_from([" ", ", ", ""]), min_size=7, max_size=7),
    bounds=st.lists(st.integers(0, 6), min_size=4, max_size=4, unique=True).map(sorted),
    mark=st.sampled_from(["", "|"]),
)
def test_texts_take_the_place_of_words_and_all_else_stays(gaps: list[str], bounds: list[int], mark: str) -> None:
    words = Words(tuple(gaps), tuple("abcdef"))
    first, second = Placed(bounds[0], bounds[1], "x y"), Placed(bounds[2], bounds[3], "z")
    made = put_in(words, [second, first], mark)
    texts = [f"{mark} {text} {mark}" if mark else text for text in ("x y", "z")]
    kept = "abcdef"
    expected = [*kept[: bounds[0]], texts[0], *kept[bounds[1] : bounds[2]], texts[1], *kept[bounds[3] :]]
    assert list(made.words) == expected
    assert made.gaps[: bounds[0] + 1] == tuple(gaps[: bounds[0] + 1])
    assert made.gaps[len(made.gaps) - (7 - bounds[3]) :] == tuple(gaps[bounds[3] :])
    assert put_in(words, []) == words


def glossary(*pairs: tuple[str, str], mark: str = "") -> GlossaryTerms:
    return GlossaryTerms(Glossary("terms.tsv", ("de", "en"), pairs), mark)


def test_terms_of_a_glossary_stand_as_those_of_training() -> None:
    put = glossary(
        ("Hund", "dog"), ("großer Hund", "mastiff"), ("das Antriebsrad", "drive wheel"), ("iPhone", "iPhone")
    )
    assert put.put_in("Große Hunde, ein Hund!")[0] == "Mastiff, ein dog!"
    assert put.put_in("Ein großer Hund.")[0] == "Ein mastiff."
    assert put.put_in("Das Antriebsrad dreht; DAS ANTRIEBSRAD")[0] == "Drive wheel dreht; DRIVE WHEEL"
    assert put.put_in("Nichts  davon ")[0] == "Nichts  davon "
    assert glossary(("Hund", "dog"), mark="|").put_in("Der Hund bellt")[0] == "Der | dog | bellt"
    assert put.put_in("Ein <b>Hund</b> http://hund.de/Hund")[0] == "Ein <b>dog</b> http://hund.de/Hund"
