"""What translations keep: what is copied is always there, unchanged; terms are counted."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from switchtune.cli.main import app
from switchtune.config.switching import TermSettings
from switchtune.corpus.tags import differences, kept_pattern
from switchtune.errors import UsageError
from switchtune.generation.keeping import Keeper, keeper, require_fitting_terms, term_settings_of, write_terms_note
from switchtune.lexicon.glossary import Glossary
from switchtune.models.load import save_model
from switchtune.switching.terms import GlossaryTerms
from tests.miniature import GERMAN, miniature, taught

ALL = kept_pattern(("placeholders", "tags", "urls", "numbers"))
TOKENS = (
    "<b>",
    "</b>",
    "<br/>",
    "%s",
    "{name}",
    "%(n)d",
    "12,5",
    "2024-01-02",
    "https://a.example/x?y=1",
    "a@b.example",
)
"""What is to come back."""


def tagged(seed: int) -> str:
    """A sentence with some of it between and beside its words."""
    rng = random.Random(seed)
    words = rng.choice(GERMAN).split()
    for _ in range(rng.randint(1, 4)):
        place, token = rng.randint(0, len(words)), rng.choice(TOKENS)
        words.insert(place, token)
    return " ".join(words)


def test_a_thousand_sentences_with_tags_keep_them_whatever_the_model_does() -> None:
    sentences = [tagged(seed) for seed in range(1000)]

    def damaged(texts: Sequence[str]) -> list[str]:
        """Every kind of damage by turns: lost, changed, doubled, invented, empty, or run together."""
        rng = random.Random(len(texts))
        ways = (
            lambda text: ALL.sub("", text),
            lambda text: text.replace("<", "< ").replace("%", "% "),
            lambda text: f"{text} {text}",
            lambda text: f"<i>{text}</i> 7 %d",
            lambda text: "",
            lambda text: text.replace(" ", ""),
            str,
        )
        return [rng.choice(ways)(text) for text in texts]

    kept = Keeper(None, ALL)
    outputs = kept.translated(sentences, damaged)
    lost = [differences(*pair, ALL) for pair in zip(sentences, outputs, strict=True)]
    assert not any(any(each) for each in lost)
    assert kept.counts["copied"] == sum(len(ALL.findall(sentence)) for sentence in sentences)
    assert kept.counts["in parts"] > 500
    assert kept.counts["left as they are"] < 20


@given(
    parts=st.lists(st.tuples(st.text("aß .,1", max_size=6), st.sampled_from(TOKENS)), max_size=5),
    translation=st.text("ab1<>%s/ {}", max_size=9),
)
def test_nothing_is_ever_lost(parts: list[tuple[str, str]], translation: str) -> None:
    source = "".join(text + token for text, token in parts)
    (output,) = Keeper(None, ALL).translated([source], lambda texts: [translation] * len(texts))
    assert not any(differences(source, output, ALL))


def test_a_translation_that_keeps_all_stays() -> None:
    kept = Keeper(None, ALL)
    sources = ["Klick <b>hier</b> %s!", "nichts", "drei Hunde"]
    translations = ["%s: click <b>here</b>!", "nothing", "3 dogs"]
    assert kept.translated(sources, lambda texts: translations) == translations
    assert kept.counts["in parts"] == 0


def test_a_placeholder_stands_beside_a_letter_of_a_script_without_spaces() -> None:
    kept = Keeper(None, kept_pattern(("placeholders",)))
    assert "%d" in kept.translated(["共%d个"], lambda texts: ["files" for _ in texts])[0]
    assert kept.translated(["100%ige"], lambda texts: ["complete" for _ in texts]) == ["complete"]


def test_the_parts_between_are_translated_where_one_is_lost() -> None:
    german = {"Klick <b>hier</b>!": "click here!", "Klick ": "Click", "hier": "here"}
    assert Keeper(None, ALL).translated([*german][:1], lambda texts: [german[text] for text in texts]) == [
        "Click <b>here</b>!"
    ]


def terms(*pairs: tuple[str, str]) -> GlossaryTerms:
    return GlossaryTerms(Glossary("terms.tsv", ("de", "en"), pairs))


def test_what_was_found_and_kept_is_told() -> None:
    kept = Keeper(terms(("Hund", "dog"), ("Haus", "house"), ("Katze", "cat")))
    given = list[str]()

    def translate(texts: Sequence[str]) -> list[str]:
        given.extend(texts)
        return ["A dog and dogs in the home", "Nothing"]

    assert kept.translated(["Ein Hund und Hunde im Haus", "Nichts"], translate) == [
        "A dog and dogs in the home",
        "Nothing",
    ]
    assert given == ["Ein dog und dog im house", "Nichts"]
    assert kept.notes() == [
        "terms.tsv: 2 of 3 terms were found in the text, 3 times; 2 of these stand in the translations, 1 of them just "
        "as in the glossary"
    ]


def test_a_glossary_the_wrong_way_round() -> None:
    reversed_terms = terms(("dog", "Hund"), ("house", "Haus"), ("cat", "Katze"))
    with pytest.raises(UsageError, match=r"wrong way round.* 0 times.* 3 times.* from de to en is expected"):
        Keeper(reversed_terms).translated(["Hund, Haus und Katze"], lambda texts: list(texts))
    kept = Keeper(reversed_terms)
    kept.translated(["Hund und Haus"], lambda texts: list(texts))
    assert "Is it from de to en?" in kept.notes()[-1]


def test_a_term_longer_than_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"the term 'sehr lang .* pieces, and a sentence of the model has 64 at most"):
        require_fitting_terms(terms(("Hund", "dog"), ("Haus", "sehr lang " * 60)), miniature().layout)
    require_fitting_terms(terms(("Hund", "dog")), miniature().layout)


def test_a_model_says_how_terms_were_put_into_its_sources(tmp_path: Path) -> None:
    save_model(miniature(), tmp_path / "model", "de", "en")
    (tmp_path / "terms.tsv").write_text("Hund\tdog\n")
    told = list[str]()
    made = keeper(str(tmp_path / "model"), ("de", "en"), str(tmp_path / "terms.tsv"), tell=told.append)
    assert made is not None and made.terms is not None and made.terms.mark == ""
    assert "was not trained with terms" in told[0]
    write_terms_note(tmp_path / "model", TermSettings(share=0.3, tag=True))
    assert term_settings_of(str(tmp_path / "model")) == TermSettings(share=0.3, tag=True)
    made = keeper(str(tmp_path / "model"), ("de", "en"), str(tmp_path / "terms.tsv"), tell=told.append)
    assert made is not None and made.terms is not None and made.terms.mark == "|"
    assert len(told) == 1
    assert keeper("none", ("de", "en"), None, tell=told.append) is None


@pytest.mark.slow
def test_a_text_is_translated_with_a_glossary_and_all_is_kept(tmp_path: Path) -> None:
    save_model(taught(), tmp_path / "model", "de", "en")
    sentences = [tagged(seed) for seed in range(30)]
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in sentences))
    (tmp_path / "terms.tsv").write_text("Hund\tdog\nFenster\twindow\nSchiff\tship\n")
    options = ["--from", "de", "--to", "en", "--beams", "1", "--glossary", str(tmp_path / "terms.tsv")]
    command = ["translate", str(tmp_path / "model"), str(tmp_path / "text"), *options]
    kept = [word for kind in ("tags", "placeholders", "urls", "numbers") for word in ("--keep", kind)]
    done = CliRunner().invoke(app, [*command, *kept, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    outputs = (tmp_path / "out").read_text().splitlines()
    assert len(outputs) == len(sentences)
    assert not any(any(differences(*pair, ALL)) for pair in zip(sentences, outputs, strict=True))
    assert "2 of 3 terms were found in the text" in done.stderr
    assert "kept unchanged: " in done.stderr
    # Another glossary makes another translation, which does not go on with this one.
    unknown = CliRunner().invoke(app, [*command, "--keep", "tag"])
    assert unknown.exit_code == 1 and "--keep tag: did you mean 'tags'" in str(unknown.exception)
