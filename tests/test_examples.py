"""Examples of each stage."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchtune.corpus.documents import SENTENCE_END, read_documents
from switchtune.corpus.read import Corpus, read_corpus
from switchtune.corpus.words import Words, word_segmenter
from switchtune.errors import SwitchtuneError
from switchtune.examples import (
    Example,
    Examples,
    alternating_examples,
    denoise_examples,
    dictionary_examples,
    iaft_examples,
    masked_spans,
    mixed_examples,
    permuted_sentences,
    perturbed,
    restore_examples,
    restore_passages,
    switched_examples,
    switched_pairs,
    task_examples,
    terms_examples,
)
from switchtune.lexicon.records import Entry, Lexicon, Translation
from switchtune.switching.switcher import Switcher, from_mask
from tests.switching.test_gloss import glosser
from tests.switching.test_terms import terms as aligned_terms


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "train.de").write_text("Ein Hund schläft tief.\nZwei Katzen spielen heute.\n", encoding="utf-8")
    (folder / "train.en").write_text("A dog sleeps soundly.\nTwo cats are playing today.\n", encoding="utf-8")
    return read_corpus(str(folder / "train.{de,en}"), "de", "en", cache_dir=folder)


def masker(language: str) -> Switcher:
    return Switcher(word_segmenter(language), from_mask("_"), rate=0.5)


def test_task_examples_are_the_pairs(corpus: Corpus) -> None:
    example = task_examples(corpus).make(7, 1)
    assert example.source == "Zwei Katzen spielen heute."
    assert (example.target, example.target_language) == ("Two cats are playing today.", "en")


def test_restore_examples_restore_both_sides_with_both_tags_in_their_own_language(corpus: Corpus) -> None:
    examples = restore_examples(corpus, (masker("de"), masker("en")), seed=1)
    made = [examples.make(0, index) for index in range(examples.count)]
    assert [example.target for example in made] == [
        "Ein Hund schläft tief.",
        "A dog sleeps soundly.",
        "Zwei Katzen spielen heute.",
        "Two cats are playing today.",
    ]
    assert [example.source_language for example in made] == ["de", "en", "de", "en"]
    assert examples.sides is not None and examples.sides.tolist() == [0, 1, 0, 1]
    assert all(example.source_language == example.target_language for example in made)
    assert all(example.source.count("_") == pytest.approx(len(example.target.split()) / 2, abs=1) for example in made)


def test_each_side_is_switched_by_its_own_switcher(corpus: Corpus) -> None:
    german, english = (Switcher(word_segmenter(code), from_mask(code), rate=1.0) for code in ("de", "en"))
    examples = restore_examples(corpus, (german, english), seed=1)
    assert examples.make(0, 0).source == "De de de de."
    assert examples.make(0, 1).source == "En en en en."


def test_restore_examples_are_made_anew_each_epoch_and_reproducibly(corpus: Corpus) -> None:
    examples = restore_examples(corpus, (masker("de"), masker("en")), seed=1)
    same = restore_examples(corpus, (masker("de"), masker("en")), seed=1)
    assert [examples.make(epoch, 0) for epoch in range(20)] == [same.make(epoch, 0) for epoch in range(20)]
    assert len({examples.make(epoch, 0).source for epoch in range(20)}) > 3


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12))
def test_many_examples_at_once_are_those_made_one_by_one(corpus: Corpus, keys: list[tuple[int, int]]) -> None:
    restore = restore_examples(corpus, (masker("de"), masker("en")), seed=1)
    assert restore.made(keys) == [restore.make(*key) for key in keys]
    halved = [(epoch, index // 2) for epoch, index in keys]
    for examples in (task_examples(corpus), iaft_examples(corpus, word_segmenter("de"), mask="_", seed=1, share=0.5)):
        assert examples.made(halved) == [examples.make(*key) for key in halved]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("documents") / "train.tsv"
    rows = [("Ein Hund schläft. Er träumt.", "A dog dreams."), ("Zwei Katzen.", "Cats. They are two. All is well.")]
    path.write_text("".join(f"{document}\t{summary}\n" for document, summary in rows), encoding="utf-8")
    return read_documents(path, "de", "en", words=9, cache_dir=path.parent)


def test_every_sentence_of_documents_and_summaries_is_restored(documents: Corpus) -> None:
    examples = restore_passages(documents, (masker("de"), masker("en")), seed=1)
    made = examples.made([(0, index) for index in range(examples.count)])
    assert [example.target for example in made] == [
        *("Ein Hund schläft.", "Er träumt.", "Zwei Katzen."),
        *("A dog dreams.", "Cats.", "They are two.", "All is well."),
    ]
    assert [example.source_language for example in made] == [example.target_language for example in made]
    assert [example.target_language for example in made] == ["de"] * 3 + ["en"] * 4
    assert examples.sides is not None and examples.sides.tolist() == [0] * 3 + [1] * 4
    assert sum("_" in example.source for example in made) >= 5
    keys = [(2, 6), (0, 1), (1, 3), (0, 1)]
    assert examples.made(keys) == [examples.make(*key) for key in keys]
    again = [examples.make(1, index).source for index in range(examples.count)]
    assert again != [example.source for example in made]


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("english") / "train.tsv"
    path.write_text("The dog sleeps. The dog sleeps.\tSchlaf.\nDogs bark.\tLärm.\n", encoding="utf-8")
    return read_documents(path, "en", "de", words=9, cache_dir=path.parent)


def test_switched_examples_change_words_of_the_source_alone_and_anew_each_epoch(english: Corpus) -> None:
    whole = switched_examples(english, glosser(k=1), seed=1)
    assert whole.make(0, 0).source == f"Der Hund schläft. {SENTENCE_END} Der Hund schläft."
    assert whole.make(0, 1) == Example("Dogs bark.", "en", "Lärm.", "de")  # without a translation
    half = switched_examples(english, glosser(k=1, rate=0.5), seed=1)
    made = [half.make(epoch, 0) for epoch in range(400)]
    assert {(each.source_language, each.target, each.target_language) for each in made} == {("en", "Schlaf.", "de")}
    words = Counter(word for each in made for word in each.source.replace(".", "").split())
    assert words["Hund"] / (words["Hund"] + words["dog"]) == pytest.approx(0.5, abs=0.06)
    assert made[7] == switched_examples(english, glosser(k=1, rate=0.5), seed=1).make(7, 0)
    assert made != [switched_examples(english, glosser(k=1, rate=0.5), seed=2).make(each, 0) for each in range(400)]


def test_switched_pairs_are_of_one_language_drawn_each_time_under_its_tag(corpus: Corpus) -> None:
    pairs = switched_pairs(corpus.reversed(), {"de": glosser(k=1), "xx": glosser(unknown="drop", k=1)}, seed=1)
    made = [pairs.make(epoch, 0) for epoch in range(400)]
    assert set(made) == {
        Example("A Hund schläft soundly.", "de", "Ein Hund schläft tief.", "de"),
        Example("Hund schläft.", "xx", "Ein Hund schläft tief.", "xx"),  # a side without any translation stays
    }
    assert Counter(each.source_language for each in made)["xx"] == pytest.approx(200, abs=40)


def test_alternating_examples_have_one_of_each_in_turn(corpus: Corpus) -> None:
    both = alternating_examples([task_examples(corpus), task_examples(corpus.reversed())])
    assert [both.make(0, index).source_language for index in range(both.count)] == ["de", "en", "de", "en"]
    assert both.make(0, 3).source == "Two cats are playing today."


def test_iaft_noises_about_the_share_asked_for_and_never_the_target(corpus: Corpus) -> None:
    examples = iaft_examples(corpus, word_segmenter("de"), mask="_", seed=1, share=0.5)
    made = [examples.make(epoch, 0) for epoch in range(2000)]
    changed = np.mean([example.source != "Ein Hund schläft tief." for example in made])
    assert {example.target for example in made} == {"A dog sleeps soundly."}
    assert 0.2 < changed < 0.5  # a noised sentence of four words may come out unchanged
    untouched = iaft_examples(corpus, word_segmenter("de"), mask="_", seed=1, share=0.0)
    assert untouched.make(3, 0).source == "Ein Hund schläft tief."


@given(st.integers(0, 30), st.integers(0, 2**31))
def test_perturbed_keeps_words_of_the_sentence_only(count: int, seed: int) -> None:
    words = tuple(f"w{number}" for number in range(count))
    units = Words(("", *[" "] * count), words) if count else Words(("",), ())
    result = perturbed(units, mask="_", rng=np.random.default_rng(seed), rate=0.3)
    assert set(result.words) <= {*words, "_"}
    assert len(result.words) == len(result.gaps) - 1
    assert bool(result.words) == bool(words)


@given(st.integers(1, 80), st.floats(0, 1), st.integers(0, 2**31))
def test_masked_spans_hide_the_share_asked_for_in_one_mask_a_span(count: int, rate: float, seed: int) -> None:
    words = tuple(f"w{number}" for number in range(count))
    units = Words(("<", *[f" {number} " for number in range(1, count)], ">"), words)
    result = masked_spans(units, mask="_", rate=rate, mean_span=3.5, rng=np.random.default_rng(seed))
    shown = [word for word in result.words if word != "_"]
    assert count - len(shown) == pytest.approx(rate * count, abs=1)
    assert shown == [word for word in words if word in set(shown)]
    assert (result.gaps[0], result.gaps[-1]) == ("<", ">")
    assert "__" not in "".join("_" if word == "_" else "w" for word in result.words)


def test_perturbed_drops_and_moves_words() -> None:
    words = tuple(f"w{number}" for number in range(10))
    units = Words(("", *[" "] * 10), words)
    made = [perturbed(units, mask="_", rng=np.random.default_rng(seed)).words for seed in range(1000)]
    assert np.mean([10 - len(result) for result in made]) == pytest.approx(1.0, abs=0.1)
    shown = [[word for word in result if word != "_"] for result in made]
    moved = [kept != sorted(kept, key=words.index) for kept in shown]
    assert 0.3 < np.mean(moved) < 0.8
    assert all(
        abs(place - sorted(kept, key=words.index).index(word)) <= 4 for kept in shown for place, word in enumerate(kept)
    )


def test_masked_spans_hide_several_words_under_one_mask() -> None:
    units = Words(("", *[" "] * 40), tuple(f"w{number}" for number in range(40)))
    hidden = [
        masked_spans(units, mask="_", rate=0.35, mean_span=3.5, rng=np.random.default_rng(seed)).words
        for seed in range(200)
    ]
    masks = np.mean([words.count("_") for words in hidden])
    assert 2.5 < masks < 5.5  # 14 hidden words, in spans of 3.6 words of which some meet


def test_perturbed_masks_a_tenth_of_the_words_even_in_sentences_of_one_word() -> None:
    made = [
        perturbed(Words(("", ""), ("wort",)), mask="_", rng=np.random.default_rng(seed)).words for seed in range(3000)
    ]
    assert np.mean([words == ("_",) for words in made]) == pytest.approx(0.1, abs=0.02)


def test_permuted_sentences_keep_every_sentence() -> None:
    passage = "One is here. Two went away! Is three left?"
    seen = Counter(permuted_sentences(passage, "en", rng=np.random.default_rng(seed)) for seed in range(60))
    assert len(seen) == 6
    assert all(sorted(order.split()) == sorted(passage.split()) for order in seen)
    assert permuted_sentences("Only one here.", "en", rng=np.random.default_rng(0)) == "Only one here."


def test_denoise_examples_cover_all_languages_in_order() -> None:
    texts = [("de", ["Eins zwei drei.", "Vier fünf."]), ("fr", []), ("en", ["One two three four."])]
    segmenters = [word_segmenter(language) for language, _ in texts]
    examples = denoise_examples(texts, segmenters, mask="<mask>", seed=1)
    made = [examples.make(0, index) for index in range(examples.count)]
    assert [(example.target, example.target_language) for example in made] == [
        ("Eins zwei drei.", "de"),
        ("Vier fünf.", "de"),
        ("One two three four.", "en"),
    ]
    assert all("<mask>" in examples.make(epoch, 2).source for epoch in range(5))


def test_denoising_puts_the_sentences_of_a_passage_in_another_order() -> None:
    texts = [("en", ["One two. Three four."])]
    examples = denoise_examples(texts, [word_segmenter("en")], mask="_", seed=1, rate=0.0)
    made = Counter(examples.make(epoch, 0).source for epoch in range(200))
    assert set(made) == {"One two. Three four.", "Three four. One two."}
    assert made["Three four. One two."] == pytest.approx(100, abs=30)


def test_sentences_written_without_spaces_are_joined_without() -> None:
    seen = {permuted_sentences("我来了。他走了。", "zh", rng=np.random.default_rng(seed)) for seed in range(20)}
    assert seen == {"我来了。他走了。", "他走了。我来了。"}


def test_denoising_without_text_is_refused() -> None:
    with pytest.raises(SwitchtuneError, match="No text to pretrain on"):
        denoise_examples([("de", [])], [word_segmenter("de")], mask="_", seed=1)


def numbered(kind: str, count: int) -> Examples:
    return Examples(count, lambda epoch, index: Example(f"{kind} {index}", "de", f"{epoch}", "en"))


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=4), data=st.data())
def test_a_mixture_has_its_shares_in_every_epoch_and_uses_all_examples_alike(
    counts: list[int], data: st.DataObject
) -> None:
    shares = [data.draw(st.floats(0.1, 1.0)) for _ in counts]
    ingredients = [
        (numbered(str(kind), count), share) for kind, (count, share) in enumerate(zip(counts, shares, strict=True))
    ]
    mixture = mixed_examples(ingredients, seed=3)
    assert mixture.count == sum(counts)
    assert mixture.used is not None
    uses = Counter[str]()
    for epoch in range(30):
        used = mixture.used(epoch, epoch / 30).tolist()
        made = mixture.made([(epoch, index) for index in used])
        assert [example.target for example in made] == [str(epoch)] * len(used)
        assert made == [mixture.make(epoch, index) for index in used]
        uses.update(example.source for example in made)
        of_kind = Counter(example.source.split()[0] for example in made)
        for kind, (count, share) in enumerate(zip(counts, shares, strict=True)):
            wanted = min(of / part for of, part in zip(counts, shares, strict=True)) * share
            assert of_kind[str(kind)] == max(1, round(wanted))
            assert of_kind[str(kind)] <= count
    for kind, count in enumerate(counts):
        times = [uses[f"{kind} {index}"] for index in range(count)]
        assert max(times) - min(times) <= 1


def test_the_order_of_a_mixture_depends_on_its_seed_alone() -> None:
    ingredients = [(numbered("a", 10), 0.5), (numbered("b", 1000), 0.5)]
    first, again, other = (mixed_examples(ingredients, seed=seed).used for seed in (1, 1, 2))
    assert first is not None and again is not None and other is not None
    assert first(7, 0).tolist() == again(7, 0).tolist() != other(7, 0).tolist()


@given(
    counts=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    ends=st.tuples(st.floats(0.05, 1), st.floats(0, 1), st.floats(0, 1)),
    epochs=st.integers(1, 30),
)
def test_shares_change_in_a_straight_line(
    counts: tuple[int, int], ends: tuple[float, float, float], epochs: int
) -> None:
    task, first, last = ends
    mixture = mixed_examples([(numbered("a", counts[0]), task), (numbered("b", counts[1]), (first, last))], seed=1)
    assert mixture.used is not None
    for epoch in range(epochs):
        done = epoch / epochs
        used = mixture.used(epoch, done)
        assert np.array_equal(used, mixture.used(epoch, done))
        share = first + (last - first) * done
        assert np.mean(used >= counts[0]) == pytest.approx(share / (task + share), abs=1 / len(used))


def test_a_kind_of_changing_share_gets_to_all_its_examples_in_short_epochs() -> None:
    mixture = mixed_examples([(numbered("a", 4_000), (1.0, 0.0)), (numbered("b", 90_000), (0.0, 1.0))], seed=1)
    assert mixture.used is not None
    assert {len(mixture.used(epoch, epoch / 40)) for epoch in range(40)} == {1_000}
    uses = np.bincount(np.concatenate([mixture.used(epoch, epoch / 40) for epoch in range(40)]))
    assert uses[:4_000].sum() == pytest.approx(20_000, rel=0.05)
    assert np.mean(uses[:4_000] == 0) < 0.001


def test_dictionary_entries_are_pairs_of_the_task_drawn_anew() -> None:
    entries = {
        "hund": Entry("Hund", 1, (Translation("dog", 0.9, 1), Translation("hound", 0.1, 1))),
        "in": Entry("in", 1, (Translation("in", 1.0, 1),)),
    }
    lexicon = Lexicon("de", "en", "align", "probability", "word", entries)
    examples = dictionary_examples(lexicon, k=2, seed=1)
    assert examples.made([(epoch, 1) for epoch in range(3)]) == [Example("in", "de", "in", "en")] * 3
    drawn = Counter(examples.make(epoch, 0) for epoch in range(1000))
    assert set(drawn) == {Example("Hund", "de", "dog", "en"), Example("Hund", "de", "hound", "en")}
    assert 450 < drawn[Example("Hund", "de", "dog", "en")] < 550
    with pytest.raises(SwitchtuneError, match="the lexicon is empty"):
        dictionary_examples(replace(lexicon, entries={}), k=2, seed=1)


def test_examples_with_terms_are_drawn_anew_each_epoch_and_alike_in_any_process(corpus: Corpus) -> None:
    made = aligned_terms("0-0 1-1 2-2 3-3", "0-0 1-1 2-3 3-4", rate=0.3)
    first, second = (terms_examples(corpus, made, seed=1) for _ in range(2))
    keys = [(epoch, index) for epoch in range(20) for index in range(2)]
    assert first.made(keys) == second.made(keys)
    sources = {index: {first.make(epoch, index).source for epoch in range(20)} for index in range(2)}
    assert all(len(texts) > 2 for texts in sources.values())
    assert {first.make(*key).target for key in keys} == {"A dog sleeps soundly.", "Two cats are playing today."}
    assert {(first.make(*key).source_language, first.make(*key).target_language) for key in keys} == {("de", "en")}
    other = terms_examples(corpus, made, seed=2)
    assert other.made(keys) != first.made(keys)
