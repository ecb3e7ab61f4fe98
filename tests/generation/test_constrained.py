"""Search under constraints: what it holds in every family, and beam search where there are none."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.config.pretrain import FamilyName
from switchtune.config.training import GenerationSettings
from switchtune.corpus.tags import differences, kept_pattern
from switchtune.corpus.words import word_segmenter
from switchtune.errors import UsageError
from switchtune.generation import longest_outputs, translate
from switchtune.generation.by_ct2 import converted
from switchtune.generation.by_transformers import search_by_transformers
from switchtune.generation.constrained import search_constrained, shared_out
from switchtune.generation.constraints import Forms, encoded_constraints
from switchtune.generation.export import export_ct2
from switchtune.generation.keeping import Keeper
from switchtune.lexicon.glossary import Glossary
from switchtune.lexicon.terms import TermFinder
from switchtune.models.load import Loaded, save_model
from switchtune.switching.terms import GlossaryTerms
from tests.miniature import ALL, ENGLISH, GERMAN, lively, miniature, taught

SHORT = GenerationSettings(beams=3, max_length_ratio=0.6, max_length_extra=4, tokens_per_batch=120)
HOUSE, DOG, ICE, CREAM = ("house",), ("dog",), ("ice cream",), ("cream",)


@pytest.fixture(scope="module")
def learned() -> Loaded:
    """A miniature that has learned to translate the sixteen German sentences."""
    return taught()


def count(phrase: str, output: str) -> int:
    """How often a phrase stands in an output as it is, but for case, as words of its own."""
    segmenter = word_segmenter("en")
    return TermFinder("en", segmenter, [phrase]).count(segmenter.split(output), 0)[0]


@pytest.mark.parametrize("family", ALL)
def test_every_phrase_is_there_as_words_of_their_own(family: FamilyName) -> None:
    """Whatever the model: of random weights, it would have none of them."""
    phrases: list[list[Forms]] = [[DOG], [ICE, HOUSE], [CREAM, ICE, CREAM]]
    outputs = translate(lively(family), ["Hund", "Eis", "Ein Haus"], "de", "en", SHORT, constraints=phrases)
    assert count("dog", outputs[0]) == 1
    assert count("ice cream", outputs[1]) == count("house", outputs[1]) == 1
    assert count("cream", outputs[2]) == 3


@pytest.mark.parametrize("family", ["mbart", "nllb", "mt5"])
def test_without_constraints_it_is_beam_search(family: FamilyName) -> None:
    """Scores are those of transformers, so the outputs are too; whatever the penalty and repetitions."""
    loaded = lively(family)
    sources = loaded.layout.batch_encode_source(GERMAN[:4], "de", "en")
    for search in (SHORT, SHORT.model_copy(update={"length_penalty": 0.3, "no_repeat_ngram": 2})):
        limits = longest_outputs(loaded.layout, sources, "en", search)
        expected = search_by_transformers(loaded, sources, limits, "en", search)
        found = search_constrained(loaded, sources, limits, [()] * len(sources), "en", search)
        assert dict(row for batch in found for row in batch) == dict(row for batch in expected for row in batch)


def test_what_the_output_has_already_changes_nothing(learned: Loaded) -> None:
    words = [[(word.strip("."),) for word in sentence.split()[1:3]] for sentence in ENGLISH]
    assert translate(learned, GERMAN, "de", "en", GenerationSettings(), constraints=words) == list(ENGLISH)
    begins = [[(sentence.split()[0].lower(),)] for sentence in ENGLISH]
    assert translate(learned, GERMAN, "de", "en", GenerationSettings(), constraints=begins) == list(ENGLISH)


def test_the_form_that_fits_is_taken(learned: Loaded) -> None:
    forms = [[("hounds", "dog", "cat")], [("person", "men")]]
    assert translate(learned, GERMAN[:2], "de", "en", GenerationSettings(), constraints=forms) == list(ENGLISH[:2])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([DOG, ICE, CREAM, HOUSE, ("ice",), ("a",), ("a dog",)]), max_size=5))
@example([("ice",), ICE, ("ice",)])
def test_overlapping_and_repeated_phrases(phrases: list[Forms]) -> None:
    (output,) = translate(lively("mbart"), GERMAN[:1], "de", "en", SHORT, constraints=[phrases])
    for phrase in phrases:
        assert count(phrase[0], output) >= phrases.count(phrase)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.integers(1, 20))
def test_a_beam_is_shared_out(candidates: list[int], width: int) -> None:
    places = shared_out(candidates, width)
    assert sum(places) == min(width, sum(candidates))
    assert all(taken <= there for taken, there in zip(places, candidates, strict=True))
    best = max((bank for bank, there in enumerate(candidates) if there), default=None)
    assert best is None or places[best] > 0  # so that every step brings the constraints on
    even = width // len(candidates)
    assert all(taken >= min(even, there) for taken, there in zip(places, candidates, strict=True))


def test_what_cannot_be_held_is_told(learned: Loaded, caplog: pytest.LogCaptureFixture) -> None:
    phrases: list[list[Forms]] = [[("犬",), DOG], [("very long " * 40,)]]
    with caplog.at_level(logging.WARNING):
        outputs = translate(learned, GERMAN[:2], "de", "en", SHORT, constraints=phrases)
    assert "1 have a character that the model's vocabulary lacks, and 1 have no room within its 64" in caplog.text
    assert count("dog", outputs[0]) == 1
    # What fits into the positions has the room that it needs, whatever the longest output is otherwise.
    tight = GenerationSettings(beams=2, max_length=3)
    (output,) = translate(learned, GERMAN[:1], "de", "en", tight, constraints=[[("the red dress", "x"), ICE]])
    assert count("ice cream", output) == 1


def test_words_of_a_script_without_spaces() -> None:
    """They stand without a space before them, and anything may follow; ByT5 has all letters."""
    (dog,) = encoded_constraints(miniature("byt5").layout, [[("犬",)]], "ja")[0]
    spelled = tuple(3 + byte for byte in "犬".encode())
    assert dog.forms == ((3 + ord(" "), *spelled), spelled)
    assert not dog.ends_word
    (dog,) = encoded_constraints(miniature("byt5").layout, [[("dog",)]], "en")[0]
    assert dog.forms == (tuple(3 + byte for byte in b" dog"),)
    assert dog.initial == tuple(tuple(3 + byte for byte in word) for word in (b"dog", b"Dog"))
    assert dog.ends_word


def test_what_is_not_to_be_had_is_refused(learned: Loaded) -> None:
    with converted(learned, "float32") as model, pytest.raises(UsageError, match="no search under constraints"):
        translate(model, GERMAN[:1], "de", "en", SHORT, constraints=[[DOG]])
    with pytest.raises(UsageError, match=r"'dog' is a text\. Give a phrase as a tuple of forms"):
        translate(learned, GERMAN[:1], "de", "en", SHORT, constraints=[["dog"]])  # type: ignore[list-item]
    by_ct2 = GenerationSettings(engine="ct2")
    outputs = translate(learned, GERMAN[:2], "de", "en", by_ct2, constraints=[[], [HOUSE]])
    assert outputs[0] == ENGLISH[0]
    assert count("house", outputs[1]) == 1


# In translations that are to keep terms


def keeper_of(*pairs: tuple[str, str], keep: Sequence[str] = ()) -> Keeper:
    pattern = kept_pattern(keep) if keep else None
    return Keeper(GlossaryTerms(Glossary("terms.tsv", ("de", "en"), pairs)), pattern)


def test_only_what_lacks_a_term_is_searched_again() -> None:
    kept, asked = keeper_of(("Hund", "dog"), ("Haus", "house")), list[tuple[str, Sequence[Forms]]]()

    def constrained(sources: Sequence[str], phrases: Sequence[Sequence[Forms]]) -> list[str]:
        asked.extend(zip(sources, phrases, strict=True))
        return ["", "The dog by the house", "A dog, no more"]

    sources = ["Ein Hund", "HUND am Haus", "Haus und Hund"]
    outputs = kept.translated(sources, lambda texts: ["Two dogs", "the dog", "a house"], constrained)
    assert outputs == ["Two dogs", "The dog by the house", "a house"]
    assert asked[0][0] == ""
    assert asked[1:] == [("DOG am house", [("dog", "DOG"), HOUSE]), ("House und dog", [HOUSE, DOG])]
    assert kept.notes()[1] == (
        "terms.tsv: translations that lacked a term and were searched again with the terms as constraints: 2; "
        "sentences that lack one all the same: 1"
    )


def test_terms_are_held_between_what_is_copied(learned: Loaded) -> None:
    """The parts of a sentence of which a tag was lost hold the terms that stand in them."""
    kept, beams = keeper_of(("Hund", "meadow"), ("Bank", "ice cream"), keep=["tags"]), GenerationSettings(beams=2)
    sources = ["Ein <b>Hund</b> läuft.", "Zwei <i>Männer auf einer Bank</i>.", GERMAN[2]]
    outputs = kept.translated(
        sources,
        lambda texts: translate(learned, texts, "de", "en", beams),
        lambda texts, phrases: translate(learned, texts, "de", "en", beams, constraints=phrases),
    )
    pattern = kept_pattern(["tags"])
    assert not any(any(differences(*pair, pattern)) for pair in zip(sources, outputs, strict=True))
    assert count("meadow", outputs[0]) and count("ice cream", outputs[1])
    assert outputs[2] == ENGLISH[2]


def test_the_option(tmp_path: Path) -> None:
    save_model(taught(), tmp_path / "model", "de", "en")
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in GERMAN[:4]))
    (tmp_path / "terms.tsv").write_text("Hund\tice cream\nMänner\tmen\n")
    command = [
        "translate",
        str(tmp_path / "model"),
        str(tmp_path / "text"),
        "--from",
        "de",
        "--to",
        "en",
        "--constrained",
    ]
    alone = CliRunner().invoke(app, command)
    assert "give a glossary with --glossary" in str(alone.exception)
    with_terms = [*command, "--glossary", str(tmp_path / "terms.tsv")]
    for engine in ("transformers", "ct2"):
        done = CliRunner().invoke(app, [*with_terms, "--engine", engine])
        assert done.exit_code == 0, done.output
        outputs = done.stdout.splitlines()
        assert count("ice cream", outputs[0]) and count("men", outputs[1])
        assert outputs[2:] == list(ENGLISH[2:4])
        assert "sentences that lack one all the same: 0" in done.stderr
    export_ct2(str(tmp_path / "model"), tmp_path / "exported")
    with_terms[1] = str(tmp_path / "exported")
    refused = CliRunner().invoke(app, with_terms)
    assert "exported for CTranslate2, which has no search under constraints" in str(refused.exception)
