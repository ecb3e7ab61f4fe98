"""Texts that are alike are found, and their likeness is the share of n-grams in common."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.corpus.embedded import embedded_sentences
from switchtune.corpus.similar import GRAM, Likenesses, as_compared, earlier_likenesses, signatures, similarity

TEXTS = [as_compared(english) for _, english in embedded_sentences("news", "train", ("de", "en"), 200)]


@pytest.mark.parametrize(
    ("text", "other"),
    [("Das „Haus“!", "das haus"), ("A  b.", "a b"), ("Ａ１", "a1"), ("कि।", "कि"), ("e\u0301t", "ét"), ("İ", "i̇")],
)
def test_what_does_not_make_another_text_is_not_compared(text: str, other: str) -> None:
    assert as_compared(text) == as_compared(other)


def test_signs_alone_and_vowel_signs_stay() -> None:
    assert as_compared(" ?! ") == "?!" and as_compared("कि") != as_compared("क")


@given(st.text(min_size=1), st.text(min_size=1))
def test_similarity_is_that_of_sets_of_n_grams(text: str, other: str) -> None:
    def grams(of: str) -> set[str]:
        framed = f" {of} ".ljust(GRAM)
        return {framed[start : start + GRAM] for start in range(len(framed) - GRAM + 1)}

    expected = len(grams(text) & grams(other)) / len(grams(text) | grams(other))
    assert similarity(text, other) == pytest.approx(expected) and similarity(other, text) == similarity(text, other)


def test_equal_hashes_are_about_as_many_as_common_n_grams() -> None:
    shorter = [text[: -len(text) // 4] for text in TEXTS]
    told = (signatures(TEXTS) == signatures(shorter)).mean(axis=1)
    true = [similarity(text, other) for text, other in zip(TEXTS, shorter, strict=True)]
    assert abs(told.mean() - np.mean(true)) < 0.02


def test_signatures_do_not_depend_on_the_texts_beside() -> None:
    assert (signatures(TEXTS)[7] == signatures(TEXTS[7:8])[0]).all() and signatures([]).shape[0] == 0


def test_near_and_equal_texts_are_found_among_others() -> None:
    changed = [f"{TEXTS[3]} x", "nothing like any of these at all", TEXTS[5]]
    found = list(Likenesses(TEXTS).near(changed, signatures(changed)))
    assert [(number, row) for number, row, _ in found] == [(0, 3), (2, TEXTS.index(TEXTS[5]))]
    assert found[1][2] == 1 and 0.7 <= found[0][2] < 1
    earlier = earlier_likenesses(signatures([*TEXTS[:10], *changed]))
    assert earlier[10] == 3 and earlier[11] == -1
