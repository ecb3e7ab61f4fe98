"""Languages are identified, and sides that are the wrong way round."""

import pytest

from switchtune.corpus.embedded import embedded_sentences
from switchtune.corpus.identify import evidence, label_of, likeliest, looks_swapped

PAIRS = [(german, english) for german, english in embedded_sentences("news", "valid", ("de", "en"), 40)]


def test_a_language_is_found_among_some() -> None:
    assert likeliest("Das ist ein Haus mit einem Garten.", ["de", "en", "tr"]) == "de"
    assert likeliest("7", ["de", "en"]) is None
    assert (label_of("German"), label_of("zh_Hant"), label_of("umb")) == ("de", "zh", None)


@pytest.mark.parametrize(
    ("languages", "pairs", "swapped"),
    [
        ("en de", PAIRS, True),
        ("de en", PAIRS, False),
        ("en de", PAIRS[:19], False),  # too few to tell
        ("en de", PAIRS[:30] + [pair[::-1] for pair in PAIRS[30:]], False),
        ("en de", [(english, english) for _, english in PAIRS], False),
        ("umb de", PAIRS, False),
        ("zh zh_Hant", PAIRS, False),
    ],
)
def test_sides_look_swapped_where_nearly_all_pairs_are(
    languages: str, pairs: list[tuple[str, str]], swapped: bool
) -> None:
    assert looks_swapped(pairs, *languages.split()) is swapped


def test_evidence_ranks_as_the_identifier_does() -> None:
    texts = [text for pair in PAIRS for text in pair] + ["ALLES GROSS GESCHRIEBEN", "Ça va très bien.", "7", ""]
    labels = ["de", "en", "fr", "sr", "tr"]
    told = evidence(texts, labels)
    assert told.shape == (len(texts), 5) and not told[-2:].any()
    assert [labels[place] for place in told[:-2].argmax(axis=1)] == [likeliest(text, labels) for text in texts[:-2]]
