"""The judge: its figures by hand, and that it must be able to fail."""

from collections.abc import Sequence

import numpy as np
import pytest

from switchtune.lexicon.judge import Judgement, judge
from switchtune.lexicon.records import Entry, Lexicon, LexiconError, Translation, randomised
from switchtune.lexicon.text import Encoded, encode

Sentences = list[list[str]]


def lexicon_of(pairs: dict[str, str]) -> Lexicon:
    entries = {
        word: Entry(word, 1, tuple(Translation(each, 1.0, 1) for each in target.split()))
        for word, target in pairs.items()
    }
    return Lexicon("x", "y", "vecmap", "similarity", "word", entries)


def encoded(sides: tuple[Sentences, Sentences]) -> tuple[Encoded, Encoded]:
    return encode(sides[0], "x"), encode(sides[1], "y")


def judged(pairs: dict[str, str], sides: tuple[Sentences, Sentences]) -> Judgement:
    return judge([lexicon_of(pairs)], *encoded(sides), ("x", "y"))


@pytest.fixture
def text() -> tuple[Sentences, Sentences]:
    rng = np.random.default_rng(1)
    sources = [[f"s{word}" for word in rng.integers(0, 30, size=5)] for _ in range(200)]
    return sources, [[word.replace("s", "T") for word in sentence] for sentence in sources]


def test_figures_by_hand() -> None:
    sides = ([["a", "a"], ["A"], ["b"], ["c"]], [["u"], ["v"], ["U", "v"], []])
    (direction,) = judged({"a": "u", "b": "v", "z": "u"}, sides).directions
    # Three of the running words are "a", one is "b".
    assert direction.paired == pytest.approx((3 * 1 / 2 + 1) / 4)
    assert direction.shuffled == pytest.approx((3 * 2 / 4 + 2 / 4) / 4)
    assert direction.lift == pytest.approx(1 / 8)
    # Hypergeometric: of 4 sentences 2 hold the word and 2 its translation; 1 and 2.
    variance = (3 / 4) ** 2 * (1 / 2 * 1 / 2 * 2 / 3 / 2) + (1 / 4) ** 2 * (1 / 2 * 1 / 2 * 3 / 3 / 1)
    assert direction.deviations == pytest.approx((1 / 8) / np.sqrt(variance))
    assert (direction.entries, direction.words) == (3, 2)
    assert direction.coverage == pytest.approx(4 / 5)


def test_translations_share_a_word_s_weight() -> None:
    sides = ([["a"], ["b"]], [["u"], ["v"]])
    (direction,) = judged({"a": "u v nowhere", "b": "v"}, sides).directions
    assert direction.paired == pytest.approx(((1 + 0 + 0) / 3 + 1) / 2)
    assert direction.shuffled == pytest.approx(((1 / 2 + 1 / 2 + 0) / 3 + 1 / 2) / 2)


def test_shuffled_share_is_what_shuffling_gives(text: tuple[Sentences, Sentences]) -> None:
    sources, targets = text
    pairs = {f"s{word}": f"T{word}" for word in range(30)}
    rng = np.random.default_rng(2)
    shuffled = []
    for _ in range(30):
        order = rng.permutation(len(targets))
        shuffled.append(judged(pairs, (sources, [targets[place] for place in order])).directions[0].paired)
    assert judged(pairs, text).directions[0].shuffled == pytest.approx(np.mean(shuffled), abs=0.01)


def test_a_sound_lexicon_is_green_and_degenerate_ones_are_red(text: tuple[Sentences, Sentences]) -> None:
    sound = lexicon_of({f"s{word}": f"t{word}" for word in range(30)})
    verdict = judge([sound], *encoded(text), ("x", "y"))
    assert (verdict.verdict, verdict.reasons) == ("green", ())
    rotated = lexicon_of({f"s{word}": f"t{(word + 1) % 30}" for word in range(30)})
    hub = lexicon_of({f"s{word}": "t0" for word in range(30)})
    for lexicon in (randomised(sound, seed=1), rotated, hub):
        bad = judge([lexicon], *encoded(text), ("x", "y"))
        assert bad.verdict == "red"
        assert "hardly more often than by chance" in bad.reasons[0]


