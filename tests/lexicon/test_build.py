"""Building by either method, and the judge that must be able to fail."""

from types import SimpleNamespace

import numpy as np
import pytest

from switchtune.config import LexiconSettings
from switchtune.corpus.words import word_segmenter
from switchtune.lexicon import Entry, Lexicon, LexiconError, Translation, build, randomised
from switchtune.lexicon.build import (
    DegenerateLexiconError,
    build_lexicons,
    check_not_degenerate,
    lexicons_from_corpus,
    paired_shares,
)


def lexicon_of(pairs: dict[str, str]) -> Lexicon:
    entries = {word: Entry(word, 1, (Translation(target, 1.0, 1),)) for word, target in pairs.items()}
    return Lexicon("x", "y", "vecmap", "similarity", "word", entries)


@pytest.fixture
def text() -> tuple[list[list[str]], list[list[str]]]:
    rng = np.random.default_rng(1)
    sources = [[f"s{word}" for word in rng.integers(0, 30, size=5)] for _ in range(200)]
    return sources, [[word.replace("s", "T") for word in sentence] for sentence in sources]


def test_paired_shares_by_hand() -> None:
    sources = [["a", "a"], ["A"], ["b"], ["c"]]
    targets = [["u"], ["v"], ["U", "v"], []]
    shares = paired_shares(lexicon_of({"a": "u", "b": "v", "z": "u"}), sources, targets)
    assert shares.paired == pytest.approx((1 / 2 + 1) / 2)
    assert shares.shuffled == pytest.approx((2 / 4 + 2 / 4) / 2)
    # Hypergeometric: of 4 sentences 2 hold the word and 2 its translation; 1 and 2.
    variance = (1 / 2 * 1 / 2 * 2 / 3 / 2) + (1 / 2 * 1 / 2 * 3 / 3 / 1)
    assert shares.deviations == pytest.approx((1.5 - 1.0) / np.sqrt(variance))


def test_shuffled_share_is_what_shuffling_gives(text) -> None:
    sources, targets = text
    lexicon = lexicon_of({f"s{word}": f"T{word}" for word in range(30)})
    rng = np.random.default_rng(2)
    shuffled = []
    for _ in range(30):
        order = rng.permutation(len(targets))
        shuffled.append(paired_shares(lexicon, sources, [targets[place] for place in order]).paired)
    assert paired_shares(lexicon, sources, targets).shuffled == pytest.approx(np.mean(shuffled), abs=0.01)


def test_sound_lexicon_passes_and_degenerate_ones_stop(text) -> None:
    sources, targets = text
    sound = lexicon_of({f"s{word}": f"t{word}" for word in range(30)})
    assert check_not_degenerate(sound, sources, targets).paired == 1
    rotated = lexicon_of({f"s{word}": f"t{(word + 1) % 30}" for word in range(30)})
    hub = lexicon_of({f"s{word}": "t0" for word in range(30)})
    for lexicon in (randomised(sound, seed=1), rotated, hub):
        with pytest.raises(
            DegenerateLexiconError, match=r"x-y has degenerated.*\d% of the paired.*\d%\s+of shuffled.*method align"
        ):
            check_not_degenerate(lexicon, sources, targets)


def test_small_gain_does_not_pass_however_certain(text) -> None:
    sources, targets = text
    half = lexicon_of({f"s{word}": f"t{word if word % 2 else (word + 2) % 30}" for word in range(30)})
    shares = check_not_degenerate(half, sources, targets)
    assert shares.deviations > 20
    assert 0.3 < shares.paired - shares.shuffled < 0.5
    with pytest.raises(DegenerateLexiconError):
        check_not_degenerate(half, sources, targets, min_gain=0.5)


def test_luck_on_little_text_does_not_pass() -> None:
    with pytest.raises(DegenerateLexiconError):
        check_not_degenerate(lexicon_of({"a": "u"}), [["a"], ["b"]], [["u"], ["v"]])


def test_lexicon_of_another_language_is_named(text) -> None:
    with pytest.raises(LexiconError, match="No word of the lexicon occurs"):
        paired_shares(lexicon_of({"hund": "dog"}), *text)
    with pytest.raises(LexiconError, match="200 source sentences, but 1"):
        paired_shares(lexicon_of({"s1": "t1"}), text[0], text[1][:1])


@pytest.mark.parametrize("method", ["align", "vecmap"])
def test_both_methods_both_neighbours(chain_text, method) -> None:
    sources, targets = chain_text
    options = {"method": method, "k": 2, "floor": 0, "seed": 3}
    forward, backward = build_lexicons(sources, targets, ("x", "y"), **options)
    assert forward.method == backward.method == method
    assert max(len(entry.translations) for entry in forward.entries.values()) == 2
    assert (forward, backward) == build_lexicons(sources, targets, ("x", "y"), **options)
    farthest, _ = build_lexicons(sources, targets, ("x", "y"), **options, neighbours="farthest")
    assert farthest.entries.keys() == forward.entries.keys()
    assert paired_shares(farthest, sources, targets).paired < paired_shares(forward, sources, targets).paired


def test_every_setting_reaches_the_builder(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {}
    monkeypatch.setattr(build, "build_lexicons", lambda *sides, **options: given.update(options))
    corpus = SimpleNamespace(source_language="de", target_language="en", sources=list, targets=list)
    settings = LexiconSettings(method="vecmap", k=5, floor=0.25, seed=7, preset="paper")
    segmenters = word_segmenter("de"), word_segmenter("en")
    lexicons_from_corpus(corpus, segmenters, settings, neighbours="farthest", unit="piece")
    assert given == {"neighbours": "farthest", "unit": "piece", **settings.model_dump(exclude={"corpus"})}


def test_each_direction_of_a_mapping_is_checked(chain_text, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    monkeypatch.setattr(build, "check_not_degenerate", lambda lexicon, *sides: checked.append((lexicon, sides)))
    sources, targets = chain_text
    forward, backward = build_lexicons(sources, targets, ("x", "y"), method="vecmap")
    assert checked == [(forward, (sources, targets)), (backward, (targets, sources))]


def test_degenerate_mapping_stops_the_building() -> None:
    """Two texts that have nothing to do with each other cannot be mapped."""
    rng = np.random.default_rng(1)
    sources, targets = ([[f"{side}{w}" for w in rng.integers(0, 30, size=5)] for _ in range(200)] for side in "st")
    with pytest.raises(DegenerateLexiconError):
        build_lexicons(sources, targets, ("x", "y"), method="vecmap")


def test_from_a_corpus() -> None:
    corpus = SimpleNamespace(
        source_language="de",
        target_language="en",
        sources=lambda: ["Das Haus.", "Das Buch!", "Ein Buch"],
        targets=lambda: ["The house.", "The book!", "A book"],
    )
    segmenters = word_segmenter("de"), word_segmenter("en")
    forward, backward = lexicons_from_corpus(corpus, segmenters, LexiconSettings(k=1))
    best = {entry.word: entry.translations[0].word for entry in forward.entries.values()}
    assert best == {"Das": "The", "Haus": "house", "Ein": "A", "Buch": "book"}
    assert (backward.source_language, backward.target_language) == ("en", "de")
