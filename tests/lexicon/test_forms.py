"""Other forms of a word, and the words of a compound."""

from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from switchtune.lexicon.forms import LEAST_STEM, LONGEST_COMPOUND, LONGEST_ENDING, by_stem, parts_of, stems
from switchtune.lexicon.records import Entry, Lexicon


@given(words=st.dictionaries(st.text("ab", min_size=1, max_size=9), st.integers(0, 3)), word=st.text("ab", max_size=9))
def test_a_form_begins_like_the_word_and_no_other_does_for_longer(words: dict[str, int], word: str) -> None:
    entries = {key: Entry(key, count, ()) for key, count in words.items()}
    found = by_stem(word, stems(Lexicon("de", "en", "align", "probability", "word", entries)))
    alike = {
        key: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(key, word, strict=False))) for key in words
    }
    fitting = {
        key: length
        for key, length in alike.items()
        if len(key) <= length + 1 and length >= max(LEAST_STEM, len(word) - LONGEST_ENDING)
    }
    longest = [key for key, length in fitting.items() if length == max(fitting.values())]
    assert (found is None) == (not longest)
    if found is not None:
        assert found.word in longest
        assert found.count == max(words[key] for key in longest)


@given(parts=st.lists(st.text("ab", min_size=4, max_size=6), min_size=2, max_size=3), known=st.sets(st.text("ab")))
def test_a_compound_is_made_of_known_words(parts: list[str], known: set[str]) -> None:
    word = "".join(parts)
    split = parts_of(word, {*parts, *known} - {word})
    assert 2 <= len(split) <= len(parts)
    assert set(split) <= {*parts, *known}
    assert len(word) - len("".join(split)) <= len(split) - 1
    assert parts_of(word, ()) == ()
    assert parts_of("abcd" * LONGEST_COMPOUND, {"abcd"}) == ()
