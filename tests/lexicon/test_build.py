"""Building by every method, what `auto` chooses, and the judgement that goes with it."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from switchtune.config.lexicon import LexiconSettings
from switchtune.corpus.words import Words, word_segmenter
from switchtune.errors import UsageError
from switchtune.lexicon.align import Compound
from switchtune.lexicon.block import BlockList, without_blocked
from switchtune.lexicon.build import LexiconInput, build, require_files
from switchtune.lexicon.judge import RejectedLexiconError
from switchtune.lexicon.judged import build_and_judge, held_out, require_accepted
from switchtune.lexicon.records import BuildStep, LexiconError
from switchtune.lexicon.text import monolingual_text

WORDS = {f"wort{chr(97 + n // 26)}{chr(97 + n % 26)}": f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(60)}


def material(pairs: int = 600, *, shuffled: bool = False, seed: int = 1) -> LexiconInput:
    """Sentences of a made-up language and their word-by-word translations, or those of other sentences."""
    rng = np.random.default_rng(seed)
    names = list(WORDS)
    sources = [[names[place] for place in rng.zipf(1.3, size=int(rng.integers(3, 9))) % 60] for _ in range(pairs)]
    targets = [[WORDS[word] for word in sentence] for sentence in sources]
    if shuffled:
        targets = [targets[place] for place in rng.permutation(pairs)]
    return LexiconInput(
        monolingual_text([" ".join(sentence) + "." for sentence in sources], "de", word_segmenter("de")),
        monolingual_text([" ".join(sentence) + "." for sentence in targets], "en", word_segmenter("en")),
    )


def settings(**values: Any) -> LexiconSettings:
    return LexiconSettings.model_validate(values)


def right(lexicon: Any, pairs: dict[str, str]) -> float:
    return sum(entry.translations[0].word == pairs[key] for key, entry in lexicon.entries.items()) / len(lexicon)


VECTORS = {word: np.random.default_rng(place).normal(size=16) for place, word in enumerate(WORDS)}
VECTORS |= {target: VECTORS[source] for source, target in WORDS.items()}


def encoder(sentences: Sequence[Words], language: str) -> list[np.ndarray]:
    return [np.array([VECTORS[word] for word in each.words], dtype=np.float32).reshape(-1, 16) for each in sentences]


@pytest.fixture
def dictionary(tmp_path: Path) -> str:
    path = tmp_path / "own.en-de.txt"  # in the other direction, as its name says
    path.write_text("".join(f"{target} {source}\n" for source, target in list(WORDS.items())[:40]), encoding="utf-8")
    return str(path)


def test_auto_aligns_parallel_text_and_says_so() -> None:
    steps: list[BuildStep] = []
    made = build_and_judge(material(), settings(), on_step=steps.append)
    assert (made.built.method, made.judgement.verdict) == ("align", "green")
    assert made.built.why.startswith("auto: the text is parallel, so align")
    assert made.tried == ("align (green)",) and made.next_steps == ()
    assert right(made.built.lexicons[0], WORDS) > 0.9
    assert made.judgement.held_out_pairs == 100
    assert made.judgement.stability is not None and made.judgement.stability > 0.9
    assert {step.what for step in steps} == {"model 1", "HMM", "sampling"}
    record = made.record()
    assert {"verdict", "lift", "coverage", "stability", "method", "chosen", "directions"} <= record.keys()
    assert record["languages"] == ["de", "en"]


def test_words_that_stand_for_phrases_are_recorded_in_both_directions() -> None:
    made = build_and_judge(material(100), settings(method="align"))
    phrases = ((Compound("Warnweste", "safety vest", 3, 4),), (Compound("past", "an mir vorbei", 2, 2),))
    record = replace(made, built=replace(made.built, compounds=phrases)).record()
    assert [(direction["source"], direction["compounds"]) for direction in record["directions"]] == [
        ("de", [{"word": "Warnweste", "phrase": "safety vest", "count": 3}]),
        ("en", [{"word": "past", "phrase": "an mir vorbei", "count": 2}]),
    ]


def test_auto_does_not_take_lines_of_equal_number_for_pairs() -> None:
    made = build_and_judge(material(shuffled=True), settings(seed=2))
    # So little text does not map either; what was tried is told, and nothing is used.
    assert made.tried == ("align (red)", "vecmap (red)")
    assert made.refusal is not None and "Tried: align (red), vecmap (red)" in made.refusal


@pytest.fixture
def without_gensim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gensim", None)


def test_vectors_that_cannot_be_learned_are_refused_before_any_work(without_gensim: None, tmp_path: Path) -> None:
    asked = pytest.raises(UsageError, match=r"gensim, which is not installed.*'switchtune\[vecmap\]'.*method align")
    for values in ({"method": "vecmap"}, {"method": "mixed", "parts": {"vecmap": 1, "align": 1}}):
        with asked:
            require_files(settings(**values))
    with asked:
        build(replace(material(50), paired=False), settings())
    for side, words in (("de", WORDS), ("en", WORDS.values())):
        lines = "".join(f"{word} {' '.join(map(str, VECTORS[word]))}\n" for word in words)
        (tmp_path / side).write_text(lines, encoding="utf-8")
    given = settings(method="vecmap", mode="identical", embeddings=[str(tmp_path / side) for side in ("de", "en")])
    require_files(given)
    with pytest.raises(LexiconError, match="no word in common"):  # and not gensim
        build(material(50), given)


def test_auto_says_what_it_could_not_try(without_gensim: None) -> None:
    made = build_and_judge(material(shuffled=True), settings(seed=2))
    assert made.tried == ("align (red)", "vecmap (not installed: pip install 'switchtune[vecmap]')")
    assert made.refusal is not None and "switchtune[vecmap]" in made.refusal


def test_unpaired_text_is_mapped_and_cannot_be_judged_well() -> None:
    loose = replace(material(), paired=False)
    made = build_and_judge(loose, settings())
    assert made.built.method == "vecmap"
    assert made.judgement.verdict in {"amber", "red"}  # so little text maps by luck
    assert "the text is not parallel" in made.built.why and "the mapping began with" in made.built.why
    assert any("--judge-by" in step for step in made.next_steps)
    judged = build_and_judge(loose, settings(), judged_by=material(200, seed=5))
    assert judged.judgement.lift is not None
    with pytest.raises(LexiconError, match=r"align needs sentence pairs.*vecmap"):
        build(loose, settings(method="align"))


def test_in_text_that_is_not_parallel_the_dictionary_comes_before_what_is_mapped(dictionary: str) -> None:
    loose = replace(material(), paired=False)
    made = build(loose, settings(dictionaries=[dictionary]))
    assert made.method == "mixed"
    assert "the text is not parallel, and there is a dictionary" in made.why and "vecmap (weight 1" in made.why
    own = dict(list(WORDS.items())[:40])
    entries = made.lexicons[0].entries
    assert {word: entries[word].translations[0].word for word in own} == own
    assert len(entries) > len(own)


def test_red_stops_unless_it_is_accepted() -> None:
    made = build_and_judge(material(shuffled=True), settings(method="align"))
    assert made.judgement.verdict == "red"
    with pytest.raises(
        RejectedLexiconError, match=r"judged red.*hardly more often.*Tried: align \(red\).*--accept-lexicon"
    ):
        require_accepted(made.refusal, False)
    require_accepted(made.refusal, True)


def test_a_dictionary_of_either_direction(dictionary: str) -> None:
    made = build_and_judge(material(), settings(method="dictionary", dictionaries=[dictionary]))
    forward, backward = made.built.lexicons
    assert len(forward) == len(backward) == 40
    assert right(forward, WORDS) == 1.0
    assert made.judgement.stability is None  # nothing about it is random
    assert forward.entries["wortaa"].count > 0
    with pytest.raises(LexiconError, match="needs a file"):
        build(material(), settings(method="dictionary"))


def test_mixed_takes_all_that_can_be_used(dictionary: str) -> None:
    made = build(material(), settings(dictionaries=[{"path": dictionary, "weight": 2}]))
    assert made.method == "mixed"
    assert "align (weight 1)" in made.why and "dictionary (weight 1" in made.why
    assert made.alignment is not None
    assert len(made.lexicons[0]) == len(WORDS)
    only = build(material(), settings(method="mixed", parts={"align": 0.5}))
    assert only.why == "mixed: asked for; align (weight 0.5)"


def test_a_dictionary_seeds_the_mapping(dictionary: str) -> None:
    made = build(replace(material(), paired=False), settings(mode="semi_supervised", dictionaries=[dictionary]))
    assert "the mapping began with 40 pairs of the dictionary" in made.why


def test_plm_needs_a_model_and_takes_its_states() -> None:
    with pytest.raises(LexiconError, match="--model"):
        build(material(), settings(method="plm"))
    made = build(replace(material(), encoder=encoder), settings(method="plm", k=1))
    assert right(made.lexicons[0], WORDS) == 1.0


def test_what_is_blocked_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "block.txt").write_text("# names\nwortaa\nwordab\n", encoding="utf-8")
    blocked = build(material(), settings(method="align", block={"words": str(tmp_path / "block.txt")}))
    forward = blocked.lexicons[0]
    assert "wortaa" not in forward.entries
    assert not any(each.word == "wordab" for entry in forward.entries.values() for each in entry.translations)


@pytest.mark.parametrize("method", ["align", "vecmap", "plm"])
def test_what_is_blocked_takes_no_place_of_another(method: str, tmp_path: Path) -> None:
    text = replace(material(300), encoder=encoder)
    every = build(text, settings(method=method, k=len(WORDS), floor=0, block={"numbers": False}))
    strongest = {entry.translations[0].word.lower() for entry in every.lexicons[0].entries.values()}
    words = [*sorted(strongest)[::2], "wortab"]
    (tmp_path / "block.txt").write_text("\n".join(words), encoding="utf-8")
    block = {"words": str(tmp_path / "block.txt"), "identical": True}
    blocked = build(text, settings(method=method, k=2, floor=0.3 if method == "align" else 0.1, block=block))
    for whole, lexicon in zip(every.lexicons, blocked.lexicons, strict=True):
        expected = without_blocked(whole, BlockList(words=frozenset(words), identical=True))
        assert lexicon.entries.keys() == expected.entries.keys()
        for key, entry in lexicon.entries.items():
            standing = expected.entries[key].translations
            least = 0.3 * standing[0].strength if method == "align" else -np.inf
            assert entry.translations == tuple(each for each in standing[:2] if each.strength >= least)


@pytest.mark.parametrize("method", ["align", "vecmap"])
def test_the_same_seed_gives_the_same_and_farthest_the_control(method: str) -> None:
    text = material(300)
    first, again = (build(text, settings(method=method)).lexicons for _ in range(2))
    assert first == again
    far = build(text, settings(method=method), neighbours="farthest")
    assert far.method == f"anti({method})" or far.lexicons[0].method == f"anti({method})"
    assert right(far.lexicons[0], WORDS) < 0.1
    assert far.lexicons != first


def test_the_control_leaves_out_what_is_blocked(tmp_path: Path) -> None:
    (tmp_path / "block.txt").write_text("wortaa\n", encoding="utf-8")
    block = {"words": str(tmp_path / "block.txt")}
    far = build(material(300), settings(method="align", block=block), neighbours="farthest").lexicons
    assert "wortaa" not in far[0].entries
    assert not any(each.word == "wortaa" for entry in far[1].entries.values() for each in entry.translations)


def test_auto_keeps_what_align_found_where_there_is_too_little_to_map() -> None:
    made = build_and_judge(material(6, shuffled=True), settings(), judged_by=material(3, shuffled=True, seed=4))
    assert made.built.method == "align"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"parts": {"align": 1}}, "parts are for method mixed"),
        ({"embeddings": ["a.vec", "b.vec"], "method": "align"}, "embeddings are for method vecmap"),
        ({"dictionaries": ["a.tsv"], "method": "align"}, "dictionaries are not for method align"),
        ({"dictionaries": [{"path": "a.tsv", "weight": float("inf")}]}, "finite"),
        ({"columns": ["de", "en"]}, "lexicon.corpus, which is not given"),
        ({"seed": 2**31}, "less than 2147483648"),
    ],
)
def test_settings_that_would_have_no_effect_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(**values)


def test_how_many_pairs_are_held_out() -> None:
    assert {pairs: int(held_out(pairs).sum()) for pairs in (0, 4, 50, 600, 5000, 1_000_000)} == {
        0: 0,
        4: 0,
        50: 10,
        600: 100,
        5000: 250,
        1_000_000: 2000,
    }


def test_fifty_pairs_are_built_from_but_not_trusted() -> None:
    made = build_and_judge(material(50), settings())
    assert made.judgement.verdict in {"amber", "red"}
    assert any("held-out pairs are few" in reason for reason in made.judgement.reasons)
    assert any("dictionary" in step for step in made.next_steps)


def test_a_side_without_words_is_one_clear_error() -> None:
    full = material(60)
    empty = replace(full, source=monolingual_text(["…"] * 60, "de", word_segmenter("de")))
    with pytest.raises(
        LexiconError,
        match=r"None of the .* pairs has from 1 to 200 words on both sides.*source and 0 target sentences have no word",
    ):
        build_and_judge(empty, settings(method="align"))