def test_more_wrong_entries_mean_less_lift(text: tuple[Sentences, Sentences]) -> None:
    lifts = []
    for wrong in (0, 5, 10, 20, 30):
        pairs = {f"s{word}": f"t{(word + 7) % 30 if word < wrong else word}" for word in range(30)}
        lifts.append(judged(pairs, text).lift or 0.0)
    assert lifts == sorted(lifts, reverse=True)


def inflected(forms: int) -> tuple[Sentences, Sentences]:
    """A thousand pairs; some words are twenty times as frequent as others, and each translates as any of its forms."""
    rng = np.random.default_rng(1)
    chances = 1 / np.arange(6, 106)
    sources = [rng.choice(100, size=8, replace=False, p=chances / chances.sum()).tolist() for _ in range(1000)]
    targets = [[f"t{word}.{rng.integers(forms)}" for word in sentence] for sentence in sources]
    return [[f"s{word}" for word in sentence] for sentence in sources], targets


def shuffled_entries(words: Sequence[int], forms: int) -> dict[str, str]:
    """A hundred words with all their forms, but these words with the forms of others of them."""
    given = dict(zip(words, np.roll(words, 1).tolist(), strict=True))
    return {f"s{word}": " ".join(f"t{given.get(word, word)}.{form}" for form in range(forms)) for word in range(100)}


@pytest.mark.parametrize("forms", [1, 3])
def test_what_counts_is_what_is_drawn_beside_what_a_sound_lexicon_reaches(forms: int) -> None:
    """However many forms a word has in the other language, the verdict goes by the running words that are right."""
    sides = encoded(inflected(forms))
    counts = {word: int(sides[0].vocabulary.counts[row]) for word, row in sides[0].vocabulary.index.items()}
    some = np.random.default_rng(2).permutation(np.arange(5, 100)).tolist()
    cases = {
        "none": ([], "green"),
        "the rarest 40 %": (list(range(60, 100)), "green"),
        "some": ([0, 4, *some[:20]], "amber"),
        "most": ([0, 1, 3, *some[:60]], "red"),
        "the most frequent 30 %": (list(range(30)), "red"),
        "all": (list(range(100)), "red"),
    }
    for name, (wrong, verdict) in cases.items():
        (found,) = judge([lexicon_of(shuffled_entries(wrong, forms))], *sides, ("x", "y")).directions
        right = 1 - sum(counts.get(f"s{word}", 0) for word in wrong) / sum(counts.values())
        assert found.right == pytest.approx(right, abs=0.05), name
        assert found.verdict == verdict, (name, found.right, right)
    assert found.yardstick is not None and (found.yardstick > 0.7 if forms == 1 else 0.2 < found.yardstick < 0.4)


def test_a_small_glossary_says_what_it_covers_and_is_not_refused() -> None:
    verdict = judged({"s40": "t40.0", "s50": "t50.0", "s60": "t60.0", "s70": "t70.0"}, inflected(1))
    assert verdict.verdict == "amber" and verdict.coverage < 0.05
    assert [reason.partition(";")[0] for reason in verdict.reasons] == [
        f"x-y: it covers {verdict.coverage:.1%} of the text's running words"
    ]


def test_pairs_that_are_no_translations_make_no_lexicon_good() -> None:
    sources, targets = inflected(1)
    verdict = judged(shuffled_entries([], 1), (sources, targets[1:] + targets[:1]))
    assert verdict.verdict == "red"
    assert "hardly more often than by chance" in verdict.reasons[0]


def test_luck_on_little_text_is_no_good_verdict_and_no_bad_one() -> None:
    lucky = judged({"a": "u", "b": "w"}, ([["a"], ["b"]], [["u"], ["v"]]))
    assert lucky.verdict == "amber"
    assert "hardly more often than by chance" in lucky.reasons[0] and "2 held-out pairs are few" in lucky.reasons[1]


