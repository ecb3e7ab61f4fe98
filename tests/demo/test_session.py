"""What the demo does with a run is what the library does."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from switchtune.demo.session import (
    LONGEST_TEXT,
    EditRequest,
    EntriesRequest,
    RestoreRequest,
    SwitchRequest,
    TranslateRequest,
    TranslationField,
    Workshop,
    open_workshop,
)
from switchtune.errors import SwitchtuneError, UsageError
from switchtune.generation import translate
from switchtune.lexicon.files import edits_path, read_lexicon
from switchtune.lexicon.records import LexiconError
from switchtune.models.load import load_model
from tests.miniature import GERMAN
from tests.report.made_run import make_run

SENTENCE = "Ein Mann und ein Hund."


def switch(rate: float = 1.0, draw: int = 1, text: str = SENTENCE, language: str = "de") -> SwitchRequest:
    return SwitchRequest(pair="de-en", language=language, text=text, rate=rate, draw=draw)


def test_a_sentence_is_switched_word_by_word(workshop: Workshop) -> None:
    found = workshop.switch(switch())
    assert found["text"] == "A man und a dog."
    assert [word["replacement"] for word in found["words"]] == ["A", "man", None, "a", "dog"]
    assert found["words"][1]["candidates"] == [{"word": "man", "strength": 0.75}]
    assert found["words"][2]["candidates"] == []
    shown = "".join(word["gap"] + (word["replacement"] or word["word"]) for word in found["words"]) + found["end"]
    assert shown == found["text"]
    assert found["measure"] == "probability"


def test_a_rate_of_nothing_leaves_the_sentence(workshop: Workshop) -> None:
    assert workshop.switch(switch(rate=0.0))["text"] == SENTENCE


def test_another_draw_takes_other_words(workshop: Workshop) -> None:
    texts = {workshop.switch(switch(rate=0.4, draw=draw))["text"] for draw in range(8)}
    assert len(texts) > 1
    assert workshop.switch(switch(rate=0.4, draw=3)) == workshop.switch(switch(rate=0.4, draw=3))


def test_either_side_is_switched(workshop: Workshop) -> None:
    assert workshop.switch(switch(text="The dog.", language="en"))["text"] == "The Hund."


def test_both_systems_translate_as_the_library_does(workshop: Workshop, folder: Path) -> None:
    found = workshop.translate(TranslateRequest(pair="de-en", text=GERMAN[0]))
    expected = [
        {
            "arm": arm,
            "text": translate(load_model(str(folder / path)), [GERMAN[0]], "de", "en", workshop.config.generation)[0],
        }
        for arm, path in (("standard", "de-en/standard/seed1/task/model"), ("csr", "de-en/csr/seed2/task/model"))
    ]
    assert found["outputs"] == expected
    assert expected[0] != expected[1]


def test_stage_1_restores_in_the_language_of_the_sentence(workshop: Workshop, folder: Path) -> None:
    found = workshop.restore(RestoreRequest(pair="de-en", language="de", text="Ein dog läuft."))
    model = load_model(str(folder / "de-en/csr/seed2/restore/model"))
    assert found["text"] == translate(model, ["Ein dog läuft."], "de", "de", workshop.config.generation)[0]


def test_a_document_is_restored_sentence_by_sentence(workshop: Workshop, folder: Path) -> None:
    config = workshop.config.model_copy(update={"task": "summarization"})
    summarising = Workshop(workshop.run, config)
    found = summarising.restore(RestoreRequest(pair="de-en", language="de", text="Ein dog läuft. Er kam am 3. Mai."))
    model = load_model(str(folder / "de-en/csr/seed2/restore/model"))
    sentences = ["Ein dog läuft.", "Er kam am 3. Mai."]
    assert found["text"] == " ".join(translate(model, sentences, "de", "de", config.generation))
    assert (summarising.wording()["Text"], workshop.wording()["Text"]) == ("Document", "Sentence")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    bare = open_workshop(make_run(tmp_path / "mine"))
    assert bare.about()[0]["missing"] == [
        "There is no model of stage 1: nothing can be restored.",
        "There is no model of standard: it cannot translate.",
        "There is no model of csr: it cannot translate.",
    ]
    assert bare.translate(TranslateRequest(pair="de-en", text="x"))["outputs"][0]["text"] is None
    with pytest.raises(UsageError, match="no model of stage 1"):
        bare.restore(RestoreRequest(pair="de-en", language="de", text="x"))


def entries(query: str = "", start: int = 0) -> EntriesRequest:
    return EntriesRequest(pair="de-en", language="de", query=query, start=start)


def test_entries_are_found_by_word_and_translation(workshop: Workshop) -> None:
    assert [each["word"] for each in workshop.entries(entries("KATZ"))["entries"]] == ["Katze"]
    assert [each["word"] for each in workshop.entries(entries("dog"))["entries"]] == ["Hund"]
    everything = workshop.entries(entries())
    assert (everything["found"], everything["all"]) == (7, 7)
    assert workshop.entries(entries(start=7))["entries"] == []


def edit(word: str, *translations: tuple[str, float]) -> EditRequest:
    fields = [TranslationField(word=text, strength=strength) for text, strength in translations]
    return EditRequest(pair="de-en", language="de", word=word, translations=fields)


def lexicon_path(folder: Path) -> Path:
    return folder / "lexicon/de-en/auto-1a2b3c4d/lexicon.de-en.tsv"


def test_an_edit_is_beside_the_lexicon_and_in_the_next_sentence(workshop: Workshop, folder: Path) -> None:
    before, built = read_lexicon(lexicon_path(folder)), lexicon_path(folder).read_bytes()
    assert workshop.edit(edit("hund", ("hound", 0.5), ("dog", 0.6))) == {"file": "lexicon.de-en.edits.tsv", "all": 7}
    after = read_lexicon(lexicon_path(folder))
    assert lexicon_path(folder).read_bytes() == built
    entry = after.entries["hund"]
    assert (entry.word, entry.count) == ("Hund", 20)
    assert [(each.word, each.strength, each.count) for each in entry.translations] == [
        ("dog", 0.6, 3),
        ("hound", 0.5, 0),
    ]
    assert {key: each for key, each in after.entries.items() if key != "hund"} == {
        key: each for key, each in before.entries.items() if key != "hund"
    }
    assert {workshop.switch(switch(draw=draw))["words"][4]["replacement"] for draw in range(20)} == {"dog", "hound"}


def test_an_edit_by_another_hand_is_seen(workshop: Workshop, folder: Path) -> None:
    workshop.entries(entries())
    path = lexicon_path(folder)
    edits_path(path).write_text("# by hand\nBrot\tbread\t0.5\n", encoding="utf-8")
    assert workshop.entries(entries("brot"))["found"] == 1
    workshop.edit(edit("Ball", ("ball", 0.5)))
    assert edits_path(path).read_text(encoding="utf-8") == "# by hand\nBrot\tbread\t0.5\nBall\tball\t0.5\n"
    assert {"brot", "ball"} <= set(read_lexicon(path).entries)


def test_entries_come_and_go(workshop: Workshop, folder: Path) -> None:
    workshop.edit(edit("Ball", ("ball", 0.5)))
    workshop.edit(edit("Katze"))
    assert {"ball"} == set(read_lexicon(lexicon_path(folder)).entries) - {
        "hund",
        "mann",
        "frau",
        "liest",
        "buch",
        "ein",
    }


@pytest.mark.parametrize(
    ("word", "translations"),
    [("a\tb", [("dog", 0.5)]), (" Hund", [("dog", 0.5)]), ("Hund", [("d\nog", 0.5)]), ("Hund", [("dog", -0.5)])],
)
def test_what_could_not_be_read_again_is_refused(
    workshop: Workshop, folder: Path, word: str, translations: list[tuple[str, float]]
) -> None:
    with pytest.raises(LexiconError) as refused:
        workshop.edit(edit(word, *translations))
    assert str(refused.value).startswith(str(edits_path(lexicon_path(folder))))
    assert not edits_path(lexicon_path(folder)).exists()


def test_the_last_entry_stays(workshop: Workshop, folder: Path) -> None:
    for word in ("Katze", "Mann", "Frau", "liest", "Buch", "ein"):
        workshop.edit(edit(word))
    with pytest.raises(LexiconError, match="no entries"):
        workshop.edit(edit("Hund"))
    assert set(read_lexicon(lexicon_path(folder)).entries) == {"hund"}


def test_of_a_translation_given_twice_the_last_counts(workshop: Workshop, folder: Path) -> None:
    workshop.edit(edit("Hund", ("dog", 0.5), ("dog", 0.9)))
    assert [each.strength for each in read_lexicon(lexicon_path(folder)).entries["hund"].translations] == [0.9]


def test_pairs_and_languages_of_another_run_are_refused(workshop: Workshop) -> None:
    with pytest.raises(UsageError, match="no such pair"):
        workshop.entries(EntriesRequest(pair="../..", language="de", query="", start=0))
    with pytest.raises(UsageError, match="no such language"):
        workshop.entries(EntriesRequest(pair="de-en", language="../de", query="", start=0))


def test_long_texts_are_refused() -> None:
    with pytest.raises(ValidationError):
        switch(text="a" * (LONGEST_TEXT + 1))


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SwitchtuneError, match="no run is there"):
        open_workshop(tmp_path)