def test_few_pairs_little_coverage_and_another_seed_make_it_amber(text: tuple[Sentences, Sentences]) -> None:
    sources, targets = text
    pairs = {f"s{word}": f"t{word}" for word in range(30)}
    few = judged(pairs, (sources[:60], targets[:60]))
    assert (few.verdict, few.held_out_pairs) == ("amber", 60)
    assert "60 held-out pairs are few" in few.reasons[0]
    some = judged({f"s{word}": f"t{word}" for word in range(9)}, text)
    assert some.verdict == "amber"
    assert "covers" in some.reasons[0]
    unstable = judge([lexicon_of(pairs)], *encoded(text), ("x", "y"), stability={("x", "y"): 0.3})
    assert (unstable.verdict, unstable.stability) == ("amber", 0.3)
    assert "70% of the running words get a different first translation" in unstable.reasons[0]


def test_a_lexicon_of_another_language_is_red_and_named(text: tuple[Sentences, Sentences]) -> None:
    assert judged({"hund": "dog"}, text).verdict == "red"
    with pytest.raises(LexiconError, match="200 source sentences, but 1"):
        judged({"s1": "t1"}, (text[0], text[1][:1]))
    with pytest.raises(LexiconError, match="The lexicon translates x-y and the text is de-en"):
        judge([lexicon_of({"s1": "t1"})], *encoded(text), ("de", "en"))


def test_text_without_pairs_gives_coverage_and_no_more(text: tuple[Sentences, Sentences]) -> None:
    sound = lexicon_of({f"s{word}": f"t{word}" for word in range(30)})
    source, target = encoded((text[0], text[1][:50]))
    verdict = judge([sound], source, target, ("x", "y"), paired=False)
    assert (verdict.verdict, verdict.lift, verdict.coverage, verdict.held_out_pairs) == ("amber", None, 1.0, 0)
    assert verdict.reasons == ("x-y: there are no sentence pairs to judge it by",)
    unstable = judge([sound], source, target, ("x", "y"), paired=False, stability={("x", "y"): 0.1})
    assert unstable.verdict == "red"
    assert "stability is all there is to go by, and that is 10%" in unstable.reasons[0]


def test_both_directions_and_thirty_samples(text: tuple[Sentences, Sentences]) -> None:
    forward = {f"s{word}": Entry(f"s{word}", 100 - word, (Translation(f"t{word}", 1.0, 1),)) for word in range(60)}
    backward = {f"t{word}": Entry(f"t{word}", 1, (Translation("s0", 1.0, 1),)) for word in range(3)}
    lexicons = [
        Lexicon("x", "y", "test", "none", "word", forward),
        Lexicon("y", "x", "test", "none", "word", backward),
    ]
    verdict = judge(lexicons, *encoded(text), ("x", "y"))
    first, second = verdict.directions
    assert (first.verdict, verdict.verdict) == ("green", second.verdict)
    assert verdict.lift == second.lift and verdict.coverage == second.coverage
    assert [len(first.samples), len(second.samples)] == [30, 3]
    assert [sample.band for sample in first.samples] == ["frequent"] * 10 + ["middling"] * 10 + ["rare"] * 10
    counts = [sample.count for sample in first.samples]
    assert counts == sorted(counts, reverse=True)
    assert first.samples[0].paired == 1.0 and first.samples[-1].paired is None
    record = verdict.record()
    assert record["verdict"] == verdict.verdict
    assert record["directions"][0]["samples"][0]["translations"] == ({"word": "t0", "strength": 1.0, "count": 1},)


def undetermined(pairs: dict[str, str]) -> Sequence[Lexicon]:
    lexicon = lexicon_of(pairs)
    return [Lexicon("und", "und", "file", "none", "word", lexicon.entries)]


def test_a_file_that_names_no_languages_is_taken_as_said(text: tuple[Sentences, Sentences]) -> None:
    pairs = {f"s{word}": f"t{word}" for word in range(30)}
    assert judge(undetermined(pairs), *encoded(text), ("x", "y")).verdict == "green"
